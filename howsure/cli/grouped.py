"""Declare several options of a command as one parameter: a dataclass whose fields are options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command in the form for typer: each group is replaced by its options.

    Args:
        command: A function. Some of its parameters may be dataclasses whose fields are options.
    """
    given = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {each.name: each.annotation for each in given if is_dataclass(each.annotation)}
    spread = list[inspect.Parameter]()
    for each in given:
        if each.name in groups:
            hints = get_type_hints(each.annotation, include_extras=True)
            spread += [
                inspect.Parameter(
                    option.name,
                    each.KEYWORD_ONLY,
                    default=each.empty if option.default is MISSING else option.default,
                    annotation=hints[option.name],
                )
                for option in fields(each.annotation)
            ]
        else:
            spread.append(each.replace(kind=each.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**options: Any) -> None:
        made = {
            name: group(**{option.name: options.pop(option.name) for option in fields(group)})
            for name, group in groups.items()
        }
        command(**options, **made)

    run.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in spread}
    return run


def given(options: Any) -> dict[str, object]:
    """The options of a group that do not have their default: values by the names that a user types."""
    found = dict[str, object]()
    for option in fields(options):
        value = getattr(options, option.name)
        if value != option.default:
            no = "no-" if value is False else ""
            found[f"--{no}{option.name.replace('_', '-')}"] = value
    return found
