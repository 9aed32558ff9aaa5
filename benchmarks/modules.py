"""The modules of PyTorch that are measured, each trained once and kept in howsure's cache folder.

cnn      the question's CNN: dropout between few, heavy layers
resnet   the layers of a ResNet-18 at 64×64×3 with random weights, dropout only in its trained head
vit      a small vision transformer, dropout .1 everywhere, in attention too
bert     a tiny BERT of transformers, made from a configuration, with tokens and their mask
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from howsure.demo import mnist

Array = NDArray[Any]

BATCH_SIZES = (16, 32, 64, 128)
REPEATS = 3


@dataclass(frozen=True)
class Network:
    """A module, what it is trained on and measured on.

    Attributes:
        build: Makes it.
        data: Training rows and labels, test rows.
        epochs: Of Adam, in batches of 100.
        trained: The part that is trained; the rest stays as it is.
        reduced: Whether it is trained in bfloat16.
    """

    build: Callable[[], nn.Module]
    data: Callable[[], tuple[Any, Array, Any]]
    epochs: int
    reduced: bool = False
    trained: Callable[[nn.Module], nn.Module] = lambda module: module


# --- the networks ---------------------------------------------------------------------------------


def cnn() -> nn.Module:
    """As in `howsure.demo.run`, with logits."""
    return nn.Sequential(
        *(nn.Conv2d(1, 128, 7), nn.ReLU(), nn.Dropout(0.20)),
        *(nn.Conv2d(128, 64, 3), nn.ReLU(), nn.Dropout(0.20), nn.Flatten()),
        *(nn.Linear(25600, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 10)),
    )


class Block(nn.Module):
    """Two convolutions and what is beside them (He et al. 2016)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.second, self.last = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.beside: nn.Module = nn.Identity()
        if stride > 1 or before != width:
            self.beside = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both."""
        y = self.last(self.second(self.norm(self.first(x)).relu()))
        return (y + self.beside(x)).relu()


def resnet() -> nn.Module:
    """The layers of a ResNet-18 and a head that drops."""
    widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
    blocks = [
        Block(before, width, 2 if width > before else 1) for before, width in itertools.pairwise(widths)
    ]
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    body = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
    return nn.Sequential(body, head)


class Vit(nn.Module):
    """Sixteen patches of 7×7, four layers of width 64."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 64, 7, 7)
        self.places = nn.Parameter(0.02 * torch.randn(1, 16, 64))
        layer = nn.TransformerEncoderLayer(64, 4, 128, 0.1, "gelu", batch_first=True, norm_first=True)
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(64, 10)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        found: Tensor = self.head(self.encoder(self.drop(patches + self.places)).mean(1))
        return found


def bert() -> nn.Module:
    """Two layers of width 32."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        num_labels=4,
    )
    return BertForSequenceClassification(config)


# --- data and training ----------------------------------------------------------------------------


def digits() -> tuple[Array, Array, Array]:
    """MNIST as (N, 1, 28, 28) numbers in [0, 1]."""
    found = mnist.load()
    x_train, x_test = (x[:, None].astype(np.float32) / np.float32(255) for x in (found.x_train, found.x_test))
    return x_train, found.y_train.astype(np.int64), x_test


def photographs() -> tuple[Array, Array, Array]:
    """Some of MNIST as (N, 3, 64, 64), twice as large and in a black frame."""
    x_train, y_train, x_test = digits()

    def enlarge(small: Array) -> Array:
        large = np.pad(small.repeat(2, axis=2).repeat(2, axis=3), ((0, 0), (0, 0), (4, 4), (4, 4)))
        return large.repeat(3, axis=1)

    return enlarge(x_train[:3000]), y_train[:3000], enlarge(x_test[:5000])


def words() -> tuple[dict[str, Array], Array, dict[str, Array]]:
    """Sequences of up to 16 tokens; the class is the group of ten that most of them are from."""
    random = np.random.default_rng(5)

    def some(count: int) -> tuple[dict[str, Array], Array]:
        tokens, mask = random.integers(1, 40, (count, 16)), np.ones((count, 16), np.int64)
        mask[np.arange(16) >= random.integers(8, 17, (count, 1))] = 0
        groups = np.stack([((tokens // 10 == group) * mask).sum(1) for group in range(4)], 1)
        return {"input_ids": tokens * mask, "attention_mask": mask}, groups.argmax(1)

    train, labels = some(8000)
    return train, labels, some(2000)[0]


NETWORKS = {
    "cnn": Network(cnn, digits, epochs=2, reduced=True),
    "resnet": Network(resnet, photographs, epochs=15, trained=lambda module: module[1]),
    "vit": Network(Vit, digits, epochs=2),
    "bert": Network(bert, words, epochs=10),
}


def call(module: nn.Module, rows: Any) -> Tensor:
    """Logits of rows as tensors."""
    found = module(**rows) if isinstance(rows, dict) else module(rows)
    logits: Tensor = getattr(found, "logits", found)
    return logits


def tensors(rows: Any, numbers: Any = slice(None)) -> Any:
    """Some rows as tensors."""
    if isinstance(rows, dict):
        return {name: torch.from_numpy(array[numbers]) for name, array in rows.items()}
    return torch.from_numpy(rows[numbers])


def trained(name: str) -> tuple[nn.Module, Any]:
    """The network with its weights, kept from the first time on, and its test rows."""
    network = NETWORKS[name]
    torch.manual_seed(0)
    module, (x, y, x_test) = network.build(), network.data()
    file = mnist.cache_folder() / "benchmarks" / f"torch-{name}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _train(module, network, x, y)
        torch.save({"weights": module.state_dict()}, file)
    module.load_state_dict(torch.load(file, weights_only=True)["weights"])
    return module.eval(), x_test


def _train(module: nn.Module, network: Network, x: Any, y: Array) -> None:
    part = network.trained(module)
    if part is not module:  # what comes before it is computed once
        module.eval()
        with torch.no_grad():
            x = torch.cat([module[0](torch.from_numpy(some)) for some in np.array_split(x, 60)]).numpy()
    optimizer = torch.optim.Adam(part.parameters(), 1e-3)
    part.train()
    for _ in range(network.epochs):
        for batch in torch.randperm(len(y)).split(100):
            with torch.autocast("cpu", torch.bfloat16, enabled=network.reduced):
                logits = call(part, tensors(x, batch.numpy())).float()
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(y[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# --- passes and their time ----------------------------------------------------------------------------


def plain(module: nn.Module, x: Any, size: int) -> Tensor:
    """Logits without anything random."""
    count = len(next(iter(x.values())) if isinstance(x, dict) else x)
    with torch.no_grad():
        return torch.cat(
            [call(module, tensors(x, slice(start, start + size))) for start in range(0, count, size)]
        )


def textbook_pass(module: nn.Module, x: Any, size: int) -> Tensor:
    """One pass with dropout on and norms frozen."""
    for each in module.modules():
        each.training = not isinstance(each, nn.modules.batchnorm._NormBase)
    try:
        return plain(module, x, size)
    finally:
        module.eval()


def fastest_size(module: nn.Module, x: Any, sizes: Sequence[int] = BATCH_SIZES) -> int:
    """The size of batches in which a plain pass is fastest."""
    plain(module, x, sizes[0])
    by_size = {
        size: min(seconds(lambda s=size: plain(module, x, s)) for _ in range(REPEATS)) for size in sizes
    }
    return min(by_size, key=lambda size: by_size[size])


def seconds(what: Callable[[], object]) -> float:
    """Time of the processor for one call."""
    start = time.process_time()
    what()
    return time.process_time() - start
