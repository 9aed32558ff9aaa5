"""Scores agree with scikit-learn, torchmetrics and plain loops; intervals cover; bad input is said."""

import inspect
import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.dummy import DummyClassifier
from sklearn.metrics import recall_score

import howsure
from howsure.errors import InputError
from howsure.evaluation.score import LEAST_MISTAKES, Mean, Score, Share
from howsure.statistics import entropy_of
from howsure.tasks.classification.evaluate import OUTSIDE, beside
from howsure.tasks.classification.maps import SLOPED
from howsure.tasks.classification.scores import DRAWS, METRICS
from tests.guard import check_same
from tests.made import certainty_of

NAMES = tuple(name for name in METRICS if name not in OUTSIDE)
ECE = "ece"
"""The score that is above 0 by chance, so its interval is another."""


def draw(rows=600, classes=4, sharpness=2.0, seed=0):
    """Probabilities and labels drawn from them: calibrated by construction."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.normal(size=(rows, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    below = np.cumsum(p, axis=1) <= random.random((rows, 1))
    return p, np.minimum(below.sum(axis=1), classes - 1)


def sharpened(p, power):
    p = p**power
    return p / p.sum(axis=1, keepdims=True)


# --- agreement --------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("decimals", [None, 1])
def test_agrees_with_scikit_learn(classes, decimals):
    p, labels = draw(classes=classes)
    if decimals is not None:  # many rows of equal confidence, and of 0 and 1
        p = np.floor(p * 10**decimals) / 10**decimals
        p[:, -1] = 1 - p[:, :-1].sum(axis=1)
    evaluation = howsure.evaluate(certainty_of(p), labels)
    predicted = certainty_of(p).label
    assert evaluation.accuracy.value == pytest.approx(metrics.accuracy_score(labels, predicted))
    clipped = np.maximum(p, np.finfo(float).eps)
    assert evaluation.nll.value == pytest.approx(-np.mean(np.log(clipped[np.arange(len(p)), labels])))
    if decimals is None:
        assert evaluation.nll.value == pytest.approx(metrics.log_loss(labels, p))
    one_hot = np.eye(classes)[labels]
    brier = sum(metrics.mean_squared_error(one_hot[:, k], p[:, k]) for k in range(classes))
    assert evaluation.brier.value == pytest.approx(brier)
    wrong, confidence = predicted != labels, p.max(axis=1)
    assert evaluation.error_auroc.value == pytest.approx(metrics.roc_auc_score(wrong, -confidence))
    fpr, tpr, _ = metrics.roc_curve(~wrong, confidence, drop_intermediate=False)
    assert evaluation.error_fpr95.value == pytest.approx(fpr[np.argmax(tpr >= 0.95)])


def test_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    p, labels = draw(rows=5000)
    p = sharpened(p, 3)
    evaluation = howsure.evaluate(certainty_of(p), labels)
    given = torch.tensor(p), torch.tensor(labels)
    accuracy = classification.multiclass_accuracy(*given, num_classes=4, average="micro")
    assert evaluation.accuracy.value == pytest.approx(float(accuracy))
    theirs = classification.multiclass_calibration_error(*given, num_classes=4, n_bins=15, norm="l1")
    assert evaluation.ece.value == pytest.approx(float(theirs), rel=1e-4)  # in single precision there


def test_areas_agree_with_a_loop_over_random_orders_of_equals():
    p = np.floor(10 * draw(rows=60)[0]) / 10
    p[:, -1] = 1 - p[:, :-1].sum(axis=1)
    _, labels = draw(rows=60)
    certainty = certainty_of(p)
    right = certainty.label == labels
    random, areas = np.random.default_rng(1), []
    for _ in range(3000):
        order = np.lexsort((random.random(60), -certainty.probability))
        areas.append(np.mean(np.cumsum(~right[order]) / np.arange(1, 61)))
    evaluation = howsure.evaluate(certainty, labels)
    assert evaluation.aurc.value == pytest.approx(np.mean(areas), abs=4 * np.std(areas) / np.sqrt(3000))


def test_the_value_of_each_score_is_compared_with_what_something_else_finds():
    """A new score is named here until a test of this file has an oracle for it."""
    text = inspect.getsource(sys.modules[__name__])
    without = {name for name in METRICS if f".{name}.value == pytest.approx(" not in text}
    # The areas are compared in a loop over their names.
    assert without == {*OUTSIDE} - {OUTSIDE[1]}


def test_it_says_first_what_is_claimed_what_is_right_and_what_to_check():
    p = np.array(
        [[0.98, 0.01, 0.01]] * 30 + [[0.5, 0.45, 0.05]] * 6 + [[0.4, 0.3, 0.3]] * 3 + [[0.7, 0.3, 0]]
    )
    labels = np.array([0] * 20 + [1] * 20)
    rows = howsure.Certainty.from_probabilities(p)
    said = str(howsure.evaluate(rows, labels)).replace("\u00a0", " ").splitlines()
    low, high = binomtest(20, 40).proportion_ci()
    assert said[:5] == [
        "On average it says 86 % and is right on 50 % "
        f"({100 * low:.0f} to {100 * high:.0f} %). It is too sure, by 36 points. "
        "howsure.calibrate(result, labels) corrects that.",
        "The model is sure of 30 of 40 rows. On 6 it is flipping a coin, and for 3 it has no clear answer.",
        "Check first the 6 coin flips. Then the 3 without a clear answer. Then the 10 it is sure of and gets "
        "wrong. Then the one it leans on.",
        "",
        "40 rows",
    ]
    in_pairs = howsure.evaluate(rows, labels, groups=np.arange(40) // 2)
    wide = f"({100 * in_pairs.accuracy.low:.0f} to {100 * in_pairs.accuracy.high:.0f} %)"
    assert wide in str(in_pairs).replace("\u00a0", " ").splitlines()[0]
    assert wide not in said[0]


def test_intervals_of_calibrated_rows_know_how_each_smooth_score_follows_the_fit():
    p, labels = draw()
    before, after = (howsure.evaluate(certainty_of(sharpened(p, power)), labels) for power in (1, 1 + 1e-6))
    means = [name for name, measured in after._found.measured.items() if isinstance(measured, Mean)]
    check_same(
        SLOPED,
        [name for name in means if getattr(before, name) != getattr(after, name)],
        found_in="`SLOPED`",
        expected_in="the scores that change smoothly with a temperature",
        open="howsure/tasks/classification/maps.py, and derive the score in each `slopes` there",
    )


def test_better_percentages_are_better_by_each_score():
    p, labels = draw()
    worse = sharpened(np.where(np.arange(600)[:, None] % 2, p, p[::-1]), 2)
    sharp, flat = sharpened(p, 3), sharpened(p, 0.2)

    def evaluated(p, outside):
        here, there = (certainty_of(each, expected_entropy=0.6 * entropy_of(each)) for each in (p, outside))
        return howsure.evaluate(here, labels, outside=there)

    good, bad = evaluated(p, flat), evaluated(worse, sharp)
    for name, metric in METRICS.items():
        higher = getattr(good, name).value > getattr(bad, name).value
        assert "is better" not in metric.good or higher == metric.higher, name


# --- what the scores say ----------------------------------------------------------------------


def in_bins(confidence):
    """Rows of each of 15 bins of equal width, closed on the right, as Guo and others have them."""
    edges = np.linspace(0, 1, 16)
    bins = [(confidence > low) & (confidence <= high) for low, high in itertools.pairwise(edges)]
    return [np.flatnonzero(each) for each in bins if each.any()]


def test_percentages_that_are_too_high_are_found():
    p, labels = draw(rows=2000)
    honest = howsure.evaluate(certainty_of(p), labels)
    assert honest.ece.low == 0
    too_sure = howsure.evaluate(certainty_of(sharpened(p, 3)), labels)
    assert too_sure.ece.low > 0.05


@pytest.mark.parametrize("rows", [100, 400])
def test_true_percentages_are_said_to_be_off_as_rarely_as_promised(rows):
    """What comes of claims that are true, and of a bound by a loop that draws answers from the claims."""
    off, sets = 0, 100
    for seed in range(sets):
        p, labels = draw(rows=rows, seed=seed)
        off += howsure.evaluate(certainty_of(p), labels).ece.low > 0
    assert off <= sets * 0.05 + 3 * np.sqrt(sets * 0.05 * 0.95)
    confidence, random = p.max(axis=1), np.random.default_rng(0)
    bins, by_chance = in_bins(confidence), []
    for _ in range(2000):
        came_true = random.random(rows) < confidence
        by_chance.append(sum(abs(np.sum(came_true[each] - confidence[each])) for each in bins) / rows)
    score = howsure.evaluate(certainty_of(p), labels).ece
    reach = score.high - score.value
    # At least what chance does to these claims, within the error of both quantiles; a bound, so not much
    # more.
    error = np.std(by_chance) * np.sqrt(1 / DRAWS + 1 / 2000) * 3
    assert np.quantile(by_chance, 0.95) - error < reach < 1.3 * np.quantile(by_chance, 0.95)


def test_intervals_cover():
    everybody, labels = draw(rows=10_000)
    truth = howsure.evaluate(certainty_of(everybody), labels)
    names = [name for name in NAMES if name != ECE]
    covered = dict.fromkeys(names, 0)
    random = np.random.default_rng(3)
    for seed in range(30):
        some = random.choice(len(labels), 500)
        evaluation = howsure.evaluate(certainty_of(everybody[some]), labels[some], seed=seed)
        for name in names:
            score = getattr(evaluation, name)
            covered[name] += score.low <= getattr(truth, name).value <= score.high
    assert min(covered.values()) >= 30 * 0.95 - 4 * np.sqrt(30 * 0.95 * 0.05), covered


def test_contributions_are_those_of_leaving_each_row_out():
    """Of every score that is no bin's: the jackknife, which knows nothing of formulas (Efron 1982)."""
    p, labels = draw(rows=150)
    p[:40] = p[40:80].round(1)  # equals, too
    p[:40, -1] = 1 - p[:40, :-1].sum(axis=1)
    whole = howsure.evaluate(certainty_of(p), labels)
    actual = whole._found.measured.items()
    names = [name for name, each in actual if isinstance(each, (Mean, Share)) and name not in OUTSIDE]
    left_out = []
    for row in range(150):
        rest = np.delete(np.arange(150), row)
        actual = howsure.evaluate(certainty_of(p[rest]), labels[rest])
        left_out.append([getattr(actual, name).value for name in names])
    for name, without in zip(names, np.transpose(left_out), strict=True):
        parts = whole._found.measured[name].parts
        jackknifed = without.mean() - without
        assert np.corrcoef(parts, jackknifed)[0, 1] > 0.99, name
        # To first order; what is left out, a 150th, is not small enough for the third digit.
        assert np.linalg.norm(parts) == pytest.approx(np.linalg.norm(jackknifed), rel=0.05), name
        assert abs(parts.sum()) < 0.05 * np.linalg.norm(parts) * np.sqrt(150), name


