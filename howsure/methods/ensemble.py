"""Deep ensembles (Lakshminarayanan and others 2017): the mean of networks trained from different seeds."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from howsure.data.twice import first_twice, mark_of
from howsure.errors import InputError, warn
from howsure.methods.members import begin_members
from howsure.methods.protocol import Job, Method, Needs, Passes, Standing, is_method
from howsure.methods.softmax import Softmax
from howsure.words import counted, upper


@dataclass(frozen=True)
class Ensemble:
    """The mean of the assessed model and models of the same kind that were trained from other seeds.

    Every member counts as one pass. How far members disagree is the mutual information of classes, and the
    `spread` of numbers. `mc_error` estimates the distance to an ensemble with very many members.
    `each=MCDropout()` makes an ensemble of MC dropout models, whose passes also differ within a member.

    Of numbers with means μ_m and variances σ²_m of M members, `mean` is the mean of μ_m, `spread` is
    √(Σ (μ_m − mean)² / M), `noise` is √(Σ σ²_m / M), and `std` the root of the sum of both squares: the
    mixture of the paper, section 2.4.

    Args:
        others: At least one more model with the same inputs and outputs; the assessed model is the first
            member.
        each: How each member predicts: `PlainPrediction()` or `MCDropout(…)`.

    Raises:
        InputError: No other model, or an unsuitable `each`.
    """

    others: Sequence[Any]
    each: Method = Softmax()  # noqa: RUF009 (frozen, so it may be shared)

    in_words = "The mean of several networks of one kind, its members."

    def __post_init__(self) -> None:
        if not isinstance(self.others, (list, tuple)) or not self.others:
            raise InputError(
                "`others` cannot be used",
                expected="a list of at least one more model, trained like the one that is assessed",
                received=f"{type(self.others).__name__}"
                + (" of none" if isinstance(self.others, (list, tuple)) else ""),
            )
        if not is_method(self.each) or self.each.needs.fitted:
            raise InputError(
                "`each` cannot be used",
                expected="howsure.PlainPrediction() or howsure.MCDropout(…)",
                received=repr(self.each),
            )
        object.__setattr__(self, "others", tuple(self.others))

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as saved with a result."""
        words = {
            "passes": "members of the ensemble",
            "between": "members",
            "pass": "one member of the ensemble",
            "more": "an ensemble of {passes} members",
        }
        if not isinstance(self.each, Softmax):
            words = {"pass": "one thinned network of one member", "more": "more members"}
        words |= {
            "agreement": "If they were trained from different seeds, this is the stronger reason: another "
            "such ensemble is in doubt as well. It does not show whether more training rows would settle it.",
            "others": "",
            "shows": "it tells how far networks that were trained apart disagree",
        }
        return {
            "name": "ensemble",
            "members": 1 + len(self.others),
            "each": self.each.settings,
            "words": words,
        }

    @property
    def needs(self) -> Needs:
        """What each member needs."""
        return replace(self.each.needs, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Begin a prediction for each model."""
        jobs = [job, *(job.again(self.each, model=model) for model in self.others)]
        _warn_of_twice([each.model for each in jobs])
        return begin_members(jobs, self.each)

    def why(self, standing: Standing) -> Iterator[str]:
        """Whether its probabilities have a lower NLL, and how many mistakes its members correct."""
        if not standing.first or not isinstance(self.each, Softmax):
            return
        nll, accuracy = standing.gap("nll"), standing.gap("accuracy")
        if not (nll.excludes_zero and nll.value < 0):
            return
        also = " and is right more often" if accuracy.excludes_zero and accuracy.value > 0 else ""
        alone, lost = standing.mended
        yield (
            f"{upper(standing.name)} has more accurate percentages{also}: its networks do not all make the "
            f"same mistakes. Together they are right on {counted(alone, standing.kind)} that "
            f"{standing.baseline} gets wrong, and wrong on {lost:,} that it gets right."
            if alone
            else f"{upper(standing.name)} has more accurate percentages, though it is right on no "
            f"{standing.kind} that {standing.baseline} gets wrong."
        )


def _warn_of_twice(models: Sequence[Any]) -> None:
    """Warn of two members that are one network, or have the same weights."""

    def weights(number: int) -> Iterator[Any]:
        found = getattr(models[number], "weights", None)
        return iter(()) if found is None else map(np.asarray, found())

    def mark(number: int) -> Hashable:
        first = next(weights(number), None)
        return id(models[number]) if first is None else mark_of(first)

    def are_same(one: int, other: int) -> bool:
        pairs = zip_longest(weights(one), weights(other), fillvalue=())
        return models[one] is models[other] or all(np.array_equal(a, b) for a, b in pairs)

    found = first_twice(map(mark, range(len(models))), are_same)
    if found is not None:
        warn(
            f"Members {found[0]} and {found[1]} of the ensemble are the same network, so it counts twice and "
            "`mc_error` is too small. The assessed model is member 0, without being among the others."
        )
