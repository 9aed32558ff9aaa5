"""Rows in every form give what an array of them gives, and their labels and ids stay with them to the end.

A network in numpy shows it once; `tests/keras/test_sources.py` shows the sources of frameworks.
"""

from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure import InputError
from tests.support.arrays import Dropout
from tests.support.cases import arrays, two_inputs, two_layers

pd = pytest.importorskip("pandas", reason="pandas is not installed")

NAMES = ("lynx", "otter", "wolf")
METHOD = howsure.MCDropout(passes=12)
ROWS = 40


@pytest.fixture(scope="module")
def network():
    return arrays(two_layers(Dropout(0.4))).make()


@pytest.fixture(scope="module")
def x():
    return arrays(two_layers(Dropout(0.4)), rows=ROWS).rows[0]


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(0).integers(0, 3, ROWS)


@pytest.fixture
def frame(x, truth):
    index = pd.Index([f"animal {k}" for k in range(ROWS)], name="animal")
    return pd.DataFrame(x, columns=list("pqrs"), index=index).assign(y=np.array(NAMES)[truth])


def assess(network, x, **arguments):
    return howsure.assess(network, x, **{"method": METHOD, "class_names": NAMES, **arguments})


def pairs(x, truth, size=7):
    return ((x[start : start + size], truth[start : start + size]) for start in range(0, len(x), size))


def the_same(one, other):
    assert np.array_equal(one.probabilities, other.probabilities)
    assert np.array_equal(one.mc_error, other.mc_error)


def test_a_frame_with_names_for_rows_and_classes(network, x, truth, frame, tmp_path):
    certainty = assess(network, frame)
    the_same(certainty, assess(network, x))
    assert (certainty.ids.tolist(), certainty.id_name) == (frame.index.tolist(), "animal")
    assert certainty.truth.tolist() == truth.tolist()
    assert certainty[5].called == "animal animal 5"
    certainty.save(tmp_path / "animals.parquet")
    kept = howsure.load(tmp_path / "animals.parquet").to_pandas()
    assert (kept.index.name, kept.index.tolist()) == ("animal", frame.index.tolist())
    assert kept["truth_name"].tolist() == frame["y"].tolist()
    assert str(howsure.evaluate(certainty)) == str(howsure.evaluate(certainty, truth))
    assert str(howsure.evaluate(certainty)) == str(howsure.evaluate(certainty, frame["y"]))


def test_an_index_that_counts_is_remembered_and_stays_no_column(network, x, truth):
    """A frame of the usual index, of which some rows are taken in another order, as by a split."""
    frame = pd.DataFrame(x, columns=list("pqrs")).assign(y=truth)
    certainty = assess(network, frame.drop(columns="y"))
    assert certainty.ids is None
    with pytest.raises(InputError, match="under an index that was made anew"):
        howsure.evaluate(certainty, frame["y"].sample(frac=1, random_state=0))
    rows = np.random.default_rng(1).permutation(ROWS)[:30]
    some = assess(network, frame.drop(columns="y").iloc[rows])
    assert some.ids.tolist() == rows.tolist()
    for labels in (frame["y"].iloc[rows], frame["y"].iloc[np.sort(rows)], truth[rows], frame["y"][rows]):
        assert some.with_truth(labels).truth.tolist() == truth[rows].tolist()
        assert certainty[rows].with_truth(labels).truth.tolist() == truth[rows].tolist()
    with pytest.raises(InputError, match="of other rows"):
        some.with_truth(frame["y"].iloc[np.append(rows[1:], np.setdiff1d(range(ROWS), rows)[0])])
    assert assess(network, x[rows]).with_truth(frame["y"].iloc[rows]).truth.tolist() == truth[rows].tolist()


def test_parts_of_a_dict_are_aligned(network, frame, truth):
    rows, labels = frame.drop(columns="y"), frame["y"]
    numbers = pd.Series(range(ROWS), frame.index)
    expected = assess(network, frame)
    for given in ({"x": rows, "y": labels[::-1]}, {"x": rows, "y": labels[::-1], "id": numbers[::-1]}):
        found = assess(network, given)
        the_same(found, expected)
        assert found.truth.tolist() == truth.tolist()
        assert found.ids.tolist() == (numbers.tolist() if "id" in given else frame.index.tolist())
    with pytest.raises(InputError, match=r"The labels are of other rows.*`labels\.to_numpy\(\)`"):
        assess(network, {"x": rows, "y": labels.set_axis([f"plant {k}" for k in range(ROWS)])})
    alone = assess(network, {"x": rows.to_numpy(), "y": labels})
    assert (alone.ids, alone.truth.tolist()) == (None, truth.tolist())


def test_several_inputs_in_several_orders_are_aligned(frame):
    case = arrays(two_inputs(), shapes=((4,), (2,)))
    model, (left, right) = case.make(), [each[:8] for each in case.rows]
    index = frame.index[:8]
    one, two = pd.DataFrame(left, index), pd.DataFrame(right, index)
    expected = howsure.assess(model, [left, right], method=METHOD)
    for given in ([one, two[::-1]], {model.info.inputs[0].name: one, model.info.inputs[1].name: two[::-1]}):
        found = howsure.assess(model, given, method=METHOD)
        assert np.array_equal(found.probabilities, expected.probabilities)
        assert found.ids.tolist() == index.tolist()


