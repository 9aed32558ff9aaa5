"""A `Comparison` in sentences, and as text: which method is better here, by how much, and why.

Every sentence follows from paired intervals, which hold together for all pairs of methods. If an interval
contains 0 or is unknown, no method is called better: it "may be as good", or the rows "cannot tell". The
`Words` of the kind of answer name and explain its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from howsure.compare.comparison import AS_THEY_ARE, Comparison, Wording
from howsure.compare.parts import EVERY
from howsure.compare.reasons import because, compared, guess, in_short, one_alone, reasons, where
from howsure.compare.sentences import (
    CHEAP,
    cost_in_words,
    joined,
    networks_of,
    predictions_in_words,
    price_of,
    scale_in_words,
    share_in_words,
    the,
    with_interval,
)
from howsure.evaluation.score import OUTSIDE, Score
from howsure.inputs.rows import quoted
from howsure.words import UNIT, counted, listed, upper

TAKE, MUCH, WHY, COST, ALSO = "Take", "By how much", "Why", "Cost", "Also"
"""Headings of the pieces of the lead."""

REASONS, SHARE = "Why?", "accuracy"

NOTICES = Wording(
    "Which method notices '{rows}'?",
    "the best sense of what is outside",
    "{it} finds one of '{rows}' more uncertain than one of the {kind}s here in {value} of cases",
)
"""The words for OOD rows."""


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
            COST: joined(_cost(comparison, best), alone),
            ALSO: joined(_perhaps_better(comparison, best), _alike(comparison)),
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
    name, cost, price = the(comparison, method), comparison.costs[method], price_of(comparison, method)
    if comparison.calibrations.get(method, method) == comparison.methods[0]:
        return f"{upper(name) if method == comparison.methods[0] else 'Calibrating'} costs nothing more."
    if not comparison.has_costs or (not price and not np.isfinite(cost)):
        given = "" if comparison.has_costs else ": the results were given"
        return f"The cost of {name} is not known{given}."
    return f"{upper(name)} costs {price or predictions_in_words(cost)}."


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
    best = comparison.ranked(comparison.words.main).best
    claim = None if best in (None, taken) else next(compared(comparison, str(best), taken), None)
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
    baseline, main = comparison.methods[0], comparison.words.main
    among = [name for name in better(comparison, SHARE) if name not in comparison.calibrations]
    return [name for name in among if not comparison.difference(name, baseline, main).known]


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
    baseline, main = comparison.methods[0], comparison.words.main
    return [
        rows for rows in comparison.sets[1:] if comparison.difference(method, baseline, main, rows).low > 0
    ]


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
    sentence = f"{_with_price(comparison, most)} has {comparison.words.advantage}"
    also = f", and so has {_with_price(comparison, min(cheap, key=cost.__getitem__))}" if cheap else ""
    return f"If {comparison.kind}s are {quoted(sentences[most])}, {sentence}{also}."


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
    words, shifted = comparison.words, comparison.sets[1:]
    results = [
        Finding(wording.question, _ranked(comparison, name, wording), note=words.note(comparison, name))
        for name, wording in words.questions.items()
    ]
    why = reasons(comparison)
    if why:
        results.insert(1, Finding(REASONS, joined(*why.values())))
    if shifted:
        results.append(_under_shift(comparison, shifted))
    for rows in comparison.outside:
        said = _ranked(comparison, OUTSIDE[0], NOTICES, rows)
        said = joined(said, _reversed(comparison, rows))
        results.append(Finding(NOTICES.question.format(rows=rows), said, note="A guess is right in half."))
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


def _ranked(comparison: Comparison, name: str, wording: Wording, rows: str = AS_THEY_ARE) -> str:
    """The best method in a score, how far it is ahead of the baseline, and which others may be as good."""
    ranking, methods, baseline = comparison.ranked(name, rows), comparison.methods, comparison.methods[0]
    best, tied = ranking.best, ranking.tied
    these, outside = counted(comparison.rows, comparison.kind), rows in comparison.outside
    if best is None:
        return f"This score is not defined for these {these}."
    first, value = upper(the(comparison, best)), _value(comparison, best, name, rows)
    does = partial(wording.does.format, value=value, kind=comparison.kind, rows=rows)
    if len(methods) == 1:
        return f"There is only {the(comparison, baseline)}: {does(it='it')}."
    if len({comparison.score(method, name, rows).value for method in methods}) == 1:
        return f"{upper(these)} cannot tell: all methods are equal, and {does(it='each')}."
    others = [the(comparison, method) for method in tied if method not in (best, baseline)]
    surely = [the(comparison, method) for method in better(comparison, name, rows)]
    ahead = f"{does(it='it')}{_ahead(comparison, best, name, rows)}"
    than = f"Better than {the(comparison, baseline)} by more than chance: {listed(surely)}." if surely else ""
    if len(tied) == len(methods):
        sentence = f"{upper(these)} cannot tell who is best. {first} comes first: {ahead}."
        doubt = "" if outside else comparison.words.doubt(comparison, name)
        return joined(sentence, "But each of the others may be as good.", than, doubt)
    sentence = f"{first} {'comes first' if len(tied) > 1 else f'has {wording.has}'}: {ahead}."
    if baseline not in tied or best == baseline:
        return joined(sentence, f"{upper(listed(others))} may be as good." if others else "")
    so_may = f", and so may {listed(others)}" if others else ""
    return joined(sentence, f"But {the(comparison, baseline)} may be as good{so_may}.", than)


def _value(comparison: Comparison, method: str, name: str, rows: str) -> str:
    """A score in a sentence; of OOD rows a share."""
    if rows in comparison.outside:
        return share_in_words(comparison.score(method, name, rows))
    return comparison.words.value(comparison, method, name, rows)


def _ahead(comparison: Comparison, best: str, name: str, rows: str) -> str:
    """The difference between the best method and the baseline, also if it may be chance.

    If it were given only when its interval excludes 0, fewer than 95 % of the given ones would hold the truth
    (Benjamini & Yekutieli 2005, False discovery rate-adjusted multiple confidence intervals).
    """
    baseline = comparison.methods[0]
    gap, than = comparison.difference(best, baseline, name, rows), the(comparison, baseline)
    if best == baseline or not gap.value or not np.isfinite(gap.low):
        return ""
    if rows in comparison.outside:
        return f", and {than} in {_value(comparison, baseline, name, rows)}"
    return f", {comparison.words.gap(comparison, gap, name, than)}"


def _reversed(comparison: Comparison, rows: str) -> str:
    """The methods that are surely more certain of OOD rows than of those here, a sentence, or empty."""
    some = [name for name in comparison.methods if comparison.score(name, OUTSIDE[0], rows).high < 0.5]
    if not some:
        return ""
    names, does = listed([the(comparison, name) for name in some]), "do" if len(some) > 1 else "does"
    return (
        f"{upper(names)} {does} worse than a guess, as '{rows}' seem surer than the {comparison.kind}s here."
    )


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
    words, lines, scales = comparison.words, lines_of(comparison), scales_of(comparison)
    count, (scale, means), has_costs = len(words.short), words.scale, comparison.has_costs
    main = [name for _, name in words.short].index(words.main)
    table = [
        [*head_of(comparison)[: count + 1], *([scale] if scales else []), *(["cost"] if has_costs else [])]
    ]
    for line in lines:
        scores = [value + ("*" if best else " ") for value, best in zip(line.values, line.best, strict=True)]
        _, interval = words.cell(comparison.score(line.method, words.main), per_cent=False)
        scores[main] = with_interval(scores[main], interval)
        best_scale = [scales.get(line.method, ("", ""))[0]] if scales else []
        table.append([line.method, *scores[:count], *best_scale, *line.values[count:]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    take, *others = brief(comparison).items()
    text_lines = [take[1], *(f"{head}: {said}" for head, said in others), ""]
    own = [method for method in comparison.methods if method not in comparison.calibrations]
    why = [f"{method}: {said}" for method in own if (said := in_short(comparison, method))]
    text_lines += [*why, ""] if why else []
    for first, *values in table:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(values, widths[1:], strict=True))]
        text_lines.append("  ".join(cells).rstrip())
    notes = {
        "* the best of its column, perhaps by chance": any(any(line.best) for line in lines),
        "in brackets: 95\u00a0% intervals": any("(" in cells[1 + main] for cells in table),
        f"{scale}: {means}": bool(scales),
        f"cost: in {PREDICTIONS}": has_costs,
    }
    shown = [note for note, is_needed in notes.items() if is_needed]
    text_lines += ["", *shown] if shown else []
    return "\n".join([*text_lines, *(f"\n{notice}" for notice in comparison.noticed)])


def scales_of(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """By method that is not calibrated, its best temperature or factor and the interval, if known."""
    scales = {
        method: comparison.parts_of(method).scale.score(0.95)
        for method in comparison.parts
        if method not in comparison.calibrations
    }
    return {method: scale_in_words(scale) for method, scale in scales.items() if scale.known}


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
