"""The demo: train the question's network on MNIST, assess the test digits, show the coin flips."""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

import howsure
from howsure.answers.printed import summary_of
from howsure.compare.findings import lead
from howsure.compare.run import default_methods
from howsure.demo import mnist
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
_CARD_WIDTH = 40
_COMPILING = "compiling, and planning how many passes"
_INK = 0.35
"""Share of the brightest pixel from which on a pixel is drawn."""


def run(folder: Path, *, epochs: int | None, members: int, seed: int, console: Console) -> None:
    """Train, assess, compare, write model, table and two pages, and say what came out.

    The report opens in a browser where there are a terminal and a screen.

    Args:
        folder: Folder of the files; it exists.
        epochs: Epochs of training. Default: as many as two minutes allow.
        members: Networks to train; more than one are an ensemble, and compared as such.
        seed: Fixes the initial weights, the order of the images and the masks.
        console: Console to print to.

    Raises:
        FileError: MNIST cannot be had, or a file cannot be written.
    """
    from howsure.demo import question

    took: dict[str, float] = {}

    say(console, "Getting MNIST …")
    with _timed(took, "MNIST"):
        digits = mnist.load()
    say(console, f"  {digits.source}")

    seconds = TRAINING_SECONDS if epochs is None else None
    length = f"for {duration(seconds)}" if seconds is not None else f"for {epochs} epochs"
    say(console, f"Training the question's network on {len(digits.x_train):,} digits {length} …")
    models = []
    for number in range(members):
        if number:
            say(console, f"Training member {number + 1} of {members} from another seed …")
        name = "model.keras" if number == 0 else f"member-{number + 1}.keras"
        models.append(_trained(digits, seconds, epochs, seed + number, folder / name, took, console))
    model, *others = models

    say(console, f"Assessing {len(digits.x_test):,} digits it has never seen …")
    images = question.to_input(digits.x_test)
    with _timed(took, "assessing"), progress(console, "Assessing", waiting=_COMPILING) as report:
        certainty = howsure.assess(
            model,
            images,
            seed=seed,
            class_names=[str(digit) for digit in range(10)],
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} digits"),
        ).with_truth(digits.y_test)
    certainty.save(folder / "certainty.parquet")

    methods = default_methods(model, images, others)
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

    show(certainty, digits.x_test, console)
    say(console, "")
    paragraph(console, lead(comparison))
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
    from howsure.demo import question

    model = question.build(seed)
    last: list[question.Progress] = []
    with _timed(took, "training"), progress(console, "Training", waiting="compiling") as report:

        def on_batch(now: question.Progress) -> None:
            last[:] = [now]
            report(now.done, f"epoch {now.epochs:.2f}, {now.accuracy:.1%} right while training")

        question.train(
            model,
            digits.x_train,
            digits.y_train,
            seconds=seconds,
            epochs=MOST_EPOCHS if epochs is None else epochs,
            seed=seed,
            on_batch=on_batch,
        )
        question.save(model, path)
    say(console, f"  {last[0].epochs:.2f} epochs in {duration(last[0].seconds)}")
    return model


def has_screen() -> bool:
    """Whether a browser would open in a window, and not in this terminal or nowhere."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def show(certainty: Certainty, images: NDArray[np.uint8], console: Console) -> None:
    """Print the most undecided digits beside what the model says of them, then the findings in words.

    Args:
        certainty: Result of N digits.
        images: (N, 28, 28), the digits.
        console: Where; two cards stand side by side in 80 columns, three in 120.
    """
    positions = certainty.most_undecided(SHOWN).tolist()
    drawings = [draw_digit(images[position]) for position in positions]
    across = max(1, console.width // _CARD_WIDTH)
    ink_width = max((len(line) for drawing in drawings for line in drawing.splitlines()), default=0)
    text_width = console.width // across - ink_width - 4
    grid = Table.grid(padding=(0, 2))
    for _ in range(across):
        grid.add_column(width=ink_width, no_wrap=True)
        grid.add_column(width=text_width)
    cells: list[Any] = []
    for position, drawing in zip(positions, drawings, strict=True):
        row = certainty[position]
        text = Text(f"row {row.row}\n", style="dim")
        text.append(f"{row}\n", style="not dim")
        truth = "unknown" if row.truth is None else f"'{certainty.class_names[row.truth]}'"
        text.append(f"Truth: {truth}", style="not dim bold")
        cells += [Text(drawing + "\n"), text]
    cells += [""] * (-len(cells) % (2 * across))
    for start in range(0, len(cells), 2 * across):
        grid.add_row(*cells[start : start + 2 * across])
    say(console, "")
    paragraph(console, f"The {len(positions)} digits it is most undecided about:")
    say(console, "")
    console.print(grid)
    paragraph(console, summary_of(certainty))


def draw_digit(image: NDArray[np.uint8]) -> str:
    """A digit in block characters, two rows of pixels to a line, cut to its ink.

    Args:
        image: (H, W), ink is bright.

    Returns:
        Lines without trailing blanks; empty if there is no ink.

    Example:
        >>> print(draw_digit(np.array([[0, 9, 0], [9, 9, 9], [0, 9, 0]], dtype=np.uint8)))
        ▄█▄
         ▀
    """
    ink = (image > 0) & (image >= _INK * image.max(initial=0))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return ""
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = np.pad(ink, ((0, len(ink) % 2), (0, 0)))
    blocks = np.array([" ", "▀", "▄", "█"])[ink[::2] + 2 * ink[1::2]]
    return "\n".join("".join(line).rstrip() for line in blocks)


@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    took[name] = took.get(name, 0.0) + time.monotonic() - start
