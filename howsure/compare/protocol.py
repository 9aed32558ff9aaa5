"""The part `compare` of a kind of answer, by which results of it can be compared, and names that all use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from howsure.errors import ModelError
from howsure.judge.metrics import Metric
from howsure.judge.scores import Score
from howsure.methods.protocol import Job, Needs, Passes
from howsure.models.protocol import Model

if TYPE_CHECKING:
    from howsure.compare.comparison import Comparison
    from howsure.compare.members import Alone
    from howsure.compare.parts import Claims, Parts


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


@dataclass(frozen=True)
class DrawnDifferences:
    """Differences from the baseline as a drawing shows them: further right is better.

    Attributes:
        scores: By what the differences were given by.
        zero: Place of the baseline.
        tick: From the number at a tick to its label.
        value: From a score to its value and its interval as texts.
    """

    scores: Mapping[Any, Score]
    zero: float
    tick: Callable[[str], str]
    value: Callable[[Score], tuple[str, str]]


class Words(Protocol):
    """How a comparison of results of one kind is told.

    Attributes:
        main: The score that decides which method to take.
        questions: By score, the most important first.
        changed: Scores of a page on changed rows.
        short: Headings and scores of the short table.
        better: A word for a method that is better in `main` than the baseline.
        worse: A word for one that is worse.
        given: Description of given results, a sentence.
        shift: The words for changed rows.
        reasons: Meaning of a part of the difference in `main`, by whether it is better: end of a sentence.
        axes: Names of what is claimed and of what came true, as `Claims` have them in their curve.
        point: A sentence about how many `{rows}` of a point of the curve, what they `{claimed}`, and how much
            came `{true}`.
        one_number: Sentence on the quantities that calibration by one number leaves as they are.
        page: The template of the page.
    """

    main: str
    questions: Mapping[str, Wording]
    changed: Sequence[str]
    short: Sequence[tuple[str, str]]
    better: str
    worse: str
    given: str
    shift: ShiftWording
    reasons: Mapping[tuple[str, bool], str]
    axes: tuple[str, str]
    point: str
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

    def drawn(self, gaps: Mapping[Any, Score]) -> DrawnDifferences:
        """Differences from the baseline in `main`, as they are drawn."""


def joined(blocks: Iterator[Any], rows: int, folder: Path) -> Any:
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
        familiar: From such an evaluation, (N,) and (M,) familiarities, to how well these tell rows apart;
            None likewise.
        calibrated: From a result, the true answers, the same rows under shifts, and OOD rows, to
            all of them calibrated: those of the known rows, and the OOD ones. Then for each of the former
            what rows do to its scores through cross-fits, `howsure.judge.cross_fit.Through` by name, where
            the result itself does not tell. Takes `seed`.
        completed: The same for what a result lacks to be scored, which is learned from the other rows; it
            returns a result that lacks nothing as it is. None if nothing can be missing.
        mistakes: From a result and the true answers to the number of wrong ones; None if answers are not
            right or wrong.
        parts: From a result, the true answers and its evaluation to the `Parts` of its NLL, or None.
        claims: From the same to the `Claims` beside what came true, or None.
        alone: Scores of a network alone; see `howsure.compare.members.Alone`. None if it is not scored.
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
    familiar: Callable[[Any, Any, Any], Any] | None = None
    completed: Callable[..., tuple[list[Any], list[Any], list[Any]]] | None = None
    mistakes: Callable[[Any, Any], int] | None = None
    alone: Alone | None = None
    keep: str | None = None
    gathered: Callable[[Iterator[Any], int, Path], Any] = joined
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
