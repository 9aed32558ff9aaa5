"""Images whose sides a U-Net cannot halve: which sides would do, in Python and on the command line."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import howsure
from tests.commands import done, refused

X = np.random.default_rng(0).normal(size=(3, 3, 18, 22)).astype("float32")
GIVEN = {"outputs": "logits", "method": howsure.MCDropout(passes=4)}


class UNet(nn.Module):
    """Halves its rows twice, and puts what it saw before beside what it has doubled."""

    def __init__(self, says=None):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.drop, self.last, self.says = nn.Dropout2d(0.3), nn.Conv2d(12, 3, 1), says

    def forward(self, x):
        if self.says:
            raise ValueError(self.says)
        a = self.first(x).relu()
        b = self.second(functional.max_pool2d(a, 2)).relu()
        c = self.drop(functional.max_pool2d(b, 2))
        up = torch.cat([functional.interpolate(c, scale_factor=2.0), b], dim=1)
        return self.last(torch.cat([functional.interpolate(up, scale_factor=2.0), a], dim=1))


def unet():
    torch.manual_seed(0)
    model = UNet()
    model.load_state_dict(UNet().state_dict())  # no longer untrained
    return model


def refusing():
    return UNet("no such thing")


def note_of(call, kind=RuntimeError):
    with pytest.raises(kind) as caught:
        call()
    return "".join(getattr(caught.value, "__notes__", []))


def test_the_exception_of_the_module_has_a_note_and_what_it_says_works():
    module = unet()
    note = note_of(lambda: howsure.assess(module, X, **GIVEN))
    assert "sides 18 × 22, and the model runs where they are multiples of 4" in note
    high, wide = map(int, re.search(r"Pad the rows to (\d+) × (\d+)", note).groups())
    padded = np.pad(X, ((0, 0), (0, 0), (0, high - 18), (0, wide - 22)))
    assert howsure.assess(module, padded, **GIVEN).positions == (high, wide)
    tile = [int(side) for side in re.search(r"tile=\[(\d+), (\d+)\]", note).groups()]
    assert howsure.assess(module, X, tile=tile, **GIVEN).positions == (18, 22)
    with pytest.raises(RuntimeError, match=r"^Sizes of tensors must match"):  # its own, as it is
        howsure.assess(module, X, **GIVEN)


def test_other_exceptions_have_no_note_of_sides():
    for call in (
        lambda: howsure.assess(refusing(), X, **GIVEN),
        lambda: howsure.assess(UNet("no"), X[:, :, :16, :16], **GIVEN),
    ):
        assert note_of(call, ValueError).startswith("howsure called the model with one input")


class Unpacking(nn.Module):
    def forward(self, x):
        a, b, c = x
        return a + b + c


class Adding(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 3), nn.Linear(5, 4)

    def forward(self, x, y):
        return self.first(x) + self.second(y)


SERIES, SHORT = np.zeros((6, 8), "float32"), np.zeros((6, 5), "float32")
CALLED = {
    "one input that is unpacked": (Unpacking, SERIES, ValueError, "one input of shape (n, 8)"),
    "inputs that do not broadcast": (
        Adding,
        [SERIES, SHORT],
        RuntimeError,
        "2 inputs of shape (n, 8) and (n, 5)",
    ),
}


@pytest.mark.parametrize("door", [howsure.assess, howsure.audit])
@pytest.mark.parametrize("name", CALLED)
def test_the_exception_of_a_forward_says_what_it_was_called_with(name, door):
    make, x, kind, message = CALLED[name]
    note = note_of(lambda: door(make().eval(), x), kind)
    assert f"howsure called the model with {message}, for n rows" in note
    assert "wrap it in a model that takes one tensor for each input" in note


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
@pytest.mark.parametrize("divide", [(), ("--set", "divide_by=2")])
def test_one_line_on_the_command_line_and_what_it_says_works(tmp_path, out, divide):
    np.save(tmp_path / "x.npy", X)
    arguments = (
        "assess",
        "tests.torch.test_sides:unet",
        tmp_path / "x.npy",
        "--set",
        "outputs=logits",
        *divide,
    )
    message = refused(*arguments, "--out", tmp_path / out)
    assert message.startswith("error: The model raised RuntimeError: Sizes of tensors must match")
    offered = ("--set", re.search(r"(tile=\[\d+, \d+\])\.", message)[1])
    done(*arguments, "--set", "passes=4", "--out", tmp_path / out, *offered)
    assert howsure.load(tmp_path / out).positions == (18, 22)
