"""Writing down every operation of one run of a module, with all that it got and returned."""

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
    """Why a module must run whole."""


@dataclass(frozen=True, eq=False)
class Notes:
    """A run: what was called, with its tensors, which are kept so that none is taken for another.

    Attributes:
        rows: Of each input.
        calls: For each operation what it is, what it got, and what it returned.
        places: For each the call of a module that it belongs to.
        output: Of the run.
    """

    rows: Sequence[Tensor]
    calls: Sequence[tuple[Any, tuple[Any, ...], dict[str, Any], Any]]
    places: Sequence[str]
    output: Tensor

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.rows[0])


def noted(
    run: Callable[[Sequence[Tensor]], Tensor], rows: Sequence[Tensor], place: Callable[[], str]
) -> Notes:
    """A run with everything noted that it calls.

    Args:
        run: From the inputs to the output.
        rows: Of each input.
        place: Says in which call of which module the run is.

    Raises:
        Unsplittable: A value leaves PyTorch.
    """
    noting = _Noting(rows, place)
    with torch.no_grad(), _Leaving(noting), noting:
        output = run(rows)
    return Notes(rows, noting.calls, noting.places, output)


class _Noting(DispatchMode):
    """Notes every operation."""

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
    """Whether a tensor lies in memory so already: only strides of axes with one number differ."""
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
"""By which numbers leave PyTorch unseen."""


class _Leaving(TorchFunctionMode):
    """Refuses to let a value of the run leave PyTorch: what is made of it there is not noted."""

    def __init__(self, noting: _Noting) -> None:
        super().__init__()
        self._noting = noting

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _LEAVING and id(args[0]) in self._noting.known:
            raise Unsplittable(f"{func.__name__} takes a value out of PyTorch")
        return func(*args, **(kwargs or {}))


def results_of(result: Any) -> tuple[Any, ...]:
    """What an operation returned, as several."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def is_view(op: Any) -> bool:
    """Whether an operation gives numbers another shape, and nothing else."""
    return op in (aten.view.default, aten._unsafe_view.default, aten.reshape.default)
