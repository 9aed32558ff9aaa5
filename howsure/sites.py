"""Sites: the random calls of a model, and what each kind of them draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DROPOUT = "dropout"
ALPHA_DROPOUT = "alpha dropout"
GAUSSIAN_DROPOUT = "gaussian dropout"
GAUSSIAN_NOISE = "gaussian noise"
NORMAL = "normal numbers"
UNIFORM = "uniform numbers"
BERNOULLI_KINDS = (DROPOUT, ALPHA_DROPOUT)


@dataclass(frozen=True)
class Site:
    """One call of one random layer.

    Attributes:
        number: Its place among the random calls in the order of execution, from 0.
        name: Path of the layer; from the second call on with the number of the call, `encoder/drop#2`, and
            from the second draw in a call on with that of the draw, `lstm:2`.
        kind: `dropout`, `alpha dropout`, `gaussian dropout` or `gaussian noise`; `normal numbers` and
            `uniform numbers` are what a layer draws to make something of them itself.
        rate: Probability of dropping a unit in (0, 1]; for `gaussian noise` its standard deviation; 1 for
            plain numbers, which have mean 0 and standard deviation 1, or lie in [0, 1).
        shape: Shape of the mask for one row, broadcast over axes of size 1.
    """

    number: int
    name: str
    kind: str
    rate: float
    shape: tuple[int, ...]

    @property
    def in_words(self) -> str:
        """The site in words: `drops 25 %`."""
        if self.kind in BERNOULLI_KINDS:
            return f"drops {100 * self.rate:.4g} %" + (" (alpha)" if self.kind == ALPHA_DROPOUT else "")
        if self.kind == GAUSSIAN_DROPOUT:
            return f"multiplies by noise of sd {np.sqrt(self.rate / (1 - self.rate)):.3g}"
        if self.kind in (NORMAL, UNIFORM):
            return f"draws {self.kind}"
        return f"adds noise of sd {self.rate:.3g}"
