"""Read an image, a folder of images, or a folder of class folders as rows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import FileError, HowsureError, InputError, warn, warnings_never_errors
from howsure.inputs.formats import IN_WORDS
from howsure.inputs.rows import Array, InputSpec, Rows, fits, quoted
from howsure.inputs.sizes import listed_rows
from howsure.words import counted

if TYPE_CHECKING:
    from PIL import Image

FILE = "file"
"""Name of the column of ids that are names of images."""

_JPEG = ("JPEG", "MPO")

DECODERS = {
    ".bmp": ("BMP", "DIB"),
    ".gif": ("GIF",),
    ".jfif": _JPEG,
    ".jpeg": _JPEG,
    ".jpg": _JPEG,
    ".png": ("PNG",),
    ".webp": ("WEBP",),
}
"""Endings of images that are read, and Pillow's names of their decoders. Pillow chooses by the first bytes,
not by the ending. Its other decoders are never used: the one for PostScript runs a program."""

_DECODER_NAMES = frozenset(name for names in DECODERS.values() for name in names)
_OTHER_ENDINGS = (
    ".apng .arw .avif .cr2 .cr3 .dds .dib .dng .eps .exr .hdr .heic .heics .heif .heifs .ico .j2k .jif .jp2 "
    ".jpe .jpx .jxl .mpo .nef .orf .pbm .pcx .pgm .pnm .ppm .psd .qoi .raf .rw2 .svg .tga .tif .tiff"
)
"""Suffixes of other kinds of image, which are reported as unreadable."""

_OTHER_BEGINNINGS = (b"\xff\xd8\xff", b"GIF8", b"RIFF")
PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"

ORIENTATION = 0x0112
"""EXIF tag with the turn that shows an image upright; 1 for none."""

_MODES: dict[int | None, str] = {1: "L", 3: "RGB", 4: "RGBA"}
_TURNED = range(2, 9)
"""Values of `ORIENTATION` for an image that is to be turned."""


def is_image_name(path: Path) -> bool:
    """Whether this is the name of an image that is read."""
    return path.suffix.lower() in DECODERS


def without_ending(name: str) -> str:
    """The name of an image without its ending; other names as they are."""
    path = Path(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in DECODERS else name


def undeclared_input(channels: int | None) -> InputSpec:
    """The input that images are read for, if a model declares none; they get their channels last.

    Args:
        channels: That the model takes, or None.
    """
    return InputSpec("x", (None, None, channels or 3), "float32")


def read_images(
    source: Path,
    inputs: Sequence[InputSpec],
    skip_unreadable: bool,
    listed: tuple[list[tuple[Path, int]], tuple[str, ...] | None] | None = None,
) -> Rows:
    """Images as an array (N, height, width[, channels]) or `RowsOfSizes` of them, sorted by name.

    Grey, RGB or RGBA of 8 bits by the number of channels of the input; values 0 … 255; never resized; the
    first frame of an animation. If EXIF says how to turn an image, it is turned, and a warning says so. Class
    sub-folders, sorted by name, give the labels. Hidden files are ignored, and files that are no images by
    their names; one without an ending is looked into. A broken link may have been an image: it is reported.

    Args:
        source: Image or folder.
        inputs: The model's inputs; one input with channels last, or without channels.
        skip_unreadable: List unreadable images in `left_out` instead of raising.
        listed: Part of the result of `list_images`; None for all.

    Raises:
        FileError: An unreadable image.
        InputError: No images, images of a size that the model does not take, or a model that takes none.
    """
    try:
        files, class_names = list_images(source) if listed is None else listed
    except InputError:
        _shape_of_images(source, inputs)  # a model that takes no images is the first that is to be said
        raise
    shape = _shape_of_images(source, inputs)
    root = source if source.is_dir() else source.parent
    pixels: Array | list[Array] | None = None
    done: list[tuple[Path, int]] = []
    left_out: list[str] = []
    turned: list[str] = []
    for file, label in files:
        try:
            row, is_turned = _read_image(file, shape)
        except FileError as error:
            if not skip_unreadable:
                raise
            left_out.append(f"{file.relative_to(root).as_posix()}: {error.received}")
            continue
        if pixels is None:
            pixels = np.empty((len(files), *row.shape), row.dtype)
        if isinstance(pixels, np.ndarray) and row.shape != pixels.shape[1:]:
            pixels = [*pixels]  # of several sizes, as the model takes any
        pixels[len(done)] = row
        done.append((file, label))
        if is_turned:
            turned.append(file.relative_to(root).as_posix())
    if turned:
        _warn_of_turned(turned)
    if pixels is None:
        raise InputError(
            f"No image in '{source}' can be read",
            expected="one or more that Pillow can read",
            received=f"{counted(len(files), 'image')}, for example {left_out[0]}",
        )
    return Rows(
        x=_of_sizes(pixels[: len(done)]),
        labels=None if class_names is None else np.array([label for _, label in done], dtype=np.int64),
        class_names=class_names,
        ids=np.array([readable(file.relative_to(root)) for file, _ in done], dtype=object),
        id_name=FILE,
        left_out=tuple(left_out),
    )


def _of_sizes(pixels: Array | list[Array]) -> Any:
    """Images (N, …) as they are; those of a list by size."""
    of_sizes = listed_rows({0: pixels}, lambda arrays: arrays[0])
    return pixels if of_sizes is None else of_sizes


def readable(path: Path) -> str:
    """A path as text for a table; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _shape_of_images(source: Path, inputs: Sequence[InputSpec]) -> tuple[int | None, ...]:
    """The shape of the input of a model that takes images.

    Raises:
        InputError: The model takes no images.
    """
    shape = inputs[0].shape
    if len(inputs) == 1 and (len(shape) == 2 or (len(shape) == 3 and shape[-1] in _MODES)):
        return shape
    raise InputError(
        f"'{source}' is read as {'a folder of images' if source.is_dir() else 'an image'}, which this model "
        "does not take",
        expected="a model with one input of shape (height, width) or (height, width, 1, 3 or 4)",
        received=f"{len(inputs)} inputs" if len(inputs) > 1 else f"an input of shape {shape}",
        hint=f"Give the rows as a {IN_WORDS['rows']} file",
    )


