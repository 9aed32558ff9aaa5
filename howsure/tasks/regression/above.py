"""`RegressionCertainty.above`: whether a number is above a threshold, as a `Certainty` of two classes.

    networks y_m with shares w_m, noise σ_m      P = Σ w_m Φ((y_m − threshold)/σ_m)
    no noise is known                            P = Σ w_m [y_m > threshold], of the mean
    one normal distribution                      P = Φ((mean − threshold)/std)
    counts                                       as with noise, by the distributions of `counts`
    quantiles                                    straight lines between; a network moves all by one distance

The error of P has three parts. The part that follows y in a straight line has the error of the mean, which
balanced passes know well. The rest has that of as many independent passes. And there may be networks that no
pass has shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from howsure.digits import exactly, significant
from howsure.errors import InputError, warn
from howsure.inputs.rows import in_rows
from howsure.sampling.between import LEVELS
from howsure.sampling.between_numbers import MIDDLES, shares_of
from howsure.sampling.outcome import Booleans, Floats
from howsure.sampling.sketch import BINS
from howsure.statistics import ERROR_FLOOR, LARGEST_ERROR, entropy_of, widening
from howsure.tasks.classification.result import Certainty
from howsure.tasks.probabilities import DECIDED_COLUMNS
from howsure.tasks.regression import counts
from howsure.tasks.regression.quantiles import share_below

if TYPE_CHECKING:
    from howsure.tasks.regression.result import RegressionCertainty

_SHARES = shares_of(MIDDLES[None], np.zeros(1))
_NORMAL = ndtri(MIDDLES) / np.sqrt(_SHARES @ ndtri(MIDDLES) ** 2)
"""(64,) networks of a standard normal distribution, whose standard deviation is 1."""


Z = float(ndtri(0.975))
"""How many standard errors an interval of 95 % reaches to either side."""

MOST = 1e6
"""More passes make an interval of Student's t no narrower."""


@dataclass(frozen=True, eq=False)
class SingleNetworks:
    """Networks for one target of N rows.

    Attributes:
        numbers: (N, M) of each network.
        shares: (N, M) of all networks that each stands for.
        noise: (N, M) standard deviation of answers around each; NaN where unknown.
        independent: (N,) how many independent passes tell as much; infinity where a normal distribution is
            known in closed form, and 0 where nothing but mean and spread is known.
        is_each: (N,) whether each is a network of its own, and not a quantile of more.
        are_all: (N,) whether there are no others, as of an ensemble or a normal distribution.
        centre: (N,) mean of all networks.
        error: (N,) standard error of that.
        reach: (N,) how large their standard deviation may be.
        few: (N,) factor by which so few passes widen an interval (Student's t).
        dispersion: (N,) over-dispersion of counts around the number of a network; None of other numbers.
        share_below: Share of answers below numbers (N, M), from quantiles of the rows; None without these.
    """

    numbers: Floats
    shares: Floats
    noise: Floats
    independent: Floats
    is_each: Booleans
    are_all: Booleans
    centre: Floats
    error: Floats
    reach: Floats
    few: Floats
    dispersion: Floats | None = None
    share_below: Callable[[Floats], Floats] | None = None

    def above(self, threshold: float, moved: Floats | float = 0.0) -> Floats:
        """(N, M) probability that each network, its number moved, gives to an answer above; see `share`."""
        return self.share(self.numbers - threshold + moved, np.nan_to_num(self.noise), threshold)

    def share(self, away: Floats, noise: Floats, threshold: float) -> Floats:
        """(N, …) share of answers above, of networks so far away from it; 0 or 1 where there is no noise."""
        if self.share_below is not None:
            return 1 - self.share_below(self.centre[:, None] - away)
        if self.dispersion is None:
            return _normal(away, noise)
        return counts.above(threshold, np.maximum(threshold + away, 0.0), self.dispersion[:, None])

    def mean(self, values: Floats) -> Floats:
        """(N,) mean over all networks of values (N, M)."""
        # In one order of adding, however the arrays lie in memory.
        return np.asarray(np.ascontiguousarray(self.shares * values).sum(axis=-1))


