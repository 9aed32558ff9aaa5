"""Numbers that several rooms share, or whose half or double changes what passes cost or how exact they are.

docs/decisions/0035 says what half and twice of the latter did. Those under the last heading change time
and memory alone, which `python -m benchmarks memory speed` shows; `ELEMENTWISE` enters the costs of a plan.
"""

from __future__ import annotations

# --- which passes -------------------------------------------------------------------------------------

CHEAP = 1 / 500
"""Plain predictions. Largest cost of a pass through the last levels for them to get many masks."""

SPARE = 0.05
"""Plain predictions. A round may spend this on balancing the first masks within it."""

SPARE_IN_THE_MIDDLE = 0.3
"""Plain predictions. The same for the branching between the first and the last."""

LATE_PASSES = 80
"""Passes of a cell, about."""

FIRST_FLAT = 20
"""Flat passes that every row gets first, about, in whole balanced groups."""

MOST_FLAT = 400
"""Flat passes that a row gets at most where `max_passes` is not given."""

MOST_GROUPS = 3
"""Groups of cells that a row gets at most where late levels are split and `max_passes` is not given."""

TARGET_ERROR = 0.01
"""Probability. The standard error that is good enough where `target_error` is not given."""

REPLICATES = 10
"""Independent groups of cells in a pilot."""

PILOT_ROWS, FLAT_PILOT_ROWS = 20, 60
"""Rows of the pilot, and where no level is cheap to repeat: there it costs little beside the rest."""

SHARE_OF_CANDIDATES = 0.75
"""How far down the candidates, in order of certainty, the pilot's rows reach."""

# --- what a call costs ---------------------------------------------------------------------------------

BUDGET = 20.0
"""Plain predictions. Highest mean cost of a row, if neither a budget nor an error is given."""

LEAST_OPERATIONS_OF_A_ROW = 4e6
"""Multiply-adds. The same, where that is more: a thousand rows of a small network take a second or so."""

LEAST_OPERATIONS = 2e9
"""Multiply-adds. The most that this adds up to over the rows of a call that makes a plan of its own."""

SHARE_OF_RUN = 1 / 4
"""Share of the cost of the first cells of all rows that replicates may cost, if a run makes its own plan.
Rows of the pilot that need more passes take theirs from these."""

# --- how a model runs, and how much at once -----------------------------------------------------------

LARGEST_FOLD = 1 << 24
"""Numbers that a tensor of several passes may hold, 64 MiB in float32; bounds the passes that run together.
For networks in numpy too, where it is 128 MiB."""

ELEMENTWISE = 8
"""Multiply-adds. Cost of reading, masking and writing one number; for networks in numpy too."""

KEPT_GRAPHS = 64
"""Graphs of different shapes that are kept with TensorFlow, and shapes of rows for which a model stays
examined; what was not used for longest goes."""

HEAVY = 1_000_000
"""Multiply-adds for a row from which on a layer is worth another precision."""

MANY_ROWS = 32
"""Rows from which on a call computes longer than it takes to begin."""

BLOCK = 8192
"""Rows whose sums are held at a time; bounds memory, whatever the number of rows."""

BLOCK_AT_POSITIONS = 1 << 22
"""Numbers that the sums of a block of rows hold, each four times in single precision, where a row has
an answer at each position: 8 images of 256 × 256 pixels and 5 classes."""

KEPT_ROWS = 512
"""Rows whose trunk is kept at once, at most; progress is reported when these are done."""
