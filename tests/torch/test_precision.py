"""Numbers keep the precision of the module where passes run whole, and in graphs; see `tests/frameworks`."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests import precision
from tests.precision import FAR, ROWS
from tests.torch.modules import Layer


def module(dtype, seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Dropout(0.38), nn.Linear(32, 1)).to(dtype).eval()
    with torch.no_grad():
        network[-1].bias += FAR
    return network


def assess(network, method, rows=ROWS):
    return howsure.assess(network, rows, method=method, outputs="values")


def test_dropout_far_from_0_is_that_near_0_also_where_passes_run_whole():
    """Where a module looks at its numbers."""
    looking = Layer(lambda _, y: y + 0.0 if float(y.sum()) > 0 else y - 0.0)
    network = nn.Sequential(module(torch.float64), looking)
    precision.check_dropout(network)


def test_rows_are_not_rounded():
    network = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    with torch.no_grad():
        network[0].weight[:] = 1
    assert assess(network, howsure.PlainPrediction(), np.array([[1 + 1e-12]])).mean == 1 + 1e-12


def test_a_graph_that_cannot_hold_the_spread_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    network = module(torch.float64)
    with pytest.raises(howsure.ModelError, match="float32, which does not hold how far networks differ"):
        howsure.export(network, tmp_path / "m.onnx", x=ROWS, outputs="values")
    for unit in (1e-25, 1e25):
        small = module(torch.float64)
        with torch.no_grad():
            small[-1].weight *= unit
            small[-1].bias.zero_()
        with pytest.raises(howsure.ModelError, match="float32, which does not hold"):
            howsure.export(small, tmp_path / "m.onnx", x=ROWS, outputs="values")
    assert not (tmp_path / "m.onnx").exists()
