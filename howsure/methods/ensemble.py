"""Deep ensembles (Lakshminarayanan and others 2017): the mean of networks trained from different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from howsure.adapters.fingerprint import MODEL, SHOWN, fingerprint_of, same_weights
from howsure.errors import InputError, warn
from howsure.inputs.duplicates import first_twice, mark_of
from howsure.inputs.typed_json import digest
from howsure.methods.mc_dropout import OPTIONS, MCDropout, has_passes
from howsure.methods.members import begin_members, of_member
from howsure.methods.plain import Softmax
from howsure.methods.protocol import Choice, Job, Method, Needs, OwnMethod, Passes, is_method
from howsure.sampling.outcome import Estimates, Floats, Outcome
from howsure.words import counted

MEMBER = "Member {} of the ensemble"

AGREES_WITH_NONE = "member {} that agrees with none"
"""The common part of such warnings."""

LEAST_CONSTANT = 16
"""Rows below which a sound member may say the same of all, as a small tree does."""

LEAST_AGREEING = 64
"""Rows below which agreement is not told from chance: its standard error is at most 0.13."""

SLIGHT, SUBSTANTIAL = 0.2, 0.6
"""Agreement beyond chance that is slight at most, and substantial (Landis and Koch 1977)."""


@dataclass(frozen=True)
class Ensemble(OwnMethod):
    """The mean of the assessed model and models of the same kind that were trained from other seeds.

    Every member counts as one pass. How far members disagree is the mutual information of classes, and the
    `spread` of numbers. `mc_error` estimates the distance to an ensemble with very many members.
    `each=MCDropout()` makes an ensemble of MC dropout models, whose passes also differ within a member.

    For numbers with means μ_m and variances σ²_m of M members, `mean` is the mean of μ_m, `spread` is √(Σ
    (μ_m − mean)² / M), `noise` is √(Σ σ²_m / M), and `std` the root of the sum of both squares: the mixture
    of the paper, section 2.4.

    Args:
        others: At least one more model of the same inputs and outputs. The assessed model comes first; where
            it is among them too, with the same weights, it counts once.
        each: How each member predicts: `PlainPrediction()` or `MCDropout(…)`.

    Raises:
        InputError: No other model, or an unsuitable `each`.
    """

    others: Sequence[Any]
    each: Method = Softmax()  # noqa: RUF009 (frozen, so it may be shared)

    in_words = "The mean of several networks of one kind, its members."
    choices = (
        Choice(
            name="ensemble",
            option="ensemble",
            make=lambda members, options: Ensemble(list(members)),
            takes_members=True,
        ),
        Choice(
            name="MC dropout of the ensemble",
            option="mc-dropout-ensemble",
            make=lambda members, options: Ensemble(list(members), each=MCDropout(**options)),
            fits=has_passes,
            takes_members=True,
            options=OPTIONS,
            takes_plan=True,
        ),
    )

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
        """The needs of each member."""
        return replace(self.each.needs, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Begin a prediction for each model."""
        jobs = [job]
        for model in self.others:
            with of_member(MEMBER, len(jobs)):
                of_member_alone = job.again(self.each, model=model)
            if not same_weights(job.model, of_member_alone.model):
                jobs.append(of_member_alone)
        if len(jobs) == 1:
            raise InputError(
                "All members of the ensemble are the model that is assessed",
                expected="at least one more model, trained from another seed",
                received=f"{counted(len(self.others), 'model')} with the same weights",
            )
        passes = begin_members(jobs, self.each, MEMBER, partial(_warn_of_odd, jobs))
        marks = [fingerprint_of(member.model) for member in jobs]
        of_all = {MODEL: digest(marks)[:SHOWN]} if all(marks) else {}
        return replace(passes, settings={"members": len(jobs), **of_all})


def _warn_of_odd(jobs: Sequence[Job], members: Sequence[Estimates]) -> None:
    """Warn of members that are one network, say the same of all rows, or agree with no other one."""
    outcome, rows = jobs[0].outcome, counted(len(members[0]), "row")
    values = [member.mean[..., : outcome.width] for member in members]
    twice = first_twice(map(mark_of, values), lambda one, other: _are_same(one, other, jobs, values))
    if twice is not None:
        warn(
            f"Members {twice[0]} and {twice[1]} of the ensemble are the same network, so it counts twice and "
            "`mc_error` is too small."
        )
    constant = [bool((member == member[:1]).all()) for member in values]
    if len(members[0]) >= LEAST_CONSTANT and not all(constant):
        for number in np.flatnonzero(constant):
            warn(
                f"Member {number} of the ensemble says the same of all {rows}, and others do not. If it was "
                "never trained, or its training failed, leave it out.",
                kind=f"constant member {number}",
            )
    if len(members) < 3 or len(members[0]) < LEAST_AGREEING or len(outcome.columns) > 1:
        return
    answers = np.stack([_answers_of(member, outcome) for member in values])
    for number in np.flatnonzero(~np.array(constant)):
        others = np.delete(answers, number, axis=0)
        rest = [np.delete(others, n, axis=0).mean(axis=0) for n in range(len(others))]
        lowest = min(map(agreement, others, rest))
        own = agreement(answers[number], others.mean(axis=0))
        if own < SLIGHT and lowest > SUBSTANTIAL:
            warn(
                f"Member {number} of the ensemble agrees with the others hardly more than chance does, and "
                f"these agree with each other (agreement beyond chance {own:.2f}, and at least {lowest:.2f}, "
                f"on {rows}). If it was never trained, or puts out its classes in another order, leave it "
                "out.",
                kind=AGREES_WITH_NONE.format(number),
            )


def _answers_of(values: Floats, outcome: Outcome) -> Floats:
    """(n, K) numbers as they are; else 1 for the class or the labels that are named, and 0 for others."""
    if outcome.has_unit:
        return values[:, : outcome.answers]
    top = values == values.max(axis=-1, keepdims=True) if outcome.has_one_top else values > 0.5
    return np.asarray(top, np.float64)


def agreement(one: Floats, other: Floats) -> float:
    """How far two answers (n, K) to the same rows agree beyond chance: 1 at most, 0 by chance.

    1 − Σ E (y − z)² / v over Σ E (y − z')² / v, z' being of another row and v the variance of z, summed over
    K. With 1 for the class that is named, weighted so, it is like Cohen's kappa (1960); of numbers it is the
    concordance correlation (Lin 1989).
    """
    unit = np.where(other.std(axis=0) > 0, other.std(axis=0), 1.0)
    one, other = one / unit, other / unit
    apart = float(((one - other) ** 2).mean(axis=0).sum())
    chance = float((one.var(axis=0) + other.var(axis=0) + (one.mean(axis=0) - other.mean(axis=0)) ** 2).sum())
    return 1 - apart / chance if chance else 1.0


def _are_same(one: int, other: int, jobs: Sequence[Job], values: Sequence[Floats]) -> bool:
    """Whether two members whose answers are the same to the last digit are one network: trees may differ."""
    rounded = np.array_equal(values[one], values[one].round(3))
    return not rounded or fingerprint_of(jobs[one].model) == fingerprint_of(jobs[other].model)
