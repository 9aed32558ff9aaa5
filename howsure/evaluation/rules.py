"""Rules: from labelled rows to a decision about each new row, which keeps what it promises.

One part of the labelled rows calibrates, the other one makes the promises with calibrated rows. So nothing is
fitted in the wrong order, and no promise is made with rows that something has learnt from. The rules know the
origin of the labelled rows, and decide only rows of the same origin.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import as_share, check_flag, check_type, check_whole
from howsure.errors import InputError
from howsure.evaluation.abstain import abstain
from howsure.evaluation.calibrate import calibrate as fit_calibrator
from howsure.evaluation.calibrator_files import TOO_FEW, check_not_calibrated, with_origin
from howsure.evaluation.fitted_rows import warn_of_promise
from howsure.evaluation.groups import group_numbers, renumbered
from howsure.inputs.typed_json import digest, read_sealed, typed, write_sealed
from howsure.results.check import check_result
from howsure.results.origin import DECIDED, FittedToRows, Origin, fitted_to
from howsure.results.result import Result
from howsure.sampling.outcome import Integers
from howsure.tasks.task import Task, task_named, task_of
from howsure.tasks.truth import truth_of
from howsure.words import counted

KIND, FORMAT = "howsure rules", 1
"""The kind that a file names, and the version of its format."""

RULES = "rules"
"""The entry of the metadata of a graph with the content of its rules."""

CONTENT = ("promise", "origin", "calibrator", "sets", "abstention", "rows", "shares")
"""Names in the content of rules."""

MARK = 16
"""Digits of the digest by which a result names the rules that decided it."""

CALIBRATED = (
    "Give labelled rows that their calibrator has not learnt from to howsure.fit_rules(…, calibrate=False). "
    "Decide new rows by rules(calibrator(new))"
)
"""The hint for labelled rows that are calibrated already."""

AnyResult = TypeVar("AnyResult", bound=Result[Any])


@dataclass(frozen=True, eq=False, kw_only=True)
class Rules(FittedToRows):
    """Fitted rules; called with a result of the same origin, they calibrate and decide its rows.

    Attributes:
        origin: The origin of the labelled rows.
        calibrator: The calibrator, or None.
        sets: The prediction sets of calibrated rows, or their intervals, or None.
        abstention: The `Abstention` of calibrated rows, or None.
        rows: How many labelled rows the promises are made with.
        shares: By column of the decided rows, and then by value, the share of these rows that has it:
            `verdict`, `hand_over`, `unfamiliar`. They say what rows were like, and promise nothing.
    """

    calibrator: Any
    sets: Any
    abstention: Any
    rows: int
    shares: Mapping[str, Mapping[str, float]]
    saved: Mapping[str, Any] | None = None
    """Their content in the file that they come from, so that results know them after a change of words."""

    @property
    def coverage(self) -> float | None:
        """Promised share of rows whose set or interval holds the true answer, or None."""
        return None if self.sets is None else float(self.sets.coverage)

    @property
    def risk(self) -> float | None:
        """Promised largest share of mistakes among the rows that are not handed over, or None."""
        return None if self.abstention is None else float(self.abstention.risk)

    @cached_property
    def mark(self) -> str:
        """Digits by which results name these rules."""
        return digest(self._content())[:MARK]

    def __call__(self, result: AnyResult) -> AnyResult:
        """The same rows, calibrated and decided.

        Args:
            result: N ≥ 0 rows as `howsure.assess` gives them, of the origin of the labelled ones.

        Returns:
            The calibrated result with further columns, None where the rules promise nothing of them:
            `in_set` (N, K), yes or no, whether the class or label is in the set; `low` and `high` (N, K), the
            ends of the interval of each number; `hand_over` (N,), yes or no, whether a person should look.

        Raises:
            InputError: Another kind of result, other names, or another origin; it says the difference.
        """
        self.check_origin(result)
        decided: AnyResult = self._marked(self._decided(result))
        return decided

    def check_origin(self, result: Any) -> None:
        """Raise an `InputError` unless a result of 0 or more rows has the origin of the labelled ones."""
        origin = self._known_origin
        check_result(result, task_named(origin.kind).result_type, origin.names)
        origin.check(result)

    @property
    def _known_origin(self) -> Origin:
        assert self.origin is not None
        return self.origin

    def _decided(self, result: Any) -> Any:
        calibrated: Any = result if self.calibrator is None else self.calibrator(result)
        columns: dict[str, Any] = {} if self.sets is None else dict(self.sets.columns(calibrated))
        if self.abstention is not None:
            columns["hand_over"] = self.abstention(calibrated)
        return calibrated._changed(columns)

    def _marked(self, decided: Any) -> Any:
        return replace(decided, method={**decided.method, DECIDED: self.mark})._knowing(decided._from_maps)

    def in_words(self) -> str:
        """The rows for a person first, then the other promise, and what both rest on, a line each."""
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        origin = self._known_origin
        kind, name = task_named(origin.kind).in_words, origin.method.get("name", "not stated")
        lines = [str(part) for part in (self.abstention, self.sets) if part is not None]
        other = "" if self.calibrator is None else "other "
        promised = f"These promises are made with {counted(self.rows, f'{other}labelled row')}."
        made = [promised] if lines else []
        lines += made if self.calibrator is None else [self.calibrator._learnt_in_words, *made]
        lines.append(f"The rules are for rows like these, with {kind}, of the method '{name}'.")
        return lines

    __str__ = in_words

    def __repr__(self) -> str:
        return f"<Rules for {self._known_origin.kind}: coverage {self.coverage}, risk {self.risk}>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file that a person can read; an earlier file stays until the new one is complete.

        Raises:
            InputError: The name has another ending than `.json`.
            FileError: The file cannot be written.
        """
        version = importlib.metadata.version("howsure")
        write_sealed(path, {"kind": KIND, "format": FORMAT, "version": version, **self._content()})

    def _content(self) -> dict[str, Any]:
        if self.saved is not None:
            return dict(self.saved)
        return {
            "promise": self._lines(),
            "origin": self._known_origin.as_json,
            "calibrator": None if self.calibrator is None else self.calibrator._content(),
            "sets": _as_json(self.sets),
            "abstention": _as_json(self.abstention),
            "rows": self.rows,
            "shares": {name: dict(shares) for name, shares in self.shares.items()},
        }


