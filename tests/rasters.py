"""TIFF images for tests, which are skipped where rasterio is not installed."""

import warnings

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: pip install 'howsure[maps]'")


def save(path, array, **geometry):
    """Write an array (H, W, C) as a TIFF image with these bands."""
    path.parent.mkdir(exist_ok=True)
    height, width, count = array.shape
    shape = {"height": height, "width": width, "count": count, "dtype": array.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an image may lie nowhere
        with rasterio.open(path, "w", driver="GTiff", **shape, **geometry) as file:
            file.write(np.moveaxis(array, -1, 0))
