"""What the processor can do."""

import functools
from pathlib import Path


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether it has instructions for products in bfloat16, as Linux tells."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})
