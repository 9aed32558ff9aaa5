"""Models in plain numpy: the reference implementation, and an example for authors of adapters.

A network is a dict of steps. A step has a name, a layer, and the names of its inputs: model inputs or earlier
steps. The last step makes the output.

    {"hidden": (Dense(w1, b1, "relu"), "x"),
     "drop": (Dropout(0.2), "hidden"),          x ─ hidden ─┬─ drop ─ late ─┬─ sum ─ drop2 ─ output
     "late": (Dense(w2, b2, "tanh"), "drop"),               └───────────────┘
     "sum": (Add(), "hidden", "late"),
     "drop2": (Dropout(0.5), "sum"),            level 0     ┊ level 1              ┊ level 2
     "output": (Dense(w3, b3, "softmax"),       runs once   ┊ W₁ passes            ┊ W₂ passes
                "drop2")}                               trunk

Each call of a random layer is a random op (`drop`, `drop2`) and begins a level. A step belongs to the level
of the last random op that it depends on. The trunk is what level 0 computes and later levels read (here
`hidden`).

Values have passes on the first axis and rows on the second: (W, n, …). If a value with few passes meets one
with many, each of its passes is repeated (`_widened`). Other frameworks use one batch axis; there passes and
rows are folded into it, pass-major. All computation is in float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from howsure import tuning
from howsure.adapters.protocol import ASKED_FOR, LayerInfo, Level, Limits, ModelInfo
from howsure.errors import ModelError
from howsure.inputs.rows import InputSpec
from howsure.random_ops import DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE, RandomOp

Array = NDArray[Any]
Floats = NDArray[np.float64]
Shape = tuple[int, ...]

ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "linear": lambda values: values,
    "relu": lambda values: np.maximum(values, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "softmax": functools.partial(softmax, axis=-1),
}


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear layer over the last axis, with an activation.

    Attributes:
        weights: (F, K).
        bias: (K,), or one number for all.
        activation: `linear`, `relu`, `tanh`, `sigmoid` or `softmax`.
    """

    weights: Array
    bias: Array | float = 0.0
    activation: str = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.array(self.weights, np.float64))
        object.__setattr__(self, "bias", np.array(self.bias, np.float64))

    def shape(self, inputs: Shape) -> Shape:
        """Shape of the output for one row."""
        return (*inputs[:-1], self.weights.shape[1])

    def linear(self, values: Floats) -> Floats:
        """Output (…, K) before the activation, from values (…, F)."""
        return np.asarray(values @ self.weights + self.bias)

    def run(self, values: Floats) -> Floats:
        """Output (…, K) from values (…, F)."""
        return ACTIVATIONS[self.activation](self.linear(values))


@dataclass(frozen=True)
class Dropout:
    """A random layer; without a mask it changes nothing. Each call of it is a separate random op.

    Attributes:
        rate: Probability of dropping a unit, in [0, 1]; for kinds other than `dropout` below 1. For
            `gaussian noise` the standard deviation, without a limit.
        kind: `dropout`, `alpha dropout`, `gaussian dropout` or `gaussian noise`.
        mask_shape: Shape of the mask for one row, with 1 on axes along which it is shared; None for a
            separate mask entry for each unit.
    """

    rate: float
    kind: str = DROPOUT
    mask_shape: Shape | None = None

    def shape(self, inputs: Shape) -> Shape:
        """Shape of the output for one row."""
        return inputs

    def run(self, values: Floats) -> Floats:
        """The values, unchanged."""
        return values


@dataclass(frozen=True)
class Add:
    """The sum of values of the same shape."""

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for one row."""
        return inputs[0]

    def run(self, *values: Floats) -> Floats:
        """The sum of the values."""
        return functools.reduce(np.add, values)


Layer = Dense | Dropout | Add


@dataclass(frozen=True, eq=False)
class Network:
    """A network. Used as a layer in another network, its steps become steps of that network.

    Attributes:
        inputs: Names of the inputs.
        steps: For each step its layer and the names of what it reads (inputs or earlier steps), in order of
            execution. The last step makes the output.
    """

    inputs: tuple[str, ...]
    steps: Mapping[str, tuple[Layer | Network, *tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class ArrayStep:
    """One call of one layer.

    Attributes:
        name: Path of the call: `drop`, or `encoder/drop` in a nested network.
        layer: The layer.
        reads: Names of its input values.
        in_shapes: Shapes of the input values, for one row.
        shape: Shape of the output, for one row.
        level: Number of the last random op that it depends on, from 1; 0 for none.
        op: Its random draw, or None for a fixed layer.
    """

    name: str
    layer: Layer
    reads: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    shape: Shape
    level: int
    op: RandomOp | None

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one call for one row, without bias and activation."""
        return math.prod(self.shape) * len(self.layer.weights) if isinstance(self.layer, Dense) else 0


