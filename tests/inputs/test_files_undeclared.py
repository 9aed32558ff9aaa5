"""Rows from files for models that say what they take, and for those that take what they get."""

import numpy as np
import pytest

from howsure import InputError
from howsure.inputs.files import read_rows
from howsure.inputs.rows import InputSpec

FLAT = [InputSpec("x", (3,), "float32")]
IMAGE = [InputSpec("image", (2, 2, 1), "float32")]
X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y, IDS = np.array([0, 2, 1, 0]), np.array(list("abcd"))


def read(source, inputs=None, channels=3, **arguments):
    return read_rows(source, inputs, lambda: channels, **arguments)


@pytest.fixture
def photos(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for folder, values in {"cat": [1, 2], "dog": [3]}.items():
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for value in values:
            pixels = np.full((2, 2), value, np.uint8)
            image.fromarray(pixels).save(tmp_path / "photos" / folder / f"{value}.png")
    return tmp_path / "photos"


def test_arrays_of_a_model_that_takes_what_it_gets(tmp_path):
    np.savez(tmp_path / "rows.npz", size=X, place=X[:, :2], y=Y)
    rows = read(tmp_path / "rows.npz")
    assert sorted(rows.x) == ["place", "size"]
    assert rows.labels.tolist() == Y.tolist()
    np.savez(tmp_path / "one.npz", pixels=X)
    assert np.array_equal(read(tmp_path / "one.npz").x, X)
    np.savez(tmp_path / "none.npz", y=Y)
    with pytest.raises(InputError, match="holds no rows"):
        read(tmp_path / "none.npz")


def test_a_folder_of_classes(photos):
    rows = read(photos, IMAGE)
    assert rows.x[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert (rows.ids.tolist(), rows.id_name) == (["cat/1.png", "cat/2.png", "dog/3.png"], "file")
    assert rows.truth(None).tolist() == [0, 0, 1]
    assert rows.truth(("dog", "cat")).tolist() == ["cat", "cat", "dog"]
    with pytest.raises(InputError, match="'dog' is not among the class names"):
        rows.truth(("cat", "wolf"))


def test_channels_come_first_where_the_model_does_not_say(photos):
    assert read(photos, channels=1).x.shape == (3, 1, 2, 2)
    assert read(photos, channels=None).x.shape == (3, 3, 2, 2)
