"""A `Comparison` in sentences, and as text: which method is better here, by how much, and why.

Every sentence follows from paired intervals, which hold together for all pairs of methods. If an interval
contains 0 or is unknown, no method is called better: it "may be as good", or the rows "cannot tell". The
`Words` of the kind of answer name and explain its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.parts import EVERY
from howsure.compare.reasons import because, guess, in_short, one_alone, perhaps_better, reasons, where
from howsure.compare.sentences import (
    CHEAP,
    cost_in_words,
    joined,
    networks_of,
    predictions_in_words,
    price_of,
    quoted_list,
    share_in_words,
    the,
)
from howsure.evaluation.score import OUTSIDE, Score
from howsure.methods.plain import is_plain
from howsure.words import UNIT, counted, listed, upper

TAKE, MUCH, WHY, COST, ALSO = "Take", "By how much", "Why", "Cost", "Also"
"""Headings of the pieces of the lead."""

REASONS, SHARE = "Why?", "accuracy"


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
        return joined(self.said, *(f"{upper(rows)}: {sentence}" for rows, sentence in self.points), self.note)


def lead(comparison: Comparison) -> str:
    """The comparison in a few sentences: what to take, why, what it costs, and what else may be better.

    It names the cheapest method that is better than the baseline by more than chance and may be as good as
    the best. It prefers methods that are not worse than the baseline on changed rows.
    """
    return joined(*brief(comparison).values())


def brief(comparison: Comparison) -> dict[str, str]:
    """The pieces of `lead` by their headings, none of them empty; what to take comes first."""
    baseline, words, best = comparison.methods[0], comparison.words, chosen(comparison)
    if len(comparison.methods) == 1:
        return {TAKE: f"There is only {the(comparison, baseline)}, so there is nothing to compare."}
    if comparison.ranked(words.main).best is None:
        return {TAKE: words.nothing(comparison)}
    if best == baseline:
        said = _kept(comparison)
    else:
        take = words.take(comparison, best, _worse_when_changed(comparison, best))
        gap, alone = comparison.difference(best, baseline, words.main), one_alone(comparison, best)
        said = {
            TAKE: take,
            MUCH: f"It {words.does(comparison, gap)}." if gap.known and "(" not in take else "",
            WHY: joined(because(comparison, best) or guess(comparison, best), where(comparison, best)),
            COST: _cost(comparison, best),
            ALSO: joined(f"{alone}." if alone else "", _perhaps_better(comparison, best), _alike(comparison)),
        }
    return {head: sentences for head, sentences in said.items() if sentences}


def _kept(comparison: Comparison) -> dict[str, str]:
    """The pieces of `brief` where the baseline is the method to take."""
    baseline, words = comparison.methods[0], comparison.words
    than, score = the(comparison, baseline), comparison.comparing.metrics[words.main].column
    if not np.isfinite(comparison.score(baseline, words.main).value):
        return {TAKE: f"The {score} of {than} is not defined, so nothing can be compared with it."}
    gaps = {name: comparison.difference(name, baseline, words.main) for name in comparison.methods[1:]}
    gaps = {name: gap for name, gap in gaps.items() if np.isfinite(gap.value)}
    if not gaps:
        return {TAKE: f"Take {than}: the {score} of no other method is defined."}
    nearest = min(gaps, key=lambda name: gaps[name].value)
    gap, alike, why = gaps[nearest], _alike(comparison), _perhaps_better(comparison, baseline)
    known = all(each.known for each in gaps.values())
    has = f"has {words.advantage} by more than chance" if known else f"is known to have {words.advantage}"
    if not gap.known:
        few = f"{counted(comparison.rows, comparison.kind)} are too few to tell."
        why = words.doubt(comparison, words.main) or few
    elif not why and gap.value:
        chance = "" if gap.excludes_zero else ", which may be chance"
        why = f"The best of the others, {the(comparison, nearest)}, {words.does(comparison, gap)}{chance}."
    return {
        TAKE: f"Take {than}: no other method here {has}.",
        WHY: why or alike,
        COST: _cost(comparison, baseline),
        ALSO: joined(_when_changed(comparison), alike if why else ""),
    }


def _cost(comparison: Comparison, method: str) -> str:
    """The cost of a method, a sentence."""
    if comparison.calibrations.get(method, method) == comparison.methods[0]:
        return f"{'It' if method == comparison.methods[0] else 'Calibrating'} costs nothing more."
    if not comparison.has_costs:
        return "Its cost is not known: the results were given."
    price, cost = price_of(comparison, method), comparison.costs[method]
    if not price and not np.isfinite(cost):
        return "Its cost is not known."
    return f"It costs {price or predictions_in_words(cost)}."


def _alike(comparison: Comparison) -> str:
    """Methods that add the same to the main score in every row, a sentence; empty if there are none."""
    own = [method for method in comparison.methods if method not in comparison.calibrations]
    for one in own:
        same = [other for other in own if _is_same(comparison, other, one)]
        if len(same) > 1:
            names = listed([the(comparison, name) for name in same])
            return f"{upper(names)} score the same in every {comparison.kind}."
    return ""


def _is_same(comparison: Comparison, one: str, other: str) -> bool:
    gaps = (comparison.difference(one, other, comparison.words.main, rows) for rows in comparison.sets)
    return one == other or all(gap.value == gap.low == gap.high == 0 for gap in gaps)


def _perhaps_better(comparison: Comparison, taken: str) -> str:
    """Sentences on the method that seems the best, if it is likely better than the one to take."""
    claim = perhaps_better(comparison, taken)
    if claim is None:
        return ""
    name, does = (
        the(comparison, claim.method),
        comparison.words.does(comparison, claim.effect, the(comparison, taken)),
    )
    is_as_dear = price_of(comparison, claim.method) == price_of(comparison, taken)
    costs = "" if is_as_dear else _cost(comparison, claim.method)
    if claim.sure:
        return joined(f"{upper(name)} {does}.", costs)
    few = f"But {counted(comparison.rows, comparison.kind)} are too few to be sure."
    return joined(f"{upper(name)} is likely better: it {does}.", few, costs)


def chosen(comparison: Comparison) -> str:
    """The method that `lead` names."""
    main = comparison.words.main
    ranking, surely = comparison.ranked(main), better(comparison, main) or _right_more_often(comparison)
    if not surely:
        return comparison.methods[0]
    among = [method for method in surely if method in ranking.tied] or surely
    steady = [method for method in among if not _worse_when_changed(comparison, method)]
    return min(steady or among, key=lambda method: _price(comparison, method))


def _right_more_often(comparison: Comparison) -> list[str]:
    """Methods that are right more often by McNemar's exact test, where mistakes are too few for the rest."""
    if SHARE not in comparison.comparing.metrics:
        return []
    known = {
        name: comparison.difference(name, comparison.methods[0], comparison.words.main).known
        for name in comparison.methods[1:]
    }
    among = better(comparison, SHARE)
    return [name for name in among if not known[name] and name not in comparison.calibrations]


