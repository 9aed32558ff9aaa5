"""Which method is better on MNIST, with the network of the question; written to docs/methods.md.

    python -m validation.methods [MEMBERS] [EPOCHS]

Trains MEMBERS networks from different seeds for EPOCHS each (4 and 6 unless given; two cores need a minute an
epoch), and snapshots and weights for SWAG from the first of them; compares the plain softmax, MC dropout, the
ensemble, MC dropout of the ensemble, snapshots, SWAG, last-layer Laplace and the mean over small turns,
calibrated and not, on the 10,000 test digits as they are, turned by 15 to 90 degrees, and beside images of
clothes and of letters, where these are to be had.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules
from numpy.typing import NDArray

import howsure
from benchmarks import networks
from benchmarks.docs import Page, table
from howsure import shifts
from howsure.adapters.keras.fast import bfloat16_is_faster
from howsure.compare.findings import lead
from howsure.compare.run import default_methods
from howsure.demo import run as question
from howsure.evaluation.score import OUTSIDE, Score, told_apart
from howsure.report.comparison import write_comparison

# --- networks, kept in the cache folder ---------------------------------------------------------------
# Adam with a learning rate that falls to 0 along half a cosine, on digits moved by up to two pixels each way,
# anew in every epoch. Heavy layers are trained in bfloat16 where the machine is faster in it.

RATE = 1e-3
BATCH_SIZE = 128
FARTHEST = 2
"""Pixels by which a digit is moved at most."""

CYCLES, CYCLE_EPOCHS = 2, 2
"""Of the snapshots: so many more cycles of the learning rate, and the epochs of each."""

SWAG_EPOCHS, SWAG_SHARE, SWAG_RATE = 8, 1 / 4, 5e-4
"""Of SWAG: weights collected, share of the digits seen from one to the next, and learning rate."""

SWAG_MEMBERS, SWAG_RANK = 4, 20


class Moved(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is not typed
    """Batches of digits, each moved at random; in every epoch others where only a share is taken."""

    def __init__(self, data: networks.Data, seed: int, share: float = 1) -> None:
        super().__init__()
        frame = (FARTHEST, FARTHEST)
        self._framed = np.pad(data.x_train, ((0, 0), frame, frame, (0, 0)))
        self._labels = data.y_train
        self._random = np.random.default_rng(seed)
        self._batches = int(share * len(self._labels)) // BATCH_SIZE
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self._order = self._random.permutation(len(self._labels))

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rows = self._order[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]
        windows = np.lib.stride_tricks.sliding_window_view(self._framed[rows], (28, 28), axis=(1, 2))
        across, down = self._random.integers(0, 2 * FARTHEST + 1, (2, len(rows)))
        return np.moveaxis(windows[np.arange(len(rows)), down, across], 1, -1), self._labels[rows]


def fit(
    model: keras.Model, batches: Moved, epochs: int, rate: object, callbacks: Sequence[object] = ()
) -> None:
    """Train in place."""
    with _heavy_layers_in_bfloat16(model):
        model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        model.fit(batches, epochs=epochs, verbose=0, callbacks=list(callbacks))


@contextlib.contextmanager
def _heavy_layers_in_bfloat16(model: keras.Model) -> Iterator[None]:
    policies = [layer.dtype_policy for layer in model.layers]
    try:
        if bfloat16_is_faster():
            for layer in model.layers[:-1]:
                layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
        yield
    finally:
        for layer, policy in zip(model.layers, policies, strict=True):
            layer.dtype_policy = policy


def ensemble(data: networks.Data, count: int, epochs: int) -> list[keras.Model]:
    """Networks from the seeds 0 to `count` − 1."""

    def trained(seed: int) -> list[keras.Model]:
        model, batches = question.build(seed), Moved(data, seed)
        fit(model, batches, epochs, schedules.CosineDecay(RATE, epochs * len(batches)))
        return [model]

    members: list[keras.Model] = []
    for seed in range(count):
        members += _kept([f"member-{seed}-{epochs}"], lambda seed=seed: trained(seed))
    return members


class Weights(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Keeps the weights of a model at the ends of some epochs, in `kept`."""

    def __init__(self, start: int = 0, every: int = 1) -> None:
        super().__init__()
        self.start, self.every = start, every
        self.kept: list[list[NDArray[np.float32]]] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Called by Keras."""
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self.kept.append(self.model.get_weights())


def snapshots(data: networks.Data, first: keras.Model, name: str) -> list[keras.Model]:
    """The ends of further cycles of the learning rate, begun from a network of `ensemble`."""

    def make() -> list[keras.Model]:
        model, batches = _copy(first), Moved(data, seed=100)
        ends = Weights(start=CYCLE_EPOCHS - 1, every=CYCLE_EPOCHS)
        cycle = schedules.CosineDecayRestarts(RATE, CYCLE_EPOCHS * len(batches), t_mul=1.0)
        fit(model, batches, CYCLES * CYCLE_EPOCHS, cycle, [ends])
        return [_copy(first, weights) for weights in ends.kept]

    return _kept([f"{name}-snapshot-{number}" for number in range(CYCLES)], make)


def swag(data: networks.Data, first: keras.Model, name: str) -> list[keras.Model]:
    """Draws from the weights that further training at a constant rate passes, begun from such a network.

    With m the mean of the collected weights, v their variances and D their last R deviations from the mean
    so far, a draw is m + √(v/2) z₁ + D z₂ / √(2 (R − 1)), z₁ and z₂ standard normal (Maddox and others 2019).
    """

    def make() -> list[keras.Model]:
        model, passed = _copy(first), Weights()
        fit(model, Moved(data, seed=200, share=SWAG_SHARE), SWAG_EPOCHS, SWAG_RATE, [passed])
        collected = np.stack([np.concatenate([part.ravel() for part in weights]) for weights in passed.kept])
        counts = np.arange(1, len(collected) + 1)[:, np.newaxis]
        deviations = (collected - np.cumsum(collected, axis=0) / counts)[-SWAG_RANK:]
        random, members = np.random.default_rng(0), []
        for _ in range(SWAG_MEMBERS):
            drawn = collected.mean(axis=0) + np.sqrt(collected.var(axis=0) / 2) * random.normal(
                size=collected.shape[1]
            )
            drawn += random.normal(size=len(deviations)) @ deviations / np.sqrt(2 * (len(deviations) - 1))
            members.append(_copy(first, _split(drawn, first.get_weights())))
        return members

    return _kept([f"{name}-swag-{number}" for number in range(SWAG_MEMBERS)], make)


def _copy(model: keras.Model, weights: Sequence[NDArray[np.floating]] | None = None) -> keras.Model:
    """The question's network with the weights of a model, or with these."""
    copy = question.build()
    copy.set_weights(model.get_weights() if weights is None else weights)
    return copy


