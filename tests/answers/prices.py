"""Prices that rows tell of a smaller error, and the runs that pay them."""

import re

import numpy as np

import howsure

TOLD = re.compile(r"would take up to ([\d,]+) more plain predictions?(, and more than max_passes=\d+)?")


def check_that_prices_hold(model, x, budget, rows=3, **settings):
    """Rows that tell a price reach the error once it is paid. The result is returned.

    Args:
        model: A network with dropout.
        x: Its rows.
        budget: Too small for some of them.
        rows: How many of these are paid for.
        settings: Further arguments of `assess`.
    """
    few = howsure.assess(model, x, method=howsure.MCDropout(budget=budget), **settings)
    told = {k: found for k, row in enumerate(few) if (found := TOLD.search(str(row)))}
    assert told
    for k, (more, beyond) in [(k, found.groups()) for k, found in told.items()][:rows]:
        method = howsure.MCDropout(
            budget=budget + int(more.replace(",", "")), max_passes=10**5 if beyond else None
        )
        paid = howsure.assess(model, x, method=method, **settings)
        assert TOLD.search(str(paid[k])) is None, f"{few[k]} → {paid[k]}"
        assert np.nanmax(paid[k].mc_error) < np.nanmax(few[k].mc_error)
        assert paid[k].passes > few[k].passes
    return few


def check_that_prices_of_numbers_hold(model, x, budget, **settings):
    """The same of numbers: the error is ± 1.96 · 0.05 standard deviations, at each door."""
    few = check_that_prices_hold(model, x, budget, **settings)
    width = np.where(np.isnan(few.std), few.spread, few.std)
    needy = np.round(few.mc_error / width, 2).max(axis=1) > 0.05
    assert [TOLD.search(str(row)) is not None for row in few] == needy.tolist()
    for row in np.flatnonzero(needy):
        (smaller,) = re.findall(r"± (\S+) would take up to", str(few[int(row)]))
        assert float(smaller) == np.float64(f"{1.96 * 0.05 * width[row, 0]:.2g}")
    return few
