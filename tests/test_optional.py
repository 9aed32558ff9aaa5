"""What is not installed is named, with the command that installs it."""

import subprocess
import sys

import numpy as np
import pytest

import howsure
from howsure.optional import needs, needs_keras


def missing(name):
    """The error of Python for a package, or a part of one, that is not there."""
    return ModuleNotFoundError(f"No module named '{name}'", name=name)


def test_a_missing_package_is_named_with_its_extra():
    said = r"`to_pandas` needs pandas, which is not installed\. pip install 'howsure\[pandas\]'"
    with pytest.raises(howsure.DependencyError, match=said), needs("pandas", "`to_pandas`"):
        raise missing("pandas")


@pytest.mark.parametrize(
    "error",
    [missing("dateutil"), missing("pandas.core"), ImportError("libfoo.so: cannot open", name="pandas")],
)
def test_a_package_that_is_there_and_fails_is_not_called_missing(error):
    said = r"`to_pandas` needs pandas, which cannot be imported \(.*(dateutil|\.core|libfoo).*reinstall"
    with pytest.raises(howsure.DependencyError, match=said) as caught, needs("pandas", "`to_pandas`"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [missing("h5py"), missing("tensorflow.python"), ImportError("cannot import name 'ops'", name="keras")],
)
def test_keras_that_is_there_and_fails_is_not_called_missing(error):
    said = r"Keras cannot be imported \(.*(h5py|python|ops).*Keras 3\.8 or newer"
    with pytest.raises(howsure.DependencyError, match=said) as caught, needs_keras():
        raise error
    assert caught.value.__cause__ is error


def test_keras_that_looks_for_another_backend_is_explained():
    said = "Keras looks for tensorflow.*KERAS_BACKEND set to a backend that is"
    with pytest.raises(howsure.DependencyError, match=said), needs_keras():
        raise missing("tensorflow")
    said = r"Keras is not installed.*howsure\[jax\]"
    with pytest.raises(howsure.DependencyError, match=said), needs_keras():
        raise missing("keras")


def test_a_backend_that_keras_does_not_have_is_named():
    said = r"does not have the backend .*foo\)\. Expected: KERAS_BACKEND set to one of tensorflow, jax, torch"
    with pytest.raises(howsure.DependencyError, match=said), needs_keras():
        raise ValueError("Unable to import backend : foo")
    with pytest.raises(ValueError, match="something else"), needs_keras():
        raise ValueError("something else")


@pytest.mark.parametrize(
    ("hidden", "code", "said"),
    [
        ("pandas", "made.to_pandas()", "`to_pandas` needs pandas, which is not installed"),
        (
            "mlflow",
            "import howsure.mlflow; howsure.mlflow.log_model('decided.onnx')",
            "`log_model` needs mlflow, which is not installed. pip install 'howsure[mlflow]'",
        ),
    ],
)
def test_so_it_is_where_it_happens(hidden, code, said, tmp_path):
    program = (
        f"import sys; sys.modules[{hidden!r}] = None\n"
        "import howsure, numpy\n"
        "made = howsure.Certainty(numpy.array([[.6, .4]]), numpy.zeros((1, 2)), numpy.zeros(1), "
        "numpy.array([5]), ('a', 'b'), numpy.arange(1))\n"
        f"try:\n    {code}\nexcept howsure.DependencyError as error:\n    print(error)\n"
    )
    home = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=home, check=True
    )
    assert done.stdout.startswith(said)


@pytest.mark.parametrize("name", ["assess", "stream", "compare", "plan"])
def test_settings_of_the_method_are_sent_to_the_method(name):
    function = getattr(howsure, name)
    arguments = (None, np.zeros((1, 2)), [0])[: 3 if name == "compare" else 2]
    with pytest.raises(TypeError, match=rf"{name}\(\) takes no argument 'passes'.*MCDropout\(passes=100\)"):
        function(*arguments, passes=100)
    with pytest.raises(TypeError, match=r"'passes' or 'target_error'.*\(passes=None, target_error=0.1\)"):
        function(*arguments, target_error=0.1, passes=None)
    with pytest.raises(TypeError, match="unexpected keyword argument 'pases'"):
        function(*arguments, pases=100)


def test_a_plan_is_sent_to_the_method_too():
    with pytest.raises(TypeError, match=r"'plan'.*MCDropout\(plan=plan\)"):
        howsure.assess(None, np.zeros((1, 2)), plan=object())


WITHOUT = {
    "forest:make": "error: 'forest:make' needs sklearn, which is not installed",
    "model.keras": "error: Keras with a backend is not installed. Choose one: pip install",
}


def test_a_command_without_the_package_of_its_model_says_so(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"")
    (tmp_path / "forest.py").write_text("def make():\n    import sklearn\n")
    np.save(tmp_path / "rows.npy", np.ones((2, 3)))
    program = (
        "import sys; from importlib.machinery import PathFinder; find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: (\n"
        "    None if name.partition('.')[0] in ('torch', 'sklearn', 'keras') else find(name, *more))\n"
        "from howsure.cli.app import main\n"
        f"for model in {list(WITHOUT)}:\n"
        "    sys.argv = ['howsure', 'assess', model, 'rows.npy', '--out', 'out.parquet']\n"
        "    try:\n        main()\n"
        "    except SystemExit as stopped:\n        print('\\nstopped with', stopped.code, file=sys.stderr)\n"
    )
    home = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=home, cwd=tmp_path
    )
    *told, rest = done.stderr.split("stopped with 2")
    assert not rest.strip(), done.stderr
    for text, said in zip(told, WITHOUT.values(), strict=True):
        assert " ".join(text.split()).startswith(said)
        assert "Traceback" not in text
