"""Does all that is fitted refuse rows of another origin, and no others? Written to docs/origins.md.

    python -m validation.origins

A network of each kind of answers is assessed, and everything that can be fitted to labelled rows is fitted.
Then rows come from elsewhere: each line of the table is one difference, each cell what the fitted ones did.
"""

from __future__ import annotations

import functools
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page, table
from tests.doors.cases import network
from tests.kinds import KINDS, of_kind

PAGE = Page("origins")

ROWS, NEW = 200, 20

SAME = "same: "
"""Before the names of what is no difference."""

PASSES = howsure.MCDropout(passes=20)


@dataclass(frozen=True)
class Held:
    """A kind of answers with its network and rows, as a user holds them.

    Attributes:
        kind: Name of the kind.
        model: The network.
        names: K names of its outputs.
        x: (N, …) labelled rows, then new ones.
    """

    kind: str
    model: Any
    names: tuple[str, ...]
    x: Any

    def assessed(self, model: Any = None, method: Any = PASSES, names: Any = None, **more: Any) -> Any:
        """The result of all rows."""
        wishes = {"class_names": names or self.names, **of_kind(self.kind).settings, **more}
        return howsure.assess(self.model if model is None else model, self.x, method=method, **wishes)

    @functools.cached_property
    def result(self) -> Any:
        """The result of all rows by the method of the fit."""
        return self.assessed()

    @functools.cached_property
    def truth(self) -> Any:
        """(N, …) true answers, drawn as the network says."""
        return of_kind(self.kind).truth(self.result, np.random.default_rng(2))

    def known(self, result: Any) -> Any:
        """The labelled rows among the rows of a result."""
        return result[:ROWS].with_truth(self.truth[:ROWS])

    def calibrated(self, result: Any) -> Any:
        """All rows of a result, calibrated by a calibrator of its own, with true answers as it says."""
        truth = of_kind(self.kind).truth(result, np.random.default_rng(3))
        return howsure.calibrate(result[:ROWS], truth[:ROWS])(result)


def held(kind: str) -> Held:
    """The example of a kind."""
    of, random = of_kind(kind), np.random.default_rng(1)
    return Held(kind, network(kind), of.names, random.normal(size=(ROWS + NEW, *of.shape)).astype(np.float32))


# --- what is fitted -----------------------------------------------------------------------------------


def _promises(of: Any, result: Any) -> Iterator[tuple[str, Any]]:
    if result.answer in ("classes", "positions"):
        yield "sets", howsure.prediction_sets(result, coverage=0.8)
    if result.answer == "numbers":
        yield "intervals", howsure.prediction_intervals(result, coverage=0.8)
    yield "abstention", howsure.abstain(result, risk=of.risk, tolerance=of.tolerance)


def fitted(data: Held, result: Any, *, raw: bool) -> dict[str, Any]:
    """By name, everything that is fitted to labelled rows of a result, as calls that take new rows.

    Args:
        data: The example.
        result: All rows, calibrated or not.
        raw: Whether they are not calibrated.
    """
    of, known = of_kind(data.kind), data.known(result)
    calls: dict[str, Any] = dict(_promises(of, known))
    truth = data.truth[:NEW]
    calls["evaluate"] = lambda new: howsure.evaluate(known, outside=new) if data.kind != "labels" else None
    calls["joined"] = lambda new: type(known).joined([known, new.with_truth(truth)])
    if raw:
        wishes = {"coverage": 0.5, "risk": of.risk, "tolerance": of.tolerance}
        calls["calibrator"] = howsure.calibrate(known)
        calls["rules"] = howsure.fit_rules(known, **wishes)
    if data.kind == "labels":
        del calls["evaluate"]  # it takes no rows from outside
    return calls


def _unit(data: Held) -> Any:
    return data.result.rescaled(10.0, 2.0) if data.kind == "numbers" else None


def _question(data: Held) -> tuple[Any, Any] | None:
    if data.kind == "labels":
        return data.result.of_label(data.names[0]), data.result.of_label(data.names[1])
    if data.kind == "numbers":
        return data.result.above(0.0, data.names[0]), data.result.above(1.0, data.names[0])
    return None


