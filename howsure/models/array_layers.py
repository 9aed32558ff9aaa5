"""Networks in numpy: the layers that a caller combines, and the steps that `howsure.models.arrays` runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from howsure.errors import ModelError
from howsure.sites import ALPHA_DROPOUT, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE, Site

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
MOST = {DROPOUT: 1.0, ALPHA_DROPOUT: 0.999, GAUSSIAN_DROPOUT: 0.999, GAUSSIAN_NOISE: math.inf}
"""Largest rate of each kind. At a rate of 1 the noise of two kinds would be infinite."""


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
        weights, bias = np.array(self.weights, np.float64), np.array(self.bias, np.float64)
        if weights.ndim != 2 or bias.shape not in ((), weights.shape[1:]):
            raise refused("A Dense layer", "weights (F, K) and bias (K,)", [weights.shape, bias.shape])
        if self.activation not in ACTIVATIONS:
            raise refused("The activation of a Dense layer", ", ".join(ACTIVATIONS), repr(self.activation))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)

    def shape(self, *given: Shape) -> Shape | None:
        """Shape of the output for one row; None if the layer cannot take this input."""
        fits = len(given) == 1 and given[0][-1:] == self.weights.shape[:1]
        return (*given[0][:-1], self.weights.shape[1]) if fits else None

    def linear(self, values: Floats) -> Floats:
        """Output (…, K) before the activation, from values (…, F)."""
        return np.asarray(values @ self.weights + self.bias)

    def run(self, values: Floats) -> Floats:
        """Output (…, K) from values (…, F)."""
        return ACTIVATIONS[self.activation](self.linear(values))


@dataclass(frozen=True)
class Dropout:
    """A random layer; without a mask it changes nothing. Each call of it is a separate site.

    Attributes:
        rate: Probability of dropping a unit, in [0, 1]; for kinds other than `dropout` at most 0.999. For
            `gaussian noise` the standard deviation, without a limit.
        kind: `dropout`, `alpha dropout`, `gaussian dropout` or `gaussian noise`.
        mask_shape: Shape of the mask for one row, with 1 on axes along which it is shared; None for a
            separate mask entry for each unit.
    """

    rate: float
    kind: str = DROPOUT
    mask_shape: Shape | None = None

    def __post_init__(self) -> None:
        if self.kind not in MOST:
            raise refused("The kind of a Dropout layer", ", ".join(MOST), repr(self.kind))
        if not 0 <= self.rate <= MOST[self.kind]:
            raise refused(f"The rate of {self.kind}", f"a number from 0 to {MOST[self.kind]}", self.rate)

    def shape(self, *given: Shape) -> Shape | None:
        """Shape of the output for one row; None if the layer cannot take this input."""
        mask = given[0] if self.mask_shape is None else self.mask_shape
        fits = len(given) == 1 and len(mask) == len(given[0])
        fits = fits and all(one in (1, side) for one, side in zip(mask, given[0], strict=True))
        return given[0] if fits else None

    def run(self, values: Floats) -> Floats:
        """The values, unchanged."""
        return values


@dataclass(frozen=True)
class Add:
    """The sum of values of the same shape."""

    def shape(self, *given: Shape) -> Shape | None:
        """Shape of the output for one row; None if the layer cannot take these inputs."""
        return given[0] if len(set(given)) == 1 else None

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
        given: Shapes of the input values, for one row.
        shape: Shape of the output, for one row.
        level: Number of the last site that it depends on, from 1; 0 for none.
        site: Its random draw, or None for a fixed layer.
    """

    name: str
    layer: Layer
    reads: tuple[str, ...]
    given: tuple[Shape, ...]
    shape: Shape
    level: int
    site: Site | None

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one call for one row, without bias and activation."""
        return math.prod(self.shape) * len(self.layer.weights) if isinstance(self.layer, Dense) else 0


def steps_of(network: Network, inputs: Mapping[str, Shape], gaussian_noise: bool) -> tuple[ArrayStep, ...]:
    """The steps of a network and of the networks nested in it, with shapes, levels and sites.

    Args:
        network: The network that the caller described.
        inputs: Shape of each input, for one row.
        gaussian_noise: True makes `gaussian noise` random.

    Raises:
        ModelError: Steps do not fit together.
    """
    shapes, levels = dict(inputs), dict.fromkeys(inputs, 0)
    steps: list[ArrayStep] = []
    sites = 0
    for name, layer, reads in _flat(network, list(inputs)):
        given = tuple(shapes[one] for one in reads)
        shape = layer.shape(*given)
        if shape is None:
            raise refused(f"Step '{name}'", f"values that {type(layer).__name__} can take", given)
        level, site = max(levels[one] for one in reads), None
        if isinstance(layer, Dropout) and layer.rate > 0 and (layer.kind != GAUSSIAN_NOISE or gaussian_noise):
            mask_shape = shape if layer.mask_shape is None else layer.mask_shape
            site = Site(sites, name, layer.kind, float(layer.rate), mask_shape)
            level = sites = sites + 1
        shapes[name], levels[name] = shape, level
        steps.append(ArrayStep(name, layer, reads, given, shape, level, site))
    return tuple(steps)


def _flat(
    network: Network, values: Sequence[str], prefix: str = ""
) -> Iterator[tuple[str, Layer, tuple[str, ...]]]:
    """Path, layer and reads of each step of a network with these input values."""
    if len(values) != len(network.inputs) or not network.steps:
        what = f"The network '{prefix}'" if prefix else "A network"
        raise refused(what, f"{len(network.inputs)} inputs and at least one step", list(values))
    known = dict(zip(network.inputs, values, strict=True))
    for name, (layer, *names) in network.steps.items():
        if name in known or not names or not set(names) <= set(known):
            expected = f"a name of its own, and to read some of {', '.join(known)}"
            raise refused(f"Step '{prefix}{name}'", expected, ", ".join(names) or "nothing")
        reads = tuple(known[one] for one in names)
        path = prefix + name
        if isinstance(layer, Network):
            for inner in _flat(layer, reads, f"{path}/"):
                yield inner
                path = inner[0]  # after the loop, the path of the inner output
        else:
            yield path, layer, reads
        known[name] = path


def refused(what: str, expected: str, received: object) -> ModelError:
    """The error for something that cannot be part of a model."""
    return ModelError(f"{what} cannot be used", expected=expected, received=received)
