"""A network and rows for each kind of answer, whose digits no machine changes; results are in `tests/kinds/`.

The networks hold halves and quarters, so that their layers compute without rounding. Only logarithms and
sums at the end round.
"""

from functools import partial

import numpy as np

from howsure.inputs.rows import InputSpec
from tests.kinds import KINDS, of_kind
from tests.kinds.kind import dropped, whole
from tests.support.arrays import ArrayModel, Dense

FEATURES, UNITS = 4, 6

CASES = {kind: of_kind(kind).golden for kind in KINDS}


def network(kind):
    """Two layers with dropout between them; at positions each position for itself."""
    of = of_kind(kind)
    first = (whole((FEATURES, UNITS), 9) - 5) / 4
    last = (whole((UNITS, len(of.names)), 9, 3) - 5) / 2
    steps = {
        "hidden": (Dense(first, 0.5, "relu"), "x"),
        "drop": (dropped(of, UNITS), "hidden"),
        "output": (Dense(last, 0.25, of.ending), "drop"),
    }
    inputs = InputSpec("x", (*of.shape[:-1], FEATURES), "float32")
    return ArrayModel(kind, [inputs], steps, trained_for=of.trained_for)


def rows(kind, count=12):
    shape = (count, *of_kind(kind).shape[:-1], FEATURES)
    return ((whole(shape, 17, 1) - 9) / 4).astype(np.float32)


globals().update({f"{kind}_network": partial(network, kind) for kind in KINDS})  # as commands name a model
