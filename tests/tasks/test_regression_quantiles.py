"""Quantiles of answers: read, scored and corrected as scikit-learn and MAPIE do, or refused."""

import itertools
import logging
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

import howsure
from howsure import InputError, ModelError, RegressionCertainty
from howsure.errors import HowsureWarning
from howsure.external.files import read_result
from howsure.inputs.rows import InputSpec
from howsure.tasks.regression import drawings
from tests.doors.said import words_of
from tests.support.arrays import ArrayModel, Dense, Dropout

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw(rows, seed=0, targets=1, claimed=1.0):
    """Quantiles of normal answers, as wide as claimed, whose noise differs by row."""
    random = np.random.default_rng(seed)
    mean, std = random.normal(size=(rows, targets)), np.exp(random.normal(size=(rows, targets)))
    quantiles = mean[..., None] + claimed * std[..., None] * norm.ppf(LEVELS)
    y = mean + std * random.normal(size=(rows, targets))
    return RegressionCertainty.from_quantiles(quantiles, LEVELS).with_truth(y)


def covered(ends, result):
    return (ends[..., 0] <= result.truth) & (result.truth <= ends[..., 1])


def test_what_is_given_is_what_is_told():
    q = np.array([[1.0, 2, 3, 4, 5], [0, 0, 1, 1, 9]])
    result = RegressionCertainty.from_quantiles(q, LEVELS, ["price"], ids=["a", "b"])
    assert result.mean[:, 0].tolist() == [3, 1]
    assert result.prediction_interval(0.9)[:, 0].tolist() == [[1, 5], [0, 9]]
    assert result.prediction_interval(0.5)[:, 0].tolist() == [[2, 4], [0, 1]]
    assert np.isnan(result.std).all()
    assert str(result[0]) == "3.00; 90 % of answers between 1.0 and 5.0."
    assert result.widest().tolist() == [1, 0]
    two = RegressionCertainty.from_quantiles(np.hstack([q, 10 * q]), LEVELS, ["kg", "m"])
    np.testing.assert_array_equal(two.answer_quantiles[:, 1], 10 * q)
    np.testing.assert_array_equal(two.of_target("m").answer_quantiles, 10 * q[:, None])
    outer = RegressionCertainty.from_quantiles(q[:, [0, 4]], (0.05, 0.95))
    assert outer.mean[:, 0].tolist() == [3, 4.5]
    moved = outer.rescaled(1.0, 2.0)
    np.testing.assert_array_equal(moved.answer_quantiles[:, 0], 2 * q[:, [0, 4]] + 1)


def test_quantiles_that_cross_are_sorted_and_said():
    with pytest.warns(HowsureWarning, match="Quantiles cross in row 1"):
        result = RegressionCertainty.from_quantiles([[1.0, 2, 3], [3, 2, 1]], (0.1, 0.5, 0.9))
    assert result.answer_quantiles[1, 0].tolist() == [1, 2, 3]


def test_scores_are_those_of_scikit_learn_and_of_the_definition():
    result = draw(400)
    found, y, q = howsure.evaluate(result), result.truth[:, 0], result.answer_quantiles[:, 0]
    losses = [mean_pinball_loss(y, q[:, place], alpha=level) for place, level in enumerate(LEVELS)]
    assert found.pinball.value == pytest.approx(np.mean(losses))
    assert list(found.coverage) == [0.5, 0.9]
    assert found.coverage[0.9].value == np.mean((q[:, 0] <= y) & (y <= q[:, 4]))
    assert found.width[0.5].value == pytest.approx(np.mean(q[:, 3] - q[:, 1]))
    # The interval score is 2/α times the pinball losses at both ends (Gneiting and Raftery 2007).
    assert found.interval_score[0.9].value == pytest.approx((losses[0] + losses[4]) * 2 / 0.1)
    assert (found.nll, found.crps, found.note) == (None, None, "")
    assert found.aurg.low > 0
    wider = howsure.evaluate(draw(400, claimed=3.0))
    assert wider.minus(found)["pinball"].low > 0
    assert list(howsure.evaluate(draw(99, targets=2)).coverage_together) == [0.5, 0.9]


