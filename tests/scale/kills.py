"""The command that writes a folder, run in a process that is killed, and the parts that are there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from validation import small_network

MODEL = "validation.small_network:make"


def prepare(folder: Path, count: int) -> None:
    """Rows with ids, in a file."""
    np.savez(folder / "rows.npz", x=small_network.rows(count), id=np.arange(count) * 7)


def command(out: str, workers: int | None, *more: str) -> list[str]:
    """The command that is killed, and given again."""
    given = [] if workers is None else ["--workers", str(workers)]
    program = [sys.executable, "-m", "howsure", "assess", MODEL, "rows.npz", "--out", out]
    return [*program, *given, *more]


def started(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """The command, in a folder."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        arguments,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def parts_in(out: Path) -> list[Path]:
    """The parts that are there."""
    return sorted(out.glob("part-*.parquet"))


def wait_for_parts(process: subprocess.Popen[str], out: Path, count: int) -> None:
    """Until so many parts are there, or the process ended."""
    while len(parts_in(out)) < count and process.poll() is None:
        time.sleep(0.005)


def workers_of(process: int) -> Iterator[int]:
    """Processes of Ray that do parts for a process, as Linux tells: Ray says in their names what they do."""
    parents, names = dict[int, int](), dict[int, str]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    for number, name in names.items():
        above: int | None = number
        while above is not None and above != process:
            above = parents.get(above)
        if above == process and name.startswith("ray::MapWorker"):
            yield number
