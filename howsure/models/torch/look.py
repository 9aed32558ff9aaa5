"""Running a module on a few rows to look at it, in ways that leave nothing behind.

The same rows come twice in a run, so that a draw which is not the same for the same row shows, and a run of
another number of rows tells where the rows are in what is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from howsure.models.torch.draws import Draw, Draws, Numbers, constant
from howsure.models.torch.found import Snapshot, drawing_in_the_open, switch
from howsure.models.torch.inputs import Call, name_of
from howsure.models.torch.watching import Watching

Array = NDArray[Any]
Tensor = torch.Tensor

ROWS, OTHERS = 4, 6
"""Rows of the runs that look at a module: two different ones twice, and three times."""

UNEVEN = 3
"""Rows among which one of them comes once and the other twice."""

ROUNDING = 1e-3
"""Share of the largest output within which two ways to the same number in float32 agree. Its own rounding is
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
    """

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
        switch(self.module, training)
        seen = Watching(self.module, self.names, numbers, halved=halved)
        try:
            with drawing_in_the_open(self.module), seen.watched():
                output = self.call.run(self.module, self.rows[count])
        finally:
            self.snapshot.restore()
        return output, seen

    def try_out(self, training: Collection[int]) -> tuple[Watching, Exception | None]:
        """A run that may fail, whose output is not read: what was noted, and the error."""
        switch(self.module, training)
        seen, failed = Watching(self.module, self.names, middle), None
        try:
            with drawing_in_the_open(self.module), seen.watched():
                self.call.forward(self.module, self.rows[ROWS])
        except Exception as error:  # whatever a user's code raises where it wants more for training
            failed = error
        finally:
            self.snapshot.restore()
        return seen, failed

    def run(
        self,
        training: Collection[int],
        numbers: Numbers,
        count: int = ROWS,
        tensors: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """A run as passes are run."""
        switch(self.module, training)
        try:
            with drawing_in_the_open(self.module), Draws(numbers):
                return self.call.run(self.module, self.rows[count] if tensors is None else tensors)
        finally:
            self.snapshot.restore()


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs are equal but for rounding."""
    if one.shape != other.shape:
        return False
    coarse = one.dtype in (torch.bfloat16, torch.float16)
    scale = float(other.float().abs().nan_to_num(0.0, 0.0, 0.0).max()) if other.numel() else 0.0
    off = (COARSE if coarse else ROUNDING) * max(scale, 1e-30)
    return bool(torch.allclose(one.float(), other.float(), rtol=0, atol=off, equal_nan=True))


def middle(number: int, draw: Draw) -> Tensor | None:
    """The mean of what is drawn, or whatever it draws where that has none."""
    return None if draw.kind is None else constant(draw, draw.middle)


def stand_in(draw: Draw) -> float | None:
    """The number that stands for a draw when predicting."""
    return None if draw.kind is None else draw.middle
