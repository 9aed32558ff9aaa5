"""The tree drawn at the top of errors.py is the tree there is, and messages have one form."""

import pickle
import re

import pytest

import howsure
from howsure import errors

TREE = {
    errors.InputError: ValueError,
    errors.ModelError: ValueError,
    errors.FileError: OSError,
    errors.DependencyError: ImportError,
}


@pytest.mark.parametrize("cls", TREE)
def test_tree(cls):
    assert issubclass(cls, errors.HowsureError)
    assert issubclass(cls, TREE[cls])
    assert [other for other in TREE if issubclass(cls, other)] == [cls]
    assert getattr(howsure, cls.__name__) is cls


def test_warning_is_no_error():
    assert issubclass(howsure.HowsureWarning, UserWarning)
    assert not issubclass(howsure.HowsureWarning, howsure.HowsureError)


def test_docstring_draws_every_class():
    drawn = set(re.findall(r"\b(\w+(?:Error|Warning)) (?:\(|  )", errors.__doc__))
    defined = {name for name in vars(errors) if name.endswith(("Error", "Warning"))}
    assert drawn == defined


@pytest.mark.parametrize("cls", [errors.HowsureError, *TREE])
def test_message(cls):
    error = cls("What happened", expected="this", received=3, mend="Do that.")
    assert str(error) == "What happened. Expected: this. Received: 3. Do that."
    assert (error.what, error.expected, error.received, error.mend) == (
        "What happened",
        "this",
        3,
        "Do that.",
    )


def test_parts_may_be_left_out_and_falsy_values_are_shown():
    assert str(errors.InputError("It is wrong")) == "It is wrong."
    assert str(errors.InputError("It is wrong", received=0)) == "It is wrong. Received: 0."
    assert str(errors.InputError("It is wrong", received=False)) == "It is wrong. Received: False."
    assert str(errors.FileError("'a.b' is gone.", mend="Look")) == "'a.b' is gone. Look."


@pytest.mark.parametrize("cls", TREE)
def test_errors_travel_between_processes(cls):
    error = cls("What happened", expected="this", received=3, mend="Do that")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert (copy.what, copy.expected, copy.received, copy.mend) == ("What happened", "this", 3, "Do that")


@pytest.mark.parametrize("cls", TREE)
def test_one_except_catches_all(cls):
    with pytest.raises(howsure.HowsureError):
        raise cls("What happened")
