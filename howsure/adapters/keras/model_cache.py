"""Cache an examined and compiled model for later calls, as long as the model has not changed.

The cache is an attribute of the model, like Keras's own compiled `predict`, so it lives as long as the model.
Weights may change, since compiled code reads them at each call. Layers and their settings are compared. A
model that runs a user's code, which may do anything, is examined every time. If an axis of a model may have
any size, each shape of rows is cached separately.

To compare all `Dependencies` takes longer than a small network runs. So a `Glance` comes first: if a model
and its layers hold the same objects as at the last look, nothing has changed.
"""

from __future__ import annotations

import json
import operator
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras
import numpy as np

from howsure import tuning
from howsure.adapters.keras import private
from howsure.adapters.keras.graph import Program

ATTRIBUTE = "_howsure_kept"

DEPTH = 2
"""Containers and objects inside one another that a glance compares, such as `layer.dtype_policy.name`."""

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


class Glance:
    """The contents of a model and its layers: attributes, and what is in containers and settings among them.

    Args:
        layers: The model, and all its layers.

    Attributes:
        sees_all: False if something that a layer holds may change without being seen.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._holders, self._held = list[Collection[Any]](), list[list[Any]]()
        self.sees_all = True
        self._cache = vars(layers[0]).get(ATTRIBUTE)
        for layer in layers:
            self._hold(vars(layer), DEPTH)

    def is_still(self) -> bool:
        """True if all of it holds the same objects as before."""
        return list(map(len, self._holders)) == list(map(len, self._held)) and all(
            map(operator.is_, chain.from_iterable(self._holders), chain.from_iterable(self._held))
        )

    def _hold(self, holder: Any, depth: int) -> None:
        inside = holder.values() if isinstance(holder, dict) else holder
        items = list(inside)
        self._holders.append(inside)
        self._held.append(items)
        for value in items:
            if isinstance(value, np.ndarray):  # its numbers may change in place
                self.sees_all = False
            elif depth and isinstance(value, (list, tuple, set, dict)) and value is not self._cache:
                self._hold(value, depth - 1)
            elif depth and type(value).__module__.startswith("keras.") and not _is_looked_at(value):
                self._hold(vars(value), depth - 1)


def _is_looked_at(value: Any) -> bool:
    """True for objects that hold no settings, or whose settings are compared by themselves."""
    return isinstance(value, (keras.Layer, keras.Variable, keras.KerasTensor, type)) or not hasattr(
        value, "__dict__"
    )


@dataclass(eq=False)
class Cached:
    """An adapter, and what its model looked like.

    Attributes:
        look: Everything that is compared.
        glance: The first comparison; None if that does not show everything.
        wishes: The wishes of the caller; part of what is compared.
        adapter: The adapter.
    """

    look: Dependencies
    glance: Glance | None
    wishes: Any
    adapter: Any


def seen(model: Any, wishes: Any, shapes: Shapes) -> Any | None:
    """The cached adapter for rows of these shapes if a glance shows that nothing has changed; else None."""
    cached = vars(model).get(ATTRIBUTE, {}).get(shapes)
    if cached is None or cached.glance is None or cached.wishes != wishes or not cached.glance.is_still():
        return None
    vars(model)[ATTRIBUTE].move_to_end(shapes)
    return cached.adapter


def kept(
    model: Any, program: Program, settings: Sequence[Any], shapes: Shapes, wishes: Any = None
) -> Any | None:
    """The cached adapter for rows of these shapes if the model is unchanged; otherwise clear the cache."""
    cache: OrderedDict[Shapes, Cached] = vars(model).get(ATTRIBUTE, OrderedDict())
    if shapes not in cache:
        return None
    if not cache[shapes].look.is_still(model, program, settings):
        forget(model)
        return None
    cache.move_to_end(shapes)
    cache[shapes].glance, cache[shapes].wishes = _glance(model), wishes
    return cache[shapes].adapter


def keep(
    model: Any, program: Program, settings: Sequence[Any], shapes: Shapes, adapter: Any, wishes: Any = None
) -> None:
    """Cache an adapter on its model; if there are too many shapes, drop the least recently used."""
    cache: OrderedDict[Shapes, Cached] = vars(model).setdefault(ATTRIBUTE, OrderedDict())
    cache[shapes] = Cached(Dependencies.at(model, program, settings), _glance(model), wishes, adapter)
    if len(cache) > tuning.KEPT_GRAPHS:
        cache.popitem(last=False)


def _glance(model: Any) -> Glance | None:
    glance = Glance([model, *private.layers_below(model)])
    return glance if glance.sees_all else None


def forget(model: Any) -> None:
    """Clear the cache of a model."""
    vars(model).pop(ATTRIBUTE, None)
