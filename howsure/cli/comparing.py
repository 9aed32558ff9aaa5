"""`howsure compare`: compare methods of a model on the same rows, or two tables of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

import howsure
from howsure.adapters.resolve import resolve_model
from howsure.atomic import LINES, PAGES
from howsure.cli.command import check_exist, check_output, rows_on
from howsure.cli.models import RowsCommand, load_model
from howsure.cli.output import comparison_table
from howsure.cli.settings import ROWS, TABLES, VERDICTS
from howsure.cli.tables import TableCommand
from howsure.compare.findings import findings, lead
from howsure.compare.run import default_methods
from howsure.divide import divided
from howsure.errors import InputError
from howsure.external.files import read_result
from howsure.inputs.formats import holds_answers
from howsure.inputs.rows import Rows
from howsure.results.saved import table_in
from howsure.scale.parts import is_results
from howsure.tasks.task import fed, task_of
from howsure.terminal import COMPILING, paragraph, progress, say


@dataclass(frozen=True, kw_only=True)
class Compare(RowsCommand):
    """Say which method, or which of two tables, has the most accurate answers, by how much, and why.

    Attributes:
        model: A model, as for `howsure assess`; or a table of the same rows as DATA.
        data: Rows with true answers: {rows}, or class folders; or the second table.
        outside: Out-of-distribution (OOD) rows: of none of the model's classes. Can be repeated.
        out: File to write all scores to, .csv.
    """

    places = ("model", "data")
    takes = tuple(dict.fromkeys((*ROWS, "shifts", *TABLES)))

    data: Path
    outside: list[Path] | None = None
    out: Path | None = None

    def run(self) -> bool:
        """Compare, print and write."""
        comparison = self._of_tables() if is_table(self.model) else self._of_methods()
        say_comparison(self.console, comparison)
        if self.report is not None:
            comparison.report(self.report)
            say(self.console, f"\nReport:  {self.report}")
        if self.out is not None:
            comparison.to_csv(self.out)
            say(self.console, f"\nScores:  {self.out}")
        return True

    def _check_outputs(self, inputs: Sequence[Path]) -> None:
        check_output(self.report, PAGES, inputs)
        check_output(self.out, LINES, inputs)

    def _of_tables(self) -> howsure.Comparison:
        for option, value in (("--outside", self.outside), ("--allow-code", self.allow_code)):
            if value:
                raise InputError(f"{option} has no effect on tables", expected="a model and rows")
        tables = TwoTables(
            table=self.model,
            second=self.data,
            labels=self.labels,
            class_names=self.class_names,
            id_column=self.id_column,
            given=self.given,
        )
        tables.check(None, ())
        self._check_outputs(tables.files)
        return tables.compared(self.seed)

    def _of_methods(self) -> howsure.Comparison:
        """The comparison of the methods that a model allows, on rows with true answers."""
        settings, data, labels = self.settings, self.data, self.labels
        unused = [f"`{name}`" for name in settings.given if name not in (*ROWS, "shifts")]
        if unused:
            raise InputError(f"{unused[0]} has no effect on a model", expected="two tables of the same rows")
        inputs = [*self.model_files, *check_exist(data=data, file_of_labels=labels)]
        for path in (*settings.shifts, *(self.outside or ())):
            inputs += check_exist(data=path)
        self._check_outputs(inputs)
        request = settings.request(self.class_names, self.seed)
        roles, form = self.form_of(data, labels)
        if labels is not None:
            self.label_file(request.class_names)  # before work begins
        model, *members = (load_model(source, self.errors) for source in self.sources)
        network = resolve_model(model)
        rows = network.read(data, roles=roles, form=form)
        names = network.class_names(rows, request.class_names, request.assessed_output)
        request = replace(request, class_names=names)
        truth = rows.truth(names) if labels is None else self.labels_of(rows, names)
        if truth is None:
            raise InputError(
                "A comparison needs true answers",
                expected="--labels, `label_column`, an array or column y, or one folder of images per class",
                received="rows alone",
            )
        methods = default_methods(network, fed(rows.x, request), members, settings.options, request)

        def in_unit(read: Rows) -> Rows:
            return replace(read, x=divided(read.x, settings.divide_by, network, request), labels=None)

        def named(paths: Sequence[Path]) -> dict[str, Any]:
            _check_names([path.name for path in paths], paths, "Two files of rows have the same name")
            alike = replace(roles, needed=False)
            return {path.name: in_unit(network.read(path, roles=alike, form=form)) for path in paths}

        with progress(self.errors, "Comparing", waiting=COMPILING) as report:
            return howsure.compare(
                network,
                in_unit(rows),
                truth,
                methods=methods,
                shifts=named(settings.shifts),
                outside=named(self.outside or ()),
                background=settings.background,
                progress=rows_on(report),
                **request.arguments_of(howsure.compare),
            )


def is_table(path: Path) -> bool:
    """Whether a path is a table, by its ending, or a folder of results or of one with maps."""
    return holds_answers(path) or is_results(path) or table_in(path) != path


@dataclass(frozen=True, kw_only=True)
class TwoTables(TableCommand):
    """Two tables of the same rows, of which the first is the baseline.

    Attributes:
        second: The other table.
    """

    takes = (*TABLES, *VERDICTS, "background")
    also = "second"

    second: Path

    @classmethod
    def name(cls) -> str:
        """Its name in messages."""
        return "compare of two tables"

    def compared(self, seed: int) -> howsure.Comparison:
        """The comparison.

        Raises:
            InputError: The tables differ in rows or classes, have the same name, or have no labels.
            FileError: A file is missing or damaged.
        """
        paths = (self.table, self.second)
        columns = replace(self.columns.alike, labelled=self.labels is None)
        if self.table.samefile(self.second):
            raise InputError(
                "The same table is given twice",
                expected="two tables of the same rows",
                received=f"'{self.table}' and '{self.second}'",
            )
        names = [path.stem if self.table.stem != self.second.stem else path.name for path in paths]
        _check_names(names, paths, "The two tables have the same name")
        results = {name: read_result(path, columns) for name, path in zip(names, paths, strict=True)}
        # Before labels are read.
        none_of_each = [self.converted(result[:0]) for result in results.values()]
        needs = [task_of(none).compare(none).needs for none in none_of_each]
        if self.labels is not None:
            truth = self.with_labels(results[names[0]]).truth
            results = {name: result.with_truth(truth) for name, result in results.items()}
        if all(result.truth is None for result in results.values()):
            raise InputError(
                f"A comparison needs {needs[0]}", expected="--labels FILE, or a column y in one of the tables"
            )
        answers = {name: self.converted(result) for name, result in results.items()}
        return howsure.Comparison.of_results(answers, seed=seed, background=self.settings.background)


def _check_names(names: Sequence[str], paths: Sequence[Path], what: str) -> None:
    if len(set(names)) < len(names):
        raise InputError(
            what,
            expected="different names",
            received=", ".join(f"'{path}'" for path in paths),
            hint="Copy one of them to a file of another name",
        )


def say_comparison(console: Console, comparison: howsure.Comparison) -> None:
    """Print a comparison in words."""
    paragraph(console, lead(comparison))
    say(console, "")
    console.print(comparison_table(comparison))
    for finding in findings(comparison):
        say(console, f"\n{finding.question}")
        paragraph(console, finding.said)
        for rows_like, sentence in finding.points:
            paragraph(console, f"- {rows_like}: {sentence}")
        if finding.note:
            paragraph(console, finding.note)
