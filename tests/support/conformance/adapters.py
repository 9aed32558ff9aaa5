"""The promises of every adapter, which `howsure.adapters.protocol` makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from howsure.adapters.protocol import (
    FLOAT32,
    FeatureModel,
    MemberModel,
    Model,
    PassModel,
)
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import InputSpec
from howsure.random_ops import BERNOULLI_KINDS, DRAWN, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE
from howsure.sampling.masks import draw
from tests.support.conformance.outcomes import require

Array = NDArray[Any]

ROUNDING = 64.0
"""How many times float32's rounding error, of the largest output, two ways to one number may differ."""

DRAWS = 12
"""Masks that are tried at a random op before it is said to change nothing."""

FACTORS = (2, 3, 2)
"""How many masks the first levels get for each one of the level before, where all of them branch."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda logits: logits,
    "sigmoid": expit,
    "softmax": lambda logits: np.asarray(softmax(logits, axis=-1)),
    "log_softmax": lambda logits: np.asarray(log_softmax(logits, axis=-1)),
}


def check_adapter(
    make_model: Callable[[], Model], rows: Sequence[Array], *, rounding: float = ROUNDING
) -> tuple[str, ...]:
    """Check all that the protocols which an adapter satisfies promise.

    Args:
        make_model: Makes the adapter, each time of the same network. Every random op should matter to its
            output.
        rows: For each input (n, …) in its type, n ≥ 2 different rows; as many as `info.fixed_batch` says,
            where it does. From F + 2 rows on, F being the features, the last layer is checked to be linear.
        rounding: How many times float32's rounding error, of the largest output, two ways to the same number
            may differ. Deep networks need more than the default.

    Returns:
        The names of the protocols it keeps to: `Model`, `PassModel`, `FeatureModel`, `MemberModel`.

    Raises:
        AssertionError: A promise is broken.
        InputError: The rows cannot be used for these checks.
    """
    model = make_model()
    require(isinstance(model, Model), "An adapter has all that `Model` names", type(model).__name__)
    fixed = model.info.fixed_batch
    if not rows or len(rows[0]) < 2 or fixed not in (None, len(rows[0])):
        raise InputError(
            "These rows cannot be used to check an adapter",
            expected="at least 2" if fixed is None else f"{fixed}, the only number of rows that it takes",
            received=f"{len(rows[0])} rows" if rows else "none",
        )
    before = [array.copy() for array in rows]
    kept = ["Model"]
    check_info(model, rows)
    check_predict(model, rows, rounding)
    if isinstance(model, PassModel):
        check_levels(model)
        check_limits(model)
        if len(model.levels) > 1:
            for check in (
                check_passes,
                check_random_ops,
                check_trunk,
                check_rows_of_passes,
                check_precisions,
            ):
                check(Subject(model, rows, rounding))
        kept.append("PassModel")
    if isinstance(model, FeatureModel) and check_features(model, rows, rounding):
        kept.append("FeatureModel")
    if isinstance(model, MemberModel):
        check_members(model, rows, rounding)
        kept.append("MemberModel")
    check_made_anew(model, make_model(), rows, rounding)
    unchanged = all(map(np.array_equal, before, rows))
    require(unchanged, "The caller's rows stay as they are")
    return tuple(kept)


def require_near(one: Array, other: Array, rounding: float, promise: str) -> None:
    """The same for two arrays that are to be equal but for rounding."""
    require(one.shape == other.shape, promise, f"shapes {one.shape} and {other.shape}")
    unit = float(np.finfo(np.float32).eps) * max(float(np.max(np.abs(other), initial=0.0)), 1e-30)
    off = float(np.max(np.abs(one.astype(np.float64) - other), initial=0.0)) / unit
    require(off <= rounding, promise, f"a difference of {off:.3g} times float32's rounding error")


# --- any model ----------------------------------------------------------------------------------------


def check_info(model: Model, rows: Sequence[Array]) -> None:
    """The facts are complete, and fit the rows."""
    info = model.info
    require(info.name and info.framework, "`info` names model and framework", [info.name, info.framework])
    require(
        all(isinstance(spec, InputSpec) for spec in info.inputs) and len(info.inputs) == len(rows),
        f"`info.inputs` holds one InputSpec for each of the {len(rows)} inputs",
        info.inputs,
    )
    names = [spec.name for spec in info.inputs]
    require(len(set(names)) == len(names), "Inputs have different names", names)
    for spec, array in zip(info.inputs, rows, strict=True):
        fits = len(spec.shape) == array.ndim - 1
        sides = zip(spec.shape, array.shape[1:], strict=False)
        fits = fits and all(wanted in (None, side) for wanted, side in sides)
        require(fits, f"Input '{spec.name}' takes rows of shape {spec.shape}", array.shape)
        require(spec.dtype == str(array.dtype), f"Input '{spec.name}' takes {spec.dtype}", array.dtype)
    require(info.layers, "`info.layers` holds every layer call", info.layers)
    names = [layer.name for layer in info.layers]
    require(len(set(names)) == len(names), "Layer calls have different names", names)
    for layer in info.layers:
        require(layer.repeated or layer.random is None, f"Random layer '{layer.name}' is repeated")


def check_predict(model: Model, rows: Sequence[Array], rounding: float) -> None:
    """Plain predictions have their shape, come again bit for bit, and depend on their own row alone."""
    outputs = model.predict(rows)
    kind = _kind_of(model)
    _check_outputs(outputs, (len(rows[0]), *model.info.output_shape), "Plain predictions", kind)
    require(np.array_equal(outputs, model.predict(rows)), "A plain prediction comes again bit for bit")
    fixed = model.info.fixed_batch
    for positions, where in _orders(len(rows[0]), fixed):
        again = model.predict([array[positions] for array in rows])
        promise = f"The plain prediction of a row is the same {where}"
        require_near(again, outputs[positions], rounding, promise)


def check_made_anew(model: Model, anew: Model, rows: Sequence[Array], rounding: float) -> None:
    """An adapter that has been used gives what a new one of the same network gives."""
    promise = "The values of an adapter do not depend on what it did before"
    require_near(anew.predict(rows), model.predict(rows), rounding, promise)
    if isinstance(model, PassModel) and isinstance(anew, PassModel) and len(model.levels) > 1:
        subjects = [Subject(one, rows, rounding) for one in (anew, model)]
        masks = subjects[0].draw([1] * len(subjects[0].widest))
        one, other = (subject.run(masks) for subject in subjects)
        require_near(one, other, rounding, promise)


# --- passes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A model, rows, and the masks to check it with.

    Attributes:
        model: The model; something in it is random.
        rows: For each input (n, …).
        rounding: How many rounding errors two ways to the same number may differ.
    """

    model: PassModel
    rows: Sequence[Array]
    rounding: float

    @property
    def widest(self) -> list[int]:
        """For each level, from 1, how many passes are told apart where all of the first levels branch."""
        levels = len(self.model.levels) - 1
        factors = (*FACTORS, *[1] * levels)[:levels]
        return [int(width) for width in np.cumprod(factors)]

    @property
    def ways_to_branch(self) -> list[list[int]]:
        """The same with each level branching alone, then all of the first, as far as `limits.fold` allows."""
        levels = len(self.model.levels) - 1
        ways = [[1] * level + [3] * (levels - level) for level in range(levels)]
        size = len(self.rows[0]) * max(level.size for level in self.model.levels)
        fold = self.model.limits.fold or 0
        return [widths for widths in (*ways, self.widest) if widths[-1] * size <= fold]

    def draw(self, widths: Sequence[int]) -> list[Array]:
        """Independent masks for every random op, so many at each level."""
        return [
            np.concatenate([draw(op, seed=0, group=group, size=1) for group in range(width)])
            for level, width in zip(self.model.levels[1:], widths, strict=True)
            for op in level.random_ops
        ]

    def run(self, masks: Sequence[Array], trunk: Any = None) -> Array:
        """Outputs (W, n, …) with these masks, of the model's rows or another trunk."""
        before = [mask.copy() for mask in masks]
        trunk = self.model.trunk(self.rows) if trunk is None else trunk
        outputs = self.model.thin(masks)(trunk)
        shape = (len(masks[-1]), len(trunk), *self.model.info.output_shape)
        _check_outputs(outputs, shape, "Passes", _kind_of(self.model))
        require(all(map(np.array_equal, before, masks)), "The caller's masks stay as they are")
        return outputs


