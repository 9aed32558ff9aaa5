"""Every row as a dict that JSON can hold, under the names of the table's columns."""

import json

import numpy as np
import pytest

from tests.golden.master import case
from tests.kinds import KINDS

BESIDE = {"id", "sentence", "explain", "share_interval", "regions", "mc_error"}
"""Names that are no columns of all kinds."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_a_dict_that_json_holds(kind):
    result = case(kind).result.with_ids([f"r{number}" for number in range(len(case(kind).result))])
    for at, row in enumerate(result):
        plain = row.to_dict()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert (plain["id"], plain["row"], plain["sentence"]) == (row.id, row.row, str(row))
        columns = {column.name for column in result.columns}
        assert plain.keys() <= columns | BESIDE | {result.names}
        for name in plain.keys() & columns - BESIDE:
            column = np.asarray(getattr(result, name))
            if column.dtype.kind == "f":
                mine = np.array(plain[name], dtype=float)
                assert np.allclose(mine, column[at], rtol=1e-12, atol=1e-12, equal_nan=True), name


def test_unknown_numbers_are_none():
    plain = case("numbers").result[0]
    assert np.isnan(plain.noise).any() == (None in plain.to_dict()["noise"])
