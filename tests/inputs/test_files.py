from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howsure.errors import FileError, HowsureError, InputError
from howsure.inputs.files import read_class_names, read_rows
from howsure.inputs.formats import IN_WORDS
from howsure.inputs.rows import InputSpec, Rows
from tests.made import read_labels
from tests.refused import refused

IMAGE = [InputSpec("image", (8, 6, 1), "float32")]
FLAT = [InputSpec("x", (3,), "float32")]
TWO = [InputSpec("a", (), "float32"), InputSpec("b", (2,), "float32")]
ROOT = Path(__file__).parents[2]
TABLE = np.array([[1, 2, 3], [4, 5, 6]])


def refuse(error, function, arguments, *fragments):
    refused(error, lambda: function(*arguments), *fragments)


def written(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    return path


def grey(folder, name, value=0, size=(6, 8), mode="L"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


# --- any path -------------------------------------------------------------------------------------


def test_paths_that_cannot_be_read(tmp_path):
    refuse(FileError, read_rows, (tmp_path / "no.npz", FLAT), "The file does not exist", "no.npz")
    refuse(FileError, read_rows, (tmp_path / ("a" * 300 + ".npy"), FLAT), "cannot be read")
    path = written(tmp_path, "rows.xlsx", "")
    refuse(InputError, read_rows, (path, FLAT), "rows.xlsx' is not a kind", IN_WORDS["rows"])
    os.mkfifo(tmp_path / "pipe.npz")
    refuse(FileError, read_rows, (tmp_path / "pipe.npz", FLAT), "neither a file nor a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = written(tmp_path, "x.csv", "a,b,c\n1,2,3\n")
    path.chmod(0)
    refuse(FileError, read_rows, (path, FLAT), "cannot be read (Permission denied)")


def test_content_that_does_not_fit_the_model_names_the_file(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 4)))
    refuse(
        InputError,
        read_rows,
        (tmp_path / "x.npy", FLAT),
        "x.npy': the rows do not have the shape",
        "(5, 4)",
    )


def test_importing_loads_neither_pillow_nor_pyarrow_nor_a_framework():
    code = (
        "import sys; package = type(sys)('howsure')\n"
        "package.__path__ = ['howsure']; sys.modules['howsure'] = package; import howsure.inputs.files\n"
        "print({'PIL', 'pyarrow', 'keras', 'torch', 'jax', 'pandas'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout == "set()\n"


# --- npz and npy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_x_and_y(tmp_path, save):
    x, y = TABLE.astype("float32"), np.array([1, 0])
    save(tmp_path / "rows.npz", x=x, y=y, other=np.zeros(9))
    rows = read_rows(tmp_path / "rows.npz", FLAT)
    np.testing.assert_array_equal(rows.x, x)
    assert rows.x.dtype == x.dtype
    np.testing.assert_array_equal(rows.labels, y)
    assert (rows.class_names, rows.ids, rows.left_out) == (None, None, ())


def test_npz_with_one_array_of_any_name(tmp_path):
    np.savez(tmp_path / "one.npz", TABLE)
    rows = read_rows(tmp_path / "one.npz", FLAT)
    np.testing.assert_array_equal(rows.x, TABLE)
    assert rows.labels is None
    np.savez(tmp_path / "two.npz", digits=TABLE, y=[[0], [1]])
    assert read_rows(str(tmp_path / "two.npz"), FLAT).labels.tolist() == [0, 1]


def test_npz_for_several_inputs(tmp_path):
    np.savez(tmp_path / "rows.npz", b=np.ones((2, 2)), a=np.zeros(2), y=[0, 1])
    rows = read_rows(tmp_path / "rows.npz", TWO)
    assert list(rows.x) == ["a", "b"]
    assert rows.x["b"].shape == (2, 2)
    assert rows.labels.tolist() == [0, 1]
    np.savez(tmp_path / "less.npz", a=np.zeros(2), c=[0, 1])
    refuse(InputError, read_rows, (tmp_path / "less.npz", TWO), "no array 'b'", "Received: arrays 'a', 'c'")


def test_an_input_called_y_is_not_the_labels(tmp_path):
    inputs = [InputSpec("x", (), "float32"), InputSpec("y", (), "float32")]
    np.savez(tmp_path / "rows.npz", x=[0.0, 1.0], y=[2.0, 3.0])
    written(tmp_path, "rows.csv", "x,y\n0,2\n1,3\n")
    for name in ("rows.npz", "rows.csv"):
        rows = read_rows(tmp_path / name, inputs)
        assert rows.x["y"].tolist() == [2, 3]
        assert rows.labels is None


def test_npz_that_does_not_say_which_array(tmp_path):
    np.savez(tmp_path / "keras.npz", x_train=TABLE, y_train=[0, 1], x_test=TABLE, y_test=[0, 1])
    listed = "Received: arrays 'x_train', 'y_train', 'x_test', 'y_test'"
    refuse(
        InputError,
        read_rows,
        (tmp_path / "keras.npz", FLAT),
        "does not say which",
        listed,
        "numpy.savez",
    )
    np.savez(tmp_path / "y.npz", y=[0, 1])
    refuse(InputError, read_rows, (tmp_path / "y.npz", FLAT), "Received: arrays 'y'")
    np.savez(tmp_path / "none.npz")
    refuse(InputError, read_rows, (tmp_path / "none.npz", FLAT), "Received: no array")


def test_npz_labels_that_do_not_fit(tmp_path):
    np.savez(tmp_path / "a.npz", x=TABLE, y=[0, 1, 2])
    refuse(InputError, read_rows, (tmp_path / "a.npz", FLAT), "Expected: 2 labels", "Received: 3 in 'y'")
    np.savez(tmp_path / "b.npz", x=TABLE, y=np.zeros((2, 2, 1, 1, 1, 1)))
    refuse(InputError, read_rows, (tmp_path / "b.npz", FLAT), "not one value per row", "(N, K) for K labels")


def test_npz_of_several_labels_per_row(tmp_path):
    np.savez(tmp_path / "a.npz", x=TABLE, y=np.eye(2))
    assert read_rows(tmp_path / "a.npz", FLAT).labels.tolist() == [[1, 0], [0, 1]]


def test_damaged_npz(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(500, 3)))
    content = (tmp_path / "x.npz").read_bytes()
    flipped = content[:4000] + bytes([content[4000] ^ 255]) + content[4001:]
    for broken in (content[:3000], b"", b"no zip", pickle.dumps([1, 2]), flipped):
        path = written(tmp_path, "broken.npz", broken)
        refuse(
            FileError,
            read_rows,
            (path, FLAT),
            "broken.npz' is not a readable npz file",
            "damaged",
        )


def test_npz_with_two_arrays_of_one_name(tmp_path):
    """`numpy.load` gives the last of them without a word."""
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3)))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("x.npy", archive.read("x.npy"))
    refuse(
        FileError,
        read_rows,
        (tmp_path / "x.npz", FLAT),
        "is not a readable npz file",
        "two arrays of one name",
    )