def test_contributions_to_a_share_of_errors_accepted_are_those_of_the_bootstrap():
    p, labels = draw(rows=2000)
    certainty = certainty_of(p)
    right, random = certainty.label == labels, np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        rows = random.integers(0, 2000, 2000)
        ranked = np.sort(certainty.probability[rows][right[rows]])[::-1]
        threshold = ranked[int(np.ceil(0.95 * len(ranked))) - 1]
        drawn.append(np.mean(certainty.probability[rows][~right[rows]] >= threshold))
    parts = howsure.evaluate(certainty, labels)._found.measured["error_fpr95"].parts
    # The slope at the threshold is estimated: a fifth, beside the error of 400 draws.
    assert np.linalg.norm(parts) == pytest.approx(np.std(drawn), rel=0.2 + 4 / np.sqrt(800))


def test_too_few_mistakes_tell_nothing_but_how_many_they_are():
    p, _ = draw(rows=200, sharpness=4)
    for mistakes in (0, 1, LEAST_MISTAKES - 1, LEAST_MISTAKES):
        labels = p.argmax(axis=1)
        labels[:mistakes] = p[:mistakes].argmin(axis=1)
        evaluation = howsure.evaluate(certainty_of(p), labels)
        known = mistakes >= LEAST_MISTAKES
        for name in {*NAMES} - {ECE, "accuracy", "error_fpr95"}:  # of shares a binomial interval is known
            assert np.isfinite(getattr(evaluation, name).low) == known, name
        less = evaluation.minus(howsure.evaluate(certainty_of(sharpened(p, 0.5)), labels))
        assert np.isfinite(less["nll"].low) == known
        assert less["nll"].excludes_zero <= known
        ends = binomtest(200 - mistakes, 200).proportion_ci(0.95)
        assert (evaluation.accuracy.low, evaluation.accuracy.high) == pytest.approx((ends.low, ends.high))


