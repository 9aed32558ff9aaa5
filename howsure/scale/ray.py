"""Rows assessed by workers of Ray, on this machine or on a cluster.

    parts of a folder ── a task for each ── parts written, and what came of each
    a dataset of rows ── map_batches ────── columns of the table

A task writes its part itself, so no results travel. If its process or its machine dies, Ray runs it again.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from howsure import tuning
from howsure.adapters.import_keras import native_stderr_held
from howsure.adapters.resolve import resolve_model
from howsure.arguments import accept_alias, check_path, check_type, check_whole
from howsure.assess import assessed
from howsure.errors import HowsureError, HowsureWarning, InputError, ModelError, exception_text, warn
from howsure.evaluation.rules import Rules, check_rules
from howsure.inputs.align import ID
from howsure.inputs.binary_files import parquet_columns
from howsure.inputs.rows import quoted
from howsure.inputs.tables import ANY_VECTOR, Roles, rows_of
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.optional import needs
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.scale.parts import Part
from howsure.scale.read import Reader
from howsure.scale.work import FolderJob, ModelSource, PartOutcome, Recipe, RowProgress, Worker

if TYPE_CHECKING:
    import pyarrow as pa
    import ray.data

ADDRESS = "RAY_ADDRESS"

_PATIENCE = 5.0
"""Seconds for which an address is tried: what is lost is sent again after 1 and 3 (RFC 6298)."""

TRIES = 3
"""How often a part is tried again after the process that had it died."""


# --- a cluster --------------------------------------------------------------------------------------------


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """A cluster that can run so many workers: that of RAY_ADDRESS, or one of this machine's own.

    On this machine each worker gets its share of the cores, nothing listens but on the loopback interface,
    and who connects needs a token that is made for this cluster. Settings of Ray in the environment come
    first. Ray reads them when it is imported, so nothing here changes them if it was imported before. It
    starts before anything loads JAX, which does not bear to be forked.

    Raises:
        DependencyError: Ray is not installed.
        InputError: There is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get(ADDRESS):
        if "ray" not in sys.modules:
            share = str(max(1, len(os.sched_getaffinity(0)) // workers))
            for name, value in _of_this_machine(share).items():
                os.environ.setdefault(name, value)
        # Without "local", Ray joins whatever cluster was started on this machine.
        settings |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    with needs("ray", "A run with workers"):
        import ray
    if ray.is_initialized():
        yield
        return
    try:
        _check_answered(os.environ.get(ADDRESS, ""))
        with warnings.catch_warnings(action="ignore"), native_stderr_held(), _signal_kept():
            ray.init(**settings)
    except (OSError, RuntimeError, ValueError) as error:
        address = os.environ.get(ADDRESS)
        raise InputError(
            f"There is no cluster of Ray at '{address}'" if address else "Ray could not be started here",
            expected=f"the address of one in {ADDRESS}, or none for workers on this machine",
            received=str(error)[:200],
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answered(address: str) -> None:
    """Raise an `OSError` where nobody listens at host:port: Ray would try for minutes, without a word."""
    place = urlsplit(f"//{address.rpartition('//')[2]}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), _PATIENCE).close()


def _of_this_machine(share: str) -> dict[str, str]:
    return {
        # As if this machine were the whole cluster, also on Linux: then Ray listens on loopback alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "RAY_task_oom_retries": str(TRIES),  # of processes that Ray ends as memory runs out, else without end
        "OMP_NUM_THREADS": share,
        "TF_NUM_INTRAOP_THREADS": share,
        "TF_NUM_INTEROP_THREADS": share,
    }


@contextmanager
def _signal_kept() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray sets its own, which aborts."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


# --- parts of a folder ------------------------------------------------------------------------------------


def several(workers: int) -> Callable[[FolderJob, RowProgress], Iterator[PartOutcome]]:
    """The function that does parts with so many workers; within `cluster`."""
    return partial(_outcomes_of_workers, workers)


def _outcomes_of_workers(workers: int, job: FolderJob, progress: RowProgress) -> Iterator[PartOutcome]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    task = ray.remote(num_cpus=1, max_retries=TRIES)(_part_done)
    run, recipe, reader = secrets.token_hex(4), ray.put(job.worker.recipe), ray.put(job.worker.reader)
    waiting, running, done = deque(job.pending), dict[Any, Part](), job.rows_before
    while waiting or running:
        while waiting and len(running) < workers:
            part = waiting.popleft()
            running[task.remote(run, recipe, reader, os.getcwd(), part)] = part
        (ready, *_), _ = ray.wait(list(running))
        part = running.pop(ready)
        try:
            outcome, heard = ray.get(ready)
        except RayTaskError as error:
            if isinstance(error.cause, HowsureError):
                raise error.cause from None
            hint = "Run without --workers to see the original error"
            raise ModelError(f"A worker failed ({exception_text(error.cause)})", hint=hint) from error
        except RayError as error:
            times = f"{1 + TRIES} times ({type(error).__name__})"
            reason = f"the process that had it died {times}, as where memory does not suffice"
            outcome, heard = PartOutcome(part, fault=reason), []
        for warning in heard:
            warn(str(warning), warning.kind)
        done += len(part)
        progress(done, job.manifest.rows)
        yield outcome


_LOADED: dict[str, Worker] = {}
"""In a process of Ray, the worker with its model, by the run that it is for."""


def _part_done(
    run: str, recipe: Recipe, reader: Reader, here: str, part: Part
) -> tuple[PartOutcome, list[HowsureWarning]]:
    """The outcome of a part, and the warnings for whoever gave the command; in a process of Ray."""
    heard = list[HowsureWarning]()
    with _warnings_kept(heard):
        if run not in _LOADED:
            _LOADED.clear()
            with suppress(OSError):  # another machine has no such folder, nor needs one for a model in a file
                os.chdir(here)
            _LOADED[run] = Worker(recipe, reader)
        return _LOADED[run].do(part), heard


@contextmanager
def _warnings_kept(heard: list[HowsureWarning]) -> Iterator[None]:
    """Put howsure's warnings on a list, for whoever is on the machine where the command was given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", HowsureWarning)
        try:
            yield
        finally:
            heard += [warning.message for warning in caught if isinstance(warning.message, HowsureWarning)]


# --- a dataset --------------------------------------------------------------------------------------------


@accept_alias
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
    rules: Rules | None = None,
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
        rules: As in `howsure.assess`.

    Returns:
        A dataset, computed when it is read, with the columns of `Certainty.to_arrow` but for `row`: Ray does
        not number its rows. Ray writes it, also to object stores: `dataset.write_parquet(…)`.

    Raises:
        InputError: No column of ids, or no plan where one is needed.
        DependencyError: Ray is not installed.
    """
    request = Request.of(locals())
    with needs("ray", "`howsure.scale.assess`"):
        import ray.data
    check_type(dataset, ray.data.Dataset, "dataset", "a ray.data.Dataset")
    check_whole(workers, "workers", least=1)
    check_rules(rules)
    chosen = _method_of(method, plan)
    columns = dataset.columns() or []
    if id_column not in columns:
        raise InputError(
            f"The dataset has no column of ids '{id_column}', and Ray does not keep the order of rows",
            expected="a column that says what each row is called, named with `id_column`",
            received=f"columns {quoted(columns)}",
        )
    state = None if weights is None else check_path(weights)
    load = model if callable(model) else ModelSource.of(check_path(model), state, allow_code).load
    roles = Roles(label_column, id_column, tuple(drop))
    return dataset.map_batches(
        _BatchWorker,
        fn_constructor_args=(load, chosen, request, rules, roles, columns, os.getcwd()),
        batch_size=tuning.BLOCK,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )


def _method_of(method: Method | None, plan: Plan | None) -> Method:
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


class _BatchWorker:
    """An actor: the model, loaded once, and whatever batch comes next."""

    def __init__(
        self,
        load: Callable[[], Any],
        method: Method,
        request: Request,
        rules: Rules | None,
        roles: Roles,
        columns: Sequence[str],
        here: str,
    ) -> None:
        with suppress(OSError):
            os.chdir(here)
        self._model = load()
        self._method, self._request, self._rules = method, request, rules
        self._roles, self._columns = roles, columns
        self._specs = resolve_model(self._model).declared_specs() or [ANY_VECTOR]

    def __call__(self, batch: pa.Table) -> pa.Table:
        table = parquet_columns(Path("the dataset"), batch.select(self._columns))
        rows = rows_of(table, self._specs, self._roles)
        result = assessed(self._model, rows, self._method, self._request, rules=self._rules)
        return result.to_arrow().drop_columns(["row"])
