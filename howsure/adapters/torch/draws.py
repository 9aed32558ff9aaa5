"""Intercept every random draw of PyTorch while a module runs, and replace its numbers.

A module draws in many ways: `nn.Dropout`, `F.dropout`, attention, recurrent layers, its own `bernoulli_`. All
of them end in one ATen operation, which a dispatch mode sees. `Draws` asks for the numbers of each draw: the
middle of their distribution, made-up numbers, or the masks of a plan.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from howsure.adapters.torch.classify_draws import MASK, DrawUse
from howsure.adapters.torch.dispatch_mode import DispatchMode
from howsure.errors import ModelError
from howsure.random_ops import DROPOUT, NORMAL, UNIFORM, RandomOp

Tensor = torch.Tensor

_UNIFORM = ("rand", "rand_like", "uniform_", "uniform")
_NORMAL = ("randn", "randn_like", "normal_", "normal", "normal_functional")
_DRAWS_NOTHING_AT_0 = ("dropout_p", "dropout")
_DRAWS_NOTHING_IF_FALSE = ("train", "training")


@dataclass(frozen=True, eq=False)
class Draw:
    """One operation that draws random numbers.

    Attributes:
        function: Its name, such as `bernoulli_`.
        kind: `dropout` if each number is 0 or 1, `normal numbers`, `uniform numbers`; None if its numbers
            cannot be replaced.
        rate: Probability of a 0; 1 for plain numbers.
        shape: Shape of the numbers.
        device: Device of the numbers.
        give: Maps replacement numbers to the operation's result. Numbers before scaling are 0 or 1, of mean 0
            and standard deviation 1, or in [0, 1).
        keeps: True if a number between 0 and 1 may replace a 0 or 1.
        scaled: Scaling that the operation itself applies to plain numbers.
        scaled_by: Mean and standard deviation of normal numbers, if one of them is a tensor.
        generator: The module's own generator for this draw, or None.
    """

    function: str
    kind: str | None
    rate: float
    shape: tuple[int, ...]
    device: torch.device
    give: Callable[[Tensor], Any]
    keeps: bool = True
    scaled: Callable[[Tensor], Tensor] | None = None
    scaled_by: tuple[Tensor | float, Tensor | float] | None = None
    generator: torch.Generator | None = None

    @property
    def adds(self) -> bool:
        """True if normal numbers are noise around a mean tensor that is not constant."""
        mean = 0.0 if self.scaled_by is None else self.scaled_by[0]
        return isinstance(mean, Tensor) and mean.numel() > 0 and bool((mean != mean.flatten()[0]).any())

    @property
    def state(self) -> bytes:
        """State of the generator of this draw, its own or that of the device; it determines the numbers."""
        if self.generator is not None:
            state = self.generator.get_state()
        elif self.device.type == "cuda":
            state = torch.cuda.get_rng_state(self.device)
        else:
            state = torch.get_rng_state()
        return state.numpy().tobytes()

    @property
    def without_tensors(self) -> Draw:
        """Its function, kind, rate and shape alone, to compare other draws with."""
        return Draw(self.function, self.kind, self.rate, self.shape, self.device, _gives_nothing)

    @property
    def middle(self) -> float:
        """The mean of its numbers."""
        return {DROPOUT: 1 - self.rate if self.keeps else 1.0, UNIFORM: 0.5}.get(self.kind or "", 0.0)


def _gives_nothing(values: Tensor) -> Any:
    raise AssertionError("a draw to compare with gives no numbers")


def draw_of(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Draw | None:
    """The draw of an ATen operation; None if it draws nothing, or nothing that could vary."""
    arguments = _arguments(operation, args, kwargs)
    draw = _drawn_of(operation, args, kwargs, arguments)
    return draw and replace(draw, generator=arguments.get("generator"))


def _drawn_of(
    operation: Any, args: Sequence[Any], kwargs: dict[str, Any], arguments: dict[str, Any]
) -> Draw | None:
    name = operation._schema.name.removeprefix("aten::")
    if any(arguments.get(key) == 0 for key in _DRAWS_NOTHING_AT_0):
        return None
    if any(arguments.get(key) is False for key in _DRAWS_NOTHING_IF_FALSE):
        return None
    if name in ("bernoulli", "bernoulli_"):
        return _bernoulli(name, arguments)
    if name == "native_dropout":
        return _native_dropout(arguments["input"], float(arguments["p"]))
    if name in _UNIFORM and "out" not in arguments:
        least, most = arguments.get("from", 0.0), arguments.get("to", 1.0)
        return _numbers(name, UNIFORM, arguments, lambda values: least + (most - least) * values)
    if name in _NORMAL and "out" not in arguments:
        mean, deviation = arguments.get("mean", 0.0), arguments.get("std", 1.0)
        if name in ("normal_", "normal_functional", "normal") or "mean" in arguments:
            draw = _numbers(name, NORMAL, arguments, lambda values: mean + deviation * values)
            by_tensors = isinstance(mean, Tensor) or isinstance(deviation, Tensor)
            return replace(draw, scaled_by=(mean, deviation)) if by_tensors else draw
        return _numbers(name, NORMAL, arguments, lambda values: values)
    tensors = [value for value in arguments.values() if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else torch.device("cpu")
    return Draw(name, None, 1.0, (), device, lambda values: operation(*args, **kwargs))


def _arguments(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an operation, by name, with its defaults."""
    parameters = operation._schema.arguments
    arguments = {item.name: item.default_value for item in parameters if item.has_default_value()}
    arguments.update((item.name, value) for item, value in zip(parameters, args, strict=False))
    return arguments | kwargs


