"""The page of a comparison and its sentences, beside the numbers of simulated methods."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from howsure.compare.comparison import AS_THEY_ARE, CALIBRATED, Comparison
from howsure.compare.findings import COST, REASONS, TAKE, WHY, better, brief, chosen, findings, lead
from howsure.compare.parts import PARTS
from howsure.compare.reasons import WHOLE, reasons
from howsure.compare.sentences import in_numbers, the
from howsure.evaluation.score import OUTSIDE, Score, value_and_interval
from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Softmax
from howsure.report.comparison import COLUMNS, Cell, gains_of, render_comparison
from howsure.report.drawing import number_axis
from howsure.report.page import render
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import METRICS
from tests.report.comparisons import (
    COMPARISONS,
    HOSTILE,
    PAGES,
    Floats,
    binary,
    compared,
    full,
    of_true,
    simulated,
)
from tests.report.made import Page, make_certainty


@pytest.fixture(params=PAGES, name="html")
def any_page(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]


def cells(html: str, label: str) -> dict[str, list[str]]:
    """Cells of the table inside the scrolling box of that label, by the row's heading."""
    box = re.search(rf'aria-label="{label}".*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    assert box
    actual = {}
    for row in re.findall(r"<tr.*?</tr>", box.group(1), re.DOTALL):
        method, *values = (Page(cell).words for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL))
        actual[method] = values
    return actual


SHOWN = [name for name, metric in METRICS.items() if metric.term is not None and name not in OUTSIDE]
"""Scores of the table of all scores, in its order."""
assert {"accuracy", "nll", "brier", "ece", "aurc", "error_auroc"} <= {*SHOWN}


def numbers(said: str) -> list[str]:
    """The numbers in a sentence, with their signs."""
    return re.findall(r"-?\d[\d,]*(?:\.\d+)?", said.replace("−", "-"))


def text(score: Score, factor: float = 1) -> str:
    """A score as the page writes it, from its own words."""
    shown = str(Score(factor * score.value, factor * score.low, factor * score.high))
    return shown.replace("(", "").replace(")", "").replace("-", "−")


# --- a page that stands on its own ----------------------------------------------------------------


def test_every_drawing_has_a_title_or_is_hidden_and_every_heading_of_a_table_has_a_scope(html: str) -> None:
    for match in re.finditer(r"<svg\b([^>]*)>\s*(<title|.)", html):
        attributes, first = match.groups()
        hidden = 'aria-hidden="true"' in html[: match.start()].rpartition("<tfoot")[2].split("</tfoot>")[0]
        hidden = hidden and "<tfoot" in html[: match.start()]
        assert hidden or ('role="img"' in attributes and first == "<title"), match.group()
    assert all(heading["scope"] in {"col", "row", "colgroup"} for heading in Page(html).all("th"))
    assert "<script" not in html


def test_no_page_shows_a_number_that_is_none(html: str) -> None:
    assert not re.search(r"\b(nan|None|inf|0\.000000)\b", Page(html).words)


def test_names_are_shown_as_text() -> None:
    html = render_comparison(COMPARISONS["hostile names"], title="<em>title</em>")
    page = Page(html)
    assert not {"script", "b", "em"} & {tag for tag, _ in page.elements}
    for number in ("", *"2345"):
        assert HOSTILE + number in page.words
    assert "<em>title</em>" in page.words


# --- what it shows --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_lead_and_all_answers_are_on_the_page(name: str) -> None:
    words = Page(PAGES[name]).words
    answers = [finding.answer for finding in findings(COMPARISONS[name]) if finding.question != REASONS]
    for sentence in [*brief(COMPARISONS[name]).values(), *reasons(COMPARISONS[name]).values(), *answers]:
        assert " ".join(sentence.split()) in words


