"""The command that writes a folder, run in a process that is killed at a random moment and given again.

python -m tests.scale.kills 50              moments, and whether the results are those of one table
python -m tests.scale.kills 50 --workers 2  likewise, with workers of Ray
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import howsure
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


def started(folder: Path, arguments: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    """The command, in a folder, with further variables of the environment."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        arguments,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path} | environment,
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


def below(process: int) -> dict[int, str]:
    """Commands of all processes that a process began, by number, as Linux tells."""
    parents, names = dict[int, int](), dict[int, str]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = dict[int, str]()
    for number, name in names.items():
        above: int | None = number
        while above is not None and above != process:
            above = parents.get(above)
        if above == process:
            found[number] = name
    return found


PARTS, SECONDS = 8, 0.2
"""Parts of 4,000 rows; and within how many seconds after one of them a process is killed."""


def check_moment(folder: Path, random: np.random.Generator, single: howsure.Certainty, *more: str) -> str:
    """Kill the command at a random moment, give it again, and compare the results with one table.

    Args:
        folder: Holds the rows of `prepare`.
        random: Draws the moment.
        single: The result of all rows at once, with 20 passes.
        more: Options, such as `--workers 2`.

    Returns:
        A line that says when it was killed, and what was there.
    """
    out, arguments = folder / "out", [*command("out", None, "--set", "passes=20"), *more]
    shutil.rmtree(out, ignore_errors=True)
    process = started(folder, arguments)
    wait_for_parts(process, out, int(random.integers(PARTS)))
    time.sleep(random.uniform(0, SECONDS))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {part: part.stat().st_mtime_ns for part in parts_in(out)}
    again = started(folder, arguments)
    _, said = again.communicate()
    assert again.returncode == 0, said
    after = {part: part.stat().st_mtime_ns for part in parts_in(out)}
    assert before.items() <= after.items()
    check_same(howsure.load(out), single)
    return f"killed with {len(before)} of {len(after)} parts: the same results"


def check_same(result: howsure.Certainty, single: howsure.Certainty) -> None:
    """Raise an AssertionError unless results are those of all rows at once, with the ids of `prepare`."""
    assert result.ids.tolist() == list(range(0, 7 * len(single), 7))
    assert np.array_equal(result.row, single.row)
    for name in ("probabilities", "mc_error", "quantiles", "mutual_information", "passes", "label"):
        assert np.array_equal(getattr(result, name), getattr(single, name), equal_nan=True), name


def main(moments: int, *more: str) -> None:
    """Kill the command at so many moments; an AssertionError where results differ."""
    single = howsure.assess(
        small_network.make(), small_network.rows(4000), method=howsure.MCDropout(passes=20)
    )
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), 4000)
        for _ in range(moments):
            print(check_moment(Path(name), random, single, *more), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
