"""`Certainty`, the frozen result of assessing N rows of one class each; all that judges or shows takes it.

Where its numbers come from:

    mc_error, entropy_error   `error_of` in howsure/sampling/error.py
    probabilities, entropies  `Classes.values` and `derived` in howsure/answers/
    verdict, settled, reason  `judge` and `give_reason` in howsure/answers/verdict.py
    disagreement              `disagreement_of` and `disagreement_error` there
    passes_to_settle          `times_to_settle` there
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.answers import verdict as verdicts
from howsure.answers.classes.elsewhere import FromElsewhere
from howsure.answers.classes.sentence import Row
from howsure.arguments import as_floats, as_share, check_whole
from howsure.data.ids import ID, check_order
from howsure.data.labels import check_labels, misread
from howsure.data.rows import check_unmasked, in_rows
from howsure.errors import InputError
from howsure.results.columns import (
    AT_LEVELS,
    BOOLEAN,
    EITHER,
    FLOAT,
    INTEGER,
    PER_ROW,
    ROUNDING,
    STRING,
    WIDE,
    Column,
    Result,
    read_only,
)
from howsure.results.thresholds import Thresholds
from howsure.sampling.between import BetweenNetworks, check_quantiles
from howsure.statistics import total_entropy

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_NOT_GIVEN: Any = None


_ERROR = "standard error of `{}`, like `mc_error`; NaN where unknown"
_UNLESS_GIVEN: dict[str, Any] = {"default": np.nan, "least": 0, "unknown": True}

SUM_OFF = float(np.finfo(np.float16).eps)
"""How far the sum of probabilities may be from 1: as that of numbers rounded to half precision."""

COLUMNS = (
    Column("row", PER_ROW, INTEGER, "row number", "place of the row in the input, from 0", least=0),
    Column(
        *("ids", PER_ROW, EITHER, "texts or numbers"),
        "what the caller calls each row, in the table under `id_name`; None where that is not known",
        optional=True,
        called="id_name",
    ),
    Column("label", PER_ROW, INTEGER, "class number", "the most probable class", stored=False),
    Column("label_name", PER_ROW, STRING, "words", "name of `label`", stored=False),
    Column("runner_up", PER_ROW, INTEGER, "class number", "the second most probable class", stored=False),
    Column("runner_up_name", PER_ROW, STRING, "words", "name of `runner_up`", stored=False),
    Column("probability", PER_ROW, FLOAT, "0 to 1", "probability of `label`", stored=False),
    Column(
        *("gap", PER_ROW, FLOAT, "0 to 1"),
        "lead of `label` over `runner_up`; the smallest is the most undecided",
        stored=False,
    ),
    Column(
        *("probabilities", WIDE, FLOAT, "0 to 1"),
        "mean over the passes: the prediction; sums to 1 over the classes",
        least=0,
        most=1,
    ),
    Column(
        *("mc_error", WIDE, FLOAT, "0 to 1"),
        "standard error of `probabilities`, from the finite number of passes; ± 1.96 of it covered 80 to "
        "98 % of rows, by network, and 94 % in the median",
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
        *("quantiles", AT_LEVELS, FLOAT, "0 to 1"),
        "probability of `label` that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and 99.5 % of the networks "
        "stay below; NaN where unknown, None where not told",
        optional=True,
        least=0,
        most=1,
        unknown=True,
    ),
    Column(
        *("quantiles_error", AT_LEVELS, FLOAT, "0 to 1"),
        "standard error of `quantiles`; NaN where unknown, None where not told",
        optional=True,
        least=0,
        unknown=True,
    ),
    Column(
        *("entropy", PER_ROW, FLOAT, "nats"),
        "all doubt: the entropy of `probabilities` plus `entropy_correction`",
        stored=False,
    ),
    Column("entropy_error", PER_ROW, FLOAT, "nats", _ERROR.format("entropy"), **_UNLESS_GIVEN),
    Column(
        *("expected_entropy", PER_ROW, FLOAT, "nats"),
        "mean entropy of the passes: the doubt that they have by themselves",
        least=0,
    ),
    Column(
        *("expected_entropy_error", PER_ROW, FLOAT, "nats", _ERROR.format("expected_entropy")),
        **_UNLESS_GIVEN,
    ),
    Column(
        *("mutual_information", PER_ROW, FLOAT, "nats"),
        "the rest of `entropy`: disagreement between passes",
        stored=False,
    ),
    Column(
        *("mutual_information_error", PER_ROW, FLOAT, "nats", _ERROR.format("mutual_information")),
        **_UNLESS_GIVEN,
    ),
    Column(
        *("entropy_correction", PER_ROW, FLOAT, "nats"),
        "what the entropy of a mean over finitely many passes lacks, at least 0",
        default=0.0,
        least=0,
    ),
    Column(
        *("disagreement", PER_ROW, FLOAT, "0 to 1"),
        "share of the doubt that is disagreement between passes",
        stored=False,
        in_table=False,
    ),
    Column(
        *("disagreement_error", PER_ROW, FLOAT, "0 to 1"),
        "standard error of `disagreement`, at most; NaN where unknown",
        stored=False,
        in_table=False,
    ),
    Column("verdict", PER_ROW, STRING, "words", "`sure`, `leaning` or `coin flip`", stored=False),
    Column(
        *("no_clear_answer", PER_ROW, BOOLEAN, "yes or no"),
        "whether a coin flip is none between two: its two top classes hold less than half",
        stored=False,
        in_table=False,
    ),
    Column("settled", PER_ROW, BOOLEAN, "yes or no", "whether `mc_error` allows that verdict", stored=False),
    Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
    Column(
        *("passes_to_settle", PER_ROW, INTEGER, "count"),
        "passes with which the verdict is settled in half of all cases or more",
        stored=False,
        in_table=False,
    ),
    Column(
        *("reason", PER_ROW, STRING, "words"),
        "`doubt within passes`, `passes disagree`, `too few passes`, `unfamiliar`, or None",
        stored=False,
    ),
    Column(
        *("familiarity", PER_ROW, FLOAT, "0 to 1"),
        "share of held-out rows that are no more familiar; None where it was not measured",
        optional=True,
        least=0,
        most=1,
    ),
    Column(
        *("unfamiliar", PER_ROW, BOOLEAN, "yes or no"),
        "whether `familiarity` is at most `unfamiliar_share`",
        stored=False,
        in_table=False,
    ),
    Column(
        *("truth", PER_ROW, INTEGER, "class number", "the true class; None without labels"),
        optional=True,
        least=0,
    ),
    Column(
        *("truth_name", PER_ROW, STRING, "words", "name of `truth`; None without labels"),
        stored=False,
        optional=True,
    ),
)
"""What a `Certainty` holds of every row, in the order of its table."""


@dataclass(frozen=True, eq=False)
class Certainty(Result[Row], BetweenNetworks, FromElsewhere):
    """What a model says about N rows, how certain that is, and where its doubt lies.

    All arrays are read-only. Entropies are in nats, class numbers and row numbers start at 0.

    Attributes:
        probabilities: (N, K) 0 to 1, mean over the passes: the prediction; sums to 1 over the classes.
        mc_error: (N, K) 0 to 1, standard error of `probabilities`, from the finite number of passes; ± 1.96
            of it covered 80 to 98 % of rows, by network, and 94 % in the median (`docs/fresh.md`).
        spread: (N, K) 0 to 1, standard deviation of a probability between networks, which more passes do not
            make smaller; None where there is one pass. A network is a thinned one with MC dropout, a member
            of an ensemble, the answer to one version of a row.
        spread_error: (N, K) 0 to 1, standard error of `spread`; None where there is no spread. 0 for the
            members of an ensemble, which are all there are.
        quantiles: (N, 11) 0 to 1, probability of `label` that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and
            99.5 % of the networks stay below; NaN where unknown, None where not told. See `interval`.
        quantiles_error: (N, 11) 0 to 1, standard error of `quantiles`; NaN where unknown, None where not
            told.
        expected_entropy: (N,) nats, mean entropy of the passes: the doubt that they have by themselves.
        passes: (N,) count, passes spent on the row.
        class_names: K names.
        row: (N,) row number, place of the row in the input, from 0.
        truth: (N,) class number, the true class; None without labels.
        entropy_correction: (N,) nats, what the entropy of a mean over finitely many passes lacks, at least 0.
            By the delta method, Σ se² / 2p over the classes, se the standard error of p. 0 where not given.
        entropy_error: (N,) nats, standard error of `entropy`, like `mc_error`; NaN where unknown, and where
            not given.
        expected_entropy_error: (N,) nats, standard error of `expected_entropy`, like `mc_error`; NaN where
            unknown.
        mutual_information_error: (N,) nats, standard error of `mutual_information`, like `mc_error`; NaN
            where unknown.
        familiarity: (N,) 0 to 1, share of held-out rows that are no more familiar; None where it was not
            measured. See `with_familiarity`.
        unfamiliar_share: A row is unfamiliar where its familiarity is at most this.
        kind: What one row is, `image` or `row`; used in sentences.
        thresholds: Where the verdicts lie.
        method: Name and settings of the method that produced the passes.
        seed: Seed of the passes.
        plan: The plan the passes followed, or None.
        version: Version of howsure that made this.
        ids: (N,) texts or numbers, what the caller calls each row, in the table under `id_name`; None where
            that is not known.
        id_name: What the caller calls the column of `ids`.
    """

    answer: ClassVar[str] = "classes"
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "class_names"

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    class_names: tuple[str, ...]
    row: Integers
    truth: Integers | None = None
    # Not None once `__post_init__` is through: whoever reads these finds arrays.
    entropy_correction: Floats = _NOT_GIVEN
    entropy_error: Floats = _NOT_GIVEN
    expected_entropy_error: Floats = _NOT_GIVEN
    mutual_information_error: Floats = _NOT_GIVEN
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None
    familiarity: Floats | None = None
    unfamiliar_share: float = 0.01
    kind: str = "row"
    thresholds: Thresholds = field(default_factory=Thresholds)
    method: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    version: str = ""
    ids: NDArray[Any] | None = None
    id_name: str = ID

    def __post_init__(self) -> None:
        super().__post_init__()
        classes = len(self.class_names)
        if classes < 2:
            raise InputError("There is no choice", expected="two classes or more", received=classes)
        wrong = np.flatnonzero(np.abs(self.probabilities.sum(axis=-1) - 1) > SUM_OFF)
        if len(wrong):
            raise InputError(
                f"The probabilities do not sum to 1 {in_rows(len(wrong), wrong[:5].tolist())}",
                expected="a distribution over the classes in every row",
                received=f"a sum of {self.probabilities[wrong[0]].sum():.6g}",
            )
        if len(self) and self.expected_entropy.max() > np.log(classes) + ROUNDING:
            raise InputError(
                "`expected_entropy` cannot be of a result",
                expected=f"at most log {classes} = {np.log(classes):.4g} nats",
                received=f"{self.expected_entropy.max():.6g}",
            )
        if self.truth is not None:
            check_labels(self.truth, len(self), classes)
        if self.quantiles is not None:
            check_quantiles(self.quantiles)
        as_share(self.unfamiliar_share, "unfamiliar_share")

    @cached_property
    def _top_two(self) -> tuple[Integers, Integers]:
        label, runner_up = verdicts.top_two(self.probabilities)
        return read_only(label), read_only(runner_up)

    @property
    def label(self) -> Integers:
        """(N,) class number, the most probable class; of equals the lower number."""
        return self._top_two[0]

    @property
    def runner_up(self) -> Integers:
        """(N,) class number, the second most probable class."""
        return self._top_two[1]

    @cached_property
    def label_name(self) -> NDArray[np.object_]:
        """(N,) words, name of `label`."""
        return self._named(self.label)

    @cached_property
    def runner_up_name(self) -> NDArray[np.object_]:
        """(N,) words, name of `runner_up`."""
        return self._named(self.runner_up)

    @cached_property
    def truth_name(self) -> NDArray[np.object_] | None:
        """(N,) words, name of `truth`; None without labels."""
        return None if self.truth is None else self._named(self.truth)

    @property
    def truth_names(self) -> tuple[str, ...]:
        """Names of classes, one of which is true."""
        return self.class_names

    def _named(self, numbers: Integers) -> NDArray[np.object_]:
        return read_only(np.array(self.class_names, dtype=object)[numbers])

    @cached_property
    def probability(self) -> Floats:
        """(N,) 0 to 1, probability of `label`."""
        return read_only(verdicts.pick(self.probabilities, self.label))

    @cached_property
    def gap(self) -> Floats:
        """(N,) 0 to 1, lead of `label` over `runner_up`; the smallest is the most undecided."""
        return read_only(self.probability - verdicts.pick(self.probabilities, self.runner_up))

    @cached_property
    def no_clear_answer(self) -> NDArray[np.bool_]:
        """(N,) yes or no, whether a coin flip is none between two: its two top classes hold less than half.

        So it is more likely neither of them.
        """
        runner_up = self.probability - self.gap
        return read_only(verdicts.has_no_clear_answer(self.verdict, self.probability, runner_up))

    @cached_property
    def entropy(self) -> Floats:
        """(N,) nats, all doubt: the entropy of `probabilities` plus `entropy_correction`.

        At least `expected_entropy`, and at most log K.
        """
        return read_only(total_entropy(self.probabilities, self.entropy_correction, self.expected_entropy))

    @cached_property
    def mutual_information(self) -> Floats:
        """(N,) nats, the rest of `entropy`: disagreement between passes.

        entropy − expected_entropy (Houlsby and others 2011).
        """
        return read_only(np.maximum(self.entropy - self.expected_entropy, 0.0))

    @cached_property
    def disagreement(self) -> Floats:
        """(N,) 0 to 1, share of the doubt that is disagreement between passes.

        mutual_information / entropy; 0 where there is no doubt.
        """
        return read_only(verdicts.disagreement_of(self.expected_entropy, self.mutual_information))

    @cached_property
    def disagreement_error(self) -> Floats:
        """(N,) 0 to 1, standard error of `disagreement`, at most; NaN where unknown."""
        parts = (self.expected_entropy, self.mutual_information)
        errors = (self.expected_entropy_error, self.mutual_information_error)
        return read_only(verdicts.disagreement_error(*parts, *errors))

    @cached_property
    def _judged(self) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
        verdict, settled = verdicts.judge(self.probabilities, self.mc_error, self.thresholds)
        return read_only(verdict), read_only(settled)

    @property
    def verdict(self) -> NDArray[np.str_]:
        """(N,) words, `sure`, `leaning` or `coin flip`."""
        return self._judged[0]

    @property
    def settled(self) -> NDArray[np.bool_]:
        """(N,) yes or no, whether `mc_error` allows that verdict."""
        return self._judged[1]

    @cached_property
    def passes_to_settle(self) -> Integers:
        """(N,) count, passes with which the verdict is settled in half of all cases or more.

        `passes` where it is settled already; see `howsure.answers.verdict.times_to_settle`.
        """
        times = verdicts.times_to_settle(self.probabilities, self.mc_error, self.thresholds)
        needed = np.ceil(times * self.passes).astype(np.int64)
        return read_only(np.where(self.settled, self.passes, needed))

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """(N,) words, `doubt within passes`, `passes disagree`, `too few passes`, `unfamiliar`, or None.

        It says what was seen of a row that should not be trusted. `unfamiliar` comes before all others, and
        for sure rows too: a certain answer about a strange row is the dangerous one. The others are for rows
        that are not sure, and a single pass has none. None of them says where the doubt comes from: passes
        that agree do not prove that the input is ambiguous.
        """
        reason = verdicts.give_reason(
            self.verdict, self.settled, self.expected_entropy, self.mutual_information
        )
        reason[self.passes == 1] = None
        reason[self.unfamiliar] = verdicts.UNFAMILIAR
        return read_only(reason)

    @property
    def unfamiliar(self) -> NDArray[np.bool_]:
        """(N,) yes or no, whether `familiarity` is at most `unfamiliar_share`; never where not measured."""
        if self.familiarity is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self.familiarity <= self.unfamiliar_share)

    # --- rows ---------------------------------------------------------------------------------

    def _row(self, index: int) -> Row:
        cells = self._cells(index, {each.name for each in fields(Row)})
        return Row(
            **cells,
            kind=self.kind,
            method=self.method,
            id=self._id(index),
            id_name=self.id_name,
        )

    def most_undecided(self, count: int | None = None) -> Integers:
        """Positions of the rows with the smallest gap between the two top probabilities, smallest first.

        Args:
            count: How many rows at the most; None for all.
        """
        if count is not None:
            check_whole(count, "count", least=0)
        return np.argsort(self.gap, kind="stable")[:count].astype(np.int64)

    def coin_flips(self) -> Integers:
        """Positions of the rows that are coin flips, the most undecided first."""
        order = self.most_undecided()
        return np.asarray(order[self.verdict[order] == verdicts.COIN_FLIP])

    def with_truth(self, labels: Any) -> Certainty:
        """The same with true classes beside it.

        Args:
            labels: (N,) class numbers in [0, K), or class names, or booleans where K = 2; or (N, K) one-hot.

        Raises:
            InputError: Wrong length, unknown names, out of range, or not one class for each row.
        """
        return replace(self, truth=self.numbered(labels))

    def numbered(self, labels: Any) -> Integers:
        """(N,) class number of true classes that are given as for `with_truth`.

        Raises:
            InputError: As there, and where a series is indexed by the ids of these rows in another order, or
                class numbers agree with the answers far better when they are counted from 1.
        """
        check_order(labels, self.ids)
        truth = check_labels(labels, len(self), len(self.class_names), self.class_names)
        wrong = misread(labels, truth, self.label, self.class_names)
        if wrong is not None:
            raise wrong
        return truth

    def with_familiarity(self, familiarity: ArrayLike, share: float = 0.01) -> Certainty:
        """The same with how familiar each row is, from which `unfamiliar` and the reason follow.

        Args:
            familiarity: (N,) shares in (0, 1], as `howsure.familiarity(…).percentile(…)` gives them.
            share: Largest share of a row that is unfamiliar.

        Raises:
            InputError: Wrong length, or no shares.

        Example:
            >>> train, held_out = howsure.features_of(model, x_train), howsure.features_of(model, x_held_out)
            >>> known = howsure.familiarity(train, labels_train, held_out, score="mahalanobis")
            >>> percentile = known.percentile(howsure.features_of(model, letters))
            >>> certainty = howsure.assess(model, letters).with_familiarity(percentile, share=known.share)
            >>> print(certainty[certainty.unfamiliar][0])
            53 ± 2 % '6', or '8' (21 %): leaning. Single networks say 2 to 99 %; at most 0.2 % ...
        """
        check_unmasked(familiarity, "The familiarities")
        given = as_floats(familiarity, "The familiarities")
        if given.shape != (len(self),) or not np.all((given > 0) & (given <= 1)):
            raise InputError(
                "This is not how familiar these rows are",
                expected=f"{len(self)} shares above 0, at most 1, one per row",
                received=f"an array of shape {given.shape}"
                + (f", from {given.min():.3g} to {given.max():.3g}" if given.size else ""),
            )
        return replace(self, familiarity=given, unfamiliar_share=as_share(share, "share"))

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.sum(self.verdict == word)} {word}" for word in verdicts.VERDICTS)
        return f"<Certainty of {len(self)} rows, {len(self.class_names)} classes: {counts}>"
