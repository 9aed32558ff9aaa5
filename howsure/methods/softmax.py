"""The plain prediction: one deterministic pass, as in `predict`; the baseline for all other methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.methods.members import tallied
from howsure.methods.protocol import Job, Method, Needs, Passes, Progress
from howsure.models.protocol import Model
from howsure.sampling.outcome import Estimates, Integers
from howsure.sampling.run import Run


@dataclass(frozen=True)
class Softmax(Method):
    """The plain (deterministic) prediction of the network, at the cost of one pass.

    A single pass has no sampling error and cannot disagree with itself. So `mc_error` and
    `mutual_information` are 0, `expected_entropy` equals `entropy`, and a row has no `reason`, since only its
    probabilities are known. It needs no random layer.

    For numbers it is the mean alone, and `noise` if the network puts out variances; `spread` is None. Its
    name in a result is `plain prediction`, and `howsure.PlainPrediction()` is the same for any model.
    """

    in_words = "The network’s plain prediction: one pass."

    @property
    def settings(self) -> dict[str, Any]:
        """Name, and words about its one pass, as saved with a result."""
        return {"name": "plain prediction", "words": {"pass": "the network’s plain prediction"}}

    @property
    def needs(self) -> Needs:
        """A plain prediction."""
        return Needs(Model)

    def begin(self, job: Job) -> Passes:
        """Run one pass over each row."""

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            run = Run(job.model, job.rows, numbers, job.outcome, job.seed, job.batch_size)
            mean = np.zeros((len(numbers), *job.outcome.columns), job.outcome.precision)
            for chunk, inputs in run.batches(np.arange(len(numbers)), job.batch_size):
                values = run.values(job.model.predict(inputs)[None], chunk)
                derived = job.outcome.derived(values, values[0])
                mean[chunk] = np.concatenate([values, derived], axis=-1)[0]
                progress(len(chunk))
            job.paid(len(numbers))
            exact = np.zeros_like(mean)
            found = Estimates(mean, exact, exact, exact, np.ones(len(numbers), dtype=np.int64))
            told = tallied(found, mean[None, ..., : job.outcome.width], run.outcome.take(numbers))
            return found if told is None else told

        return Passes(draw)
