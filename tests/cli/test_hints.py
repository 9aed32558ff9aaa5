"""Every message speaks of options on the command line, and not of Python that nobody there can type."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import howsure
from howsure.answers.registry import answers
from howsure.cli.hints import COMMANDS, METHODS, in_options, options, told
from howsure.methods.choices import CHOICES
from howsure.results.result import Result

ROOT = Path(howsure.__file__).parent
NOT_OF_COMMANDS = (
    *("cli", "conformance", "training", "demo"),  # options already; or not called by a command
    *(
        "scale/dataset.py",
        "methods/misplaced_arguments.py",
        "passes.py",
        "judge/familiarity.py",
        "judge/familiarity_scores.py",
    ),
    *("methods/augmentation.py", "methods/ensemble.py", "methods/laplace.py"),
    *("answers/positions/padding.py", "answers/positions/given_maps.py", "report/looks.py"),
)
"""Files whose messages no command can meet: no option reaches what they check."""

FINE = {
    "Give `by` to `howsure sets` too": "no option gives `by`",
    "by=groups, one per row": "no option gives `by`",
    "or one behind howsure.models.protocol": "for who writes an adapter",
    "or something with `logits`": "an attribute of what a module returns",
    "`sets` gives no intervals of these rows": "no option gives `sets`",
    "`sets` cannot be used": "no option gives `sets`",
    "`progress` cannot be used": "no option gives `progress`",
    "Leave `rows` out, and the page shows the maps alone": "no option gives `rows`",
    "Give the words that the model was given: `rows` with those cut off left out": "no option gives `rows`",
    "howsure.MCDropout(), Softmax(), Ensemble([…])": "--method is checked before",
    "a `howsure.sampling.outcome.Outcome`, a class of them, or None": "--outcome is checked before",
    "a `howsure.answers.registry.Answer`": "for who adds a kind",
    "a result, as `howsure.assess` gives it": "a command gives a result",
    "a result of `howsure.familiarity`": "no option gives it",
    "`howsure.load` reads whichever type a file holds": "commands do",
    "Make `howsure.Features` of what": "no command asks for features",
    "or make `howsure.Features` of what": "no command asks for features",
    "`result.of_row(0)` is a `Certainty`": "no command needs one class per row where there are positions",
    "and `result.share_interval(0.9)` says": "`howsure sets` takes sets where there are no intervals",
    "`result.credible_interval(0.9)`, where the networks lie": "no command asks for a bare interval",
    "`howsure.DenseCertainty": "no file holds maps that howsure did not write",
    "'NAME': NAME passesNAME in NAME MB": "what the graph is compared with",
    "`positions` says which positions count": "no option gives `positions`",
    "`level` is out of range": "no option gives `level`",
    "One pass over some rows": "a file holds no passes",
    "put them back by `result.rescaled`": "no command puts numbers back",
    "For a change that moves no position give (change, howsure.shifts.unmoved)": "no option gives changes",
    "`result.is_coin_flip` has the maps; rasterio.features.shapes outlines them": "other programs outline",
    "type: KERAS_BACKEND=tensorflow howsure export model.keras certainty.onnx": "it is a command",
    "a result as `howsure.assess` gives it with --keep groups": "no command asks for the error of a mean",
    "howsure.MCDropout(plan=plan) as --method": "`howsure.scale.assess` is for Python",
    "One alone belongs to `from_probabilities`": "a file holds no passes",
}
"""Beginnings of other messages that no command meets, or of what is no argument, and why."""


@functools.cache
def arguments() -> set[str]:
    """Names of arguments of public functions and methods."""
    public = [getattr(howsure, name) for name in howsure.__all__]
    results = [each for each in public if inspect.isclass(each) and issubclass(each, Result)]
    known = [each for each in public if callable(each) and each not in results]
    return {name for each in known for name in inspect.signature(each).parameters}


def texts(node: ast.AST) -> Iterator[str]:
    """What strings in a module say, without docstrings and what columns hold."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        called = getattr(getattr(child, "func", None), "id", "")
        if called in {"Column", "derived", "beside_the_table", "_map", "_share", "_of_row"}:
            continue
        if isinstance(child, ast.JoinedStr):
            yield "".join(
                str(getattr(each, "value", "")) if isinstance(each, ast.Constant) else "NAME"
                for each in child.values
            )
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from texts(child)


