"""Nothing lost, nothing let in: what faults of all kinds came to; written to docs/faults.md.

    python -m validation.faults                          bits changed, and nonsense as arguments
    python -m validation.faults tensorflow jax torch     stops of `howsure assess` on these backends

Figures of what was not run stay in docs/faults.json, and on the page, as they were.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as some

from validation import flips, stops
from validation.nonsense import answer, functions, nonsense

FLIPS = 2_000
CALLS = 200
"""Of each function; a tenth of those that take longer."""

SLOW = ("compare", "calibrate", "evaluate", "evaluate, labels")
KILLS = INTERRUPTS = 20

DOCS = Path(__file__).parent.parent / "docs"
FIGURES, PAGE = DOCS / "faults.json", DOCS / "faults.md"


def called() -> dict[str, int]:
    """How many calls with one or two arguments of nonsense there were, and how many raised no error of howsure."""
    calls = raw = 0

    def one(name: str, data: Any) -> None:
        nonlocal calls, raw
        names = some.lists(some.sampled_from([*functions()[name][1]]), min_size=1, max_size=2, unique=True)
        changes = {argument: data.draw(nonsense(argument)) for argument in data.draw(names)}
        calls, raw = calls + 1, raw + (answer(name, changes) is not None)

    for name in functions():
        settings = hypothesis.settings(
            max_examples=CALLS // 10 if name in SLOW else CALLS,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )

        @settings
        @hypothesis.given(data=some.data())
        def run(data: Any, name: str = name) -> None:
            one(name, data)

        run()
    return {"functions": len(functions()), "calls": calls, "raw": raw}


def page(figures: Mapping[str, Any]) -> str:
    """docs/faults.md."""
    lines = [
        "# Faults",
        "",
        "Printed by `python -m validation.faults tensorflow jax torch`. It does what goes wrong in practice, many "
        "times, and counts what comes of it.",
        "",
        "## Bits changed",
        "",
        f"Up to {FLIPS:,} bits of each file were changed, one at a time, and the file was read. *Refused* means an "
        "error of howsure in words. *The same* means that the bit does not matter, such as the date of an entry in "
        "a zip archive. *Other* means that other numbers came without a word, and *raw* that an exception came "
        "that is none of howsure's.",
        "",
        "| file | bits | refused | the same | other | raw |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in figures["flips"].items():
        cells = [counts.get(kind, 0) for kind in (flips.REFUSED, flips.SAME, flips.OTHER, flips.RAW)]
        lines.append(f"| {name} | {sum(cells):,} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    nonsense_calls = figures["calls"]
    lines += [
        "",
        "The last four have no checksum of what they hold, so that nobody can tell a number that changed from "
        "another. Of a `.npy` file the header is checked against the length. Where rows have to be safe, "
        "`numpy.savez` or Parquet with `write_page_checksum=True` keeps them so.",
        "",
        "## Nonsense as arguments",
        "",
        f"{nonsense_calls['functions']} public functions, methods and classes were called {nonsense_calls['calls']:,} "
        "times with one or two arguments of nonsense: numbers out of range, texts, arrays of other shapes and "
        f"types, masked ones, dicts, sets, objects. {nonsense_calls['raw'] or 'None'} of the calls raised anything "
        "but an error of howsure.",
        "",
        "## Stopped",
        "",
        "`howsure assess` was stopped after times spread evenly over a whole run, from the start of Python to its "
        "end, with a table of an earlier run in the place of the new one. SIGKILL leaves a program no time for "
        "anything. SIGINT is Ctrl-C, and SIGTERM what a system sends before it ends a program.",
        "",
        "| backend | signal | what came of it | times |",
        "|---|---|---|---|",
    ]
    for backend, found in figures.get("stops", {}).items():
        for kind in ("SIGKILL", "SIGINT or SIGTERM"):
            for said, count in found.get(kind, {}).items():
                lines.append(f"| {backend} | {kind} | {said} | {count} |")
    lines += [
        "",
        f"A run assesses rows in blocks of {stops.BLOCK:,}. Those that are finished are kept when it is interrupted, "
        "and are the same numbers as those of the whole run. *Before the command began* is while Python still "
        "imports howsure, which takes about a second.",
    ]
    return "\n".join(lines) + "\n"


def main(backends: list[str]) -> None:
    """Run, and write figures and page after each part."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    if not backends or "calls" not in figures:
        figures |= {"flips": flips.all_kinds(FLIPS), "calls": called()}
    for backend in [None, *backends]:
        if backend is not None:
            figures.setdefault("stops", {})[backend] = stops.counted(backend, KILLS, INTERRUPTS)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
