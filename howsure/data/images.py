"""Read an image, a folder of images, or a folder of class folders as rows; NIfTI volumes are images too."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.data import volumes
from howsure.data.image_headers import ORIENTATION, PNG_BEGINNING, check_png, orientation_of
from howsure.data.rasters import is_raster, read_bands
from howsure.data.rows import Array, InputSpec, Rows, counted, quoted
from howsure.data.volumes import is_volume, read_volume
from howsure.errors import FileError, HowsureError, InputError, probing, warn

if TYPE_CHECKING:
    from PIL import Image

FILE = "file"
"""Name of the column of ids that are names of images."""

# Suffixes that people use for images. An image that Pillow cannot open is reported, never ignored.
SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"]
    + [".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"]
)
# Pillow's names of the decoders for these suffixes. Pillow chooses by the first bytes, not by the suffix. Its
# other decoders are never used: the one for PostScript runs a program.
FORMATS = frozenset(
    ["AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP"]
)
_OTHER_SUFFIXES = frozenset(
    [".apng", ".arw", ".cr2", ".cr3", ".dds", ".dib", ".dng", ".eps", ".exr", ".hdr", ".heics", ".heifs"]
    + [".icns", ".ico", ".j2k", ".jif", ".jp2k", ".jpe", ".jpx", ".jxl", ".mpo", ".nef", ".orf", ".pcx"]
    + [".psd", ".qoi", ".raf", ".rw2", ".svg", ".xbm", ".xpm"]
)
"""Suffixes of rare kinds of image; some can be opened, the others are reported as unreadable."""

_TOLD = frozenset(
    ["AVIF", "DDS", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PSD", "QOI", "TIFF", "WEBP"]
)
"""Pillow's names of formats with unmistakable first bytes; a text may also begin with `BM` or `P1`."""

_BEGINNING = 16
"""Number of bytes by which Pillow recognises a format."""

_MODES: dict[int | None, str] = {1: "L", 3: "RGB", 4: "RGBA"}
_TURNED = range(2, 9)
"""Its values for an image that is to be turned."""


def is_image_name(path: Path) -> bool:
    """Whether this is the name of an image, or of a volume."""
    return path.suffix.lower() in SUFFIXES or is_volume(path)


def without_ending(name: str) -> str:
    """The name of an image without its ending; other names as they are."""
    path = Path(name)
    if is_volume(path):
        return name[: -max(len(each) for each in volumes.ENDINGS if name.lower().endswith(each))]
    return name[: -len(path.suffix)] if path.suffix.lower() in SUFFIXES else name


def undeclared_input(first: Path, channels: int | None) -> InputSpec:
    """The input that images are read for, if a model declares none; they get their channels last.

    Args:
        first: The first of the images.
        channels: That the model takes, or None.
    """
    if is_volume(first):
        return InputSpec("x", (None, None, None, channels or 1), "float32")
    return InputSpec("x", (None, None, channels or 3), "float32")


@dataclass(frozen=True)
class _Read:
    """One image as it was read.

    Attributes:
        row: As the model takes it.
        is_turned: Whether it was turned upright.
        lies: Directions of the axes of a volume; else empty.
    """

    row: Array
    is_turned: bool = False
    lies: str = ""


