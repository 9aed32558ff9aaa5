"""A `Comparison` in sentences: which method is better here, by how much, and why.

Every sentence follows from paired intervals, which hold together for all pairs of methods. If an interval
contains 0 or is unknown, no method is called better: it "may be as good", or the rows "cannot tell".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from howsure.compare.results import Given
from howsure.compare.run import AS_THEY_ARE, HIGHER_IS_BETTER, Comparison
from howsure.judge.scores import LEAST_MISTAKES, Score, told_apart
from howsure.judge.words import value_and_interval
from howsure.methods.choices import CHOICES, OWN
from howsure.methods.classifiers import is_plain
from howsure.methods.protocol import Method
from howsure.words import UNIT, counted, listed, rate, upper

if TYPE_CHECKING:
    from howsure.answers.classes.result import Certainty


@dataclass(frozen=True)
class Wording:
    """The words for the answer to one question.

    Attributes:
        question: A heading.
        has: What the best method has.
        does: A sentence about the method `it` with the `value` of its score.
        beside: Whether the best value is above or below that of another, in points.
    """

    question: str
    has: str
    does: str
    beside: str = ""


NOUNS = frozenset((*(choice.name for choice in CHOICES), OWN))
"""Method names that need no quotes although they begin with a small letter."""

WORDINGS = {
    "nll": Wording(
        "Which method has the most accurate percentages?",
        "the most accurate percentages",
        "on average {it} gives the true class {value}",
    ),
    "aurc": Wording(
        "Which method knows best when it is wrong?",
        "the best order from certain to doubtful",
        "averaged over how many of its most certain {kind}s {it} answers, {value} of the answers are wrong",
        "below",
    ),
    "accuracy": Wording(
        "Which method is right most often?", "the most right answers", "{it} is right on {value}", "above"
    ),
}
"""By score, the most important first."""


@dataclass(frozen=True)
class Finding:
    """An answer to one question.

    Attributes:
        question: A heading.
        said: One sentence or a few.
        points: Sets of rows, with a sentence about each.
        note: The technical term.
    """

    question: str
    said: str
    points: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def answer(self) -> str:
        """The whole answer in one paragraph."""
        return _joined(self.said, *(f"{upper(rows)}: {said}" for rows, said in self.points), self.note)


def lead(comparison: Comparison) -> str:
    """The comparison in a sentence or two.

    It names the cheapest method that is more accurate than the baseline by more than chance and may be as
    good as the best. It prefers methods that are not less accurate than the baseline on changed rows.
    """
    baseline = comparison.methods[0]
    if len(comparison.methods) == 1:
        return f"There is only {the(comparison, baseline)}, so there is nothing to compare."
    ranking = comparison.ranked("nll")
    if ranking.best is None:
        return "Nothing could be compared."
    than, best = the(comparison, baseline), chosen(comparison)
    if best == baseline:
        few = _few(comparison)
        return _joined(
            f"Take {than}: no other method here is known to have more accurate percentages. {few}"
            if few
            else f"Take {than}: no other method here has more accurate percentages by more than chance.",
            _truer_when_changed(comparison),
        )
    said = f"Take {the(comparison, best)}: its percentages are more accurate than those of {than}"
    worse = _worse_when_changed(comparison, best)
    return f"{said}, but less accurate if {comparison.kind}s are {_quoted(worse)}." if worse else f"{said}."


def chosen(comparison: Comparison) -> str:
    """The method that `lead` names."""
    ranking, truer = comparison.ranked("nll"), better(comparison, "nll")
    if not truer:
        return comparison.methods[0]
    among = [method for method in truer if method in ranking.tied] or truer
    steady = [method for method in among if not _worse_when_changed(comparison, method)]
    return min(steady or among, key=lambda method: _price(comparison, method))


def _price(comparison: Comparison, method: str) -> tuple[float, float]:
    """The sort key among methods that are as good: their cost, or their NLL if costs are unknown."""
    cost = comparison.costs[method]
    return (cost if np.isfinite(cost) else np.inf, comparison.score(method, "nll").value)


def _worse_when_changed(comparison: Comparison, method: str) -> list[str]:
    """Changed sets of rows on which a method's percentages are less accurate than the baseline's."""
    gaps = {
        rows: comparison.difference(method, comparison.methods[0], "nll", rows) for rows in comparison.sets
    }
    return [rows for rows, gap in gaps.items() if rows != AS_THEY_ARE and gap.low > 0]


def _truer_when_changed(comparison: Comparison) -> str:
    """A sentence about a method that is more accurate than the baseline only on changed rows, or empty."""
    found: dict[str, list[str]] = {}
    for rows in comparison.sets[1:]:
        for method in better(comparison, "nll", rows):
            found.setdefault(method, []).append(rows)
    steady = [method for method in found if not _worse_when_changed(comparison, method)]
    if not steady:
        return ""
    most = max(steady, key=lambda method: (len(found[method]), -comparison.costs[method]))
    where = _quoted(found[most])
    return f"But if {comparison.kind}s are {where}, {the(comparison, most)} has more accurate ones."


def _quoted(names: Sequence[str]) -> str:
    return listed([f"'{name}'" for name in names])


def _few(comparison: Comparison) -> str:
    """A sentence that there are too few mistakes for a conclusion, or empty."""
    wrong = comparison.mistakes
    fewest = min(wrong, key=lambda method: wrong[method])
    if wrong[fewest] >= LEAST_MISTAKES:
        return ""
    return (
        f"{upper(the(comparison, fewest))} makes {counted(wrong[fewest], 'mistake')} here. With fewer than "
        f"{LEAST_MISTAKES} mistakes, the size of chance is unknown."
    )


def better(comparison: Comparison, name: str, rows: str = AS_THEY_ARE) -> list[str]:
    """Methods whose score is better than the baseline's by more than chance, in the order of methods."""
    found = []
    for method in comparison.methods[1:]:
        gap = comparison.difference(method, comparison.methods[0], name, rows)
        if gap.excludes_zero and (gap.value > 0) == (name in HIGHER_IS_BETTER):
            found.append(method)
    return found