def test_what_has_changed_is_a_list_with_what_each_change_does() -> None:
    finding = next(finding for finding in findings(full()) if finding.points)
    assert [rows for rows, _ in finding.points] == ["noisy", "noisier"]
    for rows, said in finding.points:
        right = 100 * full().score("softmax", "accuracy", rows).value
        first = min(better(full(), "nll", rows), key=lambda method: full().score(method, "nll", rows).value)
        gap = full().difference(first, "softmax", "nll", rows)
        claimed = 100 * full().claims["softmax", rows].claimed
        begin = f"right on {right:.1f}\u00a0%, claimed {claimed:.1f}\u00a0%; {the(full(), first)} gives "
        assert said.startswith(begin)
        times = "times as much" in said
        more = [np.exp(-end) if times else 100 * (np.exp(-end) - 1) for end in (gap.value, gap.high, gap.low)]
        assert times == (np.exp(-gap.value) >= 2)
        assert [float(number) for number in numbers(said)[2:]] == pytest.approx(more, abs=0.5)
    assert "<dt>Noisy:</dt>" in PAGES["full"]
    ruined = of_true({"softmax": noisy(0.05, 0.1), "ensemble": noisy(0.45, 0.1)})
    assert ", 9.00 times as much as the softmax (" in answer(ruined, NLL)


def test_the_best_is_bold_and_what_cannot_be_told_from_it_is_marked() -> None:
    page = PAGES["full"].split('id="scores"')[1]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page, re.DOTALL)[: len(full().methods)]
    ranking = full().ranked("nll")
    for method, row in zip(full().methods, rows, strict=True):
        cell = re.findall(r"<td.*?</td>", row, re.DOTALL)[1]
        assert ("<strong>" in cell) == (method == ranking.best)
        assert ("≈" in cell) == (method in ranking.tied and method != ranking.best)
    assert "may be as good" in Page(PAGES["full"]).words


def cells_of(comparison: Comparison) -> dict[tuple[str, str], Cell]:
    """The gains by method and column."""
    table = gains_of(comparison)
    rows = {row[0]: zip(table.head[1:], row[1:], strict=True) for row in table.rows}
    return {(method, head): cell for method, row in rows.items() for head, cell in row if cell}


def test_gains_are_the_paired_differences_and_their_parts() -> None:
    actual, methods = cells_of(full()), [row[0] for row in gains_of(full()).rows]
    gaps = {(method, "In all"): full().difference(method, "softmax", "nll") for method in full().methods[1:]}
    gaps |= {
        (method, heading): full().part(method, part)
        for method in ("MC dropout", "ensemble")
        for part, (heading, _) in COLUMNS.items()
        if part != WHOLE
    }
    assert actual.keys() == gaps.keys()
    order = [(method in full().calibrations, gaps[method, "In all"].value) for method in methods]
    assert order == sorted(order)
    assert {key for key, cell in actual.items() if cell.best} == {
        key for key, gap in gaps.items() if gap.excludes_zero
    }
    for key, gap in gaps.items():
        more = [100 * (np.exp(-number) - 1) for number in (gap.value, gap.high, gap.low)]
        value, *interval = (float(number) for number in numbers(f"{actual[key].value} {actual[key].aside}"))
        assert [value, *(interval or (value, value))] == pytest.approx(more, abs=0.5)
    for method in ("MC dropout", "ensemble"):
        parts = [full().part(method, part).value for part in PARTS]
        assert sum(parts) == pytest.approx(gaps[method, "In all"].value)


def test_gains_are_factors_where_one_is_large() -> None:
    base = noisy(0.2, 0.3)
    comparison = cells_of(of_true({"softmax": base, "double": 2.5 * base, "less": 0.9 * base}))
    text = {method: cell.value for (method, head), cell in comparison.items() if head == "In all"}
    assert text == {"double": "×\u00a02.5", "less": "×\u00a00.9"}


def test_rankings_without_mistakes_are_dashes_with_an_explanation() -> None:
    for name in ("no mistakes", "all wrong"):
        place = SHOWN.index("error_auroc")
        assert all(row[place] == "–" for row in cells(PAGES[name], "All scores").values())
        assert "– means not defined" in Page(PAGES[name]).words
        assert "A score without an interval" in Page(PAGES[name]).words
    # Exact: 40 right of 40 leave at least 0.025^(1/40).
    least = 100 * 0.025 ** (1 / 40)
    shown = [row[0].removeprefix("≈ ") for row in cells(PAGES["no mistakes"], "All scores").values()]
    assert shown == [f"100.0 {least:.1f} to 100.0"] * 2
    assert "is not defined" not in Page(PAGES["full"]).words


# --- sentences follow from intervals --------------------------------------------------------------


