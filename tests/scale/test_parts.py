import pickle
import re
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure import tuning
from howsure.inputs.formats import IN_WORDS
from howsure.inputs.rows import InputSpec
from howsure.inputs.tables import Roles
from howsure.scale.parts import MOST_PARTS, PIECES, Part, RowFile, divided, spread, usual_size
from howsure.scale.read import RowSource

SPECS = [InputSpec("x", (3,), "float32")]


def files(*counts):
    return [RowFile(str(number), rows, "") for number, rows in enumerate(counts)]


class Taking:
    """A model, as far as readers ask it."""

    def __init__(self, specs):
        self._specs = specs

    def declared_specs(self):
        return self._specs

    def channels(self):
        return None


def reader_of(path, specs, **settings):
    return RowSource(path, **settings).open(Taking(specs))


@pytest.mark.parametrize("counts", [(5,), (10, 3), (4, 0, 9), (0, 1), (12, 12, 12)])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_parts_hold_every_row_once(counts, size):
    parts = divided(files(*counts), size)
    numbers = [n for part in parts for n in range(part.first_row, part.first_row + len(part))]
    assert numbers == list(range(sum(counts)))
    places = [(part.file, n) for part in parts for n in range(part.start, part.stop)]
    assert places == [(file, n) for file, rows in enumerate(counts) for n in range(rows)]
    assert max(map(len, parts)) <= size
    assert len({part.name for part in parts}) == len(parts)


