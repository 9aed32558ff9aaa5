"""Files that howsure wrote: read as they were saved, or refused in words, whatever changed in them."""

import dataclasses
import json
import os
import shutil
import zlib

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as some

import howsure
from howsure.evaluation.calibrator_files import read_calibrator
from howsure.inputs.typed_json import digest
from howsure.results import columns
from howsure.results.saved import DIGEST_KEY, METADATA_KEY, with_digest
from tests import formats
from tests.made import maps_beside
from tests.results.test_columns import example, several_labels
from validation import mutation


@pytest.fixture
def old(tmp_path):
    """Files of all formats, as they were saved."""
    return shutil.copytree(formats.folder(), tmp_path / "old")


@pytest.fixture(params=[example, several_labels])
def saved(request, tmp_path):
    path = tmp_path / "c.parquet"
    request.param().save(path)
    return path


# --- bytes --------------------------------------------------------------------------------------------


def content(path):
    """All that a saved result says, as `repr` shows it whole."""
    found = howsure.load(path)
    told = {each.name: np.asarray(getattr(found, each.name, None)).tolist() for each in found.columns}
    return repr(([str(row) for row in found], told, found.method, found.seed, found.version))


@pytest.mark.parametrize("make", [example, several_labels])
def test_bytes_that_were_changed_or_cut_are_refused_or_change_nothing(make, tmp_path_factory):
    saved, refused = tmp_path_factory.mktemp("bytes") / "c.parquet", []
    make().save(saved)
    whole, expected = saved.read_bytes(), content(saved)
    bits = some.integers(0, 8 * len(whole) - 1)

    @hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @hypothesis.given(bit=bits, cut=some.one_of(some.none(), some.integers(1, len(whole))))
    def check(bit, cut):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(changed if cut is None else whole[:-cut])
        try:
            assert content(saved) == expected, f"bit {bit}"
        except howsure.FileError:
            refused.append(bit)

    check()
    assert len(refused) > 75


def test_many_changes_of_each_format_of_howsure_are_refused_or_change_nothing(tmp_path):
    said = []
    for of in mutation.formats(tmp_path):
        if of.checksum == mutation.SEALED:
            found = mutation.counted(of, 24, seed=1, tell=said.append)
            assert found[mutation.REFUSED] > 12
    assert said == []


def test_other_readers_see_an_ordinary_file(saved):
    table, found = howsure.load(saved).to_arrow(), pq.read_table(saved, page_checksum_verification=True)
    np.testing.assert_equal(found.drop_columns(["howsure"]).to_pydict(), table.to_pydict())


def test_a_table_without_its_digest_is_refused(saved):
    table = pq.read_table(saved)
    settings = {key: value for key, value in table.schema.metadata.items() if key != DIGEST_KEY}
    pq.write_table(table.replace_schema_metadata(settings), saved)
    with pytest.raises(howsure.FileError, match=r"not a complete saved Certainty.*its checksum is missing"):
        howsure.load(saved)


def test_many_values_are_saved_in_parts(saved, monkeypatch):
    """Texts in Arrow have places of 31 bits; more values come in several arrays, and parts of the file."""
    before = howsure.load(saved)
    monkeypatch.setattr(columns, "_VALUES_AT_A_TIME", 1)
    assert before.to_arrow()["row"].num_chunks == len(before)
    before.save(saved)
    assert pq.ParquetFile(saved).num_row_groups == len(before)
    after = howsure.load(saved)
    for column in before.columns:
        np.testing.assert_array_equal(getattr(after, column.name), getattr(before, column.name))
    before[:0].save(saved)
    assert len(howsure.load(saved)) == 0


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


# --- fields, under a right checksum -------------------------------------------------------------------


def set_in(path, keys, value):
    """Change what is in a JSON file, so that it looks as if it had been saved like that."""
    content = json.loads(path.read_text())
    del content["sha256"]
    inside = content
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    path.write_text(json.dumps({**content, "sha256": digest(content)}))


FORGED = [
    *(
        ("classes", ("parameters", "temperature"), value)
        for value in (-1, float("nan"), "two", True, 10**400)
    ),
    ("classes", ("class_names",), ["a", "a", "c"]),
    ("classes", ("learnt_rows", "kept"), "00"),
    ("classes", ("answer",), ["classes"]),
    ("labels", ("of_label", "rain", "parameters", "temperature"), "1.5"),
    ("numbers", ("values", "price"), [-1, -1, -1]),
    ("positions", ("scores", "temperature"), [1, -1, 1]),
    ("plan", ("design", "widths"), [0]),
    ("plan", ("design", "late"), [1]),
    ("plan", ("design", "cells"), 1.5),
    ("plan", ("design", "first"), 10**7),
    ("plan", ("design", "cost"), float("inf")),
    ("plan", ("design", "one", "usual_early"), [[0.0, 0.0]]),
    ("plan", ("precision",), ["float32"]),
    ("plan", ("shares",), [2.0]),
    ("plan", ("made_for",), "ab"),
    ("plan", ("pilot",), {}),
]


