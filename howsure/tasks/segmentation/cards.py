"""One row of a `DenseCertainty` as its page shows it: its maps, its regions and its shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from howsure.report.looks import in_colours, photograph
from howsure.report.notebook import ViewTable
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks.segmentation.drawings import (
    CIVIDIS,
    Mark,
    Outline,
    Pixels,
    Shown,
    ShownWords,
    SliceView,
    mark,
    names_on,
    outline,
    signal_path,
    view_of,
)
from howsure.tasks.segmentation.regions import numbered_by_size
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.sentence import DenseRow, ends_in_words, overlap_in_words
from howsure.tasks.sentences import percent, words_of
from howsure.words import UNIT, counted, rate, upper

MOST_CARDS = 8
"""Rows that are shown with their maps."""

MOST_REGIONS = 8
"""Regions of a row that are numbered and listed."""

MOST_SHARES = 24
"""Classes of a row that are listed."""

LEAST_SHARE = 0.0005
"""Smallest share of the positions that a class, or a region after the first, is listed with: less rounds to
0.0 %."""

CHARACTERS = 24_000
"""That the pictures of one row may take, at most, unless they take more at the shortest edge."""

RIGHT = 0.4
"""Opacity of true classes where the label is right, as a share of that where it is wrong."""

_OF_IMAGE = 10_000
"""Characters that its image may take of these, before it becomes a JPEG."""

_EDGES = (512, 384, 256, 192, 128)
"""Longest edges of maps: the first whose pictures do not take too much."""

_LONGEST_STRIP = 4096
"""Longest edge of the map of a row with one axis."""


@dataclass(frozen=True)
class MapPictures:
    """The pictures of one row; each is a data URI, and empty if there is none.

    Attributes:
        width: Positions across.
        height: Positions down; 1 where a row has one axis.
        step: Positions across, and down, that each drawn one stands for.
        image: The row.
        signal: Path data of a row with one axis, in a square of 100 × 100.
        label: The label at each position; clear where a position does not count.
        doubt: The entropy at each position; clear likewise.
        truth: The true class; clear where it is not known.
        drawn_width: Positions that the drawn maps cover across: `width`, or a multiple of `step`.
        drawn_height: The same down.
        flips: Outlines of coin flips.
        mistakes: Outlines of wrong labels.
        marks: Numbers of the listed regions.
        names: Names of classes.
    """

    width: int
    height: int
    step: int
    image: str
    signal: str
    label: str
    doubt: str
    truth: str
    drawn_width: int
    drawn_height: int
    flips: Outline
    mistakes: Outline
    marks: tuple[Mark, ...]
    names: tuple[Mark, ...]

    @property
    def characters(self) -> int:
        """That all pictures take."""
        return sum(map(len, (self.image, self.label, self.doubt, self.truth)))


@dataclass(frozen=True)
class WordRun:
    """Words that follow each other and have the same label.

    Attributes:
        name: Name of the label; empty if the words do not count.
        colour: Colour of the label.
        truth: Name of the true class where it is another one, else empty.
        words: Each with the verdict on it, which is empty if they do not count.
    """

    name: str
    colour: str
    truth: str
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class MapCard:
    """One row, ready to be shown.

    Attributes:
        row: The row.
        said: The sentence of the row.
        right: Share of its positions that are right, in words; empty if unknown.
        facts: Other facts about it as a whole, in a few words each.
        maps: Its pictures; None for words.
        runs: Its words.
        regions: The largest of them; None of none.
        others: How many more there are.
        shares: The classes it has, the largest first.
        left_out: Classes that it hardly has.
    """

    row: DenseRow
    said: str
    right: str
    facts: tuple[str, ...]
    maps: MapPictures | None
    runs: tuple[WordRun, ...]
    regions: ViewTable | None
    others: int
    shares: ViewTable
    left_out: int


def cards(
    result: DenseCertainty,
    shown: Shown | None,
    positions: Sequence[int],
    colours: Sequence[str],
    top: float,
) -> list[MapCard]:
    """Cards for some rows, made one after the other.

    Args:
        result: The result that the page shows.
        shown: Images or words under the maps, or None.
        positions: Places of the rows in `result`.
        colours: K colours.
        top: The entropy that the scale of doubt ends with, nats.
    """
    rows = (_Row.of(result[at : at + 1]) for at in positions)
    return [_card(row, at, shown, colours, top) for row, at in zip(rows, positions, strict=True)]


def _card(row_maps: _Row, at: int, shown: Shown | None, colours: Sequence[str], top: float) -> MapCard:
    part = row_maps.part
    row = part[0]
    numbered, counts = numbered_by_size(part.is_coin_flip[0]), row_maps.label >= 0
    truth = None if part.truth is None else np.asarray(part.truth[0])
    regions = _regions_table(row, LEAST_SHARE * counts.sum())
    listed = 0 if regions is None else len(regions.rows)
    shares = _shares_table(row, colours, truth)
    pictures = None
    if not isinstance(shown, ShownWords):
        pictures = _pictures_of(row_maps, numbered, shown, at, colours, top, listed)
    right = ""
    if truth is not None and (truth >= 0).any():
        right = rate(float(np.mean((row_maps.label == truth)[truth >= 0])))
    words = shown.of(at) if isinstance(shown, ShownWords) else []
    facts = [f"{right} right"] if right else []
    facts += [f"doubt {100 * row.doubt:.0f} %", "1 pass" if row.passes == 1 else f"{row.passes:,} passes"]
    count = counted(row_maps.label.size, part.position_name)
    if not counts.all():
        facts.append(f"{int(counts.sum()):,} of {count} count, and the others are left out")
    if isinstance(shown, ShownWords) and len(words) < counts.sum():
        facts.append(f"{len(words)} of {count} have a word")
    if row_maps.view.said:
        facts.append(row_maps.view.said)
    if pictures is not None and pictures.step > 1:
        facts.append(f"maps are drawn with one in {pictures.step} {part.position_name}s across and down")
    return MapCard(
        row=row,
        said=str(row),
        right=right,
        facts=tuple(facts),
        maps=pictures,
        runs=_word_runs(part, words, colours),
        regions=regions,
        others=int(numbered.max(initial=0)) - listed,
        shares=shares,
        left_out=len(row.share) - len(shares.rows),
    )


def place_of(bounds: Sequence[tuple[int, int]], position: str) -> str:
    """Place of a region, its first and last positions: `x 3 to 7, y 0 to 4`, or `token 3`.

    Args:
        bounds: Bounds of the region.
        position: Name of a position.
    """
    axes = ("slice", "y", "x")[-len(bounds) :] if len(bounds) > 1 else (position,)
    places = [
        f"{axis} {low}" if high == low + 1 else f"{axis} {low} to {high - 1}"
        for axis, (low, high) in zip(axes, bounds, strict=True)
    ]
    return ", ".join(reversed(places) if len(places) == 2 else places)


def _regions_table(row: DenseRow, least: float) -> ViewTable | None:
    """The largest regions with their places, by their numbers on the map; after the first no smaller ones."""
    cells = [
        [
            str(number),
            f"{region.size:,}",
            f"{region.label_name} and {region.runner_up_name}",
            place_of(region.bounds, row.position_name),
        ]
        for number, region in enumerate(row.regions[:MOST_REGIONS], 1)
        if number == 1 or region.size >= least
    ]
    head = ["Region", f"{upper(row.position_name)}s", "Between", "Place"]
    return ViewTable(f"Regions of {row.called}", head, cells, numeric=(0, 1)) if cells else None


def _shares_table(row: DenseRow, colours: Sequence[str], truth: Integers | None) -> ViewTable:
    """The classes that a row has, the largest first, and their true shares where these are given."""
    known_truth = np.zeros(0) if truth is None else truth[truth >= 0]
    order = np.argsort(-row.share, kind="stable")[:MOST_SHARES].tolist()
    shown_classes = [k for k in order if row.share[k] >= LEAST_SHARE]
    cells = []
    for k in shown_classes:
        ends = ends_in_words(*row.share_interval[k].tolist())
        overlap = overlap_in_words(float(row.overlap[k]), float(row.overlap_error[k]))
        share = percent(float(row.share[k]), float(row.share_error[k])).replace(" %", UNIT)
        cells.append([row.class_names[k], share, f"{ends}{UNIT}" if ends else "–", overlap or "–"])
        if truth is not None:
            cells[-1].append(rate(float(np.mean(known_truth == k))) if known_truth.size else "–")
    head = ["Class", "Share", f"Most {words_of(row.method)['between']} say", "Overlap"]
    head += [] if truth is None else ["Truth"]
    shown_colours = [colours[k] for k in shown_classes]
    return ViewTable(f"Classes of {row.called}", head, cells, numeric=(1, 2, 3, 4), colours=shown_colours)


# --- maps -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """The maps of one row, and how they are drawn: of one axis as (1, W), of a volume one slice."""

    part: DenseCertainty
    label: Integers
    entropy: Floats
    view: SliceView

    @classmethod
    def of(cls, part: DenseCertainty) -> _Row:
        """The only row of a result."""
        entropy = np.asarray(part.entropy[0])
        return cls(part, np.asarray(part.label[0]), entropy, view_of(entropy))


def _pictures_of(
    row_maps: _Row,
    numbered: Integers,
    shown: Pixels | None,
    at: int,
    colours: Sequence[str],
    top: float,
    listed: int,
) -> MapPictures:
    label, entropy, areas = (
        row_maps.view.of(row_maps.label),
        row_maps.view.of(row_maps.entropy),
        row_maps.view.of(numbered),
    )
    truth = None if row_maps.part.truth is None else row_maps.view.of(np.asarray(row_maps.part.truth[0]))
    palette = list(dict.fromkeys(colours))
    place = np.array([palette.index(colour) for colour in colours])
    height, width = label.shape
    flat = len(row_maps.part.positions) == 1
    signal = ""
    row = None if shown is None else shown.of(at)
    if row is not None and flat:
        signal, row = signal_path(row[..., 0]), None
    elif row is not None:
        row = np.asarray(row_maps.view.of(row))
    for edge in (_LONGEST_STRIP,) if flat else _EDGES:
        step = -(-max(height, width) // edge)
        small = (slice(None, None, step), slice(None, None, step))
        counts = label[small] >= 0
        levels = np.floor(len(CIVIDIS) * np.clip(np.where(counts, entropy[small], 0) / top, 0, 1 - 1e-6))
        drawn_truth = None if truth is None else truth[small]
        wrong = None if drawn_truth is None else (drawn_truth >= 0) & (drawn_truth != label[small])
        pictures = MapPictures(
            width=width,
            height=height,
            step=step,
            image="" if row is None else photograph(row, _OF_IMAGE, edge),
            signal=signal,
            label=_picture_of(counts, place[label[small]], palette),
            doubt=_picture_of(counts, levels, CIVIDIS),
            truth=""
            if drawn_truth is None or wrong is None
            else _truth_picture(np.where(drawn_truth < 0, -1, place[drawn_truth]), wrong, palette),
            drawn_width=label[small].shape[1] * step,
            drawn_height=label[small].shape[0] * step,
            flips=Outline("", 0, 0),
            mistakes=Outline("", 0, 0),
            marks=(),
            names=(),
        )
        if pictures.characters <= CHARACTERS:
            break
    numbers = [number for number in range(1, listed + 1) if (areas == number).any()]
    marks = tuple(mark(areas == number, str(number)) for number in numbers)
    return replace(
        pictures,
        flips=outline(areas[small], step),
        mistakes=pictures.mistakes if wrong is None else outline(numbered_by_size(wrong), step),
        marks=marks,
        names=names_on(label, row_maps.part.class_names, marks),
    )


def _truth_picture(place: Integers, wrong: Booleans, palette: Sequence[str]) -> str:
    """The true classes, pale where the label is right; nothing if `place` is −1."""
    opacities = [RIGHT] * len(palette) + [1.0] * len(palette)
    return _picture_of(place >= 0, place + len(palette) * wrong, [*palette, *palette], opacities)


def _picture_of(
    is_coloured: Booleans, numbers: Integers, colours: Sequence[str], opacities: Sequence[float] = ()
) -> str:
    """A map in colours, and nothing where that is not `is_coloured`."""
    if is_coloured.all():
        return in_colours(numbers, colours, opacities)
    clear = [*(opacities or [1.0] * len(colours)), 0.0]
    return in_colours(np.where(is_coloured, numbers, len(colours)), [*colours, "#000000"], clear)


# --- words ----------------------------------------------------------------------------------------------


def _word_runs(part: DenseCertainty, words: Sequence[str], colours: Sequence[str]) -> tuple[WordRun, ...]:
    """Words from the first to the last that count; others between them have no label and no verdict."""
    label, names = np.asarray(part.label[0]), part.class_names
    truth = np.full(len(label), -1) if part.truth is None else np.asarray(part.truth[0])
    ends = np.flatnonzero(label[: len(words)] >= 0)
    labelled_words = [
        (int(k), int(true) if true >= 0 and true != k else -1, word, verdict)
        for word, k, true, verdict in zip(words, label, truth, part.verdict[0], strict=False)
    ][slice(*(ends[[0, -1]] + (0, 1)).tolist()) if len(ends) else slice(0)]
    return tuple(
        WordRun(
            names[k] if k >= 0 else "",
            colours[k] if k >= 0 else "transparent",
            names[true] if true >= 0 else "",
            tuple((word, verdict) for *_, word, verdict in run),
        )
        for (k, true), run in groupby(labelled_words, key=lambda word: word[:2])
    )