def test_a_difference_of_accuracies_is_told_as_rarely_as_by_an_exact_test():
    """McNemar's test, from scipy's binomial one; equal labels differ by exactly nothing."""
    random = np.random.default_rng(0)
    p = np.full((100, 2), 0.5) + [0.2, -0.2]
    for only, other in ((5, 0), (6, 0), (7, 0), (9, 1), (10, 1), (14, 6), (16, 5), (60, 10)):
        labels = np.zeros(100, dtype=int)
        first, second = p.copy(), p.copy()
        second[:only] = second[:only, ::-1]
        first[only : only + other] = first[only : only + other, ::-1]
        order = random.permutation(100)
        one, two = (howsure.evaluate(certainty_of(each[order]), labels) for each in (first, second))
        score = one.minus(two)["accuracy"]
        assert score.value == pytest.approx((only - other) / 100)
        exact = binomtest(only, only + other).pvalue
        assert score.excludes_zero == (exact < 0.05)
    none = one.minus(one)["accuracy"]
    assert (none.value, none.high) == pytest.approx((0, binomtest(0, 100).proportion_ci(0.95).high))
    assert none.low == -none.high


def test_differences_are_paired():
    p, labels = draw(rows=2000)
    a, b = (howsure.evaluate(certainty_of(sharpened(p, power)), labels) for power in (1.0, 1.2))
    difference = a.minus(b)
    assert set(NAMES) <= set(difference)
    nll = difference["nll"]
    assert nll.value == pytest.approx(a.nll.value - b.nll.value)
    assert nll.excludes_zero
    assert nll.high < 0
    # Much narrower than the two intervals, as both are of the same rows.
    assert nll.high - nll.low < 0.3 * (a.nll.high - a.nll.low)
    assert not difference["accuracy"].excludes_zero


