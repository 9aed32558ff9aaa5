"""A budget bounds what a call costs, by counted operations, and goes to rows that need it."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.random_ops import GAUSSIAN_NOISE, UNIFORM
from howsure.sampling.budget import Budget, multiply_adds, usual_budget
from howsure.sampling.design import flat_design
from howsure.sampling.outcome import Estimates
from howsure.tasks.classification.outcome import Classes
from tests.sampling.networks import dense, late_is_cheap, same, trunk_is_dear
from tests.support.arrays import ArrayModel, Dropout

COUNTS = (20, 120)


@pytest.fixture(autouse=True)
def _chunks_as_they_come(monkeypatch):
    """No rows that fill up a chunk: they cost, and no budget knows of them."""
    monkeypatch.setattr("howsure.sampling.run.padded", lambda rows: rows)


def flat(rate=0.2):
    """Certain of some rows and in doubt about others; no level is cheap to repeat."""
    random = np.random.default_rng(3)
    steps = {
        "one": (dense(random, 8, 40, "relu"), "x"),
        "drop": (Dropout(rate), "one"),
        "two": (dense(random, 40, 40, "relu"), "drop"),
        "late": (Dropout(rate), "two"),
        "output": (dense(random, 40, 3, "softmax"), "late"),
    }
    x = random.normal(size=(max(COUNTS), 8)) * random.uniform(0.1, 6, size=(max(COUNTS), 1))
    return ArrayModel("flat", [InputSpec("x", (8,), "float32")], steps), x.astype("float32")


@contextmanager
def counted(model):
    """A list that grows by the plain predictions of one row that trunks and thinned networks cost."""
    kind, costs = type(model), []
    thin, trunk = kind.thin, kind.trunk

    def counting_trunk(self, rows):
        costs.append(len(rows[0]) * self.levels[0].cost)
        return trunk(self, rows)

    def counting_thin(self, masks):
        run, widths = thin(self, masks), iter(masks)
        cost = sum(
            [len([next(widths) for _ in level.random_ops][0]) * level.cost for level in self.levels[1:]]  # noqa: RUF015
        )

        def passes(shared):
            costs.append(len(shared) * cost)
            return run(shared)

        return passes

    kind.thin, kind.trunk = counting_thin, counting_trunk
    try:
        yield costs
    finally:
        kind.thin, kind.trunk = thin, trunk


def spent(model, x, method, **settings):
    """The result, and what it cost for each row."""
    with counted(model) as costs:
        result = howsure.assess(model, x, method=method, **settings)
    return result, sum(costs) / len(x)


@pytest.mark.parametrize("rows", COUNTS)
@pytest.mark.parametrize("budget", [5, 20, 60])
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
def test_a_call_costs_the_budget_pilot_included(rate, budget, rows):
    model, x = flat(rate)
    method = howsure.MCDropout(budget=budget, target_error=1e-6)
    result, cost = spent(model, x[:rows], method)
    assert 0.9 * budget <= cost <= 1.1 * budget
    assert result.passes.min() >= 2


def dearer(model, times):
    """The same model, whose passes cost more than a plain prediction."""
    model.levels = tuple(replace(level, cost=times * level.cost) for level in model.levels)
    return model


@pytest.mark.parametrize("rows", COUNTS)
@pytest.mark.parametrize("times", [1.2, 1.5])
def test_so_it_does_where_a_pass_costs_more_than_a_plain_prediction(times, rows):
    model, x = flat(0.1)
    method = howsure.MCDropout(budget=20, target_error=1e-6)
    result, cost = spent(dearer(model, times), x[:rows], method)
    assert 0.85 * 20 <= cost <= 1.1 * 20
    assert result.passes.min() == 10  # which balance each other


def test_a_cell_costs_no_more_than_the_budget():
    levels = flat(0.1)[0].levels
    for times, budget, passes in (
        (1, 20, 10),
        (1.5, 20, 10),
        (2.5, 20, 9),
        (1, 5, 2),
        (1.5, 5, 2),
        (3, 5, None),
    ):
        dear = [replace(level, cost=times * level.cost) for level in levels]
        design = flat_design(dear, budget=budget)
        assert (design and design.passes) == passes
        assert design is None or design.cost <= budget


@pytest.mark.parametrize("kind", [UNIFORM, GAUSSIAN_NOISE])
@pytest.mark.parametrize(("budget", "passes"), [(5, 2), (8, 4), (20, 10)])
def test_nor_does_one_of_draws_that_are_no_dropout(kind, budget, passes):
    levels = [
        replace(level, random_ops=tuple(replace(op, kind=kind) for op in level.random_ops))
        for level in flat(0.1)[0].levels
    ]
    design = flat_design(levels, budget=budget)
    assert design.passes == passes
    assert design.cost <= budget / 2 + 1e-9


@pytest.mark.parametrize("network", [late_is_cheap, trunk_is_dear])
@pytest.mark.parametrize("budget", [4, 8])
def test_so_it_does_where_late_levels_are_split(network, budget):
    model, x = network()
    _, cost = spent(model, x, howsure.MCDropout(budget=budget))
    assert cost <= 1.1 * budget


def test_a_budget_bounds_what_follows_a_trunk_that_is_kept():
    model, x = trunk_is_dear()
    most = howsure.MCDropout(budget=3, target_error=1e-6, max_passes=10**6)
    _, cost = spent(model, x, most)
    assert 0.9 * 3 <= cost <= 1.1 * 3


def test_a_budget_of_a_first_cell_is_enough_where_two_flat_passes_cost_more():
    model, x = late_is_cheap()
    result, cost = spent(model, x, howsure.MCDropout(budget=1.6))
    shared, *others = (level.cost for level in model.levels)
    assert cost <= 1.1 * 1.6 < shared + 2 * sum(others) + 0.1
    assert result.passes.min() > 2


def test_the_order_of_rows_does_not_matter():
    model, x = flat()
    order = np.random.default_rng(1).permutation(len(x))
    method = howsure.MCDropout(budget=30)
    whole = howsure.assess(model, x, method=method)
    assert len(set(whole.passes)) > 2
    same(whole[order], howsure.assess(model, x[order], method=method, batch_size=17))


def test_rows_that_are_not_settled_come_first_and_then_those_of_large_errors():
    #                    settled, undecided, the same, settled, the same, and drawn already
    p = np.array([[0.7, 0.3], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.3, 0.7], [1.0, 0.0]])
    error = np.array([0.02, 0.1, 0.08, 0.03, 0.03, 0.0])[:, None] * [1.0, 1.0]
    nothing = np.zeros_like(p)
    estimates = Estimates(p, error, nothing, nothing, np.full(6, 20))
    costs = np.array([10.0] * 5 + [0.0])
    outcome = Classes("a model", "probabilities", "float64", ("no", "yes"), howsure.Thresholds())
    first = {9: [5], 10: [1, 5], 29: [1, 2, 5], 30: [1, 2, 5], 40: [1, 2, 3, 4, 5], 50: [0, 1, 2, 3, 4, 5]}
    for left, rows in first.items():
        assert np.flatnonzero(Budget(left).affordable(costs, estimates, outcome)).tolist() == rows


def test_small_networks_keep_their_precision_and_others_cost_twenty_predictions(monkeypatch):
    model, x = flat()
    same(howsure.assess(model, x), howsure.assess(model, x, method=howsure.MCDropout(target_error=0.01)))
    monkeypatch.setattr("howsure.tuning.LEAST_OPERATIONS", 0.0)
    usual, cost = spent(model, x, howsure.MCDropout())
    assert 18 <= cost <= 22
    same(usual, howsure.assess(model, x, method=howsure.MCDropout(budget=20)))
    for limit in ({"target_error": 0.01}, {"max_passes": 400}):
        _, more = spent(model, x, howsure.MCDropout(**limit))
        assert more > 40


def test_the_usual_budget_is_the_larger_of_predictions_and_multiply_adds_up_to_a_limit_for_the_call():
    model, _ = flat()
    of_row = multiply_adds(model)
    assert usual_budget(model, 1) == usual_budget(model, None) == 4e6 / of_row > 20
    assert usual_budget(model, 1000) == pytest.approx(2e6 / of_row)
    assert usual_budget(model, 10**8) == 20


def test_with_a_plan_a_budget_is_for_each_row_by_itself():
    model, x = flat()
    method = howsure.MCDropout(plan=howsure.plan(model, x), budget=50, target_error=1e-6)
    whole, cost = spent(model, x, method)
    assert 25 <= cost <= 50
    for row in (0, 17, 119):
        same(whole[row : row + 1], howsure.assess(model, x[row : row + 1], method=method))


def test_a_budget_of_less_than_the_first_passes_of_a_plan_is_refused():
    model, x = flat()
    plan = howsure.plan(model, x)
    with pytest.raises(howsure.InputError, match="`budget` is too small for this plan"):
        howsure.assess(model, x, method=howsure.MCDropout(plan=plan, budget=5))


def test_what_a_pilot_draws_is_not_drawn_again():
    model, x = flat()
    result, cost = spent(model, x[:20], howsure.MCDropout(target_error=1e-6))
    shared = model.levels[0].cost
    assert np.all(result.passes == 400)
    assert cost - result.passes.mean() * (1 - shared) <= 400 / 20 * shared


def test_a_larger_budget_is_spent_where_rows_need_it():
    model, x = flat()
    small, large = (howsure.assess(model, x, method=howsure.MCDropout(budget=each)) for each in (10, 60))
    assert large.mc_error.mean() < small.mc_error.mean()
    assert large.settled.mean() >= small.settled.mean()


@pytest.mark.parametrize("budget", [0, -1, np.inf, np.nan, "20", True])
def test_what_is_no_budget_is_refused(budget):
    with pytest.raises(howsure.InputError, match="`budget` is out of range"):
        howsure.MCDropout(budget=budget)


def test_a_budget_beside_passes_is_refused():
    with pytest.raises(howsure.InputError, match=r"`passes` gives every row.*`budget`"):
        howsure.MCDropout(passes=20, budget=20)


def test_a_budget_of_less_than_two_passes_is_refused():
    with pytest.raises(howsure.InputError, match="the error of a mean needs two passes"):
        howsure.assess(*flat(), method=howsure.MCDropout(budget=1))


def test_progress_reaches_its_end():
    model, x = flat()
    reports = []
    howsure.assess(model, x, method=howsure.MCDropout(budget=20), progress=lambda *done: reports.append(done))
    assert reports == sorted(reports)
    assert reports[-1] == (len(x), len(x))


def test_rows_of_several_blocks_may_come_in_any_order(monkeypatch):
    monkeypatch.setattr("howsure.tuning.BLOCK", 50)
    model, x = flat()
    order = np.random.default_rng(1).permutation(len(x))
    method = howsure.MCDropout(budget=40, target_error=1e-6)
    whole, cost = spent(model, x, method)
    assert 20 <= cost <= 44
    same(whole[order], howsure.assess(model, x[order], method=method))
