"""Intercept every random draw of Keras.

Inside `switched(draws)`, Keras's random layers ask `draws` instead of drawing. So do the functions of
`keras.random` and everything that calls them: recurrent cells, attention, a user's layers. Classes and
functions are replaced, not instances. Draws are therefore caught at any depth: in nested models, inside
`TimeDistributed` or attention, in subclasses that call `super().call(...)`. Layers with running statistics
use the statistics that they learned, even when called with training=True.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import keras

from howsure.adapters.keras import private
from howsure.random_ops import ALPHA_DROPOUT, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE, is_noise

Tensor = Any
Layer = Any


def defining_class(layer_class: type) -> type:
    """The class that defines `layer_class.call`; the spatial dropouts share one."""
    return next(cls for cls in layer_class.__mro__ if "call" in vars(cls))


_CLASSES = (
    (keras.layers.Dropout, DROPOUT),
    (keras.layers.SpatialDropout1D, DROPOUT),
    (keras.layers.AlphaDropout, ALPHA_DROPOUT),
    (keras.layers.GaussianDropout, GAUSSIAN_DROPOUT),
    (keras.layers.GaussianNoise, GAUSSIAN_NOISE),
)
_SWITCHED = {defining_class(layer_class): kind for layer_class, kind in _CLASSES}

_KEEPING_STATISTICS = (keras.layers.BatchNormalization, keras.layers.SpectralNormalization)

NUMBERS = ("uniform", "normal", "truncated_normal", "binomial", "beta", "gamma", "randint", "categorical")
"""Functions of `keras.random` that return random numbers; `dropout` and `shuffle` transform tensors."""


class SwitchedDraws(Protocol):
    """Decides what is drawn inside `switched`."""

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Return the output of one of Keras's random layers that is called as in training."""
        ...

    def dropout(self, inputs: Tensor, rate: Any, noise_shape: Any, original: Callable[[], Tensor]) -> Tensor:
        """Return the result of `keras.random.dropout`; `original` calls that function."""
        ...

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Return the result of a function of `NUMBERS`, or of `shuffle`; `original` calls that function."""
        ...


_active: ContextVar[SwitchedDraws | None] = ContextVar("howsure_draws", default=None)

_one_at_a_time = threading.RLock()
"""Guards what all threads share and this module changes: classes, functions, and the layers of a model."""


def kind_of(layer: Layer) -> str | None:
    """Kind of one of Keras's random layers, or None for any other layer."""
    return next((kind for cls, kind in _SWITCHED.items() if isinstance(layer, cls)), None)


def rate_of(layer: Layer) -> float:
    """Probability of dropping a unit, or the standard deviation of `GaussianNoise`."""
    return float(layer.stddev if kind_of(layer) == GAUSSIAN_NOISE else layer.rate)


def is_random(layer: Layer, gaussian_noise: bool) -> bool:
    """True for a random layer of a rate above 0; for noise layers only if `gaussian_noise` is True."""
    kind = kind_of(layer)
    return kind is not None and rate_of(layer) > 0 and (gaussian_noise or not is_noise(kind))


def widens_itself(operation: Any) -> bool:
    """True if an operation is one of Keras's own random layers and nothing more."""
    return kind_of(operation) is not None and defining_class(type(operation)) in _SWITCHED


@contextlib.contextmanager
def switched(draws: SwitchedDraws, never_in_training: Sequence[Layer] = ()) -> Iterator[None]:
    """Let every draw in this thread ask `draws`; everything is restored on exit.

    Other threads keep Keras's own draws; a thread that wants to switch them as well waits.

    Args:
        draws: Decides what is drawn.
        never_in_training: Layers that are always called with training=False.
    """
    with _one_at_a_time:
        token = _active.set(draws)
        calls = {cls: _asking(vars(cls)["call"]) for cls in _SWITCHED}
        calls |= {cls: _by_what_it_learned(vars(cls)["call"]) for cls in _KEEPING_STATISTICS}
        functions = {
            name: _drawing(name, private.random_function(name)) for name in ("dropout", "shuffle", *NUMBERS)
        }
        try:
            with (
                private.class_calls_replaced(calls),
                private.random_functions_replaced(functions),
                private.calls_replaced(never_in_training, lambda layer, call: as_in_predicting(call)),
            ):
                yield
        finally:
            _active.reset(token)


@contextlib.contextmanager
def quiet(layers: Sequence[Layer], mapping: Sequence[tuple[Any, Tensor]] = ()) -> Iterator[None]:
    """Discard all updates of variables and seeds, all losses and all masks that `layers` make in this scope.

    Args:
        layers: The model and all its layers.
        mapping: Values of variables inside the scope, as (variable, tensor).
    """
    with (
        _one_at_a_time,
        private.losses_as_found(layers),
        private.masks_of_cells_drawn_anew(layers),
        keras.StatelessScope(state_mapping=list(mapping)),
    ):
        yield


def as_in_predicting(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call of a layer, always with training=False."""
    parameters = inspect.signature(call).parameters
    place = list(parameters).index("training") if "training" in parameters else None

    @functools.wraps(call)
    def predicting(*args: Any, **kwargs: Any) -> Any:
        if place is None:
            return call(*args, **kwargs)
        if len(args) > place:
            args = (*args[:place], False, *args[place + 1 :])
        else:
            kwargs["training"] = False
        return call(*args, **kwargs)

    return predicting


# On PyTorch every call of a model switches again, so each replacement function is made only once.


@functools.cache
def _asking(original: Any) -> Any:
    @functools.wraps(original)
    def call(self: Layer, inputs: Tensor, training: Any = False) -> Tensor:
        draws = _active.get()
        if draws is None:
            return original(self, inputs, training=training)
        return draws.apply(self, inputs) if training else inputs

    return call


@functools.cache
def _by_what_it_learned(original: Any) -> Any:
    @functools.wraps(original)
    def call(self: Layer, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if _active.get() is not None:
            args, kwargs = (), {**kwargs, "training": False}
        return original(self, inputs, *args, **kwargs)

    return call


@functools.cache
def _drawing(name: str, original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Tensor:
        draws = _active.get()
        if draws is None or private.is_initialising():
            return original(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments

        def as_it_was() -> Tensor:
            return original(*args, **kwargs)

        if name == "dropout":
            return draws.dropout(arguments["inputs"], arguments["rate"], arguments["noise_shape"], as_it_was)
        return draws.numbers(name, arguments, as_it_was)

    return function
