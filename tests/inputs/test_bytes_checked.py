"""Images and labels: their bytes are checked before their numbers are used."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageOps

from howsure.errors import FileError
from howsure.inputs.files import read_rows
from howsure.inputs.images import ORIENTATION
from howsure.inputs.label_files import LabelFolder
from howsure.inputs.rows import InputSpec

GREY = [InputSpec("x", (None, None, 1), "float32")]


def labels_in(folder):
    return LabelFolder.of_folder(folder).of(type("Rows", (), {"ids": np.array(["a.png"], object)})())[0]


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
    for path in (tmp_path / "a.png", tmp_path / "labels" / "a.png"):
        image.save(path, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(labels_in(tmp_path / "labels"), upright)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("howsure.inputs.images.warn", lambda *_, **__: None)
        np.testing.assert_array_equal(read_rows(tmp_path / "a.png", GREY).x[0, ..., 0], upright)
