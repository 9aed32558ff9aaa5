"""Several labels per row: each is a question of its own, so all of it is compared with two-class rows."""

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure import Certainty, FileError, InputError, MultilabelCertainty
from howsure.statistics import entropy_correction, entropy_of
from howsure.tasks.multilabel.sentence import sentence_of_label

FIELDS = [column.name for column in MultilabelCertainty.columns if column.stored]


def make(probabilities, mc_error=0.001, share=0.5, **arguments):
    """In which `share` of the entropy is expected entropy."""
    p = np.array(probabilities, dtype=float)
    settings = {
        "probabilities": p,
        "mc_error": np.broadcast_to(mc_error, p.shape),
        "expected_entropy": share * entropy_of(np.stack([1 - p, p], axis=-1)),
        "passes": np.full(len(p), 20),
        "label_names": [f"label {k}" for k in range(p.shape[1])],
        "row": np.arange(len(p)),
    }
    return MultilabelCertainty(**{**settings, **arguments})


def random_one(rows=40, labels=3, **arguments):
    random = np.random.default_rng(0)
    p = random.beta(0.4, 0.6, size=(rows, labels))
    more = {
        "mc_error": random.uniform(0, 0.02, p.shape),
        "share": random.uniform(0, 1, p.shape),
        "passes": random.integers(1, 400, rows),
        "truth": random.random(p.shape) < p,
        "ids": random.permutation(rows),
        "entropy_correction": random.uniform(0, 0.02, p.shape),
        **{name: random.uniform(0, 0.02, p.shape) for name in FIELDS if name.endswith("y_error")},
        **{name: random.uniform(0, 0.1, p.shape) for name in ("spread", "spread_error")},
    }
    return make(p, **{**more, **arguments})


@pytest.fixture
def weather():
    return make(
        [[0.98, 0.52, 0.01], [0.2, 0.97, 0.45], [0.001, 0.999, 0.7]],
        mc_error=[[0.005, 0.015, 0.002]],
        share=np.array([[0.9, 0.9, 0.5], [0.1, 0.5, 0.1], [0.5, 0.5, 0.9]]),
        label_names=["rain", "wind", "snow"],
        kind="image",
        row=np.array([4, 7, 9]),
    )


# --- what follows from the arrays -------------------------------------------------------------


@pytest.mark.parametrize("labels", [1, 2, 40])
def test_each_label_is_a_certainty_of_two_classes(labels):
    c = random_one(labels=labels)
    for k in range(labels):
        one = c.of_label(k)
        assert one.class_names == ("no", "yes")
        np.testing.assert_array_equal(one.probabilities[:, 1], c.probabilities[:, k])
        np.testing.assert_array_equal(one.label == 1, c.yes[:, k])
        np.testing.assert_array_equal(one.truth == 1, c.truth[:, k])
        for name in ("verdict", "settled", "reason", "entropy", "mutual_information", "expected_entropy"):
            np.testing.assert_array_equal(getattr(one, name), getattr(c, name)[:, k], name)
        for name in ("entropy_error", "expected_entropy_error", "mutual_information_error"):
            np.testing.assert_array_equal(getattr(one, name), getattr(c, name)[:, k], name)
        np.testing.assert_allclose(one.gap, c.gap[:, k], atol=1e-15)
        np.testing.assert_array_equal(one.row, c.row)
        assert one.method["label"] == c.label_names[k]


def test_the_answers_are_those_of_all_labels_one_after_the_other():
    c = random_one(rows=7)
    answers = c.answers()
    assert answers.class_names == ("no", "yes")
    np.testing.assert_array_equal(answers.probabilities[:, 1], c.probabilities.T.ravel())
    np.testing.assert_array_equal(answers.verdict, c.verdict.T.ravel())
    np.testing.assert_array_equal(answers.truth, c.truth.T.ravel())
    np.testing.assert_array_equal(answers.row, np.tile(c.row, 3))
    np.testing.assert_array_equal(answers.passes, np.tile(c.passes, 3))
    assert answers.method == c.method