def _bernoulli(name: str, arguments: dict[str, Any]) -> Draw | None:
    target: Tensor = arguments["self"]
    probability = arguments.get("p", target)
    if isinstance(probability, Tensor):
        probabilities = probability.double().flatten()
        same = probabilities.numel() > 0 and bool((probabilities == probabilities[0]).all())
        probability = float(probabilities[0]) if same else None
    if probability == 1:
        return None

    def give(values: Tensor) -> Tensor:
        if name == "bernoulli_":
            target.copy_(values)
            return target
        return torch.empty_like(target).copy_(values)

    kind = None if probability is None else DROPOUT
    rate = 1.0 if probability is None else 1 - float(probability)
    keeps = target.dtype.is_floating_point
    return Draw(name, kind, rate, tuple(target.shape), target.device, give, keeps)


def _native_dropout(inputs: Tensor, rate: float) -> Draw | None:
    def give(values: Tensor) -> tuple[Tensor, Tensor]:
        factor = values.float() * (0.0 if rate == 1 else 1 / (1 - rate))
        return (inputs * factor).to(inputs.dtype), values > 0

    return Draw("native_dropout", DROPOUT, rate, tuple(inputs.shape), inputs.device, give)


def _numbers(name: str, kind: str, arguments: dict[str, Any], scaled: Callable[[Tensor], Tensor]) -> Draw:
    """A draw of uniform or normal numbers."""
    tensors = {key: value for key, value in arguments.items() if isinstance(value, Tensor)}
    like = next((tensors[key] for key in ("self", "mean", "std") if key in tensors), None)
    if like is None:
        shape = tuple(arguments["size"])
        device = torch.device(arguments.get("device") or "cpu")
    else:
        shape = tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors.values())))
        device = like.device
    dtype = arguments.get("dtype") or (torch.get_default_dtype() if like is None else like.dtype)

    def give(values: Tensor) -> Tensor:
        numbers = scaled(values)
        target: Tensor = (
            arguments["self"] if name.endswith("_") else torch.empty(shape, dtype=dtype, device=device)
        )
        target.copy_(numbers)
        return target

    return Draw(name, kind, 1.0, shape, device, give, scaled=scaled)


Numbers = Callable[[int, Draw], Tensor | None]
"""Called for each draw with its index and the draw; returns its numbers, or None to let it draw."""


