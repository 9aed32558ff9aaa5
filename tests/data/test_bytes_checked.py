"""Images, volumes and labels: their bytes are checked before their numbers are used."""

import gzip
import struct
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageOps

from howsure.data import image_headers, rasters, volumes
from howsure.data.files import read_rows
from howsure.data.image_headers import ORIENTATION, turned
from howsure.data.label_images import LabelFolder
from howsure.data.rows import InputSpec
from howsure.errors import FileError
from tests import volumes as made

GREY = [InputSpec("x", (None, None, 1), "float32")]
VOLUME = [InputSpec("x", (None, None, None, 1), "float32")]


def labels_in(folder):
    return LabelFolder.of_folder(folder).of(type("Rows", (), {"ids": np.array(["a.png"], object)})())[0]


def test_every_changed_bit_of_a_compressed_volume_is_noticed_or_harmless(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "a.nii.gz"
    made.save(path, random.normal(size=(9, 8, 7)).astype("float32"))
    content, good = path.read_bytes(), volumes.read_volume(path)[0]
    refused = 0
    for _ in range(300):
        changed, at = bytearray(content), random.integers(len(content) * 8)
        changed[at // 8] ^= 1 << (at % 8)
        path.write_bytes(bytes(changed))
        try:
            assert np.array_equal(volumes.read_volume(path)[0], good)
        except FileError:
            refused += 1
    assert refused > 250


def test_a_compressed_volume_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    made.save(path, np.ones((9, 8, 7), "float32"))
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-400]))
    with pytest.raises(FileError, match="it ends after"):
        volumes.read_volume(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_volume_that_claims_too_much_is_refused_before_it_is_read(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(image_headers, "MOST", 500)
    made.save(tmp_path / f"a{ending}", np.ones((9, 8, 7), "float32"))
    made.save(tmp_path / f"b{ending}", np.ones((9, 8, 6), "float32"))
    with pytest.raises(FileError, match=r"claims to hold 504 numbers.*9 × 8 × 7"):
        read_rows(tmp_path, VOLUME)
    rows = read_rows(tmp_path, VOLUME, skip_unreadable=True)
    assert rows.ids.tolist() == [f"b{ending}"]
    assert len(rows.left_out) == 1


def test_a_tiff_image_that_claims_too_much_is_refused_before_it_is_read(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    shape = {"height": 50_000, "width": 50_000, "count": 5, "dtype": "uint16"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it lies nowhere
        with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", sparse_ok=True, **shape):
            pass
    with pytest.raises(FileError, match="claims to hold 12,500,000,000 numbers"):
        rasters.read_bands(tmp_path / "a.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_volume_whose_affine_places_nothing_is_refused(value, tmp_path):
    made.save(tmp_path / "a.nii", np.ones((3, 4, 5), "float32"), np.eye(4))
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[280:284] = struct.pack("<f", value)  # the first of `srow_x`
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(FileError, match="affine"):
        volumes.read_volume(tmp_path / "a.nii")


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def grey_png(path, numbers, depth):
    """A grey image of a few bits for each pixel, as Pillow does not write them."""
    height, width = numbers.shape
    bits = ((numbers[..., None] >> np.arange(depth)[::-1]) & 1).reshape(height, width * depth)
    lines = b"".join(b"\0" + np.packbits(line).tobytes() for line in bits.astype(np.uint8))
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_labels_of_a_few_bits_are_their_classes(depth, tmp_path):
    numbers = np.random.default_rng(0).integers(0, min(2**depth, 200), (6, 5))
    grey_png(tmp_path / "a.png", numbers, depth)
    np.testing.assert_array_equal(labels_in(tmp_path), numbers)


def test_a_changed_bit_of_a_png_image_is_noticed(tmp_path):
    random = np.random.default_rng(1)
    numbers = random.integers(0, 4, (30, 20)).astype("uint8")
    (tmp_path / "labels").mkdir()
    Image.fromarray(numbers).save(tmp_path / "labels" / "a.png")
    content = (tmp_path / "labels" / "a.png").read_bytes()

    def labels():
        return labels_in(tmp_path / "labels")

    def image():
        return read_rows(tmp_path / "b.png", GREY).x[0, ..., 0]

    for _ in range(200):
        changed, at = bytearray(content), random.integers(len(content) * 8)
        changed[at // 8] ^= 1 << (at % 8)
        (tmp_path / "labels" / "a.png").write_bytes(bytes(changed))
        (tmp_path / "b.png").write_bytes(bytes(changed))
        for read in (labels, image):
            with suppress(FileError):
                assert np.array_equal(read(), numbers)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_and_labels_are_turned_alike(orientation, tmp_path):
    numbers = np.arange(12).reshape(3, 4).astype("uint8")
    image = Image.fromarray(numbers)
    exif = image.getexif()
    exif[ORIENTATION] = orientation
    (tmp_path / "labels").mkdir()
    for path in (tmp_path / "a.png", tmp_path / "labels" / "a.png", tmp_path / "a.tif"):
        image.save(path, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(turned(numbers, orientation), upright)
    np.testing.assert_array_equal(labels_in(tmp_path / "labels"), upright)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("howsure.data.images.warn", lambda *_, **__: None)
        np.testing.assert_array_equal(read_rows(tmp_path / "a.png", GREY).x[0, ..., 0], upright)
    pytest.importorskip("rasterio")
    np.testing.assert_array_equal(rasters.read_bands(tmp_path / "a.tif")[..., 0], upright)
