"""The tree drawn at the top of errors.py is the tree there is, and messages have one form."""

import inspect
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import howsure
from howsure import errors
from tests.guard import check_none

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


def test_warnings_have_a_kind():
    assert howsure.HowsureWarning("said").kind == "said"
    sent = pickle.loads(pickle.dumps(howsure.HowsureWarning("of 5 rows", "of rows")))
    assert (str(sent), sent.kind) == ("of 5 rows", "of rows")


@pytest.mark.parametrize("cls", [errors.HowsureError, *TREE])
def test_message(cls):
    error = cls("What happened", expected="this", received=3, hint="Do that.")
    assert str(error) == "What happened. Expected: this. Received: 3. Do that."
    assert (error.what, error.expected, error.received, error.hint) == (
        "What happened",
        "this",
        3,
        "Do that.",
    )


def test_parts_may_be_left_out_and_falsy_values_are_shown():
    assert str(errors.InputError("It is wrong")) == "It is wrong."
    assert str(errors.InputError("It is wrong", received=0)) == "It is wrong. Received: 0."
    assert str(errors.InputError("It is wrong", received=False)) == "It is wrong. Received: False."
    assert str(errors.FileError("'a.b' is gone.", hint="Look")) == "'a.b' is gone. Look."


@pytest.mark.parametrize("cls", TREE)
def test_errors_travel_between_processes(cls):
    error = cls("What happened", expected="this", received=3, hint="Do that")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert (copy.what, copy.expected, copy.received, copy.hint) == ("What happened", "this", 3, "Do that")


# --- warnings -----------------------------------------------------------------------------------------


def place_of(call):
    """Where the warning of a call points, and the line that made the call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    (warning,) = caught
    assert warning.category is howsure.HowsureWarning
    return warning.filename, warning.lineno


def line_of(call):
    return __file__, inspect.getsourcelines(call)[1]


def upside_down():
    """A result whose labels are wrong far more often than chance: `prediction_sets` warns of it."""
    p = np.full((60, 2), [0.1, 0.9])
    certainty = howsure.Certainty(p, np.zeros((60, 2)), np.zeros(60), np.ones(60, int), ("a", "b"), range(60))
    return certainty, np.zeros(60, int)


def test_a_warning_points_at_the_line_that_called_howsure():
    certainty, labels = upside_down()
    call = lambda: howsure.prediction_sets(certainty, labels)  # noqa: E731  # one line is what this is about
    assert place_of(call) == line_of(call)


def test_so_it_does_where_others_lie_between_or_call_back():
    def called_back(_):
        errors.warn("Look")

    namespace = {"__name__": "howsure.somewhere"}
    exec("def ours(call): return call(0)", namespace)
    call = lambda: namespace["ours"](called_back)  # noqa: E731
    assert place_of(call) == line_of(call)


def test_each_line_is_warned_once_as_python_does():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            errors.warn("Look")
        errors.warn("Look")
    assert len(caught) == 2


def test_all_warnings_are_given_in_this_way():
    package = Path(howsure.__file__).parent
    elsewhere = [path for path in package.rglob("*.py") if "warnings.warn" in path.read_text("utf-8")]
    wrong = [path.relative_to(package) for path in elsewhere if path.name != "errors.py"]
    check_none(wrong, "files call `warnings.warn`", open="the file, and call `howsure.errors.warn`")


def test_messages_read_in_their_order():
    fault = howsure.FileError("'a\u202egnp.exe' is\nno image", received="\x1b[2J")
    assert str(fault) == "'a\\u202egnp.exe' is\nno image. Received: \\x1b[2J."
    assert fault.received == "\x1b[2J"
    assert str(howsure.HowsureWarning("a\u2066b")) == "a\\u2066b"


def test_a_warning_while_a_model_is_looked_at_comes_afterwards_under_the_filters_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", "nothing of the kind")
        with errors.warnings_never_errors(), errors.warnings_never_errors():
            warnings.warn("another's", stacklevel=1)
            errors.warn("ours")
    assert [str(each.message) for each in caught] == ["ours"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            with errors.warnings_never_errors():
                pass
            warnings.warn("once", stacklevel=1)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with errors.warnings_never_errors():
            warnings.warn("another's", stacklevel=1)
        with pytest.raises(howsure.HowsureWarning, match="ours"), errors.warnings_never_errors():
            errors.warn("ours")
