"""Which labels hold: what learns from a `MultilabelCertainty` reads them here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers.labels.result import MultilabelCertainty
from howsure.errors import InputError


def truth_of(certainty: MultilabelCertainty, labels: Any) -> NDArray[np.bool_]:
    """(N, K) which labels hold, as given or as a `MultilabelCertainty` has them, or an `InputError`."""
    if labels is not None:
        return certainty.numbered(labels)
    if certainty.truth is None:
        raise InputError(
            "Which labels hold is not known", expected="labels, yes or no for each of a row", received="none"
        )
    return certainty.truth
