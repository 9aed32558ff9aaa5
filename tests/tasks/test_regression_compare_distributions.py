"""Quantiles, and counts, side by side: scores beside other libraries, words, and how often they are false."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import nbinom, norm, poisson
from sklearn.metrics import mean_pinball_loss

import howsure
from howsure import Comparison, InputError, RegressionCertainty
from howsure.compare.findings import chosen, findings, lead
from howsure.inputs.rows import InputSpec
from howsure.report.comparison import render_comparison
from howsure.tasks.regression import counts
from howsure.tasks.regression.compare_distributions import COMPARING_COUNTS
from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.compare_numbers import is_too_often

LEVELS = (0.05, 0.25, 0.5, 0.95)


def quantiles(mean, std, levels=LEVELS, names=None):
    return RegressionCertainty.from_quantiles(
        mean[..., None] + std[..., None] * norm.ppf(levels), levels, names
    )


def expected_counts(mean):
    return counts.with_dispersion(RegressionCertainty.from_mean_std(mean, np.sqrt(mean)), 0.0, "the model")


def of_quantiles(rows, seed=0, off=0.3, claimed=1.0):
    """Two methods whose medians are off by as much, the second claiming other widths, and the truth."""
    random = np.random.default_rng(seed)
    mean, std = random.normal(size=rows), np.exp(0.5 * random.normal(size=rows))
    rough, other = (mean + off * random.normal(size=rows) for _ in range(2))
    return {"a": quantiles(rough, std), "b": quantiles(other, claimed * std)}, random.normal(mean, std)


def of_counts(rows, seed=0, off=0.2, dispersion=0.0):
    random = np.random.default_rng(seed)
    mean = np.exp(random.normal(size=rows))
    rough, other = (mean * np.exp(off * random.normal(size=rows)) for _ in range(2))
    y = random.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean)) if dispersion else None
    return {"a": expected_counts(rough), "b": expected_counts(other)}, random.poisson(
        mean
    ) if y is None else y


def test_the_pinball_loss_is_that_of_scikit_learn():
    results, y = of_quantiles(300, claimed=0.3)
    comparison = Comparison.of_results(results, y)
    losses = {
        name: np.mean([mean_pinball_loss(y, q, alpha=level) for level, q in zip(LEVELS, each.T, strict=True)])
        for name, each in ((name, result.answer_quantiles[:, 0]) for name, result in results.items())
    }
    for name, loss in losses.items():
        assert comparison.score(name, "pinball").value == pytest.approx(loss, rel=1e-12)
        assert howsure.evaluate(results[name], y).pinball.value == pytest.approx(loss, rel=1e-12)
    gap = comparison.difference("b", "a", "pinball")
    assert gap.value == pytest.approx(losses["b"] - losses["a"], rel=1e-9)
    assert gap.low > 0
    assert lead(comparison).startswith("Take 'a': no other method here has a lower pinball loss by more than")
    q = results["b"].answer_quantiles[:, 0]
    share = np.mean((q[:, 0] <= y) & (y <= q[:, 3]))
    page = render_comparison(comparison).replace("\u00a0", " ")
    assert f"Intervals for 90 % of answers contain {100 * share:.1f} % of them" in page
    assert comparison.methods == ("a", "b")  # none is calibrated
    assert "NLL" not in page
    assert "NLL" not in str(comparison)


def test_several_targets_count_alike_whatever_their_units():
    (one, y), (other, z) = of_quantiles(200), of_quantiles(200, seed=1)
    both = {
        name: RegressionCertainty.from_quantiles(
            np.stack([one[name].answer_quantiles[:, 0], 1e6 * other[name].answer_quantiles[:, 0]], 1),
            LEVELS,
            ["kg", "m"],
        )
        for name in one
    }
    comparison = Comparison.of_results(both, np.stack([y, 1e6 * z], 1))
    alone = [
        Comparison.of_results(each, truth).score("b", "pinball").value / truth.std()
        for each, truth in ((one, y), (other, z))
    ]
    assert comparison.score("b", "pinball").value == pytest.approx(np.mean(alone), rel=1e-9)
    assert "averaged over 2 targets" in findings(comparison)[0].note
    values = both["b"].answer_quantiles.reshape(200, -1)
    losses, _ = comparison.comparing.alone(values, np.stack([y, 1e6 * z], 1), np.arange(200))
    assert losses.mean() == pytest.approx(np.mean(alone), rel=1e-9)


@pytest.mark.parametrize("dispersion", [0.0, 0.7])
def test_the_nll_of_counts_is_that_of_scipy(dispersion):
    results, y = of_counts(300, dispersion=dispersion)
    comparison = Comparison.of_results(results, y)
    for name, result in results.items():
        expected = -poisson.logpmf(y, result.mean[:, 0]).mean()
        assert comparison.score(name, "nll").value == pytest.approx(expected, rel=1e-9)
    fitted = comparison.certainties["a, calibrated"]
    told = fitted.method["calibration"]
    fold = np.random.default_rng(told["seed"]).permutation(300) % 5
    learnt = np.array(told["folds"])[fold, 0]
    size, mean = 1 / np.maximum(learnt, 1e-12), results["a"].mean[:, 0]
    expected = np.where(learnt > 1e-9, nbinom.logpmf(y, size, size / (size + mean)), poisson.logpmf(y, mean))
    assert comparison.score("a, calibrated", "nll").value == pytest.approx(-expected.mean(), rel=1e-6)
    if dispersion:
        assert chosen(comparison) in ("a, calibrated", "b, calibrated")
        # No row is scored by a fit that knows it.
        far = y.copy()
        far[7] = 500
        (held,), _, _ = COMPARING_COUNTS.calibrated(results["a"], far[:, None].astype(float), seed=0)
        (whole,) = held.method["calibration"]["dispersion"]
        own = np.array(held.method["calibration"]["folds"])[:, 0][fold[7]]
        assert own < 0.8 * whole
    page = render_comparison(comparison).replace("\u00a0", " ")
    within = comparison.claims["a", "as they are"].true
    assert f"of counts contain {100 * within:.1f} % of them" in page
    assert "true count" in page
    assert "density is normal" not in page


def test_a_row_counts_also_through_the_over_dispersion_of_other_rows():
    """The derivative of the sum of all scores by the weight of a row, against a difference quotient."""
    from scipy.optimize import minimize_scalar

    rows, seed = 30, 5
    results, y = of_counts(rows, 3, dispersion=1.5)
    result = results["a"]
    (fitted,), _, (through,) = COMPARING_COUNTS.calibrated(result, y[:, None].astype(float), seed=seed)
    fold, mean = np.random.default_rng(seed).permutation(rows) % 5, result.mean[:, 0]

    def losses(log):
        size = np.exp(-log)
        return -nbinom.logpmf(y, size, size / (size + mean))

    def total(weights):
        found = 0.0
        for number in range(5):
            others, own = fold != number, fold == number
            best = minimize_scalar(
                lambda at, others=others: (weights * losses(at))[others].sum(),
                bounds=(-4, 3),
                method="bounded",
                options={"xatol": 1e-12},
            )
            found += (weights * losses(best.x))[own].sum()
        return found

    step = 1e-3
    slope = [(total(1 + change) - total(1 - change)) / (2 * step) for change in step * np.eye(rows)]
    direct = counts.nll(fitted.mean, fitted.std, y[:, None])[:, 0]
    expected = slope - direct - np.mean(slope - direct)
    np.testing.assert_allclose(rows * through["nll"].parts, expected, rtol=5e-3, atol=5e-3)
    assert np.abs(expected).max() > 0.02


@pytest.mark.parametrize(("draw", "score"), [(of_quantiles, "pinball"), (of_counts, "nll")])
def test_methods_that_are_alike_are_seldom_told_apart(draw, score):
    draws = 60
    told = [
        Comparison.of_results(*draw(60, seed), calibrated=False).difference("b", "a", score).excludes_zero
        for seed in range(draws)
    ]
    assert not is_too_often(np.mean(told), draws)


def test_an_expected_count_of_0_is_never_another():
    results, y = of_counts(60, dispersion=0.7)
    y[0] = 2
    never = replace(results["a"], mean=np.where(np.arange(60)[:, None] == 0, 0.0, results["a"].mean))
    never = counts.with_dispersion(never, 0.0, "the model")
    said = lead(Comparison.of_results({"never": never, "b": results["b"]}, y))
    assert said == "The NLL of 'never' is not defined, so nothing can be compared with it."
    both = Comparison.of_results({"never": never, "again": never[:]}, y)
    assert lead(both).startswith("Nothing could be compared: each method expects a count of 0 where the true")
    assert "the method expects a count of 0 where the true one is not" in render_comparison(both)
    assert np.isfinite(both.score("never, calibrated", "crps").value)
    learnt = [
        COMPARING_COUNTS.calibrated(result, y[rows, None].astype(float), others=[result])[1][0]
        for result, rows in ((never, slice(None)), (results["a"][1:], slice(1, None)))
    ]
    one, other = (result.method["calibration"]["dispersion"][0] for result in learnt)
    assert one == pytest.approx(other, rel=1e-6)  # such a row says nothing of the others


def network(quantile, seed=0, drop=0.3, size=0.2, bias=0.0):
    random = np.random.default_rng(seed)
    hidden = Dense(np.random.default_rng(1).normal(size=(3, 30)), np.zeros(30), "tanh")
    width = np.array([-2.0, -0.5, 0.0, 2.0]) if quantile else np.full(1, bias)
    last = Dense(size * random.normal(size=(30, 1)) + 0 * width, width, "linear")
    steps = {"hidden": (hidden, "x"), "drop": (Dropout(drop), "hidden"), "output": (last, "drop")}
    return ArrayModel("visits", [InputSpec("x", (3,), "float32")], steps)


@pytest.mark.parametrize("quantile", [True, False])
def test_methods_of_a_model(quantile):
    x = np.random.default_rng(2).normal(size=(150, 3)).astype(np.float32)
    wishes = {"outputs": "quantiles", "levels": LEVELS} if quantile else {"outputs": "log-rates"}
    model, main = network(quantile), "pinball" if quantile else "nll"
    plain = howsure.assess(model, x, method=howsure.PlainPrediction(), **wishes).mean[:, 0]
    random = np.random.default_rng(3)
    y = plain + random.normal(size=150) if quantile else random.poisson(plain)
    methods = {
        "plain": howsure.PlainPrediction(),
        "dropout": howsure.MCDropout(passes=64),
        "members": howsure.Ensemble([network(quantile, seed) for seed in (1, 2)]),
    }
    found = howsure.compare(
        model, x, y, methods=methods, shifts={"moved": x + 0.5}, outside={"far": 4 * x[:50]}, **wishes
    )
    assert found.score("dropout", main).value == pytest.approx(
        Comparison.of_results({"dropout": found.certainties["dropout"]}, y).score("dropout", main).value
    )
    assert all(np.sum(found.masks["dropout"][main, rows] ** 2) > 0 for rows in ("as they are", "moved"))
    alone = howsure.assess(network(quantile, 1), x, method=howsure.PlainPrediction(), **wishes)
    losses = found.members["members"].losses[1].mean()
    expected = howsure.evaluate(alone, y)
    assert losses == pytest.approx(expected.pinball.value if quantile else expected.rmse.value**2, rel=1e-6)
    said = " ".join(each.answer for each in findings(found))
    assert f"contain {100 * found.claims['plain', 'moved'].true:.1f} %" in said.replace("\u00a0", " ")
    assert ("have a pinball loss" in said) == quantile


def test_other_masks_leave_counts_above_0():
    rare = network(False, drop=0.9, size=2.0, bias=-3.0)
    x = 6 * np.random.default_rng(2).normal(size=(80, 3)).astype(np.float32)
    found = howsure.compare(
        rare, x, np.r_[1, np.zeros(79)], outputs="log-rates", methods=[howsure.MCDropout(passes=16)]
    )
    assert {("nll", "as they are"), ("crps", "as they are")} <= found.masks["MC dropout"].keys()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda q, n: {"a": q, "b": q_of(q, (0.05, 0.95))},
            "Expected: answers of quantiles 0.05, 0.25, 0.5 and 0.95. Received: quantiles 0.05 and 0.95",
        ),
        (
            lambda q, n: {"a": RegressionCertainty.from_mean_std(q.mean, q.mean**2), "b": q},
            r"Received: quantiles .*from_quantiles\(q, levels\)` takes those of any distribution",
        ),
        (
            lambda q, n: {"a": RegressionCertainty.from_mean_std(n.mean, n.std), "b": n},
            "Expected: answers of numbers per row. Received: counts. outputs='rates' reads",
        ),
    ],
)
def test_results_that_say_other_things_are_not_compared(other, message):
    q, n = of_quantiles(40)[0]["a"], of_counts(40)[0]["a"]
    with pytest.raises(InputError, match=message):
        Comparison.of_results(other(q, n), np.arange(40))


def q_of(result, levels):
    places = [LEVELS.index(level) for level in levels]
    return RegressionCertainty.from_quantiles(result.answer_quantiles[..., places], levels)


def test_true_counts_are_counts():
    with pytest.raises(InputError, match="no counts"):
        howsure.compare(network(False), np.zeros((12, 3), np.float32), np.full(12, 0.5), outputs="log-rates")


def test_a_difference_is_put_down_to_intervals_only_if_these_are_off_by_more_than_chance():
    y = np.random.default_rng(5).normal(size=2_000)
    noisy = y + np.random.default_rng(6).normal(size=len(y))
    levels = (0.05, 0.5, 0.95)
    true, sharp = norm.ppf(levels), noisy[:, None] / 2 + norm.ppf(levels) * 0.5**0.5
    both = {"wide": np.tile(true, (len(y), 1)), "sharp": sharp, "narrow": np.tile(true / 2, (len(y), 1))}
    results = {name: howsure.RegressionCertainty.from_quantiles(q, levels) for name, q in both.items()}
    said = str(howsure.Comparison.of_results({name: results[name] for name in ("wide", "sharp")}, y))
    assert "Why: The score alone does not tell why." in said
    said = str(howsure.Comparison.of_results({name: results[name] for name in ("narrow", "wide")}, y))
    assert "Why: Its intervals for 90\u00a0% of answers contain" in said
    assert "; for 'narrow', intervals for 90\u00a0% of answers contain" in said
