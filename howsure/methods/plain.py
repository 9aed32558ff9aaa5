"""The plain prediction, one deterministic pass as in `predict`; or the members that a model averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from howsure import tuning
from howsure.adapters.protocol import (
    LABEL_PROBABILITIES,
    NUMBERS,
    PROBABILITIES,
    MemberModel,
    Model,
    PassModel,
)
from howsure.methods.members import mean_over, tallied
from howsure.methods.protocol import Choice, Job, Needs, OwnMethod, Passes, Progress
from howsure.sampling.outcome import Estimates, Integers, Outcome
from howsure.sampling.run import Run

SOFTMAX, PLAIN = "softmax", "plain prediction"
"""Names of the plain prediction in comparisons: of a network for classes, and of all other models."""

OF_ESTIMATORS = (PROBABILITIES, LABEL_PROBABILITIES, *NUMBERS)
"""How models end that are no networks."""


def _is_estimator(model: Model, outcome: Outcome) -> bool:
    """Whether an adapted model is a classifier or regressor that is no network."""
    return model.info.ending in OF_ESTIMATORS


def _is_network(model: Model, outcome: Outcome) -> bool:
    return not _is_estimator(model, outcome)


NO_NETWORK = {"others": "", "familiarity": ""}
"""Empty texts in place of advice that helps with networks only."""


@dataclass(frozen=True)
class Softmax(OwnMethod):
    """The plain (deterministic) prediction of the network, at the cost of one pass.

    A single pass has no sampling error and cannot disagree with itself. So `mc_error` and
    `mutual_information` are 0, `expected_entropy` equals `entropy`, and a row has no `reason`, since only its
    probabilities are known. It needs no random layer.

    For numbers it is the mean alone, and `noise` if the network puts out variances; `spread` is None. Its
    name in a result is `plain prediction`, and `howsure.PlainPrediction()` is the same for any model.
    """

    in_words = "The network’s plain prediction: one pass."
    _words: ClassVar[Mapping[str, str]] = {"pass": "the network’s plain prediction"}
    choices = (Choice(SOFTMAX, SOFTMAX, lambda members, options: Softmax(), _is_network),)

    @property
    def settings(self) -> dict[str, Any]:
        """Name, and words about its one pass, as saved with a result."""
        return {"name": PLAIN, "words": dict(self._words)}

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
            estimates = Estimates(mean, exact, exact, exact, np.ones(len(numbers), dtype=np.int64))
            with_tally = tallied(estimates, mean[None, ..., : job.outcome.width], run.outcome.take(numbers))
            return estimates if with_tally is None else with_tally

        return Passes(draw)


@dataclass(frozen=True)
class PlainPrediction(Softmax):
    """The plain prediction of a classifier or regressor that is no network.

    It is like `Softmax` for networks: one pass, which has no error and cannot disagree with itself.
    `howsure.assess` uses it by default for scikit-learn estimators without `Members`.
    """

    in_words = "The model’s plain prediction: one pass."
    _words: ClassVar[Mapping[str, str]] = {"pass": "the model’s plain prediction", **NO_NETWORK}
    choices = (Choice(PLAIN, "", lambda members, options: PlainPrediction(), _is_estimator),)

    def begin(self, job: Job) -> Passes:
        """Begin as `Softmax`, but in larger batches unless a network runs: calls cost more than rows."""
        if isinstance(job.model, PassModel):
            return super().begin(job)
        return super().begin(replace(job, batch_size=max(job.batch_size, tuning.BLOCK)))


@dataclass(frozen=True)
class Members(OwnMethod):
    """Passes are the members that a model averages: trees of a forest, a bagging, a soft vote.

    Their mean is the model's prediction, and their disagreement is the mutual information, or `spread` of
    numbers. All members are used, so no chance is left for this model. `mc_error`, as for an `Ensemble`,
    estimates the distance to a model with very many members, made by the same procedure from the same
    training rows. The members of a vote are different models, a fixed set, so there `mc_error` is 0.
    `howsure.assess` uses this method by default for such models.

    A fully grown tree has no uncertainty of its own. Then all uncertainty of a forest is disagreement between
    trees, whatever its cause: `disagreement` tells nothing there, and `min_samples_leaf` changes it.
    """

    in_words = "The mean over all members of one model, such as the trees of a forest."
    choices = (Choice(PLAIN, "", lambda members, options: Members(), _is_estimator),)

    @property
    def settings(self) -> dict[str, Any]:
        """Name, and words about its members, as saved with a result."""
        words = {
            "passes": "members",
            "between": "members",
            "pass": "one member of the model, such as a tree of a forest",
            "more": "a model with {passes} members",
            **NO_NETWORK,
        }
        return {"name": "members", "words": words}

    @property
    def needs(self) -> Needs:
        """A model with members."""
        return Needs(MemberModel)

    def begin(self, job: Job) -> Passes:
        """Run every member once over each row."""

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            columns = len(job.outcome.families)
            most = max(1, tuning.LARGEST_FOLD // (job.model.members * columns))
            size = min(max(job.batch_size, tuning.BLOCK), most)
            run = Run(job.model, job.rows, numbers, job.outcome, job.seed, size)
            parts = []
            for chunk, inputs in run.batches(np.arange(len(numbers)), size):
                values = run.values(job.model.ask_members(inputs), chunk)
                parts.append(mean_over(values, job.outcome.take(numbers[chunk]), all_there=True))
                progress(len(chunk))
            if not parts:
                nothing = np.zeros((job.model.members, 0, job.outcome.width))
                parts.append(mean_over(nothing, job.outcome.take(numbers), all_there=True))
            job.paid(len(numbers))
            estimates = Estimates.joined(parts)
            if job.model.alike:
                return estimates
            exact = np.zeros_like(estimates.error)
            return replace(estimates, error=exact, squared_error=exact)

        return Passes(draw)


def is_plain(method: object) -> bool:
    """True if a method gives only the plain prediction of a model."""
    return isinstance(method, (Softmax, Members))
