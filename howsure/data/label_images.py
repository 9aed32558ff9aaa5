"""A folder of label images: files of class numbers, named like the rows that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np

from howsure.data.image_headers import ORIENTATION, check_png, steps_of, turned
from howsure.data.images import readable, without_ending
from howsure.data.rows import Array, quoted
from howsure.errors import FileError, InputError, probing

ENDING = ".png"
"""Ending of label images."""

_NUMBERS = ("P", "L", "1", "I", "I;16")
"""Pillow's names of images of one whole number for each pixel; of `P` that is the place in the palette."""


@dataclass(frozen=True, eq=False)
class LabelFolder:
    """Label images, of which each is opened when it is needed; as `howsure.data.label_files.LabelFile`.

    Attributes:
        path: The folder.
        files: (N,) label images, sorted by name.
    """

    path: Path
    files: tuple[Path, ...]

    @classmethod
    def of_folder(cls, path: Path) -> Self:
        """The label images in a folder and in its sub-folders.

        Raises:
            InputError: There are none.
        """
        visible = sorted(
            file
            for file in path.rglob("*")
            if not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        files = tuple(file for file in visible if file.suffix.lower() == ENDING)
        if not files:
            raise InputError(
                f"The folder '{path}' holds no label images",
                expected=f"files ending in {ENDING}, named like the images that they belong to",
                hint="Labels in other files go into one .npy file of shape (N, …)",
            )
        return cls(path, files)

    @cached_property
    def ids(self) -> Array:
        """(N,) their names."""
        return np.array([readable(file.relative_to(self.path)) for file in self.files], dtype=object)

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        names = [without_ending(name) for name in self.ids.tolist()]
        return dict(zip(names, self.files, strict=True))

    def of(self, rows: Any) -> Array:
        """(N, *P) class numbers of all rows, found by their names.

        Args:
            rows: Names of the rows, with `ids`.

        Raises:
            FileError: A label image cannot be read.
            InputError: A row has none, or one that holds no class numbers.
        """
        ids: Array | None = getattr(rows, "ids", None)
        if ids is None:
            raise InputError(
                f"'{self.path}' holds label images, which belong to rows by name; these rows have no names",
                expected="images in files as rows, or labels in one .npy file of shape (N, …)",
            )
        files = [self._file_of(str(each)) for each in ids.tolist()]
        if not files:
            return np.empty((0, 0, 0), np.int64)
        first = _read_png(files[0])
        found = np.empty((len(files), *first.shape), first.dtype)
        for number, file in enumerate(files):
            labels = _read_png(file)
            if labels.shape != first.shape:
                raise InputError(
                    f"'{file}' differs in size from '{files[0].name}'",
                    expected=" × ".join(map(str, first.shape)),
                    received=" × ".join(map(str, labels.shape)),
                )
            found = found.astype(np.promote_types(found.dtype, labels.dtype), copy=False)
            found[number] = labels
        return found

    def of_some(self, called: Any, rows: Array) -> Array:
        """As `of`; the positions of the rows play no part."""
        return self.of(called)

    def check_count(self, rows: int) -> None:
        """Raise an `InputError` if there are fewer label images than rows."""
        if len(self.files) < rows:
            raise InputError(
                f"'{self.path}' has fewer label images than there are rows",
                expected=f"{rows:,} or more",
                received=f"{len(self.files):,}",
            )

    def decided(self, names: Sequence[str] | None) -> Self:
        """The same: label images hold numbers, and no names."""
        return self

    def _file_of(self, name: str) -> Path:
        names = (name, without_ending(name), str(PurePosixPath(name).with_suffix("")))
        found = next((self._by_name[each] for each in names if each in self._by_name), None)
        if found is None:
            first = self.files[0].name
            raise InputError(
                f"'{self.path}' holds no label image for '{name}'",
                expected=f"'{without_ending(name)}{first.removeprefix(without_ending(first))}'",
                received=f"{quoted(self.ids[:3].tolist())}, …",
            )
        return found


@probing()
def _read_png(file: Path) -> Array:
    """(H, W) values of a grey image, or places in the palette."""
    from PIL import Image

    try:
        with file.open("rb") as handle:
            check_png(handle)
            steps = steps_of(handle)
            with Image.open(handle, formats=["PNG"]) as image:
                mode, array = image.mode, np.asarray(image)
                array = turned(array, image.getexif().get(ORIENTATION, 1))
    except Exception as error:  # Pillow's decoders may raise anything for a damaged file
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"'{file}' is not a readable label image", received=reason) from error
    if mode == "RGB" and (array == array[..., :1]).all():  # a grey image
        array = array[..., 0]
    elif mode not in _NUMBERS:
        raise InputError(
            f"'{file}' holds colours, and no class numbers",
            expected="a grey image, or one with a palette, whose values are class numbers",
            received=f"Pillow's mode {mode}",
            hint="Replace each colour by the number of its class, with colours in the order of the classes: "
            "hit = (numpy.asarray(image)[..., None, :3] == numpy.array(colours)).all(-1); "
            "image = Image.fromarray(numpy.where(hit.any(-1), hit.argmax(-1), 255).astype('uint8'))",
        )
    found: Any = array.astype(np.uint8) if array.dtype == bool else array
    return np.asarray(found // steps if mode == "L" else found)
