from __future__ import annotations

import contextlib
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from howsure.errors import FileError, HowsureError, InputError
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import read_rows
from howsure.inputs.rows import InputSpec
from tests.refused import refused

FLAT = [InputSpec("x", (3,), "float32")]
TWO = [InputSpec("a", (), "float32"), InputSpec("b", (2,), "float32")]
TABLE = np.array([[1, 2, 3], [4, 5, 6]])


def refuse(path, inputs, error, *fragments):
    refused(error, lambda: read_rows(path, inputs), *fragments)


@pytest.fixture
def csv(tmp_path):
    def write(content):
        path = tmp_path / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
        return tmp_path / "rows.parquet"

    return write


# --- csv ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "a,b,c\n1,2,3\n4,5,6",
        "\ufeffa,b,c\r\n1,2,3\r\n\r\n4,5,6\r\n",
        '"a","b","c"\n 1,"2",3.0\n4,5,6\n',
        "id,400.5,401,402.5\nu,1,2,3\nv,4,5,6\n",
    ],
)
def test_csv_with_a_header(csv, content):
    rows = read_rows(csv(content), FLAT)
    np.testing.assert_array_equal(rows.x, TABLE)
    assert rows.labels is None


def test_csv_with_numbers_in_every_notation(csv):
    rows = read_rows(csv("a,b,c\n.9,-.5,+0.3\n1.,5e-1,-2E+3\n"), FLAT)
    assert rows.x.tolist() == [[0.9, -0.5, 0.3], [1.0, 0.5, -2000.0]]


def test_csv_keeps_ids_and_labels_that_are_no_plain_numbers(csv):
    rows = read_rows(csv("id,a,b,c,y\n007,1,2,3,01\n8,4,5,6,02\n"), FLAT)
    assert (rows.ids.tolist(), rows.labels.tolist()) == (["007", "8"], ["01", "02"])
    rows = read_rows(csv("id,a,b,c\n9007199254740993,1,2,3\n8,4,5,6\n"), FLAT)
    assert rows.ids.tolist() == [2**53 + 1, 8]
    rows = read_rows(csv("id,a,b,c\n18446744073709551616,1,2,3\n8,4,5,6\n"), FLAT)
    assert rows.ids.tolist() == [str(2**64), "8"]


@pytest.mark.parametrize("header", ["y,0,1,2", "7,2,3,y", "0.5,1,y,2"])
def test_numbers_beside_the_name_of_labels_are_a_header(csv, header):
    place = header.split(",").index("y")
    lines = [",".join(np.insert(row, place, 7).astype(str)) for row in TABLE]
    rows = read_rows(csv("\n".join([header, *lines])), FLAT)
    np.testing.assert_array_equal(rows.x, TABLE)
    assert rows.labels.tolist() == [7, 7]


def test_csv_columns_named_like_several_inputs(csv):
    inputs = [InputSpec("height", (), "float32"), InputSpec("age", (1,), "int32")]
    rows = read_rows(csv("id,age,height,y\n7,30,1.8,0\n8,40,1.7,1\n"), inputs)
    assert rows.x["height"].tolist() == [1.8, 1.7]
    assert rows.x["age"].tolist() == [[30], [40]]
    assert rows.labels.tolist() == [0, 1]
    refuse(
        csv("age,weight\n1,2\n"),
        inputs,
        InputError,
        "one column each for 'height'",
        "Received: columns 'age', 'weight'",
    )


def test_csv_with_a_header_only_has_zero_rows(csv):
    rows = read_rows(csv("a,b,c,y\n"), FLAT)
    assert rows.x.shape == (0, 3)
    assert len(rows.labels) == 0
    refuse(csv("a,b\n"), FLAT, InputError, "2 numbers per row")


