"""Sentences about a `Certainty`: whether it is settled, its doubt, and whether it is right."""

from __future__ import annotations

import numpy as np

from howsure.report.figures import (
    Proportion,
    Reliability,
    RiskCoverage,
    beside,
    decimals,
    differs_from_claim,
    interval_of,
    proportion,
    share_of,
)
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import constant_of, found_of
from howsure.tasks.probabilities import are_alone, nothing_drawn
from howsure.tasks.sentences import mended, more_of, words_of
from howsure.words import counted, rate


def settled_in_words(certainty: Certainty) -> str:
    """Whether the passes suffice for every verdict, a sentence."""
    rows = len(certainty)
    open_rows = int(np.sum(~certainty.settled))
    if rows and (sentence := nothing_drawn(certainty.method, certainty.passes)):
        return sentence
    if not open_rows:
        return "Every verdict is settled: each lies farther from a threshold than the error of its passes."
    more = more_of(certainty.method, int(certainty.passes_to_settle[~certainty.settled].max()))
    return (
        f"Not everything is settled: for {counted(open_rows, certainty.kind)} "
        f"({rate(open_rows / rows)}) more passes could still change the verdict. Try {more}."
    )


def tells_networks(certainty: Certainty) -> bool:
    """Whether a row says between which percentages most networks lie."""
    low, _ = certainty.interval().T
    return bool(np.any(np.isfinite(low) & ~verdicts.are_votes(certainty.expected_entropy)))


def doubt_in_words(certainty: Certainty) -> str:
    """Whether networks disagree where the model is not sure, a sentence; empty where that is not known."""
    unsure, words = certainty.verdict != verdicts.SURE, words_of(certainty.method)
    count, kind, between = int(unsure.sum()), certainty.kind, words["between"]
    is_single = bool(np.all(certainty.passes == 1))
    if not count or (np.all(verdicts.are_votes(certainty.expected_entropy[unsure])) and not is_single):
        return ""
    if is_single or are_alone(certainty.method):
        return "Percentages alone do not show more about the doubt."
    disagree = int(np.sum(certainty.disagreement[unsure] > 0.5))
    if disagree:
        return f"The {between} disagree on {disagree:,} of the {counted(count, kind)} it is not sure of."
    alike = f"Most of the doubt is within the {between}, not between them"
    return f"{alike}: more {words['passes']} will not help." if certainty.settled.all() else f"{alike}."


def first_in_words(certainty: Certainty) -> list[str]:
    """The rows to check, each once, those first that come first: `the 2 coin flips`."""
    unclear = certainty.no_clear_answer
    named = [((certainty.verdict == verdicts.COIN_FLIP) & ~unclear, "coin flip", "coin flips")]
    named.append((unclear, "without a clear answer", "without a clear answer"))
    if certainty.truth is not None:
        wrong = (certainty.verdict == verdicts.SURE) & (certainty.label != certainty.truth)
        named.append((wrong, "it is sure of and gets wrong", "it is sure of and gets wrong"))
    named.append((certainty.unfamiliar, "that is unfamiliar", "that are unfamiliar"))
    named.append((certainty.verdict == verdicts.LEANING, "it leans on", "it leans on"))
    parts, before = list[str](), np.zeros(len(certainty), dtype=bool)
    for rows, of_one, several in named:
        count, again = int(np.sum(rows & ~before)), bool(np.any(rows & before))
        before |= rows
        if count:
            which = of_one if count == 1 else several
            parts.append(f"the {'other ' if again else ''}{'one' if count == 1 else f'{count:,}'} {which}")
    return parts


def claim_in_words(certainty: Certainty, right: Proportion) -> str:
    """The mean percentage and the share of right answers, two or three sentences."""
    claim = float(certainty.probability.mean())
    sentence = f"On average it says {beside(claim, right)} and is right on {share_of(right)} "
    sentence += f"({interval_of(right)}). "
    if right.low <= claim <= right.high:
        return sentence + "Chance may explain the difference."
    words = "It is too sure" if claim > right.share else "It is more modest than it need be"
    by = abs(100 * (claim - right.share))
    return (
        f"{sentence}{words}, by {by:.{decimals(right)}f}\u00a0points. "
        f"{mended(certainty.method, 'howsure.calibrate(result, labels) corrects that.')}"
    )


