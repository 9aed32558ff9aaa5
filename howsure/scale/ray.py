"""Parts done by several processes, of this machine or of a cluster, through Ray Data.

    pending parts ── ray.data.from_items ── map_batches(actors with the model) ── what came of each

An actor writes its part itself and gives back its number, so no results travel. Ray divides the work, starts
an actor again that died, and gives its part to another.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from howsure.atomic import TEMPORARY
from howsure.errors import FileError, HowsureError, HowsureWarning, InputError, ModelError, raised, warn
from howsure.models.import_keras import native_stderr_held
from howsure.optional import needs
from howsure.scale.run import FolderJob, Told
from howsure.scale.work import Part
from howsure.scale.worker import PartOutcome, Recipe, Worker

ADDRESS = "RAY_ADDRESS"

SPARE = 2
"""Logical cores beyond one for each actor: with fewer, Ray Data waits for one for ever."""

_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""By which numerical libraries are told how many threads to have; each looks when it is loaded."""

_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_enable_output_error_log_if_still_retry": "0",
}
"""Settings of Ray: send no usage statistics, and print no errors that it handles itself."""

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""With 0 Ray takes this machine for its whole cluster, on Linux too, and listens on the loopback interface
alone; otherwise it listens on all of them, whichever address it is given."""

_TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")

_PATIENCE = 5.0
"""Seconds for which an address is tried: what is lost is sent again after 1 and 3 (RFC 6298)."""

_TRIES = 3
"""How often a part is begun before it is given up, where each time the process that had it died."""

_ERRORS = {each.__name__: each for each in (FileError, InputError, ModelError)}


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """A cluster that can run so many workers: that of RAY_ADDRESS, or one of this machine's own.

    On this machine each worker gets its share of the cores, nothing listens but on the loopback interface,
    and who connects needs a token that is made for this cluster; settings of Ray in the environment come
    first. It is started before anything loads JAX, which does not bear to be forked.

    Raises:
        DependencyError: Ray is not installed.
        InputError: There is no cluster at that address.
    """
    with needs("ray", "A run with workers"):
        import ray
        import ray.data
    if ray.is_initialized():
        yield
        return
    _check_answered(os.environ.get(ADDRESS, ""))
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    share = str(max(1, len(os.sched_getaffinity(0)) // workers))
    given = dict(_RAY)
    if not os.environ.get(ADDRESS):
        # Without "local", Ray joins whatever cluster was started on this machine.
        settings |= {"address": "local", "num_cpus": workers + SPARE, "include_dashboard": False}
        own = dict.fromkeys(_THREADS, share) | {_LOOPBACK: "0"}
        if not any(name in os.environ for name in _TOKEN):
            own |= zip(_TOKEN, ("token", secrets.token_hex(32)), strict=True)
        given |= {name: value for name, value in own.items() if name not in os.environ}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        quiet = warnings.catch_warnings(action="ignore")
        with quiet, native_stderr_held(), _signals_kept(), _as_the_environment_says():
            ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(error) from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _as_the_environment_says() -> Iterator[None]:
    """While Ray starts, it goes by what the environment says now, and not when it was imported."""
    from ray._private import ray_constants
    from ray._raylet import Config  # type: ignore[attr-defined]  # compiled

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and os.environ.get(_LOOPBACK) != "0"
    Config.initialize("")
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _check_answered(address: str) -> None:
    """Raise an `InputError` where nobody listens at host:port: Ray would try for minutes, without a word."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(error) from error


