"""Commands that need no labels take tables whose column of labels has empty cells. One yes or no a row."""

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
    lines = [f"{1 - each:.6f},{each:.6f},{word}" for each, word in zip(p, words, strict=True)]
    path = tmp_path / "known.csv"
    path.write_text("\n".join(["cat,dog,y", *lines]) + "\n")
    return path


@pytest.mark.parametrize("name", ROWS)
def test_labels_with_gaps_are_left_out_where_none_are_needed(tmp_path, known, name):
    path, calibrator = table(tmp_path, name), tmp_path / "c.json"
    done("calibrate", known, "--out", calibrator)
    for command in (
        ("handover", path, "--out", tmp_path / "for-a-person.csv"),
        ("report", path, "--report", tmp_path / "page.html"),
        ("calibrate", path, "--calibrator", calibrator, "--out", tmp_path / "calibrated.parquet"),
        ("sets", known, "--new", path, "--out", tmp_path / "sets.csv"),
        ("abstain", known, "--risk", "0.3", "--new", path, "--out", tmp_path / "rows.csv"),
    ):
        found = run(*command)
        assert found.exit_code == 0, found.stderr
        said = "has empty cells in column 'y', in row 1. So its labels are left out" in flat(found.stderr)
        assert said == (name == "some")
    assert len(lines_of(tmp_path / "for-a-person.csv")) == 2
    truth = howsure.load(tmp_path / "calibrated.parquet").truth
    assert (truth is None) == (name != "full")


@pytest.mark.parametrize("columns", [("mean", "std"), ("mean.a", "std.a")])
def test_true_numbers_with_gaps_too(tmp_path, columns):
    path = tmp_path / "numbers.csv"
    path.write_text(f"id,{','.join(columns)},y\n1,1.0,0.5,\n2,2.0,0.5,2.1\n")
    said = run("report", path, "--report", tmp_path / "page.html")
    assert said.exit_code == 0
    assert "in row 0. So its labels are left out" in flat(said.stderr)
    assert "empty cells in column 'y', in row 0" in refused("evaluate", path)


def test_where_labels_are_needed_a_gap_is_refused(tmp_path):
    path = table(tmp_path, "some")
    for command in ("evaluate", "calibrate", "sets"):
        assert "empty cells in column 'y', in row 1" in flat(refused(command, path))
    assert "The same table is given twice" in refused("compare", path, path)


# --- one yes or no for each row -------------------------------------------------------------------


@pytest.mark.parametrize("words", [("0", "1"), ("no", "yes"), ("False", "True")])
def test_one_label_in_a_table_and_in_files_of_labels(tmp_path, words):
    random = np.random.default_rng(0)
    p = np.round(random.beta(0.5, 0.5, 50), 4)
    holds = random.random(50) < p
    result = howsure.MultilabelCertainty.from_probabilities(p, ["rain"])
    expected = str(howsure.evaluate(result, holds).mean["nll"])
    cells = np.array(words)[holds.astype(int)]
    both = "".join(f"{n},{each},{cell}\n" for n, (each, cell) in enumerate(zip(p, cells, strict=True)))
    (tmp_path / "both.csv").write_text("id,rain,y\n" + both)
    (tmp_path / "p.csv").write_text("id,rain\n" + "".join(f"{n},{each}\n" for n, each in enumerate(p)))
    (tmp_path / "labels.csv").write_text("y\n" + "".join(f"{cell}\n" for cell in cells))
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "y.npy", holds)
    for arguments in (
        ("both.csv",),
        ("p.csv", "--labels", tmp_path / "labels.csv"),
        ("p.csv", "--labels", tmp_path / "y.npy"),
        ("p.npy", "--labels", tmp_path / "y.npy"),
        ("p.npy", "--labels", tmp_path / "y.npy", "--class-names", "rain,"),
    ):
        said = done("evaluate", tmp_path / arguments[0], *arguments[1:], "--set", "several_labels=true")
        assert "50 rows, 1 label\n" in said
        assert expected in said
