"""Changed images: turned, moved, noisy, blurred."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from howsure.errors import InputError
from howsure.inputs.rows import channels_are_first

Rows = NDArray[Any]
Floats = NDArray[np.float64]
Shift = Callable[[Rows], Rows]
"""From rows (N, H, W), (N, H, W, C) or (N, C, H, W) to as many, of the same shape and type.

Channels come first where there are 1, 3 or 4 of them before sides of at least 8.
"""


def rotated(degrees: float) -> Shift:
    """Turn images around their middle, counterclockwise, and extend the edge into empty corners."""

    def turn(values: Floats) -> Floats:
        turned = ndimage.rotate(values, degrees, axes=(2, 1), reshape=False, order=1, mode="nearest")
        return np.asarray(turned)

    return partial(_in_floats, turn)


def moved(share: float) -> Shift:
    """Move images right and down by a share of their height and width, and extend the edge."""

    def move(values: Floats) -> Floats:
        by = [0, share * values.shape[1], share * values.shape[2], 0][: values.ndim]
        return np.asarray(ndimage.shift(values, by, order=1, mode="nearest"))

    return partial(_in_floats, move)


def noisy(share: float, seed: int = 0) -> Shift:
    """Add normal noise whose standard deviation is a share of the range of values, and clip to the range."""

    def add(values: Floats) -> Floats:
        noise = np.random.default_rng(seed).normal(size=values.shape)
        return np.asarray(values + share * np.ptp(values) * noise)

    return partial(_in_floats, add)


def blurred(pixels: float) -> Shift:
    """Blur images with a Gaussian of this standard deviation, in pixels."""

    def blur(values: Floats) -> Floats:
        widths = [0, pixels, pixels, 0][: values.ndim]
        return np.asarray(ndimage.gaussian_filter(values, widths, mode="nearest"))

    return partial(_in_floats, blur)


def unmoved(outputs: Any) -> Any:
    """The way back of a change that moves no position: `(shifts.noisy(0.1), shifts.unmoved)`."""
    return outputs


def _in_floats(change: Callable[[Floats], Floats], images: Rows) -> Rows:
    """`change` in double precision, within the range and in the type of the images."""
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise InputError(
            "These rows are no images, so they cannot be turned, moved or blurred",
            expected="an array (N, H, W), (N, H, W, C) or (N, C, H, W)",
            received=f"an array of shape {array.shape}",
        )
    if not array.size:
        return array.copy()
    values = array.astype(np.float64)
    if array.ndim == 4 and channels_are_first(array.shape[1:]):
        values = np.moveaxis(change(np.moveaxis(values, 1, -1)), -1, 1)
    else:
        values = change(values)
    changed = np.clip(values, array.min(), array.max())
    if array.dtype.kind in "iu":
        changed = np.rint(changed)
    return np.asarray(changed.astype(array.dtype))


STANDARD: Mapping[str, Shift] = {
    "rotated by 30°": rotated(30),
    "moved by a tenth": moved(0.1),
    "with noise": noisy(0.2),
    "blurred": blurred(1.5),
}
"""Changes that `howsure.compare` makes to images by default."""

UNMOVED: Mapping[str, tuple[Shift, Callable[[Any], Any]]] = {
    name: (STANDARD[name], unmoved) for name in ("with noise", "blurred")
}
"""Those of them that leave everything in its place, for answers that say where something is."""