def test_npy_stays_on_disk(tmp_path):
    x = np.arange(96, dtype=np.uint8).reshape(2, 8, 6)
    np.save(tmp_path / "x.npy", x)
    rows = read_rows(tmp_path / "x.npy", IMAGE)
    assert isinstance(rows.x, np.memmap)
    assert rows.x.shape == (2, 8, 6, 1)
    np.testing.assert_array_equal(rows.x[..., 0], x)


def test_npy_without_rows(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 3)))
    assert read_rows(tmp_path / "x.npy", FLAT).x.shape == (0, 3)


def test_damaged_npy(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((100, 3)))
    content = (tmp_path / "x.npy").read_bytes()
    for broken in (content[:500], content[:20], b"", b"hello", pickle.dumps([1, 2])):
        path = written(tmp_path, "broken.npy", broken)
        refuse(FileError, read_rows, (path, FLAT), "broken.npy' is not a readable npy file")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_file_with_any_bit_changed_is_the_same_or_refused(tmp_path, save):
    x, y, path = np.random.default_rng(0).normal(size=(4, 3)), np.arange(4), tmp_path / "x.npz"
    save(path, x=x, y=y)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 13):
        path.write_bytes(flipped(whole, bit))
        with contextlib.suppress(HowsureError):
            rows = read_rows(path, FLAT)
            np.testing.assert_array_equal(rows.x, x)
            np.testing.assert_array_equal(rows.labels, y)


