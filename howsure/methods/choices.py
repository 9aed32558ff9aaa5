"""The methods of howsure; one line in `METHODS` adds one.

From what they declare follow the names in comparisons and on the command line, and what messages say of them.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from howsure.adapters.protocol import ColumnsModel, MemberModel, Model
from howsure.adapters.resolve import ModelHandle
from howsure.errors import InputError
from howsure.methods.augmentation import Augmentation
from howsure.methods.ensemble import Ensemble
from howsure.methods.graph import Graph
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Members, PlainPrediction, Softmax
from howsure.methods.protocol import Choice, Method, Option, OwnMethod, is_method
from howsure.sampling.outcome import Outcome
from howsure.words import listed

P = ParamSpec("P")
T = TypeVar("T")

METHODS: tuple[type[OwnMethod], ...] = (
    Softmax,
    Members,
    PlainPrediction,
    MCDropout,
    Ensemble,
    Augmentation,
    LastLayerLaplace,
)
"""All methods, in the order in which comparisons have them. A model gets the first of two
with one name."""

CHOICES: tuple[Choice, ...] = tuple(choice for method in METHODS for choice in method.choices)
"""The names under which they can be chosen."""

OPTIONS: Mapping[str, Option] = {option.name: option for choice in CHOICES for option in choice.options}
"""The options of all of them that the command line can set, by name."""

DEFAULT, ENSEMBLE = MCDropout.choices[0], Ensemble.choices[0]
"""The one for networks where nothing else is asked for, and the one where there are other models."""

_SHOWN = (bool, int, float, type(None))


def choice_of(option: str) -> Choice:
    """The choice that is typed so on the command line."""
    return next(choice for choice in CHOICES if choice.option == option)


def default_method(model: ModelHandle, x: Any) -> Method:
    """The method that `assess` uses for a model if none is named.

    Args:
        model: The handle of the caller's model.
        x: The caller's rows.

    Raises:
        InputError: A classifier or regressor does not accept the rows.
        ModelError: It gives no probabilities or numbers.
    """
    if isinstance(model.model, ColumnsModel):
        return Graph()
    if not model.is_estimator:
        return MCDropout()
    with warnings.catch_warnings(action="ignore"):  # the warning comes when the rows are assessed
        adapted, _ = model.adapt(x)
    return Members() if isinstance(adapted, MemberModel) else PlainPrediction()


def possible_methods(
    model: Model, outcome: Outcome, members: Sequence[Any], options: Mapping[str, Any]
) -> dict[str, Method]:
    """The methods that fit a model, by name.

    Args:
        model: An adapted model.
        outcome: The kind of its answers.
        members: Other models like it, trained from other seeds.
        options: Options of methods by name; each method gets those that it takes.
    """
    methods: dict[str, Method] = {}
    for choice in CHOICES:
        if choice.fits(model, outcome) and (members or not choice.takes_members):
            taken = {name: value for name, value in options.items() if choice.takes(name)}
            method = choice.make(members, taken)
            if isinstance(model, method.needs.model):
                methods.setdefault(choice.name, method)
    return methods


def check_method(method: object) -> None:
    """Raise an `InputError` unless this is a method."""
    if not is_method(method):
        calls = [f"{own.__name__}({'…' if _needs_arguments(own) else ''})" for own in METHODS]
        raise InputError(
            "`method` cannot be used", expected=f"howsure.{listed(calls, 'or')}", received=repr(method)
        )


def _needs_arguments(method: type[OwnMethod]) -> bool:
    return any(part.default is part.empty for part in inspect.signature(method).parameters.values())


def redirect_method_kwargs(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, whose TypeError for a setting of a method says where that is given.

    Example:
        >>> howsure.assess(model, x, passes=100)
        Traceback (most recent call last):
        ...
        TypeError: assess() takes no argument 'passes': ... `method=howsure.MCDropout(passes=100)`.
    """
    own = inspect.signature(function).parameters

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        unknown = kwargs.keys() - own.keys()
        for method in METHODS if unknown else ():
            misplaced = [name for name in inspect.signature(method).parameters if name in unknown]
            if misplaced:
                settings = ", ".join(
                    f"{name}={kwargs[name]!r}" if isinstance(kwargs[name], _SHOWN) else f"{name}={name}"
                    for name in misplaced
                )
                raise TypeError(
                    f"{function.__name__}() takes no argument {' or '.join(map(repr, misplaced))}: how "
                    "passes are drawn is a matter of the method. Give it as "
                    f"`method=howsure.{method.__name__}({settings})`."
                )
        return function(*args, **kwargs)

    return called
