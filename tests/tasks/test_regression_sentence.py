"""One row of numbers in words, and all of them: digits that fit, and clauses that say what was measured."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from howsure import RegressionCertainty
from howsure.digits import significant, to, written
from howsure.methods.mc_dropout import MCDropout
from howsure.report.notebook import html_of
from howsure.tasks.printed import summary_of
from howsure.tasks.regression.doubt import ROUNDING, disagreement, disagreement_error
from howsure.tasks.regression.printed import lead, levels_of
from tests.report.made import Page, make_numbers

LEVELS = np.array([0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.995])


def one_row(mean: float, margin: float = 0.0, **fields: Any) -> RegressionCertainty:
    """A result of one row, with networks that scatter normally by `spread`."""
    given: dict[str, Any] = {"passes": np.array([100]), "target_names": ("value",), "row": np.array([17])}
    spread, noise = fields.pop("spread", None), fields.pop("noise", None)
    if spread is not None:
        given |= {
            "spread": np.array([[spread]]),
            "spread_error": np.array([[fields.pop("spread_error", 0.0)]]),
        }
        given["quantiles"] = (mean + spread * norm.ppf(LEVELS))[None, None]
    found = RegressionCertainty(np.array([[mean]]), np.array([[margin / 1.96]]), **given | fields)
    return found if noise is None else found.with_noise(noise)


def numbers_in(said: str) -> list[float]:
    return [float(each.replace(",", "")) for each in re.findall(r"-?[\d,]*\.?\d+(?:e-?\d+)?", said)]


# --- digits ---------------------------------------------------------------------------------------


def test_the_sentence_of_the_contract() -> None:
    row = one_row(4.21, 0.02, spread=0.8 / 3.92, noise=np.sqrt(2.6**2 - 0.8**2) / 3.92)[0]
    assert str(row) == "4.21 ± 0.02; 95 % of answers between 2.9 and 5.5."
    assert row.explain() == (
        "95 % of networks lie between 3.8 and 4.6. "
        "Most of the variance is noise: more passes will not narrow the interval."
    )


def test_without_noise_networks_are_told_and_without_networks_answers() -> None:
    assert str(one_row(4.21, 0.02, spread=0.2)[0]) == "4.21 ± 0.02; 95 % of networks between 3.8 and 4.6."
    given = RegressionCertainty.from_mean_std([4.21], [0.66])
    assert str(given[0]) == "4.21; 95 % of answers between 2.9 and 5.5."
    assert str(one_row(4.2137)[0]) == "4.214."


@pytest.mark.parametrize(
    ("mean", "margin", "ends", "number", "said"),
    [
        (4.21, 0.096, (2.9, 5.5), "4.2 ± 0.1", "2.9 to 5.5"),
        (4.21, 1e-9, (2.9, 5.5), "4.21", "2.9 to 5.5"),  # a margin that shows nowhere is no margin
        (4.21, 2.0, (2.9, 5.5), "4 ± 2", "3 to 6"),
        (4.21, np.nan, (2.9, 5.5), "4.21", "2.9 to 5.5"),
        (-0.004, 0.02, (-1.3, 1.3), "0.00 ± 0.02", "-1.3 to 1.3"),
        (2.96, 0.02, (2.951, 5.5), "2.96 ± 0.02", "2.95 to 5.50"),  # 3.0 would be above the mean
        (1234567.0, 400.0, (1.2e6, 1.3e6), "1,235,000", "1,200,000 to 1,300,000"),
        (1e6, 1.0, (1e6 - 2e-3, 1e6 + 2e-3), "1,000,000 ± 1", "1,000,000"),
        (4.21e-9, 2e-11, (2.9e-9, 5.5e-9), "4.21e-9 ± 0.02e-9", "2.9e-9 to 5.5e-9"),
        (4.21e12, 2e10, (2.9e12, 5.5e12), "4.21e12 ± 0.02e12", "2.9e12 to 5.5e12"),
        (
            1.7e9 + 7.0,
            12.0,
            (1.7e9 - 93, 1.7e9 + 107),
            "1,700,000,010 ± 10",
            "1,699,999,910 to 1,700,000,110",
        ),
        (4.2137, 0.0, (4.2137, 4.2137), "4.2137", "4.2137"),  # it claims to be exact
        (1234567.891, 0.0, (1234567.891, 1234567.891), "1,234,567.891", "1,234,567.891"),
        (0.0, 0.0, (0.0, 0.0), "0", "0"),
    ],
)
def test_digits(mean: float, margin: float, ends: tuple[float, float], number: str, said: str) -> None:
    told = written(mean, margin, ends, None)
    assert (told.number, to(told.answers)) == (number, said)  # type: ignore[arg-type]


def test_an_interval_holds_the_mean_in_words_as_in_numbers_and_rounding_moves_an_end_little() -> None:
    random = np.random.default_rng(0)
    for _ in range(3_000):
        width = 10 ** random.uniform(-6, 6)
        low = random.normal() * 10 ** random.uniform(-6, 6)
        ends = low, low + width
        mean, truth = (low + width * random.uniform(-0.1, 1.1) for _ in range(2))
        told = written(mean, width * 10 ** random.uniform(-5, -0.5), ends, None, truth)
        assert told.answers
        assert told.truth
        first, last = (numbers_in(each)[0] for each in told.answers)
        shown = numbers_in(told.number)
        unit = 0.5 * shown[1] if "±" in told.number else 0.0  # no end is finer than the margin
        assert max(abs(first - ends[0]), abs(last - ends[1])) <= max(width / 10, unit) * (
            1 + 1e-6
        ) + 1e-14 * abs(low)
        for value, said in ((mean, shown[0]), (truth, numbers_in(told.truth)[0])):
            if ends[0] <= value <= ends[1]:
                assert first <= said <= last, told


def test_a_unit_that_is_a_thousand_times_larger_moves_the_point_alone() -> None:
    random = np.random.default_rng(1)
    digits = re.compile(r"[^1-9]")
    for _ in range(300):
        mean, width, margin = random.normal(), 10 ** random.uniform(-3, 1), 10 ** random.uniform(-4, 0)
        told = []
        for unit in (1.0, 1e3, 1e-9, 1e12):
            ends = (mean - width) * unit, (mean + width) * unit
            each = written(mean * unit, margin * unit, ends, None)
            said = f"{each.number} {to(each.answers)}"  # type: ignore[arg-type]
            told.append(digits.sub("", re.sub(r"e-?\d+", "", said)))
        assert len(set(told)) == 1, told


def test_significant_digits() -> None:
    wanted = {0.12345: "0.1235", 1234.4: "1,234", -9.99999: "-10.000", 1.5e-12: "1.500e-12", 0.0: "0"}
    assert {value: significant(value, 4) for value in wanted} == wanted


# --- clauses --------------------------------------------------------------------------------------


def test_what_the_variance_is_made_of_is_said_where_it_is_known() -> None:
    for spread, clause in (
        (0.2, "Most of the variance is noise: more passes will not narrow the interval."),
        (3.0, "The networks disagree: an ensemble tells whether networks from other seeds do too."),
        (1.0, "95 % of networks lie between -2.0 and 2.0."),
    ):
        row = one_row(0.0, spread=spread, noise=1.0, spread_error=spread * 0.02)[0]
        assert row.explain().endswith(clause)
    assert not one_row(0.0, spread=1.0)[0].explain()
    assert "variance" not in one_row(0.0, spread=0.2, noise=1.0, spread_error=np.nan)[0].explain()


def test_the_error_of_the_share_of_disagreement_is_its_scatter() -> None:
    random = np.random.default_rng(0)
    spread, noise, passes = 0.7, 1.1, 400
    seen = random.normal(0, spread, (4_000, passes)).std(axis=1, ddof=1)
    error = disagreement_error(spread, spread / np.sqrt(2 * (passes - 1)), noise)
    assert disagreement(seen, noise).std() == pytest.approx(float(error), rel=0.06)


def test_too_few_passes_are_said_where_the_method_stops_by_itself() -> None:
    asked = {"method": dict(MCDropout().settings)}
    open_row = one_row(4.2, 1.96 * 0.1, spread=1.0, **asked)[0]
    assert str(open_row).endswith("; needs about 300 more passes.")
    assert open_row.explain() == "Try max_passes=400."
    for row in (
        one_row(4.2, 1.96 * 0.05, spread=1.0, **asked)[0],
        one_row(4.2, 1.96 * 0.1, spread=1.0, noise=2.0, **asked)[0],
        one_row(4.2, 1.96 * 0.1, spread=1.0, method=dict(MCDropout(max_error=0.5).settings))[0],
        one_row(4.2, 1.96 * 0.1, spread=1.0, method=dict(MCDropout(passes=100).settings))[0],
        one_row(4.2, 1.96 * 4.2 * ROUNDING, spread=1e-7, **asked)[0],  # which no pass makes smaller
    ):
        assert "needs" not in str(row)


def test_an_unfamiliar_row_is_said_to_be_one() -> None:
    result = make_numbers(2, 2).with_familiarity([0.004, 0.5], share=0.01)
    assert (
        result[0]
        .explain()
        .endswith("At most 0.4 % of held-out rows are as unfamiliar: let a person look at it.")
    )
    assert result[0].explain().count("unfamiliar") == 1
    assert "unfamiliar" not in result[1].explain()
    assert "unfamiliar" in result.with_familiarity([0.004, 0.5], share=0.5)[1].explain()


def test_passes_that_do_not_tell_95_per_cent_of_networks_tell_90() -> None:
    row = one_row(4.21, 0.02, spread=0.2, noise=0.63)
    assert row.quantiles is not None
    few = dataclasses.replace(row, quantiles=np.where(np.isin(LEVELS, (0.005, 0.025)), np.nan, row.quantiles))
    low, high = 4.21 + 0.2 * norm.ppf([0.05, 0.95])
    assert f"90 % of networks lie between {low:.1f} and {high:.1f}." in few[0].explain()
    alone = dataclasses.replace(few, noise=row.noise * np.nan, std=row.std * np.nan)
    assert f"; 90 % of networks between {low:.1f} and {high:.1f}." in str(alone[0])
    assert "90 % of networks" in Page(html_of(alone[0])).words


# --- all rows -------------------------------------------------------------------------------------


def test_the_lead_tells_the_median_and_the_widest() -> None:
    result = make_numbers(101)
    reach = 1.96 * result.std[:, 0]
    said = lead(result).replace("\u00a0", " ")
    assert said == (
        f"For half of 101 rows the model expects 95 % of answers within ± {significant(np.median(reach), 2)} "
        f"of its prediction; for the widest, within ± {significant(reach.max(), 2)}."
    )
    alone = make_numbers(101, noise=False)
    assert f"is at most {significant(np.median(alone.spread), 2)}; for the widest" in lead(alone)
    assert lead(alone).endswith("How far new answers scatter is not known.")
    assert lead(result[:0]) == "There were no rows to assess."
    assert lead(make_numbers(9, 3)).startswith("Each row has 3 numbers. For half of 9 rows")
    assert lead(make_numbers(9, 30)) == "Each row has 30 numbers."
    point = RegressionCertainty([[1.0]], [[0.0]], [1], ("value",), [0])
    assert lead(point) == (
        "The model predicts a number for the one row it was given. Nothing says how far it may be off."
    )


def test_the_widest_rows_are_told_first() -> None:
    result = make_numbers(30)
    lines = str(result).splitlines()
    order = np.argsort(-result.std[:, 0])[:5]
    assert lines[0].endswith("The 5 least certain rows:")
    assert [line.split(":")[0] for line in lines[1:]] == [f"row {k}" for k in order]
    assert all("Truth: " in line for line in lines[1:])
    many = make_numbers(30, 9)
    widths = many.std / np.median(many.std, axis=0)
    row, target = np.unravel_index(np.argmax(widths), widths.shape)
    said = f"row {row}: 'target {target}', the least certain of 9 numbers: "
    assert str(many).splitlines()[1].startswith(said)


def test_the_summary_counts_what_lies_in_the_intervals() -> None:
    result = make_numbers(400)
    low, high = result.prediction_interval(0.95)[:, 0].T
    held = int(np.sum((low <= result.truth[:, 0]) & (result.truth[:, 0] <= high)))
    said = summary_of(result).replace("\u00a0", " ")
    assert f"{100 * held / 400:.1f} % (" in said
    assert "chance may explain the difference." in said
    narrow = dataclasses.replace(result, std=result.std / 2)
    assert "Intervals are too narrow. howsure.calibrate corrects that" in summary_of(narrow)
    wide = dataclasses.replace(result, std=result.std * 3)
    assert "Intervals are wider than they need be. " in summary_of(wide)
    shares = disagreement(result.spread[:, 0], result.noise[:, 0])
    assert f"is {100 * np.median(shares):.0f} % of the variance" in said
    three = summary_of(make_numbers(50, 3)).replace("\u00a0", " ")
    told = r"\d+ % \('target 0'\), \d+ % \('target 1'\) and \d+ % \('target 2'\) of the true answers"
    assert re.search(told, three)


def test_intervals_that_are_true_are_rarely_called_wrong() -> None:
    wrong = sum(any(each.off for each in levels_of(make_numbers(150, seed=seed), 0)) for seed in range(80))
    assert wrong <= 10  # one in twenty at most: more than 10 of 80 in one of 200 cases


def test_the_summary_counts_rows_without_enough_passes() -> None:
    result = make_numbers(10)
    error = np.where(np.arange(10) < 3, 0.2, 0.01)[:, None] * result.std
    given = dataclasses.replace(result, mc_error=error, method=dict(MCDropout().settings))
    said = summary_of(given).replace("\u00a0", " ")
    assert (
        "With 40 passes the error of the mean is at most 0.05 standard deviations, but for 3 rows (30.0 %)"
        in said
    )
    assert "Try max_passes=640." in said
    enough = dataclasses.replace(given, mc_error=0.01 * result.std)
    assert "is at most 0.05 standard deviations." in summary_of(enough)
