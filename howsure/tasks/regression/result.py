"""`RegressionCertainty`, the frozen result of assessing N rows of which each has K numbers as its answer.

mean, mc_error            means over passes and their errors, `howsure/sampling/error.py`
spread, quantiles         between networks, `howsure/sampling/between.py`
noise                     from a head of the model, or from held-out answers (`calibrate`)
std                       √(spread² + noise²)
credible_interval         two of the quantiles: where networks lie
prediction_interval       mean ± z · std: where a new answer lies
above                     howsure/tasks/regression/above.py
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import accept_alias, as_number, as_share, check_type, check_whole
from howsure.errors import InputError
from howsure.inputs.align import ID, RowNames, aligned, check_ids, index_names, together, without_index
from howsure.inputs.by_name import columns_of, has_columns
from howsure.inputs.duplicates import mark_of_pass, warn_of_same_passes
from howsure.inputs.rows import as_floats, check_unmasked, in_rows, quoted
from howsure.inputs.targets import (
    LARGEST,
    by_target,
    check_finite,
    check_numbers,
    check_sizes,
    target_names,
    targets_in,
)
from howsure.results.columns import FLOAT, INTEGER, PER_ROW, WIDE, WIDE_AT_LEVELS, WIDE_OF_NETWORKS, Column
from howsure.results.result import Result
from howsure.sampling import between
from howsure.sampling.between_numbers import networks_of
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import widening
from howsure.tasks.classification.result import Certainty
from howsure.tasks.familiar import FAMILIARITY, Familiar
from howsure.tasks.probabilities import ROW_AND_ID
from howsure.tasks.regression import counts
from howsure.tasks.regression import quantiles as of_answers
from howsure.tasks.regression.doubt import relative_width
from howsure.tasks.regression.sentence import NumbersRow, answers_between

UNIT = "unit of the target"
"""The unit of the columns that `rescaled` puts into it."""

GIVEN_NUMBERS, GIVEN_SAMPLES = "given numbers", "given samples"
GIVEN_QUANTILES = "given quantiles"
"""Names of the methods of results that were computed elsewhere."""

NO_NOISE = "nothing says how far an answer scatters around its mean"
FROM_HELD_OUT = (
    "Learn it from held-out rows: `howsure.calibrate(result_of_held_out, y)(result)`. Or train a model that "
    "also puts out a variance, and say outputs='mean-variance' or 'mean-log-variance'"
)


def _wide_column(name: str, words: str, shape: str = WIDE, **more: Any) -> Column:
    return Column(name, shape, FLOAT, UNIT, words, **{"least": -LARGEST, "most": LARGEST, **more})


_deviation_column = partial(_wide_column, least=0, unknown=True)


COLUMNS = (
    *ROW_AND_ID,
    _wide_column("mean", "mean over the passes: the prediction"),
    _deviation_column(
        "mc_error", "standard error of `mean`, from the finite number of passes; NaN where unknown"
    ),
    _deviation_column(
        "spread",
        "standard deviation of the number between networks (epistemic), which more passes do not make "
        "smaller; None if no networks are known",
        optional=True,
    ),
    _deviation_column(
        "spread_error",
        "standard error of `spread`; None if there is no spread",
        on_demand=True,
        optional=True,
    ),
    _deviation_column(
        "noise",
        "standard deviation of answers around the mean of their row (aleatoric); NaN where unknown",
        default=np.nan,
    ),
    _deviation_column(
        "std",
        "standard deviation of a new answer, √(`spread`² + `noise`²); NaN where `noise` is unknown",
        default=np.nan,
    ),
    _wide_column(
        "quantiles",
        "number that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and 99.5 % of the networks stay below; NaN "
        "where unknown, None if not told",
        WIDE_AT_LEVELS,
        on_demand=True,
        optional=True,
        unknown=True,
    ),
    _deviation_column(
        "quantiles_error",
        "standard error of `quantiles`; NaN where unknown, None if not told",
        WIDE_AT_LEVELS,
        on_demand=True,
        optional=True,
    ),
    _wide_column(
        "networks",
        "numbers of the networks in ascending order: of each, or 64 quantiles where there are more; NaN "
        "where a row has fewer, None if not told",
        WIDE_OF_NETWORKS,
        on_demand=True,
        optional=True,
        unknown=True,
    ),
    _deviation_column(
        "networks_noise",
        "the `noise` that each of `networks` puts out; None if it puts out none",
        WIDE_OF_NETWORKS,
        on_demand=True,
        optional=True,
    ),
    Column(
        *("independent", PER_ROW, FLOAT, "count"),
        "how many independent passes tell the share of networks above a limit as well; None if not told",
        on_demand=True,
        optional=True,
        least=0,
    ),
    Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
    FAMILIARITY,
    _wide_column(
        "low", "lower end of the interval of `howsure.fit_rules`; None if no rules decided", optional=True
    ),
    _wide_column("high", "upper end of that interval, likewise", optional=True),
    _wide_column(
        "answer_quantiles",
        "number that shares `levels` of new answers stay below; None unless the model predicts quantiles",
        WIDE_OF_NETWORKS,
        optional=True,
    ),
    _wide_column("truth", "the true number; None if not given", optional=True),
)
"""The columns of a `RegressionCertainty`, in the order of its table."""


@dataclass(frozen=True, eq=False, repr=False)
class RegressionCertainty(Result[NumbersRow], Familiar):
    """K numbers for each of N rows, how certain each is, and how far a new answer may lie from it.

    All arrays are read-only, and in the unit of the target. A network is a thinned one with MC dropout, a
    member of an ensemble, a tree of a forest. Row numbers start at 0.

    The other attributes are those of `Certainty`.

    Attributes:
        mean: (N, K) mean over the passes: the prediction.
        mc_error: (N, K) standard error of `mean`, from the finite number of passes; NaN where unknown, and 0
            where a method has no passes. All rows get the same masks, so errors do not average out over rows:
            see `mean_error`.
        passes: (N,) count, passes spent on the row.
        target_names: K names.
        row: (N,) row number, place of the row in the input, from 0.
        spread: (N, K) standard deviation of the number between networks (epistemic), which more passes do not
            make smaller; None if no networks are known, as in a plain prediction.
        spread_error: (N, K) standard error of `spread`; None if there is no spread. 0 for the members of
            an ensemble, which are all there are.
        noise: (N, K) standard deviation of answers around the mean of their row (aleatoric): the root of the
            mean variance that a head of the model puts out, or what `howsure.calibrate` learned from held-out
            answers. NaN where unknown.
        std: (N, K) standard deviation of a new answer, √(`spread`² + `noise`²); NaN where `noise` is unknown.
        quantiles: (N, K, 11) number that 0.5, 2.5, 5, 10, 25, 50, 75, 90, 95, 97.5 and 99.5 % of the networks
            stay below; NaN where unknown, None if not told. See `credible_interval`.
        quantiles_error: (N, K, 11) standard error of `quantiles`; NaN where unknown.
        networks: (N, K, M) numbers of the networks in ascending order: of each, or 64 quantiles where
            there are more; NaN where a row has fewer, None if not told. See `above`.
        networks_noise: (N, K, M) the `noise` that each of `networks` puts out; None if it puts out none.
        independent: (N,) count, how many independent passes tell the share of networks above a limit as well;
            None if not told. Passes that share masks are worth fewer.
        truth: (N, K) the true numbers; None if not given.
        answer_quantiles: (N, K, L) number that shares `levels` of new answers stay below, ascending; None
            unless the model predicts quantiles. Then `mean` is the median.
        noise_from: Source of `noise`, in words for sentences: `the model` or `held-out rows`; None if it is
            unknown.

    Example:
        >>> result = howsure.assess(prices, houses, method=howsure.MCDropout(passes=200, balanced=False))
        >>> print(result[0])
        4.227 ± 0.008; 95 % of networks between 4.09 and 4.26.
        >>> print(result.with_noise(0.5)[0])
        4.227 ± 0.008; 95 % of answers between 3.2 and 5.2.
        >>> print(result.with_noise(0.5).above(4.0)[0])
        67.4 ± 0.9 % 'above 4.000', or 'at most 4.000' (33 %): leaning.
    """

    answer: ClassVar[str] = "numbers"
    in_words: ClassVar[str] = "numbers per row"
    as_classes: ClassVar[str | None] = (
        "`result.above(3.0)` asks whether each number is above 3; the answer has a verdict"
    )
    columns: ClassVar[tuple[Column, ...]] = COLUMNS
    names: ClassVar[str] = "target_names"
    one_goes_unnamed: ClassVar[bool] = True
    row_type: ClassVar[type[NumbersRow]] = NumbersRow

    mean: Floats
    mc_error: Floats
    passes: Integers
    target_names: tuple[str, ...]
    row: Integers
    spread: Floats | None = None
    spread_error: Floats | None = None
    noise: Floats = None  # type: ignore[assignment]  # filled in by Result
    std: Floats = None  # type: ignore[assignment]
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None
    networks: Floats | None = None
    networks_noise: Floats | None = None
    independent: Floats | None = None
    familiarity: Floats | None = None
    truth: Floats | None = None
    noise_from: str | None = None
    unfamiliar_share: float = 0.01
    kind: str = "row"
    method: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    version: str = ""
    ids: NDArray[Any] | None = None
    id_name: str = ID
    learnt_from: Booleans | None = None
    frame_index: NDArray[Any] | None = None
    low: Floats | None = None
    high: Floats | None = None
    hand_over: Booleans | None = None
    answer_quantiles: Floats | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantiles is not None:
            rounding = between.ROUNDING * float(np.abs(self.mean).max(initial=0))  # to single precision
            between.check_quantiles(self.quantiles.reshape(-1, len(between.LEVELS)), rounding)
        check_type(
            self.noise_from, (str, type(None)), "noise_from", "a text such as 'held-out rows', or None"
        )
        as_share(self.unfamiliar_share, "unfamiliar_share")

    @classmethod
    def _cell_names(cls, column: Column, settings: Mapping[str, Any]) -> list[str]:
        """See `Result`; quantiles are `q05`, or `q05.price` of several targets."""
        if column.name != "answer_quantiles":
            return super()._cell_names(column, settings)
        names = settings["target_names"]
        ends = [""] if len(names) == 1 else [f".{name}" for name in names]
        levels = settings["method"].get("levels", ())
        return [of_answers.column_of(level) + end for end in ends for level in levels]

    @property
    def levels(self) -> tuple[float, ...]:
        """L shares of new answers below `answer_quantiles`; empty where there are none."""
        return tuple(self.method["levels"]) if self.answer_quantiles is not None else ()

    # --- intervals ----------------------------------------------------------------------------

    def credible_interval(self, level: float = between.SHOWN) -> Floats:
        """The interval of the networks' numbers: equal-tailed, and more training may change it.

        It says nothing of how far a new answer scatters: see `prediction_interval`.

        Args:
            level: Share of the networks in it, above 0 and at most 0.99. Exact at 0.5, 0.8, 0.9, 0.95 and
                0.99, but for the finite number of passes; interpolated elsewhere.

        Returns:
            (N, K, 2) lower and upper end. NaN if passes are too few: 0.9 takes 10 and 0.99 a hundred.

        Raises:
            InputError: Another level, or a result of numbers of which no networks are known.
        """
        if self.quantiles is None:
            raise InputError(
                "Quantiles between networks are not known, so there is no credible interval",
                expected="a result of several passes or members",
                received=f"one of {self.method.get('name', 'one prediction')!r}",
                hint="`prediction_interval` gives the interval of a new answer, where `std` is known"
                if self.spread is None
                else "`spread` is the standard deviation between them",
            )
        return between.number_interval_of(self.quantiles, level)

    def credible_interval_error(self, level: float = between.SHOWN) -> Floats:
        """(N, K, 2) standard errors of the ends of `credible_interval(level)`; NaN where unknown.

        Args:
            level: As there.

        Raises:
            InputError: As there.
        """
        self.credible_interval(level)
        if self.quantiles_error is None:
            return np.full((*self.mean.shape, 2), np.nan)
        return between.interval_error_of(self.quantiles_error, level)

    def prediction_interval(self, level: float = between.SHOWN) -> Floats:
        """Between which numbers a new answer lies: `mean` ± z · `std`, z the normal quantile of the level.

        It holds as far as answers scatter normally with `noise`, which the model or held-out rows say.
        `howsure.prediction_intervals` gives intervals that keep their promise without that. It lies
        between two quantiles if the model predicts them. Ends of counts are whole numbers, and hold
        at least the level.

        Args:
            level: Share of new answers in it, above 0 and below 1.

        Returns:
            (N, K, 2) lower and upper end.

        Raises:
            InputError: `noise` is unknown, or another level; or one around which no two quantiles lie.
        """
        share = as_number(level, "level", "a number such as 0.9")
        if not 0 < share < 1:
            raise InputError(
                "`level` is out of range", expected="a share of answers above 0 and below 1", received=level
            )
        if self.answer_quantiles is None:
            self.check_noise("There is no interval for a new answer")
        return answers_between(self, share)

    def check_noise(self, what: str) -> None:
        """Raise an `InputError` that says how to get it unless the scatter of answers is known.

        Args:
            what: Beginning of the message, such as `There is no interval for a new answer`.
        """
        unknown = np.flatnonzero(np.isnan(self.std).any(axis=-1))
        if len(unknown):
            where = "" if len(unknown) == len(self) else f" {in_rows(len(unknown), unknown[:5].tolist())}"
            raise InputError(f"{what}: {NO_NOISE}{where}", expected="a known `noise`", hint=FROM_HELD_OUT)

    def interval(self, level: float = between.SHOWN) -> NoReturn:
        """Always an error that names the two intervals of a number: most would take one for the other.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "Numbers have two intervals, so `interval` alone is not clear",
            expected="`result.credible_interval(0.9)`, where the networks lie, which is what more training "
            "may change; or `result.prediction_interval(0.9)`, where a new answer lies",
        )

    def above(self, threshold: float, target: int | str | None = None) -> Certainty:
        """Whether a number is above a threshold, as a `Certainty` of the classes `at most …` and `above …`.

        If `noise` is known, the question is about a new answer, and `probabilities[:, 1]` is the probability
        that it is above: the mean of Φ((y − threshold)/noise) over networks, each with a number y of its own.
        If it is not, the question is about the mean, and the classes say so: `mean at most …` and `mean above
        …`. Then it is the share of networks with y above the threshold, which is not P(answer > threshold).
        `howsure.calibrate` learns the noise.

        `mc_error` is the error of a share of so many networks. If none lies above, up to z²/(n + z²) of them
        may (Wilson 1927, z = 1.96), but no more than 1/(1 + d²) of those that lie d spreads away (Cantelli).

        If the model predicts quantiles, straight lines between them give the probability. Beyond the
        outermost one it is that of its level, and a warning says in how many rows.

        Args:
            threshold: In the unit of the target.
            target: Number or name of the target; may be left out if there is one.

        Returns:
            Result of the same N rows, with one class per row: verdicts, coin flips, `evaluate`, …

        Raises:
            InputError: No finite number, no such target, or neither noise nor networks are known.
        """
        from howsure.tasks.regression.above import above  # makes a Certainty, so it comes after this

        return above(self, as_number(threshold, "threshold", "a number such as 3.0"), self.target(target))

    def target(self, target: int | str | None = None) -> int:
        """Number of a target, given by its number or name; None if there is one.

        Raises:
            InputError: There is no such target, or there are several and none is given.
        """
        names = self.target_names
        if target is None and len(names) == 1:
            return 0
        if isinstance(target, str) and target in names:
            return names.index(target)
        whole = isinstance(target, (int, np.integer)) and not isinstance(target, bool)
        if whole and -len(names) <= target < len(names):  # type: ignore[operator]
            return int(target) % len(names)  # type: ignore[arg-type]
        raise InputError(
            "There is no such target" if target is not None else "Say which target",
            expected=f"a number from 0 to {len(names) - 1}, or one of {quoted(names)}",
            received=repr(target),
        )

    def of_target(self, target: int | str) -> RegressionCertainty:
        """One target alone, as a result of the same N rows.

        Args:
            target: Its number, from 0, or its name.

        Raises:
            InputError: There is no such target.
        """
        k = self.target(target)
        columns = {name: a[:, k : k + 1] if a.ndim > 1 else a for name, a in self._arrays.items()}
        return replace(self, **columns, target_names=(self.target_names[k],))

    # --- rows ---------------------------------------------------------------------------------

    def widest(self, count: int | None = None) -> Integers:
        """Positions of the rows whose numbers are least certain, the least certain first.

        By `std`, or `spread` if `noise` is unknown; with several targets by the largest, each divided by its
        median over the rows, as targets have units of their own.

        Args:
            count: Most rows to give. Default: all.
        """
        if count is not None:
            check_whole(count, "count", least=0)
        width = relative_width(of_answers.width_of(self), self.spread).max(axis=-1, initial=-1.0)
        return np.argsort(-width, kind="stable")[:count].astype(np.int64)

    def rescaled(self, mean: ArrayLike, std: ArrayLike, *, truth: str | None = None) -> RegressionCertainty:
        """The same in the unit of the target, if training used (y − mean)/std.

        Args:
            mean: The number that training subtracted: one, or K; a series, such as `y.mean()`, by name. Or
                (N, K), or (N, 1), where each row was standardised by numbers of its own.
            std: The number that training divided by, > 0, likewise.
            truth: Unit of the true numbers, needed where there are some: `standardised` or `real`.

        Returns:
            Numbers x of this result as x · std + mean; `truth` as well if it was standardised.

        Raises:
            InputError: Other shapes, or not finite, or `std` not above 0; or true numbers of which `truth`
                does not say the unit.
        """
        from howsure.tasks.regression.rescale import rescaled

        return rescaled(self, mean, std, truth)

    def with_noise(self, noise: ArrayLike, noise_from: str | None = None) -> RegressionCertainty:
        """The same with another `noise`, and the `std` that follows from it and `spread`.

        Args:
            noise: (N, K), (N,) for one target, or what broadcasts to (N, K); ≥ 0, in the unit of the target.
                Columns of a data frame are aligned by the names of the targets.
            noise_from: Its source, for sentences.

        Raises:
            InputError: Another shape, or negative.
        """
        of_answers.refuse(self, "There is no `noise` to set")
        counts.refuse(self, "There is no `noise` to set", "`howsure.calibrate` learns over-dispersion")
        noise = by_target(noise, self.target_names, "The numbers of `noise`")
        values = as_floats(aligned(noise, self, "The `noise`", "noise"), "The numbers of `noise`")
        if values.ndim == 1 and len(self.target_names) == 1:
            values = values[:, None]
        try:
            noises = np.broadcast_to(values, self.mean.shape)
        except ValueError:
            raise InputError(
                "`noise` does not fit the rows",
                expected=f"an array of shape {self.mean.shape}, or a number",
                received=f"an array of shape {values.shape}",
            ) from None
        check_sizes(np.nan_to_num(noises), "The numbers of `noise`")
        of_networks = 0.0 if self.spread is None else self.spread
        std = np.sqrt(of_networks**2 + noises**2)
        return replace(self, noise=noises, std=std, noise_from=noise_from, networks_noise=None)

    def numbered(self, labels: Any) -> Floats:
        """(N, K) true numbers, given as for `with_truth`.

        Raises:
            InputError: As there, or the index is that of other rows.
        """
        labels = aligned(labels, self)
        numbers = check_numbers(labels, len(self), self.target_names)
        return counts.check_counts(numbers) if counts.is_counts(self) else numbers

    def with_truth(self, labels: Any) -> RegressionCertainty:
        """The same with the true numbers beside it.

        Args:
            labels: (N, K), or (N,) for one target; finite numbers, aligned by an index.

        Raises:
            InputError: Another shape, or values that are no numbers.
        """
        return self._changed({"truth": self.numbered(labels)})

    def __repr__(self) -> str:
        noise_state = "known" if np.isfinite(self.std).all() else "unknown"
        return (
            f"<{type(self).__name__} of {len(self)} rows, {quoted(self.target_names)}: noise {noise_state}>"
        )

    # --- from elsewhere -----------------------------------------------------------------------

    @staticmethod
    @accept_alias
    def from_mean_std(
        mean: ArrayLike | Any,
        std: ArrayLike | Any,
        target_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        kind: str = "row",
        ids: Any = None,
    ) -> RegressionCertainty:
        """The result of means and standard deviations of new answers that something else computed.

        They count as one pass: `mc_error` is 0, and nothing is known of networks. `std` is kept as it
        is; `noise` stays unknown, as nobody says which part of it is noise.

        Args:
            mean: (N, K), or (N,) for one target.
            std: In the shape of `mean`, or one number for all, ≥ 0: standard deviation of a new answer. If
                `mean` and `std` have an index, `std` is aligned by it, and columns by their names.
            target_names: K names. They choose the columns of a data frame, or give new names to all. Default:
                the names of the frame, otherwise '0' … 'K−1', or 'value' for one.
            source: Their source in words, kept in `method`.
            kind: Name of one row in sentences.
            ids: (N,) what the caller calls each row, or None.

        Raises:
            InputError: No finite numbers, other shapes, or a negative standard deviation.
        """
        mean, names = targets_in(mean, target_names, "The means")
        means, names = _numbers_and_names(mean, names, "The means")
        std = by_target(std, _columns_of(mean) or names, "The standard deviations")
        called = _row_names(index_names(mean), ids, len(means))
        std = aligned(std, called, "The standard deviations", "std", "mean.index")
        std = np.broadcast_to(as_floats(std, "`std`"), means.shape) if np.ndim(std) == 0 else std
        stds, _ = _numbers_and_names(std, names, "The standard deviations")
        if stds.shape != means.shape:
            raise InputError(
                "The standard deviations do not fit the means",
                expected=f"an array of shape {means.shape}",
                received=f"one of shape {stds.shape}",
            )
        wrong = np.flatnonzero((stds < 0).any(axis=-1))
        if len(wrong):
            raise InputError(
                f"There are negative standard deviations {in_rows(len(wrong), wrong[:5].tolist())}",
                expected="standard deviations of at least 0",
                received=f"{stds[wrong[0]].min():.4g}",
                hint="If these are log variances, give exp(v / 2); of variances, the roots",
            )
        check_sizes(stds, "The standard deviations")
        words = {"pass": "what was given"}
        return RegressionCertainty(
            mean=means,
            mc_error=np.zeros_like(means),
            std=stds,
            noise_from=None,
            **_common_fields(len(means), names, GIVEN_NUMBERS, words, source, kind, called),
        )

    @staticmethod
    @accept_alias
    def from_quantiles(
        q: ArrayLike | Any,
        levels: Sequence[float],
        target_names: Sequence[str] | None = None,
        *,
        source: str | None = None,
        kind: str = "row",
        ids: Any = None,
    ) -> RegressionCertainty:
        """The result of quantiles of new answers, which something else computed.

        `mean` is the median, or the middle of the innermost two quantiles where 0.5 is not among the levels.
        `std` stays unknown. Quantiles that cross are sorted, and a warning says in how many rows.

        Args:
            q: (N, L) for one target, or (N, K, L), or (N, K · L) with the levels of a target side by side.
            levels: L shares of answers below them, ascending, such as (0.05, 0.5, 0.95).
            target_names: K names. Default: '0' … 'K−1', or 'value' for one.
            source: Their source in words, kept in `method`.
            kind: Name of one row in sentences.
            ids: (N,) what the caller calls each row, or None.

        Raises:
            InputError: No finite numbers, other shapes, or levels that cannot be used.
        """
        shares = of_answers.check_levels(levels)
        quantiles = of_answers.checked(q, shares)
        names = target_names if target_names is None else tuple(target_names)
        middle, names = _numbers_and_names(of_answers.middle_of(quantiles, shares), names, "The quantiles")
        called = _row_names(index_names(q), ids, len(middle))
        common = _common_fields(
            len(middle), names, GIVEN_QUANTILES, {"pass": "what was given"}, source, kind, called
        )
        common["method"]["levels"] = list(shares)
        return RegressionCertainty(
            mean=middle, mc_error=np.zeros_like(middle), answer_quantiles=quantiles, **common
        )

    @staticmethod
    @accept_alias
    def from_samples(
        samples: ArrayLike | Iterable[Any],
        target_names: Sequence[str] | None = None,
        *,
        noise: ArrayLike | None = None,
        source: str | None = None,
        kind: str = "row",
        ids: Any = None,
    ) -> RegressionCertainty:
        """The result of S independent samples of the mean: of networks, members, or posterior draws.

        `mean` is their mean, `mc_error` its standard error √(Σ (y_s − mean)² / (S (S − 1))), widened by
        t₀.₉₇₅(S − 1)/1.96, and `spread` their standard deviation with the divisor S − 1.

        Args:
            samples: (S, N, K), or (S, N) for one target; S ≥ 2. Data frames are aligned by their index and
                the names of their columns.
            target_names: K names, as in `from_mean_std`.
            noise: Standard deviation of answers around the mean, if it is known, as for `with_noise`.
            source: The source of the samples in words.
            kind: Name of one row in sentences.
            ids: (N,) what the caller calls each row, or None.

        Raises:
            InputError: Fewer than two samples, no finite numbers, or different shapes.
        """
        is_whole = hasattr(samples, "shape") and not np.ma.isMaskedArray(samples)
        one_by_one = isinstance(samples, Iterable) and not is_whole
        listed: Any = list(samples) if one_by_one else samples  # type: ignore[arg-type]
        parts, index = together(dict(enumerate(listed)) if one_by_one else {}, "samples")
        if one_by_one:
            first = next((part for part in parts.values() if has_columns(part)), None)
            chosen, target_names = targets_in(first, target_names, "The samples")
            alike = _columns_of(chosen)
            listed = [by_target(part, alike, "The samples") if alike else part for part in parts.values()]
            for number, part in enumerate(listed):
                check_unmasked(part, f"The numbers of sample {number}")
        values = as_floats(listed, "The samples")
        values = values[..., None] if values.ndim == 2 else values
        if values.ndim != 3 or len(values) < 2:
            raise InputError(
                "The samples cannot be used",
                expected="an array of shape (samples, rows, targets), of two samples or more",
                received=f"an array of shape {values.shape[:2] if np.ndim(listed) == 2 else values.shape}",
            )
        _, names = _numbers_and_names(values[0], target_names, "The samples")
        check_finite(values, "The samples")
        warn_of_same_passes(list(map(mark_of_pass, range(len(values)), values)), "Samples")
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) * widening(len(values))
        words = {"passes": "samples", "pass": "one of those that you gave", "between": "samples"}
        columns = _common_fields(
            values.shape[1],
            names,
            GIVEN_SAMPLES,
            words,
            source,
            kind,
            _row_names(index, ids, values.shape[1]),
            len(values),
        )
        columns |= {
            "networks": networks_of(values, len(names)),
            "independent": np.full(values.shape[1], len(values)),
        }
        result = RegressionCertainty(values.mean(axis=0), error, **columns, **between.sampled(values, values))
        return result if noise is None else result.with_noise(noise, "what was given")


