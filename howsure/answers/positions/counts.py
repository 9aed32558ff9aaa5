"""Right and wrong positions of each row of a `DenseCertainty`, one row at a time.

Everything that the scores of `howsure.answers.positions.scores` need is a sum over the positions of a row. So
they are exact over all positions of all rows, and memory holds one row and a few numbers of every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from howsure.answers.positions.result import DenseCertainty
from howsure.judge.scores import SMALLEST
from howsure.sampling.outcome import Booleans, Floats, Integers


def are_known(result: DenseCertainty) -> bool:
    """Whether the probabilities of all classes are known: they were kept, or there are two classes."""
    return result.all_probabilities is not None or len(result.class_names) == 2


def check_known(result: DenseCertainty) -> None:
    """An `InputError` that says how to keep the probabilities, unless they are known."""
    if len(result) and not are_known(result):
        known_probabilities(result, 0)


def known_probabilities(result: DenseCertainty, at: int) -> Floats:
    """(P, K) probabilities at the positions of the row at a place, in double precision.

    Raises:
        InputError: They were not kept, and there are more than two classes.
    """
    classes = len(result.class_names)
    if result.all_probabilities is None and classes == 2:
        top = np.asarray(result.probability[at], np.float64).reshape(-1)
        second = np.asarray(result.label[at]).reshape(-1) == 1
        of_second = np.where(second, top, 1 - top)
        return np.stack([1 - of_second, of_second], axis=1)
    return np.asarray(result.probabilities[at], np.float64).reshape(-1, classes)


BINS = 15
"""Bins of equal width, for the calibration error (Guo and others 2017)."""

DROPPED = 12
"""Bits in single precision that bins and thresholds leave out: 2,048 are left in each octave."""

_LEAST = np.float32(2.0**-24).view(np.int32) >> DROPPED
MOST = np.float32(1.0).view(np.int32) >> DROPPED
DOUBT_BINS = int(MOST - _LEAST) + 2
"""Bins of 1 − p: that of 0, and those from the least that single precision tells from it to 1."""


@dataclass(frozen=True)
class Counts:
    """Sums over the positions that count, of each of N rows.

    Attributes:
        counted: (N,) positions that count.
        right: (N,) of these, those whose label is true.
        both: (N, K) positions whose label and truth are that class.
        there: (N, K) positions truly of that class.
        taken: (N, K) positions with that label.
        bins: (N, BINS, 3) positions, right ones, and Σ probability, by the probability of the label.
        nll: (N,) Σ −log p(true class), nats; None if it is not known.
        brier: (N,) Σ Σ_k (p − y)²; None if it is not known.
        digest: (N,) of the true classes, to tell whether two evaluations are of the same.
    """

    counted: Floats
    right: Floats
    both: Floats
    there: Floats
    taken: Floats
    bins: Floats
    nll: Floats | None
    brier: Floats | None
    digest: Integers

    def of(self, rows: Booleans) -> Counts:
        """Those of some rows (N,) alone."""
        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        chosen = {name: each[rows] for name, each in given.items() if each is not None}
        return replace(self, **chosen)

    def without(self, background: int | None) -> Counts:
        """The same with all classes but one, or all of them."""
        if background is None:
            return self
        fewer = {name: np.delete(getattr(self, name), background, axis=1) for name in _OF_CLASSES}
        return replace(self, **fewer)

    @classmethod
    def joined(cls, parts: Sequence[Counts]) -> Counts:
        """Those of several results of the same classes, one after the other."""
        given: dict[str, Any] = {
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(cls)
            if getattr(parts[0], each.name) is not None
        }
        return replace(parts[0], **given)


_OF_CLASSES = ("both", "there", "taken")
"""Counts with a value for each class."""

Truths = Callable[[], Iterator[Integers]]
"""Begins anew with the true classes (P,) of one row after the other."""


def counted_of(result: DenseCertainty, truths: Truths) -> Counts:
    """Count all rows, one at a time."""
    rows, classes, known = len(result), len(result.class_names), are_known(result)
    counted, right, nll, brier = np.zeros((4, rows))
    both, there, taken = np.zeros((3, rows, classes))
    bins, digest = np.zeros((rows, BINS, 3)), np.zeros(rows, dtype=np.int64)
    for at, truth in enumerate(truths()):
        found = hashlib.blake2b(truth.astype(np.int16).tobytes(), digest_size=8).digest()
        digest[at] = int.from_bytes(found, "little", signed=True)
        counts = truth >= 0
        true, label, top = truth[counts], _of(result.label, at)[counts], _of(result.probability, at)[counts]
        hit = label == true
        counted[at], right[at] = len(true), np.count_nonzero(hit)
        there[at], taken[at] = (np.bincount(each, minlength=classes) for each in (true, label))
        both[at] = np.bincount(true[hit], minlength=classes)
        place = np.clip(np.ceil(top.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
        for column, weight in enumerate((None, hit, top)):
            bins[at, :, column] = np.bincount(place, weight, BINS)
        if known:
            p = known_probabilities(result, at)[counts]
            of_true = np.take_along_axis(p, true[:, None], axis=1)[:, 0]
            nll[at] = -np.log(np.maximum(of_true, SMALLEST)).sum()
            brier[at] = np.einsum("nk,nk->", p, p) + np.sum(1 - 2 * of_true)
    losses = {"nll": nll, "brier": brier} if known else {"nll": None, "brier": None}
    return Counts(counted, right, both, there, taken, bins, digest=digest, **losses)


def dice_of_rows(
    result: DenseCertainty, truths: Iterator[Integers], background: int | None = None
) -> tuple[Integers, Floats]:
    """How many positions of each row count, and the mean Dice over the classes that its truth or label has.

    Args:
        result: Result of N rows.
        truths: True classes of one row after the other.
        background: Number of a class that the means leave out, or None.

    Returns:
        (N,) and (N,). The Dice is NaN of a row that has none of these classes.
    """
    classes = len(result.class_names)
    counted, both, sizes = np.zeros(len(result), dtype=np.int64), *np.zeros((2, len(result), classes))
    for at, truth in enumerate(truths):
        counts = truth >= 0
        true, label = truth[counts], _of(result.label, at)[counts]
        counted[at] = len(true)
        both[at] = np.bincount(true[true == label], minlength=classes)
        sizes[at] = np.bincount(true, minlength=classes) + np.bincount(label, minlength=classes)
    if background is not None:
        both, sizes = (np.delete(each, background, axis=1) for each in (both, sizes))
    return counted, mean_dice(both, sizes)


def mean_dice(both: Integers | Floats, sizes: Integers | Floats) -> Floats:
    """(…) mean of 2 TP / (2 TP + FP + FN) over the classes that are there; NaN of none.

    Args:
        both: (…, K) TP.
        sizes: (…, K) 2 TP + FP + FN.
    """
    return _mean_over_classes(2 * both, sizes)


def mean_iou(both: Integers | Floats, sizes: Integers | Floats) -> Floats:
    """(…) mean of TP / (TP + FP + FN) over the classes that are there, with the arguments of `mean_dice`."""
    return _mean_over_classes(both, sizes - both)


def _mean_over_classes(top: Integers | Floats, bottom: Integers | Floats) -> Floats:
    there = bottom > 0
    of_class = np.where(there, top, 0) / np.where(there, bottom, 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(of_class.sum(axis=-1) / there.sum(axis=-1))


def told_apart(result: DenseCertainty, truths: Truths) -> tuple[float, Floats, int]:
    """Area under the ROC curve of 1 − p(label), for telling wrong positions from right ones.

    It is the share of the W · R pairs of a wrong and a right position in which the wrong one has the smaller
    probability; equals count half. Probabilities count as equal where their 1 − p are in one of the 2,048
    bins of an octave. With S_i the pairs whose wrong position is in row i, T_i those whose right one is, and
    w_i and r_i its wrong and right positions, row i contributes (S_i + T_i) / W R − area · (w_i / W + r_i /
    R).

    Returns:
        The area, NaN where nothing is wrong or nothing right; the contributions (N,); and how many rows hold
        the wrong positions, or the right ones if these are fewer; see `rows_that_decide`.
    """
    rows = len(result)
    of_all, number = np.zeros((2, DOUBT_BINS)), np.zeros((2, rows))

    def each_row() -> Iterator[tuple[int, Booleans, Integers]]:
        for at, truth in enumerate(truths()):
            counts = truth >= 0
            yield at, (_of(result.label, at) != truth)[counts], doubt_bin(_of(result.probability, at)[counts])

    for at, wrong, place in each_row():
        for kind, chosen in enumerate((~wrong, wrong)):
            np.add.at(of_all[kind], place[chosen], 1)
            number[kind, at] = np.count_nonzero(chosen)
    right, wrong_ones = number.sum(axis=1)
    if not right or not wrong_ones:
        return float("nan"), np.zeros(rows), 0
    surer = np.cumsum(of_all[0]) - of_all[0] / 2  # right positions with less doubt
    doubtful = wrong_ones - np.cumsum(of_all[1]) + of_all[1] / 2  # wrong positions with more doubt
    pairs = np.zeros((2, rows))
    for at, wrong, place in each_row():
        pairs[0, at], pairs[1, at] = surer[place[wrong]].sum(), doubtful[place[~wrong]].sum()
    pairs /= right * wrong_ones
    area = float(pairs[0].sum())
    parts = pairs.sum(axis=0) - area * (number[0] / right + number[1] / wrong_ones)
    return area, parts, min(map(rows_that_decide, number))


def rows_that_decide(weights: Floats) -> int:
    """How many rows of equal weight would vary as much as rows of these (N,): (Σ w)² / Σ w² (Kish 1965)."""
    squares = float(np.sum(weights**2))
    return int(np.sum(weights) ** 2 / squares + 1e-9) if squares else 0


def doubt_bin(probability: Floats) -> Integers:
    """Number of the bin that holds 1 − p: of 2,048 in each octave, by the bits of single precision."""
    doubt = np.maximum(1 - np.asarray(probability, np.float32), 0)
    return np.asarray(np.maximum((doubt.view(np.int32) >> DROPPED) - (_LEAST - 1), 0))


def _of(maps: Any, at: int) -> Any:
    return np.asarray(maps[at]).reshape(-1)
