"""Every number by which howsure was tuned: value, unit, why, and what half and twice of it do.

`python -m validation.tuning` sets each number under "which passes" and "what a pilot looks at" to half and to
twice its value, and writes what comes out to docs/tuning.md. The words here say it of the networks there that
are made up in numpy: as factors of what the value gives, and "no difference seen" where there is none beyond
chance. A number that never comes into play on them shows no difference either.

The numbers under "how a Keras model runs" and "how much at once" change time and memory, and no probability
but by rounding; `python -m benchmarks memory speed` shows both. One exception: `ELEMENTWISE` enters the costs
by which a plan is made.
"""

from __future__ import annotations

# --- which passes -------------------------------------------------------------------------------------

CHEAP = 1 / 500
"""Plain predictions. Largest cost of a pass through the last levels for them to get many masks. Half: 2.3 and
21 times the cost; twice: no difference seen."""

MIDDLING = 0.1
"""Plain predictions. The same for the branching before it. Half, twice: no difference seen."""

SPARE = 0.05
"""Plain predictions. What a round may spend on balancing the first masks within it. Half: no difference seen;
twice: 0.7 of the cost where only a head is random."""

SPARE_IN_THE_MIDDLE = 0.3
"""Plain predictions. The same for the branching between the first and the last. Half: up to 1.7 times the
cost; twice: no difference seen."""

LATE_PASSES = 80
"""Passes of a cell, about. Half: 0.7 or 2.3 times the cost, by network; twice: up to 1.6 times."""

MOST_LATE = 64
"""Late masks for each early one at most. Half, twice: no difference seen."""

LEAST_LATE = 8
"""Late masks; fewer could not tell their own error. Half, twice: no difference seen."""

MOST_EARLY = 20
"""Masks at one early branching at most. Half, twice: no difference seen."""

LARGEST_EARLY_GROUP = 10
"""Early masks in a balanced group at most; more would make a round too dear. Half, twice: no difference
seen."""

LARGEST_FLAT_GROUP = 20
"""Passes in a balanced group at most where all levels get as many masks. Half, twice: no difference seen."""

FIRST_FLAT = 20
"""Flat passes that every row gets first, about, in whole balanced groups. Half: no difference seen; twice:
1.2 times the cost."""

MOST_FLAT = 400
"""Flat passes that a row gets at most where `max_passes` is not given. Half: 0.9 of the cost; twice: 1.1
times."""

MOST_GROUPS = 3
"""Groups of cells that a row gets at most where late levels are split and `max_passes` is not given. Half:
down to 0.5 of the cost; twice: 1.1 and 1.6 times the cost, down to 0.7 of the error."""

TARGET_ERROR = 0.01
"""Probability. The standard error that is good enough where `target_error` is not given. Half: up to 2.5
times the cost, 0.6 to 0.7 of the error; twice: 0.6 to 0.8 of the cost, up to 1.4 times the error."""

SECOND_ORDER = 0.04
"""Share of the variance taken to be beyond what balance removes; only used to choose sizes of groups. Half,
twice: no difference seen."""

LARGEST_GROUP = 64
"""Passes in a group of a flat round at most; more would balance hardly better and leave fewer replicates.
Half, twice: no difference seen."""

# --- what a pilot looks at ----------------------------------------------------------------------------

REPLICATES = 10
"""Independent groups of cells in a pilot. Half: up to 1.1 times the cost; twice: no difference seen."""

CANDIDATES = 256
"""Rows among which the pilot looks for uncertain ones at most. Half, twice: no difference seen."""

SHARE_OF_ROWS, LEAST_CANDIDATES = 1 / 4, 64
"""Share of all rows that are candidates, and how many at least. Half, twice: no difference seen."""

PILOT_ROWS, FLAT_PILOT_ROWS = 20, 60
"""Rows of the pilot, and where no level is cheap to repeat: there it costs little beside the rest. Half: 0.9
of the error on one network; twice: no difference seen."""

SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES = 1 / 50, 2 * PILOT_ROWS
"""Share of all rows that are candidates, and how many at least, where the trunk is most of a cell's work.
Half, twice: no difference seen."""

HARDEST = 12
"""Rows of the pilot that are the most undecided. Half, twice: no difference seen."""

SHARE_OF_CANDIDATES = 0.75
"""How far down the candidates, in order of certainty, the pilot's rows reach. Half: no difference seen;
twice: up to 1.2 times the cost, and reported errors 1.2 times as large beside true ones."""

LATE_ENOUGH = 0.2
"""Share of the variance in the last branching from which on splitting pays without a comparison. Half, twice:
no difference seen."""

EARLY_ENOUGH = 0.2
"""Share of the variance before the first branching of a cell from which on one cell says too little. Half,
twice: no difference seen."""

GOOD_ENOUGH = 1 / 10
"""Share of the target error that reduced precision may add at most. Half, twice: no difference seen."""

UNSEEN = 0.0001
"""Added to p (1 − p) for nearly certain rows: one that happens to have seen none of the rare passes that
differ cannot tell 1 from 0.9999, so it must not report the error of the former. Half, twice: no difference
seen."""

SCORING_STEPS = 20
"""Steps of a fit; by then the constants hardly change. Half, twice: no difference seen."""

# --- how a Keras model runs ---------------------------------------------------------------------------

LARGEST_FOLD = 1 << 24
"""Numbers that a tensor of several passes may hold, 64 MiB in float32; bounds the passes that run together.
For networks in numpy too, where it is 128 MiB."""

TORCH_FOLD = 1 << 22
"""Numbers, 16 MiB in float32. On PyTorch as many rows run at a time as fit into this: what lies in the
processor's caches is read faster, and for fewer rows weights would not be worth reading."""

ELEMENTWISE = 8
"""Multiply-adds. What reading, masking and writing one number costs; for networks in numpy too."""

SHARED_FOLDS = {"tensorflow": 2}
"""How many times `LARGEST_FOLD` a tensor of what all passes share may hold, by backend; 1 where that runs no
faster."""

KEPT_GRAPHS = 64
"""Graphs of different shapes that are kept with TensorFlow, and shapes of rows for which a model stays
examined; what was not used for longest goes."""

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

BLOCK_AT_POSITIONS = 1 << 22
"""Numbers that the sums of a block of rows hold, each four times in single precision, where a row has
an answer at each position: 8 images of 256 × 256 pixels and 5 classes."""

PROGRESS_ROWS = 1024
"""Rows that are looked at between two reports of progress."""

KEPT_ROWS = 512
"""Rows whose trunk is kept at once, at most; progress is reported when these are done."""

KEPT_MASKS = 1 << 28
"""Bytes of flat masks kept for the next chunk of rows instead of being drawn again."""

KEPT_MASKS_OF_A_GROUP = KEPT_MASKS // 16
"""The same of a group of cells."""
