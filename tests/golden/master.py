"""What howsure says, writes, refuses and shows, as text: one of each for every kind of answer.

    python -m tests.golden        writes tests/golden/said/ anew; `git diff` then shows what changed

`pages()` maps the name of each file there to a function that says its text.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import shlex
import tempfile
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow.parquet
import typer.main

import howsure
from howsure.compare.findings import findings, lead
from howsure.tasks.task import task_of
from tests.commands import run
from tests.golden.cases import CASES, network, rows
from tests.kinds import of_kind
from tests.kinds.kind import N, typed_tolerance
from tests.report.made import Parsed

HERE = Path(__file__).parent / "said"
LONG_NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d{5,}(?:e[-+]?\d+)?(?![\w.])")
SEAL = re.compile(r"\b[0-9a-f]{32,}\b|(?<![\d.])\d{7,}\b|(?<=\.)[0-9a-f]{8}(?=\.maps)")
"""Checksums, which the last digit of any number changes, and names that are drawn."""
HERE_NOW = re.compile(r"/[\w/.-]*/golden-\w+/")
"""The folder in which all this is written."""
OF_PYARROW = re.compile(r" \(Parquet magic [^)]*\)")
BLOCK = re.compile(r"<(?:p|h\d|li|tr|figcaption|summary|dt|text|title|label|option|button|div)\b")
CELL = re.compile(r"<(?:td|th|dd)\b[^>]*>")


@cache
def case(kind):
    return CASES[kind]()


def shortened(text):
    """Numbers with five digits at most, and no version, folder or checksum: no change is about those."""
    text = (
        OF_PYARROW.sub("", HERE_NOW.sub("", text))
        .replace(howsure.__version__, "VERSION")
        .replace("\u00a0", " ")
        .replace("\u202f", " ")
    )
    return SEAL.sub("SEAL", LONG_NUMBER.sub(lambda found: f"{float(found[0]):.5g}", text))


@contextlib.contextmanager
def somewhere():
    """Work in an empty folder, so that messages name paths without one."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        os.chdir(folder)
        try:
            yield Path()
        finally:
            os.chdir(before)


def said(call):
    """What comes of a call, with what it warns of; an error of howsure in its words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            text = str(call())
        except howsure.HowsureError as error:
            text = f"{type(error).__name__}: {error}"
    return "\n".join([*(f"warning: {each.message}" for each in caught), text])


def sections(**calls):
    """Texts under their names."""
    return "".join(f"--- {name.replace('_', ' ')}\n{said(call)}\n" for name, call in calls.items())


def listed(values, form="{:.4g}"):
    """An array in short: numbers with four digits."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return " ".join(form.format(each + 0.0) for each in values.ravel())
    return " ".join(map(str, values.ravel().tolist()))


# --- what a result says ------------------------------------------------------------------------------


def words(kind):
    held = case(kind)
    some = range(0, N, 3)
    alone = held.result[:0], held.result[:1]
    return sections(
        summary=lambda: held.result,
        summary_without_truth=lambda: held.fresh,
        summary_of_no_row_and_of_one=lambda: "\n".join(map(str, alone)),
        rows=lambda: "\n".join(f"{held.result[row].called}: {held.result[row]}" for row in some),
        repr=lambda: repr(held.result)[:400],
        notebook=lambda: text_of(held.result._repr_html_()),
        arguments=lambda: "\n".join(f"{name}: {value}" for name, value in held.result.method.items()),
    )


def columns(kind):
    """Each column with what is declared of it, and its values in the first rows."""
    result = case(kind).result
    lines = []
    for column in result.columns:
        if column.name == "all_probabilities":
            continue
        values = getattr(result, column.name, None)
        few = "none" if values is None else listed(np.asarray(values)[:3])
        lines.append(f"{column.name} {column.shape} {column.unit}: {column.words}\n    {few[:300]}")
    return "\n".join(lines) + "\n"


def files(kind):
    held = case(kind)
    with somewhere() as folder:
        for ending in ("parquet", "csv"):
            held.result.save(folder / f"rows.{ending}")
        schema = pyarrow.parquet.read_schema("rows.parquet")
        kept = {
            name.decode(): value.decode()
            for name, value in (schema.metadata or {}).items()
            if name not in (b"pandas", b"ARROW:schema")
        }
        lines = Path("rows.csv").read_text(encoding="utf-8").splitlines()
        again = howsure.load("rows.parquet")
        return sections(
            columns_of_parquet=lambda: "\n".join(f"{each.name}: {each.type}" for each in schema),
            beside_them=lambda: "\n".join(f"{name}: {value}" for name, value in sorted(kept.items())),
            columns_of_csv=lambda: "\n".join(lines[0].split(",")),
            rows_of_csv=lambda: "\n".join(lines[1:4]),
            read_again=lambda: [str(row) for row in again] == [str(row) for row in held.result],
        )


