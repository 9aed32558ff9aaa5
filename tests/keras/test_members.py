"""Members of an ensemble, beside weights recorded by hand and SWAG's closed form."""

import multiprocessing
import os
import threading
import time

import keras
import loky
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.training.members import (
    Moments,
    Snapshots,
    Swag,
    _train_as_worker,
    _with_weights,
    add_epoch,
    draw_weights,
    train_members,
)

from . import networks

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(1.0, 2.0, size=(40, 4)).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype("int32") + (X[:, 2] > 2)

CLONED = ("sequential", "functional_skip", "nested_twice", "shared_layer", "shared_model", "two_inputs",
          "dict_inputs", "noise_shape", "block", "subclassed", "attention", "masked_embedding")  # fmt: skip


def small(seed=0):
    return keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(3, "softmax")])


def normalised(dropout=0.0):
    """BatchNormalization on the input, so that its statistics are those of the rows, and a frozen one."""
    inputs = keras.Input((4,))
    hidden = layers.BatchNormalization(momentum=0.9, name="first")(inputs)
    hidden = layers.Dropout(dropout)(layers.Dense(5, "relu", name="dense")(hidden))
    hidden = layers.BatchNormalization(name="second")(hidden)
    frozen = layers.BatchNormalization(name="frozen")
    frozen.trainable = False
    return keras.Model(inputs, layers.Dense(3, "softmax")(frozen(hidden)))


def fit(model, seed=0, epochs=2, callbacks=(), eager=True):
    """Not compiled unless asked for, which is faster for so few steps."""
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", run_eagerly=eager)
    model.fit(X, Y, epochs=epochs, batch_size=20, verbose=0, callbacks=list(callbacks))


def outputs(model, x=X):
    return keras.ops.convert_to_numpy(model(x, training=False))


def weights_of(model):
    return [np.array(array) for array in model.get_weights()]


def state_of(model):
    """Everything of a model that a person could miss afterwards."""
    values = [np.array(keras.ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)]
    flags = [layer.trainable for layer in model._flatten_layers()]
    return values, flags, model.compiled, model.optimizer, model.loss


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_as_found(model, before):
    now = state_of(model)
    assert_same(now[0], before[0])
    assert now[1:] == before[1:]


class Recorder(keras.callbacks.Callback):
    """The weights at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(weights_of(self.model))


class Unclonable(keras.Model):
    """Its constructor takes what no configuration can hold."""

    def __init__(self, dense):
        super().__init__()
        self.dense = dense

    def call(self, inputs):
        return self.dense(inputs)


def unclonable(number=0):
    return Unclonable(layers.Dense(3, "softmax"))


# --- independent trainings ------------------------------------------------------------------------


def test_members_differ_reproduce_and_make_an_ensemble():
    seen = []
    members = train_members(small, fit, 3, seed=4, progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not np.allclose(members[0].get_weights()[0], members[1].get_weights()[0])
    again = train_members(small, fit, 1, seed=5)
    assert_same(again[0].get_weights(), members[1].get_weights())
    found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
    predicted = np.mean([outputs(member) for member in members], axis=0)
    np.testing.assert_allclose(found.probabilities, predicted, atol=2e-6)
    assert set(found.passes) == {3}


def test_build_and_fit_are_told_the_seed():
    told = []

    def tell_and_fit(model, seed):
        told.append(seed)
        fit(model)

    train_members(lambda seed: told.append(seed) or small(), tell_and_fit, 2, seed=7)
    assert told == [7, 7, 8, 8]


def test_subclassed_models_are_members_too():
    members = train_members(lambda seed: networks.Whole(), fit, 2)
    assert not np.allclose(outputs(members[0]), outputs(members[1]))


def test_members_that_are_no_ensemble_are_refused():
    one = small()
    with pytest.raises(howsure.ModelError, match="shares weights with an earlier one"):
        train_members(lambda seed: one, fit, 2)
    dense = layers.Dense(5)
    with pytest.raises(howsure.ModelError, match="Create all layers inside `build`"):
        train_members(lambda seed: keras.Sequential([keras.Input((4,)), dense, layers.Dense(3)]), fit, 2)

    def filled(value):
        def fill(model, seed):
            model.set_weights([np.full_like(array, value) for array in model.get_weights()])

        return fill

    with pytest.raises(howsure.ModelError, match=r"Members 0 \(seed 3\) and 1 \(seed 4\) are equal"):
        train_members(small, filled(2), 2, seed=3)
    with pytest.raises(howsure.ModelError, match=r"`fit` changed no weight of the model that `build\(3\)`"):
        train_members(small, lambda model, seed: None, 2, seed=3)
    with pytest.raises(howsure.ModelError, match=r"diverged.*/kernel' is not finite after .* seed 3"):
        train_members(small, filled(np.nan), 2, seed=3)
    with pytest.raises(howsure.ModelError, match=r"outputs \[\(3,\)\]\. Received: outputs \[\(4,\)\]"):
        train_members(
            lambda seed: keras.Sequential([keras.Input((4,)), layers.Dense(3 + seed)]), filled(2), 2
        )
    with pytest.raises(howsure.ModelError, match="returned no model"):
        train_members(lambda seed: None, fit, 2)
    with pytest.raises(howsure.ModelError, match="has not been built"):
        train_members(lambda seed: networks.Whole(), lambda *_: None, 1)
    for count in (0, True, 2.0):
        with pytest.raises(howsure.InputError, match="`count` cannot be used"):
            train_members(small, fit, count)
    with pytest.raises(howsure.InputError, match="`seed` cannot be used"):
        train_members(small, fit, 2, seed=-1)
    for workers in (0, -1, True, 2.0):
        with pytest.raises(howsure.InputError, match="`workers` cannot be used"):
            train_members(small, fit, 2, workers=workers)


# --- trainings in processes of their own ----------------------------------------------------------


def adapted():
    """Of its weights, training leaves those of the first layer to `adapt`, and moves statistics."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Normalization(),
            layers.Dense(5, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )


