"""TensorFlow and PyTorch in one process, which aborts when it loads triton, as PyTorch's compiler does."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

EVERYTHING = """
import sys
{first}
import numpy as np, torch
from torch import nn
import howsure
from howsure.models.torch.files import load

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)).eval()
x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
howsure.audit(net, x)
plan = howsure.plan(net, x, precision="float32")
certainty = howsure.assess(net, x, method=howsure.MCDropout(plan=plan))
assert certainty.mc_error.max() > 0
{then}
howsure.export(net, "certainty.onnx", plan=plan, x=x)
howsure.assess(load("net.pt2"), x, method=howsure.Softmax())
import tensorflow
assert "triton" not in sys.modules and tensorflow.reduce_sum([1, 2]) == 3
print("done")
"""

SAVED = """
import torch
from torch import nn

rows = {0: torch.export.Dim("rows")}
program = torch.export.export(nn.Sequential(nn.Linear(4, 3)), (torch.ones(2, 4),), dynamic_shapes=(rows,))
torch.export.save(program, "net.pt2")
"""

STAND_IN = "raise SystemExit('triton was loaded')"
FIRST = {"TensorFlow first": ("import tensorflow", ""), "PyTorch first": ("", "import tensorflow")}


@pytest.mark.parametrize("order", FIRST)
def test_nothing_loads_triton(tmp_path, order):
    """Triton is a stand-in that ends the process: the test is the same where triton is not installed."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "triton.py").write_text(STAND_IN)
    paths = os.pathsep.join(filter(None, [str(tmp_path / "stand-in"), os.environ.get("PYTHONPATH")]))
    run = {"cwd": tmp_path, "timeout": 300, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "-c", SAVED], check=True, **run)
    first, then = FIRST[order]
    code = EVERYTHING.format(first=first, then=then)
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, **run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
