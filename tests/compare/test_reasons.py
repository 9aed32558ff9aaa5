"""Reasons: parts that add up, checked against scipy; and sentences that are told only where they are sure."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import norm

import howsure
from howsure.compare.findings import COST, brief, findings, lead
from howsure.compare.parts import (
    ACCURACY,
    ALTERNATIVES,
    CALIBRATION,
    DISCRIMINATION,
    EVERY,
    MENDED,
    OFFSETS,
    ORDER,
    PARTS,
    SURENESS,
    ZEROS,
)
from howsure.compare.passes import MemberRecorder
from howsure.compare.reasons import SCALE, TOGETHER, WHOLE, Claim, because, claims, where
from howsure.compare.sentences import scale_in_words
from howsure.digits import measured
from howsure.methods.ensemble import Ensemble
from howsure.tasks.classification import compare as class_words
from howsure.tasks.regression import compare as numbers_words

ROWS, CLASSES = 600, 4

SEED = 1
"""Of rows in which offsets gain less than numbers that mean nothing do."""


def world(rows=ROWS, noise=1.0, scale=1.0, seed=0, signal=2.0):
    """Truths, and calibrated logits whose features have some noise, times a scale."""
    random = np.random.default_rng(seed)
    truth = random.integers(CLASSES, size=rows)
    seen = signal * np.eye(CLASSES)[truth] + noise * random.normal(size=(rows, CLASSES))
    return truth, scale * seen * signal / noise**2  # the posterior under normal noise


def compared(truth, **logits):
    results = {
        name: howsure.Certainty.from_probabilities(softmax(item, axis=1)) for name, item in logits.items()
    }
    return howsure.Comparison.of_results(results, truth)


def found(comparison, method, about):
    return next((c for c in claims(comparison) if (c.method, c.about) == (method, about)), None)


def why(comparison):
    return next(finding.answer for finding in findings(comparison) if finding.question == "Why?")


def test_parts_add_up_to_the_difference():
    truth, true = world()
    comparison = compared(truth, base=2 * true, other=0.5 * world(noise=1.3, seed=1)[1])
    parts = {name: comparison.part("other", name) for name in PARTS}
    whole = comparison.difference("other", "base", "nll")
    assert sum(value.value for value in parts.values()) == pytest.approx(whole.value, abs=1e-12)
    assert comparison.part("other", DISCRIMINATION).value == pytest.approx(
        parts[ACCURACY].value + parts[ORDER].value + parts[ALTERNATIVES].value, abs=1e-12
    )


def part(comparison, method, name):
    gap = comparison.part(method, name)
    return 0.0 if gap is None else gap.value


def zeros_of(true):
    """Shares of ten votes, of which a class may have none."""
    with np.errstate(divide="ignore"):
        return np.log(np.random.default_rng(3).multinomial(10, softmax(0.6 * true, axis=1)) / 10)


def shrugged(true):
    """The same top class and percentage, and of all others the same."""
    p = softmax(true, axis=1)
    top = p.max(axis=1, keepdims=True)
    return np.log(np.where(p == top, top, (1 - top) / (CLASSES - 1)))


@pytest.mark.parametrize(
    ("made", "cause", "told"),
    [
        (lambda true: 2 * true, SURENESS, "'base' is too sure: it claims"),
        (
            lambda true: true + 2 * np.eye(CLASSES)[0],
            OFFSETS,
            "'base' gives '0' 38.5\u00a0% on average, and it is true in 22.9\u00a0%.",
        ),
        (zeros_of, ZEROS, "of rows 'base' gave the true class 0\u00a0%."),
        (shrugged, ALTERNATIVES, "It knows better what else it could be."),
        (
            lambda true: world(rows=len(true), noise=1.8)[1],
            ACCURACY,
            "It is right more often.",
        ),
    ],
)
def test_the_cause_is_what_a_method_was_made_to_do(made, cause, told):
    truth, true = world(rows=1500)
    comparison = compared(truth, base=made(true), other=true)
    for method in ("other", "other, calibrated"):
        assert comparison.cause(method) == cause
        assert told in because(comparison, method)
        assert sum(part(comparison, method, name) for name in MENDED) == pytest.approx(
            part(comparison, method, CALIBRATION), abs=1e-12
        )
        whole = comparison.difference(method, "base", "nll").value
        assert sum(part(comparison, method, name) for name in PARTS) == pytest.approx(whole, abs=1e-9)
        others = {ACCURACY, ORDER, ALTERNATIVES} - {cause}
        if cause not in (ACCURACY, ZEROS):
            assert max(abs(part(comparison, method, name)) for name in others) < 0.1 * abs(whole)


def test_order_is_what_the_top_class_being_right_is_worth_and_alternatives_the_rest():
    """Binary and conditional NLL, by their definitions, where nothing is to be calibrated but by a fit."""
    truth, true = world(rows=1500)
    parts = compared(truth, base=true).parts["base"]
    q = softmax(true / np.exp(parts.scale.value), axis=1)
    rows, top = np.arange(1500), q.argmax(axis=1)
    right, most = top == truth, q.max(axis=1)
    share = right.mean()
    binary = -np.mean(np.where(right, np.log(most / share), np.log((1 - most) / (1 - share))))
    among = np.log((q[rows, truth] / (1 - most))[~right]) + np.log(CLASSES - 1)
    assert parts[ORDER].value == pytest.approx(binary, abs=2 / 1500)
    assert parts[ALTERNATIVES].value == pytest.approx(-among.sum() / 1500, abs=1e-6)
    # Of two classes there is nothing else that it could be.
    two = howsure.Certainty.from_probabilities(np.stack([most, 1 - most], axis=1))
    comparison = howsure.Comparison.of_results({"a": two, "b": two}, (~right).astype(int))
    assert comparison.parts["a"][ALTERNATIVES].value == 0


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_calibration_is_near_that_of_isotonic_regression(scale):
    """The miscalibration of the CORP decomposition (Dimitriadis, Gneiting and Jordan 2021)."""
    from sklearn.isotonic import IsotonicRegression

    random = np.random.default_rng(5)
    logit = 1.5 * random.normal(size=4000)
    truth = (random.random(4000) < 1 / (1 + np.exp(-logit))).astype(int)
    claimed = 1 / (1 + np.exp(-scale * logit))
    fitted = np.clip(IsotonicRegression().fit(claimed, truth).predict(claimed), 1e-9, 1 - 1e-9)

    def nll(p):
        return -np.mean(np.where(truth, np.log(p), np.log(1 - p)))

    result = howsure.Certainty.from_probabilities(np.stack([1 - claimed, claimed], axis=1))
    parts = howsure.Comparison.of_results({"a": result}, truth, calibrated=False).parts["a"]
    # It has as many steps as it likes, so it also fits chance: that is at most 1 % of a nat here.
    assert 0 < nll(claimed) - nll(fitted) - parts[CALIBRATION].value < 0.01


def test_a_constant_off_the_mean_is_the_cause_and_is_told_in_the_unit_of_the_target():
    random = np.random.default_rng(0)
    y, std = random.normal(size=(500, 1)), np.ones((500, 1))
    results = {
        name: howsure.RegressionCertainty.from_mean_std(np.full((500, 1), mean), std)
        for name, mean in (("base", 0.8 + y.mean()), ("other", y.mean()))
    }
    comparison = howsure.Comparison.of_results(results, y)
    for method in ("other", "other, calibrated"):
        assert comparison.cause(method) == OFFSETS
        assert because(comparison, method) == "'base' is 0.80 too high on average."
    # Half before and half after the factor, by closed forms of the normal density.
    before, after = 0.8**2 / 2, np.log(1 + 0.8**2 / y.var()) / 2
    assert part(comparison, "other", OFFSETS) == pytest.approx(-(before + after) / 2, abs=0.002)
    assert part(comparison, "other", ACCURACY) == pytest.approx(0, abs=1e-9)


def test_there_is_no_cause_where_nothing_is_sure():
    truth, true = world(rows=100)
    comparison = compared(
        truth, base=true, other=true + 0.1 * np.random.default_rng(0).normal(size=true.shape)
    )
    assert comparison.cause("other") is None
    assert because(comparison, "other") == ""
    assert set(EVERY) > {*PARTS, *MENDED}


def test_calibration_is_what_the_best_temperature_gains():
    truth, true = world(seed=SEED)
    logits = 2.5 * true
    rows = np.arange(ROWS)

    def nll(log, rows=rows):
        return -log_softmax(logits[rows] * np.exp(-log), axis=1)[np.arange(ROWS), truth[rows]].mean()

    def best_for(rows, exact):
        given = {"args": (rows,), "bounds": (-3, 3), "method": "bounded"}
        return minimize_scalar(nll, **given, options={"xatol": exact})

    best = best_for(rows, 1e-9)
    parts = compared(truth, base=logits).parts["base"]
    assert parts.scale.value == pytest.approx(best.x, abs=1e-5)
    step = 1e-5
    near = [log_softmax(logits * np.exp(-best.x + t), axis=1)[rows, truth] for t in (step, -step)]
    slopes = (near[1] - near[0]) / (2 * step)
    curvature = (nll(best.x + 1e-3) + nll(best.x - 1e-3) - 2 * best.fun) / 1e-6
    hidden = np.mean(slopes**2) / (2 * ROWS * curvature)
    assert parts.best.value == pytest.approx(best.fun + hidden, rel=1e-4)
    # The interval of the temperature is that of the bootstrap.
    random = np.random.default_rng(0)
    drawn = [best_for(random.integers(ROWS, size=ROWS), 1e-4).x for _ in range(200)]
    assert np.linalg.norm(parts.scale.parts) == pytest.approx(np.std(drawn), rel=0.2)


def test_the_accuracy_part_knows_no_more_than_how_often_answers_are_right():
    truth, true = world(seed=SEED)
    parts = compared(truth, base=true).parts["base"]
    right = (true.argmax(axis=1) == truth).mean()
    entropy = -right * np.log(right) - (1 - right) * np.log((1 - right) / (CLASSES - 1))
    assert parts[ACCURACY].value == pytest.approx(entropy + 1 / (2 * ROWS), rel=1e-9)


def test_the_parts_of_numbers_are_those_of_normal_densities():
    random = np.random.default_rng(0)
    std = np.exp(0.5 * random.normal(size=(ROWS, 1)))
    y = std * random.normal(size=(ROWS, 1))
    mean = np.zeros((ROWS, 1))
    results = {
        "sure": howsure.RegressionCertainty.from_mean_std(mean, std / 2),
        "flat": howsure.RegressionCertainty.from_mean_std(mean, np.full_like(std, 1.0)),
    }
    comparison = howsure.Comparison.of_results(results, y, calibrated=False)
    factor = np.sqrt(np.mean((2 * y / std) ** 2))
    sure = comparison.parts["sure"]
    y = y - np.average(y, weights=std[:, 0] ** -2, axis=0)
    factor = np.sqrt(np.mean((2 * y / std) ** 2))
    assert sure.scale.value == pytest.approx(np.log(factor), abs=1e-12)
    hidden = np.mean((1 - (2 * y / std / factor) ** 2) ** 2) / (4 * ROWS)
    weights = (2 / std / factor) ** 2
    hidden += np.mean((weights * y) ** 2) / (2 * ROWS * weights.mean())
    at_best = -norm.logpdf(y, 0, std / 2 * factor).mean() + hidden
    assert sure.best.value == pytest.approx(at_best, abs=1e-9)
    flat = comparison.parts["flat"]
    assert flat[ACCURACY].value == pytest.approx(sure[ACCURACY].value, abs=1e-12)
    assert found(comparison, "flat", ORDER).sure
    assert not found(comparison, "flat", ORDER).better
    assert found(comparison, "flat", CALIBRATION).better
    assert f"'sure' is too sure: its errors are {factor:.2f} times as large" in why(comparison)
    assert "it knows less well which errors are large" in why(comparison)


def test_each_reason_is_told_where_it_is_the_reason():
    truth, true = world()
    sharp = compared(truth, base=true, other=3 * true)
    assert found(sharp, "other", CALIBRATION).sure
    assert not found(sharp, "other", CALIBRATION).better
    assert found(sharp, "other", ACCURACY) is None
    assert found(sharp, "other", SCALE).effect.value > 0
    assert "Its percentages fit worse how often it is right" in why(sharp)
    assert "'other' is too sure" in why(sharp) or "It is too sure" in why(sharp)
    assert "Nothing in these 600 rows shows that 'base' is too sure, or too modest" in why(sharp)
    better = compared(truth, base=true + 1.5 * np.random.default_rng(1).normal(size=true.shape), other=true)
    assert found(better, "other", DISCRIMINATION).sure
    assert found(better, "other", DISCRIMINATION).better
    assert lead(better).startswith("Take 'other'")
    assert because(better, "other") in lead(better)


def test_what_is_not_sure_is_a_guess():
    truth, true = world(rows=120, seed=5)
    comparison = compared(truth, base=1.2 * true)
    claim = found(comparison, "base", SCALE)
    assert claim is not None
    assert not claim.sure
    said = why(comparison)
    assert "These 120 rows are too few to be sure whether 'base' is too sure or too modest." in said
    assert "The best guess is that it is too sure" in said
    assert "would tell" not in said


def test_percentages_that_say_nothing_are_too_sure_however_far_the_best_temperature_lies():
    random = np.random.default_rng(0)
    truth = random.integers(2, size=300)
    comparison = compared(truth, base=2 * random.normal(size=(300, 2)))
    claim = found(comparison, "base", SCALE)
    assert claim.sure
    assert claim.effect.value > 0
    assert claim.effect.high <= np.log(100)


def test_the_lead_says_of_a_calibrated_method_that_the_baseline_is_too_sure():
    truth, true = world(rows=2000)
    other = 1.5 * (true + 0.1 * np.random.default_rng(4).normal(size=true.shape))
    for name in ("base, calibrated", "other, calibrated"):
        assert because(compared(truth, base=3 * true, other=other), name).startswith("'base' is too sure: it")


@pytest.mark.parametrize("seed", range(4))
def test_among_methods_that_are_one_once_calibrated_the_lead_takes_the_baseline(seed):
    truth, true = world(seed=seed)
    comparison = compared(truth, base=true / 2, sure=3 * true, modest=true / 3)
    assert lead(comparison).startswith("Take calibrated 'base': ")


def test_ends_of_a_scale_that_lie_far_apart_have_digits_of_their_own():
    assert scale_in_words(howsure.Score(0.0, np.log(0.63), np.log(87.0))) == ("1.0", "0.63\u00a0to\u00a087")


def test_what_has_heavy_tails_is_seldom_called_too_modest():
    """Of a t with 3 degrees the largest errors decide how wide it is, and samples lack them."""
    reported = {"heavy": 0, "wide": 0}
    for seed in range(200):
        random = np.random.default_rng(seed)
        errors = {
            "heavy": random.standard_t(3, (1000, 1)) / np.sqrt(3),
            "wide": random.normal(size=(1000, 1)),
        }
        for name, std in (("heavy", 1.0), ("wide", 1.15)):
            result = howsure.RegressionCertainty.from_mean_std(np.zeros((1000, 1)), np.full((1000, 1), std))
            comparison = howsure.Comparison.of_results({"a": result}, errors[name], calibrated=False)
            reported[name] += comparison.parts["a"].scale.score(0.95).high < 0
    assert reported["heavy"] <= 10
    assert reported["wide"] == 200


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((1.3, 1.004, 3.1), ("1.3", "1.004", "3.1")),
        ((0.8, 0.52, 0.997), ("0.80", "0.52", "0.997")),
        ((2.4, 1.0004, 87.0), ("2.4", "1.0004", "87")),
        ((1.3, 0.98, 3.1), ("1.3", "0.98", "3.1")),
    ],
)
def test_an_end_of_a_scale_is_never_rounded_to_no_difference(ends, told):
    value, low, high = told
    assert scale_in_words(howsure.Score(*np.log(ends))) == (value, f"{low}\u00a0to\u00a0{high}")


def test_an_end_of_a_difference_is_never_rounded_to_none():
    apart = numbers_words.apart(howsure.Score(-0.17, -0.35, -0.00121))
    assert apart == ("0.17 lower", "0.001\u00a0to\u00a00.35")
    assert numbers_words.apart(howsure.Score(-0.17, -0.35, 0.0))[1] == "0.00\u00a0to\u00a00.35"
    assert numbers_words.apart(howsure.Score(-0.17, -0.35, 0.002))[1] == "−0.002\u00a0to\u00a00.35"
    assert measured(1.3, 1.0, 3.1, mark=1.0) == ("1.3", "1.0", "3.1")
    gap = howsure.Score(-np.log(2.5), -np.log(5.9), -np.log(1.0007))
    assert class_words.CLASS_WORDS.gap(None, gap, "nll", "") == "2 times as much (1.0007\u00a0to\u00a06)"


def test_a_row_contributes_what_leaving_it_out_changes():
    y = np.random.default_rng(2).standard_t(3, size=(30, 1))  # one square is half of their sum
    result = howsure.RegressionCertainty.from_mean_std(np.zeros((30, 1)), np.ones((30, 1)))
    parts = howsure.Comparison.of_results({"a": result}, y, calibrated=False).parts["a"]
    rest = [np.delete(y, row) for row in range(30)]
    fits = np.array([np.log(np.mean(each**2)) / 2 for each in rest])  # its NLL, but for a constant
    exact = 29 / 30 * (fits.mean() - fits)
    assert parts[ACCURACY].parts == pytest.approx(exact, abs=0.1 * exact.max())
    assert np.linalg.norm(parts[ACCURACY].parts) == pytest.approx(np.linalg.norm(exact), rel=0.1)
    assert np.linalg.norm(parts.scale.parts) >= np.linalg.norm(exact)


def best_log_scale(logits, truth):
    """The logarithm of the best temperature, by scipy."""
    own = np.arange(len(truth)), truth
    loss = minimize_scalar(lambda beta: -log_softmax(beta * logits, axis=1)[own].sum(), (0.2, 0.5))
    return -np.log(loss.x)


def test_a_group_contributes_to_a_scale_what_leaving_it_out_changes():
    truth, logits = world(240, scale=2.0, seed=SEED)
    groups = np.arange(240) // 20
    results = {"a": howsure.Certainty.from_probabilities(softmax(logits, axis=1))}
    scale = howsure.Comparison.of_results(results, truth, groups=groups).parts["a"].scale
    without = [best_log_scale(logits[groups != each], truth[groups != each]) for each in range(12)]
    left_out = best_log_scale(logits, truth) - np.array(without)
    np.testing.assert_allclose(scale.parts, left_out, atol=0.1 * np.abs(left_out).max())


def test_a_group_contributes_to_a_factor_of_numbers_what_leaving_it_out_changes():
    random = np.random.default_rng(SEED)
    y, groups = random.normal(size=(120, 2)), np.arange(120) // 10
    results = {"a": howsure.RegressionCertainty.from_mean_std(np.zeros((120, 2)), np.ones((120, 2)))}
    scale = howsure.Comparison.of_results(results, y, groups=groups).parts["a"].scale

    def best(y):
        return np.log(y.std(axis=0)).mean()

    left_out = best(y) - np.array([best(y[groups != each]) for each in range(12)])
    np.testing.assert_allclose(scale.parts, left_out, atol=0.1 * np.abs(left_out).max())


def test_a_difference_that_only_calibration_makes_is_gone_once_both_are_calibrated():
    truth, true = world(rows=2000)
    random = np.random.default_rng(4)
    other = 3 * (true + 0.05 * random.normal(size=true.shape))
    said = why(compared(truth, base=true, other=other))
    assert "Once both are calibrated, these 2,000 rows cannot tell them apart" in said


def heard(members, truth):
    from howsure.tasks.classification.compare import COMPARING

    recorder = MemberRecorder(COMPARING.alone, truth)
    rows = np.arange(len(truth))
    for place in np.array_split(rows, 3):
        recorder(place, [softmax(member[place], axis=1) for member in members])
    return recorder.losses()


def together(members, truth):
    """A comparison in which the ensemble's members were heard."""
    mean = np.mean([softmax(member, axis=1) for member in members], axis=0)
    comparison = compared(truth, base=members[0], ensemble=np.log(mean))
    return replace(comparison, members={"ensemble": heard(members, truth)})


