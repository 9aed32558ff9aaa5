"""One peer on the question's CNN, rebuilt in plain PyTorch, in the environment `.venv-peers`.

    .venv-peers/bin/python -m benchmarks.peers ~/.cache/howsure/benchmarks/question.npz baal-cached

The figures are printed as JSON on the last line. Each peer draws a hundred independent passes, so its
error is that of the textbook loop.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PASSES = 100
LARGE, SMALL = 128, 32
"""Rows in a batch: as in the loop over Keras, and fewer where all passes over them lie in memory at once."""

Peer = Callable[[nn.Module, int], Callable[[Tensor], Any]]
"""Wraps a network for a number of passes; gives what assesses rows."""


def rebuild(arrays: Any) -> nn.Module:
    """The question's CNN with logits, from the arrays that Keras keeps.

    Kernels are (height, width, in, out) there and (out, in, height, width) here; the first dense layer
    sees an image as (height, width, channel) there and as (channel, height, width) here.
    """
    first, first_bias, second, second_bias, hidden, hidden_bias, last, last_bias = (
        torch.from_numpy(arrays[f"weights_{number}"]) for number in range(8)
    )
    hidden = hidden.reshape(20, 20, 64, 64).permute(3, 2, 0, 1).reshape(64, -1)
    model = nn.Sequential(
        nn.Conv2d(1, 128, 7),
        nn.ReLU(),
        nn.Dropout(0.20),
        nn.Conv2d(128, 64, 3),
        nn.ReLU(),
        nn.Dropout(0.20),
        nn.Flatten(),
        nn.Linear(20 * 20 * 64, 64),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(64, 10),
    )
    given = {
        "0.weight": first.permute(3, 2, 0, 1),
        "0.bias": first_bias,
        "3.weight": second.permute(3, 2, 0, 1),
        "3.bias": second_bias,
        "7.weight": hidden,
        "7.bias": hidden_bias,
        "10.weight": last.T,
        "10.bias": last_bias,
    }
    model.load_state_dict({name: array.contiguous() for name, array in given.items()})
    return model.eval()


def in_batches(call: Callable[[Tensor], Any], size: int) -> Callable[[Tensor], Any]:
    """The same for any number of rows, so many at a time."""

    def batched(x: Tensor) -> list[Any]:
        with torch.no_grad():
            return [call(batch) for batch in x.split(size)]

    return batched


def plain(model: nn.Module, passes: int) -> Callable[[Tensor], Any]:
    """As many plain forward passes of the same network, what the peers are compared with."""
    return in_batches(lambda batch: [model(batch) for _ in range(passes)], LARGE)


def torch_uncertainty(*, on_batch: bool) -> Peer:
    """Its wrapper multiplies the batch by the passes, or loops over them; the caller averages."""

    def peer(model: nn.Module, passes: int) -> Callable[[Tensor], Any]:
        from torch_uncertainty.methods import mc_dropout

        wrapped = mc_dropout(model, num_estimators=passes, on_batch=on_batch).eval()
        return in_batches(
            lambda batch: wrapped(batch).softmax(dim=-1).reshape(passes, len(batch), -1).mean(dim=0),
            SMALL if on_batch else LARGE,
        )

    return peer


def baal(*, replicate: bool, cached: bool) -> Peer:
    """Its wrapper puts all passes into one batch, or loops; its cache skips what comes before the dropout."""

    def peer(model: nn.Module, passes: int) -> Callable[[Tensor], Any]:
        from baal.bayesian.caching_utils import MCCachingModule
        from baal.bayesian.dropout import MCDropoutModule
        from baal.modelwrapper import ModelWrapper, TrainingArgs

        wrapped = MCDropoutModule(model)
        size = SMALL if replicate else LARGE
        wrapper = ModelWrapper(
            MCCachingModule(wrapped) if cached else wrapped,
            TrainingArgs(batch_size=size, workers=0, use_cuda=False, replicate_in_memory=replicate),
        )
        wrapper.eval()
        return in_batches(lambda batch: wrapper.predict_on_batch(batch, iterations=passes), size)

    return peer


def pytorch_ood(model: nn.Module, passes: int) -> Callable[[Tensor], Any]:
    """Its MC dropout detector loops, and gives the variance of each row's probabilities."""
    from pytorch_ood.detector import MCD

    return in_batches(MCD(model, samples=passes).predict, LARGE)


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


PEERS: dict[str, tuple[str, Peer]] = {
    "plain": ("torch", plain),
    "torch-uncertainty": ("torch-uncertainty", torch_uncertainty(on_batch=True)),
    "torch-uncertainty-loop": ("torch-uncertainty", torch_uncertainty(on_batch=False)),
    "baal": ("baal", baal(replicate=True, cached=False)),
    "baal-loop": ("baal", baal(replicate=False, cached=False)),
    "baal-cached": ("baal", baal(replicate=False, cached=True)),
    "pytorch-ood": ("pytorch-ood", pytorch_ood),
}


def measure(name: str, file: Path) -> dict[str, Any]:
    """Seconds for all rows, peak memory, and how far the rebuilt network is from the one in Keras."""
    arrays = np.load(file)
    x = torch.from_numpy(arrays["x"]).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        probabilities = rebuild(arrays)(x).softmax(dim=-1).numpy()
    difference = float(np.abs(probabilities - arrays["probabilities"]).max())
    if difference > 1e-5:
        raise ValueError(
            f"The network in PyTorch puts out something else than in Keras: {difference:.1g} off"
        )
    package, peer = PEERS[name]
    peer(rebuild(arrays), 2)(x)
    assess = peer(rebuild(arrays), PASSES)
    start = time.perf_counter()
    assess(x)
    return {
        "seconds": time.perf_counter() - start,
        "rows": len(x),
        "passes": PASSES,
        "package": f"{package} {importlib.metadata.version(package)}",
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "difference_to_keras": difference,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[2], Path(sys.argv[1]))))
