"""Methods side by side: the same numbers as one by one, the same rows, and errors before work begins."""

import sys

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn import metrics

import howsure
from howsure.answers.classes.compare import COMPARING
from howsure.answers.classes.evaluate import told_apart
from howsure.answers.classes.maps import folds
from howsure.compare.protocol import AS_THEY_ARE
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
    found = howsure.compare(
        model,
        x,
        labels,
        methods=methods,
        shifts={"darker": lambda x: x / 2, "given": x[::-1]},
        outside={"noise": np.random.default_rng(1).normal(size=(25, 4)).astype("float32")},
        progress=lambda *now: seen.append(now),
    )
    assert seen[-1] == (4 * (3 * ROWS + 25), 4 * (3 * ROWS + 25))
    return found


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
            told = comparison.difference(method, ranking.best, name).excludes_zero
            assert told == (method not in ranking.tied)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": {}}, "no method to compare"),
        (
            {"methods": dict.fromkeys(("a", "a, calibrated"), howsure.Softmax())},
            "name of a calibrated method",
        ),
        ({"methods": {"a": "softmax"}}, "`method` cannot be used"),
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


# --- familiarity ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def familiar(labelled):
    """Two familiarities, the features of rows as they are and from outside, and a comparison of both."""
    model, x, labels = labelled
    random = np.random.default_rng(2)
    train = random.normal(size=(400, 4)).astype("float32")
    noise = 1.5 * random.normal(size=(25, 4)).astype("float32")
    of_train, inside, outside = (howsure.features_of(model, each) for each in (train, x, noise))
    truth = of_train.logits.argmax(axis=1)
    known = {
        score: howsure.familiarity(of_train, truth, inside, score=score, share=0.1)
        for score in ("neighbours", "energy")
    }
    calls, seen = [], []
    module = sys.modules["howsure.compare.run"]  # the package's attribute of that name is the function

    def counted(model, x, *more):
        calls.append(len(x))
        return howsure.features_of(model, x, *more)

    evaluated = []

    def noted(certainty, truth, seed, through):
        evaluated.append(seed)
        return howsure.evaluate(certainty, truth, seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "features_of", counted)
        patch.setitem(vars(COMPARING), "scored", noted)
        comparison = howsure.compare(
            model,
            x,
            labels,
            methods={"softmax": howsure.Softmax()},
            shifts={"darker": x / 2},
            outside={"noise": noise},
            familiarity=known,
            progress=lambda *now: seen.append(now),
        )
    assert seen[-1] == (3 * ROWS + 2 * 25, 3 * ROWS + 2 * 25)
    assert evaluated == 4 * [0]  # once for each method and set, none of them for rows from outside
    assert sorted(calls) == [1, 1, 25, ROWS]  # checks, rows from outside, rows as they are
    return comparison, known, inside, outside


def test_familiarity_answers_who_notices_rows_from_outside(familiar):
    comparison, known, inside, outside = familiar
    assert comparison.familiarities == ("neighbours", "energy")
    assert comparison.methods == ("softmax", "softmax, calibrated")
    for name, score in known.items():
        near, far = score(inside), score(outside)
        found = comparison.score(name, "outside_auroc", "noise")
        is_outside = np.repeat([0, 1], [ROWS, 25])
        assert found.value == pytest.approx(metrics.roc_auc_score(is_outside, -np.concatenate([near, far])))
        assert found.low < found.value < found.high
        bar = np.sort(near)[::-1][int(np.ceil(0.95 * ROWS)) - 1]
        assert comparison.score(name, "outside_fpr95", "noise").value == pytest.approx(np.mean(far >= bar))
        assert comparison.costs[name] > 0
    ranking = comparison.ranked("outside_auroc", "noise")
    values = {
        name: comparison.score(name, "outside_auroc", "noise").value for name in (*comparison.methods, *known)
    }
    assert ranking.best == max(values, key=values.get)
    assert set(comparison.ranked("nll").tied) <= set(comparison.methods)


def test_a_familiarity_is_paired_with_the_methods(familiar):
    comparison, known, inside, outside = familiar
    told = told_apart(
        comparison.against["softmax", "noise"], known["energy"](inside), known["energy"](outside)
    )
    for method in comparison.methods:
        alone = told.minus(comparison.against[method, "noise"])["outside_auroc"]
        found = comparison.difference("energy", method, "outside_auroc", "noise")
        assert found.value == pytest.approx(alone.value)
        back = comparison.difference(method, "energy", "outside_auroc", "noise")
        assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize(
    ("name", "rows"), [("nll", AS_THEY_ARE), ("outside_auroc", "darker"), ("error_auroc", "noise")]
)
def test_a_familiarity_has_no_other_score(familiar, name, rows):
    comparison, *_ = familiar
    for ask in (
        lambda: comparison.score("energy", name, rows),
        lambda: comparison.difference("softmax", "energy", name, rows),
    ):
        with pytest.raises(
            howsure.InputError,
            match=f"'energy' gives no percentages.*'outside_fpr95' of 'noise'.*'{name}' of '{rows}'",
        ):
            ask()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outside": {}}, "needs OOD rows"),
        ({"familiarity": {"a": "density"}}, "a result of `howsure.familiarity`.*str"),
        ({"familiarity": {"softmax": None}}, "have the name 'softmax'"),
        ({"familiarity": {"softmax, calibrated": None}}, "name of a calibrated method"),
    ],
)
def test_a_familiarity_that_cannot_be_compared_is_refused(labelled, familiar, arguments, message):
    model, x, labels = labelled
    given = {"familiarity": familiar[1], "outside": {"noise": x}, **arguments}
    with pytest.raises(howsure.InputError, match=message):
        howsure.compare(model, x, labels, methods={"softmax": howsure.Softmax()}, shifts={}, **given)


def test_a_familiarity_of_another_model_is_refused(labelled):
    model, x, labels = labelled
    random = np.random.default_rng(0)
    other, held_out = (
        howsure.Features(random.normal(size=(120, 5)), random.normal(size=(120, 3))) for _ in range(2)
    )
    known = howsure.familiarity(other, np.arange(120) % 3, held_out, share=0.5, score="energy")
    with pytest.raises(howsure.InputError, match="other features or logits"):
        howsure.compare(model, x, labels, shifts={}, outside={"noise": x}, familiarity={"density": known})
