"""Run the passes of a PyTorch module level by level, if that gives the same results as whole passes.

TorchModel ── recorded, split ── a few passes compared ──┬── equal ──> SplitModel
└── not, or cannot be split ──> the TorchModel, unchanged
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from howsure import tuning
from howsure.data.rows import check_rows
from howsure.errors import HowsureError
from howsure.models.choose_output import Output
from howsure.models.protocol import FLOAT32, Level, Limits, ModelInfo
from howsure.models.torch import model as whole_modules
from howsure.models.torch.call_stack import UnderWay, names_in
from howsure.models.torch.dry_run import same
from howsure.models.torch.find_draws import in_words
from howsure.models.torch.graph import Split, Unsplittable, split
from howsure.models.torch.inputs import calls_for
from howsure.models.torch.model import TorchModel
from howsure.models.torch.model_cache import Kept, forget, keep, kept
from howsure.models.torch.onnx_graph import graph_of
from howsure.models.torch.probe_rows import probes
from howsure.models.torch.snapshot import switch
from howsure.onnx.nodes import check_type_of
from howsure.sampling.masks import draw
from howsure.sites import DROPOUT, Site

Array = NDArray[Any]

ROWS, OTHERS, COMPARED = 2, 3, 3
"""Rows of the two recorded runs, and of the passes that are compared."""

WIDTHS = (2, 4, 8)
"""Passes at the first, the second and all later levels in the comparison. Two passes at the first level show
whether repeated values, such as numbers of rows, still mean the same in the second pass."""


AGAIN_FAILS = "its operations fail when they are called again level by level"
"""Why passes run whole after an unforeseen error."""


def adapt(
    model: Any,
    x: Any,
    *,
    gaussian_noise: bool,
    keep_off: frozenset[str] = frozenset(),
    output: Output = None,
) -> tuple[TorchModel, list[Array]]:
    """Examine a module, and check its rows; see `howsure.models.torch.model.adapt`.

    For rows of a form that it was called with before, an unchanged module is not examined again.
    """
    module = whole_modules.check_module(model)
    ways, given = calls_for(module, x)
    known = kept(module, ((replace(way, output=output), gaussian_noise, keep_off) for way in ways))
    if known is not None:
        call, found = known
        rows = check_rows(given, call.specs)
        again = _again(found, rows)
        if again is not None:
            return again, rows
        forget(module)
    adapted, rows = whole_modules.adapt(
        model, x, gaussian_noise=gaussian_noise, keep_off=keep_off, output=output
    )
    ready = split_or_whole(adapted)
    split = ready.split if isinstance(ready, SplitModel) else None
    keep((ready.call, gaussian_noise, keep_off), ready.examination, split, ready.whole_because)
    return ready, rows


def _again(found: Kept, rows: Sequence[Array]) -> TorchModel | None:
    """An adapter from findings of an earlier call, tried with one row; None if they do not fit any more."""
    model = TorchModel(found.examination)
    model.whole_because = found.whole_because
    some = [array[:1] for array in probes(model.call.specs, rows, lambda some: False)]
    try:
        if found.split is None:
            model.predict(some)
            return model
        ready = SplitModel(model, found.split.again())
        return ready if _agree(ready, model, some, WIDTHS[:1]) else None
    except Exception:  # examining says why
        return None


def split_or_whole(model: TorchModel) -> TorchModel:
    """The examined module with levels; or unchanged if its passes must run whole."""
    if not model.examination.foldable or not model.examination.places:
        return model
    if model.examination.fixed:
        model.whole_because = "it draws by a generator that it seeds anew in every call"
        return model

    def some(count: int) -> list[Array]:
        return [np.resize(array, (count, *array.shape[1:])) for array in model.examination.rows]

    try:
        ready = SplitModel(model, _recorded(model, some(ROWS), some(OTHERS)))
        if _agree(ready, model, some(COMPARED)):
            return ready
        model.whole_because = "passes that run level by level are others than whole ones"
    except Unsplittable as error:
        model.whole_because = str(error)
    except Exception as error:  # an operation that does not accept its inputs when it is called again
        model.whole_because = f"{AGAIN_FAILS} ({in_words(error)})"
    return model


class SplitModel(TorchModel):
    """A module whose passes run level by level.

    Args:
        whole: The examined module.
        split: Its levels.

    Attributes:
        split: Its levels.
    """

    def __init__(self, whole: TorchModel, split: Split) -> None:
        super().__init__(whole.examination)
        self.split = split

    @functools.cached_property
    def _facts(self) -> ModelInfo:
        info, again = super()._facts, self.split.repeated
        return replace(info, layers=tuple(replace(one, repeated=one.name in again) for one in info.layers))

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, which all passes share, then one level for each draw."""
        return self.split.levels

    @functools.cached_property
    def limits(self) -> Limits:
        """How much of the module may run at once."""
        return self.split.limits

    def trunk(self, rows: Sequence[Array]) -> Any:
        """The part that all passes over these rows share."""
        return self.split.trunk(self.call.tensors(rows))

    def thin(self, masks: Sequence[Array], rows: int) -> Callable[[Any], NDArray[np.float32]]:
        """The thinned networks: a function from a trunk to outputs (W, n, …); see `PassModel`."""
        passes = self.split.thin(masks, rows)
        return lambda trunk: np.asarray(passes(trunk).float().cpu().numpy(), np.float32)

    def graph(self, masks: Sequence[Array], like: Sequence[Array]) -> Any:
        """The passes with these masks, as an `onnx.ModelProto`; see `ExportModel`."""
        for dtype in sorted(self.split.types):
            check_type_of(dtype, self.name)
        passes, specs = self.split.thin(masks, rows=tuning.MANY_ROWS), self.call.specs

        def run(rows: Sequence[torch.Tensor]) -> torch.Tensor:
            given = [
                tensor.to(dtype=tensor.dtype if dtype is None else dtype)
                for tensor, dtype in zip(rows, self.call.dtypes, strict=True)
            ]
            return passes.written_down(given).float()

        some = [
            torch.from_numpy(np.resize(array, (OTHERS, *array.shape[1:])).astype(spec.array_dtype))
            for array, spec in zip(like, specs, strict=True)
        ]
        with self.as_found():
            return graph_of(run, some, [spec.name for spec in specs], self.name)

    def in_precision(self, precision: str) -> SplitModel:
        """The same module with its heavy operations in another of `limits.precisions`."""
        if precision == FLOAT32:
            return self
        reduced = copy.copy(self)
        reduced.split = self.split.in_precision(precision)
        return reduced


