"""Rows as people have them for modules, what a module returns, and the methods that need no dropout."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests.torch.modules import CLASSES, Layer, TwoInputs, build, mlp, numbers, rows_for

METHOD = howsure.MCDropout(passes=12)


def assess(module, x, **settings):
    return howsure.assess(module, x, method=METHOD, **settings).probabilities


@pytest.mark.parametrize(
    "change",
    [
        torch.from_numpy,
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: x.astype("float64"),
        lambda x: x.tolist(),
        list,
        lambda x: {"input": x},
    ],
    ids=["tensor", "with grad", "float64", "numbers", "list of rows", "by name"],
)
def test_rows_in_any_form_are_the_same_rows(change):
    module, x = build("mlp"), rows_for("mlp")
    assert np.array_equal(assess(module, change(x)), assess(module, x))


def test_several_inputs_come_by_name_or_in_order():
    module, x = build("two_inputs"), rows_for("two_inputs")
    by_name = assess(module, x)
    assert np.array_equal(by_name, assess(module, [x["left"], x["right"]]))
    assert np.array_equal(
        by_name, assess(module, {name: torch.from_numpy(x[name]) for name in ("right", "left")})
    )


def test_a_module_may_take_a_dict_as_it_is():
    class OfDict(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = TwoInputs()

        def forward(self, batch):
            return self.net(batch["left"], batch["right"])

    assert assess(OfDict().eval(), rows_for("two_inputs"), outputs="logits").shape == (9, CLASSES)


def test_whole_numbers_are_cast_only_where_the_module_needs_it():
    words, x = build("dropped_words"), rows_for("dropped_words")
    assert np.array_equal(assess(words, x), assess(words, x.astype("float64")))
    assert np.array_equal(assess(words, x), assess(words, x.astype("int32")))
    module, bits = build("mlp"), np.random.default_rng(0).integers(0, 2, (5, 8))
    assert np.array_equal(assess(module, bits), assess(module, bits.astype("float32")))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_rows_are_cast_to_the_type_of_the_weights(dtype):
    module, x = build("mlp").to(dtype), rows_for("mlp")
    off = 0.03 if dtype == torch.bfloat16 else 1e-5
    assert assess(module, x) == pytest.approx(assess(build("mlp"), x), abs=off)


def returns(what, outputs=CLASSES):
    """It returns what it is told to."""
    net = mlp() if outputs == CLASSES else nn.Sequential(*mlp()[:3], nn.Linear(12, outputs))
    return nn.Sequential(net, Layer(lambda _, y: what(y))).eval()


@pytest.mark.parametrize(
    "what",
    [
        lambda y: {"logits": y, "hidden": y},
        lambda y: (y,),
        lambda y: {"out": y},
        lambda y: torch.softmax(y, 1),
    ],
    ids=["logits in a dict", "tuple of one", "dict of one", "softmax"],
)
def test_the_output_is_found_in_what_is_returned(what):
    torch.manual_seed(3)
    plain = returns(lambda y: y)
    wrapped = returns(what)
    wrapped.load_state_dict(plain.state_dict())
    assert assess(wrapped, rows_for("mlp")) == pytest.approx(assess(plain, rows_for("mlp")), abs=1e-6)


@pytest.mark.parametrize(
    ("what", "outputs", "words"),
    [
        (lambda y: (y, y), 3, "What module 'Sequential' returns cannot be read. .*Received: a tuple of 2"),
        (lambda y: {"a": y, "b": y}, 3, "Received: dict with a, b"),
        (lambda y: y.sum(), 3, "has no axis of rows"),
        (lambda y: y.T, 3, "has no axis of rows"),
        (torch.relu, 3, "does not end in a distribution over classes. .*Received: 'relu'"),
        (lambda y: y, 1, "Nothing says what the one linear output of model"),
        (lambda y: y[:, :, None, None, None, None], 3, "is not one distribution over classes per row"),
    ],
)
def test_outputs_that_do_not_say_what_they_are_are_refused(what, outputs, words):
    with pytest.raises(howsure.ModelError, match=words):
        assess(returns(what, outputs), rows_for("mlp"))


@pytest.mark.parametrize("squeezed", [False, True])
def test_one_sigmoid_is_two_classes(squeezed):
    torch.manual_seed(3)
    logits = returns(lambda y: y.squeeze() if squeezed else y, 1)
    sigmoid = returns(lambda y: torch.sigmoid(y.squeeze(-1) if squeezed else y), 1)
    sigmoid.load_state_dict(logits.state_dict())
    x = rows_for("mlp")
    result = assess(sigmoid, x)
    assert result.shape == (9, 2)
    assert result == pytest.approx(assess(logits, x, outputs="logits"), abs=1e-6)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (
            {"left": np.zeros((3, 4))},
            howsure.InputError,
            r"does not take inputs of these names.*\(left, right\)",
        ),
        (np.zeros((3, 4)), howsure.InputError, "takes more than one input"),
        ([np.zeros((3, 4)), np.zeros((2, 2))], howsure.InputError, "differ in their number of rows"),
        ({"left": np.full((3, 4), np.nan), "right": np.zeros((3, 2))}, howsure.InputError, "'left' hold NaN"),
    ],
)
def test_rows_that_do_not_fit_are_said_in_words(x, error, words):
    with pytest.raises(error, match=words):
        assess(build("two_inputs"), x)


@pytest.mark.parametrize("x", [np.full((3, 5), 0.5, np.float32), np.zeros((3, 5), np.int64)])
def test_rows_on_which_pytorch_fails_are_refused_with_what_it_says(x):
    with pytest.raises(howsure.InputError, match=r"\(N, 5\); PyTorch says.*: .* shapes cannot be multiplied"):
        assess(build("mlp"), x)


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (lambda x: x.to_sparse(), r"one of layout torch\.sparse_coo\. Convert it with `x\.to_dense\(\)`"),
        (lambda x: x.to("meta"), r"without numbers, on the device 'meta'"),
    ],
)
def test_tensors_that_are_no_arrays_are_refused(convert, words):
    with pytest.raises(howsure.InputError, match=f"The rows are not an array.*{words}"):
        assess(build("mlp"), convert(torch.from_numpy(rows_for("mlp"))))


@pytest.mark.parametrize(
    "change", [lambda x: x.requires_grad_(), lambda x: x.to(torch.bfloat16), lambda x: x.half()]
)
def test_rows_of_a_report_may_be_tensors_of_any_kind(change, tmp_path):
    x = torch.from_numpy(rows_for("mlp")).round()  # the same in 16 bits
    certainty = howsure.assess(build("mlp"), x)
    for name, rows in (("array", x.numpy().copy()), ("tensor", change(x))):
        certainty.report(tmp_path / f"{name}.html", rows=rows)
    assert (tmp_path / "tensor.html").read_text() == (tmp_path / "array.html").read_text()


def test_a_module_without_weights_is_refused():
    with pytest.raises(howsure.ModelError, match=r"has no weights yet: '0\.weight' is empty"):
        assess(nn.Sequential(nn.LazyLinear(3)), rows_for("mlp"))
    with pytest.raises(howsure.ModelError, match="has no weights yet"):
        assess(mlp().to("meta"), rows_for("mlp"))


@pytest.mark.parametrize("name", ["mlp", "recurrent"])
def test_an_audit_needs_no_rows_where_the_first_layer_tells(name):
    assert howsure.audit(build(name)).passes_differ


def test_a_module_that_does_not_say_what_it_takes_needs_rows():
    with pytest.raises(howsure.ModelError, match="does not say what input it takes"):
        howsure.audit(nn.Sequential(nn.LayerNorm(4), nn.Dropout(0.2), nn.Linear(4, 2)))


class OfDict(nn.Module):
    """Takes a dict as its one input."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3), nn.Softmax(1))

    def forward(self, batch):
        return self.inner(batch["image"])


