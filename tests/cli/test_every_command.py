"""Every command with every kind of answers, in every form of its input: it ends, or says in one line why not.

Commands are read from the program and kinds from the registry, so a new one without a cell fails.
"""

import re
import shlex

import numpy as np
import pytest
import typer.main

import howsure
from howsure.answers.registry import answers
from howsure.cli.app import app
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout
from tests.answers.measures import linear
from tests.commands import done, refused, run
from tests.pixels import images, make, one_class_per_row


def two_labels():
    """A network of two labels per row."""
    steps = {
        "drop": (Dropout(0.5), "x"),
        "output": (Dense(np.random.default_rng(0).normal(size=(4, 2)), 0.0, "sigmoid"), "drop"),
    }
    return ArrayModel("labels", [InputSpec("x", (4,), "float32")], steps, trained_for="labels")


def vectors(count):
    return np.random.default_rng(1).normal(size=(count, 4)).astype("float32")


def pixels(count):
    return images(count) / np.float32(255)


KINDS = {
    "classes": ("tests.pixels:one_class_per_row", one_class_per_row, vectors, ""),
    "labels": ("tests.cli.test_every_command:two_labels", two_labels, vectors, ""),
    "numbers": ("tests.answers.measures:linear", linear, vectors, ""),
    "positions": ("tests.pixels:make", make, pixels, "--keep probabilities"),
}
"""Where the program finds a model, the model, its rows, and options of `howsure assess`."""

COMMANDS = {
    "assess": "{model} {rows} --labels {y} --out {o}/t.parquet --report {o}/page.html --passes 10",
    "audit": "{model} --data {rows} --save-plan {o}/plan.json",
    "compare": "{model} {rows} --labels {y} --no-shifts --report {o}/page.html",
    "export": "{model} {o}/m.onnx --data {rows}",
    "evaluate": "{table} --out {o}/scores.csv",
    "calibrate": "{table} --out {o}/c.json",
    "sets": "{table} --coverage 0.8 --new {new} --out {o}/sets.csv",
    "abstain": "{table} --risk 0.5 {tolerance} --new {new} --out {o}/rows.csv",
    "handover": "{table} --out {o}/rows.json",
    "report": "{table} --report {o}/page.html",
    "demo": None,
}
"""What is typed after the command; None for a command that takes neither a model nor a table."""

ONE_LABEL = "Take one label at a time: `--of-label 0` has the classes 'no' and 'yes'"
TWO_TABLES = "compare one label of the results, `--of-label 0`, with `howsure compare FIRST SECOND`"
NO_GRAPH = "needs passes as an ONNX graph, which the adapter of"
REFUSED = {
    **{(name, "labels"): ONE_LABEL for name in ("sets", "abstain", "handover")},
    ("compare", "labels"): TWO_TABLES,
    **{("export", kind): NO_GRAPH for kind in KINDS},
}
"""What makes no sense. The first two are followed to the letter below; networks in numpy have no graph."""

TOLERANCE = {"numbers": "--tolerance 2", "positions": "--tolerance 0.9"}
TABLES = [name for name, arguments in COMMANDS.items() if arguments and "{table}" in arguments]
ROWS = 40


@pytest.fixture(scope="module", params=KINDS)
def places(request, tmp_path_factory):
    """Rows, labels, and results of one kind in every form."""
    name, (path, model, rows, keep) = request.param, KINDS[request.param]
    folder = tmp_path_factory.mktemp(name)
    x, ids = rows(ROWS), [f"id {number}" for number in range(ROWS)]
    result = howsure.assess(
        model(), x, method=howsure.MCDropout(passes=10), keep=keep.split()[-1] if keep else None
    )
    random = np.random.default_rng(2)
    if name == "numbers":
        truth = result.mean + random.normal(size=result.mean.shape)
    elif name == "labels":
        truth = (result.probabilities > 0.5) ^ (random.random(result.probabilities.shape) < 0.1)
    else:
        wrong = random.random(result.label.shape) < 0.1
        truth = np.where(wrong, (result.label + 1) % 3, result.label)
    np.savez(folder / "x.npz", x=x)
    np.save(folder / "y.npy", truth)
    given = {
        "model": path,
        "rows": folder / "x.npz",
        "y": folder / "y.npy",
        "tolerance": TOLERANCE.get(name, ""),
    }
    known = result.with_truth(truth)
    known.save(folder / "saved.parquet")
    known.with_ids(ids, "file").save(folder / "with ids.parquet")
    known.save(folder / "csv.csv")
    known[:1].save(folder / "one row.parquet")
    known[:0].save(folder / "no rows.parquet")
    result.save(folder / "no labels.parquet")
    rows_and_labels = ("assess", path, folder / "x.npz", "--labels", folder / "y.npy", *keep.split())
    done(*rows_and_labels, "--passes", 10, "--part-rows", 16, "--out", folder / "parts")
    return name, given, folder


