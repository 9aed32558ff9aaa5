"""What the caller calls each row stays with it, wherever it goes."""

import dataclasses
import io

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

import howsure
from howsure import Certainty, InputError, MultilabelCertainty
from howsure.cli.output import undecided_table

NAMES = {
    Certainty: {"class_names": ["cat", "dog"], "probabilities": [[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]]},
    MultilabelCertainty: {
        "label_names": ["rain", "wind"],
        "probabilities": [[0.9, 0.6], [0.5, 0.4], [0.2, 0.8]],
    },
}
CUSTOMERS = ["A17", "B4", "Ä 9"]


def make(result, **arguments):
    p = np.array(NAMES[result]["probabilities"])
    rows = {"expected_entropy": np.zeros(p.shape if result is MultilabelCertainty else 3)}
    settings = {"mc_error": np.full(p.shape, 0.01), "passes": [20] * 3, "row": np.arange(3)}
    return result(**{**NAMES[result], **rows, **settings, **arguments})


@pytest.fixture(params=[Certainty, MultilabelCertainty])
def result(request):
    return request.param


@pytest.fixture
def customers(result):
    return make(result, ids=CUSTOMERS, id_name="customer")


@pytest.mark.parametrize(
    "given",
    [
        CUSTOMERS,
        np.array(CUSTOMERS),
        np.array(CUSTOMERS, dtype=object),
        np.array([each.encode() for each in CUSTOMERS]),
        [each.encode() for each in CUSTOMERS],
    ],
)
def test_texts_are_kept_as_texts(result, given):
    ids = make(result, ids=given).ids
    assert ids.tolist() == CUSTOMERS
    assert type(ids[0]) is str


@pytest.mark.parametrize("given", [[7, 1, 7], np.array([7, 1, 7], np.uint8), np.array([7, 1, 7], object)])
def test_whole_numbers_are_kept_as_numbers(result, given):
    ids = make(result, ids=given).ids
    assert (ids.dtype, ids.tolist()) == (np.int64, [7, 1, 7])


def test_without_ids_nothing_is_said_of_them(result):
    plain = make(result)
    assert (plain.ids, plain.id_name, plain[1].id) == (None, "id", None)
    assert "id" not in plain.to_arrow().column_names
    assert plain[1].called == "row 1"


@pytest.mark.parametrize("ids", [CUSTOMERS, [3, 2**62, -1]])
def test_ids_are_saved_under_their_name_beside_the_row_number(tmp_path, result, ids):
    kept = make(result, ids=ids, id_name="customer")
    assert kept.to_arrow().column_names[:2] == ["row", "customer"]
    assert kept.to_arrow()["customer"].type == (pa.string() if ids is CUSTOMERS else pa.int64())
    kept.save(tmp_path / "kept.parquet")
    found = howsure.load(tmp_path / "kept.parquet")
    assert (found.ids.tolist(), found.id_name) == (list(ids), "customer")
    assert found.ids.dtype == kept.ids.dtype
    none = kept[:0]
    none.save(tmp_path / "none.parquet")
    assert howsure.load(tmp_path / "none.parquet").ids.shape == (0,)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "b"], "do not fit the rows"),
        ([["a"], ["b"], ["c"]], "do not fit the rows"),
        (["a", None, "c"], r"missing in row 1"),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), "masked in row 1"),
        ([1.0, 2.5, 3.0], r"cannot be kept in 3 rows: 0, 1, 2.*Received: 1\.0\. Make texts of them"),
        ([True, False, True], "in 3 rows: 0, 1, 2.*Received: True"),
        (np.array(["a", 1, "c"], dtype=object), "in row 1.*Received: 1"),
        (["a", "\ud800", "c"], "in row 1"),
        ([1, 2, 2**63], "in 3 rows: 0, 1, 2"),
    ],
)
def test_what_names_no_rows_is_refused(result, ids, said):
    with pytest.raises(InputError, match=said):
        make(result, ids=ids)


@pytest.mark.parametrize("name", ["row", "probabilities", "probabilities.cat", "", "two\nlines", 7, "gap"])
def test_a_name_that_is_taken_or_cannot_be_printed_is_refused(result, name):
    with pytest.raises(InputError, match=r"`id_name` cannot be (of a result|used)"):
        make(result, ids=CUSTOMERS, id_name=name)


def test_the_terminal_shows_ids(customers):
    console = Console(width=120, record=True, file=io.StringIO())
    customers = dataclasses.replace(customers, ids=["A\x1b[31m17", "B4", "C5"])
    console.print(undecided_table(customers, 9))
    shown = console.export_text()
    assert "customer" in shown
    assert "B4" in shown
    assert "\x1b" not in shown
    assert r"A\x1b[31m17" in shown


@pytest.mark.parametrize("chosen", ["B4", ["B4"], np.array(["B4"])])
def test_a_text_is_refused_with_how_rows_are_chosen_by_id(customers, chosen):
    customers = dataclasses.replace(customers, ids=["A17", "B4", "C5"])
    with pytest.raises(IndexError, match=r"If rows have ids, use `result\[result\.ids == 'B4'\]`"):
        customers[chosen]
    assert customers[customers.ids == "B4"].ids.tolist() == ["B4"]
