"""From whatever a caller holds to a model behind the seam. One line in `ADAPTERS` adds a framework.

An adapter's module has three functions: `adapt(model, x, gaussian_noise=…)` for a model and its rows,
`input_specs(model)` for what a model takes, and `load(path, allow_code=…)` for its files.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howsure.arguments import check_path
from howsure.data.frames import is_frame, labelled_frame
from howsure.data.gather import gather
from howsure.data.rows import InputSpec, Rows, check_rows
from howsure.data.table_files import read_named
from howsure.data.whatever import rows_in
from howsure.errors import FileError, InputError, ModelError, warn
from howsure.models.protocol import (
    Array,
    ExportModel,
    FeatureModel,
    MemberModel,
    Model,
    PassModel,
    ScaledModel,
)
from howsure.models.scale import some_of

CLASSIFIERS = "sklearn"

ADAPTERS = {
    "keras": "howsure.models.keras",
    "torch": "howsure.models.torch",
    CLASSIFIERS: "howsure.models.scikit",
}
"""By the package in which a model's class, or one it is made from, is defined: the adapter's module. Keras on
PyTorch is made from both, and comes first."""

FILES = {".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".pt2": "torch"}
"""By the ending of a model file: the framework."""

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
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"),
        (
            "a pickle, which runs code when it is opened, so it was not",
            "If you trust where it comes from, open it yourself and pass the model to howsure.assess",
        ),
    ),
}
"""By the ending of files that are often taken for models: what they are, and what can be done."""

_CAPABILITIES: dict[type, str] = {
    Model: "a plain prediction",
    PassModel: "passes with given masks",
    ExportModel: "passes as an ONNX graph",
    FeatureModel: "the features of its last layer",
    MemberModel: "members whose mean it predicts",
}


def adapt(
    model: Any,
    x: Any,
    *,
    gaussian_noise: bool = False,
    keep_off: Sequence[str] = (),
    output: str | int | None = None,
) -> tuple[Model, list[Array]]:
    """A model behind the seam, and its checked rows in the order of its inputs.

    Args:
        model: A model of a framework in `ADAPTERS`, or one that is behind the seam already.
        x: Rows in any form that `rows_for` takes.
        gaussian_noise: Whether layers that add noise are random too.
        keep_off: Names of random layers that are to stay as in predicting.
        output: Which of several outputs is meant, by name or place; None for the only one.

    Raises:
        InputError: The rows do not fit, or a layer that is to be kept off is not there.
        ModelError: Not a model, or one that cannot be examined.
    """
    x = rows_for(model, x).x
    if (keep_off or output is not None) and (isinstance(model, Model) or is_classifier(model)):
        name = "keep_off" if keep_off else "output"
        raise InputError(
            f"`{name}` is for models of Keras and modules of PyTorch",
            expected=f"one of these, or no `{name}`",
            received=type(model).__name__,
        )
    if isinstance(model, Model):
        return model, check_rows(x, model.info.inputs)
    wanted: dict[str, Any] = {"gaussian_noise": gaussian_noise}
    if keep_off:
        wanted["keep_off"] = frozenset(keep_off)
    if output is not None:
        wanted["output"] = output
    adapted: tuple[Model, list[Array]] = _adapter_of(model).adapt(model, x, **wanted)
    return adapted


def rows_for(
    model: Any, x: Any, progress: Callable[[int, int], None] | None = None, *, most: int | None = None
) -> Rows:
    """Rows in the form in which adapters take them, with the labels and ids that came with them.

    Args:
        model: As for `adapt`.
        x: (N, …) rows as the model takes them, in an array, tensor or series; a list or dict of arrays for
            several inputs; a data frame, a file or folder, or a source of batches: a DataLoader, a
            `tf.data.Dataset`, a `PyDataset`, an iterator.
        progress: Called with (0, rows so far) while batches are gathered.
        most: Batches to look at, where the first will do; None for all.

    Raises:
        InputError: As `howsure.data.gather.gather`.
        FileError: A file or folder that cannot be read.
    """

    def inputs() -> Sequence[InputSpec] | None:
        try:
            return declared_specs(model)
        except ModelError:  # it does not say what it takes, or `adapt` says what is wrong with it
            return None

    if is_classifier(model):
        named = [str(name) for name in getattr(model, "feature_names_in_", ())]
        if is_frame(x):
            return labelled_frame(x, named)
        if named and isinstance(x, (str, os.PathLike)) and Path(x).suffix.lower() in (".csv", ".parquet"):
            return read_named(check_path(x), named)
    if isinstance(x, (str, os.PathLike)):
        return rows_in(check_path(x), inputs(), lambda: channels_of(model))
    return gather(x, inputs, progress, most)


def input_specs(model: Any) -> Sequence[InputSpec]:
    """What a model takes, in order.

    Raises:
        ModelError: Not a model, or one that does not say it.
    """
    if isinstance(model, Model):
        return model.info.inputs
    specs: Sequence[InputSpec] = _adapter_of(model).input_specs(model)
    return specs


def declared_specs(model: Any) -> Sequence[InputSpec] | None:
    """What a model takes, in order, where it says so itself; None where only rows tell.

    Raises:
        ModelError: Not a model.
    """
    if isinstance(model, Model):
        return model.info.inputs
    adapter = _adapter_of(model)
    specs: Sequence[InputSpec] | None = getattr(adapter, "declared_specs", adapter.input_specs)(model)
    return specs


def channels_of(model: Any) -> int | None:
    """How many channels the images have that a model without declared inputs takes, or None."""
    adapter = _adapter_of(model)
    return adapter.channels_of(model) if hasattr(adapter, "channels_of") else None


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """The model in a file, as its framework opens it.

    Args:
        path: The file.
        allow_code: Whether a file that wants to run code may do so.

    Raises:
        FileError: Missing, damaged, or no model file.
        ModelError: It wants to run code, or needs a class that is not known here.
    """
    file = Path(path)
    if not file.exists():
        raise FileError("The model file does not exist", received=str(file))
    framework = FILES.get(file.suffix)
    if framework is None:
        raise _not_a_model(file)
    return importlib.import_module(ADAPTERS[framework]).load(file, allow_code=allow_code)


def _not_a_model(file: Path) -> FileError:
    """The error for what no adapter opens."""
    expected = "a .keras file, a legacy .h5 file, or a .pt2 file of torch.export"
    if file.is_dir() and (file / "saved_model.pb").exists():
        return FileError(
            f"'{file}' is a SavedModel, a closed graph of TensorFlow in which nothing can be switched",
            expected=expected,
            mend=f"{_KEEP_IT}. Its plain prediction can be assessed with Keras on TensorFlow: inputs = "
            f"keras.Input(…); outputs = keras.layers.TFSMLayer({str(file)!r}, "
            "call_endpoint='serving_default')(inputs); model = keras.Model(inputs, *outputs.values()); "
            "howsure.assess(model, x, method=howsure.Softmax(), outputs='probabilities')",
        )
    what, mend = OTHER_FILES.get(file.suffix.lower(), (None, None))
    if what is None:
        return FileError(f"'{file}' is not a model file that howsure knows", expected=expected)
    return FileError(f"'{file}' is {what}", expected=expected, mend=mend)


def capable(model: Model, wanted: Any, user: str) -> Any:
    """The model, if it has what is wanted of it.

    Args:
        model: Behind the seam.
        wanted: `Model`, `PassModel` or `FeatureModel`.
        user: Who wants it, for the message.

    Raises:
        ModelError: It has not.
    """
    if not isinstance(model, wanted):
        raise ModelError(
            f"{user} needs {_CAPABILITIES[wanted]}, which the adapter of '{model.info.name}' does not give",
            expected=f"a model with {_CAPABILITIES[wanted]}",
            received=type(model).__name__,
            mend=_without_passes(model) if wanted is PassModel else None,
        )
    return model


def _without_passes(model: Model) -> str:
    """What can be had of a model that has no random layers to switch."""
    if isinstance(model, MemberModel):
        return "Its members are passes: method=howsure.Members()"
    return "Its plain prediction can be assessed: method=howsure.PlainPrediction()"


def check_prediction(model: Model) -> None:
    """Raise a `ModelError` where a layer draws also when predicting, and nothing can switch it off."""
    if model.info.always_random is not None:
        raise ModelError(
            f"Layer '{model.info.always_random}' draws random numbers also when predicting, so model "
            f"'{model.info.name}' has no plain prediction",
            expected="dropout, or other draws that can be switched off",
            mend="Use a Dropout layer there, or draw only in training",
        )


def warn_of_raw_images(model: Model, rows: Sequence[Array]) -> None:
    """Say aloud where rows are on another scale than the model was trained on, as far as that shows.

    What the model kept of its training tells it. Where it kept nothing, bytes are told of that go into a
    model which seems to expect them rescaled.
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
    """What may bring rows to the scale of the training."""
    largest = max(float(np.abs(array).max()) for array in some_of(rows) if array.dtype.kind in "iuf")
    if 1 < largest <= 255:
        return (
            "If it was trained on values from 0 to 1, divide them by 255 first (on the command line: "
            "--divide-by 255)."
        )
    return "Give them as they were prepared for the training."


