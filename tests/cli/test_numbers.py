"""Numbers on the command line: assessed, asked whether they are above a threshold, handed over, read."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from tests.answers.measures import linear, rows
from tests.commands import done, flat, lines_of, refused

MODEL = "tests.answers.measures:linear"
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
    done("assess", model, x, "--out", out, "--passes", 20, "--quiet", *more)
    return out


def test_the_table_is_that_of_python(x, y, tmp_path):
    labels = written(tmp_path / "y.csv", ["y"], [y[:, 0]])
    found = howsure.load(assessed(x, tmp_path / "t.parquet", "--outputs", "values", "--labels", labels))
    expected = howsure.assess(linear(), rows(N), method=howsure.MCDropout(passes=20))
    for name in ("mean", "mc_error", "spread", "quantiles"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.truth[:, 0], y[:, 0])


def test_heads_of_variances_have_words(x, tmp_path):
    found = howsure.load(assessed(x, tmp_path / "t.parquet", "--outputs", "mean-log-variance", model=TWO))
    assert found.mean.shape == (N, 1)
    assert (found.noise > 0).all()


def test_a_largest_error_in_the_unit_of_the_target(x, tmp_path):
    asked = ("assess", MODEL, x, "--out", tmp_path / "t.parquet", "--quiet")
    done(*asked, "--max-error", 0.05)
    assert howsure.load(tmp_path / "t.parquet").mc_error.max() <= 0.05
    assert "--target-error" in refused(*asked, "--max-error", 0.05, "--target-error", 0.1)


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
    said = refused("assess", TWO, x, "--labels", labels, "--out", tmp_path / "t.parquet")
    assert "does not say which column holds the labels" in said


def test_several_true_numbers_of_a_npy_file(x, y, tmp_path):
    np.save(tmp_path / "y.npy", y)
    table = assessed(x, tmp_path / "t.parquet", "--labels", tmp_path / "y.npy", model=TWO)
    np.testing.assert_array_equal(howsure.load(table).truth, y)
    assert "do not fit" in refused(
        *("assess", MODEL, x, "--labels", tmp_path / "y.npy", "--out", tmp_path / "other.parquet")
    )


def test_the_question_is_answered_as_in_python(x, y, tmp_path):
    labels = written(tmp_path / "y.csv", ["y"], [y[:, 0]])
    table = assessed(x, tmp_path / "t.parquet", "--labels", labels)
    question = ("--above", "0.25", "--sure", "0.9")
    asked = howsure.load(assessed(x, tmp_path / "asked.parquet", "--labels", labels, *question))
    expected = howsure.load(table).above(0.25)
    np.testing.assert_array_equal(asked.probabilities, expected.probabilities)
    np.testing.assert_array_equal(asked.truth, y[:, 0] > 0.25)
    assert (asked.thresholds.sure, expected.thresholds.sure) == (0.9, 0.95)
    said = done("evaluate", table, "--above", "0.25")
    assert said.strip() == str(howsure.evaluate(expected)).strip()
    # Labels in a file are numbers too, and are asked the same.
    again = done("evaluate", assessed(x, tmp_path / "bare.parquet"), "--labels", labels, "--above", "0.25")
    assert again == said


@pytest.mark.parametrize("command", ["calibrate", "sets", "abstain", "report", "handover"])
def test_the_answer_goes_through_every_command(command, x, y, tmp_path):
    truth = linear().predict([rows(N)])[:, 0] + y[:, 0] / 10
    table = assessed(x, tmp_path / "t.parquet", "--labels", written(tmp_path / "y.csv", ["y"], [truth]))
    more = {
        "abstain": ("--risk", "0.4"),
        "report": ("--report", tmp_path / "page.html", "--coin-flip", "0.3"),
        "handover": ("--out", tmp_path / "rows.csv", "--which", "all"),
    }
    done(command, table, "--above", "0.25", *more.get(command, ()))
    if command == "handover":
        assert lines_of(tmp_path / "rows.csv")[0]["label"].endswith("0.2500")


def test_one_of_several_targets_is_asked(x, y, tmp_path):
    np.save(tmp_path / "y.npy", y)
    names = ("--class-names", "age,dose")
    table = assessed(x, tmp_path / "t.parquet", "--labels", tmp_path / "y.npy", *names, model=TWO)
    by_name = done("evaluate", table, "--above", "0", "--target", "dose")
    assert by_name == done("evaluate", table, "--above", "0", "--target", "1")
    assert "dose above 0" in by_name
    assert "Say which target" in refused("evaluate", table, "--above", "0")
    assert "no such target" in refused("evaluate", table, "--above", "0", "--target", "weight")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sure", "0.9"), "Numbers have no verdicts, so thresholds have no effect"),
        (("--target", "0"), "--target has no effect alone"),
        (("--above", "1", "--out", "{folder}/results/"), "--above needs one table"),
        (("--above", "nan"), "--above is no finite number"),
    ],
)
def test_what_has_no_effect_is_refused(options, said, x, tmp_path):
    given = [each.format(folder=tmp_path) for each in options]
    assert said in refused("assess", MODEL, x, "--out", tmp_path / "t.parquet", "--passes", 20, *given)
    assert not (tmp_path / "t.parquet").exists()


def test_classes_are_not_asked_what_is_for_numbers(tmp_path, random):
    p = random.dirichlet([1, 1, 1], N)
    table = written(tmp_path / "p.csv", ["a", "b", "c", "y"], [p, random.choice(list("abc"), N)])
    assert "no numbers that could be above a threshold" in refused("evaluate", table, "--above", "0.5")
    assert "--tolerance is for numbers" in refused("abstain", table, "--tolerance", "2")


# --- hand over ----------------------------------------------------------------------------------------


def test_the_widest_rows_are_handed_over(x, tmp_path):
    table = assessed(x, tmp_path / "t.parquet")
    result = howsure.load(table)
    done("handover", table, "--out", tmp_path / "rows.csv", "--most", 5)
    found = lines_of(tmp_path / "rows.csv")
    assert [int(line["row"]) for line in found] == result.widest(5).tolist()
    assert list(found[0]) == ["row", "mean", "network_low", "network_high"]
    at = result[int(found[0]["row"])]
    assert float(found[0]["mean"]) == pytest.approx(at.mean[0], rel=1e-5)
    assert float(found[0]["network_high"]) == pytest.approx(at.credible_interval(0.95)[0, 1], rel=1e-5)
    assert "chosen by 'coin-flips'" in refused(
        "handover", table, "--out", tmp_path / "o.csv", "--which", "coin-flips"
    )


# --- tables of others -----------------------------------------------------------------------------------


def test_intervals_have_two_ends(y, tmp_path, random):
    known = written(tmp_path / "known.csv", ["mean", "std", "y"], [y[:, 0], np.ones(N), y[:, 1]])
    new = written(tmp_path / "new.csv", ["id", "mean", "std"], [list("abcde"), y[:5, 0], np.ones(5)])
    said = done("sets", known, "--coverage", "0.8", "--new", new, "--out", tmp_path / "o.csv")
    assert "Intervals of 5 rows, on average" in said
    found = lines_of(tmp_path / "o.csv")
    assert list(found[0]) == ["row", "id", "mean", "low", "high"]
    assert [line["id"] for line in found] == list("abcde")
    assert all(float(line["low"]) < float(line["mean"]) < float(line["high"]) for line in found)
    assert "--by-class has no effect on intervals" in refused("sets", known, "--by-class")


def test_two_tables_of_numbers_are_compared_by_the_question(y, tmp_path):
    truth = y[:, 0] + 0.3
    first = written(tmp_path / "first.csv", ["mean", "std", "y"], [y[:, 0], np.ones(N), truth])
    second = tmp_path / "second.parquet"
    pq.write_table(pa.table({"std": np.full(N, 3.0), "mean": y[:, 0]}), second)
    said = done("compare", first, second, "--above", "0")
    assert "first" in said
    assert "has no effect on a model" in refused("compare", MODEL, first, "--above", "0")


def test_a_shift_is_learnt_applied_and_scored(tmp_path):
    random = np.random.default_rng(0)
    truth, noise = random.normal(size=(2, N))
    mean = truth + 0.5 * noise + 2.1
    table = written(tmp_path / "t.csv", ["mean", "std", "y"], [mean, np.ones(N), truth])
    assert "--method shift" in flat(done("calibrate", table, "--out", tmp_path / "plain.json"))
    learnt = done("calibrate", table, "--method", "shift", "--out", tmp_path / "c.json")
    assert "is added to the mean" in flat(learnt)
    done("calibrate", table, "--calibrator", tmp_path / "c.json", "--out", tmp_path / "mended.csv")
    found = [float(row["mean"]) for row in lines_of(tmp_path / "mended.csv")]
    np.testing.assert_allclose(found, mean - np.mean(mean - truth), atol=1e-9)
    assert "bias" in done("evaluate", table, "--out", tmp_path / "scores.csv")
    (bias,) = (row for row in lines_of(tmp_path / "scores.csv") if row["score"] == "bias")
    assert float(bias["value"]) == pytest.approx(np.mean(mean - truth))
