"""Is what a comparison says true of real data? Its sentences beside numbers that howsure did not compute.

    python -m validation.real_comparisons                          all, some minutes on one core
    python -m validation.real_comparisons digits wine --out here   these, with pages in the folder `here`

Small networks are trained on data that nothing in howsure was chosen on. Each comparison is printed with its
findings, and below them are tables of numpy, scipy and scikit-learn alone. Their percentages are those of
the results, and once more those of the frameworks: of a forward pass, a loop with dropout on, or members.
Texts and pages also go to the folder, by default `howsure-real-comparisons` among temporary files.

Sets that do not come with Python or scikit-learn are no part of this repository: they are read from
../shared/data, and a comparison whose set is not there is skipped.
"""

from __future__ import annotations

import argparse
import ast
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax, xlogy
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import howsure
from benchmarks.docs import table
from howsure import shifts
from howsure.compare.findings import findings
from validation import camvid

Floats = NDArray[np.float64]
Rows = NDArray[Any]

DATA = camvid.DATA.parent
FOLDER = Path(tempfile.gettempdir()) / "howsure-real-comparisons"

PASSES, PASSES_OF_MAPS = 200, 30
"""Passes of the loops with dropout."""

RESAMPLED = 1000
"""Resamples of the intervals of 95 %."""

TEMPERATURES = np.geomspace(0.05, 20, 241)
"""Those that resamples choose from. Neighbours differ by 2.5 %, which changes an NLL by less than 0.001."""

PACKAGES = (
    *("asyncio", "ctypes", "email", "idlelib", "importlib", "multiprocessing", "tkinter", "unittest"),
    *("urllib", "xml"),
)
"""Of the standard library, where functions of `text` come from."""

SPLIT = 0
"""Which of Gal's twenty splits."""


# --- what is compared -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """A comparison, and what its methods say without howsure.

    Attributes:
        comparison: What howsure found.
        truth: (N,) true classes or numbers, or (N, H, W) classes at positions, −1 for void.
        hands: By method without calibration, from rows to what its passes or members say: (S, N, K)
            probabilities; (S, N, 2) means and standard deviations, NaN where there are none; (1, N, K, H, W)
            mean probabilities.
        sets: The rows by name: unchanged, then shifted. Empty in comparisons of results.
        outside: OOD rows by name.
        members: Methods of which passes are networks or trees, to be looked at one by one.
        warned: What howsure warned of.
    """

    comparison: howsure.Comparison
    truth: Rows
    hands: Mapping[str, Callable[[Any], Floats]]
    sets: Mapping[str, Any]
    outside: Mapping[str, Any] = field(default_factory=dict)
    members: Sequence[str] = ()
    warned: Sequence[str] = ()


def _compared(
    network: nn.Module,
    x: Rows,
    truth: Rows,
    hands: Mapping[str, Callable[[Any], Floats]],
    methods: Mapping[str, Any],
    changes: Mapping[str, Callable[[Rows], Rows]] | None = None,
    members: Sequence[str] = (),
    outside: Mapping[str, Rows] | None = None,
    **settings: Any,
) -> Compared:
    """Compare methods of a network by howsure."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", howsure.HowsureWarning)
        comparison = howsure.compare(
            network, x, truth, methods=methods, shifts=changes or {}, outside=outside, **settings
        )
    sets = {"as they are": x} | {name: change(x) for name, change in (changes or {}).items()}
    return Compared(
        comparison, truth, hands, sets, outside or {}, members, [str(each.message) for each in warned]
    )