def read_images(
    source: Path,
    inputs: Sequence[InputSpec],
    skip_unreadable: bool,
    listed: tuple[list[tuple[Path, int]], tuple[str, ...] | None] | None = None,
    like: Path | None = None,
) -> Rows:
    """Images as an array (N, height, width[, channels]), or volumes (N, X, Y, Z[, channels]), sorted by name.

    Grey, RGB or RGBA of 8 bits by the number of channels of the input; values 0 … 255; never resized; the
    first frame of an animation. If EXIF says how to turn an image, it is turned, and a warning says so. A
    TIFF image with other bands, or with more than 8 bits, has the numbers that it holds, as a NIfTI volume
    has. Class sub-folders, sorted by name, give the labels. Hidden files are ignored, and files that are no
    images by suffix or first bytes. A broken link may have been an image, so it is not ignored.

    Args:
        source: Image or folder.
        inputs: The model's inputs; one input with channels last, or without channels.
        skip_unreadable: List unreadable images in `left_out` instead of raising.
        listed: Part of the result of `list_images`; None for all.
        like: The first of all images, where `listed` are some of them; the axes of all volumes lie as its do.

    Raises:
        FileError: An unreadable image.
        InputError: No images, images of a wrong size, or a model that does not take images.
        DependencyError: The package that reads such images is not installed.
    """
    try:
        files, class_names = list_images(source) if listed is None else listed
    except InputError:
        _reader(source, source, inputs)  # a model that takes no images is the first that is to be said
        raise
    read = _reader(source, files[0][0] if like is None else like, inputs)
    root = source if source.is_dir() else source.parent
    pixels: np.ndarray[tuple[int, ...], np.dtype[Any]] | None = None
    first: tuple[Path, _Read] | None = None
    done: list[tuple[Path, int]] = []
    left_out: list[str] = []
    turned: list[str] = []
    if like is not None and is_volume(like) and like != files[0][0]:
        try:
            first = (like, read(like))
        except FileError:  # which whoever reads that one says, or leaves out
            first = None
    for file, label in files:
        try:
            found = read(file)
        except FileError as error:
            if not skip_unreadable:
                raise
            left_out.append(f"{file.relative_to(root).as_posix()}: {error.received}")
            continue
        first = first or (file, found)
        _check_alike(file, found, *first)
        if pixels is None:
            pixels = np.empty((len(files), *found.row.shape), found.row.dtype)
        pixels[len(done)] = found.row
        done.append((file, label))
        if found.is_turned:
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
        x=pixels[: len(done)],
        labels=None if class_names is None else np.array([label for _, label in done], dtype=np.int64),
        class_names=class_names,
        ids=np.array([readable(file.relative_to(root)) for file, _ in done], dtype=object),
        id_name=FILE,
        left_out=tuple(left_out),
    )


def unreadable(file: Path) -> str | None:
    """Why an image cannot be read; None if it can."""
    try:
        if is_volume(file):
            read_volume(file)
        else:
            _decode(file)
    except FileError as error:
        return str(error.received)
    except InputError:  # it can be read, but is not accepted
        return None
    return None


