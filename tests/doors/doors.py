"""Every door through which a result is reached, judged or left, as one function of a `Held` example.

`DOORS` and `COMMANDS` are complete: a public function, method or command without a door fails
`test_every_name_has_its_door`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import howsure
from howsure.shifts import unmoved
from howsure.tasks.task import task_of
from tests.commands import done, flat
from tests.doors.cases import DROPOUT, Case, network
from tests.doors.said import Said, numbers_of, of_lines, of_result, of_table, words_of
from tests.kinds import KINDS, of_kind
from tests.kinds.kind import typed_tolerance

COVERAGE = 0.8


@dataclass(frozen=True)
class Held:
    """A case, its result however it came about, and its true answers in whatever form."""

    case: Case
    result: Any
    truth: Any
    folder: Path


@dataclass(frozen=True)
class Door:
    """One door.

    Attributes:
        call: What is done there.
        of: Names of the public functions and methods of results that it walks through; a kind without any of
            the methods has no such door.
        part: The part of the registry that it needs; a kind without it refuses.
        of_tables: Whether it is for rows without positions only.
        truth: Whether it takes true answers.
        fits: Whether what it says of a row depends on the other rows.
        counts: Whether it also says what belongs to the place of a row in the call.
        learns: Whether it makes a promise from labels.
        by_the_model: Whether it runs the model, so that a stored result is not what it takes.
        named: Whether it asks for an output by its name.
        in_the_unit: Whether it is given a number in the unit of numbers.
    """

    call: Callable[[Held], Said]
    of: tuple[str, ...]
    part: str | None = None
    of_tables: bool = False
    truth: bool = False
    fits: bool = False
    counts: bool = False
    learns: bool = False
    by_the_model: bool = False
    named: bool = False
    in_the_unit: bool = False

    def has(self, result):
        """Whether the kind of a result has it."""
        if self.part:
            return task_of(result).can(self.part)
        methods = [name for name in self.of if not hasattr(howsure, name)]
        has_one = not methods or any(hasattr(type(result), name) for name in methods)
        return has_one and not (self.of_tables and result.positions)


# --- out -------------------------------------------------------------------------------------------


def columns(held):
    return of_result(held.result)


def sentences(held):
    return Said({"text": [str(row) for row in held.result]})


def printed(held):
    return Said(whole={"text": words_of(str(held.result))})


def notebook(held):
    return Said(whole={"html": words_of(held.result._repr_html_())})


def page(held):
    path = held.folder / "page.html"
    held.result.report(path, rows=held.case.x, labels=held.truth)
    return Said(whole={"html": words_of(path.read_text(encoding="utf-8"))})


def arrow(held):
    return Said(of_table(held.result.to_arrow()))


def frame(held):
    table = held.result.to_pandas()
    return Said({name: table[name].tolist() for name in table.columns if name != "row"})


def lines(held):
    path = held.folder / "rows.csv"
    held.result.save(path)
    return Said(of_lines(path.read_text(encoding="utf-8")))


def loaded(held):
    path = held.folder / "saved.parquet"
    held.result.save(path)
    return of_result(howsure.load(path), same_type=type(held.result).load(path).answer)


def joined(held):
    half = len(held.result) // 2
    parts = [held.result[:half], held.result[half:]]
    whole = type(held.result).joined(parts)
    again = type(held.result).joined(iter(parts))
    return of_result(whole, again=[str(row) for row in again] == [str(row) for row in whole])


# --- rows and parts of a result --------------------------------------------------------------------


def first_ones(held):
    """The rows that a person should look at first, by what they are called."""
    result = held.result
    asked = {"coin_flips": (), "most_undecided": (5,), "widest": (5,)}
    order = [getattr(result, name)(*given) for name, given in asked.items() if hasattr(result, name)]
    order = [each[0] if isinstance(each, tuple) else each for each in order]  # of labels, without which
    return Said(whole={"ids": [held.case.ids[np.asarray(each, dtype=int)].tolist() for each in order]})


def own_intervals(held):
    result = held.result
    if hasattr(result, "prediction_interval"):
        said = {
            "networks": result.credible_interval(0.9),
            "errors": result.credible_interval_error(0.9),
            "answers": result.prediction_interval(0.9),
        }
    elif not result.positions:
        said = {"interval": result.interval(0.9), "error": result.interval_error(0.9)}
    else:
        said = {"share": result.share_interval(0.9)}
    return Said(said)


def in_parts(held):
    """Of each row its regions, and its positions as rows."""
    result = held.result
    regions = [[str(each) for each in result.regions(row)] for row in range(len(result))]
    first = [str(result.of_row(row)[0]) for row in range(len(result))]
    return Said({"regions": regions, "first": first})


def of_one(held):
    """One label, or one number, by its name."""
    result, last = held.result, held.case.names[-1]
    if hasattr(result, "of_label"):
        return of_result(result.of_label("dog"), answers=len(result.answers()) - len(result))
    return of_result(result.of_target("depth"), place=last if result.target("depth") is None else "there")


def above(held):
    return of_result(held.result.of_target("depth").above(1.0))


def with_more(held):
    """What can be put beside a result."""
    count = len(held.result)
    named = held.result.with_ids(np.arange(count) + 100, "scan")
    said = {"ids": named.ids - 100 - np.arange(count), "text": [str(row) for row in named]}
    if hasattr(held.result, "with_familiarity"):
        said["known"] = held.result.with_familiarity(np.full(count, 0.5)).familiarity
    if hasattr(held.result, "with_noise"):
        said["noise"] = held.result.with_noise(1.5).noise
    return Said(said)


def with_truth(held):
    found = held.result.with_truth(held.truth)
    return Said({"truth": np.asarray(found.truth), "number": np.asarray(held.result.numbered(held.truth))})


# --- judged ----------------------------------------------------------------------------------------


def evaluated(held):
    scores = howsure.evaluate(held.result, held.truth)
    return Said(whole={"scores": numbers_of(scores), "text": str(scores)})


def calibrated(held):
    calibrator = howsure.calibrate(held.result, held.truth)
    path = held.folder / "calibrator.json"
    calibrator.save(path)
    said = of_result(calibrator(held.result))
    again = [str(row) for row in type(calibrator).load(path)(held.result)]
    return Said({**said.rows, "again": again}, said.wide)


def sets(held):
    fitted = howsure.prediction_sets(held.result, held.truth, coverage=COVERAGE)
    found = fitted(held.result)
    if held.result.positions:
        return Said({"sets": [np.asarray(each).tolist() for each in found]}, whole={"text": str(fitted)})
    return Said({"sets": np.asarray(found)}, frozenset({"sets"}), {"text": fitted.in_words(held.result)[:0]})


def intervals(held):
    fitted = howsure.prediction_intervals(held.result, held.truth, coverage=COVERAGE)
    return Said({"intervals": fitted(held.result)}, whole={"text": str(fitted)})


def together(held):
    """Intervals that hold all numbers of a row at once."""
    fitted = howsure.prediction_intervals(held.result, held.truth, coverage=COVERAGE, together=True)
    return Said({"intervals": fitted(held.result)}, whole={"text": str(fitted)})


def abstained(held):
    of = of_kind(held.case.kind)
    rule = howsure.abstain(held.result, held.truth, risk=of.risk, tolerance=of.tolerance)
    return Said({"to a person": np.asarray(rule(held.result))}, whole={"text": str(rule)})


def ruled(held):
    of = of_kind(held.case.kind)
    rules = howsure.fit_rules(
        held.result, held.truth, calibrate=False, coverage=COVERAGE, risk=of.risk, tolerance=of.tolerance
    )
    decided = rules(held.result)
    return Said({"to a person": np.asarray(decided.hand_over)}, whole={"text": str(rules.abstention)})


def watched(held):
    of = of_kind(held.case.kind)
    rules = howsure.fit_rules(
        held.result, held.truth, calibrate=False, coverage=COVERAGE, risk=of.risk, tolerance=of.tolerance
    )
    watch = howsure.watch(rules)
    watch.update(rules(held.result), held.truth)
    return Said(whole={"text": str(watch)})


def handed_over(held):
    path = held.folder / "rows.csv"
    howsure.hand_over(held.result, np.arange(len(held.result)), path)
    with path.open(newline="", encoding="utf-8") as file:
        return Said({"line": [{k: v for k, v in row.items() if k != "row"} for row in csv.DictReader(file)]})


def _outputs_of(case):
    """What the outputs of its network mean."""
    return {name: case.settings[name] for name in ("outputs", "levels") if name in case.settings}


def compared(held):
    methods = {"softmax": howsure.Softmax(), "dropout": DROPOUT}
    case, given = held.case, {"class_names": held.case.names, **_outputs_of(held.case)}
    found = howsure.compare(case.model, {"x": case.x, "id": case.ids}, held.truth, methods=methods, **given)
    known = ("accuracy", "nll", "brier", "rmse", "crps", "dice", "pinball")
    scores = {
        name: numbers_of(found.score("dropout", name)) for name in known if name in found.comparing.metrics
    }
    path, table = held.folder / "comparison.html", held.folder / "comparison.csv"
    found.report(path)
    found.to_csv(table)
    with table.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["method"] == "dropout"]
    told = {line["score"]: float(line["value"] or "nan") for line in lines}
    assert all(np.isclose(told[name], score[0], equal_nan=True) for name, score in scores.items())
    return Said(whole={"scores": scores, "page": "</html>" in path.read_text(encoding="utf-8")})


def familiar(held):
    """How familiar rows are; the example of positions has no features of a row."""
    model = held.case.model
    known = howsure.features_of(model, np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32))
    other = howsure.features_of(model, np.random.default_rng(4).normal(size=(120, 4)).astype(np.float32))
    found = howsure.familiarity(known, None, other)
    return Said({"percentile": found.percentile(howsure.features_of(model, held.case.x))})


# --- in --------------------------------------------------------------------------------------------


def _counting(case):
    return {} if case.counts is None else {"positions": case.counts}


def _asked(case):
    return {"class_names": case.names, **case.settings, **_counting(case)}


def assessed(held):
    return of_result(held.case.result)


def assessed_frame(held):
    import pandas

    rows = pandas.DataFrame(held.case.x, index=held.case.ids)
    return of_result(howsure.assess(held.case.model, rows, method=DROPOUT, **_asked(held.case)))


def assessed_with_truth(held):
    case = held.case
    rows = {"x": case.x, "id": case.ids, "y": held.truth}
    return of_result(howsure.assess(case.model, rows, method=DROPOUT, **_asked(case)))


def by_other_methods(held):
    """What each method says that takes a network in numpy."""
    case, other = held.case, replace(held.case, turn=held.case.turn[::-1])
    methods = {
        "plain": howsure.Softmax(),
        "members": howsure.Ensemble([other.model]),  # beside the assessed one
        "versions": howsure.Augmentation(
            [(change, unmoved) for change in (lambda rows: 1.05 * rows, lambda rows: rows - np.float32(0.01))]
        ),
    }
    found = {
        name: howsure.assess(case.model, case.x, method=method, **_asked(case))
        for name, method in methods.items()
    }
    return Said({name: [str(row) for row in result] for name, result in found.items()})


def streamed(held):
    case = held.case
    blocks = list(howsure.stream(case.model, {"x": case.x, "id": case.ids}, method=DROPOUT, **_asked(case)))
    return of_result(type(blocks[0]).joined(blocks))


def by_a_plan(held):
    """The plan is of the first rows of the kind's own example, so that it is the same for all calls."""
    case = held.case
    rows = np.random.default_rng(8).normal(size=(40, *case.x.shape[1:])).astype(np.float32)
    plan = howsure.plan(case.model, rows, howsure.MCDropout(passes=20), **_outputs_of(case))
    path = held.folder / "plan.json"
    plan.save(path)
    method = howsure.MCDropout(plan=howsure.Plan.load(path))
    return of_result(howsure.assess(case.model, case.x, method=method, **_asked(case)))


