"""Several workers: the same numbers, whoever dies. One cluster for all of them, as it starts slowly."""

import os
import re
import signal
import socket
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
import howsure.scale
from howsure.cli.assessing import one_process
from howsure.scale import ray as workers
from howsure.scale.recipe import Asked, ModelSource
from howsure.scale.run import begun
from howsure.scale.sources import RowSource
from howsure.scale.there import left_out_in
from howsure.scale.worker import Recipe
from tests.answers import measures
from tests.cli.test_hostile_rows import RAN, a_parquet
from tests.commands import run
from tests.scale import kills
from tests.scale.conftest import FILES, MODEL, ROWS, asked, check_same, into, table_of
from validation import small_network

ROOT = Path(__file__).parent.parent.parent

ray = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "[::1]:{}", "127.0.0.1:99999"])
def test_an_address_at_which_nobody_listens(tmp_path, rows, monkeypatch, address):
    """Before any test of this file has a cluster, which would be taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("RAY_ADDRESS", address.format(free.getsockname()[1]))
        done = into(tmp_path / "results", rows, "--workers", 1)
    assert done.exit_code == 2
    assert "There is no cluster of Ray at '" in done.stderr


@pytest.fixture(scope="module")
def cluster():
    """One of two workers; yields a list of the signals that came."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("PYTHONPATH", str(ROOT))  # where workers find the network
        with workers.cluster(2):
            yield heard
    signal.signal(signal.SIGTERM, before)


def test_the_token_of_a_cluster_is_known_to_its_processes_alone(cluster):
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_the_request_to_end_is_heard_as_before(cluster):
    """Ray's own handler aborts the process."""
    here = signal.getsignal(signal.SIGTERM)
    assert here.__module__ == __name__, here
    os.kill(os.getpid(), signal.SIGTERM)
    assert cluster == [signal.SIGTERM]


def recipe_of(rows, out, plan):
    return Recipe(
        ModelSource(MODEL, folder=str(ROOT)),
        (),
        "mc-dropout",
        asked(plan),
        Asked(),
        RowSource(rows),
        None,
        out,
    )


def listening(process):
    """Where a process and all below it listen, as Linux tells: addresses in hexadecimal, by who it is."""
    parents, sockets = {}, {}
    for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            for place in map(os.readlink, (entry / "fd").iterdir()):
                sockets[place] = int(entry.name)
        except OSError:  # it has just ended
            continue
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            owner = above = sockets.get(f"socket:[{fields[9]}]")
            while above is not None and above != process:
                above = parents.get(above)
            if above == process and fields[3] == "0A":
                found[fields[1]] = Path(f"/proc/{owner}/cmdline").read_text().split("\0")[0]
    return found


def is_loopback(address):
    host = address.rpartition(":")[0]
    return host == "00000000000000000000000001000000" or host[-8:] == "0100007F"


@pytest.mark.usefixtures("cluster")
def test_a_worker_is_killed_a_file_is_corrupt_and_a_row_fails(tmp_path, x, plan, whole):
    """All at once, as each run has to start its workers; meanwhile nobody can reach them from elsewhere."""
    path, out = tmp_path / "rows", tmp_path / "results"
    path.mkdir()
    for number in range(FILES):
        first = number * ROWS
        part = x[first : first + ROWS].copy()
        if number == 2:
            part[7, 3] = np.nan
        pq.write_table(table_of(part, first), path / f"{number}.parquet")
    (path / "6.parquet").write_bytes(b"PAR1 and no more")
    victims, heard, tokens = [], {}, set()

    def told(done, total):
        if not victims:
            victims.append(next(kills.workers_of(os.getpid())))
            heard.update(listening(os.getpid()))
            told_of = Path(f"/proc/{victims[0]}/environ").read_text().split("\0")
            tokens.update(each for each in told_of if each.startswith("RAY_AUTH_"))
            os.kill(victims[0], signal.SIGKILL)

    recipe = recipe_of(path, out, plan)
    recipe = replace(recipe, rows=replace(recipe.rows, skip_rows=True))
    with begun(recipe, size=20, load_models=lambda: [small_network.make()]) as job:
        job.run(workers.several(2), told)
        assert [fault.split(": ")[0] for fault in job.faults()] == ["6.parquet"]
        assert sum(outcome.rows for outcome in job.outcomes) == (FILES - 1) * ROWS - 1
        assert [(part.file, place) for part, place, _ in left_out_in(out, job.parts)] == [(2, 7)]
        assert len({outcome.part for outcome in job.outcomes}) == len(job.outcomes) == len(job.parts)
        (out / ".howsure-left.part").touch()  # as one that a killed worker was writing would be
    assert victims
    assert any(name.startswith("ray::MapWorker") for name in heard.values())
    assert [where for where in heard if not is_loopback(where)] == []
    assert ray._raylet.get_authentication_mode() == ray._raylet.AuthenticationMode.TOKEN
    assert any(re.fullmatch("RAY_AUTH_TOKEN=[0-9a-f]{64}", each) for each in tokens)
    assert not list(out.glob(".howsure-*"))
    pq.write_table(table_of(x[6 * ROWS : 7 * ROWS], 6 * ROWS), path / "6.parquet")
    with begun(recipe, load_models=lambda: [small_network.make()]) as job:
        assert [part.file for part in job.pending] == [6, 6]
        job.run(one_process, lambda *_: None)  # whoever goes on
    with pytest.warns(howsure.HowsureWarning, match="1 row that failed was left out"):
        check_same(howsure.load(out), whole, np.delete(np.arange(len(x)), 2 * ROWS + 7))


