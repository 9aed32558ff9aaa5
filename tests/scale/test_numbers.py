"""A folder of numbers: the same as one table, continued after a stop, and read by commands."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from tests.answers.measures import linear
from tests.answers.measures import rows as rows_of
from tests.commands import run

MODEL = "tests.answers.measures:linear"
N, PER_PART = 60, 16


@pytest.fixture
def truth():
    return linear().predict([rows_of(N)])[:, 0].astype(float) + 0.5


def table_of(x, truth, first=0):
    columns = {f"f{number}": x[:, number] for number in range(4)}
    return pa.table({"id": [f"house {first + n}" for n in range(len(x))], **columns, "y": truth})


@pytest.fixture
def rows(tmp_path, truth):
    folder = tmp_path / "rows"
    folder.mkdir()
    for number, part in enumerate(np.split(np.arange(N), 2)):
        pq.write_table(table_of(rows_of(N)[part], truth[part], part[0]), folder / f"{number}.parquet")
    return folder


@pytest.fixture
def plan(tmp_path):
    howsure.plan(linear(), rows_of(N), precision="float32").save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


def into(out, rows, plan, *more):
    return run("assess", MODEL, rows, "--out", out, "--plan", plan, "--part-rows", PER_PART, "--quiet", *more)


def test_the_numbers_are_those_of_one_table(tmp_path, rows, plan, truth):
    out = tmp_path / "results"
    done = into(out, rows, plan, "--class-names", "price,")
    assert done.exit_code == 0, done.stderr
    found = howsure.load(out)
    method = howsure.MCDropout(plan=howsure.Plan.load(plan))
    expected = howsure.assess(linear(), rows_of(N), method=method, class_names=["price"])
    for name in ("mean", "mc_error", "spread", "spread_error", "quantiles", "passes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(found.truth[:, 0], truth)
    assert (found.target_names, found.row.tolist()) == (("price",), [*range(N)])


def test_a_stopped_run_is_continued(tmp_path, rows, plan):
    out = tmp_path / "results"
    assert into(out, rows, plan).exit_code == 0
    whole, parts = howsure.load(out), sorted(out.glob("part-*"))
    kept = parts[0].stat().st_mtime_ns
    parts[1].unlink()
    assert into(out, rows, plan).exit_code == 0
    again = howsure.load(out)
    np.testing.assert_array_equal(again.mean, whole.mean)
    assert parts[0].stat().st_mtime_ns == kept
    assert into(out, rows, plan, "--seed", 7).exit_code == 2


def test_true_numbers_of_a_file_follow_the_ids(tmp_path, rows, plan, truth):
    order = np.random.default_rng(0).permutation(N)
    with (tmp_path / "y.csv").open("w", newline="") as file:
        lines = [[f"house {n}", truth[n] + 1] for n in range(N)]
        csv.writer(file).writerows([["id", "price"], *(lines[n] for n in order)])
    out = tmp_path / "results"
    assert into(out, rows, plan, "--labels", tmp_path / "y.csv").exit_code == 0
    np.testing.assert_array_equal(howsure.load(out).truth[:, 0], truth + 1)


def test_commands_read_the_folder(tmp_path, rows, plan):
    out = tmp_path / "results"
    assert into(out, rows, plan).exit_code == 0
    whole = howsure.load(out)
    done = run("evaluate", out, "--above", "0.3")
    assert done.stdout.strip() == str(howsure.evaluate(whole.above(0.3))).strip()
    done = run("handover", out, "--out", tmp_path / "rows.csv", "--most", 4)
    assert done.exit_code == 0, done.stderr
    with (tmp_path / "rows.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [int(line["row"]) for line in found] == whole.widest(4).tolist()
    assert found[0]["id"] == f"house {found[0]['row']}"
    assert run("report", out, "--report", tmp_path / "page.html").exit_code == 0