def _of_results(
    results: Mapping[str, Callable[[], Any]],
    x: Rows,
    truth: Rows,
    hands: Mapping[str, Callable[[Any], Floats]],
    members: Sequence[str] = (),
) -> Compared:
    """Compare results of several models by howsure."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", howsure.HowsureWarning)
        comparison = howsure.Comparison.of_results({name: each() for name, each in results.items()}, truth)
    told = [str(each.message) for each in warned]
    return Compared(comparison, truth, hands, {"as they are": x}, {}, members, told)


# --- networks -------------------------------------------------------------------------------------------


def _mlp(inputs: int, width: int, outputs: int, rate: float) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(rate)),
        *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(rate), nn.Linear(width, outputs)),
    )


def _cnn(side: int, channels: int, rate: float) -> nn.Sequential:
    """Two convolutions and two dense layers, for images with one channel and ten classes."""
    return nn.Sequential(
        *(nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(rate)),
        *(nn.Flatten(), nn.Linear(2 * channels * (side // 4) ** 2, 64), nn.ReLU(), nn.Dropout(rate)),
        nn.Linear(64, 10),
    )


def _gaussian(said: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """NLL of a mean and a log variance, without a constant."""
    return 0.5 * ((y - said[:, 0]) ** 2 * torch.exp(-said[:, 1]) + said[:, 1]).mean()


def _squared(said: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(said[:, 0], y)


def _trained(
    make: Callable[[], nn.Module],
    x: Rows,
    y: Rows,
    epochs: int,
    *,
    seed: int = 0,
    batch: int = 64,
    rate: float = 2e-3,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.cross_entropy,
) -> nn.Module:
    """A network, trained by Adam at a learning rate that falls to 0 as a cosine; in eval mode."""
    torch.manual_seed(seed)
    network = make().train()
    inputs, truth = torch.tensor(x), torch.tensor(y)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            loss(network(inputs[some]), truth[some]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([network(part) for part in x.split(1000)])


def _plain(network: nn.Module, x: Rows) -> Floats:
    """Outputs in eval mode."""
    return _outputs(network, torch.tensor(x)).double().numpy()


def _dropped(network: nn.Module, x: Rows, passes: int) -> Iterator[Floats]:
    """Outputs of passes with dropout on, by the framework alone."""
    torch.manual_seed(1)
    drops = [each for each in network.modules() if isinstance(each, nn.modules.dropout._DropoutNd)]
    rows = torch.tensor(x)
    if isinstance(network, nn.Sequential):  # what comes before the first of them is the same in all passes
        first = list(network).index(drops[0])
        rows, network = _outputs(network[:first], rows), network[first:]
    try:
        for each in drops:
            each.train()
        for _ in range(passes):
            yield _outputs(network, rows).double().numpy()
    finally:
        for each in drops:
            each.eval()


def _classes(outputs: Floats) -> Floats:
    return np.asarray(softmax(outputs, axis=1))


def _values(outputs: Floats) -> Floats:
    """(N, 2) a mean without a standard deviation."""
    return np.stack([outputs[:, 0], np.full(len(outputs), np.nan)], axis=1)


def _mean_std(outputs: Floats) -> Floats:
    """(N, 2) of means and log variances."""
    return np.stack([outputs[:, 0], np.exp(outputs[:, 1] / 2)], axis=1)


def _by_hand(
    networks: Sequence[nn.Module], read: Callable[[Floats], Floats] = _classes
) -> dict[str, Callable[[Any], Floats]]:
    """What the plain first network says, its passes with dropout, and all networks as an ensemble."""
    return {
        "softmax": lambda x: read(_plain(networks[0], x))[None],
        "MC dropout": lambda x: np.stack([read(each) for each in _dropped(networks[0], x, PASSES)]),
        "ensemble": lambda x: np.stack([read(_plain(each, x)) for each in networks]),
    }


def _ensemble(
    networks: Sequence[nn.Module],
    x: Rows,
    truth: Rows,
    changes: Mapping[str, Callable[[Rows], Rows]] | None = None,
    read: Callable[[Floats], Floats] = _classes,
    **settings: Any,
) -> Compared:
    """Softmax and MC dropout of the first network, and the ensemble of all."""
    methods = {
        "softmax": howsure.Softmax(),
        "MC dropout": howsure.MCDropout(),
        "ensemble": howsure.Ensemble(networks[1:]),
    }
    hands = _by_hand(networks, read)
    return _compared(networks[0], x, truth, hands, methods, changes, members=["ensemble"], **settings)


# --- classes --------------------------------------------------------------------------------------------


def _read(name: str) -> Any:
    return np.load(DATA / name)


def _images(pixels: Rows) -> NDArray[np.float32]:
    """(N, 1, H, W) from 0 to 1."""
    return (pixels[:, None] / pixels.max()).astype(np.float32)


def _bundled(load: Callable[[], Any], test: float) -> tuple[Rows, Rows, Rows, Rows]:
    """Standardised training and test rows of a set of scikit-learn, and their classes."""
    found = load()
    x, new, y, truth = train_test_split(
        found.data, found.target, test_size=test, random_state=0, stratify=found.target
    )
    scale = StandardScaler().fit(x)
    return scale.transform(x).astype(np.float32), scale.transform(new).astype(np.float32), y, truth


def _digits() -> tuple[Rows, Rows, Rows, Rows]:
    found = datasets.load_digits()
    return tuple(  # type: ignore[return-value]
        train_test_split(_images(found.images), found.target, test_size=0.5, random_state=0)
    )


def digits() -> Compared:
    """Digits of scikit-learn, 8 × 8 pixels: softmax, MC dropout, an ensemble of four CNNs; changed digits."""
    x, new, y, truth = _digits()
    networks = [_trained(lambda: _cnn(8, 16, 0.25), x, y, 30, seed=seed) for seed in range(4)]
    changes = {"rotated by 30°": shifts.rotated(30), "with noise": shifts.noisy(0.2)}
    return _ensemble(networks, new, truth, changes)


def breast_cancer() -> Compared:
    """Breast cancer of scikit-learn, 114 test rows: an MLP with dropout, and an ensemble of four."""
    x, new, y, truth = _bundled(datasets.load_breast_cancer, 0.2)
    networks = [_trained(lambda: _mlp(30, 32, 2, 0.3), x, y, 60, seed=seed) for seed in range(4)]
    return _ensemble(networks, new, truth)


def wine() -> Compared:
    """Wine of scikit-learn, 60 test rows: a tiny MLP with dropout, and an ensemble of four."""
    x, new, y, truth = _bundled(datasets.load_wine, 60)
    networks = [_trained(lambda: _mlp(13, 8, 3, 0.2), x, y, 200, seed=seed) for seed in range(4)]
    return _ensemble(networks, new, truth)


def _fashion() -> tuple[Rows, Rows, Rows, Rows]:
    with _read("fashion_mnist_test.npz") as found:
        x, y = _images(found["x"]), found["y"].astype(np.int64)
    return tuple(train_test_split(x, y, test_size=0.5, random_state=0))  # type: ignore[return-value]


def fashion() -> Compared:
    """Fashion-MNIST, 5,000 training and 5,000 test images: a CNN with dropout, and an ensemble of three."""
    x, new, y, truth = _fashion()
    networks = [_trained(lambda: _cnn(28, 16, 0.4), x, y, 10, seed=seed) for seed in range(3)]
    changes = {name: shifts.STANDARD[name] for name in ("moved by a tenth", "blurred")}
    return _ensemble(networks, new, truth, changes)


def _functions() -> tuple[list[str], Rows, Rows]:
    """Sources of functions of the standard library, the number of their package, and that of their file."""
    library = Path(sysconfig.get_path("stdlib"))
    sources, package, file = [], [], []
    paths = [
        (number, path)
        for number, name in enumerate(PACKAGES)
        for path in sorted((library / name).rglob("*.py"))
        if not {"test", "tests", "idle_test"}.intersection(path.parts)
    ]
    for place, (number, path) in enumerate(paths):
        text = path.read_text(encoding="utf-8")
        for each in ast.walk(ast.parse(text)):
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                sources.append(ast.get_source_segment(text, each) or "")
                package.append(number)
                file.append(place)
    return sources, np.array(package), np.array(file)


def text() -> Compared:
    """Which package of Python a function is from; files are split. tf-idf, an MLP, an ensemble of four."""
    sources, package, file = _functions()
    of_file = dict(zip(file.tolist(), package.tolist(), strict=True))
    files = np.array(sorted(of_file))
    train, _ = train_test_split(
        files, test_size=0.4, random_state=0, stratify=[of_file[each] for each in files.tolist()]
    )
    known = np.isin(file, train)
    words = TfidfVectorizer(max_features=1500, min_df=3, sublinear_tf=True)
    words.fit([each for each, there in zip(sources, known, strict=True) if there])
    x = words.transform(sources).toarray().astype(np.float32)
    inputs = x.shape[1]
    networks = [
        _trained(
            lambda: _mlp(inputs, 64, len(PACKAGES), 0.5), x[known], package[known], 12, seed=seed, rate=1e-3
        )
        for seed in range(4)
    ]
    return _ensemble(networks, x[~known], package[~known], class_names=PACKAGES)


def forest() -> Compared:
    """Digits of scikit-learn: a random forest, a calibrated logistic regression, gradient boosting."""
    x, new, y, truth = _digits()
    x, new = (each.reshape(len(each), -1) for each in (x, new))
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    models = {
        "random forest": RandomForestClassifier(200, random_state=0).fit(x, y),
        "logistic regression": CalibratedClassifierCV(linear, method="sigmoid", cv=5).fit(x, y),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(x, y),
    }
    trees = models["random forest"].estimators_
    hands: dict[str, Callable[[Any], Floats]] = {
        name: lambda rows, model=model: model.predict_proba(rows)[None] for name, model in models.items()
    }
    hands["random forest"] = lambda rows: np.stack([each.predict_proba(rows) for each in trees])
    results = {name: lambda model=model: howsure.assess(model, new) for name, model in models.items()}
    return _of_results(results, new, truth, hands, members=["random forest"])


def laplace() -> Compared:
    """MNIST, 5,000 training images: a CNN, MC dropout and last-layer Laplace; letters of notMNIST."""
    with _read("mnist.npz") as found:
        x, y = _images(found["x_train"][:5000]), found["y_train"][:5000].astype(np.int64)
        new, truth = _images(found["x_test"][:3000]), found["y_test"][:3000].astype(np.int64)
    with _read("notmnist_test.npz") as found:
        letters = _images(found["x"][:1000])
    network = _trained(lambda: _cnn(28, 16, 0.4), x, y, 10)
    methods = {
        "softmax": howsure.Softmax(),
        "MC dropout": howsure.MCDropout(),
        "last-layer Laplace": howsure.LastLayerLaplace.fit(network, x, y),
    }
    hands = {name: each for name, each in _by_hand([network]).items() if name in methods}
    hands["last-layer Laplace"] = lambda rows: howsure.assess(  # of which only the scores are done by hand
        network, rows, method=methods["last-layer Laplace"]
    ).probabilities[None]
    return _compared(network, new, truth, hands, methods, outside={"letters": letters})


def _weak_and_good(x: Rows, y: Rows) -> tuple[nn.Module, nn.Module]:
    return (
        _trained(lambda: _cnn(8, 4, 0.0), x, y, 10, rate=3e-3),
        _trained(lambda: _cnn(8, 16, 0.25), x, y, 30, seed=1),
    )


def copies() -> Compared:
    """Digits: a weak network, and an ensemble of three copies of one good network, which never disagree."""
    x, new, y, truth = _digits()
    weak, good = _weak_and_good(x, y)
    results = {
        "weak network": lambda: howsure.assess(weak, new, method=howsure.Softmax()),
        "three copies": lambda: howsure.assess(good, new, method=howsure.Ensemble([good, good])),
    }
    hands = {
        "weak network": lambda rows: _classes(_plain(weak, rows))[None],
        "three copies": lambda rows: np.stack([_classes(_plain(good, rows))] * 3),
    }
    return _of_results(results, new, truth, hands, members=["three copies"])


def one_weak() -> Compared:
    """Digits: a weak network, and an ensemble of it with three copies of one good network."""
    x, new, y, truth = _digits()
    weak, good = _weak_and_good(x, y)
    networks = [weak, good, good, good]
    methods = {"softmax": howsure.Softmax(), "ensemble": howsure.Ensemble(networks[1:])}
    hands = {name: each for name, each in _by_hand(networks).items() if name in methods}
    return _compared(weak, new, truth, hands, methods, members=["ensemble"])


class _Softened(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, K) logits."""
        return self.network(x) / self.temperature


