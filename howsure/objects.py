"""`objects`: the probability that a span of words, or a connected part of an image, is what the model says.

maps of labels of T networks (T, *P) ──── same object? ── (M, T) yes or no ── mean and error ── a `Certainty`
labels of the mean (*P) ── M objects ─────┘

All maps of a block of rows are held, one byte for each position and network, and then dropped.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from howsure.adapters.protocol import Model, ModelInfo
from howsure.arguments import accept_alias, check_choice
from howsure.assess import assessed
from howsure.errors import InputError
from howsure.evaluation.groups import group_numbers
from howsure.evaluation.score import Mean, Score
from howsure.inputs.rows import Rows, as_array, in_rows, quoted
from howsure.methods.choices import redirect_method_kwargs
from howsure.methods.protocol import Method
from howsure.progress import Progress
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.error import Pairs, Units, seen
from howsure.sampling.outcome import Booleans, Estimates, Floats, InputRows, Integers, ResultMetadata, Tally
from howsure.statistics import widening
from howsure.tasks.classification.result import Certainty
from howsure.tasks.regression.above import Z
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.truth import truth_map

Maps = NDArray[np.integer[Any]]

BIO, BILOU, COMPONENTS = "BIO", "BILOU", "components"
"""The values of `scheme`."""

SAME = 0.5
"""A component is the same above this intersection over union, which at most one component of a map exceeds
(Kirillov and others 2019, Panoptic segmentation)."""


@accept_alias
@redirect_method_kwargs
def objects(
    model: Any,
    x: Any,
    *,
    scheme: str,
    words: Any = None,
    background: int | str = 0,
    method: Method | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress = None,
    output: str | int | None = None,
    class_axis: int | None = None,
    positions: Any = None,
) -> Objects:
    """Find the objects in the answer of a model, and say how certain each of them is.

    The objects are those in the most probable labels. The probability of an object is the share of networks
    that say the same object. A span is the same if start, stop and type are. A connected part is the same if
    a connected part of the same class overlaps it by an intersection over union above 0.5.

    Args:
        model: A model with a class at each position, as in `assess`.
        x: (N, …) rows, as in `assess`.
        scheme: `BIO` or `BILOU` for spans, whose classes are named `O`, `B-PER`, `I-PER`, and so on; they are
            read as strictly as by seqeval's `mode="strict"`. Or `components` for the connected parts of each
            class. Positions are connected where they share a side.
        words: (N, P) for spans alone: the number of the word at each position, as `word_ids()` of a tokenizer
            gives it; None or −1 at special tokens and padding. A word has the label of its first position,
            and spans count words. Default: each position that counts is a word.
        background: For components alone: the class, by number or name, that is no object.
        method: As in `assess`. Every network is one pass, a member of an ensemble, or an augmented version.
            Default: MC dropout with 80 networks or more, since fewer cannot say `sure` of an object; but with
            no more than the usual budget pays for, 19 of a large network that is random from its first layer.
        seed: As in `assess`.
        batch_size: As in `assess`.
        outputs: As in `assess`.
        class_names: As in `assess`. Spans need the names of the scheme.
        thresholds: As in `assess`.
        progress: As in `assess`.
        output: As in `assess`.
        class_axis: As in `assess`.
        positions: As in `assess`: the positions that count. Without `words`, leave [CLS], [SEP] and
            sub-words out with it. Default: those of an `attention_mask`.

    Raises:
        InputError: Rows, names, words or arguments that cannot be used, or a method with one network.
        ModelError: As in `assess`; or the model has no class at each position.

    Example:
        >>> found = howsure.objects(tagger, sentences, scheme="BIO", class_names=tags)
        >>> print(found.row[0], found.start[0], found.stop[0], found.label[0])
        0 0 1 LOC
        >>> print(found.certainty[0])
        80 ± 2 % 'yes', or 'no' (20 %): leaning.
    """
    check_choice(scheme, (BIO, BILOU, COMPONENTS), "scheme")
    if words is not None and scheme == COMPONENTS:
        raise InputError("`words` has no effect on components", expected=f"scheme='{BIO}' or '{BILOU}'")
    wished = {"scheme": scheme, "words": words, "background": background}
    outcome: Any = type(ObjectPositions.__name__, (ObjectPositions,), {"wished": wished})
    result: Objects = assessed(model, x, method, Request.of(locals()), progress)
    return result


# --- what an object is --------------------------------------------------------------------------------


class ObjectReader(ABC):
    """Reads objects from maps of labels."""

    axes: int
    """How many numbers say where an object starts."""

    @abstractmethod
    def found(self, labels: Maps, row: int, counts: Booleans) -> list[Found]:
        """The objects in a map (*P) of labels of a row, of which (*P) positions count."""

    @abstractmethod
    def same(self, objects: Sequence[Found], maps: Maps, row: int, counts: Booleans) -> Booleans:
        """(M, T) whether each of these objects is in each of T maps (T, *P)."""


@dataclass(frozen=True, eq=False)
class Found:
    """One object in a map.

    Attributes:
        start: Its first position or word; of a component, along each axis.
        stop: One after the last.
        label: Its type, or the name of its class.
        inside: The positions that it has between start and stop; None for spans.
        number: Number of its type or class.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]
    label: str
    number: int
    inside: Booleans | None = None

    def __str__(self) -> str:
        ends = ",".join(f"{start}:{stop}" for start, stop in zip(self.start, self.stop, strict=True))
        return f"{self.label} {ends}"

    @property
    def place(self) -> tuple[slice, ...]:
        """Start and stop as an index of a map."""
        return tuple(map(slice, self.start, self.stop))


