"""A task is a kind of answer, and has a method for each thing that can be done with its results.

    howsure/tasks/classification/task.py  one class per row         Classes   ─► Certainty
    howsure/tasks/multilabel/task.py      several labels per row    Labels    ─► MultilabelCertainty
    howsure/tasks/regression/task.py      numbers per row           Numbers   ─► RegressionCertainty
    howsure/tasks/segmentation/task.py    a class at each position  Positions ─► DenseCertainty

`task_of(result)` gives the task of a result, and `outcome_of` asks the tasks which answers a model has.
Nothing else asks which kind a result is of. A task has `refused(…)` in the place of a method that it lacks,
which raises an error that says what to do instead.

This file imports no task: each is added, those of `howsure.own_tasks` when howsure is imported. Another
package derives from `PartialTask`, and calls `add`; then files of its results load.
"""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from howsure.adapters.protocol import ModelInfo
from howsure.errors import FileError, InputError, ModelError
from howsure.inputs.rows import quoted
from howsure.request import KEEP_GROUPS, Request
from howsure.results.check import check_is_result, with_first_name
from howsure.results.result import Result
from howsure.results.saved import complete
from howsure.sampling.outcome import Integers, Outcome

R = TypeVar("R", bound=Result[Any])

ABILITIES = {
    "evaluate": "scores",
    "ignored": "positions that are left out of scores",
    "background": "means without a background class",
    "calibrate": "calibrators",
    "read_calibrator": "saved calibrators",
    "prediction_sets": "prediction sets",
    "prediction_intervals": "prediction intervals",
    "coverage": "sets or intervals of whole rows",
    "abstain": "rules of abstention",
    "hand_over": "tables to hand over",
    "score_lines": "tables of scores",
    "choose": "rows to be chosen for a person",
    "above": "numbers that could be above a threshold",
    "compare": "comparisons",
    "given": "results of probabilities that something else computed",
    "claims": "tables that something else wrote",
    "given_columns": "tables that something else wrote",
    "lead": "sentences about all rows",
    "lines": "lines about the rows to look at first",
    "summary": "summaries",
    "page": "pages",
    "tiled": "assessments in tiles",
    "first_tile": "assessments in tiles",
    "graph": "ONNX graphs",
    "graph_numbers": "ONNX graphs",
    "graph_words": "ONNX graphs",
}
"""The methods of a `Task`, and what messages call what they give."""


class _Refused:
    """In the place of a method of a `Task`: an error that says what to do instead."""

    def __init__(self, instead: str | None) -> None:
        self.instead = instead

    def __set_name__(self, task: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, task: Any, owner: type[Any]) -> Any:
        return self if task is None else partial(self.refuse, task)

    def refuse(self, task: Task[Any], result: object = None, *_: object, **__: object) -> NoReturn:
        able = ", or ".join(other.in_words for other in tasks() if other.can(self.name))
        hint = self.instead
        if hint is not None and isinstance(result, Result):
            hint = with_first_name(hint, result)
        raise InputError(
            f"There are no {ABILITIES[self.name]} for these rows",
            expected=f"a result with {able or 'answers of another kind'}",
            received=f"one with {task.in_words}",
            hint=hint,
        )


def refused(instead: str | None = None) -> Any:
    """A stand-in for a method that a task lacks.

    Args:
        instead: A sentence on what a caller can do. `{first}` becomes the first of the result's names.
    """
    return _Refused(instead)


