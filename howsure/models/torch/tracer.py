"""Record every operation of one run of a module, with its arguments and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from howsure.models.torch.dispatch_mode import DispatchMode
from howsure.models.torch.draws import is_of_others, taken_apart

aten = torch.ops.aten


class Unsplittable(Exception):
    """The reason why a module must run whole."""


@dataclass(frozen=True, eq=False)
class Notes:
    """A recorded run. Its tensors are kept alive, so that no identity is used twice.

    Attributes:
        rows: Rows of each input.
        calls: For each operation: the operation, its arguments, and its result.
        places: For each operation, the module call that it belongs to.
        output: Output of the run.
    """

    rows: Sequence[Tensor]
    calls: Sequence[tuple[Any, tuple[Any, ...], dict[str, Any], Any]]
    places: Sequence[str]
    output: Tensor

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.rows[0])


def noted(
    run: Callable[[Sequence[Tensor]], Tensor], rows: Sequence[Tensor], place: Callable[[], str]
) -> Notes:
    """Record everything that a run calls.

    Args:
        run: Maps the inputs to the output.
        rows: Rows of each input.
        place: Returns the module call that is active.

    Raises:
        Unsplittable: A value leaves PyTorch.
    """
    noting = _Noting(rows, place)
    with torch.no_grad(), _Leaving(noting), noting:
        output = run(rows)
    return Notes(rows, noting.calls, noting.places, output)


class _Noting(DispatchMode):
    """Records every operation."""

    def __init__(self, rows: Sequence[Tensor], place: Callable[[], str]) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.places: list[str] = []
        self._place = place
        self.known = set(map(id, rows))

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_of_others(op):
            with self:
                return taken_apart(op, args, kwargs or {})
        alike = op is aten.as_strided_.default and _is_as_strided(*args)
        result = op(*args, **(kwargs or {}))
        self.calls.append(
            (aten.alias.default, args[:1], {}, result) if alike else (op, args, kwargs or {}, result)
        )
        self.places.append(self._place())
        self.known.update(id(item) for item in results_of(result))
        return result


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

    def __init__(self, noting: _Noting) -> None:
        super().__init__()
        self._noting = noting

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _LEAVING and id(args[0]) in self._noting.known:
            raise Unsplittable(f"{func.__name__} takes a value out of PyTorch")
        return func(*args, **(kwargs or {}))


def results_of(result: Any) -> tuple[Any, ...]:
    """The result of an operation, as a tuple."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def is_view(op: Any) -> bool:
    """True if an operation only reshapes."""
    return op in (aten.view.default, aten._unsafe_view.default, aten.reshape.default)