def test_members_of_workers_are_those_trained_here(monkeypatch):
    # One process trains both: the next test has two.
    executor = loky.ProcessPoolExecutor
    monkeypatch.setattr(loky, "ProcessPoolExecutor", lambda workers, **more: executor(1, **more))

    def adapt_and_fit(model, seed):
        for layer in model.layers:
            if isinstance(layer, layers.Normalization):
                layer.adapt(X)
        fit(model)

    seen = []
    # A lambda can be sent too. One member is of layers, the other a subclassed model.
    build = lambda seed: (adapted, networks.Whole)[seed % 2]()  # noqa: E731
    here = train_members(build, adapt_and_fit, 2, seed=4)
    members = train_members(
        build, adapt_and_fit, 2, seed=4, workers=2, progress=lambda *now: seen.append(now)
    )
    assert seen == [(1, 2), (2, 2)]
    assert multiprocessing.active_children() == []
    for member, expected in zip(members, here, strict=True):
        for weights, same in zip(member.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_allclose(weights, same, rtol=1e-5, atol=2e-6)  # rounding; Adam's steps are 0.05
        np.testing.assert_allclose(outputs(member), outputs(expected), atol=2e-6)
        assert expected.compiled
        assert not member.compiled


class Told(Exception):
    """What a worker found."""


def setting():
    config = keras.config
    return (
        keras.backend.backend(), config.floatx(), config.epsilon(), config.image_data_format(),
        config.dtype_policy().name, os.environ["OMP_NUM_THREADS"], os.environ["TF_NUM_INTRAOP_THREADS"],
    )  # fmt: skip


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the same on every backend")
def test_a_worker_has_the_settings_and_what_it_raises_stops_the_others(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    before = [keras.config.epsilon(), keras.config.image_data_format(), keras.config.dtype_policy()]

    def tell(model, seed):
        if seed == 5:
            raise Told(setting())
        time.sleep(600)

    try:
        keras.config.set_epsilon(1e-5)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_dtype_policy("mixed_bfloat16")
        with pytest.raises(Told) as caught:
            train_members(small, tell, 3, seed=4, workers=2)
    finally:
        keras.config.set_epsilon(before[0])
        keras.config.set_image_data_format(before[1])
        keras.config.set_dtype_policy(before[2])
    share = str(max(1, loky.cpu_count() // 2))
    expected = keras.backend.backend(), "float32", 1e-5, "channels_first", "mixed_bfloat16", "3", share
    assert caught.value.args == (expected,)
    assert "member 1 (seed 5)" in caught.value.__notes__[0]
    assert multiprocessing.active_children() == []


class Particular(Exception):
    """Pickle cannot make it anew."""

    def __init__(self, row, *, why):
        super().__init__(f"row {row}: {why}")


def test_what_cannot_travel_between_processes_is_said():
    lock = threading.Lock()
    with pytest.raises(howsure.InputError, match="cannot be sent to another process"):
        train_members(small, lambda model, seed: lock, 2, workers=2)
    assert multiprocessing.active_children() == []

    def particular(model, seed):
        raise Particular(7, why="odd")

    with pytest.raises(howsure.HowsureError, match=r"Particular in .* member 1 \(seed 5\).*row 7: odd"):
        _train_as_worker(lambda seed: small(), particular, 1, 5, "howsure.training.keras", {})
    with pytest.raises(howsure.ModelError, match=r"does not fit the weights that `fit` left.*\(9,\)"):
        _with_weights(small(), 5, [], {}, [np.zeros(9)])


# --- snapshots and clones -------------------------------------------------------------------------


def test_snapshots_are_the_weights_of_their_epochs():
    keras.utils.set_random_seed(0)
    model, recorder, snapshots = normalised(), Recorder(), Snapshots(start=1, every=2)
    fit(model, epochs=6, callbacks=[recorder, snapshots], eager=False)
    before = state_of(model)
    members = snapshots.members(model)
    assert len(members) == 3
    for member, epoch in zip(members, (1, 3, 5), strict=True):
        assert_same(member.get_weights(), recorder.weights[epoch])
    np.testing.assert_allclose(outputs(members[-1]), outputs(model), atol=2e-6)
    assert_as_found(model, before)
    assert [layer.trainable for layer in members[0].layers] == [layer.trainable for layer in model.layers]
    found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
    assert found.mutual_information.max() > 0
    fit(model, epochs=2, callbacks=[snapshots])
    assert len(snapshots.weights) == 1  # a new training starts over
    model.evaluate(X, Y, verbose=0, callbacks=[snapshots])
    model.predict(X, verbose=0, callbacks=[snapshots])
    assert len(snapshots.weights) == 1


def test_an_own_loop_and_fit_collect_the_same():
    model, ours, theirs = small(), Snapshots(start=1), Snapshots(start=1)
    fit(model, epochs=3, callbacks=[theirs, keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ours.end_epoch(theirs.model))])  # fmt: skip
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert_same(one, other)
    with pytest.raises(howsure.InputError, match="The epochs of two models"):
        ours.end_epoch(small())


@pytest.mark.parametrize("name", CLONED)
def test_a_clone_predicts_what_the_model_predicts(name):
    model = networks.build(name)
    x = networks.rows_for(model)
    before = weights_of(model)
    snapshots = Snapshots(0)
    snapshots.set_model(model)
    snapshots.on_epoch_end(0)
    (member,) = snapshots.members(model)
    np.testing.assert_allclose(outputs(member, x), outputs(model, x), atol=2e-6)
    for variable in member.weights:
        variable.assign(np.zeros(variable.shape))
    assert_same(model.get_weights(), before)
    assert any(np.any(array) for array in snapshots.weights[0])


class Scale(layers.Layer):
    """A user's layer that nobody registered."""

    def call(self, inputs):
        return 2.0 * inputs


def own_loss(truth, predicted):
    return keras.losses.sparse_categorical_crossentropy(truth, predicted)


def test_clones_have_what_was_adapted_layers_of_the_user_and_the_loss():
    normal = layers.Normalization()
    normal.adapt(X)
    inner = keras.Sequential([keras.Input((4,)), Scale(), layers.Dense(3)], name="inner")
    model = keras.Sequential([keras.Input((4,)), normal, inner, layers.Softmax()])
    model.compile("adam", own_loss, run_eagerly=True)
    snapshots = Snapshots(0)
    model.fit(X, Y, verbose=0, callbacks=[snapshots])
    (member,) = snapshots.members(model)
    np.testing.assert_allclose(outputs(member), outputs(model), atol=2e-6)
    assert member.loss is own_loss


def test_a_model_that_cannot_be_cloned_needs_build():
    model, snapshots = unclonable(), Snapshots(0)
    fit(model, callbacks=[snapshots])
    before = state_of(model)
    with pytest.raises(howsure.ModelError, match=r"cannot be cloned.*Give `build`"):
        snapshots.members(model)
    assert_as_found(model, before)
    members = snapshots.members(model, build=unclonable)
    np.testing.assert_allclose(outputs(members[-1]), outputs(model), atol=2e-6)
    with pytest.raises(howsure.ModelError, match="shares weights"):
        snapshots.members(model, build=lambda number: model)
    with pytest.raises(howsure.ModelError, match="other weights than those collected"):
        snapshots.members(small())


def test_clones_of_a_subclassed_model_can_be_assessed():
    model, snapshots = networks.Whole(), Snapshots(0)
    fit(model, callbacks=[snapshots])
    members = snapshots.members(model, build=lambda number: networks.Whole())
    method = howsure.Softmax()
    said, expected = (howsure.assess(each, X, method=method).probabilities for each in (members[-1], model))
    np.testing.assert_allclose(said, expected, atol=2e-6)


def test_snapshots_of_no_epoch_and_wrong_epochs_are_refused():
    model, snapshots = small(), Snapshots(start=4, every=2)
    with pytest.raises(howsure.InputError, match="at least 1, so a training of at least 5 epochs"):
        snapshots.members(model)
    fit(model, epochs=2, callbacks=[snapshots])
    with pytest.raises(howsure.InputError, match="Received: 0, from a training of 2"):
        snapshots.members(model)
    with pytest.raises(howsure.InputError, match="`start` cannot be used"):
        Snapshots(-1)
    with pytest.raises(howsure.InputError, match="`every` cannot be used"):
        Snapshots(0, every=0)


# --- SWAG -----------------------------------------------------------------------------------------


def test_moments_are_those_of_the_recorded_weights():
    keras.utils.set_random_seed(0)
    model, recorder, swag = normalised(), Recorder(), Swag(start=1, every=2, rank=3)
    fit(model, epochs=10, callbacks=[recorder, swag])
    trained = [any(variable is one for one in model.trainable_weights) for variable in model.weights]
    w = np.array(
        [
            np.concatenate([a.ravel() for a, is_in in zip(epoch, trained, strict=True) if is_in])
            for epoch in recorder.weights[1::2]
        ],
        dtype=np.float64,
    )
    assert len(w) == swag.moments.count == 5
    np.testing.assert_allclose(swag.moments.mean, w.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(swag.moments.variance, w.var(axis=0), rtol=1e-9, atol=1e-13)
    running = np.cumsum(w, axis=0) / np.arange(1, 6)[:, None]
    np.testing.assert_allclose(swag.moments.deviations, (w - running)[-3:], rtol=1e-6, atol=1e-9)


def test_draws_have_the_mean_and_covariance_of_the_closed_form():
    epochs = RANDOM.normal(size=(7, 5)) @ RANDOM.normal(size=(5, 5)) + 3
    moments = None
    for weights in epochs:
        moments = add_epoch(moments, weights, rank=4)
    draws = np.stack(list(draw_weights(moments, 20_000, scale=0.7, seed=1)))
    low_rank = np.stack(moments.deviations, axis=1)
    covariance = 0.7 * 0.5 * (np.diag(epochs.var(axis=0)) + low_rank @ low_rank.T / 3)
    error = np.sqrt(np.diag(covariance) / len(draws))
    assert np.abs((draws.mean(axis=0) - epochs.mean(axis=0)) / error).max() < 4
    spread = np.diag(covariance)
    error = np.sqrt((np.outer(spread, spread) + covariance**2) / len(draws))  # of a normal's covariances
    assert np.abs((np.cov(draws.T) - covariance) / error).max() < 4


def test_draws_reproduce_and_scale():
    moments = Moments(
        2, np.ones(3), np.full(3, 3.0), (np.ones(3, dtype=np.float32), -np.ones(3, dtype=np.float32))
    )
    few, many = (np.stack(list(draw_weights(moments, count, seed=2))) for count in (2, 5))
    np.testing.assert_array_equal(few, many[:2])
    quarter = np.stack(list(draw_weights(moments, 5, scale=0.25, seed=2)))
    np.testing.assert_allclose(quarter - 1, (many - 1) / 2)
    np.testing.assert_array_equal(list(draw_weights(moments, 2, scale=0)), np.ones((2, 3)))


def test_swag_members_have_the_weights_drawn_and_differ_and_reproduce():
    keras.utils.set_random_seed(0)
    model, swag = small(), Swag(start=2)
    fit(model, epochs=6, callbacks=[swag])
    before = state_of(model)
    members = swag.members(model, 3, seed=9)
    assert_as_found(model, before)
    for member, drawn in zip(members, draw_weights(swag.moments, 3, seed=9), strict=True):
        flat = np.concatenate([array.ravel() for array in member.get_weights()])
        np.testing.assert_array_equal(flat, drawn.astype("float32"))
    again = swag.members(model, 2, seed=9)
    assert_same(again[1].get_weights(), members[1].get_weights())
    other = swag.members(model, 1, seed=10)
    assert not np.allclose(other[0].get_weights()[0], members[0].get_weights()[0])
    found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
    assert found.mutual_information.max() > 0


def test_statistics_of_members_are_plain_averages_over_batches(monkeypatch):
    monkeypatch.setattr("howsure.training.weights.BATCH_SIZE", 15)
    keras.utils.set_random_seed(0)
    model, swag = normalised(), Swag(start=1)
    fit(model, epochs=5, callbacks=[swag])
    before = state_of(model)
    members = swag.members(model, 2, X, seed=3)
    assert_as_found(model, before)
    batches = np.array_split(X.astype("float64"), 3)
    for member in members:
        first, second = member.get_layer("first"), member.get_layer("second")
        mean = np.mean([batch.mean(axis=0) for batch in batches], axis=0)
        variance = np.mean([batch.var(axis=0) for batch in batches], axis=0)
        np.testing.assert_allclose(first.get_weights()[2], mean, rtol=1e-5)
        np.testing.assert_allclose(first.get_weights()[3], variance, rtol=1e-5)
        gamma, beta = first.get_weights()[:2]
        kernel, bias = member.get_layer("dense").get_weights()
        hidden = [
            np.maximum((gamma * (b - b.mean(0)) / np.sqrt(b.var(0) + 1e-3) + beta) @ kernel + bias, 0)
            for b in batches
        ]
        np.testing.assert_allclose(
            second.get_weights()[2], np.mean([h.mean(0) for h in hidden], axis=0), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(
            second.get_weights()[3], np.mean([h.var(0) for h in hidden], axis=0), rtol=1e-4, atol=1e-6
        )
        assert_same(member.get_layer("frozen").get_weights(), model.get_layer("frozen").get_weights())
        assert first.momentum == 0.9
        assert first.call.__func__ is layers.BatchNormalization.call
    assert not np.allclose(members[0].get_layer("second").get_weights()[2], second.get_weights()[2])
    flat = np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in members[0].trainable_weights])
    np.testing.assert_array_equal(flat, next(draw_weights(swag.moments, 1, seed=3)).astype("float32"))


def test_statistics_of_a_layer_called_twice_average_both_calls():
    inputs = keras.Input((4,))
    norm = layers.BatchNormalization()
    both = layers.Concatenate()([norm(inputs), norm(3.0 * inputs)])
    model, swag = keras.Model(inputs, layers.Dense(3, "softmax")(both)), Swag(0)
    fit(model, callbacks=[swag])
    (member,) = swag.members(model, 1, X)
    mean, variance = next(one for one in member.layers if one.name == norm.name).get_weights()[2:]
    np.testing.assert_allclose(mean, 2 * X.mean(axis=0, dtype="float64"), rtol=1e-5)
    np.testing.assert_allclose(variance, 5 * X.var(axis=0, dtype="float64"), rtol=1e-5)


@pytest.mark.parametrize("model", [lambda: normalised(dropout=0.5), networks.Whole])
def test_statistics_reproduce_with_dropout_and_in_subclassed_models(model):
    model, swag = model(), Swag(0)
    fit(model, callbacks=[swag])
    first = swag.members(model, 2, X, seed=1)[1]
    keras.utils.set_random_seed(99)
    second = swag.members(model, 2, X, seed=1)[1]
    assert_same(first.get_weights(), second.get_weights())
    assert not np.allclose(outputs(first), outputs(model))


def test_computing_statistics_moves_no_other_weight():
    inputs = keras.Input((4,))
    hidden = layers.SpectralNormalization(layers.Dense(5))(inputs)  # moves its kernel in training
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.BatchNormalization()(hidden)))
    swag = Swag(0)
    fit(model, callbacks=[swag])
    with pytest.warns(howsure.HowsureWarning, match="vector_u' changed .* without being trained"):
        (member,) = swag.members(model, 1, X)
    flat = np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in member.trainable_weights])
    np.testing.assert_array_equal(flat, next(draw_weights(swag.moments, 1)).astype("float32"))


