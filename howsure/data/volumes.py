"""NIfTI volumes: read as rows, and written with the geometry of the volume that they are maps of.

An array has the axes of its file, x, y, z and perhaps channels, as nibabel and MONAI have them. It is never
turned, so that position (i, j, k) of a map is voxel (i, j, k) of its file.
"""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from howsure.data.geometry import Geometry
from howsure.data.image_headers import check_claimed
from howsure.data.rows import Array
from howsure.errors import FileError, HowsureError, InputError, probing
from howsure.optional import needs

ENDINGS = (".nii", ".nii.gz")

AT_ONCE = 1 << 24
"""Bytes that are read at a time."""

_AXES = 3
"""Axes of space in a NIfTI file; the fourth is time, or channels, and the fifth is channels."""


def is_volume(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its name."""
    return path.name.lower().endswith(ENDINGS)


@probing()
def read_volume(file: Path) -> tuple[Array, str]:
    """The numbers in a file, scaled as it says, and how its axes lie.

    Returns:
        (X, Y, Z), or (X, Y, Z, C) with channels, in single precision. And such as `RAS`: whither the
        axes point, to the right, anterior and superior.

    Raises:
        FileError: It is missing or damaged.
        InputError: It holds colours, complex numbers, or other axes.
        DependencyError: nibabel is not installed.
    """
    image = _opened(file)
    kind = image.get_data_dtype()
    if kind.kind not in "iuf":
        raise InputError(
            f"'{file}' holds {'colours' if kind.fields else 'complex numbers'}",
            expected="one number for each voxel, or for each channel of one",
            received=f"dtype {kind}",
        )
    check_claimed(file, image.shape)
    try:
        if file.name.lower().endswith(".gz"):
            image = type(image).from_bytes(_decompressed(file, image))
        array = np.asanyarray(image.dataobj)
    except Exception as error:  # a reader may raise anything for a damaged file
        raise _unreadable(file, error) from error
    array = array.astype(np.float32, copy=False)
    if array.ndim == _AXES + 2 and array.shape[_AXES] == 1:  # channels lie behind the axis of time
        array = array[:, :, :, 0]
    if array.ndim not in (_AXES, _AXES + 1):
        raise InputError(
            f"'{file}' has {array.ndim} axes",
            expected="three axes of space, and perhaps one of channels",
            received=f"an array of shape {array.shape}",
        )
    return array, _lies(image)


def check_geometry(file: Path, sides: tuple[int, ...]) -> None:
    """Raise an `InputError` unless maps of these sides have the voxels of a volume.

    Raises:
        FileError: The file is missing or damaged.
        InputError: They have other sides.
    """
    found = tuple(map(int, _opened(file).shape[:_AXES]))
    if (*sides, *[1] * (len(found) - len(sides))) != found:  # maps may lack last axes of a single slice
        raise InputError(
            f"The maps of '{file}' have other sides than the volume, so its geometry does not fit",
            expected=f"{' × '.join(map(str, found))} voxels",
            received=" × ".join(map(str, sides)),
        )


def geometry_of(file: Path) -> Geometry:
    """The geometry of the voxels of a volume, in mm. A header without a unit is read in mm.

    Raises:
        FileError: The file is missing or damaged.
        DependencyError: nibabel is not installed.
    """
    image = _opened(file)
    header = image.header
    to_mm = {"meter": 1000.0, "micron": 0.001}.get(header.get_xyzt_units()[0], 1.0)
    affine = np.diag([to_mm, to_mm, to_mm, 1.0]) @ image.affine
    affine[:_AXES, _AXES] -= affine[:_AXES, :_AXES] @ np.full(_AXES, 0.5)  # NIfTI counts from middles
    sides = tuple(np.linalg.norm(affine[:_AXES, :_AXES], axis=0).tolist())
    if not (header["qform_code"] or header["sform_code"]):  # nothing says where the scanner was
        return Geometry(sides)
    return Geometry(sides, affine=affine, lies=_lies(image))


def check_same_place(labels: Path, image: Path) -> None:
    """Raise an `InputError` unless the voxels of two volumes of the same sides lie in the same places.

    A corner of one may lie up to half a voxel off that of the other, as headers round in many ways.

    Raises:
        FileError: A file is missing or damaged.
        InputError: They lie elsewhere.
    """
    theirs, its = _opened(labels), _opened(image)
    sides = np.array(its.shape[:_AXES])
    corners = np.array(list(itertools.product((0, 1), repeat=_AXES))) * (sides - 1)
    between = (theirs.affine - its.affine)[:_AXES]
    off = corners @ between[:, :_AXES].T + between[:, _AXES]
    voxel = np.linalg.norm(its.affine[:_AXES, :_AXES], axis=0).min()
    if np.linalg.norm(off, axis=1).max() > voxel / 2:
        raise InputError(
            f"The voxels of '{labels}' lie elsewhere than those of '{image}'",
            expected=f"the affine matrix of the volume, {np.round(its.affine[:_AXES], 3).tolist()}",
            received=np.round(theirs.affine[:_AXES], 3).tolist(),
            hint="Resample the labels to the voxels of the volume",
        )


def write_volume(path: str, array: Array, like: Path, *, is_label: bool) -> None:
    """Write a map as NIfTI, compressed, with the affine matrices and units of a volume.

    Its header has what the volume's says of space, and nothing else: no text, no extension.

    Args:
        path: Path of the file, whatever its ending.
        array: (*P) for which `check_geometry` passes.
        like: The volume.
        is_label: Whether these are class numbers.
    """
    source = _opened(like)
    header = source.header.copy()
    header.extensions.clear()
    for field in ("descrip", "aux_file", "intent_name"):
        header[field] = b""
    header["cal_min"] = header["cal_max"] = header["toffset"] = 0
    header.set_intent("label" if is_label else "none")
    header.set_data_dtype(array.dtype)
    sides = (*array.shape, *[1] * (_AXES - array.ndim))
    image = type(source)(array.reshape(sides), source.affine, header)
    Path(path).write_bytes(gzip.compress(image.to_bytes(), mtime=0))  # the same map is the same file


def _lies(image: Any) -> str:
    """Whither its axes point: `RAS`."""
    from nibabel.orientations import aff2axcodes

    return "".join(letter or "?" for letter in aff2axcodes(image.affine))


@probing()
def _opened(file: Path) -> Any:
    """The image in a file, whose numbers are not read yet."""
    with needs("nibabel", "A NIfTI file", extra="volumes"):
        import nibabel
    try:
        image = nibabel.load(file)
    except HowsureError:
        raise
    except Exception as error:  # a reader may raise anything for a damaged file
        raise _unreadable(file, error) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise _unreadable(file, f"it is a {type(image).__name__}")
    if not np.isfinite(image.affine).all() or not np.linalg.det(image.affine):
        raise _unreadable(file, f"its affine matrix is {image.affine.tolist()}, which places no voxels")
    return image


def _decompressed(file: Path, image: Any) -> bytes:
    """The bytes of a compressed volume, all of which are read, since their checksum comes last."""
    needed = (
        int(image.dataobj.offset)
        + int(np.prod(image.shape, dtype=np.int64)) * image.get_data_dtype().itemsize
    )
    with gzip.open(file) as opened:
        content = opened.read(needed)
        while opened.read(AT_ONCE):
            pass
    if len(content) < needed:
        raise ValueError(f"it ends after {len(content):,} of {needed:,} bytes")
    return content


def _unreadable(file: Path, reason: object) -> FileError:
    said = getattr(reason, "strerror", None) or " ".join(str(reason).split()) or type(reason).__name__
    return FileError(
        f"'{file}' is not a readable NIfTI file",
        received=said,
        hint="`howsure assess` leaves such files out with --skip-unreadable",
    )
