"""Results of numbers from elsewhere, in the forms in which users have them."""

import re

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import InputError, RegressionCertainty
from howsure.evaluation.score import Score
from howsure.tasks.regression.compare import in_unit
from howsure.tasks.regression.printed import summary
from tests.commands import done, lines_of
from tests.tasks.measures import linear, rows

MEAN = np.array([1.0, 2.0, 3.0])
SAMPLES = np.random.default_rng(0).normal(size=(5, 3))


def test_one_standard_deviation_is_that_of_all():
    for mean in (MEAN, MEAN.reshape(3, 1), np.stack([MEAN, MEAN], axis=1)):
        found = RegressionCertainty.from_mean_std(mean, 0.5)
        np.testing.assert_array_equal(found.std, np.full((3, 1 if mean.ndim == 1 else mean.shape[1]), 0.5))
    with pytest.raises(InputError, match="negative standard deviations in 3 rows"):
        RegressionCertainty.from_mean_std(MEAN, -0.5)
    with pytest.raises(InputError, match="not finite"):
        RegressionCertainty.from_mean_std(MEAN, np.nan)


def test_the_deviations_of_one_target_may_be_a_column_of_any_name():
    frame = pd.DataFrame({"mean": [1.0, 2.0], "std": [0.5, 0.25]}, index=["a", "b"])
    found = howsure.RegressionCertainty.from_mean_std(frame[["mean"]], frame[["std"]].iloc[::-1])
    assert found.std.tolist() == [[0.5], [0.25]]


def test_the_noise_of_one_target_may_be_a_plain_array():
    noise = np.array([0.1, 0.2, 0.3])
    result = RegressionCertainty.from_samples(SAMPLES)
    for found in (result.with_noise(noise), RegressionCertainty.from_samples(SAMPLES, noise=noise)):
        np.testing.assert_array_equal(found.noise[:, 0], noise)
    np.testing.assert_array_equal(result.with_noise(noise[:1]).noise[:, 0], np.full(3, 0.1))
    with pytest.raises(InputError, match="`noise` does not fit the rows"):
        result.with_noise(noise[:2])
    both = RegressionCertainty.from_samples(np.stack([SAMPLES, SAMPLES], axis=-1))
    np.testing.assert_array_equal(both.with_noise([0.1, 0.2]).noise, np.tile([0.1, 0.2], (3, 1)))
    with pytest.raises(InputError, match="`noise` does not fit the rows"):
        both.with_noise(noise)


def test_names_may_be_an_array_beside_a_list_of_samples():
    samples = [np.stack([each, each], axis=-1) for each in SAMPLES]
    for given in (samples, np.stack(samples)):
        assert RegressionCertainty.from_samples(given, np.array(["a", "b"])).target_names == ("a", "b")


def test_names_of_targets_may_be_called_class_names_and_the_other_way_round(tmp_path):
    x = rows(40)
    truth = linear().predict([x])[:, 0] + np.random.default_rng(0).normal(size=40)
    for names in ({"class_names": ["price"]}, {"target_names": ["price"]}):
        assert howsure.assess(linear(), x, **names).target_names == ("price",)
        assert RegressionCertainty.from_mean_std(MEAN, 1.0, **names).target_names == ("price",)
        assert RegressionCertainty.from_samples(SAMPLES, **names).target_names == ("price",)
        assert next(howsure.stream(linear(), x, **names)).target_names == ("price",)
        found = howsure.compare(linear(), x, truth, **names)
        assert next(iter(found.certainties.values())).target_names == ("price",)
    np.save(tmp_path / "x.npy", x)
    for option in ("--class-names", "--target-names"):
        done(
            "assess",
            "tests.tasks.measures:linear",
            tmp_path / "x.npy",
            option,
            "price,",
            "--out",
            tmp_path / "t.parquet",
        )
        assert howsure.load(tmp_path / "t.parquet").target_names == ("price",)
    with pytest.raises(TypeError, match="target_names"):
        howsure.assess(linear(), x, class_names=["a"], target_names=["b"])


@pytest.mark.parametrize("mean", [1234567.891, 0.1234567, -12.5, 0.0, 3e-9])
def test_a_number_that_claims_to_be_exact_is_not_rounded(mean):
    row = RegressionCertainty.from_mean_std([mean], [0.0]).with_truth([mean + 1e-4])[0]
    said = str(row).partition(";")[0].replace(",", "").rstrip(".")
    assert float(said) == mean
    assert "at " in str(row)
    wrong = howsure.tasks.regression.printed.truth_of(row)
    assert float(wrong.replace(",", "")) == pytest.approx(mean + 1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score(4e-16, 3e-16, 6e-16), ("400e−18", "300e−18\u00a0to\u00a0600e−18")),
        (Score(0.0004, -30.0, 30.0), ("0.00040", "−30\u00a0to\u00a030")),
        (Score(-0.5, -3000.0, 20.0), ("−0.50", "−3,000\u00a0to\u00a020")),
        (Score(0.0, -30.0, 30.0), ("0", "−30\u00a0to\u00a030")),
        (Score(1.234, 1.1, 1.4), ("1.23", "1.10\u00a0to\u00a01.40")),
    ],
)
def test_no_score_of_a_comparison_is_rounded_to_nothing(score, said):
    assert in_unit(score) == said


@pytest.mark.parametrize("noise", [1e-6, 1e6, 1.0])
@pytest.mark.parametrize("targets", [1, 2])
def test_a_share_has_one_comparison(noise, targets):
    samples = np.random.default_rng(0).normal(size=(60, 30, targets))
    said = summary(RegressionCertainty.from_samples(samples).with_noise(noise, "the model"))
    assert "of the variance" in said
    assert not re.search("(most|least) [<>]", said)
    shares = said.partition("In the median row, disagreement between samples is ")[2]
    assert (shares[0] in "<>") == (noise != 1.0)


@pytest.mark.parametrize("shift", [0.0, 1e6, 1.7e9])
def test_a_person_gets_the_digits_that_an_interval_tells(shift, tmp_path):
    mean = shift + np.array([0.123456, 2.5, -3.25])
    for std in (0.5, 0.0):
        result = RegressionCertainty.from_mean_std(mean, std).with_truth(mean + 0.25)
        howsure.hand_over(result, [0, 1, 2], tmp_path / "t.csv")
        lines = lines_of(tmp_path / "t.csv")
        for column, wanted in (("mean", mean), ("low", mean - 1.96 * std), ("truth", mean + 0.25)):
            np.testing.assert_allclose([float(line[column]) for line in lines], wanted, rtol=0, atol=3e-5)
