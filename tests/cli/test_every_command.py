"""Every command with every kind of answers, in every form of its input: it ends, or says in one line why not.

Commands are read from the program and kinds from the registry, so a new one without a cell fails.
"""

import shlex

import numpy as np
import pytest
import typer.main

import howsure
from howsure.cli.app import app
from howsure.tasks.task import task_named
from tests.commands import done, refused, run
from tests.doors.cases import DROPOUT, case_of
from tests.doors.doors import COMMANDS as DOORS
from tests.kinds import KINDS, of_kind
from tests.kinds.kind import typed_tolerance

COMMANDS = {
    "assess": "{model} {rows} {keep} --labels {y} --out {o}/t.parquet --report {o}/page.html --set passes=20",
    "audit": "{model} --data {rows} --save-plan {o}/plan.json",
    "compare": "{model} {rows} --labels {y} --report {o}/page.html",
    "export": "{model} {o}/m.onnx --data {rows}",
    "evaluate": "{table} --out {o}/scores.csv",
    "calibrate": "{table} --out {o}/c.json",
    "sets": "{table} --coverage 0.8 --new {new} --out {o}/sets.csv",
    "abstain": "{table} --risk {risk} {tolerance} --new {new} --out {o}/rows.csv",
    "handover": "{table} --out {o}/rows.csv",
    "report": "{table} --report {o}/page.html",
    "demo": None,
}
"""What is typed after the command; None for a command that takes neither a model nor a table."""

PARTS = {name: door.part for name, door in DOORS.items()} | {"export": ("graph",)}
"""The parts of which a command needs one; without any, it is for all kinds."""


def has_part(command, kind):
    """Whether a kind has any of the parts that a command needs."""
    return not PARTS[command] or any(task_named(kind).can(part) for part in PARTS[command])


ONE_LABEL = "Take one label at a time: `certainty.of_label('0')` has the classes 'no' and 'yes'"
TWO_TABLES = (
    "compare one label of the results, `certainty.of_label('0')`, with `howsure.Comparison.of_results`"
)
NO_GRAPH = "needs passes as an ONNX graph, which the adapter of"
NO_PART = "There are no"
REFUSED = {
    **{(name, kind): NO_PART for name in PARTS for kind in KINDS if not has_part(name, kind)},
    **{(name, "labels"): ONE_LABEL for name in ("sets", "abstain", "handover")},
    ("compare", "labels"): TWO_TABLES,
    **{("export", kind): NO_GRAPH for kind in KINDS if task_named(kind).can("graph")},
}
"""What makes no sense. Advice about labels is followed below. Networks in numpy have no graph."""


def typed(kind, *settings):
    """Settings of the example's `assess` as options."""
    given = case_of(kind).settings
    return [part for name in settings if name in given for part in ("--set", f"{name}={given[name]}")]


def model_of(kind):
    """Where commands find the network of the example, and what its outputs mean."""
    return [f"tests.doors.cases:{kind}", *typed(kind, "outputs")]


TABLES = [name for name, arguments in COMMANDS.items() if arguments and "{table}" in arguments]


@pytest.fixture(scope="module", params=KINDS)
def places(request, tmp_path_factory):
    """Rows, labels, and results of one kind in every form."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    case = case_of(name)
    result = howsure.assess(case.model, case.x, method=DROPOUT, **case.settings)
    np.savez(folder / "x.npz", x=case.x)
    np.save(folder / "y.npy", case.truth)
    given = {
        "model": shlex.join(model_of(name)),
        "keep": shlex.join(typed(name, "keep")),
        "rows": folder / "x.npz",
        "y": folder / "y.npy",
        "risk": of_kind(name).risk,
        "tolerance": typed_tolerance(of_kind(name).tolerance),
    }
    known = result.with_truth(case.truth)
    known.save(folder / "saved.parquet")
    known.with_ids(case.ids, "file").save(folder / "with ids.parquet")
    known.save(folder / "csv.csv")
    known[:1].save(folder / "one row.parquet")
    known[:0].save(folder / "no rows.parquet")
    result.save(folder / "no labels.parquet")
    rows_and_labels = (folder / "x.npz", "--labels", folder / "y.npy", *typed(name, "keep"))
    into = ("--set", f"passes={DROPOUT.passes}", "--set", "part_rows=16", "--out", folder / "parts")
    done("assess", *model_of(name), *rows_and_labels, *into)
    return name, given, folder


def ended(name, line, places):
    """How a command ended; no traceback comes through, and a refusal is one line."""
    found = run(name, *shlex.split(line.format(**places)))
    assert found.exit_code in (0, 2), found.stderr
    if found.exit_code == 2:
        errors = [each for each in found.stderr.splitlines() if each.startswith("error: ")]
        assert len(errors) == 1, found.stderr
    return found


def test_one_label_of_two_tables_is_compared(tmp_path):
    case = case_of("labels")
    np.savez(tmp_path / "x.npz", x=case.x, y=case.truth)
    for method in ("softmax", "mc-dropout"):
        given = (*model_of("labels"), tmp_path / "x.npz", "--method", method)
        done("assess", *given, "--out", tmp_path / f"{method}.parquet")
    tables = tmp_path / "softmax.parquet", tmp_path / "mc-dropout.parquet"
    assert TWO_TABLES in refused("compare", *tables)
    assert "'mc-dropout'" in done("compare", *tables, "--set", "of_label=0")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows(kind, rows, tmp_path):
    """Also of the plain prediction, and with their labels; a folder needs a row, and a comparison two."""
    case = case_of(kind).taken(np.arange(rows))
    np.savez(tmp_path / "x.npz", x=case.x)
    np.save(tmp_path / "y.npy", case.truth)
    given = (*model_of(kind), tmp_path / "x.npz", "--labels", tmp_path / "y.npy")
    for method in ("softmax", "mc-dropout"):
        for ending, *page in (("parquet", "--report", tmp_path / "page.html"), ("csv",)):
            done("assess", *given, "--method", method, "--out", tmp_path / f"{method}.{ending}", *page)
    assert len(howsure.load(tmp_path / "softmax.parquet")) == rows
    line = ("assess", *given, "--out", tmp_path / "folder", "--report", tmp_path / "page.html")
    assert rows or "There are no rows" in refused(*line)
    assert not rows or done(*line)
    if task_named(kind).can("compare"):
        assert rows > 1 or "Too few rows to score" in refused("compare", *given)
        assert rows < 2 or done("compare", *given)


def test_the_tables_are_complete():
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)


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
            followed = ended(name, f"{COMMANDS[name]} --set of_label=0", given | at)
            assert followed.exit_code == 0, followed.stderr
