"""The commands of docs/decision.md lead from a saved model to a graph that decides, and to a watch."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import howsure
from tests.commands import done, run

pytest.importorskip("keras", reason="Keras is not installed")
pytest.importorskip("tf2onnx", reason="ONNX is not installed")

PAGE = (Path(__file__).parents[2] / "docs" / "decision.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^howsure (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def _files():
    """The model and the rows that the page makes to try it."""
    begun_in = Path.cwd()
    exec(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[-1], {})
    yield
    os.chdir(begun_in)


def july():
    with np.load("july.npz") as file:
        return file["x"], file["y"]


def test_the_commands_of_the_page_decide_and_watch():
    names = [command.split()[0] for command in COMMANDS]
    assert names == ["export", "assess", "rules", "export", "assess", "watch"]
    for command in COMMANDS[:-1]:
        done(*shlex.split(command))
    x, y = july()
    decided = howsure.assess("decided.onnx", x)
    rules = howsure.load("rules.json")
    assert all(promised in str(rules) for promised in ("at least 90 %", "At most 5 %"))
    assert (rules(howsure.assess("certainty.onnx", x)).hand_over == decided.hand_over).all()
    covered = decided.in_set[np.arange(len(decided)), y].mean()
    wrong = (decided.label != y)[~decided.hand_over].mean()
    assert 0.8 < covered < 1
    assert wrong <= 0.08
    assert 0 < decided.hand_over.mean() < 0.5
    assert "Nothing speaks against the promise in 497 rows" in " ".join(
        done(*shlex.split(COMMANDS[-1])).split()
    )


def test_the_watch_of_the_page_raises_an_alarm_if_all_labels_are_others():
    x, y = july()
    np.savez("july.npz", x=x, y=(y + 1) % 10)
    for command in COMMANDS[-2:]:
        found = run(*shlex.split(command.replace("watch.json", "other.json")))
    assert found.exit_code == 1


def test_the_page_has_twelve_lines_at_most():
    blocks = re.findall(r"^```\w+\n(.*?)^```$", PAGE.partition("<details")[0], re.MULTILINE | re.DOTALL)
    assert sum(bool(line.strip()) for block in blocks for line in block.splitlines()) <= 12
