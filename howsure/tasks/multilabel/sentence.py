"""One row of a `MultilabelCertainty` as sentences: the answers, and what explains them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks import verdict as verdicts
from howsure.tasks.sentences import AnswerRow, advice, percent, unsettled
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

    def _explained(self) -> Iterable[str]:
        few = len(self.label_names) <= FEW_LABELS
        order = np.argsort(-self.probabilities, kind="stable").tolist()
        for reason in verdicts.REASONS:
            members = [k for k in (sorted(order) if few else order) if self.reason[k] == reason]
            needed = int(self.passes_to_settle[members].max(initial=1))
            if members and (text := advice(reason, self.method, needed=needed, kind=self.kind)):
                yield f"for {listed(_quoted_names(self, members))}, {text}"


def sentences_of(row: MultilabelRow) -> str:
    """The row in sentences: labels that hold, labels that do not, and how sure that is.

    Up to `FEW_LABELS` labels have a sentence each: `'rain': 97 ± 1 % yes, sure.` More labels are grouped by
    verdict: `Surely yes: 'dog' (97 ± 1 %). Coin flip: 'cat' (52 ± 3 % yes).` Labels that surely
    do not hold are only counted.
    """
    labels = range(len(row.label_names))
    order = np.argsort(-row.probabilities, kind="stable").tolist()
    few = len(labels) <= FEW_LABELS
    sentences = [f"{_answer(row, k)}." for k in labels] if few else _in_groups(row, order)
    if not few and (open_labels := int(np.sum(~row.settled))):
        sentences.append(f"Not settled: {open_labels} of {len(labels)} labels.")
    return " ".join(sentences)


def sentence_of_label(row: MultilabelRow, k: int) -> str:
    """The sentence about label k, as in `'wind': 52 ± 3 % yes, coin flip.`."""
    return f"{_answer(row, k)}."


def _answer(row: MultilabelRow, k: int) -> str:
    """The answer for label k: `'wind': 52 ± 3 % yes, coin flip`."""
    answer, verdict = "yes" if row.yes[k] else "no", str(row.verdict[k])
    if verdict == verdicts.SURE and not row.settled[k]:
        verdict = verdicts.PROBABLY_SURE
    top = max(float(row.probabilities[k]), 1 - float(row.probabilities[k]))
    error, needed = float(row.mc_error[k]), int(row.passes_to_settle[k])
    more = "" if row.settled[k] else unsettled(row.method, row.passes, needed, error)
    return f"'{row.label_names[k]}': {percent(top, error)} {answer}, {verdict}{more}"


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