def networks_of(result: RegressionCertainty, k: int) -> SingleNetworks | None:
    """The networks of one target; None if none are known.

    If only the mean and the spread are known, they are taken from a normal distribution.
    """
    if result.spread is None:
        return None
    centre, passes = result.mean[:, k], result.passes.astype(np.float64)
    spread, error = np.nan_to_num(result.spread[:, k]), result.mc_error[:, k]
    off = np.zeros_like(spread) if result.spread_error is None else np.nan_to_num(result.spread_error[:, k])
    noise = np.broadcast_to(result.noise[:, k, None], (len(result), 1))
    if result.networks is None:
        numbers = centre[:, None] + spread[:, None] * _NORMAL
        numbers = np.maximum(numbers, 0.0) if counts.is_counts(result) else numbers
        shares = np.broadcast_to(_SHARES, numbers.shape)
        is_each = np.zeros(len(result), dtype=bool)
        independent = np.where((error == 0) & (off == 0), np.inf, 0.0)
    else:
        stored = result.networks[:, k]
        is_there = np.isfinite(stored)
        numbers, shares = np.where(is_there, stored, centre[:, None]), shares_of(stored, passes)
        noise = noise if result.networks_noise is None else result.networks_noise[:, k]
        noise, is_each = np.where(is_there, noise, 0.0), is_there.sum(axis=-1) == passes
        independent = passes if result.independent is None else result.independent
    few = np.where(independent > 0, widening(np.clip(np.rint(independent), 2, MOST)), 1.0)
    reach = few * (spread + Z * off)
    are_all = np.full(len(result), result.spread_error is not None) & (off == 0)
    networks = SingleNetworks(
        numbers, shares, noise, independent, is_each, are_all, centre, error, reach, few
    )
    if counts.is_counts(result):
        return replace(networks, dispersion=counts.dispersion_of(centre, result.noise[:, k], spread))
    if result.answer_quantiles is not None:
        return replace(
            networks, share_below=partial(share_below, result.answer_quantiles[:, k], result.levels)
        )
    return networks


STEPS = np.concatenate([-np.geomspace(0.1, 100, 25), np.geomspace(0.1, 100, 25)])
"""How many spreads away from the mean networks are looked for that no pass has shown."""


def asked(result: RegressionCertainty, threshold: float, target: str | int | None) -> Certainty:
    """The part `above`: the question as it is typed, where a whole number that is no name is a position."""
    if isinstance(target, str) and target not in result.target_names and target.isdecimal():
        target = int(target)
    return result.above(threshold, target)


def above(result: RegressionCertainty, threshold: float, k: int) -> Certainty:
    """See `RegressionCertainty.above`."""
    if not np.isfinite(threshold):
        raise InputError(
            "`threshold` is no finite number", expected="a number such as 3.0", received=threshold
        )
    networks, unknown = networks_of(result, k), np.isnan(result.noise[:, k])
    of_quantiles = result.answer_quantiles is not None
    is_of_mean = networks is not None and (result.noise_from is None if not len(result) else unknown.all())
    is_of_mean = is_of_mean and not of_quantiles
    if of_quantiles:
        _warn_of_beyond(result, threshold, k)
    elif not is_of_mean and (np.isnan(result.std[:, k]) | (unknown & (networks is not None))).any():
        result.check_noise("Nothing says whether the number is above a threshold")
    answer = (
        _of_one(result, threshold, k)
        if networks is None
        else _of_networks(result, threshold, k, networks, not is_of_mean)
    )
    shared = {column.name for column in fields(result)} & {column.name for column in fields(Certainty)}
    own = {"mc_error", "spread", "spread_error", "truth"} | DECIDED_COLUMNS
    columns: dict[str, Any] = {name: getattr(result, name) for name in shared - own}
    columns |= answer
    if result.truth is not None:
        columns["truth"] = (result.truth[:, k] > threshold).astype(np.int64)
    plain = abs(threshold) < 1e4 and not counts.is_counts(result)
    threshold_text = significant(threshold, 4) if plain else exactly(threshold)
    called = "mean " if is_of_mean else ""
    called += "" if len(result.target_names) == 1 else f"{result.target_names[k]} "
    columns["class_names"] = (f"{called}at most {threshold_text}", f"{called}above {threshold_text}")
    columns["method"] = {**result.method, "above": threshold, "target": result.target_names[k]}
    return Certainty(**columns)


