"""What else could it be? Sets of classes that hold the true one as often as promised (split conformal).

The r-th smallest of n scores of labelled rows is the threshold. A new row, of the same kind as these, has a
score up to it with a probability of at least r / (n + 1) (Vovk and others 2005). The tests check the
thresholds against the library MAPIE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import betaincinv

from howsure.answers.classes.result import Certainty
from howsure.answers.classes.truth import check_certainty, truth_of, warn_below_chance
from howsure.arguments import check_choice
from howsure.data.rows import quoted
from howsure.errors import InputError
from howsure.sampling.outcome import Booleans, Floats
from howsure.words import UNIT, rate

SCORES = ("lac", "aps", "raps")

FREE = 2
"""Classes that RAPS takes in without a penalty: a coin flip is not punished."""

PENALTY = 0.1
"""What RAPS adds to the score for every class after these; one of the values tried in the paper."""

_TOLERANCE = 1e-9
"""Scores this much above a threshold count as equal to it, so that rounding does not part equals."""


@dataclass(frozen=True)
class PredictionSets:
    """Fitted prediction sets; called with a `Certainty`, they say which classes a row could be of.

    Attributes:
        score: `lac`, `aps` or `raps`.
        coverage: Promised share of rows whose set holds the true class.
        by_class: Whether that is promised of the rows of every class.
        threshold: K largest scores that are in the set, the same for all classes unless `by_class`.
        rows: Labelled rows they were fitted on.
        class_names: K names; sets are given for the same classes only.
        seed: Of the scores `aps` and `raps`.
        size: Mean number of classes in the sets of the labelled rows.
        least: Share of rows whose sets hold the true class, at least, with 95 % confidence over draws of the
            labelled rows; of those of every class with `by_class`.
        full: Share of these sets that hold all K classes, and so say nothing.
    """

    score: str
    coverage: float
    by_class: bool
    threshold: tuple[float, ...]
    rows: int
    class_names: tuple[str, ...]
    seed: int
    size: float = np.nan
    least: float = np.nan
    full: float = np.nan

    def __call__(self, certainty: Certainty) -> Booleans:
        """(N, K) booleans: which classes are in the set of each row.

        The most probable class is always in: a set without a class says nothing to its reader, and one class
        more can only raise the coverage.

        Args:
            certainty: Of N ≥ 0 rows, and the classes of the fit.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        check_certainty(certainty, self.class_names)
        scores = _scores_of_classes(certainty.probabilities, self.score, self.seed)
        sets = scores <= np.array(self.threshold) + _TOLERANCE
        sets[np.arange(len(certainty)), certainty.label] = True
        return np.asarray(sets)

    def in_words(self, certainty: Certainty) -> list[str]:
        """The set of each row as text, the most probable class first: `{8, 6}`.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        sets = self(certainty)
        order = np.argsort(-certainty.probabilities, axis=1, kind="stable")
        return [
            "{" + ", ".join(self.class_names[k] for k in ranked if inside[k]) + "}"
            for ranked, inside in zip(order, sets, strict=True)
        ]

    def __str__(self) -> str:
        of_each = " of every class" if self.by_class else ""
        said = (
            f"Sets that hold the true class of at least {100 * self.coverage:g} % of the rows{of_each} on "
            f"average. With these {self.rows:,} labelled rows they hold it for {_rounded_down(self.least)} "
            f"or more, with 95 % confidence. On average they hold {self.size:.2g} of "
            f"{len(self.class_names)} classes."
        )
        if self.full > 0:
            said += (
                f" On {rate(self.full)} of these rows they hold all classes, which says nothing: the model's "
                "percentages do not tell there what else it could be. Ask for less coverage, or improve "
                "the model."
            )
        return said


def prediction_sets(
    certainty: Certainty, labels: Any, *, coverage: float, score: str, by_class: bool, seed: int
) -> PredictionSets:
    """The part `prediction_sets` of one class per row; see `howsure.judge.sets.prediction_sets`."""
    check_choice(score, tuple(SCORES), "score")
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    names = certainty.class_names
    found = _scores_of_classes(certainty.probabilities, score, seed)[np.arange(len(truth)), truth]
    groups = [found[truth == k] for k in range(len(names))] if by_class else [found]
    _check_enough(groups, coverage, names if by_class else None)
    threshold = tuple(_threshold_of(group, coverage) for group in groups) * (1 if by_class else len(names))
    fitted = PredictionSets(score, coverage, bool(by_class), threshold, len(truth), names, int(seed))
    sizes = fitted(certainty).sum(axis=1)
    return replace(
        fitted,
        size=float(sizes.mean()),
        least=_surely_covered(groups, coverage),
        full=float(np.mean(sizes == len(names))),
    )


def _rounded_down(share: float) -> str:
    return f"{math.floor(1000 * share) / 10:g}{UNIT}"


def _scores_of_classes(probabilities: Floats, score: str, seed: int) -> Floats:
    """(N, K) score of every class in every row; a larger one is further from being in the set."""
    if score == "lac":
        return np.asarray(1 - probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    scores = np.cumsum(ranked, axis=1) - ranked + _fraction(probabilities, seed)[:, None] * ranked
    if score == "raps":
        scores += PENALTY * np.maximum(np.arange(1, ranked.shape[1] + 1) - FREE, 0)
    result = np.empty_like(scores)
    np.put_along_axis(result, order, scores, axis=1)
    return result


def _fraction(probabilities: Floats, seed: int) -> Floats:
    """(N,) the u of each row, in [0, 1): Σ_k f_k · log p_k modulo 1, with frequencies f from the seed.

    The frequencies are high enough to spread rows that hardly differ, and low enough that the rounding
    of 32-bit outputs hardly moves u.
    """
    frequency = np.random.default_rng(seed).uniform(100, 1000, size=probabilities.shape[1])
    return np.asarray(np.sum(frequency * np.log(np.maximum(probabilities, 1e-12)), axis=1) % 1.0)


def _check_enough(groups: Sequence[Floats], coverage: float, class_names: Sequence[str] | None) -> None:
    least = _least_rows(coverage)
    short = [k for k, group in enumerate(groups) if len(group) < least]
    if short:
        of_class = f" of class {quoted([class_names[k] for k in short])}" if class_names else ""
        raise InputError(
            f"Too few labelled rows{of_class} to promise a coverage of {100 * coverage:g} %",
            expected=f"at least {least:,}" + (" of every class" if class_names else ""),
            received=", ".join(f"{len(groups[k]):,}" for k in short[:12]),
            hint="Label more rows, or ask for less coverage",
        )


# --- what ranks promise ------------------------------------------------------------------------------


def _rank(rows: int, coverage: float) -> int:
    """⌈(n + 1) · coverage⌉; the rounding keeps 20 · 0.95 at 19."""
    return math.ceil(round((rows + 1) * coverage, 9))


def _least_rows(coverage: float) -> int:
    """The least n with ⌈(n + 1) · coverage⌉ ≤ n."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def _threshold_of(scores: Floats, coverage: float) -> float:
    """The score (n,) that at least this share of new rows do not exceed, on average."""
    place = _rank(len(scores), coverage) - 1
    return float(np.partition(scores, place)[place])


def _surely_covered(groups: Sequence[Floats], coverage: float) -> float:
    """What thresholds cover at least, in all groups at once, with 95 % confidence over draws of the scores.

    With the r-th smallest of n scores as threshold the share covered is Beta(r, n + 1 − r), or larger where
    scores may be equal (Vovk 2012).
    """
    level = 0.05 / len(groups)
    ranks = [(_rank(len(group), coverage), len(group)) for group in groups]
    return min(float(betaincinv(place, rows + 1 - place, level)) for place, rows in ranks)
