"""A network whose late dropout is cheap: the plan splits it, and the numbers hold."""

from dataclasses import astuple, replace

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models.keras.kept import forget
from howsure.models.keras.model import KerasModel, KerasTrunk, adapt
from howsure.models.protocol import Level

from . import networks

SEEDS = 8


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


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture(scope="module")
def plan(network):
    return howsure.plan(*network)


def same(a, b):
    np.testing.assert_array_equal(a.passes, b.passes)
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=3e-6)
    np.testing.assert_allclose(a.mc_error, b.mc_error, atol=3e-6)


def test_the_late_dropout_is_split(plan):
    assert plan.design.widths == (1, 64)
    assert plan.design.cells == 5
    assert plan.design.cost < 1.1


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


def test_given_a_plan_a_row_alone_gets_the_same_numbers(network, plan):
    model, x = network
    method = howsure.MCDropout(plan=plan, target_error=0.01)
    whole = howsure.assess(model, x, method=method)
    assert len(set(whole.passes)) > 1
    for row in (0, 17, 59):
        same(whole[row : row + 1], howsure.assess(model, x[row : row + 1], method=method))
    order = np.random.default_rng(0).permutation(len(x))
    same(whole[order], howsure.assess(model, x[order], method=method, batch_size=7))


def test_split_passes_agree_with_flat_ones_within_their_errors(network, plan):
    model, x = network
    x = x[:25]
    reference = howsure.assess(model, x, method=howsure.MCDropout(passes=6000), seed=77)
    assert reference.mc_error.max() < 0.0025
    for target in (0.02, 0.006):
        covered, entropy = [], []
        for seed in range(SEEDS):
            method = howsure.MCDropout(target_error=target, plan=howsure.plan(model, x, seed=seed))
            run = howsure.assess(model, x, method=method, seed=seed)
            off = np.abs(run.probabilities - reference.probabilities)
            covered.append(np.mean(off <= 1.96 * np.hypot(run.mc_error, reference.mc_error)))
            entropy.append(np.mean(run.expected_entropy - reference.expected_entropy))
        # Rows share masks, so a seed is one observation.
        assert np.mean(covered) + 4 * np.std(covered, ddof=1) / np.sqrt(SEEDS) >= 0.95
        assert np.mean(covered) >= 0.88
        assert abs(np.mean(entropy)) <= 5 * np.std(entropy, ddof=1) / np.sqrt(SEEDS) + 1e-4


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


def test_what_all_passes_share_is_computed_once_and_kept_block_by_block(monkeypatch):
    model, x, method = build_with_a_head()
    assert method.plan.design.widths == (64,)
    shared = []
    share = KerasModel.trunk
    monkeypatch.setattr(
        KerasModel, "trunk", lambda self, rows: shared.append(len(rows[0])) or share(self, rows)
    )
    kept = howsure.assess(model, x, method=method)
    assert len(set(kept.passes)) > 2
    assert shared == [96]  # a shape of which there are few
    shared.clear()
    same(howsure.assess(model, x), kept)
    assert shared == [48, 64]  # 40 rows of the pilot, and the others
    shared.clear()
    monkeypatch.setattr("howsure.tuning.KEPT_ROWS", 40)
    same(howsure.assess(model, x, method=method, batch_size=16), kept)
    assert shared == [16, 16, 8, 16, 16, 8, 12]
    shared.clear()
    dear = (Level((), 0.0, 1_152), replace(adapt(model, x, gaussian_noise=False)[0].levels[1], cost=1.0))
    forget(model)
    monkeypatch.setattr(KerasModel, "levels", dear)  # as if the passes were all of the work
    same(howsure.assess(model, x, method=method), kept)
    assert len(shared) > 2


