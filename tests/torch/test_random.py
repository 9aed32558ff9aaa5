"""Modules made at random, a few of them: `python -m validation.torch_random` has as many as are wanted."""

import pytest

from validation.torch_random import GOOD, RIGHT, look_at

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_module_made_at_random_is_right_or_refused_and_left_as_found(seed):
    found = look_at(seed)
    assert found["verdict"] in GOOD, found


def test_it_would_show_what_is_wrong(monkeypatch):
    monkeypatch.setattr("validation.torch_random.MOST", 0.0)
    assert look_at(SEEDS[0])["verdict"] not in (*GOOD, RIGHT)
