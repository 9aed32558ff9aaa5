"""Are the error bars honest? Coverage on six networks, written to docs/coverage.md.

    python -m validation                   all networks, to docs/coverage.json and docs/coverage.md
    python -m validation question          one network; the others stay as they were

Thirty seeds, each with a plan of its own, against a reference of at least 10,000 passes: on random
test images, and on random ones of the 5 % that a plain prediction is least certain of.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks import networks
from benchmarks.docs import Page, percent, shares, table
from howsure.answers.verdict import judge

SEEDS = range(200, 230)
ROWS, ROWS_SEED = 150, 2
"""Of each kind, and the seed that draws them: nothing was chosen on these rows, nor on these seeds."""

NETWORKS = ("question", "residual", "transformer", "mlp", "classic", "everywhere")

LEAST_CERTAIN = 0.05

EDGES = (0.0, 0.9, 0.98, 0.995, 0.999, 1.0)
"""Of the parts by the probability of the top class."""

TOP = "probability of the top class"
ENTROPIES = ("entropy", "expected entropy", "mutual information")
SUMMARY = (
    (TOP, "all"),
    (TOP, "5 % least certain"),
    ("entropy", "all"),
    ("mutual information", "all"),
)
"""What the first table shows of each network, and of which rows."""

BY_PROBABILITY = (TOP, "entropy", "mutual information")
"""What is kept of these parts."""

LONG, LONG_FLAT = 20_000, 10_000
"""Passes of the reference, about; flat ones are dearer and each tells more."""

PAGE = Page("coverage")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """The rows looked at: the first `count` any, the others among the least certain."""

    x: NDArray[Any]
    count: int

    @property
    def kinds(self) -> dict[str, NDArray[np.bool_]]:
        """Name of each kind, and which rows are of it."""
        least_certain = np.arange(len(self.x)) >= self.count
        return {"all": ~least_certain, "5 % least certain": least_certain}


def choose(plain: Floats, x: NDArray[Any], count: int) -> Rows:
    """Random rows, and random ones of the least certain."""
    random = np.random.default_rng(ROWS_SEED)
    two = np.sort(plain, axis=1)
    order = np.argsort(two[:, -1] - two[:, -2])
    chosen = random.choice(len(x), count, replace=False)
    hard = random.choice(order[: int(LEAST_CERTAIN * len(x))], count, replace=False)
    return Rows(x[np.concatenate([chosen, hard])], count)


def compare(name: str) -> dict[str, Any]:
    """Everything about one network."""
    networks.train(name)
    model, data = networks.load(name), networks.NETWORKS[name].data()
    plain = model.predict(data.x_test, batch_size=128, verbose=0)
    rows = choose(plain, data.x_test, ROWS)
    print(f"{name}: reference …", file=sys.stderr, flush=True)
    reference = reference_for(model, data.x_test, rows.x)
    plans, runs = [], []
    for seed in SEEDS:
        plans.append(howsure.plan(model, data.x_test, seed=seed))
        runs.append(howsure.assess(model, rows.x, method=howsure.MCDropout(plan=plans[-1]), seed=seed))
        print(f"{name}: seed {seed}", file=sys.stderr, flush=True)
    errors = {kind: errors_of(runs, reference, where) for kind, where in rows.kinds.items()}
    verdicts = {kind: verdicts_of(runs, reference, where) for kind, where in rows.kinds.items()}
    return {
        "rows": rows.count,
        "accuracy": float(np.mean(plain.argmax(axis=1) == data.y_test)),
        "reference": {
            "passes": int(np.median(reference.passes)),
            "error": float(np.sqrt(np.mean(reference.mc_error[rows.count :] ** 2))),
        },
        "plan": howsure.audit(model, plan=plans[0]).plan,
        "flat plans": sum(plan.design is None or plan.design.is_flat for plan in plans),
        "errors": errors,
        "by probability": {
            what: by_probability(runs, reference, what, rows.kinds["all"]) for what in BY_PROBABILITY
        },
        "verdicts": verdicts,
    }


def reference_for(model: Any, x: NDArray[Any], rows: NDArray[Any]) -> howsure.Certainty:
    """What many passes say of rows; a plan is made from the rows `x`."""
    plan = howsure.plan(model, x, seed=999)
    design = plan.design
    if design is None or design.is_flat:
        long = howsure.MCDropout(passes=LONG_FLAT)
    else:
        # In float32, and no row is ever done.
        exact = howsure.Plan(design, plan.shares)
        group = design.cells * design.passes
        long = howsure.MCDropout(target_error=1e-9, max_passes=-(-LONG // group) * group, plan=exact)
    return howsure.assess(model, rows, method=long, seed=1_000_003)


def errors_of(
    runs: list[howsure.Certainty], reference: howsure.Certainty, where: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """True and reported error, their ratio and the coverage, of each number."""
    middle = (reference.probabilities > 0.01) & (reference.probabilities < 0.99)
    found = {
        TOP: figures(runs, reference, "probabilities", "mc_error", top_of(reference) & where[:, None]),
        "probabilities in 0.01 to 0.99": figures(
            runs, reference, "probabilities", "mc_error", middle & where[:, None]
        ),
    }
    for what in ENTROPIES:
        found[what] = figures_of_entropy(runs, reference, what, where)
    return found


def by_probability(
    runs: list[howsure.Certainty], reference: howsure.Certainty, what: str, where: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Errors of one number, for parts of the rows from undecided to nearly certain."""
    top = top_of(reference)
    found = []
    for low, high in itertools.pairwise(EDGES):
        within = top & (reference.probabilities > low) & (reference.probabilities <= high) & where[:, None]
        rows = within.any(axis=1)
        if rows.any():
            if what == TOP:
                scores = figures(runs, reference, "probabilities", "mc_error", within)
            else:
                scores = figures_of_entropy(runs, reference, what, rows)
            found.append({"low": low, "high": high, "rows": int(rows.sum()), **scores})
    return found


