"""Bayesian SegNet's claims, howsure's defaults at positions, and which score ranks images; on CamVid.

    python -m validation.segmentation            some minutes per network on a free core
    python -m validation.segmentation segnet     this network

With `--page` the page alone. Figures of what was not run stay in docs/segmentation-study.json. Trained
networks go to `howsure-segmentation` in the folder of temporary files; delete it to train anew. The data are
not part of this repository: they are read from ../shared/data.

Intervals are over images, in blocks of `BLOCK` neighbours, as the test images are two drives.

Networks:

    segnet      four levels and max-unpooling; dropout .5 after the two deepest encoders and decoders, the
                central ones, as in Bayesian SegNet-Basic (Kendall, Badrinarayanan & Cipolla 2015)
    unet        skips instead of unpooling; dropout .5 at the bottom
    unet_each   the same with dropout .2 at each level

Recipe: 30 epochs (SegNet 60) of Adam at 2e-3, which falls to 0 by a cosine; batches of 8, mirrored at random;
cross-entropy weighted by median frequency (Eigen & Fergus 2015, as in SegNet), void ignored; bfloat16.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata
from torch import Tensor, nn

import howsure
from benchmarks.docs import Page, shares, table
from howsure.evaluation.score import area_under_risk
from howsure.tasks.segmentation.outcome import Positions

Figures = dict[str, Any]
Floats = NDArray[np.float64]

PAGE = Page("segmentation-study")
FOLDER = Path(tempfile.gettempdir()) / "howsure-segmentation"

PASSES = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 50)
"""Independent passes of a textbook loop; Bayesian SegNet takes 50."""

EVERY = 2
"""One test image of so many is taken: neighbours are a second apart and look alike."""

BLOCK, RESAMPLED = 5, 1000
"""Neighbouring images that are drawn together, and how often, for intervals over images."""

CHECKED, REFERENCE = 6, 2000
"""Images of which errors are checked, and the passes of the reference."""

FIXED = (10, 20, 40, 80, 160)
"""Passes at which errors are checked, with three seeds each."""

KEPT = (1.0, 0.5, 0.2, 0.1)
"""Shares of the pixels that are kept, the most certain first: confidence quantiles of 0, 50, 80 and 90 %."""

EDGES = ((0, 1), (1, 2), (2, 4), (4, 8), (8, np.inf))
"""Pixels from the nearest pixel of another class."""


# --- CamVid at 80 × 60, and networks ---------------------------------------------------------------------

DATA = Path(__file__).parents[2] / "shared" / "data" / "camvid_160x120.npz"

NAMES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
    *("pedestrian", "bicyclist"),
)
"""Classes in the order of the SegNet tutorial's files."""

VOID = len(NAMES)
"""Class number of pixels that do not count."""

REDUCED = 2
"""Pixels of the file that become one, along each side. 1 takes four times as long."""

WIDTHS, SEGNET_WIDTHS = (16, 32, 48, 64), (16, 64, 128, 128)
"""Channels of the four levels. SegNet is wider: half of them drop, and nothing goes past them."""

EPOCHS = {"segnet": 60, "unet": 30, "unet_each": 30}
BATCH, RATE = 8, 2e-3

CENTRAL = 2
"""The first of the levels that drop, from 0."""


