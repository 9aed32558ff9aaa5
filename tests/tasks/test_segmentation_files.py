"""A result whose maps lie in files: whoever prints, judges or shows it reads one row of them at a time."""

import gc
import weakref

import numpy as np
import pytest

import howsure
from howsure import tuning
from howsure.results.lazy_maps import LazyMap
from howsure.tasks.printed import lines_of, summary_of
from howsure.tasks.segmentation.result import DenseCertainty
from tests.made import maps_beside
from tests.pixels import GIVEN, MODEL, assessed, folder_of, images, truths
from tests.scale.conftest import run

N = 6


class Watched(LazyMap):
    """A map that remembers which rows were read."""

    reads: list  # of numbers of rows, for each time that some were read

    def __getitem__(self, index):
        found = super().__getitem__(index)
        if isinstance(found, Watched):
            found.reads = self.reads
        else:
            self.reads.append(1 if found.ndim < self.ndim else len(found))
        return found

    def __array__(self, dtype=None, copy=None):
        self.reads.append(len(self))
        return super().__array__(dtype, copy)


@pytest.fixture(scope="module")
def result():
    return assessed(images(N), keep="probabilities").with_truth(truths(N))


@pytest.fixture(scope="module")
def parts(tmp_path_factory, result):
    folder = tmp_path_factory.mktemp("parts")
    for number in range(N // 2):
        result[2 * number : 2 * number + 2].save(folder / f"{number}.parquet")
    return [folder / f"{number}.parquet" for number in range(N // 2)]


@pytest.fixture
def watched(parts):
    """The same result from several files, and how many rows of each map were read at a time."""
    loaded = DenseCertainty.joined([howsure.load(part) for part in parts])
    reads = {}
    for name, array in loaded._maps.items():
        assert isinstance(array, LazyMap)
        new = Watched(*array.__reduce__()[1])
        new.reads = reads[name] = []
        object.__setattr__(loaded, name, new)
    return loaded, reads


USES = {
    "print": str,
    "summary": summary_of,
    "lines": lambda result: lines_of(result, 3),
    "notebook": lambda result: result._repr_html_(),
    "table": lambda result: result.to_arrow(),
    "evaluate": howsure.evaluate,
    "abstain": lambda result: howsure.abstain(result, None, risk=0.9, tolerance=0.9),
    "sets": lambda result: howsure.prediction_sets(result, coverage=0.5)(result)[0],
    "row": lambda result: (result[2], result.regions(2)),
}


@pytest.mark.parametrize("use", USES)
def test_one_row_is_read_at_a_time(use, watched):
    loaded, reads = watched
    try:
        USES[use](loaded)
    except howsure.InputError:
        assert use in ("abstain", "sets")  # of so few rows
    at_once = {name: max(each, default=0) for name, each in reads.items()}
    assert max(at_once.values()) <= 1, at_once


# --- calibrated results ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrator():
    known = assessed(images(12), keep="probabilities")
    return howsure.calibrate(known, truths(12))


def test_a_calibrated_result_is_made_row_by_row(watched, calibrator, result, tmp_path):
    loaded, reads = watched
    calibrated = calibrator(loaded)
    assert not any(reads.values())
    one = np.asarray(calibrated.entropy[2]), np.asarray(calibrated.probabilities[2])
    assert {len(each) for name, each in reads.items() if name == "all_probabilities"} == {1}
    eager = calibrator(result)
    np.testing.assert_array_equal(one[0], eager.entropy[2])
    np.testing.assert_array_equal(one[1], eager.probabilities[2])
    for use in ("summary", "print", "table", "evaluate", "row"):
        USES[use](calibrated)
    reads["all_probabilities"].clear()
    calibrated.save(tmp_path / "calibrated")
    # Once for the numbers of the row in the table, and once for all its maps.
    assert len(reads["all_probabilities"]) <= 2 * N
    assert max(max(each, default=0) for each in reads.values()) <= 1
    again = howsure.load(tmp_path / "calibrated")
    for name, array in eager._maps.items():
        np.testing.assert_array_equal(getattr(again, name), array, err_msg=name)
    np.testing.assert_array_equal(again.doubt, eager.doubt)


# --- one table on the command line ----------------------------------------------------------------------


@pytest.mark.parametrize("out", ["t.parquet", pytest.param("t.csv", marks=pytest.mark.slow)])
def test_one_table_holds_one_block_of_maps_at_a_time(out, tmp_path, monkeypatch):
    data = folder_of(tmp_path / "images", images(N))
    monkeypatch.setattr(tuning, "BLOCK_AT_POSITIONS", 16 * 16 * 6)  # one image
    alive, most = [], []
    stream = howsure.stream

    def watching(*arguments, **settings):
        for block in stream(*arguments, **settings):
            assert len(block) == 1
            alive.append(weakref.ref(block.probability.base))
            yield block
            del block
            gc.collect()
            most.append(sum(each() is not None for each in alive))

    monkeypatch.setattr(howsure, "stream", watching)
    more = ("--report", tmp_path / "page.html", "--set", "passes=20")
    ran = run("assess", MODEL, data, "--out", tmp_path / out, *GIVEN, *more)
    assert ran.exit_code == 0, ran.stderr
    assert len(most) == N
    assert max(most) <= 1
    expected = assessed(images(N))
    if out == "t.parquet":
        np.testing.assert_array_equal(howsure.load(tmp_path / out).entropy, expected.entropy)
    assert (tmp_path / "page.html").exists()
    left = {path.name for path in tmp_path.iterdir()} - {"images", "page.html", out}
    assert left == ({maps_beside(tmp_path / out).name} if out == "t.parquet" else set())
