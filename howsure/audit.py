"""The random and the fixed parts of a model, the reasons, and the cost of a pass."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure import tuning
from howsure.adapters.choose_output import Output
from howsure.adapters.protocol import ColumnsModel, LayerInfo, MemberModel, Model, ModelInfo, PassModel
from howsure.adapters.resolve import ModelHandle, capable, resolve_model
from howsure.arguments import check_type
from howsure.digits import significant
from howsure.displayed import Displayed
from howsure.errors import HowsureError, ModelError, warnings_never_errors
from howsure.inputs.rows import ANY_SIZE, InputSpec, Rows, cast_rows, listed, made_up_rows
from howsure.inputs.sizes import RowsOfSizes
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Needs
from howsure.request import Request
from howsure.sampling.plan import Plan
from howsure.sampling.randomness import largest_difference, plain_method, random_ops_of
from howsure.tasks.output_semantics import evidence
from howsure.tasks.task import outcome_of

TIMED, TIMED_ROWS, LONG = 3, 32, 0.2
"""Runs of a plain prediction that are timed, after a first one; how many rows run at most; and the seconds
after which one timed run is enough."""


@dataclass(frozen=True)
class Audit(Displayed):
    """The result of `howsure.audit` for a model.

    Attributes:
        model: Name of the model.
        backend: The backend of the audit: `tensorflow`, `numpy`.
        layers: Every layer call, in the order of execution; none of a model that is no network.
        passes_differ: Whether two different passes gave different outputs on a probe.
        largest_difference: The largest absolute difference of an output between those passes.
        warnings: One sentence for each thing that could not be switched.
        advice: A hint if nothing is random, or None.
        plan: The given plan in words, or None.
        plan_cost: Its cost in plain predictions a row, before rows that need more; None without a plan.
        any_size: The size used for axes of any size, if no rows were given and the model has such; costs and
            shapes are for that size. Else None.
        outputs: How its outputs are read, and what shows it, in words.
        seconds: Seconds that one plain prediction took for each of the given rows, here and now; the least of
            `TIMED` runs of at most `TIMED_ROWS` rows. None without rows.
    """

    model: str
    backend: str
    layers: tuple[LayerInfo, ...]
    passes_differ: bool
    largest_difference: float
    warnings: tuple[str, ...]
    advice: str | None
    plan: str | None = None
    any_size: int | None = None
    outputs: str = ""
    seconds: float | None = None
    plan_cost: float | None = None

    @property
    def random_layers(self) -> tuple[LayerInfo, ...]:
        """The layers whose passes differ."""
        return tuple(layer for layer in self.layers if layer.random is not None)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one plain prediction of one row."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def multiply_adds_repeated(self) -> int:
        """Multiply-adds of each further pass."""
        return sum(layer.multiply_adds for layer in self.layers if layer.repeated)

    def __str__(self) -> str:
        if not self.layers:
            text = f"{self.in_words} {self.advice or ''}".rstrip()
            return f"{self.model}, a model of {self.backend}\n\n{text}"
        width = max([5, *(len(layer.name) for layer in self.layers)])
        kinds = max([4, *(len(layer.kind) for layer in self.layers)])
        lines = [f"Model '{self.model}' on {self.backend}", ""]
        lines.append(f"{'layer':{width}}  {'kind':{kinds}}  {'multiply-adds':>13}  each pass")
        for layer in self.layers:
            what = layer.random or layer.note or ""
            again = "yes" if layer.repeated else "no"
            start = f"{layer.name:{width}}  {layer.kind:{kinds}}  {layer.multiply_adds:13,}"
            lines.append(f"{start}  {again:9}  {what}".rstrip())
        lines += ["", self.in_words]
        lines += [self.outputs] if self.outputs else []
        if self.plan is not None:
            lines.append(f"The plan: {self.plan}")
        if self.seconds is not None:
            times, what = tuning.BUDGET, f"MC dropout usually costs {tuning.BUDGET:g} of them"
            if self.plan_cost is not None:
                times, what = self.plan_cost, f"The plan costs {self.plan_cost:.3g} of them"
            lines.append(
                f"Here a plain prediction takes {significant(1000 * self.seconds, 2)} ms a row. {what}: "
                f"{significant(1000 * times * self.seconds, 2)} ms."
            )
        lines += [f"Not switched on: {warning}" for warning in self.warnings]
        if self.advice:
            lines.append(self.advice)
        return "\n".join(lines)

    @property
    def in_words(self) -> str:
        """The random parts and the cost of the passes of this model, in two sentences."""
        if not self.layers:
            return "It draws nothing when it predicts."
        if not self.random_layers:
            what = "Nothing in this model is random"
            if self.warnings:
                what = "Nothing that could be random in this model can be switched on"
            return f"{what}: every pass would give the same numbers."
        names = listed([f"'{layer.name}' ({layer.random})" for layer in self.random_layers])
        share = 100 * self.multiply_adds_repeated / max(1, self.multiply_adds)
        differ = (
            f"two passes over made-up rows differ by up to {self.largest_difference:.3g}"
            if self.passes_differ
            else "but two passes over made-up rows are the same"
        )
        of_size = "" if self.any_size is None else f" with {self.any_size} where the model takes any size"
        return (
            f"Random in every pass: {names}; {differ}. One plain prediction takes "
            f"{self.multiply_adds:,} multiply-adds a row{of_size}, of which each further pass repeats "
            f"{share:.3g} %."
        )


def audit(
    model: Any,
    x: Any = None,
    *,
    gaussian_noise: bool = False,
    plan: Plan | None = None,
    keep_off: Sequence[str] = (),
    output: str | int | None = None,
    outputs: str | None = None,
    class_axis: int | None = None,
) -> Audit:
    """List the random layers with their rates, the fixed ones with reasons, and the cost of a pass.

    Args:
        model: A built model, as `assess` takes it.
        x: Rows as for `assess`, by which a plain prediction is timed; beside that only their shape counts.
            Needed only if the model does not declare its inputs; if it takes any size, costs are for that of
            these rows.
        gaussian_noise: Whether `GaussianNoise` layers are to be random.
        plan: A plan of `howsure.plan` for this model, to be told in words.
        keep_off: Names of random layers that stay off, as in `MCDropout`.
        output: Name or place of the output to use, as in `assess`.
        outputs: As in `assess`; matters if a mean and a variance are two outputs.
        class_axis: As in `assess`, for a class at each position; the audit says how the output is read.

    Returns:
        An `Audit`; printed, it is a table in words.

    Raises:
        InputError: The output has no such `class_axis`, or a row has one answer.
        ModelError: Not a model, one that has not been built, or one that takes none of the rows made up.
    """
    check_type(plan, (Plan, type(None)), "plan", "what howsure.plan(model, x) made, or None")
    method = MCDropout(gaussian_noise=gaussian_noise, keep_off=keep_off)
    request = Request.of(locals())
    chosen, handle = request.assessed_output, resolve_model(model)
    if isinstance(handle.model, ColumnsModel):
        capable(handle.model, Model, "howsure.audit")  # or a refusal that says what a graph is
    if x is None:
        quiet = warnings.catch_warnings(action="ignore" if handle.is_estimator else None)
        with quiet, warnings_never_errors():  # of made-up rows
            looked_at, any_size = _with_made_up_rows(handle, method.needs, chosen)
    else:
        rows = handle.rows(x, most=1)
        rows = Rows(rows.x.most[1]) if isinstance(rows.x, RowsOfSizes) else rows
        looked_at, any_size = _looked_at(handle, rows, method.needs, chosen), None
    adapted, difference, arrays = looked_at
    info = adapted.info
    random = isinstance(adapted, PassModel) and bool(random_ops_of(adapted))
    return Audit(
        model=info.name,
        backend=info.framework,
        layers=() if handle.is_estimator else info.layers,
        passes_differ=difference > 0,
        largest_difference=difference,
        warnings=tuple(f"'{layer.name}': {layer.what}" for layer in info.unswitchable),
        advice=_of_estimator(adapted) if handle.is_estimator else _advice(info, random, difference > 0),
        plan=None if plan is None or not isinstance(adapted, PassModel) else plan.in_words(adapted.levels),
        any_size=any_size,
        outputs=_read_as(info, request),
        plan_cost=None if plan is None or plan.design is None else plan.design.cost,
        seconds=None if x is None else _seconds_of(adapted, arrays),
    )


def _seconds_of(model: Model, rows: Sequence[Any]) -> float | None:
    """The least seconds a row of a few plain predictions; None of no rows."""
    count = min(TIMED_ROWS, len(rows[0]))
    if not count:
        return None
    some = [of_input[np.arange(count)] for of_input in cast_rows(rows, model.info.inputs)]
    taken = list[float]()
    with chdir("."):  # and back again, where a model goes elsewhere
        while len(taken) < 2 or (len(taken) <= TIMED and sum(taken) < LONG):  # the first one may compile
            start = time.perf_counter()
            model.predict(some)
            taken.append(time.perf_counter() - start)
    return min(taken[1:]) / count


def _read_as(info: ModelInfo, request: Request) -> str:
    """How the outputs are read, and what shows it; where that is not known, what to say.

    Raises:
        HowsureError: The `class_axis` that was given does not fit.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # they come when rows are assessed
            outcome = outcome_of(info, request)
    except HowsureError as fault:
        if request.class_axis is not None:
            raise
        return f"Before you assess it, say what it puts out: {fault}"
    return f"{outcome.read_as(info.output_shape)} {evidence(info, request.outputs)}".rstrip()


