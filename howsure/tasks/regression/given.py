"""Means and standard deviations in the columns of a table that something else wrote.

    one target      mean, std                                 and perhaps y or truth, and id
    several         mean.NAME, std.NAME  or  mean_NAME, …     and perhaps y.NAME or truth.NAME, and id
    quantiles       q05, q50, q95  or  q05.NAME, …            likewise; q025 is that of 0.025

Other columns are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.rows import quoted
from howsure.inputs.tables import ANY_VECTOR, Table, labels_of, names_in_column, rows_from
from howsure.sampling.outcome import Floats
from howsure.tasks.regression.quantiles import pairs_of
from howsure.tasks.regression.result import FROM_HELD_OUT, RegressionCertainty

if TYPE_CHECKING:
    from howsure.external.files import FileColumns

MEAN, STD, TRUTHS = "mean", "std", ("truth", "y")
"""Names of the columns, or of their beginnings."""

QUANTILE = re.compile(r"(q(\d{2,4}))(?:[._].+)?")
"""Names of columns of quantiles."""

LIKE_STD = ("sd", "stdev", "stddev", "sigma", "var", "variance")
"""Other names of a standard deviation or a variance; one beside a `mean` shows that it is a mean."""


def claims(table: Table, options: FileColumns) -> bool:
    """The part `claims`: whether the columns of a table are means and standard deviations of numbers.

    They are if there is a mean with its standard deviation, or nothing but means beside labels and ids. They
    are not if the caller says that the columns themselves are classes.

    Args:
        table: The columns.
        options: The options of the caller.
    """
    names = set(table.names)
    if names & set(options.class_names or ()):
        return False
    if _quantile_words(table):
        return True
    means, stds = _by_target(table, MEAN), _by_target(table, STD)
    if set(means) & set(stds):
        return True
    _, _, other_places = options.roles.of(table, None)
    others = {table.names[place] for place in other_places} - set(means.values())
    return bool(means) and all(name.lower() in LIKE_STD for name in others)


def read(table: Table, options: FileColumns, source: Path) -> RegressionCertainty:
    """The part `given_columns`: the result of a table that `claims` takes.

    Args:
        table: The columns.
        options: The options of the caller.
        source: The file.

    Raises:
        InputError: A standard deviation is missing, cells that hold no numbers, or options for percentages.
    """
    _check_options(options)
    if quantiles := _quantile_words(table):
        return _of_quantiles(table, options, source, quantiles)
    means, stds = _by_target(table, MEAN), _by_target(table, STD)
    targets = _target_names(list(means), options, source)
    for target in targets:
        _check_std(table, stds.get(target), means[target], source)
    return _result(
        table,
        options,
        source,
        targets,
        RegressionCertainty.from_mean_std,
        _numbers_in(table, [means[target] for target in targets]),
        _numbers_in(table, [stds[target] for target in targets]),
    )


def _of_quantiles(
    table: Table, options: FileColumns, source: Path, words: dict[str, float]
) -> RegressionCertainty:
    """The result of a table of quantiles, whose columns begin with these words."""
    by_word = [_by_target(table, word) for word in words]
    targets = list(by_word[0])
    for word, columns in zip(words, by_word, strict=True):
        if set(columns) != set(targets):
            raise InputError(
                f"'{source}' lacks quantiles of some targets",
                expected=f"a column '{word}' for each of {quoted(targets)}",
                received=quoted(list(columns)),
            )
    numbers = _numbers_in(table, [columns[target] for target in targets for columns in by_word])
    values = numbers.reshape(len(numbers), len(targets), len(words))
    make = RegressionCertainty.from_quantiles
    return _result(table, options, source, targets, make, values, tuple(words.values()))


def _quantile_words(table: Table) -> dict[str, float]:
    """The levels of the columns of quantiles, ascending, by the beginnings of their names, such as `q05`.

    Empty unless two lie around a share of answers: columns `q01` and `q02` may be anything.
    """
    found = (QUANTILE.fullmatch(name.lower()) for name in table.names)
    words = {match[1]: float(f"0.{match[2]}") for match in found if match is not None}
    words = dict(sorted(words.items(), key=lambda item: item[1]))
    return words if pairs_of(list(words.values())) else {}


def _result(
    table: Table,
    options: FileColumns,
    source: Path,
    targets: list[str],
    make: Callable[..., RegressionCertainty],
    *values: Any,
) -> RegressionCertainty:
    """The result that `make` makes of the values, with the ids and true numbers of the table."""
    names = options.class_names if targets == [""] else targets
    _, identity, _ = options.roles.of(table, None)
    called = names_in_column(table, identity)
    result = make(*values, names, source=source.name, ids=called.ids)
    result = replace(result, frame_index=called.frame_index)
    if result.can_call(called.id_name):
        result = replace(result, id_name=called.id_name)
    truth = _truth_in(table, options, targets)
    return result if truth is None else result.with_truth(truth)


def _by_target(table: Table, word: str) -> dict[str, str]:
    """Names of the columns of a word, also in capitals, by target; that of a plain `mean` or `std` is ''."""
    plain = [name for name in table.names if name.lower() == word]
    if plain:
        return {"": word if word in plain else plain[0]}
    beginnings = (f"{word}.", f"{word}_")
    return {
        name[len(word) + 1 :]: name
        for name in table.names
        if name.lower().startswith(beginnings) and len(name) > len(word) + 1
    }


def _target_names(targets: list[str], options: FileColumns, source: Path) -> list[str]:
    names = options.class_names
    if names is None or (targets == [""] and len(names) == 1):
        return targets
    missing = [name for name in names if name not in targets]
    if missing:
        raise InputError(
            f"'{source}' has no columns of {quoted(missing)}",
            expected=f"columns {quoted([f'{MEAN}.{name}' for name in missing])}, and the same with '{STD}.'",
            received=f"means of {quoted(targets)}" if targets != [""] else "one mean, of one target",
        )
    return list(names)


def _check_std(table: Table, std: str | None, mean: str, source: Path) -> None:
    empty = (
        std is not None and table.rows > 0 and table.columns[table.names.index(std)].null_count == table.rows
    )
    if std is not None and not empty:
        return
    like = [name for name in table.names if name.lower() in LIKE_STD]
    column, lacking = STD + mean[len(MEAN) :], f"'{std}' is empty" if empty else "no standard deviations"
    raise InputError(
        f"'{source}' has means in '{mean}', but {lacking}",
        expected=f"a column '{column}', the standard deviation of a new answer around its mean",
        received=f"columns {quoted(table.names)}",
        hint=f"If '{like[0]}' is a standard deviation, call it '{column}'; of a variance give the root"
        if like
        else f"{FROM_HELD_OUT}. The .parquet form of a table of `howsure assess` can be calibrated as it is",
    )


def _check_options(options: FileColumns) -> None:
    unused_settings = {
        "`several_labels`": options.several,
        "`normalise`": options.normalise,
        "Thresholds of verdicts": options.thresholds is not None,
    }
    unused = [name for name, is_given in unused_settings.items() if is_given]
    if unused:
        raise InputError(
            f"{unused[0]} have no effect on numbers"
            if " " in unused[0]
            else f"{unused[0]} has no effect on numbers",
            expected="no such option",
            hint="`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
        )


def _truth_in(table: Table, options: FileColumns, targets: list[str]) -> Any:
    label, _, _ = options.roles.of(table, None)
    if label is not None:
        return options.truth_in(table, [label], lambda: labels_of(table, label))
    by_word = (_by_target(table, word) for word in TRUTHS)
    columns = next((of_word for of_word in by_word if all(target in of_word for target in targets)), None)
    if columns is None:
        return None
    names = [columns[target] for target in targets]
    return options.truth_in(
        table, [table.names.index(name) for name in names], lambda: _numbers_in(table, names)
    )


def _numbers_in(table: Table, names: list[str]) -> Floats:
    """(N, K) from the columns of these names, or an `InputError` that names what is no number."""
    return np.asarray(
        rows_from(table, [table.number(name, "of numbers") for name in names], ANY_VECTOR), np.float64
    )
