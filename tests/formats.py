"""One small file of each format that howsure writes and reads again."""

import functools
import tempfile
from pathlib import Path

import numpy as np

import howsure
from howsure import Certainty, DenseCertainty, MultilabelCertainty, RegressionCertainty
from validation import small_network

ROWS = 60


def write(folder: Path) -> None:
    """Results and calibrators of four kinds, and a plan."""
    random = np.random.default_rng(0)
    passes = random.dirichlet([1, 1, 1], size=(6, ROWS))
    truth = [random.choice(3, p=p) for p in passes.mean(axis=0)]
    classes = Certainty.from_passes(passes, ["a", "b", "c"]).with_ids(
        [f"row {n}" for n in range(ROWS)], "name"
    )
    howsure.calibrate(classes, truth, method="both").save(folder / "classes.json")
    classes[:5].with_truth(truth[:5]).with_familiarity(random.uniform(size=5)).save(
        folder / "classes.parquet"
    )
    said = random.uniform(size=(6, ROWS, 2))
    labels = MultilabelCertainty.from_passes(said, ["rain", "wind"])
    howsure.calibrate(labels, said[0] > 0.5).save(folder / "labels.json")
    labels[:5].with_truth(said[0, :5] > 0.5).save(folder / "labels.parquet")
    each = random.normal(size=(6, ROWS, 2))
    numbers = RegressionCertainty.from_samples(each, ["price", "age"])
    howsure.calibrate(numbers, each[0]).save(folder / "numbers.json")
    numbers[:5].with_truth(each[0, :5]).save(folder / "numbers.parquet")
    maps = random.dirichlet([1, 1, 1], size=(4, 20, 3, 2))
    true = np.where(random.uniform(size=(20, 3, 2)) < 0.5, maps.mean(axis=0).argmax(axis=-1), 1)
    positions = DenseCertainty.from_passes(maps, ["sky", "tree", "road"])
    howsure.calibrate(positions, true).save(folder / "positions.json")
    positions[:3].with_truth(true[:3]).save(folder / "positions.parquet")
    howsure.plan(small_network.make(), small_network.rows(64), precision="float32").save(folder / "plan.json")


@functools.cache
def folder() -> Path:
    """A folder with one of each, for all tests of a process."""
    found = Path(tempfile.mkdtemp())
    write(found)
    return found
