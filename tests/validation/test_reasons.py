"""Reasons are true in worlds whose true reason is known (all of them: python -m validation.reasons)."""

import numpy as np
import pytest

from howsure.compare.parts import CALIBRATION
from howsure.compare.reasons import SCALE
from validation.compare_numbers import is_too_often
from validation.reasons import look, truth_of

DRAWS = 25


def test_the_truth_of_a_world_is_what_its_methods_were_made_to_be():
    effects = truth_of("too sure by 2, 2 classes").effects
    assert effects["a", SCALE].value == pytest.approx(np.log(2), abs=0.02)
    assert effects["b", SCALE].sign == 0
    signs = {about: item.sign for (method, about), item in effects.items() if method == "b"}
    assert {about for about, sign in signs.items() if sign} == {CALIBRATION, "whole"}


def test_reasons_of_methods_that_are_alike_are_seldom_told():
    tally = look("numbers, alike", (100,), DRAWS)[100]
    false = {
        (about, sign): tally.counts[kind, about, sign, sure]
        for kind, about, sign, sure in tally.counts
        if kind == "false" and sure
    }
    for about in {about for about, _ in false}:
        wrong = sum(count for (name, _), count in false.items() if name == about)
        assert not is_too_often(wrong / DRAWS, DRAWS)


def test_a_true_reason_is_found():
    tally = look("numbers, too narrow by 0.6", (300,), DRAWS)[300]
    assert tally.counts["found", SCALE, 1, True] == DRAWS
    assert tally.counts["found", CALIBRATION, -1, True] == DRAWS
    assert tally.lead["right"] == tally.lead["told"] > DRAWS / 2
