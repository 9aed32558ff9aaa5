"""Adapt the caller's model to `howsure.models.protocol`. One line in `ADAPTERS` adds a framework.

An adapter is a module with three functions: `adapt(model, x, gaussian_noise=…)` for a model and its rows,
`input_specs(model)` for the model's inputs, and `load(path, allow_code=…)` for its files.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howsure.arguments import check_path
from howsure.data.csv_form import CSV, kind_of
from howsure.data.files import rows_in
from howsure.data.frames import is_frame, labelled_frame
from howsure.data.gather import first, gather
from howsure.data.reading import reading
from howsure.data.rows import InputSpec, Rows, check_rows
from howsure.data.table_files import read_named
from howsure.errors import FileError, HowsureError, InputError, ModelError, probing, warn
from howsure.models.choose_output import Output, Pair
from howsure.models.input_scale import some_of
from howsure.models.protocol import (
    Array,
    ExportModel,
    FeatureModel,
    MemberModel,
    Model,
    PassModel,
    PosteriorModel,
    ScaledModel,
)
from howsure.models.wrapped import network_in, roots_of
from howsure.optional import needs, needs_keras

ESTIMATORS = "sklearn"

ADAPTERS = {
    "keras": "howsure.models.keras",
    "torch": "howsure.models.torch",
    ESTIMATORS: "howsure.models.scikit",
}
"""Adapter module by package, where the package defines the model's class or one of its bases. Keras on
PyTorch derives from both, so Keras comes first."""

PICKLES = (".joblib", ".pkl", ".pickle")

FILES = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".pt2": "torch",
    **dict.fromkeys(PICKLES, ESTIMATORS),
}
"""Framework by suffix of the model file."""

_KEEP_IT = "Give the Keras model that it was made from, kept with model.save('model.keras')"

OTHER_FILES = {
    ".tflite": ("a TensorFlow Lite model, in which dropout is left out", _KEEP_IT),
    ".onnx": ("an ONNX graph, in which dropout is left out or never drops", _KEEP_IT),
    ".pb": ("a graph of TensorFlow, whose layers cannot be switched", _KEEP_IT),
    ".ckpt": (
        "a checkpoint of weights, without a model",
        "Build the network in Python, restore the weights, and pass it to howsure.assess; of PyTorch: "
        "howsure assess package.module:function ROWS --weights FILE",
    ),
    ".json": (
        "the plan of a network, without weights",
        "Load it in Python with keras.models.model_from_json and model.load_weights, and pass it to "
        "howsure.assess",
    ),
    ".safetensors": (
        "a file of weights, without a model",
        "Name a function that makes the module: howsure assess package.module:function ROWS --weights FILE",
    ),
    **dict.fromkeys(
        (".pt", ".pth"),
        (
            "a file of PyTorch with weights, or with a pickled module, which runs code when it is opened",
            "Name a function that makes the module: howsure assess package.module:function ROWS --weights "
            "FILE, or in Python pass the module to howsure.assess",
        ),
    ),
}
"""Files that are often mistaken for models, by suffix: what they are, and what to do instead."""

_CAPABILITIES: dict[type, str] = {
    Model: "a plain prediction",
    PassModel: "passes with given masks",
    ExportModel: "passes as an ONNX graph",
    FeatureModel: "the features of its last layer",
    MemberModel: "members whose mean it predicts",
    PosteriorModel: "a posterior",
}


def adapt(
    model: Any,
    x: Any,
    *,
    gaussian_noise: bool = False,
    keep_off: Sequence[str] = (),
    output: Output = None,
) -> tuple[Model, list[Array]]:
    """The adapted model, and its checked rows in the order of its inputs.

    Args:
        model: A model of a framework in `ADAPTERS`, or one that already follows `howsure.models.protocol`.
        x: Rows in any form that `rows_for` accepts.
        gaussian_noise: True makes layers that add noise random too.
        keep_off: Names of random layers that stay fixed, as in predicting.
        output: The output to assess if there are several, by name or index; a `Pair` joins two; None for
            the only one.

    Raises:
        InputError: The rows do not fit, or a layer in `keep_off` does not exist.
        ModelError: Not a model, or one that cannot be examined.
        Exception: Raised by the model itself, with a note if other sides of the rows would do.
    """
    x = rows_for(model, x).x
    is_ready = isinstance(model, Model) or is_estimator(model)
    if is_ready and isinstance(output, Pair):
        output = None
    if is_ready and (keep_off or output is not None):
        name = "keep_off" if keep_off else "output"
        raise InputError(
            f"`{name}` is for models of Keras and modules of PyTorch",
            expected=f"one of these, or no `{name}`",
            received=type(model).__name__,
        )
    if isinstance(model, Model):
        return model, check_rows(x, model.info.inputs)
    wrapped = network_in(model)
    network = model if wrapped is None else wrapped.network
    if wrapped is not None and wrapped.before is not None:
        x = wrapped.before(_scikit().rows_as_fitted(model, x))
    wanted: dict[str, Any] = {"gaussian_noise": gaussian_noise}
    if keep_off:
        wanted["keep_off"] = frozenset(keep_off)
    if output is not None:
        wanted["output"] = output
    adapted: Any
    adapter = _adapter_of(network)
    try:
        with probing():
            adapted, rows = adapter.adapt(network, x, **wanted)
    except HowsureError:
        raise
    except Exception as error:  # the model's own, which goes on as it is
        if (told := advice(x, lambda other: adapter.adapt(network, other, **wanted)[0])) is not None:
            error.add_note(told)
        raise
    if hasattr(adapted, "told"):  # the adapter may be a cached one from an earlier call
        adapted.told = {}
    if wrapped is not None:
        shape = adapted.info.output_shape
        adapted.told = wrapped.facts(shape[0] if len(shape) == 1 else 0)
    return adapted, rows


def rows_for(
    model: Any, x: Any, progress: Callable[[int, int], None] | None = None, *, most: int | None = None
) -> Rows:
    """Rows in the form that adapters take, with the labels and ids that came with them.

    Args:
        model: As for `adapt`.
        x: (N, …) rows for the model: an array, tensor or series; a list or dict of arrays for several inputs;
            a data frame, a file or folder; or a source of batches: a DataLoader, a `tf.data.Dataset`, a
            `PyDataset`, an iterator.
        progress: Called with (0, rows so far) while batches are gathered.
        most: Number of batches to read, if the first ones are enough; None for all.

    Raises:
        InputError: As in `howsure.data.gather.gather`.
        FileError: A file or folder cannot be read.
    """

    def inputs() -> Sequence[InputSpec] | None:
        try:
            return declared_specs(model)
        except ModelError:  # it declares no inputs, or `adapt` reports the fault
            return None

    if _has_columns(model):
        if is_frame(x):
            return labelled_frame(x, names_of_features(model))
        if isinstance(x, (str, os.PathLike)) and takes_names(model, Path(x)):
            return read_named(check_path(x), names_of_features(model))
    if isinstance(x, (str, os.PathLike)):
        return rows_in(check_path(x), inputs(), lambda: channels_of(model))

    def names() -> Sequence[str]:
        adapter: Any = None if isinstance(model, Model) else _adapter_of(model)
        return adapter.input_names(model) if hasattr(adapter, "input_names") else ()

    return gather(x, inputs, progress, most, names)


def names_of_features(model: Any) -> list[str]:
    """Names of the columns that a classifier was fitted on; empty without names, or for another model."""
    return [str(name) for name in getattr(model, "feature_names_in_", ())] if _has_columns(model) else []


def _has_columns(model: Any) -> bool:
    """True if rows are columns of a table: for a classifier, or a pipeline that ends in a network."""
    wrapped = network_in(model)
    return is_estimator(model) or (wrapped is not None and wrapped.before is not None)


def takes_names(model: Any, path: Path) -> bool:
    """True if the columns of a file are matched by name."""
    return bool(names_of_features(model)) and kind_of(path) in (CSV, ".parquet")


def names_for(model: Any, rows: Rows, names: Sequence[str] | None, output: Output = None) -> Any:
    """Class names: those of the caller, else those of the model, else those that came with the rows.

    Args:
        model: As for `adapt`.
        rows: Rows; labels may come from named folders.
        names: Class names from the caller, or None.
        output: Name or place of the output to use, if there are several, or None.
    """
    if names is not None or rows.class_names is None:
        return names
    own = adapt(model, first(rows.x, 1), output=output)[0].info.class_names
    return rows.class_names if own is None else own


def input_specs(model: Any) -> Sequence[InputSpec]:
    """The inputs of a model, in order.

    Raises:
        ModelError: Not a model, or a model that does not declare its inputs.
    """
    if isinstance(model, Model):
        return model.info.inputs
    specs: Sequence[InputSpec] = _as_taken(model, "input_specs")
    return specs


def declared_specs(model: Any) -> Sequence[InputSpec] | None:
    """The inputs that a model declares, in order; None if only its rows show them.

    Raises:
        ModelError: Not a model.
    """
    if isinstance(model, Model):
        return model.info.inputs
    specs: Sequence[InputSpec] | None = _as_taken(model, "declared_specs")
    return specs


def channels_of(model: Any) -> int | None:
    """Number of image channels for a model without declared inputs, or None."""
    channels: int | None = _as_taken(model, "channels_of")
    return channels


def _as_taken(model: Any, what: str) -> Any:
    """Ask an adapter about a model's rows. A wrapper that leaves rows unchanged counts as its network."""
    wrapped = network_in(model)
    if wrapped is not None and wrapped.before is None:
        model = wrapped.network
    adapter = _scikit() if wrapped is not None and wrapped.before is not None else _adapter_of(model)
    if what == "channels_of" and not hasattr(adapter, what):
        return None
    return getattr(adapter, what, adapter.input_specs)(model)


