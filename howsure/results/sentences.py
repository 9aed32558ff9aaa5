"""One row of a result as a sentence that anyone can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from howsure.results import verdict as verdicts

if TYPE_CHECKING:
    from howsure.results.certainty import Row

REASON_IN_WORDS = {
    verdicts.AMBIGUOUS: "The {kind} itself is ambiguous.",
    verdicts.DISAGREEMENT: "The network does not know: its passes disagree.",
    verdicts.TOO_FEW_PASSES: "Not settled: more passes are needed.",
    verdicts.UNFAMILIAR: "The {kind} is unlike what the model has learned, so the percentage says little.",
}


def percent(probability: float, mc_error: float) -> str:
    """A probability in words, with the 95 % interval its passes allow: `51 ± 1 %`.

    One decimal is shown where the interval is that narrow. `> 99.9 %` and `< 0.1 %` stand for what
    would round to a whole. No interval is shown where it is unknown, or 0 as for a plain prediction.
    """
    value, margin = 100 * probability, 196 * mc_error
    if value >= 99.95 and not margin >= 0.95:
        return "> 99.9 %"
    if value < 0.05 and not margin >= 0.95:
        return "< 0.1 %"
    decimals = 0 if margin >= 0.95 else 1
    if not np.isfinite(margin) or margin == 0:
        return f"{value:.{decimals}f} %"
    shown = f"{max(margin, 0.1):.{decimals}f}"
    return f"{value:.{decimals}f} ± {shown} %"


def sentence_of(row: Row) -> str:
    """What the row most probably is, what else it could be, how sure that is, and why it is not sure."""
    top = percent(row.probability, float(row.mc_error[row.label]))
    rival = 100 * row.probabilities[row.runner_up]
    sentence = f"{top} '{row.label_name}'"
    if row.verdict != verdicts.SURE:
        sentence += f", or '{row.runner_up_name}' ({'< 1' if rival < 0.5 else f'{rival:.0f}'} %)"
    sentence += f": {row.verdict}."
    if row.reason is not None:
        sentence += " " + REASON_IN_WORDS[row.reason].format(kind=row.kind)
    return sentence
