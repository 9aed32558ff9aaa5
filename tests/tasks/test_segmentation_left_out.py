"""Positions that do not count: anything at all may stand there, and no door says anything else."""

import re
from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure.report.page import render
from howsure.sampling.outcome import Estimates
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.result import DenseCertainty
from tests.pixels import SIDE, images, make
from tests.report.made import Page
from tests.tasks.maps import certainty_of, drawn

N, SHAPE = 12, (16, 20)


def inside(shape=SHAPE, rows=N):
    """(N, *P) a region of interest: all but a frame, and a hole in the middle of some."""
    found = np.zeros((rows, *shape), dtype=bool)
    found[(slice(None), *[slice(2, -3)] * len(shape))] = True
    found[(slice(0, 4), *[slice(5, 7)] * len(shape))] = False
    return found


def results(shape=SHAPE, rows=N):
    """Two results that differ in everything at positions that do not count, true classes included."""
    p, truth = drawn(rows, positions=shape, sharp=1.0)
    there = inside(shape, rows)
    odd = np.where(there[..., None], p, np.array([0.35, 0.33, 0.32], np.float32))
    share = np.stack(
        [[np.mean(each[at] == k) for k in range(3)] for each, at in zip(p.argmax(-1), there, strict=True)]
    )
    found = []
    for probabilities, true in ((p, truth), (odd, np.where(there, truth, (truth + 1) % 3))):
        of_it = certainty_of(probabilities, counts=there, share=share)
        found.append(of_it.with_truth(true).with_ids([f"{at}.x" for at in range(rows)], "file"))
    return found


def same(one, other):
    """Whether two outputs are the same, arrays bit by bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        if one.dtype == object:
            return np.array_equal(one, other)
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return one == other or (one != one and other != other)


@pytest.mark.parametrize("shape", [(9,), (7, 8, 9)])
def test_nor_in_signals_and_volumes(shape):
    one, other = results(shape)
    given = None if len(shape) == 3 else [list("abcdefghi")] * N
    assert render(one, given) == render(other, given)


def test_passes_are_probabilities_where_a_model_says_that_positions_do_not_count():
    model = make()
    model.counted = lambda rows: inside((SIDE, SIDE), len(rows[0]))
    p = howsure.passes(model, images(3) / 255, 12)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(p[:, ~inside((SIDE, SIDE), 3)], np.float32(1 / 3))


def test_of_no_rows_no_position_is_left_out():
    for method in (howsure.PlainPrediction(), howsure.MCDropout(passes=20)):
        there = inside((SIDE, SIDE), 0)
        none = howsure.assess(make(), images(3)[:0] / 255, positions=there, method=method)
        assert (len(none), none.counts, none.share.shape) == (0, None, (0, 3))


def test_an_outcome_answers_for_no_other_rows_than_those_whose_positions_it_knows():
    outcome = Positions(
        *("a model", "probabilities", "float32", ("a", "b", "c"), howsure.Thresholds(), SHAPE, 2),
        counts=inside(),
    )
    nothing = np.zeros((4, *SHAPE, 6), dtype=np.float32)
    estimates = Estimates(nothing, nothing, nothing, nothing, np.full(4, 20))
    some = np.array([9, 3, 0, 7])
    assert outcome.take(some).is_enough(estimates, 0.02).shape == (4,)
    np.testing.assert_array_equal(outcome.take(some).take(np.array([1, 2])).counts, inside()[[3, 0]])
    for answer in (lambda: outcome.is_enough(estimates, 0.02), lambda: outcome.tally(4)):
        with pytest.raises(ValueError, match="reshape"):
            answer()


# --- what they are, beside others -------------------------------------------------------------------------


def test_the_slice_with_the_most_doubt_is_one_of_what_counts():
    one, other = results((7, 8, 9))
    for result in (one, other):
        at = int(result.most_undecided(1)[0])
        best = int(np.argmax([result.entropy[at, z][result.counts[at, z]].sum() for z in range(7)]))
        assert f"slice {best} of 0 to 6" in Page(render(result)).words.split(f"{at}.x image {at}")[1]


def test_words_that_do_not_count_have_no_verdict_and_padding_is_not_shown():
    p, _ = drawn(1, positions=(7,), sharp=0.2)
    there = np.array([[False, True, True, False, True, False, False]])
    result = certainty_of(p, counts=there, position_called="token", kind="row")
    page = render(result, [["[CLS]", "Wash", "ing", "##ton", "won", "[SEP]", "[PAD]"]])
    assert re.findall(r'<span class="word ([a-z-]+)">([^<]*)', page) == [
        ("is-coin-flip", "Wash"),
        ("is-coin-flip", "ing"),
        ("aside", "##ton"),
        ("is-coin-flip", "won"),
    ]
    assert not {"pixel", "image", "map", "outline"} & set(re.findall(r"[a-z]+", Page(page).words.lower()))


def test_sets_of_positions_that_do_not_count_are_empty_and_not_in_means():
    one, _ = results()
    sets = howsure.prediction_sets(one, coverage=0.8)(one)
    for at in range(N):
        sizes = sets[at].sum(axis=-1)
        np.testing.assert_array_equal(sizes > 0, one.counts[at])
        assert sets.size[at] == pytest.approx(sizes[one.counts[at]].mean())


def test_parts_of_which_some_have_no_padding_are_joined(tmp_path):
    one, _ = results()
    p, truth = drawn(5, positions=SHAPE)
    whole = certainty_of(p, row=np.arange(N, N + 5)).with_truth(truth)
    one = replace(one, ids=None, id_name=whole.id_name)
    for name, part in (("one", one), ("whole", whole)):
        part.save(tmp_path / f"{name}.parquet")
    saved = [howsure.load(tmp_path / f"{name}.parquet") for name in ("one", "whole")]
    for order in ((one, whole), (whole, one), saved, saved[::-1]):
        joined = DenseCertainty.joined(order)
        label = np.concatenate([each.label for each in order])
        np.testing.assert_array_equal(joined.counts, label >= 0)
        np.testing.assert_array_equal(joined.label, label)
        np.testing.assert_array_equal(joined.doubt, np.concatenate([each.doubt for each in order]))
        gathered = DenseCertainty.joined(iter(order))
        for name, array in joined._arrays.items():
            assert same(np.asarray(array), np.asarray(gathered._arrays[name])), name