def test_members_that_make_different_mistakes_are_better_together():
    truth, true = world()
    random = np.random.default_rng(2)
    members = [true + 4 * random.normal(size=true.shape) for _ in range(4)]
    comparison = together(members, truth)
    assert found(comparison, "ensemble", TOGETHER).better
    assert "networks do not all make the same mistakes. Together they give the true class" in why(comparison)
    right = np.array([member.argmax(axis=1) == truth for member in members])
    shared = np.mean([np.mean(~right[j][~right[i]]) for i in range(4) for j in range(4) if i != j])
    reported = f"In a pair of them, one makes {100 * shared:.0f}\u00a0% of the mistakes of the other too, on"
    assert reported in why(comparison)


def test_order_is_not_held_against_a_method_with_fewer_mistakes():
    """Both parts of wrong answers shrink as mistakes do: they would be worse though the method is better."""
    (truth, weak), (_, strong) = (world(rows=2000, noise=noise) for noise in (1.5, 0.7))
    comparison = compared(truth, base=weak, other=strong)
    assert comparison.part("other", ALTERNATIVES).low > 0
    assert comparison.difference("other", "base", "error_auroc").low > 0
    assert found(comparison, "other", ALTERNATIVES) is None
    assert "what else" not in why(comparison) + lead(comparison)
    assert "which answers are doubtful" not in why(comparison) + lead(comparison)
    left, alone = (
        comparison.words.amount(comparison, comparison.part("other", part))
        for part in (DISCRIMINATION, ACCURACY)
    )
    assert f"It is right more often (worth {left})" in why(comparison), "as all else is calibration"
    assert alone not in why(comparison)


