"""What pictures draw is what objects hold."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import howsure
from howsure import plot
from howsure.report import figures

matplotlib.use("agg")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture
def classes():
    base, drawn = (RNG.dirichlet(np.full(3, 0.4), size) for size in (200, (40, 200)))
    certainty = howsure.Certainty.from_passes(0.7 * base + 0.3 * drawn, ["a", "b", "c"])
    return certainty, np.array([RNG.choice(3, p=p) for p in base])


@pytest.fixture
def numbers():
    mean = RNG.normal(size=300)
    return howsure.RegressionCertainty.from_mean_std(mean, np.ones(300)), mean + RNG.normal(size=300)


def test_passes_of_a_class_are_bars_with_errors_and_bands(classes):
    row = classes[0][17]
    ax = plot.passes(row)
    widths = [bar.get_width() for bar in ax.containers[0]]
    np.testing.assert_allclose(widths, np.sort(row.probabilities)[::-1])
    order = np.argsort(-row.probabilities)
    band = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.containers[1]]
    near = row.probabilities[order, None] + np.outer(row.spread[order], [-1, 1])
    np.testing.assert_allclose(band, np.clip(near, 0, 1), atol=1e-12)
    segments = ax.containers[2].lines[2][0].get_segments()
    lengths = [end[0] - start[0] for start, end in segments]
    np.testing.assert_allclose(lengths, 2 * 1.96 * row.mc_error[order])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["abc"[k] for k in order]


def test_passes_of_numbers_are_points_with_intervals():
    samples = RNG.normal(2, 0.5, size=(100, 5, 2))
    row = howsure.RegressionCertainty.from_samples(samples)[1]
    ax = plot.passes(row)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), row.mean)
    drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.containers[0]]
    np.testing.assert_allclose(drawn, row.credible_interval(0.9))


def test_reliability_of_classes_draws_the_groups_of_the_page(classes):
    certainty, truth = classes
    ax = plot.reliability(howsure.evaluate(certainty, truth))
    groups = figures.reliability(certainty.probability, certainty.label == truth)
    np.testing.assert_allclose(ax.lines[1].get_xdata(), groups.confidence)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [group.share for group in groups.right])


def test_reliability_of_numbers_draws_coverage(numbers):
    evaluation = howsure.evaluate(*numbers)
    ax = plot.reliability(evaluation)
    assert dict(zip(ax.lines[1].get_xdata(), ax.lines[1].get_ydata(), strict=True)) == {
        level: score.value for level, score in evaluation.coverage.at.items()
    }


def test_risk_coverage_ends_at_the_share_of_mistakes(classes):
    evaluation = howsure.evaluate(*classes)
    ax = plot.risk_coverage(evaluation)
    assert ax.lines[1].get_ydata()[-1] == pytest.approx(1 - evaluation.accuracy.value)
    assert ax.lines[1].get_xdata()[-1] == 1


def test_intervals_mark_answers_outside(numbers):
    result, truth = numbers
    ax = plot.intervals(result[:100], truth[:100])
    ends = result[:100].prediction_interval(0.9)[:, 0]
    outside = (truth[:100] < ends[:, 0]) | (truth[:100] > ends[:, 1])
    assert sorted(ax.lines[2].get_ydata()) == sorted(truth[:100][outside])
    assert f"{100 * (1 - outside.mean()):.1f} %" in ax.get_title()
    assert len(plot.intervals(result, truth).lines[0].get_xdata()) == plot.MOST_ROWS


@pytest.mark.parametrize("image", [np.zeros((8, 9)), np.zeros((8, 9, 3)), np.zeros((3, 8, 9))])
def test_maps_show_the_classes_at_pixels(image):
    result = howsure.DenseCertainty.from_passes(RNG.dirichlet(np.ones(3), (20, 2, 8, 9)))
    axes = plot.maps(result, 1, image)
    np.testing.assert_array_equal(axes[1].images[0].get_array(), result.label[1])
    np.testing.assert_allclose(axes[2].images[0].get_array(), result.probability[1])


def test_maps_leave_pixels_empty_that_do_not_count():
    counts = np.ones((2, 8, 9), bool)
    counts[:, 0] = False
    passes = RNG.dirichlet(np.ones(3), (20, 2, 8, 9))
    result = howsure.DenseCertainty.from_passes(passes, ["a", "b", "c"], positions=counts)
    drawn = plot.maps(result, 1, np.zeros((8, 9)))[1]
    shown = np.ma.filled(np.ma.asarray(drawn.images[0].get_array(), float), np.nan)
    assert np.isnan(shown[0]).all()
    np.testing.assert_array_equal(shown[1:], result.label[1, 1:])
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["a", "b", "c"]


def test_quantiles_are_drawn_between_the_outermost():
    quantiles = np.sort(RNG.normal(size=(50, 5)), axis=1)
    result = howsure.RegressionCertainty.from_quantiles(quantiles, (0.05, 0.1, 0.5, 0.9, 0.95))
    few = howsure.RegressionCertainty.from_quantiles(quantiles[:, 1:4], (0.1, 0.5, 0.9))
    for one, ends in ((result, quantiles[:, [0, 4]]), (few, quantiles[:, [1, 3]])):
        lines = plot.intervals(one, quantiles[:, 2]).collections[0].get_segments()
        order = np.argsort(quantiles[:, 2])
        np.testing.assert_allclose([line[:, 1] for line in lines], ends[order])
        bar = plot.passes(one[3]).containers[0][0]
        np.testing.assert_allclose([bar.get_x(), bar.get_x() + bar.get_width()], ends[3])


def test_reliability_of_dependent_rows_has_intervals_over_their_groups(classes):
    certainty, truth = classes
    groups = np.repeat(np.arange(20), 10)
    alone, ax = (plot.reliability(howsure.evaluate(certainty, truth, groups=of)) for of in (None, groups))
    bins = figures.reliability(certainty.probability, certainty.label == truth)
    rows = np.argsort(certainty.probability, kind="stable")[: bins.right[0].total]
    some = howsure.evaluate(certainty[rows], truth[rows], groups=groups[rows]).accuracy
    start, end = ax.containers[0].lines[2][0].get_segments()[0]
    assert (start[1], end[1]) == pytest.approx((some.low, some.high))
    np.testing.assert_allclose(ax.lines[1].get_ydata(), alone.lines[1].get_ydata())


def test_methods_are_drawn_beside_the_first(classes):
    certainty, truth = classes
    blunt = howsure.Certainty.from_probabilities(np.full((200, 3), [0.4, 0.3, 0.3]), ["a", "b", "c"])
    comparison = howsure.Comparison.of_results(
        {"dropout": certainty, "blunt": blunt}, truth, calibrated=False
    )
    ax = plot.methods(comparison)
    gap = comparison.difference("blunt", "dropout", "nll")
    assert ax.containers[0].lines[0].get_xdata() == pytest.approx([gap.value])
    start, end = ax.containers[0].lines[2][0].get_segments()[0]
    assert (start[0], end[0]) == pytest.approx((gap.low, gap.high))
    assert gap.low > 0  # `blunt` is worse, right of the line
    assert ax.get_xlabel().startswith("NLL minus that of 'dropout'")
    assert ax.get_xlabel().endswith("left of the line is better")


def test_pictures_go_into_axes_that_are_given(classes):
    ax = pyplot.subplots()[1]
    assert plot.passes(classes[0][0], ax=ax) is ax


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plot.passes(3), r"`row` cannot be used.*such as result\[17\]"),
        (lambda: plot.reliability({}), "`evaluation` cannot be used"),
        (lambda: plot.risk_coverage(None), "`evaluation` cannot be used"),
        (lambda: plot.methods([]), "`comparison` cannot be used"),
        (
            lambda: plot.intervals(howsure.RegressionCertainty.from_mean_std([1.0], [1.0]), [1.0, 2.0]),
            "1 targets, 1 rows and 2 true numbers",
        ),
        (
            lambda: plot.maps(
                howsure.DenseCertainty.from_probabilities(np.full((1, 4, 4, 2), 0.5)), 0, np.zeros((5, 5))
            ),
            r"Row 0 cannot be drawn on this image",
        ),
        (
            lambda: plot.maps(
                howsure.DenseCertainty.from_probabilities(np.full((1, 4, 4, 2), 0.5)), 7, np.zeros((4, 4))
            ),
            "Row 7 does not exist",
        ),
    ],
)
def test_other_input_is_one_clear_error(draw, said):
    with pytest.raises(howsure.InputError, match=said):
        draw()


def test_matplotlib_is_loaded_only_by_drawing():
    code = (
        "import sys, howsure; howsure.plot; assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\n"
        "sys.modules['matplotlib.pyplot'] = None\n"
        "try: howsure.plot.passes(howsure.Certainty.from_probabilities([[.5, .5]])[0])\n"
        "except howsure.DependencyError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (
        "`howsure.plot` needs matplotlib, which is not installed. pip install 'howsure[plots]'" in done.stdout
    )
