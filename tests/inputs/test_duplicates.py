"""The same thing given twice is said, and what chance or saturation makes equal is not."""

import warnings

import numpy as np
import pytest

import howsure
from howsure import Certainty, HowsureWarning, MultilabelCertainty, RegressionCertainty
from howsure.inputs.duplicates import first_twice, mark_of

P = np.random.default_rng(0).dirichlet([1, 1, 1], size=(6, 20))
MAKE = {
    "classes": Certainty.from_passes,
    "classes one by one": lambda p: Certainty.from_passes(iter(p)),
    "labels": MultilabelCertainty.from_passes,
    "numbers": RegressionCertainty.from_samples,
}


def test_marks_tell_content_shape_and_type():
    a = np.arange(6.0)
    others = (a[::-1], a.reshape(2, 3), a.astype(np.float32), np.array(list("abcdef"), dtype=object))
    assert len({mark_of(each) for each in (a, a.copy(), *others)}) == 5
    assert first_twice("abcb") == (1, 3)
    assert first_twice("abc") is None
    assert first_twice("abcb", lambda one, other: False) is None


@pytest.mark.parametrize("kind", MAKE)
def test_the_same_pass_twice(kind):
    with pytest.warns(HowsureWarning, match="2 and 6 are the same in every row.*They count twice"):
        MAKE[kind]([*P, P[2]])
    with pytest.warns(HowsureWarning, match="0 and 6 are the same in every row.*They count twice"):
        MAKE[kind]([*P, *P])


@pytest.mark.parametrize("kind", MAKE)
def test_passes_of_which_none_varies(kind):
    with pytest.warns(HowsureWarning, match="All 3 (passes|samples) are the same in every row"):
        MAKE[kind](P[[0, 0, 0]])


@pytest.mark.parametrize(
    "passes", [np.stack([np.eye(3)] * 4), P[[0, 1, 1, 2, 2, 2, 3]], np.round(P, 2)[[0, 1, 1]], P[[0, 0]], P]
)
def test_passes_that_are_equal_by_chance_are_not_said(passes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Certainty.from_passes(passes)


def test_the_same_method_twice_in_a_comparison():
    from tests.test_passes import rows_of, two_layers

    (x,) = rows_of((4,), rows=12)
    methods = {"a": howsure.MCDropout(passes=4), "b": howsure.Softmax(), "c": howsure.MCDropout(passes=4)}
    with pytest.warns(HowsureWarning, match="'a' and 'c' are the same method"):
        howsure.compare(two_layers(), x, np.arange(12) % 3, methods=methods, calibrated=False)
