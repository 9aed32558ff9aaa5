"""Are the percentages true? Scores of a `Certainty` against labels, each with an interval.

Every score is a function of how often each row counts, so the bootstrap draws these counts and never
rows: groups of equal confidence are sorted once, and a replicate is a few products with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma
from scipy.stats import norm

from howsure.errors import InputError
from howsure.judge.labelled import BELOW_CHANCE, check_certainty, truth_of, truth_of_labels
from howsure.results.certainty import Certainty
from howsure.results.multilabel import MultilabelCertainty

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Key = TypeVar("Key")

RESAMPLES = 1000
"""Bootstrap replicates."""

AT_ONCE = 50
"""Replicates computed together; bounds memory."""

BINS = 15
"""Bins of equal mass for calibration errors, as in the literature."""

OUTSIDE = ("outside_auroc", "outside_fpr95", "outside_auroc_by_disagreement")
"""Scores of telling rows from outside; what is no probability, such as familiarity, has the first two."""

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities below count as this in the NLL, as in scikit-learn, so that a row costs 36 nats at most."""


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval over rows: from the bootstrap, where nothing else is said.

    Attributes:
        value: Of the rows as they are; NaN where it is not defined, as for a ranking without mistakes.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "not defined"
        if not np.isfinite(self.low + self.high) or self.low == self.high:
            return f"{self.value:.4g}"
        width = max(self.high - self.low, 1e-9)
        decimals = int(np.clip(1 - np.floor(np.log10(width)), 0, 6))
        value, low, high = (
            round(number, decimals) + 0.0 for number in (self.value, self.low, self.high)
        )  # + 0.0: no negative zero
        return f"{value:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval: of a difference, whether the rows can tell."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Evaluation:
    """How good the probabilities of some rows are.

    Intervals are over rows: how far the score of other rows like these may be. The error of the finite
    number of passes, which rows share, is not in them.

    Attributes:
        rows: How many.
        accuracy: Share of rows whose most probable class is true; higher is better.
        nll: Mean −log p(true class), nats (Good 1952); lower is better, as for all that follow but the
            resolution and the areas under ROC curves.
        brier: Mean Σ (p − y)² over classes, 0 to 2 (Brier 1950).
        brier_reliability: Its part from percentages that are not true, in bins, summed over classes
            (Murphy 1973).
        brier_resolution: What it gains from telling rows apart. brier = reliability − resolution +
            uncertainty, except for what varies within a bin (Stephenson and others 2008).
        brier_uncertainty: What it would be if only the class shares were known.
        ece: Mean |share right − confidence| over bins of equal mass (Naeini and others 2015), less what
            chance alone would bring (Kumar and others 2019).
        classwise_ece: The same of each class's probability, averaged over classes.
        aurc: Area under the risk-coverage curve: mean share of mistakes among the rows kept, over all numbers
            of rows kept, most certain first (Geifman and El-Yaniv 2017).
        excess_aurc: aurc less that of a perfect ranking with as many mistakes (Geifman and others 2019).
        error_auroc: Area under the ROC curve of 1 − confidence, for telling mistakes from right answers.
        error_fpr95: Share of mistakes still accepted where 95 % of the right answers are.
        outside_auroc: Area under the ROC curve of entropy, for telling rows from outside the distribution
            (Hendrycks and Gimpel 2017; by entropy, Lakshminarayanan and others 2017); NaN without such rows.
        outside_fpr95: Share of the rows from outside still accepted where 95 % of the others are.
        outside_auroc_by_disagreement: As outside_auroc, of mutual information; 0.5 where passes cannot
            disagree.
    """

    rows: int
    accuracy: Score
    nll: Score
    brier: Score
    brier_reliability: Score
    brier_resolution: Score
    brier_uncertainty: Score
    ece: Score
    classwise_ece: Score
    aurc: Score
    excess_aurc: Score
    error_auroc: Score
    error_fpr95: Score
    outside_auroc: Score
    outside_fpr95: Score
    outside_auroc_by_disagreement: Score
    _found: _Found

    def minus(self, other: Evaluation | OutsideEvaluation) -> dict[str, Score]:
        """Paired differences of all scores that both have, this less the other, over the same resampled rows.

        Raises:
            InputError: The two are not of the same rows with the same labels, or of another seed.
        """
        return self._found.minus(other._found)

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows"]
        width = 29 if len(self._found.outside) else 18
        for item in fields(self):
            score = getattr(self, item.name)
            if isinstance(score, Score) and (len(self._found.outside) or "outside" not in item.name):
                lines.append(f"{item.name.replace('_', ' '):<{width}} {score}")
        if self.accuracy.high < 1 / self._found.classes:
            lines.append(BELOW_CHANCE)
        return "\n".join(lines)


