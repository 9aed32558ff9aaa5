"""Rows that depend on each other within groups: what is promised of them, and how they are read."""

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure.errors import InputError
from howsure.evaluation.conformal import surely_covered, threshold_of
from howsure.evaluation.groups import autocorrelation, group_numbers, one_of_each
from tests.refused import refused

GROUPS = np.repeat(np.arange(60), 10)
ROWS = len(GROUPS)


def classes(seed=0):
    random = np.random.default_rng(seed)
    p = random.beta(2, 2, size=ROWS)
    truth = (random.random(ROWS) < p).astype(int)
    result = howsure.Certainty.from_probabilities(np.stack([1 - p, p], axis=1), ["no", "yes"])
    return result.with_truth(truth)


def numbers(seed=0):
    random = np.random.default_rng(seed)
    mean = random.normal(size=ROWS)
    result = howsure.RegressionCertainty.from_mean_std(mean, np.ones(ROWS))
    return result.with_truth(mean + random.normal(size=ROWS))


def maps(seed=0):
    random = np.random.default_rng(seed)
    p = random.beta(2, 2, size=(ROWS, 2, 2))
    truth = (random.random(p.shape) < p).astype(int)
    truth[:7] = -1
    result = howsure.DenseCertainty.from_probabilities(np.stack([1 - p, p], axis=-1), ("no", "yes"))
    return result.with_truth(truth)


FITTED = {
    "sets": lambda groups: howsure.prediction_sets(classes(), coverage=0.9, groups=groups),
    "sets by class": lambda groups: howsure.prediction_sets(
        classes(), coverage=0.9, by_class=True, groups=groups
    ),
    "sets of maps": lambda groups: howsure.prediction_sets(maps(), coverage=0.8, groups=groups),
    "intervals": lambda groups: howsure.prediction_intervals(numbers(), groups=groups),
    "abstention": lambda groups: howsure.abstain(classes(), risk=0.4, groups=groups),
    "abstention of numbers": lambda groups: howsure.abstain(
        numbers(), risk=0.2, tolerance=2.0, groups=groups
    ),
    "abstention of maps": lambda groups: howsure.abstain(maps(), risk=0.4, tolerance=0.8, groups=groups),
}


@pytest.mark.parametrize("name", FITTED)
def test_groups_of_one_row_change_nothing(name):
    fit = FITTED[name]
    assert fit(np.random.default_rng(0).permutation(ROWS)) == fit(None)


@pytest.mark.parametrize("name", FITTED)
def test_groups_are_counted_and_told(name):
    fitted, alone = FITTED[name](GROUPS), FITTED[name](None)
    assert str(fitted) != str(alone)
    assert "group" in str(fitted)
    assert fitted == FITTED[name]([f"patient {group}" for group in GROUPS])


def test_a_threshold_is_the_quantile_of_groups_that_weigh_the_same():
    random = np.random.default_rng(1)
    groups = random.integers(0, 25, size=200)
    groups[:25] = np.arange(25)
    scores = random.normal(size=200)
    for coverage in (0.5, 0.8, 0.9):
        enough = [
            t
            for t in np.sort(scores)
            if sum(np.mean(scores[groups == g] <= t) for g in range(25)) >= 26 * coverage - 1e-9
        ]
        assert threshold_of(scores, coverage, groups) == enough[0]


@pytest.mark.parametrize("size", [1, 10])
def test_a_new_row_of_a_new_group_is_covered_as_promised(size):
    random, covered = np.random.default_rng(2), []
    groups = np.repeat(np.arange(39), size)
    for _ in range(2000):
        level = np.exp(random.normal(size=39))
        scores = level[groups] * np.exp(0.3 * random.normal(size=len(groups)))
        threshold = threshold_of(scores, 0.9, groups)
        t, inner = np.log(threshold), 0.3
        covered.append(stats.norm.cdf(t / np.hypot(1, inner)))
    error = np.std(covered) / np.sqrt(len(covered))
    assert np.mean(covered) > 0.9 - 3 * error
    assert np.mean(np.array(covered) < surely_covered([39], 0.9, by_group=True)) < 0.05


def test_sure_coverage_of_groups_is_below_that_of_as_many_rows():
    for groups in (20, 100, 1000):
        assert 0.5 < surely_covered([groups], 0.9, by_group=True) < surely_covered([groups], 0.9) < 0.9


