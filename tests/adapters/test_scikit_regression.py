"""Regressors of scikit-learn against what they say themselves."""

import copy
import functools

import numpy as np
import pytest
from scipy import stats
from sklearn import (
    cluster,
    compose,
    dummy,
    ensemble,
    gaussian_process,
    linear_model,
    model_selection,
    multioutput,
    neighbors,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

import howsure
from howsure.adapters.resolve import adapt
from tests.support.conformance import check_adapter, check_method

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
Y = 1e5 + 100 * X[:, 0] + np.sin(X[:, 1]) + RANDOM.normal(size=60)  # single precision has too few digits
BOTH = np.stack([Y, X[:, 1]], axis=1)
LINE, TREE = linear_model.LinearRegression(), tree.DecisionTreeRegressor(max_depth=3)


def forest(kind=ensemble.RandomForestRegressor, **settings):
    return kind(n_estimators=7, random_state=0, **settings)


def transformed(regressor, **how):
    return compose.TransformedTargetRegressor(regressor, **how)


KERNEL = 100 * RBF(2.0) + WhiteKernel(0.5)
AVERAGING = {
    "forest": forest(),
    "extra trees of two targets": forest(ensemble.ExtraTreesRegressor, bootstrap=True),
    "bagging": ensemble.BaggingRegressor(n_estimators=5, random_state=0),
    "bagging of some columns": ensemble.BaggingRegressor(LINE, 5, max_features=2, random_state=0),
    "bagging of two targets": ensemble.BaggingRegressor(n_estimators=5, random_state=0),
    "vote": ensemble.VotingRegressor([("a", LINE), ("b", TREE)]),
    "pipeline": pipeline.make_pipeline(preprocessing.StandardScaler(), forest()),
    "search": model_selection.GridSearchCV(forest(), {"max_depth": [2, 3]}, cv=2),
    "scaled targets": transformed(forest(), transformer=preprocessing.StandardScaler()),
}
NOT_AVERAGING = {
    "line": LINE,
    "tree": TREE,
    "neighbours": neighbors.KNeighborsRegressor(),
    "boosting": ensemble.AdaBoostRegressor(n_estimators=3),
    "gradient boosting": ensemble.GradientBoostingRegressor(n_estimators=3),
    "stacking": ensemble.StackingRegressor([("a", LINE), ("b", TREE)], cv=2),
    "weighted vote": ensemble.VotingRegressor([("a", LINE), ("b", TREE)], weights=[1, 3]),
    "one for each of two targets": multioutput.MultiOutputRegressor(LINE),
    "chain of two targets": multioutput.RegressorChain(LINE),
    "logarithms of targets": transformed(forest(), func=np.log, inverse_func=np.exp),
    "dummy": dummy.DummyRegressor(),
}
REGRESSORS = AVERAGING | NOT_AVERAGING


@functools.cache
def fitted(name):
    return copy.deepcopy(REGRESSORS[name]).fit(X, BOTH if "two targets" in name else Y)


def numbers(model, x=X):
    return model.predict(x).reshape(len(x), -1)


@pytest.mark.parametrize("name", REGRESSORS)
def test_the_mean_is_what_it_predicts(name):
    model = fitted(name)
    result = howsure.assess(model, X)
    np.testing.assert_allclose(result.mean, numbers(model), rtol=1e-12)
    assert result.target_names == (("0", "1") if "two targets" in name else ("value",))
    assert np.isnan(result.noise).all()
    with pytest.raises(howsure.InputError, match="There is no interval for a new answer"):
        result.prediction_interval(0.9)
    if name in AVERAGING:
        assert result.method["name"] == "members"
    else:
        assert result.method["name"] == "plain prediction"
        assert result.spread is None
        assert not result.mc_error.any()
        assert set(result.passes) == {1}


@pytest.mark.parametrize(
    ("name", "trees"),
    [
        ("forest", lambda model: model.estimators_),
        ("bagging", lambda model: model.estimators_),
        ("vote", lambda model: model.estimators_),
    ],
)
def test_spread_is_that_of_the_members(name, trees):
    model = fitted(name)
    result = howsure.assess(model, X)
    predictions = np.array([member.predict(X) for member in trees(model)])
    np.testing.assert_allclose(result.spread[:, 0], predictions.std(axis=0), rtol=1e-9, atol=1e-9)
    assert set(result.passes) == {len(predictions)}
    assert not result.spread_error.any()
    if name == "vote":
        assert not result.mc_error.any()
    else:
        wider = stats.t.ppf(0.975, len(predictions) - 1) / stats.norm.ppf(0.975)
        error = wider * predictions.std(axis=0, ddof=1) / np.sqrt(len(predictions))
        np.testing.assert_allclose(result.mc_error[:, 0], error, rtol=1e-3, atol=1e-9)


def test_scaled_targets_have_the_members_of_the_regressor():
    model = fitted("scaled targets")
    inner, scale = model.regressor_, model.transformer_.scale_
    predictions = np.array([member.predict(X) for member in inner.estimators_])
    np.testing.assert_allclose(
        howsure.assess(model, X).spread[:, 0], predictions.std(axis=0) * scale, atol=1e-9
    )


# --- a standard deviation of its own ------------------------------------------------------------------

WITH_STD = {
    "process": gaussian_process.GaussianProcessRegressor(KERNEL, optimizer=None),
    "Bayesian ridge": linear_model.BayesianRidge(),
    "ARD": linear_model.ARDRegression(),
    "pipeline": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.BayesianRidge()),
    "search": model_selection.GridSearchCV(linear_model.BayesianRidge(), {"tol": [1e-3]}, cv=2),
}


