"""How results of every kind show themselves: printed, in a notebook, and as a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from howsure.displayed import Displayed
from howsure.on_first_use import imported

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.audit import Audit
    from howsure.compare.comparison import Comparison


class Shown(Displayed):
    """Prints and reports a result. The code that shows it is imported on first use."""

    in_notebooks: ClassVar[str] = "howsure.report.notebook:of_result"

    def __str__(self) -> str:
        text: str = imported("howsure.answers.printed:text_of")(self)
        return text

    def report(
        self,
        path: str | os.PathLike[str],
        rows: Any = None,
        labels: ArrayLike | None = None,
        *,
        audit: Audit | None = None,
        comparison: Comparison | None = None,
        title: str | None = None,
        background: int | str | None = None,
        geometry: Any = None,
    ) -> None:
        """Write one HTML page that says which rows to check first, and whether to trust the percentages.

        It needs nothing from outside. An earlier file stays until the new one is complete.

        Args:
            path: The HTML file.
            rows: The N rows that were assessed, in their order, or with their index or ids: an array (N, …),
                a data frame, or a dict of arrays by name. Images are shown as images, anything else by its
                first values, with the names of their columns if there are any. Default: neither.
            labels: True answers, as for `with_truth`. Default: those of the result.
            audit: The random layers of the model; the page ends with them.
            comparison: A comparison of methods on rows like these; the page shows its answer.
            title: A line above the heading.
            background: For a class at each position: the class, by number or name, that means over classes
                leave out; see `howsure.evaluate`.
            geometry: For a class at each position: the GeoTIFF image, NIfTI volume or folder of them that was
                assessed, or the sides of a position in mm. The page then measures areas and volumes, and
                draws volumes as they lie.

        Raises:
            InputError: `rows` or `labels` do not fit, or this kind of answer keeps no true answers.
            FileError: The file cannot be written.

        Example:
            >>> howsure.assess(model, x).report("report.html", rows=x, labels=labels)
        """
        result: Any = self
        if labels is not None:
            result = result.with_truth(labels)
        asked: dict[str, Any] = {"audit": audit, "comparison": comparison, "title": title}
        write = imported("howsure.report.page:write_report")
        write(path, result, rows, background=background, geometry=geometry, **asked)
