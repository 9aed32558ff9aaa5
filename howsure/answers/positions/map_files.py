"""Maps as files for other programs: what each position is, how much doubt there is, and where coin flips are.

    NAME.label.png        class numbers, with a palette of the colours of the classes
    NAME.entropy.png      doubt, 8-bit grey: 0 is none, 255 is log K, as where all K classes are alike
    NAME.coin-flips.png   a mask, white where the model is flipping a coin
    maps.json             class names, colours, units, and which row each NAME is

`MAPS` has the others. `.npy` holds the numbers themselves: class numbers, nats, and 1 for a coin flip.
`LEFT_OUT` holds the values at positions that do not count.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers.positions.columns import COLUMNS
from howsure.answers.positions.drawings import class_colours
from howsure.answers.positions.result import DenseCertainty
from howsure.atomic import folder_made, moved_into
from howsure.data.images import without_ending
from howsure.data.rows import quoted
from howsure.errors import InputError
from howsure.results.columns import OF_A_SHARE

PNG, NPY = "png", "npy"

MAP_FORMS = (PNG, NPY)

LEFT_OUT = {
    PNG: "clear (opacity 0); as a class number 255",
    NPY: "NaN; as a class number, or yes or no, -1",
}
"""Values in files at a position that does not count."""

MANIFEST = "maps.json"

MOST_CLASSES = 256
"""Colours in a palette, and values of 8 bits."""

NO_DATA = 255
"""A class number, or yes or no, in 8 bits, of a position that does not count."""

MOST_ERROR = 0.5
"""No number between 0 and 1 has a larger standard deviation, so such an error is white in pictures, as are
the larger ones of two or three passes."""

LABEL, COIN_FLIPS = "label", "coin-flips"

USUAL = (LABEL, "entropy", COIN_FLIPS)
"""Maps that are written unless others are asked for."""


@dataclass(frozen=True)
class _Kind:
    """A map that may be written: its unit, what it says, and its largest value for K classes, 0 of a mask."""

    unit: str
    words: str
    most: Callable[[int], float]


def _kinds() -> dict[str, _Kind]:
    """The maps of a result that hold numbers, by name, and that of coin flips."""
    by_unit: dict[str, Callable[[int], float]] = {
        "class number": lambda classes: classes - 1,
        "0 to 1": lambda classes: 1.0,
        OF_A_SHARE: lambda classes: MOST_ERROR,
        "nats": lambda classes: float(np.log(classes)),
        "yes or no": lambda classes: 0.0,
    }
    columns = {
        each.name: each for each in COLUMNS if each.is_map and not each.optional and each.unit in by_unit
    }
    found = {name: _Kind(each.unit, each.words, by_unit[each.unit]) for name, each in columns.items()}
    flips = "1 where the model is flipping a coin"
    found[COIN_FLIPS] = _Kind(flips, "where two classes are nearly as probable", by_unit["yes or no"])
    return found


MAPS: Mapping[str, _Kind] = _kinds()
"""The maps that can be written, by name: those of `DenseCertainty`, and `coin-flips`."""

Map = NDArray[Any]


def write_map_files(
    parts: Iterable[DenseCertainty],
    folder: Path,
    form: str,
    names: Sequence[str] = USUAL,
) -> int:
    """Write the maps of results, and what they mean; earlier files stay until all new ones are complete.

    Args:
        parts: Results of one kind; one at a time is held, and of its maps one row.
        folder: Made if it is not there.
        form: `png` or `npy`.
        names: Names of the maps, among `MAPS`.

    Returns:
        How many rows there were.

    Raises:
        InputError: Maps that such files cannot hold.
        FileError: They cannot be written.
    """
    told: dict[str, Any] = {}
    taken: dict[str, dict[str, Any]] = {}
    with folder_made(folder), moved_into(folder, MANIFEST) as new:
        longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        ending = max(len(f".{what}.{form}") for what in names)
        free = _FreeNames(longest - ending)
        for part in parts:
            check_map_files(part[:1], form, names)
            told = told or _about(part, form, names)
            for at in range(len(part)):
                one = part[at : at + 1]
                row, called = int(one.row[0]), None if one.ids is None else str(one.ids[0])
                name = free.of(called, row, one.kind)
                taken[name] = {"row": row, "id": called}
                for what in names:
                    _WRITERS[form](new / name, what, _map_of(one, what), len(one.class_names))
        text = json.dumps({**told, "maps": taken}, indent=1, ensure_ascii=False) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
    return len(taken)


def check_names(names: Sequence[str]) -> None:
    """Raise an `InputError` unless these are names of different maps."""
    unknown = [name for name in names if name not in MAPS]
    if unknown or len(set(names)) < len(names) or not names:
        raise InputError(
            f"There is no map {quoted(unknown)}" if unknown else "--map-names does not name each map once",
            expected=f"some of {', '.join(MAPS)}",
            received=",".join(names),
        )


def check_map_files(result: DenseCertainty, form: str, names: Sequence[str]) -> None:
    """Raise an `InputError` unless such files can hold the maps of a result.

    Arguments are those of `write_map_files`.
    """
    check_names(names)
    axes, classes = len(result.positions), len(result.class_names)
    if form == PNG and axes != 2:
        raise InputError(
            f"A .{form} file holds maps of two axes",
            expected="--map-format npy",
            received=f"maps of {axes} {'axis' if axes == 1 else 'axes'}",
        )
    most = MOST_CLASSES - (result.counts is not None)
    if form == PNG and classes > most:
        raise InputError(
            f"A .{form} file of labels holds at most {most} classes",
            expected="--map-format npy",
            received=f"{classes} classes",
        )
    if not len(result):
        return
    if form == PNG:
        for name in names:
            if _is_grey(MAPS[name]):
                _check_grey(name, _map_of(result[:1], name))


def _check_grey(name: str, values: Map) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"A .png file cannot hold `{name}`, which is not known at every position",
            expected=f"--map-format npy, or --map-names without {name}",
        )


def _about(result: DenseCertainty, form: str, names: Sequence[str]) -> dict[str, Any]:
    classes = len(result.class_names)
    kinds = {name: MAPS[name] for name in names}
    grey = {name: {"0": 0.0, "255": each.most(classes)} for name, each in kinds.items() if _is_grey(each)}
    return {
        "classes": [
            {"number": number, "name": name, "colour": colour}
            for number, (name, colour) in enumerate(
                zip(result.class_names, class_colours(classes), strict=True)
            )
        ],
        "units": {name: kind.unit for name, kind in kinds.items()},
        "meaning": {name: kind.words for name, kind in kinds.items()},
        **({"scale": grey} if form == PNG else {}),
        "does_not_count": LEFT_OUT[form],
        "coin_flip": {
            "gap_at_most": result.thresholds.coin_flip,
            "probability_below": result.thresholds.sure,
        },
        "method": dict(result.method),
        "seed": result.seed,
        "version": result.version,
    }


def _is_grey(kind: _Kind) -> bool:
    return kind.most(2) > 0 and kind.unit != "class number"


def _map_of(one: DenseCertainty, name: str) -> Map:
    """(*P) a map of the only row, in the smallest type for its numbers; masked where `counts` are given."""
    found = np.asarray((one.is_coin_flip if name == COIN_FLIPS else getattr(one, name))[0])
    found = found.astype(np.float32) if found.dtype.kind == "f" else found
    if one.counts is None:
        return found
    found = found.astype(np.int8) if found.dtype == bool else found
    nothing = np.nan if found.dtype.kind == "f" else -1
    return np.ma.masked_array(np.where(one.counts[0], found, nothing).astype(found.dtype), ~one.counts[0])


class _FreeNames:
    """Names of the files of rows: like the image of a row, or by its number.

    Names alike but for case get the number too, since some file systems take them for one; so do those that
    are cut, as the names of images in folders within folders may be.

    Args:
        most: Bytes in a name.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[str] = set()

    def of(self, called: str | None, row: int, kind: str) -> str:
        """A name that no row before had."""
        own, end = f"{kind}-{row:06}", ""
        if called is not None:
            own = re.sub(r"[^\w.\- ]+", "_", without_ending(called)).strip(". ") or own
        name = own
        while len(name.encode()) > self._most or _alike(name) in self._taken:
            end += f"-{row:06}"
            name = own.encode()[: self._most - len(end)].decode(errors="ignore") + end
        self._taken.add(_alike(name))
        return name


