"""The adapter for classifiers and regressors of scikit-learn, and for other objects with the same methods.

It does not import scikit-learn: it calls `predict_proba` or `predict`, and reads attributes.

    array of numbers     the rows themselves, (n, F)
    frame, text, sparse  row numbers; the adapter takes these rows from the caller's object

The rows of a frame stay in it, so a pipeline gets the column names and types that it was fitted on.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import (
    CLASSES,
    LABEL_PROBABILITIES,
    PROBABILITIES,
    REGRESSION,
    SEVERAL_LABELS,
    VALUES,
    LayerInfo,
    ModelInfo,
    RawOutputs,
    raw_outputs,
)
from howsure.adapters.sklearn.contents import contents_of
from howsure.adapters.sklearn.members import (
    PREDICT,
    PROBABILITIES_BY,
    EstimatorMembers,
    as_columns,
    members_of,
)
from howsure.adapters.sklearn.regressors import call_for_std, fitted_for
from howsure.errors import FileError, InputError, ModelError, warn, warnings_never_errors
from howsure.inputs.frames import in_memory, is_frame
from howsure.inputs.rows import InputSpec, as_array, check_rows, check_unmasked, in_rows, quoted
from howsure.optional import needs

Array = NDArray[Any]
Take = Callable[[Array], Any]

NUMBERS = InputSpec("row", (), "int64")
"""Input of a classifier whose rows are taken from the caller's object, by number."""

PROBED = 32
"""Number of rows on which a classifier is tried before work begins."""

SAME = 1e-6
"""Largest difference between the mean of the members and the prediction: rounding to float32 only."""

SAME_NUMBER = 1e-9
"""The same for numbers, as a share of the largest: rounding of sums in double precision."""

FRAMEWORK = "scikit-learn"


def adapt(model: Any, x: Any, *, gaussian_noise: bool) -> tuple[Estimator, list[Array]]:
    """The adapted estimator, and its rows.

    Args:
        model: A fitted classifier with `predict_proba`, or a fitted regressor.
        x: Rows as the estimator takes them: (N, F) numbers, a frame, a sparse matrix, or N texts.
        gaussian_noise: Has no effect for estimators.

    Raises:
        InputError: The estimator does not accept the rows.
        ModelError: It gives no probabilities or numbers, or has not been fitted.
    """
    del gaussian_noise
    check_estimator(model)
    rows, take, spec = _rows_of(model, x)
    of_numbers, some = is_regressor(model), take(rows[:PROBED]) if len(rows) else None
    probed = None if some is None else _ask(model, some)
    info = (_info_of_regressor if of_numbers else _info)(model, spec, probed)
    of_classes = info.trained_for == CLASSES
    if probed is not None and of_classes and info.class_names is not None:
        _warn_of_other_answers(model, some, probed)
    members = None
    if of_numbers or of_classes:
        members = members_of(model, PREDICT if of_numbers else PROBABILITIES_BY)
    if members is not None and (probed is None or _is_mean(members, some, probed, of_numbers)):
        return Averaged(model, take, info, members), [rows]
    return Estimator(model, take, info), [rows]


def is_regressor(model: Any) -> bool:
    """True if an estimator says that it predicts numbers."""
    kind = getattr(model, "_estimator_type", None)
    if kind is None and hasattr(model, "__sklearn_tags__") and not isinstance(model, type):
        kind = model.__sklearn_tags__().estimator_type
    return kind == "regressor" and hasattr(model, "predict")


