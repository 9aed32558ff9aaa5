import numpy as np
import pytest
from scipy.stats import norm

import howsure
from howsure.errors import InputError
from howsure.report.page import render
from howsure.results.thresholds import Thresholds
from howsure.tasks.printed import lead_of as lead
from howsure.tasks.printed import summary_of
from howsure.tasks.sentences import percent
from howsure.tasks.verdict import (
    COIN_FLIP,
    DISAGREEMENT,
    LEANING,
    LEAST_TIMES,
    MOST_TIMES,
    SURE,
    TOO_FEW_PASSES,
    WITHIN_PASSES,
    disagreement_error,
    disagreement_of,
    give_reason,
    judge,
    times_to_settle,
    too_few,
    top_two,
)


def words(probabilities, mc_error=0.0, thresholds=None):
    p = np.atleast_2d(np.asarray(probabilities, dtype=float))
    return judge(p, np.broadcast_to(np.asarray(mc_error, dtype=float), p.shape), thresholds or Thresholds())


@pytest.mark.parametrize(
    ("probabilities", "verdict"),
    [
        ([0.95, 0.05], SURE),  # exactly at the threshold
        ([0.9499, 0.0501], LEANING),
        ([0.99, 0.005, 0.005], SURE),
        ([0.6, 0.4], COIN_FLIP),  # a gap of 0.2, up to rounding
        ([0.61, 0.39], LEANING),
        ([0.5, 0.5], COIN_FLIP),
        ([0.55, 0.36, 0.09], COIN_FLIP),
        ([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], LEANING),  # unlikely, and yet far ahead
        ([1.0, 0.0], SURE),
    ],
)
def test_default_verdicts(probabilities, verdict):
    assert words(probabilities)[0].tolist() == [verdict]


def test_thresholds_are_arguments():
    strict = Thresholds(sure=0.99, coin_flip=0.5)
    assert words([[0.97, 0.03], [0.7, 0.3]], thresholds=strict)[0].tolist() == [LEANING, COIN_FLIP]
    lax = Thresholds(sure=0.6, coin_flip=0.0)
    assert words([[0.61, 0.39], [0.5, 0.5], [0.51, 0.49]], thresholds=lax)[0].tolist() == [
        SURE,
        COIN_FLIP,
        LEANING,
    ]


@pytest.mark.parametrize("wrong", [True, np.complex64(0.9), "0.9", None, np.array(0.9)])
@pytest.mark.parametrize("name", ["sure", "coin_flip"])
def test_thresholds_are_numbers(name, wrong):
    with pytest.raises(InputError, match=f"`{name}` cannot be used"):
        Thresholds(**{name: wrong})


@pytest.mark.parametrize("sure", [0.5, 0.4, 1.01, -1, np.nan])
def test_threshold_for_sure_out_of_range(sure):
    with pytest.raises(InputError, match=r"'sure' is out of range.*above 0.5, at most 1.*Received: "):
        Thresholds(sure=sure, coin_flip=0.0)


@pytest.mark.parametrize(
    ("sure", "coin_flip"), [(0.95, -0.1), (0.95, 0.9), (0.95, 1.5), (0.6, 0.2), (1, np.nan)]
)
def test_threshold_for_coin_flip_out_of_range_or_overlapping(sure, coin_flip):
    with pytest.raises(
        InputError, match=r"'coin flip' is out of range.*no row is both 'sure' and 'coin flip'"
    ):
        Thresholds(sure=sure, coin_flip=coin_flip)


@pytest.mark.parametrize(
    ("probabilities", "mc_error", "settled"),
    [
        ([0.99, 0.01], 0.02, True),  # 0.99 − 1.96 · 0.02 = 0.9508
        ([0.99, 0.01], 0.021, False),
        ([0.90, 0.10], 0.025, True),  # 0.90 + 0.049 < 0.95
        ([0.90, 0.10], 0.026, False),
        ([0.55, 0.45], 0.025, True),  # 0.1 + 2 · 0.049 ≤ 0.2
        ([0.55, 0.45], 0.026, False),
        ([0.70, 0.30], 0.051, True),  # 0.4 − 2 · 0.1 > 0.2
        ([0.70, 0.30], 0.052, False),
        ([0.99, 0.01], np.nan, False),  # no error can be told, so nothing is settled
        ([0.55, 0.45], np.nan, False),
        ([0.80, 0.20], np.nan, False),
    ],
)
def test_settled_where_no_threshold_is_within_the_margin(probabilities, mc_error, settled):
    assert words(probabilities, mc_error)[1].tolist() == [settled]


