"""Files of Keras 2: read where they can be, and told with the way out where they cannot.

They are files of Keras 3 whose configuration is written as Keras 2 did (compared with what tf-keras writes).
"""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models.adapt import load as load_any
from howsure.models.keras.files import load

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def sequential(*middle, shape):
    return keras.Sequential(
        [keras.Input(shape), *middle, layers.Flatten(), layers.Dropout(0.3), layers.Dense(3, "softmax")]
    )


def recurrent():
    return sequential(layers.Bidirectional(layers.LSTM(4)), shape=(5, 3))


def separable():
    middle = (layers.SeparableConv2D(4, 3), layers.DepthwiseConv2D(2), layers.Conv2DTranspose(2, 2))
    return sequential(*middle, layers.BatchNormalization(), layers.SpatialDropout2D(0.2), shape=(8, 8, 2))


def attention():
    x = keras.Input((4, 6))
    y = layers.MultiHeadAttention(2, 3, dropout=0.2)(x, value=x)
    y = layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(y))
    return keras.Model(x, layers.Dense(3, "softmax")(y))


def nested():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(5, "relu"), layers.Dropout(0.3)], name="inner")
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, "softmax")(inner(layers.Dense(5)(x))))


def backbone():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dropout(0.3)(layers.Dense(5, "relu")(x)), name="inner")


def nested_graph():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, "softmax")(backbone()(x)))


def graph_in_a_row():
    return keras.Sequential([keras.Input((4,)), backbone(), layers.Dense(3, "softmax")])


def reset_before():
    return sequential(layers.GRU(4, reset_after=False), shape=(5, 3))


def thresholded():
    return sequential(layers.Dense(5), layers.ReLU(threshold=0.2), shape=(4,))


OLD = {
    "LSTM": {"time_major": False},
    "DepthwiseConv2D": {"groups": 1},
    "Conv2DTranspose": {"groups": 1},
    "SeparableConv2D": {"groups": 1, "kernel_initializer": "glorot_uniform", "kernel_constraint": None},
    "SpatialDropout2D": {"trainable": True, "noise_shape": None},
    "BatchNormalization": {"axis": [3]},
    "MultiHeadAttention": {"query_shape": [None, 4, 6], "softmax_robust_masking": False},
}


