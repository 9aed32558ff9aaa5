"""Every layer call of an examined Keras model: what it draws, why it stays fixed, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from howsure.models.keras import switch as random_layers
from howsure.models.keras.costs import counted_calls, holds_layers, multiply_adds
from howsure.models.keras.examine import Examination
from howsure.models.protocol import LayerInfo, Unswitchable
from howsure.sites import GAUSSIAN_NOISE

Layer = Any


def layer_infos(examination: Examination, unswitchable: Sequence[Unswitchable]) -> tuple[LayerInfo, ...]:
    """The layer calls in the order of execution; of layers that hold others, only those that stay fixed.

    Args:
        examination: Of the model.
        unswitchable: What is random in training and cannot be switched on.
    """
    sites = {site.name: site for site in examination.sites}
    notes = {
        found.name: f"{'cannot be done right' if found.refused else 'stays fixed'}: {found.what}"
        for found in unswitchable
    }
    seen: dict[str, int] = {}
    layers = []
    counted = {id(call) for call in counted_calls(examination.calls)}
    for call in examination.calls:
        name, random, cost = call.name, None, 0
        if id(call) not in counted and name not in sites:
            if not holds_layers(call.layer) or name not in notes:
                continue
            note: str | None = notes[name]
        else:
            seen[name] = seen.get(name, 0) + 1
            name = name if seen[name] == 1 else f"{name}#{seen[name]}"
            random = sites[name].in_words if name in sites else None
            note = None if random else _note(notes, call.name) or _why_fixed(call.layer)
            cost = multiply_adds(call) if id(call) in counted else 0
        repeated = call.step in examination.repeated
        layers.append(LayerInfo(name, type(call.layer).__name__, random, note, call.shape, cost, repeated))
    return tuple(layers)


def _note(notes: dict[str, str], name: str) -> str | None:
    """The note about a layer, or about something inside it."""
    return next((note for key, note in notes.items() if f"{key}/".startswith(f"{name}/")), None)


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
