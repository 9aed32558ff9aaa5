"""Is what a save leaves the earlier content or the new one, whatever stops it? Written to docs/saves.md.

    python -m validation.saves              all kinds of files
    python -m validation.saves assess save  those whose names begin so; figures of the others stay

Each kind of file is saved over an earlier one while the process is killed, at a random moment or as it
touches the files, while a limit of bytes is met, while the disk is full, and while another process saves to
the same place. What is there afterwards is compared. A full disk is a small file system in a file (a loop
device). It is left out where nothing may be mounted.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import howsure
from benchmarks.docs import Page, table
from tests import pixels
from tests.commands import run
from tests.tasks.maps import certainty_of, drawn
from validation import small_network
from validation.mutation import plain

KILLED, AT_A_STEP, LIMIT = "killed", "killed at a step", "limit of bytes"
FULL, WRITERS = "full disk", "two writers"
TRIES = {KILLED: 20, AT_A_STEP: 20, LIMIT: 20, FULL: 20, WRITERS: 10}
OF_A_COMMAND = {KILLED: 6, AT_A_STEP: 14, LIMIT: 8, FULL: 8, WRITERS: 4}
OF_A_GRAPH = {KILLED: 2, AT_A_STEP: 6, LIMIT: 3, FULL: 3, WRITERS: 2}
"""Tries of each kind: of a function, of a command, which takes longer, and of the export of a graph."""

SAVES = 2
"""Of each of two writers, one after the other."""

EARLIER, NEW, PARTS, NEITHER, RAW = LEFT = (
    *("earlier", "new", "parts", "neither", "another error than howsure's own"),
)

STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "tempfile.mkstemp")
"""Events at which a process that saves may be killed, where they are about its files."""

DISK = 16 << 20
"""Bytes of the disk that is full."""

DONE, LEFT_OUT, REFUSED = 0, 1, 3

PAGE = Page("saves")


@dataclass(frozen=True)
class Kind:
    """A kind of file, or of a folder of them, of which one of two contents is saved to a path.

    Attributes:
        tries: How often each thing happens to it.
        continued: Whether the second content is the first and more, made part by part: `read` gives what
            there is by row, and saving again makes the rest.
        told_in: The file of a folder that says what the others are; where it is missing, these are parts.
    """

    name: str
    save: Callable[[int, Path], object]
    read: Callable[[Path], Any]
    tries: Mapping[str, int]
    continued: bool = False
    told_in: str | None = None


def _arrays(path: Path) -> Any:
    """All numbers of a saved result."""
    found = howsure.load(path)
    return {name: plain(array) for name, array in found._arrays.items()}


def _by_row(path: Path) -> Any:
    """All numbers of a saved result, by row."""
    found = howsure.load(path)
    arrays = [np.asarray(array) for array in found._arrays.values()]
    return {int(row): [plain(each[at]) for each in arrays] for at, row in enumerate(found.row)}


def _files(path: Path) -> Any:
    """The bytes of a file, or of each file in a folder."""
    if path.is_file():
        return path.read_bytes()
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name[0] != "."}


def _command(*arguments: object) -> None:
    """Run a command; what it refuses is an error of howsure."""
    found = run(*arguments, "--quiet")
    if found.exit_code not in (DONE, LEFT_OUT):
        raise howsure.HowsureError(found.stderr)


def kinds(inputs: Path) -> Iterator[tuple[str, Kind]]:
    """All kinds of files, by what they hold; what commands read goes to a folder."""
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(5), size=(2, 4_000))
    truth = random.integers(5, size=4_000)
    pictures = [drawn(12, (32, 32), seed=seed) for seed in range(2)]
    labels = howsure.MultilabelCertainty.from_probabilities
    numbers = howsure.RegressionCertainty.from_mean_std
    results: dict[str, list[Any]] = {
        "classes": [howsure.Certainty.from_probabilities(each).with_truth(truth) for each in p],
        "labels": [labels(each).with_truth(each > 0.3) for each in p],
        "numbers": [numbers(each, each + 0.1).with_truth(each) for each in p],
        "positions": [certainty_of(each).with_truth(true) for each, true in pictures],
    }
    plans = [howsure.plan(small_network.make(), small_network.rows(60), seed=seed) for seed in range(2)]
    calibrators = [howsure.calibrate(each[:500]) for each in results["classes"]]

    def of_function(things: list[Any], name: str, read: Callable[[Path], Any] = _arrays) -> Kind:
        return Kind(name, lambda which, path: things[which].save(path), read, TRIES)

    for of, both in results.items():
        yield f"save: {of}", of_function(both, "r.parquet")
    yield "save: positions, to a folder", of_function(results["positions"], "r")
    yield "save: classes, csv", of_function(results["classes"], "r.csv", _files)
    yield "save: calibrator", of_function(calibrators, "c.json", _files)
    yield "save: plan", of_function(plans, "p.json", _files)
    for of, both in results.items():
        yield from _of_results(of, [each[:300] for each in both], inputs)
    for of, model in MODELS.items():
        yield from _of_models(of, model, inputs)
    yield from _of_graphs()


MODELS = {
    "classes": ("validation.small_network:make",),
    "labels": ("validation.small_network:labels",),
    "numbers": ("validation.small_network:numbers",),
    "positions": (pixels.MODEL, *pixels.GIVEN),
}
"""What the command line is given for each kind of answers."""

OUTPUTS = {"classes": "probabilities", "labels": "label-probabilities", "numbers": "values"}


def _of_results(of: str, results: list[Any], inputs: Path) -> Iterator[tuple[str, Kind]]:
    """What commands make of tables."""
    tables, rules = [inputs / f"{of}-{which}.parquet" for which in range(2)], inputs / f"{of}.json"
    for result, path in zip(results, tables, strict=True):
        result.save(path)

    def kind(name: str, read: Callable[[Path], Any], command: str, *wishes: object) -> Kind:
        def save(which: int, path: Path) -> None:
            _command(command, tables[which], *wishes, path)

        return Kind(name, save, read, OF_A_COMMAND)

    yield f"report: {of}", kind("p.html", _files, "report", "--report")
    only_calibrate = ("--set", "leave_out=sets,hand-over", "--out")
    yield f"rules: {of}", kind("c.json", _files, "rules", *only_calibrate)
    howsure.fit_rules(results[0], coverage=None, risk=None).save(rules)
    yield f"decide: {of}", kind("r.parquet", _arrays, "decide", "--rules", rules, "--out")


def _of_models(of: str, model: tuple[str, ...], inputs: Path) -> Iterator[tuple[str, Kind]]:
    """What commands make of models and rows."""
    ending = "" if of == "positions" else ".npy"
    rows = [inputs / f"{of}-rows-{which}{ending}" for which in range(2)]
    for which, path in enumerate(rows):
        if ending:
            np.save(path, small_network.rows(500, which))
            continue
        path.mkdir()
        for number, image in enumerate(pixels.images(6, which)):
            Image.fromarray(image).save(path / f"{number}.png")

    def table(which: int, path: Path, *more: object) -> None:
        given = (rows[which], *model[1:], "--set", "passes=20", *more)
        _command("assess", model[0], *given, "--out", path)

    yield f"assess: {of}", Kind("r.parquet", table, _arrays, OF_A_COMMAND)

    files, part = [inputs / f"{of}-files-{which}" for which in range(2)], 1 if of == "positions" else 20
    for which, folder in enumerate(files):
        folder.mkdir()
        if of == "positions":
            pixels.folder_of(folder, pixels.images(6)[: 3 * (1 + which)])
            continue
        for number in range(2 * (1 + which)):
            x = small_network.rows(40, number)
            columns = {f"f{at}": x[:, at] for at in range(x.shape[1])}
            pq.write_table(pa.table(columns), folder / f"{number}.parquet")

    def into(which: int, path: Path) -> None:
        given = (files[which], *model[1:], "--set", "passes=20", "--set", f"part_rows={part}")
        _command("assess", model[0], *given, "--out", path)

    yield f"folder: {of}", Kind("results", into, _by_row, OF_A_COMMAND, continued=True)


def _of_graphs() -> Iterator[tuple[str, Kind]]:
    """What `howsure.export` makes of networks in PyTorch."""
    try:
        import torch
    except ImportError:
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    ends: dict[str, tuple[Any, ...]] = {
        "classes": (torch.nn.Softmax(-1),),
        "labels": (torch.nn.Sigmoid(),),
        "numbers": (),
        "positions": (torch.nn.Softmax(1),),
    }
    for of, end in ends.items():
        of_maps = of == "positions"
        layer = partial(torch.nn.Conv2d, kernel_size=1) if of_maps else torch.nn.Linear
        drop = torch.nn.Dropout2d if of_maps else torch.nn.Dropout
        network = torch.nn.Sequential(layer(3, 8), torch.nn.ReLU(), drop(0.5), layer(8, 3), *end).eval()
        x = random.normal(size=(60, 3, *((8, 8) if of_maps else ()))).astype(np.float32)
        wishes: dict[str, Any] = {"class_axis": 1} if of_maps else {"outputs": OUTPUTS[of]}

        def save(which: int, path: Path, network: Any = network, x: Any = x, wishes: Any = wishes) -> None:
            howsure.export(network, path, x=x, seed=which, **wishes)

        yield f"export: {of}", Kind("m.onnx", save, _files, OF_A_GRAPH)


# --- trying ------------------------------------------------------------------------------------------


def _child(save: Callable[[], object]) -> int:
    """Save in a process of its own, which leaves with 0, 3 for an error of howsure, or 4 for another."""
    child = os.fork()
    if child:
        return child
    status = 0
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        save()
    except howsure.HowsureError:
        status = REFUSED
    except BaseException:
        status = 4
    os._exit(status)


def _left(child: int) -> int:
    """How a process ended: its status, or the signal that ended it below 0."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _limited(save: Callable[[], object], most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    save()


