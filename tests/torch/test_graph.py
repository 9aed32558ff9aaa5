"""Passes that run level by level equal those of the module itself, run for each pass with the same masks."""

import contextlib
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from howsure import tuning  # noqa: E402
from howsure.adapters.protocol import BFLOAT16, FLOAT32  # noqa: E402
from howsure.adapters.torch import graph, steps  # noqa: E402
from howsure.adapters.torch.draws import Place  # noqa: E402
from howsure.adapters.torch.graph import Split, Unsplittable  # noqa: E402
from howsure.adapters.torch.program import record  # noqa: E402
from howsure.adapters.torch.tracer import noted  # noqa: E402
from howsure.random_ops import DROPOUT, RandomOp  # noqa: E402
from howsure.sampling.tree import rows_per_call  # noqa: E402
from tests.torch.modules import Layer, Watching  # noqa: E402

ROUNDING = 2e-6
"""Of outputs near 1 in float32, whose own rounding is 6e-8 for each operation on the way."""


class Masks(TorchDispatchMode):
    """The oracle: one pass of the module itself, whose every `bernoulli_` gets the mask that is its turn."""

    def __init__(self, masks=None):
        super().__init__()
        self.masks, self.seen = masks, []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op is not torch.ops.aten.bernoulli_.float:
            return op(*args, **(kwargs or {}))
        self.seen.append((tuple(args[0].shape), args[1] if len(args) > 1 else 0.5))
        if self.masks is None:
            return op(*args, **(kwargs or {}))
        return args[0].copy_(self.masks[len(self.seen) - 1].reshape(args[0].shape))


@contextlib.contextmanager
def dropping(module):
    """Flags of training on for all but norms."""
    flags = [(layer, layer.training) for layer in module.modules()]
    for layer, _ in flags:
        layer.training = not isinstance(layer, nn.modules.batchnorm._NormBase)
    with torch.no_grad():
        yield
    for layer, flag in flags:
        layer.training = flag


