"""Numbers on the command line: assessed, asked whether they are above a threshold, handed over, read."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from tests.commands import done, lines_of, refused
from tests.tasks.measures import linear, rows

MODEL = "tests.tasks.measures:linear"
TWO = "tests.cli.test_numbers:two_numbers"
N = 60


def two_numbers():
    return linear(2)


@pytest.fixture
def x(tmp_path):
    np.save(tmp_path / "x.npy", rows(N))
    return tmp_path / "x.npy"


@pytest.fixture
def y(random):
    return (rows(N) @ random.normal(size=(4, 2)) + random.normal(size=(N, 2))).round(3)


def written(path, header, columns):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *np.column_stack(columns).tolist()])
    return path


def assessed(x, out, *more, model=MODEL):
    done("assess", model, x, "--out", out, "--set", "passes=20", "--quiet", *more)
    return out


def test_a_largest_error_in_the_unit_of_the_target(x, tmp_path):
    asked = ("assess", MODEL, x, "--out", tmp_path / "t.parquet", "--quiet")
    done(*asked, "--set", "max_error=0.05")
    assert howsure.load(tmp_path / "t.parquet").mc_error.max() <= 0.05
    assert "`target_error`" in refused(*asked, "--set", "max_error=0.05", "--set", "target_error=0.1")


def test_true_numbers_are_found_by_the_names_of_their_columns(x, y, tmp_path):
    """In the order of the targets, whatever that of the columns is; whole numbers too."""
    swapped = written(tmp_path / "swapped.csv", ["count", "dose", "age"], [np.arange(N), y[:, 1], y[:, 0]])
    whole = written(tmp_path / "whole.csv", ["dose", "age"], [np.arange(N), np.arange(N) + 3])
    names = ("--class-names", "age,dose")
    table = assessed(x, tmp_path / "t.parquet", "--labels", swapped, *names, model=TWO)
    assert howsure.load(table).target_names == ("age", "dose")
    np.testing.assert_array_equal(howsure.load(table).truth, y)
    table = assessed(x, tmp_path / "t.parquet", "--labels", whole, *names, model=TWO)
    assert howsure.load(table).truth[0].tolist() == [3.0, 0.0]


def test_a_file_that_does_not_say_which_columns_are_meant_is_refused(x, tmp_path):
    labels = written(tmp_path / "y.csv", ["dose", "age"], [np.arange(N), np.arange(N)])
    output = refused("assess", TWO, x, "--labels", labels, "--out", tmp_path / "t.parquet")
    assert "does not say which column holds the labels" in output


def test_the_question_is_answered_as_in_python(x, y, tmp_path):
    labels = written(tmp_path / "y.csv", ["y"], [y[:, 0]])
    table = assessed(x, tmp_path / "t.parquet", "--labels", labels)
    expected = howsure.load(table).above(0.25)
    output = done("evaluate", table, "--set", "above=0.25")
    assert output.partition("Next:")[0].strip() == str(howsure.evaluate(expected)).strip()
    # Labels in a file are numbers too, and are asked the same.
    again = done(
        "evaluate", assessed(x, tmp_path / "bare.parquet"), "--labels", labels, "--set", "above=0.25"
    )
    assert again.partition("Next:")[0] == output.partition("Next:")[0]


@pytest.mark.parametrize("command", ["rules", "report", "handover"])
def test_the_answer_goes_through_every_command(command, x, y, tmp_path):
    truth = linear().predict([rows(N)])[:, 0] + y[:, 0] / 10
    table = assessed(x, tmp_path / "t.parquet", "--labels", written(tmp_path / "y.csv", ["y"], [truth]))
    more = {
        "rules": ("--risk", "0.7"),
        "report": ("--report", tmp_path / "page.html", "--set", "coin_flip=0.3"),
        "handover": ("--out", tmp_path / "rows.csv", "--which", "all"),
    }
    done(command, table, "--set", "above=0.25", *more.get(command, ()))
    if command == "handover":
        assert lines_of(tmp_path / "rows.csv")[0]["label"].endswith("0.2500")


def test_one_of_several_targets_is_asked(x, y, tmp_path):
    np.save(tmp_path / "y.npy", y)
    names = ("--class-names", "age,dose")
    table = assessed(x, tmp_path / "t.parquet", "--labels", tmp_path / "y.npy", *names, model=TWO)
    by_name = done("evaluate", table, "--set", "above=0", "--set", "target=dose")
    by_number = done("evaluate", table, "--set", "above=0", "--set", "target=1")
    assert by_name.replace("target=dose", "target=1") == by_number
    assert "dose above 0" in by_name
    assert "Say which target" in refused("evaluate", table, "--set", "above=0")
    assert "no such target" in refused("evaluate", table, "--set", "above=0", "--set", "target=weight")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "sure=0.9"), "Numbers have no verdicts, so thresholds have no effect"),
        (("--set", "target=0"), "takes no setting `target`"),
        (("--set", "above=1"), "takes no setting `above`"),
    ],
)
def test_what_has_no_effect_is_refused(options, message, x, tmp_path):
    asked = ("assess", MODEL, x, "--out", tmp_path / "t.parquet", "--set", "passes=20")
    assert message in refused(*asked, *options)
    assert not (tmp_path / "t.parquet").exists()


def test_classes_are_not_asked_what_is_for_numbers(tmp_path, random):
    p = random.dirichlet([1, 1, 1], N)
    table = written(tmp_path / "p.csv", ["a", "b", "c", "y"], [p, random.choice(list("abc"), N)])
    assert "no numbers that could be above a threshold" in refused("evaluate", table, "--set", "above=0.5")
    assert "`tolerance` is for numbers" in refused("rules", table, "--tolerance", "2")
    page = ("--report", tmp_path / "page.html")
    assert "`of_label` has no effect on one class" in refused("report", table, "--set", "of_label=a", *page)


# --- tables of others -----------------------------------------------------------------------------------


def test_two_tables_of_numbers_are_compared_by_the_question(y, tmp_path):
    truth = y[:, 0] + 0.3
    first = written(tmp_path / "first.csv", ["mean", "std", "y"], [y[:, 0], np.ones(N), truth])
    second = tmp_path / "second.parquet"
    pq.write_table(pa.table({"std": np.full(N, 3.0), "mean": y[:, 0]}), second)
    output = done("compare", first, second, "--set", "above=0")
    assert "first" in output
    assert "`above` has no effect on a model" in refused("compare", MODEL, first, "--set", "above=0")


def test_counts_are_read_scored_and_decided_as_in_python(x, tmp_path):
    asked = {"method": howsure.MCDropout(passes=20), "outputs": "log-rates"}
    result = howsure.assess(two_numbers(), rows(N), class_names=["a", "b"], **asked)
    labels = tmp_path / "y.npy"
    np.save(labels, np.random.default_rng(0).poisson(result.mean))
    told = ("--class-names", "a,b", "--set", "outputs=log-rates", "--labels", labels)
    table = assessed(x, tmp_path / "t.parquet", *told, model=TWO)
    saved = howsure.load(table)
    np.testing.assert_array_equal(saved.prediction_interval(0.9), result.prediction_interval(0.9))
    assert "CRPS" in done("evaluate", table)
    out = tmp_path / "d.parquet"
    done("rules", table, "--tolerance", "9", "--set", "leave_out=hand-over", "--out", tmp_path / "r.json")
    done("decide", table, "--rules", tmp_path / "r.json", "--out", out)
    decided = howsure.load(out)
    np.testing.assert_array_equal(decided.low, np.maximum(np.rint(decided.low), 0))
    done("report", table, "--report", tmp_path / "p.html")


def test_quantiles_are_read_scored_and_corrected_as_in_python(x, y, tmp_path):
    with pytest.warns(howsure.HowsureWarning, match="Quantiles cross"):
        result = howsure.assess(
            two_numbers(),
            rows(N),
            method=howsure.MCDropout(passes=20),
            outputs="quantiles",
            levels=(0.1, 0.9),
        )
    one = written(tmp_path / "y.csv", ["y"], [y[:, 0]])
    told = ("--set", "outputs=quantiles", "--set", "levels=0.1,0.9", "--labels", one)
    table = assessed(x, tmp_path / "t.parquet", *told, model=TWO)
    saved = howsure.load(table)
    np.testing.assert_array_equal(saved.answer_quantiles, result.answer_quantiles)
    assert saved.levels == (0.1, 0.9)
    assert "pinball loss" in done("evaluate", table)
    assert "corrected from quantiles 0.1 and 0.9" in done(
        "rules",
        table,
        "--coverage",
        "0.8",
        "--set",
        "leave_out=calibration,hand-over",
        "--out",
        tmp_path / "r.json",
    )
    assessed(x, tmp_path / "parts", *told[:4], model=TWO)
    parts = howsure.load(tmp_path / "parts")
    np.testing.assert_array_equal(parts.answer_quantiles, result.answer_quantiles)
    alone = ("assess", TWO, x, "--out", tmp_path / "u.parquet", "--set", "outputs=quantiles")
    assert "levels" in refused(*alone)
    output = refused(
        "assess",
        TWO,
        x,
        "--out",
        tmp_path / "parts",
        "--set",
        "passes=20",
        *told[:2],
        "--set",
        "levels=0.2,0.8",
    )
    assert "levels" in output