def top_of(reference: howsure.Certainty) -> NDArray[np.bool_]:
    """(N, K) whether a class is a row's most probable one."""
    top = np.zeros(reference.probabilities.shape, dtype=bool)
    np.put_along_axis(top, reference.label[:, None], True, axis=1)
    return top


def figures_of_entropy(
    runs: list[howsure.Certainty], reference: howsure.Certainty, what: str, where: NDArray[np.bool_]
) -> dict[str, float]:
    """`figures` of one of the three entropies."""
    name = what.replace(" ", "_")
    return figures(runs, reference, name, f"{name}_error", where)


def figures(
    runs: list[howsure.Certainty],
    reference: howsure.Certainty,
    name: str,
    error: str,
    where: NDArray[np.bool_],
) -> dict[str, float]:
    """Mean in the reference; true and reported root mean squared error, coverage and bias over seeds."""
    off = np.array([(getattr(run, name) - getattr(reference, name))[where] for run in runs])
    reported = np.array([getattr(run, error)[where] for run in runs])
    true, said = np.sqrt(np.mean(off**2)), np.sqrt(np.mean(reported**2))
    covered = np.abs(off) <= 1.96 * reported
    found = {
        "mean": getattr(reference, name)[where].mean(),
        "true": true,
        "reported": said,
        "ratio": true / said,
        "cover": covered.mean(),
        "cover error": error_of_share(covered),
        "bias": off.mean(),
    }
    return {key: float(value) for key, value in found.items()}


def error_of_share(covered: NDArray[np.bool_]) -> float:
    """Standard error of the mean of (S, R) over both seeds and rows, as other seeds and rows would have it.

    Rows of one seed share masks and seeds share rows, so neither are S · R independent: the variances of the
    means of seeds and of rows add up, less what both count (a two-way random effects model).
    """
    seeds, rows = covered.shape
    of_seeds = covered.mean(axis=1).var(ddof=1) / seeds
    of_rows = covered.mean(axis=0).var(ddof=1) / rows
    both = covered.var() / covered.size
    return float(np.sqrt(max(of_seeds + of_rows - both, both)))


def verdicts_of(
    runs: list[howsure.Certainty], reference: howsure.Certainty, where: NDArray[np.bool_]
) -> dict[str, float]:
    """How many rows are settled, how many of these have another verdict in the reference, what they cost."""
    verdict, _ = judge(reference.probabilities, np.zeros_like(reference.mc_error), reference.thresholds)
    settled = np.array([run.settled[where] for run in runs])
    wrong = np.array([run.verdict[where] != verdict[where] for run in runs]) & settled
    passes = np.array([run.passes[where] for run in runs])
    return {
        "settled": float(settled.mean()),
        "changed": float(wrong.sum() / settled.sum()),
        "passes": float(passes.mean()),
    }


def coverage(found: dict[str, float]) -> str:
    """A coverage with its standard error."""
    return f"{100 * found['cover']:.1f} ± {percent(found['cover error'])}"


def parts(found: dict[str, dict[str, Any]]) -> dict[str, object]:
    """Figures and tables of the page."""
    covers = [
        (network["errors"][rows][what]["cover"], name, f"{what}, {rows} rows")
        for what, rows in SUMMARY
        for name, network in found.items()
    ]
    _, worst, of_what = min(covers)
    lines = []
    for name, network in found.items():
        each = (network["errors"][rows][what] for what, rows in SUMMARY)
        cells = [f"{coverage(one)} ({one['ratio']:.2f})" for one in each]
        settled = percent(network["verdicts"]["all"]["settled"])
        lines.append([name, *cells, settled, f"{network['flat plans']} of {len(SEEDS)}"])
    near = []
    for low, high in itertools.pairwise(EDGES):
        of = (network["by probability"][TOP] for network in found.values())
        cells = [next((percent(each["cover"]) for each in one if each["low"] == low), "–") for one in of]
        near.append([f"{low:g} to {high:g}", *cells])
    of_worst = [
        [kind, what, f"{each['true']:.5f}", f"{each['reported']:.5f}", f"{each['ratio']:.2f}", coverage(each)]
        + [f"{each['bias']:+.5f}"]
        for kind, of_kind in found[worst]["errors"].items()
        for what, each in of_kind.items()
    ]
    by = found[worst]["by probability"]
    entropies = [
        [f"{both[0]['low']:g} to {both[0]['high']:g}"]
        + [cell for each in both for cell in (f"{each['mean']:.4f}", f"{each['bias']:+.4f}")]
        for both in zip(by["entropy"], by["mutual information"], strict=True)
    ]
    heads = ["rows", "what", "true error", "reported", "ratio", "coverage", "bias"]
    where = f"all rows, where the {TOP} is"
    return {
        "covers": shares([cover for cover, *_ in covers], 1),
        "median": percent(float(np.median([cover for cover, *_ in covers]))),
        "worst": f"`{worst}`: {of_what}",
        "networks": table(["network", *map(", ".join, SUMMARY), "settled", "flat plans"], *lines),
        "near": table([f"coverage of the {TOP}, where it is", *found], *near),
        "of_worst": table(heads, *of_worst),
        "entropies": table([where, "entropy, mean", "bias", "mutual information, mean", "bias"], *entropies),
    }


if __name__ == "__main__":
    PAGE.look_at(NETWORKS, compare, parts)