def _adapter_of(model: Any) -> Any:
    """The module of the adapter for a model; the framework is there already, as the model is.

    Raises:
        ModelError: No adapter knows it.
    """
    roots = roots_of(model)
    for framework, module in ADAPTERS.items():
        if framework in roots:
            return importlib.import_module(module)
    if hasattr(model, "predict_proba"):
        return importlib.import_module(ADAPTERS[CLASSIFIERS])
    mend = "Pass a keras.Model (Keras 3), a torch.nn.Module, or a classifier of scikit-learn"
    if roots & {"tf_keras", "tensorflow"}:
        mend = "Save it and load it with Keras 3, or rebuild it with `import keras`"
    raise ModelError(
        "This is not a model howsure knows",
        expected="a Keras 3 model, a module of PyTorch, a classifier with predict_proba, or one behind "
        "howsure.models.protocol",
        received=f"{type(model).__module__}.{type(model).__qualname__}",
        mend=mend,
    )


def is_classifier(model: Any) -> bool:
    """Whether a model is one of those that are asked for probabilities alone; nothing is imported."""
    roots = roots_of(model)
    first = next((framework for framework in ADAPTERS if framework in roots), None)
    return not isinstance(model, Model) and (
        first == CLASSIFIERS or (first is None and hasattr(model, "predict_proba"))
    )


def roots_of(model: Any) -> set[str]:
    """The packages in which a model's class, and those it is made from, are defined; nothing is imported."""
    return {cls.__module__.split(".")[0] for cls in type(model).__mro__}