class OfArray(OfDict):
    """Takes its one input itself."""

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("kind", [OfDict, OfArray])
def test_a_dict_of_one_array_is_that_array_unless_the_module_takes_the_dict(kind):
    """A loader's {"image": …, "label": …} went to forward(x) as a dict."""
    torch.manual_seed(0)
    module = kind().eval()
    images, labels = torch.randn(12, 4), torch.arange(12) % 3
    expected = howsure.assess(module.inner, images, seed=1).probabilities
    rows = {"image": images, "label": labels, "path": [f"{number}.png" for number in range(12)]}
    batches = [{name: value[start : start + 5] for name, value in rows.items()} for start in (0, 5, 10)]
    for x in (rows, iter(batches), batches):
        certainty = howsure.assess(module, x, seed=1)
        np.testing.assert_allclose(certainty.probabilities, expected, atol=1e-6)
        assert certainty.truth.tolist() == labels.tolist()
        assert (certainty.ids[3], certainty.id_name) == ("3.png", "path")


class Rescaled(nn.Module):
    """A linear layer, and what is done with its output (n, 3)."""

    def __init__(self, act, classes=3):
        super().__init__()
        self.first, self.last, self.act = nn.Linear(8, 6), nn.Linear(6, classes), act
        self.temperature = nn.Parameter(torch.tensor([2.5]))

    def forward(self, x):
        return self.act(self, self.last(torch.relu(self.first(x))))


RESCALED = {
    "by a temperature": lambda m, z: (z / m.temperature).softmax(1),
    "of each row": lambda m, z: (z / (1 + z[:, :1].abs())).softmax(1),
    "a constant above": lambda m, z: 1 / z,
    "an activation before": lambda m, z: torch.sigmoid(z) * 2,
    "rounded": lambda m, z: torch.div(z, 0.1, rounding_mode="floor"),
    "by itself": lambda m, z: (z * z).softmax(1),
}


@pytest.mark.parametrize("how", RESCALED)
def test_what_comes_between_the_last_layer_and_the_activation_is_refused(how):
    with pytest.raises(howsure.ModelError, match="features of module 'Rescaled' cannot be read"):
        howsure.features_of(Rescaled(RESCALED[how]).eval(), numbers(np.random.default_rng(0), 40, 8))
