"""No framework is loaded by what does not touch a model, and every public name is explained."""

import inspect
import pkgutil
import subprocess
import sys

import pytest

import howsure

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "pandas", "tf_keras", "sklearn", "scipy.stats")
"""And what takes half as long to load as all the rest together."""

WITH_A_FRAMEWORK = (
    "howsure.adapters.keras",
    "howsure.adapters.torch",
    "howsure.__main__",
)
WITHOUT_A_MODEL = sorted(
    module.name
    for module in pkgutil.walk_packages(howsure.__path__, "howsure.", onerror=lambda name: None)
    if not module.name.startswith(WITH_A_FRAMEWORK)
)
"""Every module but the adapters of frameworks and what trains with one."""


def loaded_after(code):
    check = f"import sys\n{code}\nprint(*sorted(set({FRAMEWORKS}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


FIRST = ("howsure.tasks.classification.result", "howsure.report", "howsure")
"""Modules that a person may import first; each finds none of the others loaded."""


def test_none_of_it_loads_a_framework_whichever_comes_first():
    alone = (
        "def alone(name):\n"
        "    for loaded in [each for each in sys.modules if each.partition('.')[0] == 'howsure']:\n"
        "        del sys.modules[loaded]\n"
        "    __import__(name)\n"
        f"for name in {FIRST}: alone(name)\n"
        f"import {', '.join(WITHOUT_A_MODEL)}\n"
    )
    assert loaded_after(alone) == []


def test_the_check_sees_what_is_loaded():
    pytest.importorskip("pandas", reason="pandas is not installed")
    assert loaded_after("import pandas") == ["pandas"]


def test_using_a_certainty_loads_no_framework(tmp_path):
    code = (
        "import howsure, numpy; "
        "c = howsure.Certainty(numpy.array([[.6, .4]]), numpy.zeros((1, 2)), numpy.zeros(1), "
        "numpy.array([5]), ('a', 'b'), numpy.arange(1)); "
        f"str(c[0]); c.to_arrow(); c.save({str(tmp_path / 'c.parquet')!r}); "
        f"howsure.load({str(tmp_path / 'c.parquet')!r})"
    )
    # pyarrow looks for pandas by itself when it is given numpy arrays.
    assert set(loaded_after(code)) <= {"pandas"}


@pytest.mark.parametrize("name", howsure.__all__)
def test_every_public_name_is_explained(name):
    thing = getattr(howsure, name)
    assert inspect.getdoc(thing), f"howsure.{name} has no docstring"
    if inspect.isclass(thing):
        for attribute, value in vars(thing).items():
            public = not attribute.startswith("_") and (
                inspect.isfunction(value) or isinstance(value, property)
            )
            assert not public or inspect.getdoc(value), f"howsure.{name}.{attribute} has no docstring"


def test_all_is_sorted_and_complete():
    assert sorted(howsure.__all__) == howsure.__all__
    exported = {
        name
        for name, value in vars(howsure).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert exported <= set(howsure.__all__)
    assert all(hasattr(howsure, name) for name in howsure.__all__)
