"""What people expect of any command line: version, help, completion, quiet, no colours."""

import importlib.metadata
import re
import sys

import numpy as np
import pytest
import typer.main

import howsure
from howsure.cli import app as cli
from tests.commands import run

COMMANDS = typer.main.get_command(cli.app).commands


def test_the_version_is_that_of_the_package():
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"howsure {howsure.__version__}\n")
    assert howsure.__version__ == importlib.metadata.version("howsure")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_h_is_help(command):
    short, long = run(*command, "-h"), run(*command, "--help")
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    assert "--help" in short.stdout


def test_without_a_command_the_commands_are_listed():
    assert set(COMMANDS) <= set(re.findall(r"\b[a-z]+\b", run().output))


# --- quiet ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory, network_of):
    folder = tmp_path_factory.mktemp("quiet")
    network_of(4).rename(folder / "model.keras")
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.savez(folder / "rows.npz", x=x, y=np.arange(30) % 3)
    np.savez(folder / "bytes.npz", x=np.full((30, 4), 200, np.uint8))
    return folder


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    keras = sys.modules.get("keras")
    if keras is not None:
        monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())


@pytest.mark.parametrize("command", ["assess", "compare"])
def test_quiet_prints_nothing_and_writes_all_the_same(files, tmp_path, command):
    written = [tmp_path / "page.html"]
    arguments = [command, files / "model.keras", files / "rows.npz", "--report", written[0]]
    if command == "assess":
        written.append(tmp_path / "table.parquet")
        arguments += ["--out", written[1]]
    done = run(*arguments, "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert all(path.exists() for path in written)


def test_every_command_can_be_quiet():
    for name, command in COMMANDS.items():
        assert "--quiet" in [option for parameter in command.params for option in parameter.opts], name


def test_quiet_leaves_warnings_and_errors(files, tmp_path):
    warned = run("assess", files / "model.keras", files / "bytes.npz", "--out", tmp_path / "t.parquet", "-q")
    assert warned.exit_code == 0
    assert warned.stdout == ""
    assert warned.stderr.startswith("warning: The rows of")
    wrong = run("assess", files / "model.keras", files / "none.npz", "--out", tmp_path / "t.parquet", "-q")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("error: The data does not exist")
