"""Switching Keras's random layers, and finding what cannot be switched.

Inside `switched(draws)` the `call` of Keras's own random layers asks `draws` what to do; everything
else, BatchNorm first, stays in inference mode. Because the classes are switched and not the
instances, layers are caught at any depth: in nested models, inside `TimeDistributed` or attention,
in subclasses that call `super().call(...)`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from howsure.errors import ModelError
from howsure.models.keras import private
from howsure.sites import ALPHA_DROPOUT, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE, Site

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


class Draws(Protocol):
    """What a random layer does while it is switched."""

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Return what `layer` makes of `inputs` in the passes at hand."""
        ...


CALLS = 8
"""Calls of a layer that are compared to see whether it draws; two calls of a small one may well agree."""

_active: ContextVar[Draws | None] = ContextVar("howsure_draws", default=None)

_one_at_a_time = threading.RLock()
"""What is changed for a while is shared by all threads: classes, and the layers of a model."""


def kind_of(layer: Layer) -> str | None:
    """Kind of a random layer, or None for any other layer."""
    return next((kind for cls, kind in _SWITCHED.items() if isinstance(layer, cls)), None)


def rate_of(layer: Layer) -> float:
    """Probability of dropping, or the standard deviation of `GaussianNoise`."""
    return float(layer.stddev if kind_of(layer) == GAUSSIAN_NOISE else layer.rate)


def has_own_call(layer: Layer) -> bool:
    """Whether a subclass of a random layer does something of its own in `call`."""
    return kind_of(layer) is not None and defining_class(type(layer)) not in _SWITCHED


@contextlib.contextmanager
def switched(draws: Draws, own_calls: Sequence[Layer] = ()) -> Iterator[None]:
    """Let Keras's random layers ask `draws`, in this thread; everything is restored on exit.

    Other threads go on with Keras's own dropout; those that want to switch it too wait.

    Args:
        draws: What the layers do.
        own_calls: Random layers with a `call` of their own; they are told `training=True`, so that
            they get as far as `super().call`, and nothing but them.
    """
    with _one_at_a_time:
        token = _active.set(draws)
        asking = {cls: _asking(vars(cls)["call"]) for cls in _SWITCHED}
        try:
            with (
                private.class_calls_replaced(asking),
                private.calls_replaced(own_calls, lambda _, call: _in_training(call)),
            ):
                yield
        finally:
            _active.reset(token)


@contextlib.contextmanager
def quiet(layers: Sequence[Layer], mapping: Sequence[tuple[Any, Tensor]] = ()) -> Iterator[None]:
    """No update of a variable or seed, and no loss, stays in `layers` after this scope.

    Args:
        layers: Every layer of the model and the model itself.
        mapping: Values that variables have inside, as (variable, tensor).
    """
    with (
        _one_at_a_time,
        private.losses_as_found(layers),
        keras.StatelessScope(state_mapping=list(mapping)),
    ):
        yield