@pytest.mark.parametrize("name", WITH_STD)
def test_a_standard_deviation_of_its_own_is_not_used_and_a_warning_says_how(name):
    model = copy.deepcopy(WITH_STD[name]).fit(X, Y)
    for method in (None, howsure.PlainPrediction()):
        with pytest.warns(
            howsure.HowsureWarning, match=r"also tells a standard deviation.*from_mean_std"
        ) as warned:
            result = howsure.assess(model, X[:20], method=method)
        np.testing.assert_allclose(result.mean, numbers(model, X[:20]), rtol=1e-12)
        assert result.spread is None
        assert np.isnan(result.std).all()
        call = str(warned[0].message).partition("mean, std = ")[2].partition(", and then")[0]
        mean, std = eval(call, {"model": model, "x": X[:20]})
        np.testing.assert_array_equal(mean, numbers(model, X[:20])[:, 0])
        assert (std > 0).all()
    refused = pytest.raises(howsure.ModelError, match=r"members.*method=howsure.PlainPrediction\(\)")
    with refused, pytest.warns(howsure.HowsureWarning, match="standard deviation"):
        howsure.assess(model, X, method=howsure.Members())


# --- the seam ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forest", "line", "one for each of two targets"])
def test_promises_hold(name):
    model = fitted(name)
    check_adapter(lambda: adapt(model, X)[0], [X])
    if name not in AVERAGING:
        check_method(howsure.PlainPrediction(), adapt(model, X)[0], X)


def test_it_is_left_as_found_and_blocks_are_alike():
    model = copy.deepcopy(fitted("forest"))
    before = {key: repr(value) for key, value in vars(model).items()}
    whole = howsure.assess(model, X)
    np.testing.assert_array_equal(howsure.assess(model, X[5:6]).mean, whole.mean[5:6])
    assert {key: repr(value) for key, value in vars(model).items()} == before


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (forest(), "RandomForestRegressor has not been fitted"),
        (gaussian_process.GaussianProcessRegressor(), "GaussianProcessRegressor has not been fitted"),
        (pipeline.make_pipeline(LINE), "Pipeline has not been fitted"),
        ([LINE, LINE], r"howsure.Comparison.of_results.*howsure.Ensemble"),
        (linear_model.Ridge, "Pass a trained one, not the class Ridge"),
        (cluster.KMeans(2, n_init=1).fit(X), "A clustering or a transformer cannot be assessed"),
        (svm.SVC().fit(X, Y > 1e5), "CalibratedClassifierCV"),
    ],
)
def test_what_gives_no_numbers_is_refused(model, message):
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(model, X)


def test_what_cannot_be_had_is_refused_with_what_can():
    with pytest.raises(howsure.ModelError, match=r"Its members are passes: method=howsure.Members\(\)"):
        howsure.assess(fitted("forest"), X, method=howsure.MCDropout())
    with pytest.raises(howsure.ModelError, match=r"method=howsure.PlainPrediction\(\)"):
        howsure.assess(fitted("line"), X, method=howsure.MCDropout())
    with pytest.raises(howsure.InputError, match="does not say how many numbers it predicts"):
        howsure.assess(fitted("line"), X[:0])
    with pytest.raises(howsure.InputError, match="NaN, infinite or missing values in row 3"):
        howsure.assess(fitted("line"), np.where(np.arange(60)[:, None] == 3, np.nan, X))


# --- what it was fitted for -------------------------------------------------------------------------------


class Boosted:
    """A regressor of LightGBM, XGBoost or CatBoost, as far as it is asked."""

    _estimator_type = "regressor"

    def __init__(self, weights, variance=None, **params):
        self.weights, self.variance, self.params = np.array(weights), variance, params

    def get_params(self, deep=True):
        return dict(self.params)

    def predict(self, x):
        values = x @ self.weights
        return values if self.variance is None else np.stack([values, 0 * values + self.variance], axis=1)


