"""Are the reasons of a comparison true? Worlds whose true reason is known; to docs/reasons.md.

    python -m validation.reasons                worlds, to docs/reasons.json and docs/reasons.md
    python -m validation.reasons comparisons    models on data; see `validation.reasons_of_models`

A loss is divided into parts with code of its own, on 200,000 fresh rows. A true effect that these cannot tell
from 0 counts as 0, and a claim of either sign is then false.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import ttest_rel

import howsure
from benchmarks.docs import Page, percent, table
from howsure.compare.comparison import Comparison
from howsure.compare.findings import chosen, lead
from howsure.compare.parts import ACCURACY, CALIBRATION, DISCRIMINATION, ORDER
from howsure.compare.passes import MemberRecorder
from howsure.compare.reasons import (
    CALIBRATING,
    SCALE,
    TOGETHER,
    WHOLE,
    Claim,
    because,
    claims,
    holds_most,
    reasons,
    sure_parts,
)
from howsure.errors import HowsureWarning
from validation.compare_numbers import is_too_often
from validation.intervals import OWN, world

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PAGE = Page("reasons")

SIZES, DRAWS = (50, 200, 1_000), 100
MANY = 200_000
"""Rows that the truth is taken from; as many positions of maps."""

LEAST = 1e-3
"""Nats that count as nothing."""

SIDE, GROUP = 6, 10
"""Of maps; rows of a group."""

FLOOR = float(np.log(np.finfo(np.float64).eps))
"""The least log-probability that the negative log-likelihood counts."""

MENDED = ZEROS, SURENESS, OFFSETS = ("zeros", "sureness", "offsets")
PARTS = (*MENDED, ACCURACY, ORDER, ALTERNATIVES := "alternatives")
"""What a loss is made of: 0 % for what came true, claims too high or low, classes (or numbers) too often (or
too high), wrong answers, answers not known to be doubtful, and not knowing what else it could be."""

TOLD: Mapping[str, Sequence[str]] = {
    CALIBRATION: MENDED,
    DISCRIMINATION: (ACCURACY, ORDER, ALTERNATIVES),
    **{part: (part,) for part in PARTS},
}
"""What is meant by a part that a comparison tells."""

TAKEN, LIES, HURTS = "taken", "lies", "hurts"
"""The statements that a method is the one to take, that most of the difference lies in rows of one class, and
that the other members are better without one."""


# --- worlds -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What methods say of the same rows, the baseline first, and each network of an ensemble.

    The truth are (N,) classes, (N, H, W) classes at positions, or (N,) numbers; said are (N, …, K) logits, or
    (N, 2) means and standard deviations.
    """

    truth: NDArray[Any]
    said: Mapping[str, Floats]
    members: Mapping[str, Sequence[Floats]] = field(default_factory=dict)
    groups: Integers | None = None


Method = Callable[[Floats, np.random.Generator], Floats]
"""From true logits to those of a method."""


@dataclass(frozen=True)
class Sees:
    """A method that multiplies logits by `sharp`, and sees rows through a blur of its own.

    It knows of the `blur`, the standard deviation of this noise beside the 1 that all have. `odd` is what it
    does to its logits.
    """

    blur: float = 0.0
    sharp: float = 1.0
    odd: Method = field(default=lambda logits, random: logits)


def classes(
    *methods: Sees,
    among: int = 4,
    wrong: float = 0.2,
    prior: Sequence[float] = (),
    shape: tuple[int, ...] = (),
    groups: int = 1,
    random: np.random.Generator,
    rows: int,
) -> Said:
    """Methods that see parts of the same rows, or positions of maps; they are called a, b and so on.

    Rows of a group have the same truth, and nearly the same noise.
    """
    of, share, own = world(wrong, 0.5, among), np.array(prior or (1 / among,) * among), OWN
    ends, group = (rows, *shape, among), np.arange(rows) // groups
    truth = random.choice(among, p=share, size=(rows, *shape))[group]
    m = of.mean * np.exp(of.uneven * random.normal(size=rows)[group]).reshape(rows, *[1] * (len(ends) - 1))
    clear = m * np.eye(among)[truth] + np.sqrt(1 - own) * random.normal(size=ends)[group]
    found = {}
    for name, method in zip("abcd", methods, strict=False):
        noise = np.sqrt(own + method.blur**2) * random.normal(size=ends)
        noise = (
            noise if groups == 1 else np.sqrt(0.9) * noise[group] + np.sqrt(0.1) * random.normal(size=ends)
        )
        logits = method.sharp / (1 + method.blur**2) * m * (clear + noise)
        found[name] = method.odd(logits + np.log(share * among), random)
    return Said(truth, found, groups=group if groups > 1 else None)


