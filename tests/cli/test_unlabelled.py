"""Commands that need no labels take tables whose column of labels has empty cells."""

import numpy as np
import pytest

import howsure
from tests.commands import done, flat, lines_of, refused, run

ROWS = {"full": ("dog", "cat", "dog", "cat"), "some": ("dog", "", "dog", "cat"), "none": ("", "", "", "")}


def table(folder, name, columns=("cat", "dog")):
    path = folder / f"{name}.csv"
    p = (0.2, 0.6, 0.45, 0.9)
    cells = [f"{n},{p[n]},{1 - p[n]:.2f},{label}" for n, label in enumerate(ROWS[name])]
    path.write_text("\n".join([f"id,{','.join(columns)},y", *cells]) + "\n")
    return path


@pytest.fixture
def known(tmp_path):
    random = np.random.default_rng(0)
    p = random.beta(0.5, 0.5, 300)
    words = np.where(random.random(300) < p, "dog", "cat")
    lines = [f"{1 - share:.6f},{share:.6f},{word}" for share, word in zip(p, words, strict=True)]
    path = tmp_path / "known.csv"
    path.write_text("\n".join(["cat,dog,y", *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", ROWS)
def test_labels_with_gaps_are_left_out_where_none_are_needed(tmp_path, known, name):
    path, rules = table(tmp_path, name), tmp_path / "rules.json"
    done("rules", known, "--risk", "0.3", "--out", rules)
    for command in (
        ("handover", path, "--out", tmp_path / "for-a-person.csv"),
        ("report", path, "--report", tmp_path / "page.html"),
        ("decide", path, "--rules", rules, "--out", tmp_path / "decided.parquet"),
    ):
        finished = run(*command)
        assert finished.exit_code == 0, finished.stderr
        is_said = "has empty cells in column 'y', in row 1. So its labels are left out" in flat(
            finished.stderr
        )
        assert is_said == (name == "some")
    assert len(lines_of(tmp_path / "for-a-person.csv")) == 2
    truth = howsure.load(tmp_path / "decided.parquet").truth
    assert (truth is None) == (name != "full")


@pytest.mark.parametrize("columns", [("mean", "std"), ("mean.a", "std.a")])
def test_true_numbers_with_gaps_too(tmp_path, columns):
    path = tmp_path / "numbers.csv"
    path.write_text(f"id,{','.join(columns)},y\n1,1.0,0.5,\n2,2.0,0.5,2.1\n")
    finished = run("report", path, "--report", tmp_path / "page.html")
    assert finished.exit_code == 0
    assert "in row 0. So its labels are left out" in flat(finished.stderr)
    assert "empty cells in column 'y', in row 0" in refused("evaluate", path)


def test_where_labels_are_needed_a_gap_is_refused(tmp_path):
    path = table(tmp_path, "some")
    for command in ("evaluate", "rules"):
        assert "empty cells in column 'y', in row 1" in flat(refused(command, path))
    assert "The same table is given twice" in refused("compare", path, path)
