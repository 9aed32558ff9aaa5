"""The plan: a sampling design and the fitted constants of its error. With it, no row affects another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from howsure.arguments import check_path
from howsure.atomic import write_whole
from howsure.data.reading import of_content
from howsure.data.rows import listed
from howsure.errors import FileError, InputError
from howsure.models.fingerprint import check_fingerprint, fingerprint_of
from howsure.models.protocol import BFLOAT16, FLOAT32, Level, PassModel
from howsure.sampling.design import Design, DesignEffect
from howsure.sampling.error import EarlyError

FORMAT = 7
"""Version of the file format of saved plans."""


@dataclass(frozen=True)
class Spent:
    """What a pilot spent.

    Attributes:
        passes: Passes, each of one row.
        cost: What they cost, in plain predictions of one row.
    """

    passes: int
    cost: float

    @property
    def in_words(self) -> str:
        """Both, a sentence."""
        return (
            f"The plan comes from a pilot of {self.passes:,} passes, each of one row, for the price of "
            f"{self.cost:,.0f} plain predictions."
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
        made_for: The random calls of the model that the plan was made for, in words; empty if it fits any
            model.
        pilot: What the pilot spent that made the plan; None where that is not known.
        fingerprint: Of the model that the plan was made for, as `howsure.models.fingerprint` has it; empty if
            it is not known, as in a file of a version that did not keep it.
    """

    design: Design | None = None
    shares: tuple[float, ...] = ()
    precision: str = FLOAT32
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
        names = {number: level.sites[-1].name for number, level in enumerate(levels) if number}
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
        found = asdict(self)
        return {name: found[name] for name in found if name not in ("pilot", "fingerprint")}

    def check_fits(self, model: PassModel, *, of_one_kind: bool = False) -> None:
        """Raise an `InputError` unless the plan was made for this model.

        Args:
            model: With the same weights and random calls.
            of_one_kind: True if the weights may be others, as those of further members of an ensemble are.
        """
        levels, hint = model.levels, "Make one with howsure.plan(model, x)"
        if self.made_for and self.made_for != described(levels):
            draws = listed(described(levels), between="; ")
            raise InputError(
                "The plan was made for another model, or for rows of another size",
                expected=f"one for {draws or 'a model without random layers'}",
                received=f"one for {listed(self.made_for, between='; ')}",
                hint=hint,
            )
        if not of_one_kind:
            check_fingerprint("The plan was made for", self.fingerprint, fingerprint_of(model), hint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file. An existing file stays until the new one is complete.

        Raises:
            FileError: The file cannot be written.
        """
        settings = {"format": FORMAT, **asdict(self)}
        text = json.dumps({**settings, "sha256": _digest(settings)}, indent=1) + "\n"
        write_whole(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan that `save` wrote.

        Raises:
            FileError: The file is missing, damaged, or not a saved plan.
        """
        source = check_path(path)
        try:
            content = source.read_bytes()
        except OSError as error:
            raise FileError(f"Cannot read the plan '{source}' ({error.strerror or error})") from error
        try:
            settings = json.loads(content.decode("utf-8"))
            found = settings["format"]
            if found == FORMAT:
                if settings.pop("sha256") != _digest(settings):
                    raise ValueError("it is not what was saved")
                return _plan_from(settings)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FileError(
                f"'{source}' is not a saved plan ({of_content(error)})",
                expected="a file written by `Plan.save` or `howsure audit --save-plan`",
                hint="If it was one, it is damaged: make the plan again",
            ) from error
        raise FileError(
            f"'{source}' is in a format that this version of howsure does not know",
            expected=f"format {FORMAT}",
            received=found,
            hint="Make the plan again with howsure.plan(model, x)",
        )


def _digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings, independent of how their JSON is laid out."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def described(levels: Sequence[Level]) -> tuple[str, ...]:
    """The random calls of a model in words, without their names, which may change from run to run."""
    return tuple(
        f"{site.in_words} of {' × '.join(map(str, site.shape))} at level {number}"
        for number, level in enumerate(levels)
        for site in level.sites
    )


def _plan_from(settings: Mapping[str, Any]) -> Plan:
    """The plan with these `settings`, as read from JSON."""

    def several(constants: Sequence[Sequence[float]], count: int) -> tuple[Any, ...]:
        found = tuple(tuple(map(float, each)) for each in constants)
        if any(len(each) != count for each in found):
            raise ValueError(f"not {count} numbers each")
        return found

    def error(constants: Mapping[str, Any]) -> EarlyError:
        widths = {"usual_early": 3, "usual_late": 3, "of_variance": 2, "of_spread": 2}
        found = {name: several(constants[name], count) for name, count in widths.items()}
        return EarlyError(**found, alike=tuple(map(float, constants["alike"])))

    def effect(measured: Mapping[str, Any]) -> DesignEffect:
        return DesignEffect(tuple(map(float, measured["quantiles"])), float(measured["spread"]))

    design = settings["design"]
    if design is not None:
        design = Design(
            tuple(map(int, design["widths"])),
            tuple(map(int, design["late"])),
            int(design["cells"]),
            int(design["first"]),
            float(design["cost"]),
            error(design["one"]),
            error(design["group"]),
            effect(design["one_effect"]),
            effect(design["group_effect"]),
        )
    pilot = settings["pilot"]
    precision = settings["precision"]
    if precision not in (FLOAT32, BFLOAT16):
        raise ValueError(f"the precision '{precision}'")
    return Plan(
        design,
        tuple(map(float, settings["shares"])),
        precision,
        tuple(map(str, settings["made_for"])),
        None if pilot is None else Spent(int(pilot["passes"]), float(pilot["cost"])),
        str(settings.get("fingerprint", "")),
    )
