"""Make members of an ensemble: train from several seeds, or collect weights along one training.

Pass the result on: `howsure.assess(members[0], x, method=howsure.Ensemble(members[1:]))`.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import pickle
import random
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_whole
from howsure.errors import HowsureError, InputError, ModelError, warn
from howsure.models.adapt import opened
from howsure.models.wrapped import roots_of
from howsure.training.weights import Array, Weight, changed, joined, replaced
from howsure.words import listed


@dataclass(frozen=True)
class Moments:
    """SWAG's moments of P trainable weights, concatenated (Maddox and others 2019).

    Attributes:
        count: Number of epochs collected.
        mean: (P,) running mean.
        squared_mean: (P,) running mean of the squares.
        deviations: Up to `rank` arrays (P,): the weights of the last epochs, each minus the running mean of
            that time. For the first epoch it is therefore 0, as in the paper.
    """

    count: int
    mean: NDArray[np.float64]
    squared_mean: NDArray[np.float64]
    deviations: tuple[NDArray[np.float32], ...]

    @property
    def variance(self) -> NDArray[np.float64]:
        """(P,) squared_mean − mean², at least 0."""
        return np.maximum(self.squared_mean - self.mean**2, 0.0)


def add_epoch(moments: Moments | None, weights: Array, rank: int) -> Moments:
    """The moments with one more epoch; pass None for the first epoch.

    Args:
        moments: Moments of the epochs so far, or None.
        weights: (P,) weights of the new epoch.
        rank: Number of deviations that are stored.
    """
    weights = weights.astype(np.float64)
    if moments is None:
        moments = Moments(0, np.zeros_like(weights), np.zeros_like(weights), ())
    count = moments.count + 1
    mean = moments.mean + (weights - moments.mean) / count
    squared_mean = moments.squared_mean + (weights**2 - moments.squared_mean) / count
    deviations = (*moments.deviations, (weights - mean).astype(np.float32))[-rank:]
    return Moments(count, mean, squared_mean, deviations)


def draw_weights(
    moments: Moments, count: int, *, scale: float = 1.0, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Draws from SWAG's normal distribution (Maddox and others 2019, equation 1).

    w = mean + √scale · (√(variance / 2) z₁ + D z₂ / √(2 (R − 1))), with D the (P, R) deviations and z₁ (P,),
    z₂ (R,) standard normal: mean `mean`, covariance scale · ½ (diag(variance) + D Dᵀ / (R − 1)).

    Args:
        moments: Moments of at least two epochs.
        count: Number of draws; draw m is the same for any number.
        scale: Factor of the covariance, ≥ 0; 0 gives the mean.
        seed: Seed of the draws, ≥ 0.

    Yields:
        Weights (P,), one array for each draw.
    """
    deviation = np.sqrt(moments.variance / 2)
    rank = len(moments.deviations)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        drawn = deviation * random.standard_normal(len(deviation))
        for factor, column in zip(random.standard_normal(rank), moments.deviations, strict=True):
            drawn += factor / np.sqrt(2 * (rank - 1)) * column
        yield moments.mean + np.sqrt(scale) * drawn


Build = Callable[[int], Any]
Fit = Callable[[Any, int], object]

HALVES = {"keras": "howsure.training.keras", "torch": "howsure.training.torch"}
"""The module that reads, copies and fills models, by framework. Keras on PyTorch is first of all Keras."""

_THREADS = (
    "OMP_NUM_THREADS",  # PyTorch, and everything else that uses OpenMP
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # JAX
)
"""Environment variables that frameworks read, when they are loaded, for their number of threads."""


