"""The files hold the chosen rows, whole or not at all; what cannot be written is said."""

import csv
import os

import numpy as np
import pytest
from scipy.stats import norm

from howsure import Certainty, Features, RegressionCertainty
from howsure.errors import FileError, InputError
from howsure.evaluation.handover import hand_over, k_centres
from howsure.evaluation.prediction_sets import prediction_sets
from tests.made import certainty_of

FLIP = "coin flip"


def made(kind="image", truth=None):
    return certainty_of(
        [[0.97, 0.02, 0.01], [0.03, 0.46, 0.51], [0.2, 0.7, 0.1]],
        expected_entropy=np.array([0.01, 0.1, 0.8]),
        class_names=("größe, 0", "6", "8"),
        row=np.array([10, 11, 12]),
        truth=truth,
        kind=kind,
        version="1.2",
    )


def table(path):
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_table(tmp_path):
    path = tmp_path / "rows.csv"
    hand_over(made(), [False, True, True], path)
    first, second = table(path)
    assert first == {
        "row": "11",
        "label": "8",
        "probability": "0.51",
        "runner_up": "6",
        "runner_up_probability": "0.46",
        "candidates": "'8' or '6'",
        "verdict": FLIP,
        "reason": "passes disagree",
    }
    assert (second["row"], second["runner_up"], second["reason"]) == ("12", "größe, 0", "doubt within passes")


def test_all_that_is_known_is_in_the_table(tmp_path):
    path = tmp_path / "rows.csv"
    random = np.random.default_rng(0)
    labelled = made()[np.repeat([0, 1, 2], 20)]
    true = [labelled.class_names[random.choice(3, p=p)] for p in labelled.probabilities]
    fitted = prediction_sets(labelled, true)
    certainty = made(truth=np.array([0, 2, 1]))
    hand_over(certainty, np.array([2, 1]), path, sets=fitted)
    lines = table(path)
    assert " ".join(lines[0]) == (
        "row label probability runner_up runner_up_probability candidates verdict reason set truth"
    )
    assert [line["truth"] for line in lines] == ["6", "8"]
    assert [line["set"] for line in lines] == fitted.in_words(certainty[[2, 1]])
    assert lines[1]["set"].startswith("{8, 6")


@pytest.mark.parametrize("nobody", [[], np.zeros(3, dtype=bool), np.array([], dtype=int)])
def test_nothing_to_hand_over(tmp_path, nobody):
    hand_over(made(), nobody, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8").startswith("row,label,probability,")
    assert table(tmp_path / "rows.csv") == []


def test_an_earlier_file_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("earlier")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(FileError, match=r"No space left on device.*earlier file"):
            hand_over(made(), [0], path)
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == [path.name]
    hand_over(made(), [0], path)
    assert path.read_text() != "earlier"


def test_texts_of_any_kind_come_back(tmp_path):
    """A carriage return would end a line, and a class called by a number stays one."""
    p = np.array([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5]])
    made = Certainty.from_probabilities(p, ["-1", "1"]).with_ids(["a\rb", 'c,"\n', " d "])
    hand_over(made, [0, 1, 2], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["id"] for line in lines] == made.ids.tolist()
    assert [line["label"] for line in lines] == ["-1", "1", "-1"]


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-a", "-1.", "@SUM(A1)", "\t=1", "＝1", "'=1"])
def test_no_text_is_a_formula(tmp_path, name):
    hand_over(made().with_ids([name, "b", "a=1.png"]), [0, 2], tmp_path / "rows.csv")
    assert [line["id"] for line in table(tmp_path / "rows.csv")] == [f"'{name}", "a=1.png"]


# --- numbers ------------------------------------------------------------------------------------------

MEAN, STD = np.array([[4.0], [2.0], [9.5]]), np.array([[0.5], [2.0], [np.nan]])


def numbers(**changed):
    given = {"mean": MEAN, "mc_error": np.zeros((3, 1)), "std": STD, "passes": np.ones(3, int)}
    given |= {"target_names": ("price",), "row": np.arange(3) + 7, "truth": MEAN + 1}
    return RegressionCertainty(**given | changed)


def test_numbers_lie_between_two_ends_where_noise_is_known(tmp_path):
    path = tmp_path / "rows.csv"
    hand_over(numbers().with_ids(["a", "b", "c"]), [1, 2, 0], path)
    first, second, _ = table(path)
    assert list(first) == ["row", "id", "mean", "low", "high", "truth"]
    low, high = norm(2.0, 2.0).interval(0.95)
    assert (float(first["low"]), float(first["high"])) == pytest.approx((low, high), rel=1e-5)
    assert (first["row"], first["id"], first["truth"]) == ("8", "b", "3.0")
    assert (second["mean"], second["low"], second["high"]) == ("9.5", "", "")


