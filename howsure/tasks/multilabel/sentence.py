"""One row of a `MultilabelCertainty` as sentences: first the answers, then what explains them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks import verdict as verdicts
from howsure.tasks.sentences import AnswerRow, compared, explained, percent, reason_in_words
from howsure.words import listed

FEW_LABELS = 5
"""Up to so many labels have a sentence each; more are grouped by verdict."""

MOST_NAMED = 8
"""Labels named in a group; the others are counted."""


@dataclass(frozen=True, eq=False)
class MultilabelRow(AnswerRow):
    """One row of a `MultilabelCertainty`; printed, it says which labels hold and which are undecided.

    An attribute that has the name of a column of `MultilabelCertainty` holds that column's value for this
    row: an array (K,), or None; `row` and `passes` are numbers. NaN means unknown.

    Attributes:
        label_names: K names.
    """

    label_names: tuple[str, ...]
    yes: Booleans
    probabilities: Floats
    mc_error: Floats
    entropy: Floats
    entropy_error: Floats
    expected_entropy: Floats
    expected_entropy_error: Floats
    mutual_information: Floats
    mutual_information_error: Floats
    disagreement: Floats
    disagreement_error: Floats
    verdict: NDArray[np.str_]
    settled: Booleans
    passes_to_settle: Integers
    reason: NDArray[np.object_]
    truth: Booleans | None
    spread: Floats | None = None
    spread_error: Floats | None = None

    def __str__(self) -> str:
        return sentences_of(self)


def sentences_of(row: MultilabelRow) -> str:
    """The row in sentences: labels that hold, labels that do not, and how sure that is; then the reasons.

    Up to `FEW_LABELS` labels have a sentence each: `'rain': 97 ± 1 % yes, sure.` More labels are grouped by
    verdict: `Surely yes: 'dog' (97 ± 1 %). Coin flip: 'cat' (52 ± 3 % yes).` Labels that surely
    do not hold are only counted.
    """
    labels = range(len(row.label_names))
    order = np.argsort(-row.probabilities, kind="stable").tolist()
    few = len(labels) <= FEW_LABELS
    sentences = [f"{_answer(row, k)}." for k in labels] if few else _in_groups(row, order)
    for reason in verdicts.REASONS:
        members = [k for k in (labels if few else order) if row.reason[k] == reason]
        if members:
            sentences.append(f"For {listed(_quoted_names(row, members))}, {_reason(row, members)}.")
    return " ".join(sentences)


def sentence_of_label(row: MultilabelRow, k: int) -> str:
    """The sentence about label k, as in `'wind': 52 ± 3 % yes, coin flip. The passes disagree: …`."""
    return explained(_answer(row, k), _reason(row, [k]))


def _answer(row: MultilabelRow, k: int) -> str:
    """The answer for label k: `'wind': 52 ± 3 % yes, coin flip`."""
    answer, verdict = "yes" if row.yes[k] else "no", str(row.verdict[k])
    if verdict == verdicts.SURE and not row.settled[k]:
        verdict = verdicts.PROBABLY_SURE
    top = max(float(row.probabilities[k]), 1 - float(row.probabilities[k]))
    return f"'{row.label_names[k]}': {percent(top, float(row.mc_error[k]))} {answer}, {verdict}"


def _in_groups(row: MultilabelRow, order: list[int]) -> list[str]:
    """The answers for all labels by verdict, a sentence for each; labels come in this order."""
    sure, undecided = (row.verdict == word for word in (verdicts.SURE, verdicts.COIN_FLIP))
    surely = sure & row.settled
    groups = (
        ("Surely yes", "", surely & row.yes),
        ("Probably yes", "", sure & ~surely & row.yes),
        ("Leaning yes", "", ~sure & ~undecided & row.yes),
        ("Coin flip", " yes", undecided),
        ("Leaning no", " yes", ~sure & ~undecided & ~row.yes),
        ("Probably not", " yes", sure & ~surely & ~row.yes),
    )
    sentences = []
    for heading, of_what, members in groups:
        chosen = [k for k in order if members[k]]
        if heading == "Coin flip":
            chosen.sort(key=lambda k: abs(float(row.probabilities[k]) - 0.5))  # the most undecided first
        percentages = {
            k: percent(float(row.probabilities[k]), float(row.mc_error[k])) for k in chosen[:MOST_NAMED]
        }
        named = [f"'{row.label_names[k]}' ({share}{of_what})" for k, share in percentages.items()]
        more = f" and {len(chosen) - MOST_NAMED} more" if len(chosen) > MOST_NAMED else ""
        if named or heading == "Surely yes":
            sentences.append(f"{heading}: {', '.join(named) or 'none'}{more}.")
    if surely_not := int(np.sum(surely & ~row.yes)):
        which = "all" if surely_not == len(order) else "the other"
        sentences.append(f"Surely not: {which} {surely_not} of {len(order)} labels.")
    return sentences


def _quoted_names(row: MultilabelRow, members: list[int]) -> list[str]:
    named = [f"'{row.label_names[k]}'" for k in members[:MOST_NAMED]]
    return [*named, f"{len(members) - MOST_NAMED} more"] if len(members) > MOST_NAMED else named


def _reason(row: MultilabelRow, members: list[int]) -> str:
    """The reason that some labels share, with the share of the doubt nearest to a half; empty without one."""
    about, of = ("at least", min) if row.reason[members[0]] == verdicts.DISAGREEMENT else ("at most", max)
    nearest = of(members, key=lambda k: float(row.disagreement[k]))
    share = percent(float(row.disagreement[nearest]), float(row.disagreement_error[nearest]))
    return reason_in_words(
        row.reason[members[0]],
        row.method,
        share=share if len(members) == 1 else compared(about, share),
        passes=row.passes,
        passes_to_settle=int(row.passes_to_settle[members].max()),
        kind=row.kind,
    )
