"""Find the training flags that passes need, the draws in them, and the draws that stay as in predicting."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from howsure.adapters.protocol import Unswitchable, check_kept_off
from howsure.adapters.torch.classify_draws import ADDED, BRANCH, CHOICE, COMPARED, MASK, SEVERAL
from howsure.adapters.torch.draws import Draw, Place, place_of
from howsure.adapters.torch.dry_run import OFTEN, ROWS, TWICE, UNEVEN, DryRun, alike, middle, same, stand_in
from howsure.adapters.torch.equivalence_check import BY_LENGTH, Trial, Tried
from howsure.adapters.torch.inputs import name_of
from howsure.adapters.torch.recorder import ModuleCall, Seen, Watching
from howsure.adapters.torch.snapshot import numbers_drawn_elsewhere
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
_OF_THEIR_OWN = "its numbers have rates of their own, and masks are given for one rate alone"
_WITHOUT_MASKS = {
    COMPARED: "its numbers are compared with more than one rate, and masks are given for one rate alone",
    SEVERAL: "more than one mask is made of its numbers, or something else beside it",
}
"""Why random numbers of training accept no masks, by the use that the module makes of them."""
_CHOOSING = {
    BRANCH: "chooses a branch, as augmentation and dropped layers do",
    CHOICE: "chooses between inputs, as augmentation does",
}
"""Uses of drawn numbers that stay as in predicting, in words."""

_NORMS = nn.modules.batchnorm._NormBase


@dataclass(frozen=True, eq=False, kw_only=True)
class Passes:
    """What a pass of a module is.

    Attributes:
        training: Identities of the modules whose training flags are on in passes.
        places: For each random op, in order, where its masks go.
        drawn: For each draw of a pass, in order: the place of a random op, or the number that replaces it.
        draws: Each of these draws, as recorded with `ROWS` rows.
        tried: Passes that were run, with which passes that run level by level are compared; else None.
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
    tried: Tried | None = None
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
        self.always = {each.key for each in look.predicted.seen}
        self._the_same = set(look.predicted.the_same)
        self.left: list[Unswitchable] = list(baked_in(look.module))
        self._refused: set[tuple[str, str]] = set()
        self._trained_to: Any = None
        self._of_weights: frozenset[tuple[str, str]] = frozenset()
        module = look.module
        self._kept_off = look.kept_off()
        self._everything = [
            each
            for each in module.modules()
            if not isinstance(each, _NORMS) and id(each) not in self._kept_off
        ]
        self._norms = [each for each in module.modules() if isinstance(each, _NORMS)]

    def found(self) -> Passes:
        """Search, and return everything found."""
        trained = self._trained()
        self._of_weights = self._noise_of_weights(trained)
        for state, each in trained.the_same.items():
            if state not in self._the_same:
                self._refuse(each, _THE_SAME)
        self._refuse_what_norms_draw(trained)
        self._refuse_what_is_drawn_elsewhere(trained)
        random = {_module_of(each) for each in trained.seen if self._may_be_site(each, trained)}
        check_kept_off(self.look.keep_off, random)
        random_ops = [each for each in trained.seen if self._is_random_op(each, trained)]
        for each in trained.seen:
            use = trained.uses.get(each.number)
            why = _WITHOUT_MASKS.get("" if use is None else use.kind)
            if each.draw.function in _ZEROS_AND_ONES and each.draw.kind is None:
                why = _OF_THEIR_OWN
            if why is not None:
                self._refuse(each, why)
        kept = self._draws_kept_off(trained)
        if not random_ops:
            self.left += [Unswitchable(each.name, f"{each.in_words}: {KEPT_OFF}", False) for each in kept]
            self._leave([each for each in trained.seen if each.key not in self.always], trained)
            return Passes(left=tuple(self.left))
        least = self._least_flags(random_ops, trained)
        if least is None:
            return Passes(left=tuple(self.left))
        training, output, seen = least
        in_passes = {each.key for each in seen.seen}
        self._leave([each for each in trained.seen if each.key not in in_passes | self.always], trained)
        return replace(self._placed(training, output, seen), kept_off=frozenset(each.name for each in kept))

    def _trained(self) -> Watching:
        """A run as in training, as far as it gets; its output does not matter."""
        flags = _identities(self._everything)
        self.look.draws_outside()
        seen, error, self._trained_to = self.look.try_out(flags)
        if seen.seeded:
            self.look.find_fixed(flags)
            seen, error, self._trained_to = self.look.try_out(flags)
        if self.look.draws_once(flags):
            self.left.append(Unswitchable(name_of(self.look.module), _KEPT, refused=True))
        if error is None:
            return seen
        name = name_of(self.look.module)
        what = f"it fails when it runs as in training ({in_words(error)})"
        self.left.append(Unswitchable(name, f"{what}, so what it draws itself stays off", refused=False))
        inside = [each for each in self._everything if each is not self.look.module]
        leaves = [each for each in inside if not next(each.children(), None)]
        for some in (inside, leaves):
            again, error, _ = self.look.try_out(_identities(some))
            if error is None:
                return again
        return seen

    def _draws_kept_off(self, trained: Watching) -> list[Seen]:
        """Draws that occur only in modules that the module's own `train()` leaves in eval mode."""
        if not self._kept_off:
            return []
        flags = _identities(self._everything) | self._kept_off - _identities(self._norms)
        known = self.always | {each.key for each in trained.seen}
        return [each for each in self.look.try_out(flags)[0].seen if each.key not in known]

    def _refuse_what_norms_draw(self, trained: Watching) -> None:
        """Refuse draws that occur only if norms outside PyTorch's own classes are in training mode."""
        others = [
            each
            for each in self._norms
            if type(each).__module__.partition(".")[0] != "torch" and id(each) not in self._kept_off
        ]
        if not others:
            return
        seen, _, _ = self.look.try_out(_identities([*self._everything, *others]))
        known = self.always | {each.key for each in trained.seen}
        for each in seen.seen:
            if each.key not in known:
                self._refuse(each, _OF_A_NORM)

    def _refuse_what_is_drawn_elsewhere(self, trained: Watching) -> None:
        """Refuse a module that draws outside PyTorch in training but not in predicting."""
        outside = self.look.draws_outside()
        if not outside and self.look.predicts(self._trained_to):
            return
        flags, name = _identities(self._everything), name_of(self.look.module)
        before = numbers_drawn_elsewhere()
        after, output = self.look.elsewhere(flags)
        for _ in range(OFTEN if outside else 0):
            if alike(self._trained_to, output):
                output = self.look.elsewhere(flags)[1]
        if after != before and after != self._after_predicting:
            alone = (each for each in self._everything if self._moves_seeds(each))
            name, what = self.look.names[id(next(alone, self.look.module))], _OF_NUMPY
        elif all(each.draw.kind is not None for each in trained.seen) and not alike(self._trained_to, output):
            what = _OF_NUMPY if after != before else _OUTSIDE
        else:
            return
        self.left.append(Unswitchable(name, what, refused=True))

    @functools.cached_property
    def _after_predicting(self) -> tuple[str, str]:
        """States of Python's and numpy's generators after a prediction, from their present states."""
        return self.look.elsewhere(())[0]

    def _moves_seeds(self, module: nn.Module) -> bool:
        """True if this module alone draws with numpy or Python in training."""
        return self.look.elsewhere({id(module)})[0] != self._after_predicting

    def _is_random_op(self, seen: Seen, run: Watching) -> bool:
        """True if a draw gets masks: it accepts them, and the caller does not keep it off."""
        return _module_of(seen) not in self.look.keep_off and self._may_be_site(seen, run)

    def _may_be_site(self, seen: Seen, run: Watching) -> bool:
        """True if a draw accepts masks; see `howsure.adapters.torch.classify_draws`."""
        use, kind = run.uses.get(seen.number), seen.draw.kind
        if use is not None and use.kind in _CHOOSING:
            return seen.key in self.always
        if kind == UNIFORM and use is not None and use.kind == MASK:
            return use.differs
        if kind == NORMAL and use is not None and use.kind == ADDED and seen.key not in self._of_weights:
            return self.look.gaussian_noise
        if kind == UNIFORM:
            return seen.key in self.always
        return kind in (DROPOUT, NORMAL)

    def _noise_of_weights(self, trained: Watching) -> frozenset[tuple[str, str]]:
        """The draws of normal numbers whose shape does not depend on the number of rows.

        If the draws for another number of rows are different ones, none count as noise of weights.
        """
        normal = [each for each in trained.seen if each.draw.kind == NORMAL]
        if not normal:
            return frozenset()
        others = self.look.try_out(_identities(self._everything), UNEVEN)[0].seen
        if [each.key for each in trained.seen] != [each.key for each in others]:
            return frozenset()
        return frozenset(each.key for each in normal if each.draw.shape == others[each.number].draw.shape)

    def _least_flags(
        self, random_ops: Sequence[Seen], trained: Watching
    ) -> tuple[frozenset[int], Tensor, Watching] | None:
        """The fewest training flags with which every draw of training occurs, and a run with them.

        None if no choice works. If predicting calls other modules than training, as in `TransformerEncoder`,
        the flags of parents are likely to matter, and are tried first; they are kept if a pass with the mean
        in place of each draw equals the prediction.
        """
        found, lines = None, {each.key: each.line for each in trained.seen}
        wanted = [(each.key, each.draw.rate) for each in random_ops]
        own = {id(each.module) for each in random_ops} - self._kept_off
        around = {id(one) for each in random_ops for one in each.around} - self._kept_off
        failed = "with no combination of flags it draws again what it draws in training"
        called = {id(each.module) for each in self.look.predicted.calls}
        choices = (own, around) if own <= called else (around, own)
        for flags in dict.fromkeys(map(frozenset, (*choices, _identities(self._everything)))):
            try:
                output, seen = self.look.note(flags)
                seen.seen = [replace(each, line=lines.get(each.key, each.line)) for each in seen.seen]
            except Exception as error:  # flags that the module does not support, or another output
                failed = in_words(error)
                continue
            if [(each.key, each.draw.rate) for each in seen.seen if self._is_random_op(each, seen)] == wanted:
                if own <= called or same(output, self.plain):
                    return flags, output, seen
                found = found or (flags, output, seen)
        if found is not None:
            return found
        self._refuse(random_ops[0], f"it cannot be told apart from what else training does ({failed})")
        return None

    def _leave(self, draws: Sequence[Seen], run: Watching) -> None:
        """Report draws of training that stay as in predicting."""
        for each in draws:
            if each.key in self._refused or _module_of(each) in self.look.keep_off:
                continue
            use = run.uses.get(each.number)
            if use is not None and not use.differs:
                continue
            what = f"{each.in_words} is no dropout, as far as can be seen"
            if use is not None and use.kind in _CHOOSING:
                what = f"{each.in_words} {_CHOOSING[use.kind]}"
            elif each.draw.kind == NORMAL:
                what = f"{each.in_words} adds noise, which is random with MCDropout(gaussian_noise=True)"
            self.left.append(Unswitchable(each.name, what, refused=False))

    def _placed(self, training: frozenset[int], output: Tensor, seen: Watching) -> Passes:
        """Find where the masks of each random op go, and try them out."""
        found = Passes(training=training, calls=tuple(seen.calls), largest=seen.largest, of_pass=seen.work)
        beside, more = self.look.note(training, UNEVEN)
        drawn: list[Place | float | None] = []
        random_ops = 0
        alike = len(more.seen) == len(seen.seen)
        for number, each in enumerate(seen.seen):
            if not self._is_random_op(each, seen):
                drawn.append(stand_in(each.draw))
                continue
            place = None
            if alike:
                other, use = more.seen[number].draw, seen.uses.get(number)
                place = place_of(random_ops, each.name, each.draw, other, (ROWS, UNEVEN), use)
            if place is None:
                self._refuse(each, BY_LENGTH)
                return replace(found, left=tuple(self.left))
            random_ops += 1
            drawn.append(place)
        if any(isinstance(each, Place) and each.axis is None for each in drawn):
            # Draws for one of the rows alone also have the same shape for `ROWS` and for `UNEVEN` rows.
            shapes = [each.draw.shape for each in self.look.watch(training, middle, TWICE)[1].seen]
            for each, known, shape in zip(seen.seen, drawn, shapes, strict=False):
                if isinstance(known, Place) and known.axis is None and each.draw.shape != shape:
                    self._refuse(each, BY_LENGTH)
                    return replace(found, left=tuple(self.left))
        choosing = {number for number, use in seen.uses.items() if use.kind in _CHOOSING}
        trial = Trial(self.look, training, drawn, seen.seen, choosing)
        settled = same(output, self.plain) and same(beside, self.plain[[0, 1, 1]])
        problem = trial.problem(settled)
        if problem is not None:
            self._refuse(*problem)
        else:
            self._leave([seen.seen[number] for number in trial.kept_still], seen)
        return replace(
            found,
            places=tuple(each for each in trial.drawn if isinstance(each, Place)),
            drawn=tuple(trial.drawn),
            draws=tuple(each.draw.without_tensors for each in seen.seen),
            tried=replace(trial.tried, notes=(seen.notes, more.notes)) if problem is None else None,
            left=tuple(self.left),
            foldable=problem is None and trial.foldable,
        )

    def _refuse(self, seen: Seen, what: str) -> None:
        self._refused.add(seen.key)
        self.left.append(Unswitchable(seen.name, f"{seen.in_words}: {what}", refused=True))


