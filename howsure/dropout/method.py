"""Monte-Carlo dropout (Gal & Ghahramani 2016): which passes each row gets, and drawing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.dropout.groups import group_sizes
from howsure.dropout.masks import Site, draw
from howsure.errors import InputError
from howsure.models import Array, StochasticModel
from howsure.summary import Summary
from howsure.verdict import Thresholds, judge

Integers = NDArray[np.int64]

DEFAULT_TARGET_ERROR = 0.01
DEFAULT_MAX_PASSES = 400
FIRST_ROUND = 20
"""Passes every row gets before it is asked whether it needs more: five groups of four, or the like."""

KEPT_MASKS = 1 << 28
"""Bytes of masks kept for the next chunk of rows instead of being drawn again."""


@dataclass(frozen=True)
class MCDropout:
    """Passes through thinned networks: dropout stays on while predicting, everything else as trained.

    Either `passes` is given and every row gets exactly that many, or rows go on until each of their
    probabilities is known to `target_error` and their verdict is settled, or `max_passes`.

    Args:
        passes: T ≥ 2, or None for as many as each row needs.
        balanced: Over a small group of passes each unit is dropped as often as its rate says, which
            cuts the error of the mean two- to fourfold; False gives the textbook's independent passes.
        target_error: Largest standard error of a probability that is good enough, in (0, 0.5);
            None stands for 0.01. Not together with `passes`.
        max_passes: Where a row stops at the latest, ≥ 2; None stands for 400. Not together with `passes`.
        gaussian_noise: Whether `GaussianNoise` layers are random too. They usually stand for noise
            in the data, not for doubt about the network.

    Raises:
        InputError: An argument out of range, or `passes` together with what it makes void.
    """

    passes: int | None = None
    balanced: bool = True
    target_error: float | None = None
    max_passes: int | None = None
    gaussian_noise: bool = False

    def __post_init__(self) -> None:
        for name in ("passes", "max_passes"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
                raise InputError(
                    f"`{name}` cannot be used",
                    expected="a whole number of at least 2, as the error of a mean cannot be estimated "
                    "from fewer passes",
                    received=repr(value),
                )
        if self.target_error is not None and not 0 < self.target_error < 0.5:
            raise InputError(
                "`target_error` is out of range",
                expected="a standard error of a probability, above 0 and below 0.5, such as 0.01",
                received=repr(self.target_error),
            )
        if self.passes is not None and (self.target_error is not None or self.max_passes is not None):
            raise InputError(
                "`passes` gives every row the same number of passes, so `target_error` and `max_passes` "
                "have no meaning beside it",
                mend="Give either `passes`, or `target_error` and `max_passes`",
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as they are saved with a result."""
        return {"name": "MC dropout", **{k: v for k, v in asdict(self).items() if v is not None}}

    def rounds(self, sites: Sequence[Site]) -> Iterator[tuple[int, ...]]:
        """Sizes of the groups of each round; a row takes part in a round only if it still needs passes."""
        if self.passes is not None:
            yield group_sizes(sites, self.passes, balanced=self.balanced)
            return
        most = DEFAULT_MAX_PASSES if self.max_passes is None else self.max_passes
        sizes = group_sizes(sites, min(FIRST_ROUND, most), balanced=self.balanced)
        done = 0
        while sizes:
            yield sizes
            done += sum(sizes)
            again = min(done, most - done) // sizes[-1]
            sizes = (sizes[-1],) * again

    def is_enough(self, summary: Summary, thresholds: Thresholds) -> NDArray[np.bool_]:
        """(N,) whether each row's probabilities are known well enough and its verdict is settled."""
        target = DEFAULT_TARGET_ERROR if self.target_error is None else self.target_error
        error = summary.mc_error
        _, settled = judge(summary.probabilities, error, thresholds)
        return np.asarray(np.all(error <= target, axis=-1) & settled)

    def assess_block(
        self,
        model: StochasticModel,
        rows: Sequence[Array],
        numbers: Integers,
        *,
        seed: int,
        batch_size: int,
        convert: Callable[[NDArray[np.float32], Integers], NDArray[np.floating]],
        shape: tuple[int, ...],
        thresholds: Thresholds,
        progress: Callable[[int], None],
    ) -> Summary:
        """Draw the passes of a block of rows.

        Args:
            model: The examined model.
            rows: Its inputs, flattened, each (N, …), cast to the inputs' types.
            numbers: (N,) numbers of these rows in the whole input, for messages.
            seed: Seed of the masks.
            batch_size: Rows that run together.
            convert: From the raw outputs (F, n, …) of F passes over the rows with numbers (n,) to
                what is to be summed up, (F, n, *shape).
            shape: Shape of that for one row and pass.
            thresholds: For `settled`.
            progress: Called with the number of rows that have just been finished.

        Returns:
            The running sums of all rows.
        """
        total = len(rows[0])
        summary = Summary((total, *shape))
        going_on = np.arange(total)
        first_group = 0
        for sizes in self.rounds(model.sites):
            masks = _Masks(model.sites, seed, first_group, sizes)
            for chunk in _chunks(going_on, batch_size):
                padded, count = _pad(chunk, batch_size, model.fixed_batch)
                shared = model.share([array[padded] for array in rows])
                for bunch in _bunches(sizes, model.largest_fold(len(padded))):
                    values = convert(
                        _run(model, shared, masks, bunch, len(padded))[:, :count], numbers[chunk]
                    )
                    for group in np.split(values, np.cumsum([sizes[g] for g in bunch])[:-1]):
                        summary.add(group, chunk)
                if first_group == 0:
                    progress(count)
            if self.passes is not None:
                break
            first_group += len(sizes)
            going_on = going_on[~self.is_enough(summary, thresholds)[going_on]]
            if not len(going_on):
                break
        return summary


