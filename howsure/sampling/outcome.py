"""The outcome seam: what the answer of a row is, and which numbers are averaged over passes for it.

    raw outputs of W passes  (W, n, …)
      │ values                          one pass at a time, so that means come after
      ▼
    values                   (W, n, K)   what a pass says of a row
      │ derived                         more numbers of the same passes, seen from some mean
      ▼
    columns                  (W, n, C)   the values and what is derived from them; C = K + …
      │ plain means over passes, and their errors: `howsure.sampling`
      ▼
    result                               one `Certainty` or its like

The engine knows of an answer no more than this: every column's plain mean over passes is an estimate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.protocol import Array, Model, ModelInfo, RawOutputs
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import as_array
from howsure.inputs.transforms import Layout
from howsure.sampling.error import Pairs

if TYPE_CHECKING:
    from howsure.request import Request

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class InputRows(Protocol):
    """Rows of one input."""

    def __getitem__(self, numbers: Any) -> Array:
        """Rows (n, …) with these numbers (n,), in the type of the input."""
        ...


@dataclass(frozen=True, eq=False)
class Estimates:
    """The statistics of the passes over N rows, in C columns.

    Attributes:
        mean: (N, C) mean over the passes.
        error: (N, C) its standard error, such that ± 1.96 of it covers 95 %; NaN where unknown.
        squared_error: (N, C) squared standard error as it is expected to be, not widened for intervals.
        variance: (N, C) variance over the passes.
        passes: (N,) passes spent on each row.
        spread: (N, K) standard deviation of the values between networks, or None where it is not told.
        spread_error: (N, K) its standard error, or None.
        quantiles: (N, L) of the largest value between networks, or (N, K, L) of each value that has a unit,
            at `howsure.sampling.between.LEVELS`; NaN where unknown, or None where they are not told.
        quantiles_error: (N, L) or (N, K, L) their standard errors, or None.
        networks: (N, C, M) values of networks that have a unit, as `between_numbers.networks_of` keeps
            them, or None.
        independent: (N,) how many independent passes tell a share of networks as well, or None.
        of_rows: (N,) what the outcome's own `Tally` tells of each row, or None.
    """

    mean: Floats
    error: Floats
    squared_error: Floats
    variance: Floats
    passes: Integers
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None
    networks: Floats | None = None
    independent: Floats | None = None
    of_rows: Any = None

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def alone(cls, values: Floats, outcome: Outcome) -> Estimates:
        """Those of values (N, K) of which no passes tell how networks disagree: that has an error of NaN."""
        mean = np.concatenate([values, outcome.derived(values[None], values)[0]], axis=-1)
        error, nothing = np.zeros_like(mean), np.zeros_like(mean)
        error[:, outcome.width :] = np.nan
        return cls(mean, error, nothing, nothing, np.ones(len(mean), dtype=np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Estimates]) -> Estimates:
        """Those of several blocks of rows as one, of which all tell the same."""
        names = [item.name for item in fields(cls) if getattr(parts[0], item.name) is not None]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def take(self, rows: Integers) -> Estimates:
        """Those of some rows."""
        return type(self)(**{name: values[rows] for name, values in vars(self).items() if values is not None})


class Tally(ABC):
    """Counts of the passes of N rows beside their sums, for outcomes that tell more of networks.

    Attributes:
        pairs: As `howsure.sampling.error.Units` has it; whoever draws the passes sets it.
    """

    pairs: Pairs | None = None

    @abstractmethod
    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes of one unit.

        Args:
            values: (B, n, …, K) values of its passes.
            mean: (n, …, K) mean over all passes of these rows so far, this unit's included.
            rows: (n,) places of the rows, each at most once.
        """

    @abstractmethod
    def completed(self, estimates: Estimates) -> Estimates:
        """The estimates of all rows, with what was counted."""


@dataclass(frozen=True)
class ResultMetadata:
    """Settings and row numbers that a result keeps.

    Attributes:
        row: (N,) number of each row in the input.
        kind: Name of one row in sentences, `image` or `row`.
        method: Name and settings of the method.
        seed: Seed of the passes.
        plan: The plan the passes followed, or None.
        version: Version of howsure.
    """

    row: Integers
    kind: str
    method: Mapping[str, Any]
    seed: int
    plan: Mapping[str, Any] | None
    version: str


