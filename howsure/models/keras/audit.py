"""The audit of a Keras model: every layer call, what it draws, why it stays fixed, what it costs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from howsure.audit import Audit, AuditedLayer
from howsure.models.keras import switch as random_layers
from howsure.models.keras.costs import counted_calls, holds_layers, multiply_adds
from howsure.models.keras.examine import LayerCall, random_when_predicting
from howsure.models.keras.model import KerasModel, adapt, input_specs
from howsure.sampling.masks import GAUSSIAN_NOISE
from howsure.sampling.plan import Plan

Layer = Any

ANY_SIZE = 16
"""Stands for an axis of any size when a model is examined without rows."""


def audit_keras(model: Any, x: Any, *, gaussian_noise: bool, plan: Plan | None) -> Audit:
    """See `howsure.audit`."""
    if x is None:
        x = _made_up_rows(model)
    adapter, _, _ = adapt(model, x, gaussian_noise=gaussian_noise)
    sites = {site.name: site for site in adapter.sites}
    unswitchable = adapter.unswitchable()
    notes = {
        found.name: f"{'cannot be done right' if found.refused else 'stays fixed'}: {found.what}"
        for found in unswitchable
    }
    seen: dict[str, int] = {}
    layers = []
    calls = adapter.examination.calls
    counted = {id(call) for call in counted_calls(calls)}
    for call in calls:
        if id(call) not in counted and call.name not in sites:
            if holds_layers(call.layer) and call.name in notes:
                layers.append(_audited(adapter, call, call.name, None, notes[call.name], cost=0))
            continue
        seen[call.name] = seen.get(call.name, 0) + 1
        name = call.name if seen[call.name] == 1 else f"{call.name}#{seen[call.name]}"
        site = sites.get(name)
        random = site.in_words if site is not None else None
        note = None if random else _note(notes, call.name) or _why_fixed(call.layer)
        cost = multiply_adds(call) if id(call) in counted else 0
        layers.append(_audited(adapter, call, name, random, note, cost=cost))
    difference = adapter.probe() if adapter.sites else 0.0
    return Audit(
        model=adapter.name,
        backend=adapter.backend,
        layers=tuple(layers),
        passes_differ=difference > 0,
        largest_difference=difference,
        warnings=tuple(f"'{found.name}': {found.what}" for found in unswitchable),
        advice=None if difference > 0 else _advice(adapter),
        plan=None if plan is None else plan.in_words(adapter.sites, adapter.levels),
    )


def _note(notes: dict[str, str], name: str) -> str | None:
    """The note about a layer, or about something inside it."""
    return next((note for key, note in notes.items() if f"{key}/".startswith(f"{name}/")), None)


def _made_up_rows(model: Any) -> Any:
    specs = input_specs(model)
    arrays = {
        spec.name: np.zeros((2, *(ANY_SIZE if side is None else side for side in spec.shape)), spec.dtype)
        for spec in specs
    }
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def _audited(
    adapter: KerasModel, call: LayerCall, name: str, random: str | None, note: str | None, *, cost: int
) -> AuditedLayer:
    return AuditedLayer(
        name=name,
        kind=type(call.layer).__name__,
        random=random,
        note=note,
        shape=call.shape,
        multiply_adds=cost,
        repeated=call.step in adapter.examination.repeated,
    )


def _why_fixed(layer: Layer) -> str | None:
    kind = random_layers.kind_of(layer)
    if kind is not None and random_layers.rate_of(layer) == 0:
        return "stays fixed: its rate is 0"
    if kind == GAUSSIAN_NOISE:
        return (
            "stays fixed: noise stands for the data, not for the network; ask for it with gaussian_noise=True"
        )
    if kind is not None:
        return "stays fixed: its own call never reaches the dropout of Keras"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "stays fixed: uses the mean and variance learned in training, not those of the batch"
    if random_layers.is_augmentation(layer):
        return "stays fixed: augments the data in training only"
    return None


def _advice(adapter: KerasModel) -> str:
    if adapter.sites:
        return "What these layers drop never reaches the output: look at what follows them."
    if random_when_predicting(adapter.model, adapter.examination) is not None:
        return "The plain prediction is random as well, so no method can be used: use a Dropout layer there."
    return (
        "What needs no random layer: howsure.assess(model, x, method=howsure.Softmax()), or "
        "howsure.Ensemble([…]) of networks trained from different seeds; for MC dropout, train a network "
        "with Dropout."
    )
