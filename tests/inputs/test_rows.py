from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from howsure.errors import InputError
from howsure.inputs.rows import InputSpec, check_rows, row_kind
from tests.refused import refused

IMAGE = [InputSpec("image", (28, 28, 1), "float32")]
FLAT = [InputSpec("x", (3,), "float32")]
TWO = [InputSpec("a", (3,), "float32"), InputSpec("b", (2,), "float32")]
TOKENS = [InputSpec("tokens", (4,), "int32")]
TEXT = [InputSpec("text", (), "string")]


def refuse(x, inputs, *fragments):
    refused(InputError, lambda: check_rows(x, inputs), *fragments)


# --- accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "uint8", "int64", "bool", ">f4", "longdouble"]
)
def test_numbers_come_back_as_they_are(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    (rows,) = check_rows(x, FLAT)
    assert rows is x
    assert rows.dtype == x.dtype


def test_values_are_never_changed_and_memory_is_shared():
    random = np.random.default_rng(0)
    for dtype in ("float32", "float64", "uint8", "int32"):
        x = (random.normal(size=(5, 28, 28)) * 50).astype(dtype)
        before = x.copy()
        (rows,) = check_rows(x, IMAGE)
        assert np.shares_memory(rows, x)
        assert rows.shape == (5, 28, 28, 1)
        np.testing.assert_array_equal(rows[..., 0], before)
        np.testing.assert_array_equal(x, before)


def test_a_superfluous_last_axis_is_dropped():
    x = np.ones((4, 3, 1))
    (rows,) = check_rows(x, FLAT)
    assert rows.shape == (4, 3)
    assert np.shares_memory(rows, x)


def test_scalar_inputs():
    scalar, column = [InputSpec("x", (), "float32")], [InputSpec("x", (1,), "float32")]
    assert check_rows([1.0, 2.0], scalar)[0].shape == (2,)
    assert check_rows([[1.0], [2.0]], scalar)[0].shape == (2,)
    assert check_rows([1.0, 2.0], column)[0].shape == (2, 1)
    assert check_rows([1.0], column)[0].shape == (1, 1)


def test_read_only_and_memory_mapped_arrays_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((7, 28, 28), dtype=np.uint8))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    (rows,) = check_rows(x, IMAGE)
    assert isinstance(rows, np.memmap)
    assert np.shares_memory(rows, x)


@pytest.mark.parametrize("x", [np.zeros((0, 28, 28, 1)), np.zeros((0, 28, 28), np.uint8), []])
def test_zero_rows_pass(x):
    assert check_rows(x, IMAGE)[0].shape == (0, 28, 28, 1)


def test_zero_rows_of_a_free_size_pass():
    assert len(check_rows([], [InputSpec("x", (None, 3), "float32")])[0]) == 0


def test_lists_series_and_objects_with_array():
    pandas = pytest.importorskip("pandas")

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.ones((2, 3), dtype=np.float32)

    expected = np.ones((2, 3))
    for x in (
        expected.tolist(),
        list(expected),
        tuple(expected),
        Tensor(),
        [expected],
        {"x": expected},
    ):
        np.testing.assert_array_equal(check_rows(x, FLAT)[0], expected)
    series = pandas.Series([1, 2])
    assert check_rows(series, [InputSpec("x", (), "float32")])[0].tolist() == [1, 2]


def test_a_list_with_one_row_is_not_unwrapped():
    assert check_rows([np.zeros((28, 28, 1))], IMAGE)[0].shape == (1, 28, 28, 1)
    assert check_rows([np.zeros((5, 28, 28, 1))], IMAGE)[0].shape == (5, 28, 28, 1)


def test_several_inputs_by_position_or_name_come_in_the_order_of_the_model():
    a, b = np.zeros((4, 3)), np.ones((4, 2))
    for x in ([a, b], (a, b), {"b": b, "a": a}):
        rows = check_rows(x, TWO)
        assert rows[0] is a
        assert rows[1] is b


def test_an_unmasked_masked_array_is_an_array():
    assert check_rows(np.ma.masked_array(np.ones((2, 3)), mask=False), FLAT)[0].shape == (2, 3)


def test_whole_floats_are_accepted_as_integers():
    x = np.array([[0.0, 1.0, 2.0, 2**31 - 1]])
    assert check_rows(x, TOKENS)[0] is x


