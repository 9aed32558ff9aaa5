"""Whether a model says the same of the same rows as before, and which parts lack repaired images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from howsure.data.reading import open_native, reading
from howsure.data.typed import FROM_0, wrong
from howsure.errors import FileError, InputError
from howsure.scale.sources import Reader, SourceFile
from howsure.scale.work import Part, about_of, by_name

RELATIVE = 0.02
"""By what share a number may differ: TF32 of graphics processors keeps 10 bits, so a logit of 30 differs
by up to 30 / 2¹¹, and a probability by that share."""

ABSOLUTE = 1e-5
"""By what share of the largest number those near 0 may differ, which float32 does not hold as well."""


@dataclass(frozen=True)
class Probe:
    """The answers of a model for a few rows when a folder was begun.

    Attributes:
        file: Number of the file of rows.
        start: The first row in that file.
        stop: The row after the last one.
        rows: Those of them that could be read, as places in the file.
        probabilities: The first numbers in the result, for each.
        passes: Passes of each; none if the result does not tell them.
        column: Column of these numbers in the result.
    """

    file: Annotated[int, FROM_0]
    start: Annotated[int, FROM_0]
    stop: Annotated[int, FROM_0]
    rows: Sequence[int]
    probabilities: Sequence[Sequence[float]]
    passes: Sequence[int]
    column: str = "probabilities"

    def __post_init__(self) -> None:
        if not self.rows or not len(self.rows) == len(self.probabilities) == len(self.passes):
            raise wrong("rows", "some, with as many `probabilities` and `passes`", self.rows)

    @classmethod
    def of(cls, part: Part, result: Any) -> Probe:
        """The noted numbers of a result."""
        column = result.first_numbers()
        return cls(
            part.file,
            part.start,
            part.stop,
            (result.row - part.first_row + part.start).tolist(),
            np.asarray(getattr(result, column), np.float64).tolist(),
            result.passes.tolist() if result.has("passes") else [0] * len(result),
            column,
        )

    def part(self, files: Sequence[SourceFile]) -> Part:
        """The place of the rows."""
        before = next(first for number, first, _ in by_name(files) if number == self.file)
        return Part(self.file, self.start, self.stop, before + self.start)

    def agrees(self, other: Probe) -> bool:
        """Whether a model may be the same, by what it says of the rows that both have.

        Passes end when an error is small enough. Rounding may end those of one row elsewhere, which is then
        not compared; hardly ever those of more than half of them.
        """
        place = {row: number for number, row in enumerate(other.rows)}
        both = [(number, place[row]) for number, row in enumerate(self.rows) if row in place]
        same = [(a, b) for a, b in both if self.passes[a] == other.passes[b]]
        if 2 * len(same) < len(both):
            return False
        largest = max((float(np.abs(each).max(initial=0.0)) for each in self.probabilities), default=0.0)
        near_zero = ABSOLUTE * largest  # numbers may have any unit
        return all(_close(self.probabilities[a], other.probabilities[b], near_zero) for a, b in same)


def _close(known: Any, found: Any, near_zero: float) -> bool:
    known, found = np.asarray(known), np.asarray(found)
    return known.shape == found.shape and np.allclose(found, known, RELATIVE, near_zero, equal_nan=True)


def check_probe(
    folder: Path,
    before: tuple[Probe, Sequence[SourceFile]],
    now: tuple[Probe, Sequence[SourceFile]],
    check: Callable[[Part], Any],
) -> Probe:
    """The answers of a model that a folder keeps: the earlier ones, unless the file of those rows changed.

    Args:
        folder: Of results.
        before: The earlier answers of the model, and the files of rows.
        now: Likewise.
        check: Gives the result of a part.

    Raises:
        InputError: The model says something else of the same rows.
    """
    (known, old), (found, new) = before, now
    if not old[known.file].is_like(new[known.file]):
        return found
    part = known.part(new)
    if (found.file, found.start, found.stop) != (known.file, known.start, known.stop):
        try:
            found = Probe.of(part, check(part))
        except (FileError, InputError):  # told when its turn comes
            return known
    if not known.agrees(found):
        raise InputError(
            f"The results in '{folder}' belong to another model, or to other rows: for row {known.rows[0]} "
            f"of '{old[known.file].name}' the model gives another answer",
            expected=f"{known.column} {_shown(known)}, as there",
            received=_shown(found),
            hint="Give another folder, or the model and the rows that this folder was begun with",
        )
    return known


def _shown(probe: Probe) -> str:
    return ", ".join(f"{each:.4g}" for each in np.ravel(probe.probabilities[0])[:5])


# --- images ---------------------------------------------------------------------------------------


def digests_of(reader: Reader, parts: Sequence[Part]) -> dict[str, str]:
    """Marks of the images in each part, by its name; none where rows are no images."""
    found = {part.name: reader.digest(part.start, part.stop) for part in parts}
    return {name: digest for name, digest in found.items() if digest is not None}


def lacking(folder: Path, part: Part) -> list[int]:
    """Rows that a part which is there does not hold, as places in the file of rows.

    Raises:
        FileError: It cannot be read.
    """
    import pyarrow.parquet as pq

    path = folder / part.name
    with reading(path, "Parquet"), open_native(path) as opened, pq.ParquetFile(opened) as file:
        if file.metadata.num_rows == len(part):
            return []
        rows = file.read(columns=["row"]).column("row").to_numpy()
    there = set(rows.tolist())
    return [row for row in range(part.start, part.stop) if row - part.start + part.first_row not in there]


def changed_images(
    folder: Path,
    before: Mapping[str, str],
    now: Mapping[str, str],
    parts: Sequence[Part],
    reader: Reader,
) -> list[Part]:
    """Parts whose images are not as they were, and which some were left out of: they may have been repaired.

    Args:
        folder: Of results.
        before: Marks of the images, by name of the part.
        now: Likewise.
        parts: All of them.
        reader: Reader of the images, whose content is looked at if marks differ.

    Raises:
        InputError: Others have changed.
    """
    found = []
    for part in parts:
        if before.get(part.name) == now.get(part.name) or not (folder / part.name).exists():
            continue
        try:
            without = lacking(folder, part)
            content = about_of(folder / part.name).content
        except Exception:  # a damaged part is made again anyway
            continue
        if content and content == reader.content(part.file, part.start, part.stop):
            continue
        if not without:
            raise InputError(
                f"The results in '{folder}' belong to other rows: images {part.start} to {part.stop - 1}, by "
                "their names from 0 on, are not those of then",
                expected="images of the same names and content",
                hint="Give another folder",
            )
        found.append(part)
    return found
