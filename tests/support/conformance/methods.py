"""The promises of every method."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.fingerprint import MODEL
from howsure.assess import assess, stream
from howsure.methods.protocol import Job, Method, Needs, Passes
from howsure.prepare import prepare
from howsure.request import Request
from howsure.results.columns import FLOAT, INTEGER
from howsure.results.result import Result
from howsure.sampling.between import LEVELS
from howsure.sampling.outcome import Estimates
from tests.support.conformance.outcomes import require

Array = NDArray[Any]

ROUNDING = 3e-6
"""How far two ways to one number may be apart, in float32; as a share of the largest if it has a unit."""


def check_method(method: Method, model: Any, x: Array, outputs: str | None = None) -> None:
    """Check all that `howsure.methods.protocol` promises: of what is drawn, and through `howsure.assess`.

    Args:
        method: The method to check.
        model: A model with the needs of the method, of any framework, and any kind of answer.
        x: (N, …) rows for it, N ≥ 4, of which the first is not repeated.
        outputs: As in `howsure.assess`.

    Raises:
        AssertionError: A promise is broken.
    """
    require(isinstance(method, Method), "A method has all that `Method` names", type(method).__name__)
    require(isinstance(method.needs, Needs), "It says what it needs", method.needs)
    require(method.in_words.endswith("."), "Its words are a sentence", method.in_words)
    settings = json.loads(json.dumps(dict(method.settings)))
    require(bool(settings.get("name")), "Its settings have a name", settings)
    before = x.copy()
    job = prepare(model, x, method, Request(seed=3, outputs=outputs))
    passes = method.begin(job)
    require(isinstance(passes, Passes), "What it begins are `Passes`", type(passes).__name__)
    rounding = ROUNDING * _check_draw(passes, job)
    progress: list[tuple[int, int]] = []
    asked: dict[str, Any] = {"method": method, "outputs": outputs, "seed": 3}
    result = assess(model, x, **asked, progress=lambda done, total: progress.append((done, total)))
    require(np.array_equal(x, before), "Rows are left as they were")
    require(progress[-1:] == [(len(x), len(x))], "Progress ends when all rows are done", progress[-1:])
    done = [rows for rows, _ in progress]
    require(done == sorted(done), "Progress goes forward", done)
    if not isinstance(result, Result) or result.has("method"):
        kept = {name: setting for name, setting in result.method.items() if name != MODEL}
        require(kept == dict(method.settings), "The result keeps the settings", kept)
    again = assess(model, x, **asked)
    require(_near(again, result, 0.0), "The same seed gives the same numbers")
    by_two = assess(model, x, **asked, batch_size=2)
    require(_near(by_two, result, rounding), "The batch size does not change the numbers")
    order = np.arange(len(x))[::-1].copy()
    turned = assess(model, x[order], **asked)
    require(_near(turned, result[order], rounding), "The order of the rows does not change the numbers")
    none = assess(model, x[:0], **asked)
    require(len(none) == 0, "No rows give no answers", len(none))
    blocks = list(stream(model, x, **asked))
    require(sum(map(len, blocks)) == len(x), "Blocks hold every row once", [len(block) for block in blocks])


def _check_draw(passes: Passes, job: Job) -> Array:
    """Estimates of every row and column, whatever rows are in a block. Returns the size of every answer."""
    numbers, columns = np.arange(job.total), len(job.outcome.families)
    progress: list[int] = []
    drawn = passes.draw(numbers, progress.append)
    require(isinstance(drawn, Estimates), "What it draws are `Estimates`", type(drawn).__name__)
    require(
        drawn.mean.shape == (job.total, columns),
        "Every row has an estimate in every column",
        (drawn.mean.shape, (job.total, columns)),
    )
    for name in ("error", "squared_error", "variance"):
        part = getattr(drawn, name)
        require(part.shape == drawn.mean.shape, f"Every estimate has its `{name}`", part.shape)
        require(not (part < 0).any(), f"`{name}` is not below 0", np.min(part))
    _check_networks(drawn, job)
    require(drawn.passes.shape == (job.total,), "Every row has a number of passes", drawn.passes.shape)
    require(np.isfinite(drawn.mean).all(), "Estimates are finite")
    require(np.isfinite(drawn.squared_error).all(), "Squared errors are finite")
    known = drawn.error[np.isfinite(drawn.error)]
    least = np.broadcast_to(job.outcome.least_error, drawn.error.shape)[np.isfinite(drawn.error)]
    require(
        ((known >= least) | (known == 0)).all(),
        "An error is no less than the least of its column, or exactly 0",
    )
    require(sum(progress) == job.total, "Progress counts every row once", sum(progress))
    again = passes.draw(numbers, lambda rows: None)
    same = np.array_equal(again.mean, drawn.mean) and np.array_equal(again.error, drawn.error, equal_nan=True)
    require(same, "Drawn again, rows have the same numbers")
    size = np.abs(drawn.mean).max(axis=0) if job.outcome.has_unit else np.ones(columns)
    for block, where in ((numbers[::2], "in another block"), (numbers[:1], "in a block of its own")):
        other = passes.draw(block, lambda rows: None)
        apart = np.max(np.abs(other.mean - drawn.mean[block]) / size)
        require(apart <= ROUNDING, f"A row has the same numbers {where}", apart)
    return size[: job.outcome.answers] if job.outcome.has_unit else np.ones(1)


def _check_networks(drawn: Estimates, job: Job) -> None:
    """Columns about networks exist for every row; for every answer too, if it has a unit."""
    sizes = (job.total, job.outcome.answers)
    of_quantiles = (*sizes, len(LEVELS)) if job.outcome.has_unit else (job.total, len(LEVELS))
    for name, shape in (("spread", sizes), ("quantiles", of_quantiles)):
        for suffix in ("", "_error"):
            values = getattr(drawn, f"{name}{suffix}")
            if values is not None:
                require(values.shape == shape, f"`{name}{suffix}` has a value for every row", values.shape)
                least = -np.inf if job.outcome.has_unit and name + suffix == "quantiles" else 0
                require(not (values < least).any(), f"`{name}{suffix}` is not below 0", np.min(values))
    if drawn.quantiles is not None:
        known = drawn.quantiles[np.isfinite(drawn.quantiles).all(axis=-1)]
        falls = np.diff(known, axis=-1).min(initial=0)
        require(falls >= -ROUNDING * np.abs(known).max(initial=0), "Quantiles rise with their level", falls)


def _near(one: Any, other: Any, allowed: Array | float) -> bool:
    """Whether two results say the same: exactly where nothing is allowed, else but for their errors."""
    if np.all(np.equal(allowed, 0)):
        return all(np.array_equal(a, b, equal_nan=True) for a, b in _numbers_in(one, other))
    says = one.first_numbers()
    apart = np.abs(getattr(one, says) - getattr(other, says))
    return bool(np.all(apart <= allowed)) and (
        not one.has("passes") or np.array_equal(one.passes, other.passes)
    )


def _numbers_in(one: Any, other: Any) -> Iterator[tuple[Array, Array]]:
    """The stored numbers of two results, column by column."""
    for column in one.columns:
        if column.stored and column.type in (FLOAT, INTEGER) and getattr(one, column.name) is not None:
            yield getattr(one, column.name), getattr(other, column.name)
