"""Which method is better on MNIST, with the network of the question; written to docs/methods.md.

    python -m validation.methods [MEMBERS] [EPOCHS]

Trains MEMBERS networks from different seeds for EPOCHS each (5 and 3 unless given; two cores need two
minutes an epoch), keeps them in the cache folder, and compares the plain softmax, MC dropout, the ensemble,
MC dropout of the ensemble, last-layer Laplace and the mean over small turns, calibrated and not, on the
10,000 test digits as they are, turned by 15 to 90 degrees, and beside images of clothes and of letters, where
these are to be had.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks import networks
from howsure import shifts
from howsure.compare import with_ensemble
from howsure.models import question
from howsure.report import write_comparison
from howsure.report.findings import findings, lead

MEMBERS, EPOCHS = 5, 3
TURNS = (15, 30, 45, 60, 75, 90)

DOCS = Path(__file__).parent.parent / "docs"
STRANGERS = Path(__file__).parent.parent.parent / "shared" / "data"
OUTSIDE = {"clothes (Fashion-MNIST)": "fashion_mnist_test.npz", "letters (notMNIST)": "notmnist_test.npz"}

SCORES = (
    *("accuracy", "nll", "brier", "ece", "aurc", "error_auroc"),
    *("outside_auroc", "outside_fpr95", "outside_auroc_by_disagreement"),
)
PUBLISHED = {"nll": 0.016, "ece": 0.005}
"""Of an ensemble of ten LeNets (uncertainty-baselines)."""


def members(count: int, epochs: int) -> list[keras.Model]:
    """Networks of the question from seeds 0, 1 …, trained unless they are kept already."""
    data = networks.images()
    found = []
    for seed in range(count):
        path = networks.folder() / f"member-{seed}-{epochs}.keras"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            model = question.build(seed)
            start = time.perf_counter()
            question.train(
                model,
                np.rint(255 * data.x_train[..., 0]).astype(np.uint8),
                data.y_train,
                seconds=None,
                epochs=epochs,
                seed=seed,
                on_batch=lambda _: None,
            )
            question.save(model, path)
            print(f"member {seed}: {time.perf_counter() - start:.0f} s", flush=True)
        found.append(keras.models.load_model(path))
    return found


def outside() -> dict[str, NDArray[np.float32]]:
    """Images that are no digits, as the network takes them; none where the files are not there."""
    found = {}
    for name, file in OUTSIDE.items():
        if (STRANGERS / file).exists():
            with np.load(STRANGERS / file) as arrays:
                found[name] = question.to_input(arrays[next(iter(arrays))])
    return found


def page(comparison: howsure.Comparison, trained: int, epochs: int) -> str:
    """docs/methods.md."""

    def best(name: str) -> str:
        first = min(comparison.methods, key=lambda method: comparison.score(method, name).value)
        return f"{comparison.score(first, name).value:.4f} ({first})"

    lines = [
        "# Which method is better on MNIST",
        "",
        f"`python -m validation.methods {trained} {epochs}` trains the question's network {trained} times "
        f"from different seeds, {epochs} epochs each, compares methods on the {len(comparison.truth):,} test "
        "digits, and writes this page. "
        "Intervals are 95 %, over images.",
        "",
        f"**{lead(comparison)}**",
        "",
    ]
    for finding in findings(comparison):
        lines += [f"- **{finding.question}** {finding.answer}"]
    lines += ["", "## All scores, digits as they are", ""]
    names = ("accuracy", "nll", "brier", "ece", "aurc", "error_auroc")
    lines.append(
        "| method | " + " | ".join(name.replace("_", " ") for name in names) + " | plain predictions |"
    )
    lines.append("|---" * (len(names) + 2) + "|")
    for method in comparison.methods:
        scores = " | ".join(str(comparison.score(method, name)) for name in names)
        lines.append(f"| {method} | {scores} | {comparison.costs[method]:.1f} |")
    lines += [
        "",
        f"An ensemble of ten LeNets, right on 99.4 %, has NLL {PUBLISHED['nll']} and ECE {PUBLISHED['ece']} "
        f"(uncertainty-baselines). The best here: NLL {best('nll')}, ECE {best('ece')}, from {trained} "
        f"members that saw every digit {epochs} times.",
        "",
        "## Digits turned around",
        "",
        "NLL, and share right:",
        "",
        "| method | " + " | ".join(comparison.sets) + " |",
        "|---" * (len(comparison.sets) + 1) + "|",
    ]
    for method in comparison.methods:
        cells = [
            f"{comparison.score(method, 'nll', rows)}, {comparison.score(method, 'accuracy', rows).value:.3f}"
            for rows in comparison.sets
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    if comparison.outside:
        lines += [
            "",
            "## Images that are no digits",
            "",
            "AUROC of entropy, of mutual information, and FPR95 of entropy:",
            "",
        ]
        lines.append("| method | " + " | ".join(comparison.outside) + " |")
        lines.append("|---" * (len(comparison.outside) + 1) + "|")
        for method in comparison.methods:
            cells = [
                "; ".join(
                    str(comparison.score(method, name, rows))
                    for name in ("outside_auroc", "outside_auroc_by_disagreement", "outside_fpr95")
                )
                for rows in comparison.outside
            ]
            lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figures(comparison: howsure.Comparison) -> dict[str, Any]:
    """All scores as plain numbers."""
    found: dict[str, Any] = {}
    for (method, rows), evaluation in {**comparison.evaluations, **comparison.against}.items():
        scores = {name: getattr(evaluation, name) for name in SCORES}
        found.setdefault(method, {})[rows] = {
            name: [score.value, score.low, score.high]
            for name, score in scores.items()
            if np.isfinite(score.value)
        }
    return {"scores": found, "plain predictions": dict(comparison.costs)}


def main() -> None:
    """Train, compare, write."""
    count, epochs = (int(each) for each in (sys.argv[1:] + [str(MEMBERS), str(EPOCHS)][len(sys.argv[1:]) :]))
    first, *others = members(count, epochs)
    data = networks.images()
    methods = {
        **with_ensemble({"softmax": howsure.Softmax(), "MC dropout": howsure.MCDropout()}, others),
        "last-layer Laplace": howsure.LastLayerLaplace.fit(first, data.x_train, data.y_train),
        "augmentation": howsure.Augmentation([shifts.rotated(8), shifts.rotated(-8)]),
    }
    comparison = howsure.compare(
        first,
        data.x_test,
        data.y_test,
        methods=methods,
        shifts={f"turned by {turn}°": shifts.rotated(turn) for turn in TURNS},
        outside=outside(),
        class_names=[str(digit) for digit in range(10)],
        progress=lambda done, total: print(f"{done:,} of {total:,} rows", end="\r", flush=True),
    )
    (DOCS / "methods.json").write_text(json.dumps(figures(comparison), indent=1) + "\n", encoding="utf-8")
    (DOCS / "methods.md").write_text(page(comparison, count, epochs), encoding="utf-8")
    write_comparison(networks.folder() / "methods.html", comparison)
    print(lead(comparison))


if __name__ == "__main__":
    main()
