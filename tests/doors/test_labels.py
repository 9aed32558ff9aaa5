"""True answers have one way in: with the rows or beside a result, they are read by the same names.

A cell is a kind × a form × a way in. The ways beside a result are the doors that take true answers.
"""

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure.errors import HowsureError, InputError
from howsure.inputs.frames import is_frame
from howsure.tasks.task import task_named
from tests.doors.cases import N, case_of
from tests.doors.label_forms import (
    TURNED,
    WAYS,
    compared,
    forms_of,
    in_columns,
    refused_forms_of,
)
from tests.doors.said import check_same
from tests.doors.test_doors import cells, plain, said, usual
from tests.kinds import KINDS

FORMS = [(kind, form) for kind in KINDS for form in forms_of(case_of(kind))]
REFUSED = [(kind, form) for kind in KINDS for form in refused_forms_of(case_of(kind))]
IN_COLUMNS = [kind for kind in KINDS if in_columns(case_of(kind)) is not None]
BESIDE = [(kind, door) for kind, door in cells(lambda kind, door: door.truth) if door != "assess with truth"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_labels_that_come_with_the_rows_are_those_beside_the_result(kind, form, way):
    case = case_of(kind)
    labels = forms_of(case)[form]
    expected = plain(kind).with_truth(labels).truth
    np.testing.assert_array_equal(expected, case.truth)
    if "batches" in way and is_frame(labels):
        with pytest.raises(InputError, match="A batch holds a data frame or a series"):
            WAYS[way](case, labels)
        return
    np.testing.assert_array_equal(WAYS[way](case, labels), expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "form"), REFUSED)
def test_labels_that_are_refused_beside_a_result_are_refused_with_the_rows(kind, form, way):
    case = case_of(kind)
    labels = refused_forms_of(case)[form]
    with pytest.raises(HowsureError):
        plain(kind).with_truth(labels)
    with pytest.raises(HowsureError):
        WAYS[way](case, labels)


@pytest.mark.parametrize(("kind", "door"), BESIDE)
def test_every_door_takes_every_form_of_labels(kind, door, tmp_path):
    expected = usual(kind, door, tmp_path)
    for form, labels in forms_of(case_of(kind)).items():
        folder = tmp_path / form
        folder.mkdir()
        found = said(kind, door, folder, truth=labels)
        check_same((found.rows, found.whole), (expected.rows, expected.whole), form)


@pytest.mark.parametrize(("kind", "form"), [cell for cell in FORMS if task_named(cell[0]).can("compare")])
def test_a_comparison_takes_labels_from_the_rows(kind, form):
    case = case_of(kind)
    labels = forms_of(case)[form]
    assert compared(case, {"x": case.x, "y": labels}) == compared(case, case.x, case.truth)


@pytest.mark.parametrize("kind", IN_COLUMNS)
def test_labels_are_aligned_with_the_index_of_the_rows(kind):
    """Rows and labels are frames of pandas, in another order."""
    case = case_of(kind)
    x = pd.DataFrame(case.x, index=case.ids)
    labels = pd.DataFrame(in_columns(case), columns=list(case.names), index=case.ids)
    given = {"class_names": case.names, **case.settings}
    beside = howsure.assess(case.model, x, **given).with_truth(labels.iloc[TURNED])
    np.testing.assert_array_equal(beside.truth, case.truth)
    found = howsure.assess(case.model, {"x": x, "y": labels.iloc[TURNED]}, **given)
    np.testing.assert_array_equal(found.truth, case.truth)
    assert found.ids.tolist() == case.ids.tolist()
    other = labels.set_axis([f"other {name}" for name in case.ids])
    with pytest.raises(InputError, match="of other rows"):
        howsure.assess(case.model, {"x": x, "y": other}, **given)


@pytest.mark.parametrize("kind", IN_COLUMNS)
def test_labels_of_more_rows_are_chosen_by_name_or_refused(kind):
    """A result of some rows of a frame, with labels of all of them, or of the others."""
    case = case_of(kind)
    labels = pd.DataFrame(in_columns(case), columns=list(case.names))
    x = pd.DataFrame(case.x)
    given = {"class_names": case.names, **case.settings}
    late, early = (howsure.assess(case.model, x.iloc[rows], **given) for rows in (slice(20, N), slice(20)))
    with pytest.warns(howsure.HowsureWarning, match=r"labels are of more rows.*: 20 of 48 are left out"):
        np.testing.assert_array_equal(late.with_truth(labels).truth, case.truth[20:])
    for result, of in ((early, labels), (early, labels.iloc[20:40]), (late, labels.iloc[:28])):
        with pytest.raises(InputError, match=r"that may have been made anew|or under an index that was made"):
            result.with_truth(of)


def test_the_labels_of_a_single_row_keep_their_names():
    """Rows one by one, each with a list of names."""
    case = case_of("labels")
    given = {"class_names": case.names, **case.settings}
    rows = [
        {"x": x, "labels": names} for x, names in zip(case.x, forms_of(case)["lists of names"], strict=True)
    ]
    np.testing.assert_array_equal(howsure.assess(case.model, rows, **given).truth, case.truth)


def learnt(case, x, labels=None):
    """What last-layer Laplace learns from labels: how probable the network makes them."""
    fitted = howsure.LastLayerLaplace.fit(case.model, x, labels, class_names=case.names)
    return fitted.posterior.log_marginal_likelihood


@pytest.mark.parametrize("form", forms_of(case_of("classes")))
def test_laplace_takes_every_form_of_labels_beside_the_rows_and_with_them(form):
    case = case_of("classes")
    labels, expected = forms_of(case)[form], learnt(case, case.x, case.truth)
    assert learnt(case, case.x, case.truth[::-1]) != expected
    assert learnt(case, case.x, labels) == expected
    for x in ({"x": case.x, "y": labels}, {"x": case.x, "labels": labels, "id": case.ids}):
        assert learnt(case, x) == expected


@pytest.mark.parametrize("form", refused_forms_of(case_of("classes")))
def test_laplace_refuses_labels_of_other_names_and_rows(form):
    case = case_of("classes")
    labels = refused_forms_of(case)[form]
    for x, beside in ((case.x, labels), ({"x": case.x, "y": labels}, None)):
        with pytest.raises(HowsureError):
            learnt(case, x, beside)


def test_laplace_aligns_labels_with_the_index_of_the_rows():
    case = case_of("classes")
    expected, x = learnt(case, case.x, case.truth), pd.DataFrame(case.x, index=case.ids)
    names = pd.Series(np.array(case.names)[case.truth], index=case.ids)
    frame = pd.DataFrame(in_columns(case), columns=list(case.names), index=case.ids).iloc[:, ::-1]
    for labels in (names, frame):
        turned, other = labels.iloc[TURNED], labels.set_axis([f"other {name}" for name in case.ids])
        for rows, beside in ((x, turned), ({"x": x, "y": turned}, None)):
            assert learnt(case, rows, beside) == expected
        for rows, beside in ((x, other), ({"x": x, "y": other}, None)):
            with pytest.raises(InputError, match="of other rows"):
                learnt(case, rows, beside)
