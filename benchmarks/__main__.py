"""What certainty costs: every figure to docs/performance.json, the tables to docs/performance.md.

    python -m benchmarks                              everything, half an hour or more on two cores
    python -m benchmarks speed                        one kind, of: network, speed, memory, errors, growth,
                                                      one-row
    python -m benchmarks speed question tensorflow    one measurement; the others stay as they were
    python -m benchmarks --page                       the page alone, from the figures

Measurements run one after the other, each in a process of its own. Figures from another machine are
dropped. What each precision costs beside peers has a run of its own, `python -m benchmarks.pareto`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.docs import Page
from benchmarks.page import parts

ROOT = Path(__file__).parent.parent
PAGE = Page("performance")

BACKENDS = ("tensorflow", "jax", "torch")
OTHERS = ("transfer", "residual", "transformer", "mlp")
PACKAGES = ("howsure", "keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "numpy")


def measurements() -> list[tuple[str, ...]]:
    """All of them, each as the words that select it."""
    everywhere = [("question", backend) for backend in BACKENDS]
    on_tensorflow = [(name, "tensorflow") for name in OTHERS]
    on_torch = [(name, "torch") for name in OTHERS if name != "transfer"]  # takes ten minutes there
    return [
        *(("network", name) for name in ("question", *OTHERS, "stream")),
        *(("speed", *pair) for pair in (*everywhere, *on_tensorflow, *on_torch)),
        *(
            ("memory", *pair, what)
            for pair in (*everywhere, *on_tensorflow)
            for what in ("predict", "loop", "assess")
        ),
        *(("errors", name) for name in ("question", *OTHERS)),
        *(("growth", "stream", "rows", str(10**power)) for power in (3, 4, 5, 6)),
        *(("one-row", backend) for backend in (*BACKENDS, "module")),
    ]


def selected(words: list[str]) -> list[tuple[str, ...]]:
    """The measurements with all these words, after the networks they need."""
    chosen = [each for each in measurements() if set(words) <= set(each)]
    if not chosen:
        known = sorted({word for each in measurements() for word in each})
        sys.exit(f"No measurement has all of these words: {' '.join(words)}. Known are {', '.join(known)}.")
    networks = [each for each in measurements() if each[0] == "network" and any(each[1] in c for c in chosen)]
    return networks + [each for each in chosen if each not in networks]


def measure(words: tuple[str, ...]) -> dict[str, Any]:
    """The figures of one measurement, or the last line of what went wrong."""
    backend = next((word for word in words if word in BACKENDS), "tensorflow")
    if words[0] == "one-row":
        return figures_of([sys.executable, "-m", "benchmarks.one_row", words[1]], backend)
    return figures_of([sys.executable, "-m", "benchmarks.measure", *words], backend)


def figures_of(command: list[str], backend: str = "tensorflow") -> dict[str, Any]:
    """What a process prints as JSON on its last line, or the last line of what went wrong."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip() or f"ended with code {done.returncode} and no word"
        print(said, file=sys.stderr)
        return {"error": said.splitlines()[-1]}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of Python and of what is installed among `PACKAGES`."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def look_at(
    page: Page,
    networks: Iterable[str],
    look: Callable[[str], dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
) -> None:
    """Measure networks, and write figures and page; with `--page`, only the page.

    Args:
        page: Where they belong.
        networks: Names of all.
        look: Figures of one.
        text: The text of the page, from what was kept.
    """
    if sys.argv[1:] != ["--page"]:
        figures = {}
        for name in networks:
            figures[name] = look(name)
            print(f"{name}: {json.dumps(figures[name])}", flush=True)
        page.keep({"machine": machine(), "versions": versions(), "figures": figures})
    page.write(text(page.figures()))


def main() -> None:
    """Run what was asked for, keeping figures and page after each measurement."""
    kept = PAGE.figures()
    if sys.argv[1:] == ["--page"]:
        PAGE.fill(parts(kept))
        return
    figures = kept.get("figures", {}) if kept.get("machine") == machine() else {}
    chosen = selected(sys.argv[1:])
    failed = []
    for number, words in enumerate(chosen, start=1):
        name = " ".join(words)
        print(f"[{number}/{len(chosen)}] {name} … ", end="", flush=True)
        start = time.monotonic()
        figures[name] = measure(words)
        print(f"{time.monotonic() - start:.0f} s: {json.dumps(figures[name])}", flush=True)
        if "error" in figures[name]:
            failed.append(name)
        figures = {key: figures[key] for key in map(" ".join, measurements()) if key in figures}
        all_of_it = {"machine": machine(), "versions": versions(), "figures": figures}
        PAGE.keep(all_of_it)
        PAGE.fill(parts(all_of_it))
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
