"""Rules: divided rows, decided rows, files, and the words of a promise."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import howsure
from howsure import Certainty, DenseCertainty, FileError, InputError, MultilabelCertainty, RegressionCertainty
from howsure.evaluation.rules import rules_in

ROWS = 600
RANDOM = np.random.default_rng(0)


def classes():
    p = RANDOM.dirichlet([0.4, 0.4, 0.4], ROWS)
    truth = np.array([RANDOM.choice(3, p=row) for row in p])
    return Certainty.from_probabilities(p, ["a", "b", "c"]), truth, {"risk": 0.25}


def labels():
    p = RANDOM.beta(0.3, 0.3, (ROWS, 2))
    return (
        MultilabelCertainty.from_probabilities(p, ["rain", "fog"]),
        RANDOM.uniform(size=p.shape) < p,
        {"risk": 0.3},
    )


def numbers():
    mean, std = RANDOM.normal(size=(ROWS, 2)), RANDOM.uniform(0.5, 2, (ROWS, 2))
    truth = mean + std * RANDOM.normal(size=mean.shape)
    return (
        RegressionCertainty.from_mean_std(mean, std, ["price", "age"]),
        truth,
        {"tolerance": 3.0, "risk": 0.3},
    )


def positions():
    p = RANDOM.dirichlet([0.3, 0.3, 0.3], (ROWS, 4))
    truth = np.array([[RANDOM.choice(3, p=at) for at in row] for row in p])
    return DenseCertainty.from_probabilities(p, ["a", "b", "c"]), truth, {"tolerance": 0.6, "risk": 0.3}


KINDS = {function.__name__: function() for function in (classes, labels, numbers, positions)}


@pytest.fixture(params=KINDS)
def kind(request):
    result, truth, wishes = KINDS[request.param]
    return result, truth, howsure.fit_rules(result[:400], truth[:400], **wishes)


def columns_of(decided):
    names = ("in_set", "low", "high", "hand_over")
    return {name: getattr(decided, name) for name in names if getattr(decided, name, None) is not None}


def test_they_do_what_their_parts_do_one_after_the_other(kind):
    result, _, rules = kind
    new = result[400:]
    decided = rules(new)
    calibrated = rules.calibrator(new)
    name = type(new).first_numbers()
    np.testing.assert_array_equal(getattr(decided, name), getattr(calibrated, name))
    np.testing.assert_array_equal(decided.hand_over, rules.abstention(calibrated))
    if isinstance(new, RegressionCertainty):
        np.testing.assert_array_equal(np.stack([decided.low, decided.high], axis=-1), rules.sets(calibrated))
    elif not isinstance(new, DenseCertainty):
        np.testing.assert_array_equal(decided.in_set, rules.sets(calibrated))
    assert rules.rows == 200
    assert rules.calibrator(result[:400]).learnt_from.sum() == 200


def test_a_file_decides_the_same(kind, tmp_path):
    result, _, rules = kind
    rules.save(tmp_path / "rules.json")
    again = howsure.load(tmp_path / "rules.json")
    assert (again.mark, str(again), again.shares) == (rules.mark, str(rules), rules.shares)
    first, second = columns_of(rules(result)), columns_of(again(result))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "rules.json").read_text()
    content = json.loads((tmp_path / "rules.json").read_text())
    assert content["promise"] == str(rules).split("\n")


def test_other_words_make_no_other_rules(kind, tmp_path):
    """Results and watches know rules of a file again that an earlier version has written in its own words."""
    result, truth, rules = kind
    content = {**json.loads(json.dumps(rules._content())), "promise": ["In the words of an earlier version."]}
    earlier = rules_in(content)
    assert earlier.mark != rules.mark
    earlier.save(tmp_path / "rules.json")
    watch = howsure.watch(howsure.load(tmp_path / "rules.json"))
    watch.update(earlier(result[:0]), truth[:0])
    watch.save(tmp_path / "watch.json")
    assert howsure.load(tmp_path / "watch.json").rules.mark == earlier.mark
    assert str(howsure.load(tmp_path / "rules.json")) == str(rules)


def test_decided_rows_are_saved_joined_and_taken_apart(kind, tmp_path):
    result, _, rules = kind
    decided = rules(result[400:])
    decided.save(tmp_path / "decided.parquet")
    loaded = howsure.load(tmp_path / "decided.parquet")
    halves, others = [decided[:120], decided[120:]], [rules(result[400:500]), rules(result[500:])]
    for same in (loaded, decided.joined(halves), decided.joined(others)):
        for name, column in columns_of(decided).items():
            np.testing.assert_array_equal(getattr(same, name), column)
    assert {"hand_over"} <= set(decided.to_arrow().column_names)
    assert len(rules(result[:0])) == 0


def test_decided_rows_are_not_decided_twice_nor_by_others(kind):
    result, _, rules = kind
    with pytest.raises(InputError, match="rules have decided"):
        rules(rules(result))
    with pytest.raises(InputError, match=r"another origin|Expected: rows of the method"):
        rules(replace(result, method={"name": "MC dropout"}))
    with pytest.raises(InputError, match=r"another kind|answers of"):
        rules(KINDS["numbers" if isinstance(result, Certainty) else "classes"][0])


def test_each_part_may_be_left_out():
    result, truth, _ = KINDS["classes"]
    only_sets = howsure.fit_rules(result, truth, calibrate=False, risk=None, coverage=0.8)
    decided = only_sets(result)
    assert (only_sets.calibrator, only_sets.risk, decided.hand_over, only_sets.rows) == (
        None,
        None,
        None,
        ROWS,
    )
    np.testing.assert_array_equal(
        decided.in_set, howsure.prediction_sets(result, truth, coverage=0.8)(result)
    )
    only_calibrated = howsure.fit_rules(result, truth, coverage=None, risk=None)
    assert only_calibrated.calibrator.rows == ROWS
    assert columns_of(only_calibrated(result)) == {}
    assert "promises" not in str(only_calibrated)


@pytest.mark.parametrize("rows", [2, 19])
def test_few_rows_are_counted_before_they_are_divided(rows):
    result, truth, wishes = KINDS["classes"]
    with pytest.raises(
        InputError,
        match=rf"labelled rows for rules.*in that half at least 10, .*Received: {rows} in all\.",
    ):
        howsure.fit_rules(result[:rows], truth[:rows], **wishes)


def test_a_risk_that_half_of_the_rows_does_not_allow_says_so():
    result, truth, _ = KINDS["classes"]
    with pytest.raises(
        InputError, match=rf"Of {ROWS} rows one half calibrates: too few .*give calibrate=False"
    ):
        howsure.fit_rules(result, truth, risk=0.001)
    with pytest.raises(
        InputError, match=rf"Of {ROWS} rows one half calibrates: these .*give calibrate=False"
    ):
        howsure.fit_rules(result, 1 - truth // 2, risk=0.05)
    with pytest.raises(InputError, match=rf"^These {ROWS} labelled rows do not allow"):
        howsure.fit_rules(result, 1 - truth // 2, risk=0.05, calibrate=False)
    with pytest.raises(InputError, match=r"^Numbers are never exactly right"):
        howsure.fit_rules(*KINDS["numbers"][:2], risk=0.1)


def test_groups_stay_whole():
    result, truth, wishes = KINDS["classes"]
    groups = [f"patient {n}" for n in np.repeat(np.arange(ROWS // 2), 2)]
    rules = howsure.fit_rules(result, truth, groups=groups, **wishes)
    assert rules.sets.groups == ROWS // 4
    learnt = rules.calibrator.learnt_rows.among(result).reshape(-1, 2)
    assert ((learnt.sum(axis=1) == 0) | (learnt.sum(axis=1) == 2)).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"coverage": 1.5}, "`coverage`"),
        ({"risk": 0.0}, "`risk`"),
        ({"calibrate": "yes"}, "`calibrate`"),
        ({"seed": -1}, "`seed`"),
        ({"tolerance": 3.0}, "no tolerance"),
        ({"groups": np.arange(5)}, "groups"),
        ({"groups": np.zeros(ROWS, int)}, "one group"),
    ],
)
def test_wrong_arguments_are_refused(wrong, said):
    result, truth, wishes = KINDS["classes"]
    with pytest.raises(InputError, match=said):
        howsure.fit_rules(result, truth, **{**wishes, **wrong})


def test_numbers_need_a_tolerance():
    result, truth, _ = KINDS["numbers"]
    with pytest.raises(InputError, match="how far one may be off"):
        howsure.fit_rules(result, truth)
    assert howsure.fit_rules(result, truth, risk=None)(result).hand_over is None


def test_a_label_of_decided_rows_is_not_decided():
    result, _, _ = KINDS["labels"]
    decided = howsure.fit_rules(result, KINDS["labels"][1], risk=0.3)(result)
    assert decided.of_label("rain").in_set is None
    numbers, truth, wishes = KINDS["numbers"]
    assert howsure.fit_rules(numbers, truth, **wishes)(numbers).above(0.0, "age").hand_over is None


def test_ends_of_intervals_move_with_the_unit():
    result, truth, wishes = KINDS["numbers"]
    decided = howsure.fit_rules(result, truth, **wishes)(result)
    moved = decided.rescaled([10.0, 0.0], [2.0, 1.0])
    np.testing.assert_allclose(moved.low[:, 0], 2 * decided.low[:, 0] + 10)
    np.testing.assert_allclose(moved.high[:, 1], decided.high[:, 1])


def test_what_is_printed_and_the_page_say_how_many_a_person_sees(kind, tmp_path):
    result, _, rules = kind
    decided = rules(result[400:])
    said = f"The rules hand {decided.hand_over.sum()} of {len(decided)} rows to a person."
    assert said in str(decided)
    assert "The rules hand" not in str(rules.calibrator(result[400:]))
    decided.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert said in page.partition("What to check first</dt>")[2][:100]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_table_for_a_person_has_the_sets_of_decided_rows(kind, tmp_path):
    result, truth, wishes = KINDS[kind]
    rules = howsure.fit_rules(result, truth, **wishes)
    decided, paths = rules(result), [tmp_path / "one.csv", tmp_path / "other.csv"]
    howsure.hand_over(decided, np.arange(50), paths[0])
    howsure.hand_over(rules.calibrator(result), np.arange(50), paths[1], sets=rules.sets)
    assert paths[0].read_text() == paths[1].read_text()


def test_a_model_is_checked_before_any_row_is_assessed(tmp_path):
    x = RANDOM.normal(size=(400, 3))
    y = (x[:, 0] + RANDOM.normal(size=400) > 0).astype(int)
    model = RandomForestClassifier(10, max_depth=3, random_state=0).fit(x[:200], y[:200])
    rules = howsure.fit_rules(howsure.assess(model, x[200:]), y[200:], risk=0.45)
    np.testing.assert_array_equal(
        howsure.assess(model, x, rules=rules).in_set, rules(howsure.assess(model, x)).in_set
    )
    blocks = [*howsure.stream(model, x, rules=rules)]
    assert blocks[0].hand_over is not None
    other = RandomForestClassifier(10, random_state=1).fit(x[:200], y[:200])
    with pytest.raises(InputError, match="SHA-256"):
        howsure.stream(other, x, rules=rules)  # which assesses no row until the first block is asked for
    with pytest.raises(InputError, match="`rules` cannot be used"):
        howsure.assess(model, x, rules="rules.json")
    numbers = RandomForestRegressor(10).fit(x, y.astype(float))
    with pytest.raises(InputError, match="another kind"):
        howsure.assess(numbers, x, rules=rules)


def test_changed_files_are_refused(tmp_path):
    result, truth, wishes = KINDS["classes"]
    howsure.fit_rules(result, truth, **wishes).save(tmp_path / "rules.json")
    text = (tmp_path / "rules.json").read_text()
    (tmp_path / "rules.json").write_text(text.replace('"coverage": 0.9', '"coverage": 0.95'))
    with pytest.raises(FileError, match="not what was saved"):
        howsure.load(tmp_path / "rules.json")
    with pytest.raises(FileError, match="Cannot read the set of rules"):
        howsure.load(tmp_path / "none.json")


def test_decided_rows_are_not_calibrated():
    result, truth, wishes = KINDS["classes"]
    decided = howsure.fit_rules(result, truth, calibrate=False, **wishes)(result)
    with pytest.raises(InputError, match="calibrated already"):
        howsure.calibrate(decided, truth)


@pytest.mark.parametrize(("kind", "others"), [("classes", lambda y: y * 0), ("numbers", lambda y: 9 * y)])
def test_rows_that_were_calibrated_are_not_told_to_calibrate(kind, others):
    result, truth, wishes = KINDS[kind]
    decided = howsure.fit_rules(result[:400], truth[:400], **wishes)(result[400:])
    for rows, is_told in ((result[400:], True), (decided, False)):
        said = str(howsure.evaluate(rows, others(truth[400:])))
        assert ("howsure.calibrate" in said) == is_told
        assert ("does not fit these rows: learn it again" in said) != is_told


def test_coverage_of_positions_is_checked_although_they_have_no_sets():
    result, truth, wishes = KINDS["positions"]
    with pytest.raises(InputError, match="`coverage`"):
        howsure.fit_rules(result, truth, coverage=2.0, **wishes)


# --- rows that are calibrated already --------------------------------------------------------------


def by_row(rows, seed):
    """Numbers whose noise depends on a feature, with their true values."""
    random = np.random.default_rng(seed)
    features = random.uniform(-1, 1, (rows, 2))
    mean = features.sum(axis=1, keepdims=True)
    truth = mean + np.exp(1.5 * features[:, :1]) * random.normal(size=(rows, 1))
    return RegressionCertainty.from_mean_std(mean, np.ones((rows, 1))), truth, features


def test_rules_of_rows_that_a_calibrator_by_row_has_calibrated(tmp_path):
    """Refused with a hint, which works: intervals of narrow and of wide rows hold what they promise."""
    result, truth, features = by_row(600, 0)
    calibrator = howsure.calibrate(result, truth, scale_by=features)
    result, truth, features = by_row(600, 1)
    calibrated = calibrator(result, scale_by=features)
    with pytest.raises(InputError, match=r"calibrated already.*howsure\.fit_rules\(…, calibrate=False\)"):
        howsure.fit_rules(calibrated, truth, risk=None)
    rules = howsure.fit_rules(calibrated, truth, risk=None, calibrate=False)
    rules.save(tmp_path / "rules.json")
    rules = howsure.load(tmp_path / "rules.json")
    result, truth, features = by_row(4000, 2)
    decided = rules(calibrator(result, scale_by=features))
    inside = ((decided.low <= truth) & (truth <= decided.high))[:, 0]
    by_noise = np.argsort(features[:, 0])
    for rows in (by_noise, by_noise[:800], by_noise[-800:]):
        # 0.9 but for two draws of rows, 600 and len(rows), and, by fifths, for the fit of the trees.
        assert inside[rows].mean() > 0.9 - 4 * np.sqrt(0.09 * (1 / 600 + 1 / len(rows))) - 0.02
    with pytest.raises(InputError, match=r"another origin.*calibrator\(result\)"):
        rules(result)


@pytest.mark.parametrize("kind", ["classes", "numbers"])
@pytest.mark.parametrize("risk", [None, 0.5])
def test_rules_from_rows_that_their_calibrator_has_learnt_from_warn(kind, risk):
    result, truth, wishes = KINDS[kind]
    calibrated = howsure.calibrate(result, truth)(result)
    with pytest.warns(howsure.HowsureWarning, match="has learnt from all these") as heard:
        howsure.fit_rules(calibrated, truth, **wishes | {"risk": risk}, calibrate=False)
    assert len(heard) == 1
