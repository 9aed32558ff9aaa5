"""The caller uses a buffer again: nothing that was made of it changes.

A cell is a kind × a way in that takes arrays. Ways are read from the public functions and methods, so that
one without its cell fails in `test_every_way_in_has_its_cell`.
"""

import dataclasses
import inspect
import itertools
from collections.abc import Mapping

import numpy as np
import pandas
import pytest

import howsure
from howsure.results.lazy_maps import LazyMap
from howsure.tasks.task import task_of, tasks
from tests.doors.cases import DROPOUT, N, case_of
from tests.guard import check_none
from tests.kinds import KINDS, of_kind
from tests.tasks.answers_or_refuses import functions, methods_of

SHARES = np.linspace(0.1, 0.9, N)


class Lender:
    """Lends copies of arrays and lists, and writes over all of them afterwards."""

    def __init__(self):
        self.lent = []

    def __call__(self, values):
        copy = list(values) if isinstance(values, (tuple, list)) else np.array(values)
        self.lent.append(copy)
        return copy

    def use_again(self):
        for each in self.lent:
            if isinstance(each, list):
                each[:] = each[::-1]
            elif each.dtype.kind in "OU":
                each[...] = "z"
            else:
                each[...] = ~each if each.dtype == bool else 1 - each


def content(kept):
    """All that an object holds, so that two moments can be compared."""
    if isinstance(kept, LazyMap):
        kept = np.asarray(kept)
    if isinstance(kept, np.ndarray):
        return kept.tolist() if kept.dtype == object else (kept.shape, kept.tobytes())
    if isinstance(kept, Mapping):
        return {repr(name): content(value) for name, value in kept.items()}
    if isinstance(kept, (list, tuple)):
        return [content(each) for each in kept]
    if type(kept).__module__.startswith("howsure"):
        return type(kept), content(vars(kept))
    return repr(kept)


def asked(case, lend):
    counts = {} if case.counts is None else {"positions": lend(case.counts)}
    return {"class_names": lend(case.names), **case.settings, **counts}


def assess(case, result, lend):
    rows = {"x": lend(case.x), "id": lend(case.ids), "y": lend(case.truth)}
    return howsure.assess(case.model, rows, method=DROPOUT, **asked(case, lend))


def stream(case, result, lend):
    rows = {"x": lend(case.x), "id": lend(case.ids), "y": lend(case.truth)}
    return list(howsure.stream(case.model, rows, method=DROPOUT, **asked(case, lend)))


def compare(case, result, lend):
    methods = {"softmax": howsure.Softmax(), "dropout": DROPOUT}
    given = {"outputs": case.settings.get("outputs"), "class_names": lend(case.names), "methods": methods}
    return howsure.compare(case.model, {"x": lend(case.x), "id": lend(case.ids)}, lend(case.truth), **given)


def plan(case, result, lend):
    given = {"outputs": case.settings.get("outputs")}
    return howsure.plan(case.model, lend(case.x), howsure.MCDropout(passes=20), **given)


def audit(case, result, lend):
    return howsure.audit(case.model, lend(case.x), outputs=case.settings.get("outputs"))


def passes(case, result, lend):
    return howsure.passes(case.model, lend(case.x), 3, outputs=case.settings.get("outputs"))


def abstain(case, result, lend):
    of, tolerance = of_kind(case.kind), of_kind(case.kind).tolerance
    if isinstance(tolerance, dict):
        tolerance = lend([*tolerance.values()])
    return howsure.abstain(result, lend(case.truth), risk=of.risk, tolerance=tolerance)


def fit_rules(case, result, lend):
    of = of_kind(case.kind)
    return howsure.fit_rules(
        result, lend(case.truth), calibrate=False, coverage=0.5, risk=of.risk, tolerance=of.tolerance
    )


def watch(case, result, lend):
    rules = fit_rules(case, result, lambda truth: truth)
    watched = howsure.watch(rules)
    watched.update(rules(result), lend(case.truth))
    return watched


def prediction_intervals(case, result, lend):
    return howsure.prediction_intervals(result, lend(case.truth), coverage=0.5)


