"""Compare existing results of the same rows and classes, from any source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Any, ParamSpec

import numpy as np

from howsure.arguments import check_by_name, check_flag, check_whole
from howsure.compare.comparison import AS_THEY_ARE, CALIBRATED, LEAST_CALIBRATED, Comparing, Comparison
from howsure.compare.parts import Claims, Parts
from howsure.compare.passes import MemberLosses, PassGroups, contributions
from howsure.errors import HowsureWarning, InputError, deduplicated_warnings, warn
from howsure.evaluation.fitted_rows import FittedRows, digests, in_words, warn_of_dependent
from howsure.evaluation.groups import group_numbers
from howsure.evaluation.paired import Comparable
from howsure.evaluation.score import by_group
from howsure.inputs.align import places
from howsure.inputs.rows import quoted
from howsure.results.origin import check_same_question
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.task import task_of
from howsure.words import counted, listed

_IN_ORDER = "Give both in the same order, or with ids that are the same in both and distinct"


def without(comparing: Comparing, result: Any, background: int | str | None) -> tuple[Comparing, str | None]:
    """How results are scored whose means leave out a class, and its name.

    Raises:
        InputError: There is no such class, or the kind of answer has no such means.
    """
    if background is None:
        return comparing, None
    number = task_of(result).background(result, background)
    scored = partial(comparing.scored, background=number)
    return replace(comparing, scored=scored), result.class_names[number]


def check_names(by_name: Collection[str], what: str) -> None:
    """Raise an `InputError` if there is nothing to compare, or a name that a calibrated version will have."""
    if not by_name:
        raise InputError(f"There is no {what} to compare", expected="at least one, by name", received="none")
    taken = [name for name in by_name if name in {CALIBRATED.format(other) for other in by_name}]
    if taken:
        raise InputError(f"'{taken[0]}' is the name of a calibrated {what}", expected="distinct names")


@dataclass(eq=False)
class MethodScores:
    """Scores of methods, one method after the other, with and without calibration.

    Attributes:
        comparing: How they are scored.
        truth: The true answers.
        seed: As in `Comparison.of_results`.
        calibrated: Whether to add calibrated versions, if there are enough rows.
        alike: Sets of the same rows by name, as far as they are known.
        outside: Names of the OOD sets.
        moved: Names of the sets that are moved back.
        groups: (N,) numbers of the groups of rows that depend on each other, or None.
        asked: Whether the caller gave groups.
        evaluations: By method and set of the same rows.
        against: By method and OOD set.
        kept: The kept part of each method on the unchanged rows.
        calibrations: For each calibrated version, the name of the method.
        parts: As in `Comparison`, likewise the next two.
        claims: As there.
        members: As there.
        learnt: By method, that it has learnt from these rows, or None.
        masks: As in `Comparison`.
    """

    comparing: Comparing
    truth: Any
    seed: int
    calibrated: bool
    alike: Mapping[str, Any]
    outside: Collection[str] = ()
    moved: Collection[str] = ()
    groups: Integers | None = None
    asked: bool = False
    evaluations: dict[tuple[str, str], Comparable] = field(default_factory=dict)
    against: dict[tuple[str, str], Comparable] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    calibrations: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Parts] = field(default_factory=dict)
    claims: dict[tuple[str, str], Claims] = field(default_factory=dict)
    members: dict[str, MemberLosses] = field(default_factory=dict)
    learnt: dict[str, str | None] = field(default_factory=dict)
    masks: dict[str, dict[tuple[str, str], Floats]] = field(default_factory=dict)

    def add(self, name: str, results: Mapping[str, Any]) -> None:
        """Score a method by its results on all sets, with what these lack learned from the rows."""
        through: Mapping[str, Any] = {}
        fits = len(self.truth) >= LEAST_CALIBRATED
        if fits and self.comparing.completed is not None:
            results, through = self._fitted(self.comparing.completed, results)
        self._score(name, results, through)
        self.learnt[name] = in_words(results[AS_THEY_ARE])
        if len(self.kept) == 1:
            evaluation, x = self.evaluations[name, AS_THEY_ARE], self.alike[AS_THEY_ARE]
            # Maps that were moved back may well be the same.
            unmoved = {which: result for which, result in results.items() if which not in self.moved}
            warn_of_rows(
                self.comparing, name, unmoved, self.truth, evaluation, self.outside, x, grouped=self.asked
            )
        calibrate, told = self.comparing.calibrated, results[AS_THEY_ARE].method
        if fits and self.calibrated and calibrate is not None and "calibration" not in told:
            self.calibrations[CALIBRATED.format(name)] = name
            self._score(CALIBRATED.format(name), *self._fitted(calibrate, results))

    def add_masks(self, name: str, results: Mapping[str, Any], groups: Mapping[str, PassGroups]) -> None:
        """Find what the masks of a method contribute to its scores, by its results and passes."""
        count = min((passes.count for passes in groups.values()), default=0)
        if count < 2:
            return
        # Where nothing counts in the few rows that are kept, they have no scores.
        with (
            suppress(InputError),
            deduplicated_warnings(),
            warnings.catch_warnings(action="ignore", category=HowsureWarning),
        ):
            moved = zip(
                *(passes.moved(results[which], count) for which, passes in groups.items()), strict=True
            )
            self.masks[name] = contributions(
                [self._values(dict(zip(groups, moved_results, strict=True))) for moved_results in moved],
                count,
            )

    def comparison(self, costs: Mapping[str, float], kinds: Mapping[str, Any], **others: Any) -> Comparison:
        """The comparison of what was scored, with costs and kinds by name; calibration changes neither."""
        of = {name: name for name in self.kept if name not in self.calibrations} | self.calibrations
        return Comparison(
            methods=tuple(of),
            sets=tuple(self.alike),
            outside=tuple(self.outside),
            evaluations=self.evaluations,
            against=self.against,
            costs={**costs, **{name: costs[of[name]] for name in self.calibrations}},
            certainties={name: self.kept[name] for name in of},
            truth=self.truth,
            kinds={name: kinds[of[name]] for name in of if kinds},
            calibrations=self.calibrations,
            parts=self.parts,
            claims=self.claims,
            members=self.members,
            masks=self.masks,
            **others,
        )

    def _values(self, results: Mapping[str, Any]) -> dict[tuple[str, str], float]:
        """Scores of some rows, by name and set, and the parts of the NLL of the unchanged ones."""
        comparing, (own, *others) = self.comparing, results.values()  # the unchanged rows come first
        truth = self.truth[own.row]
        if comparing.completed is not None and len(truth) >= LEAST_CALIBRATED:
            near, _, _ = comparing.completed(own, truth, others, [], seed=self.seed)
            results = dict(zip(results, near, strict=True))
        values = dict[tuple[str, str], float]()
        for which, result in results.items():
            evaluation = comparing.scored(result, truth, self.seed, None)
            for name, measured in evaluation._found.measured.items():
                values[name, which] = measured.value
            parts = comparing.parts(result, truth, evaluation) if which == AS_THEY_ARE else None
            if parts is not None:
                values |= {(name, which): measured.value for name, measured in vars(parts).items()}
        return values

    def _score(self, name: str, results: Mapping[str, Any], through: Mapping[str, Any]) -> None:
        comparing = self.comparing
        self.kept[name] = comparing.kept(results[AS_THEY_ARE])
        for which in self.alike:
            evaluation = comparing.scored(
                results[which], self.truth, self.seed, through.get(which), groups=self.groups
            )
            self.evaluations[name, which] = evaluation
            claims = comparing.claims(results[which], self.truth, evaluation)
            if claims is not None:
                self.claims[name, which] = claims
        for which in self.outside if comparing.beside is not None else ():
            self.against[name, which] = comparing.beside(  # type: ignore[misc]
                self.evaluations[name, AS_THEY_ARE], results[AS_THEY_ARE], results[which]
            )
        own, evaluation = results[AS_THEY_ARE], self.evaluations[name, AS_THEY_ARE]
        of_rows = evaluation
        if self.groups is not None:  # parts are of rows first, and then of groups
            of_rows = comparing.scored(own, self.truth, self.seed, through.get(AS_THEY_ARE))
        parts = comparing.parts(own, self.truth, of_rows)
        if parts is not None:
            self.parts[name] = Parts(**by_group(vars(parts), evaluation._found.groups))

    def _fitted(
        self, fit: Callable[..., tuple[list[Any], list[Any], list[Any]]], results: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Results of a method, calibrated or completed; each row uses a fit to the other folds.

        Beside them, by set, what rows do to its scores through these fits.
        """
        own, *others = (results[which] for which in self.alike)
        outside = [results[ood] for ood in self.outside]
        near, far, through = fit(own, self.truth, others, outside, seed=self.seed)
        fitted = dict(zip([*self.alike, *self.outside], [*near, *far], strict=True))
        return fitted, dict(zip(self.alike, through, strict=True))


