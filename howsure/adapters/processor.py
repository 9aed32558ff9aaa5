"""Capabilities of the processor."""

import functools
from pathlib import Path


@functools.cache
def multiplies_bfloat16() -> bool:
    """True if the processor has instructions for products in bfloat16, according to Linux."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})
