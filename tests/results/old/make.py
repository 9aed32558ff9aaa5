"""Write one small file of each format into a folder: `python tests/results/old/make.py FOLDER`.

The files beside this one were written by the version before fields were read by their declared types.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import howsure
from howsure import Certainty, DenseCertainty, MultilabelCertainty, RegressionCertainty
from validation import small_network

RANDOM = np.random.default_rng(0)
ROWS = 60


def write(folder: Path) -> None:
    """Results and calibrators of four kinds, a plan, and a folder of results."""
    folder.mkdir(exist_ok=True)
    passes = RANDOM.dirichlet([1, 1, 1], size=(6, ROWS))
    truth = [RANDOM.choice(3, p=p) for p in passes.mean(axis=0)]
    classes = Certainty.from_passes(passes, ["a", "b", "c"]).with_ids(
        [f"row {n}" for n in range(ROWS)], "name"
    )
    howsure.calibrate(classes, truth).save(folder / "classes.json")
    classes[:5].with_truth(truth[:5]).with_familiarity(RANDOM.uniform(size=5)).save(
        folder / "classes.parquet"
    )
    said = RANDOM.uniform(size=(6, ROWS, 2))
    labels = MultilabelCertainty.from_passes(said, ["rain", "wind"])
    howsure.calibrate(labels, said[0] > 0.5).save(folder / "labels.json")
    labels[:5].with_truth(said[0, :5] > 0.5).save(folder / "labels.parquet")
    each = RANDOM.normal(size=(6, ROWS, 2))
    numbers = RegressionCertainty.from_samples(each, ["price", "age"])
    howsure.calibrate(numbers, each[0], method="shift").save(folder / "numbers.json")
    numbers[:5].with_truth(each[0, :5]).save(folder / "numbers.parquet")
    maps = RANDOM.dirichlet([1, 1, 1], size=(4, 20, 3, 2))
    true = np.where(RANDOM.uniform(size=(20, 3, 2)) < 0.5, maps.mean(axis=0).argmax(axis=-1), 1)
    positions = DenseCertainty.from_passes(maps, ["sky", "tree", "road"])
    howsure.calibrate(positions, true, method="offsets").save(folder / "positions.json")
    positions[:3].with_truth(true[:3]).save(folder / "positions.parquet")
    x = small_network.rows(12)
    howsure.plan(small_network.make(), small_network.rows(64), precision="float32").save(folder / "plan.json")
    table = pa.table({f"f{number}": x[:, number] for number in range(x.shape[1])})
    pq.write_table(table, folder / "rows.parquet")
    from tests.commands import run

    given = ("--plan", folder / "plan.json", "--part-rows", 8, "--max-passes", 64)
    done = run(
        "assess",
        "validation.small_network:make",
        folder / "rows.parquet",
        "--out",
        folder / "results",
        *given,
    )
    assert done.exit_code == 0, done.stderr


if __name__ == "__main__":
    write(Path(sys.argv[1]))
