"""Columns of several files or blocks are found by name, whatever order they stand in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.inputs.tables import Roles
from howsure.request import Request
from howsure.scale.ray import _BatchWorker, _method_of
from tests.scale.conftest import asked, check_same, into, table_of
from validation import small_network

ORDER = ["f3", "id", "f7", "f1", "f0", "f6", "f2", "f5", "f4"]


def changed(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def test_another_order_in_one_file(tmp_path, rows, plan_file, whole):
    changed(rows / "4.parquet", lambda table: table.select(ORDER))
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    check_same(howsure.load(tmp_path / "results"), whole)


def renamed(table):
    return table.rename_columns([f"other {name}" for name in table.column_names])


def with_texts(table):
    return table.set_column(0, "id", pa.array(range(len(table))))


OTHER = {
    "names": (renamed, "Received: no 'id' of texts, no 'f0' of numbers, "),
    "no id": (lambda table: table.drop_columns(["id"]), "Received: no 'id' of texts."),
    "labels": (lambda table: table.append_column("y", table["f0"]), "Received: also 'y' of numbers."),
    "kind of id": (with_texts, "Received: no 'id' of texts, also 'id' of numbers."),
}


@pytest.mark.parametrize("other", OTHER)
def test_other_columns_in_one_file(tmp_path, rows, plan_file, other):
    change, said = OTHER[other]
    changed(rows / "8.parquet", change)
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert f"'{rows / '8.parquet'}' does not have the columns of the other rows" in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "results").exists()


def test_two_columns_of_one_name_cannot_be_told_apart(tmp_path, rows, plan_file):
    changed(rows / "0.parquet", lambda table: table.append_column("f1", table["f0"]))
    changed(
        rows / "8.parquet", lambda table: table.select([1, 0, *range(2, 9)]).append_column("f1", table["f0"])
    )
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 2


def test_a_block_of_a_dataset_in_another_order(x, plan, whole):
    table = table_of(x, 0)
    names = table.column_names
    worker = _BatchWorker(small_network.make, asked(plan), Request(), None, Roles(id="id"), names, ".")
    found = worker(table.select(ORDER))
    p = [found[f"probabilities.{name}"].to_numpy() for name in whole.class_names]
    assert np.array_equal(np.stack(p, axis=1), whole.probabilities)
    with pytest.raises(KeyError, match="f3"):
        worker(table.drop_columns(["f3"]))


@pytest.mark.parametrize(
    "method", [howsure.MCDropout(), howsure.Ensemble([small_network.make()], each=howsure.MCDropout())]
)
def test_passes_without_a_plan_are_refused(method):
    """Also of members: a row's numbers would depend on the others in its block."""
    with pytest.raises(howsure.InputError, match="Without a plan"):
        _method_of(method, None)
