"""Methods that answer with numbers, side by side: scores, noise, sentences, and how often they are false."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import optimize
from scipy.stats import norm

import howsure
from howsure import Comparison, RegressionCertainty
from howsure.compare.findings import chosen, findings, lead
from howsure.inputs.rows import InputSpec
from howsure.report.comparison import gains_of, render_comparison
from howsure.tasks.regression.compare import COMPARING
from howsure.tasks.regression.scores import crps, nll
from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.compare_numbers import WORLDS, World, is_too_often, normal, share_of, taken

RANDOM = np.random.default_rng(0)
ROWS = 400
STD = np.exp(RANDOM.uniform(-1, 1, ROWS))
MEAN = 3 * RANDOM.normal(size=ROWS)
Y = MEAN + STD * RANDOM.normal(size=ROWS)
ROUGH = RegressionCertainty.from_mean_std(MEAN + 0.3 * RANDOM.normal(size=ROWS), np.full(ROWS, 1.2))
EXACT = RegressionCertainty.from_mean_std(MEAN, STD)
SAMPLES = RegressionCertainty.from_samples(MEAN + 0.5 * RANDOM.normal(size=(9, ROWS)))
CLASS_WORDS = re.compile(r"coin|accura|class|softmax|percentage|mistake|probabilities", re.IGNORECASE)


# --- scores ---------------------------------------------------------------------------------------


def test_scores_without_scatter():
    assert nll(np.zeros(2), np.zeros(2), np.array([0.0, 1.0])).tolist() == [-np.inf, np.inf]
    assert crps(np.zeros(2), np.zeros(2), np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert np.isnan(nll(np.zeros(1), np.full(1, np.nan), np.ones(1))).all()


def test_no_row_is_scored_with_a_noise_learned_from_it():
    y = Y.copy()
    far = int(np.argmax(np.abs(y - MEAN)))
    y[far] += 1e3
    (result,), *_ = COMPARING.completed(SAMPLES, y[:, None], seed=0)
    assert result.noise[far, 0] < 5 < np.delete(result.noise[:, 0], far).max()
    assert result.noise_from == "held-out rows"
    np.testing.assert_array_equal(result.mean, SAMPLES.mean)


@pytest.mark.parametrize("kind", ["noise", "noise beside a spread", "factor"])
def test_a_row_counts_also_through_the_fits_of_other_rows(kind):
    """The derivative of the sum of all scores by the weight of a row, against a difference quotient."""
    random, rows, seed = np.random.default_rng(3), 25, 5
    y, spread = random.standard_t(3, rows), 0.5 * random.random(rows)
    if kind == "factor":
        result = RegressionCertainty.from_mean_std(np.zeros(rows), 0.5 + spread)
        (fitted,), _, (through,) = COMPARING.calibrated(result, y[:, None], seed=seed)
    else:
        spread = spread if "spread" in kind else 0 * spread
        result = RegressionCertainty.from_samples(np.stack([spread, -spread]) / np.sqrt(2))
        (fitted,), _, (through,) = COMPARING.completed(result, y[:, None], seed=seed)
    fold = np.random.default_rng(seed).permutation(rows) % 5

    def std(logarithm: float) -> np.ndarray:
        at = np.exp(logarithm)
        return at * (0.5 + spread) if kind == "factor" else np.hypot(spread, at)

    def total(weights: np.ndarray) -> np.ndarray:
        found = np.zeros(2)
        for number in range(5):
            others, own = fold != number, fold == number

            def loss(at: float, others: np.ndarray = others) -> float:
                return float(-(weights * norm.logpdf(y, 0, std(at)))[others].sum())

            best = optimize.minimize_scalar(loss, bounds=(-6, 3), method="bounded", options={"xatol": 1e-12})
            for place, score in enumerate((nll, crps)):
                found[place] += (weights * score(np.zeros(rows), std(best.x), y))[own].sum()
        return found

    step = 1e-3
    changes = step * np.eye(rows)
    slopes = np.array([total(1 + change) - total(1 - change) for change in changes]) / (2 * step)
    for name, score, of_row in zip(("nll", "crps"), (nll, crps), slopes.T, strict=True):
        direct = score(np.zeros(rows), fitted.std[:, 0], y)
        expected = (of_row - direct) - np.mean(of_row - direct)
        np.testing.assert_allclose(rows * through[name].parts, expected, rtol=1e-3, atol=1e-3)
        assert np.abs(expected).max() > 0.01


# --- a comparison ---------------------------------------------------------------------------------


def test_differences_are_those_of_scipy():
    comparison = Comparison.of_results({"rough": ROUGH, "exact": EXACT}, Y, calibrated=False)
    of_rough = -norm.logpdf(Y, ROUGH.mean[:, 0], 1.2)
    of_exact = -norm.logpdf(Y, MEAN, STD)
    assert comparison.score("exact", "nll").value == pytest.approx(of_exact.mean(), rel=1e-12)
    gap = comparison.difference("exact", "rough", "nll")
    assert gap.value == pytest.approx((of_exact - of_rough).mean(), rel=1e-9)
    rmse = comparison.difference("exact", "rough", "rmse").value
    errors = [np.sqrt(np.mean((mean - Y) ** 2)) for mean in (MEAN, ROUGH.mean[:, 0])]
    assert rmse == pytest.approx(errors[0] - errors[1], rel=1e-9)
    assert comparison.score("rough", "mae").value == pytest.approx(np.abs(ROUGH.mean[:, 0] - Y).mean())


def test_the_interval_of_a_difference_of_rmse_is_that_of_the_bootstrap():
    comparison = Comparison.of_results({"rough": ROUGH, "exact": EXACT}, Y, calibrated=False)
    gap = comparison.difference("exact", "rough", "rmse")
    drawn = np.random.default_rng(1).integers(ROWS, size=(2000, ROWS))
    rough, exact = ((mean - Y) ** 2 for mean in (ROUGH.mean[:, 0], MEAN))
    low, high = np.quantile(
        np.sqrt(exact[drawn].mean(axis=1)) - np.sqrt(rough[drawn].mean(axis=1)), [0.025, 0.975]
    )
    assert (gap.high - gap.low) / (high - low) == pytest.approx(1, abs=0.15)


def test_the_sentence_says_what_differs_and_what_does_not():
    said = lead(Comparison.of_results({"rough": ROUGH, "exact": EXACT}, Y, calibrated=False))
    assert re.fullmatch(
        r"Take 'exact': its NLL is (0\.\d+) lower than that of 'rough' \(95.% interval 0\.\d+.to.0\.\d+\)\. "
        r"Its RMSE is 0\.\d+ lower \(0\.\d+.to.0\.\d+\)\. It knows better which errors "
        r"are large\. The cost of 'exact' is not known: the results were given\.",
        said,
    )
    same = RegressionCertainty.from_mean_std(MEAN, np.full(ROWS, 1.2))
    said = lead(Comparison.of_results({"same": same, "exact": EXACT}, Y, calibrated=False))
    assert said.startswith("Take 'exact': its NLL")
    assert "The RMSE is the same." in said
    said = lead(Comparison.of_results({"exact": EXACT, "rough": ROUGH}, Y, calibrated=False))
    assert said.startswith("Take 'exact': no other method here has a lower NLL by more than chance.")
    assert re.search(
        r"The best of the others, 'rough', has an NLL that is 0\.\d+ higher \(0\.\d+.to.\d\.\d+\)\. "
        r"'exact' costs nothing more\.$",
        said,
    )
    said = lead(Comparison.of_results({"exact": EXACT, "twin": EXACT}, Y, calibrated=False))
    assert said == (
        "Take 'exact': no other method here has a lower NLL by more than chance. 'exact' and 'twin' score "
        "the same in every row. 'exact' costs nothing more."
    )


def test_another_unit_changes_nothing_but_the_unit():
    results = {"rough": ROUGH, "exact": EXACT, "samples": SAMPLES}
    one = Comparison.of_results(results, Y)
    larger = {name: each.rescaled(0.0, 1000.0) for name, each in results.items()}
    other = Comparison.of_results(larger, 1000 * Y)
    assert other.methods == one.methods
    for method in one.methods[1:]:
        for name, unit in (("nll", 1), ("crps", 1000), ("rmse", 1000)):
            was, now = (each.difference(method, "rough", name) for each in (one, other))
            for end in ("value", "low", "high"):
                assert getattr(now, end) == pytest.approx(unit * getattr(was, end), rel=1e-6, abs=1e-9)
    assert lead(other).partition("Its RMSE")[0] == lead(one).partition("Its RMSE")[0]
    digits = [
        re.sub(r"[^1-9]|0+$", "", re.search(r"RMSE is ([\d.,]+)", lead(each))[1]) for each in (one, other)
    ]
    assert digits[0] == digits[1]


def test_several_targets_count_alike_whatever_their_units():
    both = [
        RegressionCertainty.from_mean_std(np.stack([m, 1e6 * m], 1), np.stack([s, 1e6 * s], 1), ["a", "b"])
        for m, s in ((ROUGH.mean[:, 0], ROUGH.std[:, 0]), (MEAN, STD))
    ]
    y = np.stack([Y, 1e6 * Y], 1)
    comparison = Comparison.of_results(dict(zip(("rough", "exact"), both, strict=True)), y, calibrated=False)
    alone = Comparison.of_results({"rough": ROUGH, "exact": EXACT}, Y, calibrated=False)
    for name, unit in (("nll", 1.0), ("crps", Y.std()), ("rmse", Y.std())):
        gap, of_one = (each.difference("exact", "rough", name) for each in (comparison, alone))
        assert gap.value == pytest.approx(of_one.value / unit, rel=1e-9)
    turned = RegressionCertainty.from_mean_std(both[1].mean[:, ::-1], both[1].std[:, ::-1], ["b", "a"])
    again = Comparison.of_results({"rough": both[0], "exact": turned}, y, calibrated=False)
    assert again.score("exact", "rmse") == comparison.score("exact", "rmse")
    assert "averaged over 2 targets" in " ".join(each.note for each in findings(again))


def test_no_words_of_classes_anywhere():
    comparison = Comparison.of_results({"rough": ROUGH, "exact": EXACT, "samples": SAMPLES}, Y)
    page = re.sub(r"<style>.*?</style>|<[^>]*>", " ", render_comparison(comparison), flags=re.DOTALL)
    for text in (page, str(comparison), *(each.answer for each in findings(comparison))):
        assert CLASS_WORDS.search(text) is None, CLASS_WORDS.search(text)
    assert "Numbers that were given" in page
    assert "'samples' does not say how far answers scatter" in page.replace("&#39;", "'")
    assert comparison.methods == ("rough", "exact", "samples", "rough, calibrated", "exact, calibrated")
    for method, whole, *_ in gains_of(comparison).rows:
        gap = comparison.difference(method, "rough", "nll")
        assert whole.best == gap.excludes_zero
        assert whole.value.endswith("lower" if gap.value < 0 else "higher")
    within = comparison.claims["exact", "as they are"].within
    assert f"95 % intervals contain {100 * within:.1f} % of answers" in page.replace("\u00a0", " ")
    with pytest.raises(howsure.InputError, match="not right or wrong, so there are no mistakes"):
        _ = comparison.mistakes
    with pytest.raises(howsure.InputError, match="'nll', 'crps', 'rmse'"):
        comparison.score("rough", "accuracy")


def test_what_cannot_be_compared_is_said():
    few = {"a": SAMPLES[:9], "b": SAMPLES[:9]}
    said = lead(Comparison.of_results(few, Y[:9]))
    assert said.startswith("Nothing could be compared: to learn how far answers scatter takes 10 rows")
    never = RegressionCertainty.from_mean_std(MEAN, np.zeros(ROWS))
    said = lead(Comparison.of_results({"never": never, "exact": EXACT}, Y, calibrated=False))
    assert said == "The NLL of 'never' is not defined, so nothing can be compared with it."
    said = lead(Comparison.of_results({"exact": EXACT, "never": never}, Y, calibrated=False))
    assert said == "Take 'exact': the NLL of no other method is defined."
    said = lead(Comparison.of_results({"a": ROUGH[:4], "b": EXACT[:4]}, Y[:4]))
    assert said == (
        "Take 'a': no other method here is known to have a lower NLL. 4 rows are too few to tell. "
        "'a' costs nothing more."
    )
    with pytest.raises(howsure.InputError, match="true answers are not known"):
        Comparison.of_results({"a": ROUGH})
    other = RegressionCertainty.from_mean_std(MEAN, STD, ["price"])
    with pytest.raises(howsure.InputError, match="'b' has other targets than 'a'"):
        Comparison.of_results({"a": ROUGH, "b": other}, Y)
    with pytest.raises(howsure.InputError, match="not of the same kind"):
        Comparison.of_results({"a": ROUGH, "b": ROUGH.above(0.0)}, Y)


# --- methods of a model ---------------------------------------------------------------------------


def network(shape: tuple[int, ...] = (4,)) -> tuple[ArrayModel, np.ndarray]:
    """A network whose dropout says more of rows far away, and its weights (4, 30), (30, 1)."""
    random = np.random.default_rng(1)
    first, last = random.normal(size=(4, 30)) / 2, random.normal(size=(30, 1)) / 5
    steps = {
        "hidden": (Dense(first, activation="relu"), "x"),
        "drop": (Dropout(0.3), "hidden"),
        "output": (Dense(last), "drop"),
    }
    x = random.normal(size=(200, *shape)).astype(np.float32)
    return ArrayModel("scales", [InputSpec("x", shape, "float32")], steps, trained_for="regression"), x


def test_methods_of_a_model_have_the_same_chance():
    model, x = network()
    mean = howsure.assess(model, x, method=howsure.Softmax()).mean[:, 0]
    y = mean + 0.3 * np.random.default_rng(2).normal(size=200)
    far = 6 * x[:80]
    comparison = howsure.compare(
        model, x, y, shifts={"louder": lambda rows: 1.5 * rows}, outside={"far": far}
    )
    assert comparison.methods == ("plain prediction", "MC dropout")
    assert lead(comparison).startswith("Take the plain prediction: no other method")
    plain, dropout = (comparison.certainties[name] for name in comparison.methods)
    assert np.isfinite(plain.std).all()
    assert np.isfinite(dropout.std).all()
    assert comparison.score("plain prediction", "outside_auroc", "far").value == 0.5
    assert comparison.score("MC dropout", "outside_auroc", "far").value > 0.9
    said = " ".join(each.answer for each in findings(comparison))
    assert (
        "MC dropout has the best sense of what is outside: it finds one of 'far' more uncertain than one"
        in said
    )
    assert "Louder: " in said
    assert (
        CLASS_WORDS.search(render_comparison(comparison).partition("<body")[2].replace('class="', "")) is None
    )


def test_familiarity_of_a_regression_needs_no_classes():
    model, x = network()
    train, held_out = (howsure.features_of(model, rows) for rows in (x[:100], x[100:]))
    strangers = 9 * x[:30]
    for score in ("neighbours", "density", "mahalanobis"):
        known = howsure.familiarity(train, None, held_out, score=score, share=0.05)
        if score != "neighbours":  # which is of directions, and these are the same
            assert known.unfamiliar(howsure.features_of(model, strangers)).mean() > 0.5
        result = howsure.assess(model, x[100:]).with_familiarity(known.percentile(held_out))
        assert (result.familiarity > 0).all()
    with pytest.raises(howsure.InputError, match="'energy' is a score of the logits of classes"):
        howsure.familiarity(train, None, held_out, score="energy", share=0.05)
    with pytest.raises(howsure.InputError, match="labels=None for a model that puts out numbers"):
        howsure.familiarity(train, np.linspace(0, 1, 100), held_out, share=0.05)


# --- how often a sentence is false (all of it: python -m validation.compare_numbers) ------------------


def test_methods_that_are_alike_are_seldom_told_apart():
    assert not is_too_often(share_of(World(normal, 30), 25), 25)
    assert is_too_often(0.2, 60)
    assert not is_too_often(0.05, 400)


def test_a_method_that_is_better_is_found():
    world = WORLDS["one method knows the noise of each row"]
    assert [taken(world, seed)[0] for seed in range(5)].count("b") >= 4
    comparison = Comparison.of_results({"rough": ROUGH, "exact": EXACT}, Y, calibrated=False)
    assert chosen(comparison) == "exact"


@pytest.mark.parametrize(("freedom", "told"), [(2.5, True), (None, False)])
def test_heavy_tails_of_a_difference_are_told(freedom, told):
    random = np.random.default_rng(1)
    y = random.normal(size=(4000, 1)) if freedom is None else random.standard_t(freedom, size=(4000, 1))
    mean = np.zeros((4000, 1))
    narrow, wide = (RegressionCertainty.from_mean_std(mean, np.full((4000, 1), std)) for std in (0.3, 1.0))
    said = lead(Comparison.of_results({"narrow": narrow, "wide": wide}, y, calibrated=False))
    assert ("Few rows decide this (heavy tails): others may say otherwise." in said) is told