def test_fewer_than_ten_drawn_passes_settle_nothing():
    p, error = np.tile([0.99, 0.01], (3, 4, 5, 1)), np.full((3, 4, 5, 2), 0.001)
    few = too_few({"name": "MC dropout"}, np.array([2, 9, 10]))
    assert few.tolist() == [True, True, False]
    assert not too_few({"name": "ensemble"}, np.array([2, 9, 10])).any()
    for at in ((slice(None), 0, 0), (slice(None), 0), slice(None)):  # classes, labels, positions
        settled = judge(p[at], error[at], Thresholds(), few)[1]
        assert settled.shape == p[at].shape[:-1]
        assert not settled[:2].any()
        assert settled[2].all()


def test_settled_means_that_no_error_within_the_margin_changes_the_verdict():
    random = np.random.default_rng(0)
    p = random.dirichlet([0.3, 0.3, 0.3], size=400)
    error = random.uniform(0, 0.05, size=(400, 1)) * np.ones(3)
    verdict, settled = judge(p, error, Thresholds())
    assert 50 < settled.sum() < 350
    label, runner_up = top_two(p)
    for factor in (-1, -0.5, 0.5, 1):  # the top gains what the runner-up loses
        moved = p.copy()
        step = 1.95 * factor * error[:, 0]
        moved[np.arange(400), label] += step
        moved[np.arange(400), runner_up] -= step
        assert np.array_equal(judge(moved, error, Thresholds())[0][settled], verdict[settled])


def test_top_two_breaks_ties_by_the_lower_class():
    label, runner_up = top_two(
        np.array([[0.25, 0.25, 0.25, 0.25], [0.1, 0.4, 0.1, 0.4], [0.0, 0.0, 1.0, 0.0]])
    )
    assert label.tolist() == [0, 1, 2]
    assert runner_up.tolist() == [1, 3, 0]
    label, runner_up = top_two(np.tile([0.0005, 0.0015], (1, 500)))
    assert (label[0], runner_up[0]) == (1, 3)


def test_reasons():
    verdict = np.array([SURE, SURE, LEANING, COIN_FLIP, COIN_FLIP, LEANING])
    settled = np.array([True, False, True, True, False, True])
    expected = np.array([0.01, 0.01, 0.1, 0.6, 0.6, 0.2])
    mutual = np.array([0.5, 0.5, 0.3, 0.05, 0.05, 0.2])
    assert give_reason(verdict, settled, expected, mutual).tolist() == [
        None,
        TOO_FEW_PASSES,
        DISAGREEMENT,
        WITHIN_PASSES,
        TOO_FEW_PASSES,
        WITHIN_PASSES,  # equal parts
    ]


def test_the_share_of_disagreement_and_its_error():
    """Against many draws of both parts; the bound is reached where the errors always add up."""
    expected, mutual = np.array([0.5, 0.1, 0.0]), np.array([0.1, 0.3, 0.0])
    assert disagreement_of(expected, mutual).tolist() == pytest.approx([1 / 6, 0.75, 0])
    error = disagreement_error(expected, mutual, np.full(3, 0.004), np.full(3, 0.003))
    assert np.isnan(error[2])
    random = np.random.default_rng(0)
    for sign, least in ((-1, 0.99), (0, 0.5)):
        one = random.standard_normal((20_000, 1))
        other = sign * one if sign else random.standard_normal((20_000, 1))
        seen = disagreement_of(expected[:2] + 0.004 * one, mutual[:2] + 0.003 * other).std(axis=0)
        assert np.all((seen < 1.02 * error[:2]) & (seen > least * error[:2]))


def settled_with_even_odds(z, times):
    """P(|d| > 1.96/√times): the new distance is normal around z, with variance 1 − 1/times."""
    spread = np.sqrt(1 - 1 / times)
    reach = 1.96 / np.sqrt(times)
    return norm.sf((reach - z) / spread) + norm.cdf((-reach - z) / spread)


