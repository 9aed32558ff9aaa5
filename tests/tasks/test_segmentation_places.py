"""Where regions lie, and which slice of a volume is drawn."""

import numpy as np

from howsure.report.page import render
from howsure.tasks.segmentation.drawings import view_of
from tests.report.made import Page
from tests.tasks.maps import certainty_of

SURE, FLIP, OTHER = [0.9, 0.06, 0.04], [0.45, 0.4, 0.15], [0.2, 0.42, 0.38]


def result_of(flips, **given):
    """A result of rows (N, *P) with coin flips between the first two classes, or where 2 the last two."""
    p = np.array([SURE, FLIP, OTHER], np.float32)[flips]
    return certainty_of(p, **given)


def test_of_a_volume_the_slice_with_the_most_doubt_is_drawn():
    flips = np.zeros((1, 5, 6, 7), int)
    flips[0, 3, :4] = 1
    result = result_of(flips)
    view = view_of(np.asarray(result.entropy[0]))
    np.testing.assert_array_equal(view.of(flips[0]), flips[0, 3])
    assert view.said == "slice 3 of 0 to 4 along axis 0 is shown, the one with the most doubt"
    assert view.said in Page(render(result)).words
