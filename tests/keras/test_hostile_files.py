"""Files of Keras that would run code, or read files: nothing of it happens unless code is allowed."""

import base64
import contextlib
import io
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from typer.testing import CliRunner

import howsure
from howsure.adapters.keras import files
from howsure.adapters.keras.files import load
from howsure.cli.app import app

from .networks import rewritten

RAN = "ran"
"""The file that a payload makes, in the current folder."""

CODE = f"__import__('pathlib').Path('{RAN}').touch()"


class Payload:
    def __reduce__(self):
        return exec, (CODE,)


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def thing(module, kind, /, **config):
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def called(target, **arguments):
    """A Lambda layer that calls a function with texts of the file, when the graph is built."""
    return thing("keras.layers", "Lambda", name="call", function=target, arguments=arguments)


PICKLED = base64.b64encode(pickle.dumps(Payload())).decode("ascii")

ASKED = {
    "a process": called(function("subprocess", "Popen"), args=["touch", RAN]),
    "a class that is a process": thing("subprocess", "Popen", args=["touch", RAN]),
    "code": called(thing(None, "__lambda__", code=PICKLED, defaults=None, closure=None)),
    "a module beside it": thing("planted", "Layer", name="planted"),
    "a part of a module beside it": thing("keras_hub.planted", "Layer", name="planted"),
    "the end of safe mode": called(function("keras.config", "enable_unsafe_deserialization")),
    "another model": called(function("keras.models", "load_model"), safe_mode=False),
    "a download": called(function("keras.utils", "get_file"), origin="file:///etc/hostname"),
    "a network": thing("keras.applications", "MobileNetV2", weights="imagenet"),
    "an object of an object": called(function("keras.losses", "deserialize")),
    "a graph of TensorFlow": thing("keras.layers", "TFSMLayer", filepath="graph"),
    "a module of PyTorch": thing("keras.layers", "TorchModuleWrapper", module=PICKLED),
    "a type of TensorFlow": {**thing("os", "__typespec__"), "spec_name": "system", "config": ["touch ran"]},
    "an initializer": thing("keras.layers", "Dense", units=2, kernel_initializer=function("os", "getcwd")),
    "an activation": thing("keras.layers", "Dense", units=2, activation=function("keras.utils", "get_file")),
    "a layer in a layer": thing(
        "keras.layers", "TimeDistributed", layer=thing("subprocess", "Popen", args=["touch", RAN])
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "planted.py").write_text(CODE)
    np.savez("rows.npz", x=np.ones((3, 4), "float32"))
    return tmp_path


def network(*middle):
    return keras.Sequential([keras.Input((4,)), *middle, layers.Dropout(0.3), layers.Dense(3, "softmax")])


def check_refused(path):
    done = CliRunner().invoke(app, ["assess", str(path), "rows.npz", "--out", "out.parquet"])
    message = " ".join(done.output.split())
    assert (done.exit_code, "Traceback" in message) == (2, False), message
    assert not (path.absolute().parent / RAN).exists()
    return message


def with_config(path, change):
    """A file of a model, with something else in what it says of it."""
    network().save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as opened:
            config = json.loads(opened.attrs["model_config"])
            change(config)
            opened.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    rewritten(path, {"config.json": json.dumps(config)})


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_nothing_that_a_configuration_names_runs(folder, kind, ending):
    path = folder / f"model{ending}"
    with_config(path, lambda config: config["config"]["layers"].insert(1, ASKED[kind]))
    message = check_refused(path)
    assert "wants to run code of its own" in message or "which is not known here" in message


@pytest.mark.parametrize("name", ["deserialize", "keras_export", "serialization_lib", "InputSpec"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_legacy_file_names_layers_alone(folder, name):
    asked = {"class_name": name, "config": {"config": ASKED["a process"]}}
    with_config(folder / "model.h5", lambda config: config["config"]["layers"].insert(1, asked))
    assert "wants to run code of its own" in check_refused(folder / "model.h5")


def test_what_a_nested_model_was_compiled_with_is_looked_at(folder):
    compiled = {"optimizer": "rmsprop", "loss": function("subprocess", "Popen")}
    with_config(folder / "model.keras", lambda config: config["config"]["layers"][2].update(x=compiled))
    assert "needs 'subprocess.Popen', which is not known here" in check_refused(folder / "model.keras")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_payload_would_run(folder, ending):
    """Whoever allows code gets what Keras does by itself, so that the tests above test something."""
    path = folder / f"model{ending}"
    network(layers.Lambda(lambda x: (open("ran", "w").close(), x)[1], output_shape=(4,))).save(path)
    (folder / RAN).unlink(missing_ok=True)
    assert "wants to run code of its own" in check_refused(path)
    load(path, allow_code=True)(np.ones((1, 4), "float32"))
    assert (folder / RAN).exists()


def test_a_function_of_keras_needs_no_permission(folder):
    network(layers.Lambda(keras.ops.relu, output_shape=(4,)), layers.Activation("gelu")).save("model.keras")
    assert load("model.keras").count_params() == 15


def test_weights_that_are_pickled(folder):
    buffer = io.BytesIO()
    np.savez(buffer, **{"layers/dense": np.array(Payload(), dtype=object)})
    network().save("model.keras")
    hostile = {"model.weights.h5": None, "model.weights.npz": buffer.getvalue()}
    rewritten(folder / "model.keras", hostile)
    assert "could not be read as a Keras model" in check_refused(folder / "model.keras")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("kind", ["link", "storage"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_that_are_elsewhere(folder, ending, kind):
    """HDF5 knows links to other files, and arrays whose bytes lie in one: they would become weights."""
    with h5py.File("secret.h5", "w") as secret:
        secret["weights"] = np.ones((4, 3), "float32")
    path = folder / f"model{ending}"
    network().save(path)
    weights = path if ending == ".h5" else folder / "model.weights.h5"
    if ending == ".keras":
        with zipfile.ZipFile(path) as archive:
            archive.extract(weights.name, folder)
    with h5py.File(weights, "r+") as opened:
        places = []
        opened.visit(
            lambda name: places.append(name) if getattr(opened[name], "shape", 0) == (4, 3) else None
        )
        (place,) = places
        del opened[place]
        if kind == "link":
            opened[place] = h5py.ExternalLink(str(folder / "secret.h5"), "weights")
        else:
            there = [(str(folder / "secret.h5"), 0, h5py.h5f.UNLIMITED)]
            opened.create_dataset(place, (4, 3), "float32", external=there)
    if ending == ".keras":
        rewritten(path, {weights.name: weights.read_bytes()})
    assert "could not be read as a Keras model" in check_refused(path)


def test_a_vocabulary_that_is_a_file(folder):
    lookup = thing("keras.layers", "StringLookup", vocabulary="planted.py", name="lookup")
    with_config(folder / "model.keras", lambda config: config["config"]["layers"].insert(1, lookup))
    check_refused(folder / "model.keras")


def test_parts_that_lead_out_of_the_archive(folder):
    (folder / "inside").mkdir()
    network().save("inside/model.keras")
    rewritten(folder / "inside" / "model.keras", {"assets/../../../../escaped": b"x", "../escaped": b"x"})
    with contextlib.suppress(howsure.HowsureError):
        load("inside/model.keras")
    assert not list(folder.rglob("escaped"))


def test_a_small_file_that_would_fill_the_memory(folder, monkeypatch):
    monkeypatch.setattr(files, "_MOST_OF_CONFIG", 2**16)
    network().save("model.keras")
    load("model.keras")
    rewritten(folder / "model.keras", {"config.json": bytes(2**20)})
    assert "'config.json' in '" in check_refused(folder / "model.keras")
    with pytest.raises(howsure.FileError, match=r"would fill the memory.*Received: 1,048,576 bytes out of"):
        load("model.keras")
