"""What a smaller error would cost: each kind of answer tells it, and paying it brings that error."""

import numpy as np
import pytest

import howsure
from howsure.answers.printed import summary_of
from howsure.data.rows import InputSpec
from howsure.report.page import render
from tests.answers.prices import TOLD, check_that_prices_hold, check_that_prices_of_numbers_hold
from tests.commands import run
from tests.golden.cases import network as network_of
from tests.golden.cases import rows
from tests.kinds import KINDS, of_kind
from tests.sampling.networks import dense
from tests.support.arrays import ArrayModel, Dropout


def regression():
    """Two layers with dropout and one number, whose balanced passes leave an error; and rows for it."""
    random = np.random.default_rng(3)
    steps = {
        "one": (dense(random, 8, 40, "relu"), "x"),
        "drop": (Dropout(0.2), "one"),
        "two": (dense(random, 40, 40, "relu"), "drop"),
        "late": (Dropout(0.2), "two"),
        "output": (dense(random, 40, 1), "late"),
    }
    inputs = [InputSpec("x", (8,), "float32")]
    return ArrayModel("prices", inputs, steps, trained_for="regression"), random.normal(size=(30, 8))


def network():
    return regression()[0]


def case(kind):
    if kind == "numbers":
        return (*regression(), {})
    return network_of(kind), rows(kind), of_kind(kind).settings


@pytest.mark.parametrize("kind", KINDS)
def test_the_price_that_a_row_tells_buys_the_error_that_it_names(kind):
    model, x, settings = case(kind)
    check = check_that_prices_of_numbers_hold if kind == "numbers" else check_that_prices_hold
    check(model, x, 8, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_no_price_without_a_budget_and_none_of_an_error_that_is_reached(kind):
    model, x, settings = case(kind)
    for method in (howsure.MCDropout(passes=8), howsure.MCDropout(max_passes=20), howsure.Softmax()):
        found = howsure.assess(model, x, method=method, **settings)
        assert not any(TOLD.search(str(row)) for row in found)
    found = howsure.assess(model, x, method=howsure.MCDropout(budget=20, target_error=0.45), **settings)
    assert not any(TOLD.search(str(row)) for row in found)


def test_numbers_tell_it_in_their_summary_on_their_page_and_on_the_command_line(tmp_path):
    found = howsure.assess(*regression(), method=howsure.MCDropout(budget=8))
    dearest = max(int(told[1].replace(",", "")) for row in found if (told := TOLD.search(str(row))))
    said = f"For each, that would take up to {dearest:,} more plain predictions"
    assert said in summary_of(found)
    assert said in render(found)
    np.save(tmp_path / "x.npy", regression()[1])
    arguments = ("--out", tmp_path / "out.parquet", "--set", "budget=8")
    printed = run("assess", "tests.answers.test_prices:network", tmp_path / "x.npy", *arguments).stdout
    assert said in " ".join(printed.split())
    first = next(row for row in found if TOLD.search(str(row)))
    one = found[[first.row]]
    assert f"That {TOLD.search(str(first))[0]}" in summary_of(one)


def test_an_error_in_the_unit_of_a_number_has_a_price_too():
    method = howsure.MCDropout(budget=8, max_error=0.05)
    found = howsure.assess(*regression(), method=method)
    largest = found.mc_error.max(axis=1)
    assert 0 < np.mean(largest > 0.05) < 1
    for row, error in zip(found, largest, strict=True):
        assert ("± 0.098 would take up to" in str(row)) == (error > 0.05)
