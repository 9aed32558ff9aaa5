"""A cluster of two nodes on this machine, of which one ends half-way; and none at all."""

import socket
import threading
import warnings
from pathlib import Path

import pytest

import howsure
from tests.scale import kills
from validation import small_network

ray = pytest.importorskip("ray", reason="Ray is not installed")

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def nodes(monkeypatch):
    """A cluster of two nodes of one core each; and the second of them, which a test may end."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with warnings.catch_warnings(action="ignore"):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster, second
        cluster.shutdown()


def test_a_node_that_ends_half_way(tmp_path, nodes):
    cluster, second = nodes
    kills.prepare(tmp_path, 6000)
    out = tmp_path / "out"
    process = kills.started(tmp_path, kills.command("out", 2, "--set", "passes=20"))
    here = []

    def end_it():
        kills.wait_for_parts(process, out, 3)
        here.append(len(kills.parts_in(out)))
        cluster.remove_node(second, allow_graceful=False)

    ended = threading.Thread(target=end_it)
    ended.start()
    _, said = process.communicate()
    ended.join()
    assert process.returncode == 0, said
    assert 3 <= here[0] < len(kills.parts_in(out))
    single = howsure.assess(
        small_network.make(), small_network.rows(6000), method=howsure.MCDropout(passes=20)
    )
    kills.check_same(howsure.load(out), single)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "[::1]:{}", "127.0.0.1:99999"])
def test_an_address_at_which_nobody_listens(tmp_path, address):
    kills.prepare(tmp_path, 100)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        arguments = kills.command("out", 1, "--set", "passes=4")
        where = address.format(free.getsockname()[1])
        process = kills.started(tmp_path, arguments, RAY_ADDRESS=where)
        _, said = process.communicate()
    assert process.returncode == 2
    assert f"There is no cluster of Ray at '{where}'" in said
    assert not (tmp_path / "out").exists()
