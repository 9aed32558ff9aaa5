"""Checks, without a test framework, of the promises of every adapter, method, outcome and result.

    from howsure.conformance import check_adapter, check_method, check_outcome, check_result

    def test_my_adapter():
        check_adapter(lambda: MyAdapter(network), [rows])

A check raises an `AssertionError` that says which promise of a seam is broken. No check can know whether the
numbers are right: compare them with something outside once.
"""

from howsure.conformance.adapters import check_adapter
from howsure.conformance.methods import check_method
from howsure.conformance.outcomes import check_outcome, check_result

__all__ = ["check_adapter", "check_method", "check_outcome", "check_result"]