def test_ends_of_fitted_intervals_take_their_place(tmp_path):
    path = tmp_path / "rows.csv"
    hand_over(
        numbers(), [True, False, False], path, sets=lambda rows: np.stack([rows.mean - 3, rows.mean + 4], -1)
    )
    assert (table(path)[0]["low"], table(path)[0]["high"]) == ("1.0", "8.0")
    for sets, text in ((0.9, "`sets` cannot be used"), (lambda rows: rows.mean, r"of shape \(1, 1, 2\)")):
        with pytest.raises(InputError, match=text):
            hand_over(numbers(), [0], path, sets=sets)


def test_networks_are_not_taken_for_answers(tmp_path):
    """Where nothing says how far answers scatter, the ends have other names."""
    samples = np.random.default_rng(0).normal(size=(200, 3, 2))
    result = RegressionCertainty.from_samples(samples, ["age", "dose"])
    hand_over(result, [0], tmp_path / "rows.csv")
    (line,) = table(tmp_path / "rows.csv")
    columns = ("mean", "network_low", "network_high")
    assert list(line) == ["row", *(f"{name}.{target}" for target in ("age", "dose") for name in columns)]
    assert float(line["network_high.dose"]) == pytest.approx(np.quantile(samples[:, 0, 1], 0.975), rel=0.05)


# --- rows that differ ----------------------------------------------------------------------------------


def test_k_centres_are_those_of_scikit_activeml():
    x = np.random.default_rng(0).normal(size=(60, 5))
    # scikit-activeml 1.0.1: CoreSet(random_state=0).query(x, y, batch_size=8), where y is known of 7 rows
    chosen = k_centres(x[7:], 8, x[:7])
    assert (chosen + 7).tolist() == [47, 27, 54, 9, 43, 31, 21, 46]


def test_doubtful_rows_that_differ_are_written(tmp_path):
    features = [[0.0], [0.1], [5.0], [0.2], [9.0]]
    rows = certainty_of([[0.5, 0.5], [0.52, 0.48], [0.6, 0.4], [0.51, 0.49], [0.99, 0.01]])
    doubtful = rows.most_undecided(4)
    hand_over(rows, doubtful, tmp_path / "a.csv", diverse=True, features=features, most=3)
    assert [line["row"] for line in table(tmp_path / "a.csv")] == ["0", "2", "3"]
    known = Features(np.array([[5.0]]), np.zeros((1, 2)))
    hand_over(rows, doubtful, tmp_path / "b.csv", diverse=True, features=features, labelled=known, most=2)
    assert [line["row"] for line in table(tmp_path / "b.csv")] == ["0", "3"]
    hand_over(rows, doubtful, tmp_path / "c.csv", diverse=True, features=np.zeros((5, 1)), most=9)
    assert sorted(line["row"] for line in table(tmp_path / "c.csv")) == ["0", "1", "2", "3"]


def test_numbers_that_differ_are_written(tmp_path):
    numbers = RegressionCertainty.from_mean_std([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    features = np.array([[0.0], [0.1], [4.0]])
    hand_over(numbers, numbers.widest(3), tmp_path / "a.csv", diverse=True, features=features, most=2)
    assert [line["row"] for line in table(tmp_path / "a.csv")] == ["0", "2"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"diverse": True, "most": 2}, "features=howsure.features_of"),
        ({"diverse": True, "features": [[1.0]] * 3}, "most"),
        ({"diverse": True, "most": 2, "features": [[1.0]] * 2}, "not those of these rows"),
        ({"diverse": True, "most": 2, "features": [[np.nan]] * 3}, "finite"),
        ({"diverse": True, "most": 2, "features": [["a"]] * 3}, "finite"),
        ({"diverse": True, "most": 2, "features": [[1.0]] * 3, "labelled": [[1.0, 2.0]]}, "other features"),
        ({"most": 2}, "no effect alone"),
    ],
)
def test_what_does_not_say_which_rows_differ_is_refused(settings, words, tmp_path):
    with pytest.raises(InputError, match=words):
        hand_over(made(), [0, 1, 2], tmp_path / "rows.csv", **settings)
    assert not (tmp_path / "rows.csv").exists()
