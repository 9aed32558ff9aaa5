"""Numbers far from 0, where float32 has steps of 128."""

import numpy as np

import howsure

FAR = 1.7e9
ROWS = np.random.default_rng(0).normal(size=(30, 4))


def check_dropout(model):
    """The result of a network of float64 with one output near `FAR` is that of its passes, less `FAR`."""
    passes = howsure.passes(model, ROWS, 40, balanced=True, outputs="values")
    assert passes.dtype == np.float64
    result = howsure.assess(model, ROWS, method=howsure.MCDropout(passes=40), outputs="values")
    np.testing.assert_allclose(result.mean - FAR, (passes - FAR).mean(axis=0), atol=2e-6)
    spread = (passes - FAR).std(axis=0)
    assert (spread > 0.03).all()
    assert np.abs(result.spread / spread - 1).max() < 0.1
    assert (result.mc_error < result.spread).all()