def test_a_network_that_is_better_alone_is_named_in_the_lead():
    truth, true = world()
    random = np.random.default_rng(3)
    weak = [true + 6 * random.normal(size=true.shape) for _ in range(2)]
    said = lead(together([*weak, true], truth))
    assert "Take the calibrated ensemble: " in said
    assert "Uncalibrated, member 2 alone is better than all 3 together." in said
    assert "Member 2 alone is better than all 3 together. Together they " in why(
        together([*weak, true], truth)
    )


def test_a_network_that_may_be_as_good_alone_is_named_beside_the_cost():
    truth, true = world()
    random = np.random.default_rng(3)
    comparison = compared(truth, base=true + 6 * random.normal(size=true.shape), ensemble=true)
    said = brief(replace(comparison, members={"ensemble": heard([true] * 3, truth)}))
    assert "alone may be as good as all 3 together." in said[COST]
    members = [true + 4 * random.normal(size=true.shape) for _ in range(4)]
    assert "alone" not in brief(together(members, truth))[COST]


def test_copies_of_a_good_network_beside_a_weak_one_are_named():
    truth, true = world()
    weak = true + 6 * np.random.default_rng(3).normal(size=true.shape)
    comparison = together([weak, true, true, true], truth)
    said = why(comparison)
    assert "do not all make the same mistakes" not in said
    assert ("Member 1, member 2 and member 3 answer alike, so they say no more than one of them.") in said
    assert "Member 1 alone is better than all 4 together" in said


