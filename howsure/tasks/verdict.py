"""Sure, leaning or coin flip, and whether the passes suffice to say so.

All functions take predictive means, from any method. Classes are the last axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Floats

SURE = "sure"
LEANING = "leaning"
COIN_FLIP = "coin flip"
VERDICTS = (SURE, LEANING, COIN_FLIP)

WITHIN_PASSES = "doubt within passes"
DISAGREEMENT = "passes disagree"
TOO_FEW_PASSES = "too few passes"
UNFAMILIAR = "unfamiliar"
REASONS = (WITHIN_PASSES, DISAGREEMENT, TOO_FEW_PASSES, UNFAMILIAR)

LEAST_TIMES, MOST_TIMES = 2.0, 10.0
"""Range of the advised number of passes, as a multiple of those spent. Twice, as rounds double them; ten
times for a row on its threshold: then the mean moves by a normal number of variance 1 − 1/10, in standard
errors of today, and lies outside ± 1.96/√10 in 51 % of cases."""

DRAWN, GRAPH, LEAST_DRAWN = "MC dropout", "ONNX graph", 10
"""The method whose passes are some of very many, and how many it takes to settle a verdict. Few that agree by
chance look exact: 10 % of 764 verdicts that 2 to 4 settled flipped, 1.7 % of 1,293 of 5 to 9, 0.2 % of 10."""

PROBABLY_SURE = "probably sure"
"""Name in sentences and pages of a sure row whose verdict is not settled."""

NO_CLEAR_ANSWER = "no clear answer"
"""Name in sentences and pages of a coin flip among three classes or more; see `has_no_clear_answer`."""

ROUNDING = 1e-6
"""How far rounding may take a sum or difference of two probabilities, or an entropy, from what it is."""


def top_two(probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Class numbers (...) of the most probable class and the next one, ties broken by the lower number.

    Args:
        probabilities: (..., K) with K ≥ 2.
    """
    label = np.argmax(probabilities, axis=-1)
    others = np.array(probabilities, dtype=float)
    np.put_along_axis(others, label[..., None], -np.inf, axis=-1)
    return label.astype(np.int64), np.argmax(others, axis=-1).astype(np.int64)


def pick(values: Floats, label: NDArray[np.int64]) -> Floats:
    """`values` (..., K) at class `label` (...)."""
    return np.take_along_axis(values, label[..., None], axis=-1)[..., 0]


def too_few(method: Mapping[str, Any], passes: Any) -> Any:
    """(N,) whether these passes of a method are fewer than settle a verdict. Members are all there are."""
    return (np.asarray(passes) < LEAST_DRAWN) & (method.get("name") in (DRAWN, GRAPH))


