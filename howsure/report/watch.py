"""From a `Watch` to one self-contained HTML page: the course of each promise."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from howsure.atomic import PAGES, check_ending, write_whole
from howsure.report.drawing import Drawing, dot, line, number_axis, paths, share_axis, word
from howsure.report.notebook import ViewTable
from howsure.report.templates import environment
from howsure.words import rate

_STRETCHES = 24
"""Most stretches of rows whose shares are shown."""


def write_watch(path: str | os.PathLike[str], watch: Any) -> None:
    """Write the page of a watch; an earlier file stays until the new one is complete.

    Raises:
        InputError: The name has another ending than `.html`.
        FileError: The file cannot be written.
    """
    check_ending(path, PAGES, needed=False)
    drawings = [draw(watch, test) for test in range(len(watch._promises))]
    context: dict[str, Any] = {
        "title": "Does the promise still hold?",
        "lead": str(watch),
        "drawings": [drawing for drawing in drawings if drawing is not None],
        "rules": str(watch.rules).splitlines(),
        "script": None,
    }
    page = environment().get_template("watch.html.j2").render(context)
    write_whole(path, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))


def draw(watch: Any, test: int) -> Drawing | None:
    """The shares of stretches of rows, with the promise; None of fewer than two stretches."""
    course, promise = watch._with_labels, watch._promises[test]
    points = [*course.points, course.now]
    chosen = np.unique(np.linspace(0, len(points) - 1, _STRETCHES + 1).round().astype(np.int64))
    stretches = []
    for begin, end in pairwise(chosen.tolist()):
        first, last = points[begin], points[end]
        draws = last.draws[test] - first.draws[test]
        if draws > 0:
            lost = (last.totals[test] - first.totals[test]) / draws
            stretches.append((first.row, last.row, lost if promise.of_losses else 1 - lost))
    if len(stretches) < 2:
        return None
    limit = promise.limit if promise.of_losses else 1 - promise.limit
    shares = [promise.share, limit, *(share for *_, share in stretches)]
    room = 0.1 * (max(shares) - min(shares)) + 0.005
    across = number_axis(0, course.now.row)
    up = share_axis(max(0.0, min(shares) - room), min(1.0, max(shares) + room))
    steps = [(across.place((first + last) / 2), up.place(share)) for first, last, share in stretches]
    marks = [
        line("diagonal", (0, up.place(level)), (100, up.place(level))) for level in {promise.share, limit}
    ]
    marks.append(paths({"curve": "M" + "L".join(f"{x:.2f} {100 - y:.2f}" for x, y in steps)}))
    marks += [dot(x, y) for x, y in steps]
    if course.since is not None and course.test == test:
        x = across.place(course.since.row)
        marks += [line("threshold", (x, 0), (x, 100)), word("since here", x)]
    cells = [[f"{first:,} to {last:,}", rate(share)] for first, last, share in stretches]
    said = f"From {cells[0][1]} in rows {cells[0][0]} to {cells[-1][1]} in rows {cells[-1][0]}."
    return Drawing(
        id=f"course-{test}",
        title=promise.about,
        description=said,
        heading=promise.about,
        across=(across, "Row with a label"),
        up=(up, "Share"),
        marks=marks,
        note=f"Each dot is a stretch of rows. Dashed: {100 * promise.share:g} % were promised"
        + ("." if promise.of_losses else f", and {rate(limit)} are tested."),
        numbers=ViewTable("Stretches as a table", ["Rows", "Share"], cells, numeric=(1,)),
    )
