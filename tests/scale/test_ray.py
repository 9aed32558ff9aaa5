"""Several workers: the same numbers, whoever dies. One cluster for all of them, as it starts slowly."""

import os
import re
import signal
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
import howsure.scale
from howsure.request import Request
from howsure.scale import ray as workers
from howsure.scale.read import RowSource
from howsure.scale.work import ModelSource, Recipe, begin
from tests.cli.test_hostile_rows import RAN, a_parquet
from tests.commands import run
from tests.scale import kills
from tests.scale.conftest import ERROR, FILES, MODEL, MOST, ROWS, check_same, into, table_of
from tests.support.arrays import ArrayModel
from tests.tasks import measures
from validation import small_network

ROOT = Path(__file__).parent.parent.parent

ray = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


DEATHS = "HOWSURE_TEST_DEATHS"
"""The variable that names the folder where a process of Ray notes that it is about to die."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One of two workers; yields a list of the signals that came."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("PYTHONPATH", str(ROOT))  # where workers find the network
        patch.setenv(DEATHS, str(tmp_path_factory.mktemp("deaths")))
        with workers.cluster(2):
            yield heard
    signal.signal(signal.SIGTERM, before)


def test_the_request_to_end_is_heard_as_before(cluster):
    """Ray's own handler aborts the process."""
    here = signal.getsignal(signal.SIGTERM)
    assert here.__module__ == __name__, here
    os.kill(os.getpid(), signal.SIGTERM)
    assert cluster == [signal.SIGTERM]


def job_of(rows, out, plan, **settings):
    options = {"plan": plan, "target_error": ERROR, "max_passes": MOST}
    recipe = Recipe(ModelSource(MODEL), (), "mc-dropout", options, Request(), None, None, out)
    return begin(recipe, RowSource(rows), load_models=lambda: [small_network.make()], **settings)


def listening(process):
    """Where a process and all below it listen, as Linux tells: addresses in hexadecimal, by who it is."""
    sockets, addresses = {}, {}
    for number in [process, *kills.below(process)]:
        with suppress(OSError):  # it has just ended
            sockets |= {os.readlink(place): number for place in Path(f"/proc/{number}/fd").iterdir()}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            owner = sockets.get(f"socket:[{fields[9]}]")
            if owner is not None and fields[3] == "0A":
                addresses[fields[1]] = Path(f"/proc/{owner}/cmdline").read_text().split("\0")[0]
    return addresses


def is_loopback(address):
    host = address.rpartition(":")[0]
    return host == "00000000000000000000000001000000" or host[-8:] == "0100007F"


@pytest.mark.usefixtures("cluster")
def test_a_worker_is_killed_and_a_row_fails(tmp_path, x, plan, whole):
    """The part whose process is killed is done by another process, with the same numbers."""
    path, out = tmp_path / "rows", tmp_path / "results"
    path.mkdir()
    for number in range(FILES):
        part = x[number * ROWS : (number + 1) * ROWS].copy()
        if number == 2:
            part[7, 3] = np.nan
        pq.write_table(table_of(part, number * ROWS), path / f"{number}.parquet")
    job = job_of(path, out, plan, size=20)
    job.worker.recipe = replace(job.worker.recipe, model=ModelSource("tests.scale.test_ray:killed_once"))
    job.run(workers.several(2), lambda *_: None)
    assert Path(os.environ[DEATHS], "killed").exists()
    assert [fault.split(": ")[0] for fault in job.faults()] == ["'2.parquet', 20 rows from row 0 of it on"]
    assert "NaN or infinite values, in row 7" in job.faults()[0]
    assert {outcome.part for outcome in job.outcomes} == set(job.manifest.parts)
    with pytest.warns(howsure.HowsureWarning, match="Results of 20 of 360 rows are missing"):
        check_same(howsure.load(out), whole, np.delete(np.arange(len(x)), 2 * ROWS + np.arange(20)))


def killed_once():
    """The network; the first of all processes that use it is killed."""
    model = small_network.make()
    model.__class__ = KilledOnce
    return model


class KilledOnce(ArrayModel):
    def trunk(self, x):
        try:
            Path(os.environ[DEATHS], "killed").touch(exist_ok=False)
        except FileExistsError:
            return super().trunk(x)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("cluster")
def test_workers_write_the_same_bytes_as_one_process(tmp_path, rows, results, plan_file):
    done = into(tmp_path / "shared", rows, "--plan", plan_file, "--workers", 2)
    assert done.exit_code == 0, done.stderr
    for path in results.iterdir():
        assert (tmp_path / "shared" / path.name).read_bytes() == path.read_bytes(), path.name


def deadly():
    """The network, which ends its process on some rows."""
    model = small_network.make()
    model.__class__ = Deadly
    return model


class Deadly(ArrayModel):
    def trunk(self, x):
        if np.any(x[0] > 90):
            os._exit(1)
        return super().trunk(x)


