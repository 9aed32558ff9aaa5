"""ONNX graphs as ONNX Runtime runs them."""

import os

import numpy as np
import onnxruntime

import howsure

CLASSES = ("probabilities", "mc_error", "entropy", "expected_entropy", "mutual_information")
"""Columns of a graph of classes that are numbers."""


def _session(graph):
    """Of a file, or of a graph in memory."""
    return onnxruntime.InferenceSession(
        os.fspath(graph) if isinstance(graph, (str, os.PathLike)) else graph.SerializeToString()
    )


def run(graph, x):
    """What a graph says of rows, which are an array or a dict of arrays."""
    session = _session(graph)
    feed = x if isinstance(x, dict) else {session.get_inputs()[0].name: x}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def metadata(graph):
    """What a graph says of itself."""
    return _session(graph).get_modelmeta().custom_metadata_map


def check_as_assessed(path, model, x, plan, columns=CLASSES, off=1e-4, **settings):
    """What a graph says of rows, and what `assess` says by the same passes; they may not differ."""
    method = howsure.MCDropout(plan=plan, max_passes=int(metadata(path)["passes"]))
    outputs, expected = run(path, x), howsure.assess(model, x, method=method, **settings)
    for column in columns:
        assert np.abs(outputs[column] - getattr(expected, column)).max() < off, column
    return outputs, expected
