"""What a budget buys: cost and error of default, three budgets and the textbook loop, by kind of network.

    python -m benchmarks.budget              all networks and numbers of rows, to docs/budget.json and .md
    python -m benchmarks.budget bert vit     some of them; the others stay as they were
    python -m benchmarks.budget --page       the page alone, from the figures

Cost is in plain predictions of the same rows. *Counted* is by the operations of every call of the model's
thinned networks, counted here and not by the run. *Seconds* are of the processor, one thread, second call.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

import howsure
from benchmarks.docs import Page
from benchmarks.networks import images
from howsure.demo import question
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import adapt

Array = NDArray[Any]

DIGITS, EPOCHS = 5_000, 2
"""Digits and epochs that every network is trained on, with Adam."""

ROWS = (20, 120, 2_000)
FEW = 120
"""With more rows, only the default is measured."""

REFERENCE_ROWS, REFERENCE_PASSES = 60, 1_000
"""Rows whose error is measured, among all that are assessed, and passes of their reference."""

SEEDS = 2
PAGE = Page("budget")


class Logits(torch.nn.Module):
    """A network of transformers that puts out its logits alone."""

    def __init__(self, network: torch.nn.Module, head: Callable[[Array], Array]) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, 10) logits."""
        return self.network(rows).logits


def as_tokens(x: Array) -> Array:
    """Images as 49 words, of 16 levels of grey."""
    small = x[..., 0].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)
    return np.asarray(1 + 15 * small, dtype=np.int64)


