"""A `MultilabelCertainty` of what others have computed: the ways into it that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from howsure.answers.registry import LABELS
from howsure.bare.results import of_passes, of_probabilities
from howsure.results.thresholds import Thresholds

if TYPE_CHECKING:
    from howsure.answers.labels.result import MultilabelCertainty


class LabelsFromElsewhere:
    """A `MultilabelCertainty` of probabilities, or passes, from any source."""

    @staticmethod
    def from_probabilities(
        p: ArrayLike | Any,
        label_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> MultilabelCertainty:
        """As `Certainty.from_probabilities`, where each of K labels holds or does not.

        Args:
            p: (N, K) 0 to 1, the probability that each label holds; any sums. A list, array, tensor or frame.
            label_names: K names in the order of the columns, or of the columns that are labels.
            source: Where they come from.
            thresholds: Where the verdicts lie.
            kind: What one row is.

        Raises:
            InputError: No numbers, NaN, or values outside of 0 to 1; names the rows.
        """
        found: MultilabelCertainty = of_probabilities(
            p, label_names, LABELS.part("given"), source, thresholds, kind
        )
        return found

    @staticmethod
    def from_passes(
        passes: ArrayLike | Iterable[Any],
        label_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> MultilabelCertainty:
        """As `Certainty.from_passes`, where each of K labels holds or does not.

        Args:
            passes: (S, N, K), or S times (N, K), S ≥ 2.
            label_names: As in `from_probabilities`.
            source: As there.
            thresholds: As there.
            kind: As there.

        Raises:
            InputError: As there; fewer than two passes, or of different shapes.
        """
        found: MultilabelCertainty = of_passes(
            passes, label_names, LABELS.part("given"), source, thresholds, kind
        )
        return found
