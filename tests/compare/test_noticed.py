"""What is odd about rows, results and members that are compared is told, and kept with the comparison."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure import Certainty, Comparison, HowsureWarning
from howsure.evaluation.fitted_rows import times_each
from tests.conformance.test_methods import ONE_INPUT
from tests.support import cases
from tests.support.arrays import ArrayModel, Dense, Dropout

N = 400
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(N, 4)).astype(np.float32)
SOFTMAX = {"softmax": howsure.Softmax()}


def network(seed=0, end="softmax", size=3.0):
    steps = cases.two_layers(Dropout(0.4), end, seed=seed)
    last, *reads = steps["output"]
    steps["output"] = (Dense(size * last.weights, last.bias, end), *reads)
    return ArrayModel(
        "network", ONE_INPUT, steps, trained_for="classes" if end == "softmax" else "regression"
    )


MODEL = network()
P = MODEL.predict([X]).astype(np.float64)
TRUTH = np.array([RANDOM.choice(3, p=p / p.sum()) for p in P])


def noticed(ask, *args, **options):
    """What a comparison keeps, which is also what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = ask(*args, **options)
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, HowsureWarning)]
    if isinstance(answer, Comparison):
        assert list(answer.noticed) == [*dict.fromkeys(texts)]
    return texts


def compared(x=X, truth=TRUTH, model=MODEL, methods=SOFTMAX, **options):
    return noticed(
        howsure.compare, model, x, truth, methods=methods, **{"calibrated": False, "shifts": {}, **options}
    )


def of_results(truth=TRUTH, **results):
    return noticed(Comparison.of_results, results, truth)


def test_nothing_is_noticed_of_sound_rows():
    dropout = {**SOFTMAX, "dropout": howsure.MCDropout(passes=10)}
    shifts, outside = {"noise": lambda x: x + 0.1}, {"far": X + 5}
    assert compared(methods=dropout, shifts=shifts, outside=outside, calibrated=True) == []
    assert (
        of_results(one=Certainty.from_probabilities(P), other=Certainty.from_probabilities(P[:, ::-1])) == []
    )


# --- training rows ---------------------------------------------------------------------------------

NO_MISTAKE = (
    "'softmax' makes no mistake in 400 rows. Either they are easy, or it was trained on them: nothing"
)


def test_no_mistake_in_many_rows():
    assert [said[: len(NO_MISTAKE)] for said in compared(truth=P.argmax(axis=1))] == [NO_MISTAKE]
    right = {"softmax": Certainty.from_probabilities(P), "other": Certainty.from_probabilities(P[:, ::-1])}
    assert [said[: len(NO_MISTAKE)] for said in of_results(P.argmax(axis=1), **right)] == [NO_MISTAKE]
    one_mistake = P.argmax(axis=1)
    one_mistake[7] = (one_mistake[7] + 1) % 3
    assert compared(truth=one_mistake) == []
    assert compared(X[:299], P.argmax(axis=1)[:299]) == [], "so few may be right by chance"


# --- rows that repeat ------------------------------------------------------------------------------

REPEATED = {
    "one by one": lambda rows, times: np.repeat(rows, times, axis=0),
    "one set after the other": lambda rows, times: np.concatenate([rows] * times),
    "shuffled": lambda rows, times: np.random.default_rng(9).permutation(np.repeat(rows, times, axis=0)),
}


def copies(kind, rows, times):
    return f"Each of these {rows:,} {kind}s stands {times} times, with the same answer and the same truth"


@pytest.mark.parametrize("order", REPEATED)
@pytest.mark.parametrize("times", [2, 10])
def test_rows_that_stand_several_times(order, times):
    again = lambda rows: REPEATED[order](rows, times)  # noqa: E731
    text = copies("row", N * times, times)
    assert [each[: len(text)] for each in compared(again(X), again(TRUTH))] == [text]
    dropout = {"dropout": howsure.MCDropout(passes=10)}
    assert [each[: len(text)] for each in compared(again(X), again(TRUTH), methods=dropout)] == [text]
    result = Certainty.from_probabilities(again(P)).with_truth(again(TRUTH))
    assert [sentence[: len(text)] for sentence in of_results(None, softmax=result, other=result)] == [text]
    assert [each[: len(text)] for each in noticed(howsure.evaluate, result)] == [text]


