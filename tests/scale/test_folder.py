"""Folders of results by one process: the same numbers as one table, whatever happens on the way."""

import errno
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.scale import recipe
from howsure.scale.folder import locked
from howsure.scale.same import Probe
from howsure.scale.there import verdicts_in
from howsure.scale.work import Part
from howsure.scale.worker import Worker
from tests.commands import run
from tests.scale import kills
from tests.scale.conftest import FILES, MODEL, PER_PART, ROWS, asked, check_same, into, table_of
from tests.support.arrays import ArrayModel, Dense
from validation import small_network


def written(out):
    return {part: part.stat().st_mtime_ns for part in kills.parts_in(out)}


def manifest_of(out):
    return json.loads((out / "manifest.json").read_text())


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_numbers_are_those_of_one_table(tmp_path, rows, plan_file, whole, slash):
    out = tmp_path / ("results.v1" if slash else "results")
    done = into(f"{out}{slash}", rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    found = howsure.load(out)
    check_same(found, whole)
    assert found.ids.tolist() == [f"row {number}" for number in range(FILES * ROWS)]
    counts = [np.sum(whole.verdict == verdict) for verdict in ("sure", "leaning", "coin flip")]
    assert "Of 360 answers: sure {}, leaning {}, coin flip {}.".format(*counts) in done.stdout
    told = manifest_of(out)
    assert told["rows"] == FILES * ROWS
    assert [part["first_row"] for part in told["parts"][:4]] == [0, 32, 40, 72]
    assert told["plan_from"] is None
    assert told["versions"]["howsure"] == howsure.__version__
    for part in told["parts"]:
        table = pq.read_table(out / part["name"])
        assert table["row"].to_pylist() == list(
            range(part["first_row"], part["first_row"] + part["stop"] - part["start"])
        )


def test_the_same_command_redoes_nothing(tmp_path, rows):
    out = tmp_path / "results"
    first = into(out, rows)
    assert "Plan:    made from 360 rows spread over the input" in first.stdout
    before, plan = written(out), howsure.Plan.load(out / "plan.json")
    assert plan.precision == "float32"
    again = into(out, rows)
    assert again.exit_code == 0, again.stderr
    assert written(out) == before
    assert "Done:    360 of 360 rows in an earlier run" in again.stdout
    method = asked(plan)
    check_same(
        howsure.load(out),
        howsure.assess(small_network.make(), small_network.rows(FILES * ROWS), method=method),
    )


def test_a_damaged_part_is_made_again(results, rows, plan_file, whole):
    parts = kills.parts_in(results)
    parts[3].write_bytes(parts[3].read_bytes()[:1000])
    parts[5].unlink()
    flipped = bytearray(parts[7].read_bytes())
    flipped[len(flipped) // 3] ^= 1  # which only the seal tells
    parts[7].write_bytes(flipped)
    before = written(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 0
    changed = [part for part, when in written(results).items() if before.get(part) != when]
    assert changed == [parts[3], parts[5], parts[7]]
    check_same(howsure.load(results), whole)


OTHER = {
    "seed": (("--seed", 1), "another seed"),
    "plan": (("--plan", "other.json"), "another plan"),
    "method": (("--max-passes", 60), "another method"),
    "names": (("--class-names", "a,b,c,d"), "other class names"),
    "divisor": (("--divide-by", 2), "another divisor"),
    "size": (("--part-rows", 50), "parts of another size"),
}


@pytest.mark.parametrize("changed", OTHER)
def test_something_else_in_the_same_folder_is_refused(
    results, tmp_path, rows, plan_file, plan, changed, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    replace(plan, shares=(0.5,)).save("other.json")
    options, said = OTHER[changed]
    before = written(results)
    given = () if changed == "plan" else ("--plan", plan_file)
    done = into(results, rows, *given, *options)
    assert done.exit_code == 2
    assert f"were made with {said}" in done.stderr
    assert written(results) == before


def test_another_model_is_refused(results, rows, plan_file, monkeypatch):
    monkeypatch.setattr(small_network, "UNITS", 33)
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "were made with another model" in done.stderr


def test_other_rows_are_refused(results, rows, plan_file, x):
    pq.write_table(table_of(x[:ROWS] + 1, 0), rows / "4.parquet")
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows: '4.parquet' has changed since" in done.stderr
    other = rows.rename(rows.with_name("other"))
    for number in range(FILES):
        (other / f"{number}.parquet").rename(other / f"of-{number}.parquet")
        pq.write_table(table_of(x[:ROWS] + 2 + number, 0), other / f"of-{number}.parquet")
    done = into(results, other, "--plan", plan_file)
    assert done.exit_code == 2
    assert "Received: 9 files; '0.parquet' is in one of the two alone" in done.stderr


def test_other_rows_of_the_same_size_and_time_are_refused(tmp_path, x, plan_file):
    out, path = tmp_path / "results", tmp_path / "x.npy"
    for number, rows in enumerate((x, x + 1)):
        np.save(path, rows)
        os.utime(path, ns=(10**18, 10**18))
        done = into(out, path, "--plan", plan_file)
        assert done.exit_code == 2 * number, done.stderr
    assert "belong to other rows: 'x.npy' has changed since" in done.stderr


@pytest.mark.parametrize(
    ("rows", "probabilities", "passes", "agrees"),
    [
        ([0, 1], [[0.2, 0.8], [1e-9, 1.0]], [40, 60], True),
        ([0, 1], [[0.2001, 0.7999], [2e-9, 1.0]], [40, 60], True),  # summed in another order
        ([0, 1], [[0.2, 0.8], [0.3, 0.7]], [40, 80], True),  # passes of one row ended elsewhere
        ([1], [[1e-9, 1.0]], [60], True),  # an image was left out
        ([0, 1], [[0.2, 0.8], [1e-9, 1.0]], [60, 80], False),
        ([0, 1], [[0.21, 0.79], [1e-9, 1.0]], [40, 60], False),
        ([0, 1], [[0.2, 0.8], [1e-4, 1.0 - 1e-4]], [40, 60], False),
        ([0, 1], [[0.2, 0.7, 0.1], [0.0, 1.0, 0.0]], [40, 60], False),
    ],
)
def test_what_a_model_says_again(rows, probabilities, passes, agrees):
    known = Probe(0, 0, 2, [0, 1], [[0.2, 0.8], [1e-9, 1.0]], [40, 60])
    assert known.agrees(Probe(0, 0, 2, rows, probabilities, passes)) is agrees


def test_a_model_of_the_same_checksum_that_says_something_else(tmp_path, rows, plan_file, monkeypatch):
    """As where a function computes something else of the same weights."""
    monkeypatch.setattr(recipe, "checksum_of", lambda model: "as before")
    out = tmp_path / "results"
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    monkeypatch.setattr(
        small_network, "Dense", lambda kernel, bias, end: Dense(kernel, bias, end.replace("relu", "tanh"))
    )
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to another model, or to other rows: for row 0 of '0.parquet' the model" in done.stderr


# --- faults ---------------------------------------------------------------------------------------


def test_a_corrupt_file_among_many(tmp_path, rows, plan_file, whole):
    out, bad = tmp_path / "results", rows / "3.parquet"
    good = bad.read_bytes()
    bad.write_bytes(good[:-20])
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1
    assert "missing: 1 part" in done.stderr
    assert f"'{bad}' is not a readable Parquet file" in done.stderr
    with pytest.warns(howsure.HowsureWarning, match=r"those of '3\.parquet', which could not be read"):
        found = howsure.load(out)
    assert found.row.tolist() == list(range((FILES - 1) * ROWS))
    others = np.delete(np.arange(FILES * ROWS), np.s_[3 * ROWS : 4 * ROWS])
    assert np.array_equal(found.probabilities, whole.probabilities[others])

    bad.write_bytes(good)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    assert "40 rows in" in done.stdout  # only these
    found = howsure.load(out)
    check_same(found, whole)
    assert found.ids.tolist() == [f"row {number}" for number in range(FILES * ROWS)]


def test_a_damaged_page_in_one_part(tmp_path, x, plan_file, whole):
    path, out = tmp_path / "rows.parquet", tmp_path / "results"
    pq.write_table(table_of(x, 0), path, row_group_size=50, write_page_checksum=True, compression="none")
    good = path.read_bytes()
    place = pq.read_metadata(path).row_group(3).column(4).data_page_offset
    path.write_bytes(good[: place + 60] + bytes([good[place + 60] ^ 1]) + good[place + 61 :])
    done = into(out, path, "--plan", plan_file)
    assert done.exit_code == 1, done.stderr
    assert "'rows.parquet', 32 rows from row 160 of it on: " in done.stderr
    with pytest.warns(howsure.HowsureWarning, match="rows are missing"):
        found = howsure.load(out)
    check_same(found, whole, found.row)
    assert set(range(len(x))) - set(found.row.tolist()) == set(range(128, 224))  # three parts reach into it
    path.write_bytes(good)
    assert into(out, path, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


@pytest.mark.parametrize("change", ["narrow", "not finite"])
def test_rows_that_no_longer_fit_in_part_7_of_9(tmp_path, rows, plan_file, whole, x, change):
    out, bad = tmp_path / "results", rows / "6.parquet"
    good = bad.read_bytes()
    part = x[6 * ROWS : 7 * ROWS].copy()
    part[5, 2] = np.nan
    pq.write_table(table_of(part, 0, 7 if change == "narrow" else 8), bad)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1
    said = "Received: no 'f7'" if change == "narrow" else "NaN or infinite values, in row 5"
    assert "'6.parquet', 32 rows from row 0 of it on: " in done.stderr
    assert said in done.stderr
    lost = range(6 * ROWS, 7 * ROWS if change == "narrow" else 6 * ROWS + 32)
    with pytest.warns(howsure.HowsureWarning, match=f"Results of {len(lost)} of 360 rows are missing"):
        found = howsure.load(out)
    check_same(found, whole, np.delete(np.arange(len(x)), lost))
    bad.write_bytes(good)
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


def test_a_fault_names_the_row_by_its_number_in_the_file(tmp_path, rows, plan_file, x):
    """And not by that in the part, which begins at row 32."""
    empty = table_of(x[:ROWS], 0)
    values = pa.array([None if row == 36 else row for row in range(ROWS)], pa.float32())
    pq.write_table(empty.set_column(2, "f1", values), rows / "0.parquet")
    bad = x[:ROWS].copy()
    bad[37, 2] = np.nan
    pq.write_table(table_of(bad, 0), rows / "1.parquet")
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 1
    empty_cell, not_finite = done.stderr.splitlines()[-2:]
    assert "'0.parquet', 8 rows from row 32 of it on: " in empty_cell
    assert "in column 'f1', in row 36" in empty_cell
    assert "NaN or infinite values, in row 37." in not_finite
    assert "Received: nan in row 37." in not_finite


def test_a_fault_of_a_run_that_was_stopped_is_known_to_the_next(
    tmp_path, rows, plan_file, x, whole, monkeypatch
):
    out, part, do = tmp_path / "results", x[:ROWS].copy(), Worker.do
    part[5, 2] = np.nan
    pq.write_table(table_of(part, 0), rows / "0.parquet")

    def stopped(worker, part, *more):
        if part.file == 2:
            raise KeyboardInterrupt
        return do(worker, part, *more)

    monkeypatch.setattr(Worker, "do", stopped)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 130
    assert "kept: 48 of 360 rows" in done.stderr
    assert "'0.parquet', 32 rows from row 0 of it on: " in done.stderr
    assert list(manifest_of(out)["faults"]) == ["part-00000-000000000000.parquet"]
    monkeypatch.setattr(Worker, "do", do)
    pq.write_table(table_of(x[:ROWS], 0), rows / "0.parquet")
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


def test_a_plan_that_is_named_once_stays_that_of_the_folder(tmp_path, rows):
    out = tmp_path / "results"
    first = into(out, rows).stdout
    told = manifest_of(out)
    assert into(out, rows, "--plan", out / "plan.json").exit_code == 0
    assert manifest_of(out) == told
    again = into(out, rows)
    assert again.exit_code == 0, again.stderr
    assert (
        first.splitlines()[0]
        == again.stdout.splitlines()[0]
        == "Plan:    made from 360 rows spread over the input"
    )
    assert manifest_of(out) == told


def test_versions_are_those_with_which_the_folder_was_made(results, rows, plan_file, monkeypatch):
    told = manifest_of(results)["versions"]
    monkeypatch.setattr("howsure.scale.run._PACKAGES", ("howsure",))
    assert into(results, rows, "--plan", plan_file).exit_code == 0
    assert manifest_of(results)["versions"] == told


class Angry(ArrayModel):
    """A network that raises an exception of its own on some rows."""

    def predict(self, x):
        self._check(x)
        return super().predict(x)

    def trunk(self, x):
        self._check(x)
        return super().trunk(x)

    def _check(self, x):
        if np.any(x[0] > 90):
            raise IndexError("too large\na second line")


@pytest.fixture
def angry(monkeypatch):
    def make(usual=small_network.make):
        model = usual()
        model.__class__ = Angry
        return model

    monkeypatch.setattr(small_network, "make", make)
    return make


def test_rows_on_which_the_model_itself_raises(tmp_path, rows, x, angry):
    """They are passed over where the plan is made and options are tried, and named; all others are done."""
    out, good = tmp_path / "results", (rows / "6.parquet").read_bytes()
    for number in (0, 6):
        part = x[number * ROWS : (number + 1) * ROWS].copy()
        part[0, 2] = 99
        pq.write_table(table_of(part, number * ROWS), rows / f"{number}.parquet")
    done = into(out, rows)
    assert done.exit_code == 1, done.stderr
    assert "Plan:    made from 336 rows" in done.stdout  # two places of twelve are passed over
    assert done.stderr.count("Traceback (most recent call last)") == 1
    assert "'0.parquet', 32 rows from row 0 of it on: IndexError: too large\n" in done.stderr
    assert "'6.parquet', 32 rows from row 0 of it on: IndexError: too large\n" in done.stderr
    method = asked(howsure.Plan.load(out / "plan.json"))
    whole = howsure.assess(angry(), x, method=method)
    with pytest.warns(howsure.HowsureWarning, match="Results of 64 of 360 rows are missing"):
        check_same(howsure.load(out), whole, np.delete(np.arange(len(x)), np.r_[0:32, 240:272]))
    (rows / "6.parquet").write_bytes(good)
    pq.write_table(table_of(x[:ROWS], 0), rows / "0.parquet")
    assert into(out, rows).exit_code == 0
    check_same(howsure.load(out), whole)


def test_a_model_that_raises_on_all_rows(tmp_path, x, angry):
    """Its own exception passes through, as it does for one table."""
    np.save(tmp_path / "x.npy", x + 100)
    with pytest.raises(IndexError):
        run("assess", MODEL, tmp_path / "x.npy", "--out", tmp_path / "results")


def test_a_warning_of_one_kind_is_said_once(tmp_path, x):
    """Each part of whole numbers has its own range, and one table has one."""
    highest = 200 + np.arange(len(x)) // PER_PART
    images = np.minimum(60 * np.abs(x), highest[:, None]).astype(np.uint8)
    images[::PER_PART, 0] = highest[::PER_PART]
    np.save(tmp_path / "x.npy", images)
    done = into(tmp_path / "results", tmp_path / "x.npy", "--passes", 4)
    assert done.exit_code == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == 2
    assert said[0].startswith("warning: The rows of 'x' are uint8, from 0 to 200, ")
    assert said[1].startswith("warning: 11 more such warnings about other rows: The rows of 'x' are uint8, ")


def test_rows_of_which_none_fit(tmp_path, x):
    pq.write_table(table_of(x, 0, 7), tmp_path / "rows.parquet")
    done = into(tmp_path / "results", tmp_path / "rows.parquet")
    assert done.exit_code == 2
    assert "has 7 numbers per row" in done.stderr
    assert not kills.parts_in(tmp_path / "results")


def test_a_full_disk(tmp_path, rows, plan_file, whole, monkeypatch):
    out, written_so_far, write = tmp_path / "results", [], pq.write_table

    def full(*arguments, **settings):
        if len(written_so_far) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written_so_far.append(1)
        write(*arguments, **settings)

    monkeypatch.setattr(pq, "write_table", full)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "No space left on device" in done.stderr
    assert "kept: 80 of 360 rows" in done.stderr
    assert {path.name[:5] for path in out.iterdir()} == {"part-", "manif", "plan.", ".lock"} - {"plan."}
    before = written(out)
    assert len(before) == 4
    monkeypatch.setattr(pq, "write_table", write)
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    assert before.items() <= written(out).items()
    check_same(howsure.load(out), whole)


def test_two_processes_in_one_folder(tmp_path, rows):
    out = tmp_path / "results"
    with locked(out):
        done = into(out, rows)
    assert done.exit_code == 2
    assert f"Another process is writing results into '{out}'" in done.stderr
    assert into(out, rows).exit_code == 0


def test_a_plan_that_this_processor_cannot_follow(tmp_path, rows, plan):
    replace(plan, precision="bfloat16").save(tmp_path / "plan.json")
    done = into(tmp_path / "results", rows, "--plan", tmp_path / "plan.json")
    assert done.exit_code == 2
    assert "The plan runs heavy layers in bfloat16" in done.stderr
    assert not kills.parts_in(tmp_path / "results")


def test_killed_at_a_random_moment(tmp_path):
    kills.prepare(tmp_path, 4000)
    moment = np.random.default_rng().uniform(0, 0.8)
    out, arguments = tmp_path / "out", kills.command("out", None, "--passes", "20")
    process = kills.started(tmp_path, arguments)
    kills.wait_for_parts(process, out, 1 + int(6 * moment))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = written(out)
    assert before
    (out / ".howsure-left.part").touch()  # as one that was being written would be
    done = run("assess", MODEL, tmp_path / "rows.npz", "--out", out, "--passes", 20)
    assert done.exit_code == 0, done.stderr
    assert before.items() <= written(out).items(), f"killed at {moment}"
    assert not list(out.glob(".howsure-*"))
    single = howsure.assess(
        small_network.make(), small_network.rows(4000), method=howsure.MCDropout(passes=20)
    )
    check_same(howsure.load(out), single)
    assert howsure.load(out).ids.tolist() == list(range(0, 7 * 4000, 7))


# --- refusals -------------------------------------------------------------------------------------


def test_a_folder_of_somebody_else(tmp_path, rows):
    out = tmp_path / "holiday"
    out.mkdir()
    (out / "photo.jpg").touch()
    done = into(out, rows)
    assert done.exit_code == 2
    assert "holds other files, and no results. " in done.stderr
    assert [path.name for path in out.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("where", ["day=2/b.parquet", "c.pq", "year=1/day=2/D.PARQUET"])
@pytest.mark.parametrize("alone", [False, True])
def test_rows_that_would_not_be_read(tmp_path, rows, where, alone):
    path = rows / where
    path.parent.mkdir(parents=True, exist_ok=True)
    (rows / "0.parquet").rename(path)
    (rows / ".hidden").mkdir()
    (rows / ".hidden" / "1.parquet").touch()
    for other in rows.glob("?.parquet"):
        if alone:
            other.unlink()
    done = into(tmp_path / "results", rows)
    assert done.exit_code == 2
    assert "holds rows that would not be read. Expected: all of them in files" in done.stderr
    assert f"Received: '{where}'" in done.stderr


def test_a_folder_without_rows(tmp_path):
    (tmp_path / "rows").mkdir()
    done = into(tmp_path / "results", tmp_path / "rows")
    assert done.exit_code == 2
    assert "holds no rows. Expected: .parquet files, images, or one sub-folder" in done.stderr


def test_the_page_of_a_folder_is_that_of_the_finished_one(tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("assess", MODEL, "rows", "--out", "o", "--report", "o.html")
    assert done.exit_code == 0, done.stderr
    assert "Report:  o.html" in done.stdout
    assert run("report", "o", "--report", "later.html").exit_code == 0
    assert (tmp_path / "o.html").read_text() == (tmp_path / "later.html").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "o.parquet", "--workers", 2), "--workers needs a folder as its output"),
        (("--out", "o.parquet", "--part-rows", 2), "--part-rows has no effect on one table"),
        (("--out", "o.parquet"), "is a folder of Parquet files, so its results need a folder"),
        (("--out", "rows"), "would overwrite"),
        (("--out", "rows/within"), "'rows/within' lies inside the input 'rows'"),
        (("--out", "o", "--labels", "few.npy"), "another number of labels than there are rows"),
        (("--out", "o", "--id-column", "name"), "no column 'name' for the ids"),
    ],
)
def test_wrong_use(tmp_path, rows, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    np.save("few.npy", np.zeros(5, int))
    done = run("assess", MODEL, "rows", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.npy", "rows"]  # nothing was begun


def test_links_whose_targets_have_no_ending(tmp_path, rows, plan_file, whole):
    """As caches keep files by their checksums."""
    kept = tmp_path / "kept"
    kept.mkdir()
    labels = np.arange(len(whole)) % small_network.CLASSES
    np.savez(tmp_path / "x.npz", x=small_network.rows(len(whole)))
    np.save(tmp_path / "y.npy", labels)
    for name in ("x.npz", "y.npy"):
        (tmp_path / name).rename(kept / name[0])
        (tmp_path / name).symlink_to(kept / name[0])
    done = into(tmp_path / "results", tmp_path / "x.npz", "--labels", tmp_path / "y.npy", "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    found = howsure.load(tmp_path / "results")
    check_same(found, whole)
    assert np.array_equal(found.truth, labels)


# --- what comes after -----------------------------------------------------------------------------


def test_later_commands_read_a_folder(tmp_path, rows, x, plan_file):
    out, labels = tmp_path / "results", tmp_path / "labels.npy"
    single = howsure.assess(small_network.make(), x, method=asked(howsure.Plan.load(plan_file)))
    np.save(labels, np.where(np.arange(len(x)) % 5 == 0, single.runner_up, single.label))
    into(out, rows, "--plan", plan_file, "--labels", labels)
    single = single.with_ids([f"row {number}" for number in range(len(x))])
    single.with_truth(np.load(labels)).save(tmp_path / "one.parquet")
    one = tmp_path / "one.parquet"
    for command in (
        ("evaluate",),
        ("calibrate",),
        ("abstain", "--risk", 0.6),
        ("sets", "--coverage", 0.9),
        ("report", "--report", tmp_path / "page.html"),
        ("handover", "--out", tmp_path / "hand.csv"),
    ):
        name, *options = command
        found, wanted = run(name, out, *options), run(name, one, *options)
        assert found.exit_code == 0, (name, found.stderr)
        assert found.stdout == wanted.stdout.replace(str(one), str(out)), name
    compared = run("compare", out, one)
    assert compared.exit_code == 0, compared.stderr


def test_a_page_says_what_is_missing(tmp_path, results):
    kills.parts_in(results)[2].unlink()
    said = f"Results of 32 of 360 rows are missing in &#39;{results}&#39;."
    assert run("report", results, "--report", tmp_path / "page.html").exit_code == 0
    assert said in (tmp_path / "page.html").read_text()


def test_labels_follow_the_rows_whatever_is_missing(
    tmp_path, results, rows, x, plan_file, whole, monkeypatch
):
    """By place or by id, in any order, of all rows or of a sample; never of another number of rows."""
    monkeypatch.chdir(tmp_path)
    labels = np.where(np.arange(len(x)) % 5 == 0, whole.runner_up, whole.label)
    np.save("all.npy", labels)
    np.save("more.npy", np.append(labels, 0))
    order = np.random.default_rng(0).permutation(len(x))
    lines = [f"row {number},{labels[number]}" for number in order]
    (tmp_path / "ids.csv").write_text("\n".join(["id,y", *lines]))
    done = into(tmp_path / "labelled", rows, "--plan", plan_file, "--labels", "ids.csv")
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(howsure.load(tmp_path / "labelled").truth, labels)
    for folder in (results, tmp_path / "labelled"):
        kills.parts_in(folder)[3].unlink()
    for sample in (1000, 100):
        monkeypatch.setattr("howsure.answers.files.SAMPLE", sample)
        wanted = run("evaluate", tmp_path / "labelled").stdout
        assert f"{min(sample, 352)} rows" in wanted
        for given in ("all.npy", "ids.csv"):
            assert run("evaluate", results, "--labels", given).stdout == wanted
            assert run("handover", results, "--labels", given, "--out", "hand.csv").exit_code == 0
    for command in ("evaluate",), ("handover", "--out", "hand.csv"), ("report", "--report", "page.html"):
        done = run(command[0], results, *command[1:], "--labels", "more.npy")
        assert done.exit_code == 2
        assert "Expected: 360 labels, one per row. Received: 361." in done.stderr


def test_classes_that_are_called_by_numbers(tmp_path, x, monkeypatch):
    """A part of one class alone does not tell whether its labels are numbers or names."""
    monkeypatch.chdir(tmp_path)
    names = ("--class-names", "1,2,3,4", "--passes", 4)
    labels = 1 + np.arange(len(x)) // 90
    pq.write_table(table_of(x, 0).append_column("y", [labels]), "y.parquet")
    done = into("refused", "y.parquet", *names)
    assert done.exit_code == 2
    assert "may be class numbers or names; one part alone cannot tell" in done.stderr
    pq.write_table(table_of(x, 0), "x.parquet")
    np.save("labels.npy", labels)
    done = into("results", "x.parquet", *names, "--labels", "labels.npy")
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(howsure.load("results").truth, labels - 1)
    done = run("handover", "results", "--labels", "labels.npy", "--out", "hand.csv")
    assert done.exit_code == 0, done.stderr


def test_an_empty_folder_holds_no_results(tmp_path):
    with pytest.raises(howsure.FileError, match="holds no results"):
        howsure.load(tmp_path)


def test_verdicts_of_a_damaged_part(tmp_path):
    part = Part(0, 0, 10, 0)
    (tmp_path / part.name).write_bytes(b"PAR1 and no more")
    with pytest.raises(howsure.FileError, match="not a readable Parquet file"):
        verdicts_in(tmp_path, [part])


def test_a_changed_manifest_is_noticed(results, rows, plan_file):
    text = (results / "manifest.json").read_text().replace('"seed": 0', '"seed": 1')
    (results / "manifest.json").write_text(text)
    with pytest.raises(howsure.FileError, match="it is not what was saved"):
        howsure.load(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 2
