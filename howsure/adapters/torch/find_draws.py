"""Find the training flags that passes need, the draws in them, and the draws that stay as in predicting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from howsure.adapters.protocol import Unswitchable, check_kept_off
from howsure.adapters.torch.classify_draws import ADDED, BRANCH, CHOICE, MASK, SEVERAL
from howsure.adapters.torch.draws import Draw, Place, place_of
from howsure.adapters.torch.dry_run import OFTEN, ROWS, TWICE, UNEVEN, DryRun, alike, middle, same, stand_in
from howsure.adapters.torch.equivalence_check import BY_LENGTH, EquivalenceCheck, ReferencePasses
from howsure.adapters.torch.inputs import name_of
from howsure.adapters.torch.recorder import ModuleCall, RecordedDraw, Recorder
from howsure.errors import HowsureError
from howsure.random_ops import DROPOUT, NORMAL, UNIFORM

Tensor = torch.Tensor

_OF_NUMPY = "numbers of numpy or Python are drawn in training, for which no masks can be given"
_OUTSIDE = "two runs as in training differ, so something is drawn outside of PyTorch"
_THE_SAME = (
    "what draws it is seeded anew in every call, so that every pass would get the same; seed what must be "
    "the same within torch.random.fork_rng()"
)
_KEPT = "a first call in training draws numbers that later ones use again; call it once before"
_ZEROS_AND_ONES = ("bernoulli", "bernoulli_")
KEPT_OFF = "the module's train() keeps it as in predicting"
_OF_A_NORM = "a norm draws it, and norms stay as in predicting"
_SEVERAL_RATES = "its numbers make no single mask of one rate, and masks are given for one rate alone"
_CHOOSING = {
    BRANCH: "chooses a branch, as augmentation and dropped layers do",
    CHOICE: "chooses between inputs, as augmentation does",
}
"""Uses of drawn numbers that stay as in predicting, in words."""

_NORMS = nn.modules.batchnorm._NormBase


@dataclass(frozen=True, eq=False, kw_only=True)
class PassForm:
    """The form of a pass of a module.

    Attributes:
        training: Identities of the modules whose training flags are on in passes.
        places: For each random op, in order, where its masks go.
        drawn: For each draw of a pass, in order: the place of a random op, or the number that replaces it.
        draws: Each of these draws, as recorded with `ROWS` rows.
        reference: Passes that were run, with which passes that run level by level are compared; else None.
        left: Draws of training that stay fixed.
        calls: Calls of modules in a pass.
        kept_off: Names of calls whose draws the module's own `train()` keeps off.
        foldable: True if passes can be folded into the batch axis.
        largest: Numbers in the largest tensor.
        of_pass: Work of a pass, as `howsure.adapters.torch.tracer.work` counts it.
    """

    training: frozenset[int] = frozenset()
    places: tuple[Place, ...] = ()
    drawn: tuple[Place | float | None, ...] = ()
    draws: tuple[Draw, ...] = ()
    reference: ReferencePasses | None = None
    left: tuple[Unswitchable, ...] = ()
    calls: tuple[ModuleCall, ...] = ()
    kept_off: frozenset[str] = frozenset()
    foldable: bool = True
    largest: int = 1
    of_pass: float = 0.0


class PassFinder:
    """Finds out what a pass of a module is.

    Args:
        look: Runs the module, and has predicted.
    """

    def __init__(self, look: DryRun) -> None:
        self.look, self.plain = look, look.plain
        self.always = {record.key for record in look.predicted.records}
        self.left: list[Unswitchable] = []
        self._refused: set[tuple[str, str]] = set()
        self._trained_to: Any = None
        self._of_weights: frozenset[tuple[str, str]] = frozenset()
        module = look.module
        self._kept_off = look.kept_off()
        self._everything = [
            layer
            for layer in module.modules()
            if not isinstance(layer, _NORMS) and id(layer) not in self._kept_off
        ]
        self._norms = [layer for layer in module.modules() if isinstance(layer, _NORMS)]

    def found(self) -> PassForm:
        """Search, and return everything found."""
        trained = self._trained()
        self._of_weights = self._noise_of_weights(trained)
        self._refuse_what_norms_draw(trained)
        self._refuse_what_is_drawn_elsewhere(trained)
        random = {_module_of(record) for record in trained.records if self._may_be_random_op(record, trained)}
        check_kept_off(self.look.keep_off, random)
        random_ops = [record for record in trained.records if self._is_random_op(record, trained)]
        for record in trained.records:
            use = trained.uses.get(record.number)
            own_rates = record.draw.function in _ZEROS_AND_ONES and record.draw.kind is None
            if own_rates or (use is not None and use.kind == SEVERAL):
                self._refuse(record, _SEVERAL_RATES)
        kept_off = self._draws_kept_off(trained)
        if not random_ops:
            for record in kept_off:
                self.left.append(Unswitchable(record.name, f"{record.in_words}: {KEPT_OFF}", False))
            self._leave([record for record in trained.records if record.key not in self.always], trained)
            return PassForm(left=tuple(self.left))
        least = self._least_flags(random_ops, trained)
        if least is None:
            return PassForm(left=tuple(self.left))
        training, output, run = least
        in_passes = self.always | {record.key for record in run.records}
        self._leave([record for record in trained.records if record.key not in in_passes], trained)
        names = frozenset(record.name for record in kept_off)
        return replace(self._placed(training, output, run), kept_off=names)

    def _trained(self) -> Recorder:
        """A run as in training, as far as it gets; its output does not matter."""
        flags = _identities(self._everything)
        self.look.draws_outside()
        run, error, self._trained_to = self.look.try_out(flags)
        anew = self.look.seeded_anew(flags) if run.seeded else None
        if anew is not None:
            self._refuse(run.records[anew], _THE_SAME)
        if self.look.draws_once(flags):
            self.left.append(Unswitchable(name_of(self.look.module), _KEPT, refused=True))
        if error is None:
            return run
        name = name_of(self.look.module)
        what = f"it fails when it runs as in training ({in_words(error)})"
        self.left.append(Unswitchable(name, f"{what}, so what it draws itself stays off", refused=False))
        inside = [layer for layer in self._everything if layer is not self.look.module]
        leaves = [layer for layer in inside if not next(layer.children(), None)]
        for some in (inside, leaves):
            again, error, _ = self.look.try_out(_identities(some))
            if error is None:
                return again
        return run

    def _draws_kept_off(self, trained: Recorder) -> list[RecordedDraw]:
        """Draws that occur only in modules that the module's own `train()` leaves in eval mode."""
        if not self._kept_off:
            return []
        flags = _identities(self._everything) | self._kept_off - _identities(self._norms)
        keys = self.always | {record.key for record in trained.records}
        return [record for record in self.look.try_out(flags)[0].records if record.key not in keys]

    def _refuse_what_norms_draw(self, trained: Recorder) -> None:
        """Refuse draws that occur only if norms outside PyTorch's own classes are in training mode."""
        others = [
            norm
            for norm in self._norms
            if type(norm).__module__.partition(".")[0] != "torch" and id(norm) not in self._kept_off
        ]
        if not others:
            return
        run, _, _ = self.look.try_out(_identities([*self._everything, *others]))
        keys = self.always | {record.key for record in trained.records}
        for record in run.records:
            if record.key not in keys:
                self._refuse(record, _OF_A_NORM)

    def _refuse_what_is_drawn_elsewhere(self, trained: Recorder) -> None:
        """Refuse a module that draws outside PyTorch in training but not in predicting."""
        flags = _identities(self._everything)
        outside = self.look.draws_outside()
        if not outside and self.look.predicts(self._trained_to):
            return
        alone = False
        if outside:
            self.look.try_out(())
            alone = not self.look.draws_outside()
        outputs = (self.look.try_out(flags)[2] for _ in range(OFTEN if outside else 1))
        replaceable = all(record.draw.kind is not None for record in trained.records)
        if alone or (replaceable and not all(alike(self._trained_to, output) for output in outputs)):
            name = name_of(self.look.module)
            self.left.append(Unswitchable(name, _OF_NUMPY if outside else _OUTSIDE, refused=True))

    def _is_random_op(self, record: RecordedDraw, run: Recorder) -> bool:
        """True if a draw gets masks: it accepts them, and the caller does not keep it off."""
        return _module_of(record) not in self.look.keep_off and self._may_be_random_op(record, run)

    def _random_ops_in(self, run: Recorder) -> list[tuple[tuple[str, str], float]]:
        """Keys and rates of the draws of a run that get masks."""
        return [(record.key, record.draw.rate) for record in run.records if self._is_random_op(record, run)]

    def _may_be_random_op(self, record: RecordedDraw, run: Recorder) -> bool:
        """True if a draw accepts masks; see `howsure.adapters.torch.classify_draws`."""
        use, kind = run.uses.get(record.number), record.draw.kind
        if use is not None and use.kind in _CHOOSING:
            return record.key in self.always
        if kind == UNIFORM and use is not None and use.kind == MASK:
            return use.differs
        if kind == NORMAL and use is not None and use.kind == ADDED and record.key not in self._of_weights:
            return self.look.gaussian_noise
        if kind == UNIFORM:
            return record.key in self.always
        return kind in (DROPOUT, NORMAL)

    def _noise_of_weights(self, trained: Recorder) -> frozenset[tuple[str, str]]:
        """The draws of normal numbers whose shape does not depend on the number of rows.

        If the draws for another number of rows are different ones, none count as noise of weights.
        """
        normal = [record for record in trained.records if record.draw.kind == NORMAL]
        if not normal:
            return frozenset()
        others = self.look.try_out(_identities(self._everything), UNEVEN)[0].records
        if [record.key for record in trained.records] != [record.key for record in others]:
            return frozenset()
        return frozenset(
            record.key for record in normal if record.draw.shape == others[record.number].draw.shape
        )

    def _least_flags(
        self, random_ops: Sequence[RecordedDraw], trained: Recorder
    ) -> tuple[frozenset[int], Tensor, Recorder] | None:
        """The fewest training flags with which every draw of training occurs, and a run with them.

        None if no choice works. If predicting calls other modules than training, as in `TransformerEncoder`,
        the flags of parents are likely to matter, and are tried first; they are kept if a pass with the mean
        in place of each draw equals the prediction.
        """
        fallback, lines = None, {record.key: record.line for record in trained.records}
        expected = self._random_ops_in(trained)
        own = {id(record.module) for record in random_ops} - self._kept_off
        around = {id(module) for record in random_ops for module in record.around} - self._kept_off
        failed = "with no combination of flags it draws again what it draws in training"
        called = {id(call.module) for call in self.look.predicted.calls}
        choices = (own, around) if own <= called else (around, own)
        for flags in dict.fromkeys(map(frozenset, (*choices, _identities(self._everything)))):
            try:
                output, run = self.look.note(flags)
                for number, record in enumerate(run.records):
                    run.records[number] = replace(record, line=lines.get(record.key, record.line))
            except Exception as error:  # flags that the module does not support, or another output
                failed = in_words(error)
                continue
            if self._random_ops_in(run) == expected:
                if own <= called or same(output, self.plain):
                    return flags, output, run
                fallback = fallback or (flags, output, run)
        if fallback is not None:
            return fallback
        self._refuse(random_ops[0], f"it cannot be told apart from what else training does ({failed})")
        return None

    def _leave(self, draws: Sequence[RecordedDraw], run: Recorder) -> None:
        """Report draws of training that stay as in predicting."""
        for record in draws:
            if record.key in self._refused or _module_of(record) in self.look.keep_off:
                continue
            use = run.uses.get(record.number)
            if use is not None and not use.differs:
                continue
            what = f"{record.in_words} is no dropout, as far as can be seen"
            if use is not None and use.kind in _CHOOSING:
                what = f"{record.in_words} {_CHOOSING[use.kind]}"
            elif record.draw.kind == NORMAL:
                what = f"{record.in_words} adds noise, which is random with MCDropout(gaussian_noise=True)"
            self.left.append(Unswitchable(record.name, what, refused=False))

    def _placed(self, training: frozenset[int], output: Tensor, run: Recorder) -> PassForm:
        """Find where the masks of each random op go, and try them out."""
        passes = PassForm(training=training, calls=tuple(run.calls), largest=run.largest, of_pass=run.work)
        beside, more = self.look.note(training, UNEVEN)
        drawn: list[Place | float | None] = []
        random_ops = 0
        alike = len(more.records) == len(run.records)
        for number, record in enumerate(run.records):
            if not self._is_random_op(record, run):
                drawn.append(stand_in(record.draw))
                continue
            place = None
            if alike:
                other, use = more.records[number].draw, run.uses.get(number)
                place = place_of(random_ops, record.name, record.draw, other, (ROWS, UNEVEN), use)
            if place is None:
                self._refuse(record, BY_LENGTH)
                return replace(passes, left=tuple(self.left))
            random_ops += 1
            drawn.append(place)
        if any(isinstance(place, Place) and place.axis is None for place in drawn):
            # Draws for one of the rows alone also have the same shape for `ROWS` and for `UNEVEN` rows.
            shapes = [record.draw.shape for record in self.look.watch(training, middle, TWICE)[1].records]
            for record, where, shape in zip(run.records, drawn, shapes, strict=False):
                if isinstance(where, Place) and where.axis is None and record.draw.shape != shape:
                    self._refuse(record, BY_LENGTH)
                    return replace(passes, left=tuple(self.left))
        choosing = {number for number, use in run.uses.items() if use.kind in _CHOOSING}
        check = EquivalenceCheck(self.look, training, drawn, run.records, choosing)
        settled = same(output, self.plain) and same(beside, self.plain[[0, 1, 1]])
        problem = check.problem(settled)
        if problem is not None:
            self._refuse(*problem)
        else:
            fixed = [number for number, place in enumerate(drawn) if isinstance(place, float)]
            self._leave([run.records[number] for number in fixed], run)
        return replace(
            passes,
            places=tuple(place for place in check.drawn if isinstance(place, Place)),
            drawn=tuple(check.drawn),
            draws=tuple(record.draw.without_tensors for record in run.records),
            reference=replace(check.reference, notes=(run.notes, more.notes)) if problem is None else None,
            left=tuple(self.left),
            foldable=problem is None and check.foldable,
        )

    def _refuse(self, record: RecordedDraw, what: str) -> None:
        self._refused.add(record.key)
        self.left.append(Unswitchable(record.name, f"{record.in_words}: {what}", refused=True))


def _module_of(record: RecordedDraw) -> str:
    """The path of the module that drew, without call and draw numbers."""
    return record.name.partition(":")[0].partition("#")[0]


def _identities(modules: Collection[nn.Module]) -> frozenset[int]:
    return frozenset(map(id, modules))


def in_words(error: Exception) -> str:
    """An error in a few words."""
    if isinstance(error, HowsureError):
        return error.what[:1].lower() + error.what[1:]
    return f"{type(error).__name__}: {' '.join(str(error).split()):.120}"
