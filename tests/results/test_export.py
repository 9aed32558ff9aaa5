"""csv and JSON lines hold what the table holds, and nothing a spreadsheet would run."""

import csv
import io
import json

import numpy as np
import pytest

import howsure
from howsure import Certainty, MultilabelCertainty
from howsure.bare.files import read_result
from howsure.results.export import write_csv, write_json_lines
from howsure.sampling.between import LEVELS
from howsure.words import before_no_formula

LEVELS_IN_WORDS = [f"{level:g}" for level in LEVELS]


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
    write_csv(result, file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def in_json(result):
    file = io.StringIO()
    write_json_lines(result, file)
    return [json.loads(line) for line in file.getvalue().splitlines()]


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
    table, names = result.to_arrow().to_pydict(), getattr(result, result.names)
    lines, objects = in_csv(result), in_json(result)
    assert len(lines) == len(objects) == len(result)
    assert list(objects[0]) == list(table)
    for row, (line, each) in enumerate(zip(lines, objects, strict=True)):
        for column, values in table.items():
            if not isinstance(values[row], list):
                given = {None: (line.pop(column), each[column], values[row])}
            else:
                within = names if len(values[row]) == len(names) else LEVELS_IN_WORDS
                given = {
                    name: (line.pop(f"{column}.{name}"), each[column][name], values[row][k])
                    for k, name in enumerate(within)
                }
            for in_line, in_object, value in given.values():
                expected = f"'{value}" if value == "=cat" else value
                np.testing.assert_equal(as_read(in_line, value), expected)
                np.testing.assert_equal(
                    np.nan if in_object is None and value is not None else in_object, value
                )
        assert not line


def test_formulas_do_not_run():
    (first, _) = in_csv(classes(ids=["=1+1", "ok"], id_name="@id"))
    assert first["'@id"] == "'=1+1"
    assert first["label_name"] == "'=cat"
    assert in_json(classes())[0]["label_name"] == "=cat"


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


def test_texts_of_any_kind_come_back(tmp_path):
    """Ids, and classes in any role, through the csv file and howsure's own reader, or any other."""
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
    with pytest.warns(howsure.HowsureWarning, match="wrote as csv"):
        found = read_result(tmp_path / "table.csv")
    assert found.ids.tolist() == STRANGE
    assert found.id_name == "=id"
    assert found.class_names == names
    assert np.array_equal(found.truth, made.truth)


def test_what_is_not_known_is_empty_or_null():
    assert in_csv(classes())[0]["mc_error.big dog"] == ""
    assert in_json(classes())[0]["mc_error"]["big dog"] is None


def test_no_rows():
    assert in_csv(classes()[:0]) == []
    assert in_json(classes()[:0]) == []
    file = io.StringIO()
    write_csv(classes()[:0], file)
    assert file.getvalue().startswith("row,label,label_name,")


def test_more_rows_than_are_written_at_a_time(monkeypatch):
    monkeypatch.setattr("howsure.results.export._ROWS_AT_A_TIME", 2)
    several = classes()[[0, 1, 0, 1, 1]]
    assert [line["row"] for line in in_csv(several)] == ["4", "9", "4", "9", "9"]


@pytest.mark.parametrize("result", [classes(ids=["a", "b"]), labels()], ids=["classes", "labels"])
def test_the_ending_says_in_which_form_a_result_is_saved(tmp_path, result):
    for ending, read in ((".csv", in_csv), (".jsonl", in_json), (".CSV", in_csv)):
        path = tmp_path / f"table{ending}"
        path.write_text("earlier", encoding="utf-8")
        result.save(path)
        content = path.read_text(encoding="utf-8")
        lines = (
            csv.DictReader(io.StringIO(content)) if read is in_csv else map(json.loads, content.splitlines())
        )
        assert list(lines) == read(result)
    result.save(tmp_path / "table.parquet")
    assert howsure.load(tmp_path / "table.parquet").row.tolist() == result.row.tolist()
    with pytest.raises(howsure.FileError, match="not a readable Parquet file"):
        howsure.load(tmp_path / "table.csv")
