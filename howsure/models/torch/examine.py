"""What in a module is random, found by running it: with its flags of training off, on, and on where it drops.

    plain     all flags off: the prediction; whatever is drawn here is always on
    training  all flags on but those of norms: everything that can be drawn shows
    passes    flags on only where something is dropped, and around it if need be: all else as in predicting

The same rows come twice in a run, so that a draw which is not the same for the same row shows, and a run of
another number of rows tells where the rows are in what is drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.overrides import TorchFunctionMode

from howsure.errors import HowsureError, ModelError
from howsure.models.protocol import Unswitchable
from howsure.models.torch.draws import Draw, Draws, Masks, Place, constant, made_up, place_of
from howsure.models.torch.found import Snapshot, as_found, switch
from howsure.models.torch.inputs import Call, name_of
from howsure.models.torch.watching import ModuleCall, Seen, Watching
from howsure.sites import DROPOUT

Array = NDArray[Any]
Tensor = torch.Tensor

ROWS, OTHERS = 4, 6
"""Rows of the runs that look at a module: two different ones twice, and three."""

ROUNDING = 1e-4
"""Share of the largest output within which two ways to the same number in float32 agree, whose own rounding
is 6e-8 for each of the operations on the way; in 16 bits `COARSE`."""

COARSE = 0.05

_NORMS = nn.modules.batchnorm._NormBase


@dataclass(frozen=True, eq=False)
class Examination:
    """What a module was seen to do.

    Attributes:
        module: The module.
        call: How rows become a call of it.
        training: The modules whose flags are on in passes, by identity.
        places: For each site, in order, what it is and where its masks go.
        drawn: For each draw of a pass, in order, the place of a site, or the number that stands in for it.
        draws: What each of these draws asked for when `ROWS` rows ran.
        always: Numbers that stand in for what is drawn when predicting.
        always_random: Path of a module that draws when predicting what nothing can stand for, or None.
        left: What is random in training and stays fixed.
        calls: Calls of modules in a pass.
        foldable: Whether passes can lie one after the other on the axis of the rows.
        largest: Numbers in the largest tensor for one row.
        output_shape: Shape of the output for one row.
        output_dtype: Type of its numbers.
        ending: As in `ModelInfo`.
        last_linear: Which of the linear operations of a prediction is its last layer, or None.
        rescales: Whether the first operations bring raw values into range.
        restless: Names of parameters that a run changes.
    """

    module: nn.Module
    call: Call
    training: frozenset[int]
    places: tuple[Place, ...]
    drawn: tuple[Place | float | None, ...]
    draws: tuple[Draw, ...]
    always: tuple[float | None, ...]
    always_random: str | None
    left: tuple[Unswitchable, ...]
    calls: tuple[ModuleCall, ...]
    foldable: bool
    largest: int
    output_shape: tuple[int, ...]
    output_dtype: str
    ending: str | None
    last_linear: int | None
    rescales: bool
    restless: frozenset[str]


def examine(module: nn.Module, call: Call, rows: Sequence[Array], *, gaussian_noise: bool) -> Examination:
    """Run a module on a few rows and note what happens; it is left as found.

    Args:
        module: The module.
        call: How rows become a call of it.
        rows: Some of its rows, one at least.
        gaussian_noise: Whether noise that is added is random.

    Raises:
        ModelError: What it returns cannot be read, or rows depend on one another.
    """
    with as_found(module, None) as snapshot:
        return _Look(module, call, rows, snapshot, gaussian_noise).examined()


class _Look:
    def __init__(
        self, module: nn.Module, call: Call, rows: Sequence[Array], snapshot: Snapshot, gaussian_noise: bool
    ) -> None:
        self.module, self.call, self.snapshot = module, call, snapshot
        self.gaussian_noise = gaussian_noise
        self.names = {id(each): path for path, each in module.named_modules()}
        self.names[id(module)] = name_of(module)
        self.rows = {
            count: call.tensors([np.resize(array, (count, *array.shape[1:])) for array in rows])
            for count in (ROWS // 2, OTHERS)
        }
        self.rows[ROWS] = [torch.cat([each, each]) for each in self.rows[ROWS // 2]]

    # --- runs ---------------------------------------------------------------------------------

    def watch(
        self,
        training: Collection[int],
        numbers: Callable[[int, Draw], Tensor | None],
        count: int = ROWS,
    ) -> tuple[Tensor, Watching]:
        """A run with everything noted."""
        switch(self.module, training)
        seen = Watching(self.module, self.names, numbers)
        try:
            with seen.watched():
                output = self.call.run(self.module, self.rows[count])
        finally:
            self.snapshot.restore()
        return output, seen

    def run(
        self,
        training: Collection[int],
        numbers: Callable[[int, Draw], Tensor | None],
        count: int = ROWS,
        tensors: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """A run as passes are run."""
        switch(self.module, training)
        try:
            with Draws(numbers):
                return self.call.run(self.module, self.rows[count] if tensors is None else tensors)
        finally:
            self.snapshot.restore()

    # --- what is seen -------------------------------------------------------------------------

    def examined(self) -> Examination:
        """All of it."""
        plain, predicted = self.watch((), middle)
        always = tuple(stand_in(each.draw) for each in predicted.seen)
        unsteady = next((each for each in predicted.seen if each.draw.kind is None), None)
        again = self.run((), middle)
        always_random = unsteady.module if unsteady else None
        if always_random is None and not same(plain, again):
            always_random = self.module
        self._check_rows(plain)
        ending, last_linear = predicted.ending(plain)
        passes = _Passes(self, plain, predicted).found()
        return Examination(
            module=self.module,
            call=self.call,
            training=passes.training,
            places=passes.places,
            drawn=passes.drawn,
            draws=passes.draws,
            always=always,
            always_random=None if always_random is None else self.names[id(always_random)],
            left=passes.left,
            calls=passes.calls or tuple(predicted.calls),
            foldable=passes.foldable,
            largest=-(-max(predicted.largest, passes.largest) // ROWS),
            output_shape=tuple(plain.shape[1:]),
            output_dtype=str(plain.dtype).removeprefix("torch."),
            ending=ending,
            last_linear=last_linear,
            rescales=any(name in _RESCALING for name in predicted.early),
            restless=frozenset(self.snapshot.changed),
        )

    def _check_rows(self, plain: Tensor) -> None:
        """A prediction depends on its own row alone."""
        alone = self.run((), middle, ROWS // 2)
        half = ROWS // 2
        if not (same(plain[:half], plain[half:]) and same(plain[:half], alone)):
            raise ModelError(
                f"What module '{name_of(self.module)}' says of a row depends on the rows beside it",
                expected="a prediction of each row by itself",
                mend="Look for a norm without running statistics (track_running_stats=False), or rows that "
                "lie on another axis than the first",
            )


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are equal but for rounding."""
    if one.shape != other.shape:
        return False
    coarse = one.dtype in (torch.bfloat16, torch.float16)
    scale = float(other.float().abs().nan_to_num(0.0, 0.0, 0.0).max()) if other.numel() else 0.0
    off = (COARSE if coarse else ROUNDING) * max(scale, 1e-30)
    return bool(torch.allclose(one.float(), other.float(), rtol=0, atol=off, equal_nan=True))