def findings(comparison: Comparison) -> list[Finding]:
    """The answers, the most important first."""
    found = [
        Finding(wording.question, _ranked(comparison, name), note=_note(comparison, name))
        for name, wording in WORDINGS.items()
    ]
    shifted = [name for name in comparison.sets if name != AS_THEY_ARE]
    if shifted:
        found.append(Finding("What happens when the rows change?", *_under_shift(comparison, shifted)))
    found += [
        Finding(f"Which method notices '{name}'?", _ood(comparison, name)) for name in comparison.outside
    ]
    reasons = list(why(comparison))
    if reasons:
        found.append(Finding("What explains the differences?", " ".join(reasons)))
    costs = _costs(comparison)
    if costs:
        found.append(Finding("What do the methods cost?", costs))
    return found


def why(comparison: Comparison) -> Iterator[str]:
    """Sentences that explain the differences, if there are any. Each method explains itself."""
    baseline = comparison.methods[0]
    for name in comparison.methods:
        if comparison.calibrations.get(name) == baseline:
            yield from _why_calibrated(comparison, name, baseline)
        elif name != baseline and name not in comparison.calibrations:
            yield from comparison.kinds[name].why(_Beside(comparison, name))


@dataclass(frozen=True)
class _Beside:
    """A method compared with the baseline: a `howsure.methods.protocol.Standing`."""

    comparison: Comparison
    method: str

    @property
    def name(self) -> str:
        return the(self.comparison, self.method)

    @property
    def baseline(self) -> str:
        return the(self.comparison, self.comparison.methods[0])

    @property
    def kind(self) -> str:
        return self.comparison.kind

    @property
    def first(self) -> bool:
        alike = [name for name in self._bare(type(self._kind)) if self._each(name) == self._each(self.method)]
        return alike[0] == self.method

    @property
    def claimed(self) -> float:
        return float(np.mean(self._certainty.probability))

    @property
    def claimed_where_right(self) -> tuple[float, float]:
        right = self._right(self.comparison.methods[0])
        own, its = (each.probability[right] for each in (self._certainty, self._baseline))
        return (float(np.mean(own)), float(np.mean(its))) if right.any() else (np.nan, np.nan)

    @property
    def right(self) -> float:
        return self.comparison.score(self.method, "accuracy").value

    @property
    def right_at_least(self) -> float:
        return self.comparison.score(self.method, "accuracy").low

    @property
    def mended(self) -> tuple[int, int]:
        own, its = self._right(self.method), self._right(self.comparison.methods[0])
        return int(np.sum(own & ~its)), int(np.sum(its & ~own))

    @property
    def disagreement(self) -> Score:
        right, agreed = self._right(self.method), -self._certainty.mutual_information
        return told_apart(agreed[right], agreed[~right])[0].score(0.95)

    def gap(self, score: str) -> Score:
        return self.comparison.difference(self.method, self.comparison.methods[0], score)

    @property
    def _certainty(self) -> Certainty:
        return self.comparison.certainties[self.method]

    @property
    def _baseline(self) -> Certainty:
        return self.comparison.certainties[self.comparison.methods[0]]

    def _right(self, method: str) -> NDArray[np.bool_]:
        return np.asarray(self.comparison.certainties[method].label == self.comparison.truth)

    @property
    def _kind(self) -> Method:
        return self.comparison.kinds[self.method]

    def _each(self, name: str) -> object:
        return self.comparison.kinds[name].settings.get("each")

    def _bare(self, kind: type) -> list[str]:
        """Methods of a kind, calibrated or not."""
        return [name for name in self.comparison.methods if type(self.comparison.kinds[name]) is kind]


