"""The thresholds of the verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from howsure.arguments import as_number
from howsure.errors import InputError


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of the verdicts.

    Args:
        sure: Least top probability of a `sure` row, in (0.5, 1].
        coin_flip: Largest gap between the two top probabilities of a `coin flip`, in [0, 1).
    """

    sure: float = 0.95
    coin_flip: float = 0.20

    def __post_init__(self) -> None:
        for name in ("sure", "coin_flip"):
            object.__setattr__(self, name, as_number(getattr(self, name), name, "a number"))
        if not 0.5 < self.sure <= 1:
            raise InputError(
                "The threshold for 'sure' is out of range",
                expected="a probability above 0.5, at most 1",
                received=self.sure,
            )
        if not 0 <= self.coin_flip < 2 * self.sure - 1:
            raise InputError(
                "The threshold for 'coin flip' is out of range",
                expected=f"a gap of at least 0 and below {2 * self.sure - 1:.3g}, so that no row is "
                "both 'sure' and 'coin flip'",
                received=self.coin_flip,
            )
