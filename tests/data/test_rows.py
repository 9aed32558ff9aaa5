from __future__ import annotations

import numpy as np
import pytest

from howsure.data.rows import InputSpec, check_rows, row_kind
from howsure.errors import InputError
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
    monkeypatch.setattr("howsure.data.rows._CHUNK_BYTES", 100)
    x = np.zeros((100, 3))
    x[[3, 50, 51, 52, 53, 54, 99]] = np.nan
    refuse(x, FLAT, "NaN or infinite values, in 7 rows: 3, 50, 51, 52, 53, …", "nan in row 3")


# --- refused: shape -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28)])
def test_a_single_row_is_told_about_the_batch_axis(shape):
    refuse(np.zeros(shape), IMAGE, f"Received: an array of shape {shape}", "`x[None]`")


def test_a_single_flat_row():
    refuse(
        np.zeros(3),
        FLAT,
        "single row without a batch axis",
        "Expected: an array of shape (N, 3)",
        "`x[None]`",
    )


def test_one_image_for_a_model_of_any_size_is_not_taken_for_many_rows():
    refuse(
        np.zeros((28, 28, 1)), [InputSpec("x", (None, None, 1), "float32")], "single row", "(N, any, any, 1)"
    )


def test_one_token_of_a_free_length_is_a_single_row():
    refuse(np.zeros(1), [InputSpec("x", (None,), "int32")], "single row")


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5, 1, 28, 28), "numpy.moveaxis(x, 1, -1)"),
        ((5, 784), "reshape(-1, 28, 28, 1)"),
        ((5, 27, 28, 1), "Received: an array of shape (5, 27, 28, 1)"),
        ((5, 28, 28, 3), "Expected: an array of shape (N, 28, 28, 1)"),
        ((2, 5, 28, 28, 1), "do not have the shape the model takes"),
    ],
)
def test_wrong_shapes(shape, hint):
    refuse(np.zeros(shape), IMAGE, hint)


def test_channels_first_models_say_so():
    refuse(np.zeros((5, 8, 9, 3)), [InputSpec("x", (3, 8, 9), "float32")], "numpy.moveaxis(x, -1, 1)")


def test_ragged_lists():
    refuse([[1.0, 2.0, 3.0], [1.0]], FLAT, "differ in shape: row 0 has shape (3,), row 1 has (1,)")
    refuse([[1.0, [2.0]], [1.0]], FLAT, "row 0 is not rectangular")


# --- refused: what is not an array ----------------------------------------------------------------


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    refuse(sparse.csr_matrix(np.eye(3)), FLAT, "sparse matrix", "`x.toarray()`")


def test_values_that_are_no_array(tmp_path):
    refuse("digits.npz", FLAT, "are not an array", "Received: the text 'digits.npz'", "Load the file first")
    refuse(tmp_path, FLAT, "are not an array", "Load the file first")
    refuse(b"rows.npy", FLAT, "are not an array", "the text b'rows.npy'", "numpy.load")
    refuse(None, FLAT, "are not an array", "a value of type NoneType", "Collect them")
    refuse((row for row in range(3)), FLAT, "a value of type generator")


def test_an_object_that_will_not_convert():
    class OnDevice:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda tensor")

    refuse(OnDevice(), FLAT, "cannot be converted to a numpy array (can't convert cuda tensor)", "OnDevice")


def test_masked_values():
    refuse(
        np.ma.masked_array(np.ones((2, 3)), mask=[[0, 1, 0], [0, 0, 0]]),
        FLAT,
        "masked in row 0.",
        "with 1 masked value",
    )
    rows = [np.ma.masked_array(np.ones(3), mask=mask) for mask in ([0, 0, 0], [0, 0, 1], [1, 1, 0])]
    refuse(rows, FLAT, "masked in 2 rows: 1, 2.", "a list with masked arrays")
    np.testing.assert_array_equal(check_rows(rows[:1], FLAT)[0], np.ones((1, 3)))


# --- refused: several inputs ----------------------------------------------------------------------


