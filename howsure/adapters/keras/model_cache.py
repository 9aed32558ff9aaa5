"""Cache an examined and compiled model for later calls, as long as the model has not changed.

The cache is an attribute of the model, like Keras's own compiled `predict`, so it lives as long as the model.
Weights may change, since compiled code reads them at each call. Layers and their settings are compared. A
model that runs a user's code, which may do anything, is examined every time. Each shape of rows and each
other wish of a caller is cached separately.

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

Wishes = tuple[Any, ...]
"""Shapes of one row, for each input, and all that a caller asks of a model; each has its own adapter."""


@dataclass(frozen=True, eq=False)
class Dependencies:
    """Everything that a compiled model depends on.

    Attributes:
        objects: Its operations in order, its layers and its variables; they must be the same objects.
        settings: Connections of the operations, and configurations of the layers.
    """

    objects: tuple[Any, ...]
    settings: tuple[Any, ...]

    @classmethod
    def at(cls, model: Any, program: Program) -> Dependencies:
        """The present state of a model.

        Args:
            model: A built Keras model of Keras's own layers.
            program: Its steps.
        """
        layers = private.layers_below(model)
        slots = tuple((step.inputs(), step.outputs) for step in program.steps)
        configs = [layer.get_config() for layer in layers if not isinstance(layer, keras.Model)]
        objects = (*(step.operation for step in program.steps), *layers, *model.variables)
        return cls(objects, (slots, program.outputs, json.dumps(configs, default=_as_json)))

    def is_still(self, model: Any, program: Program) -> bool:
        """True if the model still has this state."""
        if any(step.operation is not one for step, one in zip(program.steps, self.objects, strict=False)):
            return False
        now = Dependencies.at(model, program)
        return list(map(id, now.objects)) == list(map(id, self.objects)) and now.settings == self.settings


def _as_json(value: Any) -> Any:
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
        adapter: The adapter.
    """

    look: Dependencies
    glance: Glance | None
    adapter: Any


def seen(model: Any, wishes: Wishes) -> Any | None:
    """The cached adapter for these wishes if a glance shows that nothing has changed; else None."""
    cached = vars(model).get(ATTRIBUTE, {}).get(wishes)
    if cached is None or cached.glance is None or not cached.glance.is_still():
        return None
    vars(model)[ATTRIBUTE].move_to_end(wishes)
    return cached.adapter


def kept(model: Any, program: Program, wishes: Wishes) -> Any | None:
    """The cached adapter for these wishes if the model is unchanged; otherwise clear the cache."""
    cache: OrderedDict[Wishes, Cached] = vars(model).get(ATTRIBUTE, OrderedDict())
    if wishes not in cache:
        return None
    if not cache[wishes].look.is_still(model, program):
        forget(model)
        return None
    cache.move_to_end(wishes)
    cache[wishes].glance = _glance(model)
    return cache[wishes].adapter


def keep(model: Any, program: Program, wishes: Wishes, adapter: Any) -> None:
    """Cache an adapter on its model; if there are too many, drop the least recently used."""
    cache: OrderedDict[Wishes, Cached] = vars(model).setdefault(ATTRIBUTE, OrderedDict())
    cache[wishes] = Cached(Dependencies.at(model, program), _glance(model), adapter)
    if len(cache) > tuning.KEPT_GRAPHS:
        cache.popitem(last=False)


def _glance(model: Any) -> Glance | None:
    glance = Glance([model, *private.layers_below(model)])
    return glance if glance.sees_all else None


def forget(model: Any) -> None:
    """Clear the cache of a model."""
    vars(model).pop(ATTRIBUTE, None)
