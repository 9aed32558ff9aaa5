"""Linear layers behind dropout: multiply only the dropped units.

In a balanced group of r masks of rate p, each unit is dropped in exactly p·r masks. Let d_t be the product of
the kernel K with the units that mask t drops. Then K x = Σ d_t / (p·r), and the thinned result for mask t is
(K x − d_t) / (1 − p). The r products over dropped units cost as much as p·r full products: one instead of
five for a group of five masks of rate 0.2. No thinned copies of the inputs are made (docs/decisions/0007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from howsure import tuning
from howsure.models.torch.levels import MADE
from howsure.models.torch.recorded import Axis, Slot
from howsure.models.torch.steps import Runner, Sizes, Step
from howsure.models.torch.tracer import is_view

aten = torch.ops.aten


@dataclass(frozen=True, eq=False)
class ThinnedLinear:
    """A product with masks, and the linear layer that alone reads its result.

    Attributes:
        steps: The product, steps that only reshape, and the layer.
        given: The values that are thinned.
        mask: The masks; 1 / (1 − p) for a kept unit.
        bias: Bias of the layer.
        weight: Kernel of the layer, transposed.
        kept: Cached kernel in the form from which dropped units are picked.
    """

    steps: tuple[Step, ...]
    given: Slot
    mask: Slot
    bias: Slot | Tensor
    weight: Slot | Tensor
    kept: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    @property
    def layer(self) -> Step:
        """Step of the layer."""
        return self.steps[-1]

    @property
    def output(self) -> Slot:
        """Slot of the layer's result."""
        (slot,) = self.layer.call.outputs
        assert slot is not None
        return slot

    def prepared(
        self, masks: Tensor, weight: Tensor, bias: Tensor, parents: int, rows: int
    ) -> Dropped | None:
        """The kernel prepared for these masks; None if thinning the inputs is as fast.

        Args:
            masks: (W, …) as the run makes them.
            weight: (units, outputs).
            bias: (outputs,).
            parents: Passes folded into the thinned values; each has W / `parents` masks.
            rows: Number of rows that will run with these masks.
        """
        of_each = len(masks) // parents
        if rows < tuning.MANY_ROWS or of_each == 1 or masks.numel() != len(masks) * len(weight):
            return None
        scaled = masks.reshape(parents, of_each, -1)
        dropped, factor = scaled == 0, float(scaled.max())
        times = dropped.sum(1, dtype=torch.int32)
        count, counts = int(times[0, 0]), dropped.sum(2, dtype=torch.int32)
        most = int(counts.max())
        even = bool((times == count).all()) and bool((dropped | (scaled == factor)).all())
        if (
            not even
            or not 0 < count <= of_each / 2
            or len(masks) * most * weight.shape[1] > tuning.LARGEST_COPY
        ):
            return None
        # Every mask gets the same number of units, padded with a unit of weight 0.
        there = torch.arange(most, device=masks.device) < counts[..., None]
        units = torch.zeros(there.shape, dtype=torch.int64, device=masks.device)
        units[there] = dropped.nonzero()[:, 2]
        picked = self._rows_of(weight).index_select(0, torch.where(there, units, len(weight)).flatten())
        weights = picked.reshape(*units.shape, -1)
        return Dropped(self, units.flatten(1), weights, bias, factor, count, {})

    def _rows_of(self, weight: Tensor) -> Tensor:
        """The kernel (units, outputs) with a row of zeros at its end, cached until it changes."""
        key = (weight.data_ptr(), weight._version)
        if key not in self.kept:
            self.kept.clear()
            self.kept[key] = torch.cat([weight, weight.new_zeros(1, weight.shape[1])])
        return self.kept[key]


