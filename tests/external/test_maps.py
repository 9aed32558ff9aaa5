"""Maps of probabilities and passes over them, from elsewhere."""

import itertools

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure import Certainty, DenseCertainty
from howsure.tasks.segmentation.printed import summary

RANDOM = np.random.default_rng(0)
PASSES = RANDOM.dirichlet([0.5] * 4, size=(7, 12, 6, 5))
P = PASSES.mean(axis=0)
TRUTH = RANDOM.integers(0, 4, (12, 6, 5))
NAMES = ["road", "tree", "car", "sky"]
OF_POSITIONS = "probabilities", "mc_error", "expected_entropy", "entropy", "mutual_information"


@pytest.mark.parametrize(("made", "values"), [("from_passes", PASSES), ("from_probabilities", P)])
def test_each_position_is_as_a_row_of_classes(made, values):
    result = getattr(DenseCertainty, made)(values, NAMES)
    flat = getattr(Certainty, made)(values.reshape(*values.shape[:-4], -1, 4), NAMES)
    for row in range(12):
        mine, theirs = result.of_row(row), flat[30 * row : 30 * row + 30]
        for name in OF_POSITIONS:
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), atol=2e-6, err_msg=name)
        assert mine.verdict.tolist() == theirs.verdict.tolist()
        assert result.settled[row].reshape(-1).tolist() == theirs.settled.tolist()


def test_shares_and_overlap_are_those_of_the_maps_of_passes():
    result, labels = DenseCertainty.from_passes(PASSES), PASSES.argmax(axis=-1)
    there = labels[..., None] == np.arange(4)
    shares = there.mean(axis=(2, 3))
    np.testing.assert_allclose(result.share, shares.mean(axis=0))
    np.testing.assert_allclose(result.share_spread, shares.std(axis=0, ddof=1), rtol=1e-6)
    pairs = [
        2 * (a & b).sum((1, 2)) / (a.sum((1, 2)) + b.sum((1, 2))) for a, b in itertools.combinations(there, 2)
    ]
    np.testing.assert_allclose(result.overlap, np.mean(pairs, axis=0))
    among = np.array(list(itertools.combinations(range(7), 2)))
    without = [np.mean(np.array(pairs)[(among != left).all(axis=1)], axis=0) for left in range(7)]
    jackknife = np.sqrt(6 / 7 * np.sum((without - result.overlap) ** 2, axis=0))
    np.testing.assert_allclose(
        result.overlap_error, jackknife * stats.t.ppf(0.975, 6) / stats.norm.ppf(0.975)
    )
    assert set(result.passes) == {7}


def test_nothing_is_known_between_passes_of_probabilities_alone():
    result = DenseCertainty.from_probabilities(P, NAMES)
    assert np.isnan(result.overlap).all()
    assert np.isnan(result.share_spread).all()
    assert np.isnan(result.share_interval(0.9)).all()
    assert not result.mutual_information.any()
    assert "The percentages came without passes" in summary(result)


def test_lists_are_as_arrays_also_with_classes_first():
    whole = DenseCertainty.from_probabilities(P)
    for result in (
        DenseCertainty.from_probabilities(list(P)),
        DenseCertainty.from_probabilities(P.tolist()),
        DenseCertainty.from_probabilities(np.moveaxis(P, -1, 1), class_axis=1),
    ):
        np.testing.assert_array_equal(result.probabilities, whole.probabilities)
    of_rows = DenseCertainty.from_passes([PASSES[:, row] for row in range(12)])
    np.testing.assert_array_equal(of_rows.overlap, DenseCertainty.from_passes(PASSES).overlap)


def test_positions_that_do_not_count_may_hold_anything():
    there = RANDOM.random((12, 6, 5)) < 0.7
    results = []
    for filled in (np.nan, 7.0):
        filled_passes = np.where(there[..., None], PASSES, filled)
        results.append(DenseCertainty.from_passes(filled_passes, positions=there))
    for name in ("share", "share_error", "overlap", "undecided", "doubt"):
        np.testing.assert_array_equal(*(getattr(result, name) for result in results), err_msg=name)
    flat = Certainty.from_passes(PASSES[:, 3][:, there[3]])
    np.testing.assert_allclose(results[0].of_row(3).probabilities, flat.probabilities, atol=1e-6)


def test_two_classes_may_be_given_as_the_second_alone():
    of_second = P[..., :1]
    both = DenseCertainty.from_probabilities(np.concatenate([1 - of_second, of_second], axis=-1))
    np.testing.assert_array_equal(
        DenseCertainty.from_probabilities(of_second).probabilities, both.probabilities
    )


def test_a_pass_that_is_given_twice_is_said():
    with pytest.warns(howsure.HowsureWarning, match="Passes 0 and 7 are the same"):
        DenseCertainty.from_passes(np.concatenate([PASSES, PASSES[:1]]))
    other = np.concatenate([PASSES, PASSES[:1]])
    other[-1, 3] = PASSES[1, 3]
    DenseCertainty.from_passes(other)  # the same in some rows only


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.moveaxis(P, -1, 1), "class_axis=1"),
        (P[:, 0, 0], "howsure.Certainty takes these"),
        ([P[0], P[1][:4]], "Row 1 has another size than row 0"),
        ([], "no maps"),
        (None, "no maps"),
        (np.log(P), "numpy.exp"),
        (np.minimum(1, 1.5 * P), "every position|one at a time"),
        (P[:, 0, 0, :, None], "class_axis=1"),
        (P * np.nan, r"row 0 are missing, NaN or infinite at 30 of 30 positions, first at \(0, 0\)"),
        ("case0.npz", r"numpy\.load\(path\)\['probabilities'\]"),
        (["case0.npz", "case1.npz"], r"row 0 are the name of a file"),
    ],
)
def test_what_is_no_map_of_probabilities_is_one_clear_error(values, message):
    with pytest.raises(howsure.HowsureError, match=message):
        DenseCertainty.from_probabilities(values)


@pytest.mark.parametrize(("made", "values"), [("from_passes", PASSES), ("from_probabilities", P)])
def test_maps_that_are_given_as_rows_are_told_where_they_belong(made, values):
    with pytest.raises(howsure.InputError, match="belong to `howsure"):
        getattr(Certainty, made)(values)


def test_one_pass_belongs_to_probabilities():
    with pytest.raises(howsure.InputError, match="`from_probabilities`"):
        DenseCertainty.from_passes(PASSES[:1])