@pytest.mark.usefixtures("cluster")
def test_workers_refuse_what_they_cannot_do(tmp_path, rows, plan):
    """A plan in a precision that they lack: nothing is written, and the reason is said once."""
    out = tmp_path / "results"
    recipe = recipe_of(rows, out, plan)
    with begun(recipe, load_models=lambda: [small_network.make()]) as job:
        job.recipe = replace(job.recipe, dropout=asked(replace(plan, precision="bfloat16")))
        with pytest.raises(howsure.InputError, match="runs heavy layers in bfloat16"):
            job.run(workers.several(1), lambda *_: None)
    assert not kills.parts_in(out)


def test_a_worker_with_another_model(tmp_path, rows, plan):
    recipe = replace(recipe_of(rows, tmp_path, plan), checksums=("0" * 64,))
    with pytest.raises(howsure.ModelError, match="not the same model for every worker"):
        recipe.load()


def test_a_part_that_kills_whoever_has_it(tmp_path, rows, plan):
    """It is given up after three processes, and named."""
    out = tmp_path / "results"
    with begun(recipe_of(rows, out, plan), size=20, load_models=lambda: [small_network.make()]) as job:
        part = job.pending[0]
        worker = workers._PartWorker(job.recipe, job.probe)
        (out / f".howsure-{part.name}.tries").write_bytes(b"...")  # as three that died would leave it
        batch = {name: [value] for name, value in vars(part).items()}
        assert "the process that had it died 3 times" in worker(batch)["fault"][0]
        assert worker({name: [value] for name, value in vars(job.pending[1]).items()})["fault"] == [""]


def test_warnings_of_a_worker_keep_their_kind(tmp_path, plan):
    np.save(tmp_path / "x.npy", np.full((40, small_network.FEATURES), 9, np.uint8))
    recipe = recipe_of(tmp_path / "x.npy", tmp_path / "out", plan)
    begin = begun(recipe, load_models=lambda: [small_network.make()])
    with warnings.catch_warnings(action="ignore"), begin as job:
        worker = workers._PartWorker(job.recipe, job.probe)
        said = worker({name: [value] for name, value in vars(job.pending[0]).items()})
    assert "are uint8, from 9 to 9" in said["warnings"][0][0]
    assert said["kinds"] == [["whole numbers in 'x'"]]


def test_what_the_model_raises_is_a_fault_also_in_a_worker(tmp_path, rows, plan, monkeypatch):
    with begun(recipe_of(rows, tmp_path / "out", plan), load_models=lambda: [small_network.make()]) as job:
        worker = workers._PartWorker(job.recipe, job.probe)

        def fail(*_):
            raise IndexError("index out of range")

        monkeypatch.setattr(worker._worker.assessor.model, "trunk", fail, raising=False)
        said = worker({name: [value] for name, value in vars(job.pending[0]).items()})
        assert (said["fault"], said["refused"]) == (["IndexError: index out of range"], [""])
        assert "in fail" in said["traceback"][0]
        monkeypatch.setattr(small_network, "make", fail)
        said = workers._PartWorker(job.recipe, job.probe)(
            {name: [value] for name, value in vars(job.pending[0]).items()}
        )
        assert said["refused"] == ["ModelError"]
        assert "A worker cannot begin (IndexError: index out of range)" in said["fault"][0]


