"""`MultilabelCertainty`, the frozen result of assessing N rows where each of K labels holds or does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import check_whole
from howsure.errors import InputError
from howsure.external.results import of_passes, of_probabilities
from howsure.inputs.align import ID, aligned
from howsure.inputs.labels import check_yes_or_no
from howsure.inputs.own_arrays import read_only
from howsure.inputs.rows import quoted
from howsure.results.columns import BOOLEAN, FLOAT, WIDE, Column
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.result import Certainty
from howsure.tasks.multilabel.sentence import MultilabelRow
from howsure.tasks.probabilities import (
    DECIDED_COLUMNS,
    IN_SET,
    NOT_GIVEN,
    ROW_AND_ID,
    OfProbabilities,
    derived,
    doubt,
    most_entropy,
    predicted,
    settled,
    verdict,
)

NO_AND_YES = ("no", "yes")
"""The two classes of one label."""

_PROBABILITIES, _MC_ERROR, *_SPREAD = predicted("probability that the label holds", "94 % of them")

COLUMNS = (
    *ROW_AND_ID,
    derived(
        *("yes", WIDE, BOOLEAN, "yes or no"),
        "whether the label is more likely to hold than not: `probabilities` above 0.5",
    ),
    _PROBABILITIES,
    derived(
        *("gap", WIDE, FLOAT, "0 to 1"),
        "how far yes and no are apart; the smallest is the most undecided",
        on_demand=True,
    ),
    _MC_ERROR,
    *_SPREAD,
    IN_SET,
    *doubt(WIDE, most=lambda labels: most_entropy(2)),
    verdict(WIDE),
    *settled(WIDE, "`doubt within passes`, `passes disagree`, `too few passes`"),
    Column("truth", WIDE, BOOLEAN, "yes or no", "whether the label holds; None if not given", optional=True),
)
"""The columns of a `MultilabelCertainty`, in the order of its table."""


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelCertainty(OfProbabilities[MultilabelRow]):
    """The labels of each of N rows, the certainty of each answer, and the reason of its doubt.

    Each label is a yes or no; any number may hold. All arrays are read-only. Entropies are in nats; those of
    one yes or no are at most log 2. Label numbers and row numbers start at 0.

    The other attributes are those of `Certainty`, with a number for each label, (N, K), not one for a row.

    Attributes:
        probabilities: (N, K) 0 to 1, mean over the passes: probability that the label holds.
        mc_error: (N, K) 0 to 3.24, standard error of `probabilities`, from the finite number of passes; ±
            1.96 of it covered 94 % of them on the network of `docs/labels.md`.
            All rows get the same masks, so errors do not average out over rows: see `mean_error`.
        spread: (N, K) 0 to 1, standard deviation of a probability between networks, which more passes do not
            make smaller; None if there is one pass. There is no interval, as that would need a grid for
            each label of each row.
        label_names: K names.
        truth: (N, K) yes or no, whether the label holds; None if not given.
        entropy_correction: (N, K) nats, what the entropy of a mean over finitely many passes lacks, at least
            0. By the delta method, se² / 2p(1 − p), se the standard error of p. 0 where not given.
        thresholds: Thresholds of the verdicts, for the two probabilities of yes and no.

    Example:
        >>> certainty = howsure.assess(weather, measured, class_names=["rain", "wind"])
        >>> print(certainty[0])
        'rain': 99 ± 1 % no, sure. 'wind': 53.7 ± 0.1 % no, coin flip.
        >>> positions, labels = certainty.coin_flips()
        >>> [(int(row), certainty.label_names[label]) for row, label in zip(positions, labels)]
        [(17, 'wind'), (0, 'wind')]
    """

    answer: ClassVar[str] = "labels"
    in_words: ClassVar[str] = "several labels per row"
    as_classes: ClassVar[str | None] = (
        "Take one label at a time: `certainty.of_label({first})` has the classes 'no' and 'yes'"
    )
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "label_names"
    row_type: ClassVar[type[MultilabelRow]] = MultilabelRow

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    label_names: tuple[str, ...]
    row: Integers
    truth: Booleans | None = None
    entropy_correction: Floats = NOT_GIVEN
    entropy_error: Floats = NOT_GIVEN
    expected_entropy_error: Floats = NOT_GIVEN
    mutual_information_error: Floats = NOT_GIVEN
    spread: Floats | None = None
    spread_error: Floats | None = None
    kind: str = "row"
    thresholds: Thresholds = field(default_factory=Thresholds)
    method: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    version: str = ""
    ids: NDArray[Any] | None = None
    id_name: str = ID
    learnt_from: Booleans | None = None
    frame_index: NDArray[Any] | None = None
    in_set: Booleans | None = None
    hand_over: Booleans | None = None

    # --- what follows from the arrays ---------------------------------------------------------

    @cached_property
    def yes(self) -> Booleans:
        """(N, K) yes or no, whether the label is more likely to hold than not: `probabilities` above 0.5."""
        return read_only(self.probabilities > 0.5)

    @cached_property
    def gap(self) -> Floats:
        """(N, K) 0 to 1, how far yes and no are apart; the smallest is the most undecided."""
        return read_only(np.abs(2 * self.probabilities - 1))

    @property
    def _distributions(self) -> Floats:
        return no_and_yes(self.probabilities)

    @property
    def _distribution_errors(self) -> Floats:
        return np.stack([self.mc_error, self.mc_error], axis=-1)

    # --- rows and labels ----------------------------------------------------------------------

    def of_label(self, label: int | str) -> Certainty:
        """One label as a `Certainty` of two classes, `no` and `yes`: for all that takes one class per row.

        Args:
            label: Its number, from 0, or its name.

        Returns:
            Result of the same N rows. Its `label` is 1 for `yes`; its `method` names the label.

        Raises:
            InputError: There is no such label.
        """
        k = self._label_number(label)
        arrays = {name: array[:, k] if array.ndim > 1 else array for name, array in self._arrays.items()}
        arrays |= {name: getattr(self, name) for name in self._setting_names() if name != self.names}
        for name in DECIDED_COLUMNS & arrays.keys():
            del arrays[name]  # they are of all labels
        arrays["probabilities"] = no_and_yes(arrays["probabilities"])
        for name in {"mc_error", "spread", "spread_error"} & arrays.keys():
            arrays[name] = np.stack([arrays[name], arrays[name]], axis=-1)  # the same for no and yes
        if self.truth is not None:
            arrays["truth"] = arrays["truth"].astype(np.int64)
        arrays["method"] = {**self.method, "label": self.label_names[k]}
        return Certainty(**arrays, class_names=NO_AND_YES)

    def answers(self) -> Certainty:
        """All N · K answers as one `Certainty` of two classes: N of the first label, then N of the next.

        Rows keep their numbers, so each number occurs K times.
        """
        labels = range(len(self.label_names))
        return Certainty.joined([replace(self.of_label(k), method=self.method) for k in labels])

    def _label_number(self, label: int | str) -> int:
        names = self.label_names
        if isinstance(label, str) and label in names:
            return names.index(label)
        if isinstance(label, (int, np.integer)) and -len(names) <= label < len(names):
            return int(label) % len(names)
        raise InputError(
            "There is no such label",
            expected=f"a number from 0 to {len(names) - 1}, or one of {quoted(names)}",
            received=repr(label),
        )

    def most_undecided(self, count: int | None = None) -> tuple[Integers, Integers]:
        """The answers with the smallest `gap`, smallest first: positions of their rows, and label numbers.

        Args:
            count: Most answers to give. Default: all N · K.

        Returns:
            Two arrays of the same length, as of `numpy.nonzero`. Both together index arrays (N, K), as in
            `certainty.probabilities[certainty.most_undecided(5)]`; the first alone indexes rows.
        """
        if count is not None:
            check_whole(count, "count", least=0)
        order = np.argsort(self.gap, axis=None, kind="stable")[:count]
        position, label = np.divmod(order, len(self.label_names))
        return position.astype(np.int64), label.astype(np.int64)

    def coin_flips(self) -> tuple[Integers, Integers]:
        """The answers that are coin flips, the most undecided first; as `most_undecided` gives them."""
        position, label = self.most_undecided()
        flips = self.verdict[position, label] == verdicts.COIN_FLIP
        return position[flips], label[flips]

    def numbered(self, labels: Any) -> Booleans:
        """(N, K) yes or no, which labels hold, given as for `with_truth`.

        Raises:
            InputError: As there, or the index is that of other rows.
        """
        labels = aligned(labels, self)
        return check_yes_or_no(labels, len(self), len(self.label_names), self.label_names)

    @staticmethod
    def from_probabilities(
        p: ArrayLike | Any,
        label_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> MultilabelCertainty:
        """As `Certainty.from_probabilities`, for K labels that each hold or do not.

        Args:
            p: (N, K) 0 to 1, the probability that each label holds; any sums. A list, array, tensor or frame.
            label_names: K names in the order of the columns, or of the columns that are labels.
            source: Their source in words.
            thresholds: Thresholds of the verdicts.
            kind: Name of one row in sentences.

        Raises:
            InputError: No numbers, NaN, or values outside of 0 to 1; names the rows.
        """
        from howsure.tasks.multilabel.outcome import GIVEN

        result: MultilabelCertainty = of_probabilities(p, label_names, GIVEN, source, thresholds, kind)
        return result

    @staticmethod
    def from_passes(
        passes: ArrayLike | Iterable[Any],
        label_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> MultilabelCertainty:
        """As `Certainty.from_passes`, for K labels that each hold or do not.

        Args:
            passes: (S, N, K), or S times (N, K), S ≥ 2.
            label_names: As in `from_probabilities`, like all that follow.
            source: The source of the passes in words.
            thresholds: Thresholds of the verdicts.
            kind: Name of one row in sentences.

        Raises:
            InputError: As from `from_probabilities`; fewer than two passes, or of different shapes.
        """
        from howsure.tasks.multilabel.outcome import GIVEN

        result: MultilabelCertainty = of_passes(passes, label_names, GIVEN, source, thresholds, kind)
        return result


def no_and_yes(probabilities: Floats) -> Floats:
    """(…, 2) probabilities of no and yes, from those of yes (…)."""
    return np.stack([1 - probabilities, probabilities], axis=-1)
