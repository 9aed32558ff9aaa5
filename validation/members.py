"""Networks of the question, trained well, for the comparison of methods; kept in the cache folder.

Adam with a learning rate that falls to 0 along half a cosine, on digits moved by up to two pixels each way,
anew in every epoch. Heavy layers are trained in bfloat16 where the machine is faster in it.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
from keras.optimizers import schedules
from numpy.typing import NDArray

from benchmarks import networks
from howsure.demo import question
from howsure.models.keras.fast.bfloat16 import bfloat16_is_faster
from howsure.training import Snapshots, Swag, train_members

RATE = 1e-3
BATCH_SIZE = 128
FARTHEST = 2
"""Pixels by which a digit is moved at most."""

CYCLES, CYCLE_EPOCHS = 2, 2
"""Of the snapshots: so many more cycles of the learning rate, and the epochs of each."""

SWAG_EPOCHS, SWAG_SHARE, SWAG_RATE = 8, 1 / 4, 5e-4
"""Of SWAG: weights collected, share of the digits seen from one to the next, and learning rate."""

SWAG_MEMBERS = 4


class Moved(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is not typed
    """Batches of digits, each moved at random; in every epoch others where only a share is taken."""

    def __init__(self, data: networks.Data, seed: int, share: float = 1) -> None:
        super().__init__()
        frame = (FARTHEST, FARTHEST)
        self._framed = np.pad(data.x_train, ((0, 0), frame, frame, (0, 0)))
        self._labels = data.y_train
        self._random = np.random.default_rng(seed)
        self._batches = int(share * len(self._labels)) // BATCH_SIZE
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self._order = self._random.permutation(len(self._labels))

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rows = self._order[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]
        windows = np.lib.stride_tricks.sliding_window_view(self._framed[rows], (28, 28), axis=(1, 2))
        across, down = self._random.integers(0, 2 * FARTHEST + 1, (2, len(rows)))
        return np.moveaxis(windows[np.arange(len(rows)), down, across], 1, -1), self._labels[rows]


def fit(
    model: keras.Model, batches: Moved, epochs: int, rate: object, callbacks: Sequence[object] = ()
) -> None:
    """Train in place."""
    with _heavy_layers_in_bfloat16(model):
        model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        model.fit(batches, epochs=epochs, verbose=0, callbacks=list(callbacks))


@contextlib.contextmanager
def _heavy_layers_in_bfloat16(model: keras.Model) -> Iterator[None]:
    policies = [layer.dtype_policy for layer in model.layers]
    try:
        if bfloat16_is_faster():
            for layer in model.layers[:-1]:
                layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
        yield
    finally:
        for layer, policy in zip(model.layers, policies, strict=True):
            layer.dtype_policy = policy


def ensemble(data: networks.Data, count: int, epochs: int) -> list[keras.Model]:
    """Networks from the seeds 0 to `count` − 1."""

    def train(model: keras.Model, seed: int) -> None:
        batches = Moved(data, seed)
        fit(model, batches, epochs, schedules.CosineDecay(RATE, epochs * len(batches)))

    def of_seed(seed: int) -> list[keras.Model]:
        return _kept([f"member-{seed}-{epochs}"], lambda: train_members(question.build, train, 1, seed=seed))

    return [model for seed in range(count) for model in of_seed(seed)]


def snapshots(data: networks.Data, first: keras.Model, name: str) -> list[keras.Model]:
    """The ends of further cycles of the learning rate, begun from a network of `ensemble`."""

    def make() -> list[keras.Model]:
        model, batches = _copy(first), Moved(data, seed=100)
        ends = Snapshots(start=CYCLE_EPOCHS - 1, every=CYCLE_EPOCHS)
        cycle = schedules.CosineDecayRestarts(RATE, CYCLE_EPOCHS * len(batches), t_mul=1.0)
        fit(model, batches, CYCLES * CYCLE_EPOCHS, cycle, [ends])
        return ends.members(model)

    return _kept([f"{name}-snapshot-{number}" for number in range(CYCLES)], make)


def swag(data: networks.Data, first: keras.Model, name: str) -> list[keras.Model]:
    """Draws from the weights that further training at a constant rate passes, begun from such a network."""

    def make() -> list[keras.Model]:
        model, passed = _copy(first), Swag(start=0)
        fit(model, Moved(data, seed=200, share=SWAG_SHARE), SWAG_EPOCHS, SWAG_RATE, [passed])
        return passed.members(model, SWAG_MEMBERS)

    return _kept([f"{name}-swag-{number}" for number in range(SWAG_MEMBERS)], make)


def _copy(model: keras.Model) -> keras.Model:
    copy = question.build()
    copy.set_weights(model.get_weights())
    return copy


def _kept(names: Sequence[str], make: Callable[[], list[keras.Model]]) -> list[keras.Model]:
    """Models from the cache folder, made and put there where one is missing."""
    paths = [networks.folder() / f"{name}.keras" for name in names]
    if not all(path.exists() for path in paths):
        networks.folder().mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        for model, path in zip(make(), paths, strict=True):
            question.save(model, path)
        print(f"{', '.join(names)}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return [keras.models.load_model(path) for path in paths]
