"""Test-time augmentation: the mean prediction over a row and changed versions of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from howsure.errors import InputError
from howsure.inputs.transforms import EXPECTED, TURN, RowTransform, Transform, is_transform
from howsure.methods.members import begin_members
from howsure.methods.plain import Softmax
from howsure.methods.protocol import Around, Job, Method, Needs, OwnMethod, Passes, is_method


@dataclass(frozen=True)
class Augmentation(OwnMethod):
    """Assess each row as it is, and after changes that should not change its answer: a small rotation, say.

    Every version counts as one pass (Wang and others 2019). If versions contradict each other, the answer
    depends on something that should not matter. You decide whether a change keeps the answer; a 6 turned by
    half a circle is a 9. For numbers, `spread` is how far the versions' answers lie apart.

    Args:
        changes: At least one function from rows to as many rows of the same shape, as in `howsure.shifts`.
            Each gets a copy of the rows, which it may change in place, and must change each row by itself:
            `rows[:, ::-1]` mirrors each image, and `rows[::-1]` would give each row the answer of another.
            With a class at each position, a change is a pair (do, undo): undo gets outputs (n, …) of the
            model for changed rows, as the model gives them, and moves them back; `howsure.shifts.unmoved` is
            the undo of a change that moves nothing. 'flip' mirrors the last axis of positions (images left to
            right), and 'turn' turns the last two by 90° as `numpy.rot90` does (images counterclockwise); they
            need no undo.
        each: How the network predicts each version: `PlainPrediction()` or `MCDropout(…)`.

    Raises:
        InputError: No change, or an unsuitable `each`.

    Example:
        >>> from howsure import shifts
        >>> turned = howsure.Augmentation([shifts.rotated(10), shifts.rotated(-10)])
        >>> certainty = howsure.assess(model, x, method=turned)
        >>> print(certainty[0])
        over 99.3 % '4': sure.
    """

    changes: Sequence[Transform]
    each: Method = Softmax()  # noqa: RUF009 (frozen, so it may be shared)

    in_words = "The mean of what the network says of a row and of slightly changed versions of it."

    def __post_init__(self) -> None:
        is_list = isinstance(self.changes, (list, tuple)) and self.changes
        if not (is_list and all(map(is_transform, self.changes))):
            raise InputError(
                "`changes` cannot be used", expected=f"a list, each {EXPECTED}", received=repr(self.changes)
            )
        if not is_method(self.each):
            raise InputError(
                "`each` cannot be used",
                expected="a method such as howsure.PlainPrediction() or howsure.MCDropout(…)",
                received=repr(self.each),
            )
        for place, change in enumerate(self.changes):
            if change in self.changes[:place]:
                raise InputError(
                    "A change is given twice, so that version would count twice and `mc_error` be too small",
                    expected="changes that differ",
                    received=f"change {place}, which is change {self.changes.index(change)} again",
                )
        object.__setattr__(self, "changes", tuple(self.changes))

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as saved with a result."""
        words = {
            "pass": "the answer to one version of what is asked",
            "more": "more changes",
            "shows": "it tells whether slightly changed versions get the same answer",
        }
        if isinstance(self.each, Softmax):
            words |= {"passes": "answers to changed versions", "between": "versions of the row"}
        return {
            "name": "augmentation",
            "versions": 1 + len(self.changes),
            "each": self.each.settings,
            "words": words,
        }

    @property
    def needs(self) -> Needs:
        """The needs of the prediction of each version."""
        return self.each.needs

    def begin(self, job: Job) -> Passes:
        """Begin a prediction for each version of the rows."""
        jobs = [_again(job, self.each, change) for change in self.changes]
        return begin_members([job, *jobs], self.each, "Version {} of the rows")


@dataclass(frozen=True)
class Changed(Around):
    """A method for changed rows, whose outputs are moved back where positions were moved.

    Args:
        transform: The change, as `Augmentation` takes it.
        method: The method.
    """

    transform: Transform
    method: Method

    def begin(self, job: Job) -> Passes:
        """Begin with the changed rows."""
        changed = _again(job, self.method, self.transform)
        return self.method.begin(replace(changed, pay=job.pay))


def _again(job: Job, method: Method, transform: Transform) -> Job:
    """The same job with changed rows, whose outputs are moved back."""
    layout = job.outcome.layout
    change, sides = RowTransform.of(transform, layout), () if layout is None else layout.positions[-2:]
    try:
        return job.again(method, change=change, undo=change.undo)
    except InputError as error:
        if change.name == TURN and len(set(sides)) > 1:
            raise InputError(
                "'turn' exchanges the last two sides of the rows, and the model does not take that",
                expected="sides of one length, a model that takes any sides, or 'flip' instead",
                received=" × ".join(map(str, sides)),
            ) from error
        raise