# --- warnings about rows and results, which the comparison keeps ----------------------------------------


P = ParamSpec("P")

EASY = 300
"""Rows without a mistake that leave an error rate of 1 % at most, with 95 % confidence: the rule of three,
3/N (Hanley and Lippman-Hand 1983)."""


def keeping_what_is_said(compared: Callable[P, Comparison]) -> Callable[P, Comparison]:
    """The same function, whose comparison keeps all that is warned of while it is made."""

    @wraps(compared)
    def heard(*args: P.args, **kwargs: P.kwargs) -> Comparison:
        with deduplicated_warnings() as warned:
            comparison = compared(*args, **kwargs)
        ran = [name for name in comparison.methods if name not in comparison.calibrations]
        noticed = list[str]()
        for text, methods in warned.values():
            some = methods < {*ran}  # what no method said is of all
            whose = quoted([name for name in ran if name in methods]) if some else ""
            noticed.append(f"{text} (Of {whose}.)" if some else text)
        return replace(comparison, noticed=tuple(noticed))

    return heard


def warn_of_rows(
    comparing: Comparing,
    name: str,
    results: Mapping[str, Any],
    truth: Any,
    evaluation: Comparable,
    outside: Collection[str] = (),
    x: Any = None,
    *,
    grouped: bool,
) -> None:
    """Warn of rows that stand several times, may be training rows, or are in two sets at once.

    Args:
        comparing: How these results are scored.
        name: Name of the baseline.
        results: Its results by set of rows.
        truth: True answers of the unchanged rows.
        evaluation: Its scores of these.
        outside: Names of the OOD sets among the sets.
        x: (N, …) the unchanged rows, where they are known.
        grouped: Whether groups of rows were given.
    """
    own = results[AS_THEY_ARE]
    warn_of_dependent(own, evaluation, x, grouped=grouped)
    mistakes = None if comparing.mistakes is None else comparing.mistakes(own, truth)
    if mistakes == 0 and len(own) >= EASY:
        warn(
            f"'{name}' makes no mistake in {counted(len(own), own.kind)}. Either they are easy, or it was "
            "trained on them: nothing can be told either way. Take others, and harder ones."
        )
    answers = digests(own)
    labelled = FittedRows.of_digests(answers)
    for which, result in results.items():
        if which in outside:
            shared = int(labelled.among(result).sum())
            if shared:
                least = "All" if shared == len(result) else f"At least {shared:,} of the"
                warn(
                    f"{least} {counted(len(result), result.kind)} of the OOD set '{which}' seem to be "
                    f"among the labelled ones: '{name}' gives them the same answers, to the last digits. "
                    "Leave them out of one of the two."
                )
        elif which != AS_THEY_ARE and np.array_equal(digests(result), answers):
            warn(
                f"The change '{which}' changes no answer of '{name}', to the last digits: so these seem to "
                "be the rows as they are, and it says nothing about others. Check what it does."
            )