def test_csv_for_one_free_size(csv):
    content = csv("a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    assert read_rows(content, [InputSpec("x", (None, 2), "float32")]).x.shape == (2, 2, 2)
    refuse(
        content, [InputSpec("x", (None, 3), "float32")], InputError, "4 numbers per row", "a multiple of 3"
    )
    refuse(
        content,
        [InputSpec("x", (None, None), "float32")],
        InputError,
        "cannot say how its columns form a row",
    )


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        ("", ["rows.csv' holds no header", "a line with the names of the columns, then rows"]),
        ("\n\n", ["rows.csv' holds no header"]),
        ("1,2,3\n4,5,6\n", ["may be a row and no header", "Received: 1, 2, 3"]),
        ("0,1,2\n5,6,7\n", ["may be a row and no header", "Received: 0, 1, 2"]),
        (",7,1\n0,6,7\n", ["may be a row and no header"]),
        ("1,NA,3\n1,2,3\n", ["may be a row and no header"]),
        ("1,2,?\n1,2,3\n", ["may be a row and no header"]),
        ("1,2,true\n1,2,false\n", ["may be a row and no header"]),
        ("1,2,cat\n1,2,dog\n", ["may be a row and no header"]),
        ("5.1,3.5,1.4,setosa\n5,3,1,rose\n", ["may be a row and no header"]),
        ("a,b,c\n1,2,3\n\n4,5\n", ["A row of", "has 2 cells", "3, as in the header", "Received: 4,5"]),
        ("a,b,c\n4,5,6,7\n", ["A row of", "has 4 cells", "between quotation marks"]),
        ("a;b;c\n1;2;3\n", ["another separator", "Received: a;b;c", "--set separator=';'", "sep=';'"]),
        ("a\tb\tc\n1\t2\t3\n", ["another separator", "--set separator='tab'"]),
        ('a,b,c\n1,"2,5",3\n', ["without numbers: 'b'", "--set decimal=,", "decimal=','"]),
        (
            'a,b,c\n1,"2,500",3\n4,5,6\n',
            ["not numbers in column 'b', in row 0", "Received: '2,500'"],
        ),
        ("a,b,c\n1,90 %,3\n", ["without numbers: 'b'", "Leave out the per cent signs"]),
        ("a,b,c\n1,2,3\n\n4,?,6\n", ["not numbers in column 'b', in row 1", "Received: '?'"]),
        ("a,b,c\n4,5,x\nz,8,w\n7,8,9\n", ["in column 'a', in row 1", "Received: 'z'"]),
        ("a,b,c\n1,2,3\n,5,6\n7,8,9\n,1,1\n", ["empty cells in column 'a', in 2 rows: 1, 3"]),
        ("a,b,c\n1,nan,3\n", ["empty cells in column 'b', in row 0"]),
        ("a,b,c\n1,cat,2020-01-01\n", ["2 columns without numbers: 'b', 'c'", "Received: 'cat'", "'y'"]),
        ("a,b\n1,2\n", ["2 numbers per row", "Expected: 3, for rows of shape (3,)", "columns 'a', 'b'"]),
        ("a,b,c,label\n1,2,3,0\n", ["4 numbers per row", "If one of them is the label, call it 'y'"]),
        ("Unnamed: 0,a,b,c\n0,1,2,3\n", ["4 numbers per row", "index of pandas"]),
        ("y\n1\n", ["0 numbers per row", "Received: no columns"]),
        ("a,b,c,y\n1,2,3,\n", ["empty cells in column 'y', in row 0"]),
        ("id,a,b,c\n,1,2,3\n", ["empty cells in column 'id', in row 0"]),
        ("a,b,c,y,y\n1,2,3,4,5\n", ["has 2 columns 'y'", "a name of its own for every column"]),
        ("a,b,b\n1,2,3\n", ["has 2 columns 'b'"]),
        ("a,b,c\n1,inf,3\n", ["rows.csv': the rows hold NaN or infinite values, in row 0"]),
    ],
)
def test_csv_that_cannot_be_rows(csv, content, fragments):
    refuse(csv(content), FLAT, InputError, *fragments)


@pytest.mark.parametrize("header", [",a,b,c,y", '"","a","b","c","y"'])
def test_a_first_column_without_a_name_is_an_index(csv, header):
    """As pandas and R write it; where it only counts the rows, from 0 or from 1, it says nothing."""
    for names, ids in (("01", None), ("12", None), ("uv", ["u", "v"]), ("75", [7, 5])):
        lines = [f"{name},{row[0]},{row[1]},{row[2]},0" for name, row in zip(names, TABLE, strict=True)]
        rows = read_rows(csv("\n".join([header, *lines])), FLAT)
        np.testing.assert_array_equal(rows.x, TABLE)
        assert rows.ids is None if ids is None else rows.ids.tolist() == ids


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("a;b;c\n1;2,5;3\n", CsvForm(";", ",")),
        ("a\tb\tc\n1\t2.5\t3\n", CsvForm("\t")),
        ('a,b,c\n1,"2,5",3\n', CsvForm(decimal=",")),
    ],
)
def test_csv_in_another_form_that_is_said(csv, content, form):
    assert read_rows(csv(content), FLAT, form=form).x.tolist() == [[1, 2.5, 3]]


