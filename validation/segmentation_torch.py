"""Public networks of PyTorch that tell a class at each position, and PyTorch itself with given masks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from howsure.random_ops import RandomOp
from validation.torch_zoo import TINY, Made, imported, is_there

CLASSES, ROWS = 3, 3
NAMES = {0: "road", 1: "sky", 2: "tree"}


@dataclass(frozen=True)
class Case:
    """A network of a package, and what makes it and its rows.

    `output` is which of its outputs is meant, as `howsure.assess` takes it. With `only_dropouts`, flags of
    training change more than draws, so the oracle sets none but those of dropout layers. With
    `by_statistics`, what it draws cannot be replaced from outside of PyTorch. `refused` are words of its
    refusal.
    """

    package: str
    make: Callable[[], nn.Module]
    rows: Callable[[], Any]
    output: str | int | None = None
    only_dropouts: bool = False
    by_statistics: bool = False
    refused: str | None = None


def images(channels: int = 3, *sides: int) -> Callable[[], NDArray[np.float32]]:
    """Rows (N, channels, *sides)."""
    shape = (ROWS, channels, *(sides or (64, 64)))
    return lambda: np.random.default_rng(11).normal(size=shape).astype(np.float32)


def words() -> NDArray[np.int64]:
    """Rows of 12 words, some of which are padding."""
    found = np.random.default_rng(11).integers(3, 50, (ROWS, 12))
    found[1, -4:], found[2, -2:] = 0, 0
    return found


def tokens() -> dict[str, NDArray[np.int64]]:
    """The same, as a tokenizer gives them."""
    return {"input_ids": words(), "attention_mask": (words() > 0).astype(np.int64)}


def pixels(side: int = 64) -> Callable[[], dict[str, Any]]:
    """Images, as an image processor gives them."""
    return lambda: {"pixel_values": images(3, side, side)()}


# --- by hand --------------------------------------------------------------------------------------


class UNet(nn.Module):
    """A U-Net of one level, whose logits go through `end`, with dropout at each level or at the bottom."""

    def __init__(
        self, end: Callable[[torch.Tensor], torch.Tensor] | None = None, *, levels: bool = False
    ) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.bottom = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.4))
        self.up, self.head = nn.Conv2d(24, 8, 3, padding=1), nn.Conv2d(8, CLASSES, 1)
        self.drop = nn.Dropout(0.2 if levels else 0.0)
        self.end = end or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W), or what `end` makes of them."""
        high, wide = x.shape[-2:]
        padded = F.pad(x, (0, -wide % 4, 0, -high % 4))
        down = self.drop(self.down(padded))
        bottom = F.interpolate(self.bottom(F.max_pool2d(down, 2)), size=down.shape[-2:], mode="bilinear")
        up = self.drop(F.relu(self.up(torch.cat([down, bottom], 1))))
        return self.end(self.head(up)[..., :high, :wide])


def _segnet() -> nn.Module:
    """Convolutions whose pooled places are put back, as in SegNet."""

    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        pooled, places = m.pool(F.relu(m.down(x)))
        return m.head(m.unpool(m.drop(F.relu(m.inner(pooled))), places))

    down, inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
    pools = {"pool": nn.MaxPool2d(2, return_indices=True), "unpool": nn.MaxUnpool2d(2)}
    head = nn.Conv2d(8, CLASSES, 3, padding=1)
    return Made(forward, down=down, inner=inner, **pools, drop=nn.Dropout(0.5), head=head)


def _words_to(tag: Callable[..., torch.Tensor], **parts: nn.Module) -> nn.Module:
    """Words, dropout, and a class of each."""
    embedded = {"words": nn.Embedding(50, 8, padding_idx=0), "drop": nn.Dropout(0.2)}
    return Made(lambda m, x: tag(m, m.drop(m.words(x))), **embedded, **parts)


def _lstm_tagger() -> nn.Module:
    """Logits (N, T, K) by an LSTM with dropout between its layers."""
    lstm = nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True, dropout=0.2)
    return _words_to(lambda m, x: m.head(m.lstm(x)[0]), lstm=lstm, head=nn.Linear(16, CLASSES))


