"""Mend percentages that are not true, by a map from probabilities to probabilities learnt from labelled rows.

In order: the maps, how each is fitted, what a map does to errors, the fitted `Calibrator`, and `calibrate`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import log_softmax, softmax

from howsure.errors import HowsureWarning, InputError
from howsure.judge.evaluate import SMALLEST, Evaluation, Score, evaluate
from howsure.judge.labelled import BELOW_CHANCE, check_certainty, truth_of, truth_of_labels
from howsure.results.certainty import Certainty
from howsure.results.multilabel import MultilabelCertainty
from howsure.statistics import entropy_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Parameters = Mapping[str, Floats]

METHODS = ("temperature", "vector", "dirichlet", "isotonic")

FOLDS = 5
"""Parts of the rows, each class spread over them; each part is calibrated by a fit to the others."""

REPLICAS = 50
"""Fits to reweighted rows; a standard error from 50 is itself known to a tenth."""

STRENGTHS = (1000.0, 30.0, 1.0, 0.03)
"""Of the penalty of `dirichlet`, tried from the strongest on until cross-validation finds no better."""

LIMIT = 20.0
"""Weights and intercepts lie in [−20, 20], the temperature in [1/20, 20]: where every row is right, nothing
else would stop a fit."""

HANDFUL = 5
"""Labelled rows of a class below which a warning names the class."""

NUMBERS_AT_ONCE = 2**20
"""Slopes held at a time; bounds memory."""


# --- the maps: (N, K) probabilities to (N, K) probabilities -------------------------------------------


def _log(probabilities: Floats) -> Floats:
    """Logarithms, of at least `SMALLEST`: the floor that the NLL has as well."""
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST)))


def _mapped(method: str, parameters: Parameters, probabilities: Floats) -> Floats:
    """Calibrated probabilities; every row sums to 1."""
    if method != "isotonic":
        return np.asarray(softmax(_logits(method, parameters, _log(probabilities)), axis=1))
    lines = zip(parameters["claimed"], parameters["share"], strict=True)
    shares = np.stack([np.interp(p, *line) for p, line in zip(probabilities.T, lines, strict=True)], axis=1)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _logits(method: str, parameters: Parameters, z: Floats) -> Floats:
    """(N, K) what the softmax is taken of, from logarithms z."""
    if method == "temperature":
        return np.asarray(z / parameters["temperature"])
    weights = parameters["weights"]
    return np.asarray((z * weights if method == "vector" else z @ weights.T) + parameters["intercepts"])


# --- fitting them -------------------------------------------------------------------------------------


def _fitted(
    method: str, strength: float, p: Floats, truth: Integers, weight: Floats | None = None
) -> Parameters:
    """Parameters for probabilities (N, K), true classes (N,) and row weights (N,) of mean 1, or 1 each."""
    weight = np.ones(len(p)) if weight is None else weight
    if method == "isotonic":
        return _fitted_lines(p, truth, weight)
    objective, start = _objective(method, p, truth, weight, strength)
    bounds = [(1 / LIMIT if method == "temperature" else -LIMIT, LIMIT)] * len(start)
    options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return _named(method, found.x, p.shape[1])


def _named(method: str, theta: Floats, classes: int) -> Parameters:
    """Parameters by name, from the vector that is fitted; that of `temperature` is its inverse."""
    if method == "temperature":
        return {"temperature": 1 / theta[0]}
    weights = theta[:-classes]
    if method == "dirichlet":
        weights = weights.reshape(classes, classes)
    return {"weights": weights, "intercepts": theta[-classes:]}


def _objective(
    method: str, p: Floats, truth: Integers, weight: Floats, strength: float
) -> tuple[Callable[[Floats], tuple[float, Floats]], Floats]:
    """Mean NLL plus penalty with its gradient, of a vector of parameters, and where to start: no change.

    Convex. The penalty of `dirichlet` is ODIR, λ/(K(K−1)) Σ w² off the diagonal + μ/K Σ b² (Kull and others
    2019), here with λ = μ = strength.
    """
    z = _log(p)
    rows, classes = z.shape
    each = np.arange(rows)
    start, penalty = np.ones(1), np.zeros(1)
    if method == "vector":
        start, penalty = np.repeat([1.0, 0.0], classes), np.zeros(2 * classes)
    if method == "dirichlet":
        eye = np.eye(classes)
        start = np.append(eye, np.zeros(classes))
        penalty = strength / classes * np.append((1 - eye) / (classes - 1), np.ones(classes))

    def objective(theta: Floats) -> tuple[float, Floats]:
        log_q = log_softmax(_logits(method, _named(method, theta, classes), z), axis=1)
        loss = float(-np.mean(weight * log_q[each, truth]) + penalty @ theta**2)
        residual = np.exp(log_q)
        residual[each, truth] -= 1
        residual *= weight[:, None] / rows
        if method == "temperature":
            return loss, np.array([np.sum(residual * z)])
        slope = np.sum(residual * z, axis=0) if method == "vector" else residual.T @ z
        return loss, np.append(slope, residual.sum(axis=0)) + 2 * penalty * theta

    return objective, start


def _fitted_lines(p: Floats, truth: Integers, weight: Floats) -> Parameters:
    """(K, M) corners of one increasing line for each class; short lines repeat their last corner.

    Shares stay 1/2N away from 0 and 1, as N rows cannot show that something never happens.
    """
    corners, least = [], 1 / (2 * len(p))
    for k, column in enumerate(p.T):
        claimed, place = np.unique(column, return_inverse=True)
        mass = np.bincount(place, weight)
        share = isotonic_regression(np.bincount(place, weight * (truth == k)) / mass, weights=mass).x
        flat = (share[1:-1] == share[:-2]) & (share[1:-1] == share[2:])
        kept = np.concatenate([[True], ~flat, [True]])[: len(claimed)]
        corners.append((claimed[kept], np.clip(share[kept], least, 1 - least)))
    longest = max(len(claimed) for claimed, _ in corners)
    claimed, share = (
        np.stack([np.pad(line[axis], (0, longest - len(line[axis])), "edge") for line in corners])
        for axis in (0, 1)
    )
    return {"claimed": claimed, "share": share}


def _chosen(method: str, seed: int, p: Floats, truth: Integers) -> Parameters:
    """Parameters for rows of weight 1; of `dirichlet` with the strength that cross-validation takes."""
    if method != "dirichlet":
        return _fitted(method, 0.0, p, truth)
    chosen, least = STRENGTHS[0], np.inf
    for strength in STRENGTHS:
        held_out = _out_of_fold(method, seed, p, truth, partial(_fitted, method, strength))
        nll = -float(np.mean(_log(held_out[np.arange(len(p)), truth])))
        if nll >= least:
            break
        chosen, least = strength, nll
    return {**_fitted(method, chosen, p, truth), "strength": np.asarray(chosen)}


def _out_of_fold(
    method: str, seed: int, p: Floats, truth: Integers, fit: Callable[[Floats, Integers], Parameters]
) -> Floats:
    """(N, K) calibrated probabilities, each row's by a fit to the folds it is not in."""
    fold = _folds(truth, seed)
    calibrated = np.empty_like(p)
    for number in range(FOLDS):
        held = fold == number
        calibrated[held] = _mapped(method, fit(p[~held], truth[~held]), p[held])
    return calibrated