def control_flow(used: str) -> ModelError:
    """The error for a module that uses control flow of torch.compile."""
    return ModelError(
        f"A module uses {used}, in which howsure cannot see what is drawn",
        expected="a forward without control flow of torch.compile, such as torch.cond",
        hint="Write the condition in Python, `if` and `else`, or choose by torch.where",
    )


class Draws(DispatchMode):
    """In this scope, every draw asks for its numbers.

    Args:
        numbers: Gives the numbers of each draw.
    """

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        self.count = 0
        self._numbers = numbers

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, or ask for the numbers that it draws."""
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            raise control_flow(f"torch.{func.name()}")
        if is_of_others(func):
            with self:
                return taken_apart(func, args, kwargs)
        draw = draw_of(func, args, kwargs) if _draws(func) else None
        if draw is None:
            return self.ran(func, args, kwargs, func(*args, **kwargs))
        number, self.count = self.count, self.count + 1
        values = self.numbers(number, draw)
        return self.drawn(number, draw, func(*args, **kwargs) if values is None else draw.give(values))

    def numbers(self, number: int, draw: Draw) -> Tensor | None:
        """Called for each draw; returns its numbers, or None to let it draw."""
        return self._numbers(number, draw)

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Called after each operation that draws nothing; returns its outputs."""
        return outputs

    def drawn(self, number: int, draw: Draw, outputs: Any) -> Any:
        """Called after each draw; returns its outputs."""
        return outputs


_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


@functools.cache
def is_of_others(operation: Any) -> bool:
    """True if an operation is composed of other operations only.

    For tensors from `torch.inference_mode` it arrives whole; otherwise its parts arrive.
    """
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), _COMPOSITE))


def taken_apart(operation: Any, args: Any, kwargs: Any) -> Any:
    """The result of a composed operation, computed from its parts."""
    return operation._op_dk(_COMPOSITE, *args, **kwargs)