def test_corrected_intervals_are_those_of_mapie(monkeypatch):
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # which its messages would call
    pytest.importorskip("mapie", reason="MAPIE is not installed")
    from mapie.regression import ConformalizedQuantileRegressor
    from sklearn.base import BaseEstimator, RegressorMixin

    class Told(RegressorMixin, BaseEstimator):
        def __init__(self, column=0):
            self.column, self.fitted_ = column, True

        def fit(self, x, y):
            return self

        def predict(self, x):
            return x[:, self.column]

    known, new = draw(333, claimed=0.5), draw(50, seed=1, claimed=0.5)
    theirs = ConformalizedQuantileRegressor([Told(0), Told(4), Told(2)], confidence_level=0.9, prefit=True)
    theirs.conformalize(known.answer_quantiles[:, 0], known.truth[:, 0])
    _, found = theirs.predict_interval(new.answer_quantiles[:, 0], symmetric_correction=True)
    ours = howsure.prediction_intervals(known, coverage=0.9)(new)
    np.testing.assert_allclose(ours[:, 0], found[:, :, 0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("claimed", [0.3, 3.0])
@pytest.mark.parametrize("together", [False, True])
def test_the_promise_holds_however_wrong_the_quantiles_are(claimed, together):
    new, shares = draw(3000, 10**6, 3, claimed), []
    for seed in range(100):
        fitted = howsure.prediction_intervals(draw(60, seed, 3, claimed), coverage=0.9, together=together)
        held = covered(fitted(new), new)
        shares.append(held.all(axis=-1).mean() if together else held.mean())
    # Where intervals shrink to their middle they hold no more than before.
    assert np.mean(shares) == pytest.approx(np.ceil(61 * 0.9) / 61, abs=4 * np.std(shares) / 10)
    assert "corrected from quantiles 0.05 and 0.95 of the model" in str(fitted)


def test_the_nearest_pair_is_corrected_for_another_coverage():
    known = draw(200)
    assert howsure.prediction_intervals(known, coverage=0.6).levels == (0.25, 0.75)
    low, high = np.moveaxis(howsure.prediction_intervals(draw(200, claimed=9.0), coverage=0.5)(known), -1, 0)
    assert (low <= high).all()


def test_rules_decide_and_files_keep_quantiles(tmp_path):
    known, new = draw(400), draw(30, seed=1)
    rules = howsure.fit_rules(known, known.truth, calibrate=False, coverage=0.9, risk=0.2, tolerance=1.5)
    rules.save(tmp_path / "rules.json")
    decided = howsure.load(tmp_path / "rules.json")(new)
    ends = np.stack([decided.low, decided.high], axis=-1)
    np.testing.assert_array_equal(ends, rules.sets(new))
    width = np.ptp(new.answer_quantiles, axis=-1)[:, 0]
    assert width[~decided.hand_over].max() < width[decided.hand_over].min()
    decided.save(tmp_path / "rows.parquet")
    again = howsure.load(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(again.answer_quantiles, new.answer_quantiles)
    assert again.levels == LEVELS
    other = RegressionCertainty.from_quantiles(new.answer_quantiles[..., [0, 4]], (0.1, 0.9))
    with pytest.raises(InputError, match="settings"):
        rules(other)


def test_a_wide_row_is_for_a_person():
    known = draw(500)
    rule = howsure.abstain(known, risk=0.1, tolerance=3.0)
    assert rule.ranked_by == "width"
    width, handed = np.ptp(known.answer_quantiles, axis=-1)[:, 0], rule(known)
    assert width[~handed].max() < width[handed].min()


@pytest.mark.parametrize(
    "columns",
    [
        {"q05": [1.0, 2], "q50": [2.0, 3], "q95": [3.0, 9], "y": [1.5, 2], "id": ["a", "b"]},
        {"q95.kg": [3.0, 9], "q05.kg": [1.0, 2], "q05.m": [0.0, 0], "q95.m": [1.0, 1], "id": ["a", "b"]},
    ],
)
def test_a_table_is_read(columns, tmp_path):
    pd.DataFrame(columns).to_csv(tmp_path / "rows.csv", index=False)
    result = read_result(tmp_path / "rows.csv")
    assert result.prediction_interval(0.9)[:, 0].tolist() == [[1, 3], [2, 9]]
    assert result.ids.tolist() == ["a", "b"]
    assert result.target_names == (("kg", "m") if "q05.m" in columns else ("value",))
    assert (result.truth is None) == ("y" not in columns)


def test_a_target_without_all_quantiles_is_told(tmp_path):
    pd.DataFrame({"q05.a": [1.0], "q95.a": [2.0], "q05.b": [1.0]}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(InputError, match=r"lacks quantiles of some targets.*'q95' for each of 'a', 'b'"):
        read_result(tmp_path / "rows.csv")


# --- a model that puts them out ---------------------------------------------------------------------------

NAMES = ["kg", "m"]


def network(targets=2, levels=LEVELS):
    """A network with dropout whose outputs ascend in each target, and rows."""
    random = np.random.default_rng(0)
    wide = np.exp(random.normal(size=(6, targets)))[..., None] * np.arange(1, 1 + len(levels))
    steps = {
        "hidden": (Dense(random.normal(size=(4, 6)), random.normal(size=6), "relu"), "x"),
        "drop": (Dropout(0.4), "hidden"),
        "output": (Dense(wide.reshape(6, -1), np.zeros(targets * len(levels)), "linear"), "drop"),
    }
    x = random.normal(size=(40, 4)).astype(np.float32)
    return ArrayModel("heads", [InputSpec("x", (4,), "float32")], steps), x


def assess(model, x, levels=LEVELS, **others):
    return howsure.assess(model, x, outputs="quantiles", levels=levels, **others)


@pytest.mark.parametrize(
    "method", [howsure.MCDropout(passes=64), howsure.PlainPrediction(), howsure.MCDropout(max_passes=400)]
)
def test_quantiles_of_a_model_are_its_numbers_side_by_side(method):
    model, x = network()
    result = assess(model, x, method=method, class_names=NAMES)
    plain = howsure.assess(model, x, method=method, outputs="values")
    np.testing.assert_array_equal(result.answer_quantiles, plain.mean.reshape(40, 2, 5))
    for name in ("mean", "mc_error", "spread", "spread_error", "quantiles", "networks"):
        expected = getattr(plain, name)
        found = getattr(result, name)
        assert (found is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(found, expected[:, [2, 7]], err_msg=name)
    assert np.isnan(result.std).all()
    assert (result.levels, result.target_names) == (LEVELS, ("kg", "m"))
    given = RegressionCertainty.from_quantiles(plain.mean, LEVELS, NAMES)
    y = np.random.default_rng(1).normal(size=(40, 2))
    ours, theirs = (
        howsure.evaluate(quantiles, y).of_target["m"].pinball.value for quantiles in (result, given)
    )
    assert ours == theirs
    blocks = howsure.stream(model, x, method=method, outputs="quantiles", levels=LEVELS)
    np.testing.assert_array_equal(next(blocks).answer_quantiles, result.answer_quantiles)


def test_without_a_median_the_middle_is_told():
    model, x = network(1, (0.1, 0.9))
    method = howsure.MCDropout(passes=64)
    result = assess(model, x, (0.1, 0.9), method=method)
    plain = howsure.assess(model, x, method=method, outputs="values")
    np.testing.assert_allclose(result.mean[:, 0], plain.mean.mean(axis=-1))
    np.testing.assert_allclose(result.mc_error[:, 0], plain.mc_error.mean(axis=-1))
    assert result.spread is None
    assert " ± " in str(result[0])


def test_outputs_that_cross_are_said_by_the_numbers_of_rows():
    _, x = network()
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(4, 3)), np.arange(3.0)
    steps = {"output": (Dense(weights, bias, "linear"), "x")}
    model = ArrayModel("heads", [InputSpec("x", (4,), "float32")], steps)
    crossed = np.flatnonzero((np.diff(x @ weights + bias, axis=-1) < 0).any(axis=-1))
    with pytest.warns(HowsureWarning, match=f"cross in {len(crossed)} rows: {crossed[0]}, {crossed[1]}"):
        result = assess(model, x, (0.1, 0.5, 0.9), method=howsure.PlainPrediction())
    np.testing.assert_allclose(result.answer_quantiles[:, 0], np.sort(x @ weights + bias, axis=-1))


@pytest.mark.filterwarnings("ignore:The threshold lies beyond")
def test_the_probability_of_a_number_above_lies_on_lines_between_quantiles():
    given = draw(300, targets=2)
    p = given.above(0.4, 1).probabilities[:, 1]
    expected = [1 - np.interp(0.4, row, LEVELS) for row in given.answer_quantiles[:, 1]]
    np.testing.assert_allclose(p, expected, atol=1e-12)
    assert (p.min(), p.max()) == pytest.approx((0.05, 0.95))
    same = RegressionCertainty.from_quantiles([[1.0, 1, 1, 2, 3], [1, 1, 1, 1, 1]], LEVELS)
    found = [same.above(limit).probabilities[:, 1] for limit in (0.9, 1.0, 1.5)]
    np.testing.assert_allclose(found, [[0.95, 0.95], [0.5, 0.05], [0.375, 0.05]])
    model, x = network(1)
    result = assess(model, x, method=howsure.MCDropout(passes=64))
    question = result.above(9.0)
    expected = [1 - np.interp(9.0, row, LEVELS) for row in result.answer_quantiles[:, 0]]
    np.testing.assert_allclose(question.probabilities[:, 1], expected, atol=1e-12)
    assert (question.expected_entropy <= question.entropy).all()
    assert question.spread.max() > 0


def test_rows_beyond_all_quantiles_are_said():
    result = draw(50)
    ends = result.answer_quantiles[:, 0]
    beyond = np.flatnonzero((ends[:, 0] > 2) | (ends[:, -1] < 2))
    with pytest.warns(HowsureWarning, match=rf"outermost quantiles in {len(beyond)} rows: {beyond[0]}, "):
        result.above(2.0)


@pytest.mark.filterwarnings("ignore:The threshold lies beyond")
def test_the_error_of_that_probability_holds():
    model, x = network(1)
    many = howsure.passes(model, x, 4000, outputs="values").mean(axis=0)
    true = np.array([1 - np.interp(9.0, row, LEVELS) for row in many])
    held = []
    for seed in range(1, 16):
        method = howsure.MCDropout(passes=60, balanced=False)
        question = assess(model, x, method=method, seed=seed).above(9.0)
        held.append(np.abs(question.probabilities[:, 1] - true) <= 1.96 * question.mc_error[:, 1])
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("claimed", [1.0, 0.3])
def test_the_page_shows_whether_quantiles_come_true(targets, claimed, tmp_path):
    result = draw(400, targets=targets, claimed=claimed)
    result.report(tmp_path / "page.html")
    text = words_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    ends = result.answer_quantiles[..., [0, -1]]
    inside = covered(ends, result).mean(axis=0)
    for share in inside:
        assert re.search(rf"{100 * share:.1f}\s% \(", text), (share, text[:900])
    assert ("too narrow" in text.partition("How to read")[0]) == (claimed < 1)
    assert re.search(r"90\s% of answers", text)
    assert not re.search(r"95\s% of answers|howsure.compare", text)
    assert "calibrate=False" in text
    shares = drawings.quantile_shares(result.of_target(0))[0]
    below = (result.truth[:, :1] <= result.answer_quantiles[:, 0]).mean(axis=0)
    np.testing.assert_array_equal(shares, below)


def test_rules_decide_what_a_model_predicts(tmp_path):
    model, x = network(1)
    y = assess(model, x).mean + np.random.default_rng(0).normal(size=(40, 1))
    known = assess(model, {"x": x, "y": y})
    np.testing.assert_array_equal(known.truth, y)
    rules = howsure.fit_rules(known, y, calibrate=False, coverage=0.9, risk=0.5, tolerance=2.0)
    decided = assess(model, x[:7], rules=rules)
    np.testing.assert_array_equal(np.stack([decided.low, decided.high], -1), rules.sets(assess(model, x[:7])))
    with pytest.raises(InputError, match="settings"):
        assess(model, x[:7], (0.1, 0.3, 0.5, 0.7, 0.9), rules=rules)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"levels": LEVELS}, "go together"),
        ({"outputs": "quantiles"}, "go together"),
        ({"outputs": "quantiles", "levels": (0.1, 0.2)}, "`levels` cannot be used"),
        ({"outputs": "quantiles", "levels": (0.05, 0.5, 0.95)}, "a quantile for each of 3 levels"),
        ({"outputs": "quantiles", "levels": LEVELS, "class_names": ["kg"]}, "Expected: 2 names"),
        ({"outputs": "quantiles", "levels": LEVELS, "keep": "groups"}, "No groups are kept of quantiles"),
    ],
)
def test_wishes_that_do_not_fit_are_said(wishes, message):
    model, x = network()
    with pytest.raises((InputError, ModelError), match=message):
        howsure.assess(model, x, method=howsure.MCDropout(passes=16), **wishes)


