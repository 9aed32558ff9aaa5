"""Run the recipes of docs/deploy.md, and measure them.

    python -m recipes                    all; figures to docs/deploy.json, and into the page
    python -m recipes agreement node     some of them
    python -m recipes --page             only the page

The plain network, written by `torch.onnx`, is served by the same engine in the same way. Both get the same
requests in turns of a hundred, so that other work on the machine slows both. Ray Serve runs one at a time.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

import howsure
from benchmarks.docs import percent, table
from recipes.agreement import KINDS, agreement
from recipes.page import PAGE, Recipe, recipes
from recipes.servers import Client, server

ENVIRONMENT = Path(sys.prefix)
REQUESTS, ROUNDS, WARM = 100, 6, 30
GRAPH, IN_PYTHON = "The graph of this page", "ONNX Runtime in Python"
DECIDED, PLAIN = "decided", "plain"
NEW = 1500
"""The rows of the page from here on are new."""


@dataclass(frozen=True)
class Engine:
    """How an engine of the page is asked.

    Attributes:
        heading: Of its section.
        port: Of its recipe; 0 if two of its servers cannot run at once.
        url: Where rows go to.
        version: The version of what serves.
        body: A request, from rows (n, F) and which graph it is.
        columns: The columns that an answer holds.
    """

    heading: str
    port: int
    url: str
    version: Callable[[], str]
    body: Callable[[Any, str], Any] = lambda rows, graph: {"rows": rows.tolist()}
    columns: Callable[[Any], Mapping[str, Any]] = lambda answer: answer


def of_package(name: str) -> Callable[[], str]:
    """The version of a package."""
    return lambda: f"{name} {importlib.metadata.version(name)}"


def of_node() -> str:
    """The version of its ONNX Runtime."""
    about = ENVIRONMENT / "node_modules" / "onnxruntime-node" / "package.json"
    return f"onnxruntime-node {json.loads(about.read_text(encoding='utf-8'))['version']}"


def of_mlflow(rows: Any, graph: str) -> Any:
    """A data frame; MLflow's own flavour of ONNX takes arrays alone."""
    if graph == PLAIN:
        return {"inputs": rows.tolist()}
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    return {"dataframe_split": {"columns": names, "data": rows.tolist()}}


def of_records(answer: Any) -> Mapping[str, Any]:
    """Columns of rows, or of what MLflow's own flavour gives."""
    said = answer["predictions"]
    if isinstance(said, dict):
        return said
    columns = {name: [row[name] for row in said] for name in said[0]}
    return columns | {"calibrated": columns["probabilities"]}


def of_node_arrays(answer: Any) -> Mapping[str, Any]:
    """Columns in their shapes."""
    return {name: np.reshape(of["data"], of["dims"]) for name, of in answer.items()}


ENGINES = {
    "node": Engine("ONNX Runtime in Node", 8080, "http://127.0.0.1:8080/", of_node, columns=of_node_arrays),
    "mlflow": Engine(
        "MLflow", 5000, "http://127.0.0.1:5000/invocations", of_package("mlflow"), of_mlflow, of_records
    ),
    "ray": Engine("Ray Serve", 0, "http://127.0.0.1:8000/", of_package("ray")),
    "bentoml": Engine("BentoML", 3000, "http://127.0.0.1:3000/decide", of_package("bentoml")),
}