def _price(comparison: Comparison, method: str) -> tuple[float, bool, float]:
    """The sort key among methods that are as good: their cost, then the least change, then their score.

    To calibrate the baseline is the least change. Costs may be unknown, and then they are all alike.
    """
    cost = comparison.costs[method]
    other = comparison.calibrations.get(method) != comparison.methods[0]
    score = comparison.score(method, comparison.words.main).value
    return (cost if np.isfinite(cost) else np.inf, other, score)


def _worse_when_changed(comparison: Comparison, method: str) -> list[str]:
    """Changed sets of rows on which a method is worse than the baseline by more than chance."""
    gaps = {
        rows: comparison.difference(method, comparison.methods[0], comparison.words.main, rows)
        for rows in comparison.sets
    }
    return [rows for rows, gap in gaps.items() if rows != AS_THEY_ARE and gap.low > 0]


def _when_changed(comparison: Comparison) -> str:
    """A sentence about methods that are better than the baseline only on changed rows, or empty.

    It names the best of them, by how often it is surely better and then by its mean score there, and one
    that is surely better as often at a much lower cost.
    """
    main, sentences = comparison.words.main, dict[str, list[str]]()
    for rows in comparison.sets[1:]:
        for method in better(comparison, main, rows):
            sentences.setdefault(method, []).append(rows)
    steady = [method for method in sentences if not _worse_when_changed(comparison, method)]
    if not steady:
        return ""

    def loss(method: str) -> float:
        return float(np.mean([comparison.score(method, main, rows).value for rows in comparison.sets[1:]]))

    most = min(steady, key=lambda method: (-len(sentences[method]), loss(method)))
    cost = comparison.costs
    cheap = [m for m in steady if sentences[m] == sentences[most] and CHEAP * cost[m] < cost[most]]
    sentence = comparison.words.shift.better.format(method=_with_price(comparison, most))
    also = f", and so has {_with_price(comparison, min(cheap, key=cost.__getitem__))}" if cheap else ""
    return f"If {comparison.kind}s are {quoted_list(sentences[most])}, {sentence}{also}."


