"""The model seam: what an adapter gives of a model. Everything else in howsure sees models only through it.

    Model            facts, and the plain prediction
    ├── PassModel    passes with given masks
    │   └── ExportModel  the same as an ONNX graph
    ├── ScaledModel  whether rows are on the scale of those it was trained on
    ├── FeatureModel what its last layer gets and makes of it
    └── MemberModel  the members whose mean its prediction is

An adapter takes numpy and gives numpy; its tensors stay inside. `howsure/models/arrays.py` is the example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from howsure.data.rows import InputSpec
from howsure.sites import Site

Array = NDArray[Any]

REGRESSION = "regression"
CLASSES = "classes"
SEVERAL_LABELS = "several labels"
MARGINS = "margins"
EMBEDDINGS = "embeddings"
"""What a model may be trained for, as far as its loss tells."""

PROBABILITIES = "probabilities"
LOGITS = "logits"
"""What its outputs may be, and what its loss may take them for."""

LABEL_PROBABILITIES = "label-probabilities"
LABEL_LOGITS = "label-logits"
"""The same where each is of a label of its own."""

ASKED_FOR = "gaussian_noise=True"
"""With which layers that add noise are random; it stands in the note about one that is not."""

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class LayerInfo:
    """One call of one layer.

    Attributes:
        name: Path of the layer inside the model, for example `encoder/dropout`.
        kind: Class of the layer.
        random: What its passes draw, for example `drops 25 %`, or None where it is fixed.
        note: Why it stays fixed although it could vary, or why it could not be switched; else None.
        shape: Shape of its output for one row.
        multiply_adds: Multiply-adds for one row.
        repeated: Whether every pass computes it again; False where one computation serves all passes.
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
    """A layer that is random in training and stays fixed here.

    Attributes:
        name: Its path.
        what: What was found, in words.
        refused: Whether leaving it fixed would be wrong.
        mend: How to mend it, in words, or None for what mends most.
    """

    name: str
    what: str
    refused: bool
    mend: str | None = None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it runs.

    Attributes:
        name: For messages.
        framework: What it runs on, in words: `tensorflow`, `numpy`.
        inputs: What it takes, in order.
        output_shape: Shape of its output for one row.
        output_dtype: Type of number in which it computes its output.
        ending: What it ends in: `softmax`, `sigmoid`, `linear`, `log_softmax`, another name, or None where
            that cannot be read. `probabilities` and `label-probabilities` where the model says itself that it
            gives these, of classes or of several labels.
        trained_for: `classes`, `several labels`, `margins`, `embeddings` or `regression`, or None where the
            loss does not tell.
        rescales: Whether it brings raw values into range itself.
        layers: Every layer call, in the order of execution.
        unswitchable: What is random in training and cannot be switched on.
        loss: Name of the loss it was trained with, where that is known.
        loss_takes: `logits` or `probabilities`, what the loss took the outputs for, or None.
        always_random: Path of a layer that draws also when predicting, so that there is no plain prediction;
            None where all is still.
        fixed_batch: The only number of rows it takes at a time, or None for any.
        class_names: What it calls its classes, in the order of its outputs, or None.
        to_know: How a user lets such a model say what its loss is, in words; None where it cannot say that.
        says: What it says itself that its outputs are, in the words of `outputs`, whatever its last layer is;
            None where it says nothing.
        keeps_loss: Whether models of its kind know their loss. Those of PyTorch do not, and then K linear
            outputs alone do not tell that they are logits.
        heads: Paths of the layers whose products its outputs are made of, as far as that shows.
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
    to_know: str | None = None
    says: str | None = None
    keeps_loss: bool = True
    heads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """What runs from one random step of a model to the next.

    Attributes:
        sites: The random calls at its start; none at the first level, which all passes share.
        cost: Share of a plain prediction's cost, in [0, 1].
        size: Numbers in its largest tensor for one row.
    """

    sites: tuple[Site, ...]
    cost: float
    size: int


