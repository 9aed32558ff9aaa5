"""Networks of Keras that tell a class at each position, and Keras itself with given masks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
from keras import layers, ops
from keras.src.backend import random as drawn_by_keras
from numpy.typing import NDArray

from howsure.random_ops import RandomOp

CLASSES, ROWS, SIDE = 3, 3, 32


@dataclass(frozen=True)
class Case:
    """What makes a network, and the shape of a row, of whole numbers if it has one side."""

    make: Callable[[], Any]
    shape: tuple[int, ...] = (SIDE, SIDE, 3)
    output: str | None = None

    def rows(self) -> NDArray[Any]:
        """Rows (N, *shape)."""
        random = np.random.default_rng(11)
        if len(self.shape) > 1:
            return random.normal(size=(ROWS, *self.shape)).astype(np.float32)
        words = random.integers(1, 50, (ROWS, *self.shape)).astype(np.int32)
        words[1, -4:], words[2, -2:] = 0, 0
        return words


def _block(x: Any, width: int, drop: Any = None) -> Any:
    found = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x)))
    return found if drop is None else drop(found)


def _unet(
    bottom: Any = None,
    *,
    each: float = 0.0,
    last: str = "linear",
    end: Any = None,
    sides: int | None = SIDE,
    transposed: bool = False,
) -> Callable[[], Any]:
    """A U-Net of two levels, with dropout at the bottom, and with spatial dropout at each level."""

    def make() -> Any:
        def level(x: Any, width: int) -> Any:
            return _block(x, width, layers.SpatialDropout2D(each) if each else None)

        def up(x: Any, width: int) -> Any:
            if transposed:
                return layers.Conv2DTranspose(width, 2, 2, padding="same")(x)
            return layers.UpSampling2D(interpolation="bilinear")(x)

        x = keras.Input((sides, sides, 3))
        one = level(x, 6)
        two = level(layers.MaxPooling2D()(one), 8)
        low = _block(layers.MaxPooling2D()(two), 12, layers.Dropout(0.4) if bottom is None else bottom())
        two = level(layers.Concatenate()([up(low, 8), two]), 8)
        one = level(layers.Concatenate()([up(two, 6), one]), 6)
        outputs = layers.Conv2D(CLASSES, 1, activation=last)(one)
        return keras.Model(x, outputs if end is None else end(outputs))

    return make


class SubclassedUNet(keras.Model):  # type: ignore[misc]
    """A U-Net of one level whose forward pass is its own code."""

    def __init__(self) -> None:
        super().__init__()
        self.down = layers.Conv2D(6, 3, padding="same", activation="relu")
        self.inner = layers.Conv2D(8, 3, padding="same", activation="relu")
        self.drop, self.head = layers.SpatialDropout2D(0.4), layers.Conv2D(CLASSES, 1)
        self.pool, self.join = layers.MaxPooling2D(), layers.Concatenate()

    def call(self, x: Any, training: bool = False) -> Any:
        """Logits (N, H, W, K)."""
        down = self.down(x)
        inner = self.drop(self.inner(self.pool(down)), training=training)
        return self.head(self.join([ops.image.resize(inner, ops.shape(down)[1:3]), down]))


def _segnet() -> Any:
    """Pooled places put back, as in SegNet."""

    def places(given: Any) -> Any:
        pooled, whole = given
        return ops.cast(ops.equal(ops.repeat(ops.repeat(pooled, 2, axis=1), 2, axis=2), whole), "float32")

    x = keras.Input((SIDE, SIDE, 3))
    down = _block(x, 8)
    pooled = layers.MaxPooling2D()(down)
    inner = layers.UpSampling2D()(layers.Dropout(0.5)(_block(pooled, 8)))
    unpooled = layers.Multiply()([inner, layers.Lambda(places)([pooled, down])])
    return keras.Model(x, layers.Conv2D(CLASSES, 3, padding="same")(unpooled))


def _volume() -> Any:
    x = keras.Input((8, 8, 8, 1))
    down = layers.Conv3D(6, 3, padding="same", activation="relu")(x)
    inner = layers.Conv3D(8, 3, padding="same", activation="relu")(layers.MaxPooling3D()(down))
    up = layers.UpSampling3D()(layers.SpatialDropout3D(0.3)(inner))
    return keras.Model(x, layers.Conv3D(CLASSES, 1, activation="softmax")(layers.Concatenate()([up, down])))


def _tagger(body: Callable[[Any], Any], *, masked: bool = False) -> Callable[[], Any]:
    def make() -> Any:
        x = keras.Input((None,), dtype="int32")
        return keras.Model(x, body(layers.Embedding(50, 8, mask_zero=masked)(x)))

    return make


def _lstm(**settings: Any) -> Any:
    return layers.LSTM(8, return_sequences=True, **settings)


def _frames() -> Any:
    x = keras.Input((4, 16, 16, 3))
    each = keras.Sequential(
        [layers.Conv2D(6, 3, activation="relu"), layers.Dropout(0.3), layers.GlobalAveragePooling2D()]
    )
    return keras.Model(x, layers.Dense(CLASSES)(_lstm()(layers.TimeDistributed(each)(x))))


def _two_outputs() -> Any:
    x = keras.Input((16, 16, 3))
    hidden = layers.Dropout(0.3)(layers.Conv2D(6, 3, padding="same", activation="relu")(x))
    whole = layers.Dense(2)(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(x, {"mask": layers.Conv2D(CLASSES, 1)(hidden), "whole": whole})


CASES: dict[str, Case] = {
    "U-Net, dropout at the bottom": Case(_unet()),
    "U-Net, spatial dropout at the bottom, softmax": Case(
        _unet(lambda: layers.SpatialDropout2D(0.4), last="softmax")
    ),
    "U-Net, dropout at each level, transposed": Case(_unet(each=0.2, transposed=True)),
    "U-Net of any size, 24 × 40": Case(_unet(sides=None), (24, 40, 3)),
    "U-Net, sigmoids": Case(_unet(last="sigmoid")),
    "U-Net, Softmax layer": Case(_unet(end=layers.Softmax())),
    "U-Net, softmax over the height": Case(_unet(end=layers.Softmax(axis=1))),
    "U-Net, softmax, then upsampled": Case(
        _unet(last="softmax", end=lambda y: layers.UpSampling2D(interpolation="bilinear")(y))
    ),
    "U-Net, softmax, then reshaped": Case(_unet(last="softmax", end=layers.Reshape((SIDE * SIDE, CLASSES)))),
    "U-Net, subclassed, 30 × 22": Case(SubclassedUNet, (30, 22, 3)),
    "SegNet": Case(_segnet),
    "U-Net, 3-D": Case(_volume, (8, 8, 8, 1)),
    "U-Net beside a classifier": Case(_two_outputs, (16, 16, 3), "mask"),
    "LSTM tagger, padding masked": Case(
        _tagger(
            lambda x: layers.Dense(CLASSES, activation="softmax")(
                layers.Dropout(0.3)(layers.Bidirectional(_lstm())(x))
            ),
            masked=True,
        ),
        (12,),
    ),
    "LSTM tagger, dropout inside": Case(
        _tagger(lambda x: layers.Dense(CLASSES)(_lstm(dropout=0.3, recurrent_dropout=0.2)(x))), (12,)
    ),
    "Conv1D tagger": Case(
        _tagger(
            lambda x: layers.Conv1D(CLASSES, 1)(
                layers.SpatialDropout1D(0.3)(layers.Conv1D(8, 3, padding="same", activation="relu")(x))
            )
        ),
        (12,),
    ),
    "attention tagger, padding masked": Case(
        _tagger(
            lambda x: layers.Dense(CLASSES)(layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x)), masked=True
        ),
        (12,),
    ),
    "TimeDistributed Dense": Case(
        _tagger(
            lambda x: layers.TimeDistributed(layers.Dense(CLASSES, activation="softmax"))(
                layers.SpatialDropout1D(0.3)(_lstm()(x))
            )
        ),
        (12,),
    ),
    "TimeDistributed network over frames": Case(_frames, (4, 16, 16, 3)),
}


# --- the oracle -----------------------------------------------------------------------------------


def made(case: Case) -> Any:
    """A network of random weights, with statistics of norms unlike those of a batch."""
    keras.utils.clear_session()
    network, random = case.make(), np.random.default_rng(3)
    network(ops.convert_to_tensor(case.rows()))
    for each in network.weights:
        name, shape = each.path.rsplit("/", 1)[-1], tuple(each.shape)
        if "variance" in name:
            each.assign(random.uniform(0.5, 2, shape))
        elif len(shape) == 1 and "float" in each.dtype:
            each.assign(random.normal(1.0 if "gamma" in name else 0.0, 0.2, shape))
        elif shape and "float" in each.dtype:
            inside = 1 if "embed" in each.path else np.prod(shape[:-1])
            each.assign(random.normal(0, 1.5 / np.sqrt(inside), shape))
    return network


def run(network: Any, rows: NDArray[Any], output: str | None = None) -> NDArray[np.float32]:
    """What a network puts out as in training, its norms frozen."""
    norms = [each for each in network._flatten_layers() if isinstance(each, layers.BatchNormalization)]
    trainable = [each.trainable for each in norms]
    for each in norms:
        each.trainable = False
    found = network(ops.convert_to_tensor(rows), training=True)
    for each, was in zip(norms, trainable, strict=True):
        each.trainable = was
    return np.asarray(ops.convert_to_numpy(found if output is None else found[output]))


@contextlib.contextmanager
def masked(random_ops: Sequence[RandomOp], masks: Sequence[NDArray[Any]]) -> Iterator[None]:
    """In this scope, what drops in Keras takes these masks (*op.shape), in the order of the calls."""
    ahead = list(zip(random_ops, masks, strict=True))

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        op, mask = ahead.pop(0)
        if abs(op.rate - rate) > 1e-6:
            raise AssertionError(f"{op} where a rate of {rate} is drawn")
        return inputs * ops.convert_to_tensor(np.asarray(mask[None], np.float32) / np.float32(1 - rate))

    with patch.object(drawn_by_keras, "dropout", dropout):
        yield
    if ahead:
        raise AssertionError(f"{len(ahead)} of {len(random_ops)} masks were not used")
