"""The wishes of a caller for an assessment, checked once, and handed on as one object."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from howsure.adapters.choose_output import Output, Pair, check_output_choice
from howsure.adapters.protocol import MEAN_LOG_VARIANCE, MEAN_VARIANCE, QUANTILES, VALUES
from howsure.arguments import check_choice, check_type, check_whole
from howsure.errors import InputError
from howsure.inputs.rows import MOST_AXES
from howsure.results.thresholds import Thresholds

KEEP_PROBABILITIES, KEEP_GROUPS = "probabilities", "groups"
"""The values of `keep`."""


@dataclass(frozen=True)
class Request:
    """The wishes for an assessment, apart from the model, the rows and the method.

    Attributes have the names of the arguments of `howsure.assess`, which says what each of them means.

    Raises:
        InputError: A value that cannot be used.
    """

    seed: int = 0
    batch_size: int = 256
    outputs: str | None = None
    levels: Sequence[float] | None = None
    class_names: Sequence[str] | None = None
    thresholds: Thresholds | None = None
    output: str | int | None = None
    outcome: Any = None
    class_axis: int | None = None
    keep: str | None = None
    tile: int | Sequence[int] | None = None
    overlap: int | None = None
    positions: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_whole(self.seed, "seed", least=0)
        check_whole(self.batch_size, "batch_size", least=1)
        check_output_choice(self.output)
        check_type(self.outputs, (str, type(None)), "outputs", "a text such as 'logits', or None")
        if (self.levels is not None) != (self.outputs == QUANTILES):
            raise InputError(
                f"`levels` and outputs='{QUANTILES}' go together",
                expected="both, or neither",
                hint=f"howsure.assess, howsure.stream, howsure.plan and howsure.compare take them: "
                f"outputs='{QUANTILES}', levels=(0.05, 0.5, 0.95). For others, outputs='{VALUES}' reads each "
                "quantile as a number of its own",
            )
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
        check_choice(self.keep, (KEEP_PROBABILITIES, KEEP_GROUPS, None), "keep")
        if self.levels is not None and self.keep == KEEP_GROUPS:
            raise InputError("No groups are kept of quantiles", expected="no `keep`", received=self.keep)
        if self.thresholds is not None:
            example = "howsure.Thresholds(sure=0.95, coin_flip=0.2)"
            check_type(self.thresholds, Thresholds, "thresholds", example)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The request in the arguments of a function, such as its `locals()`: those named like a wish."""
        return cls(**{wish.name: arguments[wish.name] for wish in fields(cls) if wish.name in arguments})

    def arguments_of(self, function: Callable[..., Any]) -> dict[str, Any]:
        """The wishes that a function takes, as its arguments."""
        parameters = inspect.signature(function).parameters
        return {name: value for name, value in vars(self).items() if name in parameters}

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
