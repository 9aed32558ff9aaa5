"""The result of a comparison of methods: their scores on the same rows, paired, and which is the best."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_choice
from howsure.atomic import LINES, check_ending
from howsure.compare.findings import lead
from howsure.compare.parts import DISCRIMINATION, PARTS, Claims, Parts
from howsure.compare.protocol import AS_THEY_ARE, GIVEN, Comparing, Words, cost_in_words, networks_of
from howsure.displayed import Displayed
from howsure.errors import InputError
from howsure.evaluation.paired import Comparable
from howsure.evaluation.score import OUTSIDE, Measured, Score
from howsure.inputs.rows import quoted
from howsure.methods.protocol import Method
from howsure.results.export import write_csv_file
from howsure.sampling.outcome import Floats
from howsure.statistics import simultaneous_critical_value
from howsure.tasks.task import task_of
from howsure.words import UNIT, counted

if TYPE_CHECKING:
    from howsure.compare.passes import MemberLosses


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
        kinds: The method behind each name. A calibrated version has the same method.
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

        comparison: Comparison = compared(
            results, labels, calibrated=calibrated, seed=seed, background=background
        )
        return comparison

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.methods)} methods on {counted(self.rows, self.kind)}>"

    def __str__(self) -> str:
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
        check_ending(path, LINES, needed=False)
        write_csv_file(score_lines(self), path)

    @property
    def has_costs(self) -> bool:
        """Whether methods ran; False for a comparison of existing results."""
        return any(kind.settings.get("name") != GIVEN for kind in self.kinds.values())

    @cached_property
    def comparing(self) -> Comparing:
        """How results of this kind are scored and told: the part `compare` of their kind of answer."""
        comparing: Comparing = task_of(next(iter(self.certainties.values()))).compare()
        return comparing

    @property
    def words(self) -> Words:
        """How this comparison is told."""
        return self.comparing.words

    @property
    def rows(self) -> int:
        """How many rows are scored: all, but for those without any position that counts."""
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

        `calibration`, `accuracy` and `order` add up to the difference; `discrimination` is the sum of the
        last two, the rest once both are calibrated. See `howsure.compare.parts`. The intervals of all parts
        of all methods hold together in 95 % of cases.

        Args:
            method: One of the methods.
            name: `calibration`, `accuracy`, `order` or `discrimination`.

        Returns:
            The method less the baseline, nats: below 0 the method is better. None if it is not defined.

        Example:
            >>> comparison = howsure.compare(model, x, labels, shifts={})
            >>> print(comparison.part("MC dropout", "calibration"))
            0.035 (0.021 to 0.047)
        """
        check_choice(method, self.methods, "method")
        check_choice(name, (*PARTS, DISCRIMINATION), "name")
        baseline = self.methods[0]
        if method not in self.parts or baseline not in self.parts:
            return None
        one, two = (self.parts_of(side)[name] for side in (method, baseline))
        return one.minus(two, self._reach_of_parts)

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

    @cached_property
    def _reach_of_parts(self) -> float:
        """Half-width of the simultaneous intervals of all parts, in standard errors."""
        baseline, *others = (self.parts_of(method) for method in self.parts)
        names = (*PARTS, DISCRIMINATION)
        added = [parts[name].added for name in names for parts in (baseline, *others)]
        width = 1 + len(others)
        pairs = [(k * width, k * width + other) for k in range(len(names)) for other in range(1, width)]
        return simultaneous_critical_value(np.stack(added), pairs) if pairs else np.nan

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


# --- as text ---------------------------------------------------------------------------------------------


COST = "plain predictions"


@dataclass(frozen=True)
class MethodLine:
    """One method in the short table.

    Attributes:
        method: Its name.
        values: A text for each score, and for the cost if the methods ran.
        best: Whether each of them is marked as the best.
    """

    method: str
    values: tuple[str, ...]
    best: tuple[bool, ...]


def head_of(comparison: Comparison) -> list[str]:
    """Headings of the short table: the method, the scores, and the cost if the methods ran."""
    return [
        "method",
        *(heading for heading, _ in comparison.words.short),
        *([COST] if comparison.has_costs else []),
    ]


