"""Tables as people have them, in and out: named columns, and tables that other programs read."""

import csv
import io

import numpy as np
import pytest

from tests.commands import run

keras = pytest.importorskip("keras", reason="Keras is not installed")

import howsure  # noqa: E402  # needs keras
from howsure.cli import output  # noqa: E402

FLOWERS = ("rose", "tulip", "daisy")
ROWS = 12


pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def model_file(network_of):
    return network_of(2)


@pytest.fixture
def flowers(tmp_path):
    """A table as it comes: with names for rows and classes, a note, and a column that has nothing to say."""
    values = np.random.default_rng(0).normal(size=(ROWS, 2)).round(3)
    path = tmp_path / "flowers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["plant", "length", "width", "note", "nothing", "species"])
        for row, (length, width) in enumerate(values):
            lines.writerow([f"{row + 7:03}", length, width, "=1+1", "", FLOWERS[row % 3]])
    return path


CHOSEN = ("--set", "label_column=species", "--id-column", "plant", "--set", "drop=note,nothing")


def assess(model_file, data, out, *arguments):
    return run("assess", model_file, data, "--out", out, "--class-names", ",".join(FLOWERS), *arguments)


def test_columns_are_chosen_by_name(model_file, flowers, tmp_path):
    done = assess(model_file, flowers, tmp_path / "o.parquet", *CHOSEN)
    assert done.exit_code == 0, done.stderr
    result = howsure.load(tmp_path / "o.parquet")
    assert result.ids.tolist() == [f"{row + 7:03}" for row in range(ROWS)]  # and no numbers without zeros
    assert result.truth_name.tolist() == [FLOWERS[row % 3] for row in range(ROWS)]
    assert result.to_arrow().column_names[:2] == ["row", "plant"]
    assert "plant" in done.stdout
    assert "right on" in done.stdout


def test_a_table_on_stdout_is_all_there(model_file, flowers, tmp_path):
    done = assess(model_file, flowers, "-", *CHOSEN, "--report", tmp_path / "o.html")
    assert done.exit_code == 0, done.stderr
    lines = list(csv.reader(io.StringIO(done.stdout)))
    assert lines[0][:4] == ["row", "plant", "label", "label_name"]
    assert [line[1] for line in lines[1:]] == [f"{row + 7:03}" for row in range(ROWS)]
    assert "The model is sure of" in " ".join(done.stderr.split())
    assert "Report:" in done.stderr
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert "plant 007" in page
    assert ", width " in page
    assert not list(tmp_path.glob("-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "2 columns without numbers: 'note', 'species'"),
        ((), "`--set drop=note,species`"),
        (("--set", "label_column=kind"), "has no column 'kind' for the labels"),
        (("--set", "label_column=species", "--set", "drop=species"), "Column 'species' has two roles"),
        (("--set", "drop=note,,species"), "`drop` cannot be used. Expected: a list, a,b"),
        ((*CHOSEN, "--labels", "labels.npy"), "has no columns of which one could be named"),
        ((*CHOSEN[:4], "--set", "drop=note,nothing,lenght"), "no column 'lenght' to leave out"),
        (
            (*CHOSEN[:2], "--id-column", "nothing", "--set", "drop=note,plant"),
            "empty cells in column 'nothing'",
        ),
    ],
)
def test_columns_that_cannot_be_used_are_named(
    model_file, flowers, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    np.save("labels.npy", np.zeros(ROWS, int))
    done = assess(model_file, flowers, "o.parquet", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "o.parquet").exists()


def test_another_separator_and_decimal_sign_are_said(model_file, flowers, tmp_path):
    """The same rows and labels in another form give the same table."""
    with flowers.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    with (tmp_path / "other.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([cell.replace(".", ",") for cell in line] for line in lines)
    done = assess(model_file, flowers, tmp_path / "a.csv", *CHOSEN)
    assert done.exit_code == 0, done.stderr
    form = ("--set", "separator=;", "--set", "decimal=,")
    done = assess(model_file, tmp_path / "other.csv", tmp_path / "b.csv", *CHOSEN, *form)
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    done = assess(model_file, tmp_path / "other.csv", tmp_path / "b.csv", *CHOSEN)
    assert done.exit_code == 2
    done = assess(model_file, flowers, tmp_path / "folder/", *form)
    assert "One table is needed for `separator` and `decimal`" in done.stderr


def test_a_terminal_is_not_steered_by_a_table(monkeypatch):
    certainty = howsure.Certainty(
        *([[0.6, 0.4]], [[0.01, np.nan]], [0.1]), passes=[5], class_names=["a", "b"], row=[0], ids=["\x1b[2J"]
    )

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), r"\x1b[2J"), (io.StringIO(), "\x1b[2J")):
        monkeypatch.setattr("sys.stdout", stream)
        output.write_table([certainty], output.STDOUT)
        (line,) = csv.DictReader(io.StringIO(stream.getvalue()))
        assert line["id"] == shown
