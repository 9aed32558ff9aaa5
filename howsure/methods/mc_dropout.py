"""Monte-Carlo dropout (Gal & Ghahramani 2016): its settings, and how its passes begin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import FLOAT32, Model, PassModel
from howsure.arguments import check_flag, check_type, check_whole
from howsure.errors import InputError
from howsure.methods.protocol import Choice, Job, Needs, Option, OwnMethod, Passes, Progress
from howsure.sampling.budget import Budget, usual_budget
from howsure.sampling.design import of_fewer
from howsure.sampling.flat import Flat
from howsure.sampling.outcome import Estimates, Integers, Outcome
from howsure.sampling.pilot import Pilot, make_plan
from howsure.sampling.plan import Plan
from howsure.sampling.randomness import check_that_passes_differ, random_ops_of
from howsure.sampling.rounds import draw_cells, draw_rounds
from howsure.sampling.run import Run
from howsure.sampling.tree import Tree
from howsure.tasks.verdict import DRAWN

_ROUNDING, _ROUNDING_OF_NUMBERS = 1e-20, 1e-28
"""Variances up to this are rounding of the sums over passes; of numbers, as a share of their square."""

_WHY_TWO = ", as the error of a mean cannot be estimated from fewer passes"
_LIMITS: dict[str, tuple[float, str, str | None]] = {
    "target_error": (
        0.5,
        "a number above 0 and below 0.5: the standard error of a probability, such as 0.01, or that of a "
        "number as a share of its standard deviation, such as 0.05",
        "`max_error` takes an error in the unit of the target",
    ),
    "max_error": (math.inf, "a standard error above 0, in the unit of the target", None),
    "budget": (math.inf, "a number of plain predictions above 0, such as 20", None),
}
"""Numbers above 0: below what, the expected value in words, and a hint."""


OPTIONS = (
    Option("passes", int, "Draw this number of passes for every row."),
    Option(
        "target_error",
        float,
        "Draw passes until no probability has a larger standard error (0.01; for numbers 0.05, as a share of "
        "their standard deviation). For a graph: where a probability is 0.5 (0.08; for numbers 0.4).",
    ),
    Option(
        "max_error",
        float,
        "For numbers, instead of target_error: standard error in the unit of the target.",
    ),
    Option("max_passes", int, "Draw at most this number of passes for a row."),
    Option(
        "budget",
        float,
        "Cost at most this many plain predictions a row, on average (20, or more for small networks).",
    ),
    Option("keep_off", tuple[str, ...], "Random layers that stay off, as howsure audit names them."),
)
"""Settings of `MCDropout` for the command line."""


def has_passes(model: Model, outcome: Outcome) -> bool:
    """Whether something is random in an adapted model, so that its passes differ."""
    return isinstance(model, PassModel) and bool(random_ops_of(model))


@dataclass(frozen=True)
class MCDropout(OwnMethod):
    """Monte-Carlo dropout: average many forward passes with dropout switched on.

    With `passes`, every row gets exactly that many. Otherwise a row gets passes until the standard error of
    each of its probabilities is at most `target_error` and its verdict is settled, or until `max_passes`.

    Args:
        passes: T ≥ 2. Default: as many as each row needs.
        balanced: Use stratified masks: over a small group of passes, each unit is dropped exactly as often
            as its rate says. This cuts the standard error of the mean two- to fourfold. False gives the
            independent passes of the textbook.
        target_error: Largest acceptable standard error, in (0, 0.5): of a probability, or of the mean of a
            number as a share of its standard deviation √(spread² + noise²), so that its unit does not matter.
            Default: 0.01 for a probability and 0.05 for a number. Not together with `passes`.
        max_error: For numbers, instead of `target_error`: the largest acceptable standard error of a mean, in
            the unit of the target, > 0.
        max_passes: Most passes for one row, ≥ 2. Default: 400, or three balanced groups if late layers get
            more masks than early ones. Not together with `passes`.
        gaussian_noise: True makes `GaussianNoise` layers random too. They usually model noise in the data,
            not uncertainty about the network.
        budget: Most plain predictions that a call may cost for each of its rows, on average, > 0. Everything
            is included, also the pilot. Rows whose verdict is not settled come first. With a plan, each row
            gets passes for at most that price and a twentieth. Costs are counted in multiply-adds, so the
            same call gives the same numbers. Default: 20, or 4 million multiply-adds a row if that is more
            (at most 2 billion for the whole call, unless a plan is given); and no limit with `target_error`,
            `max_error` or `max_passes`. Not together with `passes`.
        plan: A plan from `howsure.plan`. With one, a row's numbers depend on no other row. Default: a plan
            made from the rows that are assessed. Not together with `passes`, which needs no plan.
        keep_off: Names of random layers that stay fixed, as in predicting; `howsure.audit` shows the names.
            An example is dropout on the input that models noise in the data.

    Raises:
        InputError: An argument is out of range, or `passes` is combined with an argument that it overrides.
    """

    in_words = (
        "The mean of many passes, each through the same network with some of its units left out by chance."
    )
    choices = (
        Choice(
            name="MC dropout",
            option="mc-dropout",
            make=lambda members, options: MCDropout(**options),
            fits=has_passes,
            options=OPTIONS,
            takes_plan=True,
        ),
    )

    passes: int | None = None
    balanced: bool = True
    target_error: float | None = None
    max_passes: int | None = None
    max_error: float | None = None
    budget: float | None = None
    gaussian_noise: bool = False
    plan: Plan | None = None
    keep_off: Sequence[str] = ()

    def __post_init__(self) -> None:
        listed = isinstance(self.keep_off, (list, tuple, set, frozenset))
        if not listed or not all(isinstance(name, str) for name in self.keep_off):
            raise InputError(
                "`keep_off` cannot be used",
                expected="a list of names of random layers, as howsure.audit(model) tells them",
                received=repr(self.keep_off),
            )
        object.__setattr__(self, "keep_off", tuple(sorted(set(self.keep_off))))
        for name in ("passes", "max_passes"):
            if getattr(self, name) is not None:
                check_whole(getattr(self, name), name, least=2, why=_WHY_TWO)
        for name in ("balanced", "gaussian_noise"):
            check_flag(getattr(self, name), name)
        for name, (most, expected, hint) in _LIMITS.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < most):
                raise InputError(
                    f"`{name}` is out of range", expected=expected, received=repr(value), hint=hint
                )
        check_type(self.plan, (Plan, type(None)), "plan", "what howsure.plan(model, x) made")
        if self.max_error is not None and self.target_error is not None:
            raise InputError(
                "`target_error` and `max_error` cannot both say when a row has enough passes",
                expected="one of them: a share of the standard deviation, or an error in the unit of the "
                "target",
            )
        names = ("target_error", "max_error", "max_passes", "budget", "plan")
        void = [name for name in names if getattr(self, name) is not None]
        if self.passes is not None and void:
            raise InputError(
                "`passes` gives every row the same number of passes, so "
                + " and ".join(f"`{name}`" for name in void)
                + " would have no effect",
                hint="Give either `passes`, or `target_error` and `max_passes`",
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as saved with a result."""
        settings = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "plan"}
        settings = {name: value for name, value in settings.items() if value is not None}
        settings["keep_off"] = list(self.keep_off)
        if not self.keep_off:
            del settings["keep_off"]
        words = {
            "pass": "your model with other units dropped",
            "more": "max_passes={passes}" if self.passes is None else "passes={passes}",
            "shows": "it tells how far such networks disagree",
        }
        return {"name": DRAWN, **settings, "words": words}

    @property
    def needs(self) -> Needs:
        """A model that accepts masks; and a plan, unless one is given or all rows get the same passes."""
        return Needs(
            PassModel,
            bool(self.gaussian_noise),
            keep_off=tuple(self.keep_off),
            plan=self.plan is None and self._may_follow_a_plan,
        )

    @property
    def _may_follow_a_plan(self) -> bool:
        """Whether passes are balanced, and as many as a row needs."""
        return self.passes is None and bool(self.balanced)

    def begin(self, job: Job) -> Passes:
        """Passes that follow a plan, or flat passes if no plan is possible. A pilot makes a missing plan.

        Raises:
            InputError: The plan is for another model, or for this one before it was trained further, or in
                a precision that this machine does not use.
        """
        if self.max_error is not None and not job.outcome.has_unit:
            raise InputError(
                "`max_error` is for numbers with a unit",
                expected="`target_error`, the standard error of a probability",
                received=f"a model whose answers are {job.outcome.name}",
            )
        budget = self._budget(job, None if self.plan else job.total)
        pilot = self._pilot(job, budget) if self.plan is None else Pilot(self.plan)
        design, precision = pilot.plan.design, pilot.plan.precision
        if self.plan is not None:
            self.plan.check_fits(job.model, of_one_kind=job.derived)
            if design is not None and self.max_passes is not None:
                design = of_fewer(design, self.max_passes, job.model.levels)
        model = job.model if precision == FLOAT32 else _in_precision(job.model, precision)
        flat = Flat(
            model,
            job.seed,
            job.outcome,
            passes=self.passes,
            most=self.max_passes,
            balanced=bool(self.balanced),
            budget=budget if design is None else math.inf,
        )
        tree = None if design is None else Tree(design, model, job.seed, pilot.cache)
        if tree is not None and self.plan is not None and self.budget is not None:
            least = tree.cost(next(tree.rounds(self.max_passes)))
            if least > self.budget:
                raise InputError(
                    "`budget` is too small for this plan: its first passes cost more",
                    expected=f"at least {math.ceil(100 * least) / 100:g} plain predictions a row",
                    received=f"{self.budget:g}",
                    hint="Give no plan, and the call makes one that its budget pays for",
                )
        enough = _Enough(self.target_error, self.max_error, exact=self.passes is not None)

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            run = Run(model, job.rows, numbers, job.outcome, job.seed, job.batch_size, job.on_pass, job.pay)
            limits: tuple[float, Budget | None] = budget, None
            if self.plan is None and len(numbers) == job.total and budget < math.inf:
                # Rows of one block share what is left. Those of several would do so in their order.
                spent = 0.0 if pilot.plan.pilot is None else pilot.plan.pilot.cost
                limits = math.inf, Budget(budget * job.total - spent)
            if tree is not None:
                estimates = draw_cells(tree, run, pilot.kept, self.max_passes, enough, progress, *limits)
            else:
                chunks, rows = partial(run.chunks, rows_per_call=flat.rows_per_call), np.arange(len(numbers))
                estimates = draw_rounds(flat, flat.rounds(), run, rows, chunks, enough, progress, *limits)
            if len(numbers) and _are_all_the_same(estimates, job.outcome):
                first = numbers[:1]
                check_that_passes_differ(job.model, [rows[first] for rows in job.rows])
            return estimates

        settings = pilot.plan.settings
        if self.plan is None and pilot.plan.pilot is not None:
            settings["pilot"] = asdict(pilot.plan.pilot)  # spent for this call
            if job.pay is not None:
                job.pay(pilot.plan.pilot.cost)
        return Passes(draw, settings or None)

    def _budget(self, job: Job, rows: int | None) -> float:
        """Plain predictions that a row may cost on average, or each row where `rows` is None."""
        if self.budget is not None:
            return float(self.budget)
        limits = (self.passes, self.target_error, self.max_error, self.max_passes)
        if any(limit is not None for limit in limits):
            return math.inf
        return usual_budget(job.model, rows)

    def make_plan(self, job: Job, precision: str | None = None, *, thrifty: bool = False) -> Plan:
        """The plan of a pilot on the job's rows; empty if passes are fixed in number or independent.

        A thrifty pilot costs little beside the passes over these rows.
        """
        return self._pilot(job, self._budget(job, job.total), precision, thrifty=thrifty).plan

    def _pilot(self, job: Job, budget: float, precision: str | None = None, thrifty: bool = True) -> Pilot:
        if not self._may_follow_a_plan:
            return Pilot()
        run = Run(job.model, job.rows, np.arange(job.total), job.outcome, job.seed, job.batch_size)
        return make_plan(
            run,
            target_error=job.outcome.usual_target if self.target_error is None else self.target_error,
            max_passes=self.max_passes,
            precision=precision,
            budget=budget,
            thrifty=thrifty,
        )


