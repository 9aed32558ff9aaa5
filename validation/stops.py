"""`howsure assess` stopped at random moments, and what is there afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import howsure
from howsure.tuning import BLOCK

BLOCKS, WIDTH = 4, 64

BEFORE = 0.3
"""Time before rows are done, in which stops fall too, beside that of the rows."""

KILLED, INTERRUPTED = "SIGKILL", "SIGINT or SIGTERM"

_PROGRAM = (
    "import howsure.terminal; howsure.terminal.SECONDS_BETWEEN_LINES = 0\n"
    "from howsure.cli.app import main; main()"
)
"""The command, telling its progress at every step, so that it is known what was done when it was stopped."""

_DONE = re.compile(r"([\d,]+) of [\d,]+ rows")


def counted(backend: str, times: int, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """What came of stopping the command so often on a backend, at random moments.

    The moments are spread evenly over the rows, and over the time before the first rows are done.

    Args:
        backend: Of Keras.
        times: How often by SIGKILL, and how often by SIGINT and SIGTERM in turn.
        tell: Called with what came of it so far, after each.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, backend)
        _, _, until_rows = _run(folder, backend, None, 0)
        whole = howsure.load(folder / "out.parquet")
        random, found = np.random.default_rng(0), dict[str, Any]()
        for turn in range(2 * times):
            kind = (KILLED, INTERRUPTED)[turn % 2]
            number = signal.SIGKILL if kind == KILLED else (signal.SIGINT, signal.SIGTERM)[turn // 2 % 2]
            moment = random.uniform(-BEFORE, 1)
            after = until_rows * (1 + moment / BEFORE) if moment < 0 else 0
            counts = _stopped(folder, backend, number, after, max(0, moment) * len(whole), whole)
            found[kind] = dict(Counter(found.get(kind, {})) + counts)
            tell(found)
        return found


def _make(folder: Path, backend: str) -> None:
    """A small network and rows for it."""
    code = (
        "import keras, sys\n"
        "keras.utils.set_random_seed(0)\n"
        f"layers = [keras.Input(({WIDTH},)),\n"
        "          keras.layers.Dense(256, activation='relu'), keras.layers.Dropout(0.5),\n"
        "          keras.layers.Dense(256, activation='relu'), keras.layers.Dropout(0.5),\n"
        "          keras.layers.Dense(10, activation='softmax')]\n"
        "keras.Sequential(layers).save(sys.argv[1])"
    )
    path = folder / "model.keras"
    subprocess.run(
        [sys.executable, "-c", code, path], check=True, env=_environment(backend), capture_output=True
    )
    x = np.random.default_rng(0).normal(size=(BLOCKS * BLOCK, WIDTH)).astype(np.float32)
    np.save(folder / "rows.npy", x)


def _environment(backend: str) -> dict[str, str]:
    return {**os.environ, "KERAS_BACKEND": backend, "PYTHONUNBUFFERED": "1"}


def _run(
    folder: Path, backend: str, number: int | None, after: float, rows: float = 0
) -> tuple[int, str, float]:
    """Exit code, stderr, and seconds until rows are done, of a run that is sent a signal.

    Args:
        folder: Of model and rows.
        backend: Of Keras.
        number: Of the signal, or None for none.
        after: Seconds after which it is sent; 0 for as soon as so many rows are done.
        rows: How many.
    """
    command = [sys.executable, "-c", _PROGRAM, "assess", folder / "model.keras", folder / "rows.npy"]
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [*map(str, command), "--out", str(folder / "out.parquet")],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=_environment(backend),
            preexec_fn=_hear_interrupts,
        )
        start = time.perf_counter()
        if after:
            time.sleep(after)
        else:
            while process.poll() is None and _done(folder) <= rows:
                time.sleep(0.01)
        seconds = time.perf_counter() - start
        if number is not None:
            process.send_signal(number)
        code = process.wait()
    return code, (folder / "stderr").read_text(), seconds


def _hear_interrupts() -> None:
    """A program started in the background, as this may be, would else ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _done(folder: Path) -> int:
    """Rows that a run says it has done."""
    found = _DONE.findall((folder / "stderr").read_text())
    return int(found[-1].replace(",", "")) if found else 0


def _stopped(
    folder: Path, backend: str, number: int, after: float, rows: float, whole: howsure.Certainty
) -> Counter[str]:
    """What one stop did, in words that are counted."""
    out = folder / "out.parquet"
    earlier = whole[:5]
    earlier.save(out)
    before = out.read_bytes()
    code, said, _ = _run(folder, backend, number, after, rows)
    found: Counter[str] = Counter({"stops": 1})
    if out.read_bytes() == before:
        found["earlier table intact"] += 1
    elif _same(howsure.load(out), whole):
        found["new table complete"] += 1
    else:
        found["table damaged"] += 1
    finished = "new table complete" in found
    done = _done(folder)
    due = 0 if finished or not done else BLOCK * ((done - 1) // BLOCK)
    parts = list(folder.glob("out.part*.parquet"))
    kept = sum(len(howsure.load(part)) for part in parts)
    if number != signal.SIGKILL:
        if due > 0:
            right = kept >= due and _same(howsure.load(parts[0]), whole[:kept])
            found["blocks were done, and kept" if right else "blocks were done, and lost"] += 1
        elif not finished:
            found["no block was done yet"] += 1
        if "Traceback" in said:
            found["traceback" if done else "traceback before the command began"] += 1
        elif not done and code == -signal.SIGTERM:
            found["ended before the command began"] += 1
        elif not finished and code != 130:
            found[f"exit code {code}"] += 1
    left = list(folder.glob(".howsure-*"))
    if left:
        found["half-written file left"] += 1
    for path in [*parts, *left]:
        path.unlink()
    return found


def _same(one: howsure.Certainty, other: howsure.Certainty) -> bool:
    return np.array_equal(one.row, other.row) and np.array_equal(one.probabilities, other.probabilities)
