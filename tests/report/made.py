"""Certainties made from known numbers, for the tests of the report."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
from scipy import ndimage

from howsure.sampling.between import LEVELS
from howsure.tasks.classification.result import Certainty
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.segmentation.result import DenseCertainty

VOID = {"meta", "link", "img", "br", "input", "hr"}
DRAWN = {"rect", "line", "circle", "path", "use", "image"}


class Lazily(Mapping[str, Any]):
    """Things by name, each made when it is first asked for: each process imports all tests, and runs few."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers, self._made = makers, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def make_certainty(
    rows: int, classes: int = 10, *, truth: bool = True, seed: int = 0, **fields: Any
) -> Certainty:
    """Dirichlet rows from nearly one-hot to nearly flat, with truth drawn from the probabilities."""
    random = np.random.default_rng(seed)
    sharpness = 10 ** random.uniform(0, 1.5, rows)
    alpha = np.full((rows, classes), 0.05)
    alpha[np.arange(rows), random.integers(classes, size=rows)] = sharpness
    draws = random.standard_gamma(alpha) + 1e-12
    probabilities = draws / draws.sum(axis=1, keepdims=True)
    positive = -np.sum(probabilities * np.log(probabilities), axis=1)
    drawn = (random.random((rows, 1)) > np.cumsum(probabilities, axis=1)).sum(axis=1)
    settings: dict[str, Any] = {
        "probabilities": probabilities,
        "mc_error": 0.01 * probabilities * (1 - probabilities),
        "expected_entropy": positive * random.uniform(0.2, 1.0, rows),
        "passes": random.integers(64, 257, size=rows),
        "class_names": tuple(str(k) for k in range(classes)),
        "row": np.arange(rows),
        "truth": np.minimum(drawn, classes - 1) if truth else None,
        "kind": "image",
        "method": {"name": "MC dropout", "balanced": True},
        "seed": 7,
        "version": "0.1.0",
    }
    return Certainty(**(settings | fields))


def make_multilabel(
    rows: int, labels: int, *, truth: bool = True, seed: int = 0, **fields: Any
) -> MultilabelCertainty:
    """Probabilities from nearly 0 to nearly 1, with truth drawn from them."""
    random = np.random.default_rng(seed)
    p = random.beta(0.5, 0.7, size=(rows, labels))
    positive = -p * np.log(p) - (1 - p) * np.log1p(-p)
    settings: dict[str, Any] = {
        "probabilities": p,
        "mc_error": 0.02 * p * (1 - p),
        "expected_entropy": positive * random.uniform(0.2, 1.0, p.shape),
        "passes": random.integers(64, 257, size=rows),
        "label_names": tuple(f"label {k}" for k in range(labels)),
        "row": np.arange(rows),
        "truth": random.random(p.shape) < p if truth else None,
        "kind": "image",
        "method": {"name": "MC dropout", "balanced": True},
        "seed": 7,
        "version": "0.1.0",
    }
    return MultilabelCertainty(**(settings | fields))


def make_numbers(
    rows: int, targets: int = 1, *, truth: bool = True, noise: bool = True, seed: int = 0, scale: float = 1.0
) -> RegressionCertainty:
    """Forty networks that scatter normally, and answers as far from them as the noise says."""
    random = np.random.default_rng(seed)
    centre, spread = random.normal(size=(rows, targets)), random.uniform(0.1, 1.0, (rows, targets))
    networks = centre + spread * random.normal(size=(40, rows, targets))
    scatter = random.uniform(0.2, 2.0, (rows, targets))
    result = RegressionCertainty.from_samples(scale * networks, [f"target {k}" for k in range(targets)])
    result = result.with_noise(scale * scatter, "held-out rows") if noise else result
    std = np.sqrt(result.spread**2 + (scale * scatter) ** 2)  # type: ignore[operator]
    return result.with_truth(result.mean + std * random.normal(size=std.shape)) if truth else result


