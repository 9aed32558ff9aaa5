"""How a comparison of results of numbers per row is told: by its NLL, then CRPS and RMSE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from howsure.compare.comparison import LEAST_CALIBRATED, Comparison, ShiftWording, Wording
from howsure.compare.parts import ACCURACY, CALIBRATION, DISCRIMINATION, ORDER, Claims
from howsure.compare.sentences import besides, joined, quoted_list, scale_in_words, the, with_interval
from howsure.digits import measured, significant
from howsure.evaluation.score import Score
from howsure.words import counted, listed, rate, upper

LEVEL = 0.95
"""Level of the central intervals whose coverage is counted."""


class NumberWords:
    """The words of numbers per row; see `howsure.compare.comparison.Words`."""

    main = "nll"
    questions: Mapping[str, Wording] = {
        "nll": Wording(
            "Which method says best where an answer lies?", "the best score", "{it} has an NLL of {value}"
        ),
        "crps": Wording(
            "Whose predictions lie closest to the answers, with their uncertainty?",
            "the best score",
            "{it} has a CRPS of {value}",
        ),
        "rmse": Wording(
            "Whose predictions lie closest to the answers, without it?",
            "the best score",
            "{it} has an RMSE of {value}",
        ),
    }
    changed: Sequence[str] = ("nll", "rmse")
    short: Sequence[tuple[str, str]] = (("NLL", "nll"), ("CRPS", "crps"), ("RMSE", "rmse"))
    given = "Numbers that were given."
    shift = ShiftWording(
        "The NLL of {baseline}",
        "which method has the lowest, among those that are lower by more than chance",
        "{method} is {gap}",
        "no method is lower by more than chance",
    )
    reasons: Mapping[tuple[str, bool], str] = {
        (CALIBRATION, True): "its standard deviations fit its errors better",
        (CALIBRATION, False): "its standard deviations fit its errors worse",
        (ACCURACY, True): "its predictions lie closer to the answers",
        (ACCURACY, False): "its predictions lie farther from the answers",
        (ORDER, True): "it knows better which errors are large",
        (ORDER, False): "it knows less well which errors are large",
        (DISCRIMINATION, True): "its predictions say more, also once both are calibrated",
        (DISCRIMINATION, False): "its predictions say less, also once both are calibrated",
    }
    one_number = "One factor for all rows of a target does not change which of them are the widest."
    page = "regression/comparison.html.j2"

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """See `Words`."""
        baseline = comparison.methods[0]
        gap = comparison.difference(method, baseline, "nll")
        value, interval = apart(gap)
        text = f"Take {the(comparison, method)}: its NLL is {value} than that of {the(comparison, baseline)}"
        text += f" (95\u00a0% interval {interval})."
        where = f"But if {comparison.kind}s are {quoted_list(worse)}, its NLL is higher." if worse else ""
        return joined(text, besides(comparison, method, "rmse", "RMSE", apart), where)

    def keep(self, comparison: Comparison) -> str:
        """See `Words`."""
        baseline, *others = comparison.methods
        than = the(comparison, baseline)
        if not np.isfinite(comparison.score(baseline, "nll").value):
            return f"The NLL of {than} is not defined, so nothing can be compared with it."
        gaps = {name: comparison.difference(name, baseline, "nll") for name in others}
        gaps = {name: gap for name, gap in gaps.items() if np.isfinite(gap.value)}
        if not gaps:
            return f"Take {than}: the NLL of no other method is defined."
        nearest = min(gaps, key=lambda name: gaps[name].value)
        gap, name = gaps[nearest], the(comparison, nearest)
        if gap.value == 0:
            return f"Take {than}: the NLL of {name} is the same."
        if not gap.known:
            rows = counted(comparison.rows, comparison.kind)
            return f"Take {than}: {rows} are too few to tell whether another method has a lower NLL."
        value, interval = apart(gap)
        return (
            f"Take {than}: no other method here has a lower NLL by more than chance. The NLL of {name} is "
            f"{value} (95\u00a0% interval {interval})."
        )

    def nothing(self, comparison: Comparison) -> str:
        """See `Words`."""
        rows = comparison.rows
        if rows < LEAST_CALIBRATED:
            return (
                f"Nothing could be compared: to learn how far answers scatter takes {LEAST_CALIBRATED} "
                f"{comparison.kind}s with true numbers, and here are {rows:,}."
            )
        return "Nothing could be compared: no method says how far answers scatter, or all say they do not."

    def better_if(self, method: str) -> str:
        """See `Words`."""
        return f"{method} has a lower NLL"

    def doubt(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        return ""

    def value(self, comparison: Comparison, method: str, name: str, rows: str) -> str:
        """See `Words`."""
        return with_interval(*in_unit(comparison.score(method, name, rows)))

    def gap(self, comparison: Comparison, gap: Score, name: str, than: str) -> str:
        """See `Words`."""
        value, interval = apart(gap)
        return with_interval(f"{value} than that of {than}", interval)

    def note(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        if comparison.ranked(name).best is None:
            return ""
        targets = comparison.truth.shape[1]
        unit = "in the unit of the target"
        if targets > 1:
            unit = f"in standard deviations of the true numbers, averaged over {targets} targets"
        if name == "crps":
            return (
                f"This is the CRPS (continuous ranked probability score), {unit}. For a prediction without "
                "uncertainty it is the mean absolute error."
            )
        if name == "rmse":
            return f"This is the RMSE (root mean squared error) of the predictions alone, {unit}."
        averaged = f", averaged over {targets} targets" if targets > 1 else ""
        return joined(
            f"This is the NLL (negative log-likelihood) in nats{averaged}: the lower, the more probability a "
            "method gave to where the answers are. It depends on the prediction and on its standard "
            "deviation. Differences do not depend on the unit of the target.",
            _learned(comparison),
        )

    def cell(self, score: Score, per_cent: bool) -> tuple[str, str]:
        """See `Words`."""
        del per_cent  # none is a share
        return in_unit(score) if np.isfinite(score.value) else ("–", "")

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The NLL of the baseline, and how large its errors are beside what it claims."""
        value, _ = in_unit(comparison.score(comparison.methods[0], "nll", rows))
        claims = comparison.claims.get((comparison.methods[0], rows))
        if claims is None:
            return value
        return (
            f"{value}, with errors {significant(claims.true / claims.claimed, 2)} times as large as claimed"
        )

    def claimed(self, claims: Claims) -> str:
        """See `Words`."""
        return f"{rate(LEVEL, 0)} intervals contain {rate(claims.within)} of answers"

    def shifted_gap(self, comparison: Comparison, gap: Score) -> str:
        """See `Words`."""
        return with_interval(*apart(gap))

    def does(self, comparison: Comparison, gap: Score, than: str = "") -> str:
        """See `Words`."""
        value, interval = apart(gap)
        return (
            f"has an NLL that is {with_interval(f'{value} than that of {than}' if than else value, interval)}"
        )

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """See `Words`."""
        value, interval = apart(gap)
        return f"have a mean squared error that is {with_interval(f'{value} than that of {than}', interval)}"

    def amount(self, comparison: Comparison, gap: Score) -> str:
        """See `Words`: in nats."""
        return ", ".join(filter(None, apart(gap)))

    def of_scale(self, comparison: Comparison, method: str, scale: Score, it: str) -> str:
        """See `Words`."""
        return f"{it} is too {'sure' if scale.value > 0 else 'modest'} {self.scale_in_words(scale)}"

    def scale_in_words(self, scale: Score) -> str:
        """See `Words`."""
        value, low, high = scale_in_words(scale)
        times = f"{value} times as large as its standard deviations say"
        return f"(its errors are {times}, {low}\u00a0to\u00a0{high})"

    def gains(self, gaps: Mapping[Any, Score]) -> Mapping[Any, tuple[str, str]]:
        """How much lower the NLL of each method is."""
        return {key: apart(gap) for key, gap in gaps.items()}


