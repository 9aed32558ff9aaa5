"""Error bars on networks that nobody chose: ten, trained here for a short time, as they come.

    python -m validation.fresh             all ten, to docs/fresh.json and docs/fresh.md
    python -m validation.fresh lstm        one of them; the others stay as they were
    python -m validation.fresh --budgets   at budgets alone

Nothing is kept of a network but its figures. With plans, nothing in howsure was chosen on nine of them;
`branches` showed what its errors lacked (decision 30). Budgets showed what decision 38 mends. Each is trained
once, on its own few digits and with its own seed, and looked at as `python -m validation` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import howsure
from benchmarks.docs import Page, percent, shares, table
from benchmarks.networks import images
from howsure.demo import question
from validation.__main__ import ENTROPIES, TOP, choose, coverage, errors_of, reference_for

SEEDS, MORE_SEEDS = range(300, 310), range(300, 360)
"""All rows of a run share their masks, so the error of a coverage goes with the number of runs. With few
random units it is the largest, so there are more runs."""

ROWS = 80
"""Of each kind."""

PLANNED_ON = 2_000
"""Test images from which a plan is made."""

BUDGETS = (5, 20, 80)
"""In plain predictions of all rows. At a budget there is no plan."""

PAGE = Page("fresh")

ONLY_BUDGETS = "--budgets" in sys.argv
if ONLY_BUDGETS:
    sys.argv.remove("--budgets")


class StochasticDepth(layers.Layer):
    """Leaves out a whole branch in some passes, as keras.io writes it (Huang et al. 2016)."""

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The branch, or nothing of it."""
        if not training:
            return inputs
        shape = (ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1))
        kept = ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.seeds))
        return inputs / (1 - self.rate) * kept


def dense(*sides: int, rate: float, first: float = 0.0) -> Callable[[], keras.Model]:
    """Dense layers with dropout behind each, and some on the input."""

    def build() -> keras.Model:
        parts = [layers.Flatten(), layers.Dropout(first)]
        for side in sides:
            parts += [layers.Dense(side, "relu"), layers.Dropout(rate)]
        return keras.Sequential([keras.Input((28, 28, 1)), *parts, layers.Dense(10, "softmax")])

    return build


def convolutions(dropout: Callable[[], keras.Layer], rate: float) -> Callable[[], keras.Model]:
    """Two convolutions with one kind of dropout behind each, and a dense layer."""

    def build() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(12, 5, activation="relu"),
                dropout(),
                layers.MaxPooling2D(),
                layers.Conv2D(24, 3, activation="relu"),
                dropout(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(64, "relu"),
                layers.Dropout(rate),
                layers.Dense(10, "softmax"),
            ]
        )

    return build


def recurrent(layer: Callable[[], keras.Layer]) -> Callable[[], keras.Model]:
    """An image as a sequence of 28 lines."""

    def build() -> keras.Model:
        return keras.Sequential(
            [keras.Input((28, 28, 1)), layers.Reshape((28, 28)), layer(), layers.Dense(10, "softmax")]
        )

    return build


def branches() -> keras.Model:
    """Residual blocks that are left out at random."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(12, 5, strides=2, activation="relu")(inputs)
    for _ in range(3):
        y = layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same", activation="relu")(x))
        x = layers.Add()([x, StochasticDepth(0.3)(y)])
    return keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(x)))


def attention() -> keras.Model:
    """One block of self-attention over the lines of an image, dropout at 10 % everywhere."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Dense(32)(layers.Reshape((28, 28))(inputs))
    y = layers.MultiHeadAttention(2, 16, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(y)]))
    x = layers.Dropout(0.1)(layers.Dense(64, "relu")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(10, "softmax")(x))


@dataclass(frozen=True)
class Fresh:
    """One network.

    Attributes:
        build: Makes it.
        digits: How many it is trained on.
        epochs: Passes through them.
        seeds: Of its runs.
    """

    build: Callable[[], keras.Model]
    digits: int
    epochs: int
    seeds: range = SEEDS


NETWORKS = {
    "question, 20,000 digits, 1 epoch": Fresh(question.build, 20_000, 1),
    "question, 2,000 digits, 4 epochs": Fresh(question.build, 2_000, 4),
    "dense 64": Fresh(dense(64, rate=0.5), 5_000, 3),
    "dense 400-400": Fresh(dense(400, 400, rate=0.3, first=0.2), 20_000, 2),
    "dense 64-64-64": Fresh(dense(64, 64, 64, rate=0.2), 20_000, 3),
    "convolutions, dropout": Fresh(convolutions(lambda: layers.Dropout(0.25), 0.5), 10_000, 2),
    "convolutions, spatial dropout": Fresh(
        convolutions(lambda: layers.SpatialDropout2D(0.2), 0.3), 10_000, 2, MORE_SEEDS
    ),
    "lstm": Fresh(recurrent(lambda: layers.LSTM(32, dropout=0.2, recurrent_dropout=0.2)), 10_000, 2),
    "branches": Fresh(branches, 10_000, 2, MORE_SEEDS),
    "attention": Fresh(attention, 10_000, 3),
}


