"""The interface of methods. A method produces passes; its callers never ask which method it is.

    job ── begin ──> Passes ── draw, block by block ──> Estimates

A method is a frozen dataclass that holds its settings; its docstring names the paper that it follows. It
declares what it needs of a model, and brings its own words for the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

from howsure.adapters.fingerprint import MODEL, SHOWN, fingerprint_of
from howsure.inputs.transforms import Change
from howsure.sampling.outcome import Booleans, Estimates, Floats, InputRows, Integers, Outcome, ResultMetadata
from howsure.sampling.run import OnPass, Pay

Progress = Callable[[int], None]
"""Called with the number of rows that have just been finished."""


OnMembers = Callable[[Integers, Sequence[Floats]], None]
"""Called with the numbers (n,) of a block of rows, and the values (n, …, K) of each member."""


@dataclass(frozen=True)
class Needs:
    """The needs of a method.

    Attributes:
        model: `Model`, `PassModel` or `FeatureModel`.
        gaussian_noise: True if layers that add noise are random too.
        fitted: True if the method was fitted to one model and cannot serve another.
        keep_off: Names of random layers that stay fixed, as in predicting.
        plan: True if the method would make a plan from the rows that it is given. Then the numbers of a row
            depend on the others, until `howsure.plan` has fixed one.
    """

    model: Any
    gaussian_noise: bool = False
    fitted: bool = False
    keep_off: tuple[str, ...] = ()
    plan: bool = False


class JobOrigin(Protocol):
    """The source of a job, which makes more jobs like it."""

    def job(self, first: Job, method: Method, model: Any, change: Change | None, undo: Change | None) -> Job:
        """As `Job.again` of the job `first` that came from here."""


@dataclass(frozen=True)
class Job:
    """A model, rows and the wanted outcome: the input of a method.

    Attributes:
        model: The model; it offers what the method needs.
        rows: Its inputs. Each maps row numbers (n,) to rows (n, …) in the input's type.
        total: N, number of rows.
        outcome: The kind of answer for a row.
        seed: Seed of the passes.
        batch_size: Rows that run together.
        origin: The source of more jobs like this one.
        derived: True if another job made it by `again`.
        on_pass: As `howsure.sampling.run.Run` has it; jobs made by `again` have none.
        pay: As there; the jobs of members and versions have that of the first one.
        on_members: Called with what the members of an ensemble say of every block, or None; their own jobs
            have none.
    """

    model: Any
    rows: Sequence[InputRows]
    total: int
    outcome: Outcome
    seed: int
    batch_size: int
    origin: JobOrigin
    derived: bool = False
    on_pass: OnPass | None = None
    pay: Pay | None = None
    on_members: OnMembers | None = None

    def again(
        self, method: Method, *, model: Any = None, change: Change | None = None, undo: Change | None = None
    ) -> Job:
        """The same job for another method, with another model or with changed rows.

        Args:
            method: The method that will begin.
            model: Another model of the same kind; None for the same one.
            change: Maps the rows to those that are assessed instead; None leaves them as they are.
            undo: Moves outputs (n, …) for changed rows back; None if they did not move.

        Raises:
            InputError: The changed rows cannot be used.
            ModelError: The other model is not of the same kind.
        """
        return self.origin.job(self, method, model, change, undo)

    def settings_of(self, method: Method, passes: Passes) -> dict[str, Any]:
        """The settings that results of these passes keep: those of the method, and which model it was."""
        model = fingerprint_of(self.model)[:SHOWN]
        return {**method.settings, **({MODEL: model} if model else {}), **(passes.settings or {})}

    def paid(self, rows: int) -> None:
        """Tell that so many rows cost one plain prediction each."""
        if self.pay is not None:
            self.pay(float(rows))


@dataclass(frozen=True)
class Passes:
    """Passes that are ready to be drawn.

    Attributes:
        draw: Maps the numbers (n,) of a block of rows to the estimates from their passes.
        plan: The plan that they follow, as saved with a result, or None.
        settings: Settings that a result keeps beside those of the method, or None.
        learnt_from: Whether the method is known to have learnt from each row (n,) of the block that was drawn
            last; None if it learns from none.
    """

    draw: Callable[[Integers, Progress], Estimates]
    plan: Mapping[str, Any] | None = None
    learnt_from: Callable[[], Booleans] | None = None
    settings: Mapping[str, Any] | None = None

    def result(
        self, numbers: Integers, progress: Progress, outcome: Outcome, metadata: ResultMetadata
    ) -> Any:
        """The result of a block of rows.

        Args:
            numbers: (n,) numbers of the rows.
            progress: Called with the number of rows that have just been finished.
            outcome: The kind of answer for a row.
            metadata: Settings that the result keeps.
        """
        result = outcome.result(self.draw(numbers, progress), metadata)
        if self.learnt_from is not None and (learnt := self.learnt_from()).any():
            return replace(result, learnt_from=learnt)
        return result


@runtime_checkable
class Method(Protocol):
    """A procedure that produces passes."""

    @property
    def in_words(self) -> str:
        """One sentence for the report that says what the method does."""

    @property
    def needs(self) -> Needs:
        """The needs of the method."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Name and settings, as saved with a result.

        An entry `words` may say what sentences call its passes; see `howsure.tasks.sentences.WORDS`.
        """

    def begin(self, job: Job) -> Passes:
        """Prepare what all blocks share, such as a plan."""


@dataclass(frozen=True)
class Option:
    """A setting of a method that the command line takes, as `--set name=value`.

    Attributes:
        name: The name of the method's argument. Methods that share a name share the option.
        kind: The type of its values, such as `float` or `tuple[str, ...]`.
        sentence: The sentence that help has about it.
    """

    name: str
    kind: type
    sentence: str


@dataclass(frozen=True)
class Choice:
    """A name under which a method can be chosen, in comparisons and on the command line.

    Attributes:
        name: The name in a comparison.
        option: The name on the command line; empty if it cannot be chosen there.
        make: Maps other models of the same kind, and options by name, to the method. Each has a default.
        fits: Whether it is for an adapted model that has what the method needs, and for its `Outcome`.
        takes_members: True if it needs other models.
        options: Its arguments that the command line can set.
        takes_plan: True if `plan` is an option too, which the command line reads from a file of its own.
    """

    name: str
    option: str
    make: Callable[[Sequence[Any], Mapping[str, Any]], Method]
    fits: Callable[[Any, Outcome], bool] = lambda model, outcome: True
    takes_members: bool = False
    options: tuple[Option, ...] = ()
    takes_plan: bool = False

    def takes(self, option: str) -> bool:
        """Whether it has an option of this name."""
        return option in [own.name for own in self.options] or (option == "plan" and self.takes_plan)


class OwnMethod(Method):
    """Base of the methods of howsure, which `howsure.methods.choices.METHODS` lists.

    Attributes:
        choices: The names under which it can be chosen.
    """

    choices: ClassVar[tuple[Choice, ...]] = ()


class Around:
    """Base of a method that runs another one, and has its words, needs and settings."""

    method: Method

    @property
    def in_words(self) -> str:
        """Those of the method."""
        return self.method.in_words

    @property
    def needs(self) -> Needs:
        """Those of the method."""
        return self.method.needs

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the method."""
        return self.method.settings


def is_method(value: object) -> bool:
    """True for an instance of a method, False for a method's class."""
    return isinstance(value, Method) and not isinstance(value, type)
