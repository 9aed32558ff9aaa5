"""Methods whose true scores are known: what they say of drawn rows, and what their NLL comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax

from validation.intervals import OWN, World

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """How good a method is.

    Attributes:
        sharp: What it multiplies true logits by.
        blur: Standard deviation of noise of its own, unknown to its claims, beside the 1 that all have.
    """

    sharp: float
    blur: float = 0.0


def logits_of(of: World, truth: Integers, kinds: Sequence[Kind], random: np.random.Generator) -> list[Floats]:
    """(N, K) of each method; a truth of −1 is a stranger."""
    m = of.mean * np.exp(of.uneven * random.normal(size=len(truth)))[:, None]
    shared = np.sqrt(1 - OWN) * random.normal(size=(len(truth), of.classes))
    clear = m * np.concatenate([np.eye(of.classes), np.zeros((1, of.classes))])[truth] + shared
    spread = [np.sqrt(OWN + kind.blur**2) for kind in kinds]
    return [
        kind.sharp * m * (clear + each * random.normal(size=clear.shape))
        for kind, each in zip(kinds, spread, strict=True)
    ]


@dataclass(frozen=True)
class Effect:
    """A true effect.

    Attributes:
        value: Of many rows.
        error: Its standard error.
    """

    value: float
    error: float

    @property
    def sign(self) -> int:
        """0 where the rows cannot tell it from 0."""
        return 0 if abs(self.value) <= max(3 * self.error, 1e-9) else int(np.sign(self.value))


def mean_of(losses: Floats) -> Effect:
    """The mean of what rows lose."""
    return Effect(float(losses.mean()), float(losses.std() / np.sqrt(len(losses))))


@dataclass(frozen=True)
class Percentages:
    """The parts of the NLL of (N, P, K) logits with true classes (N, P), each (N,)."""

    logits: Floats
    truth: Integers

    def losses(self, beta: float = 1.0) -> Floats:
        """The NLL of each row at p^β / Σ p^β."""
        given = beta * self.logits
        of_true = np.take_along_axis(given, self.truth[..., None], axis=-1)[..., 0]
        return np.asarray((logsumexp(given, axis=-1) - of_true).mean(axis=1))

    @cached_property
    def beta(self) -> float:
        """The exponent of least NLL."""
        found = minimize_scalar(lambda log: self.losses(np.exp(log)).mean(), bounds=(-3, 3), method="bounded")
        return float(np.exp(found.x))

    @property
    def scale(self) -> Effect:
        """Logarithm of the best temperature."""
        logs = log_softmax(self.logits, axis=-1)
        q = softmax(self.beta * logs, axis=-1)
        mean = np.sum(q * logs, axis=-1)
        slope = (mean - np.take_along_axis(logs, self.truth[..., None], axis=-1)[..., 0]).mean(axis=1)
        curvature = float(np.mean(np.sum(q * logs**2, axis=-1) - mean**2))
        return Effect(-np.log(self.beta), mean_of(slope).error / (self.beta * curvature))

    @property
    def plain(self) -> Floats:
        """The NLL of saying of every answer that it is right as often as all are."""
        right = (self.logits.argmax(axis=-1) == self.truth).mean(axis=1)
        share, others = right.mean(), self.logits.shape[-1] - 1
        return np.asarray(-right * np.log(share) - (1 - right) * np.log((1 - share) / others))