def check_levels(model: PassModel) -> None:
    """Levels hold the random ops in order, and their costs add up."""
    levels = model.levels
    require(
        levels and levels[0].random_ops == (),
        "Level 0 is shared by all passes and has no random ops",
        levels[:1],
    )
    require(all(level.random_ops for level in levels[1:]), "Every level but the first has random ops", levels)
    random_ops = [op for level in levels for op in level.random_ops]
    numbers = [op.number for op in random_ops]
    require(
        numbers == list(range(len(random_ops))), "Random ops are numbered in the order of execution", numbers
    )
    for op in random_ops:
        most = dict.fromkeys(BERNOULLI_KINDS, float(np.nextafter(1, 0))) | {DROPOUT: 1.0}
        most |= {kind: distribution.most for kind, distribution in DRAWN.items()}
        can_be_drawn = 0 < op.rate <= most.get(op.kind, 0.0)
        require(can_be_drawn, "A random op has a kind and a rate that can be drawn", op)
    random = {layer.name for layer in model.info.layers if layer.random is not None}
    names = [op.name for op in random_ops]
    require(len(set(names)) == len(names), "Random ops have different names", names)
    drawing = {name.partition(":")[0] for name in names}
    require(random == drawing, "The random layers of `info` are the random ops", [sorted(random), names])
    repeated = [layer.name for layer in model.info.layers if layer.repeated]
    require(random_ops or not repeated, "Without random ops no layer is repeated", repeated)
    costs = [level.cost for level in levels]
    right = all(0 <= cost < np.inf for cost in costs) and sum(costs) > 1 - 1e-6
    require(right, "The levels' costs are in plain predictions and add up to 1 or more", costs)
    sizes = [level.size for level in levels]
    enough = min(sizes) >= 1 and max(sizes) >= np.prod(model.info.output_shape)
    require(enough, "The levels' sizes are those of their largest tensors, the output among them", sizes)


