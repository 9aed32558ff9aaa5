"""The door for models: a caller's model gets a handle once, then is adapted to `howsure.adapters.protocol`.

    caller's model ── resolve_model ──> ModelHandle ─┬─ rows, read: in the form that the model takes
                                                     └─ adapt:      the model behind the protocol

One line in `ADAPTERS` adds a framework. An adapter is a module with three functions: `adapt(model, x,
gaussian_noise=…)` for a model and its rows, `input_specs(model)` for the model's inputs, and
`load(path, allow_code=…)` for its files.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.adapters.choose_output import Output, Pair
from howsure.adapters.input_scale import some_of
from howsure.adapters.protocol import (
    Array,
    ColumnsModel,
    ExportModel,
    FeatureModel,
    MemberModel,
    Model,
    PassModel,
    ScaledModel,
)
from howsure.adapters.wrapped import check_holds_no_network, roots_of
from howsure.arguments import check_path
from howsure.errors import FileError, HowsureError, InputError, ModelError, warn, warnings_never_errors
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import read_named, read_rows
from howsure.inputs.formats import has_columns
from howsure.inputs.frames import is_frame, labelled_frame, numbers_in
from howsure.inputs.loaders import first, gather
from howsure.inputs.reading import reading
from howsure.inputs.rows import InputSpec, Rows, check_rows
from howsure.inputs.sizes import INPUT_IDS, RowsOfSizes, check_one_size
from howsure.inputs.tables import Roles
from howsure.optional import needs, needs_keras
from howsure.words import listed

ESTIMATORS = "sklearn"

ADAPTERS = {
    "keras": "howsure.adapters.keras",
    "torch": "howsure.adapters.torch",
    ESTIMATORS: "howsure.adapters.sklearn.adapter",
}
"""Adapter module by package, where the package defines the model's class or one of its bases. Keras on
PyTorch derives from both, so Keras comes first."""

GRAPHS = ".onnx"
"""Suffix of the graphs of `howsure.export`."""

PICKLES = (".joblib", ".pkl", ".pickle")

FILES = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    **dict.fromkeys(PICKLES, ESTIMATORS),
}
"""Framework by suffix of the model file."""

_KEEP_IT = "Give the Keras model that it was made from, kept with model.save('model.keras')"
_MAKE_IT = (
    "Name a function that makes the module: howsure assess package.module:function ROWS --set weights=FILE; "
    "or in Python build the network, load the weights, and pass it to howsure.assess"
)

_CLOSED = "a graph in which dropout is left out or cannot be switched"
_WEIGHTS = "a file of weights, without a model that could be used"

OTHER_FILES = {
    **dict.fromkeys((".tflite", ".pb"), (_CLOSED, f"{_KEEP_IT}; of PyTorch: {_MAKE_IT}")),
    ".pt2": (_CLOSED, _MAKE_IT),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".safetensors"), (_WEIGHTS, _MAKE_IT)),
    ".json": (
        "the plan of a network, without weights",
        "Load it in Python with keras.models.model_from_json and model.load_weights, and pass it to "
        "howsure.assess",
    ),
}
"""Files that are often mistaken for models, by suffix: what they are, and what to do instead."""

_CAPABILITIES: dict[type, str] = {
    Model: "a plain prediction",
    PassModel: "passes with given masks",
    ExportModel: "passes as an ONNX graph",
    FeatureModel: "the features of its last layer",
    MemberModel: "members whose mean it predicts",
    ColumnsModel: "the columns of a graph of howsure.export",
}


@dataclass(frozen=True, eq=False)
class ModelHandle:
    """A model as a caller gives it; see `resolve_model`. All that is asked of it is asked here.

    Attributes:
        model: The caller's model.
        adapter: The module of its framework in `ADAPTERS`; None for a model behind
            `howsure.adapters.protocol`.
        is_estimator: True for a classifier or regressor of which howsure uses only the answers.
        pipeline: The pipeline of `transformers` that the model came in, whose rows are texts; else None.
    """

    model: Any
    adapter: Any = None
    is_estimator: bool = False
    pipeline: Any = None

    # --- rows -------------------------------------------------------------------------------------

    def rows(
        self, x: Any, progress: Callable[[int, int], None] | None = None, *, most: int | None = None
    ) -> Rows:
        """Rows in the form that adapters take, with the labels and ids that came with them.

        Args:
            x: (N, …) rows for the model: an array, tensor or series; a list or dict of arrays for several
                inputs; a data frame, a file or folder; or a source of batches: a DataLoader, a
                `tf.data.Dataset`, a `PyDataset`, an iterator. `Rows` are returned unchanged.
            progress: Called with (0, rows so far) while batches are gathered.
            most: Number of batches to read, if the first ones are enough; None for all.

        Raises:
            InputError: As in `howsure.inputs.loaders.gather`.
            FileError: A file or folder cannot be read.
        """
        if isinstance(x, RowsOfSizes):
            return Rows(x)
        tokens = x.get(INPUT_IDS) if isinstance(x, Mapping) else None  # of a pipeline that is read already
        if self.pipeline is not None and not isinstance(x, Rows) and not isinstance(tokens, np.ndarray):
            rows: Rows = self.adapter.rows_of_texts(self.pipeline, x)
            return rows
        if is_frame(x) and (self.is_estimator or self.feature_names):
            return self._for_the_model(labelled_frame(x, self.feature_names))
        if isinstance(x, (str, os.PathLike)):
            return self.read(check_path(x))
        return gather(x, self._specs_or_none, progress, most, self._input_names)

    def read(
        self,
        path: Path,
        *,
        skip_unreadable: bool = False,
        roles: Roles = Roles(),  # noqa: B008 (frozen, so it may be shared)
        form: CsvForm = CsvForm(),  # noqa: B008
    ) -> Rows:
        """The rows in a file or folder, in the form that the model takes."""
        if self.feature_names and has_columns(path):
            return self._for_the_model(read_named(path, self.feature_names, roles, form))
        specs = self._specs_or_none()
        return read_rows(path, specs, self.channels, skip_unreadable=skip_unreadable, roles=roles, form=form)

    def _for_the_model(self, rows: Rows) -> Rows:
        """Rows in a frame; a graph takes its columns by name, as numbers."""
        return rows if self.is_estimator else replace(rows, x=numbers_in(rows.x, self.feature_names))

    @property
    def brings_method(self) -> bool:
        """Whether the model has a method of its own, as estimators and graphs have."""
        return self.is_estimator or isinstance(self.model, ColumnsModel)

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns that an estimator was fitted on, or one in a graph; empty without names."""
        if isinstance(self.model, ColumnsModel):
            return list(self.model.metadata.get("columns", ()))
        names = getattr(self.model, "feature_names_in_", ()) if self.is_estimator else ()
        return [str(name) for name in names]

    def specs(self) -> Sequence[InputSpec]:
        """The inputs of the model, in order.

        Raises:
            ModelError: It does not declare them.
        """
        specs: Sequence[InputSpec] = self._ask("input_specs")
        return specs

    def declared_specs(self) -> Sequence[InputSpec] | None:
        """The inputs that the model declares, in order; None if only its rows show them."""
        specs: Sequence[InputSpec] | None = self._ask("declared_specs", "input_specs")
        return specs

    def channels(self) -> int | None:
        """Number of image channels for a model without declared inputs, or None."""
        channels: int | None = self._ask("channels_of")
        return channels

    def _ask(self, *names: str) -> Any:
        """Call the first of these functions that the adapter has."""
        if self.adapter is None:
            return None if "channels_of" in names else self.model.info.inputs
        ask = next((getattr(self.adapter, name) for name in names if hasattr(self.adapter, name)), None)
        return None if ask is None else ask(self.model)

    def _specs_or_none(self) -> Sequence[InputSpec] | None:
        try:
            return self.declared_specs()
        except ModelError:  # `adapt` reports the fault
            return None

    def _input_names(self) -> Sequence[str]:
        return () if self.adapter is None else self._ask("input_names") or ()

    # --- the model behind the protocol -------------------------------------------------------------

    def adapt(
        self,
        x: Any,
        *,
        gaussian_noise: bool = False,
        keep_off: Sequence[str] = (),
        output: Output = None,
    ) -> tuple[Model, list[Array]]:
        """The adapted model, and its checked rows in the order of its inputs.

        Args:
            x: Rows as for `rows`.
            gaussian_noise: True makes layers that add noise random too.
            keep_off: Names of random layers that stay fixed, as in predicting.
            output: The output to assess if there are several, by name or index; a `Pair` joins two; None for
                the only one.

        Raises:
            InputError: The rows do not fit, or a layer in `keep_off` does not exist.
            ModelError: One that cannot be examined.
            Exception: Raised by the model itself, with a note of sides that would do, or of its inputs.
        """
        x = self.rows(x).x
        check_one_size(x)
        if self.adapter is None or self.is_estimator:
            output = None if isinstance(output, Pair) else output
            if keep_off or output is not None:
                name = "keep_off" if keep_off else "output"
                raise InputError(
                    f"`{name}` is for models of Keras and modules of PyTorch",
                    expected=f"one of these, or no `{name}`",
                    received=type(self.model).__name__,
                )
        if self.adapter is None:
            return self.model, check_rows(x, self.model.info.inputs)
        settings: dict[str, Any] = {"gaussian_noise": gaussian_noise}
        if keep_off:
            settings["keep_off"] = frozenset(keep_off)
        if output is not None:
            settings["output"] = output
        adapted: Model
        try:
            with warnings_never_errors():
                adapted, rows = self.adapter.adapt(self.model, x, **settings)
        except (HowsureError, Warning):  # a warning where the caller makes warnings errors
            raise
        except Exception as error:  # the model's own, which goes on as it is
            sides = advice(x, lambda other: self.adapter.adapt(self.model, other, **settings)[0])
            note = sides or called_with(x)
            if note is not None:
                error.add_note(note)
            raise
        return adapted, rows

    def ready(self, x: Any, capability: Any, user: str, **wishes: Any) -> tuple[Any, list[Array]]:
        """As `adapt`, of a model with the capability `capability`, such as `PassModel`, that `user` needs.

        Raises:
            ModelError: The model lacks it, or is random even where it only predicts.
        """
        adapted, rows = self.adapt(x, **wishes)
        info = adapted.info
        model = capable(adapted, capability, user)
        if capability is not PassModel and info.always_random is not None:
            raise ModelError(
                f"Layer '{info.always_random}' draws random numbers also when predicting, so model "
                f"'{info.name}' has no plain prediction",
                expected="dropout, or other draws that can be switched off",
                hint="Use a Dropout layer there, or draw only in training",
            )
        return model, rows

    def class_names(self, rows: Rows, names: Sequence[str] | None, output: Output = None) -> Any:
        """Class names: `names` of the caller, else those of the model, else those that came with the rows."""
        if names is not None or rows.class_names is None:
            return names
        own = self.adapt(first(rows.x, 1), output=output)[0].info.class_names
        return rows.class_names if own is None else own


