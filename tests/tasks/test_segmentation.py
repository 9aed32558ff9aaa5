"""A class at each position: what a result holds, says, saves, and refuses."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure.inputs.rows import InputSpec
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Estimates
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.regions import regions_of
from howsure.tasks.segmentation.tally import PassCounts, PassesTally
from howsure.tasks.segmentation.tiles import Tiling
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.conformance import check_result

NAMES = ["sky", "road", "car"]
H, W, K, N = 6, 8, 3, 7


def network(sides=(H, W), ending="softmax", classes=K, late=None):
    random, once = np.random.default_rng(3), [1] * len(sides)
    steps = {
        "one": (Dense(random.normal(size=(4, 6)), 0.0, "relu"), "x"),
        "drop": (Dropout(0.25, mask_shape=(*once, 6)), "one"),
        "two": (Dense(random.normal(size=(6, 8)), 0.0, "relu"), "drop"),
        "late": (late or Dropout(0.2), "two"),
        "output": (Dense(random.normal(size=(8, classes)), 0.0, ending), "late"),
    }
    return ArrayModel("u", [InputSpec("x", (*sides, 4), "float32")], steps)


def rows(sides=(H, W), count=N):
    return np.random.default_rng(1).normal(size=(count, *sides, 4)).astype(np.float32)


def assess(**settings):
    return howsure.assess(network(), rows(), class_names=NAMES, **settings)


@pytest.fixture(scope="module")
def result():
    return assess(keep="probabilities")


@pytest.mark.parametrize("sides", [(9,), (H, W), (3, 4, 5)])
def test_there_may_be_one_to_three_axes_of_positions(sides):
    result = howsure.assess(network(sides), rows(sides))
    assert result.label.shape == result.mc_error.shape == result.verdict.shape == (N, *sides)
    assert result.share.shape == result.overlap.shape == (N, K)
    np.testing.assert_allclose(result.share.sum(axis=1), 1)
    check_result(result)


def test_maps_follow_from_the_probabilities(result):
    p = result.probabilities
    order = np.sort(p, axis=-1)
    np.testing.assert_array_equal(result.label, p.argmax(axis=-1))
    np.testing.assert_allclose(result.gap, order[..., -1] - order[..., -2], atol=1e-6)
    np.testing.assert_array_equal(result.runner_up, np.argsort(-p, axis=-1, kind="stable")[..., 1])
    assert set(np.unique(result.verdict)) <= {"sure", "leaning", "coin flip"}
    np.testing.assert_array_equal(
        result.verdict == "coin flip", (result.gap <= 0.2) & (result.probability < 0.95)
    )
    np.testing.assert_allclose(result.undecided, (result.verdict == "coin flip").mean(axis=(1, 2)))
    np.testing.assert_allclose(result.mutual_information, result.entropy - result.expected_entropy, atol=1e-6)


def test_a_row_is_a_certainty_of_its_positions(result):
    of_row = result.of_row(2)
    np.testing.assert_allclose(of_row.probabilities, result.probabilities[2].reshape(-1, K), atol=1e-6)
    np.testing.assert_allclose(of_row.entropy, result.entropy[2].reshape(-1), atol=1e-5)
    assert of_row.label.tolist() == result.label[2].reshape(-1).tolist()
    assert (of_row.verdict == result.verdict[2].reshape(-1)).mean() > 0.99
    assert of_row.kind == "pixel"


def test_one_sigmoid_is_two_classes():
    result = howsure.assess(network(ending="sigmoid", classes=1), rows(), keep="probabilities")
    assert result.class_names == ("0", "1")
    np.testing.assert_allclose(result.probabilities.sum(axis=-1), 1, atol=1e-6)


def test_logits_become_probabilities():
    kept = {"keep": "probabilities", "seed": 4}
    softmax = howsure.assess(network(), rows(), **kept)
    logits = howsure.assess(network(ending="linear"), rows(), outputs="logits", **kept)
    np.testing.assert_allclose(softmax.probabilities, logits.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"class_axis": 7}, "no such `class_axis`"),
        ({"class_axis": 1, "outputs": "probabilities"}, "not a distribution over classes at each position"),
        ({"class_names": ["a"]}, "class"),
        ({"outputs": "label-probabilities"}, "has 3 labels at each position"),
        ({"keep": "all"}, "`keep` cannot be used"),
        ({"tile": 0}, "`tile` cannot be used"),
        ({"overlap": 2}, "no effect without `tile`"),
        ({"tile": 4, "overlap": 4}, "`overlap` leaves nothing"),
        ({"tile": (2, 2, 2, 2)}, "`tile` does not fit the rows"),
    ],
)
def test_what_does_not_fit_is_refused(settings, said):
    with pytest.raises(howsure.HowsureError, match=said):
        howsure.assess(network(), rows(), **settings)


def test_not_a_number_names_the_row():
    outcome = Positions("u", "logits", "float32", tuple(NAMES), Thresholds(), (H, W), 2)
    raw = np.zeros((2, 4, H, W, K), np.float32)
    raw[1, 2, 3, 3] = np.nan
    with pytest.raises(howsure.ModelError, match="row 12"):
        outcome.values(raw, np.array([10, 11, 12, 13]))


@pytest.mark.parametrize("method", [howsure.PlainPrediction(), howsure.MCDropout(passes=20)])
def test_tiles_have_the_numbers_of_the_whole(method):
    """Each position sees itself alone, and masks are of channels, so no overlap is needed."""
    sides, given = (11, 14), {"method": method, "keep": "probabilities"}
    channels = Dropout(0.2, mask_shape=(1, 1, 8))
    x = rows(sides, 3)
    whole = howsure.assess(network(sides, late=channels), x, **given)
    tiled = howsure.assess(network((5, 5), late=channels), x, tile=5, overlap=2, **given)
    for name in (
        "all_probabilities",
        "all_errors",
        "entropy",
        "share",
        "share_error",
        "share_spread",
        "overlap",
    ):
        np.testing.assert_allclose(getattr(tiled, name), getattr(whole, name), atol=1e-6, err_msg=name)
    assert tiled.method["tile"] == [5, 5]


@pytest.mark.parametrize(
    ("whole", "tile", "overlap"), [((11, 14), (5, 5), 2), ((7,), (7,), 0), ((9, 4), (4, 4), 0)]
)
def test_inner_parts_of_tiles_make_up_the_whole(whole, tile, overlap):
    count = np.zeros(whole, int)
    for area, inside, place in Tiling(whole, tile, overlap).tiles:
        assert tuple(part.stop - part.start for part in area) == tile
        np.testing.assert_array_equal(
            [part.start + each.start for part, each in zip(area, inside, strict=True)],
            [each.start for each in place],
        )
        count[place] += 1
    assert np.all(count == 1)


@pytest.mark.parametrize(
    ("shape", "more"), [((40, 32, 32), {}), ((40, 32, 48), {}), ((60, 32, 48), {"class_axis": 1})]
)
def test_tiles_are_cut_along_positions_also_where_channels_are_many(shape, more):
    torch = pytest.importorskip("torch")
    net = torch.nn.Conv2d(shape[0], K, 1).eval()
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    given = {"outputs": "logits", "method": howsure.PlainPrediction(), "keep": "probabilities", **more}
    whole, tiled = howsure.assess(net, x, **given), howsure.assess(net, x, tile=16, **given)
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-6)
    if more:
        del given["class_axis"]
        with pytest.raises(howsure.InputError, match="class_axis=1"):
            howsure.assess(net, x, tile=16, **given)


def test_regions_are_connected_coin_flips():
    flips = np.zeros((6, 7), bool)
    flips[0, :3] = flips[1, 0] = True
    flips[4:, 4:6] = True
    flips[3, 3] = True  # touches by a corner
    label, runner_up = np.zeros((6, 7), int), np.ones((6, 7), int)
    label[4:, 4:6], runner_up[4:, 4:6] = 2, 0
    first, second, third = regions_of(flips, label, runner_up, tuple(NAMES))
    assert (first.size, first.bounds, first.label_name, first.runner_up_name) == (
        4,
        ((0, 2), (0, 3)),
        "sky",
        "road",
    )
    assert (second.size, second.bounds, second.label_name) == (4, ((4, 6), (4, 6)), "car")
    assert (third.size, third.slices) == (1, (slice(3, 4), slice(3, 4)))
    assert regions_of(np.zeros((2, 2), bool), label, runner_up, tuple(NAMES)) == []


def test_a_sentence_says_shares_then_coin_flips(result):
    row = replace(
        result[0],
        share=np.array([0.17, 0.8, 0.03]),
        share_interval=np.array([[0.14, 0.21], [0.78, 0.84], [0.03, 0.031]]),
        undecided=0.031,
        regions=regions_of(
            np.ones((2, 107), bool), np.zeros((2, 107), int), np.full((2, 107), 2), tuple(NAMES)
        ),
    )
    assert str(row) == ("80 % 'road', 17 % 'sky', 3.0 % 'car'; 3.1 % of the pixels are coin flips.")
    assert row.explain() == (
        "With other units dropped, most networks say 78 to 84 % 'road'. "
        "Look first at the largest region: 214 pixels between 'sky' and 'car'."
    )
    assert str(replace(row, undecided=0.0, regions=())).endswith("; no pixel is a coin flip.")


def test_overlap_is_the_mean_dice_of_pairs_from_different_groups():
    maps = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]])
    common = np.array([[[np.sum((a == k) & (b == k)) for k in range(3)] for b in maps] for a in maps])
    sizes = np.array([[np.sum(each == k) for k in range(3)] for each in maps])
    counts = PassCounts((sizes[:1], sizes[1:]), (common[:1, :0], common[1:, :1]), 4)
    dice = [
        np.mean(
            [
                2 * np.sum((maps[0] == k) & (maps[other] == k)) / (sizes[0, k] + sizes[other, k])
                for other in (1, 2)
            ]
        )
        for k in (0, 1)
    ]
    overlap, error = counts.overlap
    np.testing.assert_allclose(overlap[:2], dice)
    assert np.isnan(overlap[2])
    assert np.isnan(error).all()  # of two groups


def test_nine_passes_settle_no_position_and_ten_do():
    few, enough = (
        howsure.assess(network(), rows(), method=howsure.MCDropout(passes=each)) for each in (9, 10)
    )
    assert few.unsettled.tolist() == [1.0] * N
    assert (enough.unsettled < 1).any()


def test_overlap_counts_all_passes_and_compares_each_with_the_last_24_before_its_group():
    tally, last = PassesTally(2, np.ones((1, 50), dtype=bool)), 24
    p = np.random.default_rng(0).dirichlet([1, 1], size=(150, 1, 50))
    for group in np.split(p, 5):
        tally.add(group, p.mean(axis=0), np.array([0]))
    nothing = np.zeros((1, 50, 5))
    (counts,) = tally.completed(Estimates(*[nothing] * 4, np.array([150]))).of_rows
    maps, dice, among = p[:, 0].argmax(axis=-1) == 1, [], []
    for number in range(30, 150):
        start = number // 30 * 30
        for other in range(start - last, start):
            both = np.sum(maps[number]) + np.sum(maps[other])
            dice.append(2 * np.sum(maps[number] & maps[other]) / both)
            among.append((number // 30, other // 30))
    overlap, error = counts.overlap
    np.testing.assert_allclose(overlap[1], np.mean(dice))
    without = [np.mean(np.array(dice)[(np.array(among) != group).all(axis=1)]) for group in range(5)]
    jackknife = np.sqrt(4 / 5 * np.sum((np.array(without) - np.mean(dice)) ** 2))
    np.testing.assert_allclose(error[1], jackknife * stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975))


def test_the_error_of_overlap_covers_what_all_networks_say():
    """Against all pairs of 2,048 thinned networks: 95 % of seeds, 93 to 97 within the noise of 200 seeds."""
    random, rate, units, seeds = np.random.default_rng(0), 0.4, 11, 200
    into, out = random.normal(size=(4, units)), 1.2 * random.normal(size=(units, K))
    steps = {
        "one": (Dense(into, 0.0, "relu"), "x"),
        "drop": (Dropout(rate, mask_shape=(1, 1, units)), "one"),
        "output": (Dense(out, 0.0, "softmax"), "drop"),
    }
    model, x = ArrayModel("u", [InputSpec("x", (H, W, 4), "float32")], steps), rows(count=2)
    bits = np.array(list(itertools.product([0, 1], repeat=units)))
    weight = np.prod(np.where(bits, 1 - rate, rate), axis=1)
    hidden = np.maximum(x.reshape(2, -1, 4) @ into, 0)
    labels = np.array([(hidden * kept / (1 - rate) @ out).argmax(axis=-1) for kept in bits])
    exact = np.empty((2, K))
    for row, k in np.ndindex(2, K):
        maps = (labels[:, row] == k).astype(np.float32)
        both = maps.sum(axis=1)[:, None] + maps.sum(axis=1)
        dice = np.where(both > 0, 2 * (maps @ maps.T) / np.maximum(both, 1), 0)
        exact[row, k] = weight @ dice @ weight / (weight @ (both > 0) @ weight)
    for passes in (20, 60, 200):
        method = howsure.MCDropout(passes=passes)
        found = [howsure.assess(model, x, method=method, seed=seed) for seed in range(seeds)]
        off = np.array([result.overlap for result in found]) - exact
        held = np.abs(off) <= 1.96 * np.array([result.overlap_error for result in found])
        noise = 2.6 * np.sqrt(0.05 * 0.95 / seeds)
        assert 0.93 - noise <= held.mean() <= 0.97 + noise
        assert held.mean(axis=0).min() >= 0.93 - 1.3 * noise
        assert np.all(np.abs(off.mean(axis=0)) <= 4 * off.std(axis=0) / np.sqrt(seeds))


@pytest.mark.parametrize("dtype", ["U4", object])
def test_labels_may_be_class_names(result, dtype):
    numbers = np.array(result.label, dtype=np.int64)
    numbers[0, 0] = -1
    named = np.where(numbers < 0, "", np.array(NAMES)[numbers]).astype(dtype)
    assert np.array_equal(result.with_truth(named).truth, numbers)
    assert str(howsure.evaluate(result, named)) == str(howsure.evaluate(result, numbers))


def test_several_numbers_may_be_ignored(result):
    labels = np.array(result.label, dtype=np.int64)
    labels[:, 0], labels[:, 1] = 9, 0
    truth = result.with_truth(labels, ignore=(0, 9)).truth
    assert np.all(truth[:, :2] == -1)
    assert not np.any(truth == 0)
    assert howsure.evaluate(result, labels, ignore=(0, 9)).positions == np.sum(truth >= 0)


def test_an_axis_of_length_one_is_that_of_a_channel_and_one_row_may_come_alone(result):
    labels = np.array(result.label, dtype=np.int64)
    for given in (labels[:, None], labels[..., None]):
        assert np.array_equal(result.with_truth(given).truth, labels)
        assert howsure.evaluate(result, given).accuracy.value == 1
    for given in (labels[3], labels[3:4, None]):
        assert np.array_equal(result[3:4].with_truth(given).truth[0], labels[3])


def followed(hint, labels):
    """Labels after the Python in a hint."""
    found = {"labels": labels, "numpy": np, "colours": COLOURS}
    code = re.search(r"hit = .*|(?:numpy\.where\(.*)?labels\.argmax\(.*\)", hint).group()
    exec(code if code.startswith("hit") else f"labels = {code}", found)
    return found["labels"]


COLOURS = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize(
    "given_as",
    [
        lambda labels: np.eye(K + 1)[labels][..., :K],
        lambda labels: np.moveaxis(np.eye(K + 1)[labels][..., :K], -1, 1),
        lambda labels: np.array([*COLOURS, (9, 9, 9)], np.uint8)[labels],
    ],
)
@pytest.mark.parametrize("void", [0, -1])
def test_labels_in_other_forms_are_told_what_to_do_and_that_works(result, given_as, void):
    wanted = np.array(result.label, dtype=np.int64)
    wanted[0, 0] = void
    labels = given_as(wanted)
    with pytest.raises(howsure.InputError, match="do not fit the positions") as refused:
        result.with_truth(labels)
    np.testing.assert_array_equal(followed(refused.value.hint, labels), wanted)


@pytest.mark.parametrize("judge", [lambda result, y: result.with_truth(y), howsure.evaluate])
def test_a_mask_of_0_and_255_is_no_map_of_three_classes(result, judge):
    mask = np.where(np.array(result.label) == 1, 255, 0)
    with pytest.raises(howsure.InputError, match="write its number there"):
        judge(result, mask)
    assert np.all(result.with_truth(mask, ignore=255).truth[mask == 255] == -1)
    some = np.where(mask == 255, 255, np.array(result.label))
    assert np.all(result.with_truth(some).truth[mask == 255] == -1)
