"""Parts of a comparison for results of one class per row: true classes, scores, calibration and words.

`howsure.compare.parts` says what the worth of percentages is, part by part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from howsure.compare.comparison import AS_THEY_ARE, Comparing, Comparison, ShiftWording, Wording
from howsure.compare.parts import (
    ACCURACY,
    ALTERNATIVES,
    CALIBRATION,
    DISCRIMINATION,
    OFFSETS,
    ORDER,
    SURENESS,
    ZEROS,
    Claims,
    Parts,
    Scale,
    at_best,
    halved,
    left_out,
    less,
    nothing,
)
from howsure.compare.sentences import (
    in_numbers,
    joined,
    share_in_words,
    the,
    with_interval,
)
from howsure.errors import InputError
from howsure.evaluation.score import (
    LEAST_MISTAKES,
    SMALLEST,
    Mean,
    Measured,
    Score,
    centred,
    value_and_interval,
)
from howsure.evaluation.temperature import least
from howsure.inputs.labels import check_labels, error_if_misread
from howsure.inputs.rows import quoted
from howsure.methods.plain import SOFTMAX
from howsure.results.columns import WIDE, WIDE_AT_LEVELS, WIDE_OF_NETWORKS
from howsure.results.result import Result
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification import maps
from howsure.tasks.classification.calibrate import cross_calibrated
from howsure.tasks.classification.evaluate import Evaluation, beside, evaluate_numbers
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import METRICS
from howsure.tasks.truth import truth_of
from howsure.words import UNIT, counted, rate, upper

# --- words --------------------------------------------------------------------------------------------


class ClassWords:
    """The words of one class per row; see `howsure.compare.comparison.Words`."""

    main = "nll"
    questions: Mapping[str, Wording] = {
        "nll": Wording(
            "Which method has the most accurate percentages?",
            "the most accurate percentages",
            "on average {it} gives the true class {value}",
        ),
        "aurc": Wording(
            "Which method knows best when it is wrong?",
            "the best order from certain to doubtful",
            "on average over the shares of {kind}s that {it} may answer, surest first, {value} of "
            "the answers are wrong",
            "below",
        ),
        "accuracy": Wording(
            "Which method is right most often?", "the most right answers", "{it} is right on {value}", "above"
        ),
    }
    changed: Sequence[str] = ("nll", "accuracy")
    short: Sequence[tuple[str, str]] = (
        ("right", "accuracy"),
        ("NLL", "nll"),
        ("ECE", "ece"),
        ("AURC", "aurc"),
    )
    advantage = "more accurate percentages"
    scale = ("temperature", "the best one; 1 changes nothing")
    given = "Percentages that were given."
    shift = ShiftWording(
        "How often {baseline} is still right",
        "which method gives the true class the highest percentage, among those that are above {baseline} by "
        "more than chance",
        "{method} gives {gap}",
        "no method gives more by more than chance",
    )
    reasons: Mapping[tuple[str, bool], str] = {
        (CALIBRATION, True): "its percentages fit better how often it is right",
        (CALIBRATION, False): "its percentages fit worse how often it is right",
        (ACCURACY, True): "it is right more often",
        (ACCURACY, False): "it is right less often",
        (ORDER, True): "it knows better which answers are doubtful",
        (ORDER, False): "it knows less well which answers are doubtful",
        (ALTERNATIVES, True): "it knows better what else it could be",
        (ALTERNATIVES, False): "it knows less well what else it could be",
        (DISCRIMINATION, True): "its percentages say more, also once both are calibrated",
        (DISCRIMINATION, False): "its percentages say less, also once both are calibrated",
    }
    one_number = (
        "One number for all rows hardly changes their order, so it does not help to tell which answers are "
        "wrong."
    )
    page = "classification/comparison.html.j2"

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """See `Words`."""
        than, baseline = the(comparison, comparison.methods[0]), comparison.methods[0]
        if not comparison.difference(method, baseline, self.main).known:
            rates = (comparison.score(name, "accuracy").value for name in (method, baseline))
            more, less = (rate(each) for each in rates)
            return f"Take {the(comparison, method)}: it is right on {more}, and {than} on {less}."
        sentence = f"Take {the(comparison, method)}: its percentages are more accurate than those of {than}"
        where = f", but less accurate if {comparison.kind}s are {quoted(worse)}" if worse else ""
        return f"{sentence}{where}."

    def nothing(self, comparison: Comparison) -> str:
        """See `Words`."""
        return "Nothing could be compared."

    def doubt(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        return _few(comparison) if name != "accuracy" else ""

    def value(self, comparison: Comparison, method: str, name: str, rows: str) -> str:
        """A score in per cent with its interval; for the NLL, the mean percentage of the true class."""
        score = comparison.score(method, name, rows)
        if name != "nll":
            return share_in_words(score)
        return share_in_words(Score(*np.exp([-score.value, -score.high, -score.low]).tolist()))

    def gap(self, comparison: Comparison, gap: Score, name: str, than: str) -> str:
        """By how much the best method is better than another, from the difference of their scores."""
        if name == "nll":
            return self.does(comparison, gap, than).removeprefix("gives the true class ")
        sign = 100 if comparison.comparing.metrics[name].higher else -100
        low, high = sorted((sign * gap.low, sign * gap.high))
        value, interval = in_numbers(Score(sign * gap.value, low, high))
        beside = self.questions[name].beside
        return with_interval(f"{value}\u00a0points {beside} {than}", interval)

    def note(self, comparison: Comparison, name: str) -> str:
        """The explanation of the NLL and of the average in the answer; empty for other scores."""
        best = comparison.ranked(name).best
        if name != "nll" or best is None:
            return ""
        nll, _ = value_and_interval(comparison.score(best, name))
        return (
            f"This is an NLL (negative log-likelihood) of {nll}. The NLL is 0 if every true class got 100 %, "
            "and 0.69 for a coin flip between two classes. The average is the geometric mean, e to the power "
            "of −NLL."
        )

    def cell(self, score: Score, per_cent: bool) -> tuple[str, str]:
        """See `Words`."""
        return value_and_interval(score, per_cent=per_cent)

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """How often the baseline is right, beside what it claims."""
        return self.claimed(comparison.claims[comparison.methods[0], rows])

    def claimed(self, claims: Claims) -> str:
        """See `Words`."""
        return f"right on {rate(claims.true)}, claimed {rate(claims.claimed)}"

    def does(self, comparison: Comparison, gap: Score, than: str = "") -> str:
        """See `Words`."""
        factor = factor_of(gap)
        if factor.value > MOST_TIMES:
            value, interval, amount, word = "", "", f"more than {MOST_TIMES:,} times as much", "as"
        elif not 0.5 < factor.value < 2:
            value, interval = in_numbers(factor, mark=1.0)
            amount, word = f"{value} times as much", "as"
        else:
            more = percent_more(factor)
            less = Score(-more.value, -more.high, -more.low)
            value, interval = in_numbers(less if more.value < 0 else more, UNIT)
            amount, word = f"{value} {'less' if more.value < 0 else 'more'}", "than"
        than = f"{word} {than}" if than else ""
        return f"gives the true class {with_interval(joined(amount, than), interval)}"

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """See `Words`."""
        return self.does(comparison, gap, than).replace("gives", "give", 1)

    def amount(self, comparison: Comparison, gap: Score) -> str:
        """See `Words`: in per cent of what the true class gets, or as a factor, as parts multiply."""
        factor = factor_of(gap)
        amount, _ = _more(percent_more(factor)) if 0.5 < factor.value < 2 else _times(factor)
        return amount

    def of_calibration(self, comparison: Comparison, method: str, cause: str, it: str) -> str:
        """See `Words`."""
        claims = comparison.claims[method, AS_THEY_ARE]
        if cause == ZEROS:
            share, kinds = rate(claims.zeros), f"{comparison.kind}s"
            return f"in {share} of {kinds} {it} gave the true class 0\u00a0%"
        if cause == OFFSETS:
            name, claimed, true = claims.tilted
            return f"{it} gives '{name}' {rate(claimed)} on average, and it is true in {rate(true)}"
        if cause == SURENESS:
            sure = comparison.parts[method].scale.value > 0
            sentence = f"{it} is too {'sure' if sure else 'modest'}"
            if (claims.claimed > claims.true) == sure:
                sentence += f": it claims {rate(claims.claimed)} and is right on {rate(claims.true)}"
            return sentence
        return f"the percentages of {it} do not fit how often it is right"

    def gains(self, gaps: Mapping[Any, Score]) -> Mapping[Any, tuple[str, str]]:
        """How much more methods give the true class than the baseline: in per cent, or factors from 2 on."""
        factors = {key: factor_of(gap) for key, gap in gaps.items()}
        if any(factor.value >= 2 for factor in factors.values()):
            return {key: _times(factor) for key, factor in factors.items()}
        return {key: _more(percent_more(factor)) for key, factor in factors.items()}


_TIMES = "×\u00a0"

MOST_TIMES = 1000
"""Ratio of percentages above which it is only said to be larger: there the floor of the NLL decides it."""


def _times(factor: Score) -> tuple[str, str]:
    if factor.value > MOST_TIMES:
        return f"> {_TIMES}{MOST_TIMES:,}", ""
    value, interval = in_numbers(factor, mark=1.0)
    return _TIMES + value, interval


def _more(score: Score) -> tuple[str, str]:
    value, interval = in_numbers(score, UNIT)
    return ("+" if score.value > 0 else "") + value, interval


def _few(comparison: Comparison) -> str:
    """A sentence that there are too few mistakes for a conclusion, or empty."""
    wrong = comparison.mistakes
    fewest = min(wrong, key=lambda method: wrong[method])
    if wrong[fewest] >= LEAST_MISTAKES:
        return ""
    return (
        f"{upper(the(comparison, fewest))} makes {counted(wrong[fewest], 'mistake')} here. With fewer than "
        f"{LEAST_MISTAKES} mistakes, the size of chance is unknown."
    )


def factor_of(gap: Score) -> Score:
    """Ratio of the probabilities that two methods give the true class: exp(−difference of their NLL).

    It is a geometric mean over rows.
    """
    return Score(*np.exp([-gap.value, -gap.high, -gap.low]).tolist())


def percent_more(factor: Score) -> Score:
    """A factor as a change in per cent."""
    return Score(*(100 * (end - 1) for end in (factor.value, factor.low, factor.high)))


CLASS_WORDS = ClassWords()


# --- scores, parts and calibration --------------------------------------------------------------------


BY_NAME = (WIDE, WIDE_AT_LEVELS, WIDE_OF_NETWORKS)
"""Shapes of columns with a value for each name."""

R = TypeVar("R", bound=Result[Any])


@dataclass(frozen=True, eq=False)
class Mended:
    """Probabilities (N, K) once calibration is mended by θ = (β, offsets) of least NLL.

    Attributes:
        q: The probabilities.
        loss: Their NLL, with what the choice hides.
        theta: (P,).
        steps: (N, P) by how far a row that counts once more moves θ, with the sign changed.
        leverage: (N,) share of each row in the curvature.
    """

    q: Floats
    loss: Mean
    theta: Floats
    steps: Floats
    leverage: Floats

    @staticmethod
    def by(learns: Sequence[str], logs: Floats, truth: Integers, mistakes: int) -> Mended:
        """Learn a temperature, offsets, or both, from log p (N, K)."""
        rows, target = len(logs), np.eye(logs.shape[1])[truth]
        start = np.append(1.0, np.zeros(logs.shape[1] * ("offsets" in learns)))
        theta, best = least(lambda theta: maps.objective(theta, learns, logs, target), start, maps.LIMIT)
        slopes, inverse = best.slope[:rows], np.linalg.inv(best.curvature.sum(axis=0))
        scores = theta[0] * logs + (theta[1:] if len(theta) > 1 else 0.0)
        q = softmax(scores, axis=1)
        # The curvature of a row is the covariance of (log p, its class) under q.
        mean, square = np.sum(q * logs, axis=1, keepdims=True), inverse[0, 0] * logs**2
        if len(theta) > 1:
            mean, square = np.hstack([mean, q]), square + 2 * inverse[0, 1:] * logs + np.diag(inverse)[1:]
        leverage = np.sum(q * square, axis=1) - np.einsum("np,np->n", mean @ inverse, mean)
        steps = slopes @ inverse
        return Mended(
            q, at_best(best.value[:rows], steps, slopes, leverage, mistakes), theta, steps, leverage
        )

    def moved(self, slope: Floats) -> Floats:
        """(N,) what rows contribute to a score through θ, of which it has the slope (P,)."""
        return np.asarray(-(self.steps @ slope) * left_out(self.leverage))


def parts(result: Certainty, truth: Integers, evaluation: Evaluation) -> Parts:
    """The parts of the NLL of (N, K) probabilities."""
    nll, p = evaluation.measured("nll"), np.asarray(result.probabilities, dtype=np.float64)
    filled, zeros = without_zeros(p, truth, nll)
    logs, count = np.log(np.maximum(filled, SMALLEST)), nll.mistakes
    sureness = Mended.by(maps.METHODS["temperature"], logs, truth, count)
    best, offsets = sureness, nothing(nll)
    if _offsets_help(logs, truth, sureness.theta[0]):
        best, alone = (Mended.by(maps.METHODS[learns], logs, truth, count) for learns in ("both", "offsets"))
        offsets = halved(less(less(nll, zeros), alone.loss), less(sureness.loss, best.loss))
    slopes = best.steps[:, 0] / best.theta[0]
    return Parts(
        nll=nll,
        best=best.loss,
        accuracy=of_shares((best.q.argmax(axis=1) == truth).astype(np.float64), p.shape[1], count),
        alternatives=_alternatives(best, logs, truth, count),
        zeros=zeros,
        offsets=offsets,
        scale=Scale(
            float(-np.log(best.theta[0])), slopes * left_out(best.leverage), count, leverage=best.leverage
        ),
    )


def without_zeros(p: Floats, truth: Integers, nll: Measured) -> tuple[Floats, Mean]:
    """Probabilities (N, K) without any 0, and what these cost; the same where no true class got 0.

    A share of each is spread evenly over the classes, the one of least NLL.
    """
    of_true, classes = p[np.arange(len(p)), truth], p.shape[1]
    if of_true.all():
        return p, nothing(nll)

    def losses(share: float) -> Floats:
        return np.asarray(-np.log((1 - share) * of_true + share / classes))

    share = minimize_scalar(lambda share: losses(share).sum(), bounds=(0, 1), method="bounded").x
    slopes = ((of_true - 1 / classes) / ((1 - share) * of_true + share / classes))[:, None]
    curvature = np.sum(slopes**2)
    filled = at_best(losses(share), slopes / curvature, slopes, slopes**2 / curvature, nll.mistakes)
    return (1 - share) * p + share / classes, less(nll, filled)


def _offsets_help(logs: Floats, truth: Integers, beta: float) -> bool:
    """Whether offsets gain more than numbers that mean nothing (Akaike 1974), by a score test (Rao 1948)."""
    classes = logs.shape[1]
    at = maps.objective(
        np.append(beta, np.zeros(classes)), maps.METHODS["both"], logs, np.eye(classes)[truth]
    )
    slope = at.slope.sum(axis=0)
    return bool(slope @ at.step(slope) / 2 > classes - 1)


def _alternatives(best: Mended, logs: Floats, truth: Integers, mistakes: int) -> Mean:
    """The NLL of the true class among all but the top one, less log (K − 1), where that is wrong."""
    rows, top = np.arange(len(logs)), best.q.argmax(axis=1)
    others = best.q.copy()
    others[rows, top] = 0
    left = others.sum(axis=1)
    others /= np.maximum(left, np.finfo(np.float64).tiny)[:, None]
    wrong = (top != truth) & (left > 0)
    of_true = np.where(wrong, others[rows, truth], 1.0)
    losses = np.where(wrong, -np.log(np.maximum(of_true, SMALLEST)) - np.log(max(logs.shape[1] - 1, 1)), 0.0)
    others[rows, truth] -= 1
    others *= wrong[:, None]
    slope = np.append(np.sum(others * logs), others.sum(axis=0))[: len(best.theta)] / len(logs)
    return Mean(float(losses.mean()), centred(losses) + best.moved(slope), mistakes)


def of_shares(right: Floats, classes: int, mistakes: int) -> Mean:
    """The NLL of saying of every answer that it is right as often as all are, and each other class alike.

    Args:
        right: (N,) 0 or 1, or the share of positions that are right.
        classes: K.
        mistakes: How many rows decide the score.
    """
    share = float(np.mean(right))
    if not 0 < share < 1:
        lost = 0.0 if share else np.log(max(classes - 1, 1))
        return Mean(lost, np.zeros(len(right)), mistakes)
    losses = -right * np.log(share) - (1 - right) * np.log((1 - share) / max(classes - 1, 1))
    slopes, curvature = (right - share)[:, None], len(right) * share * (1 - share)  # in the log-odds
    return at_best(losses, slopes / curvature, slopes, np.full(len(right), 1 / len(right)), mistakes)


def claims(result: Certainty, truth: Integers, evaluation: Evaluation) -> Claims:
    """Percentages of the labels beside how often they are right."""
    del evaluation
    p = np.asarray(result.probabilities, dtype=np.float64)
    claimed, true = p.mean(axis=0), np.bincount(truth, minlength=p.shape[1]) / len(p)
    most = int(np.argmax(np.abs(claimed - true)))
    return Claims(
        float(np.mean(result.probability, dtype=np.float64)),
        float(np.mean(result.label == truth)),
        zeros=float(np.mean(p[np.arange(len(p)), truth] == 0)),
        tilted=(result.class_names[most], float(claimed[most]), float(true[most])),
    )


def _truth(labels: Any, rows: int, probe: Certainty) -> Integers:
    truth = check_labels(labels, rows, len(probe.class_names), probe.class_names)
    if np.size(labels) == len(truth):
        probe_rows = slice(len(probe))
        wrong = error_if_misread(
            np.ravel(labels)[probe_rows], truth[probe_rows], probe.label, probe.class_names
        )
        if wrong is not None:
            raise wrong
    return truth


def in_order_of(name: str, result: R, first: str, baseline: R, what: str) -> R:
    """A result with its classes, or whatever its columns are of, in the order of the baseline's, by names.

    Args:
        name: Name of the result in the comparison.
        result: The result.
        first: Name of the baseline.
        baseline: Its result.
        what: The word for them, in the plural.
    """
    names, own = getattr(baseline, baseline.names), getattr(result, result.names)
    if own == names:
        return result
    if sorted(own) != sorted(names):
        raise InputError(
            f"'{name}' has other {what} than '{first}'", expected=quoted(names), received=quoted(own)
        )
    order = [own.index(each) for each in names]
    wide = [column.name for column in result.columns if column.shape in BY_NAME and column.stored]
    of_columns = {column: getattr(result, column) for column in wide}
    turned: Any = {column: values[:, order] for column, values in of_columns.items() if values is not None}
    if isinstance(result, Certainty) and result.truth is not None:
        turned["truth"] = np.argsort(order)[result.truth]
    return replace(result, **{result.names: names}, **turned)


def _alone(p: Floats, truth: Integers, rows: Integers) -> tuple[Floats, Floats]:
    wrong = p.argmax(axis=1) != truth[rows]
    return -np.log(np.maximum(p[np.arange(len(rows)), truth[rows]], SMALLEST)), wrong.astype(np.float64)


COMPARING = Comparing(
    truth=_truth,
    known=truth_of,
    aligned=partial(in_order_of, what="classes"),
    scored=evaluate_numbers,
    beside=beside,
    calibrated=cross_calibrated,
    parts=parts,
    claims=claims,
    alone=_alone,
    mistakes=lambda result, truth: int(np.sum(result.label != truth)),
    metrics=METRICS,
    plain=SOFTMAX,
    needs="true classes",
    words=CLASS_WORDS,
)
