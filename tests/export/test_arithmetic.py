"""The columns in the graph are those that numpy computes of the same raw outputs, whatever the plan."""

import warnings

import numpy as np
import pytest

from howsure.adapters.protocol import FLOAT32, Level, Limits
from howsure.evaluation.calibrate import calibrate
from howsure.random_ops import DROPOUT, RandomOp
from howsure.results.thresholds import Thresholds
from howsure.sampling.design import Design
from howsure.sampling.error import EarlyError
from howsure.sampling.estimate import RunningMoments, sum_up
from howsure.sampling.first_passes import first_passes
from howsure.sampling.outcome import ResultMetadata
from howsure.sampling.plan import Plan
from howsure.sampling.run import Run
from howsure.sampling.tree import Tree
from howsure.tasks.classification import maps
from howsure.tasks.classification.outcome import Classes
from howsure.tasks.multilabel.outcome import Labels

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from howsure.export.arithmetic import columns_graph
from tests.graphs import run

ROWS = 40
LEVELS = tuple(
    Level((RandomOp(number, f"drop{number}", DROPOUT, 0.25, (3,)),) if number >= 0 else (), 0.3, 3)
    for number in range(-1, 3)
)


def constants(seed):
    """Constants of an error such as pilots find."""
    random = np.random.default_rng(seed)
    usual = ((0.02, 0.02, 1e-5), (0.01, 0.01, 1e-5))
    scales = (*usual, (0.3, 0.3), (0.5, 0.5))
    return EarlyError(*(tuple(map(tuple, random.random((4, len(scale))) * scale)) for scale in scales))


def design(widths, late, cells, first):
    return Design(widths, late, cells, first, 1.5, constants(1), constants(2))


DESIGNS = {
    "one cell of two": design((1, 2, 16), (4, 4), 2, 1),
    "a group of cells": design((1, 3, 15), (3, 2), 4, 4),
    "a cell alone": design((2, 2, 16), (4, 4), 1, 1),
    "flat": design((20, 20, 20), (5, 5, 5, 5), 1, 1),
    "without design": None,
}
OUTCOMES = {
    "probabilities": (Classes("m", "probabilities", "float32", tuple("abcd"), Thresholds()), 4),
    "logits": (Classes("m", "logits", "float32", tuple("abcd"), Thresholds(0.8, 0.3)), 4),
    "a sigmoid": (Classes("m", "probabilities", "float32", tuple("ab"), Thresholds()), 1),
    "a logit": (Classes("m", "logits", "float32", tuple("ab"), Thresholds()), 1),
    "labels": (Labels("m", "label-probabilities", tuple("abc"), Thresholds()), 3),
    "logits of labels": (Labels("m", "label-logits", tuple("abc"), Thresholds()), 3),
}


def raw_outputs(outcome, outputs, passes, random):
    """Raw outputs from certain rows to coin flips, some of them with passes that all agree."""
    logits = random.normal(0, 1, (1, ROWS, outputs)) * np.geomspace(0.1, 30, ROWS)[:, None]
    logits = logits + random.normal(0, 1, (passes, ROWS, outputs)) * random.choice([0, 0.1, 1], (ROWS, 1))
    if "logits" in outcome.outputs:
        return logits.astype(np.float32)
    if outputs == 1 or isinstance(outcome, Labels):
        return (1 / (1 + np.exp(-logits))).astype(np.float32)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return (shifted / shifted.sum(-1, keepdims=True)).astype(np.float32)


def in_numpy(outcome, first, raw):
    """The result that howsure's own engine makes of these raw outputs."""
    return outcome.result(
        estimates_in_numpy(outcome, first, raw), ResultMetadata(np.arange(ROWS), "row", {}, 0, None, "0")
    )


