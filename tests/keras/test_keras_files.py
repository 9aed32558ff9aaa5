"""Opening model files, and the audit of what is in them."""

import errno
import io
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import howsure
from howsure.adapters import resolve as adapt
from howsure.adapters.keras.files import load

from .networks import build


def network(*middle, shape=(4,), name="net"):
    return keras.Sequential(
        [keras.Input(shape), *middle, layers.Dropout(0.3), layers.Flatten(), layers.Dense(3, "softmax")],
        name=name,
    )


@pytest.fixture
def saved(tmp_path):
    model = network(layers.Dense(5, "relu"))
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


# --- loading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_a_saved_model_gives_the_same_answers(tmp_path, ending):
    model = network(layers.Dense(5, "relu"), layers.BatchNormalization())
    path = tmp_path / f"model{ending}"
    model.save(path)
    x = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")
    method = howsure.MCDropout(passes=6)
    expected = howsure.assess(model, x, method=method).probabilities
    for file in (path, str(path)):
        probabilities = howsure.assess(load(file), x, method=method).probabilities
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)


class Heard(keras.losses.Loss):
    """A loss of a user's that must not be looked up, as nobody has registered it."""

    def call(self, y_true, y_pred):
        return ops.mean(y_pred, axis=-1)


LOSSES = {
    "mse": ("mse", howsure.RegressionCertainty),
    "an object": (keras.losses.Huber(), howsure.RegressionCertainty),
    "a function": (keras.losses.mean_absolute_error, howsure.RegressionCertainty),
    "by output": (["mse"], howsure.RegressionCertainty),
    "several labels": (keras.losses.BinaryCrossentropy(from_logits=True), howsure.MultilabelCertainty),
    "classes": (keras.losses.CategoricalCrossentropy(from_logits=True), None),
    "a user's": (Heard(), "its loss 'heard' does not tell either"),
    "none": (None, "Nothing says what the 3 linear outputs"),
}


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_loss_is_read_from_the_file_without_running_it(tmp_path, name, ending):
    loss, message = LOSSES[name]
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.3), layers.Dense(3)])
    if loss is not None:
        model.compile(loss=loss)
    model.save(tmp_path / f"model{ending}")
    loaded, x = load(tmp_path / f"model{ending}"), np.ones((2, 4), "float32")
    assert not loaded.compiled
    if not isinstance(message, str):
        result = howsure.assess(loaded, x, method=howsure.Softmax())  # warnings are errors
        assert isinstance(result, message or howsure.Certainty)
    else:
        with pytest.raises(howsure.ModelError, match=message):
            howsure.assess(loaded, x, method=howsure.Softmax())
    loaded.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    howsure.assess(loaded, x, method=howsure.Softmax())


