"""The probability of an object is the share of networks that say it, and its scores are those of others."""

import numpy as np
import pytest
from scipy.stats import binom

import howsure
from howsure import tuning
from howsure.errors import InputError
from howsure.inputs.rows import InputSpec
from howsure.methods.mc_dropout import MCDropout
from howsure.objects import Components
from tests.support.arrays import Add, ArrayModel, Dense, Dropout

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
WORDS, FEATURES, HIDDEN = 12, 6, 24
NAMED = {"outputs": "probabilities", "class_names": TAGS}
BRUTE = 4000


def network(shape, classes, bias, seed=0):
    """A network that drops 30 % of the hidden units of each position."""
    random = np.random.default_rng(seed)
    last = 1.6 * random.normal(size=(HIDDEN, classes)) / np.sqrt(HIDDEN)
    hidden = Dense(random.normal(size=(FEATURES, HIDDEN)), 0.1 * random.normal(size=HIDDEN), "relu")
    steps = {
        "hidden": (hidden, "x"),
        "drop": (Dropout(0.3), "hidden"),
        "output": (Dense(last, np.array(bias), "softmax"), "drop"),
    }
    return ArrayModel("network", [InputSpec("x", (*shape, FEATURES), "float32")], steps)


def tagger():
    return network((WORDS,), len(TAGS), [0.0, 0.2, 0.8, 0.0, 0.8])


def rows(count, shape=(WORDS,)):
    return np.random.default_rng(1).normal(size=(count, *shape, FEATURES)).astype(np.float32)


def sayer(classes, shape):
    """A model that says the class that is 1 in each position of its rows; networks hardly differ."""
    wide = np.zeros((classes + 1, classes))
    wide[-1, 0] = 0.01
    steps = {
        "drop": (Dropout(0.5), "x"),
        "small": (Dense(wide), "drop"),
        "large": (Dense(20 * np.eye(classes + 1, classes)), "x"),
        "sum": (Add(), "large", "small"),
        "output": (Dense(np.eye(classes), 0.0, "softmax"), "sum"),
    }
    return ArrayModel("sayer", [InputSpec("x", (*shape, classes + 1), "float32")], steps)


def said(labels, classes, **settings):
    """The objects of a model that says these labels (N, *P)."""
    x = np.eye(classes + 1)[labels] + np.eye(classes + 1)[-1]
    model = sayer(classes, np.shape(labels)[1:])
    return howsure.objects(model, x, outputs="probabilities", method=MCDropout(passes=20), **settings)


# --- the probability -----------------------------------------------------------------------------------


def test_stated_probabilities_are_shares_of_brute_force_networks():
    model, x = tagger(), rows(100)
    found = howsure.objects(model, x, scheme="BIO", method=MCDropout(passes=100), **NAMED)
    labels = howsure.passes(model, x, BRUTE, outputs="probabilities").argmax(axis=-1)
    true = np.empty(len(found))
    for at, (row, start, stop, kind) in enumerate(
        zip(found.row, found.start, found.stop, found.label, strict=True)
    ):
        begin, inside = TAGS.index(f"B-{kind}"), TAGS.index(f"I-{kind}")
        same = (labels[:, row, start] == begin) & (labels[:, row, start + 1 : stop] == inside).all(axis=1)
        if stop < WORDS:
            same &= labels[:, row, stop] != inside
        true[at] = same.mean()
    p, error = found.certainty.probabilities[:, 1], found.certainty.mc_error[:, 1]
    off = np.abs(p - true) <= 1.96 * np.sqrt(error**2 + true * (1 - true) / BRUTE)
    assert len(found) > 250
    # Objects of a row depend on each other; so rows are counted, as if each had one.
    assert off.sum() * 100 / len(found) >= binom.ppf(0.01, 100, 0.95)
    bins = np.clip((10 * p).astype(int), 0, 9)
    for number in np.unique(bins):
        inside = bins == number
        standard = np.sqrt(np.mean(error[inside] ** 2))  # masks are shared: they do not average out
        assert abs(p[inside].mean() - true[inside].mean()) < 2.6 * standard


