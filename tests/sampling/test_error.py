"""The part of its error that a row cannot tell: constants from a pilot, applied to rows it has not seen."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

import howsure
from howsure.sampling.error import (
    MOST_ALIKE,
    NONE,
    UNMEASURED,
    EarlyError,
    Estimate,
    Pairs,
    Units,
    error_of,
    widened,
)
from howsure.sampling.fit import LEAST_ALIKE, WHOLE, fit_early_error, measure_early_errors, missed_by
from howsure.tasks.classification.outcome import Classes
from howsure.tuning import REPLICATES

WIDENED = widened(2 * (REPLICATES - 1))
NOTHING_USUAL = ((0.0, 0.0, 0.0),) * 4


def outcome(classes=2):
    return Classes("m", "probabilities", "float32", tuple(map(str, range(classes))), howsure.Thresholds())


def fitted(mean, squared, late, variance, spread):
    """The constants from rows of which each stands for itself."""
    return fit_early_error(
        mean, squared, late, variance, spread, outcome(), np.ones(len(variance)), REPLICATES
    )


def columns(probabilities):
    """With three entropies, whatever they are."""
    return np.concatenate([probabilities, np.full((*probabilities.shape[:-1], 3), 0.3)], axis=-1)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def rows(random, count):
    """Random rows of two classes, and a spread of their cells."""
    p = random.uniform(0.02, 0.98, size=count)
    mean = np.stack([p, 1 - p], axis=-1)
    spread = np.repeat((p * (1 - p))[:, None] * random.uniform(0.2, 1, size=(count, 1)), 5, axis=1)
    return mean, spread


def test_the_constants_are_found_again(random):
    mean, spread = rows(random, 400)
    undecided = 2 * np.sqrt(mean[:, :1] * mean[:, 1:])
    left = (0.05 * (1 - undecided) + 0.01 * undecided) * spread
    late = 0.3 * spread
    fit = fitted(columns(mean)[None], (left + late)[None], late[None], 3 * spread, spread)
    assert np.array(fit.of_spread) == pytest.approx(np.array([[0.05, 0.01]] * 4), rel=1e-6)
    assert np.array(fit.of_variance) == pytest.approx(np.array([[0.05, 0.01]] * 4) / 3, rel=1e-6)
    for freedom in (0, 4, 100):
        assert fit.own(columns(mean), 3 * spread, spread, freedom, outcome()) == pytest.approx(left, rel=1e-6)


def test_undecided_rows_go_by_what_they_tell_and_nearly_certain_ones_by_what_is_usual():
    linear = (
        tuple((0.0, b, 0.0) for b in (0.2, 0.02, 0.03, 0.04)),
        tuple((0.0, b, 0.0) for b in (0.3, 0.05, 0.06, 0.07)),
    )
    error = EarlyError(*linear, ((0.0, 0.1),) * 4, (NONE,) * 4)
    variance = np.array([[0.04, 0.04, 0.2, 0.3, 0.4], [0.0] * 5])
    late = np.array([[0.01, 0.02, 0.03, 0.04, 0.05], [0.0] * 5])
    half, certain = columns(np.full((2, 2), 0.5)), columns(np.array([[1.0, 0.0], [1.0, 0.0]]))
    own = error.own(half, variance, np.zeros_like(variance), 0, outcome())
    assert own == pytest.approx(0.1 * variance)
    assert error.squared(half, late, own, 0, 1000, outcome()) == pytest.approx(WIDENED * (late + own))
    by_log = np.log(0.0001) ** 2
    usual = [0.5, 0.5, 0.07 * by_log, 0.09 * by_log, 0.11 * by_log]
    assert error.squared(certain, late, own, 0, 1000, outcome()) == pytest.approx(
        np.array([usual, usual]) * 0.0001
    )
    # Late masks are believed from p = 0.89 on, w + w^2 = 1.
    early = error.squared(columns(np.full((2, 2), 0.8)), 0 * late, own, 0, 1000, outcome())
    assert error.squared(
        columns(np.full((2, 2), 0.8)), late, own, 0, 1000, outcome()
    ) - early == pytest.approx(WIDENED * late)


@pytest.mark.parametrize("passes", [2, 3, 4, 10])
def test_errors_of_few_passes_cover_95_percent(random, passes):
    """The constant is known, but the variance that it is multiplied with comes from these passes."""
    drawn = random.normal(0.5, 0.02, size=(passes, 4000))
    mean = np.stack([drawn.mean(axis=0), 1 - drawn.mean(axis=0)], axis=-1)
    variance = np.repeat(drawn.var(axis=0)[:, None], 5, axis=1)
    share = 1 / (passes - 1)
    error = EarlyError(NOTHING_USUAL, NOTHING_USUAL, ((share, share),) * 4, (NONE,) * 4, replicates=1000)
    own = error.own(columns(mean), variance, np.zeros_like(variance), 0, outcome())
    reported = np.sqrt(error.squared(columns(mean), 0 * own, own, 0, passes, outcome()))[:, 0]
    # Four standard errors of a share of 4,000 rows are 1.4 points.
    assert np.mean(abs(mean[:, 0] - 0.5) <= 1.96 * reported) == pytest.approx(0.95, abs=0.014)


def test_each_of_three_classes_goes_by_itself_and_entropies_by_the_top_class():
    error = EarlyError(((0.0, 1.0, 0.0),) * 4, NOTHING_USUAL, (NONE,) * 4, (NONE,) * 4)
    p = np.array([[0.99, 0.01, 0.0]])
    q = np.array([0.0099, 0.0099, 0.0]) + 0.0001
    w = 2 * np.sqrt(p[0] * (1 - p[0]))
    squared = error.squared(columns(p), np.zeros((1, 6)), np.zeros((1, 6)), 0, 1000, outcome(3))[0]
    assert squared[:3] == pytest.approx((1 - w) * q)
    assert squared[3:] == pytest.approx([(1 - w[0]) * q[0] * np.log(0.01) ** 2] * 3)


def test_what_is_usual_for_nearly_certain_rows_is_found_through_the_noise_of_few_replicates(random):
    constants = quadratic, linear, least = 0.5, 0.002, 1e-6
    p = 1 - np.geomspace(1e-4, 0.4, 200_000)
    mean = np.stack([p, 1 - p], axis=-1)
    q = p * (1 - p) + 0.0001
    true = quadratic * q**2 + linear * q + least
    squared = np.repeat((true * random.chisquare(1, size=len(p)))[:, None], 5, axis=1)
    squared[:, 2:] *= np.log(q[:, None]) ** 2
    nothing = np.zeros_like(squared)
    replicates, none = columns(mean).reshape(10, -1, 5), nothing.reshape(10, -1, 5)
    squared = squared.reshape(none.shape)
    early = fitted(replicates, squared, none, none[0], none[0])
    late = fitted(replicates, squared, squared, none[0], none[0])
    assert early.usual_early == late.usual_late
    assert np.array(early.usual_early) == pytest.approx(np.array([constants] * 4), rel=0.05)
    assert early.usual_late == late.usual_early == NOTHING_USUAL


def test_rows_that_look_certain_have_the_error_of_those_that_look_so(random):
    """Where passes that differ are rare, a replicate that misses them looks certain, and is off for it."""
    seen = random.random((10, 4_000)) < 0.3
    p = np.where(seen, 0.9, 0.999)
    mean = np.stack([p, 1 - p], axis=-1)
    squared = np.repeat(((p - mean[..., 0].mean()) ** 2)[..., None], 5, axis=-1)
    none = np.zeros((4_000, 5))
    fit = fitted(columns(mean), squared, np.zeros_like(squared), none, none)
    certain = columns(np.array([[0.999, 0.001]]))
    reported = fit.squared(certain, none[:1], none[:1], 0, 1000, outcome())[0, 0]
    w = 2 * np.sqrt(0.999 * 0.001)
    assert reported == pytest.approx((1 - w) * (0.999 - p.mean()) ** 2 * widened(MOST_ALIKE), rel=0.05)


@pytest.mark.parametrize(("passes", "rows"), [(10, 7), (20, 7), (20, 12)])
def test_a_small_pilot_allows_for_rows_that_look_certain_by_luck_which_it_did_not_meet(random, passes, rows):
    """In two of a hundred rows a share of the passes differs, and all that are drawn agree by luck."""
    share = np.where(random.random(50_000) < 0.02, random.uniform(0.02, 0.2, size=50_000), 0.0)
    off = share[random.random(50_000) < (1 - share) ** passes]
    reports = []
    for _ in range(40):
        of_rows = np.concatenate([[0.5, 0.4], random.choice(share, size=rows - 2)])
        met = random.binomial(passes, of_rows, size=(7, rows)) / passes
        variance = np.full((rows, 5), 0.1)
        cells = [
            [Estimate(columns(np.stack([1 - p, p], axis=-1)), 0 * variance, variance, passes)] for p in met
        ]
        actual, _ = measure_early_errors(cells, outcome(), np.ones(rows))
        certain, none = columns(np.array([[1.0, 0.0]])), np.zeros((1, 5))
        reports.append(actual.squared(certain, none, none, 0, 1000, outcome())[0, 0])
    assert min(reports) >= np.mean(off**2)


def test_a_whole_pilot_needs_no_allowance():
    assert missed_by(20, WHOLE) == missed_by(20, 2 * WHOLE) == 0
    assert missed_by(10, 50) > missed_by(20, 50) > missed_by(20, 100) > 0
    share = np.linspace(0, 1, 100_001)
    worst = share[np.argmax(share**2 * (1 - share) ** 20)]
    assert missed_by(20, 50) == pytest.approx(worst**2 / 2 * (1 / 50 - 1 / WHOLE), rel=1e-3)


def test_rows_that_never_differ_have_no_error():
    nothing, none = np.zeros((10, 6, 5)), np.zeros((6, 5))
    fit = fitted(columns(np.full((10, 6, 2), 0.5)), nothing, nothing, none, none)
    assert fit.usual_early == fit.usual_late == NOTHING_USUAL


def test_what_was_not_measured_is_not_nothing():
    half, of_all = columns(np.full((1, 2), 0.5)), np.full((1, 5), 0.5)
    assert np.isnan(UNMEASURED.own(half, of_all, of_all, 0, outcome())).all()
    assert np.isnan(UNMEASURED.squared(half, of_all, of_all, 0, 1000, outcome())).all()


@pytest.mark.parametrize(
    ("degrees", "low", "high"), [(6, 4, 9), (30, 12, 120), (np.inf, 40, MOST_ALIKE), (1, 3, 3)]
)
def test_how_alike_rows_are_is_found_through_the_noise_of_few_replicates(random, degrees, low, high):
    """Rows whose errors scatter as variances with so many degrees of freedom do, measured with nine."""
    mean, spread = rows(random, 2000)
    own = 0.05 * spread
    true = own if np.isinf(degrees) else own * degrees / random.chisquare(degrees, (len(mean), 1))
    measured = true * random.chisquare(9, (len(mean), 1)) / 9
    nothing = np.zeros_like(spread)
    fit = fitted(columns(mean)[None], measured[None], nothing[None], spread, nothing)
    assert all(low <= each <= high for each in fit.alike)
    assert min(fit.alike) >= LEAST_ALIKE


def test_rows_that_are_not_alike_get_wider_errors_and_go_by_their_own_cells():
    constants = NOTHING_USUAL, NOTHING_USUAL, ((0.1, 0.1),) * 4, ((1.0, 1.0),) * 4

    def told(alike, cells, between):
        half = columns(np.full((1, 2), 0.5))
        ones = np.ones((1, 5))
        design = Flat(EarlyError(*constants, alike=(alike,) * 4))
        units = Units(cells, 20 * cells, half, 20 * between * ones, 20 * cells * ones, 0 * ones)
        return error_of(units, outcome(), design)[1][0, 0] ** 2 * cells

    assert told(MOST_ALIKE, 1, 0) == pytest.approx(0.1 * WIDENED, rel=1e-5)
    assert told(3.0, 1, 0) == pytest.approx(0.1 * widened(18 / 7), rel=1e-5)
    # Nine cells whose variance is 0.4, four times what the pilot expects: eight degrees of freedom tell it.
    for alike, worth in ((MOST_ALIKE, 9), (3.0, 9 / 4)):
        degrees = 8 + (18 if alike == MOST_ALIKE else 18 / 7)
        own = (8 * 0.4 + worth * 0.1) / (8 + worth)
        assert told(alike, 9, 8 * 0.4) == pytest.approx(own * widened(degrees), rel=1e-5)


@dataclass(frozen=True)
class Flat:
    """The part of a flat design that its error follows."""

    one: EarlyError
    cells = 1
    is_flat = True

    @property
    def group(self):
        return self.one


@pytest.mark.parametrize(("alike", "units"), [(3.0, 3), (4.6, 2), (6.0, 1), (MOST_ALIKE, 1)])
def test_rows_that_are_not_alike_get_more_units_before_they_stop(alike, units):
    """1/(1/18 + 1/alike) degrees from the pilot, and one for each unit after the first: more than four."""
    none = (NONE,) * 4
    assert EarlyError(NOTHING_USUAL, NOTHING_USUAL, none, none, (alike,) * 4).units_until_known == units


@pytest.mark.parametrize("logit", [2.0, 4.0, 6.0])
def test_what_two_units_do_that_were_never_dropped_together_is_about_what_is_missed(logit):
    """Each of two units is dropped in one of ten passes; both in 1 % of all."""
    rate, passes = 0.1, 10
    alone, neither = expit(logit - 0.3), expit(logit)
    drawn = np.array([alone] * 2 + [neither] * 8)
    truth = 0.81 * neither + 0.18 * alone + 0.01 * expit(logit - 0.6)
    mean, nothing = drawn.mean(keepdims=True), np.zeros(1)
    units = Units(1, passes, mean, nothing, np.sum((drawn - mean) ** 2, keepdims=True), nothing)
    reported = np.sqrt(Pairs(2 * rate * (1 - rate), ((rate**2, 1),)).missed(units)[0])
    assert 0.5 < abs(mean[0] - truth) / reported < 1.5


def test_pairs_that_passes_have_surely_dropped_are_not_missed():
    one = np.ones(1)
    units = [Units(4, passes, 0.9 * one, 0 * one, passes * 0.01 * one, 0 * one) for passes in (20, 2000)]
    few, many = (Pairs(1.0, ((0.01, 6),)).missed(unit)[0] for unit in units)
    assert many / few == pytest.approx(np.exp(-19.8))
