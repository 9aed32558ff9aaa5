"""Is a save the earlier file or the new one, whatever stops it? Written to docs/saves.md.

    python -m validation.saves

Each kind of file is saved over an earlier one while the process is killed, while a limit of bytes is met as
on a full disk, and while another process saves to the same place. What is there afterwards is compared.
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page, table
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout
from tests.answers.maps import certainty_of, drawn

KILLS, LIMITS, WRITERS = 40, 20, 10
"""Tries of each kind."""

SAVES = 4
"""Of each of two writers, one after the other."""

EARLIER, NEW, NEITHER, RAW = "the earlier one", "the new one", "neither", "another error than howsure's own"
STOPPED = {"killed": KILLS, "disk full": LIMITS, "two writers": WRITERS}
PAGE = Page("saves")


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: Of the file.
        save: Saves the first or the second of two contents to a path.
        read: What a path holds, to be compared.
    """

    name: str
    save: Callable[[int, Path], object]
    read: Callable[[Path], Any]


def _arrays(path: Path) -> Any:
    """All numbers of a saved result."""
    found = howsure.load(path)
    return {name: np.asarray(array).tobytes() for name, array in found._arrays.items()}


def _files(path: Path) -> Any:
    """The bytes of a file, or of each file in a folder."""
    return {each.name: each.read_bytes() for each in ([path] if path.is_file() else sorted(path.iterdir()))}


def kinds() -> dict[str, Kind]:
    """All kinds of files, by what they hold."""
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(5), size=(2, 4_000))
    truth = random.integers(5, size=4_000)
    classes = [howsure.Certainty.from_probabilities(each).with_truth(truth) for each in p]
    labels = [howsure.MultilabelCertainty.from_probabilities(each) for each in p]
    numbers = [howsure.RegressionCertainty.from_mean_std(each, each + 0.1) for each in p]
    maps = [certainty_of(drawn(8, (32, 32), seed=seed)[0]) for seed in range(2)]
    weights = random.normal(size=(6, 3))
    steps = {"drop": (Dropout(0.5), "x"), "output": (Dense(weights, [0.0] * 3, "softmax"), "drop")}
    model = ArrayModel("small", [InputSpec("x", (6,), "float32")], steps, trained_for="classes")
    x = random.normal(size=(60, 6)).astype("f4")
    plans = [howsure.plan(model, x, seed=seed) for seed in range(2)]
    calibrators = [howsure.calibrate(each[:500]) for each in classes]

    def of_results(results: list[Any], name: str) -> Kind:
        return Kind(name, lambda which, path: results[which].save(path), _arrays)

    def of_bytes(things: list[Any], name: str) -> Kind:
        return Kind(name, lambda which, path: things[which].save(path), _files)

    return {
        "classes": of_results(classes, "r.parquet"),
        "labels": of_results(labels, "r.parquet"),
        "numbers": of_results(numbers, "r.parquet"),
        "maps, beside a table": of_results(maps, "r.parquet"),
        "maps, in a folder": of_results(maps, "r"),
        "table, csv": of_bytes(classes, "r.csv"),
        "table, jsonl": of_bytes(classes, "r.jsonl"),
        "calibrator": of_bytes(calibrators, "c.json"),
        "plan": of_bytes(plans, "p.json"),
        "page": Kind("p.html", lambda which, path: classes[which][:300].report(path), _files),
        "page of maps": Kind("p.html", lambda which, path: maps[which].report(path), _files),
    }


def _child(save: Callable[[], object]) -> int:
    """Save in a process of its own, which leaves with 0, 3 for an error of howsure, or 4 for another."""
    child = os.fork()
    if child:
        return child
    status = 0
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        warnings.simplefilter("ignore")
        save()
    except howsure.HowsureError:
        status = 3
    except BaseException:
        status = 4
    os._exit(status)


def _limited(save: Callable[[], object], most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    save()


def _saved_often(kind: Kind, which: int, path: Path) -> None:
    for _ in range(SAVES):
        kind.save(which, path)


def tried(kind: Kind, stopped: str, random: np.random.Generator) -> str:
    """What is there after one try."""
    with tempfile.TemporaryDirectory() as name:
        path, apart = Path(name) / kind.name, Path(name) / "apart"
        apart.mkdir()
        kind.save(0, path)
        begun = time.perf_counter()
        kind.save(1, apart / kind.name)
        took = time.perf_counter() - begun
        earlier, new = kind.read(path), kind.read(apart / kind.name)
        size = max(each.stat().st_size for each in apart.rglob("*") if each.is_file())
        statuses = list[int]()
        if stopped == "killed":
            child = _child(partial(kind.save, 1, path))
            time.sleep(random.uniform(0, 1.3 * took))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        elif stopped == "disk full":
            child = _child(partial(_limited, partial(kind.save, 1, path), int(random.integers(size + 1))))
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            writers = [
                _child(lambda which=which: [kind.save(which, path) for _ in range(SAVES)]) for which in (0, 1)
            ]
            statuses += [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in writers]
        if 4 in statuses:
            return RAW
        try:
            found = kind.read(path)
        except Exception:
            return NEITHER
        return EARLIER if found == earlier else NEW if found == new else NEITHER


def page(figures: Mapping[str, Any]) -> str:
    """The page."""
    left = (EARLIER, NEW, NEITHER, RAW)
    lines = [
        [name, stopped, str(sum(counts.values())), *(str(counts.get(each, 0)) for each in left)]
        for name, by_stop in figures.items()
        for stopped, counts in by_stop.items()
    ]
    total = sum(int(line[2]) for line in lines)
    lost = sum(int(line[5]) + int(line[6]) for line in lines)
    return f"""# Saves that are stopped

Each kind of file was saved over an earlier one, and stopped: killed at a random moment, or by a limit on the
size of files, which fails as a full disk does. Or two processes saved to the same place at once. Of {total:,}
tries {lost:,} left something else than the earlier content or the new one.

{table(["file", "what happened", "tries", *left], *lines)}

`python -m validation.saves` tries it again.
"""


def main() -> None:
    """Try all kinds, and write figures and page."""
    random, figures = np.random.default_rng(0), dict[str, Any]()
    for name, kind in kinds().items():
        figures[name] = {
            stopped: dict(Counter(tried(kind, stopped, random) for _ in range(times)))
            for stopped, times in STOPPED.items()
        }
        print(name, figures[name], flush=True)
    PAGE.keep(figures)
    PAGE.write(page(figures))


if __name__ == "__main__":
    main()