@pytest.mark.parametrize("z", np.linspace(0, 1.95, 14))
def test_so_many_passes_settle_a_verdict_in_half_of_all_cases_or_more(z):
    """`z` standard errors from a threshold, that of `sure` or that of a coin flip."""
    for p, error in (([0.95 + 0.01 * z, 0.05 - 0.01 * z], 0.01), ([0.6 + 0.01 * z, 0.4 - 0.01 * z], 0.01)):
        given, errors = np.array([p]), np.full((1, 2), error)
        times = times_to_settle(given, errors, Thresholds())
        assert settled_with_even_odds(z, times) > 0.499
        assert LEAST_TIMES <= times <= MOST_TIMES
        assert times in (LEAST_TIMES, MOST_TIMES) or settled_with_even_odds(z, times) < 0.56


def test_ten_times_is_the_least_whole_number_for_a_row_on_its_threshold():
    assert settled_with_even_odds(0, MOST_TIMES) > 0.5 > settled_with_even_odds(0, MOST_TIMES - 1)


def test_an_unknown_error_asks_for_twice_as_many_passes():
    assert times_to_settle(np.array([[0.6, 0.4]]), np.full((1, 2), np.nan), Thresholds()) == LEAST_TIMES
    assert times_to_settle(np.zeros((0, 2)), np.zeros((0, 2)), Thresholds()).shape == (0,)


@pytest.mark.parametrize(
    ("probabilities", "unclear"),
    [
        ([0.51, 0.46, 0.03], False),
        ([0.3, 0.2, 0.13, 0.13, 0.13, 0.11], False),  # half in all: between two as much as not
        ([0.3, 0.2, 0.15, 0.2, 0.15], True),
        ([0.26, 0.25, 0.25, 0.24], True),
        ([0.34, 0.33, 0.33], True),
        ([0.4, 0.36, 0.24], True),  # two thirds of the runner-up
        ([0.4, 0.365, 0.235], False),
        ([0.2] * 5, True),
        ([0.26, 0.23, 0.21, 0.15, 0.15], True),
        ([0.4, 0.09, 0.09] + [0.06] * 7, False),  # leaning
        ([0.074, 0.071] + [0.855 / 98] * 98, True),
    ],
)
def test_a_coin_flip_is_between_two(probabilities, unclear):
    p = np.array([probabilities])
    found = howsure.Certainty.from_probabilities(p)
    assert found.no_clear_answer.tolist() == [unclear]
    assert found[0].no_clear_answer == unclear
    said = str(found[0])
    if unclear:
        assert found.verdict.tolist() == ["coin flip"]
        assert "no clear answer" in said.lower()
        assert "coin flip" not in said
    else:
        assert "no clear answer" not in said.lower()


def test_no_clear_answer_among_many():
    p = np.array([[0.074, 0.071] + [0.855 / 98] * 98, [0.52, 0.47] + [0.01 / 98] * 98])
    found = howsure.Certainty.from_probabilities(p)
    assert str(found[0]) == (
        "No clear answer: '0' or '1', about 7.3 % each, or one of 98 others (86 % together)."
    )
    assert lead(found) == (
        "The model is sure of none of 2 rows. On 1 it is flipping a coin, and for 1 it has no clear answer."
    )
    assert lead(found[:1]) == "The model has no clear answer for the one row it was given."
    assert lead(found[[0, 0]]) == "The model has no clear answer for any of 2 rows."
    assert summary_of(found).startswith(
        "The model is sure of none of 2 rows. It leans towards an answer on none. It is flipping a coin on "
        "1. It has no clear answer for 1. "
    )
    page = render(found)
    assert str(found[0]) in page.replace("&#39;", "'").replace("\u00a0", " ")
    assert "There are 2 coin flips, the most undecided first. 1 of them has no clear answer" in page
    assert "The one coin flip. Then the one without a clear answer." in page
    assert "is flipping" not in render(found[:1])


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ([0.26, 0.25, 0.25, 0.24], "No clear answer: '0', '1', '2' or '3', about 25 % each."),
        ([0.34, 0.33, 0.33], "No clear answer: '0', '1' or '2', about 33 % each."),
        ([0.02] * 50, "No clear answer: '0', '1', '2' or one of 47 others, about 2 % each."),
        ([0.4, 0.22, 0.2, 0.18], "40.0 % '0', then '1', '2' and '3' (18 to 22 % each): no clear answer."),
        ([0.5, 0.25, 0.25], "50.0 % '0', then '1' and '2' (about 25 % each): leaning."),
        (
            [0.3, 0.15] + [0.05] * 11,
            "30.0 % '0', then '1' (15 %) and 11 others (55 % together): no clear answer.",
        ),
        ([0.45, 0.37, 0.18], "45.0 % '0', or '1' (37 %): coin flip."),
        ([0.96, 0.02, 0.02], "96.0 % '0': sure."),
    ],
)
def test_every_class_that_is_as_likely_is_named_or_counted(probabilities, said):
    found = howsure.Certainty.from_probabilities([probabilities])
    assert str(found[0]) == said
    p, row = np.array(probabilities), found[0]
    if row.verdict != "sure":
        # Of two alone, the runner-up and a class: a coin flip, or not.
        second = p[row.runner_up]
        alone = {
            k: howsure.Certainty.from_probabilities([[second, p[k]] / (second + p[k])]) for k in range(len(p))
        }
        pairs = {k for k in alone if k in (row.label, row.runner_up) or alone[k].verdict[0] == "coin flip"}
        assert set(row.candidates) == pairs


