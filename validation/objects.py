"""Does the probability of a name or of a lesion come true? To docs/objects.md.

    python -m validation.objects            everything, to docs/objects.json and the page, about five minutes
    python -m validation.objects --page     only the page

Two small networks learn from made data: names in sentences, and discs in noise. What `howsure.objects` states
stands beside 4,000 networks that PyTorch's own dropout draws, and beside the share of objects that are true.
Objects are read here by other means than in howsure: a walk along the tags, and overlap by sets of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from torch import nn

import howsure
from benchmarks.docs import Page, percent, table
from howsure.sampling.outcome import Booleans, Floats, Integers

PAGE = Page("objects")

NETWORKS, SEEDS, ROWS, BINS = 4000, 4, 200, 10
"""Half of the rows calibrate, and are not counted."""

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
WORDS = {
    "O": ("saw", "the", "river", "today", "and", "works"),
    "B-PER": ("Ada", "Grace", "Washington", "Alan", "Paris"),
    "I-PER": ("Hopper", "Young", "Washington"),
    "B-LOC": ("Oslo", "Paris", "Washington", "New"),
    "I-LOC": ("Oslo", "Paris", "Young"),
}
"""Words of each tag; some have two or three."""

VOCABULARY = sorted({word for words in WORDS.values() for word in words})
LENGTH, SIDE = 12, 24
WAYS = {
    "softmax": "mean softmax of the positions",
    "stated": "share of networks",
    "calibrated": "the same, calibrated",
}
"""What is told of an object. The first is the score that a pipeline of transformers gives a name."""


def sentences(random: np.random.Generator, count: int) -> tuple[torch.Tensor, Integers]:
    """Words (N, 12) by number and tags (N, 12) of sentences; a name has one to three words."""
    tags = np.zeros((count, LENGTH), dtype=np.int64)
    for row in tags:
        place = int(random.integers(3))
        while place < LENGTH:
            kind, last = 1 + 2 * random.integers(2), place + 1 + random.binomial(2, 0.3)
            row[place:last] = kind + 1
            row[place] = kind
            place = last + int(random.integers(1, 5))
    words = [[VOCABULARY.index(random.choice(WORDS[TAGS[tag]])) for tag in row] for row in tags]
    return torch.tensor(words), tags


def discs(random: np.random.Generator, count: int) -> tuple[torch.Tensor, Integers]:
    """Images (N, 1, 24, 24) of up to three discs in noise, many of them faint, and classes of pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    images = 0.6 * random.normal(size=(count, 1, SIDE, SIDE)).astype(np.float32)
    classes = np.zeros((count, SIDE, SIDE), dtype=np.int64)
    for image, labels in zip(images, classes, strict=True):
        for _ in range(random.integers(1, 4)):
            (up, left), radius = random.uniform(4, SIDE - 4, 2), random.uniform(2, 5)
            inside = np.hypot(y - up, x - left) < radius
            labels[inside] = 1
            image[0, inside] += random.uniform(0.2, 1.2)
    return torch.tensor(images), classes


