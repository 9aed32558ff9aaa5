"""Keras models as ONNX graphs: what they say in ONNX Runtime is what `assess` says."""

import json
import os

import keras
import numpy as np
import pytest
from keras import layers

import howsure

if keras.backend.backend() == "jax":
    pytest.skip("JAX writes no graphs: test_export_on_jax.py", allow_module_level=True)
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
import onnx

from tests.graphs import CLASSES, check_as_assessed, metadata, run

EXACT = 1e-4
ONCE = pytest.mark.skipif(
    keras.backend.backend() == "torch" and "EVERY_TEST" not in os.environ,
    reason="TensorFlow writes a graph the fastest, and the arithmetic is the same on every backend",
)


def question():
    """The layers of the question's CNN, with fewer filters; many late masks for each early one."""
    return keras.Sequential(
        [
            keras.Input((10, 10, 1), name="pixels"),
            *(layers.Conv2D(16, 3, activation="relu"), layers.Dropout(0.2)),
            *(layers.Conv2D(24, 3, activation="relu"), layers.Dropout(0.2), layers.Flatten()),
            *(layers.Dense(24, activation="relu"), layers.Dropout(0.25)),
            layers.Dense(4, activation="softmax", kernel_initializer="he_normal"),
        ]
    )


def sigmoid():
    """One sigmoid stands for two classes."""
    inputs = keras.Input((6,))
    outputs = layers.Dense(1, activation="sigmoid")(layers.Dropout(0.4)(layers.Dense(8, "tanh")(inputs)))
    return keras.Model(inputs, outputs)


def two_inputs():
    """Spatial dropout, an exact GELU, a normalisation, and logits of two inputs."""
    left, right = keras.Input((5, 3), name="left"), keras.Input((2,), name="right")
    hidden = layers.GlobalAveragePooling1D()(
        layers.SpatialDropout1D(0.3)(layers.Conv1D(8, 2, activation="gelu")(left))
    )
    joined = layers.LayerNormalization()(layers.Concatenate()([hidden, right]))
    return keras.Model([left, right], layers.Dense(3)(layers.AlphaDropout(0.1)(joined)))


def numbers():
    """A regression with two targets."""
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(12, "tanh"), layers.Dropout(0.3), layers.Dense(2)], name="numbers"
    )


MODELS = {"question": question, "sigmoid": sigmoid, "two_inputs": two_inputs, "numbers": numbers}