def lines_of(comparison: Comparison) -> list[MethodLine]:
    """Methods with their scores on the unchanged rows, and their cost, or a dash if it is unknown."""
    words = comparison.words
    best = {name: comparison.ranked(name).best for _, name in words.short}
    best = {name: method if is_known(comparison, name, method) else None for name, method in best.items()}
    lines = []
    for method in comparison.methods:
        values = [_cell(comparison, method, name) for _, name in words.short]
        marked = [best[name] == method for _, name in words.short]
        if comparison.has_costs:
            cost = comparison.costs[method]
            values.append(cost_in_words(cost) if np.isfinite(cost) else "–")
            marked.append(False)
        lines.append(MethodLine(method, tuple(values), tuple(marked)))
    return lines


def _cell(comparison: Comparison, method: str, name: str) -> str:
    per_cent = comparison.comparing.metrics[name].per_cent
    value, _ = comparison.words.cell(comparison.score(method, name), per_cent)
    return f"{value}{UNIT}" if per_cent else value


def is_known(comparison: Comparison, name: str, best: str | None, rows: str = AS_THEY_ARE) -> bool:
    """Whether a method may be marked as the best: not if too few rows decide its score."""
    if best is None:
        return False
    always = comparison.comparing.metrics[name].alone or rows in comparison.outside
    decided = always or comparison.score(best, comparison.words.main, rows).known
    return decided and comparison.score(best, name, rows).known


def text_of(comparison: Comparison) -> str:
    """The answer in a few sentences, below it the short table, and what was noticed."""
    lines = lines_of(comparison)
    table = [head_of(comparison)]
    for line in lines:
        scores = [value + ("*" if best else " ") for value, best in zip(line.values, line.best, strict=True)]
        short = len(comparison.words.short)
        table.append([line.method, *scores[:short], *line.values[short:]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    text_lines = [lead(comparison), ""]
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
        text_lines.append("  ".join(cells).rstrip())
    if any(any(line.best) for line in lines):
        text_lines += ["", "* the best of its column, perhaps by chance"]
    return "\n".join([*text_lines, *(f"\n{notice}" for notice in comparison.noticed)])


SCORE_COLUMNS = (
    *("method", "rows", "score", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)


def score_lines(comparison: Comparison) -> list[list[Any]]:
    """The names of the columns, then a line for each method, set of rows and score; see `to_csv`."""
    lines: list[list[Any]] = [[*SCORE_COLUMNS]]
    baseline = comparison.methods[0]

    def add(method: str, rows: str, name: str, score: Score, gap: Score | None = None) -> None:
        apart = [np.nan] * 3 if gap is None or method == baseline else _ends(gap)
        lines.append([method, rows, name, *_ends(score), *apart])

    for rows in (*comparison.sets, *comparison.outside):
        beside = rows in comparison.outside
        for name in (metric for metric in comparison.comparing.metrics if (metric in OUTSIDE) == beside):
            for method in comparison.methods:
                gap = comparison.difference(method, baseline, name, rows)
                add(method, rows, name, comparison.score(method, name, rows), gap)
    for method in comparison.parts:
        parts = comparison.parts_of(method)
        for name in (*PARTS, DISCRIMINATION):
            part = parts[name].score(0.95)
            add(method, AS_THEY_ARE, f"nll_{name}", part, comparison.part(method, name))
        add(method, AS_THEY_ARE, "scale", Score(*np.exp(_ends(parts.scale.score(0.95))).tolist()))
    if comparison.has_costs:
        for method, cost in comparison.costs.items():
            add(method, AS_THEY_ARE, "cost", Score(cost, np.nan, np.nan))
        for method, kind in comparison.kinds.items():
            add(method, AS_THEY_ARE, "networks", Score(networks_of(kind), np.nan, np.nan))
    return lines


def _ends(score: Score) -> list[float]:
    return [float(end) for end in (score.value, score.low, score.high)]
