"""What each function and each command does with a kind of answer from outside: it answers, or says why not.

The tables below are complete: a new function or command has to say what it does.
"""

import numpy as np
import pytest

import howsure
import howsure.scale
from tests.answers.answers_or_refuses import ANSWERS, check_call, check_command, commands, functions
from tests.answers.measures import Regression, known, linear, rows

DROPOUT = howsure.MCDropout(passes=10)
MODEL = "tests.answers.measures:linear"
TRUTH = np.random.default_rng(2).normal(size=(9, 1))
FUNCTIONS = {
    "abstain": (lambda found, folder: howsure.abstain(found, TRUTH), "no rules of abstention"),
    "assess": (lambda found, folder: howsure.assess(linear(), rows(), method=DROPOUT), ANSWERS),
    "audit": (lambda found, folder: howsure.audit(linear(), rows()), ANSWERS),
    "calibrate": (lambda found, folder: howsure.calibrate(found, TRUTH), "no calibrators"),
    "compare": (lambda found, folder: howsure.compare(linear(), rows(), TRUTH), "no comparisons"),
    "evaluate": (lambda found, folder: howsure.evaluate(found, TRUTH), ANSWERS),
    "export": (lambda found, folder: howsure.export(linear(), folder / "m.onnx", x=rows()), "no ONNX graphs"),
    "familiarity": (
        lambda found, folder: howsure.familiarity(*_features(), class_names=["a", "b"]).percentile(
            howsure.features_of(linear(), rows())
        ),
        ANSWERS,
    ),
    "features_of": (lambda found, folder: howsure.features_of(linear(), rows()), ANSWERS),
    "hand_over": (
        lambda found, folder: howsure.hand_over(found, [0], folder / "rows.csv"),
        "no tables to hand over",
    ),
    "load": (lambda found, folder: howsure.load(_saved(found, folder)), ANSWERS),
    "passes": (lambda found, folder: howsure.passes(linear(), rows(), 3), ANSWERS),
    "plan": (lambda found, folder: howsure.plan(linear(), rows()), ANSWERS),
    "predict_with_uncertainty": (
        lambda found, folder: howsure.predict_with_uncertainty(linear(), rows()),
        ANSWERS,
    ),
    "prediction_intervals": (
        lambda found, folder: howsure.prediction_intervals(found, TRUTH),
        "no prediction intervals",
    ),
    "prediction_sets": (lambda found, folder: howsure.prediction_sets(found, TRUTH), "no prediction sets"),
    "stream": (lambda found, folder: list(howsure.stream(linear(), rows(), method=DROPOUT)), ANSWERS),
}

METHODS = {
    "joined": lambda found, folder: type(found).joined([found[:4], found[4:]]),
    "print": lambda found, folder: (str(found), repr(found), str(found[3])),
    "_repr_html_": lambda found, folder: found._repr_html_(),
    "report": lambda found, folder: found.report(folder / "page.html", rows=rows()),
    "save": lambda found, folder: [found.save(folder / f"t.{end}") for end in ("parquet", "csv")],
    "to_arrow": lambda found, folder: found.to_arrow(),
    "to_pandas": lambda found, folder: found.to_pandas(),
    "take": lambda found, folder: found[np.array([2, 5])],
}

COMMANDS = {
    "abstain": (("{table}", "--labels", "{truth}"), "no rules of abstention"),
    "assess": ((MODEL, "{rows}", "--out", "{folder}/o.parquet"), ANSWERS),
    "audit": ((MODEL, "--data", "{rows}"), ANSWERS),
    "calibrate": (("{table}", "--labels", "{truth}"), "no calibrators"),
    "compare": ((MODEL, "{rows}", "--labels", "{truth}"), "no comparisons"),
    "evaluate": (("{table}", "--labels", "{truth}"), ANSWERS),
    "export": ((MODEL, "{folder}/m.onnx", "--data", "{rows}"), "no ONNX graphs"),
    "handover": (("{table}", "--out", "{folder}/o.csv"), "no tables to hand over"),
    "report": (("{table}", "--report", "{folder}/page.html"), ANSWERS),
    "sets": (("{table}", "--labels", "{truth}"), "no prediction sets"),
}


@pytest.fixture(autouse=True)
def numbers_are_known():
    with known():
        yield


@pytest.fixture
def found():
    return howsure.assess(linear(), rows(), method=DROPOUT, outcome=Regression)


def _saved(found, folder):
    found.save(folder / "saved.parquet")
    return folder / "saved.parquet"


def _features():
    return (
        howsure.features_of(linear(), rows(60)),
        np.arange(60) % 2,
        howsure.features_of(linear(), rows(120)),
    )


def test_the_tables_are_complete():
    assert functions() == set(FUNCTIONS)
    assert commands() == set(COMMANDS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_answers_or_refuses(name, found, tmp_path):
    call, refusal = FUNCTIONS[name]
    said = refusal and rf"There are {refusal}.*Received: one of measures per row"
    check_call(call, said, found, tmp_path)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_a_result_answers(name, found, tmp_path):
    METHODS[name](found, tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_answers_or_refuses(name, found, tmp_path):
    arguments, refusal = COMMANDS[name]
    np.save(tmp_path / "x.npy", rows())
    np.save(tmp_path / "y.npy", TRUTH)
    places = {
        "table": _saved(found, tmp_path),
        "truth": tmp_path / "y.npy",
        "rows": tmp_path / "x.npy",
        "folder": tmp_path,
    }
    check_command(name, arguments, refusal and f"There are {refusal} for these rows", places)
