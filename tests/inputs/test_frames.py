"""Data frames of every kind become the same rows, labels and ids; what cannot is refused in one sentence."""

import numpy as np
import pyarrow as pa
import pytest

from howsure import InputError
from howsure.inputs.frames import as_array, is_frame, labelled_frame, read_frame
from howsure.inputs.rows import InputSpec, check_rows
from tests.refused import refused

pd = pytest.importorskip("pandas", reason="pandas is not installed")

FLAT = [InputSpec("x", (3,), "float32")]
TWO = [InputSpec("age", (1,), "int32"), InputSpec("place", (2,), "float32")]
TEXT = [InputSpec("said", (), "string")]
COLUMNS = {"p": [1, 2], "q": [0.5, 0.25], "r": [True, False]}
EXPECTED = [[1, 0.5, 1], [2, 0.25, 0]]


def polars(columns):
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(columns)


@pytest.fixture(params=[pd.DataFrame, polars, pa.table])
def frame(request):
    return request.param


def refuse(frame, inputs, *fragments):
    refused(InputError, lambda: read_frame(frame, inputs), *fragments)


def test_columns_of_numbers_in_their_order_are_the_rows(frame):
    for inputs in (FLAT, None):
        rows = read_frame(frame(COLUMNS), inputs)
        assert rows.x.tolist() == EXPECTED
        assert (rows.labels, rows.ids, rows.id_name) == (None, None, "id")
    assert is_frame(frame(COLUMNS))


def test_labels_and_ids_are_taken_out(frame):
    rows = read_frame(frame({"id": ["a7", "b2"], **COLUMNS, "y": ["cat", "dog"]}), FLAT)
    assert rows.x.tolist() == EXPECTED
    assert rows.labels.tolist() == ["cat", "dog"]
    assert (rows.ids.tolist(), rows.id_name) == (["a7", "b2"], "id")
    rows = read_frame(frame({"id": [70, 20], **COLUMNS, "y": [1, 0]}), FLAT)
    assert (rows.ids.tolist(), rows.labels.tolist()) == ([70, 20], [1, 0])


def test_several_inputs_are_columns_by_name_and_others_stay_out(frame):
    rows = read_frame(
        frame({"note": ["u", "v"], "place": [[1.0, 2.0], [3.0, 4.0]], "age": [30, 40], "y": [0, 1]}), TWO
    )
    assert rows.x["age"].tolist() == [[30], [40]]
    assert rows.x["place"].tolist() == [[1, 2], [3, 4]]
    assert rows.labels.tolist() == [0, 1]
    refuse(frame({"age": [30], "y": [0]}), TWO, "one column each for 'place'", "columns 'age', 'y'")


def test_columns_that_are_not_numbers_say_how_to_leave_them_out_or_encode_them(frame):
    given = frame({**COLUMNS, "kind": ["a", "b"]})
    refuse(given, FLAT, "1 column without numbers: 'kind'", "drop them from the data frame", "call it 'y'")


def test_what_does_not_fit_is_refused(frame):
    refuse(
        frame({"p": [1.0, None], "q": [1.0, 2.0], "r": [1.0, 2.0]}),
        FLAT,
        "empty cells in column 'p'",
        "row 1",
    )
    refuse(frame({"p": [1.0], "q": [2.0]}), FLAT, "2 numbers per row", "Expected: 3")
    refuse(frame({"p": [1.0], "q": [2.0], "y": [3.0]}), FLAT, "'y' is not counted", "rename it")
    refuse(frame({**COLUMNS, "s": [1.0, 2.0]}), FLAT, "4 numbers per row", "call it 'y'")
    refuse(frame({**COLUMNS, "id": ["a", None]}), FLAT, "empty cells in column 'id'", "an id in every row")


def test_python_objects_in_polars_are_refused():
    given = polars({**COLUMNS, "id": np.array([object(), object()])})
    refuse(given, FLAT, "Python objects in column 'id'", "x.drop(['id'])")


def test_columns_may_be_called_by_numbers():
    frame = pd.DataFrame(np.ones((2, 3))).assign(y=["cat", "dog"])
    rows = read_frame(frame, FLAT)
    assert (rows.x.shape, rows.labels.tolist()) == ((2, 3), ["cat", "dog"])
    refuse(pd.DataFrame(np.ones((2, 2)), columns=[1, "1"]), FLAT, "a name of its own for every column")


def test_kinds_that_are_no_numbers_are_named():
    frame = pd.DataFrame(
        {
            "p": [1.0, 2.0],
            "day": pd.to_datetime(["2020-01-01"] * 2),
            "kind": pd.Categorical([1, 2]),
        }
    )
    refuse(frame, FLAT, "2 columns without numbers: 'day', 'kind'", "2020")
    mixed = pd.DataFrame({"p": [1, "a"]})
    refuse(mixed, FLAT, "has a column that cannot be read", "column p", "leave the column out")
    refuse(pd.DataFrame({"p": [1j, 2j]}), FLAT, "has a column that cannot be read", "complex128")
    sparse = pd.DataFrame(np.eye(3)).astype(pd.SparseDtype(float))
    refuse(sparse, FLAT, "has a column that cannot be read", "Sparse")
    twice = pd.DataFrame(np.ones((2, 2)), columns=["p", "p"])
    refuse(twice, FLAT, "'p' 2 times")


