"""The passes themselves are those that `assess` takes the mean of."""

import numpy as np
import pytest

import howsure
from howsure import InputError, ModelError
from howsure.inputs.rows import InputSpec
from tests.support import cases
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.cases import rows_of


def network(end, seed=0):
    steps = cases.two_layers(Dropout(0.4), end, seed=seed)
    return ArrayModel(end, [InputSpec("x", (4,), "float32")], steps)


def two_layers(seed=0):
    return network("softmax", seed)


def several_labels():
    return network("sigmoid")


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("passes", [2, 30, 101])
def test_their_mean_and_spread_are_those_of_assess(passes, balanced):
    (x,) = rows_of((4,), rows=7)
    p = howsure.passes(two_layers(), x, passes, balanced=balanced, seed=3)
    method = howsure.MCDropout(passes=passes, balanced=balanced)
    certainty = howsure.assess(two_layers(), x, method=method, seed=3)
    assert p.shape == (passes, *certainty.probabilities.shape)
    assert p.dtype == np.float64  # in which the network computes
    np.testing.assert_allclose(p.mean(axis=0), certainty.probabilities, atol=1e-14)
    if not balanced:
        np.testing.assert_allclose(p.std(axis=0, ddof=1), certainty.spread, atol=1e-14)


def test_a_pass_is_the_same_network_for_every_row_and_batch():
    (x,) = rows_of((4,), rows=9)
    p = howsure.passes(two_layers(), x, 12)
    np.testing.assert_allclose(howsure.passes(two_layers(), x, 12, batch_size=2), p, atol=1e-6)
    np.testing.assert_allclose(howsure.passes(two_layers(), x[::-1], 12), p[:, ::-1], atol=1e-6)
    assert not np.array_equal(howsure.passes(two_layers(), x, 12, seed=1), p)
    np.testing.assert_array_equal(howsure.passes(two_layers(), x, 1), p[:1])
    assert howsure.passes(two_layers(), x[:0], 12).shape == (12, 0, p.shape[-1])


def test_labels_have_passes_too_and_progress_is_told():
    (x,) = rows_of((4,), rows=5)
    told = []
    p = howsure.passes(
        several_labels(), x, 20, batch_size=2, progress=lambda done, total: told.append((done, total))
    )
    certainty = howsure.assess(several_labels(), x, method=howsure.MCDropout(passes=20, balanced=False))
    np.testing.assert_allclose(p.mean(axis=0), certainty.probabilities, atol=1e-6)
    np.testing.assert_allclose(p.std(axis=0, ddof=1), certainty.spread, atol=1e-6)
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_what_does_not_fit_into_memory_is_refused_before_the_work():
    (x,) = rows_of((4,), rows=5)

    def never(done, total):
        raise AssertionError("work has begun")

    with pytest.raises(InputError, match=r"do not fit into memory.*passes × 5 rows × 3 values"):
        howsure.passes(two_layers(), x, 10**13, progress=never)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None, "many"])
def test_other_numbers_of_passes_are_refused(n):
    with pytest.raises(InputError, match="n"):
        howsure.passes(two_layers(), rows_of((4,), rows=2)[0], n)


def test_a_model_whose_passes_are_the_same_is_an_error():
    steps = {"drop": (Dropout(0.5), "x"), "output": (Dense(np.zeros((4, 3)), 0.0, "softmax"), "drop")}
    model = ArrayModel("dead", [InputSpec("x", (4,), "float32")], steps)
    with pytest.raises(ModelError, match="All passes of model 'dead' are the same"):
        howsure.passes(model, rows_of((4,), rows=2)[0], 5)


def test_where_few_units_are_dropped_passes_that_drop_none_are_no_error():
    steps = {"drop": (Dropout(0.05), "x"), "output": (Dense(np.diag([0, 1, 1, 0]), 0.0, "softmax"), "drop")}
    model = ArrayModel("few", [InputSpec("x", (4,), "float32")], steps)
    (x,) = rows_of((4,), rows=2)
    assert howsure.audit(model, x).passes_differ
    for seed in range(20):
        p = howsure.passes(model, x, 2, seed=seed)
        found = howsure.assess(model, x, method=howsure.MCDropout(passes=2), seed=seed)
        np.testing.assert_allclose(found.probabilities, p.mean(axis=0), atol=1e-6)
