"""`Certainty`, the frozen result of assessing N rows of one class each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import as_share, check_whole
from howsure.errors import InputError
from howsure.external.results import of_passes, of_probabilities
from howsure.inputs.align import ID, aligned
from howsure.inputs.labels import check_labels, error_if_misread
from howsure.inputs.own_arrays import read_only
from howsure.inputs.rows import in_rows
from howsure.results.columns import (
    AT_LEVELS,
    BOOLEAN,
    FLOAT,
    INTEGER,
    OF_A_SHARE,
    PER_ROW,
    STRING,
    Column,
)
from howsure.results.thresholds import Thresholds
from howsure.sampling.between import BetweenNetworks, check_quantiles
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.sentence import Row
from howsure.tasks.familiar import FAMILIARITY, Familiar
from howsure.tasks.probabilities import (
    IN_SET,
    NOT_GIVEN,
    ROW_AND_ID,
    OfProbabilities,
    beside_the_table,
    derived,
    doubt,
    last,
    predicted,
    settled,
    verdict,
)

SUM_OFF = float(np.finfo(np.float16).eps)
"""How far the sum of probabilities may be from 1: as that of numbers rounded to half precision."""

COLUMNS = (
    *ROW_AND_ID,
    derived("label", PER_ROW, INTEGER, "class number", "the most probable class"),
    derived("label_name", PER_ROW, STRING, "words", "name of `label`"),
    derived("runner_up", PER_ROW, INTEGER, "class number", "the second most probable class"),
    derived("runner_up_name", PER_ROW, STRING, "words", "name of `runner_up`"),
    derived("probability", PER_ROW, FLOAT, "0 to 1", "probability of `label`"),
    derived("probability_error", PER_ROW, FLOAT, OF_A_SHARE, "standard error of `probability`"),
    derived(
        *("gap", PER_ROW, FLOAT, "0 to 1"),
        "lead of `label` over `runner_up`; the smallest is the most undecided",
    ),
    *predicted(
        "the prediction; sums to 1 over the classes", "90 to 98 % of rows, by network, and 95 % in the median"
    ),
    Column(
        *("quantiles", AT_LEVELS, FLOAT, "0 to 1"),
        "probability of `label` that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and 99.5 % of the networks "
        "stay below; NaN where unknown, None if not told",
        on_demand=True,
        optional=True,
        unknown=True,
    ),
    Column(
        *("quantiles_error", AT_LEVELS, FLOAT, "0 to 1"),
        "standard error of `quantiles`; NaN where unknown, None if not told",
        on_demand=True,
        optional=True,
        unknown=True,
    ),
    IN_SET,
    *doubt(PER_ROW),
    verdict(PER_ROW),
    beside_the_table(
        *("no_clear_answer", PER_ROW, BOOLEAN, "yes or no"),
        "whether a coin flip is among more than two classes",
    ),
    *settled(PER_ROW, "`doubt within passes`, `passes disagree`, `too few passes`, `unfamiliar`"),
    FAMILIARITY,
    beside_the_table(
        *("unfamiliar", PER_ROW, BOOLEAN, "yes or no"), "whether `familiarity` is at most `unfamiliar_share`"
    ),
    Column(
        *("truth", PER_ROW, INTEGER, "class number", "the true class; None without labels"),
        optional=True,
        least=0,
        most=last,
    ),
    derived("truth_name", PER_ROW, STRING, "words", "name of `truth`; None without labels", optional=True),
)
"""The columns of a `Certainty`, in the order of its table."""


@dataclass(frozen=True, eq=False, repr=False)
class Certainty(OfProbabilities[Row], BetweenNetworks, Familiar):
    """The answer of a model for each of N rows, its certainty, and the reason of its doubt.

    All arrays are read-only. Entropies are in nats, class numbers and row numbers start at 0.

    Attributes:
        probabilities: (N, K) 0 to 1, mean over the passes: the prediction; sums to 1 over the classes.
        mc_error: (N, K) 0 to 3.24, standard error of `probabilities`, from the finite number of passes; ±
            1.96 of it covered 90 to 98 % of rows, by network, and 95 % in the median (`docs/fresh.md`).
            All rows get the same masks, so errors do not average out over rows: see `mean_error`.
        spread: (N, K) 0 to 1, standard deviation of a probability between networks, which more passes do not
            make smaller; None if there is one pass. A network is a thinned one with MC dropout, a member
            of an ensemble, the answer to one version of a row.
        spread_error: (N, K) at least 0, standard error of `spread`; None if there is no spread. 0 for the
            members of an ensemble, which are all there are.
        quantiles: (N, 11) 0 to 1, probability of `label` that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and
            99.5 % of the networks stay below; NaN where unknown, None if not told. See `interval`.
        quantiles_error: (N, 11) 0 to 1, standard error of `quantiles`; NaN where unknown, None if not told.
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
        familiarity: (N,) 0 to 1, share of held-out rows that are no more familiar; None if it was not
            measured. See `with_familiarity`.
        unfamiliar_share: A row is unfamiliar if its familiarity is at most this.
        kind: Name of one row in sentences, `image` or `row`.
        thresholds: Thresholds of the verdicts.
        method: Name and settings of the method that produced the passes.
        seed: Seed of the passes.
        plan: The plan the passes followed, or None.
        version: Version of howsure that made this.
        ids: (N,) texts or numbers, what the caller calls each row, in the table under `id_name`; None if
            that is not known.
        id_name: Name of the column of `ids`.
        learnt_from: (N,) yes or no, whether the calibrator or method of these rows is known to have learnt
            from the row; None if it does not say.
        frame_index: (N,) texts or numbers, what the index of a data frame calls each row, by which labels are
            aligned; None without an index.
        in_set: (N, K) yes or no, whether the class or label is in the set, by `howsure.fit_rules`; None if no
            rules decided the row.
        hand_over: (N,) yes or no, whether a person should look at the row, by `howsure.fit_rules`; None if no
            rules decided it.
    """

    answer: ClassVar[str] = "classes"
    in_words: ClassVar[str] = "one class per row"
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "class_names"
    row_type: ClassVar[type[Row]] = Row

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    class_names: tuple[str, ...]
    row: Integers
    truth: Integers | None = None
    entropy_correction: Floats = NOT_GIVEN
    entropy_error: Floats = NOT_GIVEN
    expected_entropy_error: Floats = NOT_GIVEN
    mutual_information_error: Floats = NOT_GIVEN
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
    learnt_from: Booleans | None = None
    frame_index: NDArray[Any] | None = None
    in_set: Booleans | None = None
    hand_over: Booleans | None = None

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
        if self.quantiles is not None:
            check_quantiles(self.quantiles)
        as_share(self.unfamiliar_share, "unfamiliar_share")

    @cached_property
    def _top_two(self) -> tuple[Integers, Integers]:
        label, runner_up = verdicts.top_two(self.probabilities)
        return read_only(label), read_only(runner_up)

    @property
    def label(self) -> Integers:
        """(N,) class number, the most probable class; the lower number if two are equal."""
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
    def probability_error(self) -> Floats:
        """(N,) 0 to 3.24, standard error of `probability`."""
        return read_only(verdicts.pick(self.mc_error, self.label))

    @cached_property
    def gap(self) -> Floats:
        """(N,) 0 to 1, lead of `label` over `runner_up`; the smallest is the most undecided."""
        return read_only(self.probability - verdicts.pick(self.probabilities, self.runner_up))

    @cached_property
    def no_clear_answer(self) -> Booleans:
        """(N,) yes or no, whether a coin flip is among more than two classes.

        It is where a third class is as likely as `runner_up`, or where the two hold less than half.

        A class is as likely as `runner_up` if the two alone would be a coin flip: by default, if its
        probability is at least two thirds of that of `runner_up`.
        """
        return read_only(verdicts.has_no_clear_answer(self.verdict, self.probabilities, self.thresholds))

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """(N,) words, `doubt within passes`, `passes disagree`, `too few passes`, `unfamiliar`, or None.

        It names the observation for which a row should not be trusted. `unfamiliar` comes before all others,
        and for sure rows too: a certain answer about a strange row is the dangerous one. The others are for
        rows that are not sure, and a single pass has none. None of them names the cause of the doubt: passes
        that agree do not prove that the input is ambiguous.
        """
        return read_only(np.where(self.unfamiliar, verdicts.UNFAMILIAR, super().reason))

    # --- rows ---------------------------------------------------------------------------------

    def most_undecided(self, count: int | None = None) -> Integers:
        """Positions of the rows with the smallest gap between the two top probabilities, smallest first.

        Args:
            count: Most rows to give. Default: all.
        """
        if count is not None:
            check_whole(count, "count", least=0)
        return np.argsort(self.gap, kind="stable")[:count].astype(np.int64)

    def coin_flips(self) -> Integers:
        """Positions of the rows that are coin flips, the most undecided first."""
        order = self.most_undecided()
        return np.asarray(order[self.verdict[order] == verdicts.COIN_FLIP])

    def numbered(self, labels: Any) -> Integers:
        """(N,) class number of true classes that are given as for `with_truth`.

        Raises:
            InputError: As there, or the index is that of other rows; or class numbers agree with the answers
                far better when they are counted from 1.
        """
        labels = aligned(labels, self)
        truth = check_labels(labels, len(self), len(self.class_names), self.class_names)
        wrong = error_if_misread(labels, truth, self.label, self.class_names)
        if wrong is not None:
            raise wrong
        return truth

    @staticmethod
    def from_probabilities(
        p: ArrayLike | Any,
        class_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> Certainty:
        """The result of probabilities that something else computed: another library, a file, a person.

        They count as one pass. So `mc_error` is 0 and `mutual_information` 0, with an error of NaN: howsure
        cannot know whether they are a mean. A row has no reason, and every verdict is settled.

        If rows do not quite sum to 1, howsure corrects what rounding explains, and nothing else. Numbers of a
        type of b bits are divided by their sum. If the numbers have d decimals, or d significant digits, the
        rest is shared out so that each keeps its digits: 0.33, 0.33, 0.33 become thirds.

        Args:
            p: (N, K) 0 to 1, rows sum to 1; or (N,), the probability of the second of two classes. A list, an
                array, a tensor, or a data frame, whose columns are the classes, or whose one column is the
                second of two that `class_names` names; a column `y` holds true classes, and a column `id`, or
                an index that is more than numbers from 0, is kept as `ids`. Zero rows give zero rows.
            class_names: K names in the order of the columns. If a frame has columns of these names, the names
                choose the columns and their order. Default: the names of the frame, otherwise '0' … 'K−1'.
            source: Their source in words, kept in `method`.
            thresholds: Thresholds of `sure` and `coin flip`. Default: 0.95 and 0.20.
            kind: Name of one row in sentences.

        Raises:
            InputError: No numbers, NaN, values outside of 0 to 1, or sums that rounding does not explain;
                names the rows and what the numbers may be: logits, percentages, sigmoids of several labels.

        Example:
            >>> given = howsure.Certainty.from_probabilities([[0.51, 0.47, 0.02]], ["8", "6", "3"])
            >>> print(given[0])
            51.0 % '8', or '6' (47 %): coin flip.
        """
        from howsure.tasks.classification.outcome import GIVEN

        result: Certainty = of_probabilities(p, class_names, GIVEN, source, thresholds, kind)
        return result

    @staticmethod
    def from_passes(
        passes: ArrayLike | Iterable[Any],
        class_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> Certainty:
        """The result of S independent passes: of thinned networks, ensemble members, or posterior draws.

        `probabilities` is their mean, `mc_error` its standard error √(Σ (p_s − mean)² / (S (S − 1))), widened
        by t₀.₉₇₅(S − 1)/1.96 so that ± 1.96 of it covers 95 %, and 0.0005 at least. It covers less if passes
        are few and skewed, as near 0. `expected_entropy` is the mean of their entropies; `mutual_information`
        is the entropy of the mean less that, with the correction for finitely many passes. Passes that
        balance each other, as those of `MCDropout` do unless told otherwise, have less error.

        Args:
            passes: (S, N, K), S ≥ 2; or S times (N, K), each as `from_probabilities` takes it, and aligned by
                index or `id`. An iterator of them is read once; after the first 32, only sums are kept.
            class_names: As in `from_probabilities`.
            source: As there.
            thresholds: As there.
            kind: As there.

        Raises:
            InputError: As from `from_probabilities`; fewer than two passes, or of different shapes.

        Example:
            >>> passes = np.array([[[0.9, 0.1]], [[0.7, 0.3]], [[0.8, 0.2]], [[0.8, 0.2]]])
            >>> print(howsure.Certainty.from_passes(passes, ["cat", "dog"])[0])
            80 ± 13 % 'cat', or 'dog' (20 %): leaning.
        """
        from howsure.tasks.classification.outcome import GIVEN

        result: Certainty = of_passes(passes, class_names, GIVEN, source, thresholds, kind)
        return result
