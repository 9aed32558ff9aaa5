"""Keeping an examined and compiled model for the next call, as long as nothing in it has changed.

It is kept on the model itself, as Keras keeps what `predict` has compiled, so that it lives exactly as long.
Weights may change: what is compiled reads them anew. Layers that may not, and settings of layers, are
compared; a model with code of a user in it, which may do anything, is examined every time. Rows of another
shape, where an axis of a model may have any size, are examined by themselves.
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
"""Of one row of each input."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a compiled model depends on.

    Attributes:
        objects: Its operations in order, its layers and its variables; the same ones must be there.
        settings: How the operations are connected, what rows look like and how layers are set up.
    """

    objects: tuple[Any, ...]
    settings: tuple[Any, ...]

    @classmethod
    def at(cls, model: Any, program: Program, settings: Sequence[Any]) -> Look:
        """How a model looks now.

        Args:
            model: A built Keras model of Keras's own layers.
            program: Its steps.
            settings: What else must be equal.
        """
        layers = private.layers_below(model)
        slots = tuple((step.inputs(), step.outputs) for step in program.steps)
        configs = [layer.get_config() for layer in layers if not isinstance(layer, keras.Model)]
        objects = (*(step.operation for step in program.steps), *layers, *model.variables)
        return cls(objects, (*settings, slots, program.outputs, json.dumps(configs, default=_plain)))

    def is_still(self, model: Any, program: Program, settings: Sequence[Any]) -> bool:
        """Whether the model looks the same still."""
        operations = [step.operation for step in program.steps]
        if any(a is not b for a, b in zip(operations, self.objects, strict=False)):
            return False
        now = Look.at(model, program, settings)
        same = len(now.objects) == len(self.objects)
        return (
            same
            and all(a is b for a, b in zip(now.objects, self.objects, strict=True))
            and now.settings == self.settings
        )


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def kept(model: Any, program: Program, settings: Sequence[Any], shapes: Shapes) -> Any | None:
    """What was kept on a model for rows of these shapes, if it still holds; else nothing is kept any more."""
    found: OrderedDict[Shapes, tuple[Look, Any]] = vars(model).get(ATTRIBUTE, OrderedDict())
    if shapes not in found:
        return None
    look, adapter = found[shapes]
    if not look.is_still(model, program, settings):
        forget(model)
        return None
    found.move_to_end(shapes)
    return adapter


def keep(model: Any, program: Program, settings: Sequence[Any], shapes: Shapes, adapter: Any) -> None:
    """Keep an adapter on its model; of too many shapes the one that was not used for longest goes."""
    found: OrderedDict[Shapes, tuple[Look, Any]] = vars(model).setdefault(ATTRIBUTE, OrderedDict())
    found[shapes] = (Look.at(model, program, settings), adapter)
    if len(found) > tuning.KEPT_GRAPHS:
        found.popitem(last=False)


def forget(model: Any) -> None:
    """Keep nothing on a model any more."""
    vars(model).pop(ATTRIBUTE, None)