def half_of(model: Any, what: str = "This is") -> Any:
    """The module in `HALVES` for a model.

    Raises:
        ModelError: `what` and "no model" say that this is none.
    """
    roots = roots_of(model)
    half = next((importlib.import_module(name) for each, name in HALVES.items() if each in roots), None)
    if half is None or not isinstance(model, half.Model):
        raise ModelError(
            f"{what} no model", expected="a keras.Model or a torch.nn.Module", received=type(model).__name__
        )
    return half


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

    Member m has the seed s = seed + m. It seeds Python, numpy and the frameworks that are loaded, with
    `torch.manual_seed(s)` and `keras.utils.set_random_seed(s)`. Then follow `build(s)` and `fit(model, s)`. A
    member is therefore the same for any `count`. The global seeds stay those of the last member.

    With `workers` > 1, members train in separate processes. Each starts within seconds with this process's
    Keras backend and keras.config, or with the default type, default device, precision of products and
    determinism of PyTorch. It gets a share of the processor cores. A limit that you set, such as
    OMP_NUM_THREADS in the environment, takes precedence over the share. A GPU is not divided; its memory must
    be enough for all. A member is then the same up to rounding: fewer threads may add numbers in another
    order, and a long training amplifies the difference.

    Only the weights of a member come back, into the model that `build(s)` returns here. The model is compiled
    only if `build` compiles it. Everything else that `fit` changed is lost. Both functions are pickled with
    everything that they capture, so each process has a copy of the rows. They may be lambdas or come from a
    notebook. An error in them is raised here unchanged, with a note that names the member, and the other
    members stop.

    Args:
        build: Takes a seed and returns a new, untrained keras.Model or torch.nn.Module.
        fit: Takes that model and the seed, and trains it in place.
        count: Number of members, ≥ 1; 5 are usual.
        seed: Seed of the first member, ≥ 0.
        workers: Number of training processes, ≥ 1. With 1, members train one after the other in this process.
        progress: Called with (members trained, `count`) after each member.

    Returns:
        `count` trained models, no two of them equal. Keras models have the same inputs and outputs, modules
        the same names and shapes of parameters.

    Raises:
        InputError: A number is out of range, or `build` and `fit` must be pickled but cannot be.
        ModelError: Two members share weights that training changes, are equal after training, or differ in
            the shapes above. Or `fit` changed no weight, or left one that is not finite. Or `build` returned
            no model, one without weights after `fit`, or one that does not fit the weights that came back.
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


def _train(build: Build, fit: Fit, seed: int, others: Sequence[Any]) -> Any:
    model = _built(build, seed, others)
    half = half_of(model)
    before = half.weights(model)
    fit(model, seed)
    half.check(model)
    after, layout = half.weights(model), half.layout(model)
    moved = changed(before, after)
    if not any(has and not weight.statistic for has, weight in zip(moved, layout, strict=True)):
        raise ModelError(
            f"`fit` changed no weight of the model that `build({seed})` returned",
            expected="a function that trains the given model in place",
            hint="Train the model that `fit` gets, not a copy, and return nothing",
        )
    _check_finite(after, layout, moved, f"after the training with seed {seed}")
    _check_apart(model, others, moved, seed)
    return model


def _built(build: Build, seed: int, others: Sequence[Any]) -> Any:
    """The result of `build`, seeded, after a check that it is a model and shares no weights with others."""
    loaded = {name for name in HALVES if sys.modules.get(name) is not None}
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in loaded:
        sys.modules["torch"].manual_seed(seed)
    if "keras" in loaded:
        sys.modules["keras"].utils.set_random_seed(seed)
    model = build(seed)
    half = half_of(model, "`build` returned")
    if not any(HALVES[name] == half.__name__ for name in loaded):
        return _built(build, seed, others)  # its first call has loaded the framework, which had no seed yet
    _check_apart(model, others, [weight.trained for weight in half.layout(model)], seed)
    return model


def _check_apart(model: Any, others: Sequence[Any], moved: Sequence[bool], seed: int) -> None:
    """Raise a `ModelError` if weights that move are also weights of other models."""
    taken = {weight.place for other in others for weight in half_of(other).layout(other)}
    if any(
        has and each.place in taken for each, has in zip(half_of(model).layout(model), moved, strict=True)
    ):
        raise ModelError(
            f"The model that `build({seed})` returned shares weights with an earlier one",
            expected="a new model with weights of its own at every call",
            hint="Create all layers inside `build`",
        )


def _check_finite(
    arrays: Sequence[Array], layout: Sequence[Weight], chosen: Sequence[bool], when: str
) -> None:
    """Raise a `ModelError` if there is NaN or infinity in the chosen weights."""
    for array, weight, is_in in zip(arrays, layout, chosen, strict=True):
        if is_in and not np.isfinite(array).all():
            raise ModelError(
                f"The training has diverged: '{weight.name}' is not finite {when}",
                expected="finite weights",
                hint="Lower the learning rate, or clip gradients",
            )


