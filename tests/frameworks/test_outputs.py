"""One of several outputs is as a model that has no other; a mean and its variance may come in any form."""

import numpy as np
import pytest

import howsure
from tests.frameworks.frameworks import X, near

FORMS = {
    "listed": (lambda price, kind: [price, kind], ["kind", 1, np.int64(1)]),
    "named": (lambda price, kind: {"price": price, "kind": kind}, ["kind"]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", [None, howsure.Softmax(), howsure.MCDropout(passes=8)])
def test_it_is_as_if_there_were_no_other(framework, form, method):
    make, outputs = FORMS[form]
    wanted = howsure.assess(framework.heads(lambda price, kind: kind), X, method=method)
    model = framework.heads(make)
    for output in outputs:
        if framework.name == "torch" and form == "listed" and output == "kind":
            continue  # a tuple of PyTorch has no names
        near(howsure.assess(model, X, method=method, output=output), wanted)
    for wrong in ("x", 2):
        with pytest.raises(howsure.InputError, match="has no output"):
            howsure.assess(model, X, method=method, output=wrong)
    with pytest.raises(howsure.ModelError, match=r"output=0"):
        howsure.assess(model, X, method=method)


@pytest.mark.parametrize("output", [-1, True, 1.0, ["kind"]])
def test_what_names_no_output(framework, output):
    with pytest.raises(howsure.InputError, match="`output` cannot be used"):
        howsure.assess(framework.heads(FORMS["listed"][0]), X, output=output)


def test_a_plan_is_that_of_the_one_output(framework):
    both, one = framework.heads(FORMS["named"][0]), framework.heads(lambda price, kind: kind)
    plan = howsure.plan(both, X, output="kind")
    assert plan.design == howsure.plan(one, X).design
    assert len(howsure.assess(both, X, method=howsure.MCDropout(plan=plan), output="kind")) == len(X)


# --- a mean and a variance ------------------------------------------------------------------------

PAIRS = {
    "listed": lambda mean, variance: [mean, variance],
    "named, the mean last": lambda mean, variance: {"log_variance": variance, "mean": mean},
}


def pair(framework, form, one=2, other=2, names=("mu", "log_var")):
    return framework.heads(form, one, other, names)


def joined(framework):
    def form(mean, variance):
        if framework.name == "torch":
            return __import__("torch").cat([mean, variance], -1)
        return __import__("keras").ops.concatenate([mean, variance], axis=-1)

    return pair(framework, form)


@pytest.mark.parametrize("form", PAIRS)
def test_two_outputs_are_as_one_with_both(framework, form):
    method, settings = howsure.MCDropout(passes=6), {"outputs": "mean-log-variance"}
    wanted = howsure.assess(joined(framework), X, method=method, **settings)
    model = pair(framework, PAIRS[form])
    before = framework.state(model)
    result = howsure.assess(model, X, method=method, class_names=["a", "b"], **settings)
    assert result.target_names == ("a", "b")
    for column in ("mean", "spread", "noise", "mc_error"):
        np.testing.assert_allclose(getattr(result, column), getattr(wanted, column), rtol=1e-4, atol=1e-5)
    assert framework.state(model) == before
    plan = howsure.plan(model, X, **settings)
    assert np.isfinite(howsure.assess(model, X, method=howsure.MCDropout(plan=plan), **settings).std).all()
    assert howsure.audit(model, X, **settings).passes_differ
    alone = howsure.assess(model, X, method=howsure.Softmax(), outputs="values", output=0).mean
    both = np.concatenate([wanted_plain(framework, part) for part in ("mean", "noise")], axis=1)
    assert any(np.allclose(alone, numbers, rtol=1e-4, atol=1e-5) for numbers in np.split(both, 2, axis=1))


def wanted_plain(framework, column):
    one = howsure.assess(joined(framework), X, method=howsure.Softmax(), outputs="mean-log-variance")
    return one.mean if column == "mean" else 2 * np.log(one.noise)


@pytest.mark.parametrize(
    ("form", "other", "message", "declared"),
    [
        (lambda a, b: {"a": a, "b": b}, 2, "Nothing says which output", "mean-log-variance"),
        (lambda a, b: {"mean": a, "std": b}, 2, "is a standard deviation, not a variance", "mean-variance"),
        (lambda a, b: [a, b], 1, r"the shapes \(rows, 2\), \(rows, 1\)", "mean-log-variance"),
        (lambda a, b: [a, b, a], 2, "3 outputs of the shapes", "mean-log-variance"),
        (PAIRS["named, the mean last"], 2, "logarithm of a variance.*'mean-log-variance'", "mean-variance"),
        (PAIRS["listed"], 2, "2 outputs|a list of 2", None),
        (PAIRS["listed"], 2, "2 outputs|a list of 2", "values"),
    ],
)
def test_two_outputs_that_are_no_mean_and_variance(framework, form, other, message, declared):
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(pair(framework, form, 2, other, ("a", "b")), X, outputs=declared)


@pytest.mark.parametrize(("units", "names"), [(1, ("value",)), (3, tuple("012"))])
def test_one_word_says_that_outputs_are_numbers(framework, units, names):
    model = framework.network({"hidden": (6, "relu"), "drop": 0.3, "last": (units,)})
    with pytest.raises(howsure.ModelError, match=r"Nothing says.*outputs='values'.*'mean-log-variance'"):
        howsure.assess(model, X)
    with pytest.raises(
        howsure.InputError,
        match=r"'values', 'mean-variance', 'mean-log-variance', 'rates', 'log-rates' or 'quantiles'",
    ):
        howsure.assess(model, X, outputs="numbers")
    result = howsure.assess(model, X, method=howsure.Softmax(), outputs="values")
    assert result.target_names == names
    np.testing.assert_allclose(result.mean, framework.says(model), rtol=1e-5)
    assert howsure.assess(model, X, outputs="values").spread.max() > 0


def test_variances_below_0_are_refused_with_the_word_for_logarithms(framework):
    with pytest.raises(howsure.ModelError, match=r"negative variances .*'mean-log-variance'"):
        howsure.assess(joined(framework), X, outputs="mean-variance")
    three = framework.network({"drop": 0.3, "last": (3,)})
    with pytest.raises(howsure.ModelError, match=r"does not put out a mean and a variance.*3 outputs"):
        howsure.assess(three, X, outputs="mean-variance")
