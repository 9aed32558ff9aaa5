"""The promises of every outcome, and of every result; how a broken one is told."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import howsure
from howsure.results.result import Result
from howsure.sampling.estimate import RunningMoments, sum_up
from howsure.sampling.outcome import Estimates, Outcome, ResultMetadata
from howsure.tasks.task import task_of


def require(holds: object, promise: str, received: object = None) -> None:
    """Raise an `AssertionError` with the promise that is broken, unless it holds."""
    if not holds:
        raise AssertionError(f"{promise}." + ("" if received is None else f" Received: {received}."))


Array = NDArray[Any]

CLOSE = {"float64": 1e-9, "float32": 1e-5}
"""Relative difference that rounding in each precision may make."""


def check_outcome(outcome: Outcome, raw: Array) -> None:
    """Check all that `howsure.sampling.outcome` promises.

    Args:
        outcome: For some model.
        raw: (W, n, …) outputs of that model in W ≥ 2 passes over n ≥ 2 rows, which differ.

    Raises:
        AssertionError: A promise is broken.
    """
    numbers, before = np.arange(raw.shape[1]), raw.copy()
    outcome = outcome.take(numbers)
    values = outcome.values(raw, numbers)
    require(
        values.shape == (*raw.shape[:2], *outcome.columns[:-1], outcome.width),
        "Values have shape (W, n, K)",
        (values.shape, raw.shape),
    )
    require(
        values.dtype == outcome.precision,
        f"Values are in {outcome.precision.__name__}, as its sums are",
        values.dtype,
    )
    require(np.isfinite(values).all(), "Values are finite")
    require(np.array_equal(raw, before), "Raw outputs are left as they were")
    one = outcome.values(raw[:1], numbers)
    require(_close(one[0], values[0]), "A pass is read by itself, whatever passes are beside it")
    turned = outcome.values(raw[:, ::-1], numbers[::-1])
    require(_close(turned, values[:, ::-1]), "A row is read by itself, whatever rows are beside it")
    _check_columns(outcome, values)
    _check_sums(outcome, values)
    _check_result(outcome, values, numbers)


def _check_columns(outcome: Outcome, values: Array) -> None:
    mean = values.mean(axis=0)
    derived = outcome.derived(values, mean)
    count = len(outcome.families)
    require(outcome.columns[-1] == count, "Columns have a family each", (outcome.columns, count))
    require(
        derived.shape == (*values.shape[:-1], count - outcome.width),
        "Derived numbers and values together have a family each",
        (derived.shape, count),
    )
    require(len(outcome.least_error) == count, "Every column has a least error", len(outcome.least_error))
    columns = np.concatenate([mean, derived.mean(axis=0)], axis=-1)
    driver = outcome.error_driver(columns)
    require(driver.shape == columns.shape, "Every column goes by a probability", driver.shape)
    require(((driver >= 0) & (driver <= 1)).all(), "Every probability of a column is between 0 and 1")
    require((outcome.sensitivity(driver * (1 - driver) + 1e-4) >= 0).all(), "Columns move by 0 or more")
    doubt = outcome.doubt(mean)
    require(doubt.shape == (len(mean),), "Every row has one doubt", doubt.shape)
    again = outcome.regrouped(columns, mean)
    require(_close(again, columns), "Columns seen from their own mean are the same")
    order = np.arange(len(mean))[::-1]
    turned = outcome.derived(values[:, order], mean[order])
    require(_close(turned, derived[:, order]), "A row's columns do not depend on the rows beside it")


def _check_sums(outcome: Outcome, values: Array) -> None:
    """Means over passes are estimates: added at once or one by one, in cells or groups."""
    every = np.arange(values.shape[1])
    at_once = sum_up(values, (), outcome).mean
    require(
        _close(at_once[..., : outcome.width], values.mean(axis=0)),
        "The mean of the values is their plain mean",
    )
    moments = RunningMoments(len(every), outcome.columns, precision=outcome.precision)
    for one in values:
        moments.add_group(one[None], outcome, every)
    require(
        _close(moments.mean[..., : outcome.width], values.mean(axis=0)), "Passes can be added one at a time"
    )
    enough = outcome.is_enough(_known_to(at_once, 0.0), 0.01)
    require(enough.shape == every.shape and enough.dtype == bool, "`is_enough` says yes or no for each row")
    never = outcome.is_enough(_known_to(at_once, np.inf), 0.01)
    require(not never.any(), "No row has enough whose errors are infinite")
    require(enough.all(), "Every row has enough whose errors are 0")


def _known_to(mean: Array, error: float) -> Estimates:
    """Estimates with these means (n, …, C), all of which have this error."""
    errors = np.full_like(mean, error)
    return Estimates(mean, errors, errors**2, np.ones_like(mean), np.full(len(mean), 1000))


def _check_result(outcome: Outcome, values: Array, numbers: NDArray[np.int64]) -> None:
    mean = sum_up(values, (), outcome).mean
    error = np.full_like(mean, 0.01)
    passes = np.full(len(mean), len(values))
    metadata = ResultMetadata(numbers, "row", {"name": "made up"}, 0, None, "0")
    networks = _with_networks(Estimates(mean, error, error**2, error**2, passes), values, outcome)
    result = outcome.result(networks, metadata)
    require(len(result) == len(mean), "The result has a row for each row", len(result))
    require(str(result[0]) != "", "A row of the result prints as words")
    joined = type(result).joined([result[:1], result[1:]])
    same = len(joined) == len(result) and [*map(str, joined)] == [*map(str, result)]
    require(same, "Parts of a result join to the whole", len(joined))
    nothing = networks.take(numbers[:0])
    empty = outcome.result(nothing, replace(metadata, row=numbers[:0]))
    require(len(empty) == 0, "A result of no rows is one of no rows", len(empty))


def _with_networks(estimates: Estimates, values: Array, outcome: Outcome) -> Estimates:
    """The estimates with what the outcome's own tally tells of passes (W, n, …, K), if it has one."""
    tally = outcome.tally(len(estimates))
    if tally is None:
        return estimates
    for one in values:
        tally.add(one[None], estimates.mean[..., : outcome.width], np.arange(len(estimates)))
    return tally.completed(estimates)


