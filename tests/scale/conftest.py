"""What tests of folders share: rows of a small network in numpy, in nine files, and one whole table."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from tests.commands import run
from validation import small_network

MODEL = "validation.small_network:make"
FILES, ROWS = 9, 40
"""How many files, and rows in each; with parts of 32 rows each file makes one of these and one of 8."""

PER_PART = 32

ERROR, MOST = 0.05, 80
"""Rows have enough passes after one to four rounds; by default all have more, and some all twenty."""


def into(out, rows, *more):
    """The command that writes a folder, with settings unless `more` says otherwise."""
    usual = {"target_error": ERROR, "max_passes": MOST} if "passes=" not in str(more) else {}
    usual |= {} if "part_rows=" in str(more) else {"part_rows": PER_PART}
    settings = [part for name, value in usual.items() for part in ("--set", f"{name}={value}")]
    return run("assess", MODEL, rows, "--out", out, *settings, *more)


def asked(plan):
    """The method of `into`."""
    return howsure.MCDropout(plan=plan, target_error=ERROR, max_passes=MOST)


def table_of(x, first, features=small_network.FEATURES):
    columns = {f"f{number}": x[:, number] for number in range(features)}
    return pa.table({"id": [f"row {first + number}" for number in range(len(x))], **columns})


@pytest.fixture(scope="session")
def x():
    return small_network.rows(FILES * ROWS)


@pytest.fixture(scope="session")
def written_rows(tmp_path_factory, x):
    folder = tmp_path_factory.mktemp("rows")
    for number in range(FILES):
        first = number * ROWS
        table = table_of(x[first : first + ROWS], first)
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=25)
    return folder


@pytest.fixture
def rows(tmp_path, written_rows):
    """A folder of nine files, in groups of 25 rows, which a test may change."""
    return shutil.copytree(written_rows, tmp_path / "rows")


@pytest.fixture(scope="session")
def plan(x):
    return howsure.plan(small_network.make(), x, precision="float32")


@pytest.fixture
def plan_file(tmp_path, plan):
    plan.save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


@pytest.fixture(scope="session")
def written_results(tmp_path_factory, written_rows, plan):
    folder = tmp_path_factory.mktemp("whole")
    plan.save(folder / "plan.json")
    done = into(folder / "results", written_rows, "--plan", folder / "plan.json")
    assert done.exit_code == 0, done.stderr
    return folder / "results"


@pytest.fixture
def results(tmp_path, written_results):
    """What the command made of the rows by the plan, whole."""
    return shutil.copytree(written_results, tmp_path / "results")


@pytest.fixture(scope="session")
def whole(x, plan):
    """All rows at once, by the same plan."""
    found = howsure.assess(small_network.make(), x, method=asked(plan))
    assert len(set(found.passes)) > 2
    return found


def check_same(found, whole, numbers=None):
    """The same rows to the last bit, each once."""
    expected = whole if numbers is None else whole[numbers]
    assert np.array_equal(found.row, expected.row)
    for name in ("probabilities", "mc_error", "quantiles", "mutual_information", "passes", "label"):
        assert np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True), name
