"""An adapter that breaks a promise does not pass, and the message says which promise it is."""

from dataclasses import replace

import numpy as np
import pytest

from howsure.data.rows import InputSpec
from howsure.errors import InputError
from howsure.sites import GAUSSIAN_DROPOUT
from tests.support import arrays
from tests.support.arrays import ArrayModel, ArrayTrunk, Dropout
from tests.support.cases import gaussian, rows_of, skip, two_layers
from tests.support.conformance import check_adapter

INPUTS = [InputSpec("x", (4,), "float32")]


class Facts(ArrayModel):
    """One that says something else of itself."""

    def __init__(self, *args, info=None, limits=None, levels=None):
        super().__init__(*args)
        self.info = replace(self.info, **info or {})
        self.limits = replace(self.limits, **limits or {})
        self.levels = self.levels if levels is None else levels(self.levels)


class Outputs(ArrayModel):
    """One whose outputs of passes are changed by a function."""

    def __init__(self, *args, change):
        super().__init__(*args)
        self.change = change

    def thin(self, masks):
        passes = super().thin(masks)
        return lambda trunk: self.change(passes(trunk))


class Predictions(ArrayModel):
    """One whose plain predictions are changed by a function of them."""

    def __init__(self, *args, change):
        super().__init__(*args)
        self.change = change

    def predict(self, rows):
        return self.change(super().predict(rows))


class Masks(ArrayModel):
    """One that changes masks before it applies them."""

    def __init__(self, *args, change):
        super().__init__(*args)
        self.change = change

    def thin(self, masks):
        return super().thin(self.change(masks))


class Trunks(ArrayModel):
    """One whose trunks are of another class."""

    def __init__(self, *args, kind):
        super().__init__(*args)
        self.kind = kind

    def trunk(self, rows):
        return self.kind(super().trunk(rows).values)


class Shorter(ArrayTrunk):
    def __len__(self):
        return super().__len__() - 1


class Sorted(ArrayTrunk):
    def take(self, positions):
        return Sorted(super().take(np.sort(positions)).values)


class TakesAll(ArrayTrunk):
    def take(self, positions):
        return self


class JoinedBackwards(ArrayTrunk):
    def join(self, others):
        first, *rest = [*others[::-1], self]
        return JoinedBackwards(ArrayTrunk(first.values).join(rest).values)


class Used(ArrayTrunk):
    """A trunk that changes when rows of it are taken."""

    def take(self, positions):
        taken = super().take(positions)
        for value in self.values.values():
            value += 1e-3
        return Used(taken.values)


class Features(ArrayModel):
    """One whose features are changed by a function of features and logits."""

    def __init__(self, *args, change):
        super().__init__(*args)
        self.change = change

    def features(self, rows):
        return self.change(*super().features(rows))


class Remembers(ArrayModel):
    """One whose passes change once its features were read."""

    read = False

    def features(self, rows):
        self.read = True
        return super().features(rows)

    def thin(self, masks):
        passes = super().thin(masks)
        return lambda trunk: passes(trunk) + np.float32(1e-3 * self.read)


class Overwrites(ArrayModel):
    def features(self, rows):
        rows[0][0] = 0
        return super().features(rows)


class OtherPrecision(Outputs):
    def in_precision(self, precision):
        return Outputs("n", INPUTS, STEPS, change=lambda outputs: outputs * np.float32(1.001))


def in_place(masks):
    for mask in masks:
        mask[:] = True
    return masks


def last_alone(masks):
    return [np.ones_like(mask) for mask in masks[:-1]] + [masks[-1]]


def swapped(masks):
    return [mask[::-1] for mask in masks]


def with_sites(**changes):
    """What changes every site."""

    def change(levels):
        return (levels[0], *(replace(one, sites=(replace(one.sites[0], **changes),)) for one in levels[1:]))

    return change


def with_layers(info, **changes):
    return {"layers": tuple(replace(layer, **changes) for layer in info.layers)}


