"""Describe every layer call of an examined Keras model: what it draws, why it stays fixed, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import keras

from howsure.models.keep_off import KEPT_OFF
from howsure.models.keras.costs import counted_calls, holds_layers, multiply_adds
from howsure.models.keras.examine import Examination
from howsure.models.keras.switch import kind_of, rate_of
from howsure.models.keras.user_code import is_augmentation
from howsure.models.protocol import ASKED_FOR, LayerInfo, Unswitchable
from howsure.sites import GAUSSIAN_NOISE

Layer = Any


def layer_infos(
    examination: Examination, unswitchable: Sequence[Unswitchable], off: Collection[int] = ()
) -> tuple[LayerInfo, ...]:
    """The layer calls in order of execution. Layers that hold others appear only if they stay fixed.

    Args:
        examination: Examination of the model.
        unswitchable: Layers that are random in training and cannot be switched on.
        off: Identities of layers that the caller keeps off.
    """
    notes = {
        found.name: f"{'cannot be done right' if found.refused else 'stays fixed'}: {found.what}"
        for found in unswitchable
    }
    seen: Counter[str] = Counter()
    layers = []
    counted = {id(call) for call in counted_calls(examination.calls)}
    for call in examination.calls:
        name, counts = call.name, id(call) in counted
        seen[name] += 1
        drawn = list(dict.fromkeys(examination.sites[number].in_words for number in call.sites))
        if not counts and not drawn and not (holds_layers(call.layer) and name in notes):
            continue
        layers.append(
            LayerInfo(
                name=name if seen[name] == 1 else f"{name}#{seen[name]}",
                kind=type(call.layer).__name__,
                random=" and ".join(drawn) or None,
                note=None
                if drawn
                else KEPT_OFF
                if id(call.layer) in off
                else _note(notes, name) or _why_fixed(call.layer),
                shape=call.shape,
                multiply_adds=multiply_adds(call) if counts else 0,
                repeated=call.step in examination.repeated,
            )
        )
    return tuple(layers)


def _note(notes: dict[str, str], name: str) -> str | None:
    """The note about a layer, or about a layer inside it."""
    return next((note for key, note in notes.items() if f"{key}/".startswith(f"{name}/")), None)


def _why_fixed(layer: Layer) -> str | None:
    kind = kind_of(layer)
    if kind is not None and rate_of(layer) == 0:
        return "stays fixed: its rate is 0"
    if kind == GAUSSIAN_NOISE:
        return f"stays fixed: noise stands for the data, not for the network; ask for it with {ASKED_FOR}"
    if kind is not None:
        return "stays fixed: called as in predicting, also when the model trains"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "stays fixed: uses the mean and variance learned in training, not those of the batch"
    if is_augmentation(layer):
        return "stays fixed: augments the data in training only"
    return None
