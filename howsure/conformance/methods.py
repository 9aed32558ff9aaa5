"""What every method must keep to."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.assess import assess, stream
from howsure.conformance.promises import require
from howsure.methods.protocol import Method, Needs

Array = NDArray[Any]

ROUNDING = 3e-6
"""How far two ways to one number may be apart, computed in float32."""


def check_method(method: Method, model: Any, x: Array) -> None:
    """Check all that `howsure.methods.protocol` promises, through `howsure.assess`.

    Args:
        method: What produces passes.
        model: A model that has what the method needs, of any framework or behind the seam.
        x: (N, …) rows for it, N ≥ 4, of which the first is not repeated.

    Raises:
        AssertionError: A promise is broken.
    """
    require(isinstance(method, Method), "A method has all that `Method` names", type(method).__name__)
    require(isinstance(method.needs, Needs), "It says what it needs", method.needs)
    require(method.in_words.endswith("."), "Its words are a sentence", method.in_words)
    settings = json.loads(json.dumps(dict(method.settings)))
    require(bool(settings.get("name")), "Its settings have a name", settings)
    given = x.copy()
    told: list[tuple[int, int]] = []
    result = assess(model, x, method=method, seed=3, progress=lambda done, total: told.append((done, total)))
    require(np.array_equal(x, given), "Rows are left as they were")
    require(len(result) == len(x), "Every row has an answer", len(result))
    require(told[-1] == (len(x), len(x)), "Progress ends when all rows are done", told[-1:])
    done = [rows for rows, _ in told]
    require(done == sorted(done), "Progress goes forward", done)
    require(
        dict(result.method) == dict(method.settings), "The result keeps the settings", dict(result.method)
    )
    _check_numbers(result)
    again = assess(model, x, method=method, seed=3)
    require(_near(again, result, 0.0), "The same seed gives the same numbers")
    by_two = assess(model, x, method=method, seed=3, batch_size=2)
    require(_near(by_two, result, ROUNDING), "The batch size does not change the numbers")
    order = np.arange(len(x))[::-1].copy()
    turned = assess(model, x[order], method=method, seed=3)
    require(_near(turned, result[order], ROUNDING), "The order of the rows does not change the numbers")
    none = assess(model, x[:0], method=method)
    require(len(none) == 0, "No rows give no answers", len(none))
    blocks = list(stream(model, x, method=method, seed=3))
    require(sum(map(len, blocks)) == len(x), "Blocks hold every row once", [len(block) for block in blocks])


def _check_numbers(result: Any) -> None:
    p = result.probabilities
    require(np.isfinite(p).all() and (p >= 0).all() and (p <= 1 + 1e-9).all(), "Probabilities lie in [0, 1]")
    require((result.passes >= 1).all(), "Every row has a pass", result.passes.min(initial=1))
    errors = result.mc_error[np.isfinite(result.mc_error)]
    require((errors >= 0).all(), "Errors are not below 0")
    most = np.log(p.shape[-1]) + 1e-9
    require((result.expected_entropy >= -1e-12).all(), "Expected entropies are not below 0")
    require((result.mutual_information >= -1e-12).all(), "Mutual information is not below 0")
    require((result.mutual_information <= result.entropy + 1e-9).all(), "It is no more than the entropy")
    require(
        (result.entropy <= most).all(),
        "Entropies are at most log K",
        float(np.max(result.entropy, initial=0)),
    )


def _near(one: Any, other: Any, allowed: float) -> bool:
    apart = float(np.max(np.abs(one.probabilities - other.probabilities), initial=0.0))
    return apart <= allowed and np.array_equal(one.passes, other.passes)
