"""Rows with a class at each position for a person: which ones, the table of them, and that of their sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.sets import DensePredictionSets
from howsure.arguments import check_type
from howsure.errors import InputError
from howsure.judge.handover import DIGITS, Lines, id_column
from howsure.sampling.outcome import Integers
from howsure.words import counted

CHOSEN = ("all",)
"""Words that mean rows with a class at each position."""


def handed_over(result: DenseCertainty, sets: Any, names: Sequence[str] | None) -> Lines:
    """The part `hand_over` of positions; see `howsure.judge.handover.hand_over`."""
    check_type(sets, (DensePredictionSets, type(None)), "sets", "what howsure.prediction_sets gives, or None")
    shares = [f"share.{name}" for name in result.class_names]
    found: dict[str, Sequence[Any]] = {"row": result.row.tolist()}
    if result.ids is not None:
        found[id_column(result, ("row", "name", "undecided", "doubt", "classes"))] = result.ids.tolist()
    if names is not None:
        found["name"] = names
    numbers = {"undecided": result.undecided, "doubt": result.doubt}
    numbers |= dict(zip(shares, result.share.T, strict=True))
    numbers |= {} if sets is None else {"classes": sets(result).size}
    found |= {name: [round(float(each), DIGITS) for each in column] for name, column in numbers.items()}
    cells = [dict(zip(found, each, strict=True)) for each in zip(*found.values(), strict=True)]
    return [*found], cells


def choose(rows: DenseCertainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word means, all rows for None, the most doubtful first.

    Args:
        rows: N of them.
        which: One of `CHOSEN`, or None.
        most: Most rows to choose. Default: all.

    Raises:
        InputError: A word for verdicts, which a row with a class at each position does not have.
    """
    if which is not None and which not in CHOSEN:
        raise InputError(
            f"Each {rows.position_name} has a verdict, and no {rows.kind} has one, so none is chosen by "
            f"'{which}'",
            expected="all, the most doubtful first",
        )
    return rows.most_undecided(most)


class MapSetsTold:
    """The part `sets_told`: see `howsure.answers.classes.handover.SetsTold`."""

    called = "Sets"

    def __init__(self, result: DenseCertainty, fitted: DensePredictionSets) -> None:
        self._like, self._fitted, self._rows, self._sizes = result[:0], fitted, 0, 0.0

    def lines(self, result: DenseCertainty) -> Iterator[list[Any]]:
        """Names of columns, then for each row the mean number of classes in the sets of its positions."""
        sizes = self._fitted(result).size
        self._rows, self._sizes = self._rows + len(result), self._sizes + float(sizes.sum())
        yield ["row", *([] if result.ids is None else [result.id_name]), "classes"]
        ids = [[]] * len(result) if result.ids is None else [[each] for each in result.ids.tolist()]
        for row, identity, size in zip(result.row.tolist(), ids, sizes.tolist(), strict=True):
            yield [row, *identity, size]

    def __str__(self) -> str:
        of = f"Sets of {counted(self._rows, self._like.kind)}"
        if not self._rows:
            return f"{of}."
        mean = f"{self._sizes / self._rows:.2g} of {len(self._like.class_names)} classes"
        return f"{of}, on average of {mean} at a {self._like.position_name}."