def _asking(original: Any) -> Any:
    @functools.wraps(original)
    def call(self: Layer, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        draws = _active.get()
        if draws is None:
            return original(self, inputs, *args, **kwargs)
        return draws.apply(self, inputs)

    return call


def _in_training(bound: Any) -> Any:
    takes_training = "training" in inspect.signature(bound).parameters

    @functools.wraps(bound)
    def call(inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if takes_training:
            kwargs["training"] = True
            args = ()
        return bound(inputs, *args, **kwargs)

    return call


def widens_itself(operation: Any) -> bool:
    """Whether an operation is one of Keras's own random layers and nothing more."""
    return kind_of(operation) is not None and not has_own_call(operation)


def is_random(layer: Layer, gaussian_noise: bool) -> bool:
    """Whether a layer's passes differ: a random layer with a rate above 0; noise only when asked for."""
    kind = kind_of(layer)
    return kind is not None and rate_of(layer) > 0 and (kind != GAUSSIAN_NOISE or gaussian_noise)


def mask_shape(layer: Layer, inputs: Tensor) -> tuple[int, ...]:
    """Shape of a layer's mask for one row, with 1 where the mask is shared along an axis.

    Raises:
        ModelError: A `noise_shape` that says more about the batch than that it is shared.
    """
    units = tuple(inputs.shape[1:])
    given: Any = private.noise_shape(layer, inputs)
    if given is None:
        given = getattr(layer, "noise_shape", None)
        if given is None:
            return units
        if len(given) != len(units) + 1 or given[0] not in (None, 1):
            raise private.in_own_words(
                ModelError(
                    f"Layer '{layer.name}' has a noise_shape that howsure cannot follow",
                    expected=f"{len(units) + 1} entries, the first None or 1, as masks are shared by "
                    "all rows",
                    received=tuple(given),
                )
            )
    return tuple(
        unit if wanted is None else int(wanted) for wanted, unit in zip(given[1:], units, strict=True)
    )


class Recording:
    """Draws that change nothing and note which random calls were made."""

    def __init__(self, names: dict[int, str], gaussian_noise: bool) -> None:
        self.sites: list[Site] = []
        self._names = names
        self._gaussian_noise = gaussian_noise
        self._calls: Counter[str] = Counter()

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Note the call."""
        if is_random(layer, self._gaussian_noise):
            path = self._names.get(id(layer), layer.name)
            self._calls[path] += 1
            name = path if self._calls[path] == 1 else f"{path}#{self._calls[path]}"
            kind, rate = kind_of(layer), rate_of(layer)
            assert kind is not None
            if rate == 1 and kind in (ALPHA_DROPOUT, GAUSSIAN_DROPOUT):
                raise private.in_own_words(
                    ModelError(
                        f"The {type(layer).__name__} layer '{path}' has rate 1, where its noise is infinite",
                        expected="a rate below 1",
                        received=rate,
                    )
                )
            self.sites.append(Site(len(self.sites), name, kind, rate, mask_shape(layer, inputs)))
        return inputs


class Still:
    """Draws that change nothing: random layers in the plain prediction, also where a call forces them on."""

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs


class _Calls:
    """Draws that change nothing and count the calls of random layers.

    Attributes:
        of: How often each was called.
    """

    def __init__(self, gaussian_noise: bool) -> None:
        self.of: Counter[Layer] = Counter()
        self._gaussian_noise = gaussian_noise

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Count the call."""
        if is_random(layer, self._gaussian_noise):
            self.of[layer] += 1
        return inputs


class Masked:
    """Draws that apply given masks, one after the other, to passes folded into the batch axis.

    Attributes:
        width: Passes folded into what the next layer gets: as many as its mask has, or a divisor of
            that; each is then repeated.

    Args:
        sites: The calls to come, as recorded.
        masks: For each site (W, *site.shape) as `howsure.sampling.masks.draw` makes them, where W
            passes are folded, pass-major, into the first axis of what the layer returns.
        gaussian_noise: Whether `GaussianNoise` is random.
    """

    def __init__(self, sites: Sequence[Site], masks: Sequence[Tensor], gaussian_noise: bool) -> None:
        self._sites = sites
        self._masks = masks
        self._gaussian_noise = gaussian_noise
        self._next = 0
        self.width: int | None = None

    def apply(self, layer: Layer, inputs: Tensor) -> Tensor:
        """Apply the next mask."""
        if not is_random(layer, self._gaussian_noise):
            return inputs
        site = self._sites[self._next] if self._next < len(self._sites) else None
        if site is None or site.kind != kind_of(layer) or site.shape != mask_shape(layer, inputs):
            raise private.in_own_words(
                ModelError(
                    f"The random layer '{layer.name}' was called differently than before",
                    expected="the same calls in every pass, on tensors whose first axis is the rows"
                    + ("" if site is None else f" ({site.name}: {site.shape})"),
                    received=f"a tensor of shape {tuple(inputs.shape)}",
                )
            )
        mask = self._masks[self._next]
        self._next += 1
        units = inputs.shape[1:]
        width = self.width or mask.shape[0]
        folded = ops.reshape(inputs, (width, 1, -1, *units))
        outputs = _transform(site, folded, ops.reshape(mask, (width, -1, 1, *mask.shape[1:])))
        return ops.reshape(outputs, (-1, *units))


def _transform(site: Site, inputs: Tensor, mask: Tensor) -> Tensor:
    """`inputs` (W', 1, n, …) under masks (W', r, 1, …), as (W', r, n, …)."""
    dtype = inputs.dtype
    if site.kind == DROPOUT:
        scale = 0.0 if site.rate == 1 else 1 / (1 - site.rate)
        if keras.backend.standardize_dtype(dtype) in ("float32", "float64") or _is_exact(scale, dtype):
            return inputs * (ops.cast(mask, dtype) * scale)
        # The scale's own rounding error would be in all numbers alike; so it is applied in float32.
        return ops.cast(ops.cast(inputs, "float32") * scale, dtype) * ops.cast(mask, dtype)
    mask = ops.cast(mask, dtype)
    if site.kind == GAUSSIAN_DROPOUT:
        return inputs * mask
    if site.kind == GAUSSIAN_NOISE:
        return inputs + mask
    # Klambauer et al. (2017), eq. 8 and 9: dropped units go to α', mean and variance are kept.
    alpha = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
    scale = ((1 - site.rate) * (1 + site.rate * alpha**2)) ** -0.5
    return scale * (inputs * mask + alpha * (1 - mask)) - scale * alpha * site.rate


def _is_exact(scale: float, dtype: Any) -> bool:
    """Whether a number has an exact counterpart in a type of 16 bits, told from bfloat16, the coarser."""
    return (
        keras.backend.standardize_dtype(dtype) == "bfloat16"
        and not np.float32(scale).view(np.uint32) & 0xFFFF
    )


def named_dropout(layer: Layer) -> str | None:
    """What is random inside one of Keras's own layers and cannot be switched, or None.

    Recurrent layers and `Attention` draw inside their `call`; `MultiHeadAttention` holds a `Dropout`
    layer, which is switched like any other.
    """
    if isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)):
        return None
    found = [
        f"{name} {value:g}"
        for name in ("dropout", "recurrent_dropout")
        if isinstance(value := getattr(layer, name, None), (int, float)) and value > 0
    ]
    return " and ".join(found) or None