def as_keras_2(part, wrapped=False):
    """A configuration of Keras 3 as Keras 2 writes it to an .h5 file, in place."""
    if isinstance(part, list):
        return [as_keras_2(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("class_name") == "__keras_tensor__":
        return part["config"]["keras_history"]
    kind = part.get("class_name")
    places = () if wrapped else ("module", "registered_name")
    old = {
        key: as_keras_2(value, wrapped or key in ("layer", "backward_layer"))
        for key, value in part.items()
        if key not in places
    }
    if isinstance(old.get("config"), dict):
        old["config"] |= OLD.get(kind, {})
        if kind == "InputLayer":
            old["config"]["batch_input_shape"] = old["config"].pop("batch_shape")
        if kind == "GRU":
            del old["config"]["reset_after"]
        if kind == "ReLU":
            old["class_name"] = "ThresholdedReLU"
            old["config"] = {"name": old["config"]["name"], "theta": old["config"]["threshold"]}
        if "dtype" in old["config"]:
            old["config"]["dtype"] = "float32"
        if kind == "Functional":
            old["config"]["input_layers"] = [part["config"]["input_layers"]]
            old["config"]["output_layers"] = [part["config"]["output_layers"]]
        if kind in ("Sequential", "Functional"):
            old["config"].pop("build_input_shape", None)
    old.pop("build_config", None)
    if "inbound_nodes" in old:
        old["inbound_nodes"] = [_call(node) for node in old["inbound_nodes"]]
    return old


def _call(node):
    args, kwargs = node["args"], {k: v for k, v in node["kwargs"].items() if k not in ("training", "mask")}
    first = args[0] if isinstance(args[0][0], list) else [args[0]]
    places = [[name, number + (name == "inner"), result] for name, number, result in first]
    kwargs = {key: value for key, value in kwargs.items() if isinstance(value, list)}
    return [[*place, {}] for place in places[:-1]] + [[*places[-1], kwargs]]


def written_by_keras_2(model, path):
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = as_keras_2(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
    return path


@pytest.mark.parametrize(
    "make",
    [
        *(recurrent, separable, attention, reset_before, thresholded),
        *(nested, nested_graph, graph_in_a_row),
    ],
)
def test_what_changes_nothing_is_left_out(tmp_path, make):
    model = make()
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    path = written_by_keras_2(model, tmp_path / "model.h5")
    with pytest.raises((TypeError, ValueError)):
        keras.models.load_model(path, compile=False)
    before = path.read_bytes()
    method = howsure.MCDropout(passes=10)
    expected = howsure.assess(model, x, method=method).probabilities
    found = howsure.assess(load(path), x, method=method).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert path.read_bytes() == before


def test_a_zip_archive_of_keras_2(tmp_path):
    model = recurrent()
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "m.keras", "w") as old:
        for name in new.namelist():
            text = new.read(name)
            if name == "config.json":
                text = text.replace(b'"LSTM", "config": {', b'"LSTM", "config": {"time_major": false, ')
            if name == "metadata.json":
                text = json.dumps({"keras_version": "2.15.0"})
            old.writestr(name, text)
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    np.testing.assert_allclose(
        load(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6
    )


def test_what_changes_something_is_told(tmp_path):
    path = written_by_keras_2(recurrent(), tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"].replace('"time_major": false', '"time_major": true')
        file.attrs["model_config"] = text
    with pytest.raises(
        howsure.ModelError, match=r"needs a LSTM with time_major=True, which this Keras .*load_weights"
    ):
        load(path)


def test_the_hard_sigmoid_was_another_function(tmp_path):
    """Keras 3 has another under the same name, and says nothing."""
    model = sequential(
        layers.LSTM(4, recurrent_activation="hard_sigmoid", return_sequences=True),
        layers.Activation("hard_sigmoid"),
        shape=(5, 3),
    )
    x = np.random.default_rng(0).normal(0, 3, size=(3, 5, 3)).astype("float32")
    path = written_by_keras_2(model, tmp_path / "model.h5")

    def of_keras_2(z):
        return keras.ops.minimum(keras.ops.maximum(z / 5 + 0.5, 0), 1)

    new = model.predict(x, verbose=0)
    model.layers[0].cell.recurrent_activation = of_keras_2
    model.layers[1].activation = of_keras_2
    expected = keras.ops.convert_to_numpy(model(x))
    found = load(path)
    assert np.abs(expected - new).max() > 1e-3
    np.testing.assert_allclose(
        howsure.assess(found, x, method=howsure.Softmax()).probabilities, expected, atol=1e-6
    )
    found.save(tmp_path / "again.keras")
    np.testing.assert_allclose(load(tmp_path / "again.keras").predict(x, verbose=0), expected, atol=1e-6)


def test_operations_of_tensorflow(tmp_path):
    path = written_by_keras_2(recurrent(), tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"Flatten"', '"TFOpLambda"')
    with pytest.raises(
        howsure.ModelError, match=r"operations of TensorFlow between its layers.*load_weights"
    ):
        load(path)


@pytest.mark.parametrize("name", ["net.weights.h5", "weights.h5"])
def test_weights_without_a_model(tmp_path, name):
    path = tmp_path / name
    if name == "weights.h5":  # as Keras 2 wrote them
        path = written_by_keras_2(recurrent(), path)
        with h5py.File(path, "r+") as file:
            del file.attrs["model_config"]
    else:
        recurrent().save_weights(path)
    with pytest.raises(howsure.FileError, match=r"holds no model, at most weights.*model\.load_weights"):
        load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.tflite", r"TensorFlow Lite.*Give the Keras model that it was made from"),
        ("m.onnx", r"an ONNX graph, in which dropout is left out"),
        ("m.pt", r"a file of PyTorch with weights.*--weights FILE"),
        ("m.pth", r"PyTorch"),
        ("m.pkl", r"a pickle, which runs code when it is opened, so it was not"),
        ("m.joblib", r"a pickle"),
        ("m.safetensors", r"weights, without a model"),
        ("m.json", r"without weights.*model_from_json"),
        ("m.ckpt", r"a checkpoint of weights"),
        ("m.pb", r"a graph of TensorFlow"),
        ("m.xyz", r"is not a model file that howsure knows.*a \.keras file"),
    ],
)
def test_other_files(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(howsure.FileError, match=message):
        load_any(tmp_path / name)


def test_a_saved_model(tmp_path):
    """The way out that is told works; see the next test."""
    (tmp_path / "saved_model.pb").write_bytes(b"whatever")
    with pytest.raises(howsure.FileError, match=r"a SavedModel, a closed graph.*TFSMLayer\('.*', call_end"):
        load_any(tmp_path)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_the_plain_prediction_of_a_saved_model(tmp_path):
    model = sequential(layers.Dense(5), shape=(4,))
    model.export(tmp_path, verbose=False)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    inputs = keras.Input((4,))
    outputs = keras.layers.TFSMLayer(str(tmp_path), call_endpoint="serving_default")(inputs)
    graph = keras.Model(inputs, *outputs.values())
    found = howsure.assess(graph, x, method=howsure.Softmax(), outputs="probabilities")
    np.testing.assert_allclose(found.probabilities, model.predict(x, verbose=0), atol=1e-6)


def test_at_most_ten_layers_are_listed():
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4) for _ in range(30))])
    with pytest.raises(howsure.ModelError, match=r"Received: layers ([^,]*, ){9}\S+ and 20 more\."):
        howsure.assess(model, np.ones((2, 4)), outputs="logits")
    model = keras.Sequential([keras.Input((40,)), *(layers.Dropout(0.01) for _ in range(30))])
    assert "and 20 more; two passes" in howsure.audit(model).in_words
