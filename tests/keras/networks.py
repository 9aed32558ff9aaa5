"""One small network of each architecture howsure promises to handle, with rows for it."""

import os
import zipfile

import keras
import numpy as np
from keras import layers, ops

from howsure.adapters.keras.model_cache import ATTRIBUTE

ROWS = 3


@keras.saving.register_keras_serializable("howsure_tests")
class Block(layers.Layer):
    """A user's layer that holds a Dropout."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(6, activation="relu")
        self.drop = layers.Dropout(0.3)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, inputs, training=None):
        return self.drop(self.dense(inputs), training=training)


@keras.saving.register_keras_serializable("howsure_tests")
class Always(layers.Dropout):
    """The subclass everybody writes, and it does a little more."""

    def call(self, inputs, training=None):
        return 1.5 * super().call(inputs, training=True)


@keras.saving.register_keras_serializable("howsure_tests")
class Whole(keras.Model):
    """A subclassed model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block = Block()
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.4)
        self.out = layers.Dense(3, activation="softmax")

    def call(self, inputs, training=None):
        return self.out(self.drop(self.norm(self.block(inputs), training=training), training=training))


def _dense(*middle, shape=(4,), outputs=3):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Dense(6, activation="relu"),
            *middle,
            layers.Dense(outputs, activation="softmax"),
        ]
    )


def sequential():
    return _dense(
        layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(5, "relu"), layers.Dropout(0.25)
    )


def functional_skip():
    x = keras.Input((4,))
    a = layers.Dense(5, activation="relu")(x)
    b = layers.Dropout(0.3)(a)
    c = layers.Dense(5, activation="tanh")(b)
    return keras.Model(x, layers.Dense(3, activation="softmax")(layers.Add()([a, b, c]) * 0.7))


def nested_twice():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(5, "relu"), layers.Dropout(0.3)], name="inner")
    y = keras.Input((5,))
    middle = keras.Model(y, layers.Dropout(0.2)(inner(y)), name="middle")
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, "softmax")(middle(layers.Dense(5, "relu")(x))))


def shared_layer():
    x = keras.Input((4,))
    drop, dense = layers.Dropout(0.4), layers.Dense(4, "relu")
    return keras.Model(x, layers.Dense(3, "softmax")(drop(dense(drop(dense(x))))))


def shared_model():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu"), layers.Dropout(0.4)])
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(3, "softmax")(inner(x) + inner(inner(x))))


def two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    left = layers.Dropout(0.3)(layers.Dense(4, "relu")(a))
    both = layers.Concatenate()([left, layers.Dense(3)(b)])
    return keras.Model([a, b], layers.Dense(3, "softmax")(layers.Dropout(0.2)(both)))


def dict_inputs():
    a, b = keras.Input((4,), name="zebra"), keras.Input((2,), name="ant")
    left = layers.Dropout(0.3)(layers.Dense(4, "relu")(a))
    both = layers.Concatenate()([left, layers.Dense(3)(b)])
    return keras.Model({"zebra": a, "ant": b}, layers.Dense(3, "softmax")(both))


def spatial_1d():
    return _pooled(layers.Conv1D(4, 2, activation="relu"), layers.SpatialDropout1D(0.3), 1, (5, 2))


def spatial_2d():
    return _pooled(layers.Conv2D(4, 2, activation="relu"), layers.SpatialDropout2D(0.3), 2, (4, 4, 1))


def spatial_3d():
    return _pooled(layers.Conv3D(3, 2, activation="relu"), layers.SpatialDropout3D(0.3), 3, (3, 3, 3, 1))


def _pooled(conv, drop, rank, shape):
    pool = getattr(layers, f"GlobalAveragePooling{rank}D")()
    return keras.Sequential(
        [keras.Input(shape), conv, layers.BatchNormalization(), drop, pool, layers.Dense(3, "softmax")]
    )


def noise_shape():
    return keras.Sequential(
        [
            keras.Input((3, 4)),
            layers.Dropout(0.4, noise_shape=(None, 1, 4)),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def alpha():
    return _dense(layers.AlphaDropout(0.3), layers.Dense(4, activation="selu"))


def gaussian():
    return _dense(layers.GaussianDropout(0.3), layers.Dense(4, activation="relu"))


def gaussian_noise():
    return _dense(layers.GaussianNoise(0.5), layers.Dropout(0.2))


def always():
    return _dense(Always(0.3))


def block():
    return _dense(Block(), layers.Dropout(0.2))


def subclassed():
    model = Whole()
    model(np.zeros((2, 4), "float32"))
    return model


def attention():
    x = keras.Input((4, 6))
    y = layers.MultiHeadAttention(2, 3, dropout=0.3)(x, x)
    y = layers.LayerNormalization()(x + layers.Dropout(0.2)(y))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(y)))


