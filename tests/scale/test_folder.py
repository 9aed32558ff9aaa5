"""Folders of results by one process: the same numbers as one table, whatever happens on the way."""

import errno
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.models.arrays import Dense
from howsure.scale import recipe
from howsure.scale.folder import locked
from howsure.scale.same import Probe
from tests.scale.conftest import FILES, MODEL, ROWS, check_same, into, run, table_of
from validation import scale as kills
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
    assert "Plan:    made from 360 rows, spread over all" in first.stdout
    before, plan = written(out), howsure.Plan.load(out / "plan.json")
    assert plan.precision == "float32"
    again = into(out, rows)
    assert again.exit_code == 0, again.stderr
    assert written(out) == before
    assert "There:   360 of 360 rows, from before" in again.stdout
    method = howsure.MCDropout(plan=plan)
    check_same(
        howsure.load(out),
        howsure.assess(small_network.make(), small_network.rows(FILES * ROWS), method=method),
    )


def test_a_damaged_part_is_made_again(results, rows, plan_file, whole):
    parts = kills.parts_in(results)
    parts[3].write_bytes(parts[3].read_bytes()[:1000])
    parts[5].unlink()
    before = written(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 0
    changed = [part for part, when in written(results).items() if before.get(part) != when]
    assert changed == [parts[3], parts[5]]
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
    assert f"are of {said}" in done.stderr
    assert written(results) == before


def test_another_model_is_refused(results, rows, plan_file, monkeypatch):
    monkeypatch.setattr(small_network, "UNITS", 33)
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "are of another model" in done.stderr


def test_other_rows_are_refused(results, rows, plan_file, x):
    pq.write_table(table_of(x[:ROWS] + 1, 0), rows / "4.parquet")
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "are of other rows: '4.parquet' has changed since" in done.stderr
    (rows / "4.parquet").unlink()
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "'4.parquet' is in one of the two alone" in done.stderr


def test_other_rows_of_the_same_size_and_time_are_refused(tmp_path, x, plan_file):
    out, path = tmp_path / "results", tmp_path / "x.npy"
    for number, rows in enumerate((x, x + 1)):
        np.save(path, rows)
        os.utime(path, ns=(10**18, 10**18))
        done = into(out, path, "--plan", plan_file)
        assert done.exit_code == 2 * number, done.stderr
    assert "are of other rows: 'x.npy' has changed since" in done.stderr


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
    monkeypatch.setattr(small_network, "Dense", lambda kernel, *others: Dense(1.1 * kernel, *others))
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "are of another model, or of other rows: of row 0 of '0.parquet' it says" in done.stderr


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "o.parquet", "--workers", 2), "--workers write into a folder"),
        (("--out", "o.parquet", "--part-rows", 2), "--part-rows has no effect on one table"),
        (("--out", "o.parquet"), "holds Parquet files, whose results go into a folder"),
        (("--out", "o", "--report", "o.html"), "howsure report o --report o.html"),
        (("--out", "rows"), "would overwrite"),
        (("--out", "rows/within"), "'rows/within' lies within 'rows', and would be taken for some of it"),
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
    single = howsure.assess(
        small_network.make(), x, method=howsure.MCDropout(plan=howsure.Plan.load(plan_file))
    )
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


def test_an_empty_folder_holds_no_results(tmp_path):
    with pytest.raises(howsure.FileError, match="holds no results"):
        howsure.load(tmp_path)


def test_a_changed_manifest_is_noticed(results, rows, plan_file):
    text = (results / "manifest.json").read_text().replace('"seed": 0', '"seed": 1')
    (results / "manifest.json").write_text(text)
    with pytest.raises(howsure.FileError, match="it is not what was saved"):
        howsure.load(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 2
