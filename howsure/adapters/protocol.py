"""The interface of models: protocols that adapters implement. howsure uses models only through them.

    Model                facts about the model, and the plain (deterministic) prediction
    ├── PassModel        forward passes with given dropout masks
    │   └── ExportModel  the same passes as an ONNX graph
    ├── ScaledModel      compares the scale of rows with that of the training rows
    ├── FeatureModel     input and output of the last linear layer
    ├── WeightedModel    its weights, by which it is known again
    ├── MemberModel      the members whose mean is the prediction
    └── ColumnsModel     finished columns in the place of a prediction

Adapters take and return numpy arrays; tensors stay inside. `tests/support/arrays.py` is a worked example.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.rows import InputSpec, quoted
from howsure.random_ops import RandomOp

Array = NDArray[Any]

REGRESSION = "regression"
MEANS_AND_VARIANCES = "means and variances"
QUANTILES = "quantiles"
LOG_RATES = "logarithms of rates"
CLASSES = "classes"
SEVERAL_LABELS = "several labels"
MARGINS = "margins"
EMBEDDINGS = "embeddings"
"""Tasks for which a model may have been trained, read from its loss."""

PROBABILITIES = "probabilities"
LOGITS = "logits"
"""Meanings of the outputs, and of the values that the loss expects."""

LABEL_PROBABILITIES = "label-probabilities"
LABEL_LOGITS = "label-logits"
"""The same for a model with several yes/no labels per row."""

VALUES = "values"
MEAN_VARIANCE = "mean-variance"
MEAN_LOG_VARIANCE = "mean-log-variance"
NUMBERS = (VALUES, MEAN_VARIANCE, MEAN_LOG_VARIANCE)
"""The same for a regression: K numbers per row; or K means and then K variances, or their natural
logarithms."""

RATES, LOGS_OF_RATES = COUNTED = ("rates", "log-rates")
"""The same for counts: K expected counts, or their natural logarithms."""

ASKED_FOR = "gaussian_noise=True"
"""The argument that makes noise layers random. The note about a noise layer that stays fixed names it."""

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"

STEPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Distance from 1 to the next larger number, by type of number."""

RawOutputs = NDArray[np.float32] | NDArray[np.float64]
"""Outputs of a model: float64 if it computes in float64, else float32, which holds 16 bits too."""


def raw_outputs(values: Any) -> RawOutputs:
    """An array as adapters return it: float64 stays, all else becomes float32. Nothing is copied in vain."""
    array = np.asarray(values)
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def step_of(numbers: Any, dtype: str) -> NDArray[np.float64]:
    """(…) distance of numbers of this size from the next larger ones of their type; 0 of a type not known."""
    _, exponent = np.frexp(numbers)
    return np.where(np.equal(numbers, 0), 0.0, np.ldexp(STEPS.get(dtype, 0.0), exponent - 1))


@dataclass(frozen=True)
class LayerInfo:
    """One call of one layer.

    Attributes:
        name: Path of the layer inside the model, for example `encoder/dropout`.
        kind: Class of the layer.
        random: The draws of the layer in each pass, for example `drops 25 %`; None for a fixed layer.
        note: Why a layer stays fixed although it could vary, or why it could not be switched; else None.
        shape: Shape of its output for one row.
        multiply_adds: Multiply-adds for one row.
        repeated: True if every pass computes it again; False if one computation serves all passes.
    """

    name: str
    kind: str
    random: str | None
    note: str | None
    shape: tuple[int, ...]
    multiply_adds: int
    repeated: bool


