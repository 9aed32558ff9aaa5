"""The record of each score, which `evaluate`, notebooks, csv files, comparisons and calibrators show it by.

Each kind of answer lists its scores once, as `METRICS`. A new score is an entry there, and a field of its
evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from howsure.evaluation.score import OUTSIDE
from howsure.words import upper


@dataclass(frozen=True)
class Metric:
    """A way to score rows; a `Score` is its value for some of them.

    Attributes:
        name: The field that holds it: `error_auroc`.
        heading: Its name in tables: `error AUROC`.
        good: The values that are good. It begins with `higher is better` where they are.
        term: Explanation for the page of a comparison, in Jinja; None leaves the score out of its tables.
        per_cent: Whether comparisons show it in per cent.
        alone: Whether a method may be marked as the best in it even where the main score has no interval.
        called: Its name in comparisons, where that is not the heading.
    """

    name: str
    heading: str
    good: str
    term: str | None
    per_cent: bool = False
    alone: bool = False
    called: str = ""

    @property
    def higher(self) -> bool:
        """Whether higher is better."""
        return self.good.startswith("higher is better")

    @property
    def compared(self) -> str:
        """Its name in comparisons: `Error AUROC`."""
        return upper(self.called or self.heading)

    @property
    def column(self) -> str:
        """Heading of its column on the page of a comparison: `Accuracy, %`."""
        return self.compared + (", %" if self.per_cent else "")


def by_name(*definitions: Metric) -> Mapping[str, Metric]:
    """The definitions by their names, in their order."""
    return {definition.name: definition for definition in definitions}


def of_outside(by: str = "disagreement", last: str = "every OOD row", row: str = "row") -> tuple[Metric, ...]:
    """The scores `OUTSIDE` of telling rows from outside of the distribution.

    Args:
        by: Quantity that the third goes by.
        last: Rows that the best order puts last.
        row: Name of a row.
    """
    area, accepted, by_disagreement = OUTSIDE
    good = f"higher is better; 0.5 is a guess, 1 puts {last} last"
    return (
        Metric(
            area,
            "outside AUROC",
            good,
            "How often a method finds an OOD {{ kind }} more uncertain than one of the {{ kinds }} here: "
            "0.5 is a guess, 1 is always. A tie counts half.",
            called="AUROC on OOD rows",
        ),
        Metric(
            accepted,
            "outside FPR95",
            f"lower is better; 0 lets no OOD {row} pass",
            "Share of OOD {{ kinds }} that pass a threshold which 95 % of the {{ kinds }} here pass.",
            called="FPR95",
        ),
        Metric(by_disagreement, f"outside AUROC, by {by}", good, None),
    )
