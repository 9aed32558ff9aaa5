"""Is the noise that a head of variances puts out the true noise, and where does the spread go with more data?

    python -m validation.noise             trains and measures, to docs/noise.json and docs/noise.md
    python -m validation.noise --page      the page alone, from the figures

Three simulated worlds, whose answers scatter by a known standard deviation σ(x) around a known mean. Networks
with a mean and a log variance learn from more and more rows, once with dropout and once as an ensemble. All
networks of a world and size are trained at once, stacked along the first axis. Takes about fifteen minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

import howsure
from benchmarks.docs import Page, table

Floats = NDArray[np.floating]
Figures = dict[str, Any]

PAGE = Page("noise")

SIZES = (500, 2_000, 8_000, 32_000)
SEEDS, MEMBERS, RATE = 3, 5, 0.1
WIDTH, STEPS, BATCH, LEARNING_RATE, LOOK_EVERY = 64, 4_000, 128, 2e-3, 50
"""Two hidden layers of ReLU. Of Adam, whose rate falls to 0 as a cosine. Every so many steps the log
likelihood of the last fifth of the rows is looked at; the network where it was best is used."""

ROWS = 2_000
"""New rows that each network is asked about."""

NEAR = 0.1
ENSEMBLE, DROPOUT = "ensembles", "dropout"


@dataclass(frozen=True)
class World:
    """Inputs, uniform in [−2, 2], and the mean and standard deviation of answers for them.

    Attributes:
        name: For the table.
        inputs: How many, D.
        mean: (N,) from (N, D).
        noise: (N,) from (N, D).
    """

    name: str
    inputs: int
    mean: Callable[[Floats], Floats]
    noise: Callable[[Floats], Floats]

    def draw(self, random: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
        """(N, D) inputs and (N,) answers."""
        x = random.uniform(-2, 2, (rows, self.inputs))
        return x, self.mean(x) + self.noise(x) * random.normal(size=rows)


WORLDS = (
    World(
        "1 input, σ = 0.3 exp(½ sin 2x)",
        1,
        lambda x: x[:, 0] * np.sin(3 * x[:, 0]),
        lambda x: 0.3 * np.exp(0.5 * np.sin(2 * x[:, 0])),
    ),
    World(
        "2 inputs, σ = 0.2 + 0.2 abs x₂",
        2,
        lambda x: x[:, 0] * np.sin(3 * x[:, 0]) + x[:, 1],
        lambda x: 0.2 + 0.2 * np.abs(x[:, 1]),
    ),
    World(
        "5 inputs, σ = 0.3 exp(¼ (x₁ − x₂))",
        5,
        lambda x: np.sin(x[:, 0] + x[:, 1]) + 0.5 * x[:, 2] * x[:, 3] + x[:, 4],
        lambda x: 0.3 * np.exp(0.25 * (x[:, 0] - x[:, 1])),
    ),
)

Weights = list[torch.Tensor]
"""Of B networks: three pairs of weights (B, before, after) and biases (B, 1, after)."""


def forward(weights: Weights, x: torch.Tensor, rate: torch.Tensor | None) -> torch.Tensor:
    """(B, n, 2) means and log variances of B networks; with rates (B, 1, 1), dropout behind hidden layers."""
    for layer in range(2):
        x = torch.relu(torch.baddbmm(weights[2 * layer + 1], x, weights[2 * layer]))
        if rate is not None:
            x = x * (torch.rand(x.shape) >= rate) / (1 - rate)
    return torch.baddbmm(weights[5], x, weights[4])


def minus_log_likelihood(said: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B,) of means and log variances (B, n, 2) and answers (B, n); without a constant."""
    return 0.5 * ((y - said[..., 0]) ** 2 * torch.exp(-said[..., 1]) + said[..., 1]).mean(dim=1)