def _conv_tagger() -> nn.Module:
    """Logits (N, K, T) by convolutions."""
    first, last = nn.Conv1d(8, 16, 3, padding=1), nn.Conv1d(16, CLASSES, 1)
    net = nn.Sequential(first, nn.ReLU(), nn.Dropout1d(0.3), last)
    return _words_to(lambda m, x: m.net(x.transpose(1, 2)), net=net)


class PackedTagger(nn.Module):
    """An LSTM over packed sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.lstm = nn.Embedding(50, 8, padding_idx=0), nn.LSTM(8, 8, batch_first=True)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(8, CLASSES)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (N, T, K)."""
        lengths, rnn = attention_mask.sum(1).cpu(), nn.utils.rnn
        packed = rnn.pack_padded_sequence(self.words(input_ids), lengths, True, enforce_sorted=False)
        found, _ = rnn.pad_packed_sequence(self.lstm(packed)[0], True, total_length=input_ids.shape[1])
        return self.head(self.drop(found))


class Conditional(UNet):
    """A U-Net with a branch of `torch.cond`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W), or twice these."""
        found = super().forward(x)
        return torch.cond(found.sum() > 0, lambda y: y.clone(), lambda y: 2 * y, (found,))  # type: ignore


HAND = "by hand"
CASES: dict[str, Case] = {
    "U-Net, dropout at the bottom": Case(HAND, UNet, images()),
    "U-Net, dropout at each level": Case(HAND, lambda: UNet(levels=True), images()),
    "U-Net, padded from 61 × 50": Case(HAND, UNet, images(3, 61, 50)),
    "U-Net, softmax over channels": Case(HAND, lambda: UNet(nn.Softmax(1)), images()),
    "U-Net, softmax over the width": Case(HAND, lambda: UNet(nn.Softmax(3)), images()),
    "U-Net, channels put last": Case(HAND, lambda: UNet(lambda y: y.permute(0, 2, 3, 1)), images()),
    "U-Net, sigmoids": Case(HAND, lambda: UNet(nn.Sigmoid()), images()),
    "SegNet": Case(HAND, _segnet, images()),
    "LSTM tagger": Case(HAND, _lstm_tagger, words, by_statistics=True),
    "LSTM tagger, packed": Case(HAND, PackedTagger, tokens),
    "Conv1d tagger": Case(HAND, _conv_tagger, words),
    "U-Net with torch.cond": Case(HAND, Conditional, images(), refused="torch.cond"),
}


# --- packages -------------------------------------------------------------------------------------

SMP, VISION, MONAI, WORDS = "segmentation_models_pytorch", "torchvision", "monai", "transformers"


def _smp(name: str, encoder: str = "resnet18", classes: int = CLASSES, **settings: Any) -> Any:
    return imported(SMP, name, encoder, encoder_weights=None, classes=classes, **settings)


def _dropped_before_head() -> nn.Module:
    network = _smp("Unet")()
    network.segmentation_head = nn.Sequential(nn.Dropout2d(0.3), network.segmentation_head)
    return network


_torchvision = partial(
    imported, "torchvision.models.segmentation", weights=None, weights_backbone=None, num_classes=CLASSES
)
_monai = partial(imported, "monai.networks.nets")


def _transformer(name: str, **settings: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name.partition('For')[0]}Config")
        labels = {"id2label": NAMES, "label2id": {label: number for number, label in NAMES.items()}}
        made: nn.Module = getattr(transformers, name)(config(**labels, **settings))
        return made

    return make


def _upernet() -> nn.Module:
    import transformers

    stages = {"out_features": [f"stage{number}" for number in (1, 2, 3, 4)], "drop_path_rate": 0.3}
    sizes = {"hidden_sizes": [8] * 4, "depths": [1] * 4, "layer_scale_init_value": 1.0}
    head = {"hidden_size": 16, "id2label": NAMES, "pool_scales": [1, 2], "auxiliary_channels": 8}
    backbone = transformers.ConvNextConfig(**sizes, **stages)
    config = transformers.UperNetConfig(backbone_config=backbone, auxiliary_in_channels=8, **head)
    return transformers.UperNetForSemanticSegmentation(config)