def readable(path: Path) -> str:
    """A path as text for a table; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _reader(source: Path, first: Path, inputs: Sequence[InputSpec]) -> Callable[[Path], _Read]:
    """The function that reads one image after the other for a model.

    Raises:
        InputError: The model takes no images.
    """
    shape = inputs[0].shape
    if len(inputs) == 1 and is_volume(first) and len(shape) >= 3:
        return partial(_volume, shape=shape)
    fits = len(inputs) == 1 and not is_volume(first)
    if fits and (len(shape) == 2 or (len(shape) == 3 and (shape[-1] in _MODES or is_raster(first)))):
        return partial(_image, shape=shape)
    what = "a folder of images" if source.is_dir() else "an image"
    expected = "(height, width) or (height, width, 1, 3 or 4)"
    if is_volume(first):
        what, expected = (
            what.replace("images", "volumes").replace("an image", "a volume"),
            "(x, y, z, channels)",
        )
    raise InputError(
        f"'{source}' is read as {what}, which this model does not take",
        expected=f"a model with one input of shape {expected}",
        received=f"{len(inputs)} inputs" if len(inputs) > 1 else f"an input of shape {shape}",
        hint="Give the rows as a .npz, .npy, .parquet or .csv file",
    )


def _image(file: Path, shape: tuple[int | None, ...]) -> _Read:
    """An image (H, W[, C]) for an input of this shape."""
    if is_volume(file):
        raise InputError(
            f"'{file}' is a volume beside images", expected="a folder of images, or one of volumes"
        )
    mode = _MODES.get(shape[-1] if len(shape) == 3 else 1)
    if mode is None:
        image: Any = read_bands(file)
        is_turned = orientation_of(file) in _TURNED
    else:
        image, is_turned = _decode(file)
    is_array = isinstance(image, np.ndarray)
    row = image if isinstance(image, np.ndarray) else np.asarray(_convert(image, mode or ""))
    if is_array and len(shape) == 2 and row.shape[-1] == 1:
        row = row[..., 0]
    if not is_array and len(shape) > row.ndim:
        row = row[..., np.newaxis]
    _check_size(file, row, shape, ("height", "width"))
    return _Read(row, is_turned)


def _volume(file: Path, shape: tuple[int | None, ...]) -> _Read:
    """A volume (X, Y, Z[, C]) for an input of this shape."""
    if not is_volume(file):
        raise InputError(
            f"'{file}' is an image beside volumes", expected="a folder of images, or one of volumes"
        )
    row, lies = read_volume(file)
    if row.ndim == len(shape) - 1:
        row = row[..., np.newaxis]
    _check_size(file, row, shape, ("x", "y", "z"))
    return _Read(row, lies=lies)


def _visible(folder: Path) -> list[Path]:
    return sorted(
        (entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda e: e.name
    )


def _images_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if _is_image(entry)]


def _is_image(entry: Path) -> bool:
    """True for what a person would call an image, even if it is unreadable."""
    if entry.is_dir():
        return False
    if is_image_name(entry) or entry.suffix.lower() in _OTHER_SUFFIXES or not os.path.exists(entry):
        return True
    try:
        return entry.is_file() and _format(entry) in _TOLD
    except OSError:  # no permission to read it, and no image by its suffix
        return False


def list_images(source: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...] | None]:
    """The image files, sorted, with class numbers, and the class names if there are class folders.

    Raises:
        InputError: No images, or images both beside and inside folders.
    """
    if source.is_file():
        return [(source, 0)], None
    top = _images_in(source)
    lost = [entry for entry in top if not is_image_name(entry) and not os.path.exists(entry)]
    folders = [entry for entry in _visible(source) if entry.is_dir()]
    inside = [(file, label) for label, folder in enumerate(folders) for file in _images_in(folder)]
    if inside and lost:
        raise FileError(
            f"'{lost[0]}' is a link that leads nowhere",
            expected="one sub-folder of images per class",
            received=f"a link to '{os.readlink(lost[0])}'",
            hint="Put the folder there, or remove the link",
        )
    if top and inside:
        raise InputError(
            f"'{source}' holds images both directly and in sub-folders",
            expected="images, or one sub-folder of images per class",
            received=f"{counted(len(top), 'image')} beside {quoted([folder.name for folder in folders])}",
        )
    deeper = [inner for folder in folders for inner in _visible(folder) if inner.is_dir()]
    if top and not any(map(_holds_images, deeper)):
        return [(file, 0) for file in top], None
    if deeper:
        raise InputError(
            f"'{source}' has folders within class folders",
            expected="images, or one sub-folder of images per class",
            received=f"'{deeper[0].relative_to(source).as_posix()}'",
        )
    if not inside:
        raise InputError(
            f"The folder '{source}' holds no images",
            expected=f"files ending in {', '.join(sorted({*SUFFIXES, *volumes.ENDINGS}))}, or one sub-folder "
            "of them per class",
        )
    return inside, tuple(folder.name for folder in folders)


def images_of(source: Path) -> list[Path]:
    """The images that a path stands for, sorted; none where it is, or holds, other kinds of files."""
    try:
        return [file for file, _ in list_images(source)[0] if source.is_dir() or is_image_name(file)]
    except HowsureError:
        return []


def _holds_images(folder: Path) -> bool:
    """True if a folder contains images at any depth, by suffix; links to folders are not followed."""
    return any(is_image_name(Path(name)) for _, _, names in os.walk(folder) for name in names)


def _warn_of_turned(names: Sequence[str]) -> None:
    """Warn about turned images: loaders that ignore EXIF would show them lying on their side."""
    are = "1 image was" if len(names) == 1 else f"{len(names):,} images were"
    said = (
        f"{are} turned upright, as the EXIF orientation says: {quoted(names)}. Loaders of Keras do not "
        "turn images. If the model was trained on them as they lie, save them without EXIF."
    )
    warn(said, kind="turned images")


@probing()
def _decode(file: Path) -> tuple[Image.Image | Array, bool]:
    """The image, upright, and True if it had to be turned.

    A TIFF image that is not of 8 bits, or that Pillow does not know, gives its bands (H, W, C), by rasterio.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    _check_regular(file)
    has_bands = is_raster(file) and importlib.util.find_spec("rasterio") is not None
    try:
        with file.open("rb") as handle:
            start = handle.read(LOOKED_AT)
            handle.seek(0)
            if start.startswith(PNG_BEGINNING):
                check_png(handle)
            image: Image.Image = Image.open(handle, formats=sorted(FORMATS & Image.OPEN.keys()))
            is_deep = more_than_8_bits(image, start)
            if is_deep and not has_bands:
                convert = "Convert the images to 8 bits, or give the rows as a .npz or .npy file"
                raise InputError(
                    f"'{file}' has more than 8 bits per channel",
                    expected="8 bits per channel",
                    received=f"Pillow's mode {image.mode}",
                    hint=f"{convert}. Or read such TIFF images with rasterio: pip install 'howsure[maps]'"
                    if is_raster(file)
                    else convert,
                )
            if not is_deep:
                in_load = getattr(image, "tag_v2", {}).get(ORIENTATION, 1) in _TURNED  # of a TIFF image
                image.load()
                behind = image.getexif().get(ORIENTATION, 1) in _TURNED
                return (ImageOps.exif_transpose(image) if behind else image), in_load or behind
    except HowsureError:
        raise
    except UnidentifiedImageError as error:
        other = _other_format(file)
        if not has_bands or other is not None or not file.stat().st_size:
            reason = "not an image Pillow knows" if file.stat().st_size else "the file is empty"
            if other is not None:
                reason = f"its content is {other}, which is not read"
            raise _unreadable(file, reason) from error
    except Exception as error:  # Pillow's decoders may raise anything for a damaged file
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, MemoryError):
            reason = "memory ran out while it was read"
        raise _unreadable(file, reason) from error
    return read_bands(file), orientation_of(file) in _TURNED


