"""Other packages that draw passes through a module of PyTorch, in the environment `.venv-peers`.

Each draws independent passes, so its error is that of the textbook loop, if all that is random draws.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

LARGE, SMALL = 128, 32
"""Rows in a batch: as in the loop over Keras, and fewer where all passes over them lie in memory at once."""

Peer = Callable[[nn.Module, int], Callable[[Tensor], Tensor]]
"""Wraps a network for a number of passes; gives what computes the means of rows."""

Into = Callable[[Tensor], Tensor]
"""From the outputs of a network to what is averaged; classes are along the second axis."""

softmax: Into = partial(torch.softmax, dim=1)


def in_batches(call: Callable[[Tensor], Tensor], size: int) -> Callable[[Tensor], Tensor]:
    """The same for any number of rows, so many at a time."""

    def batched(x: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([call(batch) for batch in x.split(size)])

    return batched


def torch_uncertainty(
    module: nn.Module, passes: int, *, on_batch: bool = False, size: int = LARGE, into: Into = softmax
) -> Callable[[Tensor], Tensor]:
    """Its wrapper multiplies the batch by the passes, or loops over them; the caller averages."""
    from torch_uncertainty.methods import mc_dropout

    wrapped = mc_dropout(module, num_estimators=passes, on_batch=on_batch).eval()
    return in_batches(lambda batch: into(wrapped(batch)).unflatten(0, (passes, len(batch))).mean(dim=0), size)


def baal(
    module: nn.Module, passes: int, *, replicate: bool = False, size: int = LARGE, into: Into = softmax
) -> Callable[[Tensor], Tensor]:
    """Its wrapper puts all passes into one batch, or loops, and keeps them all; the caller averages."""
    from baal.bayesian.dropout import MCDropoutModule
    from baal.modelwrapper import ModelWrapper, TrainingArgs

    arguments = TrainingArgs(batch_size=size, workers=0, use_cuda=False, replicate_in_memory=replicate)
    wrapper = ModelWrapper(MCDropoutModule(module), arguments)
    wrapper.eval()
    return in_batches(
        lambda batch: into(wrapper.predict_on_batch(batch, iterations=passes)).mean(dim=-1), size
    )


def peer_seconds(
    peers: Mapping[str, Peer], module: nn.Module, rows: Tensor, passes: int, more: float
) -> dict[str, Any]:
    """Version and seconds of the processor of each peer that is installed.

    Args:
        peers: By the names of their packages.
        module: The network, left in evaluation.
        rows: Some rows.
        passes: Passes that are timed over them.
        more: How many times as much work the seconds are told for.
    """
    found: dict[str, Any] = {}
    for name, peer in peers.items():
        try:
            peer(module, 2)(rows)
        except ImportError as error:
            found[name] = {"error": str(error)}
            continue
        start = time.process_time()
        peer(module, passes)(rows)
        took = time.process_time() - start
        found[name] = {"version": importlib.metadata.version(name), "seconds": took * more}
        module.eval()
    return found
