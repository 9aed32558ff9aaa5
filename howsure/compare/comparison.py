"""The result of a comparison of methods: their scores on the same rows, paired, and which is the best.

`Comparing` is the part `compare` of a kind of answer: how its results are scored side by side, and told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_choice
from howsure.atomic import LINES, check_ending
from howsure.compare.parts import CALIBRATION, EVERY, MENDED, PARTS, Claims, Parts
from howsure.compare.passes import Alone, MemberLosses
from howsure.displayed import Displayed
from howsure.errors import InputError
from howsure.evaluation.metrics import Metric
from howsure.evaluation.paired import Comparable
from howsure.evaluation.score import Measured, Score
from howsure.inputs.rows import quoted
from howsure.methods.protocol import Method
from howsure.results.export import write_csv_file
from howsure.sampling.outcome import Floats
from howsure.statistics import simultaneous_critical_value
from howsure.tasks.task import task_of
from howsure.words import counted

AS_THEY_ARE = "as they are"
"""Name of the unchanged rows."""

CALIBRATED = "{}, calibrated"
"""Name of a method after temperature scaling."""

LEAST_CALIBRATED = 10
"""Least rows for calibrated methods: two for each of five folds."""


@dataclass(frozen=True)
class Wording:
    """The words for the answer to one question.

    Attributes:
        question: A heading.
        has: The advantage of the best method.
        does: A sentence about the method `it` with the `value` of its score.
        beside: Whether the best value is above or below that of another.
    """

    question: str
    has: str
    does: str
    beside: str = ""


@dataclass(frozen=True)
class ShiftWording:
    """The words for changed rows.

    Attributes:
        said: Sentence about the baseline, `{baseline}`.
        asked: The question that the other method named answers.
        does: A sentence about a better `{method}` and the `{gap}` to the baseline.
        nothing: The sentence if no method is better.
    """

    said: str
    asked: str
    does: str
    nothing: str


class Words(Protocol):
    """How a comparison of results of one kind is told.

    Attributes:
        main: The score that decides which method to take.
        questions: By score, the most important first.
        changed: Scores of a page on changed rows.
        short: Headings and scores of the short table.
        advantage: The advantage of a method that is better in `main`: `a lower NLL`.
        scale: Heading of the best temperature, or factor, and its meaning.
        given: Description of given results, a sentence.
        shift: The words for changed rows.
        reasons: Meaning of a part of the difference in `main`, by whether it is better: end of a sentence.
        one_number: Sentence on the quantities that calibration by one number leaves as they are.
        page: The template of the page.
    """

    main: str
    questions: Mapping[str, Wording]
    changed: Sequence[str]
    short: Sequence[tuple[str, str]]
    advantage: str
    scale: tuple[str, str]
    given: str
    shift: ShiftWording
    reasons: Mapping[tuple[str, bool], str]
    one_number: str
    page: str

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """To take a method that is better than the baseline, but worse on some changed rows."""

    def nothing(self, comparison: Comparison) -> str:
        """That `main` is not defined for any method."""

    def doubt(self, comparison: Comparison, name: str) -> str:
        """Why a score cannot be decided, or nothing."""

    def value(self, comparison: Comparison, method: str, name: str, rows: str) -> str:
        """A score in a sentence, with its interval."""

    def gap(self, comparison: Comparison, gap: Score, name: str, than: str) -> str:
        """By how much a method is better than another one; empty for one that was named before."""

    def note(self, comparison: Comparison, name: str) -> str:
        """The meaning of the technical term, or nothing."""

    def cell(self, score: Score, per_cent: bool) -> tuple[str, str]:
        """A score and its interval in a table."""

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The value of the baseline on changed rows, in words."""

    def does(self, comparison: Comparison, gap: Score, than: str = "") -> str:
        """A difference in `main` in words: `gives the true class 8 % more than the softmax (4 to 12 %)`."""

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """`does` in the plural, for members together."""

    def amount(self, comparison: Comparison, gap: Score) -> str:
        """A part of a difference in `main`, with its sign: `+8 %`."""

    def of_calibration(self, comparison: Comparison, method: str, cause: str, it: str) -> str:
        """How `it` is miscalibrated, by the part of calibration that is the cause."""

    def claimed(self, claims: Claims) -> str:
        """The claims beside the truth, in short."""

    def gains(self, gaps: Mapping[Any, Score]) -> Mapping[Any, tuple[str, str]]:
        """Differences from the baseline in `main`, each as its value and its interval."""