class _Masks:
    """Masks of the groups of one round; kept where they are small, drawn again where they are not."""

    def __init__(self, sites: Sequence[Site], seed: int, first: int, sizes: Sequence[int]) -> None:
        self._sites, self._seed, self._first, self._sizes = sites, seed, first, sizes
        units = sum(int(np.prod(site.shape)) for site in sites)
        self._keep = units * sum(sizes) * 4 <= KEPT_MASKS
        self._kept: dict[int, list[Array]] = {}

    def of_group(self, group: int) -> list[Array]:
        if group in self._kept:
            return self._kept[group]
        size, number = self._sizes[group], self._first + group
        masks: list[Array] = [draw(site, seed=self._seed, group=number, size=size) for site in self._sites]
        if self._keep:
            self._kept[group] = masks
        return masks


def _run(
    model: StochasticModel, shared: Any, masks: _Masks, bunch: Sequence[int], rows: int
) -> NDArray[np.float32]:
    """All passes of a bunch of groups, as many at a time as may run together."""
    of_groups = [masks.of_group(group) for group in bunch]
    joined = [np.concatenate(parts) for parts in zip(*of_groups, strict=True)]
    passes = len(joined[0])
    parts = -(-passes // min(passes, model.largest_fold(rows)))
    slices = zip(*(np.array_split(mask, parts) for mask in joined), strict=True)
    return np.concatenate([model.passes(shared, list(part)) for part in slices])


def _bunches(sizes: Sequence[int], fold: int) -> Iterator[list[int]]:
    """Consecutive groups that fit into `fold` passes together, at least one at a time."""
    bunch: list[int] = []
    for group, size in enumerate(sizes):
        if bunch and sum(sizes[g] for g in bunch) + size > fold:
            yield bunch
            bunch = []
        bunch.append(group)
    yield bunch


def _chunks(rows: Integers, batch_size: int) -> Iterator[Integers]:
    return (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))


def _pad(rows: Integers, batch_size: int, fixed: int | None) -> tuple[Integers, int]:
    """Repeat the last row up to one of a few shapes, so that little is compiled anew."""
    wanted = fixed or min(batch_size, 1 << (len(rows) - 1).bit_length())
    return np.concatenate([rows, np.full(wanted - len(rows), rows[-1])]), len(rows)
