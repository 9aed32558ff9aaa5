"""How many labels does a model need if a person labels the rows that it is least sure of? To docs/label.md.

    python -m validation.label            everything, to docs/label.json and the page, about a minute
    python -m validation.label --page     only the page

Two sets that ship with scikit-learn. A small network learns from a few rows drawn at random; then more rows
get their labels, in rounds, by four rules. Each round trains anew, and counts right answers on other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

import howsure
from benchmarks.docs import Page, table
from howsure.evaluation.handover import k_centres
from howsure.sampling.outcome import Floats, Integers

PAGE = Page("label")

SETS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "digits": (load_digits, 20, 8),
    "breast cancer": (load_breast_cancer, 10, 5),
}
"""The set, the rows of the first and of each further round, and how many further rounds."""

RULES = ("diverse", "most doubtful", "k-centres alone", "random")
SEEDS, CANDIDATES = 5, 5
"""`diverse` chooses among so many times as many most doubtful rows as it labels."""


def trained(x: Floats, y: Integers, classes: int, seed: int) -> nn.Module:
    """A network with dropout that has learnt from these rows."""
    torch.manual_seed(seed)
    layers = nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, classes)
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), 0.01, weight_decay=1e-4)
    rows, labels = torch.tensor(x), torch.tensor(y)
    for _ in range(150):
        loss = nn.functional.cross_entropy(model(rows), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def chosen(
    rule: str, model: nn.Module, pool: Floats, known: Floats, count: int, random: np.random.Generator
) -> Integers:
    """Positions of the rows of a pool that get their labels next."""
    if rule == "random":
        return np.asarray(random.permutation(len(pool))[:count])
    features, labelled = (howsure.features_of(model, rows).features.astype(float) for rows in (pool, known))
    if rule == "k-centres alone":
        return k_centres(features, count, labelled)
    certainty = howsure.assess(model, pool, outputs="logits", method=howsure.MCDropout(passes=40))
    if rule == "most doubtful":
        return certainty.most_undecided(count)
    doubtful = certainty.most_undecided(CANDIDATES * count)
    return np.asarray(doubtful[k_centres(features[doubtful], count, labelled)])


def course(name: str, rule: str, seed: int) -> list[float]:
    """The share of right answers after each round."""
    load, size, rounds = SETS[name]
    x, y = load(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=1 / 3, random_state=seed, stratify=y)
    scale = StandardScaler().fit(x)
    x, x_test = (scale.transform(rows).astype(np.float32) for rows in (x, x_test))
    random, right = np.random.default_rng(seed), list[float]()
    labelled = random.permutation(len(x))[:size]
    for number in range(rounds + 1):
        model = trained(x[labelled], y[labelled], int(y.max()) + 1, seed)
        with torch.no_grad():
            right.append(float(np.mean(model(torch.tensor(x_test)).argmax(1).numpy() == y_test)))
        if number < rounds:
            others = np.setdiff1d(np.arange(len(x)), labelled)
            more = chosen(rule, model, x[others], x[labelled], size, random)
            labelled = np.concatenate([labelled, others[more]])
    return right


def look() -> dict[str, Any]:
    """Right answers by set and rule: the mean over the seeds, and its standard error, after each round."""
    figures: dict[str, Any] = {}
    for name in SETS:
        for rule in RULES:
            courses = np.array([course(name, rule, seed) for seed in range(SEEDS)])
            mean, error = courses.mean(axis=0), courses.std(axis=0, ddof=1) / np.sqrt(SEEDS)
            figures.setdefault(name, {})[rule] = {"mean": mean.tolist(), "error": error.tolist()}
            print(name, rule, np.round(mean, 3), flush=True)
    return figures


def parts(figures: Any) -> dict[str, str]:
    """A table for each set."""
    tables = {}
    for name, of_rules in figures.items():
        _, size, rounds = SETS[name]
        lines = [
            [size * (number + 1)]
            + [
                f"{100 * of_rules[rule]['mean'][number]:.1f} ± {100 * of_rules[rule]['error'][number]:.1f} %"
                for rule in RULES
            ]
            for number in range(rounds + 1)
        ]
        tables[name.replace(" ", "_")] = table(["labelled rows", *RULES], *lines)
    return tables


if __name__ == "__main__":
    PAGE.measure(look, parts)
