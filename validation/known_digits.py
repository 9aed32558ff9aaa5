"""Methods beside the exact truth, on digits with known answers; written to docs/known-digits-methods.md.

    python -m validation.known_digits             everything, to docs/known-digits-methods.json and .md

Draws digits whose probabilities are known from Gaussians fitted to MNIST (Bayes error 5 %), trains three
small networks on each of 1,000, 4,000 and 16,000 of them, and says for every method how far its percentages
are from the truth, how many of its coin flips are true ones, how many true ones it finds, and how its two
kinds of doubt change with more training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

import howsure
from benchmarks.docs import Page, table
from howsure.compare.run import default_methods
from howsure.demo import mnist
from howsure.evaluation.score import Score
from validation.digits import KnownDigits, coin_flip_scores, known_digits

SIZES = (1_000, 4_000, 16_000)
TEST = 4_000
MEMBERS = 3
EPOCHS = {1_000: 60, 4_000: 30, 16_000: 15}
BAYES_ERROR = 0.05

PAGE = Page("known-digits-methods")


def build(seed: int) -> keras.Model:
    """A small convolutional network with dropout in its head."""
    convolutions = [layers.Conv2D(*of, strides=2, activation="relu") for of in ((16, 5), (32, 3))]
    steps = layers.Flatten(), layers.Dropout(0.25), layers.Dense(64, "relu"), layers.Dropout(0.5)
    return keras.Sequential([keras.Input((28, 28, 1)), *convolutions, *steps, layers.Dense(10, "softmax")])


def trained(x: Any, y: Any, epochs: int, count: int) -> list[keras.Model]:
    """Networks trained from the seeds 0 to `count` − 1."""
    members = []
    for seed in range(count):
        keras.utils.set_random_seed(seed)
        model = build(seed)
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)
        members.append(model)
    return members


def compare(digits: KnownDigits, size: int) -> tuple[howsure.Comparison, float]:
    """Methods compared on all test digits, after training on `size` digits; and the best possible NLL."""
    x, y = digits.x_train[:size, ..., None], digits.y_train[:size]

    first, *others = trained(x, y, EPOCHS[size], MEMBERS)
    methods = default_methods(first, digits.x_test[..., None], others)
    methods["last-layer Laplace"] = howsure.LastLayerLaplace.fit(first, x, y)
    found = howsure.compare(first, digits.x_test[..., None], digits.y_test, methods=methods, shifts={})
    return found, float(-np.mean(np.log(digits.p_test[np.arange(TEST), digits.y_test])))


def mean(values: Any) -> str:
    """A mean with its 95 % interval over rows."""
    margin = 1.96 * np.std(values) / np.sqrt(len(values))
    return str(
        Score(float(np.mean(values)), float(np.mean(values) - margin), float(np.mean(values) + margin))
    )


def look_at(digits: KnownDigits, size: int) -> dict[str, Any]:
    """What each method comes to after training on `size` digits, as texts of cells; and the best NLL."""
    comparison, least = compare(digits, size)
    methods = {}
    for name in comparison.methods:
        certainty = comparison.certainties[name]
        precision, recall = coin_flip_scores(digits.p_test, certainty)
        calibrated = name in comparison.calibrations
        methods[name] = {
            "KL": mean(digits.kl_from(certainty.probabilities)),
            "precision": str(precision),
            "recall": str(recall),
            "expected entropy": "–" if calibrated else f"{certainty.expected_entropy.mean():.3f}",
            "mutual information": "–" if calibrated else f"{certainty.mutual_information.mean():.3f}",
            "accuracy": f"{100 * comparison.score(name, 'accuracy').value:.1f} %",
        }
    return {"best NLL": round(least, 3), "methods": methods}


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    sizes = {int(size): found["methods"] for size, found in figures["sizes"].items()}
    nearest = [min(of, key=lambda name, of=of: float(of[name]["KL"].split()[0])) for of in sizes.values()]

    def by_method(heads: Sequence[str], rows: Mapping[str, Iterable[str]]) -> str:
        return table(["method", *heads], *([name, *rows[name]] for name in rows))

    trained = [f"{size:,} digits" for size in sizes]
    most = sizes[SIZES[-1]]
    return {
        "nearest": ", ".join(dict.fromkeys(nearest)),
        "divergence": by_method(trained, {name: [of[name]["KL"] for of in sizes.values()] for name in most}),
        "bayes_error": figures["Bayes error"],
        "entropy": figures["entropy"],
        "coin_flips": figures["coin flips"],
        "best": figures["sizes"][str(SIZES[-1])]["best NLL"],
        "recall": f"{100 * max(float(each['recall'].split()[0]) for each in most.values()):.0f} %",
        "precision": f"{100 * max(float(each['precision'].split()[0]) for each in most.values()):.0f} %",
    }


def look() -> dict[str, Any]:
    """Draw, train, compare."""
    data, most = mnist.load(), max(SIZES)
    digits = known_digits(data.x_train, data.y_train, bayes_error=BAYES_ERROR, train=most, test=TEST)
    return {
        "Bayes error": f"{100 * digits.bayes_error:.1f} %",
        "coin flips": int(digits.coin_flips.sum()),
        "entropy": round(float(digits.entropy.mean()), 3),
        "sizes": {size: look_at(digits, size) for size in SIZES},
    }


if __name__ == "__main__":
    PAGE.measure(look, parts)