def test_components_are_shares_of_networks_that_overlap_by_more_than_half():
    shape = (7, 7)
    model, x = network(shape, 3, [0.5, 0.0, 0.0], seed=3), rows(8, shape)
    x = x.repeat(4, axis=1).repeat(4, axis=2)[:, 3:10, 3:10]  # patches
    found = howsure.objects(
        model, x, scheme="components", outputs="probabilities", method=MCDropout(passes=60)
    )
    labels = howsure.passes(model, x, 60, balanced=True, outputs="probabilities").argmax(axis=-1)
    assert len(found) > 20
    for at, row in enumerate(found.row):
        mask, k = found.mask(at), int(found.label[at])
        same = [any(_iou(mask, part) > 0.5 for part in _parts(each[row] == k)) for each in labels]
        assert found.certainty.probabilities[at, 1] == pytest.approx(np.mean(same), abs=1e-12)
        where = np.argwhere(mask)
        assert found.start[at].tolist() == where.min(axis=0).tolist()
        assert found.stop[at].tolist() == (where.max(axis=0) + 1).tolist()


def _parts(mask):
    """Connected parts, by walking."""
    left = set(map(tuple, np.argwhere(mask)))
    while left:
        edge = [left.pop()]
        part = np.zeros(mask.shape, dtype=bool)
        while edge:
            y, x = edge.pop()
            part[y, x] = True
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
        yield part


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_half_is_not_the_same():
    reader = Components(("no", "a", "b"), "no", 1)
    (part,) = reader.found(np.array([0, 1, 1, 0, 0, 0]), 0, np.ones(6, dtype=bool))
    assert (part.start, part.stop, part.label) == ((1,), (3,), "a")
    maps = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 2, 2, 0, 0, 0], [0, 1, 0, 1, 0, 1]])
    assert reader.same([part], maps, 0, np.ones(6, dtype=bool)).tolist() == [[True, False, False, False]]


def test_networks_that_agree_leave_room_for_others():
    found = said(np.array([[1, 1, 0]]), 2, scheme="components")
    assert found.certainty.probabilities.tolist() == [[0, 1]]
    # Wilson's interval of 20 of 20 ends at 1 - 3.84 / 23.84.
    assert 1 - 1.96 * found.certainty.mc_error[0, 1] == pytest.approx(20 / (20 + 1.96**2), abs=1e-4)
    assert not found.certainty.settled.any()


def test_by_default_enough_networks_say_sure():
    x = np.eye(3)[[[1, 1, 0]]] + np.eye(3)[-1]
    found = howsure.objects(sayer(2, (3,)), x, scheme="components", outputs="probabilities")
    assert found.certainty.passes[0] >= 73
    assert (found.certainty.verdict[0], found.certainty.settled[0]) == ("sure", True)


def test_neither_batches_nor_blocks_nor_neighbours_change_anything(monkeypatch):
    model, x = tagger(), rows(20)
    plain = howsure.objects(model, x, scheme="BIO", method=MCDropout(passes=40), **NAMED)
    monkeypatch.setattr(tuning, "BLOCK_AT_POSITIONS", WORDS * 8 * 3)
    parts = howsure.objects(model, x, scheme="BIO", method=MCDropout(passes=40), batch_size=2, **NAMED)
    for name in ("row", "start", "stop", "label"):
        assert getattr(parts, name).tolist() == getattr(plain, name).tolist()
    assert parts.certainty.row.tolist() == list(range(len(plain)))
    assert np.array_equal(parts.certainty.probabilities, plain.certainty.probabilities)
    assert parts.evaluate(np.zeros((20, WORDS), int)).found == len(plain)


def test_members_of_an_ensemble_are_networks():
    models = [network((WORDS,), 5, [0.0, 0.2, 0.8, 0.0, 0.8], seed) for seed in range(3)]
    found = howsure.objects(models[0], rows(5), scheme="BIO", method=howsure.Ensemble(models), **NAMED)
    thirds = found.certainty.probabilities[:, 1] * 3
    assert np.allclose(thirds, np.rint(thirds))
    assert set(found.certainty.passes) == {3}