def single_passes(held):
    case, given = held.case, {"outputs": held.case.settings.get("outputs")}
    found = howsure.passes(case.model, case.x, 3, **given)
    mean, variance = howsure.predict_with_uncertainty(case.model, case.x, n_iter=3)
    said = {"passes": np.moveaxis(found, 0, 1), "mean": mean, "variance": variance}
    return Said(
        said,
        frozenset(said),
        {"audit": str(replace(howsure.audit(case.model, case.x, **given), seconds=None))},
    )


def from_passes(held):
    case, given = held.case, {"outputs": held.case.settings.get("outputs")}
    found = howsure.passes(case.model, case.x, 8, **given)[..., : len(case.names)]
    return of_result(of_kind(case.kind).made(found, case.names, **_counting(case)))


def from_a_table(held):
    """A result of what another program computed once: probabilities, or means and deviations."""
    case, result = held.case, held.result
    if hasattr(result, "from_quantiles"):
        ends = np.stack([result.mean - 1, result.mean + 1], axis=-1)
        made = type(result).from_quantiles(ends, (0.05, 0.95), case.names)
        np.testing.assert_array_equal(made.prediction_interval(0.9), ends)
    if hasattr(result, "from_mean_std"):
        return of_result(type(result).from_mean_std(result.mean, result.std, case.names))
    p = np.asarray(result.probabilities)
    return of_result(type(result).from_probabilities(p, case.names, **_counting(case)))


