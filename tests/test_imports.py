"""No framework is loaded by what does not touch a model, and every public name is explained."""

import inspect
import pkgutil
import subprocess
import sys
from types import FunctionType

import pytest

import howsure
from tests.guard import check_none

FRAMEWORKS = (
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "pandas",
    "tf_keras",
    "sklearn",
    "mlflow",
    "matplotlib",
    "scipy.stats",
)
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
    check_none(
        loaded_after(alone),
        "are loaded by a file that needs no model",
        open="the file that imports it at its top, and import it within the function",
        command="python -X importtime -c 'import howsure' 2>&1 | grep -B 30 NAME",
    )


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
    parts = {f"howsure.{name}": thing}
    if inspect.isclass(thing):
        parts |= {
            f"howsure.{name}.{attribute}": value
            for attribute, value in vars(thing).items()
            if not attribute.startswith("_") and isinstance(value, (FunctionType, property))
        }
    wrong = [path for path, value in parts.items() if not inspect.getdoc(value)]
    check_none(wrong, "have no docstring", open=inspect.getsourcefile(inspect.unwrap(thing)))


def test_all_is_sorted_and_complete():
    init = "howsure/__init__.py: `__all__` is sorted, and has every name that is imported there"
    check_none(
        [] if sorted(howsure.__all__) == howsure.__all__ else ["`__all__`"], "are not sorted", open=init
    )
    exported = {
        name
        for name, value in vars(howsure).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    check_none(sorted(exported - {*howsure.__all__}), "are not in `__all__`", open=init)
    check_none(
        [name for name in howsure.__all__ if not hasattr(howsure, name)], "are not imported", open=init
    )
