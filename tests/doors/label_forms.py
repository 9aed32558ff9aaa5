"""The forms in which a user holds true answers, and the ways by which they come with rows."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import howsure
from tests.doors.cases import DROPOUT, N

BATCHES = [slice(start, min(start + 10, N)) for start in range(0, N, 10)]
TURNED = np.random.default_rng(3).permutation(N)


def in_columns(case):
    """(N, K) a column for each name; none at positions."""
    if case.kind == "positions":
        return None
    return np.eye(len(case.names))[case.truth] if case.kind == "classes" else np.asarray(case.truth) * 1


def forms_of(case):
    """True answers of a case by the name of their form."""
    truth, names = case.truth, list(case.names)
    forms = {
        "a list": np.asarray(truth).tolist(),
        "an array of which nothing is masked": np.ma.masked_array(truth, np.zeros(np.shape(truth), bool)),
    }
    if case.kind in ("classes", "positions"):
        forms["names"] = np.array(names)[truth]
    if case.kind == "classes":
        forms["a series of names"] = pd.Series(np.array(names)[truth])
        forms["a categorical series"] = pd.Series(pd.Categorical(np.array(names)[truth]))
    if case.kind == "labels":
        forms["lists of names"] = [[names[k] for k in np.flatnonzero(row)] for row in truth]
        forms["sets of names in a series"] = pd.Series([set(row) for row in forms["lists of names"]])
    columns = in_columns(case)
    if columns is not None:
        frame = pd.DataFrame(columns, columns=names)[names[::-1]]
        forms |= {
            "a frame of pandas": frame,
            "a frame of polars": pl.from_pandas(frame),
            "a table of Arrow": pa.Table.from_pandas(frame, preserve_index=False),
        }
    return forms


def refused_forms_of(case):
    """True answers that are of other names or rows, by what is wrong."""
    masked = np.ma.masked_array(case.truth, np.zeros(np.shape(case.truth), bool))
    masked[3] = np.ma.masked
    forms = {"one is masked": masked, "rows are missing": case.truth[:-1]}
    columns = in_columns(case)
    if columns is not None:
        frame = pd.DataFrame(columns, columns=list(case.names))
        forms["foreign names"] = frame.add_prefix("other ")
        forms["a frame that nobody gave names"] = pd.DataFrame(columns)
        forms["one column more"] = frame.assign(more=1)
        forms["foreign names in polars"] = pl.from_pandas(forms["foreign names"])
    if case.kind == "labels":
        forms["lists of foreign names"] = [["other"]] * N
    if case.kind == "classes":
        forms["a series named after one of the classes"] = pd.Series(case.truth == 0, name=case.names[0])
    return forms


def part(values, rows):
    """Some rows of true answers, in their form."""
    if isinstance(values, pa.Table):
        return values.slice(rows.start, rows.stop - rows.start)
    return values.iloc[rows] if hasattr(values, "iloc") else values[rows]


def _taken(case, x):
    given = {"method": DROPOUT, "class_names": case.names, **case.settings}
    return howsure.assess(case.model, x, **given).truth


def _streamed(case, x):
    given = {"method": DROPOUT, "class_names": case.names, **case.settings}
    return np.concatenate([block.truth for block in howsure.stream(case.model, x, **given)])


WAYS = {
    "a dict with y": lambda case, y: _taken(case, {"x": case.x, "y": y}),
    "a dict with labels and ids": lambda case, y: _taken(case, {"x": case.x, "labels": y, "id": case.ids}),
    "batches of pairs": lambda case, y: _taken(case, ((case.x[rows], part(y, rows)) for rows in BATCHES)),
    "a list of batches": lambda case, y: _taken(case, [(case.x[rows], part(y, rows)) for rows in BATCHES]),
    "batches of dicts": lambda case, y: _taken(
        case, ({"x": case.x[rows], "labels": part(y, rows)} for rows in BATCHES)
    ),
    "stream": lambda case, y: _streamed(case, {"x": case.x, "y": y}),
    "stream of batches": lambda case, y: _streamed(case, ((case.x[rows], part(y, rows)) for rows in BATCHES)),
}
"""By their names, how true answers come with rows; each gives those of the result."""


def compared(case, x, labels=None):
    """The scores of the plain prediction, with labels beside the rows or among them."""
    given = {"outputs": case.settings.get("outputs"), "class_names": case.names}
    found = howsure.compare(case.model, x, labels, methods={"plain": howsure.Softmax()}, shifts={}, **given)
    return str(found)
