"""A name with another ending than that of its content is refused, before anything is computed or written."""

from types import SimpleNamespace

import numpy as np
import pytest

import howsure
from howsure import atomic as endings
from tests.doors.cases import case_of

OTHERS = ("csv.gz", "xlsx", "json", "tsv", "pkl", "2026")
RANDOM = np.random.default_rng(0)
P = RANDOM.dirichlet(np.ones(3), 60)
Y = np.array([RANDOM.choice(3, p=p) for p in P])


@pytest.fixture(scope="module")
def made():
    result = howsure.Certainty.from_probabilities(P).with_truth(Y)
    z = RANDOM.normal(size=(200, 3)).astype(np.float32)
    train, held_out = howsure.Features(z[:60], z[:60]), howsure.Features(z[60:], z[60:])
    return SimpleNamespace(
        result=result,
        comparison=howsure.Comparison.of_results({"one": result, "two": result[::-1][::-1]}),
        calibrator=howsure.calibrate(result),
        familiarity=howsure.familiarity(train, Y % 2, held_out, score="neighbours"),
        plan=howsure.plan(case_of("classes").model, case_of("classes").x, howsure.MCDropout(passes=20)),
    )


WRITTEN = {
    "a table": (lambda made, path: made.result.save(path), endings.TABLES),
    "a page": (lambda made, path: made.result.report(path), endings.PAGES),
    "a page of a comparison": (lambda made, path: made.comparison.report(path), endings.PAGES),
    "scores": (lambda made, path: made.comparison.to_csv(path), endings.LINES),
    "a calibrator": (lambda made, path: made.calibrator.save(path), endings.FITTED),
    "familiarity": (lambda made, path: made.familiarity.save(path), endings.FITTED),
    "a plan": (lambda made, path: made.plan.save(path), endings.FITTED),
    "rows for a person": (lambda made, path: howsure.hand_over(made.result, [0, 1], path), (".csv",)),
    "a graph": (lambda made, path: howsure.export(None, path), endings.GRAPHS),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("what", WRITTEN)
def test_another_ending_is_refused_and_nothing_is_written(what, other, made, tmp_path):
    write, known = WRITTEN[what]
    if f".{other}" in known:
        write(made, tmp_path / f"file.{other}")
        return
    with pytest.raises(howsure.InputError, match="has the wrong ending") as caught:
        write(made, tmp_path / f"file.{other}")
    assert all(ending in str(caught.value) for ending in known)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.CSV", "x.Parquet", "x", ".csv"])
def test_capitals_and_names_without_an_ending_are_no_other_ending(name):
    assert endings.check_ending(name, endings.TABLES, needed=False) in (".csv", ".parquet", "")
