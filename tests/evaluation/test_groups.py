"""Rows that depend on each other within groups: what is promised of them, and how they are read."""

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure.errors import InputError
from howsure.evaluation.conformal import surely_covered, threshold_of
from howsure.evaluation.groups import group_numbers, one_of_each
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