def warn_of_learnt(learnt: Mapping[str, str | None]) -> None:
    """Warn of results whose calibrator or method has learnt from the rows on which they are compared.

    Args:
        learnt: By name, `howsure.evaluation.fitted_rows.in_words` of the result.
    """
    for sentence in dict.fromkeys(filter(None, learnt.values())):
        names = [name for name in learnt if learnt[name] == sentence]
        has, is_so = ("has", "is") if len(names) == 1 else ("have", "are")
        warn(
            f"{sentence}, and so {listed([quoted([name]) for name in names])} {has} better scores than on "
            f"new ones, and {is_so} compared unfairly. Compare on other labelled rows."
        )


@keeping_what_is_said
def compared(
    results: Mapping[str, Any], labels: Any, calibrated: bool, seed: int, background: Any, groups: Any
) -> Comparison:
    """Compare results; see `Comparison.of_results`."""
    check_flag(calibrated, "calibrated")
    check_whole(seed, "seed", least=0)
    by_name = check_by_name(results, "results")
    check_names(by_name, "result")
    first = next(iter(by_name))
    task = task_of(by_name[first])
    comparing: Comparing = task.compare(by_name[first])
    for name, result in by_name.items():
        if (other := task_of(result).compare(result)) is not comparing:
            raise InputError(
                f"'{name}' is not of the same kind as '{first}'",
                expected=f"answers of {comparing.answers or task.in_words}",
                received=other.answers or result.in_words,
                hint=comparing.instead or other.instead,
            )
    check_same_question(by_name)
    by_name = {
        name: _in_order(name, comparing.aligned(name, result, first, by_name[first]), first, by_name[first])
        for name, result in by_name.items()
    }
    named = [name for name, result in by_name.items() if result.ids is not None]
    if named and len(named) < len(by_name):
        warn(f"Only {quoted(named)} of {quoted([*by_name])} has ids, so rows are paired by their position.")
    warn_of_learnt({name: in_words(result) for name, result in by_name.items()})
    comparing, left_out = without(comparing, by_name[first], background)
    truth = comparing.known(by_name[first], _labels_among(by_name, labels))
    numbers = group_numbers(groups, by_name[first], len(by_name[first]))
    scored = MethodScores(
        comparing, truth, seed, calibrated, {AS_THEY_ARE: None}, groups=numbers, asked=groups is not None
    )
    for name, result in by_name.items():
        scored.add(name, {AS_THEY_ARE: result})
    return scored.comparison(
        costs=dict.fromkeys(by_name, np.nan),
        kinds={},
        background=left_out,
    )


