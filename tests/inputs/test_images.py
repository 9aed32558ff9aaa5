from __future__ import annotations

import contextlib
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from howsure.errors import FileError, HowsureError, HowsureWarning, InputError
from howsure.inputs.files import read_rows
from howsure.inputs.rows import InputSpec
from tests.refused import refused

GREY = [InputSpec("image", (8, 6, 1), "float32")]
RGB = [InputSpec("image", (8, 6, 3), "float32")]
RGBA = [InputSpec("image", (8, 6, 4), "float32")]
FLAT = [InputSpec("x", (48,), "float32")]
ANY = [InputSpec("image", (None, None, 1), "float32")]


def refuse(path, inputs, error, *fragments, **options):
    refused(error, lambda: read_rows(path, inputs, **options), *fragments)


def pixels(channels=0):
    shape = (8, 6, channels) if channels else (8, 6)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path, values=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if values is None else values).save(path, **options)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "PNG"])
def test_lossless_formats_come_back_exactly(tmp_path, suffix):
    save(tmp_path / f"one.{suffix}")
    rows = read_rows(tmp_path, GREY)
    assert rows.x.dtype == np.uint8
    np.testing.assert_array_equal(rows.x[0, :, :, 0], pixels())
    assert rows.ids.tolist() == [f"one.{suffix}"]
    assert (rows.labels, rows.class_names, rows.left_out) == (None, None, ())


@pytest.mark.parametrize(("inputs", "channels"), [(GREY, 1), (RGB, 3), (RGBA, 4)])
@pytest.mark.parametrize("stored", [0, 3, 4])
def test_channels_follow_the_model(tmp_path, inputs, channels, stored):
    save(tmp_path / "one.png", pixels(stored))
    rows = read_rows(tmp_path, inputs)
    assert rows.x.shape == (1, 8, 6, channels)
    if stored == channels:
        np.testing.assert_array_equal(rows.x[0], pixels(stored))
    if (stored, channels) == (0, 3):
        np.testing.assert_array_equal(rows.x[0], np.repeat(pixels()[..., np.newaxis], 3, axis=-1))


def test_an_input_without_channels_takes_grey(tmp_path):
    save(tmp_path / "one.png", pixels(3))
    assert read_rows(tmp_path, [InputSpec("image", (8, 6), "float32")]).x.shape == (1, 8, 6)


