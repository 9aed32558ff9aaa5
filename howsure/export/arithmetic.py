"""From raw outputs of passes to columns, as an ONNX graph: what `assess` computes in numpy, in float32.

    raw (W, n, …) ── values (W, n, D, C) ─┬─ mean ───────────┬─ probabilities ── label, runner_up, verdict
                                          ├─ spread of cells │
                                          │  and groups ─────┴─ mc_error
                                          └─ entropies ──────── entropy, expected_entropy, mutual_information

One class per row is one distribution over C = K classes (D = 1); several labels are D = K distributions over
no and yes. The formulas are those of `howsure.sampling.estimate`, `howsure.sampling.error`,
`howsure.answers.distributions` and `howsure.answers.verdict`; tests hold both against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from howsure import tuning
from howsure.answers.classes.calibrate import Calibrator
from howsure.answers.classes.outcome import Classes
from howsure.answers.distributions import SMALLEST
from howsure.answers.labels.outcome import Labels
from howsure.export.nodes import IR_VERSION, OPSET, Nodes
from howsure.judge.scores import SMALLEST as SMALLEST_IN_THE_NLL
from howsure.models.protocol import LABEL_LOGITS, LOGITS
from howsure.sampling.design import Design
from howsure.sampling.error import EarlyError, Ends, widened
from howsure.sampling.first_passes import First
from howsure.statistics import ERROR_FLOOR, widening

RAW, ROWS = "raw", "rows"
"""Names of the raw outputs of the passes, and of the first axis of inputs and outputs."""

SMOOTH = ("temperature", "vector")
"""Calibrators that can be written in float32; the lines of an isotonic one may be as steep as steps."""

SURE, LEANING, COIN_FLIP, NOT_A_NUMBER = 0, 1, 2, 3
"""Codes of the verdicts, and of rows for which the model puts out NaN. Those have no class either: their
`label` and `runner_up` are K, one more than the last."""

LEAST_MEAN = 1e-12
"""Least probability by which a squared error is divided, as in `howsure.statistics.entropy_correction`."""


def columns_graph(
    outcome: Classes | Labels, first: First, outputs: int, calibrator: Calibrator | None = None
) -> Any:
    """The graph from `raw` (W, n, outputs) to the columns.

    Args:
        outcome: What the answer of a row is.
        first: Which passes the raw outputs are of.
        outputs: Numbers that the model puts out for a row.
        calibrator: Of classes, one of `SMOOTH`; or None.

    Returns:
        An `onnx.ModelProto` with the outputs `probabilities` (n, K), `mc_error` (n, K), `entropy`,
        `expected_entropy`, `mutual_information` and `verdict`. Of classes these are (n,), and `label` and
        `runner_up` (n,) stand beside them; of labels they are (n, K), and `yes` (n, K). With a calibrator
        also `calibrated` (n, K) and `calibrated_verdict` (n,).
    """
    from onnx import TensorProto, helper

    nodes = Nodes("howsure/")
    columns = _Writing(nodes, outcome, first, outputs).columns(calibrator)
    codes = ("label", "runner_up", "verdict", "calibrated_verdict")
    types = {"yes": TensorProto.BOOL, **dict.fromkeys(codes, TensorProto.INT64)}
    wide = {"probabilities", "mc_error", "calibrated"} if isinstance(outcome, Classes) else set(columns)
    found = []
    for name, value in columns.items():
        nodes.named(name, value)
        shape: list[str | int | None] = [ROWS, outcome.width] if name in wide else [ROWS]
        found.append(helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), shape))
    raw = helper.make_tensor_value_info(RAW, TensorProto.FLOAT, [first.passes, ROWS, outputs])
    graph = helper.make_graph(nodes.nodes, "certainty", [raw], found, nodes.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class _Writing:
    """Writes the nodes of one graph; a name stands for a value.

    Args:
        nodes: Where they go.
        outcome: What the answer of a row is.
        first: Which passes there are.
        outputs: Numbers that the model puts out for a row.
    """

    def __init__(self, nodes: Nodes, outcome: Classes | Labels, first: First, outputs: int) -> None:
        self.nodes, self.outcome, self.first = nodes, outcome, first
        self.one_output = outputs == 1
        self.of_labels = isinstance(outcome, Labels)
        self.sides = (outcome.width, 2) if self.of_labels else (1, outcome.width)

    def columns(self, calibrator: Calibrator | None) -> dict[str, str]:
        """The columns by their names."""
        nodes = self.nodes
        passes = self._reshaped(self._values(), (self.first.passes, -1))
        mean = nodes("ReduceMean", passes, nodes.whole([0]), keepdims=1)
        squared, error = self._errors(passes, mean)
        shape = (-1, *self.sides)
        probabilities, squared, error = (self._reshaped(each, shape) for each in (mean, squared, error))
        columns = {"probabilities": self._wide(probabilities), "mc_error": self._wide(error)}
        columns |= self._entropies(passes, probabilities, squared) | self._answers(probabilities)
        if calibrator is not None:
            calibrated = self._calibrated(probabilities, calibrator)
            columns["calibrated"] = self._wide(calibrated)
            columns["calibrated_verdict"] = self._answers(calibrated)["verdict"]
        return columns

    # --- values -------------------------------------------------------------------------------

    def _values(self) -> str:
        """(W, n, K) probabilities, or (W, n, K, 2) of labels; see `to_probabilities` and `Labels.values`."""
        nodes, outputs = self.nodes, self.outcome.outputs
        if self.of_labels:
            yes = (
                nodes("Sigmoid", RAW)
                if outputs == LABEL_LOGITS
                else nodes("Clip", RAW, nodes.number(0), nodes.number(1))
            )
            both = nodes("Sub", nodes.number(1), yes), yes
            return nodes("Concat", *(nodes("Unsqueeze", each, nodes.whole([3])) for each in both), axis=3)
        if outputs == LOGITS:
            values = nodes("Concat", nodes("Sub", RAW, RAW), RAW, axis=2) if self.one_output else RAW
            return nodes("Softmax", values, axis=-1)
        values = RAW
        if self.one_output:
            values = nodes("Concat", nodes("Sub", nodes.number(1), RAW), RAW, axis=2)
        values = nodes("Max", values, nodes.number(0))
        return nodes("Div", values, nodes("ReduceSum", values, nodes.whole([-1]), keepdims=1))

    # --- errors: each (1, n·D·C) ----------------------------------------------------------------

    def _errors(self, passes: str, mean: str) -> tuple[str, str]:
        """Squared error of the mean as it is expected to be, and the standard error that is told."""
        nodes, design = self.nodes, self.first.design
        if design is None:
            squared = self._between(passes, [self.first.groups])
            factor = float(widening(len(self.first.groups)))
            return squared, self._floored(nodes("Mul", nodes("Sqrt", squared), nodes.number(factor)))
        constants = design.one if design.first < design.cells else design.group
        late = self._late(passes, design)
        own = self._own(passes, mean, design, constants)
        told = self._told(mean, late, own, constants)
        return nodes("Add", late, own), self._floored(nodes("Sqrt", told))

    def _floored(self, error: str) -> str:
        return self.nodes("Max", error, self.nodes.number(ERROR_FLOOR))

    def _late(self, passes: str, design: Design) -> str:
        """What the last branching leaves; nothing where all is pooled. See `sum_up`."""
        if design.is_flat:
            return self.nodes.number([[0]])
        return self._between(passes, [design.late] * (self.first.passes // sum(design.late)))

    def _between(self, passes: str, runs: Sequence[Sequence[int]]) -> str:
        """Squared error of the mean over all runs, from the spread of the groups in each.

        Of one run it is Σ B (m − mean)² / ((R − 1) T) for R groups of B passes with mean m, and that of the
        mean over several runs is the mean of theirs over their number. The means of groups, less that of
        their run, are one product of matrices.
        """
        nodes, start = self.nodes, 0
        apart, weights = [], []
        for sizes in runs:
            total = sum(sizes)
            of_run = np.zeros(self.first.passes)
            of_run[start : start + total] = 1 / total
            for size in sizes:
                of_group = np.zeros(self.first.passes)
                of_group[start : start + size] = 1 / size
                apart.append(of_group - of_run)
                weights.append(size / ((len(sizes) - 1) * total * len(runs) ** 2))
                start += size
        distances = nodes("MatMul", nodes.number(apart), passes)
        return nodes("MatMul", nodes.number([weights]), nodes("Mul", distances, distances))

    def _own(self, passes: str, mean: str, design: Design, constants: EarlyError) -> str:
        """What the early levels leave, from what a row tells alone; see `EarlyError.own`."""
        nodes, cells = self.nodes, design.first
        apart = self._reshaped(passes, (cells, design.passes, -1))
        of_cells = nodes("ReduceMean", apart, nodes.whole([1]), keepdims=1)
        distances = nodes("Sub", apart, of_cells)
        variance = nodes("ReduceMean", nodes("Mul", distances, distances), nodes.whole([0, 1]), keepdims=0)
        w = self._undecided(mean)
        share = (cells - 1) / (cells - 1 + tuning.REPLICATES - 1)
        own = nodes("Mul", self._between_ends(w, constants.of_variance[0], 1 - share), variance)
        if cells == 1:
            return own
        distances = nodes("Sub", self._reshaped(of_cells, (cells, -1)), mean)
        total = nodes("ReduceSum", nodes("Mul", distances, distances), nodes.whole([0]), keepdims=1)
        spread = nodes("Div", total, nodes.number(cells - 1))
        return nodes("Add", own, nodes("Mul", self._between_ends(w, constants.of_spread[0], share), spread))

    def _told(self, mean: str, late: str, own: str, constants: EarlyError) -> str:
        """The squared error with that of nearly certain rows; see `EarlyError.squared`."""
        nodes = self.nodes
        w = self._undecided(mean)
        v = nodes("Min", nodes("Add", w, nodes("Mul", w, w)), nodes.number(1))
        q = nodes("Add", self._variance_of_one(mean), nodes.number(tuning.UNSEEN))
        rest_of_v, rest_of_w = (nodes("Sub", nodes.number(1), each) for each in (v, w))
        seen = nodes("Add", nodes("Mul", v, late), nodes("Mul", w, own))
        terms = [
            nodes("Mul", seen, nodes.number(widened())),
            nodes("Mul", rest_of_v, self._usual(q, constants.usual_late[0])),
            nodes("Mul", rest_of_w, self._usual(q, constants.usual_early[0])),
        ]
        return nodes("Sum", *terms)

    def _usual(self, q: str, ends: Ends) -> str:
        """A q² + b q, the usual error of nearly certain rows."""
        nodes = self.nodes
        return nodes("Mul", q, nodes("Add", nodes("Mul", q, nodes.number(ends[0])), nodes.number(ends[1])))

    def _undecided(self, mean: str) -> str:
        """w; see `howsure.sampling.error.undecided`."""
        nodes = self.nodes
        variance = nodes("Max", self._variance_of_one(mean), nodes.number(0))
        return nodes("Mul", nodes("Sqrt", variance), nodes.number(2))

    def _variance_of_one(self, mean: str) -> str:
        """P (1 − p)."""
        return self.nodes("Mul", mean, self.nodes("Sub", self.nodes.number(1), mean))

    def _between_ends(self, w: str, ends: Ends, share: float) -> str:
        """A share of a constant between its two ends."""
        certain, undecided = ends[0] * share, ends[1] * share
        slope = self.nodes("Mul", w, self.nodes.number(undecided - certain))
        return self.nodes("Add", slope, self.nodes.number(certain))

    # --- what follows ---------------------------------------------------------------------------

    def _entropies(self, passes: str, probabilities: str, squared: str) -> dict[str, str]:
        """The three entropies (n, D); see `howsure.answers.distributions` and `total_entropy`."""
        nodes = self.nodes
        of_mean = self._entropy(probabilities)
        of_passes = self._entropy(self._reshaped(passes, (self.first.passes, -1, *self.sides)))
        expected = nodes("ReduceMean", of_passes, nodes.whole([0]), keepdims=0)
        expected = nodes("Min", expected, of_mean)
        lacking = nodes("Div", squared, nodes("Max", probabilities, nodes.number(LEAST_MEAN)))
        lacking = nodes("ReduceSum", nodes("Mul", lacking, nodes.number(0.5)), nodes.whole([-1]), keepdims=0)
        most = nodes.number(np.log(self.sides[-1]))
        total = nodes("Max", nodes("Min", nodes("Add", of_mean, lacking), most), expected)
        found = {
            "entropy": total,
            "expected_entropy": expected,
            "mutual_information": nodes("Sub", total, expected),
        }
        return {name: self._each(entropy) for name, entropy in found.items()}

    def _entropy(self, probabilities: str) -> str:
        """Nats, over the last axis; 0 · log 0 counts as 0."""
        nodes = self.nodes
        logarithm = nodes("Log", nodes("Max", probabilities, nodes.number(SMALLEST)))
        products = nodes("Mul", probabilities, logarithm)
        return nodes("Neg", nodes("ReduceSum", products, nodes.whole([-1]), keepdims=0))

    def _answers(self, probabilities: str) -> dict[str, str]:
        """The two top classes, or whether labels hold, and the verdicts; see `howsure.answers.verdict`."""
        nodes, thresholds = self.nodes, self.outcome.thresholds
        two, places = nodes.several("TopK", 2, probabilities, nodes.whole([2]), axis=-1)
        (top, second), (label, runner_up) = (
            nodes.several("Split", 2, both, axis=-1, num_outputs=2) for both in (two, places)
        )
        is_sure = nodes("GreaterOrEqual", top, nodes.number(thresholds.sure))
        gap = nodes("Sub", top, second)
        is_coin_flip = nodes("LessOrEqual", gap, nodes.number(thresholds.coin_flip))
        other = nodes("Where", is_coin_flip, nodes.whole(COIN_FLIP), nodes.whole(LEANING))
        verdict = nodes("Where", is_sure, nodes.whole(SURE), other)
        is_nan = nodes("IsNaN", top)
        verdict = nodes("Where", is_nan, nodes.whole(NOT_A_NUMBER), verdict)
        verdict = self._each(nodes("Squeeze", verdict, nodes.whole([-1])))
        if self.of_labels:
            yes = nodes("Greater", self._wide(probabilities), nodes.number(0.5))
            return {"yes": yes, "verdict": verdict}
        no_class = nodes.whole(self.outcome.width)
        found = {
            name: nodes("Where", is_nan, no_class, each)
            for name, each in {"label": label, "runner_up": runner_up}.items()
        }
        return {
            **{name: self._each(nodes("Squeeze", each, nodes.whole([-1]))) for name, each in found.items()},
            "verdict": verdict,
        }

    def _calibrated(self, probabilities: str, calibrator: Calibrator) -> str:
        """(n, 1, K) mapped by a smooth map; see `howsure.answers.classes.maps.mapped`."""
        nodes, parameters = self.nodes, calibrator.parameters
        z = nodes("Log", nodes("Max", probabilities, nodes.number(SMALLEST_IN_THE_NLL)))
        if calibrator.method == "temperature":
            logits = nodes("Div", z, nodes.number(parameters["temperature"]))
        else:
            logits = nodes("Mul", z, nodes.number(parameters["weights"]))
            logits = nodes("Add", logits, nodes.number(parameters["intercepts"]))
        even = (1 - float(parameters["most"])) / (self.outcome.width - 1)
        kept = nodes("Mul", nodes("Softmax", logits, axis=-1), nodes.number(1 - self.outcome.width * even))
        return nodes("Add", kept, nodes.number(even))

    def _wide(self, values: str) -> str:
        """(n, K) of (n, D, C): of labels what belongs to yes."""
        if self.of_labels:
            return self.nodes("Gather", values, self.nodes.whole(1), axis=2)
        return self._reshaped(values, (-1, self.outcome.width))

    def _each(self, values: str) -> str:
        """(n,) of (n, D) for classes; (n, K) as it is for labels."""
        return values if self.of_labels else self._reshaped(values, (-1,))

    def _reshaped(self, value: str, shape: Sequence[int]) -> str:
        return self.nodes("Reshape", value, self.nodes.whole(shape))
