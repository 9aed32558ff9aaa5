"""Changes of rows that move positions, and those that do not."""

import numpy as np
import pytest
from scipy import ndimage

import howsure
from howsure import shifts
from howsure.data.moves import Layout, Move

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 3, 32, 40)).astype(np.float32)
BYTES = RANDOM.integers(0, 256, size=(5, 24, 24, 3)).astype(np.uint8)
TOKENS = RANDOM.integers(0, 30000, size=(4, 24))
SIGNALS = RANDOM.normal(size=(6, 100, 2))
FIRST, LAST, STEPS, LONG = Layout((32, 40), 0), Layout((24, 24), 2), Layout((24,), 1), Layout((100,), 1)


def some(rows, change, share=0.5):
    """Each row changed or not, at random."""
    return np.stack([change(row) if RANDOM.random() < share else row for row in rows])


def with_patches(rows, value):
    rows = rows.copy()
    for row in rows:
        top, left = RANDOM.integers(0, 24, size=2)
        row[:, top : top + 8, left : left + 10] = value
    return rows


MOVE = [
    (X, FIRST, lambda rows: rows[..., ::-1]),
    (X, FIRST, lambda rows: rows[:, :, ::-1]),
    (X, FIRST, lambda rows: rows[:, :, ::-1, ::-1]),
    (X, FIRST, lambda rows: np.roll(rows, 1, -1)),
    (X, FIRST, shifts.rotated(10)),
    (X, FIRST, shifts.moved(0.1)),
    (X, FIRST, lambda rows: some(rows, lambda row: row[..., ::-1])),
    (X, FIRST, lambda rows: some(rows, lambda row: row[..., ::-1], 0.3)),
    (X, FIRST, lambda rows: shifts.rotated(RANDOM.uniform(-40, 40))(rows)),
    (BYTES, LAST, lambda rows: rows[:, :, ::-1]),
    (BYTES, LAST, lambda rows: np.rot90(rows, 1, (1, 2))),
    (BYTES, LAST, lambda rows: np.swapaxes(rows, 1, 2)),
    (TOKENS, STEPS, lambda rows: rows[:, ::-1]),
    (SIGNALS, LONG, lambda rows: np.roll(rows, 2, 1)),
    *((SIGNALS, LONG, lambda rows: some(rows, lambda row: row[::-1])) for _ in range(40)),
    (X, FIRST, lambda rows: np.roll(rows, RANDOM.integers(-2, 3), -1)),
    (TOKENS[:, :8], Layout((8,), 1), lambda rows: rows[:, ::-1]),
    (X[:, :, :6, :6], Layout((6, 6), 0), shifts.moved(0.3)),
    (X[:, 0, :4, :7], Layout((4, 7), 2), lambda rows: rows[..., ::-1]),
]
STAY = [
    (X, FIRST, lambda rows: rows),
    (X, FIRST, shifts.noisy(0.4)),
    (X, FIRST, shifts.blurred(3)),
    (X, FIRST, lambda rows: -0.5 * rows + 0.3),
    (X, FIRST, lambda rows: rows[:, ::-1]),  # channels
    (
        X,
        FIRST,
        lambda rows: (rows - rows.mean((1, 2, 3), keepdims=True)) / rows.std((1, 2, 3), keepdims=True),
    ),
    (X, FIRST, lambda rows: rows + RANDOM.normal(size=rows.shape)),
    (X, FIRST, lambda rows: rows * RANDOM.uniform(0.7, 1.3, size=(len(rows), 1, 1, 1))),
    (X, FIRST, lambda rows: rows * (RANDOM.random(rows.shape) > 0.3)),
    (X, FIRST, lambda rows: with_patches(rows, 0.0)),
    (X, FIRST, lambda rows: with_patches(rows, 5.0)),
    (BYTES, LAST, shifts.noisy(0.2)),
    (BYTES, LAST, shifts.blurred(1.5)),
    (BYTES, LAST, lambda rows: (255 * (rows / 255) ** 0.5).astype(np.uint8)),
    (TOKENS, STEPS, lambda rows: np.where(RANDOM.random(rows.shape) < 0.15, 103, rows)),
    (TOKENS, STEPS, lambda rows: np.where(RANDOM.random(rows.shape) < 0.15, 50256, rows)),
    (SIGNALS, LONG, lambda rows: rows + RANDOM.normal(size=rows.shape) / 2),
    (SIGNALS, LONG, lambda rows: 2 * rows),
    (X, FIRST, lambda rows: rows + RANDOM.uniform(-3, 3, size=(len(rows), 1, 1, 1))),  # brightness of each
    *(
        (RANDOM.random(shape), layout, change)
        for shape, layout in [
            ((5, 8, 1), Layout((8,), 1)),
            ((5, 1, 14), Layout((14,), 0)),
            ((5, 4, 7), Layout((4, 7), 2)),
        ]
        for change in (
            lambda rows: ndimage.gaussian_filter(rows, [0, *[1.5] * (rows.ndim - 1)]),
            lambda rows: rows + RANDOM.normal(size=rows.shape) / 3,
        )
    ),
    *(
        (RANDOM.normal(size=(3, 1, side, side)), Layout((side, side), 0), change)
        for side in (4, 8, 16)
        for change in shifts.UNMOVED.values()
    ),
]


@pytest.mark.parametrize("case", range(len(MOVE)))
def test_what_moves_positions_needs_a_way_back(case):
    rows, layout, change = MOVE[case]
    with pytest.raises(howsure.InputError, match="moves their positions"):
        Move.of(change, layout).check(rows, layout)
    Move.of(change, None).check(rows, None)  # answers of whole rows have no place


@pytest.mark.parametrize("case", range(len(STAY)))
def test_what_moves_none_needs_nothing(case):
    rows, layout, change = STAY[case]
    Move.of(change, layout).check(rows, layout)


@pytest.mark.parametrize("by", [1, 5])
def test_a_way_back_that_is_wrong_is_refused(by):
    def do(rows):
        return np.roll(rows, by, -1)

    Move.of((do, lambda outputs: np.roll(outputs, -by, -1)), FIRST).check(X, FIRST)
    for undo in (do, lambda outputs: outputs, lambda outputs: np.roll(outputs, -by, -2)):
        with pytest.raises(howsure.InputError, match="way back"):
            Move.of((do, undo), FIRST).check(X, FIRST)


@pytest.mark.parametrize("rows", [X, BYTES, SIGNALS, TOKENS])
@pytest.mark.parametrize("name", ["flip", "turn"])
def test_named_moves_go_there_and_back(rows, name):
    layout = {3: LAST, 4: LAST}.get(rows.ndim, STEPS) if rows is not X else FIRST
    layout = LONG if rows is SIGNALS else layout
    if name == "turn" and len(layout.positions) == 1:
        with pytest.raises(howsure.InputError, match="two axes"):
            Move.of(name, layout).do(rows)
        return
    move = Move.of(name, layout)
    plane = (2, 3) if rows is X else tuple(range(1, 1 + len(layout.positions)))
    wanted = np.flip(rows, plane[-1]) if name == "flip" else np.rot90(rows, 1, plane)
    np.testing.assert_array_equal(move.do(rows), wanted)
    outputs = rows[..., None] if rows is TOKENS else rows
    np.testing.assert_array_equal(move.undo(wanted[..., None] if rows is TOKENS else wanted), outputs)
