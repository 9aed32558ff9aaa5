"""Find every source of randomness in a module by running it with different training flags.

plain     all flags off: the prediction; anything drawn here is always on
training  all flags on, except those of norms: every possible draw shows
passes    flags on only in modules that drop, and in their parents if necessary; all else as in predicting
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from howsure.errors import ModelError
from howsure.models.protocol import Unswitchable
from howsure.models.torch.call_stack import ModuleCall
from howsure.models.torch.draws import Draw, Place
from howsure.models.torch.dry_run import ROWS, UNEVEN, Look, middle, same, stand_in
from howsure.models.torch.find_draws import Passes
from howsure.models.torch.inputs import Call, name_of
from howsure.models.torch.output_activation import LastLayer
from howsure.models.torch.snapshot import as_found, numbers_drawn_elsewhere

Array = NDArray[Any]
Tensor = torch.Tensor

_RESCALING = frozenset(
    {
        *("div", "div_", "mul", "mul_", "sub", "sub_"),
        *("native_batch_norm", "_native_batch_norm_legit_no_training"),
    }
)
"""Operations with which a module rescales raw values."""


@dataclass(frozen=True, eq=False)
class Examination:
    """Results of examining a module.

    Attributes:
        module: The module.
        call: How rows are passed to it.
        rows: Rows of each input on which it was examined.
        training: Identities of the modules whose training flags are on in passes.
        places: For each site, in order, where its masks go.
        drawn: For each draw of a pass, in order: the place of a site, or the number that replaces it.
        draws: Each of these draws, as recorded with `ROWS` rows.
        fixed: As in `Draws`.
        always: Numbers that replace draws when predicting.
        always_random: Path of a module with a draw in predicting that nothing can replace, or None.
        left: Draws of training that stay fixed.
        kept_off: Names of calls whose draws the module's own `train()` keeps off.
        keep_off: Names of the modules whose draws the caller keeps off.
        calls: Calls of modules in a pass.
        foldable: True if passes can be folded into the batch axis.
        largest: Numbers in the largest tensor, for one row.
        output_shape: Shape of the output, for one row.
        output_dtype: Type of its numbers.
        ending: As in `ModelInfo`.
        heads: As in `ModelInfo`.
        class_axis: As in `ModelInfo`.
        last_linear: Where a prediction computes its last linear layer, or None.
        rescales: True if the first operations rescale raw values.
        restless: Names of parameters that a run changes.
        elsewhere: True if a run draws from Python's or numpy's generators.
        writes: True if a run writes into its rows, so that each run needs a copy.
    """

    module: nn.Module
    call: Call
    rows: Sequence[Array]
    training: frozenset[int]
    places: tuple[Place, ...]
    drawn: tuple[Place | float | None, ...]
    draws: tuple[Draw, ...]
    fixed: frozenset[bytes]
    always: tuple[float | None, ...]
    always_random: str | None
    left: tuple[Unswitchable, ...]
    kept_off: frozenset[str]
    keep_off: frozenset[str]
    calls: tuple[ModuleCall, ...]
    foldable: bool
    largest: int
    output_shape: tuple[int, ...]
    output_dtype: str
    ending: str | None
    heads: tuple[str, ...]
    class_axis: int | None
    last_linear: LastLayer | None
    rescales: bool
    restless: frozenset[str]
    elsewhere: bool
    writes: bool


def examine(
    module: nn.Module,
    call: Call,
    rows: Sequence[Array],
    *,
    gaussian_noise: bool,
    keep_off: frozenset[str] = frozenset(),
) -> Examination:
    """Run a module on a few rows, and record what happens; the module is left as found.

    Args:
        module: The module.
        call: How rows are passed to it.
        rows: Two rows of each input.
        gaussian_noise: True makes added noise random.
        keep_off: Names of random modules that stay fixed, as in predicting.

    Raises:
        ModelError: Its result cannot be read, or rows depend on one another.
    """
    with as_found(module, None) as snapshot:
        look, seeds = Look(module, call, rows, snapshot, gaussian_noise), numbers_drawn_elsewhere()
        look.keep_off = keep_off
        plain, predicted = look.watch((), middle)
        if predicted.seen:
            _check_nothing_is_kept(look)
            look.find_fixed(())
            plain, predicted = look.watch((), middle)
        unsteady = next((each.module for each in predicted.seen if each.draw.kind is None), None)
        if unsteady is None and not look.agrees_with_itself(lambda count: look.run((), middle, count)):
            unsteady = module
        if unsteady is None:
            _check_rows(look, plain)
        made = _made_of(look)
        passes = Passes(look, plain, predicted).found()
        return Examination(
            module=module,
            call=call,
            rows=rows,
            training=passes.training,
            places=passes.places,
            drawn=passes.drawn,
            draws=passes.draws,
            fixed=look.fixed,
            always=tuple(stand_in(each.draw) for each in predicted.seen),
            always_random=None if unsteady is None else look.names[id(unsteady)],
            left=passes.left,
            kept_off=passes.kept_off,
            keep_off=keep_off,
            calls=passes.calls or tuple(predicted.calls),
            foldable=passes.foldable,
            largest=-(-max(predicted.largest, passes.largest) // ROWS),
            output_shape=tuple(plain.shape[1:]),
            output_dtype=str(plain.dtype).removeprefix("torch."),
            ending=made.ending,
            heads=made.heads,
            class_axis=made.class_axis,
            last_linear=made.last_linear,
            rescales=not _RESCALING.isdisjoint(predicted.early),
            restless=frozenset(snapshot.changed),
            elsewhere=numbers_drawn_elsewhere() != seeds,
            writes=look.writes,
        )


@dataclass(frozen=True)
class _MadeOf:
    """What the output is made of; the attributes are those of `Examination`."""

    ending: str | None
    last_linear: LastLayer | None
    heads: tuple[str, ...]
    class_axis: int | None


def _made_of(look: Look) -> _MadeOf:
    """From one plain run on as few rows as possible."""
    output, seen = look.watch((), middle, ROWS // 2, endings=True)
    found = seen.endings
    if found is None:
        raise AssertionError("endings were asked for")
    ending, last_linear = found.ending(output)
    return _MadeOf(ending, last_linear, found.heads(output), found.class_axis(output))


def _check_nothing_is_kept(look: Look) -> None:
    """Raise a `ModelError` if numbers are drawn in the first call only and used again later."""
    if look.draws_once(()):
        raise ModelError(
            f"Module '{name_of(look.module)}' draws numbers in its first call that later ones use again",
            expected="a module that has drawn what it keeps",
            hint="Call it once on a batch of rows, or draw them where it is made",
        )


def _check_rows(look: Look, plain: Tensor) -> None:
    """Raise a `ModelError` if a prediction depends on other rows."""
    half = ROWS // 2
    beside = look.run((), middle, UNEVEN)[:half]
    if not (same(plain[:half], plain[half:]) and same(plain[:half], beside)):
        raise ModelError(
            f"What module '{name_of(look.module)}' says of a row depends on the rows beside it",
            expected="a prediction of each row by itself",
            hint="Look for a norm without running statistics (track_running_stats=False), or for rows that "
            "lie on another axis than the first",
        )
