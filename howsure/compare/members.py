"""The scores of the members of an ensemble alone, beside all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from howsure.compare.parts import ends_of
from howsure.judge.scores import LEAST_MISTAKES, UNKNOWN, Score, centred
from howsure.methods.ensemble import Ensemble
from howsure.methods.members import Hear
from howsure.methods.protocol import Job, Passes
from howsure.sampling.outcome import Floats, Integers

Alone = Callable[[Floats, Any, Integers], tuple[Floats, Floats]]
"""From the values (n, …, K) of a network, the true answers of all rows, and the numbers (n,) of its rows, to
(n,) its losses and (n,) its mistakes."""


@dataclass(frozen=True, eq=False)
class MemberLosses:
    """Losses of the members of an ensemble on the same rows, and of the mean of all.

    The loss is the NLL of classes, and the squared error of numbers.

    Attributes:
        losses: (M, N) of each member.
        together: (N,) of all together.
        wrong: (M, N) 1 where a member is wrong, or the share of positions where it is; NaN of numbers.
    """

    losses: Floats
    together: Floats
    wrong: Floats

    @property
    def best(self) -> int:
        """Number of the member with the lowest loss; the assessed model is 0."""
        return int(np.argmin(self.losses.mean(axis=1)))

    @property
    def alike(self) -> list[int]:
        """Members that have the same loss in every row; empty if no two have."""
        for one in range(len(self.losses)):
            same = [
                other
                for other in range(len(self.losses))
                if np.allclose(self.losses[one], self.losses[other], rtol=1e-5, atol=1e-8)
            ]
            if len(same) > 1:
                return same
        return []

    @property
    def shared(self) -> float:
        """Share of a member's mistakes that another one makes too, over all pairs; NaN without mistakes."""
        wrong = self.wrong
        both = np.einsum("in,jn->ij", wrong, wrong)
        own = np.einsum("in,in->i", wrong, wrong)
        pairs = ~np.eye(len(wrong), dtype=bool) & (own > 0)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.mean((both / own[:, None])[pairs])) if pairs.any() else np.nan

    def beside_the_best(self, confidence: float = 0.95) -> tuple[Score, Floats]:
        """The loss of all together less that of the best member, and (N,) what each row contributes to it.

        All together are better if they are better than each member (an intersection-union test, Berger 1982),
        and worse if they are worse than any (Bonferroni).
        """
        count, rows = self.losses.shape
        gaps = self.together - self.losses
        best = self.best
        value, parts = float(gaps[best].mean()), centred(gaps[best])
        mistakes = rows if np.isnan(self.wrong).any() else int(np.ceil(self.wrong.sum(axis=1).min()))
        if mistakes < LEAST_MISTAKES:
            return Score(value, *UNKNOWN), parts

        def ends(level: float) -> Floats:
            return np.array([ends_of(float(gap.mean()), centred(gap), level) for gap in gaps]).T

        low, high = ends(1 - (1 - confidence) / count)[0].max(), ends(confidence)[1].max()
        return Score(value, float(low), float(high)), parts


@dataclass(frozen=True)
class Heard(Ensemble):
    """An ensemble whose members are heard one by one."""

    hear: Hear = field(default=lambda numbers, values: None)

    def begin(self, job: Job, hear: Hear | None = None) -> Passes:
        """As the ensemble does."""
        return super().begin(job, hear or self.hear)


@dataclass(eq=False)
class Hearing:
    """Collects what each member says of the rows with true answers.

    Args:
        alone: The part of the kind of answer.
        truth: True answers of all rows.
    """

    alone: Alone
    truth: Any
    found: dict[int, list[tuple[Integers, Floats, Floats]]] = field(default_factory=dict)

    def __call__(self, numbers: Integers, members: Sequence[Floats]) -> None:
        """Score the members on a block of rows, and their mean as the last one."""
        for number, values in enumerate([*members, np.mean(members, axis=0)]):
            losses, wrong = self.alone(values, self.truth, numbers)
            self.found.setdefault(number, []).append((numbers, losses, wrong))

    def members(self) -> MemberLosses | None:
        """The members heard, or None."""
        if not self.found:
            return None
        order = np.argsort(np.concatenate([numbers for numbers, *_ in self.found[0]]), kind="stable")
        losses, wrong = (
            np.stack(
                [np.concatenate([part[which] for part in parts])[order] for parts in self.found.values()]
            )
            for which in (1, 2)
        )
        there = np.isfinite(losses).all(axis=0)
        return MemberLosses(losses[:-1, there], losses[-1, there], wrong[:-1, there])
