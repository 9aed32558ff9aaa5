"""A class at each position on the command line: images in, tables, folders and maps out."""

import numpy as np
import pytest
from PIL import Image

import howsure
from tests.commands import done, refused, run
from tests.pixels import GIVEN, MODEL, assessed, folder_of, images, truths

N = 4
PASSES = ("--set", "passes=20")
FILES = ("label", "entropy", "coin-flips")
ROWS = "tests.pixels:one_class_per_row"


@pytest.fixture(scope="module")
def result():
    return assessed(images(N))


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "images", images(N))


def into(data, out, *more):
    return done("assess", MODEL, data, "--out", out, *GIVEN, *PASSES, *more)


# --- results and maps -----------------------------------------------------------------------------------


def test_a_table_for_other_programs_says_that_it_has_no_maps(data, tmp_path):
    ran = run("assess", MODEL, data, "--out", tmp_path / "t.csv", *GIVEN, *PASSES)
    assert ran.exit_code == 0
    assert "maps are only kept beside a .parquet file" in ran.stderr
    assert not list(tmp_path.glob("*.maps"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "tile=big"), "`tile` cannot be used. Expected: a whole number or a list, a,b"),
        (("--set", "overlap=4"), "`overlap` has no effect without `tile`"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, data, tmp_path):
    assert message in refused("assess", MODEL, data, "--out", tmp_path / "t.parquet", *GIVEN, *options)
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "class_axis=1"), "`class_axis` has no effect on one class per row"),
        (("--set", "keep=probabilities"), "`keep` has no effect on one class per row"),
        (("--set", "tile=4"), "cannot be assessed in tiles"),
    ],
)
def test_other_kinds_of_answers_are_refused(options, message, out, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    assert message in refused("assess", ROWS, tmp_path / "x.npy", "--out", tmp_path / out, *PASSES, *options)


def test_an_audit_says_how_the_output_is_read(data):
    assert "is read as 3 classes at each position, on axis 3." in done("audit", MODEL)
    read = done("audit", MODEL, "--set", "class_axis=1", "--data", data, "--set", "divide_by=255")
    assert "is read as 16 classes at each position, on axis 1." in read
    assert "`class_axis` has no effect on one class per row" in refused(
        "audit", ROWS, "--set", "class_axis=1"
    )


# --- labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
@pytest.mark.parametrize("form", ["npy", "grey"])
def test_labels_of_pixels(form, out, data, tmp_path):
    truth = truths(N)
    labels = tmp_path / "y.npy"
    if form == "npy":
        np.save(labels, truth)
    else:
        labels = folder_of(tmp_path / "y", truth)
    into(data, tmp_path / out, "--labels", labels, *(("--set", "part_rows=3") if out == "folder" else ()))
    labels_read = np.asarray(howsure.load(tmp_path / out).truth)
    np.testing.assert_array_equal(labels_read, np.where(truth == 255, -1, truth.astype(int)))


def test_labels_that_do_not_fit_are_refused(tmp_path, data):
    def said(labels, *more):
        return refused(
            "assess", MODEL, data, "--out", tmp_path / "t.parquet", *GIVEN, *PASSES, "--labels", labels
        )

    labels = folder_of(tmp_path / "y", truths(N))
    (labels / "c.png").unlink()
    assert "holds no label image for 'c.png'" in said(labels)
    Image.fromarray(images(1)[0]).save(labels / "c.png")
    assert "c.png' holds colours, and no class numbers" in said(labels)
    Image.fromarray(truths(1)[0, :8]).save(labels / "c.png")
    assert "c.png' differs in size from 'a.png'" in said(labels)
    (labels / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "c.png' is not a readable label image" in said(labels)
    np.save(tmp_path / "y.npy", truths(N)[:3])
    assert "another number of labels than there are rows" in said(tmp_path / "y.npy")
    np.save(tmp_path / "y.npy", np.full((N, 16, 16), 3))
    assert "Labels are out of range in row 0" in said(tmp_path / "y.npy")
    (tmp_path / "none").mkdir()
    assert "holds no label images" in said(tmp_path / "none")


def test_a_mask_of_two_classes_is_not_read_as_positions_that_do_not_count():
    two = {"label": np.zeros((1, 2, 2), np.int16), "truth": np.array([[[0, 255], [0, 0]]], np.uint8)}
    from howsure.tasks.segmentation.truth import truth_map

    with pytest.raises(howsure.InputError, match="0 and 255 alone"):
        truth_map(two["truth"], (1, 2, 2), ("no", "yes"))
    assert truth_map(two["truth"] // 255, (1, 2, 2), ("no", "yes")).tolist() == [[[0, 1], [0, 0]]]
    assert truth_map(two["truth"], (1, 2, 2), ("no", "yes"), ignore=255).min() == -1


# --- judge ----------------------------------------------------------------------------------------------


def test_what_needs_all_probabilities_says_how_to_keep_them(result, tmp_path):
    result.with_truth(truths(N)).save(tmp_path / "t.parquet")
    assert "keep='probabilities'" in refused("rules", tmp_path / "t.parquet", "--tolerance", 0.5)
