"""Modules on the command line: made by a function, with weights from a file."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

import howsure
from howsure.cli.app import app
from tests.torch.modules import mlp, numbers, rows_for

SOURCE = """
from torch import nn

def make():
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.25), nn.Linear(12, 3))

def images():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(144, 2))

def grey():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(144, 2))

def sized(width):
    return nn.Linear(8, width)

ready = make()
width = 3
"""


def assess(model, *settings, rows="rows.npz", out="out.parquet", options=()):
    """Exit code and text of `howsure assess`; the networks of these tests put out logits."""
    typed = [part for setting in (*settings, "outputs=logits") for part in ("--set", setting)]
    finished = CliRunner().invoke(app, ["assess", model, rows, "--out", out, *typed, *options])
    return finished.exit_code, " ".join((finished.output + str(finished.exception or "")).split())


def assessed(model, *settings, **more):
    """What the command writes, where it does what it should."""
    code, output = assess(model, *settings, **more)
    assert code == 0, output
    return howsure.load(more.get("out", "out.parquet"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with networks, weights and rows, where the command is given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"nets_{tmp_path.name}.py").write_text(SOURCE)
    torch.save(mlp().state_dict(), "weights.pt")
    np.savez("rows.npz", x=rows_for("mlp"), y=np.arange(9) % 3)
    return f"nets_{tmp_path.name}"


def from_python(weights, x, **settings):
    module = mlp()
    module.load_state_dict(torch.load(weights, weights_only=True))
    return howsure.assess(module, x, outputs="logits", **settings)


def test_a_function_and_weights_from_a_file_give_what_the_module_gives(folder):
    result = assessed(f"{folder}:make", "weights=weights.pt")
    expected = from_python("weights.pt", rows_for("mlp"))
    assert np.array_equal(result.probabilities, expected.probabilities)
    assert result.truth.tolist() == (np.arange(9) % 3).tolist()


@pytest.mark.parametrize("prefix", ["module.", "model.net.", ""])
def test_checkpoints_of_others_are_read(folder, prefix):
    state = {f"{prefix}{name}": value for name, value in mlp().state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, "last.ckpt")
    assessed(f"{folder}:make", "weights=last.ckpt")


def test_weights_are_read_from_safetensors(folder):
    save_file(torch.load("weights.pt", weights_only=True), "weights.safetensors")
    result = assessed(f"{folder}:make", "weights=weights.safetensors")
    expected = from_python("weights.pt", rows_for("mlp"))
    assert np.array_equal(result.probabilities, expected.probabilities)


UNTRAINED = """
import torch
from torch import nn

def made(seed=None):
    if seed is not None:
        torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.25), nn.Linear(12, 3))

def seeded():
    return made(0)

def by_hand():
    module = nn.Sequential(made(), nn.LayerNorm(3))
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.xavier_uniform_(each.weight)
            nn.init.zeros_(each.bias)
    return module

def loads():
    module = made()
    module.load_state_dict(torch.load("weights.pt"))
    return module

def whole():
    return torch.load("whole.pt", weights_only=False)

def trains():
    module = made()
    step = torch.optim.SGD(module.parameters(), 0.1)
    module(torch.randn(4, 8)).square().sum().backward()
    step.step()
    return module
