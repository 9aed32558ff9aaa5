"""Nothing lost, nothing let in: what faults of all kinds came to; written to docs/faults.md.

    python -m validation.faults                          nonsense as arguments
    python -m validation.faults tensorflow jax torch     stops of `howsure assess` on these backends

Figures of what was not run stay in docs/faults.json, and on the page, as they were. With `--page`, only the
page is written. Files are changed by `validation.mutation`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import hypothesis
from hypothesis import strategies as some

from benchmarks.docs import Page, table
from validation import mutation, stops
from validation.nonsense import answer, functions, nonsense

CALLS = 200
"""Of each function; a tenth of those that take longer."""

SLOW = ("compare", "calibrate", "evaluate", "evaluate, labels")
STOPS = 20

PAGE = Page("faults")


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
    stopped = [
        (backend, signal, signals[signal])
        for backend, signals in figures.get("stops", {}).items()
        for signal in (stops.KILLED, stops.INTERRUPTED)
        if signal in signals
    ]
    outcomes = list(dict.fromkeys(said for *_, found in stopped for said in found))
    return _PAGE.format(
        calls=calls["calls"],
        functions=calls["functions"],
        raw=f"{calls['raw']:,}" if calls["raw"] else "none",
        stopped_times=sum(found["stops"] for *_, found in stopped),
        intact=sum(found["earlier table intact"] for *_, found in stopped),
        fields=mutation.section(mutation.PAGE.figures()),
        block=stops.BLOCK,
        stopped=table(
            ("backend", "signal", *outcomes),
            *(
                (backend, signal, *(found.get(said, 0) for said in outcomes))
                for backend, signal, found in stopped
            ),
        ),
    )


_PAGE = """\
# Failure tests

What happens if a file is damaged, an argument is nonsense, or a run is stopped? Of {calls:,} calls with
nonsense, {raw} raised an error that is not howsure's own. Of {stopped_times:,} stopped runs, {intact} left
the earlier table intact. Only files of rows without checksums cannot be guarded. To be safe, store rows with
`numpy.savez`, or as Parquet with `write_page_checksum=True`.

{fields}
## Nonsense as arguments

{functions} public functions, methods and classes were called with one or two arguments of nonsense: numbers
out of range, texts, arrays of other shapes and types, masked arrays, dicts, sets and objects.

## Stopped runs

`howsure assess` was stopped at random moments between the start of Python and the last rows. A table of an
earlier run was in the place of the new one. SIGKILL leaves a program no time. SIGINT is Ctrl-C. A system
sends SIGTERM before it ends a program.

{stopped}

howsure assesses rows in blocks of {block:,}. It keeps finished blocks if a run is interrupted, and these
were compared with those of a whole run. *Before the command began* means that Python was still importing
howsure.

All figures are in [faults.json](faults.json). `python -m validation.faults` passes nonsense again;
`python -m validation.faults tensorflow jax torch` stops runs again. With `--page` it only
writes this page.
"""


def main(backends: list[str]) -> None:
    """Run, and write figures and page after each part."""
    figures = PAGE.figures()
    if not backends or "calls" not in figures:
        figures["calls"] = called()
    _write(figures)
    if backends == ["--page"]:
        return
    for backend in backends:

        def tell(found: dict[str, Any], backend: str = backend) -> None:
            figures.setdefault("stops", {})[backend] = found
            _write(figures)

        stops.counted(backend, STOPS, tell)


def _write(figures: Mapping[str, Any]) -> None:
    PAGE.keep(figures)
    PAGE.write(page(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