@pytest.mark.usefixtures("cluster")
def test_a_part_that_kills_whoever_has_it(tmp_path, x, plan, whole):
    """It is given up after some processes, and named; all others are done."""
    bad, out = x.copy(), tmp_path / "results"
    bad[100, 0] = 99
    np.save(tmp_path / "x.npy", bad)
    job = job_of(tmp_path / "x.npy", out, plan, size=40)
    job.worker.recipe = replace(job.worker.recipe, model=ModelSource("tests.scale.test_ray:deadly"))
    job.run(workers.several(2), lambda *_: None)
    assert job.faults() == [
        "'x.npy', 40 rows from row 80 of it on: the process that had it died 4 times "
        "(WorkerCrashedError), as where memory does not suffice"
    ]
    with pytest.warns(howsure.HowsureWarning, match="Results of 40 of 360 rows are missing"):
        check_same(howsure.load(out), whole, np.delete(np.arange(len(x)), 80 + np.arange(40)))


@pytest.mark.usefixtures("cluster")
def test_workers_refuse_what_they_cannot_do(tmp_path, rows, plan):
    """Another model than where the command was given: nothing is written, and the reason is said."""
    job = job_of(rows, tmp_path / "results", plan)
    recipe = job.worker.recipe
    job.worker.recipe = replace(recipe, checksums=("0" * 64,))
    with pytest.raises(howsure.ModelError, match="not the same model for every worker"):
        job.run(workers.several(1), lambda *_: None)
    job.worker.recipe = replace(recipe, model=ModelSource("tests.scale.test_ray:no_network"))
    with pytest.raises(howsure.ModelError, match=r"A worker failed \(IndexError: index out of range\)"):
        job.run(workers.several(1), lambda *_: None)
    assert not kills.parts_in(tmp_path / "results")


def no_network():
    raise IndexError("index out of range")


@pytest.mark.usefixtures("cluster")
def test_warnings_of_workers_are_said_once(tmp_path, x, plan_file):
    images = np.minimum(60 * np.abs(x), 200).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    done = into(tmp_path / "out", tmp_path / "x.npy", "--plan", plan_file, "--workers", 2)
    assert done.exit_code == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == 2
    assert "The rows of 'x' are uint8, from 0 to " in said[0]
    assert "more such warnings about other rows: " in said[1]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="what Linux tells of sockets")
def test_nobody_reaches_the_workers_from_elsewhere(tmp_path):
    """They listen on the loopback interface alone, and who connects needs a token."""
    kills.prepare(tmp_path, 200_000)  # which takes long enough to look at the workers
    process = kills.started(tmp_path, kills.command("out", 1, "--set", "passes=20"))
    kills.wait_for_parts(process, tmp_path / "out", 1)
    raylet = next(number for number, name in kills.below(process.pid).items() if "raylet/raylet" in name)
    heard = listening(process.pid)
    environment = Path(f"/proc/{raylet}/environ").read_text().split("\0")
    process.terminate()
    process.communicate()
    assert any(name.startswith("ray::") for name in heard.values())
    assert [where for where in heard if not is_loopback(where)] == []
    assert "RAY_USAGE_STATS_ENABLED=0" in environment
    assert "RAY_AUTH_MODE=token" in environment
    assert any(re.fullmatch("RAY_AUTH_TOKEN=[0-9a-f]{64}", each) for each in environment)


@pytest.mark.usefixtures("cluster")
def test_a_dataset(x, plan):
    whole = howsure.assess(small_network.make(), x, method=howsure.MCDropout(plan=plan))
    items = [{"x": row, "id": f"row {number}"} for number, row in enumerate(x)]
    dataset = ray.data.from_items(items)
    found = howsure.scale.assess(dataset, small_network.make, plan=plan).to_pandas()
    order = np.argsort([int(name.split()[1]) for name in found["id"]])
    p = found[[f"probabilities.{name}" for name in whole.class_names]]
    assert np.array_equal(p.to_numpy()[order], whole.probabilities)
    assert "row" not in found
    assert found["verdict"].to_numpy()[order].tolist() == whole.verdict.tolist()
    rules = howsure.fit_rules(whole, np.where(np.arange(len(x)) % 5, whole.label, whole.runner_up), risk=0.5)
    found = howsure.scale.assess(dataset, small_network.make, plan=plan, rules=rules).to_pandas()
    order = np.argsort([int(name.split()[1]) for name in found["id"]])
    assert found["hand_over"].to_numpy()[order].tolist() == rules(whole).hand_over.tolist()
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
def test_numbers_from_a_dataset():
    x, method = measures.rows(70), howsure.MCDropout(passes=10)
    expected = howsure.assess(measures.linear(), x, method=method)
    dataset = ray.data.from_items([{"x": row, "id": number} for number, row in enumerate(x)])
    found = howsure.scale.assess(dataset, measures.linear, method=method).to_pandas().sort_values("id")
    assert np.array_equal(found[["spread"]], expected.spread)
