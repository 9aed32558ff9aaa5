"""Mend percentages that are not true, by a map from probabilities to probabilities learnt from labelled rows.

The maps themselves are in `howsure.judge.maps`; here are the fitted `Calibrator`s, and `calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from howsure.answers.classes.result import Certainty
from howsure.answers.labels.result import MultilabelCertainty
from howsure.arguments import check_choice, check_whole
from howsure.errors import InputError, warn
from howsure.judge import maps
from howsure.judge.calibration_words import (
    helps,
    listed,
    mistakes_of,
    off_in_words,
    supported_in_words,
    too_few_mistakes,
    warnings_of,
)
from howsure.judge.calibrator_files import Kept
from howsure.judge.evaluate import Evaluation, evaluate_numbers
from howsure.judge.labelled import check_certainty, truth_of, truth_of_labels
from howsure.judge.maps import Parameters
from howsure.judge.scores import LEAST_MISTAKES, Score
from howsure.statistics import entropy_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REPLICAS = 50
"""Fits to reweighted rows; a standard error from 50 is itself known to a tenth."""


# --- the result ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Calibrator(Kept):
    """A fitted map from a model's probabilities to calibrated ones; call it with a `Certainty`.

    Attributes:
        method: `temperature`, `vector`, `dirichlet` or `isotonic`.
        parameters: Read-only arrays by name. `temperature` (), above 1 where percentages are lowered;
            `weights` (K,), or (K, K) from the class in the column to that in the row; `intercepts` (K,);
            `strength` () of the penalty; `claimed` and `share` (K, M), the corners of each class's line;
            `most` () the largest probability that it gives, (n + 1) / (n + 2) for n labelled rows.
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

        Rows with fewer than five mistakes cannot tell, whatever the method.
        """
        return helps(self.differences)

    def __call__(self, certainty: Certainty) -> Certainty:
        """The same rows with calibrated probabilities, and what follows from them.

        `mc_error` is propagated through the map. `expected_entropy` keeps its share of the entropy, all of it
        where there was none: how doubt is split is the model's, how much there is the calibration's.
        `entropy_correction` stays. Errors of entropies are NaN, and `spread` and `quantiles` None, as they
        would need the passes.

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
        centre = maps.mapped(self.method, self.parameters, p)
        squares = np.zeros_like(p)
        for replica in self.replicas:
            squares += (maps.mapped(self.method, replica, p) - centre) ** 2
        return np.asarray(np.sqrt(squares / len(self.replicas)))

    def _probabilities_of(self, certainty: Certainty) -> Floats:
        check_certainty(certainty, self.class_names)
        return _probabilities_of(certainty)

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        verdict = {
            "better": "Taken together, they became better, by more than chance explains.",
            "worse": "Taken together, they became worse, by more than chance explains.",
            "cannot tell": "Whether they became better, these rows cannot tell.",
        }[self.helps]
        return " ".join(
            [
                f"Calibration by '{self.method}', learnt from {self.rows:,} rows with known answers.",
                *([self._temperature_in_words()] if self.method == "temperature" else []),
                f"No percentage is above {supported_in_words(self.rows)}: so many rows support no more.",
                f"On rows it had not learnt from, percentages were off by {off_in_words(self.before.ece)} "
                "before, and by "
                f"{off_in_words(self.after.ece)} after.",
                verdict,
                *self.warnings,
                "Whether the model was trained on these rows cannot be known; if so, none of this holds.",
            ]
        )

    def _temperature_in_words(self) -> str:
        temperature = float(self.parameters["temperature"])
        low, high = self._temperature_interval(temperature)
        shown = f"(temperature {temperature:.2f}, {low:.2f} to {high:.2f}, where 1 changes nothing)"
        if mistakes_of(self.before) < LEAST_MISTAKES:
            return f"How far to change the model's percentages, these rows cannot say {shown}."
        if low <= 1 <= high:
            return f"The model's percentages need no change that these rows could show {shown}."
        much, changed = ("much", "lowered") if temperature > 1 else ("little", "raised")
        return f"The model claimed too {much}, so its highest percentages are {changed} {shown}."

    def _temperature_interval(self, temperature: float) -> tuple[float, float]:
        """95 % ends, by the spread of its logarithm over replicas: a temperature is a factor."""
        logs = np.log([each["temperature"] for each in self.replicas])
        reach = stats.t.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1)
        low, high = temperature * np.exp([-reach, reach])
        return float(low), float(high)

    def __repr__(self) -> str:
        made_from = f"{self.rows:,} rows, {len(self.class_names)} classes"
        return f"<Calibrator by {self.method} from {made_from}: {self.helps}>"


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelCalibrator(Kept):
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
                expected=listed(self.label_names),
                received=listed(certainty.label_names),
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
            spread=None,
            spread_error=None,
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
                *(f"Percentages of {listed(names)} {said}." for said, names in found.items() if names),
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
    - `dirichlet`: q = softmax(W log p + b), W (K, K) (Kull and others 2019).
    - `isotonic`: an increasing line for each class against the rest, then normalised (Zadrozny and Elkan
      2002). May make classes equal.

    Of `vector` and `dirichlet`, all that goes beyond a temperature is penalised, how much by
    cross-validation. Logarithms are of at least 2·10⁻¹⁶.

    A fit without mistakes would raise percentages without end. Two things limit it. One mistake's worth of
    rows is added that are as the model says itself, 1 to the m mistakes seen, or to those that it claims if
    these are more: a prior that nothing changes (Huang and others 2020). And no calibrated probability is
    above (n + 1) / (n + 2), what the rule of succession (Laplace 1774) gives to the next answer after n right
    ones: what lies above is spread evenly over classes.

    Of a `MultilabelCertainty` each label is calibrated by itself, as rows of the two classes `no` and `yes`.
    There `temperature` only stretches or shrinks the log-odds, and `vector` shifts them too (Platt scaling).

    Args:
        certainty: Of N rows the model was not trained on, at least K and at least 10.
        labels: (N,) true classes in [0, K), or (N, K) yes or no for a `MultilabelCertainty`; None takes
            `certainty.truth`.
        method: One of the four; `temperature` needs the fewest rows.
        seed: Of the folds, the replicas and the draws of chance; the same seed gives the same result.

    Raises:
        InputError: Unknown method, no `Certainty`, one that is calibrated already or has the same
            probabilities in all rows, labels that do not fit, too few rows, or a class without any
            (except with `temperature`).

    Example:
        >>> calibrator = howsure.calibrate(howsure.assess(model, x), labels)
        >>> certainty = howsure.assess(model, x_new)
        >>> for one in (certainty, calibrator(certainty)):
        ...     print(one[1])
        90 ± 2 % '0', or '9' (6 %): leaning. Single networks say 35 to 99.5 %; ...
        97.9 ± 0.6 % '0': sure.
    """
    check_choice(method, tuple(maps.METHODS), "method")
    check_whole(seed, "seed", least=0)
    if isinstance(certainty, MultilabelCertainty):
        return _calibrated_labels(certainty, truth_of_labels(certainty, labels), method, seed)
    truth = truth_of(certainty, labels)
    p = _probabilities_of(certainty)
    classes = p.shape[1]
    counts = np.bincount(truth, minlength=classes)
    _check_rows(method, p, counts, certainty.class_names)
    parameters = maps.chosen(method, seed, p, truth)
    strength = maps.weaker(parameters)
    random = np.random.default_rng(seed)
    weights = (random.exponential(size=len(p)) for _ in range(REPLICAS))
    replicas = tuple(maps.fitted(method, strength, p, truth, each / each.mean()) for each in weights)
    held_out = maps.out_of_fold(method, seed, p, truth, partial(maps.chosen, method, seed))
    before = evaluate_numbers(certainty, truth, seed)
    if np.array_equal(certainty.label, truth):
        warn(too_few_mistakes(0, len(p)))
    after = evaluate_numbers(replace(certainty, probabilities=held_out), truth, seed)
    return Calibrator(
        method=method,
        parameters=_read_only(parameters),
        replicas=tuple(map(_read_only, replicas)),
        rows=len(p),
        class_names=certainty.class_names,
        before=before,
        after=after,
        warnings=tuple(warnings_of(method, parameters, counts, certainty.class_names, before, after)),
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
            raise error.told_of(f"Label '{name}' cannot be calibrated") from error
    return MultilabelCalibrator(found)


def _changed(certainty: Certainty, method: str, parameters: Parameters, rows: int) -> Certainty:
    """A `Certainty` with calibrated probabilities, and what follows from them; see `Calibrator.__call__`."""
    p = np.asarray(certainty.probabilities, dtype=np.float64)
    q = maps.mapped(method, parameters, p)
    entropy = np.minimum(entropy_of(q) + certainty.entropy_correction, np.log(p.shape[1]))
    nothing = certainty.entropy == 0
    share = np.where(nothing, 1.0, certainty.expected_entropy / np.where(nothing, 1.0, certainty.entropy))
    numbers = {name: np.asarray(array).tolist() for name, array in parameters.items()}
    unknown = np.full(len(p), np.nan)
    return replace(
        certainty,
        probabilities=q,
        mc_error=maps.propagated(lambda some: maps.mapped(method, parameters, some), p, certainty.mc_error),
        expected_entropy=share * entropy,
        entropy_error=unknown,
        expected_entropy_error=unknown,
        mutual_information_error=unknown,
        spread=None,
        spread_error=None,
        quantiles=None,
        quantiles_error=None,
        method={**certainty.method, "calibration": {"method": method, "rows": rows, **numbers}},
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
    fold = maps.folds(truth, seed)
    fits = [
        maps.fitted("temperature", 0.0, p[fold != number], truth[fold != number])
        for number in range(maps.FOLDS)
    ]
    places = [np.flatnonzero(fold == number) for number in range(maps.FOLDS)]
    order = np.argsort(np.concatenate(places), kind="stable")
    mended = []
    for each in (certainty, *changed):
        parts = [
            _changed(each[place], "temperature", fit, len(p) - len(place))
            for place, fit in zip(places, fits, strict=True)
        ]
        alike = [replace(part, method=parts[0].method) for part in parts]  # told by the first fold
        mended.append(Certainty.joined(alike)[order])
    overall = maps.fitted("temperature", 0.0, p, truth)
    return mended, [_changed(each, "temperature", overall, len(p)) for each in others]


def _read_only(parameters: Parameters) -> Parameters:
    arrays = {name: np.array(value, dtype=np.float64) for name, value in parameters.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _probabilities_of(certainty: Certainty) -> Floats:
    if "calibration" in certainty.method:
        raise InputError("These rows are calibrated already", expected="a `Certainty` as the model gave it")
    return np.asarray(certainty.probabilities, dtype=np.float64)


def _check_rows(method: str, p: Floats, counts: Integers, class_names: tuple[str, ...]) -> None:
    least = max(p.shape[1], 2 * maps.FOLDS)
    if len(p) < least:
        raise InputError(
            "Too few labelled rows to calibrate with",
            expected=f"at least {least}, for {p.shape[1]} classes and {maps.FOLDS} folds",
            received=len(p),
            mend="Label more rows",
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
            received=f"none of {listed(missing)}",
            mend='Label rows of them, or use method="temperature"',
        )
