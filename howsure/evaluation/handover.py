"""Rows for a person to look at, as a csv file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from howsure.atomic import LINES, check_ending
from howsure.inputs.align import ID
from howsure.results.export import write_csv_file
from howsure.results.row_index import several_positions
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

    Raises:
        InputError: Rows that do not fit, another kind of file, or sets of other classes.
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
    part = certainty[several_positions(certainty._mask_in_order(rows), len(certainty))]
    answers: Columns = task.hand_over(part, sets)
    numbered: Columns = {"row": part.row.tolist()}
    if part.ids is not None:
        numbered[ID if part.id_name in (*OWN, *answers) else part.id_name] = part.ids.tolist()
    columns = numbered | answers
    write_csv_file([[*columns], *map(list, zip(*columns.values(), strict=True))], path)