def is_augmentation(layer: Layer) -> bool:
    """Whether a layer augments images in training only (`RandomFlip`, …)."""
    return type(layer).__module__.startswith("keras.") and type(layer).__name__.startswith(
        ("Random", "AugMix", "CutMix", "MixUp", "AutoContrast")
    )


def runs_code_of_a_user(layer: Layer) -> bool:
    """Whether one of Keras's own layers does what a function or module of somebody else's says."""
    wrappers = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
    if isinstance(layer, tuple(getattr(keras.layers, name) for name in wrappers)):
        return True
    activation = getattr(layer, "activation", None)
    return inspect.isfunction(activation) and not activation.__module__.startswith("keras.")


def draws_of_its_own(
    layer: Layer, arguments: tuple[tuple[Any, ...], dict[str, Any]], *, training: bool
) -> bool:
    """Whether a user's layer draws random numbers that no switched layer draws for it.

    It is called several times, Keras's random layers doing nothing, on the same made-up inputs; no state
    leaves the call. Different outputs come from a draw of its own.
    """
    args, kwargs = _made_up_arguments(layer, arguments, training)
    with switched(Still()), quiet([layer, *private.layers_below(layer)]):
        first, *others = (keras.tree.flatten(layer(*args, **kwargs)) for _ in range(CALLS))
    return any(
        not np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b), equal_nan=True)
        for other in others
        for a, b in zip(first, other, strict=True)
        if keras.ops.is_tensor(a)
    )


def called_in_training_only(
    layer: Layer,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    own_calls: Sequence[Layer],
    *,
    gaussian_noise: bool,
) -> list[Layer]:
    """Random layers that a user's layer calls more often in training than when predicting.

    It is called once each way, random layers doing nothing, on the same made-up inputs; no state leaves
    the call, and statistics that it would update stay as they are.
    """
    calls = {}
    for training in (False, True):
        args, kwargs = _made_up_arguments(layer, arguments, training)
        counted = _Calls(gaussian_noise)
        with switched(counted, own_calls), quiet([layer, *private.layers_below(layer)]):
            layer(*args, **kwargs)
        calls[training] = counted.of
    return list(calls[True] - calls[False])


def _made_up_arguments(
    layer: Layer, arguments: tuple[tuple[Any, ...], dict[str, Any]], training: bool
) -> tuple[Any, dict[str, Any]]:
    args, kwargs = keras.tree.map_structure(_made_up, arguments)
    if private.takes_training(layer):
        kwargs["training"] = training
    return args, kwargs


def _made_up(value: Any) -> Any:
    if not isinstance(value, keras.KerasTensor):
        return value
    random = np.random.default_rng(0)
    if "int" in value.dtype or value.dtype == "bool":
        return ops.ones(value.shape, value.dtype)
    return ops.cast(ops.convert_to_tensor(random.normal(size=value.shape).astype("float32")), value.dtype)
