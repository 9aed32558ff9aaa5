"""Run the passes of a PyTorch module level by level, if that gives the same results as whole passes.

TorchModel ── recorded, split ── a few passes compared ──┬── equal ──> SplitModel
└── not, or cannot be split ──> the TorchModel, unchanged
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from howsure.adapters.choose_output import Output
from howsure.adapters.networks import NetworkCache
from howsure.adapters.protocol import FLOAT32, LayerInfo, Level, Limits, RawOutputs
from howsure.adapters.torch import model as whole_modules
from howsure.adapters.torch.dry_run import ROWS, UNEVEN, DryRun, same
from howsure.adapters.torch.equivalence_check import ReferencePasses
from howsure.adapters.torch.find_draws import in_words
from howsure.adapters.torch.graph import Split, SplitTrunk, Unsplittable
from howsure.adapters.torch.inputs import calls_for
from howsure.adapters.torch.model import Last, TorchModel, TorchTrunk, in_numpy
from howsure.adapters.torch.model_cache import Cached, forget, keep, kept
from howsure.adapters.torch.onnx_graph import graph_of, in_export
from howsure.adapters.torch.program import Axis, Call, RecordedProgram, RecordedSlot, record
from howsure.adapters.torch.tracer import Notes
from howsure.errors import ModelError
from howsure.inputs.rows import check_rows, made_up_rows
from howsure.onnx import check_type_of

Array = NDArray[Any]

OTHERS = 3
"""Rows with which an exported graph is recorded."""

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
    """Examine a module, and check its rows; see `howsure.adapters.resolve.ModelHandle.adapt`.

    For rows of a form that it was called with before, an unchanged module is not examined again.
    """
    module = whole_modules.check_module(model)
    ways, arrays = calls_for(module, x)
    findings = kept(module, ((replace(way, output=output), gaussian_noise, keep_off) for way in ways))
    if findings is not None:
        call, cached = findings
        rows = check_rows(arrays, call.specs)
        again = _again(cached, rows)
        if again is not None:
            return again, rows
        forget(module)
    adapted, rows = whole_modules.adapt(module, x, gaussian_noise, keep_off, output)
    ready = split_or_whole(adapted)
    keep((ready.call, gaussian_noise, keep_off), ready)
    return ready, rows


def _again(cached: Cached, rows: Sequence[Array]) -> TorchModel | None:
    """An adapter from findings of an earlier call; None if they do not fit any more.

    The module must predict one of the rows. Two passes of an earlier row, of which one drops what the other
    keeps, must be what they were.
    """
    model, reference = TorchModel(cached.examination), cached.examination.reference
    model.whole_because = cached.whole_because
    try:
        some = rows if len(rows[0]) else made_up_rows(model.call.specs, rows)
        with model.as_found() as model.inside:
            model.predict([array[:1] for array in some])
            if reference is not None and not _agree(model, reference):
                return None
    except Exception:  # examining says why
        return None
    if cached.split is not None:
        model = (SplitModel if cached.split.asks is None else AskingModel)(model, cached.split)
    model.inside, model.layers = None, cached.layers
    return model


def split_or_whole(model: TorchModel) -> TorchModel:
    """The examined module with levels; or unchanged if its passes must run whole."""
    examination, reference = model.examination, model.examination.reference
    if reference is None:
        return model
    model.examination = replace(examination, reference=reference.of_one_row())
    if not examination.foldable:
        return model
    try:
        split = Split(_recorded(reference.notes), examination.drawn, examination.work)
        ready = (SplitModel if split.asks is None else AskingModel)(model, split)
        if _agree(ready, reference):
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
    def layers(self) -> tuple[LayerInfo, ...]:
        """The calls of modules that compute something themselves."""
        return tuple(replace(layer, repeated=layer.name in self.split.repeated) for layer in super().layers)

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, which all passes share, then one level for each draw."""
        return self.split.levels

    @functools.cached_property
    def limits(self) -> Limits:
        """How much of the module may run at once."""
        return self.split.limits

    @property
    def networks(self) -> NetworkCache | None:
        """Thinned networks for few rows, kept for later calls."""
        return self.split.networks

    def trunk(self, rows: Sequence[Array]) -> Any:
        """The part that all passes over these rows share."""
        return self.split.trunk(self.call.tensors(rows))

    def thin(self, masks: Sequence[Array]) -> Callable[[Any], RawOutputs]:
        """The thinned networks: a function from a trunk to outputs (W, n, …); see `PassModel`."""
        passes = self.split.thin(masks)
        return lambda trunk: in_numpy(passes(trunk))

    def graph(self, masks: Sequence[Array], like: Sequence[Array], features: bool = False) -> Any:
        """The passes with these masks, as an `onnx.ModelProto`; see `ExportModel`."""
        for dtype in sorted(self.split.types):
            check_type_of(dtype, self.name)
        passes, specs = [self.split.thin(masks)], self.call.specs
        if features:
            passes.append(self.as_exported(plain=True).thin(()))

        def run(rows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            tensors = [
                tensor.to(dtype=tensor.dtype if dtype is None else dtype)
                for tensor, dtype in zip(rows, self.call.dtypes, strict=True)
            ]
            outputs = [
                thinned.of.passes(thinned, thinned.of.part_of_trunk(tensors)).float() for thinned in passes
            ]
            return [*outputs[:1], *(output[0] for output in outputs[1:])]

        some = [
            torch.from_numpy(np.resize(array, (OTHERS, *array.shape[1:])).astype(spec.array_dtype))
            for array, spec in zip(like, specs, strict=True)
        ]
        with self.as_found():
            return graph_of(run, some, [spec.name for spec in specs], self.name)

    def as_exported(self, plain: bool = False) -> Split:
        """The module as it runs in an export: its passes, or its prediction up to the last linear layer.

        Raises:
            ModelError: It cannot run level by level there, or does not end in a linear layer.
        """
        examination = self.examination
        training, drawn = ((), examination.always) if plain else (examination.training, examination.drawn)
        try:
            with self.as_found() as snapshot, in_export():
                rows, keep_off = examination.rows, examination.keep_off
                look = DryRun(self.module, self.call, rows, snapshot, False, keep_off)
                look.writes = examination.writes
                program = _recorded([look.note(training, count)[1].notes for count in (ROWS, UNEVEN)])
                if plain:
                    program = _to_last_layer(program, Last(examination.last_linear, self.name))
                split = Split(program, drawn, examination.work)
        except ModelError:
            raise
        except Exception as error:  # a module may do anything in an export
            reason = str(error) if isinstance(error, Unsplittable) else in_words(error)
            raise self.no_graph(f"in an export, {reason}") from error
        if split.asks is not None:
            raise self.no_graph(split.asks)
        return split

    def in_precision(self, precision: str) -> SplitModel:
        """The same module with its heavy operations in another of `limits.precisions`."""
        if precision == FLOAT32:
            return self
        reduced = copy.copy(self)
        reduced.split = self.split.in_precision(precision)
        return reduced


@dataclass(frozen=True, eq=False)
class AskedTrunk:
    """Rows on the device, and what passes level by level share of them.

    Attributes:
        whole: The rows.
        split: The part that passes share; None if the module does something else with these rows.
    """

    whole: TorchTrunk
    split: SplitTrunk | None

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, positions: NDArray[np.int64]) -> AskedTrunk:
        """The trunk of the rows at these positions."""
        return AskedTrunk(self.whole.take(positions), self.split and self.split.take(positions))

    def join(self, others: Sequence[AskedTrunk]) -> AskedTrunk:
        """This trunk and others as one, in order."""
        parts = [trunk.split for trunk in others if trunk.split is not None]
        split = self.split.join(parts) if self.split is not None and len(parts) == len(others) else None
        return AskedTrunk(self.whole.join([trunk.whole for trunk in others]), split)