def resolve_model(model: Any) -> ModelHandle:
    """A caller's model with the adapter of its framework; a handle stays as it is.

    The path of a graph of `howsure.export` is a model too.

    Raises:
        ModelError: Not a model, or an estimator that holds a network.
        FileError: The path of a graph that cannot be read.
    """
    if isinstance(model, ModelHandle):
        return model
    if isinstance(model, (str, os.PathLike)) and Path(model).suffix == GRAPHS:
        model = load(model)
    if isinstance(model, Model):
        return ModelHandle(model)
    if "transformers" in roots_of(model) and hasattr(model, "tokenizer") and hasattr(model, "task"):
        adapter = _adapter_of(model.model)
        adapter.check_pipeline(model)
        return ModelHandle(model.model, adapter, pipeline=model)
    adapter = _adapter_of(model)
    is_estimator = adapter.__name__ == ADAPTERS[ESTIMATORS]
    if is_estimator:
        check_holds_no_network(model)
    return ModelHandle(model, adapter, is_estimator)


def adapt(model: Any, x: Any, **wishes: Any) -> tuple[Model, list[Array]]:
    """As `resolve_model(model).adapt(x, …)`."""
    return resolve_model(model).adapt(x, **wishes)


def rows_for(
    model: Any, x: Any, progress: Callable[[int, int], None] | None = None, *, most: int | None = None
) -> Rows:
    """As `resolve_model(model).rows(x, …)`."""
    return resolve_model(model).rows(x, progress, most=most)


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
    if file.suffix == GRAPHS:
        with reading(file, "model"):
            file.open("rb").close()
        graph: ColumnsModel = importlib.import_module("howsure.adapters.onnx").load(file)
        return graph
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
    is_saved_model = file.is_dir() and (file / "saved_model.pb").exists()
    what, hint = OTHER_FILES.get(".pb" if is_saved_model else file.suffix.lower(), (None, None))
    return FileError(
        f"'{file}' is {what or 'not a model file that howsure knows'}",
        expected="a .keras file, a legacy .h5 file, or a .joblib file",
        hint=hint,
    )


