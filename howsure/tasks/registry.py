"""The kinds of answers that howsure knows, and their parts. Nothing else asks which kind a result is of.

    tasks/classification/  one class per row         Classes   ─► Certainty
    tasks/multilabel/      several labels per row    Labels    ─► MultilabelCertainty
    tasks/regression/      numbers per row           Numbers   ─► RegressionCertainty
    tasks/segmentation/    a class at each position  Positions ─► DenseCertainty

A kind is one `Answer`. It names its outcome, its result, and its parts: the functions that judge, show, write
and read such results. `part_of(result, "prediction_sets")` finds one, or refuses in words. Parts are named as
texts and imported on first use, so `import howsure` stays fast, and a result need not import its page.

Another package adds a kind with `add`; then files of its results load. No file makes howsure import anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from howsure.adapters import protocol
from howsure.adapters.protocol import LOGITS, PROBABILITIES, ModelInfo
from howsure.errors import FileError, InputError, ModelError
from howsure.inputs.rows import quoted
from howsure.on_first_use import imported
from howsure.request import KEEP_GROUPS, Request
from howsure.results.result import Result
from howsure.results.saved import complete
from howsure.sampling.outcome import Outcome

PARTS = {
    "evaluate": "scores",
    "ignored": "positions that are left out of scores",
    "background": "means without a background class",
    "calibrate": "calibrators",
    "read_calibrator": "saved calibrators",
    "prediction_sets": "prediction sets",
    "prediction_intervals": "prediction intervals",
    "abstain": "rules of abstention",
    "hand_over": "tables to hand over",
    "score_lines": "tables of scores",
    "choose": "rows to be chosen for a person",
    "above": "numbers that could be above a threshold",
    "sets_told": "tables of prediction sets",
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
"""Parts that a kind may have, and their names in messages. Each takes the result first; `graph` takes the
outcome. The function of the same name says what else it takes, and what it returns."""


@dataclass(frozen=True)
class Answer:
    """A kind of answer.

    Attributes:
        name: One word, which saved results hold: `classes`.
        in_words: The kind in words, for messages: `one class per row`.
        outcome: The `Outcome`, or `module:name` of it.
        result: The `Result`, or `module:name` of it.
        parts: By the names in `PARTS`: a function, or `module:name` of one.
        instead: Advice for a caller if a part is missing, a sentence; under `classes`, instead of anything
            that takes one class per row. `{first}` becomes the first of the result's names.
        outputs: The words that `outputs` takes for a model with such answers, such as `logits`.
    """

    name: str
    in_words: str
    outcome: str | type[Outcome]
    result: str | type[Result[Any]]
    parts: Mapping[str, str | Callable[..., Any]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted({*self.parts, *self.instead} - {*PARTS, "classes"})
        if unknown:
            raise InputError(
                f"A kind of answer has no part {quoted(unknown)}", expected=f"among {quoted(list(PARTS))}"
            )

    def has(self, part: str) -> bool:
        """Whether the kind brings a part."""
        return part in self.parts

    def part(self, name: str, of: Result[Any] | None = None) -> Any:
        """The part of this name.

        Args:
            name: One of `PARTS`.
            of: The result that the part is for; the message takes its first name.

        Raises:
            InputError: The kind does not have it; the message says what to do instead.
        """
        if name not in self.parts:
            having = " or ".join(each.in_words for each in answers() if each.has(name))
            raise InputError(
                f"There are no {PARTS[name]} for these rows",
                expected=f"a result of {having or 'another kind'}",
                received=f"one of {self.in_words}",
                hint=self._instead_of(name, of),
            )
        return imported(self.parts[name])

    def _instead_of(self, name: str, of: Result[Any] | None) -> str | None:
        """The hint for a missing part, with the first name of the result in it."""
        said = self.instead.get(name)
        if said is None or of is None:
            return said
        return said.replace("{first}", repr(getattr(of, of.names)[0]))

    @property
    def outcome_type(self) -> type[Outcome]:
        """The class of the outcome."""
        return cast("type[Outcome]", imported(self.outcome))

    @property
    def result_type(self) -> type[Result[Any]]:
        """The class of the result."""
        return cast("type[Result[Any]]", imported(self.result))


_OF_ALL = {
    "evaluate": "evaluate:evaluate",
    "score_lines": "evaluate:score_lines",
    "calibrate": "calibrate:calibrate",
    "read_calibrator": "calibrate:read",
    "lead": "printed:lead",
    "lines": "printed:lines",
    "summary": "printed:summary",
    "page": "page:page",
    "graph_words": "graph:words",
}
"""Parts that all kinds below have, by their places in the package of a kind."""

_TO_DECIDE = {
    "abstain": "abstain:abstain",
    "choose": "handover:choose",
    "hand_over": "handover:handed_over",
    "compare": "compare:COMPARING",
}
"""Parts of classes and numbers, likewise."""


def _parts(kind: str, **own: str) -> dict[str, str]:
    """The parts of a kind: those of all kinds, and its own by their places in its package."""
    return {name: f"howsure.tasks.{kind}.{place}" for name, place in (_OF_ALL | own).items()}


def _graph(graph: str, words: str) -> dict[str, str]:
    """The graph of a kind whose answers are distributions, and what it is compared with."""
    names = {"graph": graph, "graph_numbers": "numbers", "graph_words": words}
    return {part: f"howsure.tasks.classification.graph:{name}" for part, name in names.items()}


CLASSES = Answer(
    "classes",
    "one class per row",
    "howsure.tasks.classification.outcome:Classes",
    "howsure.tasks.classification.result:Certainty",
    outputs=(PROBABILITIES, LOGITS),
    parts=_parts(
        "classification",
        **_TO_DECIDE,
        prediction_sets="sets:prediction_sets",
        sets_told="handover:SetsTold",
        given="outcome:GIVEN",
    )
    | _graph("ClassesGraph", "class_words"),
    instead={
        "prediction_intervals": "`howsure.prediction_sets(certainty, labels, coverage=0.9)` gives sets of "
        "classes that keep their promise",
    },
)
LABELS = Answer(
    "labels",
    "several labels per row",
    "howsure.tasks.multilabel.outcome:Labels",
    "howsure.tasks.multilabel.result:MultilabelCertainty",
    outputs=(protocol.LABEL_PROBABILITIES, protocol.LABEL_LOGITS),
    parts=_parts("multilabel", given="outcome:GIVEN") | _graph("LabelsGraph", "label_words"),
    instead=dict.fromkeys(
        ("classes", "prediction_sets", "abstain", "hand_over", "choose"),
        "Take one label at a time: `certainty.of_label({first})` has the classes 'no' and 'yes'",
    )
    | {
        "compare": "Assess the rows by each method, and compare one label of the results, "
        "`certainty.of_label({first})`, with `howsure.Comparison.of_results`",
        "prediction_intervals": "Take one label at a time: `howsure.prediction_sets("
        "certainty.of_label({first}), labels)` gives sets of 'no' and 'yes' that keep their promise",
    },
)

NUMBERS = Answer(
    "numbers",
    "numbers per row",
    "howsure.tasks.regression.outcome:Numbers",
    "howsure.tasks.regression.result:RegressionCertainty",
    outputs=protocol.NUMBERS,
    parts=_parts(
        "regression",
        **_TO_DECIDE,
        above="above:asked",
        sets_told="handover:IntervalsTold",
        claims="given:claims",
        given_columns="given:read",
        graph="graph:NumbersGraph",
        graph_numbers="graph:numbers",
        prediction_intervals="intervals:prediction_intervals",
    ),
    instead={
        "classes": "`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
        "prediction_sets": "`howsure.prediction_intervals(result, y, coverage=0.9)` gives intervals that "
        "keep their promise",
    },
)

POSITIONS = Answer(
    "positions",
    "a class at each position",
    "howsure.tasks.segmentation.outcome:Positions",
    "howsure.tasks.segmentation.result:DenseCertainty",
    outputs=(PROBABILITIES, LOGITS),
    parts=_parts(
        "segmentation",
        lead="sentence:lead",
        lines="sentence:lines",
        summary="sentence:summary",
        compare="compare:COMPARING",
        abstain="decide:abstain",
        choose="decide:choose",
        hand_over="decide:handed_over",
        prediction_sets="decide:prediction_sets",
        sets_told="decide:MapSetsTold",
        tiled="tiles:tiled",
        first_tile="tiles:first_tile",
        graph="graph:PositionsGraph",
        graph_numbers="graph:numbers",
        ignored="evaluate:ignored",
        background="truth:background_of",
        claims="given_maps:claims",
        given_columns="given_maps:read",
    ),
    instead={
        "classes": "`result.of_row(0)` is a `Certainty` whose rows are the positions of one row",
        "prediction_intervals": "`howsure.prediction_sets(result, labels)` gives sets of classes at each "
        "position that keep their promise, and `result.share_interval(0.9)` says between which shares "
        "networks lie",
        "above": "`result.share` is the share of each class in each row",
        "given": "`howsure.DenseCertainty.from_probabilities` takes maps of probabilities",
    },
)

_ANSWERS = {POSITIONS.name: POSITIONS, NUMBERS.name: NUMBERS, LABELS.name: LABELS, CLASSES.name: CLASSES}
"""By name, in the order in which they are asked; `classes` comes last, as its error says what is wrong."""

OUTPUTS = tuple(dict.fromkeys(word for each in reversed(_ANSWERS.values()) for word in each.outputs))
"""The words that `outputs` takes for howsure's own kinds."""


