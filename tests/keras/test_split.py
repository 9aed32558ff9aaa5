"""Networks behind the seam whose passes share much: they are split, and what is shared is kept and joined.

Plans and rounds themselves: `tests/sampling/test_pilot.py` and `test_rounds.py`, in numpy; rows alone and
among others: `test_conformance.py`.
"""

import keras
import numpy as np
from keras import layers

import howsure
from howsure.adapters.keras.model import adapt
from howsure.adapters.keras.model_cache import forget
from tests.sampling.networks import same


def build(seed=5):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Dropout(0.2),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )
    random = np.random.default_rng(seed)
    for weight in model.weights:
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 100
        weight.assign(random.normal(0, 2.2 / np.sqrt(fan_in), weight.shape))
    return model, random.normal(size=(60, 12, 12, 1)).astype("float32")


def test_the_late_dropout_is_split():
    model, x = build()
    plan = howsure.plan(model, x)
    assert plan.design.widths == (1, 64)
    assert plan.design.cells == 5
    of_one_pass = sum(level.cost for level in adapt(model, x, gaussian_noise=False)[0].levels)
    assert plan.design.cost < 1.1 * of_one_pass


def build_with_a_head(batch_size=None):
    """What all passes share is nearly all of the work; rows from undecided to certain."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), batch_size=batch_size),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    scale = np.geomspace(0.1, 5, 90)[:, None, None, None]
    x = (scale * random.normal(size=(90, 8, 8, 3))).astype("float32")
    return model, x, howsure.MCDropout(plan=howsure.plan(model, x) if batch_size is None else None)


def test_a_plan_serves_a_model_of_a_fixed_batch_size_too():
    model, x, method = build_with_a_head()
    fixed, _, _ = build_with_a_head(batch_size=4)
    some = x[::5]
    same(howsure.assess(fixed, some, method=method), howsure.assess(model, some, method=method))


def test_smaller_limits_change_no_number(monkeypatch):
    """As many numbers as one tensor may hold, and with TensorFlow twice as many while a trunk is computed."""
    model, x, method = build_with_a_head()
    whole = howsure.assess(model, x, method=method)
    monkeypatch.setattr("howsure.tuning.LARGEST_FOLD", 600)
    forget(model)
    adapter, _ = adapt(model, x, gaussian_noise=False)
    # Behind the first convolution, and before the dropout.
    assert [level.size for level in adapter.levels] == [6 * 6 * 32, 32]
    twice = 2 if keras.backend.backend() == "tensorflow" else 1
    limits = adapter.limits
    assert (limits.fold, limits.trunk, limits.trunk_size) == (600, twice * 600, 32)
    same(howsure.assess(model, x, method=method), whole)


def test_shares_of_chunks_are_joined_with_their_masks():
    words = keras.Input((5,), dtype="int32")
    hidden = layers.Embedding(7, 4, mask_zero=True)(words)
    hidden = layers.GlobalAveragePooling1D()(layers.Dropout(0.5)(hidden))
    model = keras.Model(words, layers.Dense(3, activation="softmax")(hidden))
    x = np.random.default_rng(0).integers(0, 7, size=(6, 5)).astype("int32")
    adapter, rows = adapt(model, x, gaussian_noise=False)
    whole = adapter.trunk(rows)
    joined = adapter.trunk([rows[0][:2]]).join([adapter.trunk([rows[0][2:]])])
    assert any(mask is not None for _, mask in whole.parts)
    assert adapter.limits.trunk_size == sum(np.prod(tensor.shape[1:]) for tensor, _ in whole.parts)
    for pair, expected in zip(joined.parts, whole.parts, strict=True):
        for one, other in zip(pair, expected, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
