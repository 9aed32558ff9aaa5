"""Members of an ensemble of modules, beside weights recorded by hand and PyTorch's own averages."""

import copy
import multiprocessing
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import swa_utils
from torch.utils.data import DataLoader, TensorDataset

import howsure
from howsure.training import Snapshots, Swag, train_members
from howsure.training.members import _train_as_worker, _with_weights, draw_weights

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(1.0, 2.0, size=(40, 4)).astype("float32")
Y = torch.from_numpy((X[:, 0] > X[:, 1]).astype("int64") + (X[:, 2] > 2))
ROWS = torch.from_numpy(X)


def small(seed=0):
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def normalised(dropout=0.0):
    """Batch normalisation of the rows and of what is hidden; `fit` keeps `frozen` in eval mode."""

    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.dense, self.frozen = nn.BatchNorm1d(4), nn.Linear(4, 5), nn.BatchNorm1d(5)
            self.second = nn.BatchNorm1d(5, momentum=0.3)
            self.drop, self.last = nn.Dropout(dropout), nn.Linear(5, 3)

        def forward(self, x):
            hidden = self.frozen(torch.relu(self.dense(self.first(x))))
            return self.last(self.second(self.drop(hidden)))

    module = Normalised()
    module.frozen.requires_grad_(False)
    module.frozen.running_mean += 0.5
    module.frozen.running_var *= 2
    return module


def fit(module, seed=0, epochs=2, collect=(), x=ROWS, y=Y, loss=nn.functional.cross_entropy):
    optimizer = torch.optim.Adam([each for each in module.parameters() if each.requires_grad], 0.05)
    for _ in range(epochs):
        module.train()
        if hasattr(module, "frozen"):
            module.frozen.eval()
        for rows in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            loss(module(x[rows]), y[rows]).backward()
            optimizer.step()
        module.eval()  # as before a validation
        for each in collect:
            each.end_epoch(module)


def outputs(module, x=ROWS):
    """The plain prediction, by PyTorch alone."""
    flags = [each.training for each in module.modules()]
    with torch.no_grad():
        found = nn.Module.eval(module)(x)
    for each, flag in zip(module.modules(), flags, strict=True):
        each.training = flag
    return found


def state_of(module):
    """What somebody could miss afterwards, and all generators."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    flags = [(each.training, sorted(vars(each)), len(each._forward_pre_hooks)) for each in module.modules()]
    drawn = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    grads = {name: None if each.grad is None else each.grad.clone() for name, each in tensors.items()}
    values = {name: (id(each), each.detach().clone(), each.requires_grad) for name, each in tensors.items()}
    return values, grads, flags, drawn


def assert_as_found(module, before):
    values, grads, flags, drawn = state_of(module)
    assert flags == before[2]
    torch.testing.assert_close((grads, drawn[0]), (before[1], before[3][0]), rtol=0, atol=0, equal_nan=True)
    assert drawn[1:] == before[3][1:]
    for name, (place, value, learns) in before[0].items():
        assert values[name][0] == place
        assert values[name][2] == learns
        torch.testing.assert_close(values[name][1], value, rtol=0, atol=0, equal_nan=True)


def flat(module):
    """(P,) what an optimizer may change."""
    return np.concatenate(
        [each.detach().numpy().ravel() for each in module.parameters() if each.requires_grad]
    )


class Recorder:
    """Copies of a module at the end of every epoch, and PyTorch's average of some of them."""

    def __init__(self, start=0, every=1):
        self.copies, self.start, self.every, self.average = [], start, every, None

    def end_epoch(self, module):
        epoch = len(self.copies)
        self.copies.append(copy.deepcopy(module))
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self.average = self.average or swa_utils.AveragedModel(module)
            self.average.update_parameters(module)


# --- independent trainings ------------------------------------------------------------------------


