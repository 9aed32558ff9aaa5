"""A class at each position as a graph: maps, and shares of rows; see `howsure.tasks.classification.graph`.

values (W, n, *P, K) ─┬─ as one class per row, at each position ── maps (n, *P)
                      └─ places of the largest ── shares (W, n, K) ── units ── numbers of rows
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import ModelError
from howsure.onnx import Value, place_of_largest
from howsure.sampling.between import LEVELS
from howsure.sampling.error import seen
from howsure.statistics import ERROR_FLOOR, widening
from howsure.tasks.classification.graph import (
    CODES,
    ClassesGraph,
    Columns,
    Numbers,
    UnitsOf,
    Wanted,
    near_a_threshold,
)
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.verdict import COIN_FLIP, margin_of, pick, top_two

if TYPE_CHECKING:
    from howsure.tasks.classification.calibrate import Calibrator

MAPS = ("probability", "gap", "mc_error", "entropy", "expected_entropy")
"""The maps of numbers."""


class PositionsGraph(ClassesGraph):
    """The columns of `Positions`: maps (n, *P), and numbers of whole rows (n, K) and (n,).

    If the model says which positions of a row count, there are maps alone: its passes do not tell that.
    `overlap` is not among them. If networks give a class to hardly a position, rounding of one position
    changes it by any amount.
    """

    calibrated_names = None  # type: ignore[assignment]
    """A graph applies no calibrator at positions."""

    def values(self, raw: Value) -> Value:
        """(W, n, *P, K) probabilities; see `Positions.values`."""
        return super().values(np.moveaxis(raw, 2 + (self.outcome.class_axis or 0), -1))

    def columns(
        self,
        values: Value,
        mean: Value,
        squared: Value,
        error: Value,
        calibrator: Calibrator | None,
        units_of: UnitsOf,
    ) -> dict[str, Value]:
        """The columns by their names; as `DistributionGraph.columns`, of (n, *P, K) for (n, K)."""
        at_each = super().columns(values, mean, squared, error, None, units_of)
        label, runner_up = (self._one_hot(at_each[name]) for name in ("label", "runner_up"))
        top, top_error = (np.sum(label * values, axis=-1) for values in (mean, error))
        other, other_error = (np.sum(runner_up * values, axis=-1) for values in (mean, error))
        margin: Any = margin_of(top, top - other, top_error, other_error, self.thresholds)
        maps = {
            "label": at_each["label"],
            "runner_up": at_each["runner_up"],
            "probability": top,
            "gap": top - other,
            "mc_error": top_error,
            "entropy": at_each["entropy"],
            "expected_entropy": at_each["expected_entropy"],
            "verdict": at_each["verdict"],
            "settled": margin >= 0,
        }
        if self.outcome.has_mask:
            return maps
        flips = np.where(at_each["verdict"] == CODES[COIN_FLIP], 1.0, 0.0)
        of_rows = {**self._shares(values, units_of), "undecided": self._averaged(flips[..., None])}
        is_nan = np.isnan(self._averaged(top[..., None]))
        of_rows = {name: np.where(is_nan, np.nan, values) for name, values in of_rows.items()}
        return {**maps, **of_rows, "undecided": of_rows["undecided"][..., 0]}

    def result(self, columns: Columns, fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
        """The result with the maps and shares of a graph as they are; as `DistributionGraph.result`.

        Raises:
            ModelError: The model has a mask, so the graph does not tell which positions count.
        """
        if "share" not in columns:
            raise ModelError(
                "The model in this graph has a mask, and the graph does not tell which positions count",
                expected="a graph with the column 'share'",
                hint="Assess the model itself. ONNX Runtime gives the maps of all positions",
            )
        shares: dict[str, Any] = {name: columns[name] for name in ("share", "share_error", "share_spread")}
        unknown = np.full_like(shares["share"], np.nan)
        maps_of_rows: dict[str, Any] = {
            name: columns[name] for name in (*MAPS, "label", "runner_up", "settled")
        }
        return DenseCertainty(
            **maps_of_rows,
            **shares,
            share_spread_error=unknown,
            share_quantiles=np.repeat(unknown[..., None], len(LEVELS), axis=-1),
            overlap=unknown,
            class_names=self.outcome.class_names,
            thresholds=self.thresholds,
            **fields,
        )

    def certain(self, columns: Mapping[str, Value]) -> Value:
        """(n, 1) e^−doubt; see `DenseCertainty.doubt`."""
        count = math.prod(self.outcome.positions)
        of_class = self._one_hot(columns["label"]).reshape(None, count, self.outcome.width)
        wrong: Any = 1 - columns["probability"].reshape(None, count)
        sizes, doubts = np.sum(of_class, axis=1), np.sum(of_class * wrong[..., None], axis=1)
        there: Any = sizes > 0
        doubt: Any = np.where(there, doubts / sizes, 0.0).sum(axis=-1)
        return np.exp(-doubt / np.where(there, 1.0, 0.0).sum(axis=-1))[..., None]

    def _one_hot(self, places: Value) -> Value:
        """(…, K) 1 at a place (…), and 0 at all others."""
        return np.where(places[..., None] == np.arange(self.outcome.width), 1.0, 0.0)

    def _averaged(self, maps: Value) -> Value:
        """(…, n, C) means over the positions of (…, n, *P, C)."""
        positions = self.outcome.positions
        before = maps.shape[: -len(positions) - 1]
        return maps.reshape(*before, math.prod(positions), maps.shape[-1]).mean(axis=-2)

    def _shares(self, values: Value, units_of: UnitsOf) -> dict[str, Value]:
        """(n, K) the share of each class, its error and its spread; see `Counts.told`."""
        shares = self._averaged(self._one_hot(place_of_largest(values)))
        units = units_of(shares)
        squared, count = seen(units)
        return {
            "share": units.mean,
            "share_error": np.maximum(np.sqrt(squared) * float(widening(count)), ERROR_FLOOR),
            "share_spread": np.sqrt(shares.var(axis=0) + squared),
        }


def numbers(result: DenseCertainty, tolerance: float) -> Numbers:
    """The part `graph_numbers`: numbers at positions may be off by `tolerance`.

    In a pass that gives two classes the same probability, rounding decides which one a position has. Numbers
    of rows may be off by one such position of one pass besides, and `undecided` by positions on a threshold.

    Args:
        result: The result of `assess` for some rows.
        tolerance: How far probabilities may be off.
    """
    count, passes = math.prod(result.positions), result.passes[:, None]
    one_position = 1 / (count * np.sqrt(passes))  # what it adds to a standard deviation over the passes
    near = near_a_threshold(result.probability, result.gap, result.thresholds, tolerance)
    of_rows = {
        "share": tolerance + one_position / np.sqrt(passes),
        "share_error": tolerance + one_position * float(widening(2)),
        "share_spread": tolerance + 2 * one_position,
        "undecided": tolerance + near.reshape(len(near), -1).mean(axis=1),
    }
    allowed = {**dict.fromkeys(MAPS, np.array(tolerance)), **of_rows}
    allowed["mc_error"] = np.where(result.gap <= 2 * tolerance, 1.0, tolerance)  # of either class
    return {name: (getattr(result, name), of_it) for name, of_it in allowed.items()}


def words(result: DenseCertainty, tolerance: float) -> Wanted:
    """The part `graph_words`: classes and verdicts, but where rounding may decide.

    Args:
        result: The result of `assess` for some rows, with the probabilities of all classes.
        tolerance: How far probabilities may be off.
    """
    p, error = result.probabilities, np.asarray(result.all_errors)
    top, gap, limits = result.probability, result.gap, result.thresholds
    _, runner_up = top_two(np.asarray(p, np.float64))
    order = np.sort(p, axis=-1)
    near_another = order[..., -1] - order[..., -2] <= 2 * tolerance
    if p.shape[-1] > 2:
        near_another |= order[..., -2] - order[..., -3] <= 2 * tolerance
    near = near_a_threshold(top, gap, limits, tolerance)
    margin = margin_of(top, gap, result.mc_error, pick(error, runner_up), limits)
    if result.counts is not None:  # of positions that do not count `assess` says nothing
        near, near_another = near | ~result.counts, near_another | ~result.counts
    near_settled = near | near_another | (np.abs(margin) <= (2 + 2 * 1.96) * tolerance)
    return {
        "label": (result.label, near_another),
        "runner_up": (result.runner_up, near_another),
        "verdict": (result.verdict_number, near),
        "settled": (result.settled, near_settled),
    }
