"""What in a model is random, what stays fixed and why, and what a pass costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from howsure.arguments import check_type
from howsure.data.rows import made_up_rows
from howsure.models.adapt import adapt, input_specs
from howsure.models.protocol import LayerInfo, PassModel
from howsure.sampling.plan import Plan
from howsure.sampling.randomness import largest_difference, sites_of


@dataclass(frozen=True)
class Audit:
    """What `howsure.audit` found in a model.

    Attributes:
        model: Name of the model.
        backend: What it was examined on: `tensorflow`, `numpy`.
        layers: Every layer call, in the order of execution.
        passes_differ: Whether two different passes gave different outputs on a probe.
        largest_difference: The largest absolute difference of an output between those passes.
        warnings: What could not be switched, one sentence each.
        advice: What to do where nothing is random, or None.
        plan: What the plan says that was given, in words, or None.
    """

    model: str
    backend: str
    layers: tuple[LayerInfo, ...]
    passes_differ: bool
    largest_difference: float
    warnings: tuple[str, ...]
    advice: str | None
    plan: str | None = None

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
        """Of these, the part that each further pass costs."""
        return sum(layer.multiply_adds for layer in self.layers if layer.repeated)

    def __str__(self) -> str:
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
        if self.plan is not None:
            lines.append(f"The plan: {self.plan}")
        lines += [f"Not switched on: {warning}" for warning in self.warnings]
        if self.advice:
            lines.append(self.advice)
        return "\n".join(lines)

    @property
    def in_words(self) -> str:
        """What the passes of this model vary in, and what they cost, in two sentences."""
        names = ", ".join(f"'{layer.name}' ({layer.random})" for layer in self.random_layers)
        if not names:
            return "Nothing in this model is random: every pass would give the same numbers."
        share = 100 * self.multiply_adds_repeated / max(1, self.multiply_adds)
        differ = (
            f"two passes over made-up rows differ by up to {self.largest_difference:.3g}"
            if self.passes_differ
            else "but two passes over made-up rows are the same"
        )
        return (
            f"Random in every pass: {names}; {differ}. One plain prediction takes "
            f"{self.multiply_adds:,} multiply-adds a row, of which each further pass repeats {share:.3g} %."
        )


def audit(model: Any, x: Any = None, *, gaussian_noise: bool = False, plan: Plan | None = None) -> Audit:
    """Which layers become random and at what rate, which stay fixed and why, and what a pass costs.

    Args:
        model: A built model, as `assess` takes it.
        x: Rows as the model takes them, needed only for subclassed models that do not say what they
            take; only their shape counts.
        gaussian_noise: Whether `GaussianNoise` layers are to be random.
        plan: What `howsure.plan` made for this model, to be told in words.

    Returns:
        An `Audit`; printed, it is a table in words.

    Raises:
        ModelError: Not a model, or one that has not been built.
    """
    check_type(plan, (Plan, type(None)), "plan", "what howsure.plan(model, x) made, or None")
    if x is None:
        x = _as_given(made_up_rows(input_specs(model)), model)
    adapted, rows = adapt(model, x, gaussian_noise=gaussian_noise)
    info = adapted.info
    random = isinstance(adapted, PassModel) and bool(sites_of(adapted))
    difference = largest_difference(adapted, rows) if isinstance(adapted, PassModel) else 0.0
    return Audit(
        model=info.name,
        backend=info.framework,
        layers=info.layers,
        passes_differ=difference > 0,
        largest_difference=difference,
        warnings=tuple(f"'{found.name}': {found.what}" for found in info.unswitchable),
        advice=_advice(random, difference > 0, info.always_random is not None),
        plan=None if plan is None or not isinstance(adapted, PassModel) else plan.in_words(adapted.levels),
    )


def _as_given(rows: list[Any], model: Any) -> Any:
    """Rows of each input as a caller gives them: one array, or a dict by name."""
    names = [spec.name for spec in input_specs(model)]
    return rows[0] if len(rows) == 1 else dict(zip(names, rows, strict=True))


def _advice(random: bool, differ: bool, always_random: bool) -> str | None:
    if always_random:
        return "The plain prediction is random as well, so no method can be used: use a Dropout layer there."
    if differ:
        return None
    if random:
        return "What these layers drop never reaches the output: look at what follows them."
    return (
        "What needs no random layer: howsure.assess(model, x, method=howsure.Softmax()), or "
        "howsure.Ensemble([…]) of networks trained from different seeds; for MC dropout, train a network "
        "with Dropout."
    )
