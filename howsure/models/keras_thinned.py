"""Dense layers behind a dropout layer, without a product of their own for every mask.

Over a balanced group of r masks of rate p each unit is dropped in exactly p·r of them. With d_t the product
of the kernel K with what mask t drops, K x is therefore Σ d_t / (p·r), and what mask t keeps gives
(K x − d_t) / (1 − p). The r products over dropped units cost as much as p·r over all units: one for the
usual balanced group, in the place of r. Sums are in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from howsure.dropout.masks import DROPOUT
from howsure.models.keras_examine import Examination, LayerCall
from howsure.models.keras_graph import Program, Slot, Step
from howsure.models.keras_random import widens_itself

Array = NDArray[Any]
Tensor = Any

WORTHWHILE = 1_000_000
"""Numbers in a kernel from which on it is worth picking units."""

MANY_ROWS = 32
"""Rows from which on picking them out of the kernel pays."""

LARGEST_COPY = 1 << 24
"""Numbers of the kernel that may be picked out, each as often as its unit is dropped."""

DEVIATIONS = 6
"""Standard deviations by which a mask may drop more units than on average."""


class Dropped(NamedTuple):
    """What balanced masks drop: for each of P folded passes r masks, of D units at most.

    Attributes:
        units: (P, r, D) their numbers, filled up with any.
        weights: (P, r, D, outputs) their rows of the kernel, 0 where filled up.
    """

    units: Tensor
    weights: Tensor


@dataclass(frozen=True)
class ThinnedDense:
    """A dropout layer and the dense layer that alone reads what it returns.

    Attributes:
        dropout: The step of the first.
        between: Steps between them that only give the numbers another shape.
        dense: The step of the second.
        rate: Probability of dropping a unit.
        shape: Shape of the units for one row.
        before: Level of what the dropout layer gets, 0 for what all passes share.
    """

    dropout: Step
    between: tuple[Step, ...]
    dense: Step
    rate: float
    shape: tuple[int, ...]
    before: int

    def dropped(self, masks: Array, parents: int) -> Dropped | None:
        """What each mask drops, if the masks are balanced and picking units pays.

        Args:
            masks: (W, …) True where a unit is kept.
            parents: Passes folded into what the dropout layer gets; each has W / `parents` masks.
        """
        count, of_each = int(np.prod(self.shape)), len(masks) // parents
        times = round(self.rate * of_each)
        picked = parents * times * count * self.dense.operation.units
        if of_each == 1 or not 0 < times <= of_each / 2 or picked > LARGEST_COPY:
            return None
        dropped = ~np.broadcast_to(masks, (len(masks), *self.shape)).reshape(parents, of_each, count)
        counts = dropped.sum(axis=2, dtype=np.int32)
        drawn = int(np.prod(masks.shape[1:]))  # fewer where several units share a draw
        deviation = count * np.sqrt(self.rate * (1 - self.rate) / drawn)
        most = min(count, int(self.rate * count + DEVIATIONS * deviation) + 1)  # the same for all masks
        if (dropped.sum(axis=1, dtype=np.int32) != times).any() or counts.max() > most:
            return None
        there = np.arange(most) < counts[..., None]
        units = np.zeros(there.shape, dtype=np.int32)
        units[there] = np.nonzero(dropped)[2]
        # Where filled up, the numbers are those of any unit and the weights 0.
        weights = ops.take(self.dense.operation.kernel, ops.convert_to_tensor(units), axis=0)
        weights = weights * ops.convert_to_tensor(there[..., None].astype(np.float32))
        return Dropped(ops.convert_to_tensor(units), weights)

    def __call__(self, inputs: Tensor, dropped: Dropped) -> Tensor:
        """What the dense layer makes of its thinned inputs.

        Args:
            inputs: (P × n, …), before they are thinned.
            dropped: As from `dropped`.

        Returns:
            (P × r × n, outputs), pass-major.
        """
        layer = self.dense.operation
        parents, of_each, _ = dropped.units.shape
        flat = ops.reshape(inputs, (parents, -1, int(np.prod(self.shape))))
        outputs = []
        for parent in range(parents):
            products = _products(flat[parent], dropped.units[parent], dropped.weights[parent])
            total = ops.sum(products, axis=0, keepdims=True) / round(self.rate * of_each)
            outputs.append((total - products) / (1 - self.rate))
        result = ops.reshape(ops.concatenate(outputs), (-1, layer.units))
        return layer.activation(result if layer.bias is None else result + layer.bias)


def _products(rows: Tensor, units: Tensor, weights: Tensor) -> Tensor:
    """(r, n, outputs) of rows (n, …), of which only some units count.

    Args:
        rows: (n, units).
        units: (r, D) numbers of those that count.
        weights: (r, D, outputs) their weights.
    """
    if keras.backend.backend() == "tensorflow":  # whose `take` is fast only along the first axis
        picked = ops.cast(ops.take(ops.transpose(rows), units, axis=0), "float32")
        return ops.transpose(ops.matmul(ops.transpose(weights, (0, 2, 1)), picked), (0, 2, 1))
    picked = ops.take(ops.cast(rows, "float32"), units, axis=1)
    return ops.stack([ops.matmul(picked[:, mask], weights[mask]) for mask in range(units.shape[0])])


def thinned_dense_layers(program: Program, examination: Examination) -> Mapping[int, ThinnedDense]:
    """The pairs of a dropout layer and a large dense layer in a model, by number of the site.

    None on JAX: what XLA makes of picked units takes twice as long as all products (0.9 to 1.8 ms a row of
    the question's CNN on 2 CPU cores).
    """
    if keras.backend.backend() == "jax":
        return {}
    readers: dict[Slot, list[Step]] = {}
    for step in program.steps:
        for slot in step.inputs():
            readers.setdefault(slot, []).append(step)
    called: dict[int, list[LayerCall]] = {}
    for call in examination.calls:
        called.setdefault(id(call.step), []).append(call)
    level_of = {slot: examination.level_of[id(step)] for step in program.steps for slot in step.outputs}
    found = {}
    for site, level in zip(examination.sites, examination.levels, strict=True):
        dropout = examination.random_steps[level - 1]
        if site.kind != DROPOUT or not widens_itself(dropout.operation):
            continue
        between: list[Step] = []
        reader = _only_reader(dropout, readers, program)
        while reader is not None and _keeps_order(reader, called):
            between.append(reader)
            reader = _only_reader(reader, readers, program)
        (read,) = dropout.inputs()
        if reader is not None and _is_plain_dense(reader, called) and read not in examination.masked:
            shape = called[id(dropout)][0].input_shape
            found[site.number] = ThinnedDense(
                dropout, tuple(between), reader, site.rate, shape, level_of.get(read, 0)
            )
    return found


def _only_reader(step: Step, readers: Mapping[Slot, list[Step]], program: Program) -> Step | None:
    """The step that alone reads what a step returns, or None."""
    (slot,) = step.outputs
    reading = readers.get(slot, [])
    return reading[0] if len(reading) == 1 and slot not in program.outputs else None


def _keeps_order(step: Step, called: Mapping[int, list[LayerCall]]) -> bool:
    """Whether a step only gives its numbers another shape."""
    layer = step.operation
    if type(layer) is keras.layers.Flatten:
        return layer.data_format == "channels_last" or len(called[id(step)][0].input_shape) < 2
    return type(layer) is keras.layers.Reshape


def _is_plain_dense(step: Step, called: Mapping[int, list[LayerCall]]) -> bool:
    """Whether a step is a large dense layer in float32 of rows without further axes."""
    layer = step.operation
    if type(layer) is not keras.layers.Dense or layer.dtype_policy != keras.DTypePolicy("float32"):
        return False
    flat = len(called[id(step)][0].input_shape) == 1
    adapted = layer.lora_enabled or getattr(layer, "quantization_mode", None) is not None
    return flat and not adapted and int(np.prod(layer.kernel.shape)) >= WORTHWHILE
