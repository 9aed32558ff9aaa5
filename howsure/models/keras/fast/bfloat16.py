"""Run heavy layers in bfloat16 on machines that are faster with it.

bfloat16 keeps 8 bits of a number; products are summed in float32. In the sums of a convolution the rounding
errors average out. The pilot measures the error that remains in the probabilities.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import keras

from howsure import tuning
from howsure.models.keras.examine import Examination
from howsure.models.keras.graph import Slot, Step
from howsure.models.keras.layers import counted_calls, multiply_adds
from howsure.models.processor import multiplies_bfloat16

_HEAVY = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)

_BETWEEN = (
    *(keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D),
    *(keras.layers.SpatialDropout3D, keras.layers.Flatten, keras.layers.Reshape),
    *(keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D),
)


def reducible_steps(examination: Examination, but: Collection[Step]) -> list[Step]:
    """The heavy layers that every pass computes again, and layers that only these read.

    Heavy layers are dense and convolution layers in float32 with at least `tuning.HEAVY` multiply-adds. The
    last layer with weights stays in float32: its output is nearly the answer.

    Args:
        examination: Examination of the model.
        but: Steps that stay in float32.
    """
    weighted = [call for call in counted_calls(examination.calls) if multiply_adds(call)]
    heavy = {
        id(call.step)
        for call in weighted[:-1]
        if call.step.operation is call.layer
        and type(call.layer) in _HEAVY
        and multiply_adds(call) >= tuning.HEAVY
        and call.step not in but
    }
    repeated_heavy = heavy & {id(step) for step in examination.repeated}
    found: list[Step] = []
    readers: dict[Slot, list[Step]] = {}
    for step in reversed((*examination.shared, *examination.repeated)):
        reading = [reader for slot in step.outputs for reader in readers.get(slot, [])]
        for_these = bool(reading) and all(reader in found for reader in reading)
        reducible = id(step) in repeated_heavy or (
            for_these and (id(step) in heavy or type(step.operation) in _BETWEEN)
        )
        if reducible and step.operation.dtype_policy == keras.DTypePolicy("float32"):
            found.append(step)
        for slot in step.inputs():
            readers.setdefault(slot, []).append(step)
    return found if repeated_heavy else []


@contextlib.contextmanager
def computing_in(policy: str, layer: Any) -> Iterator[None]:
    """Let a layer compute with another dtype policy on its existing weights, as in mixed precision."""
    before = layer.dtype_policy
    try:
        layer.dtype_policy = keras.DTypePolicy(policy)
        yield
    finally:
        layer.dtype_policy = before


def bfloat16_is_faster() -> bool:
    """True if heavy layers run faster in bfloat16 on this machine.

    The processor decides, not a timing, so that a row gets the same numbers in every run. On a processor with
    AVX-512 BF16, convolutions are faster with TensorFlow and PyTorch, but not with JAX (docs/decisions/0005;
    `python -m benchmarks profile question` measures it).
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU") and multiplies_bfloat16()
    if backend == "torch":
        import torch

        return not torch.cuda.is_available() and multiplies_bfloat16()
    return False