def calibrated() -> Compared:
    """Fashion-MNIST: a CNN that scipy calibrated on other images before, so nothing is left to correct."""
    x, new, y, truth = _fashion()
    network = _trained(lambda: _cnn(28, 16, 0.4), x, y, 10)
    known = _classes(_plain(network, new[:2500]))
    softened = _Softened(network, best_temperature(known, truth[:2500], np.full(2500, 1 / 2500))[0]).eval()
    methods = {"softmax": howsure.Softmax()}
    hands = {"softmax": _by_hand([softened])["softmax"]}
    return _compared(softened, new[2500:], truth[2500:], hands, methods)


# --- numbers --------------------------------------------------------------------------------------------


def _gal(name: str) -> tuple[Rows, Rows, Rows, Rows]:
    """Training and test rows of one of Gal's splits, and their numbers, standardised by the training rows."""
    with _read(f"uci/{name}.npz") as found:
        x, y, test = found["x"], found["y"], found[f"test_{SPLIT}"]
    train = np.setdiff1d(np.arange(len(x)), test)
    both = np.column_stack([x, y])
    both = ((both - both[train].mean(axis=0)) / both[train].std(axis=0)).astype(np.float32)
    return both[train, :-1], both[test, :-1], both[train, -1], both[test, -1]


def concrete() -> Compared:
    """Concrete, 103 test rows: a network of mean and variance with dropout, and an ensemble of five."""
    x, new, y, truth = _gal("concrete")
    networks = [
        _trained(lambda: _mlp(8, 50, 2, 0.05), x, y, 200, seed=seed, loss=_gaussian) for seed in range(5)
    ]
    return _ensemble(networks, new, truth, read=_mean_std, outputs="mean-log-variance")