@pytest.mark.parametrize("seed", range(5))
def test_few_distinct_answers_are_no_copies_and_do_not_hide_them(seed):
    """Answers of tables, trees and digits: 20 sets each, and no false alarm."""
    random = np.random.default_rng(seed)
    for distinct in (3, 30, 100, 300):
        for rows in (60, 600):
            of = random.dirichlet([1, 1, 1], size=distinct)
            for shares in (np.ones(distinct), random.exponential(size=distinct)):
                drawn = random.choice(distinct, rows, p=shares / shares.sum())
                result = Certainty.from_probabilities(of[drawn]).with_truth(random.integers(0, 3, rows))
                assert noticed(howsure.evaluate, result) == []
    (warning,) = noticed(howsure.evaluate, result[np.repeat(np.arange(rows), 10)])
    assert warning.startswith(copies("row", 10 * rows, 10))


def test_counts_are_divided_beyond_chance():
    random = np.random.default_rng(3)
    assert times_each(np.arange(600)) == 1
    assert times_each(np.repeat(np.arange(600), 7)) == 7
    assert times_each(np.repeat(random.integers(0, 40, 600), 6)) == 6
    assert times_each(np.repeat(np.arange(24), 7)) == 1
    assert not any(times_each(random.integers(0, 30, 3000)) > 1 for _ in range(1000))


# --- sets that share rows --------------------------------------------------------------------------


def test_ood_rows_that_are_labelled_rows():
    far = RANDOM.normal(size=(100, 4)).astype(np.float32) + 4
    half = np.concatenate([far[:50], X[:50]])
    (warning,) = compared(outside={"far": far, "half": half})
    assert warning.startswith(
        "At least 50 of the 100 rows of the OOD set 'half' seem to be among the labelled ones"
    )
    (warning,) = compared(outside={"same": X[::-1]})
    assert warning.startswith("All 400 rows of the OOD set 'same' seem to be among the labelled ones")


def test_a_change_that_changes_nothing():
    shifts = {"noise": lambda x: x + 0.1, "nothing": lambda x: x * 1.0, "given": X.copy()}
    first, second = compared(shifts=shifts)
    assert first.startswith("The change 'nothing' changes no answer of 'softmax', to the last digits")
    assert second.startswith("The change 'given' changes no answer of 'softmax'")


# --- calibrators -----------------------------------------------------------------------------------


def test_results_whose_calibrator_has_learnt_from_these_rows():
    other = np.random.default_rng(5).dirichlet([1, 1, 1], size=N)
    result = Certainty.from_probabilities(P).with_truth(TRUTH)
    own, foreign = howsure.calibrate(result), howsure.calibrate(Certainty.from_probabilities(other), TRUTH)
    (warning,) = of_results(TRUTH, plain=result, mended=own(result), foreign=foreign(result))
    assert warning == (
        "The calibrator has learnt from all these 400 rows, and so 'mended' has better scores than on new "
        "ones, and is compared unfairly. Compare on other labelled rows."
    )
    two = of_results(TRUTH, plain=result, mended=own(result), again=own(result))
    assert [each.partition(", and so ")[2][:61] for each in two] == [
        "'mended' and 'again' have better scores than on new ones, and"
    ]
    half = howsure.calibrate(result[:200])(result)
    assert [sentence[:50] for sentence in of_results(TRUTH, half=half, plain=result)] == [
        "The calibrator has learnt from at least 200 of the"
    ]


# --- what is kept ----------------------------------------------------------------------------------


