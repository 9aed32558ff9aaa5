"""Detect dropout that was switched off for good when a module was traced or exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from howsure.models.protocol import Unswitchable
from howsure.models.torch.inputs import name_of

_HINT = "Give the module that it was made from, with its weights, or do it again in training mode"


def baked_in(module: nn.Module) -> Iterator[Unswitchable]:
    """Dropout in a module that no training flag can switch on any more."""
    for path, each in module.named_modules():
        how = None
        if isinstance(each, torch.jit.ScriptModule) and _traced_off(each):
            how = "traced"
        elif isinstance(each, fx.GraphModule) and _exported_off(each):
            how = "exported"
        if how is not None:
            what = f"it was {how} in eval mode, which left its dropout switched off for good"
            yield Unswitchable(path or name_of(module), what, True, _HINT)
            return


def _traced_off(module: Any) -> bool:
    """True if the graph of a script contains dropout with a constant train=False."""
    graph = module.inlined_graph  # a variable, since its nodes live only as long as it
    for kind in ("aten::dropout", "aten::feature_dropout", "aten::alpha_dropout"):
        for node in graph.findAllNodes(kind):
            if list(node.inputs())[2].toIValue() is False:
                return True
    return False


def _exported_off(module: fx.GraphModule) -> bool:
    """True if an exported graph contains dropout with a constant train=False."""
    for node in module.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "")
        if "dropout" in name and len(node.args) > 2 and node.args[2] is False:
            return True
    return False
