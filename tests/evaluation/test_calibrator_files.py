"""A calibrator that was saved and read again does what it did, and what is damaged is refused."""

import json

import numpy as np
import pytest

import howsure
from howsure import (
    Calibrator,
    Certainty,
    DenseCertainty,
    MultilabelCalibrator,
    MultilabelCertainty,
    RegressionCertainty,
)
from howsure.evaluation import calibrator_files as files
from howsure.evaluation.calibrator_files import read_calibrator
from howsure.inputs.typed_json import digest
from tests import formats

KEPT = [file for file in sorted(formats.folder().glob("*.json")) if files.KIND in file.read_text()]
"""Calibrators of all kinds, as they are saved."""

RANDOM = np.random.default_rng(0)
P = RANDOM.dirichlet([1, 1, 1], size=120)
TRUTH = np.array([RANDOM.choice(3, p=p) for p in P**0.5 / np.sum(P**0.5, axis=1, keepdims=True)])
LABELLED = Certainty.from_probabilities(P, ["a", "b", "c"])


@pytest.fixture(scope="module")
def calibrator():
    return howsure.calibrate(LABELLED, TRUTH, method="temperature")


def test_what_was_saved_does_the_same(calibrator, tmp_path):
    calibrator.save(tmp_path / "calibrator.json")
    again = Calibrator.load(tmp_path / "calibrator.json")
    np.testing.assert_array_equal(again(LABELLED).probabilities, calibrator(LABELLED).probabilities)
    assert again.in_words() == calibrator.in_words()
    assert repr(again) == repr(calibrator)
    assert (again.helps, again.rows, again.warnings) == (calibrator.helps, 120, calibrator.warnings)
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "calibrator.json").read_text()


def test_a_temperature_is_in_the_file_for_others_to_read(calibrator, tmp_path):
    calibrator.save(tmp_path / "calibrator.json")
    content = json.loads((tmp_path / "calibrator.json").read_text())
    assert content["parameters"]["temperature"] == float(calibrator.parameters["temperature"])
    assert (content["kind"], content["format"]) == ("howsure calibrator", 3)


def test_every_kind_of_answer_has_a_calibrator_of_an_earlier_version():
    answers = {json.loads(file.read_text())["answer"] for file in KEPT}
    assert answers == {"classes", "labels", "numbers", "positions"}


ROWS = {
    "classes": Certainty.from_passes([[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]]] * 2, ["a", "b", "c"]),
    "labels": MultilabelCertainty.from_passes([[[0.9, 0.4]]] * 2, ["rain", "wind"]),
    "numbers": RegressionCertainty.from_samples([[[1.0, 5.0]], [[1.5, 5.5]], [[2.0, 7.0]]], ["price", "age"]),
}
SAID = {
    name: [str(row) for row in read_calibrator(file)(ROWS[name])]
    for file in KEPT
    if (name := file.stem) in ROWS
}


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_calibrator_of_an_earlier_version_does_what_its_numbers_say(file):
    content, calibrator = json.loads(file.read_text()), read_calibrator(file)

    def mapped(p, temperature=1.0, offsets=0.0, most=1.0):
        q = np.exp(np.log(p) / temperature + np.array(offsets))
        q, classes = q / q.sum(axis=-1, keepdims=True), p.shape[-1]
        even = (1 - most) / (classes - 1)
        return (1 - classes * even) * q + even

    if file.stem == "classes":
        actual, p = calibrator(ROWS["classes"]).probabilities, ROWS["classes"].probabilities
        np.testing.assert_allclose(actual, mapped(p, **content["parameters"]), rtol=1e-6)
    elif file.stem == "labels":
        actual, p = calibrator(ROWS["labels"]).probabilities, ROWS["labels"].probabilities
        for k, each in enumerate(content["of_label"].values()):
            expected = mapped(np.stack([1 - p[:, k], p[:, k]], axis=1), **each["parameters"])
            np.testing.assert_allclose(actual[:, k], expected[:, 1], rtol=1e-6)
    elif file.stem == "positions":
        maps = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]]]])
        rows = DenseCertainty.from_passes(np.stack([maps, maps]), content["class_names"])
        expected = mapped(maps, content["scores"]["temperature"][0])
        np.testing.assert_allclose(calibrator(rows).all_probabilities, expected, rtol=1e-5)
    else:
        rows = ROWS["numbers"]
        actual = calibrator(rows)
        for k, name in enumerate(content["target_names"]):
            assert content["learnt"] == "noise"
            expected = np.hypot(rows.spread[0, k], content["values"][name][0])
            assert actual.std[0, k] == pytest.approx(expected, rel=1e-6)


