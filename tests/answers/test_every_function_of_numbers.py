"""What each function, method of a result and command does with numbers: it answers, or says why not.

The tables below are complete: a new function, method or command has to say what it does, and in which words
it refuses.
"""

import numpy as np
import pytest

import howsure
from tests.answers.answers_or_refuses import (
    ANSWERS,
    check_call,
    check_command,
    commands,
    functions,
    methods_of,
)
from tests.answers.measures import linear, rows

DROPOUT = howsure.MCDropout(passes=20)
MODEL = "tests.answers.measures:linear"
N = 60
TRUTH = linear().predict([rows(N)])[:, 0] + np.random.default_rng(2).normal(size=N)


def features():
    return howsure.features_of(linear(), rows(N)), None, howsure.features_of(linear(), rows(120))


def saved(result, folder):
    result.save(folder / "saved.parquet")
    return folder / "saved.parquet"


NO_GRAPH = "needs passes as an ONNX graph, which the adapter of 'scales' does not give"
"""What this model does not allow, whatever its answers are; `tests/export/test_numbers.py` has others."""

FUNCTIONS = {
    "abstain": (
        lambda result, folder: howsure.abstain(result, TRUTH, risk=0.2, tolerance=10.0)(result),
        ANSWERS,
    ),
    "assess": (lambda result, folder: howsure.assess(linear(), rows(), method=DROPOUT), ANSWERS),
    "audit": (lambda result, folder: howsure.audit(linear(), rows()), ANSWERS),
    "calibrate": (lambda result, folder: howsure.calibrate(result, TRUTH)(result), ANSWERS),
    "compare": (lambda result, folder: howsure.compare(linear(), rows(N), TRUTH), ANSWERS),
    "evaluate": (lambda result, folder: str(howsure.evaluate(result, TRUTH)), ANSWERS),
    "export": (lambda result, folder: howsure.export(linear(), folder / "m.onnx", x=rows()), NO_GRAPH),
    "familiarity": (
        lambda result, folder: howsure.familiarity(*features()).percentile(
            howsure.features_of(linear(), rows())
        ),
        ANSWERS,
    ),
    "features_of": (lambda result, folder: howsure.features_of(linear(), rows()), ANSWERS),
    "hand_over": (lambda result, folder: howsure.hand_over(result, [0], folder / "r.csv"), ANSWERS),
    "load": (lambda result, folder: howsure.load(saved(result, folder)), ANSWERS),
    "passes": (lambda result, folder: howsure.passes(linear(), rows(), 3), ANSWERS),
    "plan": (lambda result, folder: howsure.plan(linear(), rows()), ANSWERS),
    "predict_with_uncertainty": (
        lambda result, folder: howsure.predict_with_uncertainty(linear(), rows()),
        ANSWERS,
    ),
    "prediction_intervals": (
        lambda result, folder: howsure.prediction_intervals(result, TRUTH, coverage=0.9)(result),
        ANSWERS,
    ),
    "prediction_sets": (
        lambda result, folder: howsure.prediction_sets(result, TRUTH),
        r"There are no prediction sets.*Received: one of numbers per row",
    ),
    "stream": (lambda result, folder: list(howsure.stream(linear(), rows(), method=DROPOUT)), ANSWERS),
}
METHODS = {
    "above": lambda result, folder: result.above(0.5).coin_flips(),
    "can_call": lambda result, folder: result.can_call("customer"),
    "credible_interval": lambda result, folder: result.credible_interval(0.9),
    "credible_interval_error": lambda result, folder: result.credible_interval_error(0.9),
    "first_numbers": lambda result, folder: getattr(result, result.first_numbers()),
    "from_mean_std": lambda result, folder: type(result).from_mean_std(result.mean, result.spread),
    "from_samples": lambda result, folder: type(result).from_samples(np.stack([result.mean, TRUTH[:, None]])),
    "gathered": lambda result, folder: type(result).gathered([result[:4], result[4:]], N),
    "has": lambda result, folder: result.has("spread"),
    "in_table": lambda result, folder: [result.in_table(column) for column in result.columns],
    "joined": lambda result, folder: type(result).joined([result[:4], result[4:]]),
    "load": lambda result, folder: type(result).load(saved(result, folder)),
    "numbered": lambda result, folder: result.numbered(TRUTH),
    "of_target": lambda result, folder: result.of_target(0),
    "report": lambda result, folder: result.report(folder / "page.html", rows=rows(N), labels=TRUTH),
    "rescaled": lambda result, folder: result.rescaled(10.0, 2.0),
    "save": lambda result, folder: [result.save(folder / f"t.{end}") for end in ("parquet", "csv", "jsonl")],
    "target": lambda result, folder: result.target("value"),
    "to_arrow": lambda result, folder: result.to_arrow(),
    "to_pandas": lambda result, folder: result.to_pandas(),
    "widest": lambda result, folder: result.widest(3),
    "with_familiarity": lambda result, folder: result.with_familiarity(np.full(N, 0.5)).unfamiliar,
    "with_ids": lambda result, folder: result.with_ids(np.arange(N) + 100, "house")[3],
    "with_noise": lambda result, folder: result.with_noise(1.0).prediction_interval(0.9),
    "with_truth": lambda result, folder: result.with_truth(TRUTH),
}
METHODS_REFUSED = {
    "check_noise": (lambda result, folder: result.check_noise("There is no interval"), "a known `noise`"),
    "interval": (lambda result, folder: result.interval(0.9), "Numbers have two intervals"),
    "prediction_interval": (lambda result, folder: result.prediction_interval(0.9), "howsure.calibrate"),
}
SHOWN = {
    "print": lambda result, folder: (str(result), repr(result), str(result[3])),
    "notebook": lambda result, folder: result._repr_html_(),
    "take": lambda result, folder: result[np.array([2, 5])],
}
NO_METHODS = {"from_table", "row_type"}
"""Names of a result that are not for its users: how a file is read, and the type of a row."""

