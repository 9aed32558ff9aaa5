"""Classifiers of transformers and timm: tiny ones."""

import numpy as np
import pytest
import timm
import torch
import transformers
from torch import nn

import howsure
from tests.torch.berts import bert
from tests.torch.textbook import assert_as_textbook


def louder(module):
    """Classes farther apart than weights at their beginning tell them, so that passes differ."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0, 1 / layer.in_features**0.5)
    return module.eval()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_classifier_of_transformers(attention):
    rates = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
    module = louder(bert(num_labels=3, attn_implementation=attention, **rates))
    words = np.random.default_rng(0).integers(3, 50, (3, 6))
    mask = np.ones((3, 6), np.int64)
    mask[1, 4:] = 0
    rows = {"input_ids": words, "attention_mask": mask}
    assert_as_textbook(module, rows)
    as_it_is, of_tensors = (
        howsure.assess(module, form, method=howsure.MCDropout(passes=8))
        for form in (rows, transformers.BatchEncoding({key: torch.from_numpy(rows[key]) for key in rows}))
    )
    assert np.array_equal(as_it_is.probabilities, of_tensors.probabilities)
    random = howsure.audit(module, rows).random_layers
    assert len([layer for layer in random if "attention.self" in layer.name]) == 1


def test_a_network_of_timm_with_drop_path():
    settings = {
        "img_size": 16,
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 3,
    }
    module = timm.models.VisionTransformer(
        **settings, pos_drop_rate=0.1, attn_drop_rate=0.2, drop_path_rate=0.3
    )
    images = np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype("float32")
    assert_as_textbook(louder(module), images)
