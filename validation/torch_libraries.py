"""Modules of timm, torchvision, transformers and lightning, as `validation.torch_zoo` has plain ones.

Small ones, made from a configuration with weights drawn. What is not installed is left out.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from validation.torch_zoo import CLASSES, imported, is_there, usual
from validation.torch_zoo import Kind as AnyKind

Kind = functools.partial(AnyKind, copies=1000, louder=None)
SMALL, LARGER = (3, 32, 32), (3, 64, 64)

RATES = {"drop_rate": 0.2, "drop_path_rate": 0.2}
REFUSED = {"refused": "depends on those for others beside it"}
TIMM: dict[str, tuple[str, tuple[int, ...], dict[str, Any], dict[str, str]]] = {
    "vit_tiny": (
        *("vit_tiny_patch16_224", SMALL),
        {"img_size": 32, **RATES, "depth": 3, "attn_drop_rate": 0.2, "proj_drop_rate": 0.2},
        {},
    ),
    "efficientnet_b0": ("efficientnet_b0", SMALL, RATES, {}),
    "swin_tiny": (
        *("swin_tiny_patch4_window7_224", SMALL),
        {"img_size": 32, **RATES, "window_size": 4, "depths": (1, 1, 1, 1), "attn_drop_rate": 0.2},
        {},
    ),
    "convnext_atto": ("convnext_atto", SMALL, {"drop_rate": 0.2, "drop_path_rate": 0.3}, {}),
    "resnet18, drop path": ("resnet18", LARGER, {"drop_path_rate": 0.2, "zero_init_last": False}, {}),
    "resnet18, drop block": ("resnet18", LARGER, {"drop_block_rate": 0.2, "zero_init_last": False}, REFUSED),
    "mixer": (
        *("mixer_s32_224", LARGER),
        {"img_size": 64, "proj_drop_rate": 0.2, "drop_path_rate": 0.2},
        {},
    ),
}
"""Name of the model, shape of a row, settings, and what is expected."""

TORCHVISION: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "alexnet": (LARGER, {}),
    "vgg11_bn": (SMALL, {}),
    "googlenet": (LARGER, {"init_weights": False}),
    "squeezenet1_1": (LARGER, {}),
    "mobilenet_v3_small": (SMALL, {"dropout": 0.3}),
    "efficientnet_b0": (SMALL, {}),
    "convnext_tiny": (SMALL, {"stochastic_depth_prob": 0.3, "layer_scale": 1.0}),
    "swin_t": (SMALL, {"dropout": 0.1, "attention_dropout": 0.1}),
    "densenet121": (SMALL, {"drop_rate": 0.2}),
}

DROPS = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32} | DROPS
TEXTS: dict[str, dict[str, Any]] = {
    "Bert": TINY,
    "Roberta": TINY | {"max_position_embeddings": 20},
    "Electra": TINY,
    "Albert": TINY | {"embedding_size": 8, "classifier_dropout_prob": 0.2},
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "DebertaV2": TINY,
    "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
    "Bart": {
        **{"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2},
        **{"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "eos_token_id": 1},
        **{"dropout": 0.2, "bos_token_id": 2},
    },
    "Bert, eager": TINY | {"attn_implementation": "eager"},
    "Bert, hidden states": TINY | {"output_hidden_states": True},
}
SOUND = {
    **{key: value for key, value in TINY.items() if key not in DROPS},
    **{"conv_dim": [8, 8], "conv_stride": [4, 4], "conv_kernel": [8, 8], "num_feat_extract_layers": 2},
    **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8},
    **{"mask_time_prob": 0.0, "layerdrop": 0.0, "hidden_dropout": 0.2, "num_labels": CLASSES},
}
PATCHES = {"image_size": 32, "patch_size": 8, "num_labels": CLASSES}
PICTURES: dict[str, dict[str, Any]] = {
    "ViT": TINY | PATCHES,
    "Beit": TINY | PATCHES | {"drop_path_rate": 0.3, "vocab_size": 8},
    "Swin": {
        **(PATCHES | DROPS | {"patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]}),
        **{"window_size": 4, "drop_path_rate": 0.3},
    },
    "ConvNext": {
        **{"hidden_sizes": [8] * 4, "depths": [1] * 4, "drop_path_rate": 0.4},
        **{"layer_scale_init_value": 1.0, "num_labels": CLASSES},
    },
}
"""By the name of a configuration of transformers, its settings."""


def _transformer(name: str, task: str, settings: dict[str, Any]) -> Any:
    """A classifier of transformers, tiny, from its configuration."""

    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name}Config")(**settings)
        return getattr(transformers, f"{name}For{task}")(config)

    return make


def _lightning() -> nn.Module:
    import lightning

    class Classifier(lightning.LightningModule):
        """As its documentation has it."""

        def __init__(self) -> None:
            super().__init__()
            self.net = usual()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """The logits."""
            return self.net(x)

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            """The loss."""
            x, y = batch
            return nn.functional.cross_entropy(self(x), y)

    return Classifier()


LIBRARIES: dict[str, AnyKind] = {}
if is_there("timm"):
    for name, (model, shape, settings, expected) in TIMM.items():
        make = imported("timm", "create_model", model_name=model, num_classes=CLASSES, **settings)
        LIBRARIES[f"timm {name}"] = Kind(make, shape, **expected)
if is_there("torchvision"):
    for name, (shape, settings) in TORCHVISION.items():
        make = imported("torchvision.models", name, num_classes=CLASSES, **settings)
        LIBRARIES[f"torchvision {name}"] = Kind(make, shape)
if is_there("transformers"):
    words = {"vocab_size": 50, "max_position_embeddings": 16, "num_labels": CLASSES, "pad_token_id": 0}
    # As found is what was never called: transformers puts hooks into a module at its first call.
    never_called, task = functools.partial(AnyKind, copies=1000, louder=8.0), "SequenceClassification"
    for name, settings in TEXTS.items():
        called, *more = name.split(", ")
        kind = never_called if more == ["hidden states"] else Kind
        shape = {"input_ids": (10,), "attention_mask": (10,)}
        made = kind(_transformer(called, task, words | settings), shape, 2)
        LIBRARIES[", ".join([f"{called}For{task}", *more])] = made
    sound = _transformer("Wav2Vec2", task, SOUND)
    LIBRARIES[f"Wav2Vec2For{task}"] = never_called(sound, {"input_values": (800,)})
    for name, settings in PICTURES.items():
        made = Kind(_transformer(name, "ImageClassification", settings), {"pixel_values": SMALL})
        LIBRARIES[f"{name}ForImageClassification"] = made
if is_there("lightning"):
    LIBRARIES["LightningModule"] = Kind(_lightning)
