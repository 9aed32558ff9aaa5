"""Modules of PyTorch made at random: is each right, or refused in words, and left as found?

    python -m validation.torch_random                 100 modules, of seeds 0 to 99
    python -m validation.torch_random 20 --seed 500   20 modules, of seeds 500 to 519
    python -m validation.torch_random 1 --seed 512    one of them again
    python -m validation.torch_random --page          with the figures on docs/torch-models.md

A module is drawn from a grammar: layers, drops in all ways, slices, branches, loops, shared layers,
residuals, attention, norms, recurrent layers. Each is compared as in `validation.torch_models`, by 600
balanced passes, and is assessed with default settings as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import howsure
from howsure.models.torch.split import AGAIN_FAILS, SplitModel, adapt
from validation.torch_models import (
    LEAST_SPREAD,
    MADE_AT_RANDOM,
    MOST,
    PAGE,
    Fingerprint,
    compare,
    rows_for,
    write_page,
)
from validation.torch_zoo import CLASSES, Kind

Tensor = torch.Tensor

VECTOR, WORDS, IMAGE = (12,), (5, 8), (4, 6, 6)
"""What goes through a module: shapes for one row."""

DEEP = 70
"""Levels of a deep loop: more than numpy has axes."""

RIGHT, REFUSED, QUIET = "right", "refused", "tells nothing"
GOOD = (RIGHT, REFUSED, QUIET)


class Made(nn.Module):
    """A module made at random.

    Args:
        layers: Its layers.
        forward: From it and its rows to its output.
        words: What it does.
    """

    def __init__(self, layers: Sequence[nn.Module], steps: Step, words: str) -> None:
        super().__init__()
        self.layers, self.steps, self.words = nn.ModuleList(layers), steps, words

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(self, x)


Step = Callable[[Made, Tensor], Tensor]
Said = tuple[str, Step]
"""What a step does in words, and the step."""


class Grammar:
    """Draws modules.

    Args:
        seed: Of what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.layers: list[nn.Module] = []
        self.shape = self.random.choice([VECTOR, VECTOR, WORDS, WORDS, IMAGE])

    def module(self) -> Made:
        """One module."""
        shape = self.shape
        parts = [self._part(shape, 2) for _ in range(self.random.randint(1, 3))]
        parts.insert(self.random.randint(0, len(parts)), self._drop(shape))
        if shape != VECTOR:
            parts.append(self._pooled(shape))
            if self.random.random() < 0.5:
                parts.append(self._part(VECTOR, 1))
        last = self._layer(nn.Linear(VECTOR[0], CLASSES))
        words, steps = _in_turn([*parts, ("Linear", lambda m, h: m.layers[last](h))])
        return Made(self.layers, steps, words)

    def _layer(self, layer: nn.Module) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def _one(self, *choices: Callable[[], Said]) -> Said:
        return self.random.choice(choices)()

    # --- parts, which leave the shape as it is ------------------------------------------------------

    def _part(self, shape: tuple[int, ...], depth: int) -> Said:
        simple = [self._linear, self._shared, self._norm, self._activated, self._written, self._drop]
        choices = [lambda one=one: one(shape) for one in (*simple, self._drop, self._drop)]
        if shape == WORDS:
            more = (self._attention, self._own_attention, self._recurrent, self._stepped, self._encoder)
            choices += [lambda one=one: one() for one in more]
        if depth:
            several = (self._residual, self._branches, self._loop, self._gated)
            choices += [lambda one=one: one(shape, depth - 1) for one in (*several, *several)]
            choices.append(lambda: self._deep(shape))
        return self._one(*choices)

    def _several(self, shape: tuple[int, ...], depth: int) -> Said:
        return _in_turn([self._part(shape, depth) for _ in range(self.random.randint(1, 2))])

    def _linear(self, shape: tuple[int, ...]) -> Said:
        if shape == IMAGE:
            at = self._layer(nn.Conv2d(IMAGE[0], IMAGE[0], 3, padding=1))
        elif shape == WORDS and self.random.random() < 0.3:
            at = self._layer(nn.Conv1d(WORDS[1], WORDS[1], 3, padding=1))
            return "Conv1d", lambda m, h: m.layers[at](h.transpose(1, 2)).transpose(1, 2)
        else:
            at = self._layer(nn.Linear(shape[-1], shape[-1]))
        return type(self.layers[at]).__name__, lambda m, h: m.layers[at](h)

    def _shared(self, shape: tuple[int, ...]) -> Said:
        kind = nn.Conv2d if shape == IMAGE else nn.Linear
        fit = [
            at
            for at, each in enumerate(self.layers)
            if isinstance(each, kind)
            and each.weight.shape[0] == each.weight.shape[1] == shape[-1 if kind is nn.Linear else 0]
        ]
        if not fit:
            return self._linear(shape)
        at = self.random.choice(fit)
        return f"layer {at} again", lambda m, h: m.layers[at](h)

    def _activated(self, shape: tuple[int, ...]) -> Said:
        name = self.random.choice(["relu", "relu_", "tanh", "gelu", "sigmoid", "silu in place"])
        linear, before = self._linear(shape)
        after: Step = {
            "relu": lambda m, h: torch.relu(h),
            "relu_": lambda m, h: torch.relu_(h),
            "tanh": lambda m, h: torch.tanh(h),
            "gelu": lambda m, h: F.gelu(h),
            "sigmoid": lambda m, h: 2 * torch.sigmoid(h),
            "silu in place": lambda m, h: F.silu(h, inplace=True),
        }[name]
        return f"{linear}, {name}", lambda m, h: after(m, before(m, h))

    def _norm(self, shape: tuple[int, ...]) -> Said:
        if shape == IMAGE:
            at = self._layer(
                self.random.choice([nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)])
            )
        elif shape == VECTOR:
            at = self._layer(self.random.choice([nn.BatchNorm1d(shape[0]), nn.LayerNorm(shape[0])]))
        else:
            at = self._layer(nn.LayerNorm(shape[-1]))
        return type(self.layers[at]).__name__, lambda m, h: m.layers[at](h)

    def _written(self, shape: tuple[int, ...]) -> Said:
        half = shape[-1] // 2
        places = self.random.sample(range(shape[-1]), half)
        at = self._layer(nn.Bilinear(shape[-1], shape[-1], shape[-1])) if shape == VECTOR else 0

        def shifted(m: Made, h: Tensor) -> Tensor:
            out = torch.zeros_like(h)
            out[..., half:] = h[..., :half]
            out[..., :half] = h[..., half:]
            return out

        def scaled(m: Made, h: Tensor) -> Tensor:
            h[..., :half] *= 2
            return h

        def added(m: Made, h: Tensor) -> Tensor:
            before = h
            h = h + 0.5
            h.add_(before.flip(-1), alpha=0.3)
            return h

        def put(m: Made, h: Tensor) -> Tensor:
            h = h.clone()
            h[..., places] = h[..., places].flip(1) * 0.5
            return h

        def scattered(m: Made, h: Tensor) -> Tensor:
            index = torch.tensor(places).expand(*h.shape[:-1], half)
            return torch.zeros_like(h).scatter_add_(-1, index, h[..., :half]) + h

        def twice(m: Made, h: Tensor) -> Tensor:
            one, other = torch.tanh(torch.cat([h, -2 * h])).chunk(2)
            return one - other

        def rows_last(m: Made, h: Tensor) -> Tensor:
            moved = h.movedim(0, -1).contiguous()
            moved *= 0.7
            return moved.movedim(-1, 0) + h.flip(-1)

        def in_bfloat16(m: Made, h: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return torch.tanh(h.double()).float()

        def by_out(m: Made, h: Tensor) -> Tensor:
            out = torch.empty_like(h)
            torch.mul(h, 1.2, out=out)
            return out

        def greatest(m: Made, h: Tensor) -> Tensor:
            found, where = h.max(-1, keepdim=True)
            return h - 0.3 * found + 0.01 * where

        def chosen(m: Made, h: Tensor) -> Tensor:
            h = h + 0
            h[h < 0] *= 0.5
            return h

        of_all = [-1, *[1] * len(shape)]
        steps: dict[str, Step] = {
            "put at places": put,
            "scattered": scattered,
            "twice in a batch": twice,
            "rows last, in place": rows_last,
            "autocast": in_bfloat16,
            "out=": by_out,
            "vmap": lambda m, h: torch.vmap(lambda row: row - row.mean())(h),
            "a branch by data": lambda m, h: h * 2 if bool((h[:, 0] > 1e6).any()) else h,
            "a spectrum": lambda m, h: torch.fft.irfft(torch.fft.rfft(h), n=h.shape[-1]),
            "less the greatest": greatest,
            "sorted": lambda m, h: h + 0.3 * h.sort(-1).values,
            "padded": lambda m, h: F.pad(h, (1, 0))[..., :-1],
            "folded": lambda m, h: torch.tanh(h.reshape(-1, shape[-1])).view(-1, *shape),
            "where below 0": chosen,
            "masked in place": lambda m, h: h.clone().masked_fill_(h > 1.5, 1.5),
            "einsum": lambda m, h: h - 0.5 * torch.einsum("n...->n", h).reshape(of_all) / 10,
            **({"Bilinear": lambda m, h: torch.tanh(m.layers[at](h, h))} if shape == VECTOR else {}),
            "halves exchanged in new memory": shifted,
            "half scaled in place": scaled,
            "flipped, added in place": added,
            "clamped in place": lambda m, h: h.clamp_(-2, 2),
            "cloned": lambda m, h: h.clone(),
            "centred": lambda m, h: h - h.mean(-1, keepdim=True),
            "cumulated": lambda m, h: 0.5 * h.cumsum(-1),
            "rolled": lambda m, h: torch.roll(h, 1, -1),
        }
        return self.random.choice(list(steps.items()))

    # --- what is made of parts ----------------------------------------------------------------------

    def _residual(self, shape: tuple[int, ...], depth: int) -> Said:
        words, inner = self._several(shape, depth)
        if self.random.random() < 0.3:

            def added(m: Made, h: Tensor) -> Tensor:
                out = inner(m, h.clone())
                out += h
                return out

            return f"h += ({words})", added
        return f"h + ({words})", lambda m, h: h + inner(m, h)

    def _branches(self, shape: tuple[int, ...], depth: int) -> Said:
        (one, first), (other, second) = (self._several(shape, depth) for _ in range(2))
        how = self.random.choice(["added", "stacked", "joined", "greater", "by halves"])
        half = shape[-1] // 2
        joined: Callable[[Tensor, Tensor], Tensor] = {
            "added": lambda a, b: a + b,
            "stacked": lambda a, b: torch.stack([a, b]).mean(0),
            "joined": lambda a, b: torch.cat([a[..., :half], b[..., half:]], -1),
            "greater": torch.maximum,
            "by halves": lambda a, b: torch.cat([a, b], 1).chunk(2, 1)[1] + a,
        }[how]
        return f"({one} | {other}) {how}", lambda m, h: joined(first(m, h), second(m, h))

    def _gated(self, shape: tuple[int, ...], depth: int) -> Said:
        (one, first), (other, second) = self._several(shape, depth), self._linear(shape)
        return f"({one}) × σ({other})", lambda m, h: first(m, h) * 2 * torch.sigmoid(second(m, h))

    def _loop(self, shape: tuple[int, ...], depth: int) -> Said:
        words, inner = self._several(shape, depth)
        times = self.random.choice([2, 3])

        def looped(m: Made, h: Tensor) -> Tensor:
            for _ in range(times):
                h = torch.tanh(inner(m, h))
            return h

        return f"{times} × tanh({words})", looped

    def _deep(self, shape: tuple[int, ...]) -> Said:
        if self.random.random() < 0.7:
            return self._drop(shape)
        at = self._layer(nn.Dropout(0.01))

        def deep(m: Made, h: Tensor) -> Tensor:
            for _ in range(DEEP):
                h = m.layers[at](h)
            return h

        return f"{DEEP} × Dropout(0.01)", deep

    # --- attention and recurrent layers -------------------------------------------------------------

    def _attention(self) -> Said:
        at = self._layer(nn.MultiheadAttention(WORDS[1], 2, dropout=0.3, batch_first=True))
        need = self.random.random() < 0.5
        return "MultiheadAttention", lambda m, h: h + m.layers[at](h, h, h, need_weights=need)[0]

    def _own_attention(self) -> Said:
        at, heads = self._layer(nn.Linear(WORDS[1], 3 * WORDS[1])), 2
        drops, drop = self._drop_of()
        by_torch = self.random.random() < 0.5

        def attend(m: Made, h: Tensor) -> Tensor:
            parts = m.layers[at](h).chunk(3, -1)
            q, k, v = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in parts)
            if by_torch:
                found = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3 if m.training else 0.0)
            else:
                found = drop(m, (q @ k.transpose(-1, -2) / 2).softmax(-1)) @ v
            return h + found.transpose(1, 2).flatten(2)

        return f"own attention, {'F.scaled_dot_product_attention' if by_torch else drops}", attend

    def _encoder(self) -> Said:
        first = self.random.random() < 0.5
        layer = nn.TransformerEncoderLayer(WORDS[1], 2, 16, dropout=0.2, batch_first=True, norm_first=first)
        at = self._layer(layer)
        return "TransformerEncoderLayer", lambda m, h: m.layers[at](h)

    def _recurrent(self) -> Said:
        kind = self.random.choice([nn.LSTM, nn.GRU, nn.RNN])
        both = self.random.random() < 0.3
        width = WORDS[1] // 2 if both else WORDS[1]
        at = self._layer(kind(WORDS[1], width, 2, dropout=0.4, batch_first=True, bidirectional=both))
        return f"{kind.__name__}{', both ways' if both else ''}", lambda m, h: 2 * m.layers[at](h)[0]

    def _stepped(self) -> Said:
        kind = self.random.choice([nn.GRUCell, nn.RNNCell])
        at, (drops, drop) = self._layer(kind(WORDS[1], WORDS[1])), self._drop_of()

        def stepped(m: Made, h: Tensor) -> Tensor:
            state, found = torch.zeros_like(h[:, 0]), []
            for word in h.unbind(1):
                state = m.layers[at](drop(m, word.clone()), state)
                found.append(state)
            return torch.stack(found, 1)

        return f"{kind.__name__} over {drops}", stepped

    # --- drops ----------------------------------------------------------------------------------------

    def _drop(self, shape: tuple[int, ...]) -> Said:
        if self.random.random() < 0.25:
            return self._shaped(shape)
        words, drop = self._drop_of()
        if self.random.random() < 0.4:
            return words, drop
        half, first = shape[-1] // 2, shape[0] // 2

        def sliced(m: Made, h: Tensor) -> Tensor:
            h = h * 1.5
            h[..., half:] = drop(m, h[..., half:])
            return h

        def sliced_of_it(m: Made, h: Tensor) -> Tensor:
            h[:, first:] = drop(m, h[:, first:])
            return h

        def every_other(m: Made, h: Tensor) -> Tensor:
            h = h.clone()
            h[..., ::2] = drop(m, h[..., ::2])
            return h

        def chunked(m: Made, h: Tensor) -> Tensor:
            one, other = torch.tanh(h).chunk(2, -1)
            return torch.cat([drop(m, one), other], -1)

        def chunk_alone(m: Made, h: Tensor) -> Tensor:
            h = torch.tanh(h)
            drop(m, h.chunk(2, -1)[0])
            return h

        def split(m: Made, h: Tensor) -> Tensor:
            one, *others = h.split(half, -1)
            return torch.cat([*others, drop(m, one)], -1)

        def unbound(m: Made, h: Tensor) -> Tensor:
            one, *others = (2 * h).unbind(1)
            return torch.stack([*others, drop(m, one)], 1)

        places = self.random.sample(range(shape[-1]), half)

        def at_places(m: Made, h: Tensor) -> Tensor:
            h = h.clone()
            h[..., places] = drop(m, h[..., places])
            return h

        def twins(m: Made, h: Tensor) -> Tensor:
            one, other = drop(m, torch.cat([h, h.flip(-1)])).chunk(2)
            return one + 0.5 * other

        def copied(m: Made, h: Tensor) -> Tensor:
            out = torch.empty_like(h)
            out.copy_(h)
            out.narrow(-1, 0, half).copy_(drop(m, h.narrow(-1, 0, half)))
            return out

        def viewed(m: Made, h: Tensor) -> Tensor:
            h = torch.tanh(h).contiguous()
            drop(m, h.view(len(h), -1)[:, 1:])
            return h

        def of_data(m: Made, h: Tensor) -> Tensor:
            h = 1.5 * h
            h.data.copy_(drop(m, h.clone()))
            return h

        def thrice(m: Made, h: Tensor) -> Tensor:
            h = h + 0
            for at in range(3):
                h[:, at : at + 2] = drop(m, h[:, at : at + 2])
            return h

        def around(m: Made, h: Tensor) -> Tensor:
            h = torch.sin(h)
            part = h[..., half:]
            before = part.mean(-1, keepdim=True)
            h[..., half:] = drop(m, part * 1)
            return h + 0.3 * before + 0.2 * part.amax(-1, keepdim=True)

        def shared_mask(m: Made, h: Tensor) -> Tensor:
            kept = drop(m, torch.ones_like(h))
            return h * kept + 0.3 * h.flip(-1) * kept

        def both(m: Made, h: Tensor) -> Tensor:
            before = h.clone()
            return (drop(m, h) + before) / 2

        named: dict[str, Step] = {
            "into a slice": sliced,
            "into a slice of what comes": sliced_of_it,
            "into every other": every_other,
            "on a chunk": chunked,
            "on a chunk, which is left": chunk_alone,
            "on a part of a split": split,
            "on one unbound": unbound,
            "turned": lambda m, h: drop(m, h.transpose(1, -1)).transpose(1, -1),
            "on half": lambda m, h: torch.cat([h[..., :half], drop(m, h[..., half:] + 0)], -1),
            "beside what it was": both,
            "put at places": at_places,
            "twice in a batch": twins,
            "through copy_": copied,
            "on a view, which is left": viewed,
            "in its data": of_data,
            "three times in place": thrice,
            "and read before and after": around,
            "one mask twice": shared_mask,
        }
        if "place" not in words:
            named.pop("on a chunk, which is left"), named.pop("on a view, which is left")
        if shape == VECTOR:
            named.pop("turned"), named.pop("on one unbound")
        how = self.random.choice(list(named))
        return f"{words} {how}", named[how]

    def _drop_of(self) -> Said:
        """A drop of single numbers, of any shape."""
        rate = self.random.choice([0.1, 0.2, 0.3, 0.5])

        def in_training(function: Callable[[Tensor], Tensor]) -> Step:
            return lambda m, h: function(h) if m.training else h

        def put(h: Tensor) -> Tensor:
            h = h.clone()
            h[torch.rand_like(h) < rate] = 0
            return h / (1 - rate)

        name = self.random.choice(
            [
                *(["Dropout", "Dropout in place", "F.dropout", "F.dropout in place"] * 3),
                *("alpha", "bernoulli", "bernoulli_, mul_", "rand", "where", "masked_fill", "put", "normal"),
                *("randn", "normal of a tensor", "always"),
            ]
        )
        if name.startswith("Dropout"):
            at = self._layer(nn.Dropout(rate, inplace="place" in name))
            return f"{name}({rate})", lambda m, h: m.layers[at](h)
        return f"{name}({rate})", {
            "F.dropout": lambda m, h: F.dropout(h, rate, m.training),
            "F.dropout in place": lambda m, h: F.dropout(h, rate, m.training, inplace=True),
            "alpha": lambda m, h: F.alpha_dropout(h, rate, m.training),
            "bernoulli": in_training(
                lambda h: h * torch.bernoulli(torch.full_like(h, 1 - rate)) / (1 - rate)
            ),
            "bernoulli_, mul_": in_training(
                lambda h: h.mul_(torch.empty_like(h).bernoulli_(1 - rate)).div_(1 - rate)
            ),
            "rand": in_training(lambda h: h * (torch.rand(h.shape) > rate) / (1 - rate)),
            "where": in_training(lambda h: torch.where(torch.rand_like(h) < rate, 0.0, h / (1 - rate))),
            "masked_fill": in_training(lambda h: h.masked_fill(torch.rand_like(h) < rate, 0) / (1 - rate)),
            "put": in_training(put),
            "normal": in_training(lambda h: h * torch.normal(1.0, rate, h.shape)),
            "normal of a tensor": in_training(lambda h: h * torch.normal(torch.ones_like(h), rate)),
            "randn": in_training(lambda h: h * (1 + rate * torch.randn_like(h))),
            "always": lambda m, h: F.dropout(h, rate) if m.training else h,
        }[name]

    def _shaped(self, shape: tuple[int, ...]) -> Said:
        """A drop of whole rows, words or channels."""
        rate = self.random.choice([0.1, 0.2, 0.3])

        def whole(kept: Callable[[Tensor], list[int]]) -> Step:
            def drop(m: Made, h: Tensor) -> Tensor:
                return h * h.new_empty(kept(h)).bernoulli_(1 - rate) / (1 - rate) if m.training else h

            return drop

        path, locked = (
            whole(lambda h: [len(h), *[1] * (h.dim() - 1)]),
            whole(lambda h: [len(h), 1, *h.shape[2:]]),
        )
        choices: list[Said] = [(f"drop path({rate})", path)]
        if shape != VECTOR:
            kind = nn.Dropout1d if shape == WORDS else nn.Dropout2d
            at = self._layer(kind(rate, inplace=self.random.random() < 0.3))
            choices.append((f"{kind.__name__}({rate})", lambda m, h: m.layers[at](h)))
            choices.append((f"locked({rate})", locked))
        return self.random.choice(choices)

    def _pooled(self, shape: tuple[int, ...]) -> Said:
        """From words or an image to a vector."""
        if shape == IMAGE:
            if self.random.random() < 0.5:
                at = self._layer(nn.Linear(144, VECTOR[0]))
                return "flatten, Linear", lambda m, h: m.layers[at](h.flatten(1))
            at = self._layer(nn.Linear(IMAGE[0], VECTOR[0]))
            return "average pool, Linear", lambda m, h: m.layers[at](F.adaptive_avg_pool2d(h, 1).flatten(1))
        at = self._layer(nn.Linear(WORDS[1], VECTOR[0]))
        how = self.random.choice(["mean", "last", "greatest", "weighed"])
        pooled: Callable[[Tensor], Tensor] = {
            "mean": lambda h: h.mean(1),
            "last": lambda h: h[:, -1],
            "greatest": lambda h: h.amax(1),
            "weighed": lambda h: (h.mean(-1, keepdim=True).softmax(1) * h).sum(1),
        }[how]
        return f"{how} of words, Linear", lambda m, h: m.layers[at](pooled(h))


