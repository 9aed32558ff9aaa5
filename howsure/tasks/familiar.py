"""How familiar each row of a result is, and what follows from that: the same for every kind that keeps it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from howsure.arguments import as_share
from howsure.errors import InputError
from howsure.inputs.align import aligned
from howsure.inputs.own_arrays import read_only
from howsure.inputs.rows import as_floats
from howsure.results.columns import FLOAT, PER_ROW, Column
from howsure.sampling.outcome import Booleans, Floats, Integers

FAMILIARITY = Column(
    *("familiarity", PER_ROW, FLOAT, "0 to 1"),
    "share of held-out rows that are no more familiar; None if it was not measured",
    optional=True,
)
"""The column of the results that keep it."""


class Familiar:
    """A result with the column `familiarity` and the setting `unfamiliar_share`."""

    row: Integers
    familiarity: Floats | None
    unfamiliar_share: float

    @property
    def unfamiliar(self) -> Booleans:
        """(N,) yes or no, whether `familiarity` is at most `unfamiliar_share`; no if not measured."""
        if self.familiarity is None:
            return read_only(np.zeros(len(self.row), dtype=bool))
        return read_only(self.familiarity <= self.unfamiliar_share)

    def check_familiarity(self) -> None:
        """Raise an `InputError` unless it was measured how familiar rows are."""
        if self.familiarity is None:
            raise InputError(
                "The familiarity of these rows was not measured",
                expected="a table with a column 'familiarity'",
                hint="Save one in Python: certainty.with_familiarity(…).save(path), see howsure.familiarity",
            )

    def with_familiarity(self, familiarity: ArrayLike, share: float = 0.01) -> Self:
        """The same with how familiar each row is, from which `unfamiliar` and a reason follow.

        Args:
            familiarity: (N,) shares in (0, 1], as `howsure.familiarity(…).percentile(…)` gives them.
            share: Largest share of a row that is unfamiliar.

        Raises:
            InputError: Wrong length, or no shares.

        Example:
            >>> train, held_out = howsure.features_of(model, x_train), howsure.features_of(model, x_held_out)
            >>> known = howsure.familiarity(train, labels_train, held_out, score="mahalanobis")
            >>> percentile = known.percentile(howsure.features_of(model, letters))
            >>> certainty = howsure.assess(model, letters).with_familiarity(percentile, share=known.share)
            >>> print(certainty[certainty.unfamiliar][0])
            53 ± 2 % '6', then '8' and '9' (18 to 21 % each): leaning.
        """
        called = "The familiarities"
        given = as_floats(aligned(familiarity, self, called, "familiarity"), called)
        if given.shape != (len(self.row),) or not np.all((given > 0) & (given <= 1)):
            raise InputError(
                "This is not how familiar these rows are",
                expected=f"{len(self.row)} shares above 0, at most 1, one per row",
                received=f"an array of shape {given.shape}"
                + (f", from {given.min():.3g} to {given.max():.3g}" if given.size else ""),
            )
        result: Any = self
        found: Self = result._changed({"familiarity": given, "unfamiliar_share": as_share(share, "share")})
        return found