def _read_image(file: Path, shape: tuple[int | None, ...]) -> tuple[Array, bool]:
    """An image (H, W[, C]) for an input of this shape, and True if it was turned upright."""
    image, is_turned = _decode(file)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    row = np.asarray(image.convert(_MODES[shape[-1] if len(shape) == 3 else 1]))
    if len(shape) > row.ndim:
        row = row[..., np.newaxis]
    if not fits(row.shape[:2], shape[:2]):
        raise InputError(
            f"'{file}' does not have the size the model takes",
            expected=f"height × width {_sides_in_words(shape[:2])}",
            received=_sides_in_words(row.shape[:2]),
            hint="Resize the images the way it was done for training",
        )
    return row, is_turned


def _visible(folder: Path) -> list[Path]:
    return sorted(
        (entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda e: e.name
    )


def _images_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if _is_image(entry)]


def _is_image(entry: Path) -> bool:
    """True for what has the name of an image, or begins as one without an ending; even if it is damaged."""
    suffix = entry.suffix.lower()
    if entry.is_dir():
        return False
    if suffix in DECODERS or suffix in _OTHER_ENDINGS.split() or not os.path.exists(entry):
        return True
    if suffix or not entry.is_file():
        return False
    with suppress(OSError), entry.open("rb") as file:
        return file.read(len(PNG_BEGINNING)).startswith((PNG_BEGINNING, *_OTHER_BEGINNINGS))
    return False


