"""Record every operation of one run of a module, with its arguments and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from howsure.models.torch.costs import multiply_adds
from howsure.models.torch.dispatch_mode import DispatchMode
from howsure.models.torch.draws import draw_of, is_of_others, taken_apart
from howsure.models.torch.noted_tensors import Noted, NotedTensors

aten = torch.ops.aten


class Unsplittable(Exception):
    """The reason why a module must run whole."""


@dataclass(frozen=True)
class DrawnNumbers:
    """The numbers that an operation draws.

    Attributes:
        scaled: As in `Draw`.
        by_tensors: True if a mean or standard deviation is a tensor.
    """

    scaled: Callable[[Tensor], Tensor] | None
    by_tensors: bool


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a run.

    Attributes:
        op: The operation.
        args: Its arguments, with a `Noted` for each tensor of the run. Other tensors, such as weights, are
            kept as they are.
        kwargs: Its keyword arguments, in the same form.
        results: Its results, in the same form.
        draw: Its draw, or None.
        multiply_adds: Multiply-adds for all rows.
        place: The module call that it belongs to.
    """

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Any, ...]
    draw: DrawnNumbers | None
    multiply_adds: float
    place: str


@dataclass(frozen=True, eq=False)
class Notes:
    """A recorded run.

    Attributes:
        count: Number of rows.
        rows: Rows of each input.
        operations: Its operations, in order.
        output: Output of the run.
        memory: Stand-ins for the memory of tensors from elsewhere, by identity of the tensor.
    """

    count: int
    rows: Sequence[Noted]
    operations: Sequence[Operation]
    output: Any
    memory: dict[int, object | None]


def noted(
    run: Callable[[Sequence[Tensor]], Tensor], rows: Sequence[Tensor], place: Callable[[], str]
) -> tuple[Tensor, Notes]:
    """The output of a run, and notes of everything that it calls.

    Args:
        run: Maps the inputs to the output.
        rows: Rows of each input.
        place: Returns the module call that is active.

    Raises:
        Unsplittable: A value leaves PyTorch.
    """
    tensors = NotedTensors()
    given = [tensors.note(each) for each in rows]
    noting = _Noting(tensors, place)
    with torch.no_grad(), _Leaving(tensors), noting:
        output = run(rows)
    return output, Notes(len(rows[0]), given, noting.operations, tensors.notes_of(output), tensors.elsewhere)


class _Noting(DispatchMode):
    """Records every operation."""

    def __init__(self, tensors: NotedTensors, place: Callable[[], str]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._tensors = tensors
        self._place = place

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if is_of_others(op):
            with self:
                return taken_apart(op, args, kwargs)
        given, named = self._tensors.notes_of(args), self._tensors.notes_of(kwargs)
        drawn = _drawn_by(op, args, kwargs)
        result = op(*args, **kwargs)
        cost = multiply_adds(op, args, results_of(result))
        if op is aten.as_strided_.default and _is_as_strided(*args):
            op, given, named = aten.alias.default, given[:1], {}
        results = tuple(
            self._tensors.note(each) if isinstance(each, Tensor) else each for each in results_of(result)
        )
        self.operations.append(Operation(op, given, named, results, drawn, cost, self._place()))
        return result


def _drawn_by(op: Any, args: Any, kwargs: Any) -> DrawnNumbers | None:
    draw = draw_of(op, args, kwargs) if torch.Tag.nondeterministic_seeded in op.tags else None
    if draw is None:
        return None
    by_tensors = draw.scaled_by is not None
    return DrawnNumbers(None if by_tensors else draw.scaled, by_tensors)


def _is_as_strided(tensor: Tensor, size: Sequence[int], stride: Sequence[int], *start: int) -> bool:
    """True if a tensor already has this memory layout; strides of axes of length 1 may differ."""
    sides = zip(tensor.shape, size, tensor.stride(), stride, strict=False)
    return (
        not start and all(a == b and (a == 1 or c == d) for a, b, c, d in sides) and tensor.dim() == len(size)
    )


_LEAVING = (
    torch.Tensor.numpy,
    torch.Tensor.tolist,
    torch.Tensor.__array__,
    torch.Tensor.data_ptr,
    torch.Tensor.__dlpack__,
)
"""Functions by which numbers leave PyTorch unseen."""


class _Leaving(TorchFunctionMode):
    """Raises an error if a value of the run leaves PyTorch, where its use cannot be recorded."""

    def __init__(self, tensors: NotedTensors) -> None:
        super().__init__()
        self._tensors = tensors

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _LEAVING and args[0] in self._tensors:
            raise Unsplittable(f"{func.__name__} takes a value out of PyTorch")
        return func(*args, **(kwargs or {}))


def results_of(result: Any) -> tuple[Any, ...]:
    """The result of an operation, as a tuple."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def is_view(op: Any) -> bool:
    """True if an operation only reshapes."""
    return op in (aten.view.default, aten._unsafe_view.default, aten.reshape.default)
