"""The graph of an estimator says what its plain prediction says, and takes rules as other graphs do."""

import numpy as np
import pytest

import howsure

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")

from sklearn.datasets import load_breast_cancer, load_diabetes  # noqa: E402
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

from tests.graphs import metadata, run  # noqa: E402


def _boosters():
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    pytest.importorskip("onnxmltools", reason="onnxmltools is not installed")
    return lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1)


CLASSIFIERS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "boosters": _boosters,
}
REGRESSORS = {
    "linear": LinearRegression,
    "forest": lambda: RandomForestRegressor(20, random_state=0),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier(name):
    x, y = load_breast_cancer(return_X_y=True)
    model = CLASSIFIERS[name]().fit(x[:200], y[:200])
    exported = howsure.export(model, "plain.onnx", x=x[:200])
    assert (exported.passes, exported.cost, exported.plan) == (1, 1.0, None)
    assert str(exported).startswith("'plain.onnx': the plain prediction in ")
    result, expected = (howsure.assess(*pair) for pair in (("plain.onnx", x), (model, x)))
    plain = howsure.assess(model, x, method=howsure.PlainPrediction())
    np.testing.assert_allclose(result.probabilities, plain.probabilities, atol=1e-5)
    assert (result.mc_error == 0).all()
    assert result.settled.all()
    assert result.method["name"] != expected.method["name"]
    assert str(result[0]) == str(plain[0])
    rules = howsure.fit_rules(result[200:400], y[200:400], risk=0.2)
    howsure.export("plain.onnx", "decided.onnx", rules=rules, x=x[400:])
    outputs, decided = (
        run("decided.onnx", x[400:].astype(np.float32)),
        howsure.assess("decided.onnx", x[400:]),
    )
    for column in ("in_set", "hand_over"):
        assert np.mean(outputs[column] != getattr(decided, column)) <= 0.01
    with pytest.raises(howsure.InputError, match="another origin"):
        rules(plain)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor(name):
    x, y = load_diabetes(return_X_y=True)
    model = REGRESSORS[name]().fit(x[:150], y[:150])
    howsure.export(model, "plain.onnx", x=x[:150])
    result = howsure.assess("plain.onnx", x)
    np.testing.assert_allclose(result.mean[:, 0], model.predict(x), rtol=1e-5)
    assert result.spread is None
    assert np.isnan(result.std).all()
    rules = howsure.fit_rules(result[150:350], y[150:350], risk=0.4, tolerance=100.0)
    howsure.export("plain.onnx", "decided.onnx", rules=rules, x=x[350:])
    outputs, decided = (
        run("decided.onnx", x[350:].astype(np.float32)),
        howsure.assess("decided.onnx", x[350:]),
    )
    for column in ("low", "high", "std"):
        np.testing.assert_allclose(outputs[column], getattr(decided, column), rtol=1e-4)
    assert (outputs["hand_over"] == decided.hand_over).all()


def test_columns_are_taken_by_name():
    data = load_breast_cancer(as_frame=True)
    x, y = data.data, data.target
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    howsure.export(model, "plain.onnx", x=x)
    turned = howsure.assess("plain.onnx", x[x.columns[::-1]].assign(id=np.arange(len(x))))
    np.testing.assert_allclose(turned.probabilities, model.predict_proba(x), atol=1e-5)
    assert x.columns[3] in metadata("plain.onnx")["columns"]
    x.assign(y=y).to_csv("rows.csv", index=False)
    np.testing.assert_allclose(howsure.assess("plain.onnx", "rows.csv").probabilities, turned.probabilities)
    with pytest.raises(howsure.InputError, match="no column 'mean radius' for the model"):
        howsure.assess("plain.onnx", x.drop(columns="mean radius"))


def test_what_has_no_graph_is_refused():
    words = np.array([["a"], ["b"]] * 30)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(words, [0, 1] * 30)
    with pytest.raises(howsure.ModelError, match="takes words"):
        howsure.export(model, "plain.onnx", x=words)
    x, y = load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(3, random_state=0).fit(x, y)
    with pytest.raises(howsure.InputError, match=r"has no passes.*Received: target_error="):
        howsure.export(forest, "plain.onnx", x=x, target_error=0.1)
