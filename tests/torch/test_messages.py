"""What is said of modules is true of them, and speaks of PyTorch."""

import errno
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.torch import files
from tests.torch.modules import Layer

ROWS = np.random.default_rng(7).normal(size=(6, 5)).astype(np.float32)


def gumbel():
    """Random in training, though not by masks."""

    def drawn(layer, hidden):
        return nn.functional.gumbel_softmax(hidden, hard=True) if layer.training else hidden

    return nn.Sequential(nn.Linear(5, 4), Layer(drawn), nn.Linear(4, 3)).eval()


def masked(value):
    """Its third class is impossible."""
    layers = nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    third = torch.tensor([False, False, True])
    return nn.Sequential(*layers, Layer(lambda _, x: x.masked_fill(third, value))).eval()


def test_what_is_random_otherwise_is_not_said_to_be_always_the_same():
    module = gumbel()
    with pytest.raises(howsure.ModelError, match="These stay as in predicting: '1'") as caught:
        howsure.assess(module, ROWS, outputs="logits")
    assert "would be the same" not in str(caught.value)
    assert "Nothing in this model is random" not in str(howsure.audit(module, ROWS))
    plain = howsure.assess(module, ROWS, method=howsure.Softmax(), outputs="logits")  # as is offered
    assert len(plain) == len(ROWS)


@pytest.mark.parametrize("method", [howsure.MCDropout(passes=8), howsure.Softmax()])
def test_classes_masked_with_minus_infinity_are_impossible(method):
    results = []
    for value in (float("-inf"), -1e9):
        torch.manual_seed(7)
        results.append(howsure.assess(masked(value), ROWS, method=method, outputs="logits"))
    assert (results[0].probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(results[0].probabilities, results[1].probabilities, atol=1e-12)
    np.testing.assert_allclose(results[0].entropy, results[1].entropy, atol=1e-12)


def branches(_, x):
    """It runs by itself, and not where its operations are watched."""
    return torch.cond(x.sum() > 0, lambda y: y.clone(), lambda y: 2 * y, (x,))


def test_control_flow_of_torch_compile_is_not_blamed_on_the_rows():
    module = nn.Sequential(nn.Dropout(), nn.Linear(5, 2), Layer(branches)).eval()
    with pytest.raises(howsure.ModelError, match=r"cannot see what is drawn.*torch\.cond.*torch\.where"):
        howsure.assess(module, ROWS, outputs="logits")


class Lost(nn.Module):
    """What it drops never reaches its output."""

    def __init__(self):
        super().__init__()
        self.last, self.dropout = nn.Linear(5, 2), nn.Dropout()

    def forward(self, x):
        return self.last(x) + 0 * self.dropout(x).sum()


def test_rounding_is_not_taken_for_passes_that_differ():
    with pytest.raises(howsure.ModelError, match="All passes of model 'Lost' are the same"):
        howsure.assess(Lost().eval(), ROWS, outputs="logits")


def test_tensors_of_one_shape_are_not_said_to_differ_in_shape():
    module = nn.Sequential(nn.Linear(5, 4), nn.Dropout(), nn.Linear(4, 2)).eval()
    for x in (
        [row.requires_grad_() for row in torch.tensor(ROWS)],
        [row.bfloat16() for row in torch.tensor(ROWS)],
    ):
        with pytest.raises(howsure.InputError, match="are not an array") as caught:
            howsure.assess(module, x)
        assert "torch.stack(x).detach().float().cpu().numpy()" in str(caught.value)
        rows = torch.stack(x).detach().float().cpu().numpy()
        assert len(howsure.assess(module, rows, outputs="logits")) == len(x)


def test_sigmoids_declared_a_distribution_are_offered_as_labels():
    module = nn.Sequential(nn.Linear(5, 4), nn.Dropout(), nn.Linear(4, 3), nn.Sigmoid()).eval()
    with pytest.raises(howsure.ModelError, match="say so: outputs='label-probabilities'"):
        howsure.assess(module, ROWS, outputs="probabilities")
    assert len(howsure.assess(module, ROWS, outputs="label-probabilities")) == len(ROWS)


def test_too_little_memory_is_not_the_fault_of_the_rows():
    class Large(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.empty(10**16)[:2]

    with pytest.raises(RuntimeError, match="allocate memory"):
        howsure.assess(Large(5, 2), ROWS)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "Memory ran out while"),
        (PermissionError(errno.EACCES, "Permission denied"), r"cannot be read \(Permission denied\)"),
        (
            RuntimeError("PytorchStreamReader failed reading zip archive"),
            "not a readable file",
        ),
    ],
)
def test_what_keeps_a_file_from_being_read_is_told_apart(tmp_path, monkeypatch, error, message):
    def fails(*args, **kwargs):
        raise error

    (tmp_path / "weights.pt").write_bytes(b"")
    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(howsure.FileError, match=message):
        files.load_weights(nn.Linear(2, 2), tmp_path / "weights.pt")


def test_a_damaged_file_of_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    (tmp_path / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(howsure.FileError, match=r"weights\.safetensors' is not a readable safetensors file"):
        files.load_weights(nn.Linear(2, 2), tmp_path / "weights.safetensors")


def test_whole_numbers_out_of_a_vocabulary_are_not_blamed_for_their_type():
    module = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Dropout(), nn.Linear(12, 2)).eval()
    assert len(howsure.assess(module, np.full((4, 3), 9), outputs="logits")) == 4
    with pytest.raises(howsure.InputError, match="says of whole numbers: index out of range in self; of"):
        howsure.assess(module, np.full((4, 3), 99))


class Warns(nn.Module):
    """Warns in some runs: from its own code, or from PyTorch's."""

    def __init__(self, training, by_pytorch=False):
        super().__init__()
        self.last, self.dropout = nn.Linear(5, 2), nn.Dropout()
        self.when, self.by_pytorch = training, by_pytorch

    def forward(self, x):
        if self.by_pytorch:
            nn.functional.softmax(x)  # without `dim`
        elif self.training == self.when:
            warnings.warn("ours", stacklevel=1)
        return self.last(self.dropout(x))


def test_a_warning_of_a_run_that_only_howsure_needs_does_not_come():
    module = Warns(training=True).eval()
    for method in (howsure.MCDropout(passes=8), howsure.Softmax()):
        assert len(howsure.assess(module, ROWS, outputs="logits", method=method)) == len(ROWS)
    assert howsure.audit(module, ROWS).passes_differ


@pytest.mark.parametrize("by_pytorch", [False, True])
def test_a_warning_made_an_error_goes_through_as_it_is(by_pytorch):
    module = Warns(training=False, by_pytorch=by_pytorch).eval()
    with pytest.raises(UserWarning) as plain:
        module(torch.tensor(ROWS))
    with pytest.raises(UserWarning) as caught:
        howsure.assess(module, ROWS, outputs="logits", method=howsure.Softmax())
    assert (type(caught.value), str(caught.value)) == (type(plain.value), str(plain.value))
    # Passes repeat the recorded operations, so the code that warns does not run, and nothing is said of it.
    passes = howsure.MCDropout(passes=8)
    assert len(howsure.assess(module, ROWS, outputs="logits", method=passes)) == len(ROWS)
