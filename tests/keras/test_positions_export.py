"""Keras models with a class at each position as ONNX graphs: what they say is what `assess` says."""

import pytest

import howsure
from tests import dense
from tests.keras.test_positions import u_net

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


def test_the_graph_says_what_assess_says(tmp_path):
    model, path = u_net(), tmp_path / "certainty.onnx"
    wishes = {"seed": 2, "thresholds": howsure.Thresholds(sure=0.7)}
    exported = howsure.export(model, path, x=dense.rows(), **wishes)
    assert (exported.passes, exported.rows) == (10, dense.ROWS)
    found, told = dense.in_onnx(path, dense.rows())
    expected = howsure.assess(model, dense.rows(), method=howsure.MCDropout(max_passes=10), **wishes)
    dense.check_graph(found, expected)
    assert told["passes"] == "10"
