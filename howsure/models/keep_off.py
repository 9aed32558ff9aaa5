"""Check `keep_off`: the random layers that a caller wants to stay fixed."""

from __future__ import annotations

from collections.abc import Collection

from howsure.data.rows import quoted
from howsure.errors import InputError

KEPT_OFF = "stays fixed: `keep_off` names it"
"""The note about such a layer."""


def check_kept_off(keep_off: Collection[str], random: Collection[str]) -> None:
    """Raise an `InputError` if `keep_off` names something that is no random layer, or names all of them."""
    unknown = sorted(set(keep_off) - set(random))
    if keep_off and random and not set(random) - set(keep_off):
        raise InputError(
            "`keep_off` leaves nothing random, so all passes would be the same",
            expected=f"some of {quoted(sorted(random))}, and not all",
            received=quoted(sorted(keep_off)),
            hint="The plain prediction is method=howsure.PlainPrediction()",
        )
    if unknown:
        verb = "is" if len(unknown) == 1 else "are"
        raise InputError(
            f"`keep_off` names {quoted(unknown)}, which {verb} no random layer",
            expected=f"some of {quoted(sorted(random))}" if random else "a model with random layers",
            received=quoted(sorted(keep_off)),
            hint="howsure.audit(model) shows their names",
        )
