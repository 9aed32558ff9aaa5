"""The rows that a calibrator has learnt from: scores of them, and promises made with them, would be too good.

A row is known again by a digest of what the model said of it, before calibration. A calibrator keeps the
digests of its labelled rows, of many rows a sample, and marks these rows where it meets them, in the column
`learnt_from`. The marks stay with the rows, so slices, joined results and files keep them. So does a
last-layer Laplace with its training rows, by digests of logits. A familiarity keeps such digests too.

Other rows may have the same digest, where a model puts out few different numbers. So the rows of a result are
marked where they are all the rows that were learnt from, or where more of them have the digest of one
labelled row than chance explains. If n₂ digests of n labelled rows occur twice, the chance of a new row to
have a digest that occurs once is about 2 n₂ / n (Good 1953).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError, warn
from howsure.evaluation.groups import ask_for_groups
from howsure.evaluation.paired import Comparable
from howsure.inputs.duplicates import mark_of
from howsure.inputs.loaders import length
from howsure.inputs.transforms import parts
from howsure.inputs.typed_json import FROM_0, typed, wrong
from howsure.results.result import Result
from howsure.sampling.outcome import Booleans, Floats
from howsure.words import counted

KEPT = 1024
"""Digests that are kept at most, 16 kB in a file: of a million rows one in a thousand."""

BITS = 18
"""Bits of a number that its digest depends on: the rounding of 32-bit outputs rarely changes these."""

COARSE = 6
"""The same where rows are counted that are copies: rounding changes these hardly ever."""

FIRST = 32
"""Numbers of a row that are looked at there: of 1,000 classes all would take half as long as all scores."""

LEAST_DISTINCT = 25
"""Marks below which counts may be even by chance: nine in ten of so many are in 1 of 100,000 cases."""

_LOSSES = ("nll", "mae", "accuracy")
"""Beginnings of names of scores whose parts differ from row to row; the first that there is counts. For
classes it is not the accuracy, which most rows share."""

THRESHOLDED = ("undecided", "unsettled")
"""Numbers of a row that thresholds of verdicts change, and no digest depends on."""

BEYOND_CHANCE = 4
"""Standard deviations: by chance alone fewer than one result in 10,000 goes beyond."""

Digests = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class FittedRows:
    """The rows that something has learnt from.

    Attributes:
        rows: How many.
        total: Sum of their digests, modulo 2⁶⁴.
        kept: The digests in order: all of them, or the `KEPT` smallest.
    """

    rows: int
    total: int
    kept: Digests

    @classmethod
    def of(cls, result: Result[Any], there: Any = slice(None)) -> Self:
        """The rows of a result as the model gave it; `there` chooses some of them."""
        return cls.of_digests(digests(result)[there])

    @classmethod
    def of_digests(cls, row_digests: Digests) -> Self:
        """The rows with these digests."""
        row_digests = np.sort(row_digests)
        return cls(len(row_digests), int(row_digests.sum()), row_digests[:KEPT])

    def among(self, result: Result[Any]) -> Booleans:
        """(N,) which rows of a result, as the model gave it, were learnt from, as far as that shows."""
        return self.among_digests(digests(result))

    def among_digests(self, row_digests: Digests) -> Booleans:
        """(N,) the same of rows with these digests."""
        if len(row_digests) == self.rows and int(row_digests.sum()) == self.total:
            return np.ones(len(row_digests), dtype=bool)
        distinct, times = np.unique(self.kept, return_counts=True)
        sampled = row_digests if self.rows == len(self.kept) else row_digests[row_digests <= self.kept[-1]]
        met = np.isin(distinct[times == 1], sampled).sum()
        expected = 2 * (np.sum(times == 2) + 1) * len(sampled) / max(1, len(self.kept))
        deviation = np.sqrt(expected * (1 + 2 * len(sampled) / max(1, len(self.kept))))
        return np.asarray(np.isin(row_digests, distinct) & (met > expected + BEYOND_CHANCE * deviation))

    @property
    def as_json(self) -> dict[str, Any]:
        """The rows as JSON can hold them."""
        return {"rows": self.rows, "total": self.total, "kept": self.kept.astype(">u8").tobytes().hex()}

    @classmethod
    def read(cls, content: Any) -> Self:
        """The inverse of `as_json`."""
        saved = typed(Mapping[str, Any], content, "learnt_rows")
        rows, total = (
            typed(Annotated[int, FROM_0], saved[name], f"learnt_rows.{name}") for name in ("rows", "total")
        )
        saved_digests = np.frombuffer(
            bytes.fromhex(typed(str, saved["kept"], "learnt_rows.kept")), ">u8"
        ).astype(np.uint64)
        if len(saved_digests) != min(rows, KEPT) or (saved_digests[1:] < saved_digests[:-1]).any():
            raise wrong(
                "learnt_rows.kept", f"{min(rows, KEPT):,} digests in order", f"{len(saved_digests):,} digests"
            )
        return cls(rows, total, saved_digests)


def digests(result: Result[Any]) -> Digests:
    """(N,) a digest of what a model said of each row."""
    return digests_of(_answer_columns(result))


def _answer_columns(result: Result[Any]) -> Floats:
    """(N, M) what a model said of each row, in numbers."""
    names = [result.first_numbers(), *(column.name for column in result.columns if column.of_maps)]
    return np.column_stack([getattr(result, name) for name in names if name not in THRESHOLDED])


def digests_of(numbers: NDArray[Any], bits: int = BITS) -> Digests:
    """(N,) a digest of each row of numbers (N, M), mixed as in SplitMix64 (Steele and others 2014).

    Args:
        numbers: The rows.
        bits: How many of a number count.
    """
    mantissa, exponent = np.frexp(np.asarray(numbers, np.float64))
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent) + 0.0  # + 0.0: no −0
    mixed = np.zeros(len(numbers), dtype=np.uint64)
    for column in np.ascontiguousarray(rounded.T).view(np.uint64):
        mixed = (mixed ^ column) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def in_words(result: Any) -> str | None:
    """How many rows of a result its calibrator or method has learnt from; None if none is known."""
    learnt = getattr(result, "learnt_from", None)
    if learnt is None or not learnt.any():
        return None
    number = int(learnt.sum())
    which = "all" if number == len(learnt) else f"at least {number:,} of"
    what = "calibrator" if "calibration" in result.method else result.method.get("name", "method")
    return f"The {what} has learnt from {which} these {counted(len(learnt), result.kind)}"


def warn_of_promise(result: Any) -> None:
    """Warn where a promise is made with rows that the calibrator has learnt from."""
    sentence = in_words(result)
    if sentence is not None:
        warn(f"{sentence}, so a promise made with them may be broken. Make it with other labelled rows.")


def warn_of_scores(result: Any) -> None:
    """Warn where rows are scored that the calibrator has learnt from."""
    sentence = in_words(result)
    if sentence is not None:
        warn(f"{sentence}, so scores of them are better than of new ones. Score other labelled rows.")


def warn_of_dependent(result: Any, evaluation: Any, x: Any = None, *, grouped: bool) -> None:
    """Warn where each row of a result stands several times, with the same answer and the same truth.

    Otherwise it warns of neighbours with similar scores, if nobody has said which depend on each other.

    Args:
        result: Result of labelled rows.
        evaluation: Its scores, with the rows and the truth that they are of.
        x: (N, …) the rows, where they are known: they tell where answers are few.
        grouped: Whether groups of rows were given.
    """
    if not isinstance(evaluation, Comparable):
        return
    scored = evaluation._found
    scored_rows = np.isin(result.row, scored.row)
    truth = np.asarray(scored.truth, np.float64).reshape(len(scored.truth), -1)
    if scored_rows.sum() != len(truth):
        return
    answers = _answer_columns(result)[:, :FIRST][scored_rows]
    marks, least = digests_of(np.column_stack([answers, truth]), COARSE), LEAST_DISTINCT
    if scored.truth.ndim == 1 and truth.min() >= 0 and truth.max() < len(getattr(result, result.names)):
        least = max(least, 2 * len(np.unique(truth)))  # sets may hold as many rows of each class
    if x is not None and len(np.unique(marks)) < least:
        marks, least = digests_of(np.column_stack([_marks(x)[scored_rows], truth])), LEAST_DISTINCT
    times = times_each(marks, least)
    if times > 1:
        warn(
            f"Each of these {counted(len(truth), result.kind)} stands {times:,} times, with the same answer "
            f"and the same truth: intervals hold as if there were {times:,} times as many as there are. Drop "
            "the copies."
        )
    elif not grouped:
        _warn_of_neighbours(scored, getattr(result, "mean", None))


def _warn_of_neighbours(scored: Any, mean: Any) -> None:
    """Warn where rows next to each other have similar scores; see `howsure.evaluation.groups`.

    Errors of a predicted `mean` (N, K) count with their signs, as those of a series are similar in these
    (Durbin and Watson 1950).
    """
    losses = [
        measured.parts
        for loss in _LOSSES
        for name, measured in scored.measured.items()
        if name.startswith(loss)
    ]
    told = [next((parts for parts in losses if parts.any()), np.zeros(0))]
    if mean is not None and np.shape(mean) == scored.truth.shape:
        told += [*np.nan_to_num(scored.truth - mean).T]
    ask_for_groups(*told, truth=scored.truth if scored.truth.ndim == 1 else None)


def _marks(x: Any) -> Floats:
    """(N,) a number for each row, the same for the same; rows that are no arrays all have their own."""
    try:
        arrays = parts(x)
        pairs = [tuple(mark_of(array[n : n + 1]) for array in arrays) for n in range(len(arrays[0]))]
    except (InputError, TypeError):
        return np.arange(length(x), dtype=np.float64)
    return np.unique([b"".join(pair) for pair in pairs], return_inverse=True)[1].astype(np.float64)


def times_each(marks: Digests, least: int = LEAST_DISTINCT) -> int:
    """How many times each mark occurs: the largest number that divides the counts of nine in ten; else 1.

    Marks that are alike by chance do not hide it, as copies of both are counted.

    Args:
        marks: (N,) of the rows.
        least: Distinct marks below which nothing is told.
    """
    _, counts = np.unique(marks, return_counts=True)
    most = int(np.median(counts)) if len(counts) >= least else 1
    return next((times for times in range(most, 1, -1) if np.mean(counts % times == 0) >= 0.9), 1)
