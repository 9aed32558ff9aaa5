"""What Keras keeps private is touched by one file, howsure/adapters/keras/private.py, as sources tell."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PRIVATE = ROOT / "howsure" / "adapters" / "keras" / "private.py"
PRIVATE_NAME = re.compile(r"_(?!_)\w+")
OWN = ("_howsure", "_fields")
"""So begins what howsure leaves on an object of Keras's; Python documents `_fields` of named tuples."""


def imported(tree):
    """The modules a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def defined(tree):
    """The private names that a file defines: functions, classes, variables, arguments, attributes it sets."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if ast.unparse(node.value) == "self" else []


def touched(source):
    """What a source touches of Keras that is private: modules, attributes, attributes named by a string."""
    tree = ast.parse(source)
    own = set(defined(tree))
    modules = {module for module in imported(tree) if f"{module}.".startswith("keras.src.")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE_NAME.fullmatch(node.attr) and node.attr not in own:
            modules.add(node.attr)
        elif isinstance(node, ast.Attribute) and node.attr == "call" and isinstance(node.ctx, ast.Store):
            modules.add("call")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = PRIVATE_NAME.fullmatch(node.value) and not node.value.startswith(OWN)
            if named or node.value.startswith("keras.src"):
                modules.add(node.value)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            modules |= {"call"} & {ast.unparse(node.slice).strip("'")}
    return modules


def handles_keras(file):
    """Whether a file imports Keras, or something of the adapter."""
    modules = set(imported(ast.parse(file.read_text(encoding="utf-8"))))
    return any(f"{name}.".startswith(("keras.", "howsure.adapters.keras.")) for name in modules)


FILES = [file for file in sorted((ROOT / "howsure").rglob("*.py")) if handles_keras(file)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_one_file_touches_what_is_private(file):
    modules = touched(file.read_text(encoding="utf-8"))
    assert bool(modules) == (file == PRIVATE), modules


def test_names_of_that_file_are_nowhere_else():
    names = {name for name in touched(PRIVATE.read_text(encoding="utf-8")) if name.startswith("_")}
    assert len(names) >= 8
    for file in FILES:
        words = set(re.findall(r"\w+", file.read_text(encoding="utf-8")))
        assert file == PRIVATE or not names & words


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from keras.src import backend", "keras.src.backend"),
        ("def f(model):\n    import keras.src.ops", "keras.src.ops"),
        ("layer._losses.clear()", "_losses"),
        ("getattr(layer, '_losses')", "_losses"),
        ("kind.__module__.startswith('keras.src.ops')", "keras.src.ops"),
        ("keras.layers.Dropout.call = other", "call"),
        ("layer.__dict__['call'] = other", "call"),
        ("class Own(keras.Layer):\n    def f(self):\n        return self._losses", "_losses"),
    ],
)
def test_the_check_sees_each_way_to_touch_it(source, name):
    assert name in touched(source)