OTHERS: dict[str, Callable[[Held], Any]] = {
    "a plain prediction": lambda data: data.assessed(method=howsure.Softmax()),
    "2 passes, not 20": lambda data: data.assessed(method=howsure.MCDropout(passes=2)),
    "as many passes as rows need": lambda data: data.assessed(method=howsure.MCDropout()),
    "passes that do not balance": lambda data: data.assessed(
        method=howsure.MCDropout(passes=20, balanced=False)
    ),
    "another network": lambda data: data.assessed(network(data.kind, seed=7)),
    "the network, trained further": lambda data: data.assessed(network(data.kind, moved=1e-6)),
    "an ensemble with it": lambda data: data.assessed(method=howsure.Ensemble([network(data.kind, seed=7)])),
    "another unit (`rescaled`)": _unit,
    "other names": lambda data: data.assessed(names=[f"{name}s" for name in data.names]),
    "names in another order": lambda data: data.assessed(names=data.names[::-1]),
}
"""Results of other origins, by what is different."""


def _from_a_file(data: Held) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        data.result.save(Path(folder) / "result.parquet")
        return replace(howsure.load(Path(folder) / "result.parquet"), seed=0)


ALIKE: dict[str, Callable[[Held], Any]] = {
    "another seed": lambda data: data.assessed(seed=9),
    "other rows": lambda data: replace(data, x=data.x[::-1] + 1).assessed(),
    "the network, copied": lambda data: data.assessed(pickle.loads(pickle.dumps(data.model))),
    "another batch size": lambda data: data.assessed(batch_size=7),
    "a saved result": _from_a_file,
}
"""Results of the same origin."""


# --- trying them --------------------------------------------------------------------------------------


def outcome(call: Callable[[Any], Any], new: Any) -> str:
    """`refused` if it names both origins, `accepted`, or the error that it is instead."""
    try:
        call(new)
    except howsure.InputError as error:
        return "refused" if error.expected and error.received else f"unclear: {error}"
    return "accepted"


def tried(calls: dict[str, Any], new: Any) -> dict[str, str]:
    """The outcome by name of what is fitted."""
    return {name: outcome(call, new[-NEW:]) for name, call in calls.items()}


def look() -> dict[str, Any]:
    """All outcomes: by difference, kind and what is fitted."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    with warnings.catch_warnings(action="ignore"):  # few rows, which is no matter here
        for kind in KINDS:
            data = held(kind)
            base, own = data.result, data.calibrated(data.result)
            raw, later = fitted(data, base, raw=True), fitted(data, own, raw=False)

            def note(name: str, outcomes: dict[str, str], kind: str = kind) -> None:
                found.setdefault(name, {}).setdefault(kind, {}).update(outcomes)

            first_half = howsure.calibrate(data.known(base)[: ROWS // 2])
            note("not calibrated, and the labelled rows were", tried(later, base))
            note("calibrated by another calibrator", tried(later, first_half(base)))
            note("calibrated, and the labelled rows were not", tried(raw, own))
            rules = raw["rules"]
            note("decided by rules already", tried(raw, rules(base)))
            stranger = held("numbers" if kind == "classes" else "classes").result
            note("another kind of answers", tried(raw, stranger))
            asked = _question(data)
            if asked is not None:
                known = asked[0][:ROWS].with_truth(asked[0].label[:ROWS] ^ (np.arange(ROWS) % 5 == 0))
                calls = dict(_promises(of_kind("classes"), known)) | {"calibrator": howsure.calibrate(known)}
                note("another label or threshold", tried(calls, asked[1]))
            for name, make in OTHERS.items():
                new = make(data)
                if new is not None:
                    note(name, tried(raw, new))
                if new is not None and new.answer == base.answer and "names" not in name:
                    outcomes = tried(later, data.calibrated(new))
                    note(name, {f"{part} of calibrated rows": said for part, said in outcomes.items()})
            for name, make in ALIKE.items():
                calls = (
                    raw if name != "another seed" else {**raw, "joined": raw["rules"]}
                )  # parts share a seed
                note(f"{SAME}{name}", tried(calls, make(data)))
    return found


def parts(found: dict[str, Any]) -> dict[str, object]:
    """The table of the page, and its counts."""
    lines, counts = [], {"refused": 0, "accepted": 0, "wrong": 0}
    in_order = sorted(found.items(), key=lambda item: item[0].startswith(SAME))
    for name, of_kinds in in_order:
        expected = "accepted" if name.startswith(SAME) else "refused"
        cells = []
        for kind in KINDS:
            outcomes = of_kinds.get(kind, {})
            right = sum(said == expected for said in outcomes.values())
            counts[expected] += right
            counts["wrong"] += len(outcomes) - right
            wrong = [part for part, said in outcomes.items() if said != expected]
            failed = f"; not {', '.join(wrong)}" if wrong else ""
            cells.append(f"{right} {expected}{failed}" if outcomes else "–")
        lines.append([name.removeprefix(SAME), *cells])
    return {"table": table(["the new rows are", *KINDS], *lines), **counts}


if __name__ == "__main__":
    PAGE.measure(look, parts)
