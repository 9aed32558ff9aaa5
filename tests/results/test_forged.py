"""Files whose fields hold what they cannot, with checksums that are right: each is refused in words."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.data.sealed_json import digest
from howsure.judge.calibrator_files import read_calibrator
from howsure.results.result import INDEX
from howsure.results.saved import METADATA_KEY, with_digest
from tests.commands import refused
from tests.made import maps_beside
from validation import mutation

OLD = Path(__file__).parent / "old"
"""Files as they were written before their fields were read by declared types; `make.py` says how."""

RESULTS = ("classes", "labels", "numbers", "positions")


@pytest.fixture
def old(tmp_path):
    return shutil.copytree(OLD, tmp_path / "old")


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_that_was_saved_earlier_is_read(name):
    found, table = howsure.load(OLD / f"{name}.parquet"), pq.read_table(OLD / f"{name}.parquet")
    for column in found.columns:
        if column.stored and not column.is_map and (held := getattr(found, column.name)) is not None:
            if column.name == INDEX:
                continue
            if column.name == "overlap_error":  # which came later
                assert np.isnan(held).all()
                continue
            kept = np.array(table[found.in_table(column)].to_pylist())
            np.testing.assert_array_equal(np.reshape(held, kept.shape), kept)
    assert all(str(row) for row in found)


@pytest.mark.parametrize("name", RESULTS)
def test_a_calibrator_that_was_saved_earlier_is_read(name, tmp_path):
    read_calibrator(OLD / f"{name}.json").save(tmp_path / "again.json")
    before, again = (
        json.loads((at / n).read_text()) for at, n in ((OLD, f"{name}.json"), (tmp_path, "again.json"))
    )
    assert among(again, before) == {k: v for k, v in before.items() if k not in ("version", "sha256")}


def among(now, before):
    """What a file holds now, without scores that are measured since."""
    if not isinstance(before, dict):
        return now
    return {k: among(now[k], before[k]) for k in before if k not in ("version", "sha256")}


def test_a_plan_and_a_folder_that_were_written_earlier_are_read(old):
    plan = howsure.Plan.load(old / "plan.json")
    assert plan.design.passes > 1
    found = howsure.load(old / "results")
    assert len(found) == 12
    np.testing.assert_array_equal(found.row, np.arange(12))


# --- calibrators, plans -----------------------------------------------------------------------------


def set_in(path, keys, value):
    """Change what is in a JSON file, so that it looks as if it had been saved like that."""
    content = json.loads(path.read_text())
    del content["sha256"]
    inside = content
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    path.write_text(json.dumps({**content, "sha256": digest(content)}))


@pytest.mark.parametrize(
    ("name", "keys", "value"),
    [
        *(
            ("classes", ("parameters", "temperature"), value)
            for value in (-1, float("nan"), "two", [1], True, 10**400)
        ),
        ("classes", ("replicas", 0, "temperature"), -1),
        ("classes", ("replicas",), []),
        ("classes", ("class_names",), ["a", "a", "c"]),
        ("classes", ("class_names", 0), ["a"]),
        ("classes", ("class_names",), "abc"),
        ("classes", ("rows",), "60"),
        ("classes", ("before", "accuracy"), [2, 2, 2]),
        ("classes", ("before", "nll"), [1, 2]),
        ("classes", ("before", "most_frequent"), "x"),
        ("classes", ("learnt_rows", "kept"), "00"),
        ("classes", ("differences",), {}),
        ("classes", ("answer",), ["classes"]),
        ("labels", ("of_label",), {}),
        ("labels", ("of_label", "rain", "parameters", "temperature"), "1.5"),
        ("numbers", ("values", "price"), [-1, -1, -1]),
        ("numbers", ("shift", "price"), [None, 0, 0]),
        ("numbers", ("learnt",), 7),
        ("numbers", ("after", "price", "coverage"), None),
        ("positions", ("scores", "temperature"), [-1, 1, 1]),
        ("positions", ("scores", "temperature"), [1, -1, 1]),
        ("positions", ("offsets",), [0, 0]),
        ("positions", ("offsets",), ["0", "0", "0"]),
    ],
)
def test_a_calibrator_with_what_it_cannot_hold_is_refused(name, keys, value, old):
    path = old / f"{name}.json"
    set_in(path, keys, value)
    with pytest.raises(howsure.FileError, match=r"is not a saved calibrator") as caught:
        read_calibrator(path)
    assert len(str(caught.value)) < 1000


def test_a_forged_temperature_is_named_on_the_command_line(old):
    set_in(old / "classes.json", ("parameters", "temperature"), -1)
    files = old / "classes.parquet", "--calibrator", old / "classes.json", "--out", old / "out.csv"
    said = refused("calibrate", *files)
    assert "`parameters.temperature` cannot be used" in said
    assert "Received: -1" in said


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("design", "widths"), [0]),
        (("design", "widths"), [3, 2]),
        (("design", "late"), [1]),
        (("design", "cells"), 0),
        (("design", "cells"), 1.5),
        (("design", "cells"), 10**7),
        (("design", "first"), 10**7),
        (("design", "cost"), float("inf")),
        (("design", "one", "alike"), [-1.0]),
        (("design", "one", "usual_early"), [[0.0, 0.0]]),
        (("design", "one_effect", "quantiles"), [1.0]),
        (("design",), "flat"),
        (("precision",), ["float32"]),
        (("shares",), [2.0]),
        (("made_for",), [7]),
        (("made_for",), "ab"),
        (("pilot", "passes"), True),
        (("pilot",), {}),
    ],
)
def test_a_plan_with_what_it_cannot_hold_is_refused(keys, value, old):
    set_in(old / "plan.json", keys, value)
    with pytest.raises(howsure.FileError, match="is not a saved plan"):
        howsure.Plan.load(old / "plan.json")


def test_a_plan_of_more_passes_than_a_pilot_may_choose_is_refused(old):
    for name in ("widths", "late"):
        set_in(old / "plan.json", ("design", name), [10**9])
    with pytest.raises(howsure.FileError, match="<= 25600"):
        howsure.Plan.load(old / "plan.json")


# --- results ------------------------------------------------------------------------------------------


def change(path, *, settings=None, column=None, values=None, type=None):
    """Change a setting or a column of a saved result, and give it a right digest."""
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[METADATA_KEY]) | (settings or {})
    metadata = {**table.schema.metadata, METADATA_KEY: json.dumps(told).encode()}
    if column is not None:
        place = table.column_names.index(column)
        new = pa.array(values(table[column].to_pylist()), type or table[column].type)
        table = table.set_column(place, column, new)
    pq.write_table(with_digest(table.replace_schema_metadata(metadata)), path, write_page_checksum=True)


def first(value):
    """Values with another one at the first place."""

    def of(values):
        inside = values
        while isinstance(inside[0], list):
            inside = inside[0]
        inside[0] = value
        return values

    return of


@pytest.mark.parametrize(
    ("name", "column", "values", "type"),
    [
        ("classes", "mc_error", first(3.5), None),
        ("classes", "mc_error", first(-0.1), None),
        ("classes", "probabilities", first(None), None),
        ("classes", "probabilities", lambda values: values[:-1] + [values[-1][:2]], None),
        ("classes", "expected_entropy", first(1.2), None),
        ("classes", "passes", first(0), None),
        ("classes", "passes", lambda values: values, "float64"),
        ("classes", "truth", first(7), None),
        ("classes", "truth", first(None), None),
        ("classes", "expected_entropy", lambda values: [str(each) for each in values], "string"),
        ("classes", "name", first(None), None),
        ("labels", "mc_error", first(3.5), None),
        ("labels", "expected_entropy", first(0.7), None),
        ("labels", "truth", lambda values: [[1, 0]] * len(values), None),
        ("numbers", "spread", first(-1), None),
        ("positions", "share", first(1.5), None),
        ("positions", "share_quantiles", first(1.5), None),
    ],
)
def test_a_column_with_what_it_cannot_hold_is_refused(name, column, values, type, old):
    path = old / f"{name}.parquet"
    if column == "truth" and name == "labels":
        type = pa.list_(pa.int64())
    change(path, column=column, values=values, type=type)
    said = "ids" if column == "name" else column
    with pytest.raises(
        howsure.FileError, match=rf"is not a complete saved \w+: `{said}` cannot be of a result"
    ):
        howsure.load(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"class_names": ["a", "a", "c"]},
        {"class_names": ["a", "b", "\ud800"]},
        {"class_names": [["a"], "b", "c"]},
        {"class_names": "abc"},
        {"class_names": []},
        {"thresholds": [0.9, 0.1]},
        {"thresholds": {"sure": "0.9"}},
        {"thresholds": {"sure": 0.3}},
        {"unfamiliar_share": [0.01]},
        {"unfamiliar_share": -1},
        {"kind": ["row"]},
        {"seed": "0"},
        {"seed": True},
        {"version": 7},
        {"id_name": None},
        {"method": "MC dropout"},
        {"plan": [1]},
        {"frame_index": {"a": 1}},
        {"frame_index": "nowhere"},
        {"maps": [1]},
        {"maps": {"folder": "../old.maps", "checksums": {}}},
        {"maps": {"folder": "a.maps", "checksums": {"../../label": 1}}},
        {"maps": {"folder": "a.maps", "checksums": {"label": "1"}}},
        {"answer": ["classes"]},
        {"answer": None},
        {"format": [3]},
        {"format": "3"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused(settings, old):
    change(old / "classes.parquet", settings=settings)
    with pytest.raises(howsure.FileError):
        howsure.load(old / "classes.parquet")


@pytest.mark.parametrize(
    ("name", "value"),
    [("label", 7), ("label", -1), ("probability", 1.5), ("mc_error", 5), ("entropy", 1.2), ("truth", 3)],
)
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


def test_many_changes_of_each_format_of_howsure_are_refused_or_change_nothing(tmp_path):
    said = []
    for of in mutation.formats(tmp_path):
        if of.checksum == mutation.SEALED:
            found = mutation.counted(of, 24, seed=1, tell=said.append)
            assert found[mutation.REFUSED] > 12
    assert said == []