def as_channels(x: Array) -> Array:
    """Images (n, 1, 28, 28)."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


SIDES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "num_labels": 10,
}


def bert() -> torch.nn.Module:
    """Two layers of width 64, dropout .1 everywhere."""
    config = BertConfig(vocab_size=17, max_position_embeddings=64, **SIDES)
    return Logits(BertForSequenceClassification(config), as_tokens)


def vit() -> torch.nn.Module:
    """The same for 16 patches."""
    config = ViTConfig(image_size=28, patch_size=7, num_channels=1, **SIDES)
    return Logits(ViTForImageClassification(config), as_channels)


def mlp() -> keras.Model:
    """Dense 128-128-64, dropout .2 behind each."""
    parts: list[Any] = [keras.layers.Flatten()]
    for side in (128, 128, 64):
        parts += [keras.layers.Dense(side, "relu"), keras.layers.Dropout(0.2)]
    return keras.Sequential([keras.Input((28, 28, 1)), *parts, keras.layers.Dense(10, "softmax")])


NETWORKS: dict[str, Callable[[], Any]] = {"bert": bert, "vit": vit, "mlp": mlp, "question": question.build}

METHODS = {
    "default": MCDropout(),
    "budget 5": MCDropout(budget=5),
    "budget 20": MCDropout(budget=20),
    "budget 80": MCDropout(budget=80),
    "loop of 20": MCDropout(passes=20, balanced=False),
}


def trained(name: str) -> tuple[Any, Array]:
    """A network trained for a short time, and test rows as it takes them."""
    keras.utils.set_random_seed(1)
    torch.manual_seed(1)
    data, model = images(), NETWORKS[name]()
    x, y = data.x_train[:DIGITS], data.y_train[:DIGITS]
    if isinstance(model, keras.Model):
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, epochs=EPOCHS, batch_size=64, verbose=0)
        return model, data.x_test
    rows, labels = torch.as_tensor(model.head(x)), torch.as_tensor(y, dtype=torch.long)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(3 * EPOCHS):
        for part in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(rows[part]), labels[part]).backward()
            optimizer.step()
    return model.eval(), model.head(data.x_test)


@dataclass
class Counted:
    """Operations of the passes, in plain predictions of one row."""

    cost: float = 0.0


@contextmanager
def counted(model: Any, x: Array) -> Iterator[Counted]:
    """Counts every trunk and every call of thinned networks of a model."""
    adapted, _ = adapt(model, x)
    kind, count = type(adapted), Counted()
    thin, trunk = kind.thin, kind.trunk

    def counting_trunk(self: Any, rows: Any) -> Any:
        count.cost += len(rows[0]) * self.levels[0].cost
        return trunk(self, rows)

    def counting_thin(self: Any, masks: Any, rows: int) -> Any:
        run, at, cost = thin(self, masks, rows), 0, 0.0
        for level in self.levels[1:]:
            cost += len(masks[at]) * level.cost
            at += len(level.sites)

        def passes(shared: Any) -> Any:
            count.cost += len(shared) * cost
            return run(shared)

        return passes

    kind.thin, kind.trunk = counting_thin, counting_trunk
    try:
        yield count
    finally:
        kind.thin, kind.trunk = thin, trunk


def seconds(act: Callable[[], Any]) -> float:
    """Processor seconds of a call after the first."""
    start = time.process_time()
    act()
    return time.process_time() - start


def look(name: str) -> dict[str, Any]:
    """Cost of every method at every number of rows, and its error."""
    torch.set_num_threads(1)
    model, x = trained(name)
    few = x[:REFERENCE_ROWS]
    options: dict[str, Any] = {} if isinstance(model, keras.Model) else {"outputs": "logits"}
    reference = howsure.assess(model, few, method=MCDropout(passes=REFERENCE_PASSES), seed=99, **options)
    found: dict[str, Any] = {}
    for rows in ROWS:
        given = x[:rows]
        for _ in range(2):
            plain = seconds(lambda: howsure.assess(model, given, method=howsure.Softmax(), **options))  # noqa: B023
        of_rows = {}
        for called, method in METHODS.items():
            if rows > FEW and called != "default":
                continue
            print(f"{name}, {rows} rows, {called} …", flush=True)
            with counted(model, given) as count:
                runs = [
                    howsure.assess(model, given, method=method, seed=seed, **options)
                    for seed in range(SEEDS if rows <= FEW else 1)
                ]
            spent = seconds(lambda: howsure.assess(model, given, method=method, **options))  # noqa: B023
            near = min(rows, REFERENCE_ROWS)
            off = [run.probabilities[:near] - reference.probabilities[:near] for run in runs]
            told = [run.mc_error[:near] for run in runs]
            label = reference.probabilities[:near].argmax(axis=1)
            top = np.arange(near), label
            within = [np.abs(o[top]) <= 1.96 * e[top] for o, e in zip(off, told, strict=True)]
            of_rows[called] = {
                "counted": count.cost / len(runs) / rows,
                "seconds": spent / plain,
                "passes": float(np.mean([run.passes.mean() for run in runs])),
                "error": float(np.sqrt(np.mean([o[top] ** 2 for o in off]))),
                "covered": float(np.mean(within)),
                "settled": float(np.mean([run.settled.mean() for run in runs])),
            }
            print(of_rows[called], flush=True)
        found[str(rows)] = of_rows
    return found


def page(found: dict[str, Any]) -> str:
    """The table in Markdown, what it comes to first."""
    usual = [each for name in found for each in (methods["default"] for methods in found[name].values())]
    most = max(each["counted"] for each in usual)
    lines = [
        "# What a budget buys",
        "",
        f"By default `assess` cost at most {most:.0f} plain predictions here, pilot included. "
        "The table shows cost and error of the default, of three budgets, and of the textbook "
        "loop of 20 independent passes.",
        "",
        "| network | rows | method | counted | seconds | passes a row | error | covered | settled |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, network in found.items():
        for rows, methods in network.items():
            for called, each in methods.items():
                lines.append(
                    f"| {name} | {int(rows):,} | {called} | {each['counted']:.1f} | {each['seconds']:.1f} | "
                    f"{each['passes']:.0f} | {each['error']:.4f} | {100 * each['covered']:.0f} % | "
                    f"{100 * each['settled']:.0f} % |"
                )
    lines += [
        "",
        "*Counted* and *seconds* are in plain predictions of the same rows: multiply-adds of "
        "all calls, counted outside of the run and with the rows that fill up a chunk; and "
        "processor seconds on one thread of a call after the first. Where 20 plain "
        "predictions of all rows cost less than 2 billion multiply-adds, the default may cost "
        f"more. *Error* is the root mean squared error of the top class on {REFERENCE_ROWS} "
        f"rows, against {REFERENCE_PASSES:,} other passes. *Covered* is the share of these "
        "rows with |estimate − reference| ≤ 1.96 `mc_error`, *settled* that of all rows. The "
        f"networks were trained for a short time on {DIGITS:,} digits: `bert` and `vit` of the "
        "package transformers have two layers of width 64 and dropout of 10 % everywhere, "
        "`mlp` is 128-128-64 with dropout of 20 %, `question` is the CNN of the question. "
        "`python -m benchmarks.budget` measures all again.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.look_at(NETWORKS, look, page)