def input_specs(model: Any) -> Sequence[InputSpec]:
    """The input of a classifier: a row of numbers, if the classifier knows how many.

    Raises:
        ModelError: It gives no probabilities, is not fitted, or does not know how many numbers it takes.
    """
    check_estimator(model)
    features = getattr(model, "n_features_in_", None)
    if features is None and not hasattr(model, "classes_") and not is_regressor(model):
        raise _not_fitted(model)
    if features is None:
        raise ModelError(
            f"{_name(model)} does not say what it takes",
            expected="rows, with which it can be tried",
            hint="Give some: howsure.audit(model, x)",
        )
    return [InputSpec("x", (int(features),), "float64")]


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load a classifier from a joblib or pickle file. Opening such a file runs code.

    Args:
        path: The file.
        allow_code: True allows the file to run code.

    Raises:
        FileError: It may not run code, or cannot be read.
        ModelError: It holds no classifier.
        DependencyError: joblib is not installed.
    """
    if not allow_code:
        raise FileError(
            f"'{os.fspath(path)}' is a pickle, which runs code when it is opened, so it was not",
            expected="a file that you trust, with allow_code=True",
            hint="Or open it yourself in Python, and pass the classifier to howsure.assess",
        )
    with needs("joblib", "A classifier in a file"):
        import joblib
    try:
        with warnings_never_errors():
            model = joblib.load(path)
    except ImportError as error:
        raise ModelError(
            f"'{os.fspath(path)}' needs a package that is not installed here ({error})",
            expected="the packages that it was made with",
        ) from error
    except Exception as error:  # pickle raises anything for other files and other versions
        message = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(
            f"'{os.fspath(path)}' cannot be opened ({message})",
            expected="a classifier that joblib.dump or pickle wrote, with the same versions as here",
        ) from error
    check_estimator(model)
    return model


def check_estimator(model: Any) -> None:
    """Raise a `ModelError` unless a model is a fitted regressor, or offers probabilities."""
    if not isinstance(model, type) and is_regressor(model):
        if not _is_fitted(model):
            raise _not_fitted(model)
        return
    if hasattr(model, "predict_proba") and not isinstance(model, type):
        return
    hint = "A clustering or a transformer cannot be assessed"
    if isinstance(model, type):
        hint = f"Fit it first: {model.__name__}().fit(x_train, y_train)"
    elif getattr(model, "voting", None) == "hard":
        hint = "Let it vote with probabilities: voting='soft'"
    elif hasattr(model, "decision_function") or hasattr(model, "classes_"):
        hint = "Give it some: sklearn.calibration.CalibratedClassifierCV(model).fit(x, y)"
    raise ModelError(
        f"{_name(model)} gives no probabilities",
        expected="a fitted classifier with predict_proba, or a fitted regressor",
        hint=hint,
    )


class Estimator:
    """A classifier or regressor with its plain prediction.

    Args:
        model: The estimator.
        take: Maps rows, or their numbers, to the estimator's input.
        info: Facts about the estimator.
    """

    def __init__(self, model: Any, take: Take, info: ModelInfo) -> None:
        self._model, self._take, self.info = model, take, info

    def predict(self, rows: Sequence[Array]) -> RawOutputs:
        """Probabilities (n, K), or numbers (n, K), in the precision of the estimator."""
        return raw_outputs(_ask(self._model, self._take(rows[0])))

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns that it was fitted on, in order; empty without names."""
        return tuple(map(str, getattr(self._model, "feature_names_in_", ())))

    def plain_graph(self, rows: Sequence[Array]) -> tuple[Any, Array]:
        """See `howsure.adapters.protocol.PlainGraphModel`."""
        from howsure.adapters.sklearn.graph import as_float32, graph_of  # they need a package beside

        taken = as_float32(self._take(rows[0]))
        return graph_of(self._model, taken, self.info.output_shape[0]), taken

    def weights(self) -> Iterator[Array]:
        """All numbers and texts that the estimator consists of; nothing where it cannot be pickled."""
        with suppress(Exception):
            yield contents_of(self._model)


class Averaged(Estimator):
    """An estimator whose prediction is the mean of its `members`; see `MemberModel`."""

    def __init__(self, model: Any, take: Take, info: ModelInfo, members: EstimatorMembers) -> None:
        super().__init__(model, take, info)
        self._members = members
        self.members, self.alike = members.count, members.alike

    def ask_members(self, rows: Sequence[Array]) -> RawOutputs:
        """Probabilities (M, n, K) or numbers of each member."""
        with _without_names():
            outputs = self._members.ask(self._take(rows[0]))
        return raw_outputs(outputs)


def _warn_of_other_answers(model: Any, x: Any, predicted: Array) -> None:
    """Warn if `predict` names a class other than the most probable one, as it does for some classifiers."""
    if not hasattr(model, "predict"):
        return
    with _without_names():
        named = np.asarray(model.predict(x))
    top = np.asarray(model.classes_)[predicted.argmax(axis=1)]
    other = int(np.sum(named != top)) if named.shape == top.shape else 0
    if other:
        warn(
            f"On {other} of the first {len(top)} rows, `predict` of {_name(model)} says another class than "
            "the most probable one of its `predict_proba`. howsure uses the probabilities."
        )


def _is_mean(members: EstimatorMembers, x: Any, predicted: Array, of_numbers: bool) -> bool:
    """True if the mean of the members is the estimator's prediction, but for rounding."""
    with _without_names():
        mean = members.ask(x).mean(axis=0)
    same = SAME_NUMBER * np.abs(predicted).max(initial=0) if of_numbers else SAME
    return mean.shape == predicted.shape and bool(np.all(np.abs(mean - predicted) <= same))


# --- asking -------------------------------------------------------------------------------------------


