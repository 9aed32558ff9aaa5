"""Rows with one class each for a person: which ones, the table of them, and that of their sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_type
from howsure.evaluation.handover import DIGITS, Columns
from howsure.sampling.outcome import Integers
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sentence import names_of
from howsure.tasks.classification.sets import PredictionSets
from howsure.tasks.verdict import COIN_FLIP, SURE
from howsure.words import counted

CHOSEN: dict[str, Callable[[Certainty], NDArray[np.bool_]]] = {
    "coin-flips": lambda rows: rows.verdict == COIN_FLIP,
    "not-sure": lambda rows: rows.verdict != SURE,
    "not-settled": lambda rows: ~rows.settled,
    "unfamiliar": lambda rows: rows.unfamiliar,
    "all": lambda rows: np.ones(len(rows), dtype=bool),
}
"""The words that choose rows, and their meaning."""


def handed_over(certainty: Certainty, sets: PredictionSets | None) -> Columns:
    """The part `hand_over` of one class per row; see `howsure.evaluation.handover.hand_over`."""
    check_type(sets, (PredictionSets, type(None)), "sets", "what howsure.prediction_sets gives, or None")
    rows, names = list(certainty), certainty.class_names
    second = [float(row.probabilities[row.runner_up]) for row in rows]
    columns: Columns = {
        "label": [row.label_name for row in rows],
        "probability": np.round(certainty.probability, DIGITS).tolist(),
        "runner_up": [row.runner_up_name for row in rows],
        "runner_up_probability": np.round(second, DIGITS).tolist(),
        "candidates": [names_of(row, row.candidates) for row in rows],
        "verdict": [row.verdict for row in rows],
        "reason": [row.reason for row in rows],
    }
    if sets is not None:
        columns["set"] = sets.in_words(certainty)
    if certainty.truth is not None:
        columns["truth"] = [names[k] for k in certainty.truth]
    return columns


def choose(rows: Certainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word of `CHOSEN` means, coin flips for None; the most undecided first.

    Args:
        rows: N of them.
        which: The word, or None.
        most: Most rows to choose. Default: all.

    Raises:
        InputError: How familiar the rows are was not measured.
    """
    if which == "unfamiliar":
        rows.check_familiarity()
    order = rows.most_undecided()
    return np.asarray(order[CHOSEN["coin-flips" if which is None else which](rows)[order]][:most])


class SetsTold:
    """The part `sets_told`: the sets of rows as lines of a table, and in the end what they come to.

    Args:
        result: Like those whose sets are told.
        fitted: The fitted sets.

    Attributes:
        called: Name of the sets in sentences.
    """

    called = "Sets"

    def __init__(self, result: Any, fitted: Any) -> None:
        self._like, self._fitted, self._sizes = result[:0], fitted, Counter[int]()

    def lines(self, result: Any) -> Iterator[list[Any]]:
        """Names of columns, then a line for each row."""
        columns = self.columns(result)
        ids = [] if result.ids is None else [result.ids.tolist()]
        yield ["row", *([] if result.ids is None else [result.id_name]), *columns]
        yield from map(list, zip(result.row.tolist(), *ids, *columns.values(), strict=True))

    def columns(self, result: Any) -> dict[str, list[Any]]:
        """Cells of each row by the name of their column; this counts the rows."""
        sizes = self._fitted(result).sum(axis=1).tolist()
        self._sizes.update(sizes)
        labels = [result.class_names[k] for k in result.label]
        return {"label": labels, "set": self._fitted.in_words(result), "classes": sizes}

    def __str__(self) -> str:
        counts = ", ".join(f"{self._sizes[size]:,} of {size}" for size in sorted(self._sizes))
        of = f"Sets of {counted(self._sizes.total(), self._like.kind)}"
        return f"{of} by their number of classes: {counts}." if counts else f"{of}."
