"""At every door, values in another order than the rows give the same as values in their order, by the index.

The oracle is the same call with plain arrays in the order of the rows.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import Certainty, MultilabelCertainty, RegressionCertainty

N = 60
RANDOM = np.random.default_rng(0)
SPLIT = 100 + RANDOM.choice(1000, N, replace=False)
INDEXES = {
    "texts": pd.Index([f"r{n}" for n in SPLIT], name="name"),
    "a split": pd.Index(SPLIT),
    "days": pd.date_range("2026-01-01", periods=N),
    "two levels": pd.MultiIndex.from_product([["a", "b"], range(N // 2)], names=["part", "number"]),
}
ORDER = RANDOM.permutation(N)
P = RANDOM.dirichlet(np.ones(3), N)
Y = np.array([RANDOM.choice(3, p=p) for p in P])
HOLDS = RANDOM.random((N, 2)) < 0.5
MEAN, STD = RANDOM.normal(size=N), RANDOM.uniform(0.5, 2, N)
TRUE = MEAN + STD * RANDOM.normal(size=N)


@pytest.fixture(params=INDEXES)
def index(request):
    return INDEXES[request.param]


def classes(index=None):
    return Certainty.from_probabilities(pd.DataFrame(P, index, ["a", "b", "c"]))


def numbers(index=None):
    return RegressionCertainty.from_mean_std(pd.Series(MEAN, index), pd.Series(STD, index))


def several(index=None):
    return MultilabelCertainty.from_probabilities(pd.DataFrame(P[:, :2], index, ["rain", "wind"]))


DOORS = {
    "evaluate": (classes, Y, lambda r, y: howsure.evaluate(r, y).nll.value),
    "one-hot": (
        classes,
        pd.DataFrame(np.eye(3)[Y], columns=["a", "b", "c"]),
        lambda r, y: r.with_truth(y).truth,
    ),
    "ids": (classes, np.arange(N) + 5000, lambda r, y: r.with_ids(y).ids),
    "familiarity": (classes, STD / 2, lambda r, y: r.with_familiarity(y).familiarity),
    "truth of numbers": (numbers, TRUE, lambda r, y: r.with_truth(y).truth),
    "noise": (numbers, pd.DataFrame({"value": STD}), lambda r, y: r.with_noise(y).noise),
}
"""Doors with values of each kind; `tests/doors` has all doors of true answers."""


def shuffled(values, index):
    wrapped = values.set_axis(index) if hasattr(values, "columns") else pd.Series(values, index)
    return wrapped.iloc[ORDER]


@pytest.mark.parametrize("door", DOORS)
def test_values_in_another_order_are_aligned(door, index):
    make, values, call = DOORS[door]
    expected = call(make(), np.asarray(values) if isinstance(values, np.ndarray) else values)
    result = make(index)
    assert len(set(result.ids)) == N
    np.testing.assert_array_equal(call(result, shuffled(values, index)), expected)
    np.testing.assert_array_equal(call(result, shuffled(values, index).sort_index()), expected)


@pytest.mark.parametrize("door", DOORS)
def test_values_of_other_rows_are_refused(door):
    """A call that takes them by place would be silent: there are as many values as rows."""
    make, values, call = DOORS[door]
    with pytest.raises(howsure.InputError, match="of other rows"):
        call(make(INDEXES["a split"]), shuffled(values, pd.Index(np.append(SPLIT[1:], 2000))))


@pytest.mark.parametrize("door", DOORS)
def test_values_whose_index_was_made_anew_are_refused_with_the_way_out(door):
    """The index of rows, or that of values, was reset; or values are those of the other half of the rows."""
    make, values, call = DOORS[door]
    plain = values if hasattr(values, "columns") else pd.Series(values)
    for result, given in ((make(INDEXES["a split"]), plain), (make(), plain.set_axis(INDEXES["a split"]))):
        with pytest.raises(howsure.InputError, match=r"of other rows.*to_numpy|set_axis"):
            call(result, given)


@pytest.mark.parametrize("door", DOORS)
def test_an_index_that_counts_is_remembered(door):
    """It makes no column of ids; values under the same numbers in another order may be in either order."""
    make, values, call = DOORS[door]
    result = make()
    assert result.ids is None
    assert result.frame_index.tolist() == list(range(N))
    assert "frame_index" not in result.to_arrow().column_names
    with pytest.raises(howsure.InputError, match=r"or under an index that was made anew.*to_numpy|set_axis"):
        call(result, shuffled(values, pd.RangeIndex(N)))


@pytest.mark.parametrize("make", [classes, numbers, several])
@pytest.mark.parametrize("name", [None, *INDEXES])
def test_the_index_stays_with_the_rows(make, name, tmp_path):
    """In a slice, in parts that are joined, in copies, and in what is saved and loaded."""
    result = make(None if name is None else INDEXES[name])
    rows = ORDER[:20]
    result[rows].save(tmp_path / "some.parquet")
    parts = [result[rows[:8]], result[rows[8:]]]
    for each in (result[rows], type(result).joined(parts), howsure.load(tmp_path / "some.parquet")):
        assert each.frame_index.tolist() == result.frame_index[rows].tolist()
        truth = {"classes": Y, "numbers": TRUE, "labels": HOLDS}[result.answer]
        index = pd.RangeIndex(N) if name is None else INDEXES[name]
        values = pd.DataFrame(truth, index).iloc[rows[::-1]]
        values.columns = each.label_names if result.answer == "labels" else ["value"]
        assert np.array_equal(np.ravel(each.with_truth(values).truth), np.ravel(truth[rows]))


def test_the_index_stays_beside_ids_of_a_column(tmp_path):
    frame = pd.DataFrame(P, INDEXES["a split"], ["a", "b", "c"]).assign(id=np.arange(N) + 400)
    result = Certainty.from_probabilities(frame)
    result.save(tmp_path / "all.parquet")
    truth = pd.Series(Y, INDEXES["a split"])
    for each in (result, howsure.load(tmp_path / "all.parquet")):
        assert each.ids.tolist() == frame["id"].tolist()
        assert np.array_equal(each.with_truth(truth).truth, Y)
        assert np.array_equal(each.with_truth(truth.iloc[ORDER]).truth, Y)
        assert np.array_equal(each.with_truth(truth.set_axis(frame["id"]).iloc[ORDER]).truth, Y)


def test_parts_with_and_without_an_index_are_joined_without_it():
    parts = [classes(), Certainty.from_probabilities(P, ["a", "b", "c"])]
    for each in (Certainty.joined(parts), Certainty.joined(parts[::-1]), Certainty.joined(iter(parts))):
        assert each.frame_index is None
        assert np.array_equal(each.probabilities[N:], classes().probabilities)


def test_the_spread_of_means_is_aligned(index):
    mean, std = pd.Series(MEAN, index), pd.Series(STD, index)
    found = RegressionCertainty.from_mean_std(mean, std.iloc[ORDER], ids=pd.Series(SPLIT, index).iloc[ORDER])
    assert np.array_equal(found.std[:, 0], STD)
    assert found.ids.tolist() == SPLIT.tolist()
    named = RegressionCertainty.from_mean_std(mean, std.to_numpy())
    assert named.ids.tolist() == classes(index).ids.tolist()
    assert named.id_name == classes(index).id_name
    with pytest.raises(howsure.InputError, match=r"The standard deviations are of other rows.*std\.to_numpy"):
        RegressionCertainty.from_mean_std(pd.Series(MEAN, SPLIT), pd.Series(STD, SPLIT + 1))


def test_samples_and_passes_are_aligned(index):
    samples = [pd.DataFrame(MEAN + n, index, ["y"]) for n in range(4)]
    turned = [samples[0], *(each.iloc[ORDER] for each in samples[1:])]
    noise = pd.Series(STD, index).iloc[ORDER].to_frame("y")
    found = RegressionCertainty.from_samples(turned, noise=noise)
    expected = RegressionCertainty.from_samples(np.stack(samples), noise=STD[:, None])
    for name in ("mean", "spread", "std"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    passes = [pd.DataFrame(RANDOM.dirichlet(np.ones(3), N), index, list("abc")) for _ in range(3)]
    found = Certainty.from_passes([passes[0], passes[1].iloc[ORDER], passes[2].sort_index()])
    assert np.array_equal(found.probabilities, Certainty.from_passes(np.stack(passes)).probabilities)
    assert len(set(found.ids)) == N


def test_the_page_shows_each_row_beside_its_answer(index, tmp_path):
    rows = pd.DataFrame({"said": [f"text-{n}-" for n in range(N)]}, index)
    result = classes(index)
    result.report(tmp_path / "in order.html", rows=rows, labels=pd.Series(Y, index))
    result.report(tmp_path / "turned.html", rows=rows.iloc[ORDER], labels=pd.Series(Y, index).iloc[ORDER])
    in_order, turned = (
        (tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("in order", "turned")
    )
    assert "text-" in in_order
    assert in_order == turned
    with pytest.raises(howsure.InputError, match="holds values of other rows"):
        classes(INDEXES["a split"]).report(tmp_path / "no.html", rows=rows.set_axis(SPLIT + 1))


def test_the_page_matches_rows_by_their_column_of_ids(tmp_path):
    frame = pytest.importorskip("polars").DataFrame(
        {"said": [f"text-{n}-" for n in range(N)], "id": [f"r{n}" for n in SPLIT]}
    )
    result = classes(INDEXES["texts"])
    for name, rows in (("in order", frame), ("turned", frame[ORDER.tolist()])):
        result.report(tmp_path / f"{name}.html", rows=rows)
    assert (tmp_path / "in order.html").read_bytes() == (tmp_path / "turned.html").read_bytes()


def test_evaluations_of_other_rows_are_not_subtracted():
    """Both have the same numbers of rows and the same true classes, by accident."""
    truth = np.zeros(N, dtype=int)
    one, other = (howsure.evaluate(classes(SPLIT + shift), truth) for shift in (0, 1))
    assert one.minus(one)["nll"].value == 0
    with pytest.raises(howsure.InputError, match="The other evaluation is of other rows"):
        one.minus(other)
    turned = howsure.evaluate(classes(SPLIT[::-1]), truth)
    with pytest.raises(howsure.InputError, match="cannot be compared row by row"):
        one.minus(turned)


def test_rows_are_chosen_by_the_index(index, tmp_path):
    """As in pandas, booleans in another order choose the rows that they are called by."""
    chosen = pd.Series(STD > 1.5, index)
    result = classes(index)
    assert np.array_equal(result[chosen.iloc[ORDER]].row, np.flatnonzero(STD > 1.5))
    howsure.hand_over(result, chosen.iloc[ORDER], tmp_path / "a.csv")
    howsure.hand_over(result, STD > 1.5, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    positions = pd.Series([3, 1, 2], index[:3])
    assert result[positions].row.tolist() == [3, 1, 2]


def test_true_classes_at_positions_are_aligned(index):
    """A frame of N sequences, whose columns are positions; the result has ids alone."""
    p = RANDOM.dirichlet(np.ones(3), (N, 5)).astype("float32")
    labels = pd.DataFrame(np.where(RANDOM.random((N, 5)) < 0.8, p.argmax(axis=-1), 0), index)
    result = howsure.DenseCertainty.from_probabilities(p, ["a", "b", "c"]).with_ids(classes(index).ids)
    expected, found = (howsure.evaluate(result, each) for each in (labels.to_numpy(), labels.iloc[ORDER]))
    assert found.accuracy.value == expected.accuracy.value
    assert np.array_equal(result.with_truth(labels.iloc[ORDER]).truth, labels)
    with pytest.raises(howsure.InputError, match="of other rows"):
        howsure.evaluate(result, labels.set_axis([result.ids[1], *result.ids[1:-1], "no row"]))


WIDE_MEAN = pd.DataFrame(RANDOM.normal(size=(N, 3)), INDEXES["texts"], ["a", "b", "c"])
WIDE_STD = pd.DataFrame(RANDOM.uniform(1, 2, (N, 3)) * [1, 10, 100], INDEXES["texts"], ["a", "b", "c"])
PASSES = [pd.DataFrame(RANDOM.dirichlet(np.ones(3), N), INDEXES["texts"], ["a", "b", "c"]) for _ in range(3)]


def of_means(std):
    return RegressionCertainty.from_mean_std(WIDE_MEAN, std)


def of_samples(last, names=None):
    return RegressionCertainty.from_samples([WIDE_MEAN, WIDE_MEAN + 1, last], names).mean


BY_COLUMN = {
    "std": (WIDE_STD, lambda std: of_means(std).std),
    "noise": (WIDE_STD, lambda noise: of_means(WIDE_STD).with_noise(noise).noise),
    "noise of samples": (
        WIDE_STD,
        lambda noise: RegressionCertainty.from_samples([WIDE_MEAN, WIDE_MEAN + 1], noise=noise).noise,
    ),
    "a sample": (WIDE_STD, of_samples),
    "a sample under new names": (WIDE_STD, lambda last: of_samples(last, ["x", "y", "z"])),
    "a pass": (PASSES[0], lambda last: Certainty.from_passes([*PASSES, last]).probabilities),
    "a pass under new names": (
        PASSES[0],
        lambda last: Certainty.from_passes([*PASSES, last], ["x", "y", "z"]).probabilities,
    ),
    "a pass by its names": (
        PASSES[0],
        lambda last: Certainty.from_passes([*PASSES, last], ["a", "b", "c"]).probabilities,
    ),
    "truth": (WIDE_STD, lambda truth: of_means(WIDE_STD).with_truth(truth).truth),
    "mean to rescale by": (
        WIDE_STD.mean(),
        lambda mean: of_means(WIDE_STD).rescaled(mean, 2.0).mean,
    ),
    "std to rescale by": (WIDE_STD.mean(), lambda std: of_means(WIDE_STD).rescaled(0.0, std).mean),
}


@pytest.mark.parametrize("door", BY_COLUMN)
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_columns_in_another_order_are_aligned_or_refused(door):
    values, call = BY_COLUMN[door]
    turned = values[["c", "a", "b"]]
    if door in ("a pass", "a pass under new names"):
        with pytest.raises(howsure.InputError, match="other classes"):
            call(turned)
        return
    np.testing.assert_array_equal(call(turned), call(values))
    if turned.ndim == 2:
        np.testing.assert_array_equal(call(turned.iloc[ORDER]), call(values))


@pytest.mark.parametrize("door", [name for name in BY_COLUMN if "rescale" not in name])
@pytest.mark.filterwarnings("ignore::howsure.HowsureWarning")
def test_columns_of_other_names_are_refused(door):
    values, call = BY_COLUMN[door]
    with pytest.raises(howsure.InputError):
        call(values.set_axis(["a", "b", "d"], axis=1))
    if "pass" not in door:
        with pytest.raises(howsure.InputError):
            call(values.set_axis(["d", "e", "f"], axis=1))


@pytest.mark.parametrize("column", ["spread", "noise", "truth", "ids"])
def test_the_constructor_takes_no_data_frame(column):
    """Its arrays are in the order of the rows and names already; those of a frame may be in another."""
    values = WIDE_STD["a"] if column == "ids" else WIDE_STD
    with pytest.raises(howsure.InputError, match=rf"`{column}` is a (DataFrame|Series).*to_numpy"):
        dataclasses.replace(of_means(WIDE_STD), **{column: values})


@pytest.mark.parametrize("make", [classes, numbers, several])
@pytest.mark.parametrize("name", ["texts", "a split", "floats"])
@pytest.mark.parametrize("rows", [slice(None), ORDER[:20]], ids=["all", "some"])
def test_a_column_of_the_table_goes_back_into_the_data_frame(make, name, rows, tmp_path):
    """By its index, as pandas assigns columns; also from a result that was saved."""
    index = pd.Index(SPLIT.astype(float)) if name == "floats" else INDEXES[name]
    frame, result = pd.DataFrame({"place": np.arange(N)}, index), make(index)[rows]
    result.save(tmp_path / "rows.parquet")
    for each in (result, howsure.load(tmp_path / "rows.parquet")):
        frame["row"] = each.to_pandas()["row"]
        there = frame["row"].notna()
        assert there.sum() == len(each)
        assert (frame["row"] == frame["place"])[there].all()


def test_the_index_stands_in_a_table_once(tmp_path):
    frame = pd.DataFrame(P, INDEXES["texts"], ["a", "b", "c"])
    beside = Certainty.from_probabilities(frame.assign(id=np.arange(N) + 400))
    for result, named in ((beside, "frame_index"), (Certainty.from_probabilities(frame), "name")):
        table = result.to_arrow()
        assert [name for name in table.column_names if table[name].to_pylist() == [*frame.index]] == [named]
        assert named not in result.to_pandas().columns
        result.save(tmp_path / "rows.csv")
        read = pd.read_csv(tmp_path / "rows.csv")
        assert [name for name in read.columns if read[name].tolist() == [*frame.index]] == [named]


MASKED = {
    "samples": lambda masked: RegressionCertainty.from_samples(np.ma.stack([masked, masked + 1])),
    "a list of samples": lambda masked: RegressionCertainty.from_samples([masked, masked + 1]),
    "noise of samples": lambda masked: RegressionCertainty.from_samples([STD, STD + 1], noise=masked),
    "noise": lambda masked: numbers().with_noise(masked),
    "mean": lambda masked: RegressionCertainty.from_mean_std(masked, 1.0),
    "std": lambda masked: RegressionCertainty.from_mean_std(STD, masked),
    "truth": lambda masked: numbers().with_truth(masked),
    "familiarity": lambda masked: numbers().with_familiarity(masked / 4),
    "shift": lambda masked: of_means(WIDE_STD).rescaled(masked[:3], 1.0),
    "scale": lambda masked: of_means(WIDE_STD).rescaled(0.0, masked[:3]),
    "tolerance": lambda masked: howsure.abstain(
        of_means(WIDE_STD), WIDE_MEAN, risk=0.5, tolerance=masked[:3]
    ),
    "ids": lambda masked: numbers().with_ids((1000 * masked).astype(int)),
    "a column": lambda masked: dataclasses.replace(numbers(), noise=masked[:, None]),
    "features": lambda masked: howsure.Features(masked[:, None], STD[:, None]),
    "probabilities": lambda masked: Certainty.from_probabilities(masked / 4, ["a", "b"]),
    "maps": lambda masked: howsure.DenseCertainty.from_probabilities(
        np.ma.stack([masked / 4, 1 - masked / 4], -1).reshape(4, 15, 2)
    ),
    "positions": lambda masked: howsure.DenseCertainty.from_probabilities(
        np.full((4, 15, 2), 0.5), positions=(masked > 0).reshape(4, 15)
    ),
}


@pytest.mark.parametrize("door", MASKED)
def test_masked_values_are_no_numbers(door):
    masked = np.ma.array(STD, mask=np.arange(N) < 2)
    with pytest.raises(howsure.InputError, match="masked"):
        MASKED[door](masked)
