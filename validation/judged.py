"""Are the sentences of scores, calibration and promises true? For docs/sentences.md.

    python -m validation.sentences

Rows are those of `validation.intervals`: their true probabilities are known, and the model claims as much,
too much or too little. What is said is read again from the text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import norm

import howsure
from howsure.errors import InputError
from howsure.judge.evaluate import evaluate
from howsure.models.features import Features
from validation.intervals import World, world

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Tally = dict[str, list[bool]]

FRESH = 20_000
"""Rows that what is true of a fit is taken from, by their true probabilities."""

SHARPNESS = (0.6, 1.0, 1.6)
"""What a model multiplies its true logits by: too modest, true, too sure."""


# --- rows and what is true of them ---------------------------------------------------------------------


def certainty_of(p: Floats, **other: object) -> howsure.Certainty:
    """Rows with these probabilities."""
    rows, classes = p.shape
    columns = {
        "mc_error": np.zeros_like(p),
        "expected_entropy": np.zeros(rows),
        "passes": np.ones(rows, dtype=np.int64),
        "class_names": tuple("abcdefghij"[:classes]),
        "row": np.arange(rows),
    }
    return howsure.Certainty(probabilities=p, **(columns | other))


@dataclass(frozen=True)
class Rows:
    """Labelled rows as a model sees them.

    Attributes:
        truth: (N,) classes.
        true: (N, K) their true probabilities.
        said: What the model says of them.
    """

    truth: Integers
    true: Floats
    said: howsure.Certainty


def drawn(of: World, rows: int, sharp: float, *seeds: int) -> Rows:
    """Rows that a model sees as clearly as can be, with claims of this sharpness."""
    truth, (logits,) = of.draw(rows, 1, np.random.default_rng([rows, *seeds]))
    return Rows(truth, softmax(logits, axis=1), certainty_of(softmax(sharp * logits, axis=1)))


@cache
def fresh(of: World, sharp: float) -> Rows:
    """Rows to come."""
    return drawn(of, FRESH, sharp, 0)


def nll_of(p: Floats, true: Floats) -> float:
    """What is expected over the true classes."""
    return float(-np.mean(np.sum(true * np.log(np.maximum(p, 1e-16)), axis=1)))


def within(interval: str, exact: float) -> bool:
    """Whether `3.1 to 4.2` holds the exact number, but for the rounding of its ends."""
    ends = re.fullmatch(r"([−\d.,]+) to ([−\d.,]+)", interval)
    assert ends is not None, interval
    low, high = (float(end.replace("−", "-").replace(",", "")) for end in ends.groups())
    low_half, high_half = (0.5 * 10.0 ** -len(end.partition(".")[2]) for end in ends.groups())
    return low - low_half <= exact <= high + high_half


def plain(text: str) -> str:
    """With ordinary blanks."""
    return text.replace("\u00a0", " ")


def found_in(pattern: str, text: str) -> str:
    """What the first group of a pattern is in a text that has it."""
    match = re.search(pattern, text)
    assert match is not None, (pattern, text)
    return match[1]


# --- calibration --------------------------------------------------------------------------------------


def told_of_calibration(tally: Tally) -> None:
    """What a calibrator says of itself, and a comparison of its methods: held against rows to come."""
    for share, rows, sharp, seed in itertools.product((0.05, 0.2), (300, 1_000), SHARPNESS, range(50)):
        of = world(share, 0.3)
        given, new = drawn(of, rows, sharp, seed, 1), fresh(of, sharp)
        calibrator = howsure.calibrate(given.said, given.truth)
        text, after = plain(calibrator.in_words()), calibrator(new.said).probabilities
        before = new.said.probabilities
        gained = nll_of(after, new.true) < nll_of(before, new.true)
        if "Taken together, they became better" in text:
            tally["became better"].append(gained)
        if "Taken together, they became worse" in text:
            tally["became worse"].append(not gained)
        _told_of_temperature(tally, text, sharp, after.max(axis=1) - before.max(axis=1))
        said_before, said_after = re.findall(r"(?:by|off by) ([\d.]+ points[^)]*\))", text)
        if sharp == 1:
            tally["may be chance"].append("may be chance" in said_before)
        for said, p in ((said_before, before), (said_after, after)):
            tally["points off"].append(
                within(found_in(r"\(([\d.]+ to [\d.]+)", said), _points_off(p, new.true))
            )
        most = found_in(r"No percentage is above ([\d.]+) %", text)
        rounding = 10.0 ** -len(most.partition(".")[2])
        tally["no percentage above"].append(bool(100 * after.max() <= float(most) + rounding))


def _told_of_temperature(tally: Tally, text: str, sharp: float, raised: Floats) -> None:
    """How far, in which direction, and whether at all; `raised` is by how much each row is."""
    tally["temperature"].append(within(found_in(r"temperature [\d.]+, ([\d.]+ to [\d.]+)", text), sharp))
    if sharp == 1:
        tally["needs no change"].append("need no change" in text)
    if "claimed too much, so its highest percentages are lowered" in text:
        tally["claimed too much"].append(sharp > 1 and bool(np.mean(raised < 0) > 0.5))
    if "claimed too little, so its highest percentages are raised" in text:
        tally["claimed too much"].append(sharp < 1 and bool(np.mean(raised > 0) > 0.5))


def _points_off(p: Floats, true: Floats) -> float:
    """The calibration error in points, in 15 bins, with the true probabilities for what came true."""
    top = p.argmax(axis=1)
    claim, right = p.max(axis=1), true[np.arange(len(p)), top]
    place = np.clip(np.ceil(claim * 15).astype(int) - 1, 0, 14)
    return float(100 * np.abs(np.bincount(place, right - claim)).sum() / len(p))


# --- promises -----------------------------------------------------------------------------------------


def told_of_sets(tally: Tally) -> None:
    """What prediction sets promise: the share covered, by the true probabilities of rows to come."""
    of = world(0.2, 1.0)
    for rows, coverage, score, by_class in itertools.product(
        (100, 500), (0.8, 0.95), ("lac", "aps"), (False, True)
    ):
        new, covered = fresh(of, 1.6), []
        for seed in range(50):
            given = drawn(of, rows, 1.6, seed, 2)
            try:
                sets = howsure.prediction_sets(
                    given.said, given.truth, coverage=coverage, score=score, by_class=by_class
                )
            except InputError:  # too few rows of a class
                continue
            hit = new.true * sets(new.said)
            shares = hit.sum(axis=0) / new.true.sum(axis=0) if by_class else np.array([hit.sum() / len(hit)])
            covered.append(shares)
            least = float(found_in(r"hold it for ([\d.]+) % or more", plain(str(sets))))
            tally["sets surely"].append(bool(100 * shares.min() >= least))
        error = np.std(covered, axis=0, ddof=1) / np.sqrt(len(covered))
        tally["sets on average"] += (np.mean(covered, axis=0) >= coverage - 2 * error).tolist()


def told_of_abstention(tally: Tally) -> None:
    """What an abstention promises: mistakes among accepted rows to come, and how many are handed over."""
    of = world(0.1, 1.0)
    for rows, risk, sharp, seed in itertools.product((300, 2_000), (0.02, 0.05), (1.0, 1.6), range(100)):
        given, new = drawn(of, rows, sharp, seed, 3), fresh(of, sharp)
        try:
            rule = howsure.abstain(given.said, given.truth, risk=risk)
        except InputError:  # these rows do not allow it
            continue
        away = rule(new.said)
        wrong = 1 - new.true[np.arange(FRESH), new.said.label]
        tally["risk"].append(bool(wrong[~away].mean() <= risk))
        interval = found_in(r"Hand [\d.]+ % \(([\d.]+ to [\d.]+) %\)", str(rule))
        tally["handed over"].append(within(interval, 100 * float(away.mean())))


def told_of_false_alarms(tally: Tally) -> None:
    """How many rows like the held-out ones are called unfamiliar: exactly, as logits are normal."""
    for rows, share in itertools.product((200, 1_000), (0.01, 0.05)):
        rates = []
        for seed in range(250):
            random = np.random.default_rng([rows, seed])
            logits = random.standard_normal((rows + 10, 3)).astype(np.float32)
            train, held_out = (Features(part, part) for part in (logits[:10], logits[10:]))
            fitted = howsure.familiarity(train, np.arange(10) % 3, held_out, score="max_logit", share=share)
            rates.append(float(norm.cdf(fitted.threshold) ** 3))
            said = found_in(r"it may be ([\d.]+ to [\d.]+) %", str(fitted))
            tally["false alarms"].append(within(said, 100 * rates[-1]))
        error = np.std(rates, ddof=1) / np.sqrt(len(rates))
        tally["alarms on average"].append(bool(np.mean(rates) <= share + 2 * error))


def told_below_chance(tally: Tally) -> None:
    """Whether accuracy is below chance: where it is just chance, and where labels are in another order."""
    for seed in range(200):
        random = np.random.default_rng(seed)
        said = certainty_of(softmax(random.standard_normal((200, 3)), axis=1))
        for truth in (random.integers(3, size=200), (said.label + 1) % 3):
            told = "below chance" in str(evaluate(said, truth))
            tally["below chance"].append(told == bool(np.all(truth != said.label)))


TO_COME, TRUE, FALSE = "20,000 rows to come", "claims true", "claims false"
FACT, INTERVAL = "fact", "95 % interval"
FACTS = (
    ("below chance", "`The accuracy is below chance`, and only there", "classes in another order", FACT),
    ("became better", "`Taken together, they became better`", TO_COME, FACT),
    ("became worse", "`Taken together, they became worse`", TO_COME, FACT),
    ("may be chance", "`off by 2.1 points (0 to 4.0, so it may be chance)`", TRUE, FACT),
    ("points off", "`off by 4.1 points on average (2.2 to 6.0)`, before and after", TO_COME, INTERVAL),
    ("temperature", "`temperature 1.43, 1.29 to 1.59`", "known sharpness", INTERVAL),
    ("needs no change", "`need no change that these rows could show`", TRUE, FACT),
    (
        "claimed too much",
        "`The model claimed too much, so its highest percentages are lowered`, or raised",
        FALSE,
        FACT,
    ),
    ("no percentage above", "`No percentage is above 99.66 %`", TO_COME, FACT),
    ("sets on average", "`hold the true class of at least 95 % of the rows on average`", TO_COME, FACT),
    (
        "sets surely",
        "`With these 500 labelled rows they hold it for 93.2 % or more`",
        TO_COME,
        "95 % confidence",
    ),
    ("risk", "`at most 5 % of the rest are wrong, with 95 % confidence`", TO_COME, "95 % confidence"),
    ("handed over", "`Hand 12.6 % (9.8 to 15.8 %) of the rows to a person`", TO_COME, INTERVAL),
    ("alarms on average", "`at most 1 % are called unfamiliar on average`", "normal distribution", FACT),
    ("false alarms", "`with these held-out rows it may be 0.48 to 1.7 %`", "normal distribution", INTERVAL),
)
"""Key of the tally, the sentence, what it is held against, and as what it is stated."""

TOLD = (told_below_chance, told_of_calibration, told_of_sets, told_of_abstention, told_of_false_alarms)