def list_images(source: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...] | None]:
    """The image files, sorted, with class numbers, and the class names if there are class folders.

    Raises:
        InputError: No images, or images both beside and inside folders.
    """
    if source.is_file():
        return [(source, 0)], None
    top = _images_in(source)
    folders = [entry for entry in _visible(source) if entry.is_dir()]
    inside = [(file, label) for label, folder in enumerate(folders) for file in _images_in(folder)]
    deeper = [inner for folder in folders for inner in _visible(folder) if _holds_images(inner)]
    if deeper or (top and inside):
        first = [*top[:1], *(file for file, _ in inside[:1]), *deeper[:1]]
        raise InputError(
            f"'{source}' is neither a folder of images nor one of class folders",
            expected="images, or one sub-folder of images per class",
            received=quoted([path.relative_to(source).as_posix() for path in first]),
        )
    if inside:
        return inside, tuple(folder.name for folder in folders)
    if not top:
        raise InputError(
            f"The folder '{source}' holds no images",
            expected=f"files ending in {', '.join(DECODERS)}, or one sub-folder of them per class",
        )
    return [(file, 0) for file in top], None


def _holds_images(folder: Path) -> bool:
    """True if a folder contains images at any depth, by suffix; links to folders are not followed."""
    return any(is_image_name(Path(name)) for _, _, names in os.walk(folder) for name in names)


def _warn_of_turned(names: Sequence[str]) -> None:
    """Warn about turned images: loaders that ignore EXIF would show them lying on their side."""
    are = "1 image was" if len(names) == 1 else f"{len(names):,} images were"
    message = (
        f"{are} turned upright, as the EXIF orientation says: {quoted(names)}. Loaders of Keras do not "
        "turn images. If the model was trained on them as they lie, save them without EXIF."
    )
    warn(message, kind="turned images")


@warnings_never_errors()
def _decode(file: Path) -> tuple[Image.Image, bool]:
    """The image, upright, and True if it had to be turned."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    _check_regular(file)
    try:
        with file.open("rb") as handle:
            start = handle.read(len(PNG_BEGINNING))
            handle.seek(0)
            if start.startswith(PNG_BEGINNING):
                Image.open(handle, formats=["PNG"]).verify()  # compares all checksums
                handle.seek(0)
            image: Image.Image = Image.open(handle, formats=sorted(_DECODER_NAMES & Image.OPEN.keys()))
            if has_more_than_8_bits(image):
                raise InputError(
                    f"'{file}' has more than 8 bits per channel",
                    expected="8 bits per channel",
                    received=f"Pillow's mode {image.mode}",
                    hint="Convert the images to 8 bits, or give the rows as a .npz or .npy file",
                )
            image.load()
            is_turned = image.getexif().get(ORIENTATION, 1) in _TURNED
            return (ImageOps.exif_transpose(image) if is_turned else image), is_turned
    except HowsureError:
        raise
    except UnidentifiedImageError as error:
        problem = f"its content is none of {', '.join(sorted(_DECODER_NAMES))}"
        raise _unreadable(file, problem if file.stat().st_size else "the file is empty") from error
    except Exception as error:  # Pillow's decoders may raise anything for a damaged file
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, MemoryError):
            reason = "memory ran out while it was read"
        raise _unreadable(file, reason) from error


def _check_regular(file: Path) -> None:
    """Raise a `FileError` unless this is a regular file: a pipe would block, and a link may be broken."""
    if file.is_symlink() and not os.path.exists(file):
        raise _unreadable(file, "a link that leads nowhere")
    if file.exists() and not file.is_file():
        raise _unreadable(file, "it is no file")


def _unreadable(file: Path, reason: str) -> FileError:
    return FileError(
        f"'{file}' is not a readable image",
        received=reason,
        hint="Convert it to PNG, or read it in Python and give an array. `howsure assess` leaves such images "
        "out with --set skip_unreadable=true",
    )


def _sides_in_words(sides: Sequence[int | None]) -> str:
    return " × ".join("any" if side is None else str(side) for side in sides)


_RAW = re.compile(r";(12|16[BLN])")
"""Pillow's names for numbers of 12 or 16 bits. In BMP, `BGR;16` means 16 bits for a whole pixel."""


def has_more_than_8_bits(image: Image.Image) -> bool:
    """Whether a channel of an opened image, whose pixels are not loaded, has more than 8 bits.

    Pillow reduces such channels to 8 bits without a word.
    """
    if image.mode.startswith(("I", "F")):
        return True
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], (tuple, list)) else (tile[3],)
        if _RAW.search(str(arguments[0])):
            return True
    return False
