"""Warnings about labelled rows, results and members that are compared; the comparison keeps them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from howsure.compare.comparison import Comparison
from howsure.compare.members import MemberLosses
from howsure.compare.protocol import AS_THEY_ARE, Comparing
from howsure.data.rows import quoted
from howsure.errors import hearing, warn
from howsure.judge.familiarity import Familiarity
from howsure.judge.learnt import LearntRows, digests, digests_of, warn_of_copies
from howsure.judge.paired import Comparable
from howsure.methods.ensemble import AGREES_WITH_NONE, LEAST_AGREEING, MEMBER, SLIGHT, SUBSTANTIAL
from howsure.models.features import Features
from howsure.words import counted, listed

P = ParamSpec("P")

EASY = 300
"""Rows without a mistake that leave an error rate of 1 % at most, with 95 % confidence: the rule of three,
3/N (Hanley and Lippman-Hand 1983)."""


def keeping_what_is_said(compared: Callable[P, Comparison]) -> Callable[P, Comparison]:
    """The same function, whose comparison keeps all that is warned of while it is made."""

    @wraps(compared)
    def heard(*args: P.args, **kwargs: P.kwargs) -> Comparison:
        with hearing() as said:
            found = compared(*args, **kwargs)
        ran = [name for name in found.methods if name not in found.calibrations]
        noticed = list[str]()
        for text, methods in said.values():
            some = methods < {*ran}  # what no method said is of all
            whose = quoted([name for name in ran if name in methods]) if some else ""
            noticed.append(f"{text} (Of {whose}.)" if some else text)
        return replace(found, noticed=tuple(noticed))

    return heard


def of_rows(
    comparing: Comparing,
    name: str,
    said: Mapping[str, Any],
    truth: Any,
    evaluation: Comparable,
    outside: Collection[str] = (),
    x: Any = None,
) -> None:
    """Warn of rows that stand several times, may be training rows, or are in two sets at once.

    Args:
        comparing: How these results are scored.
        name: Name of the baseline.
        said: Its results by set of rows.
        truth: True answers of the unchanged rows.
        evaluation: Its scores of these.
        outside: Names of the OOD sets among the sets.
        x: (N, …) the unchanged rows, where they are known.
    """
    own = said[AS_THEY_ARE]
    warn_of_copies(own, evaluation, x)
    mistakes = None if comparing.mistakes is None else comparing.mistakes(own, truth)
    if mistakes == 0 and len(own) >= EASY:
        warn(
            f"'{name}' makes no mistake in {counted(len(own), own.kind)}. Either they are easy, or it was "
            "trained on them: nothing can be told either way. Take others, and harder ones."
        )
    answers = digests(own)
    known = LearntRows.of_digests(answers)
    for which, each in said.items():
        if which in outside:
            shared = int(known.among(each).sum())
            if shared:
                least = "All" if shared == len(each) else f"At least {shared:,} of the"
                warn(
                    f"{least} {counted(len(each), each.kind)} of the OOD set '{which}' seem to be among the "
                    f"labelled ones: '{name}' gives them the same answers, to the last digits. Leave them "
                    "out of one of the two."
                )
        elif which != AS_THEY_ARE and np.array_equal(digests(each), answers):
            warn(
                f"The change '{which}' changes no answer of '{name}', to the last digits: so these seem to "
                "be the rows as they are, and it says nothing about others. Check what it does."
            )


def of_members(comparing: Comparing, ensembles: Mapping[str, MemberLosses], truth: Any) -> None:
    """Warn of a member that is hardly better than one answer for all rows, while another one is far better.

    Args:
        comparing: How these results are scored.
        ensembles: The members of each on the labelled rows.
        truth: (N,) true classes, or (N, K) numbers; members of others are not looked at.
    """
    for name, each in ensembles.items():
        numbers, rows = bool(np.isnan(each.wrong).all()), len(truth)
        if comparing.alone is None or rows < LEAST_AGREEING or not (numbers or truth.ndim == 1):
            continue
        usual = truth.mean(axis=0) if numbers else np.eye(truth.max() + 1)[np.bincount(truth).argmax()]
        of_usual = comparing.alone(np.tile(usual, (rows, 1)), truth, np.arange(rows))[not numbers].mean()
        lost = (each.losses if numbers else each.wrong).mean(axis=1)
        avoided = 1 - lost / of_usual if of_usual else np.ones(len(lost))
        for number in np.flatnonzero((avoided < SLIGHT) & (avoided.max() > SUBSTANTIAL)):
            warn(
                f"{MEMBER.format(number)} '{name}' is hardly better on {counted(rows, 'row')} than one "
                f"answer for all of them: it avoids {max(avoided[number], 0):.0%} of the loss of that, and "
                f"the best member {avoided.max():.0%}. If it was never trained, leave it out.",
                kind=AGREES_WITH_NONE.format(number),
            )


def of_familiarity(name: str, known: Familiarity, features: Features) -> None:
    """Warn of a familiarity that has learnt from the labelled rows, of which these are the features."""
    learnt = known.learnt_rows
    count = 0 if learnt is None else int(learnt.among_digests(digests_of(features.logits)).sum())
    if count:
        which = "all" if count == len(features) else f"at least {count:,} of"
        warn(
            f"The familiarity has learnt from {which} these {counted(len(features), 'row')}, and so '{name}' "
            "tells OOD rows from them better than from new ones. Compare on other labelled rows."
        )


def of_learnt(told: Mapping[str, str | None]) -> None:
    """Warn of results whose calibrator or method has learnt from the rows on which they are compared.

    Args:
        told: By name, `howsure.judge.learnt.in_words` of the result.
    """
    for said in dict.fromkeys(filter(None, told.values())):
        names = [name for name in told if told[name] == said]
        has, is_so = ("has", "is") if len(names) == 1 else ("have", "are")
        warn(
            f"{said}, and so {listed([quoted([name]) for name in names])} {has} better scores than on new "
            f"ones, and {is_so} compared unfairly. Compare on other labelled rows."
        )