def answer(comparison: Comparison, question: str) -> str:
    return next(finding.answer for finding in findings(comparison) if finding.question == question)


NLL = "Which method has the most accurate percentages?"


def percent(part: Score | None) -> str:
    """The sign and the first digit of a part in per cent of what the true class gets."""
    assert part is not None
    more = 100 * (np.exp(-part.value) - 1)
    return f"{'+' if more > 0 else '−'}{str(abs(more))[0]}"


def noisy(right: float, noise: float, rows: int = 400, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    logit = np.log(right / (1 - right)) + noise * random.normal(size=rows)
    return np.asarray(1 / (1 + np.exp(-logit)))


def test_a_clear_difference_is_named_with_its_sign() -> None:
    base = noisy(0.6, 0.5)
    clear = of_true({"softmax": base, "MC dropout": base + 0.1}, costs={"softmax": 1.0, "MC dropout": 9.0})
    gap = clear.difference("MC dropout", "softmax", "nll")
    assert gap.high < 0
    assert lead(clear).startswith(
        "Take MC dropout: its percentages are more accurate than those of the softmax."
    )
    assert "its percentages are more accurate than those of" in lead(clear)
    text = answer(clear, NLL)
    mean, before, more = np.exp(np.log(base + 0.1).mean()), np.exp(np.log(base).mean()), np.exp(-gap.value)
    assert more == pytest.approx(mean / before)
    start = "MC dropout has the most accurate percentages: on average it gives the true class "
    assert text.startswith(start)
    value, low, high, *ratio = (float(number) for number in numbers(text.removeprefix(start)))
    assert (value, ratio[0]) == pytest.approx((100 * mean, 100 * (more - 1)), abs=0.5)
    assert low < value < high
    assert ratio[1:3] == pytest.approx([100 * (np.exp(-end) - 1) for end in (gap.high, gap.low)], abs=0.5)
    assert f"{ratio[0]:g}\u00a0% more than the softmax (" in text
    nll = value_and_interval(clear.score("MC dropout", "nll"))[0]
    assert f"This is an NLL (negative log-likelihood) of {nll}." in text
    assert "may be" not in text
    assert "cannot tell" not in text
    worse = of_true({"softmax": base + 0.1, "MC dropout": base})
    less = 100 * (1 - np.exp(-worse.difference("MC dropout", "softmax", "nll").value))
    assert lead(worse).startswith(
        "Take the softmax: no other method here has more accurate percentages by more than chance. The best "
        f"of the others, MC dropout, gives the true class {less:.1f}\u00a0% less ("
    )
    assert lead(worse).endswith("). The softmax costs nothing more.")
    assert answer(worse, NLL).startswith("The softmax has the most accurate percentages: on average it gives")
    assert "may be as good" not in answer(worse, NLL)


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_first_lines_say_what_to_take_why_and_what_it_costs(name: str) -> None:
    comparison = COMPARISONS[name]
    pieces = brief(comparison)
    assert not any(said.startswith("But") for said in pieces.values())
    if len(comparison.methods) > 1:
        assert {TAKE, WHY, COST} <= pieces.keys()
        first = str(comparison).splitlines()[:6]
        assert first[0] == pieces[TAKE]
        assert {f"{head}: {pieces[head]}" for head in (WHY, COST)} <= {*first}


def test_a_tie_says_that_the_rows_cannot_tell() -> None:
    tie = of_true({"softmax": noisy(0.7, 1.0), "MC dropout": noisy(0.7, 1.0, seed=1)})
    assert not tie.difference("softmax", "MC dropout", "nll").excludes_zero
    assert lead(tie).startswith("Take the softmax: no other method")
    assert answer(tie, NLL).startswith("400 rows cannot tell who is best. ")
    assert "each of the others may be as good" in answer(tie, NLL)
    same = COMPARISONS["the same twice"]
    assert answer(same, NLL).startswith(
        "50 rows cannot tell: all methods are equal, and on average each gives "
    )


def test_a_baseline_that_may_be_as_good_is_said_to_be() -> None:
    first, second = noisy(0.7, 1.0), noisy(0.7, 1.0, seed=1)
    if np.log(first).mean() > np.log(second).mean():
        first, second = second, first
    comparison = of_true({"softmax": first, "MC dropout": second, "ensemble": first - 0.2 * (first > 0.3)})
    ranking = comparison.ranked("nll")
    assert ranking.best == "MC dropout"
    assert ranking.tied == ("softmax", "MC dropout")
    text = answer(comparison, NLL)
    assert text.startswith("MC dropout comes first: on average it gives the true class ")
    assert re.search(
        r"% more than the softmax \(−[\d.]+\xa0to\xa0[\d.]+\xa0%\)\. But the softmax may be as", text
    )
    assert lead(comparison).startswith("Take the softmax: no other method")


def test_what_is_truer_by_more_than_chance_is_named_though_the_best_may_be_first_by_chance() -> None:
    # 'slightly' differs little from the softmax, but on every row; the best differs much, both ways.
    base = np.minimum(noisy(0.6, 0.3), 0.7)
    wild = base * np.exp(0.01 + 0.3 * np.resize([1, -1], len(base)))
    comparison = of_true({"softmax": base, "slightly": base + 0.004, "best": wild})
    ranking = comparison.ranked("nll")
    assert ranking.best == "best"
    assert set(ranking.tied) == set(comparison.methods)
    assert better(comparison, "nll") == ["slightly"]
    assert lead(comparison).startswith(
        "Take 'slightly': its percentages are more accurate than those of the softmax"
    )
    assert "Better than the softmax by more than chance: 'slightly'." in answer(comparison, NLL)


def test_calibration_that_mends() -> None:
    mended = simulated(400, sharp=3.0)
    text = answer(mended, REASONS)
    assert mended.difference("softmax, calibrated", "softmax", "nll").high < 0
    assert "The softmax is too sure: it claims " in text
    assert "Calibrated on other rows, it gives the true class " in text
    modest = simulated(400, sharp=0.4)
    assert "The softmax is too modest: it claims " in answer(modest, REASONS)


def test_a_dropout_that_is_too_modest_is_explained_by_its_own_numbers() -> None:
    text = answer(full(), REASONS)
    claimed = full().certainties["MC dropout"].probability.mean()
    right = full().score("MC dropout", "accuracy").value
    assert f"is too modest: it claims {100 * claimed:.1f}\u00a0% and is right on" in text
    assert f"right on {100 * right:.1f}\u00a0%." in text
    place = [*SHOWN, "temperature"].index("temperature")
    scales = {method: row[place] for method, row in cells(render_comparison(full()), "All scores").items()}
    value, low, high = np.exp(dataclasses.astuple(full().parts_of("MC dropout").scale.score(0.95)))
    assert [float(end) for end in numbers(scales["MC dropout"])] == pytest.approx(
        [value, low, high], rel=0.05
    )
    assert value < 1
    assert not any(scales[method] for method in full().calibrations)
    bolder = of_true({"softmax": noisy(0.8, 0.3), "MC dropout": noisy(0.9, 0.3)})
    assert not any("MC dropout is too modest" in finding.answer for finding in findings(bolder))


def test_an_ensemble_that_is_better_is_explained_by_the_part_that_differs() -> None:
    assert full().difference("ensemble", "softmax", "nll").high < 0
    assert "The ensemble gives the true class " in answer(full(), REASONS)
    assert full().part("ensemble", "order").value > 0, "which is told with accuracy"
    worth = full().words.amount(full(), full().part("ensemble", "discrimination"))
    assert f"It is right more often (worth {worth})" in answer(full(), REASONS)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows", [12, 60, 400])
def test_no_sentence_calls_better_what_an_interval_that_holds_zero_does_not(rows: int, seed: int) -> None:
    comparison = simulated(rows, seed=seed, shifts={"noisy": 1.0}, sharp=1.2)
    baseline = comparison.methods[0]
    by_its_name = {the(comparison, method): method for method in comparison.methods}
    sentence = lead(comparison)
    if "are more accurate than those" in sentence:
        named = sentence.removeprefix("Take ").split(": ")[0]
        assert comparison.difference(by_its_name[named], baseline, "nll").high < 0
    elif ": it is right on" in sentence:
        named = sentence.removeprefix("Take ").split(": ")[0]
        assert comparison.difference(by_its_name[named], baseline, "accuracy").low > 0
    else:
        assert "no other method here " in sentence
        assert not any(comparison.difference(m, baseline, "nll").high < 0 for m in comparison.methods[1:])
    for name, question in (
        ("nll", NLL),
        ("aurc", "Which method knows best when it is wrong?"),
        ("accuracy", "Which method is right most often?"),
    ):
        text, ranking = answer(comparison, question), comparison.ranked(name)
        alone = ranking.tied == (ranking.best,)
        assert (" has the " in text.split(":")[0]) == alone
        if (
            ranking.best != baseline
            and not comparison.difference(str(ranking.best), baseline, name).excludes_zero
        ):
            assert "cannot tell" in text or "the softmax may be as good" in text
        if "Better than" in text:
            for method in better(comparison, name):
                assert comparison.difference(method, baseline, name).excludes_zero
        if len(ranking.tied) == len(comparison.methods):
            assert "cannot tell" in text
    shifted = answer(comparison, "What happens when the rows change?")
    truer = better(comparison, "nll", "noisy")
    assert ("no method gives more" in shifted) == (not truer)
    if truer:
        assert by_its_name[shifted.split("; ")[1].split(" gives ")[0]] in truer


def test_numbers_in_sentences_have_as_many_decimals_as_their_interval_leaves_meaning() -> None:
    def shown(value: float, low: float, high: float) -> tuple[str, str]:
        actual = in_numbers(Score(value, low, high), " %")
        return actual[0], actual[1].replace("\u00a0", " ")

    assert shown(97.798, 97.36, 98.23) == ("97.8 %", "97.4 to 98.2 %")
    assert shown(12.34, 8.1, 16.9) == ("12 %", "8 to 17 %")
    assert shown(-3.04, -3.8, -2.1) == ("−3.0 %", "−3.8 to −2.1 %")
    assert shown(0.63, 0.004, 1.2) == ("0.630 %", "0.004 to 1.200 %")  # 0.0 would say that it holds 0
    assert shown(99.96, 99.0, 100.0) == ("99.96 %", "99.00 to 100.00 %")
    assert shown(50.0, 50.0, 50.0) == ("50 %", "")
    assert shown(50.0, np.nan, np.nan) == ("50 %", "")


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-0.0004, 0.013), (-7, 0.3), (-0.01, 0.01), (0, 36)])
def test_an_axis_of_numbers_has_a_few_round_ticks(low: float, high: float) -> None:
    axis = number_axis(low, high)
    assert axis.place(low) == 0
    assert axis.place(high) == pytest.approx(100)
    assert 2 <= len(axis.ticks) <= 6
    labels = [float(label.replace("−", "-")) for _, label in axis.ticks]
    assert labels == sorted(set(labels))
    assert [axis.place(label) for label in labels] == pytest.approx([position for position, _ in axis.ticks])


