"""Check passes by trying them with made-up masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from howsure.errors import HowsureError
from howsure.models.torch.draws import Draw, Masks, Place, constant, made_up, told_apart
from howsure.models.torch.dry_run import ROWS, UNEVEN, Look, middle, same
from howsure.models.torch.inputs import name_of
from howsure.models.torch.observer import Seen
from howsure.models.torch.snapshot import numbers_drawn_elsewhere
from howsure.sites import DROPOUT, UNIFORM

Tensor = torch.Tensor

BY_LENGTH = (
    "how many numbers it draws does not go by the number of rows alone, as with packed sequences of unequal "
    "length (assess rows of one length at a time)"
)
"""Why a draw cannot get masks of one shape for each row."""

_BESIDE = "what comes of the draws for one row depends on those for others beside it"

_HELD = (0.5, 0.0, 1 - 2**-24)
"""Candidates to replace uniform numbers that are no mask: the middle, the least and the largest."""


class Trial:
    """Checks passes with made-up masks.

    Args:
        look: Runs the module.
        training: Identities of the modules whose training flags are on.
        drawn: As in `Examination`. The check corrects the numbers that replace draws other than sites, and
            the order of folded axes.
        seen: The recorded draws.

    Attributes:
        kept_still: Numbers of the draws that are no sites and stay as in predicting.
    """

    def __init__(
        self,
        look: Look,
        training: frozenset[int],
        drawn: list[Place | float | None],
        seen: Sequence[Seen],
    ) -> None:
        self._look, self._training, self._seen = look, training, seen
        self.drawn = drawn
        self.kept_still: list[int] = []

    def problem(self, plain: Tensor) -> tuple[Seen, str] | None:
        """The first fault of passes, as a draw and a text; None if there is none."""
        first = next(
            each for each, place in zip(self._seen, self.drawn, strict=True) if isinstance(place, Place)
        )
        longer = self._longer(first)
        if longer is not None:
            return longer, BY_LENGTH
        unknown = next((each for each in self._seen if each.draw.kind is None), None)
        if unknown is not None:
            return unknown, "no masks can be given for it, and its module drops as well"
        masks = self.masks(0)
        before = numbers_drawn_elsewhere()
        steady = self._look.agrees_with_itself(lambda count: self._passes(masks, count))
        if numbers_drawn_elsewhere() != before:
            return first, "numbers of numpy or Python are drawn in training, for which no masks can be given"
        if not steady:
            return first, "passes with the same masks differ, so something is drawn outside of PyTorch"
        if not self._settles(plain):
            return first, "in training more is computed than in predicting, apart from what is drawn"
        if not self._fair(lambda count: self._passes(masks, count)):
            for number, place in enumerate(self.drawn):
                folded = isinstance(place, Place) and place.folded > 1
                if isinstance(place, Place) and folded and not self._in_order(number, place):
                    return self._seen[number], "rows that are the same do not get the same mask"
            if not self._fair(lambda count: self._passes(masks, count)):
                return first, _BESIDE
        if self.foldable and not self._folds():
            return first, _BESIDE
        return None

    def _longer(self, first: Seen) -> Seen | None:
        """A draw of wrong size in a run where one of two rows occurs once and the other twice, or None."""
        _, more = self._look.watch(self._training, middle, UNEVEN)
        if len(more.seen) != len(self._seen):
            return first
        for seen, place, other in zip(self._seen, self.drawn, more.seen, strict=True):
            if isinstance(place, Place) and place.axis is not None:
                wanted = list(seen.draw.shape)
                wanted[place.axis] = place.folded * UNEVEN
                if list(other.draw.shape) != wanted:
                    return seen
        return None

    @property
    def foldable(self) -> bool:
        """True if every draw has a batch axis, so that passes can be folded into it."""
        return all(each.axis is not None for each in self.drawn if isinstance(each, Place))

    def _folds(self) -> bool:
        """True if two folded passes give the same as each pass alone."""
        half = ROWS // 2
        each = [self.masks(number) for number in (0, 1)]
        both = [torch.cat(pair) for pair in zip(*each, strict=True)]
        try:
            together = self._passes(both, half, self._look.rows[ROWS])
        except HowsureError:
            return False
        return same(together, torch.cat([self._passes(masks, half) for masks in each]))

    def masks(self, seed: int) -> list[Tensor]:
        """Made-up masks (1, *site.shape) for each site; with folded axes, masks that show a wrong order."""
        random, device = np.random.default_rng([7, seed]), self._look.call.device
        places = [each for each in self.drawn if isinstance(each, Place)]
        return [(told_apart if each.folded > 1 else made_up)(each.site, random, device) for each in places]

    def _passes(
        self, masks: Sequence[Tensor], rows: int = ROWS, tensors: Sequence[Tensor] | None = None
    ) -> Tensor:
        draws = [each.draw for each in self._seen]
        numbers = Masks(self.drawn, draws, masks, rows, name_of(self._look.module))
        return self._look.run(self._training, numbers, rows, tensors)

    def _settles(self, plain: Tensor) -> bool:
        """True if passes that drop nothing equal the prediction, with constants in place of other draws.

        Dropout gets its mean, which changes nothing as a factor; if its mask is used otherwise, it gets all
        ones or all zeros. Uniform numbers that are no site get the value that reproduces the prediction. If
        only some values do, the draw is recorded in `kept_still`.
        """
        loose = [
            number
            for number, each in enumerate(self.drawn)
            if isinstance(each, float) and self._seen[number].draw.kind == UNIFORM
        ]
        good = []
        for held in _HELD if loose else (0.5,):
            for value in (None, 1.0, 0.0):
                if self._drops_nothing(plain, value, dict.fromkeys(loose, held)):
                    good.append(held)
                    break
        if not good:
            return False
        for number in loose:
            self.drawn[number] = good[0]
        self.kept_still = [
            number
            for number, each in enumerate(self.drawn)
            if isinstance(each, float) and (number not in loose or len(good) < len(_HELD))
        ]
        return True

    def _drops_nothing(self, plain: Tensor, value: float | None, held: dict[int, float]) -> bool:
        def numbers(number: int, draw: Draw) -> Tensor | None:
            if number in held:
                return constant(draw, held[number])
            place = self.drawn[number] if number < len(self.drawn) else None
            if isinstance(place, Place) and place.levels is not None:
                return constant(draw, place.levels[0 if value == 0.0 else 1])
            whole = value is not None and draw.kind == DROPOUT
            return constant(draw, value) if whole and value is not None else middle(number, draw)

        try:
            with _WithoutAlpha():
                output, _ = self._look.watch(self._training, numbers, halved=value is None)
        except Exception:  # where a mean cannot replace a mask
            return False
        return same(output, plain)

    def _fair(self, passes: Callable[[int], Tensor]) -> bool:
        """True if equal rows get equal results in a pass, whatever rows are beside them."""
        even, uneven, half = passes(ROWS), passes(UNEVEN), ROWS // 2
        return same(even[:half], even[half:]) and same(even[[0, 1, 1]], uneven)

    def _in_order(self, number: int, place: Place) -> bool:
        """Find out whether rows are first or last on a folded axis, and set it; False if neither works."""
        mask = told_apart(place.site, np.random.default_rng([7, number]), self._look.call.device)
        for order in (True, False):
            tried = replace(place, rows_first=order)

            def passes(count: int, tried: Place = tried) -> Tensor:
                def numbers(at: int, draw: Draw) -> Tensor | None:
                    if at == number:
                        return tried.spread(mask, count)
                    other = self.drawn[at]
                    return constant(draw, other) if isinstance(other, float) else middle(at, draw)

                return self._look.run(self._training, numbers, count)

            if self._fair(passes):
                self.drawn[number] = tried
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
