"""Running a module on a few rows to look at it, in ways that leave nothing behind.

The same rows come twice in a run, so that a draw which is not the same for the same row shows, and a run of
another number of rows tells where the rows are in what is drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from howsure.models.torch.call_stack import names_in
from howsure.models.torch.draws import Draw, Draws, Numbers, constant
from howsure.models.torch.inputs import Call, name_of
from howsure.models.torch.observer import Watching
from howsure.models.torch.snapshot import (
    OUR_SEED,
    Snapshot,
    drawing_in_the_open,
    numbers_drawn_elsewhere,
    seed,
    seeds_of_others_kept,
    switch,
)
from howsure.models.torch.value_kinds import tensors_in

Array = NDArray[Any]
Tensor = torch.Tensor

ROWS, OTHERS = 4, 6
"""Rows of the runs that look at a module: two different ones twice, and three times."""

UNEVEN = 3
"""Rows among which one of them comes once and the other twice."""

ROUNDING = 1e-3
"""Share of a typical output within which two ways to the same number in float32 agree. Its own rounding is
6e-8 for each operation, which deep networks amplify; 1e-3 was seen. In 16 bits `COARSE`."""

COARSE = 0.05


class Look:
    """A module and its rows.

    Args:
        module: The module.
        call: How rows become a call of it.
        rows: Some rows, one at least.
        snapshot: Of the module, which is put back after each run.

    Attributes:
        names: Path of each module in it, by identity.
        fixed: As of `Draws`.
        writes: Whether a run has written into its rows.
        keep_off: Names of modules whose draws stay as in predicting.
    """

    def __init__(
        self, module: nn.Module, call: Call, rows: Sequence[Array], snapshot: Snapshot, gaussian_noise: bool
    ) -> None:
        self.module, self.call, self.snapshot = module, call, snapshot
        self.gaussian_noise = gaussian_noise
        self.fixed: frozenset[bytes] = frozenset()
        self.writes = False
        self.keep_off: frozenset[str] = frozenset()
        self._modules = list(module.modules())
        self.names = names_in(module, name_of(module))
        self.rows = {
            count: call.tensors([np.resize(array, (count, *array.shape[1:])) for array in rows])
            for count in (ROWS // 2, OTHERS)
        }
        self.rows[ROWS] = [torch.cat([each, each]) for each in self.rows[ROWS // 2]]
        self.rows[UNEVEN] = [torch.cat([each, each[1:]]) for each in self.rows[ROWS // 2]]

    # --- runs ---------------------------------------------------------------------------------

    def watch(
        self,
        training: Collection[int],
        numbers: Numbers,
        count: int = ROWS,
        *,
        halved: bool = False,
    ) -> tuple[Tensor, Watching]:
        """A run with everything noted."""
        self._ready(training)
        seen = Watching(self.module, self.names, numbers, self.fixed, halved=halved)
        with self._copied(self.rows[count]) as rows, drawing_in_the_open(self.module), seen.watched():
            output = self.call.run(self.module, rows)
        return output, seen

    def try_out(self, training: Collection[int], count: int = ROWS) -> tuple[Watching, Exception | None, Any]:
        """A run that may fail: what was noted, the error, and whatever it returned."""
        self._ready(training)
        seen, failed, output = Watching(self.module, self.names, middle, self.fixed), None, None
        try:
            with self._copied(self.rows[count]) as rows, drawing_in_the_open(self.module), seen.watched():
                output = self.call.forward(self.module, rows)
        except Exception as error:  # whatever a user's code raises where it wants more for training
            failed = error
        return seen, failed, output

    def kept_off(self) -> frozenset[int]:
        """The modules whose flags are off after `train()`, which a user may have defined so, by identity."""
        if all(type(each).train is nn.Module.train and "train" not in vars(each) for each in self._modules):
            return frozenset()
        try:
            self.module.train()
            return frozenset(id(each) for each in self._modules if not each.training)
        except Exception:  # exported programs do not know it, and a user's may want more
            return frozenset()
        finally:
            self.snapshot.restore()

    def find_fixed(self, training: Collection[int]) -> None:
        """Find what is drawn by a generator that is seeded anew in every run.

        In two runs on end, from seeds that differ and with everything drawn, it stands at the same.
        """

        def noted(number: int, draw: Draw) -> None:
            states[-1].add(draw.state)

        states: list[set[bytes]] = []
        for number in range(2):
            states.append(set())
            self._drawing(training, noted, OUR_SEED + number)
        self.snapshot.restore()
        self.fixed |= states[0] & states[1]

    def draws_once(self, training: Collection[int]) -> bool:
        """Whether a first call draws what the next ones do without, as it is kept in an attribute."""
        if not self.snapshot.sets:
            return False
        counts = [self._drawing(training, middle, OUR_SEED) for _ in range(2)]
        self.snapshot.restore()
        return counts[1] < counts[0]

    def _drawing(self, training: Collection[int], numbers: Numbers, number: int) -> int:
        """How much a run draws, as far as it goes; the module is left as the run leaves it."""
        self._ready(training, number)
        draws = Draws(numbers, self.fixed)
        rows = [each.clone() for each in self.rows[ROWS]]
        with contextlib.suppress(Exception), drawing_in_the_open(self.module), draws:  # as in `try_out`
            self.call.forward(self.module, rows)
        return draws.count

    def _ready(self, training: Collection[int], number: int = OUR_SEED) -> None:
        """Flags and seed as a run is to find them."""
        switch(self.module, training)
        seed(self.module, number)

    def elsewhere(self, training: Collection[int]) -> tuple[tuple[str, str], Any]:
        """Where the seeds of Python and numpy are after a run from where they are; and what it returned."""
        with seeds_of_others_kept():
            _, _, output = self.try_out(training)
            return numbers_drawn_elsewhere(), output

    def run(
        self,
        training: Collection[int],
        numbers: Numbers,
        count: int = ROWS,
        tensors: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """A run as passes are run."""
        self._ready(training)
        given = self.rows[count] if tensors is None else tensors
        with self._copied(given) as rows, drawing_in_the_open(self.module), Draws(numbers, self.fixed):
            return self.call.run(self.module, rows)

    @contextlib.contextmanager
    def _copied(self, rows: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Rows for one run, which may write into them; the module is put back after it."""
        copies = [each.clone() for each in rows]
        before = [each._version for each in copies]
        try:
            yield copies
        finally:
            self.writes = self.writes or [each._version for each in copies] != before
            self.snapshot.restore()


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are equal but for rounding.

    Each number by itself: what rounding makes of a number near 0 depends on the size of the others, for which
    stands the median over the columns. One that is the same for all rows says nothing of it, as where classes
    are masked with −1e9.
    """
    if one.shape != other.shape:
        return False
    if not other.numel():
        return True
    share = COARSE if one.dtype in (torch.bfloat16, torch.float16) else ROUNDING
    one, other = (torch.atleast_1d(each.double()) for each in (one, other))
    sizes = other.abs().nan_to_num(0.0, 0.0, 0.0)
    columns = sizes.amax(0).flatten()
    differ = (other != other[:1]).any(0).flatten() & (columns > 0)
    typical = columns[differ if bool(differ.any()) else columns >= 0].median()
    equal = (one == other) | (one.isnan() & other.isnan())
    return bool((equal | ((one - other).abs() <= share * sizes.clamp(min=max(float(typical), 1e-30)))).all())


def alike(one: Any, other: Any) -> bool:
    """Whether all tensors in what two runs returned are the same."""
    pairs = list(tensors_in(one)), list(tensors_in(other))
    return len(pairs[0]) == len(pairs[1]) and all(map(same, *pairs))


def middle(number: int, draw: Draw) -> Tensor | None:
    """The mean of what is drawn, or whatever it draws where that has none."""
    return None if draw.kind is None else constant(draw, draw.middle)


def stand_in(draw: Draw) -> float | None:
    """The number that stands for a draw when predicting."""
    return None if draw.kind is None else draw.middle
