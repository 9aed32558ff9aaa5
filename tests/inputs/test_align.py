"""Two parts of the same rows are aligned by what both call these, or refused: never matched by place."""

import numpy as np
import pandas as pd
import pytest

from howsure.errors import HowsureWarning, InputError
from howsure.inputs.align import RowNames, aligned, index_names, places, together

TEXTS = np.array(["a", "b", "c"], dtype=object)
LETTERS = RowNames(ids=TEXTS, id_name="id")
SPLIT = RowNames(frame_index=np.array([521, 7, 40]))
COUNTED = RowNames(frame_index=np.arange(3))
SHUFFLED = RowNames(ids=np.array([2, 0, 1]), id_name="id", frame_index=np.array([2, 0, 1]))


def numbers(index=None, name=None):
    return pd.Series([10, 20, 30], index=pd.Index([0, 1, 2] if index is None else index, name=name))


@pytest.mark.parametrize("own", [LETTERS, RowNames(frame_index=TEXTS), RowNames(TEXTS, "id", TEXTS)])
def test_the_same_names_in_another_order_are_aligned(own):
    assert aligned(numbers(["c", "a", "b"]), own).tolist() == [20, 30, 10]
    frame = numbers(["c", "a", "b"]).to_frame("y")
    assert aligned(frame, own)["y"].tolist() == [20, 30, 10]


def test_numbers_from_a_split_are_aligned_with_numbers_of_the_same_split():
    assert aligned(numbers([7, 40, 521]), SPLIT).tolist() == [30, 10, 20]


@pytest.mark.parametrize("index", [[7.0, 40.0, 521.0], [0.0, 2.0, 1.0]])
def test_whole_numbers_may_be_written_as_fractions(index):
    """As pandas writes them beside gaps, also where these are gone again."""
    assert index_names(numbers(index)).frame_index.tolist() == index
    whole = np.array(index).astype(int)[[2, 0, 1]]
    assert aligned(numbers(index), RowNames(frame_index=whole)).tolist() == [30, 10, 20]


@pytest.mark.parametrize(
    ("own", "values"),
    [
        (RowNames(), numbers([521, 7, 40])),  # rows are an array
        (SPLIT, numbers([521, 7, 40])),
        (RowNames(np.array([1, 2, 3]), "id", COUNTED.frame_index), numbers()),
        (RowNames(np.array([1, 2, 3]), "id"), numbers()),  # the rows are of a file with numbers from 1
        (SHUFFLED, numbers([2, 0, 1])),
        (LETTERS, numbers()),
        (LETTERS, numbers([521, 7, 40])),  # ids from a column, and an index beside them
        (LETTERS, numbers(["u", "v", "w"])),
        (RowNames(np.array([1001, 1002, 1003]), "id", SPLIT.frame_index), numbers([521, 7, 40])),
        (RowNames(np.array([2, 1, 0]), "id", COUNTED.frame_index), numbers()),
        (RowNames(frame_index=np.array(["a", "a", "b"], dtype=object)), numbers(["a", "a", "b"])),
        (SPLIT, [10, 20, 30]),
        (SPLIT, np.array([10, 20, 30])),
    ],
)
def test_the_order_counts_where_no_name_contradicts_it(own, values):
    assert list(aligned(values, own)) == [10, 20, 30]


@pytest.mark.parametrize(
    ("own", "index"),
    [
        (LETTERS, ["a", "b", "d"]),
        (SPLIT, [521, 7, 41]),
        (LETTERS, ["a", "b", None]),
        (SPLIT, [521, 7, "c"]),
        (SPLIT, [1, 8, 41]),  # the other half of the split
        (RowNames(np.array([521, 7, 40]), "id"), [521, 7, 41]),
        (RowNames(frame_index=TEXTS), ["u", "v", "w"]),
        (RowNames(frame_index=np.array([1, 2, 3])), [0, 1, 2]),  # the rows before
        (COUNTED, [1, 2, 3]),
        (COUNTED, [3, 4, 5]),  # the other half of the rows; or the index of the rows was made anew
        (RowNames(frame_index=np.array([3, 4, 5])), [0, 1, 2]),
        (COUNTED, [521, 7, 40]),
        (SPLIT, [0, 1, 2]),  # or that of the labels was
    ],
)
def test_an_index_of_other_rows_is_refused(own, index):
    with pytest.raises(InputError, match=r"The labels are of other rows[.,].*labels\.to_numpy\(\)"):
        aligned(numbers(index), own)


@pytest.mark.parametrize(
    ("own", "index", "name"),
    [
        (RowNames(frame_index=np.array([7, 521])), [521, 7, 40], None),
        (RowNames(frame_index=np.array([2, 1])), [0, 1, 2], None),  # some rows of a frame, and labels of all
        (RowNames(frame_index=TEXTS[[2, 0]]), ["a", "b", "c"], None),
        (RowNames(TEXTS[[2, 0]], "name"), ["a", "b", "c"], "name"),
        (RowNames(np.array([2, 1]), "name"), [0, 1, 2], "name"),
    ],
)
def test_values_of_further_rows_are_left_out_and_that_is_said(own, index, name):
    labels = numbers(index, name)
    wanted = labels.loc[own.ids if own.frame_index is None else own.frame_index].tolist()
    with pytest.warns(HowsureWarning, match="The labels are of more rows than there are here: 1 of 3 are"):
        assert aligned(labels, own).tolist() == wanted