def test_the_truth_kept_in_a_certainty_is_used():
    p, labels = draw(rows=50)
    certainty = certainty_of(p)
    kept = howsure.evaluate(replace(certainty, truth=labels))
    assert str(kept) == str(howsure.evaluate(certainty, labels))
    assert "50 rows" in str(kept)


# --- bad input and edges ----------------------------------------------------------------------


def test_labels_in_the_wrong_order_are_said_aloud():
    p, _ = draw(rows=400, classes=4)
    labels = p.argmin(axis=1)
    assert "below chance: are the labels in the order" in str(howsure.evaluate(certainty_of(p), labels))
    assert "below chance" not in str(howsure.evaluate(certainty_of(p), p.argmax(axis=1)))


def test_without_a_mistake_there_is_nothing_to_rank():
    p, _ = draw(rows=100)
    evaluation = howsure.evaluate(certainty_of(p), p.argmax(axis=1))
    assert evaluation.accuracy.value == 1
    assert evaluation.aurc.value == 0
    assert np.isnan(evaluation.error_auroc.value)
    assert "error auroc        not defined" in str(evaluation)


def test_constant_scores_and_certain_mistakes():
    p = np.tile([[1.0, 0.0]], (40, 1))
    labels = np.array([0, 1] * 20)
    evaluation = howsure.evaluate(certainty_of(p), labels)
    assert evaluation.error_auroc.value == 0.5
    assert evaluation.ece.value == pytest.approx(0.5, abs=0.02)
    assert evaluation.aurc.value == pytest.approx(0.5)
    assert evaluation.nll.value == pytest.approx(-np.log(np.finfo(float).eps) / 2)


# --- rows from outside ------------------------------------------------------------------------


def outside_of(p, seed=0):
    """Rows of the same classes, some part of whose entropy is disagreement."""
    made = certainty_of(p)
    share = np.random.default_rng(seed).uniform(size=len(p))
    return replace(made, expected_entropy=share * made.entropy)


