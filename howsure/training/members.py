"""Make members of an ensemble: train from several seeds, or collect weights along one training.

Pass the result on: `howsure.assess(members[0], x, method=howsure.Ensemble(members[1:]))`.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
from collections.abc import Callable, Generator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_whole
from howsure.errors import HowsureError, InputError, ModelError
from howsure.models.keras.inputs import check_model, input_specs
from howsure.training.clone import (
    Build,
    assign_weights,
    batches_of,
    built,
    clone_with,
    compute_statistics,
    ensure_built,
    with_statistics,
)
from howsure.training.swag import Moments, add_epoch, draw_weights

Array = NDArray[Any]
Fit = Callable[[Any, int], object]

_CONFIG = ("floatx", "epsilon", "image_data_format", "dtype_policy")
"""Settings of keras.config that a training process takes over from this process."""

_THREADS = (
    "OMP_NUM_THREADS",  # PyTorch, and everything else that uses OpenMP
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # JAX
)
"""Environment variables that frameworks read, when they are loaded, for their number of threads."""


def train_members(
    build: Build,
    fit: Fit,
    count: int,
    *,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """Train the members of a deep ensemble (Lakshminarayanan and others 2017).

    Member m has the seed s = seed + m: `keras.utils.set_random_seed(s)`, `build(s)`, `fit(model, s)`. A
    member is therefore the same for any `count`. Keras's global seed stays that of the last member.

    With `workers` > 1, members train in separate processes. Each starts within seconds with this process's
    backend and keras.config, and gets a share of the processor cores. A limit that you set, such as
    OMP_NUM_THREADS in the environment, takes precedence over the share. A GPU is not divided; its memory must
    be enough for all. A member is then the same up to rounding: fewer threads may add numbers in another
    order, and a long training amplifies the difference.

    Only the weights of a member come back, into the model that `build(s)` returns here. The model is compiled
    only if `build` compiles it. Everything else that `fit` changed is lost. Both functions are pickled with
    everything that they capture, so each process has a copy of the rows. They may be lambdas or come from a
    notebook. An error in them is raised here unchanged, with a note that names the member, and the other
    members stop.

    Args:
        build: Takes a seed and returns a new, untrained keras.Model.
        fit: Takes that model and the seed, and trains it in place.
        count: Number of members, ≥ 1; 5 are usual.
        seed: Seed of the first member, ≥ 0.
        workers: Number of training processes, ≥ 1. With 1, members train one after the other in this process.
        progress: Called with (members trained, `count`) after each member.

    Returns:
        `count` trained models with the same inputs and outputs, no two of them equal.

    Raises:
        InputError: A number is out of range, or `build` and `fit` must be pickled but cannot be.
        ModelError: Two members share weights, are equal after training, or differ in input or output shapes.
            Or `build` returned no Keras model, a model without weights after `fit`, or one that does not fit
            the weights that came back.
    """
    check_whole(count, "count", least=1)
    check_whole(seed, "seed", least=0)
    check_whole(workers, "workers", least=1)
    members: list[Any] = []
    seeds = range(seed, seed + count)
    if workers == 1:
        trained = (_train(build, fit, one, members) for one in seeds)
    else:
        trained = _train_in_workers(build, fit, seeds, min(workers, count), members)
    with contextlib.closing(trained):
        for number, model in enumerate(trained):
            for earlier, member in enumerate(members):
                _check_alike(
                    model, member, f"{number} (seed {seed + number})", f"{earlier} (seed {seed + earlier})"
                )
            members.append(model)
            if progress is not None:
                progress(len(members), count)
    return members


def _train(build: Build, fit: Fit, seed: int, members: Sequence[Any]) -> Any:
    keras.utils.set_random_seed(seed)
    model = built(build, seed, members)
    fit(model, seed)
    check_model(model)
    return model


def _train_in_workers(
    build: Build, fit: Fit, seeds: Sequence[int], workers: int, members: Sequence[Any]
) -> Generator[Any, None, None]:
    """The trained models in the order of their seeds; closing the generator stops the others."""
    import loky

    share = str(max(1, loky.cpu_count() // workers))
    env = {name: os.environ.get(name, share) for name in _THREADS}
    env["KERAS_BACKEND"] = keras.backend.backend()
    config = {name: getattr(keras.config, name)() for name in _CONFIG}
    pool = loky.ProcessPoolExecutor(workers, env=env)  # not loky's reusable one: `env` is set at the start
    futures = collections.deque[Any]()
    try:
        for number, seed in enumerate(seeds):
            futures.append(pool.submit(_train_as_worker, build, fit, number, seed, config))
        for future in loky.as_completed(list(futures)):
            future.result()  # raises the member's error, even if earlier members still train
            while futures and futures[0].done():
                seed = seeds[len(members)]
                yield _with_weights(build, seed, members, *futures.popleft().result())
    except pickle.PicklingError as error:
        raise InputError(
            "`build` and `fit` cannot be sent to another process",
            expected="functions that, with all they capture, can be pickled",
            hint="Make what cannot be pickled inside these functions, or train with workers=1",
        ) from error
    finally:
        pool.shutdown(kill_workers=bool(futures))


def _train_as_worker(
    build: Build, fit: Fit, number: int, seed: int, config: dict[str, Any]
) -> tuple[dict[str, Any], list[Array]]:
    """What `_with_weights` needs of the trained member."""
    for name, value in config.items():
        getattr(keras.config, f"set_{name}")(value)
    try:
        model = _train(build, fit, seed, [])
        return model.get_build_config(), model.get_weights()
    except Exception as error:
        place = f"the training of member {number} (seed {seed}), in a process of its own"
        if not _can_be_pickled(error):
            raise HowsureError(
                f"{type(error).__name__} in {place}: {error}", hint="To get it itself, train with workers=1"
            ) from error
        error.add_note(f"Raised in {place}.")
        raise


def _can_be_pickled(error: Exception) -> bool:
    """True if an exception can be sent to another process: its class must need no more than a message."""
    import cloudpickle

    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return False
    return True


def _with_weights(
    build: Build, seed: int, members: Sequence[Any], build_config: dict[str, Any], weights: list[Array]
) -> Any:
    """The result of `build`, with weights that were trained in another process."""
    keras.utils.set_random_seed(seed)
    model = built(build, seed, members)
    ensure_built(model, build_config)
    shapes, expected = [tuple(v.shape) for v in model.weights], [array.shape for array in weights]
    if shapes != expected:
        raise ModelError(
            f"The model that `build({seed})` returned does not fit the weights that `fit` left",
            expected=f"shapes {expected}",
            received=f"shapes {shapes}",
            hint="Let `build` make all layers and weights, or train with workers=1",
        )
    assign_weights(model, weights)
    return model


def _check_alike(model: Any, other: Any, name: str, other_name: str) -> None:
    """Raise a `ModelError` unless shapes are the same and weights differ."""
    received, expected = _shapes(model), _shapes(other)
    if received != expected:
        raise ModelError(
            f"Member {name} does not fit member {other_name}",
            expected=f"inputs {expected[0]} and outputs {expected[1]}",
            received=f"inputs {received[0]} and outputs {received[1]}",
            hint="`build` should return the same network for every seed",
        )
    weights, others = model.get_weights(), other.get_weights()
    if len(weights) == len(others) and all(map(np.array_equal, weights, others)):
        raise ModelError(
            f"Members {other_name} and {name} are equal after training, so they cannot disagree",
            expected="weights that differ between members",
            hint="`build` or `fit` ignores its seed, for instance by fixing one of its own, or `fit` does "
            "not train",
        )


def _shapes(model: Any) -> tuple[list[Any], list[Any]]:
    inputs = [(spec.shape, spec.dtype) for spec in input_specs(model)]
    outputs = getattr(model, "outputs", None)
    if not outputs:
        taken = keras.tree.map_shape_structure(keras.KerasTensor, model.get_build_config()["input_shape"])
        outputs = keras.tree.flatten(model.compute_output_spec(taken))
    return inputs, [tuple(output.shape[1:]) for output in outputs]


class _AtEpochs(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Reads the weights at the end of epochs start, start + every, …; a new `fit` starts over."""

    def __init__(self, start: int, every: int) -> None:
        super().__init__()
        check_whole(start, "start", least=0)
        check_whole(every, "every", least=1)
        self.start, self.every = start, every
        self._epochs = 0

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Called by Keras."""
        self._epochs = epoch + 1
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self._collect(self.model)

    def _collect(self, model: Any) -> None:
        """Collect the weights at the end of an epoch; subclasses define how."""
        raise NotImplementedError

    def _check_enough(self, collected: int, least: int) -> None:
        if collected < least:
            raise InputError(
                f"Too few epochs were collected with start={self.start} and every={self.every}",
                expected=f"at least {least}, so a training of at least "
                f"{self.start + self.every * (least - 1) + 1} epochs",
                received=f"{collected}, from a training of {self._epochs}",
                hint="Pass it to fit(…, callbacks=[…]), train longer, or collect earlier",
            )


class Snapshots(_AtEpochs):
    """Stores the weights of some epochs of one training (Huang and others 2017).

    For a cyclic learning rate, set `start` and `every` to the ends of its cycles; for a constant one, to the
    last epochs. Weights are stored in host memory, one copy for each epoch. A new `fit` starts over.

    Args:
        start: First epoch to store, at its end; counted from 0, as in Keras callbacks.
        every: Number of epochs from one stored epoch to the next, ≥ 1.

    Attributes:
        weights: For each stored epoch the arrays of `model.get_weights()`.
    """

    def __init__(self, start: int, every: int = 1) -> None:
        super().__init__(start, every)
        self.weights: list[list[Array]] = []

    def on_train_begin(self, logs: object = None) -> None:
        """Called by Keras."""
        self.weights = []

    def _collect(self, model: Any) -> None:
        self.weights.append(model.get_weights())

    def members(self, model: Any, *, build: Build | None = None) -> list[Any]:
        """One clone of the model for each stored epoch, in order; the model itself does not change.

        Args:
            model: The trained model, or one like it.
            build: Takes a number and returns a similar, untrained model; for models that Keras cannot clone.

        Raises:
            InputError: No epoch was stored.
            ModelError: The model cannot be cloned, or its weights have other shapes than the stored ones.
        """
        self._check_enough(len(self.weights), 1)
        return [clone_with(model, weights, build, number) for number, weights in enumerate(self.weights)]


class Swag(_AtEpochs):
    """Collects a normal distribution of weights along one training: SWAG (Maddox and others 2019).

    Collect late in training, with a learning rate that stays large. It needs (rank + 5) · 4 bytes of host
    memory for each weight. A new `fit` starts over.

    Args:
        start: First epoch to collect, at its end; counted from 0, as in Keras callbacks.
        every: Number of epochs from one collected epoch to the next, ≥ 1.
        rank: Number of last deviations that form the low-rank part, ≥ 2; 20 as in the paper.

    Attributes:
        moments: Moments of the collected weights, or None.
    """

    def __init__(self, start: int, every: int = 1, rank: int = 20) -> None:
        super().__init__(start, every)
        check_whole(rank, "rank", least=2)
        self.rank = rank
        self.moments: Moments | None = None
        self._last: list[Array] = []
        self._trainable: list[bool] = []

    def on_train_begin(self, logs: object = None) -> None:
        """Called by Keras."""
        self.moments = None

    def _collect(self, model: Any) -> None:
        trained = {id(variable) for variable in model.trainable_weights}
        self._trainable = [id(variable) in trained for variable in model.weights]
        self._last = model.get_weights()
        parts = [array.ravel() for array, is_in in zip(self._last, self._trainable, strict=True) if is_in]
        if not parts:
            raise ModelError(f"Model '{model.name}' has no trainable weights", expected="some to collect")
        self.moments = add_epoch(self.moments, np.concatenate(parts), self.rank)

    def members(
        self,
        model: Any,
        count: int,
        x: Any = None,
        *,
        scale: float = 1.0,
        seed: int = 0,
        build: Build | None = None,
    ) -> list[Any]:
        """Clones of the model with weights drawn by `draw_weights`; the model itself does not change.

        Weights that are not trained are those of the last collected epoch. BatchNormalization statistics that
        training would change are recomputed for each member, as plain averages over batches of `x`, run as in
        training.

        Args:
            model: The trained model, or one like it.
            count: Number of members, ≥ 1.
            x: (N, …) rows that the model was trained on, N ≥ 2; needed and read only for such
                BatchNormalization. A few thousand are enough.
            scale: Factor of the covariance, ≥ 0; 1 as in the paper.
            seed: Seed of the draws, and of dropout while statistics are recomputed, ≥ 0.
            build: Takes a number and returns a similar, untrained model; for models that Keras cannot clone.

        Raises:
            InputError: Fewer than two epochs were collected, or rows are missing or do not fit.
            ModelError: The model cannot be cloned, or its weights have other shapes than the collected ones.
        """
        check_whole(count, "count", least=1)
        check_whole(seed, "seed", least=0)
        if not (isinstance(scale, (int, float)) and 0 <= scale < np.inf):
            raise InputError(
                "`scale` cannot be used", expected="a number of at least 0", received=repr(scale)
            )
        moments = self.moments
        self._check_enough(0 if moments is None else moments.count, 2)
        assert moments is not None  # for mypy; just checked
        check_model(model)
        batches = batches_of(model, x) if with_statistics(model) else []
        members = []
        for number, drawn in enumerate(draw_weights(moments, count, scale=scale, seed=seed)):
            weights, position = list(self._last), 0
            for index, (array, is_in) in enumerate(zip(self._last, self._trainable, strict=True)):
                if is_in:
                    part = drawn[position : position + array.size]
                    weights[index] = part.reshape(array.shape).astype(array.dtype)
                    position += array.size
            members.append(clone_with(model, weights, build, number))
            if batches:
                compute_statistics(members[-1], batches, seed + number)
        return members
