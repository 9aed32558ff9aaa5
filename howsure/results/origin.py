"""The origin of a result: where its answers come from, and what was done with them since.

A rule that is fitted to labelled rows holds for rows of the same origin: the same kind of answers with the
same names, from the same method with the same settings and weights, in the same unit, of the same label,
calibrated by the same calibrator. `method` of a result is its record: `howsure.assess` begins it, and each
function that changes what the numbers mean adds an entry. Another seed, plan or batch of rows is no
difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from howsure.adapters.fingerprint import MODEL
from howsure.errors import InputError
from howsure.inputs.typed_json import typed
from howsure.results.check import check_is_result, check_result
from howsure.results.result import Result

DECIDED = "rules"
"""The entry that names the rules which decided the rows."""

_QUESTION = ("label", "above", "target")
"""Entries that say what is asked, where it is less than all that a model answers."""

NO_DIFFERENCE = ("words", "source")
"""Entries of a method that say nothing of the numbers: words for sentences, and where a table lay."""

Method = Mapping[str, Any]


def _calibrated(method: Method) -> str:
    fit = method.get("calibration")
    if fit is None:
        return "rows that are not calibrated"
    return f"rows that are calibrated ({_short(fit)})"


def _asked(method: Method) -> str:
    if "label" in method:
        return f"rows of the label '{method['label']}'"
    if "above" in method:
        return f"whether '{method['target']}' is above {method['above']:g}"
    return "rows with all their answers"


def _unit(method: Method) -> str:
    if "rescaled" not in method:
        return "numbers in the unit that the model puts out"
    return f"numbers that were rescaled ({_short(method['rescaled'])})"


def _named(method: Method) -> str:
    return f"rows of the method '{method.get('name', 'not stated')}'"


def _settings(method: Method) -> str:
    settings = {name: value for name, value in method.items() if name not in _TOLD}
    return f"rows of '{method.get('name')}' with {_short(settings) or 'no settings'}"


def _model(method: Method) -> str:
    if MODEL not in method:
        return "rows of a model whose weights are not known"
    return f"rows of the model whose weights have the SHA-256 {method[MODEL]}…"


def _decided(method: Method) -> str:
    return "rows that rules have decided" if DECIDED in method else "rows that no rules have decided"


AGAIN = "Fit it again to rows of this origin"

DIFFERENCES: tuple[tuple[tuple[str, ...], Callable[[Method], str], str, str], ...] = (
    ((DECIDED,), _decided, AGAIN, "Give the rows as they were before rules have decided them"),
    (_QUESTION, _asked, AGAIN, AGAIN),
    (("name",), _named, f"Assess them by that method. {AGAIN}", AGAIN),
    ((), _settings, f"Assess them with those settings. {AGAIN}", AGAIN),
    (
        (MODEL,),
        _model,
        "Fit it again to rows of this model: another one, or one that was trained further, errs otherwise",
        AGAIN,
    ),
    (("rescaled",), _unit, "Call `rescaled` first", "Give the rows as they were before `rescaled`"),
    (
        ("calibration",),
        _calibrated,
        "Call the calibrator of the labelled rows first: `fitted(calibrator(result))`",
        "Give the rows as they were before they were calibrated",
    ),
)
"""Entries of a method, none for all others; what is said of them; and the ways out, where rows lack what the
labelled ones had, and where they have what those lacked. They are told in this order."""


@dataclass(frozen=True)
class Origin:
    """The origin of some rows: the source of their answers, and what was done with them since.

    Attributes:
        kind: Name of the kind of answers, such as `classes`.
        names: Names of the K classes, labels or targets.
        method: Name and settings of the method, the model, and what was done since.
    """

    kind: str
    names: tuple[str, ...]
    method: Mapping[str, Any]

    @classmethod
    def of(cls, result: Result[Any]) -> Self:
        """The origin of a result."""
        method = json.loads(json.dumps(_that_counts(_method_of(result)), default=repr))
        return cls(result.answer, tuple(getattr(result, result.names)), method)

    def check(self, result: Result[Any], whose: str = "the labelled ones had") -> None:
        """Raise an `InputError` unless a result of the same kind and names has this origin.

        Args:
            result: Some rows.
            whose: The rows of this origin, for the message.
        """
        own = Origin.of(result).method
        if own == self.method:
            return
        rest = tuple(sorted({*own, *self.method} - _TOLD))
        for entries, in_words, lacking, beyond in DIFFERENCES:
            names = entries or rest
            if all(own.get(name) == self.method.get(name) for name in names):
                continue
            if entries == (MODEL,) and not {MODEL} <= own.keys() & self.method.keys():
                continue  # one of the models does not show its weights
            raise InputError(
                f"These rows have another origin than {whose}",
                expected=in_words(self.method),
                received=in_words(own),
                hint=lacking if any(name in self.method for name in names) else beyond,
            )

    @property
    def as_json(self) -> dict[str, Any]:
        """The origin as JSON can hold it."""
        return {"kind": self.kind, "names": list(self.names), "method": dict(self.method)}

    @classmethod
    def read(cls, content: Any) -> Self:
        """The inverse of `as_json`."""
        saved: Any = typed(Mapping[str, Any], content, "origin")
        names = typed(tuple[str, ...], saved["names"], "origin.names")
        method = typed(Mapping[str, Any], saved["method"], "origin.method")
        return cls(typed(str, saved["kind"], "origin.kind"), names, dict(method))


@dataclass(frozen=True, kw_only=True)
class FittedToRows:
    """Base of what is fitted to labelled rows, and holds for rows of their origin alone.

    Attributes:
        origin: The origin of the labelled rows; None if it is not known.
    """

    origin: Origin | None = None

    def _check(self, result: Any, expected: type[Result[Any]], names: Sequence[str]) -> None:
        """Raise an `InputError` unless a result is of this type, with these names, and of the same origin."""
        check_result(result, expected, names)
        if self.origin is not None and len(result):
            self.origin.check(result)


AnyFitted = TypeVar("AnyFitted")


def fitted_to(result: Result[Any], fitted: AnyFitted) -> AnyFitted:
    """The same, knowing the origin of the result that it was fitted to; one that keeps no origin stays."""
    return replace(fitted, origin=Origin.of(result)) if isinstance(fitted, FittedToRows) else fitted


def check_outside(outside: Any, result: Result[Any]) -> None:
    """Raise an `InputError` unless there are rows from outside, of the kind and the origin of a result."""
    check_is_result(result)
    check_result(outside, type(result), getattr(result, result.names))
    Origin.of(result).check(outside, "those that are scored have")
    if not len(outside):
        raise InputError("There are no rows from outside", expected="at least 1, or outside=None")


def check_same_question(results: Mapping[str, Result[Any]]) -> None:
    """Raise an `InputError` where one of several results is of another label or threshold than the first."""
    first, *others = [
        (name, {entry: value for entry, value in _method_of(result).items() if entry in _QUESTION})
        for name, result in results.items()
    ]
    for name, question in others:
        if question and first[1] and question != first[1]:
            raise InputError(
                f"'{name}' answers another question than '{first[0]}'",
                expected=_asked(first[1]),
                received=_asked(question),
            )


def _method_of(result: Any) -> Method:
    """The record of a result; a kind of another package may keep none."""
    return getattr(result, "method", {})


def _that_counts(method: Any) -> Any:
    """A method, and the methods in it, without `NO_DIFFERENCE`."""
    if not isinstance(method, Mapping):
        return method
    return {name: _that_counts(value) for name, value in method.items() if name not in NO_DIFFERENCE}


def _short(settings: Any) -> str:
    """Settings in words; of a list how long it is."""
    if isinstance(settings, float):
        return f"{settings:.6g}"
    if isinstance(settings, list):
        return f"of {len(settings)} numbers" if len(settings) > 3 else ", ".join(map(_short, settings))
    if not isinstance(settings, Mapping):
        return str(settings)
    told = [f"{name} {_short(value)}" for name, value in settings.items() if value is not None]
    return ", ".join(told)[:200]


_TOLD = frozenset(entry for entries, *_ in DIFFERENCES for entry in entries)
