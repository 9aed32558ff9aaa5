"""Compare methods on the same rows: which is better here, by how much, and whether the rows can tell."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from howsure.adapters.protocol import ColumnsModel, Model, PassModel
from howsure.adapters.resolve import adapt, capable, resolve_model, rows_for
from howsure.arguments import accept_alias, check_by_name, check_flag, check_progress
from howsure.assess import streamed
from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.passes import MemberRecorder, PassGroups, Recorded
from howsure.compare.results import MethodScores, check_names, keeping_what_is_said, warn_of_learnt, without
from howsure.errors import HowsureWarning, InputError, deduplicated_warnings, row_context, warn
from howsure.evaluation.groups import group_numbers
from howsure.inputs.align import RowNames, aligned, places
from howsure.inputs.images import FILE
from howsure.inputs.loaders import first, in_order, length
from howsure.inputs.rows import Rows
from howsure.inputs.transforms import Layout, RowTransform, Transform, is_transform
from howsure.methods.augmentation import Changed
from howsure.methods.choices import check_method, possible_methods, redirect_method_kwargs
from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import SOFTMAX, Softmax
from howsure.methods.protocol import Job, Method, Passes
from howsure.progress import Progress, progress_callback
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome
from howsure.sampling.randomness import random_ops_of
from howsure.shifts import Shift
from howsure.tasks.task import fed, outcome_of, task_named, task_of

PROBED = 256
"""Rows of the plain prediction that checks the meaning of the labels."""

FIRST = 512
"""Rows that each method assesses first, so that what it cannot do is known early."""


@accept_alias
@redirect_method_kwargs
@keeping_what_is_said
def compare(
    model: Any,
    x: Any,
    labels: Any = None,
    *,
    methods: Mapping[str, Method] | Sequence[Method] | None = None,
    shifts: Mapping[str, Shift | Any] | None = None,
    outside: Mapping[str, Any] | None = None,
    calibrated: bool = True,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    levels: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    progress: Progress = None,
    thresholds: Thresholds | None = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
    class_axis: int | None = None,
    tile: int | Sequence[int] | None = None,
    overlap: int | None = None,
    background: int | str | None = None,
    groups: Any = None,
) -> Comparison:
    """Assess the same rows by several methods, and score them.

    With a class at each position, scores are of rows, such as images: each is a mean over rows of a value of
    the row, so intervals are over rows. The maps of one method at a time lie in temporary files, and memory
    does not grow with the number of rows.

    Args:
        model: A trained model, as for `assess`.
        x: (N, …) rows that it was not trained on, as for `assess`.
        labels: (N,) true classes, (N, K) true numbers, or (N, *P) true classes at positions, in any form that
            `with_truth` of the result takes. Default: those in `x`.
        methods: By name, or a list, where each has the `name` of its `settings`, such as 'plain prediction',
            and the second of one name is 'MC dropout 2'. The first is the baseline, best the plain
            prediction, `Softmax()`. Default: that one and, if the model has dropout, `MCDropout()`.
        shifts: By name, the same rows after a change: a function of the arrays of `x`, or the rows
            themselves. `howsure.shifts.STANDARD` turns, moves, blurs images and adds noise. With a class at
            each position, a change is a pair (do, undo), 'flip' or 'turn', as in `Augmentation`, and outputs
            are moved back; `howsure.shifts.UNMOVED` has those that move nothing. Default: no change.
        outside: By name, OOD rows: they belong to none of the model's classes, or are unlike its rows. With a
            class at each position, the doubt of each row tells them apart.
        calibrated: Whether to add each method after temperature scaling, or of numbers with a factor of its
            standard deviation, of counts with over-dispersion, of quantiles not at all. Cross-fitted: each
            row is calibrated with a fit to the other folds, also under each shift. Needs 10 rows. Methods
            that do not say how far numbers scatter get noise by maximum likelihood in the same way,
            calibrated or not.
        seed: Seed of masks, folds and the random draws in calibration errors.
        batch_size: As in `assess`.
        outputs: As in `assess`.
        levels: As in `assess`.
        class_names: As in `assess`.
        progress: True for a bar, or called with (rows done, rows in all), over all methods and sets.
        thresholds: As in `assess`.
        output: As in `assess`.
        outcome: As in `assess`.
        class_axis: As in `assess`.
        tile: As in `assess`.
        overlap: As in `assess`.
        background: With a class at each position: the class, by number or name, that means over classes leave
            out; see `evaluate`.
        groups: (N,) of rows that depend on each other, as in `evaluate`. Intervals are then over groups.

    Returns:
        A `Comparison`.

    Raises:
        InputError: Rows, labels or arguments that cannot be used.
        ModelError: See `assess`.

    Example:
        >>> comparison = howsure.compare(model, x, labels, shifts={}, outside={"letters": letters})
        >>> print(comparison.score("MC dropout", "nll"))
        0.232 (0.199 to 0.271)
        >>> comparison.ranked("nll").best
        'softmax'
        >>> print(comparison.score("MC dropout", "outside_auroc", "letters"))
        0.832 (0.786 to 0.870)
    """
    check_flag(calibrated, "calibrated")
    check_progress(progress)
    request, handle = Request.of(locals()), resolve_model(model)
    if isinstance(handle.model, ColumnsModel):
        capable(handle.model, Model, "howsure.compare")  # or a refusal that says what a graph is
    with progress_callback(progress, "Comparing") as tell:
        rows = handle.rows(x, tell)
        probe, layout = _probe(model, rows, request)
        comparing, left_out = without(task_of(probe).compare(probe), probe, background)
        request = replace(request, class_names=getattr(probe, probe.names))
        labels = rows.truth(probe.truth_names) if labels is None else aligned(labels, rows, of="x.index")
        if labels is None:
            raise InputError(
                f"A comparison needs {comparing.needs}", expected="`labels`", received="rows without labels"
            )
        if outside and comparing.beside is None:
            raise InputError(
                f"OOD rows are not scored for answers of {task_of(probe).in_words}",
                expected="outside=None",
                hint="Changed rows are: give them as `shifts`",
            )
        request = replace(request, keep=comparing.keep)
        if methods is None:
            few = fed(rows.x, request)
            chosen = default_methods(model, few, request=request)
        else:
            chosen = check_by_name(_by_name(methods), "methods")
        _check_names(chosen)
        sets = _sets_of(model, rows, {} if shifts is None else shifts, outside, layout, tell)
        truth = comparing.truth(labels, sets.lengths[AS_THEY_ARE], probe)
        sets.check_alike(len(truth))
        course = _Course(tell, len(chosen) * sum(sets.lengths.values()))
        scored = MethodScores(
            comparing,
            truth,
            seed,
            calibrated,
            sets.alike,
            sets.outside,
            sets.moves,
            group_numbers(groups, rows, len(truth), "x.index"),
            asked=groups is not None,
        )
        costs = {
            name: _assessed(name, method, model, request, course, scored, sets)
            for name, method in chosen.items()
        }
        warn_of_learnt(scored.learnt)
    return scored.comparison(costs=costs, kinds=chosen, background=left_out)


def _probe(model: Any, rows: Rows, request: Request) -> tuple[Any, Layout | None]:
    """The plain prediction of the first rows, in one block, for the kind of the answers and their names."""
    layouts = list[Layout | None]()

    class Probing(Softmax):
        def begin(self, job: Job) -> Passes:
            layouts.append(job.outcome.layout)
            return super().begin(job)

    few = Rows(first(rows.x, PROBED), class_names=rows.class_names)
    # Warnings come again when all are assessed, but for those that labels answer.
    with deduplicated_warnings(), warnings.catch_warnings(action="ignore", category=HowsureWarning):
        return next(streamed(model, few, Probing(), request)), layouts[0]


def _by_name(methods: Any) -> Any:
    """A list by the names in settings; a number follows that of the second of one name. All else stays."""
    if not isinstance(methods, (list, tuple)):
        return methods
    by_name, counts = dict[str, Method](), Counter[str]()
    for method in methods:
        check_method(method)
        name = method.settings["name"]
        counts[name] += 1
        by_name[name if counts[name] == 1 else f"{name} {counts[name]}"] = method
    return by_name


def _check_names(methods: Mapping[str, Method]) -> None:
    """Raise an `InputError` unless methods have names of their own; warn of two that are the same."""
    check_names(methods, "method")
    for (one, method), (other, another) in combinations(methods.items(), 2):
        if method is another or (type(method) is type(another) and _are_equal(method, another)):
            warn(f"'{one}' and '{other}' are the same method: their answers are the same too.")


def _are_equal(one: Method, other: Method) -> bool:
    with suppress(ValueError):  # as of arrays
        return bool(one == other)
    return False


@dataclass(frozen=True, eq=False)
class _Sets:
    """The rows that all methods assess.

    Attributes:
        called: The unchanged rows with their ids, without labels.
        alike: By name, the same rows: first unchanged, then under each shift.
        moves: By name, shifts of these that are moved back, and so made by the method.
        outside: By name, OOD rows.
    """

    called: Rows
    alike: Mapping[str, Any]
    outside: Mapping[str, Any]
    moves: Mapping[str, Transform]

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Number of rows, by name."""
        return {name: length(rows, f"'{name}'") for name, rows in self.both.items()}

    @property
    def both(self) -> dict[str, Any]:
        """All sets by name."""
        return {**self.alike, **self.outside}

    def check_alike(self, rows: int) -> None:
        """Raise an `InputError` unless all sets in `alike` have this number of rows."""
        wrong = [name for name in self.alike if self.lengths[name] != rows]
        if wrong:
            raise InputError(
                f"The rows '{wrong[0]}' are not the same rows",
                expected=f"{rows} of them, in the same order",
                received=self.lengths[wrong[0]],
            )