def in_its_unit(held):
    """What was assessed in another unit, back in its own."""
    mean, deviation = (3.0, -1.0), (2.0, 0.5)
    back = [-m / s for m, s in zip(mean, deviation, strict=True)], [1 / s for s in deviation]
    found = held.result.rescaled(*back, truth="standardised")
    return of_result(found.rescaled(mean, deviation, truth="standardised"))


DOORS = {
    "columns": Door(columns, ()),
    "sentences": Door(sentences, ("__getitem__",)),
    "print": Door(printed, ("__str__",), fits=True),
    "notebook": Door(notebook, ("_repr_html_",), fits=True),
    "page": Door(page, ("report",), truth=True, fits=True, counts=True),
    "Arrow": Door(arrow, ("to_arrow",)),
    "pandas": Door(frame, ("to_pandas",)),
    "CSV": Door(lines, ("save",)),
    "load": Door(loaded, ("load", "save")),
    "joined": Door(joined, ("joined",)),
    "the rows to look at first": Door(first_ones, ("coin_flips", "most_undecided", "widest"), fits=True),
    "intervals of networks": Door(
        own_intervals,
        (
            "interval",
            "interval_error",
            "credible_interval",
            "credible_interval_error",
            "prediction_interval",
            "share_interval",
        ),
    ),
    "regions and positions": Door(in_parts, ("regions", "of_row")),
    "one label or number": Door(of_one, ("of_label", "answers", "of_target", "target"), named=True),
    "above": Door(above, ("above",), part="above", named=True, in_the_unit=True),
    "rescaled": Door(in_its_unit, ("rescaled",), in_the_unit=True),
    "beside a result": Door(with_more, ("with_ids", "with_familiarity", "with_noise"), in_the_unit=True),
    "with_truth": Door(with_truth, ("with_truth", "numbered"), truth=True),
    "evaluate": Door(evaluated, ("evaluate",), truth=True, fits=True, part="evaluate"),
    "calibrate": Door(calibrated, ("calibrate",), truth=True, fits=True, part="calibrate"),
    "prediction_sets": Door(
        sets, ("prediction_sets",), truth=True, fits=True, part="prediction_sets", learns=True
    ),
    "prediction_intervals": Door(
        intervals, ("prediction_intervals",), truth=True, fits=True, part="prediction_intervals", learns=True
    ),
    "prediction_intervals together": Door(
        together, ("prediction_intervals",), truth=True, fits=True, part="prediction_intervals", learns=True
    ),
    "abstain": Door(
        abstained, ("abstain",), truth=True, fits=True, part="abstain", learns=True, in_the_unit=True
    ),
    "watch": Door(watched, ("watch",), truth=True, fits=True, part="abstain", learns=True, in_the_unit=True),
    "fit_rules": Door(
        ruled, ("fit_rules",), truth=True, fits=True, part="abstain", learns=True, in_the_unit=True
    ),
    "hand_over": Door(handed_over, ("hand_over",), part="hand_over"),
    "compare": Door(compared, ("compare",), truth=True, fits=True, part="compare", by_the_model=True),
    "familiarity": Door(familiar, ("familiarity", "features_of"), of_tables=True, by_the_model=True),
    "assess": Door(assessed, ("assess",), by_the_model=True),
    "assess a frame": Door(assessed_frame, ("assess",), of_tables=True, by_the_model=True),
    "assess with truth": Door(assessed_with_truth, ("assess",), truth=True, by_the_model=True),
    "other methods": Door(by_other_methods, ("Softmax", "Ensemble", "Augmentation"), by_the_model=True),
    "stream": Door(streamed, ("stream",), by_the_model=True),
    "plan": Door(by_a_plan, ("plan",), by_the_model=True),
    "passes": Door(single_passes, ("passes", "predict_with_uncertainty", "audit"), by_the_model=True),
    "from passes": Door(from_passes, tuple(of_kind(each).constructor for each in KINDS), by_the_model=True),
    "from a table": Door(from_a_table, ("from_probabilities", "from_mean_std", "from_quantiles")),
    **{name: Door(call, (name,)) for kind in KINDS for name, call in of_kind(kind).doors.items()},
}