def test_other_warnings_are_kept_too_and_in_a_loop_each_time():
    same = {"one": howsure.Softmax(), "other": howsure.Softmax()}
    for _ in range(2):
        with warnings.catch_warnings(action="ignore"):
            comparison = howsure.compare(MODEL, X, TRUTH, methods=same, calibrated=False, shifts={})
        assert comparison.noticed == (
            "'one' and 'other' are the same method: their answers are the same too.",
        )
    assert replace(comparison, noticed=()).noticed == ()


def test_a_warning_comes_once_however_many_methods_and_sets_it_is_of():
    methods = {**SOFTMAX, "dropout": howsure.MCDropout(passes=10), "pair": howsure.Ensemble([network(1)])}
    grey = np.random.default_rng(3).integers(0, 256, size=(30, 4)).astype(np.uint8)
    begins = "rows of 'x' are uint8, from"
    shifts, outside = {"raw": lambda x: (100 * abs(x)).astype(np.uint8)}, {"grey": grey, "far": X + 5}
    of_shift, of_ood = compared(methods=methods, shifts=shifts, outside=outside)
    assert of_shift.startswith(f"In 'raw': the {begins} 0 to")
    assert of_ood.startswith(f"In 'grey': the {begins} ")
    (warning,) = compared(shifts["raw"](X), methods=methods, shifts={"far": lambda x: x // 2})
    assert warning.startswith(f"The {begins}"), "what is said of the rows is not said again once they change"


def test_what_is_kept_names_the_methods_if_it_is_not_said_of_all():
    with warnings.catch_warnings(action="ignore"):
        methods = {**SOFTMAX, "pair": howsure.Ensemble([network(1), network(1)])}
        comparison = howsure.compare(MODEL, X, TRUTH, methods=methods, calibrated=False)
    said = comparison.noticed[0]
    assert said.startswith("Members 1 and 2 of the ensemble are the same network")
    assert said.endswith(" (Of 'pair'.)")


@pytest.mark.parametrize("sets", ["shifts", "outside"])
def test_errors_name_the_set_that_they_are_of(sets):
    broken = X.copy()
    broken[7] = np.nan
    with pytest.raises(howsure.InputError, match="In 'broken': the rows hold NaN"):
        compared(**{sets: {"sound": X + 0.1, "broken": broken}})


# --- rows that a Laplace has learnt from -----------------------------------------------------------

ALL = "The last-layer Laplace has learnt from all these 400 rows, and so 'laplace' has better scores"


def test_training_rows_of_a_laplace():
    model = network(end="linear")
    model.info = replace(model.info, trained_for="classes")
    x = RANDOM.normal(size=(2 * N, 4)).astype(np.float32)
    raw = model.predict([x]).astype(np.float64)
    odds = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    truth = np.array([RANDOM.choice(3, p=p) for p in odds])
    laplace = howsure.LastLayerLaplace.fit(model, x[:N], truth[:N])
    methods = {"plain": howsure.Softmax(), "laplace": laplace}
    assert [said[: len(ALL)] for said in compared(x[:N], truth[:N], model, methods)] == [ALL]
    assert compared(x[N:], truth[N:], model, methods) == []
    (warning,) = compared(x[N // 2 : -N // 2], truth[N // 2 : -N // 2], model, methods)
    assert warning.startswith("The last-layer Laplace has learnt from at least 200 of these 400 rows")
    learnt, new = (howsure.assess(model, each, method=laplace) for each in (x[:N], x[N:]))
    assert learnt.learnt_from.all()
    assert new.learnt_from is None
    (warning,) = noticed(howsure.evaluate, learnt, truth[:N])
    assert warning.startswith(
        "The last-layer Laplace has learnt from all these 400 rows, so scores of them are better"
    )
    assert type(learnt).joined([learnt, new]).learnt_from.tolist() == [True] * N + [False] * N
    calibrated = howsure.calibrate(new, truth[N:])(learnt)
    assert calibrated.learnt_from.all(), "also by another calibrator"
