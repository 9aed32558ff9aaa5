"""Exported graphs: how exact they are, how far from `assess`, how large, and how long they take.

    python -m benchmarks.export                        all, to docs/export.json and docs/export-study.md
    python -m benchmarks.export question tensorflow    one source; the others stay as they were

Sources are the networks of `benchmarks.networks` on a backend of Keras, and the modules of
`benchmarks.modules`, each in a process of its own. Networks are trained where they are not kept yet,
which takes minutes. Times are seconds of the processor on one thread of ONNX Runtime at its default
optimisation, in turn with the plain prediction of the same network as ONNX (that of Keras written on
TensorFlow); medians of five. Keras on JAX writes no graphs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.__main__ import machine, versions
from benchmarks.docs import Page

Array = NDArray[Any]
Figures = dict[str, Any]

ROOT = Path(__file__).parent.parent
PAGE = Page("export")
TEXT = ROOT / "docs" / "export-study.md"
TITLES = (
    "| network | runs on | passes | counted cost | expected error | measured error | nodes | size | plain, "
    "one row | one row | 100 rows |"
)
"""With which the table on the page begins; it ends at an empty line."""

MODULES = ("cnn", "resnet", "vit", "bert")
SOURCES = (
    *((name, backend) for name in ("question", "mlp", "transformer") for backend in ("tensorflow", "torch")),
    *((name, "PyTorch") for name in MODULES),
)
BACKENDS = {"tensorflow": "Keras, TensorFlow", "torch": "Keras, PyTorch"}
PACKAGES = ("onnx", "onnxruntime", "onnxscript", "tf2onnx")

PLANNED, COMPARED, TIMED = 500, 500, 256
"""Rows from which a plan is made, others on which the graph is compared, and those of them that are timed."""

UNDECIDED, SEEDS, LONGER = 50, 10, 100
"""Least decided of those rows, on which errors are measured; seeds of the graph's passes; and how many times
as many passes the reference has."""

BATCHES = (1, 100)
REPEATS = 5


def graph_of_plain(model: Any, rows: dict[str, Array], backend: str, path: str) -> None:
    """The plain prediction as ONNX, written as everybody writes it."""
    if backend == "PyTorch":
        import torch

        some = {name: torch.from_numpy(array[:3]) for name, array in rows.items()}
        dynamic = {0: torch.export.Dim("rows", min=2)}
        options = {
            "dynamo": True,
            "opset_version": 18,
            "verbose": False,
            "input_names": list(rows),
            "external_data": False,
        }
        if len(some) > 1:
            shapes = dict.fromkeys(some, dynamic)
            torch.onnx.export(model, kwargs=some, f=path, dynamic_shapes=shapes, **options)
        else:
            torch.onnx.export(model, tuple(some.values()), path, dynamic_shapes=(dynamic,), **options)
        return
    import tensorflow as tf
    import tf2onnx

    from howsure.adapters.keras.onnx_graph import without_erfc

    specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype, name) for name, array in rows.items()]
    function = tf.function(lambda *x: model(x[0], training=False), input_signature=specs)
    graph, _ = tf2onnx.convert.from_function(function, specs, opset=18)
    without_erfc(graph.graph)
    Path(path).write_bytes(graph.SerializeToString())


def seconds_of(session: Any, rows: dict[str, Array], size: int) -> float:
    """Seconds of the processor for all rows in batches."""
    count = len(next(iter(rows.values())))
    start = time.process_time()
    for at in range(0, count, size):
        session.run(None, {name: array[at : at + size] for name, array in rows.items()})
    return time.process_time() - start


def times(plain: str, graph: str, rows: dict[str, Array]) -> Figures:
    """By the size of batches: seconds for a row of the graph and of the plain prediction, in turn."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(path, options) for path in (plain, graph)]
    found = {}
    for size in BATCHES:
        some = {name: array[: TIMED if size > 1 else TIMED // 4] for name, array in rows.items()}
        count = len(next(iter(some.values())))
        for session in sessions:
            seconds_of(session, {name: array[:size] for name, array in some.items()}, size)
        pairs = [[seconds_of(session, some, size) / count for session in sessions] for _ in range(REPEATS)]
        found[str(size)] = {
            "plain": statistics.median(pair[0] for pair in pairs),
            "graph": statistics.median(pair[1] for pair in pairs),
            "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        }
    return found


def prepared(name: str, backend: str) -> tuple[Any, Any, str | None]:
    """A network, its test rows, and what its outputs are."""
    if backend == "PyTorch":
        from benchmarks import modules

        module, x = modules.trained(name)
        return module, x, "logits"
    from benchmarks import networks

    networks.train(name)
    data = networks.NETWORKS[name].data()
    return networks.load(name), data.x_test, None


def measure(name: str, backend: str) -> Figures:
    """The figures of one source."""
    import onnx

    import howsure
    from howsure.adapters.resolve import adapt
    from howsure.export.check import runner
    from howsure.tasks.classification.graph import NUMBERS

    model, x, outputs = prepared(name, backend)
    rows = {key: array[:PLANNED] for key, array in x.items()} if isinstance(x, dict) else x[:PLANNED]
    after = slice(PLANNED, PLANNED + COMPARED)
    others = {key: array[after] for key, array in x.items()} if isinstance(x, dict) else x[after]
    plan = howsure.plan(model, rows, outputs=outputs, precision="float32")
    with tempfile.TemporaryDirectory() as folder:
        path, plain = f"{folder}/graph.onnx", f"{folder}/plain.onnx"
        start = time.perf_counter()
        try:
            exported = howsure.export(model, path, plan=plan, x=rows, outputs=outputs)
        except howsure.ModelError as error:
            return {"refused": str(error.received)}
        took = time.perf_counter() - start
        method = howsure.MCDropout(plan=plan, max_passes=exported.passes)
        expected = howsure.assess(model, others, method=method, outputs=outputs)
        adapted, arrays = adapt(model, others)
        specs = adapted.info.inputs
        named = {s.name: a.astype(s.array_dtype) for s, a in zip(specs, arrays, strict=True)}
        run = runner(path)
        found, again = run(named), run(named)
        hard = np.argsort(expected.gap)[:UNDECIDED]
        some = {key: each[hard] for key, each in others.items()} if isinstance(x, dict) else others[hard]
        top = np.arange(len(hard)), expected.label[hard]
        long = howsure.MCDropout(plan=plan, target_error=1e-9, max_passes=LONGER * exported.passes)
        reference, *means = (
            howsure.assess(model, some, method=each, outputs=outputs, seed=seed).probabilities[top]
            for seed, each in enumerate([long, *[method] * SEEDS])
        )
        off = np.array(means) - reference
        figures: Figures = {
            "passes": exported.passes,
            "cost": exported.cost,
            "expected_error": exported.expected_error,
            "measured_error": float(np.sqrt(np.mean(off**2))),
            "export_seconds": took,
            "size": exported.size,
            "difference": {
                column: float(np.abs(found[column] - getattr(expected, column)).max()) for column in NUMBERS
            },
            "same_label": float((found["label"] == expected.label).mean()),
            "twice_the_same": all((found[key] == again[key]).all() for key in found),
            "nodes": len(onnx.load(path).graph.node),
        }
        if backend in ("tensorflow", "PyTorch"):
            graph_of_plain(model, named, backend, plain)
            figures["plain_size"] = os.path.getsize(plain)
        else:
            elsewhere = [sys.executable, "-m", "benchmarks.export", "--plain", name, plain]
            environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
            subprocess.run(elsewhere, cwd=ROOT, env=environment, check=True, capture_output=True)
            import onnxruntime

            called = [each.name for each in onnxruntime.InferenceSession(plain).get_inputs()]
            onnx.save(renamed(onnx.load(plain), dict(zip(called, named, strict=True))), plain)
        return figures | {"times": times(plain, path, named)}


def renamed(graph: Any, names: dict[str, str]) -> Any:
    """A graph with other names of its inputs."""
    from howsure.onnx import rename_inputs

    rename_inputs(graph.graph, names)
    return graph


def write_plain(name: str, path: str) -> None:
    """The plain prediction of a Keras network, written on TensorFlow."""
    from howsure.adapters.resolve import adapt

    model, x, _ = prepared(name, "tensorflow")
    adapted, arrays = adapt(model, x[:3])
    pairs = zip(adapted.info.inputs, arrays, strict=True)
    graph_of_plain(
        model, {spec.name: array.astype(spec.array_dtype) for spec, array in pairs}, "tensorflow", path
    )


# --- the page -----------------------------------------------------------------------------------------


def table(figures: dict[str, Figures]) -> str:
    """The table of the page."""
    lines = [TITLES, "|---" * TITLES.count(" |") + "|"]
    for name, backend in SOURCES:
        found = figures.get(f"{name} {backend}")
        if found is None:
            continue
        where = BACKENDS.get(backend, backend)
        if "refused" in found:
            lines.append(f"| {name} | {where} | refused: {found['refused']} {'| ' * 9}|")
            continue
        one, many = (found["times"][str(size)] for size in BATCHES)
        lines.append(
            f"| {name} | {where} | {found['passes']} | {found['cost']:.3g} | {found['expected_error']:.2g} "
            f"| {found['measured_error']:.2g} | {found['nodes']} | {found['size'] / 1e6:.2f} MB "
            f"| {1e3 * one['plain']:.3g} ms | {one['ratio']:.2f} × | {many['ratio']:.2f} × |"
        )
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    """Run what was asked for, and keep its figures."""
    kept: Figures = PAGE.figures()
    figures = kept.get("figures", {}) if kept.get("machine") == machine() else {}
    for name, backend in SOURCES:
        if not set(words) <= {name, backend}:
            continue
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend if backend in BACKENDS else "torch",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, "-m", "benchmarks.export", "--measure", name, backend]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name} {backend}: {done.stderr.strip().splitlines()[-1]}")
        figures[f"{name} {backend}"] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name} {backend}: {json.dumps(figures[f'{name} {backend}'])}", flush=True)
        PAGE.keep(
            {
                "machine": machine(),
                "versions": versions() | {each: version(each) for each in PACKAGES},
                "figures": figures,
            }
        )
    if TEXT.exists():
        text = TEXT.read_text(encoding="utf-8")
        before, _, after = text.partition(TITLES)
        rest = after[after.index("\n\n") :] if "\n\n" in after else "\n"
        TEXT.write_text(before + table(figures) + rest, encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--measure", name, backend]:
            print(json.dumps(measure(name, backend)))
        case ["--plain", name, path]:
            write_plain(name, path)
        case words:
            main(words)
