"""Are promises kept, and do intervals hold, where rows depend on each other? Written to docs/groups.md.

    python -m validation.groups

Rows of a group share half of the variance of all that is drawn. With `groups=` promises are made and scores
are told for new groups; without, as if rows were independent. Labels are looked at by their scores alone.
Takes about fifteen minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import norm

import howsure
from benchmarks.docs import Page, table
from howsure.errors import InputError
from howsure.evaluation.groups import autocorrelation
from howsure.sampling.outcome import Floats
from howsure.statistics import proportion_interval
from validation import promises

PAGE = Page("groups")

RUNS = 500
SIZES = (1, 10, 50)
GROUPS = {"classes": 100, "labels": 100, "numbers": 100, "positions": 60}
"""Groups that are labelled. Fewer of images, as these take long."""

NEW = 20_000
"""New rows of as many groups, which show what is true; a twentieth of that where rows are images."""

SIDE = 3
WINDOWS, SERIES = 500, 2000
"""Rows of a series of windows, and how many series there are, with and without overlap."""

OVERLAPS = (0, 0.25, 0.5, 0.9)

Draw = Callable[..., Floats]


def _draws(random: np.random.Generator, groups: int, size: int) -> Draw:
    """Normal numbers of rows, of whose variance the rows of a group share half."""

    def drawn(*shape: int) -> Floats:
        shared = np.repeat(random.normal(size=(groups, *shape)), size, axis=0)
        return np.sqrt(0.5) * (shared + random.normal(size=(groups * size, *shape)))

    return drawn


def classes(draw: Draw) -> Any:
    """Rows of two classes."""
    logits = draw(2)
    truth = (norm.cdf(draw()) < softmax(logits, axis=1)[:, 1]).astype(np.int64)
    return howsure.Certainty.from_probabilities(softmax(2 * logits, axis=1), ["no", "yes"]).with_truth(truth)


def labels(draw: Draw) -> Any:
    """Rows of two labels."""
    logits = 1.5 * draw(2)
    result = howsure.MultilabelCertainty.from_probabilities(expit(2 * logits), ["rain", "wind"])
    return result.with_truth(norm.cdf(draw(2)) < expit(logits))


def numbers(draw: Draw) -> Any:
    """Rows of one number, whose std is too small."""
    mean, std = draw(), np.exp(0.5 * draw())
    return howsure.RegressionCertainty.from_mean_std(mean, std / 1.5).with_truth(mean + std * draw())


def positions(draw: Draw) -> Any:
    """Images of two classes, in which the positions of an image depend on each other too."""
    logit = 2 * (draw(1, 1) + draw(SIDE, SIDE))
    truth = (norm.cdf(np.sqrt(0.5) * (draw(1, 1) + draw(SIDE, SIDE))) < expit(logit)).astype(np.int64)
    both = np.stack([1 - expit(2 * logit), expit(2 * logit)], axis=-1).astype(np.float32)
    return howsure.DenseCertainty.from_probabilities(both, ("no", "yes")).with_truth(truth)


KINDS: dict[str, tuple[Callable[[Draw], Any], tuple[str, ...], str | None]] = {
    "classes": (classes, ("accuracy", "nll", "ece", "error_auroc"), "classes"),
    "labels": (labels, ("accuracy", "nll", "ece", "error_auroc"), None),
    "numbers": (numbers, ("rmse", "nll", "miscalibration", "coverage at 90 %"), "numbers"),
    "positions": (positions, ("accuracy", "row_dice", "nll", "ece"), "positions"),
}
"""How rows are drawn, and the scores whose intervals are looked at."""

RISKS = {"classes": 0.3, "numbers": 0.3, "positions": 0.3}


def _promises(kind: str, groups: Any) -> dict[str, Callable[[Any], Any]]:
    def abstain(known: Any) -> Any:
        tolerance = {"classes": None, "numbers": 1.5, "positions": 0.4}[kind]
        return howsure.abstain(known, risk=RISKS[kind], tolerance=tolerance, groups=groups)

    coverage: dict[str, Any] = {"coverage": promises.COVERAGE, "groups": groups}
    if kind == "numbers":
        return {
            "intervals": lambda known: howsure.prediction_intervals(known, **coverage),
            "abstention": abstain,
        }
    return {"sets": lambda known: howsure.prediction_sets(known, **coverage), "abstention": abstain}


def _wrong(kind: str, new: Any) -> Any:
    if kind == "classes":
        return new.label != new.truth
    if kind == "numbers":
        return np.abs(new.mean - new.truth)[:, 0] > 1.5
    label, truth = (np.asarray(of).reshape(len(new), -1) for of in (new.label, new.truth))
    shares = []
    for k in range(2):
        both, sizes = ((label == k) & (truth == k)).sum(axis=1), (label == k).sum(axis=1)
        sizes = sizes + (truth == k).sum(axis=1)
        shares.append(np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), np.nan))
    return np.nanmean(shares, axis=0) < 1 - 0.4


def _kept(kind: str, name: str, made: Any, new: Any, wrong: Any) -> float:
    if name == "abstention":
        accepted = ~made(new)
        return float(wrong[accepted].mean()) if accepted.any() else 0.0
    return (promises._in_intervals if name == "intervals" else promises._in_sets)(made, new)


def look_at(kind: str, size: int) -> dict[str, Any]:
    """Promises and intervals of groups of so many rows, over `RUNS` runs, with and without `groups=`."""
    make, scores, promised = KINDS[kind]
    new = make(_draws(np.random.default_rng(0), NEW // 20 if kind == "positions" else NEW, 1))
    true = howsure.evaluate(new)._found.scores
    wrong = None if promised is None else _wrong(kind, new)
    found: dict[str, Any] = {}
    for seed in range(RUNS):
        known = make(_draws(np.random.default_rng([1, seed]), GROUPS[kind], size))
        for way, groups in (("groups", np.repeat(np.arange(GROUPS[kind]), size)), ("none", None)):
            if size == 1 and way == "groups":
                continue  # the same
            told = found.setdefault(way, {})
            for name, score in howsure.evaluate(known, groups=groups)._found.scores.items():
                if name in scores:
                    inside = score.low <= true[name].value <= score.high
                    told.setdefault(name, []).append(int(inside))
            for name, fit in ({} if promised is None else _promises(kind, groups)).items():
                try:
                    made = fit(known)
                except InputError:
                    continue
                told.setdefault(name, []).append(round(_kept(kind, name, made, new, wrong), 4))
                if name == "abstention":
                    told.setdefault("handed over", []).append(round(float(made(new).mean()), 4))
    return found


def look_at_windows() -> list[list[str]]:
    """In how many series of windows that overlap, or do not, somebody is asked."""
    asked = []
    for overlap in OVERLAPS:
        length, step = 20, round(20 * (1 - overlap))
        count = 0
        for seed in range(SERIES):
            noise = np.random.default_rng([2, seed]).normal(size=WINDOWS * step + length)
            sums = np.cumsum(np.append(0, noise))
            starts = np.arange(WINDOWS) * step
            count += autocorrelation(np.abs(sums[starts + length] - sums[starts])) > 0
        asked.append([f"{100 * overlap:g} %", f"{count:,} of {SERIES:,}"])
    return asked


def _cell(name: str, kind: str, values: list[float] | None) -> str:
    if not values:
        return "–"
    shares = np.array(values)
    if name == "abstention":
        broken = int(np.sum(shares > RISKS[kind]))
        low, high = (100 * end for end in proportion_interval(broken, RUNS))
        return f"{100 * broken / RUNS:.1f} % ({low:.1f} to {high:.1f} %) broken"
    if name == "handed over":
        return f"{100 * shares.mean():.0f} %, in {len(shares)} of {RUNS} runs"
    return f"{100 * shares.mean():.1f} ± {196 * shares.std() / np.sqrt(len(shares)):.1f} %"


def _lines_of(name: str, found: dict[str, Any]) -> list[list[str]]:
    """The lines of the table about one kind and size."""
    kind, size = name.split(", ")
    lines = []
    for what in found["none"]:
        cells = [_cell(what, kind, found.get(way, {}).get(what)) for way in ("none", "groups")]
        lines.append([kind, size, what.replace("_", " "), *cells])
    return lines


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """The tables of the page."""
    heads = ["kind", "rows in a group", "looked at", "without `groups`", "with `groups`"]
    return {
        "groups": table(heads, *figures["lines"]),
        "windows": table(["overlap of windows", "asked about"], *figures["windows"]),
    }


def look() -> dict[str, Any]:
    """Everything."""
    lines = []
    with warnings.catch_warnings(action="ignore"):
        for kind in KINDS:
            for size in SIZES:
                lines += _lines_of(f"{kind}, {size}", look_at(kind, size))
                print(kind, size, flush=True)
        return {"lines": lines, "windows": look_at_windows()}


if __name__ == "__main__":
    PAGE.measure(look, parts)
