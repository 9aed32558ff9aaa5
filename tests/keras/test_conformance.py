"""The Keras adapter keeps to the protocols of the model seam, on networks that differ in kind."""

import keras
import pytest

from howsure.adapters.keras import adapt
from tests.keras.networks import HERE, build, rows_for
from tests.support.conformance import check_adapter

EVERYTHING = ("Model", "PassModel", "FeatureModel")
NETWORKS = {
    "shared_model": EVERYTHING,  # nested, and called three times
    "two_inputs": EVERYTHING,
    "noise_shape": EVERYTHING,
    "attention": EVERYTHING,
    "subclassed": ("Model", "PassModel"),  # what its last layer gets, only its own code knows
}


@pytest.mark.parametrize("network", [name for name in NETWORKS if name in HERE], ids="keras, {}".format)
def test_the_adapter_keeps_to_its_protocols(network):
    rows = keras.tree.flatten(rows_for(build(network), rows=9))
    inputs = rows if len(rows) > 1 else rows[0]
    kept = check_adapter(lambda: adapt(build(network), inputs, gaussian_noise=False)[0], rows)
    assert kept == NETWORKS[network]
