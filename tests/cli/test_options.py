"""What a caller may wish in Python is an option of the command line as well."""

import numpy as np
import pytest

import howsure
from tests.commands import run
from tests.scale.conftest import MODEL
from validation import small_network

LIMITS = ("--set", "sure=0.8", "--set", "coin_flip=0.05")
THRESHOLDS = howsure.Thresholds(0.8, 0.05)


@pytest.fixture
def data(tmp_path):
    x = small_network.rows(40)
    np.savez(tmp_path / "rows.npz", x=x, y=np.arange(40) % small_network.CLASSES)
    return tmp_path / "rows.npz"


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
def test_thresholds_of_what_is_assessed(data, tmp_path, out):
    done = run("assess", MODEL, data, "--out", tmp_path / out, *LIMITS)
    assert done.exit_code == 0, done.stderr
    assert howsure.load(tmp_path / out).thresholds == THRESHOLDS


def test_thresholds_that_cannot_be_are_refused_before_work_begins(tmp_path, data):
    done = run("assess", MODEL, data, "--out", tmp_path / "t.parquet", "--set", "sure=0.4")
    assert done.exit_code == 2
    assert "The threshold for 'sure' is out of range" in done.stderr


def test_thresholds_of_probabilities_from_elsewhere(tmp_path):
    np.save(tmp_path / "p.npy", [[0.85, 0.15], [0.53, 0.47]])
    page = ("--report", tmp_path / "page.html")
    usual = run("report", tmp_path / "p.npy", *page)
    assert "sure of none of 2 rows. It leans towards an answer on 1" in " ".join(usual.stdout.split())
    limited = run("report", tmp_path / "p.npy", *page, *LIMITS)
    assert "sure of 1 of 2 rows. It leans towards an answer on 1" in " ".join(limited.stdout.split())
    howsure.Certainty.from_probabilities(np.load(tmp_path / "p.npy")).save(tmp_path / "saved.parquet")
    saved = run("report", tmp_path / "saved.parquet", *page, *LIMITS)
    assert saved.exit_code == 2
    assert "Received: thresholds" in saved.stderr


def test_members_of_a_classifier_alone_are_an_ensemble_too(tmp_path):
    joblib, linear_model = pytest.importorskip("joblib"), pytest.importorskip("sklearn.linear_model")
    x = np.random.default_rng(0).normal(size=(60, 4))
    probabilities = []
    for number in (0, 1):
        model = linear_model.LogisticRegression().fit(x[number::2], np.arange(30) % 3)
        joblib.dump(model, tmp_path / f"{number}.joblib")
        probabilities.append(model.predict_proba(x))
    np.save(tmp_path / "x.npy", x)
    arguments = (
        "assess",
        tmp_path / "0.joblib",
        tmp_path / "x.npy",
        "--allow-code",
        "--out",
        tmp_path / "t.parquet",
    )
    done = run(*arguments, "--set", f"members={tmp_path / '1.joblib'}")
    assert done.exit_code == 0, done.stderr
    ensemble = howsure.load(tmp_path / "t.parquet").probabilities
    np.testing.assert_allclose(ensemble, np.mean(probabilities, axis=0), atol=1e-6)
