"""ONNX graphs as ONNX Runtime runs them."""

import os

import onnxruntime


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
