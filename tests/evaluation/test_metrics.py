"""What a score says of itself is what every place shows of it, so that none is forgotten."""

import inspect
from dataclasses import fields
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import howsure
from howsure.compare.comparison import Comparison
from howsure.evaluation.score import OUTSIDE
from howsure.report.comparison import render_comparison
from howsure.tasks.task import task_named
from tests.golden.cases import CASES
from tests.guard import check_none, check_same
from tests.kinds import KINDS as ALL_KINDS
from tests.kinds import of_kind
from tests.report.made import Page

GLOSSARY = (Path(__file__).parents[2] / "docs" / "words.md").read_text(encoding="utf-8")

PLACES = {kind: f"{task_named(kind).result_type.__module__.rpartition('.')[0]}.scores" for kind in ALL_KINDS}

KINDS = {
    kind: (import_module(place).METRICS, *of_kind(kind).scores)
    for kind, place in PLACES.items()
    if find_spec(place)
}
"""By kind its scores, what holds them, and the fields there that are further scores."""


def file_of(kind):
    """The file that defines the scores of a kind."""
    return f"{PLACES[kind].replace('.', '/')}.py"


@cache
def evaluation_of(kind):
    result = CASES[kind]().result
    return howsure.evaluate(result, outside=CASES[kind]().result[3:9])


@cache
def comparison_of(kind):
    case = CASES[kind]()
    return Comparison.of_results({"one": case.result, "other": case.other}, case.truth)


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_its_field_and_each_field_its_definition(kind):
    scores, holder, further = KINDS[kind]
    held = [
        field.name for field in fields(holder) if field.type.split(" | ")[0] in ("Score", "ScoreAtLevels")
    ]
    open = f"{file_of(kind)}, or the class of scores `{holder.__name__}`"
    where = {"found_in": f"the fields of `{holder.__name__}`", "expected_in": "`METRICS`", "open": open}
    check_same(held, [*scores, *further], **where)
    wrong = [name for name, metric in scores.items() if name != metric.name]
    check_none(wrong, "scores have another name in `METRICS`", open=open)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_explained(kind):
    scores, holder, _ = KINDS[kind]
    explained = [name for name in scores if f"\n    {name}: " in inspect.getdoc(holder)]
    open = f"{inspect.getsourcefile(holder)}: `Attributes:` of `{holder.__name__}`"
    check_none([name for name in scores if name not in explained], "scores have no sentence", open=open)
    wrong = [name for name, metric in scores.items() if not (metric.heading and metric.good)]
    check_none(wrong, "scores have no `heading`, or do not say what is `good`", open=file_of(kind))
    wrong = [name for name in scores if kind == "classes" and f"`{name}`" not in GLOSSARY]
    check_none(wrong, "scores have no row", open='docs/words.md, table "Scores"')


@pytest.mark.parametrize("kind", [kind for kind in KINDS if task_named(kind).can("compare")])
def test_the_page_of_a_comparison_explains_each_that_it_shows(kind):
    comparison = comparison_of(kind)
    words = Page(render_comparison(comparison)).words
    scores = comparison.comparing.metrics
    for name, metric in scores.items():
        assert name in comparison.evaluations["one", "as they are"]._found.scores
        if metric.term is not None and name not in OUTSIDE:
            assert metric.column in words
            assert metric.term.split("{")[0] in words
    assert {*comparison.words.questions} <= {name for name, metric in scores.items() if metric.term}
    assert all(
        heading == "right" or scores[name].compared == heading for heading, name in comparison.words.short
    )
