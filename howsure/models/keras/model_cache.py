"""Cache an examined and compiled model for later calls, as long as the model has not changed.

The cache is an attribute of the model, like Keras's own compiled `predict`, so it lives as long as the model.
Weights may change, since compiled code reads them at each call. Layers and their settings are compared. A
model that runs a user's code, which may do anything, is examined every time. If an axis of a model may have
any size, each shape of rows is cached separately.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from howsure import tuning
from howsure.models.keras import private
from howsure.models.keras.graph import Program

ATTRIBUTE = "_howsure_kept"

Shapes = tuple[tuple[int, ...], ...]
"""Shapes of one row, for each input."""


@dataclass(frozen=True, eq=False)
class Dependencies:
    """Everything that a compiled model depends on.

    Attributes:
        objects: Its operations in order, its layers and its variables; they must be the same objects.
        settings: Connections of the operations, shapes of rows, and configurations of the layers.
    """

    objects: tuple[Any, ...]
    settings: tuple[Any, ...]

    @classmethod
    def at(cls, model: Any, program: Program, settings: Sequence[Any]) -> Dependencies:
        """The present state of a model.

        Args:
            model: A built Keras model of Keras's own layers.
            program: Its steps.
            settings: Further values that must be equal.
        """
        layers = private.layers_below(model)
        slots = tuple((step.inputs(), step.outputs) for step in program.steps)
        configs = [layer.get_config() for layer in layers if not isinstance(layer, keras.Model)]
        objects = (*(step.operation for step in program.steps), *layers, *model.variables)
        return cls(objects, (*settings, slots, program.outputs, json.dumps(configs, default=_plain)))

    def is_still(self, model: Any, program: Program, settings: Sequence[Any]) -> bool:
        """True if the model still has this state."""
        if any(step.operation is not one for step, one in zip(program.steps, self.objects, strict=False)):
            return False
        now = Dependencies.at(model, program, settings)
        return list(map(id, now.objects)) == list(map(id, self.objects)) and now.settings == self.settings


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def kept(model: Any, program: Program, settings: Sequence[Any], shapes: Shapes) -> Any | None:
    """The cached adapter for rows of these shapes if the model is unchanged; otherwise clear the cache."""
    cached: OrderedDict[Shapes, tuple[Dependencies, Any]] = vars(model).get(ATTRIBUTE, OrderedDict())
    if shapes not in cached:
        return None
    dependencies, adapter = cached[shapes]
    if not dependencies.is_still(model, program, settings):
        forget(model)
        return None
    cached.move_to_end(shapes)
    return adapter


def keep(model: Any, program: Program, settings: Sequence[Any], shapes: Shapes, adapter: Any) -> None:
    """Cache an adapter on its model; if there are too many shapes, drop the least recently used."""
    cached: OrderedDict[Shapes, tuple[Dependencies, Any]] = vars(model).setdefault(ATTRIBUTE, OrderedDict())
    cached[shapes] = Dependencies.at(model, program, settings), adapter
    if len(cached) > tuning.KEPT_GRAPHS:
        cached.popitem(last=False)


def forget(model: Any) -> None:
    """Clear the cache of a model."""
    vars(model).pop(ATTRIBUTE, None)
