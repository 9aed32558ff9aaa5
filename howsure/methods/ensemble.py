"""Deep ensembles (Lakshminarayanan and others 2017): the mean of networks trained from different seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.softmax import Softmax
from howsure.results.certainty import Certainty, entropy_of
from howsure.sampling.balance import widening
from howsure.sampling.summary import ENTROPY_ERROR_FLOOR, ERROR_FLOOR, entropy_correction


@dataclass(frozen=True)
class Ensemble:
    """The model that is assessed, and models of the same kind that were trained from other seeds.

    Every member counts as one pass: their disagreement is the mutual information, and `mc_error` says how
    far this ensemble may be from one with very many members. With `each=MCDropout()` it is MC dropout of an
    ensemble, whose passes differ within members too.

    Args:
        others: At least one more model with the same inputs and outputs; the one that is assessed is
            the first member.
        each: How each member predicts: `Softmax()` or `MCDropout(…)`.

    Raises:
        InputError: No other model, or something else in the place of `each`.
    """

    others: Sequence[Any]
    each: Softmax | MCDropout = Softmax()  # noqa: RUF009 (frozen, so it may be shared)

    def __post_init__(self) -> None:
        if not isinstance(self.others, (list, tuple)) or not self.others:
            raise InputError(
                "`others` cannot be used",
                expected="a list of at least one more model, trained like the one that is assessed",
                received=f"{type(self.others).__name__}"
                + (" of none" if isinstance(self.others, (list, tuple)) else ""),
            )
        if not isinstance(self.each, (Softmax, MCDropout)):
            raise InputError(
                "`each` cannot be used",
                expected="howsure.Softmax() or howsure.MCDropout(…)",
                received=repr(self.each),
            )
        object.__setattr__(self, "others", tuple(self.others))

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as they are saved with a result."""
        return {"name": "ensemble", "members": 1 + len(self.others), "each": self.each.settings}

    def members(self, model: Any, x: Any) -> list[tuple[Any, Any]]:
        """Each model, and the rows it gets."""
        return [(member, x) for member in (model, *self.others)]


def combined(members: Sequence[Certainty], settings: Mapping[str, Any]) -> Certainty:
    """What several members say together, from what each says about the same rows.

    With p_m the probabilities and h_m the expected entropy of member m of M: the mean of p_m; entropy of
    the mean; the mean of h_m as expected entropy; and as error of each mean √(Σ (v_m − v)² / (M (M − 1))) ·
    t₀.₉₇₅(M − 1)/1.96, where v_m is p_m, −Σ p_m log p, h_m, or the difference of the last two.

    Args:
        members: M ≥ 2.
        settings: Of the method, to be kept with the result.
    """
    p = np.stack([member.probabilities for member in members])
    mean = p.mean(axis=0)
    surprise = -np.log(np.maximum(mean, np.finfo(np.float32).tiny))
    total = np.sum(p * surprise, axis=-1)
    expected = np.stack([member.expected_entropy for member in members])
    entropies = np.stack([total, expected, total - expected], axis=-1)
    widened = float(widening(len(members)))
    squared = p.var(axis=0, ddof=1) / len(members)
    of_entropies = widened * np.sqrt(entropies.var(axis=0, ddof=1) / len(members))
    entropy_error, expected_error, mutual_error = np.maximum(of_entropies, ENTROPY_ERROR_FLOOR).T
    return replace(
        members[0],
        probabilities=mean,
        mc_error=np.maximum(widened * np.sqrt(squared), ERROR_FLOOR),
        # Not above the entropy of the mean, where rounding would have it so.
        expected_entropy=np.minimum(expected.mean(axis=0), entropy_of(mean)),
        passes=np.sum([member.passes for member in members], axis=0),
        entropy_correction=entropy_correction(mean, squared),
        entropy_error=entropy_error,
        expected_entropy_error=expected_error,
        mutual_information_error=mutual_error,
        method=settings,
        plan=None,
    )
