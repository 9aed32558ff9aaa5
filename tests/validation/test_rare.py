"""Errors of maps hold where few channels are dropped rarely, against all thinned networks."""

import pytest

from validation import rare


@pytest.mark.parametrize(("rate", "kind"), [(0.02, "channels"), (0.02, "units"), (0.05, "channels")])
def test_errors_of_maps_and_shares_hold_where_few_channels_are_dropped_rarely(rate, kind, monkeypatch):
    monkeypatch.setattr(rare, "SEEDS", 8)
    actual = rare.look_at(rate, 4, kind)
    assert actual["within"] > 0.9
    assert actual["beyond"] < 0.01
    assert actual["shares"] > 0.9
    assert actual["shares_beyond"] < 0.01
