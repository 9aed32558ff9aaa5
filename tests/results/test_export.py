"""csv holds what the table holds, and nothing a spreadsheet would run."""

import csv
import io

import numpy as np
import pytest

import howsure
from howsure import Certainty, MultilabelCertainty
from howsure.external.files import read_result
from howsure.results.export import csv_lines, write_csv_lines


def classes(**arguments):
    p = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    error = np.array([[0.01, np.nan, 0.02], [0.01, 0.01, 0.01]])
    names = ("=cat", "big dog", "hen,\u00e4")
    return Certainty(p, error, [0.5, 0.9], [20, 40], names, [4, 9], **arguments)


def between():
    """With what is told of single passes."""
    passes = np.random.default_rng(0).dirichlet([1, 1, 1], size=(40, 2))
    return Certainty.from_passes(passes, class_names=["=cat", "big dog", "hen"])


def labels():
    p = np.array([[0.98, 0.52], [0.2, 0.97]])
    columns = (p, np.full(p.shape, 0.01), np.full(p.shape, 0.05))
    return MultilabelCertainty(
        *columns, passes=[20, 40], label_names=("rain", "wind"), row=[3, 1], truth=p > 0.5
    )


def in_csv(result):
    file = io.StringIO()
    write_csv_lines(csv_lines(result, "all"), file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def as_read(text, value):
    """A cell of a csv file as the value that was written."""
    if text == "":
        return np.nan if isinstance(value, float) else None
    return text == "True" if isinstance(value, bool) else type(value)(text)


@pytest.mark.parametrize(
    "result",
    [
        classes(),
        classes(truth=[0, 2], ids=["A 1", "b"], id_name="customer", familiarity=[0.5, 0.25]),
        between(),
        labels(),
    ],
    ids=["classes", "with everything", "between networks", "labels"],
)
def test_all_of_the_table_is_there(result):
    table = result.to_arrow(columns="all").to_pydict()
    lines = in_csv(result)
    assert len(lines) == len(result)
    for row, line in enumerate(lines):
        for column, values in table.items():
            in_line, value = line.pop(column), values[row]
            np.testing.assert_equal(as_read(in_line, value), f"'{value}" if value == "=cat" else value)
        assert not line


def test_formulas_do_not_run():
    (first, _) = in_csv(classes(ids=["=1+1", "ok"], id_name="@id"))
    assert first["'@id"] == "'=1+1"
    assert first["label_name"] == "'=cat"


STRANGE = [
    "a\rb",
    "c\nd",
    "\r\n",
    "e\r",
    'q"',
    "f,g",
    " h ",
    "-1",
    "+2.5e3",
    "=x",
    "'=x",
    "''=x",
    "'-1",
    "'",
    "007",
]


def before_no_formula(cell):
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in ("=", "-", "+", "\r", "\n") else cell


def test_texts_of_any_kind_come_back(tmp_path):
    """Ids, and classes in any role, through the csv file."""
    names = ("-1", "+1", "'-1", "=a", 'b,"c" ')
    p = np.random.default_rng(0).dirichlet(np.ones(len(names)), len(STRANGE))
    made = Certainty.from_probabilities(p, names).with_ids(STRANGE, "=id")
    made = made.with_truth([names[row % len(names)] for row in range(len(made))])
    made.save(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [before_no_formula(line["'=id"]) for line in lines] == STRANGE
    assert {line["label_name"] for line in lines if line["label"] == "0"} == {"-1"}
    assert [before_no_formula(line["truth_name"]) for line in lines] == made.truth_name.tolist()
    with pytest.raises(howsure.InputError, match=r"wrote as csv.*the \.parquet form"):
        read_result(tmp_path / "table.csv")


def test_what_is_not_known_is_empty():
    assert in_csv(classes())[0]["mc_error.big dog"] == ""


def test_no_rows():
    assert in_csv(classes()[:0]) == []
    file = io.StringIO()
    write_csv_lines(csv_lines(classes()[:0]), file)
    assert file.getvalue().startswith("row,label,label_name,")


def test_more_rows_than_are_written_at_a_time(monkeypatch):
    monkeypatch.setattr("howsure.results.export._ROWS_AT_A_TIME", 2)
    several = classes()[[0, 1, 0, 1, 1]]
    assert [line["row"] for line in in_csv(several)] == ["4", "9", "4", "9", "9"]


@pytest.mark.parametrize("result", [classes(ids=["a", "b"]), labels()], ids=["classes", "labels"])
def test_the_ending_says_in_which_form_a_result_is_saved(tmp_path, result):
    for ending in (".csv", ".CSV"):
        path = tmp_path / f"table{ending}"
        path.write_text("earlier", encoding="utf-8")
        result.save(path, columns="all")
        content = path.read_text(encoding="utf-8")
        assert list(csv.DictReader(io.StringIO(content))) == in_csv(result)
    result.save(tmp_path / "table.parquet")
    assert howsure.load(tmp_path / "table.parquet").row.tolist() == result.row.tolist()
    with pytest.raises(howsure.FileError, match="not a readable Parquet file"):
        howsure.load(tmp_path / "table.csv")
