"""A `Comparison` as sentences: which method is better here, by how much, whether the rows can tell, and why.

Every sentence follows from paired intervals. Where these hold 0, no difference is claimed: a method "may be
as good", or the rows "cannot tell".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from howsure.compare import AS_THEY_ARE, CALIBRATED, HIGHER_IS_BETTER, Comparison
from howsure.dropout.method import MCDropout
from howsure.evaluate import Score
from howsure.methods.ensemble import Ensemble
from howsure.methods.softmax import Softmax
from howsure.report.words import UNIT, counted, rate, value_and_interval

QUESTIONS = {
    "nll": ("Whose percentages are truest?", "the truest percentages", "NLL"),
    "aurc": ("Who knows best when it is wrong?", "the best order from certain to doubtful", "AURC"),
    "accuracy": ("Who is right most often?", "the most right answers", "accuracy"),
}
"""Heading, what the best one has, and name of the score."""


@dataclass(frozen=True)
class Finding:
    """An answer to one question.

    Attributes:
        question: A heading.
        answer: One sentence or a few.
    """

    question: str
    answer: str


def lead(comparison: Comparison) -> str:
    """The comparison in one sentence.

    The method it names is the cheapest of those that are truer than the yardstick by more than chance and may
    be as good as the best.
    """
    yardstick = comparison.methods[0]
    ranking = comparison.ranked("nll")
    if len(comparison.methods) == 1:
        return f"There is only {the(yardstick)}, so there is nothing to compare."
    if ranking.best is None:
        return "Nothing could be compared."
    truer = better(comparison, "nll")
    if not truer:
        return f"Take {the(yardstick)}: nothing else here has truer percentages by more than chance."
    among = [method for method in truer if method in ranking.tied] or truer
    chosen = min(among, key=lambda method: comparison.costs[method])
    return f"Take {the(chosen)}: its percentages are truer than those of {the(yardstick)}."


def better(comparison: Comparison, name: str, rows: str = AS_THEY_ARE) -> list[str]:
    """Methods whose score is better than that of the yardstick by more than chance, in order of methods."""
    found = []
    for method in comparison.methods[1:]:
        gap = comparison.difference(method, comparison.methods[0], name, rows)
        if gap.excludes_zero and (gap.value > 0) == (name in HIGHER_IS_BETTER):
            found.append(method)
    return found


def findings(comparison: Comparison) -> list[Finding]:
    """The answers, in the order in which they matter."""
    found = [Finding(QUESTIONS[name][0], _ranked(comparison, name)) for name in QUESTIONS]
    shifted = [name for name in comparison.sets if name != AS_THEY_ARE]
    if shifted:
        found.append(Finding("When something has changed", _under_shift(comparison, shifted)))
    found += [Finding(f"Who notices '{name}'?", _strangers(comparison, name)) for name in comparison.outside]
    reasons = list(why(comparison))
    if reasons:
        found.append(Finding("Why?", " ".join(reasons)))
    costs = _costs(comparison)
    if costs:
        found.append(Finding("What does it cost?", costs))
    return found


def why(comparison: Comparison) -> Iterator[str]:
    """What explains the differences there are; nothing where there are none."""
    yardstick = comparison.methods[0]
    for name in comparison.methods:
        if name.endswith(CALIBRATED):
            base = name.removesuffix(CALIBRATED)
            if base == yardstick:
                yield from _why_calibrated(comparison, name, base)
        elif name != yardstick:
            kind = comparison.kinds[name]
            if isinstance(kind, MCDropout):
                yield from _why_dropout(comparison, name, yardstick)
            elif isinstance(kind, Ensemble) and isinstance(kind.each, Softmax):
                yield from _why_ensemble(comparison, name, yardstick)


def _why_calibrated(comparison: Comparison, name: str, base: str) -> Iterator[str]:
    nll = comparison.difference(name, base, "nll")
    temperature = float(comparison.certainties[name].method["calibration"]["temperature"])
    if not nll.excludes_zero:
        yield (
            f"What calibration changes in {the(base)} may be chance: these {comparison.kind}s show nothing "
            f"that it mends (temperature {temperature:.2f}, where 1 changes nothing)."
        )
        return
    if nll.value > 0:
        yield f"Calibration made {the(base)} worse, as it does where there is nothing to mend."
        return
    claims = "lowers percentages that claimed too much" if temperature > 1 else "raises modest percentages"
    yield (
        f"Calibration {claims} (temperature {temperature:.2f}) and so mends how high they are. It is one "
        "number for all rows, so it hardly changes their order: it cannot tell which answers are wrong."
    )


def _why_dropout(comparison: Comparison, name: str, yardstick: str) -> Iterator[str]:
    claimed = float(np.mean(comparison.certainties[name].probability))
    claimed_before = float(np.mean(comparison.certainties[yardstick].probability))
    right = comparison.score(name, "accuracy")
    modest = claimed < right.low and claimed < claimed_before
    if modest:
        yield (
            f"{_upper(the(name))} is too modest: it claims {rate(claimed)} on average and is right on "
            f"{rate(right.value)}, where {the(yardstick)} claims {rate(claimed_before)}. The mean over "
            "thinned networks, each weaker than the whole, lowers percentages also where the whole network "
            "is right."
        )
    order = comparison.difference(name, yardstick, "aurc")
    if order.excludes_zero and order.value < 0:
        yield (
            f"{'But it' if modest else _upper(the(name))} orders {comparison.kind}s better: where "
            "thinned networks contradict each other, the answer is more often wrong, and a single pass "
            "cannot see that."
        )


def _why_ensemble(comparison: Comparison, name: str, yardstick: str) -> Iterator[str]:
    nll = comparison.difference(name, yardstick, "nll")
    accuracy = comparison.difference(name, yardstick, "accuracy")
    if not (nll.excludes_zero and nll.value < 0):
        return
    also = " and is right more often" if accuracy.excludes_zero and accuracy.value > 0 else ""
    yield (
        f"{_upper(the(name))} has truer percentages{also}: networks trained from other starts make other "
        "mistakes, which their mean evens out."
    )
    thinned = [each for each in comparison.methods if isinstance(comparison.kinds[each], MCDropout)]
    gaps = [comparison.difference(name, each, "nll") for each in thinned]
    if gaps and all(gap.excludes_zero and gap.value < 0 for gap in gaps):
        yield "Thinned versions of one network share most of its mistakes, so dropout sees less of that."


def _ranked(comparison: Comparison, name: str) -> str:
    _, has, score = QUESTIONS[name]
    ranking = comparison.ranked(name)
    yardstick = comparison.methods[0]
    rows = counted(len(comparison.truth), comparison.kind)
    if ranking.best is None:
        return f"That is not defined for these {rows}."
    first = _upper(the(ranking.best))
    values = f"{score} {_shown(comparison, ranking.best, name)}"
    if len(comparison.methods) == 1:
        return f"There is only {the(yardstick)}: {values}."
    if len({comparison.score(method, name).value for method in comparison.methods}) == 1:
        return f"{_upper(rows)} cannot tell: all are equal, with {values}."
    others = [method for method in ranking.tied if method not in (ranking.best, yardstick)]
    surely = better(comparison, name)
    if len(ranking.tied) == len(comparison.methods):
        said = (
            f"{_upper(rows)} cannot tell who is best: {the(ranking.best)} comes first with {values}, and "
            "each of the others may be as good."
        )
        return _joined(said, _better_than(yardstick, surely))
    said = f"{first} {'comes first' if len(ranking.tied) > 1 else f'has {has}'}: {values}."
    if ranking.best == yardstick:
        return _joined(said, _as_good(others))
    its = _shown(comparison, yardstick, name)
    if yardstick in ranking.tied:
        said += f" But {the(yardstick)} may be as good: {its}."
        return _joined(said, _as_good(others), _better_than(yardstick, surely))
    gap = _difference(comparison, ranking.best, yardstick, name)
    return _joined(said, f"{_upper(the(yardstick))} has {its}, a difference of {gap}.", _as_good(others))


def _as_good(others: Sequence[str]) -> str:
    return f"{_upper(_listed(others))} may be as good." if others else ""


def _better_than(yardstick: str, surely: Sequence[str]) -> str:
    return f"Better than {the(yardstick)} by more than chance: {_listed(surely)}." if surely else ""


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _under_shift(comparison: Comparison, shifted: Sequence[str]) -> str:
    yardstick = comparison.methods[0]
    parts = []
    for rows in shifted:
        right = rate(comparison.score(yardstick, "accuracy", rows).value)
        start = f"{_upper(rows)}: {the(yardstick)} is right on {right}"
        truer = better(comparison, "nll", rows)
        if len(comparison.methods) == 1:
            parts.append(f"{start}.")
        elif not truer:
            parts.append(f"{start}, and nothing has truer percentages by more than chance.")
        else:
            first = min(truer, key=lambda method: comparison.score(method, "nll", rows).value)
            gap = comparison.difference(first, yardstick, "nll", rows)
            parts.append(
                f"{start}; {the(first)} has truer percentages, by {_size(gap)} nats per {comparison.kind}."
            )
    return " ".join(parts)


def _strangers(comparison: Comparison, rows: str) -> str:
    yardstick = comparison.methods[0]
    ranking = comparison.ranked("outside_auroc", rows)
    if ranking.best is None:
        return "That is not defined."
    value = comparison.score(ranking.best, "outside_auroc", rows)
    said = (
        f"Of a pair of one of '{rows}' and one of the {comparison.kind}s here, {the(ranking.best)} finds "
        f"the stranger the more doubtful in {_share(value)} of cases (half is a guess)."
    )
    if yardstick == ranking.best:
        others = [method for method in ranking.tied if method != yardstick]
        return _joined(said, _as_good(others))
    its = _share(comparison.score(yardstick, "outside_auroc", rows))
    if yardstick in ranking.tied:
        return f"{said} {_upper(the(yardstick))} may be as good ({its})."
    return f"{said} {_upper(the(yardstick))} does in {its}."


def _costs(comparison: Comparison) -> str:
    """What methods cost; empty where there is only the plain softmax."""
    calibrated = any(name.endswith(CALIBRATED) for name in comparison.methods)
    free = "Calibration costs next to nothing." if calibrated else ""
    shown = [
        name
        for name in comparison.methods
        if not name.endswith(CALIBRATED) and comparison.kinds[name] != Softmax()
    ]
    if not shown:
        return free
    if not all(np.isfinite(comparison.costs[name]) for name in shown):
        return _joined("Not measured: costs are told in plain predictions, and none was made.", free)
    costs = _listed([f"{name} {comparison.costs[name]:.1f}" for name in shown], quoted=False)
    rows = f"{len(comparison.truth):,} {comparison.kind}s"
    return _joined(f"In plain predictions, measured once, here, for all {rows}: {costs}.", free)


def _shown(comparison: Comparison, method: str, name: str) -> str:
    """A score with its interval; the accuracy in per cent."""
    return _with_interval(comparison.score(method, name), name, UNIT)


def _difference(comparison: Comparison, method: str, other: str, name: str) -> str:
    """A paired difference with its interval and sign; of accuracies in points."""
    return _with_interval(comparison.difference(method, other, name), name, "\u00a0points")


def _with_interval(score: Score, name: str, unit: str) -> str:
    value, interval = value_and_interval(score, per_cent=name == "accuracy")
    value += unit if name == "accuracy" else ""
    return f"{value} ({interval})" if interval else value


def _share(score: Score) -> str:
    decimals = 1 if score.high - score.low < 0.02 else 0
    low, high = rate(score.low, decimals), rate(score.high, decimals)
    return f"{rate(score.value, decimals)} ({low} to {high})"


def _size(gap: Score) -> str:
    """A difference without its sign, the interval from the smaller end."""
    low, high = sorted((abs(gap.low), abs(gap.high)))
    return str(Score(abs(gap.value), low, high))


def the(name: str) -> str:
    """A method in a sentence: `the softmax`, `the calibrated softmax`, `calibrated MC dropout`."""
    bare = name.removesuffix(CALIBRATED)
    calibrated = "calibrated " if bare != name else ""
    return f"the {calibrated}{bare}" if bare[:1].islower() else f"{calibrated}{bare}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str], *, quoted: bool = True) -> str:
    given = [the(name) if quoted else name for name in names]
    return given[0] if len(given) == 1 else f"{', '.join(given[:-1])} and {given[-1]}"
