"""Refusals: an error, and all that its message says."""

import pytest


def refused(error, call, *fragments):
    """What a call raises is this error, and its message has all the fragments."""
    with pytest.raises(error) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value), str(caught.value)
