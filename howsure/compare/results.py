"""Compare existing results of the same rows and classes, from any source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from howsure.answers.registry import answer_of, part_of
from howsure.arguments import check_by_name, check_flag, check_whole
from howsure.compare import noticed
from howsure.compare.comparison import Comparison
from howsure.compare.protocol import AS_THEY_ARE, CALIBRATED, LEAST_CALIBRATED, Comparing, GivenMethod
from howsure.data.align import places
from howsure.data.rows import quoted
from howsure.errors import InputError, warn
from howsure.judge.learnt import in_words

_IN_ORDER = "Give both in the same order, or with ids that are the same in both and distinct"


def without(comparing: Comparing, result: Any, background: int | str | None) -> tuple[Comparing, str | None]:
    """How results are scored whose means leave out a class, and its name.

    Raises:
        InputError: There is no such class, or the kind of answer has no such means.
    """
    if background is None:
        return comparing, None
    number = part_of(result, "background")(result, background)
    scored = partial(comparing.scored, background=number)
    return replace(comparing, scored=scored), result.class_names[number]


@noticed.keeping_what_is_said
def compared(
    results: Mapping[str, Any],
    labels: Any = None,
    *,
    calibrated: bool = True,
    seed: int = 0,
    background: int | str | None = None,
) -> Comparison:
    """Compare results; see `Comparison.of_results`.

    Args:
        results: By name; the first is the baseline.
        labels: True classes, or None.
        calibrated: Whether to add each after temperature scaling.
        seed: Seed of the folds.
        background: The class that means over classes leave out, or None.
    """
    check_flag(calibrated, "calibrated")
    check_whole(seed, "seed", least=0)
    said = check_by_name(results, "results")
    if not said:
        raise InputError("There is no result to compare", expected="at least one, by name", received="none")
    names = {CALIBRATED.format(name): name for name in said}
    taken = [name for name in said if name in names]
    if taken:
        raise InputError(f"'{taken[0]}' is the name of a calibrated result", expected="distinct names")
    first = next(iter(said))
    comparing: Comparing = part_of(said[first], "compare")
    for name, each in said.items():
        if part_of(each, "compare") is not comparing:
            raise InputError(
                f"'{name}' is not of the same kind as '{first}'",
                expected=f"answers of {answer_of(said[first]).in_words}",
                received=answer_of(each).in_words,
            )
    said = {
        name: _in_order(name, comparing.aligned(name, each, first, said[first]), first, said[first])
        for name, each in said.items()
    }
    named = [name for name, each in said.items() if each.ids is not None]
    if named and len(named) < len(said):
        warn(f"Only {quoted(named)} of {quoted([*said])} has ids, so rows are paired by their position.")
    noticed.of_learnt({name: in_words(each) for name, each in said.items()})
    comparing, left_out = without(comparing, said[first], background)
    truth = comparing.known(said[first], _labels_among(said, labels))
    through: dict[str, Any] = {}
    if comparing.completed is not None and len(truth) >= LEAST_CALIBRATED:
        for name, each in said.items():
            (said[name],), _, (through[name],) = comparing.completed(each, truth, seed=seed)
    # Results that are calibrated already are not calibrated again.
    fresh = [name for name in said if "calibration" not in said[name].method]
    shown = dict(said)
    if calibrated and len(truth) >= LEAST_CALIBRATED:
        for name in fresh:
            new = CALIBRATED.format(name)
            (shown[new],), _, (through[new],) = comparing.calibrated(said[name], truth, seed=seed)
    evaluations = {
        (name, AS_THEY_ARE): comparing.scored(each, truth, seed, through.get(name))
        for name, each in shown.items()
    }
    parts = {name: comparing.parts(said[name], truth, evaluations[name, AS_THEY_ARE]) for name in said}
    claims = {at: comparing.claims(shown[at[0]], truth, each) for at, each in evaluations.items()}
    noticed.of_rows(comparing, first, {AS_THEY_ARE: said[first]}, truth, evaluations[first, AS_THEY_ARE])
    shown = {name: comparing.kept(each) for name, each in shown.items()}
    return Comparison(
        methods=tuple(shown),
        sets=(AS_THEY_ARE,),
        outside=(),
        evaluations=evaluations,
        against={},
        costs=dict.fromkeys(shown, np.nan),
        certainties=shown,
        truth=truth,
        kinds={name: GivenMethod(comparing.words.given) for name in shown},
        calibrations={name: base for name, base in names.items() if name in shown},
        background=left_out,
        parts={name: each for name, each in parts.items() if each is not None},
        claims={at: each for at, each in claims.items() if each is not None},
    )


def _labels_among(said: Mapping[str, Any], labels: Any) -> Any:
    """The labels that were given, or those of the results, which must agree."""
    if labels is not None:
        return labels
    having = {name: each.truth for name, each in said.items() if each.truth is not None}
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