def _ask(model: Any, x: Any) -> Array:
    """Probabilities (n, K) of classes, or of each of K labels; K numbers of a regressor."""
    of_numbers = is_regressor(model)
    method = PREDICT if of_numbers else PROBABILITIES_BY
    try:
        with _without_names():
            outputs = getattr(model, method)(x)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if any(cls.__name__ == "NotFittedError" for cls in type(error).__mro__):
            raise _not_fitted(model) from error
        message = " ".join(str(error).split())[:200]
        raise InputError(
            f"{method} of {_name(model)} fails on these rows ({type(error).__name__}: {message})",
            expected="rows as it was fitted on",
            hint=f"Call it on a few of them yourself: model.{method}(x[:2])",
        ) from error
    if isinstance(outputs, (list, tuple)) and not of_numbers:  # of several labels, each a distribution
        always = next((k for k, of_label in enumerate(outputs) if np.shape(of_label)[1:] == (1,)), None)
        if always is not None:
            raise ModelError(
                f"{_name(model)} knows one answer alone of label {always}: it never saw another",
                expected="a yes or no for each of several labels, both seen while it was fitted",
                hint=f"Fit it without label {always}",
            )
        if any(np.shape(of_label)[1:] != (2,) for of_label in outputs):
            raise ModelError(
                f"{_name(model)} gives several answers with more than two classes",
                expected="one answer of any number of classes, or a yes or no for each of several labels",
            )
        return np.stack([np.asarray(of_label)[:, 1] for of_label in outputs], axis=1)
    array = as_columns(outputs) if of_numbers else np.asarray(outputs)
    kinds, shape = ("fiub", "(rows,) or (rows, targets)") if of_numbers else ("fiu", "(rows, classes)")
    if array.ndim != 2 or array.dtype.kind not in kinds or len(array) != _length(x):
        raise ModelError(
            f"{_name(model)} gives no {'numbers' if of_numbers else 'probabilities of classes'}",
            expected=f"an array of shape {shape} from {method}",
            received=f"an array of {array.dtype} of shape {np.shape(outputs)}",
        )
    return array.astype(np.float64) if of_numbers else array


@contextmanager
def _without_names() -> Iterator[None]:
    """Suppress the warning about missing column names; howsure warns the caller once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X (does not have valid|has) feature names", UserWarning)
        yield


def _info(model: Any, spec: InputSpec, probed: Array | None) -> ModelInfo:
    """Facts about a classifier, or about one of several labels."""
    classes = getattr(model, "classes_", None)
    several = bool(getattr(model, "multilabel_", False)) or isinstance(classes, list)
    if probed is None and classes is None:
        raise InputError(
            f"{_name(model)} does not name its classes, and there are no rows to try it with",
            expected="at least 1 row",
        )
    width = int(probed.shape[1]) if probed is not None else len(classes)  # type: ignore[arg-type]
    names = None
    if classes is not None and not isinstance(classes, list) and len(classes) == width:
        names = tuple(map(_class_name, np.asarray(classes).tolist()))
    ending, task = (LABEL_PROBABILITIES, SEVERAL_LABELS) if several else (PROBABILITIES, CLASSES)
    return _model_info(model, spec, (width,), ending, task, class_names=names)


def _info_of_regressor(model: Any, spec: InputSpec, probed: Array | None) -> ModelInfo:
    """Facts about a regressor; warns if it also tells a standard deviation."""
    if probed is None:
        raise InputError(
            f"{_name(model)} does not say how many numbers it predicts, and there are no rows to try it with",
            expected="at least 1 row",
        )
    with_std = call_for_std(model)
    if with_std is not None:
        warn(
            f"{_name(model)} also tells a standard deviation, and this is its plain prediction alone. To use "
            f"both, in Python: mean, std = {with_std}, and then "
            "howsure.RegressionCertainty.from_mean_std(mean, std).",
            kind=f"the standard deviation of {_name(model)}",
        )
    fitted = fitted_for(model)
    outputs, task = fitted.says or VALUES, fitted.trained_for
    says = outputs if task == REGRESSION else None
    return _model_info(model, spec, probed.shape[1:], outputs, task, loss=fitted.loss, says=says)


def _model_info(
    model: Any, spec: InputSpec, shape: tuple[int, ...], ending: str, task: str, **more: Any
) -> ModelInfo:
    kind = type(model).__name__
    return ModelInfo(
        name=kind,
        framework=FRAMEWORK,
        inputs=(spec,),
        output_shape=shape,
        output_dtype="float64",
        ending=ending,
        trained_for=task,
        rescales=True,
        layers=(LayerInfo(kind, kind, None, None, shape, 0, repeated=False),),
        **more,
    )


def _not_fitted(model: Any) -> ModelError:
    return ModelError(f"{_name(model)} has not been fitted", expected="an estimator after fit(x, y)")


def _is_fitted(model: Any) -> bool:
    """False for an estimator of scikit-learn that learned nothing; a Gaussian process predicts even so."""
    if hasattr(model, "__sklearn_is_fitted__"):
        return bool(model.__sklearn_is_fitted__())
    is_known = any(cls.__module__.partition(".")[0] == "sklearn" for cls in type(model).__mro__)
    return not is_known or any(name.endswith("_") and not name.startswith("__") for name in vars(model))


def _class_name(value: object) -> str:
    """A class as a name; whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _name(model: Any) -> str:
    return model.__name__ if isinstance(model, type) else type(model).__name__


