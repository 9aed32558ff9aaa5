"""Familiarity: published formulas, the promised rate of false alarms, what must not matter, and bad input."""

import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal

from howsure.adapters.features import Features
from howsure.errors import FileError, HowsureWarning, InputError
from howsure.evaluation import familiarity_scores
from howsure.evaluation.familiarity import Familiarity, familiarity
from howsure.evaluation.familiarity_scores import SCORES
from howsure.inputs.typed_json import write_sealed

CLASSES, WIDTH = 3, 5
CENTRES = 6 * np.random.default_rng(99).normal(size=(CLASSES, WIDTH))
MIXING = np.random.default_rng(98).normal(size=(CLASSES, WIDTH, WIDTH)) / 2 + np.eye(WIDTH)
WITHOUT_CLASSES = ("neighbours", "energy", "max_logit")


def draw(rows, seed=0, classes=CLASSES):
    """Features of a few classes, each with a covariance of its own, and labels; logits are what they give."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    z = CENTRES[labels] + np.einsum("nf,nfg->ng", random.normal(size=(rows, WIDTH)), MIXING[labels])
    return Features(z, z @ CENTRES[:classes].T / 5), labels


def only(features, rows):
    return Features(features.features[rows], features.logits[rows])


def far(rows=50):
    """What no class is like: opposite to all of them, and with flat logits."""
    away = -CENTRES.mean(axis=0) * 20 + np.random.default_rng(5).normal(size=(rows, WIDTH))
    return Features(away, np.random.default_rng(6).normal(size=(rows, CLASSES)) * 0.01)


def fit(score, seed=0, train=300, held_out=199, share=0.05):
    features, labels = draw(train, seed=1000 + seed)
    return familiarity(features, labels, draw(held_out, seed=2000 + seed)[0], score=score, share=share)


# --- published formulas -----------------------------------------------------------------------


def test_density_is_that_of_the_mixture():
    (train, labels), (new, _) = draw(300, seed=1000), draw(40, seed=3)
    parts = []
    for k in range(CLASSES):
        own = train.features[labels == k].astype(float)
        normal = multivariate_normal(own.mean(axis=0), np.cov(own.T))
        parts.append(np.log(np.mean(labels == k)) + normal.logpdf(new.features.astype(float)))
    np.testing.assert_allclose(fit("density")(new), logsumexp(parts, axis=0), rtol=1e-9)


def test_mahalanobis_is_the_smallest_distance():
    (train, labels), (new, _) = draw(300, seed=1000), draw(40, seed=3)
    z = train.features.astype(float)
    means = np.stack([z[labels == k].mean(axis=0) for k in range(CLASSES)])
    inverse = np.linalg.inv(np.cov((z - means[labels]).T, bias=True))
    expected = [-(min(mahalanobis(row, mean, inverse) for mean in means) ** 2) for row in new.features]
    np.testing.assert_allclose(fit("mahalanobis")(new), expected, rtol=1e-9)


@pytest.mark.parametrize(("rows", "k"), [(300, 17), (3000, 50), (1, 1)])
def test_neighbours_are_those_of_scikit_learn(rows, k, monkeypatch):
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    monkeypatch.setattr(familiarity_scores, "BLOCK", 256)
    monkeypatch.setattr(familiarity_scores, "AT_ONCE", 256 * 7)
    (train, labels), (new, _) = draw(rows), draw(40, seed=3)
    search = NearestNeighbors(n_neighbors=k).fit(normalize(train.features.astype(float)))
    distances, _ = search.kneighbors(normalize(new.features.astype(float)))
    known = familiarity(train, labels, draw(99, seed=4)[0], score="neighbours")
    np.testing.assert_allclose(known(new), -distances[:, -1], atol=1e-7)
    assert f"training row {k} of the nearest" in known.in_words()


def test_scores_of_logits():
    new = draw(40, seed=3)[0]
    logits = new.logits.astype(float)
    np.testing.assert_allclose(fit("energy")(new), logsumexp(logits, axis=1), rtol=1e-12)
    np.testing.assert_allclose(fit("max_logit")(new), logits.max(axis=1))


@pytest.mark.parametrize("score", ["energy", "max_logit"])
def test_one_sigmoid_counts_as_two_classes(score):
    """Turning the classes round changes nothing, and a row that could be either is the least familiar."""
    features, labels = draw(200, classes=2)
    one = Features(features.features, features.logits[:, 1:] - features.logits[:, :1])
    turned = Features(one.features, -one.logits)
    a, b = (
        familiarity(one, labels, one_half(one), score=score),
        familiarity(turned, labels, one_half(turned), score=score),
    )
    np.testing.assert_allclose(a(one), b(turned))
    assert np.argmin(a(one)) == np.argmin(np.abs(one.logits[:, 0]))


def one_half(features):
    """Held-out rows near the training rows, for where nothing depends on them."""
    return Features(features.features + 0.5, features.logits + 0)


def test_the_threshold_is_a_held_out_score_and_percentiles_count():
    known, held_out = fit("density"), draw(199, seed=2000)[0]
    scores = np.sort(known(held_out))
    np.testing.assert_array_equal(known.held_out, scores)
    assert known.threshold == scores[9]  # ⌊0.05 · 200⌋ = 10, the tenth
    assert known.unfamiliar(held_out).sum() == 9
    new = draw(500, seed=3)[0]
    by_hand = [(1 + np.sum(scores <= score)) / 200 for score in known(new)]
    np.testing.assert_allclose(known.percentile(new), by_hand)
    np.testing.assert_array_equal(known.unfamiliar(new), known.percentile(new) <= 0.05)
    assert known.percentile(far()).min() == 1 / 200
    assert known.percentile(held_out).max() == 1


# --- what is promised -------------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_the_rate_of_false_alarms(score):
    """Over 150 draws of training and held-out rows; ⌊0.05 · 60⌋ / 60 = 0.05 is met, and not undercut."""
    alarms, percentiles = [], []
    for seed in range(150):
        known = fit(score, seed=seed, train=60, held_out=59)
        new = draw(60, seed=3000 + seed)[0]
        alarms.append(np.mean(known.unfamiliar(new)))
        percentiles.append(known.percentile(new)[seed % 60])
    error = np.std(alarms) / np.sqrt(len(alarms))
    assert abs(np.mean(alarms) - 0.05) <= 3 * error
    assert kstest(percentiles, "uniform").pvalue > 0.001


def test_training_rows_as_held_out_rows_void_it():
    """Then held-out rows look too familiar, and so too many of the others do not."""
    alarms = []
    for seed in range(50):
        train, labels = draw(60, seed=1000 + seed)
        with pytest.warns(
            HowsureWarning, match=r"60 of 60 held-out rows have the features of a training row"
        ):
            known = familiarity(train, labels, train, share=0.05)
        alarms.append(np.mean(known.unfamiliar(draw(60, seed=3000 + seed)[0])))
    assert np.mean(alarms) > 0.1


@pytest.mark.parametrize("score", SCORES)
def test_what_is_far_from_everything_is_unfamiliar(score):
    known = fit(score, share=0.01)
    assert known.unfamiliar(far()).all()
    assert known.unfamiliar(draw(500, seed=3)[0]).mean() < 0.05


def test_density_sees_what_a_shared_covariance_does_not():
    """A row as far from a narrow class as from a wide one it is between."""
    random = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    z = np.where(labels[:, None] == 0, 0.1, 3.0) * random.normal(size=(2000, 2)) + 10 * labels[:, None]
    features = Features(z, np.zeros((2000, 2)))
    train, held_out = only(features, slice(0, 1000)), only(features, slice(1000, None))
    strange = Features([[1.5, -1.5]], [[0.0, 0.0]])
    found = {s: familiarity(train, labels[:1000], held_out, score=s) for s in ("density", "mahalanobis")}
    assert found["density"].unfamiliar(strange).all()
    assert not found["mahalanobis"].unfamiliar(strange).any()


# --- what must not matter ---------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_row_order_company_and_chunks_do_not_matter(score, monkeypatch):
    (train, labels), held_out, new = draw(300), draw(199, seed=1)[0], draw(50, seed=2)[0]
    known, order = familiarity(train, labels, held_out, score=score), np.random.default_rng(0).permutation
    a, b = order(300), order(199)
    again = familiarity(only(train, a), labels[a], only(held_out, b), score=score)
    np.testing.assert_allclose(again(new), known(new), rtol=1e-9)
    np.testing.assert_allclose(again.threshold, known.threshold, rtol=1e-9)
    alone = np.concatenate([known(only(new, [row])) for row in range(50)])
    np.testing.assert_allclose(alone, known(new), rtol=1e-9)
    monkeypatch.setattr(familiarity_scores, "AT_ONCE", 1)
    np.testing.assert_allclose(known(new), alone, rtol=1e-9)


@pytest.mark.parametrize("score", SCORES)
def test_relabelling_the_classes_does_not_matter(score):
    (train, labels), held_out, new = draw(300), draw(199, seed=1)[0], draw(50, seed=2)[0]
    order = np.array([2, 0, 1])
    a = familiarity(train, labels, held_out, score=score)
    b = familiarity(
        relabelled(train, order), np.argsort(order)[labels], relabelled(held_out, order), score=score
    )
    np.testing.assert_allclose(b(relabelled(new, order)), a(new), rtol=1e-9)


def relabelled(features, order):
    return Features(features.features, features.logits[:, order])


@pytest.mark.parametrize("score", ["density", "mahalanobis"])
def test_moving_and_scaling_the_features_does_not_matter(score):
    """Powers of two, which float32 moves without rounding; a density loses log 4 for each feature."""
    (train, labels), held_out, new = draw(300), draw(199, seed=1)[0], draw(50, seed=2)[0]

    def coarse(features, scale=1.0, shift=0.0):
        return Features(np.round(features.features * 1024) / 1024 * scale + shift, features.logits)

    plain = familiarity(coarse(train), labels, coarse(held_out), score=score)
    moved = familiarity(coarse(train, shift=64), labels, coarse(held_out, shift=64), score=score)
    scaled = familiarity(coarse(train, 4), labels, coarse(held_out, 4), score=score)
    lost = WIDTH * np.log(4) if score == "density" else 0
    np.testing.assert_allclose(moved(coarse(new, shift=64)), plain(coarse(new)), rtol=1e-9)
    np.testing.assert_allclose(scaled(coarse(new, 4)) + lost, plain(coarse(new)), rtol=1e-9)


def test_the_length_of_features_does_not_matter_to_neighbours():
    known, new = fit("neighbours"), draw(50, seed=2)[0]
    longer = Features(new.features * np.linspace(0.1, 90, 50)[:, None], new.logits)
    np.testing.assert_allclose(known(longer), known(new), atol=1e-6)


# --- degenerate input -------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["density", "mahalanobis"])
def test_features_that_are_constant_or_follow_from_others(score):
    """They get a variance that hardly moves what the other features say, and a change in them is seen."""

    def with_more(features, dead=0.0):
        z = features.features
        more = [z[:, :1] + z[:, 1:2], np.full((len(z), 1), dead), np.full((len(z), 1), 2.5)]
        return Features(np.concatenate([z, *more], axis=1), features.logits)

    (train, labels), held_out, new = draw(300), draw(199, seed=1)[0], draw(50, seed=2)[0]
    known = familiarity(with_more(train), labels, with_more(held_out), score=score)
    assert "was added to every feature" in known.in_words()
    assert "was added" not in fit(score).in_words()
    plain = familiarity(train, labels, held_out, score=score)
    difference = known(with_more(new)) - plain(new)
    np.testing.assert_allclose(difference, difference.mean(), atol=0.05)
    assert known.unfamiliar(with_more(new, dead=1.0)).all()


def test_more_features_than_rows():
    random = np.random.default_rng(0)

    def wide(features):
        return Features(
            np.tanh(features.features @ np.random.default_rng(1).normal(size=(WIDTH, 120)) / 5),
            features.logits,
        )

    train, labels = draw(90)
    held_out, strange = wide(draw(199, seed=1)[0]), Features(random.normal(size=(20, 120)), np.zeros((20, 3)))
    with pytest.warns(HowsureWarning, match=r"Class '0', '1', '2' has no more training rows than .*\(120\)"):
        density = familiarity(wide(train), labels, held_out)
    for known in (density, familiarity(wide(train), labels, held_out, score="mahalanobis")):
        assert known.unfamiliar(strange).all()
        assert np.isfinite(known(strange)).all()


def test_features_that_do_not_vary():
    _, labels = draw(300)
    for value in (0.0, 0.1, 1e6):
        flat = Features(np.full((300, 4), value), np.zeros((300, 3)))
        for score in ("density", "mahalanobis"):
            with pytest.raises(InputError, match="do not vary within the classes"):
                familiarity(
                    flat, labels, Features(np.full((99, 4), value + 1), np.zeros((99, 3))), score=score
                )
    rounding = Features(1e6 + 0.01 * np.random.default_rng(0).normal(size=(300, 4)), np.zeros((300, 3)))
    with pytest.raises(InputError, match="by no more than rounding"):
        familiarity(rounding, labels, Features(np.zeros((99, 4)), np.zeros((99, 3))))


def test_features_of_nothing_but_zeros_have_no_direction():
    known = fit("neighbours")
    nothing = Features(np.zeros((2, WIDTH)), np.zeros((2, CLASSES)))
    np.testing.assert_allclose(known(nothing), -1)


@pytest.mark.parametrize("score", SCORES)
def test_classes_with_fewer_than_two_rows(score):
    train, labels = draw(300)
    few = np.flatnonzero((labels != 1) | (np.arange(300) == 1))
    arguments = only(train, few), labels[few], draw(99, seed=1)[0]
    if score in WITHOUT_CLASSES:
        assert familiarity(*arguments, score=score).unfamiliar(far()).all()
    else:
        with pytest.raises(InputError, match=r"of class '1'.*at least 2 of every class\. Received: 1\."):
            familiarity(*arguments, score=score)


@pytest.mark.parametrize("score", SCORES)
def test_no_rows_one_feature_and_large_numbers(score):
    known = fit(score)
    none = Features(np.zeros((0, WIDTH)), np.zeros((0, CLASSES)))
    assert [f(none).shape for f in (known, known.unfamiliar, known.percentile)] == [(0,)] * 3
    huge = Features(np.full((3, WIDTH), 3e38), np.full((3, CLASSES), -3e38))
    assert np.isfinite(known(huge)).all()
    train, labels = draw(300)
    with_one = familiarity(narrow(train), labels, narrow(draw(99, seed=1)[0]), score=score)
    assert with_one(narrow(train)).shape == (300,)


def narrow(features):
    return Features(features.features[:, :1], features.logits)


@pytest.mark.parametrize(
    ("share", "least"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.001, 999), (0.5, 1), (0.03, 33)]
)
def test_the_least_number_of_held_out_rows(share, least):
    (train, labels), held_out = draw(300), draw(least, seed=1)[0]
    known = familiarity(train, labels, held_out, share=share)
    assert not known.unfamiliar(held_out).any()
    more = familiarity(train, labels, draw(2 * least, seed=1)[0], share=share)
    assert more.threshold == more.held_out[int(share * (2 * least + 1)) - 1]  # never rounded up
    message = rf"at most {100 * share:g} % .* at least {least}\. Received: {least - 1}\."
    with pytest.raises(InputError, match=message):
        familiarity(train, labels, only(held_out, slice(1, None)), share=share)


def test_it_keeps_its_precision_is_frozen_and_travels():
    features, labels = draw(300)
    assert features.features.dtype == features.logits.dtype == np.float64
    coarse = Features(features.features.astype(np.float32), features.logits.astype(np.float16))
    assert coarse.features.dtype == coarse.logits.dtype == np.float32
    assert len(features) == 300
    with pytest.raises(ValueError, match="read-only"):
        features.features[0] = 1
    for score in SCORES:
        known = familiarity(features, labels, draw(99, seed=1)[0], score=score)
        copy, new = pickle.loads(pickle.dumps(known)), draw(20, seed=2)[0]
        np.testing.assert_array_equal(copy(new), known(new))
        assert known(new).dtype == np.float64
        with pytest.raises(FrozenInstanceError):
            known.threshold = 0
        with pytest.raises(ValueError, match="read-only"):
            known.held_out[0] = 1


@pytest.mark.parametrize("score", SCORES)
def test_a_file_holds_all_of_it(score, tmp_path):
    known, new = fit(score), draw(40, seed=3)[0]
    path = tmp_path / "familiarity.json"
    known.save(path)
    again = Familiarity.load(path)
    np.testing.assert_array_equal(again(new), known(new))
    np.testing.assert_array_equal(again.percentile(new), known.percentile(new))
    assert again.in_words() == known.in_words()
    plain = ("score", "share", "threshold", "train_rows", "width", "outputs", "fingerprint")
    assert all(getattr(again, name) == getattr(known, name) for name in plain)
    assert again.learnt_rows.as_json == known.learnt_rows.as_json
    with pytest.raises(InputError, match="other features or logits"):
        again(Features(np.zeros((1, 2)), np.zeros((1, 3))))


def test_damaged_and_foreign_files(tmp_path):
    path = tmp_path / "familiarity.json"
    fit("mahalanobis").save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"share": 0.5}), encoding="utf-8")
    with pytest.raises(FileError, match=r"is not a saved familiarity.*not what was saved"):
        Familiarity.load(path)
    del content["sha256"]
    centre = content["_fitted"]["centre"]
    wrong = {
        "score": "other",
        "share": 1.5,
        "width": 4,
        "outputs": 0,
        "held_out": content["held_out"] | {"shape": [3]},
        "_fitted": content["_fitted"] | {"centre": centre | {"dtype": "|O8"}},
        "learnt_rows": {"rows": 1},
    }
    for name, value in wrong.items():
        write_sealed(path, content | {name: value})
        with pytest.raises(FileError, match="is not a saved familiarity"):
            Familiarity.load(path)
    with pytest.raises(FileError, match="Cannot read the familiarity"):
        Familiarity.load(tmp_path / "nothing.json")


def test_in_words():
    assert str(fit("energy", held_out=999, share=0.01)) == (
        "Familiarity by 'energy', learnt from 300 training rows. At most 1 % of rows like the 999 held-out "
        "ones are called unfamiliar on average; with these held-out rows it may be 0.48 to 1.7 %."
    )


def test_a_regression_has_one_class(random):
    """Without labels all training rows are of one class: its normal density, and its Mahalanobis distance."""
    logits = np.zeros((400, 1), np.float32)
    rows = random.normal(size=(400, 3)) @ random.normal(size=(3, 3)) + 5
    train, held_out = Features(rows[:200], logits[:200]), Features(rows[200:], logits[200:])
    z = np.asarray(train.features, np.float64)
    normal = multivariate_normal(z.mean(axis=0), np.cov(z.T))
    found = familiarity(train, None, held_out)(held_out)
    np.testing.assert_allclose(found, normal.logpdf(held_out.features), rtol=1e-5)
    found = familiarity(train, None, held_out, score="mahalanobis")(held_out)
    away = np.asarray(held_out.features, np.float64) - z.mean(axis=0)
    inverse = np.linalg.inv(np.cov(z.T, bias=True))
    np.testing.assert_allclose(found, -np.einsum("ni,ij,nj->n", away, inverse, away), rtol=1e-5)
    familiarity(train, None, held_out, score="neighbours")
    with pytest.raises(InputError, match=r"'energy' is a score of the logits of classes.*'density'"):
        familiarity(train, None, held_out, score="energy")
    with pytest.raises(InputError, match=r"no classes but numbers.*labels=None"):
        familiarity(train, random.normal(size=200), held_out)
