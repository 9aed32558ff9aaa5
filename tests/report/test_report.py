from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.stats import binomtest

import howsure
from howsure.errors import InputError
from howsure.evaluation.score import value_and_interval
from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Softmax
from howsure.report.figures import differs_from_claim, reliability
from howsure.report.page import render
from howsure.statistics import entropy_of
from howsure.tasks.classification.cards import coin_flip_positions
from howsure.tasks.printed import summary_of
from howsure.tasks.verdict import COIN_FLIP, SURE, VERDICTS
from tests.made import certainty_of
from tests.report.made import Page, make_certainty, make_numbers
from tests.report.pages import PAGES, images
from tests.report.test_figures import exact


def table_rows(page: str, label: str) -> list[list[str]]:
    """Cells of the table inside the scrolling box of that label."""
    box = re.search(rf'aria-label="{label}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert box
    rows = re.findall(r"<tr.*?</tr>", box.group(1), re.DOTALL)
    return [[Page(cell).words for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def test_the_headline_counts_what_the_certainty_counts() -> None:
    certainty = make_certainty(1_200)
    count = {word: int(np.sum(certainty.verdict == word)) for word in VERDICTS}
    html = render(certainty, images(1_200))
    words = Page(html).words
    sure, unclear = count[SURE], int(np.sum(certainty.no_clear_answer))
    flips, unsettled = (
        count[COIN_FLIP] - unclear,
        int(np.sum((certainty.verdict == SURE) & ~certainty.settled)),
    )
    assert (
        f"The model is sure of {sure:,} of 1,200 images (of {unsettled} only probably). "
        f"On {flips:,} it is flipping a coin, and for "
        f"{unclear:,} it has no clear answer."
    ) in words
    assert f"for {np.sum(~certainty.settled)} images" in words
    correct = certainty.label == certainty.truth
    for cells, word in zip(table_rows(html, "Verdicts"), VERDICTS, strict=True):
        members = certainty.verdict == word
        right = int(np.sum(correct[members]))
        assert cells[:3] == [word, f"{count[word]:,}", f"{count[word] / 12:.1f} %"]
        shown = [float(number) for number in re.findall(r"[\d.]+", cells[3])]
        expected = [right / count[word], *exact(right, count[word])]
        assert shown == pytest.approx([100 * share for share in expected], abs=0.51)


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ([[0.99, 0.01]], "The model is sure of the one row it was given."),
        ([[0.7, 0.3]], "The model leans one way on the one row it was given."),
        ([[0.51, 0.49]], "The model is flipping a coin on the one row it was given."),
        ([[0.99, 0.01]] * 2, "The model is sure of all 2 rows."),
        ([[0.51, 0.49]] * 2, "On all 2 rows the model is flipping a coin."),
        ([[0.7, 0.3]] * 2, "The model is sure of none of 2 rows; on none is it flipping a coin."),
        ([[0.99, 0.01], [0.7, 0.3]], "The model is sure of 1 of 2 rows; on none is it flipping a coin."),
    ],
)
def test_the_lead_reads_well_for_few_rows(probabilities: list[list[float]], said: str) -> None:
    assert said in Page(render(certainty_of(probabilities))).words


def test_settled_or_not_is_said() -> None:
    sure = certainty_of([[0.99, 0.01]] * 3, passes=100)
    assert "Every verdict is settled" in Page(render(sure)).words
    open_rows = dataclasses.replace(sure, mc_error=np.full((3, 2), 0.1))
    assert "Not everything is settled: for 3 rows (100 %)" in Page(render(open_rows)).words
    asked = dataclasses.replace(open_rows, method=dict(MCDropout().settings))
    assert "Try max_passes=1000." in Page(render(asked)).words  # ten times 100: they lie near the threshold


def test_one_pass_gives_no_reason_and_waits_for_no_more() -> None:
    flips = certainty_of([[0.55, 0.45]] * 3, mc_error=0, passes=1, method=dict(Softmax().settings))
    words = Page(render(flips)).words
    assert "Nothing was drawn, so no verdict waits for more passes." in words
    assert "Percentages alone do not show more about the doubt." in words
    assert "There is none: the percentages are the same every time" in words
    assert "probabilitynone a plain prediction is the same every time" in words


def test_whether_networks_disagree_is_said() -> None:
    p = [[0.55, 0.45]] * 3 + [[0.99, 0.01]]
    doubt = entropy_of(np.array(p))
    for shares, said in (
        (
            [0.9, 0.8, 0.7, 0.1],
            "Most of the doubt is within the networks, not between them: more",
        ),
        ([0.1, 0.2, 0.9, 0.9], "The networks disagree on 2 of the 3 rows it is not sure of."),
    ):
        assert said in Page(render(certainty_of(p, expected_entropy=doubt * shares))).words
    unsettled = certainty_of(p, expected_entropy=doubt * 0.9, mc_error=0.1)
    assert "not between them. " in Page(render(unsettled)).words
    ensemble = certainty_of(p, expected_entropy=doubt * 0.9, method=dict(Ensemble([object()]).settings))
    assert "Most of the doubt is within the members, not between them" in Page(render(ensemble)).words


def test_bars_show_probabilities_and_their_intervals() -> None:
    certainty = certainty_of([[0.5, 0.42, 0.0796, 0.0004]], mc_error=np.array([[0.02, 0.01, 0.05, 0.0]]))
    html = render(certainty)
    assert re.findall(r'class="fill" width="([\d.]+)%"', html) == ["50.00", "42.00", "7.96"]
    ends = re.findall(r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%" y1="6.5"', html)
    assert ends == [("46.08", "53.92"), ("40.04", "43.96"), ("0.00", "17.76")]


def test_the_true_class_is_among_the_bars_however_improbable() -> None:
    certainty = certainty_of([[0.6, 0.3, 0.0995, 0.0005, 0.0]], truth=np.array([3]))
    assert re.findall(r'class="fill" width="([\d.]+)%"', render(certainty)) == [
        "60.00",
        "30.00",
        "9.95",
        "0.05",
    ]
    assert '<span class="name">3 <span class="tag">true</span></span>' in render(certainty)


def test_sure_and_wrong_are_counted_and_shown_the_most_certain_first() -> None:
    certainty = certainty_of([[0.96, 0.04], [0.99, 0.01], [0.98, 0.02], [0.7, 0.3]]).with_truth([1, 1, 0, 1])
    html = render(certainty)
    section = html.split('id="mistakes"')[1].split("</section>")[0]
    assert "2 of the 3 rows it is sure of are wrong" in Page(html).words
    assert re.findall(r'<span class="called">row (\d+)</span>', section) == ["1", "0"]
    right = Page(render(certainty.with_truth([0, 0, 0, 1]))).words
    assert "It is right on all 3 it is sure of" in right
    assert "Sure and wrong" not in right
    assert "Sure and wrong" not in PAGES["no truth"]


def test_figures_with_truth_hold_the_numbers_of_a_plain_computation() -> None:
    certainty = make_certainty(1_000)
    html = render(certainty)
    correct = certainty.label == certainty.truth
    order = np.argsort(certainty.probability)
    for number, cells in enumerate(table_rows(html, "Reliability as a table")):
        members = order[100 * number : 100 * number + 100]
        assert cells[0] == f"{100 * certainty.probability[members].mean():.2f} %"
        assert float(cells[1].split()[0]) == pytest.approx(correct[members].sum(), abs=0.51)
    kept = order[::-1][:900]
    ninety = table_rows(html, "Risk and coverage as a table")[2]
    assert ninety[0] == "90.0 %"
    assert ninety[1] == f"{100 * certainty.probability[kept[-1]]:.2f} %"
    assert float(ninety[2].split()[0]) == pytest.approx(100 * np.mean(~correct[kept]), abs=0.51)
    caught = int(np.sum(~correct) - np.sum(~correct[kept]))
    words = Page(html).words
    assert (
        f"Setting the least certain 10.0 % aside removes {caught} of the {np.sum(~correct)} mistakes" in words
    )


def test_findings_are_computed_and_not_fixed() -> None:
    probabilities = [[0.9, 0.1]] * 200
    half = np.arange(200) % 2
    too_sure = Page(render(certainty_of(probabilities, truth=half))).words
    assert "On average it says 90 % and is right on 50 % (43 to 57 %)" in too_sure
    assert "It is too sure, by 40 points." in too_sure
    modest = Page(render(certainty_of(probabilities, truth=np.zeros(200, dtype=int)))).words
    assert "It is more modest than it need be, by 10.0 points." in modest
    assert "Here no answer is wrong" in modest
    fair = Page(render(certainty_of(probabilities, truth=(np.arange(200) % 10 == 0).astype(int)))).words
    assert "Chance may explain the difference." in fair
    spread = np.linspace(0.7, 0.94, 200)
    blind = certainty_of(np.stack([spread, 1 - spread], axis=1).tolist(), truth=half)
    text = "Setting the least certain 10.0 % aside removes 10 of the 100 mistakes"
    assert f"{text}; as many chosen by chance would remove 10.0." in Page(render(blind)).words
    assert (
        "No group of the 10 is off the diagonal by more than chance."
        in Page(render(make_certainty(900))).words
    )


def test_many_groups_are_not_called_off_by_the_chance_that_each_has() -> None:
    """Of ten groups whose claims are true, one is outside its 95 % interval on many pages."""
    outside = called = 0
    for seed in range(60):
        certainty = make_certainty(600, seed=seed)
        actual = reliability(certainty.probability, certainty.label == certainty.truth)
        groups = list(zip(actual.confidence.tolist(), actual.right, strict=True))
        outside += any(not group.low <= claim <= group.high for claim, group in groups)
        called += any(differs_from_claim(claim, group, among=len(groups)) for claim, group in groups)
    assert outside > called
    assert binomtest(called, 60, 0.05, alternative="greater").pvalue > 0.001


# --- how it is called -----------------------------------------------------------------------------


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"an array of 5 rows.*shape \(4, 28, 28\)"):
        render(make_certainty(5), images(4))


def test_percentages_that_are_off_name_what_mends_them() -> None:
    modest = certainty_of([[0.7, 0.3]] * 100, truth=[0] * 90 + [1] * 10)
    said = "It is more modest than it need be, by 20 points. howsure.calibrate(result, labels) corrects that."
    assert said in Page(render(modest)).words.replace("\u00a0", " ")


def test_a_share_has_the_digits_and_the_interval_of_its_score() -> None:
    certainty = make_certainty(800, 4)
    accuracy = howsure.evaluate(certainty).accuracy
    value, interval = value_and_interval(accuracy, per_cent=True)
    page = Page(render(certainty)).words.replace("\u00a0", " ")
    first, last = interval.split(" to ")
    assert f"is right on {value} % ({first} to {last} %)" in page
    assert f" and is right on {value} % ({first} to {last} %)" in summary_of(certainty).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (1, "There are no coin flips. The one row is shown all the same."),
        (2, "There are no coin flips. These are the 2 rows nearest to one."),
    ],
)
def test_rows_that_are_shown_without_coin_flips(rows, words):
    shown, said = coin_flip_positions(howsure.Certainty.from_probabilities([[0.9, 0.1]] * rows))
    assert len(shown) == rows
    assert said == words


@pytest.mark.parametrize(
    ("truth", "risk", "line"),
    [
        (False, None, "print(howsure.evaluate(result, labels))"),
        (True, None, "rules = howsure.fit_rules(result)"),
        (True, 0.2, 'howsure.hand_over(result, result.hand_over, "to_check.csv")'),
    ],
)
def test_the_page_ends_with_the_step_that_is_not_yet_done(truth: bool, risk: float | None, line: str) -> None:
    result = make_certainty(400, 3, truth=truth)
    if risk is not None:
        result = howsure.fit_rules(result, risk=risk)(result)
    section = render(result).split('<section id="next"')[1].split("</section>")[0]
    assert line in Page(section).words
    decided = howsure.fit_rules(make_numbers(400), risk=None)(make_numbers(90))
    assert "watch = howsure.watch(rules)" in Page(render(decided)).words