ONE, TWO = [1.0, 2.0, 3.0], [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]
QUANTILES = {
    "QuantileRegressor": (linear_model.QuantileRegressor(quantile=0.9), "0.9"),
    "boosting": (ensemble.GradientBoostingRegressor(loss="quantile", alpha=0.2, n_estimators=3), "0.2"),
    "histograms": (
        ensemble.HistGradientBoostingRegressor(loss="quantile", quantile=0.8, max_iter=3),
        "0.8",
    ),
    "a pipeline": (pipeline.make_pipeline(linear_model.QuantileRegressor(quantile=0.9)), "0.9"),
    "scaled": (
        transformed(linear_model.QuantileRegressor(quantile=0.9), transformer=preprocessing.StandardScaler()),
        "0.9",
    ),
    "bagging": (ensemble.BaggingRegressor(linear_model.QuantileRegressor(quantile=0.9), 3), "0.9"),
    "LightGBM": (Boosted(ONE, objective="quantile", alpha=0.95, reg_alpha=0.0), "0.95"),
    "XGBoost": (Boosted(ONE, objective="reg:quantileerror", quantile_alpha=0.1), "0.1"),
    "XGBoost of several": (
        Boosted(TWO, objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.9])),
        "0.1, 0.9",
    ),
    "XGBoost from a file": (Boosted(ONE, objective="reg:quantileerror", quantile_alpha=None), "unknown"),
    "CatBoost": (Boosted(ONE, loss_function="Quantile:alpha=0.9"), "0.9"),
    "quantile-forest": (Boosted(TWO, criterion="squared_error", default_quantiles=[0.1, 0.9]), "0.1, 0.9"),
}
MEANS = {
    "the median": linear_model.QuantileRegressor(),
    "histograms": ensemble.HistGradientBoostingRegressor(max_iter=3),
    "LightGBM's median": Boosted(ONE, objective="quantile", alpha=0.5),
    "XGBoost": Boosted(ONE, objective="reg:squarederror", quantile_alpha=None),
    "XGBoost's own loss": Boosted(ONE, objective=lambda y, values: (values - y, 1 + 0 * y)),
    "the median of quantile-forest": Boosted(ONE, default_quantiles=None),
    "CatBoost's median": Boosted(ONE, loss_function="Quantile"),
    "two numbers": Boosted(TWO, loss_function="MultiRMSE"),
}


def trained(model):
    return model.fit(X, Y) if hasattr(model, "fit") else model


@pytest.mark.parametrize("name", QUANTILES)
def test_a_quantile_is_no_mean_until_somebody_says_so(name):
    model, level = QUANTILES[name]
    model = trained(model)
    with pytest.raises(howsure.ModelError, match=rf"for quantiles.* of (an )?{level}.*outputs='values'"):
        howsure.assess(model, X)
    result = howsure.assess(model, X, outputs="values")
    np.testing.assert_allclose(result.mean, model.predict(X).reshape(len(X), -1))


def test_levels_side_by_side_are_read_where_they_are_those_of_the_fit():
    model, _ = QUANTILES["XGBoost of several"]
    with pytest.warns(howsure.HowsureWarning, match="Quantiles cross"):
        result = howsure.assess(model, X, outputs="quantiles", levels=(0.1, 0.9))
    np.testing.assert_array_equal(result.answer_quantiles[:, 0], np.sort(model.predict(X), axis=-1))
    with pytest.raises(howsure.InputError, match=r"fitted for other levels. Expected: levels=\(0.1, 0.9\)"):
        howsure.assess(model, X, outputs="quantiles", levels=(0.05, 0.95))
    with pytest.raises(howsure.ModelError, match="a quantile for each of 2 levels"):
        howsure.assess(QUANTILES["LightGBM"][0], X, outputs="quantiles", levels=(0.05, 0.95))
    variances = Boosted(ONE, 4.0, loss_function="RMSEWithUncertainty")
    with pytest.raises(howsure.ModelError, match="a quantile for each of 2 levels"):
        howsure.assess(variances, X, outputs="quantiles", levels=(0.05, 0.95))


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_or_a_median_is_read_as_it_is(name):
    model = trained(MEANS[name])
    np.testing.assert_array_equal(howsure.assess(model, X).mean, model.predict(X).reshape(len(X), -1))


def test_a_mean_and_its_variance_are_read_as_that():
    model = Boosted(ONE, 4.0, loss_function="RMSEWithUncertainty")
    for outputs in (None, "mean-variance", "values"):
        result = howsure.assess(model, X, outputs=outputs)
        np.testing.assert_array_equal(result.mean[:, 0], X @ ONE)
        np.testing.assert_array_equal(result.std, np.full((60, 1), 2.0))
        assert result.noise_from == "the model"
    scaled = Boosted(ONE, 4.0)
    scaled.regressor_, scaled.transformer_ = model, preprocessing.StandardScaler()
    with pytest.raises(howsure.ModelError, match=r"means and variances.*leaves open"):
        howsure.assess(scaled, X)


@pytest.mark.parametrize("outputs", ["logits", "probabilities", "label-logits", "label-probabilities"])
def test_a_regressor_has_no_classes_whatever_is_said(outputs):
    model = trained(ensemble.HistGradientBoostingRegressor(max_iter=3))
    with pytest.raises(howsure.InputError, match=r"predicts numbers and no classes.*outputs='values'"):
        howsure.assess(model, X, outputs=outputs)
    assert howsure.assess(model, X, outputs="values").mean.shape == (60, 1)
