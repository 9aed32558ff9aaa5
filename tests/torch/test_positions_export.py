"""Modules with a class at each position as ONNX graphs: what they say is what `assess` says."""

import json

import numpy as np
import pytest
from torch import nn

import howsure
from howsure.tasks.segmentation.outcome import Positions
from tests import dense
from tests.torch.test_positions import UNet, images

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
from tests.graphs import metadata, run

LIMITS = howsure.Thresholds(sure=0.7)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "certainty.onnx"


def test_the_graph_says_what_assess_says(path):
    module = UNet().eval()
    wishes = {"seed": 3, "outputs": "logits", "class_names": list("abc"), "thresholds": LIMITS}
    exported = howsure.export(module, path, x=images(), **wishes)
    assert exported.passes == Positions.first_passes
    assert exported.largest_difference < 1e-5
    outputs, properties = run(path, images()), metadata(path)
    method = howsure.MCDropout(max_passes=exported.passes)
    expected = howsure.assess(module, images(), method=method, **wishes)
    dense.check_graph(outputs, expected)
    assert json.loads(properties["class_names"]) == ["a", "b", "c"]
    assert json.loads(properties["outcome"]) == "positions"
    alone = run(path, images()[2:3])
    np.testing.assert_allclose(alone["share"][0], outputs["share"][2], atol=1e-6)


def test_classes_on_the_last_axis_and_rows_before_they_are_divided(path):
    x = 100 * np.random.default_rng(0).normal(size=(9, 7, 5)).astype(np.float32)
    wishes = {"outputs": "logits", "class_axis": -1}
    module = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 4)).eval()
    howsure.export(module, path, x=x, divide_by=100, **wishes)
    outputs = run(path, x)
    method = howsure.MCDropout(max_passes=Positions.first_passes)
    expected = howsure.assess(module, x / np.float32(100), method=method, **wishes)
    assert outputs["label"].shape == (9, 7)
    for name in ("probability", "share", "share_error"):
        np.testing.assert_allclose(outputs[name], getattr(expected, name), atol=1e-5)
