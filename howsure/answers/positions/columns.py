"""The columns of a `DenseCertainty`: numbers of rows, and maps of their positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers.positions.truth import IGNORED
from howsure.answers.probabilities import ROW_AND_ID, beside_the_table, derived, last, most_entropy
from howsure.results.columns import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    MAP,
    OF_A_SHARE,
    PER_ROW,
    SHORT,
    SINGLE,
    STRING,
    WIDE,
    WIDE_AT_LEVELS,
    WIDE_MAP,
    Column,
)
from howsure.sampling.outcome import Booleans


def _map(name: str, type: str, unit: str, words: str, **more: Any) -> Column:
    return Column(name, MAP, type, unit, words, in_table=False, **more)


def _share(name: str, shape: str, words: str, **more: Any) -> Column:
    unit = "at least 0" if name.endswith("_error") else "0 to 1"
    return Column(name, shape, FLOAT, unit, words, **{"unknown": True, **more})


def _of_row(name: str, words: str) -> Column:
    return derived(name, PER_ROW, FLOAT, "0 to 1", words, unknown=True, of_maps=True)


COLUMNS = (
    *ROW_AND_ID,
    _share("share", WIDE, "share of the positions that have each class, mean over networks", unknown=False),
    _share("share_error", WIDE, "standard error of `share`, from the finite number of passes"),
    _share("share_spread", WIDE, "standard deviation of that share between networks; NaN of one pass"),
    _share("share_spread_error", WIDE, "standard error of `share_spread`"),
    _share("share_quantiles", WIDE_AT_LEVELS, "share that 0.5 to 99.5 % of the networks stay below"),
    _share("overlap", WIDE, "mean Dice of pairs of networks; NaN of a class that none of them has"),
    _share(
        *("overlap_error", WIDE, "standard error of `overlap`; NaN where unknown"),
        default=np.nan,
        optional=True,  # tables that were saved earlier lack it
    ),
    _of_row("undecided", "share of the positions that are coin flips"),
    _of_row("unsettled", "share of the positions whose verdict is not settled"),
    _of_row("doubt", "mean of 1 − probability, each class found alike; ranks rows"),
    Column("passes", PER_ROW, INTEGER, "count", "passes spent on the row", least=1),
    _map(
        *("counts", BOOLEAN, "yes or no", "whether a position counts; None if all do"),
        optional=True,
        lacking=True,
    ),
    _map("label", SHORT, "class number", "the most probable class", least=0, most=last),
    _map("runner_up", SHORT, "class number", "the second most probable class", least=0, most=last),
    _map("probability", SINGLE, "0 to 1", "probability of `label`"),
    _map("gap", SINGLE, "0 to 1", "lead of `label` over `runner_up`"),
    _map("mc_error", SINGLE, OF_A_SHARE, "standard error of the top probability", unknown=True),
    _map("entropy", SINGLE, "nats", "all doubt", least=0, most=most_entropy),
    _map("expected_entropy", SINGLE, "nats", "mean entropy of the passes", least=0, most=most_entropy),
    beside_the_table(
        "mutual_information", MAP, SINGLE, "nats", "the rest of `entropy`: disagreement between passes"
    ),
    beside_the_table("verdict", MAP, STRING, "words", "`sure`, `leaning` or `coin flip`"),
    _map("settled", BOOLEAN, "yes or no", "whether `mc_error` allows that verdict"),
    _map(
        "truth", SHORT, "class number", "the true class, −1 where ignored", optional=True, least=-1, most=last
    ),
    *(
        Column(name, WIDE_MAP, SINGLE, unit, words, in_table=False, optional=True, unknown=True)
        for name, unit, words in (
            ("all_probabilities", "0 to 1", "probability of each class; None unless kept"),
            ("all_errors", OF_A_SHARE, "their standard errors; None unless kept"),
        )
    ),
)
"""The columns of a `DenseCertainty`: numbers of the row, in its table, and maps of its positions."""


NOTHING: Mapping[str, Any] = {SHORT: IGNORED, SINGLE: np.nan, BOOLEAN: False}
"""Values of a map at positions that do not count, by the type of its numbers."""


def of_counted(column: Column, values: Any, counts: Booleans) -> NDArray[Any]:
    """A map (…, *P) or (…, *P, K) with `NOTHING` where `counts` (…, *P) is false, so that none counts."""
    there = np.asarray(counts)
    there = there[..., None] if column.shape == WIDE_MAP else there
    return np.where(there, values, np.asarray(NOTHING[column.type], column.type))
