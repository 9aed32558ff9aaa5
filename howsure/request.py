"""The wishes of a caller for an assessment, checked once, and handed on as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from howsure.arguments import check_choice, check_type, check_whole
from howsure.data.rows import MOST_AXES
from howsure.errors import InputError
from howsure.models.choose_output import Output, Pair, check_output_choice
from howsure.models.protocol import MEAN_LOG_VARIANCE, MEAN_VARIANCE
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome

KEEP_PROBABILITIES = "probabilities"
"""The only value of `keep`."""


@dataclass(frozen=True)
class Request:
    """The wishes for an assessment, apart from the model, the rows and the method.

    Attributes:
        seed: Seed of the passes, ≥ 0.
        batch_size: Rows that run together, ≥ 1. It changes speed and memory, not the result.
        outputs: The kind of numbers that the model puts out, such as `logits`. Default: read from the model.
        class_names: K names of the classes, labels or numbers, in the order of the outputs. Default: those of
            the model or the rows.
        thresholds: Thresholds of the verdicts. Default: 0.95 and 0.20.
        output: Name or place of the output to use, if the model has several.
        outcome: The kind of answer: an `Outcome`, or a class of them that is asked whether the model fits;
            Default: all that howsure knows.
        class_axis: Axis of the classes in the output of one row, if there is an answer at each position.
            Default: the last one in Keras and the first one in PyTorch.
        tile: Sides of the tiles in which rows are assessed that have an answer at each position: one number
            for all axes of positions, or one for each. Default: whole rows.
        overlap: Positions that neighbouring tiles share, along each axis. Default: a quarter of the tile.
        positions: The positions of each row that count, an array (N, *P) of yes or no. Default: those that
            the model itself counts, otherwise all.
        keep: `probabilities` to keep those of all classes at each position. Default: the two top classes.
        of_label: For a model with several labels at each position: the label whose map is assessed, yes or no
            at each position, by its name or its place; None if a position has one class.

    Raises:
        InputError: A value that cannot be used.
    """

    seed: int = 0
    batch_size: int = 256
    outputs: str | None = None
    class_names: Sequence[str] | None = None
    thresholds: Thresholds | None = None
    output: str | int | None = None
    outcome: Outcome | type[Outcome] | None = None
    class_axis: int | None = None
    keep: str | None = None
    tile: int | Sequence[int] | None = None
    overlap: int | None = None
    positions: Any = field(default=None, compare=False)
    of_label: str | int | None = None

    def __post_init__(self) -> None:
        check_whole(self.seed, "seed", least=0)
        check_whole(self.batch_size, "batch_size", least=1)
        check_output_choice(self.output)
        check_type(self.outputs, (str, type(None)), "outputs", "a text such as 'logits', or None")
        if self.of_label is not None and not isinstance(self.of_label, str):
            check_whole(self.of_label, "of_label", least=0)
        if self.class_axis is not None:
            check_whole(self.class_axis, "class_axis", least=-MOST_AXES)
        if self.tile is not None:
            listed = isinstance(self.tile, Sequence) and not isinstance(self.tile, str)
            for side in self.tile if listed else [self.tile]:  # type: ignore[union-attr]
                check_whole(side, "tile", least=1)
        if self.overlap is not None:
            check_whole(self.overlap, "overlap", least=0, even=True)
            if self.tile is None:
                raise InputError("`overlap` has no effect without `tile`", expected="both, or neither")
        check_choice(self.keep, (KEEP_PROBABILITIES, None), "keep")
        if self.thresholds is not None:
            example = "howsure.Thresholds(sure=0.95, coin_flip=0.2)"
            check_type(self.thresholds, Thresholds, "thresholds", example)
        kind = self.outcome if isinstance(self.outcome, type) else type(self.outcome)
        if self.outcome is not None and not issubclass(kind, Outcome):
            raise InputError(
                "`outcome` cannot be used",
                expected="a `howsure.sampling.outcome.Outcome`, a class of them, or None",
                received=repr(self.outcome),
            )

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The request in the arguments of a function, such as its `locals()`: those named like a wish."""
        return cls(**{each.name: arguments[each.name] for each in fields(cls) if each.name in arguments})

    @property
    def assessed_output(self) -> Output:
        """`output`; or without one, where means and variances are declared, both of two outputs."""
        if self.output is None and self.outputs in (MEAN_VARIANCE, MEAN_LOG_VARIANCE):
            return Pair(self.outputs)
        return self.output

    @property
    def limits(self) -> Thresholds:
        """`thresholds`, or the usual ones."""
        return Thresholds() if self.thresholds is None else self.thresholds
