"""Cache what examining a module found, for later calls with rows of the same form.

Examining runs about twenty rows through a module. The findings are used again if the module is the same
object, and its modules, attributes and weights have not changed since. That does not show everything: a
forward may read a global variable, or weights may change behind PyTorch's back (`weight.data`). So one row
is predicted first, and two passes are compared with what they were. The cache keeps no module alive.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from howsure import tuning
from howsure.adapters.protocol import LayerInfo
from howsure.adapters.torch.examine import Examination
from howsure.adapters.torch.inputs import InputForm
from howsure.adapters.torch.model import TorchModel
from howsure.adapters.torch.snapshot import one_at_a_time

DEPTH = 3
"""Containers and objects inside one another that are compared, such as `module.config.rates[0]`."""


@dataclass(frozen=True, eq=False)
class Cached:
    """Findings about a module.

    Attributes:
        examination: Results of examining it, without the module.
        split: Its levels, or None if passes run whole.
        whole_because: As in `TorchModel`.
        layers: As in `TorchModel`.
        state: The state of the module.
    """

    examination: Examination
    split: Any
    whole_because: str
    layers: tuple[LayerInfo, ...]
    state: Any


Way = tuple[InputForm, bool, frozenset[str]]
"""How a module is called, and the wishes of the caller that its examination depends on."""

_KEPT: dict[int, tuple[weakref.ref[nn.Module], OrderedDict[Way, Cached]]] = {}
"""Findings by identity of the module."""


def kept(module: nn.Module, ways: Iterable[Way]) -> tuple[InputForm, Cached] | None:
    """Findings about a module for the first known way to call it; None if it has changed."""
    with one_at_a_time:
        ref, of_module = _KEPT.get(id(module), (None, OrderedDict()))
        if ref is None or ref() is not module:
            return None
        for way in ways:
            if (cached := of_module.get(way)) is not None:
                if cached.state == state_of(module):
                    of_module.move_to_end(way)
                    return way[0], replace(cached, examination=_moved(cached.examination, None, module))
                forget(module)
                break
    return None


def keep(way: Way, model: TorchModel) -> None:
    """Keep findings about a module; if there are too many, those not used for longest go."""
    module, examination = model.module, model.examination
    number, bare = id(module), _moved(examination, module, None)
    with one_at_a_time:
        if number not in _KEPT:
            _KEPT[number] = weakref.ref(module, lambda _: _KEPT.pop(number, None)), OrderedDict()
        of_module = _KEPT[number][1]
        of_module[way] = Cached(
            bare, getattr(model, "split", None), model.whole_because, model.layers, state_of(module)
        )
        if len(of_module) > tuning.KEPT_GRAPHS:
            of_module.popitem(last=False)


def forget(module: nn.Module) -> None:
    """Drop the findings about a module."""
    _KEPT.pop(id(module), None)


def _moved(examination: Examination, before: Any, after: Any) -> Examination:
    """The findings about one module as those about another one."""
    calls = (replace(call, module=after) if call.module is before else call for call in examination.calls)
    return replace(examination, module=after, calls=tuple(calls))


def state_of(module: nn.Module) -> Any:
    """All that is compared of a module: its modules, and their attributes except training flags."""
    return [
        (
            path,
            type(layer),
            [(name, _shown(value, DEPTH)) for name, value in vars(layer).items() if name != "training"],
        )
        for path, layer in module.named_modules()
    ]


def _shown(value: Any, depth: int) -> Any:
    """Something that is equal if a value is the same as before."""
    kind = type(value)
    if depth and isinstance(value, dict):
        pairs = value.items() if value else ()
        return kind, [(_shown(name, 0), _shown(entry, depth - 1)) for name, entry in pairs]
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return kind, value
    if depth and isinstance(value, (list, tuple)):
        return kind, [_shown(entry, depth - 1) for entry in value]
    if isinstance(value, torch._C.TensorBase):  # of a torch.Tensor, PyTorch asks in Python
        version = -1 if value.is_inference() else value._version
        return id(value), version, value.dtype, value.device, value.shape, value.requires_grad
    if isinstance(value, nn.Module) or depth == 0:
        return id(value)
    if isinstance(value, type) or callable(value) or not hasattr(value, "__dict__"):
        return id(value)
    return id(value), [(name, _shown(entry, depth - 1)) for name, entry in vars(value).items()]
