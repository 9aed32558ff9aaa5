"""Convert the configuration of a Keras 2 model file to Keras 3.

Keras 3 reads most files of Keras 2 (`.h5`, and `.keras` of 2.12 to 2.15), but fails on arguments that it does
not know. This module removes those that have no effect, and renames the others. The list comes from writing
models of each kind with tf-keras 2.21, the last Keras 2, and comparing predictions.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from howsure.models.keras import private

_ANY = object()

_OF_THE_KERNEL = dict.fromkeys(("kernel_initializer", "kernel_regularizer", "kernel_constraint"), _ANY)
"""Arguments of a single kernel, which layers with two kernels do not have."""

_NO_LONGER: dict[str, dict[str, Any]] = {
    "RNN": {"time_major": False},
    "SimpleRNN": {"time_major": False},
    "GRU": {"time_major": False},
    "LSTM": {"time_major": False},
    "ConvLSTM1D": {"time_major": False},
    "ConvLSTM2D": {"time_major": False},
    "ConvLSTM3D": {"time_major": False},
    "DepthwiseConv1D": {"groups": 1},
    "DepthwiseConv2D": {"groups": 1},
    "Conv1DTranspose": {"groups": 1},
    "Conv2DTranspose": {"groups": 1},
    "Conv3DTranspose": {"groups": 1},
    "SeparableConv1D": {"groups": 1, **_OF_THE_KERNEL},
    "SeparableConv2D": {"groups": 1, **_OF_THE_KERNEL},
    "Attention": {"causal": False, "score_mode": "dot"},
    "AdditiveAttention": {"causal": False},
    "MultiHeadAttention": {
        "query_shape": _ANY,
        "key_shape": _ANY,
        "value_shape": _ANY,
        "softmax_robust_masking": False,
    },
    "Embedding": {"input_length": _ANY},
    "SpatialDropout1D": {"trainable": _ANY, "noise_shape": None},
    "SpatialDropout2D": {"trainable": _ANY, "noise_shape": None},
    "SpatialDropout3D": {"trainable": _ANY, "noise_shape": None},
}
"""Arguments that Keras 3 does not have, by class, each with the value at which it has no effect."""


@contextlib.contextmanager
def as_keras_3_reads_it(file: Path) -> Iterator[Path]:
    """The file itself, or a temporary copy with a configuration that Keras 3 can read."""
    config = _config_of_keras_2(file)
    try:
        is_mended = config is not None and _mended(config)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        is_mended = False  # Not written by Keras; Keras will report the fault.
    if not is_mended:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
                for name in old.namelist():
                    new.writestr(name, json.dumps(config) if name == "config.json" else old.read(name))
        else:
            shutil.copyfile(file, copy)
            with h5py.File(copy, "r+") as opened:
                opened.attrs["model_config"] = json.dumps(config)
        yield copy


def as_keras_2_computes(model: Any, file: Path) -> None:
    """Correct layers of a Keras 2 model whose settings have the same name in Keras 3 but another meaning."""
    if _config_of_keras_2(file) is None:
        return
    for layer in private.layers_below(model):
        if isinstance(layer, keras.layers.RNN):  # its cell follows as a layer of its own
            continue
        for name in ("activation", "recurrent_activation"):
            if getattr(layer, name, None) is keras.activations.hard_sigmoid:
                setattr(layer, name, hard_sigmoid)


@keras.saving.register_keras_serializable("howsure")  # type: ignore[untyped-decorator]  # Keras is not typed
def hard_sigmoid(x: Any) -> Any:
    """The hard sigmoid of Keras 2, clip(0.2 x + 0.5, 0, 1); Keras 3 has clip(x / 6 + 0.5, 0, 1)."""
    return keras.ops.clip(0.2 * x + 0.5, 0, 1)


def _config_of_keras_2(file: Path) -> Any | None:
    """The configuration in the file; None if Keras 3 wrote it, or it cannot be read."""
    try:
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as archive:
                version = json.loads(archive.read("metadata.json")).get("keras_version")
                config = archive.read("config.json")
        else:
            with h5py.File(file) as opened:
                version, config = opened.attrs.get("keras_version", ""), opened.attrs["model_config"]
        version = version.decode() if isinstance(version, bytes) else str(version)
        return None if version.startswith("3.") else json.loads(config)
    except (AttributeError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile):
        return None  # Keras will report the fault.


def _mended(config: Any) -> bool:
    """Convert a configuration in place; return True if anything changed."""
    changed = False
    if isinstance(config, list):
        for part in config:
            changed |= _mended(part)
    elif isinstance(config, dict):
        name, settings = config.get("class_name"), config.get("config")
        if isinstance(name, str) and isinstance(settings, (dict, list)):
            changed |= _renamed(config, name)
            if isinstance(settings, dict):
                changed |= _without_old_arguments(name, settings)
                changed |= _nested_models(settings)
                changed |= _tensors_by_keyword(settings)
                changed |= _single_tensors(settings)
            if name == "Sequential":
                changed |= _one_input_shape(settings)
        for part in config.values():
            changed |= _mended(part)
    return changed


def _renamed(config: dict[str, Any], name: str) -> bool:
    if name == "Policy":  # of mixed precision
        config |= {"class_name": "DTypePolicy", "module": "keras", "registered_name": None}
        return True
    if name == "Functional" and "src.engine" in str(config.get("module")):
        config |= {"class_name": "Model", "module": "keras", "registered_name": None}
        return True
    if name == "ThresholdedReLU":
        called = {"theta": "threshold"}
        settings = {called.get(key, key): value for key, value in config["config"].items()}
        config |= {"class_name": "ReLU", "config": settings}
        return True
    # Keras 2 stores the build shapes of attention in a form that Keras 3 can neither read nor needs.
    return name == "MultiHeadAttention" and config.pop("build_config", None) is not None


def _without_old_arguments(name: str, settings: dict[str, Any]) -> bool:
    old = _NO_LONGER.get(name, {})
    if name.startswith("Random"):
        old = {"rng_type": _ANY}  # random generator of image augmentation
    dropped = [
        argument
        for argument, harmless in old.items()
        if argument in settings and (harmless is _ANY or settings[argument] == harmless)
    ]
    for argument in dropped:
        del settings[argument]
    if name == "GRU" and "reset_after" not in settings:  # before Keras 2.1 there was only one variant
        settings["reset_after"] = False
        return True
    if name == "BatchNormalization" and isinstance(settings.get("axis"), list):
        (settings["axis"],) = settings["axis"]
        return True
    return bool(dropped)


def _one_input_shape(settings: Any) -> bool:
    """Drop input shapes after the InputLayer of a Sequential; Keras 3 does not allow them."""
    layers = settings["layers"] if isinstance(settings, dict) else settings
    if not layers or layers[0].get("class_name") != "InputLayer":
        return False
    found = [layer["config"].pop("batch_input_shape", None) for layer in layers[1:] if "config" in layer]
    return any(shape is not None for shape in found)


def _nested_models(settings: dict[str, Any]) -> bool:
    """Renumber calls of nested models in a Functional model: Keras 2 counts from 1, Keras 3 from 0."""
    nested = {
        layer.get("name")
        for layer in settings.get("layers", [])
        if isinstance(layer, dict) and layer.get("class_name") in ("Sequential", "Functional", "Model")
    }
    places = [
        settings.get("output_layers"),
        *(layer.get("inbound_nodes") for layer in settings.get("layers", [])),
    ]
    return bool(nested) and any([_counted_from_0(place, nested) for place in places])


def _single_tensors(settings: dict[str, Any]) -> bool:
    """Unpack a single input or output of a model: Keras 2 wrote a list of one, Keras 3 does not."""
    changed = False
    for key in ("input_layers", "output_layers"):
        match settings.get(key):
            case [list(single)]:
                settings[key], changed = single, True
    return changed


def _tensors_by_keyword(settings: dict[str, Any]) -> bool:
    """Convert calls with tensors as keyword arguments, which Keras 3 stores in another form."""
    changed = False
    for layer in settings.get("layers", []):
        nodes = layer.get("inbound_nodes", []) if isinstance(layer, dict) else []
        for number, node in enumerate(nodes):
            if not (isinstance(node, list) and node and len(node[-1]) == 4):
                continue
            keywords = {key: _tensor(value) for key, value in node[-1][3].items()}
            if keywords != node[-1][3]:
                given = [_tensor(part[:3]) for part in node]
                nodes[number] = {"args": given if len(given) == 1 else [given], "kwargs": keywords}
                changed = True
    return changed


def _tensor(value: Any) -> Any:
    """A tensor reference in the form of Keras 3. Keras 2 stores layer name, call number and output number."""
    if not (isinstance(value, list) and [type(part) for part in value] == [str, int, int]):
        return value
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": value},
    }


def _counted_from_0(place: Any, nested: set[Any]) -> bool:
    if isinstance(place, dict):
        return any([_counted_from_0(part, nested) for part in place.values()])
    if not isinstance(place, list):
        return False
    if len(place) >= 3 and place[0] in nested and isinstance(place[1], int):
        place[1] -= 1
        changed = True
    else:
        changed = False
    return any([changed, *(_counted_from_0(part, nested) for part in place)])
