"""What each function, method of a result and command does with numbers: it answers, or says why not.

The tables below are complete: a new function, method or command has to say what it does. An entry names the
part of the kind that it needs; without that part it is refused in words.
"""

import inspect

import numpy as np
import pytest
import typer.main

import howsure
from howsure.answers.registry import NUMBERS, PARTS
from howsure.cli.app import app
from tests.answers.measures import linear, rows
from tests.commands import run

DROPOUT = howsure.MCDropout(passes=20)
MODEL = "tests.answers.measures:linear"
N = 60
TRUTH = linear().predict([rows(N)])[:, 0] + np.random.default_rng(2).normal(size=N)
NOTHING = None
"""What an entry needs that every kind can do."""
NEVER = "prediction_sets"
"""A part that numbers do not have: they have intervals."""


def promised(result):
    """A rule of abstention, with a tolerance that every row keeps to."""
    more = {"tolerance": 10.0} if NUMBERS.has("abstain") else {}
    return howsure.abstain(result, TRUTH, risk=0.2, **more)


def features():
    return howsure.features_of(linear(), rows(N)), None, howsure.features_of(linear(), rows(120))


def saved(result, folder):
    result.save(folder / "saved.parquet")
    return folder / "saved.parquet"


FUNCTIONS = {
    "abstain": (lambda result, folder: promised(result)(result), "abstain"),
    "assess": (lambda result, folder: howsure.assess(linear(), rows(), method=DROPOUT), NOTHING),
    "audit": (lambda result, folder: howsure.audit(linear(), rows()), NOTHING),
    "calibrate": (lambda result, folder: howsure.calibrate(result, TRUTH)(result), "calibrate"),
    "compare": (lambda result, folder: howsure.compare(linear(), rows(N), TRUTH), "compare"),
    "evaluate": (lambda result, folder: str(howsure.evaluate(result, TRUTH)), "evaluate"),
    "export": (lambda result, folder: howsure.export(linear(), folder / "m.onnx", x=rows()), NOTHING),
    "familiarity": (
        lambda result, folder: howsure.familiarity(*features()).percentile(
            howsure.features_of(linear(), rows())
        ),
        NOTHING,
    ),
    "features_of": (lambda result, folder: howsure.features_of(linear(), rows()), NOTHING),
    "hand_over": (lambda result, folder: howsure.hand_over(result, [0], folder / "r.csv"), "hand_over"),
    "load": (lambda result, folder: howsure.load(saved(result, folder)), NOTHING),
    "passes": (lambda result, folder: howsure.passes(linear(), rows(), 3), NOTHING),
    "plan": (lambda result, folder: howsure.plan(linear(), rows()), NOTHING),
    "predict_with_uncertainty": (
        lambda result, folder: howsure.predict_with_uncertainty(linear(), rows()),
        NOTHING,
    ),
    "prediction_intervals": (
        lambda result, folder: howsure.prediction_intervals(result, TRUTH, coverage=0.9)(result),
        "prediction_intervals",
    ),
    "prediction_sets": (lambda result, folder: howsure.prediction_sets(result, TRUTH), NEVER),
    "stream": (lambda result, folder: list(howsure.stream(linear(), rows(), method=DROPOUT)), NOTHING),
}
REFUSED = {"export": "needs passes as an ONNX graph, which the adapter of 'scales' does not give"}
"""What this model does not allow, whatever its answers are; `tests/export/test_numbers.py` has others."""
YET_TO_COME = {"prediction_intervals"}
"""A function that may not be there."""

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
    "abstain": (("{table}", "--risk", "0.2", "--tolerance", "10"), "abstain"),
    "assess": ((MODEL, "{rows}", "--labels", "{truth}", "--out", "{folder}/o.parquet"), NOTHING),
    "audit": ((MODEL, "--data", "{rows}"), NOTHING),
    "calibrate": (("{table}", "--labels", "{truth}", "--out", "{folder}/c.json"), "calibrate"),
    "compare": ((MODEL, "{rows}", "--labels", "{truth}"), "compare"),
    "evaluate": (("{table}", "--labels", "{truth}"), "evaluate"),
    "export": ((MODEL, "{folder}/m.onnx", "--data", "{rows}"), NOTHING),
    "handover": (("{table}", "--out", "{folder}/o.csv", "--most", "3"), "hand_over"),
    "report": (("{table}", "--labels", "{truth}", "--report", "{folder}/page.html"), NOTHING),
    "sets": (("{table}", "--coverage", "0.9", "--new", "{table}"), "prediction_intervals"),
}
NO_MODEL_OF_THE_USER = {"demo"}


@pytest.fixture(scope="module")
def result():
    return howsure.assess(linear(), rows(N), method=DROPOUT)


def refusal_of(name, part):
    """What is said where something is not answered, or None where it is."""
    if name in REFUSED:
        return REFUSED[name]
    return None if part is NOTHING or NUMBERS.has(part) else f"There are no {PARTS[part]} for these rows"


def test_the_tables_are_complete():
    public = {name for name in howsure.__all__ if inspect.isfunction(getattr(howsure, name))}
    assert public <= set(FUNCTIONS) <= public | YET_TO_COME
    kind = howsure.RegressionCertainty
    methods = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
    assert methods == {*METHODS, *METHODS_REFUSED} | NO_METHODS
    assert set(typer.main.get_command(app).commands) == set(COMMANDS) | NO_MODEL_OF_THE_USER


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_answers_or_refuses(name, result, tmp_path):
    if not hasattr(howsure, name):
        assert name in YET_TO_COME
        return
    call, part = FUNCTIONS[name]
    refusal = refusal_of(name, part)
    if refusal is None:
        call(result, tmp_path)
        return
    with pytest.raises((howsure.InputError, howsure.ModelError), match=refusal) as raised:
        call(result, tmp_path)
    assert name in REFUSED or "Received: one of numbers per row" in str(raised.value)


@pytest.mark.parametrize("name", {**METHODS, **SHOWN})
def test_a_method_of_a_result_answers(name, result, tmp_path):
    {**METHODS, **SHOWN}[name](result, tmp_path)


@pytest.mark.parametrize("name", METHODS_REFUSED)
def test_a_method_of_a_result_refuses(name, result, tmp_path):
    call, refusal = METHODS_REFUSED[name]
    with pytest.raises(howsure.InputError, match=refusal):
        call(result, tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_answers_or_refuses(name, result, tmp_path):
    arguments, part = COMMANDS[name]
    np.save(tmp_path / "x.npy", rows(N))
    np.savetxt(tmp_path / "y.csv", TRUTH, header="y", comments="")
    places = {
        "table": saved(result.with_truth(TRUTH), tmp_path),
        "truth": tmp_path / "y.csv",
        "rows": tmp_path / "x.npy",
        "folder": tmp_path,
    }
    done = run(name, *(each.format(**places) for each in arguments))
    refusal = refusal_of(name, "prediction_sets" if name == "sets" and not NUMBERS.has(part) else part)
    if refusal is None:
        assert done.exit_code == 0, done.stderr
        return
    assert done.exit_code == 2
    assert refusal in done.stderr
    assert len(done.stderr.splitlines()) == 1
