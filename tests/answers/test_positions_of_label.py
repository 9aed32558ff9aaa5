"""Several labels at each position: the map of one label is that of a network with this label alone."""

import re

import numpy as np
import pytest

import howsure
from tests.pixels_of_more import LABELS, of_labels
from tests.scale.conftest import run

NAMES = ("core", "oedema", "enhancing")
ROWS = np.random.default_rng(0).normal(size=(5, 8, 6, 5)).astype(np.float32)
METHOD = howsure.MCDropout(passes=20)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_map_of_a_label_is_that_of_a_network_with_this_label_alone(place):
    found = howsure.assess(of_labels(), ROWS, method=METHOD, class_names=NAMES, of_label=NAMES[place])
    by_place = howsure.assess(of_labels(), ROWS, method=METHOD, of_label=place)
    expected = howsure.assess(of_labels([place]), ROWS, method=METHOD)
    assert found.class_names == (f"not {NAMES[place]}", NAMES[place])
    for name, array in expected._arrays.items():
        np.testing.assert_allclose(getattr(found, name), array, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(getattr(by_place, name), getattr(found, name))
    assert 0 < found.label.mean() < 1


def test_labels_may_overlap_and_are_judged_one_by_one():
    truth = np.random.default_rng(1).random((5, 8, 6)) < 0.5
    results = {
        name: howsure.assess(of_labels(), ROWS, method=METHOD, class_names=NAMES, of_label=name)
        for name in NAMES
    }
    assert (sum(each.label for each in results.values()) > 1).any()
    evaluation = howsure.evaluate(results["core"].with_truth(truth))
    assert set(evaluation.dice) == {"not core", "core"}


@pytest.mark.parametrize("names", [None, NAMES])
def test_the_step_that_a_refusal_offers_works_as_it_is_written(names):
    model = of_labels()
    with pytest.raises(howsure.ModelError, match="has 3 labels at each position") as caught:
        howsure.assess(model, ROWS, class_names=names)
    offered = re.search(r"of_label=(?:'(\w+)'|(\d+)) ", str(caught.value))
    given = offered[1] or int(offered[2])
    assert howsure.assess(model, ROWS, method=METHOD, class_names=names, of_label=given).label.shape == (
        5,
        8,
        6,
    )


def test_tiles_passes_plans_and_audits_know_the_label():
    given = {"method": METHOD, "of_label": 1}
    whole = howsure.assess(of_labels(), ROWS, **given)
    passes = howsure.passes(of_labels(), ROWS, 20, balanced=True, of_label=1)
    assert passes.shape == (20, 5, 8, 6, 2)
    top = np.take_along_axis(passes.mean(axis=0), whole.label[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(top, whole.probability, atol=1e-5)
    assert howsure.plan(of_labels(), ROWS, of_label=2) == howsure.Plan()
    said = str(howsure.audit(of_labels()))
    assert "is read as 3 labels at each position, on axis 3: yes or no for each" in said


def test_comparisons_know_the_label(tmp_path):
    truth = np.random.default_rng(1).random((5, 8, 6)) < 0.5
    methods = {"softmax": howsure.Softmax(), "MC dropout": METHOD}
    given = {"class_names": NAMES, "of_label": "oedema"}
    comparison = howsure.compare(of_labels(), ROWS, truth, methods=methods, shifts={}, **given)
    found = howsure.assess(of_labels(), ROWS, method=METHOD, keep="probabilities", **given)
    own = howsure.evaluate(found, truth)
    assert comparison.score("MC dropout", "nll").value == pytest.approx(own.nll.value, rel=1e-9)
    assert comparison.score("MC dropout", "row_dice").value == pytest.approx(own.row_dice.value, rel=1e-9)
    np.savez(tmp_path / "x.npz", x=ROWS, y=truth.astype(int))
    command = ("compare", LABELS, tmp_path / "x.npz", "--class-names", ",".join(NAMES))
    ran = run(*command, "--set", "of_label=oedema")
    assert ran.exit_code == 0, ran.stderr
    assert f"Dice of its rows is {100 * comparison.score('softmax', 'row_dice').value:.0f}" in " ".join(
        ran.stdout.split()
    )
    assert run(*command).exit_code == 2


def test_one_sigmoid_is_a_label_without_a_choice():
    declared = howsure.assess(of_labels([0]), ROWS, method=METHOD, outputs="label-probabilities")
    plain = howsure.assess(of_labels([0]), ROWS, method=METHOD)
    np.testing.assert_array_equal(declared.probability, plain.probability)
    assert (declared.class_names, plain.class_names) == (("not 0", "0"), ("0", "1"))
