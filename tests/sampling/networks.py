"""Networks in numpy whose passes cost what a test says, and which tell what was asked of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, ArrayTrunk, Dense, Dropout


@dataclass(frozen=True)
class Average:
    """The mean over positions, (…, P, F) to (…, F)."""

    def shape(self, *given):
        return (*given[0][:-2], given[0][-1])

    def run(self, values):
        return values.mean(axis=-2)


class Priced(ArrayModel):
    """A network whose levels cost these shares of a plain prediction, whatever they do."""

    def __init__(self, name, inputs, steps, costs, **settings):
        super().__init__(name, inputs, steps, **settings)
        self._costs = costs

    @property
    def levels(self):
        """As of any network, at the costs given."""
        pairs = zip(super().levels, self._costs, strict=True)
        return tuple(replace(level, cost=cost) for level, cost in pairs)


@dataclass(frozen=True, eq=False)
class CountingTrunk(ArrayTrunk):
    """A trunk that writes down what it is joined of.

    Attributes:
        joined: Grows by the numbers of rows of all parts, in order.
    """

    joined: list = field(default_factory=list)

    def join(self, others):
        self.joined.append([len(trunk) for trunk in (self, *others)])
        return super().join(others)


class Counting(Priced):
    """A network that writes down for how many rows at a time its trunk is computed, and joined."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.computed, self.joined = [], []

    def trunk(self, rows):
        """The trunk."""
        self.computed.append(len(rows[0]))
        return CountingTrunk(super().trunk(rows).values, self.joined)


def dense(random, inputs, outputs, activation="linear", spread=1.0):
    """A layer whose outputs vary about as much as its inputs, times `spread`."""
    weights = random.normal(0, spread / np.sqrt(inputs), (inputs, outputs))
    return Dense(weights, random.normal(0, 0.1 * spread, outputs), activation)


def late_is_cheap(costs=(0.3, 0.699, 0.001)):
    """As a CNN: a wide layer with dropout, then nine numbers with dropout again, and 60 rows for it.

    Three units speak for each class, so that some rows are certain whichever of them are dropped.
    """
    random = np.random.default_rng(5)
    first = dense(random, 4, 64, "relu", 2.2)
    second = np.tile(random.normal(0, 2.2 / np.sqrt(64), (64, 3)), 3)
    steps = {
        "first": (first, "x"),
        "early": (Dropout(0.2), "first"),
        "second": (Dense(second, 0.0, "relu"), "early"),
        "average": (Average(), "second"),
        "late": (Dropout(0.25), "average"),
        "output": (Dense(np.tile(np.eye(3), (3, 1)), 0.0, "softmax"), "late"),
    }
    x = random.normal(size=(60, 1, 4)) + 0.5 * random.normal(size=(60, 12, 4))
    return Priced("cnn", [InputSpec("x", (12, 4), "float32")], steps, costs), x.astype("float32")


def trunk_is_dear(costs=(0.9995, 0.0005), **settings):
    """What all passes share is nearly all of the work, and 90 rows from undecided to certain.

    The trunk is computed with 36 · 32 = 1,152 numbers for each row and holds 32.
    """
    random = np.random.default_rng(0)
    steps = {
        "first": (dense(random, 3, 32, "relu", 2.0), "x"),
        "average": (Average(), "first"),
        "drop": (Dropout(0.5), "average"),
        "output": (dense(random, 32, 3, "softmax", 4.0), "drop"),
    }
    scale = np.geomspace(0.1, 5, 90)[:, None, None]
    x = (scale * random.normal(size=(90, 36, 3))).astype("float32")
    return Counting("head", [InputSpec("x", (36, 3), "float32")], steps, costs, **settings), x


def same(a, b):
    """The same passes, and the same numbers up to the last bits of a float32."""
    np.testing.assert_array_equal(a.passes, b.passes)
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=3e-6)
    np.testing.assert_allclose(a.mc_error, b.mc_error, atol=3e-6)
    np.testing.assert_allclose(a.expected_entropy, b.expected_entropy, atol=1e-5)