# --- judged -------------------------------------------------------------------------------------------


def judged(kind):
    held = case(kind)
    result, few = held.result, held.fresh
    with somewhere():
        return sections(
            evaluate=lambda: howsure.evaluate(result),
            scores=lambda: "\n".join(
                map(repr, part("score_lines", result)(result, howsure.evaluate(result)))
            ),
            calibrate=lambda: calibrated(result, few),
            calibrator_in_a_file=lambda: in_a_file(howsure.calibrate(result)),
            sets=lambda: fitted(howsure.prediction_sets(result, coverage=0.8), few),
            intervals=lambda: fitted(howsure.prediction_intervals(result, coverage=0.8), few),
            abstain=lambda: fitted(howsure.abstain(result, risk=held.risk, tolerance=held.tolerance), few),
            hand_over=lambda: handed_over(result),
        )


def part(name, result):
    return getattr(task_of(result), name)


def calibrated(result, few):
    calibrator = howsure.calibrate(result)
    return "\n".join([str(calibrator), *map(str, calibrator(few))])


def fitted(rule, few):
    """A rule in its words, and what it says of new rows."""
    found = rule(few)
    if isinstance(found, (list, tuple)):
        found = np.stack([np.asarray(each) for each in found])
    return f"{rule}\n{listed(np.asarray(found))}"


def in_a_file(fit):
    fit.save("fitted.json")
    with open("fitted.json", encoding="utf-8") as file:
        return json.dumps(in_short(json.load(file)), indent=1)


def in_short(value):
    """Of each list in a file the first entry, and how many there are."""
    if isinstance(value, dict):
        return {name: in_short(each) for name, each in value.items()}
    return [in_short(value[0]), f"{len(value)} of them"] if isinstance(value, list) and value else value


def handed_over(result):
    howsure.hand_over(result, np.arange(3), "rows.csv")
    return Path("rows.csv").read_text(encoding="utf-8")


def compared(kind):
    held = case(kind)
    several = {"all": held.result, "few": held.other.with_truth(held.truth)}
    with somewhere():
        try:
            found = howsure.Comparison.of_results(several)
        except howsure.HowsureError as error:
            return f"{type(error).__name__}: {error}\n"
        found.to_csv("scores.csv")
        found.report("page.html", title="golden")
        page = Path("page.html").read_text(encoding="utf-8")
    with somewhere():
        found.to_csv("scores.csv")
        table = Path("scores.csv").read_text(encoding="utf-8")
    return sections(
        printed=lambda: found,
        lead=lambda: lead(found),
        findings=lambda: "\n".join(f"{each.question}\n    {each.answer}" for each in findings(found)),
        table=lambda: table,
        page=lambda: text_of(page),
    )


# --- shown --------------------------------------------------------------------------------------------


TIME = re.compile(r"\d+(\.\d+)? m?s\b")
"""Seconds, which differ from run to run."""


def text_of(html):
    """The words of a page, a line for each paragraph, row of a table and the like."""
    flat = re.sub(
        r"(<style>.*?</style>|<script>.*?</script>)|\s+", lambda found: found[1] or " ", html, flags=re.S
    )
    text = "".join(Parsed(BLOCK.sub(r"\n\g<0>", CELL.sub(r"\g<0>| ", flat))).text)
    return "\n".join(line for each in text.splitlines() if (line := " ".join(each.split())))


def page(kind):
    held, count = case(kind), 14
    inputs = rows(kind, count)[..., : of_kind(kind).shape[-1]]
    with somewhere():
        held.result[-count:].report("page.html", rows=inputs, title="golden")
        with_rows = Path("page.html").read_text(encoding="utf-8")
        held.fresh.report("page.html")
        without = Path("page.html").read_text(encoding="utf-8")
    return sections(
        elements=lambda: elements(with_rows),
        text=lambda: text_of(with_rows),
        text_without_rows_and_truth=lambda: text_of(without),
    )