def test_palettes_with_transparency(tmp_path):
    palette = Image.fromarray(pixels(3)).quantize(16)
    palette.save(tmp_path / "one.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(read_rows(tmp_path, RGB).x[0], np.asarray(palette.convert("RGB")))


def test_rows_are_sorted_by_name_and_other_files_passed_over(tmp_path):
    for value, name in enumerate(["b.png", "a.png", "c10.png", "c2.png"]):
        save(tmp_path / name, np.full((8, 6), value, np.uint8))
    for name in (".hidden.png", "notes.txt", ".DS_Store"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.png").mkdir()
    rows = read_rows(tmp_path, GREY)
    assert rows.ids.tolist() == ["a.png", "b.png", "c10.png", "c2.png"]
    assert rows.x[:, 0, 0, 0].tolist() == [1, 0, 2, 3]


def test_class_folders_give_labels(tmp_path):
    for value, name in enumerate(["dog/2.png", "cat/1.png", "dog/1.png"]):
        save(tmp_path / name, np.full((8, 6), value, np.uint8))
    (tmp_path / "ape").mkdir()
    (tmp_path / ".cache").mkdir()
    rows = read_rows(tmp_path, GREY)
    assert rows.class_names == ("ape", "cat", "dog")
    assert rows.labels.tolist() == [1, 2, 2]
    assert rows.ids.tolist() == ["cat/1.png", "dog/1.png", "dog/2.png"]
    assert rows.x[:, 0, 0, 0].tolist() == [1, 2, 0]


def test_sizes_must_be_those_of_the_model(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", np.zeros((8, 7), np.uint8))
    refuse(
        tmp_path,
        GREY,
        InputError,
        "b.png' does not have the size",
        "height × width 8 × 6",
        "Received: 8 × 7",
        "Resize",
    )
    refuse(tmp_path, [InputSpec("x", (None, 6, 1), "float32")], InputError, "height × width any × 6")


def test_images_of_a_free_size_are_grouped_by_size(tmp_path):
    save(tmp_path / "a.png")
    assert read_rows(tmp_path, ANY).x.shape == (1, 8, 6, 1)
    save(tmp_path / "b.png", np.full((9, 6), 7, np.uint8))
    save(tmp_path / "c.png")
    rows = read_rows(tmp_path, ANY)
    assert [numbers.tolist() for numbers, _ in rows.x.parts] == [[0, 2], [1]]
    assert [x.shape for _, x in rows.x.parts] == [(2, 8, 6, 1), (1, 9, 6, 1)]
    assert (rows.x.parts[1][1] == 7).all()
    assert rows.ids.tolist() == ["a.png", "b.png", "c.png"]


def broken_images(folder):
    """A folder with one image that can be read and four that cannot."""
    save(folder / "cat" / "good.png")
    save(folder / "cat" / "cut.png", np.random.default_rng(0).integers(0, 256, (8, 6), dtype=np.uint8))
    content = (folder / "cat" / "cut.png").read_bytes()
    (folder / "cat" / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "cat" / "empty.jpg").write_bytes(b"")
    (folder / "dog").mkdir()
    (folder / "dog" / "phone.heic").write_bytes(b"ftypheic")
    (folder / "dog" / "text.gif").write_text("hello")


def test_an_unreadable_image_is_an_error_that_says_how_to_go_on(tmp_path):
    broken_images(tmp_path)
    refuse(
        tmp_path,
        GREY,
        FileError,
        "cut.png' is not a readable image",
        "Received: ",
        "--set",
        "skip_unreadable=true",
    )


def test_unreadable_images_are_left_out_and_listed(tmp_path):
    broken_images(tmp_path)
    rows = read_rows(tmp_path, GREY, skip_unreadable=True)
    assert rows.ids.tolist() == ["cat/good.png"]
    assert rows.labels.tolist() == [0]
    assert rows.class_names == ("cat", "dog")
    assert [reason.split(":")[0] for reason in rows.left_out] == [
        "cat/cut.png",
        "cat/empty.jpg",
        "dog/phone.heic",
        "dog/text.gif",
    ]
    assert rows.left_out[1:] == (
        "cat/empty.jpg: the file is empty",
        "dog/phone.heic: its content is none of BMP, DIB, GIF, JPEG, MPO, PNG, WEBP",
        "dog/text.gif: its content is none of BMP, DIB, GIF, JPEG, MPO, PNG, WEBP",
    )


def test_no_readable_image_at_all(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    refuse(
        tmp_path,
        GREY,
        InputError,
        "No image in",
        "1 image, for example a.png: the file is empty",
        skip_unreadable=True,
    )


@pytest.mark.parametrize("suffix", ["tif", "tga", "ppm", "jp2"])
def test_other_images_are_reported_with_the_way_out(tmp_path, suffix):
    save(tmp_path / f"a.{suffix}")
    refuse(tmp_path, GREY, FileError, f"a.{suffix}' is not a readable image", "is none of BMP", "to PNG")


def test_folders_that_hold_no_rows(tmp_path):
    refuse(tmp_path, GREY, InputError, "holds no images", ".jpg", "sub-folder")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "cat").mkdir()
    refuse(tmp_path, GREY, InputError, "holds no images")
    save(tmp_path / "cat" / "kittens" / "a.png")
    refuse(tmp_path, GREY, InputError, "nor one of class folders", "'cat/kittens'")


def test_images_beside_class_folders(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "extra").mkdir()
    assert read_rows(tmp_path, GREY).ids.tolist() == ["a.png"]
    save(tmp_path / "extra" / "b.png")
    refuse(tmp_path, GREY, InputError, "nor one of class folders", "'a.png', 'extra/")


def test_models_that_take_no_images(tmp_path):
    save(tmp_path / "a.png")
    refuse(tmp_path, FLAT, InputError, "which this model does not take", "an input of shape (48,)", ".npz")
    refuse(tmp_path, GREY + RGB, InputError, "Received: 2 inputs")
    refuse(tmp_path, [InputSpec("x", (3, 8, 6), "float32")], InputError, "an input of shape (3, 8, 6)")


# --- contents of other kinds ----------------------------------------------------------------------

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 8\n%%EndComments\n0 0 6 8 rectfill\n%%EOF\n"


def test_postscript_never_reaches_a_decoder(tmp_path, monkeypatch):
    def decode(*args, **options):
        pytest.fail("PostScript was decoded")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", decode)
    (tmp_path / "one.jpg").write_bytes(POSTSCRIPT)
    with Image.open(tmp_path / "one.jpg") as image:  # what Pillow would make of it
        assert image.format == "EPS"
    refuse(tmp_path, GREY, FileError, "one.jpg' is not a readable image", "its content is none of BMP")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_no_image_is_passed_over(tmp_path):
    """Whatever its name, or what is left of it; and what is none is passed over, and not waited for."""
    save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "IMG_0001")
    (tmp_path / "b.jxl").write_bytes(b"\xff\x0a and more of what nobody here reads")
    for name in ("d", "e.png"):
        (tmp_path / name).symlink_to("nowhere")
    os.mkfifo(tmp_path / "f.png")
    (tmp_path / "g.png").symlink_to("g.png")
    others = {
        "README": "Python reads these",
        "y.csv": "BMI,y\n1,2\n" * 9,
        "p": "P1 is a name of pictures",
        "n": "",
    }
    for name, text in others.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path, GREY, FileError, "b.jxl' is not a readable image")
    rows = read_rows(tmp_path, GREY, skip_unreadable=True)
    assert rows.ids.tolist() == ["IMG_0001"]
    assert [line.split(": ") for line in rows.left_out] == [
        ["b.jxl", "its content is none of BMP, DIB, GIF, JPEG, MPO, PNG, WEBP"],
        ["d", "a link that leads nowhere"],
        ["e.png", "a link that leads nowhere"],
        ["f.png", "it is no file"],
        ["g.png", "a link that leads nowhere"],
    ]


def test_a_class_folder_that_is_a_link(tmp_path):
    for name in ("cat/1.png", "kept/2.png"):
        save(tmp_path / "rows" / name)
    (tmp_path / "rows" / "kept").rename(tmp_path / "kept")
    (tmp_path / "rows" / "dog").symlink_to(tmp_path / "nowhere")
    refuse(tmp_path / "rows", GREY, InputError, "nor one of class folders", "'dog', 'cat/1.png'")
    (tmp_path / "rows" / "dog").unlink()
    (tmp_path / "rows" / "dog").symlink_to(tmp_path / "kept")
    assert read_rows(tmp_path / "rows", GREY).class_names == ("cat", "dog")


def test_images_deeper_beside_images(tmp_path):
    for name in ("1.png", "more/of/2.png"):
        save(tmp_path / name)
    refuse(tmp_path, GREY, InputError, "nor one of class folders", "'1.png', 'more/of'")


# --- what Pillow would cut or leave lying -----------------------------------------------------------


def png(kind, bits):
    """A PNG file of 6 × 8 pixels, colour type `kind`, as its specification has it."""
    row = 6 * {0: 1, 2: 3, 4: 2, 6: 4}[kind] * bits // 8
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 6, 8, bits, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(8 * (b"\0" + bytes(range(row))))),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


