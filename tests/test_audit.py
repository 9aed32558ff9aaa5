"""An audit times a plain prediction where there are rows, and says so."""

import re

import pytest

import howsure
from validation import small_network


def test_rows_time_a_plain_prediction():
    model, x = small_network.make(), small_network.rows(64)
    timed = howsure.audit(model, x)
    assert 0 < timed.seconds < 1
    said = re.search(
        r"a plain prediction takes ([\d.]+) ms a row\. MC dropout usually costs 20 of them: ([\d.]+) ms\.",
        str(timed),
    )
    one, twenty = map(float, said.groups())
    assert one == pytest.approx(1000 * timed.seconds, rel=0.06)
    assert twenty == pytest.approx(20 * one, rel=0.12)


def test_a_plan_costs_plain_predictions_and_milliseconds():
    x = small_network.rows(64)
    plan = howsure.plan(small_network.make(), x)
    timed = howsure.audit(small_network.make(), x, plan=plan)
    assert timed.plan_cost == plan.design.cost
    said = r"takes (\S+) ms a row\. The plan costs (\S+) of them: (\S+) ms"
    one, times, all_of_them = map(float, re.search(said, str(timed)).groups())
    assert times == pytest.approx(plan.design.cost, rel=0.01)
    assert all_of_them == pytest.approx(times * one, rel=0.12)


def test_without_rows_nothing_is_timed():
    untimed = howsure.audit(small_network.make())
    assert untimed.seconds is None
    assert "ms a row" not in str(untimed)
    assert howsure.audit(small_network.make(), small_network.rows(64)[:0]).seconds is None