def test_members_differ_reproduce_and_make_an_ensemble():
    seen, drawn = [], []

    def fit_and_draw(module, seed):
        drawn.append((seed, random.random(), np.random.random(), torch.rand(()).item()))
        fit(module, seed)

    members = train_members(small, fit_and_draw, 3, seed=4, progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not np.allclose(flat(members[0]), flat(members[1]))
    (again,) = train_members(small, fit_and_draw, 1, seed=5)
    np.testing.assert_array_equal(flat(again), flat(members[1]))
    assert drawn[3] == drawn[1]
    assert [each[0] for each in drawn] == [4, 5, 6, 5]
    found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
    predicted = np.mean([outputs(member).softmax(-1).numpy() for member in members], axis=0)
    np.testing.assert_allclose(found.probabilities, predicted, atol=2e-6)
    assert set(found.passes) == {3}


def test_members_that_are_no_ensemble_are_refused():
    one = small()
    with pytest.raises(howsure.ModelError, match="shares weights with an earlier one"):
        train_members(lambda seed: one, fit, 2)
    weight = nn.Parameter(torch.randn(5, 4))

    def shared(seed, learns=True, view=False):
        module = small()
        module[0].weight = nn.Parameter(weight.data[:] if view else weight.data, learns)
        return module

    for view in (False, True):
        with pytest.raises(howsure.ModelError, match="Create all layers inside `build`"):
            train_members(lambda seed, view=view: shared(seed, view=view), fit, 2)

    def thaw(module, seed):
        module.requires_grad_(True)
        fit(module)

    with pytest.raises(howsure.ModelError, match="shares weights with an earlier one"):
        train_members(lambda seed: shared(seed, learns=False), thaw, 2)
    kept = weight.detach().clone()
    members = train_members(lambda seed: shared(seed, learns=False), fit, 2)  # as of pretrained embeddings
    assert all(torch.equal(member[0].weight, kept) for member in members)
    norm = nn.BatchNorm1d(4, affine=False)
    with pytest.raises(howsure.ModelError, match="shares weights with an earlier one"):
        train_members(lambda seed: nn.Sequential(norm, small()), fit, 2)

    def filled(value):
        return lambda module, seed: [nn.init.constant_(each, value) for each in module.parameters()]

    with pytest.raises(howsure.ModelError, match=r"Members 0 \(seed 3\) and 1 \(seed 4\) are equal"):
        train_members(small, filled(2.0), 2, seed=3)
    with pytest.raises(
        howsure.ModelError, match=r"'weight' of shape \(3, 4\)\. .*'weight' of shape \(4, 4\)"
    ):
        train_members(lambda seed: nn.Linear(4, 3 + seed), filled(2.0), 2)
    with pytest.raises(howsure.ModelError, match=r"'0\.bias' of shape \(5,\)\. Received: .* \(none\)"):
        train_members(
            lambda seed: nn.Sequential(nn.Linear(4, 5, bias=seed == 0), nn.Linear(5, 3)), filled(2.0), 2
        )
    with pytest.raises(howsure.ModelError, match=r"returned no model.*Received: NoneType"):
        train_members(lambda seed: None, fit, 2)
    with pytest.raises(howsure.ModelError, match=r"returned no model.*Received: SGD"):
        train_members(lambda seed: torch.optim.SGD(small().parameters()), fit, 2)
    for name, wrong in {"count": 0, "seed": -1, "workers": True}.items():
        with pytest.raises(howsure.InputError, match=f"`{name}` cannot be used"):
            train_members(small, fit, **({"count": 2} | {name: wrong}))


def test_a_training_that_changed_nothing_or_diverged_is_refused():
    said = r"`fit` changed no weight of the model that `build\(7\)` returned.*not a copy"
    for idle in (lambda module, seed: None, lambda module, seed: fit(copy.deepcopy(module))):
        with pytest.raises(howsure.ModelError, match=said):
            train_members(small, idle, 2, seed=7)

    def forward_alone(module, seed):
        module.train()(ROWS)  # moves the statistics of its batch normalisation

    with pytest.raises(howsure.ModelError, match=said):
        train_members(lambda seed: normalised(), forward_alone, 2, seed=7)
    for bad in (np.nan, np.inf):
        with pytest.raises(howsure.ModelError, match=r"diverged: '2\.bias' is not finite after .* seed 7"):
            train_members(
                small, lambda module, seed, bad=bad: nn.init.constant_(module[2].bias, bad), 2, seed=7
            )


def test_constants_that_are_not_finite_are_no_divergence():
    def masked(seed):
        module = small()
        module.register_buffer("mask", torch.full((3,), -torch.inf))
        return module

    members, snapshots, swag = train_members(masked, fit, 2), Snapshots(0), Swag(0)
    fit(members[0], collect=[snapshots, swag])
    for member in (*snapshots.members(members[0]), *swag.members(members[0], 2)):
        assert member.mask.isinf().all()


def lazy(seed=0):
    return nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(3))


