"""What each kind of answer must bring: public names, words of `outputs`, a csv that is read or refused."""

import inspect
import re
from pathlib import Path

import pytest

import howsure
from howsure.external.files import read_result
from howsure.on_first_use import imported
from howsure.tasks.registry import OUTPUTS, PARTS, answers
from tests.doors.cases import case_of, network

DOCS = Path(__file__).parents[2] / "docs"
KINDS = pytest.mark.parametrize("kind", answers(), ids=lambda kind: kind.name)


@KINDS
def test_the_result_its_rows_and_what_is_fitted_to_it_are_public_names(kind):
    parts = ("evaluate", "calibrate", "prediction_sets", "prediction_intervals", "abstain")
    fitted = [inspect.signature(kind.part(name)).return_annotation for name in parts if kind.has(name)]
    row = type(case_of(kind.name).result[0])
    assert {kind.result_type.__name__, row.__name__, *fitted} <= set(howsure.__all__)


@KINDS
def test_every_part_is_there_and_is_one_that_messages_can_name(kind):
    assert set(kind.parts) <= set(PARTS)
    assert all(imported(each) is not None for each in kind.parts.values())


@KINDS
def test_every_word_of_outputs_is_in_the_docs_and_can_be_typed(kind):
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert kind.outputs
    assert all(word in OUTPUTS and re.search(rf"[\"'`]{word}[\"'`]", text) for word in kind.outputs)


@KINDS
@pytest.mark.parametrize("word", OUTPUTS)
def test_a_word_of_other_kinds_gives_one_of_them_or_is_refused(kind, word):
    case, having = case_of(kind.name), [each.result_type for each in answers() if word in each.outputs]
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
