"""`export`: a model and a plan in, an ONNX file out that says of each row what `assess` says first."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howsure.adapters.onnx import ExportedGraph
from howsure.adapters.resolve import resolve_model
from howsure.arguments import accept_alias
from howsure.atomic import GRAPHS, check_ending, check_place, write_whole
from howsure.errors import InputError
from howsure.evaluation.familiarity import Familiarity
from howsure.evaluation.rules import Rules, check_rules
from howsure.export.check import check_graph
from howsure.export.decisions import check_for_graphs, decide
from howsure.export.graphs import COMPARED, check_plannable, evenly, of_estimator, of_graph, of_network
from howsure.optional import needs
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.tasks.classification.calibrate import Calibrator
from howsure.words import counted

ALONE = 8
"""Rows that also run by themselves, spread over all: a row's numbers may not depend on its neighbours."""


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: Path of the file.
        passes: Thinned networks in the graph.
        plan: The plan of the passes; its first passes are those of the graph. None if a graph got rules.
        seed: Seed of their masks.
        rows: On how many rows the graph was held against `assess`.
        made_up: Whether these were made up, as none were given.
        largest_difference: Largest difference of two numbers in all columns; for a regression, as a share of
            the spread.
        size: Bytes of the file.
        cost: Cost of the passes, counted in multiplications, in plain predictions; None without a design.
        expected_error: Expected standard error of a probability of 0.5, or of a number as a share of its
            spread; None if the plan does not tell.
        of_what: Name of that number, in words.
    """

    path: Path
    passes: int
    plan: Plan | None
    seed: int
    rows: int
    made_up: bool
    largest_difference: float
    size: int
    cost: float | None
    expected_error: float | None
    of_what: str

    def __str__(self) -> str:
        rows = counted(self.rows, "made-up row" if self.made_up else "row")
        passes = "the plain prediction" if self.passes == 1 else f"{self.passes} passes"
        if self.cost is not None and self.passes > 1:
            passes += f" for the price of {self.cost:.3g} plain predictions,"
        error = ""
        if self.expected_error is not None:
            error = f" The expected standard error of {self.of_what} is {self.expected_error:.2g}."
        return (
            f"'{self.path}': {passes} in {self.size / 1e6:.3g} MB.{error} On {rows} it "
            f"says what howsure.assess says, to {self.largest_difference:.1g}."
        )


@accept_alias
def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    plan: Plan | None = None,
    x: Any = None,
    target_error: float | None = None,
    seed: int = 0,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    calibrator: Calibrator | None = None,
    familiarity: Familiarity | None = None,
    rules: Rules | None = None,
    divide_by: float | None = None,
    progress: Callable[[str], object] | None = None,
    class_axis: int | None = None,
) -> Exported:
    """Write the certainty of a model as an ONNX graph: rows in, percentages, errors and verdicts out.

    Every row gets the same passes: the fewest with which a probability of 0.5 is expected to have a standard
    error of at most `target_error`, by the constants of the plan. Their masks are constants, so it is an
    ordinary deterministic graph, for any number of rows. With P passes and the plan that the result has, its
    numbers are those of `assess(model, x, method=MCDropout(plan=exported.plan, max_passes=P), seed=seed)`
    but for rounding to float32, at most 1e-4. If these are no more passes than every row gets first in
    `assess`, they are also the numbers of the plan as it was given. Before the file moves into place, the
    graph runs in ONNX Runtime and is compared with that.

    Rows that need more passes do not get them; their `mc_error` tells which they are.

    Outputs are named like the columns of the table: `probabilities` and `mc_error` (N, K), `entropy`,
    `expected_entropy` and `mutual_information` (N,) in nats, `label`, `runner_up` and `verdict` (N,) as whole
    numbers: 0 sure, 1 leaning, 2 coin flip. With several labels per row `yes` takes the place of the two
    classes, and all are (N, K). A regression has `mean`, `mc_error`, `spread` and, if it puts out variances,
    `noise`, all (N, K), and off by at most 1e-4 of the spread, but for rounding. A class at each position has
    maps (N, *P): `label`, `runner_up`, `probability`, `gap`, `mc_error`, `entropy`, `expected_entropy`,
    `verdict` and `settled`; and of whole rows `share`, `share_error` and `share_spread` (N, K), and
    `undecided` (N,), unless the model has an attention mask or one of Keras. The metadata hold the passes,
    the plan, the seed, names, thresholds, versions and a SHA-256 of the weights.

    A graph raises no errors. Rows, or positions, for which the model puts out NaN or a negative variance get
    NaN, the verdict 3, and K, which is no class, as label and runner-up. Infinite values, which `assess`
    refuses, go through the model.

    Args:
        model: A trained network, as `assess` takes it; a fitted classifier or regressor of scikit-learn,
            LightGBM or XGBoost, of which the graph holds the plain prediction; or the path of a graph of
            `howsure.export` that is to get `rules`, and nothing else.
        path: The file to write, `.onnx`; an earlier one stays until the new one has been compared.
        plan: A plan of `howsure.plan`, in float32. Default: one made from `x`.
        x: (N, …) rows, as for `assess`, on up to 64 of which the graph is compared. Default: made-up rows.
        target_error: Largest acceptable standard error at p = 0.5, in (0, 0.5); for numbers, as a share of
            their spread. Default: 0.08, or 0.4 for numbers, with at most the passes that every row gets first
            in `assess`. So one row takes at most five times as long as a plain prediction in the networks of
            docs/export-study.md. If passes follow no plan, as for a class at each position, all rows get the
            same first passes.
        seed: Seed of the masks, ≥ 0.
        outputs: As in `assess`.
        class_names: As in `assess`.
        thresholds: As in `assess`.
        calibrator: A calibrator of `howsure.calibrate` for one class per row, fitted to what the graph says.
            The graph then has `calibrated` (N, K) too, and `calibrated_label`, `calibrated_runner_up` and
            `calibrated_verdict` (N,) that follow from it; all else is as without.
        familiarity: A familiarity of `howsure.familiarity` for this model, for one class or numbers per row.
            The graph then has `familiarity` (N,) too, as `familiarity.percentile` gives it. Only where a
            held-out score is equal to that of a row but for rounding, it may count or not.
        rules: Rules of `howsure.fit_rules`, fitted to what the graph says, `howsure.assess("m.onnx", x)`.
            The graph then has what they promise: `in_set` (N, K), `low` and `high` (N, K), `hand_over` (N,);
            with a calibrator also what `calibrator` adds, or `std` (N, K) for numbers. The answer that they
            speak of is then `calibrated_label` (N,), or `calibrated_yes` (N, K) of several labels. Rows of
            NaN are handed over. `howsure.assess` of this graph gives decided rows.
        divide_by: Divisor of the rows in training, for example 255 for images. The graph then takes rows as
            they were before, divides them itself, and says so in its metadata; so is `x` given.
        progress: Called with the next step, in words.
        class_axis: As in `assess`.

    Returns:
        The path and the passes, and the largest difference from `assess`.

    Raises:
        InputError: Arguments or rows that cannot be used, or neither a plan nor rows.
        ModelError: No graph can be written of the model, or the graph gives other numbers.
        FileError: The file cannot be written.
        DependencyError: ONNX, or the package that writes its graphs, is missing: `pip install
            'howsure[onnx]'`.
    """
    wishes = dict(locals())
    given = _given(wishes)
    check_ending(check_place(path), GRAPHS)
    with needs("onnx", "An export", "onnx"):
        import onnx
    request = Request.of(wishes | {"batch_size": COMPARED})
    check_rules(rules)
    if rules is not None:
        check_for_graphs(rules)
        if calibrator is not None:
            raise InputError(
                "`rules` calibrate by themselves", expected="rules= or calibrator=", received="both"
            )
    handle = resolve_model(model)
    tell = progress or (lambda message: None)
    if isinstance(handle.model, ExportedGraph):
        made = of_graph(handle, x, rules, given)
    elif handle.is_estimator:
        made = of_estimator(handle, x, request, calibrator, given, tell)
    else:
        check_plannable(plan, x, divide_by, target_error)
        made = of_network(handle, x, plan, target_error, request, calibrator, familiarity, divide_by, tell)
    apart: list[float] = []

    def write(temporary: str) -> None:
        onnx.save(made.graph, temporary)
        tell("comparing it")
        if made.expected is not None:
            single = evenly(len(made.numbers), ALONE).tolist()
            alone = {row: made.expected(slice(row, row + 1)) for row in single}
            apart.append(check_graph(temporary, made.inputs, *made.expected(slice(None)), alone))
        if rules is not None:
            apart.append(decide(made.graph, temporary, made.inputs, rules, made.numbers))
        tell("moving it into place")

    write_whole(path, write)
    return Exported(
        path=Path(path),
        passes=made.passes,
        plan=made.plan,
        seed=made.seed,
        rows=len(made.numbers),
        made_up=x is None,
        largest_difference=max(apart),
        size=os.path.getsize(path),
        cost=made.cost,
        expected_error=made.expected_error,
        of_what=_of_what(made.outcome),
    )


def _given(wishes: Mapping[str, Any]) -> list[str]:
    """Names of the arguments of `export` that are not at their defaults."""
    return [
        name
        for name, parameter in inspect.signature(export).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and (wishes[name] is not None if parameter.default is None else wishes[name] != parameter.default)
    ]


def _of_what(outcome: Outcome) -> str:
    """The number of which an error is expected, in words."""
    return "a mean, as a share of its spread," if outcome.has_unit else "a probability of 0.5"
