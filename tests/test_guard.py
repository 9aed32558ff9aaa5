"""A check of the project's own rules says what is wrong, which file to open, and which command to type."""

import pytest

from tests.guard import check_none, check_same


def said(check, *names, **words):
    with pytest.raises(pytest.fail.Exception) as failed:
        check(*names, **words)
    return str(failed.value).splitlines()


def test_nothing_wrong_says_nothing():
    check_none([], "are wrong", open="docs/words.md")
    check_same(["a", "b"], {"b", "a"}, found_in="the page", expected_in="the code", open="docs/words.md")


def test_what_is_wrong_is_listed_with_the_file_and_a_command():
    assert said(check_none, ["gap", "share"], "have no row", open="docs/words.md", command="make docs") == [
        *("These have no row:", "  gap", "  share", "Open docs/words.md.", "`make docs` shows more.")
    ]
    (*_, again) = said(check_none, ["gap"], "have no row", open="docs/words.md")
    assert again.startswith("`python -m pytest 'tests/test_guard.py::test_what_is_wrong_is_listed_with")


@pytest.mark.parametrize(
    ("found", "expected", "line"),
    [
        ({"gap"}, {"gap", "share"}, "These are in the code, and not in the page:"),
        ({"gap", "share"}, {"gap"}, "These are in the page, and not in the code:"),
    ],
)
def test_each_place_may_lack_a_name(found, expected, line):
    told = said(
        check_same, found, expected, found_in="the page", expected_in="the code", open="docs/words.md"
    )
    assert told[:3] == [line, "  share", "Open docs/words.md."]