def familiarity(case, result, lend):
    random = np.random.default_rng(3)
    z, logits = random.normal(size=(160, 4)), random.normal(size=(160, 2))
    train, held_out = (
        howsure.Features(lend(z[part].astype(np.float32)), lend(logits[part].astype(np.float32)))
        for part in (slice(60), slice(60, None))
    )
    found = howsure.familiarity(train, lend(np.arange(60) % 2), held_out, score="neighbours", share=0.05)
    return found, train, held_out


def constructor(case, result, lend):
    """With every array of a result, and its settings."""
    given = {each.name: getattr(result, each.name) for each in dataclasses.fields(result)}
    given |= {"ids": case.ids, "frame_index": np.arange(N) + 7}
    lent = {name: lend(each) if isinstance(each, np.ndarray) else each for name, each in given.items()}
    lent["method"] = {"name": "mine", "members": lend([1, 2, 3])}
    lent[result.names] = lend(getattr(result, result.names))
    return type(result)(**lent)


def from_passes(case, result, lend):
    """Also in files that are mapped for writing, and from data frames by an index."""
    found = np.asarray(passes(case, result, np.array))[..., : len(case.names)]
    counts = {} if case.counts is None else {"positions": lend(case.counts)}
    make = getattr(type(result), of_kind(case.kind).constructor)
    made = [make(lend(found), lend(case.names), **counts)]
    if not result.positions:
        index = lend(np.arange(N) + 7)
        frames = [pandas.DataFrame(lend(each), index, list(case.names), copy=False) for each in found]
        made.append(make(frames))
    return made


def from_samples(case, result, lend):
    noise = lend(np.ones(result.mean.shape))
    samples = np.stack([result.mean, result.mean + 1, result.mean - 2])
    return type(result).from_samples(lend(samples), lend(case.names), noise=noise, ids=lend(case.ids))


def from_mean_std(case, result, lend):
    made = type(result).from_mean_std
    alone = made(lend(result.mean), lend(result.std), lend(case.names), ids=lend(case.ids))
    index = lend(np.arange(N) + 7)
    mean, std = (pandas.DataFrame(lend(each), index, copy=False) for each in (result.mean, result.std))
    return alone, made(mean, std), made(lend(result.mean[:, 0]), 1.0)


def from_quantiles(case, result, lend):
    ends = np.stack([result.mean - 1, result.mean + 1], axis=-1)
    return type(result).from_quantiles(
        lend(ends), lend(np.array([0.05, 0.95])), lend(case.names), ids=lend(case.ids)
    )


def from_probabilities(case, result, lend):
    p = np.asarray(result.probabilities)
    counts = {} if case.counts is None else {"positions": lend(case.counts)}
    made = type(result).from_probabilities
    return [made(lend(p), lend(case.names), **counts), made(lend(p.astype(np.float64)), **counts)]


def rescaled(case, result, lend):
    return result.with_truth(case.truth).rescaled(lend([3.0, 1.0]), lend(np.array([2.0, 0.5])), truth="real")


def with_truth(case, result, lend):
    made = [result.with_truth(lend(case.truth))]
    if case.truth.dtype.kind == "f":
        made.append(result.with_truth(lend(case.truth.astype(np.float32))))
        made.append(result.of_target(0).with_truth(lend(case.truth[:, 0])))
    return made


