"""The columns of distributions as arrays of an ONNX graph: what `assess` computes in numpy, in float32.

    raw (W, n, …) ── values (W, n, K) ─┬─ units ── `error_of` ── mc_error
                                       ├─ mean ── probabilities ── label, runner_up or yes, verdict
                                       └─ entropies ── entropy, expected_entropy, mutual_information

A kind of answer brings three parts for `howsure.export`: `graph`, for distributions a subclass of
`DistributionGraph`, for its outcome; and what the graph is compared with: `graph_numbers`, the numbers of a
result, and `graph_words`, what it says in words or codes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import LOGITS
from howsure.evaluation.conformal import TOLERANCE as ROUNDED_SCORE
from howsure.onnx import Value, softmax, two_largest
from howsure.results.thresholds import Thresholds
from howsure.sampling.error import Units
from howsure.statistics import LARGEST_ERROR, total_entropy
from howsure.tasks.classification import maps
from howsure.tasks.classification.result import Certainty
from howsure.tasks.distributions import Distributions
from howsure.tasks.verdict import COIN_FLIP, LEANING, SURE, VERDICTS

if TYPE_CHECKING:
    from howsure.evaluation.rules import Rules
    from howsure.tasks.classification.calibrate import Calibrator

CODES = {SURE: 0, LEANING: 1, COIN_FLIP: 2}

NOT_A_NUMBER = 3
"""Code of rows for which the model puts out NaN. Those have no class either: their `label` and `runner_up`
are K, one more than the last."""

Wanted = Mapping[str, tuple[NDArray[Any], NDArray[np.bool_]]]
"""By column, what a graph should say, and where rounding may decide otherwise."""

Numbers = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
"""By column, which numbers a graph should say, and how far each may be off."""

UnitsOf = Callable[[Value], Units]
"""Adds up numbers (W, n, …) of the passes by the groups of passes that show the error."""

Columns = Mapping[str, NDArray[Any]]
"""Columns that a graph put out, (n, …) by name."""

NUMBERS = ("probabilities", "mc_error", "entropy", "expected_entropy", "mutual_information")
"""The columns of numbers."""


class DistributionGraph(ABC):
    """The columns of one outcome. `error_of` takes it for the columns of the probabilities alone.

    Args:
        outcome: The kind of answer of a row.
    """

    result_type: ClassVar[type[Any]]
    """The result that has these columns."""

    wide: ClassVar[tuple[str, ...]] = ("probabilities", "mc_error")
    """The columns (n, K)."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.of_outcome: Distributions = outcome
        self.thresholds: Thresholds = outcome.thresholds

    # --- what a kind says of itself -------------------------------------------------------------

    @property
    @abstractmethod
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes or the like, as the metadata of a graph hold them."""

    @abstractmethod
    def values(self, raw: Value) -> Value:
        """(W, n, K) probabilities, from raw outputs (W, n, …) of passes; see `Outcome.values`."""

    @abstractmethod
    def sides(self, probabilities: Value) -> Value:
        """(n, D, C) the D distributions that K probabilities (n, K) make, each over C sides."""

    @abstractmethod
    def each(self, values: Value) -> Value:
        """Numbers of the D distributions (n, D) as the table has them."""

    @abstractmethod
    def answers(self, probabilities: Value, two: Value, is_nan: Value) -> dict[str, Value]:
        """The columns that say the answer.

        Args:
            probabilities: (n, K).
            two: (n, D, 2) places of the two largest of each distribution.
            is_nan: (n, D) whether the model put out NaN.
        """

    calibrated_names: tuple[str, ...] | None = None
    """The names that a calibrator given to `howsure.export` must be for; None if it takes none."""

    @abstractmethod
    def calibrated(self, probabilities: Value, calibrator: Any) -> Value:
        """(n, K) mapped by a calibrator of this kind of answer."""

    @abstractmethod
    def in_set(self, probabilities: Value, sets: Any) -> Value:
        """(n, K) whether each class or label is in the set of a row."""

    @abstractmethod
    def certain(self, columns: Mapping[str, Value]) -> Value:
        """(n, C) numbers that all lie above the threshold of an abstention in the rows that it accepts."""

    # --- what `error_of` asks -------------------------------------------------------------------

    @property
    def families(self) -> tuple[int, ...]:
        """(K,) those of probabilities."""
        return self.of_outcome.families[: self.of_outcome.width]

    @property
    def least_error(self) -> tuple[float, ...]:
        """(K,) that of probabilities."""
        return self.of_outcome.least_error[: self.of_outcome.width]

    def error_driver(self, mean: Value) -> Value:
        """(n, K) each probability goes by itself."""
        return mean

    def sensitivity(self, q: Value) -> float:
        """A probability moves as much as itself."""
        return 1.0

    def spread(self, spread: Value) -> Value:
        """The same."""
        return spread

    # --- columns --------------------------------------------------------------------------------

    def columns(
        self,
        values: Value,
        mean: Any,
        squared: Any,
        error: Any,
        calibrator: Calibrator | None,
        units_of: UnitsOf,
    ) -> dict[str, Value]:
        """The columns by their names.

        Args:
            values: (W, n, K) probabilities of the passes.
            mean: (n, K) their mean.
            squared: (n, K) its squared error as it is expected to be.
            error: (n, K) its standard error as it is told.
            calibrator: The calibrator learnt from labelled rows, or None.
            units_of: Adds up other numbers of the passes.
        """
        outcome: Any = self.of_outcome
        expected = np.minimum(outcome.entropy(values).mean(axis=0), outcome.entropy(mean))
        total: Any = total_entropy(self.sides(mean), outcome.correction(mean, squared), expected)
        columns = {
            "probabilities": mean,
            "mc_error": error,
            "entropy": self.each(total),
            "expected_entropy": self.each(expected),
            "mutual_information": self.each(total - expected),
            **self._decided(mean),
        }
        if calibrator is not None:
            columns |= self._calibrated(self.calibrated(mean, calibrator))
        return columns

    def _calibrated(self, probabilities: Value) -> dict[str, Value]:
        """Calibrated probabilities, and the answers and verdicts that follow from them."""
        decided = self._decided(probabilities)
        return {"calibrated": probabilities, **{f"calibrated_{name}": decided[name] for name in decided}}

    def _decided(self, probabilities: Value) -> dict[str, Value]:
        """The answers and the verdicts; see `howsure.tasks.verdict.judge`."""
        two, places = two_largest(self.sides(probabilities))
        top, gap, is_nan = two[..., 0], two[..., 0] - two[..., 1], np.isnan(two[..., 0])
        is_coin_flip: Any = gap <= self.thresholds.coin_flip
        verdict = np.where(is_coin_flip, CODES[COIN_FLIP], CODES[LEANING])
        verdict = np.where(top >= self.thresholds.sure, CODES[SURE], verdict)
        verdict = np.where(is_nan, NOT_A_NUMBER, verdict)
        return {**self.answers(probabilities, places, is_nan), "verdict": self.each(verdict)}

    def decisions(self, columns: Mapping[str, Value], rules: Rules) -> dict[str, Value]:
        """The columns that rules add to those of a graph, as `Rules` decides the rows in Python.

        With a calibrator also `calibrated` (n, K), and answers and verdicts that follow. Rows of NaN are
        handed over.

        Args:
            columns: The outputs of the graph, by name.
            rules: Rules for these outputs.
        """
        p, added = columns.get("probabilities"), dict[str, Value]()  # at positions a graph has none
        if rules.calibrator is not None:
            p = self.calibrated(p, rules.calibrator)
            added = self._calibrated(p)
        if rules.sets is not None:
            added["in_set"] = self.in_set(p, rules.sets)
        if rules.abstention is not None:
            certain = self.certain({**columns, "probabilities": p})
            added["hand_over"] = handed_over(certain, rules.abstention.threshold)
        return added

    def result(self, columns: Columns, fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
        """The result with the numbers of a graph as they are; `entropy` but for rounding, as it is derived.

        Args:
            columns: The outputs of the graph, by name.
            fields: The other fields of the result.
            metadata: Its metadata, parsed.
        """
        p = columns["probabilities"].astype(np.float64)
        lacking = columns["entropy"] - self.each(self.of_outcome.entropy(p))
        return self.result_type(
            probabilities=p,
            mc_error=np.minimum(columns["mc_error"], LARGEST_ERROR),
            expected_entropy=np.maximum(columns["expected_entropy"], 0),
            entropy_correction=np.maximum(lacking, 0),
            thresholds=self.thresholds,
            **self.names,
            **fields,
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """The meaning of the columns."""
        limits = {"sure": self.thresholds.sure, "coin_flip": self.thresholds.coin_flip}
        return {**self.names, "verdicts": [*VERDICTS, "not a number"], "thresholds": limits}


def handed_over(certain: Value, threshold: float) -> Value:
    """(n,) whether a number of a row (n, C) is at most a threshold, or NaN."""
    accepted: Any = (certain > threshold).astype("float32")
    return accepted.min(axis=-1) <= 0


def numbers(result: Any, tolerance: float) -> Numbers:
    """The part `graph_numbers` of distributions: all may be off by `tolerance`."""
    return {name: (getattr(result, name), np.array(tolerance)) for name in NUMBERS}


def codes_of(verdict: NDArray[Any]) -> NDArray[np.int64]:
    """Verdicts as a graph gives them."""
    return np.asarray(np.vectorize(CODES.get, otypes=[np.int64])(verdict))


def near_a_threshold(
    top: NDArray[Any], gap: NDArray[Any], limits: Thresholds, tolerance: float
) -> NDArray[np.bool_]:
    """Rows whose verdict may depend on rounding.

    Args:
        top: Probability of the answer.
        gap: Its lead over the other one.
        limits: Thresholds of the verdicts.
        tolerance: How far probabilities may be off.
    """
    near_sure = np.abs(top - limits.sure) <= tolerance
    return np.asarray(near_sure | (np.abs(gap - limits.coin_flip) <= 2 * tolerance))


class ClassesGraph(DistributionGraph):
    """The columns of `Classes`: one distribution over C = K classes."""

    result_type = Certainty

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Those of the classes."""
        return {"class_names": self.outcome.class_names}

    @property
    def calibrated_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the classes."""
        return self.names["class_names"]

    def values(self, raw: Value) -> Value:
        """(W, n, K) probabilities; see `howsure.tasks.outputs.to_probabilities`."""
        is_single = raw.shape[-1] == 1
        if self.outcome.outputs == LOGITS:
            return softmax(np.concatenate([raw - raw, raw], axis=-1) if is_single else raw)
        values = np.maximum(np.concatenate([1 - raw, raw], axis=-1) if is_single else raw, 0)
        return values / np.sum(values, axis=-1, keepdims=True)

    def sides(self, probabilities: Value) -> Value:
        """(n, 1, K)."""
        return probabilities[..., None, :]

    def each(self, values: Value) -> Value:
        """(n,)."""
        return values[..., 0]

    def answers(self, probabilities: Value, two: Value, is_nan: Value) -> dict[str, Value]:
        """The two top classes."""
        kept_places = np.where(is_nan[..., None], self.outcome.width, two)[..., 0, :]
        return {"label": kept_places[..., 0], "runner_up": kept_places[..., 1]}

    def result(self, columns: Columns, fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
        """As of all distributions; calibrated where the graph calibrates, as by its calibrator in Python."""
        result: Certainty = super().result(columns, fields, metadata)
        if "calibrator" not in metadata:
            return result
        from howsure.evaluation.fitted_rows import FittedRows
        from howsure.tasks.classification.calibrate import Calibrator

        said = metadata["calibrator"]
        calibrator = Calibrator(
            method=said["method"],
            parameters={name: np.asarray(said[name]) for name in said.keys() - {"method", "rows"}},
            rows=said["rows"],
            class_names=result.class_names,
            before=None,
            after=None,
            helps="cannot tell",
            said="",
            warnings=(),
            learnt_rows=FittedRows.of_digests(np.zeros(0, np.uint64)),  # which a graph does not hold
        )
        return replace(calibrator(result), probabilities=columns["calibrated"], learnt_from=None)

    def calibrated(self, probabilities: Value, calibrator: Calibrator) -> Value:
        """(n, K) as the calibrator changes them."""
        return maps.mapped(calibrator.parameters, probabilities)

    def in_set(self, probabilities: Value, sets: Any) -> Value:
        """See `howsure.tasks.classification.decide.PredictionSets`."""
        likely: Any = 1 - probabilities <= np.array(sets.threshold) + ROUNDED_SCORE
        return likely | (probabilities >= probabilities.max(axis=-1)[..., None])

    def certain(self, columns: Mapping[str, Value]) -> Value:
        """(n, 1) the top probability; see `howsure.tasks.classification.decide.Abstention`."""
        return columns["probabilities"].max(axis=-1)[..., None]


def class_words(result: Certainty, tolerance: float) -> Wanted:
    """Expected texts of a graph for the rows of a result; see `DistributionGraph`.

    Args:
        result: The result of `assess` for these rows.
        tolerance: How far probabilities may be off.
    """
    if result.probabilities.shape[1] == 2:
        near_another = result.gap <= 2 * tolerance
    else:
        third, second, first = np.sort(result.probabilities, axis=-1)[:, -3:].T
        near_another = np.minimum(first - second, second - third) <= 2 * tolerance
    near = near_a_threshold(result.probability, result.gap, result.thresholds, tolerance)
    return {
        "label": (result.label, near_another),
        "runner_up": (result.runner_up, near_another),
        "verdict": (codes_of(result.verdict), near),
    }
