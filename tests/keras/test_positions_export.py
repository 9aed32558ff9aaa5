"""Keras models with a class at each position as ONNX graphs: what they say is what `assess` says."""

import keras
import numpy as np
import pytest

import howsure
from howsure.tasks.segmentation.outcome import Positions
from tests import dense
from tests.keras.test_positions import u_net

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from tests.graphs import metadata, run


def test_the_graph_says_what_assess_says(tmp_path):
    model, path = u_net(), tmp_path / "certainty.onnx"
    wishes = {"seed": 2, "thresholds": howsure.Thresholds(sure=0.7)}
    exported = howsure.export(model, path, x=dense.rows(), **wishes)
    assert (exported.passes, exported.rows) == (Positions.first_passes, dense.ROWS)
    outputs = run(path, dense.rows())
    expected = howsure.assess(
        model, dense.rows(), method=howsure.MCDropout(max_passes=Positions.first_passes), **wishes
    )
    dense.check_graph(outputs, expected)
    assert metadata(path)["passes"] == str(Positions.first_passes)


def test_where_a_mask_says_what_counts_the_graph_has_maps_alone(tmp_path):
    words, length = keras.layers.Embedding(9, 4, mask_zero=True, embeddings_initializer="normal"), 5
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            words,
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax", kernel_initializer="normal"),
        ]
    )
    x = np.random.default_rng(0).integers(1, 9, (4, length))
    path, method = tmp_path / "tags.onnx", howsure.MCDropout(max_passes=Positions.first_passes)
    howsure.export(model, path, x=x)  # no word of these rows is padding
    x[1, 2:] = 0
    outputs = run(path, x.astype(np.int32))
    assert set(outputs) == {*dense.NUMBERS, *dense.WORDS, "verdict"}
    expected = howsure.assess(model, x, method=method)
    assert expected.counts.sum() == 17
    there = expected.counts
    np.testing.assert_allclose(outputs["probability"][there], expected.probability[there], atol=1e-5)
