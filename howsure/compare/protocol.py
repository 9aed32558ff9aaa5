"""The part `compare` of a kind of answer, and names and pieces of sentences that all comparisons use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from howsure.adapters.protocol import Model
from howsure.digits import clear_of, measured, rounded, significant
from howsure.errors import InputError, ModelError
from howsure.evaluation.metrics import Metric
from howsure.evaluation.score import Score
from howsure.inputs.rows import quoted
from howsure.methods.choices import CHOICES
from howsure.methods.protocol import Job, Method, Needs, Passes
from howsure.words import UNIT, listed

if TYPE_CHECKING:
    from howsure.compare.comparison import Comparison
    from howsure.compare.parts import Claims, Parts
    from howsure.compare.passes import Alone


AS_THEY_ARE = "as they are"
"""Name of the unchanged rows."""

CALIBRATED = "{}, calibrated"
"""Name of a method after temperature scaling."""

LEAST_CALIBRATED = 10
"""Least rows for calibrated methods: two for each of five folds."""


@dataclass(frozen=True)
class Wording:
    """The words for the answer to one question.

    Attributes:
        question: A heading.
        has: The advantage of the best method.
        does: A sentence about the method `it` with the `value` of its score.
        beside: Whether the best value is above or below that of another.
    """

    question: str
    has: str
    does: str
    beside: str = ""


@dataclass(frozen=True)
class ShiftWording:
    """The words for changed rows.

    Attributes:
        said: Sentence about the baseline, `{baseline}`.
        asked: The question that the other method named answers.
        does: A sentence about a better `{method}` and the `{gap}` to the baseline.
        nothing: The sentence if no method is better.
    """

    said: str
    asked: str
    does: str
    nothing: str


class Words(Protocol):
    """How a comparison of results of one kind is told.

    Attributes:
        main: The score that decides which method to take.
        questions: By score, the most important first.
        changed: Scores of a page on changed rows.
        short: Headings and scores of the short table.
        given: Description of given results, a sentence.
        shift: The words for changed rows.
        reasons: Meaning of a part of the difference in `main`, by whether it is better: end of a sentence.
        one_number: Sentence on the quantities that calibration by one number leaves as they are.
        page: The template of the page.
    """

    main: str
    questions: Mapping[str, Wording]
    changed: Sequence[str]
    short: Sequence[tuple[str, str]]
    given: str
    shift: ShiftWording
    reasons: Mapping[tuple[str, bool], str]
    one_number: str
    page: str

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """To take a method that is better than the baseline, but worse on some changed rows."""

    def keep(self, comparison: Comparison) -> str:
        """To take the baseline."""

    def nothing(self, comparison: Comparison) -> str:
        """That `main` is not defined for any method."""

    def better_if(self, method: str) -> str:
        """That a method is better, the end of a sentence about changed rows."""

    def doubt(self, comparison: Comparison, name: str) -> str:
        """Why a score cannot be decided, or nothing."""

    def value(self, comparison: Comparison, method: str, name: str, rows: str) -> str:
        """A score in a sentence, with its interval."""

    def gap(self, comparison: Comparison, gap: Score, name: str, than: str) -> str:
        """By how much a method is better than another one."""

    def note(self, comparison: Comparison, name: str) -> str:
        """The meaning of the technical term, or nothing."""

    def cell(self, score: Score, per_cent: bool) -> tuple[str, str]:
        """A score and its interval in a table."""

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The value of the baseline on changed rows, in words."""

    def shifted_gap(self, comparison: Comparison, gap: Score) -> str:
        """By how much a method is better than the baseline in `main`, on changed rows."""

    def does(self, comparison: Comparison, gap: Score, than: str = "") -> str:
        """A difference in `main` in words: `gives the true class 8 % more than the softmax (4 to 12 %)`."""

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """`does` in the plural, for members together."""

    def amount(self, comparison: Comparison, gap: Score) -> str:
        """A part of a difference in `main`, with its sign: `+8 % (4 to 12 %)`."""

    def of_scale(self, comparison: Comparison, method: str, scale: Score, it: str) -> str:
        """That `it` is too sure, or too modest, and by how much."""

    def claimed(self, claims: Claims) -> str:
        """The claims beside the truth, in short."""

    def scale_in_words(self, scale: Score) -> str:
        """The best temperature, or factor, in brackets."""

    def gains(self, gaps: Mapping[Any, Score]) -> Mapping[Any, tuple[str, str]]:
        """Differences from the baseline in `main`, each as its value and its interval."""


