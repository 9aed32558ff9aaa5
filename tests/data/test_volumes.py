"""NIfTI volumes as rows."""

import numpy as np
import pytest

from howsure.data.align import Called
from howsure.data.files import read_rows, rows_in
from howsure.data.label_files import read_label_file
from howsure.data.rows import InputSpec
from howsure.errors import DependencyError, FileError, InputError
from tests.volumes import SIDES, nibabel, save

VOLUMES = [InputSpec("x", (*SIDES, 1), "float32")]
ANY = [InputSpec("x", (None, None, None, 2), "float32")]


def numbers(*channels, seed=0):
    return np.random.default_rng(seed).integers(-100, 1000, (*SIDES, *channels)).astype(np.int16)


def refused(path, inputs, error, *fragments, **more):
    with pytest.raises(error) as caught:
        read_rows(path, inputs, **more)
    for fragment in fragments:
        assert fragment in str(caught.value), str(caught.value)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "NII.GZ"])
def test_a_volume_is_a_row_in_the_axes_of_its_file(ending, tmp_path):
    save(tmp_path / f"b.{ending}", numbers())
    save(tmp_path / f"a.x.{ending}", numbers(seed=1))
    rows = read_rows(tmp_path, VOLUMES)
    assert rows.ids.tolist() == [f"a.x.{ending}", f"b.{ending}"]
    np.testing.assert_array_equal(rows.x[1, ..., 0], numbers())
    one = read_rows(tmp_path / f"b.{ending}", [InputSpec("x", SIDES, "float32")])
    np.testing.assert_array_equal(one.x[0], numbers())


def test_numbers_are_scaled_as_the_header_says(tmp_path):
    image = nibabel.Nifti1Image(numbers(), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    scaled = nibabel.Nifti1Image(0.5 * numbers() - 3, np.eye(4), image.header)
    scaled.header.set_data_dtype(np.int16)
    nibabel.save(scaled, tmp_path / "a.nii")
    found = read_rows(tmp_path, VOLUMES).x
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, ..., 0], 0.5 * numbers() - 3, atol=0.02)


def test_channels_lie_on_the_fourth_axis_or_behind_that_of_time(tmp_path):
    save(tmp_path / "a.nii.gz", numbers(2))
    save(tmp_path / "b.nii.gz", numbers(1, 2))
    rows = read_rows(tmp_path, ANY)
    np.testing.assert_array_equal(rows.x[0], numbers(2))
    np.testing.assert_array_equal(rows.x[1], numbers(1, 2)[..., 0, :])


def test_a_network_that_declares_nothing_gets_channels_first(tmp_path):
    save(tmp_path / "a.nii.gz", numbers(2))
    rows = rows_in(tmp_path, None, lambda: 2)
    np.testing.assert_array_equal(rows.x[0], np.moveaxis(numbers(2), -1, 0))
    save(tmp_path / "b" / "a.nii.gz", numbers())
    assert rows_in(tmp_path / "b", None, lambda: None).x.shape == (1, 1, *SIDES)


def test_volumes_of_several_kinds_are_refused(tmp_path):
    save(tmp_path / "a.nii", numbers())
    save(tmp_path / "b.nii", numbers(), np.diag([-1, 1, 1, 1]))
    refused(tmp_path, VOLUMES, InputError, "b.nii' point elsewhere than those of 'a.nii'", "RAS", "LAS")
    save(tmp_path / "b.nii", numbers()[:3])
    refused(tmp_path, [InputSpec("x", (None, None, None, 1), "float32")], InputError, "differs in size")
    refused(tmp_path, VOLUMES, InputError, "does not have the size the model takes", "x × y × z 6 × 5 × 4")
    save(tmp_path / "b.nii", numbers(3))
    refused(tmp_path, VOLUMES, InputError, "b.nii' does not have the channels", "1 of them", "Received: 3")
    (tmp_path / "b.nii").unlink()
    from PIL import Image

    Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / "c.png")
    refused(tmp_path, VOLUMES, InputError, "c.png' is an image beside volumes")


def test_models_and_numbers_that_do_not_fit_are_refused(tmp_path):
    save(tmp_path / "a.nii", numbers())
    refused(
        tmp_path, [InputSpec("x", (6, 5), "float32")], InputError, "a folder of volumes, which this model"
    )
    refused(tmp_path, [InputSpec("x", (6, 5, 3), "float32")], InputError, "does not have the size")
    save(tmp_path / "a.nii", numbers().astype(np.complex64))
    refused(tmp_path, VOLUMES, InputError, "holds complex numbers")
    save(tmp_path / "a.nii", numbers(2, 2))
    refused(tmp_path, ANY, InputError, "has 5 axes")


def test_damaged_volumes_are_named_or_left_out(tmp_path):
    save(tmp_path / "a.nii.gz", numbers())
    save(tmp_path / "b.nii.gz", numbers())
    whole = (tmp_path / "b.nii.gz").read_bytes()
    for content in (b"", b"no volume", whole[: len(whole) // 2]):
        (tmp_path / "b.nii.gz").write_bytes(content)
        refused(tmp_path, VOLUMES, FileError, "b.nii.gz' is not a readable NIfTI file", "--skip-unreadable")
        rows = read_rows(tmp_path, VOLUMES, skip_unreadable=True)
        assert rows.ids.tolist() == ["a.nii.gz"]
        assert rows.left_out[0].startswith("b.nii.gz: ")


def test_without_nibabel_it_is_named(tmp_path, monkeypatch):
    save(tmp_path / "a.nii", numbers())
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    refused(tmp_path, VOLUMES, DependencyError, "A NIfTI file needs nibabel", "howsure[volumes]")


def test_labels_may_be_volumes(tmp_path):
    save(tmp_path / "a.nii.gz", (numbers() > 0).astype(np.uint8))
    found = read_label_file(tmp_path).of(Called(np.array(["a.nii.gz"])))
    np.testing.assert_array_equal(found[0], numbers() > 0)
