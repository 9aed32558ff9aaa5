"""Run a module on a few rows to examine it, without leaving traces.

A run with two rows costs least. A run with three, where one of the two occurs twice, shows the batch axis of
each draw, draws that differ between equal rows, and rows that depend on one another.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from howsure.adapters.torch.draws import Draw, Draws, Numbers, constant
from howsure.adapters.torch.inputs import InputForm, name_of
from howsure.adapters.torch.noted_tensors import tensors_in
from howsure.adapters.torch.recorder import Recorder, names_in
from howsure.adapters.torch.snapshot import (
    OUR_SEED,
    Snapshot,
    drawing_in_the_open,
    generators,
    seed,
    state_of_all,
    switch,
)
from howsure.adapters.torch.tracer import noted
from howsure.errors import HowsureError

Array = NDArray[Any]
Tensor = torch.Tensor

ROWS, UNEVEN, TWICE = 2, 3, 4
"""Numbers of rows in examining runs: two different rows a and b; a, b, b; and a, b, a, b."""

AGAIN, OFTEN = 3, 20
"""Number of runs with equal masks that are compared with a first one, and if any generator of Python or numpy
moves. Draws outside PyTorch may agree by chance; of 20, one that matters in a tenth of all runs differs with
a probability of 0.88."""

ROUNDING = 1e-3
"""Relative difference, to a typical output, within which two float32 computations of the same number agree.
The rounding of float32 is 6e-8 for each operation; deep networks amplify it, and 1e-3 was seen. For 16 bits
see `COARSE`."""

COARSE = 0.05


class DryRun:
    """A module, with rows to run it on.

    Args:
        module: The module.
        call: How rows are passed to it.
        rows: Two rows of each input.
        snapshot: Snapshot of the module, restored after each run.
        gaussian_noise: True makes added noise random.
        keep_off: Names of modules whose draws stay as in predicting.

    Attributes:
        given: The rows.
        names: Path of each module in it, by identity.
        writes: True if a run has written into its rows.
        plain: The prediction, from `predict`.
        predicted: The records of that run.
    """

    plain: Tensor
    predicted: Recorder

    def __init__(
        self,
        module: nn.Module,
        call: InputForm,
        rows: Sequence[Array],
        snapshot: Snapshot,
        gaussian_noise: bool,
        keep_off: frozenset[str],
    ) -> None:
        self.module, self.call, self.given, self.snapshot = module, call, rows, snapshot
        self.gaussian_noise, self.keep_off = gaussian_noise, keep_off
        self.writes = False
        self._generators = generators(module)
        self._states = state_of_all(self._generators)
        self._modules = list(module.modules())
        self.names = names_in(module, name_of(module))
        self.rows = {ROWS: call.tensors(rows)}
        self.rows[UNEVEN] = [torch.cat([tensor, tensor[1:]]) for tensor in self.rows[ROWS]]
        self.rows[TWICE] = [torch.cat([tensor, tensor]) for tensor in self.rows[ROWS]]

    # --- runs ---------------------------------------------------------------------------------

    def predict(self, numbers: Numbers) -> None:
        """Record a run as in predicting with these numbers of draws, and what its output is made of."""
        try:
            self.plain, self.predicted = self.watch((), numbers, endings=True)
        except HowsureError:
            raise
        except Exception:
            with self._running((), self.rows[ROWS], contextlib.nullcontext()) as rows:
                self.call.run(self.module, rows)  # raises the error where the module does
            raise

    def watch(
        self,
        training: Collection[int],
        numbers: Numbers,
        count: int = ROWS,
        *,
        halved: Collection[int] = (),
        endings: bool = False,
        noting: bool = False,
    ) -> tuple[Tensor, Recorder]:
        """A run in which everything is recorded: the output and the records, with notes if `noting`."""
        recorder = Recorder(self.module, self.names, numbers, halved=halved, endings=endings)

        def run(rows: Sequence[Tensor]) -> Tensor:
            return self.call.run(self.module, [tensor.clone() for tensor in rows] if self.writes else rows)

        with self._running(training, self.rows[count], recorder.watched()) as rows:
            output, recorder.notes = noted(run, rows, recorder.place) if noting else (run(rows), None)
        return output, recorder

    def windowed(self) -> tuple[str, Tensor] | None:
        """The path of a dropout layer that runs more often for more rows, and the first row's prediction.

        So it is where a module cuts rows into windows and runs batches of these. One row is predicted only
        where a layer runs several times for two.
        """
        layers = [call.module for call in self.predicted.calls if _drops(call.module)]
        counts = Counter(layer for layer in layers if self.names[id(layer)] not in self.keep_off)
        several = [module for module, count in counts.items() if count > 1]
        if not several:
            return None
        recorder = Recorder(self.module, self.names, middle)
        try:
            with self._running((), self.each_alone()[0], recorder.watched()) as rows:
                output = self.call.run(self.module, rows)
        except Exception:  # one row may be too few
            return None
        alone = Counter(call.module for call in recorder.calls)
        return next(
            ((self.names[id(module)], output) for module in several if alone[module] != counts[module]), None
        )

    def note(self, training: Collection[int], count: int = ROWS) -> tuple[Tensor, Recorder]:
        """A run with means in place of draws: the output and the records, with notes if possible."""
        try:
            return self.watch(training, middle, count, noting=True)
        except Exception as error:  # notes cannot be taken of every module
            output, recorder = self.watch(training, middle, count)
            recorder.notes = error
            return output, recorder

    def try_out(self, training: Collection[int], count: int = ROWS) -> tuple[Recorder, Exception | None, Any]:
        """A run that may fail: the records, the error or None, and the module's result."""
        recorder, failed, output = Recorder(self.module, self.names, middle), None, None
        try:
            with self._running(training, self.rows[count], recorder.watched()) as rows:
                output = self.call.forward(self.module, rows)
        except Exception as error:  # a user's code may raise anything in training mode
            failed = error
        return recorder, failed, output

    def kept_off(self) -> frozenset[int]:
        """Identities of the modules that stay in eval mode after `train()`, as a user may have defined it."""
        if all(
            type(layer).train is nn.Module.train and "train" not in vars(layer) for layer in self._modules
        ):
            return frozenset()
        try:
            self.module.train()
            return frozenset(id(layer) for layer in self._modules if not layer.training)
        except Exception:  # a user's `train` may need arguments
            return frozenset()
        finally:
            self.snapshot.restore()

    def seeded_anew(self, training: Collection[int]) -> int | None:
        """Number of the first draw from a generator that every run seeds anew; None if there is none.

        Two runs with real draws start from different seeds; such a generator has the same state in both.
        """

        def note(number: int, draw: Draw) -> None:
            states[-1].append(draw.state)

        states: list[list[bytes]] = []
        for number in range(2):
            states.append([])
            self._drawing(training, note, OUR_SEED + number)
        self.snapshot.restore()
        return next((number for number, state in enumerate(states[0]) if state in states[1]), None)

    def draws_once(self, training: Collection[int]) -> bool:
        """True if a first call draws numbers that later calls do not, since an attribute stores them."""
        if not self.snapshot.sets:
            return False
        counts = [self._drawing(training, middle, OUR_SEED) for _ in range(2)]
        self.snapshot.restore()
        return counts[1] < counts[0]

    def _drawing(self, training: Collection[int], numbers: Numbers, number: int) -> int:
        """Number of draws in a run, as far as it gets; the module keeps the changes of the run."""
        self._ready(training, number)
        draws = Draws(numbers)
        rows = [tensor.clone() for tensor in self.rows[ROWS]]
        with contextlib.suppress(Exception), drawing_in_the_open(self.module), draws:  # as in `try_out`
            self.call.forward(self.module, rows)
        return draws.count

    def _ready(self, training: Collection[int], number: int = OUR_SEED) -> None:
        """Set the training flags and the seed for a run."""
        switch(self.module, training)
        seed(self.module, number)

    def predicts(self, result: Any) -> bool:
        """True if a result of the module for the two rows equals the prediction."""
        try:
            return same(self.call.read(self.module, result, ROWS), self.plain)
        except HowsureError:  # in training, modules may return something else, or nothing
            return False

    def run(
        self,
        training: Collection[int],
        numbers: Numbers,
        count: int = ROWS,
        tensors: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """A run in the mode of passes, without records."""
        inputs = self.rows[count] if tensors is None else tensors
        with self._running(training, inputs, Draws(numbers)) as rows:
            return self.call.run(self.module, rows)

    def agrees_with_itself(self, run: Callable[[], Tensor]) -> bool:
        """True if runs over the same rows give the same output."""
        self.draws_outside()
        output = run()
        times = OFTEN if self.draws_outside() else AGAIN
        return all(same(output, run()) for _ in range(times))

    def draws_outside(self) -> bool:
        """True if a generator of Python or numpy, such as a private one, has moved since the last call."""
        before, self._states = self._states, state_of_all(self._generators)
        return self._states != before

    def each_alone(self) -> list[list[Tensor]]:
        """The two rows of each input, one at a time."""
        return [[tensor[at : at + 1] for tensor in self.rows[ROWS]] for at in range(ROWS)]

    @contextlib.contextmanager
    def _running(
        self, training: Collection[int], rows: Sequence[Tensor], scope: AbstractContextManager[Any]
    ) -> Iterator[list[Tensor]]:
        """Copies of rows for one run, which may write into them; the module is restored afterwards."""
        self._ready(training)
        copies = [tensor.clone() for tensor in rows]
        before = [tensor._version for tensor in copies]
        try:
            with drawing_in_the_open(self.module), scope:
                yield copies
        finally:
            self.writes = self.writes or [tensor._version for tensor in copies] != before
            self.snapshot.restore()


def _drops(module: nn.Module) -> bool:
    """Whether a module is a dropout layer that drops."""
    return isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0


def same(one: Tensor, other: Tensor) -> bool:
    """True if two outputs are equal up to rounding, number by number.

    The rounding error of a number near 0 depends on the size of the other numbers; the median over the
    columns stands in for that size. Columns equal for all rows do not count, such as masked classes.
    """
    if one.shape != other.shape:
        return False
    share = COARSE if one.dtype in (torch.bfloat16, torch.float16) else ROUNDING
    one, other = (torch.atleast_1d(output.double()) for output in (one, other))
    sizes, off = other.abs().nan_to_num(0.0, 0.0, 0.0), (one - other).abs()
    if bool((off <= share * sizes).all()):  # whatever is typical
        return True
    columns = sizes.amax(0).flatten()
    differ = (other != other[:1]).any(0).flatten() & (columns > 0)
    typical = columns[differ if bool(differ.any()) else columns >= 0].median()
    equal = (one == other) | (one.isnan() & other.isnan())
    return bool((equal | (off <= share * sizes.clamp(min=max(float(typical), 1e-30)))).all())


def alike(one: Any, other: Any) -> bool:
    """True if all tensors in the results of two runs are the same."""
    pairs = list(tensors_in(one)), list(tensors_in(other))
    return len(pairs[0]) == len(pairs[1]) and all(map(same, *pairs))


def middle(number: int, draw: Draw) -> Tensor | None:
    """The mean of a draw; None, to let it draw, if it has no known mean."""
    return None if draw.kind is None else constant(draw, draw.middle)


def let_draw(number: int, draw: Draw) -> None:
    """None, to let each draw draw."""


def stand_in(draw: Draw) -> float | None:
    """The number that replaces a draw when predicting."""
    return None if draw.kind is None else draw.middle