def test_thresholds_say_how_likely_is_as_likely():
    p = [[0.36, 0.34, 0.3]]
    assert howsure.Certainty.from_probabilities(p).no_clear_answer.all()
    strict = howsure.Certainty.from_probabilities(p, thresholds=howsure.Thresholds(coin_flip=0.05))
    assert not strict.no_clear_answer.any()
    assert str(strict[0]) == "36.0 % '0', or '1' (34 %): coin flip."


def test_every_view_names_the_classes_that_are_as_likely(tmp_path):
    found = howsure.Certainty.from_probabilities([[0.26, 0.25, 0.25, 0.24]], ["a", "b", "c", "d"])
    page = render(found[[0, 0]]).replace("&#39;", "'")
    assert str(found[0]) in page
    assert "or 'b': coin flip" not in page
    assert "'a', 'b', 'c' or 'd'" in found[0]._repr_html_().replace("&#39;", "'")
    howsure.hand_over(found, [0], tmp_path / "rows.csv")
    assert "\"'a', 'b', 'c' or 'd'\"" in (tmp_path / "rows.csv").read_text(encoding="utf-8")


def test_votes_have_no_reason_and_no_range():
    votes = np.eye(3)[np.random.default_rng(0).integers(0, 3, size=(400, 4))]
    found = howsure.Certainty.from_passes(votes)
    assert found.reason.tolist() == [None if settled else "too few passes" for settled in found.settled]
    page = render(found[[0, 1, 2, 3]])
    for said in (*(row.explain() for row in found), summary_of(found), page):
        assert "disagree" not in said.split("How to read this page")[0]
        assert "Most passes say" not in said
    labels = howsure.MultilabelCertainty.from_passes(votes[:, :, :2])
    assert set(labels.reason.ravel()) <= {None, "too few passes"}
    assert "disagree" not in labels[0].explain() + summary_of(labels)


def test_no_error_leads_out_of_zero_to_a_hundred():
    for probability in np.linspace(0, 1, 101):
        for error in (0.0, 1e-5, 0.003, 0.02, 0.1, 0.3, 3.0, np.nan):
            said = percent(probability, error)
            value, _, margin = said.removesuffix(" %").partition(" ± ")
            if margin:
                assert (
                    0 <= float(value) - float(margin) + 1e-9 <= float(value) + float(margin) <= 100 + 1e-9
                ), said
            elif value.startswith("over"):
                assert 0 <= float(value[5:]) <= 100 * probability - 196 * error + 1.0, said
            elif value.startswith("under"):
                assert 100 >= float(value[6:]) >= 100 * probability + 196 * error - 1e-9, said


@pytest.mark.parametrize("kind", ["above", "labels", "label", "familiar"])
def test_what_is_not_settled_is_not_called_sure(kind):
    random = np.random.default_rng(0)
    if kind == "above":
        samples = random.normal(4, 0.2, (40, 30))
        found = howsure.RegressionCertainty.from_samples(samples).above(3.0)
    else:
        passes = random.beta(60, 1, (6, 30, 3))
        labels = howsure.MultilabelCertainty.from_passes(passes)
        found = labels if kind == "labels" else labels.of_label("0")
        if kind == "familiar":
            found = found.with_familiarity(np.full(30, 0.001))
    unsettled = (found.verdict == "sure") & ~found.settled
    assert unsettled.any()
    for row, number in zip(found, range(30), strict=True):
        said = str(row)
        count = np.sum(unsettled[number])
        assert said.count("probably sure") == count
        assert "± " not in said or "> 99.9 ±" not in said
    assert "probably sure" in render(found)
    if kind != "labels":
        assert f"(of {unsettled.sum()} only probably)" in lead(found)
