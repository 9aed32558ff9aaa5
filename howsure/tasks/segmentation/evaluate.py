"""Are the classes at positions true? Scores of a `DenseCertainty` against true classes, one row at a time.

`howsure.tasks.segmentation.scores` defines the scores and their intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from howsure.arguments import check_whole
from howsure.displayed import Displayed
from howsure.evaluation.groups import renumbered
from howsure.evaluation.paired import Comparable, Paired, check_enough, with_outside
from howsure.evaluation.score import Score, in_columns
from howsure.results.origin import check_outside
from howsure.sampling.outcome import Integers
from howsure.tasks.classification.evaluate import ends_of
from howsure.tasks.segmentation.printed import checked
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.scores import (
    METRICS,
    are_known,
    counted_of,
    named_of,
    of_counts,
    of_rows,
)
from howsure.tasks.segmentation.truth import Ignored
from howsure.words import counted

MOST_CLASSES = 10
"""Up to so many classes are printed; of more, those with the lowest Dice."""

NOT_KEPT = (
    "NLL and Brier score are missing: they need the probabilities of all classes. "
    '`howsure.assess(…, keep="probabilities")` keeps them.'
)


@dataclass(frozen=True)
class DenseEvaluation(Comparable, Displayed):
    """How good the classes at the positions of some rows are.

    Scores of positions are over all positions that count, of all rows together. Intervals are over rows,
    which are independent, not over positions, which are not. They are NaN where fewer than five rows of equal
    weight would vary as much (Kish 1965), for means over classes and `ece` of fewer than 20 rows, and for
    `aurc` and `aurg` of fewer than 30. docs/positions.md shows how often they hold. The error of the finite
    number of passes is not in them.

    Attributes:
        rows: How many rows have a position that counts.
        positions: How many positions count.
        accuracy: Share of the positions whose label is true; higher is better.
        dice: By name of each class, 2 TP / (2 TP + FP + FN) over all positions; NaN of a class that neither
            truth nor label has.
        iou: By name of each class, TP / (TP + FP + FN).
        mean_dice: Mean of `dice` over the classes that are there, without `background`. A class that is true
            and never the label has a Dice of 0, which counts.
        mean_iou: Mean of `iou` likewise.
        positions_of_class: By name of each class, how many positions are truly of it.
        nll: Mean −log p(true class), nats; lower is better. None if the probabilities of all classes are
            not known: they were not kept, and there are more than two classes.
        brier: Mean Σ (p − y)² over classes, 0 to 2; lower is better. None likewise.
        ece: Mean |share right − probability of the label| over 15 bins of equal width. Its lower end is above
            0 only if true percentages would come so far off in less than 5 % of such rows.
        row_dice: Mean over rows of the Dice of a row: the mean over the classes that its truth or its label
            has, without `background`. So a class that a row has in neither is left out there, as in nnU-Net,
            and one that it has in the label alone counts as 0. A row that has none of these classes in
            either is left out, here and in `aurc` and `aurg`.
        aurc: Area under the risk-coverage curve of rows: mean 1 − Dice of the rows kept, over all numbers
            of rows kept, those with the least `doubt` first (Geifman and El-Yaniv 2017).
        aurg: How much smaller that is than in a random order, as a share of the mean 1 − Dice (Poggi and
            others 2020). None if all rows have the same `doubt`, or a Dice of 1.
        background: Name of the class that means over classes leave out, or None.
        note: Names missing scores and how to get them, sentences; empty if nothing is missing.
        outside_auroc: Area under the ROC curve of `doubt`, for telling rows from outside the distribution;
            None without them.
        outside_fpr95: Share of the rows from outside still accepted if 95 % of the others are.
        outside_auroc_by_disagreement: As outside_auroc, of the mean mutual information of a row's positions.
    """

    rows: int
    positions: int
    accuracy: Score
    dice: Mapping[str, Score] = field(repr=False)  # of as many classes as there are
    iou: Mapping[str, Score] = field(repr=False)
    mean_dice: Score
    mean_iou: Score
    positions_of_class: Mapping[str, int] = field(repr=False)
    nll: Score | None
    brier: Score | None
    ece: Score
    row_dice: Score
    aurc: Score
    aurg: Score | None
    background: str | None
    note: str
    _kind: str = field(repr=False)
    _position_name: str = field(repr=False)
    _found: Paired = field(repr=False)
    outside_auroc: Score | None = None
    outside_fpr95: Score | None = None
    outside_auroc_by_disagreement: Score | None = None
    _said: tuple[str, ...] = field(default=(), repr=False)

    @property
    def counted(self) -> str:
        """`12 images, 49,152 pixels`."""
        rows = counted(self.rows, self._kind) + self._in_groups
        return f"{rows}, {counted(self.positions, self._position_name)}"

    @property
    def _averaged(self) -> str:
        return "classes" if self.background is None else f"classes but '{self.background}'"

    def cells(self) -> list[list[str]]:
        """Name, value, interval and good direction of every score that is not of one class."""
        words = {
            "position": self._position_name,
            "positions": f"{self._position_name}s",
            "a_row": f"an {self._kind}" if self._kind[0] in "aeiou" else f"a {self._kind}",
            "row": self._kind,
            "rows": f"{self._kind}s",
            "classes": f"the {self._averaged}",
            "those": self._averaged,
        }
        scores = {name: getattr(self, name) for name in METRICS}
        return [
            [METRICS[name].heading.format(**words), str(score), METRICS[name].good.format(**words)]
            for name, score in scores.items()
            if score is not None
        ]

    def cells_of_classes(self) -> list[list[str]]:
        """Name, Dice, IoU, and number of true positions of each class; of many, the lowest Dice."""
        names = [name for name, score in self.dice.items() if np.isfinite(score.value)]
        if len(names) > MOST_CLASSES:
            names = sorted(names, key=lambda name: self.dice[name].value)[:MOST_CLASSES]
        return [
            [name, str(self.dice[name]), str(self.iou[name]), f"{self.positions_of_class[name]:,}"]
            for name in names
        ]

    def sentences(self) -> list[str]:
        """Further sentences."""
        sentences = [self.note] if self.note else []
        scores = [getattr(self, name) for name in METRICS if getattr(self, name) is not None]
        if any(math.isfinite(score.value) and math.isnan(score.low) for score in scores):
            sentences.append(f"Scores without an interval have too few {self._kind}s, or too unequal ones.")
        return sentences

    def __str__(self) -> str:
        lines = [*self._heading, self.counted, *in_columns(self.cells())]
        head = ["class", "Dice", "IoU", f"{self._position_name}s"]
        return "\n".join([*lines, *in_columns([head, *self.cells_of_classes()]), *self.sentences()])


def ignored(result: DenseCertainty, labels: Any, ignore: int | Sequence[int]) -> Ignored:
    """The part `ignored` of positions: labels of which more class numbers do not count."""
    for number in ignore if isinstance(ignore, (list, tuple)) else [ignore]:
        check_whole(number, "ignore", least=np.iinfo(np.int64).min)
    return Ignored(result.truth if labels is None else labels, ignore)


def evaluate(
    result: DenseCertainty,
    labels: Any,
    *,
    outside: Any,
    seed: int,
    background: int | None = None,
    groups: Integers | None = None,
) -> DenseEvaluation:
    """The part `evaluate` of positions; see `howsure.evaluation.evaluate.evaluate`."""
    if outside is not None:
        check_outside(outside, result)

    counts = counted_of(result, labels)
    scored = counts.counted > 0
    check_enough(counts.digest[scored])
    some = counts.of(scored)
    measured = of_counts(some, result.class_names, seed, background)
    dice = some.without(background).dice
    measured |= of_rows(result.doubt[scored], dice)
    of_scored = None if groups is None else renumbered(groups[scored])
    paired = Paired.of(measured, result, some.digest, scored, of_scored)
    scores = paired.scores
    names = result.class_names
    alone = DenseEvaluation(
        rows=int(scored.sum()),
        positions=int(some.counted.sum()),
        **{name: scores.get(name) for name in METRICS},  # type: ignore[arg-type]
        dice={name: scores[named_of("dice", name)] for name in names},
        iou={name: scores[named_of("iou", name)] for name in names},
        positions_of_class=dict(zip(names, some.there.sum(axis=0).astype(int).tolist(), strict=True)),
        background=None if background is None else names[background],
        note=_note(result, int(np.sum(~scored)), int(np.sum(np.isnan(dice)))),
        _kind=result.kind,
        _position_name=result.position_name,
        _found=paired,
        _said=checked(result, scores["accuracy"]),
    )
    if outside is None:
        return alone
    near = result.doubt[scored], result.mean_mutual_information[scored]
    return with_outside(alone, near, (outside.doubt, outside.mean_mutual_information), outside.row)


def _note(result: DenseCertainty, left_out: int, empty: int) -> str:
    sentences = [] if are_known(result) else [NOT_KEPT]
    if left_out:
        sentences.append(
            f"{counted(left_out, result.kind)} without a {result.position_name} that counts "
            f"{'is' if left_out == 1 else 'are'} left out."
        )
    if empty:
        sentences.append(
            f"Means over {result.kind}s leave out {counted(empty, result.kind)} with none of these classes, "
            "neither in the truth nor in the label."
        )
    return " ".join(sentences)


def score_lines(result: DenseCertainty, evaluation: DenseEvaluation) -> list[list[Any]]:
    """The part `score_lines` of positions: cells of a csv table, the names of its columns first."""
    del result
    scores = {name: getattr(evaluation, name) for name in METRICS}
    cells = [["", name, *ends_of(score)] for name, score in scores.items() if score is not None]
    for of_class in ("dice", "iou"):
        of_classes = getattr(evaluation, of_class)
        cells += [[name, of_class, *ends_of(score)] for name, score in of_classes.items()]
    return [["class", "score", "value", "low", "high"], *cells]