def _no_cluster(error: Exception) -> InputError:
    address = os.environ.get(ADDRESS)
    return InputError(
        f"There is no cluster of Ray at '{address}'" if address else "Ray could not be started here",
        expected=f"the address of one in {ADDRESS}, or none for workers on this machine",
        received=str(error)[:200],
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the signal handlers: Ray sets its own, and one of them aborts."""
    heard = {
        number: handler
        for name in ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not on Windows
        if (number := getattr(signal, name, None)) and (handler := signal.getsignal(number)) is not None
    }
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in heard.items():
                signal.signal(number, handler)


def several(workers: int) -> Callable[[FolderJob, Told], Iterator[PartOutcome]]:
    """The function that does parts with so many workers; within `cluster`."""
    return partial(_several, workers)


def _several(workers: int, job: FolderJob, told: Told) -> Iterator[PartOutcome]:
    import ray.data
    from ray.exceptions import RayError

    if not job.pending:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours are told instead
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    items = [asdict(part) for part in job.pending]
    work = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _PartWorker,
        fn_constructor_args=(job.recipe, job.probe),
        batch_size=1,
        concurrency=min(workers, len(items)),
        num_cpus=1,
    )
    done = job.rows_before
    try:
        for told_of in work.iter_rows():
            for text, kind in zip(told_of["warnings"], told_of["kinds"], strict=True):
                warn(str(text), str(kind))
            if told_of["refused"]:
                raise _ERRORS[told_of["refused"]](told_of["fault"].rstrip("."))
            part = Part(**{name: int(told_of[name]) for name in Part.__dataclass_fields__})
            done += len(part)
            told(done, job.rows)
            yield PartOutcome(
                part,
                int(told_of["rows"]),
                tuple(told_of["left_out"]),
                told_of["fault"] or None,
                told_of["traceback"],
            )
    except RayError as error:
        raise ModelError(
            f"A worker failed ({_reason(error)})", hint="Run without --workers to see the original error"
        ) from error


def _reason(error: Exception) -> str:
    """Why Ray gave up, in one line: of a traceback what was raised first, not Ray's advice behind it."""
    from ray.exceptions import RayTaskError

    first = str(error).partition("\nThe above exception was the direct cause")[0]
    lines = [line.strip() for line in first.splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if isinstance(error, RayTaskError) else 0][:300]


class _PartWorker:
    """An actor: the model, loaded once, and whatever part comes next.

    A fault of the model or the plan is given back with the first part, as Ray starts an actor again and again
    that fails while it is made.
    """

    def __init__(self, recipe: Recipe, probe: Part) -> None:
        self._folder = recipe.folder
        self._worker: Worker | None = None
        self._refusal: HowsureError | None = None
        self._warnings: list[HowsureWarning] = []
        try:
            with _warnings_kept(self._warnings):
                self._worker = Worker(recipe)
                self._worker.check(probe)
        except HowsureError as error:
            self._refusal = error
        except Exception as error:  # whatever the model itself may raise
            self._refusal = ModelError(
                f"A worker cannot begin ({raised(error)})",
                hint="Run without --workers to see the original error",
            )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        part = Part(**{name: int(batch[name][0]) for name in Part.__dataclass_fields__})
        refused, said = self._refusal, self._warnings
        outcome = PartOutcome(part, 0, fault=None if refused is None else str(refused))
        if self._worker is not None and refused is None:
            try:
                with _warnings_kept(said):
                    outcome = self._tried(part, self._worker)
            except HowsureError as error:  # results cannot be written
                refused, outcome = error, replace(outcome, fault=str(error))
        self._warnings = []
        return {
            **{name: [value] for name, value in asdict(part).items()},
            "rows": [outcome.rows],
            "left_out": [list(outcome.left_out)],
            "fault": [outcome.fault or ""],
            "traceback": [outcome.traceback],
            "refused": ["" if refused is None else type(refused).__name__],
            "warnings": [list(map(str, said))],
            "kinds": [[each.kind for each in said]],
        }

    def _tried(self, part: Part, worker: Worker) -> PartOutcome:
        """The outcome of a part; Ray would give one that kills its process to another, for ever."""
        tries = self._folder / f"{TEMPORARY}{part.name}.tries"
        try:
            with tries.open("ab") as file:
                begun = file.tell()
                file.write(b".")
            if begun >= _TRIES:
                died = f"the process that had it died {_TRIES} times, as where memory does not suffice"
                return PartOutcome(part, 0, fault=died)
            return worker.do(part)
        except HowsureError:
            raise
        except OSError as error:
            raise FileError(f"Writing to '{self._folder}' failed ({error.strerror or error})") from error
        finally:
            tries.unlink(missing_ok=True)


@contextmanager
def _warnings_kept(said: list[HowsureWarning]) -> Iterator[None]:
    """Put howsure's warnings on a list, for whoever is on the machine where the command was given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", HowsureWarning)
        try:
            yield
        finally:
            said += [each.message for each in caught if isinstance(each.message, HowsureWarning)]
