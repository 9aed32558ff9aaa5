"""Is every model right, or refused in true words? Small networks of many architectures against Keras itself.

    python -m validation.models tensorflow          all networks on a backend, to docs/models.json and .md
    python -m validation.models jax swin convnext   some of them; the others stay as they were

The oracle is `model(x, training=True)` over thousands of copies of each row, with the layers that keep
statistics frozen; where one draw serves a whole batch, over as many calls. That of the plain prediction is
the same network built with all rates at zero, with the same weights.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from benchmarks.docs import Page, table

ROWS = 3
CALLS = 1000
"""Where each call shows one draw."""

PASSES = 600
CHUNK = 1500
"""Copies that run together."""

MOST = 4.5
"""Standard errors by which a mean may be off; of some 1,500 that are compared, 0.01 are expected beyond."""

LEAST_SPREAD = 1e-3
"""Standard deviation over passes below which a network is too sure of itself to tell anything."""

PLAIN_OFF = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2e-5}
"""How far a plain prediction may be from that of the twin, by the type of its output: two last digits."""

BACKENDS = ("tensorflow", "jax", "torch")
PAGE = Page("models")

Floats = NDArray[np.float64]


def compare(name: str) -> dict[str, Any]:
    """What howsure makes of one network, and what Keras does."""
    import keras

    import howsure
    from validation.keras_zoo import ARCHITECTURES

    architecture = ARCHITECTURES[name]
    keras.utils.clear_session()  # so that names do not depend on what came before
    keras.utils.set_random_seed(3)
    model, twin = architecture.make(1.0), architecture.make(0.0)
    oracle = (architecture.oracle or architecture.make)(1.0)
    x = architecture.rows()[0][np.newaxis] if architecture.rows else rows_for(name, model)
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
    for each in (model, twin, oracle):
        each(tensors)  # builds what is subclassed
        _draw_weights(each)
        architecture.finish(each)
        _begin_anew(each)
    if architecture.answer:
        return compare_others(architecture, model, twin, oracle)
    outputs = twin(tensors, training=False)
    plain, passes = as_probabilities(model, outputs), draws(architecture, oracle, x)
    found: dict[str, Any] = {"spread": float(passes.std(axis=0).max())}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", howsure.HowsureWarning)
        try:
            seen = howsure.assess(model, x, method=howsure.Softmax()).probabilities
            found["plain"] = float(np.abs(seen - plain).max())
            found["plain right"] = found["plain"] <= PLAIN_OFF[keras.backend.standardize_dtype(outputs.dtype)]
        except howsure.HowsureError as error:
            found["plain refused"] = str(error)
        try:
            certainty = howsure.assess(model, x, method=howsure.MCDropout(passes=PASSES), seed=1)
            found |= against(certainty, passes)
        except howsure.HowsureError as error:
            found["refused"] = str(error)
    found["said"] = sorted({str(warning.message) for warning in said})
    return found


ANSWERS: dict[str, Callable[[Floats], Floats]] = {
    "values": lambda values: values,
    "log-rates": np.exp,
    "quantiles": lambda values: values[..., 1:2],
    "probabilities": lambda values: values / values.sum(axis=-1, keepdims=True),
    "logits": lambda values: softmax(values, axis=-1),
}
"""From outputs of Keras to what a result has the mean of; of three quantiles that is the median."""


def compare_others(architecture: Any, model: Any, twin: Any, oracle: Any) -> dict[str, Any]:
    """The same for answers other than one class per row, and for rows of several sizes.

    Keras sees each row by itself, without padding. Means over passes are compared, at positions those of the
    label.
    """
    import keras

    import howsure

    rows = architecture.rows() if architecture.rows else list(rows_for("", model))
    answer = ANSWERS[architecture.answer]
    found: dict[str, Any] = {"spread": 0.0, "mean": 0.0, "entropy": 0.0, "plain": 0.0, "plain right": True}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", howsure.HowsureWarning)
        try:
            seen, result = (
                howsure.assess(model, architecture.given(rows), method=method, seed=1, **architecture.asked)
                for method in (howsure.PlainPrediction(), howsure.MCDropout(passes=PASSES))
            )
        except howsure.HowsureError as error:
            return found | {"plain refused": str(error), "refused": str(error), "said": []}
    call = _in_training(oracle)
    name = "mean" if hasattr(result, "mean") else "probabilities"
    for number, row in enumerate(rows):
        plain = twin(keras.ops.convert_to_tensor(row[np.newaxis]), training=False)
        passes = np.concatenate(
            [
                answer(_as_floats(call(np.repeat(row[np.newaxis], CHUNK, axis=0))))
                for _ in range(architecture.copies // CHUNK)
            ]
        )
        there = tuple(map(slice, passes.shape[1:]))
        value, mc_error = (getattr(result, key)[number] for key in (name, "mc_error"))
        told, value = getattr(seen, name)[number][there], value[there]
        off = np.abs(told - answer(_as_floats(plain))[0]) / np.maximum(1, np.abs(told))
        found["plain"] = max(found["plain"], float(off.max()))
        found["spread"] = max(found["spread"], float(passes.std(axis=0).max()))
        if mc_error.ndim < value.ndim:  # at positions it is that of the label
            mc_error = mc_error[there[:-1]][..., None]
            at = result.label[number][there[:-1]][..., None].astype(np.int64)
            passes, value = np.take_along_axis(passes, at[None], axis=-1), np.take_along_axis(value, at, -1)
        error = passes.std(axis=0) / np.sqrt(len(passes))
        apart = np.abs(value - passes.mean(axis=0)) / np.hypot(error, mc_error)
        found["mean"] = max(found["mean"], float(apart.max()))
    found["plain right"] = found["plain"] <= PLAIN_OFF[keras.backend.standardize_dtype(plain.dtype)]
    return found | {"said": sorted({str(warning.message) for warning in said})}


def _as_floats(outputs: Any) -> Floats:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")), np.float64)


def against(certainty: Any, passes: Floats) -> dict[str, Any]:
    """Distances from the draws of a framework, in standard errors of both, the largest of all rows."""
    error = passes.std(axis=0) / np.sqrt(len(passes))
    mean = np.abs(certainty.probabilities - passes.mean(axis=0)) / np.hypot(error, certainty.mc_error)
    entropies = -np.sum(passes * np.log(np.maximum(passes, 1e-300)), axis=-1)
    error = entropies.std(axis=0) / np.sqrt(len(passes))
    entropy = np.abs(certainty.expected_entropy - entropies.mean(axis=0))
    entropy /= np.hypot(error, certainty.expected_entropy_error)
    return {"mean": float(mean.max()), "entropy": float(entropy.max())}


def draws(architecture: Any, model: Any, x: Any) -> Floats:
    """(S, N, K) probabilities that Keras itself draws in training, with statistics frozen."""
    import keras

    call = _in_training(model)
    if architecture.one_draw:
        return np.concatenate([as_probabilities(model, call(x))[None] for _ in range(CALLS)])
    copies, found = architecture.copies, []
    for start in range(0, copies, CHUNK):
        count = min(CHUNK, copies - start)
        chunk = call(keras.tree.map_structure(lambda a, n=count: np.repeat(a, n, axis=0), x))
        found.append(as_probabilities(model, chunk).reshape(ROWS, count, -1).transpose(1, 0, 2))
    return np.concatenate(found)


def _in_training(model: Any) -> Callable[[Any], Any]:
    """A call of a network as Keras trains it, with statistics frozen; on JAX compiled."""
    import keras

    for layer in _layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    if keras.backend.backend() == "jax":
        import jax

        asked = {"training": True} if "training" in inspect.signature(model.call).parameters else {}
        compiled = jax.jit(lambda *state_and_rows: model.stateless_call(*state_and_rows, **asked))
        weights, others = (
            [each.value for each in of] for of in (model.trainable_variables, model.non_trainable_variables)
        )
        seeds = [at for at, each in enumerate(model.non_trainable_variables) if "seed" in each.path]

        def compiled_call(x: Any) -> Any:
            outputs, new = compiled(weights, others, x)
            for at in seeds:
                others[at] = new[at]
            return outputs

        return compiled_call

    def call(x: Any) -> Any:
        _begin_anew(model)
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        if keras.backend.backend() != "torch":
            return model(tensors, training=True)
        import torch

        with torch.no_grad():
            return model(tensors, training=True)

    return call


def as_probabilities(model: Any, outputs: Any) -> Floats:
    """(N, K) in double precision, whatever the network ends in."""
    import keras

    raw = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")).astype(np.float64)
    if raw.shape[-1] == 1:
        return np.concatenate([1 - raw, raw], axis=-1)
    if getattr(model, "loss", None) is not None:  # from logits
        raw = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return raw / raw.sum(axis=-1, keepdims=True)


def rows_for(name: str, model: Any) -> Any:
    """Rows as a network takes them, the same on every backend."""
    random = np.random.default_rng(11)
    if name == "text":
        return np.array([["good film"], ["bad film bad"], ["what a film"]], dtype=object)
    if not getattr(model, "inputs", None):
        return random.normal(size=(ROWS, 5)).astype("float32")

    def make(tensor: Any) -> NDArray[Any]:
        shape = (ROWS, *tensor.shape[1:])
        if "int" not in tensor.dtype:
            return random.normal(size=shape).astype("float32")
        made = random.integers(1, 9, shape)
        if len(shape) == 2 and shape[1] > 2:
            made[1, -2:] = 0  # what a mask would leave out
        return made.astype(tensor.dtype)

    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, dict):
        return {key: make(structure[key]) for key in sorted(structure)}
    made = [make(tensor) for tensor in model.inputs]
    return made[0] if len(made) == 1 else made


def _begin_anew(model: Any) -> None:
    """Forget what stateful layers remember of earlier calls."""
    for layer in _layers(model):
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
            layer.reset_state()


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _draw_weights(model: Any) -> None:
    """Weights that are the same on every backend and let outputs vary; statistics unlike those of a batch."""
    random = np.random.default_rng(3)
    kept = [variable for variable in model.weights if "vector_u" not in variable.path and variable.shape]
    for variable in kept:  # but for the vector that only training looks at
        shape = tuple(variable.shape)
        name = variable.path.rsplit("/", 1)[-1]
        if "variance" in name:
            variable.assign(random.uniform(0.5, 2.0, shape))
        elif "mean" in name or len(shape) == 1:
            variable.assign(random.normal(1.0 if "gamma" in name else 0.0, 0.2, shape))
        else:
            spread = 1.0 if "embed" in variable.path else 1.5 / np.sqrt(max(1, np.prod(shape[:-1])))
            variable.assign(random.normal(0, spread, shape))


def verdict(found: dict[str, Any]) -> str:
    """One word for it: right, refused, said, or what is wrong."""
    if "crashed" in found:
        return "crashed"
    if not found["spread"] >= LEAST_SPREAD:  # nor a number, where Keras itself gives none
        return "tells nothing"
    as_keras = all(found.get(what, 0.0) <= MOST for what in ("mean", "entropy"))
    if not (as_keras and found.get("plain right", True)):
        return "said" if found["said"] and found.get("plain right", True) else "WRONG"
    return "refused" if "refused" in found else "right"


def tried(name: str, compare: Callable[[], dict[str, Any]], verdict: Callable[[Any], str]) -> dict[str, Any]:
    """What is found of a network, with a verdict; a traceback is a finding too."""
    try:
        found = compare()
    except Exception as error:
        found = {"crashed": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}
    found["verdict"] = verdict(found)
    told = {key: value for key, value in found.items() if value not in ([], None)}
    print(f"{name}: {told}", file=sys.stderr, flush=True)
    return found


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    every = [
        (of["what"], on, of[on]["verdict"], of[on]) for of in figures.values() for on in BACKENDS if on in of
    ]
    lines = []
    for backend in BACKENDS:
        here = [(word, found) for _, on, word, found in every if on == backend]
        right = [max(found["mean"], found["entropy"]) for word, found in here if word == "right"]
        counts = (sum(each == word for each, _ in here) for word in ("refused", "said"))
        lines.append([backend, len(here), len(right), f"{max(right, default=0.0):.1f}", *counts])
    named: dict[str, dict[str, list[str]]] = {"right": {}, "refused": {}, "said": {}, "wrong": {}}
    for what, backend, word, _ in every:
        named[word if word in named else "wrong"].setdefault(what, []).append(backend)
    listing = {
        kind: "\n".join(f"- {what} ({', '.join(on)})" for what, on in named[kind].items()) or "- none"
        for kind in ("refused", "said", "wrong")
    }
    heads = ["backend", "networks", "right", "largest distance", "refused", "with a warning"]
    return {
        "count": len(figures),
        "cells": len(every),
        **{kind: sum(map(len, of.values())) for kind, of in named.items()},
        "backends": table(heads, *lines),
        **{f"list_of_{kind}": told for kind, told in listing.items()},
        "names": f"{'; '.join(named['right'])}.",
        "sources": f"{'; '.join(dict.fromkeys(of['source'] for of in figures.values() if of['source']))}.",
    }


def main(arguments: list[str]) -> None:
    """Look at networks on one backend, and write both files."""
    figures = PAGE.figures()
    if arguments != ["--page"]:
        backend, *names = arguments
        if backend not in BACKENDS:
            raise SystemExit(f"The first argument is a backend: {', '.join(BACKENDS)}")
        os.environ["KERAS_BACKEND"] = backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from validation.keras_zoo import ARCHITECTURES

        for name, of in ARCHITECTURES.items():
            if (not names or name in names) and (not of.backends or backend in of.backends):
                found = tried(f"{backend} {name}", lambda name=name: compare(name), verdict)
                figures[name] = figures.get(name, {}) | {backend: found, "what": of.what, "source": of.source}
                PAGE.keep(figures)
    PAGE.fill(parts(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
