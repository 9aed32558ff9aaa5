"""Probabilities from elsewhere: what rounding explains is taken out, and everything else is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import softmax
from sklearn import metrics

import howsure
from howsure import Certainty, MultilabelCertainty

RANDOM = np.random.default_rng(0)
SHARP = RANDOM.dirichlet(np.full(10, 0.3), size=400)
LABELS = RANDOM.integers(0, 10, 400)


def refused(*arguments, **named):
    with pytest.raises(howsure.InputError) as raised:
        Certainty.from_probabilities(*arguments, **named)
    return str(raised.value)


# --- what is accepted -------------------------------------------------------------------------


def test_what_was_given_comes_back():
    result = Certainty.from_probabilities(SHARP, source="elsewhere")
    np.testing.assert_allclose(result.probabilities, SHARP, rtol=1e-12)
    np.testing.assert_allclose(result.entropy, stats.entropy(SHARP, axis=1), rtol=1e-9)
    np.testing.assert_array_equal(result.label, SHARP.argmax(axis=1))
    assert not result.mc_error.any()
    assert not result.mutual_information.any()
    assert np.isnan(result.mutual_information_error).all()  # nobody knows
    assert np.isnan(result.disagreement_error).all()
    assert result.settled.all()
    assert set(result.reason) == {None}
    assert set(result.passes) == {1}
    assert result.method["source"] == "elsewhere"
    assert result.method["name"] == "given probabilities"


def test_scores_are_those_of_scikit_learn():
    evaluation = howsure.evaluate(Certainty.from_probabilities(SHARP), LABELS)
    assert evaluation.accuracy.value == pytest.approx(metrics.accuracy_score(LABELS, SHARP.argmax(axis=1)))
    assert evaluation.nll.value == pytest.approx(metrics.log_loss(LABELS, SHARP, labels=range(10)), rel=1e-9)
    brier = np.mean(np.sum((SHARP - np.eye(10)[LABELS]) ** 2, axis=1))
    assert evaluation.brier.value == pytest.approx(brier, rel=1e-12)


def test_the_probability_of_the_second_of_two_classes_is_enough():
    for p in ([0.2, 0.97], np.array([[0.2], [0.97]])):
        result = Certainty.from_probabilities(p, ["no", "yes"])
        np.testing.assert_allclose(result.probabilities, [[0.8, 0.2], [0.03, 0.97]])
    assert str(result[1]) == "97.0 % 'yes': sure."


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_rounding_of_a_type_is_divided_out(dtype):
    rounded = softmax(RANDOM.normal(0, 3, (300, 50)), axis=1).astype(dtype)
    probabilities = Certainty.from_probabilities(rounded).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert np.abs(probabilities - rounded).max() <= 0.005


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(SHARP, requires_grad=True)
    np.testing.assert_allclose(Certainty.from_probabilities(tensor).probabilities, SHARP, rtol=1e-12)
    coarse = Certainty.from_probabilities(tensor.to(torch.bfloat16)).probabilities
    assert np.abs(coarse - SHARP).max() < 2**-7
    coarse = Certainty.from_probabilities(tensor.half()).probabilities
    assert np.abs(coarse - SHARP).max() < 2**-9


@pytest.mark.parametrize("decimals", [1, 2, 3, 4, 5])
def test_each_number_keeps_the_decimals_it_had(decimals):
    printed = np.round(SHARP, decimals)
    assert np.abs(printed.sum(axis=1) - 1).max() > 10.0**-decimals / 2
    probabilities = Certainty.from_probabilities(printed).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(probabilities, printed, atol=(0.5 + 1e-6) * 10.0**-decimals)


def test_what_many_classes_lost_to_rounding_does_not_make_the_first_certain():
    p = np.full((2, 401), 0.001)
    p[:, 0] = 0.6
    probabilities = Certainty.from_probabilities(np.round(p, 2)).probabilities
    np.testing.assert_allclose(probabilities[:, 0], 0.6, atol=0.005)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("decimals", [2, 3])
def test_more_than_rounding_explains_is_refused(decimals):
    printed = np.round(SHARP, decimals)
    printed[[3, 7], 0] += 11 * 10.0**-decimals
    output = refused(np.clip(printed, 0, 1))
    assert "do not sum to 1 in 2 rows: 3, 7" in output


def test_what_half_precision_left_beside_a_sum_of_1_is_divided_out():
    """Such a row was refused as having a sum below 1."""
    for p in ([[0.5, 0.5002]], [[0.51234567, 0.48785433]], [[0.5, 0.4997]]):
        np.testing.assert_allclose(Certainty.from_probabilities(p).probabilities.sum(axis=1), 1)
    output = refused(np.array([[0.5, 0.5013], [0.4, 0.6]]))
    assert "a sum of 1.0013." in output
    assert "No row sums to more than 1" in refused(np.array([[0.5123, 0.4], [0.4, 0.6]]))


def test_one_hot_rows_and_fractions_are_distributions():
    np.testing.assert_array_equal(Certainty.from_probabilities(np.eye(3, dtype=int)).label, [0, 1, 2])
    thirds = Certainty.from_probabilities(np.full((2, 3), 1 / 3))
    np.testing.assert_allclose(thirds.probabilities, 1 / 3)


def test_nothing_but_zeros_is_no_distribution_however_many_classes_there_are():
    one_hot = np.eye(60)
    one_hot[7] = 0
    assert "do not sum to 1 in row 7" in refused(one_hot)
    printed = np.round(RANDOM.dirichlet(np.full(60, 0.1), size=5), 1)
    printed[3] = 0
    assert "do not sum to 1 in row 3" in refused(printed)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (100 * SHARP, "They look like percentages: divide them by 100"),
        (np.log(SHARP), "They look like logarithms of probabilities"),
        (RANDOM.normal(0, 2, (30, 4)), "If they are logits, give `scipy.special.softmax"),
        (RANDOM.uniform(size=(30, 4)), "the yes or no of a label of its own, as sigmoids are"),
        (SHARP[:, 1:], "a class may be missing"),
        (np.column_stack([np.arange(400), SHARP]), "without column 0 (from 0) each row sums to 1"),
        (np.column_stack([np.arange(400), SHARP, np.full(400, -2.5)]), "without columns 0 and 11 (from 0)"),
        (
            np.column_stack([np.arange(400), np.log(SHARP) + 1]),
            "no class: column 0 (from 0) holds whole numbers",
        ),
        (np.column_stack([SHARP, RANDOM.random(400)]), "If a column is no class, leave it out"),
        (SHARP / 2, "rows are to be divided by their sums"),
        (np.where(np.arange(400)[:, None] == 7, np.nan, SHARP), "missing, NaN or infinite in row 7"),
        (np.where(np.arange(400)[:, None] == 7, np.inf, SHARP), "missing, NaN or infinite in row 7"),
        (np.array([0.2, 0.5, 0.3]), "may be one row of 3 classes, or 3 rows of two"),
        (np.zeros((2, 2, 2)), "Received: an array of shape (2, 2, 2)"),
        ("text", "are not numbers"),
        ([["a", "b"]], "are not numbers"),
        (None, "cannot be used"),
        ([[0.5, 0.5], [1.0]], "are not an array"),
        (np.ma.masked_array([[0.5, 0.5]], [[0, 1]]), "are masked in row 0"),
    ],
)
def test_what_is_no_distribution_is_refused_with_its_likely_cause(p, message):
    assert message in refused(p)


def test_names_and_settings_have_to_fit():
    assert "The class names do not fit" in refused([[0.5, 0.5]], ["a", "b", "c"])
    assert "occurs twice" in refused([[0.5, 0.5]], ["a", "a"])
    assert "`thresholds` cannot be used" in refused([[0.5, 0.5]], thresholds=0.9)
    assert "`source` cannot be used" in refused([[0.5, 0.5]], source=7)
    assert "`kind` cannot be" in refused([[0.5, 0.5]], kind=7)


def frame_of(**columns):
    return pd.DataFrame(columns)


# --- frames -----------------------------------------------------------------------------------


def test_the_columns_of_a_frame_are_the_classes():
    frame = frame_of(cat=[0.9, 0.2], dog=[0.1, 0.8])
    result = Certainty.from_probabilities(frame)
    assert result.class_names == ("cat", "dog")
    assert [row.label_name for row in result] == ["cat", "dog"]
    swapped = Certainty.from_probabilities(frame, class_names=["dog", "cat"])
    np.testing.assert_allclose(swapped.probabilities, result.probabilities[:, ::-1])
    renamed = Certainty.from_probabilities(frame, class_names=["tom", "rex"])
    assert renamed.class_names == ("tom", "rex")


def test_a_column_of_whole_zeros_beside_fractions_is_no_class_unless_it_is_named():
    frame = pd.DataFrame({"cat": [0.9, 0.2], "dog": [0.1, 0.8], "fold": [0, 0]})
    assert "a column of nothing but 0, 'fold', which may be no class" in refused(frame)
    assert len(Certainty.from_probabilities(frame, class_names=["cat", "dog", "fold"]).class_names) == 3
    assert len(Certainty.from_probabilities(frame, class_names=["cat", "dog"]).class_names) == 2
    assert len(Certainty.from_probabilities(frame.astype(float)).class_names) == 3
    assert len(Certainty.from_probabilities(frame.assign(y=["fold", "cat"])).class_names) == 3
    assert len(Certainty.from_probabilities(frame.round().astype(int)).class_names) == 3


def test_class_names_choose_among_the_columns():
    frame = frame_of(name=["a", "b"], cat=[0.9, 0.2], dog=[0.1, 0.8], age=[3, 4])
    assert Certainty.from_probabilities(frame, class_names=["cat", "dog"]).class_names == ("cat", "dog")
    assert "columns without numbers: 'name'" in refused(frame)
    assert "have no columns 'cow'" in refused(frame, class_names=["cat", "cow"])
    assert "not from 0 to 1" in refused(frame[["cat", "dog", "age"]])
    assert "too few columns" in refused(frame[["cat"]])


def test_one_column_and_two_names_are_the_second_of_two_classes():
    frame = frame_of(p=[0.2, 0.9], y=["no", "yes"], id=["x7", "y9"])
    result = Certainty.from_probabilities(frame, class_names=["no", "yes"])
    assert result.class_names == ("no", "yes")
    assert result.probabilities == pytest.approx(np.array([[0.8, 0.2], [0.1, 0.9]]))
    assert list(result.ids) == ["x7", "y9"]
    assert list(result.truth) == [0, 1]
    named = frame.rename(columns={"p": "yes"})
    assert np.array_equal(
        Certainty.from_probabilities(named, ["no", "yes"]).probabilities, result.probabilities
    )
    assert "'yes' as the second of the class names" in refused(named, class_names=["yes", "no"])
    assert "give both names: class_names=['other', 'yes']" in refused(named)
    assert "have no columns 'no', 'perhaps'" in refused(named, class_names=["no", "perhaps", "yes"])
    passes = Certainty.from_passes([frame, frame], class_names=["no", "yes"])
    assert passes.probabilities == pytest.approx(result.probabilities)


def test_ids_of_a_frame_stay_with_its_rows(tmp_path):
    frame = frame_of(id=["x7", "y9"], cat=[0.9, 0.2], dog=[0.1, 0.8])
    result = Certainty.from_probabilities(frame)
    assert result.class_names == ("cat", "dog")
    assert [row.called for row in result] == ["id x7", "id y9"]
    result.save(tmp_path / "given.parquet")
    assert list(howsure.load(tmp_path / "given.parquet").ids) == ["x7", "y9"]
    indexed = frame.drop(columns="id").set_index(pd.Index([70, 90], name="customer"))
    assert [row.called for row in Certainty.from_probabilities(indexed)] == ["customer 70", "customer 90"]
    assert Certainty.from_probabilities(frame.drop(columns="id")).ids is None
    assert list(Certainty.from_probabilities(frame.drop(columns="id")[1:]).ids) == [1]


def test_numbers_of_pandas_own_types_may_be_missing():
    frame = frame_of(cat=pd.array([0.9, None], "Float64"), dog=pd.array([0.1, 0.8], "Float64"))
    assert "missing, NaN or infinite in row 1" in refused(frame)
    assert len(Certainty.from_probabilities(frame[:1])) == 1


def test_tables_of_arrow_are_frames():
    pa = pytest.importorskip("pyarrow")
    result = Certainty.from_probabilities(pa.table({"cat": [0.9, 0.2], "dog": [0.1, 0.8]}))
    assert result.class_names == ("cat", "dog")
    np.testing.assert_array_equal(result.label, [0, 1])


def test_labels_that_come_with_a_frame_are_the_truth():
    frame = frame_of(cat=[0.9, 0.2], y=["cat", "cat"], dog=[0.1, 0.8])
    result = Certainty.from_probabilities(frame)
    assert result.class_names == ("cat", "dog")
    np.testing.assert_array_equal(result.truth, [0, 0])
    assert howsure.evaluate(result).accuracy.value == 0.5
    y = frame_of(x=[0.9, 0.2], y=[0.1, 0.8])
    assert Certainty.from_probabilities(y, class_names=["x", "y"]).class_names == ("x", "y")


def test_a_series_is_the_second_of_two_classes():
    result = Certainty.from_probabilities(
        pd.Series([0.2, 0.97], index=["a7", "b9"], name="spam"), ["no", "spam"]
    )
    assert [row.label_name for row in result] == ["no", "spam"]
    assert list(result.ids) == ["a7", "b9"]


# --- several labels ---------------------------------------------------------------------------


def test_several_labels_may_all_hold():
    p = np.array([[0.9, 0.97, 0.2], [0.5, 0.1, 0.0]])
    result = MultilabelCertainty.from_probabilities(p, ["rain", "wind", "snow"])
    np.testing.assert_allclose(result.probabilities, p)
    np.testing.assert_allclose(result.entropy, stats.entropy(np.stack([p, 1 - p]), axis=0), rtol=1e-9)
    assert not result.mc_error.any()
    assert (
        str(result[0]) == "'rain': 90.0 % yes, leaning. 'wind': 97.0 % yes, sure. 'snow': 80.0 % no, leaning."
    )
    with pytest.raises(howsure.InputError, match="not from 0 to 1 in row 1"):
        MultilabelCertainty.from_probabilities([[0.5], [1.5]])


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [[0, 1, 2], [7, 3, 12]])
def test_an_index_among_the_columns_is_named_and_nothing_is_said_of_logits(index):
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    with pytest.raises(howsure.InputError, match=r"without column 0 \(from 0\)") as refused:
        Certainty.from_probabilities(np.column_stack([index, p]))
    assert "logits" not in str(refused.value)
