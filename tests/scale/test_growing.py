"""Folders of rows that grow, rows that fail alone, and what lies in a folder and cannot be read."""

import os
import shutil
import socket

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.scale.work import save_part
from howsure.scale.worker import Worker
from tests.commands import run
from tests.scale import kills
from tests.scale.conftest import FILES, ROWS, asked, check_same, into, table_of
from validation import small_network


def written(out):
    return {part: part.stat().st_mtime_ns for part in kills.parts_in(out)}


# --- files that come, go, and are copied ----------------------------------------------------------


@pytest.mark.parametrize("later", [["8"], ["0", "4"]])
def test_files_that_come_later(tmp_path, rows, plan_file, whole, later):
    """The results are those of a folder that held all of them at once; results from before stay."""
    out, kept = tmp_path / "results", tmp_path / "kept"
    kept.mkdir()
    for name in later:
        (rows / f"{name}.parquet").rename(kept / f"{name}.parquet")
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    before = written(out)
    for name in later:
        (kept / f"{name}.parquet").rename(rows / f"{name}.parquet")
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    assert f"Done:    {(FILES - len(later)) * ROWS} of 360 rows in an earlier run" in done.stdout
    assert before.keys() <= written(out).keys()
    if later == ["8"]:
        assert before.items() <= written(out).items()
    check_same(howsure.load(out), whole)
    assert howsure.load(out).ids.tolist() == [f"row {number}" for number in range(FILES * ROWS)]
    again = written(out)
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    assert written(out) == again


def test_a_plan_stays_that_of_the_folder(tmp_path, rows):
    out = tmp_path / "results"
    (rows / "8.parquet").rename(tmp_path / "8.parquet")
    assert into(out, rows).exit_code == 0
    plan = howsure.Plan.load(out / "plan.json")
    (tmp_path / "8.parquet").rename(rows / "8.parquet")
    assert into(out, rows).exit_code == 0
    assert howsure.Plan.load(out / "plan.json") == plan
    method = asked(plan)
    check_same(
        howsure.load(out), howsure.assess(small_network.make(), small_network.rows(360), method=method)
    )


def test_a_file_that_went_is_said_and_its_results_stay(results, rows, plan_file, whole, tmp_path):
    (rows / "4.parquet").rename(tmp_path / "4.parquet")
    before = written(results)
    for has_link in (False, True):
        if has_link:
            (rows / "4.parquet").symlink_to("nowhere")
        done = into(results, rows, "--plan", plan_file)
        assert done.exit_code == 1
        assert "gone: 1 file of rows. Their results are kept\n  4.parquet, 40 rows\n" in done.stderr
        assert written(results) == before
        check_same(howsure.load(results), whole)
    kills.parts_in(results)[9].unlink()
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 1
    assert "'4.parquet', 8 rows from row 32 of it on: " in done.stderr
    (rows / "4.parquet").unlink()
    (tmp_path / "4.parquet").rename(rows / "4.parquet")
    assert into(results, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(results), whole)


