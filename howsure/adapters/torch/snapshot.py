"""Run a module and leave it exactly as found, even after an error.

Forward passes change a module: running statistics, vectors of spectral norm, counters, a stored attention
map, the state of a generator. howsure also switches training flags for a while. Everything is restored, with
one exception: a list or dict of the module's own keeps what a run added to it.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import pickle
import random
import sys
import threading
from collections.abc import Collection, Iterator
from types import CellType, FunctionType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

one_at_a_time = threading.RLock()
"""Guards what all threads share and this module changes: the flags and buffers of a module."""

_MISSING = object()

_EMPTY = CellType()
_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)

OUR_SEED = int.from_bytes(b"howsure")
"""The seed of all runs. No module uses this seed, so a module that seeds for itself is recognised."""

_DICTS = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, dict))
"""The attributes in which PyTorch keeps parameters, buffers, modules and hooks of all kinds."""

_Kind = TypeVar("_Kind")


class Snapshot:
    """The state of a module before it runs; a scope that seeds its generators, and restores it at its end.

    Args:
        module: The module.
        parameters: Names of the parameters whose values are stored too; None for all. Values of buffers are
            always stored.

    Attributes:
        changed: Names of the tensors that were found changed.
        sets: True if a run has set an attribute.
    """

    def __init__(self, module: nn.Module, parameters: Collection[str] | None) -> None:
        self._module, modules = module, list(module.modules())
        self._flags = [(each, each.training) for each in modules]
        self._learns = [(each, each.requires_grad) for each in module.parameters()]
        self._dicts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for each in modules:
            if not isinstance(each, torch.jit.ScriptModule):
                held = vars(each)
                found = (held, *(held[name] for name in _DICTS if name in held))
                self._dicts += [(one, dict(one) if one else {}) for one in found]
        named, plain = module.named_parameters(), attributes(module, torch.Tensor)
        wanted = [pair for pair in named if parameters is None or pair[0] in parameters]
        self._tensors = [
            (name, tensor, tensor.data, tensor.data.clone())
            for name, tensor in (*module.named_buffers(), *plain, *wanted)
            if tensor.layout == torch.strided and not tensor.is_meta
        ]
        self.changed: set[str] = set()
        self.sets = False

    def __enter__(self) -> Self:
        seed(self._module, OUR_SEED)
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Restore everything that has changed."""
        for now, before in self._dicts:
            if not (now or before) or (
                list(now) == list(before) and all(map(operator.is_, now.values(), before.values()))
            ):
                continue
            names = (now.keys() | before.keys()) - {"training"}
            self.sets |= any(now.get(name, _MISSING) is not before.get(name, _MISSING) for name in names)
            now.clear()  # the order matters: hooks run in it, and weights are saved in it
            now.update(before)
        for module, flag in self._flags:
            if module.training is not flag:
                module.training = flag
        for parameter, learns in self._learns:
            if parameter.requires_grad is not learns:
                parameter.requires_grad_(learns)
        for name, tensor, ground, values in self._tensors:
            moved = tensor.data_ptr() != ground.data_ptr() or tensor.shape != ground.shape
            if moved:
                tensor.data = ground
            if moved or not torch.equal(ground, values):
                self.changed.add(name)
                ground.copy_(values)


@contextlib.contextmanager
def as_found(
    module: nn.Module, parameters: Collection[str] | None = (), *, elsewhere: bool = False
) -> Iterator[Snapshot]:
    """A scope without gradients, for one thread at a time; module and seeds are restored at its end.

    Args:
        module: The module.
        parameters: As in `Snapshot`; None for a module that has not been examined yet.
        elsewhere: True if the module also draws from Python's or numpy's generators.
    """
    moving = elsewhere or parameters is None
    others = seeds_of_others_kept() if moving else contextlib.nullcontext()
    with one_at_a_time, others, _without_gradients(module), Snapshot(module, parameters) as snapshot:
        yield snapshot


def switch(module: nn.Module, training: Collection[int]) -> None:
    """Set the training flag of every module: True for those with these identities.

    The flags are set directly, since a user's `train()` may do more, such as merging weights.
    """
    for each in module.modules():
        flag = id(each) in training
        if each.training is not flag:
            each.training = flag


