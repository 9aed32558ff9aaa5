"""TIFF images of many bands, or of more than 8 bits, as rows."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from howsure.data.align import Called
from howsure.data.files import read_rows
from howsure.data.label_files import read_label_file
from howsure.data.label_images import LabelFolder
from howsure.data.rows import InputSpec
from howsure.errors import DependencyError, FileError, InputError
from tests.rasters import rasterio, save

FIVE = [InputSpec("x", (8, 6, 5), "float32")]
GREY = [InputSpec("x", (8, 6, 1), "float32")]
RGB = [InputSpec("x", (8, 6, 3), "float32")]


def bands(count, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 3000, (8, 6, count)).astype(dtype)


def refused(path, inputs, error, *fragments, **more):
    with pytest.raises(error) as caught:
        read_rows(path, inputs, **more)
    for fragment in fragments:
        assert fragment in str(caught.value), str(caught.value)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_bands_are_channels(dtype, tmp_path):
    save(tmp_path / "a.tif", bands(5, dtype))
    save(tmp_path / "b.TIFF", bands(5, dtype, seed=1))
    rows = read_rows(tmp_path, FIVE)
    assert rows.x.dtype == dtype
    np.testing.assert_array_equal(rows.x[1], bands(5, dtype, seed=1))


@pytest.mark.parametrize(("inputs", "count"), [(GREY, 1), (RGB, 3), ([InputSpec("x", (8, 6), "float32")], 1)])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_more_than_eight_bits_are_read_as_they_are(inputs, count, dtype, tmp_path):
    save(tmp_path / "a.tif", bands(count, dtype))
    found = read_rows(tmp_path / "a.tif", inputs).x[0]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.reshape(8, 6, count), bands(count, dtype))


def test_eight_bits_are_read_as_other_images_are(tmp_path):
    save(tmp_path / "a.tif", bands(3, "uint8"))
    grey = np.asarray(Image.fromarray(bands(3, "uint8")).convert("L"))
    np.testing.assert_array_equal(read_rows(tmp_path, GREY).x[0, ..., 0], grey)


def test_bands_and_types_that_do_not_fit_are_refused(tmp_path):
    save(tmp_path / "a.tif", bands(4))
    refused(tmp_path, FIVE, InputError, "a.tif' does not have the bands", "5 of them", "Received: 4")
    save(tmp_path / "a.tif", bands(3))
    save(tmp_path / "b.tif", bands(3, "uint8"))
    refused(tmp_path, RGB, InputError, "b.tif' holds numbers of another type than 'a.tif'", "uint16 in all")
    refused(tmp_path, [InputSpec("x", (8, 7, 3), "float32")], InputError, "height × width 8 × 7")
    Image.fromarray(bands(1, "uint8")[..., 0]).save(tmp_path / "c.png")
    (tmp_path / "b.tif").unlink()
    refused(tmp_path / "c.png", FIVE, InputError, "is read as an image, which this model does not take")


def test_damaged_images_are_named_or_left_out(tmp_path):
    save(tmp_path / "a.tif", bands(5))
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:40])
    refused(tmp_path, FIVE, FileError, "b.tif' is not a readable TIFF image")
    rows = read_rows(tmp_path, FIVE, skip_unreadable=True)
    assert (rows.ids.tolist(), rows.left_out[0][:7]) == (["a.tif"], "b.tif: ")


def test_without_rasterio_it_is_named(tmp_path, monkeypatch):
    save(tmp_path / "a.tif", bands(5))
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    refused(tmp_path, FIVE, DependencyError, "A TIFF image of many bands", "howsure[maps]")


def test_labels_may_be_rasters(tmp_path):
    save(tmp_path / "a.tif", bands(1, "int16"))
    np.testing.assert_array_equal(
        read_label_file(tmp_path).of(Called(np.array(["a.png"])))[0], bands(1, "int16")[..., 0]
    )
    save(tmp_path / "a.tif", bands(2))
    with pytest.raises(InputError, match="holds 2 numbers at each position"):
        read_label_file(tmp_path).of(Called(np.array(["a.png"])))


@pytest.mark.parametrize(
    ("moved", "crs", "fits"),
    [((0, 0), 32632, True), ((0.4, 0), 32632, True), ((1, 0), 32632, False), ((0, 0), 32633, False)],
)
def test_labels_of_another_place_are_refused(moved, crs, fits, tmp_path):
    def geometry(x, y, code):
        return {
            "transform": rasterio.Affine(10, 0, 600000 + 10 * x, 0, -10, 5e6 + 10 * y),
            "crs": f"EPSG:{code}",
        }

    save(tmp_path / "rows" / "a.tif", bands(5), **geometry(0, 0, 32632))
    save(tmp_path / "labels" / "a.tif", bands(1, "uint8"), **geometry(*moved, crs))
    folder = LabelFolder.of_folder(tmp_path / "labels")
    check = partial(folder.check_places, [tmp_path / "rows" / "a.tif"], tmp_path / "rows")
    if fits:
        check()
    else:
        with pytest.raises(InputError, match=r"a.tif' lie elsewhere than those of"):
            check()
    save(tmp_path / "labels" / "a.tif", bands(1, "uint8"))
    folder.check_places(
        [tmp_path / "rows" / "a.tif"], tmp_path / "rows"
    )  # placed nowhere, it may lie anywhere


def test_label_images_may_have_sixteen_bits_or_be_grey_ones_saved_as_colours(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 300, (8, 6))
    Image.fromarray(numbers.astype(np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_file(tmp_path).of(Called(np.array(["a.png"])))[0], numbers)
    grey = (numbers % 4).astype(np.uint8)
    Image.fromarray(grey).convert("RGB").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_file(tmp_path).of(Called(np.array(["a.png"])))[0], grey)


def test_colours_become_class_numbers_as_the_hint_says(tmp_path):
    numbers, colours = (
        np.random.default_rng(0).integers(0, 3, (8, 6)),
        np.array([(0, 0, 0), (9, 0, 0), (0, 9, 9)]),
    )
    image = Image.fromarray(colours.astype(np.uint8)[numbers])
    image.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="holds colours") as caught:
        read_label_file(tmp_path).of(Called(np.array(["a.png"])))
    scope = {"image": image, "colours": colours, "numpy": np, "Image": Image}
    exec(caught.value.hint.partition("classes: ")[2], scope)
    scope["image"].save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_file(tmp_path).of(Called(np.array(["a.png"])))[0], numbers)