class Spans(ObjectReader):
    """Spans in the labels of words, read as seqeval's strict mode reads them.

    A span begins with B and goes on with I of the same type. With BILOU it ends with L, or is a single U.

    Args:
        scheme: `BIO` or `BILOU`.
        names: K names of classes.
        words: (N, P) numbers of words, −1 where there is none; None if each position is a word.

    Raises:
        InputError: The names are not those of the scheme.
    """

    axes = 1

    def __init__(self, scheme: str, names: Sequence[str], words: Integers | None) -> None:
        own = "BI" if scheme == BIO else "BILU"
        parts = [re.fullmatch(f"(O|[{own}])(?:-(.+))?", name) for name in names]
        prefixes = [part[1] if part else "" for part in parts]
        if "" in prefixes or "B" not in prefixes:
            raise InputError(
                f"The class names are not those of the scheme {scheme}",
                expected=f"'O' and names that begin with {' or '.join(f'{prefix}-' for prefix in own)}",
                received=quoted(names),
                hint="class_names=[…] names the classes in the order of the outputs",
            )
        types = [part[2] or "" for part in parts if part]
        self.types = sorted(set(types))
        self._type = np.array([self.types.index(name) for name in types])
        self._begins, self._goes_on, self._may_go_on, self._ends = (
            np.isin(prefixes, list(which)) for which in ("BU", "IL", "BI", "BI" if scheme == BIO else "LU")
        )
        self._words = words

    def read_positions(self, row: int, counts: Booleans) -> Booleans:
        """(P,) the positions whose labels are read: those that count, or the first of each word."""
        if self._words is None:
            return counts
        ids = np.where(counts, self._words[row], -1)
        return np.asarray((ids >= 0) & (ids > np.maximum.accumulate(np.append(-1, ids[:-1]))))

    def _read(self, maps: Maps, row: int, counts: Booleans) -> NDArray[np.int64]:
        """(n, 4) map, start, stop and type of the spans in maps (T, P)."""
        places = np.flatnonzero(self.read_positions(row, counts))
        names = places if self._words is None else self._words[row][places]
        labels = np.asarray(maps[:, places], dtype=np.int64)
        goes_on = np.zeros((len(labels), len(places) + 1), dtype=bool)
        goes_on[:, 1:-1] = (
            self._goes_on[labels[:, 1:]]
            & self._may_go_on[labels[:, :-1]]
            & (self._type[labels[:, 1:]] == self._type[labels[:, :-1]])
        )
        # The next place, from each place on, at which no span goes on.
        broken = np.where(goes_on, len(places), np.arange(len(places) + 1))
        following = np.minimum.accumulate(broken[:, ::-1], axis=1)[:, ::-1]
        number, start = np.nonzero(self._begins[labels])
        last = following[number, start + 1] - 1
        ends = self._ends[labels[number, last]]
        number, start, last = number[ends], start[ends], last[ends]
        return np.stack([number, names[start], names[last] + 1, self._type[labels[number, start]]], axis=1)

    def found(self, labels: Maps, row: int, counts: Booleans) -> list[Found]:
        """See `ObjectReader`."""
        spans = self._read(labels[None], row, counts).tolist()
        return [Found((start,), (stop,), self.types[number], number) for _, start, stop, number in spans]

    def same(self, objects: Sequence[Found], maps: Maps, row: int, counts: Booleans) -> Booleans:
        """See `ObjectReader`."""
        own = {(*span.start, *span.stop, span.number): at for at, span in enumerate(objects)}
        same = np.zeros((len(objects), len(maps)), dtype=bool)
        for number, *span in self._read(maps, row, counts).tolist():
            if (at := own.get(tuple(span))) is not None:
                same[at, number] = True
        return same


