"""Gal's work, reproduced with howsure; written to docs/reproduction.md.

    python -m validation.reproduction                    everything, some hours on two cores
    python -m validation.reproduction yacht energy       these sets of Table 1
    python -m validation.reproduction co2 sine           the pictures

With `--page` the page alone. Figures of what was not run stay in docs/reproduction.json, and on the page. Trained
networks go to a folder beside other temporary files, so that a run goes on where it was stopped; delete the folder
to train anew. The data are looked for in ../shared/data, as they are not part of this repository.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from validation import far_away, table_one
from validation.table_one import FREE, GRID, SETS, mean_and_error

Figures = dict[str, Any]

DOCS = Path(__file__).parent.parent / "docs"
FIGURES, PAGE, PICTURES = DOCS / "reproduction.json", DOCS / "reproduction.md", DOCS / "pictures"
FOLDER = Path(tempfile.gettempdir()) / "howsure-reproduction"

CALLED = {
    "bostonHousing": "Boston housing",
    "concrete": "concrete",
    "energy": "energy",
    "power-plant": "power plant",
    "wine-quality-red": "wine (red)",
    "yacht": "yacht",
}


def measure(wanted: list[str], figures: Figures) -> None:
    """Add the figures of the parts that are wanted; say which lack their data."""
    FOLDER.mkdir(exist_ok=True)
    for part in wanted:
        try:
            if part == "co2":
                figures[part] = far_away.co2(PICTURES, FOLDER)
            elif part == "sine":
                figures[part] = far_away.sine(PICTURES)
            else:
                figures.setdefault("sets", {})[part] = table_one.run(part, FOLDER) | {
                    "published": table_one.published(part)
                }
        except FileNotFoundError as error:
            print(f"{part} was not run. {error}")
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def over_splits(of_set: Figures, by: str, name: str) -> tuple[float, float]:
    """Mean and standard error over the splits of a set."""
    return mean_and_error([split[name] for split in of_set[by]])


def against_2018(of_set: Figures, name: str) -> tuple[float, float]:
    """Mean and standard error of our figure minus that of 2018, over the same splits."""
    pairs = zip(of_set[GRID], of_set["published"]["splits"], strict=True)
    return mean_and_error([ours[name] - theirs[name] for ours, theirs in pairs])


def is_as_good(of_set: Figures, name: str) -> bool:
    """Whether our figure is within the published error of 2018, or better."""
    theirs = of_set["published"]["2018"]
    worse = over_splits(of_set, GRID, name)[0] - theirs[name]
    return (worse if name == "rmse" else -worse) <= theirs[f"{name}_error"]


# --- the page -----------------------------------------------------------------------------------------


def page(figures: Figures) -> str:
    """The page in Markdown."""
    parts = [
        "# Gal's results, reproduced",
        *(_table_one(figures["sets"]) if figures.get("sets") else ()),
        *(_co2(figures["co2"]) if "co2" in figures else ()),
        *(_sine(figures["sine"]) if "sine" in figures else ()),
        "All figures are in [reproduction.json](reproduction.json). `python -m validation.reproduction` measures "
        "them again; with `--page` it only writes this page. The data sets are not part of this repository.",
    ]
    return "\n\n".join(parts) + "\n"


def _table_one(sets: Figures) -> list[str]:
    """Table 1: the answer, the table, what it means, what differs."""
    done = [name for name in CALLED if name in sets]
    good = {name: [each for each in done if is_as_good(sets[each], name)] for name in ("rmse", "ll")}
    free = [mean_and_error(_gains(sets[name])) for name in done]
    helped = sum(gain > 1.96 * error for gain, error in free)
    agree = np.mean([split["means_agree"] for name in done for split in sets[name][GRID]])
    lines = [
        "| set | RMSE | 2018 | paper | log-likelihood | 2018 | paper | with a free τ | in 90 % intervals: grid, free |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, called in CALLED.items():
        if name not in sets:
            lines.append(f"| {called} | not run |" + " |" * 7)
            continue
        of_set, told = sets[name], sets[name]["published"]
        cells = []
        for figure in ("rmse", "ll"):
            cells.append(_pair(*over_splits(of_set, GRID, figure)))
            cells += [_pair(told[year][figure], told[year][f"{figure}_error"]) for year in ("2018", "2016")]
        cells.append(_pair(*over_splits(of_set, FREE, "ll")))
        cells.append(
            ", ".join(f"{over_splits(of_set, by, 'in_90')[0]:.0%}".replace("%", " %") for by in (GRID, FREE))
        )
        lines.append(f"| {called} | " + " | ".join(cells) + " |")
    default = [split for name in done for split in sets[name][GRID]]
    return [
        "Does howsure give the numbers of Gal & Ghahramani (2016), Table 1? The RMSE is as good as that of their "
        f"corrected code of 2018 on {len(good['rmse'])} of {len(done)} sets, and the log-likelihood on "
        f"{len(good['ll'])}. As good means within the published error, or better. "
        f"A free τ raises the log-likelihood by more than chance on {helped}.",
        "\n".join(lines),
        "± is one standard error over the 20 published splits. `python -m validation.reproduction` trains one network "
        "of 50 units per split and setting for 4,000 epochs. Means and intervals are howsure's, from 10,000 passes. "
        f"{agree:.1%} of the means lie within 1.96 errors of 10,000 independent passes.".replace("%", " %"),
        "## What it means",
        "τ is the precision of the noise, 1/σ². The published grid ends too early for energy and yacht: its largest τ "
        "stands for noise far above the error of the networks. So 90 % intervals hold nearly every answer, and the "
        "log-likelihood is low. A τ that the validation part chooses freely mends both. τ hardly changes the "
        "training, because the weight decay is tiny.",
        "With a dropout rate of 0.005, three of four passes of a small network drop nothing. "
        f"howsure's default took {np.mean([split['default_passes'] for split in default]):.0f} passes per row, and "
        f"{np.mean([split['default_agrees'] for split in default]):.0%} of its means lay within 1.96 of their errors. "
        f"In {np.mean([split['default_without_spread'] for split in default]):.1%} of the rows it saw no difference "
        "between passes and stopped too early.".replace("%", " %"),
        "## What differs",
        "- The paper of 2016 shared hyper-parameters over splits, so they had seen test rows. Here, as in 2018, each "
        "split chooses its own on the last fifth of its training rows.\n"
        "- The paper trained 40 epochs. The code of 2018 trains 4,000, and so do we.\n"
        "- The networks choose with 1,000 validation passes instead of 10,000.\n"
        "- A pass is one thinned network for all rows. In the public code each row has masks of its own. "
        "The distribution of each row is the same.",
    ]


def _gains(of_set: Figures) -> list[float]:
    """By how much a free τ raises the log-likelihood of each split."""
    return [free["ll"] - grid["ll"] for free, grid in zip(of_set[FREE], of_set[GRID], strict=True)]


def _co2(co2: Figures) -> list[str]:
    rows = (
        ("spread between networks within the data (median)", "spread_within"),
        ("at x*, two units beyond", "spread_at_star"),
        ("ten times as far", "spread_ten_times_as_far"),
        ("plain prediction at x*", "plain_at_star"),
    )
    lines = ["| standardised CO₂ | ReLU | TanH |", "|---|---|---|"]
    lines += [f"| {said} | {co2['relu'][name]:.2f} | {co2['tanh'][name]:.2f} |" for said, name in rows]
    return [
        "## Far from the data: CO₂",
        "![CO₂ with networks of ReLU and TanH](pictures/co2.svg)",
        "\n".join(lines),
        f"Four layers of 1,024 units, dropout 0.1 after each, as in figure 2 of the paper. The band holds 90 % of the "
        "networks; the dashed line is the plain prediction, which carries no warning. With ReLU the spread grows "
        f"{co2['relu']['spread_ten_times_as_far'] / co2['relu']['spread_at_star']:.0f} times when x* is ten times as "
        f"far; with TanH {co2['tanh']['spread_ten_times_as_far'] / co2['tanh']['spread_at_star']:.1f} times. "
        f"We train {co2['steps']:,} steps of Adam instead of 1,000,000, "
        f"which learns the trend but not the seasons (RMSE {co2['relu']['rmse_in_training']:.2f}).",
    ]


def _sine(sine: Figures) -> list[str]:
    seeds = sine["seeds"]

    def of(name: str) -> float:
        return float(np.median([seed[name] for seed in seeds]))

    return [
        "## x · sin x",
        "![x sin x, 20 points and the band between networks](pictures/sine.svg)",
        "The demo of *What my deep model doesn't know*: 20 points, 20 units, dropout 0.05. In the median of "
        f"{len(seeds)} networks the spread is {of('spread_within'):.2f} within the points and {of('spread_far'):.2f} at "
        f"±{far_away.FAR:g}, where the mean is off by {of('error_far'):.1f}. The band holds "
        f"{of('inside_far'):.0%} of the curve beyond the points. ".replace("%", " %")
        + f"The demo's window of {far_away.WINDOW} passes misses the mean of all networks by "
        f"{of('window_off'):.2f} of the spread, howsure with {of('passes'):.0f} passes by {of('off'):.2f}.",
    ]


def _pair(value: float, error: float) -> str:
    return f"{value:.2f} ± {error:.2f}".replace("-", "\N{MINUS SIGN}")


def main(arguments: list[str]) -> None:
    """Measure what is named, or everything, and write figures and page."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    everything = [*SETS, "co2", "sine"]
    wanted = [each for each in arguments if each != "--page"]
    if unknown := sorted({*wanted} - {*everything}):
        sys.exit(f"Not known: {', '.join(unknown)}. Known: {', '.join(everything)}, --page.")
    if "--page" not in arguments:
        measure(wanted or everything, figures)
    PAGE.write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