def seed(module: nn.Module, number: int) -> None:
    """Seed the generators that a module uses, except generators of its own."""
    torch.default_generator.manual_seed(number)
    device = device_of(module)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


def is_seeded_by_us(device: torch.device, generator: torch.Generator | None) -> bool:
    """True if a draw is from the generator of its device, and nobody has seeded that after `seed`."""
    if generator is not None:
        return False
    if device.type != "cuda":
        return torch.initial_seed() == OUR_SEED
    with torch.cuda.device(device):
        return torch.cuda.initial_seed() == OUR_SEED


@contextlib.contextmanager
def drawing_in_the_open(module: nn.Module) -> Iterator[None]:
    """In this scope, attention and recurrent layers use no fused kernels on devices other than CPUs.

    Fused kernels draw internally, where no masks can be given.
    """
    if device_of(module).type == "cpu":
        yield
        return
    recurrent = any(isinstance(each, nn.RNNBase) and each.dropout > 0 for each in module.modules())
    slow = torch.backends.cudnn.flags(enabled=False) if recurrent else contextlib.nullcontext()
    with sdpa_kernel(SDPBackend.MATH), slow:
        yield


@contextlib.contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """A scope without gradients; the seeds of PyTorch and of the module are restored at its end."""
    device = device_of(module)
    ours = torch.get_rng_state()
    theirs = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    generators = attributes(module, (torch.Generator, np.random.Generator))
    of_torch = [(each, each.get_state()) for _, each in generators if isinstance(each, torch.Generator)]
    of_numpy = [
        (each, each.bit_generator.state) for _, each in generators if isinstance(each, np.random.Generator)
    ]
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        torch.set_rng_state(ours)
        for of_module, state in of_torch:
            of_module.set_state(state)
        for other, known in of_numpy:
            other.bit_generator.state = known
        if theirs is not None:
            torch.cuda.set_rng_state(theirs, device)


@contextlib.contextmanager
def seeds_of_others_kept() -> Iterator[None]:
    """Restore the seeds of Python and numpy at the end of the scope."""
    ours = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(ours[0])
        np.random.set_state(ours[1])


def numbers_drawn_elsewhere() -> tuple[str, str]:
    """States of Python's and numpy's generators; a change shows that something was drawn there."""
    state = np.random.get_state()
    return str(random.getstate()), str([np.asarray(each).tolist() for each in state])


def generators(module: nn.Module) -> list[Any]:
    """The generators of Python and numpy that a module may draw from.

    These are the global ones, those among its attributes, and those that its code names or encloses.
    """
    found: list[Any] = [getattr(random, "_inst", None), np.random.mtrand._rand]
    for each in module.modules():
        found += vars(each).values()
        for cls in type(each).__mro__:
            found += vars(sys.modules.get(cls.__module__, cls)).values()
    for function in [each for each in found if isinstance(each, FunctionType)]:
        found += function.__globals__.values()
        found += [cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY]
    return list({id(each): each for each in found if type(each) in _GENERATORS}.values())


def state_of_all(found: Collection[Any]) -> bytes:
    """The states of generators of Python and numpy; a change shows that something was drawn."""
    states = [
        each.getstate()
        if isinstance(each, random.Random)
        else each.bit_generator.state
        if isinstance(each, np.random.Generator)
        else each.get_state(legacy=False)
        for each in found
    ]
    return pickle.dumps(states)


def attributes(module: nn.Module, kind: type[_Kind] | tuple[type[_Kind], ...]) -> list[tuple[str, _Kind]]:
    """The plain attributes of some types in a module and the modules inside it, by name."""
    return [
        (f"{path}.{name}", value)
        for path, each in module.named_modules()
        if not isinstance(each, torch.jit.ScriptModule)
        for name, value in vars(each).items()
        if issubclass(type(value), kind)  # `isinstance` of a generator takes PyTorch long
    ]


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first tensor."""
    first = next(itertools.chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device