if is_there(SMP):
    CASES |= {
        name: Case(SMP, make, images(), refused="a tuple of 2" if name.endswith("a classifier") else None)
        for name, make in {
            "Unet, Dropout2d before the head": _dropped_before_head,
            "Unet, efficientnet-b0": _smp("Unet", "efficientnet-b0"),
            "Unet, mit_b0": _smp("Unet", "mit_b0"),
            "Unet, beside a classifier": _smp("Unet", aux_params={"classes": 2, "dropout": 0.3}),
            "UnetPlusPlus, efficientnet-b0": _smp("UnetPlusPlus", "efficientnet-b0"),
            "FPN": _smp("FPN"),
            "FPN, one sigmoid": _smp("FPN", classes=1, activation="sigmoid"),
            "PSPNet": _smp("PSPNet"),
            "DeepLabV3": _smp("DeepLabV3"),
            "DeepLabV3Plus, softmax2d": _smp("DeepLabV3Plus", activation="softmax2d"),
            "UPerNet, efficientnet-b0": _smp("UPerNet", "efficientnet-b0"),
            "Segformer, mit_b0": _smp("Segformer", "mit_b0"),
        }.items()
    }
if is_there(VISION):
    mobile = "deeplabv3_mobilenet_v3_large"
    CASES |= {
        "DeepLabV3, MobileNetV3": Case(VISION, _torchvision(mobile), images()),
        "DeepLabV3, MobileNetV3, aux_loss": Case(VISION, _torchvision(mobile, aux_loss=True), images()),
        "FCN, ResNet-50, aux_loss": Case(VISION, _torchvision("fcn_resnet50", aux_loss=True), images()),
        "LR-ASPP, MobileNetV3": Case(
            VISION, _torchvision("lraspp_mobilenet_v3_large"), images(), refused="has no random layer"
        ),
    }
if is_there(MONAI):
    two, units = (2, 1, CLASSES, (8, 16, 32), (2, 2)), {"num_res_units": 2, "dropout": 0.2}
    dynamic = [[3, 3, 3], [1, 2, 2], [2, 2]]
    deep = {"filters": [8, 16, 32], "dropout": 0.2, "deep_supervision": True}
    MADE = {
        "UNet": (_monai("UNet", *two, **units), images(1)),
        "UNet, 3-D": (_monai("UNet", 3, *two[1:], norm="BATCH", **units), images(1, 32, 32, 32)),
        "AttentionUnet": (_monai("AttentionUnet", *two, dropout=0.2), images(1)),
        "BasicUNet": (_monai("BasicUNet", 2, 1, CLASSES, (8, 8, 16, 16, 32, 8), dropout=0.2), images(1)),
        "DynUNet, deep supervision": (_monai("DynUNet", 2, 1, CLASSES, *dynamic, **deep), images(1)),
        "SegResNet": (_monai("SegResNet", 2, 8, 1, CLASSES, dropout_prob=0.2), images(1)),
        "VNet, 3-D": (_monai("VNet", 3, 1, CLASSES), images(1, 16, 16, 16)),
        "FlexibleUNet": (_monai("FlexibleUNet", 1, CLASSES, "resnet18", dropout=0.2), images(1)),
    }
    if is_there("einops"):
        unetr = _monai("UNETR", 1, CLASSES, (32, 32), 8, 48, 96, 4, dropout_rate=0.1, spatial_dims=2)
        drops = {"drop_rate": 0.1, "attn_drop_rate": 0.1, "dropout_path_rate": 0.1}
        sides = {"spatial_dims": 2, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 3, 4), "feature_size": 12}
        MADE |= {"UNETR": (unetr, images(1, 32, 32))}
        MADE |= {"SwinUNETR": (_monai("SwinUNETR", 1, CLASSES, **drops, **sides), images(1))}
    CASES |= {
        name: Case(MONAI, make, rows, only_dropouts=name.endswith("supervision"))
        for name, (make, rows) in MADE.items()
    }
