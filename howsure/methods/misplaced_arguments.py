"""Arguments that were given to the wrong function, or under the name that others have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import ParamSpec, TypeVar

from howsure.methods.mc_dropout import MCDropout

P = ParamSpec("P")
T = TypeVar("T")

NAMES = ("class_names", "target_names")
"""Arguments for names of outputs."""

_SHOWN = (bool, int, float, type(None))


def accept_alias(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, which takes `target_names` for `class_names`, and the other way round.

    Example:
        >>> howsure.assess(prices, houses, target_names=["price"]).target_names
        ('price',)
    """
    own, other = NAMES if NAMES[0] in inspect.signature(function).parameters else reversed(NAMES)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if other in kwargs and own not in kwargs:
            kwargs[own] = kwargs.pop(other)
        return function(*args, **kwargs)

    return called


def redirect_method_kwargs(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, whose TypeError for a setting of `MCDropout` says where that is given.

    Example:
        >>> howsure.assess(model, x, passes=100)
        Traceback (most recent call last):
        ...
        TypeError: assess() takes no argument 'passes': ... `method=howsure.MCDropout(passes=100)`.
    """
    own = inspect.signature(function).parameters
    elsewhere = [item.name for item in fields(MCDropout) if item.name not in own]

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        misplaced = {name: kwargs[name] for name in elsewhere if name in kwargs}
        if misplaced:
            settings = ", ".join(
                f"{name}={value!r}" if isinstance(value, _SHOWN) else f"{name}={name}"
                for name, value in misplaced.items()
            )
            raise TypeError(
                f"{function.__name__}() takes no argument {' or '.join(map(repr, misplaced))}: how passes "
                f"are drawn is a matter of the method. Give it as `method=howsure.MCDropout({settings})`."
            )
        return function(*args, **kwargs)

    return called
