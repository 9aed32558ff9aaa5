"""Folders of results with a class at each position: maps beside each part, whole or not there."""

import os
import signal

import numpy as np
import pytest

import howsure
from howsure.results import result
from tests.commands import done, run
from tests.made import maps_beside
from tests.pixels import GIVEN, MODEL, NAMES, folder_of, images, make
from tests.scale import kills

N = 7
FIELDS = (
    "label",
    "probability",
    "mc_error",
    "entropy",
    "settled",
    "share",
    "share_quantiles",
    "passes",
    "row",
)


@pytest.fixture(scope="module")
def whole():
    """All images at once; each has as many passes as it needs."""
    return howsure.assess(make(), images(N) / 255, class_names=NAMES)


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "images", images(N))


@pytest.fixture
def given(data, tmp_path):
    return ("assess", MODEL, data, "--out", tmp_path / "out", "--set", "part_rows=3", *GIVEN)


def check_same(found, whole):
    for name in FIELDS:
        np.testing.assert_array_equal(np.asarray(getattr(found, name)), getattr(whole, name), name)


def test_the_numbers_are_those_of_all_images_at_once(given, tmp_path, whole):
    said = done(*given)
    assert "Plan:" not in said
    found = howsure.load(tmp_path / "out")
    check_same(found, whole)
    assert found.ids.tolist() == [f"{letter}.png" for letter in "abcdefg"]
    some = found[[6, 0, 4]]
    check_same(some, whole[[6, 0, 4]])
    some.save(tmp_path / "some.parquet")
    check_same(howsure.load(tmp_path / "some.parquet"), whole[[6, 0, 4]])
    np.testing.assert_array_equal(found.undecided, whole.undecided)


def test_what_is_wrong_with_maps_is_noticed_and_made_again_once_it_is_gone(given, tmp_path, whole):
    done(*given)
    first, second, third = kills.parts_in(tmp_path / "out")
    (maps_beside(first) / "label.npy").unlink()
    with pytest.raises(howsure.FileError, match=r"label\.npy' cannot be read.*Delete that part"):
        howsure.load(tmp_path / "out")
    first.unlink()
    before = {path: path.stat().st_mtime_ns for path in (second, third)}
    assert "Done:    4 of 7 rows" in done(*given)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    check_same(howsure.load(tmp_path / "out"), whole)


def test_a_killed_run_goes_on(given, tmp_path, whole):
    """It is killed after the maps of the second part were written, and before its table was."""
    child = os.fork()
    if not child:
        write_maps, written = result.write_maps, []

        def write(maps, table):
            written.append(write_maps(maps, table))
            if len(written) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return written[-1]

        result.write_maps = write
        run(*given)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    out = tmp_path / "out"
    assert "Done:    3 of 7 rows" in done(*given)
    check_same(howsure.load(out), whole)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--set", "keep=probabilities"), "other kept numbers"),
        (("--set", "tile=16"), "another tile"),
    ],
)
def test_other_wishes_are_other_results(given, option, said):
    done(*given)
    ran = run(*given, *option)
    assert ran.exit_code == 2
    assert said in ran.stderr
