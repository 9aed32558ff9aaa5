"""Replacements for Keras's random draws: no draws, recorded draws, or given masks.

NoDraws     plain prediction: dropout does nothing, noise is its mean
MeanDraws   draws are replaced by the middle of their distribution, so that a layer's other draws show
Recording   as NoDraws; each draw is recorded as a random op
Masked      the masks of each random op, one after the other
"""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from howsure.adapters.keras import private
from howsure.adapters.keras.switch import is_random, kind_of, rate_of
from howsure.adapters.source_lines import innermost_of_a_user
from howsure.random_ops import (
    ALPHA_DROPOUT,
    DRAWN,
    DROPOUT,
    GAUSSIAN_DROPOUT,
    GAUSSIAN_NOISE,
    NORMAL,
    UNIFORM,
    RandomOp,
    is_noise,
)

Tensor = Any
Layer = Any


AUGMENTS = "one number for each row, which changes the inputs, as augmentation does"
ADDS_NOISE = "adds noise to the inputs, which is random with MCDropout(gaussian_noise=True)"

ROWS_NOT_FIRST = "on a tensor whose first side is not the rows alone: give all else a side of its own"


class NoDraws:
    """No dropout and no noise: dropout returns its inputs, noise its mean. Other numbers are still drawn."""

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs

    def dropout(self, inputs: Tensor, rate: Any, noise_shape: Any, original: Callable[[], Tensor]) -> Tensor:
        """Return the inputs."""
        return inputs

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Return the mean of noise; draw other numbers as usual."""
        numbers = _Numbers.of(function, arguments)
        if numbers is None or not is_noise(numbers.kind):
            return original()
        return ops.broadcast_to(ops.cast(numbers.least, numbers.dtype), arguments["shape"])


class MeanDraws(NoDraws):
    """No draws at random ops that accept masks: the middle of the distribution replaces them."""

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Return the middle of a random op's numbers; draw numbers that accept no masks."""
        numbers = _Numbers.of(function, arguments)
        if numbers is None:
            return original()
        middle = 1.0 if numbers.kind == DROPOUT else DRAWN[numbers.kind].quantile(0.5, numbers.rate)
        return numbers.scaled(ops.full(arguments["shape"], middle, "float32"))


@dataclass(frozen=True)
class _Numbers:
    """Random numbers of a random op that accept masks: `least + scale × mask`."""

    kind: str
    rate: float
    least: Any
    scale: Any
    dtype: str

    @classmethod
    def of(cls, function: str, arguments: dict[str, Any]) -> _Numbers | None:
        """The numbers of a function of `keras.random`, or None if it accepts no masks."""
        dtype = _dtype(arguments)
        if function == "uniform":
            least, most = arguments["minval"], arguments["maxval"]
            return cls(UNIFORM, 1.0, least, most - least, dtype)
        if function == "normal":
            return cls(NORMAL, 1.0, arguments["mean"], arguments["stddev"], dtype)
        if function == "binomial":
            keep = _number(arguments["probabilities"])
            if _number(arguments["counts"]) == 1 and keep is not None and 0 <= keep < 1:
                return cls(DROPOUT, 1 - keep, 0.0, 1.0, dtype)
        return None

    def scaled(self, mask: Tensor) -> Tensor:
        """The numbers for a mask."""
        return ops.cast(ops.cast(mask, "float32") * self.scale + self.least, self.dtype)


def _dtype(arguments: dict[str, Any]) -> str:
    return str(keras.backend.standardize_dtype(arguments.get("dtype") or keras.config.floatx()))


def _number(value: Any) -> float | None:
    """A number that is known before a model runs, or None."""
    return float(value) if isinstance(value, (int, float, np.number)) else None


