"""A comparison as csv, beside its own numbers, and as text."""

import csv

import numpy as np
import pytest

import howsure
from howsure.compare.comparison import AS_THEY_ARE
from howsure.compare.parts import DISCRIMINATION, PARTS
from howsure.errors import InputError
from tests.report.comparisons import COMPARISONS, full


def lines_of(comparison, folder):
    """Cells of the columns of numbers, by method, rows and score; no line comes twice."""
    path = folder / "comparison.csv"
    comparison.to_csv(path)
    with path.open(newline="", encoding="utf-8") as file:
        actual = list(csv.DictReader(file))
    lines = {}
    for line in actual:
        key = line.pop("method"), line.pop("rows"), line.pop("score")
        assert key not in lines
        lines[key] = [float(cell) if cell else np.nan for cell in line.values()]
    return lines


def ends(score):
    return [score.value, score.low, score.high]


def same(found, *scores):
    np.testing.assert_array_equal(found, [end for score in scores for end in ends(score)])


def test_every_score_has_a_line_with_its_paired_difference(tmp_path):
    lines = lines_of(full(), tmp_path)
    for rows in full().sets:
        for name in ("accuracy", "nll", "ece", "aurc", "error_auroc"):
            for method in full().methods[1:]:
                gap = full().difference(method, "softmax", name, rows)
                same(lines[method, rows, name], full().score(method, name, rows), gap)
            assert np.isnan(lines["softmax", rows, name][3:]).all()
    for method in full().methods[1:]:
        of = method, "outside_auroc", "letters"
        gap = full().difference(of[0], "softmax", *of[1:])
        same(lines[method, "letters", "outside_auroc"], full().score(*of), gap)
    assert not {name for _, rows, name in lines if rows == "letters"} - {
        "outside_auroc",
        "outside_fpr95",
        "outside_auroc_by_disagreement",
    }


def test_parts_add_up_line_by_line(tmp_path):
    lines = lines_of(full(), tmp_path)
    for method in ("MC dropout", "ensemble"):
        parts = {name: lines[method, AS_THEY_ARE, f"nll_{name}"] for name in (*PARTS, DISCRIMINATION)}
        whole = lines[method, AS_THEY_ARE, "nll"]
        for column in (0, 3):
            assert sum(parts[name][column] for name in PARTS) == pytest.approx(whole[column])
        for name, cells in parts.items():
            assert cells[3:] == ends(full().part(method, name))
    scale = lines["softmax", AS_THEY_ARE, "scale"]
    assert scale[0] == pytest.approx(np.exp(full().parts["softmax"].scale.value))
    assert 1 < scale[1] < scale[0] < scale[2]  # the softmax is made to claim too much
    assert not any(name == "nll_calibration" for method, _, name in lines if method in full().calibrations)


def test_costs_and_networks_have_lines(tmp_path):
    lines = lines_of(full(), tmp_path)
    assert [lines[method, AS_THEY_ARE, "cost"][0] for method in ("MC dropout", "ensemble")] == [13.25, 5.1]
    assert [lines[method, AS_THEY_ARE, "networks"][0] for method in ("softmax", "ensemble")] == [1, 2]
    unknown = lines_of(COMPARISONS["no plain softmax"], tmp_path)["ensemble", AS_THEY_ARE, "cost"]
    assert np.isnan(unknown).all()


def test_given_results_have_no_costs_and_no_networks(tmp_path):
    random = np.random.default_rng(0)
    shares = {name: random.dirichlet(np.ones(3), 40) for name in ("one", "two")}
    given = {name: howsure.Certainty.from_probabilities(p) for name, p in shares.items()}
    comparison = howsure.Comparison.of_results(given, random.integers(3, size=40))
    assert not {"cost", "networks"} & {name for _, _, name in lines_of(comparison, tmp_path)}


def test_the_printed_table_has_intervals_the_best_temperature_and_costs_in_100_columns():
    text = str(full())
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines["method"].split() == ["method", "right", "NLL", "ECE", "AURC", "temperature", "cost"]
    for method in full().methods:
        nll = full().score(method, "nll")
        assert f"({nll.low:.3f}"[:5] in lines[method]
        assert len(lines[method]) <= 100
    assert f" {np.exp(full().parts['softmax'].scale.value):.2f} " in lines["softmax"]
    assert lines["softmax, calibrated"].endswith("        1")
    assert "in brackets: 95\u00a0% intervals" in lines
    assert "in brackets" not in str(COMPARISONS["no mistakes"])


@pytest.mark.parametrize("name", ["constant_accuracy", "accuracy_gain"])
def test_what_is_not_compared_is_refused_in_words(name):
    """The first is the same of all methods; the second differs by as much as the accuracy does."""
    for asked in (
        lambda: full().difference("ensemble", "softmax", name),
        lambda: full().score("ensemble", name),
        lambda: full().ranked(name),
    ):
        with pytest.raises(InputError, match="name"):
            asked()
