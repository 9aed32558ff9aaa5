"""Rows for a person to look at, as a csv file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.adapters.features import Features
from howsure.arguments import check_whole
from howsure.atomic import LINES, check_ending
from howsure.errors import InputError
from howsure.inputs.align import ID
from howsure.inputs.rows import as_array
from howsure.results.export import write_csv_file
from howsure.results.row_index import several_positions
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.task import task_of

DIGITS = 6
"""Decimals of a probability, and significant digits of a number."""


Columns = dict[str, Sequence[Any]]
"""The columns of a table in order; NaN or None is unknown."""

OWN = ("row", "set", "truth")
"""Columns that no id has the name of."""


def hand_over(
    certainty: Any,
    rows: ArrayLike,
    path: str | os.PathLike[str],
    *,
    sets: Any = None,
    diverse: bool = False,
    features: Features | ArrayLike | None = None,
    labelled: Features | ArrayLike | None = None,
    most: int | None = None,
) -> None:
    """Write the rows that a person should look at.

    The table has the columns `row`, `label`, `probability`, `runner_up`, `runner_up_probability`,
    `candidates`, `verdict`, `reason`, `set` and `truth`, as far as they are known, classes by name, and the
    ids of rows that have them; a text that a spreadsheet would run as a formula gets a `'` before it.
    `candidates` are the classes that the answer may be, as in sentences: `'a', 'b' or 'c'`. Annotation tools
    such as Label Studio read the file.

    For a regression the columns are `mean`, `low` and `high`; 95 % of new answers lie between the last two.
    If the scatter of answers is unknown, `network_low` and `network_high` stand in their place; 95 % of the
    networks lie between them. Each has a column for every target if there are several, `mean.NAME`.

    If each position has a class, the columns are `undecided`, `doubt` and the share of each class,
    `share.NAME`; with `sets` also `classes`, how many of them are in the set of a position on average.

    Args:
        certainty: Result of N rows.
        rows: The rows to write, an index of several rows of `certainty`: (N,) booleans, as an `Abstention`
            gives, or positions, as `coin_flips` gives, written in that order. An empty list makes a table
            without rows.
        path: Ends in `.csv`. An earlier file stays until the new one is complete.
        sets: The result of `howsure.prediction_sets`: adds the prediction set of each row. For a regression
            the result of `howsure.prediction_intervals`: `low` and `high` are then the ends of its intervals.
            Default: those of rules, if the rows are decided.
        diverse: True writes only `most` of these rows, which differ: the first one, and then always the one
            farthest from all before (greedy k-centres, Sener and Savarese 2018). So a person labels no row
            twice, as it were. Give the most doubtful rows first, as `most_undecided` and `widest` do.
        features: For `diverse`: the features of all N rows, from `howsure.features_of`, or numbers (N, F) of
            your own. Rows are far apart if their Euclidean distance is large.
        labelled: For `diverse`: the same of rows (M, F) that have labels already, which count as written.
        most: For `diverse`: how many rows to write, at most.

    Raises:
        InputError: Rows that do not fit, another kind of file, sets of other classes, or features that are
            missing or of other rows.
        FileError: The file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> abstention = howsure.abstain(howsure.assess(model, x), labels, risk=0.05)
        >>> certainty = howsure.assess(model, x_new)
        >>> hand_over(certainty, abstention(certainty), "to-check.csv")
        >>> for line in Path("to-check.csv").read_text(encoding="utf-8").splitlines()[:2]:
        ...     print(line)
        row,label,probability,runner_up,runner_up_probability,candidates,verdict,reason
        12,0,0.373368,6,0.257988,"'0', '6' or '5'",coin flip,doubt within passes
    """
    task = task_of(certainty)
    task.check_can("hand_over", certainty)
    check_ending(path, LINES)
    chosen = several_positions(certainty._mask_in_order(rows), len(certainty))
    if diverse:
        chosen = _different(np.arange(len(certainty))[chosen], len(certainty), features, labelled, most)
    elif any(given is not None for given in (features, labelled, most)):
        raise InputError("`features`, `labelled` and `most` have no effect alone", expected="diverse=True")
    part = certainty[chosen]
    answers: Columns = task.hand_over(part, sets)
    numbered: Columns = {"row": part.row.tolist()}
    if part.ids is not None:
        numbered[ID if part.id_name in (*OWN, *answers) else part.id_name] = part.ids.tolist()
    columns = numbered | answers
    write_csv_file([[*columns], *map(list, zip(*columns.values(), strict=True))], path)


def _different(rows: Integers, count: int, features: Any, labelled: Any, most: Any) -> Integers:
    """Checks the arguments of `hand_over` and gives the rows that differ; `count` is N."""
    if features is None:
        raise InputError(
            "`diverse` needs to know which rows are alike",
            expected="features=howsure.features_of(model, x), or numbers (N, F) that describe each row",
            hint="Features are of models with one answer for each row. For others, such as maps of pixels, "
            "give numbers of your own",
        )
    check_whole(most, "most", least=1)
    vectors = _vectors(features, "features")
    if len(vectors) != count:
        raise InputError(
            "The features are not those of these rows",
            expected=f"the features of all {count} rows of the result",
            received=f"{len(vectors)}",
        )
    centres = None if labelled is None else _vectors(labelled, "labelled")
    if centres is not None and centres.shape[1] != vectors.shape[1]:
        raise InputError(
            "The labelled rows have other features",
            expected=f"{vectors.shape[1]} numbers for each row",
            received=f"{centres.shape[1]}",
        )
    return rows[k_centres(vectors[rows], int(most), centres)]


def _vectors(features: Any, called: str) -> Floats:
    values = as_array(features.features if isinstance(features, Features) else features, f"`{called}`")
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise InputError(
            f"`{called}` cannot be used",
            expected="finite numbers of shape (rows, features)",
            received=f"{values.dtype} of shape {values.shape}",
        )
    return np.asarray(values, dtype=np.float64)


def k_centres(vectors: Floats, most: int, labelled: Floats | None = None) -> Integers:
    """Positions of rows that differ, each the one farthest from all before (greedy k-centres).

    Algorithm 1 of Sener and Savarese (2018, Active learning for convolutional neural networks: a core-set
    approach).

    Args:
        vectors: (N, F). Without labelled rows the first is chosen first.
        most: How many to choose, at most.
        labelled: (M, F) rows that count as chosen, or None.
    """
    nearest = np.full(len(vectors), np.inf)
    for centre in () if labelled is None else labelled:
        nearest = np.minimum(nearest, np.linalg.norm(vectors - centre, axis=1))
    chosen = list[int]()
    for _ in range(min(most, len(vectors))):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
        nearest[chosen] = -1.0  # also where others are the same
    return np.array(chosen, dtype=np.int64)