def test_text_for_a_text_input():
    pandas = pytest.importorskip("pandas")
    for x in (["a", "bc"], np.array(["a", b"bc"], dtype=object), np.array([b"a", b"bc"])):
        assert len(check_rows(x, TEXT)[0]) == 2
    frame = pandas.DataFrame({"p": ["a", "b"]})
    assert check_rows(frame, [InputSpec("text", (1,), "string")])[0].shape == (2, 1)


def test_checks_run_in_chunks(monkeypatch):
    monkeypatch.setattr("howsure.inputs.rows._CHUNK_BYTES", 100)
    x = np.zeros((100, 3))
    x[[3, 50, 51, 52, 53, 54, 99]] = np.nan
    refuse(x, FLAT, "NaN or infinite values, in 7 rows: 3, 50, 51, 52, 53, …", "nan in row 3")


# --- refused --------------------------------------------------------------------------------------


class OnDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda tensor")


def one(value, dtype="float64", shape=(3, 3)):
    """Zeros, and in row 1 a value."""
    x = np.zeros(shape, dtype)
    x[1] = value
    return x


def of(dtype, *shape):
    return [InputSpec("x", shape or (3,), dtype)]


A, B = np.zeros((4, 3)), np.ones((4, 2))
MASKED = np.ma.masked_array(np.ones((2, 3)), mask=[[0, 1, 0], [0, 0, 0]])
MASKED_ROWS = [np.ma.masked_array(np.ones(3), mask=mask) for mask in ([0, 0, 0], [0, 0, 1], [1, 1, 0])]
REFUSED = [
    (np.zeros((28, 28, 1)), IMAGE, "Received: an array of shape (28, 28, 1)", "`x[None]`"),
    (np.zeros((28, 28)), IMAGE, "Received: an array of shape (28, 28)", "`x[None]`"),
    (np.zeros(3), FLAT, "single row without a batch axis", "an array of shape (N, 3)", "`x[None]`"),
    (np.zeros((28, 28, 1)), of("float32", None, None, 1), "single row", "(N, any, any, 1)"),
    (np.zeros(1), of("int32", None), "single row"),
    (np.zeros((5, 1, 28, 28)), IMAGE, "numpy.moveaxis(x, 1, -1)"),
    (np.zeros((5, 8, 9, 3)), of("float32", 3, 8, 9), "numpy.moveaxis(x, -1, 1)"),
    (np.zeros((5, 784)), IMAGE, "reshape(-1, 28, 28, 1)"),
    (np.zeros((5, 27, 28, 1)), IMAGE, "Received: an array of shape (5, 27, 28, 1)"),
    (np.zeros((5, 28, 28, 3)), IMAGE, "Expected: an array of shape (N, 28, 28, 1)"),
    (np.zeros((2, 5, 28, 28, 1)), IMAGE, "do not have the shape the model takes"),
    ([[1.0, 2.0, 3.0], [1.0]], FLAT, "differ in shape: row 0 has shape (3,), row 1 has (1,)"),
    ([[1.0, [2.0]], [1.0]], FLAT, "row 0 is not rectangular"),
    (sparse.csr_matrix(np.eye(3)), FLAT, "are not an array", "`x.toarray()`"),
    ("digits.npz", FLAT, "are not an array", "the text 'digits.npz'", "Load a file first", "numpy.load"),
    (Path("rows"), FLAT, "are not an array", "Load a file first"),
    (None, FLAT, "are not an array", "a value of type NoneType"),
    ((row for row in range(3)), FLAT, "a value of type generator"),
    (OnDevice(), FLAT, "are not an array (can't convert cuda tensor)", "OnDevice"),
    (MASKED, FLAT, "masked in row 0.", "with 1 masked value"),
    (MASKED_ROWS, FLAT, "masked in 2 rows: 1, 2.", "a list with masked arrays"),
    ({"a": A}, TWO, "names of the arrays", "Expected: arrays named 'a', 'b'", "Received: 'a'"),
    ({"a": A, "b": B, "c": B}, TWO, "Received: 'a', 'b', 'c'"),
    ({}, FLAT, "Received: an empty dict"),
    (A, TWO, "The model has 2 inputs", "'a', 'b'", "Received: one array of shape (4, 3)"),
    ([A], TWO, "The model has 2 inputs", "Received: 1 value"),
    ([A, B, B], TWO, "Received: 3 values"),
    ([A, np.zeros((5, 2))], TWO, "number of rows", "'a' has 4, 'b' has 5"),
    ([A, np.zeros((4, 9))], TWO, "The rows of input 'b' do not have the shape"),
    (np.ones((2, 3), complex), FLAT, "are not numbers", "an array of complex128"),
    (np.array([["a", "b", "c"]]), FLAT, "are not numbers", "<U1", "numpy.asarray(x, dtype='float32')"),
    (np.array([[1, None, 2]]), FLAT, "are not numbers", "an array of object"),
    (np.zeros((2, 3), dtype="M8[s]"), FLAT, "are not numbers", "datetime64[s]"),
    ([1.0, 2.0], TEXT, "are not text", "float64"),
    (np.array(["a", None, 3.0], dtype=object), TEXT, "not text, in 2 rows: 1, 2", "None in row 1"),
    *(
        (one(bad, dtype), FLAT, "hold NaN or infinite values, in row 1", f"Received: {bad} in row 1")
        for bad in (np.nan, np.inf, -np.inf)
        for dtype in ("float16", "float32", "float64")
    ),
    (one(1e39), of("float32"), "values too large for float32", "in row 1"),
    (one(-1e39), of("float32"), "values too large for float32", "in row 1"),
    (one(1e5, "float32"), of("float16"), "values too large for float16", "in row 1"),
    (one(70000, "int64"), of("float16"), "values too large for float16", "in row 1"),
    (one(3.4e38, "float32"), of("bfloat16"), "values too large for bfloat16", "in row 1"),
    (
        [[0.5, 1, 2, 3]],
        TOKENS,
        "values that int32 cannot hold, which the model takes, in row 0",
        "0.5 in row 0",
    ),
    ([[np.nan, 1, 2, 3]], TOKENS, "int32 cannot hold", "nan in row 0"),
    ([[np.inf, 1, 2, 3]], TOKENS, "int32 cannot hold", "inf in row 0"),
    (
        [[1, 2, 3, 4], [1, 2, 3, 2**31]],
        TOKENS,
        "int32 cannot hold, which the model takes, in row 1",
        "-2147483648 to 2147483647",
    ),
    ([[1.0, 2, 3, 2.0**31]], TOKENS, "int32 cannot hold", "2147483648.0 in row 0"),
    ([[-1, 2, 3, 4]], of("uint8", 4), "uint8 cannot hold", "whole numbers from 0 to 255"),
    ([[0, 2, 1, 1]], of("bool", 4), "bool cannot hold", "whole numbers from 0 to 1"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[2])
def test_rows_that_are_refused(case):
    refuse(*case)


def test_the_largest_values_pass():
    for given, dtype in (("float64", "float32"), ("float32", "float16"), ("float64", "float64")):
        x = np.full((2, 3), np.finfo(dtype).max, dtype=given)
        assert check_rows(x, [InputSpec("x", (3,), dtype)])[0] is x


def test_whole_numbers_of_another_type_that_fit_are_taken_as_they_are():
    large = np.array([[2**53 + 1, 0, 0, 1]], dtype=np.uint64)
    assert check_rows(large, [InputSpec("x", (4,), "int64")])[0] is large
    np.testing.assert_array_equal(check_rows(MASKED_ROWS[:1], FLAT)[0], np.ones((1, 3)))


# --- the word for a row ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((28, 28, 1), "image"),
        ((None, None, 3), "image"),
        ((32, 32, 4), "image"),
        ((28, 28), "image"),
        ((28, 28, 2), "row"),
        ((100, 16), "row"),
        ((4, 4), "row"),
        ((None, 8), "row"),
        ((784,), "row"),
        ((), "row"),
        ((4, 28, 28, 1), "row"),
    ],
)
def test_row_kind(shape, word):
    assert row_kind([InputSpec("x", shape, "float32")]) == word


def test_several_inputs_and_text_are_rows():
    assert row_kind([IMAGE[0], IMAGE[0]]) == "row"
    assert row_kind([InputSpec("x", (28, 28, 1), "string")]) == "row"
