"""The network of the question howsure started from, trained on as much time as there is.

conv 7×7×128 – drop .2 – conv 3×3×64 – drop .2 – dense 64 – drop .25 – dense 10
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.errors import FileError, InputError

BATCH_SIZE = 100


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        done: Share of the training that is behind, in [0, 1].
        images: Images seen so far, repeats counted.
        epochs: The same in passes through the training set.
        seconds: Seconds spent so far.
        accuracy: Share of the last 2,000 images or so that were told right, with dropout at work.
    """

    done: float
    images: int
    epochs: float
    seconds: float
    accuracy: float


def build(seed: int = 0) -> keras.Model:
    """The question's network, not trained; its dropout layers are those the certainty comes from.

    Args:
        seed: Fixes the initial weights and the masks of the training. Sets Keras's global seed.
    """
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(128, (7, 7), activation="relu"),
            keras.layers.Dropout(0.20),
            keras.layers.Conv2D(64, (3, 3), activation="relu"),
            keras.layers.Dropout(0.20),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(10, activation="softmax"),
        ],
        name="question",
    )


def to_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 28, 28) bytes as the (N, 28, 28, 1) numbers in [0, 1] the network takes."""
    return images[..., None].astype(np.float32) / np.float32(255)


def train(
    model: keras.Model,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    seconds: float | None,
    epochs: int | None,
    seed: int,
    on_batch: Callable[[Progress], None],
) -> None:
    """Train in batches of 100 with Adam as Keras sets it; a falling learning rate did not help.

    Args:
        model: From `build`; its weights change.
        images: (N, 28, 28) bytes.
        labels: (N,) digits.
        seconds: Stop when this time is used, also in the middle of an epoch; None for no limit.
        epochs: Stop after this many passes through the images; None for no limit.
        seed: Fixes the order of the images.
        on_batch: Told how far the training is after every batch.

    Raises:
        InputError: Neither `seconds` nor `epochs` is given.
    """
    if seconds is None and epochs is None:
        raise InputError("The training has no end", expected="`seconds` or `epochs`")
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    order = np.random.default_rng(seed)
    start = time.monotonic()
    seen, done = 0, 0.0
    right: deque[float] = deque(maxlen=20)
    while done < 1:
        shuffled = order.permutation(len(images))
        for first in range(0, len(images), BATCH_SIZE):
            batch = shuffled[first : first + BATCH_SIZE]
            model.reset_metrics()
            result: Any = model.train_on_batch(to_input(images[batch]), labels[batch], return_dict=True)
            right.append(float(result["accuracy"]))
            seen += len(batch)
            spent = time.monotonic() - start
            done = min(
                1.0,
                max(
                    0.0 if seconds is None else spent / seconds,
                    0.0 if epochs is None else seen / (epochs * len(images)),
                ),
            )
            on_batch(Progress(done, seen, seen / len(images), spent, float(np.mean(right))))
            if done >= 1:
                break


def save(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file; an earlier one stays until the new one is complete.

    Raises:
        FileError: It cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.part.keras")
    try:
        model.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"Writing '{path}' failed ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