class AskingModel(SplitModel):
    """A module that reads numbers out of tensors, such as whether any row is padded.

    Passes run whole over rows of which it reads other numbers than those with which it was recorded.
    """

    networks = None  # they would keep the module alive

    def __init__(self, whole: TorchModel, split: Split) -> None:
        super().__init__(whole, split)
        self.whole_because = split.asks or ""

    def trunk(self, rows: Sequence[Array]) -> Any:
        """The part that all passes over these rows share, if they run level by level."""
        tensors = self.call.tensors(rows)
        return AskedTrunk(
            TorchTrunk(tuple(tensors)), self.split.trunk(tensors) if self.split.fits(tensors) else None
        )

    def thin(self, masks: Sequence[Array]) -> Callable[[Any], RawOutputs]:
        """The thinned networks: a function from a trunk to outputs (W, n, …); see `PassModel`."""
        passes = super().thin(masks)
        width = len(masks[-1])

        def run(trunk: AskedTrunk) -> RawOutputs:
            if trunk.split is not None:
                return passes(trunk.split)
            whole = [np.repeat(mask, width // len(mask), axis=0) for mask in masks]
            return TorchModel.thin(self, whole)(trunk.whole)

        return run

    def graph(self, masks: Sequence[Array], like: Sequence[Array], features: bool = False) -> Any:
        """The passes as the module runs in an export, if it then reads no numbers; see `ExportModel`."""
        return SplitModel(self, self.as_exported()).graph(masks, like, features)


def _recorded(notes: Sequence[Notes | Exception | None]) -> RecordedProgram:
    """A run for any number of rows, from notes of two."""
    for run_notes in notes:
        if not isinstance(run_notes, Notes):
            raise run_notes or AssertionError("notes were asked for")
    return record(*notes)  # type: ignore[arg-type]


def _to_last_layer(program: RecordedProgram, last: Last) -> RecordedProgram:
    """A prediction up to its last linear layer: the output is the features and logits (n, F + K)."""
    for call in program.calls:
        last.ran(call.op, call.args, call.kwargs, call.outputs[0])
    both: Any = last.found
    features, logits = (program.values[slot] for slot in both)
    if features.axis != Axis(0) or logits.axis != Axis(0):
        raise Unsplittable("features without rows on their first axis")
    output, shape = RecordedSlot(len(program.values)), (1, features.shape[1] + logits.shape[1])
    values = {**program.values, output: replace(logits, shape=shape, memory=object())}
    joined = Call(torch.ops.aten.cat.default, (list(both), 1), {}, (output,))
    return replace(program, calls=(*program.calls, joined), values=values, output=output)


def _agree(model: TorchModel, reference: ReferencePasses) -> bool:
    """True if passes are those that ran, up to rounding."""
    masks = [mask.cpu().numpy() for mask in reference.masks]
    rows = [array[: reference.passes.shape[1]] for array in model.examination.rows]
    passes = torch.from_numpy(model.thin(masks)(model.trunk(rows)))[list(reference.numbers)]
    return same(passes.flatten(0, 1), reference.passes.flatten(0, 1).to(passes.dtype).cpu())