@dataclass(frozen=True)
class OutsideEvaluation:
    """How well a score that is no probability, such as familiarity, tells rows from outside the distribution.

    Attributes:
        outside_auroc: As in `Evaluation`, of the score in the place of entropy.
        outside_fpr95: Likewise.
    """

    outside_auroc: Score
    outside_fpr95: Score
    _found: _Found

    def minus(self, other: Evaluation | OutsideEvaluation) -> dict[str, Score]:
        """As of an `Evaluation`."""
        return self._found.minus(other._found)


@dataclass(frozen=True)
class MultilabelEvaluation:
    """How good the answers of a `MultilabelCertainty` are, label by label and on average.

    Each label is scored as rows of the two classes `no` and `yes`. So `brier` is (p − y)² of both, twice that
    of yes alone.

    Attributes:
        rows: How many.
        of_label: The `Evaluation` of each label, by name.
        mean: Mean of every score over the labels where it is defined, by name. Its interval is over rows: a
            resampled row brings all of its labels, so labels that are wrong together make it wider.
    """

    rows: int
    of_label: Mapping[str, Evaluation]
    mean: Mapping[str, Score]
    _found: _Found

    def minus(self, other: MultilabelEvaluation) -> dict[str, Score]:
        """Paired differences of the means, this less the other, over the same resampled rows.

        Raises:
            InputError: The two are not of the same rows with the same labels, or of another seed.
        """
        return self._found.minus(other._found)

    def __str__(self) -> str:
        names = ["mean over labels", *self.of_label]
        columns = [["", *names]]
        for score in ("accuracy", "nll", "brier", "ece"):
            of_labels = [str(getattr(each, score)) for each in self.of_label.values()]
            columns.append([score, str(self.mean[score]), *of_labels])
        widths = [max(map(len, column)) for column in columns]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
            for cells in zip(*columns, strict=True)
        )
        return "\n".join([f"{self.rows:,} rows, {len(self.of_label):,} labels", *lines])


@dataclass(frozen=True, eq=False)
class _Found:
    """What pairs need of each other."""

    values: Mapping[str, float]
    replicates: Mapping[str, Floats]
    row: Integers
    truth: Integers
    outside: Integers
    seed: int
    classes: int

    def is_paired_with(self, other: _Found) -> bool:
        return (
            self.seed == other.seed
            and np.array_equal(self.row, other.row)
            and np.array_equal(self.truth, other.truth)
            and np.array_equal(self.outside, other.outside)
        )

    def groups(self, outside: int) -> tuple[tuple[int, Sequence[int]], tuple[int, Sequence[int]]]:
        """Rows, and so many from outside, with the seeds of their counts."""
        return (len(self.truth), [self.seed]), (outside, [self.seed, 1])

    def scores(self) -> dict[str, Score]:
        """All scores with their intervals."""
        return {name: _score(value, self.replicates[name], least=0.0) for name, value in self.values.items()}

    def minus(self, other: _Found) -> dict[str, Score]:
        """See `Evaluation.minus`."""
        if not self.is_paired_with(other):
            raise InputError(
                "These evaluations cannot be compared row by row",
                expected="the same rows in the same order, the same labels and the same seed",
                received=f"{len(self.truth)} and {len(other.truth)} rows",
            )
        return {
            name: _score(value - other.values[name], self.replicates[name] - other.replicates[name])
            for name, value in self.values.items()
            if name in other.values
        }


