"""`--maps`: maps of the positions of each row as files for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.answers.registry import part_of
from howsure.cli.paths import check_folder
from howsure.data.images import list_images
from howsure.data.rows import counted
from howsure.errors import InputError
from howsure.optional import needs
from howsure.terminal import say

GEOTIFF = (".tif", ".tiff")


class MapFormat(StrEnum):
    """Files of maps."""

    png = "png"
    npy = "npy"
    tif = "tif"


@dataclass(frozen=True)
class MapOptions:
    """Files of maps."""

    maps: Annotated[
        Path | None,
        typer.Option(
            help="Folder for maps of each image whose pixels have a class: label, entropy and coin flips, "
            "named like the image."
        ),
    ] = None
    map_format: Annotated[
        MapFormat | None,
        typer.Option(help="Files of --maps: png (default), npy, or tif with the geometry of .tif images."),
    ] = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that the kind of the results must have; see `howsure.answers.registry`."""
        return () if self.maps is None else ("map_files",)

    def check(self, data: Path, taken: Sequence[Path]) -> None:
        """Make the folder; raise if maps cannot be written there.

        Args:
            data: The rows.
            taken: Inputs, and the folder of results.

        Raises:
            InputError: Options that do not fit.
            DependencyError: A package is not installed.
            FileError: The folder cannot be written to.
        """
        if self.maps is None:
            if self.map_format is not None:
                raise InputError("--map-format has no effect without --maps", expected="--maps FOLDER")
            return
        same = next((path for path in taken if path.resolve() == self.maps.resolve()), None)
        if same is not None:
            raise InputError(f"The maps would lie in '{same}'", expected="a folder of their own for --maps")
        if self.map_format == MapFormat.tif:
            images = list_images(data)[0] if data.is_dir() else [(data, 0)]
            other = next((file for file, _ in images if file.suffix.lower() not in GEOTIFF), None)
            if other is not None:
                raise InputError(
                    "--map-format tif takes the geometry of the images",
                    expected="a .tif image, or a folder of them",
                    received=f"'{other}'",
                    hint="Other images get --map-format png or npy",
                )
            with needs("rasterio", "`--map-format tif`", extra="maps"):
                import rasterio  # noqa: F401  # whose absence is told before work begins
        check_folder(self.maps)

    def checked(self, result: Any) -> Any:
        """The result as it is; an `InputError` where maps are wanted, and its kind has none."""
        for part in self.parts:
            part_of(result, part)
        return result

    def write(self, results: Iterable[Any], data: Path, console: Console) -> None:
        """Write the maps, if the caller wants any, and say how many.

        Args:
            results: At least one.
            data: The rows.
            console: For the text.
        """
        if self.maps is None:
            return
        parts: Iterator[Any] = iter(results)
        first = next(parts)
        form = (self.map_format or MapFormat.png).value
        count = part_of(first, "map_files")(chain([first], parts), self.maps, form, data)
        say(console, f"Maps:    {self.maps}, of {counted(count, first.kind)}")