def _close(one: Array, other: Array) -> bool:
    most = CLOSE[str(np.asarray(one).dtype)]
    return bool(np.allclose(one, other, rtol=most, atol=most))


# --- results ------------------------------------------------------------------------------------------


def check_result(result: Any) -> None:
    """Check all that shared code expects of a result: its columns, its parts, its tables and files.

    A kind of answers that was added with `howsure.tasks.task.add` is checked whole: what is saved loads
    again with `howsure.load`.

    Args:
        result: Result of N ≥ 2 rows.

    Raises:
        AssertionError: A promise is broken.
    """
    require(isinstance(result, Result), "A result derives from `Result`", type(result).__name__)
    require(bool(getattr(type(result), "answer", "")), "It says of which kind its answers are: `answer`")
    kind = task_of(result)
    require(kind.result_type is type(result), "The kind of that name has this type of result", kind.name)
    _check_columns_of_result(result)
    _check_parts(result)
    _check_files(result)


def _check_columns_of_result(result: Result[Any]) -> None:
    names = getattr(result, result.names)
    require(isinstance(names, tuple) and bool(names), "`names` is the setting that holds the names", names)
    first = result.columns[0].name
    require(first == "row", "The first column is `row`", first)
    for column in result.columns:
        values = getattr(result, column.name)
        if values is None:
            require(column.optional, "Only an optional column may be None", column.name)
            continue
        sides = column.sides(len(result), len(names), result.positions)
        require(np.shape(values) == sides, "A column has its shape", (column.name, np.shape(values), sides))
        if column.stored:
            require(not values.flags.writeable, "Arrays are read-only", column.name)
    first_numbers = getattr(result, result.first_numbers())
    require(
        np.issubdtype(first_numbers.dtype, np.floating), "Some column holds numbers", result.first_numbers()
    )


def _check_parts(result: Result[Any]) -> None:
    """Slices, single rows, and what is joined again."""
    require(len(result) >= 2, "There are two rows or more to check", len(result))
    texts = [str(row) for row in result]
    require(all(texts), "A row prints as words", texts[:1])
    turned = result[::-1]
    require([str(row) for row in turned] == texts[::-1], "A row says the same wherever it stands")
    joined = type(result).joined([result[:1], result[1:]])
    require(_same(joined, result), "Parts of a result join to the whole")
    none = result[:0]
    require(len(none) == 0 and isinstance(none, type(result)), "No rows are a result of no rows")


def _check_files(result: Result[Any]) -> None:
    """A saved result loads as it was, whoever asks."""
    table = result.to_arrow()
    require(table.num_rows == len(result), "The table has a row for each row", table.num_rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        result.save(path)
        require(_same(type(result).load(path), result), "What is saved loads again")
        loaded = howsure.load(path)
        require(
            type(loaded) is type(result), "`howsure.load` knows the kind in a file", type(loaded).__name__
        )
        result.save(Path(folder) / "result.csv")
        require((Path(folder) / "result.csv").stat().st_size > 0, "It is written for other programs too")


def _same(one: Result[Any], other: Result[Any]) -> bool:
    """Whether two results hold the same; what is unknown is the same where it is in both."""
    pairs = [
        (getattr(one, column.name), getattr(other, column.name)) for column in one.columns if column.stored
    ]
    return [*map(str, one)] == [*map(str, other)] and all(
        a is b if a is None or b is None else np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in pairs
    )
