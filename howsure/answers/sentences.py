"""One row of a result as a sentence that anyone can read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers import verdict as verdicts
from howsure.data.ids import ID
from howsure.displayed import Displayed
from howsure.sampling import between

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

REASON_IN_WORDS = {
    verdicts.WITHIN_PASSES: (
        "The {passes} are in doubt themselves{names}; {share} of the doubt is disagreement."
    ),
    verdicts.DISAGREEMENT: "The {passes} disagree{names}: that is {share} of the doubt.",
    verdicts.TOO_FEW_PASSES: "Not settled by {spent} {passes}{names}: try {more}.",
    verdicts.UNFAMILIAR: (
        "At most {unlike} of held-out {kind}s are as unfamiliar, so such percentages are hardly tested."
    ),
}
"""Each says what was measured, and nothing about where the doubt comes from."""

WORDS = {
    "passes": "passes",
    "pass": "one pass through the network",
    "between": "networks",
    "more": "more passes",
    "agreement": "This does not show whether the answer cannot be seen or too little was learned.",
    "others": "An ensemble, which tells whether networks trained from other seeds doubt it too. ",
    "familiarity": " Familiarity, which tells whether it is strange to the network.",
    "shows": "",
}
"""What a method may say of its passes in its settings, under `words`: what they are called; what one is;
between what an interval lies; the option that gives more of them, where `{passes}` stands for their number;
what it means that they agree; what other networks would tell, and familiarity; and why one would look at this
method, the rest of `It is shown because`."""

FEW_LABELS = 5
"""Up to so many labels each has a sentence of its own; more are told in groups."""

MOST_NAMED = 8
"""Labels named in a group; the others are counted."""


@dataclass(frozen=True)
class Row(Displayed):
    """One row of a `Certainty`; printed, it is one sentence.

    Attributes:
        row: Number of the row in the input, from 0.
        label: Most probable class, a number.
        runner_up: The next class.
        label_name: Name of `label`.
        runner_up_name: Name of `runner_up`.
        probabilities: (K,) predictive mean.
        mc_error: (K,) standard error of `probabilities`.
        entropy: Nats.
        entropy_error: Standard error of `entropy`, nats; NaN where unknown.
        expected_entropy: Nats.
        expected_entropy_error: Standard error of `expected_entropy`, nats; NaN where unknown.
        mutual_information: Nats.
        mutual_information_error: Standard error of `mutual_information`, nats; NaN where unknown.
        disagreement: Share of the doubt that is disagreement between passes.
        disagreement_error: Standard error of `disagreement`; NaN where unknown.
        verdict: `sure`, `leaning` or `coin flip`.
        settled: Whether the passes suffice for that verdict.
        passes: Passes spent on this row.
        passes_to_settle: Passes with which it is settled in half of all cases or more.
        reason: What was seen of a row that is not sure, or None.
        kind: What a row is, `image` or `row`.
        truth: The true class where labels were given, or None.
        familiarity: Share of held-out rows that are no more familiar; None where it was not measured.
        method: Name and settings of the method that produced the passes.
        id: What the caller calls the row, or None.
        id_name: What the caller calls that.
        spread: (K,) standard deviation of `probabilities` between networks, or None.
        spread_error: (K,) its standard error, or None.
        quantiles: (11,) of the probability of `label` between networks, at 0.5 to 99.5 %, or None.
        quantiles_error: (11,) their standard errors, or None.
    """

    row: int
    label: int
    runner_up: int
    label_name: str
    runner_up_name: str
    probabilities: Floats
    mc_error: Floats
    entropy: float
    entropy_error: float
    expected_entropy: float
    expected_entropy_error: float
    mutual_information: float
    mutual_information_error: float
    disagreement: float
    disagreement_error: float
    verdict: str
    settled: bool
    passes: int
    passes_to_settle: int
    reason: str | None
    kind: str
    truth: int | None
    familiarity: float | None = None
    method: Mapping[str, Any] = field(default_factory=dict)
    id: int | str | None = None
    id_name: str = ID
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None

    @property
    def called(self) -> str:
        """What the row is called in a text: `customer A17` by its id, or without one `row 17`."""
        return called(self)

    def interval(self, level: float = between.SHOWN) -> tuple[float, float]:
        """Between which probabilities of `label` single networks lie, as `Certainty.interval`."""
        if self.quantiles is None:
            return np.nan, np.nan
        low, high = between.interval_of(self.quantiles, level)
        return float(low), float(high)

    @property
    def probability(self) -> float:
        """Probability of `label`."""
        return float(self.probabilities[self.label])

    @property
    def no_clear_answer(self) -> bool:
        """Whether a coin flip is none between two, as `Certainty.no_clear_answer`."""
        both = (self.probabilities[[k]] for k in (self.label, self.runner_up))
        return bool(verdicts.has_no_clear_answer(np.array([self.verdict]), *both)[0])

    def __str__(self) -> str:
        return sentence_of(self)


@dataclass(frozen=True, eq=False)
class MultilabelRow(Displayed):
    """One row of a `MultilabelCertainty`; printed, it says which labels hold and which are undecided.

    Attributes:
        row: Number of the row in the input, from 0.
        label_names: K names.
        yes: (K,) whether the label is more likely to hold than not.
        probabilities: (K,) probability that the label holds.
        mc_error: (K,) standard error of `probabilities`.
        entropy: (K,) nats.
        entropy_error: (K,) standard error of `entropy`, nats; NaN where unknown.
        expected_entropy: (K,) nats.
        expected_entropy_error: (K,) standard error of `expected_entropy`, nats; NaN where unknown.
        mutual_information: (K,) nats.
        mutual_information_error: (K,) standard error of `mutual_information`, nats; NaN where unknown.
        disagreement: (K,) share of the doubt that is disagreement between passes.
        disagreement_error: (K,) standard error of `disagreement`; NaN where unknown.
        verdict: (K,) `sure`, `leaning` or `coin flip`.
        settled: (K,) whether the passes suffice for that verdict.
        passes: Passes spent on this row.
        passes_to_settle: (K,) passes with which it is settled in half of all cases or more.
        reason: (K,) what was seen of a label that is not sure, or None.
        kind: What a row is, `image` or `row`.
        truth: (K,) which labels hold where that was given, or None.
        method: Name and settings of the method that produced the passes.
        id: What the caller calls the row, or None.
        id_name: What the caller calls that.
        spread: (K,) standard deviation of `probabilities` between networks, or None.
        spread_error: (K,) its standard error, or None.
    """

    row: int
    label_names: tuple[str, ...]
    yes: Booleans
    probabilities: Floats
    mc_error: Floats
    entropy: Floats
    entropy_error: Floats
    expected_entropy: Floats
    expected_entropy_error: Floats
    mutual_information: Floats
    mutual_information_error: Floats
    disagreement: Floats
    disagreement_error: Floats
    verdict: NDArray[np.str_]
    settled: Booleans
    passes: int
    passes_to_settle: Integers
    reason: NDArray[np.object_]
    kind: str
    truth: Booleans | None
    method: Mapping[str, Any] = field(default_factory=dict)
    id: int | str | None = None
    id_name: str = ID
    spread: Floats | None = None
    spread_error: Floats | None = None

    @property
    def called(self) -> str:
        """As of a `Row`."""
        return called(self)

    def __str__(self) -> str:
        return sentences_of(self)


def called(row: Row | MultilabelRow) -> str:
    """What a row is called in a text: by its id where it has one, else by what it is and its number."""
    return f"{row.kind} {row.row}" if row.id is None else f"{row.id_name} {row.id}"


def percent(probability: float, mc_error: float) -> str:
    """A probability in words, with the 95 % interval its passes allow: `51 ± 1 %`.

    One decimal is shown where the interval is that narrow. `> 99.9 %` and `< 0.1 %` stand for what
    would round to a whole. No interval is shown where it is unknown, or 0 as for a plain prediction.
    """
    value, margin = 100 * probability, float(np.minimum(196 * mc_error, 100))
    if value >= 99.95 and not margin >= 0.95:
        return "> 99.9 %"
    if value < 0.05 and not margin >= 0.95:
        return "< 0.1 %"
    decimals = 0 if margin >= 0.95 else 1
    if not np.isfinite(margin) or margin == 0:
        return f"{value:.{decimals}f} %"
    shown = f"{max(margin, 0.1):.{decimals}f}"
    return f"{value:.{decimals}f} ± {shown} %"


def words_of(method: Mapping[str, Any]) -> dict[str, str]:
    """What the settings of a method say of its passes, and `WORDS` where they say nothing."""
    return {**WORDS, **method.get("words", {})}


def more_of(method: Mapping[str, Any], passes: int) -> str:
    """The option of a method that gives so many passes, rounded up to two digits: `max_passes=1500`."""
    step = 10 ** max(0, math.floor(math.log10(passes)) - 1)
    return words_of(method)["more"].replace("{passes}", str(math.ceil(passes / step) * step))


def sentence_of(row: Row) -> str:
    """What the row most probably is, what else it could be, how sure that is, and what its doubt is."""
    top = percent(row.probability, float(row.mc_error[row.label]))
    rival = 100 * row.probabilities[row.runner_up]
    between = between_in_words(row)
    sentence, said = f"{top} '{row.label_name}'{f', {between}' if between else ''}", row.verdict
    if row.no_clear_answer:
        said, others = verdicts.NO_CLEAR_ANSWER, len(row.probabilities) - 2
        next_one = percent(rival / 100, float(row.mc_error[row.runner_up])).partition(" ±")[0].rstrip(" %")
        sentence += f", then '{row.runner_up_name}' ({next_one} %) and {others} others"
    elif row.verdict != verdicts.SURE:
        sentence += f", or '{row.runner_up_name}' ({'< 1' if rival < 0.5 else f'{rival:.0f}'} %)"
    sentence += f": {said}."
    if row.reason is not None:
        share = percent(row.disagreement, row.disagreement_error)
        sentence += " " + _reason_in_words(row, row.reason, share, row.passes_to_settle)
    return sentence


def between_in_words(row: Row) -> str:
    """Where nine in ten networks lie: `between networks 40 to 62 %`; empty where it is unknown.

    Where a few networks pull the mean out of what nine in ten say, it is told of more of them, which hold it:
    `between networks 12 to > 99.9 % (99 % of them)`. Nothing is said where none that is known holds it.
    """
    for level in between.TOLD:
        ends = _ends_in_words(*row.interval(level), row.probability)
        if ends:
            of_them = "" if level == between.SHOWN else f" ({100 * level:g} % of them)"
            return f"between {words_of(row.method)['between']} {ends} %{of_them}"
    return ""


def _ends_in_words(low: float, high: float, mean: float) -> str:
    """Two ends in whole per cent, or with a decimal where the mean would else seem to lie outside of them.

    Empty where they are not known, or the mean does lie outside.
    """
    shown = round(100 * mean, 1)
    for decimals in (0, 1) if np.isfinite(low + high) else ():
        if round(100 * low, decimals) <= shown <= round(100 * high, decimals):
            first, last = (_end_in_words(end, decimals) for end in (low, high))
            return first if first == last else f"{first} to {last}"
    return ""


def _end_in_words(end: float, decimals: int) -> str:
    """An end with so many decimals, or with one where it would round to 0 or 100."""
    if 100 * end < 0.05 or 100 * end >= 99.95:
        return "< 0.1" if end < 0.5 else "> 99.9"
    percent = f"{100 * end:.{decimals}f}"
    return f"{100 * end:.1f}" if percent in ("0", "100") else percent


def _reason_in_words(
    row: Row | MultilabelRow, reason: str, share: str, passes_to_settle: int, names: str = ""
) -> str:
    """What was seen of a row, or of those of its labels that have these names."""
    familiarity = row.familiarity if isinstance(row, Row) else None
    return REASON_IN_WORDS[reason].format(
        passes=words_of(row.method)["passes"],
        names=names,
        share=share,
        spent=f"{row.passes:,}",
        more=more_of(row.method, passes_to_settle),
        unlike="" if familiarity is None else _at_most(familiarity),
        kind=row.kind,
    )


def sentences_of(row: MultilabelRow) -> str:
    """Which labels hold, which do not, how sure that is, and what was seen of its doubt.

    Up to `FEW_LABELS` labels are told one after the other: `'rain': 97 ± 1 % yes, sure.` More are told in
    groups: `Surely yes: 'dog' (97 ± 1 %). Coin flip: 'cat' (52 ± 3 % yes).` Those that surely do not hold are
    only counted.
    """
    labels = range(len(row.label_names))
    if len(labels) <= FEW_LABELS:
        return " ".join(sentence_of_label(row, k) for k in labels)
    order = np.argsort(-row.probabilities, kind="stable").tolist()
    sure, undecided = (row.verdict == word for word in (verdicts.SURE, verdicts.COIN_FLIP))
    groups = (
        ("Surely yes", "", sure & row.yes),
        ("Leaning yes", "", ~sure & ~undecided & row.yes),
        ("Coin flip", " yes", undecided),
        ("Leaning no", " yes", ~sure & ~undecided & ~row.yes),
    )
    sentences = []
    for heading, of_what, members in groups:
        chosen = [k for k in order if members[k]]
        if heading == "Coin flip":
            chosen.sort(key=lambda k: abs(float(row.probabilities[k]) - 0.5))  # the most undecided first
        named = [f"'{row.label_names[k]}' ({_percent_yes(row, k)}{of_what})" for k in chosen]
        if named or heading == "Surely yes":
            sentences.append(f"{heading}: {_listed(named)}.")
    if surely_not := int(np.sum(sure & ~row.yes)):
        which = "all" if surely_not == len(labels) else "the other"
        sentences.append(f"Surely not: {which} {surely_not} of {len(labels)} labels.")
    for reason in verdicts.REASONS:
        members = [k for k in order if row.reason[k] == reason]
        if members:
            names = _listed(f"'{row.label_names[k]}'" for k in members)
            share, most = _share_of_several(row, members), int(row.passes_to_settle[members].max())
            sentences.append(_reason_in_words(row, reason, share, most, f" ({names})"))
    return " ".join(sentences)


def _share_of_several(row: MultilabelRow, members: list[int]) -> str:
    """The share of the doubt nearest to a half: `at most 12 ± 1 %`, or `at least 61 ± 2 %`."""
    if row.reason[members[0]] == verdicts.DISAGREEMENT:
        about, nearest = "at least", min(members, key=lambda k: float(row.disagreement[k]))
    else:
        about, nearest = "at most", max(members, key=lambda k: float(row.disagreement[k]))
    share = percent(float(row.disagreement[nearest]), float(row.disagreement_error[nearest]))
    return share if len(members) == 1 else f"{about} {share}"


def sentence_of_label(row: MultilabelRow, k: int) -> str:
    """What is said of label k, as in `'wind': 52 ± 3 % yes, coin flip (the passes disagree: …)`."""
    answer = "yes" if row.yes[k] else "no"
    top = max(float(row.probabilities[k]), 1 - float(row.probabilities[k]))
    sentence = f"'{row.label_names[k]}': {percent(top, float(row.mc_error[k]))} {answer}, {row.verdict[k]}"
    if row.reason[k] is not None:
        share = percent(float(row.disagreement[k]), float(row.disagreement_error[k]))
        words = _reason_in_words(row, row.reason[k], share, int(row.passes_to_settle[k])).rstrip(".")
        sentence += f" ({words[0].lower()}{words[1:]})"
    return sentence + "."


def _at_most(share: float) -> str:
    """A share in per cent, rounded up to one decimal."""
    return f"{math.ceil(1_000 * share - 1e-9) / 10:.1f} %"


def _percent_yes(row: MultilabelRow, k: int) -> str:
    return percent(float(row.probabilities[k]), float(row.mc_error[k]))


def _listed(named: Iterable[str]) -> str:
    given = list(named)
    more = len(given) - MOST_NAMED
    return ", ".join(given[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if given else "none"
