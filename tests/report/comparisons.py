"""Comparisons of simulated methods, and their pages, for the tests of the report."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.assess import Method
from howsure.compare.comparison import AS_THEY_ARE, CALIBRATED, Comparison
from howsure.evaluation.evaluate import evaluate
from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Softmax
from howsure.report.comparison import render_comparison
from howsure.statistics import entropy_of
from howsure.tasks.classification.calibrate import cross_calibrated
from howsure.tasks.classification.compare import claims, parts
from howsure.tasks.classification.result import Certainty
from tests.made import certainty_of
from tests.report.made import Lazily

Floats = NDArray[np.float64]

KINDS: Mapping[str, Method] = {
    "softmax": Softmax(),
    "MC dropout": MCDropout(),
    "ensemble": Ensemble([object()]),
}


def softmax_of(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def said(probabilities: Floats, kind: str = "row") -> Certainty:
    return certainty_of(
        probabilities,
        mc_error=0,
        passes=1,
        expected_entropy=entropy_of(probabilities),
        kind=kind,
        method={"name": "simulated"},
        version="1.2.3",
    )


def compared(
    methods: Mapping[str, Mapping[str, Certainty]],
    truth: NDArray[np.int64],
    *,
    outside: tuple[str, ...] = (),
    kinds: Mapping[str, Method] | None = None,
    costs: Mapping[str, float] | None = None,
    calibrated: bool = False,
) -> Comparison:
    """A comparison of what was said of each set, as `howsure.compare` makes it."""
    results = {name: dict(sets) for name, sets in methods.items()}
    sets = tuple(name for name in next(iter(results.values())) if name not in outside)
    costs = dict(costs if costs is not None else dict.fromkeys(results, 1.0))
    kinds = dict(kinds or {name: KINDS.get(name, Softmax()) for name in results})
    calibrations = {}
    if calibrated:
        for name in list(results):
            first, *others = (results[name][which] for which in sets)
            mended, far, _ = cross_calibrated(
                first, truth, others, [results[name][which] for which in outside]
            )
            after = CALIBRATED.format(name)
            results[after] = dict(zip([*sets, *outside], [*mended, *far], strict=True))
            costs[after], kinds[after], calibrations[after] = costs[name], kinds[name], name
    evaluations = {(name, which): evaluate(results[name][which], truth) for name in results for which in sets}
    return Comparison(
        methods=tuple(results),
        sets=sets,
        outside=outside,
        evaluations=evaluations,
        parts={
            name: parts(results[name][AS_THEY_ARE], truth, evaluations[name, AS_THEY_ARE])
            for name in results
            if name not in calibrations
        },
        claims={at: claims(results[at[0]][at[1]], truth, item) for at, item in evaluations.items()},
        against={
            (name, which): evaluate(
                results[name][AS_THEY_ARE],
                truth,
                outside=dataclasses.replace(results[name][which], method=results[name][AS_THEY_ARE].method),
            )
            for name in results
            for which in outside
        },
        costs=costs,
        certainties={name: item[AS_THEY_ARE] for name, item in results.items()},
        truth=truth,
        kinds=kinds,
        calibrations=calibrations,
    )


def simulated(
    rows: int = 600,
    *,
    names: tuple[str, str, str] = ("softmax", "MC dropout", "ensemble"),
    shifts: Mapping[str, float] | None = None,
    outside: tuple[str, ...] = (),
    calibrated: bool = True,
    sharp: float = 2.0,
    seed: int = 0,
    kind: str = "row",
) -> Comparison:
    """A softmax that claims too much, a dropout that claims too little, and an ensemble with less noise.

    Args:
        rows: N.
        names: Of the three.
        shifts: Noise added, by name.
        outside: Names of sets of strangers.
        calibrated: Whether each method is shown calibrated too.
        sharp: By how much the softmax exaggerates; 1 is calibrated.
        seed: Of everything.
        kind: What a row is.
    """
    random = np.random.default_rng(seed)
    classes = 4
    truth = random.integers(classes, size=rows)
    true = 3.0 * np.eye(classes)[truth]
    own, members = random.normal(size=(rows, classes)), random.normal(size=(rows, classes))

    def of(signal: Floats, noise: float) -> list[Floats]:
        more = noise * random.normal(size=signal.shape)
        one = signal + own[: len(signal)] * 1.4 + more
        many = signal + (own[: len(signal)] * 0.7 + members[: len(signal)] * 0.7) + more
        return [softmax_of(sharp * one), softmax_of(0.4 * one), softmax_of(1.5 * many)]

    sets = {AS_THEY_ARE: of(true, 0.0)} | {name: of(true, noise) for name, noise in (shifts or {}).items()}
    sets |= {name: of(np.zeros((rows // 4, classes)), 0.0) for name in outside}
    methods = {
        name: {which: said(networks[number], kind) for which, networks in sets.items()}
        for number, name in enumerate(names)
    }
    return compared(
        methods,
        truth,
        outside=outside,
        kinds=dict(zip(names, KINDS.values(), strict=True)),
        costs=dict(zip(names, (1.0, 13.25, 5.1), strict=True)),
        calibrated=calibrated,
    )


def binary(right: Floats, seed: int = 0) -> tuple[Certainty, NDArray[np.int64]]:
    """Rows of two classes whose true one, 0, has these probabilities."""
    return said(np.stack([right, 1 - right], axis=1)), np.zeros(len(right), dtype=np.int64)


def of_true(methods: Mapping[str, Floats], **more: Any) -> Comparison:
    """A comparison of two-class methods, by the probability each gives the true class."""
    each = {name: {AS_THEY_ARE: binary(right)[0]} for name, right in methods.items()}
    return compared(each, np.zeros(len(next(iter(methods.values()))), dtype=np.int64), **more)


HOSTILE = '<script>alert("1")</script> & <b>' + "long" * 30


def page_of(name: str) -> str:
    return render_comparison(COMPARISONS[name])


@functools.cache
def full() -> Comparison:
    return simulated(shifts={"noisy": 1.0, "noisier": 2.0}, outside=("letters",), kind="image")


COMPARISONS = Lazily(
    {
        "full": full,
        "one method": lambda: of_true({"softmax": np.linspace(0.2, 0.9, 50)}),
        "two methods": lambda: simulated(200, calibrated=False),
        "no mistakes": lambda: of_true(
            {"softmax": np.linspace(0.7, 0.9, 40), "MC dropout": np.linspace(0.6, 0.95, 40)}
        ),
        "all wrong": lambda: of_true(
            {"softmax": np.linspace(0.1, 0.4, 20), "ensemble": np.linspace(0.2, 0.3, 20)}
        ),
        "the same twice": lambda: of_true(
            {"softmax": np.linspace(0.2, 0.9, 50), "copy": np.linspace(0.2, 0.9, 50)}
        ),
        "two rows": lambda: of_true({"softmax": np.array([0.2, 0.8]), "MC dropout": np.array([0.4, 0.7])}),
        "hostile names": lambda: simulated(
            120,
            names=(HOSTILE, HOSTILE + "2", HOSTILE + "3"),
            shifts={HOSTILE + "4": 1.0},
            outside=(HOSTILE + "5",),
        ),
        "no plain softmax": lambda: dataclasses.replace(full(), costs=dict.fromkeys(full().methods, np.nan)),
    }
)
PAGES = Lazily({name: functools.partial(page_of, name) for name in COMPARISONS})
