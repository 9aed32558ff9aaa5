"""Every tuned number is in one file, is read from there when it is used, and can be measured."""

import ast
import contextlib
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import howsure
from howsure import tuning
from validation.tuning import changed, constants, half_and_twice, is_other, made_up

ROOT = Path(__file__).parent.parent
SOURCE = (ROOT / "howsure" / "tuning.py").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
NAMES = [name for name in vars(tuning) if name.isupper()]


def words_of(source):
    """For each name that a source assigns at its top the string that follows."""
    body = ast.parse(source).body
    found = {}
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.Assign):
            text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
            names = [item.id for item in ast.walk(node.targets[0]) if isinstance(item, ast.Name)]
            found |= dict.fromkeys(names, text)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_is_explained_and_read_where_it_is_used(name):
    assert words_of(SOURCE)[name]
    others = [file for file in (ROOT / "howsure").rglob("*.py") if file.name != "tuning.py"]
    assert any(f"tuning.{name}" in file.read_text(encoding="utf-8") for file in others)


def test_none_is_taken_over_when_a_module_is_loaded():
    for file in (ROOT / "howsure").rglob("*.py"):
        assert not re.search(r"from howsure\.tuning import", file.read_text(encoding="utf-8")), file


def test_those_that_are_measured_are_all_under_their_two_headings():
    which_passes, pilot, *_ = re.split(r"^# --- .*$", SOURCE, flags=re.MULTILINE)[1:]
    assert set(constants()) == set(words_of(which_passes)) | set(words_of(pilot))
    assert {"CHEAP", "LEAST_CANDIDATES", "FLAT_PILOT_ROWS"} < set(constants())
    assert "BLOCK" not in constants()


def test_a_number_is_changed_for_a_while():
    before = tuning.LATE_PASSES
    with changed("LATE_PASSES", 3):
        assert tuning.LATE_PASSES == 3
    assert before == tuning.LATE_PASSES


def test_it_is_as_before_after_an_exception():
    before = tuning.LATE_PASSES
    with contextlib.suppress(RuntimeError), changed("LATE_PASSES", 3):
        raise RuntimeError
    assert before == tuning.LATE_PASSES


def test_half_and_twice():
    assert half_and_twice(5) == (2, 10)
    assert half_and_twice(1) == (1, 2)
    assert half_and_twice(0.25) == (0.125, 0.5)


def test_a_pilot_may_look_at_the_most_undecided_rows_alone(monkeypatch):
    model, x = made_up("flat")
    monkeypatch.setattr("howsure.tuning.HARDEST", 2 * tuning.FLAT_PILOT_ROWS)
    assert howsure.plan(model, x[:200]).design.is_flat


def test_what_is_more_than_chance():
    assert not is_other(np.zeros(5))
    assert not is_other(np.array([1.0, -1.0, 2.0, -2.0, 0.5]))
    assert is_other(np.array([1.0, 1.1, 0.9, 1.05, 0.95]))
    assert is_other(np.full(5, 0.1))


@pytest.mark.parametrize("name", constants())
def test_each_that_is_measured_says_what_half_and_twice_do(name):
    assert re.search(r"Half.*(no difference seen|times|of the)", " ".join(words_of(SOURCE)[name].split()))
    assert f"| `{name}` |" in PAGE
