"""How a comparison of results of a class at each position is told: by percentages, as for classes of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from howsure.answers.classes.comparison_words import ClassWords
from howsure.compare.comparison import Comparison
from howsure.compare.parts import ACCURACY
from howsure.compare.phrases import besides, in_numbers, joined, the
from howsure.compare.protocol import Wording
from howsure.judge.scores import Score
from howsure.words import counted, rate


class PositionWords(ClassWords):
    """The words of a class at each position; see `howsure.compare.protocol.Words`."""

    questions: Mapping[str, Wording] = {
        "nll": ClassWords.questions["nll"],
        "row_dice": Wording(
            "Which method's labels are closest to the truth?",
            "the labels closest to the truth",
            "on average the Dice of its {kind}s is {value}",
            "above",
        ),
        "aurc": Wording(
            "Which method knows best where its labels are wrong?",
            "the best order from certain to doubtful",
            "on average over the shares of {kind}s that {it} may keep, the most certain first, their 1 − "
            "Dice is {value}",
            "below",
        ),
    }
    changed: Sequence[str] = ("nll", "row_dice")
    short: Sequence[tuple[str, str]] = (
        ("Dice", "row_dice"),
        ("IoU", "row_iou"),
        ("NLL", "nll"),
        ("ECE", "ece"),
        ("AURC", "aurc"),
    )
    shift = replace(ClassWords.shift, said="The mean Dice of {baseline}")
    reasons: Mapping[tuple[str, bool], str] = {
        **ClassWords.reasons,
        (ACCURACY, True): "its labels are right more often",
        (ACCURACY, False): "its labels are right less often",
    }
    page = "positions/comparison.html.j2"

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """See `Words`."""
        return joined(
            super().take(comparison, method, worse), besides(comparison, method, "row_dice", "Dice", _points)
        )

    def keep(self, comparison: Comparison) -> str:
        """See `Words`."""
        than, main = comparison.methods[0], self.main
        if len(comparison.methods) > 1 and not any(
            comparison.difference(method, than, main).known for method in comparison.methods[1:]
        ):
            rows = counted(comparison.rows, comparison.kind)
            return (
                f"Take {the(comparison, than)}: {rows} are too few to tell whether another method has more "
                "accurate percentages."
            )
        return (
            f"Take {the(comparison, than)}: no other method here has more accurate percentages by more than "
            "chance."
        )

    def doubt(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        return ""

    def note(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        if comparison.ranked(name).best is None:
            return ""
        kind, where = comparison.kind, next(iter(comparison.certainties.values())).position_name
        if name == "row_dice":
            but = "" if comparison.background is None else f" but '{comparison.background}'"
            return (
                f"The Dice of one {kind} is the mean over its classes{but} of 2 TP / (2 TP + FP + FN), 100 % "
                f"if all {where}s are right. Each {kind} counts the same."
            )
        if name == "aurc":
            return f"This is the AURC of {kind}s, with the least doubtful ones first."
        said = super().note(comparison, name)
        return f"{said} It is the mean over the {where}s of each {kind}, and each {kind} counts the same."

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The mean Dice of the baseline, and how often its labels are right beside what it claims."""
        dice = rate(comparison.score(comparison.methods[0], "row_dice", rows).value)
        return f"{dice} ({super().shifted_value(comparison, rows)})"


def _points(gap: Score) -> tuple[str, str]:
    """A difference of Dice in words and its interval: `1.2 points higher` and `0.8 to 1.6`."""
    sign, word = (100, "higher") if gap.value > 0 else (-100, "lower")
    low, high = sorted((sign * gap.low, sign * gap.high))
    value, interval = in_numbers(Score(sign * gap.value, low, high))
    return f"{value}\u00a0points {word}", interval


POSITION_WORDS = PositionWords()
