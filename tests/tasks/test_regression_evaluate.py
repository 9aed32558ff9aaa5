"""Scores of numbers equal formulas and libraries that know nothing of howsure, and their intervals hold."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

import howsure
from howsure import InputError, RegressionCertainty
from howsure.tasks.regression import scores
from howsure.tasks.task import task_of

RANDOM = np.random.default_rng(0)
ROWS = 300
MEAN = RANDOM.normal(size=ROWS)
STD = np.exp(0.5 * RANDOM.normal(size=ROWS))
Y = MEAN + 1.2 * STD * RANDOM.normal(size=ROWS)
RESULT = RegressionCertainty.from_mean_std(MEAN, STD, ["price"])
FOUND = howsure.evaluate(RESULT, Y)
NORMAL = stats.norm(MEAN, STD)


# --- values -------------------------------------------------------------------------------------------


def test_errors_are_those_of_scikit_learn():
    assert FOUND.rmse.value == pytest.approx(metrics.root_mean_squared_error(Y, MEAN))
    assert FOUND.mae.value == pytest.approx(metrics.mean_absolute_error(Y, MEAN))
    assert FOUND.r2.value == pytest.approx(metrics.r2_score(Y, MEAN))
    assert FOUND.bias.value == pytest.approx(np.mean(MEAN - Y))


def test_the_interval_of_the_bias_is_nearly_that_of_a_t_test_and_holds():
    expected = stats.ttest_1samp(MEAN - Y, 0).confidence_interval(0.95)
    assert (FOUND.bias.low, FOUND.bias.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    random, held = np.random.default_rng(3), 0
    for _ in range(400):
        skewed = random.exponential(size=30)
        found = howsure.evaluate(RegressionCertainty.from_mean_std(skewed, np.ones(30)), np.zeros(30)).bias
        held += found.low <= 1 <= found.high
    assert held / 400 > 0.95 - 2 * np.sqrt(0.95 * 0.05 / 400)


def test_nll_is_that_of_scipy():
    assert FOUND.nll.value == pytest.approx(-NORMAL.logpdf(Y).mean())


def test_crps_is_the_integral_that_defines_it():
    x = np.linspace(-40, 40, 80_001)
    for i in range(3):
        squares = (stats.norm.cdf(x, MEAN[i], STD[i]) - (x >= Y[i])) ** 2
        one = scores.of_normal(Y[i : i + 1] - MEAN[i], STD[i : i + 1], 0)["crps"].value
        assert one == pytest.approx(np.trapezoid(squares, x), rel=1e-3)


def test_crps_and_interval_scores_are_those_of_scoringrules():
    theirs = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    assert FOUND.crps.value == pytest.approx(theirs.crps_normal(Y, MEAN, STD).mean())
    for level, score in FOUND.interval_score.items():
        low, high = NORMAL.interval(level)
        assert score.value == pytest.approx(theirs.interval_score(Y, low, high, 1 - level).mean())


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_intervals_are_scored_as_a_loop_does(level):
    widths, inside, losses = [], [], []
    for y, (low, high) in zip(Y, np.transpose(NORMAL.interval(level)), strict=True):
        widths.append(high - low)
        inside.append(low <= y <= high)
        losses.append(high - low + 2 / (1 - level) * (max(low - y, 0) + max(y - high, 0)))
    assert FOUND.width[level].value == pytest.approx(np.mean(widths))
    assert FOUND.coverage[level].value == np.mean(inside)
    assert FOUND.interval_score[level].value == pytest.approx(np.mean(losses))
    exact = stats.binomtest(int(np.sum(inside)), ROWS).proportion_ci(0.95)
    assert (FOUND.coverage[level].low, FOUND.coverage[level].high) == pytest.approx((exact.low, exact.high))


def test_by_itself_a_score_of_intervals_is_that_of_95_per_cent():
    assert FOUND.coverage.value == FOUND.coverage[0.95].value
    assert list(FOUND.width) == [0.5, 0.8, 0.9, 0.95]
    assert str(FOUND.coverage).startswith("50 %: 0.4")
    with pytest.raises(KeyError, match=r"at 0\.5, 0\.8, 0\.9, 0\.95, not at 0\.7"):
        FOUND.coverage[0.7]


def test_miscalibration_is_the_distance_of_the_pit_from_a_uniform_distribution():
    pit = NORMAL.cdf(Y)
    grid = (np.arange(200_000) + 0.5) / 200_000
    wasserstein = np.abs(np.quantile(pit, grid, method="inverted_cdf") - grid).mean()
    assert FOUND.miscalibration.value == pytest.approx(wasserstein, abs=1e-5)


def test_miscalibration_is_that_of_uncertainty_toolbox():
    theirs = pytest.importorskip("uncertainty_toolbox", reason="uncertainty-toolbox is not installed")
    area = theirs.metrics_calibration.miscalibration_area(MEAN, STD, Y, vectorized=True, prop_type="quantile")
    assert FOUND.miscalibration.value == pytest.approx(area, abs=0.005)  # it has 100 levels


@pytest.mark.parametrize("rows", [20, 500])
def test_the_noise_floor_is_what_true_quantiles_show(rows):
    random = np.random.default_rng(rows)
    areas = [scores._off_the_diagonal(random.uniform(size=rows))[0] for _ in range(200)]
    error = np.std(areas) / math.sqrt(200)
    of_a_bridge = math.sqrt(2 * math.pi / rows) / 8  # E ∫ |B| of a Brownian bridge
    assert abs(np.mean(areas) - of_a_bridge) < 4 * error + 0.01 * of_a_bridge


def test_sparsification_is_that_of_a_loop():
    error = np.abs(Y - MEAN)

    def area(order):
        return np.mean([error[order[:kept]].mean() for kept in range(1, ROWS + 1)])

    by_std, by_error = area(np.argsort(STD)), area(np.argsort(error))
    assert FOUND.ause.value == pytest.approx((by_std - by_error) / error.mean())
    assert FOUND.aurg.value == pytest.approx(1 - by_std / error.mean())


def test_the_mixture_of_networks_is_that_of_its_members():
    """Of normal networks: y is normal with both variances. The quantiles tell nearly all of them."""
    random = np.random.default_rng(1)
    samples = MEAN[:50] + 0.7 * random.normal(size=(5_000, 50))
    y = MEAN[:50] + random.normal(size=50)
    result = RegressionCertainty.from_samples(samples, noise=0.5)
    of_each = stats.norm.pdf(y, samples, 0.5).mean(axis=0)
    found = howsure.evaluate(result, y)
    assert found.nll_mixture.value == pytest.approx(-np.log(of_each).mean(), abs=0.01)


# --- intervals ----------------------------------------------------------------------------------------


def test_intervals_hold():
    """That of the truth, in 9 of 10 sets of rows or more; validation.numbers does it in ten worlds."""
    sets = 80

    def drawn(rows, seed):
        random = np.random.default_rng(seed)
        std = np.exp(0.4 * random.normal(size=rows))
        mean, noise = random.normal(size=rows), random.normal(size=rows)
        return RegressionCertainty.from_mean_std(mean, std), mean + 1.3 * std * noise

    result, y = drawn(50_000, 0)
    true = {name: each.value for name, each in scores.of_target(result, 0, y, 0, None).items()}
    held = dict.fromkeys(true, 0)
    for seed in range(sets):
        result, y = drawn(100, seed + 1)
        for name, each in scores.of_target(result, 0, y, seed, None).items():
            low, high = each.interval(0.95)
            held[name] += low <= true[name] <= high
    assert min(held.values()) >= 0.9 * sets - 2 * math.sqrt(0.09 * sets), held


# --- what is missing, and several targets -----------------------------------------------------------


def test_without_noise_the_errors_are_scored_and_the_rest_is_said():
    result = RegressionCertainty.from_samples(MEAN + 0.1 * RANDOM.normal(size=(9, ROWS)))
    found = howsure.evaluate(result, Y)
    assert all(getattr(found, name).known for name in ("rmse", "mae", "ause"))
    absent = ("nll", "nll_mixture", "crps", "coverage", "width", "interval_score", "miscalibration")
    assert [getattr(found, name) for name in absent] == [None] * 7
    assert "`howsure.calibrate(result_of_held_out, y)(result)`" in str(found)
    assert "scores of intervals are missing" in found._repr_html_()


def test_several_targets_are_scored_by_name():
    both = RegressionCertainty.from_mean_std(np.stack([MEAN] * 2, 1), np.stack([STD, 2 * STD], 1), ["a", "b"])
    found = howsure.evaluate(both, np.stack([Y, Y], 1))
    assert found.rmse["a"] == FOUND.rmse == found.of_target["a"].rmse
    assert found.nll["b"].value == pytest.approx(-stats.norm(MEAN, 2 * STD).logpdf(Y).mean())
    assert found.coverage["b"][0.9].value > found.coverage["a"][0.9].value
    gap = found.minus(found)["nll of b"]
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)
    lines = task_of(both).score_lines(both, found)
    assert lines[0][:4] == ["target", "score", "level", "value"]
    assert [line[3] for line in lines if line[:3] == ["b", "coverage", 0.9]] == [
        found.coverage["b"][0.9].value
    ]
    assert "\n'b'\nRMSE" in str(found)


def test_differences_are_paired():
    other = howsure.evaluate(RegressionCertainty.from_mean_std(MEAN, 1.2 * STD), Y)
    gap = FOUND.minus(other)["nll"]
    assert gap.value == pytest.approx(FOUND.nll.value - other.nll.value)
    assert gap.low < gap.value < gap.high < FOUND.nll.high - FOUND.nll.low
    assert FOUND.minus(other)["rmse"].value == 0


def test_rows_from_outside_are_told_by_their_width():
    outside = RegressionCertainty.from_mean_std(MEAN[:50], 3 * STD[:50], ["price"])
    found = howsure.evaluate(RESULT, Y, outside=outside)
    labels = np.repeat([0, 1], [ROWS, 50])
    area = metrics.roc_auc_score(labels, np.concatenate([STD, 3 * STD[:50]]))
    assert found.outside_auroc.value == pytest.approx(area)
    assert found.outside_auroc_by_disagreement is None


def test_a_std_of_0_is_scored_as_the_certainty_that_it_claims():
    std = STD.copy()
    std[3] = 0
    found = howsure.evaluate(RegressionCertainty.from_mean_std(MEAN, std), Y)
    assert found.nll.value == np.inf
    assert "infinite" in str(found)
    crps = [
        s.value
        for s in (scores.of_normal(Y[i : i + 1] - MEAN[i], std[i : i + 1], 0)["crps"] for i in range(5))
    ]
    assert crps[3] == pytest.approx(abs(Y[3] - MEAN[3]))
    assert np.isfinite(found.crps.value)


def test_equal_widths_are_known_and_rank_nothing():
    found = howsure.evaluate(RegressionCertainty.from_mean_std(MEAN, np.full(ROWS, 0.1)), Y)
    assert (found.width[0.9].low, found.width[0.9].high) == (found.width[0.9].value,) * 2
    assert (found.ause, found.aurg) == (None, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((RESULT, Y[:-1]), r"do not fit the rows.*\(300, 1\)"),
        ((RESULT, None), "true answers are not known"),
        ((RESULT[:1], Y[:1]), "Too few rows to score"),
        ((RESULT, np.where(Y > 2, np.nan, Y)), "not finite"),
    ],
)
def test_bad_input_is_said(given, message):
    with pytest.raises(InputError, match=message):
        howsure.evaluate(*given)


def test_coverage_together_is_the_share_of_rows_that_lie_in_all_intervals():
    mean, off = np.zeros((ROWS, 3)), np.random.default_rng(5).normal(size=(ROWS, 3))
    result = RegressionCertainty.from_mean_std(mean, np.ones_like(mean))
    found = howsure.evaluate(result, off).coverage_together
    for level, score in found.items():
        held = (np.abs(off) <= stats.norm.ppf((1 + level) / 2)).all(axis=1)
        assert score.value == held.mean()
        exact = stats.binomtest(int(held.sum()), ROWS).proportion_ci()
        assert (score.low, score.high) == pytest.approx((exact.low, exact.high))
    evaluation = howsure.evaluate(result, off)
    assert "all targets of a row at once\ncoverage together at 50 %" in str(evaluation)
    rows = task_of(result).score_lines(result, evaluation)
    assert [row[:3] for row in rows[-4:]] == [["", "coverage_together", level] for level in found]
    wider = howsure.evaluate(RegressionCertainty.from_mean_std(mean, 2 * np.ones_like(mean)), off)
    gain = wider.minus(evaluation)["coverage together at 90 %"]
    assert gain.low > 0
    assert howsure.evaluate(RESULT, Y).coverage_together is None
    of_networks = RegressionCertainty.from_samples(mean + np.random.default_rng(0).normal(size=(5, ROWS, 3)))
    assert howsure.evaluate(of_networks, off).coverage_together is None
    groups = np.arange(ROWS) // 2
    alike = off[groups] + 0.01 * np.random.default_rng(6).normal(size=off.shape)
    pairs = howsure.evaluate(result, alike, groups=groups).coverage_together
    lone = howsure.evaluate(result, alike).coverage_together
    assert pairs.high - pairs.low == pytest.approx(math.sqrt(2) * (lone.high - lone.low), rel=0.1)
