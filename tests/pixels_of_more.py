"""Networks in numpy that give a class to each voxel of a volume, or to each pixel of five bands."""

import numpy as np

from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense, Dropout

CLASSES, UNITS = 3, 6
VOXELS, BANDS = "tests.pixels_of_more:of_voxels", "tests.pixels_of_more:of_bands"


def _each_alone(name, sides, channels, ending="softmax", outputs=slice(None)):
    random = np.random.default_rng(0)
    last = 2 * random.normal(size=(UNITS, CLASSES))[:, outputs]
    steps = {
        "hidden": (Dense(3 * random.normal(size=(channels, UNITS)), random.normal(size=UNITS), "relu"), "x"),
        "drop": (Dropout(0.5, mask_shape=(*[1] * len(sides), UNITS)), "hidden"),
        "output": (Dense(last, 0.0, ending), "drop"),
    }
    return ArrayModel(name, [InputSpec("x", (*sides, channels), "float32")], steps)


def of_voxels():
    """Of volumes of 6 × 5 × 4 voxels."""
    return _each_alone("voxels", (6, 5, 4), 1)


def of_bands():
    """Of images of 8 × 6 pixels with five bands."""
    return _each_alone("bands", (8, 6), 5)


def of_labels(outputs=slice(None)):
    """As `of_bands`, but each pixel has three labels, none of which excludes another; or some of them."""
    return _each_alone("labels", (8, 6), 5, ending="sigmoid", outputs=outputs)
