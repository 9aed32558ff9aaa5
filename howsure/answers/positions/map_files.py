"""Maps as files for other programs: what each position is, how much doubt there is, and where coin flips are.

    NAME.label.png        class numbers, with a palette of the colours of the classes
    NAME.entropy.png      doubt, 8-bit grey: 0 is none, 255 is log K, as where all K classes are alike
    NAME.coin-flips.png   a mask, white where the model is flipping a coin
    maps.json             class names, colours, units, and which row each NAME is

`.npy` and GeoTIFF hold the numbers themselves: class numbers, nats, and 1 for a coin flip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers.positions.colours import class_colours
from howsure.answers.positions.result import DenseCertainty
from howsure.atomic import write_whole
from howsure.data.images import SUFFIXES
from howsure.errors import FileError, InputError

PNG, NPY, TIF = "png", "npy", "tif"

MANIFEST = "maps.json"

MOST_CLASSES = 256
"""Colours in a palette, and values of 8 bits."""

_UNITS = {"label": "class number", "entropy": "nats", "coin-flips": "1 where the model is flipping a coin"}

Maps = Mapping[str, NDArray[Any]]


def write_map_files(
    parts: Iterable[DenseCertainty], folder: Path, form: str, source: Path | None = None
) -> int:
    """Write the maps of results, and what they mean.

    Args:
        parts: Results of one kind; one at a time is held.
        folder: Which is there.
        form: `png`, `npy` or `tif`.
        source: The image, or the folder of images, that the ids of the rows name; GeoTIFFs have its geometry.

    Returns:
        How many rows there were.

    Raises:
        InputError: Maps that such files cannot hold.
        FileError: They cannot be written, or an image cannot be read for its geometry.
    """
    told: dict[str, Any] = {}
    taken: dict[str, dict[str, Any]] = {}
    for part in parts:
        check_form(part, form)
        told = told or _about(part, form)
        for at in range(len(part)):
            one = part[at : at + 1]
            row, called = int(one.row[0]), None if one.ids is None else str(one.ids[0])
            name = _free_name(called, row, one.kind, taken)
            taken[name] = {"row": row, "id": called}
            maps = {
                "label": np.asarray(one.label)[0],
                "entropy": np.asarray(one.entropy)[0],
                "coin-flips": one.is_coin_flip[0],
            }
            if form == TIF:
                _write_tif(folder / name, maps, one.class_names, _origin(source, called))
            else:
                _WRITERS[form](folder / name, maps, one.class_names)
    text = json.dumps({**told, "maps": taken}, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return len(taken)


def check_form(result: DenseCertainty, form: str) -> None:
    """Raise an `InputError` unless such files can hold the maps of a result."""
    axes, classes = len(result.positions), len(result.class_names)
    if form != NPY and axes != 2:
        raise InputError(
            f"A .{form} file holds maps of two axes",
            expected="--map-format npy",
            received=f"maps of {axes} {'axis' if axes == 1 else 'axes'}",
        )
    if form != NPY and classes > MOST_CLASSES:
        raise InputError(
            f"A .{form} file of labels holds at most {MOST_CLASSES} classes",
            expected="--map-format npy",
            received=f"{classes} classes",
        )


def _about(result: DenseCertainty, form: str) -> dict[str, Any]:
    """What the maps mean, as JSON holds it."""
    classes = len(result.class_names)
    scale = {"0": 0.0, "255": float(np.log(classes))}
    return {
        "classes": [
            {"number": number, "name": name, "colour": colour}
            for number, (name, colour) in enumerate(
                zip(result.class_names, class_colours(classes), strict=True)
            )
        ],
        "units": _UNITS,
        **({"entropy_scale_in_nats": scale} if form == PNG else {}),
        "coin_flip": {
            "gap_at_most": result.thresholds.coin_flip,
            "probability_below": result.thresholds.sure,
        },
        "method": dict(result.method),
        "seed": result.seed,
        "version": result.version,
    }


def _free_name(called: str | None, row: int, kind: str, taken: Mapping[str, object]) -> str:
    """What the files of a row are called: like its image, or by its number."""
    if called is None:
        return f"{kind}-{row:06}"
    path = PurePosixPath(called)
    stem = str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else called
    name = re.sub(r"[^\w.\- ]+", "_", stem).strip(". ") or f"{kind}-{row:06}"
    while name in taken:
        name = f"{name}-{row:06}"
    return name


def _write_png(path: Path, maps: Maps, names: tuple[str, ...]) -> None:
    from PIL import Image

    label = Image.fromarray(maps["label"].astype(np.uint8), "L")
    label.putpalette(bytes.fromhex("".join(colour[1:] for colour in class_colours(len(names)))))
    doubt = np.rint(255 * np.clip(maps["entropy"] / np.log(len(names)), 0, 1)).astype(np.uint8)
    pictures = {
        "label": label,
        "entropy": Image.fromarray(doubt),
        "coin-flips": Image.fromarray(maps["coin-flips"]),
    }
    for what, picture in pictures.items():
        write_whole(f"{path}.{what}.png", partial(picture.save, format="PNG"))


def _write_npy(path: Path, maps: Maps, names: tuple[str, ...]) -> None:
    def write(array: NDArray[Any], temporary: str) -> None:
        with open(temporary, "wb") as file:
            np.save(file, array)

    for what, array in maps.items():
        write_whole(f"{path}.{what}.npy", partial(write, array))


_WRITERS: dict[str, Callable[[Path, Maps, tuple[str, ...]], None]] = {PNG: _write_png, NPY: _write_npy}


# --- GeoTIFF ------------------------------------------------------------------------------------------


def _origin(source: Path | None, called: str | None) -> Path:
    """The image of a row."""
    if source is None or called is None:
        raise InputError(
            "GeoTIFFs have the geometry of the images that were assessed; these rows are no images in files",
            expected="a .tif image or a folder of them, or --map-format png or npy",
        )
    return source / called if source.is_dir() else source


def _write_tif(path: Path, maps: Maps, names: tuple[str, ...], origin: Path) -> None:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(origin) as image:
            geometry = {"crs": image.crs, "transform": image.transform}
            sides = (image.height, image.width)
    except RasterioError as error:
        raise FileError(f"The geometry of '{origin}' cannot be read ({error})") from error
    if sides != maps["label"].shape:
        raise InputError(
            f"The maps of '{origin}' have other sides than the image, so its geometry does not fit",
            expected=f"{sides[0]} × {sides[1]} pixels",
            received=" × ".join(map(str, maps["label"].shape)),
        )
    of_file: Maps = {
        "label": maps["label"].astype(np.uint8),
        "entropy": maps["entropy"].astype(np.float32),
        "coin-flips": maps["coin-flips"].astype(np.uint8),
    }

    def write(what: str, array: Any, temporary: str) -> None:
        shape = {"height": sides[0], "width": sides[1], "count": 1, "dtype": array.dtype.name}
        with rasterio.open(temporary, "w", driver="GTiff", compress="deflate", **shape, **geometry) as file:
            file.write(array, 1)
            file.set_band_description(1, what)
            file.update_tags(1, unit=_UNITS[what])
            if what == "label":
                rgb = [tuple(bytes.fromhex(colour[1:])) for colour in class_colours(len(names))]
                file.write_colormap(1, dict(enumerate(rgb)))
                file.update_tags(1, **{f"class_{number}": name for number, name in enumerate(names)})

    for what, array in of_file.items():
        write_whole(f"{path}.{what}.tif", partial(write, what, array))