NOT_WALKED = {
    "objects": "needs names of spans, or a background: tests/test_objects.py",
    "export": "no network in numpy has a graph; tests/export compares those of frameworks with assess",
    "can_call": "says which names a column may have",
    "has": "says which columns there are",
    "first_numbers": "names a column",
    "check_noise": "refuses, and says nothing",
    "check_familiarity": "refuses, and says nothing",
    "MCDropout": "`assess` walks through it",
    "LastLayerLaplace": "learns from labelled rows: tests/methods/test_laplace.py",
    "Members": "is of scikit-learn: tests/adapters",
    "PlainPrediction": "is of scikit-learn: tests/adapters",
    "from_table": "how a file is read: `load` walks through it",
    "row_type": "the type of a row",
    "mean_error": "needs groups of passes, which only `assess` keeps: tests/methods/test_kept_groups.py",
}


# --- commands --------------------------------------------------------------------------------------


def table_of(held, name="table"):
    """The result and its truth in a file, as commands take them."""
    path = held.folder / name
    path = path if held.result.positions else path.with_suffix(".parquet")
    held.result.with_truth(held.truth).save(path)
    return path


def rows_of(held):
    """The rows in a file, with their ids and labels."""
    np.savez(held.folder / "rows.npz", x=held.case.x, y=held.truth, id=held.case.ids)
    return held.folder / "rows.npz"