@pytest.mark.parametrize(
    "own",
    [RowNames(frame_index=np.arange(2)), RowNames(np.array([2, 1]), "id"), RowNames(np.array([0, 1]), "id")],
)
def test_an_index_of_more_rows_that_may_have_been_made_anew_is_refused(own):
    """Two rows that count from 0, or have ids: they may be any of the three that the labels count."""
    with pytest.raises(InputError, match="of more rows than there are here, under an index") as raised:
        aligned(numbers(), own)
    by_index = eval(raised.value.hint.split("`")[1], {"labels": numbers(), "certainty": own})
    rows = own.ids if own.frame_index is None else own.frame_index
    assert aligned(by_index, own).tolist() == numbers().loc[rows].tolist()


@pytest.mark.parametrize("index", [[521, 7], [521, 521, 7, 40], [521, 7, 41, 42]])
def test_fewer_names_repeated_ones_and_others_are_refused(index):
    labels = pd.Series(range(len(index)), index=index)
    with pytest.raises(InputError, match="The labels are of other rows"):
        aligned(labels, SPLIT)


def test_parts_of_the_rows_are_not_shortened():
    with pytest.raises(InputError, match="of other rows"):
        together({"a": numbers([7, 8, 9])[:2], "b": numbers([7, 8, 9])}, "x")


@pytest.mark.parametrize(
    ("own", "index"), [(SHUFFLED, [0, 1, 2]), (COUNTED, [2, 0, 1]), (RowNames(SHUFFLED.ids, "id"), [0, 1, 2])]
)
def test_an_index_that_may_have_been_made_anew_is_refused(own, index):
    """Shuffled rows, and labels that count from 0: these may be in the old order, or in the new one."""
    rows = own.ids if own.frame_index is None else own.frame_index
    labels = numbers(index)
    with pytest.raises(InputError, match="or under an index that was made anew") as raised:
        aligned(labels, own)
    scope = {"labels": labels, "certainty": own}
    by_place, by_index = (eval(each, scope) for each in raised.value.hint.split("`")[1::2])
    assert list(aligned(by_place, own)) == [10, 20, 30]
    assert aligned(by_index, own).to_dict() == labels.to_dict()
    assert aligned(by_index, own).index.tolist() == rows.tolist()


def test_the_hint_for_a_frame_keeps_its_columns():
    labels = numbers([521, 7, 41]).to_frame("y")
    with pytest.raises(InputError) as raised:
        aligned(labels, SPLIT)
    found = aligned(eval(raised.value.hint.split("`")[1], {"labels": labels, "certainty": SPLIT}), SPLIT)
    assert found.columns.tolist() == ["y"]
    assert found["y"].tolist() == [10, 20, 30]
    assert found.index.tolist() == SPLIT.frame_index.tolist()


def test_repeated_names_in_another_order_are_refused():
    own = RowNames(frame_index=np.array(["a", "a", "b"], dtype=object))
    with pytest.raises(InputError, match="in another order than the rows, and some rows share one"):
        aligned(numbers(["a", "b", "a"]), own)


def test_an_index_with_the_name_of_the_ids_is_compared_with_these():
    """The rows have ids 2, 1, 0 in a column, and an index that counts; the labels have the ids as index."""
    own = RowNames(np.array([2, 1, 0]), "customer", np.arange(3))
    assert aligned(numbers([0, 1, 2], name="customer"), own).tolist() == [30, 20, 10]
    with pytest.raises(InputError, match="of other rows"):
        aligned(numbers([5, 6, 7], name="customer"), own)


def test_columns_of_ids_are_always_compared():
    assert places(LETTERS, RowNames(ids=TEXTS[::-1]), "It holds labels").tolist() == [2, 1, 0]
    assert places(LETTERS, RowNames(ids=TEXTS), "It holds labels") is None
    assert places(RowNames(np.array([1, 2]), "id"), RowNames(np.array(["2", "1"], object)), "").tolist() == [
        1,
        0,
    ]
    with pytest.raises(InputError, match=r"It holds labels of other rows.*'c' among them.*none for 'c'"):
        places(LETTERS, RowNames(ids=TEXTS[:2]), "It holds labels")


def test_columns_of_ids_come_before_an_index_that_says_the_same():
    """Passes of different rows, each a frame with a column of ids and an index that counts."""
    counted = np.arange(3)
    own, other = (RowNames(np.array(ids), "id", counted) for ids in ([5, 6, 7], [6, 7, 8]))
    with pytest.raises(InputError, match="of other rows"):
        places(own, other, "It holds rows")
    turned = RowNames(np.array([7, 6, 5]), "id", counted)
    assert places(own, turned, "It holds rows").tolist() == [2, 1, 0]


def test_an_index_that_is_the_ids_is_compared_with_a_column_of_ids():
    own = RowNames(TEXTS, "id", TEXTS)
    assert places(own, RowNames(TEXTS[::-1]), "It holds labels").tolist() == [2, 1, 0]
    with pytest.raises(InputError, match="of other rows"):
        places(own, RowNames(np.array(["u", "v", "w"], dtype=object)), "It holds labels")
    beside = RowNames(np.array(["u", "v", "w"], dtype=object), "id", TEXTS)
    assert places(own, beside, "It shows rows") is None  # the same index, and other names in a column