@pytest.mark.parametrize(("name", "keys", "value"), FORGED)
def test_a_file_with_what_it_cannot_hold_is_refused(name, keys, value, old):
    path, is_plan = old / f"{name}.json", name == "plan"
    set_in(path, keys, value)
    with pytest.raises(
        howsure.FileError, match=f"is not a saved {'plan' if is_plan else 'calibrator'}"
    ) as it:
        (howsure.Plan.load if is_plan else read_calibrator)(path)
    assert len(str(it.value)) < 1000


def test_a_plan_of_more_passes_than_a_pilot_may_choose_is_refused(old):
    for name in ("widths", "late"):
        set_in(old / "plan.json", ("design", name), [10**9])
    with pytest.raises(howsure.FileError, match="<= 25600"):
        howsure.Plan.load(old / "plan.json")


def change(path, *, settings=None, without=None, column=None, values=None, type=None):
    """Change or leave out a setting, or change a column of a saved result, and give it a right digest."""
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[METADATA_KEY]) | (settings or {})
    told.pop(without, None)
    metadata = {**table.schema.metadata, METADATA_KEY: json.dumps(told).encode()}
    if column is not None:
        place = table.column_names.index(column)
        new = pa.array(values(table[column].to_pylist()), type or table[column].type)
        table = table.set_column(place, column, new)
    pq.write_table(with_digest(table.replace_schema_metadata(metadata)), path, write_page_checksum=True)


def first(value):
    """Values with another one at the first place."""

    return lambda values: [value, *values[1:]]


@pytest.mark.parametrize(
    ("name", "column", "values", "type"),
    [
        ("classes", "mc_error.a", first(3.5), None),
        ("classes", "mc_error.b", first(-0.1), None),
        ("classes", "probabilities.c", first(None), None),
        ("classes", "passes", lambda values: values, "float64"),
        ("classes", "truth", first(7), None),
        ("classes", "name", first(None), None),
        ("labels", "expected_entropy.wind", first(0.7), None),
        ("labels", "truth.rain", lambda values: [1] * len(values), pa.int64()),
        ("numbers", "spread.age", first(-1), None),
        ("positions", "share_quantiles.tree.0.5", first(1.5), None),
    ],
)
def test_a_column_with_what_it_cannot_hold_is_refused(name, column, values, type, old):
    path = old / f"{name}.parquet"
    howsure.load(path).save(path, columns="all")
    change(path, column=column, values=values, type=type)
    said = "ids" if column == "name" else column.split(".")[0]
    with pytest.raises(
        howsure.FileError, match=rf"is not a complete saved \w+: `{said}` cannot be of a result"
    ):
        howsure.load(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"class_names": ["a", "a", "c"]},
        {"class_names": ["a", "b", "\ud800"]},
        {"class_names": "abc"},
        {"thresholds": {"sure": "0.9"}},
        {"thresholds": {"sure": 0.3}},
        {"unfamiliar_share": -1},
        {"seed": True},
        {"id_name": None},
        {"method": "MC dropout"},
        {"frame_index": "nowhere"},
        {"maps": [1]},
        {"maps": {"folder": "../old.maps", "checksums": {}}},
        {"maps": {"folder": "a.maps", "checksums": {"../../label": 1}}},
        {"answer": None},
        {"format": "3"},
        {"howsure": {"mc_error": [4]}},
        {"howsure": ["mc_error"]},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused(settings, old):
    change(old / "classes.parquet", settings=settings)
    with pytest.raises(howsure.FileError):
        howsure.load(old / "classes.parquet")


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers", "positions"])
def test_a_setting_that_is_younger_than_the_file_has_its_default(kind, old):
    path = old / f"{kind}.parquet"
    before = howsure.load(path)
    changed = {"kind": "image", "seed": 5}
    dataclasses.replace(before, **changed).save(path)
    for setting in changed:
        change(path, without=setting)
        changed[setting] = before._defaults()[setting]
        found = howsure.load(path)
        assert {name: getattr(found, name) for name in changed} == changed
    for setting in set(before._setting_names()) - before._defaults().keys():
        dataclasses.replace(before).save(path)
        change(path, without=setting)
        with pytest.raises(howsure.FileError, match="is not a complete saved"):
            howsure.load(path)


def test_a_threshold_that_is_younger_than_the_file_has_its_default(old):
    change(old / "classes.parquet", settings={"thresholds": {"sure": 0.9}})
    assert howsure.load(old / "classes.parquet").thresholds == howsure.Thresholds(0.9)


@pytest.mark.parametrize(("name", "value"), [("label", -1), ("probability", 1.5), ("truth", 3)])
def test_a_map_with_what_it_cannot_hold_is_refused(name, value, old):
    path = old / "positions.parquet"
    file = maps_beside(path) / f"{name}.npy"
    values = np.load(file)
    values[1, 2, 0] = value
    np.save(file, values)
    maps = json.loads(pq.read_schema(path).metadata[METADATA_KEY])["maps"]
    maps["checksums"][name] = zlib.crc32(file.read_bytes())
    change(path, settings={"maps": maps})
    with pytest.raises(howsure.FileError, match=f"`{name}` cannot be of a result"):
        howsure.load(path)