def ended(name, line, places):
    """How a command ended; no traceback comes through, and a refusal is one line that names no Python."""
    found = run(name, *shlex.split(line.format(**places)))
    assert found.exit_code in (0, 2), found.stderr
    if found.exit_code == 2:
        errors = [each for each in found.stderr.splitlines() if each.startswith("error: ")]
        assert len(errors) == 1, found.stderr
        ours = errors[0].partition("Received: ")[0]
        assert not re.search(r"howsure\.\w|result\.|certainty\.|\w+=", ours), ours
    return found


def test_one_label_of_two_tables_is_compared(tmp_path):
    np.savez(tmp_path / "x.npz", x=vectors(ROWS), y=np.random.default_rng(0).integers(0, 2, (ROWS, 2)))
    for method in ("softmax", "mc-dropout"):
        given = (KINDS["labels"][0], tmp_path / "x.npz", "--method", method)
        done("assess", *given, "--out", tmp_path / f"{method}.parquet")
    tables = tmp_path / "softmax.parquet", tmp_path / "mc-dropout.parquet"
    assert TWO_TABLES in refused("compare", *tables)
    assert "'mc-dropout'" in done("compare", *tables, "--of-label", 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows(kind, rows, tmp_path):
    """Also of the plain prediction, and with their labels; a folder needs a row, and a comparison two."""
    path, model, x, _ = KINDS[kind]
    x = x(2)[:rows]
    result = howsure.assess(model(), x, method=howsure.Softmax())
    truth = {"numbers": "mean", "labels": "probabilities"}.get(kind, "label")
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "y.npy", np.round(getattr(result, truth)))
    given = (path, tmp_path / "x.npz", "--labels", tmp_path / "y.npy")
    for method in ("softmax", "mc-dropout"):
        for ending in ("parquet", "csv", "jsonl"):
            out = tmp_path / f"{method}.{ending}"
            done("assess", *given, "--method", method, "--out", out, "--report", tmp_path / "page.html")
    assert len(howsure.load(tmp_path / "softmax.parquet")) == rows
    line = ("assess", *given, "--out", tmp_path / "folder", "--report", tmp_path / "page.html")
    assert rows or "There are no rows" in refused(*line)
    assert not rows or done(*line)
    if kind != "labels":
        assert rows > 1 or "Too few rows to score" in refused("compare", *given)
        assert rows < 2 or done("compare", *given, "--no-shifts")


def test_the_tables_are_complete():
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)
    assert {each.name for each in answers()} == set(KINDS)


@pytest.mark.parametrize("name", [name for name, line in COMMANDS.items() if line])
def test_a_command_ends(name, places, tmp_path):
    kind, given, folder = places
    for form in ("saved.parquet", "with ids.parquet", "parts") if name in TABLES else ("rows",):
        at = dict.fromkeys(("table", "new"), shlex.quote(str(folder / form))) | {"o": tmp_path}
        found = ended(name, COMMANDS[name], given | at)
        refusal = REFUSED.get((name, kind))
        assert found.exit_code == (0 if refusal is None else 2), (form, found.stderr)
        assert refusal is None or refusal in found.stderr
        if refusal == ONE_LABEL and name in TABLES:
            followed = ended(name, f"{COMMANDS[name]} --of-label 0", given | at)
            assert followed.exit_code == 0, followed.stderr


LABELLED = "holds no true answers. Expected: --labels FILE"
FORMS = {
    "csv.csv": {"numbers": "but 'std' is empty", "positions": "and has no maps of them"},
    "one row.parquet": dict.fromkeys(KINDS, "Too few"),
    "no rows.parquet": dict.fromkeys(KINDS, "Too few"),
    "no labels.parquet": dict.fromkeys(KINDS, LABELLED),
}
"""What other tables lack; `csv.csv` for all commands, the others for those that learn from labels."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TABLES)
def test_a_command_ends_with_other_tables(name, form, places, tmp_path):
    kind, given, folder = places
    at = dict.fromkeys(("table", "new"), shlex.quote(str(folder / form))) | {"o": tmp_path}
    found = ended(
        name, f"{COMMANDS[name]} --of-label 0" if (name, kind) in REFUSED else COMMANDS[name], given | at
    )
    refusal = FORMS[form].get(kind)
    if form != "csv.csv" and name in ("handover", "report"):
        refusal = None
    assert found.exit_code == (0 if refusal is None else 2), found.stderr
    assert refusal is None or refusal in found.stderr or refusal.lower() in found.stderr