def in_memory(blocks: Iterator[Any], rows: int, folder: Path) -> Any:
    """Blocks of a result as one in memory."""
    del rows, folder
    first, *others = blocks
    return first.joined([first, *others])


@dataclass(frozen=True)
class Comparing:
    """How results of one kind are scored side by side.

    Attributes:
        truth: From labels as a caller gives them, how many rows there are, and the plain prediction of the
            first of them, to the true answers; an `InputError` for what they cannot be.
        known: From a result, and labels or None, to the true answers.
        aligned: From name and result, and name and result of the baseline, to the result with its classes
            in the order of the baseline; an `InputError` if the classes differ.
        scored: From a result, the true answers, a seed, and what `calibrated` says of fits, or None, to an
            evaluation with a score by each name. Takes the `groups` of rows that depend on each other.
            With a class at each position, also without a `background`.
        beside: From an evaluation, its result, and one of OOD rows, to an evaluation of both. None if OOD
            rows are not scored.
        calibrated: From a result, the true answers, the same rows under shifts, and OOD rows, to
            all of them calibrated: those of the known rows, and the OOD ones. Then for each of the former
            what rows do to its scores through cross-fits, by name, where the result itself does not
            tell: `howsure.evaluation.cross_fit.FitInfluence`. Takes `seed`. None if nothing is calibrated.
        completed: The same for what a result lacks to be scored, which is learned from the other rows; it
            returns a result that lacks nothing as it is. None if nothing can be missing.
        mistakes: From a result and the true answers to the number of wrong ones; None if answers are not
            right or wrong.
        parts: From a result, the true answers and its evaluation to the `Parts` of its NLL, or None.
        claims: From the same to the `Claims` beside what came true, or None.
        alone: Scores of a network alone; see `howsure.compare.passes.Alone`. None if it is not scored.
        metrics: The scores by name.
        plain: Name of the plain prediction among the methods that a model allows.
        needs: Name of the true answers: `true classes`.
        words: How the comparison is told.
        keep: Fields that results need for the scores, as `keep` of `howsure.assess`.
        gathered: From blocks, the number of rows, and a folder for temporary files, to one result.
        kept: From a scored result to what a comparison keeps of it.
        answers: The part of what their task tells that these results tell, such as `counts`; empty of all.
        instead: How other results become such ones, a hint.
    """

    truth: Callable[[Any, int, Any], Any]
    known: Callable[[Any, Any], Any]
    aligned: Callable[[str, Any, str, Any], Any]
    scored: Callable[..., Any]
    calibrated: Callable[..., tuple[list[Any], list[Any], list[Any]]] | None
    parts: Callable[[Any, Any, Any], Parts | None]
    claims: Callable[[Any, Any, Any], Claims | None]
    metrics: Mapping[str, Metric]
    plain: str
    needs: str
    words: Words
    beside: Callable[[Any, Any, Any], Any] | None = None
    completed: Callable[..., tuple[list[Any], list[Any], list[Any]]] | None = None
    mistakes: Callable[[Any, Any], int] | None = None
    alone: Alone | None = None
    keep: str | None = None
    gathered: Callable[[Iterator[Any], int, Path], Any] = in_memory
    kept: Callable[[Any], Any] = lambda result: result
    answers: str = ""
    instead: str | None = None


