"""Labels of some of the rows of a file, as parts of a folder ask for them."""

from pathlib import Path

import numpy as np
import pytest

from howsure import HowsureWarning, InputError
from howsure.inputs.align import RowNames
from howsure.inputs.label_files import LabelFile, read_label_file
from howsure.inputs.rows import Rows

IDS = np.array(["a", "b", "c", "d", "e"], dtype=object)


def file_of(labels, ids=None, path="y.csv"):
    return LabelFile(Path(path), np.asarray(labels), None if ids is None else np.asarray(ids, dtype=object))


def test_by_their_place():
    known = file_of([5, 6, 7, 8, 9])
    assert known.of_some(RowNames(IDS[[3, 1]]), np.array([3, 1])).tolist() == [8, 6]
    assert file_of([5, 6, 7, 8, 9], IDS).of_some(None, np.array([0, 4])).tolist() == [5, 9]


def test_by_what_they_are_called(tmp_path):
    (tmp_path / "y.csv").write_text("id,y\nd,3\na,0\nc,2\ne,4\nb,1\n")
    known = read_label_file(tmp_path / "y.csv")
    for rows in ([0, 1], [2, 3, 4], [4, 0]):
        assert known.of_some(RowNames(IDS[rows]), np.array(rows)).tolist() == rows
    with pytest.raises(InputError, match=r"labels of other rows.*'x' among them"):
        known.of_some(RowNames(np.array(["a", "x"], dtype=object)), np.array([0, 1]))


def test_ids_in_a_column_of_another_name(tmp_path):
    """Ids are known by what they are; a column of other numbers is none."""
    (tmp_path / "y.csv").write_text("ID,age,y\nd,31,3\na,47,0\nc,5,2\ne,12,4\nb,31,1\n")
    known = read_label_file(tmp_path / "y.csv")
    assert known.of(RowNames(IDS)).tolist() == [0, 1, 2, 3, 4]
    for rows in ([0, 1], [2, 3, 4], [4, 0]):
        assert known.of_some(RowNames(IDS[rows]), np.array(rows)).tolist() == rows
    for other in (RowNames(), RowNames(IDS + "0"), RowNames(np.array([31, 47, 5, 12, 13]))):
        assert known.of(other).tolist() == [3, 0, 2, 4, 1]


def test_ids_that_several_rows_have():
    known = file_of([5, 6, 7, 8], ["a", "a", "b", "c"])
    assert known.of_some(RowNames(np.array(["a", "b"], dtype=object)), np.array([1, 2])).tolist() == [6, 7]
    with pytest.raises(InputError, match="where some rows share an id"):
        known.of_some(RowNames(np.array(["b", "a"], dtype=object)), np.array([1, 2]))
    with pytest.raises(InputError, match="labels of other rows"):
        file_of([5, 6], ["b", "a"]).of_some(RowNames(np.array(["a", "a"], dtype=object)), np.array([0, 1]))


def test_too_many_and_too_few():
    known = file_of([5, 6, 7])
    known.check_count(3)
    for rows in (2, 4):
        with pytest.raises(InputError, match=f"another number of labels.*Expected: {rows} labels"):
            known.check_count(rows)


def test_labels_of_further_rows_are_left_out_where_both_have_ids():
    known = file_of([5, 6, 7, 8, 9], IDS)
    with pytest.warns(HowsureWarning, match=r"'y\.csv' holds labels of more rows.*: 3 of 5 are left out"):
        assert known.of(RowNames(IDS[[3, 1]])).tolist() == [8, 6]
    rows = Rows(np.zeros((2, 1)), ids=IDS[[3, 1]])
    with pytest.warns(HowsureWarning, match="3 of 5 are left out"):
        assert known.of(rows).tolist() == [8, 6]
    with pytest.warns(HowsureWarning, match="2 of 5 are left out"):
        known.check_count_by_id(3)
    with pytest.raises(InputError, match="another number of labels"):
        known.check_count_by_id(6)


def test_labels_of_further_rows_without_ids_are_refused_with_a_way_out():
    for known, rows in (
        (file_of([5, 6, 7]), Rows([1, 2], ids=IDS[:2])),
        (file_of([5, 6, 7], [*"xyz"]), Rows([1])),
    ):
        with pytest.raises(InputError, match=r"another number of labels.*Leave out.*a column `id` with the"):
            known.of(rows)