class Context(nn.Module):
    """What the neighbours of each word are."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.context = nn.Embedding(len(VOCABULARY), 12), nn.Conv1d(12, 24, 3, padding=1)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """(N, 24, 12)."""
        return torch.relu(self.context(self.words(words).transpose(1, 2)))


def tagger() -> nn.Sequential:
    """A class for each word. What comes first is not random."""
    return nn.Sequential(Context(), nn.Dropout(0.5), nn.Conv1d(24, len(TAGS), 1))


def segmenter() -> nn.Sequential:
    """Two classes for each pixel. What comes first is not random."""
    first = nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.Conv2d(12, 16, 5, padding=2), nn.ReLU()
    return nn.Sequential(nn.Sequential(*first), nn.Dropout2d(0.5), nn.Conv2d(16, 2, 1))


TASKS: dict[str, tuple[Any, Any, int, dict[str, Any]]] = {
    "names": (tagger, sentences, 60, {"scheme": "BIO", "class_names": TAGS}),
    "discs": (segmenter, discs, 60, {"scheme": "components", "class_names": ("ground", "disc")}),
}
"""The network, its rows, the steps of training, and how objects are read."""


def trained(model: nn.Sequential, x: torch.Tensor, y: Integers, steps: int) -> nn.Sequential:
    """The model, after some steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(steps):
        some = torch.randint(len(x), (32,))
        loss = nn.functional.cross_entropy(model(x[some]), torch.tensor(y)[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def objects_in(labels: Integers) -> Iterator[tuple[str, Booleans]]:
    """Type and positions, yes or no, of each span in tags (P,), or connected part in classes (H, W)."""
    if labels.ndim == 2:
        numbered, count = ndimage.label(labels)
        for number in range(1, count + 1):
            yield "disc", numbered == number
        return
    for start, tag in enumerate(labels.tolist()):
        if TAGS[tag].startswith("B"):
            stop = start + 1
            while stop < len(labels) and labels[stop] == tag + 1:
                stop += 1
            yield TAGS[tag][2:], span(start, stop)


def span(start: int, stop: int) -> Booleans:
    """The positions of a span, yes or no."""
    return (start <= np.arange(LENGTH)) & (np.arange(LENGTH) < stop)


def of_found(found: Any) -> list[tuple[str, Booleans]]:
    """The same of all found objects."""
    if found.start.ndim == 1:
        places = map(span, found.start, found.stop)
        return list(zip(found.label, places, strict=True))
    return [("disc", found.mask(at)) for at in range(len(found))]


def is_among(own: tuple[str, Booleans], said: list[tuple[str, Booleans]]) -> bool:
    """Whether an object is among those of a map: the same span, or a part with an overlap above half."""
    kind, here = own
    if here.ndim == 1:
        return any(kind == other and (here == there).all() for other, there in said)
    return any(2 * (here & there).sum() > (here | there).sum() for _, there in said)


def drawn(model: nn.Sequential, x: torch.Tensor, networks: int) -> Iterator[Integers]:
    """Labels (N, *P) of one network after the other, by PyTorch's own dropout."""
    model.train()
    with torch.no_grad():
        features = model[0](x)
        for _ in range(networks):
            yield model[1:](features).argmax(dim=1).numpy()
    model.eval()


def in_each(labels: Integers, rows: Integers, owns: list[tuple[str, Booleans]]) -> Booleans:
    """Whether maps of labels (N, *P) have these objects in these rows."""
    said = {row: list(objects_in(labels[row])) for row in np.unique(rows)}
    return np.array([is_among(own, said[row]) for own, row in zip(owns, rows, strict=True)])


def look_at(name: str, seed: int, rows: int, networks: int) -> dict[str, list[float]]:
    """Of the objects in the second half of the rows: what is stated, its error, and what comes true."""
    make, draw, steps, read = TASKS[name]
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = trained(make(), *draw(random, 600), steps)
    x, truth = draw(random, rows)
    found = howsure.objects(model, x, outputs="logits", **read)
    owns = of_found(found)
    right = in_each(truth, found.row, owns)
    known, new = np.flatnonzero(found.row < rows // 2), np.flatnonzero(found.row >= rows // 2)
    calibrated = howsure.calibrate(found.certainty[known], right[known])(found.certainty[new])
    half, rows_of_new, of_new = rows // 2, found.row[new] - rows // 2, [owns[at] for at in new]
    maps = drawn(model, x[half:], networks)
    same = np.mean([in_each(labels, rows_of_new, of_new) for labels in maps], axis=0)
    with torch.no_grad():
        top = model(x).softmax(dim=1).amax(dim=1).numpy()
    return {
        "row": (found.row[new] + rows * seed).tolist(),
        "stated": found.certainty.probabilities[new, 1].tolist(),
        "error": found.certainty.mc_error[new, 1].tolist(),
        "networks": same.tolist(),
        "right": right[new].astype(float).tolist(),
        "calibrated": calibrated.probabilities[:, 1].tolist(),
        "softmax": [float(top[found.row[at]][owns[at][1]].mean()) for at in new],
    }


def of_bins(stated: Floats, *others: Floats) -> list[list[Any]]:
    """Of each of ten bins that has objects: its ends, how many there are, and means."""
    number = np.minimum((BINS * stated).astype(int), BINS - 1)
    return [
        [f"{10 * at} to {10 * at + 10} %", int((number == at).sum())]
        + [float(values[number == at].mean()) for values in (stated, *others)]
        for at in np.unique(number).tolist()
    ]


def scores(key: str, looks: list[dict[str, list[float]]]) -> list[float]:
    """Mean distance to the share that is right over ten bins (ECE), and the AUROC of a network."""
    stated, right = (np.concatenate([look[name] for look in looks]) for name in (key, "right"))
    ece = sum(line[1] * abs(line[2] - line[3]) for line in of_bins(stated, right)) / len(stated)
    return [ece, float(np.mean([roc_auc_score(look["right"], look[key]) for look in looks]))]


def summary(name: str, rows: int = ROWS, networks: int = NETWORKS, seeds: int = SEEDS) -> dict[str, Any]:
    """The table of a task, and how far what is stated is off."""
    looks = [look_at(name, seed, rows, networks) for seed in range(seeds)]
    of = {key: np.concatenate([np.asarray(look[key]) for look in looks]) for key in looks[0]}
    limit = 1.96 * np.sqrt(of["error"] ** 2 + of["networks"] * (1 - of["networks"]) / networks)
    return {
        "objects": len(of["row"]),
        "within": float(np.mean(np.abs(of["stated"] - of["networks"]) <= limit)),
        "off": float(np.sqrt(np.mean((of["stated"] - of["networks"]) ** 2))),
        "bins": of_bins(of["stated"], of["networks"], of["right"]),
        "scores": {key: scores(key, looks) for key in WAYS},
    }


def look() -> dict[str, Any]:
    """The figures of both tasks."""
    figures = {}
    for name in TASKS:
        figures[name] = summary(name)
        print(name, figures[name], flush=True)
    return figures


def parts(figures: Any) -> dict[str, str]:
    """Tables of both tasks, and the figures beside them."""
    ways = [
        [said, *(f"{value:.3f}" for name in figures for value in figures[name]["scores"][key])]
        for key, said in WAYS.items()
    ]
    made = {
        "scores": table(["", *(f"{name}: {score}" for name in figures for score in ("ECE", "AUROC"))], *ways)
    }
    for name, of in figures.items():
        lines = [[*line[:2], *(percent(share, 0) for share in line[2:])] for line in of["bins"]]
        made[f"{name}_bins"] = table(["", "objects", "stated", f"{NETWORKS:,} networks", "true"], *lines)
        made[f"{name}_within"] = percent(of["within"], 0)
    return made


if __name__ == "__main__":
    PAGE.measure(look, parts)
