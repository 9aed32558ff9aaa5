"""A regression as a graph: it says what `assess` says of the same passes, to a share of the spread."""

import json
from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure.sampling.first_passes import first_passes
from howsure.sampling.outcome import ResultMetadata
from howsure.sampling.plan import Plan
from howsure.tasks.regression.outcome import Numbers
from tests.export.test_arithmetic import DESIGNS, LEVELS, ROWS, estimates_in_numpy

onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from howsure.export.arithmetic import columns_graph  # noqa: E402
from tests.graphs import metadata, run  # noqa: E402

NAMES = ("age", "dose")


@pytest.fixture
def rows(random):
    return random.normal(size=(70, 4)).astype(np.float32)


def check_alike(outputs, expected, columns):
    assert set(outputs) == set(columns)
    for name in columns:
        apart = np.abs(outputs[name] - getattr(expected, name))
        assert (apart <= 1e-4 * expected.spread + 1e-6 * np.abs(expected.mean).max(axis=0)).all(), name


@pytest.mark.parametrize("plan", DESIGNS)
@pytest.mark.parametrize("outputs", ["values", "mean-variance", "mean-log-variance"])
def test_columns_are_those_of_numpy(plan, outputs, random):
    outcome, count = Numbers("m", outputs, NAMES), 2 if outputs == "values" else 4
    first = first_passes(Plan(DESIGNS[plan]), LEVELS, 0, outcome)
    raw = random.normal(3, 2, (1, ROWS, count)) + random.normal(0, 1, (first.passes, ROWS, count))
    raw = (raw if outputs != "mean-variance" else np.abs(raw)).astype(np.float32)
    raw[:, :5] = raw[:1, :5]  # passes that all agree
    estimates = estimates_in_numpy(outcome, first, raw)
    expected = outcome.result(estimates, ResultMetadata(np.arange(ROWS), "row", {}, 0, None, "0"))
    spread = np.sqrt(raw[..., :2].astype(float).var(axis=0) + estimates.squared_error[:, :2])
    expected = replace(expected, spread=spread)
    actual = run(columns_graph(outcome, first, (count,)), raw)

    columns = ("mean", "mc_error", "spread", *(("noise",) if outputs != "values" else ()))
    assert tuple(actual) == columns
    for name in columns:
        assert actual[name].shape == (ROWS, 2)
        np.testing.assert_allclose(actual[name], getattr(expected, name), rtol=2e-5, atol=2e-5, err_msg=name)
    assert (expected.spread[5:] > 0.1).all()


@pytest.mark.parametrize(
    ("outputs", "axis"), [("values", 0), ("mean-log-variance", 0), ("mean-log-variance", 1)]
)
def test_an_output_with_several_axes_is_cut_as_in_numpy(outputs, axis, random):
    count = 6 if outputs == "values" else 3
    outcome = Numbers("m", outputs, tuple(map(str, range(count))), axis=axis)
    first = first_passes(Plan(DESIGNS["a group of cells"]), LEVELS, 0, outcome)
    shape = (3, 2) if axis else (2, 3)
    raw = random.normal(3, 2, (first.passes, ROWS, *shape)).astype(np.float32)
    values = outcome.values(raw, np.arange(ROWS))
    actual = run(columns_graph(outcome, first, shape), raw)
    np.testing.assert_allclose(actual["mean"], values.mean(axis=0)[:, :count], rtol=2e-5, atol=2e-5)
    if outputs != "values":
        variance = values.mean(axis=0)[:, count:]
        np.testing.assert_allclose(actual["noise"], np.sqrt(variance), rtol=1e-4)


def test_a_negative_variance_becomes_nan_in_its_row(random):
    outcome = Numbers("m", "mean-variance", ("age",))
    first = first_passes(Plan(DESIGNS["flat"]), LEVELS, 0, outcome)
    raw = np.abs(random.normal(size=(first.passes, ROWS, 2))).astype(np.float32)
    raw[3, 7, 1] = -0.1
    actual = run(columns_graph(outcome, first, (2,)), raw)
    assert np.isnan(actual["noise"][:, 0]).nonzero()[0].tolist() == [7]
    assert np.isfinite(actual["mean"]).all()


def test_a_larger_unit_changes_nothing_but_the_unit(random):
    outcome = Numbers("m", "values", NAMES)
    first = first_passes(Plan(DESIGNS["a group of cells"]), LEVELS, 0, outcome)
    raw = random.normal(3, 2, (first.passes, ROWS, 2)).astype(np.float32)
    graph, factor = columns_graph(outcome, first, (2,)), 2.0**20
    small, large = run(graph, raw), run(graph, (factor * raw).astype(np.float32))
    for name, column in small.items():
        np.testing.assert_array_equal(factor * column, large[name], err_msg=name)


def test_a_module_of_torch_with_a_head_of_variances_as_a_graph(rows, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    nn = torch.nn
    module = nn.Sequential(
        *(nn.Linear(4, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.3)),
        nn.Linear(16, 4),
    ).eval()
    with torch.no_grad():  # the first number is a thousand times as large: its unit is another
        module[-1].weight[0] *= 1000
        module[-1].bias[0] += 2000
    wishes = {"outputs": "mean-log-variance", "class_names": NAMES, "seed": 3}
    exported = howsure.export(module, tmp_path / "m.onnx", x=rows, **wishes)
    method = howsure.MCDropout(plan=exported.plan, max_passes=exported.passes)
    expected = howsure.assess(module, rows, method=method, **wishes)
    reported = metadata(tmp_path / "m.onnx")
    check_alike(run(tmp_path / "m.onnx", rows), expected, ("mean", "mc_error", "spread", "noise"))
    assert exported.largest_difference < 1e-4
    assert (expected.passes == exported.passes).all()
    assert (int(reported["passes"]), reported["outputs"]) == (exported.passes, "mean-log-variance")
    assert json.loads(reported["target_names"]) == list(NAMES)
    assert json.loads(reported["outcome"]) == "numbers"
