"""What other implementations of MC dropout get wrong: a test for each."""

import sys
import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import howsure
from tests.sampling.networks import same

from .networks import build, rows_for

METHOD = howsure.MCDropout(passes=8)
BACKEND = keras.backend.backend()


def rows(count=5, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *(shape or (4,)))).astype("float32")


def assess(model, x, **arguments):
    return howsure.assess(model, x, **{"method": METHOD, **arguments})


def sequential(*middle, shape=(4,), outputs=3, name="net"):
    return keras.Sequential([keras.Input(shape), *middle, layers.Dense(outputs, "softmax")], name=name)


def take_weights(model, other):
    for to, source in zip(model.weights, other.weights, strict=True):
        to.assign(ops.convert_to_numpy(source))


# --- training=True on the whole model ---------------------------------------------------------


@pytest.mark.parametrize("baked_in", [False, True])
def test_batch_norm_uses_what_it_learned_and_learns_nothing(baked_in):
    norm = layers.BatchNormalization(epsilon=0.001)
    x_in = keras.Input((60,))
    normed = norm(x_in, training=True) if baked_in else norm(x_in)
    model = keras.Model(x_in, layers.Dropout(0.5)(normed))
    mean, variance = rows(1, 60, seed=1)[0], np.linspace(0.5, 3, 60, dtype="float32")
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)
    x = rows(4, 60) * 50  # a batch with statistics of its own
    means, _ = howsure.predict_with_uncertainty(model, x, n_iter=2)
    ratio = means / ((x - mean) / np.sqrt(variance + 0.001))
    # Kept in none, one or both of two passes, and then doubled.
    assert np.all(np.min(np.abs(ratio[..., None] - [0, 1, 2]), axis=-1) < 1e-3)
    assert set(np.round(ratio).astype(int).flat) == {0, 1, 2}
    np.testing.assert_array_equal(ops.convert_to_numpy(norm.moving_mean), mean)
    np.testing.assert_array_equal(ops.convert_to_numpy(norm.moving_variance), variance)


def test_augmentation_stays_off():
    x = rows(4, 6, 6, 1)
    plain = sequential(layers.Flatten(), layers.Dropout(0.4), shape=(6, 6, 1))
    augmented = sequential(
        layers.RandomFlip(),
        layers.RandomRotation(0.3),
        layers.Flatten(),
        layers.Dropout(0.4),
        shape=(6, 6, 1),
    )
    augmented.layers[-1].set_weights(plain.layers[-1].get_weights())
    same(assess(augmented, x), assess(plain, x))
    notes = {layer.kind: layer.note for layer in howsure.audit(augmented).layers}
    assert "augments the data in training only" in notes["RandomFlip"]
    assert "augments the data in training only" in notes["RandomRotation"]


def test_gaussian_noise_stays_off_unless_asked_for():
    plain = sequential(layers.Dropout(0.4))
    noisy = sequential(layers.GaussianNoise(0.8), layers.Dropout(0.4))
    take_weights(noisy, plain)
    same(assess(noisy, rows()), assess(plain, rows()))
    asked = assess(noisy, rows(), method=howsure.MCDropout(passes=8, gaussian_noise=True))
    assert np.abs(asked.probabilities - assess(plain, rows()).probabilities).max() > 0.01
    only_noise = sequential(layers.GaussianNoise(0.8))
    with pytest.raises(howsure.ModelError, match=r"is random only in .*MCDropout\(gaussian_noise=True\)"):
        assess(only_noise, rows())
    assert (
        assess(only_noise, rows(), method=howsure.MCDropout(passes=8, gaussian_noise=True)).mc_error.max() > 0
    )


# --- dropout that is off, hidden or missed ----------------------------------------------------


def test_dropout_that_never_reaches_the_output_is_an_error_that_names_it():
    x = keras.Input((4,))
    lost = layers.Dropout(0.5, name="lost")(x) * 0.0
    model = keras.Model(x, layers.Dense(3, "softmax")(x + lost), name="net")
    with pytest.raises(
        howsure.ModelError,
        match=r"All passes of model 'net' are the same, although it has random layers.*'lost'",
    ):
        assess(model, rows())
    audit = howsure.audit(model)
    assert not audit.passes_differ
    assert audit.largest_difference == 0
    assert "the same" in str(audit)
    assert "does not depend on what these layers drop" in audit.advice


def test_rows_that_silence_the_dropout_are_not_the_models_fault():
    """All passes over zeros are the same, and rightly so."""
    model = sequential(layers.Dropout(0.5))
    certainty = assess(model, np.zeros((3, 4), "float32"))
    np.testing.assert_allclose(certainty.mutual_information, 0, atol=1e-12)


@pytest.mark.parametrize("where", ["layer", "nested model"])
def test_dropout_called_with_training_true_changes_nothing(where):
    """The popular trick: `Dropout(0.5)(x, training=True)`."""

    def network(**call):
        x = keras.Input((4,))
        y = layers.BatchNormalization()(layers.Dense(6, "relu")(x))
        if where == "layer":
            y = layers.Dropout(0.5)(y, **call)
        else:
            y = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5), layers.BatchNormalization()])(
                y, **call
            )
        return keras.Model(x, layers.Dense(3, "softmax")(y))

    plain, trick = network(), network(training=True)
    take_weights(trick, plain)
    same(assess(trick, rows()), assess(plain, rows()))