def answers() -> tuple[Answer, ...]:
    """All kinds in the order in which they are asked: added ones first, then those of howsure."""
    return tuple(_ANSWERS.values())


def add(answer: Answer) -> None:
    """Let howsure know another kind of answer. Its outcome is asked before those that are known already.

    Raises:
        InputError: Not an `Answer`, or one whose name belongs to another kind.
    """
    if not isinstance(answer, Answer):
        raise InputError(
            "This is no kind of answer", expected="a `howsure.tasks.registry.Answer`", received=repr(answer)
        )
    if _ANSWERS.get(answer.name, answer) != answer:
        raise InputError(
            f"There is another kind of answer called '{answer.name}'", expected="a name of its own"
        )
    known = dict(_ANSWERS)
    _ANSWERS.clear()
    _ANSWERS.update({answer.name: answer, **known})


def answer_of(result: object) -> Answer:
    """The kind of a result.

    Raises:
        InputError: It is not a result, or nobody added its kind.
    """
    name = getattr(type(result), "answer", None) if isinstance(result, Result) else None
    if name is None:
        raise InputError(
            "This is not an assessed set of rows",
            expected="a result, as `howsure.assess` gives it",
            received=type(result).__name__,
        )
    return named(name)


def named(name: str) -> Answer:
    """The kind of this name.

    Raises:
        InputError: There is none.
    """
    if name not in _ANSWERS and name not in (known := [each.name for each in answers()]):
        raise InputError(
            f"howsure does not know answers of the kind '{name}'",
            expected=f"one of {quoted(known)}",
            hint="Import the package that adds this kind",
        )
    return _ANSWERS[name]


