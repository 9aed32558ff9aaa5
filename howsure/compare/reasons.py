"""Why a method is better or worse than the baseline: claims, tested before they are told, and sentences.

A claim is sure where its interval excludes 0. Intervals of all parts of all methods hold together in 95 % of
cases, and so do those of all scales, and those of all members of an ensemble. A claim that is not sure is
told as the best guess where it is likely: where its own 80 % interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.parts import CALIBRATION, DISCRIMINATION, PARTS
from howsure.compare.phrases import joined, the
from howsure.judge.scores import NORMAL, Measured, Score
from howsure.statistics import symmetric_interval
from howsure.words import counted, listed, upper

WHOLE = "whole"
"""The claim that a method is better or worse than the baseline."""

SCALE = "scale"
"""The claim that a method is too sure, where its effect is above 0, or too modest."""

CALIBRATING = "calibrating"
"""The claim that calibration made a method better, or worse."""

TOGETHER = "together"
"""The claim that an ensemble is better than the best of its members, or worse."""

LIKELY = float(ndtri(0.9))
"""Standard errors from 0 from which an effect is told as a guess: its sign is right in 9 of 10 such cases."""

POWER = NORMAL + float(ndtri(0.8))
"""Standard errors from 0 at which an effect is found in 8 of 10 cases."""


@dataclass(frozen=True)
class Claim:
    """What is said of one method.

    Attributes:
        method: Its name.
        about: One of `PARTS`, or `discrimination`, `whole`, `scale`, `calibrating` or `together`.
        effect: The method less the baseline in the main score, of which lower is better; of a scale its
            logarithm; of members all together less the best of them alone.
        sure: Whether the interval of the effect excludes 0; if not, it is the best guess.
        rows: How many rows would be needed to be sure in 8 of 10 cases, if the effect is what it seems.
    """

    method: str
    about: str
    effect: Score
    sure: bool
    rows: float = np.nan

    @property
    def better(self) -> bool:
        """Whether the effect is below 0."""
        return self.effect.value < 0


def claims(comparison: Comparison) -> list[Claim]:
    """All that is told, sure or likely, of every method."""
    found = [each for name in comparison.methods for each in _of_scale(comparison, name)]
    baseline = comparison.methods[0]
    for name in comparison.methods[1:]:
        if comparison.calibrations.get(name) is not None:
            found += _compared(comparison, name, comparison.calibrations[name], CALIBRATING)
        else:
            found += _compared(comparison, name, baseline, WHOLE)
            for part in (*PARTS, DISCRIMINATION):
                found += _of_part(comparison, name, part)
        found += _together(comparison, name)
    return found


def _claim(method: str, about: str, effect: Score, error: float, rows: int) -> Iterator[Claim]:
    """The claim of an effect, if it is sure or likely."""
    size = abs(effect.value)
    if effect.known and error > 0 and (effect.excludes_zero or size > LIKELY * error):
        yield Claim(method, about, effect, effect.excludes_zero, rows * (POWER * error / size) ** 2)


def _of_scale(comparison: Comparison, name: str) -> Iterator[Claim]:
    parts = comparison.parts.get(name)
    if parts is None or name in comparison.calibrations:
        return
    confidence = 1 - 0.05 / (len(comparison.methods) - len(comparison.calibrations))
    yield from _claim(
        name, SCALE, interval_of(parts.scale, confidence), _error_of(parts.scale), comparison.rows
    )


def interval_of(measured: Measured, confidence: float = 0.95) -> Score:
    """A value that may have either sign with a symmetric interval; without one if too few rows decide it."""
    if measured.score(confidence).known:
        return Score(measured.value, *symmetric_interval(measured.value, measured.parts, confidence))
    return Score(measured.value, np.nan, np.nan)


def _error_of(measured: Measured) -> float:
    return float(np.linalg.norm(measured.parts))


def _compared(comparison: Comparison, name: str, other: str, about: str) -> Iterator[Claim]:
    main = comparison.words.main
    one, two = (comparison.evaluations[each, AS_THEY_ARE].measured(main) for each in (name, other))
    error = float(np.linalg.norm(one.parts - two.parts))
    yield from _claim(name, about, comparison.difference(name, other, main), error, comparison.rows)


def _of_part(comparison: Comparison, name: str, part: str) -> Iterator[Claim]:
    effect = comparison.part(name, part)
    if effect is None:
        return
    one, two = (comparison.parts[each][part] for each in (name, comparison.methods[0]))
    error = float(np.linalg.norm(one.parts - two.parts))
    yield from _claim(name, part, effect, error, comparison.rows)


def _together(comparison: Comparison, name: str) -> Iterator[Claim]:
    members = comparison.members.get(name)
    if members is not None:
        effect, error = members.beside_the_best()
        yield from _claim(name, TOGETHER, effect, error, comparison.rows)


# --- sentences ----------------------------------------------------------------------------------------


def reasons(comparison: Comparison) -> dict[str, str]:
    """By method, why it is better or worse than the baseline; of the baseline, how true its claims are."""
    told: dict[str, dict[str, Claim]] = {}
    for claim in claims(comparison):
        told.setdefault(claim.method, {})[claim.about] = claim
    baseline = comparison.methods[0]
    found = {baseline: joined(*_of_baseline(comparison, told))}
    for name in comparison.methods[1:]:
        if name not in comparison.calibrations:
            found[name] = joined(*_of_method(comparison, name, told.get(name, {})))
    return {name: said for name, said in found.items() if said}


def because(comparison: Comparison, method: str) -> str:
    """Why a method is better than the baseline, a sentence or two; empty where no part is sure."""
    own, words = comparison.calibrations.get(method, method), comparison.words
    sure = {each.about: each for each in claims(comparison) if each.sure and each.method == own}
    better = [each for each in sure_parts(sure) if each.better]
    said = list[str]()
    if own != method:  # which mends calibration, and leaves the other parts as they are
        better = [each for each in better if each.about != CALIBRATION]
        if SCALE in sure:
            said = [f"{upper(words.of_scale(comparison, own, sure[SCALE].effect, the(comparison, own)))}."]
    better.sort(key=lambda claim: claim.effect.value)
    if better:
        said.insert(0, f"The reason is that {listed([words.reasons[each.about, True] for each in better])}.")
    return joined(*said)


def perhaps_better(comparison: Comparison, taken: str) -> Claim | None:
    """The method that seems the best, if it is likely better than the one to take."""
    best = comparison.ranked(comparison.words.main).best
    if best is None or best == taken:
        return None
    return next(_compared(comparison, best, taken, WHOLE), None)


def _of_baseline(comparison: Comparison, told: Mapping[str, Mapping[str, Claim]]) -> Iterator[str]:
    """How true the claims of the baseline are, and what calibration does to it."""
    baseline, words = comparison.methods[0], comparison.words
    if baseline not in comparison.parts:
        return
    name, scale = upper(the(comparison, baseline)), told.get(baseline, {}).get(SCALE)
    if scale is not None and scale.sure:
        yield f"{upper(words.of_scale(comparison, baseline, scale.effect, the(comparison, baseline)))}."
    elif scale is not None:
        yield (
            f"{_too_few(comparison)} to be sure whether {the(comparison, baseline)} is too sure or too "
            f"modest. The best guess is that {words.of_scale(comparison, baseline, scale.effect, 'it')}. "
            f"{needed(comparison, scale)}"
        )
    else:
        own = interval_of(comparison.parts[baseline].scale)
        if own.known:
            yield (
                f"{name} is neither too sure nor too modest, as far as {_rows(comparison)} can tell "
                f"{words.scale_in_words(own)}."
            )
    calibrated = next((new for new, old in comparison.calibrations.items() if old == baseline), None)
    claim = None if calibrated is None else told.get(calibrated, {}).get(CALIBRATING)
    if claim is None:
        return
    effect = words.does(comparison, claim.effect)
    if claim.sure:
        yield f"Calibrated on other {comparison.kind}s, it {effect}."
    else:
        yield (
            f"Calibrated on other {comparison.kind}s, it {effect}, which may be chance. "
            f"{needed(comparison, claim)}"
        )
    if claim.better:
        yield words.one_number


def _of_method(comparison: Comparison, name: str, told: Mapping[str, Claim]) -> Iterator[str]:
    words, baseline = comparison.words, the(comparison, comparison.methods[0])
    it, whole, said = the(comparison, name), told.get(WHOLE), list[str]()
    sure = sure_parts(told)
    if whole is not None and whole.sure:
        along, against = (
            [each for each in sure if (each.better is whole.better) is so] for so in (True, False)
        )
        tails = [("because", along), ("although", against)]
        clauses = [f", {word} {listed(_clauses(comparison, each))}" for word, each in tails if each]
        said.append(f"{upper(it)} {words.does(comparison, whole.effect, baseline)}{''.join(clauses)}.")
        if not along:
            guesses = [told[part] for part in PARTS if part in told]
            said.append(_why_unknown(comparison, [each for each in guesses if each.better is whole.better]))
    elif sure:
        good, bad = ([each for each in sure if each.better is which] for which in (True, False))
        parts = [listed(_clauses(comparison, each)) for each in (good, bad) if each]
        said.append(f"{upper(it)} may be as good as {baseline} in all: {', but '.join(parts)}.")
    elif whole is not None:
        said.append(
            f"{_too_few(comparison)} to be sure whether {it} is better than {baseline}. The best guess is "
            f"that it {words.does(comparison, whole.effect)}. {needed(comparison, whole)}"
        )
    scale = told.get(SCALE)
    if scale is not None and scale.sure:
        said.append(f"{upper(words.of_scale(comparison, name, scale.effect, 'it' if said else it))}.")
    said.append(_once_calibrated(comparison, name, told))
    said += _of_members(comparison, name, told.get(TOGETHER))
    yield from said


def sure_parts(told: Mapping[str, Claim]) -> list[Claim]:
    """The parts of a difference that are sure; their sum where neither accuracy nor order is sure alone."""
    found = [told[part] for part in PARTS if part in told and told[part].sure]
    left = told.get(DISCRIMINATION)
    if left is not None and left.sure and all(each.about == CALIBRATION for each in found):
        found.append(left)
    return found


def _clauses(comparison: Comparison, found: list[Claim]) -> list[str]:
    """What each claim is about and by how much, the largest effect first."""
    words = comparison.words
    return [
        f"{words.reasons[each.about, each.better]} ({words.amount(comparison, each.effect)})"
        for each in sorted(found, key=lambda claim: -abs(claim.effect.value))
    ]


def _why_unknown(comparison: Comparison, guesses: list[Claim]) -> str:
    if not guesses:
        return f"Why, {_rows(comparison)} cannot tell."
    return (
        f"{_too_few(comparison)} to be sure why. The best guess is that "
        f"{listed(_clauses(comparison, guesses))}."
    )


def _once_calibrated(comparison: Comparison, name: str, told: Mapping[str, Claim]) -> str:
    """What is left of a difference once both are calibrated, where calibration has a sure part in it."""
    if (
        CALIBRATION not in told
        or not told[CALIBRATION].sure
        or any(each.about == DISCRIMINATION for each in sure_parts(told))
    ):
        return ""
    left = comparison.part(name, DISCRIMINATION)
    if left is None or not left.known:
        return ""
    if left.excludes_zero:
        return f"Once both are calibrated, it {comparison.words.does(comparison, left)}."
    return (
        f"Once both are calibrated, {_rows(comparison)} cannot tell them apart "
        f"({comparison.words.amount(comparison, left)})."
    )


def _of_members(comparison: Comparison, name: str, claim: Claim | None) -> Iterator[str]:
    members = comparison.members.get(name)
    if members is None:
        return
    words, alike = comparison.words, members.alike
    if alike:
        yield f"{upper(listed([f'network {each}' for each in alike]))} answer alike, so they count as one."
    best = f"network {members.best}"
    if claim is None or not claim.sure:
        yield (
            f"Whether its {len(members.losses)} networks are better together than {best} alone, "
            f"{_rows(comparison)} cannot tell."
        )
    elif claim.better:
        yield (
            "Its networks do not all make the same mistakes: together they "
            f"{words.does_together(comparison, claim.effect, f'{best} alone')}, the best of them."
        )
        if np.isfinite(members.shared):
            yield f"Where one is wrong, another is wrong too in {100 * members.shared:.0f}\u00a0% of cases."
    else:
        yield (
            f"{upper(best)} alone is better than all {len(members.losses)} together: "
            f"{words.does_together(comparison, claim.effect, best)}."
        )


def _rows(comparison: Comparison) -> str:
    return f"these {counted(comparison.rows, comparison.kind)}"


def _too_few(comparison: Comparison) -> str:
    return f"{upper(_rows(comparison))} are too few"


def needed(comparison: Comparison, claim: Claim) -> str:
    """How many rows it would take to be sure of a guess, a sentence."""
    if not np.isfinite(claim.rows):
        return ""
    rows = float(f"{claim.rows:.1g}")
    return f"About {rows:,.0f} {comparison.kind}s would tell." if rows > comparison.rows else ""
