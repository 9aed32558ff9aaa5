"""Block by block gives what the whole gives, from a memory-mapped file too, and errors come at once."""

import numpy as np
import pytest

import howsure

from . import networks


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("howsure.tuning.BLOCK", 10)


def test_blocks_joined_are_the_whole(small_blocks, tmp_path):
    model = networks.build("sequential")
    x = np.concatenate([networks.rows_for(model)] * 12)[:33]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = []
    blocks = list(howsure.stream(model, mapped, progress=lambda done, total: seen.append((done, total))))
    assert [len(block) for block in blocks] == [10, 10, 10, 3]
    assert seen[-1] == (33, 33)
    whole, joined = howsure.assess(model, x), howsure.Certainty.joined(blocks)
    for name in (
        "probabilities",
        "mc_error",
        "entropy",
        "entropy_error",
        "mutual_information_error",
        "passes",
    ):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    np.testing.assert_array_equal(joined.row, np.arange(33))
    assert joined.plan == whole.plan


def test_errors_come_before_the_first_block():
    model = networks.build("sequential")
    with pytest.raises(howsure.InputError, match="batch_size"):
        howsure.stream(model, networks.rows_for(model), batch_size=0)


def test_no_rows_are_one_empty_block():
    model = networks.build("sequential")
    (block,) = howsure.stream(model, networks.rows_for(model)[:0])
    assert len(block) == 0
    assert block.probabilities.shape == (0, 3)
