"""`Certainty`, the frozen result of assessing N rows; everything downstream takes it and never a model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.data.labels import check_labels, in_order
from howsure.data.rows import check_unmasked
from howsure.errors import FileError, InputError
from howsure.results import verdict as verdicts
from howsure.results.verdict import Thresholds

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_METADATA_KEY = b"howsure"
_FORMAT = 2
_NOT_GIVEN: Any = None
_WHERE_NOT_GIVEN = {
    "entropy_correction": 0.0,
    "entropy_error": np.nan,
    "expected_entropy_error": np.nan,
    "mutual_information_error": np.nan,
}
_ARRAYS = (
    *("probabilities", "mc_error", "expected_entropy", "passes", "row", "truth", "entropy_correction"),
    *("entropy_error", "expected_entropy_error", "mutual_information_error", "familiarity"),
)
_REASON_IN_WORDS = {
    verdicts.AMBIGUOUS: "The {kind} itself is ambiguous.",
    verdicts.DISAGREEMENT: "The network does not know: its passes disagree.",
    verdicts.TOO_FEW_PASSES: "Not settled: more passes are needed.",
    verdicts.UNFAMILIAR: "The {kind} is unlike what the model has learned, so the percentage says little.",
}


def entropy_of(probabilities: Floats) -> Floats:
    """Shannon entropy in nats over the last axis; 0 · log 0 counts as 0."""
    positive = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(0.0 - np.sum(probabilities * np.log(positive), axis=-1))  # 0.0 −: no negative zero


def percent(probability: float, mc_error: float) -> str:
    """A probability in words, with the 95 % interval its passes allow: `51 ± 1 %`.

    One decimal is shown where the interval is that narrow. `> 99.9 %` and `< 0.1 %` stand for what
    would round to a whole. No interval is shown where it is unknown, or 0 as for a plain prediction.
    """
    value, margin = 100 * probability, 196 * mc_error
    if value >= 99.95 and not margin >= 0.95:
        return "> 99.9 %"
    if value < 0.05 and not margin >= 0.95:
        return "< 0.1 %"
    decimals = 0 if margin >= 0.95 else 1
    if not np.isfinite(margin) or margin == 0:
        return f"{value:.{decimals}f} %"
    shown = f"{max(margin, 0.1):.{decimals}f}"
    return f"{value:.{decimals}f} ± {shown} %"


@dataclass(frozen=True)
class Row:
    """One row of a `Certainty`; printed, it is one sentence.

    Attributes:
        row: Number of the row in the input, from 0.
        label: Most probable class, a number.
        runner_up: The next class.
        label_name: Name of `label`.
        runner_up_name: Name of `runner_up`.
        probabilities: (K,) predictive mean.
        mc_error: (K,) standard error of `probabilities`.
        entropy: Nats.
        entropy_error: Standard error of `entropy`, nats; NaN where unknown.
        expected_entropy: Nats.
        expected_entropy_error: Standard error of `expected_entropy`, nats; NaN where unknown.
        mutual_information: Nats.
        mutual_information_error: Standard error of `mutual_information`, nats; NaN where unknown.
        verdict: `sure`, `leaning` or `coin flip`.
        settled: Whether the passes suffice for that verdict.
        passes: Passes spent on this row.
        reason: Why it is not sure, or None.
        kind: What a row is, `image` or `row`.
        truth: The true class where labels were given, or None.
    """

    row: int
    label: int
    runner_up: int
    label_name: str
    runner_up_name: str
    probabilities: Floats
    mc_error: Floats
    entropy: float
    entropy_error: float
    expected_entropy: float
    expected_entropy_error: float
    mutual_information: float
    mutual_information_error: float
    verdict: str
    settled: bool
    passes: int
    reason: str | None
    kind: str
    truth: int | None

    @property
    def probability(self) -> float:
        """Probability of `label`."""
        return float(self.probabilities[self.label])

    def __str__(self) -> str:
        top = percent(self.probability, float(self.mc_error[self.label]))
        rival = 100 * self.probabilities[self.runner_up]
        sentence = f"{top} '{self.label_name}'"
        if self.verdict != verdicts.SURE:
            sentence += f", or '{self.runner_up_name}' ({'< 1' if rival < 0.5 else f'{rival:.0f}'} %)"
        sentence += f": {self.verdict}."
        if self.reason is not None:
            sentence += " " + _REASON_IN_WORDS[self.reason].format(kind=self.kind)
        return sentence


@dataclass(frozen=True, eq=False)
class Certainty:
    """What a model says about N rows, how certain that is, and why it is unsure.

    All arrays are read-only. Entropies are in nats, class numbers and row numbers start at 0.

    Attributes:
        probabilities: (N, K) predictive mean over passes, in [0, 1], summing to 1 over K.
        mc_error: (N, K) standard error of `probabilities` due to the finite number of passes, such
            that ± 1.96 · mc_error covers 95 %.
        expected_entropy: (N,) mean entropy of the passes, the aleatoric part.
        passes: (N,) passes spent on each row.
        class_names: K names.
        row: (N,) number of each row in the input.
        truth: (N,) true classes where labels were given, else None.
        entropy_correction: (N,) what the entropy of a mean over finitely many passes lacks, at least 0. By
            the delta method, Σ se² / 2p over the classes, se the standard error of p. 0 where not given.
        entropy_error: (N,) standard error of `entropy` due to the finite number of passes, such that
            ± 1.96 · entropy_error covers 95 %. NaN where unknown, and where not given.
        expected_entropy_error: (N,) the same of `expected_entropy`.
        mutual_information_error: (N,) the same of `mutual_information`.
        familiarity: (N,) where it was measured, how many of the rows held out for it are no more familiar, a
            share in (0, 1]; else None. See `with_familiarity`.
        unfamiliar_share: A row is unfamiliar where its familiarity is at most this.
        kind: What one row is, `image` or `row`; used in sentences.
        thresholds: Where the verdicts lie.
        method: Name and settings of the method that produced the passes.
        seed: Seed of the passes.
        plan: The plan the passes followed, or None.
        version: Version of howsure that made this.
    """

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    passes: Integers
    class_names: tuple[str, ...]
    row: Integers
    truth: Integers | None = None
    # Not None once `__post_init__` is through: whoever reads these finds arrays.
    entropy_correction: Floats = _NOT_GIVEN
    entropy_error: Floats = _NOT_GIVEN
    expected_entropy_error: Floats = _NOT_GIVEN
    mutual_information_error: Floats = _NOT_GIVEN
    familiarity: Floats | None = None
    unfamiliar_share: float = 0.01
    kind: str = "row"
    thresholds: Thresholds = field(default_factory=Thresholds)
    method: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    version: str = ""

    def __post_init__(self) -> None:
        for name, number in _WHERE_NOT_GIVEN.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(len(self), number))
        for name, array in self._arrays.items():
            check_unmasked(array, f"The numbers of `{name}`")
            object.__setattr__(self, name, _read_only(array))
        names = in_order(self.class_names, "The class names", "a list of names, one for each class")
        object.__setattr__(self, "class_names", tuple(names))

    @property
    def _arrays(self) -> dict[str, Any]:
        """What there is one of for every row, by name."""
        return {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that copies from other processes are read-only as well.
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    # --- what follows from the arrays ---------------------------------------------------------

    @cached_property
    def _top_two(self) -> tuple[Integers, Integers]:
        label, runner_up = verdicts.top_two(self.probabilities)
        return _read_only(label), _read_only(runner_up)

    @property
    def label(self) -> Integers:
        """(N,) the most probable class."""
        return self._top_two[0]

    @property
    def runner_up(self) -> Integers:
        """(N,) the second most probable class."""
        return self._top_two[1]

    @cached_property
    def probability(self) -> Floats:
        """(N,) probability of `label`."""
        return _read_only(verdicts.pick(self.probabilities, self.label))

    @cached_property
    def gap(self) -> Floats:
        """(N,) probability of `label` minus that of `runner_up`; the smallest is the most undecided."""
        return _read_only(self.probability - verdicts.pick(self.probabilities, self.runner_up))

    @cached_property
    def entropy(self) -> Floats:
        """(N,) nats, entropy of `probabilities` plus `entropy_correction`: the total uncertainty.

        At least `expected_entropy`, and at most log K.
        """
        corrected = entropy_of(self.probabilities) + self.entropy_correction
        at_most = np.log(self.probabilities.shape[-1])
        return _read_only(np.maximum(np.minimum(corrected, at_most), self.expected_entropy))

    @cached_property
    def mutual_information(self) -> Floats:
        """(N,) nats, entropy − expected_entropy: how much the passes disagree (Houlsby et al. 2011)."""
        return _read_only(np.maximum(self.entropy - self.expected_entropy, 0.0))

    @cached_property
    def _judged(self) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
        verdict, settled = verdicts.judge(self.probabilities, self.mc_error, self.thresholds)
        return _read_only(verdict), _read_only(settled)

    @property
    def verdict(self) -> NDArray[np.str_]:
        """(N,) `sure`, `leaning` or `coin flip`."""
        return self._judged[0]

    @property
    def settled(self) -> NDArray[np.bool_]:
        """(N,) whether mc_error allows the verdict."""
        return self._judged[1]

    @cached_property
    def reason(self) -> NDArray[np.object_]:
        """(N,) why a row should not be trusted, or None.

        `unfamiliar` comes before all others, and for sure rows too: a certain answer about a strange row is
        the dangerous one. The others are for rows that are not sure; a single pass cannot tell which.
        """
        reason = verdicts.give_reason(
            self.verdict, self.settled, self.expected_entropy, self.mutual_information
        )
        reason[self.passes == 1] = None
        reason[self.unfamiliar] = verdicts.UNFAMILIAR
        return _read_only(reason)

    @property
    def unfamiliar(self) -> NDArray[np.bool_]:
        """(N,) whether a row is unlike what the model has learned; never where that was not measured."""
        if self.familiarity is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self.familiarity <= self.unfamiliar_share)

    # --- rows ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.row)

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> Certainty: ...
    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[Any]) -> Row | Certainty:
        """One row for a whole number, a smaller `Certainty` for a slice or an array of positions."""
        if isinstance(index, (int, np.integer)):
            return self._row(int(index))
        if isinstance(index, tuple):
            index = list(index)  # numpy would take it for one index per axis
        return replace(self, **{name: array[index] for name, array in self._arrays.items()})

    def _row(self, index: int) -> Row:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Row {index} does not exist: there are {len(self)} rows, numbered from 0.")
        label, runner_up = int(self.label[index]), int(self.runner_up[index])
        return Row(
            row=int(self.row[index]),
            label=label,
            runner_up=runner_up,
            label_name=self.class_names[label],
            runner_up_name=self.class_names[runner_up],
            probabilities=self.probabilities[index],
            mc_error=self.mc_error[index],
            entropy=float(self.entropy[index]),
            entropy_error=float(self.entropy_error[index]),
            expected_entropy=float(self.expected_entropy[index]),
            expected_entropy_error=float(self.expected_entropy_error[index]),
            mutual_information=float(self.mutual_information[index]),
            mutual_information_error=float(self.mutual_information_error[index]),
            verdict=str(self.verdict[index]),
            settled=bool(self.settled[index]),
            passes=int(self.passes[index]),
            reason=self.reason[index],
            kind=self.kind,
            truth=None if self.truth is None else int(self.truth[index]),
        )

    def most_undecided(self, count: int | None = None) -> Integers:
        """Positions of the rows with the smallest gap between the two top probabilities, smallest first."""
        return np.argsort(self.gap, kind="stable")[:count].astype(np.int64)

    def coin_flips(self) -> Integers:
        """Positions of the rows that are coin flips, the most undecided first."""
        order = self.most_undecided()
        return np.asarray(order[self.verdict[order] == verdicts.COIN_FLIP])

    @classmethod
    def joined(cls, parts: Sequence[Certainty]) -> Certainty:
        """One `Certainty` of several that belong together, such as the blocks of `howsure.stream`.

        Args:
            parts: At least one; settings are those of the first.

        Raises:
            InputError: None at all, or parts that differ in their classes or in whether they have truth.
        """
        if len({(part.class_names, part.truth is None, part.familiarity is None) for part in parts}) != 1:
            raise InputError(
                "These parts cannot be joined",
                expected="one `Certainty` or more, of the same classes, all with truth or familiarity or all "
                "without",
                received=f"{len(parts)} of {len({part.class_names for part in parts})} sets of classes",
            )
        if len(parts) == 1:
            return parts[0]
        arrays: dict[str, Any] = {
            name: np.concatenate([part._arrays[name] for part in parts]) for name in parts[0]._arrays
        }
        return replace(parts[0], **arrays)

    def with_truth(self, labels: ArrayLike) -> Certainty:
        """The same with true classes beside it.

        Args:
            labels: (N,) class numbers in [0, K).

        Raises:
            InputError: Wrong length, not whole numbers, or out of range.
        """
        return replace(self, truth=check_labels(labels, len(self), self.probabilities.shape[-1]))

    def with_familiarity(self, familiarity: ArrayLike, share: float = 0.01) -> Certainty:
        """The same with how familiar each row is, from which `unfamiliar` and the reason follow.

        Args:
            familiarity: (N,) shares in (0, 1], as `howsure.familiarity(…).percentile(…)` gives them.
            share: Largest share of a row that is unfamiliar.

        Raises:
            InputError: Wrong length, or no shares.

        Example:
            >>> known = howsure.familiarity(train, labels, held_out)                      # doctest: +SKIP
            >>> percentile = known.percentile(howsure.features_of(model, x))              # doctest: +SKIP
            >>> certainty = certainty.with_familiarity(percentile, share=known.share)     # doctest: +SKIP
        """
        check_unmasked(familiarity, "The familiarities")
        given = np.asarray(familiarity, dtype=np.float64)
        if given.shape != (len(self),) or not np.all((given > 0) & (given <= 1)):
            raise InputError(
                "This is not how familiar these rows are",
                expected=f"{len(self)} shares above 0, at most 1, one per row",
                received=f"an array of shape {given.shape}"
                + (f", from {given.min():.3g} to {given.max():.3g}" if given.size else ""),
            )
        if not 0 < share < 1:
            raise InputError("`share` is out of range", expected="between 0 and 1", received=share)
        return replace(self, familiarity=given, unfamiliar_share=float(share))

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.sum(self.verdict == word)} {word}" for word in verdicts.VERDICTS)
        return f"<Certainty of {len(self)} rows, {len(self.class_names)} classes: {counts}>"

    # --- tables and files ---------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """One row per input row; settings as JSON in the schema's metadata under the key `howsure`."""
        import pyarrow as pa

        classes = self.probabilities.shape[-1]

        def lists(values: Floats) -> pa.Array:
            flat = pa.array(np.ascontiguousarray(values, dtype=np.float64).reshape(-1))
            offsets = np.arange(len(self) + 1, dtype=np.int32) * classes
            return pa.ListArray.from_arrays(pa.array(offsets), flat)

        columns: dict[str, Any] = {
            "row": pa.array(self.row, pa.int64()),
            "label": pa.array(self.label, pa.int64()),
            "runner_up": pa.array(self.runner_up, pa.int64()),
            "probability": pa.array(self.probability, pa.float64()),
            "probabilities": lists(self.probabilities),
            "mc_error": lists(self.mc_error),
            "entropy": pa.array(self.entropy, pa.float64()),
            "entropy_error": pa.array(self.entropy_error, pa.float64()),
            "expected_entropy": pa.array(self.expected_entropy, pa.float64()),
            "expected_entropy_error": pa.array(self.expected_entropy_error, pa.float64()),
            "mutual_information": pa.array(self.mutual_information, pa.float64()),
            "mutual_information_error": pa.array(self.mutual_information_error, pa.float64()),
            "entropy_correction": pa.array(self.entropy_correction, pa.float64()),
            "verdict": pa.array(self.verdict.tolist(), pa.string()),
            "settled": pa.array(self.settled, pa.bool_()),
            "passes": pa.array(self.passes, pa.int64()),
            "reason": pa.array(self.reason.tolist(), pa.string()),
        }
        if self.familiarity is not None:
            columns["familiarity"] = pa.array(self.familiarity, pa.float64())
        if self.truth is not None:
            columns["truth"] = pa.array(self.truth, pa.int64())
        settings = {
            "format": _FORMAT,
            "class_names": list(self.class_names),
            "kind": self.kind,
            "unfamiliar_share": self.unfamiliar_share,
            "thresholds": {"sure": self.thresholds.sure, "coin_flip": self.thresholds.coin_flip},
            "method": dict(self.method),
            "seed": self.seed,
            "plan": None if self.plan is None else dict(self.plan),
            "version": self.version,
        }
        return pa.table(columns).replace_schema_metadata({_METADATA_KEY: json.dumps(settings)})

    def to_pandas(self) -> pd.DataFrame:
        """`to_arrow` as a pandas data frame."""
        return self.to_arrow().to_pandas()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Parquet file; an earlier file stays until the new one is complete.

        Raises:
            FileError: The file cannot be written, for example because the disk is full.
        """
        import pyarrow.parquet as pq

        table = self.to_arrow()
        write_whole(path, lambda temporary: pq.write_table(table, temporary))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certainty:
        """Read what `save` wrote.

        Raises:
            FileError: The file is missing, damaged, or not a saved `Certainty`.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except FileNotFoundError as error:
            raise FileError("The file does not exist", received=os.fspath(path)) from error
        except (pa.ArrowException, OSError) as error:
            raise FileError(f"'{os.fspath(path)}' is not a readable Parquet file ({error})") from error
        raw = (table.schema.metadata or {}).get(_METADATA_KEY)
        if raw is None:
            raise FileError(
                f"'{os.fspath(path)}' is a Parquet file, but not a saved Certainty",
                expected="a file written by `Certainty.save` or `howsure assess --out`",
            )
        try:
            settings = json.loads(raw)
            if settings["format"] == _FORMAT:
                return cls(**_fields_from(table, settings))
            raise FileError(
                f"'{os.fspath(path)}' is in a format that this version of howsure does not know",
                expected=f"format {_FORMAT}",
                received=f"{settings['format']}, written by howsure {settings['version']}",
                mend="Assess the rows again" if settings["format"] < _FORMAT else "Update howsure",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(
                f"'{os.fspath(path)}' is not a complete saved Certainty ({type(error).__name__}: {error})",
                mend="It is damaged, or was changed by something other than howsure",
            ) from error


def _fields_from(table: pa.Table, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the `Certainty` whose table and settings these are."""
    classes = len(settings["class_names"])

    def matrix(name: str) -> Floats:
        flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=np.float64).reshape(table.num_rows, classes)

    return {
        "probabilities": matrix("probabilities"),
        "mc_error": matrix("mc_error"),
        "expected_entropy": table["expected_entropy"].to_numpy(),
        "passes": table["passes"].to_numpy(),
        "class_names": tuple(settings["class_names"]),
        "row": table["row"].to_numpy(),
        "truth": table["truth"].to_numpy() if "truth" in table.column_names else None,
        **{name: table[name].to_numpy() for name in _WHERE_NOT_GIVEN},
        "familiarity": table["familiarity"].to_numpy() if "familiarity" in table.column_names else None,
        "unfamiliar_share": settings.get("unfamiliar_share", 0.01),
        "kind": settings["kind"],
        "thresholds": Thresholds(**settings["thresholds"]),
        "method": settings["method"],
        "seed": settings["seed"],
        "plan": settings["plan"],
        "version": settings["version"],
    }


def _read_only(array: ArrayLike) -> NDArray[Any]:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def write_whole(path: str | os.PathLike[str], write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    Args:
        path: Where the finished file belongs.
        write: Called with the name of the temporary file.

    Raises:
        FileError: The folder is missing, or writing failed; whatever was at `path` is still there.
    """
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise FileError(f"Cannot write to '{target}' ({error.strerror or error})") from error
    os.close(handle)
    try:
        write(temporary)
        mode = 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(
            f"Writing '{target}' failed ({error.strerror or error})",
            mend="An earlier file of that name, if there was one, is unchanged",
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