COMMANDS = {
    "abstain": (("{table}", "--risk", "0.2", "--tolerance", "10"), ANSWERS),
    "assess": ((MODEL, "{rows}", "--labels", "{truth}", "--out", "{folder}/o.parquet"), ANSWERS),
    "audit": ((MODEL, "--data", "{rows}"), ANSWERS),
    "calibrate": (("{table}", "--labels", "{truth}", "--out", "{folder}/c.json"), ANSWERS),
    "compare": ((MODEL, "{rows}", "--labels", "{truth}"), ANSWERS),
    "evaluate": (("{table}", "--labels", "{truth}"), ANSWERS),
    "export": ((MODEL, "{folder}/m.onnx", "--data", "{rows}"), NO_GRAPH),
    "handover": (("{table}", "--out", "{folder}/o.csv", "--most", "3"), ANSWERS),
    "report": (("{table}", "--labels", "{truth}", "--report", "{folder}/page.html"), ANSWERS),
    "sets": (("{table}", "--coverage", "0.9", "--new", "{table}"), ANSWERS),
}


@pytest.fixture(scope="module")
def result():
    return howsure.assess(linear(), rows(N), method=DROPOUT)


def test_the_tables_are_complete():
    assert functions() == set(FUNCTIONS)
    assert methods_of(howsure.RegressionCertainty) == {*METHODS, *METHODS_REFUSED} | NO_METHODS
    assert commands() == set(COMMANDS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_answers_or_refuses(name, result, tmp_path):
    check_call(*FUNCTIONS[name], result, tmp_path)


@pytest.mark.parametrize("name", {**METHODS, **SHOWN})
def test_a_method_of_a_result_answers(name, result, tmp_path):
    {**METHODS, **SHOWN}[name](result, tmp_path)


@pytest.mark.parametrize("name", METHODS_REFUSED)
def test_a_method_of_a_result_refuses(name, result, tmp_path):
    check_call(*METHODS_REFUSED[name], result, tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_answers_or_refuses(name, result, tmp_path):
    np.save(tmp_path / "x.npy", rows(N))
    np.savetxt(tmp_path / "y.csv", TRUTH, header="y", comments="")
    places = {
        "table": saved(result.with_truth(TRUTH), tmp_path),
        "truth": tmp_path / "y.csv",
        "rows": tmp_path / "x.npy",
        "folder": tmp_path,
    }
    check_command(name, *COMMANDS[name], places)