def test_numbers_of_pandas_own_types():
    frame = pd.DataFrame({"p": pd.array([1, 2], dtype="Int64"), "q": [0.5, 0.25], "r": [True, False]})
    assert read_frame(frame, FLAT).x.tolist() == EXPECTED
    frame["p"] = pd.array([1, None], dtype="Int64")
    refuse(frame, FLAT, "empty cells in column 'p'", "row 1")


# --- the index of pandas --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "ids", "name"),
    [
        (None, None, "id"),
        (pd.RangeIndex(2, name="customer"), None, "id"),
        (pd.Index([0, 1]), None, "id"),
        (pd.Index([1, 0]), [1, 0], "id"),
        (pd.RangeIndex(5, 7), [5, 6], "id"),
        (pd.Index(["a7", "b2"], name="customer"), ["a7", "b2"], "customer"),
        (pd.Index(["a7", "a7"]), ["a7", "a7"], "id"),
        (
            pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["shop", "day"]),
            ["a, 1", "b, 2"],
            "shop, day",
        ),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), ["2020-01-01 00:00:00", "2020-01-02 00:00:00"], "id"),
        (pd.Index([0.5, 1.5]), ["0.5", "1.5"], "id"),
        (pd.Index([b"a7", b"b2"]), ["a7", "b2"], "id"),
        (pd.Index([True, False]), ["True", "False"], "id"),
    ],
)
def test_an_index_that_says_more_than_the_place_is_ids(index, ids, name):
    for given in (pd.DataFrame(COLUMNS, index=index), pd.Series([1, 2], index=index)):
        rows = read_frame(given, FLAT if given.ndim == 2 else [InputSpec("x", (), "int32")])
        assert (None if rows.ids is None else rows.ids.tolist(), rows.id_name) == (ids, name)


def test_rows_that_were_chosen_keep_their_numbers_as_ids():
    frame = pd.DataFrame({"p": range(10), "q": range(10), "r": range(10)})
    assert read_frame(frame[frame.p % 4 == 1], FLAT).ids.tolist() == [1, 5, 9]


def test_a_column_of_ids_comes_before_the_index():
    frame = pd.DataFrame({**COLUMNS, "id": ["a", "b"]}, index=[7, 8])
    rows = read_frame(frame, FLAT)
    assert (rows.ids.tolist(), rows.frame_index.tolist()) == (["a", "b"], [7, 8])


def test_ids_of_dates_are_texts(frame):
    days = pd.to_datetime(["2020-01-01", "2020-01-02"])
    columns = {"id": list(days.to_pydatetime()), **COLUMNS}
    texts = ["2020-01-01 00:00:00", "2020-01-02 00:00:00"]
    assert read_frame(frame(columns), FLAT).ids.tolist() == texts
    assert labelled_frame(frame(columns), "pqr").ids.tolist() == texts


def test_a_frame_for_a_model_that_takes_frames(frame):
    given = frame({"id": ["a", "b"], **COLUMNS, "kind": ["u", "v"], "y": ["cat", "dog"]})
    rows = labelled_frame(given, [])
    assert type(rows.x) is type(given)
    names = rows.x.column_names if frame is pa.table else list(rows.x.columns)
    assert names == ["p", "q", "r", "kind"]
    assert (rows.ids.tolist(), rows.labels.tolist()) == (["a", "b"], ["cat", "dog"])
    kept = labelled_frame(given, ["id", "y"])
    assert kept.x is given
    assert (kept.ids, kept.labels) == (None, None)


def test_an_empty_frame_has_no_ids():
    assert read_frame(pd.DataFrame(np.empty((0, 3))), FLAT).ids is None


def test_an_index_with_gaps_is_refused():
    refuse(pd.DataFrame(COLUMNS, index=["a", None]), FLAT, "The ids in the index are missing in row 1")


# --- series, parts of a dict, and what is no frame ------------------------------------------------


def test_series_are_rows():
    assert read_frame(pd.Series([1.5, 2.5]), None).x.tolist() == [1.5, 2.5]
    assert read_frame(pd.Series(["good", "bad"]), TEXT).x.tolist() == ["good", "bad"]
    assert read_frame(pd.Series([np.ones(3), np.zeros(3)]), FLAT).x.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_all_columns_of_a_part_are_its_rows(frame):
    part = frame({"id": [1, 2], "y": [3.0, 4.0]})
    for spec in (InputSpec("place", (2,), "float32"), None):
        assert as_array(part, spec).tolist() == [[1, 3], [2, 4]]


def test_text_in_polars_series():
    series = pytest.importorskip("polars", reason="polars is not installed").Series(["good", "bad"])
    assert check_rows(read_frame(series, TEXT).x, TEXT)[0].tolist() == ["good", "bad"]


def test_frames_that_are_not_in_memory_are_refused():
    lazy = pytest.importorskip("polars", reason="polars is not installed").LazyFrame(COLUMNS)
    assert is_frame(lazy)
    refuse(lazy, FLAT, "not in memory", "polars", "x.collect()")


@pytest.mark.parametrize("x", [np.ones((2, 3)), [[1, 2, 3]], {"x": [1]}, "rows.csv", 5, None, iter([1])])
def test_what_is_no_frame(x):
    assert not is_frame(x)