class Made:
    """The graph of the page and the plain one, in a folder each.

    Args:
        page: The recipes.
        folder: Where they are made.
    """

    def __init__(self, page: Mapping[str, Recipe], folder: Path) -> None:
        tempfile.tempdir = str(folder)
        self.page, self.space = page, dict[str, Any]()
        exec(page[GRAPH].code, self.space)
        exec(page[IN_PYTHON].code, self.space)
        self.folders = {DECIDED: Path.cwd(), PLAIN: folder / PLAIN}
        self.folders[PLAIN].mkdir()
        model, rows = self.space["model"], self.space["images"]
        batch = torch.export.Dim("rows")
        torch.onnx.export(
            model,
            (torch.tensor(rows[:2]),),
            self.folders[PLAIN] / "decided.onnx",
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
        self.rows = rows[NEW:]
        with torch.no_grad():
            self.logits = model(torch.tensor(self.rows)).numpy()

    def differences(self, columns: Mapping[str, Any], graph: str) -> dict[str, Any]:
        """How far the columns of an engine are from those in Python, and how many decisions differ."""
        if graph == PLAIN:
            return {"difference": float(np.abs(np.asarray(columns["logits"]) - self.logits).max())}
        expected = howsure.assess(self.folders[DECIDED] / "decided.onnx", self.rows)
        apart = {
            name: np.asarray(columns[name]) != getattr(expected, name) for name in ("in_set", "hand_over")
        }
        return {
            "difference": float(np.abs(np.asarray(columns["calibrated"]) - expected.probabilities).max()),
            "sets": int(apart["in_set"].any(axis=1).sum()),
            "handed over": int(apart["hand_over"].sum()),
        }


def measured(seconds: list[float]) -> dict[str, float]:
    """Requests per second, and percentiles of latency in ms."""
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    return {"requests per second": len(seconds) / sum(seconds), "p50": float(p50), "p99": float(p99)}


def timed(ask: Callable[[int], Any], number: int) -> list[float]:
    """Seconds of requests one after the other, after some that do not count."""
    for request in range(WARM):
        ask(request)
    seconds = []
    for request in range(number):
        begun = time.perf_counter()
        ask(request)
        seconds.append(time.perf_counter() - begun)
    return seconds


def in_python(made: Made) -> dict[str, Any]:
    """Figures of ONNX Runtime in this process."""
    found: dict[str, Any] = {"version": of_package("onnxruntime")()}
    seconds: dict[str, list[float]] = {PLAIN: [], DECIDED: []}
    sessions = {
        graph: onnxruntime.InferenceSession(folder / "decided.onnx") for graph, folder in made.folders.items()
    }
    for graph, session in sessions.items():
        names = [output.name for output in session.get_outputs()]
        columns = dict(zip(names, session.run(None, {"input": made.rows}), strict=True))
        found[graph] = made.differences(columns, graph)
    for _ in range(ROUNDS):
        for graph, of_round in seconds.items():
            of_round += timed(
                lambda row, of=graph: sessions[of].run(None, {"input": _one(made, row)}), REQUESTS
            )
    return found | {graph: found[graph] | measured(of_all) for graph, of_all in seconds.items()}


def _one(made: Made, number: int) -> Any:
    """One of the rows (1, F)."""
    place = number % len(made.rows)
    return made.rows[place : place + 1]


def served(engine: Engine, made: Made) -> dict[str, Any]:
    """Figures of an engine that serves the plain graph and the decided one."""
    recipe = made.page[engine.heading]
    if recipe.code:
        exec(recipe.code, made.space)
        import mlflow.onnx
        import onnx

        mlflow.onnx.save_model(
            onnx.load(made.folders[PLAIN] / "decided.onnx"), made.folders[PLAIN] / "mlflow_model"
        )
    found: dict[str, Any] = {"version": engine.version()}
    seconds: dict[str, list[float]] = {PLAIN: [], DECIDED: []}
    together = [(PLAIN, DECIDED)] if engine.port else [(PLAIN,), (DECIDED,)] * 2
    for graphs in together:
        with contextlib.ExitStack() as running:
            clients = {graph: running.enter_context(_server(engine, recipe, made, graph)) for graph in graphs}
            for graph, client in clients.items():
                answer = client.ask(_request(engine, made.rows, graph))
                found[graph] = made.differences(engine.columns(answer), graph)
            for _ in range(ROUNDS if engine.port else ROUNDS // 2):
                for graph, client in clients.items():
                    bodies = [_request(engine, _one(made, row), graph) for row in range(REQUESTS)]
                    seconds[graph] += timed(
                        lambda number, ask=client.ask, of=bodies: ask(of[number % REQUESTS]), REQUESTS
                    )
    return found | {graph: found[graph] | measured(of_all) for graph, of_all in seconds.items()}


def _request(engine: Engine, rows: Any, graph: str) -> bytes:
    return json.dumps(engine.body(rows, graph)).encode()


def _server(engine: Engine, recipe: Recipe, made: Made, graph: str) -> AbstractContextManager[Client]:
    """The server of a graph; that of the plain one is on the next port, where both run at once."""
    url = engine.url
    if graph == PLAIN and engine.port:
        beside = str(engine.port), str(engine.port + 1)
        recipe, url = recipe.replaced(*beside), url.replace(*beside)
    recipe.save(made.folders[graph])
    return server(recipe.command, made.folders[graph], url, _request(engine, _one(made, 0), graph))


def look(name: str) -> dict[str, Any]:
    """Figures of an engine, or in words why there are none; or of the agreement."""
    print(name, flush=True)
    begun_in, folder = Path.cwd(), Path(tempfile.mkdtemp(dir=ENVIRONMENT))
    os.environ["PATH"] = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    try:
        if name == "agreement":
            return {kind: agreement(kind, folder) for kind in KINDS}
        made = Made(recipes(), folder)
        if name == "python":
            return in_python(made)
        try:
            return served(ENGINES[name], made)
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return {"missing": str(error).partition("\n")[0]}
    finally:
        os.chdir(begun_in)
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)


def parts(found: Mapping[str, Any]) -> dict[str, object]:
    """The tables of the page."""
    missing = {"missing": "not run"}
    return {"engines": _engines(found), "agreement": _agreement(found.get("agreement", missing))}


def _engines(found: Mapping[str, Any]) -> str:
    lines = []
    for name in (*ENGINES, "python"):
        each = found.get(name, {"missing": "not run"})
        heading = ENGINES[name].heading if name in ENGINES else f"{IN_PYTHON}, without a server"
        if "missing" in each:
            lines.append((heading, f"left out: {each['missing']}", *[""] * 3))
            continue
        plain, decided = each[PLAIN], each[DECIDED]
        other = f"{decided['sets']} sets, {decided['handed over']} hand-overs"
        lines.append(
            (
                f"{heading} ({each['version']})",
                f"{decided['difference']:.1g}; {other}",
                _latency(plain),
                _latency(decided),
                f"{decided['p50'] / plain['p50']:.1f}",
            )
        )
    head = (
        *("engine", "largest difference from `assess`, and other decisions"),
        *("plain network", "decided graph", "p50, graph ÷ plain"),
    )
    return table(head, *lines)


def _latency(of: Mapping[str, float]) -> str:
    return f"{of['requests per second']:,.0f}/s, p50 {of['p50']:.3g} ms, p99 {of['p99']:.3g} ms"


def _agreement(found: Mapping[str, Any]) -> str:
    if "missing" in found:
        return f"Left out: {found['missing']}"
    lines = [
        (kind, f"{of['rows']:,}", percent(of["share handed over"]), f"{of['difference']:.1g}")
        + (of["sets"], of["handed over"])
        for kind, of in found.items()
    ]
    head = ("kind", "rows", "handed over", "largest difference", "sets that differ", "hand-overs that differ")
    return table(head, *lines)


if __name__ == "__main__":
    PAGE.look_at((*ENGINES, "python", "agreement"), look, parts)