def test_labels_of_a_comparison_and_changed_rows_are_aligned(network, frame):
    rows, labels = frame.drop(columns="y"), frame["y"]
    changed = rows + 0.5

    def compared(labels, changed):
        methods = {"softmax": howsure.Softmax()}
        return howsure.compare(
            network, rows, labels, methods=methods, shifts={"changed": changed}, class_names=NAMES
        )

    by_column = changed[::-1].reset_index(names="id")
    expected = compared(labels.to_numpy(), changed.to_numpy())
    for shifted in (changed[::-1], by_column, {"x": by_column.drop(columns="id"), "id": by_column["id"]}):
        found = compared(labels[::-1], shifted)
        for which in ("as they are", "changed"):
            one, other = (each.score("softmax", "nll", which).value for each in (expected, found))
            assert one == other
    with pytest.raises(InputError, match="'changed' holds changes of other rows"):
        compared(labels, changed.set_axis([f"animal {k + 1}" for k in range(ROWS)]))


def test_labels_of_features_are_aligned(network, frame, truth):
    rows, labels = frame.drop(columns="y"), pd.Series(truth, frame.index)
    features = howsure.features_of(network, rows)
    by_place = howsure.features_of(network, rows.to_numpy())
    others = howsure.features_of(network, rows.to_numpy() + 0.1)
    scores = [
        howsure.familiarity(known, given, others, score="mahalanobis", share=0.1).held_out
        for known, given in ((features, labels[::-1]), (by_place, truth))
    ]
    assert np.array_equal(*scores)
    fitted = [
        howsure.LastLayerLaplace.fit(network, x, y).posterior
        for x, y in ((rows, labels[::-1]), (rows.to_numpy(), truth))
    ]
    assert fitted[0].log_marginal_likelihood == fitted[1].log_marginal_likelihood
    with pytest.raises(InputError, match="The labels are of other rows"):
        howsure.LastLayerLaplace.fit(network, rows, labels.set_axis([f"plant {k}" for k in range(ROWS)]))


def test_blocks_have_the_ids_and_labels_of_their_rows(network, frame, monkeypatch):
    monkeypatch.setattr("howsure.tuning.BLOCK", 15)
    blocks = [*howsure.stream(network, frame, method=METHOD, class_names=NAMES)]
    assert [len(block) for block in blocks] == [15, 15, 10]
    assert [block.ids[0] for block in blocks] == ["animal 0", "animal 15", "animal 30"]
    joined = blocks[0].joined(blocks)
    assert joined.truth_name.tolist() == frame["y"].tolist()


def test_labels_are_read_once_for_all_blocks(network, x, monkeypatch):
    monkeypatch.setattr("howsure.tuning.BLOCK", 15)
    words = np.array(["2", "3"] * 20)  # read again as numbers, 2 and 3 would be others
    certainty = assess(network, pairs(x, words), class_names=("1", "2", "3"))
    assert certainty.truth.tolist() == [1, 2] * 20
    assert howsure.evaluate(certainty).rows == ROWS
    calibrated = howsure.calibrate(certainty[:30].with_truth(np.array(["2", "3", "1"] * 10)))
    assert calibrated.rows == 30
    methods = {"softmax": howsure.Softmax()}
    comparison = howsure.compare(network, pairs(x, words), methods=methods, class_names=("1", "2", "3"))
    assert comparison.truth.tolist() == [1, 2] * 20


def test_several_inputs_by_the_names_of_columns():
    case = arrays(two_inputs(), shapes=((4,), (2,)))
    model, (a, b) = case.make(), case.rows
    frame = pd.DataFrame({"note": "?", "b": [*b], "id": range(100, 100 + len(a)), "a": [*a]})
    certainty = howsure.assess(model, frame, method=METHOD)
    the_same(certainty, howsure.assess(model, [a, b], method=METHOD))
    assert certainty.ids.tolist() == [*range(100, 100 + len(a))]
    batches = iter([({"a": a[:4], "b": b[:4]}, [0] * 4), ({"a": a[4:], "b": b[4:]}, [1] * (len(a) - 4))])
    the_same(howsure.assess(model, batches, method=METHOD), certainty)


def test_labels_that_cannot_be_true_are_refused_before_work_begins(network, x):
    labels = np.array(["lynx"] * 39 + ["linx"])
    with pytest.raises(
        InputError, match=r"came with the rows: labels are not among.*'lynx'.*give them alone"
    ):
        assess(network, pairs(x, labels), progress=lambda done, total: pytest.fail("began") if done else None)
    with pytest.raises(InputError, match="labels do not fit the rows"):
        assess(network, {"x": x, "labels": labels[:7]})


def test_a_name_that_the_table_needs_is_not_that_of_the_ids(network, frame):
    certainty = assess(network, frame.rename_axis("label"))
    assert (certainty.id_name, certainty.ids[0]) == ("id", "animal 0")


