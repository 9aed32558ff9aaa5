"""Rows of another origin are refused by everything that is fitted, and what is no difference is accepted."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

import howsure
from howsure import Certainty, DenseCertainty, InputError, MultilabelCertainty, RegressionCertainty
from howsure.results.origin import FittedToRows, Origin

ROWS = 120
RANDOM = np.random.default_rng(0)
TRUTH = {
    "classes": RANDOM.integers(0, 3, ROWS),
    "labels": RANDOM.uniform(size=(ROWS, 2)) < 0.5,
    "numbers": RANDOM.normal(size=(ROWS, 2)),
    "positions": RANDOM.integers(0, 3, (ROWS, 2, 2)),
}


def result_of(answer, source=None):
    """A result of 120 rows whose truths are `TRUTH`."""
    truth, random = TRUTH[answer], np.random.default_rng(1)
    if answer == "classes":
        p = random.dirichlet([1, 1, 1], ROWS)
        return Certainty.from_probabilities(0.7 * p + 0.3 * np.eye(3)[truth], ["a", "b", "c"], source=source)
    if answer == "labels":
        p = 0.5 * random.uniform(size=truth.shape) + 0.4 * truth
        return MultilabelCertainty.from_probabilities(p, ["rain", "fog"], source=source)
    if answer == "numbers":
        mean = truth + random.normal(size=truth.shape)
        return RegressionCertainty.from_mean_std(mean, np.ones_like(mean), ["price", "age"], source=source)
    p = random.dirichlet([1, 1, 1], truth.shape)
    return DenseCertainty.from_probabilities(0.7 * p + 0.3 * np.eye(3)[truth], ["a", "b", "c"], source=source)


def with_method(result, **changes):
    return replace(result, method={**result.method, **changes})


NETWORK = {"name": "MC dropout", "passes": 400, "balanced": True, "model": "0123456789abcdef"}
DIFFERENCES = {
    "another method": {"name": "plain prediction"},
    "another number of passes": {"passes": 2},
    "other masks": {"balanced": False},
    "another model": {"model": "fedcba9876543210"},
    "rescaled": {"rescaled": {"mean": [0.0, 0.0], "std": [2.0, 2.0]}},
    "another label": {"label": "fog"},
    "another threshold": {"above": 3.0, "target": "price"},
    "calibrated": {"calibration": {"method": "temperature", "rows": 400, "temperature": 2.0}},
    "decided": {"rules": "0123"},
}
THE_SAME = {
    "other words": {"words": {"passes": "members"}},
    "another file": {"source": "monday.csv"},
    "weights are not shown": {"model": None},
}


def fits(answer):
    """Everything that is fitted to results of this kind."""
    known = with_method(result_of(answer), **NETWORK)
    truth = TRUTH[answer]
    yield "calibrator", howsure.calibrate(known, truth)
    if answer != "labels":
        of_tolerance = {"numbers": 2.5, "positions": 0.9}.get(answer)
        yield "abstention", howsure.abstain(known, truth, risk=0.5, tolerance=of_tolerance)
    if answer in ("classes", "positions"):
        yield "sets", howsure.prediction_sets(known, truth, coverage=0.8)
    if answer == "numbers":
        yield "intervals", howsure.prediction_intervals(known, truth, coverage=0.8)


@pytest.mark.parametrize("answer", TRUTH)
def test_rows_of_another_origin_are_refused_with_the_difference(answer):
    known = with_method(result_of(answer), **NETWORK)
    for name, fitted in fits(answer):
        assert isinstance(fitted, FittedToRows)
        for difference, changes in DIFFERENCES.items():
            with pytest.raises(InputError, match=r"another origin|calibrated already") as error:
                fitted(with_method(known, **changes))
            message = str(error.value)
            assert "Expected" in message, (name, difference)
            if "already" not in message:
                assert (
                    message.split("Expected: ")[1].split("Received: ")[0] not in message.split("Received")[1]
                )


@pytest.mark.parametrize("answer", TRUTH)
def test_what_is_no_difference_is_accepted(answer):
    known = with_method(result_of(answer), **NETWORK)
    for name, fitted in fits(answer):
        for difference, changes in THE_SAME.items():
            changed = {key: value for key, value in {**known.method, **changes}.items() if value is not None}
            rows = replace(known, method=changed, seed=7)[::-1]
            assert len(fitted(rows)) == ROWS, (name, difference)
        assert len(fitted(known[:0])) == 0


def test_rows_that_came_without_an_origin_are_told_apart_by_what_was_done_since():
    rows, truth = result_of("classes"), TRUTH["classes"]
    sets = howsure.prediction_sets(rows, truth, coverage=0.8)
    calibrated = howsure.calibrate(rows, truth)(rows)
    assert sets(result_of("classes", source="monday.csv")).shape == (ROWS, 3)
    with pytest.raises(InputError, match=r"not calibrated.*Received: rows that are calibrated"):
        sets(calibrated)
    with pytest.raises(InputError, match=r"`fitted\(calibrator\(result\)\)`"):
        replace(sets, origin=Origin.of(calibrated))(rows)


def test_intervals_of_the_standardised_unit_are_not_those_of_the_target():
    rows, truth = result_of("numbers"), TRUTH["numbers"]
    intervals = howsure.prediction_intervals(rows, truth, coverage=0.8)
    with pytest.raises(InputError, match="before `rescaled`"):
        intervals(rows.rescaled([10.0, 0.0], [2.0, 1.0]))
    moved = rows.rescaled([10.0, 0.0], [2.0, 1.0])
    again = howsure.prediction_intervals(moved, truth * [2, 1] + [10, 0], coverage=0.8)
    np.testing.assert_allclose(again(moved)[:, 0], 2 * intervals(rows)[:, 0] + 10)


def test_a_rule_for_rain_is_none_for_fog():
    rows, truth = result_of("labels"), TRUTH["labels"]
    rain = howsure.abstain(rows.of_label("rain"), truth[:, 0].astype(int), risk=0.4)
    assert rain(rows.of_label("rain")).shape == (ROWS,)
    with pytest.raises(InputError, match=r"label 'rain'.*label 'fog'"):
        rain(rows.of_label("fog"))
    with pytest.raises(InputError, match=r"label 'rain'.*label 'fog'"):
        howsure.Comparison.of_results(
            {"rain": rows.of_label("rain"), "fog": rows.of_label("fog")}, truth[:, 0].astype(int)
        )
    calibrator = howsure.calibrate(rows, truth)
    assert len(calibrator.of_label["fog"](rows.of_label("fog"))) == ROWS
    with pytest.raises(InputError, match=r"label 'rain'.*label 'fog'"):
        calibrator.of_label["rain"](rows.of_label("fog"))


def test_a_model_is_known_by_its_weights_in_files_and_after_loading(tmp_path):
    import joblib

    x, y = RANDOM.normal(size=(200, 4)), np.arange(200) % 2
    forest, other = (ExtraTreesClassifier(5, max_depth=3, random_state=seed).fit(x, y) for seed in range(2))
    known = howsure.assess(forest, x)
    calibrator = howsure.calibrate(known, y)
    calibrator.save(tmp_path / "calibrator.json")
    loaded = howsure.Calibrator.load(tmp_path / "calibrator.json")
    assert loaded.origin == calibrator.origin == Origin.of(known)
    joblib.dump(forest, tmp_path / "forest.joblib")
    again = joblib.load(tmp_path / "forest.joblib")
    again.n_jobs = 2
    known.save(tmp_path / "known.parquet")
    for same in (howsure.assess(again, x[:3]), howsure.load(tmp_path / "known.parquet")):
        assert len(loaded(same)) == len(same)
    with pytest.raises(InputError, match=r"SHA-256.*SHA-256"):
        loaded(howsure.assess(other, x[:3]))
    with pytest.raises(InputError, match="cannot be joined"):
        Certainty.joined([known, howsure.assess(other, x[:3])])
    with pytest.raises(InputError, match="SHA-256"):
        howsure.evaluate(known, y, outside=howsure.assess(other, x[:3]))


def test_members_of_an_ensemble_count():
    x, y = RANDOM.normal(size=(60, 4)), np.arange(60) % 2
    one, two, three = (ExtraTreesClassifier(3, random_state=seed).fit(x, y) for seed in range(3))
    results = [
        howsure.assess(one, x, method=howsure.Ensemble([other], each=howsure.PlainPrediction()))
        for other in (two, three, two)
    ]
    first, second, third = (Origin.of(result) for result in results)
    assert first == third
    assert first != second
