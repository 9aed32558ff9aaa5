"""Calibrate the percentages of classes by a temperature, offsets of classes, or both.

The map is in `howsure.tasks.classification.maps`; here is the fitted `Calibrator`, and how it is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from msgspec import Meta
from scipy.special import ndtri, stdtrit

from howsure.arguments import check_choice
from howsure.errors import InputError, warn
from howsure.evaluation.calibrator_files import (
    LEARNT,
    UNLESS_TRAINED_ON,
    ScoredCalibrator,
    check_method,
    check_not_calibrated,
    check_rows,
    read_rows_and_names,
    read_words,
)
from howsure.evaluation.cross_fit import FOLDS, CrossFit, FitInfluence, fit_influence
from howsure.evaluation.fitted_rows import FittedRows
from howsure.evaluation.score import LEAST_MISTAKES, NORMAL, SMALLEST, Score
from howsure.inputs.typed_json import numbers, typed
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import entropy_of
from howsure.tasks.classification import maps
from howsure.tasks.classification.evaluate import Evaluation, evaluate_numbers
from howsure.tasks.classification.maps import Parameters
from howsure.tasks.classification.result import Certainty
from howsure.tasks.truth import BELOW_CHANCE, truth_of

# --- the result ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Calibrator(ScoredCalibrator):
    """A fitted map from a model's probabilities to calibrated ones; call it with a `Certainty`.

    Attributes:
        method: `temperature`, `offsets` or `both`.
        parameters: Read-only arrays by name: `temperature` (), above 1 if it lowers percentages; `offsets`
            (K,), added to the log of each class; and `most` (), the largest probability that it gives,
            (n + 1) / (n + 2) for n labelled rows.
        rows: Number of labelled rows.
        class_names: K names.
        before: Scores of the labelled rows as they were; None if it was read from a file.
        after: Scores of the same rows calibrated, each by a fit to folds that it is not in, and by the method
            that these choose; None likewise.
        helps: `better` or `worse` if the interval of the difference in NLL excludes 0, else `cannot tell`,
            as with fewer than five mistakes.
        said: Sentences for a reader who knows no statistics, which `in_words` gives.
        warnings: Sentences; empty if nothing is amiss.
        learnt_rows: The labelled rows, as it knows them again.
    """

    method: str
    parameters: Parameters
    rows: int
    class_names: tuple[str, ...]
    before: Evaluation | None
    after: Evaluation | None
    helps: str
    said: str
    warnings: tuple[str, ...]
    learnt_rows: FittedRows
    answer: ClassVar[str] = "classes"

    @property
    def _learnt_in_words(self) -> str:
        return LEARNT.format(f"by '{self.method}'", self.rows)

    def _as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "class_names": list(self.class_names),
            "rows": self.rows,
            "parameters": _listed(self.parameters),
            "helps": self.helps,
            **super()._as_json(),
        }

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
        changed = _changed(self.method, certainty, self.parameters, self.rows)
        return self._marked(certainty, changed)

    def _probabilities_of(self, certainty: Certainty) -> Floats:
        self._check(certainty, Certainty, self.class_names)
        return _probabilities_of(certainty)

    def __repr__(self) -> str:
        made_from = f"{self.rows:,} rows, {len(self.class_names)} classes"
        return f"<Calibrator by {self.method} from {made_from}: {self.helps}>"


def calibrate(certainty: Certainty, labels: Any, *, method: str | None, seed: int) -> Calibrator:
    """The part `calibrate` of one class per row; see `howsure.evaluation.calibrate.calibrate`."""
    method = maps.AUTO if method is None else method
    check_method(method, [maps.AUTO, *maps.METHODS])
    truth = truth_of(certainty, labels)
    p = _probabilities_of(certainty)
    classes = p.shape[1]
    counts = np.bincount(truth, minlength=classes)
    check_rows(len(p), classes)
    if np.all(p == p[0]):
        raise InputError(
            "All rows have the same probabilities, so there is nothing to calibrate",
            expected="probabilities that differ between rows",
        )
    method, cross = (
        _chosen(p, truth, seed) if method == maps.AUTO else (method, _cross_fit(p, truth, seed, method))
    )
    parameters = cross.overall
    held_out = _held_out(cross, p)
    through = _through(cross, _moves(cross, p, truth), p, truth)
    before = evaluate_numbers(certainty, truth, seed)
    if np.array_equal(certainty.label, truth):
        warn(too_few_mistakes(0, len(p)))
    after = evaluate_numbers(replace(certainty, probabilities=held_out), truth, seed, through)
    helps = helps_in(after.minus(before)["nll"])
    warnings = tuple(warnings_of(parameters, counts, certainty.class_names, before, helps))
    change = change_in_words(certainty, truth, parameters)
    return Calibrator(
        method=method,
        parameters=_read_only(parameters),
        rows=len(p),
        class_names=certainty.class_names,
        before=before,
        after=after,
        helps=helps,
        said=in_words(method, change, before, after, helps, warnings),
        warnings=warnings,
        learnt_rows=FittedRows.of(certainty),
    )


def read(content: Mapping[str, Any]) -> Calibrator:
    """The part `read_calibrator` of one class per row: the inverse of `Calibrator._as_json`."""
    method = content["method"]
    check_choice(method, tuple(maps.METHODS), "method")
    rows, names = read_rows_and_names(content, "class")
    learnt = maps.ranges(method, len(names))
    check_choice(content["helps"], tuple(HELPS), "helps")
    return Calibrator(
        method=method,
        parameters=_parameters(content["parameters"], learnt, "parameters"),
        rows=rows,
        class_names=names,
        helps=content["helps"],
        **read_words(content),
    )


def _changed(method: str, certainty: Certainty, parameters: Parameters, rows: int) -> Certainty:
    """A `Certainty` with calibrated probabilities, and what follows from them; see `Calibrator.__call__`."""
    p = np.asarray(certainty.probabilities, dtype=np.float64)
    q = maps.mapped(parameters, p)
    entropy = np.minimum(entropy_of(q) + certainty.entropy_correction, np.log(p.shape[1]))
    nothing = certainty.entropy == 0
    share = np.where(nothing, 1.0, certainty.expected_entropy / np.where(nothing, 1.0, certainty.entropy))
    numbers = _listed(parameters)
    unknown = np.full(len(p), np.nan)
    return replace(
        certainty,
        probabilities=q,
        mc_error=maps.propagated(partial(maps.mapped, parameters), p, certainty.mc_error),
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
    method: str = maps.TEMPERATURE,
) -> tuple[list[Certainty], list[Certainty], list[Mapping[str, FitInfluence]]]:
    """Calibration with cross-fitting: each row is calibrated by a fit to the folds that it is not in.

    Args:
        certainty: Result of N rows with known classes.
        truth: (N,) these classes.
        changed: The same rows under shifts; each row gets the fit that has not seen it.
        others: Other rows; they get the fit to all N.
        seed: Seed of the folds.
        method: Method of calibration.

    Returns:
        `certainty` and `changed` calibrated, `others` calibrated, and what rows do through the fits to the
        scores of `certainty` and `changed`, by name.
    """
    p = _probabilities_of(certainty)
    cross = _cross_fit(p, truth, seed, method)
    moves = _moves(cross, p, truth)
    calibrated, through = list[Certainty](), list[Mapping[str, FitInfluence]]()
    for rows in (certainty, *changed):
        calibrated.append(cross.held_out(partial(_changed, method), rows))
        through.append(_through(cross, moves, _probabilities_of(rows), truth))
    return calibrated, [_changed(method, rows, cross.overall, len(p)) for rows in others], through


def _cross_fit(p: Floats, truth: Integers, seed: int, method: str) -> CrossFit:
    """Fits to all rows (N, K), and to those outside each fold, which begin at the former."""
    overall, fold = maps.fitted(p, truth, method=method), maps.folds(truth, seed)
    of_folds = []
    for number in range(FOLDS):
        outside = fold != number
        of_folds.append(maps.fitted(p[outside], truth[outside], start=overall, method=method))
    return CrossFit(fold, overall, tuple(of_folds))


def _chosen(p: Floats, truth: Integers, seed: int) -> tuple[str, CrossFit]:
    """The method to take, and fits. For each fold, the rows of the others choose, as they do of all rows.

    Others than a temperature are tried only where they fit the rows themselves better by more than numbers
    that mean nothing do (Akaike 1974): one for each number more, on the sum of log p.
    """
    of_methods = {maps.TEMPERATURE: _cross_fit(p, truth, seed, maps.TEMPERATURE)}
    simple, rich = of_methods[maps.TEMPERATURE].overall, maps.fitted(p, truth, method="both")
    if np.sum(_losses(maps.mapped(simple, p), truth) - _losses(maps.mapped(rich, p), truth)) < p.shape[1] - 1:
        return maps.TEMPERATURE, of_methods[maps.TEMPERATURE]
    of_methods |= {m: _cross_fit(p, truth, seed, m) for m in maps.METHODS if m != maps.TEMPERATURE}
    losses = {method: _losses(_held_out(cross, p), truth) for method, cross in of_methods.items()}
    chosen = of_methods[simplest(losses)]
    of_folds = []
    for number in range(FOLDS):
        others = {method: loss[chosen.fold != number] for method, loss in losses.items()}
        of_folds.append(of_methods[simplest(others)].of_folds[number])
    return simplest(losses), replace(chosen, of_folds=tuple(of_folds))


def _losses(q: Floats, truth: Integers) -> Floats:
    return np.asarray(-np.log(np.maximum(q[np.arange(len(q)), truth], SMALLEST)))


def simplest(losses: Mapping[str, Floats]) -> str:
    """The first method whose mean loss over rows is not above the least by more than chance.

    That is a rule of standard errors (Breiman and others 1984), here of the differences row by row, and of
    1.96 of them, as in their 95 % interval. With one, chance took a richer method in up to 30 % of draws of
    rows where a temperature was all that was needed; docs/offsets.md has those of 1.96.

    Args:
        losses: (N,) by method, the simplest first.
    """
    best = min(losses, key=lambda method: float(losses[method].mean()))
    for method, loss in losses.items():
        gap = loss - losses[best]
        if gap.mean() <= NORMAL * gap.std(ddof=1) / math.sqrt(len(gap)):
            return method
    return best


def _held_out(cross: CrossFit, p: Floats) -> Floats:
    """(N, K) calibrated, each row by the fit that does not know it."""
    held_out = np.empty_like(p)
    for number, fit in enumerate(cross.of_folds):
        held_out[cross.fold == number] = maps.mapped(fit, p[cross.fold == number])
    return held_out


def _moves(cross: CrossFit, p: Floats, truth: Integers) -> Floats:
    """(FOLDS, N, P) by how much rows move the fits, of which each may have learnt others of the P numbers."""
    width = p.shape[1] + 1 if any("offsets" in fit for fit in cross.of_folds) else 1
    return cross.moves(lambda fit, rows: _wide(maps.moves(fit, p[rows], truth[rows]), width))


def _wide(array: Floats, width: int) -> Floats:
    """The same with zeros after the last axis."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])])


