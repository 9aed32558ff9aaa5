"""What half and twice of each tuned number do, written to docs/tuning.md.

    python -m validation.tuning                 three networks in numpy, without a framework; minutes
    python -m validation.tuning mlp             one of `benchmarks`, on Keras; the others stay as they were
    python -m validation.tuning --page          the page alone, from the figures

Each number of howsure/tuning.py under "which passes" and "what a pilot looks at" is set to half and to twice
its value, one at a time. A thousand rows are then assessed with several seeds, each with a plan of its own.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.neural_network import MLPClassifier

import howsure
from benchmarks.docs import Page, fold
from howsure import tuning
from howsure.data.rows import InputSpec
from howsure.methods.mc_dropout import MCDropout
from howsure.models.arrays import ArrayModel, Dense, Dropout
from howsure.sampling.plan import Plan

SECTIONS = ("which passes", "what a pilot looks at")
ROWS, SEEDS = 1_000, range(300, 305)
LONG, LONG_FLAT = 20_000, 10_000
"""Passes of the reference, about; flat ones are dearer and each tells more."""

FEATURES, CLASSES, TRAINED_ON, EPOCHS = 16, 3, 3_000, 6
LAYERS = {"split": (320, 144, 8), "head": (1024, 24, 16, 8), "flat": (64, 48)}
"""Hidden units of the networks in numpy. Dropout is behind each layer; of `head` behind all but the first."""
RATES = {"split": (0.2, 0.2, 0.2), "head": (0.0, 0.2, 0.2, 0.2), "flat": (0.2, 0.2)}

CHANCE = 0.01
"""How often chance alone may mark a figure as another one, in a paired t-test over seeds."""

FIGURES_OF = ("passes", "cost", "true", "honest")
"""What is kept of a setting."""

MUCH = 1.5
"""The first table shows numbers that change a figure by this factor or more."""

WORDS = {"cost": "cost", "true": "error", "honest": "reported ÷ true"}
"""What the first table names, in words."""

PAGE = Page("tuning")

Floats = NDArray[np.float64]
Number = int | float


@dataclass(frozen=True)
class Measured:
    """What one setting gives, for each seed.

    Attributes:
        passes: Mean over rows.
        cost: Mean over rows, in plain predictions, as the plan estimates; the pilot is not counted.
        true: Root mean squared difference of the probabilities from the reference.
        honest: The same of the reported errors, over `true`; 1 is honest, less too optimistic.
        widths: Passes told apart at each level of the plan.
    """

    passes: Floats
    cost: Floats
    true: Floats
    honest: Floats
    widths: tuple[tuple[int, ...], ...]


def constants() -> dict[str, Number]:
    """The numbers under the two headings of howsure/tuning.py, in order."""
    source = inspect.getsource(tuning)
    headings = [
        (number, line.strip("# -"))
        for number, line in enumerate(source.splitlines(), start=1)
        if line.startswith("# ---")
    ]
    found: dict[str, Number] = {}
    for node in ast.parse(source).body:
        under = [heading for number, heading in headings if number < node.lineno]
        if isinstance(node, ast.Assign) and under and under[-1] in SECTIONS:
            names = [item.id for item in ast.walk(node.targets[0]) if isinstance(item, ast.Name)]
            found |= {name: getattr(tuning, name) for name in names}
    return found


@contextlib.contextmanager
def changed(name: str, value: Number) -> Iterator[None]:
    """Another value for one number while it lasts."""
    before = getattr(tuning, name)
    setattr(tuning, name, value)
    try:
        yield
    finally:
        setattr(tuning, name, before)


def half_and_twice(value: Number) -> tuple[Number, Number]:
    """Whole numbers stay whole, and at least 1."""
    return (max(1, value // 2), value * 2) if isinstance(value, int) else (value / 2, value * 2)


def made_up(name: str) -> tuple[ArrayModel, NDArray[np.float32]]:
    """A network of dense layers, trained on overlapping clusters, and test rows."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((CLASSES, FEATURES))
    y = random.integers(0, CLASSES, TRAINED_ON + ROWS)
    x = (centres[y] + 1.3 * random.standard_normal((len(y), FEATURES))).astype(np.float32)
    trained = MLPClassifier(LAYERS[name], random_state=0)
    for _ in range(EPOCHS):
        trained.partial_fit(x[:TRAINED_ON], y[:TRAINED_ON], classes=np.arange(CLASSES))
    steps: dict[str, Any] = {}
    before = "x"
    *hidden, last = zip(trained.coefs_, trained.intercepts_, strict=True)
    for number, ((weights, bias), rate) in enumerate(zip(hidden, RATES[name], strict=True), start=1):
        steps[f"dense{number}"] = (Dense(weights, bias, "relu"), before)
        steps[f"dropout{number}"] = (Dropout(rate), f"dense{number}")
        before = f"dropout{number}"
    steps["output"] = (Dense(*last, "softmax"), before)
    model = ArrayModel(name, [InputSpec("x", (FEATURES,), "float32")], steps, trained_for="classes")
    return model, x[-ROWS:]


