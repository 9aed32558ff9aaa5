"""Are the percentages true? Scores of a `Certainty` against true classes, each with an interval.

`howsure.tasks.classification.scores` and `howsure.evaluation.score` define the scores and their intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from howsure.displayed import Displayed
from howsure.evaluation import score as scores
from howsure.evaluation.cross_fit import FitInfluence
from howsure.evaluation.groups import renumbered
from howsure.evaluation.paired import Comparable, Paired, check_enough, with_outside
from howsure.evaluation.score import OUTSIDE, Measured, Score
from howsure.results.origin import check_outside
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import proportion_interval
from howsure.tasks.classification.printed import checked
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import constant_of, found_of, of_probabilities
from howsure.tasks.truth import BELOW_CHANCE, truth_of
from howsure.words import counted

MOST_CLASSES = 10
"""Up to so many classes have their recall printed; of more, those with the lowest."""


@dataclass(frozen=True)
class Evaluation(Comparable, Displayed):
    """How good the probabilities of some rows are.

    Intervals are over rows: they are for the score of all rows like these. The error of the finite number of
    passes, which rows share, is not in them. Scores that mistakes decide have no interval (NaN) with fewer
    than five mistakes. docs/intervals.md shows how often intervals hold.

    Attributes:
        rows: How many.
        accuracy: Share of rows whose most probable class is true; higher is better.
        most_frequent: Name of the class that most rows are truly of; the first if several have as many.
        constant_accuracy: Accuracy of the constant answer `most_frequent`.
        accuracy_gain: accuracy less constant_accuracy, on the same rows (McNemar 1947).
        recall: By name of each class, the share of the rows truly of it that are taken for it; NaN, from 0 to
            1, if there are none.
        rows_of_class: By name of each class, how many rows are truly of it.
        nll: Mean −log p(true class), nats (Good 1952); lower is better, as for all that follow but
            the areas under ROC curves.
        brier: Mean Σ (p − y)² over classes, 0 to 2 (Brier 1950).
        ece: Mean |share right − confidence| over 15 bins of equal width (Guo and others 2017). Chance alone
            makes it larger than 0; its lower end is above 0 only if true percentages would come so far off in
            less than 5 % of such rows.
        aurc: Area under the risk-coverage curve: mean share of mistakes among the rows kept, over all numbers
            of rows kept, most certain first (Geifman and El-Yaniv 2017).
        error_auroc: Area under the ROC curve of 1 − confidence, for telling mistakes from right answers.
        error_fpr95: Share of mistakes still accepted if 95 % of the right answers are.
        outside_auroc: Area under the ROC curve of entropy, for telling rows from outside the distribution
            (Hendrycks and Gimpel 2017; by entropy, Lakshminarayanan and others 2017); NaN without such rows.
        outside_fpr95: Share of the rows from outside still accepted if 95 % of the others are.
        outside_auroc_by_disagreement: As outside_auroc, by mutual information; 0.5 if passes cannot disagree.
    """

    rows: int
    accuracy: Score
    most_frequent: str
    constant_accuracy: Score
    accuracy_gain: Score
    recall: Mapping[str, Score] = field(repr=False)  # of as many classes as there are
    rows_of_class: Mapping[str, int] = field(repr=False)
    nll: Score
    brier: Score
    ece: Score
    aurc: Score
    error_auroc: Score
    error_fpr95: Score
    outside_auroc: Score
    outside_fpr95: Score
    outside_auroc_by_disagreement: Score
    _found: Paired = field(repr=False)
    _confidence: Floats = field(repr=False)  # (N,) probability of the label
    _right: Booleans = field(repr=False)  # (N,) whether it is the true class
    _said: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        lines = [*self._heading, f"{self.rows:,} rows{self._in_groups}"]
        lowest = lowest_recall(self)
        of_classes = [f"recall of '{name}'" for name, _ in lowest]
        width = max(29 if len(self._found.outside) else 18, *map(len, of_classes))
        for item in fields(self):
            score = getattr(self, item.name)
            if item.name == "accuracy_gain" or ("outside" in item.name and not len(self._found.outside)):
                continue
            if isinstance(score, Score):
                lines.append(f"{item.name.replace('_', ' '):<{width}} {score}")
                if item.name == "constant_accuracy":
                    lines[-1] += f", always '{self.most_frequent}'"
        for of_class, (name, score) in zip(of_classes, lowest, strict=True):
            lines.append(f"{of_class:<{width}} {score}, {counted(self.rows_of_class[name], 'row')}")
        if len(lowest) == MOST_CLASSES < len(self.recall):
            lines.append("the recall of all other classes is not lower")
        if not self.accuracy_gain.low > 0:
            more = self.accuracy_gain.high < 0
            often = "more often" if more else "as often, as far as these rows can tell"
            lines.append(f"Always answering '{self.most_frequent}' would be right {often}.")
        if self.accuracy.high < 1 / len(self.recall):
            lines.append(BELOW_CHANCE)
        return "\n".join(lines)


def lowest_recall(evaluation: Evaluation) -> list[tuple[str, Score]]:
    """Name and recall of each true class that has rows; of many, of those with the lowest recall."""
    rows = evaluation.rows_of_class
    recalls = [(name, score) for name, score in evaluation.recall.items() if rows[name]]
    if len(recalls) > MOST_CLASSES:
        recalls.sort(key=lambda recall: (recall[1].value, -rows[recall[0]]))
    return recalls[:MOST_CLASSES]


def evaluate(
    certainty: Certainty,
    labels: Any,
    *,
    outside: Certainty | None,
    seed: int,
    background: int | None = None,
    groups: Integers | None = None,
) -> Evaluation:
    """The part `evaluate` of one class per row, without a `background`; see `howsure.evaluation.evaluate`."""
    truth = truth_of(certainty, labels)
    check_enough(truth)
    if outside is not None:
        check_outside(outside, certainty)
    alone = evaluate_in_words(certainty, truth, seed, groups)
    return alone if outside is None else beside(alone, certainty, outside)


def evaluate_in_words(
    certainty: Certainty, truth: Integers, seed: int, groups: Integers | None
) -> Evaluation:
    """As `evaluate_numbers`, with sentences above the scores."""
    scored = evaluate_numbers(certainty, truth, seed, groups=groups)
    return replace(scored, _said=checked(certainty._changed({"truth": truth}), scored.accuracy))


def evaluate_numbers(
    certainty: Certainty,
    truth: Integers,
    seed: int,
    through: Mapping[str, FitInfluence] | None = None,
    groups: Integers | None = None,
) -> Evaluation:
    """As `evaluate`, for labels that were read already: (N,) class numbers.

    `through` is what rows do to scores through cross-fits, by name.
    """
    check_enough(truth)
    names, rows = certainty.class_names, len(truth)
    measured = of_probabilities(certainty.probabilities, certainty.label, truth, seed)
    measured |= dict.fromkeys(OUTSIDE, Measured(np.nan, np.zeros(rows), 0))
    paired = Paired.of(scores.through_cross_fits(measured, through or {}), certainty, truth, groups=groups)
    constant = constant_of(certainty.label == truth, truth, groups)
    hits, truly = (counts.tolist() for counts in found_of(certainty.label, truth, len(names)))
    recall = dict(zip(names, map(_counted_share, hits, truly), strict=True))
    constant_accuracy = _counted_share(constant.right, rows)
    if groups is not None:
        of_classes = {names[k]: truth == k for k in np.flatnonzero(truly)}
        recall |= {
            name: _share_by_group(certainty.label[there] == truth[there], groups[there])
            for name, there in of_classes.items()
        }
        constant_accuracy = _share_by_group(truth == constant.label, groups)
    return Evaluation(
        rows=rows,
        **paired.scores,  # type: ignore[arg-type]
        most_frequent=names[constant.label],
        constant_accuracy=constant_accuracy,
        accuracy_gain=constant.gain,
        recall=recall,
        rows_of_class=dict(zip(names, truly, strict=True)),
        _found=paired,
        _confidence=certainty.probability,
        _right=certainty.label == truth,
    )


def _counted_share(count: int, total: int) -> Score:
    return Score(count / total if total else np.nan, *proportion_interval(count, total))


def _share_by_group(hits: Booleans, groups: Integers) -> Score:
    return scores.share_of_rows(hits).by_group(renumbered(groups)).score(0.95)


def beside(evaluation: Evaluation, certainty: Certainty, outside: Certainty) -> Evaluation:
    """An evaluation with the scores of rows from outside added, by entropy and by mutual information."""
    near, far = ((rows.entropy, rows.mutual_information) for rows in (certainty, outside))
    return with_outside(evaluation, near, far, outside.row)


def score_lines(result: Certainty, evaluation: Evaluation) -> list[list[Any]]:
    """The part `score_lines` of one class per row: cells of a csv table, the names of its columns first."""
    cells = [[name, *ends_of(score)] for name, score in all_scores(evaluation).items()]
    return [["score", "value", "low", "high"], *cells]


def all_scores(evaluation: Evaluation) -> dict[str, Score]:
    """Scores by name, and after them the recall of each true class."""
    scores = {name: score for name, score in vars(evaluation).items() if isinstance(score, Score)}
    return scores | {f"recall of {name}": score for name, score in evaluation.recall.items()}


def ends_of(score: Score) -> list[float | str]:
    """Value and interval; an empty text for a number that is not known."""
    return ["" if np.isnan(end) else float(end) for end in (score.value, score.low, score.high)]
