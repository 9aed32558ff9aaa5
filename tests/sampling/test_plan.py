import contextlib
import dataclasses
from types import SimpleNamespace

import pytest

from howsure import InputError
from howsure.adapters.fingerprint import described
from howsure.adapters.protocol import BFLOAT16, Level
from howsure.errors import FileError
from howsure.random_ops import RandomOp
from howsure.sampling.design import design_of
from howsure.sampling.error import EarlyError
from howsure.sampling.plan import Plan, Spent

RANDOM_OPS = (RandomOp(0, "a", "dropout", 0.2, (6, 6, 8)), RandomOp(1, "b", "dropout", 0.25, (16,)))
LEVELS = (Level((), 0.1, 1), Level(RANDOM_OPS[:1], 0.899, 1), Level(RANDOM_OPS[1:], 0.001, 1))


def made():
    design = design_of((1, 64), LEVELS)
    error = EarlyError(
        ((0.1, 0.2, 0.3),) * 4, ((1e-300, 7.0, 0.0),) * 4, ((0.3, 0.4),) * 4, ((1 / 3, 1e-17),) * 4
    )
    design = dataclasses.replace(design, one=error, group=error)
    return Plan(design, (0.3, 0.7), BFLOAT16, described(LEVELS), Spent(12_800, 1_160.25), "0123456789" * 6)


def model(levels):
    return SimpleNamespace(levels=levels)


@pytest.mark.parametrize("plan", [made(), Plan()])
def test_a_saved_plan_comes_back_equal(plan, tmp_path):
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


def test_a_plan_fits_the_model_it_was_made_for_whatever_its_layers_are_called():
    renamed = [
        dataclasses.replace(
            level, random_ops=tuple(dataclasses.replace(op, name=f"{op.name}_7") for op in level.random_ops)
        )
        for level in LEVELS
    ]
    made().check_fits(model(renamed))
    Plan().check_fits(model(LEVELS))


@pytest.mark.parametrize(
    "levels",
    [
        LEVELS[:2],
        (LEVELS[0], Level(RANDOM_OPS, 0.9, 1)),
        (LEVELS[0], Level((dataclasses.replace(RANDOM_OPS[0], rate=0.5),), 0.9, 1), LEVELS[2]),
        (LEVELS[0], Level((dataclasses.replace(RANDOM_OPS[0], shape=(6, 6, 4)),), 0.9, 1), LEVELS[2]),
        LEVELS[:1],
    ],
)
def test_a_plan_for_another_model_is_refused(levels):
    with pytest.raises(InputError, match="made for another model") as caught:
        made().check_fits(model(levels))
    assert "drops 20 % of 6 × 6 × 8 at level 1; drops 25 % of 16 at level 2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a saved plan"),
        ('{"format": 6}', "format that this version"),
        ('{"format": 7}', "not a saved plan"),
    ],
)
def test_a_file_that_is_no_plan_is_said_to_be_none(text, words, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(FileError, match=words):
        Plan.load(tmp_path / "plan.json")


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(FileError, match="Cannot read the plan"):
        Plan.load(tmp_path / "nowhere.json")
    with pytest.raises(FileError, match="Cannot write"):
        made().save(tmp_path / "nowhere" / "plan.json")


def test_the_change_of_any_bit_of_a_saved_plan_is_found_or_changes_nothing(tmp_path):
    plan, path = made(), tmp_path / "plan.json"
    plan.save(path)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 61):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with contextlib.suppress(FileError):
            assert Plan.load(path) == plan