def test_rows_without_positions_do_not_count_in_their_group():
    fitted = howsure.prediction_sets(maps(), coverage=0.8, groups=GROUPS)
    kept = np.arange(ROWS) >= 7
    alone = howsure.prediction_sets(maps()[kept], coverage=0.8, groups=GROUPS[kept])
    assert (fitted.threshold, fitted.groups, fitted.rows) == (alone.threshold, 60, ROWS - 7)


def test_one_row_of_each_group_is_drawn():
    drawn = one_of_each(GROUPS)
    assert np.array_equal(GROUPS[drawn], np.arange(60))
    places = drawn % 10
    assert len(np.unique(places)) > 5
    assert np.array_equal(drawn, one_of_each(GROUPS))


def test_abstention_is_that_of_one_row_of_each_group():
    drawn = one_of_each(GROUPS)
    fitted = howsure.abstain(classes(), risk=0.4, groups=GROUPS)
    alone = howsure.abstain(classes()[drawn], risk=0.4)
    assert (fitted.threshold, fitted.handed_over, fitted.rows) == (alone.threshold, alone.handed_over, 60)


def test_groups_are_aligned_by_the_index():
    pandas = pytest.importorskip("pandas")
    order = np.random.default_rng(3).permutation(ROWS)
    frame = pandas.DataFrame({"no": classes().probabilities[:, 0], "yes": classes().probabilities[:, 1]})
    frame.index = [f"r{n}" for n in range(ROWS)]
    result = howsure.Certainty.from_probabilities(frame).with_truth(classes().truth)
    series = pandas.Series(GROUPS, index=frame.index).iloc[order]
    assert howsure.prediction_sets(result, groups=series) == howsure.prediction_sets(result, groups=GROUPS)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (GROUPS[:5], "The groups do not fit the rows. Expected: 600"),
        ([None, *GROUPS[1:]], "The groups are missing in row 0"),
        (np.where(GROUPS == 3, np.nan, GROUPS), "The groups are missing in 10 rows"),
        (GROUPS + 0.5, "Make texts of them"),
        (np.zeros(ROWS, int), "All rows are of one group"),
    ],
)
def test_groups_that_cannot_be_used(groups, words):
    refused(InputError, lambda: group_numbers(groups, classes(), ROWS), words)


def test_too_few_groups():
    few = np.arange(ROWS) % 5
    refused(
        InputError,
        lambda: howsure.prediction_sets(classes(), groups=few),
        "Too few labelled groups to promise a coverage of 95 %. Expected: at least 19. Received: 5. Label "
        "more groups",
    )
    refused(
        InputError,
        lambda: howsure.abstain(classes(), risk=0.05, groups=few),
        "Too few labelled groups to promise a risk of 5 % with 95 % confidence. Expected: at least 59. "
        "Received: 5",
    )


# --- scores of rows in groups -------------------------------------------------------------------------


def copied(result, times=8):
    """The rows of a result, each so many times, and their groups: what is known is known of each group."""
    rows = np.repeat(np.arange(len(result)), times)
    return result[rows], rows


RESULTS = {"classes": classes, "numbers": numbers, "maps": maps}


@pytest.mark.parametrize("kind", RESULTS)
def test_scores_of_groups_of_one_row_are_those_without(kind):
    result = RESULTS[kind]()
    assert str(howsure.evaluate(result, groups=np.arange(ROWS))) == str(howsure.evaluate(result))


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.filterwarnings("ignore:Each of these:howsure.HowsureWarning")
def test_copies_of_a_row_tell_as_much_as_the_row(kind):
    result = RESULTS[kind]()
    many, groups = copied(result)
    alone, together = howsure.evaluate(result), howsure.evaluate(many, groups=groups)
    for name, measured in alone._found.measured.items():
        score, of_groups = measured.score(0.95), together.measured(name).score(0.95)
        if score.known and measured.parts.any() and name != "error_fpr95":  # which has another interval
            assert of_groups.value == pytest.approx(score.value, rel=1e-6, abs=2e-3)
            width, of_copies = score.high - score.low, of_groups.high - of_groups.low
            assert 0.9 * width < of_copies < 1.35 * width, name