class Components(ObjectReader):
    """Connected parts of each class but the background.

    Args:
        names: K names of classes.
        background: Number or name of the class that is no object.
        axes: Axes of positions.

    Raises:
        InputError: There is no such class.
    """

    def __init__(self, names: Sequence[str], background: int | str, axes: int) -> None:
        if background not in (*names, *range(len(names))):
            raise InputError(
                "There is no such `background`",
                expected=f"0 to {len(names) - 1}, or one of {quoted(names)}",
                received=repr(background),
            )
        number = names.index(background) if isinstance(background, str) else background
        self._names, self._objects, self.axes = names, [k for k in range(len(names)) if k != number], axes

    def found(self, labels: Maps, row: int, counts: Booleans) -> list[Found]:
        """See `ObjectReader`."""
        del row
        parts = []
        for k in self._objects:
            numbered, _ = ndimage.label((labels == k) & counts)
            for number, place in enumerate(ndimage.find_objects(numbered), 1):
                start, stop = zip(*((side.start, side.stop) for side in place), strict=True)
                parts.append(Found(start, stop, self._names[k], k, numbered[place] == number))
        return parts

    def same(self, objects: Sequence[Found], maps: Maps, row: int, counts: Booleans) -> Booleans:
        """See `ObjectReader`."""
        del row
        same = np.zeros((len(objects), len(maps)), dtype=bool)
        for k in {part.number for part in objects}:
            for number, labels in enumerate(maps):
                numbered, _ = ndimage.label((labels == k) & counts)
                sizes = np.bincount(numbered.reshape(-1))
                for at, part in enumerate(objects):
                    if part.number == k and part.inside is not None:
                        shared = np.bincount(numbered[part.place][part.inside], minlength=len(sizes))
                        either = sizes + part.inside.sum() - shared
                        same[at, number] = bool(np.any(shared[1:] > SAME * either[1:]))
        return same


# --- from networks to objects -------------------------------------------------------------------------