def elements(html):
    """How often each element occurs, without what is drawn."""
    names = [name for name, _ in Parsed(html).elements]
    return " ".join(f"{name} {names.count(name)}" for name in sorted({*names}))


# --- a network ----------------------------------------------------------------------------------------


def assessed(kind):
    model, x, outputs = network(kind), rows(kind), case(kind).outputs
    dropout, plain = (
        howsure.assess(model, x, method=method, outputs=outputs)
        for method in (howsure.MCDropout(passes=16), howsure.Softmax())
    )
    assert type(dropout) is type(case(kind).result), "say in the `Golden` example what the outputs mean"
    return sections(
        audit=lambda: TIME.sub("TIME", str(howsure.audit(model, x, outputs=outputs))),
        dropout=lambda: "\n".join(map(str, dropout)),
        plain=lambda: "\n".join(map(str, plain)),
        method=lambda: dropout.method,
        passes=lambda: listed(howsure.passes(model, x[:2], 2, outputs=outputs)),
    )


# --- refusals -----------------------------------------------------------------------------------------


def errors(kind):
    held = case(kind)
    result, truth, model, x = held.result, held.truth, network(kind), rows(kind)
    stranger = case("numbers" if kind == "classes" else "classes").result
    few = held.fresh
    with somewhere() as folder:
        (folder / "text.parquet").write_text("no table", encoding="utf-8")
        (folder / "text.json").write_text("{}", encoding="utf-8")
        held.result.save("rows.parquet")
        return sections(
            no_truth=lambda: howsure.evaluate(few),
            too_few_true=lambda: howsure.evaluate(few, truth[:3]),
            strange_truth=lambda: howsure.evaluate(few, ["a"] * 6),
            truth_out_of_range=lambda: howsure.evaluate(few, np.full(np.shape(truth[:6]), 99)),
            truth_unknown=lambda: howsure.evaluate(few, np.full(np.shape(truth[:6]), np.nan)),
            no_rows=lambda: howsure.evaluate(result[:0]),
            not_a_result=lambda: howsure.evaluate([0.5]),
            calibrate_few=lambda: howsure.calibrate(result[:1]),
            calibrate_method=lambda: howsure.calibrate(result, method="magic"),
            calibrator_of_another_kind=lambda: howsure.calibrate(result)(stranger),
            sets_few=lambda: howsure.prediction_sets(result[:2], coverage=0.99),
            sets_coverage=lambda: howsure.prediction_sets(result, coverage=2),
            intervals=lambda: howsure.prediction_intervals(result, coverage=-1),
            abstain_risk=lambda: howsure.abstain(result, risk=7, tolerance=held.tolerance),
            abstain_tolerance=lambda: howsure.abstain(result, risk=0.2, tolerance="none"),
            abstain_few=lambda: howsure.abstain(result[:3], risk=0.001, tolerance=held.tolerance),
            hand_over=lambda: howsure.hand_over(result, [99], "rows.csv"),
            above=lambda: part("above", result)(result, 1.0, None),
            row=lambda: result[99],
            ids=lambda: result.with_ids([1, 2]),
            ending=lambda: result.save("rows.txt"),
            no_folder=lambda: result.save("nowhere/rows.csv"),
            load_text=lambda: howsure.load("text.parquet"),
            load_nothing=lambda: howsure.load("nothing.parquet"),
            load_calibrator=lambda: type(howsure.calibrate(result)).load("text.json"),
            compare_kinds=lambda: howsure.Comparison.of_results({"a": result, "b": stranger}),
            compare_none=lambda: howsure.Comparison.of_results({}),
            compare_rows=lambda: howsure.Comparison.of_results({"a": result, "b": held.other[:5]}),
            report_rows=lambda: result.report("page.html", rows=np.zeros((3, 2))),
            report_ending=lambda: result.report("page.txt"),
            assess_shape=lambda: howsure.assess(model, x[:, :2]),
            assess_unknown=lambda: howsure.assess(model, np.full_like(x, np.nan)),
            assess_names=lambda: howsure.assess(model, x, class_names=["one"]),
            assess_outputs=lambda: howsure.assess(model, x, outputs="magic"),
            assess_seed=lambda: howsure.assess(model, x, seed=-1),
            assess_passes=lambda: howsure.assess(model, x, method=howsure.MCDropout(passes=0)),
            assess_method=lambda: howsure.assess(model, x, method="magic"),
            assess_keep=lambda: howsure.assess(model, x, keep="probabilities", class_axis=7),
            assess_no_model=lambda: howsure.assess(object(), x),
        )


