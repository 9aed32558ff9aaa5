"""Every public function with arguments that are right, and nonsense to put in the place of each of them.

What comes back from a call with it has to be a result, or an error of howsure, in which the caller reads
what is wrong.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as some

import howsure
from howsure import shifts
from howsure.inputs.rows import InputSpec
from tests.kinds import KINDS, of_kind
from tests.support.arrays import ArrayModel, Dense, Dropout

ROWS, CLASSES, LABELS = 60, 3, 2

_COUNTS = ("n_iter", "passes", "max_passes")
"""Arguments that may be as large as somebody is willing to wait, so that no large number is tried."""

_BY_POSITION = ("Certainty[…]",)
"""Called by position, as Python calls it."""

_NUMBERS = (
    -(10**30),
    -1,
    0,
    1,
    2,
    3,
    10**30,
    -0.5,
    0.0,
    0.5,
    1.0,
    1e39,
    5e-324,
    1e-300,
    float("nan"),
    float("inf"),
)
_WORDS = ("", "0", "a", "logits", "label-logits", "vector", "\x1b[2J", "\ud800", "nowhere.parquet", "a\0b")


class Odd:
    """An object of no kind that anything expects."""

    def __repr__(self) -> str:
        return "<odd>"


def _arrays() -> list[Any]:
    grid = np.arange(6.0).reshape(2, 3)
    return [
        np.array(1.0),
        np.empty(0),
        np.empty((0, 4)),
        grid,
        grid[..., None],
        grid * np.nan,
        grid.astype(complex),
        grid.astype(str),
        grid.astype("datetime64[s]"),
        np.array([1, None, "a"], dtype=object),
        np.array([[1], [2, 3]], dtype=object),
        np.ma.masked_array(grid, mask=grid > 3),
        np.zeros(ROWS),
        np.full(ROWS, -1),
        np.arange(ROWS) % CLASSES,
        np.ones(ROWS, dtype=bool),
        np.zeros((ROWS, 4)),
        np.full((ROWS, 4), 1e39),
        np.full((ROWS, 4), np.inf),
        np.full((ROWS, CLASSES), 1 / CLASSES),
        np.zeros((ROWS, CLASSES), dtype=int),
        pd.Series(range(ROWS)),
        pd.Series(["a", None]),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    ]


def _others() -> list[Any]:
    odd = [
        None,
        True,
        False,
        b"bytes",
        np.float32(0.5),
        np.float16(0.9),
        np.longdouble(0.9),
        np.complex64(0.5),
        np.int8(-3),
        1j,
        Odd(),
        lambda *given: None,
        iter([1]),
    ]
    lists: list[Any] = [[], (), {}, set(), [1, "a", None], [[1, 2], [3]], [np.nan], {"a": 1}, {1: "a"}, {"a"}]
    paths = [_folder(), _folder() / "below" / "it.csv", Path("/nowhere/c.csv"), "n" * 300 + ".csv"]
    return [*odd, *lists, *paths, howsure.Softmax(), howsure.Thresholds(), slice(None)]


def alone() -> tuple[Any, ...]:
    """Each piece of nonsense."""
    return (*_NUMBERS, *_WORDS, *_arrays(), *_others())


def may_take(argument: str, value: object) -> bool:
    """Whether a call with this can be waited for."""
    return argument not in _COUNTS or not isinstance(value, (int, float)) or not abs(value) > 1000


def nonsense(argument: str) -> some.SearchStrategy[Any]:
    """What to put in the place of an argument: one piece, or a few in a list or dict."""
    one = some.sampled_from([value for value in alone() if may_take(argument, value)])
    many = some.lists(one, max_size=3) | some.dictionaries(some.text(max_size=2), one, max_size=2)
    return one | one | many


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp())


@functools.cache
def functions() -> Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]]:
    """By name, a function and arguments that it takes; some write into a folder for temporary files."""
    random = np.random.default_rng(0)

    def network(end: str, outputs: int) -> ArrayModel:
        first = Dense(random.normal(size=(4, 8)), np.zeros(8), "relu")
        last = Dense(random.normal(size=(8, outputs)), np.zeros(outputs), end)
        steps = {"first": (first, "x"), "drop": (Dropout(0.5), "first"), "output": (last, "drop")}
        return ArrayModel("network", [InputSpec("x", (4,), "float32")], steps)

    four = howsure.MCDropout(passes=4)
    model, several = network("softmax", CLASSES), network("sigmoid", LABELS)
    x = random.normal(size=(ROWS, 4)).astype(np.float32)
    certainty = howsure.assess(model, x, method=four)
    y = np.array([random.choice(CLASSES, p=p) for p in certainty.probabilities])
    certainty = certainty.with_truth(y).with_familiarity(random.uniform(0.1, 1, ROWS))
    labelled = howsure.assess(several, x, method=four).with_truth(random.random((ROWS, LABELS)) < 0.5)
    samples = random.normal(5, 1, (20, ROWS, 2))
    numbers = howsure.RegressionCertainty.from_samples(samples, noise=0.5).with_truth(samples[0])
    features = howsure.features_of(model, x)
    held_out = howsure.features_of(model, random.normal(size=(ROWS, 4)))
    known = howsure.familiarity(features, y, held_out, score="energy", share=0.1)
    calibrator, sets = howsure.calibrate(certainty), howsure.prediction_sets(certainty)
    evaluation, of_labels = howsure.evaluate(certainty), howsure.evaluate(labelled)
    abstention = howsure.abstain(certainty, risk=0.9, confidence=0.5)
    rules = howsure.fit_rules(certainty, calibrate=False, coverage=0.5, risk=0.9)
    comparison = howsure.compare(model, x, y)
    kept = _folder() / "calibrator.json"
    calibrator.save(kept)
    means = howsure.RegressionCertainty.from_mean_std(random.normal(size=ROWS), np.full(ROWS, 0.5), ["price"])
    means = means.with_truth(means.mean + 0.5 * random.normal(size=(ROWS, 1)))
    priced, ranges = howsure.calibrate(means), howsure.prediction_intervals(means)
    limited = howsure.abstain(means, risk=0.9, confidence=0.5, tolerance=0.5)
    saved, plan = _folder() / "c.parquet", _folder() / "plan.json"
    certainty.save(saved)
    howsure.Plan().save(plan)

    def stream(**given: Any) -> list[Any]:
        return list(howsure.stream(**given))

    steps = {"drop": (Dropout(0.5), "x"), "output": (Dense(np.eye(3), 0.0, "softmax"), "drop")}
    tagger, spoken = (
        ArrayModel("tagger", [InputSpec("x", (4, 3), "float32")], steps),
        random.random((2, 4, 3)),
    )
    spans = howsure.objects(
        tagger, spoken, scheme="BIO", outputs="probabilities", class_names=("O", "B", "I")
    )
    few = {"model": model, "x": x[:3]}
    run = {"seed": 0, "batch_size": 8, "outputs": None, "class_names": None, "progress": None}
    without_names = {"seed": 0, "batch_size": 8, "outputs": None}
    shown = {"method": "softmax", "name": "nll", "rows": "as they are"}
    fit = {"labels": y, "coverage": 0.9, "by_class": False}
    learn = {"train": features, "labels": y, "held_out": held_out, "score": "energy", "share": 0.1}
    elsewhere = {"class_names": None, "source": None, "thresholds": None, "kind": "row"}
    by_name = {"methods": None, "shifts": None, "outside": None, "calibrated": False}
    dropout = {"passes": None, "balanced": True, "target_error": None, "max_passes": None, "plan": None}
    return {
        "assess": (howsure.assess, {**few, "method": howsure.Softmax(), **run, "thresholds": None}),
        "stream": (stream, {**few, "method": howsure.MCDropout(passes=2), **run, "thresholds": None}),
        "plan": (howsure.plan, {**few, "method": howsure.MCDropout(), **without_names, "precision": None}),
        "passes": (
            howsure.passes,
            {**few, "n": 2, "balanced": False, "gaussian_noise": False, **without_names, "progress": None},
        ),
        "objects": (
            howsure.objects,
            {"model": tagger, "x": spoken, "scheme": "BIO", "words": None, "background": 0, "positions": None}
            | {
                **run,
                "outputs": "probabilities",
                "class_names": ("O", "B", "I"),
                "method": howsure.MCDropout(passes=2),
            },
        ),
        "Objects.evaluate": (spans.evaluate, {"truth": np.zeros((2, 4), int)}),
        "predict_with_uncertainty": (
            howsure.predict_with_uncertainty,
            {**few, "n_iter": 2, "seed": 0, "batch_size": 8},
        ),
        "audit": (howsure.audit, {**few, "gaussian_noise": False, "plan": None}),
        "export": (
            howsure.export,
            {"model": model, "path": _folder() / "graph.onnx", "x": x, "plan": None, "seed": 0}
            | {"outputs": None, "class_names": None, "thresholds": None},
        ),
        "features_of": (howsure.features_of, {**few, "batch_size": 8}),
        "Features": (howsure.Features, _fields(features)),
        "familiarity": (howsure.familiarity, learn),
        "Familiarity.percentile": (known.percentile, {"features": features}),
        "Familiarity.unfamiliar": (known.unfamiliar, {"features": features}),
        "calibrate": (
            howsure.calibrate,
            {"certainty": certainty, "labels": y, "method": "temperature", "seed": 0},
        ),
        "Calibrator": (calibrator, {"certainty": certainty}),
        "Calibrator.save": (calibrator.save, {"path": kept}),
        "Calibrator.load": (howsure.Calibrator.load, {"path": kept}),
        "Comparison.of_results": (
            howsure.Comparison.of_results,
            {"results": {"one": certainty}, "labels": None, "calibrated": False, "seed": 0},
        ),
        "prediction_sets": (howsure.prediction_sets, {"certainty": certainty, **fit}),
        "PredictionSets": (sets, {"certainty": certainty}),
        "PredictionSets.in_words": (sets.in_words, {"certainty": certainty}),
        "abstain": (
            howsure.abstain,
            {"certainty": certainty, "labels": y, "risk": 0.9, "confidence": 0.5},
        ),
        "abstain, numbers": (
            howsure.abstain,
            {"certainty": means, "labels": means.truth, "risk": 0.9, "confidence": 0.5, "tolerance": 0.5},
        ),
        "Abstention": (abstention, {"certainty": certainty}),
        "Rules": (rules, {"result": certainty}),
        "fit_rules": (
            howsure.fit_rules,
            {"result": certainty, "labels": None, "coverage": 0.5, "risk": 0.9, "groups": None, "seed": 0},
        ),
        "watch": (howsure.watch, {"rules": rules}),
        "Watch.update": (
            lambda **given: howsure.watch(rules).update(**given),
            {"decided": rules(certainty), "labels": None, "groups": None},
        ),
        "RegressionAbstention": (limited, {"result": means}),
        "prediction_intervals": (
            howsure.prediction_intervals,
            {"result": means, "labels": means.truth, "coverage": 0.9},
        ),
        "PredictionIntervals": (ranges, {"result": means}),
        "calibrate, numbers": (
            howsure.calibrate,
            {
                **{"certainty": means, "labels": means.truth, "method": None, "seed": 0},
                "scale_by": np.arange(len(means.truth), dtype=float),
            },
        ),
        "RegressionCalibrator": (priced, {"result": means}),
        "evaluate": (howsure.evaluate, {"certainty": certainty, "labels": y, "outside": None, "seed": 0}),
        "Evaluation.minus": (evaluation.minus, {"other": evaluation}),
        "MultilabelEvaluation.minus": (of_labels.minus, {"other": of_labels}),
        "hand_over": (
            howsure.hand_over,
            {
                **{"certainty": certainty, "rows": [0], "path": _folder() / "rows.csv"},
                "sets": None,
                **{"diverse": True, "features": np.zeros((ROWS, 2)), "labelled": None, "most": 1},
            },
        ),
        "compare": (howsure.compare, {"model": model, "x": x[:12], "labels": y[:12], **by_name, **run}),
        "Comparison.score": (comparison.score, shown),
        "Comparison.difference": (comparison.difference, {**shown, "other": "MC dropout"}),
        "Comparison.ranked": (comparison.ranked, {"name": "nll", "rows": "as they are"}),
        "load": (howsure.load, {"path": saved}),
        "Certainty.from_probabilities": (
            howsure.Certainty.from_probabilities,
            {"p": certainty.probabilities, **elsewhere},
        ),
        "MultilabelCertainty.from_probabilities": (
            howsure.MultilabelCertainty.from_probabilities,
            {"p": labelled.probabilities, "label_names": None},
        ),
        "Certainty.load": (howsure.Certainty.load, {"path": saved}),
        "Plan.load": (howsure.Plan.load, {"path": plan}),
        "Plan.save": (howsure.Plan().save, {"path": plan}),
        "RegressionCertainty.from_mean_std": (
            howsure.RegressionCertainty.from_mean_std,
            {"mean": numbers.mean, "std": numbers.std, "target_names": None, "source": None, "ids": None},
        ),
        "RegressionCertainty.above": (numbers.above, {"threshold": 3.0, "target": 0}),
        "RegressionCertainty.of_target": (numbers.of_target, {"target": 0}),
        "RegressionCertainty.credible_interval": (numbers.credible_interval, {"level": 0.9}),
        "RegressionCertainty.prediction_interval": (numbers.prediction_interval, {"level": 0.9}),
        "RegressionCertainty.rescaled": (numbers.rescaled, {"mean": 1.0, "std": 2.0}),
        "RegressionCertainty.with_noise": (numbers.with_noise, {"noise": 1.0, "noise_from": None}),
        "RegressionCertainty.with_familiarity": (
            numbers.with_familiarity,
            {"familiarity": np.full(len(numbers), 0.5), "share": 0.01},
        ),
        "RegressionCertainty.widest": (numbers.widest, {"count": 3}),
        "Certainty.save": (certainty.save, {"path": saved}),
        "Certainty.joined": (howsure.Certainty.joined, {"parts": [certainty, certainty]}),
        "Certainty[…]": (certainty.__getitem__, {"index": [0]}),
        "Certainty.with_familiarity": (
            certainty.with_familiarity,
            {"familiarity": certainty.familiarity, "share": 0.01},
        ),
        "Certainty.interval": (certainty.interval, {"level": 0.9}),
        "Certainty.interval_error": (certainty.interval_error, {"level": 0.9}),
        "Certainty.most_undecided": (certainty.most_undecided, {"count": 3}),
        "MultilabelCertainty.of_label": (labelled.of_label, {"label": 0}),
        "MultilabelCertainty.most_undecided": (labelled.most_undecided, {"count": 3}),
        "MCDropout": (howsure.MCDropout, {**dropout, "gaussian_noise": False}),
        "Ensemble": (howsure.Ensemble, {"others": [model], "each": howsure.Softmax()}),
        "Augmentation": (
            howsure.Augmentation,
            {"changes": [shifts.rotated(3)], "each": howsure.Softmax()},
        ),
        "LastLayerLaplace.fit": (
            howsure.LastLayerLaplace.fit,
            {"model": model, "x": x, "labels": y, "bias": True, "passes": 4},
        ),
        "RegressionCertainty.interval": (numbers.interval, {"level": 0.9}),
        "Thresholds": (howsure.Thresholds, {"sure": 0.9, "coin_flip": 0.1}),
        **{name: each for kind in KINDS for name, each in _of_kind(kind).items()},
    }


def _of_kind(name: str) -> dict[str, tuple[Callable[..., Any], Mapping[str, Any]]]:
    """What every kind of answer has: a result and its constructor, true answers, and scores."""
    kind, random = of_kind(name), np.random.default_rng(0)
    values = random.normal(size=(2, ROWS, *kind.shape[:-1], len(kind.names)))
    passes, truth = kind.drawn(values, random)
    result = kind.made(passes, kind.names).with_truth(truth)
    called, constructor = type(result).__name__, getattr(type(result), kind.constructor)
    given = dict(zip(inspect.signature(constructor).parameters, ([*passes], None), strict=False))
    return {
        called: (type(result), _fields(result)),
        f"{called}.{kind.constructor}": (constructor, given),
        f"{called}.with_truth": (result.with_truth, {"labels": truth}),
        f"evaluate, {name}": (howsure.evaluate, {"certainty": result, "labels": truth, "seed": 0}),
    }


def _fields(result: Any) -> dict[str, Any]:
    return {each.name: getattr(result, each.name) for each in dataclasses.fields(result)}


def answer(name: str, changes: Mapping[str, Any]) -> Exception | None:
    """Call a function with some of its arguments changed, in a folder for temporary files.

    Returns:
        None where it answered or raised an error of howsure, else what it raised.
    """
    function, arguments = functions()[name]
    given = {**arguments, **changes}
    quiet = (warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"), contextlib.chdir(_folder()))
    try:
        with quiet[0], quiet[1], quiet[2]:
            if name in _BY_POSITION:
                function(*given.values())
            else:
                function(**given)
    except howsure.HowsureError:
        return None
    except Exception as error:
        return error
    return None
