"""Which rows of numbers should a person see? The rule, and how it is read from labelled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.digits import exactly
from howsure.errors import InputError
from howsure.evaluation.selective import Acceptance, decided
from howsure.inputs.rows import as_floats, quoted
from howsure.inputs.targets import by_target
from howsure.results.check import check_result
from howsure.sampling.outcome import Booleans, Floats
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import scale_of
from howsure.tasks.truth import truth_of


@dataclass(frozen=True)
class RegressionAbstention(Acceptance):
    """A fitted rule; called with a `RegressionCertainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows whose tolerance is at most this many times their `std` are handed over, 0 for none;
            equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of accepted rows that are off by more than the tolerance.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are off by more.
        tolerance: By name of each target, how far it may be off, in its unit. A row is off if any target is.
        ranked_by: `std`, or `spread` if `std` is unknown, or `nothing`: then all rows go the same way.
    """

    tolerance: Mapping[str, float]
    ranked_by: str

    def __call__(self, result: RegressionCertainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Args:
            result: Result of N ≥ 0 rows, with the targets of the fit.

        Raises:
            InputError: Not a `RegressionCertainty`, one of other targets, or without the `std` of the fit.
        """
        check_result(result, RegressionCertainty, tuple(self.tolerance))
        scale, ranked_by = scale_of(result)
        if len(result) and ranked_by != self.ranked_by:
            raise InputError(
                "These rows cannot be ranked as the labelled ones were",
                expected=f"rows that are ranked by `{self.ranked_by}`",
                received=f"ones that are ranked by `{ranked_by}`",
                hint="Give rows of the same method, calibrated alike",
            )
        return np.asarray(_allowed_stds(scale, np.array([*self.tolerance.values()])) <= self.threshold)

    def in_words(self) -> str:
        """The promise and its evidence, in two sentences."""
        limits = [exactly(limit) for limit in self.tolerance.values()]
        if len(limits) > 1:
            limits = [f"{limit} in '{name}'" for name, limit in zip(self.tolerance, limits, strict=True)]
        off = f"off by more than {' or '.join(limits)}"
        return self.said(off, f"{self.mistakes:,} of them off by more")

    __str__ = in_words


def abstain(
    result: RegressionCertainty,
    labels: Any,
    *,
    risk: float,
    confidence: float,
    tolerance: Any,
    background: int | None = None,
) -> RegressionAbstention:
    """The part `abstain` of numbers, ranked by tolerance / `std`, without a `background`.

    See `howsure.evaluation.selective`.
    """
    truth = truth_of(result, labels)
    limits = _limits_of(tolerance, result.target_names)
    scale, ranked_by = scale_of(result)
    wrong = np.asarray((np.abs(truth - result.mean) > limits).any(axis=-1))
    decision = decided(_allowed_stds(scale, limits), wrong, risk, confidence)
    by_name = dict(zip(result.target_names, limits.tolist(), strict=True))
    return RegressionAbstention(**decision, tolerance=by_name, ranked_by=ranked_by)


def _allowed_stds(scale: Floats, limits: Floats) -> Floats:
    """(N,) how many times its std a row may be off, in the target where that is least."""
    ratio = np.divide(limits, scale, out=np.full(scale.shape, np.inf), where=scale > 0)
    return np.asarray(ratio.min(axis=-1))


def _limits_of(tolerance: Any, names: tuple[str, ...]) -> Floats:
    """(K,) how far each target may be off, or an `InputError`."""
    if isinstance(tolerance, Mapping):
        if set(tolerance) != set(names):
            raise InputError(
                "`tolerance` does not fit the targets",
                expected=f"a number for each of {quoted(names)}",
                received=repr(tolerance)[:200],
            )
        tolerance = [tolerance[name] for name in names]
    expected = "a number above 0, in the unit of the target" + (
        "" if len(names) == 1 else f"; or one for each of {quoted(names)}"
    )
    if tolerance is None:
        raise InputError("Numbers are never exactly right, so say how far one may be off", expected=expected)
    limits = as_floats(by_target(tolerance, names, "The numbers of `tolerance`"), "`tolerance`")
    if limits.shape not in ((), (len(names),)) or not np.all((limits > 0) & np.isfinite(limits)):
        raise InputError("`tolerance` cannot be used", expected=expected, received=repr(tolerance)[:200])
    return np.broadcast_to(limits, len(names))