class Outcome(ABC):
    """The kind of answer of a row.

    A subclass says at least `width`, `values`, `is_enough` and `result`. The rest has defaults that hold
    for plain numbers, whose error goes by nothing but what the passes over a row show.
    """

    name: ClassVar[str]
    """One word for it."""

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Self | None:
        """The outcome of a model, or None where its answers are of another kind.

        Args:
            info: Description of the model.
            request: The wishes of the caller; `outputs`, `class_names` and `limits` matter here.
        """
        return None

    are_probabilities: ClassVar[bool] = False
    """Whether values are probabilities, so that it is told how far networks lie apart."""

    has_one_top: ClassVar[bool] = False
    """Whether the largest value is the answer, so that it is told how that of networks is distributed."""

    has_unit: ClassVar[bool] = False
    """Whether values are numbers in a unit of their own, so that a target for their error is a share of their
    scatter, and it is told how each is distributed between networks. Not together with the two above."""

    @property
    def unbounded(self) -> int:
        """How many of the values may be below 0; these come first."""
        return 0

    usual_target: ClassVar[float] = tuning.TARGET_ERROR
    """`target_error` where the caller names none."""

    first_passes: ClassVar[int] = tuning.FIRST_FLAT
    """Flat passes that every row gets first, about, in whole balanced groups."""

    most_passes: ClassVar[int] = tuning.MOST_FLAT
    """Flat passes that a row gets at most where `max_passes` is not given."""

    follows_plans: ClassVar[bool] = True
    """Whether a pilot is worth its passes; without one, passes are flat and show their error themselves."""

    @property
    def misses_rare_passes(self) -> bool:
        """Whether flat passes may be missing that are too rare to have been met, which widens the errors."""
        return self.are_probabilities and self.follows_plans

    precision: ClassVar[type[np.floating[Any]]] = np.float64
    """Type of number in which values are summed."""

    @property
    @abstractmethod
    def width(self) -> int:
        """K, how many values a pass has for a row."""

    @abstractmethod
    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """The values that are averaged over passes.

        Args:
            raw: (W, n, …) outputs of the model in W passes.
            rows: (n,) numbers of the rows, for messages.

        Returns:
            (W, n, K) in double precision.
        """

    def of_rows(self, model: Model, rows: Sequence[InputRows], total: int, positions: Any) -> Outcome:
        """The same for given rows, where it needs to know more of them than their answers.

        Args:
            model: The model.
            rows: Its inputs.
            total: N, how many rows there are.
            positions: The caller's `positions`, or None.

        Raises:
            InputError: These `positions` cannot be used.
        """
        if positions is not None:
            raise InputError(
                "`positions` says which positions count, and these rows have none",
                expected="a model with a class at each position",
                received=f"one whose answers are {self.name}",
            )
        return self

    def take(self, rows: Integers) -> Self:
        """The same for some rows, by their numbers: row i of every array is then `rows[i]`.

        The engine calls `tally` and `is_enough` of such an outcome, where an answer depends on its row.
        """
        return self

    @property
    def layout(self) -> Layout | None:
        """The axes of positions in rows and outputs; None if answers are of whole rows."""
        return None

    def moved_back(self, undo: Callable[[Any], Any]) -> Self:
        """The same for moved rows, whose outputs (n, …) are moved back. Whole rows have no place."""
        return self

    def in_order(self, order: Sequence[int]) -> Self:
        """The same for a model whose output `order[k]` is of class k.

        Raises:
            ModelError: Answers of this kind are not put in order.
        """
        raise ModelError(
            f"The {self.name} of these models are the same, in another order",
            expected="models that put them out in one order",
        )

    def read_as(self, shape: tuple[int, ...]) -> str:
        """A sentence on how the output of a model is read, of this shape for one row."""
        output, declared = ", ".join(["rows", *map(str, shape)]), getattr(self, "outputs", None)
        how = "" if declared is None else f", as with outputs='{declared}'"
        return f"Its output ({output}) is read as {self.answers} {self.name}{how}."

    @property
    def answers(self) -> int:
        """How many of the K values are the answer; the others, such as variances, come after them."""
        return self.width

    @abstractmethod
    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether a row needs no more passes.

        Args:
            estimates: Estimates of n rows, so far.
            target_error: Largest standard error of a value that is good enough; of values that have a unit,
                as a share of their scatter.
        """

    def is_within(self, estimates: Estimates, bound: float) -> Booleans:
        """(n,) whether the standard error of every answer is at most a bound in the unit of the values."""
        error = estimates.error[..., : self.answers]
        return np.asarray(np.all(error <= bound, axis=tuple(range(1, error.ndim))))

    def keeping_all(self) -> Self:
        """The same outcome, whose results keep the values of all classes, also where they leave some out."""
        return self

    def tally(self, rows: int, *, all_there: bool = False) -> Tally | None:
        """The counter of the passes of so many rows beside their sums; None for the usual histograms.

        Args:
            rows: N.
            all_there: True for the members of an ensemble, which are all the networks there are.
        """
        return None

    @abstractmethod
    def result(self, estimates: Estimates, metadata: ResultMetadata) -> Any:
        """The result of `howsure.assess` for these rows."""

    @property
    def truth_names(self) -> tuple[str, ...] | None:
        """Names by which a true answer may be given, as by the folders of images, or None."""
        return None

    def check_truth(self, labels: Any, rows: int) -> Any:
        """True answers as the result keeps them, or an `InputError` unless they are of so many rows."""
        truth = as_array(labels, "The true answers")
        if truth.shape[:1] != (rows,):
            raise InputError(
                "The true answers do not fit the rows",
                expected=f"{rows} of them",
                received=f"an array of shape {truth.shape}",
            )
        return truth

    def derived(self, values: Floats, reference: Floats) -> Floats:
        """(W, n, C − K) more numbers of each pass whose plain means are estimates.

        Args:
            values: (W, n, K).
            reference: (n, K) a mean of the values that stands for the final one; what that changes is of
                second order.
        """
        return np.zeros((*values.shape[:-1], 0))

    @property
    def families(self) -> tuple[int, ...]:
        """(C,) for each column which constants of a plan its error follows, from 0."""
        return (0,) * self.width

    @property
    def columns(self) -> tuple[int, ...]:
        """Shape of the columns of one row, (C,).

        Values with an answer at each position have (…, C): axes of positions, then the columns. Then every
        array of this protocol has these axes where (n, K) and (n, C) stand.
        """
        return (len(self.families),)

    @property
    def least_error(self) -> tuple[float, ...]:
        """(C,) least error ever reported for a column."""
        return (0.0,) * len(self.families)

    def doubt(self, values: Floats) -> Floats:
        """(n,) how undecided rows with these mean values (n, K) are: the smaller, the more undecided."""
        return np.zeros(len(values))

    def error_driver(self, mean: Floats) -> Floats:
        """(…, C) the probability that the error of each column goes by.

        A column whose probability is near 0 or 1 gets the usual error of such columns, and one at 0.5 that
        which the passes over its row show.
        """
        return np.full(mean.shape, 0.5)

    def sensitivity(self, q: Floats) -> Floats:
        """(…, C) how far a column moves where its probability p moves by one; q is about p (1 − p)."""
        return np.ones_like(q)

    def fitted_on(self, mean: Floats) -> Booleans:
        """(n, C) the columns of rows with these means to which the constants of a plan are fitted."""
        return np.ones(mean.shape, dtype=bool)

    def regrouped(self, columns: Floats, mean: Floats) -> Floats:
        """(…, C) the columns of a part of the passes, seen from the mean (…, K) of all values.

        Only columns that depend on the reference of `derived` change.
        """
        return columns

    def spread(self, spread: Floats) -> Floats:
        """(…, C) variance of columns over cells, mended where a cell cannot know of the others."""
        return spread