class Task(ABC, Generic[R]):
    """A kind of answer, and what can be done with its results.

    Attributes:
        outcome_type: The `Outcome`, which says whether a model has such answers, and makes the result.
        result_type: The `Result`.
        outputs: The words that `outputs` takes for a model with such answers, such as `logits`.
        decisions: The classes of what `coverage` and `abstain` give, by whose names saved rules call them.
    """

    outcome_type: ClassVar[type[Outcome]]
    result_type: ClassVar[type[Result[Any]]]
    outputs: ClassVar[tuple[str, ...]] = ()
    decisions: ClassVar[tuple[type[Any], ...]] = ()

    @property
    def name(self) -> str:
        """One word, which saved results hold: `classes`."""
        return self.result_type.answer

    @property
    def in_words(self) -> str:
        """The kind in words, for messages: `one class per row`."""
        return self.result_type.in_words

    def can(self, ability: str) -> bool:
        """Whether the task does one of `ABILITIES`."""
        return not isinstance(inspect.getattr_static(type(self), ability), _Refused)

    def check_can(self, ability: str, result: R | None = None) -> None:
        """Raise the `InputError` that says what to do instead, where the task does not do this."""
        if not self.can(ability):
            getattr(self, ability)(result)

    # --- are the answers true? --------------------------------------------------------------------

    @abstractmethod
    def evaluate(
        self,
        result: R,
        labels: Any,
        /,
        *,
        outside: R | None,
        seed: int,
        background: int | None = None,
        groups: Integers | None = None,
    ) -> Any:
        """The scores of `howsure.evaluate`; `background` as `background` gives it, `groups` by number."""

    @abstractmethod
    def score_lines(self, result: R, evaluation: Any, /) -> list[list[Any]]:
        """Cells of a csv table of scores, the names of its columns first."""

    @abstractmethod
    def ignored(self, result: R, labels: Any, ignore: int | Sequence[int], /) -> Any:
        """Labels of which these class numbers do not count."""

    @abstractmethod
    def background(self, result: R, background: int | str, /) -> int:
        """The number of the class that means over classes leave out."""

    @abstractmethod
    def calibrate(self, result: R, labels: Any, /, *, method: str | None, seed: int) -> Any:
        """The calibrator of `howsure.calibrate`."""

    @abstractmethod
    def read_calibrator(self, content: Mapping[str, Any], /) -> Any:
        """A calibrator from the content of its file."""

    @abstractmethod
    def compare(self, result: R | None = None) -> Any:
        """The `howsure.compare.comparison.Comparing`: how results are scored side by side, and told."""

    # --- decisions --------------------------------------------------------------------------------

    @abstractmethod
    def prediction_sets(
        self, result: R, labels: Any, /, *, coverage: float, by_class: bool, groups: Integers | None = None
    ) -> Any:
        """The sets of `howsure.prediction_sets`; `groups` as `howsure.evaluation.groups` numbers them."""

    @abstractmethod
    def prediction_intervals(
        self,
        result: R,
        labels: Any,
        /,
        *,
        coverage: float,
        groups: Integers | None = None,
        together: bool = False,
    ) -> Any:
        """The intervals of `howsure.prediction_intervals`; `groups` likewise."""

    @abstractmethod
    def coverage(self, result: R, labels: Any, /, *, coverage: float, groups: Integers | None) -> Any:
        """The sets or intervals of `howsure.fit_rules`, which give columns of decided rows."""

    @abstractmethod
    def abstain(
        self,
        result: R,
        labels: Any,
        /,
        *,
        risk: float,
        confidence: float,
        tolerance: Any,
        background: int | None = None,
        groups: Integers | None = None,
    ) -> Any:
        """The rule of `howsure.abstain`; `groups` likewise."""

    @abstractmethod
    def choose(self, result: R, which: str | None, most: int | None, /) -> Any:
        """Positions of the rows that a word means, those to look at first if it is None."""

    @abstractmethod
    def hand_over(self, result: R, sets: Any, /) -> Any:
        """Columns of the table of rows for a person."""

    @abstractmethod
    def above(self, result: R, threshold: float, target: str | int | None, /) -> Any:
        """Whether each number is above a threshold, as a `Certainty` of two classes."""

    # --- words and pages --------------------------------------------------------------------------

    @abstractmethod
    def lead(self, result: R, /) -> str:
        """A result in one sentence."""

    @abstractmethod
    def lines(self, result: R, count: int | None, /) -> Any:
        """`howsure.tasks.printed.Lines` about all rows, or about so many to look at first."""

    @abstractmethod
    def summary(self, result: R, /) -> str:
        """How a result came out, a paragraph."""

    @abstractmethod
    def page(self, result: R, asked: Any, /) -> str:
        """The HTML page, with the `howsure.report.page.PageOptions`."""

    # --- other ways in and out --------------------------------------------------------------------

    @abstractmethod
    def given(self) -> Any:
        """The `howsure.external.given.Kind`: how probabilities that something else computed are read."""

    @abstractmethod
    def claims(self, table: Any, columns: Any, /) -> bool:
        """Whether the columns of a table that something else wrote are those of such rows."""

    @abstractmethod
    def given_columns(self, table: Any, columns: Any, source: Path, /) -> R:
        """The result in such a table."""

    @abstractmethod
    def tiled(self, model: Any, given: Any, method: Any, request: Request, progress: Any, /) -> Any:
        """The job of rows that are assessed in tiles, and their results one by one."""

    @abstractmethod
    def first_tile(self, x: Any, request: Request, /) -> Any:
        """The first tile of the first row, as the model is fed with it."""

    @abstractmethod
    def graph(self, outcome: Any, /) -> Any:
        """The columns of an ONNX graph; see `howsure.tasks.classification.graph.DistributionGraph`."""

    @abstractmethod
    def graph_numbers(self, result: R, tolerance: float, /) -> Any:
        """By column of a graph, the numbers of a result and how far they may be off."""

    @abstractmethod
    def graph_words(self, result: R, tolerance: float, /) -> Any:
        """By column of a graph, the words of a result and where rounding may decide."""


class PartialTask(Task[R]):
    """A task that refuses everything; another package derives from it, and brings the methods it needs."""

    evaluate = refused()
    score_lines = refused()
    ignored = refused()
    background = refused()
    calibrate = refused()
    read_calibrator = refused()
    compare = refused()
    prediction_sets = refused()
    prediction_intervals = refused()
    coverage = refused()
    abstain = refused()
    choose = refused()
    hand_over = refused()
    above = refused()
    lead = refused()
    lines = refused()
    summary = refused()
    page = refused()
    given = refused()
    claims = refused()
    given_columns = refused()
    tiled = refused()
    first_tile = refused()
    graph = refused()
    graph_numbers = refused()
    graph_words = refused()


