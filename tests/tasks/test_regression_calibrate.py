"""What calibration learns is the maximum of the likelihood, holds on new rows, and is kept in a file."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from sklearn.ensemble import HistGradientBoostingRegressor

import howsure
from howsure import InputError, RegressionCalibrator, RegressionCertainty
from howsure.evaluation.score import OUTSIDE
from howsure.tasks.regression.by_row import LEAVES, Boosted, ByRow
from howsure.tasks.regression.calibrate import SLOPED, noise_of
from howsure.tasks.regression.compare import COMPARED
from tests.guard import check_same


def of_networks(rows, seed=0, noise=(1.5,), networks=12):
    """Networks that differ, and answers with a noise that they do not know."""
    random = np.random.default_rng(seed)
    spread = np.exp(0.5 * random.normal(size=(rows, len(noise))))
    result = RegressionCertainty.from_samples(spread * random.normal(size=(networks, *spread.shape)))
    scatter = np.hypot(result.spread, noise)
    return result.with_truth(result.mean + scatter * random.normal(size=spread.shape))


def claimed(rows, seed=0, factor=0.5):
    random = np.random.default_rng(seed)
    mean, std = random.normal(size=(2, rows))
    std = np.exp(std)
    result = RegressionCertainty.from_mean_std(mean, factor * std, ["price"])
    return result.with_truth(mean + std * random.normal(size=rows))


# --- what is learnt -----------------------------------------------------------------------------------


def test_the_noise_is_the_maximum_of_the_likelihood():
    result = of_networks(200)
    error = (result.truth - result.mean)[:, 0]

    def loss(noise):
        return -stats.norm.logpdf(error, 0, np.hypot(result.spread[:, 0], noise)).sum()

    best = optimize.minimize_scalar(loss, bounds=(0, 10), method="bounded", options={"xatol": 1e-9})
    found = howsure.calibrate(result)
    assert found.values["value"].value == pytest.approx(best.x, rel=1e-6)
    assert found.values["value"].low < 1.5 < found.values["value"].high


def test_the_factor_is_the_root_of_the_mean_square():
    result = claimed(300)
    found = howsure.calibrate(result)
    z = (result.truth - result.mean) / result.std
    assert found.values["price"].value == pytest.approx(np.sqrt(np.mean(z**2)))
    assert found.values["price"].low < 2 < found.values["price"].high
    np.testing.assert_allclose(found(result).std, result.std * found.values["price"].value)


def test_noise_without_networks_is_the_rmse():
    error = np.random.default_rng(0).normal(size=50)
    assert noise_of(error, np.zeros(50)) == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)
    assert noise_of(0.1 * error, np.ones(50)) == 0
    assert noise_of(1e9 * error, np.zeros(50)) == pytest.approx(1e9 * noise_of(error, np.zeros(50)))


def test_what_was_learnt_holds_on_new_rows():
    found, new = howsure.calibrate(of_networks(1000)), of_networks(4000, seed=1)
    calibrated = found(new)
    inside = calibrated.prediction_interval(0.9)
    assert np.mean((inside[..., 0] <= new.truth) & (new.truth <= inside[..., 1])) == pytest.approx(
        0.9, abs=0.02
    )
    assert calibrated.noise_from == "held-out rows"
    np.testing.assert_array_equal(calibrated.spread, new.spread)
    np.testing.assert_allclose(calibrated.std, np.hypot(new.spread, found.values["value"].value))
    assert howsure.evaluate(calibrated).nll_mixture.known


def test_a_factor_keeps_the_shares_of_doubt():
    result = of_networks(400).with_noise(0.5, "the model")
    calibrated = howsure.calibrate(result)(result)
    ratio = calibrated.std / result.std
    assert np.ptp(ratio) < 1e-9
    assert ratio[0, 0] > 1.1
    for name in ("noise", "spread", "spread_error"):
        np.testing.assert_allclose(getattr(calibrated, name), getattr(result, name) * ratio)
    middle = result.mean[:, :, None]
    np.testing.assert_allclose(calibrated.quantiles - middle, (result.quantiles - middle) * ratio[..., None])
    np.testing.assert_array_equal(calibrated.mean, result.mean)
    np.testing.assert_allclose(np.hypot(calibrated.noise, calibrated.spread), calibrated.std)


def test_scores_are_of_folds_that_were_not_learnt_from():
    result = claimed(10, seed=3)
    found = howsure.calibrate(result, seed=4)
    fold = np.random.default_rng(4).permutation(10) % 5
    z = ((result.truth - result.mean) / result.std)[:, 0]
    std = [np.sqrt(np.mean(z[fold != fold[i]] ** 2)) * result.std[i, 0] for i in range(10)]
    expected = -stats.norm.logpdf(result.truth[:, 0], result.mean[:, 0], std).mean()
    assert found.after.nll.value == pytest.approx(expected)
    assert found.differences["nll"].value == pytest.approx(expected - howsure.evaluate(result).nll.value)


def test_intervals_of_calibrated_rows_know_how_each_smooth_score_follows_the_fit():
    before, after = (howsure.evaluate(claimed(100, factor=factor)) for factor in (0.5, 0.5 + 1e-6))
    check_same(
        SLOPED,
        [name for name in COMPARED if name not in OUTSIDE and getattr(before, name) != getattr(after, name)],
        found_in="`SLOPED`",
        expected_in="the scores of comparisons that change smoothly with a factor",
        open="howsure/tasks/regression/calibrate.py, and derive the score in `slopes` there",
    )


def test_several_targets_have_a_noise_each():
    found = howsure.calibrate(of_networks(500, noise=(0.5, 4.0)))
    (one, other) = (found.values[name].value for name in ("0", "1"))
    assert one == pytest.approx(0.5, abs=0.15)
    assert other == pytest.approx(4, abs=0.4)
    assert "The noise of '1' is" in found.in_words()


def test_what_was_learnt_is_told_in_the_unit_of_the_result():
    result = of_networks(60, noise=(1.5, 2.0))
    scale = np.array([1000.0, 0.5])
    larger = result.rescaled([5.0, 2.0], scale, truth="standardised")
    one, other = (howsure.calibrate(each)(each) for each in (larger, result))
    for name in ("mean", "std", "noise", "quantiles"):
        wanted = getattr(other.rescaled([5.0, 2.0], scale, truth="standardised"), name)
        np.testing.assert_allclose(getattr(one, name), wanted, rtol=1e-6, atol=1e-9)
    told = other.rescaled([5.0, 2.0], scale, truth="standardised").method["calibration"]
    assert told["noise"] == pytest.approx(one.method["calibration"]["noise"], rel=1e-6)


def test_a_constant_is_called_that_and_not_another_distribution():
    mean = np.random.default_rng(0).normal(size=400)
    truth = mean + np.random.default_rng(1).normal(size=400)
    for constant, which in ((2.1, "high"), (-2.1, "low")):
        result = RegressionCertainty.from_mean_std(mean + constant, np.ones(400))
        (said,) = howsure.calibrate(result, truth).warnings
        bias = howsure.evaluate(result, truth).bias
        assert bias.value == pytest.approx(constant, abs=0.15)
        assert f"are too {which}: their bias is {bias}." in said
        (mended,) = re.findall(r"`result.rescaled\((.*), 1.0\)`", said)
        assert float(mended) == pytest.approx(-bias.value, rel=1e-3)
        assert howsure.calibrate(result.rescaled(float(mended), 1.0), truth).warnings == ()


# --- a factor of each row ------------------------------------------------------------------------------


def by_feature(rows, seed=0):
    """A result whose answers scatter by 0.2 to 4, the feature that says so, and one that says nothing."""
    random = np.random.default_rng(seed)
    features = random.uniform(-1, 1, (rows, 2))
    noise = 0.2 * np.exp(1.5 * (features[:, :1] + 1))
    means = random.normal(size=(1, rows, 1)) + 0.01 * random.normal(size=(2, rows, 1))
    result = RegressionCertainty.from_samples(means, ["price"])
    return result.with_truth(result.mean + noise * random.normal(size=(rows, 1))), features, noise


def claim(result):
    return RegressionCertainty.from_mean_std(result.mean, 1.0, ["price"]).with_truth(result.truth)


@pytest.mark.parametrize("told", [lambda result: result, claim], ids=["noise", "factor"])
def test_the_scatter_that_depends_on_the_row_is_learnt(told):
    known, features, _ = by_feature(600)
    new, of_new, noise = by_feature(4000, seed=1)
    calibrator = howsure.calibrate(told(known), scale_by=features)
    calibrated = calibrator(told(new), scale_by=of_new)
    z = (new.truth - calibrated.mean) / calibrated.std
    assert np.mean(z**2) == pytest.approx(1, abs=0.15)
    assert np.corrcoef(np.log(calibrated.std[:, 0]), np.log(noise[:, 0]))[0, 1] > 0.9
    for some in (noise < np.quantile(noise, 0.2), noise > np.quantile(noise, 0.8)):
        assert np.mean(np.abs(z[some]) < 1.645) == pytest.approx(0.9, abs=0.07)
    constant = howsure.evaluate(howsure.calibrate(told(known))(told(new))).nll.value
    assert howsure.evaluate(calibrated).nll.value < constant - 0.3


def test_its_stated_score_is_that_of_new_rows():
    hits = 0
    for seed in range(100, 110):
        (known, features, _), (new, of_new, _) = by_feature(600, seed), by_feature(4000, seed + 1000)
        calibrator = howsure.calibrate(known, scale_by=features)
        assert str(calibrator.after).endswith("would have taught other factors.")
        stated, true = calibrator.after.nll, howsure.evaluate(calibrator(new, scale_by=of_new)).nll.value
        hits += stated.low < true < stated.high
    assert hits >= 8, "of ten intervals that hold 95 times in a hundred"


def test_factors_are_those_of_the_trees_of_scikit_learn():
    random = np.random.default_rng(0)
    features = random.normal(size=(500, 3))
    squares = np.exp(features[:, 0]) * random.chisquare(1, 500)
    learnt = Boosted.fitted(features, squares, 0)
    theirs = HistGradientBoostingRegressor(
        max_iter=len(learnt.trees), max_leaf_nodes=LEAVES, early_stopping=False, random_state=0
    ).fit(features, np.log(squares))
    ratio = learnt(features) ** 2 / np.exp(theirs.predict(features))
    np.testing.assert_allclose(ratio, ratio[0])
    assert np.log(ratio[0]) == pytest.approx(1.27, abs=0.3)  # −E log χ²₁, as errors are normal


@pytest.mark.filterwarnings("error")
def test_noise_that_differs_by_orders_of_magnitude_is_learnt():
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3))
    true = np.exp(2 * features[:, 0])
    learnt = Boosted.fitted(features, true**2 * random.chisquare(1, 400), 0)
    assert np.corrcoef(np.log(learnt(features)), np.log(true))[0, 1] > 0.95


def test_no_difference_between_rows_is_no_factor():
    random = np.random.default_rng(3)
    result, features = claimed(400), random.normal(size=(400, 1))
    found = howsure.calibrate(result, scale_by=features)
    assert found.by_row.of_targets[0].trees == ()
    assert "but for 'price': held-out rows show no difference there" in found.in_words()
    np.testing.assert_allclose(found(result, scale_by=features).std, howsure.calibrate(result)(result).std)


def test_networks_that_differ_keep_their_spread():
    result = of_networks(400)
    features = np.random.default_rng(0).normal(size=(400, 1))
    calibrated = howsure.calibrate(result, scale_by=features)(result, scale_by=features)
    np.testing.assert_array_equal(calibrated.spread, result.spread)
    np.testing.assert_allclose(calibrated.std, np.hypot(result.spread, calibrated.noise))


def test_factors_are_kept_in_a_file_and_known_to_rules(tmp_path):
    known, features, _ = by_feature(300)
    frame = pd.DataFrame(features, columns=["size", "age"])
    calibrator = howsure.calibrate(known, scale_by=frame)
    calibrator.save(tmp_path / "c.json")
    again = RegressionCalibrator.load(tmp_path / "c.json")
    one = calibrator(known, scale_by=frame)
    np.testing.assert_array_equal(again(known, scale_by=frame[["age", "size"]]).std, one.std)
    assert one.above(0.0).probabilities.shape == (300, 2)
    other = howsure.calibrate(known, scale_by=features[:, :1])(known, scale_by=features[:, :1])
    with pytest.warns(howsure.HowsureWarning, match="learnt from"):
        intervals = howsure.prediction_intervals(one, coverage=0.9)
    with pytest.raises(InputError, match="another origin"):
        intervals(other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda known, x: howsure.calibrate(known, scale_by=x)(known), "with 2 features of each row.*none"),
        (lambda known, x: howsure.calibrate(known)(known, scale_by=x), "no `scale_by`.*learnt without"),
        (lambda known, x: howsure.calibrate(known, scale_by=x)(known, scale_by=x[:, :1]), r"\(40, 2\)"),
        (lambda known, x: howsure.calibrate(known, scale_by=x[1:]), r"\(40, F\).*\(39, 2\)"),
        (lambda known, x: howsure.calibrate(known, scale_by=np.where(x < 0, np.nan, x)), "not finite in"),
        (lambda known, x: howsure.calibrate(known, scale_by=[["a"]] * 40), "not numbers"),
        (lambda known, x: howsure.calibrate(known, scale_by=x[:, :0]), "do not fit the rows"),
        (lambda known, x: howsure.calibrate(known.above(0.0), scale_by=x), "`scale_by` is for the noise"),
    ],
)
def test_features_that_do_not_fit_are_refused(call, message):
    known, features, _ = by_feature(40)
    with pytest.raises(InputError, match=re.compile(message, re.DOTALL)):
        call(known, features)


def test_a_tree_that_does_not_end_is_refused():
    known, features, _ = by_feature(300)
    content = json.loads(json.dumps(howsure.calibrate(known, scale_by=features).by_row.as_json))
    assert ByRow.read(content, 1)(features).shape == (300, 1)
    content["of_targets"][0]["trees"][0]["left"][1] = 0
    with pytest.raises(InputError, match="trees as they were saved"):
        ByRow.read(content, 1)


# --- words and files ----------------------------------------------------------------------------------


def test_a_changed_file_is_refused(tmp_path):
    howsure.calibrate(claimed(60)).save(tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    content["values"]["price"][0] = -1.0
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(howsure.FileError, match="not a saved calibrator"):
        RegressionCalibrator.load(tmp_path / "c.json")


def test_warnings_say_what_is_amiss():
    random = np.random.default_rng(0)
    mean = random.normal(size=400)
    skewed = RegressionCertainty.from_mean_std(mean, np.ones(400))
    warned = howsure.calibrate(skewed, mean + random.exponential(size=400) - 1).warnings
    assert any("not normally distributed" in said and "prediction_intervals" in said for said in warned)
    apart = RegressionCertainty.from_samples(mean + random.normal(size=(9, 400)))
    found = howsure.calibrate(apart, apart.mean + 0.1 * random.normal(size=(400, 1)))
    assert found.values["value"].value == 0
    assert any("No noise is left for 'value'" in said for said in found.warnings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: howsure.calibrate(claimed(9)), "Too few labelled rows.*at least 10.*Received: 9"),
        (
            lambda: howsure.calibrate(claimed(60), method="temperature"),
            r"calibrated by their noise.*method=None.*result\.rescaled\(2\.5, 1\.0\)",
        ),
        (
            lambda: howsure.calibrate(howsure.calibrate(claimed(60))(claimed(60)), claimed(60).truth),
            "calibrated already",
        ),
        (lambda: howsure.calibrate(claimed(60))(of_networks(5)), "other targets"),
        (
            lambda: dataclasses.replace(howsure.calibrate(of_networks(60)), origin=None)(
                RegressionCertainty.from_mean_std([1.0], [1.0])
            ),
            "something else of the scatter.*`std` is unknown",
        ),
        (
            lambda: howsure.calibrate(
                RegressionCertainty.from_mean_std(np.ones(20), np.zeros(20)), np.zeros(20)
            ),
            "`std` is 0.*no factor",
        ),
        (lambda: howsure.calibrate(claimed(60))(claimed(60).above(0.0)), "answers of another kind"),
    ],
)
def test_bad_input_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_rows_that_are_all_exactly_right_teach_no_factor():
    result = howsure.RegressionCertainty.from_mean_std(np.arange(20.0), np.ones(20), ["a"])
    calibrator = howsure.calibrate(result, np.arange(20.0))
    assert calibrator.values["a"].value == 1
    assert not calibrator.values["a"].known
    np.testing.assert_array_equal(calibrator(result).std, result.std)