def test_what_is_frozen_in_a_subclassed_model_stays_so_in_its_members():
    model, swag = networks.Whole(), Swag(0)
    model.norm.trainable = False
    fit(model, callbacks=[swag])
    (member,) = swag.members(model, 1)  # without rows: no statistics move
    assert not member.norm.trainable
    assert member.out.trainable
    assert_same(member.norm.get_weights(), model.norm.get_weights())


def test_statistics_of_a_model_with_named_inputs():
    inputs = {"zebra": keras.Input((4,), name="zebra"), "ant": keras.Input((2,), name="ant")}
    norm = layers.BatchNormalization(name="norm")
    both = layers.Concatenate()([norm(inputs["zebra"]), inputs["ant"]])
    model, swag = keras.Model(inputs, layers.Dense(3, "softmax")(both)), Swag(0)
    rows = {"ant": X[:, :2], "zebra": X}
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(rows, Y, epochs=2, verbose=0, callbacks=[swag])
    (member,) = swag.members(model, 1, rows)
    np.testing.assert_allclose(member.get_layer("norm").get_weights()[2], X.mean(axis=0), rtol=1e-5)


def test_statistics_of_a_sequential_model():
    model = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(name="norm"), layers.Dense(3, "softmax")]
    )
    swag = Swag(0)
    fit(model, callbacks=[swag])
    (member,) = swag.members(model, 1, X)
    np.testing.assert_allclose(member.get_layer("norm").get_weights()[2], X.mean(axis=0), rtol=1e-5)