def _columns_of(frame: Any) -> tuple[str, ...]:
    """Names of the columns of a data frame; none of anything else."""
    return tuple(map(str, columns_of(frame))) if has_columns(frame) else ()


def _common_fields(
    rows: int,
    names: tuple[str, ...],
    name: str,
    words: dict[str, str],
    source: str | None,
    kind: str,
    called: RowNames,
    passes: int = 1,
) -> dict[str, Any]:
    check_type(source, (str, type(None)), "source", "a text that says where they come from, or None")
    method: dict[str, Any] = {"name": name, "words": words}
    if source is not None:
        method["source"] = source
    return {
        "passes": np.full(rows, passes),
        "target_names": names,
        "row": np.arange(rows),
        "kind": kind,
        "method": method,
        "version": importlib.metadata.version("howsure"),
        **vars(called),
    }


def _row_names(index: RowNames, ids: Any, rows: int) -> RowNames:
    if ids is None:
        return index
    values = without_index(aligned(ids, index, "The ids", "ids", "x.index"))
    return replace(index, ids=check_ids(values, rows), id_name=ID)


def _numbers_and_names(
    values: Any, names: Sequence[str] | None, called: str
) -> tuple[Floats, tuple[str, ...]]:
    numbers = as_floats(values, called)
    numbers = numbers[:, None] if numbers.ndim == 1 else numbers
    if numbers.ndim != 2 or numbers.shape[1] < 1:
        raise InputError(
            f"{called} cannot be used",
            expected="an array of shape (rows, targets), or (rows,) for one target",
            received=f"an array of shape {numbers.shape}",
        )
    check_finite(numbers, called)
    return numbers, target_names(names, numbers.shape[1])
