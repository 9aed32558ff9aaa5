"""Several labels at each position: one at a time, from a model of this label alone."""

import numpy as np
import pytest

import howsure
from tests.pixels_of_more import of_labels

ROWS = np.random.default_rng(0).normal(size=(5, 8, 6, 5)).astype(np.float32)
METHOD = howsure.MCDropout(passes=20)


def test_several_labels_are_refused_with_what_to_do():
    with pytest.raises(howsure.ModelError, match=r"has 3 labels at each position.*module\(x\)\[:, k"):
        howsure.assess(of_labels(), ROWS)
    assert "has 3 labels at each position" in str(howsure.audit(of_labels()))


def test_one_sigmoid_is_a_label_without_a_choice():
    declared = howsure.assess(of_labels([0]), ROWS, method=METHOD, outputs="label-probabilities")
    plain = howsure.assess(of_labels([0]), ROWS, method=METHOD)
    np.testing.assert_array_equal(declared.probability, plain.probability)
    assert (declared.class_names, plain.class_names) == (("not 0", "0"), ("0", "1"))