def _with_price(comparison: Comparison, method: str) -> str:
    price = price_of(comparison, method)
    return f"{the(comparison, method)} ({price})" if price else the(comparison, method)


def better(comparison: Comparison, name: str, rows: str = AS_THEY_ARE) -> list[str]:
    """Methods whose score is better than the baseline's by more than chance, in the order of methods."""
    names = []
    for method in comparison.methods[1:]:
        gap = comparison.difference(method, comparison.methods[0], name, rows)
        if gap.excludes_zero and (gap.value > 0) == comparison.comparing.metrics[name].higher:
            names.append(method)
    return names


def findings(comparison: Comparison) -> list[Finding]:
    """The answers, the most important first."""
    words = comparison.words
    results = [
        Finding(wording.question, _ranked(comparison, name), note=words.note(comparison, name))
        for name, wording in words.questions.items()
    ]
    why = reasons(comparison)
    if why:
        results.insert(1, Finding(REASONS, joined(*why.values())))
    shifted = [name for name in comparison.sets if name != AS_THEY_ARE]
    if shifted:
        results.append(_under_shift(comparison, shifted))
    results += [
        Finding(f"Which method notices '{name}'?", _ood(comparison, name)) for name in comparison.outside
    ]
    costs = _costs(comparison)
    if costs:
        results.append(Finding("What do the methods cost?", costs))
    return results


def _under_shift(comparison: Comparison, shifted: Sequence[str]) -> Finding:
    """The baseline on each changed set of rows, and the best of the methods that are surely better."""
    words, baseline = comparison.words, comparison.methods[0]
    than, others, points = the(comparison, baseline), len(comparison.methods) > 1, []
    sentence = words.shift.said.format(baseline=than)
    if others:
        sentence += f", and {words.shift.asked.format(baseline=than)}"
    for rows in shifted:
        clauses = [words.shifted_value(comparison, rows)]
        surely = better(comparison, words.main, rows)
        if surely:
            first = min(surely, key=lambda method: comparison.score(method, words.main, rows).value)
            gap = words.gap(
                comparison, comparison.difference(first, baseline, words.main, rows), words.main, ""
            )
            clauses.append(words.shift.does.format(method=the(comparison, first), gap=gap))
        elif others:
            clauses.append(words.shift.nothing)
        points.append((rows, f"{'; '.join(clauses)}."))
    return Finding(f"What happens when the {comparison.kind}s change?", f"{sentence}.", tuple(points))


def _ranked(comparison: Comparison, name: str) -> str:
    ranking = comparison.ranked(name)
    baseline = comparison.methods[0]
    rows = counted(comparison.rows, comparison.kind)
    if ranking.best is None:
        return f"This score is not defined for these {rows}."
    first, does = upper(the(comparison, ranking.best)), _does(comparison, ranking.best, name)
    if len(comparison.methods) == 1:
        return f"There is only {the(comparison, baseline)}: {does}."
    if len({comparison.score(method, name).value for method in comparison.methods}) == 1:
        clause = _does(comparison, ranking.best, name, it="each")
        return f"{upper(rows)} cannot tell: all methods are equal, and {clause}."
    others = [the(comparison, method) for method in ranking.tied if method not in (ranking.best, baseline)]
    surely = better(comparison, name)
    ahead = _ahead(comparison, ranking.best, baseline, name)
    if len(ranking.tied) == len(comparison.methods):
        sentence = (
            f"{upper(rows)} cannot tell who is best. {first} comes first: {does}{ahead}. But each of the "
            "others may be as good."
        )
        doubt = comparison.words.doubt(comparison, name)
        return joined(sentence, _better_than(comparison, baseline, surely), doubt)
    comes = "comes first" if len(ranking.tied) > 1 else f"has {comparison.words.questions[name].has}"
    sentence = f"{first} {comes}: {does}{ahead}."
    if baseline not in ranking.tied or ranking.best == baseline:
        return joined(sentence, _as_good(others))
    its = f"But {the(comparison, baseline)} may be as good{_so_may(others)}."
    return joined(sentence, its, _better_than(comparison, baseline, surely))


