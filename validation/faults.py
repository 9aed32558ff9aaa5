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
STOPS = 20

KINDS = (flips.REFUSED, flips.SAME, flips.OTHER, flips.RAW)

DOCS = Path(__file__).parent.parent / "docs"
FIGURES, PAGE = DOCS / "faults.json", DOCS / "faults.md"


def called() -> dict[str, int]:
    """How many calls there were with one or two arguments of nonsense, and how many raised other errors."""
    each = [_called(name, CALLS // 10 if name in SLOW else CALLS) for name in functions()]
    calls, raw = (sum(counts) for counts in zip(*each, strict=True))
    return {"functions": len(functions()), "calls": calls, "raw": raw}


def _called(name: str, count: int) -> tuple[int, int]:
    raised: list[bool] = []
    names = some.lists(some.sampled_from([*functions()[name][1]]), min_size=1, max_size=2, unique=True)

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(data=some.data())
    def call(data: Any) -> None:
        changes = {argument: data.draw(nonsense(argument)) for argument in data.draw(names)}
        raised.append(answer(name, changes) is not None)

    call()
    return len(raised), sum(raised)


def page(figures: Mapping[str, Any]) -> str:
    """docs/faults.md."""
    calls = figures["calls"]
    raw = f"{calls['raw']:,}" if calls["raw"] else "None"
    rows = [_row(name, *(counts.get(kind, 0) for kind in KINDS)) for name, counts in figures["flips"].items()]
    saved = [counts for name, counts in figures["flips"].items() if name.startswith("a saved")]
    let_in = sum(counts.get(kind, 0) for counts in saved for kind in (flips.OTHER, flips.RAW))
    signals = [found for backend in figures.get("stops", {}).values() for found in backend.values()]
    stopped = [
        f"| {backend} | {signal} | {said} | {count} |"
        for backend, found in figures.get("stops", {}).items()
        for signal in (stops.KILLED, stops.INTERRUPTED)
        for said, count in found.get(signal, {}).items()
    ]
    return _PAGE.format(
        **{"flips": FLIPS, "rows": "\n".join(rows), "stopped": "\n".join(stopped), "block": stops.BLOCK},
        **{"functions": calls["functions"], "calls": calls["calls"], "raw": raw},
        **{
            "saved": sum(sum(counts.values()) for counts in saved),
            "let_in": f"{let_in:,}" if let_in else "none",
        },
        calm=calls["calls"] - calls["raw"],
        stopped_times=sum(found["stops"] for found in signals),
        intact=sum(found["earlier table intact"] for found in signals),
    )


def _row(name: str, *counts: int) -> str:
    return f"| {name} | {sum(counts):,} | " + " | ".join(f"{count:,}" for count in counts) + " |"


_PAGE = """\
# Faults

Of {saved:,} changed bits of saved results and plans {let_in} came through as another number; files of rows
without checksums cannot be guarded like that. Of {calls:,} calls with nonsense as arguments {calm:,} were
answered by howsure, in its own words or with a result. Of {stopped_times:,} runs that were stopped {intact:,}
left the earlier table intact.

Printed by `python -m validation.faults` and, for stops, `python -m validation.faults tensorflow jax torch`.
It does what goes wrong in practice, many times, and counts what comes of it.

## Bits changed

Up to {flips:,} bits of each file were changed, one at a time, and the file was read. *Refused* means an
error of howsure in words. *The same* means that the bit does not matter, such as the date of an entry in a
zip archive. *Other* means that other numbers came without a word, and *raw* that an exception came that is
none of howsure's.

| file | bits | refused | the same | other | raw |
|---|---|---|---|---|---|
{rows}

The last four have no checksum of what they hold, so nobody can tell a number that changed from another. Of
a `.npy` file the header is checked against the length. Where rows have to be safe, `numpy.savez`, or
Parquet with `write_page_checksum=True`, keeps them so.

## Nonsense as arguments

{functions} public functions, methods and classes were called {calls:,} times with one or two arguments of
nonsense: numbers out of range, texts, arrays of other shapes and types, masked ones, dicts, sets, objects.
{raw} of the calls raised anything but an error of howsure.

## Stopped

`howsure assess` was stopped at random moments, from the start of Python until the last rows were done, with
a table of an earlier run in the place of the new one. SIGKILL leaves a program no time for anything. SIGINT
is Ctrl-C, and SIGTERM is what a system sends before it ends a program.

| backend | signal | what came of it | times |
|---|---|---|---|
{stopped}

Rows are assessed in blocks of {block:,}. Those that are finished are kept when a run is interrupted, and
are compared with those of a whole run. *Before the command began* is while Python still imports howsure,
before anything was done.
"""


def main(backends: list[str]) -> None:
    """Run, and write figures and page after each part."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    if not backends or "calls" not in figures:
        figures |= {"flips": flips.all_kinds(FLIPS), "calls": called()}
    _write(figures)
    for backend in backends:

        def tell(found: dict[str, Any], backend: str = backend) -> None:
            figures.setdefault("stops", {})[backend] = found
            _write(figures)

        stops.counted(backend, STOPS, tell)


def _write(figures: Mapping[str, Any]) -> None:
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
