"""Keep masks, and thinned networks that are ready for few rows, for later calls.

For few rows it takes longer to draw masks and to hand them over than to run the passes. Masks follow from
seed and plan, so they need not be drawn again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from howsure import tuning
from howsure.adapters.protocol import Array, PassModel

KEPT_BYTES = 1 << 24
"""Bytes of masks that are kept for each model at most; bounds memory."""


class NetworkCache:
    """Thinned networks of one model that hold masks and no weights, as those for few rows; or masks alone.

    Their masks take `most` bytes at most, by default `KEPT_BYTES`; those that were not used for longest go.
    """

    def __init__(self, most: int = 0) -> None:
        self._found: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._most, self._bytes, self._one_at_a_time = most, 0, threading.Lock()

    def thinned(
        self, key: Hashable, masks: Callable[[], Sequence[Array]], thin: Callable[[Sequence[Array]], Any]
    ) -> Any:
        """The networks of a key, kept or made.

        Args:
            key: All that the masks follow from.
            masks: Draws them.
            thin: Makes the networks.
        """
        with self._one_at_a_time:
            if (entry := self._found.get(key)) is not None:
                self._found.move_to_end(key)
                return entry[0]
        drawn_masks = masks()
        networks, size = thin(drawn_masks), sum(mask.nbytes for mask in drawn_masks)
        most = self._most or KEPT_BYTES
        with self._one_at_a_time:
            if key not in self._found and size <= most:
                self._found[key] = networks, size
                self._bytes += size
            while self._bytes > most:
                self._bytes -= self._found.popitem(last=False)[1][1]
        return networks


def thinned(model: PassModel, key: Hashable, masks: Callable[[], Sequence[Array]], *, of_all: int) -> Any:
    """The networks with these masks for a chunk of rows; kept with the model if there are few rows in all.

    Args:
        model: The model.
        key: All that the masks follow from, apart from the model.
        masks: Draws them.
        of_all: Approximate number of rows that will get these passes.
    """
    cache: NetworkCache | None = getattr(model, "networks", None)
    if cache is None or of_all >= tuning.MANY_ROWS:
        return model.thin(masks())
    return cache.thinned(key, masks, model.thin)
