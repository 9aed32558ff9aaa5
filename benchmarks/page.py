"""From the figures to the tables of docs/performance.md; a missing measurement leaves no line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.docs import Page, fold, table

Figures = Mapping[str, Any]

NETWORKS = {
    "question": "the question's CNN: 7×7×128, 3×3×64, dense 64; dropout .2, .2, .25",
    "transfer": "ResNet50V2 at 64×64×3 with random weights, untrained; dropout .5 and .3 in the trained head",
    "residual": "residual CNN of three blocks; BatchNorm, spatial dropout .1 in each, dropout .3 in the head",
    "transformer": "encoder of two blocks of width 64 on 28 lines; dropout .1 everywhere, in attention too",
    "mlp": "784–512–512–10; dropout .2 on the input, .5 after each hidden layer",
    "stream": "16–32–32–10 on made rows; dropout .1, to see how time and memory grow",
}
SUMMARY_BACKEND = "tensorflow"
PARTS = {
    "shared layers": "layers that all passes share",
    "passes": "layers of the passes",
    "masks": "drawing masks",
    "checks": "checking outputs",
    "sums": "summing up",
}


def page(results: Figures) -> str:
    """The whole page in Markdown."""
    figures = results["figures"]
    machine, versions = results["machine"], results["versions"]
    parts = [
        "# What certainty costs",
        *_by_kind(Page("cost").figures()),
        _in_short(figures),
        *_summary(figures),
        "Every figure is in [performance.json](performance.json), with each single time. `make bench` "
        "measures them again; `python -m benchmarks --page` only writes this page. Each measurement has its "
        f"own process, with nothing beside it, on {machine['cores']} cores of {machine['processor']} with "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        *_cost(Page("cost").figures()),
        *_networks(figures),
        *_speed(figures),
        *_profile(figures),
        *_errors(figures),
        *_flat(figures),
        *_memory(figures),
        *_growth(figures),
        *_one_row(figures),
    ]
    return "\n\n".join(parts) + "\n"


def _by_kind(kept: Figures) -> list[str]:
    """What the default costs by kind of network, the first line of the page."""
    if not kept:
        return []
    cnn, head, bert, vit, mlp = (
        _number(kept["figures"][name]["by_rows"]["2000"]["cost"])
        for name in ("question", "head", "bert", "vit", "mlp")
    )
    return [
        f"By default, certainty of 2,000 rows costs {cnn} plain predictions of a CNN with dropout near its "
        f"end, {head} of a head on a frozen backbone, and about the budget (20) of networks that are random "
        f"from their first layer: {bert} of a BERT, {vit} of a ViT and {mlp} of a small dense network."
    ]


def _in_short(figures: Figures) -> str:
    ran = [found for name in NETWORKS if (found := _found(figures, "speed", name, SUMMARY_BACKEND))]
    assess, loop = (
        sorted(found[what] / found["by_batches"] for found in ran) for what in ("assess", "loop_of_100")
    )
    errors = [found for name in NETWORKS if (found := _found(figures, "errors", name))]
    smaller = sum(found["assess"] < found["loop_of_100"] for found in errors)
    return (
        "What does certainty cost, and how exact is it? "
        f"With {SUMMARY_BACKEND}, `assess` takes {_number(assess[0])} to {_number(assess[-1])} times as long "
        "as a plain prediction. The factor is largest for networks that are quick anyway. The textbook loop "
        f"of 100 MC dropout passes takes {_number(loop[0])} to {_number(loop[-1])} times as long. `assess` "
        f"is more exact than the loop on {smaller} of {len(errors)} networks."
    )


def _summary(figures: Figures) -> list[str]:
    rows = []
    for name in NETWORKS:
        speed = _found(figures, "speed", name, SUMMARY_BACKEND)
        if speed is None:
            continue
        plain, errors = speed["by_batches"], _found(figures, "errors", name)
        beside = (
            f"{_number(seconds)} ({_number(seconds / plain)} x)"
            for seconds in (speed["assess"], speed["loop_of_100"])
        )
        both = ("–", "–") if errors is None else (f"{errors[key]:.4f}" for key in ("assess", "loop_of_100"))
        rows.append((f"`{name}`", f"{speed['rows']:,}", _number(plain), *beside, *both))
    return _table(
        f"Seconds with {SUMMARY_BACKEND}. A plain prediction is `predict_on_batch` over batches of 128; the "
        "ratio to it is in brackets. The error is that of the predictive mean on the least certain rows.",
        (
            "network",
            "rows",
            "plain prediction",
            "`assess`",
            "textbook loop, 100 passes",
            "error of `assess`",
            "error of the loop",
        ),
        rows,
    )


def _cost(kept: Figures) -> list[str]:
    """Error against cost by network, which `benchmarks.pareto` measures."""
    if not kept:
        return []
    networks = kept["figures"]
    versions = {name: version for each in networks.values() for name, version in each["versions"].items()}
    peers = {name: each["version"] for found in networks.values() for name, each in found["peers"].items()}
    columns = {("howsure", name): f"budget {name}" for name in ("2", "5", "20", "100")}
    columns = {("howsure", "default"): "default", **columns}
    columns |= {("loop", name): f"loop of {name}" for name in ("5", "20", "100")}
    columns |= {("peers", name): f"{name} {version}, 20 passes" for name, version in peers.items()}

    def cell(point: Figures | None) -> str:
        return "–" if point is None else f"{_number(point['cost'])} x, {point['error']:.4f}"

    def by_operations(point: Figures | None) -> str:
        return "–" if point is None else f"{_number(point['cost'])} x ({_number(point['counted'])})"

    points = [
        (f"`{name}`", found["rows"], *(cell(found[kind].get(each)) for kind, each in columns))
        for name, found in networks.items()
    ]
    counts = list(dict.fromkeys(count for found in networks.values() for count in found["by_rows"]))
    by_rows = [
        (f"`{name}`", *(by_operations(costs.get(count)) for count in counts))
        for name, found in networks.items()
        if (costs := found["by_rows"])
    ]

    def better(found: Figures, other: Figures) -> bool:
        ours = found["howsure"].values()
        return any(each["error"] <= other["error"] and each["cost"] <= other["cost"] for each in ours)

    of_loop = sum(better(found, found["loop"]["100"]) for found in networks.values())
    beside = [found for found in networks.values() if found["peers"]]
    of_peers = sum(all(better(found, peer) for peer in found["peers"].values()) for found in beside)
    return [
        "## Error against cost",
        f"On {of_loop} of {len(networks)} networks, howsure is at least as exact as the textbook loop of 100 "
        f"passes and takes no longer. On {of_peers} of {len(beside)}, this is also so for 20 passes of each "
        "of two packages.",
        "![Error of the mean against cost, by network](pictures/cost.svg)",
        "Costs are in plain predictions of the same rows, with all that a later call does. Errors are root "
        "mean squares over three seeds, of the mean of the top class, on the fifth of the rows (or pixels) "
        "that the plain prediction is least certain of. The reference is a longer run of howsure with a seed "
        "of its own. Passes of the loop and of the packages are independent; the packages run in the cheaper "
        "of their two ways, a loop or all passes in one batch. `question` and `head` are "
        "`cnn` and `resnet` of `benchmarks.modules`; `unet-bottom` and `unet-each` have images of 64 × 64. "
        "`residual`, `transformer` and `mlp` are networks of Keras on TensorFlow, where the loop is not "
        "compiled and normalises by the batch. `python -m benchmarks.pareto` measures all of it, each "
        f"network on one thread of {kept['machine']['processor']}, with "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        *fold(
            "Cost and error of each",
            *_table("Cost, then error.", ("network", "rows", *columns.values()), points),
        ),
        *_table(
            "The cost of the default by the number of rows, in seconds and, in brackets, in multiply-adds of "
            "a plain prediction. Multiply-adds are counted at each call of the network.",
            ("network", *(f"{int(count):,} rows" for count in counts)),
            by_rows,
        ),
    ]


def _networks(figures: Figures) -> list[str]:
    rows = [
        (
            f"`{name}`",
            what,
            f"{found['parameters']:,}",
            f"{found['epochs']} epochs, {found['training_seconds']:.0f} s",
            f"{100 * found['accuracy']:.1f} %",
        )
        for name, what in NETWORKS.items()
        if (found := _found(figures, "network", name))
    ]
    parts = _table(
        "Five are for MNIST, and one is for ten overlapping clusters. Each was trained once, with "
        "tensorflow.",
        ("network", "what it is", "parameters", "training", "accuracy"),
        rows,
    )
    return fold("The networks", *parts) if parts else []


def _speed(figures: Figures) -> list[str]:
    rows = []
    for name, backend, found in _named(figures, "speed"):

        def beside(seconds: float, plain: float = found["by_batches"]) -> str:
            return f"{_number(seconds)} ({_number(seconds / plain)} x)"

        kinds = ("loop_of_100", "assess_first", "assess", "assess_with_plan")
        times = (_number(found["predict_32"]), _number(found["by_batches"]))
        rows.append(
            (f"`{name}`, {backend}", f"{found['rows']:,}", *times, *(beside(found[kind]) for kind in kinds))
        )
    return _section(
        "Time",
        "Times are in seconds. The ratio to `predict_on_batch` of the same backend is in brackets. Every "
        "time but that of a first call is the median of five.\n\n"
        "- `predict` has its default batch size, and is compiled before. With TensorFlow, it may wait at its "
        "end for the autotuning of tf.data. `predict_on_batch` over batches of 128 does not.\n"
        "- `assess` has its default settings. The first call in a process is shown alone. Later calls "
        "take turns with `predict`.\n"
        "- The textbook loop calls `model(batch, training=True)` a hundred times on batches of 128. Its time "
        "is the median of five passes over 512 rows, scaled up. It also switches batch normalisation, so "
        "its answers are wrong for `transfer` and `residual`.",
        (
            "network, backend",
            "rows",
            "`predict`",
            "`predict_on_batch`",
            "textbook loop, 100 passes",
            "`assess`, first call",
            "later calls",
            "with a ready plan",
        ),
        rows,
    )


def _profile(figures: Figures) -> list[str]:
    rows, reached = [], []
    for name, backend, found in _named(figures, "profile"):
        spent, whole = found["spent"], found["assess"]
        parts = [spent[part] for part in PARTS]
        cells = (
            f"{_number(seconds)} ({100 * seconds / whole:.0f} %)"
            for seconds in (*parts, whole - sum(parts), spent["plan"])
        )
        rows.append((f"`{name}`, {backend}", _number(whole), *cells))
        for layer, speed in found["convolutions"].items():
            peak = found["products"][layer.rpartition(" ")[2]]
            reached.append(
                (f"`{name}`, {backend}", layer, f"{speed:.0f}", f"{peak:.0f}", f"{100 * speed / peak:.0f} %")
            )
    return [
        *_section(
            "Where the time goes",
            "Seconds of one later call of `assess`. All columns but the last add up to the whole. The last "
            "column is the part of the whole that the pilot needs to make the plan.",
            ("network, backend", "`assess`", *PARTS.values(), "all else", "part for the plan"),
            rows,
        ),
        *fold(
            "Speed of each convolution",
            *_table(
                "Each convolution alone on 128 rows, in GFLOP/s. The peak is that of a product of two 4096 × "
                "4096 matrices of the same type.",
                ("network, backend", "layer and type", "reached", "peak", "share"),
                reached,
            ),
        ),
    ]


def _errors(figures: Figures) -> list[str]:
    rows = [
        (
            f"`{name}`",
            f"{found['assess']:.4f}",
            f"{found['assess_reports']:.4f}",
            f"{found['loop_of_100']:.4f}",
            f"{found['loop_passes_of_equal_error']:,.0f}",
            f"{found['assess_passes']:,.0f}",
            f"{found['reference_passes']:,} ({found['reference_reports']:.4f})",
        )
        for name, found in _named(figures, "errors")
    ]
    return _section(
        "Error",
        "Root mean squared error of the predictive mean, against a long reference, on the 150 test rows with "
        "the smallest gap in plain `predict`. `assess` has default settings, and ten seeds with a plan each. "
        "The error of the textbook loop is computed from the variance of 200 independent passes.",
        (
            "network",
            "`assess`",
            "as it reports",
            "loop of 100",
            "loop passes of equal error",
            "passes of `assess`, mean",
            "reference: passes (its own error)",
        ),
        rows,
    )


def _flat(figures: Figures) -> list[str]:
    found_in = [(name, found) for name, found in _named(figures, "errors") if "flat" in found]
    if not found_in:
        return []
    counts = list(found_in[0][1]["flat"])
    rows = []
    for name, found in found_in:
        needed = found["flat_passes_of_equal_error"]
        told = ("outside", "–") if needed is None else (f"{needed:.0f}", f"{100 / needed:.1f} x")
        errors = (f"{found['flat'][count]:.4f}" for count in counts)
        rows.append((f"`{name}`", f"{found['loop_of_100']:.4f}", *errors, *told))
    return _section(
        "What balance alone saves",
        "The same error for a fixed number of balanced (stratified) passes, `MCDropout(passes=T)`, with ten "
        "seeds. The last columns say how many of them are as exact as 100 independent passes, interpolated "
        "between the logarithms.",
        ("network", "100 independent", *(f"T = {count}" for count in counts), "as exact as 100", "saved"),
        rows,
    )


def _memory(figures: Figures) -> list[str]:
    pairs = dict.fromkeys((name, backend) for name, backend, _, _ in _named(figures, "memory"))
    rows = []
    for name, backend in pairs:
        names = (f"memory {name} {backend} {what}" for what in ("predict", "loop", "assess"))
        each = [figures.get(measured, {}) for measured in names]
        before = [found["before"] for found in each if "before" in found]
        peaks = (f"{found['peak']:,.0f}" if "peak" in found else "–" for found in each)
        rows.append((f"`{name}`, {backend}", f"{min(before):,.0f}", *peaks))
    return _section(
        "Memory",
        "The most memory held, in MiB, each in its own process. *Before* has framework, network and rows, "
        "before any prediction. The loop runs on 512 rows.",
        ("network, backend", "before", "`predict`", "textbook loop", "`assess`"),
        rows,
    )


def _growth(figures: Figures) -> list[str]:
    parts = []
    for along, text in (
        (
            "rows",
            "`howsure.stream` with default settings, on rows of a memory-mapped file. Each call has its own "
            "process.",
        ),
        ("passes", "The same on 1,000 rows, with a fixed number of passes."),
    ):
        rows = [
            (
                f"{int(count):,}",
                _number(found["stream"]),
                _number(found["predict_256"]),
                f"{found['before']:,.0f}",
                f"{found['peak']:,.0f}",
            )
            for _, kind, count, found in _named(figures, "growth")
            if kind == along
        ]
        parts += _table(text, (along, "`stream`, s", "`predict`, s", "MiB before", "MiB at most"), rows)
    return ["## Growth", *parts] if parts else []


def _one_row(figures: Figures) -> list[str]:
    """One row with a ready plan, and 100 passes over 2,000 rows of a small network."""
    rows, many = [], []
    for backend, found in _named(figures, "one-row"):
        name = "PyTorch, a module" if backend == "module" else f"Keras, {backend}"
        for kind, one in found.items():
            ratio, times = one["assess"] / one["plain"], (1000 * one[each] for each in ("plain", "assess"))
            cells = (*(f"{each:.3f}" for each in times), f"{_number(ratio)} x", f"{one['passes']:.0f}")
            rows.append((name, f"`{kind}`", *cells, f"{one['first']:.2f}"))
            if "many" in one:
                many.append(f"{one['many'] / one['many_plain'] / 100:.2f} ({name})")
    text = (
        "One row of a small network with a ready plan (`python -m benchmarks one-row`), in milliseconds of "
        "the processor on one thread. A plain prediction is `predict_on_batch`, or a call of the module. "
        "Both are medians over 20 rows, five times each. The first call after `howsure.plan` compiles, and "
        "is in seconds.\n\n"
        "- `mlp`: 20–128–128–64–5, dropout .3 after each hidden layer\n"
        "- `cnn`: two convolutions on 16×16 pixels, dropout .5 before the last layer\n"
        "- `transformer`: one encoder block of width 32 on 16 tokens, dropout .1 in it and in its attention"
    )
    head = ("framework", "network", "plain prediction", "`assess`", "ratio", "passes, mean", "first call")
    parts = _section("One row", text, head, rows)
    if many:
        parts.append(
            "2,000 rows of `mlp` with `passes=100` take this many times as long as 100 plain predictions of "
            f"them: {', '.join(many)}."
        )
    return parts


# --- what all tables share ------------------------------------------------------------------------


def _found(figures: Figures, *words: str) -> Figures | None:
    """One measurement, if it is there and went well."""
    found = figures.get(" ".join(words))
    return None if found is None or "error" in found else found


def _named(figures: Figures, kind: str) -> Iterable[tuple[Any, ...]]:
    """The words after the first, then the figures, of each measurement of a kind that went well."""
    for name, found in figures.items():
        first, *words = name.split()
        if first == kind and "error" not in found:
            yield (*words, found)


def _number(value: float) -> str:
    """Three digits, as far as they matter."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _section(title: str, text: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    parts = _table(text, head, rows)
    return [f"## {title}", *parts] if parts else []


def _table(text: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [text, table(head, *rows)] if rows else []
