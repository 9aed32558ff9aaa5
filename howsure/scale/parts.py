"""The file of one part: results, and beside them what only this part knows, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from howsure.data.reading import open_native
from howsure.data.sealed_json import plain_json
from howsure.data.typed import FROM_0, FileName, typed
from howsure.errors import probing
from howsure.results.maps import Maps
from howsure.results.result import save_sealed
from howsure.results.saved import METADATA_KEY, maps_of
from howsure.results.seal import check_seal
from howsure.scale.work import Part

PART_KEY = b"howsure.part"


@dataclass(frozen=True)
class About:
    """The description of a part in its file.

    Attributes:
        first_row: The number of its first row in the whole input, also where that row was left out.
        left_out: Why rows were left out, by their places in the file of rows.
        content: For images, a mark of their content; else empty.
    """

    first_row: int
    left_out: Mapping[int, str] = field(default_factory=dict)
    content: str = ""


def save_part(folder: Path, part: Part, result: Any, about: About) -> None:
    """Write the file of a part.

    Args:
        folder: Of results.
        part: Which.
        result: Result of its rows, except those that were left out.
        about: Its description.

    Raises:
        FileError: It cannot be written.
    """
    save_sealed(result, folder / part.name, {PART_KEY: json.dumps(vars(about)).encode()})


def about_of(path: Path) -> About:
    """The description of a part in its file, which has to be there."""
    import pyarrow.parquet as pq

    with open_native(path) as file:
        told = plain_json(pq.read_schema(file).metadata[PART_KEY])
    left_out = typed(Mapping[str, FileName], told["left_out"], "left_out")
    first_row = typed(Annotated[int, FROM_0], told["first_row"], "first_row")
    by_place = {int(place): why for place, why in left_out.items()}
    return About(first_row, by_place, typed(str, told["content"], "content"))


@probing()
def is_whole(path: Path, settings: Mapping[str, Any]) -> bool:
    """Whether there is a part with these settings, as its seal says; a damaged one is as good as none.

    The whole part is read for its seal, and so are its maps for their checksums.
    """
    import pyarrow.parquet as pq

    try:
        if not check_seal(path):
            return False
        with open_native(path) as file:
            found = json.loads(pq.read_schema(file).metadata[METADATA_KEY])
        about_of(path)  # which a table that was saved in its place has not
    except Exception:  # whatever a reader meets in a file that is none, or is not there
        return False
    same = _without_version(found) == _without_version(settings)
    return same and Maps.of(found).are_whole(path)


def remove_part(path: Path) -> None:
    """Remove the file of a part and its maps, where they are."""
    maps = maps_of(path)
    path.unlink(missing_ok=True)
    if maps is not None:
        maps.remove(path)


def _without_version(settings: Mapping[str, Any]) -> str:
    return json.dumps({**settings, "version": None, "maps": None}, sort_keys=True)