@functools.cache
def _draws(operation: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in operation.tags


@dataclass(frozen=True)
class Place:
    """The place of the mask of a random op in a draw.

    Attributes:
        random_op: The random op, with its shape for one row.
        axis: Batch axis of the draw; None if one mask serves all rows anyway.
        folded: Further entries for each row on that axis, such as heads of attention.
        rows_first: True if the entries of one row are adjacent on it.
        levels: For uniform numbers that become a mask: a number that becomes 0, and one that becomes 1.
    """

    random_op: RandomOp
    axis: int | None
    folded: int = 1
    rows_first: bool = True
    levels: tuple[float, float] | None = None

    def spread(self, mask: Tensor, rows: int) -> Tensor:
        """Masks (W, *random_op.shape) in the shape of the draw for W × `rows` rows, pass after pass."""
        if self.levels is not None:
            zero, one = self.levels
            mask = zero + (one - zero) * mask.to(torch.float64)
        if self.axis is None:
            return mask[0]
        at = self.axis
        spread = mask.movedim(0, at).unsqueeze(at + 1)
        spread = spread.expand(*spread.shape[: at + 1], rows, *spread.shape[at + 2 :])
        if self.folded == 1:
            return spread.flatten(at, at + 1)
        if not self.rows_first:
            spread = spread.movedim(at + 2, at)
        return spread.flatten(at, at + 2)


def place_of(
    number: int, name: str, draw: Draw, other: Draw, rows: tuple[int, int], use: DrawUse | None
) -> Place | None:
    """Find the batch axis of a draw by comparing it with a draw for another number of rows.

    Args:
        number: Number of the random op.
        name: Name of the random op.
        draw: The draw.
        other: The same draw with another number of rows.
        rows: The two numbers of rows.
        use: The use that the module makes of the numbers, if known.

    Returns:
        The place, or None if it is ambiguous.
    """
    assert draw.kind is not None
    if len(draw.shape) != len(other.shape) or (draw.function, draw.rate) != (other.function, other.rate):
        return None
    if 0 in draw.shape:
        return None
    sides = list(zip(draw.shape, other.shape, strict=True))
    differ = [axis for axis, pair in enumerate(sides) if pair[0] != pair[1]]
    shape, axis, folded = draw.shape, None, 1
    if differ:
        axis = differ[0]
        folded, rest = divmod(shape[axis], rows[0])
        if len(differ) > 1 or rest or other.shape[axis] != folded * rows[1]:
            return None
        shape = (*shape[:axis], *([] if folded == 1 else [folded]), *shape[axis + 1 :])
    kind, rate, levels = draw.kind, draw.rate, None
    if use is not None and use.kind == MASK:
        kind, rate, levels = DROPOUT, use.rate, (use.zero, use.one)
    return Place(RandomOp(number, name, kind, rate, shape), axis, folded, True, levels)


def constant(draw: Draw, value: float) -> Tensor:
    """One number in all entries of a draw."""
    return torch.full(draw.shape, value, dtype=torch.float32, device=draw.device)


def made_up(random_op: RandomOp, random: np.random.Generator, device: torch.device) -> Tensor:
    """A random mask (1, *random_op.shape)."""
    shape = (1, *random_op.shape)
    numbers: NDArray[Any] = random.random(shape) if random_op.kind != NORMAL else random.normal(size=shape)
    if random_op.kind == DROPOUT:
        numbers = numbers >= random_op.rate
    return torch.from_numpy(np.asarray(numbers, np.float32)).to(device)


def told_apart(random_op: RandomOp, random: np.random.Generator, device: torch.device) -> Tensor:
    """A mask (1, *random_op.shape) that drops half of the units at any rate, so that a wrong place shows."""
    if random_op.kind != DROPOUT:
        return made_up(random_op, random, device)
    units = int(np.prod(random_op.shape))
    kept = random.permutation(units) < units / 2
    return torch.from_numpy(kept.reshape(1, *random_op.shape).astype(np.float32)).to(device)


class Masks:
    """The numbers for passes with given masks.

    Args:
        drawn: For each draw of a pass, in order: the place of a random op, a constant that replaces it,
            or None to let it draw.
        draws: The draws as recorded before.
        masks: For each random op (W, *random_op.shape), on the device.
        rows: Rows of one pass.
        name: Name of the module, for messages.
    """

    def __init__(
        self,
        drawn: Sequence[Place | float | None],
        draws: Sequence[Draw],
        masks: Sequence[Tensor],
        rows: int,
        name: str,
    ) -> None:
        self._drawn, self._draws, self._masks = drawn, draws, masks
        self._rows, self._name = rows, name

    def __call__(self, number: int, draw: Draw) -> Tensor | None:
        """The numbers of a draw."""
        before = self._draws[number] if number < len(self._draws) else None
        place = self._drawn[number] if before is not None else None
        if before is None or (draw.function, draw.kind, draw.rate) != (
            before.function,
            before.kind,
            before.rate,
        ):
            raise self._differently(f"draw {number + 1} is torch.{draw.function} {draw.shape}", before)
        if not isinstance(place, Place):
            return None if place is None else constant(draw, place)
        numbers = place.spread(self._masks[place.random_op.number], self._rows)
        if numbers.shape != draw.shape:
            raise self._differently(
                f"torch.{draw.function} of shape {draw.shape}", before, tuple(numbers.shape)
            )
        return numbers

    def check_all_drawn(self, count: int) -> None:
        """Raise a `ModelError` if fewer draws happened than before."""
        if count != len(self._draws):
            raise self._differently(f"{count} draws", None)

    def _differently(self, received: str, before: Draw | None, shape: tuple[int, ...] = ()) -> ModelError:
        expected = f"{len(self._draws)} draws" if before is None else f"torch.{before.function}"
        return ModelError(
            f"Module '{self._name}' draws otherwise than it did before",
            expected=f"the same draws in every pass: {expected}{f' of shape {shape}' if shape else ''}",
            received=received,
            hint="Draw the same numbers whatever the values of the rows and however many they are; of packed "
            "sequences, assess those of one length at a time",
        )
