"""The figures of docs/evidence.md, which has all promises of howsure, their commands and pages of details.

    python -m validation.evidence            fills them in from the JSON files beside it

Nothing is measured here. Each figure comes from the JSON file that its command writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.docs import Page
from howsure.statistics import proportion_interval
from validation import deepcut, positions, promises

PAGE = Page("evidence")

TOP = "probability of the top class"


def rate(count: int, of: int) -> str:
    """A count of things that happened, with the exact 95 % interval of its share."""
    low, high = proportion_interval(count, of)
    return f"{count:,} of {of:,} ({100 * low:.2g} to {100 * high:.2g} %)"


def ends(shares: Any, of: str) -> str:
    """The lowest, the highest and the median of some shares of something."""
    low, middle, high = 100 * np.quantile(shares, [0, 0.5, 1])
    return f"{low:.0f} to {high:.0f} % {of}, {middle:.0f} % in the median"


def of_fresh(found: Any) -> str:
    """Coverage by network and kind of rows, and the lowest over all rows of a network."""
    covers = [kind[TOP]["cover"] for network in found.values() for kind in network["errors"].values()]
    least = min((network["errors"]["all"][TOP] for network in found.values()), key=lambda each: each["cover"])
    lowest = f"{100 * least['cover']:.1f} ± {100 * least['cover error']:.1f} %"
    return f"{ends(covers, 'of rows')}, on {len(found)} networks; lowest for all rows of a network: {lowest}"


def of_numbers(found: Any) -> str:
    """Coverage of means on regressions."""
    covers = [each["mean covered at 0.05"] for each in found.values()]
    return f"{ends(covers, 'of rows')}, on {len(found)} networks"


def of_maps(found: Any) -> str:
    """Coverage of maps where few channels are dropped."""
    covers = [each["within"] for each in found.values()]
    return f"{ends(covers, 'of positions')}, on {len(found)} networks"


def of_networks(found: Any) -> str:
    """How many thinned networks the interval holds, and how often the truth."""
    inside, truth = (
        [each[what] for each in found["digits"]["verdicts"].values()] for what in ("thinned", "truth")
    )
    return (
        f"{ends(inside, 'of the thinned networks')}, by verdict. It promises nothing about the truth, and "
        f"holds it for {100 * min(truth):.0f} to {100 * max(truth):.0f} % of digits"
    )


def kept(name: str) -> Callable[[Any], str]:
    """What a promise came to with other labels than those of the calibrator, over all kinds of answers."""

    def figure(found: Any) -> str:
        lines = [
            line for line in promises.lines(found) if (line[2] == "abstention") == (name == "abstention")
        ]
        low, *_, high = sorted((line[3] for line in lines), key=lambda cell: float(cell.split()[0]))
        return f"from {low} to {high}, by kind of answer"

    return figure


def of_worlds(found: Any) -> str:
    """Coverage of prediction intervals by world."""
    told = [each["promises"] for each in found["worlds"].values()]
    low, high = (find(told, key=lambda each: each["coverage"]) for find in (min, max))
    ends = (f"{100 * each['coverage']:.1f} ± {196 * each['coverage_error']:.1f} %" for each in (low, high))
    return f"lowest {next(ends)}, highest {next(ends)}, in {len(told)} simulated worlds"


def of_intervals(found: Any) -> str:
    """How many kinds of interval hold."""
    found = found["intervals"]
    return (
        f"{found['hold']} of {found['cells']} kinds of interval hold in 90 % of simulated sets or more, mean "
        f"{found['mean']} %"
    )


def of_equal_methods(found: Any) -> str:
    """How often another method than the baseline is recommended where none is better."""
    equal = [each for each in found.values() if not each["is_better"]]
    draws = f"of {equal[0]['draws']} draws"
    return f"{ends([each['taken'] for each in equal], draws)}, in {len(equal)} cases"


def of_scores_of_maps(found: Any) -> str:
    """Coverage of intervals of scores at positions."""
    return ends(positions.shares_of(found), "of simulated sets")


def of_sentences(found: Any) -> str:
    """How often sentences about passes are true."""
    from validation import sentences

    shares = [share / 100 for share, _ in sentences.shares_of(found["measured"])]
    return f"{ends(shares, 'of times')}, {len(shares)} sentences"


def of_reasons(found: Any) -> str:
    """How often reasons are false, at most."""
    from validation import reasons

    usual = {name: each for name, each in found.items() if reasons.HEAVY not in name}
    pooled = []
    for about in reasons.ABOUT:
        cells = reasons._cells(usual, about)
        pooled.append(sum(each["false"] for *_, each in cells) / sum(draws for _, _, draws, _ in cells))
    return f"at most {100 * max(pooled):.1f} %, for the kind of sentence that is false most often"


def of_keras(found: Any) -> str:
    """How many networks are right or refused."""
    from validation import models

    words = [models.verdict(of[name]) for of in found.values() for name in models.BACKENDS if name in of]
    return told_of(words)


def of_modules(found: Any) -> str:
    """How many modules are right or refused."""
    from validation import torch_models

    names = [name for name in torch_models.MODULES if name in found]
    return told_of([torch_models.verdict(found[name]) for name in names])


def of_segmentation(found: Any) -> str:
    """How many networks are right or refused."""
    return told_of([each["verdict"] for name, each in found.items() if name != "versions"])


def told_of(words: list[str]) -> str:
    """Of verdicts on networks: how many are right, refused, told with a warning, and wrong."""
    right, refused, said = (words.count(word) for word in ("right", "refused", "said"))
    wrong = len(words) - right - refused - said
    warned = f", {said} answered with a warning" if said else ""
    return f"{right} right, {refused} refused{warned}; wrong: {rate(wrong, len(words))}"


def of_changes(found: Any) -> str:
    """How many changes of files that howsure seals were not refused in words of its own, nor harmless."""
    from validation import mutation

    sealed = [each for each in found["formats"].values() if each["checksum"] == "SHA-256"]
    changes = sum(each[kind] for each in sealed for kind in mutation.KINDS)
    let_in = sum(each[kind] for each in sealed for kind in (mutation.WRONG, mutation.RAW))
    return f"{rate(let_in, changes)} changes of sealed files came back as something else"


def of_saves(found: Any) -> str:
    """How many stopped saves left something else."""
    counts: dict[str, int] = {}
    for by_stop in found.values():
        for ways in by_stop.values():
            for left, count in ways.items():
                counts[left] = counts.get(left, 0) + count
    lost = sum(count for left, count in counts.items() if left not in ("earlier", "new", "parts"))
    return f"{rate(lost, sum(counts.values()))} stopped saves left something else"


def of_truth(found: Any) -> str:
    """How far three methods are from the exact truth, and how many true coin flips the best one finds."""
    methods = found["sizes"]["4000"]["methods"]
    told = [f"{name} {methods[name]['KL']}" for name in ("softmax", "MC dropout", "ensemble")]
    most = max(
        float(each["recall"].split()[0]) for of in found["sizes"].values() for each in of["methods"].values()
    )
    return f"KL in nats: {', '.join(told)}; most true coin flips found: {100 * most:.0f} %"


def of_published(found: Any) -> str:
    """How many coin flips of a published network lie where people read in two ways."""
    told = deepcut.parts(found)
    return f"{told['flipped']} of {told['flips']} coin flips, among {told['count']} characters"


def of_methods(found: Any) -> str:
    """NLL of three methods on MNIST."""
    names = ("softmax", "MC dropout", "ensemble")
    told = [found["scores"][name]["as they are"]["nll"] for name in names]
    return ", ".join(
        f"{name} {value:.4f} ({low:.4f} to {high:.4f})"
        for name, (value, low, high) in zip(names, told, strict=True)
    )


def of_table_one(found: Any) -> str:
    """On how many sets the RMSE is as good as published."""
    from validation import reproduction

    good = [name for name, each in found.items() if reproduction.is_as_good(each, "rmse", "2018")]
    return f"RMSE within the published error, or better, on {len(good)} of {len(found)} sets"


def of_cost(found: Any) -> str:
    """How many times as long as a plain prediction a call takes, by network."""
    ran = {
        name.split()[1]: each
        for name, each in found["figures"].items()
        if name.startswith("speed ") and name.endswith(" tensorflow") and "by_batches" in each
    }
    ratios = {name: each["assess"] / each["by_batches"] for name, each in ran.items()}
    loops = [each["loop_of_100"] / each["by_batches"] for each in ran.values()]
    low, high = min(ratios, key=lambda name: ratios[name]), max(ratios, key=lambda name: ratios[name])
    return (
        f"{ratios[low]:.2f} (`{low}`) to {ratios[high]:.1f} times (`{high}`); a loop of 100 passes "
        f"{min(loops):.0f} to {max(loops):.0f} times"
    )


def of_export(found: Any) -> str:
    """The largest difference of an exported graph."""
    told = [max(each["difference"].values()) for each in found["figures"].values() if "difference" in each]
    return f"largest difference {max(told):.0e}, {len(told)} graphs"


FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "fresh": ("fresh", of_fresh),
    "numbers_coverage": ("numbers-coverage", of_numbers),
    "rare": ("rare", of_maps),
    "between": ("between", of_networks),
    "sentences": ("sentences", of_sentences),
    "sets": ("promises-kept", kept("coverage")),
    "abstention": ("promises-kept", kept("abstention")),
    "numbers": ("numbers", of_worlds),
    "intervals": ("intervals", of_intervals),
    "positions": ("positions", of_scores_of_maps),
    "compare_numbers": ("compare-numbers", of_equal_methods),
    "compare_positions": ("compare-positions", of_equal_methods),
    "reasons": ("reasons", of_reasons),
    "models": ("models", of_keras),
    "torch_models": ("torch-models", of_modules),
    "segmentation_models": ("segmentation-models", of_segmentation),
    "deepcut": ("deepcut", of_published),
    "export": ("export", of_export),
    "mutation": ("mutation", of_changes),
    "saves": ("saves", of_saves),
    "methods": ("methods", of_methods),
    "known_digits": ("known-digits-methods", of_truth),
    "reproduction": ("reproduction", of_table_one),
    "performance": ("performance", of_cost),
}
"""By marker in docs/evidence.md: the JSON file of the figures, and what is told of them."""


def parts() -> dict[str, object]:
    """The figures of the page."""
    return {name: figure(Page(kept).figures()) for name, (kept, figure) in FIGURES.items()}


if __name__ == "__main__":
    PAGE.fill(parts())
