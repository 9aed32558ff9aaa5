"""The examples in docstrings print what they show.

Those of one docstring run in order, in an empty folder, with the names of `tests/examples.py` at hand.
"""

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest

import howsure
from tests.examples import namespace
from tests.test_imports import WITH_A_FRAMEWORK

PACKAGE = Path(howsure.__file__).parent
HAS_KERAS = importlib.util.find_spec("keras") is not None


def name_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


MODULES = {
    name_of(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
    and (HAS_KERAS or not name_of(path).startswith(WITH_A_FRAMEWORK))
}
"""By name, the modules with examples; those that import a framework only where it is."""

EXAMPLES = [
    found
    for name in MODULES
    for found in doctest.DocTestFinder().find(importlib.import_module(name), name)
    if found.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_it_prints_what_it_shows(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example.globs.update(namespace())
    printed = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    failed = runner.run(example, out=printed.append).failed
    assert not failed, "".join(printed)


def test_none_is_missed():
    lines = [
        line.strip() for path in MODULES.values() for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert sum(line.startswith(">>> ") for line in lines) == sum(len(found.examples) for found in EXAMPLES)


def test_none_is_skipped():
    assert not [
        one
        for found in EXAMPLES
        for one in found.examples
        if one.options.get(doctest.OPTIONFLAGS_BY_NAME["SKIP"])
    ]
