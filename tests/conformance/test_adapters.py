"""Every adapter keeps to the protocols of the model seam, and `check_adapter` sees it where one does not."""

import pytest

from tests.support.cases import CASES
from tests.support.conformance import check_adapter


@pytest.mark.parametrize("name", CASES, ids="arrays, {}".format)
def test_an_adapter_keeps_to_its_protocols(name):
    case = CASES[name]
    assert check_adapter(case.make, case.rows) == case.protocols