class Case:
    """A module, what it takes, and where its draws have their rows."""

    def __init__(self, module, *shapes, call=None, words=None):
        torch.manual_seed(0)
        self.module = module.eval()
        self.shapes, self.words = shapes, words
        self.call = call or (lambda rows: module(*rows))
        drawn = [self._draws(count) for count in (5, 7)]
        self.places, self.random_ops = [], []
        for number, ((shape, keep), (other, _)) in enumerate(zip(*drawn, strict=True)):
            place = [at for at, pair in enumerate(zip(shape, other, strict=True)) if len(set(pair)) > 1]
            at = place[0] if place else 0
            inner = shape[at] // 5 if place else shape[at]
            of_row = (*shape[:at], *((inner,) if inner > 1 else ()), *shape[at + 1 :])
            self.places.append((at, inner))
            self.random_ops.append(RandomOp(number, f"draw {number}", DROPOUT, 1 - keep, of_row))
        self.drawn = [
            Place(random_op, at) for random_op, (at, _) in zip(self.random_ops, self.places, strict=True)
        ]

    def _draws(self, count):
        with dropping(self.module), Masks() as masks:
            self.call(self.rows(count))
        return masks.seen

    def rows(self, count, seed=0):
        random = torch.Generator().manual_seed(seed)
        if self.words:
            return [torch.randint(0, self.words, (count, *shape), generator=random) for shape in self.shapes]
        return [torch.randn((count, *shape), generator=random) for shape in self.shapes]

    def split(self):
        with dropping(self.module):
            notes = [noted(self.call, self.rows(count), str)[1] for count in (5, 7)]
        return Split(record(*notes), self.drawn)

    def masks(self, widths, seed=0):
        random = np.random.default_rng(seed)
        return [
            random.random((width, *random_op.shape)) >= random_op.rate
            for width, random_op in zip(widths, self.random_ops, strict=True)
        ]

    def whole(self, rows, masks):
        """(W, n, …) passes one by one."""
        width, count = len(masks[-1]), len(rows[0])
        outputs = []
        for number in range(width):
            mine = [mask[number * len(mask) // width] for mask in masks]
            of_rows = []
            for mask, (at, inner) in zip(mine, self.places, strict=True):
                one = torch.from_numpy(mask).reshape(
                    *mask.shape[:at], 1, inner, *mask.shape[at + (inner > 1) :]
                )
                of_rows.append(one.expand(*one.shape[:at], count, *one.shape[at + 1 :]))
            with dropping(self.module), Masks(of_rows):
                outputs.append(self.call(rows))
        return torch.stack(outputs)


def flat(*layers):
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Skip connections, norms, in-place sums, one dropout module called twice, and functional dropout."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.beside, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.drop, self.head = nn.Dropout2d(0.2), nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)), inplace=True)
        y = self.drop(self.second(x))
        y += x
        y = F.relu_(y)
        y = self.drop(self.second(y)) + 2 * F.dropout(self.beside(x), 0.1, self.training)
        return self.head(F.dropout(F.adaptive_avg_pool2d(y, 1).flatten(1), 0.5, self.training))


class Sequence(nn.Module):
    def __init__(self, layer, classes=3, *, first=True):
        super().__init__()
        self.layer, self.first, self.drop = layer, first, nn.Dropout(0.4)
        self.head = nn.LazyLinear(classes)

    def forward(self, x):
        outputs = self.layer(x if self.first else x.transpose(0, 1))
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        return self.head(self.drop(outputs[:, -1] if self.first else outputs[-1]))


class Words(nn.Module):
    """The answer is read at the last word: rows are picked by their number."""

    def __init__(self):
        super().__init__()
        self.embed, self.layer, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, words):
        x = F.dropout(self.embed(words), 0.1, self.training)
        x = F.dropout(torch.relu(self.layer(x)), 0.3, self.training)
        last = (words != 0).int().sum(1).clamp(max=words.shape[1] - 1)
        return {"logits": self.head(x)[torch.arange(len(words)), last], "words": words}


class Filled(nn.Module):
    """A buffer made anew for the rows and written into step by step."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        states = torch.zeros(len(x), x.shape[1], 6)
        state = states[:, 0]
        for step in range(x.shape[1]):
            state = F.dropout(self.cell(x[:, step], state), 0.25, self.training)
            states[:, step] = state
        return self.head(states.mean(1))


def question():
    return flat(
        *(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.2), nn.Flatten(), nn.Linear(72, 16), nn.ReLU(), nn.Dropout(0.25), nn.Linear(16, 4)),
    )


def recurrent(kind, **settings):
    module = Sequence(kind(5, 6, 2, dropout=0.3, **settings), first=settings.get("batch_first", False))
    module(torch.zeros(2, 3, 5))
    return module


CASES = {
    "cnn": lambda: Case(question(), (1, 12, 12)),
    "cnn, channels last": lambda: Case(question().to(memory_format=torch.channels_last), (1, 12, 12)),
    "in place": lambda: Case(
        flat(nn.Linear(6, 8), nn.ReLU(True), nn.Dropout(0.3, True), nn.Linear(8, 9), nn.Dropout(0.5, True)),
        (6,),
    ),
    "residual": lambda: Case(Residual(), (3, 8, 8)),
    "encoder": lambda: Case(Sequence(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)), (4, 8)),
    "encoder, time first": lambda: Case(Sequence(nn.TransformerEncoderLayer(8, 2, 16), first=False), (4, 8)),
    "lstm": lambda: Case(recurrent(nn.LSTM, batch_first=True), (4, 5)),
    "gru, time first": lambda: Case(recurrent(nn.GRU, bidirectional=True), (4, 5)),
    "words": lambda: _words(),
    "filled": lambda: Case(Filled(), (3, 4)),
}


def _words():
    module = Words()
    return Case(module, (6,), call=lambda rows: module(*rows)["logits"], words=20)


WIDTHS = (2, 2, 6, 6, 12)
"""Passes at each level, from the first draw on; the last goes on."""


def widths_of(case):
    return [WIDTHS[min(at, len(WIDTHS) - 1)] for at in range(len(case.random_ops))]


@pytest.mark.parametrize("name", CASES)
def test_passes_equal_those_of_the_whole_module(name):
    case = CASES[name]()
    ready = case.split()
    for count, widths in ((3, widths_of(case)), (1, [4] * len(case.random_ops))):
        rows, masks = case.rows(count, seed=1), case.masks(widths, seed=count)
        expected = case.whole(rows, masks)
        assert expected.std(0).max() > 1e-3  # the masks do something
        torch.testing.assert_close(
            ready.thin(masks)(ready.trunk(rows)), expected, rtol=ROUNDING, atol=ROUNDING
        )


def test_levels_are_in_order_and_cost_what_multiply_adds_say():
    module = flat(
        *(
            nn.Conv2d(1, 3, 3),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(12, 5),
            nn.Dropout(0.3),
            nn.Linear(5, 2),
        ),
    )
    case = Case(module, (1, 4, 4))
    levels = case.split().levels
    assert [level.random_ops for level in levels] == [(), *((random_op,) for random_op in case.random_ops)]
    per_number = tuning.ELEMENTWISE
    # Convolution; product with the mask, 12 × 5; product with the mask, 5 × 2.
    costs = np.array(
        [
            12 * 9 + 12 * per_number,
            12 * per_number + 60 + 5 * per_number,
            5 * per_number + 10 + 2 * per_number,
        ]
    )
    np.testing.assert_allclose([level.cost for level in levels], costs / costs.sum())
    assert [level.size for level in levels] == [16, 12, 5]


@pytest.mark.parametrize("name", ["cnn", "residual", "encoder"])
def test_no_tensor_is_larger_than_the_limit(name, monkeypatch):
    monkeypatch.setattr(tuning, "LARGEST_FOLD", 1 << 15)
    case = CASES[name]()
    ready, widths = case.split(), widths_of(case)
    together = rows_per_call(ready, widths)
    trunk, passes = ready.trunk(case.rows(together)), ready.thin(case.masks(widths))
    sizes = []
    with Watching(lambda op, args, results: sizes.extend(getattr(tensor, "nbytes", 0) for tensor in results)):
        passes(trunk)
    assert ready.limits.fold / 4 < max(sizes) / 4 <= ready.limits.fold  # numbers of four bytes


@pytest.mark.parametrize("name", ["cnn", "cnn, channels last", "residual"])
def test_heavy_operations_run_in_bfloat16(name, monkeypatch):
    monkeypatch.setattr(tuning, "HEAVY", 1)
    monkeypatch.setattr(graph, "multiplies_bfloat16", lambda: True)
    case = CASES[name]()
    ready, rows, masks = case.split(), case.rows(4, seed=5), case.masks(widths_of(case))
    assert ready.limits.precisions == (FLOAT32, BFLOAT16)
    expected = case.whole(rows, masks)
    result = ready.in_precision(BFLOAT16).thin(masks)(ready.in_precision(BFLOAT16).trunk(rows))
    assert result.dtype == torch.float32
    off = (result - expected).abs().max() / expected.abs().max()
    assert 1e-5 < off < 2**-6  # 8 bits, rounded a few times
    assert ready.in_precision(FLOAT32) is ready


def _on_data(x):
    return x + 1 if x.sum() > 0 else x - 1


UNFIT = {
    "a branch on data": (_on_data, "reads a number out of a tensor"),
    "a number read": (lambda x: x * x.max().item(), "reads a number out of a tensor"),
    "out to numpy": (lambda x: x * float(np.mean(x.numpy())), "takes a value out of PyTorch"),
    "what is true": (lambda x: x[x.sum(1) > -1e9], "as many numbers as the values tell"),
    "how many rows": (lambda x: x / len(x), "computes with the number of rows"),
    "one value for all rows": (lambda x: x - x.mean(0), "one value for all rows"),
    "other draws": (lambda x: x + torch.rand(6), "2 draws where 1 were found"),
    "a loop over rows": (lambda x: torch.stack([row * 2 for row in x]), "another number of rows"),
    "pairs of rows": (lambda x: (x @ x.T) @ x, "rows on more than one axis"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_be_split_is_left_whole(name):
    what, why = UNFIT[name]
    case = Case(flat(nn.Linear(6, 6), nn.Dropout(), Layer(lambda _, x: what(x))), (6,))
    with pytest.raises(Unsplittable, match=why):
        case.split()


def test_one_mask_for_all_rows_is_left_whole():
    weight = torch.ones(3, 6)
    thin = Layer(lambda layer, x: F.linear(x, F.dropout(weight, 0.5, layer.training)))
    with pytest.raises(Unsplittable, match="one mask for all rows"):
        Case(thin, (6,)).split()


def test_draws_that_were_not_found_are_an_error():
    case = CASES["in place"]()
    case.drawn = case.drawn[:1]
    with pytest.raises(Unsplittable, match="2 draws where 1 were found"):
        case.split()


@pytest.mark.parametrize("masked", [[], [1], [0, 1, 2]], ids=["no row", "one row", "all rows"])
@pytest.mark.parametrize("axis", [-1, 0])
def test_scores_that_are_all_masked_get_what_pytorch_gives_them(masked, axis):
    scores = torch.linspace(-3, 3, 12).reshape(3, 4)
    scores[masked] = -math.inf
    if axis == 0:
        scores = scores.T.contiguous()
    expected = torch.ops.aten._safe_softmax.default(scores, axis)
    assert torch.equal(steps._softmax(scores, axis), expected)
    assert not steps._softmax(scores[:0], -1).numel()