def test_an_npy_file_with_any_bit_changed_is_refused_in_words_where_it_shows(tmp_path):
    """Numbers that changed cannot be told from others, as the format has no checksum."""
    path, refused = tmp_path / "x.npy", 0
    np.save(path, np.ones((4, 3), dtype=np.float32))
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 5):
        path.write_bytes(flipped(whole, bit))
        try:
            assert read_rows(path, FLAT).x.shape == (4, 3)
        except HowsureError:
            refused += 1
    assert refused > 20


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("shape", [(10**9, 3), (10**30, 3), (-4, 3), (2, 3), (4, 3, 1, 2), (0, 3)])
def test_shapes_that_the_file_cannot_hold(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(48)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    (tmp_path / "x.npy").write_bytes(content)
    for name in ("x.npz", "x.npy"):
        refuse(FileError, read_rows, (tmp_path / name, FLAT), f"{name}'")


def test_an_encrypted_npz_file(tmp_path):
    np.savez(tmp_path / "x.npz", x=TABLE)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path = written(tmp_path, "e.npz", bytes(content))
    refuse(FileError, read_rows, (path, FLAT), "e.npz' is not a readable npz file", "is encrypted")


def test_pickles_are_never_loaded(tmp_path):
    objects = np.array([[1, 2, None]], dtype=object)
    np.save(tmp_path / "x.npy", objects)
    np.savez(tmp_path / "x.npz", x=objects)
    refuse(
        InputError,
        read_rows,
        (tmp_path / "x.npy", FLAT),
        "pickled Python objects, which are not loaded",
    )
    refuse(
        InputError,
        read_rows,
        (tmp_path / "x.npz", FLAT),
        "Array 'x' in",
        "pickled",
        "x.astype('float32')",
    )
    refuse(InputError, read_labels, (tmp_path / "x.npy",), "pickled")


def test_npy_for_several_inputs(tmp_path):
    np.save(tmp_path / "x.npy", TABLE)
    refuse(
        InputError,
        read_rows,
        (tmp_path / "x.npy", TWO),
        "the model has 2 inputs",
        "arrays named 'a', 'b'",
    )


# --- class names ----------------------------------------------------------------------------------


def test_class_names_in_every_form(tmp_path):
    names = ("cat", "dog", "St. Bernard")
    assert read_class_names("cat, dog,St. Bernard") == names
    assert read_class_names(str(written(tmp_path, "n.txt", "cat\ndog\r\n St. Bernard \n\n"))) == names
    assert read_class_names(str(written(tmp_path, "a,b.txt", "x\ny"))) == ("x", "y")
    assert read_class_names("a.txt,b.txt") == ("a.txt", "b.txt")


def test_only_ends_of_lines_part_names(tmp_path):
    path = written(tmp_path, "n.txt", "a\u2028b\r\nc\x85d\n\n".encode())
    assert read_class_names(str(path)) == ("a\u2028b", "c\x85d")


@pytest.mark.parametrize(
    ("name", "content", "error", "fragments"),
    [
        ("n.txt", "", InputError, ["n.txt' holds no class names"]),
        ("n.txt", "cat\n\ndog", InputError, ["n.txt' has an empty name in place 2"]),
        ("n.txt", b"\xff\xfe\xff", FileError, ["n.txt' is not text in UTF-8"]),
        ("n.csv", "cat\ndog\n", InputError, ["neither a list", "or a .txt file"]),
    ],
)
def test_files_without_class_names(tmp_path, name, content, error, fragments):
    path = written(tmp_path, name, content)
    refuse(error, read_class_names, (str(path),), *fragments)


def test_what_is_no_list_of_names(tmp_path):
    assert read_class_names("price,") == ("price",)
    refuse(InputError, read_class_names, ("cat",), "'cat' is neither a list of class names nor a file")
    refuse(InputError, read_class_names, ("cat,,dog",), "The list 'cat,,dog' has an empty name in place 2")
    refuse(FileError, read_class_names, (str(tmp_path / "no.txt"),), "The file does not exist", "no.txt")
    (tmp_path / "folder.txt").mkdir()
    refuse(FileError, read_class_names, (str(tmp_path / "folder.txt"),), "cannot be read")


# --- labels ---------------------------------------------------------------------------------------


def test_labels_from_npy(tmp_path):
    np.save(tmp_path / "y.npy", np.array([[3], [1]]))
    assert read_labels(tmp_path / "y.npy").tolist() == [3, 1]
    np.save(tmp_path / "y.npy", np.zeros((2, 4, 5)))  # one at each position
    assert read_labels(tmp_path / "y.npy").shape == (2, 4, 5)
    np.save(tmp_path / "y.npy", np.zeros((2, 2, 1, 1, 1, 1)))
    refuse(InputError, read_labels, (tmp_path / "y.npy",), "y.npy' are not one value per row", "(2, 2, 1")


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("label\n0\n2\n", [0, 2]),
        ("label\n01\n02\n", ["01", "02"]),
        ("id,y\n7,1\n8,0\n", [1, 0]),
        ("animal\ncat\ndog\n", ["cat", "dog"]),
        ("rain,wind\n1,0\n0,0\n", [[1, 0], [0, 0]]),
    ],
)
def test_labels_from_csv(tmp_path, content, labels):
    assert read_labels(written(tmp_path, "y.csv", content)).tolist() == labels


def test_labels_without_a_header_are_refused(tmp_path):
    path = written(tmp_path, "y.csv", "cat\ndog\ncat\n")
    rows = Rows(np.zeros((3, 1)))
    refuse(InputError, read_labels, (path, rows), "Received: 2", "The first line of a csv file is its header")
    path = written(tmp_path, "y.csv", "0\n2\n1\n")
    refuse(InputError, read_labels, (path, rows), "may be a row and no header", "Received: 0")


def test_labels_that_cannot_be_read(tmp_path):
    refuse(FileError, read_labels, (tmp_path / "y.csv",), "The file does not exist")
    refuse(InputError, read_labels, (written(tmp_path, "y.txt", "1"),), f"{IN_WORDS['answers']} file")
    path = written(tmp_path, "two.csv", "y,y\n1,2\n")
    refuse(InputError, read_labels, (path,), "has 2 columns 'y'", "columns 'y', 'y'")
    path = written(tmp_path, "gap.csv", "label\n1\n\n2\n")
    refuse(InputError, read_labels, (path,), "empty cells in column 'label', in row 1")
    path = written(tmp_path, "hole.csv", "id,y\n1,2\n2,\n")
    refuse(InputError, read_labels, (path,), "empty cells in column 'y', in row 1")