def fit_lazily(module, seed=0):
    module(ROWS)
    fit(module)


def test_lazy_modules_are_refused_until_they_have_weights():
    module = lazy()
    for collector in (Snapshots(0), Swag(0)):
        with pytest.raises(howsure.ModelError, match=r"no weights yet: '0\.weight' is empty.*call it once"):
            collector.end_epoch(module)
    with pytest.raises(howsure.ModelError, match="no weights yet"):
        train_members(lazy, lambda module, seed: None, 1)
    members = train_members(lazy, fit_lazily, 2)
    assert not np.allclose(flat(members[0]), flat(members[1]))


# --- trainings in processes of their own ----------------------------------------------------------


def fit_doubles(module, seed):
    assert module[1].weight.dtype == torch.float64  # by the default of the process that began this one
    fit(module, x=ROWS.double())


def test_members_of_workers_are_those_trained_here():
    def build(seed):
        return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 5), nn.Dropout(0.2), nn.Linear(5, 3))

    try:
        torch.set_default_dtype(torch.float64)
        here = train_members(build, fit_doubles, 2, seed=4)
        members = train_members(build, fit_doubles, 2, seed=4, workers=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert multiprocessing.active_children() == []
    for member, expected in zip(members, here, strict=True):
        torch.testing.assert_close(member.state_dict(), expected.state_dict(), rtol=1e-9, atol=1e-9)


def fill(module, seed=0):
    for each in module.parameters():
        nn.init.constant_(each, 2.0)


def test_what_comes_back_from_a_worker_fits_or_is_refused():
    sent = _train_as_worker(lambda seed: small().bfloat16(), fill, 0, 5, "howsure.training.torch", {})
    member = _with_weights(small().bfloat16(), 5, [], *sent)
    assert member[0].weight.dtype == torch.bfloat16
    assert all((each == 2).all() for each in member.parameters())
    with pytest.raises(howsure.ModelError, match="shares weights"):
        _with_weights(member, 5, [member], None, [array + 1 for array in sent[1]])
    sent = _train_as_worker(lazy, fit_lazily, 0, 5, "howsure.training.torch", {})
    with pytest.raises(howsure.ModelError, match=r"does not fit the weights.*Let `build` make all layers"):
        _with_weights(lazy(), 5, [], *sent)


FIRST_IMPORT = """
import sys
sys.modules["keras"] = None
from howsure.training import train_members
assert "torch" not in sys.modules

def build(seed):
    from torch import nn
    return nn.Linear(4, 3)

def fit(module, seed):
    module.weight.data += 1

first, _ = train_members(build, fit, 2, seed=3)
import torch
torch.manual_seed(3)
print((first.weight == torch.nn.Linear(4, 3).weight + 1).all().item())
"""


def test_the_seed_holds_where_build_is_the_first_to_import_the_framework():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_IMPORT], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "True\n", done.stderr


# --- snapshots and clones -------------------------------------------------------------------------


def test_snapshots_are_the_weights_of_their_epochs():
    module, recorder, snapshots = normalised(), Recorder(), Snapshots(start=1, every=2)
    fit(module, epochs=6, collect=[recorder, snapshots])
    before = state_of(module)
    members = snapshots.members(module)
    assert_as_found(module, before)
    assert len(members) == 3
    for member, epoch in zip(members, (1, 3, 5), strict=True):
        expected = recorder.copies[epoch].state_dict()
        torch.testing.assert_close(member.state_dict(), expected, rtol=0, atol=0)
        assert not member.frozen.weight.requires_grad
        assert all(each.grad is None for each in member.parameters())
    torch.testing.assert_close(outputs(members[-1]), outputs(module), rtol=0, atol=0)
    found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]))
    assert found.mutual_information.max() > 0


