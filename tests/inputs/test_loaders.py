"""Whatever gives rows is gathered to the same arrays; what gives none, or never ends, is refused in words."""

import itertools
import sys
from collections import UserDict

import numpy as np
import pandas
import pytest

from howsure import InputError
from howsure.inputs.loaders import first, gather, length
from howsure.inputs.rows import InputSpec, Rows
from tests.refused import refused

FLAT = [InputSpec("x", (3,), "float32")]
ONE = [InputSpec("x", (1,), "float32")]
IMAGE = [InputSpec("image", (2, 2, 1), "float32")]
TWO = [InputSpec("age", (), "float32"), InputSpec("place", (2,), "float32")]
TEXT = [InputSpec("said", (), "string")]

X = np.arange(21, dtype=np.float32).reshape(7, 3)
Y = np.array([0, 1, 2, 0, 1, 2, 1])
BATCHES = [slice(0, 3), slice(3, 6), slice(6, 7)]


def gathered(x, inputs=FLAT, **arguments):
    return gather(x, lambda: inputs, **arguments)


def refuse(x, inputs, *fragments):
    refused(InputError, lambda: gathered(x, inputs), *fragments)


class Loader:
    """A source of batches that nobody knows, which can be read again."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


# --- what is an array already ---------------------------------------------------------------------


def test_arrays_stay_as_they_are_and_nobody_asks_what_the_model_takes(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(5, 3))
    for x in (X, mapped, X.tolist(), [X, X], (X,)):
        rows = gather(x, lambda: pytest.fail("asked"))
        assert rows.x is x
        assert (rows.labels, rows.ids) == (None, None)
    rows = Rows(X, Y)
    assert gather(rows, lambda: pytest.fail("asked")) is rows


def test_labels_and_ids_are_taken_out_of_a_dict():
    for name in ("labels", "label"):
        rows = gathered({"x": X, name: Y, "id": [f"row {k}" for k in Y]})
        assert [*rows.x] == ["x"]
        assert rows.x["x"] is X
        assert rows.labels.tolist() == Y.tolist()
        assert rows.ids[2] == "row 2"
    assert gathered(UserDict({"x": X, "labels": Y})).labels.tolist() == Y.tolist()
    assert gathered(iter([UserDict({"x": X, "labels": Y})])).labels.tolist() == Y.tolist()
    assert gathered(iter([(X, None)])).labels is None
    inputs = [InputSpec("label", (), "int32"), InputSpec("id", (), "int32")]
    rows = gathered({"label": Y, "id": Y}, inputs)
    assert (rows.labels, rows.ids) == (None, None)
    assert sorted(rows.x) == ["id", "label"]


def test_an_id_may_be_an_input_of_a_model_that_does_not_say():
    rows = gathered({"id": Y, "labels": Y}, None)
    assert [*rows.x] == ["id"]
    assert rows.labels.tolist() == Y.tolist()


def test_frames_within_dicts_and_lists_become_arrays():
    place = pandas.DataFrame({"p": [1.0, 2.0], "q": [3.0, 4.0]}, index=[7, 8])
    rows = gathered({"age": pandas.Series([30, 40], index=[7, 8]), "place": place}, TWO)
    assert rows.x["age"].tolist() == [30, 40]
    assert rows.x["place"].tolist() == [[1, 3], [2, 4]]
    assert [part.tolist() for part in gathered([place["p"], place], TWO).x] == [[1, 2], [[1, 3], [2, 4]]]


# --- batches --------------------------------------------------------------------------------------

SOURCES = {
    "generator": lambda batches: (batch for batch in batches),
    "iterator": iter,
    "map": lambda batches: map(lambda batch: batch, batches),
    "loader": Loader,
}


@pytest.fixture(params=SOURCES.values(), ids=SOURCES)
def source(request):
    return request.param


@pytest.mark.parametrize("inputs", [FLAT, None])
def test_batches_of_rows_alone_and_with_labels(source, inputs):
    rows = gathered(source([X[part] for part in BATCHES]), inputs)
    assert np.array_equal(rows.x, X)
    assert rows.labels is None
    for kind in (tuple, list):
        rows = gathered(source([kind([X[part], Y[part]]) for part in BATCHES]), inputs)
        assert np.array_equal(rows.x, X)
        assert rows.labels.tolist() == Y.tolist()
    rows = gathered(source([[X[part]] for part in BATCHES]), inputs)
    assert np.array_equal(rows.x, X)


@pytest.mark.parametrize("labels", [Y[:, None], np.eye(3)[Y], np.array(["a", "b", "c"])[Y], Y == 1])
def test_labels_of_batches_are_kept_as_they_are(labels):
    rows = gathered(iter([(X[part], labels[part]) for part in BATCHES]))
    assert np.array_equal(rows.labels, labels)


@pytest.mark.parametrize("name", ["labels", "label"])
def test_batches_of_dicts(source, name):
    parts = [{"age": X[part, 0], "place": X[part, 1:], name: Y[part], "id": Y[part]} for part in BATCHES]
    rows = gathered(source(parts), TWO)
    assert np.array_equal(rows.x["place"], X[:, 1:])
    assert rows.labels.tolist() == rows.ids.tolist() == Y.tolist()
    rows = gathered(source([{"pixel_values": X[part], name: Y[part]} for part in BATCHES]), FLAT)
    assert np.array_equal(rows.x, X)
    rows = gathered(source([{"pixel_values": X[part], name: Y[part]} for part in BATCHES]), None)
    assert np.array_equal(rows.x["pixel_values"], X)


def test_batches_for_several_inputs(source):
    pairs = [(X[part, 0], X[part, 1:]) for part in BATCHES]
    labels = [Y[part] for part in BATCHES]
    for batches in (
        [((one, two), y) for (one, two), y in zip(pairs, labels, strict=True)],
        [[[one, two], y] for (one, two), y in zip(pairs, labels, strict=True)],
        [(one, two, y) for (one, two), y in zip(pairs, labels, strict=True)],
        [({"age": one, "place": two}, y) for (one, two), y in zip(pairs, labels, strict=True)],
    ):
        rows = gathered(source(batches), TWO)
        parts = [*rows.x.values()] if isinstance(rows.x, dict) else rows.x
        assert np.array_equal(parts[0], X[:, 0])
        assert np.array_equal(parts[1], X[:, 1:])
        assert rows.labels.tolist() == Y.tolist()
    rows = gathered(source(pairs), TWO)
    assert np.array_equal(rows.x[1], X[:, 1:])
    assert rows.labels is None


def test_single_rows_are_told_from_batches():
    assert np.array_equal(gathered(iter(X)).x, X)
    rows = gathered(iter(zip(X, Y, strict=True)))
    assert np.array_equal(rows.x, X)
    assert rows.labels.tolist() == Y.tolist()
    assert np.array_equal(gathered(iter(zip(X, Y, strict=True)), None).x, X)
    one_hot = gathered(iter(zip(X, np.eye(3)[Y], strict=True)))
    assert one_hot.labels.shape == (7, 3)
    images = np.arange(20.0).reshape(5, 2, 2)
    assert np.array_equal(gathered(iter(images), IMAGE).x, images)
    assert np.array_equal(gathered(iter(images[..., None]), IMAGE).x, images[..., None])
    assert np.array_equal(gathered(iter([images[:3], images[3:]]), IMAGE).x, images)
    assert gathered(iter([1.0, 2.0]), ONE).x.tolist() == [1, 2]
    assert gathered(iter([np.ones(4), np.ones(2)]), ONE).x.shape == (6,)
    assert gathered(iter(["good", "bad"]), TEXT).x.tolist() == ["good", "bad"]
    assert gathered(iter([(["good", "bad"], [1, 0])]), TEXT).x.tolist() == ["good", "bad"]


def test_a_source_may_fill_the_same_array_again():
    def filled():
        batch = np.empty((1, 3), np.float32)
        for row in X:
            batch[0] = row
            yield batch

    assert np.array_equal(gathered(filled()).x, X)


def test_batches_of_lists_of_numbers():
    rows = gathered(iter([(X[part].tolist(), Y[part].tolist()) for part in BATCHES]))
    assert np.array_equal(rows.x, X)
    assert rows.labels.tolist() == Y.tolist()


NAMES = [f"{number}.png" for number in range(7)]


@pytest.mark.parametrize("name", ["id", "path", "filename"])
def test_ids_in_batches_stay_with_their_rows(name):
    """They were rows of text, which no model takes."""
    parts = [{"x": X[part], "label": Y[part], name: NAMES[part]} for part in BATCHES]
    for inputs, names in ((None, ()), (None, ("image",)), (FLAT, ())):
        for source in (iter(parts), parts):
            rows = gather(source, lambda inputs=inputs: inputs, names=lambda names=names: names)
            np.testing.assert_array_equal(rows.x["x"] if isinstance(rows.x, dict) else rows.x, X)
            assert (rows.labels.tolist(), rows.ids.tolist(), rows.id_name) == (Y.tolist(), NAMES, name)
    for inputs in (None, FLAT):
        rows = gathered(((X[part], Y[part], tuple(NAMES[part])) for part in BATCHES), inputs)
        assert (rows.labels.tolist(), rows.ids.tolist()) == (Y.tolist(), NAMES)


def test_names_of_what_a_module_takes_tell_ids_and_labels_from_inputs():
    def found(x, *names):
        return gather(x, lambda: None, names=lambda: names)

    rows = found({"x": X, "y": Y, "id": Y}, "x")
    assert ([*rows.x], rows.labels.tolist(), rows.ids.tolist()) == (["x"], Y.tolist(), Y.tolist())
    rows = found({"x": X, "y": Y, "id": Y}, "x", "y", "id")
    assert ([*rows.x], rows.labels, rows.ids) == (["x", "y", "id"], None, None)
    rows = found({"x": X, "z": X, "id": Y}, "batch")  # a dict is the one input
    assert ([*rows.x], rows.ids) == (["x", "z", "id"], None)


def test_lists_of_dicts_are_rows():
    for inputs in (None, FLAT):
        given = [
            {"x": x.tolist(), "label": int(y), "id": name} for x, y, name in zip(X, Y, NAMES, strict=True)
        ]
        for alone in ([{"x": each["x"]} for each in given], given):
            rows = gathered(alone, inputs)
            np.testing.assert_array_equal(rows.x["x"] if inputs is None else rows.x, X)
        assert (rows.labels.tolist(), rows.ids.tolist()) == (Y.tolist(), NAMES)
    several = gathered([{"x": X[0], "labels": [0, 1]}, {"x": X[1], "labels": [1, 1]}], None)
    assert (several.x["x"].shape, several.labels.tolist()) == ((2, 3), [[0, 1], [1, 1]])
    tokens = [{"tokens": [1, 2, 3]}, {"tokens": [1, 2]}]
    (long, of_long), (short, of_short) = gathered(tokens, None).x.parts
    assert (long.tolist(), of_long["tokens"].tolist()) == ([0], [[1, 2, 3]])
    assert (short.tolist(), of_short["tokens"].tolist()) == ([1], [[1, 2]])
    refuse(
        [*tokens, {"tokens": [[1], [2]]}],
        None,
        "Row 2 has other parts, or of other shapes",
        "Pad or cut all rows to one shape",
        "padding='max_length'",
    )
    refuse(iter([X[:, :2], X]), FLAT, "Batch 1 has other parts, or", "not each batch to its own")


def test_lists_of_pairs_are_rows_or_batches_with_labels():
    for given in ([(x, int(y)) for x, y in zip(X, Y, strict=True)], [[X[part], Y[part]] for part in BATCHES]):
        rows = gathered(given)
        np.testing.assert_array_equal(rows.x, X)
        assert rows.labels.tolist() == Y.tolist()
    assert gathered([[X, X], [X, X]]).labels is None  # rows of one shape


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [(), Loader([]), iter([X[:0]])])
def test_no_rows_at_all_are_refused(nothing):
    given = (batch for batch in nothing) if nothing == () else nothing
    refuse(given, FLAT, "There are no rows", "once")


def test_a_generator_that_was_read_already_says_so():
    batches = (X[part] for part in BATCHES)
    gathered(batches)
    refuse(batches, FLAT, "gives its batches once")


@pytest.mark.parametrize("endless", [itertools.repeat(X), itertools.cycle([X]), itertools.count()])
def test_what_never_ends_is_refused(endless):
    refuse(endless, FLAT, "no end to these rows", type(endless).__name__, "islice")


@pytest.mark.parametrize(
    ("batches", "inputs", "fragments"),
    [
        ([(X, Y[:3])], FLAT, ["Batch 0 has parts of different lengths", "rows: 7, labels: 3"]),
        ([{"age": Y, "place": X[:2, 1:]}], TWO, ["different lengths", "'age': 7, 'place': 2"]),
        ([X, X[:, :2]], FLAT, ["Batch 1 has other parts, or of other shapes", "(3,)", "(2,)", "Pad or cut"]),
        (
            [(X, Y), X],
            FLAT,
            ["Batch 1 has other parts", "labels of shape ()", "Received: rows of shape"],
        ),
        ([{"x": X, "label": Y}, {"x": X}], FLAT, ["Batch 1", "'x' of shape (3,) for a row, labels"]),
        (
            [(X, Y, Y)],
            FLAT,
            ["3 parts does not say which are rows", "((rows, rows), labels)", "Leave out weights"],
        ),
        ([(X, X, X, Y)], None, ["4 parts"]),
        ([(X[:, 0], X[:, 1:], Y, Y)], TWO, ["4 parts"]),
        ([(X, Y), (X, 1)], FLAT, ["different lengths"]),
        ([[[1, 2, 3], [1, 2]]], FLAT, ["The values in a batch are not an array", "all of one shape"]),
        ([([[1, 2, 3]], [1, 2])], FLAT, ["different lengths"]),
        ([X[0], X[1, :2]], FLAT, ["Row 1 has other parts, or of other shapes"]),
        ([np.ma.array(X, mask=X == 4)], FLAT, ["masked in row 1"]),
        ([(X, np.ma.array(Y, mask=Y == 2))], FLAT, ["masked in 2 rows: 2, 5"]),
        ([{}], FLAT, ["A batch has no rows in it"]),
        ([(X, pandas.Series(Y))], FLAT, ["A batch holds a data frame or a series", "pandas.concat"]),
        ([()], FLAT, ["A batch has no rows in it"]),
        ([{"labels": Y}], FLAT, ["A batch has no rows in it", "array"]),
        ([((), Y)], None, ["different lengths"]),
    ],
)
def test_batches_that_do_not_fit_are_named(batches, inputs, fragments):
    refuse(iter(batches), inputs, *fragments)


def test_errors_of_the_source_pass_through():
    def broken():
        yield X
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        gathered(broken())


@pytest.mark.parametrize("x", [5, None, object(), {1, 2}, b"rows"])
def test_what_is_nothing_of_all_this_is_left_for_the_checks_of_rows(x):
    assert gathered(x).x is x


# --- the first rows, and their number -------------------------------------------------------------


@pytest.mark.parametrize("x", [X, X.tolist(), [X, Y], {"a": X, "b": Y}])
def test_first_rows_and_length(x):
    assert length(x) == 7
    assert length(first(x, 2)) == 2


@pytest.mark.parametrize("x", [5, None, {}])
def test_what_has_no_length(x):
    assert first(x, 1) == x
    with pytest.raises(InputError, match="'letters' are no rows"):
        length(x, "'letters'")


# --- frameworks, told by what they can do ---------------------------------------------------------


def test_no_framework_is_imported_to_tell_what_something_is():
    before = set(sys.modules)
    gathered(iter([X]))
    gathered(X)
    assert not {"torch", "tensorflow", "keras", "polars"} & (set(sys.modules) - before)