def _scikit() -> Any:
    return importlib.import_module(ADAPTERS[ESTIMATORS])


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load the model in a file with its framework.

    Args:
        path: The file.
        allow_code: True lets the file run code.

    Raises:
        FileError: The file is missing, damaged, or not a model file.
        DependencyError: The framework is not installed.
        ModelError: The file would run code, or needs a class that is not known here.
    """
    file = Path(path)
    if not file.exists():
        raise FileError("The model file does not exist", received=str(file))
    framework = FILES.get(file.suffix)
    if framework is None:
        raise _not_a_model(file)
    if file.is_file():
        with reading(file, "model"):
            file.open("rb").close()
    with needs_keras() if framework == "keras" else needs(framework, f"'{file}'"):
        adapter = importlib.import_module(ADAPTERS[framework])
    return adapter.load(file, allow_code=allow_code)


def _not_a_model(file: Path) -> FileError:
    expected = "a .keras file, a legacy .h5 file, a .pt2 file of torch.export, or a .joblib file"
    if file.is_dir() and (file / "saved_model.pb").exists():
        return FileError(
            f"'{file}' is a SavedModel, a closed graph of TensorFlow in which nothing can be switched",
            expected=expected,
            hint=f"{_KEEP_IT}. Its plain prediction can be assessed in Python with Keras on TensorFlow: "
            f"inputs = keras.Input(…); outputs = keras.layers.TFSMLayer({str(file)!r}, "
            "call_endpoint='serving_default')(inputs); model = keras.Model(inputs, *outputs.values()); "
            "howsure.assess(model, x, method=howsure.Softmax(), outputs='probabilities')",
        )
    what, hint = OTHER_FILES.get(file.suffix.lower(), (None, None))
    if what is None:
        return FileError(f"'{file}' is not a model file that howsure knows", expected=expected)
    return FileError(f"'{file}' is {what}", expected=expected, hint=hint)


def capable(model: Model, wanted: Any, user: str) -> Any:
    """The model, if it offers a capability.

    Args:
        model: An adapted model.
        wanted: `Model`, `PassModel`, `FeatureModel` or another protocol.
        user: Name of the method or function that needs it, for the message.

    Raises:
        ModelError: The model does not offer it.
    """
    if not isinstance(model, wanted):
        raise ModelError(
            f"{user} needs {_CAPABILITIES[wanted]}, which the adapter of '{model.info.name}' does not give",
            expected=f"a model with {_CAPABILITIES[wanted]}",
            received=f"a model on {model.info.framework}",
            hint=_without_passes(model)
            if wanted is PassModel or (wanted is MemberModel and not isinstance(model, PassModel))
            else None,
        )
    return model


def _without_passes(model: Model) -> str:
    """The hint for a model that has no random layers."""
    if isinstance(model, MemberModel):
        return "Its members are passes: method=howsure.Members()"
    return "Its plain prediction can be assessed: method=howsure.PlainPrediction()"


def check_prediction(model: Model) -> None:
    """Raise a `ModelError` if a layer draws even when predicting and cannot be switched off."""
    if model.info.always_random is not None:
        raise ModelError(
            f"Layer '{model.info.always_random}' draws random numbers also when predicting, so model "
            f"'{model.info.name}' has no plain prediction",
            expected="dropout, or other draws that can be switched off",
            hint="Use a Dropout layer there, or draw only in training",
        )


def warn_of_raw_images(model: Model, rows: Sequence[Array]) -> None:
    """Warn if rows seem to be on another scale than the training rows.

    The statistics that the model stored in training decide. If it stored none, the warning is for uint8 rows
    and a model that does not rescale its inputs.
    """
    if not len(rows[0]):
        return
    times = model.times_larger(some_of(rows)) if isinstance(model, ScaledModel) else None
    if times is not None and times > 1:
        warn(
            f"These rows look about {float(f'{times:.2g}'):,.0f} times larger than what the network was "
            f"trained on, by what its normalisation kept of the training. {_rescaled(rows)}",
            kind="rows on another scale",
        )
    if times is not None or model.info.rescales:
        return
    for array, spec in zip(rows, model.info.inputs, strict=True):
        if not (array.dtype == np.uint8 and spec.dtype.startswith(("float", "bfloat")) and len(array)):
            continue
        seen = array[: min(len(array), 1024)]
        if seen.max() > 1:
            warn(
                f"The rows of '{spec.name}' are uint8, from {seen.min()} to {seen.max()}, and nothing in the "
                "model rescales them. If it was trained on values from 0 to 1, divide them by 255 first "
                "(on the command line: --divide-by 255).",
                kind=f"whole numbers in '{spec.name}'",
            )


def _rescaled(rows: Sequence[Array]) -> str:
    """Advice for bringing rows to the scale of the training."""
    largest = max(float(np.abs(array).max()) for array in some_of(rows) if array.dtype.kind in "iuf")
    if 1 < largest <= 255:
        return (
            "If it was trained on values from 0 to 1, divide them by 255 first (on the command line: "
            "--divide-by 255)."
        )
    return "Give them as they were prepared for the training."


def _adapter_of(model: Any) -> Any:
    """The adapter module for a model. Its framework is already imported, since the model exists.

    Raises:
        ModelError: No adapter knows the model.
    """
    roots = roots_of(model)
    for framework, module in ADAPTERS.items():
        if framework in roots:
            with needs_keras() if framework == "keras" else contextlib.nullcontext():
                return importlib.import_module(module)
    if _answers_as_estimators_do(model):
        return _scikit()
    hint = "Pass a keras.Model (Keras 3), a torch.nn.Module, or a classifier or regressor of scikit-learn"
    if isinstance(model, (str, os.PathLike)):
        hint = "Load it first: keras.models.load_model(path), or torch.export.load(path).module()"
    elif isinstance(model, type):
        hint = f"Pass a trained one, not the class {model.__qualname__}"
    elif isinstance(model, Mapping):
        hint = "Weights alone are no model: pass the module, after module.load_state_dict(weights)"
    if roots & {"tf_keras", "tensorflow"}:
        hint = "Save it and load it with Keras 3, or rebuild it with `import keras`"
    raise ModelError(
        "This is not a model howsure knows",
        expected="a Keras 3 model, a module of PyTorch, a classifier with predict_proba, a regressor, or one "
        "behind howsure.models.protocol",
        received=f"{type(model).__module__}.{type(model).__qualname__}",
        hint=hint,
    )


def is_estimator(model: Any) -> bool:
    """True for classifiers and regressors of which howsure uses only the answers; imports no framework.

    Wrappers around a network, such as skorch, do not count.
    """
    roots = roots_of(model)
    first = next((framework for framework in ADAPTERS if framework in roots), None)
    known = first == ESTIMATORS or (first is None and _answers_as_estimators_do(model))
    return known and not isinstance(model, Model) and network_in(model) is None


def _answers_as_estimators_do(model: Any) -> bool:
    """True for an object of any package with the methods of a classifier or regressor of scikit-learn."""
    return hasattr(model, "predict_proba") or bool(_scikit().is_regressor(model))


# --- rows with sides that a model cannot halve, as a U-Net does ---------------------------------------


MULTIPLES = (2, 4, 8, 16, 32, 64)
"""Numbers of which the sides of rows are made multiples: one to six halvings."""


def advice(x: Any, adapted: Callable[[Any], Any]) -> str | None:
    """The hint for rows on which a model fails; None if their sides are not to blame.

    The model is tried on zeros whose sides are rounded up to multiples of 2, 4, … 64.

    Args:
        x: (N, *sides, C) or (N, C, *sides) rows with two or three sides.
        adapted: Adapts the model to rows; raises what the model raises.
    """
    if not isinstance(x, np.ndarray) or x.ndim not in (4, 5) or x.dtype.kind not in "biuf":
        return None
    for of in MULTIPLES:
        for axes in (slice(1, -1), slice(2, None)):
            sides = x.shape[axes]
            larger = [-(-side // of) * of for side in sides]
            if math.prod(larger) == math.prod(sides):
                continue
            shape = list(x.shape)
            shape[0], shape[axes] = min(2, len(x)), larger
            try:
                with warnings.catch_warnings(action="ignore"):
                    found = adapted(np.zeros(shape, x.dtype))
            except Exception:  # whatever the model itself may raise: such sides do not fit either
                continue
            smaller = [side // of * of for side in sides]
            tiles = len(found.info.output_shape) == x.ndim - 1 and all(smaller)
            return (
                f"The rows have sides {_by(sides)}, and the model runs where they are multiples of {of}. Pad "
                f"the rows to {_by(larger)}" + (f", or assess them in tiles: tile={smaller}" if tiles else "")
            )
    return None


def _by(sides: Any) -> str:
    return " × ".join(map(str, sides))
