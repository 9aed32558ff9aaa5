"""A `Certainty` of what others have computed: the ways into it that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from howsure.answers.registry import CLASSES
from howsure.bare.results import of_passes, of_probabilities
from howsure.results.thresholds import Thresholds

if TYPE_CHECKING:
    from howsure.answers.classes.result import Certainty


class FromElsewhere:
    """A `Certainty` of probabilities, or passes, from any source."""

    @staticmethod
    def from_probabilities(
        p: ArrayLike | Any,
        class_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> Certainty:
        """The result of probabilities that something else computed: another library, a file, a person.

        They count as one pass. So `mc_error` is 0 and `mutual_information` 0, with an error of NaN: whether
        they are a mean, and of what, is not known. A row has no reason, and every verdict is settled.

        Where rows do not quite sum to 1, what their rounding explains is taken out, and nothing else. Numbers
        of a type of b bits are divided by their sum. Of numbers with d decimals, or d digits that count, what
        is missing is shared out so that each keeps its digits: 0.33, 0.33, 0.33 become thirds.

        Args:
            p: (N, K) 0 to 1, rows sum to 1; or (N,), the probability of the second of two classes. A list, an
                array, a tensor, or a data frame, whose columns are the classes, or whose one column is the
                second of two that `class_names` names; a column `y` holds true classes, and a column `id`, or
                an index that is more than numbers from 0, is kept as `ids`.
                Zero rows give zero rows.
            class_names: K names in the order of the columns. Of a frame with columns of these names they
                choose them, and their order; None takes its names, or '0' … 'K−1'.
            source: Where they come from, kept in `method`.
            thresholds: Where `sure` and `coin flip` lie; None stands for 0.95 and 0.20.
            kind: What one row is, in sentences.

        Raises:
            InputError: No numbers, NaN, values outside of 0 to 1, or sums that rounding does not explain;
                names the rows and what the numbers may be: logits, percentages, sigmoids of several labels.

        Example:
            >>> given = howsure.Certainty.from_probabilities([[0.51, 0.47, 0.02]], ["8", "6", "3"])
            >>> print(given[0])
            51.0 % '8', or '6' (47 %): coin flip.
        """
        found: Certainty = of_probabilities(p, class_names, CLASSES.part("given"), source, thresholds, kind)
        return found

    @staticmethod
    def from_passes(
        passes: ArrayLike | Iterable[Any],
        class_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str = "row",
    ) -> Certainty:
        """The result of S independent passes: of thinned networks, ensemble members, or posterior draws.

        `probabilities` is their mean, `mc_error` its standard error √(Σ (p_s − mean)² / (S (S − 1))), widened
        by t₀.₉₇₅(S − 1)/1.96 so that ± 1.96 of it covers 95 %, and 0.0005 at least. It covers less where few
        passes are skewed, as near 0. `expected_entropy` is the mean of their entropies, and what the entropy
        of the mean has beyond it is `mutual_information`, with the correction for finitely many passes.
        Passes that balance each other, as those of `MCDropout` do unless told otherwise, have less error.

        Args:
            passes: (S, N, K), S ≥ 2; or S times (N, K), each as `from_probabilities` takes it. An iterator of
                them is read once, and after its first 32 nothing is kept of it but sums.
            class_names: As in `from_probabilities`.
            source: As there.
            thresholds: As there.
            kind: As there.

        Raises:
            InputError: As from `from_probabilities`; fewer than two passes, or of different shapes.

        Example:
            >>> passes = np.array([[[0.9, 0.1]], [[0.7, 0.3]], [[0.8, 0.2]], [[0.8, 0.2]]])
            >>> print(howsure.Certainty.from_passes(passes, ["cat", "dog"])[0])
            80 ± 13 % 'cat', or 'dog' (20 %): leaning. Most of the doubt is in every pass ...
        """
        found: Certainty = of_passes(passes, class_names, CLASSES.part("given"), source, thresholds, kind)
        return found
