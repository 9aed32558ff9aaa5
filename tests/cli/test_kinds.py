"""Answers of a kind that howsure does not have: on the command line, into tables, folders and pages."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.answers import registry
from howsure.cli.options import grouped
from tests.answers.measures import MEASURES, Measures, Regression, known, linear, rows
from tests.commands import run

MODEL, OUTCOME = "tests.answers.measures:linear", "tests.answers.measures:Regression"
TRUTH = np.random.default_rng(2).normal(size=9)


@pytest.fixture(autouse=True)
def numbers_are_known():
    with known():
        yield


@pytest.fixture
def data(tmp_path):
    np.savez(tmp_path / "rows.npz", x=rows())
    return tmp_path / "rows.npz"


@pytest.fixture
def table(data, tmp_path):
    done = run("assess", MODEL, data, "--out", tmp_path / "t.parquet", "--outcome", OUTCOME)
    assert done.exit_code == 0, done.stderr
    return tmp_path / "t.parquet"


def test_a_table_of_numbers(table):
    found, whole = howsure.load(table), howsure.assess(linear(), rows(), outcome=Regression)
    assert isinstance(found, Measures)
    np.testing.assert_array_equal(found.mean, whole.mean)


def test_an_outcome_may_be_an_object(data, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.answers.measures.WEIGHT", Regression(("weight",)), raising=False)
    out = tmp_path / "t.parquet"
    done = run("assess", MODEL, data, "--out", out, "--outcome", "tests.answers.measures:WEIGHT")
    assert done.exit_code == 0, done.stderr
    assert howsure.load(out).number_names == ("weight",)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("numbers", "This names no outcome"),
        ("tests.answers.measures:none", "has no 'none'"),
        ("tests.answers.measures:MEASURES", "is no outcome"),
        ("tests.no_such:Thing", "There is no module"),
    ],
)
@pytest.mark.parametrize("out", ["t.parquet", "folder"])
def test_what_is_no_outcome_is_refused_before_work_begins(data, tmp_path, outcome, said, out):
    done = run("assess", MODEL, data, "--out", tmp_path / out, "--outcome", outcome)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / out).exists()


@pytest.fixture
def folder(tmp_path):
    columns = {f"f{number}": values for number, values in enumerate(rows(70).T)}
    pq.write_table(pa.table({"id": [f"row {n}" for n in range(70)], **columns}), tmp_path / "rows.parquet")
    given = (MODEL, tmp_path / "rows.parquet", "--out", tmp_path / "out", "--part-rows", 32)
    done = run("assess", *given, "--outcome", OUTCOME)
    assert done.exit_code == 0, done.stderr
    return given


def test_a_folder_of_numbers(folder, tmp_path):
    """Its rows are those of one table by the same plan, and the same command goes on."""
    found = howsure.load(tmp_path / "out")
    plan = howsure.Plan.load(tmp_path / "out" / "plan.json")
    method = howsure.MCDropout(plan=plan)
    whole = howsure.assess(linear(), rows(70), method=method, outcome=Regression)
    for name in ("row", "mean", "mc_error", "spread", "passes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    next((tmp_path / "out").glob("part-000000000032-*.parquet")).unlink()
    again = run("assess", *folder, "--outcome", OUTCOME)
    assert again.exit_code == 0, again.stderr
    assert "Done:    38 of 70 rows" in again.stdout
    np.testing.assert_array_equal(howsure.load(tmp_path / "out").mean, found.mean)


def test_a_folder_of_another_outcome_is_refused(folder, monkeypatch):
    monkeypatch.setattr("tests.answers.measures.Other", Regression, raising=False)
    done = run("assess", *folder, "--outcome", "tests.answers.measures:Other")
    assert done.exit_code == 2
    assert "were made with another outcome" in done.stderr


def test_scores_and_pages_of_a_table(table, tmp_path):
    np.save(tmp_path / "y.npy", TRUTH[:, None])
    done = run("evaluate", table, "--labels", tmp_path / "y.npy")
    assert done.exit_code == 0, done.stderr
    assert "rmse of 0" in done.stdout
    page = run("report", table, "--report", tmp_path / "page.html")
    assert page.exit_code == 0, page.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("calibrate",), "There are no calibrators for these rows"),
        (("sets",), "There are no prediction sets for these rows"),
        (("abstain",), "There are no rules of abstention for these rows"),
        (("handover", "--out", "{}/o.csv"), "There are no tables to hand over for these rows"),
    ],
)
def test_what_numbers_do_not_bring_is_refused_in_words(table, tmp_path, command, said):
    name, *more = (part.format(tmp_path) for part in command)
    done = run(name, table, *more)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {said}")
    assert "one class per row" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_numbers_are_not_compared(table, data, tmp_path):
    other = tmp_path / "other.parquet"
    other.write_bytes(table.read_bytes())
    np.save(tmp_path / "y.npy", TRUTH[:, None])
    labels = ("--labels", tmp_path / "y.npy")
    for given in ((table, other), (MODEL, data, "--outcome", OUTCOME)):
        done = run("compare", *given, *labels)
        assert done.exit_code == 2
        assert "There are no comparisons for these rows" in done.stderr


def test_a_table_of_an_unknown_kind_says_what_is_missing(table):
    del registry._ANSWERS[MEASURES.name]  # as long as the fixture lasts
    done = run("report", table, "--report", table.with_suffix(".html"))
    assert done.exit_code == 2
    assert "howsure does not know answers of the kind 'measures'" in done.stderr


def test_options_in_a_group_are_options_of_the_command():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Group:
        needed: int
        usual: str = "a"

    seen = []

    def command(first: int, group: Group) -> None:
        seen.append((first, group))

    grouped(command)(first=1, needed=2, usual="b")
    assert seen == [(1, Group(2, "b"))]
