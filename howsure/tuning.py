"""Every number by which howsure was tuned: value, unit, why, and what half and twice of it do.

`python -m validation.tuning` prints what half and twice of each number under "which passes" do to passes,
time and error of the question's network, and writes docs/tuning.md. Those under "how much at once" change
memory and time alone, never a number; `python -m benchmarks memory speed` shows both, and what those under
"how a Keras model runs" do.
"""

from __future__ import annotations

# --- which passes -------------------------------------------------------------------------------------

CHEAP = 1 / 500
"""Plain predictions. Largest cost of a pass through the last levels for them to get many masks."""

MIDDLING = 0.1
"""Plain predictions. The same for the branching before it."""

SPARE = 0.05
"""Plain predictions. What a round may spend on balancing the first masks within it."""

SPARE_IN_THE_MIDDLE = 0.3
"""Plain predictions. The same for the branching between the first and the last."""

LATE_PASSES = 80
"""Passes of a cell, about."""

MOST_LATE = 64
"""Late masks for each early one at most."""

LEAST_LATE = 8
"""Late masks; fewer could not tell their own error."""

MOST_EARLY = 20
"""Masks at one early branching at most."""

LARGEST_EARLY_GROUP = 10
"""Early masks in a balanced group at most; more would make a round too dear."""

LARGEST_FLAT_GROUP = 20
"""Passes in a balanced group at most where all levels get as many masks."""

FIRST_FLAT = 20
"""Flat passes that every row gets first, about, in whole balanced groups."""

MOST_FLAT = 400
"""Flat passes that a row gets at most where `max_passes` is not given."""

MOST_GROUPS = 3
"""Groups of cells that a row gets at most where late levels are split and `max_passes` is not given."""

TARGET_ERROR = 0.01
"""Probability. The standard error that is good enough where `target_error` is not given."""

SECOND_ORDER = 0.04
"""Share of the variance taken to be beyond what balance removes; only used to choose sizes of groups."""

LARGEST_GROUP = 64
"""Passes in a group of a flat round at most; more would balance hardly better and leave fewer replicates."""

# --- what a pilot looks at ----------------------------------------------------------------------------

REPLICATES = 10
"""Independent groups of cells in a pilot."""

CANDIDATES = 256
"""Rows among which the pilot looks for uncertain ones at most."""

SHARE_OF_ROWS, LEAST_CANDIDATES = 1 / 4, 64
"""Share of all rows that are candidates, and how many at least."""

PILOT_ROWS, FLAT_PILOT_ROWS = 20, 60
"""Rows of the pilot, and where no level is cheap to repeat: there it costs little beside the rest."""

SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES = 1 / 50, 2 * PILOT_ROWS
"""Share of all rows that are candidates, and how many at least, where the trunk is most of a cell's work."""

HARDEST = 12
"""Rows of the pilot that are the most undecided."""

SHARE_OF_CANDIDATES = 0.75
"""How far down the candidates, in order of certainty, the pilot's rows reach."""

LATE_ENOUGH = 0.2
"""Share of the variance in the last branching from which on splitting pays without a comparison."""

EARLY_ENOUGH = 0.2
"""Share of the variance before the first branching of a cell from which on one cell says too little."""

GOOD_ENOUGH = 1 / 10
"""Share of the target error that reduced precision may add at most."""

UNSEEN = 0.0001
"""Added to p (1 − p) for nearly certain rows: one that happens to have seen none of the rare passes that
differ cannot tell 1 from 0.9999, so it must not report the error of the former."""

SCORING_STEPS = 20
"""Steps of a fit; by then the constants hardly change."""

# --- how a Keras model runs ---------------------------------------------------------------------------

LARGEST_FOLD = 1 << 24
"""Numbers that a tensor of several passes may hold, 64 MiB in float32; bounds the passes that run together.
For networks in numpy too, where it is 128 MiB."""

ELEMENTWISE = 8
"""Multiply-adds. What reading, masking and writing one number costs; for networks in numpy too."""

SHARED_FOLDS = {"tensorflow": 2}
"""How many times `LARGEST_FOLD` a tensor of what all passes share may hold, by backend; 1 where that runs no
faster."""

KEPT_GRAPHS = 64
"""Graphs of different shapes that are kept with TensorFlow; the one that was not used for longest goes."""

HEAVY = 1_000_000
"""Multiply-adds for a row from which on a layer is worth another precision."""

WORTHWHILE = 1_000_000
"""Numbers in a kernel from which on it is worth picking units."""

MANY_ROWS = 32
"""Rows from which on it pays to prepare a kernel."""

FEW_OUTPUTS = 1 / 4
"""Outputs for each input, and for each row, up to which it pays to take the masks into the kernel."""

LARGEST_COPY = 1 << 24
"""Numbers of a kernel that may be copied, picked out as often as their unit is dropped or for each mask."""

LARGEST_COPY_OF_A_CELL = LARGEST_COPY // 4
"""The same for each mask where several cells have copies of their own."""

DEVIATIONS = 6
"""Standard deviations by which a mask may drop more units than on average."""

# --- how much at once ---------------------------------------------------------------------------------

BLOCK = 8192
"""Rows whose sums are held at a time; bounds memory, whatever the number of rows."""

PROGRESS_ROWS = 1024
"""Rows that are looked at between two reports of progress."""

KEPT_ROWS = 512
"""Rows whose trunk is kept at once, at most; progress is reported when these are done."""

KEPT_MASKS = 1 << 28
"""Bytes of flat masks kept for the next chunk of rows instead of being drawn again."""

KEPT_MASKS_OF_A_GROUP = KEPT_MASKS // 16
"""The same of a group of cells."""
