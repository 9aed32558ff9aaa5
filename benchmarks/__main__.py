"""What certainty costs on the question's CNN: plain predict, the textbook loop, and assess, per backend.

    python -m benchmarks            all three backends, one after the other, table to docs/performance.md
    python -m benchmarks --one      the backend in KERAS_BACKEND, as JSON on the last line

All figures are wall time on this machine in one run; the ratios are what to look at.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import howsure
from howsure import datasets

BACKENDS = ("tensorflow", "jax", "torch")
ROWS = 1000
HARD = 150
TRAINING_SECONDS = 60
LOOP_PASSES = 10
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def fastest(function: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of some runs, after one that compiles."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def one(model_file: Path) -> dict[str, float]:
    """Time one backend."""
    import keras

    model = keras.models.load_model(model_file)
    x = datasets.mnist().x_test[:ROWS, ..., None].astype("float32") / 255

    def textbook() -> None:
        for _ in range(LOOP_PASSES):
            for start in range(0, ROWS, 128):
                keras.ops.convert_to_numpy(model(x[start : start + 128], training=True))

    plain = min(
        fastest(lambda size=size: model.predict(x, batch_size=size, verbose=0)) for size in (32, 128, 256)
    )
    loop = fastest(textbook, repeats=1) * 100 / LOOP_PASSES
    assess = fastest(lambda: howsure.assess(model, x))
    flat = fastest(lambda: howsure.assess(model, x, method=howsure.MCDropout(passes=20)), repeats=1)
    return {"plain": plain, "loop of 100": loop, "assess": assess, "20 flat passes": flat}


def errors(model_file: Path) -> dict[str, float]:
    """RMSE of the predictive mean on the least certain rows, against a long reference."""
    import keras

    model = keras.models.load_model(model_file)
    x = datasets.mnist().x_test[:, ..., None].astype("float32") / 255
    top = np.sort(model.predict(x, batch_size=128, verbose=0), axis=1)
    x = x[np.argsort(top[:, -1] - top[:, -2])[:HARD]]
    long = howsure.MCDropout(target_error=0.0006, max_passes=60_000)
    reference = howsure.assess(model, x, method=long, seed=1234)
    runs = [howsure.assess(model, x, seed=seed) for seed in range(10)]
    off = np.array([run.probabilities - reference.probabilities for run in runs])
    _, variance = howsure.predict_with_uncertainty(model, x, n_iter=200)
    return {
        "reference error": float(np.sqrt(np.mean(reference.mc_error**2))),
        "assess": float(np.sqrt(np.mean(off**2))),
        "reported": float(np.sqrt(np.mean([run.mc_error**2 for run in runs]))),
        "loop of 100": float(np.sqrt(np.mean(variance) / 100)),
        "passes of equal error": float(np.mean(variance) / np.mean(off**2)),
    }


def train(model_file: Path) -> None:
    """The network all backends time, trained for a minute."""
    from howsure.models import question

    digits = datasets.mnist()
    model = question.build(0)
    question.train(
        model,
        digits.x_train,
        digits.y_train,
        seconds=TRAINING_SECONDS,
        epochs=None,
        seed=0,
        on_batch=lambda _: None,
    )
    question.save(model, model_file)


def child(task: str, model_file: Path, backend: str) -> dict[str, float]:
    """Run one task in a process with its own backend."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmarks", task, str(model_file)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Train once, time every backend, write the page."""
    with tempfile.TemporaryDirectory() as folder:
        model_file = Path(folder) / "model.keras"
        print(f"training for {TRAINING_SECONDS} s …", flush=True)
        child("--train", model_file, "tensorflow")
        print("error on the least certain rows …", flush=True)
        error = child("--errors", model_file, "tensorflow")
        print(json.dumps(error), flush=True)
        times = {}
        for backend in BACKENDS:
            print(f"timing {backend} …", flush=True)
            times[backend] = child("--one", model_file, backend)
            print(json.dumps(times[backend]), flush=True)
    PAGE.write_text(page(times, error))
    print(f"written: {PAGE}")


def page(times: dict[str, dict[str, float]], error: dict[str, float]) -> str:
    """The table in Markdown."""
    lines = [
        "# What certainty costs",
        "",
        f"Printed by `make bench`: the question's CNN, {ROWS:,} MNIST test images, {os.cpu_count()} cores "
        f"of {platform.machine()}, Python {platform.python_version()}. Wall time, the fastest of three "
        "calls (`assess` compiles anew in every call, and that is counted); `x` is the ratio to one plain "
        "`predict` of the same backend, compiled before, at the fastest of the batch sizes 32, 128 and 256. "
        f"The loop is `model(x, training=True)` a hundred times, timed on {LOOP_PASSES} of them.",
        "",
        "| backend | plain predict, s per 1,000 rows | textbook loop, 100 passes | `assess`, default | "
        "20 flat balanced passes |",
        "|---|---|---|---|---|",
    ]
    for backend, each in times.items():
        cells = [f"{each['plain'] * 1000 / ROWS:.2f}"]
        for name in ("loop of 100", "assess", "20 flat passes"):
            cells.append(f"{each[name] * 1000 / ROWS:.1f} ({each[name] / each['plain']:.1f} x)")
        lines.append(f"| {backend} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Root mean squared error of the predictive mean on the {HARD} least certain of the 10,000 test "
        f"images (reference known to {error['reference error']:.1g}): textbook loop of 100 passes "
        f"{error['loop of 100']:.4f}, `assess` with default settings {error['assess']:.4f} (it reports "
        f"{error['reported']:.4f}), the error of {error['passes of equal error']:.0f} textbook passes.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    tasks = {"--one": one, "--errors": errors, "--train": train}
    if len(sys.argv) == 3 and sys.argv[1] in tasks:
        print(json.dumps(tasks[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main()