def red_wine() -> Compared:
    """Red wine, 160 test rows: a network of means with dropout, and an ensemble of five; noise is learned."""
    x, new, y, truth = _gal("wine-quality-red")
    networks = [
        _trained(lambda: _mlp(11, 50, 1, 0.1), x, y, 60, seed=seed, loss=_squared) for seed in range(5)
    ]
    noise = np.random.default_rng(0).normal(size=new.shape).astype(np.float32)
    changes = {"with noise": lambda rows: rows + 0.5 * noise}
    return _ensemble(networks, new, truth, changes, _values, outputs="values")


def power_plant() -> Compared:
    """Power plant, 957 test rows: a network of means with dropout, beside five of mean and variance."""
    x, new, y, truth = _gal("power-plant")
    means = _trained(lambda: _mlp(4, 50, 1, 0.05), x, y, 30, loss=_squared)
    heads = [_trained(lambda: _mlp(4, 50, 2, 0.0), x, y, 30, seed=seed, loss=_gaussian) for seed in range(5)]

    def result(network: nn.Module, method: Any, outputs: str) -> Callable[[], Any]:
        return lambda: howsure.assess(network, new, method=method, outputs=outputs)

    results = {
        "softmax": result(means, howsure.Softmax(), "values"),
        "MC dropout": result(means, howsure.MCDropout(), "values"),
        "ensemble": result(heads[0], howsure.Ensemble(heads[1:]), "mean-log-variance"),
    }
    hands = _by_hand([means], _values) | {"ensemble": _by_hand(heads, _mean_std)["ensemble"]}
    return _of_results(results, new, truth, hands, members=["ensemble"])


# --- a class at each position ---------------------------------------------------------------------------


def street() -> Compared:
    """CamVid, every fourth test image: a small U-Net with dropout at each level; softmax and MC dropout."""
    if not DATA.exists():
        raise FileNotFoundError(DATA)
    FOLDER.mkdir(exist_ok=True)
    network = camvid.trained("unet_each", FOLDER)
    test = camvid.load()["test"]
    x, y = test.x[::4], test.y[::4]
    truth = np.where(y == camvid.VOID, -1, y)

    def of_passes(rows: Rows) -> Floats:
        total: Floats = sum(_classes(each) for each in _dropped(network, rows, PASSES_OF_MAPS))
        return total[None] / PASSES_OF_MAPS

    hands = {"softmax": lambda rows: _classes(_plain(network, rows))[None], "MC dropout": of_passes}
    methods = {"softmax": howsure.Softmax(), "MC dropout": howsure.MCDropout()}
    changes = {"blurred": shifts.blurred(1.5)}
    return _compared(network, x, truth, hands, methods, changes, class_names=camvid.NAMES)


COMPARISONS: Mapping[str, Callable[[], Compared]] = {
    "digits": digits,
    "breast-cancer": breast_cancer,
    "wine": wine,
    "fashion": fashion,
    "text": text,
    "concrete": concrete,
    "red-wine": red_wine,
    "power-plant": power_plant,
    "street": street,
    "forest": forest,
    "laplace": laplace,
    "copies": copies,
    "one-weak": one_weak,
    "calibrated": calibrated,
}


# --- numbers that howsure did not compute ---------------------------------------------------------------


