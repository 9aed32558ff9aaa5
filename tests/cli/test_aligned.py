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
