"""Results that are there already, side by side."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

import howsure
from howsure import Certainty, Comparison
from howsure.cli.output import comparison_table
from howsure.compare.findings import findings, lead
from howsure.report.comparison import render_comparison

RANDOM = np.random.default_rng(0)
GOOD = RANDOM.dirichlet([0.5, 0.5, 0.5], size=800)
TRUTH = np.array([RANDOM.choice(3, p=p) for p in GOOD])
POOR = np.clip(GOOD**3, 1e-4, 1)
POOR /= POOR.sum(axis=1, keepdims=True)
NAMES = ["a", "b", "c"]
RESULTS = {
    "poor": Certainty.from_probabilities(POOR, NAMES),
    "good": Certainty.from_probabilities(GOOD, NAMES),
}


def test_differences_are_those_of_scikit_learn():
    comparison = Comparison.of_results(RESULTS, TRUTH, calibrated=False)
    assert comparison.methods == ("poor", "good")
    nll = {name: metrics.log_loss(TRUTH, p) for name, p in (("poor", POOR), ("good", GOOD))}
    gap = comparison.difference("good", "poor", "nll")
    assert gap.value == pytest.approx(nll["good"] - nll["poor"], rel=1e-9)
    assert gap.high < 0
    assert comparison.ranked("nll").best == "good"


def test_words_say_which_is_truer_and_that_costs_are_not_known():
    comparison = Comparison.of_results(RESULTS, TRUTH)
    assert lead(comparison) == (
        "Take 'good': its percentages are more accurate than those of 'poor'. It gives the true class "
        "46\u00a0% more (34\u00a0to\u00a059\u00a0%). 'poor' is too sure: it claims 88.0\u00a0% and is right "
        "on 68.8\u00a0%. The cost of 'good' is not known: the results were given."
    )
    text = " ".join(finding.answer for finding in findings(comparison))
    assert "plain prediction" not in text
    assert "network" not in text
    assert "'poor' is too sure: it claims" in text
    page = render_comparison(comparison)
    assert "Percentages that were given" in page
    assert comparison_table(comparison).row_count == 4
    for shown in (page, str(comparison), comparison._repr_html_()):
        assert "plain predictions" not in shown.lower()


def test_labels_may_come_with_the_results():
    with_truth = {name: result.with_truth(TRUTH) for name, result in RESULTS.items()}
    one, other = Comparison.of_results(with_truth), Comparison.of_results(RESULTS, [NAMES[t] for t in TRUTH])
    assert one.score("good", "nll") == other.score("good", "nll")
    with_truth["good"] = RESULTS["good"].with_truth((TRUTH + 1) % 3)
    with pytest.raises(howsure.InputError, match="'good' and 'poor' have different true classes"):
        Comparison.of_results(with_truth)


def test_what_is_calibrated_already_is_shown_as_it_is():
    mended = howsure.calibrate(RESULTS["poor"], TRUTH)(RESULTS["poor"])
    with pytest.warns(howsure.HowsureWarning, match="so 'mended' has better scores than on new ones"):
        comparison = Comparison.of_results({**RESULTS, "mended": mended}, TRUTH)
    assert comparison.methods == ("poor", "good", "mended", "poor, calibrated", "good, calibrated")


def test_with_few_rows_nothing_is_calibrated():
    few = {name: result[:9] for name, result in RESULTS.items()}
    assert Comparison.of_results(few, TRUTH[:9]).methods == ("poor", "good")


@pytest.mark.parametrize(
    ("results", "labels", "said"),
    [
        ({}, TRUTH, "There is no result to compare"),
        (RESULTS, None, "The true answers are not known"),
        ({**RESULTS, "few": RESULTS["good"][:5]}, TRUTH, "'few' does not have the same rows as 'poor'"),
        ({**RESULTS, "turned": RESULTS["good"][::-1]}, TRUTH, "first in position 0. Expected: row 0"),
        (
            {**RESULTS, "other": Certainty.from_probabilities(GOOD, ["a", "c", "d"])},
            TRUTH,
            "'other' has other classes than 'poor'",
        ),
        ({**RESULTS, "poor, calibrated": RESULTS["good"]}, TRUTH, "is the name of a calibrated result"),
        (
            {"a": GOOD},
            TRUTH,
            "Received: ndarray. Make one of probabilities with `howsure.Cert",
        ),
        ([RESULTS["good"]], TRUTH, "`results` cannot be used"),
    ],
)
def test_what_cannot_be_compared_is_refused(results, labels, said):
    with pytest.raises(howsure.InputError) as raised:
        Comparison.of_results(results, labels)
    assert said in str(raised.value)


def test_ids_have_to_be_the_same():
    ids = np.array([f"r{n}" for n in range(800)])
    named = {name: replace(result, ids=ids) for name, result in RESULTS.items()}
    Comparison.of_results(named, TRUTH, calibrated=False)
    for others in (np.append(ids[1:], "r800"), np.append(ids[1:], "r1")):
        named["good"] = replace(RESULTS["good"], ids=others)
        with pytest.raises(howsure.InputError, match=r"of other rows\..*'r0' among them"):
            Comparison.of_results(named, TRUTH)
    with pytest.warns(howsure.HowsureWarning, match="Only 'poor' of 'poor', 'good' has ids"):
        Comparison.of_results(named | {"good": RESULTS["good"]}, TRUTH, calibrated=False)


def test_rows_are_paired_by_their_ids_and_classes_by_their_names():
    ids = np.array([f"r{n}" for n in range(800)])
    order, turn = np.random.default_rng(1).permutation(800), [2, 0, 1]
    given = {name: replace(result.with_truth(TRUTH), ids=ids) for name, result in RESULTS.items()}
    wanted = Comparison.of_results(given)
    good = Certainty.from_probabilities(GOOD[order][:, turn], [NAMES[number] for number in turn])
    good = replace(good.with_truth(np.array(NAMES)[TRUTH[order]]), ids=ids[order])
    comparison = Comparison.of_results(given | {"good": good})
    for name in ("nll", "accuracy", "aurc"):
        assert str(comparison.score("good", name)) == str(wanted.score("good", name))
        assert str(comparison.difference("good", "poor", name)) == str(
            wanted.difference("good", "poor", name)
        )


def test_classes_that_are_called_by_other_numbers():
    named = {name: Certainty.from_probabilities(p, ["1", "2", "3"]) for name, p in (("a", POOR), ("b", GOOD))}
    comparison = Comparison.of_results(named, TRUTH + 1)
    assert comparison.score("b", "nll").value == pytest.approx(metrics.log_loss(TRUTH, GOOD), rel=1e-9)
    np.testing.assert_array_equal(comparison.truth, TRUTH)


def test_rounding_of_float32_is_no_difference():
    random = np.random.default_rng(0)
    mean = random.normal(size=(200, 1)).astype(np.float32)
    y = mean + random.normal(size=(200, 1))
    rounded = mean - 1e-7 * np.sign(mean - y)  # nearer to the answer in each row, by a unit in the last place
    results = {
        name: howsure.RegressionCertainty.from_mean_std(each, np.ones((200, 1)))
        for name, each in {"one": mean.astype(np.float64), "other": rounded.astype(np.float64)}.items()
    }
    comparison = howsure.Comparison.of_results(results, y)
    for name in ("nll", "crps", "rmse"):
        assert comparison.difference("other", "one", name) == howsure.Score(0.0, 0.0, 0.0)
    assert "closer" not in str(comparison)
    gap = howsure.evaluate(results["other"], y).minus(howsure.evaluate(results["one"], y))
    assert gap["rmse"] == gap["nll"] == howsure.Score(0.0, 0.0, 0.0)


def test_a_method_with_few_mistakes_is_taken_where_it_is_right_more_often():
    """By McNemar's exact test, as percentages of fewer than five mistakes tell nothing."""
    truth, random = np.zeros(120, dtype=int), np.random.default_rng(0)
    often, seldom = 0.9 - 0.2 * random.random((2, 120))
    often[:3], seldom[:40] = 0.2, 0.3
    results = {
        name: howsure.Certainty.from_probabilities(np.stack([p, 1 - p], axis=1))
        for name, p in (("kNN", seldom), ("other", often))
    }
    comparison = Comparison.of_results(results, truth)
    assert lead(comparison).startswith("Take 'other': it is right on 97.5\u00a0%, and 'kNN' on 66.7\u00a0%.")
    assert "kNN: Right on 66.7\u00a0%, claimed" in str(comparison)
    back = Comparison.of_results({"other": results["other"], "kNN": results["kNN"]}, truth)
    assert lead(back).startswith("Take 'other': ")


def test_no_ratio_is_told_that_the_floor_of_a_logarithm_decides():
    truth, random = np.zeros(300, dtype=int), np.random.default_rng(0)
    right = (random.random(300) < 0.5).astype(float)
    never = howsure.Certainty.from_probabilities(np.stack([right, 1 - right], axis=1))
    some = howsure.Certainty.from_probabilities(np.tile([0.6, 0.4], (300, 1)))
    comparison = Comparison.of_results({"never": never, "some": some}, truth)
    text = str(comparison) + " ".join(finding.answer for finding in findings(comparison))
    assert "more than 1,000 times as much" in text
    assert "of rows 'never' gave the true class 0\u00a0%." in text