def _looked_at(
    model: ModelHandle, x: Any, needs: Needs, output: Output
) -> tuple[Model, float, Sequence[Any]]:
    """The model behind the seam, the largest difference between two passes over these rows, and the rows."""
    adapted, rows = model.adapt(
        x, gaussian_noise=needs.gaussian_noise, keep_off=needs.keep_off, output=output
    )
    difference = largest_difference(adapted, rows) if isinstance(adapted, PassModel) else 0.0
    return adapted, difference, rows


def _with_made_up_rows(
    model: ModelHandle, needs: Needs, output: Output
) -> tuple[tuple[Model, float, Sequence[Any]], int | None]:
    """As `_looked_at`, with rows made up, and what stands in them for axes of any size."""
    specs = model.specs()
    whole = [replace(spec, dtype="int32") if spec.dtype.startswith("float") else spec for spec in specs]
    sizes: tuple[int | None, ...] = ANY_SIZE if any(None in spec.shape for spec in specs) else (None,)
    failed: list[Exception] = []
    # A model of a user's does not say whether it takes whole numbers, as an embedding does.
    for inputs, size in [*((specs, size) for size in sizes), (whole, sizes[0])]:
        rows = made_up_rows(inputs, any_size=size or ANY_SIZE[0])
        try:
            return _looked_at(model, _as_given(rows, specs), needs, output), size
        except HowsureError:
            raise
        except Exception as error:  # whatever a framework raises where rows do not fit
            failed.append(error)
    if sizes == (None,):
        raise failed[0]
    reason = " ".join(str(failed[0]).split())[:200]
    raise ModelError(
        f"It is not known which sizes model '{model.model.name}' takes where it says any: none of "
        f"{', '.join(map(str, ANY_SIZE))} fits ({type(failed[0]).__name__}: {reason})",
        expected="rows, whose sizes are known",
        hint="Give some: howsure.audit(model, x)",
    ) from failed[0]


def _as_given(rows: list[Any], specs: Sequence[InputSpec]) -> Any:
    """Rows of each input as a caller gives them: one array, or a dict by name."""
    names = [spec.name for spec in specs]
    return rows[0] if len(rows) == 1 else dict(zip(names, rows, strict=True))


def _of_estimator(model: Model) -> str:
    """The treatment by `assess` of a model of scikit-learn, in which there is nothing to switch on."""
    if isinstance(model, MemberModel):
        return (
            f"Its prediction is the mean of {model.members:,} members, and each of them is a pass of "
            "howsure.assess(model, x)."
        )
    return "For such a model, howsure.assess(model, x) gives the plain prediction."


def _advice(info: ModelInfo, random: bool, differ: bool) -> str | None:
    """A hint if passes do not differ, or if there is no plain prediction; else None."""
    if info.always_random is not None:
        return "The plain prediction is random as well, so no method can be used: use a Dropout layer there."
    if differ:
        return None
    if random:
        return "The output does not depend on what these layers drop: look at the layers after them."
    return (
        f"Without a random layer, use howsure.assess(model, x, method=howsure.{plain_method(info)}()), or "
        "howsure.Ensemble([…]) of networks trained from different seeds; for MC dropout, train a network "
        "with Dropout."
    )
