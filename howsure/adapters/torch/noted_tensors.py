"""Find the tensors of a run, and note them without keeping their numbers, so that notes take no memory.

A note belongs to one tensor and one place in memory for as long as the tensor lives. PyTorch may give both to
another tensor afterwards.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

Followed = TypeVar("Followed")

SAME_NUMBERS = frozenset(
    {
        *("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "flatten", "expand", "slice", "select"),
        *("transpose", "permute", "t", "clone", "_to_copy", "alias", "detach", "contiguous"),
    }
)
"""Operations that change no number."""


@dataclass(frozen=True, eq=False)
class Noted:
    """A tensor of a run, without its numbers. A write in place makes another one.

    Attributes:
        shape: Its shape.
        stride: Its strides; empty if its memory is not plain.
        dtype: Its type of number.
        device: Its device.
        in_order: True if it is contiguous.
        memory: Stands for its memory; views share one. None if its memory is not plain.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    in_order: bool
    memory: object | None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def laid_out(self, numbers: Tensor) -> Tensor:
        """Numbers that broadcast to its shape, in memory in the order of its axes."""
        like = torch.empty_strided(self.shape, self.stride, device="meta")
        return torch.empty_like(like, dtype=numbers.dtype, device=numbers.device).copy_(numbers)


@dataclass(eq=False)
class _Memory:
    """Memory of some tensors. While it is in use, no other memory has its place."""

    tensors: int = 0


class NotedTensors:
    """The tensors of a run, each with its note for as long as it lives.

    Attributes:
        elsewhere: Stand-ins for the memory of tensors from elsewhere, by identity of the tensor.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], int | None, Noted]] = {}
        self._memory: dict[int, _Memory] = {}
        self._kept: list[Tensor] = []
        self.elsewhere: dict[int, object | None] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._known

    def note(self, tensor: Tensor) -> Noted:
        """Note a tensor that the run made or wrote into."""
        number, place = id(tensor), _place(tensor)
        memory, plain = self._used(place), place is not None
        noted = Noted(
            shape=() if tensor.is_nested else tuple(tensor.shape),
            stride=tensor.stride() if plain else (),
            dtype=tensor.dtype,
            device=tensor.device,
            in_order=plain and tensor.is_contiguous(),
            memory=memory,
        )
        self._died(number)  # if it was written into, its former note
        self._known[number] = weakref.ref(tensor, lambda _: self._died(number)), place, noted
        return noted

    def notes_of(self, value: Any) -> Any:
        """A value, with a note in place of each tensor of the run."""
        if isinstance(value, Tensor):
            if value in self:
                return self._known[id(value)][2]
            if id(value) not in self.elsewhere:
                self.elsewhere[id(value)] = self._used(_place(value))
                self._kept.append(value)
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.notes_of, value))
        if isinstance(value, dict):
            return {name: self.notes_of(entry) for name, entry in value.items()}
        return value

    def _used(self, place: int | None) -> _Memory | None:
        if place is None:
            return None
        memory = self._memory.setdefault(place, _Memory())
        memory.tensors += 1
        return memory

    def _died(self, number: int) -> None:
        _, place, _ = self._known.pop(number, (None, None, None))
        if place is None:
            return
        self._memory[place].tensors -= 1
        if not self._memory[place].tensors:
            del self._memory[place]


def _place(tensor: Tensor) -> int | None:
    """Identity of the memory of a tensor, as long as it is in use; None if it is not plain memory."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return None
    return int(tensor.untyped_storage()._cdata)


def tensors_in(outputs: Any) -> Iterator[Tensor]:
    """The tensors in a result, at any depth of lists and dicts."""
    return items_in(outputs, Tensor)


def followed_in(value: Any, followed: Mapping[int, Followed]) -> list[Followed]:
    """The notes about the tensors in a value, by identity of the tensor."""
    return [followed[id(tensor)] for tensor in tensors_in(value) if id(tensor) in followed]


def items_in(value: Any, kind: Any) -> Iterator[Any]:
    """The items of a type, or of one of several, in a value, at any depth of lists and dicts."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from items_in(item, kind)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from items_in(item, kind)


def ground(tensor: Tensor) -> int:
    """Address of the memory of a tensor."""
    return tensor.untyped_storage().data_ptr()