def _folds(truth: Integers, seed: int) -> Integers:
    """(N,) the fold of each row; every class is spread over all of them."""
    fold = np.empty(len(truth), dtype=np.int64)
    fold[np.lexsort((np.random.default_rng(seed).random(len(truth)), truth))] = np.arange(len(truth)) % FOLDS
    return fold


# --- what a map does to errors ------------------------------------------------------------------------


def _propagated(change: Callable[[Floats], Floats], p: Floats, error: Floats) -> Floats:
    """(N, K) standard errors of change(p), from those of p, by the delta method under Σ dp = 0.

    To a class i, the others give back what it gains, each in proportion to its variance, and vary by the rest
    without correlation: dp_a = −ω_a dp_i + e_a, with ω_a = σ_a² / Σ_{b≠i} σ_b². With slopes J_ia = ∂q_i/∂p_a
    and c_i = Σ_{a≠i} ω_a J_ia,

        var q_i = (J_ii − c_i)² σ_i² + Σ_{a≠i} (J_ia − c_i)² max(σ_a² − ω_a² σ_i², 0).

    Exact for two classes, and for any K where nothing changes; adding a constant to all slopes of a class
    changes nothing, as it must where probabilities sum to 1. Slopes are those of chords from p_a − σ_a, or 0,
    to p_a + σ_a: a derivative says nothing where it changes within an error, near 0 and at corners.
    """
    classes = p.shape[1]
    eye = np.eye(classes)
    at_once = max(NUMBERS_AT_ONCE // classes**2, 1)
    found = np.empty_like(p)
    for start in range(0, len(p), at_once):
        rows = slice(start, start + at_once)
        # Axes: rows, the class a that moves, the class i that is looked at.
        up, down = error[rows, :, None], np.minimum(error, p)[rows, :, None]
        there, back = (
            change((p[rows, None, :] + step * eye).reshape(-1, classes)).reshape(-1, classes, classes)
            for step in (up, -down)
        )
        slope = (there - back) / np.where(up > 0, up + down, 1.0)
        variance = error[rows] ** 2
        moved, looked_at = variance[:, :, None], variance[:, None, :]
        others = np.einsum("nb,bi->ni", variance, 1 - eye)[:, None, :]
        given_back = moved * (1 - eye) / np.where(others > 0, others, 1.0)
        tilted = slope - np.sum(given_back * slope, axis=1, keepdims=True)
        rest = np.maximum(moved - given_back**2 * looked_at, 0.0)
        found[rows] = np.sqrt(np.sum(tilted**2 * np.where(eye == 1, moved, rest), axis=1))
    return found


# --- the result ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Calibrator:
    """A fitted map from a model's probabilities to calibrated ones; call it with a `Certainty`.

    Attributes:
        method: `temperature`, `vector`, `dirichlet` or `isotonic`.
        parameters: Read-only arrays by name. `temperature` (), above 1 where percentages are lowered;
            `weights` (K,), or (K, K) from the class in the column to that in the row; `intercepts` (K,);
            `strength` () of the penalty; `claimed` and `share` (K, M), the corners of each class's line.
        replicas: The same, fitted to rows with random weights (Bayesian bootstrap, Rubin 1981).
        rows: Number of labelled rows.
        class_names: K names.
        before: Scores of the labelled rows as they were.
        after: Scores of the same rows calibrated, each by a fit to folds that it is not in.
        warnings: Sentences; empty where nothing is amiss.
    """

    method: str
    parameters: Parameters
    replicas: tuple[Parameters, ...]
    rows: int
    class_names: tuple[str, ...]
    before: Evaluation
    after: Evaluation
    warnings: tuple[str, ...]

    @cached_property
    def differences(self) -> dict[str, Score]:
        """`after` less `before` of every score, paired row by row."""
        return self.after.minus(self.before)

    @property
    def helps(self) -> str:
        """`better` or `worse` where the interval of the difference in NLL says so, else `cannot tell`.

        Rows without a mistake cannot tell, whatever the method.
        """
        return _helps(self.before, self.after)

    def __call__(self, certainty: Certainty) -> Certainty:
        """The same rows with calibrated probabilities, and what follows from them.

        `mc_error` is propagated through the map. `expected_entropy` keeps its share of the entropy, all of it
        where there was none: how doubt is split is the model's, how much there is the calibration's.
        `entropy_correction` stays. Errors of entropies are NaN, as they would need the passes.

        Args:
            certainty: N rows of the same classes, not calibrated yet; zero rows give zero rows.

        Raises:
            InputError: No `Certainty`, other classes, or calibrated already.
        """
        self._probabilities_of(certainty)
        return _changed(certainty, self.method, self.parameters, self.rows)

    def spread(self, certainty: Certainty) -> Floats:
        """(N, K) standard error of the calibrated probabilities owing to the finite number of labelled rows.

        The standard deviation over `replicas`; `mc_error` is not in it.

        Args:
            certainty: As for a call.

        Raises:
            InputError: As for a call.
        """
        p = self._probabilities_of(certainty)
        centre = _mapped(self.method, self.parameters, p)
        total, squares = np.zeros_like(p), np.zeros_like(p)
        for replica in self.replicas:
            step = _mapped(self.method, replica, p) - centre
            total, squares = total + step, squares + step**2
        count = len(self.replicas)
        return np.asarray(np.sqrt(np.maximum(squares - total**2 / count, 0.0) / (count - 1)))

    def _probabilities_of(self, certainty: Certainty) -> Floats:
        check_certainty(certainty, self.class_names)
        return _probabilities_of(certainty)

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        before, after = (100 * scores.ece.value for scores in (self.before, self.after))
        verdict = {
            "better": "Taken together, they became better, by more than chance explains.",
            "worse": "Taken together, they became worse.",
            "cannot tell": "Whether they became better, these rows cannot tell.",
        }[self.helps]
        return " ".join(
            [
                f"Calibration by '{self.method}', learnt from {self.rows:,} rows with known answers.",
                *([self._temperature_in_words()] if self.method == "temperature" else []),
                "On rows it had not learnt from, percentages were off by "
                f"{before:.1f} points on average before, and by {after:.1f} after.",
                verdict,
                *self.warnings,
                "Whether the model was trained on these rows cannot be known; if so, none of this holds.",
            ]
        )

    def _temperature_in_words(self) -> str:
        temperature = float(self.parameters["temperature"])
        margin = 1.96 * float(np.std([each["temperature"] for each in self.replicas], ddof=1))
        shown = f"(temperature {temperature:.2f} ± {margin:.2f}, where 1 changes nothing)"
        if self.before.accuracy.value == 1:
            return f"How far to change the model's percentages, these rows cannot say {shown}."
        if abs(temperature - 1) <= margin:
            return f"The model's percentages need no change that these rows could show {shown}."
        much, changed = ("much", "lowered") if temperature > 1 else ("little", "raised")
        return f"The model claimed too {much}, so its highest percentages are {changed} {shown}."

    def __repr__(self) -> str:
        made_from = f"{self.rows:,} rows, {len(self.class_names)} classes"
        return f"<Calibrator by {self.method} from {made_from}: {self.helps}>"


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelCalibrator:
    """A `Calibrator` for each of K labels; call it with a `MultilabelCertainty`.

    Attributes:
        of_label: The calibrator of each label, by name; it maps `certainty.of_label(name)`.
    """

    of_label: Mapping[str, Calibrator]

    @property
    def label_names(self) -> tuple[str, ...]:
        """K names, in order."""
        return tuple(self.of_label)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of all labels, each after the label's name; empty where nothing is amiss."""
        return tuple(f"'{name}': {said}" for name, each in self.of_label.items() for said in each.warnings)

    def __call__(self, certainty: MultilabelCertainty) -> MultilabelCertainty:
        """The same rows with calibrated probabilities, and what follows from them, as `Calibrator` does it.

        Args:
            certainty: N rows of the same labels, not calibrated yet; zero rows give zero rows.

        Raises:
            InputError: No `MultilabelCertainty`, other labels, or calibrated already.
        """
        if not isinstance(certainty, MultilabelCertainty):
            raise InputError(
                "This calibrator is for several labels per row",
                expected="a `MultilabelCertainty`",
                received=type(certainty).__name__,
                mend="`calibrator.of_label[name]` is for one label, as `certainty.of_label(name)` gives it",
            )
        if certainty.label_names != self.label_names:
            raise InputError(
                "These rows have other labels than those that were learnt from",
                expected=_listed(self.label_names),
                received=_listed(certainty.label_names),
            )
        mended = [each(certainty.of_label(name)) for name, each in self.of_label.items()]

        def stacked(name: str) -> Floats:
            return np.stack([getattr(each, name) for each in mended], axis=1)

        fits = {name: each.method["calibration"] for name, each in zip(self.of_label, mended, strict=True)}
        unknown = np.full(certainty.probabilities.shape, np.nan)
        return replace(
            certainty,
            probabilities=stacked("probabilities")[..., 1],
            mc_error=stacked("mc_error")[..., 1],
            expected_entropy=stacked("expected_entropy"),
            entropy_error=unknown,
            expected_entropy_error=unknown,
            mutual_information_error=unknown,
            method={**certainty.method, "calibration": fits},
        )

    def in_words(self) -> str:
        """Which labels' percentages it mends, for a reader who knows no statistics."""
        first = next(iter(self.of_label.values()))
        found = {
            said: [name for name, each in self.of_label.items() if each.helps == helps]
            for helps, said in (
                ("better", "became better, by more than chance explains"),
                ("worse", "became worse"),
                ("cannot tell", "may or may not have become better: these rows cannot tell"),
            )
        }
        return " ".join(
            [
                f"Calibration of {len(self.of_label)} labels by '{first.method}', each by itself, "
                f"learnt from {first.rows:,} rows with known answers.",
                *(f"Percentages of {_listed(names)} {said}." for said, names in found.items() if names),
                *self.warnings,
            ]
        )

    def __repr__(self) -> str:
        helped = sum(each.helps == "better" for each in self.of_label.values())
        return f"<MultilabelCalibrator of {len(self.of_label)} labels, {helped} of them better>"


@overload
def calibrate(
    certainty: Certainty, labels: ArrayLike | None = None, *, method: str = "temperature", seed: int = 0
) -> Calibrator: ...
@overload
def calibrate(
    certainty: MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    method: str = "temperature",
    seed: int = 0,
) -> MultilabelCalibrator: ...
def calibrate(
    certainty: Certainty | MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    method: str = "temperature",
    seed: int = 0,
) -> Calibrator | MultilabelCalibrator:
    """Learn from labelled rows how to mend a model's percentages.

    With p the probabilities and q the calibrated ones, all but `isotonic` are fitted by least NLL:

    - `temperature`: q = softmax(log p / T) (Guo and others 2017). The log p of one pass are logits up
      to a constant in each row, which changes nothing. Keeps every label.
    - `vector`: q = softmax(w · log p + b), a weight and an intercept for each class (Guo and others 2017).
    - `dirichlet`: q = softmax(W log p + b), W (K, K), off-diagonal weights and b penalised, how much by
      cross-validation (Kull and others 2019).
    - `isotonic`: an increasing line for each class against the rest, then normalised (Zadrozny and Elkan
      2002); shares stay 1/2N away from 0 and 1. May make classes equal.

    Logarithms are of at least 2·10⁻¹⁶.

    Of a `MultilabelCertainty` each label is calibrated by itself, as rows of the two classes `no` and `yes`.
    There `temperature` only stretches or shrinks the log-odds, and `vector` shifts them too (Platt scaling).

    Args:
        certainty: Of N rows the model was not trained on, at least K and at least 10.
        labels: (N,) true classes in [0, K), or (N, K) yes or no for a `MultilabelCertainty`; None takes
            `certainty.truth`.
        method: One of the four; `temperature` needs the fewest rows.
        seed: Of the folds, the replicas and the bootstrap of the scores; the same seed gives the same result.

    Raises:
        InputError: Unknown method, no `Certainty`, one that is calibrated already or has the same
            probabilities in all rows, labels that do not fit, too few rows, or a class without any
            (except with `temperature`).

    Example:
        >>> calibrator = howsure.calibrate(howsure.assess(model, x), labels)
        >>> certainty = howsure.assess(model, x_new)
        >>> for one in (certainty, calibrator(certainty)):
        ...     print(one[1])
        90 ± 2 % '0', or '9' (6 %): leaning. The image itself is ambiguous.
        98.2 ± 0.6 % '0': sure.
    """
    if method not in METHODS:
        raise InputError(
            "This method of calibration does not exist",
            expected=f"one of {', '.join(METHODS)}",
            received=method,
        )
    if isinstance(certainty, MultilabelCertainty):
        return _calibrated_labels(certainty, truth_of_labels(certainty, labels), method, seed)
    truth = truth_of(certainty, labels)
    p = _probabilities_of(certainty)
    classes = p.shape[1]
    counts = np.bincount(truth, minlength=classes)
    _check_rows(method, p, counts, certainty.class_names)
    parameters = _chosen(method, seed, p, truth)
    strength = float(parameters.get("strength", 0.0))
    random = np.random.default_rng(seed)
    weights = (random.exponential(size=len(p)) for _ in range(REPLICAS))
    replicas = tuple(_fitted(method, strength, p, truth, each / each.mean()) for each in weights)
    held_out = _out_of_fold(method, seed, p, truth, partial(_chosen, method, seed))
    before = evaluate(certainty, truth, seed=seed)
    without = np.array_equal(certainty.label, truth)
    if without and method != "isotonic":
        warnings.warn(HowsureWarning(f"{without_mistakes(len(p))}."), stacklevel=2)
    after = evaluate(replace(certainty, probabilities=held_out), truth, seed=seed)
    return Calibrator(
        method=method,
        parameters=_read_only(parameters),
        replicas=tuple(map(_read_only, replicas)),
        rows=len(p),
        class_names=certainty.class_names,
        before=before,
        after=after,
        warnings=tuple(_warnings(method, parameters, counts, certainty.class_names, before, after)),
    )


def _calibrated_labels(
    certainty: MultilabelCertainty, truth: NDArray[np.bool_], method: str, seed: int
) -> MultilabelCalibrator:
    """A calibrator for each label; what is wrong with one names it."""
    found = {}
    for k, name in enumerate(certainty.label_names):
        try:
            found[name] = calibrate(
                certainty.of_label(k), truth[:, k].astype(np.int64), method=method, seed=seed
            )
        except InputError as error:
            raise InputError(
                f"Label '{name}' cannot be calibrated: {error.what[0].lower()}{error.what[1:]}",
                expected=error.expected,
                received=error.received,
                mend=error.mend,
            ) from error
    return MultilabelCalibrator(found)


def _changed(certainty: Certainty, method: str, parameters: Parameters, rows: int) -> Certainty:
    """A `Certainty` with calibrated probabilities, and what follows from them; see `Calibrator.__call__`."""
    p = np.asarray(certainty.probabilities, dtype=np.float64)
    q = _mapped(method, parameters, p)
    entropy = np.minimum(entropy_of(q) + certainty.entropy_correction, np.log(p.shape[1]))
    nothing = certainty.entropy == 0
    share = np.where(nothing, 1.0, certainty.expected_entropy / np.where(nothing, 1.0, certainty.entropy))
    numbers = {name: np.asarray(array).tolist() for name, array in parameters.items()}
    unknown = np.full(len(p), np.nan)
    return replace(
        certainty,
        probabilities=q,
        mc_error=_propagated(lambda some: _mapped(method, parameters, some), p, certainty.mc_error),
        expected_entropy=share * entropy,
        entropy_error=unknown,
        expected_entropy_error=unknown,
        mutual_information_error=unknown,
        method={**certainty.method, "calibration": {"method": method, "rows": rows, **numbers}},
    )


def without_mistakes(rows: int) -> str:
    """What a fit to so many labelled rows, none of them mistaken, is worth, in sentences.

    After n right answers in n, Laplace's rule of succession gives the next the probability (n + 1) / (n + 2).
    """
    decimals = max(1, len(str(rows + 2)) - 2)  # few enough that it stays below 100
    most = (rows + 1) * 10 ** (decimals + 2) // (rows + 2) / 10**decimals
    return (
        f"The {rows:,} labelled rows contain no mistake, so nothing in them limits how far calibration may "
        f"raise percentages. So many rows support no percentage above about {most:.{decimals}f}\u00a0%, "
        "and higher ones are not to be trusted"
    )


def cross_calibrated(
    certainty: Certainty,
    truth: Integers,
    changed: Sequence[Certainty] = (),
    others: Sequence[Certainty] = (),
    *,
    seed: int = 0,
) -> tuple[list[Certainty], list[Certainty]]:
    """Temperature scaling that leaves no row out of the scores: each is mended by a fit without it.

    Args:
        certainty: Of N rows with known classes.
        truth: (N,) these.
        changed: The same rows in other guises; each gets the fit that has not seen it in any.
        others: Other rows; they get the fit to all N.
        seed: Of the folds.

    Returns:
        `certainty` and `changed` calibrated, and `others` calibrated.
    """
    p = _probabilities_of(certainty)
    fold = _folds(truth, seed)
    fits = [_fitted("temperature", 0.0, p[fold != number], truth[fold != number]) for number in range(FOLDS)]
    places = [np.flatnonzero(fold == number) for number in range(FOLDS)]
    order = np.argsort(np.concatenate(places), kind="stable")
    mended = []
    for each in (certainty, *changed):
        parts = [
            _changed(each[place], "temperature", fit, len(p) - len(place))
            for place, fit in zip(places, fits, strict=True)
        ]
        mended.append(Certainty.joined(parts)[order])
    overall = _fitted("temperature", 0.0, p, truth)
    return mended, [_changed(each, "temperature", overall, len(p)) for each in others]


def _helps(before: Evaluation, after: Evaluation) -> str:
    if before.accuracy.value == 1:
        return "cannot tell"
    nll = after.minus(before)["nll"]
    return "better" if nll.high < 0 else "worse" if nll.low > 0 else "cannot tell"


def _read_only(parameters: Parameters) -> Parameters:
    arrays = {name: np.array(value, dtype=np.float64) for name, value in parameters.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _listed(names: Iterable[str]) -> str:
    given = [f"'{name}'" for name in names]
    return ", ".join(given[:5]) + (f" and {len(given) - 5} more" if len(given) > 5 else "")


def _probabilities_of(certainty: Certainty) -> Floats:
    if "calibration" in certainty.method:
        raise InputError("These rows are calibrated already", expected="a `Certainty` as the model gave it")
    return np.asarray(certainty.probabilities, dtype=np.float64)


def _check_rows(method: str, p: Floats, counts: Integers, class_names: tuple[str, ...]) -> None:
    least = max(p.shape[1], 2 * FOLDS)
    if len(p) < least:
        raise InputError(
            "Too few labelled rows to calibrate with",
            expected=f"at least {least}, for {p.shape[1]} classes and {FOLDS} folds",
            received=len(p),
        )
    if np.all(p == p[0]):
        raise InputError(
            "All rows have the same probabilities, so there is nothing to calibrate",
            expected="probabilities that differ between rows",
        )
    missing = [class_names[k] for k in np.flatnonzero(counts == 0)]
    if missing and method != "temperature":
        raise InputError(
            f"Classes without labelled rows cannot be calibrated by '{method}'",
            expected="at least one row of each class",
            received=f"none of {_listed(missing)}",
            mend='Label rows of them, or use method="temperature"',
        )


def _warnings(
    method: str,
    parameters: Parameters,
    counts: Integers,
    class_names: tuple[str, ...],
    before: Evaluation,
    after: Evaluation,
) -> list[str]:
    """What a reader should know, in sentences.

    The rows expected are rules of thumb: ten for each number learnt (Peduzzi and others 1996), at least 100;
    for `isotonic` 1000 (Niculescu-Mizil and Caruana 2005).
    """
    rows, classes = int(counts.sum()), len(counts)
    learnt = {"temperature": 1, "vector": 2 * classes, "dirichlet": classes * (classes + 1), "isotonic": 100}
    expected = max(10 * learnt[method], 100)
    sentences = []
    if rows < expected:
        sentences.append(f"There are {rows:,} labelled rows; '{method}' should have {expected:,} or more.")
    for some, text in (
        (counts == 0, "No labelled row is of"),
        ((counts > 0) & (counts < HANDFUL), f"Fewer than {HANDFUL} labelled rows each are of"),
    ):
        if some.any():
            sentences.append(f"{text} {_listed(class_names[k] for k in np.flatnonzero(some))}.")
    if before.accuracy.high < 1 / classes:
        sentences.append(BELOW_CHANCE)
    if before.accuracy.value == 1 and method != "isotonic":
        sentences.append(f"{without_mistakes(rows)}.")
    elif _at_limit(method, parameters):
        sentences.append(
            "The fit ended at its limit, as where every answer is right, or none is: "
            "these rows cannot say how far percentages should change."
        )
    if _helps(before, after) == "worse":
        sentences.append(
            "Calibration made rows worse that it had not learnt from, as it does where there is nothing to "
            "mend: keep the model's own percentages."
        )
    return sentences


def _at_limit(method: str, parameters: Parameters) -> bool:
    if method == "isotonic":
        return False
    if method == "temperature":
        return bool(np.abs(np.log(parameters["temperature"])) > np.log(LIMIT) - 1e-6)
    return bool(max(np.abs(parameters[name]).max() for name in ("weights", "intercepts")) > LIMIT - 1e-6)
