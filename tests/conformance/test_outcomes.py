"""Every outcome keeps to the outcome seam."""

import pytest

from howsure.tasks.task import task_named
from tests.kinds import KINDS, of_kind
from tests.support.conformance import check_outcome

OUTCOMES = {(kind, name): outcome for kind in KINDS for name, outcome in of_kind(kind).outcomes().items()}


@pytest.mark.parametrize("name", OUTCOMES, ids=" of ".join)
def test_an_outcome_keeps_to_the_seam(name):
    outcome, raw = OUTCOMES[name]
    assert type(outcome) is task_named(name[0]).outcome_type
    check_outcome(outcome, raw)


def test_every_kind_has_its_outcome_here():
    assert {kind for kind, _ in OUTCOMES} == {*KINDS}
