"""The helpers behind docs/noise.md: formulas against scipy, networks beside their modules, a known noise."""

import numpy as np
import pytest
from scipy.stats import norm

import howsure

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from validation import noise  # noqa: E402


def test_the_loss_is_that_of_scipy():
    random = np.random.default_rng(0)
    said, y = random.normal(size=(2, 5, 2)), random.normal(size=(2, 5))
    wanted = -norm.logpdf(y, said[..., 0], np.exp(said[..., 1] / 2)).mean(axis=1) - np.log(2 * np.pi) / 2
    found = noise.minus_log_likelihood(torch.tensor(said), torch.tensor(y))
    np.testing.assert_allclose(found, wanted)


def test_modules_say_what_the_stacked_networks_say():
    torch.manual_seed(0)
    sides = ((3, noise.WIDTH), (noise.WIDTH, noise.WIDTH), (noise.WIDTH, 2))
    weights = [
        torch.randn(4, *shape) / 8 for before, after in sides for shape in ((before, after), (1, after))
    ]
    x = torch.randn(4, 6, 3)
    with torch.no_grad():
        together = noise.forward(weights, x, None)
        for place in range(4):
            module = noise._module(weights, place, 0.1)
            torch.testing.assert_close(module(x[place]), together[place], rtol=1e-4, atol=1e-5)
    assert [part.p for part in module if isinstance(part, torch.nn.Dropout)] == [0.1, 0.1]


def test_dropout_of_the_stacked_networks_keeps_the_mean():
    torch.manual_seed(0)
    weights = [torch.ones(2, 1, noise.WIDTH), torch.zeros(2, 1, noise.WIDTH)]
    weights += [torch.ones(2, noise.WIDTH, noise.WIDTH) / noise.WIDTH, torch.zeros(2, 1, noise.WIDTH)]
    weights += [torch.ones(2, noise.WIDTH, 2) / noise.WIDTH, torch.zeros(2, 1, 2)]
    said = noise.forward(weights, torch.ones(2, 4_000, 1), torch.tensor([0.0, 0.5])[:, None, None])[..., 0]
    assert (said[0] == 1).all()
    # Both layers have std 1/√64 of their own, and their product 1/64.
    assert float(said[1].mean()) == pytest.approx(1, abs=0.01)
    assert float(said[1].std()) == pytest.approx(np.sqrt((1 + 1 / 64) ** 2 - 1), rel=0.05)


def test_a_known_noise_is_measured():
    """σ is 2 everywhere: a noise of 2.2 is 10 % too large, and intervals of std 2.2 hold 93 %."""
    mean, sigma = np.arange(3.0), np.full(3, 2.0)
    samples = np.stack([mean - 1, mean + 1])
    result = howsure.RegressionCertainty.from_samples(samples, noise=np.full((3, 1), 2.2))
    found = noise.look_at(result, mean, sigma)
    assert found["bias"] == pytest.approx(0.1)
    assert found["off"] == pytest.approx(0.1)
    assert found["error"] == pytest.approx(0)
    spread = result.spread[0, 0] / 2
    assert found["by_spread"] == pytest.approx(np.hypot(1, spread) - 1)
    held = 2 * norm.cdf(norm.ppf(0.95) * np.hypot(1.1, spread)) - 1
    assert found["in_90"] == pytest.approx(held)