def fit_rules(
    result: Result[Any],
    labels: ArrayLike | None = None,
    *,
    calibrate: bool = True,
    coverage: float | None = 0.9,
    risk: float | None = 0.05,
    tolerance: Any = None,
    groups: ArrayLike | None = None,
    background: int | str | None = None,
    seed: int = 0,
) -> Rules:
    """Learn from labelled rows to calibrate new ones, what else they could be, and which a person should see.

    The labelled rows are divided at random. One half calibrates, see `howsure.calibrate`. With the other one,
    calibrated, the promises are made: sets or intervals of a `coverage`, see `howsure.prediction_sets` and
    `howsure.prediction_intervals`, and abstention with a `risk`, see `howsure.abstain`. Without calibration
    all rows make promises. A set of labels holds on average a share of at least `coverage` of the labels that
    are true of a row. With a class at each position, rules hand over, and have no sets.

    Args:
        result: Result of rows that the model was not trained on, as `howsure.assess` gives it.
        labels: True answers, as for `howsure.evaluate`. Default: those of the result.
        calibrate: Whether to calibrate.
        coverage: In (0, 1), promised share of rows whose set or interval holds the true answer; None for no
            sets.
        risk: In (0, 1), largest share of mistakes among the rows that are not handed over, with 95 %
            confidence; None for no rows to hand over.
        tolerance: As in `howsure.abstain`: how far a number, or the Dice of a row, may be off. Both need it.
        groups: (N,) the group of each row, such as its patient: rows of a group depend on each other, and
            stay together.
        background: As in `howsure.abstain`.
        seed: Seed of the division and of the folds.

    Raises:
        InputError: No labels, labels that do not fit, too few rows, rows to calibrate that are calibrated
            already, or arguments out of range.

    Example:
        >>> rules = howsure.fit_rules(howsure.assess(model, x), labels, risk=0.05)
        >>> decided = rules(howsure.assess(model, x_new))
        >>> print(decided.hand_over.sum(), "of", len(decided))
        42 of 200
    """
    check_flag(calibrate, "calibrate")
    check_whole(seed, "seed", least=0)
    task = task_of(result)
    known = result.with_truth(truth_of(result, labels))
    coverage = None if coverage is None else as_share(coverage, "coverage")
    numbers = group_numbers(groups, known, len(known))
    if calibrate:
        check_not_calibrated(known, CALIBRATED)
    first, second = _divided(len(known), numbers, seed) if calibrate else (None, np.arange(len(known)))
    if first is not None and coverage is None and risk is None:
        first, second = np.arange(len(known)), np.arange(len(known))
    try:
        calibrator = None if first is None else fit_calibrator(known[first], seed=seed)
    except InputError as error:
        if TOO_FEW not in error.what.lower() or first is None or len(first) == len(known):
            raise
        raise InputError(
            "Too few labelled rows for rules: one half of them calibrates",
            expected=f"in that half {error.expected}",
            received=f"{len(known)} in all",
            hint="Label more rows. Without calibration, calibrate=False, no half is left out",
        ) from error
    rest: Any = known[second] if calibrator is None else calibrator(known[second])
    of_rest = None if numbers is None else renumbered(numbers[second])
    sets = abstention = None
    try:
        if coverage is not None and task.can("coverage"):
            if risk is None:  # else `abstain` says it
                warn_of_promise(rest)
            sets = fitted_to(rest, task.coverage(rest, None, coverage=coverage, groups=of_rest))
        if risk is not None:
            abstention = abstain(rest, risk=risk, tolerance=tolerance, background=background, groups=of_rest)
    except InputError as error:
        if " to promise " not in error.what or len(second) == len(known):
            raise
        hint = "Or give calibrate=False, and no row is left out"
        raise error.told_of(f"Of {len(known):,} rows one half calibrates", hint) from error
    rules = Rules(
        origin=Origin.of(known),
        calibrator=calibrator,
        sets=sets,
        abstention=abstention,
        rows=len(second),
        shares={},
    )
    return replace(rules, shares=_shares_of(rules._decided(known[second])))


