"""Parts done one after the other in this process, without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from howsure.scale.run import Job, Told
from howsure.scale.worker import Outcome, Worker


def one_process(job: Job, told: Told) -> Iterator[Outcome]:
    """What comes of each part that is not there yet.

    Args:
        job: What is to be done.
        told: Called with (rows done, rows in all), also within a part.
    """
    worker, done = Worker(job.recipe, job.assessor), job.rows_before
    for part in job.pending:
        yield worker.do(part, partial(_within, told, done, job.rows))
        done += len(part)
        told(done, job.rows)


def _within(told: Told, before: int, total: int, done: int, rows: int) -> None:
    told(before + done, total)
