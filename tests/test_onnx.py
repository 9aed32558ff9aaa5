"""Formulas on traced arrays say in ONNX Runtime what they say in numpy."""

import numpy as np
import pytest

import howsure
from howsure.statistics import entropy_of, total_entropy
from howsure.tasks.raw import Raw

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from onnx import TensorProto, helper  # noqa: E402

from howsure.export.arithmetic import columns_graph  # noqa: E402
from howsure.onnx import IR_VERSION, OPSET, Nodes, Traced, sigmoid, softmax, two_largest  # noqa: E402  # noqa: E402
from howsure.sampling.first_passes import First  # noqa: E402

FORMULAS = {
    "operators": lambda x: (1 - x) * x / (x + 2) - 0.5 * -x,
    "square": lambda x: x**2,
    "root": lambda x: np.sqrt(np.maximum(x, 0)) + np.minimum(x, 0.3),
    "mean": lambda x: x.mean(axis=0) + np.mean(x, axis=0),
    "variance": lambda x: x.var(axis=0),
    "exp": lambda x: np.exp(-np.abs(x)),
    "sum": lambda x: np.sum(x, axis=-1, keepdims=True) * x,
    "slices": lambda x: x[1:5:2, :, None] + x[0],
    "last": lambda x: x[..., 1:] - x[..., :2],
    "one": lambda x: x[..., None, 0],
    "reshape": lambda x: x.reshape(2, 3, *x.shape[1:]).mean(axis=1),
    "stack": lambda x: np.stack([x, 1 - x], axis=-1),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=-1),
    "where": lambda x: np.where(x > 0, x, np.where(np.isnan(x), 2.0, -1.0)),
    "comparisons": lambda x: np.where(x >= 0.1, 1, np.where(x <= 0, 3, 2)),
    "product": lambda x: x @ np.arange(6.0).reshape(3, 2),
    "zeros": lambda x: x + np.zeros_like(x),
    "entropy": lambda x: entropy_of(x * x),
    "total entropy": lambda x: total_entropy(x * x, 0.1 * x[..., 0], x[..., 1]),
}


def in_onnx(formula, x):
    nodes = Nodes("t/")
    found = formula(Traced(nodes, "x", (x.shape[0], None, *x.shape[2:])))
    assert [1 if side is None else side for side in found.shape].count(1) >= found.shape.count(None)
    nodes.named("found", found.name)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * x.ndim)
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(found.dtype))
    shape = ["rows" if side is None else side for side in found.shape]
    told = helper.make_tensor_value_info("found", dtype, shape)
    graph = helper.make_graph(nodes.nodes, "t", [given], [told], nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0], shape


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_those_of_numpy(name, random):
    x = random.normal(size=(6, 4, 3)).astype(np.float32)
    expected = FORMULAS[name](x)
    found, shape = in_onnx(FORMULAS[name], x)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert [4 if side == "rows" else side for side in shape] == list(expected.shape)


def test_functions_of_networks_are_those_of_numpy(random):
    x = random.normal(size=(6, 4, 3)).astype(np.float32)
    powers = np.exp(x)
    np.testing.assert_allclose(in_onnx(sigmoid, x)[0], powers / (1 + powers), atol=1e-6)
    np.testing.assert_allclose(in_onnx(softmax, x)[0], powers / powers.sum(-1, keepdims=True), atol=1e-6)
    ordered = np.sort(x)[..., :0:-1]
    np.testing.assert_array_equal(in_onnx(lambda given: two_largest(given)[0], x)[0], ordered)
    np.testing.assert_array_equal(in_onnx(lambda given: two_largest(given)[1], x)[0], np.argsort(-x)[..., :2])


def test_what_is_not_written_down_is_an_error():
    x = Traced(Nodes("t/"), "x", (6, None, 3))
    with pytest.raises(TypeError):
        np.sin(x)
    with pytest.raises(TypeError):
        np.argsort(x)
    with pytest.raises(TypeError, match="number of rows is not known"):
        len(x[0])


def test_a_kind_without_a_graph_is_refused():
    with pytest.raises(howsure.InputError, match="'raw'"):
        columns_graph(Raw((2,)), First([], None, (2, 2)), (2,))
