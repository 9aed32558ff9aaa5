"""Modules of timm, torchvision, transformers and lightning, as `validation.torch_zoo` has plain ones.

Small ones, made from a configuration with weights drawn. What is not installed is left out.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from validation.torch_zoo import CLASSES, imported, is_there, mlp
from validation.torch_zoo import Kind as AnyKind

LIBRARIES: dict[str, AnyKind] = {}
Kind = functools.partial(AnyKind, copies=1000, louder=None)
IMAGE = (3, 32, 32)


_timm = functools.partial(imported, "timm", "create_model", num_classes=CLASSES)
_torchvision = functools.partial(imported, "torchvision.models", num_classes=CLASSES)


TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = {"vocab_size": 50, "max_position_embeddings": 16, "num_labels": CLASSES, "pad_token_id": 0}


def _transformer(name: str, **settings: Any) -> Any:
    """A classifier of transformers, tiny, from its configuration."""

    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name.partition('For')[0]}Config")(**settings)
        return getattr(transformers, name)(config)

    return make


if is_there("timm"):
    small = {"img_size": 32, "drop_rate": 0.2, "drop_path_rate": 0.2}
    LIBRARIES["timm vit_tiny"] = Kind(
        _timm(model_name="vit_tiny_patch16_224", depth=3, attn_drop_rate=0.2, proj_drop_rate=0.2, **small),
        IMAGE,
    )
    LIBRARIES["timm efficientnet_b0"] = Kind(
        _timm(model_name="efficientnet_b0", drop_rate=0.2, drop_path_rate=0.2), IMAGE
    )
    LIBRARIES["timm swin_tiny"] = Kind(
        _timm(
            model_name="swin_tiny_patch4_window7_224",
            window_size=4,
            depths=(1, 1, 1, 1),
            attn_drop_rate=0.2,
            **small,
        ),
        IMAGE,
    )
    LIBRARIES["timm convnext_atto"] = Kind(
        _timm(model_name="convnext_atto", drop_rate=0.2, drop_path_rate=0.3), IMAGE
    )
    LIBRARIES["timm resnet18, drop path"] = Kind(
        _timm(model_name="resnet18", drop_path_rate=0.2, zero_init_last=False), (3, 64, 64)
    )
    LIBRARIES["timm resnet18, drop block"] = Kind(
        _timm(model_name="resnet18", drop_block_rate=0.2, zero_init_last=False),
        (3, 64, 64),
        refused="depends on those for others beside it",
    )
    LIBRARIES["timm mixer"] = Kind(
        _timm(model_name="mixer_s32_224", img_size=64, proj_drop_rate=0.2, drop_path_rate=0.2), (3, 64, 64)
    )
if is_there("torchvision"):
    LIBRARIES["torchvision alexnet"] = Kind(_torchvision("alexnet"), (3, 64, 64))
    LIBRARIES["torchvision vgg11_bn"] = Kind(_torchvision("vgg11_bn"), IMAGE)
    LIBRARIES["torchvision googlenet"] = Kind(_torchvision("googlenet", init_weights=False), (3, 64, 64))
    LIBRARIES["torchvision squeezenet1_1"] = Kind(_torchvision("squeezenet1_1"), (3, 64, 64))
    LIBRARIES["torchvision mobilenet_v3_small"] = Kind(_torchvision("mobilenet_v3_small", dropout=0.3), IMAGE)
    LIBRARIES["torchvision efficientnet_b0"] = Kind(_torchvision("efficientnet_b0"), IMAGE)
    LIBRARIES["torchvision convnext_tiny"] = Kind(
        _torchvision("convnext_tiny", stochastic_depth_prob=0.3, layer_scale=1.0), IMAGE
    )
    LIBRARIES["torchvision swin_t"] = Kind(_torchvision("swin_t", dropout=0.1, attention_dropout=0.1), IMAGE)
    LIBRARIES["torchvision densenet121"] = Kind(_torchvision("densenet121", drop_rate=0.2), IMAGE)
if is_there("transformers"):
    drops = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    words: dict[str, Any] = {"shape": {"input_ids": (10,), "attention_mask": (10,)}, "whole": 2}
    for name, more in {
        "BertForSequenceClassification": TINY | drops,
        "RobertaForSequenceClassification": TINY | drops | {"max_position_embeddings": 20},
        "ElectraForSequenceClassification": TINY | drops,
        "AlbertForSequenceClassification": TINY
        | drops
        | {"embedding_size": 8, "classifier_dropout_prob": 0.2},
        "DistilBertForSequenceClassification": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
        "DebertaV2ForSequenceClassification": TINY | drops,
        "GPT2ForSequenceClassification": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
        "BartForSequenceClassification": {
            "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "eos_token_id": 1,
            "dropout": 0.2, "bos_token_id": 2,
        },
    }.items():  # fmt: skip
        LIBRARIES[name] = Kind(_transformer(name, **(WORDS | more)), **words)
    eager = _transformer(
        "BertForSequenceClassification", **(WORDS | TINY | drops), attn_implementation="eager"
    )
    LIBRARIES["BertForSequenceClassification, eager"] = Kind(eager, **words)
    # As found is what was never called: transformers puts hooks into a module at its first call.
    never_called = functools.partial(AnyKind, copies=1000, louder=8.0)
    LIBRARIES["BertForSequenceClassification, hidden states"] = never_called(
        _transformer("BertForSequenceClassification", **(WORDS | TINY | drops), output_hidden_states=True),
        **words,
    )
    LIBRARIES["Wav2Vec2ForSequenceClassification"] = never_called(
        _transformer(
            "Wav2Vec2ForSequenceClassification",
            **(TINY | {"conv_dim": [8, 8], "conv_stride": [4, 4], "conv_kernel": [8, 8]}),
            **{"num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4, "num_labels": CLASSES},
            **{"num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8, "mask_time_prob": 0.0},
            **{"layerdrop": 0.0, "hidden_dropout": 0.2},
        ),
        {"input_values": (800,)},
    )
    pictures: dict[str, Any] = {"shape": {"pixel_values": IMAGE}}
    patches = {"image_size": 32, "patch_size": 8, "num_labels": CLASSES}
    for name, more in {
        "ViTForImageClassification": TINY | drops | patches,
        "BeitForImageClassification": TINY | drops | patches | {"drop_path_rate": 0.3, "vocab_size": 8},
        "SwinForImageClassification": patches
        | drops
        | {"patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
        | {"drop_path_rate": 0.3},
        "ConvNextForImageClassification": {
            "hidden_sizes": [8, 8, 8, 8],
            "depths": [1, 1, 1, 1],
            "drop_path_rate": 0.4,
            "layer_scale_init_value": 1.0,
            "num_labels": CLASSES,
        },
    }.items():  # fmt: skip
        LIBRARIES[name] = Kind(_transformer(name, **more), **pictures)
if is_there("lightning"):

    def _lightning() -> nn.Module:
        import lightning

        class Classifier(lightning.LightningModule):
            """As its documentation has it."""

            def __init__(self) -> None:
                super().__init__()
                self.net = mlp(nn.Dropout(0.3))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                """The logits."""
                return self.net(x)

            def training_step(self, batch: Any, number: int) -> torch.Tensor:
                """The loss."""
                x, y = batch
                return nn.functional.cross_entropy(self(x), y)

        return Classifier()

    LIBRARIES["LightningModule"] = Kind(_lightning)