# --- which words count ---------------------------------------------------------------------------------


def test_special_tokens_and_parts_of_words_are_left_out():
    b, i, o = 1, 2, 0
    labels = np.array([[b, b, o, i, o, b, b], [o, b, i, i, o, o, b]])
    ids = [[None, 0, 0, 1, 2, 3, None], [None, 0, 0, 1, 1, None, None]]
    found = said(labels, 5, scheme="BIO", words=ids, class_names=TAGS)
    spans = list(zip(found.row, found.start, found.stop, found.label, strict=True))
    assert spans == [(0, 0, 2, "PER"), (0, 3, 4, "PER"), (1, 0, 2, "PER")]


def test_positions_say_which_count():
    labels = np.array([[1, 1, 2, 0, 1]])
    found = said(labels, 5, scheme="BIO", positions=np.array([[0, 1, 1, 1, 0]]), class_names=TAGS)
    assert (found.start.tolist(), found.stop.tolist()) == ([1], [3])


# --- scores --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "prefixes", "scores"),
    [  # seqeval 1.2.2: precision_score, recall_score and f1_score(true, told, mode="strict", scheme=IOB2)
        ("BIO", "BI", (0.8897136797454931, 0.8850210970464135, 0.8873611845584347)),
        ("BILOU", "BILU", (0.8939873417721519, 0.8954041204437401, 0.894695170229612)),  # scheme=BILOU
    ],
)
def test_scores_of_spans_are_those_of_seqeval(scheme, prefixes, scores):
    tags = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("LOC", "PER"))]
    random, shape = np.random.default_rng(0), (200, 12)
    truth = random.integers(0, len(tags), shape)
    told = np.where(random.random(shape) < 0.9, truth, random.integers(0, len(tags), shape))
    own = said(told, len(tags), scheme=scheme, class_names=tags).evaluate(truth)
    assert [own.precision.value, own.recall.value, own.f1.value] == pytest.approx(scores, abs=1e-12)
    assert own.f1.low < own.f1.value < own.f1.high


def test_intervals_are_those_of_a_bootstrap_over_rows():
    random, shape = np.random.default_rng(0), (300, 12)
    truth = random.integers(0, 5, shape)
    told = np.where(random.random(shape) < 0.8, truth, random.integers(0, 5, shape))
    found = said(told, 5, scheme="BIO", class_names=TAGS)
    right, own = found.right(truth), found.evaluate(truth)
    hits, some = (np.bincount(found.row, weights, 300) for weights in (right, None))
    again = random.integers(0, 300, (2000, 300))
    low, high = np.quantile(hits[again].sum(axis=1) / some[again].sum(axis=1), [0.025, 0.975])
    width = high - low
    assert abs(own.precision.low - low) < 0.15 * width
    assert abs(own.precision.high - high) < 0.15 * width


def test_scores_of_components_go_by_overlap():
    told = np.array([[1, 1, 1, 0, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0, 2, 0]])
    true = np.array([[0, 1, 1, 0, 0, 0, 1, 0], [0, 1, 1, 1, 1, 0, 2, 0]])
    found = said(told, 3, scheme="components")
    assert found.right(true).tolist() == [True, False, False, True]
    scores = found.evaluate(true)
    assert (scores.found, scores.true, scores.right) == (4, 4, 2)
    assert [scores.precision.value, scores.recall.value, scores.f1.value] == [0.5, 0.5, 0.5]
    assert str(scores).splitlines()[0] == "4 objects found, 4 true, 2 right"
    assert found.mask(3).tolist() == (told[1] == 2).tolist()


def test_the_probabilities_are_scored_and_handed_over_as_any(tmp_path):
    model, x = tagger(), rows(40)
    found = howsure.objects(model, x, scheme="BIO", **NAMED)
    truth = howsure.passes(model, x, 1, seed=5, outputs="probabilities")[0].argmax(axis=-1)
    assert howsure.evaluate(found.certainty, found.right(truth), groups=found.row).accuracy.value > 0.4
    howsure.hand_over(found.certainty, found.certainty.coin_flips(), tmp_path / "look.csv")
    head, first, *others = (tmp_path / "look.csv").read_text().splitlines()
    assert head.startswith("row,object,label,probability")
    at = found.certainty.coin_flips()[0]
    assert first.startswith(f"{at},{found.row[at]}: {found.label[at]} {found.start[at]}:{found.stop[at]},")
    assert len(others) == len(found.certainty.coin_flips()) - 1


