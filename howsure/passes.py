"""`passes`: the passes themselves, for whoever wants the array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import RawOutputs
from howsure.arguments import check_progress, check_whole
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.prepare import prepare
from howsure.progress import Progress, progress_callback
from howsure.request import Request
from howsure.sampling.flat import Flat
from howsure.sampling.outcome import Outcome
from howsure.sampling.randomness import check_that_passes_differ
from howsure.sampling.run import Run


def passes(
    model: Any,
    x: Any,
    n: int,
    *,
    balanced: bool = False,
    gaussian_noise: bool = False,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    progress: Progress = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
    keep_off: Sequence[str] = (),
    class_axis: int | None = None,
) -> RawOutputs:
    """Return the outputs of n thinned networks for each row: MC dropout before anything is averaged.

    Pass t is the same thinned network for every row, so `passes(…)[t]` is one network's answer to all rows.
    They are those of `assess(…, method=MCDropout(passes=n, balanced=balanced), seed=seed)`, which keeps none,
    takes any number of rows, and tells the errors of mean and spread.

    Args:
        model: As in `assess`.
        x: (N, …) rows, as in `assess`.
        n: How many passes, ≥ 1.
        balanced: False for independent passes, of which statistics of the array hold as of any sample; True
            for balanced ones, whose mean is nearer to that of all networks, and which depend on each other.
        gaussian_noise: As in `MCDropout`.
        seed: Seed of the masks, ≥ 0.
        batch_size: Rows that run together.
        outputs: As in `assess`.
        progress: True for a bar, or called with (rows done, rows in all).
        output: As in `assess`.
        outcome: As in `assess`.
        keep_off: As in `MCDropout`.
        class_axis: As in `assess`.

    Returns:
        (n, N, K) float32: probabilities of K classes, or that each of K labels holds, or K numbers; if a
        model puts out variances, (n, N, 2 K), the numbers first; (n, N, *P, K) if each of the positions P has
        a class: 1 / K where the model says that a position does not count. They are float64 if the model
        computes in it, but for positions. Over the first axis `mean` is the prediction, and `std` is how far
        networks lie apart.

    Raises:
        InputError: Rows or arguments that cannot be used, or an array that does not fit into memory.
        ModelError: As in `assess`.

    Example:
        >>> p = howsure.passes(model, x, 100)
        >>> p.shape
        (100, 500, 10)
        >>> float(abs(p.mean(axis=0).sum(axis=-1) - 1).max()) < 1e-6
        True
    """
    check_whole(n, "n", least=1)
    check_progress(progress)
    method = MCDropout(balanced=balanced, gaussian_noise=gaussian_noise, keep_off=keep_off)
    job = prepare(model, x, method, Request.of(locals()))
    is_double = job.model.info.output_dtype == "float64" and job.outcome.precision == np.float64
    shape = (int(n), job.total, *job.outcome.columns[:-1], job.outcome.width)
    drawn = _room_for(shape, np.float64 if is_double else np.float32)
    flat = Flat(job.model, job.seed, job.outcome, passes=int(n), balanced=bool(balanced))
    run = Run(job.model, job.rows, np.arange(job.total), job.outcome, job.seed, job.batch_size)
    (groups,) = flat.rounds()
    done = 0
    with progress_callback(progress, "Drawing passes") as tell:
        for chunk, trunk in run.chunks(run.numbers, flat.rows_per_call):
            first = 0
            for _, values in flat.values(groups, run, chunk, trunk):
                drawn[first : first + len(values), chunk] = values
                first += len(values)
            done += len(chunk)
            if tell is not None:
                tell(done, job.total)
    if n > 1 and job.total and np.array_equal(drawn[:-1], drawn[1:]):
        check_that_passes_differ(job.model, [rows[run.numbers[:1]] for rows in job.rows])
    return drawn


def _room_for(shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """An array of this shape and type, or an `InputError` where there is no memory for it."""
    try:
        return np.empty(shape, dtype=dtype)
    except (MemoryError, ValueError) as error:
        n, rows, *values = shape
        raise InputError(
            "So many passes do not fit into memory",
            expected="an array that does",
            received=f"{n:,} passes × {rows:,} rows × {math.prod(values):,} values",
            hint="Take some rows at a time; or howsure.assess, which keeps no pass",
        ) from error
