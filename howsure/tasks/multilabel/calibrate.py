"""Calibrate the percentages of several labels per row, each label by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from howsure.errors import InputError
from howsure.evaluation.calibrator_files import LEARNT, SavedCalibrator, check_method, read_names, with_origin
from howsure.inputs.typed_json import typed
from howsure.results.origin import fitted_to
from howsure.sampling.outcome import Floats
from howsure.tasks.classification import calibrate as of_classes
from howsure.tasks.classification.calibrate import Calibrator, listed
from howsure.tasks.classification.maps import AUTO, METHODS
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.truth import truth_of
from howsure.words import counted


@dataclass(frozen=True, eq=False, repr=False)
class MultilabelCalibrator(SavedCalibrator):
    """A `Calibrator` for each of K labels; call it with a `MultilabelCertainty`.

    Attributes:
        of_label: The calibrator of each label, by name; it maps `certainty.of_label(name)`.
    """

    of_label: Mapping[str, Calibrator]
    answer: ClassVar[str] = "labels"

    def _as_json(self) -> dict[str, Any]:
        return {"of_label": {name: calibrator._content() for name, calibrator in self.of_label.items()}}

    @property
    def label_names(self) -> tuple[str, ...]:
        """K names, in order."""
        return tuple(self.of_label)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of all labels, each after the names of its labels; empty if nothing is amiss."""
        names: dict[str, list[str]] = {}
        for name, calibrator in self.of_label.items():
            for warning in calibrator.warnings:
                names.setdefault(warning, []).append(name)
        return tuple(f"{listed(of)}: {warning}" for warning, of in names.items())

    def __call__(self, certainty: MultilabelCertainty) -> MultilabelCertainty:
        """The same rows with calibrated probabilities, and what follows from them, as `Calibrator` does it.

        Args:
            certainty: N ≥ 0 rows of the same labels, not calibrated yet.

        Raises:
            InputError: Not a `MultilabelCertainty`, other labels, or calibrated already.
        """
        if not isinstance(certainty, MultilabelCertainty):
            raise InputError(
                "This calibrator is for several labels per row",
                expected="a `MultilabelCertainty`",
                received=type(certainty).__name__,
                hint="`calibrator.of_label[name]` is for one label, as `certainty.of_label(name)` gives it",
            )
        self._check(certainty, MultilabelCertainty, self.label_names)
        calibrated = {
            name: calibrator(certainty.of_label(name)) for name, calibrator in self.of_label.items()
        }

        def stacked(name: str) -> Floats:
            return np.stack([getattr(result, name) for result in calibrated.values()], axis=1)

        fits = {name: result.method["calibration"] for name, result in calibrated.items()}
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
            learnt_from=np.any([np.asarray(result.learnt_from) for result in calibrated.values()], axis=0),
            method={**certainty.method, "calibration": fits},
        )

    def in_words(self) -> str:
        """The labels with better percentages, for a reader who knows no statistics."""
        outcomes = []
        for helps, outcome in (
            ("better", "Calibration makes the percentages of {} truer, by more than chance explains."),
            ("worse", "Calibration makes the percentages of {} less true, by more than chance explains."),
            ("cannot tell", "These rows cannot tell whether calibration makes the percentages of {} truer."),
        ):
            if names := [name for name, calibrator in self.of_label.items() if calibrator.helps == helps]:
                outcomes.append(outcome.format(listed(names)))
        return " ".join([*outcomes, self._learnt_in_words, *self.warnings])

    @property
    def _learnt_in_words(self) -> str:
        names_of_method: dict[str, list[str]] = {}
        for name, calibrator in self.of_label.items():
            names_of_method.setdefault(calibrator.method, []).append(name)
        methods = [f"'{method}' for {listed(names)}" for method, names in names_of_method.items()]
        first = next(iter(self.of_label.values()))
        by_methods = f"'{first.method}'" if len(methods) == 1 else "; ".join(methods)
        of_labels = counted(len(self.of_label), "label")
        return LEARNT.format(f"of {of_labels} by {by_methods}, each by itself", first.rows)

    def __repr__(self) -> str:
        helped = sum(calibrator.helps == "better" for calibrator in self.of_label.values())
        return f"<MultilabelCalibrator of {len(self.of_label)} labels, {helped} of them better>"


def calibrate(
    certainty: MultilabelCertainty, labels: Any, *, method: str | None, seed: int
) -> MultilabelCalibrator:
    """The part `calibrate` of several labels per row: a calibrator for each; what is wrong with one names it.

    See `howsure.evaluation.calibrate.calibrate`.
    """
    method = AUTO if method is None else method
    check_method(method, (AUTO, *METHODS))
    truth = truth_of(certainty, labels).astype(np.int64)
    of_label = {}
    for k, name in enumerate(certainty.label_names):
        try:
            of_one = certainty.of_label(k)
            fitted = of_classes.calibrate(of_one, truth[:, k], method=method, seed=seed)
            of_label[name] = fitted_to(of_one, fitted)
        except InputError as error:
            raise error.told_of(f"Label '{name}' cannot be calibrated") from error
    return MultilabelCalibrator(of_label)


def read(content: Mapping[str, Any]) -> MultilabelCalibrator:
    """The part `read_calibrator` of several labels per row: the inverse of `_as_json`."""
    of_label = typed(Mapping[str, Mapping[str, Any]], content["of_label"], "of_label")
    return MultilabelCalibrator(
        {
            name: with_origin(of_classes.read(of_label[name]), of_label[name])
            for name in read_names([*of_label], "label")
        }
    )
