"""Dense layers behind dropout, without a thinned copy of their inputs for every mask.

Large kernels: multiply only the dropped units. In a balanced group of r masks of rate p, each unit is dropped
in exactly p·r masks. Let d_t be the product of the kernel K with the units that mask t drops. Then
K x = Σ d_t / (p·r), and the thinned result for mask t is (K x − d_t) / (1 − p). The r products over dropped
units cost as much as p·r full products: one for the usual balanced group, instead of r.

Kernels with few outputs: multiply the masks into the kernel, K m_t / (1 − p), once for many rows. That takes
as many products, but the inputs need no copies. Both ways sum in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from howsure import tuning
from howsure.models.keras.examine import Examination, LayerCall
from howsure.models.keras.graph import Program, Slot, Step
from howsure.models.keras.switch import widens_itself
from howsure.sites import DROPOUT

FEW_OUTPUTS = 1 / 4
"""Outputs for each input, and for each row, up to which it pays to take the masks into the kernel."""

LARGEST_COPY_OF_A_CELL = 1 << 22
"""Numbers of a kernel that may be copied for each mask where several cells have copies of their own."""

DEVIATIONS = 6
"""Standard deviations by which a mask may drop more units than on average."""

Array = NDArray[Any]
Tensor = Any


class Dropped(NamedTuple):
    """Units that balanced masks drop: for each of P folded passes r masks, with at most D units each.

    Attributes:
        units: (P, r, D) numbers of the dropped units, padded with any number.
        weights: (P, r, D, outputs) their rows of the kernel; 0 for padding.
    """

    units: Tensor
    weights: Tensor

    @property
    def width(self) -> int:
        """Number of passes in the result."""
        return int(self.units.shape[0] * self.units.shape[1])


class Folded(NamedTuple):
    """Thinned kernels: for each of P folded passes r masks.

    Attributes:
        weights: (P, units, r, outputs) kernel divided by 1 − p; 0 for dropped units.
    """

    weights: Tensor

    @property
    def width(self) -> int:
        """Number of passes in the result."""
        return int(self.weights.shape[0] * self.weights.shape[2])


@dataclass(frozen=True)
class ThinnedDense:
    """A dropout layer, and the dense layer that alone reads its result.

    Attributes:
        dropout: Step of the dropout layer.
        between: Steps between the two layers, which only reshape.
        dense: Step of the dense layer.
        rate: Probability of dropping a unit.
        draws: Draws for the units of one row; fewer than units if several units share a draw.
        shape: Shape of the units, for one row.
        before: Level of the dropout layer's input; 0 if all passes share it.
    """

    dropout: Step
    between: tuple[Step, ...]
    dense: Step
    rate: float
    draws: int
    shape: tuple[int, ...]
    before: int

    def prepared(self, masks: Array, parents: int, rows: int) -> Dropped | Folded | None:
        """The kernel prepared for these masks; None if thinning the inputs is as fast.

        Args:
            masks: (W, …) True for a kept unit.
            parents: Passes folded into the dropout layer's input; each has W / `parents` masks.
            rows: Number of rows that will run with these masks.
        """
        if rows < tuning.MANY_ROWS or len(masks) == parents:
            return None
        units = np.broadcast_to(masks, (len(masks), *self.shape)).reshape(parents, len(masks) // parents, -1)
        if self.is_large:
            return self._dropped(units)
        inputs, outputs = self.dense.operation.kernel.shape
        most = LARGEST_COPY_OF_A_CELL if self.before else tuning.LARGEST_COPY
        if outputs > FEW_OUTPUTS * min(inputs, rows) or units.size * outputs > most or self.rate == 1:
            return None
        kept = np.swapaxes(units, 1, 2)[..., None].astype(np.float32) / np.float32(1 - self.rate)
        return Folded(ops.convert_to_tensor(kept) * ops.expand_dims(self.dense.operation.kernel, 1))

    @property
    def is_large(self) -> bool:
        """True if the kernel is large enough for multiplying only dropped units to pay."""
        return int(np.prod(self.dense.operation.kernel.shape)) >= tuning.WORTHWHILE

    def _dropped(self, kept: Array) -> Dropped | None:
        """The units that masks (P, r, units) drop; None if masks are not balanced or picking does not pay.

        Not on JAX: XLA takes twice as long for picked units as for all products (0.9 to 1.8 ms a row of the
        question's CNN on 2 CPU cores).
        """
        _, of_each, count = kept.shape
        times = round(self.rate * of_each)
        picked = len(kept) * times * count * self.dense.operation.units
        on_jax = keras.backend.backend() == "jax"
        if on_jax or not 0 < times <= of_each / 2 or picked > tuning.LARGEST_COPY:
            return None
        dropped = ~kept
        counts = dropped.sum(axis=2, dtype=np.int32)
        deviation = count * np.sqrt(self.rate * (1 - self.rate) / self.draws)
        most = min(count, int(self.rate * count + DEVIATIONS * deviation) + 1)  # the same for all masks
        if (dropped.sum(axis=1, dtype=np.int32) != times).any() or counts.max() > most:
            return None
        there = np.arange(most) < counts[..., None]
        units = np.zeros(there.shape, dtype=np.int32)
        units[there] = np.nonzero(dropped)[2]
        # Padding points to any unit, with weight 0.
        weights = ops.take(self.dense.operation.kernel, ops.convert_to_tensor(units), axis=0)
        weights = weights * ops.convert_to_tensor(there[..., None].astype(np.float32))
        return Dropped(ops.convert_to_tensor(units), weights)

    def __call__(self, inputs: Tensor, prepared: Dropped | Folded) -> Tensor:
        """Result of the dense layer for its thinned inputs.

        Args:
            inputs: (P × n, …) inputs before thinning.
            prepared: Result of `prepared`.

        Returns:
            (P × r × n, outputs), pass-major.
        """
        layer = self.dense.operation
        if isinstance(prepared, Dropped):
            products = self._of_dropped(inputs, prepared)
        else:
            products = self._of_folded(inputs, prepared)
        result = ops.reshape(products, (-1, layer.units))
        return layer.activation(result if layer.bias is None else result + layer.bias)

    def _of_dropped(self, inputs: Tensor, dropped: Dropped) -> Tensor:
        parents, of_each, _ = dropped.units.shape
        flat = ops.reshape(inputs, (parents, -1, int(np.prod(self.shape))))
        outputs = []
        for parent in range(parents):
            products = _products(flat[parent], dropped.units[parent], dropped.weights[parent])
            total = ops.sum(products, axis=0, keepdims=True) / round(self.rate * of_each)
            outputs.append((total - products) / (1 - self.rate))
        return ops.concatenate(outputs)

    def _of_folded(self, inputs: Tensor, folded: Folded) -> Tensor:
        parents, units, of_each, outputs = folded.weights.shape
        flat = ops.cast(ops.reshape(inputs, (parents, -1, units)), "float32")
        products = ops.matmul(flat, ops.reshape(folded.weights, (parents, units, of_each * outputs)))
        return ops.transpose(ops.reshape(products, (parents, -1, of_each, outputs)), (0, 2, 1, 3))


def _products(rows: Tensor, units: Tensor, weights: Tensor) -> Tensor:
    """Products (r, n, outputs) of rows (n, units) with the weights (r, D, outputs) of some units (r, D)."""
    if keras.backend.backend() == "tensorflow":  # its `take` is fast only along the first axis
        picked = ops.cast(ops.take(ops.transpose(rows), units, axis=0), "float32")
        return ops.transpose(ops.matmul(ops.transpose(weights, (0, 2, 1)), picked), (0, 2, 1))
    picked = ops.take(ops.cast(rows, "float32"), units, axis=1)
    return ops.stack([ops.matmul(picked[:, mask], weights[mask]) for mask in range(units.shape[0])])


def thinned_dense_layers(program: Program, examination: Examination) -> Mapping[int, ThinnedDense]:
    """The pairs of a dropout layer and the dense layer behind it in a model, by number of the site."""
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
                dropout,
                tuple(between),
                reader,
                site.rate,
                int(np.prod(site.shape)),
                shape,
                level_of.get(read, 0),
            )
    return found


def _only_reader(step: Step, readers: Mapping[Slot, list[Step]], program: Program) -> Step | None:
    """The only step that reads a step's result, or None."""
    (slot,) = step.outputs
    reading = readers.get(slot, [])
    return reading[0] if len(reading) == 1 and slot not in program.outputs else None


def _keeps_order(step: Step, called: Mapping[int, list[LayerCall]]) -> bool:
    """True if a step only reshapes."""
    layer = step.operation
    if type(layer) is keras.layers.Flatten:
        return layer.data_format == "channels_last" or len(called[id(step)][0].input_shape) < 2
    return type(layer) is keras.layers.Reshape


def _is_plain_dense(step: Step, called: Mapping[int, list[LayerCall]]) -> bool:
    """True if a step is a dense layer in float32 on vectors."""
    layer = step.operation
    if type(layer) is not keras.layers.Dense or layer.dtype_policy != keras.DTypePolicy("float32"):
        return False
    flat = len(called[id(step)][0].input_shape) == 1
    adapted = layer.lora_enabled or getattr(layer, "quantization_mode", None) is not None
    return flat and not adapted
