"""`maps` on the command line: the files, and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howsure
from howsure.answers.positions.map_files import write_map_files
from tests.pixels import GIVEN, MODEL, assessed, folder_of, images
from tests.pixels_of_more import VOXELS
from tests.scale.conftest import run

N = 3
PASSES = ("--set", "passes=20")


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "images", images(N))


@pytest.fixture(scope="module")
def result():
    return assessed(images(N))


def assess(model, rows, out, *more):
    ran = run("assess", model, rows, "--out", out, *PASSES, *more)
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def refused(model, rows, out, *more):
    ran = run("assess", model, rows, "--out", out, *more)
    assert ran.exit_code == 2, ran.stdout
    assert len(ran.stderr.splitlines()) == 1
    return ran.stderr


# --- what is refused leaves nothing behind --------------------------------------------------------------

LATE = {
    "a page of a folder with another ending": ("{folder}/out", ("--report", "{folder}/r.txt")),
    "what is no setting": ("{folder}/out", ("--set", "above=3")),
    "labels that are no labels": ("{folder}/t.parquet", ("--labels", "{folder}/images/a.png")),
    "a page in a folder that is not there": ("{folder}/t.parquet", ("--report", "{folder}/no/r.html")),
    "an axis that is not there": ("{folder}/t.parquet", ("--set", "class_axis=9")),
    "an axis that is not there, in a folder": ("{folder}/deep/out", ("--set", "class_axis=9")),
    "maps in a file": ("{folder}/t.parquet", ("--set", "maps={folder}/images/a.png/maps")),
}


@pytest.mark.parametrize("case", LATE)
def test_a_refusal_leaves_no_folder_and_no_file(case, data, tmp_path):
    out, more = LATE[case]
    before = sorted(os.walk(tmp_path))
    given = [each.format(folder=tmp_path) for each in more]
    maps = () if "maps=" in str(given) else ("--set", f"maps={tmp_path / 'new' / 'maps'}")
    refused(MODEL, data, out.format(folder=tmp_path), *GIVEN, *maps, *given)
    assert sorted(os.walk(tmp_path)) == before


def test_maps_of_volumes_are_refused_as_pictures_before_the_work(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((N, 6, 5, 4, 1), np.float32))
    for out in ("t.parquet", "folder"):
        before = sorted(os.walk(tmp_path))
        said = refused(
            VOXELS, tmp_path / "x.npy", tmp_path / out, *PASSES, "--set", f"maps={tmp_path / 'maps'}"
        )
        assert "Pictures cannot hold these maps" in said
        assert sorted(os.walk(tmp_path)) == before


def test_another_kind_of_answer_is_refused_before_its_folder_is_begun(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    more = ("--set", f"maps={tmp_path / 'maps'}")
    refused("tests.pixels:one_class_per_row", tmp_path / "x.npy", tmp_path / "out", *PASSES, *more)
    assert os.listdir(tmp_path) == ["x.npy"]


# --- the folder -------------------------------------------------------------------------------------------


def test_links_in_the_folder_are_replaced_and_not_followed(data, tmp_path):
    maps, kept = tmp_path / "maps", tmp_path / "kept"
    maps.mkdir()
    kept.write_text("mine")
    (maps / "a.label.png").symlink_to(kept)
    (maps / "b.label.png").symlink_to(tmp_path / "not-there")
    (maps / "maps.json").symlink_to(kept)
    assess(MODEL, data, tmp_path / "t.parquet", *GIVEN, "--set", f"maps={maps}")
    assert kept.read_text() == "mine"
    assert not (tmp_path / "not-there").exists()
    assert not any(each.is_symlink() for each in maps.iterdir())
    assert json.loads((maps / "maps.json").read_text())["maps"].keys() == {"a", "b", "c"}


# --- stops ----------------------------------------------------------------------------------------------


def files_in(folder):
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.fixture(scope="module")
def other():
    return assessed(images(N, seed=1))


def test_a_full_disk_leaves_all_earlier_maps(result, other, tmp_path, monkeypatch):
    write_map_files([result], tmp_path)
    before, left = files_in(tmp_path), iter(range(5))

    def save(*arguments, save=Image.Image.save, **more):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        save(*arguments, **more)

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(howsure.FileError, match="No space left on device"):
        write_map_files([other], tmp_path)
    assert files_in(tmp_path) == before


def test_maps_that_are_stopped_as_they_move_are_not_said_to_be_whole(result, other, tmp_path, monkeypatch):
    write_map_files([result], tmp_path)
    left = iter(range(5))

    def replace(old, new, replace=Path.replace):
        if next(left, None) is None:
            raise OSError(5, "Input/output error")
        return replace(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(howsure.FileError, match=r"unchanged if 'maps\.json' is there"):
            write_map_files([other], tmp_path)
    assert not (tmp_path / "maps.json").exists()
    write_map_files([other], tmp_path)
    assert (tmp_path / "maps.json").exists()
