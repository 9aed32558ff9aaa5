"""Networks of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from validation.architectures.core import Model, add, classes, stack
from validation.architectures.written import AlwaysDropPath, DropPath


@add("keras.io, simple MNIST convnet")
def mnist_convnet(on: float) -> Model:
    """MNIST convnet."""
    steps = (
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(6, 2, activation="relu"),
    )
    return stack((10, 10, 1), *steps, layers.Flatten(), layers.Dropout(0.5 * on))


@add("keras.io, image classification from scratch")
def xception_like(on: float) -> Model:
    """Separable convolutions with residuals."""
    x = keras.Input((12, 12, 3))
    y = layers.Rescaling(1 / 2)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(4, 3, 2, padding="same")(y)))
    before = y
    for size in (6, 8):
        y = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(layers.ReLU()(y)))
        y = layers.MaxPooling2D(3, strides=2, padding="same")(y)
        y = before = layers.add([y, layers.Conv2D(size, 1, strides=2, padding="same")(before)])
    y = layers.Dropout(0.25 * on)(layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, classes(y))


@add("keras.applications, EfficientNet")
def efficientnet(on: float) -> Model:
    """EfficientNet blocks: depthwise, squeeze, Dropout of whole rows."""
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same")(x)
    for rate in (0.2, 0.4):
        z = layers.Activation("swish")(layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y)))
        z = layers.Activation("swish")(
            layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(z))
        )
        squeeze = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(z))
        squeeze = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="swish")(squeeze))
        z = layers.BatchNormalization()(layers.Conv2D(4, 1)(layers.multiply([z, squeeze])))
        y = layers.add([layers.Dropout(rate * on, noise_shape=(None, 1, 1, 1))(z), y])
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(layers.GlobalAveragePooling2D()(y))))


@add("keras.applications, EfficientNetB0", copies=800)
def efficientnet_b0(on: float) -> Model:
    """EfficientNetB0 as it is."""
    model = keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=3)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate *= on
    return model


@add("keras.applications, ConvNeXt")
def convnext(on: float) -> Model:
    """ConvNeXt blocks with StochasticDepth."""
    x = keras.Input((8, 8, 3))
    y = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(4, 2, strides=2)(x))
    for rate in (0.2, 0.4):
        z = layers.LayerNormalization()(layers.Conv2D(4, 3, padding="same", groups=4)(y))
        z = layers.Dense(4)(layers.Activation("gelu")(layers.Dense(8)(z)))
        y = y + DropPath(rate * on)(z)
    return keras.Model(x, classes(layers.LayerNormalization()(layers.GlobalAveragePooling2D()(y))))


def transformer_blocks(y: Any, count: int, rate: float, path: Callable[[float], Any] | None = None) -> Any:
    """Blocks that begin with LayerNormalization."""
    for _ in range(count):
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        z = layers.MultiHeadAttention(2, 3, dropout=rate)(z, z)
        y = layers.Add()([z if path is None else path(rate)(z), y])
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        for units in (8, 6):
            z = layers.Dropout(rate)(layers.Dense(units, activation=keras.activations.gelu)(z))
        y = layers.Add()([z if path is None else path(rate)(z), y])
    return y


class Positions(layers.Layer):
    """Patches and learned positions."""

    def __init__(self, count: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count
        self.projection, self.position = layers.Dense(size), layers.Embedding(count, size)

    def call(self, patches: Any) -> Any:
        """Project and add."""
        return self.projection(patches) + self.position(ops.expand_dims(ops.arange(self.count), 0))


class Patches(layers.Layer):
    """Squares of an image."""

    def call(self, images: Any) -> Any:
        """Cut out 2 × 2."""
        count, _, _, channels = ops.shape(images)
        return ops.reshape(ops.image.extract_patches(images, size=2), (count, 9, 4 * channels))


@add("keras.io, image classification with ViT")
def vision_transformer(on: float) -> Model:
    """Vision transformer."""
    x = keras.Input((6, 6, 3))
    y = transformer_blocks(Positions(9, 6)(Patches()(x)), 2, 0.2 * on)
    y = layers.Dropout(0.5 * on)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(y)))
    y = layers.Dropout(0.5 * on)(layers.Dense(8, activation="gelu")(y))
    return keras.Model(x, classes(y))


@add("keras.io, CCT")
def compact_transformer(on: float) -> Model:
    """Compact convolutional transformer, StochasticDepth, pooling by attention."""
    x = keras.Input((8, 8, 3))
    y = layers.MaxPooling2D(3, 2, "same")(layers.Conv2D(6, 3, padding="same", activation="relu")(x))
    y = transformer_blocks(layers.Reshape((16, 6))(y), 2, 0.2 * on, DropPath)
    y = layers.LayerNormalization(epsilon=1e-5)(y)
    weights = layers.Permute((2, 1))(layers.Softmax(axis=1)(layers.Dense(1)(y)))
    return keras.Model(x, classes(layers.Reshape((6,))(layers.Dot((2, 1))([weights, y]))))


class Windows(layers.Layer):
    """Attention within windows, which lie on the axis of the rows, and a path that is always dropped."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm, self.attention = layers.LayerNormalization(), layers.MultiHeadAttention(2, 3)
        self.drop, self.drop_path = layers.Dropout(rate), AlwaysDropPath(rate)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """From (n, 16, 6) to the same in 4 windows."""
        windows = ops.reshape(self.norm(x), (-1, 4, 6))
        seen = self.drop(self.attention(windows, windows), training=training)
        return x + self.drop_path(ops.reshape(seen, (-1, 16, 6)))


@add("keras.io, Swin transformers")
def swin(on: float) -> Model:
    """Attention with windows folded into the batch axis, DropPath always on."""
    x = keras.Input((16, 6))
    y = layers.GlobalAveragePooling1D()(Windows(0.3 * on)(layers.Dense(6)(x)))
    return keras.Model(x, classes(y))


@add("keras.io, image classification with modern MLPs")
def mlp_mixer(on: float) -> Model:
    """MLP-Mixer."""
    x = keras.Input((6, 6, 3))
    y = Positions(9, 6)(Patches()(x))
    for _ in range(2):
        z = layers.Permute((2, 1))(layers.LayerNormalization()(y))
        z = layers.Dropout(0.2 * on)(layers.Dense(9, "gelu")(z))
        y = layers.Add()([layers.Permute((2, 1))(z), y])
        y = layers.Add()(
            [layers.Dropout(0.2 * on)(layers.Dense(6, "gelu")(layers.LayerNormalization()(y))), y]
        )
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(layers.GlobalAveragePooling1D()(y))))


@add("keras.io, 3D image classification from CT scans")
def convolutions_3d(on: float) -> Model:
    """A 3D convnet."""
    steps = layers.Conv3D(4, 2, activation="relu"), layers.MaxPooling3D(2), layers.BatchNormalization()
    pool = layers.GlobalAveragePooling3D(), layers.Dense(6, "relu"), layers.Dropout(0.3 * on)
    return stack((6, 6, 6, 1), *steps, layers.SpatialDropout3D(0.2 * on), *pool)


def without_flips(on: float) -> Model:
    """What `augmenting` is but for what it does to images in training."""
    steps = layers.Rescaling(1.0), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()
    return stack((6, 6, 3), *steps, layers.Dropout(0.4 * on))


@add("keras.io, data augmentation", oracle=without_flips)
def augmenting(on: float) -> Model:
    """Random flips in the model, which stay off."""
    steps = layers.Rescaling(1.0), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()
    return stack((6, 6, 3), layers.RandomFlip(), *steps, layers.Dropout(0.4 * on))
