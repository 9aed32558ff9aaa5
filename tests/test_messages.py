"""What every error of howsure says: the cause that it had, and more than that something is wrong."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import howsure
from tests.guard import check_none

MODEL = "howsure/errors.py, which shows the form of an error at its top"
ROOT = Path(howsure.__file__).parent
ERRORS = {"InputError", "ModelError", "FileError", "DependencyError", "HowsureError"}
BROAD = {"Exception", "BaseException"}


def found(kind: type[ast.AST]) -> Iterator[tuple[str, Any]]:
    """Nodes of a kind with the file that they are in, in all of howsure."""
    return ((file, node) for file, node in nodes() if isinstance(node, kind))


@functools.cache
def nodes() -> list[tuple[str, ast.AST]]:
    """All nodes with the file that they are in."""
    files = {str(source.relative_to(ROOT)): source for source in sorted(ROOT.rglob("*.py"))}
    trees = {file: ast.parse(source.read_text(encoding="utf-8")) for file, source in files.items()}
    return [(file, node) for file, tree in trees.items() for node in ast.walk(tree)]


def names_in(*nodes: ast.AST | None) -> list[str]:
    inside = [each for node in nodes if node is not None for each in ast.walk(node)]
    return [each.id for each in inside if isinstance(each, ast.Name)]


def test_the_cause_of_an_error_is_kept_and_looked_at():
    """What a library raised is the cause of our error; where that may be anything, its words say what it was.

    Otherwise too little memory, a missing right or a missing package would be told as what fails most often.
    """
    wrong = []
    for file, handler in found(ast.ExceptHandler):
        raised = [each for each in ast.walk(handler) if isinstance(each, ast.Raise) and each.exc is not None]
        ours = [each for each in raised if ERRORS & set(names_in(each.exc))]
        wrong += [f"{file}:{each.lineno}: raise … from error" for each in ours if each.cause is None]
        if ours and BROAD & set(names_in(handler.type)):
            causes = names_in(*[each.cause for each in raised]).count(handler.name)
            if names_in(*handler.body).count(handler.name) <= causes:
                wrong.append(f"{file}:{handler.lineno}: say what the error was")
    check_none(wrong, "errors lose their cause", open=f"the file in howsure/, and beside it {MODEL}")


def test_an_error_says_what_was_expected_or_what_to_do():
    wrong = []
    for file, call in found(ast.Call):
        given = {keyword.arg for keyword in call.keywords}
        if names_in(call.func)[:1] in (["InputError"], ["ModelError"], ["DependencyError"]):
            wrong += [f"{file}:{call.lineno}: {ast.unparse(call)}"] * (not given & {"expected", "hint"})
    check_none(
        wrong,
        "errors have neither `expected` nor `hint`",
        open=f"the file in howsure/, and beside it {MODEL}",
    )


def test_only_one_place_calls_a_file_damaged():
    """`howsure.inputs.reading` tells damage from what else keeps a file from being read."""
    wrong = [
        f"{file}:{handler.lineno}: with reading(source, kind)"
        for file, handler in found(ast.ExceptHandler)
        if "damaged" in names_in(*handler.body) and file != "inputs/reading.py"
    ]
    check_none(wrong, "places call a file damaged by themselves", open="howsure/inputs/reading.py")
