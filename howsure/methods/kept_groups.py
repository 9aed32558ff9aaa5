"""Groups of passes, kept by how much they move each row, so that a mean over rows has an error.

All rows get the same masks. So errors of rows do not average out, and the error of a mean over rows needs
what a group of passes does to all of them together. Group b of T_b passes with the mean m_b moves the mean m
of a row over all its T passes by

    e_b = (T_b / T) (m_b − m) / √(1 − Σ_b T_b² / T²)

The passes of one balanced group stay together, so the groups are independent of each other. Σ e_b² is then
the squared error of m without bias, and so is Σ_b (mean of e_b over rows)² of the mean of m over rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Around, Job, Method, Passes, Progress
from howsure.results.result import Result
from howsure.sampling.outcome import Floats, Integers, Outcome, ResultMetadata

MOST_GROUPS = 16
"""Groups that are kept at most, each of several balanced groups where there are more. With 15 degrees of
freedom, intervals are 9 % wider than with many."""


@dataclass(eq=False)
class _Groups:
    """Sums over the groups of passes of some rows.

    Attributes:
        numbers: (n,) numbers of these rows, in ascending order.
    """

    numbers: Integers
    _sums: list[Floats] = field(default_factory=list)
    _passes: list[Integers] = field(default_factory=list)
    _heard: Integers = field(init=False)

    def __post_init__(self) -> None:
        self._heard = np.zeros(len(self.numbers), dtype=np.int64)

    def add(self, numbers: Integers, values: Floats, parts: int, member: int = 0) -> None:
        """Add one balanced group of passes (B, n, K); see `howsure.sampling.run.OnPass`."""
        del parts, member
        at = np.searchsorted(self.numbers, numbers)
        group = int(self._heard[at[0]]) % MOST_GROUPS  # all rows have the same passes
        if group == len(self._sums):
            self._sums.append(np.zeros((len(self.numbers), values.shape[-1])))
            self._passes.append(np.zeros(len(self.numbers), dtype=np.int64))
        self._sums[group][at] += values.sum(axis=0)
        self._passes[group][at] += len(values)
        self._heard[at] += 1

    def moves(self, answers: int) -> NDArray[np.float32]:
        """(n, K, G) e_b, of the first K columns."""
        if not self._sums:  # no rows
            return np.zeros((0, answers, MOST_GROUPS), dtype=np.float32)
        sums, passes = np.stack(self._sums, axis=-1)[:, :answers], np.stack(self._passes, axis=-1)[:, None]
        share = passes / passes.sum(axis=-1, keepdims=True)
        mean = sums.sum(axis=-1, keepdims=True) / passes.sum(axis=-1, keepdims=True)
        one_alone = 1 - np.sum(share**2, axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):  # NaN of one group
            return np.asarray(share * (sums / passes - mean) / np.sqrt(one_alone), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class _KeptPasses(Passes):
    """Passes of a method over the rows of a job, whose results know what groups of them do."""

    method: Method
    job: Job

    def result(
        self, numbers: Integers, progress: Progress, outcome: Outcome, metadata: ResultMetadata
    ) -> Any:
        """As `Passes.result`."""
        groups = _Groups(numbers)
        passes = self.method.begin(replace(self.job, on_pass=groups.add))
        result = passes.result(numbers, progress, outcome, metadata)
        return result._moved_by(groups.moves(outcome.answers)) if isinstance(result, Result) else result


@dataclass(frozen=True)
class KeptGroups(Around):
    """MC dropout with a fixed number of passes, whose groups are kept.

    Raises:
        InputError: Another method, or rows that may have different passes.
    """

    method: Method

    def __post_init__(self) -> None:
        if not isinstance(self.method, MCDropout) or self.method.passes is None:
            raise InputError(
                "keep='groups' needs passes that are the same for all rows",
                expected="MC dropout with a fixed number of passes: method=howsure.MCDropout(passes=200)",
                received=repr(self.method),
            )

    def begin(self, job: Job) -> Passes:
        """As the method does."""
        if len(job.outcome.columns) > 1:
            raise InputError(
                "keep='groups' is for rows with one answer each",
                expected="keep='probabilities', or None",
                received=f"a model whose answers are {job.outcome.name}",
            )
        return _KeptPasses(**vars(self.method.begin(job)), method=self.method, job=job)