@pytest.mark.filterwarnings("ignore:Each of these:howsure.HowsureWarning")
def test_differences_of_groups():
    one, two = classes(), classes(1).with_truth(classes().truth)
    many, groups = copied(one)
    others, _ = copied(two)
    gaps = howsure.evaluate(one).minus(howsure.evaluate(two))
    of_groups = howsure.evaluate(many, groups=groups).minus(howsure.evaluate(others, groups=groups))
    for name, gap in gaps.items():
        if gap.known and gap.low < gap.high:
            assert of_groups[name].value == pytest.approx(gap.value, abs=2e-3)
            ratio = (of_groups[name].high - of_groups[name].low) / (gap.high - gap.low)
            assert 0.9 < ratio < 1.35, name
    refused(
        InputError,
        lambda: howsure.evaluate(many, groups=groups).minus(howsure.evaluate(others, groups=groups // 2)),
        "the same rows in the same order, and the same labels and groups",
    )


def test_a_share_that_no_group_differs_in_is_known_as_groups_are():
    p = np.tile([0.1, 0.9], (ROWS, 1))
    result = howsure.Certainty.from_probabilities(p, ["no", "yes"]).with_truth(np.ones(ROWS, int))
    accuracy = howsure.evaluate(result, groups=GROUPS).accuracy
    assert accuracy.low == pytest.approx(0.025 ** (1 / 60))


def test_evaluations_say_how_many_groups_there_are():
    for result in (classes(), numbers(), maps()):
        assert " in 60 groups" in str(howsure.evaluate(result, groups=GROUPS))
    labels = howsure.MultilabelCertainty.from_probabilities(classes().probabilities, ["a", "b"])
    labels = labels.with_truth(np.random.default_rng(0).random((ROWS, 2)) < 0.5)
    evaluation = howsure.evaluate(labels, groups=GROUPS)
    assert "600 rows in 60 groups" in str(evaluation)
    assert evaluation.mean["accuracy"].known


def test_rows_from_outside_are_independent():
    evaluation = howsure.evaluate(classes(), outside=classes(3)[:50], groups=GROUPS)
    assert len(evaluation.measured("outside_auroc").parts) == 60 + 50
    assert evaluation.outside_auroc.known


# --- nobody said that they depend on each other -------------------------------------------------------

ALIKE = "Rows next to each other have similar scores"


def series(seed=0, rows=600):
    """Numbers whose errors are those of overlapping windows."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=rows + 9)
    error = np.convolve(steps, np.ones(10) / np.sqrt(10), mode="valid")
    result = howsure.RegressionCertainty.from_mean_std(np.zeros(rows), np.ones(rows))
    return result.with_truth(error)


ASKED = {
    "evaluate": howsure.evaluate,
    "intervals": howsure.prediction_intervals,
    "abstain": lambda result, **groups: howsure.abstain(result, risk=0.3, tolerance=2.0, **groups),
}


@pytest.mark.parametrize("name", ASKED)
def test_overlapping_windows_are_noticed_and_asked_about(name):
    result = series()
    with pytest.warns(howsure.HowsureWarning, match=ALIKE + r" \(autocorrelation 0\.\d\d\)"):
        ASKED[name](result)
    ASKED[name](result, groups=np.arange(600) // 10)
    ASKED[name](result, groups=np.arange(600))
    ASKED[name](result[np.random.default_rng(0).permutation(600)])


def test_few_errors_of_one_sign_are_noticed_though_their_sizes_differ():
    random = np.random.default_rng(0)
    noise = np.exp(random.normal(size=60))
    y = noise * np.repeat(random.normal(size=6), 10)
    result = howsure.RegressionCertainty.from_mean_std(np.zeros(60), noise)
    assert autocorrelation(howsure.evaluate(result, y).measured("nll").parts) == 0
    with pytest.warns(howsure.HowsureWarning, match=ALIKE):
        howsure.evaluate(result, y)
    shuffled = random.permutation(60)
    howsure.evaluate(result[shuffled], y[shuffled])


def test_classes_in_groups_are_noticed_though_most_of_them_are_right():
    random = np.random.default_rng(0)
    logits = np.repeat(random.normal(0, 2, (60, 3)), 10, axis=0) + random.normal(0, 0.3, (600, 3))
    truth = np.repeat((logits + random.gumbel(size=(600, 3)))[::10].argmax(axis=1), 10)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    result = howsure.Certainty.from_probabilities(p).with_truth(truth)
    with pytest.warns(howsure.HowsureWarning, match=ALIKE):
        assert howsure.evaluate(result).accuracy.value > 0.5
    howsure.evaluate(result, groups=np.arange(600) // 10)
    howsure.evaluate(result[random.permutation(600)])


def test_independent_rows_are_never_asked_about():
    random = np.random.default_rng(4)
    for _ in range(3000):
        rows = int(random.integers(50, 2000))
        scores = random.exponential(size=rows) ** 3
        assert autocorrelation(scores) == 0
        assert autocorrelation(np.round(scores)) == 0


def test_rows_in_the_order_of_their_classes_are_not_asked_about():
    random = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], 300)
    scores = random.normal(size=900) + 3 * truth
    assert autocorrelation(scores, truth) == 0 < autocorrelation(scores)
    assert autocorrelation(scores + np.repeat(random.normal(size=90), 10), truth) > 0.2


# --- comparisons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RESULTS)
def test_comparisons_of_groups(kind):
    one, two = RESULTS[kind](), RESULTS[kind](1)
    results = {"a": one, "b": two.with_truth(one.truth)}
    by_group = howsure.Comparison.of_results(results, groups=GROUPS)
    alone = howsure.Comparison.of_results(results)
    singles = howsure.Comparison.of_results(results, groups=np.arange(ROWS))
    assert str(singles) == str(alone)
    assert by_group.rows == alone.rows
    assert by_group._independent == 60
    for name in ("nll", *("accuracy", "ece")[: 2 * (kind == "classes")]):
        gap, without = by_group.difference("b", "a", name), alone.difference("b", "a", name)
        assert gap.value == without.value
        assert gap.low != without.low
        assert gap.known
    assert str(by_group)


def test_offsets_of_groups_are_a_part_of_a_difference():
    """They were computed from parts of groups and of rows, which do not fit together."""
    random = np.random.default_rng(0)
    p = np.repeat(random.dirichlet([1, 1, 1], 60), 10, axis=0)
    truth = np.array([random.choice(3, p=of_row) for of_row in p])
    shifted = p * [1.0, 1.0, 6.0]
    classes = {
        "shifted": howsure.Certainty.from_probabilities(shifted / shifted.sum(axis=1, keepdims=True)),
        "true": howsure.Certainty.from_probabilities(p),
    }
    y = random.normal(size=600)
    numbers = {
        "shifted": howsure.RegressionCertainty.from_mean_std(np.full(600, 0.8), np.ones(600)),
        "true": howsure.RegressionCertainty.from_mean_std(np.zeros(600), np.ones(600)),
    }
    for results, labels in ((classes, truth), (numbers, y)):
        groups = np.arange(600) // 10
        by_group = howsure.Comparison.of_results(results, labels, groups=groups, calibrated=False)
        alone = howsure.Comparison.of_results(results, labels, calibrated=False)
        offsets, of_rows = by_group.part("true", "offsets"), alone.part("true", "offsets")
        assert offsets.value == pytest.approx(of_rows.value)
        assert offsets.high < 0
        assert offsets.low != of_rows.low
        assert by_group.cause("true") == "offsets"


@pytest.mark.filterwarnings("ignore:Each of these:howsure.HowsureWarning")
def test_a_comparison_of_copies_tells_as_much_as_one_of_the_rows():
    results = {"a": classes(), "b": classes(1).with_truth(classes().truth)}
    copies = {name: copied(result)[0] for name, result in results.items()}
    alone = howsure.Comparison.of_results(results, calibrated=False)
    together = howsure.Comparison.of_results(copies, groups=copied(classes())[1], calibrated=False)
    for part in ("calibration", "accuracy", "discrimination"):
        gap, of_groups = alone.part("b", part), together.part("b", part)
        assert 0.85 < (of_groups.high - of_groups.low) / (gap.high - gap.low) < 1.35


def test_a_comparison_asks_about_windows():
    results = {"a": series(), "b": series()}
    with pytest.warns(howsure.HowsureWarning, match=ALIKE):
        asked = howsure.Comparison.of_results(results, calibrated=False)
    assert any(ALIKE in notice for notice in asked.noticed)
    assert not howsure.Comparison.of_results(results, calibrated=False, groups=np.arange(600)).noticed