def train(x: Floats, y: Floats, rate: Floats) -> list[torch.nn.Sequential]:
    """Train B networks, each on its own rows (B, N, D) and answers (B, N), with its own dropout rate (B,)."""
    inputs, answers = (torch.tensor(each, dtype=torch.float32) for each in (x, y))
    rates = torch.tensor(rate, dtype=torch.float32)[:, None, None]
    networks, rows, features = inputs.shape
    first = 4 * rows // 5
    weights: Weights = []
    for before, after in ((features, WIDTH), (WIDTH, WIDTH), (WIDTH, 2)):
        for shape in ((before, after), (1, after)):  # as torch.nn.Linear begins
            weights.append((2 * torch.rand(networks, *shape) - 1) / before**0.5)
    for each in weights:
        each.requires_grad_()
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    best, kept = torch.full((networks,), torch.inf), [each.detach().clone() for each in weights]
    across = torch.arange(networks)[:, None]
    for step in range(1, STEPS + 1):
        some = torch.randint(first, (networks, BATCH))
        loss = minus_log_likelihood(forward(weights, inputs[across, some], rates), answers[across, some])
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        schedule.step()
        if step % LOOK_EVERY == 0:
            with torch.no_grad():
                found = minus_log_likelihood(forward(weights, inputs[:, first:], None), answers[:, first:])
                better = found < best
                best = torch.where(better, found, best)
                for each, now in zip(kept, weights, strict=True):
                    each[better] = now[better]
    return [_module(kept, place, float(rate[place])) for place in range(networks)]


def _module(weights: Weights, place: int, rate: float) -> torch.nn.Sequential:
    """One of the networks, for howsure."""
    parts: list[torch.nn.Module] = []
    for layer in range(3):
        weight, bias = weights[2 * layer][place], weights[2 * layer + 1][place, 0]
        linear = torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        parts += [linear, *((torch.nn.ReLU(), torch.nn.Dropout(rate)) if layer < 2 else ())]
    return torch.nn.Sequential(*parts).eval()


def look_at(result: howsure.RegressionCertainty, mean: Floats, sigma: Floats) -> Figures:
    """How far the noise is from the true σ (N,), how large the spread is, and what 90 % intervals hold."""
    noise, spread = result.noise[:, 0], result.spread[:, 0]
    low, high = result.prediction_interval(0.9)[:, 0].T
    return {
        "bias": float(np.mean(noise / sigma) - 1),
        "off": float(np.median(np.abs(noise / sigma - 1))),
        "near": float(np.mean(np.abs(noise / sigma - 1) <= NEAR)),
        "spread": float(np.median(spread / sigma)),
        "by_spread": float(np.mean(np.sqrt(1 + (spread / sigma) ** 2)) - 1),
        "error": float(np.median(np.abs(result.mean[:, 0] - mean) / sigma)),
        "in_90": float(np.mean(ndtr((high - mean) / sigma) - ndtr((low - mean) / sigma))),
    }


def measure(world: World, size: int) -> dict[str, list[Figures]]:
    """What networks of each seed say after so many rows: one with dropout, and an ensemble without."""
    torch.manual_seed(0)
    drawn = [world.draw(np.random.default_rng([seed, size]), size) for seed in range(SEEDS)]
    each = 1 + MEMBERS
    x, y = (np.repeat(np.stack(arrays), each, axis=0) for arrays in zip(*drawn, strict=True))
    modules = train(x, y, np.tile([RATE] + [0.0] * MEMBERS, SEEDS))
    new, _ = world.draw(np.random.default_rng(SEEDS), ROWS)
    mean, sigma, rows = world.mean(new), world.noise(new), new.astype(np.float32)
    found: dict[str, list[Figures]] = {ENSEMBLE: [], DROPOUT: []}
    for seed in range(SEEDS):
        dropped, *members = modules[seed * each : (seed + 1) * each]
        by_dropout = howsure.assess(dropped, rows, outputs="mean-log-variance", seed=seed)
        method = howsure.Ensemble(members[1:])
        together = howsure.assess(members[0], rows, outputs="mean-log-variance", method=method)
        found[DROPOUT].append(look_at(by_dropout, mean, sigma))
        found[ENSEMBLE].append(look_at(together, mean, sigma))
    return found


def of(cell: list[Figures], name: str) -> float:
    """The mean of a figure over seeds."""
    return float(np.mean([seed[name] for seed in cell]))


# --- the page -----------------------------------------------------------------------------------------