def test_wrong_names_and_numbers_of_inputs():
    a, b = np.zeros((4, 3)), np.ones((4, 2))
    refuse({"a": a}, TWO, "names of the arrays", "Expected: arrays named 'a', 'b'", "Received: 'a'")
    refuse({"a": a, "b": b, "c": b}, TWO, "Received: 'a', 'b', 'c'")
    refuse({}, FLAT, "Received: an empty dict")
    refuse(a, TWO, "The model has 2 inputs", "'a', 'b'", "Received: one array of shape (4, 3)")
    refuse([a], TWO, "The model has 2 inputs", "Received: 1 value")
    refuse([a, b, b], TWO, "Received: 3 values")


def test_different_numbers_of_rows():
    refuse([np.zeros((4, 3)), np.zeros((5, 2))], TWO, "number of rows", "'a' has 4, 'b' has 5")


def test_the_input_is_named_where_there_are_several():
    refuse([np.zeros((4, 3)), np.zeros((4, 9))], TWO, "The rows of input 'b' do not have the shape")


# --- refused: dtype -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "fragments"),
    [
        (np.ones((2, 3), dtype=complex), ["are complex numbers", "an array of complex128", "modulus"]),
        (np.array([["a", "b", "c"]]), ["are text", "<U1", "numpy.asarray(x, dtype='float32')"]),
        (np.array([[1, None, 2]]), ["are Python objects", "an array of object"]),
        (np.zeros((2, 3), dtype="M8[s]"), ["are not numbers", "datetime64[s]"]),
    ],
)
def test_what_is_not_numbers(x, fragments):
    refuse(x, FLAT, *fragments)


def test_numbers_for_a_text_input():
    refuse([1.0, 2.0], TEXT, "are not text", "float64")
    refuse(np.array(["a", None, 3.0], dtype=object), TEXT, "not text, in 2 rows: 1, 2", "None in row 1")


# --- refused: values ------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_that_are_not_finite(bad, dtype):
    x = np.zeros((9, 3), dtype=dtype)
    x[4, 2] = bad
    refuse(x, FLAT, "hold NaN or infinite values, in row 4", f"Received: {bad} in row 4")


@pytest.mark.parametrize(
    ("value", "given", "dtype"),
    [
        (1e39, "float64", "float32"),
        (-1e39, "float64", "float32"),
        (1e5, "float32", "float16"),
        (70000, "int64", "float16"),
        (3.4e38, "float32", "bfloat16"),
    ],
)
def test_values_that_would_become_infinite(value, given, dtype):
    x = np.zeros((3, 3), dtype=given)
    x[1] = value
    refuse(x, [InputSpec("x", (3,), dtype)], f"values too large for {dtype}", "in row 1")


def test_the_largest_values_pass():
    for given, dtype in (("float64", "float32"), ("float32", "float16"), ("float64", "float64")):
        x = np.full((2, 3), np.finfo(dtype).max, dtype=given)
        assert check_rows(x, [InputSpec("x", (3,), dtype)])[0] is x


def test_integer_inputs_take_whole_numbers_in_range_only():
    refuse([[0.5, 1, 2, 3]], TOKENS, "hold fractions, in row 0", "as the model takes int32", "0.5 in row 0")
    refuse([[np.nan, 1, 2, 3]], TOKENS, "NaN or infinite values")
    refuse([[np.inf, 1, 2, 3]], TOKENS, "NaN or infinite values")
    refuse(
        [[1, 2, 3, 4], [1, 2, 3, 2**31]],
        TOKENS,
        "out of range for int32, in row 1",
        "-2147483648 to 2147483647",
    )
    refuse([[1.0, 2, 3, 2.0**31]], TOKENS, "out of range for int32", "2147483648.0 in row 0")
    refuse([[-1, 2, 3, 4]], [InputSpec("x", (4,), "uint8")], "out of range for uint8", "Expected: 0 to 255")
    refuse([[0, 2, 1, 1]], [InputSpec("x", (4,), "bool")], "out of range for bool", "Expected: 0 to 1")
    large = np.array([[2**53 + 1, 0, 0, 1]], dtype=np.uint64)
    assert check_rows(large, [InputSpec("x", (4,), "int64")])[0] is large


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
