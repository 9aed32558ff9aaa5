"""The error of a mean over rows, which share masks: against all thinned networks, and where it is lost."""

import itertools

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense, Dropout

ROWS, UNITS, K = 60, 11, 3
RANDOM = np.random.default_rng(0)
INTO, OUT = RANDOM.normal(size=(4, UNITS)), RANDOM.normal(size=(UNITS, K))
X = RANDOM.normal(size=(ROWS, 4)).astype(np.float32)
ENDINGS = {"softmax": None, "sigmoid": "label-probabilities", "linear": "values"}
RATE = 0.4


def network(ending):
    steps = {
        "one": (Dense(INTO, 0.0, "relu"), "x"),
        "drop": (Dropout(RATE), "one"),
        "output": (Dense(OUT, 0.0, ending), "drop"),
    }
    return ArrayModel("u", [InputSpec("x", (4,), "float32")], steps)


def exact_mean(ending):
    """(N, K) the mean over all 2,048 thinned networks."""
    bits = np.array(list(itertools.product([0, 1], repeat=UNITS)))
    weight = np.prod(np.where(bits, 1 - RATE, RATE), axis=1)
    values = np.einsum("mu,nu,uk->mnk", bits / (1 - RATE), np.maximum(X @ INTO, 0), OUT)
    if ending == "softmax":
        odds = np.exp(values - values.max(axis=-1, keepdims=True))
        values = odds / odds.sum(axis=-1, keepdims=True)
    if ending == "sigmoid":
        values = 1 / (1 + np.exp(-values))
    return np.tensordot(weight, values, 1)


def assess(ending="softmax", passes=20, **given):
    # Balanced masks leave nothing of the error of what is linear in them.
    method = howsure.MCDropout(passes=passes, balanced=ending != "linear")
    return howsure.assess(
        network(ending), X, **({"method": method, "outputs": ENDINGS[ending], "keep": "groups"} | given)
    )


def answers(result):
    return result.mean if isinstance(result, howsure.RegressionCertainty) else result.probabilities


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_error_of_a_mean_over_rows_covers_what_all_networks_say(ending):
    """95 % of 200 seeds, 93 to 97 within their noise; as if rows were independent, less than 90 %."""
    exact, seeds = exact_mean(ending), 100
    for passes in (20, 72):
        held, alone = [], []
        for seed in range(seeds):
            result = assess(ending, passes, seed=seed)
            for rows in (None, slice(5), result.row % 3 == 0):
                chosen = slice(None) if rows is None else rows
                off = np.abs(answers(result)[chosen].mean(axis=0) - exact[chosen].mean(axis=0))
                held.append(off <= 1.96 * result.mean_error(rows))
            independent = np.sqrt(np.sum(result.mc_error**2, axis=0)) / ROWS
            alone.append(np.abs(answers(result).mean(axis=0) - exact.mean(axis=0)) <= 1.96 * independent)
        noise = 2.6 * np.sqrt(0.05 * 0.95 / seeds)
        assert 0.93 - noise <= np.mean(held) <= 0.97 + noise
        assert np.mean(alone) < 0.9


def test_of_one_row_it_is_the_error_of_that_row():
    result = assess("linear", passes=12)  # twelve groups, of which none are put together
    for at in (0, 7):
        np.testing.assert_allclose(result.mean_error([at]), result.mc_error[at], rtol=1e-4)


def test_it_is_in_the_unit_of_the_numbers(monkeypatch):
    """The least error of a probability is none of a number, which may be of any size."""
    usual = assess("linear").mean_error()
    monkeypatch.setattr(f"{__name__}.OUT", 1e-6 * OUT)
    np.testing.assert_allclose(assess("linear").mean_error(), 1e-6 * usual, rtol=1e-4)


def test_it_stays_with_rows_that_are_chosen_joined_and_labelled():
    result = assess()
    again = result.joined([result[:20], result[20:]]).with_ids([f"row {row}" for row in range(ROWS)])
    again = again.with_truth(np.zeros(ROWS, int))
    np.testing.assert_array_equal(again.mean_error(), result.mean_error())
    np.testing.assert_array_equal(again[::2].mean_error(), result.mean_error(np.arange(0, ROWS, 2)))
    method, named = howsure.MCDropout(passes=20), {"x": X, "id": np.arange(ROWS)}
    (block,) = howsure.stream(network("softmax"), named, method=method, keep="groups")
    np.testing.assert_array_equal(block.mean_error(), result.mean_error())


def test_it_is_lost_with_the_answers_that_it_is_about(tmp_path):
    found = assess(passes=60)
    found.save(tmp_path / "saved.parquet")
    labels = np.random.default_rng(1).integers(0, K, ROWS)
    numbers, several = assess("linear"), assess("sigmoid")
    lost = [
        howsure.load(tmp_path / "saved.parquet"),
        howsure.calibrate(found, labels)(found),
        numbers.above(0.0, target=numbers.target_names[0]) if K > 1 else numbers.above(0.0),
        several.of_label(several.label_names[0]),
        assess(keep=None),
        howsure.assess(network("softmax"), X),
        howsure.Certainty.from_passes(np.random.default_rng(0).dirichlet([1, 1], size=(5, 6))),
    ]
    for result in lost:
        with pytest.raises(howsure.InputError, match=r"groups of passes make .* was not kept.*keep='groups'"):
            result.mean_error()


def test_where_nothing_is_drawn_it_is_0():
    plain = howsure.assess(network("softmax"), X, method=howsure.Softmax())
    assert plain.mean_error().tolist() == [0.0] * K


def test_what_has_no_such_error_is_refused():
    for method in (None, howsure.MCDropout(), howsure.MCDropout(max_passes=50), howsure.Softmax()):
        with pytest.raises(howsure.InputError, match=r"passes that are the same for all rows"):
            assess(method=method)
    result = assess()
    for none in ([], slice(0), result.row < 0, 3):
        with pytest.raises(howsure.InputError, match="A mean needs rows"):
            result.mean_error(none)
    maps = ArrayModel(
        "maps",
        [InputSpec("x", (5, 4), "float32")],
        {
            "one": (Dense(INTO, 0.0, "relu"), "x"),
            "drop": (Dropout(RATE), "one"),
            "output": (Dense(OUT, 0.0, "softmax"), "drop"),
        },
    )
    x = np.ones((2, 5, 4), np.float32)
    with pytest.raises(howsure.InputError, match="one answer each"):
        howsure.assess(maps, x, method=howsure.MCDropout(passes=20), keep="groups")
    result = howsure.assess(maps, x, method=howsure.MCDropout(passes=20))
    with pytest.raises(howsure.InputError, match="was not kept"):
        result.mean_error()