def test_a_label_is_called_by_number_or_name(weather):
    for label in (1, -2, np.int64(1), "wind"):
        np.testing.assert_array_equal(weather.of_label(label).probabilities[:, 1], [0.52, 0.97, 0.999])
    assert weather.of_label("wind").truth is None
    for label in (3, -4, "hail", None, 1.0):
        with pytest.raises(InputError, match=r"no such label.*from 0 to 2, or one of.*'rain'.*Received"):
            weather.of_label(label)


def test_even_odds_are_no_like_those_of_two_classes():
    c = make([[0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0)]])
    assert c.yes.tolist() == [[False, True, False]]
    assert [c.of_label(k).label[0] for k in range(3)] == [0, 1, 0]


def test_entropy_against_scipy_and_its_bounds():
    c = random_one(rows=200, entropy_correction=None)
    p = c.probabilities
    np.testing.assert_allclose(c.entropy, stats.entropy([1 - p, p]), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(c.entropy_correction, np.zeros(p.shape))
    corrected = random_one(rows=200, entropy_correction=np.random.default_rng(1).exponential(0.3, p.shape))
    assert np.all(corrected.expected_entropy <= corrected.entropy)
    assert np.all(corrected.mutual_information >= 0)
    assert np.all(corrected.entropy <= np.log(2))
    assert np.any(corrected.entropy == np.log(2))


def test_the_correction_by_the_delta_method_is_that_of_two_classes():
    p, squared = np.array([0.3, 0.01, 0.9]), np.array([0.01, 0.0001, 0.002])
    of_both = entropy_correction(np.stack([1 - p, p], axis=-1), np.stack([squared, squared], axis=-1))
    np.testing.assert_allclose(of_both, squared / (2 * p * (1 - p)), rtol=1e-12)


def test_errors_that_are_not_given_are_unknown():
    c = make(np.full((2, 3), 0.3))
    for name in ("entropy_error", "expected_entropy_error", "mutual_information_error"):
        np.testing.assert_array_equal(getattr(c, name), np.full((2, 3), np.nan))


def test_a_single_pass_gives_no_reason():
    assert make([[0.5, 0.7]], passes=np.array([1])).reason.tolist() == [[None, None]]


# --- rows and answers -------------------------------------------------------------------------


@pytest.mark.parametrize("index", [np.zeros((2, 2), dtype=int), ([0, 1], [1, 2]), np.array(1)])
def test_pairs_of_rows_and_labels_are_no_rows(weather, index):
    with pytest.raises(IndexError, match=r"Rows (are taken by a list|cannot be taken by this)"):
        weather[index]
    with pytest.raises(IndexError, match=r"Rows (are taken by a list|cannot be taken by this)"):
        weather.of_label(0)[index]


def test_coin_flips_are_answers_the_most_undecided_first(weather):
    positions, labels = weather.coin_flips()
    assert list(zip(positions.tolist(), labels.tolist(), strict=True)) == [(0, 1), (1, 2)]
    np.testing.assert_array_equal(weather.probabilities[weather.coin_flips()], [0.52, 0.45])
    assert set(weather.verdict[weather.coin_flips()]) == {"coin flip"}
    positions, labels = weather.most_undecided(3)
    assert list(zip(positions.tolist(), labels.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 2)]
    everything = weather.most_undecided()
    assert np.all(np.diff(weather.gap[everything]) >= 0)
    assert len({*zip(*map(np.ndarray.tolist, everything), strict=True)}) == 9
    assert weather[positions[:1]].row.tolist() == [4]
    assert [len(each) for each in weather[:0].coin_flips()] == [0, 0]


def test_equals_come_in_the_order_of_rows_then_labels():
    positions, labels = make([[0.4, 0.6], [0.5, 0.6]]).most_undecided()
    assert positions.tolist() == [1, 0, 0, 1]
    assert labels.tolist() == [0, 0, 1, 1]


def test_repr(weather):
    assert repr(weather) == "<MultilabelCertainty of 3 rows, 3 labels: 5 sure, 2 leaning, 2 coin flip>"


# --- sentences --------------------------------------------------------------------------------


def test_few_labels_are_told_one_by_one(weather):
    assert str(weather[0]) == (
        "'rain': 98 ± 1 % yes, sure. 'wind': 52 ± 3 % yes, coin flip. 'snow': 99.0 ± 0.4 % no, sure."
    )
    said = "most of the doubt is within the networks, not between them: more passes will not help."
    assert weather[0].explain() == f"For 'wind', {said}"
    assert str(weather[1]) == (
        "'rain': 80 ± 1 % no, leaning. 'wind': 97 ± 3 % yes, probably sure; needs about 24 more passes. "
        "'snow': 55.0 ± 0.4 % no, coin flip."
    )
    assert weather[1].explain() == (
        "For 'rain' and 'snow', the networks disagree: "
        "an ensemble tells whether networks from other seeds doubt it too."
    )


def test_one_label_is_told(weather):
    assert sentence_of_label(weather[1], 0) == "'rain': 80 ± 1 % no, leaning."
    assert sentence_of_label(weather[0], 0) == "'rain': 98 ± 1 % yes, sure."


def many(probabilities, labels=80, **arguments):
    p = np.full((1, labels), 0.0001)
    p[0, : len(probabilities)] = probabilities
    return str(make(p, mc_error=0.0005, kind="image", **arguments)[0])


def test_many_labels_are_told_in_groups():
    assert many([0.97, 0.2, 0.9999, 0.52, 0.45, 0.8], share=0.9) == (
        "Surely yes: 'label 2' (> 99.9 %), 'label 0' (97.0 ± 0.1 %). Leaning yes: 'label 5' (80.0 ± 0.1 %). "
        "Coin flip: 'label 3' (52.0 ± 0.1 % yes), 'label 4' (45.0 ± 0.1 % yes). "
        "Leaning no: 'label 1' (20.0 ± 0.1 % yes). Surely not: the other 74 of 80 labels."
    )


def test_of_many_coin_flips_the_most_undecided_come_first():
    assert "Coin flip: 'label 1' (49.0 ± 0.1 % yes), 'label 0' (58.0 ± 0.1 % yes)." in many([0.58, 0.49])


def test_many_labels_none_of_which_holds():
    assert many([]) == "Surely yes: none. Surely not: all 80 of 80 labels."


def test_many_labels_all_of_which_hold():
    assert many([0.99] * 6, labels=6).startswith("Surely yes: 'label 0' (99.0 ± 0.1 %), ")
    assert "not" not in many([0.99] * 6, labels=6)


def test_of_very_many_labels_in_a_group_eight_are_named():
    text = many(np.linspace(0.96, 0.99, 30))
    assert text.count("'label") == 8
    assert "'label 22' (98.3 ± 0.1 %) and 22 more. Surely not: the other 50 of 80 labels." in text


# --- tables and files -------------------------------------------------------------------------


def test_load_tells_the_two_types_apart(tmp_path, weather):
    weather.save(tmp_path / "several.parquet")
    weather.of_label("wind").save(tmp_path / "one.parquet")
    assert isinstance(howsure.load(tmp_path / "several.parquet"), MultilabelCertainty)
    assert isinstance(howsure.load(tmp_path / "one.parquet"), Certainty)
    with pytest.raises(FileError, match=r"not a saved Certainty.*'classes'.*'labels'.*`howsure.load` reads"):
        Certainty.load(tmp_path / "several.parquet")
    with pytest.raises(FileError, match=r"not a saved MultilabelCertainty.*`howsure.load` reads"):
        MultilabelCertainty.load(tmp_path / "one.parquet")