def _sets_of(
    model: Any,
    rows: Rows,
    shifts: Mapping[str, Shift | Any],
    outside: Mapping[str, Any] | None,
    layout: Layout | None,
    progress: Callable[[int, int], None] | None,
) -> _Sets:
    x = rows.x
    alike, moves = {AS_THEY_ARE: x}, dict[str, Transform]()
    for name, shift in check_by_name(shifts, "shifts").items():
        if not is_transform(shift):
            with row_context(name):
                changed = rows_for(model, shift, progress)
            alike[name] = _aligned(changed, rows, name)
        elif (transform := RowTransform.of(shift, layout)).undo is not None:
            alike[name], moves[name] = x, shift
        else:
            alike[name] = transform(x)
    ood = dict[str, Any]()
    for name, source in check_by_name(outside, "outside").items():
        with row_context(name):
            ood[name] = rows_for(model, source, progress).x
    twice = set(alike) & set(ood)
    if twice:
        raise InputError(f"Two sets of rows have the name '{twice.pop()}'", expected="distinct names")
    sets = _Sets(replace(rows, labels=None), alike, ood, moves)
    empty = [name for name in ood if not sets.lengths[name]]
    if empty:
        raise InputError(f"The OOD set '{empty[0]}' has no rows", expected="at least 1")
    return sets