# --- the command line ---------------------------------------------------------------------------------

LINES = (
    "evaluate saved.parquet --out scores.csv",
    "evaluate csv.csv",
    "evaluate unlabelled.parquet",
    "evaluate nothing.parquet",
    "rules saved.parquet --coverage 0.8 --risk 0.95 {tolerance} --out rules.json",
    "rules unlabelled.parquet --out rules.json",
    "rules saved.parquet --coverage 2 --out rules.json",
    "decide unlabelled.parquet --rules rules.json --out decided.csv",
    "decide unlabelled.parquet --rules rules.json --out decided.csv --to-check check.csv",
    "decide saved.parquet --rules nothing.json --out decided.csv",
    "handover saved.parquet --out over.csv",
    "report saved.parquet --report page.html",
    "report saved.parquet --report page.txt",
    "compare saved.parquet other.parquet --out compared.csv",
    "compare saved.parquet unlabelled.parquet",
    "audit {network} --data x.npz",
    "assess {network} x.npz --set passes=16 --out assessed.parquet",
    "assess {network} x.npz --set passes=16 --out assessed.txt",
    "assess {network} nothing.npz --out assessed.parquet",
    "assess nowhere:nothing x.npz --out assessed.parquet",
)
"""What is typed after `howsure`."""


def command_line(kind):
    held = case(kind)
    outputs = "" if held.outputs is None else f" --set outputs={held.outputs}"
    given = {
        "tolerance": typed_tolerance(held.tolerance),
        "network": f"tests.golden.cases:{kind}_network{outputs}",
    }
    texts = []
    with somewhere():
        held.result.save("saved.parquet")
        held.result.save("csv.csv")
        held.fresh.save("unlabelled.parquet")
        held.other.with_truth(held.truth).save("other.parquet")
        np.savez("x.npz", x=rows(kind))
        for line in LINES:
            texts.append(f"$ howsure {line.format(**given)}\n{typed(line.format(**given))}")
        made = sorted(path.name for path in Path().iterdir())
    return "\n".join([*texts, "--- files", *made, ""])


def typed(line):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        found = run(*shlex.split(line), env={"COLUMNS": "80"})
    out = TIME.sub("TIME", found.stdout)
    return f"{out}{found.stderr}exit {found.exit_code}\n"


# --- what there is ------------------------------------------------------------------------------------


def names():
    """Public functions and classes with their parameters, methods and properties."""
    lines = []
    for name in howsure.__all__:
        thing = getattr(howsure, name)
        lines.append(f"{name}{signature(thing)}")
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            for attribute in sorted(dir(thing)):
                if not attribute.startswith("_"):
                    value = inspect.getattr_static(thing, attribute)
                    shown = (
                        signature(getattr(thing, attribute)) if callable(getattr(thing, attribute)) else ""
                    )
                    lines.append(f"    {attribute}{shown or ': ' + type(value).__name__}")
    return "\n".join(lines) + "\n"


def signature(thing):
    """Names of the parameters, and whether they have a default."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown = [
        f"{'*' * (1 + (each.kind is each.VAR_KEYWORD)) if 'VAR' in each.kind.name else ''}{each.name}"
        f"{'' if each.default is each.empty else '='}{' (keyword)' if each.kind is each.KEYWORD_ONLY else ''}"
        for each in parameters
    ]
    return f"({', '.join(shown)})"


def options():
    """Every command with its options."""
    from howsure.cli.app import app

    lines = []
    for name, command in sorted(typer.main.get_command(app).commands.items()):
        lines.append(name)
        lines += sorted(f"    {' '.join([*each.opts, *each.secondary_opts])}" for each in command.params)
    return "\n".join(lines) + "\n"


OF_A_KIND = {
    "words": words,
    "columns": columns,
    "files": files,
    "judged": judged,
    "compared": compared,
    "page": page,
    "assessed": assessed,
    "errors": errors,
    "command line": command_line,
}


def texts():
    """By the name of its file, what says the text."""
    of_kinds = {
        f"{kind}/{name}.txt": partial(call, kind) for kind in CASES for name, call in OF_A_KIND.items()
    }
    return {"names.txt": names, "options.txt": options, **of_kinds}


def text_now(name):
    return shortened(texts()[name]())
