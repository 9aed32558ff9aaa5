"""Monte-Carlo dropout (Gal & Ghahramani 2016): what can be asked for, and when a row has enough passes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.results.verdict import Thresholds, judge
from howsure.sampling.plan import Plan

Floats = NDArray[np.float64]

DEFAULT_TARGET_ERROR = 0.01


@dataclass(frozen=True)
class MCDropout:
    """Passes through thinned networks: dropout stays on while predicting, everything else as trained.

    Either `passes` is given and every row gets exactly that many, or rows go on until each of their
    probabilities is known to `target_error` and their verdict is settled, or `max_passes`.

    Args:
        passes: T ≥ 2, or None for as many as each row needs.
        balanced: Over a small group of passes each unit is dropped as often as its rate says, which
            cuts the error of the mean two- to fourfold; False gives the textbook's independent passes.
        target_error: Largest standard error of a probability that is good enough, in (0, 0.5);
            None stands for 0.01. Not together with `passes`.
        max_passes: Where a row stops at the latest, ≥ 2; None stands for 400, or for three balanced
            groups where late layers get more masks than early ones. Not together with `passes`.
        gaussian_noise: Whether `GaussianNoise` layers are random too. They usually stand for noise
            in the data, not for doubt about the network.
        plan: What `howsure.plan` made, so that a row's numbers depend on no other row; None makes one
            from the rows that are assessed. Not together with `passes`, which needs none.

    Raises:
        InputError: An argument out of range, or `passes` together with what it makes void.
    """

    passes: int | None = None
    balanced: bool = True
    target_error: float | None = None
    max_passes: int | None = None
    gaussian_noise: bool = False
    plan: Plan | None = None

    def __post_init__(self) -> None:
        for name in ("passes", "max_passes"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
                raise InputError(
                    f"`{name}` cannot be used",
                    expected="a whole number of at least 2, as the error of a mean cannot be estimated "
                    "from fewer passes",
                    received=repr(value),
                )
        for name in ("balanced", "gaussian_noise"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(
                    f"`{name}` cannot be used", expected="True or False", received=repr(getattr(self, name))
                )
        number = isinstance(self.target_error, (int, float, np.floating))
        if self.target_error is not None and not (number and 0 < self.target_error < 0.5):
            raise InputError(
                "`target_error` is out of range",
                expected="a standard error of a probability, above 0 and below 0.5, such as 0.01",
                received=repr(self.target_error),
            )
        if self.plan is not None and not isinstance(self.plan, Plan):
            raise InputError(
                "`plan` cannot be used", expected="what howsure.plan(model, x) made", received=repr(self.plan)
            )
        void = [name for name in ("target_error", "max_passes", "plan") if getattr(self, name) is not None]
        if self.passes is not None and void:
            raise InputError(
                "`passes` gives every row the same number of passes, so "
                + " and ".join(f"`{name}`" for name in void)
                + " would have no effect",
                mend="Give either `passes`, or `target_error` and `max_passes`",
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as they are saved with a result."""
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "plan"}
        return {"name": "MC dropout", **{name: value for name, value in given.items() if value is not None}}

    @property
    def target(self) -> float:
        """The standard error that is good enough."""
        return DEFAULT_TARGET_ERROR if self.target_error is None else self.target_error

    def is_enough(self, probabilities: Floats, error: Floats, thresholds: Thresholds) -> NDArray[np.bool_]:
        """(n,) whether each row's probabilities are known well enough and its verdict is settled."""
        _, settled = judge(probabilities, error, thresholds)
        return np.asarray(np.all(error <= self.target, axis=-1) & settled)