def model_of(held):
    """The arguments that name the model and what its outputs mean."""
    keep = ("--set", f"keep={held.case.settings['keep']}") if "keep" in held.case.settings else ()
    outputs = held.case.settings.get("outputs")
    said = () if outputs is None else ("--set", f"outputs={outputs}")
    return f"tests.doors.cases:{held.case.kind}", ("--class-names", ",".join(held.case.names), *said), keep


def command_assess(held):
    model, said, keep = model_of(held)
    out = held.folder / ("out" if held.result.positions else "out.parquet")
    done("assess", model, rows_of(held), "--out", out, "--set", "passes=20", *said, *keep)
    return of_result(howsure.load(out)), assessed_with_truth(held)


def command_assess_into_a_folder(held):
    """Part by part, and by a plan of its own: the same classes, labels and numbers, nearly."""
    model, said, keep = model_of(held)
    plan, out = held.folder / "plan.json", held.folder / "parts"
    done("audit", model, "--data", rows_of(held), "--save-plan", plan, *said[2:])
    done("assess", model, rows_of(held), "--out", out, "--plan", plan, "--set", "part_rows=20", *said, *keep)
    method = howsure.MCDropout(plan=howsure.Plan.load(plan))
    rows = {"x": held.case.x, "y": held.truth, "id": held.case.ids}
    return of_result(howsure.load(out)), of_result(
        howsure.assess(held.case.model, rows, method=method, **_asked(held.case))
    )


def command_compare(held):
    model, said, _ = model_of(held)
    found = done("compare", model, rows_of(held), *said)
    given = {"outputs": held.case.settings.get("outputs"), "class_names": held.case.names}
    expected = str(howsure.compare(held.case.model, held.case.x, held.truth, **given))
    return tuple(Said(whole={"lead": flat(text).split(".")[0]}) for text in (found, expected))


