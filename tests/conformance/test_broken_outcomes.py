"""An outcome that breaks a promise does not pass, and the message says which promise it is."""

import numpy as np
import pytest

import howsure
from howsure.answers.classes.outcome import Classes
from tests.kinds.kind import LIMITS, OUTCOME_NAMES, raw
from tests.support.conformance import check_outcome

RAW = raw(5, "softmax")


class Wrapped:
    """A result whose rows are those of a `Certainty`, some part of which is broken below."""

    def __init__(self, certainty):
        self.certainty = certainty

    def __len__(self):
        return len(self.certainty)

    def __getitem__(self, index):
        found = self.certainty[index]
        return type(self)(found) if isinstance(index, slice) else found

    @classmethod
    def joined(cls, parts):
        return cls(howsure.Certainty.joined([part.certainty for part in parts]))


class JoinsTheFirst(Wrapped):
    @classmethod
    def joined(cls, parts):
        return parts[0]


class JoinsBackwards(Wrapped):
    @classmethod
    def joined(cls, parts):
        return super().joined(parts[::-1])


class Wordless(Wrapped):
    def __getitem__(self, index):
        return super().__getitem__(index) if isinstance(index, slice) else ""


class NeverEmpty(Wrapped):
    def __len__(self):
        return max(1, super().__len__())


def made(**broken):
    """`Classes`, with some of its methods replaced by functions of the outcome, what they give, and their
    arguments; with some of its properties replaced by values."""

    def method(name, change):
        def changed(self, *given):
            return change(self, getattr(Classes, name)(self, *given), *given)

        return changed

    members = {name: method(name, change) if callable(change) else change for name, change in broken.items()}
    return type("Broken", (Classes,), members)("m", "probabilities", "float32", OUTCOME_NAMES, LIMITS)


def overwritten(outcome, values, raw, rows):
    raw[0] = 0
    return values


COLUMNS = len(OUTCOME_NAMES) + 3
BROKEN = {
    "no name": (made(name=""), "An outcome has a name"),
    "shape": (made(values=lambda self, values, raw, rows: values[0]), "Values have shape"),
    "width": (made(values=lambda self, values, raw, rows: values[..., 1:]), "Values have shape"),
    "float32": (made(values=lambda self, values, raw, rows: np.float32(values)), "in float64"),
    "NaN": (made(values=lambda self, values, raw, rows: values * np.nan), "Values are finite"),
    "raw changed": (made(values=overwritten), "Raw outputs are left as they were"),
    "other passes": (
        made(values=lambda self, values, raw, rows: values - values.mean(axis=0)),
        "A pass is read by itself",
    ),
    "other rows": (
        made(values=lambda self, values, raw, rows: values / (1 + np.arange(len(rows)))[:, None]),
        "A row is read by itself",
    ),
    "derived of other rows": (
        made(
            derived=lambda self, derived, values, reference: derived - derived[:, :1],
            regrouped=lambda self, regrouped, columns, mean: columns,
        ),
        "A row's columns do not depend on the rows beside it",
    ),
    "a derived number too few": (
        made(derived=lambda self, derived, values, reference: derived[..., 1:]),
        "have a family each",
    ),
    "families": (made(families=(0,) * len(OUTCOME_NAMES) + (1, 2, 4)), "Families count from 0"),
    "no least error": (made(least_error=(0.0,) * len(OUTCOME_NAMES)), "Every column has a least error"),
    "negative least error": (made(least_error=(-0.1,) * COLUMNS), "Least errors are not below 0"),
    "goes by": (made(goes_by=lambda self, by, mean: 1 + by), "is between 0 and 1"),
    "goes by too few": (made(goes_by=lambda self, by, mean: by[..., 1:]), "Every column goes by"),
    "moves": (made(moves=lambda self, moved, q: -moved), "Columns move by 0 or more"),
    "fitted on": (made(fitted_on=lambda self, fitted, mean: 1.0 * fitted), "says yes or no for each column"),
    "doubt": (made(doubt=lambda self, doubt, values: doubt[:, None]), "Every row has one doubt"),
    "regrouped": (
        made(regrouped=lambda self, columns, given, mean: columns + 1),
        "Columns seen from their own mean are the same",
    ),
    "spread": (made(spread=lambda self, mended, spread: -mended), "Spreads stay spreads"),
    "always enough": (
        made(is_enough=lambda self, enough, estimates, target: np.ones(len(estimates), bool)),
        "No row has enough whose errors are infinite",
    ),
    "never enough": (
        made(is_enough=lambda self, enough, estimates, target: np.zeros(len(estimates), bool)),
        "Every row has enough whose errors are 0",
    ),
    "one enough": (
        made(is_enough=lambda self, enough, estimates, target: enough.all(keepdims=True)),
        "`is_enough` says yes or no for each row",
    ),
    "result too short": (
        made(result=lambda self, result, estimates, told: result[:-1]),
        "The result has a row for each row",
    ),
    "result without words": (
        made(result=lambda self, result, estimates, told: Wordless(result)),
        "A row of the result prints as words",
    ),
    "joined rows lost": (
        made(result=lambda self, result, estimates, told: JoinsTheFirst(result)),
        "Parts of a result join to the whole",
    ),
    "joined backwards": (
        made(result=lambda self, result, estimates, told: JoinsBackwards(result)),
        "Parts of a result join to the whole",
    ),
    "never empty": (
        made(result=lambda self, result, estimates, told: NeverEmpty(result)),
        "A result of no rows is one of no rows",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_named(name):
    outcome, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_outcome(outcome, RAW.copy())


def test_the_outcome_that_is_broken_here_is_sound_otherwise():
    check_outcome(made(), RAW)
    check_outcome(made(result=lambda self, result, estimates, told: Wrapped(result)), RAW)
