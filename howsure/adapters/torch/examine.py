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

from howsure.adapters.protocol import Unswitchable
from howsure.adapters.torch.dry_run import ROWS, UNEVEN, DryRun, let_draw, middle, same, stand_in
from howsure.adapters.torch.find_draws import PassFinder, PassForm
from howsure.adapters.torch.inputs import InputForm, name_of, probes
from howsure.adapters.torch.snapshot import Snapshot
from howsure.errors import ModelError

Array = NDArray[Any]
Tensor = torch.Tensor

_RESCALING = frozenset(
    {
        *("div", "div_", "mul", "mul_", "sub", "sub_"),
        *("native_batch_norm", "_native_batch_norm_legit_no_training"),
    }
)
"""Operations with which a module rescales raw values."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Examination(PassForm):
    """Results of examining a module; `largest` and `of_pass` are for one row.

    Attributes:
        module: The module.
        call: How rows are passed to it.
        rows: Rows of each input on which it was examined.
        always: Numbers that replace draws when predicting.
        always_random: Path of a module with a draw in predicting that nothing can replace, or None.
        keep_off: Names of the modules whose draws the caller keeps off.
        work: Work of a prediction of one row, as `howsure.adapters.torch.tracer.work` counts it.
        output_shape: Shape of the output, for one row.
        output_dtype: Type of its numbers.
        ending: As in `ModelInfo`.
        class_axis: As in `ModelInfo`.
        last_linear: Index of the last linear layer of a prediction among all linear ones, or None.
        rescales: True if the first operations rescale raw values.
        restless: Names of parameters that a run changes.
        writes: True if a run writes into its rows, so that each run needs a copy.
    """

    module: nn.Module
    call: InputForm
    rows: Sequence[Array]
    always: tuple[float | None, ...]
    always_random: str | None
    keep_off: frozenset[str]
    work: float
    output_shape: tuple[int, ...]
    output_dtype: str
    ending: str | None
    class_axis: int | None
    last_linear: int | None
    rescales: bool
    restless: frozenset[str]
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
    if look.predicted.records:
        _check_nothing_is_kept(look)
        _check_nothing_is_seeded(look)
        look.predict(middle)
    plain, predicted = look.plain, look.predicted
    unsteady = next((record.module for record in predicted.records if record.draw.kind is None), None)
    windowed = look.windowed()
    steady = unsteady is None and (_is_steady(look) if windowed is None else same(windowed[1], plain[:1]))
    if unsteady is None and not steady:
        unsteady = look.module
    endings = predicted.endings
    if endings is None:
        raise AssertionError("endings were asked for")
    ending, last_linear = endings.ending(plain)
    passes = PassFinder(look).found() if windowed is None else _in_windows(windowed[0])
    of_passes = vars(passes) | {
        "calls": passes.calls or tuple(predicted.calls),
        "largest": -(-max(predicted.largest, passes.largest) // ROWS),
        "of_pass": passes.of_pass / ROWS,
    }
    return Examination(
        **of_passes,
        module=look.module,
        call=look.call,
        rows=look.given,
        always=tuple(stand_in(record.draw) for record in predicted.records),
        always_random=None if unsteady is None else look.names[id(unsteady)],
        keep_off=look.keep_off,
        work=predicted.work / ROWS,
        output_shape=tuple(plain.shape[1:]),
        output_dtype=str(plain.dtype).removeprefix("torch."),
        ending=ending,
        class_axis=endings.class_axis(plain),
        last_linear=last_linear,
        rescales=not _RESCALING.isdisjoint(predicted.early),
        restless=frozenset(look.snapshot.changed),
        writes=look.writes,
    )


def _in_windows(name: str) -> PassForm:
    """The form of passes of a module whose dropout runs on batches of windows: there are none."""
    what = (
        "how often it runs depends on the number of rows, as where a module cuts rows into windows and runs "
        "batches of these"
    )
    hint = (
        "Give the network that sees a window, and let howsure cut the rows: howsure.assess(network, x, "
        "tile=96), with the side of your windows"
    )
    return PassForm(left=(Unswitchable(name, what, refused=True, hint=hint),))


def _check_nothing_is_kept(look: DryRun) -> None:
    """Raise a `ModelError` if numbers are drawn in the first call only and used again later."""
    if look.draws_once(()):
        raise ModelError(
            f"Module '{name_of(look.module)}' draws numbers in its first call that later ones use again",
            expected="a module that has drawn what it keeps",
            hint="Call it once on a batch of rows, or draw them where it is made",
        )


def _check_nothing_is_seeded(look: DryRun) -> None:
    """Raise a `ModelError` if a prediction draws from a generator that every call seeds anew."""
    number = look.seeded_anew(())
    if number is not None:
        raise ModelError(
            f"Module '{name_of(look.module)}' draws the same numbers in every call, from a generator that it "
            f"seeds anew: {look.predicted.records[number].in_words}",
            expected="a module that has drawn what it keeps",
            hint="Draw them once where the module is made, and keep them: self.register_buffer(…)",
        )


def _is_steady(look: DryRun) -> bool:
    """True if a prediction is the same every time, whatever rows are beside it.

    Raises:
        ModelError: It depends on other rows.
    """
    beside = look.run((), middle, UNEVEN)
    alike = same(beside, look.plain[[0, 1, 1]])
    try:
        alone = [look.run((), middle, 1, row) for row in look.each_alone()]
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
