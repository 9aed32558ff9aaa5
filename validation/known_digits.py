"""Methods beside the exact truth, on digits with known answers; written to docs/known-digits-methods.md.

    python -m validation.known_digits

Draws digits whose probabilities are known from Gaussians fitted to MNIST (Bayes error 5 %), trains three
small networks on each of 1,000, 4,000 and 16,000 of them, and says for every method how far its percentages
are from the truth, how many of its coin flips are true ones, how many true ones it finds, and how its two
kinds of doubt change with more training rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import howsure
from howsure.compare.run import default_methods
from howsure.demo import mnist
from howsure.judge.scores import Score
from howsure.training.members import train_members
from validation.digits import KnownDigits, coin_flip_scores, known_digits

SIZES = (1_000, 4_000, 16_000)
TEST = 4_000
MEMBERS = 3
EPOCHS = {1_000: 60, 4_000: 30, 16_000: 15}
BAYES_ERROR = 0.05

PAGE = Path(__file__).parent.parent / "docs" / "known-digits-methods.md"


def build(seed: int) -> keras.Model:
    """A small convolutional network with dropout in its head."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 5, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def compare(digits: KnownDigits, size: int) -> tuple[howsure.Comparison, float]:
    """Methods compared on all test digits, after training on `size` digits; and the best possible NLL."""
    x, y = digits.x_train[:size, ..., None], digits.y_train[:size]

    def fit(model: Any, seed: int) -> None:
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        model.fit(x, y, epochs=EPOCHS[size], batch_size=64, verbose=0)

    first, *others = train_members(build, fit, MEMBERS)
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


def main() -> None:
    """Draw, train, compare, write."""
    data = mnist.load()
    digits = known_digits(data.x_train, data.y_train, bayes_error=BAYES_ERROR, train=max(SIZES), test=TEST)
    lines = [
        "# Methods beside the exact truth",
        "",
        "Real labels say what was meant, not how clearly it could be seen. So digits are drawn here from one "
        "Gaussian per digit, fitted to the principal components of MNIST, and Bayes' rule gives "
        "p(digit | image) exactly (`validation/digits.py`). They are blurred, not MNIST: a Gaussian draws no "
        "sharp strokes.",
        "",
        "`python -m validation.known_digits` draws digits with known answers, with a "
        f"Bayes error of {100 * digits.bayes_error:.1f} %. It trains {MEMBERS} small networks on each of "
        f"{', '.join(f'{n:,}' for n in SIZES[:-1])} and {SIZES[-1]:,} digits, and writes this page. Of "
        f"{TEST:,} test digits {int(digits.coin_flips.sum()):,} are true coin flips. The mean true entropy "
        f"of the test digits is {digits.entropy.mean():.3f} nats. Intervals are 95 % intervals over digits.",
    ]
    nearest = []
    for size in SIZES:
        print(f"{size:,} training digits", flush=True)
        comparison, least = compare(digits, size)
        lines += [
            "",
            f"## {size:,} training digits",
            "",
            f"The best possible NLL is {least:.3f}.",
            "",
            "| method | KL from the truth, nats | coin flips that are true | true ones found | "
            "expected entropy | mutual information | right |",
            "|---|---|---|---|---|---|---|",
        ]
        off = {
            name: float(digits.kl_from(found.probabilities).mean())
            for name, found in comparison.certainties.items()
        }
        first = min(off, key=off.__getitem__)
        nearest.append(f"{first} ({off[first]:.3f} nats after {size:,} digits)")
        for name in comparison.methods:
            certainty = comparison.certainties[name]
            precision, recall = coin_flip_scores(digits.p_test, certainty)
            split = "–" if name in comparison.calibrations else f"{certainty.mutual_information.mean():.3f}"
            expected = "–" if name in comparison.calibrations else f"{certainty.expected_entropy.mean():.3f}"
            right = comparison.score(name, "accuracy").value
            kl = mean(digits.kl_from(certainty.probabilities))
            lines.append(
                f"| {name} | {kl} | {precision} | {recall} | {expected} | {split} | {100 * right:.1f} % |"
            )
    lines[2:2] = [
        f"Nearest to the true percentages come: {'; '.join(nearest)}. "
        "No method finds half of the true coin flips, and most rows that it calls so are none.",
        "",
    ]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
