"""What howsure says, writes, refuses and shows is what tests/golden/said/ holds, word for word.

After a change that is meant to change it, `python -m tests.golden` writes these files anew.
"""

import difflib

import pytest

from tests.golden.master import HERE, text_now, texts
from tests.guard import check_none, check_same


@pytest.mark.parametrize("name", texts())
def test_it_says_what_it_said(name):
    expected = (HERE / name).read_text(encoding="utf-8").splitlines()
    changed = list(
        difflib.unified_diff(expected, text_now(name).splitlines(), "before", "now", lineterm="", n=1)
    )
    open = f"tests/golden/said/{name}: `python -m tests.golden` writes it anew if this is meant"
    check_none(changed[:60], "lines are not what was said before", open=open, command="git diff tests/golden")


def test_every_kind_and_no_other_file():
    check_same(
        {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.txt")},
        texts(),
        found_in="tests/golden/said/",
        expected_in="`texts()`",
        open="tests/golden/master.py; `python -m tests.golden` writes the files anew",
    )
