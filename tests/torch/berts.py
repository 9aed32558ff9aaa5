"""Tiny networks of transformers."""

import torch
import transformers


def bert(task="SequenceClassification", **config):
    """A BERT of one layer with a head for a task."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(**{**sizes, "intermediate_size": 32, **config})
    return getattr(transformers, f"BertFor{task}")(config).eval()
