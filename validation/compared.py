"""Are the sentences of a comparison true? For docs/sentences.md.

    python -m validation.sentences

Four methods say something of the same rows, of changed ones and of strangers. How good each of them is
follows from very many rows, by the definition of each score; what is said is read again from the text.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import rankdata, spearmanr

import howsure
from howsure.answers.classes.calibrate import cross_calibrated
from howsure.answers.classes.compare import COMPARING
from howsure.compare.comparison import Comparison
from howsure.compare.findings import findings, lead
from howsure.compare.parts import ACCURACY, CALIBRATION, DISCRIMINATION, ORDER
from howsure.compare.protocol import AS_THEY_ARE
from howsure.compare.reasons import CALIBRATING, SCALE, WHOLE, claims
from howsure.judge.evaluate import evaluate
from howsure.methods.protocol import Method
from howsure.methods.softmax import Softmax
from validation import learned
from validation.intervals import OWN, World, world
from validation.judged import SHARPNESS, Tally, certainty_of, drawn, found_in, fresh, nll_of, plain, within

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MANY = 200_000
"""Rows that the true scores of a method are taken from."""


@dataclass(frozen=True)
class Kind:
    """How good a method is.

    Attributes:
        sharp: What it multiplies true logits by.
        blur: Standard deviation of noise of its own, unknown to its claims, beside the 1 that all have.
    """

    sharp: float
    blur: float = 0.0

    def blurred(self, more: float) -> Kind:
        """The same, of rows that have changed."""
        return Kind(self.sharp, float(np.hypot(self.blur, more)))


def logits_of(of: World, truth: Integers, kinds: Sequence[Kind], random: np.random.Generator) -> list[Floats]:
    """(N, K) of each method; a truth of −1 is a stranger."""
    m = of.mean * np.exp(of.uneven * random.normal(size=len(truth)))[:, None]
    shared = np.sqrt(1 - OWN) * random.normal(size=(len(truth), of.classes))
    clear = m * np.concatenate([np.eye(of.classes), np.zeros((1, of.classes))])[truth] + shared
    spread = [np.sqrt(OWN + kind.blur**2) for kind in kinds]
    return [
        kind.sharp * m * (clear + each * random.normal(size=clear.shape))
        for kind, each in zip(kinds, spread, strict=True)
    ]


@dataclass(frozen=True)
class Effect:
    """A true effect.

    Attributes:
        value: Of many rows.
        error: Its standard error.
    """

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


@cache
def true_scores(of: World, kind: Kind) -> Mapping[str, float]:
    """Of very many rows, by their definitions."""
    random = np.random.default_rng(7)
    truth = random.integers(of.classes, size=MANY)
    (logits,) = logits_of(of, np.append(truth, np.full(MANY // 4, -1)), [kind], random)
    p = softmax(logits, axis=1)
    made = Percentages(logits[:MANY, None], truth[:, None])
    entropy = -np.sum(p * np.log(p + 1e-300), axis=1)
    top = p[:MANY].max(axis=1)
    right = p[:MANY].argmax(axis=1) == truth
    number = np.arange(1, MANY + 1)
    above = rankdata(entropy)[MANY:].sum() - (MANY // 4) * (MANY // 4 + 1) / 2
    return {
        "scale": made.scale.sign,
        "best": float(made.losses(made.beta).mean()),
        "plain": float(made.plain.mean()),
        "nll": float(-np.mean(np.log(p[np.arange(MANY), truth]))),
        "accuracy": float(right.mean()),
        "aurc": float(np.mean(np.cumsum(~right[np.argsort(-top)]) / number)),
        "outside_auroc": float(above / (MANY * (MANY // 4))),
    }


def compared(
    said: Mapping[str, howsure.Certainty],
    truth: Integers,
    changed: Mapping[str, Mapping[str, howsure.Certainty]] | None = None,
    outside: Mapping[str, howsure.Certainty] | None = None,
    kinds: Mapping[str, Method] | None = None,
    calibrations: Mapping[str, str] | None = None,
) -> Comparison:
    """A comparison of what methods say of the same rows, changed ones, and strangers."""
    sets = {AS_THEY_ARE: said, **(changed or {})}
    found = {(name, rows): evaluate(each[name], truth) for rows, each in sets.items() for name in said}
    against = {
        (name, "strangers"): COMPARING.beside(found[name, AS_THEY_ARE], said[name], each)
        for name, each in (outside or {}).items()
    }
    return Comparison(
        methods=tuple(said),
        sets=tuple(sets),
        outside=("strangers",) if outside else (),
        evaluations=found,
        against=against,
        costs={name: float(number) for number, name in enumerate(said)},
        certainties=said,
        truth=truth,
        kinds=dict.fromkeys(said, Softmax()) | dict(kinds or {}),
        calibrations=calibrations or {},
        parts={
            name: COMPARING.parts(each, truth, found[name, AS_THEY_ARE])
            for name, each in said.items()
            if name not in (calibrations or {})
        },
        claims={at: COMPARING.claims(sets[at[1]][at[0]], truth, each) for at, each in found.items()},
    )


def _answer(comparison: Comparison, question: str) -> str:
    return next((plain(each.said) for each in findings(comparison) if each.question == question), "")


ALIKE = (Kind(1.6), Kind(1.6), Kind(1.6), Kind(1.6))
SCHEMES = (
    ALIKE,
    (Kind(1.6), Kind(1.6), Kind(1.0), Kind(1.3)),
    (Kind(1.0), Kind(1.6), Kind(1.0, 0.7), Kind(0.6)),
    (Kind(1.3, 0.7), Kind(1.0), Kind(1.3, 0.3), Kind(1.6)),
    (Kind(1.6), Kind(0.5), Kind(0.7), Kind(0.7, 0.5)),
)
"""Four methods each, the baseline first: alike, better ones, worse ones, ones that see more, modest ones."""

UNLIKE = 30
"""Comparisons of each size where methods differ; a hundred where they are alike."""

SIZES = (300, 1_000)
"""Rows of a comparison."""

UNALIKE = "{}, where methods differ"
"""Key of the same, in a tally of comparisons whose methods are not alike."""

NAMES = "ABCD"
CHANGES = {"v": 0.3, "w": 0.5, "x": 0.7, "y": 1.0}
"""As many changed sets of rows as `howsure.shifts.STANDARD` has, and by how much they are blurred."""


def told_by_comparisons(tally: Tally) -> None:
    """Who is best, by how much, what may be as good, of changed rows and strangers too, and why."""
    kinds = {"B": howsure.MCDropout(), "C": howsure.Ensemble([learned.network(_nothing())])}
    for (number, scheme), rows, seed in itertools.product(enumerate(SCHEMES), SIZES, range(100)):
        if scheme != ALIKE and seed >= UNLIKE:
            continue
        here: Tally = defaultdict(list)
        of, random = world(0.15, 0.5), np.random.default_rng([seed, rows, number])
        for key, times in (("comparisons", 1), ("answers", len(QUESTIONS)), ("changes", len(CHANGES))):
            here[key] += [True] * times
        truth = random.integers(of.classes, size=rows)
        said = _said(logits_of(of, truth, scheme, random))
        changed = {
            name: _said(logits_of(of, truth, [kind.blurred(more) for kind in scheme], random))
            for name, more in CHANGES.items()
        }
        strangers = _said(logits_of(of, np.full(rows // 3, -1), scheme, random))
        comparison = compared(said, truth, changed, strangers, kinds)
        true = {
            rows_of: dict(zip(NAMES, (true_scores(of, kind.blurred(more)) for kind in scheme), strict=True))
            for rows_of, more in {AS_THEY_ARE: 0.0, **CHANGES}.items()
        }
        _told_first(here, comparison, true, scheme == ALIKE)
        for name, question, better in QUESTIONS:
            _told_of_ranks(
                here, _answer(comparison, question), name, better, true[AS_THEY_ARE], scheme == ALIKE
            )
        _told_of_changes(here, comparison, true)
        _told_of_strangers(here, _answer(comparison, "Which method notices 'strangers'?"), true[AS_THEY_ARE])
        _told_by_reasons(here, comparison, true[AS_THEY_ARE])
        for key, told in here.items():
            tally[key] += told
            tally[UNALIKE.format(key)] += told if scheme != ALIKE else []


def _nothing() -> list[Floats]:
    sizes = (learned.FEATURES, learned.UNITS, learned.UNITS, learned.CLASSES)
    return [np.zeros(shape) for shape in itertools.pairwise(sizes)] + [np.zeros(size) for size in sizes[1:]]


def _said(logits: Sequence[Floats]) -> dict[str, howsure.Certainty]:
    return {name: certainty_of(softmax(each, axis=1)) for name, each in zip(NAMES, logits, strict=True)}


QUESTIONS = (
    ("nll", "Which method has the most accurate percentages?", -1),
    ("aurc", "Which method knows best when it is wrong?", -1),
    ("accuracy", "Which method is right most often?", 1),
)
"""Score, heading, and whether more of it is better."""

Truths = Mapping[str, Mapping[str, float]]


def _told_first(tally: Tally, comparison: Comparison, true: Mapping[str, Truths], alike: bool) -> None:
    text = lead(comparison)
    nll = {rows: {name: of["nll"] for name, of in each.items()} for rows, each in true.items()}
    chosen = found_in(r"^Take ([A-D])", text)
    if "its percentages are more accurate than those of A" in text:
        tally["take"].append(nll[AS_THEY_ARE][chosen] < nll[AS_THEY_ARE]["A"])
    if ", but less accurate if" in text:
        tally["less true where"] += [nll[rows][chosen] > nll[rows]["A"] for rows in _sets_in(text)]
    if "But if rows are" in text:
        name = found_in(r", ([A-D])(?: \([^)]*\))? has more accurate ones", text)
        tally["truer where"] += [nll[rows][name] < nll[rows]["A"] for rows in _sets_in(text)]
    if alike:
        tally["alike take"].append(chosen == "A")
        tally["alike when changed"].append("if rows are" not in text)


def _sets_in(text: str) -> list[str]:
    return re.findall("'([vwxy])'", text)


def _may(text: str) -> set[str]:
    """Those that "may be as good"."""
    if "each of the others may be as good" in text:
        return set(NAMES)
    sentences = [each for each in re.split(r"(?<=\.) ", text) if " may " in each]
    return {name for each in sentences for name in re.findall(r"\b[A-D]\b", each)}


def _best(true: Truths, name: str, better: int) -> set[str]:
    most = max(better * of[name] for of in true.values())
    return {method for method, of in true.items() if better * of[name] == most}


def _told_of_ranks(tally: Tally, text: str, name: str, better: int, true: Truths, alike: bool) -> None:
    first, has = re.findall(r"\b([A-D]) (comes first|has the)", text)[0]
    best = _best(true, name, better)
    tally["may be as good"].append(best <= {first} | _may(text))
    if alike:
        tally["cannot tell"].append("cannot tell who is best" in text)
    if has == "has the":
        tally["has the best"].append(first in best)
    shown = 100 * (np.exp(-true[first]["nll"]) if name == "nll" else true[first][name])
    tally["value of the first"].append(within(found_in(r"% \(([\d.,]+ to [\d.,]+) %\)", text), float(shown)))
    beside = "Better than A by more than chance: "
    if beside in text:
        named = re.findall(r"\b[B-D]\b", text.partition(beside)[2])
        tally["better than"].append(
            all(better * true[each][name] > better * true["A"][name] for each in named)
        )
    gap = re.search(r"(more than|times as much as|below|above) A \(([−\d.,]+ to [−\d.,]+)", text)
    if gap is not None:
        tally["by how much"].append(within(gap[2], _gap(gap[1], name, true[first], true["A"])))


def _gap(word: str, name: str, one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """What is between two methods, in the unit that is told."""
    if name != "nll":
        return 100 * (one[name] - other[name]) * (1 if word == "above" else -1)
    factor = float(np.exp(other["nll"] - one["nll"]))
    return factor if word == "times as much as" else 100 * (factor - 1)


def _told_of_changes(tally: Tally, comparison: Comparison, true: Mapping[str, Truths]) -> None:
    finding = next(each for each in findings(comparison) if each.points)
    for rows, said in finding.points:
        gap = re.search(r"; ([A-D]) gives .*?(more|times as much) \(([−\d.,]+ to [−\d.,]+)", plain(said))
        if gap is not None:
            word = "times as much as" if gap[2] == "times as much" else gap[2]
            exact = _gap(word, "nll", true[rows][gap[1]], true[rows]["A"])
            tally["gives more when changed"].append(within(gap[3], exact))


def _told_of_strangers(tally: Tally, text: str, true: Truths) -> None:
    first = found_in(r"rows here, ([A-D]) finds", text)
    tally["strangers may"].append(_best(true, "outside_auroc", 1) <= {first} | _may(text))
    for name, interval in re.findall(r"\b([A-D]) finds .*?% \(([\d.]+ to [\d.]+) %\)", text):
        tally["strangers"].append(within(interval, 100 * true[name]["outside_auroc"]))


def _told_by_reasons(tally: Tally, comparison: Comparison, true: Truths) -> None:
    """Why a method is better, or worse."""
    for claim in claims(comparison):
        if claim.sure and claim.about != WHOLE:
            one, other = (_parts_of(true[name]) for name in (claim.method, "A"))
            gap = one[SCALE] if claim.about == SCALE else one[claim.about] - other[claim.about]
            tally[claim.about].append(bool(gap * claim.effect.value > 0))


def _parts_of(true: Mapping[str, float]) -> dict[str, float]:
    nll, best, plain = (true[name] for name in ("nll", "best", "plain"))
    parts = {CALIBRATION: nll - best, ACCURACY: plain, ORDER: best - plain, DISCRIMINATION: best}
    return parts | {SCALE: true["scale"]}


def told_of_calibrated(tally: Tally) -> None:
    """What the explanations say of a calibrated method, held against new rows."""
    for share, rows, sharp, seed in itertools.product((0.05, 0.2), (300, 1_000), SHARPNESS, range(40)):
        of = world(share, 0.3)
        tally["calibrations"].append(True)
        given, new = drawn(of, rows, sharp, seed, 5), fresh(of, sharp)
        (mended,), (to_come,), _ = cross_calibrated(given.said, given.truth, [], [new.said])
        names = {"A": given.said, "A, calibrated": mended}
        comparison = compared(names, given.truth, calibrations={"A, calibrated": "A"})
        for claim in claims(comparison):
            if claim.about == CALIBRATING and claim.sure:
                gained = nll_of(to_come.probabilities, new.true) < nll_of(new.said.probabilities, new.true)
                tally["calibrated better" if claim.better else "calibrated worse"].append(
                    gained is claim.better
                )
            if claim.about == SCALE and claim.sure:
                tally["calibrated scale"].append((sharp > 1) == (claim.effect.value > 0) and sharp != 1)
        if "hardly changes their order" in _answer(comparison, "Why?"):
            order = spearmanr(new.said.probability, to_come.probability).statistic
            tally["why order"].append(bool(order > 0.99))


ALL, POPULATION = "methods that are alike", "200,000 rows"
FACT, INTERVAL = "fact", "95 % interval"
FACTS = (
    ("take", "`Take B: its percentages are more accurate than those of A`", POPULATION, FACT, "comparisons"),
    ("less true where", "`but less accurate if rows are 'x'`", POPULATION, FACT, "comparisons"),
    ("truer where", "`But if rows are 'x', B has more accurate ones`", POPULATION, FACT, "comparisons"),
    ("alike take", "no `Take B`, of four methods", ALL, FACT),
    ("alike when changed", "no `But if rows are 'x'`, of four changes", ALL, FACT),
    (
        "has the best",
        "`B has the most accurate percentages`, `the best order`, `the most right answers`",
        POPULATION,
        FACT,
        "answers",
    ),
    ("cannot tell", "`cannot tell who is best`", ALL, FACT),
    ("may be as good", "`may be as good`: the best is first or among them", POPULATION, FACT),
    (
        "value of the first",
        "`it gives the true class 97.8 % (97.3 to 98.2 %)` of the first",
        POPULATION,
        INTERVAL,
    ),
    ("by how much", "`12 % more than A (8 to 16 %)`, `2.1 points above A`, or chance", POPULATION, INTERVAL),
    ("better than", "`Better than A by more than chance: B and C`", POPULATION, FACT, "answers"),
    (
        "gives more when changed",
        "`B gives 12 % more (8 to 16 %)`, of changed rows",
        POPULATION,
        INTERVAL,
        "changes",
    ),
    ("strangers", "`finds the former more uncertain in 93 % (90 to 95 %) of cases`", POPULATION, INTERVAL),
    ("strangers may", "`may be as good`, at noticing strangers", POPULATION, FACT),
    (
        SCALE,
        "`A is too sure: it claims 86 % on average and is right on 81 %`, or too modest",
        POPULATION,
        FACT,
        "comparisons",
    ),
    (
        CALIBRATION,
        "`because its percentages fit better how often it is right`, or worse",
        POPULATION,
        FACT,
        "comparisons",
    ),
    (ACCURACY, "`because it is right more often`, or less often", POPULATION, FACT, "comparisons"),
    (
        ORDER,
        "`because it knows better which answers are doubtful`, or less well",
        POPULATION,
        FACT,
        "comparisons",
    ),
    (
        DISCRIMINATION,
        "`because its percentages say more, also once both are calibrated`, or less",
        POPULATION,
        FACT,
        "comparisons",
    ),
    (
        "calibrated scale",
        "`A is too sure`, or too modest, beside A calibrated",
        "known sharpness",
        FACT,
        "calibrations",
    ),
    (
        "calibrated better",
        "`Calibrated on other rows, it gives the true class 9 % more`",
        "20,000 rows to come",
        FACT,
        "calibrations",
    ),
    (
        "calibrated worse",
        "`Calibrated on other rows, it gives the true class 2 % less`",
        "20,000 rows to come",
        FACT,
        "calibrations",
    ),
    (
        "why order",
        "`One number for all rows hardly changes their order`: rank correlation > 0.99",
        "20,000 rows to come",
        FACT,
    ),
)
"""Key of the tally, the sentence, what it is held against, as what stated, among what it might be told."""

TOLD = (told_by_comparisons, told_of_calibrated)
