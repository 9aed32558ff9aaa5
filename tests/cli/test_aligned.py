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
    output = evaluated(tmp_path, "p.csv", "y.csv")
    for score in ("accuracy", "nll", "RMSE"):
        lines = [
            [line for line in text.splitlines() if line.startswith(score)] for text in (output, expected)
        ]
        assert lines[0] == lines[1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("rows", "labels"), [(np.arange(N), ORDER), (ORDER, np.arange(N))])
def test_an_index_that_may_have_been_made_anew_is_refused(rows, labels, suffix, tmp_path):
    """A first column without a name, as pandas writes an index, counts in one of the two files."""
    write = saved if suffix == "parquet" else FORMS["index"]
    write(P.iloc[rows], tmp_path / f"p.{suffix}")
    FORMS["index"](Y.iloc[labels], tmp_path / "y.csv")
    output = evaluated(tmp_path, f"p.{suffix}", "y.csv")
    assert "in another order than the rows, or under an index that was made anew" in output
    # Both halves of the hint.
    FORMS["bare"](Y.iloc[rows].to_frame(), tmp_path / "y.csv")
    expected = evaluated(tmp_path, f"p.{suffix}", "y.csv")
    assert "accuracy" in expected
    FORMS["index"](Y.iloc[labels].loc[rows], tmp_path / "y.csv")
    assert evaluated(tmp_path, f"p.{suffix}", "y.csv") == expected


@pytest.mark.parametrize(
    "command",
    ["evaluate", "rules --risk 0.8", "handover --out h.csv", "report --report h.html"],
)
def test_a_column_called_label_is_taken_or_the_way_is_said(command, tmp_path, monkeypatch):
    """In a file of labels it holds them; in a table of probabilities the error names the option."""
    monkeypatch.chdir(tmp_path)
    for labels, name in ((Y, "text"), (Y.map("abc".index), "number")):
        FORMS["bare"](P.assign(label=labels), tmp_path / f"{name}.csv")
        refused = run(*command.split(), f"{name}.csv")
        assert refused.exit_code == 2
        assert (
            "If 'label' holds the true answers, say so: on the command line --set label_column=label"
            in refused.stderr
        )
        done = run(*command.split(), f"{name}.csv", "--set", "label_column=label")
        assert done.exit_code == 0, done.stderr
    FORMS["bare"](P, tmp_path / "p.csv")
    saved(P, tmp_path / "p.parquet")
    for columns in ({"label": Y}, {"who": TEXTS, "label": Y}, {"who": TEXTS, "age": TRUE, "label": Y}):
        FORMS["bare"](pd.DataFrame(columns), tmp_path / "y.csv")
        for table in ("p.csv", "p.parquet"):
            done = run(*command.split(), table, "--labels", "y.csv")
            assert done.exit_code == 0, done.stderr