def network(name: str) -> tuple[Any, Any]:
    """A model and test rows: one in numpy, or one that `benchmarks` trains."""
    if name in LAYERS:
        return made_up(name)
    from benchmarks import networks

    networks.train(name)
    return networks.load(name), networks.NETWORKS[name].data().x_test[:ROWS]


def reference_of(model: Any, x: Any) -> Floats:
    """(N, K) the probabilities as very many passes in float32 have them."""
    plan = howsure.plan(model, x, seed=999, precision="float32")
    design = plan.design
    if design is None or design.is_flat:
        long = MCDropout(passes=LONG_FLAT)
    else:
        group = design.cells * design.passes
        long = MCDropout(target_error=1e-9, max_passes=-(-LONG // group) * group, plan=plan)
    found: Floats = howsure.assess(model, x, method=long, seed=1_000_003).probabilities
    return found


def measure(model: Any, x: Any, shared: float, reference: Floats) -> Measured:
    """What the present numbers give.

    Args:
        model: The network.
        x: Rows of it.
        shared: Cost of what all passes share, in plain predictions.
        reference: (N, K) their probabilities.
    """
    found = []
    for seed in SEEDS:
        plan = howsure.plan(model, x, seed=seed)
        got = howsure.assess(model, x, method=MCDropout(plan=plan), seed=seed)
        true = np.sqrt(np.mean((got.probabilities - reference) ** 2))
        reported = np.sqrt(np.mean(got.mc_error**2))
        cost = cost_of(plan, got.passes, shared)
        widths = () if plan.design is None else plan.design.widths
        found.append((got.passes.mean(), cost, true, reported / true, widths))
    *figures, each = zip(*found, strict=True)
    return Measured(*map(np.array, figures), each)


def cost_of(plan: Plan, passes: NDArray[np.int64], shared: float) -> float:
    """What so many passes of rows cost on average, in plain predictions."""
    if plan.design is None:
        return float(np.mean(passes))
    cells = passes / plan.design.passes
    return float(np.mean(shared + cells * (plan.design.cost - shared)))


def compare(name: str) -> dict[str, Any]:
    """Everything about one network: as tuned, and for each number half and twice of it."""
    model, x = network(name)
    shared = levels_of(model, x)[0].cost
    reference = reference_of(model, x)
    tuned = measure(model, x, shared, reference)
    rows = {}
    for number, value in constants().items():
        others = {}
        for what, other in zip(("half", "twice"), half_and_twice(value), strict=True):
            with changed(number, other):
                others[what] = told(measure(model, x, shared, reference), tuned)
        rows[number] = {"value": value, **others}
        print(f"{name}: {number}", file=sys.stderr, flush=True)
    return {"plan": howsure.audit(model, plan=howsure.plan(model, x)).plan, "tuned": told(tuned, tuned)} | {
        "constants": rows
    }


def levels_of(model: Any, x: Any) -> Any:
    """The levels of a model behind the seam."""
    from howsure.models.adapt import adapt

    return adapt(model, x)[0].levels


def told(measured: Measured, tuned: Measured) -> dict[str, Any]:
    """Means over seeds; whether each is another figure than as tuned, and in how many seeds widths are."""
    figures = {}
    for what in FIGURES_OF:
        now, before = getattr(measured, what), getattr(tuned, what)
        figures[what] = {"mean": float(now.mean()), "other": is_other(now - before)}
    differ = sum(a != b for a, b in zip(measured.widths, tuned.widths, strict=True))
    return {**figures, "widths": differ, "first": list(measured.widths[0])}


def is_other(difference: Floats) -> bool:
    """Whether differences over seeds are more than chance."""
    if not difference.any():
        return False
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    far = stats.t.ppf(1 - CHANCE / 2, len(difference) - 1)
    return bool(abs(difference.mean()) > far * error)


def _seen(name: str, which: str, found: dict[str, dict[str, Any]]) -> str:
    """What half or twice of a number does on all networks, as factors."""
    moved, parts = False, []
    for network, of in found.items():
        now, tuned = of["constants"][name][which], of["tuned"]
        moved |= any(now[what]["mean"] != tuned[what]["mean"] for what in FIGURES_OF)
        factors = [
            f"{WORDS[what]} × {now[what]['mean'] / tuned[what]['mean']:.2g}"
            for what in ("cost", "true", "honest")
            if now[what]["other"] and f"{now[what]['mean'] / tuned[what]['mean']:.2g}" != "1"
        ]
        if factors:
            parts.append(f"{network}: {', '.join(factors)}")
    return "; ".join(parts) or ("no difference seen" if moved else "nothing moves")


def page(found: dict[str, dict[str, Any]]) -> str:
    """The tables in Markdown, what they come to first."""
    seen = {name: [_seen(name, which, found) for which in ("half", "twice")] for name in constants()}
    idle = sum(not any("×" in each for each in both) for both in seen.values())
    much = [
        name
        for name, both in seen.items()
        if any(max(float(by), 1 / float(by)) >= MUCH for by in re.findall(r"× ([\d.]+)", " ".join(both)))
    ]

    def table(names: Iterable[str]) -> str:
        rows = [f"| `{name}` | {constants()[name]:.4g} | {' | '.join(seen[name])} |" for name in names]
        return "\n".join(["| number | value | half of it | twice |", "|---|---|---|---|", *rows])

    parts = [
        "# What the tuned numbers do",
        "How much do howsure's results depend on its tuned numbers? Most numbers hardly matter. "
        f"{len(seen)} numbers say which passes rows get, or what a pilot looks at. Each was set to half and "
        f"to twice its value. {idle} of them show no effect "
        f"on the networks here. The other {len(seen) - idle} change what an "
        f"assessment costs, or how exact it is. The table has those that change it by a factor of {MUCH:g} "
        "or more.",
        table(much),
        "Factors are relative to the tuned value.",
        "- *cost*: the mean over rows, in plain predictions, as the plan estimates it. The pilot is not "
        "included.\n"
        "- *error*: the root mean squared difference of all probabilities from a reference of "
        f"{LONG:,} passes, or {LONG_FLAT:,} flat ones.\n"
        "- *reported ÷ true*: the root mean square of the reported errors over the true error. 1 is honest, "
        "less is too optimistic.",
        *fold(
            "The other numbers",
            table(name for name in seen if name not in much),
            "*No difference seen* is a change that may be chance. *Nothing moves* means that all figures are "
            "exactly the same.",
        ),
        f"{ROWS:,} rows were assessed with {len(SEEDS)} seeds, each with its own plan. The tables name "
        "changes that are more than chance: a paired t-test over the seeds, at "
        f"{100 * CHANCE:g} %. So of a hundred figures that change by chance, the tables name about one.",
        "The networks `split`, `head` and `flat` are made in numpy: dense layers on overlapping clusters. "
        "In `split`, most of the work follows the first random layer, and the last layer is cheap. In "
        "`head`, only the last few layers are random, and they are cheap. In `flat`, no layer is cheap "
        "enough to be repeated on its own."
        + (
            " Other networks are those of [performance.md](performance.md)."
            if set(found) > set(LAYERS)
            else ""
        ),
        "All figures and plans are in [tuning.json](tuning.json). `python -m validation.tuning` measures "
        "them again; with `--page` it only writes this page.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Look at the networks asked for, keeping figures and page after each."""
    found = PAGE.figures()
    for name in sys.argv[1:] or LAYERS:
        if name != "--page":
            found[name] = compare(name)
            first = {each: found[each] for each in LAYERS if each in found}
            found = first | found
            PAGE.keep(found)
        PAGE.write(page(found))


if __name__ == "__main__":
    main()
