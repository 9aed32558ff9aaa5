"""A method that breaks a promise does not pass, and the message says which promise it is."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

import howsure
from howsure import InputError
from howsure.data.rows import InputSpec
from howsure.methods.protocol import Passes
from tests.support.arrays import ArrayModel, Dropout
from tests.support.cases import rows_of, two_layers
from tests.support.conformance import check_method


class Plain(howsure.Softmax):
    """A method of one pass, some part of which is broken below."""


class Nameless(Plain):
    settings: ClassVar = {"passes": 1}


class OtherSettings(Plain):
    """One whose settings are others each time they are read."""

    read = 0

    @property
    def settings(self):
        type(self).read += 1
        return {"name": "other settings", "read": self.read}


class NoSentence(Plain):
    in_words = "one pass"


class NeedsAType(Plain):
    needs: Any = howsure.Softmax


class Bare(Plain):
    """One that gives what draws its passes, and not `Passes`."""

    def begin(self, job):
        return super().begin(job).draw


@dataclass(frozen=True)
class Drawn(Plain):
    """One whose estimates are changed by a function of them, the job and the numbers of the rows.

    Args:
        change: From estimates, job and numbers (n,) to other estimates.
        counted: From the rows that were just finished to how many of them are told.
    """

    change: Any = lambda estimates, job, numbers: estimates
    counted: Any = int

    def begin(self, job):
        passes = super().begin(job)

        def draw(numbers, progress):
            found = passes.draw(numbers, lambda rows: progress(self.counted(rows)))
            return self.change(found, job, numbers)

        return Passes(draw)


class Backwards(Plain):
    """One that tells more rows than there are, and takes them back."""

    def begin(self, job):
        passes = super().begin(job)

        def draw(numbers, progress):
            progress(len(numbers))
            progress(-len(numbers))
            return passes.draw(numbers, progress)

        return Passes(draw)


class Overwrites(Plain):
    """One whose change of rows changes those of the caller."""

    def begin(self, job):
        def change(x):
            x += 1
            return x

        return super().begin(job.again(self, change=change))


class Unseeded(Plain):
    """One that draws once for each job, from a generator without a seed."""

    def begin(self, job):
        share = np.random.default_rng().random()
        return Drawn(shifted(lambda job, numbers: share)).begin(job)


class ByBatch(Plain):
    """One that draws once for each batch."""

    def begin(self, job):
        return Drawn(shifted(lambda job, numbers: job.batch_size % 7)).begin(job)


def changed(**changes):
    """What changes each of some attributes by a function of it."""

    def change(estimates, job, numbers):
        return replace(estimates, **{name: by(getattr(estimates, name)) for name, by in changes.items()})

    return change


def shifted(by):
    """What moves a little probability between the first classes, as `by` says of the job and the numbers."""

    def change(estimates, job, numbers):
        mean, share = estimates.mean.copy(), 1e-3 * by(job, numbers)
        mean[:, 0] *= 1 - share
        mean[:, 1] += estimates.mean[:, 0] - mean[:, 0]
        return replace(estimates, mean=mean)

    return change


def without_last(estimates, job, numbers):
    return estimates.take(np.arange(len(estimates) - 1))


def as_dict(estimates, job, numbers):
    return vars(estimates)


def noise(job, numbers):
    return np.random.default_rng().random(len(numbers))


BROKEN = {
    "nothing": (object(), "A method has all that `Method` names"),
    "no name": (Nameless(), "Its settings have a name"),
    "other settings": (OtherSettings(), "The result keeps the settings"),
    "no sentence": (NoSentence(), "Its words are a sentence"),
    "no needs": (NeedsAType(), "It says what it needs"),
    "no passes": (Bare(), "What it begins are `Passes`"),
    "no estimates": (Drawn(as_dict), "What it draws are `Estimates`"),
    "a missing row": (Drawn(without_last), "Every row has an estimate in every column"),
    "a spread of some rows": (
        Drawn(lambda estimates, job, numbers: replace(estimates, spread=estimates.mean[:-1])),
        "`spread` has a value for every row",
    ),
    "a missing column": (
        Drawn(changed(mean=lambda mean: mean[:, :-1])),
        "Every row has an estimate in every column",
    ),
    "no variance": (Drawn(changed(variance=lambda all_: all_[0])), "Every estimate has its `variance`"),
    "a negative error": (Drawn(changed(error=lambda error: error - 0.1)), "`error` is not below 0"),
    "a tiny error": (Drawn(changed(error=lambda error: error + 1e-9)), "no less than the least"),
    "unknown squared errors": (
        Drawn(changed(squared_error=lambda squared: squared * np.nan)),
        "Squared errors are finite",
    ),
    "NaN": (Drawn(changed(mean=lambda mean: mean * np.nan)), "Estimates are finite"),
    "no number of passes": (Drawn(changed(passes=np.sum)), "Every row has a number of passes"),
    "no pass": (Drawn(changed(passes=np.zeros_like)), "`passes` cannot be of a result"),
    "not in [0, 1]": (Drawn(changed(mean=lambda mean: 2 * mean)), "`probabilities` cannot be of a result"),
    "negative entropies": (
        Drawn(changed(mean=lambda mean: mean - np.eye(mean.shape[-1])[-2])),
        "`expected_entropy` cannot be of a result",
    ),
    "progress short": (Drawn(counted=lambda rows: rows - 1), "Progress counts every row once"),
    "progress twice": (Drawn(counted=lambda rows: 2 * rows), "Progress counts every row once"),
    "progress backwards": (Backwards(), "Progress goes forward"),
    "rows changed": (Overwrites(), "Rows are left as they were"),
    "unseeded": (Drawn(shifted(noise)), "Drawn again, rows have the same numbers"),
    "unseeded error": (
        Drawn(changed(error=lambda error: error + 0.1 + np.random.default_rng().random())),
        "Drawn again, rows have the same numbers",
    ),
    "begun unseeded": (Unseeded(), "The same seed gives the same numbers"),
    "batch size": (ByBatch(), "The batch size does not change the numbers"),
    "order": (
        Drawn(shifted(lambda job, numbers: numbers)),
        "The order of the rows does not change the numbers",
    ),
    "neighbours": (
        Drawn(shifted(lambda job, numbers: np.arange(len(numbers)))),
        "A row has the same numbers in another block",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_named(name):
    method, message = BROKEN[name]
    model = ArrayModel("network", [InputSpec("x", (4,), "float32")], two_layers(Dropout(0.4)))
    (x,) = rows_of((4,))
    with pytest.raises((AssertionError, InputError), match=message):  # a result refuses what it cannot be
        check_method(method, model, x)


def test_the_method_that_is_broken_here_is_sound_otherwise():
    model = ArrayModel("network", [InputSpec("x", (4,), "float32")], two_layers(Dropout(0.4)))
    (x,) = rows_of((4,))
    for method in (Plain(), Drawn()):
        check_method(method, model, x)
