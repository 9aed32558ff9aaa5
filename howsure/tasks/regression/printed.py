"""A `RegressionCertainty` in words: how wide its intervals are, whether they hold, and the widest rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howsure.digits import significant
from howsure.report.figures import Proportion, differs_from_claim, interval_of, proportion, share_of
from howsure.sampling.outcome import Floats
from howsure.tasks.printed import NONE, Line, Lines
from howsure.tasks.regression.counts import claimed, is_counts
from howsure.tasks.regression.doubt import (
    disagreement,
    needs_passes,
    relative_width,
    scatter,
    target_error,
    target_share,
)
from howsure.tasks.regression.quantiles import pairs_of, width_of
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import (
    FEW_TARGETS,
    SHOWN,
    NumbersRow,
    answers_between,
    level_of,
    level_of_answers,
    number_in_words,
    written_of,
)
from howsure.tasks.sentences import mended, more_of, passes_needed, words_of
from howsure.words import UNIT, counted, listed, rate, upper

ALONE = "Nothing says how far {it} may be off."
MENDED = "howsure.calibrate corrects that, from held-out rows."
MENDED_QUANTILES = "howsure.prediction_intervals corrects that, from held-out rows."

LEVELS = (0.5, 0.8, 0.9, SHOWN)
"""Levels of the intervals whose share of true answers is counted."""


def lead(result: RegressionCertainty) -> str:
    """A result in a sentence or two: how far from predictions answers lie, in half of the rows and at most.

    If the noise is unknown, it tells the standard deviation between networks instead.
    """
    rows, kind, names = len(result), result.kind, result.target_names
    if rows == 0:
        return NONE.format(kind)
    is_single = len(names) == 1
    text = "" if is_single else f"Each {kind} has {counted(len(names), 'number')}. "
    if result.answer_quantiles is not None or is_counts(result):
        level = level_of_answers(result[0])
        width = np.ptp(answers_of(result), axis=-1)
        usual = _with_names(names, [significant(float(of), 2) for of in np.median(width, axis=0)])
        text += f"In half of {counted(rows, kind)} the {100 * level:g}{UNIT} interval of the model is "
        return f"{text}at most {usual} wide."
    if np.isnan(scatter(result.std, result.spread)).all():
        which = f"each of {counted(rows, kind)}" if rows > 1 else f"the one {kind} it was given"
        text = text or f"The model predicts a number for {which}. "
        return text + ALONE.format(it="it" if is_single else "they")
    wide = [_width_texts(result, k) for k in range(len(names))]
    if len(names) > FEW_TARGETS or not all(widths for widths, _ in wide):
        return text.rstrip() or f"There {'is' if rows == 1 else 'are'} {counted(rows, kind)}."
    who = f"For half of {counted(rows, kind)}" if rows > 1 else f"For the one {kind} it was given"
    middle = _with_names(names, [widths[0] for widths, _ in wide])
    widest = wide[0][0][1] if rows > 1 and is_single else ""
    if all(is_noise_known for _, is_noise_known in wide):
        text += f"{who} the model expects 95{UNIT} of answers within {middle} of its prediction"
        return f"{text}; for the widest, within {widest}." if widest else f"{text}."
    between, at_most = words_of(result.method)["between"], "at most " if rows > 1 else ""
    text += f"{who}, the standard deviation between {between} is {at_most}{middle}"
    text += f"; for the widest, {widest}." if widest else "."
    return f"{text} How far new answers scatter is not known."


def checked(result: RegressionCertainty, alone: bool) -> tuple[str, ...]:
    """How many true numbers N ≥ 1 rows hold, how far they lie, and which rows to check first.

    Args:
        result: The rows, with true numbers.
        alone: Whether rows are independent, as the intervals of counted shares need.
    """
    held = coverage_in_words(result) if alone and len(result.target_names) <= FEW_TARGETS else ""
    first = f"Check first the {result.kind}s with the widest intervals."
    return tuple(filter(None, (held, lead(result), first)))


def lines(result: RegressionCertainty, count: int | None) -> Lines:
    """All rows in their order, or at most so many whose numbers are least certain."""
    positions = range(len(result)) if count is None else result.widest(count).tolist()
    widths = relative_width(width_of(result), result.spread)
    entries = []
    for position in positions:
        row = result[position]
        text = str(row) if count is None else told_of(row, int(np.argmax(widths[position])))
        entries.append(Line(row.row, row.id, row.called, text, truth_of(row)))
    which = f"All {result.kind}s" if count is None else f"The {len(entries)} least certain {result.kind}s"
    if len(entries) == 1 and count is not None:
        which = f"The least certain {result.kind}"
    return Lines(which, tuple(entries))


def told_of(row: NumbersRow, k: int) -> str:
    """A row as it prints; of many numbers only number k, which is the least certain."""
    names = row.target_names
    if len(names) <= FEW_TARGETS:
        return str(row)
    return f"'{names[k]}', the least certain of {counted(len(names), 'number')}: {number_in_words(row, k)}."


def truth_of(row: NumbersRow) -> str | None:
    """The true numbers, with the digits of the predicted ones; None if they are not given."""
    if row.truth is None:
        return None
    texts = [str(written_of(row, k, level_of(row, k)).truth) for k in range(len(row.target_names))]
    if len(texts) == 1:
        return texts[0]
    named = [f"'{name}' {number}" for name, number in zip(row.target_names, texts, strict=True)]
    more = len(named) - FEW_TARGETS
    return ", ".join(named[:FEW_TARGETS]) + (f" and {more} more" if more > 0 else "")


def answers_of(result: RegressionCertainty) -> Floats:
    """(N, K, 2) ends of the intervals of answers that are told; NaN where these are unknown."""
    return answers_between(result, level_of_answers(result))


def is_symmetric(result: RegressionCertainty) -> bool:
    """Whether intervals reach as far to either side of the prediction."""
    return result.answer_quantiles is None and not is_counts(result)


def summary(result: RegressionCertainty) -> str:
    """How wide intervals are, how many answers they hold, what they are made of, and if passes suffice."""
    sentences = [lead(result)]
    if len(result):
        if len(result.target_names) <= FEW_TARGETS:
            sentences += [coverage_in_words(result), made_of_in_words(result)]
        sentences += [passes_in_words(result), strange_in_words(result)]
    return " ".join(sentence for sentence in sentences if sentence)


@dataclass(frozen=True)
class LevelCoverage:
    """How many true answers lie in the intervals of one level.

    Attributes:
        level: Share of answers that should.
        claim: Share that the intervals claim on average: more than `level` where they end at whole numbers.
        half: Half of the median width.
        found: Share that does.
        off: −1 where fewer do than should by more than chance, 1 where more do, else 0.
    """

    level: float
    claim: float
    half: float
    found: Proportion
    off: int


def levels_of(result: RegressionCertainty, k: int) -> tuple[LevelCoverage, ...]:
    """How many true answers lie in intervals of `LEVELS`; empty without truth, or where no row has one.

    All tests of all targets together err in one of twenty cases at most.
    """
    of, targets = result.of_target(k), len(result.target_names)
    known_rows = np.flatnonzero(np.isfinite(answers_of(of)[:, 0, 0]))
    if of.truth is None or not len(known_rows):
        return ()
    part, levels = of if len(known_rows) == len(of) else of[known_rows], []
    truth, told = part.truth[:, 0], tuple(pairs_of(of.levels)) or LEVELS  # type: ignore[index]
    for level in told:
        ends = answers_between(part, level)[:, 0]
        low, high = ends.T
        share = proportion(int(np.sum((low <= truth) & (truth <= high))), len(known_rows))
        claim = level
        if is_counts(part):
            claim = float(claimed(part.mean[:, 0], part.std[:, 0], ends).mean())
        off = differs_from_claim(claim, share, among=len(told) * targets)
        levels.append(LevelCoverage(level, claim, float(np.median(high - low)) / 2, share, off))
    return tuple(levels)


def verdict_of(levels: Sequence[LevelCoverage]) -> str:
    """Whether intervals are too narrow or wider than they need be; empty if chance may be all there is."""
    texts = [
        f"too narrow{_at_levels(narrow, levels)}"
        if (narrow := [level for level in levels if level.off < 0])
        else "",
        f"wider than they need be{_at_levels(wide, levels)}"
        if (wide := [level for level in levels if level.off > 0])
        else "",
    ]
    return " and ".join(text for text in texts if text)


def _at_levels(levels: Sequence[LevelCoverage], among: Sequence[LevelCoverage]) -> str:
    return (
        ""
        if len(levels) == len(among)
        else f" at {listed([f'{100 * level.level:g}' for level in levels])}{UNIT}"
    )


def coverage_in_words(result: RegressionCertainty) -> str:
    """How many true answers lie in their 95 % intervals, in sentences; empty unless all targets tell that."""
    names = result.target_names
    known_levels = [levels for k in range(len(names)) if (levels := levels_of(result, k))]
    if len(known_levels) < len(names):
        return ""
    is_single, last = len(names) == 1, [levels[-1].found for levels in known_levels]
    shares = [f"{share_of(share)} ({interval_of(share)})" if is_single else share_of(share) for share in last]
    level = f"{100 * level_of_answers(result):g}{UNIT}"
    sentence = f"{_with_names(names, shares)} of the true answers lie in their {level} intervals"
    if is_counts(result):
        claims = _with_names(names, [rate(levels[-1].claim, 1) for levels in known_levels])
        sentence += f". These claim {claims}, as they end at whole numbers"
    verdicts = [
        f"{'intervals' if is_single else f'the intervals of {name!r}'} are {verdict}"
        for name, levels in zip(names, known_levels, strict=True)
        if (verdict := verdict_of(levels))
    ]
    if not verdicts:
        return f"{sentence}: chance may explain the difference."
    mends = mended(result.method, MENDED if result.answer_quantiles is None else MENDED_QUANTILES)
    return " ".join([f"{sentence}.", *(f"{upper(verdict)}." for verdict in verdicts), mends])


def made_of_in_words(result: RegressionCertainty) -> str:
    """The median share of disagreement in the variance, a sentence; empty unless all targets tell that."""
    if result.spread is None or not len(result):
        return ""
    shares = disagreement(result.spread, result.noise)
    if np.isnan(shares).all(axis=0).any():
        return ""
    medians = [_share_text(float(median)) for median in np.nanmedian(shares, axis=0)]
    middle = "" if len(result) == 1 else f"In the median {result.kind}, "
    named = _with_names(result.target_names, medians)
    between = words_of(result.method)["between"]
    sentence = f"disagreement between {between} is {named} of the variance; the rest is noise."
    return middle + sentence if middle else upper(sentence)


def passes_in_words(result: RegressionCertainty) -> str:
    """Whether passes suffice, a sentence; empty if the method does not stop at an error of its own."""
    target = target_share(result.method)
    if target is None or not len(result):
        return ""
    width = scatter(result.std, result.spread)
    open_ones = needs_passes(result.mean, result.mc_error, width, result.method)
    rows, kind, passes = np.flatnonzero(open_ones.any(axis=1)), result.kind, words_of(result.method)["passes"]
    least, most = int(result.passes.min()), int(result.passes.max())
    spent = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    small = f"the error of the mean is at most {target:g} standard deviations"
    if not len(rows):
        return f"With {spent} {passes} {small}."
    of_open = (
        np.broadcast_to(result.passes[:, None], width.shape)[open_ones],
        result.mc_error[open_ones],
        target_error(width, result.method)[open_ones],
    )
    more = f"Try {more_of(result.method, passes_needed(*of_open))}"
    missing = f"{counted(len(rows), kind)} ({rate(len(rows) / len(result))})"
    return f"With {spent} {passes} {small}, but for {missing}. {more}."


def strange_in_words(result: RegressionCertainty) -> str:
    """How many rows are unfamiliar, a sentence; empty if none is, or where that was not measured."""
    strange = int(np.sum(result.unfamiliar))
    if not strange:
        return ""
    verb = "is unfamiliar: its" if strange == 1 else "are unfamiliar: their"
    return f"{counted(strange, result.kind)} {verb} intervals are hardly tested."


def _width_texts(result: RegressionCertainty, k: int) -> tuple[list[str], bool]:
    """Median and largest, `± 1.3` of answers, or the standard deviation between networks; and which it is.

    Empty unless all rows have one.
    """
    std = result.std[:, k]
    if np.isfinite(std).all():
        return [
            f"±\u00a0{significant(1.96 * float(width), 2)}" for width in (np.median(std), std.max())
        ], True
    spread = None if result.spread is None else result.spread[:, k]
    if spread is None or not np.isfinite(spread).all():
        return [], False
    return [significant(float(width), 2) for width in (np.median(spread), spread.max())], False


def _with_names(names: tuple[str, ...], texts: list[str]) -> str:
    if len(names) == 1:
        return texts[0]
    return listed([f"{text} ('{name}')" for name, text in zip(names, texts, strict=True)])


def _share_text(share: float) -> str:
    """A share in whole per cent, or with one decimal below a tenth."""
    return rate(share, 0 if share >= 0.1 else 1)
