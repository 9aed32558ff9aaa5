"""Pictures for notebooks and papers, in matplotlib: `howsure.plot.reliability(evaluation)` and others.

Each function draws into the axes `ax` that it is given, or into a new figure, and returns the axes. No global
setting of matplotlib is changed. `pip install 'howsure[plots]'` brings matplotlib. The pages of
`result.report(…)` need none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.arguments import check_type
from howsure.compare.comparison import Comparison
from howsure.errors import InputError
from howsure.evaluation.groups import renumbered
from howsure.evaluation.score import share_of_rows
from howsure.optional import needs
from howsure.report.figures import reliability as grouped
from howsure.report.figures import risk_coverage as curve_of
from howsure.results.row_index import one_position
from howsure.tasks.classification.evaluate import Evaluation
from howsure.tasks.classification.sentence import Row
from howsure.tasks.regression import quantiles as of_answers
from howsure.tasks.regression.evaluate import RegressionEvaluation
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import NumbersRow
from howsure.tasks.segmentation.drawings import colours_of
from howsure.tasks.segmentation.result import DenseCertainty

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#848482"
"""Colours that people with any common kind of colour vision tell apart (Okabe and Ito 2008), and a grey."""

MOST_CLASSES = 10
"""Classes that `passes` shows, the most probable first."""

MOST_ROWS = 120
"""Rows that `intervals` shows; of more, an even part."""


def passes(row: Row | NumbersRow, *, ax: Axes | None = None) -> Axes:
    """Draw the mean over the passes of a row with its error, and how far single networks lie from it.

    Args:
        row: `result[17]`, of classes or of numbers.
        ax: Axes to draw into. Default: those of a new figure.

    Returns:
        The axes. For classes, the ten most probable: a bar for each mean over passes, a line of ± 1.96
        `mc_error`, and a pale band of ± `spread`, the standard deviation between networks. For numbers, of
        each target the mean with that line, and bands for 90 % of networks and 90 % of new answers. If the
        model predicts quantiles, the latter lies between the outermost.

    Raises:
        InputError: This is no row of classes or of numbers.
        DependencyError: matplotlib is missing.

    Example:
        >>> ax = howsure.plot.passes(howsure.assess(model, x)[89])
        >>> ax.get_title()
        "45 ± 1 % '6', or '8' (40 %): coin flip."
        >>> ax.figure.savefig("row.png")
    """
    check_type(row, (Row, NumbersRow), "row", "a row of classes or numbers, such as result[17]")
    ax = _axes(ax)
    if isinstance(row, NumbersRow):
        places, names = range(len(row.mean)), list(row.target_names)
        centres, errors = row.mean, row.mc_error
        level = _level(row.method["levels"] if row.answer_quantiles is not None else ())
        bands = [
            (row.prediction_interval(level), GREY, f"{100 * level:g} % of answers"),
            (row.credible_interval(0.9), BLUE, "90 % of networks"),
        ]
        ax.plot(centres, places, "o", color="black", label="mean over passes")
        ax.set_xlabel("Number, in the unit of the target")
    else:
        shown = np.argsort(-row.probabilities, kind="stable")[:MOST_CLASSES]
        places, names = range(len(shown)), [row.class_names[k] for k in shown]
        centres, errors = row.probabilities[shown], row.mc_error[shown]
        ax.barh(places, centres, color=BLUE, height=0.6, label="mean over passes")
        spread = np.full(len(shown), np.nan) if row.spread is None else row.spread[shown]
        ends = np.clip(np.stack([centres - spread, centres + spread], axis=-1), 0, 1)
        bands = [(ends, ORANGE, "one standard deviation between networks")]
        ax.set(xlabel="Probability", xlim=(0, 1))
    for ends, colour, label in bands:
        if np.isfinite(ends).any():
            ax.barh(
                places,
                ends[:, 1] - ends[:, 0],
                left=ends[:, 0],
                color=colour,
                alpha=0.35,
                height=0.3,
                label=label,
            )
    if np.any(errors > 0):
        ax.errorbar(
            centres,
            places,
            xerr=1.96 * errors,
            fmt="none",
            color="black",
            capsize=2,
            label="95 % interval of the mean",
        )
    ax.set_yticks(list(places), list(names))
    ax.invert_yaxis()
    if isinstance(row, NumbersRow):
        ax.use_sticky_edges = False  # bands begin at no zero
        ax.autoscale_view()
    ax.set_title(str(row), wrap=True, fontsize="medium")
    ax.legend(fontsize="small", frameon=False)
    return ax


def reliability(evaluation: Evaluation | RegressionEvaluation, *, ax: Axes | None = None) -> Axes:
    """Draw whether claims come true: on the dashed diagonal they do; below it, the model is too sure.

    Args:
        evaluation: Scores of classes or numbers by `howsure.evaluate`; of several labels, those of one:
            `evaluation.of_label["rain"]`.
        ax: Axes to draw into. Default: those of a new figure.

    Returns:
        The axes. For classes, up to ten groups of equally many rows by the probability of the label: the
        share that is right over the mean claim, with exact 95 % intervals (Clopper and Pearson 1934), which
        are over the `groups` of dependent rows where `howsure.evaluate` knew them. For
        numbers, the share of answers inside of intervals over their level, a line for each target.

    Raises:
        InputError: The evaluation has no claims of this kind.
        DependencyError: matplotlib is missing.

    Example:
        >>> evaluation = howsure.evaluate(howsure.assess(model, x), labels)
        >>> ax = howsure.plot.reliability(evaluation)
        >>> ax.figure.savefig("reliability.png")
    """
    of_both = "what howsure.evaluate gives for classes or numbers; of labels, evaluation.of_label['rain']"
    check_type(evaluation, (Evaluation, RegressionEvaluation), "evaluation", of_both)
    ax = _axes(ax)
    ax.plot([0, 1], [0, 1], "--", color=GREY, label="claims that come true")
    if isinstance(evaluation, Evaluation):
        bins, of = grouped(evaluation._confidence, evaluation._right), evaluation._found.groups
        shares = [(share.share, share.low, share.high) for share in bins.right]
        if of is not None:
            stops = np.cumsum([share.total for share in bins.right])[:-1]
            parts = np.split(np.argsort(evaluation._confidence, kind="stable"), stops)
            rows = ((share_of_rows(evaluation._right[part]), renumbered(of[part])) for part in parts)
            scores_of = [share.by_group(groups).score(0.95) for share, groups in rows]
            shares = [(score.value, score.low, score.high) for score in scores_of]
        lines = {"rows": (bins.confidence, shares)}
        ax.set(xlabel="Probability of the label", ylabel="Share that is right")
    else:
        covered = {name: scores.coverage for name, scores in evaluation.of_target.items() if scores.coverage}
        if not covered:
            raise InputError(
                "There are no intervals to draw",
                expected="numbers with `std` or quantiles",
                received=evaluation.note,
            )
        lines = {
            name: (np.array(list(at.at)), [(score.value, score.low, score.high) for score in at.at.values()])
            for name, at in covered.items()
        }
        ax.set(xlabel="Level of the interval", ylabel="Share of answers inside")
    for name, (claim, shares) in lines.items():
        value, low, high = np.array(shares).reshape(-1, 3).T
        reach = np.nan_to_num(np.stack([value - low, high - value]))
        ax.errorbar(claim, value, yerr=reach, fmt="o-", capsize=2, label=f"{name}, with 95 % intervals")
    ax.set_aspect("equal")
    ax.legend(fontsize="small", frameon=False)
    return ax


def risk_coverage(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw how many mistakes remain if the least certain rows are set aside (El-Yaniv and Wiener 2010).

    Args:
        evaluation: Scores of classes by `howsure.evaluate`.
        ax: Axes to draw into. Default: those of a new figure.

    Returns:
        The axes: the share of wrong rows among those kept, over the share kept. The dashed line keeps rows
        in a random order.

    Raises:
        InputError: This is no evaluation of classes.
        DependencyError: matplotlib is missing.

    Example:
        >>> evaluation = howsure.evaluate(howsure.assess(model, x), labels)
        >>> ax = howsure.plot.risk_coverage(evaluation)
        >>> ax.figure.savefig("risk.png")
    """
    check_type(evaluation, Evaluation, "evaluation", "what howsure.evaluate gives for classes")
    ax = _axes(ax)
    curve = curve_of(evaluation._confidence, evaluation._right)
    ax.axhline(curve.risk[-1], linestyle="--", color=GREY, label="in a random order")
    ax.step(curve.coverage, curve.risk, where="post", color=BLUE, label="the most certain first")
    ax.set(xlabel="Share of rows kept", ylabel="Share wrong among them", xlim=(0, 1))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small", frameon=False)
    return ax


