"""Are numbers and their intervals true? Scores of a `RegressionCertainty` against true numbers.

`howsure.tasks.regression.scores` defines the scores and their intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from howsure.displayed import Displayed
from howsure.evaluation.cross_fit import FitInfluence
from howsure.evaluation.paired import Comparable, Paired, check_enough
from howsure.evaluation.score import (
    Measured,
    Score,
    by_group,
    in_columns,
    share_of_rows,
    through_cross_fits,
)
from howsure.results.origin import check_outside
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.evaluate import ends_of
from howsure.tasks.regression.printed import checked
from howsure.tasks.regression.quantiles import pairs_of
from howsure.tasks.regression.result import FROM_HELD_OUT, NO_NOISE, RegressionCertainty
from howsure.tasks.regression.scores import AT_LEVELS, LEVELS, METRICS, named_at, of_target
from howsure.tasks.truth import truth_of


@dataclass(frozen=True, eq=False)
class ScoreAtLevels(Score, Mapping[float, Score]):
    """A score of intervals, at several levels: `coverage[0.9]` is that of the 90 % intervals.

    Attributes:
        value: Score of the 95 % intervals, as `low` and `high`; of quantiles, of the widest intervals.
        at: By level: 0.5, 0.8, 0.9 and 0.95; of quantiles, the shares between pairs of them.
    """

    at: Mapping[float, Score] = field(default_factory=dict)

    def __getitem__(self, level: float) -> Score:
        if level not in self.at:
            raise KeyError(f"Intervals are scored at {', '.join(map(str, self.at))}, not at {level!r}")
        return self.at[level]

    def __iter__(self) -> Iterator[float]:
        return iter(self.at)

    def __len__(self) -> int:
        return len(self.at)

    def __hash__(self) -> int:
        return super().__hash__()

    @property
    def _compared(self) -> tuple[Any, ...]:
        return tuple(score._compared for score in self.at.values())

    def __str__(self) -> str:
        return "; ".join(f"{100 * level:g} %: {score}" for level, score in self.at.items())


@dataclass(frozen=True)
class TargetScores:
    """How good the numbers of one target are. Scores that these rows do not allow are None.

    Attributes:
        rmse: √(mean e²) of the error e = y − mean; lower is better, as for all that follow but `r2`, `bias`,
            `coverage`, `aurg` and the areas under ROC curves.
        mae: Mean |e|.
        r2: 1 − Σ e² / Σ (y − ȳ)²: the share that the numbers explain; NaN if all true numbers are the same.
        bias: Mean of prediction − truth, −e, in the unit of the target: above 0 if predictions are too high.
        nll: Mean −log N(y; mean, std²), nats, as deep ensembles publish it (Lakshminarayanan and others
            2017). Infinite if a `std` is 0.
        nll_mixture: Mean −log of the mean over networks of N(y; y_t, noise²), as Gal and Ghahramani (2016)
            publish it. Here the networks are those of the quantiles, which lie between two groups of networks
            too. None if `noise` or the networks are unknown.
        crps: Mean continuous ranked probability score of the normal distribution (Gneiting and Raftery 2007).
        pinball: Mean pinball loss of the quantiles of the model, averaged over their levels (Koenker and
            Bassett 1978); None unless it predicts quantiles.
        interval_score: At each level, mean width plus 2/(1 − level) times how far answers lie outside
            (Gneiting and Raftery 2007). Without an interval if fewer than two answers lie outside.
        coverage: At each level, share of answers in their intervals, with its exact interval.
        width: At each level, mean width of the intervals.
        miscalibration: Area between the share of answers below each quantile and that quantile's level (Tran
            and others 2020), 0 to 0.5. Its lower end is above 0 only if true quantiles would come so far off
            by chance in less than 5 % of such rows.
        ause: Area under the sparsification error (Ilg and others 2018), as a share of `mae`: how much larger
            the mean error of the rows kept is than it would be if rows were left out in the order of their
            errors. By `std`, or by `spread` if `std` is unknown. None if all rows have the same.
        aurg: Area under the random gain (Poggi and others 2020), as a share of `mae`: how much smaller the
            mean error of the rows kept is than in a random order.
        outside_auroc: Area under the ROC curve of `std`, for telling rows from outside the distribution; None
            without such rows.
        outside_fpr95: Share of the rows from outside still accepted if 95 % of the others are.
        outside_auroc_by_disagreement: As outside_auroc, of `spread`.
    """

    rmse: Score
    mae: Score
    r2: Score
    bias: Score
    nll: Score | None = None
    nll_mixture: Score | None = None
    crps: Score | None = None
    pinball: Score | None = None
    coverage: ScoreAtLevels | None = None
    width: ScoreAtLevels | None = None
    interval_score: ScoreAtLevels | None = None
    miscalibration: Score | None = None
    ause: Score | None = None
    aurg: Score | None = None
    outside_auroc: Score | None = None
    outside_fpr95: Score | None = None
    outside_auroc_by_disagreement: Score | None = None

    def lines(self) -> Iterator[tuple[str, float | None, Score]]:
        """Name, level or None, and score of each that there is, in the order of a table."""
        for name in METRICS:
            score = getattr(self, name)
            if isinstance(score, ScoreAtLevels):
                yield from ((name, level, at_level) for level, at_level in score.items())
            elif score is not None:
                yield name, None, score


TOGETHER = "coverage together"
"""The score of all targets of a row at once."""

FIELDS = tuple(field.name for field in fields(TargetScores))


@dataclass(frozen=True)
class RegressionEvaluation(Comparable, Displayed):
    """How good the numbers of some rows are, target by target.

    Every attribute of `TargetScores` is one of this too: `evaluation.rmse`. With several targets it is a
    mapping by their names: `evaluation.rmse["price"]`.

    Intervals are for the score of all rows like these. docs/numbers.md shows how often they hold.

    Attributes:
        rows: How many.
        of_target: The `TargetScores` of each target, by name.
        coverage_together: At each level, share of rows whose intervals hold the answers of all targets; None
            with one target, or where `std` is unknown.
        note: Names missing scores and how to get them, a sentence; empty if nothing is missing.
    """

    rows: int
    of_target: Mapping[str, TargetScores]
    note: str = ""
    coverage_together: ScoreAtLevels | None = None
    _found: Paired = field(repr=False, kw_only=True)
    _said: tuple[str, ...] = field(default=(), repr=False)

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        by_target = {target: getattr(scores, name) for target, scores in self.of_target.items()}
        return by_target if len(by_target) > 1 else next(iter(by_target.values()))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *FIELDS]

    def cells(self, target: str) -> list[list[str]]:
        """Name, value, interval and good direction of every score of a target."""
        scores, cells = self.of_target[target], []
        for name, level, score in scores.lines():
            heading, good = METRICS[name].heading, METRICS[name].good
            cells.append([heading if level is None else named_at(heading, level), str(score), good])
        return cells

    def __str__(self) -> str:
        lines = [*self._heading, f"{self.rows:,} rows{self._in_groups}"]
        for target in self.of_target:
            lines += [f"'{target}'"] if len(self.of_target) > 1 else []
            lines += in_columns(self.cells(target))
        if self.coverage_together is not None:
            good = METRICS["coverage"].good
            together = self.coverage_together.items()
            lines += ["all targets of a row at once"]
            lines += in_columns([[named_at(TOGETHER, level), str(score), good] for level, score in together])
        return "\n".join([*lines, *([self.note] if self.note else [])])


def evaluate(
    result: RegressionCertainty,
    labels: Any,
    *,
    outside: Any,
    seed: int,
    background: int | None = None,
    groups: Integers | None = None,
) -> RegressionEvaluation:
    """The part `evaluate` of numbers, without a `background`; see `howsure.evaluation.evaluate.evaluate`."""
    truth = truth_of(result, labels)
    check_enough(truth)
    if outside is not None:
        check_outside(outside, result)
    evaluation = evaluate_numbers(result, truth, seed, outside, groups=groups)
    return replace(evaluation, _said=checked(result._changed({"truth": truth}), alone=groups is None))


def evaluate_numbers(
    result: RegressionCertainty,
    truth: Floats,
    seed: int,
    outside: RegressionCertainty | None = None,
    through: Mapping[str, Mapping[str, FitInfluence]] | None = None,
    groups: Integers | None = None,
) -> RegressionEvaluation:
    """As `evaluate`, for true numbers (N, K) that were read already.

    `through` is what rows do to scores through cross-fits, by name of the target and of the score.
    """
    names, rows = result.target_names, len(truth)
    measured = {
        name: by_group(
            through_cross_fits(
                of_target(result, k, truth[:, k], seed, outside), (through or {}).get(name, {})
            ),
            groups,
        )
        for k, name in enumerate(names)
    }
    flat = {
        score if len(names) == 1 else f"{score} of {name}": score_of_rows
        for name, of in measured.items()
        for score, score_of_rows in of.items()
    }
    together = {}
    levels = tuple(pairs_of(result.levels)) or LEVELS
    if len(names) > 1 and (result.levels or not np.isnan(result.std).any()):
        for level in levels:
            low, high = np.moveaxis(result.prediction_interval(level), -1, 0)
            is_held = ((low <= truth) & (truth <= high)).all(axis=-1)
            together[level] = by_group({TOGETHER: share_of_rows(is_held)}, groups)[TOGETHER]
            flat[named_at(TOGETHER, level)] = together[level]
    paired = replace(Paired.of(flat, result, truth), groups=groups)
    paired = paired if outside is None else replace(paired, outside=outside.row)
    note = ""
    if np.isnan(result.std).any() and not result.levels:
        note = f"NLL, CRPS and all scores of intervals are missing: {NO_NOISE}. {FROM_HELD_OUT}."
    return RegressionEvaluation(
        rows,
        {name: _scores(of, levels) for name, of in measured.items()},
        note,
        at_levels({level: of.score(0.95) for level, of in together.items()}) if together else None,
        _found=paired,
    )


def _scores(measured: Mapping[str, Measured], levels: Sequence[float]) -> TargetScores:
    scores = {name: score.score(0.95) for name, score in measured.items()}
    columns: dict[str, Any] = {name: score for name, score in scores.items() if name in FIELDS}
    if named_at(AT_LEVELS[0], levels[-1]) in scores:
        for name in AT_LEVELS:
            at = {level: scores[named_at(name, level)] for level in levels}
            columns[name] = at_levels(at)
    return TargetScores(**columns)


def at_levels(at: Mapping[float, Score]) -> ScoreAtLevels:
    """Scores by level; by itself it is that of the widest intervals."""
    usual = list(at.values())[-1]
    return ScoreAtLevels(usual.value, usual.low, usual.high, at)


def score_lines(result: RegressionCertainty, evaluation: RegressionEvaluation) -> list[list[Any]]:
    """The part `score_lines` of numbers: cells of a csv table, the names of its columns first."""
    del result
    rows = [
        [target, name, "" if level is None else level, *ends_of(score), METRICS[name].good]
        for target, scores in evaluation.of_target.items()
        for name, level, score in scores.lines()
    ]
    if evaluation.coverage_together is not None:
        for level, score in evaluation.coverage_together.items():
            rows.append(["", "coverage_together", level, *ends_of(score), METRICS["coverage"].good])
    return [["target", "score", "level", "value", "low", "high", "what is good"], *rows]
