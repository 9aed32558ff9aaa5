"""The common sentences of all kinds of answers: percentages, names of rows, and reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

from howsure.displayed import Displayed
from howsure.inputs.align import ID
from howsure.results.origin import DECIDED
from howsure.tasks import verdict as verdicts
from howsure.words import printable, upper

SETTINGS = ("kind", "method", "id_name", "thresholds", "unfamiliar_share", "noise_from", "position_name")
"""Fields of rows that are the same for all rows, and not in the dict of one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AnswerRow(Displayed):
    """One row of a result, of whatever kind its answers are.

    Attributes:
        row: Number of the row in the input, from 0.
        passes: Passes spent on it.
        kind: Name of one row in sentences, `image` or `row`.
        method: Name and settings of the method that produced the passes.
        id: The caller's name for the row, or None.
        id_name: Name of the column of ids.
    """

    _beside: ClassVar[tuple[str, ...]] = ()
    """Columns of the table that are no fields of the row, but follow from them."""

    row: int
    passes: int
    kind: str
    method: Mapping[str, Any] = field(default_factory=dict)
    id: int | str | None = None
    id_name: str = ID

    @property
    def called(self) -> str:
        """Name of the row in a text: `customer A17` by its id, or without one `row 17`."""
        return called(self.kind, self.row, self.id, self.id_name)

    def to_dict(self) -> dict[str, Any]:
        """The row as plain numbers, texts and lists, which JSON can hold; None for NaN.

        Names are those of the table's columns, with the names of the K classes, labels or targets. `id` is
        the caller's name for the row, `sentence` what printing it says, and `explain` what `explain` says.

        Example:
            >>> howsure.assess(model, x)[89].to_dict()["verdict"]
            'coin flip'
        """
        names = [item.name for item in fields(self) if item.name not in SETTINGS]
        values = {name: plain(getattr(self, name)) for name in (*names, *self._beside)}
        return {**values, "sentence": str(self), "explain": self.explain()}

    def explain(self) -> str:
        """The rest of the row in sentences, with advice; empty if there is nothing to add.

        It says how far single networks go, and where the doubt lies.

        Example:
            >>> print(howsure.assess(model, x)[89].explain())
            With other units dropped, most networks say 1 to 97 %. Most of the doubt is within the ...
        """
        return " ".join(f"{upper(part)}." for part in self._explained() if part)

    def _explained(self) -> Iterable[str]:
        """Clauses of `explain`; empty ones are left out."""
        return ()


def plain(value: Any) -> Any:
    """A value as JSON can hold it; NaN and infinity become None."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return None if isinstance(value, float) and not math.isfinite(value) else value


ADVICE = {
    verdicts.WITHIN_PASSES: (
        "most of the doubt is within the {between}, not between them: more {passes} will not help"
    ),
    verdicts.DISAGREEMENT: (
        "the {between} disagree: an ensemble tells whether networks from other seeds doubt it too"
    ),
    verdicts.TOO_FEW_PASSES: "try {more}",
    verdicts.UNFAMILIAR: "at most {unlike} of held-out {kind}s are as unfamiliar: let a person look at it",
}
"""Each reason in words, and advice. None says where the doubt comes from."""

WORDS = {
    "passes": "passes",
    "pass": "one pass through the network",
    "between": "networks",
    "more": "more passes",
    "agreement": "This does not show whether the answer cannot be seen or too little was learned.",
    "others": "An ensemble, which tells whether networks trained from other seeds doubt it too. ",
    "familiarity": " Familiarity, which tells whether it is strange to the network.",
    "shows": "",
}
"""Default words about the passes of a method; a method has others in its settings, under `words`.

