"""A saved table is read as it was saved, or refused."""

import dataclasses
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.results import columns
from howsure.results.saved import DIGEST_KEY
from tests.results.test_columns import example, several_labels


@pytest.fixture(params=[example, several_labels])
def saved(request, tmp_path):
    path = tmp_path / "c.parquet"
    request.param().save(path)
    return path


def content(path):
    """All that a saved result says, as `repr` shows it whole."""
    found = howsure.load(path)
    columns = {each.name: np.asarray(getattr(found, each.name, None)).tolist() for each in found.columns}
    return repr(([str(row) for row in found], columns, found.method, found.seed, found.version))


def test_the_change_of_any_bit_is_refused_or_changes_nothing(saved):
    whole, expected = saved.read_bytes(), content(saved)
    bits = np.random.default_rng(0).choice(8 * len(whole), 600, replace=False)
    refused = 0
    for bit in [*bits, *range(8 * len(whole) - 64, 8 * len(whole))]:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(changed)
        try:
            assert content(saved) == expected, f"bit {bit}"
        except howsure.FileError:
            refused += 1
    assert refused > 300
    saved.write_bytes(whole)
    assert content(saved) == expected


def test_what_is_cut_is_refused(saved):
    whole = saved.read_bytes()
    for other in [b"", whole[:3], whole[:-1], whole[1:], whole + b"x", whole[:100] + whole[101:]]:
        saved.write_bytes(other)
        with pytest.raises(howsure.FileError):
            howsure.load(saved)


def test_other_readers_see_an_ordinary_file(saved):
    table, found = howsure.load(saved).to_arrow(), pq.read_table(saved, page_checksum_verification=True)
    np.testing.assert_equal(found.to_pydict(), table.to_pydict())


def test_a_table_without_its_digest_is_refused(saved):
    table = pq.read_table(saved)
    settings = {key: value for key, value in table.schema.metadata.items() if key != DIGEST_KEY}
    pq.write_table(table.replace_schema_metadata(settings), saved)
    with pytest.raises(howsure.FileError, match=r"not a complete saved Certainty.*its checksum is missing"):
        howsure.load(saved)


def test_many_values_are_saved_in_parts(saved, monkeypatch):
    """Lists in Arrow hold up to 2³¹ values; more come in several arrays, and parts of the file."""
    before = howsure.load(saved)
    monkeypatch.setattr(columns, "_VALUES_AT_A_TIME", 2)
    assert before.to_arrow()["probabilities"].num_chunks == len(before)
    before.save(saved)
    assert pq.ParquetFile(saved).num_row_groups == len(before)
    after = howsure.load(saved)
    for column in before.columns:
        np.testing.assert_array_equal(getattr(after, column.name), getattr(before, column.name))
    before[:0].save(saved)
    assert len(howsure.load(saved)) == 0


@pytest.mark.parametrize("path", [None, 3, b"c.parquet", "", "a\0b", ["c.parquet"]])
def test_what_is_no_path(path):
    with pytest.raises(howsure.InputError, match="no path of a file"):
        howsure.load(path)
    with pytest.raises(howsure.InputError, match="no path of a file"):
        example().save(path)


def test_settings_that_json_cannot_hold_are_refused(tmp_path):
    c = dataclasses.replace(example(), method={"name": object()})
    with pytest.raises(howsure.InputError, match="cannot be written as JSON"):
        c.save(tmp_path / "c.parquet")


@pytest.mark.skipif(os.name != "posix", reason="names of files as POSIX has them")
def test_names_of_files_need_not_be_text(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    example().save(folder / "c.parquet")
    assert len(howsure.load(folder / "c.parquet")) == len(example())
