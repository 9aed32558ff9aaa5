"""The study of objects at a small size: what is stated is what networks that PyTorch draws say."""

import numpy as np
import pytest

pytest.importorskip("torch")

from validation.objects import TASKS, look_at, objects_in


def test_spans_are_read_strictly():
    said = [
        (kind, np.flatnonzero(here).tolist()) for kind, here in objects_in(np.array([1, 2, 4, 0, 3, 3, 4, 2]))
    ]
    assert said == [("PER", [0, 1]), ("LOC", [4]), ("LOC", [5, 6])]


@pytest.mark.parametrize("task", TASKS)
def test_stated_shares_are_those_of_drawn_networks(task):
    networks = 200
    found = {name: np.array(values) for name, values in look_at(task, 0, 40, networks).items()}
    share = found["networks"]
    limit = 1.96 * np.sqrt(found["error"] ** 2 + share * (1 - share) / networks)
    assert len(share) > 20
    assert (
        np.mean(np.abs(found["stated"] - share) <= limit) > 0.85
    )  # 95 % of independent ones; these share masks
    assert np.corrcoef(found["stated"], share)[0, 1] > 0.95
