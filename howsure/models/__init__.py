"""Adapters: the only modules that import a framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from howsure.data.rows import InputSpec
from howsure.errors import ModelError
from howsure.sampling.masks import Site

Array = NDArray[Any]


@dataclass(frozen=True)
class Unswitchable:
    """A layer that is random in training and stays fixed here.

    Attributes:
        name: Its path.
        what: What was found, in words.
        refused: Whether leaving it fixed would be wrong (it calls itself a Dropout).
    """

    name: str
    what: str
    refused: bool


@runtime_checkable
class StochasticModel(Protocol):
    """What a method that draws passes needs of a model: the capability `passes`.

    Attributes:
        name: For messages.
        fixed_batch: The only number of rows it takes, or None for any.
    """

    name: str
    fixed_batch: int | None

    @property
    def inputs(self) -> list[InputSpec]:
        """What it takes."""
        ...

    @property
    def trained_for(self) -> str | None:
        """What the loss it was trained with says the outputs are, or None where it does not tell.

        `regression`, `several labels`, `margins`; `logits` or `probabilities` of classes; or `classes`.
        """
        ...

    @property
    def layer_names(self) -> list[str]:
        """Names of its layers, for messages."""
        ...

    @property
    def rescales(self) -> bool:
        """Whether it brings raw values into range itself (`Rescaling`, `Normalization`, …)."""
        ...

    @property
    def sites(self) -> tuple[Site, ...]:
        """The random calls, in order."""
        ...

    @property
    def levels(self) -> tuple[int, ...]:
        """For each site the number of its level, from 1 in the order of execution."""
        ...

    @property
    def costs(self) -> tuple[float, ...]:
        """Share of a plain prediction's cost in what runs at each level, 0 (shared) to the last."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in the largest tensor for one row at each level, 0 to the last."""
        ...

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its output for one row."""
        ...

    @property
    def output_dtype(self) -> str:
        """Type of number in which the model computes its output."""
        ...

    @property
    def output_activation(self) -> str | None:
        """`softmax`, `sigmoid`, `linear`, `log_softmax`, another name, or None where unknown."""
        ...

    def predict(self, rows: Sequence[Array]) -> NDArray[np.float32]:
        """Raw outputs (n, …) of the plain prediction, with nothing random, for the inputs (n, …)."""
        ...

    def features(self, rows: Sequence[Array], batch_size: int) -> Any:
        """What its last layer gets and puts out, `howsure.Features`, for the inputs (n, …)."""
        ...

    def share(self, rows: Sequence[Array]) -> Any:
        """Compute once what all passes over these rows have in common."""
        ...

    def share_of(self, shared: Any, rows: Array) -> Any:
        """What passes over some of the rows have in common, without computing it again.

        Args:
            shared: What `share` returned for n rows.
            rows: Positions among these n; a row may come several times.
        """
        ...

    @property
    def shared_size(self) -> int:
        """Numbers in what `share` returns, for one row."""
        ...

    def joined(self, shares: Sequence[Any]) -> Any:
        """What `share` returned for several chunks of rows, as for one chunk of all of them."""
        ...

    def prepare(self, masks: Sequence[Array], rows: int) -> Any:
        """What passes with these masks need, for as many chunks of rows as there are.

        Args:
            masks: For each site (W_l, *site.shape), where W_l is the number of passes told apart at
                the site's level l; W_l divides W_{l+1}, and W is that of the last level.
            rows: How many rows will run with them, about.
        """
        ...

    def passes(self, shared: Any, prepared: Any) -> NDArray[np.float32]:
        """Raw outputs (W, n, …) of passes with some masks.

        Args:
            shared: What `share` returned for n rows.
            prepared: What `prepare` returned for the masks.
        """
        ...

    def largest_fold(self) -> int | None:
        """Numbers a folded tensor may hold, or None where passes must run one at a time."""
        ...

    def largest_shared(self) -> int:
        """Numbers that a tensor may hold in what all passes share."""
        ...

    def reduced(self) -> StochasticModel | None:
        """The same with the passes' heavy layers in less precision, or None where that is not faster."""
        ...

    def unswitchable(self) -> list[Unswitchable]:
        """What would be random in training and cannot be switched on."""
        ...

    def probe(self) -> float:
        """Largest difference between two passes over made-up rows; 0 where nothing is random."""
        ...


def framework_of(model: Any) -> str:
    """`keras` for Keras models, `howsure` for adapters given as they are; nothing is imported.

    Raises:
        ModelError: Anything else.
    """
    if isinstance(model, StochasticModel):
        return "howsure"
    roots = {cls.__module__.split(".")[0] for cls in type(model).__mro__}
    if "keras" in roots:
        return "keras"
    mend = "Pass a keras.Model (Keras 3)"
    if roots & {"tf_keras", "tensorflow"}:
        mend = "Save it and load it with Keras 3, or rebuild it with `import keras`"
    elif "torch" in roots:
        mend = "Plain PyTorch modules are not supported yet; Keras models on the torch backend are"
    raise ModelError(
        "This is not a model howsure knows",
        expected="a Keras 3 model",
        received=f"{type(model).__module__}.{type(model).__qualname__}",
        mend=mend,
    )