@dataclass(frozen=True, eq=False)
class Dropped:
    """Units that balanced masks drop: for each of P folded passes r masks, with at most D units each.

    Attributes:
        of: The layer.
        units: (P, r · D) numbers of the dropped units.
        weights: (P, r, D, outputs) their rows of the kernel.
        bias: (outputs,).
        factor: 1 / (1 − p).
        times: How often a unit is dropped in a group, p · r.
        cast: The weights by type of number; outputs first, which is faster.
    """

    of: ThinnedLinear
    units: Tensor
    weights: Tensor
    bias: Tensor
    factor: float
    times: int
    cast: dict[torch.dtype, Tensor]

    def __call__(self, values: Mapping[Slot, Tensor], sizes: Sizes) -> Tensor:
        """Result (P · r · n, outputs) of the layer, pass-major."""
        parents, of_each, most, outputs = self.weights.shape
        given = values[self.of.given]
        if given.dtype not in self.cast:
            self.cast[given.dtype] = self.weights.to(given.dtype).transpose(2, 3).contiguous()
        weights = self.cast[given.dtype]
        last = given.dim() == 4 and given.is_contiguous(memory_format=torch.channels_last)
        # Units are numbered in memory order, so that one copy moves the rows to the last axis.
        rows = (given.movedim(1, -1) if last else given).reshape(parents, sizes.rows, -1)
        numbers = self._channels_last(given.shape[1:]) if last else self.units
        found = []
        for parent in range(parents):
            units = rows[parent].t().contiguous().index_select(0, numbers[parent])
            products = torch.bmm(weights[parent], units.reshape(of_each, most, -1)).float()
            total = products.sum(0) / self.times
            found.append(((total - products) * self.factor).transpose(1, 2) + self.bias)
        return torch.stack(found).reshape(-1, outputs)

    def _channels_last(self, shape: torch.Size) -> Tensor:
        """The numbers of the units in a channels-last layout; channels are the first axis of a row."""
        channels, places = shape[0], shape[1:].numel()
        return self.units % places * channels + self.units // places


class WrittenDown(Dropped):
    """The same for an exported graph: ONNX Runtime gathers single numbers as fast for one row as for many."""

    def __call__(self, values: Mapping[Slot, Tensor], sizes: Sizes) -> Tensor:
        """Result (P · r · n, outputs) of the layer, pass-major."""
        parents, of_each, most, outputs = self.weights.shape
        rows = values[self.of.given].reshape(parents, sizes.rows, -1)
        numbers = self.units[:, None].expand(parents, sizes.rows, of_each * most)
        picked = rows.gather(2, numbers).reshape(parents, sizes.rows, of_each, most)
        products = picked.transpose(1, 2) @ self.weights
        total = products.sum(1, keepdim=True) / self.times
        return ((total - products) * self.factor + self.bias).reshape(-1, outputs)


def thinned_linears(runner: Runner, steps: Sequence[Step], output: Slot) -> list[ThinnedLinear]:
    """The large linear layers behind dropout.

    Args:
        runner: Runner of the program.
        steps: Steps that passes repeat, in order.
        output: Slot of the program's output.
    """
    readers: dict[Slot, list[Step]] = {}
    for step in steps:
        for slot in step.call.reads:
            readers.setdefault(slot, []).append(step)
    found = []
    for step in steps:
        if step.op is aten.mul.Tensor and step.spread is not None:
            linear = _linear(runner, _chain(step, readers, output))
            if linear is not None:
                found.append(linear)
    return found


def _chain(step: Step, readers: Mapping[Slot, Sequence[Step]], output: Slot) -> list[Step]:
    """A step, the reshaping steps after it, and the step that reads these; each is the only reader."""
    chain = [step]
    while len(chain) == 1 or is_view(chain[-1].op):
        (slot, *_) = chain[-1].call.outputs
        reading = readers.get(slot, []) if slot is not None and slot != output else []
        if len(reading) != 1:
            break
        chain.append(reading[0])
    return chain


def _linear(runner: Runner, chain: Sequence[Step]) -> ThinnedLinear | None:
    first, *between, layer = chain if len(chain) > 1 else (*chain, *chain)
    reads, values = first.call.reads, runner.program.values
    if (
        layer.op is not aten.addmm.default
        or len(layer.call.args) != 3
        or layer.call.kwargs
        or len(reads) != 2
    ):
        return None
    bias, given, weight = layer.call.args
    before = between[-1] if between else first
    thinned, mask = sorted(reads, key=lambda slot: runner.drawn[slot])
    steady = all(not isinstance(one, Slot) or runner.level[one] == MADE for one in (bias, weight))
    (output,) = layer.call.outputs
    fits = (
        steady
        and before.call.outputs == (given,)
        and runner.drawn[mask]
        and not runner.drawn[thinned]
        and runner.level[mask] == first.level == layer.level > runner.level[thinned]
        and values[thinned].axis == values[mask].axis == Axis(0)
        and values[thinned].dtype == torch.float32
        and values[thinned].shape == values[mask].shape
    )
    if not fits or output is None:
        return None
    size = values[thinned].size * values[output].size
    return ThinnedLinear(tuple(chain), thinned, mask, bias, weight) if size >= tuning.WORTHWHILE else None
