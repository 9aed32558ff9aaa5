"""Numbers keep the precision of the model, as with times in seconds; what it cannot tell is said."""

import re

import numpy as np
import pytest

import howsure
from tests import precision
from tests.frameworks.frameworks import FRAMEWORKS
from tests.precision import FAR, ROWS


@pytest.fixture(autouse=True)
def double():
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def network(framework, seed=0, dtype="float64"):
    model = framework.network({"hidden": (32, "tanh"), "drop": 0.38, "last": (1,)}, seed, dtype=dtype)
    framework.move(model, FAR)
    return model


def assess(model, method):
    return howsure.assess(model, ROWS, method=method, outputs="values")


def test_dropout_far_from_0_is_that_near_0(framework):
    precision.check_dropout(network(framework))


def test_members_features_and_changed_rows_far_from_0_are_those_of_the_framework(framework):
    members = [network(framework, seed) for seed in range(3)]
    of_members = np.stack([framework.says(member, ROWS) for member in members])
    changes = [lambda rows: rows * 1.1, lambda rows: rows - 0.1]
    of_changes = np.stack([framework.says(members[0], rows) for rows in (ROWS, ROWS * 1.1, ROWS - 0.1)])
    for method, own in (
        (howsure.Ensemble(members[1:]), of_members),
        (howsure.Augmentation(changes), of_changes),
    ):
        result = assess(members[0], method)
        np.testing.assert_allclose(result.mean - FAR, (own - FAR).mean(axis=0), atol=2e-6)
        np.testing.assert_allclose(result.spread, (own - FAR).std(axis=0), atol=2e-6)
    features = howsure.features_of(members[0], ROWS)
    assert features.features.dtype == features.logits.dtype == np.float64
    np.testing.assert_allclose(features.logits, of_members[0], atol=2e-6, rtol=0)


@pytest.mark.parametrize(("dtype", "step"), [("float32", 2.0**7), ("bfloat16", 2.0**23)])
def test_what_the_precision_hides_is_said(dtype, step):
    framework = FRAMEWORKS["torch"]
    members = [network(framework, seed, dtype) for seed in range(3)]
    apart = re.escape(f"{step:.3g} apart")
    with pytest.warns(howsure.HowsureWarning, match=rf"by no more than {dtype} can tell.*{apart}"):
        result = assess(members[0], howsure.Ensemble(members[1:]))
    assert (result.mc_error >= step).all()
    hidden = rf"All passes .*up to 1.7e\+09 in {dtype}.*If passes differ by less"
    with pytest.raises(howsure.ModelError, match=hidden):
        assess(members[0], howsure.MCDropout(passes=40))