def backend_uniform(shape, seeds):
    if BACKEND == "jax":
        import jax

        return jax.random.uniform(seeds.next(), shape)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.random.uniform(shape)
    import torch

    return torch.rand(tuple(shape))


class DrawsAlways(layers.Layer):
    """The other popular trick: no layer, no `training`, numbers of its own in every call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        return inputs * ops.cast(backend_uniform(ops.shape(inputs), self.seeds) > 0.5, inputs.dtype)


SEEDS = keras.random.SeedGenerator(1)


def drop(x):
    return x * ops.cast(backend_uniform(ops.shape(x), SEEDS) > 0.5, x.dtype)


ALWAYS = {
    "layer": lambda: DrawsAlways(name="noisy"),
    "Lambda": lambda: layers.Lambda(drop, output_shape=(4,), name="noisy"),
    "Activation": lambda: layers.Activation(drop, name="noisy"),
}


@pytest.mark.parametrize("others", [[], [0.3]])
@pytest.mark.parametrize("name", ALWAYS)
def test_draws_that_never_stop_are_refused_as_no_seed_reaches_them(name, others):
    """Their numbers would depend on what ran before, on the batch and on the rows beside."""
    model = sequential(ALWAYS[name](), *map(layers.Dropout, others))
    message = r"'noisy' .*draws random numbers inside its call, also when predict"
    with pytest.raises(howsure.ModelError, match=message):
        assess(model, rows())
    assert "use a Dropout layer there" in str(howsure.audit(model))


@pytest.mark.skipif(BACKEND != "torch", reason="modules of PyTorch run on the torch backend")
def test_dropout_inside_a_wrapped_torch_module_is_said_aloud():
    import torch

    def wrapped():
        return layers.TorchModuleWrapper(torch.nn.Dropout(0.5), name="wrapped")

    message = "'wrapped': TorchModuleWrapper draws random numbers inside its call"
    with pytest.raises(howsure.ModelError, match=message):
        assess(sequential(wrapped()), rows())
    with pytest.warns(howsure.HowsureWarning, match=message):
        assess(sequential(wrapped(), layers.Dropout(0.3)), rows())


# --- what the mean is a mean of ---------------------------------------------------------------


class SoftmaxInItsCall(layers.Dense):
    """Its `activation` says linear, its call says softmax."""

    def call(self, inputs):
        return ops.softmax(super().call(inputs))


def test_the_activation_of_a_users_layer_is_not_taken_for_what_its_call_does():
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.4), SoftmaxInItsCall(3)])
    plain = sequential(layers.Dropout(0.4))
    take_weights(model, plain)
    with pytest.raises(howsure.ModelError, match=r"a SoftmaxInItsCall layer.*outputs='probabilities'"):
        assess(model, rows())
    same(assess(model, rows(), outputs="probabilities"), assess(plain, rows()))


@pytest.mark.parametrize("end", ["activation", "layer", "operation", "log operation", "dense"])
def test_a_softmax_is_recognised_in_whatever_form(end):
    x = keras.Input((4,))
    y = layers.Dense(3, activation="softmax" if end == "dense" else None)(layers.Dropout(0.4)(x))
    last = {
        "activation": layers.Activation("softmax"),
        "layer": layers.Softmax(),
        "operation": ops.softmax,
        "log operation": ops.log_softmax,
    }
    model = keras.Model(x, y if end == "dense" else last[end](y))
    plain = sequential(layers.Dropout(0.4))
    take_weights(plain, model)
    same(assess(model, rows()), assess(plain, rows()))


# --- seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 3])
def test_neither_batches_nor_what_ran_before_nor_the_layers_own_seed_matter(seed):
    model = sequential(layers.Dense(6, "relu"), layers.Dropout(0.5, seed=seed))
    x = rows(9)
    before = assess(model, x)
    model(x, training=True)
    keras.utils.set_random_seed(99)
    for batch_size in (1, 4, 256):
        same(assess(model, x, batch_size=batch_size), before)


def test_threads_do_not_disturb_each_other():
    """As in a server: the same model and another, at the same time, while a third predicts with Keras."""
    models = [sequential(layers.Dense(9, "relu"), layers.Dropout(rate)) for rate in (0.5, 0.2)]
    x = rows()
    expected = [assess(model, x) for model in models]
    plain = ops.convert_to_numpy(models[0](x))
    originals = [vars(cls)["call"] for cls in (layers.Dropout, layers.GaussianNoise)]
    faults = []

    def work(number):
        try:
            for _ in range(4):
                if number == 4:
                    np.testing.assert_allclose(ops.convert_to_numpy(models[0](x)), plain, atol=1e-6)
                else:
                    same(assess(models[number % 2], x), expected[number % 2])
        except Exception as fault:
            faults.append(fault)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert faults == []
    assert [vars(cls)["call"] for cls in (layers.Dropout, layers.GaussianNoise)] == originals


# --- models out of the ordinary that are handled right ----------------------------------------


def linear(count, **how):
    return keras.Sequential([keras.Input((4,)), layers.Dropout(0.5), layers.Dense(count, **how)])


def test_sigmoids_without_a_loss_are_labels_and_that_is_said():
    model, plain = linear(3, activation="sigmoid"), howsure.Softmax()
    for other, wish in ((model, {}), (keras.Model(model.inputs, 2 * model.outputs), {"output": 0})):
        with pytest.warns(
            howsure.HowsureWarning,
            match=r"what the 3 sigmoids .*='label-probabilities' or model.compile\(loss=…\) confirms",
        ):
            result = assess(other, rows(), method=plain, **wish)
        same(result, assess(model, rows(), method=plain, outputs="label-probabilities"))


def test_masks_of_keras_are_carried_along():
    """What stands for padding has no say, through dropout and pooling."""
    model = build("masked_embedding")
    x = rows_for(model)
    before = assess(model, x)
    table = next(layer for layer in model.layers if isinstance(layer, layers.Embedding))
    values = ops.convert_to_numpy(table.embeddings).copy()
    values[0] += 100
    table.embeddings.assign(values)
    same(assess(model, x), before)
    values[1] += 1
    table.embeddings.assign(values)
    assert np.abs(assess(model, x).probabilities - before.probabilities).max() > 0.01


# --- what the plain prediction is -----------------------------------------------------------------


class AlwaysOn(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class NoiseAlwaysOn(layers.GaussianNoise):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class CallsAlwaysOn(layers.Layer):
    """A user's block that leaves its dropout on, as the old recipe for MC dropout has it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dropout = layers.Dropout(0.5)

    def call(self, inputs):
        return self.dropout(inputs, training=True)