WAYS = {
    "assess": assess,
    "stream": stream,
    "compare": compare,
    "plan": plan,
    "audit": audit,
    "passes": passes,
    "predict_with_uncertainty": lambda case, result, lend: howsure.predict_with_uncertainty(
        case.model, lend(case.x), n_iter=3
    ),
    "evaluate": lambda case, result, lend: howsure.evaluate(result, lend(case.truth)),
    "calibrate": lambda case, result, lend: howsure.calibrate(result, lend(case.truth)),
    "abstain": abstain,
    "fit_rules": fit_rules,
    "watch": watch,
    "prediction_sets": lambda case, result, lend: howsure.prediction_sets(
        result, lend(case.truth), coverage=0.8
    ),
    "prediction_intervals": prediction_intervals,
    "familiarity": familiarity,
    "features_of": lambda case, result, lend: howsure.features_of(
        case.model, {"x": lend(case.x), "id": lend(case.ids)}
    ),
    "constructor": constructor,
    "from_passes": from_passes,
    "from_samples": from_samples,
    "from_mean_std": from_mean_std,
    "from_quantiles": from_quantiles,
    "from_probabilities": from_probabilities,
    "rescaled": rescaled,
    "with_truth": with_truth,
    "with_ids": lambda case, result, lend: (
        result.with_ids(lend(case.ids)),
        result.with_ids(lend(np.arange(N))),
        result.with_ids(pandas.Series(lend(np.arange(N) + 3), copy=False)),
    ),
    "with_familiarity": lambda case, result, lend: result.with_familiarity(lend(SHARES)),
    "with_noise": lambda case, result, lend: (
        result.with_noise(lend(1.0 + result.mean**2)),
        result.with_noise(lend([1.0, 2.0])),
        result.with_noise(lend(np.array([1.0, 2.0]))),
    ),
    "numbered": lambda case, result, lend: result.with_truth(result.numbered(lend(case.truth))),
    "__getitem__": lambda case, result, lend: (result[lend(np.arange(9))], result[lend(SHARES > 0.5)]),
}

JUDGED = ("evaluate", "calibrate", "abstain", "prediction_sets", "prediction_intervals", "compare")
OF_ROWS = ("familiarity", "features_of")
"""Ways that rows with positions do not have."""

KEEP_NOTHING = {
    "export": "writes a file",
    "hand_over": "writes a file",
    "load": "takes no array",
    "objects": "finds spans and parts: its arrays are its own",
    "report": "writes a file",
    "joined": "takes results",
    "from_table": "takes a table of Arrow, which nobody changes",
    "row_type": "the type of a row, as `__getitem__` makes it",
    "has": "takes a name",
    "mean_error": "gives numbers of its own",
}
"""Names that take an array, or anything, and give nothing that keeps it."""

RESULTS = {}


def plain(kind):
    if kind not in RESULTS:
        RESULTS[kind] = case_of(kind).result
    return RESULTS[kind]


def has(kind, way):
    """Whether a kind of answer has this way in."""
    result = plain(kind)
    if way in JUDGED:
        return task_of(result).can(way)
    if way in OF_ROWS and result.positions:
        return False
    is_method = not (hasattr(howsure, way) or way == "constructor")
    return not is_method or hasattr(type(result), way)


CELLS = [(kind, way) for kind, way in itertools.product(KINDS, WAYS) if has(kind, way)]


def takes_arrays(method):
    """Whether a parameter may be an array, as its annotation says."""
    told = [str(each.annotation) for each in inspect.signature(method).parameters.values()]
    return any(word in each for each in told for word in ("ArrayLike", "NDArray", "Any", "Positions"))


def test_every_way_in_has_its_cell():
    names = functions() | {"__getitem__"}
    for kind in tasks():
        methods = {name: getattr(kind.result_type, name) for name in methods_of(kind.result_type)}
        names |= {name for name, method in methods.items() if takes_arrays(method)}
    open = "tests/doors/test_buffers.py: `WAYS`, or `KEEP_NOTHING` for what keeps no array"
    check_none(names - WAYS.keys() - KEEP_NOTHING.keys(), "take arrays, and have no cell", open=open)
    check_none(WAYS.keys() - {"constructor"} - names, "have a cell, and take no arrays", open=open)
    assert len({way for _, way in CELLS}) == len(WAYS)


@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
@pytest.mark.parametrize(("kind", "way"), CELLS)
def test_a_buffer_that_is_used_again_changes_nothing(kind, way):
    lend, case = Lender(), case_of(kind)
    made = WAYS[way](case, plain(kind), lend)
    before = content(made)
    assert lend.lent, "nothing was lent"
    lend.use_again()
    assert content(made) == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_arrays_of_a_result_cannot_be_written_to(kind):
    for array in plain(kind).with_ids(np.arange(N))._arrays.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array[::-1]
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_result_keeps_already_is_not_copied_again(kind):
    """A result with more beside it, and a slice of one, share the memory of the first."""
    result = plain(kind)
    for other in (result.with_ids(np.arange(N)), result.with_truth(case_of(kind).truth), result[3:9]):
        for name, array in result._arrays.items():
            assert name == "ids" or np.shares_memory(array, getattr(other, name)), name
