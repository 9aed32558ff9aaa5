"""What was fitted to one model is refused with another one."""

import pickle

import numpy as np
import pytest

import howsure
from howsure.adapters.fingerprint import LARGE, digest, fingerprint_of
from howsure.inputs.rows import InputSpec
from tests import fitted
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.cases import rows_of


def network(step=0.0, name="numpy"):
    random = np.random.default_rng(3)
    steps = {
        "hidden": (Dense(random.normal(size=(4, 6)) + step, activation="relu"), "x"),
        "drop": (Dropout(0.4), "hidden"),
        "output": (Dense(random.normal(size=(6, 3)), activation="softmax"), "drop"),
    }
    return ArrayModel(name, [InputSpec("x", (4,), "float32")], steps)


(X,) = rows_of((4,), rows=60)
LABELS = np.arange(60) % 3


@fitted.each_fit
def test_it_serves_no_other_model(what):
    fitted.check(what, network(), lambda model: [network(name="other")], lambda model: [network(1e-7)], X)


@fitted.each_fit
def test_without_a_fingerprint_it_serves_every_model(what):
    """As it was stored by a version that kept none, or as it was made of an adapter without weights."""
    fit, use = fitted.FITTED[what]
    method = fit(network(), X, LABELS)
    part = method.posterior if hasattr(method, "posterior") else method
    state = {name: value for name, value in vars(part).items() if name != "fingerprint"}
    assert part.fingerprint == fingerprint_of(network())
    vars(part).clear()
    vars(part).update(state)
    use(pickle.loads(pickle.dumps(method)), network(1e-3), X)


def test_a_saved_plan_keeps_it(tmp_path):
    howsure.plan(network(), X).save(tmp_path / "plan.json")
    plan = howsure.Plan.load(tmp_path / "plan.json")
    howsure.assess(network(), X, method=howsure.MCDropout(plan=plan))
    with pytest.raises(howsure.InputError, match="plan was made for another model, or this one before"):
        howsure.assess(network(1e-3), X, method=howsure.MCDropout(plan=plan))
    assert plan.fingerprint == fingerprint_of(network())
    assert "fingerprint" not in plan.settings  # numbers do not depend on it


def test_the_plan_of_a_model_serves_an_ensemble_with_it():
    plan = howsure.plan(network(), X)
    method = howsure.Ensemble([network(0.1), network(0.2)], howsure.MCDropout(plan=plan))
    howsure.assess(network(), X, method=method)
    with pytest.raises(howsure.InputError, match="plan was made for another model"):
        howsure.assess(network(0.3), X, method=method)


def test_each_number_of_large_weights_counts():
    random = np.random.default_rng(0)
    weights = random.normal(size=(700, 1023)).astype(np.float32)
    assert weights.nbytes > 2 * LARGE
    known = digest([weights])
    assert known == digest([weights.copy()]) != digest([weights[::-1]]) != digest([weights[:, ::-1]])
    for place in (0, weights.size - 1, *random.integers(0, weights.size, 50)):
        other = weights.copy()
        other.flat[place] = np.nextafter(other.flat[place], np.float32(9))
        assert digest([other]) != known


def test_types_shapes_and_places_count():
    arrays = [np.zeros((2, 3)), np.ones(3)]
    variants = [
        arrays,
        arrays[::-1],
        arrays[:1],
        [arrays[0].T, arrays[1]],
        [arrays[0], np.float32(arrays[1])],
        [arrays[0], np.array([1, 1, np.nextafter(1, 2)])],
        [np.zeros((3, 2, 0))],
    ]
    assert len(set(map(digest, variants))) == len(variants)
    assert digest([]) == ""
    assert digest([np.asfortranarray(arrays[0]), arrays[1]]) == digest(arrays)
