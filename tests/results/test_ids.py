"""What the caller calls each row stays with it, wherever it goes."""

import copy
import csv
import dataclasses
import io
import json
import pickle

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


def test_ids_stay_with_their_rows(customers):
    assert customers[1:].ids.tolist() == ["B4", "Ä 9"]
    assert customers[[2, 0]].ids.tolist() == ["Ä 9", "A17"]
    assert [row.id for row in customers] == CUSTOMERS
    assert customers[2].called == "customer Ä 9"
    joined = customers.joined([customers[2:], customers[:1]])
    assert (joined.ids.tolist(), joined.id_name) == (["Ä 9", "A17"], "customer")
    for other in (copy.copy(customers), pickle.loads(pickle.dumps(customers))):
        assert (other.ids.tolist(), other.id_name) == (CUSTOMERS, "customer")
    with pytest.raises(ValueError, match="read-only"):
        customers.ids[0] = "else"


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


def test_ids_of_one_label_and_of_all_answers():
    customers = make(MultilabelCertainty, ids=CUSTOMERS, id_name="customer")
    assert customers.of_label("wind").ids.tolist() == CUSTOMERS
    assert customers.answers().ids.tolist() == CUSTOMERS * 2
    assert customers.answers().id_name == "customer"


def test_ids_stay_through_calibration():
    random = np.random.default_rng(0)
    p = random.dirichlet([1, 1, 1], size=200)
    plain = Certainty(
        p, np.zeros(p.shape), np.zeros(200), np.full(200, 5), ("a", "b", "c"), np.arange(200), ids=range(200)
    )
    truth = np.array([random.choice(3, p=each) for each in p])
    known = plain.with_truth(truth)
    assert howsure.calibrate(known)(plain).ids.tolist() == [*range(200)]
    assert str(howsure.evaluate(known)) == str(howsure.evaluate(plain, truth))


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "b"], "do not fit the rows"),
        ([["a"], ["b"], ["c"]], "do not fit the rows"),
        (["a", None, "c"], r"missing in row 1"),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), "masked in row 1"),
        ([1.0, 2.5, 3.0], "1.0 in row 0.*Make texts of them"),
        ([True, False, True], "True in row 0"),
        (np.array(["a", 1, "c"], dtype=object), "1 in row 1"),
        (["a", "\ud800", "c"], "in row 1"),
        ([1, 2, 2**63], "in row 0"),
    ],
)
def test_what_names_no_rows_is_refused(result, ids, said):
    with pytest.raises(InputError, match=said):
        make(result, ids=ids)


@pytest.mark.parametrize("name", ["row", "probabilities", "probabilities.cat", "", "two\nlines", 7, "gap"])
def test_a_name_that_is_taken_or_cannot_be_printed_is_refused(result, name):
    with pytest.raises(InputError, match=r"`id_name` cannot be (of a result|used)"):
        make(result, ids=CUSTOMERS, id_name=name)


def test_ids_are_handed_over(tmp_path):
    customers = make(Certainty, ids=["=A1", "B", "C"], id_name="+customer")
    howsure.hand_over(customers, [1, 0], tmp_path / "check.csv")
    with open(tmp_path / "check.csv", encoding="utf-8", newline="") as handle:
        lines = list(csv.reader(handle))
    assert lines[0][:3] == ["row", "'+customer", "label"]
    assert [line[1] for line in lines[1:]] == ["B", "'=A1"]
    howsure.hand_over(customers, [1], tmp_path / "check.json")
    assert json.loads((tmp_path / "check.json").read_text())[0]["data"]["+customer"] == "B"


@pytest.mark.parametrize("name", ["name", "set", "image", "text"])
def test_ids_give_way_to_the_names_of_the_hand_over(tmp_path, name):
    customers = make(Certainty, ids=CUSTOMERS, id_name=name)
    howsure.hand_over(customers, [0], tmp_path / "check.json", names=["first", "second", "third"])
    data = json.loads((tmp_path / "check.json").read_text())[0]["data"]
    assert (data["id"], data["text"]) == ("A17", "first")


def test_the_terminal_shows_ids(customers):
    console = Console(width=120, record=True, file=io.StringIO())
    customers = dataclasses.replace(customers, ids=["A\x1b[31m17", "B4", "C5"])
    console.print(undecided_table(customers, 9))
    shown = console.export_text()
    assert "customer" in shown
    assert "B4" in shown
    assert "\x1b" not in shown
    assert r"A\x1b[31m17" in shown
