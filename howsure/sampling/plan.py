"""The plan: a sampling design and the fitted constants of its error. With it, no row affects another."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from msgspec import Meta

from howsure.adapters.fingerprint import check_fingerprint, described, fingerprint_of
from howsure.adapters.protocol import BFLOAT16, FLOAT32, Level, PassModel
from howsure.errors import InputError
from howsure.inputs.rows import listed
from howsure.inputs.typed_json import COUNT, FROM_0, SHARE, read_sealed, typed, write_sealed
from howsure.sampling.design import Design

FORMAT = 7
"""Version of the file format of saved plans."""


@dataclass(frozen=True)
class Spent:
    """The passes and the price of a pilot.

    Attributes:
        passes: Passes, each of one row.
        cost: Their price, in plain predictions of single rows.
    """

    passes: Annotated[int, COUNT]
    cost: Annotated[float, FROM_0]

    @property
    def in_words(self) -> str:
        """Both, a sentence."""
        return (
            f"A pilot made the plan: it ran {self.passes:,} passes of single rows, as much work as plain "
            f"predictions of {self.cost:,.0f} rows."
        )


@dataclass(frozen=True)
class Plan:
    """How many passes rows get, and the constants of their error; made by `howsure.plan`.

    All rows get one cell of the design. Rows that need more get whole groups of cells.

    Attributes:
        design: The design; None if passes must run one at a time or must be independent. Then every row gets
            flat groups, and its error comes from the variance between them.
        shares: Share of the pilot's predictive variance that arises at each level: the first level, and those
            where a cell branches. Empty if not measured.
        precision: `float32`; or `bfloat16` if the pilot found it accurate enough for the heavy layers and
            this machine is faster with it.
        made_for: The random calls of the model of the plan, in words; empty if it fits any model.
        pilot: The passes and the price of the pilot; None if not known.
        fingerprint: Fingerprint of the model that the plan was made for, see `howsure.adapters.fingerprint`;
            empty if it is not known, as in a file of a version that did not keep it.
    """

    design: Design | None = None
    shares: tuple[Annotated[float, SHARE], ...] = ()
    precision: Annotated[str, Meta(pattern=f"^({FLOAT32}|{BFLOAT16})$")] = FLOAT32
    made_for: tuple[str, ...] = ()
    pilot: Spent | None = None
    fingerprint: str = ""

    def in_words(self, levels: Sequence[Level]) -> str:
        """The plan in words, with the names of the random calls and what its pilot spent.

        Args:
            levels: Levels of the model that the plan was made for, the shared one first.
        """
        if self.design is None:
            return "every pass runs through all random layers."
        pilot = "" if self.pilot is None else f" {self.pilot.in_words}"
        return f"{self._design_in_words(self.design, levels)} Heavy layers run in {self.precision}.{pilot}"

    def _design_in_words(self, design: Design, levels: Sequence[Level]) -> str:
        names = {number: level.random_ops[-1].name for number, level in enumerate(levels) if number}
        price = f"{design.passes} passes for the price of {design.cost:.2f} plain predictions"
        balanced = f"{design.cells} times as many, with masks that balance each other"
        if design.is_flat:
            several = (
                f"All rows get {design.first} times as many, because fewer show their errors too roughly. "
            )
            return (
                f"{price}: each runs through all random layers, in balanced groups of {design.late[0]}. "
                f"{several if design.first > 1 else ''}Rows that need more get as many again."
            )
        first, *more = design.ratios
        masks = [f"{first} mask{'s' * (first > 1)} at '{names[1]}'"]
        for level, ratio in enumerate(more, start=2):
            masks.append(f"{ratio} for each of these at '{names[level]}'")
        brought = [f"{100 * share:.0f} % at '{names[level]}'" for level, share in enumerate(self.shares, 1)]
        return (
            f"{price}: {', '.join(masks)}. {'Rows that need more' if design.first == 1 else 'All rows'} get "
            f"{balanced}. The variance arises where masks branch: {', '.join(brought)}."
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The plan as plain numbers, as saved with a result; empty for flat passes without a design."""
        return {} if self.design is None else self.constants

    @property
    def constants(self) -> dict[str, Any]:
        """All that numbers depend on, so without what the pilot spent, and without the fingerprint."""
        constants = asdict(self)
        del constants["pilot"], constants["fingerprint"]
        return constants

    def check_fits(self, model: PassModel, *, of_one_kind: bool = False) -> None:
        """Raise an `InputError` unless the plan was made for this model.

        Args:
            model: With the same weights and random calls.
            of_one_kind: True if the weights may be others, as those of further members of an ensemble are.
        """
        levels, hint = model.levels, "Make one with howsure.plan(model, x)"
        made_for, draws_here, own = self.made_for, described(levels), fingerprint_of(model)
        if self.fingerprint and own:  # the weights show that it is the same model, whatever the size of rows
            made_for, draws_here = (tuple(map(_of_any_size, draws)) for draws in (made_for, draws_here))
        if self.made_for and made_for != draws_here:
            draws = listed(described(levels), between="; ")
            raise InputError(
                "The plan was made for another model",
                expected=f"one for {draws or 'a model without random layers'}",
                received=f"one for {listed(self.made_for, between='; ')}",
                hint=hint,
            )
        if not of_one_kind:
            check_fingerprint("The plan was made for", self.fingerprint, own, hint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file. An existing file stays until the new one is complete.

        Raises:
            FileError: The file cannot be written.
        """
        write_sealed(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan that `save` wrote.

        Raises:
            FileError: The file is missing, damaged, or not a saved plan.
        """
        plan: Plan = read_sealed(
            path,
            "plan",
            FORMAT,
            lambda content: typed(cls, content, ""),
            written_by="`Plan.save` or `howsure audit --save-plan`",
            again="Make the plan again with howsure.plan(model, x)",
        )
        return plan


def _of_any_size(described: str) -> str:
    """A random call in words without the sides of what it draws: a plan serves rows of every size."""
    return re.sub(r"\d+(?=[\d × ]* at level \d+$)", "n", described)
