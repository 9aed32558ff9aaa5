"""`DenseCertainty`, the frozen result of assessing N rows with a class at each of their positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_whole
from howsure.errors import InputError
from howsure.inputs.align import ID, aligned
from howsure.inputs.own_arrays import read_only
from howsure.inputs.rows import as_array, check_unmasked
from howsure.results.columns import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    MAP,
    OF_A_SHARE,
    PER_ROW,
    SHORT,
    SINGLE,
    STRING,
    WIDE,
    WIDE_AT_LEVELS,
    WIDE_MAP,
    Column,
    is_in_files,
)
from howsure.results.result import Result
from howsure.results.row_index import one_position
from howsure.results.thresholds import Thresholds
from howsure.sampling.between import SHOWN, number_interval_of
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import entropy_of
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.result import Certainty
from howsure.tasks.probabilities import (
    NOT_GIVEN,
    ROW_AND_ID,
    beside_the_table,
    derived,
    last,
    most_entropy,
)
from howsure.tasks.segmentation.regions import Region, regions_of
from howsure.tasks.segmentation.sentence import DenseRow
from howsure.tasks.segmentation.truth import IGNORED, Ignore, truth_map

Singles = NDArray[np.floating[Any]]


def _map_column(name: str, type: str, unit: str, words: str, **more: Any) -> Column:
    return Column(name, MAP, type, unit, words, in_table=False, **more)


def _share_column(name: str, shape: str, words: str, **more: Any) -> Column:
    unit = "at least 0" if name.endswith("_error") else "0 to 1"
    return Column(name, shape, FLOAT, unit, words, **{"unknown": True, **more})


def _row_column(name: str, words: str) -> Column:
    return derived(name, PER_ROW, FLOAT, "0 to 1", words, unknown=True, of_maps=True)


COLUMNS = (
    *ROW_AND_ID,
    _share_column(
        "share", WIDE, "share of the positions that have each class, mean over networks", unknown=False
    ),
    _share_column("share_error", WIDE, "standard error of `share`, from the finite number of passes"),
    _share_column(
        *("share_spread", WIDE, "standard deviation of that share between networks; NaN of one pass"),
        on_demand=True,
    ),
    _share_column("share_spread_error", WIDE, "standard error of `share_spread`", on_demand=True),
    _share_column(
        *("share_quantiles", WIDE_AT_LEVELS, "share that 0.5 to 99.5 % of the networks stay below"),
        on_demand=True,
    ),
    _share_column("overlap", WIDE, "mean Dice of pairs of networks; NaN of a class that none of them has"),
    _share_column(
        *("overlap_error", WIDE, "standard error of `overlap`; NaN where unknown"),
        default=np.nan,
        on_demand=True,
    ),
    _row_column("undecided", "share of the positions that are coin flips"),
    _row_column("unsettled", "share of the positions whose verdict is not settled"),
    _row_column("doubt", "mean of 1 − probability, each class found alike; ranks rows"),
    Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
    _map_column(
        *("counts", BOOLEAN, "yes or no", "whether a position counts; None if all do"),
        optional=True,
        lacking=True,
    ),
    _map_column("label", SHORT, "class number", "the most probable class", least=0, most=last),
    _map_column("runner_up", SHORT, "class number", "the second most probable class", least=0, most=last),
    _map_column("probability", SINGLE, "0 to 1", "probability of `label`"),
    _map_column("gap", SINGLE, "0 to 1", "lead of `label` over `runner_up`"),
    _map_column("mc_error", SINGLE, OF_A_SHARE, "standard error of the top probability", unknown=True),
    _map_column("entropy", SINGLE, "nats", "all doubt", least=0, most=most_entropy),
    _map_column("expected_entropy", SINGLE, "nats", "mean entropy of the passes", least=0, most=most_entropy),
    beside_the_table(
        "mutual_information", MAP, SINGLE, "nats", "the rest of `entropy`: disagreement between passes"
    ),
    beside_the_table("verdict", MAP, STRING, "words", "`sure`, `leaning` or `coin flip`"),
    _map_column("settled", BOOLEAN, "yes or no", "whether `mc_error` allows that verdict"),
    _map_column(
        "truth", SHORT, "class number", "the true class, −1 where ignored", optional=True, least=-1, most=last
    ),
    *(
        Column(name, WIDE_MAP, SINGLE, unit, words, in_table=False, optional=True, unknown=True)
        for name, unit, words in (
            ("all_probabilities", "0 to 1", "probability of each class; None unless kept"),
            ("all_errors", OF_A_SHARE, "their standard errors; None unless kept"),
        )
    ),
)
"""The columns of a `DenseCertainty`: numbers of the row, in its table, and maps of its positions."""


NOTHING: Mapping[str, Any] = {SHORT: IGNORED, SINGLE: np.nan, BOOLEAN: False}
"""Values of a map at positions that do not count, by the type of its numbers."""


def of_counted(column: Column, values: Any, counts: Booleans) -> NDArray[Any]:
    """A map (…, *P) or (…, *P, K) with `NOTHING` where `counts` (…, *P) is false, so that none counts."""
    counts_there = np.asarray(counts)
    counts_there = counts_there[..., None] if column.shape == WIDE_MAP else counts_there
    return np.where(counts_there, values, np.asarray(NOTHING[column.type], column.type))


POSITION_NAMES = {1: "position", 2: "pixel", 3: "voxel"}
"""Name of a position, by the number of axes."""


@dataclass(frozen=True, eq=False, repr=False)
class DenseCertainty(Result[DenseRow]):
    """The answer of a model for each position of N rows, its certainty, and their sums over a row.

    All arrays are read-only. Positions *P have one to three axes: a signal or a text, an image, a volume.
    Entropies are in nats, class numbers and row numbers start at 0. Maps are in single precision.

    The other attributes are those of `Certainty`.

    Attributes:
        label: (N, *P) class number, the most probable class.
        runner_up: (N, *P) class number, the second most probable class.
        probability: (N, *P) 0 to 1, probability of `label`: mean over the passes.
        gap: (N, *P) 0 to 1, lead of `label` over `runner_up`.
        mc_error: (N, *P) 0 to 3.24, standard error of `probability`, from the finite number of passes.
        entropy: (N, *P) nats, all doubt: the entropy of the mean, corrected for finitely many passes.
        expected_entropy: (N, *P) nats, mean entropy of the passes.
        settled: (N, *P) yes or no, whether the errors allow the verdict.
        share: (N, K) 0 to 1, share of the positions that have each class: mean over networks. The share in
            `label`, which is the map of their mean, may differ.
        share_error: (N, K) its standard error, from the variance between balanced groups of passes; ± 1.96 of
            it covers 95 %.
        share_spread: (N, K) standard deviation of that share between networks, which more passes do not make
            smaller; NaN where there is one pass.
        share_spread_error: (N, K) its standard error.
        share_quantiles: (N, K, 11) share that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and 99.5 % of the
            networks stay below; NaN where unknown. See `share_interval`.
        overlap: (N, K) 0 to 1, mean Dice of pairs of networks; NaN of a class that none of them has. The mean
            over pairs of independent networks, at least one of which has the class, of 2 |A ∩ B| / (|A| +
            |B|), with A and B the positions at which they have it.
        overlap_error: (N, K) its standard error, from a jackknife over balanced groups of passes; ± 1.96 of
            it covers 95 %. NaN of fewer than three groups, and where one group alone has the class.
        passes: (N,) count, passes spent on the row.
        class_names: K names.
        row: (N,) row number, place of the row in the input, from 0.
        truth: (N, *P) class number, the true class, −1 where a position is ignored; None without labels.
        counts: (N, *P) yes or no, whether a position counts; None if all do. If it does not, class numbers
            are −1, other numbers NaN, and `verdict` is empty; it is in no number of the row.
        all_probabilities: (N, *P, K) 0 to 1; None unless `keep="probabilities"` asked for it.
        all_errors: (N, *P, K) their standard errors; None likewise.
        thresholds: Thresholds of the verdicts.
        plan: None: passes at positions follow no plan.
        position_called: Name of a position, such as `token`; empty for the usual word.
    """

    answer: ClassVar[str] = "positions"
    in_words: ClassVar[str] = "a class at each position"
    as_classes: ClassVar[str | None] = (
        "`result.of_row(0)` is a `Certainty` whose rows are the positions of one row"
    )
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "class_names"

    label: NDArray[np.int16]
    runner_up: NDArray[np.int16]
    probability: Singles
    gap: Singles
    mc_error: Singles
    entropy: Singles
    expected_entropy: Singles
    settled: Booleans
    share: Floats
    share_error: Floats
    share_spread: Floats
    share_spread_error: Floats
    share_quantiles: Floats
    overlap: Floats
    passes: Integers
    class_names: tuple[str, ...]
    row: Integers
    truth: NDArray[np.int16] | None = None
    counts: Booleans | None = None
    all_probabilities: Singles | None = None
    all_errors: Singles | None = None
    overlap_error: Floats = NOT_GIVEN
    kind: str = "row"
    thresholds: Thresholds = field(default_factory=Thresholds)
    method: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    version: str = ""
    ids: NDArray[Any] | None = None
    id_name: str = ID
    learnt_from: Booleans | None = None
    frame_index: NDArray[Any] | None = None
    hand_over: Booleans | None = None
    position_called: str = ""

    def _checked_column(
        self, column: Column, values: Any, shape: tuple[int, ...], names: int
    ) -> NDArray[Any]:
        """As of all results, but that positions which do not count hold nothing, whatever is given there."""
        counts = vars(self)["counts"]  # checked before the other maps
        left_out = column.is_map and column.name != "counts" and counts is not None
        if not left_out or is_in_files(values) or as_array(values, "The maps").shape != shape:
            return super()._checked_column(column, values, shape, names)
        check_unmasked(values, f"The numbers of `{column.name}`")
        counts_there = counts[..., None] if column.shape == WIDE_MAP else counts
        zeros = np.zeros_like(values, shape=())
        checked = super()._checked_column(column, np.where(counts_there, values, zeros), shape, names)
        return of_counted(column, checked, counts)

    @property
    def positions(self) -> tuple[int, ...]:
        """Shape *P of the positions of a row."""
        label: Any = self.label  # which may be anything until it has been checked
        return tuple((label if hasattr(label, "shape") else as_array(label, "The maps of `label`")).shape[1:])

    @property
    def position_name(self) -> str:
        """Name of a position: `pixel`, `voxel`, `token`, or `position`."""
        return self.position_called or POSITION_NAMES.get(len(self.positions), "position")

    @property
    def truth_names(self) -> tuple[str, ...]:
        """Names of classes, one of which is true at each position."""
        return self.class_names

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """As `Result.joined`; maps of smaller rows end in positions that do not count."""
        parts = list(parts)
        if len({part.positions for part in parts}) > 1 and len({len(part.positions) for part in parts}) == 1:
            sides = tuple(map(max, zip(*(part.positions for part in parts), strict=True)))
            parts = [part._as_large_as(sides) for part in parts]
        return super().joined(parts)

    def _as_large_as(self, sides: tuple[int, ...]) -> Self:
        """The same with maps of these sides, where further positions do not count."""
        ends = [(0, 0), *((0, side - own) for side, own in zip(sides, self.positions, strict=True))]
        counts = np.ones((len(self), *self.positions), bool) if self.counts is None else self.counts
        larger: dict[str, Any] = {"counts": np.pad(counts, ends)}
        for column in self.columns:
            if column.name in self._maps and column.name not in larger:
                values = np.asarray(self._maps[column.name])
                beyond = [(0, 0)] * (values.ndim - len(ends))
                larger[column.name] = np.pad(values, [*ends, *beyond], constant_values=NOTHING[column.type])
        return self._changed(larger)

    # --- what follows from the arrays ---------------------------------------------------------

    @property
    def probabilities(self) -> Singles:
        """(N, *P, K) 0 to 1, probability of each class.

        Raises:
            InputError: They were not kept.
        """
        if self.all_probabilities is None:
            raise InputError(
                "The probabilities of all classes were not kept",
                expected="a result that holds them",
                hint="Assess the rows with keep='probabilities'; "
                f"that takes {len(self.class_names)} numbers more at each {self.position_name}",
            )
        return self.all_probabilities

    @property
    def mutual_information(self) -> Singles:
        """(N, *P) nats, entropy − expected entropy: disagreement between passes (Houlsby and others 2011)."""
        information: Singles = np.maximum(self.entropy - self.expected_entropy, 0)
        return read_only(information)

    @property
    def is_sure(self) -> Booleans:
        """(N, *P) yes or no, whether a position is sure."""
        return read_only(np.asarray(self.probability) >= self.thresholds.sure)

    @property
    def is_coin_flip(self) -> Booleans:
        """(N, *P) yes or no, whether a position is a coin flip."""
        return read_only((np.asarray(self.gap) <= self.thresholds.coin_flip) & ~self.is_sure)

    @property
    def verdict(self) -> NDArray[np.object_]:
        """(N, *P) words, `sure`, `leaning` or `coin flip`; empty if a position does not count."""
        return read_only(np.array([*verdicts.VERDICTS, ""], dtype=object)[self.verdict_number])

    @property
    def verdict_number(self) -> Integers:
        """(N, *P) places in `VERDICTS`; −1 where a position does not count."""
        number = np.where(self.is_sure, 0, np.where(self.is_coin_flip, 2, 1))
        return number if self.counts is None else np.where(self.counts, number, IGNORED)

    @cached_property
    def undecided(self) -> Floats:
        """(N,) 0 to 1, share of the positions that are coin flips."""
        return self._of_maps["undecided"]

    @cached_property
    def unsettled(self) -> Floats:
        """(N,) 0 to 1, share of the positions whose verdict is not settled."""
        return self._of_maps["unsettled"]

    @cached_property
    def doubt(self) -> Floats:
        """(N,) 0 to 1, how doubtful a row is; the largest is the row to check first.

        The mean of 1 − probability over the positions of each label, averaged over the labels of the row. So
        a small class counts as much as a large one. A model whose probabilities are true is wrong at this
        share of the positions it gives to a class. On CamVid, the mean over all positions ranks images by
        Dice worse than chance does, and this one better. By accuracy, the mean over all positions is the
        better one (docs/segmentation-study.md).
        """
        return self._of_maps["doubt"]

    @cached_property
    def mean_mutual_information(self) -> Floats:
        """(N,) nats, how far passes disagree on a row: the mean mutual information of its positions."""
        parts = (self[at : at + 1] for at in range(len(self)))
        means = [np.mean(part.mutual_information[part._there], dtype=np.float64) for part in parts]
        return read_only(np.array(means))

    @cached_property
    def _of_maps(self) -> dict[str, Floats]:
        """The numbers of rows that follow from maps, which may lie in files: one row is read, and once."""
        of_rows = {name: np.empty(len(self)) for name in ("undecided", "unsettled", "doubt")}
        for at in range(len(self)):
            part = self[at : at + 1]
            counts_there = part._there
            of_rows["undecided"][at] = np.mean(part.is_coin_flip[counts_there])
            of_rows["unsettled"][at] = np.mean(~np.asarray(part.settled)[counts_there])
            label, top = (
                np.asarray(maps)[counts_there].reshape(-1) for maps in (part.label, part.probability)
            )
            size, unlikely = np.bincount(label), np.bincount(label, 1 - top.astype(np.float64))
            of_rows["doubt"][at] = np.mean(unlikely[size > 0] / size[size > 0])
        return {name: read_only(values) for name, values in of_rows.items()}

    @property
    def _there(self) -> Any:
        """An index of maps: the positions that count."""
        return slice(None) if self.counts is None else self.counts

    def share_interval(self, level: float = SHOWN) -> Floats:
        """The interval of networks' shares: (N, K, 2), an equal-tailed interval of each class.

        It shows what another thinned network, or another member, would say of the row. It does not say where
        the truth lies.

        Args:
            level: Share of the networks in it, above 0 and at most 0.99; 0.9 takes 10 passes or more, and
                0.99 a hundred.

        Returns:
            0 to 1; NaN where passes are too few.

        Raises:
            InputError: Another level.
        """
        return number_interval_of(self.share_quantiles, level)

    # --- rows and positions -------------------------------------------------------------------

    def regions(self, row: int) -> list[Region]:
        """Connected coin flips of one row, largest first.

        Args:
            row: Its position in this result.

        Raises:
            InputError: There is no such row.
        """
        return self._regions(self._checked_position(row))

    def _regions(self, at: int, most: int | None = None) -> list[Region]:
        part = self[at : at + 1]
        label, runner_up = np.asarray(part.label)[0], np.asarray(part.runner_up)[0]
        return regions_of(part.is_coin_flip[0], label, runner_up, self.class_names, most)

    def of_row(self, row: int) -> Certainty:
        """One row as a `Certainty` whose rows are the positions that count, in C order.

        Raises:
            InputError: There is no such row, or the probabilities of all classes were not kept.
        """
        at = self._checked_position(row)
        places = (
            np.arange(np.prod(self.positions)) if self.counts is None else np.flatnonzero(self.counts[at])
        )

        def of(maps: Any, *beyond: int) -> Floats:
            return np.asarray(maps[at], np.float64).reshape(-1, *beyond)[places]

        p = of(self.probabilities, len(self.class_names))
        entropy = of(self.entropy)
        errors = p * 0 if self.all_errors is None else of(self.all_errors, len(self.class_names))
        own = entropy_of(p)
        truth = None if self.truth is None else of(self.truth).astype(np.int64)
        return Certainty(
            probabilities=p / p.sum(axis=-1, keepdims=True),
            mc_error=errors,
            expected_entropy=np.minimum(of(self.expected_entropy), np.log(len(self.class_names))),
            entropy_correction=np.maximum(entropy - own, 0),
            passes=np.full(len(p), self.passes[at]),
            class_names=self.class_names,
            row=places,
            truth=None if truth is None or (truth < 0).any() else truth,
            kind=self.position_name,
            thresholds=self.thresholds,
            method=self.method,
            seed=self.seed,
            plan=self.plan,
            version=self.version,
            learnt_from=None if self.learnt_from is None else np.full(len(p), self.learnt_from[at]),
        )

    def _checked_position(self, row: int) -> int:
        at = one_position(row, len(self))
        if at is None:
            raise InputError("This is not the number of a row", expected="a whole number", received=repr(row))
        return at

    def _row(self, index: int) -> DenseRow:
        part = self[index : index + 1]
        cells = self._cells(index, {"row", "share", "share_error", "overlap", "overlap_error", "passes"})
        return DenseRow(
            **cells,
            share_interval=self.share_interval()[index],
            undecided=float(part.undecided[0]),
            unsettled=float(part.unsettled[0]),
            doubt=float(part.doubt[0]),
            mc_error=float(np.mean(np.asarray(part.mc_error)[part._there], dtype=np.float64)),
            regions=tuple(self._regions(index, MOST_REGIONS)),
            class_names=self.class_names,
            position_name=self.position_name,
            kind=self.kind,
            method=self.method,
            id=self._id(index),
            id_name=self.id_name,
        )

    def most_undecided(self, count: int | None = None) -> Integers:
        """Positions of the rows with the largest `doubt`, largest first.

        Args:
            count: Most rows to give. Default: all.
        """
        if count is not None:
            check_whole(count, "count", least=0)
        return np.argsort(-self.doubt, kind="stable")[:count].astype(np.int64)

    # --- from elsewhere -----------------------------------------------------------------------

    @staticmethod
    def from_probabilities(
        p: Any,
        class_names: Sequence[str] | None = None,
        *,
        class_axis: int = -1,
        positions: Any = None,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str | None = None,
    ) -> DenseCertainty:
        """The result of maps of probabilities that something else computed, such as saved softmax maps.

        They count as one pass. So `mc_error`, `share_error` and `mutual_information` are 0: howsure cannot
        know whether they are a mean. Spread, quantiles and `overlap` are NaN. Every verdict is settled.
        Rounding is taken out as by `Certainty.from_probabilities`. All probabilities are kept.

        Args:
            p: (N, *P, K) 0 to 1 that sum to 1 over the classes, or (N, *P, 1) of the second of two; an array
                or a tensor. Or a list of N arrays (*P, K).
            class_names: K names. Default: '0' … 'K−1'.
            class_axis: Axis of the classes, counted with that of the rows: 1 if they come before the
                positions, as in PyTorch and in the files of nnU-Net.
            positions: (N, *P) which positions count, as in `howsure.assess`; others may hold anything.
            source: Their source in words, kept in `method`.
            thresholds: Thresholds of `sure` and `coin flip`. Default: 0.95 and 0.20.
            kind: Name of one row in sentences. Default: `row` with one axis of positions, otherwise `image`.

        Raises:
            InputError: No such maps, rows of several sizes, or as from `Certainty.from_probabilities`.

        Example:
            >>> p = np.array([[[0.9, 0.1], [0.55, 0.45]]])  # one row of two positions
            >>> print(howsure.DenseCertainty.from_probabilities(p, ["road", "tree"])[0])
            100 % 'road'; 50 % of the positions are coin flips.
        """
        return _of_maps(p, class_names, class_axis, positions, source, thresholds, kind)

    @staticmethod
    def from_passes(
        passes: Any,
        class_names: Sequence[str] | None = None,
        *,
        class_axis: int = -1,
        positions: Any = None,
        source: str | None = None,
        thresholds: Thresholds | None = None,
        kind: str | None = None,
    ) -> DenseCertainty:
        """The result of T independent passes over maps: of thinned networks, members, folds or draws.

        Their mean, its error and its entropies are those of `Certainty.from_passes` at each position. Shares,
        their spread and `overlap` are between the passes.

        Args:
            passes: (T, N, *P, K), T ≥ 2; or a list of N arrays (T, *P, K), one for each row.
            class_names: As in `from_probabilities`, like all that follow.
            class_axis: Axis of the classes, counted with the axis of the rows, but not that of the passes.
            positions: As there.
            source: As there.
            thresholds: As there.
            kind: As there.

        Raises:
            InputError: As from `from_probabilities`, or fewer than two passes.
        """
        return _of_maps(passes, class_names, class_axis, positions, source, thresholds, kind, are_passes=True)

    # --- true answers -------------------------------------------------------------------------

    def numbered(self, labels: Any, ignore: Ignore = None) -> Integers:
        """(N, *P) class numbers of true classes that are given as for `with_truth`."""
        numbers: Integers = truth_map(
            aligned(labels, self), (len(self), *self.positions), self.class_names, ignore, self.counts
        )
        return numbers if self.counts is None else np.where(self.counts, numbers, IGNORED)

    def with_truth(self, labels: Any, ignore: Ignore = None) -> Self:
        """The same with true classes beside it.

        Args:
            labels: (N, *P) class numbers; −1, −100 and 255 (of up to 255 classes) do not count.
            ignore: One or more numbers of positions that do not count, or None.

        Raises:
            InputError: Another shape, or other values.
        """
        changes: dict[str, Any] = {"truth": self.numbered(labels, ignore).astype(np.int16)}
        return replace(self, **changes)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.positions))
        return (
            f"<{type(self).__name__} of {len(self)} {self.kind}s, {shape} {self.position_name}s, "
            f"{len(self.class_names)} classes>"
        )


def _of_maps(maps: Any, *wishes: Any, are_passes: bool = False) -> DenseCertainty:
    from howsure.tasks.segmentation.given_maps import of_maps

    return of_maps(maps, *wishes, are_passes=are_passes)


MOST_REGIONS = 20
"""Regions that a row tells of."""
