"""Methods side by side: the same numbers as one by one, the same rows, and errors before work begins."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

import howsure
from howsure.tasks.classification.maps import folds
from tests.conformance.test_methods import ONE_INPUT
from tests.support import cases
from tests.support.arrays import ArrayModel, Dense, Dropout

ROWS = 60


def network(seed=0):
    steps = cases.two_layers(Dropout(0.25), seed=seed)
    last, *reads = steps["output"]
    steps["output"] = (Dense(3 * last.weights, last.bias, "softmax"), *reads)
    return ArrayModel("network", ONE_INPUT, steps, trained_for="classes")


@pytest.fixture(scope="module")
def labelled():
    """Labels are drawn from the model's probabilities at temperature 2: it claims too much."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 4)).astype("float32")
    model = network()
    p = np.sqrt(model.predict([x]).astype(float))
    return model, x, np.array([random.choice(3, p=each / each.sum()) for each in p])


@pytest.fixture(scope="module")
def comparison(labelled):
    model, x, labels = labelled
    dropout, others = howsure.MCDropout(passes=20), [network(1)]
    methods = {
        "softmax": howsure.Softmax(),
        "MC dropout": dropout,
        "ensemble": howsure.Ensemble(others),
        "MC dropout of the ensemble": howsure.Ensemble(others, each=dropout),
    }
    seen = []
    comparison = howsure.compare(
        model,
        x,
        labels,
        methods=methods,
        shifts={"darker": lambda x: x / 2, "given": x[::-1]},
        outside={"noise": np.random.default_rng(1).normal(size=(25, 4)).astype("float32")},
        progress=lambda *now: seen.append(now),
    )
    assert seen[-1] == (4 * (3 * ROWS + 25), 4 * (3 * ROWS + 25))
    return comparison


def test_scores_are_those_of_each_method_alone(comparison, labelled):
    model, x, labels = labelled
    method = howsure.MCDropout(passes=20)
    for rows, given in (("as they are", x), ("darker", x / 2), ("given", x[::-1])):
        alone = howsure.evaluate(howsure.assess(model, given, method=method), labels)
        assert comparison.score("MC dropout", "nll", rows).value == pytest.approx(alone.nll.value, rel=1e-5)
    plain = howsure.evaluate(howsure.assess(model, x, method=howsure.Softmax()), labels)
    difference = comparison.difference("MC dropout", "softmax", "nll")
    alone = howsure.evaluate(howsure.assess(model, x, method=method), labels).minus(plain)["nll"]
    assert difference.value == pytest.approx(alone.value, rel=1e-3, abs=1e-6)
    # One is by Student's t, the other by signs, and wide enough to hold together with the others.
    assert difference.low < alone.value < difference.high
    softmax, noise = howsure.Softmax(), np.random.default_rng(1).normal(size=(25, 4))
    inside, outside = (howsure.assess(model, each, method=softmax).entropy for each in (x, noise))
    pairs = inside[:, None] < outside
    assert comparison.score("softmax", "outside_auroc", "noise").value == pytest.approx(
        pairs.mean(), abs=0.01
    )


def test_calibrated_rows_were_mended_by_fits_that_had_not_seen_them(comparison, labelled):
    labels = labelled[2]
    before, after = (comparison.certainties[name] for name in ("softmax", "softmax, calibrated"))
    np.testing.assert_array_equal(after.row, np.arange(ROWS))
    np.testing.assert_array_equal(after.label, before.label)
    assert not np.allclose(after.probabilities, before.probabilities)
    # Without what is spread over all classes, log p is a multiple of the log p before, up to a constant in
    # each row: the inverse of a temperature, the best one for the rows of the other folds and one that the
    # model adds.
    fold = folds(labels, seed=0)
    classes = before.probabilities.shape[1]
    slopes = []
    for row, (p, q) in enumerate(zip(before.probabilities, after.probabilities, strict=True)):
        unseen = np.sum(fold != fold[row])
        p, q = np.log(p), np.log(q - 1 / ((unseen + 2) * (classes - 1)))
        slopes.append((q[0] - q[1]) / (p[0] - p[1]))
    for number in range(5):
        unseen = fold != number

        def nll(inverse, unseen=unseen):
            p, rows = before.probabilities[unseen], unseen.sum()
            wrong = np.sum(before.label[unseen] != labels[unseen])
            own = 1 / max(wrong, np.sum(1 - p.max(axis=1)), 1)
            log_q = log_softmax(inverse * np.log(p), axis=1)
            return -(log_q[np.arange(rows), labels[unseen]] + own * np.sum(p * log_q, axis=1)).mean()

        best = minimize_scalar(nll, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-8}).x
        np.testing.assert_allclose(np.array(slopes)[~unseen], best, rtol=1e-3)
    assert len(set(np.round(slopes, 5))) == 5


def test_the_ranking_follows_from_paired_intervals(comparison):
    for name in ("nll", "aurc", "accuracy"):
        ranking = comparison.ranked(name)
        assert ranking.best in ranking.tied
        for method in comparison.methods:
            if method == ranking.best:
                continue
            reported = comparison.difference(method, ranking.best, name).excludes_zero
            assert reported == (method not in ranking.tied)


def test_a_list_of_methods_is_compared_as_a_dict_with_their_names(labelled):
    model, x, labels = labelled
    plain, few, more = howsure.Softmax(), howsure.MCDropout(passes=5), howsure.MCDropout(passes=9)
    listed = howsure.compare(model, x, labels, methods=[plain, few, more])
    named = {"plain prediction": plain, "MC dropout": few, "MC dropout 2": more}
    assert {name: listed.kinds[name] for name in named} == named
    assert str(listed) == str(howsure.compare(model, x, labels, methods=named))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": {}}, "no method to compare"),
        (
            {"methods": dict.fromkeys(("a", "a, calibrated"), howsure.Softmax())},
            "name of a calibrated method",
        ),
        ({"methods": {"a": "softmax"}}, "`method` cannot be used"),
        ({"methods": []}, "no method to compare"),
        ({"methods": ["softmax"]}, "`method` cannot be used"),
        ({"methods": howsure.Softmax()}, "`methods` cannot be used"),
        ({"shifts": {"fewer": lambda x: x[:3]}}, "not the same rows"),
        ({"shifts": {"a": lambda x: x}, "outside": {"a": np.zeros((2, 4))}}, "have the name 'a'"),
        ({"labels": [0, 1]}, "do not fit the rows"),
        ({"outside": {"none": np.zeros((0, 4))}}, "has no rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(labelled, arguments, message):
    model, x, labels = labelled
    given = {"labels": labels, "shifts": {}, **arguments}
    with pytest.raises(howsure.InputError, match=message):
        howsure.compare(model, x, **given)
