"""The view of a row on the page: of a volume one slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SliceView:
    """How a row is drawn: of a volume one slice across its first axis.

    Attributes:
        number: Number of the slice.
        count: How many there are; 0 where a row is no volume.
    """

    number: int = 0
    count: int = 0

    @property
    def said(self) -> str:
        """The slice in words; empty if there is none."""
        if not self.count:
            return ""
        return (
            f"slice {self.number} of 0 to {self.count - 1} along axis 0 is shown, the one with the most doubt"
        )

    def of(self, values: Any) -> Any:
        """(H, W, …) of a map (*P, …), or of a row with more or fewer positions along its axes."""
        if not self.count:
            return np.atleast_2d(values)
        return values[int((self.number + 0.5) * len(values) / self.count)]


def view_of(entropy: Any) -> SliceView:
    """How a row is drawn; of a volume, the slice that has the most doubt.

    Args:
        entropy: (*P) NaN where a position does not count.
    """
    if entropy.ndim < 3:
        return SliceView()
    doubt = np.nansum(entropy, axis=(1, 2), dtype=np.float64)
    return SliceView(int(np.argmax(doubt)), entropy.shape[0])