@overload
def evaluate(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    outside: Certainty | None = None,
    seed: int = 0,
) -> Evaluation: ...
@overload
def evaluate(
    certainty: MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    outside: None = None,
    seed: int = 0,
) -> MultilabelEvaluation: ...
def evaluate(
    certainty: Certainty | MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    outside: Certainty | None = None,
    seed: int = 0,
) -> Evaluation | MultilabelEvaluation:
    """Score probabilities against true classes, or against which labels hold.

    Args:
        certainty: Of N ≥ 2 rows; of whatever method.
        labels: (N,) true classes, or (N, K) yes or no for a `MultilabelCertainty`; None takes
            `certainty.truth`.
        outside: Rows of the same method and classes that are of no class: from outside the distribution. Not
            for a `MultilabelCertainty`, where a row may well have none of the labels.
        seed: Seed of the bootstrap; the same one for evaluations that are to be compared.

    Raises:
        InputError: No labels, labels that do not fit, or fewer than two rows.

    Example:
        >>> dropout, plain = howsure.assess(model, x), howsure.assess(model, x, method=howsure.Softmax())
        >>> print(howsure.evaluate(dropout, labels))
        500 rows
        accuracy           0.914 (0.891 to 0.939)
        nll                0.232 (0.196 to 0.269)
        brier              0.119 (0.095 to 0.142)
        ...
        >>> print(howsure.evaluate(dropout, labels).minus(howsure.evaluate(plain, labels))["nll"])
        0.039 (0.030 to 0.047)
    """
    if isinstance(certainty, MultilabelCertainty):
        if outside is not None:
            raise InputError(
                "Rows from outside are for one class per row: where any number of labels may hold, a row of "
                "none is not from outside",
                expected="outside=None",
                mend="`evaluate(certainty.of_label(k), labels[:, k], outside=…)` asks it of one label",
            )
        return _evaluated_labels(certainty, truth_of_labels(certainty, labels), seed)
    truth = truth_of(certainty, labels)
    _check_enough(truth)
    if outside is not None:
        check_certainty(outside, certainty.class_names)
        if not len(outside):
            raise InputError("There are no rows from outside", expected="at least 1, or outside=None")
    values, replicates = _bootstrapped(_scores_of(certainty, truth), (len(truth), [seed]))
    found = _found_alone(values, replicates, certainty, truth, seed)
    alone = Evaluation(rows=len(truth), **found.scores(), _found=found)
    return alone if outside is None else with_outside(alone, certainty, outside)


def _check_enough(truth: NDArray[np.generic]) -> None:
    if len(truth) < 2:
        raise InputError("Too few rows to score", expected="at least 2", received=len(truth))


def _found_alone(
    values: dict[str, float], replicates: dict[str, Floats], certainty: Certainty, truth: Integers, seed: int
) -> _Found:
    """Without rows from outside."""
    return _Found(
        values | dict.fromkeys(OUTSIDE, np.nan),
        replicates | dict.fromkeys(OUTSIDE, np.full(RESAMPLES, np.nan)),
        certainty.row,
        truth,
        np.empty(0, dtype=np.int64),
        seed,
        certainty.probabilities.shape[-1],
    )


