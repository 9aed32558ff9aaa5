"""The methods that a comparison and the command line offer; one line in `CHOICES` adds one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.methods.softmax import Softmax
from howsure.models.protocol import Model, PassModel
from howsure.sampling.randomness import sites_of


@dataclass(frozen=True)
class Choice:
    """A method that can be chosen by name.

    Attributes:
        name: As a comparison shows it.
        option: As it is typed on the command line.
        make: From other models like the one that is assessed, and what was asked of dropout, to the method.
        takes_members: Whether it needs other models.
    """

    name: str
    option: str
    make: Callable[[Sequence[Any], MCDropout], Method]
    takes_members: bool = False


CHOICES = (
    Choice("softmax", "softmax", lambda members, dropout: Softmax()),
    Choice("MC dropout", "mc-dropout", lambda members, dropout: dropout),
    Choice("ensemble", "ensemble", lambda members, dropout: Ensemble(members), takes_members=True),
    Choice(
        "MC dropout of the ensemble",
        "mc-dropout-ensemble",
        lambda members, dropout: Ensemble(members, each=dropout),
        takes_members=True,
    ),
)


def possible_methods(model: Model, members: Sequence[Any] = ()) -> dict[str, Method]:
    """By name, the methods that a model allows: those that need passes only where something is random.

    Args:
        model: Behind the seam.
        members: Other models like it, trained from other seeds.
    """
    found = {}
    for choice in CHOICES:
        if choice.takes_members and not members:
            continue
        method = choice.make(list(members), MCDropout())
        random = isinstance(model, PassModel) and bool(sites_of(model))
        if random or method.needs.model is not PassModel:
            found[choice.name] = method
    return found