def _why_calibrated(comparison: Comparison, name: str, base: str) -> Iterator[str]:
    nll = comparison.difference(name, base, "nll")
    if not np.isfinite(nll.low):
        return
    temperature = float(comparison.certainties[name].method["calibration"]["temperature"])
    if not nll.excludes_zero:
        yield (
            f"What calibration changes in {the(comparison, base)} may be chance: in these {comparison.kind}s "
            f"it finds nothing to correct (temperature {temperature:.2f}; 1 would change nothing)."
        )
        return
    if nll.value > 0:
        yield f"Calibration made {the(comparison, base)} worse, as can happen if there is nothing to correct."
        return
    claims = (
        "lowers percentages that were too high" if temperature > 1 else "raises percentages that were too low"
    )
    yield (
        f"Calibration {claims} (temperature {temperature:.2f}). It uses one number for all rows, so it "
        "hardly changes their order: it does not help to tell which answers are wrong."
    )


def _ranked(comparison: Comparison, name: str) -> str:
    ranking = comparison.ranked(name)
    baseline = comparison.methods[0]
    rows = counted(len(comparison.truth), comparison.kind)
    if ranking.best is None:
        return f"This score is not defined for these {rows}."
    first, does = upper(the(comparison, ranking.best)), _does(comparison, ranking.best, name)
    if len(comparison.methods) == 1:
        return f"There is only {the(comparison, baseline)}: {does}."
    if len({comparison.score(method, name).value for method in comparison.methods}) == 1:
        each = _does(comparison, ranking.best, name, it="each")
        return f"{upper(rows)} cannot tell: all methods are equal, and {each}."
    others = [the(comparison, method) for method in ranking.tied if method not in (ranking.best, baseline)]
    surely = better(comparison, name)
    ahead = _ahead(comparison, ranking.best, baseline, name)
    if len(ranking.tied) == len(comparison.methods):
        said = (
            f"{upper(rows)} cannot tell who is best. {first} comes first: {does}{ahead}. But each of the "
            "others may be as good."
        )
        return _joined(
            said,
            _better_than(comparison, baseline, surely),
            _few(comparison) if name != "accuracy" else "",
        )
    comes = "comes first" if len(ranking.tied) > 1 else f"has {WORDINGS[name].has}"
    said = f"{first} {comes}: {does}{ahead}."
    if baseline not in ranking.tied or ranking.best == baseline:
        return _joined(said, _as_good(others))
    its = f"But {the(comparison, baseline)} may be as good{_so_may(others)}."
    return _joined(said, its, _better_than(comparison, baseline, surely))