class Tied(nn.Module):
    """One matrix on the way in and on the way out, a buffer that no file keeps, and what it saw last."""

    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(4, 4), nn.Linear(4, 4)
        self.out.weight = self.into.weight
        self.register_buffer("scale", torch.rand(4), persistent=False)
        self.register_parameter("never", None)
        self.seen = None

    def forward(self, x):
        self.seen = self.into(x) * self.scale
        return self.out(torch.relu(self.seen))


def old_weight_norm():
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(nn.Linear(4, 3))


COPIED = {
    "tied": Tied,
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)),
    "old weight norm": old_weight_norm,
    "complex": lambda: Complex(),
    "compiled inside": lambda: nn.Sequential(
        nn.Linear(4, 5), torch.compile(nn.Linear(5, 3), backend="eager")
    ),
    "compiled": lambda: torch.compile(normalised(), backend="eager"),
    "parallel": lambda: nn.DataParallel(small()),
    "scripted": lambda: torch.jit.trace(small(), ROWS),
}


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.weight).abs()


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_copies_of_all_kinds_have_the_weights_collected_or_drawn(name):
    module, snapshots, swag = COPIED[name](), Snapshots(0), Swag(0)
    with torch.compiler.set_stance("force_eager"):
        fit(module, epochs=3, collect=[snapshots, swag])
        before = state_of(module)
        last = snapshots.members(module)[-1]
        torch.testing.assert_close(outputs(last), outputs(module), rtol=0, atol=0)
        (mean,) = swag.members(module, 1, X, scale=0)
        drawn = swag.members(module, 2, X)
        assert not torch.allclose(outputs(drawn[0]), outputs(drawn[1]))
    assert_as_found(module, before)
    values = flat(mean)
    values = values.view(values.real.dtype)
    np.testing.assert_array_equal(values, swag.moments.mean.astype("float32"))
    if name == "tied":
        assert last.out.weight is last.into.weight
        assert drawn[0].out.weight is drawn[0].into.weight
        torch.testing.assert_close(drawn[0].scale, module.scale)
    fill(last)
    assert_as_found(module, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_of_any_type_come_back_as_they_were(dtype):
    module, recorder, snapshots, swag = small().to(dtype), Recorder(), Snapshots(0), Swag(0)
    for _ in range(3):
        with torch.no_grad():
            for each in module.parameters():
                each += torch.randn_like(each)
        for each in (recorder, snapshots, swag):
            each.end_epoch(module)
    for member, expected in zip(snapshots.members(module), recorder.copies, strict=True):
        torch.testing.assert_close(member.state_dict(), expected.state_dict(), rtol=0, atol=0)
    for member, drawn in zip(
        swag.members(module, 2, seed=9), draw_weights(swag.moments, 2, seed=9), strict=True
    ):
        assert {each.dtype for each in member.parameters()} == {dtype}
        both = torch.cat([each.detach().ravel() for each in member.parameters()])
        expected = torch.from_numpy(drawn).to(dtype if dtype == torch.float64 else torch.float32).to(dtype)
        torch.testing.assert_close(both, expected, rtol=0, atol=0)


class Unclonable(nn.Module):
    """Keeps the graph of its last call in a list."""

    def __init__(self):
        super().__init__()
        self.last, self.seen = nn.Linear(4, 3), []

    def forward(self, x):
        self.seen = [self.last(x)]
        return self.seen[0]


def test_a_module_that_cannot_be_copied_needs_build():
    module, snapshots = Unclonable(), Snapshots(0)
    module.last.bias.requires_grad_(False)
    fit(module, collect=[snapshots])
    before = state_of(module)
    with pytest.raises(howsure.ModelError, match=r"'Unclonable' cannot be copied.*Give `build`"):
        snapshots.members(module)
    members = snapshots.members(module, build=lambda number: torch.compile(Unclonable(), backend="eager"))
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(outputs(members[-1]), outputs(module), rtol=0, atol=0)
    assert not members[0].training
    assert [each.requires_grad for each in members[0].parameters()] == [True, False]
    one = Unclonable()
    for same in (module, one):  # the second one for all members
        with pytest.raises(howsure.ModelError, match="shares weights"):
            snapshots.members(module, build=lambda number, same=same: same)
    with pytest.raises(howsure.ModelError, match=r"other weights than those collected.*\(3, 4\)"):
        snapshots.members(small())
    with pytest.raises(howsure.ModelError, match="`build` returned no model"):
        snapshots.members(module, build=lambda number: None)
    assert_as_found(module, before[:3] + state_of(module)[3:])  # `build` draws


def test_what_is_no_single_training_is_refused():
    module, snapshots = small(), Snapshots(start=4, every=2)
    with pytest.raises(howsure.InputError, match="at least 1, so a training of at least 5 epochs"):
        snapshots.members(module)
    fit(module, epochs=2, collect=[snapshots])
    with pytest.raises(
        howsure.InputError, match=r"Received: 0, from a training of 2\. .*call end_epoch\(module\)"
    ):
        snapshots.members(module)
    with pytest.raises(howsure.InputError, match=r"The epochs of two models.*Make a new Snapshots"):
        snapshots.end_epoch(small())
    snapshots.end_epoch(torch.compile(module, backend="eager"))  # the same one
    with pytest.raises(howsure.ModelError, match=r"This is no model.*Received: OrderedDict"):
        snapshots.end_epoch(module.state_dict())
    nn.init.constant_(module[0].weight, np.nan)
    snapshots.end_epoch(module)  # epoch 3, which is not stored
    with pytest.raises(howsure.ModelError, match=r"'0\.weight' is not finite at the end of epoch 4"):
        snapshots.end_epoch(module)


# --- SWAG -----------------------------------------------------------------------------------------


def test_moments_are_those_of_the_recorded_weights_and_of_averaged_model():
    module, recorder, swag = normalised(), Recorder(1, 2), Swag(start=1, every=2, rank=3)
    fit(module, epochs=10, collect=[recorder, swag])
    w = np.array([flat(each) for each in recorder.copies[1::2]], dtype=np.float64)
    assert len(w) == swag.moments.count == recorder.average.n_averaged == 5
    np.testing.assert_allclose(swag.moments.mean, w.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(swag.moments.squared_mean, (w**2).mean(axis=0), rtol=1e-12, atol=1e-15)
    running = np.cumsum(w, axis=0) / np.arange(1, 6)[:, None]
    np.testing.assert_allclose(swag.moments.deviations, (w - running)[-3:], rtol=1e-6, atol=1e-9)
    # AveragedModel averages in float32, with an error of at most one rounding of a weight for each epoch.
    rounding = 5 * np.abs(w).max(axis=0) * np.finfo(np.float32).eps
    assert (np.abs(swag.moments.mean - flat(recorder.average.module)) <= rounding).all()


def test_members_with_statistics_are_those_of_update_bn(monkeypatch):
    monkeypatch.setattr("howsure.training.weights.BATCH_SIZE", 15)
    module, recorder, swag = normalised(), Recorder(1), Swag(start=1)
    fit(module, epochs=5, collect=[recorder, swag])
    module.train()
    before = state_of(module)
    members = swag.members(module, 2, X, seed=3)
    assert_as_found(module, before)
    batches = [torch.from_numpy(batch) for batch in np.array_split(X, 3)]
    for member, drawn in zip(members, draw_weights(swag.moments, 2, seed=3), strict=True):
        np.testing.assert_array_equal(flat(member), drawn.astype("float32"))
        assert_same_statistics(member, updated(member, batches))
        torch.testing.assert_close(member.frozen.state_dict(), module.frozen.state_dict(), rtol=0, atol=0)
        assert member.second.num_batches_tracked == 3
        assert (member.first.momentum, member.second.momentum) == (0.1, 0.3)
        assert [each.training for each in member.modules()] == [each.training for each in module.modules()]
        assert not any(each._forward_pre_hooks for each in member.modules())
    # SWAG's mean, where AveragedModel and update_bn make the same network.
    (mean,) = swag.members(module, 1, X, scale=0)
    average = updated(recorder.average.module, batches)
    assert_same_statistics(mean, average)
    torch.testing.assert_close(outputs(mean), outputs(average), rtol=1e-4, atol=1e-4)


class Fixed(nn.Module):
    """A norm with the statistics of another one, which `update_bn` does not take for one."""

    def __init__(self, norm):
        super().__init__()
        self.norm = [norm]

    def forward(self, x):
        (norm,) = self.norm
        return nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def updated(module, batches):
    """A copy with the statistics that PyTorch computes."""
    module = copy.deepcopy(module)
    module.frozen = Fixed(module.frozen)
    swa_utils.update_bn(batches, module)
    return module


def assert_same_statistics(member, expected):
    for name in ("first", "second"):
        both = (getattr(each, name).state_dict() for each in (member, expected))
        torch.testing.assert_close(*both, rtol=1e-4, atol=1e-5)


class TwoOutputs(nn.Module):
    """A norm that is called twice, one of each row, one that is never called; two inputs and outputs."""

    def __init__(self):
        super().__init__()
        self.twice, self.unused = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
        self.instance = nn.InstanceNorm1d(1, track_running_stats=True)
        self.mean, self.variance = nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, x, other):
        both = torch.cat([self.twice(x), self.twice(3 * other)], -1)
        both = self.instance(both[:, None])[:, 0]
        return self.mean(both), self.variance(both).exp()


def test_statistics_of_other_layers_and_calls():
    module, swag = TwoOutputs(), Swag(0)
    optimizer = torch.optim.SGD(module.parameters(), 0.01)
    for _ in range(3):
        module.train()
        (module(ROWS, ROWS)[0] ** 2).mean().backward()
        optimizer.step()
        swag.end_epoch(module)
    for rows in ({"x": X, "other": X}, [X, X], {"x": ROWS, "other": ROWS}):
        (member,) = swag.members(module, 1, rows)
        values = X.astype("float64")
        np.testing.assert_allclose(member.twice.running_mean, 2 * values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(member.twice.running_var, 5 * values.var(axis=0, ddof=1), rtol=1e-5)
        weight, bias = (each.detach().double().numpy() for each in (member.twice.weight, member.twice.bias))
        normal = (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0) + 1e-5)
        normal3 = 3 * (values - values.mean(axis=0)) / np.sqrt(9 * values.var(axis=0) + 1e-5)
        both = np.concatenate([normal * weight + bias, normal3 * weight + bias], axis=1)
        np.testing.assert_allclose(member.instance.running_mean, [both.mean()], atol=1e-5)
        np.testing.assert_allclose(member.instance.running_var, [both.var(axis=1, ddof=1).mean()], rtol=1e-4)
        assert member.instance.momentum == 0.1
        torch.testing.assert_close(member.unused.state_dict(), module.unused.state_dict())


def test_statistics_reproduce_with_dropout_and_take_a_loader():
    module, swag = normalised(dropout=0.5), Swag(0)
    fit(module, collect=[swag])
    first = swag.members(module, 2, X, seed=1)[1]
    torch.manual_seed(99)
    second = swag.members(module, 2, DataLoader(TensorDataset(ROWS, Y), batch_size=7), seed=1)[1]
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert not torch.allclose(outputs(first), outputs(module))
    both = [each.second.running_mean for each in swag.members(module, 2, X, scale=0)]
    assert not torch.allclose(*both)  # other masks, by the seed of each


def test_a_module_is_left_as_found_where_its_rows_fail():
    module, swag = normalised(), Swag(0)
    fit(module, collect=[swag])
    before = state_of(module)
    with pytest.raises(howsure.InputError, match="does not run on these rows"):
        swag.members(module, 2, X[:, :3])
    assert_as_found(module, before)
    calls = []

    def fails_later(norm, inputs):
        calls.append(len(inputs[0]))
        if norm.training:
            raise RuntimeError("in the middle")

    handle = module.second.register_forward_pre_hook(fails_later)
    before = state_of(module)
    with pytest.raises(RuntimeError, match="in the middle"):
        swag.members(module, 2, X)
    assert_as_found(module, before)
    handle.remove()


def test_what_training_moves_besides_is_said_and_stays():
    norm, swag = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), Swag(0)
    module = nn.Sequential(norm, nn.BatchNorm1d(3))
    fit(module, collect=[swag])
    with pytest.warns(howsure.HowsureWarning, match=r"\._u' and '.*\._v' changed .* without being trained"):
        (member,) = swag.members(module, 1, X)
    np.testing.assert_array_equal(flat(member), next(draw_weights(swag.moments, 1)).astype("float32"))
    for name, value in module[0].named_buffers():
        torch.testing.assert_close(member[0].get_buffer(name), value, rtol=0, atol=0)