def test_rows_from_outside_agree_with_scikit_learn():
    p, labels = draw(rows=400, sharpness=4)
    strangers = outside_of(draw(rows=150, sharpness=1, seed=1)[0])
    inside = outside_of(p, seed=5)
    evaluation = howsure.evaluate(inside, labels, outside=strangers)
    is_stranger = np.repeat([0, 1], [400, 150])
    for name, of in (("outside_auroc", "entropy"), ("outside_auroc_by_disagreement", "mutual_information")):
        scores = np.concatenate([getattr(inside, of), getattr(strangers, of)])
        score = getattr(evaluation, name)
        assert score.value == pytest.approx(metrics.roc_auc_score(is_stranger, scores))
        assert score.low < score.value < score.high
    entropies = np.concatenate([inside.entropy, strangers.entropy])
    fpr, tpr, _ = metrics.roc_curve(1 - is_stranger, -entropies, drop_intermediate=False)
    assert evaluation.outside_fpr95.value == pytest.approx(fpr[np.argmax(tpr >= 0.95)])
    assert "outside auroc" in str(evaluation)


def test_rows_from_outside_change_no_other_score():
    p, labels = draw(rows=300)
    alone = howsure.evaluate(certainty_of(p), labels)
    beside = howsure.evaluate(certainty_of(p), labels, outside=outside_of(draw(rows=40, seed=1)[0]))
    for name in NAMES:
        assert getattr(alone, name) == getattr(beside, name)
    assert np.isnan(alone.outside_auroc.value)
    assert "outside" not in str(alone)


def test_the_interval_of_the_outside_auroc_covers():
    inside = []
    for seed in range(60):
        p, labels = draw(rows=150, classes=2, sharpness=3, seed=seed)
        q = draw(rows=80, classes=2, sharpness=1, seed=1000 + seed)[0]
        score = howsure.evaluate(certainty_of(p), labels, outside=outside_of(q)).outside_auroc
        inside.append((score.low, score.high))
    many, far = (draw(rows=40_000, classes=2, sharpness=s, seed=77)[0] for s in (3, 1))
    is_stranger = np.repeat([0, 1], 40_000)
    entropies = certainty_of(np.concatenate([many, far])).entropy
    truth = metrics.roc_auc_score(is_stranger, entropies)
    share = np.mean([low <= truth <= high for low, high in inside])
    assert abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 60)


def test_pairs_need_the_same_rows_from_outside():
    p, labels = draw(rows=100)
    near, far = (outside_of(draw(rows=30, sharpness=s, seed=1)[0]) for s in (1, 3))
    one, other = (howsure.evaluate(certainty_of(p), labels, outside=each) for each in (near, far))
    assert one.minus(other)["outside_auroc"].value > 0
    with pytest.raises(InputError, match="row by row"):
        one.minus(howsure.evaluate(certainty_of(p), labels))
    fewer = howsure.evaluate(certainty_of(p), labels, outside=near[:20])
    with pytest.raises(InputError, match="row by row"):
        one.minus(fewer)


def test_rows_from_outside_beside_an_evaluation_give_what_evaluate_gives():
    p, labels = draw(rows=300)
    inside = outside_of(p, seed=5)
    for seed, strangers in ((0, 40), (7, 350)):
        outside = outside_of(draw(rows=strangers, sharpness=1, seed=1)[0])
        at_once = howsure.evaluate(inside, labels, outside=outside, seed=seed)
        later = beside(howsure.evaluate(inside, labels, seed=seed), inside, outside)
        for name in METRICS:
            assert getattr(later, name) == getattr(at_once, name)
        sharper = outside_of(sharpened(p, 2), seed=5)
        other = howsure.evaluate(sharper, labels, outside=outside, seed=seed)
        assert later.minus(other) == at_once.minus(other)
        same = later.minus(at_once)
        assert same["nll"] == same["aurc"] == same["outside_auroc"] == Score(0, 0, 0)
        assert all(score.value == 0 and not score.excludes_zero for score in same.values())


def test_labels_that_count_from_1_are_refused_and_kept_ones_said_aloud():
    """Nothing in [1, 4) is out of range of five classes, and 11 % would be all that is said."""
    p, truth = draw(rows=200, classes=5, sharpness=4.0)
    seen = truth < 4
    certainty, truth = certainty_of(p[seen]), truth[seen]
    with pytest.raises(InputError, match=r"seem to count from 1.*give `labels - 1`"):
        howsure.evaluate(certainty, truth + 1)
    with pytest.raises(InputError, match=r"seem to count from 1"):
        certainty.with_truth(truth + 1)
    meant = howsure.evaluate(certainty, np.array(certainty.class_names)[truth + 1])
    with pytest.warns(howsure.HowsureWarning, match="seem to count from 1"):
        assert howsure.evaluate(replace(certainty, truth=truth + 1)).accuracy.value == meant.accuracy.value


