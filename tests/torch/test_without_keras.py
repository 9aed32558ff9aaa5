"""With PyTorch alone: import, assess, audit, report and the command line, with Keras out of reach."""

import subprocess
import sys

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
found = howsure.load("out.parquet").probabilities
print("the same" if (found == certainty.probabilities).all() else "others")
"""


def test_all_of_it_works_without_keras(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0] == "12 True"
    assert lines[-1] == "the same"
    assert (tmp_path / "page.html").exists()