@dataclass(frozen=True)
class _Enough:
    """Stopping rule: which rows need no more passes. A fixed number of passes stops after the first round."""

    target: float | None
    bound: float | None
    exact: bool

    def __call__(self, estimates: Estimates, outcome: Outcome) -> NDArray[np.bool_]:
        if self.exact:
            return np.ones(len(estimates), dtype=bool)
        if self.bound is not None:
            return outcome.is_within(estimates, self.bound)
        return outcome.is_enough(estimates, outcome.usual_target if self.target is None else self.target)


def _are_all_the_same(estimates: Estimates, outcome: Outcome) -> bool:
    """Whether all passes over some rows gave the same values, but for rounding of the sums."""
    most = _ROUNDING_OF_NUMBERS * estimates.mean[..., : outcome.width] ** 2 if outcome.has_unit else _ROUNDING
    return bool(np.all(estimates.variance[..., : outcome.width] <= most))


def _in_precision(model: PassModel, precision: str) -> PassModel:
    """The model in the plan's precision, or an `InputError`: another precision would give other numbers."""
    if precision not in model.limits.precisions:
        raise InputError(
            f"The plan runs heavy layers in {precision}, which is no faster on this machine, so its numbers "
            "cannot be had here",
            expected=f"a plan in {' or '.join(model.limits.precisions)}",
            received=precision,
            hint="Make one that holds on every machine: howsure.plan(model, x, precision='float32')",
        )
    return model.in_precision(precision)
