"""Two tables of the same rows beside each other, and a comparison in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

import howsure
from howsure.bare.files import ENDINGS
from howsure.cli.tables import check_paths, columns_of, label_file_of, labels_of, read
from howsure.compare.findings import findings, lead
from howsure.data.csv_form import kind_of
from howsure.errors import InputError
from howsure.report import write_comparison
from howsure.scale.folder import is_results
from howsure.terminal import comparison_table, paragraph, say


def is_table(path: Path) -> bool:
    """Whether a path, by its ending, is a table and no model, or a folder of results."""
    return kind_of(path) in ENDINGS or is_results(path)


def check_unused(options: Mapping[str, object]) -> None:
    """Raise where something was asked for that has no effect on tables."""
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(
            f"{' and '.join(given)} has no effect on tables",
            expected="a model and rows, or two tables of the same rows",
        )


def compared_tables(
    first: Path,
    second: Path,
    labels: Path | None,
    label_column: str | None,
    id_column: str | None,
    drop: str | None,
    class_names: str | None,
    seed: int,
    normalise: bool = False,
) -> howsure.Comparison:
    """The comparison of two tables of the same rows.

    Args:
        first: The yardstick.
        second: The other.
        labels: File of true classes, or None where a table holds them.
        label_column: Which column does.
        id_column: Which column says what each row is called.
        drop: Columns to leave out.
        class_names: Names of the columns that are classes, or of the classes in order.
        seed: Of the folds.
        normalise: Whether rows are divided by their sums.

    Raises:
        InputError: Tables of other rows or classes, of one name, or without labels.
        FileError: A file is missing or damaged.
    """
    asked = columns_of(first, label_column, id_column, drop, class_names, False, labels, normalise).alike
    check_paths(first, labels, second)
    names = [path.stem if first.stem != second.stem else path.name for path in (first, second)]
    if names[0] == names[1]:
        raise InputError(
            "The two tables have the same name",
            expected="names to tell them by",
            received=f"'{first}' and '{second}'",
            mend="Copy one of them to a file of another name",
        )
    results = {name: read(path, asked) for name, path in zip(names, (first, second), strict=True)}
    truth = None
    if labels is not None:
        known = label_file_of(results[names[0]], first, labels, asked)
        truth = labels_of(results[names[0]], first, known)
    if truth is None and all(each.truth is None for each in results.values()):
        raise InputError(
            "There is nothing to compare by",
            expected="true classes: --labels FILE, or a column y in one of the tables",
        )
    return howsure.Comparison.of_results(results, truth, seed=seed)


def say_comparison(console: Console, comparison: howsure.Comparison, report: Path | None) -> None:
    """Print a comparison in words, and write its page where that is asked for.

    Args:
        console: Where.
        comparison: What is told.
        report: The page, or None.
    """
    paragraph(console, lead(comparison))
    say(console, "")
    console.print(comparison_table(comparison))
    for finding in findings(comparison):
        say(console, f"\n{finding.question}")
        paragraph(console, finding.said)
        for rows_like, said in finding.points:
            paragraph(console, f"- {rows_like}: {said}")
        if finding.note:
            paragraph(console, finding.note)
    if report is not None:
        write_comparison(report, comparison)
        say(console, f"\nReport:  {report}")
