"""A class at each position of rows that were moved: what the model says of them is moved back."""

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense

N, SIDE, K = 12, 8, 3
RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(N, SIDE, SIDE, 4)).astype(np.float32)
PLAIN = howsure.PlainPrediction()


class Biased(ArrayModel):
    """A network whose answer depends on where a position lies, as that of an untrained filter does."""

    def predict(self, inputs):
        columns = np.linspace(0, 3, inputs[0].shape[2], dtype=np.float32)
        return super().predict([inputs[0] * (1 + columns[None, None, :, None])])


def network(sides=(SIDE, SIDE), kind=Biased):
    steps = {"output": (Dense(np.random.default_rng(3).normal(size=(4, K)), 0.0, "softmax"), "x")}
    return kind("u", [InputSpec("x", (*sides, 4), "float32")], steps)


def mirrored(rows):
    return rows[:, :, ::-1]


def plain(x):
    return howsure.assess(network(), x, method=PLAIN, keep="probabilities").probabilities


@pytest.mark.parametrize("way", ["flip", (mirrored, mirrored)])
def test_the_mean_over_a_flip_is_of_answers_that_were_flipped_back(way):
    found = howsure.assess(network(), X, method=howsure.Augmentation([way]), keep="probabilities")
    wanted = (plain(X) + plain(X[:, :, ::-1])[:, :, ::-1]) / 2
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-6)


def test_the_mean_over_a_turn_is_of_answers_that_were_turned_back():
    found = howsure.assess(network(), X, method=howsure.Augmentation(["turn", "flip"]), keep="probabilities")
    turned = np.rot90(plain(np.rot90(X, 1, (1, 2))), -1, (1, 2))
    wanted = (plain(X) + turned + plain(X[:, :, ::-1])[:, :, ::-1]) / 3
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-6)


def test_a_change_without_a_way_back_is_refused_and_the_hint_works():
    noisy = howsure.shifts.noisy(0.1)
    for change in (mirrored, noisy):
        with pytest.raises(
            howsure.InputError, match="does not say how its outputs are moved back"
        ) as refused:
            howsure.assess(network(), X, method=howsure.Augmentation([change]))
    assert refused.value.hint.startswith("'flip' mirrors")
    assert "(change, howsure.shifts.unmoved)" in refused.value.hint
    howsure.assess(network(), X, method=howsure.Augmentation(["flip"]))
    method = howsure.Augmentation([(noisy, howsure.shifts.unmoved)])
    found = howsure.assess(network(), X, method=method, keep="probabilities")
    np.testing.assert_allclose(found.probabilities, (plain(X) + plain(noisy(X))) / 2, atol=1e-6)


def test_in_tiles_each_tile_is_moved_and_moved_back():
    """Each position sees itself alone, so a tile has the numbers of the whole, moved or not."""
    method = howsure.Augmentation(["flip", "turn", (mirrored, mirrored)])
    x = RANDOM.normal(size=(2, SIDE, 2 * SIDE, 4)).astype(np.float32)
    whole = howsure.assess(network((SIDE, 2 * SIDE), ArrayModel), x, method=PLAIN, keep="probabilities")
    tiled = howsure.assess(
        network(kind=ArrayModel), x, method=method, tile=SIDE, overlap=2, keep="probabilities"
    )
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-6)


def test_a_shift_in_a_comparison_is_moved_back():
    model = network(kind=ArrayModel)
    truth = np.array(howsure.assess(model, X, method=PLAIN).label)
    shifts = {"flipped": (mirrored, mirrored), "left to right": "flip", "turned": "turn"}
    methods = {"plain": PLAIN, "moved": howsure.Augmentation(["flip", "turn"])}
    given = {"methods": methods, "calibrated": False}
    found = howsure.compare(model, X, truth, shifts=shifts, **given)
    for name in ("as they are", *shifts):
        assert {found.score(method, "row_dice", name).value for method in methods} == {1}
    with pytest.raises(howsure.InputError, match="does not say how its outputs are moved back"):
        howsure.compare(model, X, truth, shifts={"flipped": mirrored}, **given)
    found = howsure.compare(model, X, truth, shifts=howsure.shifts.UNMOVED, **given)
    assert found.score("plain", "row_dice", "with noise").value < 1


def test_positions_that_count_stay_where_they_are():
    there = RANDOM.random((N, SIDE, SIDE)) < 0.5
    method = howsure.Augmentation(["flip", "turn"])
    found = howsure.assess(network(), X, method=method, positions=there, keep="probabilities")
    wanted = howsure.assess(network(), X, method=method, keep="probabilities")
    np.testing.assert_allclose(found.probabilities[there], wanted.probabilities[there], atol=1e-6)
    np.testing.assert_array_equal(found.counts, there)


def test_images_that_are_no_squares_are_turned_where_the_model_takes_any_sides():
    torch = pytest.importorskip("torch")
    net = torch.nn.Conv2d(2, K, 3, padding=1).eval()
    x = RANDOM.normal(size=(2, 2, 6, 10)).astype(np.float32)
    method = howsure.Augmentation(["turn", "flip"])
    found = howsure.assess(net, x, method=method, outputs="logits", keep="probabilities")

    def said(rows):
        with torch.no_grad():
            return torch.softmax(net(torch.from_numpy(rows.copy())), 1).numpy()

    turned = np.rot90(said(np.rot90(x, 1, (2, 3))), -1, (2, 3))
    wanted = (said(x) + turned + said(x[..., ::-1])[..., ::-1]) / 3
    np.testing.assert_allclose(found.probabilities, np.moveaxis(wanted, 1, -1), atol=1e-6)
    of_tensors = howsure.assess(
        net, torch.from_numpy(x), method=method, outputs="logits", keep="probabilities"
    )
    np.testing.assert_allclose(of_tensors.probabilities, found.probabilities, atol=1e-6)


def test_images_that_are_no_squares_are_not_turned_for_a_model_of_fixed_sides():
    x = RANDOM.normal(size=(2, SIDE, 2 * SIDE, 4)).astype(np.float32)
    with pytest.raises(howsure.InputError, match=r"'turn' exchanges the last two sides.*8 × 16"):
        howsure.assess(network((SIDE, 2 * SIDE)), x, method=howsure.Augmentation(["turn"]))
