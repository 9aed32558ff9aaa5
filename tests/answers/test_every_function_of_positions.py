"""What each function and method of a result does with a class at each position: it answers, or says why not.

The tables below are complete: a new function or method has to say what it does, and in which words it
refuses.
"""

import numpy as np
import pytest
import torch

import howsure
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.registry import PARTS, POSITIONS
from tests.answers.answers_or_refuses import ANSWERS, check_call, functions, methods_of
from tests.answers.maps import certainty_of, drawn

N = 40
P, TRUTH = drawn(N, positions=(6, 5), sharp=3.0)
REFUSED = "There are no {} for these rows.*Received: one of a class at each position"


def model():
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Dropout2d(0.3), torch.nn.Conv2d(4, 3, 1))
    return torch.nn.Sequential(*layers).eval()


def images(rows=2):
    return np.random.default_rng(0).normal(size=(rows, 3, 6, 5)).astype("float32")


DROPOUT = howsure.MCDropout(passes=4)

FUNCTIONS = {
    "abstain": (
        lambda result, folder: howsure.abstain(result, TRUTH, risk=0.2, tolerance=0.5)(result),
        ANSWERS,
    ),
    "assess": (
        lambda result, folder: howsure.assess(model(), images(), method=DROPOUT, outputs="logits"),
        ANSWERS,
    ),
    "audit": (lambda result, folder: howsure.audit(model(), images()), ANSWERS),
    "calibrate": (lambda result, folder: howsure.calibrate(result, TRUTH)(result), ANSWERS),
    "compare": (
        lambda result, folder: howsure.compare(model(), images(20), TRUTH[:20], outputs="logits"),
        ANSWERS,
    ),
    "evaluate": (lambda result, folder: str(howsure.evaluate(result, TRUTH, ignore=-1)), ANSWERS),
    "export": (
        lambda result, folder: howsure.export(model(), folder / "m.onnx", x=images(), outputs="logits"),
        ANSWERS,
    ),
    "familiarity": (
        lambda result, folder: howsure.familiarity(features(40), None, features(120)).percentile(features(4)),
        ANSWERS,
    ),
    "features_of": (
        lambda result, folder: howsure.features_of(model(), images()),
        "Make `howsure.Features` of what its last layer gets and puts out",
    ),
    "hand_over": (
        lambda result, folder: howsure.hand_over(result, [0], folder / "r.csv"),
        ANSWERS,
    ),
    "load": (lambda result, folder: howsure.load(saved(result, folder)), ANSWERS),
    "passes": (lambda result, folder: howsure.passes(model(), images(), 3, outputs="logits"), ANSWERS),
    "plan": (lambda result, folder: howsure.plan(model(), images(), outputs="logits"), ANSWERS),
    "predict_with_uncertainty": (
        lambda result, folder: howsure.predict_with_uncertainty(model(), images()),
        ANSWERS,
    ),
    "prediction_intervals": (
        lambda result, folder: howsure.prediction_intervals(result, TRUTH),
        REFUSED.format("prediction intervals"),
    ),
    "prediction_sets": (
        lambda result, folder: list(howsure.prediction_sets(result, TRUTH)(result)),
        ANSWERS,
    ),
    "stream": (
        lambda result, folder: list(howsure.stream(model(), images(), method=DROPOUT, outputs="logits")),
        ANSWERS,
    ),
}
"""No model of positions has features of a row: it has them at every position."""


def features(rows):
    values = images(rows).reshape(rows, -1)[:, :5].astype(np.float64)
    return howsure.Features(values, values[:, :3])


def saved(result, folder):
    result.save(folder / "saved")
    return folder / "saved"


METHODS = {
    "can_call": lambda result, folder: result.can_call("scan"),
    "first_numbers": lambda result, folder: getattr(result, result.first_numbers()),
    "from_passes": lambda result, folder: type(result).from_passes(np.stack([P, P])),
    "from_probabilities": lambda result, folder: type(result).from_probabilities(P),
    "gathered": lambda result, folder: type(result).gathered([result[:4], result[4:]], N),
    "has": lambda result, folder: result.has("share"),
    "in_table": lambda result, folder: [result.in_table(column) for column in result.columns],
    "joined": lambda result, folder: type(result).joined([result[:4], result[4:]]),
    "load": lambda result, folder: type(result).load(saved(result, folder)),
    "most_undecided": lambda result, folder: result.most_undecided(3),
    "numbered": lambda result, folder: result.numbered(TRUTH),
    "of_row": lambda result, folder: result.of_row(3),
    "regions": lambda result, folder: result.regions(3),
    "report": lambda result, folder: result.report(folder / "page.html", labels=TRUTH),
    "save": lambda result, folder: saved(result, folder),
    "share_interval": lambda result, folder: result.share_interval(0.9),
    "to_arrow": lambda result, folder: result.to_arrow(),
    "to_pandas": lambda result, folder: result.to_pandas(),
    "with_ids": lambda result, folder: result.with_ids(np.arange(N) + 100, "scan")[3],
    "with_truth": lambda result, folder: result.with_truth(TRUTH),
    "print": lambda result, folder: (str(result), repr(result), str(result[3])),
    "take": lambda result, folder: result[np.array([2, 5])],
}
NO_METHODS = {"from_table"}
"""Names of a result that are not for its users: how a file is read."""


@pytest.fixture(scope="module")
def result():
    return certainty_of(P)


def test_the_tables_are_complete():
    assert functions() == set(FUNCTIONS)
    assert methods_of(DenseCertainty) == set(METHODS) - {"print", "take"} | NO_METHODS


def test_what_can_be_done_instead_of_a_missing_part_is_said():
    missing = {part for part in PARTS if not POSITIONS.has(part)}
    assert missing <= set(POSITIONS.instead)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_function_answers_or_refuses(name, result, tmp_path):
    check_call(*FUNCTIONS[name], result, tmp_path)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_of_a_result_answers(name, result, tmp_path):
    METHODS[name](result, tmp_path)