def _divided(rows: int, groups: Integers | None, seed: int) -> tuple[Integers, Integers]:
    """Positions of the rows of either half, in order; groups stay whole."""
    group = np.arange(rows) if groups is None else groups
    count = int(group.max(initial=-1)) + 1
    in_first = np.isin(group, np.random.default_rng(seed).permutation(count)[: count // 2])
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def _shares_of(decided: Any) -> dict[str, dict[str, float]]:
    """By column with a value for each row, and then by value, the share of decided rows that has it."""
    shares = {}
    for name in ("verdict", "hand_over", "unfamiliar"):
        known = decided.has(name) and (name != "unfamiliar" or decided.familiarity is not None)
        values: NDArray[Any] | None = getattr(decided, name) if known else None
        if values is not None and values.ndim == 1 and len(values):
            unique, counts = np.unique(values.astype(str), return_counts=True)
            shares[name] = dict(zip(unique.tolist(), (counts / len(values)).tolist(), strict=True))
    return shares


def _as_json(fitted: Any) -> dict[str, Any] | None:
    """A fitted part as JSON can hold it, with the name of its class, and without its origin."""
    if fitted is None:
        return None
    values = {item.name: getattr(fitted, item.name) for item in fields(fitted) if item.name != "origin"}
    plain = {name: vars(value) if hasattr(value, "__dict__") else value for name, value in values.items()}
    return {"is": type(fitted).__name__, **plain, "origin": fitted.origin.as_json}


def _read_part(content: Any, task: Task[Any], field: str) -> Any:
    if content is None:
        return None
    saved = dict(typed(Mapping[str, Any], content, field))
    name, origin = saved.pop("is"), Origin.read(saved.pop("origin"))
    kind = next((kind for kind in task.decisions if kind.__name__ == name), None)
    if kind is None:
        raise InputError(
            f"`{field}` is no rule of these rows", expected="one of its kind", received=repr(name)
        )
    return replace(typed(kind, saved, field), origin=origin)


def rules_in(content: Mapping[str, Any]) -> Rules:
    """The rules in the content of a file; the inverse of `Rules._content`."""
    origin = Origin.read(content["origin"])
    task = task_named(origin.kind)
    saved = content["calibrator"]
    calibrator = None if saved is None else with_origin(task.read_calibrator(saved), saved)
    return Rules(
        origin=origin,
        calibrator=calibrator,
        sets=_read_part(content["sets"], task, "sets"),
        abstention=_read_part(content["abstention"], task, "abstention"),
        rows=typed(int, content["rows"], "rows"),
        shares=typed(Mapping[str, Mapping[str, float]], content["shares"], "shares"),
        saved={name: content[name] for name in CONTENT},
    )


def read_rules(path: str | os.PathLike[str]) -> Rules:
    """The rules in a file of `Rules.save`.

    Raises:
        FileError: Missing, damaged, changed, or no saved rules.
    """
    return read_sealed(
        path,
        "set of rules",
        FORMAT,
        rules_in,
        written_by="`Rules.save`",
        again="Fit the rules again",
        kind=KIND,
    )


def check_rules(rules: Any) -> None:
    """Raise an `InputError` unless these are rules, or None."""
    check_type(rules, (Rules, type(None)), "rules", "what howsure.fit_rules gives, or None")
