"""Combine the estimates of several members: of an ensemble, or of changed versions of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from howsure.errors import HowsureError
from howsure.methods.protocol import Job, Method, Passes, Progress
from howsure.sampling import between, between_numbers
from howsure.sampling.error import Units, error_of
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome
from howsure.statistics import ERROR_FLOOR


@contextmanager
def of_member(called: str, number: int) -> Iterator[None]:
    """Begin the errors of one member with what it is called."""
    try:
        yield
    except HowsureError as error:
        raise error.told_of(called.format(number)) from error


def begin_members(
    jobs: Sequence[Job],
    method: Method,
    called: str,
    look: Callable[[Sequence[Estimates]], None] = lambda members: None,
) -> Passes:
    """Draw every member with the method `method`, block by block.

    Args:
        jobs: One job for each member, on the same rows.
        method: How a member predicts.
        called: Name of a member in its errors, with `{}` for its number.
        look: Called with the estimates of the members on the first block of rows.
    """
    begun = list[Passes]()
    for number, job in enumerate(jobs):
        with of_member(called, number):
            on_pass = None if jobs[0].on_pass is None else partial(jobs[0].on_pass, member=number)
            begun.append(method.begin(replace(job, on_pass=on_pass, pay=jobs[0].pay, on_members=None)))
    outcome, on_members, looked = jobs[0].outcome, jobs[0].on_members, False

    def draw(numbers: Integers, progress: Progress) -> Estimates:
        nonlocal looked
        done, reported = [0] * len(begun), 0

        def finished_by(member: int) -> Progress:
            def finished(rows: int) -> None:
                nonlocal reported
                done[member] += rows
                now = sum(done) // len(done)
                progress(now - reported)
                reported = now

            return finished

        members = list[Estimates]()
        for number, passes in enumerate(begun):
            with of_member(called, number):
                members.append(passes.draw(numbers, finished_by(number)))
        if not looked and len(numbers):
            looked = True
            look(members)
        if on_members is not None:
            on_members(numbers, [member.mean[..., : outcome.width] for member in members])
        return combined(members, outcome.take(numbers))

    return Passes(draw)


def combined(members: Sequence[Estimates], outcome: Outcome) -> Estimates:
    """Combine the estimates of several members on the same rows.

    With p_m the probabilities and h_m the expected entropy of member m of M: probabilities are the mean of
    p_m; entropy is that of this mean; expected entropy is the mean of h_m. The error of each mean is √(Σ (v_m
    − v)² / (M (M − 1))) · t₀.₉₇₅(M − 1)/1.96, with v_m one of p_m, −Σ p_m log p, h_m, or the difference of
    the last two. Standard deviation and quantiles between networks are those of the given members, as in
    `between.exact`.

    Args:
        members: M ≥ 2 estimates.
        outcome: The outcome that defines the columns.
    """
    own = np.stack([member.mean for member in members])
    mean = own[..., : outcome.width].mean(axis=0)
    passes = np.sum([member.passes for member in members], axis=0)
    estimates, values = _estimates(outcome.regrouped(own, mean), passes, outcome), own[..., : outcome.width]
    own_tally = tallied(estimates, values, outcome)
    if own_tally is not None:
        return own_tally
    if any(np.any(member.passes > 1) or member.spread is not None for member in members):
        return replace(estimates, **_of_their_passes(members, values, estimates.squared_error, outcome))
    return replace(estimates, **_network_fields(values, outcome, all_there=True))


def mean_over(values: Floats, outcome: Outcome, *, all_there: bool = False) -> Estimates:
    """Combine independent passes over the same rows, each counted as a member; see `combined`.

    Args:
        values: (S, n, K) values of S ≥ 2 passes.
        outcome: The outcome that defines the values.
        all_there: True if standard deviation and quantiles are those of the passes themselves, as for
            members. False if they are those of the distribution that the passes are drawn from, as in
            `between.sampled`.
    """
    derived = outcome.derived(values, values.mean(axis=0))
    passes = np.full(values.shape[1], len(values), dtype=np.int64)
    estimates = _estimates(np.concatenate([values, derived], axis=-1), passes, outcome)
    own = tallied(estimates, values, outcome, all_there=all_there)
    if own is not None:  # of no rows it is false
        return own
    return replace(estimates, **_network_fields(values, outcome, all_there=all_there))


def tallied(
    estimates: Estimates, values: Floats, outcome: Outcome, *, all_there: bool = True
) -> Estimates | None:
    """The estimates with what the outcome's own tally tells of members (M, n, …, K); None if it has none."""
    rows = np.arange(values.shape[1])
    tally = outcome.tally(len(rows), all_there=all_there)
    if tally is None:
        return None
    mean = values.mean(axis=0)
    for number in range(len(values)):
        tally.add(values[number : number + 1], mean, rows)
    return tally.completed(estimates)


