"""A small U-Net with eleven units that are dropped, in any framework, and all of its 2,048 thinned networks.

x (4, 4, 3) ─ skip ─┬─ mean over 2 × 2 ─ bottom ─ drop 8 ─ repeated 2 × 2 ─┐
                    └──────────────────────────────────────────── beside ─┴─ mixed ─ drop 3 ─ logits
"""

import itertools
from functools import cache

import numpy as np

from tests.sampling.enumerated import entropy

SIDE, CHANNELS, CLASSES = 4, 3, 3
BOTTOM, LATE = (2, 2, 2), 3
RATES = (0.5, 0.25)
ROWS = 6


def weights(seed=0):
    """Kernels and biases of the layers `skip`, `bottom`, `mixed` and `logits`, each of one position."""
    random = np.random.default_rng(seed)
    sides = {"skip": (CHANNELS, 4), "bottom": (4, BOTTOM[-1]), "mixed": (6, LATE), "logits": (LATE, CLASSES)}
    scale = {"skip": 1.0, "bottom": 1.5, "mixed": 1.2, "logits": 2.0}
    return {
        name: (scale[name] * random.normal(size=side), 0.2 * random.normal(size=side[1]))
        for name, side in sides.items()
    }


def rows(seed=1):
    """(N, 4, 4, 3)."""
    return np.random.default_rng(seed).normal(size=(ROWS, SIDE, SIDE, CHANNELS)).astype(np.float32)


def forward(x, early, late, of=None):
    """(N, 4, 4, K) probabilities, with factors early (2, 2, 2) and late (3,) on what may be dropped."""
    of = weights() if of is None else of

    def layer(name, values):
        return values @ of[name][0] + of[name][1]

    skip = np.maximum(layer("skip", x.astype(float)), 0)
    pooled = skip.reshape(len(x), 2, 2, 2, 2, -1).mean(axis=(2, 4))
    bottom = np.maximum(layer("bottom", pooled), 0) * early
    beside = np.concatenate([skip, bottom.repeat(2, axis=1).repeat(2, axis=2)], axis=-1)
    logits = layer("logits", np.maximum(layer("mixed", beside), 0) * late)
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


@cache
def enumerated():
    """(M,) how probable each thinned network is, and (M, N, 4, 4, K) what it says."""
    bits = np.array(list(itertools.product([0, 1], repeat=8 + LATE)))
    rates = np.repeat(RATES, (8, LATE))
    probability = np.prod(np.where(bits, 1 - rates, rates), axis=1)
    factors = bits / (1 - rates)
    x = rows()
    said = [forward(x, each[:8].reshape(BOTTOM), each[8:]) for each in factors]
    return probability, np.array(said)


@cache
def truth():
    """Every field of a result, as sums over all thinned networks."""
    weight, p = enumerated()
    mean = np.tensordot(weight, p, 1)
    expected = np.tensordot(weight, entropy(p), 1)
    there = p.argmax(axis=-1)[..., None] == np.arange(CLASSES)
    shares = there.mean(axis=(2, 3))
    share = np.tensordot(weight, shares, 1)
    spread = np.sqrt(np.tensordot(weight, (shares - share) ** 2, 1))
    overlap = np.full((ROWS, CLASSES), np.nan)
    for row, k in itertools.product(range(ROWS), range(CLASSES)):
        maps = there[:, row, ..., k].reshape(len(there), -1).astype(float)
        both = maps.sum(axis=1)[:, None] + maps.sum(axis=1)
        pairs = np.outer(weight, weight) * (both > 0)
        if pairs.any():
            overlap[row, k] = np.sum(pairs * 2 * (maps @ maps.T) / np.maximum(both, 1)) / pairs.sum()
    return {
        "probabilities": mean,
        "entropy": entropy(mean),
        "expected_entropy": expected,
        "mutual_information": entropy(mean) - expected,
        "share": share,
        "share_spread": spread,
        "overlap": overlap,
        "shares": shares,
    }


def check(runs):
    """Whether the mean over runs of each field is the truth, within the error that their scatter shows."""
    exact = truth()
    for name in ("probabilities", "entropy", "expected_entropy", "share", "share_spread", "overlap"):
        found = np.array([getattr(run, name) for run in runs])
        known = np.isfinite(exact[name]) & np.isfinite(found).all(axis=0)
        assert known.mean() > 0.6, name
        error = found.std(axis=0, ddof=1) / np.sqrt(len(runs))
        # Student's t with 7 degrees of freedom: 7 is what 4 is for a normal variable. Spread and entropy of
        # so few units have a small bias of second order.
        bias = {"probabilities": 0.001, "expected_entropy": 0.001}.get(name, 0.01)
        assert np.all((np.abs(found.mean(axis=0) - exact[name]) <= 7 * error + bias)[known]), name
    off = [np.abs(run.share - exact["share"]) <= 1.96 * run.share_error for run in runs]
    assert np.mean(off) >= 0.85
    covered = []
    for run in runs:
        label = run.probabilities.argmax(axis=-1)
        np.testing.assert_array_equal(run.label, label)
        top = np.take_along_axis(run.probabilities, label[..., None], axis=-1)[..., 0]
        np.testing.assert_allclose(run.probability, top)
        off = np.take_along_axis(exact["probabilities"], label[..., None], axis=-1)[..., 0] - top
        covered.append(np.abs(off) <= 1.96 * run.mc_error)
        low, high = np.moveaxis(run.share_interval(0.9), -1, 0)
        assert np.all(low <= high)
    assert np.mean(covered) >= 0.85


def quantiles_hold(run):
    """Whether the share of thinned networks below each quantile is what its level says."""
    weight, shares = enumerated()[0], truth()["shares"]
    for at, level in ((4, 0.25), (6, 0.75)):
        quantile = run.share_quantiles[..., at]
        at_most = np.tensordot(weight, shares <= quantile + 1e-9, 1)
        below = np.tensordot(weight, shares < quantile - 1e-9, 1)
        assert np.all((below <= level + 0.1) & (level - 0.1 <= at_most))


NUMBERS = ("probability", "gap", "mc_error", "entropy", "expected_entropy")
OF_ROWS = ("share", "share_error", "share_spread", "undecided")
WORDS = ("label", "runner_up", "settled")


def check_graph(found, expected):
    """Whether a graph says what a result says; in these rows no two classes tie."""
    assert set(found) == {*NUMBERS, *OF_ROWS, *WORDS, "verdict"}
    for name in (*NUMBERS, *OF_ROWS):
        np.testing.assert_allclose(found[name], getattr(expected, name), atol=1e-5, err_msg=name)
    for name in WORDS:
        np.testing.assert_array_equal(found[name], getattr(expected, name), err_msg=name)
    verdicts = np.array(["sure", "leaning", "coin flip"])[found["verdict"]]
    np.testing.assert_array_equal(verdicts, expected.verdict)
    assert 0 < found["settled"].mean() < 1
    assert len(set(verdicts.reshape(-1))) == 3