def _number(value: float, decimals: int = 4) -> str:
    return f"{value:.{decimals}f}"


def _interval(value: float, resampled: Floats, decimals: int = 4) -> str:
    """A difference and its interval of 95 %, with a star if it excludes 0, a dot if that of 80 % does."""
    low, least, most, high = np.quantile(resampled, (0.025, 0.1, 0.9, 0.975))
    mark = " *" if low > 0 or high < 0 else " ·" if least > 0 or most < 0 else ""
    return f"{value:+.{decimals}f} ({low:+.{decimals}f} to {high:+.{decimals}f}){mark}"


def _weights(rows: int) -> Floats:
    """(S, N) shares of the rows in resamples."""
    random = np.random.default_rng(0)
    return random.multinomial(rows, np.full(rows, 1 / rows), size=RESAMPLED) / rows


@dataclass(frozen=True)
class Points:
    """Answers of methods, one per row or position, flat.

    Attributes:
        said: By method, (M, K) probabilities.
        truth: (M,) classes.
        row: (M,) which row each belongs to.
        weight: (M,) a share of 1; each row has the same.
    """

    said: Mapping[str, Floats]
    truth: Rows
    row: Rows
    weight: Floats

    @property
    def classes(self) -> int:
        """K."""
        return next(iter(self.said.values())).shape[1]

    def by_row(self, values: Floats) -> Floats:
        """(N,) means over the positions of each row."""
        return np.bincount(self.row, values * self.weight) * (self.row.max() + 1)


def points_of(said: Mapping[str, Floats], truth: Rows) -> Points:
    """Rows as they are, or the positions of maps (N, K, H, W) where the truth (N, H, W) is not −1."""
    if truth.ndim == 1:
        rows = len(truth)
        return Points(said, truth, np.arange(rows), np.full(rows, 1 / rows))
    counts = truth >= 0
    row = np.nonzero(counts)[0]
    weight = 1 / (np.bincount(row)[row] * len(truth))
    flat = {name: np.moveaxis(each, 1, -1)[counts] for name, each in said.items()}
    return Points(flat, truth[counts], row, weight)


def _minus_log(p: Floats, truth: Rows, temperature: float = 1.0) -> Floats:
    """(M,) NLL of each answer at a temperature."""
    logs = np.log(np.maximum(p, np.finfo(float).tiny))
    if temperature != 1:
        logs = log_softmax(logs / temperature, axis=1)
    return np.asarray(-logs[np.arange(len(truth)), truth])


def best_temperature(p: Floats, truth: Rows, weight: Floats) -> tuple[float, float]:
    """The temperature with the lowest NLL, and that NLL."""
    ends = np.log(TEMPERATURES[[0, -1]])
    found = minimize_scalar(
        lambda log: weight @ _minus_log(p, truth, float(np.exp(log))), bounds=ends, method="bounded"
    )
    return float(np.exp(found.x)), float(found.fun)


def of_accuracy(right: Any, classes: int) -> Any:
    """NLL of a forecaster who only knows how often a label is right."""
    wrong = np.maximum(1 - right, 0)  # shares of rows may add up to a little more than 1
    return -xlogy(right, right) - xlogy(wrong, wrong / (classes - 1))


def aurc(doubt: Floats, risk: Floats) -> float:
    """Mean risk of the most certain rows, averaged over how many; rows alike in doubt are in random order."""
    order = np.argsort(doubt, kind="stable")
    _, alike, count = np.unique(doubt[order], return_inverse=True, return_counts=True)
    expected = (np.bincount(alike, risk[order]) / count)[alike]
    return float(np.mean(np.cumsum(expected) / np.arange(1, len(risk) + 1)))


def class_scores(points: Points, of_rows: Mapping[str, tuple[Floats, Floats]]) -> str:
    """A table of scores, from what methods say and the doubt and the risk of each row."""
    lines = []
    for name, p in points.said.items():
        right = p.argmax(axis=1) == points.truth
        share, claim = points.weight @ right, points.weight @ p.max(axis=1)
        temperature, least = best_temperature(p, points.truth, points.weight)
        doubt, risk = of_rows[name]
        lines.append(
            [
                *(name, f"{100 * share:.2f} %", f"{100 * (1 - risk.mean()):.2f} %"),
                int(np.sum(~right)),
                _number(points.weight @ _minus_log(p, points.truth)),
                f"{100 * (claim - share):+.2f}",
                *(_number(temperature, 3), _number(least)),
                _number(aurc(doubt, risk), 5),
                _number(roc_auc_score(~right, 1 - p.max(axis=1), sample_weight=points.weight))
                if 0 < right.sum() < len(right)
                else "–",
            ]
        )
    quality = "right" if len(points.row) == points.row.max() + 1 else "Dice"
    head = ("method", "right", quality, "mistakes", "NLL", "claims − right", "best T", "NLL at it", "AURC")
    return table([*head, "AUROC of mistakes"], *lines)