def judge(
    probabilities: Floats, mc_error: Floats, thresholds: Thresholds, few: Any = False
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Verdict (...) of each row, and whether it is settled (...).

    A verdict is settled when neither threshold lies within 1.96 standard errors of the number that is
    compared with it. The error of the gap is bounded by the sum of the two errors, which is what it is when
    one class gains what the other loses.

    Args:
        probabilities: (..., K) predictive means.
        mc_error: (..., K) their standard errors.
        thresholds: Thresholds of the verdicts.
        few: (N,) whether a row, along the first axis, has too few passes to settle anything.
    """
    top, gap, top_error, other_error = compared(probabilities, mc_error)
    lower = np.where(gap <= thresholds.coin_flip, COIN_FLIP, LEANING)
    settled = margin_of(top, gap, top_error, other_error, thresholds) >= 0
    return np.where(top >= thresholds.sure, SURE, lower), (settled.T & ~np.asarray(few)).T


def compared(probabilities: Floats, mc_error: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(...) of (..., K) the top probability and its lead over the next one, and the errors of both."""
    label, runner_up = top_two(probabilities)
    top, other = pick(probabilities, label), pick(probabilities, runner_up)
    return top, top - other, pick(mc_error, label), pick(mc_error, runner_up)


def margin_of(top: Any, gap: Any, top_error: Any, other_error: Any, limits: Thresholds) -> Any:
    """(…) how far a verdict is from not being settled; below 0 it is not settled.

    Args:
        top: (…) probability of the label.
        gap: (…) its lead over the runner-up.
        top_error: (…) standard error of `top`.
        other_error: (…) that of the runner-up.
        limits: Thresholds of the verdicts.
    """
    of_top, of_gap = 1.96 * top_error, 1.96 * (top_error + other_error)
    leaning = np.minimum(limits.sure - top - of_top, gap - limits.coin_flip - of_gap)
    undecided = np.where(gap <= limits.coin_flip, limits.coin_flip - gap - of_gap, leaning)
    return np.where(top >= limits.sure, top - limits.sure - of_top, undecided)


def as_likely(probabilities: Floats, than: Floats, thresholds: Thresholds) -> NDArray[np.bool_]:
    """(..., K) whether a class is as likely as another one, or likelier.

    It is if the two alone would be a coin flip: (q − p)/(q + p) ≤ `coin_flip`, where p is its probability and
    q that of the other one. So p is at least two thirds of q, by default.

    Args:
        probabilities: (..., K) predictive means.
        than: (...) q.
        thresholds: Thresholds of the verdicts.
    """
    q = np.asarray(than)[..., None]
    return np.asarray(q - probabilities <= thresholds.coin_flip * (q + probabilities) + ROUNDING)


def has_no_clear_answer(
    verdict: NDArray[np.str_], probabilities: Floats, thresholds: Thresholds
) -> NDArray[np.bool_]:
    """Whether a coin flip (...) is not between two classes, but among more.

    It is if a third class is as likely as the runner-up, or if the two top classes hold less than half
    together: then the answer is more likely neither of them.

    Args:
        verdict: (...) the verdicts.
        probabilities: (..., K) predictive means.
        thresholds: Thresholds of the verdicts.
    """
    label, runner_up = top_two(probabilities)
    second = pick(probabilities, runner_up)
    several = as_likely(probabilities, second, thresholds).sum(axis=-1) > 2
    below_half = pick(probabilities, label) + second < 0.5 - ROUNDING
    return np.asarray((verdict == COIN_FLIP) & (several | below_half))


def give_reason(
    verdict: NDArray[np.str_],
    settled: NDArray[np.bool_],
    expected_entropy: Floats,
    mutual_information: Floats,
) -> NDArray[np.object_]:
    """(...) one of `REASONS` except `UNFAMILIAR`; None for settled sure rows.

    A verdict that is not settled is short of passes. For other rows the larger part of the entropy names the
    reason: `expected_entropy`, the doubt within passes, or `mutual_information`, the disagreement between
    them. The reason does not say where the doubt comes from: passes that agree prove neither that the input
    is ambiguous nor that more training data would not help. Votes have no such reason: between them all doubt
    is disagreement, by construction.
    """
    reason = np.where(expected_entropy >= mutual_information, WITHIN_PASSES, DISAGREEMENT).astype(object)
    reason[(verdict == SURE) | are_votes(expected_entropy)] = None
    reason[~settled] = TOO_FEW_PASSES
    return reason


def are_votes(expected_entropy: Any) -> NDArray[np.bool_]:
    """(...) whether all passes give one answer 100 % each, as the trees of a forest that are fully grown."""
    return np.asarray(expected_entropy) <= ROUNDING


def disagreement_of(expected_entropy: Floats, mutual_information: Floats) -> Floats:
    """(...) share of the doubt that is disagreement between passes: I / (E + I); 0 without any doubt."""
    total = expected_entropy + mutual_information
    return np.asarray(np.divide(mutual_information, total, out=np.zeros_like(total), where=total > 0))


def disagreement_error(
    expected_entropy: Floats,
    mutual_information: Floats,
    expected_entropy_error: Floats,
    mutual_information_error: Floats,
) -> Floats:
    """(...) standard error of `disagreement_of`, at most: (E · error of I + I · error of E) / (E + I)².

    The delta method, with the two errors added up. NaN where one is unknown or there is no doubt.
    """
    total = expected_entropy + mutual_information
    changed = expected_entropy * mutual_information_error + mutual_information * expected_entropy_error
    return np.asarray(np.divide(changed, total**2, out=np.full_like(total, np.nan), where=total > 0))


def times_to_settle(probabilities: Floats, mc_error: Floats, thresholds: Thresholds) -> Floats:
    """(...) how many times as many passes would settle a verdict in half of all cases or more.

    z is the distance of the nearest threshold in standard errors, below 1.96 where the verdict is not
    settled. Errors fall with the square root of the number of passes, so (1.96/z)² times as many settle it
    unless the mean moves nearer to the threshold, which it does as often as it moves away from it. The result
    is clipped to `LEAST_TIMES` and `MOST_TIMES`; it is the least where the error is unknown. Arguments as for
    `judge`.
    """
    top, gap, top_error, other_error = compared(probabilities, mc_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_top = np.abs(top - thresholds.sure) / top_error
        of_gap = np.abs(gap - thresholds.coin_flip) / (top_error + other_error)
        times = (1.96 / np.fmin(of_top, of_gap)) ** 2
    return np.asarray(np.clip(np.nan_to_num(times, nan=LEAST_TIMES), LEAST_TIMES, MOST_TIMES))
