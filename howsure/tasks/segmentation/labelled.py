"""The true classes at the positions of a result, as they are scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.align import aligned
from howsure.inputs.rows import quoted
from howsure.sampling.outcome import Integers
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.truth import IGNORED, Ignore, Ignored, check_map, check_no_mask, class_map


def background_of(result: DenseCertainty, background: int | str) -> int:
    """The part `background`: number of the class that means over classes leave out, from its number or name.

    Raises:
        InputError: There is no such class, or no other one.
    """
    names = result.class_names
    text = str(background)
    of_name = {name: number for number, name in enumerate(names)} if isinstance(background, str) else {}
    number = of_name.get(text, int(text) if text.isdecimal() else len(names))
    if isinstance(background, bool) or number >= len(names) or len(names) == 1:
        raise InputError(
            "`background` is no class of this result",
            expected=f"one of {quoted(names)}, or its number from 0",
            received=repr(background),
        )
    return number


def check_given(result: DenseCertainty, labels: Any) -> None:
    """Raise an `InputError` where neither labels are given nor a result has true classes."""
    if labels is None and result.truth is None:
        raise InputError(
            "The true classes are not known",
            expected=f"labels, one class number for each {result.position_name}",
            received="none",
        )


def truths_of(result: DenseCertainty, labels: Any) -> Iterator[Integers]:
    """True classes (P,) of one row after the other, −1 where a position does not count, also of `counts`.

    One row is held at a time, as labels may lie in a file. Shapes are checked at once, values with each row.

    Args:
        result: Result of N rows.
        labels: As for `check_map`, or `Ignored`. Default: `result.truth`.

    Raises:
        InputError: No labels, or labels that do not fit.
    """
    ignore: Ignore = None
    if isinstance(labels, Ignored):
        labels, ignore = labels.labels, labels.ignore
    check_given(result, labels)
    names, shape = result.class_names, (len(result), *result.positions)
    truth: Any = result.truth  # which may lie in a file
    if labels is not None:
        truth = class_map(aligned(labels, result), shape, names)
    check_no_mask(truth, names, ignore)
    shape_of_row = (1, *result.positions)

    def of_row(at: int) -> Integers:
        numbers = check_map(truth[at : at + 1], shape_of_row, names, ignore, at)[0]
        counted_numbers = numbers if result.counts is None else np.where(result.counts[at], numbers, IGNORED)
        return counted_numbers.reshape(-1)

    return map(of_row, range(len(result)))
