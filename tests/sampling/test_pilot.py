"""A pilot on a network whose late dropout is cheap splits it, and the plan depends on the rows alone."""

from dataclasses import asdict, astuple

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.sampling.pilot import _choose
from howsure.sampling.run import Run
from tests.examples import namespace
from tests.sampling.networks import dense, late_is_cheap, same, trunk_is_dear
from tests.support.arrays import ArrayModel, Dropout


@pytest.fixture(scope="module")
def network():
    return late_is_cheap()


@pytest.fixture(scope="module")
def plan(network):
    return howsure.plan(*network)


def nothing_is_cheap():
    random = np.random.default_rng(3)
    steps = {
        "one": (dense(random, 4, 6, "relu"), "x"),
        "drop": (Dropout(0.5), "one"),
        "two": (dense(random, 6, 5, "relu"), "drop"),
        "late": (Dropout(0.25), "two"),
        "output": (dense(random, 5, 3, "softmax"), "late"),
    }
    x = random.normal(size=(3, 4)).astype("float32")
    return ArrayModel("small", [InputSpec("x", (4,), "float32")], steps), x


def test_the_late_dropout_is_split(plan):
    assert plan.design.widths == (1, 64)
    assert plan.design.cells == 5
    assert plan.design.cost == pytest.approx(0.3 + 0.699 + 64 * 0.001)


def test_the_plan_does_not_depend_on_the_order_of_rows_or_on_copies(network, plan):
    model, x = network
    for rows in (x[::-1], np.concatenate([x, x[:7]])):
        other = howsure.plan(model, rows)
        assert other.design.widths == plan.design.widths
        for errors, same_errors in (
            (other.design.one, plan.design.one),
            (other.design.group, plan.design.group),
        ):
            for constants, same_constants in zip(astuple(errors), astuple(same_errors), strict=True):
                assert np.array(constants) == pytest.approx(np.array(same_constants), rel=1e-3, abs=1e-7)


def test_without_a_plan_the_order_of_rows_does_not_matter_either(network):
    model, x = network
    order = np.random.default_rng(1).permutation(len(x))
    same(howsure.assess(model, x)[order], howsure.assess(model, x[order]))


def test_where_no_layer_is_cheap_the_plan_is_flat():
    model, x = nothing_is_cheap()
    plan = howsure.plan(model, x)
    assert plan.design.is_flat
    text = str(howsure.audit(model, plan=plan))
    assert f"in balanced groups of {plan.design.late[0]}" in text


def test_few_passes_and_independent_ones_are_flat(network):
    assert howsure.plan(*network, howsure.MCDropout(max_passes=39)).design.is_flat
    for method in (howsure.MCDropout(max_passes=10), howsure.MCDropout(balanced=False)):
        assert howsure.plan(*network, method) == howsure.Plan()


def test_the_plan_is_saved_with_the_result(network, plan, tmp_path):
    model, x = network
    howsure.assess(model, x, method=howsure.MCDropout(plan=plan)).save(tmp_path / "c.parquet")
    saved = howsure.load(tmp_path / "c.parquet").plan
    assert saved["design"]["widths"] == list(plan.design.widths)
    assert saved["design"]["group"]["usual_early"] == [list(ends) for ends in plan.design.group.usual_early]
    assert saved["precision"] == "float32"


def test_a_plan_of_another_model_is_refused(plan):
    model, x = nothing_is_cheap()
    with pytest.raises(howsure.InputError, match="made for another model"):
        howsure.assess(model, x, method=howsure.MCDropout(plan=plan))


@pytest.mark.parametrize("made", [late_is_cheap, trunk_is_dear, nothing_is_cheap])
def test_passes_of_the_pilot_are_counted(made, monkeypatch):
    model, x = made()
    drawn, values = [], Run.values

    def counted(run, raw, chunk):
        drawn.append(len(raw) * len(chunk))
        return values(run, raw, chunk)

    monkeypatch.setattr(Run, "values", counted)
    assert howsure.plan(model, x).pilot.passes == sum(drawn) > 0


def test_what_the_pilot_spent_is_told_where_it_was_spent(tmp_path):
    model, x = nothing_is_cheap()
    plan = howsure.plan(model, x)
    shared = model.levels[0].cost
    # Three rows are looked at, and then they are the rows of the pilot. A flat pass repeats all the rest.
    assert plan.pilot.cost == pytest.approx(2 * len(x) * shared + plan.pilot.passes * (1 - shared))
    text = f"it ran {plan.pilot.passes:,} passes of single rows, as much work as plain predictions of "
    text += f"{plan.pilot.cost:,.0f} rows."
    assert text in str(howsure.audit(model, plan=plan))
    result = howsure.assess(model, x)
    assert result.plan["pilot"] == asdict(plan.pilot)
    result.save(tmp_path / "c.parquet")
    assert howsure.load(tmp_path / "c.parquet").plan["pilot"] == result.plan["pilot"]
    spared = howsure.assess(model, x, method=howsure.MCDropout(plan=plan))
    assert "pilot" not in spared.plan
    # Passes that the pilot kept and passes drawn again may differ in the last bit, by processor.
    np.testing.assert_allclose(spared.probabilities, result.probabilities, rtol=1e-12)


def test_the_audit_tells_the_plan(network, plan):
    model, _ = network
    text = str(howsure.audit(model, plan=plan))
    assert "1 mask at 'early', 64 for each of these at 'late'" in text
    assert "float32" in text
    assert "through all random layers" in str(howsure.audit(model, plan=howsure.Plan()))
    assert "plan" not in str(howsure.audit(model))


def test_each_row_of_a_pilot_stands_for_those_of_nearly_its_rank():
    sample = np.arange(1000, 1256)
    doubt = np.random.default_rng(0).permutation(256).astype(float)
    rows, stands_for = _choose(sample, doubt, 20)
    assert stands_for[:11].tolist() == [1] * 11
    assert np.all(np.diff(stands_for) >= -1e-9)
    assert stands_for.sum() == 256
    assert doubt[rows - 1000].tolist() == sorted(doubt[rows - 1000])


def test_rows_of_a_network_of_few_units_get_several_cells_first_if_passes_allow_it():
    example = namespace()
    model, x = example["weather"], example["measured"]
    for max_passes, first in ((None, 3), (59, 2), (20, 1)):
        method = howsure.MCDropout(max_passes=max_passes)
        plan = howsure.plan(model, x, method)
        assert (plan.design.passes, plan.design.first) == (20, first)
        certainty = howsure.assess(model, x, method=howsure.MCDropout(plan=plan, max_passes=max_passes))
        assert certainty.passes.min() == 20 * first
        assert certainty.passes.max() <= (max_passes or 400)
