"""Files of probabilities or numbers and of labels: matched by what their rows are called, or refused."""

import numpy as np
import pandas as pd
import pytest

import howsure
from tests.commands import run

N = 60
RANDOM = np.random.default_rng(0)
P = pd.DataFrame(RANDOM.dirichlet(np.full(3, 0.4), N), columns=["a", "b", "c"])
Y = pd.Series([RANDOM.choice(list("abc"), p=p) for p in P.to_numpy()], name="y")
MEANS = pd.DataFrame({"mean": P["a"], "std": P["b"] + 0.1})
TRUE = pd.Series(P["a"] + 0.1 * RANDOM.normal(size=N), name="y")
ORDER = RANDOM.permutation(N)
TEXTS = [f"r{n}" for n in range(N)]


def saved(frame, path):
    howsure.Certainty.from_probabilities(frame).save(path)


FORMS = {
    "named": lambda frame, path: frame.to_csv(path, index_label="id"),
    "texts": lambda frame, path: frame.set_axis([TEXTS[n] for n in frame.index]).to_csv(path),
    "split": lambda frame, path: frame.set_axis(frame.index + 500).to_csv(path),
    "index": lambda frame, path: frame.to_csv(path),
    "bare": lambda frame, path: frame.to_csv(path, index=False),
}


def evaluated(folder, *names):
    done = run("evaluate", folder / names[0], "--labels", folder / names[1])
    return done.stdout if done.exit_code == 0 else done.stderr


@pytest.mark.parametrize("form", ["named", "texts", "split"])
@pytest.mark.parametrize(("values", "labels"), [(P, Y), (MEANS, TRUE)])
def test_labels_in_another_order_are_sorted(values, labels, form, tmp_path):
    FORMS["bare"](values, tmp_path / "p.csv")
    FORMS["bare"](labels.to_frame(), tmp_path / "y.csv")
    expected = evaluated(tmp_path, "p.csv", "y.csv")
    assert "error" not in expected.split()[0]
    FORMS[form](values.iloc[ORDER], tmp_path / "p.csv")
    FORMS[form](labels, tmp_path / "y.csv")
    found = evaluated(tmp_path, "p.csv", "y.csv")
    for score in ("accuracy", "nll", "RMSE"):
        lines = [[line for line in each.splitlines() if line.startswith(score)] for each in (found, expected)]
        assert lines[0] == lines[1]


@pytest.mark.parametrize("values", [P, MEANS])
def test_the_index_of_a_parquet_file_of_pandas_is_no_class(values, tmp_path):
    values.to_csv(tmp_path / "p.csv", index_label="id")
    values.iloc[ORDER].to_parquet(tmp_path / "p.parquet")
    (Y if values is P else TRUE).to_csv(tmp_path / "y.csv", index_label="id")
    found, expected = (evaluated(tmp_path, f"p.{suffix}", "y.csv") for suffix in ("parquet", "csv"))
    assert "60 rows" in found
    assert found.splitlines()[:4] == expected.splitlines()[:4]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("rows", "labels"), [(np.arange(N), ORDER), (ORDER, np.arange(N))])
def test_an_index_that_may_have_been_made_anew_is_refused(rows, labels, suffix, tmp_path):
    """A first column without a name, as pandas writes an index, counts in one of the two files."""
    write = saved if suffix == "parquet" else FORMS["index"]
    write(P.iloc[rows], tmp_path / f"p.{suffix}")
    FORMS["index"](Y.iloc[labels], tmp_path / "y.csv")
    said = evaluated(tmp_path, f"p.{suffix}", "y.csv")
    assert "in another order than the rows, or under an index that was made anew" in said
    # Both halves of the hint.
    FORMS["bare"](Y.iloc[rows].to_frame(), tmp_path / "y.csv")
    expected = evaluated(tmp_path, f"p.{suffix}", "y.csv")
    assert "accuracy" in expected
    FORMS["index"](Y.iloc[labels].loc[rows], tmp_path / "y.csv")
    assert evaluated(tmp_path, f"p.{suffix}", "y.csv") == expected


def test_labels_of_a_part_of_a_saved_result(tmp_path):
    """Labels of other rows with as many lines are refused, also where the result has an index alone."""
    howsure.Certainty.from_probabilities(P.set_axis(TEXTS))[ORDER[:20]].save(tmp_path / "p.parquet")
    FORMS["texts"](Y.iloc[ORDER[20:40]], tmp_path / "y.csv")
    assert "labels of other rows" in evaluated(tmp_path, "p.parquet", "y.csv")


@pytest.mark.parametrize("table", ["p.csv", "p.parquet"])
def test_labels_of_more_rows_are_chosen_by_id_or_refused_with_a_way_out(table, tmp_path):
    write = saved if table == "p.parquet" else FORMS["named"]
    rows = ORDER[:40]
    FORMS["named"](Y, tmp_path / "all.csv")
    FORMS["named"](Y.iloc[rows], tmp_path / "same.csv")
    write(P.iloc[rows], tmp_path / table)
    found, expected = (evaluated(tmp_path, table, name) for name in ("all.csv", "same.csv"))
    assert "40 rows" in found
    assert found == expected
    done = run("evaluate", tmp_path / table, "--labels", tmp_path / "all.csv")
    assert "holds labels of more rows than there are here: 20 of 60 are left out" in done.stderr
    FORMS["bare"](P.iloc[rows], tmp_path / "bare.csv")
    said = evaluated(tmp_path, "bare.csv", "all.csv")
    assert "another number of labels than there are rows" in said
    assert "give rows and labels a column `id` with the same ids" in said


@pytest.mark.parametrize(
    "command",
    ["evaluate", "calibrate", "sets", "abstain --risk 0.6", "handover --out h.csv", "report --report h.html"],
)
def test_a_column_called_label_is_taken_or_the_way_is_said(command, tmp_path, monkeypatch):
    """In a file of labels it holds them; in a table of probabilities the error names the option."""
    monkeypatch.chdir(tmp_path)
    for labels, name in ((Y, "text"), (Y.map("abc".index), "number")):
        FORMS["bare"](P.assign(label=labels), tmp_path / f"{name}.csv")
        refused = run(*command.split(), f"{name}.csv")
        assert refused.exit_code == 2
        assert (
            "If 'label' holds the true answers, say so: on the command line --label-column label"
            in refused.stderr
        )
        done = run(*command.split(), f"{name}.csv", "--label-column", "label")
        assert done.exit_code == 0, done.stderr
    FORMS["bare"](P, tmp_path / "p.csv")
    saved(P, tmp_path / "p.parquet")
    for columns in ({"label": Y}, {"who": TEXTS, "label": Y}, {"who": TEXTS, "age": TRUE, "label": Y}):
        FORMS["bare"](pd.DataFrame(columns), tmp_path / "y.csv")
        for table in ("p.csv", "p.parquet"):
            done = run(*command.split(), table, "--labels", "y.csv")
            assert done.exit_code == 0, done.stderr


def test_what_the_model_predicted_is_not_taken_for_the_truth(tmp_path):
    """A csv file of howsure has a column `label` of its own, unless a user's own takes its place."""
    howsure.Certainty.from_probabilities(P).save(tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    for name in ("label", "label_name"):
        said = run("evaluate", tmp_path / "out.csv", "--label-column", name)
        assert said.exit_code == 2
        assert f"Column '{name}' of '{tmp_path / 'out.csv'}' holds what the model predicted" in said.stderr
        FORMS["bare"](written.assign(**{name: Y}), tmp_path / "own.csv")
        done = run("evaluate", tmp_path / "own.csv", "--label-column", name)
        assert done.exit_code == 0, done.stderr
