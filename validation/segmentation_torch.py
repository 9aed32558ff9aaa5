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

from howsure.sites import Site
from validation.torch_zoo import imported, is_there

CLASSES, ROWS = 3, 3
NAMES = {0: "road", 1: "sky", 2: "tree"}


@dataclass(frozen=True)
class Case:
    """A network.

    Attributes:
        package: The package that it comes from.
        make: Makes it.
        rows: Makes rows for it.
        output: Which of its outputs is meant, as `howsure.assess` takes it.
        only_dropouts: True if flags of training change more than draws, so that the oracle sets none but
            those of dropout layers.
        by_statistics: True if what it draws cannot be replaced from outside of PyTorch.
        refused: Words of the error with which howsure refuses it, or None.
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
    """A U-Net of one level, whose ends differ.

    Args:
        end: What is made of the logits.
        levels: True for dropout at each level, False for dropout at the bottom alone.
    """

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


class SegNet(nn.Module):
    """Convolutions whose pooled places are put back, as in SegNet."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.drop, self.head = nn.Dropout(0.5), nn.Conv2d(8, CLASSES, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W)."""
        pooled, places = self.pool(F.relu(self.down(x)))
        return self.head(self.unpool(self.drop(F.relu(self.inner(pooled))), places))


class Tagger(nn.Module):
    """Words to a class each, by an LSTM with dropout between its layers, or by convolutions."""

    def __init__(self, *, convolutions: bool = False) -> None:
        super().__init__()
        self.words, self.drop = nn.Embedding(50, 8, padding_idx=0), nn.Dropout(0.2)
        self.lstm = nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.head = nn.Linear(16, CLASSES)
        self.net = nn.Sequential(
            nn.Conv1d(8, 16, 3, padding=1), nn.ReLU(), nn.Dropout1d(0.3), nn.Conv1d(16, CLASSES, 1)
        )
        self.convolutions = convolutions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, T, K) of the LSTM, (N, K, T) of the convolutions."""
        found = self.drop(self.words(x))
        return self.net(found.transpose(1, 2)) if self.convolutions else self.head(self.lstm(found)[0])


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
    "SegNet": Case(HAND, SegNet, images()),
    "LSTM tagger": Case(HAND, Tagger, words, by_statistics=True),
    "LSTM tagger, packed": Case(HAND, PackedTagger, tokens),
    "Conv1d tagger": Case(HAND, lambda: Tagger(convolutions=True), words),
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

    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    backbone = transformers.ConvNextConfig(
        hidden_sizes=[8] * 4,
        depths=[1] * 4,
        out_features=stages,
        drop_path_rate=0.3,
        layer_scale_init_value=1.0,
    )
    return transformers.UperNetForSemanticSegmentation(
        transformers.UperNetConfig(
            backbone_config=backbone, hidden_size=16, id2label=NAMES, pool_scales=[1, 2],
            auxiliary_channels=8, auxiliary_in_channels=8,
        )
    )  # fmt: skip


if is_there(SMP):
    CASES |= {
        "Unet, Dropout2d before the head": Case(SMP, _dropped_before_head, images()),
        "Unet, efficientnet-b0": Case(SMP, _smp("Unet", "efficientnet-b0"), images()),
        "Unet, mit_b0": Case(SMP, _smp("Unet", "mit_b0"), images()),
        "Unet, beside a classifier": Case(
            SMP, _smp("Unet", aux_params={"classes": 2, "dropout": 0.3}), images(), refused="a tuple of 2"
        ),
        "UnetPlusPlus, efficientnet-b0": Case(SMP, _smp("UnetPlusPlus", "efficientnet-b0"), images()),
        "FPN": Case(SMP, _smp("FPN"), images()),
        "FPN, one sigmoid": Case(SMP, _smp("FPN", classes=1, activation="sigmoid"), images()),
        "PSPNet": Case(SMP, _smp("PSPNet"), images()),
        "DeepLabV3": Case(SMP, _smp("DeepLabV3"), images()),
        "DeepLabV3Plus, softmax2d": Case(SMP, _smp("DeepLabV3Plus", activation="softmax2d"), images()),
        "UPerNet, efficientnet-b0": Case(SMP, _smp("UPerNet", "efficientnet-b0"), images()),
        "Segformer, mit_b0": Case(SMP, _smp("Segformer", "mit_b0"), images()),
    }

if is_there(VISION):
    CASES |= {
        "DeepLabV3, MobileNetV3": Case(VISION, _torchvision("deeplabv3_mobilenet_v3_large"), images()),
        "DeepLabV3, MobileNetV3, aux_loss": Case(
            VISION, _torchvision("deeplabv3_mobilenet_v3_large", aux_loss=True), images()
        ),
        "FCN, ResNet-50, aux_loss": Case(VISION, _torchvision("fcn_resnet50", aux_loss=True), images()),
        "LR-ASPP, MobileNetV3": Case(
            VISION,
            _torchvision("lraspp_mobilenet_v3_large"),
            images(),
            refused="has no random layer",
        ),
    }
if is_there(MONAI):
    small, units = (8, 16, 32), {"num_res_units": 2, "dropout": 0.2}
    CASES |= {
        "UNet": Case(MONAI, _monai("UNet", 2, 1, CLASSES, small, (2, 2), **units), images(1)),
        "UNet, 3-D": Case(
            MONAI, _monai("UNet", 3, 1, CLASSES, small, (2, 2), norm="BATCH", **units), images(1, 32, 32, 32)
        ),
        "AttentionUnet": Case(
            MONAI, _monai("AttentionUnet", 2, 1, CLASSES, small, (2, 2), dropout=0.2), images(1)
        ),
        "BasicUNet": Case(
            MONAI, _monai("BasicUNet", 2, 1, CLASSES, (8, 8, 16, 16, 32, 8), dropout=0.2), images(1)
        ),
        "DynUNet, deep supervision": Case(
            MONAI,
            _monai(
                "DynUNet", 2, 1, CLASSES, [3, 3, 3], [1, 2, 2], [2, 2],
                filters=[8, 16, 32], dropout=0.2, deep_supervision=True,
            ),
            images(1),
            only_dropouts=True,
        ),
        "SegResNet": Case(MONAI, _monai("SegResNet", 2, 8, 1, CLASSES, dropout_prob=0.2), images(1)),
        "VNet, 3-D": Case(MONAI, _monai("VNet", 3, 1, CLASSES), images(1, 16, 16, 16)),
        "FlexibleUNet": Case(MONAI, _monai("FlexibleUNet", 1, CLASSES, "resnet18", dropout=0.2), images(1)),
    }  # fmt: skip
if is_there(MONAI) and is_there("einops"):
    CASES |= {
        "UNETR": Case(
            MONAI,
            _monai("UNETR", 1, CLASSES, (32, 32), 8, 48, 96, 4, dropout_rate=0.1, spatial_dims=2),
            images(1, 32, 32),
        ),
        "SwinUNETR": Case(
            MONAI,
            _monai(
                "SwinUNETR", 1, CLASSES, feature_size=12, drop_rate=0.1, attn_drop_rate=0.1,
                dropout_path_rate=0.1, spatial_dims=2, depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4),
            ),
            images(1),
        ),
    }  # fmt: skip
if is_there(WORDS):
    tiny: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2,
    }  # fmt: skip
    text = tiny | {"vocab_size": 50, "max_position_embeddings": 20, "pad_token_id": 0}
    for kind in ("Bert", "Roberta", "Electra", "Albert", "DebertaV2"):
        whole = f"{kind}ForTokenClassification"
        CASES[whole] = Case(WORDS, _transformer(whole, **text), tokens)
    CASES |= {
        "DistilBertForTokenClassification": Case(
            WORDS,
            _transformer(
                "DistilBertForTokenClassification", dim=16, n_layers=2, n_heads=2, hidden_dim=32,
                vocab_size=50,
            ),
            tokens,
        ),
        "SegformerForSemanticSegmentation": Case(
            WORDS,
            _transformer(
                "SegformerForSemanticSegmentation", depths=[1] * 4, hidden_sizes=[8, 16, 16, 16],
                num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16, hidden_dropout_prob=0.1,
                attention_probs_dropout_prob=0.1, drop_path_rate=0.2,
            ),
            pixels(),
        ),
        "UperNetForSemanticSegmentation, ConvNext": Case(WORDS, _upernet, pixels()),
        "BeitForSemanticSegmentation": Case(
            WORDS,
            _transformer(
                "BeitForSemanticSegmentation", hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
                intermediate_size=32, image_size=32, patch_size=4, out_indices=[1, 2, 3, 4],
                pool_scales=[1, 2], drop_path_rate=0.2, hidden_dropout_prob=0.1, auxiliary_channels=8,
            ),
            pixels(32),
        ),
        "MobileViTForSemanticSegmentation": Case(
            WORDS,
            _transformer(
                "MobileViTForSemanticSegmentation", hidden_sizes=[16] * 3, neck_hidden_sizes=[8] * 7,
                image_size=64, num_attention_heads=2, aspp_out_channels=16,
            ),
            pixels(),
        ),
    }  # fmt: skip


# --- the oracle -----------------------------------------------------------------------------------


def run(network: nn.Module, rows: Any, output: str | int | None = None) -> torch.Tensor:
    """What a network puts out: its only tensor, its logits, or what torchvision calls `out`."""
    with torch.no_grad():
        if isinstance(rows, dict):
            found = network(**{name: torch.from_numpy(array) for name, array in rows.items()})
        else:
            found = network(torch.from_numpy(rows))
    if isinstance(found, torch.Tensor):
        return found
    if output is not None:
        return found[output]  # type: ignore[no-any-return]
    return found["out"] if isinstance(found, dict) and "out" in found else found.logits  # type: ignore


def in_training(network: nn.Module, case: Case) -> None:
    """Set flags as a textbook does: all on, those of norms off."""
    for each in network.modules():
        norm = isinstance(each, nn.modules.batchnorm._NormBase)
        each.training = not norm and (not case.only_dropouts or "Dropout" in type(each).__name__)


class Masked:
    """PyTorch's own functions that drop, with given masks in the order of their calls.

    Args:
        sites: What howsure says that is drawn.
        masks: For each of them (*site.shape), of one pass.
    """

    def __init__(self, sites: Sequence[Site], masks: Sequence[NDArray[Any]]) -> None:
        self._sites, self._masks, self.used = sites, masks, 0
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
        if self.used != len(self._sites):
            raise AssertionError(f"{self.used} of {len(self._sites)} masks were used")

    def _next(self, rate: float | None) -> torch.Tensor:
        site, mask = self._sites[self.used], self._masks[self.used]
        if rate is not None and abs(site.rate - rate) > 1e-6:
            raise AssertionError(f"{site} where a rate of {rate} is drawn")
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
