"""Every result keeps to what shared code expects of one, those of a kind from outside too."""

import numpy as np
import pytest

import howsure
from tests.conformance.test_methods import ONE_INPUT
from tests.support.arrays import ArrayModel, Dropout
from tests.support.cases import rows_of, two_layers
from tests.support.conformance import check_method, check_outcome, check_result
from tests.tasks.measures import Regression, known, linear, rows


@pytest.mark.parametrize(("end", "trained_for"), [("softmax", "classes"), ("sigmoid", "several labels")])
def test_results_of_howsure(end, trained_for):
    model = ArrayModel("network", ONE_INPUT, two_layers(Dropout(0.4), end), trained_for=trained_for)
    (x,) = rows_of((4,))
    check_result(howsure.assess(model, x))


def test_numbers_from_outside():
    raw = np.random.default_rng(0).normal(size=(5, 9, 2)).astype(np.float32)
    with known():
        check_outcome(Regression(("height", "weight")), raw)
        check_method(howsure.MCDropout(passes=20), linear(2), rows())
        check_method(howsure.Ensemble([linear(2, 1), linear(2, 2)]), linear(2), rows())
        check_result(howsure.assess(linear(2), rows()))


def test_a_result_of_a_kind_that_was_not_added():
    with pytest.raises(howsure.InputError, match="does not know answers of the kind 'measures'"):
        check_result(howsure.assess(linear(), rows(), outcome=Regression))