class LabelMaps(Tally):
    """The maps of labels of all networks over N rows, which `ObjectPositions.result` reads."""

    def __init__(self, rows: int, classes: int) -> None:
        self._type = np.min_scalar_type(classes)
        self._units: list[list[Maps]] = [[] for _ in range(rows)]

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Keep the labels of the passes (B, n, *P, K) of one unit."""
        labels = values.argmax(axis=-1).astype(self._type)
        for number, row in enumerate(rows.tolist()):
            self._units[row].append(labels[:, number])

    def completed(self, estimates: Estimates) -> Estimates:
        """The estimates with `of_rows` (N,): the maps of each unit of a row, and `pairs`."""
        of_rows = np.empty(len(self._units), dtype=object)
        of_rows[:] = [(units, self.pairs) for units in self._units]
        return replace(estimates, of_rows=of_rows)


@dataclass(frozen=True)
class ObjectPositions(Positions):
    """A class at each position, of which objects are told: the result is an `Objects`.

    Attributes:
        wished: The last three arguments.

    Args:
        scheme: As in `objects`, as are the others.
        words: As there; for given rows (N, P) whole numbers, or None.
        background: As there.
    """

    wished: ClassVar[Mapping[str, Any]]
    scheme: str = COMPONENTS
    words: Any = field(default=None, compare=False, repr=False)
    background: int | str = 0
    first_passes = 80
    """If all of n networks agree, up to 3.84/(n + 3.84) of others may not (Wilson 1927): < 5 % from 73 on."""
    most_passes = 320
    """Four times the first ones, as for positions."""

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Self | None:
        """As `Positions.of`; an `InputError` for names that are not those of the scheme."""
        of_positions = super().of(info, request)
        if of_positions is None:
            return None
        outcome: Any = replace(of_positions, **cls.wished)
        _ = outcome.reader
        return cast(Self, outcome)

    @classmethod
    def of_row_numbers(cls, numbers: Integers, total: int) -> Any:
        """This class for the rows with these numbers, of `total` rows of several sizes."""
        words = cls.wished["words"]
        if words is None:
            return cls
        if not isinstance(words, Sequence) or len(words) != total:
            raise InputError(
                "`words` does not fit the rows",
                expected=f"a list of {total} lists, the number of a word or None for each position of a row",
                received=f"{len(words)} rows" if isinstance(words, Sequence) else type(words).__name__,
            )
        own = [words[number] for number in numbers.tolist()]
        return type(cls.__name__, (cls,), {"wished": {**cls.wished, "words": own}})

    def of_rows(self, model: Model, rows: Sequence[InputRows], total: int, positions: Any) -> Self:
        """As `Positions.of_rows`, with the words of these rows."""
        words = None if self.words is None else _checked_words(self.words, (total, *self.positions))
        return cast(Self, replace(super().of_rows(model, rows, total, positions), words=words))  # type: ignore[call-arg]

    @property
    def reader(self) -> ObjectReader:
        """Reads the objects of the scheme."""
        if self.scheme == COMPONENTS:
            return Components(self.class_names, self.background, len(self.positions))
        if len(self.positions) > 1:
            raise InputError(
                "Spans are of texts, which have one axis of positions",
                expected=f"scheme='{COMPONENTS}'",
                received=f"positions of shape {self.positions}",
            )
        return Spans(self.scheme, self.class_names, self.words)

    def counted(self, row: int) -> Booleans:
        """(*P) which positions of a row count."""
        if self.counts is None:
            return np.ones(self.positions, dtype=bool)
        return np.reshape(self.counts[np.array([row])], self.positions)

    def tally(self, rows: int, *, all_there: bool = False) -> Any:
        """The maps of these rows."""
        return LabelMaps(rows, self.width)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> Any:
        """The `Objects` of N rows."""
        labels = estimates.mean[..., : self.width].argmax(axis=-1)
        parts, rows, reader = list[Found](), list[int](), self.reader
        shares, errors = [np.zeros(0)], [np.zeros(0)]
        for at, row in enumerate(metadata.row.tolist()):
            units, pairs = estimates.of_rows[at]
            if estimates.passes[at] < 2:
                raise InputError(
                    "One network tells no probability of an object",
                    expected="a method with several, such as howsure.MCDropout()",
                    received=metadata.method.get("name"),
                )
            counts = self.counted(row)
            found = reader.found(labels[at], row, counts)
            same = reader.same(found, np.concatenate(units), row, counts)
            share, error = _share_of(same, [len(unit) for unit in units], pairs)
            parts, rows = parts + found, rows + [row] * len(found)
            shares.append(share)
            errors.append(error)
        share, of_objects = np.concatenate(shares), np.array(rows, dtype=np.int64)
        ends = [np.array([getattr(part, end) for part in parts], dtype=np.int64) for end in ("start", "stop")]
        start, stop = (
            end.reshape(-1) if isinstance(reader, Spans) else end.reshape(-1, reader.axes) for end in ends
        )
        passes = np.asarray(estimates.passes)[np.searchsorted(metadata.row, of_objects)]
        certainty = Certainty(
            probabilities=np.stack([1 - share, share], axis=1),
            mc_error=np.repeat(np.concatenate(errors)[:, None], 2, axis=1),
            expected_entropy=np.zeros_like(share),  # a network says yes or no
            passes=passes,
            class_names=("no", "yes"),
            row=np.arange(len(share)),
            kind="object",
            thresholds=self.thresholds,
            method=metadata.method,
            seed=metadata.seed,
            version=metadata.version,
            ids=np.array([f"{row}: {part}" for row, part in zip(rows, parts, strict=True)], dtype=object),
            id_name="object",
        )
        label = np.array([part.label for part in parts], dtype=object)
        return Objects(of_objects, start, stop, label, certainty, tuple(parts), self, len(metadata.row))


def _share_of(same: Booleans, sizes: Sequence[int], pairs: Pairs | None) -> tuple[Floats, Floats]:
    """(M,) the share of T networks with each object (M, T), and its standard error.

    The error comes from the variance between the units of T passes, of these sizes. Networks that no pass has
    shown may be a share of up to z²/(T + z²) (Wilson 1927), which is the least reach of an interval.
    """
    values, passes, weights = same.astype(np.float64), same.shape[1], np.array(sizes)
    mean = values.mean(axis=1)
    means = np.add.reduceat(values, np.cumsum([0, *sizes[:-1]]), axis=1) / weights
    between = np.sum(weights * (means - mean[:, None]) ** 2, axis=1)
    within, none = passes * mean * (1 - mean) - between, np.zeros_like(mean)
    squared, count = seen(Units(len(sizes), passes, mean, between, within, none, pairs))
    return mean, np.maximum(np.sqrt(squared) * widening(count), Z / (passes + Z**2))


def _checked_words(words: Any, shape: tuple[int, ...]) -> Integers:
    """(N, P) numbers of words, −1 where there is none."""
    array = as_array(words, "`words`")
    try:
        numbers = np.array(array, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape != shape:
        raise InputError(
            "`words` does not fit the positions",
            expected=f"the number of a word or None for each position, an array of shape {shape}",
            received=f"an array of shape {array.shape}",
        )
    ids = np.where(np.isnan(numbers), -1, numbers).astype(np.int64)
    last = np.maximum.accumulate(ids, axis=1)
    falling = np.flatnonzero(((ids >= 0) & (ids < last)).any(axis=1))
    if len(falling):
        raise InputError(
            f"The numbers of words fall {in_rows(len(falling), falling[:5].tolist())}, as with two texts",
            expected="numbers of words that rise along a row",
            hint="Give −1 for the words of the text that does not count, or number on in the second text",
        )
    return ids


# --- the result ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ObjectScores:
    """Scores by object, over all rows together (micro averages), with 95 % intervals over rows or groups.

    Attributes:
        precision: Share of the objects found that are true.
        recall: Share of the true objects that were found.
        f1: Harmonic mean of both: 2 · right / (found + true).
        found: How many objects were found.
        true: How many there truly are.
        right: How many were found that are true.
    """

    precision: Score
    recall: Score
    f1: Score
    found: int
    true: int
    right: int

    def __str__(self) -> str:
        scores = "".join(f"\n{name:<11}{getattr(self, name)}" for name in ("precision", "recall", "f1"))
        return f"{self.found} objects found, {self.true} true, {self.right} right{scores}"


@dataclass(frozen=True, eq=False)
class Objects:
    """M objects in the answer of a model for N rows, in the order of the rows.

    Attributes:
        row: (M,) row number of each object.
        start: (M,) first position or word of a span; (M, D) of a component, along each axis.
        stop: (M,) or (M, D) one after the last.
        label: (M,) type of the span, such as `PER`, or name of the class.
        certainty: A `Certainty` of M rows with the classes `no` and `yes`: whether the object is what the
            model says, as a mean over networks. Its ids, `3: PER 1:2`, say where each object is.
        parts: The objects one by one.
        outcome: How the objects were read.
        rows: N.
    """

    row: Integers
    start: Integers
    stop: Integers
    label: NDArray[np.object_]
    certainty: Certainty
    parts: tuple[Found, ...] = field(repr=False)
    outcome: ObjectPositions = field(repr=False)
    rows: int = field(repr=False)

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def joined(cls, blocks: Iterable[Objects]) -> Objects:
        """Several blocks of rows as one."""
        first, *others = blocks
        blocks = [first, *others]
        arrays = {
            name: np.concatenate([getattr(block, name) for block in blocks])
            for name in ("row", "start", "stop", "label")
        }
        certainty = replace(
            first.certainty.joined([block.certainty for block in blocks]), row=np.arange(len(arrays["row"]))
        )
        parts = tuple(part for block in blocks for part in block.parts)
        return cls(
            **arrays,
            certainty=certainty,
            parts=parts,
            outcome=first.outcome,
            rows=sum(block.rows for block in blocks),
        )

    @classmethod
    def _of_sizes(cls, parts: Sequence[Objects], numbers: Sequence[Integers]) -> Objects:
        """The objects of rows of several sizes, in the order of the rows.

        Args:
            parts: The objects of each size.
            numbers: (n,) for each size the numbers of its rows.
        """
        method = parts[0].certainty.method
        joined = cls.joined(
            replace(part, row=own[part.row], certainty=replace(part.certainty, method=method))
            for part, own in zip(parts, numbers, strict=True)
        )
        sides = tuple(np.max([part.outcome.positions for part in parts], axis=0).tolist())
        counts = np.zeros((joined.rows, *sides), dtype=bool)
        words = None if parts[0].outcome.words is None else np.full(counts.shape, -1)
        for part, own in zip(parts, numbers, strict=True):
            inside: Any = (own, *(slice(side) for side in part.outcome.positions))
            counts[inside] = True if part.outcome.counts is None else part.outcome.counts
            if words is not None:
                words[inside] = part.outcome.words
        order = np.argsort(joined.row, kind="stable")
        row, found = joined.row[order], tuple(joined.parts[at] for at in order.tolist())
        names = np.array([f"{at}: {part}" for at, part in zip(row, found, strict=True)], dtype=object)
        return replace(
            joined,
            row=row,
            **{name: getattr(joined, name)[order] for name in ("start", "stop", "label")},
            certainty=replace(joined.certainty[order], row=np.arange(len(row)), ids=names),
            parts=found,
            outcome=replace(parts[0].outcome, positions=sides, counts=counts, words=words),
        )

    def mask(self, i: int) -> Booleans:
        """(*P) the positions of component i.

        Raises:
            InputError: Object i is a span.
        """
        part = self.parts[i]
        if part.inside is None:
            raise InputError("A span has no mask", expected="`start` and `stop`", received=f"object {i}")
        mask = np.zeros(self.outcome.positions, dtype=bool)
        mask[part.place] = part.inside
        return mask

    def right(self, truth: Any) -> Booleans:
        """(M,) whether each object is in the truth, by the same rule as for a network.

        With it, `howsure.evaluate(found.certainty, found.right(truth))` scores the probabilities, and
        `howsure.calibrate` corrects them.

        Args:
            truth: (N, *P) true classes, by number or name, at all positions that count.
        """
        return self._compared(truth)[0]

    def evaluate(self, truth: Any, *, groups: ArrayLike | None = None) -> ObjectScores:
        """Precision, recall and F1 by object, with intervals over rows, or over groups of rows.

        Spans have the scores of seqeval's strict mode. Those of components are lesion-wise; F1 is the
        recognition quality of Kirillov and others (2019). Intervals come from the contributions of rows to
        each ratio (delta method).

        Args:
            truth: As for `right`.
            groups: (N,) the group of each row, such as its patient or document: rows of a group depend on
                each other. Then intervals are over groups.
        """
        right, true = self._compared(truth)
        of_groups = group_numbers(groups, Rows(None), self.rows)
        hits, found = (
            np.bincount(self.row, weights, self.rows).astype(np.float64) for weights in (right, None)
        )
        wholes = {"precision": found, "recall": true, "f1": (found + true) / 2}
        scores = {}
        for name, whole in wholes.items():
            total, wrong = whole.sum(), int(np.count_nonzero(whole > hits))
            value = float(hits.sum() / total) if total else np.nan
            parts = (hits - value * whole) / max(total, 1)
            score = Mean(value, parts, wrong, least=0.0, most=1.0)
            scores[name] = (score if of_groups is None else score.by_group(of_groups)).score(0.95)
        return ObjectScores(**scores, found=len(self), true=int(true.sum()), right=int(right.sum()))

    def _compared(self, truth: Any) -> tuple[Booleans, Floats]:
        """(M,) as `right`, and (N,) how many objects each row truly has."""
        outcome, reader = self.outcome, self.outcome.reader
        labels = truth_map(truth, (self.rows, *outcome.positions), outcome.class_names, counts=outcome.counts)
        right, true = np.zeros(len(self), dtype=bool), np.zeros(self.rows)
        ends = np.searchsorted(self.row, np.arange(self.rows + 1))
        for row, own in enumerate(labels):
            counts, some = outcome.counted(row), slice(ends[row], ends[row + 1])
            if isinstance(reader, Spans):
                counts = reader.read_positions(row, counts)
            if (own[counts] < 0).any():
                raise InputError(
                    f"The truth is not known at positions that count, first in row {row}",
                    expected="a class at each of them",
                    hint="Leave these positions out: howsure.objects(…, positions=labels >= 0)",
                )
            right[some] = reader.same(self.parts[some], own[None], row, counts)[:, 0]
            true[row] = len(reader.found(own, row, counts))
        return right, true
