"""One measurement, in a process of its own, on the backend in KERAS_BACKEND.

    python -m benchmarks.measure speed question tensorflow

The figures are printed as JSON on the last line. `python -m benchmarks` runs this and keeps them.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks.networks import NETWORKS, folder, load, train

Array = NDArray[Any]
Figures = dict[str, Any]

REPEATS = 5
BATCH_SIZES = (32, 128, 256)

LOOP_ROWS = 512
LOOP_BATCH = 128

MEMORY_ROWS = 2_000

HARD = 150
SEEDS = 10
INDEPENDENT = 200
"""Textbook passes whose variance says how exact a hundred of them are."""

CLEAR_REFS = Path("/proc/self/clear_refs")
"""Writing a 5 here forgets the peak of loading, which may be above that of predicting."""

FLAT = ("residual", "transformer", "mlp")
"""Networks whose random layers are everywhere, where passes are balanced and not split."""

FLAT_PASSES = (10, 20, 40, 60, 100)


def test_rows(name: str) -> Array:
    """The rows a network is tested on."""
    return NETWORKS[name].data().x_test


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_memory() -> float:
    """Most memory this process has held, in MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_now() -> float:
    """Memory in MiB that is held now; on Linux the peak starts anew from here."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
    return peak_memory()


def root_mean_square(values: Array) -> float:
    """√ of the mean square of all values."""
    return float(np.sqrt(np.mean(np.square(values))))


def textbook_pass(model: keras.Model, x: Array) -> Array:
    """One pass of the loop that everybody copies."""
    batches = (x[start : start + LOOP_BATCH] for start in range(0, len(x), LOOP_BATCH))
    return np.concatenate([keras.ops.convert_to_numpy(model(batch, training=True)) for batch in batches])


def predict_by_batches(model: keras.Model, x: Array) -> Array:
    """A plain prediction without the pipeline that `predict` puts before it."""
    starts = range(0, len(x), LOOP_BATCH)
    return np.concatenate([model.predict_on_batch(x[start : start + LOOP_BATCH]) for start in starts])


def predict_untuned(model: keras.Model, x: Array) -> Array:
    """`predict` with TensorFlow, but for tf.data's autotuning.

    Its thread sleeps 0.01 s, 0.02 s, 0.04 s and so on, and `predict` often ends only when a sleep does: after
    2.6, 5.1 or 10.2 s, also where all rows are done long before.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    rows = tf.data.Dataset.from_tensor_slices(x).batch(BATCH_SIZES[0]).with_options(options)
    return np.asarray(model.predict(rows, verbose=0))


def network(name: str) -> Figures:
    """Train a network if it is not there, and say what it is."""
    return train(name)


def speed(name: str, backend: str) -> Figures:
    """Seconds of plain predict, assess and the textbook loop, medians, the first two in turn."""
    model = load(name)
    x = test_rows(name)[: NETWORKS[name].rows]
    first = seconds(lambda: howsure.assess(model, x))
    planned = howsure.MCDropout(plan=howsure.plan(model, x))
    calls: dict[str, Callable[[], object]] = {}
    for size in BATCH_SIZES:
        calls[f"predict_{size}"] = lambda size=size: model.predict(x, batch_size=size, verbose=0)
        model.predict(x[: size + len(x) % size], batch_size=size, verbose=0)  # compiles both shapes
    if backend == "tensorflow":
        calls["predict_untuned"] = lambda: predict_untuned(model, x)
    calls["by_batches"] = lambda: predict_by_batches(model, x)
    predict_by_batches(model, x[: LOOP_BATCH + len(x) % LOOP_BATCH])
    calls["assess"] = lambda: howsure.assess(model, x)
    calls["assess_with_plan"] = lambda: howsure.assess(model, x, method=planned)
    times: dict[str, list[float]] = {called: [] for called in calls}
    for _ in range(REPEATS):
        for called, call in calls.items():
            times[called].append(seconds(call))

    some = x[:LOOP_ROWS]
    textbook_pass(model, some)
    a_pass = statistics.median(seconds(lambda: textbook_pass(model, some)) for _ in range(REPEATS))
    return {
        "rows": len(x),
        "assess_first": first,
        **{called: statistics.median(each) for called, each in times.items()},
        "loop_of_100": a_pass * 100 * len(x) / len(some),
        "all": times,
    }