def _split(values: NDArray[np.floating], like: Sequence[NDArray[np.floating]]) -> list[NDArray[np.floating]]:
    """(P,) values as weights of these shapes."""
    ends = np.cumsum([part.size for part in like])[:-1]
    return [part.reshape(one.shape) for part, one in zip(np.split(values, ends), like, strict=True)]


def _kept(names: Sequence[str], make: Callable[[], list[keras.Model]]) -> list[keras.Model]:
    """Models from the cache folder, made and put there where one is missing."""
    paths = [networks.folder() / f"{name}.keras" for name in names]
    if not all(path.exists() for path in paths):
        networks.folder().mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        for model, path in zip(make(), paths, strict=True):
            model.save(path)
        print(f"{', '.join(names)}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return [keras.models.load_model(path) for path in paths]


# --- the comparison -----------------------------------------------------------------------------------

MEMBERS, EPOCHS = 4, 6
TURNS, SHOWN_TURNS = (15, 30, 45, 60, 75, 90), (15, 45, 90)

PAGE = Page("methods")
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
STRANGERS = {"clothes (Fashion-MNIST)": "fashion_mnist_test.npz", "letters (notMNIST)": "notmnist_test.npz"}

SCORES = (
    *("accuracy", "nll", "brier", "ece", "aurc", "error_auroc"),
    *("outside_auroc", "outside_fpr95", "outside_auroc_by_disagreement"),
)
CALIBRATED_HERE = ("softmax", "MC dropout", "ensemble")
FAMILIARITIES, FAMILIAR_ROWS = ("density", "mahalanobis", "neighbours", "energy", "max_logit"), 10_000


def outside() -> dict[str, NDArray[np.float32]]:
    """Images that are no digits, as the network takes them; none where the files are not there."""
    found = {}
    for name, file in STRANGERS.items():
        if (SHARED / file).exists():
            with np.load(SHARED / file) as arrays:
                found[name] = question.to_input(arrays[next(iter(arrays))])
    return found


def calibrators(comparison: howsure.Comparison) -> str:
    """A table: temperature scaling of some methods, each scored on rows it was not fitted to."""
    lines = []
    for method in CALIBRATED_HERE:
        fitted = howsure.calibrate(comparison.certainties[method], comparison.truth)
        less = fitted.before.minus(fitted.after)["nll"]
        lines.append([method, fitted.after.nll, less, fitted.after.ece])
    return table(["method", "NLL", "less than before by", "ECE"], *lines)


SHOWN = {"accuracy": 4, "brier": 4, "ece": 4, "aurc": 6, "error_auroc": 4}
HEADS = ("method", "NLL", "NLL, calibrated", "accuracy", "Brier", "ECE", "AURC", "error AUROC", "cost")


Familiar = dict[tuple[str, str], dict[str, Score]]
"""By score of familiarity and set of strangers, how well it tells them from the test digits."""


def parts(comparison: howsure.Comparison, familiar: Familiar) -> dict[str, object]:
    """Figures and tables of docs/methods.md."""

    def shown(method: str, name: str, rows: str, digits: int = 3) -> str:
        return f"{comparison.score(method, name, rows).value:.{digits}f}"

    def best(name: str) -> str:
        first = min(comparison.methods, key=lambda method: comparison.score(method, name).value)
        return f"{comparison.score(first, name).value:.4f} ({first})"

    as_given, *_ = comparison.sets
    plain = [name for name in comparison.methods if name not in comparison.calibrations]
    calibrated = {base: name for name, base in comparison.calibrations.items()}
    lines = [
        [method, comparison.score(method, "nll")]
        + [shown(calibrated[method], "nll", as_given, 4) if method in calibrated else "–"]
        + [shown(method, name, as_given, digits) for name, digits in SHOWN.items()]
        + [f"{comparison.costs[method]:.1f}"]
        for method in plain
    ]
    turned = [
        [
            method,
            *(
                ", ".join(shown(method, name, rows) for name in ("nll", "accuracy"))
                for rows in (as_given, *(f"turned by {turn}°" for turn in SHOWN_TURNS))
            ),
        ]
        for method in plain
    ]
    strange = []
    for method in plain if comparison.outside else ():
        cells = ["; ".join(shown(method, name, rows) for name in OUTSIDE) for rows in comparison.outside]
        strange.append([method, *cells, f"{comparison.costs[method]:.1f}"])
    for name in dict.fromkeys(name for name, _ in familiar):
        of_sets = [familiar[name, rows].values() for rows in comparison.outside]
        cells = ["; ".join(f"{score.value:.3f}" for score in scores) for scores in of_sets]
        strange.append([name, *cells, "1.0"])
    return {
        "lead": f"**{lead(comparison)}**",
        "methods": table(HEADS, *lines),
        "best_nll": best("nll"),
        "best_ece": best("ece"),
        "calibrators": calibrators(comparison),
        "turned": table(["method", as_given, *(f"turned by {turn}°" for turn in SHOWN_TURNS)], *turned),
        "strange": table(["method", *comparison.outside, "cost"], *strange),
    }


def figures(comparison: howsure.Comparison, familiar: Familiar) -> dict[str, Any]:
    """All scores as plain numbers."""
    found: dict[str, Any] = {}
    every = {**comparison.evaluations, **comparison.against}
    told = {at: {name: getattr(each, name) for name in SCORES} for at, each in every.items()}
    for (method, rows), scores in {**told, **familiar}.items():
        found.setdefault(method, {})[rows] = {
            name: [score.value, score.low, score.high]
            for name, score in scores.items()
            if np.isfinite(score.value)
        }
    return {"scores": found, "plain predictions": dict(comparison.costs)}


def familiarities(
    model: keras.Model, data: networks.Data, strangers: dict[str, NDArray[np.float32]]
) -> Familiar:
    """Every score, fitted to training digits; its threshold is not used here, so no digits are held out."""
    rows = slice(0, FAMILIAR_ROWS)
    features = howsure.features_of(model, data.x_train[rows])
    more = howsure.features_of(model, data.x_train[FAMILIAR_ROWS : FAMILIAR_ROWS + 200])
    near = howsure.features_of(model, data.x_test)
    far = {name: howsure.features_of(model, each) for name, each in strangers.items()}
    found: Familiar = {}
    for score in FAMILIARITIES:
        known = howsure.familiarity(features, data.y_train[rows], more, score=score)
        for name, each in far.items():
            told = told_apart(known(near), known(each))
            found[f"familiarity by {score}", name] = {
                of: measured.score(0.95) for of, measured in zip(OUTSIDE, told, strict=False)
            }
    return found


def main() -> None:
    """Train, compare, write."""
    count, epochs = (int(each) for each in (sys.argv[1:] + [str(MEMBERS), str(EPOCHS)][len(sys.argv[1:]) :]))
    data = networks.images()
    first, *others = ensemble(data, count, epochs)
    methods = {
        **default_methods(first, data.x_test, others),
        "last-layer Laplace": howsure.LastLayerLaplace.fit(first, data.x_train, data.y_train),
        "snapshot ensemble": howsure.Ensemble(snapshots(data, first, f"member-0-{epochs}")),
        "SWAG": howsure.Ensemble(swag(data, first, f"member-0-{epochs}")),
        "augmentation": howsure.Augmentation([shifts.rotated(8), shifts.rotated(-8)]),
    }
    strangers = outside()
    comparison = howsure.compare(
        first,
        data.x_test,
        data.y_test,
        methods=methods,
        shifts={f"turned by {turn}°": shifts.rotated(turn) for turn in TURNS},
        outside=strangers,
        class_names=[str(digit) for digit in range(10)],
        progress=lambda done, total: print(f"{done:,} of {total:,} rows", end="\r", flush=True),
    )
    familiar = familiarities(first, data, strangers)
    PAGE.keep(figures(comparison, familiar))
    PAGE.fill(parts(comparison, familiar))
    write_comparison(networks.folder() / "methods.html", comparison)
    print(lead(comparison))


if __name__ == "__main__":
    main()
