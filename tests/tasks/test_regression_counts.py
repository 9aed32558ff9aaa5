"""Counts: their distributions beside scipy's and brute force, coverage by rate, and what is refused."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, kstest, nbinom, poisson

import howsure
from howsure import InputError, ModelError
from howsure.errors import HowsureWarning
from howsure.inputs.rows import InputSpec
from howsure.tasks.regression import counts, drawings
from howsure.tasks.regression.calibrate import RegressionCalibrator
from tests.doors.said import words_of
from tests.support.arrays import ArrayModel, Dense, Dropout

PLAIN = howsure.PlainPrediction()


def network(kind="linear", targets=1, drop=None, shift=0.0, inputs=3, units=8, seed=0):
    """A network whose outputs are logarithms of rates from about 0.2 to 30; with dropout of a share."""
    random = np.random.default_rng(seed)
    steps = {"hidden": (Dense(random.normal(size=(inputs, units)), np.zeros(units), "tanh"), "x")}
    last = "hidden"
    if drop is not None:
        steps["drop"], last = (Dropout(drop), "hidden"), "drop"
    weights = 0.5 * random.normal(size=(units, targets))
    steps["output"] = (Dense(weights, np.full(targets, 1.0 + shift), kind), last)
    return ArrayModel("visits", [InputSpec("x", (inputs,), "float32")], steps)


def rows(count, seed=1, inputs=3):
    return (3 * np.random.default_rng(seed).normal(size=(count, inputs))).astype(np.float32)


def assess(model, x, outputs="log-rates", method=PLAIN, **others):
    return howsure.assess(model, x, outputs=outputs, method=method, **others)


def drawn(mean, dispersion, seed=0):
    random = np.random.default_rng(seed)
    if not dispersion:
        return random.poisson(mean)
    return random.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))


def exact(mean, dispersion):
    return nbinom(1 / dispersion, 1 / (1 + dispersion * mean)) if dispersion else poisson(mean)


RATES = [(0.02, 0.0), (0.3, 4.0), (3.0, 0.2), (40.0, 1.0), (800.0, 0.01), (20.0, 1e-5), (2e4, 0.0)]


@pytest.mark.parametrize(("mean", "dispersion"), RATES)
def test_probabilities_and_scores_are_those_of_scipy_and_of_all_counts(mean, dispersion):
    of = exact(mean, dispersion)
    std = np.full(5, of.std())
    y = np.array([of.ppf(share) for share in (0.001, 0.2, 0.5, 0.9, 0.9999)])
    means = np.full(5, mean)
    np.testing.assert_allclose(counts.nll(means, std, y), -of.logpmf(y), rtol=1e-6)
    np.testing.assert_allclose(counts.above(y + 0.5, means, dispersion), of.sf(y), rtol=1e-6, atol=1e-12)
    every = np.arange(int(of.ppf(1 - 1e-14)) + 2)
    expected = [np.sum((of.cdf(every) - (every >= number)) ** 2) for number in y]
    np.testing.assert_allclose(counts.crps(means, std, y), expected, rtol=2e-7)
    for level in (0.5, 0.9, 0.99):
        low, high = counts.interval(means, std, level)[0]
        assert (low, high) == (of.ppf((1 - level) / 2), of.ppf((1 + level) / 2))
        held = counts.claimed(means, std, np.array([[low, high]] * 5))[0]
        assert held == pytest.approx(of.cdf(high) - of.cdf(low - 1))
        assert held >= level


def test_a_poisson_loss_has_the_variance_of_a_poisson_distribution():
    x = rows(50)
    logs = howsure.assess(network(), x, outputs="values", method=PLAIN).mean
    result = assess(network(), x)
    np.testing.assert_allclose(result.mean, np.exp(logs), rtol=1e-6)
    np.testing.assert_allclose(result.std, np.sqrt(result.mean))
    assert result.noise_from == "the model"
    rates = assess(network("relu"), x, "rates")
    np.testing.assert_allclose(rates.mean, np.maximum(logs, 0))
    np.testing.assert_allclose(rates.std, np.sqrt(rates.mean))
    ends = result.prediction_interval(0.9)[:, 0]
    np.testing.assert_array_equal(ends[:, 0], poisson.ppf(0.05, result.mean[:, 0]))
    np.testing.assert_array_equal(ends[:, 1], poisson.ppf(0.95, result.mean[:, 0]))
    np.testing.assert_array_equal(result[7].prediction_interval(0.9), result.prediction_interval(0.9)[7])
    assert np.isclose(result.above(3).probabilities[:, 1], poisson.sf(3, result.mean[:, 0])).all()
    assert result.above(3).class_names == ("at most 3", "above 3")


def test_networks_that_differ_make_a_mixture():
    x = rows(200)
    model = network(drop=0.3)
    method = howsure.MCDropout(passes=60, balanced=False)
    result = assess(model, x, method=method)
    networks = np.exp(howsure.passes(model, x, 60, outputs="values"))[..., 0]
    np.testing.assert_allclose(result.mean[:, 0], networks.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(result.noise**2, result.mean)
    for threshold, dispersion in itertools.product((0, 2, 7), (0.0, 0.6)):
        question = counts.with_dispersion(result, dispersion, "the model").above(threshold)
        expected = exact(networks, dispersion).sf(threshold).mean(axis=0)
        np.testing.assert_allclose(question.probabilities[:, 1], expected, atol=2e-4)  # of a sketch


def test_the_error_of_a_probability_holds():
    model, x = network(drop=0.3), rows(40)
    truth = np.exp(howsure.passes(model, x, 6000, outputs="values"))
    true = poisson.sf(3, truth[..., 0]).mean(axis=0)
    off = []
    for seed in range(1, 16):
        question = assess(model, x, method=howsure.MCDropout(passes=60, balanced=False), seed=seed).above(3)
        off.append(np.abs(question.probabilities[:, 1] - true) <= 1.96 * question.mc_error[:, 1])
    assert np.mean(off) >= 0.93


@pytest.mark.parametrize("dispersion", [0.0, 0.15, 1.5])
def test_the_over_dispersion_is_that_of_the_rows(dispersion):
    x = rows(3000)
    known = assess(network(), x)
    calibrator = howsure.calibrate(known, drawn(known.mean, dispersion))
    score = calibrator.values["value"]
    if not dispersion:
        assert score.value < 0.01
    else:
        assert score.low < dispersion < score.high
    # Of likelihoods by scipy no other is larger by more than rounding.
    y, mean = drawn(known.mean, dispersion), known.mean
    if score.value:
        sizes = score.value * np.array([0.99, 1.0, 1.01])
        worse = [-nbinom.logpmf(y, 1 / a, 1 / (1 + a * mean)).sum() for a in sizes]
        assert worse[1] == min(worse)
    new = calibrator(assess(network(), rows(20, seed=5)))
    np.testing.assert_allclose(new.noise**2, new.mean + score.value * new.mean**2)
    assert new.noise_from == "held-out rows"


def test_intervals_of_the_over_dispersion_hold():
    known, held = assess(network(), rows(200)), 0
    for seed in range(60):
        score = howsure.calibrate(known, drawn(known.mean, 0.4, seed)).values["value"]
        held += score.low <= 0.4 <= score.high
    assert binomtest(held, 60, 0.95).pvalue > 0.01


def test_coverage_and_probabilities_are_true_at_every_rate():
    known, new = assess(network(), rows(3000)), assess(network(), rows(20000, seed=3))
    result = howsure.calibrate(known, drawn(known.mean, 0.5))(new)
    y = drawn(new.mean, 0.5, seed=7)[:, 0]
    order = np.array_split(np.argsort(new.mean[:, 0]), 5)
    ends = result.prediction_interval(0.9)[:, 0]
    p, claim = (
        result.above(4).probabilities[:, 1],
        counts.claimed(result.mean, result.std, ends[:, None])[:, 0],
    )
    poisson_p = new.above(4).probabilities[:, 1]
    for part in order:
        inside = ((ends[:, 0] <= y) & (y <= ends[:, 1]))[part]
        error = 4 / np.sqrt(len(part))
        assert 0.9 - error * 0.3 <= inside.mean() == pytest.approx(claim[part].mean(), abs=0.3 * error)
        assert p[part].mean() == pytest.approx((y > 4)[part].mean(), abs=0.5 * error + 0.01)
    top = order[-1]
    assert abs(poisson_p[top].mean() - (y > 4)[top].mean()) > 0.05  # which a Poisson distribution gets wrong


def test_scores_are_those_of_scipy():
    known, x = assess(network(), rows(2000)), rows(500, seed=2)
    result = howsure.calibrate(known, drawn(known.mean, 0.5))(assess(network(), x))
    y = drawn(result.mean, 0.5, seed=4)
    found = howsure.evaluate(result, y)
    a = float((result.noise[0, 0] ** 2 - result.mean[0, 0]) / result.mean[0, 0] ** 2)
    of = exact(result.mean, a)
    assert found.nll.value == pytest.approx(-of.logpmf(y).mean())
    low, high = of.ppf(0.05), of.ppf(0.95)
    assert found.coverage[0.9].value == np.mean((low <= y) & (y <= high))
    assert found.width[0.9].value == pytest.approx(np.mean(high - low))
    assert not found.miscalibration.low > 0
    pit = counts.pit(result.mean[:, 0], result.std[:, 0], y[:, 0].astype(float), 0)
    assert kstest(pit, "uniform").pvalue > 0.01
    drawn_by_model = howsure.evaluate(assess(network(), x), y)
    assert drawn_by_model.minus(found)["nll"].low > 0
    assert drawn_by_model.miscalibration.low > 0


@pytest.mark.parametrize("drop", [None, 0.4])
def test_the_nll_of_networks_is_that_of_their_mixture(drop):
    x = rows(60)
    method = PLAIN if drop is None else howsure.MCDropout(passes=30, balanced=False)
    result = assess(network(drop=drop), x, method=method)
    y = drawn(result.mean, 0.0)
    score = howsure.evaluate(result, y).nll_mixture
    if drop is None:
        assert score is None
        return
    networks = np.exp(howsure.passes(network(drop=drop), x, 30, outputs="values"))[..., 0]
    expected = -np.log(poisson.pmf(y[:, 0], networks).mean(axis=0)).mean()
    assert score.value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("claims", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("together", [False, True])
def test_conformal_intervals_are_whole_and_keep_their_promise(claims, together):
    model = network(targets=2, shift=1.0)
    new = counts.with_dispersion(assess(model, rows(4000, 99)), claims, "the model")
    y, shares = drawn(new.mean, 0.5, 98), []
    for seed in range(60):
        known = counts.with_dispersion(assess(model, rows(80, seed)), claims, "the model")
        truth = drawn(known.mean, 0.5, seed)
        fitted = howsure.prediction_intervals(known, truth, coverage=0.9, together=together)
        ends = fitted(new)
        np.testing.assert_array_equal(ends, np.maximum(np.rint(ends), 0))
        assert (ends[..., 0] <= ends[..., 1]).all()
        held = (ends[..., 0] <= y) & (y <= ends[..., 1])
        shares.append(held.all(axis=-1).mean() if together else held.mean())
    assert np.mean(shares) >= 0.9 - 3 * np.std(shares) / np.sqrt(60)
    assert np.mean(shares) < 0.95  # and are hardly wider than they need be


def test_rules_calibrators_and_files_keep_counts(tmp_path):
    known = assess(network(targets=2, shift=1.0), rows(400), class_names=["births", "deaths"])
    y = drawn(known.mean, 0.5)
    calibrator = howsure.calibrate(known, y)
    calibrator.save(tmp_path / "c.json")
    read = RegressionCalibrator.load(tmp_path / "c.json")
    new = assess(network(targets=2, shift=1.0), rows(30, 8), class_names=["births", "deaths"])
    np.testing.assert_array_equal(read(new).std, calibrator(new).std)
    read(new).save(tmp_path / "r.parquet")
    again = howsure.load(tmp_path / "r.parquet")
    np.testing.assert_array_equal(again.prediction_interval(0.9), calibrator(new).prediction_interval(0.9))
    np.testing.assert_array_equal(
        again.of_target("deaths").prediction_interval(0.9), again.prediction_interval(0.9)[:, 1:]
    )
    rules = howsure.fit_rules(known, y, coverage=0.9, risk=0.2, tolerance=20)
    decided = rules(new)
    np.testing.assert_array_equal(decided.low, np.maximum(np.rint(decided.low), 0))
    with pytest.raises(InputError, match="another origin"):
        calibrator(
            howsure.assess(
                network(targets=2, shift=1.0),
                rows(9),
                outputs="values",
                method=PLAIN,
                class_names=["births", "deaths"],
            )
        )


def test_words_are_whole_numbers():
    result = assess(network(), rows(40)).with_truth(drawn(assess(network(), rows(40)).mean, 0.5))
    row = result[3]
    low, high = row.prediction_interval(0.95)[0]
    assert f"95 % of answers between {low:g} and {high:g}" in str(row)
    assert "95\u00a0% interval of the model is at most" in str(result)
    assert f"Truth: {result.truth[int(result.widest()[0]), 0]:g}." in str(result)


def test_wide_enough_intervals_are_not_called_too_wide():
    result = counts.with_dispersion(assess(network(shift=-1.5), rows(4000)), 0.0, "the model")
    result = result.with_truth(drawn(result.mean, 0.0))
    assert (result.prediction_interval(0.5)[:, 0, 0] <= result.mean[:, 0]).all()
    text = str(howsure.tasks.regression.printed.coverage_in_words(result))
    assert "chance may explain the difference" in text
    low, high = result.prediction_interval(0.95)[:, 0].T
    held = poisson(result.mean[:, 0]).cdf(high) - poisson(result.mean[:, 0]).cdf(low - 1)
    assert f"These claim {100 * held.mean():.1f} %, as they end at whole numbers" in text.replace("\xa0", " ")
    tight = replace(result, truth=drawn(result.mean, 3.0).astype(float))
    assert "too narrow" in howsure.tasks.regression.printed.coverage_in_words(tight)


def test_the_page_tells_of_counts(tmp_path):
    known = assess(network(shift=1.0), rows(1500))
    result = known.with_truth(drawn(known.mean, 0.0))
    result.report(tmp_path / "page.html")
    text = words_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "chance may explain the difference" in text
    assert "standard deviations of a new answer" not in text
    shares, low, high = drawings.quantile_shares(result)
    assert np.mean((low <= shares) & (shares <= high)) > 0.8
    result.with_truth(drawn(known.mean, 1.0)).report(tmp_path / "page.html")
    assert "too narrow" in (tmp_path / "page.html").read_text(encoding="utf-8").partition("How to read")[0]


def test_estimators_and_losses():
    from sklearn.linear_model import PoissonRegressor

    x = rows(300).astype(float)
    y = drawn(np.exp(0.3 * x[:, 0]), 0.0)
    model = PoissonRegressor().fit(x, y)
    result = howsure.assess(model, x, outputs="rates")
    np.testing.assert_allclose(result.mean[:, 0], model.predict(x))
    np.testing.assert_allclose(result.std, np.sqrt(result.mean))
    with pytest.warns(HowsureWarning, match=r"Poisson loss.*outputs='rates' reads"):
        howsure.assess(model, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda known: known.with_truth(np.full(60, 0.5)),
            "no counts in 60 rows.*whole numbers of at least 0",
        ),
        (lambda known: howsure.evaluate(known, np.arange(60) - 1), "no counts in row 0.*Received: -1"),
        (lambda known: known.with_noise(1.0), "no `noise` to set: the model predicts counts"),
        (lambda known: known.rescaled(0.0, 2.0), "no other unit: the model predicts counts"),
        (lambda known: howsure.calibrate(known, np.arange(60), scale_by=rows(60)), "learns over-dispersion"),
        (lambda known: known.above(np.nan), "`threshold` is no finite number"),
    ],
)
def test_what_counts_do_not_allow_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(assess(network(), rows(60)))


def test_outputs_that_are_no_rates_are_said():
    with pytest.raises(ModelError, match=r"negative expected counts in .*outputs='log-rates'"):
        assess(network(shift=-2.0), rows(60), "rates")
    zero = ArrayModel(
        "none",
        [InputSpec("x", (3,), "float32")],
        {"output": (Dense(np.zeros((3, 1)), np.zeros(1), "relu"), "x")},
    )
    known = assess(zero, rows(60), "rates")
    assert (known.prediction_interval(0.9) == 0).all()
    with pytest.raises(InputError, match="The expected count is 0, and the true one is not"):
        howsure.calibrate(known, np.ones(60))
