"""Parts of a comparison for results of a class at each position: true classes, scores, calibration and words.

Rows are independent and their positions are not. So each score is a mean over rows of one number of each row,
and a difference of two methods is a mean of paired differences of rows. With n positions that count in a row:

    nll       Σ −log p(true class) / n, nats                                   (Good 1952)
    brier     Σ Σ_k (p_k − y_k)² / n, 0 to 2                                   (Brier 1950)
    row_dice  mean of 2 TP / (2 TP + FP + FN) over the classes of the row      (Dice 1945)
    row_iou   mean of TP / (TP + FP + FN) over them                            (Jaccard 1901)

The classes of a row are those that its truth or its label has, without the background where the caller names
one; a row that has none of them in either is left out of these means. NLL and Brier score are those of
`howsure.evaluate` where the same number of positions counts in all rows; there each position weighs the same.
`ece` is over all positions, and `aurc` is of the order of rows by `doubt`, as in `howsure.evaluate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax

from howsure.compare.comparison import Comparing, Comparison, Wording
from howsure.compare.parts import ACCURACY, Claims, Parts, Scale, at_best, left_out, nothing
from howsure.compare.sentences import besides, in_numbers, joined
from howsure.errors import InputError
from howsure.evaluation.cross_fit import FitInfluence, fit_influence
from howsure.evaluation.groups import renumbered
from howsure.evaluation.paired import Compared, Paired, check_enough, with_outside
from howsure.evaluation.score import OUTSIDE, SMALLEST, Mean, Measured, Score, centred, through_cross_fits
from howsure.evaluation.temperature import Losses, least
from howsure.inputs.rows import quoted
from howsure.methods.plain import SOFTMAX
from howsure.request import KEEP_PROBABILITIES
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification import maps
from howsure.tasks.classification.compare import ClassWords, of_shares
from howsure.tasks.segmentation.calibrate import Fits, counted_in, cross_fitted, losses_in, tempered
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.scores import (
    COMPARED,
    Counts,
    calibration_error,
    check_given,
    check_known,
    counted_of,
    known_probabilities,
    loss_of,
    mean_of,
    of_rows,
    truths_of,
)
from howsure.tasks.segmentation.truth import truth_map
from howsure.words import rate


@dataclass(frozen=True)
class RowScores(Compared):
    """The scores `COMPARED` of rows with a position that counts, and the counts of these."""

    _counts: Counts = field(repr=False)


def _scored(
    result: DenseCertainty,
    truth: Any,
    seed: int,
    through: Mapping[str, FitInfluence] | None = None,
    *,
    background: int | None = None,
    groups: Integers | None = None,
) -> RowScores:
    check_known(result)
    counts = counted_of(result, truth)
    scored = counts.counted > 0
    check_enough(counts.digest[scored])
    some, alike = counts.of(scored), np.ones(int(scored.sum()))
    nll, brier = (losses / some.counted for losses in (some.nll, some.brier) if losses is not None)
    averaged = some.without(background)
    ranked = of_rows(result.doubt[scored], averaged.dice)
    measured = {
        "nll": loss_of(nll, alike),
        "brier": loss_of(brier, alike),
        "row_dice": ranked["row_dice"],
        "row_iou": mean_of(averaged.iou),
        "ece": calibration_error(some.bins, seed),
        "aurc": ranked["aurc"],
        **dict.fromkeys(OUTSIDE, Measured(np.nan, np.zeros(len(nll)), 0)),
    }
    of_scored = None if groups is None else renumbered(groups[scored])
    through_fits = through_cross_fits(measured, through or {})
    return RowScores(Paired.of(through_fits, result, some.digest, scored, of_scored), some)


def _through(result: DenseCertainty, truth: Any, fits: Fits) -> dict[str, FitInfluence]:
    """The influence of each row on the scores `SLOPED` of the rows through their cross-fits."""
    count = counted_in(result, truth)[:, 0]
    scored = count > 0
    slopes = [
        _slopes(result[at : at + 1], truth[at : at + 1], beta)
        for at, beta in enumerate(fits.of_folds.tolist())
    ]
    by_score = zip(maps.SLOPED, np.stack(slopes, axis=-1)[..., scored, None], strict=True)
    moved = fits.fold[scored], fits.moves[:, scored]
    return {name: fit_influence(*moved, *(of_rows / count[scored, None])) for name, of_rows in by_score}


def _slopes(row: DenseCertainty, truth: Any, beta: float) -> Floats:
    """(2, 2) first and second derivative by β of the scores `SLOPED`, summed over the positions of a row."""
    true = next(truths_of(row, truth))
    counts = true >= 0
    p = known_probabilities(row, 0)[counts]
    first, second = maps.slopes({"temperature": np.array(1 / beta)}, p, true[counts])
    return np.stack([first[..., 0].sum(axis=-1), second[:, 0, 0]], axis=1)


def _nll_parts(result: DenseCertainty, truth: Any, evaluation: RowScores) -> Parts:
    """The parts of the NLL of N rows, of which each counts the same; see `howsure.compare.parts`."""
    counts = evaluation._counts
    there, share = np.isin(result.row, evaluation._found.row), np.zeros(len(result))
    share[there] = 1 / counts.counted

    def at(theta: Floats) -> Losses:
        return losses_in(result, truth, lambda row: theta).weighted(share)

    nll, (beta,), best = evaluation.measured("nll"), *least(at, np.ones(1))
    loss, slopes, curvature = best.value[there], best.slope[there], best.curvature[there, 0, 0]
    total = curvature.sum()
    steps, leverage = slopes / total, curvature / total
    return Parts(
        nll=nll,
        best=at_best(loss, steps, slopes, leverage, len(loss)),
        accuracy=of_shares(counts.right / counts.counted, counts.both.shape[1], len(loss)),
        alternatives=_alternatives(result, truth, beta, steps[:, 0] * left_out(leverage), there),
        zeros=nothing(nll),
        offsets=nothing(nll),
        scale=Scale(-np.log(beta), steps[:, 0] * left_out(leverage) / beta, len(loss), leverage=leverage),
    )


def _alternatives(result: DenseCertainty, truth: Any, beta: float, steps: Floats, there: Any) -> Mean:
    """At wrong positions, the NLL of the true class among all but the top one, less log (K − 1)."""
    losses, slopes = np.zeros((2, len(result)))
    for at, true in enumerate(truths_of(result, truth)):
        counts = true >= 0
        if not counts.any():
            continue
        logs = np.log(np.maximum(known_probabilities(result, at)[counts], SMALLEST))
        top, of_true, each = logs.argmax(axis=1), true[counts], np.arange(len(logs))
        wrong, others = top != of_true, beta * logs
        others[each, top] = -np.inf
        q, of_true_log = softmax(others, axis=1), logs[each, of_true]
        lost = logsumexp(others, axis=1) - beta * of_true_log - np.log(max(logs.shape[1] - 1, 1))
        losses[at] = np.sum(lost[wrong]) / len(logs)
        slopes[at] = np.sum((np.sum(q * logs, axis=1) - of_true_log)[wrong]) / len(logs)
    moved = -steps * slopes[there].mean()
    return Mean(float(losses[there].mean()), centred(losses[there]) + moved, int(there.sum()))


def _claims(result: DenseCertainty, truth: Any, evaluation: RowScores) -> Claims:
    counts = evaluation._counts
    claimed = counts.bins[:, :, 2].sum(axis=1) / counts.counted
    return Claims(float(claimed.mean()), float(np.mean(counts.right / counts.counted)))


def _scored_outside(evaluation: RowScores, result: DenseCertainty, outside: DenseCertainty) -> RowScores:
    """An evaluation with the scores of rows from outside added, by doubt and by mutual information.

    A temperature leaves open how much of the doubt is disagreement, so that is the one of the passes.
    """
    scored = np.isin(result.row, evaluation._found.row)
    near = result.doubt[scored], result.mean_mutual_information[scored]
    return with_outside(evaluation, near, (outside.doubt, outside.mean_mutual_information), outside.row)


def _calibrated(
    result: DenseCertainty,
    truth: Any,
    changed: Sequence[DenseCertainty] = (),
    others: Sequence[DenseCertainty] = (),
    *,
    seed: int = 0,
) -> tuple[list[DenseCertainty], list[DenseCertainty], list[Mapping[str, FitInfluence]]]:
    """The same with one temperature, cross-fitted over rows; see `Comparing.calibrated`."""
    fits = cross_fitted(result, truth, seed)
    settings = {"method": "temperature", "rows": len(result), "temperature": 1 / fits.overall}

    def use(rows: DenseCertainty, beta: Floats) -> DenseCertainty:
        return replace(tempered(rows, beta), method={**rows.method, "calibration": settings})

    near = [use(rows, fits.of_folds) for rows in (result, *changed)]
    far = [use(rows, np.full(len(rows), fits.overall)) for rows in others]
    return near, far, [_through(rows, truth, fits) for rows in (result, *changed)]


def _truth_of_labels(labels: Any, rows: int, probe: DenseCertainty) -> Any:
    return truth_map(labels, (rows, *probe.positions), probe.class_names)


def _known_truth(result: DenseCertainty, labels: Any) -> Any:
    check_given(result, labels)
    return result.truth if labels is None else _truth_of_labels(labels, len(result), result)


def _aligned(name: str, result: DenseCertainty, first: str, baseline: DenseCertainty) -> DenseCertainty:
    """A result, or an `InputError` where its classes or positions are not those of the baseline."""
    for what, own, its in (
        ("classes", quoted(result.class_names), quoted(baseline.class_names)),
        ("positions", *(" × ".join(map(str, rows.positions)) for rows in (result, baseline))),
    ):
        if own != its:
            raise InputError(f"'{name}' has other {what} than '{first}'", expected=its, received=own)
    return result


def _gathered(blocks: Iterator[DenseCertainty], rows: int, folder: Path) -> DenseCertainty:
    """Blocks of a result as one whose maps lie in files."""

    def saved() -> Iterator[DenseCertainty]:
        for number, block in enumerate(blocks):
            place = folder / f"{number}"
            replace(block, all_errors=None).save(place)
            yield DenseCertainty.load(place)

    return DenseCertainty.joined(saved())


def _without_rows(result: DenseCertainty) -> DenseCertainty:
    nothing: dict[str, Any] = {name: np.array(array) for name, array in result[:0]._arrays.items()}
    return replace(result[:0], **nothing)


def _losses_of_probabilities(p: Floats, truth: Any, rows: Any) -> tuple[Floats, Floats]:
    losses, wrong = np.full((2, len(p)), np.nan)
    for at, (own, true) in enumerate(zip(p, truth[rows], strict=True)):
        counts = true >= 0
        if counts.any():
            of_true = np.take_along_axis(own, np.maximum(true, 0)[..., None], axis=-1)[..., 0][counts]
            losses[at] = -np.log(np.maximum(of_true, SMALLEST)).mean()
            wrong[at] = np.mean(own.argmax(axis=-1)[counts] != true[counts])
    return losses, wrong


# --- words ----------------------------------------------------------------------------------------------


class PositionWords(ClassWords):
    """The words of a class at each position; see `howsure.compare.comparison.Words`."""

    questions: Mapping[str, Wording] = {
        "nll": ClassWords.questions["nll"],
        "row_dice": Wording(
            "Which method's labels are closest to the truth?",
            "the labels closest to the truth",
            "on average the Dice of its {kind}s is {value}",
            "above",
        ),
        "aurc": Wording(
            "Which method knows best where its labels are wrong?",
            "the best order from certain to doubtful",
            "on average over the shares of {kind}s that {it} may keep, surest first, their 1 − "
            "Dice is {value}",
            "below",
        ),
    }
    changed: Sequence[str] = ("nll", "row_dice")
    short: Sequence[tuple[str, str]] = (
        ("Dice", "row_dice"),
        ("IoU", "row_iou"),
        ("NLL", "nll"),
        ("ECE", "ece"),
        ("AURC", "aurc"),
    )
    shift = replace(ClassWords.shift, said="The mean Dice of {baseline}")
    reasons: Mapping[tuple[str, bool], str] = {
        **ClassWords.reasons,
        (ACCURACY, True): "its labels are right more often",
        (ACCURACY, False): "its labels are right less often",
    }
    page = "segmentation/comparison.html.j2"

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """See `Words`."""
        return joined(
            super().take(comparison, method, worse), besides(comparison, method, "row_dice", "Dice", _points)
        )

    def doubt(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        return ""

    def note(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        if comparison.ranked(name).best is None:
            return ""
        kind, where = comparison.kind, next(iter(comparison.certainties.values())).position_name
        if name == "row_dice":
            but = "" if comparison.background is None else f" but '{comparison.background}'"
            return (
                f"The Dice of one {kind} is the mean over its classes{but} of 2 TP / (2 TP + FP + FN), 100 % "
                f"if all {where}s are right. Each {kind} counts the same."
            )
        if name == "aurc":
            return f"This is the AURC of {kind}s, with the least doubtful ones first."
        note = super().note(comparison, name)
        return f"{note} It is the mean over the {where}s of each {kind}, and each {kind} counts the same."

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The mean Dice of the baseline, and how often its labels are right beside what it claims."""
        dice = rate(comparison.score(comparison.methods[0], "row_dice", rows).value)
        return f"{dice} ({super().shifted_value(comparison, rows)})"


def _points(gap: Score) -> tuple[str, str]:
    """A difference of Dice in words and its interval: `1.2 points higher` and `0.8 to 1.6`."""
    sign, word = (100, "higher") if gap.value > 0 else (-100, "lower")
    low, high = sorted((sign * gap.low, sign * gap.high))
    value, interval = in_numbers(Score(sign * gap.value, low, high))
    return f"{value}\u00a0points {word}", interval


COMPARING = Comparing(
    truth=_truth_of_labels,
    known=_known_truth,
    aligned=_aligned,
    scored=_scored,
    beside=_scored_outside,
    calibrated=_calibrated,
    parts=_nll_parts,
    alone=_losses_of_probabilities,
    claims=_claims,
    metrics=COMPARED,
    plain=SOFTMAX,
    needs="true classes",
    words=PositionWords(),
    keep=KEEP_PROBABILITIES,
    gathered=_gathered,
    kept=_without_rows,
)
