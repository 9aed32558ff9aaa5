"""A saved result with maps is the earlier one or the new one, whatever happens; nothing else goes."""

import json
import os
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.results import result
from howsure.results.saved import METADATA_KEY, with_digest
from tests.made import maps_beside
from tests.tasks.maps import certainty_of, drawn

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