def class_parts(points: Points) -> str:
    """Differences from the baseline in parts."""
    share = _weights(points.row.max() + 1)
    found = {}
    for name, p in points.said.items():
        right = (p.argmax(axis=1) == points.truth).astype(float)
        nll = _minus_log(p, points.truth)
        at = np.stack([points.by_row(_minus_log(p, points.truth, t)) for t in TEMPERATURES])
        _, least = best_temperature(p, points.truth, points.weight)
        known = of_accuracy(points.weight @ right, points.classes)
        of_all = np.array([points.weight @ nll, least, known, points.weight @ right])
        rights = share @ points.by_row(right)
        of_each = [
            share @ points.by_row(nll),
            (share @ at.T).min(axis=1),
            of_accuracy(rights, points.classes),
        ]
        found[name] = np.column_stack([of_all, np.stack([*of_each, rights])])
    baseline, *others = found
    lines = []
    for name in others:
        nll, least, known, right = found[name] - found[baseline]
        pieces = (nll, nll - least, known, least - known, right)
        lines.append([f"{name} − {baseline}", *(_interval(each[0], each[1:]) for each in pieces)])
    head = ("difference", "NLL", "= calibration", "+ accuracy", "+ order", "share right")
    return table(head, *lines) if lines else ""


def _shared(wrong: Mapping[str, NDArray[np.bool_]]) -> str:
    """Of the answers that either of two gets wrong, the share that both get wrong."""
    names = list(wrong)

    def cell(one: str, two: str) -> str:
        either = np.sum(wrong[one] | wrong[two])
        both = np.sum(wrong[one] & wrong[two])
        return f"{both:,} of {either:,}" + (f", {100 * both / either:.0f} %" if either else "")

    lines = [[one, *(cell(one, two) for two in names)] for one in names]
    return table(["wrong in both, of wrong in either", *names], *lines)


def class_members(stacked: Floats, truth: Rows) -> str:
    """What members (S, N, K) do alone, and what their mean gains."""
    rows = np.arange(len(truth))
    with np.errstate(divide="ignore"):  # a tree may give a class 0 %
        nll = -np.log(stacked[:, rows, truth]).mean(axis=1)
    wrong = stacked.argmax(axis=2) != truth
    pairs = list(combinations(range(len(stacked)), 2))
    both = np.mean([np.sum(wrong[i] & wrong[j]) / max(np.sum(wrong[i] | wrong[j]), 1) for i, j in pairs])
    together = _minus_log(stacked.mean(axis=0), truth)
    gap = together + np.log(np.maximum(stacked[nll.argmin(), rows, truth], np.finfo(float).tiny))
    right = 100 * (1 - wrong.mean(axis=1))
    shown = ", ".join(f"{a:.4f} ({b:.2f} % right)" for a, b in zip(nll[:8], right[:8], strict=True))
    return (
        f"NLL of members alone: {shown}{' …' if len(nll) > 8 else ''}. Mean {nll.mean():.4f}, best "
        f"{nll.min():.4f}, best accuracy {right.max():.2f} %. NLL of their mean {together.mean():.4f}, "
        f"which is {together.mean() - nll.mean():+.4f} from the mean of members and "
        f"{_interval(gap.mean(), _weights(len(rows)) @ gap)} from the best. "
        f"Two members share {100 * both:.0f} % of the mistakes that either makes; all members share "
        f"{int(np.sum(wrong.all(axis=0)))} of {int(np.sum(wrong.any(axis=0)))}."
    )


def _of_rows(said: Mapping[str, Floats], truth: Rows) -> dict[str, tuple[Floats, Floats]]:
    """By method, (N,) doubt and (N,) risk: 1 − top probability and mistakes, or means of 1 − Dice of maps."""
    found = {}
    for name, p in said.items():
        if truth.ndim == 1:
            found[name] = 1 - p.max(axis=1), (p.argmax(axis=1) != truth).astype(float)
            continue
        doubts, risks = [], []
        for top, label, true in zip(1 - p.max(axis=1), p.argmax(axis=1), truth, strict=True):
            doubts.append(np.mean([top[label == k].mean() for k in np.unique(label)]))
            given, right = label[true >= 0], true[true >= 0]
            dice = [
                2 * np.sum((given == k) & (right == k)) / (np.sum(given == k) + np.sum(right == k))
                for k in np.union1d(given, right)
            ]
            risks.append(1 - np.mean(dice))
        found[name] = np.array(doubts), np.array(risks)
    return found


def _softened(p: Floats, temperature: float) -> Floats:
    """Probabilities (N, K, …) at a temperature."""
    return np.asarray(softmax(np.log(np.maximum(p, np.finfo(float).tiny)) / temperature, axis=1))


def _of_changed(found: Compared, temperatures: Mapping[str, float]) -> str:
    """Accuracy or Dice, claims and NLL less that of the baseline on changed rows, by the frameworks alone."""
    cells: dict[str, list[object]] = {}
    for rows in found.sets.values():
        said = {name: hand(rows).mean(axis=0) for name, hand in found.hands.items()}
        said |= {f"{name}, at {t:.2f}": _softened(said[name], t) for name, t in temperatures.items()}
        points, risks = points_of(said, found.truth), _of_rows(said, found.truth)
        nll = {name: points.by_row(_minus_log(p, points.truth)) for name, p in points.said.items()}
        share, baseline = _weights(len(found.truth)), nll[next(iter(nll))]
        for name, each in nll.items():
            gap = _interval(np.mean(each - baseline), share @ (each - baseline))
            quality = f"{100 * (1 - risks[name][1].mean()):.2f} %"
            claim = f"{100 * points.weight @ points.said[name].max(axis=1):.1f} %"
            cells.setdefault(name, []).append(f"{quality}, {claim}, {each.mean():.4f}, {gap}")
    head = ["right or Dice, claimed, NLL, and less that of the baseline", *found.sets]
    return table(head, *([name, *each] for name, each in cells.items()))