def steps_of(network: Network, inputs: Mapping[str, Shape], gaussian_noise: bool) -> tuple[ArrayStep, ...]:
    """The steps of a network and of the networks nested in it, with shapes, levels and random ops.

    Args:
        network: The network that the caller described.
        inputs: Shape of each input, for one row.
        gaussian_noise: True makes `gaussian noise` random.
    """
    shapes, levels = dict(inputs), dict.fromkeys(inputs, 0)
    steps: list[ArrayStep] = []
    random_ops = 0
    for name, layer, reads in _flat(network, list(inputs)):
        in_shapes = tuple(shapes[one] for one in reads)
        shape = layer.shape(*in_shapes)
        level, op = max(levels[one] for one in reads), None
        if isinstance(layer, Dropout) and layer.rate > 0 and (layer.kind != GAUSSIAN_NOISE or gaussian_noise):
            mask_shape = shape if layer.mask_shape is None else layer.mask_shape
            op = RandomOp(random_ops, name, layer.kind, float(layer.rate), mask_shape)
            level = random_ops = random_ops + 1
        shapes[name], levels[name] = shape, level
        steps.append(ArrayStep(name, layer, reads, in_shapes, shape, level, op))
    return tuple(steps)


def _flat(
    network: Network, values: Sequence[str], prefix: str = ""
) -> Iterator[tuple[str, Layer, tuple[str, ...]]]:
    """Path, layer and reads of each step of a network with these input values."""
    known = dict(zip(network.inputs, values, strict=True))
    for name, (layer, *names) in network.steps.items():
        reads = tuple(known[one] for one in names)
        path = prefix + name
        if isinstance(layer, Network):
            for inner in _flat(layer, reads, f"{path}/"):
                yield inner
                path = inner[0]  # after the loop, the path of the inner output
        else:
            yield path, layer, reads
        known[name] = path


@dataclass(frozen=True, eq=False)
class ArrayTrunk:
    """The values that all passes over some rows share.

    Attributes:
        values: For each name an array (n, …).
    """

    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def take(self, positions: NDArray[np.int64]) -> ArrayTrunk:
        """The trunk of the rows at these positions; positions may repeat."""
        return ArrayTrunk({name: value[positions] for name, value in self.values.items()})

    def join(self, others: Sequence[ArrayTrunk]) -> ArrayTrunk:
        """This trunk and others as one, in order."""
        trunks = (self, *others)
        return ArrayTrunk(
            {name: np.concatenate([one.values[name] for one in trunks]) for name in self.values}
        )


class ArrayModel:
    """A network in numpy that runs passes and returns its features. It is immutable.

    Args:
        name: Name for messages.
        inputs: Its inputs, each of a fixed shape.
        steps: As in `Network`.
        gaussian_noise: True makes `gaussian noise` random.
        trained_for: `classes`, `labels`, `regression` or None.
        fold: Most numbers in a tensor that holds several passes; 0 means `howsure.tuning.LARGEST_FOLD`, None
            means that passes must run one at a time.
        fixed_batch: The only batch size it accepts, or None for any. If fixed, passes run one at a time.

    Example:
        >>> steps = {"drop": (Dropout(0.5), "x"), "output": (Dense([[1.0], [2.0]]), "drop")}
        >>> model = ArrayModel("sum", [InputSpec("x", (2,), "float32")], steps)
        >>> passes = model.thin([np.array([[True, True], [False, True]])])
        >>> passes(model.trunk([np.ones((1, 2), np.float32)])).ravel().tolist()
        [6.0, 4.0]
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[InputSpec],
        steps: Mapping[str, tuple[Layer | Network, *tuple[str, ...]]],
        *,
        gaussian_noise: bool = False,
        trained_for: str | None = None,
        fold: int | None = 0,
        fixed_batch: int | None = None,
    ) -> None:
        self.name = name
        self._inputs = {spec.name: spec.shape for spec in inputs}
        self._steps = steps_of(Network(tuple(self._inputs), steps), self._inputs, gaussian_noise)
        self._output = self._steps[-1]
        self._shared = tuple(step for step in self._steps if step.level == 0)
        self._repeated = tuple(step for step in self._steps if step.level > 0)
        self._random_ops = tuple(step.op for step in self._steps if step.op is not None)
        self._trunk = self._find_trunk()
        layer = self._output.layer
        largest = fold or tuning.LARGEST_FOLD
        self.info = ModelInfo(
            name=name,
            framework="numpy",
            inputs=tuple(inputs),
            output_shape=self._output.shape,
            output_dtype="float64",
            ending=layer.activation if isinstance(layer, Dense) else None,
            trained_for=trained_for,
            rescales=False,
            layers=tuple(map(_layer_info, self._steps)),
            fixed_batch=fixed_batch,
        )
        self.limits = Limits(
            fold=None if fold is None or fixed_batch is not None else largest,
            trunk=largest,
            trunk_size=sum(map(math.prod, self._trunk.values())),
        )

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, which all passes share, then one level for each random op."""
        costs, sizes = [0] * (len(self._random_ops) + 1), [1] * (len(self._random_ops) + 1)
        for step in self._steps:
            costs[step.level] += step.multiply_adds + tuning.ELEMENTWISE * math.prod(step.shape)
            sizes[step.level] = max(sizes[step.level], *map(math.prod, (*step.in_shapes, step.shape)))
        starts = [(), *((op,) for op in self._random_ops)]
        return tuple(map(Level, starts, (cost / sum(costs) for cost in costs), sizes))

    def predict(self, rows: Sequence[Array]) -> Floats:
        """Raw outputs (n, …) without randomness."""
        values = _run(self._steps, self._read(rows))
        return np.asarray(values[self._output.name][0])

    def trunk(self, rows: Sequence[Array]) -> ArrayTrunk:
        """The part of the computation that all passes over these rows share."""
        values = _run(self._shared, self._read(rows))
        return ArrayTrunk({name: values[name][0] for name in self._trunk})

    def thin(self, masks: Sequence[Array]) -> Callable[[ArrayTrunk], Floats]:
        """The thinned networks: a function from a trunk to outputs (W, n, …); see `PassModel`."""
        effects = {op.name: _effect(op, mask) for op, mask in zip(self._random_ops, masks, strict=True)}
        width = len(masks[-1]) if masks else 1

        def passes(trunk: ArrayTrunk) -> Floats:
            shared = {name: value[np.newaxis] for name, value in trunk.values.items()}
            values = _run(self._repeated, shared, effects)
            return _widened(values[self._output.name], width)

        return passes

    def in_precision(self, precision: str) -> ArrayModel:
        """The model itself, since it has one precision."""
        return self

    def features(self, rows: Sequence[Array]) -> tuple[Floats, Floats]:
        """Input (n, F) of the last layer, and its output (n, K) before the activation.

        Raises:
            ModelError: The last layer is not Dense, or has more than one output for each class.
        """
        last = self._output
        if not isinstance(last.layer, Dense) or len(last.shape) != 1:
            raise ModelError(
                f"The features of model '{self.name}' cannot be read",
                expected="a Dense layer as its last step, one number for each class",
                received=f"{type(last.layer).__name__} '{last.name}' with an output of shape {last.shape}",
            )
        reached = _run(self._steps[:-1], self._read(rows))[last.reads[0]][0]
        return reached, last.layer.linear(reached)

    def weights(self) -> Iterator[Array]:
        """Weights and biases of its layers, in the order of the steps."""
        for step in self._steps:
            if isinstance(step.layer, Dense):
                yield from (step.layer.weights, np.asarray(step.layer.bias))

    def _find_trunk(self) -> dict[str, Shape]:
        """Names and shapes of the level 0 values that later levels or the output read."""
        shapes = self._inputs | {step.name: step.shape for step in self._shared}
        read = [*(name for step in self._repeated for name in step.reads), self._output.name]
        return {name: shapes[name] for name in read if name in shapes}

    def _read(self, rows: Sequence[Array]) -> dict[str, Floats]:
        """The inputs as values (1, n, …)."""
        return {
            name: np.array(array, np.float64)[np.newaxis]
            for name, array in zip(self._inputs, rows, strict=True)
        }


