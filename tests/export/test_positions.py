"""The maps and shares in a graph are those that numpy computes of the same raw outputs."""

import numpy as np
import pytest

from howsure.results.thresholds import Thresholds
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.first_passes import first_passes
from howsure.sampling.outcome import ResultMetadata
from howsure.sampling.plan import Plan
from howsure.tasks.segmentation import graph
from howsure.tasks.segmentation.outcome import Positions
from tests import dense
from tests.export.test_arithmetic import LEVELS

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from howsure.export.arithmetic import columns_graph
from tests.graphs import run

ROWS = 7
LIMITS = Thresholds(0.8, 0.2)
OUTPUTS = {
    "logits of pixels": ("logits", (3, 4, 5), 0),
    "logits of words": ("logits", (6, 4), 1),
    "probabilities of voxels": ("probabilities", (2, 3, 2, 3), -1),
    "one logit": ("logits", (1, 4, 4), 0),
    "one sigmoid": ("probabilities", (4, 4, 1), 2),
}


def made(name, random):
    """An outcome, its first passes, their raw outputs, and the result that howsure makes of them."""
    kind, shape, axis = OUTPUTS[name]
    axis %= len(shape)
    classes, positions = shape[axis], tuple(np.delete(shape, axis).tolist())
    names = tuple("abcdef"[: max(2, classes)])
    outcome = Positions("m", kind, "float32", names, LIMITS, positions, axis, keep=True)
    first = first_passes(Plan(), LEVELS, 0, outcome)
    raw = 2 * random.normal(size=(1, ROWS, *shape)) + random.normal(size=(first.passes, ROWS, *shape))
    raw[:, :2] = raw[:1, :2]  # passes that all agree
    if kind == "probabilities":
        raw = np.exp(raw)
        raw = raw / (1 + raw) if classes == 1 else raw / raw.sum(axis=2 + axis, keepdims=True)
    raw = raw.astype(np.float32)
    values, moments = outcome.values(raw, np.arange(ROWS)), RunningMoments.of(ROWS, outcome)
    for group in np.split(values, np.cumsum(first.groups)[:-1]):
        moments.add_group(group, outcome)
    assert first.pairs is not None
    moments.sketch.pairs = first.pairs
    estimates = moments.sketch.completed(moments.estimates(outcome, pairs=first.pairs))
    return (
        outcome,
        first,
        raw,
        outcome.result(estimates, ResultMetadata(np.arange(ROWS), "row", {}, 0, None, "0")),
    )


@pytest.mark.parametrize("name", OUTPUTS)
def test_maps_and_shares_are_those_of_numpy(name, random):
    outcome, first, raw, expected = made(name, random)
    assert first.passes == Positions.first_passes
    actual = run(columns_graph(outcome, first, raw.shape[2:]), raw)
    dense.check_graph(actual, expected)
    assert (expected.share_spread[2:] > 0.05).any()


def test_a_row_with_nan_has_no_numbers_and_other_rows_have_theirs(random):
    outcome, first, raw, expected = made("logits of pixels", random)
    raw[4, 5, 1, 2, 3] = np.nan
    actual = run(columns_graph(outcome, first, raw.shape[2:]), raw)
    at = (5, 2, 3)
    assert (actual["label"][at], actual["runner_up"][at], actual["verdict"][at]) == (3, 3, 3)
    assert not actual["settled"][at]
    for name in ("share", "share_error", "share_spread", "undecided"):
        assert np.isnan(actual[name][5]).all()
        np.testing.assert_allclose(actual[name][6], getattr(expected, name)[6], atol=1e-5)
    for name in ("probability", "mc_error", "entropy"):
        assert np.argwhere(np.isnan(actual[name])).tolist() == [list(at)]


SLACK = 0.01


def test_where_rounding_may_decide_is_no_fault(random):
    *_, expected = made("logits of pixels", random)
    none = graph.words(expected, 0.0)
    some = graph.words(expected, SLACK)
    assert not any(undecided.any() for _, undecided in none.values())
    for name, (wanted, undecided) in some.items():
        assert 0 < undecided.mean() < 1, name
        np.testing.assert_array_equal(wanted, none[name][0])
    p = np.sort(expected.all_probabilities, axis=-1)
    tie = np.minimum(p[..., 2] - p[..., 1], p[..., 1] - p[..., 0]) <= 2 * SLACK
    np.testing.assert_array_equal(some["label"][1], tie)
    near = np.abs(expected.probability - 0.8) <= SLACK
    near |= np.abs(expected.gap - 0.2) <= 2 * SLACK
    np.testing.assert_array_equal(some["verdict"][1], near)
    allowed = graph.numbers(expected, SLACK)["undecided"][1]
    np.testing.assert_allclose(allowed, SLACK + near.mean(axis=(1, 2)))
