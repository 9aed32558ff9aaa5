"""Is each sentence true? What is printed, read again and held against known answers; to docs/sentences.md.

    python -m validation.sentences             everything, to docs/sentences.json and docs/sentences.md

Sentences about passes are held against networks so small that all their thinned networks can be run;
sentences about shares and percentages, against drawn answers whose probabilities are known; what a reason
does and does not tell, against networks trained on few and on many rows whose p(y|x) is known. Sentences of
comparisons are held against known worlds in `validation.reasons`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from scipy.stats import binom

import howsure
from benchmarks.docs import Page, table
from howsure.report.figures import differs_from_claim, proportion, reliability
from howsure.results.thresholds import Thresholds
from howsure.statistics import entropy_of
from howsure.tasks.classification.words import claim_in_words, reliability_in_words
from howsure.tasks.verdict import DISAGREEMENT, WITHIN_PASSES, judge
from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.small_network import chain, thinned

PAGE = Page("sentences")

NETWORKS, ROWS, FEATURES, UNITS, RATE = 40, 200, 8, 10, 0.3
"""Of the networks whose thinned networks are all run, and the rows they are asked about."""

SETS, SIZES, GROUPS = 1_000, (100, 1_000), 20
"""Sets of rows with drawn answers, their sizes, and how many labels are told side by side."""

ENDS = ("softmax", "sigmoid")

Floats, Integers = NDArray[np.float64], NDArray[np.int64]
Tally = dict[str, list[bool]]


def found_in(pattern: str, text: str) -> str:
    """What the first group of a pattern is in a text that has it."""
    match = re.search(pattern, text)
    assert match is not None, (pattern, text)
    return match[1]


# --- passes: all thinned networks are run -------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """A network, (N, F) rows, and what all its thinned networks say together.

    `p` (N, K) are the exact predictive means, `expected` (N,) or (N, K) the exact expected entropy in nats,
    `passes` (M, N, K) what every thinned network says, and `weights` (M,) how probable each is.
    """

    model: ArrayModel
    x: NDArray[np.float32]
    p: Floats
    expected: Floats
    passes: Floats
    weights: Floats

    def quantile(self, row: int, label: int, level: float) -> float:
        """The exact quantile of a probability between thinned networks, in per cent."""
        order = np.argsort(self.passes[:, row, label], kind="stable")
        place = int(np.searchsorted(np.cumsum(self.weights[order]), level - 1e-12))
        return 100 * float(self.passes[order[place], row, label])

    @property
    def disagreement(self) -> Floats:
        """The exact share of the doubt that is disagreement between passes."""
        total = entropy_of(self.p) if self.expected.ndim == 1 else entropy_of(_no_and_yes(self.p))
        return np.asarray((total - self.expected) / total)


def known(seed: int, outputs: int, *, labels: bool = False) -> Known:
    """A network of random weights, 10 of whose units are dropped, with all its 1,024 thinned networks."""
    random = np.random.default_rng(seed)
    first = random.standard_normal((FEATURES, UNITS)) / np.sqrt(FEATURES)
    last = random.uniform(0.5, 2) * random.standard_normal((UNITS, outputs))
    bias = 0.3 * random.standard_normal(UNITS)
    layers = Dense(first, bias, "relu"), Dropout(RATE), Dense(last, activation=ENDS[labels])
    model = chain((FEATURES,), *layers, trained_for="labels" if labels else "classes")
    x = (1.5 * random.standard_normal((ROWS, FEATURES))).astype(np.float32)
    kept, weights = thinned(UNITS, RATE)
    hidden = np.maximum(x.astype(np.float64) @ first + bias, 0)
    logits = (hidden * kept[:, None] / (1 - RATE)) @ last
    passes = expit(logits) if labels else softmax(logits, axis=-1)
    doubt = entropy_of(_no_and_yes(passes) if labels else passes)
    means = np.tensordot(weights, passes, 1), np.tensordot(weights, doubt, 1)
    return Known(model, x, *means, passes, weights)


def _no_and_yes(p: Floats) -> Floats:
    return np.stack([1 - p, p], axis=-1)


def holds(said: str, exact: float) -> bool:
    """Whether a printed share, `51 ± 1 %` or `over 95 %`, holds the exact one, but for rounding."""
    if said.startswith(("over", "under", "0 to")):
        end = float(re.findall(r"[\d.]+", said)[0]) / 100
        return said.startswith("0 to") or (exact >= end if said.startswith("over") else exact <= end)
    number = re.fullmatch(r"([<>])? ?([\d.]+)(?: ± ([\d.]+))? %", said.replace("\u00a0", " "))
    assert number is not None, said
    sign, value, margin = number.groups()
    if sign:
        reach = 0.0015 + float(margin or 0) / 100
        return exact > 1 - reach if sign == ">" else exact < reach
    half = 0.5 * 10.0 ** -len(value.partition(".")[2])
    return abs(100 * exact - float(value)) <= float(margin or 0) + half


SHARE = r"((?:[<>] |over |under |0 to )?[\d.]+(?: ± [\d.]+)? %)"


def _hold_each(text: str, exact: Floats) -> bool:
    """Whether `about 33 % each (± 4 %)`, or `22 to 28 % each`, holds these shares, but for rounding."""
    said = re.search(
        r", (?:about )?([\d.]+)(?: to ([\d.]+))? % each(?: \((?:± ([\d.]+)|0 to (\d+)) %\))?", text
    )
    assert said is not None, text
    low, high, margin, most = said.groups()
    first, last = float(low), float(high or low)
    reach = float(margin or 0.95) + 0.5 + (0 if high else 0.05 * first)
    if most:
        return bool(np.all(100 * exact <= float(most)))
    return bool(np.all((100 * exact >= first - reach) & (100 * exact <= last + reach)))


def told_of_passes(tally: Tally) -> None:
    """What rows of one class say of themselves."""
    for seed in range(NETWORKS):
        one = known(seed, 3)
        certainty = howsure.assess(one.model, one.x)
        exact_verdict, _ = judge(one.p, np.zeros_like(one.p), Thresholds())
        asked = defaultdict(list)
        for position, row in enumerate(certainty):
            text, share = str(row), float(one.disagreement[position])
            top = re.match(SHARE, text)
            if top is None:  # no clear answer, about 33 % each
                tally["top"].append(_hold_each(text, one.p[position, row.candidates]))
            else:
                tally["top"].append(holds(top[1], one.p[position, row.label]))
            rival = re.search(r", or '\d' \((\d+) %\)", text)
            if rival is not None:
                reach = 196 * float(row.mc_error[row.runner_up]) + 0.5
                exact = 100 * float(one.p[position, row.runner_up])
                tally["rival"].append(abs(exact - float(rival[1])) <= reach)
            apart = re.search(r"most networks say (.+?) %(?: \((\d+) % of them\))?", row.explain())
            if apart is not None:
                first, *last = re.findall(r"[\d.]+", apart[1])
                inside = int(apart[2] or 90) / 100
                errors = certainty.interval_error(inside)[position]
                ends = zip((first, (last or [first])[0]), errors, strict=True)
                for (said, error), level in zip(ends, ((1 - inside) / 2, (1 + inside) / 2), strict=True):
                    exact = one.quantile(position, int(row.label), level)
                    tally["between"].append(abs(exact - float(said)) <= 196 * float(error) + 0.5)
            if row.settled:
                tally["verdict"].append(row.verdict == exact_verdict[position])
            if row.reason == WITHIN_PASSES:
                tally["within"].append(share <= 0.5)
            if row.reason == DISAGREEMENT:
                tally["disagree"].append(share > 0.5)
            if not row.settled:
                more = int(found_in(r"needs about ([\d,]+) more passes", text).replace(",", ""))
                asked[row.passes + more].append(position)
        for passes, positions in asked.items():
            more = howsure.MCDropout(max_passes=passes)
            tally["settles"] += howsure.assess(one.model, one.x[positions], method=more).settled.tolist()


def told_of_labels(tally: Tally) -> None:
    """What rows of several labels say of themselves: one by one, and in groups."""
    for seed in range(NETWORKS):
        for count in (3, 8):
            one = known(1_000 + seed, count, labels=True)
            certainty = howsure.assess(one.model, one.x)
            exact_verdict, _ = judge(_no_and_yes(one.p), np.zeros((*one.p.shape, 2)), Thresholds())
            for position, row in enumerate(certainty):
                text = str(row)
                if count == 3:
                    for k, found in enumerate(re.findall(rf"': {SHARE} (yes|no)", text)):
                        exact = one.p[position, k] if found[1] == "yes" else 1 - one.p[position, k]
                        tally["label"].append(holds(found[0], exact))
                        if row.settled[k]:
                            tally["label verdict"].append(row.verdict[k] == exact_verdict[position, k])
                    continue
                for name, said in re.findall(rf"'(\d)' \({SHARE}", text):
                    tally["label"].append(holds(said, one.p[position, int(name)]))


# --- shares and percentages: answers are drawn ---------------------------------------------------------


def drawn(seed: int, rows: int, sharpness: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Claims of N rows, and answers that are right as often as claims of that sharpness would have it.

    Above 1 the claims are too high: right answers are as rare as of logit(claim) / sharpness.
    """
    random = np.random.default_rng([seed, rows, int(100 * sharpness)])
    claims = 0.4 + 0.6 * random.beta(4, 0.5, rows)
    return claims, random.random(rows) < expit(logit(claims) / sharpness)