def time_distributed():
    x = keras.Input((3, 4))
    y = layers.TimeDistributed(layers.Dropout(0.4))(layers.Dense(4, "relu")(x))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.Flatten()(y)))


def masked_embedding():
    x = keras.Input((5,), dtype="int32")
    y = layers.Dropout(0.3)(layers.Embedding(6, 4, mask_zero=True)(x))
    return keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(y)))


ARCHITECTURES = {
    function.__name__: function
    for function in (
        sequential, functional_skip, nested_twice, shared_layer, shared_model, two_inputs, dict_inputs,
        spatial_1d, spatial_2d, spatial_3d, noise_shape, alpha, gaussian, gaussian_noise,
        always, block, subclassed, attention, time_distributed, masked_embedding,
    )
}  # fmt: skip


# Those that differ in what a backend computes. The others differ in how their layers are put together, which
# one backend shows for all.
BY_BACKEND = [
    "sequential", "two_inputs", "spatial_1d", "spatial_3d", "noise_shape", "gaussian_noise", "subclassed",
    "attention", "masked_embedding",
]  # fmt: skip
EVERYWHERE = keras.backend.backend() == "torch" or "EVERY_TEST" in os.environ
HERE = list(ARCHITECTURES) if EVERYWHERE else BY_BACKEND


def build(name, seed=3):
    """The network with weights that are the same on every backend and let its outputs vary, and BatchNorm
    statistics unlike a batch's."""
    keras.utils.set_random_seed(seed)
    model = ARCHITECTURES[name]()
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if "moving_mean" in variable.path:
            variable.assign(random.normal(0.3, 0.2, variable.shape))
        elif "moving_variance" in variable.path:
            variable.assign(random.uniform(0.5, 2.0, variable.shape))
        elif len(variable.shape) > 1:
            spread = 1.3 / np.sqrt(np.prod(variable.shape[:-1]) if "embed" not in variable.path else 1)
            variable.assign(random.normal(0, spread, variable.shape))
    return model


def rows_for(model, seed=11, rows=ROWS):
    """Rows as the model takes them."""
    random = np.random.default_rng(seed)

    def make(tensor):
        shape = (rows, *tensor.shape[1:])
        if "int" in tensor.dtype:
            return np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [1, 1, 2, 3, 4]])[:rows]
        return random.normal(size=shape).astype("float32")

    if isinstance(model, Whole):
        return random.normal(size=(rows, 4)).astype("float32")
    structure = model._inputs_struct if hasattr(model, "_inputs_struct") else model.inputs[0]
    return keras.tree.map_structure(make, structure)


COPIES = 3000
"""How often Keras draws for each row where it is the oracle."""


def check_against_copies(result, model, x, passes):
    """Means and expected entropies beside those of Keras in training, which draws for every copy of a row."""
    copies = ops.convert_to_numpy(model(ops.convert_to_tensor(np.repeat(x, COPIES, axis=0)), training=True))
    copies = copies.reshape(len(x), COPIES, 3).astype(np.float64)
    error = copies.std(axis=1) / np.sqrt(COPIES)
    assert error.max() > 1e-4, "the network is too sure of itself to tell anything"
    assert np.all(np.abs(result.probabilities - copies.mean(axis=1)) <= 4 * np.hypot(error, result.mc_error))
    entropies = -np.sum(copies * np.log(np.maximum(copies, 1e-300)), axis=-1)
    allowed = 4 * np.sqrt(1 + COPIES / passes) * entropies.std(axis=1) / np.sqrt(COPIES)
    assert np.all(np.abs(result.expected_entropy - entropies.mean(axis=1)) <= allowed)


def snapshot(model):
    """All of a model, and of the layers of Keras, that may not change."""
    below = [model, *model._flatten_layers(include_self=False)]
    return (
        [ops.convert_to_numpy(variable).tobytes() for variable in model.variables],
        [(layer.trainable, layer.built, len(layer.losses), "call" in vars(layer)) for layer in below],
        [sorted(set(vars(layer)) - {ATTRIBUTE}) for layer in below],
        [module.training for module in model.modules()] if keras.backend.backend() == "torch" else [],
        [
            vars(cls)["call"]
            for cls in (layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise)
        ],
    )


def rewritten(path, parts):
    """Puts other parts into a .keras file; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (before | parts).items():
            if content is not None:
                archive.writestr(name, content)
