"""What must not change a row's numbers does not, and block by block gives what the whole gives.

The engine knows of no framework, so a network in numpy shows it once; `tests/keras/test_invariances.py` shows
what a framework could break.
"""

import inspect
import sys
from dataclasses import fields

import numpy as np
import pytest

import howsure
from howsure.cli.assessing import Assess
from howsure.cli.settings import Settings, read_settings
from howsure.inputs.rows import InputSpec
from howsure.request import Request
from tests.sampling.networks import same as close
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.cases import ROWS, array_cases, arrays, dense, two_layers

METHOD = howsure.MCDropout(passes=12)
STEPS = two_layers(Dropout(0.4))
CLASSES = [
    name
    for name, case in array_cases().items()
    if "PassModel" in case.protocols
    and name not in ("drop_at_the_end", "positions", "regression", "labels")
    and len(case.make().levels) > 1
]


@pytest.fixture(scope="module")
def network():
    return arrays(STEPS).make()


@pytest.fixture(scope="module")
def many():
    return arrays(STEPS, rows=40).rows[0]


def assess(model, x, **arguments):
    return howsure.assess(model, x, **{"method": METHOD, **arguments})


def test_batch_size_does_not_matter_for_adaptive_passes(network, many):
    method = howsure.MCDropout(target_error=0.02, max_passes=100)
    a, b = (assess(network, many, method=method, batch_size=size) for size in (5, 64))
    assert np.array_equal(a.passes, b.passes)
    assert len(set(a.passes)) > 1
    close(a, b)