def _of_outside(found: Compared) -> str:
    """How well the entropy tells OOD rows apart, by the frameworks alone."""

    def entropy(hand: Callable[[Any], Floats], rows: Any) -> Floats:
        p = hand(rows).mean(axis=0)
        return -xlogy(p, p).sum(axis=1)

    lines = []
    for name, hand in found.hands.items():
        inside = entropy(hand, found.sets["as they are"])
        cells = []
        for rows in found.outside.values():
            both = np.concatenate([inside, entropy(hand, rows)])
            cells.append(_number(roc_auc_score(np.arange(len(both)) >= len(inside), both)))
        lines.append([name, *cells])
    return table(["AUROC of the entropy", *found.outside], *lines)


def of_classes(found: Compared) -> Iterator[str]:
    """Tables of a comparison of classes, of rows or at positions."""
    x, truth = found.sets["as they are"], found.truth
    stacked = {name: hand(x) for name, hand in found.hands.items()}
    by_hand = {name: each.mean(axis=0) for name, each in stacked.items()}
    told = {}
    if truth.ndim == 1:
        told = {name: np.asarray(each.probabilities) for name, each in found.comparison.certainties.items()}
        lines = []
        for name, p in by_hand.items():
            nll, hand = (_minus_log(each, truth).mean() for each in (told[name], p))
            lines.append([name, _number(nll), _number(hand), f"{np.abs(p - told[name]).max():.1e}"])
        yield table(["method", "NLL of the result", "NLL of the framework", "largest difference"], *lines)
    bare = points_of(by_hand, truth)
    temperatures = {name: best_temperature(p, bare.truth, bare.weight)[0] for name, p in bare.said.items()}
    said = told or by_hand | {
        f"{name}, at its best T": _softened(by_hand[name], t) for name, t in temperatures.items()
    }
    points = points_of(said, truth)
    yield class_scores(points, _of_rows(said, truth))
    yield class_parts(points)
    yield _shared({name: points.said[name].argmax(axis=1) != points.truth for name in by_hand})
    for name in found.members:
        yield f"{name}. {class_members(stacked[name], truth)}"
    if len(found.sets) > 1:
        yield _of_changed(found, temperatures)
    if found.outside:
        yield _of_outside(found)


# --- the same of numbers --------------------------------------------------------------------------------


def _normal(mean: Floats, std: Floats, y: Rows) -> Floats:
    """(N,) NLL of normal distributions."""
    return np.asarray(0.5 * ((y - mean) / std) ** 2 + np.log(std) + 0.5 * np.log(2 * np.pi))


def joined(stacked: Floats, y: Rows, known: Floats | None = None) -> tuple[Floats, Floats]:
    """(N,) mean and standard deviation of all passes (S, N, 2) together.

    Where they have no noise, each fold gets what fits the other four best.

    Args:
        stacked: Means and noise of passes.
        y: (N,) true numbers.
        known: The same passes over the unchanged rows, that noise is learned from; None for `stacked`.
    """
    mean, spread = stacked[..., 0].mean(axis=0), stacked[..., 0].var(axis=0)
    noise = np.mean(stacked[..., 1] ** 2, axis=0)
    if np.isfinite(noise).all():
        return mean, np.sqrt(spread + noise)
    of = stacked if known is None else known
    means, spreads, std = of[..., 0].mean(axis=0), of[..., 0].var(axis=0), np.empty(len(y))
    for others, fold in KFold(5, shuffle=True, random_state=1).split(y):

        def loss(log: float, of: Rows = others) -> float:
            return float(_normal(means[of], np.sqrt(spreads[of] + np.exp(2 * log)), y[of]).mean())

        best = minimize_scalar(loss, bounds=(-8, 4), method="bounded")
        std[fold] = np.sqrt(spread[fold] + np.exp(2 * best.x))
    return mean, std


def number_scores(said: Mapping[str, tuple[Floats, Floats]], y: Rows) -> str:
    """A table of scores, from means and standard deviations."""
    lines = []
    for name, (mean, std) in said.items():
        factor = np.sqrt(np.mean(((y - mean) / std) ** 2))
        inside = np.mean(np.abs(y - mean) < 1.6449 * std)
        lines.append(
            [
                *(name, _number(np.sqrt(np.mean((y - mean) ** 2))), _number(_normal(mean, std, y).mean())),
                *(f"{100 * inside:.0f} %", _number(factor, 3)),
                _number(_normal(mean, factor * std, y).mean()),
                _number(aurc(std, np.abs(y - mean))),
            ]
        )
    head = ("method", "RMSE", "NLL", "in 90 %", "best factor", "NLL at it", "mean error in order of std")
    return table(head, *lines)