def _alike(name: str) -> str:
    """The same text for all names that a file system may take for one."""
    return unicodedata.normalize("NFC", name.casefold())


def _write_png(path: Path, what: str, values: Map, classes: int) -> None:
    from PIL import Image

    kind, left_out = MAPS[what], np.ma.getmask(values)
    if kind.unit == "class number":
        picture = Image.fromarray(_in_8_bits(values))
        palette = bytes.fromhex("".join(colour[1:] for colour in class_colours(classes)))
        picture.putpalette(palette if left_out is np.ma.nomask else palette.ljust(3 * (NO_DATA + 1), b"\0"))
    elif _is_grey(kind):
        _check_grey(what, values)
        grey = 255 * np.clip(np.ma.filled(values, 0) / kind.most(classes), 0, 1)
        picture = Image.fromarray(np.rint(grey).astype(np.uint8))
    else:
        picture = Image.fromarray(np.ma.filled(values, 0).astype(bool))
    more: dict[str, Any] = {}
    if left_out is not np.ma.nomask and kind.unit == "class number":
        more["transparency"] = NO_DATA
    elif left_out is not np.ma.nomask:
        picture = picture.convert("L")
        picture.putalpha(Image.fromarray(np.where(left_out, 0, 255).astype(np.uint8)))
    picture.save(f"{path}.{what}.png", format="PNG", **more)


def _in_8_bits(values: Map) -> Map:
    """Class numbers, or yes or no, with `NO_DATA` where a position does not count."""
    return np.asarray(np.ma.getdata(values)).astype(np.uint8)  # of which −1 makes 255


def _write_npy(path: Path, what: str, values: Map, classes: int) -> None:
    np.save(f"{path}.{what}.npy", np.ma.getdata(values))


_WRITERS: dict[str, Callable[[Path, str, Map, int], None]] = {
    PNG: _write_png,
    NPY: _write_npy,
}