"""


@pytest.mark.parametrize(
    ("maker", "message"),
    [("made", 1), ("seeded", 1), ("by_hand", 1), ("loads", 0), ("whole", 0), ("trains", 0)],
)
def test_an_untrained_network_is_told(folder, tmp_path, maker, message):
    (tmp_path / f"un{folder}.py").write_text(UNTRAINED)
    torch.save(mlp(), "whole.pt")
    code, output = assess(f"un{folder}:{maker}")
    assert code == 0, output
    assert output.count("is untrained") == message
    if message:  # its advice, followed
        assert "Give its weights (--set weights=FILE" in output
        code, output = assess(f"{folder}:make", "weights=weights.pt")
        assert (code, "untrained" in output) == (0, False)


def test_an_untrained_member_is_told_how_it_gets_weights(folder):
    torch.save(mlp().state_dict(), "second.pt")
    _, output = assess(f"{folder}:make", "weights=weights.pt", f"members={folder}:make")
    assert "is untrained" in output
    assert "of another member --set members=FILE)" in output
    code, output = assess(f"{folder}:make", "weights=weights.pt", "members=second.pt")
    assert (code, "untrained" in output) == (0, False)


def test_members_alone_are_an_ensemble(folder):
    torch.save(mlp().state_dict(), "second.pt")
    members = f"{folder}:make", "weights=weights.pt", "members=second.pt"
    ways = {"a.parquet": (), "b.parquet": ("--method", "ensemble"), "folder": ()}
    results = [assessed(*members, out=out, options=options) for out, options in ways.items()]
    assert [result.method["name"] for result in results] == [results[1].method["name"]] * 3
    for result in results[::2]:
        np.testing.assert_array_equal(result.probabilities, results[1].probabilities)


class RunsCode(nn.Module):
    pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{nets}:nothing"], "Module '{nets}' has no 'nothing'. Expected: a function without"),
        (["{nets}:sized"], "'{nets}:sized' cannot be called (missing a required argument: 'width')"),
        (["{nets}:width"], "'{nets}:width' cannot be called (3 is not a callable object)"),
        (["no_such_module:make"], "There is no module 'no_such_module' in the current folder"),
        (["{nets}:make", "weights=other.pt"], "2 tensors of another shape: '0.weight'"),
        (["{nets}:make", "weights=whole.pt"], "could run code when it is opened, so it was not"),
        (["{nets}:make", "weights=letter.pt"], "'letter.pt' is damaged, or it holds more"),
        (["{nets}:make", "weights=script.pt"], "'script.pt' is not a readable file of PyTorch (RuntimeError"),
        (["{nets}:make", "weights=cut.pt"], "'cut.pt' is not a readable file of PyTorch"),
        (["{nets}:make", "weights=empty.pt"], "'empty.pt' holds no state dict"),
        (["{nets}:make", "weights=missing.pt"], "The file of weights does not exist"),
        (["weights.pt"], "Name a function that makes the module"),
        (["weights.pt", "weights=weights.pt"], "`weights` needs a function that makes the module"),
        (["net.pt2"], "'net.pt2' is a graph in which dropout is left out or cannot be switched"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(folder, arguments, words):
    torch.save(mlp().state_dict() | {"0.weight": torch.zeros(2, 2), "0.bias": torch.zeros(2)}, "other.pt")
    torch.save(RunsCode(), "whole.pt")
    torch.save({"epoch": 3}, "empty.pt")
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(mlp()), "script.pt")
    with open("letter.pt", "wb") as file:
        file.write(b"x")
    for name in ("cut.pt", "net.pt2"):
        with open(name, "wb") as file:
            file.write(b"PK\3\4 nothing")
    model, *settings = [argument.format(nets=folder) for argument in arguments]
    options = ["--allow-code"] if model == "net.pt2" else []
    code, output = assess(model, *settings, options=options)
    assert code == 2
    assert words.format(nets=folder) in output
    assert "Traceback" not in output


def test_rows_of_keyword_inputs_come_from_arrays_by_name(folder, tmp_path):
    (tmp_path / f"two_{tmp_path.name}.py").write_text(
        "from tests.torch.modules import TwoInputs\n\n\ndef make():\n    return TwoInputs()\n"
    )
    random = np.random.default_rng(0)
    np.savez("two.npz", left=numbers(random, 5, 4), right=numbers(random, 5, 2), y=np.zeros(5, int))
    assert len(assessed(f"two_{tmp_path.name}:make", rows="two.npz")) == 5


@pytest.mark.parametrize("out", ["out.parquet", "out"])
def test_a_module_gets_the_channels_of_its_first_layer(out, folder, tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
    assert len(assessed(f"{folder}:grey", "passes=5", rows="images", out=out)) == 3


def test_an_audit_whose_made_up_rows_do_not_fit_asks_for_rows(folder):
    finished = CliRunner().invoke(app, ["audit", f"{folder}:images", "--set", "outputs=logits"])
    said = " ".join((finished.output + finished.stderr).split())
    assert finished.exit_code == 2, said
    assert f"The audit of '{folder}:images': module 'Sequential' does not run on these rows" in said
    assert "Give rows that fit: --data ROWS" in said
