"""Maps as pictures for other programs: what each pixel is, how much doubt there is, and where coin flips are.

    NAME.label.png        class numbers, with a palette of the colours of the classes
    NAME.entropy.png      doubt, 8-bit grey: 0 is none, 255 is log K, as where all K classes are alike
    NAME.coin-flips.png   a mask, white where the model is flipping a coin
    maps.json             class names, colours, units, and which row each NAME is

Pixels that do not count are clear (opacity 0); their class number is 255. A saved result holds all maps as
numbers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.positions.drawings import class_colours
from howsure.answers.positions.result import DenseCertainty
from howsure.atomic import folder_made, moved_into
from howsure.data.images import without_ending
from howsure.errors import InputError

MANIFEST = "maps.json"

NO_DATA = 255
"""Class number, in 8 bits, of a pixel that does not count."""

LONGEST = 200
"""Bytes in the name of a row, so that its files have names that every file system takes."""


def write_map_files(parts: Iterable[DenseCertainty], folder: Path) -> int:
    """Write the maps of results, and what they mean; earlier files stay until all new ones are complete.

    Args:
        parts: Results of one kind; one at a time is held, and of its maps one row.
        folder: Made if it is not there.

    Returns:
        How many rows there were.

    Raises:
        InputError: Maps that pictures cannot hold.
        FileError: They cannot be written.
    """
    about: dict[str, Any] = {}
    named: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    with folder_made(folder), moved_into(folder, MANIFEST) as new:
        for part in parts:
            check_map_files(part)
            about = about or _about(part)
            for at in range(len(part)):
                one = part[at : at + 1]
                row, called = int(one.row[0]), None if one.ids is None else str(one.ids[0])
                name = _free_name(called, row, one.kind, taken)
                named[name] = {"row": row, "id": called}
                _write(new / name, one)
        text = json.dumps({**about, "maps": named}, indent=1, ensure_ascii=False) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
    return len(named)


def check_map_files(result: DenseCertainty) -> None:
    """Raise an `InputError` unless pictures can hold the maps of a result."""
    axes, classes = len(result.positions), len(result.class_names)
    most = NO_DATA + (result.counts is None)
    if axes == 2 and classes <= most:
        return
    raise InputError(
        "Pictures cannot hold these maps",
        expected=f"maps of two axes, and at most {most} classes",
        received=f"maps of {axes} {'axis' if axes == 1 else 'axes'}, and {classes} classes",
        hint="A saved result holds all maps as arrays: howsure.load('result.parquet').entropy, for example",
    )


def _about(result: DenseCertainty) -> dict[str, Any]:
    colours = zip(result.class_names, class_colours(len(result.class_names)), strict=True)
    return {
        "classes": [
            {"number": number, "name": name, "colour": colour}
            for number, (name, colour) in enumerate(colours)
        ],
        "units": {"label": "class number", "entropy": "nats", "coin-flips": "white where it is one"},
        "scale": {"entropy": {"0": 0.0, "255": float(np.log(len(result.class_names)))}},
        "does_not_count": f"clear (opacity 0); as a class number {NO_DATA}",
        "coin_flip": {
            "gap_at_most": result.thresholds.coin_flip,
            "probability_below": result.thresholds.sure,
        },
        "method": dict(result.method),
        "seed": result.seed,
        "version": result.version,
    }


def _free_name(called: str | None, row: int, kind: str, taken: set[str]) -> str:
    """A name for the files of a row that none before had: like its image, or by its number.

    Names alike but for case get the number too, since some file systems take them for one; so do those that
    are cut, as the names of images in folders within folders may be.
    """
    name = f"{kind}-{row:06}"
    if called is not None:
        name = re.sub(r"[^\w.\- ]+", "_", without_ending(called)).strip(". ") or name
    own, end = name, ""
    while len(name.encode()) > LONGEST or _alike(name) in taken:
        end += f"-{row:06}"
        name = own.encode()[: LONGEST - len(end)].decode(errors="ignore") + end
    taken.add(_alike(name))
    return name


def _alike(name: str) -> str:
    """The same text for all names that a file system may take for one."""
    return unicodedata.normalize("NFC", name.casefold())


def _write(path: Path, one: DenseCertainty) -> None:
    """The pictures of the only row of a result."""
    from PIL import Image

    counts, classes = one.counts, len(one.class_names)
    label = Image.fromarray(np.asarray(one.label[0]).astype(np.uint8))  # of which −1 makes 255
    palette = bytes.fromhex("".join(colour[1:] for colour in class_colours(classes)))
    label.putpalette(palette if counts is None else palette.ljust(3 * (NO_DATA + 1), b"\0"))
    label.save(f"{path}.label.png", format="PNG", transparency=None if counts is None else NO_DATA)
    doubt = np.clip(np.nan_to_num(one.entropy[0]) / np.log(classes), 0, 1)
    pictures = {
        "entropy": Image.fromarray(np.rint(255 * doubt).astype(np.uint8)),
        "coin-flips": Image.fromarray(np.asarray(one.is_coin_flip[0])),
    }
    for name, picture in pictures.items():
        if counts is not None:
            picture = picture.convert("L")
            picture.putalpha(Image.fromarray(np.where(counts[0], 255, 0).astype(np.uint8)))
        picture.save(f"{path}.{name}.png", format="PNG")
