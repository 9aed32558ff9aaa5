"""Every format of `FORMATS` is read, and the docs name it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from howsure.errors import InputError
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import read_rows
from howsure.inputs.formats import FORMATS, IN_WORDS, open_table
from howsure.inputs.rows import InputSpec
from howsure.inputs.tables import Roles

ROWS = np.array([[1.0, 2.5], [3.0, 4.0]])
FRAME = pd.DataFrame(ROWS, columns=["a", "b"])
WRITERS = {
    ".npz": lambda path: np.savez(path, x=ROWS),
    ".npy": lambda path: np.save(path, ROWS),
    ".csv": lambda path: FRAME.to_csv(path, index=False),
    ".parquet": lambda path: FRAME.to_parquet(path),
}


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.ending)
def test_every_format_is_read(tmp_path, format):
    assert format.ending in WRITERS, "a format without an example here"
    path = tmp_path / f"rows{format.ending.upper()}"
    with path.open("wb") as file:
        WRITERS[format.ending](file)
    for inputs in ([InputSpec("x", (2,), "float32")], None):
        np.testing.assert_array_equal(read_rows(path, inputs).x, ROWS)


def test_the_docs_name_every_format():
    text = Path("docs/rows.md").read_text(encoding="utf-8")
    assert [format.ending for format in FORMATS if f"`{format.ending}`" not in text] == []


def test_columns_of_a_file_of_arrays(tmp_path):
    with pytest.raises(InputError, match=rf"has no columns. Expected: a {IN_WORDS['columns']} file"):
        open_table(tmp_path / "x.npy", CsvForm(), Roles())
