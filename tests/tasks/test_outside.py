"""A kind of answer from outside: what it brings works, and what it does not bring is refused in words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import howsure
from howsure.external.files import read_result
from howsure.report.page import PageOptions, whole
from howsure.tasks import task
from howsure.tasks.task import PartialTask, add, tasks
from howsure.tasks.truth import truth_of
from tests.support.conformance import check_outcome
from tests.tasks.measures import Measures, Measuring, Regression, known, linear, rows

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def numbers() -> Iterator[Measures]:
    """200 assessed rows of two numbers each."""
    with known():
        yield howsure.assess(
            linear(2), rows(200), method=howsure.MCDropout(passes=20), class_names=["height", "weight"]
        )


def test_an_outside_outcome_keeps_to_the_protocol() -> None:
    raw = np.random.default_rng(0).normal(size=(5, 9, 2)).astype(np.float32)
    check_outcome(Regression(("height", "weight")), raw)


def test_mean_and_spread_are_those_of_a_linear_layer_behind_a_dropout(numbers: Measures) -> None:
    found = howsure.assess(linear(2), rows(20), method=howsure.MCDropout(passes=2000, balanced=False))
    weights = np.random.default_rng(0).normal(size=(4, 2))
    variance = (rows(20)[:, :, None] * weights) ** 2 * 0.2 / 0.8
    assert np.abs(found.mean - (rows(20) @ weights + 0.2)).max() <= 4.5 * found.mc_error.max()
    np.testing.assert_allclose(found.spread, np.sqrt(variance.sum(axis=1)), rtol=0.1)


def test_an_outcome_can_be_named_where_howsure_does_not_know_it() -> None:
    found = howsure.assess(linear(), rows(), method=howsure.MCDropout(passes=10), outcome=Regression)
    assert isinstance(found, Measures)
    assert found.number_names == ("0",)
    assert "measures" not in [other.name for other in tasks()]


def test_numbers_are_saved_and_loaded(numbers: Measures, tmp_path: Path) -> None:
    numbers.save(tmp_path / "numbers.parquet")
    again = howsure.load(tmp_path / "numbers.parquet")
    assert type(again) is Measures
    np.testing.assert_array_equal(again.mean, numbers.mean)
    assert str(again[3]) == str(numbers[3])


def test_its_own_csv_is_not_taken_for_probabilities_or_logits(numbers: Measures, tmp_path: Path) -> None:
    numbers.save(tmp_path / "numbers.csv")
    with pytest.raises(howsure.InputError, match="that howsure wrote as csv"):
        read_result(tmp_path / "numbers.csv")


def test_a_file_of_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with known():
        found = howsure.assess(linear(), rows(), method=howsure.MCDropout(passes=10))
        found.save(tmp_path / "numbers.parquet")
    with pytest.raises(howsure.FileError, match="does not know answers of the kind 'measures'"):
        howsure.load(tmp_path / "numbers.parquet")


def test_evaluate_asks_the_kind(numbers: Measures) -> None:
    truth = numbers.mean + np.array([3.0, -2.0])
    found = howsure.evaluate(numbers, truth)
    assert found.rmse["height"].value == pytest.approx(3.0)
    assert found.rmse["weight"].value == pytest.approx(2.0)
    assert str(found).startswith("200 rows\nrmse of height  3")


def test_truth_that_comes_with_the_rows_is_evaluated() -> None:
    with known():
        given = {"x": rows(), "y": np.zeros(9)}
        found = howsure.assess(linear(), given, method=howsure.MCDropout(passes=10))
        rmse = howsure.evaluate(found).rmse["0"].value
    assert rmse == pytest.approx(np.sqrt(np.mean(found.mean**2)))


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda numbers, path: howsure.calibrate(numbers), "calibrators"),
        (lambda numbers, path: howsure.prediction_sets(numbers), "prediction sets"),
        (lambda numbers, path: howsure.abstain(numbers), "rules of abstention"),
        (lambda numbers, path: howsure.hand_over(numbers, [0], path / "rows.csv"), "tables to hand over"),
        (lambda numbers, path: numbers.report(path / "page.html"), "pages"),
    ],
    ids=["calibrate", "sets", "abstain", "hand over", "report"],
)
def test_what_the_kind_does_not_bring_is_refused(numbers, call, missing, tmp_path: Path) -> None:
    said = rf"There are no {missing} for these rows\..* a result with .*one class per row.*one with measures"
    with pytest.raises(howsure.InputError, match=said):
        call(numbers, tmp_path)


def test_columns_that_the_kind_lacks_are_none_and_refused_in_words(numbers: Measures) -> None:
    assert numbers.ids is None
    assert numbers.frame_index is None
    with pytest.raises(howsure.InputError, match="A `Measures` keeps no ids"):
        numbers.with_ids(range(200))
    with pytest.raises(howsure.InputError, match="A `Measures` has no `from_passes`"):
        Measures.from_passes(np.zeros((3, 200, 2)))


def test_labels_of_any_numbers_are_read_by_position_and_refused_where_they_do_not_fit(
    numbers: Measures,
) -> None:
    counts = np.arange(400).reshape(200, 2)
    np.testing.assert_array_equal(truth_of(numbers, counts), counts)
    np.testing.assert_array_equal(truth_of(numbers.with_truth(counts), None), counts)
    with pytest.raises(howsure.InputError, match="The true answers do not fit the rows"):
        numbers.with_truth(counts[:9])
    with pytest.raises(howsure.InputError, match="The true answers are not known"):
        truth_of(numbers, None)


def test_a_page_needs_no_template_of_its_own(numbers: Measures, tmp_path: Path) -> None:
    class Paged(Measuring):
        def page(self, result: Measures, asked: PageOptions, /) -> str:
            return whole("page.html.j2", result, asked, {}, {"made": "How this was made"})

    with known():
        task._TASKS["measures"] = Paged()
        numbers.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "There are 200 rows." in page
    assert "How this was made" in page


def test_what_was_fitted_to_classes_refuses_numbers(numbers: Measures) -> None:
    random = np.random.default_rng(0)
    p = random.dirichlet([1, 1], size=100)
    labels = (random.random(100) < p[:, 1]).astype(int)
    one = howsure.Certainty.from_probabilities(p)
    calibrator, sets = howsure.calibrate(one, labels), howsure.prediction_sets(one, labels)
    for call in (calibrator, sets, howsure.abstain(one, labels, risk=0.5)):
        with pytest.raises(howsure.InputError, match=r"another kind.*one class per row.*one with measures"):
            call(numbers)
    with pytest.raises(howsure.InputError, match=r"another kind.*one class per row.*one with measures"):
        howsure.evaluate(one, labels, outside=numbers)


def test_another_kind_of_the_same_name_is_refused() -> None:
    class Other(PartialTask[Measures]):
        outcome_type, result_type = Regression, Measures

    with known(), pytest.raises(howsure.InputError, match="another kind of answer called 'measures'"):
        add(Other())


def test_what_is_no_task_is_not_added() -> None:
    with pytest.raises(howsure.InputError, match="This is no kind of answer"):
        add("measures")  # type: ignore[arg-type]
