"""Models that take text: right on TensorFlow, refused in true words elsewhere."""

import keras
import numpy as np
import pytest
from keras import layers
from typer.testing import CliRunner

import howsure
from howsure.adapters.keras.files import load
from howsure.cli.app import app

from .networks import check_against_copies

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"

TEXTS = ["a good film", "the worst", "", "great, a\ngood bad film", "12"]

only_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="Keras reads text on TensorFlow alone")


def network(length=6):
    words = layers.TextVectorization(vocabulary=["good", "bad", "film", "12"], output_sequence_length=length)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string", name="review"),
            words,
            layers.Embedding(6, 4),
            layers.Dropout(0.4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    random = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return model


def plain(model):
    """Keras's own prediction."""
    return np.asarray(model(keras.ops.convert_to_tensor(np.array(TEXTS, object)[:, None])))


@only_tensorflow
def test_text_in_every_form_gives_what_keras_gives():
    model = network()
    result = howsure.assess(model, TEXTS, method=howsure.MCDropout(passes=1000))
    check_against_copies(result, model, np.array(TEXTS, object)[:, None], passes=1000)
    for x in (np.array(TEXTS)[:, None], np.array([text.encode() for text in TEXTS], object)):
        again = howsure.assess(model, x, method=howsure.MCDropout(passes=1000))
        np.testing.assert_array_equal(again.probabilities, result.probabilities)


@only_tensorflow
def test_an_audit_of_a_model_that_takes_text():
    assert howsure.audit(network()).passes_differ


@only_tensorflow
def test_as_many_units_as_a_text_has_words():
    model = network(length=None)
    with pytest.raises(
        howsure.ModelError, match=r"depends on the values of the rows.*output_sequence_length"
    ):
        howsure.assess(model, TEXTS)
    probabilities = howsure.assess(model, TEXTS, method=howsure.Softmax()).probabilities
    np.testing.assert_allclose(probabilities, plain(model), atol=1e-6)


@only_tensorflow
def test_a_csv_column_of_text(tmp_path):
    network().save(tmp_path / "model.keras")
    lines = [f'{number},"{text}"' for number, text in enumerate(TEXTS)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,text", *lines]) + "\n")
    arguments = ["assess", *map(str, (tmp_path / "model.keras", tmp_path / "rows.csv"))]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out.parquet"), "--set", "passes=20"])
    assert done.exit_code == 0, done.output
    probabilities = howsure.load(tmp_path / "out.parquet").probabilities
    model = load(tmp_path / "model.keras")
    expected = howsure.assess(model, TEXTS, method=howsure.MCDropout(passes=20)).probabilities
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.skipif(ON_TENSORFLOW, reason="works there")
def test_elsewhere_text_is_refused():
    inputs = keras.Input((1,), dtype="string")
    try:
        words = layers.StringLookup(vocabulary=["good", "bad"])(inputs)
    except (ImportError, TypeError, ValueError):
        pytest.skip("Keras does not make such a model here")
    y = layers.Dropout(0.3)(layers.Flatten()(layers.Embedding(3, 4)(words)))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(y))
    for refused in (lambda: howsure.assess(model, TEXTS), lambda: howsure.audit(model)):
        with pytest.raises(howsure.ModelError, match=r"takes text, which Keras cannot run on .*=tensorflow"):
            refused()


@only_tensorflow
@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_rows_of_a_pilot_are_chosen_by_what_texts_say(shape):
    model = network()
    inputs = keras.Input(shape, dtype="string", name="review")
    model = keras.Model(inputs, model(keras.ops.reshape(inputs, (-1, 1)) if shape == () else inputs))
    films = [f"{word} film {number % 9}" for number, word in enumerate(["good", "bad", "12"] * 200)]
    texts = np.array(films, dtype=object).reshape((-1, *shape))
    elsewhere = np.array([("x" + text)[1:] for text in films[::-1]], dtype=object).reshape((-1, *shape))
    assert howsure.plan(model, texts) == howsure.plan(model, elsewhere)