def check_limits(model: PassModel) -> None:
    """Limits are positive, and passes can run in float32."""
    limits = model.limits
    require(min(limits.trunk, limits.trunk_size, limits.fold or 1) >= 1, "Limits are at least 1", limits)
    require(FLOAT32 in limits.precisions, "Passes can run in float32", limits.precisions)


def check_passes(subject: Subject) -> None:
    """Passes that run together give what each gives alone, and come again bit for bit."""
    trunk = subject.model.trunk(subject.rows)
    for widths in (*subject.ways_to_branch, [1] * len(subject.widest)):
        masks = subject.draw(widths)
        thinned = subject.model.thin(masks)
        together = thinned(trunk)
        again = np.array_equal(together, thinned(trunk))
        require(again and np.array_equal(together, subject.run(masks)), "Same masks, same bits", widths)
        for number, one in enumerate(together):
            alone = subject.run([mask[[number * len(mask) // widths[-1]]] for mask in masks], trunk)
            promise = f"Pass {number} of {widths[-1]} (by level: {widths}) gives what it gives alone"
            require_near(one, alone[0], subject.rounding, promise)


def check_random_ops(subject: Subject) -> None:
    """The masks of each random op matter; noise that changes nothing gives the plain prediction."""
    random_ops = [op for level in subject.model.levels for op in level.random_ops]
    trunk = subject.model.trunk(subject.rows)
    masks = subject.draw([1] * len(subject.widest))
    first = subject.run(masks, trunk)
    for op in random_ops:
        if op.kind == DROPOUT and op.rate == 1:
            continue  # whatever its mask, nothing comes through
        # Any mask of such a random op is a thinned network; drawn at 1/2 they differ most.
        likely = replace(op, rate=0.5) if op.kind in BERNOULLI_KINDS else op
        others = [draw(likely, seed=1, group=group, size=1) for group in range(DRAWS)]
        changed = (
            not np.array_equal(
                first, subject.run([*masks[: op.number], mask, *masks[op.number + 1 :]], trunk)
            )
            for mask in others
        )
        require(any(changed), f"The masks of random op '{op.name}' change the outputs")
    if all(op.kind in (GAUSSIAN_DROPOUT, GAUSSIAN_NOISE) for op in random_ops):
        promise = "Factors of 1 and summands of 0 give the plain prediction"
        means = [np.full((1, *op.shape), op.kind == GAUSSIAN_DROPOUT, np.float32) for op in random_ops]
        neutral = subject.run(means, trunk)[0]
        require_near(neutral, subject.model.predict(subject.rows), subject.rounding, promise)


def check_trunk(subject: Subject) -> None:
    """A trunk of some rows, or of several trunks, is that of these rows computed afresh."""
    count = len(subject.rows[0])
    masks = subject.draw([1] * len(subject.widest))
    backwards = np.arange(count)[::-1].copy()
    one, other = (
        subject.model.trunk([array[at] for array in subject.rows]) for at in (slice(None), backwards)
    )
    require(len(one) == count, f"A trunk of {count} rows has that length", len(one))
    first, second = subject.run(masks, one), subject.run(masks, other)
    for positions, where in _orders(count, subject.model.info.fixed_batch):
        taken = one.take(positions)
        require(len(taken) == len(positions), "`take` gives as many rows as positions", len(taken))
        promise = f"`take` gives the trunk of the rows at its positions, {where}"
        require_near(subject.run(masks, taken), first[:, positions], subject.rounding, promise)
    joined = one.join([other, other])
    require(len(joined) == 3 * count, "`join` gives the rows of all trunks", len(joined))
    for number, expected in enumerate((first, second, second)):
        part = joined.take(np.arange(number * count, (number + 1) * count))
        promise = "`join` gives the rows of all trunks, in order"
        require_near(subject.run(masks, part), expected, subject.rounding, promise)
    require(np.array_equal(subject.run(masks, one), first), "A trunk stays as it is")


def check_rows_of_passes(subject: Subject) -> None:
    """The outputs of a pass for a row depend on no other row."""
    masks = subject.draw((subject.ways_to_branch or [[1] * len(subject.widest)])[-1])
    outputs = subject.run(masks)
    for positions, where in _orders(len(subject.rows[0]), subject.model.info.fixed_batch):
        trunk = subject.model.trunk([array[positions] for array in subject.rows])
        promise = f"A pass gives a row the same {where}"
        require_near(subject.run(masks, trunk), outputs[:, positions], subject.rounding, promise)


def check_precisions(subject: Subject) -> None:
    """Passes run in every precision that is offered, and in float32 they are the same."""
    masks = subject.draw([1] * len(subject.widest))
    outputs = subject.run(masks)
    for precision in subject.model.limits.precisions:
        other = subject.model.in_precision(precision)
        promise = f"In {precision} a model has the same levels"
        require(isinstance(other, PassModel) and other.levels == subject.model.levels, promise)
        reduced = Subject(other, subject.rows, subject.rounding).run(masks)
        if precision == FLOAT32:
            require_near(reduced, outputs, subject.rounding, "In float32 passes give the same")


# --- features -----------------------------------------------------------------------------------------


def check_features(model: FeatureModel, rows: Sequence[Array], rounding: float) -> bool:
    """Features lead to the plain prediction by one linear layer; False where the model ends otherwise."""
    try:
        features, logits = model.features(rows)
    except ModelError:
        return False
    count, shape = len(rows[0]), model.info.output_shape
    require(len(shape) == 1, "A model with features puts out one number for each class", shape)
    require(features.ndim == 2, "Features have the shape (n, F)", features.shape)
    _check_outputs(features, (count, features.shape[1]), "Features", _kind_of(model))
    _check_outputs(logits, (count, *shape), "What the last layer makes of them", _kind_of(model))
    activation = ACTIVATIONS.get(model.info.ending or "")
    if activation is not None:
        promise = f"The {model.info.ending} of what the last layer gives is the plain prediction"
        require_near(activation(logits), model.predict(rows), rounding, promise)
    if count >= features.shape[1] + 2:
        known = np.column_stack([features, np.ones(count)]).astype(np.float64)
        weights = np.linalg.lstsq(known, logits.astype(np.float64), rcond=None)[0]
        require_near(known @ weights, logits, rounding, "The last layer is linear in its features")
    return True


# --- members ------------------------------------------------------------------------------------------


def check_members(model: MemberModel, rows: Sequence[Array], rounding: float) -> None:
    """The prediction is the mean over members, and what a member says of a row depends on no other."""
    require(model.members >= 2, "There are at least 2 members", model.members)
    outputs = model.ask_members(rows)
    shape = (model.members, len(rows[0]), *model.info.output_shape)
    _check_outputs(outputs, shape, "Answers of members", _kind_of(model))
    require(np.array_equal(outputs, model.ask_members(rows)), "Members say the same again, bit for bit")
    promise = "The mean over members is the plain prediction"
    require_near(outputs.mean(axis=0, dtype=np.float64), model.predict(rows), rounding, promise)
    for positions, where in _orders(len(rows[0]), model.info.fixed_batch):
        again = model.ask_members([array[positions] for array in rows])
        promise = f"The answers of members for a row are the same {where}"
        require_near(again, outputs[:, positions], rounding, promise)


# --- shared -------------------------------------------------------------------------------------------


def _kind_of(model: Model) -> Any:
    """Type of the outputs of a model: float64 where it computes in float64."""
    return np.float64 if model.info.output_dtype == "float64" else np.float32


def _check_outputs(outputs: Array, shape: tuple[int, ...], what: str, kind: Any) -> None:
    require(isinstance(outputs, np.ndarray), f"{what} are a numpy array", type(outputs).__name__)
    require(outputs.shape == shape, f"{what} have the shape {shape}", outputs.shape)
    require(outputs.dtype == kind, f"{what} are {np.dtype(kind)}", outputs.dtype)
    require(np.isfinite(outputs).all(), f"{what} are finite", outputs)


def _orders(count: int, fixed: int | None) -> list[tuple[NDArray[np.int64], str]]:
    """Positions of rows, and in words what is different about them."""
    orders = [
        (np.array([count - 1]), "alone"),
        (np.arange(count)[::-1], "in another order"),
        (np.array([0, count - 1, 0]), "next to others"),
    ]
    # Repeated up to the one number of rows, where there is one.
    return [(np.resize(positions, fixed or len(positions)), where) for positions, where in orders]
