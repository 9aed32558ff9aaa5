"""Maps of classes at positions as a model could give them, and true classes, without a model."""

import numpy as np

from howsure.statistics import entropy_of
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.verdict import top_two

NAMES = ("road", "car", "sky")


def drawn(rows=12, positions=(8, 6), names=NAMES, sharp=2.0, seed=0):
    """(N, *P, K) probabilities and (N, *P) true classes drawn from them; some images are harder."""
    random = np.random.default_rng(seed)
    hard = random.uniform(0.3, 2.0, size=(rows, *(1,) * len(positions), 1))
    p = np.exp(sharp * hard * random.normal(size=(rows, *positions, len(names))))
    p = (p / p.sum(-1, keepdims=True)).astype(np.float32)
    truth = (p.cumsum(-1) < random.random(p.shape[:-1])[..., None]).sum(-1)
    return p, np.minimum(truth, len(names) - 1)


def certainty_of(p, names=NAMES, *, keep=True, **given):
    """A result whose mean probabilities are p."""
    rows, classes = len(p), len(names)
    label, runner_up = top_two(p)
    top, second = (np.take_along_axis(p, each[..., None], -1)[..., 0] for each in (label, runner_up))
    share = np.stack([(label == k).reshape(rows, -1).mean(1) for k in range(classes)], axis=1)
    entropy = entropy_of(p.astype(np.float64))
    nothing = np.full((rows, classes), np.nan)
    made = dict(
        label=label.astype(np.int16),
        runner_up=runner_up.astype(np.int16),
        probability=top,
        gap=top - second,
        mc_error=np.zeros_like(top),
        entropy=entropy.astype(np.float32),
        expected_entropy=(0.9 * entropy).astype(np.float32),
        settled=np.ones(top.shape, dtype=bool),
        share=share,
        share_error=np.zeros_like(share),
        share_spread=nothing,
        share_spread_error=nothing,
        share_quantiles=np.repeat(nothing[..., None], 11, axis=-1),
        overlap=nothing,
        passes=np.full(rows, 10),
        class_names=names,
        row=np.arange(rows),
        all_probabilities=p if keep else None,
        all_errors=np.zeros_like(p) if keep else None,
        kind="image",
    )
    return DenseCertainty(**(made | given))