def _ahead(comparison: Comparison, best: str, baseline: str, name: str) -> str:
    """The difference between the best method and the baseline, also if it may be chance.

    If it were given only when its interval excludes 0, fewer than 95 % of the given ones would hold the truth
    (Benjamini & Yekutieli 2005, False discovery rate-adjusted multiple confidence intervals).
    """
    gap = comparison.difference(best, baseline, name)
    if best == baseline or not gap.value or not np.isfinite(gap.low):
        return ""
    return f", {_gap(gap, name, the(comparison, baseline))}"


def _does(comparison: Comparison, method: str, name: str, it: str = "it") -> str:
    value = _value(comparison, method, name)
    return WORDINGS[name].does.format(it=it, value=value, kind=comparison.kind)


def _note(comparison: Comparison, name: str) -> str:
    """The explanation of the NLL and of the average in the answer; empty for other scores."""
    best = comparison.ranked(name).best
    if name != "nll" or best is None:
        return ""
    nll, _ = value_and_interval(comparison.score(best, name))
    return (
        f"This is an NLL (negative log-likelihood) of {nll}. The NLL is 0 if every true class got 100 %, and "
        "0.69 for a coin flip between two classes. The average is the geometric mean, e to the power of −NLL."
    )


def _as_good(names: Sequence[str]) -> str:
    return f"{upper(listed(names))} may be as good." if names else ""


def _so_may(names: Sequence[str]) -> str:
    return f", and so may {listed(names)}" if names else ""


