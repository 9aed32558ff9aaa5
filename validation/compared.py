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
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata, spearmanr

import howsure
from howsure.answers.classes.calibrate import cross_calibrated
from howsure.answers.classes.evaluate import with_outside
from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.findings import findings, lead
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


@cache
def true_scores(of: World, kind: Kind) -> Mapping[str, float]:
    """Of very many rows, by their definitions."""
    random = np.random.default_rng(7)
    truth = random.integers(of.classes, size=MANY)
    (logits,) = logits_of(of, np.append(truth, np.full(MANY // 4, -1)), [kind], random)
    p = softmax(logits, axis=1)
    entropy = -np.sum(p * np.log(p + 1e-300), axis=1)
    top = p[:MANY].max(axis=1)
    right = p[:MANY].argmax(axis=1) == truth
    number = np.arange(1, MANY + 1)
    above = rankdata(entropy)[MANY:].sum() - (MANY // 4) * (MANY // 4 + 1) / 2
    return {
        "nll": float(-np.mean(np.log(p[np.arange(MANY), truth]))),
        "accuracy": float(right.mean()),
        "aurc": float(np.mean(np.cumsum(~right[np.argsort(-top)]) / number)),
        "outside_auroc": float(above / (MANY * (MANY // 4))),
        "claim": float(top.mean()),
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
        (name, "strangers"): with_outside(found[name, AS_THEY_ARE], said[name], each)
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
        _told_by_methods(here, _answer(comparison, "What explains the differences?"), true[AS_THEY_ARE])
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
        name = found_in(r", ([A-D]) has more accurate ones", text)
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


def _told_by_methods(tally: Tally, text: str, true: Truths) -> None:
    """Of MC dropout, which is B here, and the ensemble, which is C."""
    if "B is too modest" in text:
        tally["too modest"].append(true["B"]["claim"] < true["B"]["accuracy"])
    if "orders rows better" in text:
        tally["orders better"].append(true["B"]["aurc"] < true["A"]["aurc"])
    if "C has more accurate percentages" in text:
        tally["truer"].append(true["C"]["nll"] < true["A"]["nll"])
    if "C has more accurate percentages and is right more often" in text:
        tally["right more often"].append(true["C"]["accuracy"] > true["A"]["accuracy"])


def told_of_calibrated(tally: Tally) -> None:
    """What the explanations say of a calibrated method, held against new rows."""
    for share, rows, sharp, seed in itertools.product((0.05, 0.2), (300, 1_000), SHARPNESS, range(40)):
        of = world(share, 0.3)
        tally["calibrations"].append(True)
        given, new = drawn(of, rows, sharp, seed, 5), fresh(of, sharp)
        (mended,), (to_come,) = cross_calibrated(given.said, given.truth, [], [new.said])
        names = {"A": given.said, "A, calibrated": mended}
        text = _answer(
            compared(names, given.truth, calibrations={"A, calibrated": "A"}),
            "What explains the differences?",
        )
        if sharp == 1:
            tally["why chance"].append("so it hardly changes" not in text)
        if "made A worse" in text:
            worse = nll_of(to_come.probabilities, new.true) > nll_of(new.said.probabilities, new.true)
            tally["why worse"].append(worse)
        if "so it hardly changes" in text:
            lowers = "lowers percentages that were too high" in text
            tally["why mends"].append(sharp > 1 if lowers else sharp < 1)
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
        "too modest",
        "`B is too modest: it claims 81 % on average and is right on 86 %`",
        POPULATION,
        FACT,
        "comparisons",
    ),
    ("orders better", "`B orders rows better`", POPULATION, FACT, "comparisons"),
    ("truer", "`C has more accurate percentages`, of an ensemble", POPULATION, FACT, "comparisons"),
    ("right more often", "`and is right more often`", POPULATION, FACT, "comparisons"),
    ("why chance", "no `Calibration lowers percentages`", "claims true", FACT),
    ("why worse", "`Calibration made A worse`", "20,000 rows to come", FACT, "calibrations"),
    (
        "why mends",
        "`lowers percentages that were too high`, `raises percentages that were too low`",
        "claims false",
        FACT,
        "calibrations",
    ),
    ("why order", "`it hardly changes their order`: rank correlation > 0.99", "20,000 rows to come", FACT),
)
"""Key of the tally, the sentence, what it is held against, as what stated, among what it might be told."""

TOLD = (told_by_comparisons, told_of_calibrated)