# --- refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scheme": "IOB"}, "scheme"),
        ({"scheme": "BIO", "class_names": ("O", "PER", "LOC", "ORG", "MISC")}, "scheme BIO"),
        ({"scheme": "BIO", "class_names": tuple("01234")}, "class_names="),
        ({"scheme": "BILOU", "class_names": ("O", "B-PER", "I-PER", "L-PER", "E-PER")}, "scheme BILOU"),
        ({"scheme": "components", "words": [[0, 1, 2]]}, "no effect on components"),
        ({"scheme": "components", "background": "sky"}, "`background`"),
        ({"scheme": "components", "background": 5}, "`background`"),
        ({"scheme": "BIO", "class_names": TAGS, "words": [[0, 1]]}, "does not fit the positions"),
        ({"scheme": "BIO", "class_names": TAGS, "words": [["a", "b", "c"]]}, "does not fit the positions"),
        ({"scheme": "BIO", "class_names": TAGS, "words": [[0, 1, 0]]}, "fall in row 0"),
    ],
)
def test_what_cannot_be_read_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        said(np.array([[1, 2, 0]]), 5, **settings)


def test_one_network_and_answers_of_whole_rows_are_refused():
    with pytest.raises(InputError, match="One network tells no probability"):
        howsure.objects(tagger(), rows(2), scheme="BIO", method=howsure.Softmax(), **NAMED)
    with pytest.raises(howsure.ModelError, match="no answers of the kind 'positions'"):
        howsure.objects(network((), 5, [0.0] * 5), rows(2, ()), scheme="components", outputs="probabilities")
    with pytest.raises(InputError, match="one axis of positions"):
        howsure.objects(network((3, 3), 5, [0.0] * 5), rows(2, (3, 3)), scheme="BIO", **NAMED)


def test_a_truth_with_holes_and_the_mask_of_a_span_are_refused():
    found = said(np.array([[1, 2, 0]]), 5, scheme="BIO", class_names=TAGS)
    with pytest.raises(InputError, match="not known at positions that count, first in row 0"):
        found.evaluate(np.array([[1, 2, -100]]))
    with pytest.raises(InputError, match="A span has no mask"):
        found.mask(0)


def test_a_truth_may_have_holes_where_nothing_is_read():
    found = said(np.array([[1, 2, 2, 0]]), 5, scheme="BIO", class_names=TAGS, words=[[0, 0, 1, 2]])
    assert found.evaluate(np.array([[1, -100, 2, 0]])).right == 1


def test_rows_without_objects_make_none():
    found = said(np.zeros((2, 4), int), 5, scheme="BIO", class_names=TAGS)
    assert len(found) == 0
    assert found.start.shape == (0,)
    assert np.isnan(found.evaluate(np.zeros((2, 4), int)).f1.value)


def test_intervals_of_scores_are_over_groups_of_rows():
    model, x = tagger(), rows(40)
    found = howsure.objects(model, x, scheme="BIO", method=MCDropout(passes=20), **NAMED)
    truth = howsure.assess(model, x + np.float32(0.4), method=MCDropout(passes=20), **NAMED).label
    once = found.evaluate(truth)
    twice = howsure.objects(
        model, x.repeat(3, axis=0), scheme="BIO", method=MCDropout(passes=20), **NAMED
    ).evaluate(truth.repeat(3, axis=0), groups=np.arange(40).repeat(3))
    for name in ("precision", "recall", "f1"):
        one, other = getattr(once, name), getattr(twice, name)
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)  # not 1/√3 of it
    with pytest.raises(InputError, match="All rows are of one group"):
        found.evaluate(truth, groups=[0] * 40)