def test_what_no_mistake_limits_is_not_recommended() -> None:
    perfect = of_true({"softmax": np.linspace(0.6, 0.8, 40), "sharper": np.full(40, 0.99)}, calibrated=True)
    for method in perfect.methods[1:]:
        gap = perfect.difference(method, "softmax", "nll")
        assert gap.value < 0  # and so it looks truer
        assert not gap.excludes_zero
    text = "The softmax makes 0 mistakes here. With fewer than 5 mistakes, the size of chance is unknown."
    assert (
        lead(perfect)
        == f"Take the softmax: no other method here is known to have more accurate percentages. {text} "
        "The softmax costs nothing more."
    )
    answers = {finding.question: finding.answer for finding in findings(perfect)}
    for question in (NLL, "Which method knows best when it is wrong?"):
        assert answers[question].startswith("40 rows cannot tell")
    assert text in answers[NLL]
    assert "What explains the differences?" not in answers
    words = Page(render_comparison(perfect)).words
    assert "has fewer than 5 mistakes behind it" in words
    assert not any(cell.best for cell in cells_of(perfect).values())
    assert "is-best" not in render_comparison(perfect).split("</style>")[1]


def test_the_lead_looks_at_what_has_changed() -> None:
    base, random = noisy(0.6, 0.5), np.random.default_rng(0)

    def sets(as_they_are: Floats, changed: Floats) -> dict[str, Certainty]:
        return {AS_THEY_ARE: binary(as_they_are)[0], "noisy": binary(changed)[0]}

    plain = sets(base, base)
    truth = np.zeros(len(base), dtype=np.int64)
    costs = {"softmax": 1.0, "cheap": 1.0, "steady": 5.0}
    cheap, steady = sets(base + 0.1, base - 0.1), sets(base + 0.1, base)
    both = compared({"softmax": plain, "cheap": cheap, "steady": steady}, truth, costs=costs)
    assert lead(both) == (
        "Take 'steady': its percentages are more accurate than those of the softmax. It gives the true "
        "class 17.6\u00a0% more (17.2\u00a0to\u00a018.1\u00a0%). The softmax gives '1' 40.9\u00a0% on "
        "average, and it is true in 0\u00a0%. 'steady' costs 5 plain predictions."
    )
    alone = compared({"softmax": plain, "cheap": cheap}, truth)
    assert "those of the softmax, but less accurate if rows are 'noisy'." in lead(alone)
    like = base * np.exp(0.1 * random.normal(size=len(base)))
    late = compared({"softmax": plain, "late": sets(np.minimum(like, 0.9), base + 0.1)}, truth)
    assert [*brief(late).values()] == [
        "Take the softmax: no other method here has more accurate percentages by more than chance.",
        "The best of the others, 'late', gives the true class 0.8\u00a0% less (−0.1\u00a0to\u00a01.7\u00a0%)"
        ", which may be chance.",
        "The softmax costs nothing more.",
        "If rows are 'noisy', 'late' has more accurate percentages.",
    ]


