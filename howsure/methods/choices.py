"""The methods that a comparison and the command line offer; one line in `CHOICES` adds one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from howsure.adapters.protocol import (
    LABEL_PROBABILITIES,
    NUMBERS,
    PROBABILITIES,
    MemberModel,
    Model,
    PassModel,
)
from howsure.adapters.resolve import ModelHandle
from howsure.methods.ensemble import Ensemble
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Members, PlainPrediction, Softmax
from howsure.methods.protocol import Method
from howsure.sampling.randomness import random_ops_of


@dataclass(frozen=True)
class Choice:
    """A method that can be chosen by name.

    Attributes:
        name: Its name in a comparison.
        option: Its name on the command line.
        make: Maps other models of the same kind, and the dropout settings, to the method.
        takes_members: True if it needs other models.
        takes_dropout: True if the dropout settings change it.
    """

    name: str
    option: str
    make: Callable[[Sequence[Any], MCDropout], Method]
    takes_members: bool = False
    takes_dropout: bool = False


CHOICES = (
    Choice("softmax", "softmax", lambda members, dropout: Softmax()),
    Choice("MC dropout", "mc-dropout", lambda members, dropout: dropout, takes_dropout=True),
    Choice("ensemble", "ensemble", lambda members, dropout: Ensemble(members), takes_members=True),
    Choice(
        "MC dropout of the ensemble",
        "mc-dropout-ensemble",
        lambda members, dropout: Ensemble(members, each=dropout),
        takes_members=True,
        takes_dropout=True,
    ),
)

DEFAULT, ENSEMBLE = CHOICES[1:3]
"""The one for networks where nothing else is asked for, and the one where there are other models."""

OF_ESTIMATORS = (PROBABILITIES, LABEL_PROBABILITIES, *NUMBERS)
"""How models end that are no networks."""

OWN = "plain prediction"
"""Name of an estimator's own prediction, by its members or as a whole."""


def choice_of(option: str | None) -> Choice:
    """The choice that is typed so on the command line; `DEFAULT` for None."""
    return DEFAULT if option is None else next(choice for choice in CHOICES if choice.option == option)


def default_method(model: ModelHandle, x: Any) -> Method:
    """The method that `assess` uses for a model if none is named.

    Args:
        model: The handle of the caller's model.
        x: The caller's rows.

    Raises:
        InputError: A classifier or regressor does not accept the rows.
        ModelError: It gives no probabilities or numbers.
    """
    if not model.is_estimator:
        return MCDropout()
    with warnings.catch_warnings(action="ignore"):  # the warning comes when the rows are assessed
        return own_prediction(model.adapt(x)[0])


def own_prediction(model: Model) -> Method:
    """The plain prediction of an adapted classifier or regressor; by its members if it has some."""
    return Members() if isinstance(model, MemberModel) else PlainPrediction()


def possible_methods(
    model: Model, members: Sequence[Any] = (), dropout: MCDropout | None = None
) -> dict[str, Method]:
    """The methods that a model supports, by name; those with random passes only if something is random.

    Args:
        model: An adapted model.
        members: Other models like it, trained from other seeds.
        dropout: Settings of dropout, or None.
    """
    if model.info.ending in OF_ESTIMATORS:  # nothing to switch
        own: dict[str, Method] = {OWN: own_prediction(model)}
        return own | ({"ensemble": Ensemble(list(members))} if members else {})
    methods: dict[str, Method] = {}
    for choice in CHOICES:
        if choice.takes_members and not members:
            continue
        method = choice.make(list(members), MCDropout() if dropout is None else dropout)
        random = isinstance(model, PassModel) and bool(random_ops_of(model))
        if random or method.needs.model is not PassModel:
            methods[choice.name] = method
    return methods