def part_of(result: Any, part: str) -> Any:
    """The part of a result's kind.

    Raises:
        InputError: This is not a result, or its kind lacks that part.
    """
    return answer_of(result).part(part, result)


def check_kind(result: Any, expected: Answer, names: Sequence[str] | None = None) -> None:
    """Raise an `InputError` unless a result is of this kind, and of these classes or targets if given.

    If it is of another kind, the error says what to do instead.
    """
    answer = answer_of(result)
    if answer.name != expected.name:
        raise InputError(
            "These rows have answers of another kind",
            expected=f"a result of {expected.in_words}",
            received=f"one of {answer.in_words}",
            hint=answer._instead_of(expected.name, result),
        )
    if names is not None and (own := getattr(result, result.names)) != tuple(names):
        called = {"class_names": "classes", "target_names": "targets"}[result.names]
        raise InputError(
            f"These rows have other {called} than the labelled ones had",
            expected=quoted(names),
            received=quoted(own),
        )


def check_outside(outside: Any, result: Result[Any]) -> None:
    """Raise an `InputError` unless there are rows from outside, of the kind and the classes of a result."""
    check_kind(outside, answer_of(result), getattr(result, result.names))
    if not len(outside):
        raise InputError("There are no rows from outside", expected="at least 1, or outside=None")


def tiled_by() -> Callable[..., Any]:
    """The function that assesses rows in tiles: the part of the kind that has one."""
    return _of_tiles("tiled")


def fed(x: Any, request: Request) -> Any:
    """Rows as the model is fed with them: all of them, or in tiles the first tile of the first row."""
    return x if request.tile is None else _of_tiles("first_tile")(x, request)


def _of_tiles(part: str) -> Callable[..., Any]:
    return cast("Callable[..., Any]", next(each for each in answers() if each.has(part)).part(part))


def part_or(result: Any, part: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """The part of a result's kind, or `otherwise` where the kind lacks it or nobody added the kind."""
    name = getattr(type(result), "answer", None)
    kind = next((each for each in answers() if each.name == name), None)
    return kind.part(part) if kind is not None and kind.has(part) else otherwise


def result_type_in(settings: Mapping[str, Any], path: str | os.PathLike[str]) -> type[Result[Any]]:
    """The class of a saved result, from the settings in its file.

    Raises:
        FileError: The file does not say its kind, or nobody added that kind.
    """
    with complete(path):
        name = settings["answer"]
    try:
        found: type[Result[Any]] = named(name).result_type
    except InputError as error:
        raise FileError(f"'{path}' cannot be read. {error}") from error
    return found


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
    for answer in answers():
        fits: Outcome | None = answer.outcome_type.of(info, request)
        if fits is not None:
            return _at_positions(fits, request, answer.in_words)
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