def _counting(save: Callable[[], object], folder: Path, steps: mmap.mmap, last: int) -> None:
    """Save, and count the steps in a folder, before the last of which the process ends."""

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and any(str(folder) in str(each) for each in arguments):
            number = 1 + int.from_bytes(steps[:4], "little")
            steps[:4] = number.to_bytes(4, "little")
            if number == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)
    save()


class Tried:
    """A kind of file with both contents, made once in an empty folder, and what comes of saving over one."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        for which, name in enumerate(("earlier", "new")):
            (folder / name).mkdir()
            if which and kind.continued:
                shutil.copytree(folder / "earlier", folder / name, dirs_exist_ok=True)
            begun = time.perf_counter()
            kind.save(which, folder / name / kind.name)
            self._took = time.perf_counter() - begun
        self._earlier, self._new = (kind.read(folder / name / kind.name) for name in ("earlier", "new"))
        assert self._earlier != self._new
        sizes = [each.stat().st_size for each in (folder / "new").rglob("*") if each.is_file()]
        self._largest, self._all = max(sizes), sum(sizes)
        steps = mmap.mmap(-1, 4)
        place = self._place(folder)
        assert _left(_child(partial(_counting, partial(kind.save, 1, place), place.parent, steps, 0))) == 0
        self._steps = int.from_bytes(steps[:4], "little")
        shutil.rmtree(place.parent)

    def _place(self, folder: Path) -> Path:
        """A folder with the earlier content."""
        place = folder / "place"
        shutil.copytree(self._folder / "earlier", place)
        return place / self._kind.name

    def after(self, happens: str, random: np.random.Generator, disk: Path | None = None) -> str:
        """What is there after something happened to a save, at a random time, on a disk if that is full."""
        kind, path = self._kind, self._place(disk or self._folder)
        save, statuses = partial(kind.save, 1, path), list[int]()
        if happens == KILLED:
            child = _child(save)
            time.sleep(random.uniform(0, 1.3 * self._took))
            os.kill(child, signal.SIGKILL)
            _left(child)
        elif happens == AT_A_STEP:
            last = 1 + int(random.integers(self._steps))
            _left(_child(partial(_counting, save, path.parent, mmap.mmap(-1, 4), last)))
        elif happens == LIMIT:
            statuses.append(_left(_child(partial(_limited, save, int(random.integers(self._largest + 1))))))
        elif disk is not None:
            with _filled(disk, int(random.integers(3 * self._all))):
                statuses.append(_left(_child(save)))
        else:

            def often(which: int) -> None:
                for _ in range(SAVES):
                    kind.save(which, path)

            statuses += [_left(each) for each in [_child(partial(often, which)) for which in (0, 1)]]
        found = RAW if set(statuses) - {DONE, REFUSED} else self._found(path)
        shutil.rmtree(path.parent)
        return found

    def _found(self, path: Path) -> str:
        kind = self._kind
        in_parts = kind.told_in is not None and not (path / kind.told_in).exists()
        try:
            found = kind.read(path)
            if kind.continued or in_parts:
                kind.save(1, path)
                if kind.read(path) != self._new:
                    return NEITHER
        except Exception as error:
            print(kind.name, error)
            return NEITHER
        if in_parts:
            return PARTS
        if found in (self._earlier, self._new):
            return EARLIER if found == self._earlier else NEW
        return PARTS if kind.continued and found.items() <= self._new.items() else NEITHER


@contextlib.contextmanager
def _filled(disk: Path, left: int) -> Iterator[None]:
    """A disk on which this many bytes are left, to a block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        file.truncate(max(0, file.tell() - left))
    yield
    ballast.unlink()


