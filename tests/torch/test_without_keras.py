"""With PyTorch alone: import, assess, audit, report, export and the command line, with Keras out of reach."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys
for name in ("keras", "tensorflow", "jax"):
    sys.modules[name] = None  # an import of it fails
import numpy, torch, howsure
from howsure.cli.app import main
torch.manual_seed(0)
open("nets.py", "w").write('''
from torch import nn
def make():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
''')
sys.path.insert(0, "")
import nets
module = nets.make()
x = torch.randn(12, 4)
certainty = howsure.assess(module, x, outputs="logits")
certainty.report("page.html", rows=x.numpy())
certainty.save("certainty.parquet")
print(len(howsure.load("certainty.parquet")), howsure.audit(module).passes_differ)
torch.save(module.state_dict(), "weights.pt")
numpy.save("rows.npy", x.numpy())
arguments = ["nets:make", "rows.npy", "--set", "weights=weights.pt", "--set", "outputs=logits"]
sys.argv = ["howsure", "assess", *arguments, "--out", "out.parquet"]
try:
    main()
except SystemExit as stopped:
    print("stopped with", stopped.code)
loaded = howsure.load("out.parquet").probabilities
howsure.plan(module, x, precision="float32", outputs="logits")
howsure.export(module, "certainty.onnx", x=x, outputs="logits")
print("triton" in sys.modules)
print("the same" if (loaded == certainty.probabilities).all() else "others")
"""


def test_all_of_it_works_without_keras_and_loads_no_triton(tmp_path):
    """Beside TensorFlow, triton ends a process. Here it is a stand-in, as where triton is not installed."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "triton.py").write_text("raise SystemExit('triton was loaded')")
    paths = os.pathsep.join(filter(None, [str(tmp_path / "stand-in"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0] == "12 True"
    assert lines[-2:] == ["False", "the same"]
    assert (tmp_path / "page.html").exists()
