"""What the commands say: progress, findings in words, and the most undecided rows as a table."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from howsure.answers import verdict as verdicts
from howsure.answers.classes.result import Certainty
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.sentences import MultilabelRow, Row, sentence_of_label
from howsure.compare.printed import COST, SCORES, lines_of
from howsure.compare.run import Comparison
from howsure.report.figures import proportion
from howsure.report.words import doubt_in_words, interval_of, settled_in_words, share_of
from howsure.results.printed import answers_of
from howsure.words import counted, listed, printable

SECONDS_BETWEEN_LINES = 10.0

_PHRASES = {
    verdicts.SURE: "is sure of",
    verdicts.LEANING: "leans towards an answer on",
    verdicts.COIN_FLIP: "is flipping a coin on",
    verdicts.NO_CLEAR_ANSWER: "has no clear answer for",
}

COMPILING = "compiling, and planning how many passes"
"""What is waited for until the first rows are done."""

Report = Callable[[float | None, str], None]
"""Told the share that is done, in [0, 1], or None where that is not known, and what to say about it."""


@contextmanager
def progress(console: Console, task: str, *, waiting: str) -> Iterator[Report]:
    """Show how far a task is: a bar on a terminal, elsewhere a line every ten seconds.

    Either moves by itself while nothing is reported: the bar pulses, and the line counts seconds.

    Args:
        console: Where.
        task: Its name, for example `Training`.
        waiting: What is waited for until the first report, for example `compiling`.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        detail = TextColumn("{task.fields[detail]}", markup=False)
        with Bar(*columns, detail, console=console, transient=True) as bar:
            number = bar.add_task(task, total=None, detail=waiting)
            yield lambda done, said: bar.update(
                number, total=None if done is None else 1.0, completed=done, detail=said
            )
        return

    begun, now, over = time.monotonic(), waiting, threading.Event()

    def report(done: float | None, said: str) -> None:
        nonlocal now
        now = said if done is None else f"{done:.0%}, {said}"

    def tell() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            say(console, f"{task}: {now} ({duration(time.monotonic() - begun)})")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield report
    finally:
        over.set()
        teller.join()


def say(console: Console, text: str) -> None:
    """Print text as it is: brackets are no markup, numbers get no colours, and paths are not broken.

    What would steer the terminal is shown instead.
    """
    console.print(Text(printable(text)), soft_wrap=True)


def paragraph(console: Console, text: str) -> None:
    """Print a paragraph, wrapped at the width of the terminal, but not between a number and its `%`."""
    say(console, textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False))


def summary(certainty: Certainty | MultilabelCertainty) -> str:
    """How many rows got which verdict, how often it was right, whether all is settled, and what the doubt is.

    Of several labels per row it counts answers, one for each label of each row.

    Example:
        >>> print(summary(howsure.assess(model, x).with_truth(labels)))
        Of 500 images the model is sure of 232 (right on 232, ...
    """
    if not len(certainty):
        return f"There were no {certainty.kind}s to assess."
    if isinstance(certainty, MultilabelCertainty):
        labels, rows = counted(len(certainty.label_names), "label"), counted(len(certainty), certainty.kind)
        answers = summary(answers_of(certainty))
        return f"There is one answer for each of {labels}, for each of {rows}. {answers}"
    parts = []
    for verdict, phrase in _PHRASES.items():
        unclear = certainty.no_clear_answer
        chosen = unclear if verdict == verdicts.NO_CLEAR_ANSWER else (certainty.verdict == verdict) & ~unclear
        count = int(np.sum(chosen))
        if verdict == verdicts.NO_CLEAR_ANSWER and not count:
            continue
        said = f"{phrase} {f'{count:,}' if count else 'none'}"
        if count and certainty.truth is not None:
            right = int(np.sum(chosen & (certainty.label == certainty.truth)))
            said += f" (right on {right:,}, {share_of(proportion(right, count))})"
        parts.append(said)
    text = f"Of {counted(len(certainty), certainty.kind)} the model {listed(parts)}. "
    if certainty.truth is not None:
        overall = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
        text += f"Over all it is right on {share_of(overall)} ({interval_of(overall)}). "
    return f"{text}{settled_in_words(certainty)} {doubt_in_words(certainty)}".rstrip()


def undecided_table(certainty: Certainty | MultilabelCertainty, count: int) -> Table:
    """The most undecided rows: number, id, sentence with its reason, and the truth, where these are known.

    Of several labels per row it has one line for each of the most undecided answers.

    Args:
        certainty: What is shown.
        count: How many rows, or answers, at the most.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("row", justify="right", no_wrap=True)
    if certainty.ids is not None:
        table.add_column(Text(printable(certainty.id_name)), overflow="fold", max_width=24)
    table.add_column("what the model says", overflow="fold")
    if certainty.truth is not None:
        table.add_column("truth", overflow="fold")
    for row, sentence, truth in _most_undecided(certainty, count):
        cells = [f"{row.row}", sentence]
        if row.id is not None:
            cells.insert(1, f"{row.id}")
        if row.truth is not None:
            cells.append(truth)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _most_undecided(
    certainty: Certainty | MultilabelCertainty, count: int
) -> Iterator[tuple[Row | MultilabelRow, str, str]]:
    """Row, sentence and name of the truth of each, the most undecided first."""
    if isinstance(certainty, Certainty):
        for position in certainty.most_undecided(count).tolist():
            row = certainty[position]
            yield row, str(row), truth_name(certainty, row)
        return
    for position, k in zip(*(each.tolist() for each in certainty.most_undecided(count)), strict=True):
        several = certainty[position]
        truth = "unknown" if several.truth is None else "yes" if several.truth[k] else "no"
        yield several, sentence_of_label(several, k), truth


def comparison_table(comparison: Comparison) -> Table:
    """Methods with their scores on the rows as they are, best of each in bold, and what they cost."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("method", overflow="fold")
    for heading, _ in SCORES:
        table.add_column(heading, justify="right")
    if comparison.has_costs:
        table.add_column(COST, justify="right", overflow="fold")
    for line in lines_of(comparison):
        cells = [
            Text(value, style="bold" if best else "")
            for value, best in zip(line.values, line.best, strict=True)
        ]
        cost = [Text(line.cost)] if comparison.has_costs else []
        table.add_row(Text(printable(line.method)), *cells, *cost)
    return table


def truth_name(certainty: Certainty, row: Row) -> str:
    """Name of the true class of a row that has one."""
    return f"'{certainty.class_names[row.truth]}'" if row.truth is not None else "unknown"


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
