"""Every adapter keeps to the protocols of the model seam, and `check_adapter` sees it where one does not."""

import pytest

from howsure.conformance import check_adapter
from tests.conformance.cases import CASES


@pytest.mark.parametrize("name", CASES, ids="arrays, {}".format)
def test_an_adapter_keeps_to_its_protocols(name):
    case = CASES[name]
    assert check_adapter(case.make, case.rows) == case.protocols
