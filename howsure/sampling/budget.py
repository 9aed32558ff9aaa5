"""The price of passes, in plain predictions: by counted operations, never by a clock.

    pilot ── first round of all rows ── rounds of the rows that need them most      budget × N in all

With a plan, a row's numbers depend on no other row, so each row gets rounds for at most the budget. So it is
where more rows than one block make a plan of their own, as their order must not matter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.protocol import Model
from howsure.sampling.outcome import Estimates, Outcome

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def multiply_adds(model: Model) -> int:
    """Multiply-adds of one plain prediction of one row; 0 where the model does not tell."""
    return sum(layer.multiply_adds for layer in model.info.layers)


def usual_budget(model: Model, rows: int | None) -> float:
    """Plain predictions for each row where no budget is given.

    Args:
        model: The model.
        rows: How many rows the call has, or None where each row stands for itself.
    """
    of_row = multiply_adds(model)
    if not of_row or rows == 0:
        return math.inf
    least = tuning.LEAST_OPERATIONS_OF_A_ROW
    if rows is not None:
        least = min(least, tuning.LEAST_OPERATIONS / rows)
    return max(tuning.BUDGET, least / of_row)


class Budget:
    """The rest of the budget for all rows of a run together.

    Args:
        left: Plain predictions of one row.
    """

    def __init__(self, left: float) -> None:
        self.left = left

    def pay(self, cost: float) -> None:
        """Spend so many plain predictions of one row."""
        self.left -= cost

    def affordable(self, costs: Floats, estimates: Estimates, outcome: Outcome) -> NDArray[np.bool_]:
        """(n,) which rows can have a round at these costs (n,): the unsettled ones with large errors first.

        The outcome is that of these rows. Rows that need it equally all get it, or none of them, so that
        their order does not matter.
        """
        answers = slice(outcome.answers)
        error = np.nan_to_num(estimates.error[..., answers], nan=np.inf)
        if outcome.has_unit:
            error = error / np.sqrt(np.maximum(estimates.variance[..., answers], np.finfo(float).tiny))
        error = error.reshape(len(error), -1).max(axis=1)
        settled = outcome.is_enough(estimates, 0.5)
        order = np.lexsort((-error, settled))
        within = np.cumsum(costs[order]) <= self.left
        if within.all():
            return within
        last = order[np.argmin(within)]
        ahead = np.where(settled == settled[last], error > error[last], ~settled)
        return np.asarray(ahead | (costs == 0))
