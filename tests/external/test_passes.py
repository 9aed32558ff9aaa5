"""Passes from elsewhere."""

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure import Certainty, MultilabelCertainty
from howsure.inputs.rows import InputSpec
from howsure.sampling.masks import draw
from howsure.statistics import ERROR_FLOOR
from tests.support.arrays import ArrayModel, Dropout
from tests.support.cases import rows_of, two_layers

RANDOM = np.random.default_rng(0)
PASSES = RANDOM.dirichlet([3, 2, 1], size=(40, 60))


def test_the_mean_and_its_error_are_those_of_scipy():
    result = Certainty.from_passes(PASSES)
    np.testing.assert_allclose(result.probabilities, PASSES.mean(axis=0), rtol=1e-12)
    low, high = stats.t.interval(0.95, 39, PASSES.mean(axis=0), stats.sem(PASSES, axis=0))
    np.testing.assert_allclose(1.96 * result.mc_error, (high - low) / 2, rtol=1e-4)
    assert set(result.passes) == {40}


def test_entropies_are_those_of_scipy():
    result = Certainty.from_passes(PASSES)
    expected = stats.entropy(PASSES, axis=-1).mean(axis=0)
    np.testing.assert_allclose(result.expected_entropy, expected, rtol=1e-9)
    squared = PASSES.var(axis=0, ddof=1) / 40
    correction = np.sum(squared / (2 * PASSES.mean(axis=0)), axis=-1)
    total = np.minimum(stats.entropy(PASSES.mean(axis=0), axis=-1) + correction, np.log(3))
    np.testing.assert_allclose(result.entropy, np.maximum(total, expected), rtol=1e-9)
    np.testing.assert_allclose(result.mutual_information, np.maximum(total - expected, 0), atol=1e-12)


def test_one_after_the_other_gives_the_same():
    at_hand = Certainty.from_passes(PASSES)
    listed = Certainty.from_passes(list(PASSES))
    streamed = Certainty.from_passes(one for one in PASSES)
    for name in ("probabilities", "mc_error", "entropy_error"):
        np.testing.assert_array_equal(getattr(listed, name), getattr(at_hand, name))
        np.testing.assert_array_equal(getattr(streamed, name), getattr(at_hand, name))


def test_the_order_of_passes_and_rows_does_not_matter():
    order = RANDOM.permutation(40)
    one, other = Certainty.from_passes(PASSES), Certainty.from_passes(PASSES[order][:, ::-1])
    np.testing.assert_allclose(one.mc_error, other[::-1].mc_error, rtol=1e-9)
    np.testing.assert_allclose(one.mutual_information, other[::-1].mutual_information, atol=1e-12)


def test_many_rows_are_taken_some_at_a_time(monkeypatch):
    at_once = Certainty.from_passes(PASSES)
    monkeypatch.setattr(howsure.tuning, "LARGEST_FOLD", 1)
    np.testing.assert_allclose(Certainty.from_passes(PASSES).mc_error, at_once.mc_error, rtol=1e-12)


def test_the_error_covers_the_mean_of_endless_passes():
    truth = np.array([60, 50, 40]) / 150  # so many that a mean of three is nearly normal
    for passes in (3, 10):
        drawn = RANDOM.dirichlet([60, 50, 40], size=(passes, 4000))
        result = Certainty.from_passes(drawn)
        covered = np.mean(np.abs(result.probabilities - truth) <= 1.96 * result.mc_error, axis=0)
        np.testing.assert_allclose(covered, 0.95, atol=3 * np.sqrt(0.95 * 0.05 / 4000))


def test_passes_of_a_network_give_what_assess_gives_for_independent_ones():
    model = ArrayModel(
        "net", [InputSpec("x", (4,), "float32")], two_layers(Dropout(0.4)), trained_for="classes"
    )
    (x,) = rows_of((4,), rows=20)
    assessed = howsure.assess(model, x, method=howsure.MCDropout(passes=30, balanced=False), seed=5)
    random_ops = [op for level in model.levels for op in level.random_ops]
    masks = [np.concatenate([draw(op, seed=5, group=g, size=1) for g in range(30)]) for op in random_ops]
    passes = model.thin(masks)(model.trunk([x]))
    result = Certainty.from_passes(passes)
    np.testing.assert_allclose(result.probabilities, assessed.probabilities, atol=1e-6)
    assert np.all(result.mc_error <= assessed.mc_error + 1e-6)  # which counts passes too rare to be met
    np.testing.assert_allclose(result.mc_error, assessed.mc_error, rtol=0.3)
    np.testing.assert_allclose(result.mutual_information, assessed.mutual_information, atol=1e-6)


def test_passes_that_agree_have_the_least_error():
    result = Certainty.from_passes(np.tile([[0.6, 0.4]], (5, 1, 1)))
    np.testing.assert_allclose(result.mc_error, ERROR_FLOOR)
    np.testing.assert_allclose(result.mutual_information, 0, atol=1e-5)


def test_what_rounding_left_is_taken_out_of_each_pass():
    result = Certainty.from_passes(np.round(PASSES, 2))
    np.testing.assert_allclose(result.probabilities, PASSES.mean(axis=0), atol=0.005)


def test_passes_may_be_frames():
    pd = pytest.importorskip("pandas")
    frames = [pd.DataFrame(one, columns=["a", "b", "c"]) for one in PASSES]
    assert Certainty.from_passes(frames).class_names == ("a", "b", "c")
    frames[3] = frames[3][["b", "a", "c"]]
    with pytest.raises(howsure.InputError, match="Pass 3 has other classes than pass 0"):
        Certainty.from_passes(frames)


def test_passes_over_labels():
    passes = RANDOM.uniform(size=(20, 30, 4))
    result = MultilabelCertainty.from_passes(passes, list("abcd"))
    np.testing.assert_allclose(result.probabilities, passes.mean(axis=0))
    np.testing.assert_allclose(
        1.96 * result.mc_error, stats.t.ppf(0.975, 19) * stats.sem(passes, axis=0), rtol=1e-4
    )
    both = np.stack([1 - passes, passes])
    np.testing.assert_allclose(result.expected_entropy, stats.entropy(both, axis=0).mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("passes", "message"),
    [
        (PASSES[0], "One pass over some rows, or a mean, belongs to `from_probabilities`"),
        (PASSES[:1], "Too few passes to tell the error of their mean. Expected: 2 or more. Received: 1"),
        (PASSES[:0], "Too few passes"),
        (iter(()), "Too few passes"),
        ([PASSES[0], PASSES[1][:5]], "Pass 1 is not of the same rows and classes as pass 0"),
        ([PASSES[0], 2 * PASSES[1]], "The probabilities of pass 1 are not from 0 to 1"),
        (np.zeros((2, 3, 4, 5)), "expected: an array of shape (passes, rows, classes)"),
        (7, "The passes cannot be used"),
        ("passes", "The passes cannot be used"),
    ],
)
def test_what_are_no_passes_is_refused(passes, message):
    with pytest.raises(howsure.InputError) as raised:
        Certainty.from_passes(passes)
    assert message.lower() in str(raised.value).lower()
