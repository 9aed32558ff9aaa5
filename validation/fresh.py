"""Error bars on networks that nobody chose: ten, trained here for a short time, as they come.

    python -m validation.fresh             all ten, to docs/fresh.json and docs/fresh.md
    python -m validation.fresh lstm        one of them; the others stay as they were
    python -m validation.fresh --budgets   at budgets alone

Nothing is kept of a network but its figures. With plans, nothing in howsure was chosen on nine of them;
`branches` showed what its errors lacked (decision 30). Budgets showed what decision 38 mends. Each is trained
once, on its own few digits and with its own seed. A reference of at least 10,000 passes is the truth about
random test images, and about random ones of the 5 % that a plain prediction is least certain of.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

import howsure
from benchmarks.docs import Page, percent, shares, table
from benchmarks.networks import images
from howsure.demo import run as question
from validation.keras_zoo import DropPath

SEEDS, MORE_SEEDS = range(300, 310), range(300, 360)
"""All rows of a run share their masks, so the error of a coverage goes with the number of runs. With few
random units it is the largest, so there are more runs."""

ROWS, ROWS_SEED, LEAST_CERTAIN = 80, 2, 0.05
"""Of each kind, the seed that draws them, and which share of the test images is least certain."""

PLANNED_ON = 2_000
"""Test images from which a plan is made."""

LONG, LONG_FLAT = 20_000, 10_000
"""Passes of the reference, about; flat ones are dearer and each tells more."""

BUDGETS = (5, 20, 80)
"""In plain predictions of all rows. At a budget there is no plan."""

TOP = "probability of the top class"
ENTROPIES = ("entropy", "expected entropy", "mutual information")
KINDS = ("all", "all below 99 %", "5 % least certain")

PAGE = Page("fresh")

ONLY_BUDGETS = "--budgets" in sys.argv
if ONLY_BUDGETS:
    sys.argv.remove("--budgets")

Where = NDArray[np.bool_]


# --- networks -----------------------------------------------------------------------------------------


def sequence(*between: keras.Layer) -> keras.Model:
    """A network of an image with these layers between, ten classes at the end."""
    return keras.Sequential([keras.Input((28, 28, 1)), *between, layers.Dense(10, "softmax")])


def dense(*sides: int, rate: float, first: float = 0.0) -> keras.Model:
    """Dense layers with dropout behind each, and some on the input."""
    parts = [layers.Flatten(), layers.Dropout(first)]
    for side in sides:
        parts += [layers.Dense(side, "relu"), layers.Dropout(rate)]
    return sequence(*parts)


def convolutions(dropout: type[keras.Layer], at: float, rate: float) -> keras.Model:
    """Two convolutions with one kind of dropout behind each, and a dense layer."""
    parts = []
    for units, side in ((12, 5), (24, 3)):
        parts += [layers.Conv2D(units, side, activation="relu"), dropout(at), layers.MaxPooling2D()]
    return sequence(*parts, layers.Flatten(), layers.Dense(64, "relu"), layers.Dropout(rate))


def recurrent() -> keras.Model:
    """An image as a sequence of 28 lines."""
    return sequence(layers.Reshape((28, 28)), layers.LSTM(32, dropout=0.2, recurrent_dropout=0.2))


def branches() -> keras.Model:
    """Residual blocks that are left out at random."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(12, 5, strides=2, activation="relu")(inputs)
    for _ in range(3):
        y = layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same", activation="relu")(x))
        x = layers.Add()([x, DropPath(0.3)(y)])
    return keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(x)))