def with_zeros(content):
    """The directory at the end is whole, the weights are not."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.getinfo("model.weights.h5").header_offset + 200
    return content[:start] + bytes(2000) + content[start + 2000 :]


def without_a_byte(content, place):
    """Without a byte of the directory at the end, so that what it says of the places of all is wrong."""
    return content[:-place] + content[1 - place :]


def archive_of(name, text):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, text)
    return made.getvalue()


NO_ARCHIVE = r"not a readable \.keras file.*no zip archive, or is truncated"
UNREADABLE = r"could not be read as a Keras model \("
DAMAGED = {
    "its beginning": (lambda content: content[: len(content) // 50], NO_ARCHIVE),
    "all but its end": (lambda content: content[: -len(content) // 100], NO_ARCHIVE),
    "zeros in the middle": (with_zeros, UNREADABLE),
    "a byte less, 30": (lambda content: without_a_byte(content, 30), UNREADABLE),
    "an empty configuration": (lambda content: archive_of("config.json", "{}"), UNREADABLE),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_what_is_damaged_or_no_model_is_one_error(saved, how):
    damage, message = DAMAGED[how]
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(howsure.FileError, match=message):
        load(saved)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("OOM when allocating tensor with shape[4]")])
def test_too_little_memory_is_not_damage(saved, monkeypatch, error):
    def load_model(*args, **kwargs):
        raise error

    monkeypatch.setattr(keras.models, "load_model", load_model)
    with pytest.raises(howsure.FileError, match=r"Memory ran out while '.*model\.keras' was read"):
        load(saved)


def test_a_file_that_may_not_be_read_is_not_called_truncated(saved, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(howsure.FileError, match=r"model\.keras' cannot be read \(Permission denied\)\. Give"):
        adapt.load(saved)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_class_that_is_not_known(tmp_path, ending):
    class LambdaRank(layers.Layer):  # the name is a trap: it is no Lambda layer
        def call(self, inputs):
            return inputs

    path = tmp_path / f"custom{ending}"
    network(LambdaRank()).save(path)
    with pytest.raises(
        howsure.ModelError, match=r"needs '.*LambdaRank', which is not known here\. Load it in Python"
    ):
        load(path)


# --- the audit: costs by hand -----------------------------------------------------------------

COSTS = {
    "dense": (lambda: layers.Dense(6), (4,), 4 * 6),
    "dense on a sequence": (lambda: layers.Dense(5), (3, 4), 3 * 4 * 5),
    "conv1d": (lambda: layers.Conv1D(5, 3), (10, 2), 8 * 5 * 3 * 2),
    "conv2d": (lambda: layers.Conv2D(4, (3, 2), strides=2), (8, 9, 3), (3 * 4) * 4 * (3 * 2 * 3)),
    "conv3d": (lambda: layers.Conv3D(2, 2), (3, 3, 3, 4), 8 * 2 * (8 * 4)),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 3), 36 * (3 * 2) * 9),
    "separable": (lambda: layers.SeparableConv2D(4, 3), (6, 6, 3), 16 * (9 * 3 + 3 * 4)),
    "transposed": (lambda: layers.Conv2DTranspose(2, 3, strides=2), (4, 4, 3), 16 * (9 * 3 * 2)),
    "lstm": (lambda: layers.LSTM(4), (7, 3), 7 * 4 * (3 * 4 + 4 * 4)),
    "gru": (lambda: layers.GRU(4), (7, 3), 7 * 3 * (3 * 4 + 4 * 4)),
    "bidirectional": (lambda: layers.Bidirectional(layers.GRU(4)), (7, 3), 2 * 7 * 3 * (3 * 4 + 4 * 4)),
    "einsum": (lambda: layers.EinsumDense("abc,cde->abde", (4, 2, 3), bias_axes="de"), (4, 6), 4 * 6 * 6),
    "embedding": (lambda: layers.Embedding(9, 4), (5,), 0),
    "batch norm": (layers.BatchNormalization, (4,), 0),
}


@pytest.fixture(scope="module")
def costs():
    """The audit of one network with a branch for each of them."""
    inputs, ends = [], []
    for number, (name, (make, shape, _)) in enumerate(COSTS.items()):
        inputs.append(keras.Input(shape, name=f"in_{number}", dtype="int32" if name == "embedding" else None))
        layer = make()
        layer.name = name.replace(" ", "_")
        ends.append(layers.Flatten()(layer(inputs[-1])))
    everything = layers.Dropout(0.3, name="drop")(layers.Concatenate()(ends))
    return howsure.audit(keras.Model(inputs, layers.Dense(3, "softmax", name="last")(everything)))


@pytest.mark.parametrize("name", COSTS)
def test_multiply_adds_by_hand(name, costs):
    path = name.replace(" ", "_")
    calls = [layer for layer in costs.layers if f"{layer.name}/".startswith(f"{path}/")]
    assert calls
    assert sum(layer.multiply_adds for layer in calls) == COSTS[name][2]
    assert not any(layer.repeated for layer in calls)


def test_multiply_adds_add_up(costs):
    last = costs.layers[-1].multiply_adds
    assert last == 3 * costs.layers[-2].shape[0]
    assert costs.multiply_adds == last + sum(expected for _, _, expected in COSTS.values())
    assert costs.multiply_adds_repeated == last


class Matrix(layers.Layer):
    def build(self, shape):
        self.of_any_name = self.add_weight(shape=(shape[-1], 5))

    def call(self, inputs):
        return ops.matmul(inputs, self.of_any_name)


def test_multiply_adds_of_a_users_layer():
    audit = howsure.audit(network(Matrix(), shape=(3, 4)))
    assert audit.layers[0].multiply_adds == 3 * 4 * 5


# --- the audit: what it says ------------------------------------------------------------------


@pytest.fixture
def digits():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.25, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(5, activation="relu", name="dense"),
            layers.GaussianNoise(0.1, name="noise"),
            layers.Dropout(0.0, name="none"),
            layers.Dense(3, activation="softmax", name="out"),
        ],
        name="digits",
    )


def test_what_no_random_layer_feeds_is_not_repeated(digits):
    audit = howsure.audit(digits)
    assert [layer.name for layer in audit.layers if not layer.repeated] == ["conv", "norm"]
    assert audit.multiply_adds == 16 * 9 * 4 + 64 * 5 + 5 * 3
    assert audit.multiply_adds_repeated == 64 * 5 + 5 * 3
    assert audit.passes_differ
    assert audit.advice is None
    assert audit.warnings == ()


def test_printed_audit(digits):
    audit = howsure.audit(digits)
    backend = keras.backend.backend()
    assert str(audit) == (
        f"Model 'digits' on {backend}\n"
        "\n"
        "layer  kind                multiply-adds  each pass\n"
        "conv   Conv2D                        576  no\n"
        "norm   BatchNormalization              0  no         stays fixed: uses the mean and variance "
        "learned in training, not those of the batch\n"
        "drop   Dropout                         0  yes        drops 25 %\n"
        "flat   Flatten                         0  yes\n"
        "dense  Dense                         320  yes\n"
        "noise  GaussianNoise                   0  yes        stays fixed: noise stands for the data, not "
        "for the network; ask for it with gaussian_noise=True\n"
        "none   Dropout                         0  yes        stays fixed: its rate is 0\n"
        "out    Dense                          15  yes\n"
        "\n"
        f"Random in every pass: 'drop' (drops 25 %); two passes over made-up rows differ by up to "
        f"{audit.largest_difference:.3g}. One plain prediction takes 911 multiply-adds a row, of which each "
        "further pass repeats 36.8 %.\n"
        "Its output (rows, 3) is read as 3 classes, as with outputs='probabilities'. This is shown by its "
        "last layer, 'softmax'."
    )


def test_a_recurrent_layer_says_all_that_it_drops():
    layer = layers.LSTM(4, dropout=0.2, recurrent_dropout=0.3, name="rec")
    audit = howsure.audit(network(layer, shape=(7, 3)))
    (row,) = [layer for layer in audit.layers if layer.name.startswith("rec")]
    assert row.random == "drops 20 % and drops 30 %"
    assert row.repeated
    assert audit.warnings == ()


def test_every_call_of_a_shared_layer_has_a_row():
    names = [layer.name for layer in howsure.audit(build("shared_layer")).layers]
    drop = next(name for name in names if "dropout" in name)
    assert {drop, f"{drop}#2"} <= set(names)


def test_rows_are_needed_only_by_what_does_not_say_what_it_takes():
    assert howsure.audit(
        network(layers.Conv1D(2, 3), layers.GlobalAveragePooling1D(), shape=(None, 2))
    ).passes_differ

    class Silent(keras.Model):
        def __init__(self):
            super().__init__(name="silent")
            self.drop, self.out = layers.Dropout(0.5), layers.Dense(3, "softmax")

        def call(self, a, b=None):
            return self.out(self.drop(a))

        def get_build_config(self):
            return None

    model = Silent()
    x = np.zeros((2, 4), "float32")
    model(x)
    with pytest.raises(
        howsure.ModelError, match=r"'silent' does not say what input it takes.*assess\(model, x\)"
    ):
        howsure.audit(model)
    assert len(howsure.audit(model, x).random_layers) == 1