@dataclass(frozen=True)
class Unswitchable:
    """A layer that is random in training but stays fixed in passes.

    Attributes:
        name: Path of the layer.
        what: The finding, in words.
        refused: True if leaving the layer fixed would give wrong results, so that the model is refused.
        hint: How to fix it, in words; None for the usual advice.
    """

    name: str
    what: str
    refused: bool
    hint: str | None = None


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model that are known before it runs.

    Attributes:
        name: Name for messages.
        framework: The framework or backend of the model, in words: `tensorflow`, `numpy`.
        inputs: Its inputs, in order.
        output_shape: Shape of its output for one row.
        output_dtype: Type of number in which it computes its output.
        ending: Last operation: `softmax`, `sigmoid`, `linear`, `log_softmax` or another name; None if it
            cannot be read. `probabilities` or `label-probabilities` if the model itself declares that it
            returns probabilities of classes or of several labels; a word of `NUMBERS` for a regressor.
        trained_for: `classes`, `several labels`, `margins`, `embeddings`, `regression`, `means and
            variances`, `quantiles` or `logarithms of rates`; None if the loss does not show it.
        rescales: True if the model itself scales raw values.
        layers: Every layer call, in order of execution.
        unswitchable: Layers that are random in training and cannot be switched on.
        loss: Name of the training loss, if known.
        loss_takes: `logits` or `probabilities`, which the loss expects as outputs; None if unknown.
        always_random: Path of a layer that also draws when predicting, so that no plain prediction exists;
            None if there is no such layer.
        fixed_batch: The only batch size that the model accepts; None for any.
        class_names: Names of its classes, in the order of its outputs, or None.
        class_axis: Axis of the classes in the output for one row, where that has several axes: 0 if channels
            come first, as in most modules of PyTorch for images; −1 if classes come last, as in a classifier
            of tokens. None if the model does not show it.
        to_know: How a user can make such a model declare its loss, in words; None if it cannot.
        says: The kind of outputs that the model itself declares, in the words of `outputs`, whatever its last
            layer is; None if it declares nothing.
        padding: Number of the token that fills up short texts; None if the model has none or does not say it.
        keeps_loss: True if the model knows its loss. PyTorch modules do not, nor does a Keras model before it
            is compiled; then K linear outputs alone do not show that they are logits.
        compiles: True if each new number of rows takes compiling, so that few of them should occur.
    """

    name: str
    framework: str
    inputs: tuple[InputSpec, ...]
    output_shape: tuple[int, ...]
    output_dtype: str
    ending: str | None
    trained_for: str | None
    rescales: bool
    layers: tuple[LayerInfo, ...]
    unswitchable: tuple[Unswitchable, ...] = ()
    loss: str | None = None
    loss_takes: str | None = None
    always_random: str | None = None
    fixed_batch: int | None = None
    class_names: tuple[str, ...] | None = None
    class_axis: int | None = None
    to_know: str | None = None
    says: str | None = None
    padding: int | None = None
    keeps_loss: bool = True
    compiles: bool = True


@dataclass(frozen=True)
class Level:
    """The part of a model between one random step and the next.

    Attributes:
        random_ops: The random calls at its start; empty at the first level, which all passes share.
        cost: Its cost in plain predictions of one row, ≥ 0. All levels together cost 1, or more where a pass
            does what a plain prediction does not, such as multiplying by masks.
        size: Numbers in its largest tensor, for one row.
    """

    random_ops: tuple[RandomOp, ...]
    cost: float
    size: int


@dataclass(frozen=True)
class Limits:
    """How much of a model may run at once.

    Attributes:
        fold: Most numbers in a tensor that holds several passes, laid one after the other along the batch
            axis; None if passes must run one at a time.
        trunk: Most numbers in a tensor while the shared first part (trunk) is computed.
        trunk_size: Numbers in a trunk, for one row.
        precisions: Types of number in which passes can run. The first is used unless a plan names another.
    """

    fold: int | None
    trunk: int
    trunk_size: int
    precisions: tuple[str, ...] = (FLOAT32,)


class Trunk(Protocol):
    """The part of the computation that all passes over some rows share, computed once."""

    def __len__(self) -> int: ...

    def take(self, positions: NDArray[np.int64]) -> Self:
        """The trunk of the rows at these positions; positions may repeat."""
        ...

    def join(self, others: Sequence[Self]) -> Self:
        """This trunk and others as one, in order."""
        ...


@runtime_checkable
class Model(Protocol):
    """A model with a plain (deterministic) prediction."""

    @property
    def info(self) -> ModelInfo:
        """Facts about the model."""
        ...

    def predict(self, rows: Sequence[Array]) -> RawOutputs:
        """Raw outputs (n, …) without randomness, for inputs (n, …) in the model's input types."""
        ...


@runtime_checkable
class PassModel(Model, Protocol):
    """A model whose random layers accept given masks."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, which all passes share, then one for each random step in the order of execution."""
        ...

    @property
    def limits(self) -> Limits:
        """How much may run at once."""
        ...

    def trunk(self, rows: Sequence[Array]) -> Any:
        """The shared part, a `Trunk`, of all passes over these rows (n, …), in the model's input types."""
        ...

    def thin(self, masks: Sequence[Array]) -> Callable[[Any], RawOutputs]:
        """The thinned networks that these masks define.

        Args:
            masks: For each random op an array (W_l, *op.shape), as from `howsure.sampling.masks.draw`. W_l is
                the number of distinct passes at the random op's level l; W_l divides W_{l+1}.

        Returns:
            A function from a trunk of n rows to raw outputs (W, n, …), with W of the last level.
        """
        ...

    def in_precision(self, precision: str) -> PassModel:
        """The same model with its heavy layers in another of `limits.precisions`."""
        ...


@runtime_checkable
class MaskedModel(Model, Protocol):
    """A model that may know which positions of its output count, such as the words that are no padding."""

    def counted(self, rows: Sequence[Array]) -> NDArray[np.bool_] | None:
        """(n, …) whether a position counts, for inputs (n, …); None if the model does not say it."""
        ...