def _module_of(seen: Seen) -> str:
    """The path of the module that drew, without call and draw numbers."""
    return seen.name.partition(":")[0].partition("#")[0]


def _identities(modules: Collection[nn.Module]) -> frozenset[int]:
    return frozenset(map(id, modules))


def in_words(error: Exception) -> str:
    """An error in a few words."""
    if isinstance(error, HowsureError):
        return error.what[:1].lower() + error.what[1:]
    return f"{type(error).__name__}: {' '.join(str(error).split()):.120}"


# --- dropout that was switched off for good -----------------------------------------------------------


_HINT = "Give the module that it was made from, with its weights, or do it again in training mode"


def baked_in(module: nn.Module) -> Iterator[Unswitchable]:
    """Dropout in a module that no training flag can switch on any more."""
    for path, each in module.named_modules():
        how = None
        if isinstance(each, torch.jit.ScriptModule) and _traced_off(each):
            how = "traced"
        elif isinstance(each, fx.GraphModule) and _exported_off(each):
            how = "exported"
        if how is not None:
            what = f"it was {how} in eval mode, which left its dropout switched off for good"
            yield Unswitchable(path or name_of(module), what, True, _HINT)
            return


def _traced_off(module: Any) -> bool:
    """True if the graph of a script contains dropout with a constant train=False."""
    graph = module.inlined_graph  # a variable, since its nodes live only as long as it
    for kind in ("aten::dropout", "aten::feature_dropout", "aten::alpha_dropout"):
        for node in graph.findAllNodes(kind):
            if list(node.inputs())[2].toIValue() is False:
                return True
    return False


def _exported_off(module: fx.GraphModule) -> bool:
    """True if an exported graph contains dropout with a constant train=False."""
    for node in module.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "")
        if "dropout" in name and len(node.args) > 2 and node.args[2] is False:
            return True
    return False
