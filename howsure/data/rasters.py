"""TIFF images with any number of bands: read as rows, and maps written with their geometry."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.data.geometry import Geometry
from howsure.data.image_headers import check_claimed, orientation_of, turned
from howsure.data.rows import Array
from howsure.errors import FileError, InputError
from howsure.optional import needs

ENDINGS = (".tif", ".tiff")


def is_raster(path: Path) -> bool:
    """Whether a file is a TIFF image, by its name."""
    return path.suffix.lower() in ENDINGS


def read_bands(file: Path) -> Array:
    """(H, W, C) the numbers of all bands, turned upright: no scale is applied, and no data is a number.

    Raises:
        FileError: It is missing or damaged.
        InputError: Its numbers are complex.
        DependencyError: rasterio is not installed.
    """
    with _opened(file) as image:
        check_claimed(file, (image.height, image.width, image.count))
        bands = turned(np.moveaxis(image.read(), 0, -1), orientation_of(file))
    if bands.dtype.kind not in "iuf":
        raise InputError(
            f"'{file}' holds complex numbers", expected="real numbers", received=f"dtype {bands.dtype}"
        )
    return np.asarray(bands)


def check_geometry(file: Path, sides: tuple[int, ...]) -> None:
    """Raise an `InputError` unless a map of these sides can have the geometry of an image.

    Raises:
        FileError: The image is missing or damaged.
        InputError: It has other sides, or is placed by other means than a transform or control points.
        DependencyError: rasterio is not installed.
    """
    with _opened(file) as image:
        found = (image.height, image.width)
        placed = not image.transform.is_identity or bool(image.gcps[0])
        if image.rpcs is not None and not placed:
            raise InputError(
                f"'{file}' is placed by rational polynomials (RPC), which maps cannot keep",
                expected="an image with a transform, or with ground control points",
                hint="Orthorectify the image first: gdalwarp -rpc",
            )
    if found != sides:
        raise InputError(
            f"The maps of '{file}' have other sides than the image, so its geometry does not fit",
            expected=f"{found[0]} × {found[1]} pixels",
            received=" × ".join(map(str, sides)),
        )


def check_same_place(labels: Path, image: Path) -> None:
    """Raise an `InputError` unless the pixels of two images of the same sides lie in the same places.

    A corner of one may lie up to half a pixel off that of the other. Nothing is said of an image that no
    transform places, or of systems of coordinates that only one of them names.

    Raises:
        FileError: A file is missing or damaged.
        InputError: They lie elsewhere.
    """
    with _opened(labels) as theirs, _opened(image) as its:
        if theirs.transform.is_identity or its.transform.is_identity or theirs.shape != its.shape:
            return
        systems = [each.crs and each.crs.to_epsg() for each in (its, theirs)]
        corners = np.array([[x, y, 1] for x in (0, its.width) for y in (0, its.height)])
        own, other = (np.reshape(each.transform, (3, 3)) for each in (its, theirs))
        off = np.abs(corners @ (np.linalg.inv(own) @ other).T - corners).max()
        places = [f"{each.crs or 'no system'}, {tuple(each.transform)[:6]}" for each in (its, theirs)]
    if off > 0.5 or (all(systems) and systems[0] != systems[1]):
        raise InputError(
            f"The pixels of '{labels}' lie elsewhere than those of '{image}'",
            expected=places[0],
            received=places[1],
            hint="Warp the labels to the pixels of the image, with the nearest value: gdalwarp -r near",
        )


def geometry_of(file: Path) -> Geometry:
    """The geometry of the pixels of an image; sides are known if it has a projection in a unit of length.

    Raises:
        FileError: The image is missing or damaged.
        DependencyError: rasterio is not installed.
    """
    with _opened(file) as image:
        transform, system = image.transform, image.crs
    if transform.is_identity:
        return Geometry(None)
    by_row = np.array(transform).reshape(3, 3)[:, [1, 0, 2]]  # of row and column, and not of column and row
    sides = None
    if system is not None and system.is_projected:
        metres = np.hypot(*by_row[:2, :2]) * system.linear_units_factor[1]
        sides = tuple(metres.tolist())
    return Geometry(sides, "m", by_row, system)


def polygons_of(numbered: NDArray[np.int64], geometry: Geometry) -> dict[int, Any]:
    """The areas of a map along the sides of their pixels, as GeoJSON has it, by number.

    In longitude and latitude (RFC 7946) where the coordinate system is known; else in the coordinates of the
    image, or in columns and rows.

    Args:
        numbered: (H, W) number of the area of each pixel, 0 outside; pixels of an area share sides.
        geometry: Geometry of the image.

    Raises:
        DependencyError: rasterio is not installed.
    """
    with needs("rasterio", "A .geojson file", extra="maps"):
        import rasterio.features
        import rasterio.warp
        from affine import Affine
    transform = Affine.identity()
    if geometry.affine is not None:
        transform = Affine(*geometry.affine[:2, [1, 0, 2]].ravel())
    found = rasterio.features.shapes(
        numbered.astype(np.int32), mask=numbered > 0, connectivity=4, transform=transform
    )
    return {
        int(number): shape
        if geometry.system is None
        else rasterio.warp.transform_geom(geometry.system, "EPSG:4326", shape)
        for shape, number in found
    }


def write_raster(
    path: str,
    array: Array,
    like: Path,
    *,
    description: str,
    unit: str,
    colours: dict[int, tuple[int, ...]] | None = None,
    tags: dict[str, str] | None = None,
    no_data: float | None = None,
) -> None:
    """Write a map as GeoTIFF with the geometry of an image.

    Args:
        path: Path of the file, whatever its ending.
        array: (H, W) for which `check_geometry` passes.
        like: The image.
        description: Description of the band.
        unit: Unit of its numbers.
        colours: A palette, or None.
        tags: Tags of the band.
        no_data: The number that says so, or None.
    """
    with _opened(like) as image:
        points, system = image.gcps
        geometry: dict[str, Any] = {"crs": image.crs, "transform": image.transform}
        if points:
            geometry = {"crs": system, "gcps": points}
    shape = {"height": array.shape[0], "width": array.shape[1], "count": 1, "dtype": array.dtype.name}
    import rasterio

    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(
            Path(path).absolute(),
            "w",
            driver="GTiff",
            nodata=no_data,
            compress="deflate",
            **shape,
            **geometry,
        ) as file,
    ):
        file.write(array, 1)
        file.set_band_description(1, description)
        file.update_tags(1, unit=unit, **(tags or {}))
        if colours is not None:
            file.write_colormap(1, colours)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    with needs("rasterio", "A TIFF image of many bands, of more than 8 bits, or with geometry", extra="maps"):
        import rasterio
        from rasterio.errors import RasterioError
    try:
        # Absolute, because a relative one may read as an address: `http:/127.0.0.1:8000?q=.tif`.
        # Without its warnings: an image may lie nowhere on the globe.
        with (
            warnings.catch_warnings(action="ignore"),
            rasterio.open(file.absolute(), driver="GTiff") as image,
        ):
            yield image
    except RasterioError as error:
        raise FileError(
            f"'{file}' is not a readable TIFF image",
            received=" ".join(str(error).split()),
            hint="`howsure assess` leaves such images out with --skip-unreadable",
        ) from error
