"""`howsure export`: from a model file and a plan to a graph."""

import importlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

import howsure  # noqa: E402
from tests import graphs  # noqa: E402
from tests.commands import done, flat, refused, run  # noqa: E402
from tests.graphs import metadata  # noqa: E402

SOURCE = """
from torch import nn

def make():
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 3), nn.Softmax(1))
"""

DOUBLED = """
import torch

class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = make()[:-1]

    def forward(self, x):
        return (self.net(x) * 2).exp().log()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A function that makes a module, rows for it, and a plan."""
    name = f"networks_of_{abs(hash(tmp_path)):x}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    np.save("rows.npy", np.random.default_rng(0).normal(size=(40, 4)).astype("float32"))
    howsure.Plan().save("plan.json")
    return f"{name}:make"


def test_a_graph_is_written_and_told_of(folder, tmp_path):
    asked = ("export", folder, "out.onnx", "--plan", "plan.json", "--data", "rows.npy")
    printed = flat(done(*asked, "--class-names", "a,b,c"))
    assert "20 passes in" in printed
    assert "On 40 rows it says what howsure.assess says" in printed
    about = metadata(tmp_path / "out.onnx")
    assert about["class_names"] == '["a", "b", "c"]'
    assert "divide_by" not in about


def test_rows_alone_make_a_plan(folder, tmp_path):
    assert done("export", folder, "out.onnx", "--data", "rows.npy", "--quiet") == ""
    assert (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["out.onnx"], "A graph needs a plan"),
        (["out.pb", "--plan", "plan.json"], "wrong ending"),
        (["out.onnx", "--plan", "other.json"], "The plan does not exist"),
        (["out.onnx", "--plan", "plan.json", "--data", "none.npy"], "The data does not exist"),
        (["out.onnx", "--plan", "plan.json"], "does not say what rows it takes"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(folder, tmp_path, args, message):
    finished = run("export", folder, *args)
    assert finished.exit_code == 2
    assert message in flat(finished.stderr)
    assert not list(tmp_path.glob("out*"))


def test_a_graph_divides_its_inputs_as_assess_divides_rows(folder, tmp_path):
    """It was written for rows that are divided already, and said nothing of it."""
    raw = np.random.default_rng(0).integers(0, 256, size=(40, 4), dtype=np.uint8)
    np.save("raw.npy", raw)
    torch.save(importlib.import_module(folder.partition(":")[0]).make().state_dict(), "weights.pt")
    plan = ["--plan", "plan.json", "--set", "weights=weights.pt", "--set", "divide_by=255"]
    done("export", folder, "out.onnx", *plan, "--data", "raw.npy")
    about = metadata(tmp_path / "out.onnx")
    assert float(about["divide_by"]) == 255
    probabilities = graphs.run(tmp_path / "out.onnx", raw.astype(np.float32))["probabilities"]
    done("assess", folder, "raw.npy", "--out", "out.parquet", "--set", f"max_passes={about['passes']}", *plan)
    assert np.abs(probabilities - howsure.load("out.parquet").probabilities).max() < 1e-6


def test_what_assess_takes_audit_and_export_take(folder, tmp_path):
    """A table with ids and labels, and a head whose outputs have to be said."""
    source = tmp_path / f"{folder.partition(':')[0]}.py"
    source.write_text(source.read_text() + "\ndef doubled():\n    return Doubled()\n" + DOUBLED)
    rows = np.load("rows.npy")
    lines = [f"r{number},{','.join(map(str, row))},yes" for number, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,a,b,c,d,kind", *lines]))
    made = f"{folder.partition(':')[0]}:doubled"
    options = ["--data", "rows.csv", "--set", "drop=kind", "--set", "outputs=logits"]
    done("audit", made, *options, "--save-plan", "p.json", "--set", "precision=float32")
    done("export", made, "out.onnx", "--plan", "p.json", *options)
    assert "`drop` has no effect without rows" in refused("audit", made, "--set", "drop=kind")


def test_a_graph_is_a_model_of_the_command_line(folder, tmp_path):
    done("export", folder, "out.onnx", "--data", "rows.npy", "--class-names", "a,b,c", "--quiet")
    printed = done("assess", "out.onnx", "rows.npy", "--out", "table.parquet", "--report", "page.html")
    assert "Table:   table.parquet" in printed
    table = howsure.load("table.parquet")
    assert (table.method["name"], table.class_names) == ("ONNX graph", ("a", "b", "c"))
    assert (tmp_path / "page.html").exists()


def test_a_graph_gets_rules_without_its_model(folder, tmp_path):
    done("export", folder, "out.onnx", "--data", "rows.npy", "--quiet")
    labels = howsure.assess("out.onnx", np.load("rows.npy")).label
    np.save("labels.npy", labels)
    done("assess", "out.onnx", "rows.npy", "--labels", "labels.npy", "--out", "labelled.parquet")
    leave_out = ("--set", "leave_out=calibration,hand-over")
    done("rules", "labelled.parquet", "--coverage", "0.8", *leave_out, "--out", "rules.json")
    printed = flat(done("export", "out.onnx", "decided.onnx", "--rules", "rules.json"))
    assert "it says what howsure.assess says" in printed
    done("assess", "decided.onnx", "rows.npy", "--out", "decided.parquet")
    decided = howsure.load("decided.parquet").in_set
    assert (graphs.run(tmp_path / "decided.onnx", np.load("rows.npy"))["in_set"] == decided).all()
    assert "A graph gets rules, and nothing else" in refused("export", "out.onnx", "other.onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "parts"], "One table is needed for the results of a graph"),
        (["--out", "t.csv", "--method", "softmax"], "passes are fixed"),
        (["--out", "t.csv", "--set", "passes=9"], "`passes` has no effect with a graph"),
    ],
)
def test_what_a_graph_cannot_do_is_refused(folder, options, message):
    done("export", folder, "out.onnx", "--data", "rows.npy", "--quiet")
    assert message in flat(refused("assess", "out.onnx", "rows.npy", *options))
