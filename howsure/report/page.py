"""From a result to one self-contained HTML page: what the pages of all kinds have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from howsure.adapters.fingerprint import MODEL
from howsure.atomic import PAGES, check_ending, write_whole
from howsure.audit import Audit
from howsure.compare.comparison import Comparison
from howsure.compare.findings import findings, lead
from howsure.errors import InputError
from howsure.evaluation.fitted_rows import in_words as learnt_in_words
from howsure.evaluation.score import Score, value_and_interval
from howsure.report.looks import Looks, looks_of
from howsure.report.notebook import ViewTable
from howsure.report.templates import environment
from howsure.results.origin import DECIDED
from howsure.results.thresholds import Thresholds
from howsure.tasks.printed import id_name_of, kind_of, lead_of
from howsure.tasks.sentences import words_of
from howsure.tasks.task import task_of
from howsure.words import upper

_TITLE = "How sure is the model?"

_SCORE = ("value", "low", "high")
"""Columns of the part `score_lines` that make a score."""


@dataclass(frozen=True)
class PageOptions:
    """The arguments of `render` beside the result, and values computed from them.

    Attributes:
        looks: Pictures or values of the rows.
        kind: Name of one row, `image` or `row`.
        background: For a class at each position: the number of the one that means over classes leave out.
    """

    looks: Looks
    kind: str
    audit: Audit | None
    comparison: Comparison | None
    title: str | None
    drawn_from: int | None
    missing: str | None
    background: int | None


def write_report(path: str | os.PathLike[str], result: Any, rows: Any = None, **asked: Any) -> None:
    """Write the page that `render` makes; an earlier file stays until the new one is complete.

    Raises:
        InputError: `rows` has another length than `result`, or the name another ending than `.html`.
        FileError: The file cannot be written.
    """
    check_ending(path, PAGES, needed=False)
    page = render(result, rows, **asked)
    write_whole(path, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))


def render(
    result: Any,
    rows: Any = None,
    *,
    audit: Audit | None = None,
    comparison: Comparison | None = None,
    title: str | None = None,
    drawn_from: int | None = None,
    missing: str | None = None,
    background: int | str | None = None,
) -> str:
    """One HTML page about N rows: which to check first, whether to trust the percentages, and why.

    The page holds its images, figures, styles and one small script, which it can do without, and asks for
    nothing from outside. It leaves out sections without content. With several labels per row it counts and
    shows answers, one for each label of each row, and tells them label by label.

    Args:
        result: The result; sections that need the true answers appear if it has them.
        rows: The N rows that were assessed, in their order, or with their index or ids: an array (N, …), a
            data frame, or a dict of arrays by name. (N, H, W, C) with C of 1, 3 or 4, and (N, H, W) unless
            they look like sequences, are shown as images, anything else by its first values; None shows row
            numbers alone.
        audit: The random layers of the model, or None to leave that section out.
        comparison: A comparison of methods on rows like these, or None to leave that section out.
        title: A line above the heading. Default: the question how sure the model is.
        drawn_from: How many rows there are, where these were drawn from them by chance; else None.
        missing: A sentence on rows that should be in `result` and are not, or None.
        background: For a class at each position: the one that means over classes leave out, as
            `howsure.evaluate` takes it, or None.

    Returns:
        HTML, at most 3 MB. With zero rows it says so.

    Raises:
        InputError: `rows` has another length than `result`, or its kind of answer brings no page.
    """
    kind = kind_of(result)
    left_out = None if background is None else task_of(result).background(result, background)
    looks = looks_of(rows, result, kind)
    asked = PageOptions(looks, kind, audit, comparison, title, drawn_from, missing, left_out)
    page: str = task_of(result).page(result, asked)
    return page


def whole(
    template: str,
    result: Any,
    asked: PageOptions,
    sections: Mapping[str, str],
    details: Mapping[str, str],
    tolerance: str = "",
    **context: Any,
) -> str:
    """A template that extends `page.html.j2`, filled in.

    Args:
        template: Its name.
        result: The result.
        asked: The arguments of `render`.
        sections: Headings of the sections by anchor, in their order; the comparison comes after them.
        details: The same of what is closed, at the end; the audit is added.
        tolerance: Meaning of the `tolerance` that `fit_rules` needs for such answers; empty for none.
        **context: Other values for the template.
    """
    comparison, sections, details = asked.comparison, dict(sections), dict(details)
    words = words_of(getattr(result, "method", {}))
    if comparison is not None:
        sections["methods"] = "Which method is better here?"
    if len(result):
        sections["next"] = "The next step"
    if asked.audit is not None:
        details["audit"] = "What is random in the model"
    common = {
        "title": _TITLE if asked.title is None else asked.title,
        "lead": lead_of(result),
        "rows": len(result),
        "row_kind": asked.kind,
        "kind": asked.kind,
        "kinds": f"{asked.kind}s",
        "id_name": id_name_of(result),
        "pass": words["pass"],
        "between": words["between"],
        "drawn_from": asked.drawn_from,
        "missing": asked.missing,
        "learnt": None if result.truth is None else learnt_in_words(result),
        "audit": asked.audit,
        "next": _next_step(result, tolerance),
        "compared": None if comparison is None else [lead(comparison), *findings(comparison)],
        "made_with": made_with(result),
        "with_values": bool(asked.looks.columns),
        "script": None,
        "brief": (),
        "sections": sections,
        "details": details,
    }
    return environment().get_template(template).render(common | context)


def _next_step(result: Any, tolerance: str) -> tuple[str, str]:
    """The step after reading the page, in a sentence or two, and the line to type for it."""
    kinds = f"{kind_of(result)}s"
    if getattr(result, "hand_over", None) is not None:
        step = 'howsure.hand_over(result, result.hand_over, "to_check.csv")'
        return f"Give the {kinds} that the rules hand over to a person. This writes them as a table.", step
    if DECIDED in getattr(result, "method", {}):
        return "Follow the promise of the rules while new labels come.", "watch = howsure.watch(rules)"
    if result.truth is None:
        return f"Label some {kinds}, and see how far the model can be trusted.", (
            "print(howsure.evaluate(result, labels))"
        )
    said = f"Learn rules from these labels. They correct the model, and promise something about new {kinds}."
    if not tolerance:
        return said, "rules = howsure.fit_rules(result)"
    as_it_is = ", calibrate=False" if getattr(result, "levels", ()) else ""  # quantiles have no calibrator
    step = f"rules = howsure.fit_rules(result, tolerance=tolerance{as_it_is})"
    return f"{said} The tolerance is {tolerance}.", step


def scores_of(result: Any, **wishes: Any) -> ViewTable | None:
    """The scores of a result that holds true answers.

    None of fewer than two rows, of rows that cannot be scored, or where the kind brings no scores. The part
    `evaluate` takes the `wishes`.
    """
    task = task_of(result)
    if result.truth is None or len(result) < 2 or not (task.can("evaluate") and task.can("score_lines")):
        return None
    try:
        evaluation = task.evaluate(result, None, outside=None, seed=0, **wishes)
    except InputError:
        return None
    head, *lines = task.score_lines(result, evaluation)
    alone = ("target",) if len(getattr(result, result.names)) == 1 else ()
    others = [name for name in head if name not in (*_SCORE, *alone)]
    rows = []
    for line in lines:
        cells = dict(zip(head, line, strict=True))
        score = Score(*(float("nan") if cells[name] == "" else float(cells[name]) for name in _SCORE))
        first, *more = (str(cells[name]) for name in others)
        rows.append([first or "all", *more, *value_and_interval(score)])
    named = len(others)
    head = [*map(upper, others), "Value", "95 % interval"]
    return ViewTable("Scores", head, rows, numeric=(named, named + 1))


NO_SETTINGS = ("name", "words", MODEL)
"""Keys of a method that are not its settings."""


@dataclass(frozen=True)
class MadeWith:
    """How a result was made.

    Attributes:
        method: Name of the method.
        settings: Its settings in words; those that are None are left out.
        seed: Seed of the passes, or None if that is not known.
        version: Version of howsure, or an empty text.
        others: Other settings that a result of this kind holds for all rows, in words, without empty ones.
    """

    method: str
    settings: tuple[tuple[str, str], ...]
    seed: int | None
    version: str
    others: tuple[tuple[str, str], ...]


def made_with(result: Any) -> MadeWith:
    """How a result of any kind was made, as far as it says so."""
    columns = {column.name for column in result.columns}
    values = {item.name: getattr(result, item.name) for item in fields(result) if item.name not in columns}
    method, seed, version = values.pop("method", {}), values.pop("seed", None), values.pop("version", "")
    settings = {key: value for key, value in method.items() if key not in NO_SETTINGS}
    for shown_elsewhere in ("plan", "kind", "id_name"):
        values.pop(shown_elsewhere, None)
    name = str(method.get("name", "not stated"))
    return MadeWith(name, _settings_in_words(settings), seed, version, _settings_in_words(values))


def _settings_in_words(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    stated = {key: _setting(setting) for key, setting in settings.items() if setting is not None}
    return tuple((key.replace("_", " "), text) for key, text in stated.items() if text)


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Thresholds):
        return f"sure from {value.sure:g}, coin flip up to a gap of {value.coin_flip:g}"
    return str(value["name"] if isinstance(value, Mapping) and "name" in value else value)