STEPS = two_layers(Dropout(0.4))
PLAIN = ArrayModel("n", INPUTS, STEPS)
BROKEN = {
    "names": (Facts, {"info": with_layers(PLAIN.info, name="layer")}, "Layer calls have different names"),
    "no name": (Facts, {"info": {"name": ""}}, "`info` names model and framework"),
    "no type": (Facts, {"info": {"output_dtype": ""}}, "`info.output_dtype` names a type of number"),
    "empty output": (
        Facts,
        {"info": {"output_shape": (0,)}},
        "`info.output_shape` holds sides of at least 1",
    ),
    "no kind": (Facts, {"info": with_layers(PLAIN.info, kind="")}, "Layer 'hidden' has a kind"),
    "below 0": (Facts, {"info": with_layers(PLAIN.info, multiply_adds=-1)}, "costs 0 or more"),
    "not repeated": (Facts, {"info": with_layers(PLAIN.info, repeated=False)}, "'drop' is repeated"),
    "not random": (Facts, {"info": with_layers(PLAIN.info, random=None)}, "random layers of `info` are the"),
    "site names": (Facts, {"levels": with_sites(name="drop")}, "Sites have different names"),
    "site kinds": (Facts, {"levels": with_sites(kind="drop")}, "a kind and a rate that can be drawn"),
    "site rates": (Facts, {"levels": with_sites(rate=0.0)}, "a kind and a rate that can be drawn"),
    "site shapes": (Facts, {"levels": with_sites(shape=(0,))}, "A site's mask has sides of at least 1"),
    "repeated without sites": (
        Facts,
        {"info": with_layers(PLAIN.info, random=None), "levels": lambda all_: (replace(all_[0], cost=1),)},
        "Without sites no layer is repeated",
    ),
    "precisions twice": (Facts, {"limits": {"precisions": ("float32",) * 2}}, "Precisions are named once"),
    "no layers": (Facts, {"info": {"layers": ()}}, "holds every layer call"),
    "inputs": (Facts, {"info": {"inputs": ()}}, "one InputSpec for each of the 1 inputs"),
    "input shape": (Facts, {"info": {"inputs": (InputSpec("x", (5,), "float32"),)}}, "takes rows of shape"),
    "input type": (Facts, {"info": {"inputs": (InputSpec("x", (4,), "int32"),)}}, "takes int32"),
    "output shape": (Facts, {"info": {"output_shape": (4,)}}, r"Plain predictions have the shape \(9, 4\)"),
    "trained for": (Facts, {"info": {"trained_for": "fun"}}, "`info.trained_for` is one of"),
    "ending": (Facts, {"info": {"ending": "sigmoid"}}, "The sigmoid of what the last layer gives"),
    "site numbers": (Facts, {"levels": with_sites(number=7)}, "numbered in the order of execution"),
    "costs": (Facts, {"levels": lambda all_: (all_[0], *all_)}, "Every level but the first has sites"),
    "level 0": (Facts, {"levels": lambda all_: all_[1:]}, "has no sites"),
    "a site is missing": (Facts, {"levels": lambda all_: all_[:2]}, "random layers of `info` are the sites"),
    "cost": (
        Facts,
        {"levels": lambda all_: (replace(all_[0], cost=0), *all_[1:])},
        "in plain predictions and add up to 1 or more",
    ),
    "size": (Facts, {"levels": lambda all_: tuple(replace(one, size=1) for one in all_)}, "largest tensors"),
    "limits": (Facts, {"limits": {"fold": 0}}, "Limits are at least 1"),
    "trunk size": (Facts, {"limits": {"trunk_size": None}}, "A trunk has a limit and a size"),
    "precisions": (Facts, {"limits": {"precisions": ("bfloat16",)}}, "Passes can run in float32"),
    "random predictions": (
        Predictions,
        {"change": lambda outputs: outputs + np.random.default_rng().random(dtype=np.float32)},
        "comes again bit for bit",
    ),
    "predictions of a batch": (
        Predictions,
        {"change": lambda outputs: outputs - outputs.mean(axis=0)},
        "The plain prediction of a row is the same alone",
    ),
    "float32": (Predictions, {"change": np.float32}, "Plain predictions are float64"),
    "NaN": (Predictions, {"change": lambda outputs: outputs * np.float32(np.nan)}, "are finite"),
    "shape of passes": (Outputs, {"change": lambda outputs: outputs[0]}, "Passes have the shape"),
    "axes": (
        Outputs,
        {"change": lambda outputs: outputs.reshape(-1, *outputs.shape[:1], outputs.shape[-1])},
        "Passes have the shape",
    ),
    "order of passes": (
        Outputs,
        {"change": lambda outputs: outputs[::-1].copy()},
        r"Pass 0 of 3 \(by level: \[3, 3\]\) gives what it gives alone",
    ),
    "passes of a batch": (
        Outputs,
        {"change": lambda outputs: outputs - outputs.mean(axis=1, keepdims=True)},
        "`take` gives the trunk of the rows at its positions, alone",
    ),
    "drawn inside": (
        Outputs,
        {"change": lambda outputs: outputs + np.random.default_rng().random(dtype=np.float32)},
        "Same masks, same bits",
    ),
    "masks changed": (Masks, {"change": in_place}, "The caller's masks stay as they are"),
    "masks ignored": (Masks, {"change": last_alone}, "masks of site 'drop' change the outputs"),
    "masks in another order": (Masks, {"change": swapped}, "Pass 0 of 3"),
    "length": (Trunks, {"kind": Shorter}, "have the shape|has that length"),
    "take": (Trunks, {"kind": Sorted}, "`take` gives the trunk of the rows at its positions, in another"),
    "join": (Trunks, {"kind": JoinedBackwards}, "`join` gives the rows of all trunks, in order"),
    "take all": (Trunks, {"kind": TakesAll}, "`take` gives as many rows as positions"),
    "trunk changed": (Trunks, {"kind": Used}, "`take` gives the trunk|`join` gives|stays as it is"),
    "features": (
        Features,
        {"change": lambda features, logits: (features, np.tanh(logits))},
        "The softmax of what the last layer gives is the plain prediction",
    ),
    "one vector": (
        Features,
        {"change": lambda features, logits: (features[0], logits)},
        r"Features have the shape \(n, F\)",
    ),
    "not linear": (
        Features,
        {"change": lambda features, logits: (np.abs(features), logits)},
        "The last layer is linear in its features",
    ),
    "memory": (Remembers, {}, "do not depend on what it did before"),
    "rows changed": (Overwrites, {}, "The caller's rows stay as they are"),
    "in_precision": (OtherPrecision, {"change": lambda outputs: outputs}, "In float32 passes give"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_named(name):
    kind, settings, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_adapter(lambda: kind("n", INPUTS, STEPS, **settings), rows_of((4,)))


def test_passes_repeated_in_the_wrong_order_are_seen(monkeypatch):
    def tiled(value, width):
        return np.tile(value, (width // len(value), *[1] * (value.ndim - 1)))

    monkeypatch.setattr(arrays, "_widened", tiled)
    with pytest.raises(AssertionError, match=r"Pass 1 of 6 \(by level: \[2, 6\]\) gives what it gives alone"):
        check_adapter(lambda: ArrayModel("n", INPUTS, skip()), rows_of((4,)))


def test_noise_that_is_scaled_wrongly_is_seen():
    class Scaled(ArrayModel):
        def thin(self, masks):
            return super().thin([mask * np.float32(1.1) for mask in masks])

    steps = gaussian(Dropout(0.3, GAUSSIAN_DROPOUT))
    with pytest.raises(AssertionError, match="Factors of 1 and summands of 0 give the plain prediction"):
        check_adapter(lambda: Scaled("n", INPUTS, steps), rows_of((4,)))


def test_what_is_no_model_is_no_adapter():
    with pytest.raises(AssertionError, match=r"all that `Model` names\. Received: object"):
        check_adapter(object, rows_of((4,)))


@pytest.mark.parametrize(("rows", "settings"), [(1, {}), (3, {"fixed_batch": 4})])
def test_rows_that_show_nothing_are_refused(rows, settings):
    with pytest.raises(InputError, match=f"Received: {rows} rows"):
        check_adapter(lambda: ArrayModel("n", INPUTS, STEPS, **settings), rows_of((4,), rows=rows))


def test_rounding_is_what_the_caller_allows():
    def make():
        def change(outputs):
            return outputs * (1 + np.float32(1e-5) * (len(outputs) > 1))

        return Outputs("n", INPUTS, STEPS, change=change)

    with pytest.raises(AssertionError, match="times float32's rounding error"):
        check_adapter(make, rows_of((4,)))
    assert check_adapter(make, rows_of((4,)), rounding=200)