def test_whatever_takes_rows_takes_them_in_every_form(network, x, truth, frame):
    assert howsure.plan(network, frame) == howsure.plan(network, x)
    audits = [replace(howsure.audit(network, rows), seconds=None) for rows in (x, frame, pairs(x, truth))]
    assert audits == audits[:1] * 3
    mean, _ = howsure.predict_with_uncertainty(network, pairs(x, truth))
    assert np.array_equal(mean, howsure.predict_with_uncertainty(network, x)[0])
    assert np.array_equal(howsure.passes(network, frame, 4), howsure.passes(network, x, 4))
    features = howsure.features_of(network, x)
    assert np.array_equal(howsure.features_of(network, frame).features, features.features)
    known = howsure.LastLayerLaplace.fit(network, x, truth)
    named = howsure.LastLayerLaplace.fit(network, frame, class_names=NAMES)
    assert named.posterior.prior_precision == known.posterior.prior_precision
    with pytest.raises(InputError, match="true answers are not known"):
        howsure.LastLayerLaplace.fit(network, x)
    held_out = howsure.features_of(network, x + 0.1)
    familiar = [
        howsure.familiarity(features, labels, held_out, share=0.1, score="mahalanobis", class_names=NAMES)
        for labels in (truth, frame["y"])
    ]
    assert familiar[0].threshold == familiar[1].threshold


def test_methods_that_change_rows_get_arrays(network, x, frame):
    method = howsure.Augmentation([lambda rows: rows + 0.01])
    the_same(assess(network, frame, method=method), assess(network, x, method=method))
    ensemble = howsure.Ensemble([arrays(two_layers(Dropout(0.1), seed=1)).make()])
    the_same(assess(network, frame, method=ensemble), assess(network, x, method=ensemble))


def test_comparisons_take_the_labels_that_came_with_the_rows(network, x, truth, frame):
    arguments = {"methods": {"softmax": howsure.Softmax(), "dropout": METHOD}, "class_names": NAMES}
    arguments["calibrated"] = False
    shifts = {"noise": lambda rows: rows + 0.1}
    plain = howsure.compare(
        network, x, truth, shifts={**shifts, "more": x + 1}, outside={"far": x + 9}, **arguments
    )
    framed = howsure.compare(
        network,
        frame,
        shifts={**shifts, "more": frame.assign(**(frame[list("pqrs")] + 1))},
        outside={"far": pairs(x + 9, truth)},
        **arguments,
    )
    for rows in ("as they are", "noise", "more", "far"):
        assert str(framed.score("dropout", "nll", rows)) == str(plain.score("dropout", "nll", rows))
    assert framed.certainties["dropout"].ids.tolist() == frame.index.tolist()
    assert framed.truth.tolist() == truth.tolist()
    with pytest.raises(InputError, match="needs true classes"):
        howsure.compare(network, x, **arguments)
    with pytest.raises(InputError, match="'far' are no rows"):
        howsure.compare(network, x, truth, outside={"far": 5}, **arguments)


def test_classifiers_get_their_frames_with_what_is_beside_the_features_taken_out(x, truth, frame):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="scikit-learn is not installed")
    words, features = frame["y"], frame.drop(columns="y")
    forest = ensemble.RandomForestClassifier(20, random_state=0).fit(features, words)
    expected = forest.predict_proba(features)
    certainty = howsure.assess(forest, frame)
    np.testing.assert_allclose(certainty.probabilities, expected, atol=1e-6)
    assert (certainty.class_names, certainty.id_name) == (NAMES, "animal")
    assert certainty.ids.tolist() == frame.index.tolist()
    assert certainty.truth.tolist() == truth.tolist()
    unnamed = ensemble.RandomForestClassifier(20, random_state=0).fit(x, words)
    found = howsure.assess(unnamed, frame.reset_index(names="id"))
    np.testing.assert_allclose(found.probabilities, unnamed.predict_proba(x), atol=1e-6)
    assert found.ids.tolist() == frame.index.tolist()
    renamed = features.rename(columns={"p": "id", "q": "y"})
    own = ensemble.RandomForestClassifier(20, random_state=0).fit(renamed, words)
    found = howsure.assess(own, renamed)
    np.testing.assert_allclose(found.probabilities, own.predict_proba(renamed), atol=1e-6)
    assert found.truth is None
    compared = howsure.compare(forest, frame, calibrated=False)
    assert compared.truth.tolist() == truth.tolist()


def test_classifiers_of_texts_keep_the_ids_of_a_series(truth):
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    said = pd.Series(
        [f"a {NAMES[number]} was seen" for number in truth], index=[f"note {k}" for k in range(ROWS)]
    )
    model = make_pipeline(CountVectorizer(), linear.LogisticRegression()).fit(said, truth)
    certainty = howsure.assess(model, said)
    np.testing.assert_allclose(certainty.probabilities, model.predict_proba(said), atol=1e-6)
    assert certainty.ids.tolist() == said.index.tolist()
