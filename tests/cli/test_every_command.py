"""Commands with few rows of every kind of answers, and with one label of several.

What every command says of every kind: `tests/doors`, `tests/golden`.
"""

import numpy as np
import pytest

import howsure
from howsure.tasks.task import task_named
from tests.commands import done, refused
from tests.doors.cases import case_of
from tests.kinds import KINDS


def model_of(kind):
    """Where commands find the network of the example, and what its outputs mean."""
    settings = case_of(kind).settings
    outputs = ("--set", f"outputs={settings['outputs']}") if "outputs" in settings else ()
    return (f"tests.doors.cases:{kind}", *outputs)


def test_the_advice_to_take_one_label_works(tmp_path):
    case = case_of("labels")
    np.savez(tmp_path / "x.npz", x=case.x, y=case.truth)
    for method in ("softmax", "mc-dropout"):
        asked = (*model_of("labels"), tmp_path / "x.npz", "--method", method)
        done("assess", *asked, "--out", tmp_path / f"{method}.parquet")
    tables = tmp_path / "softmax.parquet", tmp_path / "mc-dropout.parquet"
    assert "compare one label of the results, `certainty.of_label('0')`" in refused("compare", *tables)
    one_label = ("--set", "of_label=0")
    assert "'mc-dropout'" in done("compare", *tables, *one_label)
    handover = ("handover", tables[1], "--out", tmp_path / "h.csv")
    assert "Take one label at a time" in refused(*handover)
    done(*handover, *one_label)
    rules = ("rules", tables[1], "--risk", 0.95, "--out", tmp_path / "rules.json")
    decide = ("decide", tables[1], "--rules", rules[-1], "--out", tmp_path / "d.csv")
    to_check = ("--to-check", tmp_path / "h.csv")
    done(*rules)
    assert "Take one label at a time" in refused(*decide, *to_check)
    done(*rules, *one_label)
    done(*decide, *to_check, *one_label)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows(kind, rows, tmp_path):
    """Also of the plain prediction, and with their labels; a folder needs a row, and a comparison two."""
    case = case_of(kind).taken(np.arange(rows))
    np.savez(tmp_path / "x.npz", x=case.x)
    np.save(tmp_path / "y.npy", case.truth)
    asked = (*model_of(kind), tmp_path / "x.npz", "--labels", tmp_path / "y.npy")
    for method in ("softmax", "mc-dropout"):
        for ending, *page in (("parquet", "--report", tmp_path / "page.html"), ("csv",)):
            done("assess", *asked, "--method", method, "--out", tmp_path / f"{method}.{ending}", *page)
    assert len(howsure.load(tmp_path / "softmax.parquet")) == rows
    line = ("assess", *asked, "--out", tmp_path / "folder", "--report", tmp_path / "page.html")
    assert rows or "There are no rows" in refused(*line)
    assert not rows or done(*line)
    if task_named(kind).can("compare"):
        assert rows > 1 or "Too few rows to score" in refused("compare", *asked)
        assert rows < 2 or done("compare", *asked)