_RESCALING = (
    "div",
    "div_",
    "mul",
    "mul_",
    "sub",
    "sub_",
    "native_batch_norm",
    "_native_batch_norm_legit_no_training",
)


def middle(number: int, draw: Draw) -> Tensor | None:
    """The mean of what is drawn, or whatever it draws where that has none."""
    return None if draw.kind is None else constant(draw, draw.middle)


def stand_in(draw: Draw) -> float | None:
    """The number that stands for a draw when predicting."""
    return None if draw.kind is None else draw.middle


@dataclass(frozen=True, eq=False)
class _Found:
    training: frozenset[int] = frozenset()
    places: tuple[Place, ...] = ()
    drawn: tuple[Place | float | None, ...] = ()
    draws: tuple[Draw, ...] = ()
    left: tuple[Unswitchable, ...] = ()
    calls: tuple[ModuleCall, ...] = ()
    foldable: bool = True
    largest: int = 1


class _Passes:
    """Which flags passes need, and what is drawn in them.

    Args:
        look: Runs the module.
        plain: What it predicts.
        predicted: The run that predicted it.
    """

    def __init__(self, look: _Look, plain: Tensor, predicted: Watching) -> None:
        self.look, self.plain, self.predicted = look, plain, predicted
        self.left: list[Unswitchable] = []

    def found(self) -> _Found:
        """All of it."""
        trained = self._trained()
        if trained is None:
            return _Found(left=tuple(self.left))
        dropped = [each for each in trained.seen if self._is_site(each)]
        if not dropped:
            self._leave_the_rest(trained.seen, [])
            return _Found(left=tuple(self.left))
        training, seen = self._least_flags(dropped, trained)
        self._leave_the_rest(trained.seen, seen.seen)
        return self._placed(training, seen)

    def _trained(self) -> Watching | None:
        """A run as in training, or None where all ways to it fail."""
        module = self.look.module
        everything = [each for each in module.modules() if not isinstance(each, _NORMS)]
        inside = [each for each in everything if each is not module]
        leaves = [each for each in everything if not next(each.children(), None)]
        failed: Exception | None = None
        for some in (everything, inside, leaves):
            try:
                return self.look.watch(frozenset(map(id, some)), middle)[1]
            except Exception as error:  # whatever a user's code raises where it wants more for training
                failed = failed or error
        said = " ".join(str(failed).split())
        what = f"it fails when it runs as in training ({type(failed).__name__}: {said:.120})"
        self.left.append(Unswitchable(name_of(module), what, refused=False))
        return None

    def _is_site(self, seen: Seen) -> bool:
        return seen.draw.kind == DROPOUT

    def _least_flags(self, dropped: Sequence[Seen], trained: Watching) -> tuple[frozenset[int], Watching]:
        """The fewest flags with which all is dropped that is dropped in training."""
        wanted = [(each.key, each.draw.rate) for each in dropped]
        own = {id(each.module) for each in dropped}
        around = {id(one) for each in dropped for one in each.around}
        everything = {id(each) for each in self.look.module.modules() if not isinstance(each, _NORMS)}
        for flags in (own, around, everything):
            try:
                _, seen = self.look.watch(flags, middle)
            except Exception:  # a mixture of flags that the module does not know
                continue
            if [(each.key, each.draw.rate) for each in seen.seen if self._is_site(each)] == wanted:
                return frozenset(flags), seen
        return frozenset(everything), trained

    def _leave_the_rest(self, trained: Sequence[Seen], passes: Sequence[Seen]) -> None:
        """Note what is drawn in training, and is no dropout."""
        in_passes = {each.key for each in passes}
        predicted = {each.key for each in self.predicted.seen}
        for each in trained:
            if self._is_site(each) or each.key in predicted:
                continue
            stays = each.key in in_passes
            why = ", in the same module that drops, and the two cannot be told apart" if stays else ""
            self.left.append(Unswitchable(each.name, f"{each.in_words} is no dropout{why}", refused=stays))

    def _placed(self, training: frozenset[int], seen: Watching) -> _Found:
        """Where the masks of each site go, tried out."""
        found = _Found(training=training, calls=tuple(seen.calls), largest=seen.largest)
        _, more = self.look.watch(training, middle, OTHERS)
        drawn: list[Place | float | None] = []
        places: list[Place] = []
        alike = len(more.seen) == len(seen.seen)
        for number, each in enumerate(seen.seen):
            if not self._is_site(each):
                drawn.append(stand_in(each.draw))
                continue
            place = None
            if alike:
                other = more.seen[number].draw
                place = place_of(len(places), each.name, each.draw, other, ROWS, OTHERS)
            if place is None:
                self._refuse(each, "how often or of what shape depends on how many rows there are")
                return replace(found, left=tuple(self.left))
            places.append(place)
            drawn.append(place)
        trial = Trial(self.look, training, drawn, [each.draw for each in seen.seen])
        problem = trial.problem(self.plain)
        if problem is not None:
            self._refuse(seen.seen[problem[0]], problem[1])
        return replace(
            found,
            places=tuple(each for each in trial.drawn if isinstance(each, Place)),
            drawn=tuple(trial.drawn),
            draws=tuple(trial.draws),
            left=tuple(self.left),
            foldable=problem is None and trial.folds(),
        )

    def _refuse(self, seen: Seen, what: str) -> None:
        self.left.append(Unswitchable(seen.name, f"{seen.in_words}: {what}", refused=True))