@runtime_checkable
class WeightedModel(Model, Protocol):
    """A model that is known again by its weights; see `howsure.adapters.fingerprint`."""

    def weights(self) -> Iterable[Array]:
        """The weights, in an order that is the same each time the model is loaded."""
        ...


@runtime_checkable
class ExportModel(PassModel, WeightedModel, Protocol):
    """A model whose passes with given masks can be exported as an ONNX graph."""

    def graph(self, masks: Sequence[Array], like: Sequence[Array], features: bool = False) -> Any:
        """The passes with these masks, as an `onnx.ModelProto`.

        Args:
            masks: As for `thin`.
            like: Example rows (n, …) of each input. Their shapes fill in axes of any size.
            features: Whether the graph also has what `FeatureModel.features` gives, of a model that has it.

        Returns:
            A graph from the inputs (n, …), under their names and in their types, to one output (W, n, …) in
            float32, for any n ≥ 1; with `features` also to a second one (n, F + K), the features and the
            logits. It uses the operator version that `howsure.onnx` names.

        Raises:
            ModelError: A part of the model cannot be exported; the message says which.
            DependencyError: A package that writes graphs is missing.
        """
        ...


@runtime_checkable
class PlainGraphModel(WeightedModel, Protocol):
    """A model without passes whose plain prediction can be exported as an ONNX graph."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns that it takes, in order; empty without names."""
        ...

    def plain_graph(self, rows: Sequence[Array]) -> tuple[Any, Array]:
        """The plain prediction as an `onnx.ModelProto`, and the rows as it takes them.

        Args:
            rows: Some rows (n, …) of each input.

        Returns:
            A graph from one input (n, F) to one output (1, n, K), both in float32; and (n, F) in float32.

        Raises:
            ModelError: It cannot be written as a graph.
            DependencyError: A package that writes graphs is missing.
        """
        ...


@runtime_checkable
class ScaledModel(Model, Protocol):
    """A model that may have stored statistics of its training rows, as batch normalisation does."""

    def times_larger(self, rows: Sequence[Array]) -> float | None:
        """How many times larger these rows (n, …) are than the training rows.

        1 means the same scale; None means that the model stored no statistics.
        """
        ...


@runtime_checkable
class FeatureModel(Model, Protocol):
    """A model that ends in one linear layer, followed by activations only."""

    def features(self, rows: Sequence[Array]) -> tuple[RawOutputs, RawOutputs]:
        """Input (n, F) of the last linear layer, and the logits (n, K) before the activation.

        Raises:
            ModelError: The model ends in something else.
        """
        ...


@runtime_checkable
class MemberModel(Model, Protocol):
    """A model whose prediction is the mean over members, such as the trees of a forest."""

    @property
    def members(self) -> int:
        """Number of members, M ≥ 2."""
        ...

    @property
    def alike(self) -> bool:
        """True if one random procedure made all members, so that more of them could be made."""
        ...

    def ask_members(self, rows: Sequence[Array]) -> RawOutputs:
        """Raw outputs (M, n, …) of the members, for inputs (n, …) in the model's input types."""
        ...


@runtime_checkable
class ColumnsModel(Model, Protocol):
    """A graph of `howsure.export`, which puts out columns of a result. It has no plain prediction."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the graph by name, parsed; see `howsure.export.arithmetic.described`."""
        ...

    @property
    def passes(self) -> int:
        """Passes that every row gets."""
        ...

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights of the model that was exported."""
        ...

    def columns(self, rows: Sequence[Array]) -> dict[str, Array]:
        """The columns (n, …) by name, for inputs (n, …) in the types of the inputs."""
        ...


# --- layers that are kept off -------------------------------------------------------------------------


KEPT_OFF = "stays fixed: `keep_off` names it"
"""The note about such a layer."""


def check_kept_off(keep_off: Collection[str], random: Collection[str]) -> None:
    """Raise an `InputError` if `keep_off` names something that is no random layer, or names all of them."""
    unknown = sorted(set(keep_off) - set(random))
    if keep_off and random and not set(random) - set(keep_off):
        raise InputError(
            "`keep_off` leaves nothing random, so all passes would be the same",
            expected=f"some of {quoted(sorted(random))}, and not all",
            received=quoted(sorted(keep_off)),
            hint="The plain prediction is method=howsure.PlainPrediction()",
        )
    if unknown:
        verb = "is" if len(unknown) == 1 else "are"
        raise InputError(
            f"`keep_off` names {quoted(unknown)}, which {verb} no random layer",
            expected=f"some of {quoted(sorted(random))}" if random else "a model with random layers",
            received=quoted(sorted(keep_off)),
            hint="howsure.audit(model) shows their names",
        )