def _learned(comparison: Comparison) -> str:
    """The methods that were given noise, a sentence; empty if none was."""
    names = [
        the(comparison, name)
        for name, result in comparison.certainties.items()
        if result.method.get("calibration", {}).get("method") == "noise"
    ]
    if not names:
        return ""
    does, their = ("do", "their") if len(names) > 1 else ("does", "its")
    return (
        f"{upper(listed(names))} {does} not say how far answers scatter, so howsure learned {their} noise "
        f"from the {comparison.kind}s with true numbers, by maximum likelihood. No {comparison.kind} is "
        "scored with noise that was learned from it."
    )


# --- numbers in sentences -----------------------------------------------------------------------------


def apart(gap: Score) -> tuple[str, str]:
    """A difference of two scores in words and its interval: `0.12 lower` and `0.08 to 0.16`."""
    if gap.value > 0:
        value, interval = in_unit(gap)
        return f"{value} higher", interval
    value, interval = in_unit(Score(-gap.value, -gap.high, -gap.low))
    return f"{value} lower", interval


def in_unit(score: Score) -> tuple[str, str]:
    """A number and its interval, or an empty text, with decimals that tell two digits of its width.

    A unit of the target that is a thousand times larger changes no digit.
    """
    texts = measured(score.value, score.low, score.high)
    value, low, high = (text.replace("-", "−") for text in texts)
    return value, f"{low}\u00a0to\u00a0{high}" if low else ""


NUMBER_WORDS = NumberWords()