def test_the_class_that_holds_most_of_the_gain_is_named():
    truth, true = world()
    blind = np.where((truth == 2)[:, None], true - 4 * np.eye(CLASSES)[2], true)
    comparison = compared(truth, base=blind, other=true)
    share = 100 * np.mean(truth == 2)
    assert f"Most of the gain lies in rows of '2', {share:.1f}\u00a0% of all." in lead(comparison)
    assert f"Most of the loss lies in rows of '2', {share:.1f}\u00a0% of all." == where(
        compared(truth, base=true, other=blind), "other"
    )


def test_no_class_is_said_to_hold_most_of_what_all_share():
    told = 0
    for seed in range(60):
        truth, true = world(seed=seed)
        truth, true = truth % 2, true[:, :2]  # two classes, with half of the gain each
        noise = np.random.default_rng(seed).normal(size=true.shape)
        told += bool(where(compared(truth, base=true + noise, other=true), "other"))
    assert told <= 6


def test_a_member_that_hurts_the_others_is_named():
    truth, true = world()
    random = np.random.default_rng(4)
    good = [true + random.normal(size=true.shape) for _ in range(4)]
    weak = [3 * random.normal(size=true.shape)]
    said = why(together([good[0], *weak, *good[1:]], truth))
    mean = np.mean([softmax(each, axis=1) for each in good], axis=0)[np.arange(ROWS), truth]
    every = np.mean([softmax(each, axis=1) for each in good + weak], axis=0)[np.arange(ROWS), truth]
    more = 100 * np.expm1(np.mean(np.log(mean / every)))
    assert f"Without member 1, the others give the true class {more:.0f}\u00a0% more than all of them" in said
    assert "Without" not in why(together(good, truth))


