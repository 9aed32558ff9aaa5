"""Views of a `DenseCertainty`, of one of its rows, and of its scores, for notebooks."""

from __future__ import annotations

import numpy as np

from howsure.answers.positions.cards import LEAST_SHARE, place_of
from howsure.answers.positions.evaluate import DenseEvaluation
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.sentence import DenseRow, ends_in_words, overlap_in_words, share_in_words
from howsure.answers.sentences import percent, words_of
from howsure.report import notebook
from howsure.report.notebook import View, ViewTable
from howsure.words import UNIT

MOST_CLASSES, MOST_REGIONS = 12, 5
"""Classes and regions of one row that are shown; the others are counted."""

UNKNOWN = "–"


def of_row(row: DenseRow) -> View:
    """Its sentence, the shares of its classes, means over its positions, and its largest regions."""
    tables = [_shares(row), _means(row)]
    if row.regions:
        head = ["region", f"{row.position_name}s", "between", "place"]
        told = row.regions[:MOST_REGIONS]
        cells = [
            [
                str(number),
                f"{each.size:,}",
                f"{each.label_name} and {each.runner_up_name}",
                place_of(each.bounds, row.position_name),
            ]
            for number, each in enumerate(told, 1)
        ]
        tables.append(ViewTable("The largest regions of coin flips", head, cells, numeric=(1,)))
    return View([f"{row.called}: {row}"], tables)


def _means(row: DenseRow) -> ViewTable:
    known = np.isfinite(row.mc_error)
    cells = [
        ["coin flips", f"{share_in_words(row.undecided)}{UNIT}"],
        ["verdicts that are not settled", f"{share_in_words(row.unsettled)}{UNIT}"],
        ["error of the top probability", f"{share_in_words(row.mc_error)}{UNIT}" if known else UNKNOWN],
    ]
    return ViewTable(f"Means over the {row.position_name}s", ["of", "mean"], cells, numeric=(1,))


def _shares(row: DenseRow) -> ViewTable:
    there = [k for k in np.argsort(-row.share, kind="stable").tolist() if row.share[k] >= LEAST_SHARE]
    told, cells = there[:MOST_CLASSES], []
    for k in told:
        ends = ends_in_words(*row.share_interval[k].tolist())
        overlap = overlap_in_words(float(row.overlap[k]), float(row.overlap_error[k]))
        cells.append(
            [
                row.class_names[k],
                percent(float(row.share[k]), float(row.share_error[k])),
                f"{ends}{UNIT}" if ends else UNKNOWN,
                overlap or UNKNOWN,
            ]
        )
    caption = f"Shares of the {row.position_name}s"
    if len(told) < len(row.share):
        caption += f"; {len(told)} of {len(row.share)} classes"
    head = ["class", "share", f"90 % of {words_of(row.method)['between']}", "overlap"]
    bars = [100 * float(row.share[k]) for k in told]
    return ViewTable(caption, head, cells, numeric=(1, 2, 3), bars=bars)


def of_result(result: DenseCertainty) -> View:
    """A sentence about all rows, the most doubtful ones, and the mean share of each class."""
    view = notebook.of_result(result)
    if not len(result):
        return view
    share, error = result.share.mean(axis=0), result.share_error.mean(axis=0)
    there = [k for k in np.argsort(-share, kind="stable").tolist() if share[k] >= LEAST_SHARE]
    told = there[:MOST_CLASSES]
    cells = [[result.class_names[k], percent(float(share[k]), float(error[k]))] for k in told]
    caption = f"Mean share of the {result.position_name}s"
    if len(told) < len(share):
        caption += f"; {len(told)} of {len(share)} classes"
    bars = [100 * float(share[k]) for k in told]
    return View(
        view.said, [*view.tables, ViewTable(caption, ["class", "share"], cells, numeric=(1,), bars=bars)]
    )


def of_evaluation(evaluation: DenseEvaluation) -> View:
    """Every score that there is, what is good, and Dice and IoU of each class."""
    head = ["score", "value and 95 % interval", "what is good"]
    scores = ViewTable(f"Scores of {evaluation.counted}", head, evaluation.cells(), numeric=(1,))
    columns = ["class", "Dice", "IoU", "true positions"]
    classes = ViewTable("Classes", columns, evaluation.cells_of_classes(), numeric=(1, 2, 3))
    return View(evaluation.sentences(), [scores, classes])