def _run(
    steps: Iterable[ArrayStep],
    values: dict[str, Floats],
    effects: Mapping[str, tuple[Floats, Floats]] = MappingProxyType({}),
) -> dict[str, Floats]:
    """Add the results of steps, each (W, n, …), to the given values. Random ops without effects keep them."""
    for step in steps:
        width = max(len(values[name]) for name in step.reads)
        inputs = [_widened(values[name], width) for name in step.reads]
        if step.name in effects:
            factor, summand = effects[step.name]
            values[step.name] = _widened(inputs[0], len(factor)) * factor + summand
        else:
            values[step.name] = step.layer.run(*inputs)
    return values


def _widened(value: Floats, width: int) -> Floats:
    """A value (W, n, …) as (width, n, …), with each pass repeated."""
    return value if len(value) == width else np.repeat(value, width // len(value), axis=0)


def _effect(op: RandomOp, mask: Array) -> tuple[Floats, Floats]:
    """The effect of masks (W, *op.shape): factor and summand (W, 1, *op.shape), the same for all rows."""
    mask = mask[:, np.newaxis].astype(np.float64)
    if op.kind == DROPOUT:
        return mask * (0.0 if op.rate == 1 else 1 / (1 - op.rate)), np.zeros_like(mask)
    if op.kind == GAUSSIAN_DROPOUT:
        return mask, np.zeros_like(mask)
    if op.kind == GAUSSIAN_NOISE:
        return np.ones_like(mask), mask
    # Klambauer et al. (2017), eq. 8 and 9: dropped units become α'; mean and variance stay the same.
    alpha = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
    scale = ((1 - op.rate) * (1 + op.rate * alpha**2)) ** -0.5
    return scale * mask, scale * alpha * (1 - mask - op.rate)


def _layer_info(step: ArrayStep) -> LayerInfo:
    note = None
    if isinstance(step.layer, Dropout) and step.op is None:
        note = "stays fixed: " + ("its rate is 0" if step.layer.rate == 0 else f"ask for it with {ASKED_FOR}")
    return LayerInfo(
        name=step.name,
        kind=type(step.layer).__name__,
        random=None if step.op is None else step.op.in_words,
        note=note,
        shape=step.shape,
        multiply_adds=step.multiply_adds,
        repeated=step.level > 0,
    )