def is_turned(file: Path) -> bool:
    """Whether an image is turned upright when it is read."""
    return _decode(file)[1]


def _check_regular(file: Path) -> None:
    """Raise a `FileError` unless this is a regular file: a pipe would block, and a link may be broken."""
    if file.is_symlink() and not os.path.exists(file):
        raise _unreadable(file, "a link that leads nowhere")
    if file.exists() and not file.is_file():
        raise _unreadable(file, "it is no file")


def _other_format(file: Path) -> str | None:
    """Pillow's name of a format outside `FORMATS`, by the first bytes; decodes nothing."""
    name = _format(file)
    return None if name in FORMATS else {"EPS": "PostScript"}.get(name or "", name)


def _format(file: Path) -> str | None:
    """Pillow's name of a format, by the first bytes; decodes nothing."""
    from PIL import Image

    Image.init()
    with file.open("rb") as handle:
        start = handle.read(_BEGINNING)
    if len(start) < _BEGINNING:  # too short for any image, and some of Pillow's readers fail on it
        return None
    found = [name for name, (_, accept) in Image.OPEN.items() if accept is not None and accept(start) is True]
    return min(found, key=FORMATS.__contains__, default=None)


def _unreadable(file: Path, reason: str) -> FileError:
    return FileError(
        f"'{file}' is not a readable image",
        received=reason,
        hint="`howsure assess` leaves such images out with --skip-unreadable",
    )


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _check_size(file: Path, row: Array, shape: tuple[int | None, ...], axes: tuple[str, ...]) -> None:
    """Raise an `InputError` unless an image fits the input of a model."""
    wanted, got = list(shape), list(row.shape)
    sides, channels = len(axes), slice(len(axes), None)
    if len(wanted) != len(got) or _differ(wanted[channels], got[channels]):
        channel = "channel" if is_volume(file) else "band"
        hint = "Put several volumes of one row into one file, on its fourth axis" if is_volume(file) else None
        raise InputError(
            f"'{file}' does not have the {channel}s that the model takes",
            expected=f"{wanted[-1] if len(wanted) > sides else 1} of them",
            received=f"{got[-1] if len(got) > sides else 1}",
            hint=hint,
        )
    if _differ(wanted[:sides], got[:sides]):
        raise InputError(
            f"'{file}' does not have the size the model takes",
            expected=f"{' × '.join(axes)} {_by(wanted[:sides])}",
            received=_by(got[:sides]),
            hint="Resize the images the way it was done for training",
        )