def page(figures: Mapping[str, Any]) -> str:
    """The whole page in Markdown."""
    few, many = SIZES[0], SIZES[-1]

    def across(how: str, name: str, size: int) -> list[float]:
        return [of(figures[world.name][str(size)][how], name) for world in WORLDS]

    def percents(values: list[float]) -> str:
        ends = dict.fromkeys(f"{100 * end:.0f}" for end in (min(values), max(values)))
        return f"{' to '.join(ends)} %"

    lines = []
    for world in WORLDS:
        for size in SIZES:
            cells = figures[world.name][str(size)]
            told = [
                each
                for how in (ENSEMBLE, DROPOUT)
                for each in (
                    f"{100 * of(cells[how], 'bias'):+z.0f} %".replace("-", "\N{MINUS SIGN}"),
                    f"{100 * of(cells[how], 'off'):.0f} %",
                    f"{of(cells[how], 'spread'):.2f}",
                )
            ]
            lines.append([world.name, f"{size:,}", *told])
    left = {
        how: [
            end / begin
            for begin, end in zip(across(how, "spread", few), across(how, "spread", many), strict=True)
        ]
        for how in (ENSEMBLE, DROPOUT)
    }
    parts = [
        "# Is the noise of a variance head the true noise?",
        f"{_answer(ENSEMBLE, across)} {_answer(DROPOUT, across)}",
        table(
            [
                *("world", "rows", "ensembles: bias", "typical error", "spread ÷ σ"),
                *("dropout: bias", "typical error", "spread ÷ σ"),
            ],
            *lines,
        ),
        f"Answers scatter by a known σ. Networks with two hidden layers of {WIDTH} put out a mean and a log "
        f"variance: ensembles of {MEMBERS}, and one network with dropout of {RATE:g}. *Bias* is the mean of "
        "`noise` ÷ σ − 1 over new rows. *Typical error* is the median of its absolute value. All figures "
        f"are means over {SEEDS} seeds.",
        "## What it means",
        f"**The spread.** With {many:,} rows, ensembles have {percents(left[ENSEMBLE])} of the spread that "
        f"they had with {few:,}. With dropout it is {percents(left[DROPOUT])}: the dropout rate says how far "
        "thinned networks differ, and more rows do not change the rate.",
        "**Why dropout adds noise.** In training each pass misses the mean by the spread, and the head "
        f"learns that as noise. With {many:,} rows, √(σ² + `spread`²) is "
        f"{percents(across(DROPOUT, 'by_spread', many))} above σ, and `noise` is "
        f"{percents(across(DROPOUT, 'bias', many))} above it. `std` then counts the spread twice: intervals "
        f"of 90 % hold {percents(across(DROPOUT, 'in_90', many))}, those of ensembles "
        f"{percents(across(ENSEMBLE, 'in_90', many))}.",
        "**What to do.** Take an ensemble where the noise itself matters. `howsure.calibrate` learns a "
        "factor of `std` from held-out rows. That mends intervals, but does not tell noise and spread apart.",
        "`python -m validation.noise` trains and measures again, and writes [noise.json](noise.json).",
    ]
    return "\n\n".join(parts) + "\n"


def _answer(how: str, across: Callable[[str, str, int], list[float]]) -> str:
    """From how many rows the noise is typically within 10 % of the truth in all worlds; if ever."""
    held = [size for size in SIZES if max(across(how, "off", size)) <= NEAR]
    if held and held == [size for size in SIZES if size >= held[0]]:
        worst = max(max(across(how, "off", size)) for size in held)
        return f"With {how}, yes: from {held[0]:,} rows on, the typical error is {100 * worst:.0f} % or less."
    worst = max(across(how, "off", SIZES[-1]))
    return f"With {how}, no: after {SIZES[-1]:,} rows, the typical error is still up to {100 * worst:.0f} %."


def main(arguments: list[str]) -> None:
    """Measure, and write figures and page."""
    if arguments not in ([], ["--page"]):
        sys.exit("Not known. Known: --page.")
    if not arguments:
        figures = {world.name: {str(size): measure(world, size) for size in SIZES} for world in WORLDS}
        PAGE.keep(figures)
    PAGE.write(page(PAGE.figures()))


if __name__ == "__main__":
    main(sys.argv[1:])
