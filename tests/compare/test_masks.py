"""The error that all rows share as they share the masks, against exact formulas and other seeds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import t

import howsure
from howsure.compare.comparison import AS_THEY_ARE
from howsure.compare.parts import PARTS
from howsure.compare.passes import FEWEST_GROUPS, GROUPS, KEPT, PassGroups, contributions
from howsure.compare.reasons import reasons
from howsure.sampling.outcome import Estimates

ROWS, CLASSES, PASSES = 400, 3, 10


def network(dropped=0.3):
    """Few hidden units before the last layer, so that single masks matter to all rows alike."""
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        torch.nn.Linear(5, 12), torch.nn.ReLU(), torch.nn.Dropout(dropped), torch.nn.Linear(12, CLASSES)
    )
    for weights in made.parameters():
        weights.data *= 3
    made.num_classes = CLASSES
    return made.eval()


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 5)).astype(np.float32)
    p = softmax(network()(torch.tensor(x)).detach().numpy() / 2, axis=1)
    return x, np.array([random.choice(CLASSES, p=each / each.sum()) for each in p.astype(float)])


def compared(rows, seed=0, calibrated=True, **settings):
    methods = {"softmax": howsure.Softmax(), "MC dropout": howsure.MCDropout(**settings)}
    return howsure.compare(network(), *rows, methods=methods, shifts={}, seed=seed, calibrated=calibrated)


def of_masks(comparison, name):
    return float(np.linalg.norm(comparison.masks["MC dropout"][name, AS_THEY_ARE]))


class Job:
    """Rows with probabilities of classes."""

    total = ROWS
    outcome = type(
        "Outcome",
        (),
        {
            "columns": (CLASSES,),
            "width": CLASSES,
            "precision": np.float64,
            "has_unit": False,
            "unbounded": 0,
            "are_probabilities": True,
            "result": lambda self, estimates, told: estimates.mean,
        },
    )()


class Result:
    """Settings of a result."""

    kind, method, seed, plan, version = "row", {}, 0, None, ""


def groups_of(values, squared):
    """What is heard of passes (W, n, K), whose mean has these squared errors."""
    groups, nothing = PassGroups(), np.zeros_like(squared)
    groups.begin(Job)
    groups.add(np.arange(ROWS), values, len(values))
    passes = np.full(ROWS, len(values))
    groups.keep(np.arange(ROWS), Estimates(values.mean(axis=0), nothing, squared, nothing, passes))
    return groups


def test_answers_move_by_their_errors():
    """A score that is linear in answers far from 0 moves by its exact standard error, times t/1.96."""
    values = np.random.default_rng(0).dirichlet(np.full(CLASSES, 50), size=(GROUPS, ROWS))
    groups = groups_of(values, values.var(axis=0, ddof=1) / GROUPS)
    moved = [{"mean": float(each[:, 0].mean())} for each in groups.moved(Result, groups.count)]
    actual = np.linalg.norm(contributions(moved, GROUPS)["mean"])
    error = values[..., 0].mean(axis=1).std(ddof=1) / np.sqrt(GROUPS)
    assert actual == pytest.approx(error * t.ppf(0.975, GROUPS - 1) / 1.959964, rel=0.03)


def test_two_passes_tell_an_error_too(rows):
    """With one degree of freedom t/1.96 is 6.5."""
    comparison = compared(rows, passes=2, balanced=False)
    actual = comparison.masks["MC dropout"]["nll", AS_THEY_ARE]
    assert actual[0] == -actual[1] != 0
    assert not comparison.difference("MC dropout", "softmax", "nll").excludes_zero


def test_answers_move_less_where_masks_are_balanced():
    values = np.random.default_rng(0).dirichlet(np.full(CLASSES, 50), size=(GROUPS, ROWS))
    squared = values.var(axis=0, ddof=1) / GROUPS
    whole, half = (groups_of(values, share * squared) for share in (1, 1 / 4))
    far, near = (next(each.moved(Result, GROUPS)) - values.mean(axis=0) for each in (whole, half))
    assert np.linalg.norm(near) == pytest.approx(np.linalg.norm(far) / 2, rel=0.03)


def test_moved_probabilities_stay_above_zero_and_add_up_to_one():
    values = np.random.default_rng(0).dirichlet(np.full(CLASSES, 0.05), size=(4, ROWS))
    groups = groups_of(values, values.var(axis=0, ddof=1) / 4)
    for each in groups.moved(Result, groups.count):
        assert (each > 0).all()
        np.testing.assert_allclose(each.sum(axis=1), 1)


def test_scores_of_numbers_count_the_spread_too():
    """It differs between seeds also where balanced masks make the mean exact, as the last layer is linear."""
    random = np.random.default_rng(0)
    x, model = random.normal(size=(ROWS, 5)).astype(np.float32), network()
    y = model(torch.tensor(x)).detach().numpy() + random.normal(size=(ROWS, CLASSES))
    methods = {"plain": howsure.Softmax(), "MC dropout": howsure.MCDropout(passes=20)}
    settings = {"outputs": "values", "methods": methods, "shifts": {}, "calibrated": False}
    reported = of_masks(howsure.compare(model, x, y, **settings), "nll")
    scored = []
    for seed in range(16):
        both = {
            name: howsure.assess(model, x, outputs="values", method=method, seed=seed)
            for name, method in methods.items()
        }
        comparison = howsure.Comparison.of_results(both, y, calibrated=False)
        scored.append(comparison.score("MC dropout", "nll").value)
    apart = np.std(scored, ddof=1)
    assert 0.6 * apart < reported < 3 * apart


@pytest.mark.parametrize("balanced", [False, True])
def test_the_error_is_that_of_other_seeds(rows, balanced):
    settings = {"passes": PASSES, "balanced": balanced, "calibrated": False}
    actual = [compared(rows, seed, **settings) for seed in range(16)]
    for name in ("nll", "brier", "accuracy", "aurc"):
        apart = np.std([each.score("MC dropout", name).value for each in actual], ddof=1)
        reported = np.mean([of_masks(each, name) for each in actual])
        assert 0.7 * apart < reported < 3 * apart  # a deviation of 16 is known to ± 18 %, and t/1.96 is 1.15


def by_rows_alone(comparison, labels):
    """The same results, of which no passes are known."""
    plain = {name: comparison.certainties[name] for name in ("softmax", "MC dropout")}
    return howsure.Comparison.of_results(plain, labels, calibrated=False)


def test_intervals_hold_the_mean_difference_of_other_seeds(rows):
    """Only masks differ between seeds, so intervals over rows hold it far too rarely."""
    actual, by_rows = [], []
    for seed in range(30):
        one = compared(rows, seed, passes=4, balanced=False, calibrated=False)
        actual.append(one.difference("MC dropout", "softmax", "nll"))
        by_rows.append(by_rows_alone(one, rows[1]).difference("MC dropout", "softmax", "nll"))
    mean = np.mean([each.value for each in actual])
    held, without = (sum(each.low <= mean <= each.high for each in of) for of in (actual, by_rows))
    assert held >= 24 > without


def test_members_share_masks_too(rows):
    """An ensemble of two nearly equal networks has the error of one alone, but for the balance."""
    settings = {"passes": PASSES, "balanced": False}
    one = compared(rows, **settings)
    other = network()
    other[0].weight.data *= 1 + 1e-4
    ensemble = howsure.Ensemble([other], each=howsure.MCDropout(**settings))
    two = howsure.compare(
        network(), *rows, methods={"softmax": howsure.Softmax(), "MC dropout": ensemble}, shifts={}
    )
    ratio = of_masks(two, "nll") / of_masks(one, "nll")
    assert ratio == pytest.approx(1, abs=0.15)  # what independent passes show of their balance


def test_masks_count_in_all_that_is_told(rows):
    comparison = compared(rows, passes=4, balanced=False)
    masks = len(comparison.masks["MC dropout"]["nll", AS_THEY_ARE])
    assert len(comparison.measured("MC dropout", "nll").parts) == ROWS + masks
    assert not comparison.measured("softmax", "nll").parts[ROWS:].any()
    names = "MC dropout", "MC dropout, calibrated"
    own, calibrated = (comparison.measured(name, "error_auroc").parts[ROWS:] for name in names)
    assert own.any()
    assert np.array_equal(own, calibrated)
    over_rows = by_rows_alone(comparison, rows[1])
    for part in PARTS:
        wide, narrow = (each.part("MC dropout", part) for each in (comparison, over_rows))
        assert wide.value == pytest.approx(narrow.value)
        assert wide.high - wide.low > narrow.high - narrow.low


@pytest.mark.parametrize(("size", "told"), [(1.0, True), (1e-4, False)])
def test_a_reason_says_where_masks_are_most_of_the_doubt(rows, size, told):
    masks = {"MC dropout": {("nll", AS_THEY_ARE): size * np.array([1.0, -1.0, 0.0])}}
    comparison = replace(compared(rows, passes=8), masks=masks)
    assert ("more passes would tell more than more rows" in reasons(comparison)["MC dropout"]) is told


class Maps(Job):
    """Maps of 400 × 500 positions and 20 classes, of which few fit into memory."""

    outcome = type(
        "Outcome",
        (),
        {"columns": (400, 500, 20), "width": 20, "precision": np.float32, "has_unit": False, "unbounded": 0},
    )()


def test_large_maps_get_fewer_groups_and_no_more_memory():
    groups = PassGroups()
    groups.begin(Maps)
    assert groups._sums.nbytes <= KEPT
    assert (len(groups._sums), len(groups.rows)) == (FEWEST_GROUPS, 4)
    Maps.outcome.columns = (4000, 5000, 20)
    groups.begin(Maps)
    assert len(groups.rows) == groups.count == 0


def test_a_plain_prediction_has_none(rows):
    comparison = howsure.compare(network(), *rows, methods={"softmax": howsure.Softmax()}, shifts={})
    assert not comparison.masks
    assert len(comparison.measured("softmax", "nll").parts) == ROWS


def test_more_units_than_groups_are_divided_among_them(rows):
    comparison = compared(rows, passes=3 * GROUPS, balanced=False)
    assert len(comparison.masks["MC dropout"]["nll", AS_THEY_ARE]) == GROUPS - 1
