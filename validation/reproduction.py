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

from benchmarks.docs import DOCS, Page, table
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


def parts(figures: Figures) -> Figures:
    """Figures and tables of the page."""
    co2, seeds = figures["co2"], figures["sine"]["seeds"]
    rows = {
        "spread between networks within the data (median)": "spread_within",
        "spread at x*, two units beyond": "spread_at_star",
        "spread ten times as far": "spread_ten_times_as_far",
        "plain prediction at x*": "plain_at_star",
        "RMSE in training": "rmse_in_training",
    }
    lines = ([said, *(_number(co2[each][name]) for each in ("relu", "tanh"))] for said, name in rows.items())
    sine = {name: float(np.median([seed[name] for seed in seeds])) for name in seeds[0]}
    return _table_one(figures["sets"]) | {
        "co2": table(["standardised CO₂", "ReLU", "TanH"], *lines),
        **{name: f"{sine[name]:.2f}" for name in ("spread_within", "window_off", "off")},
        **{name: f"{sine[name]:.1f}" for name in ("spread_far", "error_far")},
        "inside_far": _percent(sine["inside_far"]),
        "passes": f"{sine['passes']:.0f}",
    }


def _table_one(sets: Figures) -> Figures:
    """Table 1, and what it means."""
    done = [name for name in CALLED if name in sets]
    every = [split for name in done for split in sets[name][GRID]]
    rare = [split for split in every if split["rate"] == min(RATES)]
    others = [split for split in every if split["rate"] != min(RATES)]

    def share(name: str, splits: list[Figures]) -> str:
        return _percent(float(np.mean([split[name] for split in splits])))

    gains = {name: mean_and_error(_gains(sets[name])) for name in done}
    good = {name: [each for each in done if is_as_good(sets[each], name, "2018")] for name in ("rmse", "ll")}
    heads = ["set", "RMSE", "2018", "2016", "log-likelihood", "2018", "2016", "free τ"]
    return {
        "sets": len(done),
        "good_rmse": len(good["rmse"]),
        "good_ll": len(good["ll"]),
        "worse": _names([name for name in done if name not in good["rmse"] or name not in good["ll"]]),
        "table_one": table(
            [*heads, "in 90 %: grid, free τ"], *([CALLED[name], *_line(sets[name])] for name in done)
        ),
        "agree": share("means_agree", every),
        "clipped": _names(
            [name for name in done if all(split["tau"] == max(SETS[name]) for split in sets[name][GRID])]
        ),
        "more": _names([name for name in done if gains[name][0] > 1.96 * gains[name][1]]),
        "rare": len(rare),
        "rare_passes": f"{np.mean([split['default_passes'] for split in rare]):.0f}",
        "rare_agree": share("default_agrees", rare),
        "others_agree": share("default_agrees", others),
        "rare_agree_long": share("means_agree", rare),
        "others_agree_long": share("means_agree", others),
    }


def _line(of_set: Figures) -> list[str]:
    """The cells of one set."""
    told, cells = of_set["published"], []
    for figure in ("rmse", "ll"):
        cells.append(_pair(*over_splits(of_set, GRID, figure)))
        cells += [_pair(told[year][figure], told[year][f"{figure}_error"]) for year in ("2018", "2016")]
    cells.append(_pair(*over_splits(of_set, FREE, "ll")))
    return [*cells, ", ".join(_percent(over_splits(of_set, by, "in_90")[0]) for by in (GRID, FREE))]


def _gains(of_set: Figures) -> list[float]:
    """By how much a free τ raises the log-likelihood of each split."""
    return [free["ll"] - grid["ll"] for free, grid in zip(of_set[FREE], of_set[GRID], strict=True)]


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
    PAGE.fill(parts(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
