"""The worth of the percentages of a class at each position, part by part; see `howsure.compare.parts`.

Each row counts the same, as in every score of a comparison of maps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.answers.classes.parts import claims_of, of_shares
from howsure.answers.positions.calibrate import sums_in
from howsure.answers.positions.counts import Counts
from howsure.answers.positions.result import DenseCertainty
from howsure.compare.parts import Claims, Parts, at_best, of_scale
from howsure.judge.scores import Measured
from howsure.judge.temperature import least
from howsure.sampling.outcome import Floats


def parts(result: DenseCertainty, truth: Any, counts: Counts, nll: Measured) -> Parts:
    """The parts of the NLL of maps.

    Args:
        result: N rows.
        truth: As for `sums_in`.
        counts: Counts of the rows with a position that counts.
        nll: Of these.
    """
    sums, number = sums_in(result, truth), counts.counted[:, None]

    def at(beta: float) -> Floats:
        found = sums(lambda row: beta)
        return np.asarray(found[found[:, 3] > 0, :3] / number)

    beta, found = least(at)
    loss, slope, curvature = found.T
    rows = len(loss)
    return Parts(
        nll=nll,
        best=at_best(loss, slope, curvature, rows),
        plain=of_shares(counts.right / counts.counted, counts.both.shape[1], rows),
        scale=of_scale(-np.log(beta), -beta * slope, beta**2 * curvature, rows),
    )


def claims(counts: Counts) -> Claims:
    """Percentages of the labels beside how often they are right, of counted rows."""
    claimed = counts.bins[:, :, 2].sum(axis=1) / counts.counted
    sums = counts.bins.sum(axis=0)[:, [0, 2, 1]]
    return claims_of(claimed, counts.right / counts.counted, sums)