def test_files_are_known_by_their_content(results, rows, plan_file, whole, x):
    """An identical copy of another time, or of another name, is the same file; other rows are not."""
    before = written(results)
    for number in range(FILES):
        os.utime(rows / f"{number}.parquet", ns=(10**18, 10**18 + number))
    (rows / "8.parquet").rename(rows / "9.parquet")
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    assert written(results) == before
    check_same(howsure.load(results), whole)
    # One number in the middle, which neither size nor footer tell.
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    other = rows.parent / "plain"
    other.mkdir()
    for number, row in enumerate((x[:ROWS], x[ROWS : 2 * ROWS])):
        pq.write_table(table_of(row, 0), other / f"{number}.parquet", **plain)
    assert into(results.parent / "plain results", other, "--plan", plan_file).exit_code == 0
    changed = x[:ROWS].copy()
    changed[20, 3] += 1
    pq.write_table(table_of(changed, 0), other / "0.parquet", **plain)
    os.utime(other / "0.parquet", ns=(10**18, 10**18))
    done = into(results.parent / "plain results", other, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows: '0.parquet' has changed since" in done.stderr


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_an_array_that_was_copied_or_written_again(tmp_path, x, plan_file, ending):
    path, out = tmp_path / f"x{ending}", tmp_path / "results"
    (np.save if ending == ".npy" else np.savez)(path, x)
    assert into(out, path, "--plan", plan_file).exit_code == 0
    before = written(out)
    (np.save if ending == ".npy" else np.savez)(path, x)
    os.utime(path, ns=(10**18, 10**18))
    assert into(out, path, "--plan", plan_file).exit_code == 0
    assert written(out) == before
    changed = x.copy()
    changed[5, 5] += 1
    (np.save if ending == ".npy" else np.savez)(path, changed)
    done = into(out, path, "--plan", plan_file)
    assert done.exit_code == 2
    assert f"'x{ending}' has changed since" in done.stderr


def test_another_file_is_not_more_rows(results, rows, plan_file, tmp_path):
    """A folder of files may grow; what is named as one file is that file."""
    done = into(results, rows / "0.parquet", "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows" in done.stderr
    out = tmp_path / "one"
    assert into(out, rows / "0.parquet", "--plan", plan_file).exit_code == 0
    done = into(out, rows / "1.parquet", "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows" in done.stderr


def test_a_file_that_comes_while_workers_begin(tmp_path, rows, plan_file, whole, monkeypatch):
    """Workers read the files that were found, and not whatever is there when they look."""
    made = Worker.__init__

    def late(worker, *arguments):
        shutil.copy(rows / "8.parquet", rows / "00.parquet")
        made(worker, *arguments)

    monkeypatch.setattr(Worker, "__init__", late)
    assert into(tmp_path / "results", rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(tmp_path / "results"), whole)


def test_stopped_while_rows_get_new_numbers(tmp_path, rows, plan_file, whole, monkeypatch):
    """Nobody takes the numbers of before for those of now, and the next run goes on."""
    out, numbered = tmp_path / "results", []
    (rows / "0.parquet").rename(tmp_path / "0.parquet")
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    (tmp_path / "0.parquet").rename(rows / "0.parquet")

    def stopped(*arguments):
        if len(numbered) == 3:
            raise KeyboardInterrupt
        numbered.append(arguments)
        save_part(*arguments)

    monkeypatch.setattr("howsure.scale.run.save_part", stopped)
    assert into(out, rows, "--plan", plan_file).exit_code == 130
    with pytest.raises(howsure.FileError, match="has the row numbers of another time"):
        howsure.load(out)
    monkeypatch.undo()
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


# --- rows that fail alone -------------------------------------------------------------------------


def spoiled(rows, x):
    """Rows that are not finite in file 2, empty cells in file 5: in the middle, and first and last."""
    part = x[2 * ROWS : 3 * ROWS].copy()
    part[[0, 7, 31, 39], 2] = np.nan, np.inf, np.nan, np.nan
    pq.write_table(table_of(part, 2 * ROWS), rows / "2.parquet")
    table = table_of(x[5 * ROWS : 6 * ROWS], 5 * ROWS)
    values = [None if number in (3, 32) else each for number, each in enumerate(table["f1"].to_pylist())]
    table = table.set_column(2, "f1", pa.array(values, pa.float32()))
    pq.write_table(table, rows / "5.parquet")
    return [*(2 * ROWS + np.array([0, 7, 31, 39])), *(5 * ROWS + np.array([3, 32]))]


def test_rows_that_fail_are_left_out_alone(tmp_path, rows, plan_file, whole, x):
    out = tmp_path / "results"
    bad = spoiled(rows, x)
    kept = np.delete(np.arange(len(x)), bad)
    failed = into(out, rows, "--plan", plan_file)
    assert failed.exit_code == 1
    assert "missing: 4 parts" in failed.stderr  # as without the option
    for _ in range(2):
        done = into(out, rows, "--plan", plan_file, "--skip-rows")
        assert done.exit_code == 1
        assert "left out: 6 rows\n" in done.stderr
        assert "  '2.parquet', row 0: " in done.stderr
        assert "  '2.parquet', row 39: " in done.stderr
        assert "  '5.parquet', row 32: " in done.stderr
        assert "missing:" not in done.stderr
        with pytest.warns(howsure.HowsureWarning, match="6 rows that failed were left out"):
            found = howsure.load(out)
        check_same(found, whole, kept)
        assert found.ids.tolist() == [f"row {number}" for number in kept]
    before = written(out)
    again = into(out, rows, "--plan", plan_file)
    assert again.exit_code == 1
    assert "left out: 6 rows\n" in again.stderr
    assert written(out) == before
    # Other rows come before: what was left out stays known, and all numbers move.
    pq.write_table(table_of(x[:5], 1000), rows / "-.parquet")
    grown = into(out, rows, "--plan", plan_file, "--skip-rows")
    assert grown.exit_code == 1
    with pytest.warns(howsure.HowsureWarning, match="6 rows that failed .* of the results of 365"):
        found = howsure.load(out)
    assert found.row.tolist() == [*range(5), *(5 + kept)]
    assert np.array_equal(found.probabilities[5:], whole.probabilities[kept])
    (rows / "-.parquet").unlink()
    pq.write_table(table_of(x[2 * ROWS : 3 * ROWS], 2 * ROWS), rows / "2.parquet")
    pq.write_table(table_of(x[5 * ROWS : 6 * ROWS], 5 * ROWS), rows / "5.parquet")
    mended = into(out, rows, "--plan", plan_file)
    assert "left out" not in mended.stderr
    found = howsure.load(out)
    assert found.row.tolist() == list(range(365))
    assert np.array_equal(found.probabilities[5:], whole.probabilities)


def test_a_plan_is_made_from_rows_that_do_not_fail(tmp_path, x):
    """Also where each place from which rows are taken holds one that fails."""
    bad = x.copy()
    bad[::5, 1] = np.nan
    np.save(tmp_path / "x.npy", bad)
    assert into(tmp_path / "results", tmp_path / "x.npy").exit_code == 2
    done = into(tmp_path / "results", tmp_path / "x.npy", "--skip-rows")
    assert done.exit_code == 1, done.stderr
    assert "left out: 72 rows" in done.stderr
    with pytest.warns(howsure.HowsureWarning, match="72 rows that failed were left out"):
        found = howsure.load(tmp_path / "results")
    assert found.row.tolist() == [row for row in range(len(x)) if row % 5]
    method = asked(howsure.Plan.load(tmp_path / "results" / "plan.json"))
    check_same(found, howsure.assess(small_network.make(), x, method=method), found.row)


def test_what_is_no_fault_of_rows_fails_as_without_the_option(tmp_path, rows, plan_file, x):
    out = tmp_path / "results"
    pq.write_table(table_of(x[:ROWS], 0, 7), rows / "1.parquet")
    pq.write_table(table_of(np.full_like(x[:ROWS], np.nan), 0), rows / "2.parquet")
    done = into(out, rows, "--plan", plan_file, "--skip-rows")
    assert done.exit_code == 1
    assert "missing: 4 parts" in done.stderr
    assert "left out" not in done.stderr
    assert len(kills.parts_in(out)) == 14


def test_skipped_rows_of_one_table(tmp_path, rows):
    done = run("assess", "m", rows, "--out", tmp_path / "o.parquet", "--skip-rows")
    assert done.exit_code == 2


# --- what cannot be read --------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_what_cannot_be_read_is_named(tmp_path, rows, plan_file, whole, monkeypatch):
    """Nor is anything waited for, as a pipe would be."""
    monkeypatch.chdir(rows)  # the name of a socket is short
    out, kept = tmp_path / "results", shutil.copytree(rows, tmp_path / "kept")
    for number in range(5):
        (rows / f"{number}.parquet").unlink()
    (rows / "0.parquet").symlink_to("nowhere")
    (rows / "1.parquet").symlink_to("1.parquet")
    os.mkfifo(rows / "2.parquet")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("3.parquet")
    (rows / "4.parquet").touch()
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1, done.stderr
    assert f"  0.parquet: '{rows}/0.parquet' is a link that leads nowhere. " in done.stderr
    for number in range(1, 5):
        assert f"  {number}.parquet: '{rows}/{number}.parquet' is " in done.stderr
    with pytest.warns(howsure.HowsureWarning, match=r"those of '0\.parquet', which could not be read"):
        assert len(howsure.load(out)) == 160
    for number in range(5):
        (rows / f"{number}.parquet").unlink()
        (rows / f"{number}.parquet").symlink_to(kept / f"{number}.parquet")
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_what_lies_among_the_parts_and_is_not_read_is_named(tmp_path, rows, plan_file, whole):
    out, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    shutil.copytree(rows, elsewhere)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "linked").symlink_to(elsewhere)
    done = into(out, tmp_path / "links", "--plan", plan_file)
    assert done.exit_code == 2
    assert f"Received: 'linked', a link to '{elsewhere}'." in done.stderr
    (rows / "linked").symlink_to(elsewhere)
    (rows / "round").symlink_to(rows)
    (rows / "gone").symlink_to("nowhere")
    (rows / "notes").mkdir()
    (rows / "9.parquet.gz").touch()
    shutil.copy(rows / "0.parquet", rows / "_9.parquet")
    for name in ("_SUCCESS", ".9.parquet.crc", "_metadata"):
        (rows / name).touch()
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"not read: 6 files or folders in '{rows}'",
        "  9.parquet.gz: its name does not end in .parquet",
        "  _9.parquet: its name begins with _",
        "  gone: its name does not end in .parquet",
        "  linked: a link to a folder",
        "  notes: a folder",
        "  round: a link to a folder",
    ]
    check_same(howsure.load(out), whole)