def test_the_intervals_of_many_methods_are_wider_than_of_two() -> None:
    each = {f"m{number}": noisy(0.6, 1.0, seed=number) for number in range(6)}
    two, many = of_true(dict(list(each.items())[:2])), of_true(each)
    first, second = (two.evaluations[name, AS_THEY_ARE] for name in ("m0", "m1"))

    def width(score: Score) -> float:
        return score.high - score.low

    alone = width(two.difference("m0", "m1", "nll"))
    assert alone == pytest.approx(width(first.minus(second)["nll"]), rel=0.05)
    # Six equal, independent methods: Tukey's range is 4.03 standard errors of one, 2.85 of a difference; five
    # beside a baseline need 2.51 (Dunnett 1955). Quantiles of 2,000 draws are known to two hundredths.
    assert width(many.difference("m1", "m2", "nll")) / alone == pytest.approx(2.85 / 1.96, rel=0.07)
    assert width(many.difference("m1", "m0", "nll")) / alone == pytest.approx(2.51 / 1.96, rel=0.07)


def as_assessed(comparison: Comparison) -> Comparison:
    """The same, whose results name the methods that stand behind them."""
    actual = {}
    for name, item in comparison.certainties.items():
        settings = {**item.method, **comparison.kinds[name].settings}
        actual[name] = dataclasses.replace(item, method=settings)
    return dataclasses.replace(comparison, certainties=actual)


def test_it_says_whether_the_method_shown_is_the_one_to_believe() -> None:
    comparison = as_assessed(simulated(600, calibrated=False))
    assert chosen(comparison) == "ensemble"
    assert "Take the ensemble" in lead(comparison)
    for method, agrees in ((Ensemble([object()]), True), (MCDropout(), False), (Softmax(), False)):
        certainty = make_certainty(40, method=dict(method.settings))
        words = Page(render(certainty, comparison=comparison)).words
        assert ("That is the method shown here." in words) == agrees
        assert ("If the two differ, believe the ensemble." in words) != agrees
    mended = make_certainty(40, method={**Softmax().settings, "calibration": {"temperature": 2.0}})
    too_sure = np.full(80, 0.999) * (np.arange(80) % 4 > 0) + 1e-4
    calibrated = as_assessed(of_true({"softmax": too_sure}, calibrated=True))
    best = chosen(calibrated)
    assert best == CALIBRATED.format("softmax")
    assert "That is the method shown here." in Page(render(mended, comparison=calibrated)).words
    plain = make_certainty(40, method=dict(Softmax().settings))
    assert "believe the calibrated softmax." in Page(render(plain, comparison=calibrated)).words