def _in_turn(parts: Sequence[Said]) -> Said:
    steps = [step for _, step in parts]

    def run(m: Made, h: Tensor) -> Tensor:
        for step in steps:
            h = step(m, h)
        return h

    return "; ".join(words for words, _ in parts), run


def made(seed: int) -> Kind:
    """The module of a seed, as `validation.torch_models` takes it."""

    def make() -> Made:
        torch.manual_seed(seed)
        return Grammar(seed).module()

    normed = any(isinstance(each, nn.modules.batchnorm._NormBase) for each in make().modules())
    return Kind(make, Grammar(seed).shape, louder=None if normed else 1.5)


def look_at(seed: int) -> dict[str, Any]:
    """What howsure makes of the module of a seed: as `compare` tells it, with a verdict."""
    kind = made(seed)
    module = kind.make()
    found: dict[str, Any] = {"seed": seed, "words": module.words}
    try:
        found |= compare(kind)
        module, x = module.eval(), rows_for(kind)
        adapted = adapt(module, x, gaussian_noise=False)[0]
        found["runs"] = "split" if isinstance(adapted, SplitModel) else f"whole: {adapted.whole_because}"
        if "refused" not in found:
            before = Fingerprint(module)
            howsure.assess(module, x, seed=seed)
            found["changed"] += before.changed(module)
    except Exception as error:  # a traceback is a finding
        lines = traceback.format_exception(error)
        found["verdict"], found["crashed"] = "CRASHED", "".join(lines[-3:])
        return found
    return found | {"verdict": _verdict(found)}


