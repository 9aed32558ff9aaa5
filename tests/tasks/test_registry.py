"""What each kind of answer must bring: public names, words of `outputs`, a csv that is read or refused."""

import inspect
import re
from pathlib import Path

import pytest

import howsure
from howsure.external.files import read_result
from howsure.tasks.task import ABILITIES, PartialTask, Task, tasks
from tests.doors.cases import case_of, network
from tests.guard import check_none, check_same

DOCS = Path(__file__).parents[2] / "docs"
OUTPUTS = tuple(dict.fromkeys(word for task in tasks() for word in task.outputs))
KINDS = pytest.mark.parametrize("kind", tasks(), ids=lambda kind: kind.name)


@KINDS
def test_the_result_its_rows_and_what_is_fitted_to_it_are_public_names(kind):
    made_by = ("evaluate", "calibrate", "prediction_sets", "prediction_intervals", "abstain")
    made = [inspect.signature(getattr(kind, name)).return_annotation for name in made_by if kind.can(name)]
    row = type(case_of(kind.name).result[0])
    wrong = {kind.result_type.__name__, row.__name__, *made} - {*howsure.__all__}
    check_none(wrong, "are what a user gets, and no public names", open="howsure/__init__.py")


def test_every_method_of_a_task_has_a_name_for_messages():
    methods = {name for name, method in vars(Task).items() if getattr(method, "__isabstractmethod__", False)}
    where = {"found_in": "`ABILITIES`", "expected_in": "the abstract methods of `Task`"}
    check_same(ABILITIES, methods, **where, open="howsure/tasks/task.py")


@KINDS
def test_what_a_task_cannot_do_is_refused_in_words(kind):
    for name in ABILITIES:
        if not kind.can(name):
            with pytest.raises(howsure.InputError, match=f"^There are no {ABILITIES[name]} for these rows"):
                getattr(kind, name)()
            with pytest.raises(howsure.InputError, match=f"Received: one with {kind.in_words}"):
                kind.check_can(name, case_of(kind.name).result)


def test_a_task_from_outside_refuses_all_that_it_does_not_bring():
    class Nothing(PartialTask):
        result_type = howsure.Certainty

    assert not any(Nothing().can(name) for name in ABILITIES)


@KINDS
def test_every_word_of_outputs_is_in_the_docs_and_can_be_typed(kind):
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert kind.outputs
    wrong = [word for word in kind.outputs if not re.search(rf"[\"'`]{word}[\"'`]", text)]
    check_none(wrong, "words of `outputs` are on no page", open="docs/words.md")


@KINDS
@pytest.mark.parametrize("word", OUTPUTS)
def test_a_word_of_other_kinds_gives_one_of_them_or_is_refused(kind, word):
    case, having = case_of(kind.name), [each.result_type for each in tasks() if word in each.outputs]
    try:
        found = howsure.assess(network(kind.name), case.x[:3], outputs=word)
    except (howsure.InputError, howsure.ModelError):
        assert kind.result_type not in having or word != case.settings.get("outputs")
    else:
        assert type(found) in having


@KINDS
def test_its_csv_is_refused(kind, tmp_path):
    case_of(kind.name).result.save(tmp_path / "rows.csv")
    with pytest.raises(howsure.InputError, match=r"the \.parquet form"):
        read_result(tmp_path / "rows.csv")
