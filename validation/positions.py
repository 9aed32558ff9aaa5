"""Do intervals and promises for a class at each position hold? To docs/positions.md.

    python -m validation.positions

Images are drawn from a made population whose scores are known exactly, numpy and scipy only. Neighbouring
pixels are strongly correlated. Takes about two minutes.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from scipy.ndimage import gaussian_filter

import howsure
from benchmarks.docs import Page, table
from howsure.answers.positions.calibrate import METHODS
from howsure.answers.positions.counts import mean_dice
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.verdict import top_two
from howsure.errors import InputError
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import entropy_of, proportion_interval
from validation import rare

IMAGES, SIDE = 1500, 12
NAMES = ("road", "car", "bicycle")
THERE = (1.0, 0.9, 0.25)
"""Share of the images that have each class."""

SETS = 400
SIZES = (10, 20, 30, 60)
SCORES = (
    *("accuracy", "mean_dice", "mean_iou", "dice of car", "dice of bicycle", "nll", "brier", "ece"),
    *("error_auroc", "row_dice", "aurc", "aurg"),
)
RISK, TOLERANCE, COVERAGE = 0.2, 0.5, 0.9
BESIDE, LABELLED = 40, 50
"""Sets of labels on which MAPIE is asked, too, and how many images each has."""


def population(seed: int = 0) -> tuple[DenseCertainty, Integers]:
    """Images of smooth regions, and what a model that is worse on some says of them."""
    random = np.random.default_rng(seed)
    shape = (IMAGES, len(NAMES), SIDE, SIDE)
    near = (0, 0, 3, 3)
    there = np.where(random.random(shape[:2]) < THERE, 0.0, -99.0)
    regions = 6 * gaussian_filter(random.normal(size=shape), near) + there[..., None, None]
    truth = (regions + np.array([0.5, 0.0, -0.3])[:, None, None]).argmax(axis=1)
    skill = 1.5 * np.exp(0.7 * random.normal(size=(IMAGES, 1, 1, 1)))
    logits = skill * (np.arange(len(NAMES))[None, :, None, None] == truth[:, None])
    logits += 5 * gaussian_filter(random.normal(size=shape), (0, 0, 2, 2))
    logits += 0.5 * random.normal(size=(*shape[:2], 1, 1))
    p = np.exp(np.moveaxis(logits, 1, -1))
    return result_of(p / p.sum(axis=-1, keepdims=True), NAMES), truth


def result_of(p: Floats, names: tuple[str, ...]) -> DenseCertainty:
    """A result with these probabilities (N, *P, K), as of one pass."""
    p = p.astype(np.float32)  # type: ignore[assignment]
    label, runner_up = top_two(p)
    top, second = (np.take_along_axis(p, each[..., None], -1)[..., 0] for each in (label, runner_up))
    share = np.stack([(label == k).mean(axis=(1, 2)) for k in range(len(names))], axis=1)
    unknown, entropy = np.full(share.shape, np.nan), entropy_of(p.astype(np.float64)).astype(np.float32)
    return DenseCertainty(
        label=label.astype(np.int16),
        runner_up=runner_up.astype(np.int16),
        probability=top,
        gap=top - second,
        mc_error=np.zeros_like(top),
        entropy=entropy,
        expected_entropy=entropy,
        settled=np.ones(top.shape, dtype=bool),
        share=share,
        share_error=unknown,
        share_spread=unknown,
        share_spread_error=unknown,
        share_quantiles=np.repeat(unknown[..., None], 11, axis=-1),
        overlap=unknown,
        passes=np.ones(len(p), dtype=np.int64),
        class_names=names,
        row=np.arange(len(p)),
        all_probabilities=p,
        all_errors=np.zeros_like(p),
        kind="image",
    )


def coverage_of_scores(result: DenseCertainty, truth: Integers) -> str:
    """How often the 95 % intervals of scores hold the score of the population."""
    random = np.random.default_rng(1)
    of_all = howsure.evaluate(result, truth)
    true = {name: of_all.measured(name).value for name in SCORES}
    held = {name: {size: [0, 0] for size in SIZES} for name in SCORES}
    for size in SIZES:
        for _ in range(SETS):
            rows = random.integers(0, IMAGES, size)
            found = howsure.evaluate(result[rows], truth[rows])
            for name in SCORES:
                score = found.measured(name).score(0.95)
                if score.known:
                    held[name][size][0] += bool(score.low <= true[name] <= score.high)
                    held[name][size][1] += 1
    lines = [
        [name, f"{true[name]:.3f}", *(_share(*held[name][size], SETS) for size in SIZES)] for name in SCORES
    ]
    return table(["score", "true value", *(f"{size} images" for size in SIZES)], *lines)


def _share(hits: int, known: int, sets: int) -> str:
    if known < sets / 10:
        return "no interval"
    low, high = proportion_interval(hits, known)
    told = f"{100 * hits / known:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    return told if known == sets else f"{told}, of {100 * known / sets:.0f} % that have one"


def broken_promises(result: DenseCertainty, truth: Integers) -> str:
    """How often more of the images kept are below the Dice than was promised."""
    random, certain = np.random.default_rng(2), np.exp(-result.doubt)
    low = _dice_of(result, truth) < 1 - TOLERANCE
    broken, refused, shares = 0, 0, []
    for _ in range(SETS):
        rows = random.integers(0, IMAGES, 150)
        try:
            rule = howsure.abstain(result[rows], truth[rows], risk=RISK, tolerance=TOLERANCE)
        except InputError:
            refused += 1
            continue
        kept = certain > rule.threshold
        shares.append(kept.mean())
        broken += bool(low[kept].mean() > RISK)
    most = proportion_interval(broken, SETS)[1]
    return (
        f"Of the images {100 * low.mean():.0f} % have a Dice below {1 - TOLERANCE:g}. A rule from 150 "
        f"labelled images promises with 95 % confidence that at most {100 * RISK:g} % of the images kept "
        f"are below it. Of {SETS} rules {broken} broke that promise, {100 * broken / SETS:.1f} % (at most "
        f"{100 * most:.1f} %), and {refused} sets of labels allowed no rule. The others keep "
        f"{100 * np.mean(shares):.0f} % of the images on average."
    )


def _dice_of(result: DenseCertainty, truth: Integers) -> Floats:
    """(N,) by whole arrays, other than the library does it."""
    of_class = np.arange(len(NAMES))
    true, label = (each.reshape(IMAGES, -1, 1) == of_class for each in (truth, result.label))
    return mean_dice((true & label).sum(axis=1), true.sum(axis=1) + label.sum(axis=1))


def recall_of_sets(result: DenseCertainty, truth: Integers) -> str:
    """The mean loss of sets over splits, in the whole population."""
    random = np.random.default_rng(3)
    of_true = np.take_along_axis(result.probabilities, truth[..., None], -1)[..., 0]
    wrong: Booleans = result.label != truth
    lines = []
    for size in (15, 50):
        losses, sizes = [], []
        for _ in range(SETS):
            rows = random.integers(0, IMAGES, size)
            fitted = howsure.prediction_sets(result[rows], truth[rows], coverage=COVERAGE)
            losses.append(float(np.mean((of_true < np.float32(fitted.threshold)) & wrong)))
            sizes.append(fitted.size)
        error = np.std(losses) / np.sqrt(SETS)
        lines.append([size, f"{100 * np.mean(losses):.2f} ± {196 * error:.2f} %", f"{np.mean(sizes):.2f}"])
    return table(["labelled images", "mean share of pixels missed", "mean classes in a set"], *lines)


def beside_mapie(result: DenseCertainty, truth: Integers) -> str:
    """Both libraries on the same labelled images, and what their sets hold in the whole population."""
    random, p = np.random.default_rng(5), np.moveaxis(result.probabilities, -1, 1)
    there = truth[:, None] == np.arange(len(NAMES))[:, None, None]
    settings = {
        "MAPIE, 100 thresholds": np.arange(0, 1, 0.01),
        "MAPIE, 1,000 thresholds": np.arange(0, 1, 0.001),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in ("howsure", *settings)}
    for _ in range(BESIDE):
        rows = random.integers(0, IMAGES, LABELLED)
        fitted = howsure.prediction_sets(result[rows], truth[rows], coverage=COVERAGE)
        own = p >= np.float32(fitted.threshold)
        np.put_along_axis(own, result.label[:, None].astype(np.int64), True, axis=1)
        found["howsure"].append(_of_sets(own, there))
        for name, thresholds in settings.items():
            found[name].append(_of_sets(p > _mapie_threshold(p[rows], there[rows], thresholds), there))
    lines = []
    for name, of_name in found.items():
        means = np.mean(of_name, axis=0)
        error = 1.96 * np.std(of_name, axis=0) / np.sqrt(BESIDE)
        lines.append(
            [
                name,
                f"{100 * means[0]:.2f} ± {100 * error[0]:.2f} %",
                f"{means[1]:.3f} ± {error[1]:.3f}",
                f"{100 * means[2]:.2f} %",
            ]
        )
    head = ["", "recall of an image", "classes in a set", "pixels with an empty set"]
    return table(head, *lines)


def _mapie_threshold(p: Floats, there: Booleans, thresholds: Floats) -> float:
    """What MAPIE's conformal risk control of the recall finds; images are its samples."""
    from mapie.risk_control import SemanticSegmentationController

    controller = SemanticSegmentationController(
        predict_function=lambda x: x, risk="recall", target_level=COVERAGE, predict_params=thresholds
    )
    flat = there.reshape(len(there), -1).astype(int)
    for start in range(len(p)):  # all thresholds of one image are held at a time
        controller.compute_risks(p[start : start + 1], flat[start : start + 1])
    return float(controller.compute_best_predict_param().best_predict_param[0])


