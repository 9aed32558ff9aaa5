"""What howsure says, writes, refuses and shows is what tests/golden/said/ holds, word for word.

After a change that is meant to change it, `python -m tests.golden` writes these files anew.
"""

import difflib

import pytest

from tests.golden.master import HERE, text_now, texts


@pytest.mark.parametrize("name", texts())
def test_it_says_what_it_said(name):
    expected = (HERE / name).read_text(encoding="utf-8").splitlines()
    changed = list(
        difflib.unified_diff(expected, text_now(name).splitlines(), "before", "now", lineterm="", n=1)
    )
    assert not changed, "\n".join(["`python -m tests.golden` writes it anew", *changed[:60]])


def test_every_kind_and_no_other_file():
    assert {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.txt")} == {*texts()}
