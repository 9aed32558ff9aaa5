"""Results with a class at each position, from probabilities or passes that something else computed.

an array, or an array for each row
  │ one row after the other, and of it one pass after the other
  ▼
checked passes (1, 1, *P, K) ──> `RunningMoments` and the tally of `Positions`, as of passes through a model
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from howsure.adapters.protocol import PROBABILITIES
from howsure.arguments import check_whole
from howsure.errors import InputError
from howsure.external.given import numbers_of
from howsure.external.results import limits_of, metadata_of, settings_of, too_few
from howsure.external.rounding import distributions
from howsure.inputs.duplicates import mark_of_pass, warn_of_same_passes
from howsure.inputs.labels import check_class_names, check_names
from howsure.inputs.rows import as_array
from howsure.inputs.tables import Table
from howsure.results.thresholds import Thresholds
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.sampling.sketch import with_networks
from howsure.tasks.probabilities import GIVEN_PASSES, GIVEN_PROBABILITIES
from howsure.tasks.segmentation.outcome import MOST_AXES, Positions
from howsure.tasks.segmentation.padding import given_counts
from howsure.tasks.segmentation.result import DenseCertainty


@dataclass(frozen=True)
class _Rows:
    """Passes over N rows, opened one row at a time.

    Attributes:
        count: N.
        shape: Shape of one pass over a row, as given.
        of: Maps the number of a row to its passes (T, *shape); probabilities are one.
        are_passes: Whether they are passes.
        class_axis: Axis of the classes in the shape.
    """

    count: int
    shape: tuple[int, ...]
    of: Callable[[int], Any]
    are_passes: bool
    class_axis: int

    @property
    def positions(self) -> tuple[int, ...]:
        """*P."""
        return tuple(np.delete(self.shape, self.class_axis).tolist())


def of_maps(
    maps: Any,
    names: Sequence[str] | None,
    class_axis: int,
    positions: Any,
    source: str | None,
    thresholds: Thresholds | None,
    kind: str | None,
    *,
    are_passes: bool,
) -> DenseCertainty:
    """The result of given passes, or of probabilities, which are one; see `DenseCertainty.from_passes`.

    A row is called a `row` where positions have one axis, else an `image`, unless `kind` says otherwise.
    """
    rows = _rows_of(maps, class_axis, are_passes)
    width, shape = max(2, rows.shape[rows.class_axis]), (rows.count, *rows.positions)
    if names is not None:
        names = check_names(names, "class", "The class names", width, "the probabilities")
    outcome = Positions(
        *("what was given", PROBABILITIES, "float64", check_class_names(names, width)),
        *(limits_of(thresholds), rows.positions, len(rows.positions)),
        keep=True,
        counts=None if positions is None else given_counts(positions, shape),
    )
    kind = kind or ("row" if len(rows.positions) == 1 else "image")
    settings = settings_of(GIVEN_PASSES if are_passes else GIVEN_PROBABILITIES, source)

    marks = list[tuple[Hashable, ...]]()

    def of_rows(numbers: Integers) -> DenseCertainty:
        moments = RunningMoments.of(len(numbers), outcome.take(numbers))
        for row in numbers.tolist():
            of_row = []
            for number, values in enumerate(_checked_passes(rows, row, outcome)):
                moments.add_group(values, outcome)
                of_row.append(mark_of_pass(number, values))
            marks.append(tuple(of_row))
        estimates = with_networks(moments.estimates(outcome), moments.sketch, outcome)
        if not are_passes:  # whether they are a mean, and of what, is not known
            estimates = replace(estimates, error=np.zeros_like(estimates.error))
        return outcome.result(estimates, metadata_of(numbers, settings, kind))

    parts = [of_rows(np.arange(row, row + 1)) for row in range(rows.count)] or [of_rows(np.arange(0))]
    warn_of_same_passes(list(zip(*marks, strict=False)), "Passes")
    return DenseCertainty.joined(parts)


def _rows_of(maps: Any, axis: int, are_passes: bool) -> _Rows:
    one_by_one = isinstance(maps, (list, tuple)) and not all(isinstance(e, (list, tuple)) for e in maps)
    if not one_by_one:
        whole = _as_maps(maps, "The probabilities")
        shape = tuple(whole.shape)[1 + are_passes :]
        count = 0 if not shape else int(whole.shape[int(are_passes)])
        of = (lambda row: whole[:, row]) if are_passes else (lambda row: whole[row][None])
        place = _class_axis(shape, axis, are_passes, f"an array of shape {tuple(whole.shape)}")
        return _Rows(count, shape, of, are_passes, place)

    def of_list(row: int) -> Any:
        row_maps = _as_maps(maps[row], f"The probabilities of row {row}")
        return row_maps if are_passes else row_maps[None]

    shape = tuple(of_list(0).shape)[1:]
    place = _class_axis(shape, axis, are_passes, f"row 0 of shape {shape} a pass")
    return _Rows(len(maps), shape, of_list, are_passes, place)


def _as_maps(maps: Any, called: str) -> Any:
    if isinstance(maps, (str, Path)):
        raise InputError(
            f"{called} are the name of a file",
            expected="an array",
            received=repr(str(maps)),
            hint="Open it: numpy.load(path), or numpy.load(path)['probabilities'] for a file of nnU-Net",
        )
    return maps if hasattr(maps, "shape") else as_array(maps, called)


def _class_axis(shape: tuple[int, ...], axis: int, are_passes: bool, received: str) -> int:
    """The axis of the classes in one pass over a row, from that counted with the axis of the rows."""
    if not 2 <= len(shape) <= MOST_AXES + 1 or not min(shape):
        called, form = ("passes", "(passes, rows, …)") if are_passes else ("probabilities", "(rows, …)")
        raise InputError(
            f"The {called} are no maps",
            expected=f"an array {form} with 1 to {MOST_AXES} axes of positions and one of classes, or a list "
            f"of arrays, one for each row{', (passes, …)' if are_passes else ''}",
            received=received,
            hint="With one class per row: howsure.Certainty takes these" if len(shape) == 1 else None,
        )
    check_whole(axis, "class_axis", least=-len(shape))
    if not (1 <= axis <= len(shape) or axis < 0):
        raise InputError(
            "There is no such `class_axis`",
            expected=f"1 to {len(shape)}, or −{len(shape)} to −1, counted with the axis of the rows",
            received=axis,
        )
    return axis - 1 if axis > 0 else len(shape) + axis


def _checked_passes(rows: _Rows, row: int, outcome: Positions) -> Iterator[Floats]:
    """(1, 1, *P, K) each pass over a row, as `Positions.values` has it."""
    passes = rows.of(row)
    if rows.are_passes and len(passes) < 2:
        raise too_few(len(passes))
    counts = np.ones(rows.positions, bool) if outcome.counts is None else outcome.counts[row]
    places = np.flatnonzero(counts)

    def where(wrong: Booleans) -> str:
        first = tuple(map(int, np.unravel_index(places[np.argmax(wrong)], counts.shape)))
        return f"at {int(wrong.sum()):,} of {len(places):,} positions, first at {first}"

    for number in range(len(passes)):
        called = f"The probabilities of row {row}" + (f", pass {number}," if rows.are_passes else "")
        numbers, dtype = numbers_of(passes[number], called)
        if numbers.shape != rows.shape:
            raise InputError(
                f"Row {row} has another size than row 0",
                expected=f"{rows.shape} in every row: one result holds rows of one size",
                received=f"{numbers.shape}",
                hint="Make a result of the rows of each size. Or pad rows to one size, and say with "
                "positions=… which positions count",
            )
        values = np.moveaxis(numbers, rows.class_axis, -1)
        values = np.concatenate([1 - values, values], axis=-1) if values.shape[-1] == 1 else values.copy()
        try:
            if numbers.shape[rows.class_axis] == 1 and _other_axis(numbers, rows.class_axis):
                raise InputError(
                    f"{called} have one number at each position, and sum to 1 along another axis",
                    expected="the classes on the axis that `class_axis` says",
                    received=f"{numbers.shape} of a row",
                )
            values[counts] = distributions(values[counts], where, dtype, called)
        except InputError as error:
            hint = _axis_hint(numbers, rows.class_axis) or error.hint
            raise InputError(
                error.what, expected=error.expected, received=error.received, hint=hint
            ) from error
        yield outcome.values(values[None, None].astype(np.float32), np.array([row]))


def _axis_hint(numbers: Floats, axis: int) -> str | None:
    """On which other axis the classes lie, or what to do with sigmoids; None if it is neither."""
    if (other := _other_axis(numbers, axis)) is not None:
        return f"On another axis they sum to 1: class_axis={other}"
    if numbers.min() >= 0 and numbers.max() <= 1 and (numbers.sum(axis=axis) > 1.02).any():
        return (
            "If several classes may be true at a position, as sigmoids have it, each of them is a result of "
            "its own: give one at a time, with an axis of length 1"
        )
    return None


def _other_axis(numbers: Floats, axis: int) -> int | None:
    """The axis, counted with that of the rows, along which numbers (…) of a row sum to 1, or None."""
    axes = (at for at in range(numbers.ndim) if at != axis and numbers.shape[at] > 1)
    return next((at + 1 for at in axes if np.allclose(numbers.sum(axis=at), 1, atol=1e-3)), None)


def claims(table: Table, options: Any) -> bool:
    """The part `claims`: whether the columns of a table are those of such rows."""
    return {"undecided", "doubt"} <= set(table.names)


def read(table: Table, options: Any, source: Path) -> NoReturn:
    """The part `given_columns`: an `InputError`, as nothing is left of the positions."""
    raise InputError(
        f"'{source}' tells what the positions of each row add up to, and has no maps of them",
        expected="the .parquet form of this table, with the folder of maps beside it, or a folder of results",
    )