def _verdict(found: dict[str, Any]) -> str:
    if found["changed"]:
        return "CHANGED"
    if not found.get("plain right", True):
        return "WRONG, plain"
    if "refused" in found:
        return REFUSED
    if found["runs"].startswith(f"whole: {AGAIN_FAILS}"):
        return "FAILS WHEN SPLIT"
    if found["said"]:
        return "SAID"
    if not max(found["mean"], found["entropy"]) <= MOST:
        return "WRONG"
    return RIGHT if found["spread"] >= LEAST_SPREAD else QUIET


def main() -> None:
    """Look at modules, and print what came of each; the exit code says whether one was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100, help="modules")
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    parser.add_argument("--page", action="store_true", help="write the figures to docs/torch-models.md")
    given = parser.parse_args()
    verdicts: Counter[str] = Counter()
    split, farthest, start = 0, 0.0, time.perf_counter()
    for seed in range(given.seed, given.seed + given.count):
        found = look_at(seed)
        verdicts[found["verdict"]] += 1
        split += found.get("runs") == "split"
        off = max(found.get("mean", 0.0), found.get("entropy", 0.0))
        farthest = max(farthest, off)
        told = found.get("crashed") or found.get("refused") or f"{off:.1f} standard errors, {found['runs']}"
        print(f"seed {seed}: {found['verdict']} ({told}): {found['words']}", flush=True)
        if found["verdict"] not in GOOD:
            print(f"  {found}", flush=True)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    print(
        f"{given.count} modules: {counts}; {split} split by levels, at most {farthest:.1f} "
        f"standard errors off, {time.perf_counter() - start:.0f} s"
    )
    if given.page:
        figures = {"count": given.count, "seed": given.seed, "split": split, "farthest": farthest}
        MADE_AT_RANDOM.keep(figures | {"verdicts": counts})
        write_page(PAGE.figures())
    sys.exit(any(verdict not in GOOD for verdict in verdicts))


if __name__ == "__main__":
    main()
