"""The figures of docs/evidence.md, which has all promises of howsure, their commands and pages of details.

    python -m validation.evidence            fills them in from the JSON files beside it

Nothing is measured here. Each figure comes from the JSON file that its command writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.docs import Page, percent, shares
from howsure.statistics import proportion_interval
from validation import mutation, origins, promises, rare, reasons, reproduction, sentences, watch

PAGE = Page("evidence")


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
    top = [
        {kind: each["probability of the top class"] for kind, each in of["errors"].items()}
        for of in found.values()
    ]
    least = min((of["all"] for of in top), key=lambda each: each["cover"])
    lowest = f"{100 * least['cover']:.1f} ± {100 * least['cover error']:.1f} %"
    told = ends([each["cover"] for of in top for each in of.values()], "of rows")
    return f"{told}, on {len(found)} networks; lowest for all rows of a network: {lowest}"


def covered(name: str, of: str) -> Callable[[Any], str]:
    """Coverage by network, under this name in the figures."""
    return lambda found: f"{ends([each[name] for each in found.values()], of)}, on {len(found)} networks"


def of_networks(found: Any) -> str:
    """How many thinned networks the interval holds, and how often the truth."""
    verdicts = found["verdicts"].values()
    told = ends([each["thinned"] for each in verdicts], "of the thinned networks")
    return (
        f"{told}, by verdict. It promises nothing about the truth, and holds it for "
        f"{shares([each['truth'] for each in verdicts])} of digits"
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


def of_watch(found: Any) -> str:
    """How many streams raise a false alarm, at most; where the fit breaks the promise, an alarm is true."""
    most = max(counts["watch"] - counts["broken"] for counts in found["false"].values())
    return f"at most {rate(most, watch.RUNS)}"


def of_worlds(found: Any) -> str:
    """Coverage of prediction intervals by world."""
    told = sorted((each["promises"] for each in found["worlds"].values()), key=lambda each: each["coverage"])
    low, high = (
        f"{100 * each['coverage']:.1f} ± {196 * each['coverage_error']:.1f} %" for each in (told[0], told[-1])
    )
    return f"lowest {low}, highest {high}, in {len(told)} simulated worlds"


def of_origins(found: Any) -> str:
    """How many cells of differences were refused, and of none accepted."""
    counts = origins.parts(found)
    refused, accepted, wrong = (counts[name] for name in ("refused", "accepted", "wrong"))
    return f"{refused} cells refused, {accepted} accepted, {wrong} the other way"


def of_offsets(found: Any) -> str:
    """NLL as it is and calibrated, beside scikit-learn, for each model with class weights."""
    means = [of["nll"] for of in found["sets"].values()]
    return "; ".join(f"{before:.3f}, {ours:.3f} and {theirs:.3f}" for before, _, theirs, ours in means)


def of_chosen(found: Any) -> str:
    """How often a temperature is chosen where it is all that is needed."""
    return ends([*found["none needed"].values()], f"of draws, in {len(found['none needed'])} cases")


def of_intervals(found: Any) -> str:
    """How many kinds of interval hold."""
    hold = "{hold} of {cells} kinds of interval hold in 90 % of simulated sets or more, mean {mean} %"
    return hold.format(**found["intervals"])


def of_equal_methods(found: Any) -> str:
    """How often another method than the baseline is recommended where none is better."""
    equal = [each for each in found.values() if not each["is_better"]]
    told = ends([each["taken"] for each in equal], f"of {equal[0]['draws']} draws")
    return f"{told}, in {len(equal)} cases"


def of_sentences(found: Any) -> str:
    """How often sentences about passes are true."""
    shares = [share / 100 for share, _ in sentences.shares_of(found["measured"])]
    return f"{ends(shares, 'of times')}, {len(shares)} sentences"


def of_reasons(found: Any) -> str:
    """How often reasons are false, at most."""
    most = percent(reasons.most_false(found))
    return f"at most {most}, for the kind of sentence that is false most often"


def of_zoo(found: Any) -> str:
    """How many networks are right, refused, told with a warning, and wrong."""
    each = [of for of in found.values() if "verdict" in of]
    each += [on for of in found.values() for on in of.values() if isinstance(on, dict) and "verdict" in on]
    words = [of["verdict"] for of in each]
    right, refused, said = (words.count(word) for word in ("right", "refused", "said"))
    warned = f", {said} answered with a warning" if said else ""
    wrong = rate(len(words) - right - refused - said, len(words))
    return f"{right} right, {refused} refused{warned}; wrong: {wrong}"


def of_changes(found: Any) -> str:
    """How many changes of files that howsure seals were not refused in words of its own, nor harmless."""
    sealed = [each for each in found["formats"].values() if each["checksum"] == "SHA-256"]
    changes, let_in = (
        sum(each[kind] for each in sealed for kind in kinds)
        for kinds in (mutation.KINDS, (mutation.WRONG, mutation.RAW))
    )
    return f"{rate(let_in, changes)} changes of sealed files came back as something else"


def of_saves(found: Any) -> str:
    """How many stopped saves left something else."""
    counts = sum((Counter(ways) for by_stop in found.values() for ways in by_stop.values()), Counter())
    lost = sum(count for left, count in counts.items() if left not in ("earlier", "new", "parts"))
    return f"{rate(lost, counts.total())} stopped saves left something else"


def of_methods(found: Any) -> str:
    """NLL of three methods on MNIST."""
    told = {name: found["scores"][name]["as they are"]["nll"] for name in THREE}
    return ", ".join(
        f"{name} {value:.4f} ({low:.4f} to {high:.4f})" for name, (value, low, high) in told.items()
    )


def of_truth(found: Any) -> str:
    """How far three methods are from the exact truth, and how many true coin flips the best one finds."""
    methods = found["sizes"]["4000"]["methods"]
    told = ", ".join(f"{name} {methods[name]['KL']}" for name in THREE)
    every = [each for of in found["sizes"].values() for each in of["methods"].values()]
    most = max(float(each["recall"].split()[0]) for each in every)
    return f"KL in nats: {told}; most true coin flips found: {100 * most:.0f} %"


def of_table_one(found: Any) -> str:
    """On how many sets the RMSE is as good as published."""
    good = [name for name, each in found.items() if reproduction.is_as_good(each, "rmse", "2018")]
    return f"RMSE within the published error, or better, on {len(good)} of {len(found)} sets"


def of_cost(found: Any) -> str:
    """How many times as long as a plain prediction a call takes, by network."""
    ran = {
        name.split()[1]: each
        for name, each in found["figures"].items()
        if name.startswith("speed ") and name.endswith(" tensorflow") and "by_batches" in each
    }
    (least, low), *_, (most, high) = sorted(
        ((each["assess"] / each["by_batches"], name) for name, each in ran.items())
    )
    loops = [each["loop_of_100"] / each["by_batches"] for each in ran.values()]
    loop = f"a loop of 100 passes {min(loops):.0f} to {max(loops):.0f} times"
    return f"{least:.2f} (`{low}`) to {most:.1f} times (`{high}`); {loop}"


def of_export(found: Any) -> str:
    """The largest difference of an exported graph."""
    told = [max(each["difference"].values()) for each in found["figures"].values() if "difference" in each]
    return f"largest difference {max(told):.0e}, {len(told)} graphs"


def of_served(found: Any) -> str:
    """The largest difference of a graph with rules, and how many decisions differ."""
    kinds = found["agreement"].values()
    most, rows = max(each["difference"] for each in kinds), sum(each["rows"] for each in kinds)
    other = sum(each["sets"] + each["handed over"] for each in kinds)
    return f"largest difference {most:.0e}, {other} other decisions, {rows:,} rows of {len(kinds)} kinds"


THREE = ("softmax", "MC dropout", "ensemble")

FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "fresh": ("fresh", of_fresh),
    "numbers_coverage": ("numbers-coverage", covered("mean covered at 0.05", "of rows")),
    "rare": ("rare", covered("within", "of positions")),
    "between": ("between", of_networks),
    "sentences": ("sentences", of_sentences),
    "sets": ("promises-kept", kept("coverage")),
    "abstention": ("promises-kept", kept("abstention")),
    "watch": ("watch", of_watch),
    "numbers": ("numbers", of_worlds),
    "offsets": ("offsets", of_offsets),
    "chosen": ("offsets", of_chosen),
    "origins": ("origins", of_origins),
    "intervals": ("intervals", of_intervals),
    "positions": ("positions", lambda found: ends(rare.shares_of(found), "of simulated sets")),
    "compare_numbers": ("compare-numbers", of_equal_methods),
    "compare_positions": ("compare-positions", of_equal_methods),
    "reasons": ("reasons", of_reasons),
    "models": ("models", of_zoo),
    "torch_models": ("torch-models", of_zoo),
    "segmentation_models": ("segmentation-models", of_zoo),
    "export": ("export", of_export),
    "served": ("deploy", of_served),
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
