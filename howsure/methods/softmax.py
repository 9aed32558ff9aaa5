"""The plain softmax: one pass with everything as in `predict`, the yardstick for all other methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.sampling.rounds import Passes, Run
from howsure.statistics import entropy_of


@dataclass(frozen=True)
class Softmax:
    """The plain prediction of the network: exact, for the cost of one, and blind to what it does not know.

    A single pass has no error and cannot disagree with itself: `mc_error` and `mutual_information` are 0,
    `expected_entropy` is `entropy`, and a row has no `reason`, as nothing tells an ambiguous input from a
    network that does not know. It needs no random layer.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """Name, as it is saved with a result."""
        return {"name": "softmax"}


def predict_rows(run: Run, progress: Callable[[int], None]) -> Passes:
    """The plain prediction of a block of rows.

    Args:
        run: On what.
        progress: Called with the number of rows that have just been finished.
    """
    rows = len(run.numbers)
    probabilities = np.zeros((rows, *run.shape))
    for chunk, inputs in run.batches(np.arange(rows), run.batch_size):
        raw = run.model.predict(inputs)[None, : len(chunk)]
        probabilities[chunk] = run.convert(raw, run.numbers[chunk])[0]
        progress(len(chunk))
    exact = np.zeros_like(probabilities)
    return Passes(
        probabilities=probabilities,
        mc_error=exact,
        expected_entropy=entropy_of(probabilities),
        entropies_error=np.zeros((rows, 3)),
        entropy_correction=np.zeros(rows),
        variance=exact,
        passes=np.ones(rows, dtype=np.int64),
    )
