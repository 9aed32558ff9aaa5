"""What `assess` takes for classifiers that have no random layers: their prediction, or their members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure import tuning
from howsure.methods.members import mean_over
from howsure.methods.protocol import Integers, Job, Needs, Passes, Progress, Standing
from howsure.methods.softmax import Softmax
from howsure.models.protocol import MemberModel
from howsure.sampling.outcome import Estimates
from howsure.sampling.run import Run

NO_NETWORK = {"others": "", "familiarity": ""}
"""Words that say nothing of what helps with networks alone."""


@dataclass(frozen=True)
class PlainPrediction(Softmax):
    """The plain prediction of a classifier that is no network: what its `predict_proba` says.

    As `Softmax` for networks: one pass, which has no error, and cannot disagree with itself. `howsure.assess`
    takes it by itself for classifiers of scikit-learn that have no `Members`.
    """

    in_words = "The classifier’s plain prediction: one pass."

    @property
    def settings(self) -> dict[str, Any]:
        """Name, and words about its one pass, as they are saved with a result."""
        return {
            "name": "plain prediction",
            "words": {"pass": "the classifier’s plain prediction", **NO_NETWORK},
        }

    def begin(self, job: Job) -> Passes:
        """As of a network, in larger batches: a call costs more than the rows in it."""
        return super().begin(replace(job, batch_size=max(job.batch_size, tuning.BLOCK)))


@dataclass(frozen=True)
class Members:
    """Every member of a classifier that averages them is a pass: trees of a forest, a bagging, a soft vote.

    Their mean is the classifier's prediction, and how they disagree is the mutual information. All members
    are asked, so nothing of this classifier is left to chance. `mc_error` says, as that of an `Ensemble`, how
    far it may be from one with very many members that are made alike from the same training rows. The members
    of a vote are not made alike, so no more could be had: there it is 0. `howsure.assess` takes this method
    by itself for such classifiers.

    Trees that are grown to the end have no doubt by themselves. Then all doubt of a forest is disagreement
    between trees, whatever it comes from: `disagreement` tells nothing there, and `min_samples_leaf` changes
    it.
    """

    in_words = "The mean over all members of one classifier, such as the trees of a forest."

    @property
    def settings(self) -> dict[str, Any]:
        """Name, and words about its members, as they are saved with a result."""
        words = {
            "passes": "members",
            "between": "members",
            "pass": "one member of the classifier, such as a tree of a forest",
            "more": "a classifier with {passes} members",
            **NO_NETWORK,
        }
        return {"name": "members", "words": words}

    @property
    def needs(self) -> Needs:
        """Members."""
        return Needs(MemberModel)

    def begin(self, job: Job) -> Passes:
        """Every member once over each row."""

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            columns = len(job.outcome.families)
            most = max(1, tuning.LARGEST_FOLD // (job.model.members * columns))
            size = min(max(job.batch_size, tuning.BLOCK), most)
            run = Run(job.model, job.rows, numbers, job.outcome, job.seed, size)
            found = []
            for chunk, inputs in run.batches(np.arange(len(numbers)), size):
                values = run.values(job.model.ask_members(inputs), chunk)
                found.append(mean_over(values, job.outcome, all_there=True))
                progress(len(chunk))
            if not found:
                nothing = np.zeros((job.model.members, 0, job.outcome.width))
                found.append(mean_over(nothing, job.outcome, all_there=True))
            told = Estimates.joined(found)
            if job.model.alike:
                return told
            exact = np.zeros_like(told.error)
            return replace(told, error=exact, squared_error=exact)

        return Passes(draw)

    def why(self, standing: Standing) -> Iterator[str]:
        """Nothing: it is the classifier's own prediction."""
        return iter(())


def is_plain(method: object) -> bool:
    """Whether what a method gives is the plain prediction of a model, and nothing beyond it."""
    return isinstance(method, (Softmax, Members))