FORCED_ON = {
    "a subclass": lambda: AlwaysOn(0.5),
    "its call": CallsAlwaysOn,
    "noise": lambda: NoiseAlwaysOn(1.0),
}


def forced_on(name):
    """A network whose random layer is always on, and the same without it."""
    x_in, dense = keras.Input((4,)), layers.Dense(6, "relu")
    last = layers.Dense(3, "softmax")
    hidden = dense(x_in)
    random = FORCED_ON[name]()(hidden)
    return keras.Model(x_in, last(random)), keras.Model(x_in, last(hidden))


PLAIN = {
    "softmax": lambda model: howsure.Softmax(),
    "augmentation": lambda model: howsure.Augmentation([lambda x: x]),
}
TWICE = "ignore:Change 0 leaves"


@pytest.mark.filterwarnings(TWICE)
@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("name", FORCED_ON)
def test_the_plain_prediction_has_its_dropout_off_also_where_it_is_forced_on(name, method):
    model, without = forced_on(name)
    x = rows(20)
    probabilities = howsure.assess(model, x, method=PLAIN[method](model)).probabilities
    np.testing.assert_allclose(probabilities, ops.convert_to_numpy(without(x)), atol=1e-5)
    if name != "noise":
        assert assess(model, x).mutual_information.max() > 0


@pytest.mark.parametrize("name", FORCED_ON)
def test_features_have_dropout_off_also_where_it_is_forced_on(name):
    model, without = forced_on(name)
    x = rows(20)
    features, expected = howsure.features_of(model, x), howsure.features_of(without, x)
    np.testing.assert_allclose(features.features, expected.features, atol=1e-5)
    np.testing.assert_allclose(features.logits, expected.logits, atol=1e-5)


@pytest.mark.filterwarnings(TWICE)
@pytest.mark.parametrize(
    "use",
    [
        lambda model, x: howsure.assess(model, x, method=howsure.Softmax()),
        lambda model, x: howsure.assess(model, x, method=howsure.Ensemble([model])),
        lambda model, x: howsure.assess(model, x, method=howsure.Augmentation([lambda x: x])),
        lambda model, x: howsure.compare(model, x, np.zeros(len(x), int)),
        lambda model, x: howsure.features_of(model, x),
        lambda model, x: howsure.LastLayerLaplace.fit(model, x, np.zeros(len(x), int)),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_prediction_that_is_random_out_of_reach_is_refused(use, wrapped):
    own = ALWAYS["Lambda"]() if wrapped else DrawsAlways(name="noisy")
    model = sequential(layers.Dense(4), own)
    with pytest.raises(
        howsure.ModelError, match=f"Layer '{own.name}' draws random numbers also when predict"
    ):
        use(model, rows(12))
    assert "The plain prediction is random as well" in str(howsure.audit(model))


class DrawsInTraining(DrawsAlways):
    def call(self, inputs, training=None):
        return super().call(inputs) if training else inputs


def test_compare_says_that_what_is_random_is_out_of_reach():
    model, x = sequential(DrawsInTraining(name="own")), rows(12)
    with pytest.warns(howsure.HowsureWarning, match="MC dropout is left out: 'own': DrawsInTraining draws"):
        compared = howsure.compare(model, x, np.arange(12) % 3, calibrated=False)
    assert compared.methods == ("softmax",)
