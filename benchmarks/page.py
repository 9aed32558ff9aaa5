"""From the figures to the tables of docs/performance.md; a missing measurement leaves no line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.docs import Page, table

Figures = Mapping[str, Any]

BACKEND = "tensorflow"
"""Of the figures that the text tells."""


def parts(results: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    figures, cost = results["figures"], Page("cost").figures()
    return {**_told(figures), **_time(figures), **_cost(cost["figures"]), **_one_row(figures)} | {
        "memory": _memory(figures),
        "growth": _growth(figures),
        "machine": _machine(results["machine"], results["versions"]),
        "machine_of_cost": _machine(
            cost["machine"],
            {name: of for each in cost["figures"].values() for name, of in each["versions"].items()},
        ),
    }


def _told(figures: Figures) -> dict[str, object]:
    """What the text says of times and errors."""
    speeds = [found for _, backend, found in _named(figures, "speed") if backend == BACKEND]
    assess, loop = (
        sorted(found[what] / found["by_batches"] for found in speeds) for what in ("assess", "loop_of_100")
    )
    errors = [found for _, found in _named(figures, "errors")]
    balanced = [found["flat_passes_of_equal_error"] for found in errors if "flat" in found]
    return {
        "assess": f"{_number(assess[0])} to {_number(assess[-1])}",
        "loop": f"{_number(loop[0])} to {_number(loop[-1])}",
        "smaller": sum(found["assess"] < found["loop_of_100"] for found in errors),
        "networks": len(errors),
        "balanced": f"{min(balanced):.0f} to {max(balanced):.0f}",
    }


def _time(figures: Figures) -> dict[str, object]:
    """Seconds of a call by network and backend, and the errors where they were measured."""
    kinds = ("assess", "assess_first", "assess_with_plan", "loop_of_100")
    lines = []
    for name, backend, found in _named(figures, "speed"):
        plain = found["by_batches"]
        errors = figures.get(f"errors {name}", {}) if backend == BACKEND else {}
        times = [f"{_number(found[kind])} ({_number(found[kind] / plain)} x)" for kind in kinds]
        told = [f"{errors[kind]:.4f}" if kind in errors else "–" for kind in ("assess", "loop_of_100")]
        lines.append([f"`{name}`, {backend}", f"{found['rows']:,}", _number(plain), *times, *told])
    heads = [
        "network, backend",
        "rows",
        "plain prediction",
        "`assess`",
        "its first call",
        "with a ready plan",
    ]
    heads += ["loop of 100 passes", "error of `assess`", "error of the loop"]
    return {"time": table(heads, *lines)}


def _cost(networks: Figures) -> dict[str, object]:
    """Error against cost by network, which `benchmarks.pareto` measures."""

    def better(found: Figures, other: Figures) -> bool:
        ours = found["howsure"].values()
        return any(each["error"] <= other["error"] and each["cost"] <= other["cost"] for each in ours)

    counts = list(dict.fromkeys(count for found in networks.values() for count in found["by_rows"]))
    by_rows = [
        [f"`{name}`", *(_with_operations(found["by_rows"].get(count)) for count in counts)]
        for name, found in networks.items()
        if found["by_rows"]
    ]
    beside = [found for found in networks.values() if found["peers"]]
    costs = {
        f"cost_of_{name}": _number(networks[name]["by_rows"]["2000"]["cost"])
        for name in ("question", "head", "bert", "vit", "mlp")
    }
    return costs | {
        "of_loop": sum(better(found, found["loop"]["100"]) for found in networks.values()),
        "of_all": len(networks),
        "of_peers": sum(all(better(found, peer) for peer in found["peers"].values()) for found in beside),
        "of_beside": len(beside),
        "by_rows": table(["network", *(f"{int(count):,} rows" for count in counts)], *by_rows),
    }


def _with_operations(point: Figures | None) -> str:
    """A cost in seconds and, in brackets, in multiply-adds."""
    return "–" if point is None else f"{_number(point['cost'])} x ({_number(point['counted'])})"


def _memory(figures: Figures) -> str:
    pairs = dict.fromkeys((name, backend) for name, backend, _, _ in _named(figures, "memory"))
    lines = []
    for name, backend in pairs:
        names = (f"memory {name} {backend} {what}" for what in ("predict", "loop", "assess"))
        each = [figures.get(measured, {}) for measured in names]
        before = [found["before"] for found in each if "before" in found]
        peaks = (f"{found['peak']:,.0f}" if "peak" in found else "–" for found in each)
        lines.append([f"`{name}`, {backend}", f"{min(before):,.0f}", *peaks])
    return table(["network, backend", "before", "`predict`", "loop", "`assess`"], *lines)


def _growth(figures: Figures) -> str:
    lines = [
        [f"{int(count):,}", _number(found["stream"]), _number(found["predict_256"])]
        + [f"{found['before']:,.0f}", f"{found['peak']:,.0f}"]
        for _, kind, count, found in _named(figures, "growth")
        if kind == "rows"
    ]
    return table(["rows", "`stream`, s", "`predict`, s", "MiB before", "MiB at most"], *lines)


def _one_row(figures: Figures) -> dict[str, object]:
    """One row with a ready plan, and 100 passes over 2,000 rows of a small network."""
    lines, many = [], []
    for backend, found in _named(figures, "one-row"):
        name = "PyTorch, a module" if backend == "module" else f"Keras, {backend}"
        for kind, one in found.items():
            plain, assess = (f"{1000 * one[each]:.3f}" for each in ("plain", "assess"))
            ratio = f"{_number(one['assess'] / one['plain'])} x"
            if backend in (BACKEND, "module"):
                lines.append([name, f"`{kind}`", plain, assess, ratio, f"{one['passes']:.0f}"])
            if "many" in one:
                many.append(one["many"] / one["many_plain"] / 100)
    heads = ["framework", "network", "plain prediction, ms", "`assess`, ms", "ratio", "passes, mean"]
    return {"one_row": table(heads, *lines), "many": f"{min(many):.2f} to {max(many):.2f}"}


def _machine(machine: Figures, versions: Mapping[str, str]) -> str:
    """What the figures depend on."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{machine['processor']}, {named}"


def _named(figures: Figures, kind: str) -> Iterable[tuple[Any, ...]]:
    """The words after the first, then the figures, of each measurement of a kind that went well."""
    for name, found in figures.items():
        first, *words = name.split()
        if first == kind and "error" not in found:
            yield (*words, found)


def _number(value: float) -> str:
    """Three digits, as far as they matter."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
