"""The table that a person gets of rows with one class each, and which class is suggested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from howsure.answers.classes.result import Certainty
from howsure.answers.classes.sets import PredictionSets
from howsure.arguments import check_type
from howsure.data.ids import ID
from howsure.judge.handover import Lines

COLUMNS = (
    *("row", "name", "label", "probability", "runner_up", "runner_up_probability", "verdict", "reason"),
    *("set", "truth"),
)
"""Columns of the table; `name`, `set` and `truth` only where they are known. An id comes after `row`."""

_DIGITS = 6


def handed_over(certainty: Certainty, sets: PredictionSets | None, names: Sequence[str] | None) -> Lines:
    """The part `hand_over` of one class per row; see `howsure.judge.handover.hand_over`."""
    check_type(sets, (PredictionSets, type(None)), "sets", "what howsure.prediction_sets gives, or None")
    known = {"name": names is not None, "set": sets is not None, "truth": certainty.truth is not None}
    columns = [column for column in COLUMNS if known.get(column, True)]
    if certainty.ids is not None:
        columns.insert(1, _id_column(certainty))
    in_sets = None if sets is None else sets.in_words(certainty)
    lines: list[dict[str, Any]] = []
    for position, row in enumerate(certainty):
        line = {
            "row": row.row,
            **({} if row.id is None else {_id_column(certainty): row.id}),
            "label": row.label_name,
            "probability": round(row.probability, _DIGITS),
            "runner_up": row.runner_up_name,
            "runner_up_probability": round(float(row.probabilities[row.runner_up]), _DIGITS),
            "verdict": row.verdict,
            "reason": row.reason,
        }
        if names is not None:
            line["name"] = names[position]
        if in_sets is not None:
            line["set"] = in_sets[position]
        if row.truth is not None:
            line["truth"] = certainty.class_names[row.truth]
        lines.append(line)
    return Lines(columns, lines, [(line["label"], line["probability"]) for line in lines])


def _id_column(certainty: Certainty) -> str:
    """What the ids are called here, where a few more columns have names than in the table."""
    return certainty.id_name if certainty.id_name not in (*COLUMNS, "image", "text") else ID