def test_swag_says_what_it_lacks():
    model, swag = normalised(), Swag(start=2, every=3)
    with pytest.raises(howsure.InputError, match="at least 2, so a training of at least 6 epochs"):
        swag.members(model, 2, X)
    fit(model, epochs=5, callbacks=[swag])
    with pytest.raises(howsure.InputError, match="Received: 1, from a training of 5"):
        swag.members(model, 2, X)
    fit(model, epochs=6, callbacks=[swag])
    with pytest.raises(howsure.InputError, match=r"normalisation layers 'first', 'second'\. Expected: rows"):
        swag.members(model, 2)
    with pytest.raises(howsure.InputError, match="at least 2, for a variance"):
        swag.members(model, 2, X[:1])
    with pytest.raises(howsure.InputError):
        swag.members(model, 2, X[:, :3])
    with pytest.raises(howsure.InputError, match="`count` cannot be used"):
        swag.members(model, 0, X)
    for scale in (-1, np.nan, "one"):
        with pytest.raises(howsure.InputError, match="`scale` cannot be used"):
            swag.members(model, 1, X, scale=scale)
    with pytest.raises(howsure.InputError, match="`rank` cannot be used"):
        Swag(0, rank=1)
    with pytest.raises(howsure.ModelError, match="other weights than those collected"):
        swag.members(small(), 1, X)
    frozen = small()
    frozen.trainable = False
    swag.set_model(frozen)
    swag.on_train_begin()
    with pytest.raises(howsure.ModelError, match="no trainable weights"):
        swag.on_epoch_end(2)


def test_members_of_a_regression_are_an_ensemble_of_numbers():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse", run_eagerly=True)
    snapshots, swag = Snapshots(start=1), Swag(start=1, rank=2)
    model.fit(X, X[:, :1] * 100, epochs=4, batch_size=20, verbose=0, callbacks=[snapshots, swag])
    for members in (snapshots.members(model), swag.members(model, 3)):
        found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
        each = [outputs(member).astype(float) for member in members]
        np.testing.assert_allclose(found.mean, np.mean(each, axis=0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found.spread, np.std(each, axis=0), rtol=1e-2, atol=1e-3)
        assert found.passes.tolist() == [3] * len(X)
