"""Check passes by trying them with made-up masks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from howsure.adapters.torch.draws import Draw, Masks, Place, constant, told_apart
from howsure.adapters.torch.dry_run import ROWS, TWICE, UNEVEN, DryRun, middle, same
from howsure.adapters.torch.inputs import name_of
from howsure.adapters.torch.recorder import RecordedDraw
from howsure.adapters.torch.tracer import Notes
from howsure.errors import HowsureError
from howsure.random_ops import DROPOUT, UNIFORM, RandomOp

Tensor = torch.Tensor

BY_LENGTH = (
    "how many numbers it draws does not go by the number of rows alone, as with packed sequences of unequal "
    "length (assess rows of one length at a time)"
)
"""Why a draw cannot get masks of one shape for each row."""

_BESIDE = "what comes of the draws for one row depends on those for others beside it"

WIDTHS = (2, 4)
"""Passes at the first random op and at all later ones. Two passes at the first one show whether repeated
values, such as numbers of rows, still mean the same in the second pass."""

COMPARED = {2: (0, 1), 4: (1, 2)}
"""Numbers of the passes that run, by the number of masks: with other masks at each random op, and of four
passes those that would be swapped if the wrong masks of the first random op were repeated for them."""

_HELD = (0.5, 0.0, 1 - 2**-24)
"""Candidates to replace uniform numbers that are no mask: the middle, the least and the largest."""


@dataclass(frozen=True, eq=False)
class ReferencePasses:
    """Passes that were run, to compare others with: those that run level by level, and those of a later call.

    Attributes:
        masks: As in `EquivalenceCheck`.
        numbers: Numbers of the passes that ran, among those of the masks.
        passes: Outputs (2, n, …) of these passes for the first n rows.
        notes: Notes of a pass over `ROWS` and of one over `UNEVEN` rows, or reasons why there are none.
    """

    masks: Sequence[Tensor]
    numbers: tuple[int, int]
    passes: Tensor
    notes: tuple[Notes | Exception | None, ...] = ()

    def of_one_row(self) -> ReferencePasses:
        """These passes for the first row alone, which take little memory."""
        width = len(self.masks[-1])
        masks = [mask[[number * len(mask) // width for number in self.numbers]] for mask in self.masks]
        return ReferencePasses(masks, (0, 1), self.passes[:, :1].clone())


class EquivalenceCheck:
    """Checks passes with made-up masks.

    Args:
        look: Runs the module.
        training: Identities of the modules whose training flags are on.
        drawn: As in `Examination`. The check corrects the numbers that replace draws other than random ops,
            and the order of folded axes.
        records: The recorded draws.
        choosing: Numbers of the draws that choose a branch or an input.

    Attributes:
        masks: Masks (W, *random_op.shape) of each random op, of a few passes: W divides that of the
            next random op.
        reference: Two of these passes, which ran.
    """

    reference: ReferencePasses

    def __init__(
        self,
        look: DryRun,
        training: frozenset[int],
        drawn: list[Place | float | None],
        records: Sequence[RecordedDraw],
        choosing: Collection[int] = (),
    ) -> None:
        self._look, self._training, self._records, self._choosing = look, training, records, choosing
        self.drawn = drawn
        random, device = np.random.default_rng(7), look.call.device
        places = [place for place in drawn if isinstance(place, Place)]
        widths = [WIDTHS[min(number, len(WIDTHS) - 1)] for number in range(len(places))]
        self.masks = [
            _told_apart(place.random_op, width, random, device)
            for place, width in zip(places, widths, strict=True)
        ]

    def problem(self, settled: bool) -> tuple[RecordedDraw, str] | None:
        """The first fault of passes, as a draw and a text; None if there is none.

        Args:
            settled: True if a pass with the mean in place of each draw was equal to the prediction.
        """
        places = [(number, place) for number, place in enumerate(self.drawn) if isinstance(place, Place)]
        first = self._records[places[0][0]]
        unknown = next((record for record in self._records if record.draw.kind is None), None)
        if unknown is not None:
            return unknown, "no masks can be given for it, and its module drops as well"
        settled = self._settles(settled)
        agree = settled and self._agree()
        if agree and not self._look.draws_outside():
            return None
        if not self._look.agrees_with_itself(lambda: self._passes(self._pass(0))):
            return first, "passes with the same masks differ, so something is drawn outside of PyTorch"
        if not settled:
            return first, "in training more is computed than in predicting, apart from what is drawn"
        if agree:
            return None
        folded = [(number, place) for number, place in places if place.folded > 1]
        for number, place in folded:
            if not self._in_order(number, place):
                return self._records[number], "rows that are the same do not get the same mask"
        return None if folded and self._agree() else (first, _BESIDE)

    @property
    def foldable(self) -> bool:
        """True if every draw has a batch axis, so that passes can be folded into it."""
        return all(place.axis is not None for place in self.drawn if isinstance(place, Place))

    def _agree(self) -> bool:
        """True if two passes are the same beside other rows, alone, and folded into the batch axis."""
        numbers = COMPARED[len(self.masks[-1])]
        one, other = map(self._pass, numbers)
        beside = self._passes(one, UNEVEN)
        if self.foldable:
            both = [torch.cat(pair) for pair in zip(one, other, strict=True)]
            try:
                together = self._passes(both, ROWS, self._look.rows[TWICE])
            except HowsureError:
                return False
        else:
            together = torch.cat([self._passes(one), self._passes(other)])
        self.reference = ReferencePasses(self.masks, numbers, together.unflatten(0, (2, ROWS)))
        if not same(beside, together[[0, 1, 1]]):
            return False
        return not self.foldable or self._is_alone(other, together[ROWS:])

    def _is_alone(self, masks: Sequence[Tensor], output: Tensor) -> bool:
        """True if a pass by itself has this output, for the first row or, if one row is too few, for both."""
        try:
            alone = self._passes(masks, 1, self._look.each_alone()[0])
            if same(torch.cat([alone, output[1:]]), output):
                return True
        except Exception:
            pass
        return same(self._passes(masks), output)

    def _pass(self, number: int) -> list[Tensor]:
        """The masks (1, *random_op.shape) of one pass."""
        width = len(self.masks[-1])
        return [mask[number * len(mask) // width][None] for mask in self.masks]

    def _passes(
        self, masks: Sequence[Tensor], rows: int = ROWS, tensors: Sequence[Tensor] | None = None
    ) -> Tensor:
        draws = [record.draw for record in self._records]
        numbers = Masks(self.drawn, draws, masks, rows, name_of(self._look.module))
        return self._look.run(self._training, numbers, rows, tensors)

    def _settles(self, settled: bool) -> bool:
        """True if passes that drop nothing equal the prediction, with constants in place of other draws.

        `settled` tells that they do with the mean in place of each draw. Otherwise dropout gets its mean as a
        factor even where its mask is compared; if the mask is used otherwise, it gets all ones or all zeros.
        Numbers that choose, and uniform numbers that are no random op, get a value that reproduces the
        prediction.
        """
        loose = [
            number
            for number, value in enumerate(self.drawn)
            if isinstance(value, float)
            and (self._records[number].draw.kind == UNIFORM or number in self._choosing)
        ]
        for held in _HELD if loose else (0.5,):
            numbers = dict.fromkeys(loose, held)
            as_recorded = all(self.drawn[number] == held for number in loose)
            if (settled and as_recorded) or any(
                self._drops_nothing(value, numbers) for value in (None, 1.0, 0.0)
            ):
                for number in loose:
                    self.drawn[number] = held
                return True
        return False

    def _drops_nothing(self, value: float | None, held: dict[int, float]) -> bool:
        def numbers(number: int, draw: Draw) -> Tensor | None:
            if number in held:
                return constant(draw, held[number])
            place = self.drawn[number] if number < len(self.drawn) else None
            if isinstance(place, Place) and place.levels is not None:
                return constant(draw, place.levels[0 if value == 0.0 else 1])
            whole = value is not None and draw.kind == DROPOUT
            return constant(draw, value) if whole and value is not None else middle(number, draw)

        halved = set(range(len(self.drawn))).difference(self._choosing) if value is None else ()
        try:
            with _WithoutAlpha():
                output, _ = self._look.watch(self._training, numbers, halved=halved)
        except Exception:  # where a mean cannot replace a mask
            return False
        return same(output, self._look.plain)

    def _in_order(self, number: int, place: Place) -> bool:
        """Find out whether rows are first or last on a folded axis, and set it; False if neither works."""
        mask = told_apart(place.random_op, np.random.default_rng([7, number]), self._look.call.device)
        for order in (True, False):
            candidate = replace(place, rows_first=order)

            def passes(count: int, candidate: Place = candidate) -> Tensor:
                def numbers(at: int, draw: Draw) -> Tensor | None:
                    if at == number:
                        return candidate.spread(mask, count)
                    other = self.drawn[at]
                    return constant(draw, other) if isinstance(other, float) else middle(at, draw)

                return self._look.run(self._training, numbers, count)

            if same(passes(ROWS)[[0, 1, 1]], passes(UNEVEN)):
                self.drawn[number] = candidate
                return True
        return False


class _WithoutAlpha(TorchFunctionMode):
    """In this scope, alpha dropout drops nothing. Its correction for mean and variance changes every unit."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the input of alpha dropout unchanged, but let it draw."""
        kwargs = kwargs or {}
        if "alpha_dropout" not in getattr(func, "__name__", ""):
            return func(*args, **kwargs)
        func(args[0].clone(), *args[1:], **kwargs)
        return args[0]


def _told_apart(random_op: RandomOp, width: int, random: np.random.Generator, device: torch.device) -> Tensor:
    """Masks (W, *random_op.shape); of the two that are compared, one drops what the other keeps."""
    masks = torch.cat([told_apart(random_op, random, device) for _ in range(width)])
    one, other = COMPARED[width]
    if random_op.kind == DROPOUT:
        masks = masks > 0
        masks[other] = ~masks[one]
    return masks
