"""What must hold at every door for every kind of answer, whatever is done to what comes in.

A cell is a kind × a door × a relation. Kinds come from the registry, doors from the public names, the methods
of results and the commands: what is added without its cells fails in `test_every_name_has_its_door`.
"""

import functools
import inspect
import itertools
import pickle
import re
from dataclasses import replace

import numpy as np
import pandas
import pytest

import howsure
from howsure.atomic import TABLES
from howsure.errors import HowsureError
from howsure.tasks.task import task_named, tasks
from tests import guard
from tests.doors.cases import DROPOUT, N, case_of
from tests.doors.doors import COMMANDS, COMMANDS_NOT_WALKED, DOORS, NOT_WALKED, held_of
from tests.doors.said import check_same
from tests.kinds import KINDS, of_kind
from tests.kinds.kind import SIDE
from tests.tasks.answers_or_refuses import commands, functions, methods_of

ORDER = np.random.default_rng(1).permutation(N)
SOME = np.random.default_rng(2).permutation(N)[: N // 2]


@pytest.fixture(autouse=True, scope="module")
def one_call_each():
    """The examples are assessed once for all cells, and each door says once what it says of them."""
    yield
    RESULTS.clear()
    SAID.clear()


RESULTS, SAID = {}, {}


def result_of(case, called):
    """The result of a case, made once under this name."""
    if called not in RESULTS:
        RESULTS[called] = case.result
    return RESULTS[called]


def plain(kind):
    return result_of(case_of(kind), kind)


def cells(where=lambda kind, door: True):
    """Kinds and doors that exist for them and for which a relation holds."""
    pairs = itertools.product(KINDS, DOORS)
    return [(kind, name) for kind, name in pairs if DOORS[name].has(plain(kind)) and where(kind, DOORS[name])]


def having(part):
    """Kinds that have a part."""
    return [kind for kind in KINDS if task_named(kind).can(part)]


def every(where=lambda kind, door: True):
    return pytest.mark.parametrize(("kind", "door"), cells(where))


def said(kind, door, folder, case=None, result=None, truth=None):
    """What a door says, of the plain example unless something else is given."""
    case = case_of(kind) if case is None else case
    return DOORS[door].call(held_of(case, folder, plain(kind) if result is None else result, truth))


def usual(kind, door, folder):
    """What a door says of the plain example, which all relations compare with."""
    if (kind, door) not in SAID:
        SAID[kind, door] = said(kind, door, folder)
    return SAID[kind, door]


def said_or_refused(kind, door, folder, case=None, result=None, truth=None):
    """What a door says and "", or None and why not."""
    try:
        return said(kind, door, folder, case, result, truth), ""
    except HowsureError as error:
        return None, str(error)


def folders(path):
    """Two folders, so that nothing of one call is found by the next."""
    for name in ("one", "other"):
        (path / name).mkdir()
        yield path / name


# --- the list is complete --------------------------------------------------------------------------


def test_every_name_has_its_door():
    walked = {name for door in DOORS.values() for name in door.of} | set(NOT_WALKED)
    public = [getattr(howsure, name) for name in howsure.__all__]
    names = functions() | {
        each.__name__ for each in public if hasattr(each, "needs") and hasattr(each, "begin")
    }
    names |= set().union(*(methods_of(kind.result_type) for kind in tasks()))
    where = {"found_in": "the doors", "expected_in": "the public functions, methods of results and methods"}
    open = "tests/doors/doors.py: add a door to `DOORS`, or say in `NOT_WALKED` why there is none"
    guard.check_same(walked - {"__getitem__", "__str__", "_repr_html_"}, names, **where, open=open)


def test_every_command_and_form_has_its_door():
    open = "tests/doors/doors.py: `COMMANDS`, or `COMMANDS_NOT_WALKED` with the reason"
    guard.check_same(
        {name.split()[0] for name in COMMANDS} | {*COMMANDS_NOT_WALKED},
        commands() | {"demo"},
        **{"found_in": "the doors", "expected_in": "the commands", "open": open},
    )
    guard.check_none({*TABLES} - {".parquet", ".csv"}, "forms of tables have no door", open=open)


@pytest.mark.parametrize(
    ("kind", "door"),
    [
        (k, d)
        for k, d in itertools.product(KINDS, DOORS)
        if DOORS[d].part not in (None, "above") and not DOORS[d].has(plain(k))
    ],
)
def test_a_kind_without_a_part_refuses_in_words(kind, door, tmp_path):
    with pytest.raises(howsure.InputError, match=r"There are no .* for these rows.*Received"):
        said(kind, door, tmp_path)


def test_what_can_be_done_instead_of_a_missing_part_is_said():
    judged = {door.part for door in DOORS.values()} - {None, "above"}
    for kind in tasks():
        missing = {part for part in judged if not kind.can(part)}
        assert all(inspect.getattr_static(type(kind), part).instead for part in missing), kind.name


# --- 1 and 3: other orders, and fewer rows ---------------------------------------------------------


@every(lambda kind, door: not door.counts)
def test_rows_in_another_order_are_the_same_rows(kind, door, tmp_path):
    one, other = folders(tmp_path)
    before, case = usual(kind, door, one), case_of(kind).taken(ORDER)
    after = said(kind, door, other, case, result_of(case, (kind, "turned")))
    check_same(after.rows, before.taken(ORDER), "rows")
    check_same(after.whole, before.whole, "all rows")


@every(lambda kind, door: not (door.fits or door.counts))
def test_a_subset_says_of_a_row_what_all_rows_say(kind, door, tmp_path):
    one, other = folders(tmp_path)
    before, case = usual(kind, door, one), case_of(kind).taken(SOME)
    check_same(said(kind, door, other, case, plain(kind)[SOME]).rows, before.taken(SOME), "rows")


# --- 2: what comes in two parts --------------------------------------------------------------------

ONE_TRUTH_PER_ROW = [kind for kind in KINDS if len(of_kind(kind).shape) == 1]


def series(kind, truth, index):
    """True answers as pandas holds them."""
    if truth.ndim == 1:
        return pandas.Series(truth, index=index)
    return pandas.DataFrame(truth, index=index, columns=list(case_of(kind).names))


def takes_series(kind, door):
    return door.truth and kind in ONE_TRUTH_PER_ROW


@every(takes_series)
def test_truths_with_the_ids_in_another_order_are_aligned_or_refused(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    turned = series(kind, case.truth[ORDER], case.ids[ORDER])
    after, _ = said_or_refused(kind, door, other, truth=turned)
    if after is None:
        return
    before = usual(kind, door, one)
    check_same((after.rows, after.whole), (before.rows, before.whole), "aligned")


@every(takes_series)
@pytest.mark.parametrize("which", ["some of the rows and others", "fewer rows"])
def test_truths_of_other_rows_are_refused(kind, door, which, tmp_path):
    case = case_of(kind)
    index = case.ids[ORDER].copy()
    truth = case.truth[ORDER]
    if which == "fewer rows":
        index, truth = index[:-1], truth[:-1]
    else:
        index[:3] = ["x1", "x2", "x3"]
    with pytest.raises(howsure.InputError):
        said(kind, door, tmp_path, truth=series(kind, truth, index))


@every(takes_series)
def test_truths_with_an_index_of_their_own_stay_in_their_place(kind, door, tmp_path):
    one, other = folders(tmp_path)
    before = usual(kind, door, one)
    after = said(kind, door, other, truth=series(kind, case_of(kind).truth, range(N)))
    check_same((after.rows, after.whole), (before.rows, before.whole), "in place")


IN_TWO_PARTS = {
    "std": lambda case, result, index: howsure.RegressionCertainty.from_mean_std(
        pandas.DataFrame(result.mean, index=case.ids), pandas.DataFrame(result.std, index=index)
    ),
    "passes": lambda case, result, index: type(result).from_passes(
        [
            pandas.DataFrame(result.probabilities, index=case.ids),
            pandas.DataFrame(result.probabilities, index=index),
        ]
    ),
    "rows of a page": lambda case, result, index: result.report(
        "page.html", rows=pandas.DataFrame(case.x, index=index)
    ),
    "rows that a scan was made of": lambda case, result, index: result.with_truth(
        series(case.kind, case.truth, index)
    ),
}
PARTS_OF = {"std": ("numbers",), "passes": ("classes", "labels")}


@pytest.mark.parametrize(
    ("kind", "part"),
    [(k, part) for part in IN_TWO_PARTS for k in PARTS_OF.get(part, ONE_TRUTH_PER_ROW)],
)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_what_comes_in_two_parts_of_other_rows_is_refused(kind, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case, index = case_of(kind), case_of(kind).ids.copy()
    index[:2] = ["x1", "x2"]
    with pytest.raises(howsure.InputError):
        IN_TWO_PARTS[part](case, plain(kind), index)


# --- 4: stored, joined, sent -----------------------------------------------------------------------


def _saved(result, folder):
    path = folder / ("stored" if result.positions else "stored.parquet")
    result.save(path)
    return howsure.load(path)


STORED = {
    "saved": _saved,
    "joined": lambda result, folder: type(result).joined([result[:7], result[7:]]),
    "sent": lambda result, folder: pickle.loads(pickle.dumps(result)),
}


@every(lambda kind, door: not door.by_the_model)
@pytest.mark.parametrize("way", STORED)
def test_a_result_says_the_same_however_it_came_about(kind, door, way, tmp_path):
    one, other = folders(tmp_path)
    before = usual(kind, door, one)
    after = said(kind, door, other, result=STORED[way](plain(kind), tmp_path))
    check_same((after.rows, after.whole), (before.rows, before.whole), way)


CALIBRATED_FIRST = {}


@every(
    lambda kind, door: (
        kind in having("calibrate") and not (door.by_the_model or door.learns or door.of == ("calibrate",))
    )
)
def test_a_calibrated_result_goes_through_every_door(kind, door, tmp_path):
    """And through files, with the same words."""
    one, other = folders(tmp_path)
    case = case_of(kind)
    if kind not in CALIBRATED_FIRST:
        others = replace(case, x=case.x + np.float32(0.1))  # rows that it learns from
        calibrator = howsure.calibrate(others.result, case.truth)
        CALIBRATED_FIRST[kind] = calibrator(plain(kind))
    result = CALIBRATED_FIRST[kind]
    before, after = (
        said(kind, door, one, result=result),
        said(kind, door, other, result=_saved(result, tmp_path)),
    )
    check_same((after.rows, after.whole), (before.rows, before.whole), "calibrated")


# --- 5: what does not count ------------------------------------------------------------------------

OUT = np.zeros((N, SIDE, SIDE), dtype=bool)
OUT[:, 0] = True
OUT[::2, :, 3] = True


@every(lambda kind, door: kind == "positions" and door.of != ("familiarity",))
def test_nothing_at_positions_that_do_not_count_changes_anything(kind, door, tmp_path):
    """Other rows and other labels there."""
    one, other = folders(tmp_path)
    case = replace(case_of(kind), counts=~OUT)
    moved = np.where(OUT[..., None], -3 * case.x, case.x)
    labels = np.where(OUT, (case.truth + 1) % 3, case.truth)
    changed = replace(case, x=moved, truth=labels)
    left_out = {
        "label",
        "runner_up",
        "probability",
        "gap",
        "mc_error",
        "entropy",
        "expected_entropy",
        "settled",
    }
    left_out |= {
        "mutual_information",
        "verdict",
        "is_sure",
        "is_coin_flip",
        "passes",
        "sets",
        "mean",
        "variance",
    }
    left_out |= {"all_errors"}

    def that_counts(found):
        """Maps without the positions that do not count, which hold whatever the model says there."""
        return {
            name: np.where(np.broadcast_to(OUT, np.shape(values)), 0, values) if name in left_out else values
            for name, values in found.rows.items()
            if name not in left_out or (isinstance(values, np.ndarray) and values.shape == OUT.shape)
        }

    # The page shows the rows as they were given, which differ where they do not count.
    results = result_of(case, "left out"), result_of(changed, "left out, changed")
    if door == "compare":  # which is told by the labels what counts
        changed = replace(changed, truth=np.where(OUT, -1, case.truth))
        case = replace(case, truth=changed.truth)
    first = said(kind, door, one, case, results[0])
    then = said(kind, door, other, replace(changed, x=case.x) if door == "page" else changed, results[1])
    check_same(_without_verdicts(that_counts(then)), _without_verdicts(that_counts(first)), "rows")
    check_same(then.whole, first.whole, "all rows")


def _without_verdicts(rows):
    return {
        name: values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values
        for name, values in rows.items()
    }


@every(lambda kind, door: kind == "positions" and door.truth)
def test_void_labels_are_the_same_by_whatever_number(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    first = said(kind, door, one, truth=np.where(OUT, -1, case.truth))
    then = said(kind, door, other, truth=np.where(OUT, 255, case.truth).astype(np.int16))
    check_same((then.rows, then.whole), (first.rows, first.whole), "void")


# --- 6 and 7: units, other orders of the outputs, other names --------------------------------------


@every(lambda kind, door: door.part != "above")
def test_outputs_in_another_order_are_the_same_outputs(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    turn = np.array([2, 0, 1] if len(case.names) == 3 else [1, 0])
    place = np.argsort(turn)
    names = tuple(case.names[each] for each in turn)
    truth = place[case.truth] if of_kind(kind).one_of_names else case.truth[:, turn]
    turned = replace(case, turn=tuple(turn), names=names, truth=truth)
    before = usual(kind, door, one)
    after = said(kind, door, other, turned, result_of(turned, (kind, "other outputs")))
    for name, values in before.rows.items():
        found = after.rows[name]
        if name in before.wide and np.shape(values)[-1] == len(turn):
            check_same(np.asarray(found), np.asarray(values)[..., turn], name)
        elif (name == "text" and kind == "classes") or (
            name in OF_ALL_OUTPUTS and np.ndim(values) == 1
        ):  # elsewhere the first of equal shares comes first
            check_same(found, values, name)


def by_name(kind, door):
    """Whether a door is told something by the names of the outputs."""
    return door.named or (door.part == "abstain" and isinstance(of_kind(kind).tolerance, dict))


@every(lambda kind, door: not by_name(kind, door))
def test_other_names_change_nothing_but_names(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    names = {old: f"{old}s" for old in case.names}  # longer, so that only names hold them
    renamed = replace(case, names=tuple(names.values()))
    before = usual(kind, door, one)
    after = said(kind, door, other, renamed, result_of(renamed, (kind, "renamed")))
    for name, values in before.rows.items():
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            check_same(after.rows[name], values, name)


@every(lambda kind, door: kind == "numbers" and not door.in_the_unit)
def test_numbers_in_another_unit_are_the_same_in_that_unit(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    times, plus = 4.0, 10.0
    moved = replace(case, unit=(times, plus), truth=case.truth * times + plus)
    place = {"mean", "truth", "answers", "networks", "intervals", "quantiles", "number"}
    scale = {"std", "spread", "noise", "mc_error", "spread_error", "errors"}
    before = usual(kind, door, one)
    after = said(kind, door, other, moved, result_of(moved, "other unit"))
    for name, values in before.rows.items():
        if name in place and door != "passes":
            check_same(after.rows[name], np.asarray(values, float) * times + plus, name)
        elif name in scale:
            check_same(after.rows[name], np.asarray(values, float) * times, name)
        elif name in ("ids", "passes") and door != "passes":
            check_same(after.rows[name], values, name)


OF_ALL_OUTPUTS = {"entropy", "expected_entropy", "mutual_information", "verdict", "settled", "ids", "passes"}
"""Columns that say the same in whichever order the outputs come."""


# --- 18: large, small, and far from 0 ---------------------------------------------------------------

FAR = 1.7e9
UNITS = {"seconds": (1.0, FAR), "large": (2.0**200, 0.0), "small": (2.0**-200, 0.0)}
BEYOND = {"too large": (1e200, 0.0), "too small": (1e-200, 0.0)}
PLACES = {"mean", "truth", "answers", "networks", "intervals", "number"}
DISTANCES = {"std", "spread", "noise", "mc_error", "spread_error", "errors"}


@every(lambda kind, door: kind == "numbers" and not door.in_the_unit)
@pytest.mark.parametrize("unit", UNITS)
def test_numbers_of_any_size_are_the_same_in_their_unit(kind, door, unit, tmp_path):
    """Double precision stays: times in seconds keep their spread, and scales have no floor."""
    one, other = folders(tmp_path)
    case, (times, plus) = case_of(kind), UNITS[unit]
    moved = replace(case, unit=(times, plus), truth=case.truth * times + plus)
    before = usual(kind, door, one)
    after = said(kind, door, other, moved, result_of(moved, unit))
    if door == "passes":
        return  # variances are beside the numbers: test_the_moments_are_those_of_numpy
    # Passes at the edges of bins may change places far from 0, and quantiles with them.
    ties = {"networks", "errors"} if plus else set()
    for name in (PLACES - ties) & set(before.rows):
        check_same((np.asarray(after.rows[name], float) - plus) / times, np.asarray(before.rows[name]), name)
    for name in (DISTANCES - ties) & set(before.rows):
        check_same(np.asarray(after.rows[name], float) / times, np.asarray(before.rows[name]), name)


@pytest.mark.parametrize("unit", UNITS)
def test_the_moments_are_those_of_numpy(unit):
    case, (times, plus) = case_of("numbers"), UNITS[unit]
    case = replace(case, unit=(times, plus))
    passes = howsure.passes(case.model, case.x, 20, balanced=True, outputs="mean-log-variance")
    assert passes.dtype == np.float64
    numbers = (passes[..., :2] - plus) / times
    result = result_of(case, (unit, "without truth"))
    np.testing.assert_allclose((result.mean - plus) / times, numbers.mean(axis=0), atol=1e-6)
    # Of all networks: that of these passes, and the squared error of their mean.
    more = (result.spread / times) ** 2 - numbers.var(axis=0)
    assert ((more >= -1e-5) & (more <= (result.mc_error / times) ** 2 + 1e-5)).all()
    np.testing.assert_allclose(result.noise / times, np.sqrt(passes[..., 2:].mean(axis=0)) / times, rtol=1e-9)


@pytest.mark.parametrize("unit", UNITS)
def test_scores_of_any_size_are_those_of_numpy(unit):
    case, (times, plus) = case_of("numbers"), UNITS[unit]
    moved = replace(case, unit=(times, plus), truth=case.truth * times + plus)
    result = result_of(moved, unit)
    scores = howsure.evaluate(result, moved.truth)
    for k, name in enumerate(case.names):
        error, std = (moved.truth - result.mean)[:, k], result.std[:, k]
        own = scores.of_target[name]
        assert own.rmse.value == pytest.approx(np.sqrt(np.mean((error / times) ** 2)) * times, rel=1e-9)
        assert own.mae.value == pytest.approx(np.abs(error).mean(), rel=1e-9)
        nll = 0.5 * np.log(2 * np.pi) + np.log(std) + (error / std) ** 2 / 2
        assert own.nll.value == pytest.approx(nll.mean(), rel=1e-9)


@every(lambda kind, door: kind == "numbers")
@pytest.mark.parametrize("unit", BEYOND)
def test_numbers_that_cannot_be_squared_are_refused(kind, door, unit, tmp_path):
    case, (times, _) = case_of(kind), BEYOND[unit]
    refused = rf"(?s){unit} to be squared in double precision.*Received: .*another unit"
    if DOORS[door].by_the_model and door != "familiarity":  # whose features have no unit
        case = replace(case, unit=(times, 0.0))
        with pytest.raises(HowsureError, match=refused):
            said(kind, door, tmp_path, case)
    if DOORS[door].truth:
        with pytest.raises(howsure.InputError, match=refused):
            said(kind, door, tmp_path, truth=case.truth * times)


@pytest.mark.parametrize("unit", BEYOND)
def test_given_numbers_that_cannot_be_squared_are_refused(unit):
    (times, _), result = BEYOND[unit], plain("numbers")
    refused = rf"{unit} to be squared in double precision"
    given = {
        "means": lambda: result.from_mean_std(result.mean * times, result.std),
        "deviations": lambda: result.from_mean_std(result.mean, result.std * times),
        "samples": lambda: result.from_samples(np.stack([result.mean, result.std]) * times),
        "noise": lambda: result.with_noise(times),
        "truth": lambda: result.with_truth(case_of("numbers").truth * times),
    }
    for make in given.values():
        with pytest.raises(howsure.InputError, match=refused):
            make()


# --- 8: rows and labels moved together -------------------------------------------------------------


@every(lambda kind, door: kind == "positions" and door.fits and not door.counts and door.of != ("__str__",))
def test_rows_and_labels_that_are_moved_together_score_the_same(kind, door, tmp_path):
    one, other = folders(tmp_path)
    case = case_of(kind)
    moved = replace(case, x=case.x[:, :, ::-1], truth=case.truth[:, :, ::-1])
    before = usual(kind, door, one)
    after = said(kind, door, other, moved, result_of(moved, "flipped"))
    if "html" not in before.whole:
        check_same(after.whole, before.whole, "scores")


# --- 10 and 11: labels that were learnt from, and what is not known --------------------------------


@every(lambda kind, door: door.learns and kind in having("calibrate"))
def test_a_promise_on_rows_of_the_calibrator_warns(kind, door, tmp_path):
    case = case_of(kind)
    result = howsure.calibrate(plain(kind), case.truth)(plain(kind))
    with pytest.warns(howsure.HowsureWarning):
        said(kind, door, tmp_path, result=result)


@every(lambda kind, door: door.truth and door.part is not None and not door.by_the_model)
def test_truths_that_are_not_there_are_asked_for(kind, door, tmp_path):
    case = replace(case_of(kind), truth=None)
    with pytest.raises(howsure.InputError, match=r"(?s)label|true|truth"):
        said(kind, door, tmp_path, case)


@every(lambda kind, door: kind == "numbers" and not door.by_the_model)
def test_unknown_noise_is_known_nowhere(kind, door, tmp_path):
    """A door answers without it, or says that it is not known; the spread of networks is not all."""
    case = case_of(kind)
    samples = howsure.passes(case.model, case.x, 8, outputs="mean-log-variance")[..., :2]
    result = howsure.RegressionCertainty.from_samples(samples, target_names=case.names).with_ids(case.ids)
    found, refusal = said_or_refused(kind, door, tmp_path, result=result)
    if found is None:
        assert re.search("noise|standard deviation", refusal)
        return
    if door == "columns":
        assert np.isnan(found.rows["std"]).all()
    if door == "above":
        text = " ".join(str(row) for row in result.of_target("depth").above(1.0))
        assert "mean" in text


# --- 13: few rows, few passes, one class only ------------------------------------------------------


def answers_or_refuses(kind, door, folder, case=None, result=None, truth=None):
    """A door says something, or says in one line why not."""
    found, refusal = said_or_refused(kind, door, folder, case, result, truth)
    assert found is not None or len(refusal.splitlines()) == 1


@every()
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_few_rows(kind, door, count, tmp_path):
    case = case_of(kind).taken(np.arange(count))
    answers_or_refuses(kind, door, tmp_path, case, plain(kind)[:count])


@every(lambda kind, door: door.truth)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_truths_that_are_all_alike(kind, door, tmp_path):
    answers_or_refuses(kind, door, tmp_path, truth=np.zeros_like(case_of(kind).truth))


@every(lambda kind, door: kind == "positions")
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_a_row_none_of_whose_labels_counts(kind, door, tmp_path):
    truth = case_of(kind).truth.copy()
    truth[3] = -1
    answers_or_refuses(kind, door, tmp_path, truth=truth)
    (tmp_path / "all").mkdir()
    answers_or_refuses(kind, door, tmp_path / "all", truth=np.full_like(truth, -1))


@every(lambda kind, door: not door.by_the_model)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_a_single_pass(kind, door, tmp_path):
    case = case_of(kind)
    given = {"class_names": case.names, **case.settings}
    result = howsure.assess(case.model, case.x, method=howsure.Softmax(), **given).with_ids(case.ids)
    answers_or_refuses(kind, door, tmp_path, result=result)


SIZES = {
    "two classes": (6, 30, 2),
    "300 classes": (3, 12, 300),
    "two passes": (2, 30, 3),
    "5,000 passes": (5000, 4, 3),
    "one position": (6, 30, 3),
}


@functools.cache
def drawn(kind, size):
    """A result of drawn passes, and true answers: (T, N, K), or at 2 × 2 positions."""
    passes, rows, classes = SIZES[size]
    if not of_kind(kind).one_of_names:  # each of which has a calibrator of its own
        classes = min(classes, 30)
    random = np.random.default_rng(7)
    places = len(of_kind(kind).shape) - 1
    shape = (1,) if places and size == "one position" else (2,) * places
    values = random.normal(size=(1, rows, *shape, classes)) + random.normal(
        size=(passes, 1, *(1,) * len(shape), classes)
    )
    names = tuple(f"c{number}" for number in range(classes))
    passed, truth = of_kind(kind).drawn(values, random)
    result = of_kind(kind).made(passed, names)
    return replace(case_of(kind).taken(np.arange(rows)), names=names, truth=truth), result


OF_SIZES = [
    (*cell, size)
    for cell in cells(lambda kind, door: not (door.by_the_model or door.named or door.in_the_unit))
    for size in SIZES
    if cell[0] not in ONE_TRUTH_PER_ROW or size != "one position"
]


@pytest.mark.parametrize(("kind", "door", "size"), OF_SIZES)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_other_sizes(kind, door, size, tmp_path):
    case, result = drawn(kind, size)
    answers_or_refuses(kind, door, tmp_path, case, result)
    if door == "columns" and kind == "positions" and size != "two passes":
        assert np.isfinite(result.overlap).any()


# --- 9: the same twice -----------------------------------------------------------------------------


def _other(kind):
    """A network like that of an example, with other weights."""
    case = case_of(kind)
    return replace(case, turn=case.turn[::-1]).model


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_is_given_twice_is_seen(kind):
    case, asked = case_of(kind), {"class_names": case_of(kind).names, **case_of(kind).settings}
    with pytest.warns(howsure.HowsureWarning, match=r"twice|same"):
        howsure.assess(
            case.model, case.x, method=howsure.Ensemble([case.model, _other(kind), _other(kind)]), **asked
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_that_is_given_twice_is_seen(kind):
    case = case_of(kind)
    passes = howsure.passes(case.model, case.x, 6, outputs=case.settings.get("outputs"))
    with pytest.warns(howsure.HowsureWarning, match=r"twice|same"):
        of_kind(kind).made(passes[[0, 1, 2, 3, 4, 5, 2], ..., : len(case.names)])


@pytest.mark.parametrize("kind", having("compare"))
def test_a_method_that_is_compared_twice_is_seen(kind):
    case = case_of(kind)
    methods = {"one": DROPOUT, "other": howsure.MCDropout(passes=20)}
    given = {"outputs": case.settings.get("outputs"), "class_names": case.names, "calibrated": False}
    with pytest.warns(howsure.HowsureWarning, match=r"twice|same"):
        howsure.compare(case.model, case.x, case.truth, methods=methods, **given)


# --- 12: a hint works ------------------------------------------------------------------------------

WRONG = {
    "numbers have sets": ("numbers", "howsure.prediction_sets(result, labels)"),
    "classes have intervals": ("classes", "howsure.prediction_intervals(certainty, labels)"),
    "labels are handed over": ("labels", "howsure.hand_over(certainty, [0], path)"),
    "labels are compared": (
        "labels",
        "howsure.compare(model, x, labels, outputs=outputs, class_names=names)",
    ),
    "labels have sets": ("labels", "howsure.prediction_sets(certainty, labels)"),
    "positions have intervals": ("positions", "howsure.prediction_intervals(result, labels)"),
    "numbers have a bare interval": ("numbers", "result.interval(0.9)"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_a_hint_that_is_followed_to_the_letter_works(name, tmp_path):
    kind, call = WRONG[name]
    case, result = case_of(kind), plain(kind)
    labels = case.truth[:, 0] if kind == "labels" else case.truth
    names = {"howsure": howsure, "certainty": result, "result": result, "labels": case.truth, "y": case.truth}
    names |= {
        "model": case.model,
        "x": case.x,
        "path": tmp_path / "rows.csv",
        "outputs": case.settings.get("outputs"),
        "names": case.names,
    }
    with pytest.raises(howsure.InputError) as raised:
        eval(call, names)
    hints = re.findall(r"`([^`]*\([^`]*)`", str(raised.value))
    assert hints, str(raised.value)
    for hint in hints:
        refusal = ""
        try:
            eval(hint, names | {"labels": labels})
        except howsure.InputError as error:
            refusal = str(error)
        assert not refusal or "labelled rows" in refusal  # too few for a promise of 5 %


# --- 14: the same on the command line --------------------------------------------------------------

MISSING = {
    (kind, name): COMMANDS[name].part
    for kind, name in itertools.product(KINDS, COMMANDS)
    if (part := COMMANDS[name].part)
    and not any(answer.can(each) for answer in tasks() if answer.name == kind for each in part)
}


@pytest.mark.parametrize(
    ("kind", "command"), [pair for pair in itertools.product(KINDS, COMMANDS) if pair not in MISSING]
)
def test_a_command_says_what_python_says(kind, command, tmp_path):
    found, expected = COMMANDS[command].call(held_of(case_of(kind), tmp_path, plain(kind)))
    check_same((found.rows, found.whole), (expected.rows, expected.whole), command)


@pytest.mark.parametrize(("kind", "command"), list(MISSING))
def test_a_command_refuses_what_python_refuses(kind, command, tmp_path):
    with pytest.raises(AssertionError, match=r"error: .*\n?$"):
        COMMANDS[command].call(held_of(case_of(kind), tmp_path, plain(kind)))


def test_doors_say_what_they_take():
    """A door that is said to take no truth does not look at it."""
    for door in DOORS.values():
        source = inspect.getsource(getattr(door.call, "func", door.call))
        assert door.truth == ("held.truth" in source), door