def order_of(names: Sequence[str], own: Sequence[str], what: str) -> list[int] | None:
    """Places of names among a result's own; None if both are the same. Others are an `InputError`."""
    if tuple(own) == tuple(names):
        return None
    if sorted(own) != sorted(names):
        raise InputError(what, expected=quoted(names), received=quoted(own))
    return [own.index(name) for name in names]


def in_memory(blocks: Iterator[Any], rows: int, folder: Path) -> Any:
    """Blocks of a result as one in memory."""
    del rows, folder
    first, *others = blocks
    return first.joined([first, *others])


@dataclass(frozen=True)
class Comparing:
    """How results of one kind are scored side by side.

    Attributes:
        truth: From labels as a caller gives them, how many rows there are, and the plain prediction of the
            first of them, to the true answers; an `InputError` for what they cannot be.
        known: From a result, and labels or None, to the true answers.
        aligned: From name and result, and name and result of the baseline, to the result with its classes
            in the order of the baseline; an `InputError` if the classes differ.
        scored: From a result, the true answers, a seed, and what `calibrated` says of fits, or None, to an
            evaluation with a score by each name. With a class at each position, also without a `background`.
        beside: From an evaluation, its result, and one of OOD rows, to an evaluation of both. None if OOD
            rows are not scored.
        calibrated: From a result, the true answers, the same rows under shifts, and OOD rows, to
            all of them calibrated: those of the known rows, and the OOD ones. Then for each of the former
            what rows do to its scores through cross-fits, by name, where the result itself does not
            tell: `howsure.evaluation.cross_fit.FitInfluence`. Takes `seed`.
        completed: The same for what a result lacks to be scored, which is learned from the other rows; it
            returns a result that lacks nothing as it is. None if nothing can be missing.
        mistakes: From a result and the true answers to the number of wrong ones; None if answers are not
            right or wrong.
        parts: From a result, the true answers and its evaluation to the `Parts` of its NLL, or None.
        claims: From the same to the `Claims` beside what came true, or None.
        alone: Scores of a network alone; see `howsure.compare.passes.Alone`. None if it is not scored.
        metrics: The scores by name.
        plain: Name of the plain prediction among the methods that a model allows.
        needs: Name of the true answers: `true classes`.
        words: How the comparison is told.
        keep: Fields that results need for the scores, as `keep` of `howsure.assess`.
        gathered: From blocks, the number of rows, and a folder for temporary files, to one result.
        kept: From a scored result to what a comparison keeps of it.
    """

    truth: Callable[[Any, int, Any], Any]
    known: Callable[[Any, Any], Any]
    aligned: Callable[[str, Any, str, Any], Any]
    scored: Callable[..., Any]
    calibrated: Callable[..., tuple[list[Any], list[Any], list[Any]]]
    parts: Callable[[Any, Any, Any], Parts | None]
    claims: Callable[[Any, Any, Any], Claims | None]
    metrics: Mapping[str, Metric]
    plain: str
    needs: str
    words: Words
    beside: Callable[[Any, Any, Any], Any] | None = None
    completed: Callable[..., tuple[list[Any], list[Any], list[Any]]] | None = None
    mistakes: Callable[[Any, Any], int] | None = None
    alone: Alone | None = None
    keep: str | None = None
    gathered: Callable[[Iterator[Any], int, Path], Any] = in_memory
    kept: Callable[[Any], Any] = lambda result: result


GIVEN = "given"
"""Name of the method of a result that existed before."""