class Part(NamedTuple):
    """Images of a part of the set: (N, 3, H, W) standardised, and (N, H, W) class numbers."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]


def load() -> dict[str, Part]:
    """The parts `train`, `val` and `test`; channels are standardised by those of the training images.

    Images are reduced by means of squares, labels by taking one pixel of each square.

    Raises:
        FileNotFoundError: The data are not there.
    """
    with np.load(DATA) as kept:
        scale = kept["x_train"].reshape(-1, 3)
        mean, spread = scale.mean(axis=0, dtype=np.float64), scale.std(axis=0, dtype=np.float64)
        found = {}
        for part in ("train", "val", "test"):
            count, height, width, channels = kept[f"x_{part}"].shape
            squares = (count, height // REDUCED, REDUCED, width // REDUCED, REDUCED, channels)
            x = kept[f"x_{part}"].reshape(squares).mean(axis=(2, 4), dtype=np.float32)
            x = np.moveaxis((x - mean) / spread, -1, 1)
            y = kept[f"y_{part}"][:, ::REDUCED, ::REDUCED].astype(np.int64)
            found[part] = Part(np.ascontiguousarray(x, dtype=np.float32), y)
    return found


def _conv(before: int, after: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class SegNet(nn.Module):
    """One convolution per level, as SegNet-Basic, and max-unpooling with the indices of the encoder."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        widths = SEGNET_WIDTHS
        before, after = (3, *widths[:-1]), (widths[0], *widths[:-1])
        self.encoders = nn.ModuleList(map(_conv, before, widths, (5, 3, 3, 3)))
        self.decoders = nn.ModuleList(map(_conv, widths, after, (3, 3, 3, 3)))
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.drop = nn.Dropout(rate)
        self.output = nn.Conv2d(widths[0], len(NAMES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 11, H, W) logits."""
        kept = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            kept.append(x.shape[2:])
            x, places = self.pool(x)
            kept[-1] = places, kept[-1]
            x = self.drop(x) if level >= CENTRAL else x
        for level in (3, 2, 1, 0):
            places, size = kept[level]
            x = self.decoders[level](self.unpool(x, places, output_size=size))
            x = self.drop(x) if level >= CENTRAL else x
        return self.output(x)


class UNet(nn.Module):
    """One convolution per level on the way down and up, with skips.

    Args:
        bottom: Dropout rate at the bottom.
        each: Dropout rate after every other encoder and every decoder; None for no such layers.
    """

    def __init__(self, bottom: float = 0.5, each: float | None = None) -> None:
        super().__init__()
        before, deep = (3, *WIDTHS[:-1]), WIDTHS[-1]
        self.encoders = nn.ModuleList(map(_conv, before, WIDTHS, (5, 3, 3, 3)))
        self.bottom, self.drop = _conv(deep, deep, 3), nn.Dropout2d(bottom)
        wide = (*WIDTHS[1:], deep)
        self.decoders = nn.ModuleList(_conv(sum(both), both[1], 3) for both in zip(wide, WIDTHS, strict=True))
        self.drops = nn.ModuleList(nn.Identity() if each is None else nn.Dropout2d(each) for _ in range(8))
        self.output = nn.Conv2d(WIDTHS[0], len(NAMES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 11, H, W) logits."""
        kept = []
        for level, encoder in enumerate(self.encoders):
            x = self.drops[level](encoder(x))
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.drop(self.bottom(x))
        for level in (3, 2, 1, 0):
            x = nn.functional.interpolate(x, size=kept[level].shape[2:])
            x = self.drops[4 + level](self.decoders[level](torch.cat([x, kept[level]], dim=1)))
        return self.output(x)


NETWORKS = {"segnet": SegNet, "unet": UNet, "unet_each": lambda: UNet(bottom=0.2, each=0.2)}


def weights(y: NDArray[np.int64]) -> Tensor:
    """(11,) median frequency over the frequency of each class, in the images where it is."""
    counts = np.array([np.bincount(each.reshape(-1), minlength=VOID + 1)[:VOID] for each in y])
    pixels = counts.sum(axis=1, keepdims=True)
    frequency = counts.sum(axis=0) / np.sum(pixels * (counts > 0), axis=0)
    return torch.from_numpy((np.median(frequency) / frequency).astype(np.float32))


def trained(name: str, folder: Path) -> nn.Module:
    """The network of this name, in eval mode: from the folder, or trained and put there."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    path = folder / f"{name}.pt"
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    train = load()["train"]
    x = torch.from_numpy(train.x).to(memory_format=torch.channels_last)
    y = torch.from_numpy(train.y)
    loss_of = nn.CrossEntropyLoss(weight=weights(train.y), ignore_index=VOID)
    epochs = EPOCHS[name]
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train().to(memory_format=torch.channels_last)
    for epoch in range(epochs):
        for some in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            rows, truth = x[some], y[some]
            if torch.rand(()) < 0.5:
                rows, truth = rows.flip(-1), truth.flip(-1)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(rows)
            loss = loss_of(logits.float(), truth)
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"{name}: epoch {epoch + 1} of {epochs}, loss {loss.item():.3f}", flush=True)
    torch.save(network.state_dict(), path)
    return network.eval()


OPTIONS: dict[str, Any] = {"outputs": "logits", "class_names": NAMES, "keep": "probabilities"}


# --- intervals and scores of images -------------------------------------------------------------------


def resampled(count: int) -> NDArray[np.int64]:
    """(S, N) numbers of images, in blocks of neighbours, drawn with replacement."""
    random, blocks = np.random.default_rng(0), -(-count // BLOCK)
    begins = random.integers(0, count, size=(RESAMPLED, blocks, 1))
    return ((begins + np.arange(BLOCK)) % count).reshape(RESAMPLED, -1)[:, :count]


def interval(values: Floats) -> list[float]:
    """Between which 95 % of the resampled values lie."""
    return [float(each) for each in np.nanquantile(values, (0.025, 0.975))]


def confusion(truth: NDArray[Any], label: NDArray[Any]) -> Floats:
    """(N, K, K) pixels of each true class (first) that got each label, void left out."""
    classes, found = len(NAMES), []
    for right, said in zip(truth, label, strict=True):
        counts = right != VOID
        pairs = right[counts] * classes + said[counts]
        found.append(np.bincount(pairs, minlength=classes**2).reshape(classes, classes))
    return np.array(found, dtype=np.float64)


def iou(counted: Floats) -> Floats:
    """(…, K) intersection over union of summed counts (…, K, K); NaN of a class that nobody has."""
    both = np.diagonal(counted, axis1=-2, axis2=-1)
    union = counted.sum(axis=-1) + counted.sum(axis=-2) - both
    return np.where(union > 0, both / np.where(union > 0, union, 1), np.nan)


def mean_iou(counted: Floats) -> float:
    """Of (N, K, K) counts of images, over classes."""
    return float(np.nanmean(iou(counted.sum(axis=0))))


def told_of(counted: Floats) -> dict[str, Any]:
    """Accuracy and mean IoU of (N, K, K) counts of images."""
    return {"accuracy": float(accuracy(counted.sum(axis=0))), "mean IoU": mean_iou(counted)}


def dice(counted: Floats) -> Floats:
    """(N,) mean Dice of the classes that are in an image."""
    both, there = np.diagonal(counted, axis1=1, axis2=2), counted.sum(axis=2)
    each = 2 * both / np.maximum(there + counted.sum(axis=1), 1)
    return np.array(np.sum(each * (there > 0), axis=1) / np.sum(there > 0, axis=1))


def accuracy(counted: Floats) -> Floats:
    """(…) share of the pixels that are right."""
    return np.array(np.trace(counted, axis1=-2, axis2=-1) / counted.sum(axis=(-2, -1)))


def of_class(values: NDArray[Any], label: NDArray[Any]) -> Floats:
    """(N,) mean over the classes in the map of labels of the mean of values where they are."""
    return np.array(
        [np.mean(ndimage.mean(each, said, np.unique(said))) for each, said in zip(values, label, strict=True)]
    )


def doubts(result: howsure.DenseCertainty) -> dict[str, Floats]:
    """Scores that may rank images, the most doubtful with the largest, from what a result holds."""
    unlikely, entropy = 1 - result.probability, result.entropy
    side = max(3, min(result.positions) // 6)
    smooth = ndimage.uniform_filter(entropy, size=(0, side, side), mode="nearest")
    within = (slice(None), slice(side // 2, -(side // 2)), slice(side // 2, -(side // 2)))
    across = np.sum(np.diff(result.label, axis=1) != 0, axis=(1, 2))
    along = np.sum(np.diff(result.label, axis=2) != 0, axis=(1, 2))
    found = {
        "mean entropy": entropy.mean(axis=(1, 2)),
        "share of coin flips": result.is_coin_flip.mean(axis=(1, 2)),
        "mean of 1 − probability": unlikely.mean(axis=(1, 2)),
        "mean of 1 − probability, over classes": of_class(unlikely, result.label),
        "mean entropy, over classes": of_class(entropy, result.label),
        "worst region": smooth[within].max(axis=(1, 2)),
        "entropy per length of edges": entropy.sum(axis=(1, 2)) / np.maximum(across + along, 1),
    }
    if result.passes[0] > 1:
        found["mean mutual information"] = result.mutual_information.mean(axis=(1, 2))
        found["1 − overlap, by share"] = 1 - np.nansum(result.overlap * result.share, axis=1)
        there = (result.share >= 1 / entropy[0].size) & np.isfinite(result.overlap)
        overlap = np.sum(np.where(there, result.overlap, 0), axis=1) / there.sum(axis=1)
        found["1 − overlap, over classes"] = 1 - overlap
    if result.all_probabilities is not None:
        found["1 − expected Dice"] = 1 - expected_dice(result.all_probabilities, result.label)
    return {name: np.asarray(each, np.float64) for name, each in found.items()}


def expected_dice(probabilities: NDArray[Any], label: NDArray[Any]) -> Floats:
    """(N,) mean over classes in the map of labels of 2 Σ p / (area + Σ of all p): Dice if p were true."""
    found = []
    for p, said in zip(probabilities, label, strict=True):
        there = np.unique(said)
        inside = np.array([p[said == k, k].sum() for k in there])
        area = np.array([np.sum(said == k) for k in there])
        found.append(np.mean(2 * inside / (area + p.reshape(-1, p.shape[-1]).sum(axis=0)[there])))
    return np.array(found)


def ranking(scores: dict[str, Floats], bad: Floats) -> Figures:
    """Of each score AURC, Spearman with the badness, and how far the AURC is from the first one's."""

    def areas(at: Any) -> dict[str, float]:
        return {name: area_under_risk(-each[at], bad[at])[0] for name, each in scores.items()}

    draws = [areas(at) for at in resampled(len(bad))]
    first, found = next(iter(scores)), {}
    for name, area in areas(slice(None)).items():
        found[name] = {
            "aurc": area,
            "beyond": interval(np.array([each[name] - each[first] for each in draws])),
            "spearman": float(np.corrcoef(rankdata(scores[name]), rankdata(bad))[0, 1]),
        }
    best = area_under_risk(-bad, bad)[0]
    return {"scores": found, "of an oracle": best, "of chance": float(bad.mean())}


# --- what is measured -----------------------------------------------------------------------------------


def plain(module: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H, W, K) probabilities of a plain forward pass."""
    with torch.no_grad():
        parts = [module(some).softmax(dim=1) for some in torch.from_numpy(x).split(16)]
    return np.moveaxis(torch.cat(parts).numpy(), 1, -1)


def by_passes(module: nn.Module, test: Part) -> Figures:
    """Weight averaging beside the mean of independent passes of a textbook loop."""
    torch.manual_seed(1)
    drops = [each for each in module.modules() if isinstance(each, (nn.Dropout, nn.Dropout2d))]
    known = {0: confusion(test.y, plain(module, test.x).argmax(axis=-1))}
    total: Any = 0
    for each in drops:
        each.train()
    for number in range(1, PASSES[-1] + 1):
        total = total + plain(module, test.x)
        if number in PASSES:
            known[number] = confusion(test.y, total.argmax(axis=-1))
    module.eval()
    draws, found = resampled(len(test.y)), {}
    for number, counted in known.items():
        gained = [mean_iou(counted[at]) - mean_iou(known[0][at]) for at in draws]
        found[str(number)] = told_of(counted) | {"gained": interval(np.array(gained))}
    return found


def kept(truth: NDArray[Any], label: NDArray[Any], doubt: NDArray[Any]) -> list[float]:
    """Accuracy of the most certain pixels of all images, for the shares in `KEPT`."""
    counts = truth != VOID
    order = np.argsort(doubt[counts], kind="stable")
    right = (truth == label)[counts][order]
    return [float(right[: round(share * len(right))].mean()) for share in KEPT]


def where(truth: NDArray[Any], result: howsure.DenseCertainty) -> Figures:
    """Doubt by the distance to the nearest edge between true classes, and by class."""
    far = np.stack([_from_edge(each) for each in truth])
    counts, right, mutual = truth != VOID, truth == result.label, result.mutual_information

    def told(there: NDArray[np.bool_], **more: Any) -> Figures:
        each = {"accuracy": right, "entropy": result.entropy, "mutual information": mutual}
        each["coin flips"] = result.is_coin_flip
        return {name: float(values[there].mean()) for name, values in each.items()} | more

    overlap = iou(confusion(truth, result.label).sum(axis=0))
    return {
        "edges": [
            told(counts & (far > low) & (far <= high), low=low, high=min(high, 99)) for low, high in EDGES
        ],
        "classes": [
            told(truth == k, share=float(np.sum(truth == k) / counts.sum()), IoU=float(overlap[k]))
            | {"class": name}
            for k, name in enumerate(NAMES)
        ],
    }


def _from_edge(truth: NDArray[Any]) -> Floats:
    """(H, W) distance from each pixel to the nearest one of another class."""
    far = np.zeros(truth.shape)
    for k in np.unique(truth):
        here = truth == k
        far[here] = ndimage.distance_transform_edt(here)[here]
    return far


def errors(module: nn.Module, test: Part) -> Figures:
    """Coverage of the errors of maps and shares, and what changes with the number of passes."""
    numbers = np.linspace(0, len(test.x) - 1, CHECKED).round().astype(int)
    x, truth = test.x[numbers], test.y[numbers]

    def run(seed: int, method: howsure.MCDropout) -> howsure.DenseCertainty:
        return howsure.assess(module, x, method=method, seed=seed, **OPTIONS)

    reference = run(1_000_003, howsure.MCDropout(passes=REFERENCE))
    found = {}
    methods = {str(passes): howsure.MCDropout(passes=passes) for passes in FIXED}
    methods["20, independent"] = howsure.MCDropout(passes=20, balanced=False)
    methods["default"] = howsure.MCDropout()
    for called, method in methods.items():
        each = [_beside(run(seed, method), reference, truth) for seed in (1, 2, 3)]
        found[called] = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    return found


def _beside(run: howsure.DenseCertainty, reference: howsure.DenseCertainty, truth: Any) -> Figures:
    """How far a run is from the reference, and what it says of that."""
    p, counts = run.probability, truth != VOID
    there = np.take_along_axis(reference.probabilities, run.label[..., None].astype(int), axis=-1)[..., 0]
    off, error = p - there, run.mc_error
    of_true = np.take_along_axis(run.probabilities, np.minimum(truth, VOID - 1)[..., None], axis=-1)[..., 0]
    large = reference.share >= 0.001
    missed = np.abs(run.share - reference.share)
    spread = np.abs(run.share_spread - reference.share_spread) <= 1.96 * run.share_spread_error
    known = np.asarray(run.settled) & (error <= Positions.usual_target)
    known = known.mean(axis=(1, 2))
    between = (there > 0.1) & (there < 0.9)
    covered = np.abs(off) <= 1.96 * error
    found = {
        "passes": run.passes.mean(),
        "unsettled": run.unsettled.mean(),
        "known": known.mean(),
        "done at 0.9": np.mean(known >= 0.9),
        "done at 0.95": np.mean(known >= 0.95),
        "off": np.sqrt(np.mean(off**2)),
        "said": np.sqrt(np.mean(error**2)),
        "map covers": covered.mean(),
        "map covers, 0.1 to 0.9": covered[between].mean(),
        "share covers": np.mean((missed <= 1.96 * run.share_error)[large]),
        "spread covers": spread[large].mean(),
        "label differs": np.mean(run.label != reference.label),
        "verdict differs": np.mean((run.verdict != reference.verdict)[np.asarray(run.settled)]),
        "accuracy": np.mean((run.label == truth)[counts]),
        "NLL": -np.mean(np.log(np.maximum(of_true[counts], 1e-12))),
    }
    return {name: float(each) for name, each in found.items()}


def measure(name: str) -> Figures:
    """All figures of one network."""
    test = Part(*(each[::EVERY] for each in load()["test"]))
    module = trained(name, FOLDER)
    found: Figures = {"by passes": by_passes(module, test)}
    result = howsure.assess(module, test.x, **OPTIONS)
    single = howsure.assess(module, test.x, method=howsure.PlainPrediction(), **OPTIONS)
    counted = confusion(test.y, result.label)
    found["assess"] = {
        "passes": float(result.passes.mean()),
        "unsettled": float(result.unsettled.mean()),
        **told_of(counted),
        "dice": float(dice(counted).mean()),
    }
    found["kept"] = {
        "1 − probability": kept(test.y, result.label, 1 - result.probability),
        "mutual information": kept(test.y, result.label, result.mutual_information),
        "plain 1 − probability": kept(test.y, single.label, 1 - single.probability),
    }
    found["where"] = where(test.y, result)
    scores = doubts(result) | {f"plain: {name}": each for name, each in doubts(single).items()}
    found["ranking"] = {
        "dice": ranking(scores, 1 - dice(counted)),
        "accuracy": ranking(scores, 1 - accuracy(counted)),
    }
    found["errors"] = errors(module, test)
    return found


# --- the page -------------------------------------------------------------------------------------------

CALLED = {"segnet": "Bayesian SegNet", "unet": "U-Net, bottom", "unet_each": "U-Net, each level"}


def parts(done: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    of, named = list(done.values()), [CALLED[name] for name in done]

    def heads(first: str, more: str) -> list[str]:
        return [first, *(f"{name}: {more}" for name in named)]

    by_passes = [
        ["weight averaging" if number == "0" else number]
        + [_scores(each["by passes"][number]) for each in of]
        for number in SHOWN
    ]
    by_passes.append(["`assess`", *(_scores(each["assess"]) for each in of)])
    edges = [
        [f"above {low}" if high >= 99 else f"above {low}, to {high}"]
        + [_doubt(_percent(1 - each["accuracy"]), each) for each in (one["where"]["edges"][at] for one in of)]
        for at, (low, high) in enumerate((edge["low"], edge["high"]) for edge in of[0]["where"]["edges"])
    ]

    def ranked(bad: str) -> list[list[str]]:
        rankings = [each["ranking"][bad] for each in of]
        told = [
            [f"{bad}: {score}", *(_ranked(each["scores"][score]) for each in rankings)] for score in RANKED
        ]
        for name in ("of an oracle", "of chance"):
            told.append([f"{bad}: {name}", *(_percent(each[name], 2) for each in rankings)])
        return told

    return {
        "claims": table(["claim, or question", *named], *_claims(of)),
        **_meaning(of),
        "by_passes": table(heads("passes", "accuracy, mean IoU, %"), *by_passes),
        "edges": table(heads("pixels to the edge", "wrong %, entropy, MI"), *edges),
        "ranked": table(heads("score", "AURC, Spearman"), *ranked("dice"), *ranked("accuracy")),
        **_defaults(of),
    }


def _scores(each: Figures) -> str:
    return f"{_percent(each['accuracy'])}, {_percent(each['mean IoU'])}"


def _doubt(first: str, each: Figures) -> str:
    return f"{first}, {each['entropy']:.2f}, {each['mutual information']:.3f}"


def _ranked(each: Figures) -> str:
    low, high = map(_percent, each["beyond"])
    return f"{_percent(each['aurc'], 2)} ({low} to {high}), {each['spearman']:.2f}".replace("-", "−")


def _gain(of: Figures, passes: str) -> float:
    return float(of["by passes"][passes]["mean IoU"] - of["by passes"]["0"]["mean IoU"])


def _claims(of: list[Figures]) -> list[list[str]]:
    """The first table: claims, and what is found here."""

    def gain(each: Figures) -> str:
        low, high = map(_percent, each["by passes"]["50"]["gained"])
        return f"{_percent(_gain(each, '50'))} ({low} to {high})"

    def better_from(each: Figures) -> str:
        """The fewest passes from which on the mean IoU is never below that of weight averaging."""
        numbers = list(each["by passes"])[1:]
        worse = [at for at, number in enumerate(numbers) if _gain(each, number) <= 0]
        return [*numbers, "never"][worse[-1] + 1 if worse else 0]

    def edge(each: Figures) -> str:
        near, far = each["where"]["edges"][0], each["where"]["edges"][-1]
        return f"{near['mutual information'] / far['mutual information']:.1f} ×"

    def rare(each: Figures) -> str:
        few, many = (
            np.mean(
                [
                    one["mutual information"]
                    for one in each["where"]["classes"]
                    if (one["share"] < RARE) == is_rare
                ]
            )
            for is_rare in (True, False)
        )
        return f"{few / many:.1f} ×"

    def most_certain(each: Figures) -> str:
        dropout, plain = (each["kept"][name][1] for name in ("1 − probability", "plain 1 − probability"))
        return f"{_percent(dropout)}, plain {_percent(plain)}"

    def ranks(each: Figures) -> str:
        scores = each["ranking"]["dice"]["scores"]
        return f"{_percent(scores[CHOSEN]['aurc'])}, plain {_percent(scores[f'plain: {CHOSEN}']['aurc'])}"

    claims: dict[str, Callable[[Figures], str]] = {
        "MC dropout adds to mean IoU, 50 passes, points": gain,
        "… and does so from how many passes on (published: 6)": better_from,
        "accuracy of the more certain half of the pixels, %": most_certain,
        "passes disagree more within a pixel of an edge than 8 pixels away, by": edge,
        f"… and in classes with less than {100 * RARE:.0f} % of the pixels, by": rare,
        "mean risk (1 − Dice) of images ranked by `result.doubt`, %": ranks,
        "… in an order by chance, %": lambda each: _percent(each["ranking"]["dice"]["of chance"]),
        "± 1.96 errors of the map cover": lambda each: (
            f"{_percent(each['errors']['default']['map covers'], 0)} %"
        ),
        "± 1.96 errors of the shares cover": lambda each: (
            f"{_percent(each['errors']['default']['share covers'], 0)} %"
        ),
        "passes per image by default": lambda each: f"{each['assess']['passes']:.0f}",
    }
    return [[claim, *map(cell, of)] for claim, cell in claims.items()]


def _meaning(of: list[Figures]) -> dict[str, object]:
    """What the first table comes to."""

    def chance(bad: str, score: str, sign: int) -> int:
        """On how many networks a score ranks images better (1) or worse (−1) than chance."""
        scores = (each["ranking"][bad] for each in of)
        return sum(sign * (each["of chance"] - each["scores"][score]["aurc"]) > 0 for each in scores)

    gaps = [
        each["ranking"][bad]["scores"][f"plain: {score}"]["aurc"]
        - each["ranking"][bad]["scores"][score]["aurc"]
        for each in of
        for bad in ("dice", "accuracy")
        for score in (CHOSEN, OVER_ALL)
    ]
    runs = [run for each in of for run in each["errors"].values()]
    return {
        "better": sum(each["by passes"]["50"]["gained"][0] > 0 for each in of),
        "most": _percent(max(_gain(each, "50") for each in of)),
        "gap": _percent(max(gaps)),
        "worse_by_dice": chance("dice", OVER_ALL, -1),
        "better_by_dice": chance("dice", CHOSEN, 1),
        "map_covers": shares([run["map covers"] for run in runs]),
        "share_covers": shares([run["share covers"] for run in runs]),
    }


def _defaults(of: list[Figures]) -> dict[str, object]:
    """What howsure's defaults rest on."""

    def moved(name: str) -> float:
        """The most that a figure changes from 80 to 160 passes."""
        return max(abs(each["errors"]["160"][name] - each["errors"]["80"][name]) for each in of)

    def needed(share: str) -> str:
        """How many passes images of each network take by a share of known pixels."""
        at = (each["errors"] for each in of)
        return ", ".join(f"{80 - 40 * each['40'][share] - 20 * each['20'][share]:.0f}" for each in at)

    worth = [
        20 * (each["errors"]["20, independent"]["off"] / each["errors"]["20"]["off"]) ** 2 for each in of
    ]
    return {
        "worth": f"{min(worth):.0f} to {max(worth):.0f}",
        "moved_accuracy": _percent(moved("accuracy"), 2),
        "moved_nll": f"{moved('NLL'):.4f}",
        "label_differs": _percent(max(each["errors"]["80"]["label differs"] for each in of)),
        "needed_at_90": needed("done at 0.9"),
        "needed_at_95": needed("done at 0.95"),
    }


RARE = 0.02
"""Share of the pixels below which a class is rare."""

CHOSEN, OVER_ALL = "mean of 1 − probability, over classes", "mean of 1 − probability"
"""The score that `DenseCertainty.doubt` is, and the same over all pixels."""

RANKED = (OVER_ALL, CHOSEN, f"plain: {CHOSEN}", "worst region", "mean mutual information")
"""Scores of images that the page shows; all are in the figures."""

SHOWN = ("0", "1", "6", "20", "50")
"""Numbers of passes that the page shows."""


def _percent(value: float, decimals: int = 1) -> str:
    return f"{100 * value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


if __name__ == "__main__":
    if "--page" not in sys.argv and not DATA.exists():
        sys.exit(f"CamVid was not run: there is no {DATA}.")
    FOLDER.mkdir(exist_ok=True)
    PAGE.look_at(NETWORKS, measure, parts)
