from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

import howsure
from howsure.report import looks
from howsure.report.looks import LARGEST, Picture, Pixels, are_images, black_and_white, looks_of

ENOUGH = 1_900_000


def pictures(rows: Pixels, positions: Sequence[int], budget: int = ENOUGH) -> list[Picture]:
    return looks.pictures(rows, positions, budget)


def pixels_of(picture: Picture) -> Pixels:
    kind, data = picture.source.split(",", 1)
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


RAMP = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


@pytest.mark.parametrize(
    "rows",
    [
        RAMP,
        RAMP.astype(float),
        RAMP.astype(np.int64),
        RAMP / 255,
        (RAMP / 255).astype(np.float32),
        RAMP / 127.5 - 1,
    ],
    ids=["bytes", "floats to 255", "whole numbers", "floats to 1", "single precision", "-1 to 1"],
)
def test_customary_ranges_keep_every_pixel(rows: Pixels) -> None:
    np.testing.assert_array_equal(pixels_of(pictures(rows, [0])[0]), RAMP[0])
    np.testing.assert_array_equal(pixels_of(pictures(rows[..., None], [0])[0]), RAMP[0])


def test_standardised_channels_use_the_whole_range_each() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(50, 12, 12, 3)) * [1, 3, 0.5] + [0, 5, -2]
    shown = np.stack([pixels_of(picture) for picture in pictures(rows, range(50))])
    assert shown.shape == rows.shape
    for channel in range(3):
        assert shown[..., channel].min() == 0
        assert shown[..., channel].max() == 255
        assert 110 < shown[..., channel].mean() < 145


def test_a_rare_bright_pixel_does_not_darken_the_rest() -> None:
    rows = np.random.default_rng(0).uniform(-2, 2, size=(20, 10, 10))
    rows[0, 0, 0] = 1e6
    black, white = black_and_white(rows[..., None])
    assert -2 <= black[0] < -1.9
    assert 1.9 < white[0] <= 2


def test_values_that_are_no_numbers_and_flat_images_are_shown_without_a_warning() -> None:
    rows = np.zeros((3, 4, 4))
    rows[0, 0] = np.nan
    rows[1, 0] = np.inf
    rows[2] = 1
    shown = [pixels_of(picture) for picture in pictures(rows, [0, 1, 2])]
    assert shown[0].max() == 0
    assert shown[1][0].min() == 255
    assert shown[2].min() == 255
    assert pixels_of(pictures(np.full((1, 3, 3), np.nan), [0])[0]).max() == 0
    assert pixels_of(pictures(np.full((1, 3, 3), 300.0), [0])[0]).max() == 0
    assert pixels_of(pictures(np.ones((1, 3, 3), dtype=bool), [0])[0]).min() == 255


def test_opacity_is_kept() -> None:
    rows = np.zeros((1, 4, 4, 4), dtype=np.uint8)
    rows[..., 3] = 128
    assert pixels_of(pictures(rows, [0])[0])[0, 0].tolist() == [0, 0, 0, 128]
    assert pixels_of(pictures(np.full((1, 4, 4, 4), 0.5), [0])[0])[0, 0, 3] == 128


def test_large_images_are_shrunk_until_all_fit_and_small_ones_left_alone() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(256, size=(60, 300, 200, 3), dtype=np.uint8)
    actual = pictures(noise, range(60))
    assert sum(len(picture.source) for picture in actual) < ENOUGH
    assert all(picture.shrunk for picture in actual)
    assert actual[0].height == pytest.approx(1.5 * actual[0].width, abs=1)
    small = pictures(noise[:, :28, :28], range(60))
    assert not any(picture.shrunk for picture in small)
    assert (small[0].width, small[0].height) == (28, 28)


def test_a_picture_has_twice_the_pixels_it_is_shown_with_where_it_can() -> None:
    ramp = np.linspace(0, 1, 1_000)
    photo = np.stack([np.outer(ramp, ramp), np.outer(ramp, 1 - ramp), np.outer(1 - ramp, ramp)], axis=-1)
    (actual,) = pictures(photo[None], [0])
    assert (actual.width, actual.height, actual.shrunk) == (LARGEST, LARGEST, True)
    kind, data = actual.source.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), dtype=float)
    assert np.abs(shown.mean(axis=(0, 1)) - 255 * photo.mean(axis=(0, 1))).max() < 3
    (smaller,) = looks.pictures(photo[None], [0], ENOUGH, largest=56)
    assert max(smaller.width, smaller.height) == 56


def test_what_counts_as_images() -> None:
    assert are_images(np.zeros((2, 28, 28)), "row")
    assert are_images(np.zeros((2, 28, 20)), "image")
    assert not are_images(np.zeros((2, 100, 3)), "row")
    assert all(are_images(np.zeros((2, 8, 9, channels)), "row") for channels in (1, 3, 4))
    assert not are_images(np.zeros((2, 28)), "image")
    assert not are_images(np.zeros((2, 8, 9, 7)), "image")
    assert not are_images(np.zeros((2, 0, 9)), "image")
    assert not are_images(np.full((2, 3, 3), "text"), "image")
    assert pictures(np.zeros((2, 28, 28)), []) == []


# --- rows of several sizes -------------------------------------------------------------------------


def test_images_of_several_sizes_are_shown_as_large_as_the_largest() -> None:
    random = np.random.default_rng(0)
    rows = [random.uniform(0.5, 1, (*sides, 3)).astype(np.float32) for sides in ((8, 10), (12, 9), (8, 10))]
    result = howsure.Certainty.from_probabilities([0.2, 0.7, 0.4])
    shown = looks_of(rows, result, "image").images
    assert shown.shape == (3, 12, 10, 3)
    for row, image in zip(rows, shown, strict=True):
        height, width, _ = row.shape
        np.testing.assert_array_equal(image[:height, :width], row)
        rest = np.concatenate([image[height:].ravel(), image[:, width:].ravel()])
        assert (rest == min(each.min() for each in rows)).all()
    batches = iter([row[None] for row in rows])
    np.testing.assert_array_equal(looks_of(batches, result, "image").images, shown)


@pytest.mark.parametrize("lengths", [(2, 9, 1), (2, 2, 2)])
def test_texts_and_signals_of_several_lengths_show_their_own_values(lengths: tuple[int, ...]) -> None:
    rows = [np.arange(length) + 10 * number for number, length in enumerate(lengths)]
    result = howsure.Certainty.from_probabilities([0.2, 0.7, 0.4])
    values = [look.values for look in looks_of(rows, result, "row").of([0, 1, 2], 10_000)]
    assert values[0] == "0, 1"
    assert values[1] == ("10, 11" if lengths[1] == 2 else "10, 11, 12, 13, 14, 15, … (9 in all)")
    tokens = {"input_ids": rows, "attention_mask": [np.ones(length, int) for length in lengths]}
    named = looks_of(tokens, result, "row").of([2], 10_000)[0].values
    assert named.startswith("input_ids 20, attention_mask 1" if lengths[2] == 1 else "input_ids[0] 20")
