"""Gal's work, reproduced with howsure; written to docs/reproduction.md.

    python -m validation.reproduction                    everything, some hours on two cores
    python -m validation.reproduction yacht energy       these sets of Table 1
    python -m validation.reproduction co2 sine           the pictures

With `--page` the page alone. Figures of what was not run stay in docs/reproduction.json, and on the page.
Trained networks go to `howsure-reproduction` in the folder of temporary files, so that a run goes on where it
was stopped; delete it to train anew. The data are not part of this repository: they are read from
../shared/data.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.docs import DOCS, Page
from validation import far_away, table_one
from validation.table_one import FREE, GRID, RATES, SETS, mean_and_error

Figures = dict[str, Any]

PAGE, PICTURES = Page("reproduction"), DOCS / "pictures"
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
        PAGE.keep(figures)


def over_splits(of_set: Figures, by: str, name: str) -> tuple[float, float]:
    """Mean and standard error over the splits of a set, one network for each."""
    return mean_and_error([split[name] for split in of_set[by]])


def is_as_good(of_set: Figures, name: str, published: str) -> bool:
    """Whether our figure is within the error of a published one, or better."""
    ours, theirs = over_splits(of_set, GRID, name)[0], of_set["published"][published]
    worse = ours - theirs[name] if name == "rmse" else theirs[name] - ours
    return bool(worse <= theirs[f"{name}_error"])


# --- the page -----------------------------------------------------------------------------------------


def page(figures: Figures) -> str:
    """The page in Markdown."""
    parts = [
        "# Gal's results, reproduced",
        *(_table_one(figures["sets"]) if figures.get("sets") else ()),
        *(_co2(figures["co2"]) if "co2" in figures else ()),
        *(_sine(figures["sine"]) if "sine" in figures else ()),
        "All figures are in [reproduction.json](reproduction.json). `python -m validation.reproduction` "
        "measures them again; with `--page` it only writes this page. The data are not part of this "
        "repository: the command reads them from `../shared/data`.",
    ]
    return "\n\n".join(parts) + "\n"


def _table_one(sets: Figures) -> list[str]:
    """Table 1: the answer, the table, what it means, what differs."""
    done = [name for name in CALLED if name in sets]
    lines = [
        "| set | RMSE | 2018 | 2016 | log-likelihood | 2018 | 2016 | free τ | in 90 %: grid, free τ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, called in CALLED.items():
        lines.append(f"| {called} | {_line(sets[name]) if name in sets else 'not run |' + ' |' * 6} |")
    every = [split for name in done for split in sets[name][GRID]]

    least = min(RATES)
    rare = [split for split in every if split["rate"] == least]
    others = [split for split in every if split["rate"] != least]

    def share(name: str, splits: list[Figures]) -> str:
        return _percent(float(np.mean([split[name] for split in splits])))

    gains = {name: mean_and_error(_gains(sets[name])) for name in done}
    more = [name for name in done if gains[name][0] > 1.96 * gains[name][1]]
    clipped = [name for name in done if all(split["tau"] == max(SETS[name]) for split in sets[name][GRID])]
    return [
        f"Does howsure reach the figures of Gal & Ghahramani (2016), Table 1? {_verdict(sets, done)}",
        "\n".join(lines),
        "± is one standard error over the 20 published splits. *2018* is their corrected code, *2016* the "
        "paper. `python -m validation.reproduction` trains and measures. Means, and 90 % intervals for new "
        "answers, are howsure's, from 10,000 passes. The log-likelihood is Gal's, from 10,000 independent "
        f"passes; {share('means_agree', every)} of howsure's means are within 1.96 errors of those.",
        "## What it means",
        f"τ is the precision of the noise, 1/σ². On {_names(clipped)} every split takes the largest τ of the "
        "published grid, which means more noise than there is: 90 % intervals hold nearly all answers. A "
        f"free τ, chosen on the validation part, is better by more than chance on {_names(more)}.",
        f"A dropout rate of {least:g} drops nothing in most passes, so passes that differ are rare. On the "
        f"{len(rare)} splits that chose it, howsure's default draws "
        f"{np.mean([split['default_passes'] for split in rare]):.0f} passes per row, and "
        f"{share('default_agrees', rare)} of its means are within 1.96 errors. On the other splits it is "
        f"{share('default_agrees', others)}. With 10,000 passes it is {share('means_agree', rare)} and "
        f"{share('means_agree', others)}: ask for more passes where the rate is that low.",
        "## What differs",
        "In 2016 all splits shared hyper-parameters, so these had seen test rows, and networks learned for "
        "40 epochs. In 2018 and here each split chooses on the last fifth of its training rows, and networks "
        "learn for 4,000. We choose by 1,000 passes, not 10,000.",
    ]


def _line(of_set: Figures) -> str:
    """The cells of one set."""
    told, cells = of_set["published"], []
    for figure in ("rmse", "ll"):
        cells.append(_pair(*over_splits(of_set, GRID, figure)))
        cells += [_pair(told[year][figure], told[year][f"{figure}_error"]) for year in ("2018", "2016")]
    cells.append(_pair(*over_splits(of_set, FREE, "ll")))
    cells.append(", ".join(_percent(over_splits(of_set, by, "in_90")[0]) for by in (GRID, FREE)))
    return " | ".join(cells)


def _verdict(sets: Figures, done: list[str]) -> str:
    """On how many sets we are within the published error or better, and what else was published elsewhere."""
    said, exceptions = [], []
    for figure, called in (("rmse", "RMSE"), ("ll", "log-likelihood")):
        worse = [name for name in done if not is_as_good(sets[name], figure, "2018")]
        said.append(f"the {called} on {len(done) - len(worse)}")
        for name in worse:
            one, ten = (sets[name]["published"][each] for each in ("2018", "2018, ten networks"))
            is_there = is_as_good(sets[name], figure, "2018, ten networks")
            ours = _number(over_splits(sets[name], GRID, figure)[0])
            exceptions.append(
                f" On {CALLED[name]} the {called} is not: {ours} beside "
                f"{_pair(one[figure], one[f'{figure}_error'])}. It is "
                f"{'within' if is_there else 'outside'} the error of the mean of ten networks, "
                f"{_pair(ten[figure], ten[f'{figure}_error'])}, also of 2018."
            )
    answer = f"Of {len(done)} sets, it is within the published error of 2018, or better, for {said[0]}"
    return f"{answer}, and for {said[1]}." + "".join(exceptions)


def _gains(of_set: Figures) -> list[float]:
    """By how much a free τ raises the log-likelihood of each split."""
    return [free["ll"] - grid["ll"] for free, grid in zip(of_set[FREE], of_set[GRID], strict=True)]


def _co2(co2: Figures) -> list[str]:
    rows = (
        ("spread between networks within the data (median)", "spread_within"),
        ("spread at x*, two units beyond", "spread_at_star"),
        ("spread ten times as far", "spread_ten_times_as_far"),
        ("plain prediction at x*", "plain_at_star"),
    )
    lines = ["| standardised CO₂ | ReLU | TanH |", "|---|---|---|"]
    for said, name in rows:
        lines.append(
            f"| {said} | " + " | ".join(_number(co2[each][name]) for each in ("relu", "tanh")) + " |"
        )
    return [
        "## Far from the data: CO₂",
        "![CO₂ with networks of ReLU and of TanH](pictures/co2.svg)",
        "\n".join(lines),
        "Thin: the data. Blue: howsure's mean and 90 % of the networks. Dashed: the plain prediction, which "
        "comes without a warning. The networks are those of figure 2 of the paper: four layers of 1,024 "
        f"units, dropout 0.1. With ReLU the spread {_grows(co2['relu'])} With TanH it {_grows(co2['tanh'])} "
        f"Unlike in the paper, the plain prediction is not near 0. We train {co2['steps']:,} steps, not "
        "1,000,000, which gives the slow curve but not the seasons (RMSE "
        f"{co2['relu']['rmse_in_training']:.2f} and {co2['tanh']['rmse_in_training']:.2f}; the data have a "
        "standard deviation of 1).",
    ]


def _grows(figures: Figures) -> str:
    """Whether the spread grows away from the data, beside that within."""
    near, far = (
        figures[name] / figures["spread_within"] for name in ("spread_at_star", "spread_ten_times_as_far")
    )
    said, digits = ("grows", 0) if far > 2 * near else ("stays bounded", 1)
    return (
        f"{said}: at x* it is {near:.1f} times that within the data, and ten times as far out it is "
        f"{far:.{digits}f} times that."
    )


def _sine(sine: Figures) -> list[str]:
    seeds = sine["seeds"]

    def of(name: str) -> float:
        return float(np.median([seed[name] for seed in seeds]))

    return [
        "## x · sin x",
        "![x sin x, 20 points and the band between networks](pictures/sine.svg)",
        "The demo of *What my deep model doesn't know*: 20 points, layers of 20 units, dropout 0.05. In the "
        f"median of {len(seeds)} seeds the spread is {of('spread_within'):.2f} within the points and "
        f"{of('spread_far'):.1f} at ±{far_away.FAR:g}, but the mean is off by {of('error_far'):.1f}: the "
        f"band holds only {_percent(of('inside_far'))} of the curve there. "
        f"The demo's {far_away.WINDOW} passes are {of('window_off'):.2f} spreads off the mean of all "
        f"networks, howsure's {of('passes'):.0f} are {of('off'):.2f}.",
    ]


def _names(names: list[str]) -> str:
    """`energy, yacht and concrete`."""
    called = [CALLED[name] for name in names]
    return " and ".join(filter(None, [", ".join(called[:-1]), *called[-1:]])) or "no set"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share > 0.05 else f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _pair(value: float, error: float) -> str:
    return f"{_number(value)} ± {error:.2f}"


def main(arguments: list[str]) -> None:
    """Measure what is named, or everything, and write figures and page."""
    figures = PAGE.figures()
    everything = [*SETS, "co2", "sine"]
    wanted = [each for each in arguments if each != "--page"]
    if unknown := sorted({*wanted} - {*everything}):
        sys.exit(f"Not known: {', '.join(unknown)}. Known: {', '.join(everything)}, --page.")
    if "--page" not in arguments:
        measure(wanted or everything, figures)
    PAGE.write(page(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