class Trained:
    """One network, trained once, and what many passes say of some of its rows.

    Args:
        name: Of `NETWORKS`.
        seed: Of its digits and its weights.

    Attributes:
        model: The network.
        data: Images.
        accuracy: On the test images.
        rows: The rows that are looked at.
        reference: What many passes say of them.
    """

    def __init__(self, name: str, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.data, network = images(), NETWORKS[name]
        self.model = network.build()
        chosen = np.random.default_rng(seed).choice(len(self.data.x_train), network.digits, replace=False)
        self.model.compile("adam", "sparse_categorical_crossentropy")
        digits, labels = self.data.x_train[chosen], self.data.y_train[chosen]
        self.model.fit(digits, labels, epochs=network.epochs, batch_size=64, verbose=0)
        plain = self.model.predict(self.data.x_test, batch_size=500, verbose=0)
        self.accuracy = float(np.mean(plain.argmax(axis=1) == self.data.y_test))
        self.rows = choose(plain, self.data.x_test, ROWS)
        print(f"{name}: reference …", file=sys.stderr, flush=True)
        self.reference = reference_for(self.model, self.data.x_test[:PLANNED_ON], self.rows.x)

    def figures(self, method: Callable[[int], howsure.MCDropout], seeds: range) -> dict[str, Any]:
        """Errors, settled and flipped verdicts of runs by a method that a seed makes."""
        rows, reference = self.rows, self.reference
        runs = [howsure.assess(self.model, rows.x, method=method(each), seed=each) for each in seeds]
        errors = {kind: errors_of(runs, reference, where) for kind, where in rows.kinds.items()}
        doubtful = rows.kinds["all"] & (reference.probability < 0.99)
        if doubtful.any():
            errors["all below 99 %"] = errors_of(runs, reference, doubtful)
        settled = np.concatenate([run.settled for run in runs])
        flipped = np.concatenate([run.verdict != reference.verdict for run in runs])[settled]
        return {
            "errors": errors,
            "settled": float(settled.mean()),
            "flipped": float(flipped.mean()) if len(flipped) else 0.0,
        }


def with_plans(name: str, seed: int) -> dict[str, Any]:
    """The error bars of one network with a plan for each run."""
    trained, seeds = Trained(name, seed), NETWORKS[name].seeds

    def with_plan(number: int) -> howsure.MCDropout:
        plan = howsure.plan(trained.model, trained.data.x_test[:PLANNED_ON], seed=number)
        return howsure.MCDropout(plan=plan)

    return {"accuracy": trained.accuracy, "runs": len(seeds)} | trained.figures(with_plan, seeds)


def at_budgets(name: str, seed: int) -> dict[str, Any]:
    """The error bars of one network at each budget."""
    trained, found = Trained(name, seed), dict[str, Any]()
    for budget in BUDGETS:
        each = trained.figures(lambda _, budget=budget: howsure.MCDropout(budget=budget), MORE_SEEDS)
        each["errors"] = {kind: {TOP: errors[TOP]} for kind, errors in each["errors"].items()}
        found[str(budget)] = each
    return found


KINDS = ("all", "all below 99 %", "5 % least certain")


def parts(found: dict[str, dict[str, Any]]) -> dict[str, object]:
    """Figures and tables of the page."""
    covers = _of(found, TOP, "cover")
    name, worst = min(found.items(), key=lambda item: item[1]["errors"]["all"][TOP]["cover"])
    least = worst["errors"]["all"][TOP]
    lines = []
    for called, network in found.items():
        lines.append([called, network["runs"], percent(network["accuracy"])])
        for kind in KINDS:
            each = network["errors"].get(kind, {}).get(TOP)
            lines[-1] += ["–", "–"] if each is None else [coverage(each), f"{each['ratio']:.2f}"]
    budgets = {name: each["budgets"] for name, each in found.items() if "budgets" in each}
    runs = [each for of_one in budgets.values() for each in of_one.values()]
    of_budgets = []
    for called, of_one in budgets.items():
        of_budgets.append([called])
        for budget in BUDGETS:
            each = of_one[str(budget)]
            told = f"{percent(each['settled'], 0)}, {percent(each['flipped'])}"
            of_budgets[-1] += [coverage(each["errors"]["all"][TOP]), told]
    heads = [f"{what} {budget}" for budget in BUDGETS for what in ("coverage at", "settled, flipped at")]
    kinds = [head for kind in KINDS for head in (f"coverage, {kind}", "ratio")]
    return {
        "covers": shares(covers),
        "median": percent(float(np.median(covers)), 0),
        "worst": f"`{name}`, {coverage(least)}",
        "ratio": f"{least['ratio']:.2f}",
        "networks": table(["network", "runs", "accuracy", *kinds], *lines),
        "numbers": "\n".join(f"- {_in_words(found, what)}" for what in (TOP, *ENTROPIES)),
        "flips": shares([each["flipped"] for each in runs], 1),
        "covers_at_budgets": shares([each["errors"]["all"][TOP]["cover"] for each in runs]),
        "budgets": table(["network", *heads], *of_budgets),
    }


def _in_words(found: dict[str, dict[str, Any]], what: str) -> str:
    covers, ratios = ([each for each in _of(found, what, key)] for key in ("cover", "ratio"))
    low, middle, high = (100 * float(find(covers)) for find in (min, np.median, max))
    return (
        f"{what[0].upper()}{what[1:]}: coverage {low:.0f} to {high:.0f} % (median {middle:.0f} %), ratio "
        f"{min(ratios):.2f} to {max(ratios):.2f} (median {float(np.median(ratios)):.2f})."
    )


def _of(found: dict[str, dict[str, Any]], what: str, key: str) -> list[float]:
    return [kind[what][key] for network in found.values() for kind in network["errors"].values()]


def look(name: str) -> dict[str, Any]:
    """Look at the error bars of one network: with a plan, and of another one of its form at each budget."""
    seed = 1 + list(NETWORKS).index(name)
    found = PAGE.figures()[name] if ONLY_BUDGETS else with_plans(name, seed)
    return found | {"budgets": at_budgets(name, seed + len(NETWORKS))}


if __name__ == "__main__":
    PAGE.look_at(NETWORKS, look, parts)
