"""Maps in several files do what one array does."""

import pickle

import numpy as np
import pytest

from howsure.results.lazy_maps import LazyMap, joined_maps

SIZES = (3, 1, 4)


@pytest.fixture(scope="module")
def arrays():
    return np.split(np.random.default_rng(0).integers(0, 9, (sum(SIZES), 2, 5), dtype=np.int16), [3, 4])


@pytest.fixture(scope="module")
def several(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    return joined_maps([np.load(folder / f"{number}.npy", mmap_mode="r") for number in range(len(SIZES))])


INDICES = [
    *(0, 3, -1, np.int64(7)),
    *(slice(None), slice(1, 3), slice(2, 6), slice(3, 4), slice(6, None), slice(None, None, -1), slice(0, 0)),
    *([5, 0, 0], [], np.array([True, False] * 4), np.arange(8) > 9),
    *((slice(1, 6), 1), (4, 1, 2), (-2, slice(None), 0), (..., 0), ([1, 2], [0, 1]), None, ...),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_rows_are_those_of_one_array(index, arrays, several):
    whole = np.concatenate(arrays)
    if isinstance(index, list) and not index:
        index = np.array([], dtype=int)
    found = several[index]
    assert np.shape(found) == whole[index].shape
    np.testing.assert_array_equal(np.asarray(found), whole[index])
    assert found.dtype == whole.dtype
    if isinstance(found, LazyMap):  # rows of rows
        np.testing.assert_array_equal(np.asarray(found[1:3]), whole[index][1:3])


def test_rows_are_not_read_before_they_are_looked_at(several):
    assert isinstance(several[4:7], LazyMap)
    assert isinstance(several[4], np.memmap)


@pytest.mark.parametrize("index", [8, -9])
def test_there_are_no_other_rows(index, several):
    with pytest.raises(IndexError):
        several[index]


def test_it_computes_as_one_array_does(arrays, several):
    whole = np.concatenate(arrays)
    np.testing.assert_array_equal(several == 3, whole == 3)
    np.testing.assert_array_equal(2 * several - several, whole)
    assert np.mean(several) == several.mean() == whole.mean()
    assert (several.shape, several.ndim, several.size, len(several)) == (whole.shape, 3, whole.size, 8)
    np.testing.assert_array_equal(several.reshape(-1), whole.reshape(-1))
    np.testing.assert_array_equal(np.stack(list(several)), whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(several)), whole)
    np.testing.assert_array_equal(np.asarray(several, np.float64), whole.astype(float))
    with pytest.raises(TypeError):
        several[0] = 1


def test_what_is_no_whole_file_is_not_joined(arrays, tmp_path):
    np.save(tmp_path / "a.npy", arrays[0])
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert joined_maps([mapped]) is not None
    for other in (mapped[1:], mapped[::-1], arrays[0]):
        assert joined_maps([other]) is None