def _labels_among(results: Mapping[str, Any], labels: Any) -> Any:
    """The labels that were given, or those of the results, which must agree."""
    if labels is not None:
        return labels
    having = {name: result.truth for name, result in results.items() if result.truth is not None}
    for name, truth in having.items():
        other = next(iter(having))
        if not np.array_equal(truth, having[other]):
            raise InputError(
                f"'{name}' and '{other}' have different true classes",
                expected="the same rows in the same order",
                received=f"{int(np.sum(truth != having[other]))} differ",
            )
    return next(iter(having.values()), None)


def _in_order(name: str, result: Any, first: str, baseline: Any) -> Any:
    """A result with its rows in the order of another, or an `InputError` unless both are of the same rows."""
    if len(result) != len(baseline):
        raise InputError(
            f"'{name}' does not have the same rows as '{first}'",
            expected=f"{len(baseline):,} rows",
            received=f"{len(result):,}",
        )
    order = places(baseline, result, f"'{name}' holds results", _IN_ORDER)
    named = any(
        getattr(result, names) is not None and getattr(baseline, names) is not None
        for names in ("ids", "frame_index")
    )
    differ = np.flatnonzero(result.row != baseline.row)
    if len(differ) and not named:
        raise InputError(
            f"'{name}' does not have the same rows as '{first}', first in position {differ[0]}",
            expected=f"row {baseline.row[differ[0]]}",
            received=f"{result.row[differ[0]]}",
            hint=_IN_ORDER,
        )
    return result if order is None else result[order]
