"""Checks, without a test framework, of the promises of every adapter, method, outcome and result.

    from tests.support.conformance import check_adapter, check_method, check_outcome, check_result

    def test_my_adapter():
        check_adapter(lambda: MyAdapter(network), [rows])

A check raises an `AssertionError` that says which promise of a seam is broken. No check can know whether the
numbers are right: compare them with something outside once.
"""

from tests.support.conformance.adapters import check_adapter
from tests.support.conformance.methods import check_method
from tests.support.conformance.outcomes import check_outcome, check_result

__all__ = ["check_adapter", "check_method", "check_outcome", "check_result"]