@pytest.mark.usefixtures("cluster")
def test_what_ray_says_is_not_its_advice():
    def fail(_):
        raise IndexError("index out of range")

    with pytest.raises(ray.exceptions.RayError) as raised:
        ray.data.from_items([1]).map(fail).materialize()
    assert workers._reason(raised.value) == "IndexError: index out of range"


@pytest.mark.usefixtures("cluster")
def test_a_dataset(x, plan):
    whole = howsure.assess(small_network.make(), x, method=howsure.MCDropout(plan=plan))
    items = [{"x": row, "id": f"row {number}"} for number, row in enumerate(x)]
    dataset = ray.data.from_items(items)
    found = howsure.scale.assess(dataset, small_network.make, plan=plan).to_pandas()
    order = np.argsort([int(name.split()[1]) for name in found["id"]])
    assert np.array_equal(np.stack(found["probabilities"].to_numpy()[order]), whole.probabilities)
    assert "row" not in found
    assert found["verdict"].to_numpy()[order].tolist() == whole.verdict.tolist()
    with pytest.raises(howsure.InputError, match="no column of ids 'name'"):
        howsure.scale.assess(dataset, MODEL, plan=plan, id_column="name")
    with pytest.raises(howsure.InputError, match="Without a plan"):
        howsure.scale.assess(dataset, MODEL)


# pyarrow 18 warns of a type that it does not unpickle.
@pytest.mark.filterwarnings("ignore:pickle-based deserialization:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated:FutureWarning")
@pytest.mark.parametrize("column", ["x", "y", "z"])
def test_types_of_ray_in_a_file_unpickle_nothing(tmp_path, monkeypatch, column):
    """Ray registers its types with Arrow, in whatever process it is."""
    pytest.importorskip("ray.data")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    a_parquet(tmp_path / "rows" / "hostile.parquet", [column])
    for out, given in (("results", "rows"), ("table.parquet", "rows/hostile.parquet")):
        done = into(tmp_path / out, tmp_path / given)
        assert done.exit_code in (1, 2)
        assert "Traceback" not in done.output
    assert not list(tmp_path.rglob(RAN))


@pytest.mark.slow
def test_the_leader_is_killed(tmp_path, plan):
    """Its workers end with it, and what they finished is not made again, by whoever goes on."""
    kills.prepare(tmp_path, 3000)
    plan.save(tmp_path / "plan.json")
    out = tmp_path / "out"
    process = kills.started(tmp_path, kills.command("out", 1, "--plan", "plan.json"))
    kills.wait_for_parts(process, out, 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {part: part.stat().st_mtime_ns for part in kills.parts_in(out)}
    assert before
    done = run("assess", MODEL, tmp_path / "rows.npz", "--out", out, "--plan", tmp_path / "plan.json")
    assert done.exit_code == 0, done.stderr
    after = {part: part.stat().st_mtime_ns for part in kills.parts_in(out)}
    assert before.items() <= after.items()
    method = howsure.MCDropout(plan=plan)
    check_same(
        howsure.load(out), howsure.assess(small_network.make(), small_network.rows(3000), method=method)
    )


@pytest.mark.usefixtures("cluster")
def test_workers_import_the_outcome_of_a_user(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    columns = {f"f{number}": values for number, values in enumerate(measures.rows(70).T)}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    given = ("tests.answers.measures:linear", tmp_path / "rows.parquet", "--part-rows", 32)
    outcome = ("--outcome", "tests.answers.measures:Regression")
    with measures.known():
        for out, more in (("alone", ()), ("shared", ("--workers", 1))):
            done = run("assess", *given, *outcome, "--out", tmp_path / out, *more)
            assert done.exit_code == 0, done.stderr
        alone, shared = (howsure.load(tmp_path / out) for out in ("alone", "shared"))
    assert isinstance(shared, measures.Measures)
    assert np.array_equal(alone.mean, shared.mean)


@pytest.mark.usefixtures("cluster")
def test_numbers_from_a_dataset():
    x, method = measures.rows(70), howsure.MCDropout(passes=10)
    expected = howsure.assess(measures.linear(), x, method=method)
    dataset = ray.data.from_items([{"x": row, "id": number} for number, row in enumerate(x)])
    found = howsure.scale.assess(dataset, measures.linear, method=method).to_pandas().sort_values("id")
    assert np.array_equal(np.stack(found["spread"]), expected.spread)