def _of_one(result: RegressionCertainty, threshold: float, k: int) -> dict[str, Any]:
    """Columns where no networks are known: a normal distribution, and nothing that could disagree."""
    p = _of_mean(result, threshold, k, result.std[:, k])
    probabilities = np.stack([1 - p, p], axis=-1)
    return {
        "probabilities": probabilities,
        "mc_error": np.zeros_like(probabilities),
        "expected_entropy": entropy_of(probabilities),
        "quantiles": None,
        "quantiles_error": None,
    }


def _of_mean(result: RegressionCertainty, threshold: float, k: int, std: Floats) -> Floats:
    """(N,) share above of one distribution with the mean of each row and this standard deviation.

    Or with the quantiles of each row.
    """
    mean = result.mean[:, k]
    if result.answer_quantiles is not None:
        at = np.full((len(mean), 1), threshold)
        return 1 - share_below(result.answer_quantiles[:, k], result.levels, at)[:, 0]
    if counts.is_counts(result):
        return counts.above(threshold, mean, counts.dispersion_of(mean, std))
    return _normal(mean - threshold, std)


def _warn_of_beyond(result: RegressionCertainty, threshold: float, k: int) -> None:
    """Warn of rows whose quantiles leave open how likely a number is above a threshold."""
    ends = result.answer_quantiles[:, k][:, [0, -1]]  # type: ignore[index]
    beyond = np.flatnonzero((threshold < ends[:, 0]) | (threshold > ends[:, 1]))
    if len(beyond):
        least, most = result.levels[0], result.levels[-1]
        warn(
            "The threshold lies beyond the outermost quantiles "
            f"{in_rows(len(beyond), result.row[beyond[:5]].tolist())}. The probabilities there are those at "
            f"the quantile {least:g} or {most:g}; true ones may be nearer to 1 or 0."
        )


def _normal(away: Floats, std: Floats) -> Floats:
    """(…) share of a normal distribution above a threshold from which its mean is so far away."""
    return np.where(std > 0, ndtr(away / np.where(std > 0, std, 1.0)), away > 0)


def _of_networks(
    result: RegressionCertainty, threshold: float, k: int, networks: SingleNetworks, noise_is_known: bool
) -> dict[str, Any]:
    """Columns from networks, each with an answer of its own."""
    p_of_network = networks.above(threshold)
    std = np.hypot(np.nan_to_num(result.spread[:, k]), np.nan_to_num(result.noise[:, k]))  # type: ignore[index]
    in_closed_form = np.isinf(networks.independent)
    is_one = in_closed_form | (networks.share_below is not None)
    p = np.where(is_one, _of_mean(result, threshold, k, std), networks.mean(p_of_network))
    p = np.clip(p, 0, 1)
    error = np.where(in_closed_form, 0.0, _error(networks, threshold, p_of_network))
    probabilities = np.stack([1 - p, p], axis=-1)
    own = networks.mean(entropy_of(np.stack([1 - p_of_network, p_of_network], axis=-1)))
    between = np.sqrt(networks.mean((p_of_network - networks.mean(p_of_network)[:, None]) ** 2))
    columns = {
        "probabilities": probabilities,
        "mc_error": np.stack([error] * 2, axis=-1),
        "expected_entropy": np.minimum(own, entropy_of(probabilities)),
        "spread": np.stack([between] * 2, axis=-1),
        "quantiles": None,
        "quantiles_error": None,
    }
    if noise_is_known:
        columns["quantiles"] = _quantiles(
            np.where((p > 0.5)[:, None], p_of_network, 1 - p_of_network), networks
        )
    return columns