def _evaluated_labels(
    certainty: MultilabelCertainty, truth: NDArray[np.bool_], seed: int
) -> MultilabelEvaluation:
    """Each label as `evaluate` scores it, over rows that are resampled once for all labels."""
    _check_enough(truth)
    labels = range(len(certainty.label_names))
    each = [certainty.of_label(k) for k in labels]
    for one in each:
        check_certainty(one)
    true = truth.astype(np.int64)
    scorers = [_scores_of(one, true[:, k]) for k, one in enumerate(each)]

    def score(counts: Floats) -> dict[tuple[int, str], Floats]:
        return {(k, name): found for k in labels for name, found in scorers[k](counts).items()}

    values, replicates = _bootstrapped(score, (len(truth), [seed]))
    names = list(dict.fromkeys(name for _, name in values))
    of_label, mean_values, mean_replicates = {}, {}, {}
    for k, one in enumerate(each):
        of_one = {name: values[k, name] for name in names}
        found = _found_alone(of_one, {name: replicates[k, name] for name in names}, one, true[:, k], seed)
        of_label[certainty.label_names[k]] = Evaluation(rows=len(truth), **found.scores(), _found=found)
    for name in names:
        defined = [k for k in labels if np.isfinite(values[k, name])]
        mean_values[name] = float(np.mean([values[k, name] for k in defined])) if defined else np.nan
        drawn = [replicates[k, name] for k in defined] or [np.full(RESAMPLES, np.nan)]
        mean_replicates[name] = np.mean(drawn, axis=0)
    mean = _Found(mean_values, mean_replicates, certainty.row, true, np.empty(0, dtype=np.int64), seed, 2)
    return MultilabelEvaluation(rows=len(truth), of_label=of_label, mean=mean.scores(), _found=mean)


def with_outside(evaluation: Evaluation, certainty: Certainty, outside: Certainty) -> Evaluation:
    """What `evaluate` gives with rows from outside, from what it gave without: no other score is made again.

    Args:
        evaluation: Of `certainty`.
        certainty: Of N rows.
        outside: As for `evaluate`, already checked.
    """
    values, replicates = _bootstrapped(
        _scores_against(certainty, outside), *evaluation._found.groups(len(outside))
    )
    found = replace(
        evaluation._found,
        values={**evaluation._found.values, **values},
        replicates={**evaluation._found.replicates, **replicates},
        outside=outside.row,
    )
    return Evaluation(rows=evaluation.rows, **found.scores(), _found=found)


def told_apart(evaluation: Evaluation, scores: Floats, of_outside: Floats) -> OutsideEvaluation:
    """How well a score tells rows from outside, over the same resampled rows as an evaluation of both.

    Args:
        evaluation: Of N rows beside M from outside, in the same order.
        scores: (N,) higher is more familiar.
        of_outside: (M,) those of the rows from outside.
    """
    values, replicates = _bootstrapped(
        _scores_by(scores, of_outside), *evaluation._found.groups(len(of_outside))
    )
    found = replace(evaluation._found, values=values, replicates=replicates)
    return OutsideEvaluation(**found.scores(), _found=found)


def _bootstrapped(
    score: Callable[..., dict[Key, Floats]], *groups: tuple[int, Sequence[int]]
) -> tuple[dict[Key, float], dict[Key, Floats]]:
    """Scores with every row once, and `RESAMPLES` replicates of them.

    Args:
        score: From counts (B, N) of the rows of each group to scores (B,).
        groups: How many rows, and the seed of their counts.
    """
    once = score(*(np.ones((1, rows)) for rows, _ in groups))
    drawn = zip(*(_resampled(*group) for group in groups), strict=True)
    parts = [score(*counts) for counts in drawn]
    return (
        {name: float(value[0]) for name, value in once.items()},
        {name: np.concatenate([part[name] for part in parts]) for name in once},
    )


def _score(value: float, replicates: Floats, least: float = -np.inf) -> Score:
    """A value and its interval, not below `least`.

    The bootstrap's own bias is taken out: it adds noise, and some scores grow with noise.
    """
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or len(defined) < len(replicates) / 2:
        return Score(value, np.nan, np.nan)
    low, high = np.quantile(defined, [0.025, 0.975]) - defined.mean() + value
    return Score(value, max(float(low), least), float(high))


