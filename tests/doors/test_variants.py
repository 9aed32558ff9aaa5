"""The relations of `test_doors.py`, for further examples of a kind of answer.

A cell is a variant × a door × a relation. The doors of `REFUSED` refuse a variant in one line, whatever is
done to what comes in.
"""

import itertools
import re
from dataclasses import replace

import numpy as np
import pandas
import pytest

import howsure
from howsure.errors import HowsureError
from tests.doors.cases import N
from tests.doors.doors import DOORS, held_of
from tests.doors.said import check_same
from tests.doors.test_doors import DISTANCES, ORDER, PLACES, SOME, STORED, folders
from tests.doors.variants import MADE, variant_of

NO_DEVIATION = ("beside a result", "calibrate")
REFUSED = {
    **{("quantiles", door): "no standard deviation" for door in NO_DEVIATION},
    **{("counts", door): "predicts counts" for door in ("rescaled", "beside a result")},
    ("quantiles", "from a table"): "standard deviations are not finite",
    ("noise by row", "calibrate"): "calibrated already",
    ("several sizes", "from a table"): r"probabilities .* are missing",
}
"""By variant and door, why there is no answer."""

pytestmark = pytest.mark.filterwarnings("ignore:The threshold lies beyond")

RESULTS, SAID = {}, {}


@pytest.fixture(autouse=True, scope="module")
def one_call_each():
    """Each example is made once."""
    yield
    RESULTS.clear()
    SAID.clear()


def plain(name):
    if name not in RESULTS:
        RESULTS[name] = variant_of(name).made(variant_of(name).case)
    return RESULTS[name]


def cells(where=lambda name, door: True):
    """Variants, and doors that their kind has and that run no model, or one that the variant has."""
    return [
        (name, door)
        for name, door in itertools.product(MADE, DOORS)
        if (not DOORS[door].by_the_model or door in variant_of(name).doors)
        and DOORS[door].has(plain(name))
        and where(name, DOORS[door])
    ]


def every(where=lambda name, door: True):
    return pytest.mark.parametrize(("name", "door"), cells(where))


def said_or_refused(name, door, folder, case=None, result=None, truth=None):
    """What a door says and "", or None and why not, in one line."""
    case = variant_of(name).case if case is None else case
    try:
        return DOORS[door].call(held_of(case, folder, plain(name) if result is None else result, truth)), ""
    except HowsureError as error:
        refusal = str(error)
    assert len(refusal.splitlines()) == 1
    return None, refusal


def usual(name, door, folder):
    if (name, door) not in SAID:
        SAID[name, door] = said_or_refused(name, door, folder)
    return SAID[name, door]


def check_alike(name, door, path, rows=None, **changed):
    """A door says the same of changed rows, `rows` of those there were; or it refuses both."""
    one, other = folders(path)
    (before, why), (after, refusal) = usual(name, door, one), said_or_refused(name, door, other, **changed)
    assert (before is None) == (after is None), why or refusal
    if before is None:
        return
    expected = before.rows if rows is None else before.taken(rows)
    check_same(after.rows, expected, "rows")
    if rows is None or len(rows) == N:
        check_same(after.whole, before.whole, "all rows")


@every()
def test_a_door_answers_or_refuses_as_it_should(name, door, tmp_path):
    found, refusal = usual(name, door, tmp_path)
    assert (found is None) == ((name, door) in REFUSED), refusal
    assert found is not None or re.search(REFUSED[name, door], refusal)


@pytest.mark.parametrize(("name", "door"), [("quantiles", door) for door in NO_DEVIATION])
def test_a_hint_that_is_followed_to_the_letter_works(name, door, tmp_path):
    (hint,) = re.findall(r"`([^`]*\([^`]*)`", usual(name, door, tmp_path)[1])
    named = {"howsure": howsure, "result": plain(name), "y": variant_of(name).case.truth}
    assert eval(hint, named) is not None


@every(lambda name, door: not door.counts)
def test_rows_in_another_order_are_the_same_rows(name, door, tmp_path):
    case = variant_of(name).case.taken(ORDER)
    check_alike(name, door, tmp_path, ORDER, case=case, result=variant_of(name).made(case))


@every(lambda name, door: not (door.fits or door.counts))
def test_a_subset_says_of_a_row_what_all_rows_say(name, door, tmp_path):
    case = variant_of(name).case.taken(SOME)
    for number, result in enumerate((plain(name)[SOME], variant_of(name).made(case))):
        (tmp_path / str(number)).mkdir()
        check_alike(name, door, tmp_path / str(number), SOME, case=case, result=result)


@every(lambda name, door: not door.by_the_model)
@pytest.mark.parametrize("way", STORED)
def test_a_result_says_the_same_however_it_came_about(name, door, way, tmp_path):
    check_alike(name, door, tmp_path, result=STORED[way](plain(name), tmp_path))


