"""Comparisons of trained models: all that is told, beside numbers from rows that no comparison saw.

    python -m validation.reasons comparisons
    python -m validation.reasons others            needs model-diagnostics and netcal

Models learn from one part of a data set, are compared on another one, and judged on a third. Calibrators
learn from the rows of the comparison.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import howsure
from benchmarks.docs import table
from howsure.compare.comparison import Comparison
from howsure.compare.reasons import reasons
from validation.reasons import Truth, cause_of, causes, divided, effects_of, statements

Array = NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """Rows and true answers to learn from, to compare on, and fresh ones."""

    learn: tuple[Array, Array]
    compare: tuple[Array, Array]
    fresh: tuple[Array, Array]

    @staticmethod
    def of(x: Array, y: Array, learn: int, compare: int) -> Rows:
        """Divide a data set at random."""
        order = np.random.default_rng(0).permutation(len(x))
        x, y = StandardScaler().fit(x[order[:learn]]).transform(x[order]), y[order]
        ends = [slice(learn), slice(learn, learn + compare), slice(learn + compare, None)]
        return Rows(*((x[each].astype(np.float32), y[each]) for each in ends))


@dataclass(frozen=True)
class Compared:
    """A comparison, each method on fresh rows, its calibrated version too, and the truth of these."""

    comparison: Comparison
    fresh: Mapping[str, Any]
    truth: Array


def _with_calibrated(comparison: Comparison, fresh: Mapping[str, Any], labels: Array) -> dict[str, Any]:
    found = dict(fresh)
    for name, own in comparison.calibrations.items():
        method = {"method": "temperature"} if isinstance(fresh[own], howsure.Certainty) else {}
        calibrator = howsure.calibrate(comparison.certainties[own], labels, **method)
        found[name] = calibrator(fresh[own])
    return found


def of_results(rows: Rows, *models: tuple[str, Callable[[Array], Any]]) -> Compared:
    """Models that say something of rows, each by its own function."""
    (x, y), (fresh, truth) = rows.compare, rows.fresh
    comparison = howsure.Comparison.of_results({name: say(x) for name, say in models}, y)
    said = {name: say(fresh) for name, say in models}
    return Compared(comparison, _with_calibrated(comparison, said, y), truth)


def of_classifiers(rows: Rows, **models: Any) -> Compared:
    """Classifiers of scikit-learn, by the percentages that they give."""

    def say(model: Any, x: Array) -> howsure.Certainty:
        return howsure.Certainty.from_probabilities(model.predict_proba(x))

    learnt = {name.replace("_", " "): clone(model).fit(*rows.learn) for name, model in models.items()}
    return of_results(rows, *((name, partial(say, model)) for name, model in learnt.items()))


def of_regressors(rows: Rows, **models: Any) -> Compared:
    """Regressors of scikit-learn that give a standard deviation, or trees that differ."""

    def say(model: Any, x: Array) -> howsure.RegressionCertainty:
        if hasattr(model, "estimators_"):
            trees = np.stack([tree.predict(x) for tree in model.estimators_])
            left = model.left_over_
            return howsure.RegressionCertainty.from_mean_std(trees.mean(0), np.hypot(trees.std(0), left))
        return howsure.RegressionCertainty.from_mean_std(*model.predict(x, return_std=True))

    learnt = {name.replace("_", " "): clone(model).fit(*rows.learn) for name, model in models.items()}
    for model in learnt.values():
        if hasattr(model, "oob_prediction_"):
            model.left_over_ = float(np.std(rows.learn[1] - model.oob_prediction_)) / 2
    return of_results(rows, *((name, partial(say, model)) for name, model in learnt.items()))


def of_network(rows: Rows, widths: int, outputs: str, members: int = 0, epochs: int = 60) -> Compared:
    """A network with dropout: the plain prediction, MC dropout, and an ensemble."""
    networks = [_trained(rows, widths, outputs, epochs, seed) for seed in range(max(members, 1))]
    methods: dict[str, Any] = {"softmax": howsure.Softmax(), "MC dropout": howsure.MCDropout(passes=50)}
    if members:
        methods["ensemble"] = howsure.Ensemble(networks[1:])
    (x, y), (fresh, truth) = rows.compare, rows.fresh
    comparison = howsure.compare(networks[0], x, y, methods=methods, outputs=outputs)
    said = {
        name: howsure.assess(networks[0], fresh, method=method, outputs=outputs)
        for name, method in methods.items()
    }
    return Compared(comparison, _with_calibrated(comparison, said, y), truth)


def _trained(rows: Rows, width: int, outputs: str, epochs: int, seed: int) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(seed)
    x, y = map(torch.as_tensor, rows.learn)
    numeric = outputs != "logits"
    wide = 2 if numeric else int(y.max()) + 1
    network = nn.Sequential(
        nn.Linear(x.shape[1], width), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, wide),
    )  # fmt: skip
    steps = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(64):
            out = network(x[some])
            if numeric:
                loss = (out[:, 1] + (y[some].float() - out[:, 0]) ** 2 * torch.exp(-out[:, 1])).mean() / 2
            else:
                loss = nn.functional.cross_entropy(out, y[some])
            steps.zero_grad()
            loss.backward()
            steps.step()
    return network.eval()


def _made(seed: int, rows: int = 24_000, **others: Any) -> tuple[Array, Array]:
    return datasets.make_classification(rows, random_state=seed, **others)  # type: ignore[no-any-return]


def _friedman(noise: float, tail: float = np.inf) -> tuple[Array, Array]:
    x, y = datasets.make_friedman1(12_000, random_state=1)
    random = np.random.default_rng(2)
    off = random.standard_t(tail, len(y)) if np.isfinite(tail) else random.normal(size=len(y))
    return x, y + noise * off


DIGITS = partial(datasets.load_digits, return_X_y=True)
LOGISTIC, BOOSTING = LogisticRegression(max_iter=2_000), HistGradientBoostingClassifier(random_state=0)
BALANCED = LogisticRegression(max_iter=2_000, class_weight="balanced")
FOREST, EXTRA = RandomForestClassifier(100, random_state=0), ExtraTreesClassifier(100, random_state=0)
TREE = DecisionTreeClassifier(min_samples_leaf=3, random_state=0)
LDA, BAYES, KNN = LinearDiscriminantAnalysis(), GaussianNB(var_smoothing=1e-2), KNeighborsClassifier
NUMBERS_FOREST = RandomForestRegressor(100, oob_score=True, random_state=0)
GAUSSIAN = GaussianProcessRegressor(RBF(3.0) + WhiteKernel(), normalize_y=True)

COVERED = {"n_features": 20, "n_informative": 10, "n_classes": 7, "n_clusters_per_class": 2, "flip_y": 0.05}
RARE = {"n_features": 10, "n_informative": 6, "n_classes": 3, "weights": [0.88, 0.08, 0.04]}

COMPARISONS: Mapping[str, Callable[[], Compared]] = {
    "digits": lambda: of_classifiers(
        Rows.of(*DIGITS(), 400, 400), logistic=LOGISTIC, kNN=KNN(5), forest=FOREST, LDA=LDA
    ),
    "digits, two that differ much": lambda: of_classifiers(
        Rows.of(*DIGITS(), 300, 150), kNN=KNN(150), LDA=LDA, extra_trees=EXTRA
    ),
    "digits, naive Bayes": lambda: of_classifiers(
        Rows.of(*DIGITS(), 500, 300), Bayes=BAYES, LDA=LDA, tree=TREE
    ),
    "wine": lambda: of_classifiers(
        Rows.of(*datasets.load_wine(return_X_y=True), 50, 60), kNN=KNN(5), LDA=LDA, Bayes=BAYES, tree=TREE
    ),
    "breast cancer": lambda: of_classifiers(
        Rows.of(*datasets.load_breast_cancer(return_X_y=True), 150, 200),
        tree=TREE, logistic=LOGISTIC, boosting=BOOSTING, forest=FOREST,
    ),
    "seven classes": lambda: of_classifiers(
        Rows.of(*_made(3, **COVERED), 2_000, 1_000),
        boosting=BOOSTING, forest=FOREST, extra_trees=EXTRA, logistic=LOGISTIC, kNN=KNN(10),
    ),
    "rare classes, balanced weights": lambda: of_classifiers(
        Rows.of(*_made(4, **RARE), 2_000, 1_000),
        balanced=BALANCED, logistic=LOGISTIC, forest=FOREST,
    ),
    "few rows, two classes": lambda: of_classifiers(
        Rows.of(*_made(5, n_features=8, flip_y=0.1), 300, 100),
        kNN=KNN(3), wide_kNN=KNN(30), logistic=LOGISTIC,
    ),
    "diabetes": lambda: of_regressors(
        Rows.of(*datasets.load_diabetes(return_X_y=True), 150, 140),
        ridge=BayesianRidge(), forest=NUMBERS_FOREST, Gaussian_process=GAUSSIAN,
    ),
    "curved, with normal noise": lambda: of_regressors(
        Rows.of(*_friedman(1.0), 300, 500),
        ridge=BayesianRidge(), forest=NUMBERS_FOREST, Gaussian_process=GAUSSIAN,
    ),
    "curved, with heavy tails": lambda: of_regressors(
        Rows.of(*_friedman(1.0, 2.5), 300, 200), forest=NUMBERS_FOREST, ridge=BayesianRidge()
    ),
    "digits, a network": lambda: of_network(Rows.of(*DIGITS(), 400, 500), 64, "logits"),
    "seven classes, an ensemble of networks": lambda: of_network(
        Rows.of(*_made(3, **COVERED), 2_000, 1_000), 128, "logits", members=4
    ),
    "curved, a network": lambda: of_network(
        Rows.of(*_friedman(1.0), 600, 500), 64, "mean-log-variance", members=4
    ),
}  # fmt: skip


FIRST = 6
"""Lines that answer what to take, why, and what it costs."""


def figures() -> dict[str, Any]:
    """What each comparison tells, beside fresh rows; printed as well."""
    found = {}
    for name, compare in COMPARISONS.items():
        with warnings.catch_warnings(action="ignore"):
            of = compare()
            found[name] = judged(of)
        print(f"\n=== {name}, {of.comparison.rows:,} rows\n{of.comparison}\n")
        for sentence in found[name]["why"]:
            print(sentence)
        for method, each in found[name]["fresh"].items():
            print(f"{method} on {len(of.truth):,} fresh rows: {each}")
        print("\n".join(found[name]["statements"]), flush=True)
    return found


def judged(of: Compared) -> dict[str, Any]:
    """What a comparison tells as sure, each beside fresh rows: true, false, or not told apart by these."""
    comparison, methods = of.comparison, {}
    for name, result in of.fresh.items():
        numeric = isinstance(result, howsure.RegressionCertainty)
        with np.errstate(divide="ignore"):
            said = (
                np.concatenate([result.mean, result.std], axis=1)
                if numeric
                else np.log(np.asarray(result.probabilities, np.float64))
            )
        methods[name] = divided(said, of.truth.astype(np.float64) if numeric else of.truth)
    truth = Truth(methods, {}, {}, of.truth, calibrated=True)
    baseline, lines = comparison.methods[0], []
    verdicts = {1: "true", 0: "open", -1: "false"}
    for each in statements(comparison, truth):
        verdict = verdicts[each.sign * each.effect.sign]
        gap = f"{each.effect.value:+.3f} ± {2 * each.effect.error:.3f}"
        lines.append(
            f"{verdict}: {each.method}, {each.about} {'above' if each.sign > 0 else 'below'} 0: {gap}"
        )
    for method, cause, share, right in causes(comparison, truth):
        lines.append(
            f"{'true' if right else 'false'}: {method}, cause {cause}, {100 * share:.0f} % of the gain"
        )
    fresh = {}
    for name, each in methods.items():
        gaps = {} if name == baseline else effects_of(truth, name, "", baseline)
        nll = sum(part.mean() for part in each.parts.values())
        of_gaps = {part: f"{gap.value:+.3f}" for part, gap in gaps.items()}
        fresh[name] = {"nll": f"{nll:.3f}", "above": f"{each.above.mean():+.3f}", **of_gaps}
    return {
        "lead": str(comparison).splitlines()[:FIRST],
        "why": [*reasons(comparison).values()],
        "fresh": fresh,
        "statements": lines,
    }


BESIDE = ("digits, naive Bayes", "rare classes, balanced weights", "curved, with normal noise")
"""Comparisons that other packages look at, too."""


def others() -> dict[str, Any]:
    """What other packages say of the rows of some comparisons; they need an environment of their own.

    Of classes, model-diagnostics divides the log loss of each class against the others, added up; the others
    see how often answers with this percentage are right. Of numbers, it divides the squared error.
    """
    from model_diagnostics.scoring import LogLoss, SquaredError, decompose
    from netcal.metrics import ECE
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import brier_score_loss

    found = {}
    for name in BESIDE:
        with warnings.catch_warnings(action="ignore"):
            comparison = COMPARISONS[name]().comparison
        for method in comparison.methods:
            result, truth = comparison.certainties[method], comparison.truth
            if method in comparison.calibrations:
                continue
            if isinstance(result, howsure.RegressionCertainty):
                loss, pairs, seen = SquaredError(), [(truth[:, 0], result.mean[:, 0])], ["–"] * 3
            else:
                p = np.clip(np.asarray(result.probabilities, np.float64), 1e-9, 1 - 1e-9)
                loss, pairs = LogLoss(), [((truth == k) * 1.0, p[:, k]) for k in range(p.shape[1])]
                right, top = (result.label == truth) * 1, np.clip(result.probability.astype(np.float64), 0, 1)
                shares, claimed = calibration_curve(right, top, n_bins=10)
                gap = np.argmax(np.abs(claimed - shares))
                seen = [
                    f"{100 * shares[gap]:.0f} % at {100 * claimed[gap]:.0f} %",
                    f"{brier_score_loss(right, top):.3f}",
                    f"{ECE(10).measure(top, right):.3f}",
                ]
            divided_by_isotonic = [decompose(y, z, scoring_function=loss) for y, z in pairs]
            terms = [sum(each[term][0] for each in divided_by_isotonic) for term in DIVIDED]
            cause = cause_of(comparison, method) if method != comparison.methods[0] else ""
            found[f"{name}: {method}"] = [cause or "–", *(f"{term:.3f}" for term in terms), *seen]
    return found


DIVIDED = ("miscalibration", "discrimination")
"""Terms of model-diagnostics; the second one is better the higher it is."""


def parts_of_models(found: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, object]:
    """Tables of the page, with what other packages say."""
    lines, firsts = [], []
    for name, each in found.items():
        count = [
            sum(line.startswith(word) for line in each["statements"]) for word in ("true", "false", "open")
        ]
        false = [line.removeprefix("false: ") for line in each["statements"] if line.startswith("false")]
        lines.append([name, *count, "; ".join(false) or "–"])
        firsts.append("\n".join([f"{name}:", "", "```", *each["lead"], "```", ""]))
    heads = ("comparison", "true", "false", "not told by the fresh rows", "what is false")
    says = ("method", "howsure: cause", *(f"model-diagnostics: {term}" for term in DIVIDED))
    says += ("scikit-learn: farthest of the curve", "scikit-learn: Brier score", "netcal: ECE")
    return {
        "models": table(heads, *lines),
        "first": "\n".join(firsts).rstrip(),
        "others": table(says, *([name, *each] for name, each in beside.items())),
    }
