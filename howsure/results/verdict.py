"""Sure, leaning or coin flip, and whether the passes suffice to say so.

Works on the predictive mean alone, whatever method produced it. Classes are always the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError

SURE = "sure"
LEANING = "leaning"
COIN_FLIP = "coin flip"
VERDICTS = (SURE, LEANING, COIN_FLIP)

AMBIGUOUS = "ambiguous input"
DISAGREEMENT = "network unsure"
TOO_FEW_PASSES = "too few passes"
UNFAMILIAR = "unfamiliar"
REASONS = (AMBIGUOUS, DISAGREEMENT, TOO_FEW_PASSES, UNFAMILIAR)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Where the verdicts lie.

    Args:
        sure: Least top probability of a `sure` row, in (0.5, 1].
        coin_flip: Largest gap between the two top probabilities of a `coin flip`, in [0, 1).
    """

    sure: float = 0.95
    coin_flip: float = 0.20

    def __post_init__(self) -> None:
        if not 0.5 < self.sure <= 1:
            raise InputError(
                "The threshold for 'sure' is out of range",
                expected="a probability above 0.5, at most 1",
                received=self.sure,
            )
        if not 0 <= self.coin_flip < 2 * self.sure - 1:
            raise InputError(
                "The threshold for 'coin flip' is out of range",
                expected=f"a gap of at least 0 and below {2 * self.sure - 1:.3g}, so that no row is "
                "both 'sure' and 'coin flip'",
                received=self.coin_flip,
            )


def top_two(probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most probable class and the next, ties broken by the lower class number.

    Args:
        probabilities: (..., K) with K ≥ 2.

    Returns:
        label and runner_up, each (...), class numbers.
    """
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    return order[..., 0].astype(np.int64), order[..., 1].astype(np.int64)


def pick(values: Floats, label: NDArray[np.int64]) -> Floats:
    """`values` (..., K) at class `label` (...)."""
    return np.take_along_axis(values, label[..., None], axis=-1)[..., 0]


def judge(
    probabilities: Floats, mc_error: Floats, thresholds: Thresholds
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Verdict of each row, and whether it would stand for any means within their error.

    A verdict is settled when neither threshold lies within 1.96 standard errors of the number that
    is compared with it. The error of the gap is bounded by the sum of the two errors, which is
    what it is when one class gains what the other loses.

    Args:
        probabilities: (..., K) predictive means.
        mc_error: (..., K) their standard errors.
        thresholds: Where the verdicts lie.

    Returns:
        verdict (...) of strings, settled (...) of booleans.
    """
    label, runner_up = top_two(probabilities)
    top = pick(probabilities, label)
    gap = top - pick(probabilities, runner_up)
    top_margin = 1.96 * pick(mc_error, label)
    gap_margin = top_margin + 1.96 * pick(mc_error, runner_up)

    sure = top >= thresholds.sure
    coin_flip = gap <= thresholds.coin_flip
    verdict = np.where(sure, SURE, np.where(coin_flip, COIN_FLIP, LEANING))
    settled = np.where(
        sure,
        top - top_margin >= thresholds.sure,
        np.where(
            coin_flip,
            gap + gap_margin <= thresholds.coin_flip,
            (top + top_margin < thresholds.sure) & (gap - gap_margin > thresholds.coin_flip),
        ),
    )
    return verdict, settled


def give_reason(
    verdict: NDArray[np.str_],
    settled: NDArray[np.bool_],
    expected_entropy: Floats,
    mutual_information: Floats,
) -> NDArray[np.object_]:
    """Why a row is not sure: the input, the network, or the number of passes; None for settled sure rows.

    Args:
        verdict: (...) as `judge` gives it.
        settled: (...) as `judge` gives it.
        expected_entropy: (...) nats; what stays if every pass agreed: the input is ambiguous.
        mutual_information: (...) nats; how much the passes disagree: the network does not know.

    Returns:
        (...) of one of `REASONS` but `UNFAMILIAR`, or None. The larger of the two parts of the entropy names
        the reason; a verdict that is not settled is first of all short of passes.
    """
    reason = np.where(expected_entropy >= mutual_information, AMBIGUOUS, DISAGREEMENT).astype(object)
    reason[verdict == SURE] = None
    reason[~settled] = TOO_FEW_PASSES
    return reason
