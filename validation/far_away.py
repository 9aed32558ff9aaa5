"""Two pictures of Gal's once more: uncertainty far from the data, on the CO₂ of Mauna Loa and on x · sin x.

The CO₂ is figure 2 of Gal & Ghahramani (2016), with the networks of `co2_regression` in
github.com/yaringal/DropoutUncertaintyCaffeModels: four layers of 1,024 units, dropout of 0.1 after each.
x · sin x is the demo of "What my deep model doesn't know" (2015), with the network of
github.com/yaringal/DropoutUncertaintyDemos. Both are trained for less long.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

import howsure
from validation.drawing import Panel, draw

Floats = NDArray[np.floating]
Figures = dict[str, Any]

CO2 = Path(__file__).parents[2] / "shared" / "data" / "co2_train.h5"
X_STAR = 3.72369464
"""The last of the published test inputs; the data end at 1.7257."""

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
WIDTH, RATE = 1_024, 0.1
STEPS, LEARNING_RATE = 2_000, 3e-4
"""Of Adam on all 272 points, the rate falling to 0 as a cosine. Published: 1,000,000 of SGD with momentum."""

SINE_POINTS, SINE_UNITS, SINE_RATE = 20, 20, 0.05
SINE_STEPS, SINE_BATCH, SINE_LEARNING_RATE, SINE_DECAY = 20_000, 10, 0.01, 1e-5
"""As in the demo, which trains on for as long as it is looked at: these are 200 of its frames."""

WINDOW = 100
"""Passes that the demo averages."""

FAR = 8.0
"""Where x · sin x is looked at beyond the data, which end at 5."""

SEEDS = 5


def co2_data() -> tuple[Floats, Floats]:
    """(272,) standardised dates and concentrations of CO₂."""
    with h5py.File(CO2) as file:
        return file["data"][:, 0], file["label"][:, 0]


def co2_network(activation: str) -> torch.nn.Sequential:
    """Four layers of 1,024 units, dropout after each."""
    layers: list[torch.nn.Module] = []
    for before in (1, WIDTH, WIDTH, WIDTH):
        layers += [torch.nn.Linear(before, WIDTH), ACTIVATIONS[activation](), torch.nn.Dropout(RATE)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, 1))


def train_co2(activation: str, x: Floats, y: Floats) -> tuple[torch.nn.Sequential, float]:
    """A trained network, and the root mean squared error of its last hundred steps."""
    torch.manual_seed(0)
    network = co2_network(activation)
    inputs, targets = (torch.tensor(each, dtype=torch.float32)[:, None] for each in (x, y))
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    losses = []
    for _ in range(STEPS):
        loss = torch.nn.functional.mse_loss(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return network.eval(), float(np.sqrt(np.mean(losses[-100:])))


def plain(network: torch.nn.Module, x: Floats) -> Floats:
    """(N,) predictions with dropout off."""
    with torch.no_grad():
        found: Floats = network(torch.tensor(x, dtype=torch.float32)[:, None])[:, 0].numpy()
    return found


def co2(pictures: Path, folder: Path) -> Figures:
    """How far networks lie apart within the data and away from them, with ReLU and TanH, and the picture."""
    x, y = co2_data()
    figures: Figures = {"steps": STEPS}
    panels = []
    across = np.linspace(x[0], X_STAR, 218)
    for activation, called in (("relu", "ReLU"), ("tanh", "TanH")):
        path, begun = folder / f"co2-{activation}-{STEPS}.pt", time.time()
        if not path.exists():
            network, rmse = train_co2(activation, x, y)
            torch.save({"weights": network.state_dict(), "rmse": rmse, "seconds": time.time() - begun}, path)
        stored = torch.load(path)
        network = co2_network(activation).eval()
        network.load_state_dict(stored["weights"])
        rows = np.concatenate([across, [10 * X_STAR]]).astype(np.float32)[:, None]
        method = howsure.MCDropout(passes=200)
        result = howsure.assess(network, rows, outputs="values", method=method)
        mean, spread = result.mean[:, 0], result.spread[:, 0]
        low, high = result.credible_interval(0.9)[:, 0].T
        within = across <= x[-1]
        of_plain = plain(network, rows[:, 0])
        figures[activation] = {
            "rmse_in_training": stored["rmse"],
            "seconds": stored["seconds"],
            "spread_within": float(np.median(spread[:-1][within])),
            "spread_at_star": float(spread[-2]),
            "spread_ten_times_as_far": float(spread[-1]),
            "mean_at_star": float(mean[-2]),
            "error_at_star": float(result.mc_error[-2, 0]),
            "plain_at_star": float(of_plain[-2]),
            "interval_at_star": [float(low[-2]), float(high[-2])],
        }
        panel = Panel(called, (x[0], X_STAR), (-4.0, 8.0), ((-1, 0, 1, 2, 3), (-4, 0, 4, 8)))
        panel.band(across, low[:-1], high[:-1])
        panel.line(x, y, "data")
        panel.line([x[-1], x[-1]], [-4.0, 8.0], "there")
        panel.line(across, of_plain[:-1], "plain")
        panel.line(across, mean[:-1], "mean")
        panels.append(panel)
    draw(
        pictures / "co2.svg",
        "CO2 over time with networks of ReLU and of TanH. Beyond the data the band between networks "
        "grows with ReLU, and keeps its width with TanH.",
        panels,
    )
    return figures


def sine_network(seed: int) -> tuple[torch.nn.Sequential, Floats, Floats]:
    """A network trained on 20 points of x · sin x as in the demo, and the points."""
    generator = torch.manual_seed(seed)
    x = 10 * torch.rand(SINE_POINTS, 1) - 5
    y = x * torch.sin(x)
    network = torch.nn.Sequential(
        torch.nn.Dropout(SINE_RATE),
        torch.nn.Linear(1, SINE_UNITS),
        torch.nn.ReLU(),
        torch.nn.Dropout(SINE_RATE),
        torch.nn.Linear(SINE_UNITS, SINE_UNITS),
        torch.nn.Sigmoid(),
        torch.nn.Linear(SINE_UNITS, 1),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=SINE_LEARNING_RATE, weight_decay=SINE_DECAY)
    for _ in range(SINE_STEPS * SINE_BATCH // SINE_POINTS):
        for rows in torch.randperm(SINE_POINTS, generator=generator).split(SINE_BATCH):
            loss = 0.5 * torch.nn.functional.mse_loss(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval(), x[:, 0].numpy(), y[:, 0].numpy()


def sine(pictures: Path) -> Figures:
    """How far networks lie apart within 20 points of x · sin x and beyond, and the picture of one seed."""
    found = []
    across = np.linspace(-FAR, FAR, 161)
    rows = across.astype(np.float32)[:, None]
    for seed in range(SEEDS):
        network, x, y = sine_network(seed)
        result = howsure.assess(network, rows, outputs="values", seed=seed)
        mean, spread = result.mean[:, 0], result.spread[:, 0]
        window = howsure.passes(network, rows, WINDOW, outputs="values", seed=1_000 + seed)[:, :, 0].mean(
            axis=0
        )
        many = howsure.passes(network, rows, 20_000, outputs="values", seed=2_000 + seed)[:, :, 0].mean(
            axis=0
        )
        within = (across >= x.min()) & (across <= x.max())
        true = across * np.sin(across)
        low, high = result.credible_interval(0.9)[:, 0].T
        found.append(
            {
                "rmse_within": float(np.sqrt(np.mean((mean - true)[within] ** 2))),
                "spread_within": float(np.median(spread[within])),
                "spread_far": float(spread[[0, -1]].mean()),
                "error_far": float(np.sqrt(np.mean((mean - true)[~within] ** 2))),
                "inside_far": float(np.mean(((low <= true) & (true <= high))[~within])),
                "passes": float(result.passes.mean()),
                "off": float(np.sqrt(np.mean(((mean - many) / spread) ** 2))),
                "window_off": float(np.sqrt(np.mean(((window - many) / spread) ** 2))),
            }
        )
        if seed == 0:
            panel = Panel("x · sin x", (-FAR, FAR), (-9.0, 9.0), ((-5, 0, 5), (-8, -4, 0, 4, 8)))
            panel.band(across, low, high)
            panel.line(across, true, "data")
            panel.line(across, plain(network, across), "plain")
            panel.line(across, mean, "mean")
            panel.points(x, y)
            draw(
                pictures / "sine.svg",
                "x sin x, 20 points of it, and the band between networks",
                [panel],
            )
    return {"seeds": found, "steps": SINE_STEPS}
