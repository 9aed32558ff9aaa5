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
from howsure.models.torch.check_passes import Tried
from howsure.models.torch.draws import Draw, Place
from howsure.models.torch.dry_run import ROWS, UNEVEN, DryRun, let_draw, middle, same, stand_in
from howsure.models.torch.find_draws import PassFinder
from howsure.models.torch.inputs import InputForm, name_of, probes
from howsure.models.torch.output_activation import LastLayer
from howsure.models.torch.snapshot import Snapshot, numbers_drawn_elsewhere

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
        tried: Passes that were run, with which passes that run level by level are compared; else None.
        fixed: As in `Draws`.
        always: Numbers that replace draws when predicting.
        always_random: Path of a module with a draw in predicting that nothing can replace, or None.
        left: Draws of training that stay fixed.
        kept_off: Names of calls whose draws the module's own `train()` keeps off.
        keep_off: Names of the modules whose draws the caller keeps off.
        calls: Calls of modules in a pass.
        foldable: True if passes can be folded into the batch axis.
        largest: Numbers in the largest tensor, for one row.
        work: Work of a prediction of one row, as `howsure.models.torch.tracer.work` counts it.
        of_pass: Work of a pass over one row.
        output_shape: Shape of the output, for one row.
        output_dtype: Type of its numbers.
        ending: As in `ModelInfo`.
        class_axis: As in `ModelInfo`.
        last_linear: The last linear layer of a prediction, or None.
        rescales: True if the first operations rescale raw values.
        restless: Names of parameters that a run changes.
        elsewhere: True if a run draws from Python's or numpy's generators.
        writes: True if a run writes into its rows, so that each run needs a copy.
    """

    module: nn.Module
    call: InputForm
    rows: Sequence[Array]
    training: frozenset[int]
    places: tuple[Place, ...]
    drawn: tuple[Place | float | None, ...]
    draws: tuple[Draw, ...]
    tried: Tried | None
    fixed: frozenset[bytes]
    always: tuple[float | None, ...]
    always_random: str | None
    left: tuple[Unswitchable, ...]
    kept_off: frozenset[str]
    keep_off: frozenset[str]
    calls: tuple[ModuleCall, ...]
    foldable: bool
    largest: int
    work: float
    of_pass: float
    output_shape: tuple[int, ...]
    output_dtype: str
    ending: str | None
    class_axis: int | None
    last_linear: LastLayer | None
    rescales: bool
    restless: frozenset[str]
    elsewhere: bool
    writes: bool


def first_look(
    module: nn.Module,
    call: InputForm,
    rows: Sequence[Array],
    snapshot: Snapshot,
    gaussian_noise: bool,
    keep_off: frozenset[str],
) -> DryRun:
    """Predict two rows; where two of the given ones are not different, one or both are made up.

    Nothing replaces draws. If a first call stores something in a list or dict for later calls, it stays. The
    arguments are those of `DryRun`.
    """
    looks: list[DryRun] = []

    def runs(some: Sequence[Array]) -> bool:
        look = DryRun(module, call, some, snapshot, gaussian_noise, keep_off)
        try:
            look.predict(let_draw)
        except Exception:  # a user's code may raise anything for made-up rows
            return False
        looks.append(look)
        return not bool(look.plain.isnan().any())

    some = probes(call.specs, rows, runs)
    if looks and looks[0].given is some:
        return looks[0]
    look = DryRun(module, call, some, snapshot, gaussian_noise, keep_off)
    look.predict(let_draw)
    return look


def examine(look: DryRun) -> Examination:
    """Run a module on a few rows, and record what happens; the module is left as found.

    Raises:
        ModelError: Its result cannot be read, or rows depend on one another.
    """
    if look.predicted.seen:
        _check_nothing_is_kept(look)
        look.find_fixed(())
        look.predict(middle)
    plain, predicted = look.plain, look.predicted
    unsteady = next((each.module for each in predicted.seen if each.draw.kind is None), None)
    if unsteady is None and not _is_steady(look):
        unsteady = look.module
    made = predicted.endings
    if made is None:
        raise AssertionError("endings were asked for")
    ending, last_linear = made.ending(plain)
    passes = PassFinder(look).found()
    return Examination(
        module=look.module,
        call=look.call,
        rows=look.given,
        training=passes.training,
        places=passes.places,
        drawn=passes.drawn,
        draws=passes.draws,
        tried=passes.tried,
        fixed=look.fixed,
        always=tuple(stand_in(each.draw) for each in predicted.seen),
        always_random=None if unsteady is None else look.names[id(unsteady)],
        left=passes.left,
        kept_off=passes.kept_off,
        keep_off=look.keep_off,
        calls=passes.calls or tuple(predicted.calls),
        foldable=passes.foldable,
        largest=-(-max(predicted.largest, passes.largest) // ROWS),
        work=predicted.work / ROWS,
        of_pass=passes.work / ROWS,
        output_shape=tuple(plain.shape[1:]),
        output_dtype=str(plain.dtype).removeprefix("torch."),
        ending=ending,
        class_axis=made.class_axis(plain),
        last_linear=last_linear,
        rescales=not _RESCALING.isdisjoint(predicted.early),
        restless=frozenset(look.snapshot.changed),
        elsewhere=numbers_drawn_elsewhere() != look.seeds,
        writes=look.writes,
    )


def _check_nothing_is_kept(look: DryRun) -> None:
    """Raise a `ModelError` if numbers are drawn in the first call only and used again later."""
    if look.draws_once(()):
        raise ModelError(
            f"Module '{name_of(look.module)}' draws numbers in its first call that later ones use again",
            expected="a module that has drawn what it keeps",
            hint="Call it once on a batch of rows, or draw them where it is made",
        )


def _is_steady(look: DryRun) -> bool:
    """True if a prediction is the same every time, whatever rows are beside it.

    Raises:
        ModelError: It depends on other rows.
    """
    beside = look.run((), middle, UNEVEN)
    alike = same(beside, look.plain[[0, 1, 1]])
    try:
        alone = [look.run((), middle, 1, each) for each in look.each_alone()]
        if alike and same(torch.cat(alone), look.plain) and not look.draws_outside():
            return True
    except Exception:  # one row may be too few
        pass
    if not look.agrees_with_itself(lambda: look.run((), middle)):
        return False
    if not alike:
        raise ModelError(
            f"The answer of module '{name_of(look.module)}' for a row depends on the rows beside it",
            expected="a prediction of each row by itself",
            hint="Look for a norm without running statistics (track_running_stats=False), or for rows that "
            "lie on another axis than the first",
        )
    return True
