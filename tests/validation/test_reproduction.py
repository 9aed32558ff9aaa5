"""The helpers behind docs/reproduction.md: formulas against scipy, networks against JAX's own derivatives."""

import jax
import numpy as np
import pytest
from scipy.stats import norm

import howsure
from validation import reproduction, stacked

FOUND = reproduction.DATA.exists()


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_the_log_likelihood_is_that_of_a_mixture_of_normal_distributions(random):
    y, passes = random.normal(size=5), random.normal(size=(7, 5))
    density = norm.pdf(y, passes, 1 / np.sqrt(2.5)).mean(axis=0)
    np.testing.assert_allclose(reproduction.log_likelihood(y, passes, 2.5), np.log(density))


def test_a_free_tau_is_one_over_the_mean_squared_error_where_passes_agree(random):
    y, said = random.normal(size=50), random.normal(size=50)
    tau, actual = reproduction.free_tau(y, np.tile(said, (3, 1)))
    assert tau == pytest.approx(1 / np.mean((y - said) ** 2), rel=1e-2)
    assert actual == pytest.approx(norm.logpdf(y, said, np.sqrt(np.mean((y - said) ** 2))).mean(), abs=1e-4)


def test_the_gradient_is_that_of_the_loss(random):
    x, y = (random.normal(size=shape).astype(np.float32) for shape in ((3, 9, 4), (3, 9)))
    rate, reg = np.float32([0.1, 0.3, 0.5]), np.float32([0, 0.1, 0.2])
    weights = jax.tree.map(lambda each: each + np.float32(0.1), stacked.initial(0, 3, 4))
    seed = np.uint32(7)

    def loss(weights):
        hidden, output = weights["hidden"], weights["output"]
        _, units = stacked._forward(weights, x, rate, seed)
        said = (units * output[:, None, :-1]).sum(axis=-1) + output[:, -1:]
        squared = (hidden[:, :-1] ** 2).sum(axis=(1, 2)) + (output[:, :-1] ** 2).sum(axis=1)
        return (((said - y) ** 2).mean(axis=1) + reg * squared).sum()

    actual = jax.jit(stacked.gradient)(weights, x, y, rate, reg, seed)
    expected = jax.jit(jax.grad(loss))(weights)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)


def test_masks_keep_the_share_that_the_rate_says():
    draw = jax.jit(stacked._kept, static_argnums=0)
    kept = np.asarray(draw((2, 1_000, 50), np.float32([0.005, 0.1]), np.uint32(3)))
    share = (kept > 0).mean(axis=(1, 2))
    for of_rate, rate in zip(share, (0.005, 0.1), strict=True):
        assert abs(of_rate - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / 50_000)
    np.testing.assert_allclose(kept.max(axis=(1, 2)), [1 / 0.995, 1 / 0.9], rtol=1e-6)


def test_howsure_runs_the_network_that_was_trained(random):
    weights, x = stacked.initial(1, 2, 3), random.normal(size=(2, 6, 3)).astype(np.float32)
    weights["hidden"][:, -1], weights["output"][:, -1] = 0.3, -0.2
    (same,) = stacked.passes(weights, x, np.zeros(2), 1, seed=0, at_once=1)
    model = stacked.as_model(weights, 1, 0.2)
    np.testing.assert_allclose(model.predict([x[1]])[:, 0], same[0, 1], atol=1e-5)
    theirs = np.concatenate(list(stacked.passes(weights, x, np.full(2, 0.2), 2_000, seed=0)))[:, 1]
    ours = howsure.assess(model, x[1], method=howsure.MCDropout(passes=2_000))
    error = np.hypot(theirs.std(axis=0) / np.sqrt(2_000), ours.mc_error[:, 0])
    assert np.all(np.abs(theirs.mean(axis=0) - ours.mean[:, 0]) < 4 * error)


@pytest.mark.skipif(not FOUND, reason="the data sets of UCI lie beside the repository, and not here")
def test_the_validation_part_is_the_end_of_the_published_order():
    split = reproduction.splits("yacht")[0]
    assert (len(split.y), len(split.y_test), split.first) == (277, 31, 221)
    with np.load(reproduction.DATA / "yacht.npz") as data:
        rows = np.concatenate([split.x, split.x_test])
        np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(data["x"], axis=0))


@pytest.mark.skipif(not FOUND, reason="the data sets of UCI lie beside the repository, and not here")
@pytest.mark.parametrize("name", reproduction.SETS)
def test_the_grid_holds_what_was_chosen_in_2018(name):
    pairs = set(zip(*reproduction.grid(name), strict=True))
    splits = reproduction.published(name)["splits"]
    assert len(splits) == reproduction.SPLITS
    assert {(split["rate"], split["tau"]) for split in splits} <= pairs
