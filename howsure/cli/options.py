"""Options that commands have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import howsure
from howsure.data.files import read_class_names
from howsure.errors import InputError
from howsure.methods.choices import CHOICES, Choice, choice_of
from howsure.methods.mc_dropout import MCDropout
from howsure.request import Request
from howsure.sampling.plan import Plan
from howsure.scale.recipe import Asked, OutcomeSource

LEFT_OUT, WRONG, INTERRUPTED = 1, 2, 130
"""Exit codes beside 0."""

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but warnings and errors."),
]


MethodName = StrEnum("MethodName", {choice.option: choice.option for choice in CHOICES})  # type: ignore[misc]


class Outputs(StrEnum):
    """What a model gives."""

    logits = "logits"
    probabilities = "probabilities"
    label_logits = "label-logits"
    label_probabilities = "label-probabilities"


Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same passes.")]
DivideBy = Annotated[
    float | None, typer.Option(help="Divide the rows by this first, for example 255 for images.")
]
KeepOff = Annotated[
    list[str] | None,
    typer.Option(help="A random layer that stays off, by its name in `audit`; once or more."),
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Let the model file run code of its own; only if you trust it.")
]
Weights = Annotated[
    Path | None, typer.Option(help="Weights for the module that the function makes: its state dict.")
]


# --- groups: one parameter of a command, several options -------------------------------------------


@dataclass(frozen=True)
class Limits:
    """Where the verdicts lie."""

    sure: Annotated[
        float | None, typer.Option(help="Least probability of a row that is `sure` (default 0.95).")
    ] = None
    coin_flip: Annotated[
        float | None,
        typer.Option(help="Largest lead over the runner-up of a `coin flip` (default 0.2)."),
    ] = None

    @property
    def thresholds(self) -> howsure.Thresholds | None:
        """Those that were asked for, or None."""
        given = {name: value for name, value in vars(self).items() if name in ("sure", "coin_flip")}
        given = {name: value for name, value in given.items() if value is not None}
        return howsure.Thresholds(**given) if given else None


@dataclass(frozen=True)
class Names(Limits):
    """What classes are called, and where the verdicts on them lie."""

    class_names: Annotated[
        str | None, typer.Option(help="Names in the order of the model's outputs: a,b,c or a file.")
    ] = None

    def named(self, request: Request) -> Request:
        """A request with these names and thresholds.

        Raises:
            InputError: A value that cannot be used.
            FileError: The file of class names cannot be read.
        """
        names = None if self.class_names is None else read_class_names(self.class_names)
        return replace(request, class_names=names, thresholds=self.thresholds)


@dataclass(frozen=True)
class Asking:
    """What every command asks of a model."""

    outputs: Annotated[
        Outputs | None, typer.Option(help="What the model gives, where its last layer does not say.")
    ] = None
    seed: Seed = 0

    @property
    def request(self) -> Request:
        """The same as Python has it; an outcome in a module of the user's is not in it yet.

        Raises:
            InputError: A value that cannot be used.
            FileError: The file of class names cannot be read.
        """
        return Request(seed=self.seed, outputs=None if self.outputs is None else self.outputs.value)

    @property
    def given(self) -> dict[str, object]:
        """What was given, by the names of the options; None for the rest."""
        usual = {each.name: each.default for each in fields(self)}
        return {
            f"--{name.replace('_', '-')}": value if value != usual[name] else None
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class Running(Asking):
    """The same where rows run through it."""

    output: Annotated[
        str | None,
        typer.Option(help="Which of several outputs of the model is meant, by name or place from 0."),
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(
            help="What an answer is, where howsure should not read it from the model: package.module:Name of "
            "an Outcome."
        ),
    ] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Rows that run together.")] = 256

    @property
    def request(self) -> Request:
        """As of `Asking`."""
        return replace(super().request, batch_size=self.batch_size, output=named_or_placed(self.output))

    def asked(self, divide_by: float | None) -> Asked:
        """The same with where the outcome is, also for workers that stand in another folder.

        Args:
            divide_by: What rows are divided by first, or None.
        """
        source = None if self.outcome is None else OutcomeSource(self.outcome, os.getcwd())
        return Asked(self.request, divide_by, source)


@dataclass(frozen=True)
class Wishes(Running, Names):
    """The same where rows are assessed."""

    @property
    def request(self) -> Request:
        """As of `Asking`."""
        return self.named(super().request)


@dataclass(frozen=True)
class GraphWishes(Asking, Names):
    """What is asked of a model whose certainty becomes a graph."""

    @property
    def request(self) -> Request:
        """As of `Asking`."""
        return self.named(super().request)


@dataclass(frozen=True)
class MethodOptions:
    """What produces the passes."""

    method: Annotated[
        MethodName | None,
        typer.Option(
            help="What produces the passes, mc-dropout unless said; an ensemble needs --member. A classifier "
            "of scikit-learn has its own."
        ),
    ] = None
    member: Annotated[
        list[Path] | None,
        typer.Option(help="One more model, trained from another seed, for an ensemble."),
    ] = None
    passes: Annotated[int | None, typer.Option(help="The same number of passes for every row.")] = None
    target_error: Annotated[
        float | None,
        typer.Option(help="Or passes until no probability has a larger standard error (default 0.01)."),
    ] = None
    max_passes: Annotated[int | None, typer.Option(help="Most passes that a row may get.")] = None
    plan: Annotated[
        Path | None,
        typer.Option(
            help="A plan that `audit --save-plan` kept: a row's numbers then depend on no other row."
        ),
    ] = None
    keep_off: KeepOff = None

    @property
    def members(self) -> list[Path]:
        """Other models, for an ensemble."""
        return self.member or []

    @property
    def choice(self) -> Choice:
        """The method by its name."""
        return choice_of(None if self.method is None else self.method.value)

    @property
    def dropout(self) -> MCDropout:
        """What is asked of dropout.

        Raises:
            InputError: A value that cannot be used.
            FileError: The plan cannot be read.
        """
        plan = None if self.plan is None else Plan.load(self.plan)
        return MCDropout(
            passes=self.passes,
            target_error=self.target_error,
            max_passes=self.max_passes,
            plan=plan,
            keep_off=self.keep_off or (),
        )

    def check(self, dropout: MCDropout) -> None:
        """Raise where members are missing, or where something was asked for that has no effect."""
        choice = self.choice
        if choice.takes_members and not self.members:
            raise InputError(
                f"--method {choice.option} needs other models", expected="--member, once or more"
            )
        if self.members and not choice.takes_members:
            raise InputError(f"--member has no effect with --method {choice.option}", expected="an ensemble")
        if not choice.takes_dropout and dropout != MCDropout():
            raise InputError(
                f"Passes and plans have no effect with --method {choice.option}",
                expected="--method mc-dropout, or an ensemble of it",
            )


@dataclass(frozen=True)
class Opening:
    """How a model is opened."""

    weights: Weights = None
    allow_code: AllowCode = False


def named_or_placed(output: str | None) -> str | int | None:
    """An output as Python names it: whole numbers are places."""
    return int(output) if output is not None and output.isdecimal() else output


def consoles(quiet: bool) -> tuple[Console, Console]:
    """Where progress goes, and where results go; nowhere for who wants it quiet."""
    return Console(stderr=True, quiet=quiet), Console(quiet=quiet)


def say_version(wanted: bool) -> None:
    """Print the version and end, where it was asked for."""
    if wanted:
        typer.echo(f"howsure {howsure.__version__}")
        raise typer.Exit
