"""Columns of several files or blocks are found by name, whatever order they stand in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.data.tables import Roles
from howsure.scale.dataset import _Batches, _chosen, _Recipe
from howsure.scale.recipe import Asked
from howsure.scale.sources import columns_in, in_order
from tests.scale.conftest import ROWS, asked, check_same, into, table_of
from validation import small_network

ORDER = ["f3", "id", "f7", "f1", "f0", "f6", "f2", "f5", "f4"]


def changed(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def test_another_order_in_one_file(tmp_path, rows, plan_file, whole):
    changed(rows / "4.parquet", lambda table: table.select(ORDER))
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    check_same(howsure.load(tmp_path / "results"), whole)


def test_the_order_is_that_of_the_run_before(tmp_path, rows, plan_file, whole):
    """The first file was not readable then, and has another order now that it is mended."""
    first, out = rows / "0.parquet", tmp_path / "results"
    table = pq.read_table(first)
    first.write_bytes(b"PAR1 and no more")
    assert into(out, rows, "--plan", plan_file).exit_code == 1
    pq.write_table(table.select(ORDER), first)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    check_same(howsure.load(out), whole)


def renamed(table):
    return table.rename_columns([f"other {name}" for name in table.column_names])


def with_texts(table):
    return table.set_column(0, "id", pa.array(range(len(table))))


OTHER = {
    "names": (renamed, "no 'id', 'f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', also 'other id'"),
    "no id": (lambda table: table.drop_columns(["id"]), "Received: no 'id'."),
    "labels": (lambda table: table.append_column("y", table["f0"]), "Received: also 'y'."),
    "kind of id": (with_texts, "Received: numbers in 'id', which elsewhere holds texts."),
}


@pytest.mark.parametrize("other", OTHER)
def test_other_columns_in_one_file(tmp_path, rows, plan_file, whole, other):
    change, said = OTHER[other]
    out, bad = tmp_path / "results", rows / "8.parquet"
    good = bad.read_bytes()
    changed(bad, change)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1
    assert f"'{bad}' does not have the columns of the other rows" in done.stderr
    assert said in done.stderr
    with pytest.warns(howsure.HowsureWarning, match="Results of 40 of 360 rows are missing"):
        check_same(howsure.load(out), whole, np.arange(8 * ROWS))
    bad.write_bytes(good)
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


def test_a_block_of_a_dataset_in_another_order(x, plan, whole):
    table = table_of(x, 0)
    recipe = _Recipe(
        small_network.make,
        asked(plan),
        Roles(id="id"),
        Asked(),
        tuple((name, "") for name in table.column_names),
    )
    found = _Batches(recipe)(table.select(ORDER))
    assert np.array_equal(np.stack(found["probabilities"].to_numpy()), whole.probabilities)
    with pytest.raises(howsure.InputError, match="A block of the dataset does not have the columns"):
        _Batches(recipe)(table.drop_columns(["f3"]))


def test_two_columns_of_one_name_cannot_be_told_apart():
    twice = pa.table([[1], [2], [3]], names=["a", "a", "b"])
    wanted = columns_in(twice.schema)
    assert in_order("'t'", twice, wanted) is twice
    with pytest.raises(howsure.InputError, match="two columns of one name, in another order"):
        in_order("'t'", twice.select([2, 0, 1]), wanted)


@pytest.mark.parametrize(
    "method", [howsure.MCDropout(), howsure.Ensemble([small_network.make()], each=howsure.MCDropout())]
)
def test_passes_without_a_plan_are_refused(method):
    """Also of members: a row's numbers would depend on the others in its block."""
    with pytest.raises(howsure.InputError, match="Without a plan"):
        _chosen(method, None)
