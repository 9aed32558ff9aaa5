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
        raise missing("pandas.core")


def test_the_failure_of_another_package_passes_through():
    with pytest.raises(ModuleNotFoundError, match="dateutil"), needs("pandas", "`to_pandas`"):
        raise missing("dateutil")
    with pytest.raises(ModuleNotFoundError, match="h5py"), needs_keras():
        raise missing("h5py")


def test_keras_that_looks_for_another_backend_is_explained():
    said = "Keras looks for tensorflow.*KERAS_BACKEND set to a backend that is"
    with pytest.raises(howsure.DependencyError, match=said), needs_keras():
        raise missing("tensorflow")
    said = r"Keras is not installed.*howsure\[jax\]"
    with pytest.raises(howsure.DependencyError, match=said), needs_keras():
        raise missing("keras")


@pytest.mark.parametrize(
    ("hidden", "code", "said"),
    [
        ("pandas", "made.to_pandas()", "`to_pandas` needs pandas, which is not installed"),
        ("tensorflow", "import howsure.training", "Keras looks for tensorflow, which is not installed"),
    ],
)
def test_so_it_is_where_it_happens(hidden, code, said, tmp_path):
    if hidden == "tensorflow":
        pytest.importorskip("keras", reason="Keras is not installed")
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


@pytest.mark.parametrize("named", ["network.pt2", "nets_of_torch:make"])
def test_a_model_of_a_framework_that_is_missing_is_refused_in_words(named, tmp_path):
    (tmp_path / "network.pt2").write_bytes(b"")
    (tmp_path / "nets_of_torch.py").write_text(
        "import torch\n\ndef make():\n    return torch.nn.Linear(8, 3)\n"
    )
    program = (
        "import sys\n"
        "class Hiding:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hiding())\n"
        f"sys.argv = ['howsure', 'audit', {named!r}]\n"
        "from howsure.cli.app import main\nmain()\n"
    )
    home = {
        "HOME": str(tmp_path),
        "PATH": "",
        "PYTHONPATH": ":".join(filter(None, sys.path)),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env=home,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "needs torch, which is not installed. pip install 'howsure[torch]'" in done.stderr
    assert "Traceback" not in done.stderr