def _ahead(comparison: Comparison, best: str, baseline: str, name: str) -> str:
    """The difference between the best method and the baseline, also if it may be chance.

    If it were given only when its interval excludes 0, fewer than 95 % of the given ones would hold the truth
    (Benjamini & Yekutieli 2005, False discovery rate-adjusted multiple confidence intervals).
    """
    gap = comparison.difference(best, baseline, name)
    if best == baseline or not gap.value or not np.isfinite(gap.low):
        return ""
    return f", {comparison.words.gap(comparison, gap, name, the(comparison, baseline))}"


def _does(comparison: Comparison, method: str, name: str, it: str = "it") -> str:
    value = comparison.words.value(comparison, method, name, AS_THEY_ARE)
    return comparison.words.questions[name].does.format(it=it, value=value, kind=comparison.kind)


def _as_good(names: Sequence[str]) -> str:
    return f"{upper(listed(names))} may be as good." if names else ""


def _so_may(names: Sequence[str]) -> str:
    return f", and so may {listed(names)}" if names else ""


def _better_than(comparison: Comparison, baseline: str, surely: Sequence[str]) -> str:
    names = [the(comparison, name) for name in surely]
    return f"Better than {the(comparison, baseline)} by more than chance: {listed(names)}." if names else ""


def _ood(comparison: Comparison, rows: str) -> str:
    baseline = comparison.methods[0]
    ranking = comparison.ranked("outside_auroc", rows)
    if ranking.best is None:
        return "This score is not defined."

    def notices(name: str) -> str:
        share = share_in_words(comparison.score(name, "outside_auroc", rows))
        return f"{the(comparison, name)} finds the former more uncertain in {share}"

    pair = f"Given one of '{rows}' and one of the {comparison.kind}s here"
    sentences = [f"{pair}, {notices(ranking.best)} of cases; a guess is right in half."]
    others = [the(comparison, name) for name in ranking.tied if name not in (ranking.best, baseline)]
    if baseline in ranking.tied and baseline != ranking.best:
        its = share_in_words(comparison.score(baseline, "outside_auroc", rows))
        sentences.append(f"{upper(the(comparison, baseline))} may be as good, with {its}{_so_may(others)}.")
    else:
        sentences += [f"{upper(notices(baseline))}."] if baseline != ranking.best else []
        sentences.append(_as_good(others))
        between = set(better(comparison, "outside_auroc", rows)).difference(
            ranking.tied, comparison.calibrations
        )
        also = [the(comparison, method) for method in comparison.methods if method in between]
        if also:
            are = "are" if len(also) > 1 else "is"
            than = f"better than {the(comparison, baseline)} by more than chance"
            sentences.append(f"{upper(listed(also))} {are} also {than}.")
    worse = [
        the(comparison, name)
        for name in comparison.methods
        if comparison.score(name, "outside_auroc", rows).high < 0.5
    ]
    if worse:
        does = "do" if len(worse) > 1 else "does"
        sentences.append(
            f"{upper(listed(worse))} {does} worse than a guess, as '{rows}' seem surer than the "
            f"{comparison.kind}s here."
        )
    return joined(*sentences)


def _costs(comparison: Comparison) -> str:
    """The costs of the methods; empty if there is only the plain softmax."""
    calibrated = bool(comparison.calibrations)
    free = "Calibration costs almost nothing." if calibrated else ""
    shown = [
        name
        for name, kind in comparison.kinds.items()
        if name not in comparison.calibrations and not is_plain(kind)
    ]
    if not shown:
        return free
    if not all(np.isfinite(comparison.costs[name]) for name in shown):
        return joined("Costs are unknown: a method does not say what it computes.", free)
    costs = listed([f"{name} {cost_in_words(comparison.costs[name])}" for name in shown])
    return joined(f"In plain predictions, counted in multiplications: {costs}.", free)


# --- as text ---------------------------------------------------------------------------------------------


PREDICTIONS = "plain predictions"


@dataclass(frozen=True)
class MethodLine:
    """One method in the short table.

    Attributes:
        method: Its name.
        values: A text for each score, and for the cost if the methods ran.
        best: Whether each of them is marked as the best.
    """

    method: str
    values: tuple[str, ...]
    best: tuple[bool, ...]