def votes(logits: Floats, random: np.random.Generator, trees: int = 10) -> Floats:
    """Shares of so many votes: a class without a vote gets exactly 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(random.multinomial(trees, softmax(0.6 * logits, axis=-1)) / trees))


def shrug(logits: Floats, random: np.random.Generator) -> Floats:
    """The same top class and percentage, and of each other class the same."""
    del random
    p = softmax(logits, axis=-1)
    top = p.max(axis=-1, keepdims=True)
    return np.log(np.where(p == top, top, np.maximum(1 - top, 1e-12) / (p.shape[-1] - 1)))


def ensemble(
    shared: float, own: Sequence[float], copies: int, *, random: np.random.Generator, rows: int
) -> Said:
    """Networks with noise that all share, and noise of each; the last one is there several times."""
    truth, of = random.integers(4, size=rows), world(0.2, 0.5, 4)
    m = of.mean * np.exp(of.uneven * random.normal(size=rows))[:, None]
    seen = m * np.eye(4)[truth] + shared * random.normal(size=(rows, 4))
    networks = [m * (seen + each * random.normal(size=seen.shape)) / (shared**2 + each**2) for each in own]
    networks += [networks[-1]] * (copies - 1)
    return Said(truth, {"a": networks[0], "b": together(networks)}, {"b": networks})


def together(networks: Sequence[Floats]) -> Floats:
    """Logarithms of the mean probabilities."""
    return np.asarray(logsumexp([log_softmax(each, axis=-1) for each in networks], axis=0))


@dataclass(frozen=True)
class Numbers:
    """A method for numbers, in units of the noise of a row.

    `wide` is the factor of its true standard deviations in its claims, `own` the standard deviation of its
    own error. `flat` claims the same for all rows, as much as is true on average. Its claims do not know of
    the `offset` that it adds to all answers.
    """

    wide: float = 1.0
    own: float = 0.4
    flat: bool = False
    offset: float = 0.0


def numbers(
    *methods: Numbers, freedom: float = np.inf, groups: int = 1, random: np.random.Generator, rows: int
) -> Said:
    """Methods for numbers whose noise differs between rows by a factor of 4, and has a t distribution.

    The few largest of many rows decide the mean of its squares, so there it is set to what is true.
    """
    group = np.arange(rows) // groups
    noise = np.exp(random.uniform(-0.7, 0.7, rows))
    off = random.standard_t(freedom, rows) if np.isfinite(freedom) else random.normal(size=rows)
    variance = np.mean(off**2) if rows >= MANY else 1 / (1 - 2 / freedom)
    off, usual = (off / np.sqrt(variance))[group], np.sqrt(np.sinh(1.4) / 1.4)  # √E noise²
    found = {}
    for name, method in zip("abcd", methods, strict=False):
        mean = noise * method.own * random.normal(size=rows)[group] + method.offset
        std = method.wide * np.sqrt(1 + method.own**2) * np.where(method.flat, usual, noise)
        found[name] = np.stack([mean, std], axis=1)
    return Said(noise * off, found, groups=group if groups > 1 else None)


def ensemble_of_numbers(own: float, *, random: np.random.Generator, rows: int) -> Said:
    """Four networks for numbers with independent errors, and their mean."""
    y, means = random.normal(size=rows), own * random.normal(size=(4, rows))
    std = np.full(rows, np.sqrt(1 + own**2))
    networks = [np.stack([each, std], axis=1) for each in means]
    mean = np.stack([means.mean(axis=0), np.sqrt(1 + own**2 + means.var(axis=0))], axis=1)
    return Said(y, {"a": networks[0], "b": mean}, {"b": networks})


@dataclass(frozen=True)
class World:
    """What methods say, the cause of the difference by what they were made to be, and how it is compared.

    Where they are equal in expectation there is none. Rows `in_groups` depend on each other, which the
    comparison knows where they are `given`.
    """

    draw: Callable[..., Said]
    cause: str = ""
    in_groups: bool = False
    given: bool = False
    of_maps: bool = False


TRUE, NUMBERS = Sees(), Numbers()


def _pair(a: Sees, b: Sees, cause: str = "", **others: Any) -> World:
    return World(partial(classes, a, b, **others), cause)


def _numbers(a: Numbers, b: Numbers, cause: str = "", **others: Any) -> World:
    return World(partial(numbers, a, b, **others), cause)


MAPS = {"among": 3, "shape": (SIDE, SIDE)}

WORLDS: Mapping[str, World] = {
    "only what else it could be": _pair(Sees(odd=shrug), TRUE, ALTERNATIVES),
    "one class's logit is 2 too high": _pair(Sees(odd=lambda z, _: z + 2 * np.eye(4)[0]), TRUE, OFFSETS),
    "balanced class weights": _pair(
        Sees(odd=lambda z, _: z - np.log([0.9, 0.07, 0.03])), TRUE, OFFSETS, among=3, prior=(0.9, 0.07, 0.03)
    ),
    "exactly 0 % for what came true": _pair(Sees(odd=votes), Sees(0.7), ZEROS),
    "right on 67 % for 97 %": _pair(Sees(2.7), TRUE, ACCURACY, wrong=0.03),
    "too sure by 1.3": _pair(Sees(sharp=1.3), TRUE, SURENESS),
    "too sure by 2, 2 classes": _pair(Sees(sharp=2.0), TRUE, SURENESS, among=2),
    "too sure by 2": _pair(Sees(sharp=2.0), TRUE, SURENESS),
    "too sure by 2, 10 classes": _pair(Sees(sharp=2.0), TRUE, SURENESS, among=10),
    "too modest by 0.6": _pair(Sees(sharp=0.6), TRUE, SURENESS),
    "sees more, 2 classes": _pair(Sees(0.8), TRUE, ACCURACY, among=2),
    "sees more": _pair(Sees(0.8), TRUE, ACCURACY),
    "sees more, 10 classes": _pair(Sees(0.8), TRUE, ACCURACY, among=10),
    "sees more, and is too sure by 3": _pair(Sees(sharp=3.0), Sees(0.4), SURENESS),
    "members with shared mistakes": World(partial(ensemble, 1.0, (0.1,) * 4, 1), ACCURACY),
    "members with mistakes of their own": World(partial(ensemble, 0.3, (1.2,) * 4, 1), ACCURACY),
    "three copies beside a weak member": World(partial(ensemble, 0.3, (3.0, 0.8), 3), ACCURACY),
    "numbers, 0.8 too high": _numbers(Numbers(offset=0.8), NUMBERS, OFFSETS),
    "numbers, too narrow by 0.6": _numbers(Numbers(0.6), NUMBERS, SURENESS),
    "numbers, too wide by 1.6": _numbers(Numbers(1.6), NUMBERS, SURENESS),
    "numbers, closer": _numbers(Numbers(own=0.9), NUMBERS, ACCURACY),
    "numbers, knows its large errors": _numbers(Numbers(flat=True), NUMBERS, ORDER),
    "numbers, members": World(partial(ensemble_of_numbers, 0.6), ACCURACY),
    "numbers, t with 2.5, too narrow by 0.6": _numbers(NUMBERS, Numbers(0.6), SURENESS, freedom=2.5),
    "maps, too sure by 2": replace(_pair(Sees(sharp=2.0), TRUE, SURENESS, **MAPS), of_maps=True),
    "alike, 2 classes": _pair(TRUE, TRUE, among=2),
    "alike": _pair(TRUE, TRUE),
    "alike, 10 classes": _pair(TRUE, TRUE, among=10),
    "alike, 5 % wrong": _pair(TRUE, TRUE, wrong=0.05),
    "alike, four methods": World(partial(classes, TRUE, TRUE, TRUE, TRUE)),
    "alike, maps": replace(_pair(TRUE, TRUE, **MAPS), of_maps=True),
    "alike, in groups of 10": replace(_pair(TRUE, TRUE, groups=GROUP), in_groups=True),
    "alike, groups are given": replace(_pair(TRUE, TRUE, groups=GROUP), in_groups=True, given=True),
    "numbers, alike": _numbers(NUMBERS, NUMBERS),
    "numbers, alike, t with 3": _numbers(NUMBERS, NUMBERS, freedom=3),
    "numbers, alike, t with 2.5": _numbers(NUMBERS, NUMBERS, freedom=2.5),
    "numbers, too narrow and as much too wide, t with 3": _numbers(Numbers(1.6), Numbers(0.7), freedom=3),
    "numbers, alike, in groups of 10": replace(_numbers(NUMBERS, NUMBERS, groups=GROUP), in_groups=True),
    "numbers, alike, groups are given": replace(
        _numbers(NUMBERS, NUMBERS, groups=GROUP), in_groups=True, given=True
    ),
}


# --- the truth ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """A true effect of many rows, and its standard error."""

    value: float
    error: float

    @staticmethod
    def of(losses: Floats) -> Effect:
        """The mean of what rows lose."""
        return Effect(float(losses.mean()), float(losses.std() / np.sqrt(len(losses))))

    @property
    def sign(self) -> int:
        """0 where the rows cannot tell it from 0."""
        return 0 if abs(self.value) <= max(3 * self.error, LEAST) else int(np.sign(self.value))


@dataclass(frozen=True)
class Divided:
    """The loss of one method, part by part, each (N,), and how far its claims are above what is true (N,)."""

    parts: Mapping[str, Floats]
    above: Floats

    def calibrated(self, knows: bool) -> Mapping[str, Floats]:
        """The parts once it is calibrated by one number, or by a map that `knows` of offsets, too."""
        mended = MENDED if knows else (ZEROS, SURENESS)
        return {part: np.zeros_like(each) if part in mended else each for part, each in self.parts.items()}


def divided(said: Floats, truth: NDArray[Any]) -> Divided:
    """The parts of the negative log-likelihood of (N, …, K) logits, or of (N, 2) numbers."""
    if truth.dtype == np.float64:
        return _divided_numbers(truth - said[:, 0], said[:, 1])
    rows, among = len(truth), said.shape[-1]
    true = truth.reshape(rows, -1)[..., None]
    logs = np.maximum(log_softmax(said, axis=-1), FLOOR).reshape(rows, -1, among)

    def nll(given: Floats) -> Floats:
        lost = logsumexp(given, axis=-1) - np.take_along_axis(given, true, axis=-1)[..., 0]
        return np.asarray(lost.mean(axis=1))

    def smoothed(share: float) -> Floats:
        return np.asarray(np.logaddexp(np.log1p(-share) + logs, np.log(share / among)))

    filled = logs
    if np.isneginf(said).any():
        filled = smoothed(minimize_scalar(lambda each: nll(smoothed(each)).mean(), bounds=(1e-6, 0.5)).x)

    def loss(by: Floats, free: Floats) -> tuple[float, Floats]:
        over = softmax(by[0] * filled + by[1:], axis=-1)
        np.put_along_axis(over, true, np.take_along_axis(over, true, axis=-1) - 1, axis=-1)
        slopes = np.append(np.sum(over * filled), over.sum(axis=(0, 1))) / over[..., 0].size
        return float(nll(by[0] * filled + by[1:]).mean()), slopes * free

    def mapped(slope: bool, offsets: bool) -> Floats:
        free = np.append(slope, np.full(among, offsets)).astype(np.float64)
        by = minimize(loss, np.append(1.0, np.zeros(among)), free, jac=True).x
        return np.asarray(by[0] * filled + by[1:])

    best = mapped(True, True)
    end, p, q = nll(best), np.exp(logs), softmax(best, axis=-1)
    mended = _both_orders(nll(filled), nll(mapped(True, False)), nll(mapped(False, True)), end)
    right = (q.argmax(axis=-1) == true[..., 0]).astype(np.float64)
    share, top = np.clip(right.mean(), 0.5 / rows, 1 - 0.5 / rows), np.minimum(q.max(axis=-1), 1 - 1e-12)
    often = -right * np.log(share) - (1 - right) * np.log((1 - share) / (among - 1))
    doubt = -right * np.log(top / share) - (1 - right) * np.log((1 - top) / (1 - share))
    found = {
        ZEROS: nll(logs) - nll(filled),
        **mended,
        ACCURACY: often.mean(axis=1),
        ORDER: doubt.mean(axis=1),
    }
    above = p.max(axis=-1) - (p.argmax(axis=-1) == true[..., 0])
    return Divided(found | {ALTERNATIVES: end - found[ACCURACY] - found[ORDER]}, above.mean(axis=1))


def _divided_numbers(off: Floats, std: Floats) -> Divided:
    def fitted(off: Floats, std: Any) -> Floats:
        return _normal_nll(off, std * np.sqrt(np.mean((off / std) ** 2)))

    middle, none = off - np.average(off, weights=std**-2), np.zeros(len(off))
    end, plain = fitted(middle, std), fitted(middle, np.ones(len(off)))
    mended = _both_orders(_normal_nll(off, std), fitted(off, std), _normal_nll(middle, std), end)
    parts = {ZEROS: none, **mended, ACCURACY: plain, ORDER: end - plain, ALTERNATIVES: none}
    return Divided(parts, (middle / std) ** 2 - 1)


def _normal_nll(off: Floats, std: Floats) -> Floats:
    return np.asarray(np.log(std) + (np.log(2 * np.pi) + (off / std) ** 2) / 2)


def _both_orders(neither: Floats, sure: Floats, offsets: Floats, both: Floats) -> dict[str, Floats]:
    """What mending one costs less, before and after the other, on average (Shapley 1953)."""
    return {
        SURENESS: (neither - sure + offsets - both) / 2,
        OFFSETS: (neither - offsets + sure - both) / 2,
    }


@dataclass(frozen=True, eq=False)
class Truth:
    """Each method of a world divided, and of an ensemble its loss less that of the best of its members.

    Then that of the others `without` each member less its loss, and the true answers.

    Methods that are `alike` do not differ in expectation, whatever a sample says. Versions that are
    calibrated are among the methods (`calibrated`), or follow from them.
    """

    methods: Mapping[str, Divided]
    members: Mapping[str, Effect]
    without: Mapping[str, Sequence[Effect]]
    labels: NDArray[Any]
    alike: bool = False
    calibrated: bool = False

    def effects(self, comparison: Comparison, method: str) -> dict[str, Effect]:
        """Each part of the difference from the baseline, and the whole."""
        own = comparison.calibrations.get(method, method)
        learnt = comparison.certainties[method].method["calibration"]["method"] if own != method else ""
        return effects_of(self, method if method in self.methods else own, learnt, comparison.methods[0])


@cache
def effects_of(truth: Truth, method: str, learnt: str, baseline: str) -> dict[str, Effect]:
    """Each part of a difference, and the whole; of a method that is calibrated by what it `learnt`."""
    one, two = truth.methods[method], truth.methods[baseline].parts
    parts = one.calibrated(learnt in ("offsets", "both")) if learnt and not truth.calibrated else one.parts
    gaps = {part: (parts[part] - two[part]) * (bool(learnt) or not truth.alike) for part in PARTS}
    of_parts = {name: np.sum([gaps[part] for part in own], axis=0) for name, own in TOLD.items()}
    whole = {WHOLE: np.sum([*gaps.values()], axis=0)}
    return {name: Effect.of(gap) for name, gap in (whole | of_parts).items()}


@cache
def truth_of(name: str) -> Truth:
    """Of many rows."""
    of = WORLDS[name]
    alone = {"groups": 1} if of.in_groups else {}
    drawn = of.draw(random=np.random.default_rng(7), rows=MANY // (SIDE**2 if of.of_maps else 1), **alone)
    found = {
        method: _alone(drawn.said[method], drawn.truth)
        - min((_alone(each, drawn.truth) for each in networks), key=np.mean)
        for method, networks in drawn.members.items()
    }
    without = {
        method: [
            Effect.of(
                _alone(_mean([*networks[:one], *networks[one + 1 :]]), drawn.truth)
                - _alone(_mean(networks), drawn.truth)
            )
            for one in range(len(networks))
        ]
        for method, networks in drawn.members.items()
    }
    methods = {method: divided(said, drawn.truth) for method, said in drawn.said.items()}
    members = {method: Effect.of(gap) for method, gap in found.items()}
    return Truth(methods, members, without, drawn.truth, alike=not of.cause)


def _mean(networks: Sequence[Floats]) -> Floats:
    """The mean of numbers, or logits of the mean percentages."""
    return np.mean(networks, axis=0) if networks[0].shape[1] == 2 else together(networks)


def _alone(said: Floats, truth: NDArray[Any]) -> Floats:
    """(N,) the squared error of numbers, the loss of classes."""
    return (truth - said[:, 0]) ** 2 if truth.dtype == np.float64 else _losses(said, truth)


def _losses(said: Floats, truth: NDArray[Any]) -> Floats:
    """(N,) the negative log-likelihood of each row, of maps the mean over positions."""
    if truth.dtype == np.float64:
        return _normal_nll(truth - said[:, 0], said[:, 1])
    of_true = np.take_along_axis(log_softmax(said, axis=-1), truth[..., None], axis=-1)
    return -np.maximum(of_true, FLOOR).reshape(len(truth), -1).mean(axis=1)


# --- what is told -------------------------------------------------------------------------------------


def result_from(said: Floats, of: World, truth: NDArray[Any]) -> Any:
    """The result of one method."""
    if truth.dtype == np.float64:
        return howsure.RegressionCertainty.from_mean_std(*said.T)
    p = softmax(said, axis=-1)
    return (howsure.DenseCertainty if of.of_maps else howsure.Certainty).from_probabilities(p)


def compared(of: World, drawn: Said) -> Comparison:
    """A comparison in which the members of ensembles were heard."""
    results = {name: result_from(said, of, drawn.truth) for name, said in drawn.said.items()}
    with warnings.catch_warnings(action="ignore", category=HowsureWarning):
        comparison = howsure.Comparison.of_results(
            results, drawn.truth, calibrated=not of.of_maps, groups=drawn.groups if of.given else None
        )
    heard = {}
    for name, networks in drawn.members.items():
        numeric = drawn.truth.dtype == np.float64
        recorder = MemberRecorder(comparison.comparing.alone, comparison.truth)
        values = [each[:, :1] if numeric else softmax(each, axis=1) for each in networks]
        recorder(np.arange(len(drawn.truth)), values)
        heard[name] = recorder.losses()
    return replace(comparison, members=heard)


def text_of(comparison: Comparison) -> str:
    """All that is told, and the warnings."""
    return "\n".join([lead(comparison), *reasons(comparison).values(), *comparison.noticed])


def cause_of(comparison: Comparison, method: str) -> str:
    """The part of the difference from the baseline that is told: its name, or nothing."""
    told = comparison.cause(method)
    return told or (DISCRIMINATION if because(comparison, method) else "")


@dataclass(frozen=True)
class Statement:
    """What is told as sure of a method: what it is about, which sign that has, and the true effect."""

    method: str
    about: str
    sign: int
    effect: Effect


def statements(comparison: Comparison, truth: Truth) -> Iterator[Statement]:
    """All that is told as sure."""
    sure: dict[str, dict[str, Claim]] = {}
    for claim in claims(comparison):
        if claim.sure:
            sure.setdefault(claim.method, {})[claim.about] = claim
    baseline = comparison.methods[0]
    for method, by_part in sure.items():
        effects = truth.effects(comparison, method)
        effects |= {CALIBRATING: effects[WHOLE]}
        if method in truth.members:
            effects[TOGETHER] = truth.members[method]
        if method in truth.methods:
            effects[SCALE] = Effect.of(truth.methods[method].above)
        told = [by_part[about] for about in (WHOLE, SCALE, TOGETHER) if about in by_part]
        if comparison.calibrations.get(method) == baseline and CALIBRATING in by_part:
            told.append(by_part[CALIBRATING])
        for claim in (*told, *sure_parts(by_part)):
            if claim.about in effects:
                sign = int(np.sign(claim.effect.value))
                yield Statement(method, claim.about, sign, effects[claim.about])
    for method in comparison.methods[1:]:
        number = holds_most(comparison, method)
        if number is not None and method in truth.methods:
            sign = np.sign(comparison.difference(method, baseline, "nll").value)
            yield Statement(method, LIES, int(sign), held(truth, method, baseline, number))
    for method, members in comparison.members.items():
        hurts = members.hurts()
        if hurts is not None and method in truth.without:
            yield Statement(method, HURTS, -1, truth.without[method][hurts[0]])
    best = chosen(comparison)
    if best != baseline:
        yield Statement(best, TAKEN, -1, truth.effects(comparison, best)[WHOLE])


def held(truth: Truth, method: str, baseline: str, number: int) -> Effect:
    """What rows of a class hold of a difference, less half of it, or less their share of the rows."""
    one, two = (np.sum([*truth.methods[name].parts.values()], axis=0) for name in (method, baseline))
    of_class = truth.labels == number
    return Effect.of((of_class - max(of_class.mean(), 0.5)) * (one - two) * (not truth.alike))


def causes(comparison: Comparison, truth: Truth) -> Iterator[tuple[str, str, float, bool]]:
    """Methods that are surely better or worse, or taken, and what is told as the cause.

    Beside it, its part of the whole true difference, and whether it is the largest one.
    """
    baseline, surely = comparison.methods[0], [each for each in claims(comparison) if each.sure]
    sure = [claim.method for claim in surely if claim.about == WHOLE]
    for method in dict.fromkeys((*sure, chosen(comparison))):
        cause, effects = cause_of(comparison, method), truth.effects(comparison, method)
        if method == baseline or not cause or effects[WHOLE].sign == 0:
            continue
        shares = {part: effects[part].value / effects[WHOLE].value for part in TOLD}
        not_beside = {DISCRIMINATION} if cause != DISCRIMINATION else {*TOLD[DISCRIMINATION]}
        among = {CALIBRATION, DISCRIMINATION, *TOLD[DISCRIMINATION]} - not_beside
        right = shares[CALIBRATION if cause in MENDED else cause] == max(shares[part] for part in among)
        if cause in MENDED:
            right &= shares[cause] == max(shares[part] for part in MENDED)
        yield method, cause, shares[cause], right


def found_by_t_test(drawn: Said, sign: int) -> bool:
    """Whether a paired t-test of the losses tells the difference of the first two methods."""
    test = ttest_rel(*(_losses(drawn.said[name], drawn.truth) for name in "ba"))
    return bool(test.pvalue < 0.05 and np.sign(test.statistic) == sign)


@dataclass
class Tally:
    """How often something is told in draws of a world, and how often that is false.

    Attributes:
        told: Draws by what is told as sure.
        false: Those where it is false of any method.
        counts: Draws where the other method is surely better or worse, truly so (`found`), and where a t-test
            finds it; of causes that are told, how many, how many are the largest true part (`right`), and
            their parts of the whole true difference, added up (`share`); draws with a word on rows that
            depend on each other (`warned`).
        named: Causes that are told.
    """

    draws: int = 0
    told: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, drawn: Said) -> None:
        """Count one draw."""
        of, truth = WORLDS[name], truth_of(name)
        comparison = compared(of, drawn)
        told = [*statements(comparison, truth)]
        warned = of.in_groups and not of.given and "groups=" in text_of(comparison)
        false = {each.about for each in told if each.sign != each.effect.sign and not warned}
        self.draws += 1
        self.told.update({each.about for each in told})
        self.false.update(false)
        self.counts["warned"] += warned
        for _, cause, share, right in causes(comparison, truth):
            self.named[cause] += 1
            self.counts["causes"] += 1
            self.counts["right"] += right
            self.counts["share"] += share
        sign = truth.effects(comparison, "b")[WHOLE].sign
        self.counts["found"] += any(
            (each.method, each.about, each.sign) == ("b", WHOLE, sign) for each in told
        )
        self.counts["t-test"] += found_by_t_test(drawn, sign)


def look(name: str, sizes: Sequence[int] = SIZES, draws: int = DRAWS) -> dict[int, Tally]:
    """What is told in draws of a world, by how many rows there are; of maps only few, as these take long."""
    of, found = WORLDS[name], {}
    for rows in sizes[: 1 if of.of_maps else None]:
        found[rows] = Tally()
        for seed in range(draws):
            found[rows].add(name, of.draw(random=np.random.default_rng([seed, rows]), rows=rows))
    return found


def figures_of(name: str) -> dict[str, Any]:
    """What is kept of a world: the true difference and its parts, and counts by how many rows there are."""
    if name in OF_MODELS:
        from validation import reasons_of_models

        return reasons_of_models.others() if name == OTHERS else reasons_of_models.figures()
    print(name, flush=True)
    found = look(name)
    baseline, other, *_ = truth_of(name).methods
    effects = effects_of(truth_of(name), other, "", baseline)
    counts = {str(rows): dict(vars(tally)) for rows, tally in found.items()}
    return {"truth": {part: round(each.value, 4) for part, each in effects.items()}, "rows": counts}


# --- the page -----------------------------------------------------------------------------------------

COMPARISONS, OTHERS = OF_MODELS = ("comparisons", "others")
"""What is kept of models, and of what other packages say, beside that of worlds."""

SENTENCES = {
    TAKEN: "`Take 'b'`",
    WHOLE: "`'b' gives the true class 10 % more than 'a'`, or less",
    SCALE: "`'a' is too sure`, or too modest",
    CALIBRATING: "`Calibrated on other rows, it gives the true class 9 % more`, or less",
    CALIBRATION: "`Its percentages fit better how often it is right`, or worse",
    ACCURACY: "`It is right more often`, or less often",
    ORDER: "`It knows better which answers are doubtful`, or less well",
    ALTERNATIVES: "`It knows better what else it could be`, or less well",
    DISCRIMINATION: "`Its percentages say more, also once both are calibrated`",
    TOGETHER: "`together they give the true class 13 % more than network 1 alone`, or less",
    HURTS: "`Without member 3, the others give the true class 4 % more than all of them`",
    LIES: "`Most of the gain lies in rows of '8'`, or of the loss",
}


def cells(found: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """World, rows and counts."""
    worlds = [(name, each) for name, each in found.items() if name not in OF_MODELS]
    return [(name, rows, counts) for name, each in worlds for rows, counts in each["rows"].items()]


def too_often(found: Mapping[str, Any]) -> list[str]:
    """What is false in more than 5 % of the comparisons of a world and size, beyond chance."""
    return [
        f"{about}, {name}, {int(rows):,} rows: {percent(each['false'][about] / each['draws'])}"
        for name, rows, each in cells(found)
        for about in each["false"]
        if is_too_often(each["false"][about] / each["draws"], each["draws"])
    ]


def most_false(found: Mapping[str, Any]) -> float:
    """The share of false ones of the kind of sentence that is false most often."""
    draws = sum(each["draws"] for *_, each in cells(found))
    return max(sum(each["false"].get(about, 0) for *_, each in cells(found)) / draws for about in SENTENCES)


def _of(cell: Mapping[str, Any], key: str, among: str = "") -> str:
    """A count as a share of the draws, or of another count."""
    of = cell["counts"].get(among, 0) if among else cell["draws"]
    return percent(cell["counts"].get(key, 0) / of, 0) if of else "–"


def parts(found: Mapping[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    from validation.reasons_of_models import parts_of_models

    told, draws = [], sum(each["draws"] for *_, each in cells(found))
    for about, sentence in SENTENCES.items():
        sure, false = (sum(each[key].get(about, 0) for *_, each in cells(found)) for key in ("told", "false"))
        name, rows, worst = max(cells(found), key=lambda cell: cell[2]["false"].get(about, 0))
        most = percent(worst["false"].get(about, 0) / worst["draws"])
        told.append([sentence, f"{sure:,}", percent(false / draws), f"{most}: {name}, {int(rows):,} rows"])
    why = []
    for name in [each for each in found if each in WORLDS and WORLDS[each].cause]:
        at = [found[name]["rows"].get(str(rows)) for rows in SIZES]
        power = [_of(each, "found") + f" ({_of(each, 't-test')})" if each else "–" for each in at]
        right = [_of(each, "right", "causes") if each else "–" for each in at]
        causes, share = (
            sum(each["counts"].get(key, 0) for each in at if each) for key in ("causes", "share")
        )
        why.append([name, *power, *right, percent(share / causes, 0) if causes else "–"])
    heads = [f"{rows:,} rows" for rows in SIZES]
    head = (
        "world",
        *(f"found, {each} (t-test)" for each in heads),
        *(f"cause right, {each}" for each in heads),
    )
    return {
        "too_often": "\n".join(f"- {each}" for each in too_often(found)) or "none",
        "sure": table(("sentence", "told as sure", "false, of all comparisons", "false most often"), *told),
        "causes": table((*head, "its part"), *why),
        **parts_of_models(found.get(COMPARISONS, {}), found.get(OTHERS, {})),
    }


def main() -> None:
    """Draw all worlds, or those that are named, and write."""
    if not sys.argv[1:]:
        sys.argv += [*WORLDS, COMPARISONS]  # the others need another environment
    PAGE.look_at([*WORLDS, *OF_MODELS], figures_of, parts)
    missed = too_often(PAGE.figures())
    if missed:
        sys.exit(f"False in more than 5 %: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
