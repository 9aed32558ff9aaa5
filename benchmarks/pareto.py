"""What precision costs: error against cost by network, beside the textbook loop and peers, in one run.

    python -m benchmarks.pareto             all: docs/cost.json, the picture and a section of performance.md
    python -m benchmarks.pareto vit bert    some networks; the others stay as they were
    python -m benchmarks.pareto --page      picture and page alone, from the figures

Each network has a process of its own on one thread, two at once: those of Keras on TensorFlow, and modules of
PyTorch in `.venv-peers`, which `make bench` sets up. Costs are seconds of the processor of a later call, in
multiples of a plain prediction of the same rows, in turn with it. Errors are those of the mean of the top
class, on the rows that the plain prediction is least certain of.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks.__main__ import PAGE, ROOT, figures_of, machine, versions
from benchmarks.docs import DOCS, Page
from benchmarks.drawing import Key, Panel, draw
from benchmarks.page import parts
from howsure.adapters.resolve import adapt

Array = NDArray[Any]
Figures = dict[str, Any]

COST = Page("cost")
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"

AT_ONCE = 2
"""Networks that are measured side by side, each on one thread."""

SEEDS = 3
REFERENCE_SEED = 1_000_003
LEAST_CERTAIN = 0.2
"""Share of rows, or of pixels, whose error is looked at."""

LOOPS = (5, 20, 100)
TIMED_PASSES = 5
PEER_PASSES = 20
LEAST_SECONDS = 0.05
"""A plain prediction that is quicker is repeated and its time divided."""


@dataclass(frozen=True)
class Case:
    """A network and what is measured of it.

    Attributes:
        kind: `keras`, `module` or `unet`.
        name: Of the network there.
        rows: That are assessed for the picture.
        counts: Numbers of rows at which the default is timed too.
        budgets: Beside the default.
        passes: Of the reference; where many share their early masks, at most.
        split: Whether they do.
    """

    kind: str
    name: str
    rows: int
    counts: tuple[int, ...]
    passes: int
    budgets: tuple[int, ...] = (5, 20, 100)
    split: bool = False


CASES = {
    "question": Case("module", "cnn", 500, (20, 120, 2_000), 60_000, (2, 5, 20), split=True),
    "head": Case("module", "resnet", 120, (20, 120, 2_000), 60_000, (2, 5, 20), split=True),
    "residual": Case("keras", "residual", 500, (20, 120, 2_000), 4_000),
    "transformer": Case("keras", "transformer", 120, (20, 120, 2_000), 4_000),
    "mlp": Case("keras", "mlp", 500, (20, 120, 2_000, 20_000), 10_000),
    "bert": Case("module", "bert", 120, (20, 120, 2_000), 10_000),
    "vit": Case("module", "vit", 120, (20, 120, 2_000), 10_000),
    "unet-bottom": Case("unet", "bottom", 4, (), 200, (2, 5, 20)),
    "unet-each": Case("unet", "each", 4, (), 200, (2, 5, 20)),
}


@dataclass(frozen=True)
class Subject:
    """A network that is measured.

    Attributes:
        model: The network.
        x: Rows that it was not trained on.
        plain: (rows, …, K) probabilities of some rows without anything random.
        textbook: The same of a pass of the loop that everybody copies.
        assess: `howsure.assess`, told what the outputs are.
    """

    model: Any
    x: Any
    plain: Callable[[Any], Array]
    textbook: Callable[[Any], Array]
    assess: Callable[..., Any]


def keras_subject(name: str) -> Subject:
    """A network of `benchmarks.networks`."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from benchmarks import networks
    from benchmarks.measure import predict_by_batches, textbook_pass

    networks.train(name)
    model, data = networks.load(name), networks.NETWORKS[name].data()
    x = np.concatenate([data.x_test, data.x_train])
    return Subject(
        model,
        x,
        partial(predict_by_batches, model),
        partial(textbook_pass, model),
        partial(howsure.assess, model),
    )


def module_subject(name: str) -> Subject:
    """A network of `benchmarks.modules`."""
    from benchmarks import modules

    return _of_module(*modules.trained(name))


def unet_subject(name: str) -> Subject:
    """A network of `benchmarks.unets`."""
    from benchmarks import unets

    return _of_module(*unets.trained(name), keep="probabilities")