def _estimates(columns: Floats, passes: Integers, outcome: Outcome) -> Estimates:
    """Estimates from members' columns (M, n, C), seen from the mean of all."""
    units = Units.of_members(columns)
    squared, error = error_of(units, outcome)
    return Estimates(units.mean, error, squared, columns.var(axis=0), passes)


def _network_fields(values: Floats, outcome: Outcome, *, all_there: bool) -> dict[str, Any]:
    """Standard deviation and quantiles between members (M, n, K), as far as the outcome defines them."""
    if outcome.has_unit:
        numbers = values[..., : outcome.answers]
        return {
            **(between.exact if all_there else between.sampled)(numbers, numbers),
            "networks": between_numbers.networks_of(values, outcome.answers),
            "independent": np.full(values.shape[1], float(len(values))),
        }
    if not outcome.are_probabilities:
        return {}
    label = values.mean(axis=0).argmax(axis=-1)
    shown = between.of_class(values, label)
    fields = between.exact(values, shown) if all_there else between.sampled(values, shown, label)
    return fields if outcome.has_one_top else {name: fields[name] for name in ("spread", "spread_error")}


def _of_their_passes(
    members: Sequence[Estimates], means: Floats, squared: Floats, outcome: Outcome
) -> dict[str, Any]:
    """Standard deviation over passes of all members, and its error; empty if one has none.

    The variance is the mean of the members' variances, plus the variance of their means. There are no
    quantiles: those of a member are of its own top class, which may differ from the overall top class. Single
    networks of numbers are put together.
    """
    if any(member.spread is None or member.spread_error is None for member in members):
        return {}
    own = np.array([member.spread for member in members])
    errors = np.array([member.spread_error for member in members])
    spread = np.sqrt((own**2).mean(axis=0) + means.var(axis=0)[..., : own.shape[-1]])
    floor = 0.0 if outcome.has_unit else ERROR_FLOOR
    size = np.maximum(spread, floor)
    off = np.sqrt(np.sum((own * errors) ** 2, axis=0)) / (len(members) * np.where(size > 0, size, 1.0))
    fields = {"spread": spread, "spread_error": np.maximum(off, floor)}
    if any(member.networks is None for member in members):
        return fields
    parts = [(np.asarray(member.networks), member.passes.astype(np.float64)) for member in members]
    shares = [between_numbers.shares_of(values[:, 0], passes) / len(parts) for values, passes in parts]
    every = np.concatenate([values for values, _ in parts], axis=-1)
    passes = np.sum([passes for _, passes in parts], axis=0)
    # As many as would know the mean as well: members differ, and their passes do not show it.
    most = np.broadcast_to(passes[:, None], spread.shape)
    least = np.maximum(squared[..., : outcome.answers], spread**2 / most)
    independent = np.divide(spread**2, least, out=most.copy(), where=least > 0).min(axis=-1)
    fields["networks"] = between_numbers.pooled(
        every, np.concatenate(shares, axis=-1), passes, outcome.answers
    )
    fields["independent"] = np.maximum(independent, 1.0)
    return fields