def told_of_shares(tally: Tally) -> None:
    """What the report says of right answers: sentences about drawn answers, and exact coverage."""
    for rows, sharpness, seed in itertools.product(SIZES, (0.6, 1.0, 1.6), range(SETS // 4)):
        claims, right = drawn(seed, rows, sharpness)
        found, overall = reliability(claims, right), proportion(int(right.sum()), rows)
        text = f"{claim_in_words(float(claims.mean()), overall)} {reliability_in_words(found)}"
        said = "too sure" if "It is too sure" in text else "modest" if "more modest than" in text else ""
        off = "off the diagonal by more than chance:" in text
        if sharpness == 1:
            tally["false alarm"].append(not said)
            tally["false groups"].append(not off)
        elif said:
            tally["direction"].append((said == "too sure") == (sharpness > 1))
        if sharpness != 1 and off:
            tally["direction of groups"].append(("(too sure)" in text) == (sharpness > 1))
    for seed in range(SETS // 4):
        labels = [drawn(GROUPS * seed + k, 300, 1.0) for k in range(GROUPS)]
        off = [
            differs_from_claim(float(p.mean()), proportion(int(y.sum()), 300), among=GROUPS)
            for p, y in labels
        ]
        tally["labels"].append(not any(off))


def coverage_of_shares() -> tuple[float, float]:
    """Least and mean coverage of the interval of a share: 1 to 100 mistakes expected in 100 to 3,000 rows."""
    found = []
    for rows in (100, 300, 1_000, 3_000):
        counts = np.arange(rows + 1)
        ends = [proportion(int(count), rows) for count in counts]
        low, high = (np.array([getattr(end, name) for end in ends]) for name in ("low", "high"))
        for mistakes in (1, 2, 3, 5, 10, 20, 50, 100):
            if mistakes < rows:
                p = 1 - mistakes / rows
                found.append(float(binom.pmf(counts[(low <= p) & (p <= high)], rows, p).sum()))
    return min(found), float(np.mean(found))


def told_of_strangers(tally: Tally) -> None:
    """How unfamiliar rows are: counted again among the held-out rows."""
    rows = draw(3_000, 3, np.random.default_rng(5))
    model = trained(rows[:1_000], 500, 0)
    features = howsure.features_of(model, rows.x)
    part = [howsure.features_of(model, each) for each in np.split(rows.x, [1_000, 2_000])]
    fitted = howsure.familiarity(part[0], rows.y[:1_000], part[1], score="mahalanobis", share=0.05)
    held_out, scores = fitted(part[1]), fitted(features)[2_000:]
    certainty = howsure.assess(model, rows.x[2_000:], method=howsure.Softmax())
    certainty = certainty.with_familiarity(fitted.percentile(part[2]), share=fitted.share)
    for position in np.flatnonzero(certainty.unfamiliar):
        said = float(found_in(r"At most ([\d.]+).% of held-out rows", certainty[int(position)].explain()))
        tally["unfamiliar"].append(bool(100 * np.mean(held_out <= scores[position]) <= said))


def told_by_audits(tally: Tally) -> None:
    """What is random, and what a pass costs: counted by hand from how the network was made."""
    for seed in range(NETWORKS):
        random = np.random.default_rng(seed)
        sizes = [FEATURES, *random.integers(3, 30, random.integers(1, 5)).tolist(), 3]
        layers, names, costs, repeated = list[Any](), list[str](), 0, 0
        for number, shape in enumerate(itertools.pairwise(sizes)):
            last = number == len(sizes) - 2
            layers.append(Dense(random.standard_normal(shape), activation="softmax" if last else "relu"))
            costs += math.prod(shape)
            repeated += math.prod(shape) if names else 0
            if not last and random.random() < 0.6:
                layers.append(Dropout(0.5))
                names.append(f"step{len(layers)}")
        text = howsure.audit(chain((FEATURES,), *layers)).in_words
        if not names:
            tally["nothing random"].append(text.startswith("Nothing in this model is random"))
            continue
        share = f"{100 * repeated / costs:.3g} %"
        tally["audit"].append(
            re.findall(r"'(\w+)' \(", text) == names
            and f"takes {costs:,} multiply-adds" in text
            and f"each further pass repeats {share}." in text
        )


# --- what a reason tells: networks trained on few rows, or on many, whose true probabilities are known ---

CLASSES, INPUTS, HIDDEN, DROPOUT = 3, 40, 64, 0.25
"""Classes, features, units and dropout of networks that are trained."""
BATCH, LEARNING_RATE, DECAY = 50, 2e-3, 1e-3
"""Of training by Adam with decoupled weight decay (Loshchilov & Hutter 2019); the rate falls to 0."""

FEW, MANY, DATA, MEMBERS = (150, 300), (6_000, 1_500), 2, 8
"""Training rows and batches of the smaller and the larger training, repeats, and members of an ensemble."""


@dataclass(frozen=True)
class Rows:
    """(N, F) rows with their (N,) classes, drawn from the true probabilities p(y|x) (N, K)."""

    x: NDArray[np.float32]
    y: Integers
    p: Floats

    def __getitem__(self, some: slice) -> Rows:
        return Rows(self.x[some], self.y[some], self.p[some])


def draw(count: int, apart: float, random: np.random.Generator) -> Rows:
    """Rows of a mixture: class k is N(μ_k, 1) with |μ_k − μ_j| = `apart`, so p(y|x) is a softmax of x · μ_k.

    Only two directions tell the classes; the others are noise, from which a network with few training rows
    learns what is not so.
    """
    means = np.zeros((CLASSES, INPUTS))
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    means[:, :2] = apart / np.sqrt(3) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    y = random.integers(CLASSES, size=count)
    x = (means[y] + random.standard_normal((count, INPUTS))).astype(np.float32)
    return Rows(x, y, softmax(x @ means.T, axis=1))  # all |μ_k| are equal


def trained(rows: Rows, steps: int, seed: int) -> ArrayModel:
    """A network with two hidden layers and dropout after each, trained on all rows for so many batches."""
    random = np.random.default_rng(seed)
    sizes = (INPUTS, HIDDEN, HIDDEN, CLASSES)
    weights = [random.standard_normal(shape) * np.sqrt(2 / shape[0]) for shape in itertools.pairwise(sizes)]
    weights += [np.zeros(size) for size in sizes[1:]]
    first, second = ([np.zeros_like(each) for each in weights] for _ in range(2))
    for step in range(1, steps + 1):
        batch = random.integers(len(rows.x), size=BATCH)
        gradients = _gradients(weights, rows.x[batch], rows.y[batch], random)
        rate = LEARNING_RATE * (1 - (step - 1) / steps)
        for number, gradient in enumerate(gradients):
            first[number] += 0.1 * (gradient - first[number])
            second[number] += 0.001 * (gradient**2 - second[number])
            scaled = np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8
            weights[number] -= rate * (first[number] / (1 - 0.9**step) / scaled + DECAY * weights[number])
    dense = [
        Dense(kernel, bias, end)
        for kernel, bias, end in zip(weights, weights[3:], ("relu", "relu", "softmax"), strict=False)
    ]
    layers = dense[0], Dropout(DROPOUT), dense[1], Dropout(DROPOUT), dense[2]
    return chain((INPUTS,), *layers, trained_for="classes")


def _gradients(
    weights: list[Floats], x: NDArray[np.float32], y: Integers, random: np.random.Generator
) -> list[Floats]:
    """Of the mean cross-entropy of a batch, with dropout at work, for each of the weights."""
    kernels, biases = weights[:3], weights[3:]
    reached, masks = [x.astype(np.float64)], []
    for kernel, bias in zip(kernels[:2], biases[:2], strict=True):
        values = np.maximum(reached[-1] @ kernel + bias, 0)
        masks.append((random.random(values.shape) >= DROPOUT) * (values > 0) / (1 - DROPOUT))
        reached.append(values * (masks[-1] != 0) / (1 - DROPOUT))
    back = softmax(reached[-1] @ kernels[2] + biases[2], axis=1)
    back[np.arange(len(y)), y] -= 1
    back /= len(y)
    of_kernels, of_biases = [], []
    for number in (2, 1, 0):
        of_kernels.insert(0, reached[number].T @ back)
        of_biases.insert(0, back.sum(axis=0))
        if number:
            back = (back @ kernels[number].T) * masks[number - 1]
    return [*of_kernels, *of_biases]


def told_by_reasons() -> Iterator[tuple[str, str, int, str, int, list[float]]]:
    """Kind of rows, method, training rows and reason, with how many rows and what was true of them.

    That are three shares: truly ambiguous, as no class has 95 % of p(y|x); sure, once the network was trained
    on many rows; and not sure either, in another training on the same rows by the same method.
    """
    for kind, apart in (("clear", 5.0), ("overlapping", 3.0)):
        found: dict[tuple[str, int, str], list[NDArray[np.bool_]]] = defaultdict(list)
        for data in range(DATA):
            random = np.random.default_rng([data, int(apart)])
            rows, test = draw(MANY[0], apart, random), draw(2_000, apart, random)
            networks = {
                count: [trained(rows[:count], steps, seed) for seed in range(2 * MEMBERS)]
                for count, steps in (FEW, MANY)
            }
            for ensemble in (False, True):
                first, again = {}, {}
                for count, models in networks.items():
                    for seen, half in ((first, models[:MEMBERS]), (again, models[MEMBERS:])):
                        method = howsure.Ensemble(half[1:]) if ensemble else howsure.MCDropout()
                        seen[count] = howsure.assess(half[0], test.x, method=method)
                name = f"ensemble of {MEMBERS}" if ensemble else "MC dropout"
                for count, one in first.items():
                    for reason in (WITHIN_PASSES, DISAGREEMENT):
                        members = one.reason == reason
                        seen = [
                            test.p[members].max(axis=1) < 0.95,
                            first[MANY[0]].verdict[members] == "sure",
                            again[count].verdict[members] != "sure",
                        ]
                        found[name, count, reason].append(np.stack(seen))
        for (method, count, reason), parts in found.items():
            seen_of_all = np.concatenate(parts, axis=1)
            if seen_of_all.shape[1]:
                yield kind, method, count, reason, seen_of_all.shape[1], seen_of_all.mean(axis=1).tolist()


# --- the page -----------------------------------------------------------------------------------------

ENUMERATED, BY_HAND = "all thinned networks", "networks put together by hand"
DRAWN = "drawn answers, claims true"
FALSE = "drawn answers, claims false"
FACT, INTERVAL, HALF = "fact", "95 % interval", "half or more"
FACTS = (
    ("top", "`51 ± 1 % '8'`", ENUMERATED, INTERVAL),
    ("rival", "`or '6' (46 %)`", ENUMERATED, "within 1.96 `mc_error`"),
    ("between", "`most networks say 40 to 62 %`", ENUMERATED, "within 1.96 `interval_error`"),
    ("verdict", "`coin flip.`, where settled", ENUMERATED, FACT),
    ("settles", "`needs about 200 more passes`", "so many passes", HALF),
    ("within", "`Most of the doubt is within the networks, not between them`", ENUMERATED, FACT),
    ("disagree", "`The networks disagree`", ENUMERATED, FACT),
    ("label", "`'wind': 52 ± 3 % yes`, and in groups", ENUMERATED, INTERVAL),
    ("label verdict", "`coin flip` of a label, where settled", ENUMERATED, FACT),
    ("unfamiliar", "`at most 0.4 % of held-out images are as unfamiliar`", "held-out rows", FACT),
    ("false alarm", "`Chance may explain the difference`", DRAWN, FACT),
    ("direction", "`It is too sure`, `It is more modest than it need be`", FALSE, FACT),
    ("false groups", "`No group of the 10 is off the diagonal by more than chance`", DRAWN, FACT),
    ("direction of groups", "`2 below it (too sure)`", FALSE, FACT),
    ("labels", "`within chance`, for all of 20 labels", DRAWN, FACT),
    ("audit", "`Random in every pass: 'drop' …`, and what each repeats", BY_HAND, FACT),
    ("nothing random", "`Nothing in this model is random`", BY_HAND, FACT),
)
"""Key of the tally, the sentence, what it is held against, and as what it is stated."""


HEADS = {
    "measured": ("sentence", "held against", "stated as", "told", "true"),
    "reasons": (
        *("rows", "method", "trained on", "reason", "told of"),
        *("truly ambiguous", "sure later", "unsure again"),
    ),
}
"""Columns of each table, as they are kept."""

TOLD = (told_of_passes, told_of_labels, told_of_shares, told_of_strangers, told_by_audits)


def _share(told: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(told)):.1f} %" if told else "–"


def shares_of(lines: list[list[str]]) -> list[tuple[float, str]]:
    """In how many per cent a sentence was true, of sentences that were told ten times or more."""
    return [
        (float(line[4].split()[0]), line[0])
        for line in lines
        if line[4].endswith("%") and line[2] != HALF and len(line[3].replace(",", "")) > 1
    ]


def parts(figures: dict[str, list[list[str]]]) -> dict[str, object]:
    """Figures and tables of the page."""
    measured = figures["measured"]
    shares = [share for share, _ in shares_of(measured)]
    least, said = min(shares_of(measured))
    shown = [column for column, head in enumerate(HEADS["measured"]) if head != "held against"]
    return {
        "median": f"{np.median(shares):.1f} %",
        "least": f"{said}: {least} %",
        "measured": table(*([line[column] for column in shown] for line in (HEADS["measured"], *measured))),
        "reasons": table(HEADS["reasons"], *figures["reasons"]),
    }


def look() -> dict[str, list[list[str]]]:
    """The lines of all tables."""
    tally: Tally = defaultdict(list)
    for told in TOLD:
        told(tally)
        print(told.__name__, flush=True)
    least, mean = (f"{100 * share:.1f} %" for share in coverage_of_shares())
    intervals = "`right for 94.1 % of them (95 % interval 92.5 to 95.4 %)`, 1 to 100 mistakes expected"
    lines = {
        "measured": [[*told, f"{len(tally[key]):,}", _share(tally[key])] for key, *told in FACTS],
        "reasons": [],
    }
    lines["measured"].append([intervals, "binomial distribution", INTERVAL, "exact", f"{least} to {mean}"])
    for kind, method, count, reason, told_of, shares in told_by_reasons():
        print(kind, method, count, reason, flush=True)
        cells = [f"{100 * share:.0f} %" for share in shares]
        cells[1] = "–" if count == MANY[0] else cells[1]
        lines["reasons"].append([kind, method, f"{count:,}", f"`{reason}`", f"{told_of:,}", *cells])
    return lines


if __name__ == "__main__":
    PAGE.measure(look, parts)