def _through(cross: CrossFit, moves: Floats, p: Floats, truth: Integers) -> Mapping[str, FitInfluence]:
    """The influence of rows, through the fits, on scores of the probabilities (N, K) that these change."""
    width = moves.shape[2]
    slopes, curvatures = np.zeros((2, len(p), width)), np.zeros((2, width, width))
    for number, fit in enumerate(cross.of_folds):
        own = cross.fold == number
        first, second = maps.slopes(fit, p[own], truth[own])
        slopes[:, own, : first.shape[2]] = first
        curvatures[:, : first.shape[2], : first.shape[2]] += second / len(p)
    by_score = zip(maps.SLOPED, slopes, curvatures[:, None], strict=True)
    return {name: fit_influence(cross.fold, moves, *derivatives) for name, *derivatives in by_score}


def _read_only(parameters: Parameters) -> Parameters:
    arrays = {name: np.array(value, dtype=np.float64) for name, value in parameters.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _probabilities_of(certainty: Certainty) -> Floats:
    check_not_calibrated(certainty)
    return np.asarray(certainty.probabilities, dtype=np.float64)


def _listed(parameters: Parameters) -> dict[str, Any]:
    return {name: np.asarray(array).tolist() for name, array in parameters.items()}


def _parameters(stored: Any, learnt: Mapping[str, tuple[tuple[int, ...], Meta]], field: str) -> Parameters:
    """Read-only arrays in the ranges that a fit has, or an `InputError`."""
    stored = typed(Mapping[str, Any], stored, field)
    return {name: numbers(stored[name], *limits, f"{field}.{name}") for name, limits in learnt.items()}


EXPECTED = 100
"""Labelled rows below which a warning says how few they are."""

HANDFUL = 5
"""Labelled rows of a class below which a warning names the class."""


def supported_in_words(rows: int) -> str:
    """The largest probability that so many labelled rows support, in per cent, never rounded up."""
    decimals = max(1, len(str(rows + 2)) - 2)  # few enough that it stays below 100
    most = (rows + 1) * 10 ** (decimals + 2) // (rows + 2) / 10**decimals
    return f"{most:.{decimals}f}\u00a0%"


def too_few_mistakes(mistakes: int, rows: int) -> str:
    """That so few mistakes among so many labelled rows cannot tell what becomes of percentages."""
    how_many = "no mistake" if not mistakes else "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"
    return (
        f"The {rows:,} labelled rows contain {how_many}. With fewer than {LEAST_MISTAKES}, they cannot tell "
        "whose percentages are truer, nor whether calibration improves them."
    )


def mistakes_of(scores: Evaluation) -> int:
    """How many rows were wrong."""
    return round((1 - scores.accuracy.value) * scores.rows)


def off_in_words(ece: Score) -> str:
    """How far percentages are off, and whether that is more than chance."""
    value, low, high = (f"{100 * end:.1f}" for end in (ece.value, ece.low, ece.high))
    if ece.low > 0:
        return f"{value} points on average ({low} to {high})"
    return f"{value} points (0 to {high}, so it may be chance)"


def temperature_in_words(low: float, high: float, numbers_text: str) -> str:
    """The change by a temperature with these 95 % ends, in words; `numbers_text` tells it."""
    if not (low > 1 or high < 1):
        return f"The model's percentages need no change that these rows could show {numbers_text}."
    much, changed = ("much", "lowered") if low > 1 else ("little", "raised")
    return f"The model claimed too {much}, so its highest percentages are {changed} {numbers_text}."


HELPS = {
    "better": "Calibration makes the percentages truer: the NLL falls by more than chance explains.",
    "worse": "Calibration makes the percentages less true: the NLL rises by more than chance explains.",
    "cannot tell": "These rows cannot tell whether calibration makes the percentages truer.",
}
"""Whether calibration helps, and what is said of that."""


def helps_in(nll: Score) -> str:
    """One of `HELPS`, by the interval of the difference in NLL."""
    return "better" if nll.high < 0 else "worse" if nll.low > 0 else "cannot tell"


def temperature_ends(parameters: Parameters, moves: Floats, mistakes: int) -> tuple[float, float, float]:
    """A temperature and its 95 % ends over rows, of which each moves its inverse by `moves` (N,)."""
    temperature = float(parameters["temperature"])
    freedom = max(mistakes - 1, 1)  # few mistakes decide it
    # In logarithms, as it is a factor.
    reach = float(stdtrit(freedom, 0.975) * np.linalg.norm(moves)) * temperature
    return temperature, temperature * math.exp(-reach), temperature * math.exp(reach)


def change_in_words(certainty: Certainty, truth: Integers, parameters: Parameters) -> str:
    """The change of the percentages of labelled rows, in words."""
    p = np.asarray(certainty.probabilities, dtype=np.float64)
    mistakes = int(np.sum(certainty.label != truth))
    sentences = []
    if "offsets" in parameters:
        others = np.mean(maps.mapped(parameters, p).argmax(axis=1) != certainty.label)
        sentences += [
            shares_in_words(p, truth, certainty.class_names),
            f"Another answer comes first in {100 * others:.1f}\u00a0% of these rows.",
        ]
    if "temperature" in parameters:
        moves = maps.moves(parameters, p, truth)[:, 0]
        temperature, low, high = temperature_ends(parameters, moves, mistakes)
        numbers_text = f"(temperature {temperature:.2f}, {low:.2f} to {high:.2f}, where 1 changes nothing)"
        change = temperature_in_words(low, high, numbers_text)
        if mistakes < LEAST_MISTAKES:
            change = f"These rows cannot say how far to change the model's percentages {numbers_text}."
        if sentences:
            change = f"With these shares corrected, {change[0].lower()}{change[1:]}"
        sentences.append(change)
    return " ".join(sentences)


def shares_in_words(p: Floats, truth: Integers, class_names: tuple[str, ...]) -> str:
    """The classes that (N, K) probabilities claim more often or more rarely than they are true.

    Only those by more than chance explains, were the claims true or the rows drawn again, at 95 % for all
    classes together (Bonferroni); the three of the largest difference. The rarer of two classes says all.
    """
    rows, classes = p.shape
    claimed, true = p.mean(axis=0), np.bincount(truth, minlength=classes) / rows
    gaps = p - np.eye(classes)[truth]
    error = np.sqrt(np.maximum((p * (1 - p)).mean(axis=0), gaps.var(axis=0)) / rows)
    beyond = np.abs(claimed - true) > ndtri(1 - 0.025 / classes) * error
    worst = np.argsort(-np.abs(claimed - true), kind="stable") if classes > 2 else true.argsort()[:1]
    shares = [
        f"'{class_names[k]}' in {100 * claimed[k]:.1f}\u00a0% (true: {100 * true[k]:.1f}\u00a0%)"
        for k in worst
        if beyond[k]
    ]
    if not shares:
        return "No class is claimed more often, or more rarely, than it is true, by more than chance."
    return f"On average, the model says {', '.join(shares[:3])}."


def in_words(
    method: str,
    change: str,
    before: Evaluation,
    after: Evaluation,
    helps: str,
    warnings: Sequence[str],
) -> str:
    """Sentences about a fit; `change` are those of `change_in_words`."""
    return " ".join(
        [
            HELPS[helps],
            f"They were off by {off_in_words(before.ece)}. Now they are off by {off_in_words(after.ece)}, in "
            "rows that it had not learnt from.",
            LEARNT.format(f"by '{method}'", before.rows),
            change,
            f"No percentage is above {supported_in_words(before.rows)}: so many rows support no more.",
            *warnings,
            UNLESS_TRAINED_ON,
        ]
    )


def listed(names: Iterable[str]) -> str:
    """The first five names, and how many more there are."""
    quoted_names = [f"'{name}'" for name in names]
    return ", ".join(quoted_names[:5]) + (
        f" and {len(quoted_names) - 5} more" if len(quoted_names) > 5 else ""
    )


def warnings_of(
    parameters: Parameters,
    counts: Integers,
    class_names: tuple[str, ...],
    before: Evaluation,
    helps: str,
) -> list[str]:
    """Warnings about a calibration, in sentences.

    100 rows are a rule of thumb, ten times those of Peduzzi and others (1996) for one number.
    """
    rows, classes = int(counts.sum()), len(counts)
    sentences = []
    if rows < EXPECTED:
        sentences.append(f"There are {rows:,} labelled rows; there should be {EXPECTED} or more.")
    for some, text in (
        (counts == 0, "No labelled row is of"),
        ((counts > 0) & (counts < HANDFUL), f"Fewer than {HANDFUL} labelled rows each are of"),
    ):
        if some.any():
            sentences.append(f"{text} {listed(class_names[k] for k in np.flatnonzero(some))}.")
    if before.accuracy.high < 1 / classes:
        sentences.append(BELOW_CHANCE)
    mistakes = mistakes_of(before)
    if mistakes < LEAST_MISTAKES:
        sentences.append(too_few_mistakes(mistakes, rows))
    elif abs(np.log(parameters.get("temperature", 1.0))) > np.log(maps.LIMIT) - 1e-6:
        sentences.append(
            "The fit ended at its limit, as where every answer is right, or none is: "
            "these rows cannot say how far percentages should change."
        )
    if helps == "worse":
        sentences.append(
            "Calibration made rows worse that it had not learnt from, as it does where there is nothing to "
            "correct: keep the model's own percentages."
        )
    return sentences
