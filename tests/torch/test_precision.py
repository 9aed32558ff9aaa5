"""Numbers keep the precision of the module, as with times in seconds; what it cannot tell is said."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import howsure

FAR = 1.7e9
x = np.random.default_rng(0).normal(size=(30, 4))


def module(dtype, seed=0):
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Dropout(0.38), nn.Linear(32, 1)).to(dtype).eval()
    with torch.no_grad():
        made[-1].bias += FAR
    return made


def said(made, rows=x):
    with torch.no_grad():
        return made(torch.from_numpy(rows).to(made[0].weight.dtype)).double().numpy()


def assess(made, method, rows=x):
    return howsure.assess(made, rows, method=method, outputs="values")


class Whole(nn.Module):
    """A module whose passes run whole, since it looks at its numbers."""

    def __init__(self):
        super().__init__()
        self.inner = module(torch.float64)

    def forward(self, x):
        found = self.inner(x)
        return found + 0.0 if float(found.sum()) > 0 else found - 0.0


@pytest.mark.parametrize("make", [lambda: module(torch.float64), Whole], ids=["split", "whole"])
def test_dropout_far_from_0_is_that_near_0(make):
    made = make()
    passes = howsure.passes(made, x, 40, balanced=True, outputs="values")
    assert passes.dtype == np.float64
    result = assess(made, howsure.MCDropout(passes=40))
    np.testing.assert_allclose(result.mean - FAR, (passes - FAR).mean(axis=0), atol=1e-6)
    spread = (passes - FAR).std(axis=0)
    assert (spread > 0.03).all()
    assert np.abs(result.spread / spread - 1).max() < 0.1
    assert (result.mc_error < result.spread).all()


def test_members_far_from_0_are_those_of_pytorch():
    members = [module(torch.float64, seed) for seed in range(4)]
    own = np.stack([said(each) for each in members]) - FAR
    result = assess(members[0], howsure.Ensemble(members[1:]))
    np.testing.assert_allclose(result.mean - FAR, own.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(result.spread, own.std(axis=0), atol=1e-6)


def test_changed_rows_far_from_0_are_those_of_pytorch():
    made, changes = module(torch.float64), [lambda rows: rows * 1.1, lambda rows: rows - 0.1]
    own = np.stack([said(made, rows) for rows in (x, x * 1.1, x - 0.1)]) - FAR
    result = assess(made, howsure.Augmentation(changes))
    np.testing.assert_allclose(result.mean - FAR, own.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(result.spread, own.std(axis=0), atol=1e-6)


def test_rows_are_not_rounded():
    made = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    with torch.no_grad():
        made[0].weight[:] = 1
    assert assess(made, howsure.PlainPrediction(), np.array([[1 + 1e-12]])).mean == 1 + 1e-12


@pytest.mark.parametrize(("dtype", "step"), [(torch.float32, 2.0**7), (torch.bfloat16, 2.0**23)])
def test_what_the_precision_hides_is_said(dtype, step):
    called = str(dtype).removeprefix("torch.")
    members = [module(dtype, seed) for seed in range(3)]
    apart = re.escape(f"{step:.3g} apart")
    with pytest.warns(howsure.HowsureWarning, match=rf"by no more than {called} can tell.*{apart}"):
        result = assess(members[0], howsure.Ensemble(members[1:]))
    assert (result.mc_error >= step).all()
    hidden = rf"All passes .*up to 1.7e\+09 in {called}.*If passes differ by less"
    with pytest.raises(howsure.ModelError, match=hidden):
        assess(members[0], howsure.MCDropout(passes=40))


def test_a_graph_that_cannot_hold_the_spread_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    made = module(torch.float64)
    with pytest.raises(howsure.ModelError, match="float32, which does not hold how far networks differ"):
        howsure.export(made, tmp_path / "m.onnx", x=x, outputs="values")
    for unit in (1e-25, 1e25):
        small = module(torch.float64)
        with torch.no_grad():
            small[-1].weight *= unit
            small[-1].bias.zero_()
        with pytest.raises(howsure.ModelError, match="float32, which does not hold"):
            howsure.export(small, tmp_path / "m.onnx", x=x, outputs="values")
    assert not (tmp_path / "m.onnx").exists()
    with torch.no_grad():
        made[-1].bias -= FAR
    assert howsure.export(made, tmp_path / "m.onnx", x=x, outputs="values").largest_difference < 1e-4