@dataclass(frozen=True)
class Limits:
    """How much of a model may run at once.

    Attributes:
        fold: Numbers that a tensor may hold in which several passes lie one after the other on the axis of
            the rows, or None where passes must run one at a time.
        trunk: Numbers that a tensor may hold while a trunk is computed.
        trunk_size: Numbers in a trunk for one row.
        precisions: Types of number in which passes can run, the first unless a plan says otherwise.
    """

    fold: int | None
    trunk: int
    trunk_size: int
    precisions: tuple[str, ...] = (FLOAT32,)


class Trunk(Protocol):
    """What all passes over some rows share, computed once."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def take(self, positions: NDArray[np.int64]) -> Self:
        """The trunk of the rows at these positions; a row may come several times."""
        ...

    def join(self, others: Sequence[Self]) -> Self:
        """This trunk and others as one, in order."""
        ...


@runtime_checkable
class Model(Protocol):
    """A model whose plain prediction can be computed."""

    @property
    def info(self) -> ModelInfo:
        """What is known of it."""
        ...

    def predict(self, rows: Sequence[Array]) -> NDArray[np.float32]:
        """Raw outputs (n, …) with nothing random, for its inputs (n, …) in their types."""
        ...


@runtime_checkable
class PassModel(Model, Protocol):
    """A model whose random sites can be given masks."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, which all passes share, then one for each random step in the order of execution."""
        ...

    @property
    def limits(self) -> Limits:
        """How much may run at once."""
        ...

    def trunk(self, rows: Sequence[Array]) -> Any:
        """What all passes over these rows share, a `Trunk`, for its inputs (n, …) in their types."""
        ...

    def thin(self, masks: Sequence[Array], rows: int) -> Callable[[Any], NDArray[np.float32]]:
        """The thinned networks with these masks.

        Args:
            masks: For each site (W_l, *site.shape), as `howsure.sampling.masks.draw` makes them, where W_l
                is the number of passes told apart at the site's level l. W_l divides W_{l+1}.
            rows: How many rows will run through them, about; may be used to choose the fastest way.

        Returns:
            A function from a trunk of n rows to the raw outputs (W, n, …), W being that of the last level.
        """
        ...

    def in_precision(self, precision: str) -> PassModel:
        """The same with its heavy layers in another of `limits.precisions`."""
        ...


@runtime_checkable
class ExportModel(PassModel, Protocol):
    """A model whose passes with given masks can be written down as an ONNX graph."""

    def graph(self, masks: Sequence[Array], like: Sequence[Array]) -> Any:
        """Passes with these masks, as an `onnx.ModelProto`.

        Args:
            masks: As for `thin`.
            like: Rows (n, …) of each input, whose shapes stand for axes of any size.

        Returns:
            A graph from the inputs (n, …) under their names, in their types, to one output (W, n, …) in
            float32, for any n ≥ 1, in the version of the operators that `howsure.export.nodes` names.

        Raises:
            ModelError: Something in the model cannot be written down; the message says what.
            DependencyError: A package that writes graphs is missing.
        """
        ...

    def weights(self) -> Iterable[Array]:
        """Its weights, in an order that is the same whenever it is loaded."""
        ...


@runtime_checkable
class ScaledModel(Model, Protocol):
    """A model that may have kept what it saw in training, as batch normalisation does."""

    def times_larger(self, rows: Sequence[Array]) -> float | None:
        """How many times larger some rows (n, …) are than those of the training.

        1 where they are on the same scale; None where nothing was kept.
        """
        ...


@runtime_checkable
class FeatureModel(Model, Protocol):
    """A model that ends in one linear layer, with nothing but activations after it."""

    def features(self, rows: Sequence[Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the last layer gets (n, F), and what it makes of it before its activation (n, K).

        Raises:
            ModelError: The model ends otherwise.
        """
        ...


@runtime_checkable
class MemberModel(Model, Protocol):
    """A model whose prediction is the mean of the predictions of members, such as the trees of a forest."""

    @property
    def members(self) -> int:
        """How many there are, M ≥ 2."""
        ...

    @property
    def alike(self) -> bool:
        """Whether all were made in one way, each with chance of its own, so that there could be more."""
        ...

    def ask_members(self, rows: Sequence[Array]) -> NDArray[np.float32]:
        """Raw outputs (M, n, …) of each member, for its inputs (n, …) in their types."""
        ...