@dataclass(frozen=True, eq=False)
class Comparison(Displayed):
    """Scores of several methods on the same rows.

    Attributes:
        methods: Their names. The first is the baseline; some of the others are calibrated versions.
        sets: Names of the sets of rows: unchanged, then under each shift.
        outside: Names of the sets of out-of-distribution (OOD) rows.
        evaluations: Scores by method and set.
        against: Scores by method and OOD set, of the unchanged rows together with that set.
        costs: Plain predictions of a row, counted in multiplications, on average over the unchanged rows;
            NaN if the method does not say. A prediction of a member counts as one. Calibration itself costs
            almost nothing.
        certainties: Result of each method on the unchanged rows. With a class at each position it has no
            rows, as maps of all methods may not fit in memory.
        truth: (N,) the true classes, (N, K) the true numbers, or (N, *P) the true class at each position, −1
            where it does not count.
        kinds: The method behind each name. A calibrated version has the same method. Empty for existing
            results.
        calibrations: For each calibrated version, the name without calibration.
        background: Name of the class that means over classes leave out, or None.
        parts: Parts of the NLL of each method on the unchanged rows, if it is defined.
        claims: Claims of each method beside the truth, by method and set.
        members: By ensemble, its members, each alone.
        noticed: The warnings about the rows, results or models.
        masks: By method that draws masks, then by score and set, (R,) what these contribute to the score; see
            `howsure.compare.passes`.
    """

    methods: tuple[str, ...]
    sets: tuple[str, ...]
    outside: tuple[str, ...]
    evaluations: Mapping[tuple[str, str], Comparable]
    against: Mapping[tuple[str, str], Comparable]
    costs: Mapping[str, float]
    certainties: Mapping[str, Any]
    truth: NDArray[Any]
    kinds: Mapping[str, Method]
    calibrations: Mapping[str, str] = field(default_factory=dict)
    background: str | None = None
    parts: Mapping[str, Parts] = field(default_factory=dict)
    claims: Mapping[tuple[str, str], Claims] = field(default_factory=dict)
    members: Mapping[str, MemberLosses] = field(default_factory=dict)
    noticed: tuple[str, ...] = ()
    masks: Mapping[str, Mapping[tuple[str, str], Floats]] = field(default_factory=dict)

    @staticmethod
    def of_results(
        results: Mapping[str, Any],
        labels: Any = None,
        *,
        calibrated: bool = True,
        seed: int = 0,
        background: int | str | None = None,
        groups: Any = None,
    ) -> Comparison:
        """Compare existing results of any models, methods or sources.

        Args:
            results: By name, all of the same rows and classes. The first is the baseline. Classes are paired
                by name. Rows are paired by id, or by position if a result has no ids. With a class at each
                position, they hold the probabilities of all classes.
            labels: (N,) true classes, (N, K) true numbers, or (N, *P) true classes at positions. Default:
                those of the results.
            calibrated: Whether to add each result after calibration (cross-fitted), as in `compare`. Needs
                10 rows. Results that are calibrated already are not calibrated again.
            seed: Seed of the folds, and of the random draws in calibration errors.
            background: As in `compare`.
            groups: As in `compare`.

        Returns:
            A `Comparison` without costs, because no method ran.

        Raises:
            InputError: Results differ in rows or classes, or there are no labels.

        Example:
            >>> dropout, plain = howsure.assess(model, x), howsure.assess(model, x, method=howsure.Softmax())
            >>> comparison = howsure.Comparison.of_results({"plain": plain, "dropout": dropout}, labels)
            >>> print(comparison.difference("dropout", "plain", "nll"))
            0.039 (0.027 to 0.049)
        """
        from howsure.compare.results import compared

        return compared(results, labels, calibrated, seed, background, groups)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.methods)} methods on {counted(self.rows, self.kind)}>"

    def __str__(self) -> str:
        from howsure.compare.findings import text_of

        return text_of(self)

    def report(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write one HTML page that says which method is better here, by how much, and why.

        The page is self-contained. An earlier file stays until the new one is complete.

        Args:
            path: The HTML file.
            title: A line above the heading.

        Raises:
            FileError: The file cannot be written.

        Example:
            >>> howsure.compare(model, x, labels, shifts={}).report("comparison.html")
        """
        from howsure.report.comparison import write_comparison

        write_comparison(path, self, title=title)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write all scores into one csv file: a line for each method, set of rows and score.

        Columns are `method`, `rows`, `score`, `value`, `low` and `high`, and the paired `difference` from the
        baseline with `difference_low` and `difference_high`; see `score` and `difference`. Unknown values are
        left empty. Further lines of the unchanged rows hold `nll_calibration`, `nll_accuracy`, `nll_order`
        and `nll_discrimination`, see `part`; `scale`, the best temperature, or factor of the standard
        deviations; `cost` in plain predictions; and how many `networks` a method needs.

        Args:
            path: The csv file.

        Raises:
            FileError: The file cannot be written.

        Example:
            >>> howsure.compare(model, x, labels, shifts={}).to_csv("comparison.csv")
        """
        from howsure.compare.findings import score_lines

        check_ending(path, LINES, needed=False)
        write_csv_file(score_lines(self), path)

    @property
    def has_costs(self) -> bool:
        """Whether methods ran; False for a comparison of existing results."""
        return bool(self.kinds)

    @cached_property
    def comparing(self) -> Comparing:
        """How results of this kind are scored and told: the part `compare` of their kind of answer."""
        first = next(iter(self.certainties.values()))
        comparing: Comparing = task_of(first).compare(first)
        return comparing

    @property
    def words(self) -> Words:
        """How this comparison is told."""
        return self.comparing.words

    @property
    def rows(self) -> int:
        """How many rows are scored: all, but for those without any position that counts."""
        return len(self.evaluations[self.methods[0], AS_THEY_ARE]._found.row)

    @property
    def _independent(self) -> int:
        """How many parts of scores are independent: rows, or the groups of rows that depend on each other."""
        return len(self.evaluations[self.methods[0], AS_THEY_ARE].measured(self.words.main).parts)

    @property
    def kind(self) -> str:
        """The word for one row, `image` or `row`."""
        return str(next(iter(self.certainties.values())).kind)

    def score(self, method: str, name: str, rows: str = AS_THEY_ARE) -> Score:
        """One score: the attribute `name` of an `Evaluation` of a set, or of an OOD set, of rows.

        Raises:
            InputError: There is no such method, score or set.
        """
        return self._evaluation(method, name, rows)._found.scores[name]

    def difference(self, method: str, other: str, name: str, rows: str = AS_THEY_ARE) -> Score:
        """Paired difference of one score, the first method less the other, row by row.

        The intervals of all pairs hold together in 95 % of cases, so the best may be picked from the same
        rows that compare it. So do the differences of all methods from the baseline, which are fewer. Those
        of changed rows hold together over all changes (Bonferroni), because sentences pick among all changes.
        They allow for other rows, and for other masks of MC dropout, which all rows share.

        Raises:
            InputError: See `score`.
        """
        one, two = (self.measured(side, name, rows) for side in (method, other))
        return one.minus(two, self._reach(name, rows, self.methods[0] in (method, other)))

    def part(self, method: str, name: str) -> Score | None:
        """A part of the difference in NLL between a method and the baseline, on the unchanged rows.

        `calibration`, `accuracy`, `order` and `alternatives` add up to the difference. `discrimination` is
        the sum of the last three, the rest once both are calibrated. `sureness`, `offsets` and `zeros` add
        up to calibration. See `howsure.compare.parts`. The intervals of all parts of all methods hold
        together in 95 % of cases. So do those of the parts of calibration, and those of calibrated versions.

        Args:
            method: One of the methods.
            name: One of these.

        Returns:
            The method less the baseline, nats: below 0 the method is better. None if it is not defined.

        Example:
            >>> comparison = howsure.compare(model, x, labels, shifts={})
            >>> print(comparison.part("MC dropout", "calibration"))
            0.035 (0.021 to 0.047)
        """
        check_choice(method, self.methods, "method")
        check_choice(name, EVERY, "name")
        baseline = self.methods[0]
        if method not in self.parts or baseline not in self.parts:
            return None
        one, two = (self.parts_of(side)[name] for side in (method, baseline))
        if not (one.parts.any() or two.parts.any()):
            return None
        return one.minus(two, self._reach_of_parts(name in MENDED, method in self.calibrations))

    def cause(self, method: str) -> str | None:
        """The largest part of the difference between a method and the baseline that is sure, or None.

        Only parts that go the way of the whole difference count. Instead of calibration, it names the largest
        of its own parts that is sure.
        """
        better = self.difference(method, self.methods[0], self.words.main).value < 0

        def largest(names: Sequence[str]) -> str | None:
            gaps = {name: gap for name in names if (gap := self.part(method, name)) and gap.excludes_zero}
            along = [name for name, gap in gaps.items() if (gap.value < 0) == better]
            return max(along, key=lambda name: abs(gaps[name].value), default=None)

        cause = largest(PARTS)
        return (largest(MENDED) or CALIBRATION) if cause == CALIBRATION else cause

    def measured(self, method: str, name: str, rows: str = AS_THEY_ARE) -> Measured:
        """A score with the contribution of each row, and then of the masks of each method."""
        measured = self._evaluation(method, name, rows).measured(name)
        return measured.with_masks(self._of_masks(method, name, rows))

    def parts_of(self, method: str) -> Parts:
        """The parts of the NLL of a method, with contributions as `measured` has them."""

        def counted(name: str, measured: Measured) -> Measured:
            return measured.with_masks(self._of_masks(method, name, AS_THEY_ARE))

        return Parts(**{name: counted(name, measured) for name, measured in vars(self.parts[method]).items()})

    def _of_masks(self, method: str, name: str, rows: str) -> Floats:
        """(R,) what the masks of each method contribute to a score of one; 0 of other methods."""
        own, contributions = self.calibrations.get(method, method), [np.zeros(0)]
        if own != method and (name, rows) == ("nll", AS_THEY_ARE):
            name = "best"  # the NLL at the best temperature or factor
        for drawn, by_score in self.masks.items():
            none = np.zeros(len(next(iter(by_score.values()), ())))
            contributions.append(by_score.get((name, rows), none) if drawn == own else none)
        return np.concatenate(contributions)

    def _reach_of_parts(self, mended: bool, calibrated: bool) -> float:
        """Half-width of the simultaneous intervals of parts, or of those of calibration, of some methods."""
        key = "", str(mended), calibrated
        if key not in self._reaches:
            some = [name for name in self.parts if (name in self.calibrations) == calibrated]
            of = [self.parts_of(name) for name in dict.fromkeys((self.methods[0], *some))]
            names = MENDED if mended else EVERY[: -len(MENDED)]
            added = np.stack([parts[name].added for name in names for parts in of])
            pairs = [(k * len(of), k * len(of) + at) for k in range(len(names)) for at in range(1, len(of))]
            self._reaches[key] = simultaneous_critical_value(added, pairs) if pairs else np.nan
        return self._reaches[key]

    def _reach(self, name: str, rows: str, against_baseline: bool) -> float:
        """Half-width of the simultaneous intervals, in standard errors."""
        key = name, rows, against_baseline
        if key not in self._reaches:
            added = np.stack([self.measured(method, name, rows).added for method in self.methods])
            pairs = [*combinations(range(len(self.methods)), 2)]
            among = pairs[: len(self.methods) - 1] if against_baseline else pairs
            finite_pairs = [pair for pair in among if np.isfinite(added[list(pair)]).all()]
            changes = len(self.sets) - 1 if rows in self.sets[1:] else 1
            self._reaches[key] = (
                simultaneous_critical_value(np.nan_to_num(added), finite_pairs, 1 - 0.05 / changes)
                if finite_pairs
                else np.nan
            )
        return self._reaches[key]

    @cached_property
    def _reaches(self) -> dict[tuple[str, str, bool], float]:
        return {}

    @property
    def mistakes(self) -> dict[str, int]:
        """Number of mistakes of each method on the unchanged rows.

        Raises:
            InputError: The answers are not right or wrong.
        """
        count = self.comparing.mistakes
        if count is None:
            raise InputError(
                "These answers are not right or wrong, so there are no mistakes to count",
                expected=f"`score` with one of {quoted([*self.comparing.metrics])}",
            )
        return {name: count(result, self.truth) for name, result in self.certainties.items()}

    def ranked(self, name: str, rows: str = AS_THEY_ARE) -> Ranking:
        """The best method in a score, and those that may be as good."""
        values = {method: self.score(method, name, rows).value for method in self.methods}
        higher = self.comparing.metrics[name].higher
        defined = [method for method in values if np.isfinite(values[method])]
        best = min(defined, key=lambda method: -values[method] if higher else values[method], default=None)
        tied = [
            method
            for method in defined
            if method == best or not self.difference(method, str(best), name, rows).excludes_zero
        ]
        return Ranking(name, rows, best, tuple(tied))

    def _evaluation(self, method: str, name: str, rows: str) -> Comparable:
        check_choice(name, [*self.comparing.metrics], "name")
        check_choice(rows, (*self.sets, *self.outside), "rows")
        check_choice(method, self.methods, "method")
        return self.against[method, rows] if rows in self.outside else self.evaluations[method, rows]


@dataclass(frozen=True)
class Ranking:
    """The best method in one score.

    Attributes:
        name: The score.
        rows: The set of rows.
        best: The method with the best value; None if the score is not defined for any.
        tied: The best one, and those whose paired difference from it may be chance, in the order of methods.
            With too few mistakes these are all methods.
    """

    name: str
    rows: str
    best: str | None
    tied: tuple[str, ...]
