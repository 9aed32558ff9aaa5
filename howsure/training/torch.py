"""Read, copy and fill modules of PyTorch, and recompute the running statistics that fit their weights."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from howsure.errors import ModelError, probing
from howsure.models.torch.inputs import InputForm, name_of
from howsure.models.torch.model import check_module, read_rows
from howsure.models.torch.snapshot import as_found, attributes, device_of, seed, switch
from howsure.training.weights import Array, Weight, in_batches

Model = nn.Module

ENVIRONMENT: dict[str, str] = {}
"""Environment variables of a training process."""

config = torch

SETTINGS = {
    "get_default_dtype": "set_default_dtype",
    "get_default_device": "set_default_device",
    "get_float32_matmul_precision": "set_float32_matmul_precision",
    "are_deterministic_algorithms_enabled": "use_deterministic_algorithms",
}
"""Functions of `config` that read and set what a training process takes over from this process."""

Batch = tuple[InputForm, tuple[Array, ...]]


def check(model: nn.Module) -> nn.Module:
    """The module inside torch.compile, DataParallel or DistributedDataParallel; it must have weights."""
    return check_module(_bare(model))


def _bare(model: nn.Module) -> nn.Module:
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, parallel) else getattr(model, "_orig_mod", None)
        if inner is None:
            return model
        model = inner


def _tensors(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Parameters, then buffers, in the order in which the module defines them; each once."""
    module = _bare(model)
    return [*module.named_parameters(), *module.named_buffers()]


def weights(model: nn.Module) -> list[Array]:
    """Copies of parameters and buffers. One of 8 or 16 bits is float32, a lazy one has no values."""
    return [_array(tensor) for _, tensor in _tensors(model)]


def _array(tensor: torch.Tensor) -> Array:
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return np.empty(0)
    tensor = tensor.detach()
    narrow = tensor.is_floating_point() and tensor.element_size() < 4
    return np.array((tensor.float() if narrow else tensor).resolve_conj().cpu().numpy())


def layout(model: nn.Module) -> list[Weight]:
    """The facts about each of `weights`."""
    norms = [pair for pair in _bare(model).named_modules() if isinstance(pair[1], _NormBase)]
    owners = {id(buffer): path for path, norm in norms for buffer in norm.buffers(recurse=False)}
    return [
        Weight(name, owners.get(id(each), name), _place(each), each.requires_grad, id(each) in owners)
        for name, each in _tensors(model)
    ]


def _place(tensor: torch.Tensor) -> tuple[str, int]:
    if torch.nn.parameter.is_lazy(tensor) or not tensor.numel() or tensor.is_meta:
        return "of its own", id(tensor)
    return str(tensor.device), tensor.untyped_storage().data_ptr()


def assign(model: nn.Module, arrays: Sequence[Array], chosen: Sequence[bool] | None = None) -> None:
    """Set the chosen weights, all by default; what has these values already is not touched."""
    wanted = [True] * len(arrays) if chosen is None else chosen
    with torch.no_grad():
        for (_, tensor), array, is_in in zip(_tensors(model), arrays, wanted, strict=True):
            value = torch.tensor(array, dtype=tensor.dtype, device=tensor.device)
            if is_in and not torch.equal(tensor, value):
                tensor.copy_(value)


def form(model: nn.Module) -> dict[str, Any]:
    """The shapes of its parameters by name, which members have in common."""
    return {f"'{name}' of shape": tuple(each.shape) for name, each in _bare(model).named_parameters()}


def copied(model: nn.Module) -> nn.Module:
    """A deep copy. Attributes that the last call kept are copied without the graph of their gradient."""
    kept = [each for _, each in attributes(model, torch.Tensor) if not each.is_leaf]
    try:
        return copy.deepcopy(model, {id(each): each.detach().clone() for each in kept})
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(
            f"Module '{name_of(model)}' cannot be copied ({type(error).__name__}: {said})",
            expected="a module that copy.deepcopy copies",
            hint="Give `build`, a function of a number that returns an untrained module like it",
        ) from error


def make_like(clone: nn.Module, model: nn.Module) -> None:
    """Give a module what is no weight of a similar one: its training flags, and what is frozen."""
    ours, theirs = list(_bare(clone).modules()), list(_bare(model).modules())
    if len(ours) == len(theirs):
        for mine, other in zip(ours, theirs, strict=True):
            mine.training = other.training
    for (_, tensor), (_, other_tensor) in zip(_tensors(clone), _tensors(model), strict=True):
        if tensor.requires_grad is not other_tensor.requires_grad:
            tensor.requires_grad_(other_tensor.requires_grad)


def build_config(model: nn.Module) -> None:
    """Modules need none: they have weights as soon as they are made, or are refused."""


def ensure_built(model: nn.Module, config: None) -> None:
    """Do nothing, see `build_config`."""


def batches(model: nn.Module, x: Any) -> list[Batch]:
    """Rows as the module takes them, in batches."""

    def run(call: InputForm, some: Sequence[Array]) -> InputForm:
        with as_found(model, None):
            switch(model, ())
            call.forward(model, [each.clone() for each in call.tensors(some)])
        return call

    with probing():
        rows, call = read_rows(model, x, None, run)
    return [(call, part) for part in in_batches(rows)]


def compute_statistics(model: nn.Module, chosen: Sequence[bool], parts: Sequence[Batch], number: int) -> None:
    """Recompute the chosen running statistics as plain averages over batches; nothing else changes.

    The result is that of `torch.optim.swa_utils.update_bn`, but layers whose statistics are not chosen
    normalise with those that they have.
    """
    module = _bare(model)
    wanted = {id(pair[1]) for pair, is_in in zip(_tensors(module), chosen, strict=True) if is_in}
    with as_found(module, None), torch.compiler.set_stance("force_eager"):
        seed(module, number)
        random.seed(number)
        np.random.seed(number % 2**32)
        module.train()
        for norm in module.modules():
            if isinstance(norm, _NormBase):
                if wanted.isdisjoint(map(id, norm.buffers(recurse=False))):
                    norm.training = False
                else:
                    norm.register_forward_pre_hook(_averaging())
        for call, part in parts:
            here = replace(call, device=device_of(module))
            here.forward(module, here.tensors(part))
        found = weights(module)
    assign(module, found, chosen)


def _averaging() -> Callable[[Any, Any], None]:
    """A hook before each call of a layer: its momentum at call n is 1/n, a plain average over its calls."""
    calls = 0

    def before(norm: Any, inputs: Any) -> None:
        nonlocal calls
        if calls == 0:
            norm.reset_running_stats()
        calls += 1
        norm.momentum = 1 / calls

    return before