@contextlib.contextmanager
def _mounted(folder: Path) -> Iterator[Path | None]:
    """A small disk of its own; None where none may be mounted."""
    image, disk = folder / "disk.img", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK)
    try:
        for command in (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, disk]):
            subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no disk is filled, as none can be mounted ({error})")
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def parts(figures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, object]:
    """Figures and the table of the page."""
    counts: dict[str, Counter[str]] = {}
    for name, by_stop in figures.items():
        of_kind = counts.setdefault(name.partition(":")[0], Counter())
        for ways in by_stop.values():
            of_kind.update(ways)
    total = sum(counts.values(), Counter[str]())
    lines = [
        [name, f"{of.total():,}", *(f"{of[left]:,}" for left in LEFT)]
        for name, of in (*counts.items(), ("all", total))
    ]
    return {
        "tries": f"{total.total():,}",
        "lost": f"{total[NEITHER] + total[RAW]:,}",
        "stops": table(["what saved", "stops", *LEFT], *lines),
    }


def main(names: list[str]) -> None:
    """Try all kinds, or some, and write figures and page."""
    warnings.simplefilter("ignore")
    figures: dict[str, Any] = PAGE.figures()
    known = list[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "inputs").mkdir()
        with _mounted(folder) as disk:
            for name, kind in kinds(folder / "inputs"):
                known.append(name)
                if names and not name.startswith(tuple(names)):
                    continue
                random, found = np.random.default_rng(zlib.crc32(name.encode())), dict[str, Any]()
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    tried = Tried(kind, Path(own))
                    for happens, times in kind.tries.items():
                        on = disk if happens == FULL else None
                        if happens == FULL and disk is None:
                            continue
                        found[happens] = Counter(tried.after(happens, random, on) for _ in range(times))
                figures[name] = found
                print(name, {happens: dict(counts) for happens, counts in found.items()}, flush=True)
                PAGE.keep(figures)
        figures = {name: figures[name] for name in known if name in figures}
    PAGE.keep(figures)
    PAGE.fill(parts(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
