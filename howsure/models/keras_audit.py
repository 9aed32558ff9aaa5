"""The audit of a Keras model: every layer call, what it draws, why it stays fixed, what it costs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from howsure.audit import Audit, AuditedLayer
from howsure.dropout.masks import GAUSSIAN_NOISE
from howsure.models import keras_random as random_layers
from howsure.models.keras import KerasModel, adapt, input_specs
from howsure.models.keras_examine import LayerCall

Layer = Any

ANY_SIZE = 16
"""Stands for an axis of any size when a model is examined without rows."""


def audit_keras(model: Any, x: Any, *, gaussian_noise: bool) -> Audit:
    """See `howsure.audit`."""
    if x is None:
        x = _made_up_rows(model)
    adapter, _, _ = adapt(model, x, gaussian_noise=gaussian_noise)
    sites = {site.name: site for site in adapter.sites}
    unswitchable = adapter.unswitchable()
    notes = {found.name: f"stays fixed: {found.what}" for found in unswitchable}
    seen: dict[str, int] = {}
    layers = []
    for call in adapter.examination.calls:
        if _holds_layers(call.layer):
            if call.name in notes:
                layers.append(_audited(adapter, call, call.name, None, notes[call.name], cost=0))
            continue
        seen[call.name] = seen.get(call.name, 0) + 1
        name = call.name if seen[call.name] == 1 else f"{call.name}#{seen[call.name]}"
        site = sites.get(name)
        random = site.in_words if site is not None else None
        note = None if random else notes.get(call.name) or _why_fixed(call.layer)
        layers.append(_audited(adapter, call, name, random, note, cost=multiply_adds(call)))
    difference = adapter.probe() if adapter.sites else 0.0
    return Audit(
        model=adapter.name,
        backend=adapter.backend,
        layers=tuple(layers),
        passes_differ=difference > 0,
        largest_difference=difference,
        warnings=tuple(f"'{found.name}': {found.what}" for found in unswitchable),
        advice=None if difference > 0 else _advice(adapter),
    )


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


def _holds_layers(layer: Layer) -> bool:
    return bool(list(layer._flatten_layers(include_self=False, recursive=False)))


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


def multiply_adds(call: LayerCall) -> int:
    """Multiply-adds of one call for one row: every weight matrix or kernel, once per output position.

    Exact for dense, convolution and recurrent kernels; biases, activations, pooling and
    normalisation are not counted, nor are products of two activations (attention scores).
    """
    if isinstance(call.layer, keras.layers.Embedding):
        return 0
    kernels = sum(int(np.prod(weight.shape)) for weight in call.layer.weights if len(weight.shape) > 1)
    shape = call.shape
    if "Conv" in type(call.layer).__name__ and getattr(call.layer, "data_format", "") == "channels_first":
        shape = (*shape[1:], shape[0])
    return kernels * int(np.prod(shape[:-1], dtype=np.int64))


def _advice(adapter: KerasModel) -> str:
    if adapter.sites:
        return "What these layers drop never reaches the output: look at what follows them."
    return (
        "To learn how sure this model is without random layers, use the plain softmax of model.predict, "
        "or the mean of several networks trained from different seeds; for MC dropout, train a network "
        "with Dropout."
    )
