"""DeepCut, a network that others trained and published, asked how sure it is; written to docs/deepcut.md.

    python -m validation.deepcut               runs the example, to docs/deepcut.json and docs/deepcut.md

It needs the extra `deepcut`.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page

PAGE = Page("deepcut")


EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)

BEGINNINGS = (
    "เด็กหญิงตา|กลมคนนั้นนั่งตากลมอยู่ริมทะเล",
    "เด็กหญิงตากลมคนนั้นนั่งตาก|ลมอยู่ริมทะเล",
    "แมวตัวนี้ขนฟูและตา|กลม",
    "เรานั่งตาก|ลมที่ระเบียง",
)
"""Where a word begins within ตากลม, as each sentence is meant."""


def look() -> dict[str, Any]:
    """Run the example: what it prints, what it costs, and which characters are in doubt or meant to begin."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(EXAMPLE.findall(PAGE.text())[0], names)
    certainty, places = names["certainty"], names["places"]
    plain = howsure.assess(names["model"], names["x"], method=howsure.Softmax()).probabilities[:, 1]
    dropout = certainty.probabilities[:, 1]
    return {
        "printed": printed.getvalue().strip(),
        "characters": len(places),
        "passes": [int(of(certainty.passes)) for of in (np.sum, np.min, np.max)],
        "in doubt": {
            places[row]: [certainty.verdict[row], bool(certainty.settled[row]), int(certainty.passes[row])]
            for row in certainty.most_undecided()
            if certainty.verdict[row] != "sure"
        },
        "begins": {at: [float(of[places.index(at)]) for of in (plain, dropout)] for at in BEGINNINGS},
    }


def parts(found: dict[str, Any]) -> dict[str, object]:
    """Figures of the page, and what its example prints."""
    count, (passes, fewest, most), doubt = found["characters"], found["passes"], found["in doubt"]
    flips = {place: settled for place, (verdict, settled, _) in doubt.items() if verdict == "coin flip"}
    five, doubted, flipped = (
        sum("ตา|กลม" in place or "ตาก|ลม" in place for place in of) for of in ([*doubt][:5], doubt, flips)
    )
    right, right_of_dropout = (np.array([*found["begins"].values()]) > 0.5).sum(axis=0)
    return {
        "printed": f"```text\n{found['printed']}\n```",
        **{"five": five, "doubted": doubted, "flipped": flipped, "right": right, "dropout": right_of_dropout},
        **{"count": count, "doubt": len(doubt), "flips": len(flips)},
        "unsettled": [*flips.values()].count(False),
        **{"passes": f"{passes:,}", "each": f"{passes / count:.1f}", "fewest": fewest, "most": most},
        "in_doubt": f"{sum(each[2] for each in doubt.values()):,}",
    }


if __name__ == "__main__":
    PAGE.measure(look, parts)