def _train_in_workers(
    build: Build, fit: Fit, seeds: Sequence[int], workers: int, members: Sequence[Any]
) -> Generator[Any, None, None]:
    """The trained models in the order of their seeds; closing the generator stops the others."""
    import loky

    share = str(max(1, loky.cpu_count() // workers))
    env = {name: os.environ.get(name, share) for name in _THREADS}
    first = _built(build, seeds[0], members)  # shows the framework, and takes the weights of the first member
    half = half_of(first)
    env |= half.ENVIRONMENT
    settings = {get: getattr(half.config, get)() for get in half.SETTINGS}
    pool = loky.ProcessPoolExecutor(workers, env=env)  # not loky's reusable one: `env` is set at the start
    futures = collections.deque[Any]()
    try:
        for number, seed in enumerate(seeds):
            futures.append(pool.submit(_train_as_worker, build, fit, number, seed, half.__name__, settings))
        for future in loky.as_completed(list(futures)):
            future.result()  # raises the member's error, even if earlier members still train
            while futures and futures[0].done():
                seed = seeds[len(members)]
                model = _built(build, seed, members) if members else first
                yield _with_weights(model, seed, members, *futures.popleft().result())
    except pickle.PicklingError as error:
        raise InputError(
            "`build` and `fit` cannot be sent to another process",
            expected="functions that, with all they capture, can be pickled",
            hint="Make what cannot be pickled inside these functions, or train with workers=1",
        ) from error
    finally:
        pool.shutdown(kill_workers=bool(futures))


def _train_as_worker(
    build: Build, fit: Fit, number: int, seed: int, half_name: str, settings: dict[str, Any]
) -> tuple[Any, list[Array]]:
    """The build configuration and the weights of the trained member."""
    half = importlib.import_module(half_name)
    for get, value in settings.items():
        if getattr(half.config, get)() != value:
            getattr(half.config, half.SETTINGS[get])(value)
    try:
        model = _train(build, fit, seed, [])
        return half.build_config(model), half.weights(model)
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
    model: Any, seed: int, others: Sequence[Any], build_config: Any, weights: Sequence[Array]
) -> Any:
    """The model that `build` returned, with weights that were trained in another process."""
    half_of(model).ensure_built(model, build_config)
    current = _check_fits(
        model,
        weights,
        f"The model that `build({seed})` returned does not fit the weights that `fit` left",
        "Let `build` make all layers and weights, or train with workers=1",
    )
    _check_apart(model, others, changed(current, weights), seed)
    half_of(model).assign(model, weights)
    return model


def _check_fits(model: Any, weights: Sequence[Array], what: str, hint: str) -> list[Array]:
    """The weights of a model; a `ModelError` with these words if others have other shapes."""
    current: list[Array] = half_of(model).weights(model)
    received, expected = ([array.shape for array in arrays] for arrays in (current, weights))
    if received != expected:
        raise ModelError(what, expected=f"shapes {expected}", received=f"shapes {received}", hint=hint)
    return current


def _check_alike(model: Any, other: Any, name: str, other_name: str) -> None:
    """Raise a `ModelError` unless shapes are the same and weights differ."""
    received, expected = (half_of(each).form(each) for each in (model, other))
    for what in {**expected, **received}:
        if received.get(what) != expected.get(what):
            raise ModelError(
                f"Member {name} does not fit member {other_name}",
                expected=f"{what} {expected.get(what, '(none)')}",
                received=f"{what} {received.get(what, '(none)')}",
                hint="`build` should return the same network for every seed",
            )
    weights, others = (half_of(each).weights(each) for each in (model, other))
    if not any(changed(others, weights)):
        raise ModelError(
            f"Members {other_name} and {name} are equal after training, so they cannot disagree",
            expected="weights that differ between members",
            hint="`build` or `fit` ignores its seed, for instance by fixing one of its own",
        )


def _clone(
    model: Any, weights: Sequence[Array], build: Build | None, number: int, others: Sequence[Any]
) -> Any:
    """A copy of a model with other weights; a Keras model is compiled with its loss only, if it has one."""
    half = half_of(model)
    clone = half.copied(model) if build is None else build(number)
    half_of(clone, "`build` returned").ensure_built(clone, half.build_config(model))
    current = _check_fits(
        clone,
        weights,
        "The clone of the model has other weights than those collected",
        "Give the model that was trained; if it is, give `build`, a function of a number that returns an "
        "untrained model like it",
    )
    written = zip(half.layout(clone), changed(current, weights), strict=True)
    _check_apart(clone, [model, *others], [weight.trained or is_new for weight, is_new in written], number)
    half.make_like(clone, model)
    half.assign(clone, weights)
    return clone


def _unused(*args: object, **kwargs: object) -> None:
    """Do nothing, for what Keras calls of a callback."""


_unused._is_default = True  # type: ignore[attr-defined]  # so Keras knows that it need not wait for it


class _AtEpochs:
    """Reads the weights at the end of every so many epochs.

    It does what Keras asks of a callback but is no `keras.callbacks.Callback`, since Keras may be missing.
    """

    def __init__(self, start: int, every: int = 1) -> None:
        check_whole(start, "start", least=0)
        check_whole(every, "every", least=1)
        self.start, self.every = start, every
        self._start_over()

    def _start_over(self) -> None:
        self._epochs = 0
        self._of: Any = None
        self._layout: list[Weight] = []

    def end_epoch(self, model: Any) -> None:
        """Call it at the end of every epoch of your own training loop; `fit` of Keras does so itself.

        The model does not change. Each training needs a new object.

        Args:
            model: The torch.nn.Module or keras.Model in training; inside `torch.compile` or
                `DistributedDataParallel` too.

        Raises:
            InputError: An earlier epoch was of another model, or other weights were trained in it.
            ModelError: This is no model, it has no weights yet, such as a lazy module before its first call,
                or weights that are not finite.
        """
        half = half_of(model)
        model = half.check(model)
        if self._of is not None and self._of is not model:
            raise InputError(
                "The epochs of two models were given to one collection",
                expected="the same model after every epoch",
                hint=f"Make a new {type(self).__name__} for each training",
            )
        self._of = model
        epoch, self._epochs = self._epochs, self._epochs + 1
        if epoch < self.start or (epoch - self.start) % self.every:
            return
        arrays, layout = half.weights(model), half.layout(model)
        by_training = [weight.trained or weight.statistic for weight in layout]
        _check_finite(arrays, layout, by_training, f"at the end of epoch {epoch}")
        self._collect(arrays, layout)
        self._layout = layout

    def _collect(self, arrays: list[Array], layout: list[Weight]) -> None:
        """Collect the weights at the end of an epoch; subclasses define how."""
        raise NotImplementedError

    def set_model(self, model: Any) -> None:
        """Called by Keras."""
        self.model = model

    def on_train_begin(self, logs: object = None) -> None:
        """Called by Keras."""
        self._start_over()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Called by Keras."""
        self._epochs = epoch
        self.end_epoch(self.model)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("on_", "set_")):
            return _unused
        raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")

    def _check_enough(self, collected: int, least: int) -> None:
        if collected < least:
            raise InputError(
                f"Too few epochs were collected with start={self.start} and every={self.every}",
                expected=f"at least {least}, so a training of at least "
                f"{self.start + self.every * (least - 1) + 1} epochs",
                received=f"{collected}, from a training of {self._epochs}",
                hint="Pass it to fit(…, callbacks=[…]), or call end_epoch(module) after every epoch of your "
                "own loop; train longer, or collect earlier",
            )


class Snapshots(_AtEpochs):
    """Stores the weights of some epochs of one training (Huang and others 2017).

    Pass it to `fit` of Keras as a callback; a new `fit` starts over. In a training loop of PyTorch, call
    `end_epoch(module)` after every epoch. For a cyclic learning rate, set `start` and `every` to the ends of
    its cycles; for a constant one, to the last epochs. Weights are stored in host memory, one copy for each
    epoch.

    Args:
        start: First epoch to store, at its end; counted from 0, as in Keras callbacks.
        every: Number of epochs from one stored epoch to the next, ≥ 1.

    Attributes:
        weights: For each stored epoch the arrays of `model.get_weights()`, or those of the parameters and
            then the buffers of a module, in its order; 8 and 16 bits as float32.
    """

    def _start_over(self) -> None:
        super()._start_over()
        self.weights: list[list[Array]] = []

    def _collect(self, arrays: list[Array], layout: list[Weight]) -> None:
        self.weights.append(arrays)

    def members(self, model: Any, *, build: Build | None = None) -> list[Any]:
        """One clone of the model for each stored epoch, in order; the model itself does not change.

        Args:
            model: The trained model, or one like it.
            build: Takes a number and returns a similar, untrained model; for models that Keras cannot clone
                or copy.deepcopy cannot copy.

        Raises:
            InputError: No epoch was stored.
            ModelError: The model cannot be cloned, or its weights have other shapes than the stored ones.
        """
        self._check_enough(len(self.weights), 1)
        model, members = half_of(model).check(model), list[Any]()
        for number, weights in enumerate(self.weights):
            members.append(_clone(model, weights, build, number, members))
        return members


class Swag(_AtEpochs):
    """Collects a normal distribution of weights along one training: SWAG (Maddox and others 2019).

    Pass it to `fit` of Keras as a callback; a new `fit` starts over. In a training loop of PyTorch, call
    `end_epoch(module)` after every epoch. Collect late in training, with a learning rate that stays large. It
    needs (rank + 5) · 4 bytes of host memory for each weight.

    Args:
        start: First epoch to collect, at its end; counted from 0, as in Keras callbacks.
        every: Number of epochs from one collected epoch to the next, ≥ 1.
        rank: Number of last deviations that form the low-rank part, ≥ 2; 20 as in the paper.

    Attributes:
        moments: Moments of the P collected weights, or None; of a module, those of its parameters that
            require gradients, in its order.
    """

    def __init__(self, start: int, every: int = 1, rank: int = 20) -> None:
        super().__init__(start, every)
        check_whole(rank, "rank", least=2)
        self.rank = rank

    def _start_over(self) -> None:
        super()._start_over()
        self.moments: Moments | None = None
        self._last: list[Array] = []
        self._moved: list[bool] = []

    def _collect(self, arrays: list[Array], layout: list[Weight]) -> None:
        trained = [weight.trained for weight in layout]
        if not any(trained):
            raise ModelError("The model has no trainable weights", expected="some to collect")
        if self._last and trained != [weight.trained for weight in self._layout]:
            raise InputError(
                "The collected epochs trained different weights",
                expected="the same trainable weights in all of them",
                hint="Set `start` to an epoch after the last change of what is frozen",
            )
        moved = changed(self._last, arrays) if self._last else [False] * len(arrays)
        self._moved = [one or other for one, other in zip(self._moved or moved, moved, strict=True)]
        self._last = arrays
        self.moments = add_epoch(self.moments, joined(arrays, trained), self.rank)

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

        Weights that are not trained are those of the last collected epoch. Running statistics of batch
        normalisation that changed between collected epochs are recomputed for each member, as plain averages
        over batches of `x`, run as in training; of modules also those of instance normalisation. They are
        those of `torch.optim.swa_utils.update_bn`. A warning names what else changed without being trained.

        Args:
            model: The trained model, or one like it.
            count: Number of members, ≥ 1.
            x: (N, …) rows that the model was trained on, N ≥ 2, in any form that `howsure.assess` takes, such
                as a DataLoader; needed and read only for such statistics. A few thousand are enough.
            scale: Factor of the covariance, ≥ 0; 1 as in the paper.
            seed: Seed of the draws, and of dropout while statistics are recomputed, ≥ 0.
            build: Takes a number and returns a similar, untrained model; for models that Keras cannot clone
                or copy.deepcopy cannot copy.

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
        half = half_of(model)
        model = half.check(model)
        trained = [weight.trained for weight in self._layout]
        pairs = list(zip(self._layout, self._moved, strict=True))
        needed = [moved and weight.statistic for weight, moved in pairs]
        others = [
            f"'{weight.name}'"
            for (weight, moved), array in zip(pairs, self._last, strict=True)
            if moved and not (weight.trained or weight.statistic) and array.dtype.kind not in "biu"
        ]
        if others:
            warn(
                f"{listed(others)} changed between collected epochs without being trained. howsure cannot "
                "recompute this for drawn weights, so every member has it from the last collected epoch."
            )
        if any(needed) and x is None:
            owners = dict.fromkeys(
                f"'{weight.owner}'" for weight, moved in pairs if moved and weight.statistic
            )
            raise InputError(
                f"Every member needs statistics of its own in the normalisation layers {', '.join(owners)}",
                expected="rows the model was trained on, as `x`; a few thousand are enough",
                received="None",
                hint="swag.members(model, count, x)",
            )
        batches = half.batches(model, opened(model).rows(x).x) if any(needed) else []
        members: list[Any] = []
        for number, drawn in enumerate(draw_weights(moments, count, scale=scale, seed=seed)):
            member = _clone(model, replaced(self._last, trained, drawn), build, number, members)
            if batches:
                half.compute_statistics(member, needed, batches, seed + number)
            members.append(member)
        return members
