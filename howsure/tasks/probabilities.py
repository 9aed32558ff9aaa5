"""Columns, doubt and verdicts of results of probabilities, with one class per row or several labels.

These compute the numbers:

    mc_error, entropy_error   `EarlyError.squared` in howsure/sampling/error.py where a plan split the passes,
                              `RunningMoments.replicated_error` in howsure/sampling/estimate.py of flat passes
    probabilities, entropies  `values` and `derived` of the outcome, in howsure/tasks/
    verdict, settled, reason  `judge` and `give_reason` in howsure/tasks/verdict.py
    disagreement              `disagreement_of` and `disagreement_error` there
    passes_to_settle          `times_to_settle` there
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from howsure.inputs.own_arrays import read_only
from howsure.results.columns import (
    BOOLEAN,
    EITHER,
    FLOAT,
    INTEGER,
    OF_A_SHARE,
    PER_ROW,
    ROUNDING,
    STRING,
    WIDE,
    Column,
)
from howsure.results.result import Result
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import total_entropy
from howsure.tasks import verdict as verdicts

GIVEN_PROBABILITIES, GIVEN_PASSES = "given probabilities", "given passes"
"""Names of the methods of such results."""


def are_alone(method: Mapping[str, Any]) -> bool:
    """Whether the probabilities of a result came alone: without passes, and so without an error."""
    return method.get("name") == GIVEN_PROBABILITIES


def nothing_drawn(method: Mapping[str, Any], passes: Integers) -> str:
    """That no verdict waits for more passes, where rows have one (N,) each: a sentence, else empty."""
    if are_alone(method):
        return "The percentages came without passes, so no verdict waits for more of them."
    return "Nothing was drawn, so no verdict waits for more passes." if (passes == 1).all() else ""


OneRow = TypeVar("OneRow")

BETWEEN = ("spread", "spread_error", "quantiles", "quantiles_error")
"""Columns that say how far networks lie apart: half of a table, and no score of probabilities looks at
them."""

NOT_GIVEN: Any = None
"""Default of an array that `Result` fills in. After `__post_init__` it is not None."""

derived = partial(Column, stored=False)
"""A column that follows from the stored ones."""

beside_the_table = partial(Column, stored=False, in_table=False)
"""A column that follows from the stored ones and is not in the table."""

ROW_AND_ID = (
    Column("row", PER_ROW, INTEGER, "row number", "place of the row in the input, from 0", least=0),
    Column(
        *("ids", PER_ROW, EITHER, "texts or numbers"),
        "what the caller calls each row, in the table under `id_name`; None if that is not known",
        optional=True,
        called="id_name",
    ),
    Column(
        *("learnt_from", PER_ROW, BOOLEAN, "yes or no"),
        "whether the calibrator or method of these rows is known to have learnt from the row; None if "
        "it does not say",
        optional=True,
        lacking=False,
    ),
    Column(
        *("hand_over", PER_ROW, BOOLEAN, "yes or no"),
        "whether a person should look at the row, by `howsure.fit_rules`; None if no rules decided it",
        optional=True,
    ),
    Column(
        *("frame_index", PER_ROW, EITHER, "texts or numbers"),
        "what the index of a data frame calls each row, by which labels are aligned; None without an index",
        optional=True,
    ),
)


IN_SET = Column(
    *("in_set", WIDE, BOOLEAN, "yes or no"),
    "whether the class or label is in the set, by `howsure.fit_rules`; None if no rules decided the row",
    on_demand=True,
    optional=True,
)
"""The column of sets."""

DECIDED_COLUMNS = {"in_set", "low", "high", "hand_over"}
"""Columns that rules make of whole rows; a result of one label or threshold of them begins without."""


def predicted(said: str, covered: str) -> tuple[Column, ...]:
    """Columns of the probabilities, their errors, and their spread between networks.

    Args:
        said: Meaning of a probability.
        covered: How often ± 1.96 `mc_error` held.
    """
    return (
        Column("probabilities", WIDE, FLOAT, "0 to 1", f"mean over the passes: {said}"),
        Column(
            *("mc_error", WIDE, FLOAT, OF_A_SHARE),
            "standard error of `probabilities`, from the finite number of passes; ± 1.96 of it covered "
            f"{covered}",
            on_demand=True,
            unknown=True,
        ),
        Column(
            *("spread", WIDE, FLOAT, "0 to 1"),
            "standard deviation of a probability between networks, which more passes do not make smaller; "
            "None if there is one pass",
            on_demand=True,
            optional=True,
            unknown=True,
        ),
        Column(
            *("spread_error", WIDE, FLOAT, "at least 0"),
            "standard error of `spread`; None if there is no spread",
            on_demand=True,
            optional=True,
            unknown=True,
        ),
    )


def most_entropy(classes: int) -> float:
    """The largest entropy of K classes, log K nats, and what rounding to single precision may add."""
    return math.log(classes) + classes * ROUNDING


def last(classes: int) -> float:
    """The largest class number."""
    return classes - 1


def doubt(shape: str, most: Callable[[int], float] = most_entropy) -> tuple[Column, ...]:
    """Columns of the entropies and of the disagreement between passes.

    Args:
        shape: `PER_ROW` or `WIDE`.
        most: The largest expected entropy of K names, in nats.
    """

    def error(of: str) -> Column:
        words = f"standard error of `{of}`, like `mc_error`; NaN where unknown"
        return Column(
            *(f"{of}_error", shape, FLOAT, "nats", words),
            on_demand=True,
            default=np.nan,
            least=0,
            unknown=True,
        )

    return (
        derived(
            *("entropy", shape, FLOAT, "nats"),
            "all doubt: the entropy of `probabilities` plus `entropy_correction`",
            on_demand=shape == WIDE,
        ),
        error("entropy"),
        Column(
            *("expected_entropy", shape, FLOAT, "nats"),
            "mean entropy of the passes: the doubt that they have by themselves",
            on_demand=shape == WIDE,
            least=0,
            most=most,
        ),
        error("expected_entropy"),
        derived(
            *("mutual_information", shape, FLOAT, "nats"),
            "the rest of `entropy`: disagreement between passes",
            on_demand=shape == WIDE,
        ),
        error("mutual_information"),
        Column(
            *("entropy_correction", shape, FLOAT, "nats"),
            "what the entropy of a mean over finitely many passes lacks, at least 0",
            on_demand=True,
            default=0.0,
            least=0,
        ),
        beside_the_table(
            *("disagreement", shape, FLOAT, "0 to 1"),
            "share of the doubt that is disagreement between passes",
        ),
        beside_the_table(
            *("disagreement_error", shape, FLOAT, "at least 0"),
            "standard error of `disagreement`, at most; NaN where unknown",
        ),
    )


def verdict(shape: str) -> Column:
    """The column of verdicts."""
    return derived("verdict", shape, STRING, "words", "`sure`, `leaning` or `coin flip`")


def settled(shape: str, reasons: str) -> tuple[Column, ...]:
    """Columns that say whether the verdict is settled, after how many passes, and the reason of the doubt."""
    likewise = partial(derived, on_demand=shape == WIDE)
    return (
        likewise("settled", shape, BOOLEAN, "yes or no", "whether `mc_error` allows that verdict"),
        Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
        beside_the_table(
            *("passes_to_settle", shape, INTEGER, "count"),
            "passes with which the verdict is settled in half of all cases or more",
        ),
        likewise("reason", shape, STRING, "words", f"{reasons}, or None"),
    )


class OfProbabilities(Result[OneRow]):
    """A result of probabilities: what follows from them is the same for classes and for labels.

    Arrays are (N,) for classes and (N, K) for labels. A derived class is a dataclass with these fields.
    """

    unscored: ClassVar[tuple[str, ...]] = BETWEEN

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    entropy_correction: Floats
    expected_entropy_error: Floats
    mutual_information_error: Floats
    thresholds: Thresholds
    method: Mapping[str, Any]

    @property
    def _distributions(self) -> Floats:
        return self.probabilities

    @property
    def _distribution_errors(self) -> Floats:
        return self.mc_error

    @cached_property
    def entropy(self) -> Floats:
        """(N,) or (N, K) nats, all doubt: the entropy of `probabilities` plus `entropy_correction`.

        At least `expected_entropy`, and at most log K for K classes or log 2 for a label.
        """
        return read_only(total_entropy(self._distributions, self.entropy_correction, self.expected_entropy))

    @cached_property
    def mutual_information(self) -> Floats:
        """(N,) or (N, K) nats, the rest of `entropy`: disagreement between passes.

        entropy − expected_entropy (Houlsby and others 2011).
        """
        return read_only(np.maximum(self.entropy - self.expected_entropy, 0.0))

    @cached_property
    def disagreement(self) -> Floats:
        """(N,) or (N, K) 0 to 1, share of the doubt that is disagreement between passes.

        mutual_information / entropy; 0 without doubt.
        """
        return read_only(verdicts.disagreement_of(self.expected_entropy, self.mutual_information))

    @cached_property
    def disagreement_error(self) -> Floats:
        """(N,) or (N, K) at least 0, standard error of `disagreement`, at most; NaN where unknown."""
        parts = (self.expected_entropy, self.mutual_information)
        errors = (self.expected_entropy_error, self.mutual_information_error)
        return read_only(verdicts.disagreement_error(*parts, *errors))

    @cached_property
    def _judged(self) -> tuple[NDArray[np.str_], Booleans]:
        few = verdicts.too_few(self.method, self.passes)
        found = verdicts.judge(self._distributions, self._distribution_errors, self.thresholds, few)
        return read_only(found[0]), read_only(found[1])

    @property
    def verdict(self) -> NDArray[np.str_]:
        """(N,) or (N, K) words, `sure`, `leaning` or `coin flip`; of a label, `yes` says of which answer."""
        return self._judged[0]

    @property
    def settled(self) -> Booleans:
        """(N,) or (N, K) yes or no, whether `mc_error` allows that verdict."""
        return self._judged[1]

    @cached_property
    def passes_to_settle(self) -> Integers:
        """(N,) or (N, K) count, passes with which the verdict is settled in half of all cases or more.

        `passes` where it is settled already; see `howsure.tasks.verdict.times_to_settle`.
        """
        times = verdicts.times_to_settle(self._distributions, self._distribution_errors, self.thresholds)
        passes = np.broadcast_to(self.passes, times.T.shape).T
        least = verdicts.LEAST_DRAWN * verdicts.too_few(self.method, passes)
        more = np.maximum(np.ceil(times * passes), least).astype(np.int64)
        return read_only(np.where(self.settled, passes, more))

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """(N,) or (N, K) words, `doubt within passes`, `passes disagree`, `too few passes`, or None.

        The reason names what the passes show about an answer that is not sure. A single pass shows nothing.
        The reason does not name the cause of the doubt: passes that agree do not prove that the input is
        ambiguous.
        """
        reason = verdicts.give_reason(
            self.verdict, self.settled, self.expected_entropy, self.mutual_information
        )
        reason[self.passes == 1] = None
        return read_only(reason)

    def numbered(self, labels: Any) -> NDArray[Any]:
        """True answers, in any form that `with_truth` takes, as the column `truth` holds them.

        Raises:
            InputError: As `with_truth`, and where an index is that of other rows.
        """
        raise NotImplementedError

    def with_truth(self, labels: Any) -> Self:
        """The same with true answers beside it.

        Args:
            labels: For classes (N,) class numbers in [0, K), or class names, or booleans where K = 2; or
                (N, K) one-hot. For labels (N, K) booleans, or 0 and 1; or for each row a list of the names of
                the labels that hold. A series or data frame is aligned by its index.

        Raises:
            InputError: Another shape, other values, or unknown names; class numbers that agree with the
                answers far better when they are counted from 1.
        """
        given: dict[str, Any] = {"truth": self.numbered(labels)}
        return self._changed(given)

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.sum(self.verdict == word)} {word}" for word in verdicts.VERDICTS)
        width = len(getattr(self, self.names))
        return f"<{type(self).__name__} of {len(self)} rows, {width} {self.answer}: {counts}>"
