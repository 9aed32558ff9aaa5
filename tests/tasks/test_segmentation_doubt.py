"""The score that ranks rows with a class at each position."""

import numpy as np

from howsure.tasks.segmentation.result import DenseCertainty

NAMES = ("road", "car", "sky")


def result(label, probability):
    """A result with these maps (N, H, W), and nothing else of interest."""
    label, probability = np.array(label, np.int16), np.array(probability, np.float32)
    rows, nothing = len(label), np.zeros_like(probability)
    wide = np.zeros((rows, len(NAMES)))
    return DenseCertainty(
        label=label,
        runner_up=(label + 1) % len(NAMES),
        probability=probability,
        gap=nothing,
        mc_error=nothing,
        entropy=nothing,
        expected_entropy=nothing,
        settled=nothing == 0,
        share=wide,
        share_error=wide,
        share_spread=wide,
        share_spread_error=wide,
        share_quantiles=np.zeros((*wide.shape, 11)),
        overlap=wide,
        passes=np.full(rows, 10),
        class_names=NAMES,
        row=np.arange(rows),
    )


def test_doubt_is_the_mean_of_the_classes_that_are_found():
    random = np.random.default_rng(0)
    label, p = random.integers(0, 3, (4, 5, 6)), random.uniform(0.4, 1, (4, 5, 6)).astype(np.float32)
    label[1] = 2
    expected = [
        np.mean([np.mean(1 - p[row][label[row] == k]) for k in np.unique(label[row])]) for row in range(4)
    ]
    np.testing.assert_allclose(result(label, p).doubt, expected, rtol=1e-6)
