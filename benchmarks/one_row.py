"""What one row costs with a ready plan, and many passes over few rows of a small network.

    python -m benchmarks one-row                   all backends, to the page
    python -m benchmarks.one_row tensorflow        one, as JSON on the last line; also jax, torch and module

    mlp           20–128–128–64–5, dropout .3 after each hidden layer
    cnn           two convolutions on 16×16 pixels, dropout .5 before the last layer
    transformer   one encoder block of width 32 on 16 tokens, dropout .1 in it and in its attention

Times are seconds of the processor on one thread, all of them warm. A plain prediction is `predict_on_batch`
of Keras, and of PyTorch a call of the module without gradients. Networks are trained on the backend that is
measured.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
if __name__ == "__main__" and sys.argv[1] != "module":
    os.environ["KERAS_BACKEND"] = sys.argv[1]

import numpy as np
from numpy.typing import NDArray

import howsure

Array = NDArray[Any]
Figures = dict[str, Any]

KINDS = ("mlp", "cnn", "transformer")
CLASSES, TRAINING, ROWS = 5, 4000, 2000
ONE, TURNS = 20, 5
"""Rows that are assessed one by one, and turns of them."""

MANY, MANY_TURNS = 100, 5
"""Passes over all rows, and turns."""


def data(kind: str) -> tuple[Array, Array]:
    """Overlapping clusters as rows of a network, and their labels."""
    shape = {"mlp": (20,), "cnn": (16, 16, 1), "transformer": (16, 8)}[kind]
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, TRAINING)
    centres = random.standard_normal((CLASSES, *shape)) * 2.3 / np.sqrt(np.prod(shape))
    return (centres[labels] + random.standard_normal((TRAINING, *shape))).astype(np.float32), labels


def network(kind: str, x: Array, y: Array) -> Any:
    """A trained network of Keras."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input(x.shape[1:])
    if kind == "mlp":
        found = inputs
        for units in (128, 128, 64):
            found = layers.Dropout(0.3)(layers.Dense(units, activation="relu")(found))
    elif kind == "cnn":
        found = layers.MaxPooling2D()(layers.Conv2D(16, 3, activation="relu")(inputs))
        found = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu")(found))
        found = layers.Dropout(0.5)(layers.Flatten()(found))
    else:
        found = layers.Dropout(0.1)(layers.Dense(32)(inputs))
        attended = layers.MultiHeadAttention(4, 8, dropout=0.1)(found, found)
        found = layers.LayerNormalization()(layers.Add()([found, layers.Dropout(0.1)(attended)]))
        fed = layers.Dense(32)(layers.Dropout(0.1)(layers.Dense(64, activation="relu")(found)))
        found = layers.LayerNormalization()(layers.Add()([found, layers.Dropout(0.1)(fed)]))
        found = layers.GlobalAveragePooling1D()(found)
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(found))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    return model


def module(kind: str, x: Array, y: Array) -> Any:
    """A trained module of PyTorch, of the same layers."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    made: nn.Module
    if kind == "mlp":
        widths = (20, 128, 128, 64)
        hidden = [
            layer
            for before, after in itertools.pairwise(widths)
            for layer in (nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.3))
        ]
        made = nn.Sequential(*hidden, nn.Linear(64, CLASSES))
    elif kind == "cnn":
        first = (nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2))
        made = nn.Sequential(*first, *second, nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, CLASSES))
    else:
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        mean = nn.AdaptiveAvgPool1d(1)

        class Mean(nn.Module):
            def forward(self, tokens: Any) -> Any:
                return mean(tokens.transpose(1, 2)).flatten(1)

        made = nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.1), encoder, Mean(), nn.Linear(32, CLASSES))
    optimizer = torch.optim.Adam(made.parameters())
    for _ in range(3):
        for start in range(0, len(x), 32):
            rows, labels = torch.from_numpy(x[start : start + 32]), torch.from_numpy(y[start : start + 32])
            optimizer.zero_grad()
            nn.functional.cross_entropy(made(rows), labels).backward()
            optimizer.step()
    return made.eval()


def seconds(what: Callable[[], object]) -> float:
    """Time of the processor for one call."""
    start = time.process_time()
    what()
    return time.process_time() - start


def both(plain: Callable[[], object], assess: Callable[[], object]) -> tuple[float, float]:
    """Medians of both, in turn."""
    plain(), assess()
    times = [(seconds(plain), seconds(assess)) for _ in range(MANY_TURNS)]
    one, other = (statistics.median(each) for each in zip(*times, strict=True))
    return one, other


def look(kind: str, backend: str) -> Figures:
    """The figures of one network."""
    x, y = data(kind)
    wishes: dict[str, Any] = {}
    if backend == "module":
        import torch

        x = np.moveaxis(x, -1, 1).copy() if kind == "cnn" else x
        model, wishes = module(kind, x, y), {"outputs": "logits"}

        def plain(rows: Any) -> object:
            with torch.no_grad():
                return model(rows)

        given = torch.from_numpy(x)
    else:
        model, given = network(kind, x, y), x
        plain = model.predict_on_batch
    plan = howsure.plan(model, x[:ROWS], **wishes)
    method = howsure.MCDropout(plan=plan)

    def assess(number: int) -> Any:
        return howsure.assess(model, x[number : number + 1], method=method, **wishes)

    start = time.process_time()
    assess(0)
    first = time.process_time() - start
    times: dict[str, list[float]] = {"plain": [], "assess": []}
    for _ in range(TURNS):
        for number in range(ONE):
            times["plain"].append(seconds(lambda number=number: plain(given[number : number + 1])))
        for number in range(ONE):
            times["assess"].append(seconds(lambda number=number: assess(number)))
    found = {
        **{name: statistics.median(each[ONE:]) for name, each in times.items()},
        "first": first,
        "passes": float(np.mean([assess(number).passes for number in range(ONE)])),
    }
    if kind != "mlp":
        return found
    fixed = howsure.MCDropout(passes=MANY)
    found["many_plain"], found["many"] = both(
        lambda: plain(given[:ROWS]), lambda: howsure.assess(model, x[:ROWS], method=fixed, **wishes)
    )
    return found


def measure(backend: str) -> Figures:
    """The figures of all networks on a backend."""
    if backend in ("torch", "module"):
        import torch

        torch.set_num_threads(1)
    return {kind: look(kind, backend) for kind in KINDS}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