@functools.cache
def said() -> list[tuple[str, str]]:
    """All texts of several words with the file that they are in."""
    found = []
    for source in sorted(ROOT.rglob("*.py")):
        file = source.relative_to(ROOT).as_posix()
        if not any(file == each or file.startswith(f"{each}/") for each in NOT_OF_COMMANDS):
            tree = ast.parse(source.read_text(encoding="utf-8"))
            found += [(file, text) for text in texts(tree) if " " in text.strip()]
    return found


def python_in(text: str) -> list[str]:
    """What of a text only Python understands: names of howsure, and arguments of its functions."""
    before = re.split(r"\bin Python\b", text)[0]
    names = "|".join(sorted(arguments() - (COLUMNS - set(options())), key=len, reverse=True))
    ours = r"howsure\.[a-zA-Z]\w*|\b(?:result|certainty|calibrator)\.\w+"
    return re.findall(rf"{ours}|(?<![\w.(])(?:{names})=(?!=)|`(?:{names})`", before)


COLUMNS = {each.name for answer in answers() for each in answer.result_type.columns} | {"id", "x", "y"}
"""Names of columns, and of arrays in files, although arguments are called so too."""


def test_every_message_is_in_options():
    wrong = {}
    for file, text in said():
        if (left := python_in(in_options(text))) and not any(each in in_options(text) for each in FINE):
            wrong[f"{file}: {in_options(text)}"] = left
    assert not wrong


def test_what_is_fine_is_there():
    there = [in_options(text) for _, text in said()]
    assert not [each for each in FINE if not any(each in text for text in there)]


@pytest.mark.parametrize(
    ("python", "typed"),
    [
        ("say so: outputs='logits' or class_names=[…]", "say so: --outputs logits or --class-names …"),
        ("outputs='mean-variance', or 'values'", "--outputs mean-variance, or 'values'"),
        ("tile=[16, 20] and class_axis=-1.", "--tile 16,20 and --class-axis -1."),
        ('score="lac" and by_class=False', "--score lac and no --by-class"),
        ("method=howsure.Softmax()", "--method softmax"),
        ("`keep_off` names it", "--keep-off names it"),
        ("howsure.plan(model, x)", "howsure audit MODEL --data ROWS --save-plan PLAN"),
        ("`howsure.assess(…, keep='probabilities')`", "`howsure assess … --keep probabilities`"),
        ("`certainty.of_label('a b')`", "`--of-label 'a b'`"),
        (
            "howsure.prediction_sets(certainty.of_label('a'), labels)",
            "howsure sets TABLE --of-label a --labels FILE",
        ),
        ("'seed=3.npz' and data/seed=3.npz", "'seed=3.npz' and data/seed=3.npz"),
        ("the model's own: seed=3", "the model's own: --seed 3"),
        (
            "open it in Python with howsure.assess(model, x)",
            "open it in Python with howsure.assess(model, x)",
        ),
    ],
)
def test_options_for_python(python, typed):
    assert in_options(python) == typed


def test_what_was_received_stays_as_it_is():
    error = howsure.InputError("`seed` cannot be used", expected="seed=1", received="seed=x", hint="seed=2")
    assert told(error) == "--seed cannot be used. Expected: --seed 1. Received: seed=x. --seed 2."


def test_the_tables_name_what_exists():
    assert set(COMMANDS) <= set(howsure.__all__)
    assert set(METHODS) <= set(howsure.__all__)
    assert set(METHODS.values()) <= {each.option for each in CHOICES}
    assert options()["of_label"] == "--of-label"