@pytest.mark.parametrize(
    "form", [{"separator": ""}, {"separator": '"'}, {"separator": "ab"}, {"decimal": ""}]
)
def test_forms_that_cannot_be(form):
    with pytest.raises(InputError, match="cannot be used"):
        CsvForm(**form)


@pytest.mark.parametrize(
    "content",
    [
        "a,b,c\n1,2,3\n".encode("utf-16"),
        b"a,b,c\n1,\x81,3\n",
        "a,b,c,y\n1,2,3,café\n".encode("latin-1"),
        "a,b,é\n1,2,3\n".encode("latin-1"),
    ],
)
def test_csv_that_is_not_text(csv, content):
    refuse(csv(content), FLAT, FileError, "rows.csv' is not text in UTF-8")


def test_a_gap_in_a_single_column(csv):
    column = [InputSpec("x", (1,), "float32")]
    assert read_rows(csv("a\n1\n2\n"), column).x.tolist() == [[1], [2]]
    refuse(csv("a\n1\n\n\n2\n"), column, InputError, "empty cells in column 'a', in 2 rows: 1, 2")


# --- Parquet --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(21, 2)])
def test_parquet_columns(parquet, kind):
    columns = {
        name: pa.array(values.tolist(), pa.int64()).cast(kind, safe=False)
        for name, values in zip("abc", TABLE.T, strict=True)
    }
    rows = read_rows(parquet(y=["u", "v"], **columns), FLAT)
    np.testing.assert_array_equal(rows.x, TABLE)
    assert rows.labels.tolist() == ["u", "v"]
    if not pa.types.is_decimal(kind):
        assert rows.x.dtype == kind.to_pandas_dtype()


@pytest.mark.parametrize("make", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 3)])
def test_parquet_lists(parquet, make):
    rows = read_rows(parquet(x=pa.array(TABLE.tolist(), make(pa.float32()))), FLAT)
    np.testing.assert_array_equal(rows.x, TABLE)
    assert rows.x.dtype == np.float32


def test_parquet_for_several_inputs(parquet):
    rows = read_rows(parquet(b=[[1.0, 2.0], [3.0, 4.0]], a=[5, 6], y=[0, 1]), TWO)
    assert rows.x["a"].tolist() == [5, 6]
    assert rows.x["b"].tolist() == [[1, 2], [3, 4]]


def test_parquet_without_rows(parquet):
    assert read_rows(parquet(x=pa.array([], pa.list_(pa.float32()))), FLAT).x.shape == (0, 3)


def test_parquet_index_of_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(TABLE, columns=list("abc"), index=[5, 9]).to_parquet(tmp_path / "x.parquet")
    rows = read_rows(tmp_path / "x.parquet", FLAT)
    assert (rows.ids.tolist(), rows.id_name, rows.x.tolist()) == ([5, 9], "id", TABLE.tolist())
    index = pandas.MultiIndex.from_tuples([(1, 2), (3, 4)])
    pandas.DataFrame(TABLE, columns=list("abc"), index=index).to_parquet(tmp_path / "x.parquet")
    refuse(tmp_path / "x.parquet", FLAT, InputError, "4 numbers per row", "index of pandas")


@pytest.mark.parametrize(
    ("columns", "fragments"),
    [
        (
            {"x": [[1, 2, 3], [4, 5]]},
            ["lists in column 'x'", "Expected: 3 values, as in row 0", "2 in row 1"],
        ),
        ({"x": [[[1], [2], [3]], [[4], [5, 6]]]}, ["lists in column 'x'", "in row 1"]),
        ({"x": [[[1], [2], [3]], [[4], [5, 6], [7]]]}, ["lists in column 'x'", "2 in row 1"]),
        ({"x": [[1, 2, 3], None]}, ["empty cells in column 'x', in row 1"]),
        ({"x": [[1, 2, 3], [4, None, 6]]}, ["empty cells in column 'x', in row 1"]),
        ({"a": [1, None], "b": [1, 2], "c": [1, 2]}, ["empty cells in column 'a', in row 1"]),
        ({"a": [1.0, np.nan], "b": [1, 2], "c": [1, 2]}, ["the rows hold NaN or infinite values, in row 1"]),
        (
            {"a": ["1", "2"], "b": [1, 2], "c": [1, 2]},
            ["without numbers: 'a'", "Received: string"],
        ),
        ({"x": [["1", "2", "3"]]}, ["without numbers: 'x'", "Received: ['1'"]),
        ({"x": [{"p": 1}]}, ["without numbers: 'x'", "Received: {'p': 1}"]),
        ({}, ["Received: no columns"]),
    ],
)
def test_parquet_that_cannot_be_rows(parquet, columns, fragments):
    refuse(parquet(**columns), FLAT, InputError, *fragments)