class Trial:
    """Passes with masks made up, to see whether they are what they should be.

    Args:
        look: Runs the module.
        training: Whose flags are on.
        drawn: As in `Examination`; of folded axes the order is set right.
        draws: As there.
    """

    def __init__(
        self,
        look: _Look,
        training: frozenset[int],
        drawn: list[Place | float | None],
        draws: list[Draw],
    ) -> None:
        self._look, self._training = look, training
        self.drawn, self.draws = drawn, draws

    def problem(self, plain: Tensor) -> tuple[int, str] | None:
        """What makes passes wrong, by the number of a draw and in words; or None."""
        first = next(number for number, each in enumerate(self.drawn) if isinstance(each, Place))
        if not self._computes(plain):
            return first, "in training more is computed than in predicting, apart from what is drawn"
        masks = self.masks(0)
        output = self._passes(masks)
        if not same(output, self._passes(masks)):
            return first, "passes with the same masks differ, so something is drawn outside of PyTorch"
        if not self._fair(output):
            for number, place in enumerate(self.drawn):
                if isinstance(place, Place) and not self._in_order(number, place):
                    return number, "rows that are the same do not get the same mask"
            if not self._fair(self._passes(masks)):
                return first, "what a pass says of a row depends on the rows beside it"
        return None

    def folds(self) -> bool:
        """Whether two passes one after the other on the axis of the rows give what each gives alone."""
        if any(isinstance(each, Place) and each.axis is None for each in self.drawn):
            return False
        half = ROWS // 2
        each = [self.masks(number) for number in (0, 1)]
        both = [torch.cat(pair) for pair in zip(*each, strict=True)]
        try:
            together = self._passes(both, half)
        except HowsureError:
            return False
        tensors = self._look.rows[half]
        alone = [self._passes(masks, half, tensors) for masks in each]
        return same(together, torch.cat(alone))

    def masks(self, seed: int) -> list[Tensor]:
        """Masks (1, *site.shape) made up for each site."""
        random = np.random.default_rng([7, seed])
        found = []
        for draw, place in zip(self.draws, self.drawn, strict=True):
            if isinstance(place, Place):
                wanted = replace(draw, shape=(1, *place.site.shape))
                found.append(made_up(wanted, random))
        return found

    def _passes(
        self, masks: Sequence[Tensor], rows: int = ROWS, tensors: Sequence[Tensor] | None = None
    ) -> Tensor:
        numbers = Masks(self.drawn, self.draws, masks, rows, name_of(self._look.module))
        return self._look.run(self._training, numbers, tensors=tensors)

    def _computes(self, plain: Tensor) -> bool:
        """Whether passes that drop nothing are the prediction."""
        for value in (None, 1.0, 0.0):
            numbers = middle if value is None else functools.partial(_filled, value)
            with _WithoutAlpha():
                if same(self._look.run(self._training, numbers), plain):
                    return True
        return False

    def _fair(self, output: Tensor) -> bool:
        return same(output[: ROWS // 2], output[ROWS // 2 :])

    def _in_order(self, number: int, place: Place) -> bool:
        """Whether rows lie first or last on a folded axis, tried with masks of this site alone; it is set."""
        mask = made_up(
            replace(self.draws[number], shape=(1, *place.site.shape)), np.random.default_rng([7, number])
        )
        for order in (True, False) if place.folded > 1 else (True,):
            tried = replace(place, rows_first=order)

            def numbers(at: int, draw: Draw, tried: Place = tried) -> Tensor | None:
                return tried.spread(mask, ROWS) if at == number else middle(at, draw)

            if self._fair(self._look.run(self._training, numbers)):
                self.drawn[number] = tried
                return True
        return False


def _filled(value: float, number: int, draw: Draw) -> Tensor | None:
    return constant(draw, value) if draw.kind == DROPOUT else middle(number, draw)


class _WithoutAlpha(TorchFunctionMode):
    """Inside, alpha dropout drops nothing: it keeps mean and variance for a price at every unit."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return what is to be dropped from as it is."""
        if "alpha_dropout" in getattr(func, "__name__", ""):
            return args[0]
        return func(*args, **(kwargs or {}))