def attention() -> keras.Model:
    """One block of self-attention over the lines of an image, dropout at 10 % everywhere."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Dense(32)(layers.Reshape((28, 28))(inputs))
    y = layers.MultiHeadAttention(2, 16, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(y)]))
    x = layers.Dropout(0.1)(layers.Dense(64, "relu")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(10, "softmax")(x))


SPATIAL = layers.SpatialDropout2D
NETWORKS: dict[str, tuple[Callable[[], keras.Model], int, int, range]] = {
    "question, 20,000 digits, 1 epoch": (question.build, 20_000, 1, SEEDS),
    "question, 2,000 digits, 4 epochs": (question.build, 2_000, 4, SEEDS),
    "dense 64": (lambda: dense(64, rate=0.5), 5_000, 3, SEEDS),
    "dense 400-400": (lambda: dense(400, 400, rate=0.3, first=0.2), 20_000, 2, SEEDS),
    "dense 64-64-64": (lambda: dense(64, 64, 64, rate=0.2), 20_000, 3, SEEDS),
    "convolutions, dropout": (lambda: convolutions(layers.Dropout, 0.25, 0.5), 10_000, 2, SEEDS),
    "convolutions, spatial dropout": (lambda: convolutions(SPATIAL, 0.2, 0.3), 10_000, 2, MORE_SEEDS),
    "lstm": (recurrent, 10_000, 2, SEEDS),
    "branches": (branches, 10_000, 2, MORE_SEEDS),
    "attention": (attention, 10_000, 3, SEEDS),
}
"""What makes a network, how many digits it is trained on, how often, and the seeds of its runs."""


# --- runs ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """One network, trained once, and what many passes say of some of its rows.

    Plans are made from the images. The first `ROWS` of the rows are any, the others among the least certain.
    """

    model: keras.Model
    images: NDArray[Any]
    accuracy: float
    rows: NDArray[Any]
    reference: howsure.Certainty

    def figures(self, method: Callable[[int], howsure.MCDropout], seeds: range) -> dict[str, Any]:
        """Errors, settled and flipped verdicts of runs by a method that a seed makes."""
        reference = self.reference
        runs = [howsure.assess(self.model, self.rows, method=method(each), seed=each) for each in seeds]
        of_all = np.arange(len(self.rows)) < ROWS
        kinds = {"all": of_all, "5 % least certain": ~of_all}
        doubtful = of_all & (reference.probability < 0.99)
        kinds |= {"all below 99 %": doubtful} if doubtful.any() else {}
        settled = np.concatenate([run.settled for run in runs])
        flipped = np.concatenate([run.verdict != reference.verdict for run in runs])[settled]
        return {
            "errors": {kind: errors_of(runs, reference, where) for kind, where in kinds.items()},
            "settled": float(settled.mean()),
            "flipped": float(flipped.mean()) if len(flipped) else 0.0,
        }


def trained(name: str, seed: int) -> Trained:
    """A network of `NETWORKS`, whose digits and weights the seed draws."""
    keras.utils.set_random_seed(seed)
    data, (build, count, epochs, _) = images(), NETWORKS[name]
    model = build()
    chosen = np.random.default_rng(seed).choice(len(data.x_train), count, replace=False)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.x_train[chosen], data.y_train[chosen], epochs=epochs, batch_size=64, verbose=0)
    plain = model.predict(data.x_test, batch_size=500, verbose=0)
    accuracy = float(np.mean(plain.argmax(axis=1) == data.y_test))
    random, two = np.random.default_rng(ROWS_SEED), np.sort(plain, axis=1)
    order = np.argsort(two[:, -1] - two[:, -2])
    rows = random.choice(len(plain), ROWS, replace=False)
    hard = random.choice(order[: int(LEAST_CERTAIN * len(plain))], ROWS, replace=False)
    looked_at, planned_on = data.x_test[np.concatenate([rows, hard])], data.x_test[:PLANNED_ON]
    print(f"{name}: reference …", file=sys.stderr, flush=True)
    plan = howsure.plan(model, planned_on, seed=999)
    if plan.design is None or plan.design.is_flat:
        long = howsure.MCDropout(passes=LONG_FLAT)
    else:  # in float32, and no row is ever done
        exact, group = howsure.Plan(plan.design, plan.shares), plan.design.cells * plan.design.passes
        long = howsure.MCDropout(target_error=1e-9, max_passes=-(-LONG // group) * group, plan=exact)
    reference = howsure.assess(model, looked_at, method=long, seed=1_000_003)
    return Trained(model, planned_on, accuracy, looked_at, reference)


def errors_of(
    runs: list[howsure.Certainty], reference: howsure.Certainty, where: Where
) -> dict[str, dict[str, float]]:
    """True and reported error, their ratio and the coverage, of each number."""
    top, p = np.eye(reference.probabilities.shape[1], dtype=bool)[reference.label], reference.probabilities
    middle = (p > 0.01) & (p < 0.99)
    return {
        TOP: figures(runs, reference, "probabilities", "mc_error", top & where[:, None]),
        "probabilities in 0.01 to 0.99": figures(
            runs, reference, "probabilities", "mc_error", middle & where[:, None]
        ),
        **{
            what: figures(runs, reference, name := what.replace(" ", "_"), f"{name}_error", where)
            for what in ENTROPIES
        },
    }


def figures(
    runs: list[howsure.Certainty], reference: howsure.Certainty, name: str, error: str, where: Where
) -> dict[str, float]:
    """Mean in the reference; true and reported root mean squared error, coverage and bias over seeds."""
    off = np.array([(getattr(run, name) - getattr(reference, name))[where] for run in runs])
    reported = np.array([getattr(run, error)[where] for run in runs])
    true, said = np.sqrt(np.mean(off**2)), np.sqrt(np.mean(reported**2))
    covered = np.abs(off) <= 1.96 * reported
    found = {
        "mean": getattr(reference, name)[where].mean(),
        "true": true,
        "reported": said,
        "ratio": true / said,
        "cover": covered.mean(),
        "cover error": error_of_share(covered),
        "bias": off.mean(),
    }
    return {key: float(value) for key, value in found.items()}


def error_of_share(covered: Where) -> float:
    """Standard error of the mean of (S, R) over both seeds and rows, as other seeds and rows would have it.

    Rows of one seed share masks and seeds share rows, so neither are S · R independent: the variances of the
    means of seeds and of rows add up, less what both count (a two-way random effects model).
    """
    seeds, rows = covered.shape
    of_seeds = covered.mean(axis=1).var(ddof=1) / seeds
    of_rows = covered.mean(axis=0).var(ddof=1) / rows
    both = covered.var() / covered.size
    return float(np.sqrt(max(of_seeds + of_rows - both, both)))


def look(name: str) -> dict[str, Any]:
    """Look at the error bars of one network: with plans, and of another one of its form at each budget."""
    seed, seeds = 1 + list(NETWORKS).index(name), NETWORKS[name][-1]
    if ONLY_BUDGETS:
        found = PAGE.figures()[name]
    else:
        one = trained(name, seed)

        def with_plan(number: int) -> howsure.MCDropout:
            return howsure.MCDropout(plan=howsure.plan(one.model, one.images, seed=number))

        found = {"accuracy": one.accuracy, "runs": len(seeds)} | one.figures(with_plan, seeds)
    other, found["budgets"] = trained(name, seed + len(NETWORKS)), {}
    for budget in BUDGETS:
        each = other.figures(lambda _, budget=budget: howsure.MCDropout(budget=budget), MORE_SEEDS)
        each["errors"] = {kind: {TOP: errors[TOP]} for kind, errors in each["errors"].items()}
        found["budgets"][str(budget)] = each
    return found


# --- the page -----------------------------------------------------------------------------------------


def coverage(found: dict[str, float]) -> str:
    """A coverage with its standard error."""
    return f"{100 * found['cover']:.1f} ± {percent(found['cover error'])}"


def parts(found: dict[str, dict[str, Any]]) -> dict[str, object]:
    """Figures and tables of the page."""
    covers = _of(found, TOP, "cover")
    name, worst = min(found.items(), key=lambda item: item[1]["errors"]["all"][TOP]["cover"])
    least = worst["errors"]["all"][TOP]
    lines, of_budgets = [], []
    for called, network in found.items():
        lines.append([called, network["runs"], percent(network["accuracy"])])
        for kind in KINDS:
            each = network["errors"].get(kind, {}).get(TOP)
            lines[-1].append("–" if each is None else f"{coverage(each)}, {each['ratio']:.2f}")
        of_budgets.append([called])
        for each in network["budgets"].values():
            of_budgets[-1].append(f"{coverage(each['errors']['all'][TOP])}; {percent(each['settled'], 0)}")
    runs = [each for network in found.values() for each in network["budgets"].values()]
    heads = [f"coverage; settled, at {budget}" for budget in BUDGETS]
    return {
        "covers": shares(covers),
        "median": percent(float(np.median(covers)), 0),
        "worst": f"`{name}`, {coverage(least)}",
        "ratio": f"{least['ratio']:.2f}",
        "networks": table(["network", "runs", "accuracy", *KINDS], *lines),
        "numbers": "\n".join(f"- {_in_words(found, what)}" for what in (TOP, *ENTROPIES)),
        "flips": shares([each["flipped"] for each in runs], 1),
        "covers_at_budgets": shares([each["errors"]["all"][TOP]["cover"] for each in runs]),
        "budgets": table(["network", *heads], *of_budgets),
    }


def _in_words(found: dict[str, dict[str, Any]], what: str) -> str:
    covers, ratios = (_of(found, what, key) for key in ("cover", "ratio"))
    low, middle, high = (100 * float(find(covers)) for find in (min, np.median, max))
    return (
        f"{what[0].upper()}{what[1:]}: coverage {low:.0f} to {high:.0f} % (median {middle:.0f} %), ratio "
        f"{min(ratios):.2f} to {max(ratios):.2f} (median {float(np.median(ratios)):.2f})."
    )


def _of(found: dict[str, dict[str, Any]], what: str, key: str) -> list[float]:
    return [kind[what][key] for network in found.values() for kind in network["errors"].values()]


if __name__ == "__main__":
    PAGE.look_at(NETWORKS, look, parts)
