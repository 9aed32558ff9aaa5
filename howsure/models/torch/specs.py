"""The inputs of a module, if it declares them or its first layer shows them; otherwise its rows show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from howsure.data.rows import InputSpec
from howsure.errors import ModelError
from howsure.models.torch.inputs import name_of

_CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def input_specs(model: Any) -> list[InputSpec]:
    """The inputs of a module, in order: declared ones, else the input of its first layer.

    Raises:
        ModelError: Neither is known.
    """
    found = declared_specs(model) or _examples(model) or _of_first_layer(model)
    if found is None:
        raise ModelError(
            f"Module '{name_of(model)}' does not say what input it takes",
            expected="rows, from which it is known",
            hint="Give some: howsure.audit(model, x)",
        )
    return found


def declared_specs(model: Any) -> list[InputSpec] | None:
    """The inputs of an exported program; other modules declare none."""
    found = [
        InputSpec(
            name,
            tuple(side if isinstance(side, int) else None for side in value.shape[1:]),
            str(value.dtype).removeprefix("torch."),
        )
        for name, value in _exported(model)
    ]
    return found or None


def exported_for(model: Any) -> int | None:
    """The only batch size that an exported program accepts, or None for any."""
    sides = (value.shape[0] for _, value in _exported(model) if value.ndim)
    return next((int(side) for side in sides if isinstance(side, int)), None)


def _exported(model: Any) -> list[tuple[str, torch.Tensor]]:
    """Inputs of an exported program by name, as example tensors."""
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module()
    if not isinstance(model, fx.GraphModule):
        return []
    nodes = [node for node in model.graph.nodes if node.op == "placeholder"]
    values = [(str(node.target), node.meta.get("val")) for node in nodes]
    return [(name, value) for name, value in values if isinstance(value, torch.Tensor)]


def _examples(model: Any) -> list[InputSpec] | None:
    """Inputs from the examples that libraries store: those of Lightning or of transformers."""
    example = getattr(model, "example_input_array", None)
    if example is None:
        example = getattr(model, "dummy_inputs", None)
    if isinstance(example, torch.Tensor):
        example = {"x": example}
    if not isinstance(example, Mapping) or not example:
        return None
    if not all(isinstance(each, torch.Tensor) for each in example.values()):
        return None
    return [
        InputSpec(
            str(name),
            tuple(each.shape[1:]) if each.is_floating_point() else (None,) * (each.ndim - 1),
            str(each.dtype).removeprefix("torch."),
        )
        for name, each in example.items()
    ]


def _of_first_layer(model: nn.Module) -> list[InputSpec] | None:
    first = next((each for each in model.modules() if [*each.parameters(recurse=False)]), None)
    if isinstance(first, nn.Linear):
        return [InputSpec("x", (first.in_features,), "float32")]
    if isinstance(first, nn.Embedding):
        return [InputSpec("x", (None,), "int64")]
    if isinstance(first, nn.RNNBase):
        return [InputSpec("x", (None, first.input_size), "float32")]
    for kind, axes in _CONVOLUTIONS.items():
        if isinstance(first, kind):
            return [InputSpec("x", (first.in_channels, *[None] * axes), "float32")]
    return None


def channels_of(model: nn.Module) -> int | None:
    """Channels of the images, or volumes, that the first layer takes; None if it is no such convolution."""
    first = _of_first_layer(model)
    shape = first[0].shape if first else ()
    return shape[0] if len(shape) in (3, 4) else None
