"""Start a server, ask it, and stop it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

STARTS_WITHIN = 180
"""Seconds after which a server that does not answer is given up."""

STOPS_WITHIN = 30

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""Nothing is sent to anybody."""


class Client:
    """One connection to a server on this machine, which stays open.

    Args:
        url: Where rows go to.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection, self._path = http.client.HTTPConnection(parts.netloc, timeout=60), parts.path

    def ask(self, body: bytes) -> Any:
        """The answer to a request in JSON.

        Raises:
            OSError: The server cannot be reached, or refuses the request.
        """
        try:
            answer = self._answer(body)
        except ConnectionError:  # servers close a connection that nobody uses for some seconds
            self.close()
            answer = self._answer(body)
        text = answer.read()
        if answer.status != 200:
            raise OSError(f"{answer.status}: {text[:500]!r}")
        return json.loads(text)

    def _answer(self, body: bytes) -> http.client.HTTPResponse:
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        return self._connection.getresponse()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextlib.contextmanager
def server(command: str, folder: Path, url: str, body: bytes) -> Iterator[Client]:
    """A running server that has answered a first request; it is stopped at the end.

    Args:
        command: What starts it, run in the folder.
        folder: With its files; `server.log` takes what it prints.
        url: Where rows go to.
        body: A request.

    Raises:
        RuntimeError: It ends, or does not answer in time.
    """
    environment = os.environ | QUIET
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            shlex.split(command),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, folder, url, body)
        client = Client(url)
        yield client
        client.close()
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], folder: Path, url: str, body: bytes) -> None:
    until, error = time.monotonic() + STARTS_WITHIN, "no answer"
    while process.poll() is None and time.monotonic() < until:
        client = Client(url)
        try:
            client.ask(body)
            return
        except (OSError, http.client.HTTPException) as refused:
            error = str(refused)
            time.sleep(0.5)
        finally:
            client.close()
    log = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"{shlex.join(process.args)} does not serve ({error}):\n{log[-3000:]}")  # type: ignore[arg-type]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl+C in a terminal does; what is left of its group afterwards ends at once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