def rows_for(model, count, seed=0):
    random = np.random.default_rng(seed)
    made = {
        spec.name: random.normal(size=(count, *spec.shape[1:])).astype("float32") for spec in model.inputs
    }
    return made if len(made) > 1 else next(iter(made.values()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "certainty.onnx"


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_says_what_assess_says_and_how_familiar_a_row_is(name, path):
    model = MODELS[name]()
    outputs = {"two_inputs": "logits", "numbers": "values"}.get(name)
    x, held_out, others = (rows_for(model, count, seed) for seed, count in enumerate((200, 120, 150)))
    labels = None if name == "numbers" else np.arange(200) % 2
    train, kept = howsure.features_of(model, x), howsure.features_of(model, held_out)
    known = howsure.familiarity(train, labels, kept, score="neighbours")
    plan = howsure.plan(model, x, precision="float32", outputs=outputs)
    wishes = {"seed": 2, "outputs": outputs}
    exported = howsure.export(model, path, plan=plan, x=held_out, familiarity=known, **wishes)
    assert exported.largest_difference < EXACT
    columns = ["mean", "mc_error", "spread"] if name == "numbers" else CLASSES
    of_graph, expected = check_as_assessed(path, model, others, plan, columns, **wishes)
    if name != "numbers":
        assert plan.design.is_flat == (name != "question")
        assert (of_graph["label"] == expected.label).all()
        assert of_graph["mutual_information"].max() > 1e-3
        words = np.array(json.loads(metadata(path)["verdicts"]), dtype=object)
        assert (words[of_graph["verdict"]] == expected.verdict).all()
    again = run(path, others)
    assert all((again[column] == of_graph[column]).all() for column in of_graph)

    features = howsure.features_of(model, others)
    scores = known(features)
    apart = np.abs(scores[:, None] - known.held_out).min(axis=1) > 1e-5 * np.abs(scores)
    assert apart.mean() > 0.8
    assert np.abs(of_graph["familiarity"] - known.percentile(features))[apart].max() < 1e-6
    assert json.loads(metadata(path)["familiarity"])["score"] == "neighbours"


@ONCE
@pytest.mark.parametrize("outputs", ["mean-variance", "mean-log-variance"])
def test_a_mean_and_a_variance_in_two_outputs(outputs, path):
    """The variance comes before the dropout, so all networks agree on it: the noise is its root."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, "tanh")(inputs)
    mean = layers.Dense(2, name="mean")(layers.Dropout(0.3)(hidden))
    name, activation = {"mean-variance": ("variance", "softplus"), "mean-log-variance": ("log_var", None)}[
        outputs
    ]
    variance = layers.Dense(2, activation, name=name)(hidden)
    model = keras.Model(inputs, [variance, mean])  # their names tell which is which
    x, others = rows_for(model, 20), rows_for(model, 10, seed=1)
    howsure.export(model, path, plan=howsure.Plan(), x=x, outputs=outputs)
    columns = ["mc_error", "mean", "noise", "spread"]
    of_graph, _ = check_as_assessed(path, model, others, howsure.Plan(), columns, outputs=outputs)
    assert sorted(of_graph) == columns
    assert of_graph["spread"].min() > 1e-3
    own, _ = (keras.ops.convert_to_numpy(output) for output in model(others))
    own = own if outputs == "mean-variance" else np.exp(own)
    np.testing.assert_allclose(of_graph["noise"], np.sqrt(own), rtol=1e-4)
    assert metadata(path)["outputs"] == outputs


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="texts are of TensorFlow")
def test_texts_and_fixed_batches_are_refused(path):
    words = layers.TextVectorization(20, output_sequence_length=5)
    words.adapt(["a b c"])
    last = (layers.Dropout(0.3), layers.Flatten(), layers.Dense(3, activation="softmax"))
    model = keras.Sequential([keras.Input((1,), dtype="string"), words, layers.Embedding(20, 8), *last])
    with pytest.raises(howsure.ModelError, match="takes texts"):
        howsure.export(model, path, plan=howsure.Plan(), x=np.array([["a b"], ["c"]]))
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, 6)), layers.Dropout(0.3), layers.Dense(3, "softmax")]
    )
    with pytest.raises(howsure.ModelError, match=r"run one at a time.*takes 4 at a time"):
        howsure.export(model, path, plan=howsure.Plan())
    assert not list(path.parent.iterdir())


@ONCE
def test_constants_of_layers_names_and_versions(path):
    """`Normalization` holds constants that are no variables; an input may be called as an output of ours."""
    rescale = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    inputs = keras.Input((3,), name="passes")
    hidden = layers.Dropout(0.4)(layers.Dense(8, "tanh")(rescale(inputs)))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(hidden))
    x = np.random.default_rng(0).normal(2, 3, size=(30, 3)).astype("float32")
    exported = howsure.export(model, path, plan=howsure.Plan(), x=x)
    assert exported.largest_difference < 1e-5
    graph = onnx.load(path)
    assert [graph_input.name for graph_input in graph.graph.input] == ["passes"]
    assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "rows"
    domains = [opset.domain for opset in graph.opset_import]
    assert sorted(domains) == sorted(set(domains))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_sixteen_bits_are_refused(policy, path):
    inputs = keras.Input((6,))
    hidden = layers.Dropout(0.4)(layers.Dense(8, "tanh", dtype=policy)(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", dtype="float32")(hidden))
    with pytest.raises(howsure.ModelError, match=r"computes in b?float16, and graphs compute in float32"):
        howsure.export(model, path, plan=howsure.Plan())


def test_the_size_of_rows_is_not_made_up(path):
    inputs = keras.Input((None, None, 3))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dropout(0.4)(hidden)))
    with pytest.raises(howsure.InputError, match="takes rows of any size"):
        howsure.export(model, path, plan=howsure.Plan())


@ONCE
def test_inputs_are_divided_first_where_that_is_asked_for(path):
    model = two_inputs()
    raw = {name: np.abs(100 * rows) for name, rows in rows_for(model, 8).items()}
    wishes = {"plan": howsure.Plan(), "divide_by": 100, "outputs": "logits"}
    exported = howsure.export(model, path, **wishes)  # on made-up rows
    assert json.loads(metadata(path)["divide_by"]) == 100
    method = howsure.MCDropout(plan=howsure.Plan(), max_passes=exported.passes)
    divided = {name: rows / 100 for name, rows in raw.items()}
    certainty = howsure.assess(model, divided, method=method, outputs="logits")
    assert np.abs(run(path, raw)["probabilities"] - certainty.probabilities).max() < EXACT