def estimates_in_numpy(outcome, first, raw):
    """The estimates that howsure's own engine makes of these raw outputs."""
    rows = np.arange(ROWS)
    run = Run(None, [], rows, outcome, 0, ROWS)
    values, moments = outcome.values(raw, rows), RunningMoments.of(ROWS, outcome)
    if first.design is None:
        for group in np.split(values, np.cumsum(first.groups)[:-1]):
            moments.add_group(group, outcome)
        return moments.estimates(outcome, rare=first.rare)
    tree = Tree(first.design, Model(), 0)
    for cell in np.split(values, first.design.first):
        moments.add(sum_up(cell, tree.late, outcome))
    return tree.estimates(run, moments, rows)


class Model:
    """All that a tree asks of a model to be made."""

    levels, limits = LEVELS, Limits(2**22, 2**22, 3, (FLOAT32,))


@pytest.mark.parametrize("plan", DESIGNS)
@pytest.mark.parametrize("answer", OUTCOMES)
def test_columns_are_those_of_numpy(plan, answer, random):
    outcome, outputs = OUTCOMES[answer]
    first = first_passes(Plan(DESIGNS[plan]), LEVELS, 0, outcome)
    raw = raw_outputs(outcome, outputs, first.passes, random)
    expected = in_numpy(outcome, first, raw)
    actual = run(columns_graph(outcome, first, (outputs,)), raw)

    for name in ("probabilities", "mc_error", "entropy", "expected_entropy", "mutual_information"):
        assert actual[name].shape == getattr(expected, name).shape
        assert np.abs(actual[name] - getattr(expected, name)).max() < 5e-6, name
    words = np.array(["sure", "leaning", "coin flip"], dtype=object)
    assert (words[actual["verdict"]] == expected.verdict).all()
    assert len(set(actual["verdict"].ravel())) == 3
    for name in ("label", "runner_up") if isinstance(outcome, Classes) else ("yes",):
        assert (actual[name] == getattr(expected, name)).all()


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (design((1, 1, 8), (4, 4), 2, 2), design((1, 1, 240), (4,) * 60, 20, 20)),
        (design((1, 2, 16), (4, 4), 2, 2), design((1, 5, 80), (4, 4, 4, 4), 5, 5)),
        (design((10,) * 3, (5, 5), 1, 2), design((40,) * 3, (5,) * 8, 1, 9)),
    ],
)
def test_nodes_do_not_grow_with_passes(few, many):
    outcome, outputs = OUTCOMES["logits"]
    nodes = []
    for plan_design in (few, many):
        first = first_passes(Plan(plan_design), LEVELS, 0, outcome)
        nodes.append(len(columns_graph(outcome, first, (outputs,)).graph.node))
    assert nodes[0] == nodes[1] < 200


@pytest.mark.parametrize("method", maps.METHODS)
def test_calibrated_probabilities_are_those_of_the_calibrator(random, method):
    outcome, outputs = OUTCOMES["logits"]
    first = first_passes(Plan(DESIGNS["one cell of two"]), LEVELS, 0, outcome)
    raw = raw_outputs(outcome, outputs, first.passes, random)
    expected = in_numpy(outcome, first, raw)
    truth = [random.choice(4, p=p / p.sum()) for p in expected.probabilities**0.5]
    with warnings.catch_warnings(action="ignore"):  # so few rows teach little
        calibrator = calibrate(expected, truth, method=method)
    actual = run(columns_graph(outcome, first, (outputs,), calibrator), raw)
    calibrated = calibrator(expected)
    assert np.abs(actual["calibrated"] - calibrated.probabilities).max() < 5e-6
    assert np.abs(actual["calibrated"] - expected.probabilities).max() > 0.01
    words = np.array(["sure", "leaning", "coin flip"], dtype=object)
    assert (words[actual["calibrated_verdict"]] == calibrated.verdict).all()
    no_tie = calibrated.gap > 1e-4
    assert (actual["calibrated_label"] == calibrated.label)[no_tie].all()
    assert (method != "temperature") == (calibrated.label != expected.label)[no_tie].any()
    assert (words[actual["verdict"]] == expected.verdict).all()
