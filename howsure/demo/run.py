"""The demo: train the network of the question on MNIST, assess the test digits, show the coin flips.

The network is the one that howsure started from: conv 7×7×128 – drop .2 – conv 3×3×64 – drop .2 – dense 64 –
drop .25 – dense 10. It trains on as much time as there is.
"""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

import howsure
from howsure.answers.printed import lines_of, summary_of
from howsure.compare.findings import lead
from howsure.compare.run import default_methods
from howsure.demo import mnist
from howsure.errors import FileError, InputError
from howsure.report import write_comparison, write_report
from howsure.shifts import STANDARD
from howsure.terminal import duration, paragraph, progress, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from howsure.answers.classes.result import Certainty

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
    took: dict[str, float] = {}

    say(console, "Getting MNIST …")
    with _timed(took, "MNIST"):
        digits = mnist.load()
    say(console, f"  {digits.source}")

    seconds = TRAINING_SECONDS if epochs is None else None
    length = f"for {duration(seconds)}" if seconds is not None else f"for {epochs} epochs"
    say(console, f"Training the question's network on {len(digits.x_train):,} digits {length} …")
    model = _trained(digits, seconds, epochs, seed, folder / "model.keras", took, console)

    say(console, f"Assessing {len(digits.x_test):,} digits it has never seen …")
    images = to_input(digits.x_test)
    with _timed(took, "assessing"), progress(console, "Assessing", waiting=_COMPILING) as report:
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
    with _timed(took, "comparing"), progress(console, "Comparing", waiting=_COMPILING) as report:
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

    with _timed(took, "report"):
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
    for said in (summary_of(certainty), lead(comparison)):
        say(console, "")
        paragraph(console, said)
    _say_where(folder, took, console)


def _say_where(folder: Path, took: dict[str, float], console: Console) -> None:
    """Print the files and the times, and open the report where there are a terminal and a screen."""
    say(console, "")
    files = {"Report": "report.html", "Methods": "comparison.html", "Table": "certainty.parquet"}
    for name, file in {**files, "Model": "model.keras"}.items():
        say(console, f"{name + ':':9}{folder / file}")
    say(console, "Time:    " + ", ".join(f"{name} {duration(spent)}" for name, spent in took.items()))
    if console.is_terminal and has_screen():
        webbrowser.open((folder / "report.html").resolve().as_uri())


def _trained(
    digits: mnist.Digits,
    seconds: float | None,
    epochs: int | None,
    seed: int,
    path: Path,
    took: dict[str, float],
    console: Console,
) -> Any:
    model = build(seed)
    last: list[Trained] = []
    with _timed(took, "training"), progress(console, "Training", waiting="compiling") as report:

        def on_batch(now: Trained) -> None:
            last[:] = [now]
            report(now.done, f"epoch {now.epochs:.2f}, {now.accuracy:.1%} right while training")

        train(
            model,
            digits.x_train,
            digits.y_train,
            seconds=seconds,
            epochs=MOST_EPOCHS if epochs is None else epochs,
            seed=seed,
            on_batch=on_batch,
        )
        save(model, path)
    say(console, f"  {last[0].epochs:.2f} epochs in {duration(last[0].seconds)}")
    return model


def has_screen() -> bool:
    """Whether a browser would open in a window, and not in this terminal or nowhere."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )






@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    took[name] = took.get(name, 0.0) + time.monotonic() - start


# --- the network of the question ------------------------------------------------------------------------

BATCH_SIZE = 100


@dataclass(frozen=True)
class Trained:
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
    epochs: int | None,
    seed: int,
    on_batch: Callable[[Trained], None],
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
            on_batch(Trained(done, seen, seen / len(images), spent, float(np.mean(right))))
            if done >= 1:
                break


def save(model: Any, path: Path) -> None:
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