def test_the_scores_of_labelled_rows_are_not_in_the_file(calibrator, tmp_path):
    calibrator.save(tmp_path / "calibrator.json")
    with pytest.raises(howsure.InputError, match=r"does not have the scores .* `in_words\(\)`"):
        _ = Calibrator.load(tmp_path / "calibrator.json").differences


def test_several_labels(tmp_path):
    p = RANDOM.uniform(size=(100, 2))
    given = MultilabelCertainty.from_probabilities(p, ["rain", "wind"])
    calibrator = howsure.calibrate(given, RANDOM.uniform(size=p.shape) < p)
    calibrator.save(tmp_path / "calibrator.json")
    again = MultilabelCalibrator.load(tmp_path / "calibrator.json")
    np.testing.assert_array_equal(again(given).probabilities, calibrator(given).probabilities)
    assert again.in_words() == calibrator.in_words()
    with pytest.raises(howsure.FileError, match=r"another kind of calibrator\. Expected: a Calibrator"):
        Calibrator.load(tmp_path / "calibrator.json")


def changed(content, **values):
    return json.dumps({**json.loads(content), **values})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: "", "is not a saved calibrator"),
        (lambda text: "{}", "is not a saved calibrator"),
        (lambda text: "[]", "is not a saved calibrator"),
        (lambda text: text[:-40], "is not a saved calibrator"),
        (lambda text: text.replace('"rows": 120', '"rows": 121'), "it is not what was saved"),
        (lambda text: changed(text, method="other"), "it is not what was saved"),
        (lambda text: changed(text, kind="plan"), "it is something else"),
        (lambda text: changed(text, format=1), "format that this version of howsure does not know"),
    ],
)
def test_what_is_damaged_is_refused(damage, said, calibrator, tmp_path):
    path = tmp_path / "calibrator.json"
    calibrator.save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(howsure.FileError, match=said):
        read_calibrator(path)


@pytest.mark.parametrize(
    "parameters",
    [
        {"most": 0.9},
        {"temperature": 2.0},
        {"temperature": [1, 2], "most": 0.9},
    ],
)
def test_parameters_that_fit_no_map_are_refused(parameters, calibrator, tmp_path):
    path = tmp_path / "calibrator.json"
    calibrator.save(path)
    rewrite(path, parameters=parameters)
    with pytest.raises(howsure.FileError, match="is not a saved calibrator"):
        read_calibrator(path)


def rewrite(path, **values):
    """Change what is in a file, so that it looks as if it had been saved like that."""
    content = {**json.loads(path.read_text()), **values}
    del content["sha256"]
    path.write_text(json.dumps({**content, "sha256": digest(content)}))


def test_a_method_that_howsure_does_not_have_is_refused(calibrator, tmp_path):
    path = tmp_path / "calibrator.json"
    calibrator.save(path)
    rewrite(path, method="isotonic")
    with pytest.raises(howsure.FileError, match=r"`method` cannot be used.*'isotonic'"):
        read_calibrator(path)


def test_a_file_that_is_missing_or_cannot_be_written_is_an_error_of_files(calibrator, tmp_path):
    with pytest.raises(howsure.FileError, match="Cannot read the calibrator"):
        Calibrator.load(tmp_path / "none.json")
    with pytest.raises(howsure.FileError):
        calibrator.save(tmp_path / "none" / "c.json")
