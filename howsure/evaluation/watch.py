"""Does the promise of rules still hold? Rows that come with labels are held against it, one after the other.

Tests that may be looked at after every row are in `howsure.evaluation.betting`. An alarm is false in 5 % of
all cases at most, over all time: one half of that is left to the chance of the labelled rows that the rules
were fitted to, the other to that of the rows to come. All promises share it, by the mean of their wealth.

A coverage is promised on average over draws of the labelled rows. With those that were drawn, it may be
less for the rows to come. The limit is the least that it then is, with 97.5 % confidence, as `surely_covered`
says: a coverage above it is no change. A risk holds with 95 % confidence over the labelled rows, and is its
own limit.

Rows without labels say nothing of a promise. Their shares, such as that of coin flips, are held against those
at fitting: each should lie in the interval that these leave it (Clopper and Pearson 1934).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from howsure.arguments import check_type
from howsure.displayed import Displayed
from howsure.errors import InputError, warn
from howsure.evaluation.betting import Course, CoursePoint, Portion
from howsure.evaluation.conformal import surely_covered
from howsure.evaluation.fitted_rows import KEPT, LEAST_DISTINCT, digests, in_words
from howsure.evaluation.rules import Rules, rules_in
from howsure.inputs.align import aligned, check_ids
from howsure.inputs.labels import is_missing
from howsure.inputs.typed_json import read_sealed, typed, write_sealed
from howsure.results.check import check_result
from howsure.results.origin import DECIDED
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import proportion_interval
from howsure.tasks.task import task_named
from howsure.tasks.verdict import VERDICTS
from howsure.words import counted, rate, upper

KIND, FORMAT = "howsure watch", 1
"""The kind that a file names, and the version of its format."""

HALF = 0.025
"""Half of the share of false alarms."""

AT_A_TIME = 2**14
"""Draws that are prepared at once."""

NORMAL = 3.291
"""Normal quantile of the interval of a share since a change: 99.9 %, as losses choose its rows."""

SHARES: Mapping[str, Mapping[str, str]] = {
    "verdict": {word: f"have the verdict '{word}'" for word in VERDICTS},
    "hand_over": {"True": "are handed over"},
    "unfamiliar": {"True": "are unfamiliar"},
}
"""By column and value, what is said of the rows that have it."""

Losses = tuple[Floats, Floats, Floats, Floats]
"""Losses and weights of some rows (n, P), and by class (n, P, K) how much of them counts and is lost."""


@dataclass(frozen=True)
class Promise:
    """A promise, and the largest share of losses that does not refute it.

    Attributes:
        about: A title.
        sentence: A sentence about rows, with a place for their share.
        share: The promised share of hits or, if it is of losses, of these.
        limit: The largest share of losses.
        of_losses: Whether it promises few losses, and not many hits.
    """

    about: str
    sentence: str
    share: float
    limit: float
    of_losses: bool = False

    def said(self, losses: float, aside: str = "") -> str:
        """The sentence about rows with a share of losses."""
        return self.sentence.format(self.shown(losses) + aside)

    def shown(self, losses: float) -> str:
        """A share of losses as the promise has it."""
        return rate(losses if self.of_losses else 1 - losses)


@dataclass(frozen=True)
class ShareAtFitting:
    """A share of the labelled rows, and the interval that they leave it.

    Attributes:
        column: The column of decided rows.
        value: The value that is counted, as text.
        share: The share.
        low: Lower end of its interval.
        high: Upper end.
    """

    column: str
    value: str
    share: float
    low: float
    high: float

    def said(self, share: float) -> str:
        """A sentence about rows with another share."""
        return f"{rate(share)} {SHARES[self.column][self.value]} ({rate(self.share)} at fitting)"


class Watch(Displayed):
    """Says whether the promise of rules still holds; `howsure.watch` makes one.

    Attributes:
        rules: The rules.
        rows: How many rows with labels it was given.
        missing: How many of these had no label themselves.
        unlabelled: How many rows without labels it was given.
    """

    def __init__(self, rules: Rules) -> None:
        check_type(rules, Rules, "rules", "what howsure.fit_rules gives")
        self.rules = rules
        self.rows = self.missing = self.unlabelled = 0
        self._last: dict[str, list[str]] = {}
        self._promises, self._shares = _promises_of(rules), _shares_of(rules)
        of_shares = [limit for share in self._shares for limit in (share.high, 1 - share.low)]
        limits = np.array([promise.limit for promise in self._promises])
        self._with_labels = Course.of(limits, HALF, len(self._classes))
        self._without = Course.of(np.array(of_shares), HALF)

    @property
    def _classes(self) -> tuple[str, ...]:
        """Names of the classes or labels that losses are counted by; none for other answers."""
        origin: Any = self.rules.origin
        return origin.names if task_named(origin.kind).result_type.has("in_set") else ()

    @property
    def alarm(self) -> bool:
        """Whether a promise is refuted; once it is, this stays."""
        return self._with_labels.alarm is not None

    @property
    def since(self) -> int | None:
        """About since which of the rows with labels, from 1, the promise is broken; None without an alarm."""
        since = self._with_labels.since
        return None if since is None else since.row

    @property
    def changed(self) -> bool:
        """Whether rows without labels are others than those at fitting; once they are, this stays."""
        return self._without.alarm is not None

    def update(self, decided: Any, labels: Any = None, *, groups: ArrayLike | None = None) -> None:
        """Hold further rows against the promise; rows without labels against those at fitting.

        Portions of any size give the same course.

        Args:
            decided: N ≥ 0 rows that these rules have decided, in the order in which they came. A row counts
                once with its label, and once without.
            labels: Their true answers, as for `howsure.evaluate`; rows whose own label is missing (None, NaN)
                are left out. Default: those of the result, or none.
            groups: (N,) the group of each row, such as its patient: rows of a group depend on each other, and
                count as one draw. All rows of a group belong into one portion.

        Raises:
            InputError: Rows that other rules have decided, or none; labels or groups that do not fit.
        """
        self._check(decided, groups)
        if not len(decided):
            return
        draw_of_row = _draws_of_rows(groups, decided)
        if labels is None and decided.truth is None:
            self._warn_of_the_same(decided, "without")
            numbers = self.unlabelled + 1 + np.arange(len(decided))
            _add(self._without, decided, draw_of_row, numbers, self._losses_of_shares)
            self.unlabelled += len(decided)
            return
        labels, places = _known(decided, decided.truth if labels is None else labels)
        known = (decided if len(places) == len(decided) else decided[places]).with_truth(labels)
        self._warn_of_the_same(decided, "with_labels")
        _add(self._with_labels, known, draw_of_row[places], self.rows + 1 + places, self._losses)
        self.rows += len(decided)
        self.missing += len(decided) - len(places)

    def _check(self, decided: Any, groups: Any) -> None:
        """Raise unless these rules have decided the rows; warn where rows cannot count."""
        origin: Any = self.rules.origin
        check_result(decided, task_named(origin.kind).result_type, origin.names)
        by = decided.method.get(DECIDED)
        if by != self.rules.mark:
            raise InputError(
                "Other rules than these have decided the rows" if by else "No rules have decided these rows",
                expected=f"rows that the rules '{self.rules.mark}' have decided",
                received=f"rows that the rules '{by}' have decided" if by else "rows as they were assessed",
                hint="Watch those rules: `howsure.watch(rules)`" if by else "Call the rules: `rules(result)`",
            )
        if groups is None and getattr(self.rules.sets, "groups", None) is not None:
            raise InputError(
                "The rules promise for groups of rows that depend on each other, and no groups are given",
                expected="`groups`, one for each row",
                hint="If each row is of a group of its own: `groups=numpy.arange(len(decided))`",
            )
        learnt = in_words(decided)
        if learnt is not None:
            warn(f"{learnt}, so they say too little against its promise. Watch other rows.")

    def _warn_of_the_same(self, decided: Any, which: str) -> None:
        """Warn where rows of the last portion of a course come again; by ids, or else by what they say."""
        named = decided.ids is not None
        names = {f"{name}" for name in (decided.ids if named else digests(decided)).tolist()}
        again = len(names.intersection(self._last.get(which, ())))
        if again and (named or again > max(LEAST_DISTINCT, len(names) / 2)):
            warn(
                f"{counted(again, 'row')} of the last portion are in this one as well. Give each row once, "
                "and once more when its label is known: what counts twice may raise a false alarm."
            )
        self._last[which] = sorted(names)[:KEPT]

    def _losses(self, part: Any) -> Losses:
        """The losses of rows with labels, by promise."""
        truth, rules, rows = part.truth, self.rules, len(part)
        is_of = np.zeros((rows, len(self._classes)), dtype=bool)
        if self._classes:
            is_of = truth if truth.ndim == 2 else truth[:, None] == np.arange(len(self._classes))
        losses, weights, missed = list[Floats](), list[Floats](), list[Floats]()
        if rules.sets is not None and self._classes:
            lost = is_of & ~part.in_set
            losses.append(lost.sum(axis=1) / np.maximum(is_of.sum(axis=1), 1))
            missed.append(lost.astype(np.float64))
        elif rules.sets is not None:
            losses += [*((truth < part.low) | (truth > part.high)).T.astype(np.float64)]
            missed += [is_of.astype(np.float64)] * len(losses)
        weights += [np.ones(rows)] * len(losses)
        if rules.abstention is not None:
            wrong = rules.abstention.wrong(part)
            accepted = ~part.hand_over & np.isfinite(wrong)
            weights.append(accepted.astype(np.float64))
            losses.append(np.where(accepted, wrong, 0.0))
            missed.append(is_of * losses[-1][:, None])
        of_class = [is_of * weight[:, None] for weight in weights]
        return (
            np.stack(losses, axis=1),
            np.stack(weights, axis=1),
            np.stack(of_class, axis=1),
            np.stack(missed, axis=1),
        )

    def _losses_of_shares(self, part: Any) -> Losses:
        """Whether rows have the values whose shares are watched, and whether they do not."""
        columns = [getattr(part, share.column).astype(str) == share.value for share in self._shares]
        both = np.stack([side for has in columns for side in (has, ~has)], axis=1).astype(np.float64)
        none, weights = np.zeros((*both.shape, 0)), np.ones_like(both)
        if getattr(part, "familiarity", None) is None:  # nobody measured it here
            weights[:, np.repeat([share.column == "unfamiliar" for share in self._shares], 2)] = 0
        return both, weights, none, none

    # --- words --------------------------------------------------------------------------------

    def __str__(self) -> str:
        sentences = [self._about_promises(), self._about_shares()]
        if self.missing:
            sentences.append(f"{counted(self.missing, 'row')} had no label, and do not count.")
        return " ".join(filter(None, sentences))

    def _about_promises(self) -> str:
        course, rows = self._with_labels, self.rows - self.missing
        if not self._promises:
            return "The rules promise nothing that labels could refute."
        if not rows:
            return "No rows with labels yet, so nothing is known of the promise."
        if course.since is not None:
            return self._about_alarm(course.since)
        shares = course.now.totals / np.maximum(course.now.draws, 1e-9)
        told = [
            f"{upper(promise.said(share))}: {self._promised(promise)}."
            for promise, share, draws in zip(self._promises, shares, course.now.draws, strict=True)
            if draws > 0
        ]
        return f"Nothing speaks against the promise in {counted(rows, 'row')}. {' '.join(told)}"

    @staticmethod
    def _promised(promise: Promise) -> str:
        promised = f"{100 * promise.share:g} % were promised"
        if promise.of_losses:
            return f"at most {promised}"
        return f"{promised}, and down to {rate(1 - promise.limit)} may be chance"

    def _about_alarm(self, since: CoursePoint) -> str:
        course, promise = self._with_labels, self._promises[self._with_labels.test]
        low, high = interval(course, since, course.test)
        ends = (low, high) if promise.of_losses else (1 - high, 1 - low)
        draws = course.now.draws[course.test] - since.draws[course.test]
        share = (course.now.totals[course.test] - since.totals[course.test]) / draws
        said = promise.said(share, f" ({100 * ends[0]:.1f} to {100 * ends[1]:.1f} %)")
        named = f" ('{since.id}')" if since.id else ""
        return (
            f"The promise does not hold any more, since about row {since.row:,}{named}. Since then {said}: "
            f"{self._promised(promise)}.{self._about_class(since)} Fit the rules again."
        )

    def _about_class(self, since: CoursePoint) -> str:
        """The class that more than half of what is too much falls on; nothing if there is none."""
        course = self._with_labels
        promise, names = self._promises[course.test], self._classes
        of_class = (course.now.counted - since.counted)[course.test]
        lost = (course.now.missed - since.missed)[course.test]
        excess = lost - promise.limit * of_class
        if len(names) < 2 or excess.max() <= excess.sum() / 2:
            return ""
        worst = int(np.argmax(excess))
        share = promise.shown(lost[worst] / of_class[worst])
        return f" Most of that is on '{names[worst]}' ({share})."

    def _about_shares(self) -> str:
        course = self._without
        if not self.unlabelled:
            return ""
        rows = f"{counted(self.unlabelled, 'row')} without labels"
        if not self._shares:
            return f"Nothing is known of {rows}: the rules tell no verdicts, and hand nothing over."
        begin = course.now if course.since is None else course.since
        since, draws = (0.0, 0.0) if course.since is None else (begin.totals, begin.draws)
        shares = (course.now.totals - since) / np.maximum(course.now.draws - draws, 1e-9)
        said = [share.said(value) for share, value in zip(self._shares, shares[::2], strict=True)]
        if course.since is None:
            known = [text for text, draws in zip(said, course.now.draws[::2], strict=True) if draws > 0]
            return f"{rows} are like those at fitting: {', '.join(known)}."
        return (
            f"The rows have changed: since about row {begin.row:,} of {rows}, {said[course.test // 2]}. That "
            "is no broken promise, but one may break: label some of these rows."
        )

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML page with the courses of all promises; an earlier file stays until it is complete.

        Raises:
            InputError: The name has another ending than `.html`.
            FileError: The file cannot be written.
        """
        from howsure.report.watch import write_watch

        write_watch(path, self)

    # --- files --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, from which `howsure.load` goes on; an earlier one stays until it is complete.

        Raises:
            InputError: The name has another ending than `.json`.
            FileError: The file cannot be written.
        """
        content = {
            "rules": self.rules._content(),
            "rows": self.rows,
            "missing": self.missing,
            "unlabelled": self.unlabelled,
            "last": self._last,
            "with_labels": self._with_labels.as_json,
            "without": self._without.as_json,
        }
        write_sealed(path, {"kind": KIND, "format": FORMAT, **content})

    @classmethod
    def _read(cls, content: dict[str, Any]) -> Self:
        watch = cls(rules_in(typed(dict[str, Any], content["rules"], "rules")))
        for name in ("rows", "missing", "unlabelled"):
            setattr(watch, name, typed(int, content[name], name))
        watch._last = typed(dict[str, list[str]], content["last"], "last")
        for name, classes in (("with_labels", len(watch._classes)), ("without", 0)):
            limits = getattr(watch, f"_{name}").limits
            setattr(watch, f"_{name}", Course.read(content[name], limits, HALF, classes))
        return watch


def watch(rules: Rules) -> Watch:
    """Watch whether the promise of rules holds for the rows to come.

    Each row with its label is held against the promise, and the test may be looked at after every one: an
    alarm is false in 5 % of cases at most, over all time. The promise is refuted where the coverage is less
    than the chance of the labelled rows explains, or where more of the rows that are not handed over are
    wrong than was promised. Rows without labels tell whether rows have changed, which breaks no promise yet.

    Args:
        rules: Rules of `howsure.fit_rules`.

    Example:
        >>> rules = howsure.fit_rules(howsure.assess(model, x), labels, risk=0.1)
        >>> watch = howsure.watch(rules)
        >>> watch.update(rules(howsure.assess(model, x_new)), labels_new)
        >>> watch.alarm
        False
    """
    return Watch(rules)


def read_watch(path: str | os.PathLike[str]) -> Watch:
    """The watch in a file of `Watch.save`.

    Raises:
        FileError: Missing, damaged, changed, or no saved watch.
    """
    again = "Begin a new watch"
    return read_sealed(path, "watch", FORMAT, Watch._read, written_by="`Watch.save`", again=again, kind=KIND)


def _promises_of(rules: Rules) -> list[Promise]:
    sets, abstention, promises = rules.sets, rules.abstention, list[Promise]()
    origin: Any = rules.origin
    if sets is not None:
        targets = [f" of '{name}'" for name in origin.names] if origin.kind == "numbers" else [""]
        words = {
            "classes": [("True classes in sets", "sets held the true class of {} of rows")],
            "labels": [("True labels in sets", "sets held {} of the labels that are true of a row")],
            "numbers": [
                (f"True numbers{name} in intervals", f"intervals held the true number{name} in {{}} of rows")
                for name in (targets if len(targets) > 1 else [""])
            ],
        }[origin.kind]
        draws = [sets.rows if sets.groups is None else sets.groups] * len(words)
        # The share of a row's labels that is missed may be any number from 0 to 1, as that of a group.
        by_group = sets.groups is not None or origin.kind == "labels"
        least = surely_covered(draws, sets.coverage, by_group=by_group, confidence=1 - HALF)
        promises += [Promise(*both, sets.coverage, 1 - least) for both in words]
    if abstention is not None:
        both = "Mistakes among rows not handed over", "{} of the rows that were not handed over were wrong"
        promises.append(Promise(*both, abstention.risk, abstention.risk, of_losses=True))
    return promises


def _shares_of(rules: Rules) -> list[ShareAtFitting]:
    groups = getattr(rules.sets, "groups", None)
    counts = [rules.rows if groups is None else groups]
    draws = min(counts if rules.abstention is None else [*counts, rules.abstention.rows])
    chosen = [(name, value) for name in rules.shares for value in SHARES.get(name, ())]
    shares = []
    for name, value in chosen:
        share = rules.shares[name].get(value, 0.0)
        hits = round(share * draws)
        low, high = proportion_interval(hits, draws, 1 - HALF / len(chosen))
        shares.append(ShareAtFitting(name, value, share, low, high))
    return shares


def _draws_of_rows(groups: Any, decided: Any) -> Integers:
    """(N,) the draw of each row: the position of the first row of its group, or its own."""
    if groups is None:
        return np.arange(len(decided))
    names = check_ids(aligned(groups, decided, "The groups", "groups"), len(decided), "The groups")
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    return np.asarray(first[number])


def _known(decided: Any, labels: Any) -> tuple[Any, Integers]:
    """The labels that are known, and the positions of their rows."""
    labels = aligned(labels, decided)
    values = np.asarray(labels.isna()) if hasattr(labels, "isna") else _missing(labels)
    if values.shape[:1] != (len(decided),) or not values.any():
        return labels, np.arange(len(decided))  # whose number `with_truth` checks
    places = np.flatnonzero(~values.reshape(len(values), -1).any(axis=1))
    if hasattr(labels, "iloc"):
        return labels.iloc[places], places
    known = [labels[place] for place in places]
    return (np.asarray(known) if hasattr(labels, "dtype") else known), places


def _missing(labels: Any) -> Booleans:
    """(N, …) which labels are missing."""
    if hasattr(labels, "dtype") and labels.dtype.kind != "O":
        return np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(len(labels), dtype=bool)
    return np.array([is_missing(label) for label in labels], dtype=bool)


def _add(
    course: Course, decided: Any, draw_of_row: Integers, numbers: Integers, losses: Callable[[Any], Losses]
) -> None:
    """Go on with rows; those of one draw count one after the other, with their means.

    Args:
        course: The course.
        decided: n rows.
        draw_of_row: (n,) the draw of each.
        numbers: (n,) the number of each.
        losses: The losses of some of them.
    """
    if not len(course.limits):  # nothing is tested
        return
    order = np.argsort(draw_of_row, kind="stable")
    starts = np.flatnonzero(np.diff(draw_of_row[order], prepend=-1))
    ids = np.full(len(decided), "", dtype=object) if decided.ids is None else decided.ids
    for begin in range(0, len(starts), AT_A_TIME):
        end = starts[begin + AT_A_TIME] if begin + AT_A_TIME < len(starts) else len(order)
        rows, first = order[starts[begin] : end], starts[begin : begin + AT_A_TIME] - starts[begin]
        size = np.diff(first, append=len(rows))
        of_rows, weights, of_class, missed = losses(decided[rows])
        sums, weight, *by_class = (
            np.add.reduceat(values, first, axis=0) / size.reshape(-1, *[1] * (values.ndim - 1))
            for values in (of_rows * weights, weights, of_class, missed)
        )
        mean = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
        course.add(Portion(mean, weight, numbers[rows[first]], ids[rows[first]], *by_class))


def interval(course: Course, since: CoursePoint, test: int) -> tuple[float, float]:
    """Interval of the share of losses since a point (Wilson 1927)."""
    draws = course.now.draws[test] - since.draws[test]
    share = (course.now.totals[test] - since.totals[test]) / draws
    wide = NORMAL**2 / draws
    middle = (share + wide / 2) / (1 + wide)
    reach = np.sqrt(wide * (share * (1 - share) + wide / 4)) / (1 + wide)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))
