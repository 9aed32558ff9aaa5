"""Columns of outcomes that are distributions: probabilities, and three entropies of each distribution.

With K probabilities in D distributions a pass has C = K + 3 D columns:

    p_1 … p_K │ −Σ p log(reference), D of them │ entropy of the pass, D │ their difference, D

If the reference is the mean, the mean of the second kind is the entropy of the mean (total uncertainty). That
of the third is the expected entropy, that of the fourth the mutual information (Houlsby and others 2011). So
each of them has the error of a plain mean.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from howsure.sampling.outcome import Estimates, Floats, Outcome, ResultMetadata
from howsure.statistics import ENTROPY_ERROR_FLOOR, ERROR_FLOOR, LARGEST_ERROR, entropy_correction, entropy_of

SMALLEST = np.finfo(np.float32).tiny
"""Stands for a probability of 0 in a logarithm."""


class Distributions(Outcome):
    """Outcomes whose values are probabilities."""

    are_probabilities = True

    @property
    @abstractmethod
    def distributions(self) -> int:
        """D, how many distributions the K probabilities make."""

    @abstractmethod
    def entropy(self, probabilities: Floats) -> Floats:
        """(…, D) nats, entropies of the distributions (…, K)."""

    @abstractmethod
    def cross_entropy(self, probabilities: Floats, reference: Floats) -> Floats:
        """(…, D) nats, −Σ p log(reference) of distributions (…, K)."""

    @abstractmethod
    def correction(self, probabilities: Floats, squared_error: Floats) -> Floats:
        """(…, D) nats, what the entropies of means (…, K) with these squared errors lack on average."""

    @abstractmethod
    def least_moved(self, probabilities: Floats) -> Floats:
        """(…, D) the probability that the entropies of a distribution go by."""

    def derived(self, values: Floats, reference: Floats) -> Floats:
        """(W, n, 3 D) what the three entropies are means of."""
        total, own = self.cross_entropy(values, reference), self.entropy(values)
        return np.concatenate([total, own, total - own], axis=-1)

    @cached_property
    def families(self) -> tuple[int, ...]:
        """(C,) 0 for probabilities, 1 to 3 for the entropies."""
        of_entropies = (number for number in (1, 2, 3) for _ in range(self.distributions))
        return (*(0 for _ in range(self.width)), *of_entropies)

    @cached_property
    def least_error(self) -> tuple[float, ...]:
        """(C,) the floors of probabilities and of entropies."""
        return tuple(ENTROPY_ERROR_FLOOR if family else ERROR_FLOOR for family in self.families)

    def error_driver(self, mean: Floats) -> Floats:
        """(…, C) the class's own probability; for entropies that of `least_moved`."""
        probabilities = mean[..., : self.width]
        top = self.least_moved(probabilities)
        return np.concatenate([probabilities, top, top, top], axis=-1)

    def sensitivity(self, q: Floats) -> Floats:
        """(…, C) 1 for probabilities, and |log q| for entropies, which move by about so much."""
        moved = np.ones_like(q)
        moved[..., self.width :] = np.abs(np.log(q[..., self.width :]))
        return moved

    def regrouped(self, columns: Floats, mean: Floats) -> Floats:
        """(…, C) with the total entropy, and the mutual information, seen from `mean`."""
        probabilities, _, expected, _ = self.parts(columns)
        total = self.cross_entropy(probabilities, mean)
        return np.concatenate([probabilities, total, expected, total - expected], axis=-1)

    def spread(self, spread: Floats) -> Floats:
        """(…, C) variances over cells; that of the mutual information is the sum of those of both entropies.

        The mutual information of a cell depends on that cell alone.
        """
        found = spread.copy()
        _, total, expected, mutual = self.parts(found)
        mutual[:] = total + expected
        return found

    def shared_fields(self, estimates: Estimates, metadata: ResultMetadata) -> dict[str, Any]:
        """Fields that the results of these outcomes share, by name; entropies (N, D).

        Rounding must not lift the expected entropy above the entropy of the mean, so it is clipped there.
        """
        probabilities, _, expected, _ = self.parts(estimates.mean)
        mc_error, of_total, of_expected, of_mutual = self.parts(estimates.error)
        squared, *_ = self.parts(estimates.squared_error)
        return {
            "probabilities": probabilities,
            "mc_error": np.minimum(mc_error, LARGEST_ERROR),
            "expected_entropy": np.minimum(expected, self.entropy(probabilities)),
            "entropy_correction": self.correction(probabilities, squared),
            "entropy_error": of_total,
            "expected_entropy_error": of_expected,
            "mutual_information_error": of_mutual,
            "passes": estimates.passes,
            "spread": estimates.spread,
            "spread_error": estimates.spread_error,
            **vars(metadata),
        }

    def parts(self, columns: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """(…, K), and three times (…, D): probabilities, total, expected entropy, mutual information."""
        ends = self.width + self.distributions * np.arange(3)
        first, second, third, fourth = np.split(columns, ends, axis=-1)
        return first, second, third, fourth


class OneOfClasses(Distributions):
    """Outcomes of one distribution over K classes."""

    @property
    def distributions(self) -> int:
        """One."""
        return 1

    def entropy(self, probabilities: Floats) -> Floats:
        """(…, 1) nats."""
        return entropy_of(probabilities)[..., None]

    def cross_entropy(self, probabilities: Floats, reference: Floats) -> Floats:
        """(…, 1) nats."""
        surprise = -np.log(np.maximum(reference, SMALLEST))
        return np.asarray(np.einsum("...k,...k->...", probabilities, surprise)[..., None])

    def correction(self, probabilities: Floats, squared_error: Floats) -> Floats:
        """(…, 1) nats."""
        return entropy_correction(probabilities, squared_error)[..., None]

    def least_moved(self, probabilities: Floats) -> Floats:
        """(…, 1) that of the top class."""
        return np.asarray(probabilities.max(axis=-1, keepdims=True))