# --- text ---------------------------------------------------------------------------------------

REVIEWS = [InputSpec("review", (1,), "string")]


@pytest.mark.parametrize("column", ["review", "text", "x"])
def test_a_column_of_text(tmp_path, column):
    """Numbers stay text, line breaks and commas in quotes too, and other columns are left out."""
    path = tmp_path / "rows.csv"
    path.write_text(f'id,{column},y\n0,"good, very\ngood",1\n1,12,0\n2,"",1\n3,NA,0\n')
    rows = read_rows(path, REVIEWS)
    assert rows.x.tolist() == [["good, very\ngood"], ["12"], [""], ["NA"]]
    assert rows.labels.tolist() == [1, 0, 1, 0]
    assert read_rows(path, [InputSpec(column, (), "string")]).x.shape == (4,)


def test_text_beside_numbers(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x,review\n1.5,7\n2,eight\n")
    found = read_rows(path, [InputSpec("x", (1,), "float32"), *REVIEWS]).x
    assert found["x"].tolist() == [[1.5], [2.0]]
    assert found["review"].tolist() == [["7"], ["eight"]]


@pytest.mark.parametrize("content", ["words\na\n", "a good film\nthe worst\n"])
def test_no_column_that_is_called_text(tmp_path, content):
    """Without names the first text could not be told from them, and would be lost."""
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"which column holds the text.*one of them 'text' or 'review'"):
        read_rows(path, REVIEWS)


def test_text_in_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "x": [1, 2]}), path)
    assert read_rows(path, REVIEWS).x.tolist() == [["a"], ["b"]]
    with pytest.raises(InputError, match=r"Column 'x' of .* is not text"):
        read_rows(path, [InputSpec("x", (1,), "string")])
    with pytest.raises(InputError, match="rows of several texts"):
        read_rows(path, [InputSpec("text", (2,), "string")])
    pq.write_table(pa.table({"text": ["a", None]}), path)
    with pytest.raises(InputError, match=r"empty cells in column 'text', in row 1.*text in every cell"):
        read_rows(path, REVIEWS)


@pytest.mark.skipif(os.name != "posix", reason="names of files as POSIX has them")
def test_names_of_files_need_not_be_text(csv, tmp_path):
    for path in (csv("a,b,c\n1,2,3\n4,5,6\n"), parquet_of(tmp_path)):
        other = path.with_name(os.fsdecode(b"caf\xe9") + path.suffix)
        path.rename(other)
        np.testing.assert_array_equal(read_rows(other, FLAT).x, TABLE)


def parquet_of(folder):
    pq.write_table(
        pa.table({name: TABLE[:, place] for place, name in enumerate("abc")}), folder / "r.parquet"
    )
    return folder / "r.parquet"


def test_a_damaged_parquet_file_is_refused_in_words(tmp_path):
    path = parquet_of(tmp_path)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 37):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with contextlib.suppress(HowsureError):
            assert read_rows(path, FLAT).x.shape[1:] == (3,)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1)])
def test_tensors_whose_axes_are_stored_in_another_order(parquet, axes):
    """A view with its axes moved is stored as it lies in memory, and would be read in that order."""
    rows = np.arange(24, dtype="float32").reshape(6, 2, 2).transpose(axes)
    path = parquet(x=pa.FixedShapeTensorArray.from_numpy_ndarray(rows))
    inputs = [InputSpec("x", (2, 2), "float32")]
    if axes == (0, 1, 2):
        assert np.array_equal(read_rows(path, inputs).x, rows)
    else:
        refuse(path, inputs, InputError, "Column 'x'", "another order", "[1, 0]", "ascontiguousarray")
