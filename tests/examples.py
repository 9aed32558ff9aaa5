"""What the examples in docstrings find: networks in numpy and images of digits, without a framework.

The digits are those of a dot-matrix display, seven dots high, in normal noise. For such dots Bayes' rule
gives a good network in closed form, so nothing is trained. Dots are clipped to 0 and 1, which the network
does not know, so its percentages are too small: there is something to calibrate.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

import howsure
from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense, Dropout

SIDE, DOT = 28, 4
"""Pixels of an image, and of a dot, along each side."""

DIGITS = (
    *("3e5149453e", "00427f4000", "4261514946", "2141454b31", "1814127f10"),
    *("2745454539", "3c4a494930", "0171090503", "3649494936", "064949291e"),
)
LETTERS = ("7e1111117e", "6314081463", "7f0808087f")
"""Five columns of seven dots, a byte each, the top dot last."""

NOISE = 0.3
"""Standard deviation of a dot, where paper is 0.3 and ink 0.7."""


def dots(glyph: str) -> np.ndarray:
    """A glyph as 7 × 7 dots of paper and ink."""
    columns = np.frombuffer(bytes.fromhex(f"00{glyph}00"), np.uint8)
    return 0.3 + 0.4 * np.unpackbits(columns[:, np.newaxis], axis=1, bitorder="little")[:, :7].T


def images(glyphs: tuple[str, ...], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) of glyphs in noise, from 0 to 1, and which glyph each of them shows."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(glyphs), size=count)
    drawn = random.normal(np.stack([dots(glyph) for glyph in glyphs])[labels], NOISE)
    return np.kron(drawn.clip(0, 1), np.ones((1, DOT, DOT))).astype(np.float32), labels


class ImageModel(ArrayModel):
    """A network of flat rows that takes images."""

    def __init__(self, name: str, steps: dict[str, Any]) -> None:
        super().__init__(name, [InputSpec("x", (SIDE * SIDE,), "float32")], steps, trained_for="classes")
        self.info = dataclasses.replace(self.info, inputs=(InputSpec("x", (SIDE, SIDE), "float32"),))

    def predict(self, rows):
        return super().predict(_flat(rows))

    def trunk(self, rows):
        return super().trunk(_flat(rows))

    def features(self, rows):
        return super().features(_flat(rows))


def _flat(rows):
    return [images.reshape(len(images), -1) for images in rows]


def digit_reader() -> ImageModel:
    """The mean of each dot, dropout, and Bayes' rule: log p(k | dots z) = (μ_k · z − |μ_k|² / 2) / σ² + c."""
    pool = np.kron(np.eye(SIDE // DOT), np.full((DOT, 1), 1 / DOT))
    means = np.stack([dots(glyph).ravel() for glyph in DIGITS])
    bayes = Dense(means.T / NOISE**2, -np.sum(means**2, axis=1) / (2 * NOISE**2), "softmax")
    return ImageModel(
        "digits",
        {
            "dots": (Dense(np.kron(pool, pool)), "x"),
            "drop": (Dropout(0.05), "dots"),
            "output": (bayes, "drop"),
        },
    )


def weather_model() -> ArrayModel:
    """Two questions, rain and wind, each of which hangs on two of four measured numbers."""
    weights = [[2.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]
    return ArrayModel(
        "weather",
        [InputSpec("x", (4,), "float32")],
        {"drop": (Dropout(0.1), "x"), "output": (Dense(weights, 0.0, "sigmoid"), "drop")},
        trained_for="labels",
    )


def price_model() -> ArrayModel:
    """A price that follows from three measured numbers; dropout stands for what was not learned."""
    return ArrayModel(
        "prices",
        [InputSpec("x", (3,), "float32")],
        {"drop": (Dropout(0.1), "x"), "output": (Dense([[1.0], [0.5], [-0.3]], [4.0]), "drop")},
        trained_for="regression",
    )


TAGS = ("O", "B-PER", "I-PER", "B-LOC")


def word_tagger() -> ArrayModel:
    """The tag of each of eight words, from four measured numbers, one for each tag."""
    return ArrayModel(
        "tagger",
        [InputSpec("x", (8, len(TAGS)), "float32")],
        {"drop": (Dropout(0.2), "x"), "output": (Dense(4 * np.eye(len(TAGS)), 0.0, "softmax"), "drop")},
        trained_for="classes",
    )


@functools.cache
def namespace() -> dict[str, Any]:
    """The names that an example may use without making them."""
    x, labels = images(DIGITS, 500, seed=1)
    houses = np.random.default_rng(7).normal(0, 1, (200, 3)).astype(np.float32)
    x_train, labels_train = images(DIGITS, 2000, seed=2)
    model, (x_held_out, _) = digit_reader(), images(DIGITS, 500, seed=6)
    train, held_out = (howsure.features_of(model, each) for each in (x_train, x_held_out))
    return {
        "np": np,
        "howsure": howsure,
        "model": model,
        "x": x,
        "labels": labels,
        "x_train": x_train,
        "labels_train": labels_train,
        "x_held_out": x_held_out,
        "known": howsure.familiarity(train, labels_train, held_out),
        "x_new": images(DIGITS, 200, seed=3)[0],
        "labels_new": images(DIGITS, 200, seed=3)[1],
        "letters": images(LETTERS, 100, seed=4)[0],
        "prices": price_model(),
        "houses": houses,
        "paid": houses @ [1.0, 0.5, -0.3] + 4 + np.random.default_rng(8).normal(0, 0.5, len(houses)),
        "weather": weather_model(),
        "tagger": word_tagger(),
        "tags": TAGS,
        "sentences": np.random.default_rng(9).normal(0, 1, (20, 8, len(TAGS))).astype(np.float32),
        "measured": np.random.default_rng(5).normal(0, 2, (20, 4)).astype(np.float32),
    }