def command_audit(held):
    model, said, _ = model_of(held)
    found = done("audit", model, "--data", rows_of(held), *said[2:])
    given = {"outputs": held.case.settings.get("outputs")}
    expected = flat(str(howsure.audit(held.case.model, held.case.x, **given)))
    return Said(whole={"said": expected[:200] in flat(found)}), Said(whole={"said": True})


def command_evaluate(held):
    found = done("evaluate", table_of(held))
    wanted = re.findall(r"[\d.]+ \([\d.]+ to [\d.]+\)", str(howsure.evaluate(held.result, held.truth)))
    return Said(whole={"n": sum(each in found for each in wanted)}), Said(whole={"n": len(wanted)})


def typed_rules(held):
    """What is typed for rules, and the same in Python; a command takes one tolerance for all targets."""
    of = of_kind(held.case.kind)
    given = typed_tolerance(of.tolerance).split()
    tolerance = float(given[1]) if given else None
    typed = ("--coverage", COVERAGE, "--risk", of.risk, *given, "--set", "leave_out=calibration")
    rules = howsure.fit_rules(
        held.result, held.truth, calibrate=False, coverage=COVERAGE, risk=of.risk, tolerance=tolerance
    )
    return typed, rules


def command_rules(held):
    typed, rules = typed_rules(held)
    path = held.folder / "rules.json"
    done("rules", table_of(held), *typed, "--out", path)
    return tuple(Said(whole={"text": str(fitted)}) for fitted in (howsure.load(path), rules))


def command_decide(held):
    """The rows as rules in Python decide them; and those for a person, if there is a table of them."""
    path, new, rows = (held.folder / name for name in ("rules.json", "new.parquet", "for a person.csv"))
    _, rules = typed_rules(held)
    rules.save(path)
    decided, has_rows = rules(held.result), task_of(held.result).can("hand_over")
    more = ("--to-check", rows) if has_rows else ()
    done("decide", table_of(held), "--rules", path, "--out", new, *more)
    found = howsure.load(new)
    for name in ("in_set", "low", "high"):
        if found.has(name):
            np.testing.assert_array_equal(getattr(found, name), getattr(decided, name))
    ids = found.ids[found.hand_over].tolist()
    if has_rows:
        with rows.open(newline="", encoding="utf-8") as file:
            assert [row["id"] for row in csv.DictReader(file)] == ids
    return Said(whole={"ids": ids}), Said(whole={"ids": decided.ids[decided.hand_over].tolist()})


def command_handover(held):
    out = held.folder / "rows.csv"
    done("handover", table_of(held), "--out", out, "--most", 5)
    return Said(whole={"size": out.stat().st_size > 0}), Said(whole={"size": True})


def command_report(held):
    out = held.folder / "by command.html"
    done("report", table_of(held), "--report", out)
    held.result.with_truth(held.truth).report(held.folder / "page.html")
    pages = [path.read_text(encoding="utf-8") for path in (out, held.folder / "page.html")]
    return tuple(Said(whole={"words": _plain(each)}) for each in pages)


def _plain(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("</style>")[-1]).split())


@dataclass(frozen=True)
class Command:
    """A command beside the same in Python; a kind without any of these parts refuses."""

    call: Callable[[Held], tuple[Said, Said]]
    part: tuple[str, ...] = ()


COMMANDS = {
    "assess": Command(command_assess),
    "assess into a folder": Command(command_assess_into_a_folder),
    "audit": Command(command_audit),
    "compare": Command(command_compare, ("compare",)),
    "evaluate": Command(command_evaluate, ("evaluate",)),
    "rules": Command(command_rules, ("abstain",)),
    "decide": Command(command_decide, ("abstain",)),
    "handover": Command(command_handover, ("hand_over",)),
    "report": Command(command_report),
}
COMMANDS_NOT_WALKED = {
    "export": NOT_WALKED["export"],
    "demo": "trains a network on digits: tests/demo",
    "watch": "needs rules in a file: tests/evaluation/test_watch.py",
}


def held_of(case, folder, result=None, truth=None):
    """An example at the door."""
    return Held(
        case, case.result if result is None else result, case.truth if truth is None else truth, folder
    )


__all__ = ["COMMANDS", "COMMANDS_NOT_WALKED", "DOORS", "NOT_WALKED", "Door", "Held", "held_of", "network"]
