"""No framework is loaded by what does not touch a model, and every public name is explained."""

import inspect
import pkgutil
import subprocess
import sys

import pytest

import howsure

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "pandas", "tf_keras", "sklearn")
WITH_A_FRAMEWORK = (
    "howsure.models.keras",
    "howsure.models.torch",
    "howsure.training",
    "howsure.demo.question",
    "howsure.__main__",
)
WITHOUT_A_MODEL = sorted(
    module.name
    for module in pkgutil.walk_packages(howsure.__path__, "howsure.", onerror=lambda name: None)
    if not module.name.startswith(WITH_A_FRAMEWORK)
)
"""Every module but the adapters of frameworks and what trains with one."""


def loaded_after(code):
    check = f"import sys; {code}; print(*sorted(set({FRAMEWORKS}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


def test_all_of_it_loads_no_framework():
    assert loaded_after("import " + ", ".join(WITHOUT_A_MODEL)) == []


@pytest.mark.parametrize("name", ["howsure", "howsure.answers.classes.result", "howsure.report"])
def test_one_module_alone_loads_no_framework(name):
    assert loaded_after(f"import {name}") == []


def test_the_check_sees_what_is_loaded():
    pytest.importorskip("keras", reason="Keras is not installed")
    assert "keras" in loaded_after(
        "import os; os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3'); import keras"
    )


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
