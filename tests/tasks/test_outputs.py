"""What a model puts out is read from its last layer or declared, and never guessed from values."""

import numpy as np
import pytest
from scipy import special

from howsure.adapters.protocol import ModelInfo
from howsure.errors import InputError, ModelError
from howsure.tasks.outputs import LOGITS, PROBABILITIES, read_outputs, to_probabilities

ROWS = np.arange(100, 103)


def info(ending, shape, trained_for="classes"):
    return ModelInfo("net", "numpy", (), shape, "float32", ending, trained_for, True, ())


def convert(raw, outputs=PROBABILITIES, rows=ROWS):
    return to_probabilities(np.asarray(raw, dtype=np.float32), outputs, "net", rows)


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "classes", "expected"),
    [
        ("softmax", 2, PROBABILITIES),
        ("softmax", 1000, PROBABILITIES),
        ("sigmoid", 1, PROBABILITIES),
        ("linear", 10, LOGITS),
        ("linear", 1, LOGITS),
        ("log_softmax", 10, LOGITS),
    ],
)
def test_read_from_the_last_layer(activation, classes, expected):
    assert read_outputs(None, info(activation, (classes,))) == expected


@pytest.mark.parametrize(
    ("activation", "classes", "message"),
    [
        (
            "relu",
            10,
            r"Model 'net' does not end in a distribution.*Received: 'relu', 10 outputs.*outputs='logits'",
        ),
        ("tanh", 2, "Received: 'tanh', 2 outputs"),
        (None, 3, "something that is not a layer's activation, 3 outputs.*If you know better, say so"),
        ("multiply", 3, "'multiply', 3 outputs"),
        ("sigmoid", 5, "'sigmoid', 5 outputs.*outputs='label-probabilities'"),
        ("softmax", 1, "A softmax over one output is always 1: use a sigmoid, or two outputs"),
    ],
)
def test_anything_else_is_refused_unless_declared(activation, classes, message):
    with pytest.raises(ModelError, match=message):
        read_outputs(None, info(activation, (classes,)))
    for declared in (LOGITS, PROBABILITIES):
        assert read_outputs(declared, info(activation, (classes,))) == declared


@pytest.mark.parametrize("declared", ["softmax", "Logits", "", 1, True])
def test_declared_something_unknown(declared):
    with pytest.raises(
        InputError, match=r"`outputs` is unknown.*'probabilities' or 'logits' for one class per row.*Received"
    ):
        read_outputs(declared, info("softmax", (3,)))


@pytest.mark.parametrize(
    ("shape", "received"), [((), r"\(rows\)"), ((5, 10), r"\(rows, 5, 10\)"), ((0,), r"\(rows, 0\)")]
)
@pytest.mark.parametrize("declared", [None, LOGITS])
def test_more_or_fewer_axes_than_rows_and_classes(shape, received, declared):
    with pytest.raises(ModelError, match=f"not one distribution over classes per row.*Received: {received}"):
        read_outputs(declared, info("softmax", shape))


# --- converting -------------------------------------------------------------------------------


def test_logits_against_scipy():
    raw = np.random.default_rng(0).normal(0, 5, size=(4, 3, 6)).astype(np.float32)
    np.testing.assert_allclose(convert(raw, LOGITS), special.softmax(raw.astype(float), axis=-1), rtol=1e-12)


def test_log_softmax_gives_its_own_probabilities_back():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3))
    np.testing.assert_allclose(convert(np.log(p), LOGITS), p, rtol=1e-5)


def test_one_logit_and_one_sigmoid_become_two_columns():
    raw = np.array([[[-3.0], [0.0], [2.0]]])
    p = special.expit(raw)
    expected = np.concatenate([1 - p, p], axis=-1)
    np.testing.assert_allclose(convert(raw, LOGITS), expected, rtol=1e-6)
    np.testing.assert_allclose(convert(p, PROBABILITIES), expected, rtol=1e-6)