@pytest.mark.parametrize("rows", [1, 1000, 16_384, 16_385, 20_000, 10**6, 2**25, 10**9, 10**10])
def test_usual_sizes(rows):
    size = usual_size(rows)
    assert -(-rows // size) <= MOST_PARTS
    assert size >= tuning.KEPT_ROWS
    assert size == tuning.KEPT_ROWS or rows >= PIECES * size
    assert tuning.BLOCK % size == 0 or size % tuning.BLOCK == 0


@pytest.mark.parametrize("counts", [(5000,), (100, 4900), (2000, 0, 50, 3000), (1, 1, 9000)])
def test_the_sample_reaches_from_the_first_row_to_the_last(counts):
    places = spread(files(*counts), 100, 10)
    numbers = [n for part in places for n in range(part.first_row, part.first_row + len(part))]
    total = sum(counts)
    assert len(numbers) == len(set(numbers)) == 100
    assert numbers[0] == 0
    assert numbers[-1] == total - 1
    assert np.diff(numbers).max() <= total / 9


def test_few_rows_are_all_in_the_sample():
    assert sum(map(len, spread(files(30, 20), 100, 10))) == 50


# --- what is read, by whatever way, is what was written -------------------------------------------


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def lists(x):
    return {"x": pa.array(x.tolist(), pa.list_(pa.float32()))}


def fixed_lists(x):
    return {"x": pa.FixedSizeListArray.from_arrays(x.ravel(), 3)}


def tensors(x):
    return {"x": pa.FixedShapeTensorArray.from_numpy_ndarray(x)}


def plain(x):
    return {name: x[:, number] for number, name in enumerate("abc")}


@pytest.mark.parametrize("columns", [plain, lists, fixed_lists, tensors])
@pytest.mark.parametrize("group", [7, 50])
def test_parquet(tmp_path, x, columns, group):
    names = [f"{number}" for number in range(50)]
    pq.write_table(pa.table({"name": names, **columns(x)}), tmp_path / "x.parquet", row_group_size=group)
    reader = reader_of(tmp_path / "x.parquet", SPECS, roles=Roles(id="name"))
    assert [file.rows for file in reader.files] == [50]
    for start, stop in [(0, 10), (10, 13), (30, 50), (2, 9), (2, 9), (49, 50)]:  # also back again
        rows = reader.read(Part(0, start, stop, start))
        assert np.array_equal(rows.x, x[start:stop])
        assert rows.ids.tolist() == names[start:stop]
        assert rows.id_name == "name"


def test_arrays_stay_on_disk(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=np.asfortranarray(x), id=np.arange(50), y=np.arange(50) % 2)
    np.savez_compressed(tmp_path / "small.npz", x=x, id=np.arange(50), y=np.arange(50) % 2)
    for name, mapped in [("x.npy", True), ("x.npz", False), ("small.npz", False)]:
        reader = pickle.loads(pickle.dumps(reader_of(tmp_path / name, SPECS)))  # as a worker gets it
        assert reader.files[0].rows == 50
        rows = reader.read(Part(0, 20, 30, 20))
        assert np.array_equal(rows.x, x[20:30])
        assert isinstance(rows.x, np.memmap) == mapped
        if name != "x.npy":
            assert rows.ids.tolist() == list(range(20, 30))
            assert rows.labels.tolist() == [0, 1] * 5


TWO = [InputSpec("left", (3,), "float32"), InputSpec("right", (3,), "float32")]


@pytest.mark.parametrize(
    ("arrays", "specs", "said"),
    [
        ({"x": 50, "y": 60}, SPECS, "another number of labels than of rows. Expected: 50"),
        ({"x": 50, "y": 60}, None, "another number of labels than of rows. Expected: 50"),
        ({"x": 50, "id": 60}, SPECS, "do not fit the rows. Expected: 50"),
        ({"left": 50, "right": 60}, TWO, "differ in their number of rows.*'left' has 50, 'right' has 60"),
        ({"left": 50, "right": 40}, None, "differ in their number of rows.*'left' has 50, 'right' has 40"),
        ({"x": None}, SPECS, "are no rows"),
    ],
)
def test_arrays_that_do_not_belong_together(tmp_path, arrays, specs, said):
    """More labels than rows would be cut to their number, part by part, and be those of other rows."""
    found = {
        name: np.float32(1) if rows is None else np.zeros((rows, 3) if name not in ("y", "id") else rows, int)
        for name, rows in arrays.items()
    }
    np.savez(tmp_path / "x.npz", **found)
    with pytest.raises(howsure.InputError, match=said):
        reader_of(tmp_path / "x.npz", specs)


def test_an_array_that_the_model_does_not_take_may_have_any_length(tmp_path, x):
    np.savez(tmp_path / "x.npz", about=np.arange(3), left=x, right=x)
    assert reader_of(tmp_path / "x.npz", TWO).files[0].rows == 50


def test_a_changed_bit_of_a_mapped_array_is_found(tmp_path, x):
    path = tmp_path / "x.npz"
    np.savez(path, x=x)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("x.npy").header_offset
    content = bytearray(path.read_bytes())
    content[place + 300] ^= 1
    path.write_bytes(content)
    with pytest.raises(howsure.FileError, match=r"not a readable npz file.*CRC"):
        reader_of(path, SPECS)


def test_images_are_read_as_they_are_needed(tmp_path):
    from PIL import Image

    for number in range(6):
        folder = tmp_path / ("cat" if number < 3 else "dog")
        folder.mkdir(exist_ok=True)
        Image.new("L", (4, 4), 10 * number).save(folder / f"{number}.png")
    (tmp_path / "cat" / "1.png").write_bytes(b"no image")
    specs = [InputSpec("x", (4, 4, 1), "float32")]
    reader = reader_of(tmp_path, specs, skip_unreadable=True)
    assert reader.files[0].rows == 6
    part = Part(0, 0, 4, 0)
    rows = reader.read(part)
    assert rows.x[:, 0, 0, 0].tolist() == [0, 20, 30]
    assert rows.ids.tolist() == ["cat/0.png", "cat/2.png", "dog/3.png"]
    assert reader.places(part, rows).tolist() == [0, 2, 3]
    assert rows.labels.tolist() == [0, 0, 1]
    assert rows.class_names == ("cat", "dog")
    assert reader.read(Part(0, 4, 6, 4)).x[:, 0, 0, 0].tolist() == [40, 50]


def test_images_that_come_and_go_while_others_are_read(tmp_path):
    """A worker reads those that were found, each in its place and with its label."""
    from PIL import Image

    for number in range(4):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.new("L", (4, 4), 10 * number).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    specs = [InputSpec("x", (4, 4, 1), "float32")]
    reader = pickle.loads(pickle.dumps(reader_of(tmp_path, specs, skip_unreadable=True)))
    (tmp_path / "a" / "2.png").rename(tmp_path / "a" / "1.png")
    part = Part(0, 0, 4, 0)
    rows = reader.read(part)
    assert rows.ids.tolist() == ["a/0.png", "b/1.png", "b/3.png"]
    assert rows.labels.tolist() == [0, 1, 1]
    assert reader.places(part, rows).tolist() == [0, 2, 3]


def test_a_csv_file_is_held_whole_by_each_reader(tmp_path):
    (tmp_path / "x.csv").write_text("id,a,b,c\n" + "".join(f"0{n},{n},1,2\n" for n in range(5)))
    reader = pickle.loads(pickle.dumps(reader_of(tmp_path / "x.csv", SPECS)))
    rows = reader.read(Part(0, 2, 4, 2))
    assert (rows.x.tolist(), rows.ids.tolist()) == ([[2, 1, 2], [3, 1, 2]], ["02", "03"])
    (tmp_path / "x.txt").write_text("1,2,3\n")
    expected = f"not a kind of file that holds rows.*{re.escape(IN_WORDS['columns'])}"
    with pytest.raises(howsure.InputError, match=expected):
        reader_of(tmp_path / "x.txt", SPECS)