def make_dense(
    rows: int, positions: tuple[int, ...], classes: int = 3, *, truth: bool = True, **fields: Any
) -> DenseCertainty:
    """What twelve networks say of smooth maps, each row more doubtful than the one before it."""
    random, axes = np.random.default_rng(0), tuple(range(2, 2 + len(positions)))
    smooth = [0, 0, *(size / 8 for size in positions), 0]
    seen = ndimage.gaussian_filter(random.normal(size=(1, rows, *positions, classes)), smooth)
    seen = seen / seen.std() + 0.3 * random.normal(size=(12, rows, *(1,) * len(positions), classes))
    seen *= np.linspace(6, 1.5, rows).reshape(1, rows, *(1,) * len(axes), 1)
    p = np.exp(seen) / np.exp(seen).sum(axis=-1, keepdims=True)
    mean, ordered = p.mean(axis=0), np.argsort(-p.mean(axis=0), axis=-1)
    top, second = (np.take_along_axis(mean, ordered[..., k : k + 1], axis=-1)[..., 0] for k in (0, 1))
    label = ordered[..., 0].astype(np.int16)
    of_pass = np.eye(classes)[p.argmax(axis=-1)].mean(axis=axes)
    drawn = (random.random((*label.shape, 1)) > np.cumsum(mean, axis=-1)).sum(axis=-1)
    true = np.minimum(drawn, classes - 1).astype(np.int16)
    true.reshape(rows, -1)[:, 0] = -1
    entropy = -np.sum(mean * np.log(mean), axis=-1)
    settings: dict[str, Any] = {
        "label": label,
        "runner_up": ordered[..., 1].astype(np.int16),
        "probability": top.astype(np.float32),
        "gap": (top - second).astype(np.float32),
        "mc_error": np.full(label.shape, 0.01, np.float32),
        "entropy": entropy.astype(np.float32),
        "expected_entropy": (0.8 * entropy).astype(np.float32),
        "settled": top > 0.5,
        "share": of_pass.mean(axis=0),
        "share_error": of_pass.std(axis=0) / 12**0.5,
        "share_spread": of_pass.std(axis=0),
        "share_spread_error": of_pass.std(axis=0) / 24**0.5,
        "share_quantiles": np.moveaxis(np.quantile(of_pass, LEVELS, axis=0), 0, -1),
        "overlap": np.full((rows, classes), 0.875),
        "passes": np.full(rows, 12),
        "class_names": tuple(f"class {k}" for k in range(classes)),
        "row": np.arange(rows),
        "truth": true if truth else None,
        "kind": "image" if len(positions) > 1 else "row",
        "method": {"name": "MC dropout"},
    }
    return DenseCertainty(**(settings | fields))


class Parsed(HTMLParser):
    """A parsed page: its elements, and an assertion that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parents: list[tuple[str, ...]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.parents.append(tuple(self._open))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN, f"<{tag}/> closes itself only in SVG"
        self.elements.append((tag, dict(attrs)))
        self.parents.append(tuple(self._open))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> inside {self._open}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def words(self) -> str:
        """All text with white space, no-break spaces too, made single spaces."""
        return " ".join("".join(self.text).replace("\u00a0", " ").split())

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        """Attributes of every element of that name."""
        return (attributes for name, attributes in self.elements if name == tag)


Page = functools.lru_cache(64)(Parsed)
"""Makes a page of its HTML, of which many tests look at the same."""


def check_tables(page: Parsed) -> None:
    """Every table is in a box that the keyboard reaches, and its cells say by themselves what they are."""
    boxes = [
        attributes for _, attributes in page.elements if "scroll" in (attributes.get("class") or "").split()
    ]
    assert len(boxes) == sum(1 for _ in page.all("table"))
    assert all(box["tabindex"] == "0" and box["role"] == "group" and box["aria-label"] for box in boxes)
    assert all("as-cards" in str(table["class"]) for table in page.all("table"))
    for cell in page.all("td"):
        drawn = {"chart", "small", "note"} & set((cell.get("class") or "").split())
        assert drawn or cell.get("data-label"), cell


def check_landmarks(html: str) -> None:
    """No two landmarks of a page have the same name."""
    headings = dict(re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', html))
    page = Page(html)
    names = [headings[str(attributes["aria-labelledby"])] for attributes in page.all("section")]
    names += [str(attributes["aria-label"]) for attributes in page.all("nav")]
    assert len(names) == len(set(names))
    assert not [attributes for _, attributes in page.elements if attributes.get("role") == "region"]
