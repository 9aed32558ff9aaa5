"""Why a method is better or worse than the baseline: claims, tested before they are told, and sentences.

A claim is sure where its interval excludes 0. Intervals of all parts of all methods hold together in 95 % of
cases, and so do those of all scales, and those of all members of an ensemble. A claim that is not sure is
told as the best guess where it is likely: where its own 80 % interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from howsure.compare.comparison import AS_THEY_ARE, LEAST_CALIBRATED, Comparison
from howsure.compare.parts import (
    ACCURACY,
    ALTERNATIVES,
    CALIBRATION,
    DISCRIMINATION,
    MENDED,
    OFFSETS,
    ORDER,
    PARTS,
    SURENESS,
    ZEROS,
    ends_of,
)
from howsure.compare.sentences import joined, the
from howsure.evaluation.score import Measured, Score
from howsure.sampling.outcome import Floats
from howsure.statistics import proportion_interval
from howsure.words import counted, listed, rate, upper

WHOLE = "whole"
"""The claim that a method is better or worse than the baseline."""

SCALE = "scale"
"""The claim that a method is too sure, where its effect is above 0, or too modest."""

CALIBRATING = "calibrating"
"""The claim that calibration made a method better, or worse."""

TOGETHER = "together"
"""The claim that an ensemble is better than the best of its members, or worse."""

LIKELY = 0.8
"""Confidence of the interval that a guess excludes 0 by. Without an effect, one interval in five does so."""


@dataclass(frozen=True)
class Claim:
    """A statement about one method.

    Attributes:
        method: Its name.
        about: One of `PARTS`, or `discrimination`, `whole`, `scale`, `calibrating` or `together`.
        effect: The method less the baseline in the main score, of which lower is better; of a scale its
            logarithm; of members all together less the best of them alone.
        sure: Whether the interval of the effect excludes 0; if not, it is the best guess.
    """

    method: str
    about: str
    effect: Score
    sure: bool

    @property
    def better(self) -> bool:
        """Whether the effect is below 0."""
        return self.effect.value < 0


def claims(comparison: Comparison) -> list[Claim]:
    """All that is told, sure or likely, of every method."""
    all_claims = [claim for name in comparison.methods for claim in _of_scale(comparison, name)]
    baseline, off = comparison.methods[0], {claim.method for claim in all_claims if claim.sure}
    for name in comparison.methods[1:]:
        if name in comparison.calibrations:
            all_claims += _of_calibration(comparison, name)
        else:
            all_claims += compared(comparison, name, baseline)
            parts = {
                claim.about: claim
                for part in (*PARTS, DISCRIMINATION)
                for claim in _of_part(comparison, name, part)
            }
            if CALIBRATION in parts:  # the one whose percentages fit worse is itself too sure or too modest
                fits = (baseline if parts[CALIBRATION].better else name) in off or any(
                    (gap := comparison.part(name, part)) is not None and gap.excludes_zero
                    for part in (OFFSETS, ZEROS)
                )
                parts[CALIBRATION] = replace(parts[CALIBRATION], sure=parts[CALIBRATION].sure and fits)
            for part in {ORDER, ALTERNATIVES} & parts.keys() if ACCURACY in parts else ():
                if parts[ACCURACY].better is not parts[part].better:
                    del parts[part]  # the fewer mistakes there are, the less it is worth to know of them
            all_claims += parts.values()
        all_claims += _together(comparison, name)
    return all_claims


def _claim(
    method: str, about: str, effect: Score, parts: Floats, likely: tuple[float, float]
) -> Iterator[Claim]:
    """The claim of an effect, with what rows and masks contribute to it, if it is sure or likely."""
    if effect.known and parts.any() and (effect.excludes_zero or likely[0] > 0 or likely[1] < 0):
        yield Claim(method, about, effect, effect.excludes_zero)


def _of_scale(comparison: Comparison, name: str) -> Iterator[Claim]:
    if name not in comparison.parts or name in comparison.calibrations:
        return
    scale = comparison.parts_of(name).scale
    confidence = 1 - 0.05 / (len(comparison.methods) - len(comparison.calibrations))
    effect, likely = scale.score(confidence), scale.interval(LIKELY)
    yield from _claim(name, SCALE, effect, scale.parts, likely)


def compared(comparison: Comparison, name: str, other: str, about: str = WHOLE) -> Iterator[Claim]:
    """The claim that one method is better than another, or worse, in the main score."""
    main = comparison.words.main
    one, two = (comparison.measured(method, main) for method in (name, other))
    effect = comparison.difference(name, other, main)
    yield from _of_difference(name, about, effect, one, two)


def _of_calibration(comparison: Comparison, name: str) -> Iterator[Claim]:
    """As `compared`; nothing if the folds hold fewer than two mistakes each on average.

    Calibration gains where a mistake was sure. Few mistakes often hold none, and calibration seems to lose.
    """
    old = comparison.calibrations[name]
    if comparison.evaluations[old, AS_THEY_ARE].measured(comparison.words.main).mistakes >= LEAST_CALIBRATED:
        yield from compared(comparison, name, old, CALIBRATING)


def _of_part(comparison: Comparison, name: str, part: str) -> Iterator[Claim]:
    effect = comparison.part(name, part)
    if effect is not None:
        one, two = (comparison.parts_of(method)[part] for method in (name, comparison.methods[0]))
        yield from _of_difference(name, part, effect, one, two)


def _of_difference(name: str, about: str, effect: Score, one: Measured, two: Measured) -> Iterator[Claim]:
    parts = one.parts - two.parts
    yield from _claim(name, about, effect, parts, ends_of(effect.value, parts, LIKELY))


def _together(comparison: Comparison, name: str) -> Iterator[Claim]:
    members = comparison.members.get(name)
    if members is not None:
        (effect, parts), (likely, _) = members.beside_the_best(), members.beside_the_best(LIKELY)
        yield from _claim(name, TOGETHER, effect, parts, (likely.low, likely.high))


# --- sentences ----------------------------------------------------------------------------------------


def reasons(comparison: Comparison) -> dict[str, str]:
    """By method, why it is better or worse than the baseline; of the baseline, how true its claims are."""
    by_method: dict[str, dict[str, Claim]] = {}
    for claim in claims(comparison):
        by_method.setdefault(claim.method, {})[claim.about] = claim
    baseline = comparison.methods[0]
    sentences = {baseline: joined(*_of_baseline(comparison, by_method))}
    for name in comparison.methods[1:]:
        if name not in comparison.calibrations:
            sentences[name] = joined(*_of_method(comparison, name, by_method.get(name, {})))
    return {name: text for name, text in sentences.items() if text}


def because(comparison: Comparison, method: str, it: str | None = None) -> str:
    """Why a method is better or worse than the baseline, a sentence; empty if no part is sure.

    Args:
        comparison: The comparison.
        method: Name of the method.
        it: The word for the method. Default: its name.
    """
    baseline, words = comparison.methods[0], comparison.words
    better = comparison.difference(method, baseline, words.main).value < 0
    cause = comparison.cause(method)
    if cause is None:
        gap = comparison.part(method, DISCRIMINATION)
        if gap is None or not gap.excludes_zero or (gap.value < 0) != better:
            return ""
        cause = DISCRIMINATION
    if cause in (CALIBRATION, *MENDED):
        off = baseline if better else method
        named = the(comparison, off) if better or it is None else it
        return f"{upper(words.of_calibration(comparison, off, cause, named))}."
    return f"{upper(words.reasons[cause, better])}."


def in_short(comparison: Comparison, method: str) -> str:
    """The claims of a method beside the truth, why it is better or worse, and the worth of the cause."""
    words, claims_of = comparison.words, comparison.claims.get((method, AS_THEY_ARE))
    said = "" if claims_of is None else f"{upper(words.claimed(claims_of))}."
    why = "" if method == comparison.methods[0] else because(comparison, method, "it")
    why = why.partition(": it")[0]  # the rest stands in a line or in the table
    gap = comparison.part(method, comparison.cause(method) or DISCRIMINATION) if why else None
    worth = "" if gap is None else f" (worth {words.amount(comparison, gap)})"
    return joined(said, f"{why.removesuffix('.')}{worth}." if why else "")


def where(comparison: Comparison, method: str) -> str:
    """In which rows most of the difference from the baseline lies, a sentence; empty if in none surely."""
    number = holds_most(comparison, method)
    if number is None:
        return ""
    better = comparison.difference(method, comparison.methods[0], comparison.words.main).value < 0
    what, name = "gain" if better else "loss", comparison.certainties[method].class_names[number]
    of_all = rate(float(np.mean(comparison.truth == number)))
    return f"Most of the {what} lies in {comparison.kind}s of '{name}', {of_all} of all."


def holds_most(comparison: Comparison, method: str) -> int | None:
    """The true class whose rows hold most of the difference from the baseline, if one surely does.

    Most is more than half, and more than its share of the rows. Intervals hold together for all classes and
    methods (Bonferroni). None for other answers than one class per row, and for rows in groups.
    """
    one, two = (comparison.measured(name, comparison.words.main) for name in (method, comparison.methods[0]))
    truth, names = comparison.truth, getattr(comparison.certainties[method], "class_names", ())
    if truth.ndim != 1 or not names or one.sizes is not None or not np.isfinite(one.value - two.value):
        return None
    gap, of_masks = np.split(one.added - two.added, [len(truth)])
    number = int(np.argmax(np.bincount(truth, gap * np.sign(gap.sum()))))
    least = max(float(np.mean(truth == number)), 0.5)
    parts = ((truth == number) - least) * gap
    value = float(parts.sum())
    # Masks may move the rows of this class alone, or all others.
    contributed = np.concatenate([parts - value / len(truth), least * of_masks])
    tests = len(names) * (len(comparison.methods) - 1)
    low, high = ends_of(value, contributed, 1 - 0.05 / tests)
    return number if value * gap.sum() > 0 and (low > 0 or high < 0) else None


def _of_baseline(comparison: Comparison, by_method: Mapping[str, Mapping[str, Claim]]) -> Iterator[str]:
    """How true the claims of the baseline are, and what calibration does to it."""
    baseline, words = comparison.methods[0], comparison.words
    if baseline not in comparison.parts:
        return
    scale = by_method.get(baseline, {}).get(SCALE)
    if scale is not None and scale.sure:
        yield f"{upper(words.of_calibration(comparison, baseline, SURENESS, the(comparison, baseline)))}."
    elif scale is not None:
        yield (
            f"{_too_few(comparison)} to be sure whether {the(comparison, baseline)} is too sure or too "
            f"modest. The best guess is that {words.of_calibration(comparison, baseline, SURENESS, 'it')}."
        )
    elif (  # rows that calibrated it say nothing new of it
        "calibration" not in comparison.certainties[baseline].method
        and comparison.parts_of(baseline).scale.score(0.95).known
    ):
        than = f"{the(comparison, baseline)} is too sure, or too modest"
        yield f"Nothing in {_rows(comparison)} shows that {than}."
    calibrated = next((new for new, old in comparison.calibrations.items() if old == baseline), None)
    claim = None if calibrated is None else by_method.get(calibrated, {}).get(CALIBRATING)
    if claim is None:
        return
    effect, chance = words.does(comparison, claim.effect), "" if claim.sure else ", which may be chance"
    yield f"Calibrated on other {comparison.kind}s, it {effect}{chance}."
    if claim.better:
        yield words.one_number


def _of_method(comparison: Comparison, name: str, by_part: Mapping[str, Claim]) -> Iterator[str]:
    words, baseline = comparison.words, the(comparison, comparison.methods[0])
    it, whole, sentences = the(comparison, name), by_part.get(WHOLE), list[str]()
    sure = sure_parts(by_part)
    if whole is not None and whole.sure:
        along, against = (
            [claim for claim in sure if (claim.better is whole.better) is so] for so in (True, False)
        )
        sentences.append(f"{upper(it)} {words.does(comparison, whole.effect, baseline)}.")
        sentences += _clauses(comparison, along)
        if not along:
            sentences.append(guess(comparison, name))
        sentences += [f"But {clause[0].lower()}{clause[1:]}" for clause in _clauses(comparison, against)]
    elif sure:
        sentences.append(f"In all, {_rows(comparison)} cannot tell {it} from {baseline}.")
        sentences += _clauses(comparison, sure)
    elif whole is not None:
        sentences.append(
            f"{_too_few(comparison)} to be sure whether {it} is better than {baseline}. The best guess is "
            f"that it {words.does(comparison, whole.effect)}."
        )
    scale = by_part.get(SCALE)
    if scale is not None and scale.sure:
        sentences.append(
            f"{upper(words.of_calibration(comparison, name, SURENESS, 'it' if sentences else it))}."
        )
    sentences.append(_once_calibrated(comparison, name, by_part))
    sentences.append(_of_masks(comparison, name))
    sentences += _of_members(comparison, name, by_part.get(TOGETHER), "it" if any(sentences) else it)
    yield from sentences


def sure_parts(by_part: Mapping[str, Claim]) -> list[Claim]:
    """The parts of a difference that are sure; their sum where neither accuracy nor order is sure alone."""
    sure = [by_part[part] for part in PARTS if part in by_part and by_part[part].sure]
    discrimination = by_part.get(DISCRIMINATION)
    if (
        discrimination is not None
        and discrimination.sure
        and all(claim.about == CALIBRATION for claim in sure)
    ):
        sure.append(discrimination)
    return sure


def _clauses(comparison: Comparison, sure: list[Claim]) -> list[str]:
    """A sentence on each claim, with its size; the largest effect first."""
    words = comparison.words
    worth = [(_worth(comparison, claim), words.reasons[claim.about, claim.better]) for claim in sure]
    return [
        f"{upper(reason)} (worth {words.amount(comparison, effect)})."
        for effect, reason in sorted(worth, key=lambda clause: -abs(clause[0].value))
    ]


def _worth(comparison: Comparison, claim: Claim) -> Score:
    """The effect; of accuracy with the rest where that is opposed, as few mistakes leave less to tell apart.

    So what is told of a method adds up to the whole.
    """
    both = comparison.part(claim.method, DISCRIMINATION)
    if (
        claim.about == ACCURACY
        and both is not None
        and both.excludes_zero
        and (both.value < 0) == claim.better
    ):
        return max(both, claim.effect, key=lambda gap: gap.value if claim.better else -gap.value)
    return claim.effect


def guess(comparison: Comparison, method: str) -> str:
    """The best guess why a method is better or worse than the baseline, where no part is sure.

    Of counts and quantiles no score has parts, and intervals claim shares. Their claims beside the
    truth then stand for a cause, if the worse one is off by more than chance and the better one by less.
    """
    better = comparison.difference(method, comparison.methods[0], comparison.words.main).value < 0
    if comparison.comparing.answers:
        return _claims_apart(comparison, method, better) or "The score alone does not tell why."
    likely = [claim for part in PARTS for claim in _of_part(comparison, method, part)]
    along = _clauses(comparison, [claim for claim in likely if claim.better is better])
    if not along:
        return f"{upper(_rows(comparison))} cannot tell why."
    return f"{_too_few(comparison)} to be sure why. The best guess: {along[0]}"


def _claims_apart(comparison: Comparison, method: str, better: bool) -> str:
    """The claims of a method and the baseline beside the truth, if those of the worse one are surely off."""
    words, baseline, count = comparison.words, comparison.methods[0], comparison._independent
    own, usual = (comparison.claims[name, AS_THEY_ARE] for name in (method, baseline))
    good, bad = (own, usual) if better else (usual, own)
    low, high = proportion_interval(round(bad.true * count), count)
    if low <= bad.claimed <= high or abs(good.true - good.claimed) >= abs(bad.true - bad.claimed):
        return ""
    return f"Its {words.claimed(own)}; for {the(comparison, baseline)}, {words.claimed(usual)}."


def _of_masks(comparison: Comparison, name: str) -> str:
    """That most of the doubt comes from masks, if it is so beyond doubt: three quarters of the variance."""
    one, two = (
        comparison.measured(method, comparison.words.main) for method in (name, comparison.methods[0])
    )
    of_rows, of_masks = np.split(one.parts - two.parts, [comparison._independent])
    if np.sum(of_masks**2) <= 3 * np.sum(of_rows**2):
        return ""
    kinds = f"{comparison.kind}s"
    return (
        f"Most of this uncertainty comes from its masks, which all {kinds} share: more passes would tell "
        f"more than more {kinds}."
    )


def _once_calibrated(comparison: Comparison, name: str, by_part: Mapping[str, Claim]) -> str:
    """The rest of a difference once both are calibrated, if calibration has a sure part in it."""
    if (
        CALIBRATION not in by_part
        or not by_part[CALIBRATION].sure
        or any(claim.about == DISCRIMINATION for claim in sure_parts(by_part))
    ):
        return ""
    discrimination = comparison.part(name, DISCRIMINATION)
    if discrimination is None or not discrimination.known:
        return ""
    if discrimination.excludes_zero:
        return f"Once both are calibrated, it {comparison.words.does(comparison, discrimination)}."
    return (
        f"Once both are calibrated, {_rows(comparison)} cannot tell them apart "
        f"({comparison.words.amount(comparison, discrimination)})."
    )


def _of_members(comparison: Comparison, name: str, claim: Claim | None, it: str) -> Iterator[str]:
    members = comparison.members.get(name)
    if members is None:
        return
    words, alike = comparison.words, members.alike
    networks = f"{'its' if it == 'it' else 'the'} {len(members.losses)} networks"
    networks += "" if it == "it" else f" of {it}"
    if alike:
        copies = upper(listed([member_in_words(member) for member in alike]))
        yield f"{copies} answer alike, so they say no more than one of them."
    best = member_in_words(members.best)
    if claim is None or not claim.sure:
        yield f"{upper(_rows(comparison))} cannot tell if {networks} are better together than {best} alone."
        if claim is not None:
            does = words.does_together(comparison, claim.effect, best)
            yield f"The best guess is that together they {does}."
    elif claim.better:
        yield f"{upper(networks)} do not all make the same mistakes."
        does = words.does_together(comparison, claim.effect, f"{best} alone")
        yield f"Together they {does}, the best of them."
        if np.isfinite(members.shared):
            shared = f"{100 * members.shared:.0f}\u00a0%"
            yield f"In a pair of them, one makes {shared} of the mistakes of the other too, on average."
    else:
        does = words.does_together(comparison, claim.effect, best)
        yield joined(one_alone(comparison, name), f"Together they {does}.")
    hurts = members.hurts()
    if hurts is not None:
        number, gap = hurts
        does = words.does_together(comparison, gap, "all of them")
        yield f"Without {member_in_words(number)}, the others {does}."


def one_alone(comparison: Comparison, method: str) -> str:
    """That one network of an ensemble may be as good as all of it, or is better, a sentence; empty if not.

    Members are compared as they are, also where the ensemble is calibrated.
    """
    own = comparison.calibrations.get(method, method)
    members, claim = comparison.members.get(own), next(_together(comparison, own), None)
    if members is None or (claim is not None and claim.better and claim.sure):
        return ""
    likely = "" if claim is not None and claim.sure else "likely "
    than = "may be as good as" if claim is None or claim.better else f"is {likely}better than"
    bare = "" if own == method else "Uncalibrated, "
    return upper(f"{bare}{member_in_words(members.best)} alone {than} all {len(members.losses)} together.")


def member_in_words(number: int) -> str:
    """A member of an ensemble, counted from the assessed model on; `number` is its row in `MemberLosses`."""
    return "the assessed model" if number == 0 else f"member {number}"


def _rows(comparison: Comparison) -> str:
    return f"these {counted(comparison.rows, comparison.kind)}"


def _too_few(comparison: Comparison) -> str:
    return f"{upper(_rows(comparison))} are too few"
