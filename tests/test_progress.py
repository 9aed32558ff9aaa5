"""`progress=True` shows a bar on a terminal, and lines elsewhere."""

import numpy as np
import pytest

import howsure
from howsure import terminal
from tests.test_passes import rows_of, two_layers

METHOD = howsure.MCDropout(passes=4)


def calls(x):
    y = np.arange(len(x)) % 2
    softmax = {"softmax": howsure.Softmax()}
    return {
        "Assessing": lambda progress: howsure.assess(two_layers(), x, method=METHOD, progress=progress),
        "Drawing passes": lambda progress: howsure.passes(two_layers(), x, 4, progress=progress),
        "Comparing": lambda progress: howsure.compare(
            two_layers(), x, y, methods=softmax, calibrated=False, progress=progress
        ),
    }


@pytest.mark.parametrize("task", ["Assessing", "Drawing passes", "Comparing"])
def test_true_shows_lines_where_there_is_no_terminal(task, capsys):
    call = calls(rows_of((4,), rows=30)[0])[task]
    call(True)
    shown = capsys.readouterr()
    assert (shown.out, shown.err[: len(task)]) == ("", task)
    assert "30 of 30 rows" in shown.err
    for silent in (None, False, lambda done, total: None):
        call(silent)
        assert capsys.readouterr() == ("", "")
    with pytest.raises(howsure.InputError, match=r"`progress` cannot be used. Expected: True for a bar"):
        call("yes")


def test_rows_that_are_streamed_are_told_as_they_come(capsys):
    (x,) = rows_of((4,), rows=30)
    blocks = howsure.stream(two_layers(), x, method=METHOD, progress=True)
    assert capsys.readouterr().err == ""  # nothing is drawn yet
    assert [len(block) for block in blocks] == [30]
    assert "Assessing: 30 of 30 rows" in capsys.readouterr().err


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(terminal, "say", lambda *told: pytest.fail("a bar is shown, and no lines"))
    howsure.assess(two_layers(), rows_of((4,), rows=30)[0], method=METHOD, progress=True)
    assert "Assessing" in capsys.readouterr().err
