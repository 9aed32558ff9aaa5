"""Classifiers of scikit-learn against what they say themselves."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn import (
    calibration,
    cluster,
    compose,
    datasets,
    ensemble,
    feature_extraction,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    pipeline,
    preprocessing,
    svm,
    tree,
)

import howsure
from howsure.adapters.resolve import adapt
from howsure.compare.findings import findings, lead
from howsure.report.page import render
from howsure.tasks.printed import summary_of
from tests.support.conformance import check_adapter, check_method

X, Y = datasets.load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
X = X + np.random.default_rng(0).normal(0, 0.5, X.shape)  # not quite as easy
LOGISTIC = linear_model.LogisticRegression(max_iter=5000)


def forest(**settings):
    return ensemble.RandomForestClassifier(n_estimators=15, random_state=0, **settings)


AVERAGING = {
    "forest": forest(),
    "forest of small trees": forest(max_depth=2),
    "extra trees": ensemble.ExtraTreesClassifier(n_estimators=12, random_state=0),
    "bagging": ensemble.BaggingClassifier(n_estimators=8, random_state=0),
    "bagging of some columns": ensemble.BaggingClassifier(LOGISTIC, 8, max_features=0.5, random_state=0),
    "bagging of few rows": ensemble.BaggingClassifier(n_estimators=9, max_samples=2, random_state=3),
    "soft vote": ensemble.VotingClassifier([("a", LOGISTIC), ("b", forest())], voting="soft"),
    "pipeline": pipeline.make_pipeline(preprocessing.StandardScaler(), forest()),
    "search": model_selection.GridSearchCV(forest(), {"max_depth": [2, 3]}, cv=2),
}
NOT_AVERAGING = {
    "logistic regression": LOGISTIC,
    "tree": tree.DecisionTreeClassifier(max_depth=3),
    "naive Bayes": naive_bayes.GaussianNB(),
    "boosting": ensemble.AdaBoostClassifier(n_estimators=5),
    "histogram boosting": ensemble.HistGradientBoostingClassifier(max_iter=5),
    "weighted vote": ensemble.VotingClassifier(
        [("a", LOGISTIC), ("b", forest())], voting="soft", weights=[1, 3]
    ),
    "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    "bagging of voters": ensemble.BaggingClassifier(svm.LinearSVC(), 3, random_state=0),
    "forest of one tree": ensemble.RandomForestClassifier(n_estimators=1),
}
CLASSIFIERS = AVERAGING | NOT_AVERAGING


@pytest.fixture(scope="module")
def fitted():
    return {name: model.fit(X, NAMES[Y]) for name, model in CLASSIFIERS.items()}


def adapted(model, x=X):
    return adapt(model, x)[0]


# --- the seam ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_keeps_to_its_protocols(name, fitted):
    wanted = ("Model", "MemberModel") if name in AVERAGING else ("Model",)
    assert check_adapter(lambda: adapted(fitted[name]), [X[::10]]) == wanted


@pytest.mark.parametrize("name", ["forest", "soft vote", "logistic regression"])
def test_methods_keep_to_their_seam(name, fitted):
    method = howsure.Members() if name in AVERAGING else howsure.PlainPrediction()
    check_method(method, fitted[name], X[::7])
    check_method(howsure.Softmax(), fitted[name], X[::7])
    check_method(howsure.Ensemble([fitted["naive Bayes"]]), fitted[name], X[::7])


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_probabilities_are_those_of_predict_proba(name, fitted):
    result = howsure.assess(fitted[name], X)
    np.testing.assert_allclose(result.probabilities, fitted[name].predict_proba(X), atol=2e-7)
    assert result.class_names == tuple(NAMES)
    assert result.method["name"] == ("members" if name in AVERAGING else "plain prediction")
    assert set(result.passes) == ({1} if name in NOT_AVERAGING else {adapted(fitted[name]).members})


def test_the_passes_of_a_forest_are_its_trees(fitted):
    model = fitted["forest of small trees"]
    trees = np.stack([tree.predict_proba(X) for tree in model.estimators_])
    result = howsure.assess(model, X)
    np.testing.assert_allclose(result.expected_entropy, stats.entropy(trees, axis=-1).mean(axis=0), atol=1e-6)
    error = stats.sem(trees, axis=0) * stats.t.ppf(0.975, 14) / stats.norm.ppf(0.975)
    np.testing.assert_allclose(result.mc_error, np.maximum(error, 0.0005), atol=1e-7)
    entropy = stats.entropy(trees.mean(axis=0), axis=-1) + result.entropy_correction
    wanted = np.minimum(entropy, np.log(3)) - result.expected_entropy
    np.testing.assert_allclose(result.mutual_information, np.maximum(wanted, 0), atol=1e-6)


def test_the_error_of_a_forest_covers_one_with_very_many_trees():
    many = ensemble.ExtraTreesClassifier(n_estimators=1600, max_depth=3, random_state=1).fit(X, Y)
    truth, covered = many.predict_proba(X), []
    seen = (truth > 0.1) & (truth < 0.9)  # beyond, few trees are too skewed for a symmetric interval
    few = copy.copy(many)
    for start in range(0, 1600, 40):
        few.estimators_ = many.estimators_[start : start + 40]
        result = howsure.assess(few, X)
        covered.append(np.mean((np.abs(result.probabilities - truth) <= 1.96 * result.mc_error)[seen]))
    # Rows of one forest share its trees, so forests are what is independent here.
    assert abs(np.mean(covered) - 0.95) <= 3 * np.std(covered, ddof=1) / np.sqrt(len(covered))


def test_the_spread_of_a_forest_is_that_of_its_trees(fitted):
    model = fitted["forest of small trees"]
    trees = np.stack([tree.predict_proba(X) for tree in model.estimators_])
    result = howsure.assess(model, X)
    np.testing.assert_allclose(result.spread, trees.std(axis=0), atol=1e-7)
    top = np.sort(np.take_along_axis(trees, result.label[None, :, None], axis=-1)[..., 0], axis=0)
    ends = result.interval(0.8)  # of 15 trees all but one at either end
    np.testing.assert_allclose(ends, top[[1, 13]].T, atol=1e-7)
    assert "most members say " in " ".join(row.explain() for row in result).lower()


def test_blocks_and_batches_do_not_change_a_forest(fitted, monkeypatch):
    whole = howsure.assess(fitted["forest"], X)
    monkeypatch.setattr(howsure.tuning, "BLOCK", 64)
    monkeypatch.setattr(howsure.tuning, "LARGEST_FOLD", 1000)
    parts = howsure.assess(fitted["forest"], X, batch_size=7)
    np.testing.assert_array_equal(parts.probabilities, whole.probabilities)
    np.testing.assert_array_equal(parts.mc_error, whole.mc_error)


# --- rows as people have them -----------------------------------------------------------------


def named(**more):
    frame = pd.DataFrame(X, columns=["length", "width", "petal", "leaf"])
    return frame.assign(**more)


def test_the_columns_of_a_frame_are_taken_by_name():
    frame = named()
    model = forest().fit(frame, Y)
    expected = model.predict_proba(frame)
    for rows in (frame, frame[["leaf", "petal", "width", "length"]], named(extra="text")):
        np.testing.assert_allclose(howsure.assess(model, rows).probabilities, expected, atol=1e-7)
    with pytest.raises(
        howsure.InputError, match="no columns 'leaf', on which RandomForestClassifier was fit"
    ):
        howsure.assess(model, frame[["length", "width", "petal"]])


def test_names_with_underscores_for_blanks_are_the_same():
    frame = named().rename(columns={"leaf": "leaf (cm)"})
    model = forest().fit(X, Y)

    class LikeLightGBM:
        feature_names_in_ = np.array(["length", "width", "petal", "leaf_(cm)"])
        n_features_in_, classes_ = 4, model.classes_

        def predict_proba(self, x):
            assert list(x.columns) == list(frame.columns)
            return model.predict_proba(x.to_numpy())

    result = howsure.assess(LikeLightGBM(), frame[["leaf (cm)", "length", "width", "petal"]])
    np.testing.assert_allclose(result.probabilities, model.predict_proba(X), atol=1e-7)


def test_a_frame_for_a_classifier_without_names_is_taken_in_its_order():
    model = forest().fit(X, Y)
    result = howsure.assess(model, named())
    np.testing.assert_allclose(result.probabilities, model.predict_proba(X), atol=1e-7)
    with pytest.raises(howsure.InputError, match=r"Expected: 4 columns\. Received: 5 columns: 'length'"):
        howsure.assess(model, named(extra=1))


def test_rows_without_names_for_a_classifier_with_names_are_warned_of_once():
    model = forest().fit(named(), Y)
    with pytest.warns(howsure.HowsureWarning, match="fitted on columns with names") as warned:
        result = howsure.assess(model, X)
    assert len(warned) == 1
    np.testing.assert_allclose(result.probabilities, model.predict_proba(named()), atol=1e-7)


def test_gaps_in_a_frame_are_named_unless_the_classifier_knows_gaps():
    frame = named()
    model = pipeline.make_pipeline(preprocessing.StandardScaler(), naive_bayes.GaussianNB()).fit(frame, Y)
    frame.loc[[70, 90], "leaf"] = np.nan
    with pytest.raises(howsure.InputError, match="missing values in 2 rows: 70, 90"):
        howsure.assess(model, frame)


def test_ids_and_labels_of_a_frame_stay_with_its_rows():
    model = forest().fit(named(), NAMES[Y])
    result = howsure.assess(model, named(id=[f"plant {n}" for n in range(150)], y=NAMES[Y]))
    assert result[3].called == "id plant 3"
    np.testing.assert_array_equal(result.truth, Y)


def test_the_columns_of_a_file_are_taken_by_name(tmp_path):
    frame = named(colour=np.where(Y == 1, "red", "blue"))
    first = compose.make_column_transformer(
        (preprocessing.OneHotEncoder(), ["colour"]), remainder="passthrough"
    )
    model = pipeline.make_pipeline(first, forest()).fit(frame, Y)
    frame[["leaf", "colour", "petal", "width", "length"]].assign(
        id=[f"{n:03}" for n in range(150)], y=Y
    ).to_csv(tmp_path / "rows.csv", index=False)
    result = howsure.assess(model, tmp_path / "rows.csv")
    np.testing.assert_allclose(result.probabilities, model.predict_proba(frame), atol=1e-7)
    assert list(result.ids[:2]) == ["000", "001"]
    np.testing.assert_array_equal(result.truth, Y)
    with pytest.raises(howsure.FileError):
        howsure.assess(model, tmp_path / "none.csv")


def test_a_pipeline_gets_texts():
    texts = np.array(["good film", "bad film", "great", "awful bad"] * 5)
    model = pipeline.make_pipeline(feature_extraction.text.CountVectorizer(), naive_bayes.MultinomialNB())
    model.fit(texts, np.array([True, False] * 10))
    for rows in (texts, list(texts), pd.Series(texts)):
        result = howsure.assess(model, rows)
        np.testing.assert_allclose(result.probabilities, model.predict_proba(texts), atol=1e-7)
    assert result.class_names == ("False", "True")


def test_sparse_rows_stay_sparse():
    rows = sparse.csr_matrix(np.round(np.abs(X)))
    for model in (naive_bayes.MultinomialNB(), forest(), ensemble.BaggingClassifier(n_estimators=3)):
        result = howsure.assess(model.fit(rows, Y), rows.tocoo())
        np.testing.assert_allclose(result.probabilities, model.predict_proba(rows), atol=1e-7)
    with pytest.raises(howsure.InputError, match=r"Expected: 4 columns\. Received: 3 columns"):
        howsure.assess(model, rows[:, :3])


def test_rows_may_have_gaps_where_the_classifier_knows_gaps():
    rows = np.where(np.arange(len(X))[:, None] == 7, np.nan, X)
    model = ensemble.HistGradientBoostingClassifier(max_iter=3).fit(rows, Y)
    np.testing.assert_allclose(
        howsure.assess(model, rows).probabilities, model.predict_proba(rows), atol=1e-7
    )
    with pytest.raises(howsure.InputError, match="NaN, infinite or missing values in row 7"):
        howsure.assess(LOGISTIC.fit(X, NAMES[Y]), rows)


def test_classes_that_are_numbers_are_names():
    model = naive_bayes.GaussianNB().fit(X, Y.astype(float) + 1)
    assert howsure.assess(model, X).class_names == ("1", "2", "3")
    assert howsure.assess(model, X, class_names=NAMES).class_names == tuple(NAMES)


def test_several_labels_per_row():
    labels = np.stack([Y == 0, Y != 2], axis=1).astype(int)
    for model in (
        multioutput.MultiOutputClassifier(LOGISTIC),
        multiclass.OneVsRestClassifier(LOGISTIC),
        forest(),
    ):
        model.fit(X, labels)
        result = howsure.assess(model, X, class_names=["first", "not last"])
        expected = model.predict_proba(X)
        wanted = (
            np.stack([label[:, 1] for label in expected], axis=1) if isinstance(expected, list) else expected
        )
        assert isinstance(result, howsure.MultilabelCertainty)
        np.testing.assert_allclose(result.probabilities, wanted, atol=1e-7)
    model = forest().fit(X, np.stack([Y, Y], axis=1))
    with pytest.raises(howsure.ModelError, match="several answers with more than two classes"):
        howsure.assess(model, X)


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forest", "logistic regression", "soft vote"])
def test_nothing_is_said_of_networks(name, fitted):
    model = fitted[name]
    result = howsure.assess(model, X).with_truth(Y)
    comparison = howsure.compare(model, X, Y)
    audit = howsure.audit(model)
    sentences = [
        summary_of(result),
        str(audit),
        lead(comparison),
        *(finding.answer for finding in findings(comparison)),
    ]
    sentences += [str(result[int(row)]) for row in result.most_undecided(10)]
    page = render(result, X, audit=audit, comparison=comparison)
    sentences.append(page[page.index("<body>") :])
    for text in sentences:
        assert "network" not in text.lower()
        assert "dropout" not in text.lower()


def test_an_audit_says_what_the_passes_are(fitted):
    text = str(howsure.audit(fitted["forest"]))
    assert text.startswith(
        "RandomForestClassifier, a model of scikit-learn\n\nIt draws nothing when it predicts."
    )
    assert "the mean of 15 members, and each of them is a pass" in text
    text = str(howsure.audit(fitted["logistic regression"], X))
    assert "For such a model, howsure.assess(model, x) gives the plain prediction." in text


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (forest(), "RandomForestClassifier has not been fitted"),
        (ensemble.RandomForestClassifier, r"Fit it first: RandomForestClassifier\(\)"),
        (svm.SVC().fit(X, Y), "Give it some: sklearn.calibration.CalibratedClassifierCV"),
        (cluster.KMeans(2, n_init=1).fit(X), "A clustering or a transformer cannot be assessed"),
        (ensemble.VotingClassifier([("a", naive_bayes.GaussianNB())]).fit(X, Y), "voting='soft'"),
    ],
)
def test_what_has_no_probabilities_is_refused(model, message):
    for use in (howsure.audit, lambda model: howsure.assess(model, X)):
        with pytest.raises(howsure.ModelError, match=message):
            use(model)


def test_what_needs_a_network_is_refused_with_what_can_be_had(fitted):
    with pytest.raises(howsure.ModelError, match=r"Its members are passes: method=howsure.Members\(\)"):
        howsure.assess(fitted["forest"], X, method=howsure.MCDropout())
    with pytest.raises(howsure.ModelError, match=r"method=howsure.PlainPrediction\(\)"):
        howsure.assess(fitted["logistic regression"], X, method=howsure.MCDropout())
    with pytest.raises(howsure.ModelError, match="Members needs members whose mean it predicts"):
        howsure.assess(fitted["boosting"], X, method=howsure.Members())
    with pytest.raises(howsure.ModelError, match="features of its last layer"):
        howsure.features_of(fitted["forest"], X)


@pytest.mark.parametrize("x", ["rows.csv", None, X[:, :3], X.astype(str)])
def test_rows_that_do_not_fit_are_refused(x, fitted):
    with pytest.raises(howsure.HowsureError):
        howsure.assess(fitted["logistic regression"], x)


def test_who_predicts_another_class_than_the_most_probable_one_is_warned_of():
    two = Y[Y < 2]
    tuned = model_selection.FixedThresholdClassifier(naive_bayes.GaussianNB(), threshold=0.999)
    tuned.fit(X[:100], two)
    rows = X[40:60]
    other = int(np.sum(tuned.predict(rows) != tuned.predict_proba(rows).argmax(axis=1)))
    assert other
    with pytest.warns(howsure.HowsureWarning, match=f"On {other} of the first 20 rows, `predict` of Fixed"):
        howsure.assess(tuned, rows)


def test_no_warning_of_scikit_learn_reaches_the_caller():
    model = ensemble.BaggingClassifier(LOGISTIC, 3).fit(named(), Y)
    with warnings.catch_warnings(action="error"):
        howsure.assess(model, named())


def test_a_pipeline_that_works_in_place_changes_nothing_of_the_caller():
    rows = X.copy()
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(copy=False), LOGISTIC).fit(X.copy(), Y)
    result = howsure.assess(scaled, rows)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_allclose(result.probabilities, scaled.predict_proba(X.copy()), atol=1e-6)


def test_a_classifier_of_one_label():
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = (x[:, :1] > 0).astype(int)
    model = multioutput.MultiOutputClassifier(linear_model.LogisticRegression()).fit(x, y)
    result = howsure.assess(model, x)
    np.testing.assert_allclose(result.probabilities[:, 0], model.predict_proba(x)[0][:, 1], atol=1e-6)
    for labels in (y, y[:, 0], y[:, 0] == 1):
        assert howsure.evaluate(result, labels).of_label["0"].accuracy.value == np.mean(model.predict(x) == y)