def test_the_others_without_a_member_are_exact_where_they_give_next_to_nothing():
    truth, rest = np.zeros(20, int), np.float32([[1e-12, 1.0]] * 20)
    members = [np.float32([[1.0, 0.0]] * 20), rest, rest]
    recorder = MemberRecorder(class_words.COMPARING.alone, truth)
    recorder(np.arange(20), members)
    assert recorder.losses().without.mean(axis=1) == pytest.approx([12 * np.log(10), np.log(2), np.log(2)])


def test_a_cost_that_nobody_told_is_not_said_to_be_low():
    truth, true = world(60)
    noise = np.random.default_rng(0).normal(size=true.shape)
    comparison = compared(truth, base=true + 2.5 * noise, other=true)
    costs = dict.fromkeys(comparison.methods, np.nan) | {"base": 40.0, "base, calibrated": 40.0}
    kinds = dict.fromkeys(comparison.methods, howsure.Softmax())
    said = lead(replace(comparison, costs=costs, kinds=kinds))
    assert "'other' is likely better" in said
    assert "The cost of 'other' is not known." in said
    assert "no more than one plain prediction" not in said


def test_methods_that_say_the_same_are_said_to():
    truth, true = world()
    said = lead(compared(truth, base=3 * true, one=true, two=true))
    assert "'one' and 'two' score the same in every row." in said
    assert "score the same" not in lead(compared(truth, base=3 * true, one=true, two=1.01 * true))