def _aligned(changed: Rows, rows: Rows, name: str) -> Any:
    """Changed rows in the order of the given ones; images may have names of their own."""
    called = RowNames(frame_index=changed.ids) if changed.id_name == FILE else changed
    hint = "If they are in the order of the rows, give them as an array, or a file without ids"
    return in_order(changed.x, places(rows, called, f"'{name}' holds changes", hint))


class _Course:
    """Progress over all methods and sets.

    Args:
        tell: Called with (rows done, rows in all), or None.
        total: Rows in all, over all methods and sets.
    """

    def __init__(self, tell: Callable[[int, int], None] | None, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def of_one(self, rows: int) -> Callable[[int, int], None]:
        """A progress function for one assessment of so many rows, which may count tiles."""
        before = self._done

        def passed(done: int, total: int) -> None:
            self._done = before + rows * done // max(1, total)
            if self._tell is not None:
                self._tell(self._done, self._total)

        return passed


def _assessed(
    name: str,
    method: Method,
    model: Any,
    request: Request,
    course: _Course,
    scored: MethodScores,
    sets: _Sets,
) -> float:
    """Assess all sets by a method and score it; its cost for the unchanged rows, in plain predictions."""
    results, alone, cost = dict[str, Any](), scored.comparing.alone, np.nan
    members = (
        None
        if alone is None or type(method) is not Ensemble
        else MemberRecorder(alone, scored.truth, scored.groups)
    )
    draws = isinstance(getattr(method, "each", method), MCDropout)  # it, or each of its members
    groups = dict[str, PassGroups]()
    with row_context(method=name):
        next(streamed(model, first(sets.alike[AS_THEY_ARE], FIRST), method, request))
    with tempfile.TemporaryDirectory(prefix="howsure-") as folder:
        for number, (which, of_set) in enumerate(sets.both.items()):
            own = which == AS_THEY_ARE
            if draws and which in sets.alike and which not in sets.moves and request.tile is None:
                groups[which] = PassGroups()
            recorded = Recorded(
                Changed(sets.moves[which], method) if which in sets.moves else method,
                groups.get(which),
                members if own else None,
            )
            place = Path(folder) / str(number)
            place.mkdir()
            with row_context("" if own else which, name):
                told_of = course.of_one(sets.lengths[which])
                blocks = streamed(model, sets.called if own else of_set, recorded, request, told_of)
                results[which] = scored.comparing.gathered(blocks, sets.lengths[which], place)
            cost = recorded.cost if own else cost
        scored.add(name, results)
        scored.add_masks(name, results, groups)
        results.clear()  # before the files go
    losses = None if members is None else members.losses()
    if losses is not None:
        scored.members[name] = losses
    return cost


def default_methods(
    model: Any,
    x: Any,
    members: Sequence[Any] = (),
    options: Mapping[str, Any] | None = None,
    request: Request | None = None,
) -> dict[str, Method]:
    """All methods that a model allows, by name: those of `howsure.methods.choices.CHOICES` that fit.

    Args:
        model: As for `compare`.
        x: Rows as for `compare`; only the first one is used.
        members: Other members of the ensemble.
        options: Options of the methods, by name.
        request: The wishes of the caller; None for the usual ones.
    """
    options, request = options or {}, Request() if request is None else request
    few = first(rows_for(model, x, most=1).x, 1)
    adapted, _ = adapt(model, few, keep_off=options.get("keep_off", ()), output=request.assessed_output)
    info = adapted.info
    if isinstance(adapted, PassModel) and not random_ops_of(adapted) and info.unswitchable:
        left_fixed = "; ".join(f"'{layer.name}': {layer.what}" for layer in info.unswitchable)
        warn(
            f"Model '{info.name}' has dropout that cannot be switched on, so MC dropout is left out: "
            f"{left_fixed}."
        )
    with warnings.catch_warnings(action="ignore"):  # they come again when the rows are assessed
        outcome = outcome_of(info, request)
    task = task_named(outcome.name)
    plain = task.compare().plain if task.can("compare") else SOFTMAX
    methods = possible_methods(adapted, outcome, members, options)
    return {plain if name == SOFTMAX else name: method for name, method in methods.items()}
