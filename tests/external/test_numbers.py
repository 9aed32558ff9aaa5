"""Tables of means and standard deviations that something else wrote are read as numbers."""

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure.errors import InputError
from howsure.external.files import FileColumns, read_result
from howsure.inputs.tables import Roles
from howsure.results.thresholds import Thresholds

FRAME = pd.DataFrame({"mean": [1.5, 2.0, -3.0], "std": [0.5, 0.25, 2.0]})


def saved(frame, path):
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_one_target(tmp_path, name):
    frame = FRAME.assign(id=["a", "b", "c"], y=[1, 2, 3], comment=["x", "y", "z"])
    result = read_result(saved(frame, tmp_path / name))
    assert isinstance(result, howsure.RegressionCertainty)
    assert (result.target_names, result.ids.tolist()) == (("value",), ["a", "b", "c"])
    np.testing.assert_array_equal(result.mean[:, 0], FRAME["mean"])
    np.testing.assert_array_equal(result.std[:, 0], FRAME["std"])
    assert result.truth.tolist() == [[1.0], [2.0], [3.0]]
    assert read_result(tmp_path / name, FileColumns(("price",))).target_names == ("price",)


@pytest.mark.parametrize("dot", [".", "_"])
def test_several_targets_in_any_order(tmp_path, dot):
    columns = {"std{}b": [3.0, 4.0], "mean{}a": [1.0, 2.0], "std{}a": [0.1, 0.2], "mean{}b": [10.0, 20.0]}
    columns |= {"y{}b": [5.5, 6.5], "y{}a": [7.5, 8.5]}
    frame = pd.DataFrame({name.format(dot): values for name, values in columns.items()})
    result = read_result(saved(frame, tmp_path / "t.csv"))
    assert result.target_names == ("a", "b")
    assert (result.mean.tolist(), result.std.tolist()) == ([[1, 10], [2, 20]], [[0.1, 3], [0.2, 4]])
    assert result.truth.tolist() == [[7.5, 5.5], [8.5, 6.5]]
    other = read_result(tmp_path / "t.csv", FileColumns(("b",)))
    assert (other.target_names, other.mean.tolist()) == (("b",), [[10], [20]])
    with pytest.raises(InputError, match=r"no columns of 'c'.*'mean\.c'.*Received: means of 'a', 'b'"):
        read_result(tmp_path / "t.csv", FileColumns(("a", "c")))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME[["mean"]], r"means in 'mean', but no standard deviations\. Expected: a column 'std'"),
        (FRAME[["mean"]].assign(id=[7, 8, 9]), "no standard deviations.*calibrate"),
        (FRAME.assign(std=[None] * 3), "'std' is empty"),
        (FRAME.assign(std=[1.0, None, 2.0]), "empty cells in column 'std', in row 1"),
        (FRAME.assign(std=[1.0, -1.0, 2.0]), "negative standard deviations"),
        (FRAME.assign(mean=["1", "two", "3"]), "cells that are not numbers in column 'mean', in row 1"),
        (
            pd.DataFrame({"mean.a": [1.0], "std.a": [1.0], "mean.b": [1.0]}),
            r"means in 'mean\.b', but no standard deviations\. Expected: a column 'std\.b'",
        ),
    ],
    ids=["alone", "with ids", "empty", "a gap", "negative", "text", "one of two"],
)
def test_what_is_no_table_of_numbers_is_refused(frame, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_result(saved(frame, tmp_path / "t.csv"))


def test_classes_may_have_such_names(tmp_path):
    """A class is called so where the caller says it, or where columns are not all means."""
    frame = pd.DataFrame({"mean": [0.2, 0.7], "std": [0.8, 0.3]})
    result = read_result(saved(frame, tmp_path / "t.csv"), FileColumns(("mean", "std")))
    assert result.class_names == ("mean", "std")
    frame = frame.rename(columns={"std": "nice"})
    assert read_result(saved(frame, tmp_path / "t.csv")).class_names == ("mean", "nice")


@pytest.mark.parametrize(
    "names", [("Mean", "Std"), ("MEAN", "STD"), ("Mean.a", "STD.a"), ("mean_a", "Std_a")]
)
def test_capitals_do_not_matter(names, tmp_path):
    result = read_result(saved(FRAME.set_axis(names, axis=1), tmp_path / "t.csv"))
    np.testing.assert_array_equal(result.mean[:, 0], FRAME["mean"])
    np.testing.assert_array_equal(result.std[:, 0], FRAME["std"])


@pytest.mark.parametrize("name", ["sd", "Sigma", "variance"])
def test_a_scatter_of_another_name_is_told_of_and_no_class(name, tmp_path):
    frame = FRAME.rename(columns={"std": name})
    with pytest.raises(InputError, match=rf"Expected.*'std'.*'{name}' is a standard deviation"):
        read_result(saved(frame, tmp_path / "t.csv"))
    read_result(saved(frame.rename(columns={name: "std"}), tmp_path / "t.csv"))


def test_numbers_of_unknown_meaning_are_not_called_logits_alone(tmp_path):
    frame = pd.DataFrame({"low": [1.5, 2.0], "middle": [2.5, 3.0], "high": [4.0, 5.0]})
    with pytest.raises(InputError, match=r"if they are numbers, .*from_mean_std.*columns mean and std"):
        read_result(saved(frame, tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (FileColumns(several=True), "`several_labels` has no effect on numbers"),
        (FileColumns(normalise=True), "`normalise` has no effect on numbers"),
        (FileColumns(thresholds=Thresholds()), "Thresholds of verdicts have no effect on numbers"),
    ],
)
def test_options_of_percentages_are_refused(columns, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_result(saved(FRAME, tmp_path / "t.csv"), columns)


def test_a_column_may_be_named(tmp_path):
    frame = FRAME.assign(price=[1.0, 2.0, 3.0], y=[9.0, 9.0, 9.0], who=["a", "b", "c"])
    result = read_result(saved(frame, tmp_path / "t.csv"), FileColumns(roles=Roles("price", "who")))
    assert (result.truth[:, 0].tolist(), result.id_name) == ([1.0, 2.0, 3.0], "who")