class Recording(NoDraws):
    """Records draws, which change nothing.

    Attributes:
        random_ops: Draws that accept masks, in order.
        leading: For each random op the first side of the drawn tensor; None for a layer of Keras's own.
        stack: The layers being called, outermost first.
        on_path: Identities of all layers in whose calls a random op was drawn.
        without_masks: Draws that accept no masks: the layer, and a description.
        with_numbers: Identities of all layers in whose calls numbers were drawn for further computation.
        computed: True once a layer with weights has had a part in what is computed.

    Args:
        names: Path of every layer and of the model, by identity.
        rows: Number of rows.
        gaussian_noise: True makes `GaussianNoise` random.
        off: Identities of layers that stay fixed, as in predicting.
    """

    def __init__(
        self,
        names: dict[int, str],
        rows: int,
        gaussian_noise: bool,
        off: Collection[int] = (),
    ) -> None:
        self._names, self._rows, self._gaussian_noise, self._off = names, rows, gaussian_noise, off
        self._model = list(names)[-1]  # the last name is that of the model
        self.random_ops: list[RandomOp] = []
        self.leading: list[int | None] = []
        self.stack: list[Layer] = []
        self.on_path: set[int] = set()
        self.without_masks: list[tuple[Layer, str]] = []
        self.with_numbers: set[int] = set()
        self.computed = False
        self._calls: Counter[int] = Counter()
        self._drawn: Counter[str] = Counter()
        self._own: list[list[int]] = []
        self._outside: Any = None

    def begin(self) -> None:
        """Remember where a run begins, so that loops inside it are recognised."""
        self._outside = private.place_in_a_trace()

    @contextlib.contextmanager
    def undone_by_errors(self) -> Iterator[None]:
        """Forget what was recorded in this scope if it ends in an error."""
        noted = {
            name: record for name, record in vars(self).items() if isinstance(record, (list, set, Counter))
        }
        before = {name: copy.copy(record) for name, record in noted.items()}
        try:
            yield
        except Exception:
            vars(self).update(before)
            raise

    @contextlib.contextmanager
    def call_of(self, layer: Layer) -> Iterator[list[int]]:
        """Around the call of a layer; yields the numbers of the random ops that it draws itself."""
        self._calls[id(layer)] += 1
        self.computed = self.computed or private.has_weights_of_its_own(layer)
        self.stack.append(layer)
        self._own.append([])
        try:
            yield self._own[-1]
        finally:
            self.stack.pop()
            self._own.pop()

    def op(self, number: int, whole: bool) -> RandomOp:
        """A random op. Drawn once for all rows (`whole`), its mask has all sides of the drawn tensor."""
        op, leading = self.random_ops[number], self.leading[number]
        return replace(op, shape=(leading, *op.shape)) if whole and leading is not None else op

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Record the call of one of Keras's own random layers."""
        if id(layer) in self._off or not is_random(layer, self._gaussian_noise):
            return inputs
        kind, rate = kind_of(layer), rate_of(layer)
        assert kind is not None
        if rate == 1 and kind in (ALPHA_DROPOUT, GAUSSIAN_DROPOUT):
            path = self._names.get(id(layer), layer.name)
            raise private.error_in_a_call(
                f"The {type(layer).__name__} layer '{path}' has rate 1, where its noise is infinite",
                expected="a rate below 1",
                received=rate,
            )
        if inputs.shape[0] not in (None, self._rows):  # None if only a run would show it, as for texts
            self.without_masks.append((layer, f"{type(layer).__name__} {ROWS_NOT_FIRST}"))
        elif self._reached(type(layer).__name__):
            self._note(kind, rate, mask_shape(layer, inputs), None)
        return inputs

    def dropout(self, inputs: Tensor, rate: Any, noise_shape: Any, original: Callable[[], Tensor]) -> Tensor:
        """Record a draw of `keras.random.dropout`."""
        fixed_rate = _number(rate)
        if fixed_rate == 0:
            return inputs
        units = tuple(inputs.shape)
        shape = units if noise_shape is None else tuple(noise_shape)
        if len(shape) == len(units):
            shape = tuple(unit if side is None else side for side, unit in zip(shape, units, strict=True))
        if fixed_rate is None or len(shape) != len(units) or not all(isinstance(side, int) for side in shape):
            self._leave("keras.random.dropout", "at a rate or of a shape that is computed")
        elif self._reached("keras.random.dropout"):
            first, *sides = shape
            if first == 1 and units[0] == self._rows:
                first = self._rows  # one mask for all rows, which masks here are anyway
            self._note(DROPOUT, fixed_rate, tuple(sides), first)
        return inputs

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Record a draw of numbers."""
        what = f"keras.random.{function}"
        if function == "categorical":
            *rows, _ = arguments["logits"].shape
            arguments = {**arguments, "shape": (*rows, arguments["num_samples"])}
        numbers, shape = _Numbers.of(function, arguments), tuple(arguments.get("shape", ()))
        if numbers is None or not all(isinstance(side, int) for side in shape):
            self._leave(what, "for which no masks can be given")
        elif numbers.rate > 0 and self._reached(what):
            first, *sides = shape or (1,)
            if self._changes_inputs(numbers.kind, sides):
                self._leave(what, ADDS_NOISE if is_noise(numbers.kind) else AUGMENTS)
            else:
                self._note(numbers.kind, numbers.rate, tuple(sides), first)
                if not is_noise(numbers.kind):
                    self.with_numbers.update(map(id, self.stack))
        return arguments["x"] if function == "shuffle" else ops.zeros(shape, _dtype(arguments))

    def _changes_inputs(self, kind: str, sides: Sequence[int]) -> bool:
        """True if numbers change the inputs of the model: noise, or at most one number for each row."""
        layer = self.stack[-1]
        own = id(layer) != self._model and bool(layer.weights)
        if self.computed or own or not private.takes_training(layer):
            return False
        return not self._gaussian_noise if is_noise(kind) else all(side == 1 for side in sides)

    def _reached(self, what: str) -> bool:
        """True if a draw happens once in a pass; False inside a loop that is traced once and run often."""
        if private.place_in_a_trace() is self._outside:
            return True
        self._leave(what, "in a loop, a new one in every turn")
        return False

    def _leave(self, what: str, why: str) -> None:
        line = innermost_of_a_user((frame.filename, frame.lineno) for frame in inspect.stack(context=0))
        self.without_masks.append((self.stack[-1], f"{what}{f' ({line})' if line else ''}, {why}"))

    def _note(self, kind: str, rate: float, shape: tuple[int, ...], leading: int | None) -> None:
        layer = self.stack[-1]
        if id(layer) in self._off:
            raise private.error_in_a_call(
                f"Layer '{self._names[id(layer)]}' draws in its own call, so it cannot be kept off",
                expected="Dropout, or another random layer of Keras's own, in `keep_off`",
            )
        name = self._names[id(layer)] + ("" if (call := self._calls[id(layer)]) == 1 else f"#{call}")
        self._drawn[name] += 1
        if self._drawn[name] > 1:
            name += f":{self._drawn[name]}"
        self.on_path.update(map(id, self.stack))
        self._own[-1].append(len(self.random_ops))
        sides = tuple(side if side is None else int(side) for side in shape)
        self.random_ops.append(RandomOp(len(self.random_ops), name, kind, rate, sides))
        self.leading.append(leading)


class Masked:
    """Applies given masks, one after the other, to passes that are folded into the batch axis.

    Attributes:
        width: Passes folded into the next layer's input: as many as its mask has, or a divisor of that
            number; then each is repeated.

    Args:
        random_ops: The draws to come, as recorded.
        masks: For each random op (W, *op.shape), as from `howsure.sampling.masks.draw`. The first axis of the
            layer's result holds W folded passes, pass-major.
        whole: Numbers of the random ops whose masks have all sides of the drawn tensor, without a batch axis.
        gaussian_noise: True makes `GaussianNoise` random.
        off: Identities of layers that stay fixed, as in predicting.
    """

    def __init__(
        self,
        random_ops: Sequence[RandomOp],
        masks: Sequence[Tensor],
        whole: Collection[int],
        gaussian_noise: bool,
        off: Collection[int] = (),
    ) -> None:
        self._random_ops, self._masks, self._whole = random_ops, masks, whole
        self._gaussian_noise, self._off = gaussian_noise, off
        self._next = 0
        self.width: int | None = None

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Apply the next mask."""
        if id(layer) in self._off or not is_random(layer, self._gaussian_noise):
            return inputs
        kind = kind_of(layer)
        op, mask = self._take(kind, mask_shape(layer, inputs), f"The random layer '{layer.name}'")
        return self._applied(op, mask, inputs, self.width or mask.shape[0])

    def dropout(self, inputs: Tensor, rate: Any, noise_shape: Any, original: Callable[[], Tensor]) -> Tensor:
        """Apply the next mask to the inputs of dropout."""
        if rate == 0:
            return inputs
        op, mask = self._take(DROPOUT, None, "keras.random.dropout")
        if op.number in self._whole:
            scale = 0.0 if op.rate == 1 else 1 / (1 - op.rate)
            return inputs * ops.cast(ops.reshape(mask, mask.shape[1:]), inputs.dtype) * scale
        return self._applied(op, mask, inputs, mask.shape[0])

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Return the numbers for the next mask."""
        numbers = _Numbers.of(function, arguments)
        if numbers is None or numbers.rate == 0:
            return original()
        op, mask = self._take(numbers.kind, None, f"keras.random.{function}")
        shape = tuple(arguments["shape"])
        if op.number not in self._whole:
            rows = shape[0] // mask.shape[0]
            mask = ops.repeat(mask, rows, axis=0)
        return numbers.scaled(ops.reshape(mask, shape))

    def _take(self, kind: str | None, shape: tuple[int, ...] | None, what: str) -> tuple[RandomOp, Tensor]:
        op = self._random_ops[self._next] if self._next < len(self._random_ops) else None
        if op is None or op.kind != kind or (shape is not None and op.shape != shape):
            raise private.error_in_a_call(
                f"{what} was called differently than before",
                expected="the same calls in every pass, on tensors whose first axis is the rows"
                + ("" if op is None else f" ({op.name}: {op.shape})"),
                received=f"{kind} with a mask of shape {shape}",
            )
        self._next += 1
        return op, self._masks[self._next - 1]

    def _applied(self, op: RandomOp, mask: Tensor, inputs: Tensor, width: int) -> Tensor:
        units = inputs.shape[1:]
        folded = ops.reshape(inputs, (width, 1, -1, *units))
        outputs = _transform(op, folded, ops.reshape(mask, (width, -1, 1, *mask.shape[1:])))
        return ops.reshape(outputs, (-1, *units))


def mask_shape(layer: Layer, inputs: Tensor) -> tuple[int, ...]:
    """Shape of a layer's mask for one row, with 1 on axes along which the mask is shared.

    Raises:
        ModelError: A `noise_shape` in which the batch entry is neither None nor 1.
    """
    units = tuple(inputs.shape[1:])
    noise_shape: Any = private.noise_shape(layer, inputs)
    if noise_shape is None:
        noise_shape = getattr(layer, "noise_shape", None)
        if noise_shape is None:
            return units
        if len(noise_shape) != len(units) + 1 or noise_shape[0] not in (None, 1):
            raise private.error_in_a_call(
                f"Layer '{layer.name}' has a noise_shape that howsure cannot follow",
                expected=f"{len(units) + 1} entries, the first None or 1, as masks are shared by all rows",
                received=tuple(noise_shape),
            )
    return tuple(
        unit if side is None else int(side) for side, unit in zip(noise_shape[1:], units, strict=True)
    )


def _transform(op: RandomOp, inputs: Tensor, mask: Tensor) -> Tensor:
    """`inputs` (W', 1, n, …) with masks (W', r, 1, …) applied, as (W', r, n, …)."""
    dtype = inputs.dtype
    if op.kind == DROPOUT:
        scale = 0.0 if op.rate == 1 else 1 / (1 - op.rate)
        if keras.backend.standardize_dtype(dtype) in ("float32", "float64") or _is_exact(scale, dtype):
            return inputs * (ops.cast(mask, dtype) * scale)
        # Rounding the scale would shift all numbers alike, so the scale is applied in float32.
        return ops.cast(ops.cast(inputs, "float32") * scale, dtype) * ops.cast(mask, dtype)
    mask = ops.cast(mask, dtype)
    if op.kind == GAUSSIAN_DROPOUT:
        return inputs * mask
    if op.kind == GAUSSIAN_NOISE:
        return inputs + mask
    # Klambauer et al. (2017), eq. 8 and 9: dropped units become α'; mean and variance stay the same.
    alpha = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
    scale = ((1 - op.rate) * (1 + op.rate * alpha**2)) ** -0.5
    return scale * (inputs * mask + alpha * (1 - mask)) - scale * alpha * op.rate


def _is_exact(scale: float, dtype: Any) -> bool:
    """True if a number is exact in a 16-bit type, judged by bfloat16, the coarser type."""
    return (
        keras.backend.standardize_dtype(dtype) == "bfloat16"
        and not np.float32(scale).view(np.uint32) & 0xFFFF
    )
