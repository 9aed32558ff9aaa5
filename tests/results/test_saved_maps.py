"""A saved result with maps is the earlier one or the new one, whatever happens; nothing else goes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.results import result
from howsure.results.saved import METADATA_KEY, with_digest
from tests.answers.maps import certainty_of, drawn
from tests.made import maps_beside

ONE, OTHER = (certainty_of(drawn(rows, seed=seed)[0]) for rows, seed in ((3, 0), (3, 1)))
"""Two results of as many rows."""


def is_one_of(path, *results):
    """Whether what is saved is one of these, in every map."""
    found = howsure.load(path)
    return any(
        all(np.array_equal(getattr(found, name), array) for name, array in each._maps.items())
        and np.array_equal(found.share, each.share)
        for each in results
    )


def alone(folder, *names):
    """Whether a folder holds these files and no others."""
    return {path.name for path in folder.iterdir()} == set(names)


def test_what_lies_beside_a_table_stays(tmp_path):
    (tmp_path / "d.maps").mkdir()
    (tmp_path / "d.maps" / "thesis.txt").write_text("mine")
    ONE.save(tmp_path / "d.parquet")
    OTHER.save(tmp_path / "d.parquet")
    assert (tmp_path / "d.maps" / "thesis.txt").read_text() == "mine"
    assert is_one_of(tmp_path / "d.parquet", OTHER)
    assert alone(tmp_path, "d.parquet", "d.maps", maps_beside(tmp_path / "d.parquet").name)


def test_what_somebody_put_into_a_folder_of_maps_stays(tmp_path):
    ONE.save(tmp_path / "d.parquet")
    before = maps_beside(tmp_path / "d.parquet")
    (before / "thesis.txt").write_text("mine")
    OTHER.save(tmp_path / "d.parquet")
    assert alone(before, "thesis.txt")


def test_no_link_in_the_place_of_a_folder_is_followed(tmp_path):
    ONE.save(tmp_path / "d.parquet")
    before = maps_beside(tmp_path / "d.parquet")
    before.rename(tmp_path / "elsewhere")
    before.symlink_to(tmp_path / "elsewhere")
    OTHER.save(tmp_path / "d.parquet")
    assert (tmp_path / "elsewhere" / "label.npy").exists()
    assert is_one_of(tmp_path / "d.parquet", OTHER)


@pytest.mark.parametrize("where", ["write_maps", "write_whole", "with_digest"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_leaves_the_earlier_result_or_the_new_one(where, after, tmp_path):
    path = tmp_path / "d.parquet"
    ONE.save(path)
    child = os.fork()
    if not child:
        wanted = getattr(result, where)

        def killed(*arguments):
            if after:
                wanted(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(result, where, killed)
        OTHER.save(path)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert is_one_of(path, OTHER if (where, after) == ("write_whole", True) else ONE)
    OTHER.save(path)
    assert is_one_of(path, OTHER)


def test_a_full_disk_leaves_the_earlier_result_and_no_other_file(tmp_path):
    """On a disk with ever more room, until the new result fits."""
    program = (
        "import pathlib, howsure\n"
        "from tests.answers.maps import certainty_of, drawn\n"
        "from tests.results.test_saved_maps import is_one_of\n"
        "ONE, OTHER = (certainty_of(drawn(3, (32, 32), seed=seed)[0]) for seed in (0, 1))\n"
        "path, ballast, refused = pathlib.Path('d.parquet'), pathlib.Path('ballast'), 0\n"
        "ONE.save(path)\n"
        "before = {each.name for each in pathlib.Path().iterdir()} | {'ballast'}\n"
        "with ballast.open('wb', buffering=0) as file:\n"
        "    try:\n"
        "        while file.write(bytes(4096)):\n"
        "            pass\n"
        "    except OSError:\n"
        "        pass\n"
        "while ballast.stat().st_size:\n"
        "    try:\n"
        "        OTHER.save(path)\n"
        "        break\n"
        "    except howsure.FileError as error:\n"
        "        assert 'No space left on device' in str(error), error\n"
        "    assert is_one_of(path, ONE)\n"
        "    assert {each.name for each in pathlib.Path().iterdir()} == before\n"
        "    with ballast.open('r+b') as file:\n"
        "        file.truncate(ballast.stat().st_size - 4096)\n"
        "    refused += 1\n"
        "assert is_one_of(path, OTHER)\n"
        "print('refused', refused)\n"
    )
    mounted = f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && cd {tmp_path} && exec "
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own, f"{mounted} true"], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    ran = subprocess.run(
        [*own, f'{mounted} "$0" -c "$1"', sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, (ran.returncode, ran.stderr)
    assert int(ran.stdout.split()[1]) > 30


def save_often(path, seed, times):
    for _ in range(times):
        (ONE if seed == 0 else OTHER).save(path)


def test_two_writers_leave_the_result_of_one_of_them(tmp_path):
    path = tmp_path / "d.parquet"
    fork = multiprocessing.get_context("fork")
    for _ in range(10):
        writers = [fork.Process(target=save_often, args=(path, seed, 4)) for seed in range(2)]
        for each in writers:
            each.start()
        for each in writers:
            each.join()
        assert [each.exitcode for each in writers] == [0, 0]
        assert is_one_of(path, ONE, OTHER)


def test_a_changed_bit_of_a_header_is_noticed(tmp_path):
    path = tmp_path / "d.parquet"
    ONE.save(path)
    label = maps_beside(path) / "label.npy"
    content = bytearray(label.read_bytes())
    at = content.index(b"<i2") if b"<i2" in content else content.index(b"'|")
    content[at] = ord(">")  # the other order of bytes: label 1 is 256
    label.write_bytes(bytes(content))
    with pytest.raises(howsure.FileError, match=r"label\.npy' is not what was saved"):
        howsure.load(path)


def resaved(path, change):
    """The table again, with other settings and a right digest."""
    table = pq.read_table(path)
    settings = json.loads(table.schema.metadata[METADATA_KEY])
    change(settings)
    metadata = {**table.schema.metadata, METADATA_KEY: json.dumps(settings).encode()}
    pq.write_table(with_digest(table.replace_schema_metadata(metadata)), path, write_page_checksum=True)


@pytest.mark.parametrize("name", ["../up.maps", "/tmp/x.maps", "sub/x.maps", ".", "..", "", 3, None, "label"])
def test_a_table_that_names_another_folder_is_refused(name, tmp_path):
    path = tmp_path / "d.parquet"
    ONE.save(path)
    resaved(path, lambda settings: settings["maps"].update(folder=name))
    with pytest.raises(howsure.FileError):
        howsure.load(path)
    OTHER.save(path)
    assert is_one_of(path, OTHER)
