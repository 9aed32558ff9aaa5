"""A network in numpy that gives each pixel one of three classes, and images for it on disk."""

import numpy as np
from PIL import Image

import howsure
from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense, Dropout

SIDE, CLASSES, UNITS = 16, 3, 6
NAMES = ("road", "tree", "sky")
MODEL = "tests.pixels:make"
GIVEN = ("--set", "divide_by=255", "--class-names", ",".join(NAMES))
DROPOUT = howsure.MCDropout(passes=20)


def make():
    """Each pixel for itself: two dense layers with dropout of whole channels between them."""
    random = np.random.default_rng(0)
    steps = {
        "hidden": (Dense(3 * random.normal(size=(3, UNITS)), random.normal(size=UNITS), "relu"), "x"),
        "drop": (Dropout(0.5, mask_shape=(1, 1, UNITS)), "hidden"),
        "output": (Dense(2 * random.normal(size=(UNITS, CLASSES)), 0.0, "softmax"), "drop"),
    }
    return ArrayModel("pixels", [InputSpec("x", (SIDE, SIDE, 3), "float32")], steps)


def one_class_per_row():
    """A network of another kind of answers."""
    random = np.random.default_rng(0)
    steps = {
        "drop": (Dropout(0.5), "x"),
        "output": (Dense(random.normal(size=(4, 3)), 0.0, "softmax"), "drop"),
    }
    return ArrayModel("rows", [InputSpec("x", (4,), "float32")], steps)


def images(count, seed=0):
    """(count, 16, 16, 3) of 8 bits, in which colours change smoothly."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((SIDE, SIDE))) for each in small])


def truths(count, seed=0):
    """(count, 16, 16) class numbers; 255, which does not count, in the first line of each."""
    found = np.random.default_rng(seed).integers(0, CLASSES, (count, SIDE, SIDE), dtype=np.uint8)
    found[:, 0] = 255
    return found


def folder_of(path, arrays):
    """Images as a folder of PNG files `a.png`, `b.png`, …"""
    path.mkdir(exist_ok=True)
    for letter, array in zip("abcdefghijklmnopqrstuvwxyz", arrays, strict=False):
        Image.fromarray(array).save(path / f"{letter}.png")
    return path


def assessed(x, **settings):
    """What `howsure.assess` makes of images of 8 bits."""
    return howsure.assess(make(), x / 255, method=DROPOUT, class_names=NAMES, **settings)