if is_there(WORDS):
    text = TINY | {"vocab_size": 50, "max_position_embeddings": 20, "pad_token_id": 0}
    small = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "vocab_size": 50}
    names = ("Bert", "Roberta", "Electra", "Albert", "DebertaV2", "DistilBert")
    for name in (f"{each}ForTokenClassification" for each in names):
        CASES[name] = Case(WORDS, _transformer(name, **(small if "Distil" in name else text)), tokens)
    stages = {"depths": [1] * 4, "hidden_sizes": [8, 16, 16, 16], "num_attention_heads": [1, 1, 2, 2]}
    drops = {"hidden_dropout_prob": 0.1, "drop_path_rate": 0.2}
    whole = {"decoder_hidden_size": 16, "attention_probs_dropout_prob": 0.1}
    patches = {"image_size": 32, "patch_size": 4, "out_indices": [1, 2, 3, 4], "pool_scales": [1, 2]}
    tiny = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    mobile = {"hidden_sizes": [16] * 3, "neck_hidden_sizes": [8] * 7, "image_size": 64}
    beit = patches | tiny | drops | {"auxiliary_channels": 8}
    more = {"num_attention_heads": 2, "aspp_out_channels": 16}
    task = "ForSemanticSegmentation"
    CASES |= {
        f"Segformer{task}": Case(
            WORDS, _transformer(f"Segformer{task}", **stages, **drops, **whole), pixels()
        ),
        f"UperNet{task}, ConvNext": Case(WORDS, _upernet, pixels()),
        f"Beit{task}": Case(WORDS, _transformer(f"Beit{task}", **beit), pixels(32)),
        f"MobileViT{task}": Case(WORDS, _transformer(f"MobileViT{task}", **mobile, **more), pixels()),
    }


# --- the oracle -----------------------------------------------------------------------------------


def in_training(network: nn.Module, case: Case) -> None:
    """Set flags as a textbook does: all on, those of norms off."""
    for each in network.modules():
        norm = isinstance(each, nn.modules.batchnorm._NormBase)
        each.training = not norm and (not case.only_dropouts or "Dropout" in type(each).__name__)


class Masked:
    """PyTorch's own functions that drop, with given masks in the order of their calls.

    Args:
        random_ops: What howsure says that is drawn.
        masks: For each of them (*op.shape), of one pass.
    """

    def __init__(self, random_ops: Sequence[RandomOp], masks: Sequence[NDArray[Any]]) -> None:
        self._random_ops, self._masks, self.used = random_ops, masks, 0
        self._attention = F.scaled_dot_product_attention

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """In this scope, what drops takes the masks."""
        names = ("dropout", "dropout1d", "dropout2d", "dropout3d")
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(patch.object(F, name, self._dropped))
            stack.enter_context(patch.object(F, "scaled_dot_product_attention", self._attended))
            stack.enter_context(patch.object(torch, "rand", self._uniform))
            bernoulli = lambda tensor, p=0.5: tensor.copy_(self._next(1 - p).expand_as(tensor))  # noqa: E731
            stack.enter_context(patch.object(torch.Tensor, "bernoulli_", bernoulli))
            yield
        if self.used != len(self._random_ops):
            raise AssertionError(f"{self.used} of {len(self._random_ops)} masks were used")

    def _next(self, rate: float | None) -> torch.Tensor:
        op, mask = self._random_ops[self.used], self._masks[self.used]
        if rate is not None and abs(op.rate - rate) > 1e-6:
            raise AssertionError(f"{op} where a rate of {rate} is drawn")
        self.used += 1
        return torch.from_numpy(np.asarray(mask, np.float32))

    def _dropped(
        self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training or p == 0:
            return x
        mask = self._next(p)
        if mask.ndim == x.ndim and len(x) == ROWS * len(mask):  # heads beside each other on the first axis
            mask = mask.repeat(ROWS, *[1] * (mask.ndim - 1))
        return x * mask / (1 - p)

    def _attended(
        self, query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, **more: Any,
    ) -> torch.Tensor:  # fmt: skip
        if dropout_p == 0:
            return self._attention(query, key, value, attn_mask, 0.0, is_causal, scale=scale)
        scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
        if attn_mask is not None:
            boolean = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if boolean else scores + attn_mask
        return self._dropped(scores.softmax(-1), dropout_p) @ value

    def _uniform(self, shape: Sequence[int], **kind: Any) -> torch.Tensor:
        return torch.where(self._next(None) > 0, 1 - 2**-10, 0.0).expand(*shape).clone()
