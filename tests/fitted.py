"""What belongs to one model: how it is made of the model, and how it is used with one."""

import pickle

import numpy as np
import pytest

import howsure


def laplace(model, x, labels):
    return howsure.LastLayerLaplace.fit(model, x, labels)


def known(model, x, labels):
    half = len(x) // 2
    train, held_out = howsure.features_of(model, x[:half]), howsure.features_of(model, x[half:])
    return howsure.familiarity(train, labels[:half], held_out, score="neighbours", share=0.1)


def planned(model, x, labels):
    return howsure.plan(model, x)


def features(model, x, labels):
    return howsure.features_of(model, x[: len(x) // 2])


FITTED = {
    "laplace": (laplace, lambda method, model, x: howsure.assess(model, x, method=method)),
    "familiarity": (known, lambda known, model, x: known(howsure.features_of(model, x))),
    "held-out rows": (
        features,
        lambda train, model, x: howsure.familiarity(
            train, None, howsure.features_of(model, x[len(x) // 2 :]), score="neighbours", share=0.1
        ),
    ),
    "plan": (
        planned,
        lambda plan, model, x: howsure.assess(model, x, method=howsure.MCDropout(plan=plan)),
    ),
}
each_fit = pytest.mark.parametrize("what", FITTED)


def check(what, model, same, others, x):
    """It serves its model and the same one again, stored too; and no other one.

    Args:
        what: One of `FITTED`.
        model: Makes the model, with dropout and a softmax over three classes or more.
        same: Maps it to the same model in other ways.
        others: Maps it to models with other weights.
        x: Rows.
    """
    fit, use = FITTED[what]
    labels = np.arange(len(x)) % 3
    fitted = fit(model, x, labels)
    stored = pickle.loads(pickle.dumps(fitted))
    for again in (model, *same(model)):
        use(stored, again, x)
    for other in others(model):
        with pytest.raises(howsure.InputError, match="another model, or this one before it was trained") as e:
            use(stored, other, x)
        assert "SHA-256" in str(e.value)