def _better_than(comparison: Comparison, baseline: str, surely: Sequence[str]) -> str:
    names = [the(comparison, name) for name in surely]
    return f"Better than {the(comparison, baseline)} by more than chance: {listed(names)}." if names else ""


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _under_shift(comparison: Comparison, shifted: Sequence[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A sentence, and one for each set of rows."""
    baseline = comparison.methods[0]
    said, alone = f"How often {the(comparison, baseline)} is still right", len(comparison.methods) == 1
    if not alone:
        said += (
            ", and which method gives the true class the highest percentage, among those that are above "
            f"{the(comparison, baseline)} by more than chance"
        )
    points = []
    for rows in shifted:
        right = rate(comparison.score(baseline, "accuracy", rows).value)
        truer = better(comparison, "nll", rows)
        more = "" if alone else "; no method gives more by more than chance"
        if truer:
            first = min(truer, key=lambda method: comparison.score(method, "nll", rows).value)
            gap = comparison.difference(first, baseline, "nll", rows)
            more = f"; {the(comparison, first)} gives {_gap(gap, 'nll')}"
        points.append((rows, f"right on {right}{more}."))
    return f"{said}.", tuple(points)


def _ood(comparison: Comparison, rows: str) -> str:
    baseline = comparison.methods[0]
    ranking = comparison.ranked("outside_auroc", rows)
    if ranking.best is None:
        return "This score is not defined."

    def notices(name: str) -> str:
        sees = "less familiar" if name in comparison.familiarities else "more uncertain"
        share = _value(comparison, name, "outside_auroc", rows)
        return f"{called(comparison, name)} finds the former {sees} in {share}"

    pair = f"Given one of '{rows}' and one of the {comparison.kind}s here"
    said = [f"{pair}, {notices(ranking.best)} of cases; a guess is right in half."]
    others = [called(comparison, name) for name in ranking.tied if name not in (ranking.best, baseline)]
    if baseline in ranking.tied and baseline != ranking.best:
        its = _value(comparison, baseline, "outside_auroc", rows)
        said.append(f"{upper(the(comparison, baseline))} may be as good, with {its}{_so_may(others)}.")
    else:
        said += [f"{upper(notices(baseline))}."] if baseline != ranking.best else []
        said.append(_as_good(others))
    if comparison.familiarities and set(comparison.familiarities).isdisjoint(ranking.tied):
        nearest = max(
            comparison.familiarities, key=lambda name: comparison.score(name, "outside_auroc", rows).value
        )
        said.append(f"{upper(notices(nearest))}.")
    return _joined(*said)


def _costs(comparison: Comparison) -> str:
    """The costs of the methods; empty if there is only the plain softmax."""
    calibrated = bool(comparison.calibrations)
    free = "Calibration costs almost nothing." if calibrated else ""
    shown = {
        name: name
        for name in comparison.methods
        if name not in comparison.calibrations
        and not is_plain(comparison.kinds[name])
        and not isinstance(comparison.kinds[name], Given)
    } | {name: called(comparison, name) for name in comparison.familiarities}
    if not shown:
        return free
    if not all(np.isfinite(comparison.costs[name]) for name in shown):
        return _joined(
            "Costs are unknown: their unit is one plain prediction, and none was made.",
            free,
        )
    costs = listed([f"{told} {comparison.costs[name]:.1f}" for name, told in shown.items()])
    rows = f"{len(comparison.truth):,} {comparison.kind}s"
    unit = f"Time in units of one plain prediction of all {rows}, measured once on this machine"
    return _joined(f"{unit}: {costs}.", free)


# --- numbers in sentences -----------------------------------------------------------------------------


def _value(comparison: Comparison, method: str, name: str, rows: str = AS_THEY_ARE) -> str:
    """A score in per cent with its interval; for the NLL, the mean percentage of the true class."""
    score = comparison.score(method, name, rows)
    ends = (score.value, score.low, score.high)
    if name == "nll":
        ends = tuple(np.exp([-score.value, -score.high, -score.low]).tolist())
    return _with_interval(*in_numbers(Score(*(100 * np.minimum(end, 1.0) for end in ends)), UNIT))


def _gap(gap: Score, name: str, than: str = "") -> str:
    """By how much the best method is better than another, from the difference of their scores."""
    if name == "nll":
        factor = factor_of(gap)
        if factor.value < 2:
            value, interval = in_numbers(percent_more(factor), UNIT)
            said, word = f"{value} more", "than"
        else:
            value, interval = in_numbers(factor)
            said, word = f"{value} times as much", "as"
        return _with_interval(_joined(said, f"{word} {than}" if than else ""), interval)
    sign = 100 if name in HIGHER_IS_BETTER else -100
    low, high = sorted((sign * gap.low, sign * gap.high))
    value, interval = in_numbers(Score(sign * gap.value, low, high))
    return _with_interval(f"{value}\u00a0points {WORDINGS[name].beside} {than}", interval)


def factor_of(gap: Score) -> Score:
    """Ratio of the probabilities that two methods give the true class: exp(−difference of their NLL).

    It is a geometric mean over rows.
    """
    return Score(*np.exp([-gap.value, -gap.high, -gap.low]).tolist())


def percent_more(factor: Score) -> Score:
    """A factor as a change in per cent."""
    return Score(*(100 * (end - 1) for end in (factor.value, factor.low, factor.high)))


def in_numbers(score: Score, unit: str = "") -> tuple[str, str]:
    """A number and its interval for a sentence: `97.8 %` and `97.3 to 98.2 %`, or an empty interval.

    It has so many decimals that the interval is at least three steps wide, and up to two more if a number
    would otherwise be rounded to 0 or 100.
    """
    ends = (score.value, score.low, score.high)
    if not score.high - score.low > 1e-9 * max(abs(score.value), 1):
        return f"{score.value:.4g}{unit}".replace("-", "−"), ""
    decimals = max(0, math.ceil(-math.log10((score.high - score.low) / 3)))
    for _ in range(2):
        decimals += any(round(end, decimals) in (0, 100) and end not in (0, 100) for end in ends)
    value, low, high = (f"{round(end, decimals) + 0.0:,.{decimals}f}".replace("-", "−") for end in ends)
    return f"{value}{unit}", f"{low}\u00a0to\u00a0{high}{unit}"


def _with_interval(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


def the(comparison: Comparison, name: str) -> str:
    """A method in a sentence: `the softmax`, `the calibrated softmax`, `calibrated MC dropout`, `'mine'`."""
    bare = comparison.calibrations.get(name, name)
    calibrated = "calibrated " if bare != name else ""
    if not bare[:1].islower():
        return f"{calibrated}{bare}"
    return f"the {calibrated}{bare}" if bare in NOUNS else f"{calibrated}'{bare}'"


def called(comparison: Comparison, name: str) -> str:
    """A method or a familiarity in a sentence."""
    return f"familiarity by {name}" if name in comparison.familiarities else the(comparison, name)