@dataclass(frozen=True)
class GivenMethod:
    """Stands in for the method of a given result. It cannot run.

    Args:
        in_words: Description of the results, a sentence.
    """

    in_words: str

    @property
    def settings(self) -> dict[str, Any]:
        """A name."""
        return {"name": GIVEN}

    @property
    def needs(self) -> Needs:
        """Nothing that a model could have."""
        return Needs(Model, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Raise a `ModelError`."""
        raise ModelError("A given result has no method that can run", expected="a method")


# --- pieces of sentences --------------------------------------------------------------------------------


NOUNS = frozenset(choice.name for choice in CHOICES)
"""Method names that need no quotes although they begin with a small letter."""


def joined(*sentences: str) -> str:
    """Sentences that are not empty, as one text."""
    return " ".join(sentence for sentence in sentences if sentence)


def quoted_list(names: Sequence[str]) -> str:
    """Names in quotes, in a sentence."""
    return listed([f"'{name}'" for name in names])


def share_in_words(score: Score) -> str:
    """A share in per cent with its interval."""
    ends = (score.value, score.low, score.high)
    return with_interval(*in_numbers(Score(*(100 * np.minimum(end, 1.0) for end in ends)), UNIT))


def in_numbers(score: Score, unit: str = "", mark: float = 0.0) -> tuple[str, str]:
    """A number and its interval for a sentence: `97.8 %` and `97.3 to 98.2 %`, or an empty interval.

    It has so many decimals that the interval is at least three steps wide, and up to two more if a number
    would otherwise be rounded to 0 or 100. One that is rounded to the mark, which would change nothing, has
    as many as tell on which side of it it lies.
    """
    ends = (score.value, score.low, score.high)
    if not score.high - score.low > 1e-9 * max(abs(score.value), 1):
        return f"{score.value:.4g}{unit}".replace("-", "−"), ""
    decimals = max(0, math.ceil(-math.log10((score.high - score.low) / 3)))
    for _ in range(2):
        decimals += any(round(end, decimals) in (0, 100) and end not in (0, 100) for end in ends)
    value, low, high = (rounded(end, clear_of(mark, end, decimals)).replace("-", "−") for end in ends)
    return f"{value}{unit}", f"{low}\u00a0to\u00a0{high}{unit}"


def scale_in_words(scale: Score) -> tuple[str, str, str]:
    """A temperature or factor and its ends, from logarithms; two digits each where they lie far apart."""
    value, low, high = np.exp([scale.value, scale.low, scale.high])
    if high < 5 * low:
        return measured(value, low, high, mark=1.0)
    return significant(value, 2, 1.0), significant(low, 2, 1.0), significant(high, 2, 1.0)


def with_interval(value: str, interval: str) -> str:
    """A value and its interval in brackets, if there is one."""
    return f"{value} ({interval})" if interval else value


def the(comparison: Comparison, name: str) -> str:
    """A method in a sentence: `the softmax`, `the calibrated softmax`, `calibrated MC dropout`, `'mine'`."""
    bare = comparison.calibrations.get(name, name)
    calibrated = "calibrated " if bare != name else ""
    if not bare[:1].islower():
        return f"{calibrated}{bare}"
    return f"the {calibrated}{bare}" if bare in NOUNS else f"{calibrated}'{bare}'"


def besides(
    comparison: Comparison, method: str, name: str, called: str, in_words: Callable[[Score], tuple[str, str]]
) -> str:
    """Whether a method is better than the baseline in another score too, a sentence; empty if unknown.

    Args:
        comparison: The comparison.
        method: The method.
        name: The score.
        called: Name of the score in a sentence.
        in_words: From the difference to how large it is and its interval, in words.
    """
    gap = comparison.difference(method, comparison.methods[0], name)
    if gap.value == 0:
        return f"The {called} is the same."
    if not gap.known:
        return ""
    if not gap.excludes_zero:
        return f"The {called} does not differ by more than chance."
    better = (gap.value > 0) == comparison.comparing.metrics[name].higher
    return f"{'Its' if better else 'But its'} {called} is {with_interval(*in_words(gap))}."


CHEAP = 1.5
"""Plain predictions from which a cost is told."""


def networks_of(kind: Method) -> int:
    """How many networks have to be trained for a method."""
    return int(kind.settings.get("members", 1)) if kind.settings.get("name") == "ensemble" else 1


def price_of(comparison: Comparison, method: str) -> str:
    """The cost of a method, `5 plain predictions, of 5 networks`; empty if it is hardly more than one."""
    networks, cost = networks_of(comparison.kinds[method]), comparison.costs[method]
    trained = (
        [f"of {networks} networks" if np.isfinite(cost) else f"{networks} networks"] if networks > 1 else []
    )
    spent = [f"{cost_in_words(cost)} plain predictions"] if np.isfinite(cost) and cost >= CHEAP else []
    return ", ".join([*spent, *trained])


def cost_in_words(cost: float) -> str:
    """A number of plain predictions: `5`, `2.8`, `163`."""
    return f"{cost:,.0f}" if cost >= 9.95 else f"{cost:.1f}".removesuffix(".0")
