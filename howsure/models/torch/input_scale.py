"""Compare rows with the training statistics that the first normalisation of a module stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from howsure.models.input_scale import times_larger, untouched
from howsure.models.torch.inputs import InputForm
from howsure.models.torch.snapshot import as_found, switch

Array = NDArray[Any]


class _Reached(Exception):
    """The first normalisation was reached; the rest of the module need not run."""


def times_larger_than_kept(module: nn.Module, call: InputForm, rows: Sequence[Array]) -> float | None:
    """How many times larger rows (n, …) are than the training rows; None if no statistics were stored.

    The module runs as in predicting up to its first batch normalisation, and is left as found.
    """
    kept = [
        each
        for each in module.modules()
        if isinstance(each, nn.modules.batchnorm._BatchNorm) and each.running_mean is not None
    ]
    if not kept or isinstance(module, torch.jit.ScriptModule):
        return None
    seen: list[tuple[Any, torch.Tensor]] = []

    def look(norm: nn.Module, args: tuple[Any, ...]) -> None:
        if not seen and args and isinstance(args[0], torch.Tensor):
            seen.append((norm, args[0].detach().clone()))
        raise _Reached

    with as_found(module, None):
        switch(module, ())
        hooks = [each.register_forward_pre_hook(look) for each in kept]
        try:
            call.run(module, call.tensors(rows))
        except _Reached:
            pass
        finally:
            for hook in hooks:
                hook.remove()
    if not seen:
        return None
    norm, values = seen[0]
    mean, variance = (each.float().cpu().numpy() for each in (norm.running_mean, norm.running_var))
    if untouched(mean, variance):
        return None
    return times_larger(np.moveaxis(values.float().cpu().numpy(), 1, -1), mean, variance)
