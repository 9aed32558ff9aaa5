"""The demo: train the network of the question on MNIST, assess the test digits, show the coin flips.

The network is the one that howsure started from: conv 7×7×128 – drop .2 – conv 3×3×64 – drop .2 – dense 64 –
drop .25 – dense 10. It trains on as much time as there is.
"""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import howsure
from howsure.tasks.printed import lines_of, summary_of
from howsure.compare.findings import lead
from howsure.compare.run import default_methods
from howsure.demo import mnist
from howsure.report.comparison import write_comparison
from howsure.report.page import write_report
from howsure.shifts import STANDARD
from howsure.terminal import duration, paragraph, progress, say

TRAINING_SECONDS = 120.0
"""About one and a quarter epochs on two cores, which tells 98 to 99 % of the digits."""

MOST_EPOCHS = 30
"""The question's own; a fast computer stops here before the time is over."""

COMPARED = 2_000
"""Test digits on which methods are compared."""

SHOWN = 10
_COMPILING = "compiling, and planning how many passes"


def run(folder: Path, *, epochs: int | None, seed: int, console: Console) -> None:
    """Train, assess, compare, write model, table and two pages, and say what came out.

    The report opens in a browser where there are a terminal and a screen.

    Args:
        folder: Folder of the files; it exists.
        epochs: Epochs of training. Default: as many as two minutes allow.
        seed: Fixes the initial weights, the order of the images and the masks.
        console: Console to print to.

    Raises:
        FileError: MNIST cannot be had, or a file cannot be written.
    """
    say(console, "Getting MNIST …")
    digits = mnist.load()
    say(console, f"  {digits.source}")

    seconds = TRAINING_SECONDS if epochs is None else None
    length = f"for {duration(seconds)}" if seconds is not None else f"for {epochs} epochs"
    say(console, f"Training the question's network on {len(digits.x_train):,} digits {length} …")
    model = _trained_network(digits, seconds, MOST_EPOCHS if epochs is None else epochs, seed, console)
    model.save(folder / "model.keras")

    say(console, f"Assessing {len(digits.x_test):,} digits it has never seen …")
    images = to_input(digits.x_test)
    with progress(console, "Assessing", waiting=_COMPILING) as report:
        certainty = howsure.assess(
            model,
            images,
            seed=seed,
            class_names=[str(digit) for digit in range(10)],
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} digits"),
        ).with_truth(digits.y_test)
    certainty.save(folder / "certainty.parquet")

    methods = default_methods(model, images)
    say(console, f"Comparing {', '.join(methods)} on {COMPARED:,} of them, also when something has changed …")
    with progress(console, "Comparing", waiting=_COMPILING) as report:
        comparison = howsure.compare(
            model,
            images[:COMPARED],
            digits.y_test[:COMPARED],
            methods=methods,
            shifts=STANDARD,
            seed=seed,
            class_names=certainty.class_names,
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} digits"),
        )

    write_comparison(folder / "comparison.html", comparison)
    write_report(
        folder / "report.html",
        certainty,
        images,
        audit=howsure.audit(model),
        comparison=comparison,
        title="How sure is the question's network?",
    )

    say(console, "")
    undecided = lines_of(certainty, SHOWN)
    paragraph(console, f"{undecided.which}:")
    for line in undecided.lines:
        paragraph(console, str(line))
    for text in (summary_of(certainty), lead(comparison)):
        say(console, "")
        paragraph(console, text)
    _say_where(folder, console)


def _say_where(folder: Path, console: Console) -> None:
    """Print the files, and open the report where there are a terminal and a screen."""
    say(console, "")
    files = {"Report": "report.html", "Methods": "comparison.html", "Table": "certainty.parquet"}
    for name, file in {**files, "Model": "model.keras"}.items():
        say(console, f"{name + ':':9}{folder / file}")
    if console.is_terminal and has_screen():
        webbrowser.open((folder / "report.html").resolve().as_uri())


def _trained_network(digits: mnist.Digits, seconds: float | None, epochs: int, seed: int, console: Console) -> Any:
    """The question's network, trained as long as there is time."""
    model = build(seed)
    with progress(console, "Training", waiting="compiling") as report:

        def on_batch(done: float, past: float, accuracy: float) -> None:
            report(done, f"epoch {past:.2f}, {accuracy:.1%} right while training")

        train(model, digits.x_train, digits.y_train, seconds=seconds, epochs=epochs, on_batch=on_batch)
    return model


def has_screen() -> bool:
    """Whether a browser would open in a window, and not in this terminal or nowhere."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


# --- the network of the question ------------------------------------------------------------------------

BATCH_SIZE = 100


def build(seed: int = 0) -> Any:
    """The question's network, not trained; its dropout layers are those the certainty comes from.

    Args:
        seed: Fixes the initial weights and the masks of the training. Sets Keras's global seed.
    """
    import keras

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
    model: Any,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    seconds: float | None,
    epochs: int,
    on_batch: Callable[[float, float, float], None] = lambda done, epochs, accuracy: None,
) -> None:
    """Train in batches of 100 with Adam as Keras sets it; a falling learning rate did not help.

    Args:
        model: From `build`, whose seed also fixes the order of the images; its weights change.
        images: (N, 28, 28) bytes.
        labels: (N,) digits.
        seconds: Stop when this time is used, also in the middle of an epoch; None for no limit.
        epochs: Stop after this many passes through the images.
        on_batch: Called after every batch with the share of the training that is behind, the epochs so far,
            and the share of this epoch's images that were told right, with dropout at work.
    """
    import keras

    start, batches = time.monotonic(), 0

    def after_batch(_: int, logs: Any) -> None:
        nonlocal batches
        batches += 1
        past = min(epochs, batches * BATCH_SIZE / len(images))
        spent = 0.0 if seconds is None else (time.monotonic() - start) / seconds
        model.stop_training = spent >= 1
        on_batch(min(1.0, max(spent, past / epochs)), past, float(logs["accuracy"]))

    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        to_input(images),
        labels,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=after_batch)],
    )