def rare_in_words(certainty: Certainty) -> str:
    """The accuracy of always saying one class, and the class missed most often, one or two sentences.

    The class is named if it is found less often than answers are right by more than chance: an exact test
    that allows for the number of classes. The N ≥ 1 rows have true classes.
    """
    truth, names, rows = certainty.truth, certainty.class_names, len(certainty)
    assert truth is not None
    correct = certainty.label == truth
    constant = constant_of(correct, truth)
    would = share_of(proportion(constant.right, rows))
    sentence = f"Always saying '{names[constant.label]}' would be right on {would}"
    sentence += ", which is more." if constant.gain.high < 0 else "."
    if not constant.gain.excludes_zero:
        sentence = f"{sentence[:-1]}: the difference may be chance."
    recalls = [
        proportion(*map(int, pair))
        for pair in zip(*found_of(certainty.label, truth, len(names)), strict=True)
    ]
    overall, several = float(correct.mean()), sum(recall.total > 0 for recall in recalls)
    missed = [k for k, recall in enumerate(recalls) if differs_from_claim(overall, recall, among=several) < 0]
    if missed:
        worst = min(missed, key=lambda k: recalls[k].share)
        least = recalls[worst]
        rows_text = counted(least.total, certainty.kind)
        sentence += f" The model finds {least.count:,} of the {rows_text} that are '{names[worst]}', "
        sentence += f"{share_of(least)} ({interval_of(least)})."
    return sentence


def reliability_in_words(groups: Reliability) -> str:
    """The reliability diagram in a sentence; empty of one group."""
    pairs = list(zip(groups.confidence.tolist(), groups.right, strict=True))
    if len(pairs) == 1:
        return ""
    off = [differs_from_claim(claim, group, among=len(pairs)) for claim, group in pairs]
    below, above = off.count(-1), off.count(1)
    if not above + below:
        return f"No group of the {len(pairs)} is off the diagonal by more than chance."
    missed = [f"{below} below it (too sure)"] if below else []
    missed += [f"{above} above it (too modest)"] if above else []
    verb = "is" if above + below == 1 else "are"
    return (
        f"{above + below} of {len(pairs)} groups {verb} off the diagonal by more than chance: "
        f"{' and '.join(missed)}."
    )


def risk_in_words(curve: RiskCoverage, certainty: Certainty) -> str:
    """The risk-coverage curve in two or three sentences."""
    rows, mistakes = len(certainty), int(curve.wrong[-1])
    kinds = f"{certainty.kind}s"
    if mistakes == 0:
        return f"Here no answer is wrong, so there is nothing to be gained by setting {kinds} aside."
    sentence = f"Here {share_of(proportion(mistakes, rows))} of all {kinds} are wrong."
    sure = certainty.verdict == verdicts.SURE
    if 0 < sure.sum() < rows:
        wrong_and_sure = int(np.sum(sure & (certainty.label != certainty.truth)))
        share = share_of(proportion(wrong_and_sure, int(sure.sum()))) if wrong_and_sure else "none"
        verb = "are" if wrong_and_sure else "is"
        sentence += f" Among the {rate(float(sure.mean()))} it is sure of, {share} {verb}."
    point = curve.at(0.9)
    aside = rows - int(curve.kept[point])
    if 0 < aside < rows:
        caught = mistakes - int(curve.wrong[point])
        sentence += f" Setting the least certain {rate(aside / rows)} aside removes {caught:,} of the "
        sentence += f"{counted(mistakes, 'mistake')}"
        by_chance = mistakes * aside / rows
        sentence += "." if caught > by_chance else f"; as many chosen by chance would remove {by_chance:.1f}."
    return sentence
