"""Files of earlier versions open, and say what they said: docs/stable.md promises it.

`python -m tests.test_saved_files` writes those of this version into tests/saved/VERSION/. They
stay as they are once that version is released.
"""

import importlib.metadata
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import howsure
from tests.examples import digit_reader

FOLDER = Path(__file__).parent / "saved"
VERSIONS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
ANSWERS = "answers.json"
KINDS = {
    "classes": howsure.Calibrator,
    "labels": howsure.MultilabelCalibrator,
    "numbers": howsure.RegressionCalibrator,
    "positions": howsure.DenseCalibrator,
}
"""Kinds of answers, with the class of their calibrators."""

ROWS, SHOWN, PASSES = 200, 10, 3
NAMES = ["cat", "dog", "emu"]


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def example(kind, random):
    """A result of each kind, with its true answers, and what `fit_rules` needs of it."""
    classes = random.integers(0, 3, (ROWS, 4, 4))
    logits = 3 * (classes[..., None] == np.arange(3)) + 2 * random.normal(size=(ROWS, 4, 4, 3))
    drawn = logits + random.normal(size=(PASSES, *logits.shape))
    one, yes = drawn[:, :, 0, 0], random.random((ROWS, 3)) < 0.5
    if kind == "classes":
        return howsure.Certainty.from_passes(softmax(one), NAMES), classes[:, 0, 0], {"risk": 0.3}
    if kind == "labels":
        sigmoids = 1 / (1 + np.exp(-(random.normal(size=one.shape) + 3 * (yes - 0.5))))
        return howsure.MultilabelCertainty.from_passes(sigmoids, NAMES), yes, {"risk": 0.8}
    if kind == "numbers":
        result = howsure.RegressionCertainty.from_samples(one, NAMES, noise=np.full((ROWS, 3), 1.0))
        return result, one.mean(0) + random.normal(size=(ROWS, 3)), {"risk": 0.8, "tolerance": 2.0}
    return howsure.DenseCertainty.from_passes(softmax(drawn), NAMES), classes, {"risk": 0.8, "tolerance": 0.5}


def write(folder):
    """Files of all kinds, and a file of what they say."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for kind in KINDS:
        result, truth, wishes = example(kind, np.random.default_rng(0))
        rules = howsure.fit_rules(result, truth, **wishes)
        watch = howsure.watch(rules)
        watch.update(rules(result[:SHOWN]), truth[:SHOWN])
        result[:SHOWN].save(folder / f"{kind}.parquet")
        howsure.calibrate(result, truth).save(folder / f"{kind}-calibrator.json")
        rules.save(folder / f"{kind}-rules.json")
        watch.save(folder / f"{kind}-watch.json")
    howsure.plan(digit_reader(), np.zeros((40, 28, 28)), seed=0).save(folder / "plan.json")
    (folder / ANSWERS).write_text(json.dumps(answers(folder)), encoding="utf-8")


def answers(folder):
    """By file, what it says: columns of its rows, or the rows as it changes them, or its settings."""
    found = {}
    for kind, calibrator in KINDS.items():
        result = howsure.load(folder / f"{kind}.parquet")
        found[kind] = columns(result, "label", "probabilities", "mean", "share", "mc_error", "entropy", "std")
        found[f"{kind}-calibrator"] = columns(
            calibrator.load(folder / f"{kind}-calibrator.json")(result), "probabilities", "probability", "std"
        )
        decided = howsure.load(folder / f"{kind}-rules.json")(result)
        found[f"{kind}-rules"] = columns(decided, "in_set", "low", "high", "hand_over")
        found[f"{kind}-watch"] = {"alarm": howsure.load(folder / f"{kind}-watch.json").alarm}
    found["plan"] = {"made_for": list(howsure.Plan.load(folder / "plan.json").made_for)}
    return found


def columns(result, *names):
    """Those of these columns that a result has, as lists."""
    each = {name: getattr(result, name) for name in names if result.has(name)}
    return {name: np.asarray(column).tolist() for name, column in each.items() if column is not None}


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_files_say_what_they_said(folder):
    said = json.loads((folder / ANSWERS).read_text(encoding="utf-8"))
    now = answers(folder)
    assert said.keys() <= now.keys()
    for file, before in said.items():
        for name, values in before.items():
            one, other = np.asarray(values), np.asarray(now[file][name])
            if one.dtype.kind == "f":
                np.testing.assert_allclose(other, one, rtol=1e-6, err_msg=f"{file}: {name}")
            else:
                np.testing.assert_array_equal(other, one, err_msg=f"{file}: {name}")


def test_there_are_files_of_this_version():
    assert importlib.metadata.version("howsure") in [folder.name for folder in VERSIONS]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    write(FOLDER / importlib.metadata.version("howsure"))
