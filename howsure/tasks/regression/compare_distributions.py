"""Parts of a comparison of quantiles, and of one of counts: their scores, what they claim, and words.

    quantiles  the pinball loss, averaged over levels: at each level it is least where the quantile is true,
               however answers are distributed (Koenker and Bassett 1978)
    counts     the NLL of the negative binomial distribution: what `howsure.calibrate` makes least, and,
               without over-dispersion, what a Poisson loss does. It punishes a count that is said to be
               nearly impossible; the CRPS, which stands beside it, hardly does

Counts are also compared with an over-dispersion that the other folds teach. Quantiles are compared as they
are: `howsure.prediction_intervals` corrects intervals, and no quantile alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np

from howsure.compare.comparison import Comparing, Comparison, ShiftWording, Wording
from howsure.compare.parts import Claims
from howsure.evaluation.paired import Comparable
from howsure.evaluation.score import OUTSIDE, Measured, Score
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.regression import counts
from howsure.tasks.regression.calibrate import DISPERSION
from howsure.tasks.regression.compare import (
    COMPARED,
    COMPARING,
    LEVEL,
    NumberWords,
    cross_calibrated,
    in_unit,
    mean_loss,
    scored,
    units,
)
from howsure.tasks.regression.quantiles import pairs_of
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import METRICS, pinball
from howsure.words import listed, rate

# --- words --------------------------------------------------------------------------------------------


class CountWords(NumberWords):
    """The words of counts; see `howsure.compare.comparison.Words`."""

    answers = "counts"
    given = "Expected counts that were given."
    notes: Mapping[str, str] = {
        **NumberWords.notes,
        "nll": "This is the NLL (negative log-likelihood) in nats{averaged}: the lower, the more probability "
        "a method gave to the true counts.",
    }

    def nothing(self, comparison: Comparison) -> str:
        """See `Words`."""
        return "Nothing could be compared: each method expects a count of 0 where the true one is not."

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The main score of the baseline, and its claims."""
        baseline = comparison.methods[0]
        value, _ = in_unit(comparison.score(baseline, self.main, rows))
        return f"{value}; {self.claimed(comparison.claims[baseline, rows])}"

    def claimed(self, claims: Claims) -> str:
        """See `Words`."""
        share = rate(claims.claimed, 0)
        return f"intervals for {share} of {self.answers} contain {rate(claims.true)} of them"


class QuantileWords(CountWords):
    """The words of quantiles; see `howsure.compare.comparison.Words`."""

    main = "pinball"
    called = ("a", "pinball loss")
    beside = ("mae", "MAE")
    answers = "answers"
    questions: Mapping[str, Wording] = {
        name: Wording(question, "the best score", f"{{it}} has {score} of {{value}}")
        for name, question, score in (
            ("pinball", "Whose quantiles lie best?", "a pinball loss"),
            ("mae", "Whose predictions lie closest to the answers?", "an MAE"),
        )
    }
    changed: Sequence[str] = ("pinball", "mae")
    short: Sequence[tuple[str, str]] = (("pinball loss", "pinball"), ("MAE", "mae"))
    advantage = "a lower pinball loss"
    given = "Quantiles that were given."
    shift: ShiftWording = replace(NumberWords.shift, said="The pinball loss of {baseline}")
    notes: Mapping[str, str] = {
        "pinball": "This is the pinball loss, averaged over the quantiles, {unit}{averaged}. It is least "
        "where each quantile is true.",
        "mae": "This is the MAE (mean absolute error) of the predictions alone, {unit}{averaged}.",
    }

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """See `Words`."""
        return f"have a pinball loss that is {self.gap(comparison, gap, self.main, than)}"


# --- scores and claims --------------------------------------------------------------------------------


def _of_counts(result: RegressionCertainty, truth: Floats, unit: Floats) -> dict[str, Measured]:
    of_crps = [counts.crps(*target) for target in zip(result.mean.T, result.std.T, truth.T, strict=True)]
    nll = mean_loss(counts.nll(result.mean, result.std, truth))
    return {"nll": nll, "crps": mean_loss(np.transpose(of_crps) / unit)}


def _of_quantiles(result: RegressionCertainty, truth: Floats, unit: Floats) -> dict[str, Measured]:
    assert result.answer_quantiles is not None
    return {"pinball": mean_loss(pinball(result.answer_quantiles, result.levels, truth) / unit)}


def _alone(levels: tuple[float, ...], values: Floats, truth: Floats, rows: Integers) -> tuple[Floats, Floats]:
    quantiles = np.sort(values.reshape(len(rows), truth.shape[1], len(levels)), axis=-1)
    losses = (pinball(quantiles, levels, truth[rows]) / units(truth)).mean(axis=1)
    return losses, np.full(len(losses), np.nan)


def _claims(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Claims:
    """The share of answers that intervals should hold, and do: the widest ones between quantiles."""
    del evaluation
    level = [LEVEL, *pairs_of(result.levels)][-1]
    ends = result.prediction_interval(level)
    held = float(np.mean((ends[..., 0] <= truth) & (truth <= ends[..., 1])))
    of_counts = not result.levels and float(np.mean(counts.claimed(result.mean, result.std, ends)))
    return Claims(of_counts or level, held, held)


# --- what is compared ---------------------------------------------------------------------------------


COMPARING_COUNTS: Comparing = replace(
    COMPARING,
    truth=lambda labels, rows, probe: counts.check_counts(COMPARING.truth(labels, rows, probe)),
    scored=partial(scored, of_answers=_of_counts),
    calibrated=partial(cross_calibrated, DISPERSION),
    completed=None,
    parts=lambda result, truth, evaluation: None,
    claims=_claims,
    metrics={
        **COMPARED,
        "nll": replace(
            COMPARED["nll"],
            good="lower is better",
            term="Negative log-likelihood, averaged over {{ kinds }}, in nats: minus the logarithm of the "
            "probability that a method gives to the true count. The distribution is Poisson, or negative "
            "binomial once over-dispersion is learnt.",
        ),
    },
    needs="true counts",
    words=CountWords(),
    answers="counts",
    instead="outputs='rates' reads what a model puts out as expected counts, 'log-rates' as their logarithms",
)

QUANTILE_WORDS = QuantileWords()


@cache
def comparing_quantiles(levels: tuple[float, ...]) -> Comparing:
    """How results with quantiles at these levels are scored side by side."""
    return replace(
        COMPARING_COUNTS,
        truth=COMPARING.truth,
        scored=partial(scored, of_answers=_of_quantiles),
        calibrated=None,
        alone=partial(_alone, levels),
        metrics={name: METRICS[name] for name in ("pinball", "mae", *OUTSIDE)},
        needs=COMPARING.needs,
        words=QUANTILE_WORDS,
        answers=f"quantiles {listed([f'{level:g}' for level in levels])}",
        instead="`howsure.RegressionCertainty.from_quantiles(q, levels)` takes those of any distribution; "
        "scipy.stats.norm.ppf(levels, mean[..., None], std[..., None]) gives those of a normal one",
    )