def number_parts(said: Mapping[str, tuple[Floats, Floats]], y: Rows) -> str:
    """Differences from the baseline in parts."""
    every = np.concatenate([np.full((1, len(y)), 1 / len(y)), _weights(len(y))])
    found = {}
    for name, (mean, std) in said.items():
        error, constant = y - mean, 0.5 * np.log(2 * np.pi * np.e)
        nll = every @ _normal(mean, std, y)
        least = 0.5 * np.log(every @ (error / std) ** 2) + every @ np.log(std) + constant
        rmse = np.sqrt(every @ error**2)
        accuracy = np.log(rmse) + constant
        found[name] = np.stack([nll, nll - least, accuracy, least - accuracy, rmse])
    baseline, *others = found
    lines = [
        [f"{name} − {baseline}", *(_interval(each[0], each[1:]) for each in found[name] - found[baseline])]
        for name in others
    ]
    return table(("difference", "NLL", "= calibration", "+ accuracy", "+ order", "RMSE"), *lines)


def number_members(stacked: Floats, y: Rows) -> str:
    """What members (S, N, 2) do alone, and what their mean gains."""
    rmse = np.sqrt(np.mean((stacked[..., 0] - y) ** 2, axis=1))
    each = [joined(member[None], y) for member in stacked]
    nll = np.array([_normal(*member, y).mean() for member in each])
    together = joined(stacked, y)
    of_mean, of_means = _normal(*together, y).mean(), np.sqrt(np.mean((together[0] - y) ** 2))
    gap = _normal(*together, y) - _normal(*each[nll.argmin()], y)
    logs = np.stack([-_normal(*member, y) for member in each])
    mixture = -np.mean(logsumexp(logs, axis=0) - np.log(len(logs)))
    errors = stacked[..., 0] - y
    alike = np.corrcoef(errors)[np.triu_indices(len(errors), 1)].mean()
    shown = ", ".join(f"{a:.4f} (RMSE {b:.4f})" for a, b in zip(nll.tolist(), rmse.tolist(), strict=True))
    return (
        f"NLL of members alone: {shown}. Mean {nll.mean():.4f}, best {nll.min():.4f}. NLL of all together "
        f"{of_mean:.4f}, which is {of_mean - nll.mean():+.4f} from the mean of members and "
        f"{_interval(gap.mean(), _weights(len(y)) @ gap)} from the best; of their mixture "
        f"{mixture:.4f}. RMSE of their mean {of_means:.4f}, of members {rmse.min():.4f} to {rmse.max():.4f}. "
        f"Errors of two members correlate by {alike:.2f}."
    )


def of_numbers(found: Compared) -> Iterator[str]:
    """Tables of a comparison of numbers."""
    x, y = found.sets["as they are"], found.truth.astype(float)
    certainties = found.comparison.certainties
    told = {name: (each.mean[:, 0], each.std[:, 0]) for name, each in certainties.items()}
    stacked = {name: hand(x) for name, hand in found.hands.items()}
    lines = []
    for name, each in stacked.items():
        mean, std = joined(each, y)
        nll, hand = (_normal(*pair, y).mean() for pair in (told[name], (mean, std)))
        apart = np.abs(mean - told[name][0]).max()
        lines.append([name, _number(nll), _number(hand), f"{apart:.1e}"])
    yield table(
        ["method", "NLL of the result", "NLL of the framework", "largest difference of means"], *lines
    )
    yield number_scores(told, y)
    yield number_parts(told, y)
    for name in found.members:
        yield f"{name}. {number_members(stacked[name], y)}"
    if len(found.sets) > 1:
        share, cells = _weights(len(y)), dict[str, list[object]]()
        for rows in found.sets.values():
            said = {name: joined(hand(rows), y, stacked[name]) for name, hand in found.hands.items()}
            nll = {name: _normal(*each, y) for name, each in said.items()}
            baseline = nll[next(iter(nll))]
            for name, (mean, std) in said.items():
                rmse, claim = np.sqrt(np.mean((y - mean) ** 2)), np.sqrt(np.mean(std**2))
                gap = _interval(np.mean(nll[name] - baseline), share @ (nll[name] - baseline))
                cells.setdefault(name, []).append(f"{rmse:.4f}, {claim:.4f}, {nll[name].mean():.4f}, {gap}")
        head = ["RMSE, claimed, NLL, and less that of the baseline", *found.sets]
        yield table(head, *([name, *each] for name, each in cells.items()))


# --- the command ----------------------------------------------------------------------------------------


def said(name: str, found: Compared) -> str:
    """A comparison, its findings, and the tables beside them."""
    of_kind = of_numbers if found.truth.dtype.kind == "f" else of_classes
    parts = [f"# {name}", str(COMPARISONS[name].__doc__), f"```text\n{found.comparison}\n```"]
    parts += [f"Warned: {each}" for each in found.warned]
    parts += [f"**{each.question}** {each.answer}" for each in findings(found.comparison)]
    parts += ["## Without howsure", *filter(None, of_kind(found))]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Compare what is named, or all; print it, and write texts and pages."""
    parser = argparse.ArgumentParser(prog="python -m validation.real_comparisons")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(COMPARISONS)}")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER", help="of texts and pages")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in COMPARISONS]
    if unknown:
        parser.error(f"'{unknown[0]}' is not known. Known: {', '.join(COMPARISONS)}")
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names or COMPARISONS:
        begun = time.time()
        try:
            found = COMPARISONS[name]()
        except FileNotFoundError as missing:
            print(f"{name} was not run. {missing}", flush=True)
            continue
        told = said(name, found)
        print(told, flush=True)
        (given.out / f"{name}.md").write_text(told, encoding="utf-8")
        found.comparison.report(given.out / f"{name}.html", title=name)
        print(f"({name} took {time.time() - begun:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
