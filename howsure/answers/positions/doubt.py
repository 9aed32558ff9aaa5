"""The doubt of a whole row with a class at each position."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.sampling.outcome import Floats


def over_classes(label: Any, probability: Floats) -> float:
    """Mean of 1 − probability where a class is the label, averaged over the classes found.

    Args:
        label: (…) class numbers at the positions of a row that count.
        probability: (…) of these labels.
    """
    classes = label.reshape(-1)
    size = np.bincount(classes)
    unlikely = np.bincount(classes, 1 - probability.reshape(-1).astype(np.float64))
    return float(np.mean(unlikely[size > 0] / size[size > 0]))