# --- rows ---------------------------------------------------------------------------------------------


def _rows_of(model: Any, x: Any) -> tuple[Array, Take, InputSpec]:
    """Rows (or row numbers), a function from these to the classifier's input, and the input's spec."""
    check_unmasked(x, "The rows")
    names, features = getattr(model, "feature_names_in_", None), getattr(model, "n_features_in_", None)
    if is_frame(x):
        frame = in_memory(x)
        if names is not None and hasattr(frame, "columns"):
            return _of_frame(frame, [str(name) for name in names], model)
        columns = list(getattr(frame, "columns", ()))
        if columns:
            _check_width((len(frame), len(columns)), features, model, columns)
        x = frame.to_numpy()
    if hasattr(x, "nnz") and hasattr(x, "toarray"):
        matrix = x.tocsr()
        _check_width(matrix.shape, features, model)
        return np.arange(matrix.shape[0]), lambda numbers: matrix[numbers], NUMBERS
    array = as_array(x, "The rows")
    if not array.ndim:
        raise InputError(
            "The rows are not an array", expected="rows as the classifier takes them", received=repr(x)[:200]
        )
    if features is None or array.dtype.kind not in "biuf":
        return np.arange(len(array)), lambda numbers: array[numbers], NUMBERS
    if names is not None:
        warn(
            f"{_name(model)} was fitted on columns with names, and these rows have none. They are taken "
            f"in the order {quoted([str(name) for name in names])}."
        )
    spec = InputSpec("x", (int(features),), "float64")
    if array.ndim == 2 and array.shape[1] == features:
        gaps = ~np.isfinite(array).all(axis=1) if array.dtype.kind == "f" else np.zeros(len(array), bool)
        _check_gaps(np.asarray(gaps), lambda numbers: array[numbers], model)
        return array, np.copy, spec  # a copy, since pipeline steps may work in place
    return check_rows(array, [spec])[0], np.copy, spec  # adds a missing axis, or reports the fault


def _of_frame(frame: Any, names: list[str], model: Any) -> tuple[Array, Take, InputSpec]:
    """Row numbers of a frame; the classifier gets the columns that it was fitted on."""
    # LightGBM replaces blanks in names with underscores.
    called = {"_".join(name.split()): name for name in frame.columns} | {name: name for name in frame.columns}
    missing = [name for name in names if name not in called]
    if missing:
        raise InputError(
            f"The rows have no columns {quoted(missing)}, on which {_name(model)} was fitted",
            expected=f"columns {quoted(names)}",
            received=quoted(frame.columns),
        )
    names = [called[name] for name in names]
    chosen = frame.select(names)
    if chosen.implementation.is_pyarrow():  # scikit-learn does not accept pyarrow tables
        chosen = in_memory(chosen.to_pandas())

    def take(numbers: Array) -> Any:
        return chosen[np.asarray(numbers)].to_native()

    gaps = np.zeros(len(chosen), dtype=bool)
    for name in names:
        gaps |= np.asarray(chosen[name].is_null().to_numpy(), dtype=bool)
    _check_gaps(gaps, take, model)
    return np.arange(len(chosen)), take, NUMBERS


def _check_width(
    shape: tuple[int, ...], features: int | None, model: Any, columns: Sequence[str] | None = None
) -> None:
    if features is not None and (len(shape) != 2 or shape[1] != features):
        raise InputError(
            f"The rows do not have as many numbers as {_name(model)} was fitted on",
            expected=f"{features} columns",
            received=f"{shape[1]} columns" + ("" if columns is None else f": {quoted(columns)}")
            if len(shape) == 2
            else f"an array of shape {shape}",
        )


def _check_gaps(gaps: NDArray[np.bool_], take: Take, model: Any) -> None:
    """Raise an `InputError` naming the rows with NaN, infinite or missing values, if not accepted."""
    bad = np.flatnonzero(gaps)
    if not len(bad):
        return
    try:
        _ask(model, take(bad[:1]))
    except InputError as error:
        raise InputError(
            f"The rows hold NaN, infinite or missing values {in_rows(len(bad), bad[:5].tolist())}",
            expected=f"a finite value everywhere, as {_name(model)} takes nothing else",
            received=error.what,
            hint="Put an imputer before it in a pipeline, or leave those rows out",
        ) from error


def _length(x: Any) -> int:
    return int(x.shape[0]) if hasattr(x, "shape") else len(x)