def test_members_that_share_their_mistakes_are_not_said_to_differ():
    truth, true = world(rows=200)
    random = np.random.default_rng(6)
    members = [true + 0.02 * random.normal(size=true.shape) for _ in range(4)]
    claim = found(together(members, truth), "ensemble", TOGETHER)
    assert claim is None or not claim.sure
    assert "cannot tell" in why(together(members, truth))


def test_the_best_of_members_that_are_alike_is_seldom_said_to_be_better_than_all():
    reported = 0
    for seed in range(60):
        truth, true = world(rows=100, seed=seed)
        random = np.random.default_rng(seed)
        members = [true + 0.2 * random.normal(size=true.shape) for _ in range(4)]
        effect, _ = heard(members, truth).beside_the_best(0.8)
        reported += effect.low > 0
    assert reported <= 6  # 10 % on either side


def test_the_members_of_a_real_ensemble_are_heard():
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    nets = [MLPClassifier((20,), random_state=s, tol=1e-3).fit(x[:900] / 16, y[:900]) for s in range(3)]
    new = x[900:] / 16
    comparison = howsure.compare(
        nets[0], new, y[900:], methods={"plain": howsure.PlainPrediction(), "ensemble": Ensemble(nets[1:])}
    )
    members = comparison.members["ensemble"]
    for net, losses, wrong in zip(nets, members.losses, members.wrong, strict=True):
        p = net.predict_proba(new)
        assert losses == pytest.approx(-np.log(p[np.arange(len(p)), y[900:]]), rel=1e-5, abs=1e-6)
        assert np.array_equal(wrong, p.argmax(axis=1) != y[900:])
    assert comparison.score("ensemble", "nll").value == pytest.approx(members.together.mean(), rel=1e-5)


def test_a_claim_is_better_where_its_effect_is_below_0():
    assert Claim("a", WHOLE, howsure.Score(-1.0, -2.0, -0.5), True).better