def memory(name: str, backend: str, what: str) -> Figures:
    """Peak memory in MiB: before anything is predicted, and after."""
    model, x = load(name), test_rows(name)[:MEMORY_ROWS]
    calls: dict[str, Callable[[], object]] = {
        "predict": lambda: model.predict(x, verbose=0),
        "loop": lambda: [textbook_pass(model, x[:LOOP_ROWS]) for _ in range(REPEATS)],
        "assess": lambda: howsure.assess(model, x),
    }
    before = memory_now()
    calls[what]()
    return {"before": before, "peak": peak_memory()}


def errors(name: str) -> Figures:
    """Root mean squared error of the predictive mean on the least certain rows, against a long reference.

    Each seed has a plan made from all test rows, as `assess` would make it. The reference is in float32
    and no row of it is ever done.
    """
    model, x = load(name), test_rows(name)
    two = np.sort(model.predict(x, batch_size=128, verbose=0), axis=1)
    hard = x[np.argsort(two[:, -1] - two[:, -2])[:HARD]]

    if name in FLAT:
        long = howsure.MCDropout(passes=NETWORKS[name].reference)
    else:
        plan = replace(howsure.plan(model, x, seed=1_000_003), precision="float32")
        long = howsure.MCDropout(target_error=1e-9, max_passes=NETWORKS[name].reference, plan=plan)
    reference = howsure.assess(model, hard, method=long, seed=1_000_003)
    runs = []
    for seed in range(SEEDS):
        method = howsure.MCDropout(plan=howsure.plan(model, x, seed=seed))
        runs.append(howsure.assess(model, hard, method=method, seed=seed))
    error = root_mean_square(np.array([run.probabilities - reference.probabilities for run in runs]))
    _, variance = howsure.predict_with_uncertainty(model, hard, n_iter=INDEPENDENT)
    variance_of_one = float(np.mean(variance)) * INDEPENDENT / (INDEPENDENT - 1)
    figures: Figures = {
        "rows": len(hard),
        "reference_passes": int(np.median(reference.passes)),
        "reference_reports": root_mean_square(reference.mc_error),
        "assess": error,
        "assess_reports": root_mean_square(np.array([run.mc_error for run in runs])),
        "assess_passes": float(np.mean([run.passes for run in runs])),
        "loop_of_100": float(np.sqrt(variance_of_one / 100)),
        "loop_passes_of_equal_error": variance_of_one / error**2,
    }
    if name in FLAT:
        flat = figures["flat"] = {}
        for passes in FLAT_PASSES:
            method = howsure.MCDropout(passes=passes)
            runs = [howsure.assess(model, hard, method=method, seed=seed) for seed in range(SEEDS)]
            off = np.array([run.probabilities - reference.probabilities for run in runs])
            flat[str(passes)] = root_mean_square(off)
        figures["flat_passes_of_equal_error"] = passes_for(figures["loop_of_100"], flat)
    return figures


def passes_for(error: float, errors_of: dict[str, float]) -> float | None:
    """Passes at which the error is reached, on straight lines between the logarithms.

    None where it lies outside of what was measured.
    """
    passes = np.log([float(count) for count in errors_of])
    logs = np.log(list(errors_of.values()))
    falling = np.minimum.accumulate(logs)[::-1]
    wanted = np.log(error)
    if not falling[0] <= wanted <= falling[-1]:
        return None
    return float(np.exp(np.interp(wanted, falling, passes[::-1])))


def growth(name: str, along: str, count: str) -> Figures:
    """Time and memory of one call, on ever more rows of a file.

    Results are looked at block by block and not kept.
    """
    model = load(name)
    rows = np.load(folder() / "stream.npy", mmap_mode="r")
    x = rows[: int(count)]
    before = memory_now()
    spent = seconds(lambda: deque(howsure.stream(model, x), maxlen=0))
    peak = peak_memory()
    plain = seconds(lambda: model.predict(x, batch_size=256, verbose=0))
    return {"before": before, "peak": peak, "stream": spent, "predict_256": plain}


TASKS = {
    **{"network": network, "speed": speed, "memory": memory, "errors": errors},
    "growth": growth,
}

if __name__ == "__main__":
    task, *words = sys.argv[1:]
    print(json.dumps(TASKS[task](*words)))
