"""TensorFlow and PyTorch in one process, which aborts when it loads triton, as PyTorch's compiler does."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

ASSESSED = """
import sys
import numpy as np, torch
from torch import nn
import howsure

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)).eval()
x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
howsure.audit(net, x)
plan = howsure.plan(net, x, precision="float32", outputs="logits")
certainty = howsure.assess(net, x, method=howsure.MCDropout(plan=plan), outputs="logits")
assert certainty.mc_error.max() > 0
"""

EXPORTED = """
howsure.export(net, "certainty.onnx", plan=plan, x=x, outputs="logits")
"""

WITH_TENSORFLOW = """
import tensorflow
"""

UNTIL_HERE = """
assert "triton" not in sys.modules and tensorflow.reduce_sum([1, 2]) == 3
print("done")
"""

STAND_IN = "raise SystemExit('triton was loaded')"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(WITH_TENSORFLOW + ASSESSED + EXPORTED, id="TensorFlow first"),
        pytest.param(ASSESSED + WITH_TENSORFLOW, id="PyTorch first", marks=pytest.mark.slow),
    ],
)
def test_nothing_loads_triton(tmp_path, code):
    """Triton is a stand-in that ends the process: the test is the same where triton is not installed."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "triton.py").write_text(STAND_IN)
    paths = os.pathsep.join(filter(None, [str(tmp_path / "stand-in"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", code + UNTIL_HERE],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
