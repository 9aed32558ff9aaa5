"""What a result shows of itself: printed, and as a page."""

import re
import subprocess
import sys

import numpy as np
import pytest

import howsure
from howsure.tasks.multilabel.sentence import sentence_of_label
from howsure.tasks.printed import FEW_ROWS, MOST_UNDECIDED
from tests.report.comparisons import simulated
from tests.report.made import make_certainty, make_multilabel

# --- printed --------------------------------------------------------------------------------------


def test_of_many_rows_the_most_undecided_are_told():
    certainty = make_certainty(FEW_ROWS + 1, truth=False)
    first, *lines = str(certainty).splitlines()
    verdicts = [str(word) for word in certainty.verdict]
    assert first.startswith(f"The model is sure of {verdicts.count('sure') or 'none'} of 11 images; ")
    assert first.endswith("The 5 most undecided images:")
    order = np.argsort(certainty.gap)[:MOST_UNDECIDED]
    assert lines == [f"image {k}: {certainty[int(k)]}" for k in order]


def test_no_rows_and_one():
    assert str(make_certainty(0)) == "There were no images to assess."
    assert str(make_multilabel(0, 3)) == "There were no images to assess."
    assert len(str(make_certainty(1)).splitlines()) == 1


def test_labels_are_told_by_row_or_by_answer():
    few = make_multilabel(4, 3)
    lines = str(few).splitlines()
    for line, row in zip(lines, few, strict=True):
        held = [f"'{name}'" for name, holds in zip(row.label_names, row.truth, strict=True) if holds]
        assert line == f"image {row.row}: {row} Truth: {', '.join(held) or 'none'}."
    many = make_multilabel(50, 3)
    first, *lines = str(many).splitlines()
    assert re.match("The model is sure of (none|[0-9]+) of 150 answers; ", first)
    assert first.endswith("The 5 most undecided answers:")
    for line, position, k in zip(lines, *many.most_undecided(5), strict=True):
        truth = "yes" if many.truth[position, k] else "no"
        assert line == f"image {position}: {sentence_of_label(many[int(position)], int(k))} Truth: {truth}."


@pytest.mark.parametrize("rows", [40, 2_000])
def test_nothing_public_prints_its_arrays(rows):
    evaluation = howsure.evaluate(make_certainty(rows))
    labels = howsure.evaluate(make_multilabel(rows, 3))
    for shown in (simulated(rows), evaluation, labels, make_certainty(rows), make_multilabel(rows, 3)):
        assert len(repr(shown)) < 6_000
        assert len(str(shown)) < 6_000


def test_a_row_of_many_costs_no_look_at_all_of_them():
    certainty = make_certainty(50)
    for name in ("label_name", "runner_up_name", "truth_name", "verdict", "reason"):
        assert getattr(certainty, name) is getattr(certainty, name), f"{name} is made anew for every row"


# --- as a page ------------------------------------------------------------------------------------


def test_what_shows_a_result_is_loaded_when_it_is_asked_for():
    code = (
        "import sys, howsure, howsure.tasks.classification.result, howsure.compare.run; "
        "print(*sorted({n.partition('.')[0] for n in sys.modules} & {'jinja2', 'rich', 'typer', 'PIL'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