def _resampled(rows: int, seed: Sequence[int]) -> Iterator[Floats]:
    """(AT_ONCE, N) how often each row counts, `RESAMPLES` in all."""
    random = np.random.default_rng(seed)
    for _ in range(RESAMPLES // AT_ONCE):
        drawn = random.integers(0, rows, size=(AT_ONCE, rows))
        yield np.stack([np.bincount(each, minlength=rows) for each in drawn]).astype(np.float64)


def _scores_of(certainty: Certainty, truth: Integers) -> Callable[[Floats], dict[str, Floats]]:
    """From counts (B, N) to all scores (B,)."""
    p = certainty.probabilities
    rows, classes = p.shape
    right = (certainty.label == truth).astype(np.float64)
    true = np.zeros_like(p)
    true[np.arange(rows), truth] = 1
    of_true = p[np.arange(rows), truth]
    losses = np.stack(
        [right, -np.log(np.maximum(of_true, SMALLEST)), np.sum((p - true) ** 2, axis=1)], axis=1
    )
    top = _Binned(certainty.probability, right)
    each_class = [_Binned(p[:, k], true[:, k]) for k in range(classes)]
    ranked = _Ranked(certainty.probability, right)

    def score(counts: Floats) -> dict[str, Floats]:
        total = counts.sum(axis=1)
        accuracy, nll, brier = (counts @ losses / total[:, None]).T
        shares = counts @ true / total[:, None]
        parts = [binned.decomposed(counts) for binned in each_class]
        return {
            "accuracy": accuracy,
            "nll": nll,
            "brier": brier,
            "brier_reliability": np.sum([reliability for reliability, _ in parts], axis=0),
            "brier_resolution": np.sum([resolution for _, resolution in parts], axis=0),
            "brier_uncertainty": np.sum(shares * (1 - shares), axis=1),
            "ece": top.calibration_error(counts),
            "classwise_ece": np.mean([binned.calibration_error(counts) for binned in each_class], axis=0),
            **ranked.scores(counts),
        }

    return score


def _scores_against(
    certainty: Certainty, outside: Certainty
) -> Callable[[Floats, Floats], dict[str, Floats]]:
    """From counts (B, N) of rows and (B, M) of rows from outside to the scores (B,) of telling them apart."""
    by_entropy, by_disagreement = (
        _ranked_by(-getattr(certainty, of), -getattr(outside, of)) for of in ("entropy", "mutual_information")
    )

    def score(counts: Floats, of_outside: Floats) -> dict[str, Floats]:
        both = np.concatenate([counts, of_outside], axis=1)
        auroc, fpr95 = by_entropy.parted(both)
        return dict(zip(OUTSIDE, (auroc, fpr95, by_disagreement.parted(both)[0]), strict=True))

    return score


def _scores_by(scores: Floats, of_outside: Floats) -> Callable[[Floats, Floats], dict[str, Floats]]:
    """The same, without disagreement, of a score (N,) and (M,) that is higher within the distribution."""
    ranked = _ranked_by(scores, of_outside)
    return lambda *counts: dict(zip(OUTSIDE[:2], ranked.parted(np.concatenate(counts, axis=1)), strict=True))


def _ranked_by(scores: Floats, of_outside: Floats) -> _Ranked:
    """Rows and rows from outside by a score that is higher within the distribution."""
    inside = np.repeat([1.0, 0.0], [len(scores), len(of_outside)])
    return _Ranked(np.concatenate([scores, of_outside]), inside)


class _Binned:
    """Claims and what came true, in bins of about equal mass; equal claims share a bin.

    Args:
        claimed: (N,) probabilities.
        came_true: (N,) 0 or 1.
    """

    def __init__(self, claimed: Floats, came_true: Floats) -> None:
        edges = np.unique(np.quantile(claimed, np.arange(1, BINS) / BINS))
        self._bin = np.searchsorted(edges, claimed, side="right")
        members = np.eye(len(edges) + 1)[self._bin]
        self._sums = np.concatenate(
            [members, members * claimed[:, None], members * came_true[:, None]], axis=1
        )

    def _means(self, counts: Floats) -> tuple[Floats, Floats, Floats]:
        """(B, bins) mass, mean claim and share that came true; 0 in empty bins."""
        mass, claims, hits = np.split(counts @ self._sums, 3, axis=1)
        least = np.maximum(mass, 1)
        return mass, claims / least, hits / least

    def calibration_error(self, counts: Floats) -> Floats:
        """(B,) mean gap less what chance brings: E|N(gap, σ²)| − |gap| in each bin, at least 0."""
        mass, claim, hit = self._means(counts)
        gap = np.abs(hit - claim)
        sigma = np.sqrt(np.maximum(hit * (1 - hit), 1e-12) / np.maximum(mass, 1))
        by_chance = 2 * sigma * norm.pdf(gap / sigma) - 2 * gap * norm.sf(gap / sigma)
        share = mass / mass.sum(axis=1, keepdims=True)
        return np.asarray(np.maximum(np.sum(share * (gap - by_chance), axis=1), 0))

    def decomposed(self, counts: Floats) -> tuple[Floats, Floats]:
        """(B,) reliability and resolution of the Brier score of one class (Murphy 1973)."""
        mass, claim, hit = self._means(counts)
        share = mass / mass.sum(axis=1, keepdims=True)
        overall = np.sum(share * hit, axis=1, keepdims=True)
        return np.sum(share * (claim - hit) ** 2, axis=1), np.sum(share * (hit - overall) ** 2, axis=1)


class _Ranked:
    """Right and wrong answers in order of confidence, rows of equal confidence in one group.

    Args:
        confidence: (N,) higher is more certain.
        right: (N,) 0 or 1.
    """

    def __init__(self, confidence: Floats, right: Floats) -> None:
        self._order = np.argsort(-confidence, kind="stable")
        ordered = confidence[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._right = right[self._order]

    def _grouped(self, counts: Floats) -> tuple[Floats, Floats]:
        """(B, groups) right and wrong answers in each group."""
        counts = counts[:, self._order]
        right = np.add.reduceat(counts * self._right, self._starts, axis=1)
        return right, np.add.reduceat(counts * (1 - self._right), self._starts, axis=1)

    def parted(self, counts: Floats) -> tuple[Floats, Floats]:
        """(B,) area under the ROC curve, and share of the wrong ones accepted with 95 % of the right ones."""
        right, wrong = self._grouped(counts)
        rights, wrongs = right.sum(axis=1), wrong.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Of pairs of a right and a wrong answer those where the right one is more certain; equals half.
            right_before = np.cumsum(right, axis=1) - right
            auroc = np.sum(wrong * (right_before + right / 2), axis=1) / (rights * wrongs)
            accepted = np.argmax(np.cumsum(right, axis=1) >= 0.95 * rights[:, None], axis=1)
            still = np.cumsum(wrong, axis=1)[np.arange(len(wrong)), accepted] / wrongs
        undefined = (rights == 0) | (wrongs == 0)
        return np.where(undefined, np.nan, auroc), np.where(undefined, np.nan, still)

    def scores(self, counts: Floats) -> dict[str, Floats]:
        """(B,) what the ranking is worth."""
        right, wrong = self._grouped(counts)
        aurc = _area_under_risk(right, wrong)
        auroc, fpr95 = self.parted(counts)
        return {
            "aurc": aurc,
            "excess_aurc": aurc - _least_area(right.sum(axis=1), wrong.sum(axis=1)),
            "error_auroc": auroc,
            "error_fpr95": fpr95,
        }


def _area_under_risk(right: Floats, wrong: Floats) -> Floats:
    """(B,) mean risk over all numbers of rows kept; within a group of equals, of a random order."""
    size, done = right + wrong, np.cumsum(right + wrong, axis=1) - (right + wrong)
    before = np.cumsum(wrong, axis=1) - wrong
    # Σ over j = 1 … m of (e + r j) / (n + j), with n rows and e mistakes before, r the group's own risk:
    # r m + (e − r n) (H(n + m) − H(n)), where H is a harmonic number.
    risk = wrong / np.maximum(size, 1)
    harmonic = digamma(done + size + 1) - digamma(done + 1)
    return np.asarray(np.sum(risk * size + (before - risk * done) * harmonic, axis=1) / size.sum(axis=1))


def _least_area(rights: Floats, wrongs: Floats) -> Floats:
    """(B,) the same where all right answers come first."""
    total = rights + wrongs
    return np.asarray((wrongs - rights * (digamma(total + 1) - digamma(rights + 1))) / total)