def intervals(
    result: RegressionCertainty, y: Any, *, level: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw intervals for new answers, and the true ones, in the order of the prediction.

    Args:
        result: Numbers with one target; of several, `result.of_target("price")`.
        y: (N,) or (N, 1) true numbers.
        level: Share of answers that intervals claim to hold. Default: 0.9, or that between the outermost
            quantiles.
        ax: Axes to draw into. Default: those of a new figure.

    Returns:
        The axes, with at most 120 rows, evenly chosen. The title counts all of them.

    Raises:
        InputError: There are several targets, no intervals, or not as many true numbers as rows.
        DependencyError: matplotlib is missing.

    Example:
        >>> result = howsure.assess(prices, houses).with_noise(0.5)
        >>> ax = howsure.plot.intervals(result, paid)
        >>> ax.figure.savefig("intervals.png")
    """
    check_type(result, RegressionCertainty, "result", "numbers, a RegressionCertainty")
    truth = np.asarray(y, dtype=np.float64).reshape(-1)
    if result.mean.shape[1] != 1 or len(truth) != len(result):
        raise InputError(
            "These numbers cannot be drawn beside their intervals",
            expected="one target, and a true number for each row",
            received=f"{result.mean.shape[1]} targets, {len(result)} rows and {len(truth)} true numbers",
            hint="Choose a target of several: result.of_target(0).",
        )
    level = _level(result.levels) if level is None else level
    ends = result.prediction_interval(level)[:, 0]
    inside = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    order = np.argsort(result.mean[:, 0], kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, MOST_ROWS).round().astype(int))]
    places = np.arange(len(shown))
    ax = _axes(ax)
    ax.vlines(
        places, *ends[shown].T, color=BLUE, alpha=0.35, linewidth=3, label=f"{100 * level:g} % interval"
    )
    ax.plot(places, result.mean[shown, 0], "_", color=BLUE, label="prediction")
    for among, mark, colour, label in ((inside, "o", "black", "inside"), (~inside, "x", ORANGE, "outside")):
        at = among[shown]
        ax.plot(places[at], truth[shown][at], mark, color=colour, markersize=4, label=f"answer {label}")
    ax.set(xlabel="Rows, in order of the prediction", ylabel=result.target_names[0])
    ax.set_title(f"{100 * inside.mean():.1f} % of {len(truth):,} answers inside", fontsize="medium")
    ax.legend(fontsize="small", frameon=False)
    return ax


def maps(result: DenseCertainty, row: int, image: Any, *, ax: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Draw an image, the class at each of its pixels, and how probable that class is.

    Args:
        result: Classes at the pixels of images.
        row: Position of the row.
        image: (H, W), (H, W, C) or (C, H, W), as `imshow` takes it: bytes, or floats from 0 to 1.
        ax: Three axes. Default: a new figure.

    Returns:
        The three axes. In the third, white lines go around coin flips. Pixels that do not count stay empty.

    Raises:
        InputError: Rows have no two axes of positions, there is no such row, or the image has another size.
        DependencyError: matplotlib is missing.

    Example:
        >>> p = np.random.default_rng(0).dirichlet(np.ones(3), size=(20, 1, 8, 9))  # 20 passes, one image
        >>> axes = howsure.plot.maps(howsure.DenseCertainty.from_passes(p), 0, p[0, 0])
        >>> axes[0].figure.savefig("maps.png")
    """
    check_type(result, DenseCertainty, "result", "classes at positions, a DenseCertainty")
    one_position(row, len(result))
    label, picture = np.asarray(result.label[row]), np.asarray(image)
    inside = tuple(map(slice, np.argwhere(label >= 0).max(axis=0) + 1))
    if label[inside].shape in (picture.shape[:2], picture.shape[1:]):  # the row is smaller than the largest
        label = label[inside]
    counts, places = label >= 0, tuple(map(slice, label.shape))
    if picture.ndim == 3 and picture.shape[:2] != label.shape and picture.shape[1:] == label.shape:
        picture = np.moveaxis(picture, 0, -1)
    if label.ndim != 2 or picture.shape[:2] != label.shape:
        raise InputError(
            f"Row {row} cannot be drawn on this image",
            expected="pixels of an image, and the image, (H, W), (H, W, C) or (C, H, W)",
            received=f"positions {label.shape} and an image {np.shape(image)}",
        )
    with needs("matplotlib", "`howsure.plot`", extra="plots"):
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch
        from matplotlib.pyplot import subplots
    axes = subplots(1, 3, figsize=(11, 4), layout="constrained")[1] if ax is None else ax
    colours = colours_of(np.asarray(result.share))
    axes[0].imshow(picture.squeeze(), cmap="gray")
    axes[0].set_title("Image", fontsize="medium")
    axes[1].imshow(
        np.where(counts, label, np.nan),
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        interpolation="nearest",
    )
    axes[1].set_title("Class", fontsize="medium")
    keys = [
        Patch(color=colours[k], label=result.class_names[k]) for k in np.unique(label[counts])[:MOST_CLASSES]
    ]
    axes[1].legend(
        handles=keys, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, frameon=False
    )
    probable = axes[2].imshow(
        result.probability[row][places], cmap="cividis", vmin=0, vmax=1, interpolation="nearest"
    )
    flips = np.asarray(result.verdict[row])[places] == "coin flip"
    if flips.any() and not flips.all():
        axes[2].contour(flips, levels=[0.5], colors="white", linewidths=0.8)
    axes[2].set_title("Probability of that class", fontsize="medium")
    axes[2].figure.colorbar(probable, ax=axes[2], fraction=0.046)
    for each in axes:
        each.set(xticks=[], yticks=[])
    return axes


def methods(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Draw how much better or worse each method is than the first one, by the score that decides.

    Args:
        comparison: The result of `howsure.compare`.
        ax: Axes to draw into. Default: those of a new figure.

    Returns:
        The axes: paired differences with their intervals, which hold together in 95 % of cases.

    Raises:
        InputError: This is no comparison.
        DependencyError: matplotlib is missing.

    Example:
        >>> ax = howsure.plot.methods(howsure.compare(model, x, labels, shifts={}))
        >>> ax.figure.savefig("methods.png")
    """
    check_type(comparison, Comparison, "comparison", "what howsure.compare gives")
    main, (first, *others) = comparison.words.main, comparison.methods
    gaps = [comparison.difference(name, first, main) for name in others]
    value, low, high = np.array([(gap.value, gap.low, gap.high) for gap in gaps]).reshape(-1, 3).T
    ax = _axes(ax)
    ax.axvline(0, linestyle="--", color=GREY)
    reach = np.nan_to_num(np.stack([value - low, high - value]))
    ax.errorbar(value, range(len(gaps)), xerr=reach, fmt="o", color=BLUE, capsize=3)
    ax.set_yticks(range(len(gaps)), others)
    ax.set_ylim(len(gaps) - 0.5, -0.5)
    better = "right" if comparison.comparing.metrics[main].higher else "left"
    name = main.replace("_", " ").upper()
    ax.set_xlabel(f"{name} minus that of '{first}', with 95 % intervals\n{better} of the line is better")
    return ax


def _level(levels: Sequence[float]) -> float:
    """The level of intervals by default: 0.9, or the share between the outermost of these quantiles."""
    return [0.9, *of_answers.pairs_of(tuple(levels))][-1]


def _axes(ax: Axes | None) -> Axes:
    """These axes, or those of a new figure."""
    if ax is not None:
        return ax
    with needs("matplotlib", "`howsure.plot`", extra="plots"):
        from matplotlib.pyplot import subplots
    return subplots(layout="constrained")[1]