def _quantiles(top: Floats, networks: SingleNetworks) -> Floats:
    """(N, 11) quantiles of what networks say (N, M), straight lines between the middles of their shares.

    They are unknown where less than half a pass is expected beyond, unless these are all networks there are.
    """
    order = np.argsort(np.where(networks.shares > 0, top, np.inf), axis=-1)
    top, shares = (np.take_along_axis(array, order, axis=-1) for array in (top, networks.shares))
    rows = zip(np.cumsum(shares, axis=-1) - shares / 2, top, shares > 0, strict=True)
    quantiles = [np.interp(LEVELS, at[is_there], values[is_there]) for at, values, is_there in rows]
    beyond = np.minimum(LEVELS, 1 - np.array(LEVELS)) * networks.independent[:, None]
    is_known = (beyond >= 0.5 - 1e-9) | networks.are_all[:, None]
    return np.where(is_known, np.reshape(quantiles, (-1, len(LEVELS))), np.nan)


@np.errstate(over="ignore")  # of limits as far away as no other number
def _error(networks: SingleNetworks, threshold: float, p_of_network: Floats) -> Floats:
    """(N,) standard error of the share above; see the top of the module."""
    p, away = networks.mean(p_of_network), networks.numbers - networks.mean(networks.numbers)[:, None]
    variance = networks.mean(away**2)
    slope = np.divide(networks.mean(away * p_of_network), variance, out=np.zeros_like(p), where=variance > 0)
    rest = networks.few**2 * networks.mean((p_of_network - p[:, None] - slope[:, None] * away) ** 2)
    rest = np.divide(rest, networks.independent, out=np.zeros_like(rest), where=networks.independent > 0)
    # Within the share of a quantile networks may lie anywhere, and within a bin that several shares fill.
    steps = np.diff(p_of_network, axis=-1) * networks.shares[:, 1:]
    reach, off = networks.reach, threshold - networks.centre
    width = np.pi / BINS / 2 * np.divide(reach**2 + off**2, reach, out=np.zeros_like(p), where=reach > 0)
    in_bin = networks.above(threshold, width[:, None]) - networks.above(threshold, -width[:, None])
    same = np.pad(np.diff(networks.numbers, axis=-1) == 0, ((0, 0), (1, 1)))
    in_bin = np.where(same[:, 1:] | same[:, :-1], in_bin, 0.0)
    binned = (steps**2).sum(axis=-1) / 12 + (networks.mean(in_bin) / Z) ** 2
    squared = (slope * networks.error) ** 2 + rest + np.where(networks.is_each, 0.0, binned)
    error = np.sqrt(squared + (_unseen(networks, threshold, p, slope) / Z) ** 2)
    return np.clip(error, ERROR_FLOOR, LARGEST_ERROR)


def _unseen(networks: SingleNetworks, threshold: float, p: Floats, slope: Floats) -> Floats:
    """(N,) by how much the share above may be off because of networks that no pass has shown.

    n independent passes miss a share of networks of up to z²/(n + z²) (Wilson 1927), of which 1/(1 + d²) at
    the most lies d spreads or more on one side (Cantelli 1928). The part that a straight line explains has no
    such error. If all passes say the same number, networks that no pass has shown may be anywhere.
    """
    reach, noise = networks.reach[:, None], networks.mean(np.nan_to_num(networks.noise))[:, None]
    off = (threshold - networks.centre)[:, None]
    apart = np.where(reach > 0, reach, np.abs(off) + noise)
    apart = np.where(apart > 0, apart, 1.0)
    # Beside the same steps for all rows, those around the threshold and on either side of it.
    near = [(off + by * noise) / apart + np.copysign(1e-9, by) for by in (-3, -2, -1, -0.0, 0.0, 1, 2, 3)]
    at = np.concatenate([np.broadcast_to(STEPS, (len(p), len(STEPS))), *near], axis=-1)
    share_above = networks.share(apart * at - off, noise, threshold)
    explained = np.clip(p[:, None] + slope[:, None] * apart * at, 0, 1)
    share, beyond = Z**2 / (networks.independent[:, None] + Z**2), np.where(reach > 0, 1 / (1 + at**2), 1.0)
    return np.asarray((np.minimum(share, beyond) * np.abs(share_above - explained)).max(axis=-1, initial=0.0))