def test_blocks_of_rows_are_as_large_as_what_they_share_allows(monkeypatch):
    model, x, method = build_with_a_head()
    whole = howsure.assess(model, x, method=method)
    kept = []
    join = KerasTrunk.join
    monkeypatch.setattr(
        KerasTrunk,
        "join",
        lambda self, others: kept.append([len(trunk) for trunk in (self, *others)]) or join(self, others),
    )
    # 1,152 numbers behind the first convolution; 32 before the dropout, for each of 64 passes.
    monkeypatch.setattr("howsure.tuning.LARGEST_FOLD", 32 * 64 * 2)
    forget(model)
    same(howsure.assess(model, x, method=method), whole)
    # 128 rows may be kept; with TensorFlow twice as many numbers computed at once.
    assert kept == [[7] * 12 + [6] if keras.backend.backend() == "tensorflow" else [3] * 30]
    kept.clear()
    monkeypatch.setattr("howsure.tuning.LARGEST_FOLD", 600)
    forget(model)
    same(howsure.assess(model, x, method=method), whole)
    assert kept == [[1] * 18] * 5


def test_a_plan_serves_a_model_of_a_fixed_batch_size_too():
    model, x, method = build_with_a_head()
    fixed, _, _ = build_with_a_head(batch_size=4)
    same(howsure.assess(fixed, x, method=method), howsure.assess(model, x, method=method))


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


def test_max_passes_is_never_exceeded_and_target_error_reached_where_it_is_not(network):
    model, x = network
    method = howsure.MCDropout(target_error=0.004, max_passes=400)
    certainty = howsure.assess(model, x, method=method)
    assert certainty.passes.max() <= 400
    stopped_early = certainty.passes < certainty.passes.max()
    assert np.all(certainty.mc_error[stopped_early] <= 0.004)
    assert np.all(certainty.settled[stopped_early])
    assert certainty.plan["design"]["widths"] == (1, 64)


def test_the_plan_is_saved_with_the_result(network, plan, tmp_path):
    model, x = network
    howsure.assess(model, x, method=howsure.MCDropout(plan=plan)).save(tmp_path / "c.parquet")
    saved = howsure.load(tmp_path / "c.parquet").plan
    assert saved["design"]["widths"] == list(plan.design.widths)
    assert saved["design"]["group"]["usual_early"] == [list(ends) for ends in plan.design.group.usual_early]
    assert saved["precision"] == "float32"


def test_where_no_layer_is_cheap_the_plan_is_flat():
    model = networks.build("sequential")
    plan = howsure.plan(model, networks.rows_for(model))
    assert plan.design.is_flat
    text = str(howsure.audit(model, plan=plan))
    assert f"in balanced groups of {plan.design.late[0]}" in text


def test_a_saved_plan_gives_the_same_numbers(network, plan, tmp_path):
    model, x = network
    plan.save(tmp_path / "plan.json")
    loaded = howsure.Plan.load(tmp_path / "plan.json")
    assert loaded == plan
    first, again = (howsure.assess(model, x, method=howsure.MCDropout(plan=each)) for each in (plan, loaded))
    np.testing.assert_array_equal(first.probabilities, again.probabilities)


def test_a_plan_of_another_model_is_refused(plan):
    other = networks.sequential()
    with pytest.raises(howsure.InputError, match="made for another model"):
        howsure.assess(other, networks.rows_for(other), method=howsure.MCDropout(plan=plan))


def test_few_passes_and_independent_ones_are_flat(network):
    assert howsure.plan(*network, howsure.MCDropout(max_passes=39)).design.is_flat
    for method in (howsure.MCDropout(max_passes=10), howsure.MCDropout(balanced=False)):
        assert howsure.plan(*network, method) == howsure.Plan()


def test_the_audit_tells_the_plan(network, plan):
    model, _ = network
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Dropout)]
    text = str(howsure.audit(model, plan=plan))
    assert f"1 mask at '{names[0]}', 64 for each of these at '{names[1]}'" in text
    assert "float32" in text
    assert "through all random layers" in str(howsure.audit(model, plan=howsure.Plan()))
    assert "plan" not in str(howsure.audit(model))