def head_of(comparison: Comparison) -> list[str]:
    """Headings of the short table: the method, the scores, and the cost if the methods ran."""
    return [
        "method",
        *(heading for heading, _ in comparison.words.short),
        *([PREDICTIONS] if comparison.has_costs else []),
    ]


def lines_of(comparison: Comparison) -> list[MethodLine]:
    """Methods with their scores on the unchanged rows, and their cost, or a dash if it is unknown."""
    words = comparison.words
    best = {name: comparison.ranked(name).best for _, name in words.short}
    best = {name: method if is_known(comparison, name, method) else None for name, method in best.items()}
    lines = []
    for method in comparison.methods:
        values = [_cell(comparison, method, name) for _, name in words.short]
        marked = [best[name] == method for _, name in words.short]
        if comparison.has_costs:
            cost = comparison.costs[method]
            values.append(cost_in_words(cost) if np.isfinite(cost) else "–")
            marked.append(False)
        lines.append(MethodLine(method, tuple(values), tuple(marked)))
    return lines


def _cell(comparison: Comparison, method: str, name: str) -> str:
    per_cent = comparison.comparing.metrics[name].per_cent
    value, _ = comparison.words.cell(comparison.score(method, name), per_cent)
    return f"{value}{UNIT}" if per_cent else value


def is_known(comparison: Comparison, name: str, best: str | None, rows: str = AS_THEY_ARE) -> bool:
    """Whether a method may be marked as the best: not if too few rows decide its score."""
    if best is None:
        return False
    always = comparison.comparing.metrics[name].alone or rows in comparison.outside
    decided = always or comparison.score(best, comparison.words.main, rows).known
    return decided and comparison.score(best, name, rows).known


def text_of(comparison: Comparison) -> str:
    """The answer in a few sentences, below it the short table, and what was noticed."""
    lines = lines_of(comparison)
    table = [head_of(comparison)]
    for line in lines:
        scores = [value + ("*" if best else " ") for value, best in zip(line.values, line.best, strict=True)]
        short = len(comparison.words.short)
        table.append([line.method, *scores[:short], *line.values[short:]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    take, *others = brief(comparison).items()
    text_lines = [take[1], *(f"{head}: {said}" for head, said in others), ""]
    own = [method for method in comparison.methods if method not in comparison.calibrations]
    why = [f"{method}: {said}" for method in own if (said := in_short(comparison, method))]
    text_lines += [*why, ""] if why else []
    for first, *values in table:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(values, widths[1:], strict=True))]
        text_lines.append("  ".join(cells).rstrip())
    if any(any(line.best) for line in lines):
        text_lines += ["", "* the best of its column, perhaps by chance"]
    return "\n".join([*text_lines, *(f"\n{notice}" for notice in comparison.noticed)])


SCORE_COLUMNS = (
    *("method", "rows", "score", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)


def score_lines(comparison: Comparison) -> list[list[Any]]:
    """The names of the columns, then a line for each method, set of rows and score; see `to_csv`."""
    lines: list[list[Any]] = [[*SCORE_COLUMNS]]
    baseline = comparison.methods[0]

    def add(method: str, rows: str, name: str, score: Score, gap: Score | None = None) -> None:
        apart = [np.nan] * 3 if gap is None or method == baseline else _ends(gap)
        lines.append([method, rows, name, *_ends(score), *apart])

    for rows in (*comparison.sets, *comparison.outside):
        beside = rows in comparison.outside
        for name in (metric for metric in comparison.comparing.metrics if (metric in OUTSIDE) == beside):
            for method in comparison.methods:
                gap = comparison.difference(method, baseline, name, rows)
                add(method, rows, name, comparison.score(method, name, rows), gap)
    for method in comparison.parts:
        parts = comparison.parts_of(method)
        for name in EVERY:
            apart, part = comparison.part(method, name), parts[name].score(0.95)
            if apart is not None:
                add(method, AS_THEY_ARE, f"nll_{name}", part, apart)
        add(method, AS_THEY_ARE, "scale", Score(*np.exp(_ends(parts.scale.score(0.95))).tolist()))
    if comparison.has_costs:
        for method, cost in comparison.costs.items():
            add(method, AS_THEY_ARE, "cost", Score(cost, np.nan, np.nan))
        for method in comparison.kinds:
            add(method, AS_THEY_ARE, "networks", Score(networks_of(comparison, method), np.nan, np.nan))
    return lines


def _ends(score: Score) -> list[float]:
    return [float(end) for end in (score.value, score.low, score.high)]