DEEP = {
    "colour.png": png(2, 16),
    "colour and alpha.png": png(6, 16),
    "grey and alpha.png": png(4, 16),
    "grey.png": png(0, 16),
}


@pytest.mark.parametrize("name", DEEP)
def test_colours_of_more_than_eight_bits_are_not_cut(tmp_path, name):
    (tmp_path / name).write_bytes(DEEP[name])
    refuse(tmp_path, RGB, InputError, f"{name}' has more than 8 bits per channel")


UPRIGHT = {
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", [1, *UPRIGHT, 9])
def test_images_are_upright_as_exif_says(tmp_path, orientation):
    """By the definitions of the tag in the EXIF standard (JEITA CP-3451, 4.6.4)."""
    lying = np.random.default_rng(0).integers(0, 256, (6, 6), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(lying).save(tmp_path / "a.png", exif=exif)
    inputs = [InputSpec("image", (6, 6, 1), "float32")]
    if orientation not in UPRIGHT:
        assert np.array_equal(read_rows(tmp_path, inputs).x[0, ..., 0], lying)
        return
    with pytest.warns(HowsureWarning, match=r"1 image was turned upright.*'a\.png'.*save them without EXIF"):
        found = read_rows(tmp_path, inputs).x[0, ..., 0]
    assert np.array_equal(found, UPRIGHT[orientation](lying))


def test_damaged_images_are_refused_in_words(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8))
    random = np.random.default_rng(1)
    for suffix in ("png", "jpg", "gif", "bmp", "webp"):
        path = tmp_path / f"a.{suffix}"
        image.save(path)
        whole = path.read_bytes()
        for _ in range(40):
            changed = bytearray(whole)
            changed[random.integers(len(whole))] ^= 1 << random.integers(8)
            path.write_bytes(changed)
            with contextlib.suppress(HowsureError), warnings.catch_warnings(action="ignore"):
                assert read_rows(path, RGB).x.shape == (1, 8, 6, 3)
