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
        self._flags = [(layer, layer.training) for layer in modules]
        self._learns = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
        self._dicts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for layer in modules:
            variables = vars(layer)
            dicts = (variables, *(variables[name] for name in _DICTS if name in variables))
            self._dicts += [(mapping, dict(mapping) if mapping else {}) for mapping in dicts]
        named, plain = module.named_parameters(), attributes(module, torch.Tensor)
        stored = [pair for pair in named if parameters is None or pair[0] in parameters]
        self._tensors = [
            (name, tensor, tensor.data, tensor.data.clone())
            for name, tensor in (*module.named_buffers(), *plain, *stored)
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
def as_found(module: nn.Module, parameters: Collection[str] | None = ()) -> Iterator[Snapshot]:
    """A scope without gradients, for one thread at a time; module and seeds are restored at its end.

    Args:
        module: The module.
        parameters: As in `Snapshot`; None for a module that has not been examined yet.
    """
    with (
        one_at_a_time,
        _seeds_of_others_kept(),
        _without_gradients(module),
        Snapshot(module, parameters) as snapshot,
    ):
        yield snapshot


def switch(module: nn.Module, training: Collection[int]) -> None:
    """Set the training flag of every module: True for those with these identities.

    The flags are set directly, since a user's `train()` may do more, such as merging weights.
    """
    for layer in module.modules():
        flag = id(layer) in training
        if layer.training is not flag:
            layer.training = flag


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
    recurrent = any(isinstance(layer, nn.RNNBase) and layer.dropout > 0 for layer in module.modules())
    slow = torch.backends.cudnn.flags(enabled=False) if recurrent else contextlib.nullcontext()
    with sdpa_kernel(SDPBackend.MATH), slow:
        yield


@contextlib.contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """A scope without gradients; the seeds of PyTorch and of the module are restored at its end."""
    device = device_of(module)
    ours = torch.get_rng_state()
    theirs = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    generators = [own for _, own in attributes(module, (torch.Generator, np.random.Generator))]
    of_torch = [(own, own.get_state()) for own in generators if isinstance(own, torch.Generator)]
    bits = [own.bit_generator for own in generators if isinstance(own, np.random.Generator)]
    of_numpy = [(own, own.state) for own in bits]
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        torch.set_rng_state(ours)
        for generator, state in of_torch:
            generator.set_state(state)
        for bit_generator, numpy_state in of_numpy:
            bit_generator.state = numpy_state
        if theirs is not None:
            torch.cuda.set_rng_state(theirs, device)


@contextlib.contextmanager
def _seeds_of_others_kept() -> Iterator[None]:
    """Restore the seeds of Python and numpy at the end of the scope."""
    ours = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(ours[0])
        np.random.set_state(ours[1])


def generators(module: nn.Module) -> list[Any]:
    """The generators of Python and numpy that a module may draw from.

    These are the global ones, those among its attributes, and those that its code names or encloses.
    """
    values: list[Any] = [getattr(random, "_inst", None), np.random.mtrand._rand]
    for layer in module.modules():
        values += vars(layer).values()
        for cls in type(layer).__mro__:
            values += vars(sys.modules.get(cls.__module__, cls)).values()
    for function in [value for value in values if isinstance(value, FunctionType)]:
        values += function.__globals__.values()
        values += [cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY]
    return list({id(generator): generator for generator in values if type(generator) in _GENERATORS}.values())


def state_of_all(generators: Collection[Any]) -> bytes:
    """The states of generators of Python and numpy; a change shows that something was drawn."""
    states = [
        generator.getstate()
        if isinstance(generator, random.Random)
        else generator.bit_generator.state
        if isinstance(generator, np.random.Generator)
        else generator.get_state(legacy=False)
        for generator in generators
    ]
    return pickle.dumps(states)


def attributes(module: nn.Module, kind: type[_Kind] | tuple[type[_Kind], ...]) -> list[tuple[str, _Kind]]:
    """The plain attributes of some types in a module and the modules inside it, by name."""
    return [
        (f"{path}.{name}", value)
        for path, layer in module.named_modules()
        for name, value in vars(layer).items()
        if issubclass(type(value), kind)  # `isinstance` of a generator takes PyTorch long
    ]


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first tensor."""
    first = next(itertools.chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device