def _recorded(model: TorchModel, rows: Sequence[Array], others: Sequence[Array]) -> Split:
    """The levels of a module, from recorded runs in the mode of passes."""
    found, call = model.examination, model.call
    with model.as_found() as snapshot:

        def run(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
            switch(model.module, found.training)
            given = [each.clone() for each in tensors] if found.writes else tensors
            return call.run(model.module, given)

        def restore() -> None:
            snapshot.restore()
            under_way.forget()

        def place() -> str:
            return under_way.stack[-1].name if under_way.stack else ""

        under_way = UnderWay(names_in(model.module, model.name))
        with under_way.watched():
            return split(run, call.tensors(rows), call.tensors(others), found.drawn, restore, place)


def _agree(
    ready: SplitModel, whole: TorchModel, rows: Sequence[Array], of_levels: Sequence[int] = WIDTHS
) -> bool:
    """True if passes that run level by level equal those of the whole module, up to rounding."""
    sites = [site for level in ready.levels for site in level.sites]
    widths = [of_levels[min(at, len(of_levels) - 1)] for at in range(len(sites))]
    masks = [_told_apart(site, width) for site, width in zip(sites, widths, strict=True)]
    repeated = [np.repeat(mask, widths[-1] // len(mask), axis=0) for mask in masks]
    count = len(rows[0])
    found = ready.thin(masks, count)(ready.trunk(rows))
    try:
        expected = whole.thin(repeated, count)(whole.trunk(rows))
    except HowsureError:  # its draws differ for other rows
        return False
    return same(torch.from_numpy(found), torch.from_numpy(expected))


def _told_apart(site: Site, width: int) -> Array:
    """Masks (width, …) in complementary pairs: one drops what the other keeps."""
    if site.kind != DROPOUT:
        return draw(site, seed=0, group=0, size=width)
    kept = np.random.default_rng([7, site.number]).random((width // 2, *site.shape)) < 0.5
    return np.stack([kept, ~kept], axis=1).reshape(width, *site.shape)
