"""Are the reasons of a comparison true? Worlds whose true reason is known; to docs/reasons.md.

    python -m validation.reasons             everything, to docs/reasons.json and docs/reasons.md

Each quantity follows from 200,000 rows by its definition, with code of its own. A true effect that these
cannot tell from 0 counts as 0, and a claim of either sign is then false.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax

import howsure
from benchmarks.docs import Page, table
from howsure.compare.comparison import Comparison
from howsure.compare.findings import chosen
from howsure.compare.parts import ACCURACY, CALIBRATION, DISCRIMINATION, ORDER, PARTS
from howsure.compare.passes import MemberRecorder
from howsure.compare.reasons import CALIBRATING, SCALE, TOGETHER, WHOLE, because, claims, perhaps_better
from howsure.tasks.classification import maps as maps_of
from howsure.words import listed
from validation.compare_numbers import is_too_often
from validation.intervals import OWN, world
from validation.intervals import World as Rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PAGE = Page("reasons")

SIZES = (30, 100, 300, 1_000)
DRAWS = 200
MANY = 200_000
"""Rows that the truth is taken from; as many positions of maps."""

SIDE, MAPS = 6, 3
"""Of maps, and how many classes they have."""

SCALES, SOME = np.linspace(-3, 3, 41), 20_000
"""Logarithms of temperatures, or factors, at which the NLL of rows to come is known, and how many rows."""

WRONG = 0.2
"""Share of wrong answers of classes of a method that sees rows as clearly as can be."""


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


Draw = Callable[[np.random.Generator, int], Said]


@dataclass(frozen=True)
class Kind:
    """How good a method is: what it multiplies true logits by, and the blur of what it sees.

    That is the standard deviation of noise of its own, unknown to its claims, beside the 1 that all have.
    """

    sharp: float
    blur: float = 0.0


def logits_of(of: Rows, truth: Integers, kinds: Sequence[Kind], random: np.random.Generator) -> list[Floats]:
    """(N, K) of each method; a truth of −1 is a stranger."""
    m = of.mean * np.exp(of.uneven * random.normal(size=len(truth)))[:, None]
    shared = np.sqrt(1 - OWN) * random.normal(size=(len(truth), of.classes))
    clear = m * np.concatenate([np.eye(of.classes), np.zeros((1, of.classes))])[truth] + shared
    spread = [np.sqrt(OWN + kind.blur**2) for kind in kinds]
    return [
        kind.sharp * m * (clear + each * random.normal(size=clear.shape))
        for kind, each in zip(kinds, spread, strict=True)
    ]


def sees(blur: float) -> Kind:
    """A method with noise of its own that it knows of, so that its claims are true."""
    return Kind(1 / (1 + blur**2), blur)


def classes(
    *kinds: Kind, among: int = 4, wrong: float = WRONG, random: np.random.Generator, rows: int
) -> Said:
    """Methods that see parts of the same rows; they are called a, b and so on."""
    truth = random.integers(among, size=rows)
    found = logits_of(world(wrong, 0.5, among), truth, kinds, random)
    return Said(truth, dict(zip("abcd", found, strict=False)))


def ensemble(
    shared: float,
    own: Sequence[float],
    copies: int,
    *,
    among: int = 4,
    random: np.random.Generator,
    rows: int,
) -> Said:
    """Networks with noise that all share, and noise of each; the last one is there several times."""
    truth = random.integers(among, size=rows)
    of = world(WRONG, 0.5, among)
    m = of.mean * np.exp(of.uneven * random.normal(size=rows))[:, None]
    seen = m * np.eye(among)[truth] + shared * random.normal(size=(rows, among))
    networks = [m * (seen + each * random.normal(size=seen.shape)) / (shared**2 + each**2) for each in own]
    networks += [networks[-1]] * (copies - 1)
    mean = logsumexp([log_softmax(each, axis=1) for each in networks], axis=0)
    return Said(truth, {"a": networks[0], "b": mean}, {"b": networks})


def maps(*kinds: Kind, random: np.random.Generator, rows: int) -> Said:
    """Methods that see maps whose positions are alike in how hard they are."""
    of, shape = world(WRONG, 0.5, MAPS), (rows, SIDE, SIDE)
    truth = random.integers(MAPS, size=shape)
    m = of.mean * np.exp(of.uneven * random.normal(size=(rows, 1, 1, 1)))
    shared = np.sqrt(0.7) * random.normal(size=(*shape, MAPS))
    own = [np.sqrt(0.3 + kind.blur**2) * random.normal(size=shared.shape) for kind in kinds]
    clear = m * np.eye(MAPS)[truth] + shared
    found = [kind.sharp * m * (clear + each) for kind, each in zip(kinds, own, strict=True)]
    return Said(truth, dict(zip("abcd", found, strict=False)))


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


def numbers(*kinds: Numbers, heavy: bool = False, random: np.random.Generator, rows: int) -> Said:
    """Methods for numbers whose noise differs between rows by a factor of 4."""
    noise = np.exp(random.uniform(-0.7, 0.7, rows))
    y = noise * (random.standard_t(3, rows) / np.sqrt(3) if heavy else random.normal(size=rows))
    usual = np.sqrt(np.sinh(1.4) / 1.4)  # √E noise²
    found = {}
    for name, kind in zip("abcd", kinds, strict=False):
        mean = noise * kind.own * random.normal(size=rows) + kind.offset
        std = kind.wide * np.sqrt(1 + kind.own**2) * np.where(kind.flat, usual, noise)
        found[name] = np.stack([mean, std], axis=1)
    return Said(y, found)


def ensemble_of_numbers(own: float, *, random: np.random.Generator, rows: int) -> Said:
    """Four networks for numbers with independent errors, and their mean."""
    y = random.normal(size=rows)
    means = own * random.normal(size=(4, rows))
    std = np.full(rows, np.sqrt(1 + own**2))
    networks = [np.stack([each, std], axis=1) for each in means]
    mean = np.stack([means.mean(axis=0), np.sqrt(1 + own**2 + means.var(axis=0))], axis=1)
    return Said(y, {"a": networks[0], "b": mean}, {"b": networks})


@dataclass(frozen=True)
class World:
    """What methods say, whether they are compared calibrated, too, and whether at each position."""

    draw: Callable[..., Said]
    calibrated: bool = False
    of_maps: bool = False


TRUE, NUMBERS = Kind(1.0), Numbers()


def _off(sharp: float, among: int = 4, calibrated: bool = False) -> World:
    return World(partial(classes, Kind(sharp), TRUE, among=among), calibrated)


WORLDS: Mapping[str, World] = {
    "too sure by 1.3, 4 classes": _off(1.3),
    "too sure by 2, 2 classes": _off(2.0, 2, calibrated=True),
    "too sure by 2, 4 classes": _off(2.0, calibrated=True),
    "too sure by 2, 10 classes": _off(2.0, 10),
    "too sure by 3, 4 classes": _off(3.0),
    "too modest by 0.6, 4 classes": _off(0.6, calibrated=True),
    **{
        f"sees more, {among} classes": World(partial(classes, sees(0.8), TRUE, among=among))
        for among in (2, 4, 10)
    },
    "sees more, and is too sure, 4 classes": World(partial(classes, sees(0.8), Kind(1.6))),
    **{f"alike, {among} classes": World(partial(classes, TRUE, TRUE, among=among)) for among in (2, 4, 10)},
    "alike, 4 classes, also calibrated": World(partial(classes, TRUE, TRUE), calibrated=True),
    "alike, 4 classes, 5 % wrong": World(partial(classes, TRUE, TRUE, wrong=0.05)),
    "alike, four methods, 4 classes": World(partial(classes, TRUE, TRUE, TRUE, TRUE)),
    "members with shared mistakes": World(partial(ensemble, 1.0, (0.1,) * 4, 1)),
    "members with mistakes of their own": World(partial(ensemble, 0.3, (1.2,) * 4, 1)),
    "three copies beside a weak member": World(partial(ensemble, 0.3, (3.0, 0.8), 3)),
    "numbers, too narrow by 0.6": World(partial(numbers, Numbers(0.6), NUMBERS), calibrated=True),
    "numbers, too wide by 1.6": World(partial(numbers, Numbers(1.6), NUMBERS), calibrated=True),
    "numbers, closer": World(partial(numbers, Numbers(own=0.9), NUMBERS)),
    "numbers, knows its large errors": World(partial(numbers, Numbers(flat=True), NUMBERS)),
    "numbers, without an offset": World(partial(numbers, Numbers(offset=0.8), NUMBERS)),
    "numbers, alike": World(partial(numbers, NUMBERS, NUMBERS), calibrated=True),
    "numbers, alike, heavy tails": World(partial(numbers, NUMBERS, NUMBERS, heavy=True)),
    "numbers, members with errors of their own": World(partial(ensemble_of_numbers, 0.6)),
    "maps, too sure by 2": World(partial(maps, Kind(2.0), TRUE), of_maps=True),
    "maps, sees more": World(partial(maps, sees(0.8), TRUE), of_maps=True),
    "maps, alike": World(partial(maps, TRUE, TRUE), of_maps=True),
}


# --- the truth ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """A true effect of many rows, and its standard error."""

    value: float
    error: float

    @property
    def sign(self) -> int:
        """0 where the rows cannot tell it from 0."""
        return 0 if abs(self.value) <= max(3 * self.error, 1e-9) else int(np.sign(self.value))


def mean_of(losses: Floats) -> Effect:
    """The mean of what rows lose."""
    return Effect(float(losses.mean()), float(losses.std() / np.sqrt(len(losses))))


@dataclass(frozen=True)
class Percentages:
    """The parts of the NLL of (N, P, K) logits with true classes (N, P), each (N,)."""

    logits: Floats
    truth: Integers

    def losses(self, beta: float = 1.0) -> Floats:
        """The NLL of each row at p^β / Σ p^β."""
        given = beta * self.logits
        of_true = np.take_along_axis(given, self.truth[..., None], axis=-1)[..., 0]
        return np.asarray((logsumexp(given, axis=-1) - of_true).mean(axis=1))

    @cached_property
    def beta(self) -> float:
        """The exponent of least NLL."""
        found = minimize_scalar(lambda log: self.losses(np.exp(log)).mean(), bounds=(-3, 3), method="bounded")
        return float(np.exp(found.x))

    @property
    def scale(self) -> Effect:
        """Logarithm of the best temperature."""
        logs = log_softmax(self.logits, axis=-1)
        q = softmax(self.beta * logs, axis=-1)
        mean = np.sum(q * logs, axis=-1)
        slope = (mean - np.take_along_axis(logs, self.truth[..., None], axis=-1)[..., 0]).mean(axis=1)
        curvature = float(np.mean(np.sum(q * logs**2, axis=-1) - mean**2))
        return Effect(-np.log(self.beta), mean_of(slope).error / (self.beta * curvature))

    @property
    def plain(self) -> Floats:
        """The NLL of saying of every answer that it is right as often as all are."""
        right = (self.logits.argmax(axis=-1) == self.truth).mean(axis=1)
        share, others = right.mean(), self.logits.shape[-1] - 1
        return np.asarray(-right * np.log(share) - (1 - right) * np.log((1 - share) / others))


@dataclass(frozen=True)
class Normal:
    """The parts of the NLL of (N, 2) means and standard deviations with true numbers (N,), each (N,)."""

    said: Floats
    truth: Floats

    def losses(self, beta: float = 1.0) -> Floats:
        """The NLL of each row at standard deviations times 1/β."""
        return _normal_nll(self.truth - self.said[:, 0], self.said[:, 1] / beta)

    @cached_property
    def squares(self) -> Floats:
        """((y − μ)/σ)²."""
        return np.asarray(((self.truth - self.said[:, 0]) / self.said[:, 1]) ** 2)

    @property
    def beta(self) -> float:
        """The inverse of the best factor."""
        return float(1 / np.sqrt(self.squares.mean()))

    @property
    def scale(self) -> Effect:
        """Logarithm of the best factor."""
        squares = mean_of(self.squares)
        return Effect(-np.log(self.beta), squares.error / (2 * squares.value))

    @property
    def plain(self) -> Floats:
        """The NLL of the same standard deviation for every row."""
        off = self.truth - self.said[:, 0]
        return _normal_nll(off, np.sqrt(np.mean(off**2)))


def _normal_nll(off: Floats, std: Floats | float) -> Floats:
    return np.asarray(np.log(std) + (np.log(2 * np.pi) + (off / std) ** 2) / 2)


def made_of(said: Floats, truth: NDArray[Any]) -> Percentages | Normal:
    """What the NLL of a method is made of."""
    if truth.dtype == np.float64:
        return Normal(said, truth)
    rows = len(truth)
    return Percentages(said.reshape(rows, -1, said.shape[-1]), truth.reshape(rows, -1))


@dataclass(frozen=True)
class Truth:
    """All true effects of a world, by method and what a claim is about, and what the NLL is made of."""

    effects: Mapping[tuple[str, str], Effect]
    made: Mapping[str, Percentages | Normal]


@cache
def truth_of(name: str) -> Truth:
    """Of many rows."""
    of = WORLDS[name]
    drawn = of.draw(random=np.random.default_rng(7), rows=MANY // (SIDE**2 if of.of_maps else 1))
    made = {method: made_of(said, drawn.truth) for method, said in drawn.said.items()}
    losses = {
        method: {WHOLE: each.losses(), DISCRIMINATION: each.losses(each.beta), ACCURACY: each.plain}
        for method, each in made.items()
    }
    effects = {(method, SCALE): each.scale for method, each in made.items()}
    for each in losses.values():
        each[CALIBRATION] = each[WHOLE] - each[DISCRIMINATION]
        each[ORDER] = each[DISCRIMINATION] - each[ACCURACY]
    for method in losses:
        for about in losses["a"] if method != "a" else ():
            effects[method, about] = mean_of(losses[method][about] - losses["a"][about])
    for method, networks in drawn.members.items():
        alone = [_alone(each, drawn.truth) for each in networks]
        if drawn.truth.dtype == np.float64:
            together = np.mean(networks, axis=0)
        else:
            together = logsumexp([log_softmax(each, axis=-1) for each in networks], axis=0)
        effects[method, TOGETHER] = mean_of(_alone(together, drawn.truth) - min(alone, key=np.mean))
    return Truth(effects, made)


def _alone(said: Floats, truth: NDArray[Any]) -> Floats:
    """The NLL of classes, the squared error of numbers."""
    if truth.dtype == np.float64:
        return np.asarray((truth - said[:, 0]) ** 2)
    return made_of(said, truth).losses()


# --- what is told -------------------------------------------------------------------------------------


def result_from(said: Floats, of: World, truth: NDArray[Any]) -> Any:
    """The result of one method."""
    if of.of_maps:
        return howsure.DenseCertainty.from_probabilities(softmax(said, axis=-1), tuple("012"))
    if truth.dtype == np.float64:
        return howsure.RegressionCertainty.from_mean_std(*said.T)
    return howsure.Certainty.from_probabilities(softmax(said, axis=1))


def compared(of: World, drawn: Said) -> Comparison:
    """A comparison in which the members of ensembles were heard."""
    results = {name: result_from(said, of, drawn.truth) for name, said in drawn.said.items()}
    comparison = howsure.Comparison.of_results(results, drawn.truth, calibrated=of.calibrated)
    heard = {}
    for name, networks in drawn.members.items():
        numeric = drawn.truth.dtype == np.float64
        recorder = MemberRecorder(comparison.comparing.alone, comparison.truth)
        values = [each[:, :1] if numeric else softmax(each, axis=1) for each in networks]
        recorder(np.arange(len(drawn.truth)), values)
        heard[name] = recorder.losses()
    return replace(comparison, members=heard)


@cache
def calibrated_curve(name: str, method: str, rows: int) -> CubicSpline:
    """By how much calibration changes the NLL of many rows, by the logarithm of a temperature or factor.

    The number of labelled rows of the fit sets how high a percentage may be.
    """
    made = truth_of(name).made[method]
    if isinstance(made, Normal):
        some = Normal(made.said[:SOME], made.truth[:SOME])
        found = [some.losses(np.exp(-log)).mean() for log in SCALES]
    else:
        p, of_true = softmax(made.logits[:SOME, 0], axis=1), made.truth[:SOME, 0]
        most = np.asarray(maps_of.supported(rows))
        found = []
        for log in SCALES:
            q = maps_of.mapped({"temperature": np.exp(log), "most": most}, p)
            found.append(-np.log(q[np.arange(SOME), of_true]).mean())
        some = Percentages(made.logits[:SOME], made.truth[:SOME])
    return CubicSpline(SCALES, np.array(found) - some.losses().mean())


def _true_calibrating(comparison: Comparison, name: str, of: str) -> Effect:
    """What calibration by the fits of the folds does to many rows, on average."""
    baseline = comparison.calibrations[name]
    if comparison.truth.dtype == np.float64:
        factors = np.ravel(comparison.certainties[name].method["calibration"]["folds"])
    else:
        p, truth = comparison.certainties[baseline].probabilities, comparison.truth
        fold = maps_of.folds(truth, 0)
        fits = [maps_of.fitted(p[fold != k], truth[fold != k]) for k in range(maps_of.FOLDS)]
        factors = np.array([each["temperature"] for each in fits])
    curve = calibrated_curve(of, baseline, round(0.8 * comparison.rows))
    return Effect(float(np.mean(curve(np.clip(np.log(factors), SCALES[0], SCALES[-1])))), 0.0)


ABOUT = (SCALE, CALIBRATING, WHOLE, *PARTS, DISCRIMINATION, TOGETHER)
"""Kinds of claims, in the order in which they are shown."""

SIGNS = {
    SCALE: ("too modest", "too sure"),
    **dict.fromkeys((CALIBRATING, WHOLE, *PARTS, DISCRIMINATION, TOGETHER), ("better", "worse")),
}


@dataclass
class Tally:
    """How often something is told in draws of a world, and how often that is false.

    Attributes:
        counts: Of draws, by `told`, `false`, `true` or `found`, what it is about, its sign, and whether it is
            sure. What is true is `found` where it is told of a method of which it is true.
        guesses_of: By what it is about, and whether there is a true effect: how many effects there are, how
            many have a guess, and of how many of these the sign is right.
        lead: In how many draws no difference has an interval (`unknown`), a method is taken with a reason
            (`told`), the reason that comes first is the largest true part (`right`), another method than the
            one to take is called likely better (`guesses`; not where they are calibrated, too), and is not
            (`wrong`).
    """

    counts: Counter[tuple[str, str, int, bool]] = field(default_factory=Counter)
    guesses_of: dict[tuple[str, bool], list[int]] = field(default_factory=dict)
    lead: Counter[str] = field(default_factory=Counter)

    def add(self, comparison: Comparison, of: str) -> None:
        """Count one draw."""
        effects = dict(truth_of(of).effects)
        for name in comparison.calibrations:
            effects[name, CALIBRATING] = _true_calibrating(comparison, name, of)
        told = {("true", about, each.sign, True) for (_, about), each in effects.items() if each.sign}
        for (_, about), each in effects.items():
            self.guesses_of.setdefault((about, each.sign != 0), [0, 0, 0])[0] += 1
        for claim in claims(comparison):
            sign, true = int(np.sign(claim.effect.value)), effects[claim.method, claim.about].sign
            if not claim.sure:
                counts = self.guesses_of[claim.about, true != 0]
                counts[1] += 1
                counts[2] += sign == true
            kinds = ("told", "false" if sign != true else "found")
            told |= {(each, claim.about, sign, claim.sure) for each in kinds}
        self.counts.update(told)
        others = [name for name in comparison.methods[1:] if name not in comparison.calibrations]
        self.lead["unknown"] += not any(comparison.difference(each, "a", "nll").known for each in others)
        self._add_lead(comparison, effects)

    def _add_lead(self, comparison: Comparison, effects: Mapping[tuple[str, str], Effect]) -> None:
        """Whether the reason that the lead gives first is the largest true part of what is better."""
        best = chosen(comparison)
        claim = None if comparison.calibrations else perhaps_better(comparison, best)
        if claim is not None:
            gap = effects[claim.method, WHOLE].value - (effects[best, WHOLE].value if best != "a" else 0.0)
            self.lead["guesses"] += 1
            self.lead["wrong"] += gap > -0.003
        said = because(comparison, best) if best != "a" else ""
        if not said:
            return
        self.lead["told"] += 1
        words = comparison.words.reasons
        if "The reason is" not in said:
            self.lead["right"] += effects["a", SCALE].sign == (1 if "too sure" in said else -1)
            return
        first = min(
            (about for about in (*PARTS, DISCRIMINATION) if words[about, True] in said),
            key=lambda about: said.index(words[about, True]),
        )
        parts = (CALIBRATION, DISCRIMINATION) if first == DISCRIMINATION else PARTS
        bare = comparison.calibrations.get(best, best)
        among = [each for each in parts if bare == best or each != CALIBRATION]
        self.lead["right"] += first == min(among, key=lambda about: effects[bare, about].value)


def look(name: str, sizes: Sequence[int] = SIZES, draws: int = DRAWS) -> dict[int, Tally]:
    """What is told in draws of a world, by how many rows there are; of maps only few, as these take long."""
    of, found = WORLDS[name], {}
    for rows in sizes[: 2 if of.of_maps else None]:
        found[rows] = Tally()
        for seed in range(draws):
            drawn = of.draw(random=np.random.default_rng([seed, rows]), rows=rows)
            found[rows].add(compared(of, drawn), name)
    return found


def figures_of(name: str) -> dict[str, Any]:
    """What is kept of a world: true effects, and counts by how many rows there are."""
    found = look(name)
    print(name, flush=True)
    return {
        "truth": {
            f"{method}, {about}": {"value": float(each.value), "sign": each.sign}
            for (method, about), each in truth_of(name).effects.items()
        },
        "rows": {str(rows): _counts(tally) for rows, tally in found.items()},
    }


COUNTS = ("sure", "false", "guesses", "wrong guesses", "true", "found")


def _counts(tally: Tally) -> dict[str, Any]:
    kinds = [
        ("told", True),
        ("false", True),
        ("told", False),
        ("false", False),
        ("true", True),
        ("found", True),
    ]
    claimed = {}
    for about in ABOUT:
        for sign, word in zip((-1, 1), SIGNS[about], strict=True):
            counts = [tally.counts[kind, about, sign, sure] for kind, sure in kinds]
            if any(counts):
                claimed[f"{about}: {word}"] = dict(zip(COUNTS, counts, strict=True))
    guesses = {
        f"{about}, {'some' if real else 'none'}": each for (about, real), each in tally.guesses_of.items()
    }
    leads = {key: tally.lead[key] for key in ("told", "right", "guesses", "wrong")}
    unknown = tally.lead["unknown"]
    return {"draws": DRAWS, "unknown": unknown, "claims": claimed, "guesses": guesses, "lead": leads}


# --- the page -----------------------------------------------------------------------------------------

HEAVY = "heavy tails"
"""In the name of a world whose squared errors have no variance."""

SENTENCES = {
    SCALE: "`'a' is too sure`, or too modest",
    CALIBRATING: "`Calibrated on other rows, it gives the true class 9 % more`, or less",
    WHOLE: "`'b' gives the true class 10 % more than 'a'`, or less",
    CALIBRATION: "`because its percentages fit better how often it is right`, or worse",
    ACCURACY: "`because it is right more often`, or less often",
    ORDER: "`because it knows better which answers are doubtful`, or less well",
    DISCRIMINATION: "`because its percentages say more, also once both are calibrated`, or less",
    TOGETHER: "`together they give the true class 13 % more than network 1 alone`, or less",
}


def cells(found: Mapping[str, Any], about: str) -> list[tuple[str, int, int, dict[str, int]]]:
    """World, rows, draws and counts of a kind of sentence, of both signs together."""
    found_of = [(name, int(rows), each) for name, of in found.items() for rows, each in of["rows"].items()]
    return [
        (name, rows, each["draws"], {key: sum(one.get(key, 0) for one in both) for key in COUNTS})
        for name, rows, each in found_of
        for both in [[each["claims"].get(f"{about}: {word}", {}) for word in SIGNS[about]]]
    ]


def _per_cent(count: float, of: float) -> str:
    return f"{100 * count / of:.1f} %" if of else "–"


def too_often(found: Mapping[str, Any]) -> list[str]:
    """Sentences that are false in more than 5 % of the comparisons of a world and size, beyond chance."""
    return [
        f"{about}, {name}, {rows:,} rows: {_per_cent(each['false'], draws)}"
        for about in ABOUT
        for name, rows, draws, each in cells(found, about)
        if is_too_often(each["false"] / draws, draws)
    ]


def parts(found: Mapping[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    usual = {name: each for name, each in found.items() if HEAVY not in name}
    lines, guesses = [], []
    for about in ABOUT:
        of_about = cells(usual, about)
        name, rows, draws, worst = max(of_about, key=lambda cell: cell[3]["false"] / cell[2])
        pooled = sum(each["false"] for *_, each in of_about), sum(draws for _, _, draws, _ in of_about)
        sure = sum(each["sure"] for *_, each in of_about)
        often = f"{_per_cent(worst['false'], draws)}: {name}, {rows:,} rows"
        lines.append([SENTENCES[about], f"{sure:,}", _per_cent(*pooled), often])
        told = [each["guesses"] for of in usual.values() for each in of["rows"].values()]
        some, none = (
            np.sum([each.get(f"{about}, {real}", [0, 0, 0]) for each in told], axis=0).tolist()
            for real in ("some", "none")
        )
        guesses.append(
            [SENTENCES[about], f"{some[1]:,}", _per_cent(some[2], some[1]), _per_cent(none[1], none[0])]
        )
    by_rows = [
        [each["rows"][str(rows)] for each in usual.values() if str(rows) in each["rows"]] for rows in SIZES
    ]
    leads = [
        [
            f"{rows:,}",
            _per_cent(sum(each["unknown"] for each in of), sum(each["draws"] for each in of)),
            f"{sum(each['lead']['told'] for each in of):,}",
            _per_cent(*(sum(each["lead"][key] for each in of) for key in ("right", "told"))),
        ]
        for rows, of in zip(SIZES, by_rows, strict=True)
    ]
    heavy = cells({name: each for name, each in found.items() if HEAVY in name}, SCALE)
    tails = listed([f"{_per_cent(each['false'], draws)} with {rows:,}" for _, rows, draws, each in heavy])
    alike = [
        (each["lead"]["guesses"], each["draws"])
        for name, of in usual.items()
        if "alike" in name and "calibrated" not in name
        for each in of["rows"].values()
    ]
    told = ("guesses where there is a difference", "right", "told where there is none")
    comes = ("no difference has an interval", "reasons in the lead", "the largest true part comes first")
    return {
        "too_often": "; ".join(too_often(found)) or "none",
        "heavy": tails,
        "sure": table(("sentence", "told as sure", "false, of all comparisons", "false most often"), *lines),
        "guesses": table(("sentence", *told), *guesses),
        "leads": table(("rows", *comes), *leads),
        "perhaps": _per_cent(sum(each for each, _ in alike), sum(draws for _, draws in alike)),
    }


def main() -> None:
    """Draw all worlds, or those that are named, and write."""
    PAGE.look_at(WORLDS, figures_of, parts)
    missed = [each for each in too_often(PAGE.figures()) if HEAVY not in each]
    if missed:
        sys.exit(f"False in more than 5 %: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
