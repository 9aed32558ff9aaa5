"""`--maps`: maps of the positions of each row as files for other programs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.answers.positions.map_files import MAPS, NII, NPY, PNG, TIF, USUAL, check_names
from howsure.answers.positions.region_files import CSV, GEOJSON
from howsure.answers.registry import part_of
from howsure.atomic import check_folder
from howsure.cli.grouped import given
from howsure.cli.paths import check_output
from howsure.data.images import images_of
from howsure.data.rasters import is_raster
from howsure.data.rows import counted
from howsure.data.volumes import is_volume
from howsure.errors import InputError
from howsure.optional import needs
from howsure.terminal import say


class MapFormat(StrEnum):
    """Files of maps."""

    png = PNG
    npy = NPY
    tif = TIF
    nii = NII


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
        typer.Option(
            help="Files of --maps: png (default), npy, tif with the geometry of .tif images, or nii "
            "(.nii.gz) with that of NIfTI volumes, for which it is the default."
        ),
    ] = None
    regions: Annotated[
        Path | None,
        typer.Option(
            help="File for the regions of coin flips of each image: .csv, or .geojson with their outlines."
        ),
    ] = None
    map_names: Annotated[
        str | None, typer.Option(help=f"Maps to write, a,b,c: {', '.join(MAPS)}.", metavar="NAMES")
    ] = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the maps."""
        return USUAL if self.map_names is None else tuple(each.strip() for each in self.map_names.split(","))

    def form(self, data: Path) -> str:
        """The ending of the files, for these rows."""
        if self.map_format is not None:
            return self.map_format.value
        return NII if any(map(is_volume, images_of(data)[:1])) else PNG

    def check(self, data: Path, taken: Sequence[Path]) -> None:
        """Raise if maps cannot be written there; nothing is made.

        Args:
            data: The rows.
            taken: Inputs, and the folder of results.

        Raises:
            InputError: Options that do not fit.
            DependencyError: A package is not installed.
            FileError: The folder cannot be written to.
        """
        if self.regions is not None:
            check_output(self.regions, (CSV, GEOJSON), taken)
            if self.regions.suffix.lower() == GEOJSON:
                with needs("rasterio", "A .geojson file", extra="maps"):
                    importlib.import_module("rasterio")
        if self.maps is None:
            for name in given(replace(self, regions=None)):
                raise InputError(f"{name} has no effect without --maps", expected="--maps FOLDER")
            return
        check_names(self.names)
        same = next((path for path in taken if path.resolve() == self.maps.resolve()), None)
        if same is not None:
            raise InputError(f"The maps would lie in '{same}'", expected="a folder of their own for --maps")
        form = self.form(data)
        if form in _GEOMETRY:
            fits, files, (package, extra) = _GEOMETRY[form]
            other = next((file for file in images_of(data) or [data] if not fits(file)), None)
            if other is not None:
                raise InputError(
                    f"--map-format {form} takes the geometry of {files}",
                    expected=f"{files}",
                    received=f"'{other}'",
                    hint="Other rows get --map-format png or npy",
                )
            with needs(package, f"`--map-format {form}`", extra=extra):
                importlib.import_module(package)  # whose absence is told before work begins
        check_folder(self.maps)

    def checked(self, result: Any, data: Path) -> Any:
        """The result as it is; an `InputError` where maps are wanted, and it has none that can be written."""
        if self.maps is not None:
            part_of(result, "check_map_files")(result, self.form(data), data, self.names)
        if self.regions is not None:
            part_of(result, "check_region_file")(result, self.regions)
        return result

    def write(self, results: Callable[[], Iterable[Any]], data: Path, console: Console) -> None:
        """Write the maps and regions that the caller wants, and say how many.

        Args:
            results: Gives results one by one, at least one, each time that it is called.
            data: The rows.
            console: For the text.
        """
        if self.maps is None and self.regions is None:
            return
        first = next(iter(results()))
        if self.maps is not None:
            count = part_of(first, "map_files")(results(), self.maps, self.form(data), data, self.names)
            say(console, f"Maps:    {self.maps}, of {counted(count, first.kind)}")
        if self.regions is not None:
            count = part_of(first, "region_file")(results(), self.regions, self.geometry(data))
            say(console, f"Regions: {self.regions}, {count:,} of coin flips")

    @staticmethod
    def geometry(data: Path) -> Path | None:
        """The file that says where the positions of these rows lie: the rows, if they are images."""
        return data if images_of(data) else None


_GEOMETRY: dict[str, tuple[Callable[[Path], bool], str, tuple[str, str]]] = {
    TIF: (is_raster, ".tif images", ("rasterio", "maps")),
    NII: (is_volume, "NIfTI volumes", ("nibabel", "volumes")),
}
"""Formats with the geometry of the rows: which files have it, what these are called, and what writes them."""
