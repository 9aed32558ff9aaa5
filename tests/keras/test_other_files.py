"""Files that are no model of Keras 3, told with the way out."""

import json

import h5py
import keras
import pytest
from keras import layers

import howsure
from howsure.adapters.keras.files import load
from howsure.adapters.resolve import load as load_any

from .networks import rewritten

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def small(*middle, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *middle, layers.Dropout(0.3), layers.Dense(3, "softmax")])


def written_by_keras_2(path):
    """A file with the version of Keras 2 in the place where Keras writes it."""
    small().save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["keras_version"] = "2.15.0"
        return path
    rewritten(path, {"metadata.json": json.dumps({"keras_version": "2.15.0"})})
    return path


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_a_file_of_keras_2_is_refused_with_the_way_to_save_it_again(tmp_path, name):
    """Keras 3 reads `hard_sigmoid` in such a file without a word, and computes another function."""
    path = written_by_keras_2(tmp_path / name)
    assert keras.models.load_model(path, compile=False).count_params()
    with pytest.raises(
        howsure.ModelError, match=r"saved by Keras 2\.15\.0.*tf_keras\.models\.load_model.*model\.save"
    ):
        load(path)


@pytest.mark.parametrize("name", ["net.weights.h5", "weights.h5"])
def test_weights_without_a_model(tmp_path, name):
    path = tmp_path / name
    if name == "weights.h5":  # as Keras 2 wrote them
        path = written_by_keras_2(path.with_name("net.h5"))
        with h5py.File(path, "r+") as file:
            del file.attrs["model_config"]
    else:
        small().save_weights(path)
    with pytest.raises(howsure.FileError, match=r"holds no model, at most weights.*model\.load_weights"):
        load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.tflite", r"a graph in which dropout is left out.*Give the Keras model that it was made from"),
        ("m.pt", r"a file of weights, without a model.*--set weights=FILE"),
        ("m.pkl", r"a pickle, which runs code when it is opened, so it was not"),
        ("m.json", r"without weights.*model_from_json"),
        ("m.xyz", r"is not a model file that howsure knows.*a \.keras file"),
    ],
)
def test_other_files(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(howsure.FileError, match=message):
        load_any(tmp_path / name)


def test_a_saved_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"whatever")
    with pytest.raises(howsure.FileError, match=r"cannot be switched.*kept with model\.save"):
        load_any(tmp_path)
