"""What in a module is random, found by running it: with its flags of training off, on, and on where it drops.

plain     all flags off: the prediction; whatever is drawn here is always on
training  all flags on but those of norms: everything that can be drawn shows
passes    flags on only where something is dropped, and around it if need be: all else as in predicting
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
from howsure.models.torch.check_passes import AGAIN
from howsure.models.torch.draws import Draw, Place
from howsure.models.torch.dry_run import ROWS, UNEVEN, Look, middle, same, stand_in
from howsure.models.torch.find_draws import Passes
from howsure.models.torch.inputs import Call, name_of
from howsure.models.torch.snapshot import as_found, numbers_drawn_elsewhere

Array = NDArray[Any]
Tensor = torch.Tensor

_RESCALING = frozenset(
    {
        *("div", "div_", "mul", "mul_", "sub", "sub_"),
        *("native_batch_norm", "_native_batch_norm_legit_no_training"),
    }
)
"""Operations by which a module brings raw values into range."""


@dataclass(frozen=True, eq=False)
class Examination:
    """What a module was seen to do.

    Attributes:
        module: The module.
        call: How rows become a call of it.
        rows: Of each input the rows with which it was looked at.
        training: The modules whose flags are on in passes, by identity.
        places: For each site, in order, what it is and where its masks go.
        drawn: For each draw of a pass, in order, the place of a site, or the number that stands in for it.
        draws: What each of these draws asked for when `ROWS` rows ran.
        fixed: As of `Draws`.
        always: Numbers that stand in for what is drawn when predicting.
        always_random: Path of a module that draws when predicting what nothing can stand for, or None.
        left: What is random in training and stays fixed.
        kept_off: Calls whose draws the module's own `train()` keeps off, by name.
        keep_off: Names of the modules whose draws a caller keeps off.
        calls: Calls of modules in a pass.
        foldable: Whether passes can lie one after the other on the axis of the rows.
        largest: Numbers in the largest tensor for one row.
        output_shape: Shape of the output for one row.
        output_dtype: Type of its numbers.
        ending: As in `ModelInfo`.
        heads: As in `ModelInfo`.
        last_linear: Which of the linear operations of a prediction is its last layer, or None.
        rescales: Whether the first operations bring raw values into range.
        restless: Names of parameters that a run changes.
        elsewhere: Whether a run moves the seeds of Python or numpy.
        writes: Whether a run writes into its rows, so that each needs a copy of them.
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
    last_linear: int | None
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
    """Run a module on a few rows and note what happens; it is left as found.

    Args:
        module: The module.
        call: How rows become a call of it.
        rows: Two of its rows.
        gaussian_noise: Whether noise that is added is random.
        keep_off: Names of random modules that stay as in predicting.

    Raises:
        ModelError: What it returns cannot be read, or rows depend on one another.
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
        if unsteady is None and not all(same(plain, look.run((), middle)) for _ in range(AGAIN)):
            unsteady = module
        if unsteady is None:
            _check_rows(look, plain)
        ending, last_linear = predicted.ending(plain)
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
            ending=ending,
            heads=predicted.heads(plain),
            last_linear=last_linear,
            rescales=not _RESCALING.isdisjoint(predicted.early),
            restless=frozenset(snapshot.changed),
            elsewhere=numbers_drawn_elsewhere() != seeds,
            writes=look.writes,
        )


def _check_nothing_is_kept(look: Look) -> None:
    """What is drawn is drawn in every call."""
    if look.draws_once(()):
        raise ModelError(
            f"Module '{name_of(look.module)}' draws numbers in its first call that later ones use again",
            expected="a module that has drawn what it keeps",
            mend="Call it once on a batch of rows, or draw them where it is made",
        )


def _check_rows(look: Look, plain: Tensor) -> None:
    """A prediction depends on its own row alone."""
    half = ROWS // 2
    beside = look.run((), middle, UNEVEN)[:half]
    if not (same(plain[:half], plain[half:]) and same(plain[:half], beside)):
        raise ModelError(
            f"What module '{name_of(look.module)}' says of a row depends on the rows beside it",
            expected="a prediction of each row by itself",
            mend="Look for a norm without running statistics (track_running_stats=False), or for rows that "
            "lie on another axis than the first",
        )
