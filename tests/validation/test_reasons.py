"""Reasons are true in worlds whose true reason is known (all of them: python -m validation.reasons)."""

import numpy as np
import pytest
from scipy.special import log_softmax

from howsure.compare.parts import CALIBRATION
from howsure.compare.reasons import SCALE, WHOLE
from validation.compare_numbers import is_too_often
from validation.reasons import PARTS, SURENESS, TAKEN, WORLDS, divided, effects_of, look, truth_of
from validation.reasons_of_models import COMPARISONS, judged

DRAWS = 20


@pytest.mark.parametrize(
    "name",
    [
        "only what else it could be",
        "balanced class weights",
        "exactly 0 % for what came true",
        "numbers, 0.8 too high",
    ],
)
def test_the_truth_of_a_world_is_what_its_methods_were_made_to_be(name):
    truth = truth_of(name)
    gaps = {
        part: truth.methods["b"].parts[part].mean() - truth.methods["a"].parts[part].mean() for part in PARTS
    }
    assert min(gaps, key=gaps.__getitem__) == WORLDS[name].cause
    assert gaps[WORLDS[name].cause] < 0.8 * sum(gaps.values()) < 0


def test_the_parts_of_a_loss_add_up_to_it():
    random = np.random.default_rng(1)
    logits, truth = 3 * random.normal(size=(500, 4)), random.integers(4, size=500)
    losses = -log_softmax(logits, axis=1)[np.arange(500), truth]
    assert np.sum([*divided(logits, truth).parts.values()], axis=0) == pytest.approx(losses)
    numbers, y = np.abs(random.normal(size=(500, 2))) + 0.1, random.normal(size=500)
    off = (y - numbers[:, 0]) / numbers[:, 1]
    losses = np.log(numbers[:, 1]) + (np.log(2 * np.pi) + off**2) / 2
    assert np.sum([*divided(numbers, y).parts.values()], axis=0) == pytest.approx(losses)


def test_methods_that_are_alike_differ_in_nothing():
    effects = effects_of(truth_of("numbers, alike"), "b", "", "a")
    assert {part for part, effect in effects.items() if effect.sign} == set()


def test_reasons_of_methods_that_are_alike_are_seldom_told():
    tally = look("numbers, alike", (200,), DRAWS)[200]
    assert tally.draws == DRAWS
    assert not [about for about, false in tally.false.items() if is_too_often(false / DRAWS, DRAWS)]


def test_a_true_reason_is_found():
    tally = look("numbers, too narrow by 0.6", (200,), DRAWS)[200]
    assert tally.told[SCALE] == tally.told[TAKEN] == DRAWS
    assert tally.told[CALIBRATION] >= 0.9 * DRAWS
    assert tally.counts["right"] >= 0.9 * tally.counts["causes"] > 0
    assert tally.counts["share"] == pytest.approx(tally.counts["causes"], rel=0.2)
    assert tally.counts["found"] >= 0.8 * tally.counts["t-test"]
    assert WHOLE not in tally.false
    assert {*tally.named} <= {CALIBRATION, SURENESS}


def test_what_models_tell_is_held_against_fresh_rows():
    found = judged(COMPARISONS["digits, naive Bayes"]())
    assert len(found["lead"]) == 6
    for line in ("true: LDA, whole below 0", "true: LDA, cause zeros"):
        assert any(statement.startswith(line) for statement in found["statements"])