def test_a_function_without_levels_names_those_that_take_them():
    model, x = network()
    with pytest.raises(InputError, match=r"howsure.plan and howsure.compare take them.*outputs='values'"):
        howsure.passes(model, x, 4, outputs="quantiles")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda known: howsure.calibrate(known), "nothing to calibrate.*fit_rules takes calibrate=False"),
        (lambda known: known.with_noise(1.0), "no `noise` to set"),
        (lambda known: known.prediction_interval(0.8), "No two quantiles.*Expected: 0.5 or 0.9"),
        (lambda known: RegressionCertainty.from_quantiles(np.zeros((3, 4)), LEVELS), "do not fit the levels"),
        (lambda known: RegressionCertainty.from_quantiles(np.full((3, 2), np.nan), (0.1, 0.9)), "NaN"),
        (lambda known: RegressionCertainty.from_quantiles(np.zeros((3, 2)), (0.1, 0.8)), "`levels` cannot"),
        (lambda known: RegressionCertainty.from_quantiles(np.zeros((3, 2)), (0.9, 0.1)), "`levels` cannot"),
        (
            lambda known: howsure.prediction_intervals(known)(
                RegressionCertainty.from_mean_std(known.mean, np.ones_like(known.mean))
            ),
            "Received",
        ),
    ],
)
def test_bad_input_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(draw(60))


@pytest.mark.parametrize("targets", [["price"], ["price", "age"]])
def test_a_csv_file_has_a_column_for_each_quantile(targets, tmp_path):
    levels = {"q025": 0.025, "q10": 0.1, "q90": 0.9, "q975": 0.975}
    values = np.sort(np.random.default_rng(0).normal(size=(5, len(targets), 4)), axis=-1)
    result = howsure.RegressionCertainty.from_quantiles(values, tuple(levels.values()), targets)
    result.save(tmp_path / "q.csv")
    written = pd.read_csv(tmp_path / "q.csv")
    for (k, target), (place, name) in itertools.product(enumerate(targets), enumerate(levels)):
        column = name if len(targets) == 1 else f"{name}.{target}"
        np.testing.assert_allclose(written[column], values[:, k, place])
    assert list(result.to_pandas().columns) == list(written.columns)
