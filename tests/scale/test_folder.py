"""Folders of results by one process: the same numbers as one table, whatever happens on the way."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.scale.work import Worker
from tests.commands import run
from tests.scale import kills
from tests.scale.conftest import FILES, MODEL, PER_PART, ROWS, asked, check_same, into, table_of
from tests.support.arrays import ArrayModel
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
    assert [file["rows"] for file in told["files"]] == [ROWS] * FILES
    assert [part["first_row"] for part in told["parts"][:4]] == [0, 32, 40, 72]
    assert told["made_with"]["version of howsure"] == howsure.__version__
    parts = kills.parts_in(out)
    assert len(parts) == len(told["parts"])
    for path in parts:
        first, after = map(int, path.name.split("-")[1:3])
        assert pq.read_table(path)["row"].to_pylist() == list(range(first, after))


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


def test_a_damaged_part_is_noticed_and_made_again_once_it_is_gone(results, rows, plan_file, whole):
    parts = kills.parts_in(results)
    flipped = bytearray(parts[7].read_bytes())
    packed = pq.read_metadata(parts[7]).row_group(0).column(pq.read_schema(parts[7]).names.index("howsure"))
    flipped[packed.dictionary_page_offset + packed.total_compressed_size // 2] ^= 1
    parts[7].write_bytes(flipped)
    with pytest.raises(howsure.FileError, match=rf"{parts[7].name}.*Delete that part, then give the command"):
        howsure.load(results)
    parts[7].unlink()
    parts[3].unlink()
    before = written(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 0
    assert set(written(results)) - set(before) == {parts[3], parts[7]}
    assert before.items() <= written(results).items()
    check_same(howsure.load(results), whole)


def test_two_writers_at_once(tmp_path):
    """They share the work where one sees that the other has written a part, and write the same elsewhere."""
    kills.prepare(tmp_path, 4000)
    arguments = kills.command("out", None, "--set", "passes=20")
    writers = [kills.started(tmp_path, arguments) for _ in range(2)]
    for writer in writers:
        _, said = writer.communicate()
        assert writer.returncode == 0, said
    assert (
        run("assess", MODEL, tmp_path / "rows.npz", "--out", tmp_path / "one", "--set", "passes=20").exit_code
        == 0
    )
    both, one = kills.parts_in(tmp_path / "out"), kills.parts_in(tmp_path / "one")
    assert [path.name for path in both] == [path.name for path in one]
    assert [path.read_bytes() for path in both] == [path.read_bytes() for path in one]
    assert not list((tmp_path / "out").glob(".howsure-*"))


OTHER = {
    "seed": (("--seed", 1), "another seed"),
    "plan": (("--plan", "other.json"), "another plan"),
    "method": (("--set", "max_passes=60"), "another method"),
    "names": (("--class-names", "a,b,c,d"), "other class names"),
    "divisor": (("--set", "divide_by=2"), "another divisor"),
    "size": (("--set", "part_rows=50"), "another part size"),
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


@pytest.mark.parametrize("workers", [(), ("--workers", 2)])
def test_rules_are_a_part_of_what_made_a_folder(tmp_path, rows, plan_file, whole, workers):
    if workers:
        pytest.importorskip("ray")
    one, other, out = tmp_path / "one.json", tmp_path / "other.json", tmp_path / "decided"
    truth = np.where(np.arange(len(whole)) % 5, whole.label, whole.runner_up)
    howsure.fit_rules(whole, truth, risk=0.5).save(one)
    howsure.fit_rules(whole, truth, risk=0.4).save(other)
    given = ("--plan", plan_file, "--rules")
    done = into(out, rows, *given, one, *workers)
    assert done.exit_code == 0, done.stderr
    found, decided = howsure.load(out), howsure.load(one)(whole)
    assert f"For a person: {decided.hand_over.sum():,} of {len(whole):,} rows." in done.stdout
    for name in ("probabilities", "in_set", "hand_over"):
        np.testing.assert_array_equal(getattr(found, name), getattr(decided, name))
    if workers:
        return
    before = written(out)
    for wrong in ((*given, other), given[:2]):
        done = into(out, rows, *wrong)
        assert done.exit_code == 2
        assert "were made with other rules" in done.stderr
    done = into(tmp_path / "none", rows, "--set", "passes=4", "--rules", one)
    assert done.exit_code == 2
    assert "another" in done.stderr
    assert written(out) == before


def test_another_model_is_refused(results, rows, plan_file, monkeypatch):
    monkeypatch.setattr(small_network, "UNITS", 33)
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "were made with another model" in done.stderr


def test_other_rows_are_refused(results, rows, plan_file, x):
    good = (rows / "4.parquet").read_bytes()
    pq.write_table(table_of(x[:ROWS] + 1, 0), rows / "4.parquet")
    before = written(results)
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows: '4.parquet' has changed since" in done.stderr
    assert "'part-000000000160-000000000192-" in done.stderr
    (rows / "4.parquet").unlink()
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows: '4.parquet' has changed since, or is not in its place" in done.stderr
    (rows / "4.parquet").write_bytes(good)
    (rows / "00.parquet").write_bytes(good)
    done = into(results, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "belong to other rows: '1.parquet' has changed since, or is not in its place" in done.stderr
    assert written(results) == before


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_rows_are_known_by_their_content(tmp_path, x, plan_file, ending):
    """A copy of another time is the same; other rows of the same size and time are not."""
    path, out = tmp_path / f"x{ending}", tmp_path / "results"
    save = np.save if ending == ".npy" else np.savez
    for number, rows in enumerate((x, x, x + 1)):
        save(path, rows)
        os.utime(path, ns=(10**18, 10**18 + (number == 1)))
        done = into(out, path, "--plan", plan_file)
        assert done.exit_code == (0, 0, 2)[number], done.stderr
    assert f"belong to other rows: 'x{ending}' has changed since" in done.stderr


def test_files_that_come_behind_the_others(tmp_path, rows, plan_file, whole):
    """The results are those of a folder that held all of them at once; parts from before stay."""
    out = tmp_path / "results"
    (rows / "8.parquet").rename(tmp_path / "8.parquet")
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    before = written(out)
    (tmp_path / "8.parquet").rename(rows / "8.parquet")
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 0, done.stderr
    assert "Done:    320 of 360 rows in an earlier run" in done.stdout
    assert before.items() <= written(out).items()
    check_same(howsure.load(out), whole)


def test_other_code_of_the_same_weights_is_refused(tmp_path, x, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    np.save("x.npy", x)
    code = "from validation.small_network import *\n\ndef network():\n    return make()\n"
    (tmp_path / "a_network_of_mine.py").write_text(code)
    command = ("assess", "a_network_of_mine:network", "x.npy", "--out", "results", "--set", "passes=4")
    assert run(*command).exit_code == 0
    assert run(*command).exit_code == 0
    (tmp_path / "a_network_of_mine.py").write_text(code + "# as if something else were computed\n")
    done = run(*command)
    assert done.exit_code == 2
    assert "were made with another code of the model" in done.stderr


# --- faults ---------------------------------------------------------------------------------------


def test_a_corrupt_file_among_many(tmp_path, rows, plan_file, whole):
    """It is named before anything is begun: without it the rows behind it would have other numbers."""
    out, bad = tmp_path / "results", rows / "3.parquet"
    good = bad.read_bytes()
    bad.write_bytes(good[:-20])
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert f"'{bad}' is not a readable Parquet file" in done.stderr
    assert not out.exists()
    bad.write_bytes(good)
    assert into(out, rows, "--plan", plan_file).exit_code == 0
    check_same(howsure.load(out), whole)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, rows, plan_file):
    (rows / "3.parquet").unlink()
    (rows / "3.parquet").symlink_to("nowhere")
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "3.parquet" in done.stderr
    (rows / "3.parquet").unlink()
    os.mkfifo(rows / "3.parquet")
    done = into(tmp_path / "results", rows, "--plan", plan_file)
    assert done.exit_code == 2
    assert "it is no file" in done.stderr


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
    done = into(out, path, "--plan", plan_file)
    assert done.exit_code == 2
    assert "'rows.parquet' has changed since" in done.stderr


def test_a_row_that_does_not_fit_costs_its_part(tmp_path, rows, plan_file, whole, x):
    out, bad = tmp_path / "results", rows / "6.parquet"
    part = x[6 * ROWS : 7 * ROWS].copy()
    part[5, 2] = np.nan
    pq.write_table(table_of(part, 6 * ROWS), bad)
    for _ in range(2):
        done = into(out, rows, "--plan", plan_file)
        assert done.exit_code == 1
        assert "missing: 1 part\n" in done.stderr
        assert "'6.parquet', 32 rows from row 0 of it on: " in done.stderr
        assert "NaN or infinite values, in row 5" in done.stderr
    with pytest.warns(howsure.HowsureWarning, match="Results of 32 of 360 rows are missing"):
        found = howsure.load(out)
    check_same(found, whole, np.delete(np.arange(len(x)), range(6 * ROWS, 6 * ROWS + 32)))


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


def test_a_stopped_run_says_what_is_kept_and_goes_on(tmp_path, rows, plan_file, whole, monkeypatch):
    out, do = tmp_path / "results", Worker.do

    def stopped(worker, part, *more):
        if part.file == 2:
            raise KeyboardInterrupt
        return do(worker, part, *more)

    monkeypatch.setattr(Worker, "do", stopped)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 130
    assert "kept: 80 of 360 rows" in done.stderr
    monkeypatch.setattr(Worker, "do", do)
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 0
    assert "Done:    80 of 360 rows in an earlier run" in done.stdout
    check_same(howsure.load(out), whole)


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


def test_rows_on_which_the_model_itself_raises(tmp_path, rows, x, angry, plan_file):
    """They are passed over where options are tried, and named; all others are done."""
    out = tmp_path / "results"
    for number in (0, 6):
        part = x[number * ROWS : (number + 1) * ROWS].copy()
        part[0, 2] = 99
        pq.write_table(table_of(part, number * ROWS), rows / f"{number}.parquet")
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1, done.stderr
    assert done.stderr.count("Traceback (most recent call last)") == 1
    assert "'0.parquet', 32 rows from row 0 of it on: IndexError: too large\n" in done.stderr
    assert "'6.parquet', 32 rows from row 0 of it on: IndexError: too large\n" in done.stderr
    whole = howsure.assess(angry(), x, method=asked(howsure.Plan.load(plan_file)))
    with pytest.warns(howsure.HowsureWarning, match="Results of 64 of 360 rows are missing"):
        check_same(howsure.load(out), whole, np.delete(np.arange(len(x)), np.r_[0:32, 240:272]))


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
    done = into(tmp_path / "results", tmp_path / "x.npy", "--set", "passes=4")
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


def test_a_plan_that_this_processor_cannot_follow(tmp_path, rows, plan):
    replace(plan, precision="bfloat16").save(tmp_path / "plan.json")
    done = into(tmp_path / "results", rows, "--plan", tmp_path / "plan.json")
    assert done.exit_code == 2
    assert "The plan runs heavy layers in bfloat16" in done.stderr
    assert not kills.parts_in(tmp_path / "results")


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_moment(tmp_path, seed):
    """`python -m tests.scale.kills` does so at fifty."""
    kills.prepare(tmp_path, 4000)
    single = howsure.assess(
        small_network.make(), small_network.rows(4000), method=howsure.MCDropout(passes=20)
    )
    kills.check_moment(tmp_path, np.random.default_rng(seed), single)


# --- refusals -------------------------------------------------------------------------------------


def test_a_folder_of_somebody_else(tmp_path, rows):
    out = tmp_path / "holiday"
    out.mkdir()
    (out / "photo.jpg").touch()
    done = into(out, rows)
    assert done.exit_code == 2
    assert "holds other files, and no results. " in done.stderr
    assert [path.name for path in out.iterdir()] == ["photo.jpg"]


def test_rows_that_would_not_be_read(tmp_path, rows):
    deeper = rows / "year=1" / "day=2"
    deeper.mkdir(parents=True)
    for path in rows.glob("?.parquet"):
        path.rename(deeper / path.name)
    done = into(tmp_path / "results", rows)
    assert done.exit_code == 2
    assert "holds rows that would not be read. Expected: files ending in .parquet, none" in done.stderr
    assert "Received: 'year=1/day=2/" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_what_lies_among_the_files_of_rows_and_is_not_read_is_named(tmp_path, rows, plan_file, whole):
    out = tmp_path / "results"
    (rows / "round").symlink_to(rows)
    (rows / "gone").symlink_to("nowhere")
    (rows / "notes").mkdir()
    (rows / "9.pq").touch()
    shutil.copy(rows / "0.parquet", rows / "_9.parquet")
    for name in ("_SUCCESS", ".9.parquet.crc", "_metadata"):
        (rows / name).touch()
    done = into(out, rows, "--plan", plan_file)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"not read: 5 files or folders in '{rows}'",
        "  9.pq: its name does not end in .parquet",
        "  _9.parquet: its name begins with _",
        "  gone: its name does not end in .parquet",
        "  notes: a folder",
        "  round: a folder",
    ]
    check_same(howsure.load(out), whole)


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
        (("--out", "o.parquet", "--set", "part_rows=2"), "`part_rows` has no effect on one table"),
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
        ("rules", "--risk", 0.6, "--out", tmp_path / "rules.json"),
        ("decide", "--rules", tmp_path / "rules.json", "--out", tmp_path / "d.csv"),
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
        monkeypatch.setattr("howsure.scale.load.SAMPLE", sample)
        wanted, *_ = run("evaluate", tmp_path / "labelled").stdout.partition("Next:")
        assert f"{min(sample, 352)} rows" in wanted
        for given in ("all.npy", "ids.csv"):
            assert run("evaluate", results, "--labels", given).stdout.startswith(wanted)
            assert run("handover", results, "--labels", given, "--out", "hand.csv").exit_code == 0
    for command in ("evaluate",), ("handover", "--out", "hand.csv"), ("report", "--report", "page.html"):
        done = run(command[0], results, *command[1:], "--labels", "more.npy")
        assert done.exit_code == 2
        assert "Expected: 360 labels, one per row. Received: 361." in done.stderr


def test_classes_that_are_called_by_numbers(tmp_path, x, monkeypatch):
    """Numbers are names then, also in a part of one class alone."""
    monkeypatch.chdir(tmp_path)
    names = ("--class-names", "1,2,3,4", "--set", "passes=4")
    labels = 1 + np.arange(len(x)) // 90
    pq.write_table(table_of(x, 0).append_column("y", [labels]), "y.parquet")
    done = into("labelled", "y.parquet", *names)
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(howsure.load("labelled").truth, labels - 1)
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


def test_a_changed_manifest_is_noticed(results, rows, plan_file):
    text = (results / "manifest.json").read_text().replace('"seed": 0', '"seed": 1')
    (results / "manifest.json").write_text(text)
    with pytest.raises(howsure.FileError, match="it is not what was saved"):
        howsure.load(results)
    assert into(results, rows, "--plan", plan_file).exit_code == 2