@every(lambda name, door: door.truth and name != "several sizes")
def test_truths_with_the_ids_in_another_order_are_aligned_or_refused(name, door, tmp_path):
    case = variant_of(name).case
    truth = pandas.DataFrame(case.truth[ORDER], index=case.ids[ORDER])
    truth = truth[0] if case.truth.ndim == 1 else truth.set_axis(list(case.names), axis=1)
    after, _ = said_or_refused(name, door, tmp_path, truth=truth)
    if after is not None:
        (tmp_path / "same").mkdir()
        check_alike(name, door, tmp_path / "same", truth=truth)
    truth.index = [*truth.index[:-1], "other"]
    with pytest.raises(HowsureError):
        DOORS[door].call(held_of(case, tmp_path, plain(name), truth))


@every(lambda name, door: name in ("quantiles", "noise by row") and not door.in_the_unit)
@pytest.mark.parametrize("unit", [(4.0, 10.0), (2.0**200, 0.0), (2.0**-200, 0.0)])
def test_numbers_in_another_unit_are_the_same_in_that_unit(name, door, unit, tmp_path):
    one, other = folders(tmp_path)
    case, (times, plus) = variant_of(name).case, unit
    moved = replace(case, unit=unit, truth=case.truth * times + plus)
    (before, why), (after, refusal) = (
        usual(name, door, one),
        said_or_refused(name, door, other, moved, variant_of(name).made(moved)),
    )
    assert (before is None) == (after is None), why or refusal
    for column, values in {} if before is None else before.rows.items():
        if column in PLACES | {"quantiles"}:
            check_same(
                (np.asarray(after.rows[column], float) - plus) / times, np.asarray(values, float), column
            )
        elif column in DISTANCES:
            check_same(np.asarray(after.rows[column], float) / times, np.asarray(values, float), column)


@every(lambda name, door: door.part != "above" and not door.named and name == "quantiles")
def test_targets_in_another_order_are_the_same_targets(name, door, tmp_path):
    one, other = folders(tmp_path)
    case = variant_of(name).case
    turned = replace(case, turn=(1, 0), names=case.names[::-1], truth=case.truth[:, ::-1])
    (before, why), (after, refusal) = (
        usual(name, door, one),
        said_or_refused(name, door, other, turned, variant_of(name).made(turned)),
    )
    assert (before is None) == (after is None), why or refusal
    for column, values in {} if before is None else before.rows.items():
        if column in before.wide:
            check_same(np.asarray(after.rows[column]), np.asarray(values)[..., ::-1], column)


@every()
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_few_rows(name, door, count, tmp_path):
    case = variant_of(name).case.taken(np.arange(count))
    said_or_refused(name, door, tmp_path, case, plain(name)[:count])


@every(lambda name, door: door.truth)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_truths_that_are_all_alike(name, door, tmp_path):
    truth = variant_of(name).case.truth
    alike = [np.zeros_like(row) for row in truth] if isinstance(truth, list) else np.zeros_like(truth)
    said_or_refused(name, door, tmp_path, truth=alike)


@every(lambda name, door: door.truth and not door.by_the_model)
def test_truths_of_other_rows_are_refused(name, door, tmp_path):
    truth = variant_of(name).case.truth
    for number, wrong in enumerate((truth[:-1], [*truth, truth[0]])):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(howsure.InputError):
            DOORS[door].call(held_of(variant_of(name).case, tmp_path / str(number), plain(name), wrong))


@every(lambda name, door: name == "several sizes" and not door.counts and door.of != ("regions", "of_row"))
def test_small_images_say_the_same_among_large_ones_and_alone(name, door, tmp_path):
    """All but maps, which are as large as the largest image of the call."""
    one, other = folders(tmp_path)
    small = [number for number, image in enumerate(variant_of(name).case.x) if image.shape[0] == 3]
    case = variant_of(name).case.taken(np.array(small))
    alone = variant_of(name).made(case)
    assert alone.positions == (3, 2)
    (among, why), (found, refusal) = (
        said_or_refused(name, door, one, case, plain(name)[small]),
        said_or_refused(name, door, other, case, alone),
    )
    if (name, door) in REFUSED:
        return
    assert (among is None) == (found is None), why or refusal
    for column, values in {} if among is None else among.rows.items():
        if not (isinstance(values, np.ndarray) and values.shape[1:3] == (4, 4)) and column != "sets":
            check_same(found.rows[column], values, column)
    if among is not None and "html" not in among.whole:
        check_same(found.whole, among.whole, "all rows")


@every(lambda name, door: name == "several sizes" and door.truth)
def test_what_lies_beyond_a_smaller_image_changes_nothing(name, door, tmp_path):
    """Labels as large as the largest image, with anything there; and lists of maps of their own sizes."""
    maps = np.full((N, 4, 4), 2)
    for row, labels in zip(maps, variant_of(name).case.truth, strict=True):
        row[tuple(map(slice, labels.shape))] = labels
    check_alike(name, door, tmp_path, truth=maps)