def _differ(wanted: Sequence[int | None], got: Sequence[int]) -> bool:
    return any(size is not None and size != found for size, found in zip(wanted, got, strict=True))


def _by(sides: Sequence[int | None]) -> str:
    return " × ".join("any" if side is None else str(side) for side in sides)


def _check_alike(file: Path, found: _Read, like: Path, first: _Read) -> None:
    """Raise an `InputError` unless an image is like the first in size, type and axes."""
    row, other = found.row, first.row
    if row.shape != other.shape:
        what = "x × y × z" if is_volume(file) else "height × width"
        sides = slice(0, 3 if is_volume(file) else 2)
        raise InputError(
            f"'{file}' differs in size from '{like.name}'",
            expected=f"the same size for all, {what} {_by(other.shape[sides])}",
            received=_by(row.shape[sides]),
            hint="Resize the images the way it was done for training",
        )
    if row.dtype != other.dtype:
        raise InputError(
            f"'{file}' holds numbers of another type than '{like.name}'",
            expected=f"{other.dtype} in all",
            received=row.dtype,
            hint="Convert the images to one type and one scale",
        )
    if found.lies != first.lies:
        raise InputError(
            f"The axes of '{file}' point elsewhere than those of '{like.name}'",
            expected=f"{first.lies} for all",
            received=found.lies,
            hint="Turn the volumes the way it was done for training, with nibabel.as_closest_canonical",
        )


# --- more than 8 bits per channel, which Pillow reduces to 8 in silence -------------------------------


LOOKED_AT = 2**16
"""Bytes at the start of a file in which AVIF and JPEG 2000 state the bit depth."""

_RAW = re.compile(r";(12|16[BLN])")
"""Pillow's names for numbers of 12 or 16 bits. In BMP, `BGR;16` means 16 bits for a whole pixel."""

_BITS_OF_JPEG2000 = 38
"""Offset, after the first two markers (ISO 15444-1, A.5.1), of the bits of the first channel, minus 1."""

_BITS_OF_AVIF, _HIGH_DEPTH = 2, 0x40
"""Offset and bit in the av1C box (AV1 in ISO base media, 2.3.3) that mean 10 or 12 bits."""


def more_than_8_bits(image: Image.Image, start: bytes) -> bool:
    """True if a channel has more than 8 bits.

    Args:
        image: An opened image whose pixels are not loaded yet.
        start: The first `LOOKED_AT` bytes of its file.
    """
    if image.mode.startswith(("I", "F")):
        return True
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], (tuple, list)) else (tile[3],)
        if tile[0].startswith("ppm"):
            return bool(arguments[1] > 255)  # the largest value there is
        if _RAW.search(str(arguments[0])):
            return True
    if image.format == "JPEG2000":
        _, _, header = start.partition(b"\xff\x4f\xff\x51")
        return header[_BITS_OF_JPEG2000] & 0x7F > 7
    if image.format == "AVIF":
        _, _, box = start.partition(b"av1C")
        return bool(box[_BITS_OF_AVIF] & _HIGH_DEPTH)
    return False