_TASKS: dict[str, Task[Any]] = {}
"""By name, in the order in which they are asked."""


def tasks() -> tuple[Task[Any], ...]:
    """All tasks in the order in which they are asked: the one that was added last comes first."""
    return tuple(_TASKS.values())


def add(task: Task[Any]) -> None:
    """Let howsure know another task. Its outcome is asked before those that are known already.

    Raises:
        InputError: Not a `Task`, or one whose name belongs to another one.
    """
    if not isinstance(task, Task):
        raise InputError(
            "This is no kind of answer", expected="a `howsure.tasks.task.Task`", received=repr(task)
        )
    if type(_TASKS.get(task.name, task)) is not type(task):
        raise InputError(
            f"There is another kind of answer called '{task.name}'", expected="a name of its own"
        )
    known = dict(_TASKS)
    _TASKS.clear()
    _TASKS.update({task.name: task, **known})


def task_named(name: str) -> Task[Any]:
    """The task of this name.

    Raises:
        InputError: There is none.
    """
    if name not in _TASKS:
        raise InputError(
            f"howsure does not know answers of the kind '{name}'",
            expected=f"one of {quoted(list(_TASKS))}",
            hint="Import the package that adds this kind",
        )
    return _TASKS[name]


def task_of(result: Any) -> Task[Any]:
    """The task of a result.

    Raises:
        InputError: It is not a result, or nobody added its task.
    """
    check_is_result(result)
    return task_named(result.answer)


def ability_or(result: Any, ability: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a result's task, or `otherwise` where it refuses or nobody added the task."""
    task = _TASKS.get(getattr(type(result), "answer", ""))
    return getattr(task, ability) if task is not None and task.can(ability) else otherwise


def task_that_tiles() -> Task[Any]:
    """The task whose rows may be assessed in tiles."""
    return next(task for task in tasks() if task.can("tiled"))


def fed(x: Any, request: Request) -> Any:
    """Rows as the model is fed with them: all of them, or in tiles the first tile of the first row."""
    return x if request.tile is None else task_that_tiles().first_tile(x, request)


def result_type_in(settings: Mapping[str, Any], path: str | os.PathLike[str]) -> type[Result[Any]]:
    """The class of a saved result, from the settings in its file.

    Raises:
        FileError: The file does not say its kind, or nobody added that kind.
    """
    with complete(path):
        name = settings["answer"]
    try:
        return task_named(name).result_type
    except InputError as error:
        raise FileError(f"'{path}' cannot be read. {error}") from error


def outcome_of(info: ModelInfo, request: Request, found: Sequence[str] | None = None) -> Outcome:
    """The kind of answer of a model, declared or read from the model; never guessed from values.

    Args:
        info: Description of the model.
        request: The arguments of the caller.
        found: Names that came with the rows, for a model that has none. A model's own names give the order.

    Raises:
        InputError: Names that do not fit, or `outputs` is unknown.
        ModelError: The output is of no kind that howsure knows, or does not say what it is.
    """
    kind = request.outcome if isinstance(request.outcome, type) else type(request.outcome)
    if request.outcome is not None and not issubclass(kind, Outcome):
        raise InputError(
            "`outcome` cannot be used",
            expected="a `howsure.sampling.outcome.Outcome`, a class of them, or None",
            received=repr(request.outcome),
        )
    if isinstance(request.outcome, Outcome):
        return _at_positions(request.outcome, request, "these answers")
    names = request.class_names
    if names is not None and info.class_names is not None:
        own, given = info.class_names, tuple(map(str, names))
        if given != own and sorted(given) == sorted(own):  # so every answer would be another
            raise InputError(
                "The class names are the model's own in another order",
                expected=f"{quoted(own)}, the order of its outputs",
                received=quoted(given),
                hint="Leave `class_names` out: the model has them",
            )
    if names is None:
        request = replace(request, class_names=found if info.class_names is None else info.class_names)
    chosen = request.outcome
    if chosen is not None:
        outcome = chosen.of(info, request)
        if outcome is None:
            raise ModelError(
                f"Model '{info.name}' has no answers of the kind '{chosen.name}'",
                expected="an outcome that fits the model",
            )
        return _at_positions(outcome, request, "these answers")
    for task in tasks():
        fitting = task.outcome_type.of(info, request)
        if fitting is not None:
            return _at_positions(fitting, request, task.in_words)
    raise AssertionError("the last outcome raises where it does not fit")


def _at_positions(outcome: Outcome, request: Request, in_words: str) -> Outcome:
    """The outcome; an `InputError` where a wish is for answers at positions, and it has one for each row."""
    given = [name for name in ("class_axis", "keep") if getattr(request, name) is not None]
    if request.keep == KEEP_GROUPS:
        given.remove("keep")
    if given and len(outcome.columns) == 1:
        raise InputError(
            f"`{given[0]}` has no effect on {in_words}",
            expected="a model with an answer at each position of a row, such as a class of each pixel",
            received=getattr(request, given[0]),
        )
    return outcome