def test_swag_says_what_it_lacks():
    module, swag = normalised(), Swag(start=2, every=3)
    fit(module, epochs=5, collect=[swag])
    with pytest.raises(howsure.InputError, match="Received: 1, from a training of 5"):
        swag.members(module, 2, X)
    fit(module, epochs=1, collect=[swag])
    with pytest.raises(howsure.InputError, match=r"normalisation layers 'first', 'second'\. Expected: rows"):
        swag.members(module, 2)
    with pytest.raises(howsure.InputError, match="at least 2, for a variance"):
        swag.members(module, 2, X[:1])
    with pytest.raises(howsure.ModelError, match="other weights than those collected"):
        swag.members(small(), 1, X)
    thawed, swag = small(), Swag(0)
    thawed[0].requires_grad_(False)
    swag.end_epoch(thawed)
    thawed[0].requires_grad_(True)
    with pytest.raises(howsure.InputError, match=r"trained different weights.*Set `start` to an epoch after"):
        swag.end_epoch(thawed)
    with pytest.raises(howsure.ModelError, match="no trainable weights"):
        Swag(0).end_epoch(small().requires_grad_(False))


# --- what they are for ----------------------------------------------------------------------------


def test_members_of_a_regression_are_an_ensemble_of_numbers():
    module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))
    snapshots, swag = Snapshots(start=1), Swag(start=1, rank=2)
    fit(module, epochs=4, collect=[snapshots, swag], y=ROWS[:, :1] * 100, loss=nn.functional.mse_loss)
    for members in (snapshots.members(module), swag.members(module, 3)):
        found = howsure.assess(members[0], X, method=howsure.Ensemble(members[1:]), outputs="values")
        each = [outputs(member).numpy().astype(float) for member in members]
        np.testing.assert_allclose(found.mean, np.mean(each, axis=0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found.spread, np.std(each, axis=0), rtol=1e-2, atol=1e-3)


def test_an_ensemble_of_digits_beats_its_networks():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = (images[order] / 16).astype("float32"), labels[order]
    train, test = slice(0, 300), slice(300, None)
    x, y = torch.from_numpy(images[train]), torch.from_numpy(labels[train])

    def build(seed):
        hidden = nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()
        return nn.Sequential(*hidden, nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def of_digits(module, seed, epochs=30, collect=()):
        optimizer = torch.optim.Adam(module.parameters(), 3e-3)
        for _ in range(epochs):
            module.train()
            for rows in torch.randperm(len(x)).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
                optimizer.step()
            for each in collect:
                each.end_epoch(module)

    def losses(first, *others):
        method = howsure.Ensemble(others) if others else howsure.PlainPrediction()
        found = howsure.assess(first, images[test], method=method)
        return -np.log(found.probabilities[np.arange(len(found.probabilities)), labels[test]])

    members = train_members(build, of_digits, 12)
    fours = [members[at : at + 4] for at in (0, 4, 8)]
    gained = np.mean([losses(*four[:1]) - losses(*four) for four in fours], axis=0)
    error = gained.std(ddof=1) / np.sqrt(len(gained))
    assert gained.mean() - 1.96 * error > 0

    module = build(0)
    snapshots, swag = Snapshots(start=25), Swag(start=20)
    of_digits(module, 0, collect=[snapshots, swag])
    alone = losses(module)
    for others in (snapshots.members(module), swag.members(module, 5, images[train])):
        found = losses(*others)
        assert np.isfinite(found).all()
        assert found.mean() < alone.mean() + 0.05