`passes` and `pass` name them; an interval is `between` these; `more` is the option that gives more of them,
with `{passes}` for their number. `agreement` says what it means that passes agree, `others` and `familiarity`
what other networks and familiarity would show, `shows` why to look at this method, after `because`."""


def called(kind: str, row: int, id: int | str | None, id_name: str) -> str:
    """Name of a row in a text: by its id if it has one, otherwise by its kind and number."""
    return f"{kind} {row}" if id is None else printable(f"{id_name} {id}")


def percent(probability: float, mc_error: float) -> str:
    """A probability in words, with the 95 % interval its passes allow: `51 ± 1 %`.

    A narrow interval adds one decimal, as does a number that would round to 0 or 100: `99.4 ± 0.5 %`. Beyond
    that it is `< 0.1 %` or `> 99.9 %`. An interval that would lead out of 0 to 100 % is told by its other
    end: `over 95 %`, `under 4 %`. There is no interval where it is unknown, or 0 as for a plain prediction.
    """
    value, margin = 100 * probability, float(np.minimum(196 * mc_error, 100))
    is_wide = margin >= 0.95
    decimals = 0 if is_wide and round(value) not in (0, 100) else 1
    is_extreme = value < 0.05 or value >= 99.95
    said = f"{value:.{decimals}f}" if not is_extreme else "< 0.1" if value < 50 else "> 99.9"
    if not np.isfinite(margin) or margin == 0 or (is_extreme and not is_wide):
        return f"{said} %"
    shown, error = round(value, decimals), round(max(margin, 0.1), decimals)
    if error <= shown + 1e-9 and shown + error <= 100 + 1e-9:
        return f"{shown:.{decimals}f} ± {error:.{decimals}f} %"
    steps, ends = (1, 0) if is_wide else (10, 1)
    low, high = math.floor(steps * (value - margin)) / steps, math.ceil(steps * (value + margin)) / steps
    if low <= 0 and high >= 100:
        return "0 to 100 %"
    return f"over {low:.{ends}f} %" if shown + error > 100 else f"under {high:.{ends}f} %"


def mended(method: Mapping[str, Any], how: str) -> str:
    """The remedy for percentages or intervals that do not fit: `how`, unless rows are calibrated already."""
    if {"calibration", DECIDED} & method.keys():
        return "The calibration does not fit these rows: learn it again from labelled rows like them."
    return how


def words_of(method: Mapping[str, Any]) -> dict[str, str]:
    """The words of a method for its passes, and `WORDS` for those that it does not set."""
    return {**WORDS, **method.get("words", {})}


def more_of(method: Mapping[str, Any], passes: int) -> str:
    """The option of a method that gives so many passes, rounded up to two digits: `max_passes=1500`."""
    return words_of(method)["more"].replace("{passes}", str(two_digits(passes)))


def two_digits(number: int) -> int:
    """A positive number rounded up to two digits."""
    step: int = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return math.ceil(number / step) * step


def passes_needed(passes: Any, error: Any, target: Any) -> int:
    """Most passes that a smaller error takes, as errors fall with the root of their number.

    Args:
        passes: (…) passes spent on some rows.
        error: (…) standard error of each.
        target: (…) the smaller error.
    """
    return math.ceil(float(np.max(passes * np.square(error / target))))


def unsettled(method: Mapping[str, Any], passes: int, needed: int, error: float) -> str:
    """How many more passes settle it, in brackets after a verdict: `; needs about 200 more passes`.

    Args:
        method: Name and settings of the method that produced the passes.
        passes: Passes spent on the row.
        needed: Passes with which it is settled in half of all cases or more.
        error: Standard error that tells how many are needed; where it is unknown, no number is given.
    """
    called = words_of(method)["passes"]
    if not math.isfinite(error):
        return f"; {passes:,} {called} do not settle it"
    return f"; needs about {two_digits(needed - passes):,} more {called}"


def dropped(method: Mapping[str, Any]) -> str:
    """The words before what single networks of MC dropout say; empty for other methods."""
    return "with other units dropped, " if method.get("name") in (verdicts.DRAWN, verdicts.GRAPH) else ""


def advice(
    reason: str | None, method: Mapping[str, Any], *, needed: int, kind: str, familiarity: float | None = None
) -> str:
    """A reason of `howsure.tasks.verdict.REASONS`, and what to do about it; empty where nothing helps.

    Args:
        reason: The reason, or None.
        method: Name and settings of the method that produced the passes.
        needed: Passes with which it is settled in half of all cases or more.
        kind: Name of one row in sentences, `image` or `row`.
        familiarity: Share of held-out rows that are no more familiar; only `unfamiliar` needs it.
    """
    words = words_of(method)
    has_no_advice = (reason == verdicts.DISAGREEMENT and not words["others"]) or (
        reason == verdicts.TOO_FEW_PASSES and "{passes}" not in words["more"]
    )
    if reason is None or has_no_advice:
        return ""
    return ADVICE[reason].format(
        between=words["between"],
        passes=words["passes"],
        more=more_of(method, needed),
        unlike="" if familiarity is None else at_most(familiarity),
        kind=kind,
    )


def compared(how: str, said: str) -> str:
    """`at most 12 %`, but `< 0.1 %` or `over 95 %` where a text has a comparison of its own."""
    return said if said.startswith(("<", ">", "over", "under", "0 to 100")) else f"{how} {said}"


def at_most(share: float) -> str:
    """A share in per cent, rounded up to one decimal."""
    return f"{math.ceil(1_000 * share - 1e-9) / 10:.1f} %"
