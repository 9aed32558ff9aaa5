"""Bayesian SegNet's claims, howsure's defaults at positions, and which score ranks images; on CamVid.

    python -m validation.segmentation            some minutes per network on a free core
    python -m validation.segmentation segnet     this network

With `--page` the page alone. Figures of what was not run stay in docs/segmentation-study.json. Trained
networks go to `howsure-segmentation` in the folder of temporary files; delete it to train anew. The data are
not part of this repository: they are read from ../shared/data.

Intervals are over images, in blocks of `BLOCK` neighbours, as the test images are two drives.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata
from torch import nn

import howsure
from benchmarks.docs import Page
from howsure.answers.positions.outcome import Positions
from howsure.judge.scores import area_under_risk
from validation import camvid, segmentation_page
from validation.camvid import NAMES, NETWORKS, VOID

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


def by_passes(module: nn.Module, test: camvid.Part) -> Figures:
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


def errors(module: nn.Module, test: camvid.Part) -> Figures:
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
    test = camvid.Part(*(each[::EVERY] for each in camvid.load()["test"]))
    module = camvid.trained(name, FOLDER)
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


if __name__ == "__main__":
    if "--page" not in sys.argv and not camvid.DATA.exists():
        sys.exit(f"CamVid was not run: there is no {camvid.DATA}.")
    FOLDER.mkdir(exist_ok=True)
    PAGE.look_at(NETWORKS, measure, segmentation_page.parts)
