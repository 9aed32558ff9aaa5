"""The checks of the seams see an adapter, a method or an outcome that is broken, and say what is broken."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.methods.protocol import Passes
from howsure.tasks.classification.outcome import Classes
from tests.kinds.kind import LIMITS, OUTCOME_NAMES, raw
from tests.support.arrays import ArrayModel, ArrayTrunk, Dropout
from tests.support.cases import rows_of, two_layers
from tests.support.conformance import check_adapter, check_method, check_outcome


class Network(ArrayModel):
    """One whose predictions, passes, masks or features are changed by a function of them."""

    def __init__(self, change=None, what=None):
        super().__init__("n", [InputSpec("x", (4,), "float32")], two_layers(Dropout(0.4)))
        self.change, self.what = change, what

    def changed(self, what, value):
        return self.change(value) if what == self.what else value

    def predict(self, rows):
        return self.changed("predictions", super().predict(rows))

    def thin(self, masks):
        passes = super().thin(self.changed("masks", masks))
        return lambda trunk: self.changed("passes", passes(trunk))

    def trunk(self, rows):
        return self.changed("trunk", super().trunk(rows))

    def features(self, rows):
        return self.changed("features", super().features(rows))


class Sorted(ArrayTrunk):
    def take(self, positions):
        return Sorted(super().take(np.sort(positions)).values)


class JoinedBackwards(ArrayTrunk):
    def join(self, others):
        first, *rest = [*others[::-1], self]
        return JoinedBackwards(ArrayTrunk(first.values).join(rest).values)


ADAPTERS = {
    "predictions of a batch": (
        "predictions",
        lambda outputs: outputs - outputs.mean(axis=0),
        "The plain prediction of a row is the same alone",
    ),
    "passes of a batch": (
        "passes",
        lambda outputs: outputs - outputs.mean(axis=1, keepdims=True),
        "`take` gives the trunk of the rows at its positions, alone",
    ),
    "order of passes": ("passes", lambda outputs: outputs[::-1].copy(), "Pass 0 of 3"),
    "drawn inside": (
        "passes",
        lambda outputs: outputs + np.random.default_rng().random(),
        "Same masks, same bits",
    ),
    "masks ignored": (
        "masks",
        lambda masks: [np.ones_like(masks[0]), *masks[1:]],
        "masks of random op 'drop' change the outputs",
    ),
    "masks in another order": ("masks", lambda masks: [mask[::-1] for mask in masks], "Pass 0 of 3"),
    "take": ("trunk", lambda trunk: Sorted(trunk.values), "`take` gives the trunk of the rows"),
    "join": ("trunk", lambda trunk: JoinedBackwards(trunk.values), "`join` gives the rows of all trunks"),
    "features": ("features", lambda features: (np.abs(features[0]), features[1]), "linear in its features"),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_broken_adapter(name):
    what, change, promise = ADAPTERS[name]
    with pytest.raises(AssertionError, match=promise):
        check_adapter(lambda: Network(change, what), rows_of((4,)))


@dataclass(frozen=True)
class Shifted(howsure.Softmax):
    """A method that moves a little probability between the first classes, as `by` says of job and numbers."""

    by: Any

    def begin(self, job):
        passes = super().begin(job)

        def draw(numbers, progress):
            drawn = passes.draw(numbers, progress)
            moved = 1e-3 * self.by(job, numbers) * drawn.mean[:, 0]
            drawn.mean[:, 0] -= moved
            drawn.mean[:, 1] += moved
            return drawn

        return Passes(draw)


METHODS = {
    "unseeded": (
        lambda job, numbers: np.random.default_rng().random(len(numbers)),
        "Drawn again, rows have the same numbers",
    ),
    "batch size": (lambda job, numbers: job.batch_size % 7, "The batch size does not change the numbers"),
    "order": (lambda job, numbers: numbers, "The order of the rows does not change the numbers"),
    "neighbours": (
        lambda job, numbers: np.arange(len(numbers)),
        "A row has the same numbers in another block",
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_broken_method(name):
    by, promise = METHODS[name]
    (x,) = rows_of((4,))
    with pytest.raises(AssertionError, match=promise):
        check_method(Shifted(by), Network(), x)


OUTCOMES = {
    "other passes": (
        "values",
        lambda values, *rest: values - values.mean(axis=0),
        "A pass is read by itself",
    ),
    "other rows": (
        "values",
        lambda values, raw, rows: values / (1 + np.arange(len(rows)))[:, None],
        "A row is read by itself",
    ),
    "always enough": (
        "is_enough",
        lambda enough, estimates, target: np.ones(len(estimates), bool),
        "No row has enough whose errors are infinite",
    ),
    "a row lost": (
        "result",
        lambda result, estimates, metadata: result[:-1],
        "The result has a row for each row",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_broken_outcome(name):
    method, change, promise = OUTCOMES[name]

    def changed(self, *arguments):
        return change(getattr(Classes, method)(self, *arguments), *arguments)

    broken = type("Broken", (Classes,), {method: changed})
    with pytest.raises(AssertionError, match=promise):
        check_outcome(broken("m", "probabilities", "float32", OUTCOME_NAMES, LIMITS), raw(5, "softmax"))