def test_relabelling_classes_relabels_the_answer(network, many):
    order = np.array([2, 0, 1])
    last = dense(7, 3, "softmax")
    relabelled = Dense(last.weights[:, order], last.bias[order], "softmax")
    before = assess(network, many)
    after = assess(arrays({**STEPS, "output": (relabelled, "late_drop")}).make(), many)
    np.testing.assert_allclose(after.probabilities, before.probabilities[:, order], atol=3e-6)
    np.testing.assert_allclose(after.entropy, before.entropy, atol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_bounds_hold(name):
    case = array_cases()[name]
    model = case.make()
    x = case.rows[0] if len(case.rows) == 1 else list(case.rows)
    c = assess(model, x)
    assert np.all(c.mutual_information >= 0)
    assert np.all(c.mutual_information <= c.entropy)
    assert np.all(c.entropy <= np.log(c.probabilities.shape[1]) + 1e-9)
    np.testing.assert_allclose(c.probabilities.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(c.mutual_information, c.entropy - c.expected_entropy, atol=1e-9)


def test_bounds_hold_for_several_labels():
    case = array_cases()["labels"]
    c = assess(case.make(), case.rows[0])
    assert c.probabilities.shape == (ROWS, 5)
    assert np.all((c.probabilities >= 0) & (c.probabilities <= 1))
    assert np.all(c.mutual_information >= 0)
    assert np.all(c.mutual_information <= c.entropy)
    assert np.all(c.entropy <= np.log(2) + 1e-9)
    np.testing.assert_allclose(c.mutual_information, c.entropy - c.expected_entropy, atol=1e-9)


# --- what the mean is a mean of -----------------------------------------------------------------------


def of(steps, inputs):
    return ArrayModel("net", [InputSpec("x", (inputs,), "float32")], steps, trained_for="classes")


def test_probabilities_are_averaged_and_neither_logits_nor_votes():
    """One unit, kept in 3 of 4 passes: these lean to 0 by a hair, the fourth is sure of 1."""
    last = Dense([[20.04 * 0.75, 0.0]], [0.0, 20.0])
    model = of({"drop": (Dropout(0.25), "x"), "last": (last, "drop")}, 1)
    certainty = assess(model, np.ones((1, 1), "float32"), method=howsure.MCDropout(passes=40))
    kept = 1 / (1 + np.exp(-0.04))
    assert certainty.probabilities[0] == pytest.approx([0.75 * kept, 1 - 0.75 * kept], abs=1e-5)
    assert certainty.label[0] == 1, "three of four passes vote for 0"
    assert certainty.probabilities[0, 1] < 0.7, "the softmax of the mean logits is 0.99"


def test_a_row_says_what_else_it_could_be(network, many):
    certainty = assess(network, many, class_names=["six", "eight", "nine"])
    undecided = certainty[certainty.most_undecided(1)[0]]
    assert f"'{undecided.label_name}'" in str(undecided)
    assert f"'{undecided.runner_up_name}'" in str(undecided)


# --- seeds --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare():
    """A network whose output is its mask."""
    return of({"drop": (Dropout(0.5), "x")}, 4000)


def test_adjacent_seeds_do_not_repeat_masks(bare):
    x = np.ones((1, 4000), "float32")
    means = [howsure.predict_with_uncertainty(bare, x, n_iter=2, seed=seed)[0][0] for seed in range(5)]
    correlations = np.corrcoef(means)[~np.eye(5, dtype=bool)]
    assert np.all(np.abs(correlations) < 5 / np.sqrt(4000))


def test_passes_are_independent_of_each_other_and_the_same_for_every_row(bare):
    mean, variance = howsure.predict_with_uncertainty(bare, np.ones((7, 4000), "float32"), n_iter=2)
    assert np.all(mean == mean[0])
    assert np.all(variance == variance[0])
    # Two fair coins: 0, 1 or 2 heads with frequencies 1/4, 1/2, 1/4.
    frequency = np.bincount(mean[0].round().astype(int), minlength=3) / 4000
    assert np.all(np.abs(frequency - [0.25, 0.5, 0.25]) < 5 * np.sqrt(0.25 / 4000))


# --- block by block -----------------------------------------------------------------------------------


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("howsure.tuning.BLOCK", 10)


def test_blocks_joined_are_the_whole(network, many, small_blocks, tmp_path):
    """From a memory-mapped file too."""
    x = many[:33]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = []
    blocks = list(howsure.stream(network, mapped, progress=lambda done, total: seen.append((done, total))))
    assert [len(block) for block in blocks] == [10, 10, 10, 3]
    assert seen[-1] == (33, 33)
    whole, joined = howsure.assess(network, x), howsure.Certainty.joined(blocks)
    for name in (
        "probabilities",
        "mc_error",
        "entropy",
        "entropy_error",
        "mutual_information_error",
        "passes",
    ):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    np.testing.assert_array_equal(joined.row, np.arange(33))
    assert joined.plan == whole.plan


def test_errors_come_before_the_first_block(network, many):
    with pytest.raises(howsure.InputError, match="batch_size"):
        howsure.stream(network, many, batch_size=0)


def test_no_rows_are_one_empty_block(network, many):
    (block,) = howsure.stream(network, many[:0])
    assert len(block) == 0
    assert block.probabilities.shape == (0, 3)


WISHES = {
    "seed": 3,
    "batch_size": 7,
    "outputs": "quantiles",
    "levels": (0.1, 0.9),
    "class_names": ["a", "b"],
    "thresholds": howsure.Thresholds(sure=0.9),
    "output": 1,
    "outcome": None,
    "class_axis": 1,
    "keep": "probabilities",
    "tile": 8,
    "overlap": 2,
    "positions": [True],
}


@pytest.mark.parametrize(("function", "inner"), [("assess", "assessed"), ("stream", "streamed")])
def test_every_wish_is_an_argument_that_reaches_the_request(function, inner, monkeypatch):
    received = []
    module = sys.modules["howsure.assess"]  # the name of the module is that of the function, too
    monkeypatch.setattr(module, inner, lambda model, x, method, request, *_: received.append(request))
    defaults = {each.name: each.default for each in fields(Request)}
    assert set(WISHES) == set(defaults)
    taken = inspect.signature(getattr(howsure, function)).parameters
    assert {name: taken[name].default for name in defaults} == defaults
    getattr(howsure, function)(None, None, **WISHES)
    assert vars(received[0]) == WISHES


def test_every_wish_but_an_array_is_a_setting_of_the_command_line():
    options = {"seed", "class_names"}
    assert {each.name for each in fields(Request)} - {each.name for each in fields(Settings)} - options == {
        "thresholds",  # sure and coin_flip
        "positions",
        "outcome",
    }
    given = ("sure=0.9", "output=1", "class_axis=1", "tile=8,4", "overlap=2")
    request = read_settings(given, Assess.takes, "assess").request("a,b", 0)
    assert (request.class_names, request.thresholds.sure, request.output) == (("a", "b"), 0.9, 1)
    assert (request.tile, request.overlap, request.keep, request.seed) == ((8, 4), 2, None, 0)