def _of_sets(inside: Booleans, there: Booleans) -> list[float]:
    """Mean recall of an image, mean classes in a set, and share of empty sets, in the whole population."""
    recall = np.sum(inside & there, axis=(1, 2, 3)) / there.sum(axis=(1, 2, 3))
    size = inside.sum(axis=1)
    return [float(recall.mean()), float(size.mean()), float(np.mean(size == 0))]


def temperatures(result: DenseCertainty, truth: Integers) -> str:
    """How often the interval of the temperature holds that of the population."""
    random, true = np.random.default_rng(4), howsure.calibrate(result, truth).temperature
    lines = []
    for size in (20, 60):
        held, better = 0, 0
        for _ in range(SETS // 2):
            rows = random.integers(0, IMAGES, size)
            found = howsure.calibrate(result[rows], truth[rows])
            held += bool(found.temperature.low <= true.value <= found.temperature.high)
            better += found.after.value < found.before.value
        lines.append([size, _share(held, SETS // 2, SETS // 2), f"{100 * better / (SETS // 2):.0f} %"])
    head = ["labelled images", f"intervals that hold {true.value:.3f}", "held-out NLL lower than before"]
    return table(head, *lines)


def offsets() -> str:
    """What `validation.offsets` found on CamVid."""
    found = Page("offsets").figures()
    lines = []
    for name in next(iter(found.values())):
        cells: list[object] = [name if name in ("none", *METHODS) else f"{name} (not in howsure)"]
        for of_part in found.values():
            of, (gap, low, high) = of_part[name], of_part[name]["difference"]
            more = "" if name == "none" else f" ({gap:+.3f}, {low:+.3f} to {high:+.3f})".replace("-", "−")
            cells.append(f"{of['NLL']:.3f}{more}, {100 * of['accuracy']:.1f}, {100 * of['Dice']:.1f}")
        lines.append(cells)
    return table(["calibration", *(f"learnt from {part}: NLL, accuracy, Dice" for part in found)], *lines)


def page() -> str:
    """The page."""
    result, truth = population()
    accuracy = np.mean(result.label == truth)
    return f"""# Promises for a class at each position

`python -m validation.positions` writes this page. A made population of {IMAGES:,} images of {SIDE} × {SIDE}
pixels stands for all images, so that its scores are known exactly. Neighbouring pixels are alike, some images
are much harder than others, and '{NAMES[-1]}' is in a quarter of them. The model is right on
{100 * accuracy:.0f} % of the pixels. Sets of images are drawn from it at random.

## Intervals of scores

How often a 95 % interval of `howsure.evaluate` holds the score of the population, in {SETS} sets of each
size. A `DenseEvaluation` gives no interval where too few images decide a score.

{coverage_of_scores(result, truth)}

## Errors of maps

{rare.told()}

## Abstention

`howsure.abstain` gives a `DenseAbstention`. {broken_promises(result, truth)}

## Sets of classes

`howsure.prediction_sets` gives `DensePredictionSets`. With coverage={COVERAGE:g} they promise that at most
{100 * (1 - COVERAGE):.0f} % of the pixels of a new image miss on average. Mean over {SETS} sets of labels:

{recall_of_sets(result, truth)}

MAPIE {version("mapie")} has conformal risk control of the recall (`SemanticSegmentationController`).
Both got the same {LABELLED} labelled images, {BESIDE} times, and the same promise. *Recall* is the share of
the pixels of an image whose set holds the true class. If the promise holds, it is at least
{100 * COVERAGE:.0f} % on average. howsure always puts the most probable class into a set and looks at all
thresholds. MAPIE looks at those of a grid, and its sets may be empty.

{beside_mapie(result, truth)}

## Calibration

`howsure.calibrate` gives a `DenseCalibrator` with one temperature, unless you ask for more.

{temperatures(result, truth)}

`method="offsets"` adds an offset for each class. That helps where whole classes are too probable, as after
training with class weights. A small U-Net on CamVid was trained so; a temperature does nothing for it. The
table shows the mean NLL of other test images, in brackets how much more that is than without calibration
(95 % of images resampled in blocks of neighbours), and the accuracy and the Dice of an image in per cent.
`python -m validation.offsets` measures it again, on data that are not part of this repository.

{offsets()}
"""


if __name__ == "__main__":
    Page("positions").write(page())
