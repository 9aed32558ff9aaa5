"""Dense layers behind a dropout layer, without a thinned copy of their inputs for every mask.

A large kernel K is multiplied by what is dropped. Over a balanced group of r masks of rate p each unit is
dropped in exactly p·r of them. With d_t the product of K with what mask t drops, K x is therefore
Σ d_t / (p·r), and what mask t keeps gives (K x − d_t) / (1 − p). The r products over dropped units cost as
much as p·r over all units: one for the usual balanced group, in the place of r.

A kernel with few outputs takes the masks into itself, K m_t / (1 − p) for each, once for many rows: as many
products, but their inputs stay as they are. Sums are in float32 both ways.
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

Array = NDArray[Any]
Tensor = Any


class Dropped(NamedTuple):
    """What balanced masks drop: for each of P folded passes r masks, of D units at most.

    Attributes:
        units: (P, r, D) their numbers, filled up with any.
        weights: (P, r, D, outputs) their rows of the kernel, 0 where filled up.
    """

    units: Tensor
    weights: Tensor

    @property
    def width(self) -> int:
        """Passes that come out."""
        return int(self.units.shape[0] * self.units.shape[1])


class Folded(NamedTuple):
    """The kernel as masks leave it: for each of P folded passes r masks.

    Attributes:
        weights: (P, units, r, outputs) over 1 − p, 0 where a unit is dropped.
    """

    weights: Tensor

    @property
    def width(self) -> int:
        """Passes that come out."""
        return int(self.weights.shape[0] * self.weights.shape[2])


@dataclass(frozen=True)
class ThinnedDense:
    """A dropout layer and the dense layer that alone reads what it returns.

    Attributes:
        dropout: The step of the first.
        between: Steps between them that only give the numbers another shape.
        dense: The step of the second.
        rate: Probability of dropping a unit.
        draws: Draws for the units of one row; fewer where several units share one.
        shape: Shape of the units for one row.
        before: Level of what the dropout layer gets, 0 for what all passes share.
    """

    dropout: Step
    between: tuple[Step, ...]
    dense: Step
    rate: float
    draws: int
    shape: tuple[int, ...]
    before: int

    def prepared(self, masks: Array, parents: int, rows: int) -> Dropped | Folded | None:
        """The kernel as these masks need it, or None where to thin the inputs is as well.

        Args:
            masks: (W, …) True where a unit is kept.
            parents: Passes folded into what the dropout layer gets; each has W / `parents` masks.
            rows: How many rows will run with them.
        """
        if rows < tuning.MANY_ROWS or len(masks) == parents:
            return None
        units = np.broadcast_to(masks, (len(masks), *self.shape)).reshape(parents, len(masks) // parents, -1)
        if self.is_large:
            return self._dropped(units)
        inputs, outputs = self.dense.operation.kernel.shape
        most = tuning.LARGEST_COPY_OF_A_CELL if self.before else tuning.LARGEST_COPY
        if outputs > tuning.FEW_OUTPUTS * min(inputs, rows) or units.size * outputs > most or self.rate == 1:
            return None
        kept = np.swapaxes(units, 1, 2)[..., None].astype(np.float32) / np.float32(1 - self.rate)
        return Folded(ops.convert_to_tensor(kept) * ops.expand_dims(self.dense.operation.kernel, 1))

    @property
    def is_large(self) -> bool:
        """Whether the kernel is so large that what is dropped should be picked out of it."""
        return int(np.prod(self.dense.operation.kernel.shape)) >= tuning.WORTHWHILE

    def _dropped(self, kept: Array) -> Dropped | None:
        """What masks (P, r, units) drop, if they are balanced and picking units pays.

        Not on JAX: what XLA makes of picked units takes twice as long as all products (0.9 to 1.8 ms a row
        of the question's CNN on 2 CPU cores).
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
        most = min(
            count, int(self.rate * count + tuning.DEVIATIONS * deviation) + 1
        )  # the same for all masks
        if (dropped.sum(axis=1, dtype=np.int32) != times).any() or counts.max() > most:
            return None
        there = np.arange(most) < counts[..., None]
        units = np.zeros(there.shape, dtype=np.int32)
        units[there] = np.nonzero(dropped)[2]
        # Where filled up, the numbers are those of any unit and the weights 0.
        weights = ops.take(self.dense.operation.kernel, ops.convert_to_tensor(units), axis=0)
        weights = weights * ops.convert_to_tensor(there[..., None].astype(np.float32))
        return Dropped(ops.convert_to_tensor(units), weights)

    def __call__(self, inputs: Tensor, prepared: Dropped | Folded) -> Tensor:
        """What the dense layer makes of its thinned inputs.

        Args:
            inputs: (P × n, …), before they are thinned.
            prepared: As from `prepared`.

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
    """Whether a step is a dense layer in float32 of rows without further axes."""
    layer = step.operation
    if type(layer) is not keras.layers.Dense or layer.dtype_policy != keras.DTypePolicy("float32"):
        return False
    flat = len(called[id(step)][0].input_shape) == 1
    adapted = layer.lora_enabled or getattr(layer, "quantization_mode", None) is not None
    return flat and not adapted