def capable(model: Model, capability: Any, user: str) -> Any:
    """The model, if it offers a capability, such as `PassModel`, that `user` needs.

    Raises:
        ModelError: The model does not offer it.
    """
    if isinstance(model, ColumnsModel) and capability is not ColumnsModel:
        raise ModelError(
            f"'{model.info.name}' is a graph of howsure.export: its {model.passes} passes are fixed, and "
            "nothing else can be asked of it",
            expected=f"howsure.assess('{model.info.name}', x) without `method`",
            received=user,
            hint="For that, give the model from which it was exported",
        )
    if not isinstance(model, capability):
        words = _CAPABILITIES[capability]
        raise ModelError(
            f"{user} needs {words}, which the adapter of '{model.info.name}' does not give",
            expected=f"a model with {words}",
            received=f"a model on {model.info.framework}",
            hint=_without_passes(model)
            if capability is PassModel or (capability is MemberModel and not isinstance(model, PassModel))
            else None,
        )
    return model


def _without_passes(model: Model) -> str:
    """The hint for a model that has no random layers."""
    if isinstance(model, MemberModel):
        return "Its members are passes: method=howsure.Members()"
    return "Its plain prediction can be assessed: method=howsure.PlainPrediction()"


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
        values = array[: min(len(array), 1024)]
        if values.max() > 1:
            warn(
                f"The rows of '{spec.name}' are uint8, from {values.min()} to {values.max()}, and nothing in "
                "the model rescales them. If it was trained on values from 0 to 1, divide them by 255 first "
                "(on the command line: --set divide_by=255).",
                kind=f"whole numbers in '{spec.name}'",
            )