def test_huge_logits_do_not_overflow():
    p = convert([[[1e30, -1e30, 0.0], [3e38, 3e38, 0.0], [-1e4, -1e4, -1e4]]], LOGITS)
    np.testing.assert_allclose(p, [[[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3]])


def test_what_was_declared_logits_is_not_taken_for_probabilities_although_it_looks_like_it():
    looks_like_it = np.array([[[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]])
    np.testing.assert_allclose(
        convert(looks_like_it, LOGITS), special.softmax(looks_like_it, axis=-1), rtol=1e-6
    )
    np.testing.assert_allclose(convert(looks_like_it), looks_like_it, rtol=1e-6)


def test_the_mean_of_probabilities_is_not_the_softmax_of_mean_logits():
    raw = np.array([[[6.0, 0.0]], [[-1.0, 0.0]]])
    mean = convert(raw, LOGITS, rows=np.arange(1)).mean(axis=0)[0]
    np.testing.assert_allclose(mean, special.softmax(raw, axis=-1).mean(axis=0)[0], rtol=1e-6)
    assert abs(mean[0] - special.softmax(raw.mean(axis=0)[0])[0]) > 0.2


@pytest.mark.parametrize("precision", [np.float32, np.float16])
def test_rounding_is_taken_out(precision):
    p = np.random.default_rng(0).dirichlet(np.ones(1000), size=(2, 3)).astype(precision)
    out = convert(p)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.sum(axis=-1), 1, atol=1e-14)
    np.testing.assert_allclose(out, p, atol=2e-3)
    assert np.all(out >= 0)


@pytest.mark.parametrize(
    ("outputs", "value"),
    [(LOGITS, np.nan), (LOGITS, np.inf), (PROBABILITIES, np.nan), (PROBABILITIES, -np.inf)],
)
def test_nan_and_infinity_are_named_by_row(outputs, value):
    raw = np.full((2, 3, 2), 0.5)
    raw[1, 1, 0] = value
    with pytest.raises(ModelError, match=r"Model 'net' put out NaN or infinity in row 101\."):
        convert(raw, outputs)
    raw[0, 2] = value
    with pytest.raises(ModelError, match=r"NaN or infinity in 2 rows: 101, 102\."):
        convert(raw, outputs)


def test_a_class_whose_logit_is_minus_infinity_is_impossible():
    raw = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    raw[1, 2, 3] = raw[0, :, 1] = -np.inf
    np.testing.assert_allclose(convert(raw, LOGITS), special.softmax(raw.astype(float), axis=-1))
    assert convert(raw, LOGITS)[1, 2, 3] == 0
    raw[0, 1] = -np.inf  # no class is left
    with pytest.raises(ModelError, match=r"in row 101\. Expected: finite numbers, or -inf for some classes"):
        convert(raw, LOGITS)


def test_one_infinite_logit_is_certain():
    raw = np.array([-np.inf, 0, np.inf], np.float32).reshape(1, 3, 1)
    np.testing.assert_array_equal(convert(raw, LOGITS)[0], [[1, 0], [0.5, 0.5], [0, 1]])


@pytest.mark.parametrize("bad", [[0.6, 0.6], [0.2, 0.2], [-0.5, 1.5], [3.0, -2.0], [1.2, -0.2], [0.0, 0.0]])
def test_what_is_declared_a_distribution_and_is_none_is_refused(bad):
    said = "outputs='label-probabilities'" if min(bad) >= 0 else "outputs='logits'"
    raw = np.full((2, 3, 2), 0.5)
    raw[1, 2] = bad
    with pytest.raises(ModelError, match=f"not a distribution over classes, first in row 102.*{said}") as e:
        convert(raw)
    shown = str(e.value.received)
    assert f"sum {sum(bad):.4g}" in shown
    for number in bad:
        assert f"{number:g}" in shown, "the message must show the pass that is wrong"


def test_a_hair_below_zero_is_zero():
    assert convert([[[-5e-7, 1.0], [0.5, 0.5], [1.0, 0.0]]])[0, 0].tolist() == [0.0, 1.0]


def test_no_rows():
    assert convert(np.zeros((3, 0, 4)), LOGITS, rows=np.arange(0)).shape == (3, 0, 4)
    assert convert(np.zeros((3, 0, 1)), rows=np.arange(0)).shape == (3, 0, 2)


@pytest.mark.parametrize(("off", "fine"), [(0.004, True), (0.008, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_are_near_1_and_in_bfloat16_less_so(off, fine, sign):
    raw = np.array([[[0.6, 0.4 + sign * off]]], dtype=np.float32)
    if fine:
        assert to_probabilities(raw, PROBABILITIES, "net", ROWS).sum() == pytest.approx(1)
    else:
        with pytest.raises(ModelError, match="is not a distribution"):
            to_probabilities(raw, PROBABILITIES, "net", ROWS)
        to_probabilities(raw, PROBABILITIES, "net", ROWS, "bfloat16")
