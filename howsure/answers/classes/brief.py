"""The top of the page: what to check first, whether to trust the percentages, which method, what is ±."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.classes.result import Certainty
from howsure.answers.classes.words import claim_in_words, rare_in_words, tells_networks
from howsure.answers.probabilities import are_alone
from howsure.answers.sentences import words_of
from howsure.answers.verdict import COIN_FLIP, LEANING, SURE
from howsure.compare.comparison import Comparison
from howsure.compare.findings import chosen, lead
from howsure.compare.protocol import the
from howsure.report.figures import proportion
from howsure.words import counted, upper


@dataclass(frozen=True)
class Point:
    """One answer: what a reader asks, and the answer in a few sentences.

    `quoted` is what a comparison says, `verdict` what follows from it; both may be empty. `link` is an anchor
    on this page and its text, or None.
    """

    question: str
    said: str
    quoted: str = ""
    verdict: str = ""
    link: tuple[str, str] | None = None


def brief(certainty: Certainty, comparison: Comparison | None) -> list[Point]:
    """The answers about N ≥ 1 rows, in the order in which a reader asks."""
    return [_check(certainty), _trust(certainty), method_point(certainty, comparison), _margin(certainty)]


def _check(certainty: Certainty) -> Point:
    kind, unclear = certainty.kind, certainty.no_clear_answer
    named = [((certainty.verdict == COIN_FLIP) & ~unclear, "coin flip", "coin flips")]
    named.append((unclear, "without a clear answer", "without a clear answer"))
    if certainty.truth is not None:
        wrong = (certainty.verdict == SURE) & (certainty.label != certainty.truth)
        named.append((wrong, "it is sure of and gets wrong", "it is sure of and gets wrong"))
    named.append((certainty.unfamiliar, "that is unfamiliar", "that are unfamiliar"))
    named.append((certainty.verdict == LEANING, "it leans on", "it leans on"))
    parts, before = list[str](), np.zeros(len(certainty), dtype=bool)
    for rows, one, several in named:
        count, again = int(np.sum(rows & ~before)), bool(np.any(rows & before))  # each row counts once
        before |= rows
        if count:
            which = one if count == 1 else several
            parts.append(f"the {'other ' if again else ''}{'one' if count == 1 else f'{count:,}'} {which}")
    said = f"{upper(', then '.join(parts))}." if parts else f"It is sure of every {kind}."
    link = "coin-flips", "See them" if parts else "The least certain"
    return Point("What to check first", said, link=link)


def _trust(certainty: Certainty) -> Point:
    question = "Can the percentages be trusted?"
    if certainty.truth is None:
        return Point(
            question,
            "Nobody has checked these percentages: the true answers were not given. With labels, this page "
            "says how often each percentage is right.",
        )
    right = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
    if len(certainty) == 1:
        return Point(
            question,
            f"Its one answer is {'right' if right.count else 'wrong'}, which says nothing about others.",
        )
    said = f"{claim_in_words(float(certainty.probability.mean()), right)} {rare_in_words(certainty)}"
    return Point(question, said, link=("trust", "Percentage by percentage"))


def method_point(
    result: Any, comparison: Comparison | None, better: str = "more accurate percentages"
) -> Point:
    """The method behind a result of any kind, and whether a comparison would choose the same.

    Args:
        result: With `method` and `passes`.
        comparison: A comparison of methods on rows like these, or None.
        better: The advantage that only a comparison can show, in words.
    """
    name, words = str(result.method.get("name", "not stated")), words_of(result.method)
    least, most = int(result.passes.min()), int(result.passes.max())
    if "calibration" in result.method:
        name += ", calibrated"
    if are_alone(result.method):
        source = result.method.get("source")
        said = f"{upper(name)}{f', from {source}' if source else ''}: what something else computed."
    elif most == 1:
        said = f"{upper(name)}: {words['pass']}."
    else:
        number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        said = f"{upper(name)}: the mean over {number} passes, each {words['pass']}."
    if words["shows"]:
        said += f" It is shown because {words['shows']}."
    if comparison is None:
        said += f" Only a comparison can say whether another method has {better} here."
        return Point("Which method, and why?", said)
    best = chosen(comparison)
    believed = comparison.certainties[best].method
    agrees = believed.get("name") == result.method.get("name") and (
        ("calibration" in believed) == ("calibration" in result.method)
    )
    which = f"If the two differ, believe {the(comparison, best)}."
    if agrees:
        which = "That is the method shown here."
    rows = counted(comparison.rows, comparison.kind)
    return Point(
        "Which method, and why?",
        f"{said} A comparison of methods on {rows} says:",
        quoted=lead(comparison),
        verdict=which,
        link=("methods", "The comparison"),
    )


def _margin(certainty: Certainty) -> Point:
    if are_alone(certainty.method):
        said = "These percentages came without an error, so they have no ±. That does not make them true."
    elif not np.isfinite(certainty.mc_error).any():
        said = "There is none here: how far these percentages would move with other passes is not known."
    elif np.all(certainty.passes == 1):
        said = "One pass has no ±: the percentages are the same every time, which does not make them true."
    else:
        said = (
            "± says how far a percentage would move with endlessly many passes, at 95 %. It does not say "
            "whether the model is right."
        )
        if tells_networks(certainty):
            between = words_of(certainty.method)["between"]
            said += f" It is not the range of the {between}: about nine in ten of them lie within the "
            said += f"percentages after ‘most {between} say’, or more if a higher share stands there."
    return Point("What is ±?", said)
