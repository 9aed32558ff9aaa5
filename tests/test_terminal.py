import io
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from howsure import terminal
from howsure.cli.output import undecided_table
from howsure.tasks.printed import summary_of
from howsure.words import UNIT, printable
from tests.made import certainty_of


def made(probabilities, truth=None, **more):
    names = tuple("abcdefghij"[: np.shape(probabilities)[1]])
    known = {"expected_entropy": np.full(len(probabilities), 0.3), "class_names": names}
    return certainty_of(probabilities, truth=truth, **(known | more))


@pytest.fixture
def page():
    return Console(file=io.StringIO(), width=80)


SEVEN = [[0.99, 0.01], [0.02, 0.98], [0.97, 0.03], [0.8, 0.2], [0.3, 0.7], [0.51, 0.49], [0.45, 0.55]]


def test_the_summary_counts_each_verdict_and_how_often_it_was_right():
    text = summary_of(made(SEVEN, [0, 1, 1, 0, 1, 0, 0], kind="image")).replace(UNIT, " %")
    assert text.startswith(
        "On average the model claims 79 % and is right on 71 % (29 to 96 %). "
        "The model is sure of 3 of 7 images (right on 2, 67 %). It leans towards an answer on 2 "
        "(right on 2, 100 %). It is flipping a coin on 2 (right on 1, 50 %). "
    )


def test_the_table_shows_the_most_undecided_first(page):
    page.print(undecided_table(made(SEVEN, [0, 1, 1, 0, 1, 0, 0]), 3))
    lines = [line for line in page.file.getvalue().splitlines() if "or '" in line]
    assert [line.split()[0] for line in lines] == ["5", "6", "4"]
    assert lines[0].rstrip().endswith("'a'")


def test_the_table_names_the_files_and_leaves_brackets_alone(page):
    certainty = made(SEVEN[:1], class_names=("[red]", "[/]")).with_ids(["[bold]1.png"], "file")
    page.print(undecided_table(certainty, 10))
    assert page.file.getvalue().split()[:2] == ["row", "file"]
    assert "[bold]1.png" in page.file.getvalue()
    assert "'[red]'" in page.file.getvalue()


def test_paragraphs_do_not_part_a_number_from_its_unit(page):
    terminal.paragraph(page, "x" * 75 + f" 5.0{UNIT} y")
    assert page.file.getvalue().splitlines()[1] == f"5.0{UNIT} y"


def test_elsewhere_than_on_a_terminal_progress_is_a_line_every_ten_seconds(page, monkeypatch):
    assert terminal.SECONDS_BETWEEN_LINES == 10
    # As often as somebody waits, ten seconds have passed; a third wait is cut short by the end of the task.
    waits = [SimpleNamespace(over=threading.Event(), done=threading.Event()) for _ in range(3)]
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: 10.0 * len(begun)))
    begun, left = [], iter(waits)

    class Over:
        def __init__(self):
            self.ended = False

        def wait(self, seconds):
            assert seconds == 10
            if begun:
                begun[-1].done.set()
            here = next(left)
            here.over.wait(5)
            begun.append(here)
            return self.ended

        def set(self):
            self.ended = True
            waits[2].over.set()

    monkeypatch.setattr(terminal, "threading", SimpleNamespace(Event=Over, Thread=threading.Thread))
    with terminal.progress(page, "Assessing", waiting="compiling") as report:
        waits[0].over.set()
        assert waits[0].done.wait(5)
        for done in range(1, 10):
            report(done / 10, f"{done} of 10 rows")
        waits[1].over.set()
        assert waits[1].done.wait(5)
    assert page.file.getvalue().splitlines() == [
        "Assessing: compiling (10 s)",
        "Assessing: 90%, 9 of 10 rows (20 s)",
    ]


def test_on_a_terminal_progress_is_a_bar_that_says_what_it_waits_for_moves_and_goes_away():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with terminal.progress(console, "Assessing", waiting="compiling") as report:
        time.sleep(0.5)  # rich draws ten times a second
        before = console.file.getvalue()
        report(0.5, "[5] of 10 rows")
    drawn = [part for part in before.split("\r") if "compiling" in part]
    assert len({Text.from_ansi(part).plain.split("0:00")[0] for part in drawn}) == 1
    assert len(set(drawn)) > 1, "the bar stands still"
    assert "[5] of 10 rows" in console.file.getvalue()
    assert " 50%" in console.file.getvalue()
    assert console.file.getvalue().endswith("\x1b[2K")  # the line is erased


@pytest.mark.parametrize("colours", [True, False])
def test_who_wants_no_colours_gets_none(monkeypatch, colours):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with terminal.progress(console, "Assessing", waiting="compiling") as report:
        report(0.5, "half")
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", console.file.getvalue())) == colours


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")],
)
def test_durations(seconds, words):
    assert terminal.duration(seconds) == words


def test_what_steers_a_terminal_is_shown_instead():
    assert printable("a\x1b[31mb\r\x9b2J\u2028\udcff\n'é漢'") == "a\\x1b[31mb\\r\\x9b2J\\u2028\\udcff\n'é漢'"
    assert printable("a\u202egnp.exe \u2066b\u2069") == "a\\u202egnp.exe \\u2066b\\u2069"
    assert (
        printable("نمی\u200cخواهم 👩\u200d🔬 Zu\u00adcker \u200f")
        == "نمی\u200cخواهم 👩\u200d🔬 Zu\u00adcker \u200f"
    )
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    terminal.say(console, "\x1b]0;title\x07name")
    assert console.file.getvalue() == "\\x1b]0;title\\x07name\n"
