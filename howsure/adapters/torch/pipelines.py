"""Pipelines of transformers: their tokenizer makes rows of texts, and their module is the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from howsure.errors import InputError, ModelError, warn
from howsure.inputs.align import index_names
from howsure.inputs.frames import with_index
from howsure.inputs.rows import Rows, as_array, in_rows
from howsure.inputs.sizes import RowsOfSizes, listed_rows

TOKENS = "token-classification"
TASKS = ("text-classification", TOKENS)
"""Pipelines whose rows are texts, as `transformers` calls their tasks."""


def check_pipeline(pipeline: Any) -> None:
    """Raise a `ModelError` unless howsure can read what a pipeline takes and gives."""
    if pipeline.task not in TASKS:
        raise ModelError(
            f"howsure does not read pipelines of '{pipeline.task}'",
            expected=f"one of {' or '.join(TASKS)}",
            received=type(pipeline).__name__,
            hint="Pass its module and the rows that this takes: howsure.assess(pipeline.model, x)",
        )


def rows_of_texts(pipeline: Any, texts: Any) -> Rows:
    """The tokens of texts, unpadded; of tokens that get a class, those count that stand for text.

    Args:
        pipeline: One of `TASKS`.
        texts: N texts, in a list, an array or a series.

    Raises:
        InputError: These are no texts.
    """
    frame = hasattr(texts, "columns")
    none = frame or isinstance(texts, (str, Mapping, Set)) or not hasattr(texts, "__iter__")
    listed = [] if none else list(texts)
    if not listed or not all(isinstance(text, str) for text in listed):
        raise InputError(
            "A pipeline takes texts",
            expected="a list of texts",
            received=f"a {type(texts).__name__}" if frame else repr(texts)[:200],
            hint="Give its column of texts: frame['text']"
            if frame
            else "For one text give [text]. Tokens go to the module: howsure.assess(pipeline.model, tokens)",
        )
    tokenizer, settings = pipeline.tokenizer, {"return_special_tokens_mask": True}
    most = min(tokenizer.model_max_length, getattr(pipeline.model.config, "max_position_embeddings", 1 << 30))
    tokens = tokenizer(listed, verbose=False, **settings)
    long = [number for number, row in enumerate(tokens["input_ids"]) if len(row) > most]
    if long:
        warn(f"Texts are longer than the {most} tokens that the model takes, and cut, {_where(long)}.")
        tokens = tokenizer(listed, truncation=True, max_length=most, **settings)
    special = tokens.pop("special_tokens_mask")
    counts = [np.asarray(row) == 0 for row in special] if pipeline.task == TOKENS else None
    x: RowsOfSizes | dict[str, Any] | None = listed_rows(tokens, dict)
    if x is None:
        x = {name: as_array(part, "The tokens") for name, part in tokens.items()}
    return with_index(Rows(x, positions=counts), index_names(texts))


def _where(numbers: Sequence[int]) -> str:
    return in_rows(len(numbers), numbers[:5])
