"""Fewer passes than a plan has first: their errors follow from those of one and of a whole group."""

from dataclasses import replace

import numpy as np
import pytest

from howsure.adapters.protocol import Level
from howsure.random_ops import DROPOUT, RandomOp
from howsure.sampling.design import Design, of_error, of_fewer
from howsure.sampling.error import EarlyError
from howsure.sampling.masks import draw

UNITS, GROUPS = 60, 1500


def squared_error(op, size):
    """Of the mean over a balanced group of a function of masks: what units do alone, and in pairs."""
    random = np.random.default_rng(3)
    alone, together = random.normal(size=UNITS), random.normal(size=(UNITS, UNITS)) / 4
    masks = np.stack([draw(op, seed=0, group=number, size=size) for number in range(GROUPS)])
    off = (1 - masks.astype(float)) - op.rate
    values = off @ alone + np.einsum("gti,ij,gtj->gt", off, together, off)
    return values.mean(axis=1).var()


def errors(squared):
    return EarlyError(
        ((squared, 0.0, 0.0),),
        ((0.0, 0.0, 0.0),),
        ((squared,) * 2,),
        ((1.0,) * 2,),
        (50.0,),
        undecided=squared,
    )


@pytest.mark.parametrize(("rate", "whole"), [(0.1, 10), (0.2, 5), (0.25, 8)])
def test_errors_of_fewer_cells_are_those_of_balanced_masks(rate, whole):
    op = RandomOp(0, "drop", DROPOUT, rate, (UNITS,))
    one, group = squared_error(op, 1), squared_error(op, whole)
    levels = Level((), 0.1, 3), Level((op,), 0.9, 3), Level((replace(op, number=1),), 0.001, 3)
    design = Design((1, 8), (4, 4), whole, whole, 1.0, errors(one), errors(group))
    for cells in range(2, whole):
        fewer = of_fewer(design, 8 * cells + 5, levels)
        assert (fewer.cells, fewer.first, fewer.widths) == (cells, cells, (1, 8))
        assert fewer.expected_error**2 == pytest.approx(squared_error(op, cells), rel=0.2)
        assert fewer.group.of_variance[0][1] == pytest.approx(fewer.expected_error**2)
    assert of_fewer(design, 8 * whole, levels) is design
    assert of_fewer(design, 9, levels).first == 1


@pytest.mark.parametrize("cells", [1, 3])
def test_errors_of_fewer_flat_passes_are_those_of_balanced_masks(cells):
    """A cell of two groups; shares of the variance of a pass are measured, and not that of a pass itself."""
    op = RandomOp(0, "drop", DROPOUT, 0.1, (UNITS,))
    levels = Level((), 0.1, 3), Level((op,), 0.9, 3)
    one, cell = squared_error(op, 1), squared_error(op, 10) / 2
    measured = EarlyError(
        ((cell, 0.0, 0.0),), ((0.0,) * 3,), ((cell / one,) * 2,), ((1.0,) * 2,), (50.0,), undecided=cell
    )
    design = Design((20,), (10, 10), 1, cells, 18.1, measured, measured)
    for passes in (2, 5, 8, 10):
        fewer = of_fewer(design, passes, levels)
        assert (fewer.widths, fewer.late, fewer.first) == ((passes,), (passes,), 1)
        assert fewer.cost == pytest.approx(0.1 + 0.9 * passes)
        assert fewer.expected_error**2 == pytest.approx(squared_error(op, passes), rel=0.2)
        assert fewer.one.usual_early[0][0] == pytest.approx(fewer.expected_error**2)
    target = 1.01 * np.sqrt(squared_error(op, 10))
    assert of_error(design, target, levels).passes == (
        10 if cells == 1 else 20
    )  # whose errors show too roughly
    assert of_error(design, np.sqrt(cell / 7), levels).first == 7
    assert of_error(design, 1e-9, levels).first == 20


def test_no_row_gets_more_passes_than_it_may(random):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import howsure

    torch.manual_seed(1)
    nn = torch.nn
    module = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3)).eval()
    x = random.normal(size=(80, 4)).astype("float32")
    plan = howsure.plan(module, x, outputs="logits")
    assert plan.design.passes >= 20
    for most in (3, 10):
        method = howsure.MCDropout(plan=plan, max_passes=most)
        result = howsure.assess(module, x, method=method, outputs="logits")
        assert (result.passes <= most).all()
        assert np.isfinite(result.mc_error).all()
