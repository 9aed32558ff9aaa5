"""`howsure.scale.assess`: a dataset of Ray in, the columns of the table out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure import tuning
from howsure.arguments import check_path, check_type, check_whole
from howsure.data.ids import ID
from howsure.data.rows import quoted
from howsure.data.table_files import parquet_columns
from howsure.data.tables import ANY_VECTOR, Roles, rows_of
from howsure.errors import HowsureError, InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.misplaced_arguments import named_either_way
from howsure.methods.protocol import Method
from howsure.models.adapt import opened
from howsure.optional import needs
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.scale.recipe import Asked, Assessor, ModelSource
from howsure.scale.sources import Columns, in_order

if TYPE_CHECKING:
    import pyarrow as pa
    import ray.data


@named_either_way
def assess(
    dataset: ray.data.Dataset,
    model: str | os.PathLike[str] | Callable[[], Any],
    *,
    plan: Plan | None = None,
    method: Method | None = None,
    weights: str | os.PathLike[str] | None = None,
    workers: int = 1,
    id_column: str = ID,
    label_column: str | None = None,
    drop: Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    allow_code: bool = False,
    thresholds: Thresholds | None = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
) -> ray.data.Dataset:
    """Assess a dataset of Ray: rows in, the columns of the table out, in whatever order they come.

    Each worker loads the model once. With a plan a row's numbers depend on nothing but the row: they are
    those of `howsure.assess` with the same plan.

    Args:
        dataset: Columns as in a Parquet file of rows: one for each feature, or one of lists or tensors; and
            one of ids, as the order of rows is not kept.
        model: The path of a model file, `package.module:function`, or a function that makes the model.
        plan: A plan of `howsure.plan(model, x, precision="float32")`; needed for `MCDropout()`.
        method: As in `howsure.assess`. Default: `MCDropout(plan=plan)`.
        weights: A state dict for what `package.module:function` makes, or None.
        workers: Processes, ≥ 1, each with the model in memory and one logical core.
        id_column: Column with a name for each row; texts or whole numbers.
        label_column: Column of true answers. Default: `y`, if there is one.
        drop: Columns to leave out.
        seed: As in `howsure.assess`.
        batch_size: Likewise.
        outputs: Likewise.
        class_names: Likewise.
        allow_code: Whether a model file may run code of its own.
        thresholds: As in `howsure.assess`.
        output: Likewise.
        outcome: Likewise; workers import its module.

    Returns:
        A dataset, computed when it is read, with the columns of `Certainty.to_arrow` but for `row`: Ray does
        not number its rows.

    Raises:
        InputError: No column of ids, or no plan where one is needed.
        DependencyError: Ray is not installed.
    """
    request = Request.of(locals())
    with needs("ray", "`howsure.scale.assess`"):
        import ray.data
    check_type(dataset, ray.data.Dataset, "dataset", "a ray.data.Dataset")
    check_whole(workers, "workers", least=1)
    chosen = _chosen(method, plan)
    columns = dataset.columns() or []
    if id_column not in columns:
        raise InputError(
            f"The dataset has no column of ids '{id_column}', and Ray does not keep the order of rows",
            expected="a column that says what each row is called, named with `id_column`",
            received=f"columns {quoted(columns)}",
        )
    if callable(model):
        source: ModelSource | Callable[[], Any] = model
    else:
        state = None if weights is None else check_path(weights)
        source = ModelSource.of(check_path(model), state, allow_code)
    recipe = _Recipe(
        source,
        chosen,
        Roles(label_column, id_column, tuple(drop)),
        Asked(request),
        tuple((name, "") for name in columns),
    )
    return dataset.map_batches(
        _Batches,
        fn_constructor_args=(recipe,),
        batch_size=tuning.BLOCK,
        batch_format="pyarrow",
        concurrency=workers,
        num_cpus=1,
    )


def _chosen(method: Method | None, plan: Plan | None) -> Method:
    """The method, by which a row's numbers depend on no other row."""
    if plan is not None:
        check_type(plan, Plan, "plan", "what howsure.plan(model, x) made")
    if plan is not None and method is not None:
        raise InputError(
            "`plan` is for the method that None stands for",
            expected="howsure.MCDropout(plan=plan) as `method`",
        )
    chosen = MCDropout(plan=plan) if method is None else method
    if chosen.needs.plan:
        raise InputError(
            "Without a plan a row's numbers would depend on the others in its batch",
            expected="plan=howsure.plan(model, some_rows, precision='float32'), or method=howsure.MCDropout("
            "passes=T)",
        )
    return chosen


@dataclass(frozen=True)
class _Recipe:
    source: ModelSource | Callable[[], Any]
    method: Method
    roles: Roles
    asked: Asked
    columns: Columns


class _Batches:
    """An actor: the model, loaded once, and whatever batch comes next."""

    def __init__(self, recipe: _Recipe) -> None:
        self._roles, self._columns = recipe.roles, recipe.columns
        self._error: HowsureError | None = None
        try:
            model = recipe.source.load() if isinstance(recipe.source, ModelSource) else recipe.source()
            self._assessor = Assessor(model, recipe.method, recipe.asked)
            self._specs = opened(model).declared_specs() or [ANY_VECTOR]
        except HowsureError as error:  # Ray would start an actor that fails again and again
            self._error = error

    def __call__(self, batch: pa.Table) -> pa.Table:
        if self._error is not None:
            raise self._error
        batch = in_order("A block of the dataset", batch, self._columns)
        rows = rows_of(parquet_columns(Path("the dataset"), batch), self._specs, self._roles)
        result = self._assessor.assess(rows, np.arange(batch.num_rows))
        return result.to_arrow().drop_columns(["row"])