def rare(found=16, missed=50, others=9_934, wrong=0, names=("ok", "fraud")):
    """Rows of which few are of the second class, and `found` of these are taken for it."""
    counts = (found, missed, wrong, others - wrong)
    fraud = np.repeat([0.9, 0.1, 0.9, 0.01], counts)
    truth = np.repeat([1, 1, 0, 0], counts)
    return howsure.Certainty.from_probabilities(fraud, class_names=names), truth


def test_recall_by_true_class_and_what_one_answer_would_get():
    certainty, truth = rare(wrong=9)
    evaluation = howsure.evaluate(certainty, truth)
    label = certainty.label
    theirs = recall_score(truth, label, average=None)
    assert [evaluation.recall[name].value for name in ("ok", "fraud")] == pytest.approx(theirs.tolist())
    exact = binomtest(16, 66).proportion_ci(0.95)
    assert (evaluation.recall["fraud"].low, evaluation.recall["fraud"].high) == pytest.approx(
        (exact.low, exact.high)
    )
    assert evaluation.rows_of_class == {"ok": 9_934, "fraud": 66}
    constant = DummyClassifier().fit(truth[:, None], truth).predict(truth[:, None])
    assert evaluation.most_frequent == "ok"
    assert evaluation.constant_accuracy.value == pytest.approx(np.mean(constant == truth))
    exact = binomtest(9_934, 10_000).proportion_ci(0.95)
    assert (evaluation.constant_accuracy.low, evaluation.constant_accuracy.high) == pytest.approx(
        (exact.low, exact.high)
    )
    always = howsure.Certainty.from_probabilities(
        np.tile([0.99, 0.01], (10_000, 1)), class_names=["ok", "fraud"]
    )
    paired = evaluation.minus(howsure.evaluate(always, truth))["accuracy"]
    assert str(evaluation.accuracy_gain) == str(paired)
    lines = str(evaluation).splitlines()
    assert (
        lines[lines.index("10,000 rows") + 2] == "constant accuracy  0.9934 (0.9916 to 0.9949), always 'ok'"
    )
    assert "recall of 'fraud'  0.24 (0.15 to 0.36), 66 rows" in lines
    assert lines[-1] == "Always answering 'ok' would be right as often, as far as these rows can tell."


def test_scores_stand_below_each_other_beside_the_longest_name():
    p = np.tile([0.7, 0.3], (40, 1))
    evaluation = howsure.evaluate(
        howsure.Certainty.from_probabilities(p, ["a", "b" * 30]), np.arange(40) % 4 == 0
    )
    names = ("accuracy", "nll", "recall of 'a'", f"recall of '{'b' * 30}'")
    lines = [next(line for line in str(evaluation).splitlines() if line.startswith(name)) for name in names]
    assert {
        line.index(line.removeprefix(name).split()[0]) for name, line in zip(names, lines, strict=True)
    } == {43}


def test_whether_one_answer_would_do_is_said_only_where_it_would():
    assert "Always answering" not in str(howsure.evaluate(*rare()))
    worse = str(howsure.evaluate(*rare(found=16, wrong=60)))
    assert worse.endswith("Always answering 'ok' would be right more often.")


def test_the_recall_of_many_classes_is_that_of_the_worst():
    truth = np.repeat(np.arange(12), 5)
    p = np.full((60, 13), 0.01)
    p[np.arange(60), np.where((truth == 7) | (np.arange(60) % 10 == 0), 12, truth)] = 0.88
    evaluation = howsure.evaluate(howsure.Certainty.from_probabilities(p), truth)
    assert np.isnan(evaluation.recall["12"].value)
    assert (evaluation.recall["12"].low, evaluation.recall["12"].high) == (0, 1)
    lines = [line for line in str(evaluation).splitlines() if "recall" in line]
    assert lines[0].startswith("recall of '7' ")
    assert (len(lines), lines[-1]) == (11, "the recall of all other classes is not lower")
