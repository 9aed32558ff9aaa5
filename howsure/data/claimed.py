"""Checks of the claimed content of a file, before memory is taken for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from howsure.errors import FileError

MOST = 2**29
"""Numbers in one image or volume: 512 × 512 × 2,048 voxels, as the longest scans of a whole body have."""


def check_claimed(file: Path, sides: Sequence[int]) -> None:
    """Raise a `FileError` for a file whose header claims more numbers than `MOST`, or none.

    Args:
        file: The file.
        sides: As its header says.
    """
    count = math.prod(map(int, sides))
    if not 0 < count <= MOST or min(map(int, sides)) < 1:
        raise FileError(
            f"'{file}' claims to hold {count:,} numbers",
            expected=f"1 to {MOST:,}",
            received=" × ".join(map(str, map(int, sides))),
            hint="`howsure assess` leaves such files out with --skip-unreadable. Cut larger ones into parts",
        )