def _of_module(module: Any, x: Any, **options: Any) -> Subject:
    from benchmarks.modules import fastest_size, plain, textbook_pass

    size = fastest_size(module, some_of(x, slice(512)))

    def probabilities(of: Callable[..., Any], rows: Any) -> Array:
        return of(module, rows, size).softmax(dim=1).movedim(1, -1).numpy()

    assess = partial(howsure.assess, module, outputs="logits", **options)
    return Subject(module, x, partial(probabilities, plain), partial(probabilities, textbook_pass), assess)


SUBJECTS = {"keras": keras_subject, "module": module_subject, "unet": unet_subject}


# --- what is measured -----------------------------------------------------------------------------


def some_of(x: Any, numbers: Any) -> Any:
    """Some rows."""
    return {name: array[numbers] for name, array in x.items()} if isinstance(x, dict) else x[numbers]


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Of the processor, and what the call gives."""
    start = time.process_time()
    given = call()
    return time.process_time() - start, given


def plain_seconds(subject: Subject, x: Any) -> float:
    """Of one plain prediction."""
    once, _ = seconds(lambda: subject.plain(x))
    times = math.ceil(LEAST_SECONDS / max(once, 1e-6))
    return seconds(lambda: [subject.plain(x) for _ in range(times)])[0] / times


def root_mean_square(values: Any) -> float:
    """√ of the mean square of all values."""
    return float(np.sqrt(np.mean(np.square(values))))


@dataclass
class Counted:
    """Operations of the passes of a call, in plain predictions of one row."""

    operations: float = 0.0


@contextmanager
def counted(subject: Subject) -> Iterator[Counted]:
    """Count them at every call of the network, and not where the run plans them."""
    kind, count = type(adapt(subject.model, some_of(subject.x, slice(1)))[0]), Counted()
    thin, trunk = kind.thin, kind.trunk

    def counting_trunk(self: Any, rows: Any) -> Any:
        count.operations += len(rows[0]) * self.levels[0].cost
        return trunk(self, rows)

    def counting_thin(self: Any, masks: Any) -> Any:
        run, at, cost = thin(self, masks), 0, 0.0
        for level in self.levels[1:]:
            cost += len(masks[at]) * level.cost
            at += len(level.random_ops)

        def passes(shared: Any) -> Any:
            count.operations += len(shared) * cost
            return run(shared)

        return passes

    kind.thin, kind.trunk = counting_thin, counting_trunk
    try:
        yield count
    finally:
        kind.thin, kind.trunk = thin, trunk


def cost_by_rows(subject: Subject, count: int) -> Figures:
    """Of a later call with the default, in plain predictions of so many rows."""
    x = some_of(subject.x, slice(count))
    with counted(subject) as spent:
        subject.assess(x, seed=SEEDS)
    ratios = []
    for seed in range(SEEDS):
        one = plain_seconds(subject, x)
        ratios.append(seconds(partial(subject.assess, x, seed=seed))[0] / one)
    return {"cost": statistics.median(ratios), "counted": spent.operations / count}


@dataclass(frozen=True)
class Doubtful:
    """Rows, or pixels, that the plain prediction is least certain of.

    Attributes:
        x: Rows that hold them.
        at: Where they are in these.
        top: Their most likely classes.
    """

    x: Any
    at: Array
    top: Array

    def means(self, probabilities: Any) -> Array:
        """Those of the top classes."""
        of_all = np.asarray(probabilities)
        return of_all.reshape(-1, of_all.shape[-1])[self.at, self.top]

    def reported(self, result: Any) -> Array:
        """The standard errors that howsure says of them."""
        if isinstance(result, howsure.DenseCertainty):
            return np.asarray(result.mc_error).reshape(-1)[self.at]
        return self.means(result.mc_error)


def doubtful(subject: Subject, x: Any) -> tuple[Doubtful, Doubtful]:
    """The least certain in all rows, and in as few rows as hold them."""
    plain = subject.plain(x)
    flat = plain.reshape(-1, plain.shape[-1])
    two = np.sort(flat, axis=1)
    at = np.argsort(two[:, -1] - two[:, -2])[: round(LEAST_CERTAIN * len(flat))]
    among = Doubtful(x, at, flat[at].argmax(axis=1))
    if plain.ndim > 2:
        return among, among
    return among, Doubtful(some_of(x, at), np.arange(len(at)), among.top)


def reference(case: Case, subject: Subject, x: Any, few: Doubtful) -> Any:
    """A long run of howsure with a seed of its own, in which float32 is kept and no row is ever done."""
    method = howsure.MCDropout(passes=case.passes)
    if case.split:
        plan = howsure.plan(subject.model, x, seed=REFERENCE_SEED, outputs="logits")
        plan = replace(plan, precision="float32")
        method = howsure.MCDropout(target_error=1e-9, max_passes=case.passes, plan=plan)
    return subject.assess(few.x, method=method, seed=REFERENCE_SEED)


def measure(name: str) -> Figures:
    """All figures of one network."""
    case = CASES[name]
    subject = SUBJECTS[case.kind](case.name)
    x = some_of(subject.x, slice(case.rows))
    among, few = doubtful(subject, x)
    long = reference(case, subject, x, few)
    truth = few.means(long.probabilities)
    ours = with_howsure(case, subject, among, truth)
    by_rows = {
        str(count): {kind: ours["default"][kind] for kind in ("cost", "counted")}
        if count == case.rows
        else cost_by_rows(subject, count)
        for count in case.counts
    }
    return {
        "versions": versions(),
        "rows": case.rows,
        "least_certain": len(truth),
        "plain": plain_seconds(subject, x),
        "reference": {
            "passes": float(np.mean(long.passes)),
            "reported": root_mean_square(few.reported(long)),
        },
        "howsure": ours,
        # The loop normalises batches by their own statistics in Keras, so there it gets all rows.
        "loop": with_loop(subject, among if case.kind == "keras" else few, truth),
        "peers": {} if case.kind == "keras" else with_peers(subject, few, truth),
        "by_rows": by_rows,
    }


def with_howsure(case: Case, subject: Subject, among: Doubtful, truth: Array) -> Figures:
    """Cost and error by default and with each budget, in turn."""
    budgets = {str(each): howsure.MCDropout(budget=each) for each in case.budgets}
    kinds = {"default": howsure.MCDropout(), **budgets}
    firsts = {
        said: seconds(partial(subject.assess, among.x, method=method, seed=SEEDS))[0]
        for said, method in kinds.items()
    }
    first = firsts["default"] / plain_seconds(subject, among.x)
    runs: dict[str, list[tuple[Any, ...]]] = {said: [] for said in kinds}
    with counted(subject) as count:
        for seed in range(SEEDS):
            for said, method in kinds.items():
                one, count.operations = plain_seconds(subject, among.x), 0.0
                took, result = seconds(partial(subject.assess, among.x, method=method, seed=seed))
                off = among.means(result.probabilities) - truth
                spent = count.operations / len(result.passes)
                averages = (np.mean(result.passes), spent, np.mean(result.settled))
                runs[said].append((took / one, off, among.reported(result), *averages))
    found: Figures = {
        said: {
            "cost": statistics.median(run[0] for run in each),
            "error": root_mean_square([run[1] for run in each]),
            "reported": root_mean_square([run[2] for run in each]),
            "covered": float(np.mean([abs(run[1]) <= 1.96 * run[2] for run in each])),
            "passes": float(np.mean([run[3] for run in each])),
            "counted": float(np.mean([run[4] for run in each])),
            "settled": float(np.mean([run[5] for run in each])),
            "costs": [run[0] for run in each],
        }
        for said, each in runs.items()
    }
    found["default"]["first"] = first
    return found


def with_loop(subject: Subject, rows: Doubtful, truth: Array) -> Figures:
    """Cost and error of the textbook loop; its time grows as its passes do."""
    passes = np.array([rows.means(subject.textbook(rows.x)) for _ in range(max(LOOPS))])
    costs = []
    for _ in range(SEEDS):
        one = plain_seconds(subject, rows.x)
        took, _ = seconds(lambda: [subject.textbook(rows.x) for _ in range(TIMED_PASSES)])
        costs.append(took / TIMED_PASSES / one)
    return {
        str(count): {
            "cost": statistics.median(costs) * count,
            "error": root_mean_square(passes.reshape(-1, count, len(truth)).mean(axis=1) - truth),
        }
        for count in LOOPS
    }


def with_peers(subject: Subject, few: Doubtful, truth: Array) -> Figures:
    """Cost and error of each peer in the cheaper of its ways: a loop, or all passes in one batch."""
    import torch

    from benchmarks.peers import SMALL, baal, torch_uncertainty

    class Stacked(torch.nn.Module):
        """A module whose inputs come as one tensor, (rows, inputs, …)."""

        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, rows: Any) -> Any:
            return self.module(**dict(zip(x, rows.unbind(1), strict=True))).logits

    x = few.x
    several = isinstance(x, dict)
    rows = torch.from_numpy(np.stack(list(x.values()), axis=1) if several else x)
    found: Figures = {}
    for name, ways in {
        "torch-uncertainty": (torch_uncertainty, partial(torch_uncertainty, on_batch=True, size=SMALL)),
        "baal": (baal, partial(baal, replicate=True, size=SMALL)),
    }.items():
        best: Figures = {"cost": math.inf}
        for way in ways:
            for passes in (2, PEER_PASSES):
                module = copy.deepcopy(subject.model)  # which a peer may change
                call = way(Stacked(module) if several else module, passes)
                call(rows[:2])
            ratios, errors = [], []
            for _ in range(SEEDS):
                one = plain_seconds(subject, x)
                took, probabilities = seconds(lambda call=call: call(rows))
                ratios.append(took / one)
                errors.append(few.means(probabilities.movedim(1, -1)) - truth)
            cost = statistics.median(ratios)
            if cost < best["cost"]:
                best = {"cost": cost, "error": root_mean_square(errors)}
        found[name] = {"version": importlib.metadata.version(name), **best}
    return found


# --- the picture ----------------------------------------------------------------------------------

PANEL = (210, 170)
COSTS, ERRORS = (0.7, 10_000.0), (2e-4, 0.3)
WORDS = {
    "circle": "howsure: default",
    "dot": "howsure: budgets",
    "diamond": "loop: 5, 20, 100",
    "square": "torch-uncertainty, 20",
    "triangle": "baal, 20 passes",
}
BELOW = ("Across: plain predictions", "Up: error of the mean")


def picture(figures: Mapping[str, Figures]) -> None:
    """Draw error against cost, a panel for each network."""
    panels: list[Panel | Key] = []
    for name, found in figures.items():
        least = min(each["error"] for kind in ("howsure", "loop", "peers") for each in found[kind].values())
        down = 10.0 ** min(0, math.floor(math.log10(least / ERRORS[0])))
        low, high = (down * error for error in ERRORS)
        ticks = ((1, 10, 100, 1000), [down * tick for tick in (0.001, 0.01, 0.1)])
        panel = Panel(name, COSTS, (low, high), ticks, size=PANEL, logarithmic=True)
        ours, loop = ([found[kind][said] for said in found[kind]] for kind in ("howsure", "loop"))

        def place(points: list[Figures]) -> tuple[list[float], list[float]]:
            return [each["cost"] for each in points], [each["error"] for each in points]

        panel.line(*place(ours[1:]), "mean")
        panel.line(*place(loop), "plain")
        panel.points(*place(loop), "diamond")
        for peer, mark in (("torch-uncertainty", "square"), ("baal", "triangle")):
            if peer in found["peers"]:
                panel.points(*place([found["peers"][peer]]), mark)
        panel.points(*place(ours[1:]), "dot")
        panel.points(*place(ours[:1]), "circle")
        panels.append(panel)
    draw(
        DOCS / "pictures" / "cost.svg",
        "Error of the mean against cost in plain predictions, by network, for howsure, the loop and peers",
        [*panels, Key(WORDS, BELOW, PANEL)],
        columns=2,
    )


def in_a_process(name: str) -> Figures:
    """The figures of a network, measured with what it needs."""
    python = sys.executable if CASES[name].kind == "keras" else str(PEERS_PYTHON)
    return figures_of([python, "-m", "benchmarks.pareto", "measure", name])


def main() -> None:
    """Measure networks, keeping figures, picture and page after each."""
    words = sys.argv[1:]
    if words[:1] == ["measure"]:
        print(json.dumps(measure(words[1])))
        return
    kept = COST.figures()
    figures = kept.get("figures", {}) if kept.get("machine") == machine() or words == ["--page"] else {}
    names = [] if words == ["--page"] else words or list(CASES)
    with ThreadPoolExecutor(AT_ONCE) as processes:
        for name, found in zip(names, processes.map(in_a_process, names), strict=True):
            print(f"{name}: {json.dumps(found)}", flush=True)
            if "error" in found:
                sys.exit(f"{name} could not be measured")
            known = figures | {name: found}
            figures = {each: known[each] for each in CASES if each in known}
            COST.keep({"machine": machine(), "figures": figures})
    picture(figures)
    PAGE.fill(parts(PAGE.figures()))


if __name__ == "__main__":
    main()
