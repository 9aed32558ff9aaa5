"""Scores without howsure, against values known beforehand, and one comparison from its data to its text."""

import itertools

import numpy as np
import pytest
from scipy.special import softmax

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from validation import real_comparisons as real  # noqa: E402


def drawn(rows, temperature, seed=0):
    """(N, K) percentages that are right once divided by a temperature, and the true classes."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(rows, 4))
    p = softmax(logits, axis=1)
    truth = (random.random((rows, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return softmax(temperature * logits, axis=1), truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_best_temperature_is_found(temperature):
    p, truth = drawn(20_000, temperature)
    found, nll = real.best_temperature(p, truth, np.full(len(p), 1 / len(p)))
    assert found == pytest.approx(temperature, rel=0.05)
    assert nll == pytest.approx(real._minus_log(p, truth, temperature).mean(), abs=1e-3)


def test_resamples_choose_as_good_temperatures_as_scipy():
    p, truth = drawn(500, 1.7)
    on_grid = min(real._minus_log(p, truth, t).mean() for t in real.TEMPERATURES)
    assert on_grid == pytest.approx(real.best_temperature(p, truth, np.full(500, 1 / 500))[1], abs=1e-3)


def test_rows_alike_in_doubt_count_in_every_order():
    doubt, risk = np.array([0.1, 0.3, 0.3, 0.3, 0.7]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    orders = [(0, *middle, 4) for middle in itertools.permutations([1, 2, 3])]
    every = [np.mean(np.cumsum(risk[list(order)]) / np.arange(1, 6)) for order in orders]
    assert real.aurc(doubt, risk) == pytest.approx(np.mean(every))


def test_parts_add_up():
    """The last network is the first, too sure by a factor of three: all of its difference is calibration."""
    p, truth = drawn(3_000, 1.0)
    other, _ = drawn(3_000, 0.7, seed=1)
    said = {"plain": p, "other": other, "sure": softmax(3 * np.log(p), axis=1)}
    lines = real.class_parts(real.points_of(said, truth)).splitlines()[2:]
    numbers = [[float(cell.split()[0]) for cell in line.split("|")[2:7]] for line in lines]
    for nll, calibration, accuracy, order, _ in numbers:
        assert calibration + accuracy + order == pytest.approx(nll, abs=2e-4)
    nll, calibration, accuracy, order, right = numbers[1]
    assert nll == pytest.approx(calibration, abs=2e-4)
    assert nll > 0.1
    assert (accuracy, order, right) == (0, 0, 0)


def test_learned_noise_is_that_of_the_other_folds():
    random = np.random.default_rng(0)
    y = 0.7 * random.normal(size=4_000)
    stacked = np.stack([np.zeros((1, 4_000)), np.full((1, 4_000), np.nan)], axis=-1)
    mean, std = real.joined(stacked, y)
    np.testing.assert_allclose(mean, 0)
    np.testing.assert_allclose(std, 0.7, rtol=0.05)
    assert len(np.unique(std)) == 5


def test_passes_of_the_loop_drop_after_what_all_passes_share():
    torch.manual_seed(0)
    network = real._mlp(5, 8, 3, 0.5).eval()
    x = np.ones((2_000, 5), np.float32)
    one, two = real._dropped(network, x, 2)
    assert not np.allclose(one, two)
    assert len(np.unique(one, axis=0)) > 100  # each row has masks of its own
    plain = real._plain(network, x[:3])
    np.testing.assert_allclose(plain, np.repeat(plain[:1], 3, axis=0), rtol=1e-5)


def test_a_comparison_stands_beside_numbers_of_the_framework():
    found = real.wine()
    text = real.said("wine", found)
    for method in found.hands:
        nll = found.comparison.score(method, "nll").value
        assert f"| {method} | {nll:.4f} |" in text
    assert str(found.comparison) in text
    assert "NLL of members alone" in text


def test_a_set_that_is_not_there_is_skipped_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(real, "DATA", tmp_path / "nowhere")
    monkeypatch.setattr("sys.argv", ["real_comparisons", "concrete", "street", "--out", str(tmp_path)])
    real.main()
    said = capsys.readouterr().out
    assert "concrete was not run." in said
    assert "street was not run." in said
    assert str(tmp_path / "nowhere") in said
