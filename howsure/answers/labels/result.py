"""`MultilabelCertainty`, the frozen result of assessing N rows where each of K labels holds or does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from howsure.answers import verdict as verdicts
from howsure.answers.classes.result import Certainty
from howsure.answers.labels.elsewhere import LabelsFromElsewhere
from howsure.answers.labels.sentence import MultilabelRow
from howsure.arguments import check_whole
from howsure.data.ids import ID, check_order
from howsure.data.labels import check_yes_or_no
from howsure.data.rows import quoted
from howsure.errors import InputError
from howsure.results.columns import (
    BOOLEAN,
    EITHER,
    FLOAT,
    INTEGER,
    PER_ROW,
    STRING,
    WIDE,
    Column,
    Result,
    read_only,
)
from howsure.results.thresholds import Thresholds
from howsure.statistics import total_entropy

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

NO_AND_YES = ("no", "yes")
"""The two classes of one label."""

_NOT_GIVEN: Any = None


_ERROR = "standard error of `{}`, like `mc_error`; NaN where unknown"
_UNLESS_GIVEN: dict[str, Any] = {"default": np.nan, "least": 0, "unknown": True}

COLUMNS = (
    Column("row", PER_ROW, INTEGER, "row number", "place of the row in the input, from 0", least=0),
    Column(
        *("ids", PER_ROW, EITHER, "texts or numbers"),
        "what the caller calls each row, in the table under `id_name`; None where that is not known",
        optional=True,
        called="id_name",
    ),
    Column(
        *("yes", WIDE, BOOLEAN, "yes or no"),
        "whether the label is more likely to hold than not: `probabilities` above 0.5",
        stored=False,
    ),
    Column(
        *("probabilities", WIDE, FLOAT, "0 to 1", "mean over the passes: probability that the label holds"),
        least=0,
        most=1,
    ),
    Column(
        *("gap", WIDE, FLOAT, "0 to 1"),
        "how far yes and no are apart; the smallest is the most undecided",
        stored=False,
    ),
    Column(
        *("mc_error", WIDE, FLOAT, "0 to 1"),
        "standard error of `probabilities`, from the finite number of passes; ± 1.96 of it covered 94 % of "
        "them",
        least=0,
        unknown=True,
    ),
    Column(
        *("spread", WIDE, FLOAT, "0 to 1"),
        "standard deviation of a probability between networks, which more passes do not make smaller; None "
        "where there is one pass",
        optional=True,
        least=0,
        most=1,
        unknown=True,
    ),
    Column(
        *("spread_error", WIDE, FLOAT, "0 to 1"),
        "standard error of `spread`; None where there is no spread",
        optional=True,
        least=0,
        unknown=True,
    ),
    Column(
        *("entropy", WIDE, FLOAT, "nats"),
        "all doubt: the entropy of yes and no plus `entropy_correction`",
        stored=False,
    ),
    Column("entropy_error", WIDE, FLOAT, "nats", _ERROR.format("entropy"), **_UNLESS_GIVEN),
    Column(
        *("expected_entropy", WIDE, FLOAT, "nats"),
        "mean entropy of the passes: the doubt that they have by themselves",
        least=0,
        most=np.log(2),
    ),
    Column(
        *("expected_entropy_error", WIDE, FLOAT, "nats", _ERROR.format("expected_entropy")),
        **_UNLESS_GIVEN,
    ),
    Column(
        *("mutual_information", WIDE, FLOAT, "nats"),
        "the rest of `entropy`: disagreement between passes",
        stored=False,
    ),
    Column(
        *("mutual_information_error", WIDE, FLOAT, "nats", _ERROR.format("mutual_information")),
        **_UNLESS_GIVEN,
    ),
    Column(
        *("entropy_correction", WIDE, FLOAT, "nats"),
        "what the entropy of a mean over finitely many passes lacks, at least 0",
        default=0.0,
        least=0,
    ),
    Column(
        *("disagreement", WIDE, FLOAT, "0 to 1"),
        "share of the doubt that is disagreement between passes",
        stored=False,
        in_table=False,
    ),
    Column(
        *("disagreement_error", WIDE, FLOAT, "0 to 1"),
        "standard error of `disagreement`, at most; NaN where unknown",
        stored=False,
        in_table=False,
    ),
    Column("verdict", WIDE, STRING, "words", "`sure`, `leaning` or `coin flip`", stored=False),
    Column("settled", WIDE, BOOLEAN, "yes or no", "whether `mc_error` allows that verdict", stored=False),
    Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
    Column(
        *("passes_to_settle", WIDE, INTEGER, "count"),
        "passes with which the verdict is settled in half of all cases or more",
        stored=False,
        in_table=False,
    ),
    Column(
        *("reason", WIDE, STRING, "words"),
        "`doubt within passes`, `passes disagree`, `too few passes`, or None",
        stored=False,
    ),
    Column(
        "truth", WIDE, BOOLEAN, "yes or no", "whether the label holds; None where not given", optional=True
    ),
)
"""What a `MultilabelCertainty` holds of every row, in the order of its table, which has lists for (N, K)."""


@dataclass(frozen=True, eq=False)
class MultilabelCertainty(Result[MultilabelRow], LabelsFromElsewhere):
    """Which of K labels hold for each of N rows, how certain each answer is, and where its doubt lies.

    Each label is a question of its own, answered yes or no: any number of them may hold. All arrays are
    read-only. Entropies are in nats and those of one yes or no, at most log 2. Label numbers and row numbers
    start at 0.

    Attributes:
        probabilities: (N, K) 0 to 1, mean over the passes: probability that the label holds.
        mc_error: (N, K) 0 to 1, standard error of `probabilities`, from the finite number of passes; ± 1.96
            of it covered 94 % of them on the network of `docs/labels.md`.
        spread: (N, K) 0 to 1, standard deviation of a probability between networks, which more passes do not
            make smaller; None where there is one pass. There is no interval, as that would need a grid for
            each label of each row.
        spread_error: (N, K) 0 to 1, standard error of `spread`; None where there is no spread.
        expected_entropy: (N, K) nats, mean entropy of the passes: the doubt that they have by themselves.
        passes: (N,) count, passes spent on the row.
        label_names: K names.
        row: (N,) row number, place of the row in the input, from 0.
        truth: (N, K) yes or no, whether the label holds; None where not given.
        entropy_correction: (N, K) nats, what the entropy of a mean over finitely many passes lacks, at least
            0. By the delta method, se² / 2p(1 − p), se the standard error of p. 0 where not given.
        entropy_error: (N, K) nats, standard error of `entropy`, like `mc_error`; NaN where unknown, and where
            not given.
        expected_entropy_error: (N, K) nats, standard error of `expected_entropy`, like `mc_error`; NaN where
            unknown.
        mutual_information_error: (N, K) nats, standard error of `mutual_information`, like `mc_error`; NaN
            where unknown.
        kind: What one row is, `image` or `row`; used in sentences.
        thresholds: Where the verdicts lie, of the two probabilities of yes and no.
        method: Name and settings of the method that produced the passes.
        seed: Seed of the passes.
        plan: The plan the passes followed, or None.
        version: Version of howsure that made this.
        ids: (N,) texts or numbers, what the caller calls each row, in the table under `id_name`; None where
            that is not known.
        id_name: What the caller calls the column of `ids`.

    Example:
        >>> certainty = howsure.assess(weather, measured, class_names=["rain", "wind"])
        >>> print(certainty[0])
        'rain': 99 ± 1 % no, sure. 'wind': 53.7 ± 0.5 % no, coin flip. For 'wind', most of ...
        >>> positions, labels = certainty.coin_flips()
        >>> [(int(row), certainty.label_names[label]) for row, label in zip(positions, labels)]
        [(17, 'wind'), (0, 'wind')]
    """

    answer: ClassVar[str] = "labels"
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "label_names"

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    label_names: tuple[str, ...]
    row: Integers
    truth: Booleans | None = None
    # Not None once `__post_init__` is through: whoever reads these finds arrays.
    entropy_correction: Floats = _NOT_GIVEN
    entropy_error: Floats = _NOT_GIVEN
    expected_entropy_error: Floats = _NOT_GIVEN
    mutual_information_error: Floats = _NOT_GIVEN
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

    # --- what follows from the arrays ---------------------------------------------------------

    @cached_property
    def yes(self) -> Booleans:
        """(N, K) yes or no, whether the label is more likely to hold than not: `probabilities` above 0.5."""
        return read_only(self.probabilities > 0.5)

    @cached_property
    def gap(self) -> Floats:
        """(N, K) 0 to 1, how far yes and no are apart; the smallest is the most undecided."""
        return read_only(np.abs(2 * self.probabilities - 1))

    @cached_property
    def entropy(self) -> Floats:
        """(N, K) nats, all doubt: the entropy of yes and no plus `entropy_correction`.

        At least `expected_entropy`, and at most log 2.
        """
        return read_only(
            total_entropy(_no_and_yes(self.probabilities), self.entropy_correction, self.expected_entropy)
        )

    @cached_property
    def mutual_information(self) -> Floats:
        """(N, K) nats, the rest of `entropy`: disagreement between passes."""
        return read_only(np.maximum(self.entropy - self.expected_entropy, 0.0))

    @cached_property
    def disagreement(self) -> Floats:
        """(N, K) 0 to 1, share of the doubt that is disagreement between passes.

        mutual_information / entropy; 0 where there is no doubt.
        """
        return read_only(verdicts.disagreement_of(self.expected_entropy, self.mutual_information))

    @cached_property
    def disagreement_error(self) -> Floats:
        """(N, K) 0 to 1, standard error of `disagreement`, at most; NaN where unknown."""
        parts = (self.expected_entropy, self.mutual_information)
        errors = (self.expected_entropy_error, self.mutual_information_error)
        return read_only(verdicts.disagreement_error(*parts, *errors))

    @cached_property
    def _judged(self) -> tuple[NDArray[np.str_], Booleans]:
        errors = np.stack([self.mc_error, self.mc_error], axis=-1)
        verdict, settled = verdicts.judge(_no_and_yes(self.probabilities), errors, self.thresholds)
        return read_only(verdict), read_only(settled)

    @property
    def verdict(self) -> NDArray[np.str_]:
        """(N, K) words, `sure`, `leaning` or `coin flip`: of a yes or of a no, `yes` says which."""
        return self._judged[0]

    @property
    def settled(self) -> Booleans:
        """(N, K) yes or no, whether `mc_error` allows that verdict."""
        return self._judged[1]

    @cached_property
    def passes_to_settle(self) -> Integers:
        """(N, K) count, passes with which the verdict is settled in half of all cases or more.

        `passes` where it is settled already; see `howsure.answers.verdict.times_to_settle`.
        """
        errors = np.stack([self.mc_error, self.mc_error], axis=-1)
        times = verdicts.times_to_settle(_no_and_yes(self.probabilities), errors, self.thresholds)
        needed = np.ceil(times * self.passes[:, None]).astype(np.int64)
        return read_only(np.where(self.settled, self.passes[:, None], needed))

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """(N, K) words, `doubt within passes`, `passes disagree`, `too few passes`, or None.

        It says what was seen of an answer that is not sure, as `Certainty.reason` does.
        """
        reason = verdicts.give_reason(
            self.verdict, self.settled, self.expected_entropy, self.mutual_information
        )
        reason[self.passes == 1] = None
        return read_only(reason)

    # --- rows and labels ----------------------------------------------------------------------

    def _row(self, index: int) -> MultilabelRow:
        cells = self._cells(index, {each.name for each in fields(MultilabelRow)})
        return MultilabelRow(
            **cells,
            label_names=self.label_names,
            kind=self.kind,
            method=self.method,
            id=self._id(index),
            id_name=self.id_name,
        )

    def of_label(self, label: int | str) -> Certainty:
        """One label as a `Certainty` of two classes, `no` and `yes`: for all that takes one class per row.

        Args:
            label: Its number, from 0, or its name.

        Returns:
            Of the same N rows. Its `label` is 1 where `yes` is true; its `method` names the label.

        Raises:
            InputError: There is no such label.
        """
        k = self._label_number(label)
        error = self.mc_error[:, k]
        return Certainty(
            probabilities=_no_and_yes(self.probabilities[:, k]),
            mc_error=np.stack([error, error], axis=-1),
            expected_entropy=self.expected_entropy[:, k],
            passes=self.passes,
            class_names=NO_AND_YES,
            row=self.row,
            truth=None if self.truth is None else self.truth[:, k].astype(np.int64),
            entropy_correction=self.entropy_correction[:, k],
            entropy_error=self.entropy_error[:, k],
            expected_entropy_error=self.expected_entropy_error[:, k],
            mutual_information_error=self.mutual_information_error[:, k],
            spread=_of_both(self.spread, k),
            spread_error=_of_both(self.spread_error, k),
            kind=self.kind,
            thresholds=self.thresholds,
            method={**self.method, "label": self.label_names[k]},
            seed=self.seed,
            plan=self.plan,
            version=self.version,
            ids=self.ids,
            id_name=self.id_name,
        )

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
            count: How many answers at the most; None for all N · K.

        Returns:
            Two arrays of the same length, as of `numpy.nonzero`. Both together index what is (N, K), as in
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

    def with_truth(self, labels: Any) -> MultilabelCertainty:
        """The same with which labels hold beside it.

        Args:
            labels: (N, K) booleans, or 0 and 1; or for each row a list of the names of the labels that hold.

        Raises:
            InputError: Another shape, other values, or unknown names.
        """
        return replace(self, truth=self.numbered(labels))

    def numbered(self, labels: Any) -> Booleans:
        """(N, K) yes or no, which labels hold, given as for `with_truth`.

        Raises:
            InputError: As there, and where a series is indexed by the ids of these rows in another order.
        """
        check_order(labels, self.ids)
        return check_yes_or_no(labels, len(self), len(self.label_names), self.label_names)

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.sum(self.verdict == word)} {word}" for word in verdicts.VERDICTS)
        return f"<MultilabelCertainty of {len(self)} rows, {len(self.label_names)} labels: {counts}>"


def _no_and_yes(probabilities: Floats) -> Floats:
    """(…, 2) probabilities of no and yes, from those of yes (…)."""
    return np.stack([1 - probabilities, probabilities], axis=-1)


def _of_both(values: Floats | None, k: int) -> Floats | None:
    """(N, 2) what is the same for no and yes, of one label."""
    return None if values is None else np.stack([values[:, k], values[:, k]], axis=-1)
