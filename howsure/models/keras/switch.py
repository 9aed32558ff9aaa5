"""Switching all that Keras draws.

Inside `switched(draws)` whoever draws asks `draws` instead: Keras's own random layers, and the functions of
`keras.random` with all that calls them: recurrent cells, attention, layers of a user's. Because classes and
functions are switched and not instances, draws are caught at any depth: in nested models, inside
`TimeDistributed` or attention, in subclasses that call `super().call(...)`. Layers that keep statistics go by
those they learned, whatever they are told.
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

from howsure.models.keras import private
from howsure.sites import ALPHA_DROPOUT, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE

Tensor = Any
Layer = Any


def defining_class(layer_class: type) -> type:
    """The class in which `layer_class.call` is written (spatial dropouts share one)."""
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
"""Functions of `keras.random` that return random numbers; `dropout` and `shuffle` get tensors."""


class Draws(Protocol):
    """What is drawn while Keras is switched."""

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Return what one of Keras's random layers, called as in training, makes of `inputs`."""
        ...

    def dropout(self, inputs: Tensor, rate: Any, noise_shape: Any, original: Callable[[], Tensor]) -> Tensor:
        """Return what `keras.random.dropout` is to return; `original` calls it."""
        ...

    def numbers(self, function: str, arguments: dict[str, Any], original: Callable[[], Tensor]) -> Tensor:
        """Return what a function of `NUMBERS`, or `shuffle`, is to return; `original` calls it."""
        ...


_active: ContextVar[Draws | None] = ContextVar("howsure_draws", default=None)

_one_at_a_time = threading.RLock()
"""What is changed for a while is shared by all threads: classes, functions, and the layers of a model."""


def kind_of(layer: Layer) -> str | None:
    """Kind of one of Keras's random layers, or None for any other layer."""
    return next((kind for cls, kind in _SWITCHED.items() if isinstance(layer, cls)), None)


def rate_of(layer: Layer) -> float:
    """Probability of dropping, or the standard deviation of `GaussianNoise`."""
    return float(layer.stddev if kind_of(layer) == GAUSSIAN_NOISE else layer.rate)


def is_random(layer: Layer, gaussian_noise: bool) -> bool:
    """Whether a layer's passes differ: a random layer with a rate above 0; noise only when asked for."""
    kind = kind_of(layer)
    return kind is not None and rate_of(layer) > 0 and (kind != GAUSSIAN_NOISE or gaussian_noise)


def widens_itself(operation: Any) -> bool:
    """Whether an operation is one of Keras's own random layers and nothing more."""
    return kind_of(operation) is not None and defining_class(type(operation)) in _SWITCHED


@contextlib.contextmanager
def switched(draws: Draws, never_in_training: Sequence[Layer] = ()) -> Iterator[None]:
    """Let all that draws ask `draws`, in this thread; everything is restored on exit.

    Other threads go on with Keras's own draws; those that want to switch them too wait.

    Args:
        draws: What is drawn.
        never_in_training: Layers that are called as in predicting, whatever they are told.
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
    """No update of a variable or seed, no loss and no mask stays in `layers` after this scope.

    Args:
        layers: Every layer of the model and the model itself.
        mapping: Values that variables have inside, as (variable, tensor).
    """
    with (
        _one_at_a_time,
        private.losses_as_found(layers),
        private.masks_of_cells_drawn_anew(layers),
        keras.StatelessScope(state_mapping=list(mapping)),
    ):
        yield


def as_in_predicting(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call of a layer, told that it does not train."""
    parameters = inspect.signature(call).parameters
    place = list(parameters).index("training") if "training" in parameters else None

    @functools.wraps(call)
    def told(*args: Any, **kwargs: Any) -> Any:
        if place is None:
            return call(*args, **kwargs)
        if len(args) > place:
            args = (*args[:place], False, *args[place + 1 :])
        else:
            kwargs["training"] = False
        return call(*args, **kwargs)

    return told


# On PyTorch every call of a model switches anew, so what is called instead is made once.


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
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        arguments = given.arguments

        def as_it_was() -> Tensor:
            return original(*args, **kwargs)

        if name == "dropout":
            return draws.dropout(arguments["inputs"], arguments["rate"], arguments["noise_shape"], as_it_was)
        return draws.numbers(name, arguments, as_it_was)

    return function
