"""What rows cost in a folder of results, by one process and by workers; printed, for docs/scaling-study.md.

    python -m benchmarks.scale small 20000        a network in numpy, alone and with 1 and 2 workers
    python -m benchmarks.scale digits 20000       the CNN of the question, on MNIST, its digits over and over
    python -m benchmarks.scale small 1000000 0    alone; then what later commands need of the folder
    python -m benchmarks.scale small 300000 2 --rows 5000000    with two workers; then 5,000,000 rows

Each command runs in a process of its own; its time and most memory are what the system tells. Speed is what
the command says: from when the model is there, and with the time that workers take to start.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import howsure
from validation import small_network

WORKERS = (0, 1, 2)
"""How many, where 0 stands for none: one process, without Ray."""

ROWS_AT_ONCE = 10_000

PLANNED, PRICE, CORES = 10**9, 0.05, 64
"""Rows that are planned for; dollars for a core and hour, which is an assumption; and cores of a machine."""

_SPEED = re.compile(r"([\d,]+) rows/s")


def small(folder: Path, count: int) -> list[str]:
    """The network in numpy and rows for it: the model, the rows, and options."""
    x = small_network.rows(count)
    np.save(folder / "rows.npy", x)
    predicted = small_network.make().predict([x]).argmax(axis=1)
    _labels(folder, (predicted + (np.arange(count) % 10 == 0)) % small_network.CLASSES)  # one in ten is wrong
    return ["validation.small_network:make", "rows.npy"]


def digits(folder: Path, count: int) -> list[str]:
    """The CNN of the question and the digits of MNIST, repeated, as bytes."""
    from benchmarks import networks
    from howsure.demo import mnist

    file = networks.folder() / "question.keras"
    if not file.exists():
        networks.train("question")
    digits = mnist.load()
    held = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.uint8, (count, 28, 28, 1))
    for start in range(0, count, ROWS_AT_ONCE):
        numbers = np.arange(start, min(start + ROWS_AT_ONCE, count)) % len(digits.x_test)
        held[start : start + len(numbers)] = digits.x_test[numbers].reshape(-1, 28, 28, 1)
    held.flush()
    _labels(folder, digits.y_test[np.arange(count) % len(digits.y_test)])
    return [str(file), "rows.npy", "--set", "divide_by=255"]


def _labels(folder: Path, labels: np.ndarray) -> None:
    np.save(folder / "labels.npy", labels.astype(np.int64))


NETWORKS = {"small": small, "digits": digits}


def measured(folder: Path, arguments: Sequence[str]) -> tuple[str, float, float]:
    """What a command printed, its seconds, and the most memory that one of its processes had, in MiB."""
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    program = [sys.executable, "-c", _COMMAND, *arguments]
    begin = time.monotonic()
    done = subprocess.run(
        program, cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    seconds = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(f"howsure {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    printed, _, memory = done.stdout.rpartition("\n@")
    return printed, seconds, float(memory)


_COMMAND = r"""
import re, sys
from pathlib import Path
from howsure.cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code
most = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
print(f"\n@{most / 1024}")
sys.exit(code)
"""
"""The command line, and then the most memory that it held; `ru_maxrss` would count its parent, too."""


def size_of(folder: Path) -> int:
    """Bytes in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def main(network: str, count: int, numbers: Sequence[int], planned: int = PLANNED) -> None:
    """Measure, and print two tables; and what `planned` rows would take."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_and_rows = NETWORKS[network](folder, count)
        one: howsure.Certainty | None = None
        speeds = dict[int, int]()
        plan = [] if min(numbers) > 0 else ["--plan", "out-0/plan.json"]
        print(f"{count:,} rows of `{network}`, {os.cpu_count()} cores\n")
        heading = "rows/s | seconds | leader, MiB | bytes a row | beside alone"
        print(f"| workers | {heading} |")
        print("|---|---|---|---|---|---|")
        for number in numbers:
            out = f"out-{number}"
            more = ["--workers", str(number)] if number else ["--labels", "labels.npy"]
            if number and plan:
                more += plan
            told, seconds, memory = measured(folder, ["assess", *model_and_rows, "--out", out, *more])
            (speed,) = _SPEED.findall(told)
            same = "–"
            if number and one is not None:
                found = howsure.load(folder / out)
                same = f"largest difference {np.abs(found.probabilities - one.probabilities).max():.1g}"
            elif len(numbers) > 1:
                one = howsure.load(folder / out)
            bytes_a_row = size_of(folder / out) / count
            row = [
                number or "none",
                speed,
                f"{seconds:.0f}",
                f"{memory:,.0f}",
                f"{bytes_a_row:.0f}",
                same,
            ]
            print("|", " | ".join(map(str, row)), "|", flush=True)
            speeds[number] = int(speed.replace(",", ""))
        if (workers := max(numbers)) == os.cpu_count():
            _plan(planned, speeds[workers] / workers)
        if 0 not in numbers:
            return
        print("\n| command on the folder | seconds | most memory, MiB |\n|---|---|---|")
        for command in (
            ["evaluate", "out-0"],
            ["rules", "out-0", "--risk", "0.2", "--out", "rules.json"],
            ["decide", "out-0", "--rules", "rules.json", "--out", "decided.csv"],
            ["report", "out-0", "--report", "page.html"],
        ):
            _, seconds, memory = measured(folder, command)
            print(f"| `{command[0]}` | {seconds:.0f} | {memory:,.0f} |", flush=True)


def _plan(planned: int, speed: float) -> None:
    """What so many rows would take, if each core did as much as one of these workers, with their start."""
    hours = planned / speed / 3600
    here = hours / (os.cpu_count() or 1)
    print(
        f"\n{planned:,} rows at {speed:,.0f} rows/s for each core: {hours:,.1f} core-hours, "
        f"{here:,.1f} hours here, {hours / CORES:,.1f} hours on a machine of {CORES} cores, "
        f"or {hours / CORES / 8:,.1f} on eight; "
        f"{PRICE * hours:,.0f} dollars at {PRICE} for a core and hour"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=list(NETWORKS))
    parser.add_argument("count", type=int)
    parser.add_argument("workers", type=int, nargs="*", default=WORKERS)
    parser.add_argument("--rows", type=int, default=PLANNED)
    asked = parser.parse_args()
    main(asked.network, asked.count, asked.workers, asked.rows)
