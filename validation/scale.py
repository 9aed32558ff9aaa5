"""Folders of results whose process, worker or driver is killed at random moments: is anything lost?

    python -m validation.scale              ten moments of each kind; prints a table
    python -m validation.scale 2 process    two moments of one kind

The same 20,000 rows each time, of a network in numpy. After each kill the same command is given again;
then all rows are compared with those of one table that was never stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import howsure
from validation import small_network

ROWS = 20_000

KINDS = ("process", "worker", "driver")
"""What is killed: the process that works alone, one of two workers of Ray, or their leader."""

MODEL = "validation.small_network:make"

COLUMNS = ("probabilities", "mc_error", "entropy", "passes")


def prepare(folder: Path, count: int = ROWS) -> None:
    """Rows with ids, in a file."""
    np.savez(folder / "rows.npz", x=small_network.rows(count), id=np.arange(count) * 7)


def command(out: str, workers: int | None, *more: str) -> list[str]:
    """The command that is killed, and given again."""
    given = [] if workers is None else ["--workers", str(workers)]
    program = [sys.executable, "-m", "howsure", "assess", MODEL, "rows.npz", "--out", out]
    return [*program, *given, *more]


def started(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """The command, in a folder."""
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
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


def killed(folder: Path, kind: str, after: float, whole: howsure.Certainty) -> tuple[str, int, int]:
    """What came of a kill, the parts that were there at it, and those of them that were made once more.

    Args:
        folder: As `prepare` made it.
        kind: One of `KINDS`.
        after: Share of the parts that are done first.
        whole: The same rows, never stopped.
    """
    out, workers = folder / f"results-{kind}", None if kind == "process" else 2
    arguments = command(out.name, workers, "--plan", "plan.json", "--quiet")
    process = started(folder, arguments)
    wait_for_parts(process, out, 1 + int(after * len(whole) / 512))
    victims = list(workers_of(process.pid))[:1] if kind == "worker" else [process.pid]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    if kind == "worker":
        _, said = process.communicate()
        before, again = [], 0
        code = process.returncode
    else:
        process.communicate()
        before = [(part, part.stat().st_mtime_ns) for part in parts_in(out)]
        second = started(folder, arguments)
        _, said = second.communicate()
        again = sum(part.stat().st_mtime_ns != changed for part, changed in before)
        code = second.returncode
    same = code == 0 and is_same(howsure.load(out), whole)
    for part in out.iterdir():
        part.unlink()
    out.rmdir()
    told = "the same numbers" if same else f"exit {code}: {said[-200:]}"
    return told if victims else f"{told} (no worker was there yet)", len(before), again


def is_same(found: howsure.Certainty, whole: howsure.Certainty) -> bool:
    """Whether each row is there once, with its id, and the same numbers to the last bit."""
    order = np.argsort(found.ids, kind="stable")
    return bool(
        np.array_equal(found.ids[order], whole.ids)
        and np.array_equal(found.row[order], whole.row)
        and all(np.array_equal(getattr(found, name)[order], getattr(whole, name)) for name in COLUMNS)
    )


def main(times: int, kinds: Sequence[str]) -> None:
    """Kill so often, and print what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        first = command("first", None, "--quiet")
        started(folder, first).communicate()
        (folder / "plan.json").write_bytes((folder / "first" / "plan.json").read_bytes())
        single = [*command("whole.parquet", None), "--plan", "plan.json", "--quiet"]
        started(folder, single).communicate()
        whole = howsure.load(folder / "whole.parquet")
        random = np.random.default_rng(0)
        print("| killed | at part | parts there | made again | afterwards |\n|---|---|---|---|---|")
        for kind in kinds:
            for after in random.uniform(0, 0.9, times):
                told, there, again = killed(folder, kind, float(after), whole)
                print(f"| {kind} | {after:.0%} | {there or '–'} | {again} | {told} |", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 10, given[1:] or KINDS)