def _rescaled(rows: Sequence[Array]) -> str:
    """Advice for bringing rows to the scale of the training."""
    largest = max(float(np.abs(array).max()) for array in some_of(rows) if array.dtype.kind in "iuf")
    if 1 < largest <= 255:
        return (
            "If it was trained on values from 0 to 1, divide them by 255 first (on the command line: "
            "--set divide_by=255)."
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
    if hasattr(model, "predict_proba") or _scikit().is_regressor(model):  # of any package
        return _scikit()
    hint = "Pass a keras.Model (Keras 3), a torch.nn.Module, or a classifier or regressor of scikit-learn"
    if isinstance(model, (str, os.PathLike)):
        hint = "Load it first: keras.models.load_model(path)"
    elif isinstance(model, type):
        hint = f"Pass a trained one, not the class {model.__qualname__}"
    elif isinstance(model, (list, tuple)):
        hint = (
            "To compare models, assess each, and give the results to howsure.Comparison.of_results. For the "
            "mean of networks, pass one as the model, and method=howsure.Ensemble([…]) of the others"
        )
    elif isinstance(model, Mapping):
        hint = "Weights alone are no model: pass the module, after module.load_state_dict(weights)"
    if roots & {"tf_keras", "tensorflow"}:
        hint = "Save it and load it with Keras 3, or rebuild it with `import keras`"
    raise ModelError(
        "This is not a model howsure knows",
        expected="a Keras 3 model, a module of PyTorch, a classifier with predict_proba, a regressor, or one "
        "behind howsure.adapters.protocol",
        received=f"{type(model).__module__}.{type(model).__qualname__}",
        hint=hint,
    )


# --- rows with sides that a model cannot halve, as a U-Net does ---------------------------------------


MULTIPLES = (2, 4, 8, 16, 32, 64)
"""Numbers of which the sides of rows are made multiples: one to six halvings."""


def advice(x: Any, adapted: Callable[[Any], Any]) -> str | None:
    """The hint for rows on which a model fails; None if their sides are not to blame.

    The model is tried on zeros whose two or three sides are rounded up to multiples of 2, 4, … 64. `adapted`
    adapts it to rows, and raises what it raises.
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
                    model = adapted(np.zeros(shape, x.dtype))
            except Exception:  # whatever the model itself may raise: such sides do not fit either
                continue
            smaller = [side // of * of for side in sides]
            tiles = len(model.info.output_shape) == x.ndim - 1 and all(smaller)
            return (
                f"The rows have sides {_sides_in_words(sides)}, and the model runs where they are multiples "
                f"of {of}. Pad the rows to {_sides_in_words(larger)}"
                + (f", or assess them in tiles: tile={smaller}" if tiles else "")
            )
    return None


def called_with(x: Any) -> str | None:
    """The inputs that a model was called with, in words; None if they have no shapes to show."""
    parts = x if isinstance(x, (list, tuple)) else list(x.values()) if isinstance(x, Mapping) else [x]
    if not parts or not all(hasattr(part, "shape") for part in parts):
        return None
    shapes = listed([f"(n, {', '.join(map(str, part.shape[1:]))})" for part in parts])
    what = "one input" if len(parts) == 1 else f"{len(parts)} inputs"
    return (
        f"howsure called the model with {what} of shape {shapes}, for n rows. If it takes its inputs in "
        "another form, wrap it in a model that takes one tensor for each input"
    )


def _sides_in_words(sides: Any) -> str:
    return " × ".join(map(str, sides))
