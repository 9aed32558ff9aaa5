"""What each function and method of a result does with a class at each position: it answers, or says why not.

The tables below are complete: a new function or method has to say what it does. An entry names the part of
the kind that it needs; without that part it is refused in words.
"""

import inspect

import numpy as np
import pytest
import torch

import howsure
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.registry import PARTS, POSITIONS
from tests.answers.maps import certainty_of, drawn

N = 40
P, TRUTH = drawn(N, positions=(6, 5), sharp=3.0)
NOTHING = None
"""What an entry needs that every kind can do."""


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
        "abstain",
    ),
    "assess": (
        lambda result, folder: howsure.assess(model(), images(), method=DROPOUT, outputs="logits"),
        NOTHING,
    ),
    "audit": (lambda result, folder: howsure.audit(model(), images()), NOTHING),
    "calibrate": (lambda result, folder: howsure.calibrate(result, TRUTH)(result), "calibrate"),
    "compare": (
        lambda result, folder: howsure.compare(model(), images(20), TRUTH[:20], outputs="logits"),
        "compare",
    ),
    "evaluate": (lambda result, folder: str(howsure.evaluate(result, TRUTH, ignore=-1)), "evaluate"),
    "export": (
        lambda result, folder: howsure.export(model(), folder / "m.onnx", x=images(), outputs="logits"),
        "graph",
    ),
    "familiarity": (
        lambda result, folder: howsure.familiarity(features(40), None, features(120)).percentile(features(4)),
        NOTHING,
    ),
    "features_of": (lambda result, folder: howsure.features_of(model(), images()), NOTHING),
    "hand_over": (lambda result, folder: howsure.hand_over(result, [0], folder / "r.csv"), "hand_over"),
    "load": (lambda result, folder: howsure.load(saved(result, folder)), NOTHING),
    "passes": (lambda result, folder: howsure.passes(model(), images(), 3, outputs="logits"), NOTHING),
    "plan": (lambda result, folder: howsure.plan(model(), images(), outputs="logits"), NOTHING),
    "predict_with_uncertainty": (
        lambda result, folder: howsure.predict_with_uncertainty(model(), images()),
        NOTHING,
    ),
    "prediction_intervals": (
        lambda result, folder: howsure.prediction_intervals(result, TRUTH),
        "prediction_intervals",
    ),
    "prediction_sets": (
        lambda result, folder: list(howsure.prediction_sets(result, TRUTH)(result)),
        "prediction_sets",
    ),
    "stream": (
        lambda result, folder: list(howsure.stream(model(), images(), method=DROPOUT, outputs="logits")),
        NOTHING,
    ),
}


REFUSED = {"features_of": "Make `howsure.Features` of what its last layer gets and puts out"}
"""What no model of positions allows, as it has features at every position."""


def features(rows):
    values = images(rows).reshape(rows, -1)[:, :5].astype(np.float64)
    return howsure.Features(values, values[:, :3])


def saved(result, folder):
    result.save(folder / "saved")
    return folder / "saved"


METHODS = {
    "can_call": lambda result, folder: result.can_call("scan"),
    "first_numbers": lambda result, folder: getattr(result, result.first_numbers()),
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
    assert {name for name in howsure.__all__ if inspect.isfunction(getattr(howsure, name))} == set(FUNCTIONS)
    kind = DenseCertainty
    methods = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
    assert methods == set(METHODS) - {"print", "take"} | NO_METHODS


def test_what_can_be_done_instead_of_a_missing_part_is_said():
    missing = {part for part in PARTS if not POSITIONS.has(part)}
    assert missing - {"page", "graph", "graph_numbers", "graph_words"} <= set(POSITIONS.instead)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_function_answers_or_refuses(name, result, tmp_path):
    call, part = FUNCTIONS[name]
    if name in REFUSED:
        with pytest.raises(howsure.ModelError, match=REFUSED[name]):
            call(result, tmp_path)
        return
    if part is NOTHING or POSITIONS.has(part):
        call(result, tmp_path)
        return
    refusal = f"There are no {PARTS[part]} for these rows"
    with pytest.raises((howsure.InputError, howsure.ModelError), match=refusal) as raised:
        call(result, tmp_path)
    assert "Received: one of a class at each position" in str(raised.value)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_of_a_result_answers(name, result, tmp_path):
    METHODS[name](result, tmp_path)
