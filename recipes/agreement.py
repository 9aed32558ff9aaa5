"""Do Python, ONNX Runtime and Node decide the same rows alike, for each kind of answers?"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

import howsure

LABELLED, NEW = 1000, 1000
RUN_GRAPH = Path(__file__).with_name("run_graph.mjs")


@dataclass(frozen=True)
class Kind:
    """A kind of answers.

    Attributes:
        outputs: What the network puts out, as for `howsure.assess`.
        width: How many numbers it puts out, for each position.
        shape: Shape of a row.
        promise: Arguments of `howsure.fit_rules`.
        in_graph: By column of the graph, the column of a decided result in Python.
    """

    outputs: str
    width: int
    shape: tuple[int, ...]
    promise: dict[str, Any]
    in_graph: dict[str, str]


DECIDED = {"in_set": "in_set", "hand_over": "hand_over"}
OF_CLASSES = DECIDED | {"calibrated": "probabilities"}
KINDS = {
    "classes": Kind("logits", 3, (4,), {"risk": 0.1}, OF_CLASSES),
    "labels": Kind("label-logits", 3, (4,), {"risk": 0.2}, OF_CLASSES),
    "numbers": Kind(
        *("values", 2, (4,), {"risk": 0.4, "tolerance": 0.25}),
        {"low": "low", "high": "high", "std": "std", "hand_over": "hand_over"},
    ),
    "positions": Kind(
        *("logits", 3, (1, 6, 6), {"risk": 0.5, "tolerance": 0.3, "calibrate": False}),
        {"probability": "probability", "hand_over": "hand_over"},
    ),
}
OF_THE_MODEL = {"numbers": "mean", "positions": "probability"}
"""By kind, the column that is compared with that of the model; of other kinds `probabilities`."""


def network(kind: Kind) -> nn.Sequential:
    """A small network with dropout."""
    torch.manual_seed(0)
    if len(kind.shape) == 3:
        ends = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, kind.width, 1)
    else:
        ends = nn.Linear(4, 16), nn.Linear(16, kind.width)
    return nn.Sequential(ends[0], nn.ReLU(), nn.Dropout(0.3), ends[1]).eval()


def labels_of(kind: Kind, model: nn.Module, x: NDArray[np.float32]) -> NDArray[Any]:
    """Labels about which the network is right more often than not."""
    with torch.no_grad():
        raw = model(torch.from_numpy(x)).numpy()
    noise = np.random.default_rng(1).gumbel(size=raw.shape)
    noisy = raw + (0.5 * np.abs(raw) if kind.outputs == "values" else 0.1) * noise
    if kind.outputs == "logits":
        return np.asarray(noisy.argmax(axis=1))
    return np.asarray(noisy > 0) if kind.outputs == "label-logits" else noisy


def in_node(graph: Path, x: NDArray[np.float32], folder: Path) -> dict[str, NDArray[Any]]:
    """The columns of a graph, as Node has them."""
    rows = folder / "rows.json"
    rows.write_text(json.dumps({"shape": x.shape, "data": x.ravel().tolist()}), encoding="utf-8")
    script = folder / RUN_GRAPH.name  # Node looks for packages beside the script
    script.write_text(RUN_GRAPH.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(["node", script, graph, rows], check=True, capture_output=True, text=True)
    columns = json.loads(done.stdout).items()
    return {name: np.array(of["data"], float).reshape(of["dims"]) for name, of in columns}


def agreement(name: str, folder: Path) -> dict[str, Any]:
    """How far the three are apart for a kind: the largest difference, and how many decisions differ."""
    kind, random = KINDS[name], np.random.default_rng(0)
    model = network(kind)
    x = (2 * random.normal(size=(LABELLED + NEW, *kind.shape))).astype(np.float32)
    labelled, new = x[:LABELLED], x[LABELLED:]
    fitted, decided = folder / f"{name}.onnx", folder / f"{name}-decided.onnx"
    exported = howsure.export(model, fitted, x=labelled, outputs=kind.outputs)
    assessed = howsure.assess(fitted, labelled)
    rules = howsure.fit_rules(assessed, labels_of(kind, model, labelled), **kind.promise)
    howsure.export(fitted, decided, rules=rules)

    method = howsure.MCDropout(plan=exported.plan, max_passes=exported.passes)
    of_model = howsure.assess(model, new, method=method, seed=exported.seed, outputs=kind.outputs)
    in_python: Any = rules(howsure.assess(fitted, new))
    answers = OF_THE_MODEL.get(name, "probabilities")
    expected = {column: getattr(in_python, of_result) for column, of_result in kind.in_graph.items()}
    expected[answers] = getattr(of_model, answers)
    session = onnxruntime.InferenceSession(decided)
    outputs = [output.name for output in session.get_outputs()]
    in_runtime = dict(zip(outputs, session.run(None, {session.get_inputs()[0].name: new}), strict=True))
    found: dict[str, Any] = {"rows": len(new), "difference": 0.0, "sets": 0, "handed over": 0}
    for columns in (in_runtime, in_node(decided, new, folder)):
        for column, values in expected.items():
            apart = np.abs(columns[column].astype(float) - values)
            if column in ("in_set", "hand_over"):
                word = {"in_set": "sets", "hand_over": "handed over"}[column]
                found[word] += int(np.sum(apart.reshape(len(new), -1).any(axis=1)))
            else:
                found["difference"] = max(found["difference"], float(apart.max()))
    found["share handed over"] = float(np.mean(in_python.hand_over))
    return found
