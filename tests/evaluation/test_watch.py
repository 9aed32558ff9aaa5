"""A watch over rules: alarms, what it says of them, labels that are missing, groups, and files."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import Certainty, DenseCertainty, FileError, InputError, MultilabelCertainty, RegressionCertainty
from tests.commands import done, flat, run

ROWS = 600


def classes(random, rows, fall=0.0):
    p = random.dirichlet([0.4, 0.4, 0.4], rows)
    truth = (p.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    wrong = random.random(rows) < fall
    return Certainty.from_probabilities(p, ["a", "b", "c"]), np.where(wrong, p.argmin(axis=1), truth)


def labels(random, rows, fall=0.0):
    p = random.beta(0.3, 0.3, (rows, 2))
    truth = random.random(p.shape) < p
    wrong = random.random((rows, 1)) < fall
    return MultilabelCertainty.from_probabilities(p, ["rain", "fog"]), np.where(wrong, p < 0.5, truth)


def numbers(random, rows, fall=0.0):
    mean, std = random.normal(size=(rows, 2)), random.uniform(0.5, 2, (rows, 2))
    truth = mean + std * random.normal(size=mean.shape)
    truth[:, 1] += np.where(random.random(rows) < fall, 20.0, 0.0)
    return RegressionCertainty.from_mean_std(mean, std, ["price", "age"]), truth


def positions(random, rows, fall=0.0):
    p = random.dirichlet([0.3, 0.3, 0.3], (rows, 4))
    truth = (p.cumsum(axis=-1) > random.random((rows, 4, 1))).argmax(axis=-1)
    wrong = random.random((rows, 1)) < fall
    return DenseCertainty.from_probabilities(p, ["a", "b", "c"]), np.where(wrong, p.argmin(axis=-1), truth)


WISHES = {
    classes: {"risk": 0.25},
    labels: {"risk": 0.3},
    numbers: {"risk": 0.3, "tolerance": 3.0},
    positions: {"risk": 0.3, "tolerance": 0.6},
}


@pytest.fixture(params=WISHES, ids=lambda make: make.__name__)
def make(request):
    return request.param


@cache
def rules_of(make, **more):
    return howsure.fit_rules(*make(np.random.default_rng(0), ROWS), **(WISHES[make] | more))


def test_a_promise_that_holds_raises_no_alarm_and_one_that_breaks_does(make, tmp_path):
    random, rules = np.random.default_rng(1), rules_of(make)
    watch = howsure.watch(rules)
    assert "No rows with labels yet" in str(watch)
    result, truth = make(random, 900)
    watch.update(rules(result[:500]), truth[:500])
    watch.update(rules(result[500:]).with_truth(truth[500:]))
    assert not watch.alarm
    assert watch.since is None
    assert str(watch).startswith("Nothing speaks against the promise in 900 rows. ")
    result, truth = make(random, 600, fall=0.6)
    watch.update(rules(result), truth)
    assert watch.alarm
    assert abs(watch.since - 901) < 100
    assert str(watch).startswith(f"The promise does not hold any more, since about row {watch.since:,}. ")
    watch.report(tmp_path / "watch.html")
    assert "since here" in (tmp_path / "watch.html").read_text()
    watch.save(tmp_path / "watch.json")
    assert str(howsure.load(tmp_path / "watch.json")) == str(watch)
    result, truth = make(random, 900)
    watch.update(rules(result), truth)
    assert watch.alarm


def test_the_losses_are_those_that_the_promise_is_about(make):
    rules = rules_of(make)
    result, truth = make(np.random.default_rng(2), 300)
    decided, watch = rules(result).with_truth(truth), howsure.watch(rules)
    watch.update(decided)
    now, expected = watch._with_labels.now, []
    if make is classes:
        expected = [(~decided.in_set[np.arange(300), truth]).sum()]
    elif make is labels:
        missed = (truth & ~decided.in_set).sum(axis=1)
        expected = [(missed / np.maximum(truth.sum(axis=1), 1)).sum()]
    elif make is numbers:
        expected = [*((truth < decided.low) | (truth > decided.high)).sum(axis=0)]
    np.testing.assert_allclose(now.totals[:-1], expected)
    accepted = ~decided.hand_over
    assert now.draws[-1] == accepted.sum()
    if make is classes:
        assert now.totals[-1] == (decided.label != truth)[accepted].sum()
    if make is numbers:
        assert now.totals[-1] == (np.abs(truth - decided.mean) > 3).any(axis=1)[accepted].sum()


def test_it_names_the_class_and_the_id_of_the_row():
    random, rules = np.random.default_rng(3), rules_of(classes, risk=None)
    watch = howsure.watch(rules)
    result, truth = classes(random, 1500)
    p = np.where((truth == 1)[:, None] & (np.arange(1500) > 700)[:, None], 0.0, result.probabilities)
    p[p.sum(axis=1) == 0] = [1.0, 0.0, 0.0]
    frame = pd.DataFrame(p, columns=["a", "b", "c"], index=[f"r{row}" for row in range(1500)])
    watch.update(rules(Certainty.from_probabilities(frame)), truth)
    assert watch.alarm
    assert f"('r{watch.since - 1}')" in str(watch)
    assert "Most of that is on 'b'" in str(watch)


@pytest.mark.parametrize("form", ["list", "floats", "series", "texts"])
def test_rows_without_a_label_are_left_out_and_counted(form):
    rules = rules_of(classes)
    result, truth = classes(np.random.default_rng(4), 100)
    known = np.arange(100) % 10 != 3
    given = {
        "list": [int(label) if is_known else None for label, is_known in zip(truth, known, strict=True)],
        "floats": np.where(known, truth, np.nan),
        "series": pd.Series(truth).where(known),
        "texts": np.where(known, np.array(["a", "b", "c"], object)[truth], None),
    }[form]
    watch, of_known = howsure.watch(rules), howsure.watch(rules)
    watch.update(rules(result), given)
    of_known.update(rules(result)[known], truth[known])
    assert (watch.rows, watch.missing) == (100, 10)
    np.testing.assert_array_equal(watch._with_labels.growth, of_known._with_labels.growth)
    assert "10 rows had no label" in str(watch)


def test_a_group_counts_as_one_draw():
    random, groups = np.random.default_rng(5), np.repeat(np.arange(60), 10)
    result, truth = classes(random, ROWS)
    rules = howsure.fit_rules(result, truth, groups=groups, risk=None, coverage=0.8)
    watch = howsure.watch(rules)
    new, of_new = classes(random, 40)
    watch.update(rules(new), of_new, groups=np.tile(np.arange(10), 4))
    missed = ~rules(new).in_set[np.arange(40), of_new]
    assert watch._with_labels.now.draws[0] == 10
    assert watch._with_labels.now.totals[0] == pytest.approx(missed.mean() * 10)
    with pytest.raises(InputError, match="no groups are given"):
        watch.update(rules(new), of_new)


def test_rows_without_labels_tell_that_rows_have_changed():
    random, rules = np.random.default_rng(6), rules_of(classes)
    watch = howsure.watch(rules)
    watch.update(rules(classes(random, 500)[0]))
    assert not watch.changed
    assert "500 rows without labels are like those at fitting" in str(watch)
    watch.update(rules(Certainty.from_probabilities(random.dirichlet([20, 20, 20], 500), ["a", "b", "c"])))
    assert watch.changed
    assert not watch.alarm
    assert "That is no broken promise" in str(watch)


def test_rows_that_other_rules_decided_or_none_are_refused():
    rules, others = rules_of(classes), rules_of(classes, coverage=0.8)
    result, truth = classes(np.random.default_rng(7), 50)
    watch = howsure.watch(rules)
    with pytest.raises(InputError, match=r"No rules have decided.*rules\(result\)"):
        watch.update(result, truth)
    with pytest.raises(InputError, match=r"Other rules.*howsure\.watch\(rules\)"):
        watch.update(others(result), truth)
    with pytest.raises(InputError, match="another kind"):
        watch.update(numbers(np.random.default_rng(0), 5)[0])
    with pytest.raises(InputError, match="fit_rules"):
        howsure.watch("rules.json")
    assert watch.rows == 0


def test_the_same_rows_twice_are_noticed():
    rules = rules_of(classes)
    result, truth = classes(np.random.default_rng(8), 100)
    watch = howsure.watch(rules)
    watch.update(rules(result))
    watch.update(rules(result), truth)
    with pytest.warns(howsure.HowsureWarning, match="100 rows of the last portion"):
        watch.update(rules(result), truth)


def test_rows_that_the_calibrator_has_learnt_from_are_noticed():
    result, truth = classes(np.random.default_rng(0), ROWS)
    rules = howsure.fit_rules(result, truth, **WISHES[classes])
    with pytest.warns(howsure.HowsureWarning, match="they say too little against its promise"):
        howsure.watch(rules).update(rules(result), truth)


def test_a_changed_file_is_refused(tmp_path):
    howsure.watch(rules_of(classes)).save(tmp_path / "watch.json")
    text = (tmp_path / "watch.json").read_text()
    (tmp_path / "watch.json").write_text(text.replace('"rows": 0', '"rows": 7'))
    with pytest.raises(FileError, match="not a saved watch"):
        howsure.load(tmp_path / "watch.json")


def test_the_command_goes_on_and_its_exit_code_is_1_on_an_alarm(tmp_path):
    random, rules = np.random.default_rng(9), rules_of(classes)
    rules.save(tmp_path / "rules.json")
    state = tmp_path / "state.json"
    options = ["--rules", str(tmp_path / "rules.json"), "--state", str(state)]
    result, truth = classes(random, 300)
    result.with_truth(truth).save(tmp_path / "good.parquet")
    assert "in 300 rows" in flat(done("watch", str(tmp_path / "good.parquet"), *options))
    result, truth = classes(random, 300, fall=0.6)
    rules(result).save(tmp_path / "bad.parquet")
    pd.DataFrame({"y": np.array(["a", "b", "c"])[truth]}).to_csv(tmp_path / "labels.csv", index=False)
    shown = run("watch", str(tmp_path / "bad.parquet"), *options, "--labels", str(tmp_path / "labels.csv"))
    assert shown.exit_code == 1
    assert "does not hold any more" in flat(shown.output)
    watch = howsure.load(state)
    assert watch.alarm
    assert watch.rows == 600
    rules_of(classes, coverage=0.8).save(tmp_path / "rules.json")
    shown = run("watch", str(tmp_path / "good.parquet"), *options)
    assert shown.exit_code == 2
    assert "watches other rules" in flat(shown.output)
