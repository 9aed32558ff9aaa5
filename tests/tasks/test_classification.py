import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

import howsure
from howsure import Certainty, FileError, Thresholds
from howsure.results.saved import with_digest
from howsure.statistics import entropy_of
from howsure.tasks.sentences import percent
from tests.made import certainty_of

ERRORS = ("entropy_error", "expected_entropy_error", "mutual_information_error")
OPTIONAL = ("entropy_correction", *ERRORS)
ARRAYS = ("probabilities", "mc_error", "expected_entropy", "passes", "row", "truth", *OPTIONAL)
DERIVED = (
    "label",
    "runner_up",
    "probability",
    "gap",
    "entropy",
    "mutual_information",
    "verdict",
    "settled",
    "reason",
)


def make(probabilities, mc_error=0.001, share=0.5, **arguments):
    """A Certainty in which `share` of the entropy is expected entropy."""
    known = {"expected_entropy": share * entropy_of(np.array(probabilities, dtype=float))}
    return certainty_of(probabilities, mc_error=mc_error, **(known | arguments))


def random_one(rows=50, classes=5, **arguments):
    random = np.random.default_rng(0)
    p = random.dirichlet(np.full(classes, 0.5), size=rows)
    more = {
        "mc_error": random.uniform(0, 0.02, p.shape),
        "expected_entropy": random.uniform(0, 1, rows) * entropy_of(p),
        "passes": random.integers(2, 400, rows),
        "truth": random.integers(0, classes, rows),
        **{name: random.uniform(0, 0.02, rows) for name in ERRORS},
    }
    return make(p, **{**more, **arguments})


def corrected(correction, probabilities=((0.6, 0.4), (0.9, 0.1)), share=0.5):
    """A Certainty whose entropies are corrected, and the same without."""
    plain = make(probabilities, share=share)
    return dataclasses.replace(plain, entropy_correction=np.array(correction)), plain


@pytest.fixture
def digits():
    """Sure, coin flip, leaning, sure and not settled, closer coin flip."""
    return make(
        [
            [0.98, 0.01, 0.01],
            [0.51, 0.46, 0.03],
            [0.20, 0.70, 0.10],
            [0.04, 0.00, 0.96],
            [0.33, 0.33, 0.34],
        ],
        mc_error=np.tile([[0.001], [0.005], [0.001], [0.02], [0.001]], 3),
        class_names=["zero", "six", "eight"],
        kind="image",
        row=np.array([0, 1, 2, 3, 4]),
    )


# --- the arrays -------------------------------------------------------------------------------


def test_fields_are_frozen(digits):
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.probabilities = np.zeros((5, 3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits[0].label = 2


def test_what_follows_from_the_probabilities(digits):
    assert digits.label.tolist() == [0, 0, 1, 2, 2]
    assert digits.runner_up.tolist() == [1, 1, 0, 0, 0]
    np.testing.assert_allclose(digits.probability, [0.98, 0.51, 0.7, 0.96, 0.34])
    np.testing.assert_allclose(digits.gap, [0.97, 0.05, 0.5, 0.92, 0.01])
    assert digits.verdict.tolist() == ["sure", "coin flip", "leaning", "sure", "coin flip"]
    assert digits.settled.tolist() == [True, True, True, False, True]
    assert digits.reason.tolist() == [
        None,
        *["doubt within passes"] * 2,
        "too few passes",
        "doubt within passes",
    ]


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_entropy_against_scipy_and_its_bounds(classes):
    c = random_one(rows=60, classes=classes)
    np.testing.assert_allclose(c.entropy, stats.entropy(c.probabilities, axis=-1), rtol=1e-10)
    assert np.all(c.mutual_information >= 0)
    assert np.all(c.mutual_information <= c.entropy)
    assert np.all(c.entropy <= np.log(classes) + 1e-12)
    np.testing.assert_allclose(c.mutual_information + c.expected_entropy, c.entropy, rtol=1e-12)


def test_rounding_cannot_make_mutual_information_negative():
    p = np.full((1, 3), 1 / 3)
    c = make(p, expected_entropy=np.array([np.log(3) + 1e-12]))
    assert c.mutual_information[0] == 0


def test_the_correction_raises_entropy_and_mutual_information_by_that_much():
    plus, plain = corrected([0.01, 0.05])
    np.testing.assert_allclose(plus.entropy - plain.entropy, [0.01, 0.05], rtol=1e-12)
    np.testing.assert_allclose(plus.mutual_information - plain.mutual_information, [0.01, 0.05], rtol=1e-12)
    np.testing.assert_array_equal(plus.expected_entropy, plain.expected_entropy)
    np.testing.assert_array_equal(plus.probabilities, plain.probabilities)


def test_the_correction_makes_up_for_what_a_mean_over_few_passes_lacks():
    """The plug-in entropy of a mean over 20 independent passes is too small; corrected, it is unbiased."""
    random = np.random.default_rng(1)
    truth, concentration, passes, rows = np.array([0.5, 0.3, 0.2]), 10, 20, 20_000
    draws = random.dirichlet(concentration * truth, size=(passes, rows))
    mean, variance = draws.mean(axis=0), draws.var(axis=0, ddof=1) / passes
    c = make(mean, share=0, entropy_correction=np.sum(variance / (2 * mean), axis=-1))
    standard_error = c.entropy.std(ddof=1) / np.sqrt(rows)
    assert abs(c.entropy.mean() - stats.entropy(truth)) < 4 * standard_error
    assert stats.entropy(truth) - entropy_of(mean).mean() > 20 * standard_error


def test_entropy_is_corrected_up_to_that_of_ignorance():
    plus, _ = corrected([0.7, 0.01], share=0.1)
    assert plus.entropy[0] == np.log(2)
    assert plus.entropy[1] < np.log(2)


def test_corrected_entropy_is_not_below_expected_entropy():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    expected = entropy_of(p) + np.array([0.03, 0.03, 1e-8])  # the last above log K, as only rounding could
    c = make(p, expected_entropy=expected, entropy_correction=np.array([0.01, 0.05, 1.0]))
    np.testing.assert_allclose(c.entropy, [expected[0], entropy_of(p)[1] + 0.05, expected[2]], rtol=1e-12)
    np.testing.assert_allclose(c.mutual_information, [0, 0.02, 0], atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_correction_and_errors_that_are_not_given(rows):
    c = make(np.full((rows, 4), 0.25), share=0.5)
    np.testing.assert_array_equal(c.entropy_correction, np.zeros(rows))
    for name in ERRORS:
        np.testing.assert_array_equal(getattr(c, name), np.full(rows, np.nan))
    for name in OPTIONAL:
        assert getattr(c, name).dtype == np.float64
        assert not getattr(c, name).flags.writeable
    np.testing.assert_allclose(c.entropy, np.full(rows, np.log(4)))


# --- rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [5, -6, 10**9])
def test_index_out_of_range(digits, index):
    with pytest.raises(IndexError, match=f"Row {index} does not exist: there are 5 rows, numbered from 0"):
        digits[index]


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -2), [4, 2, 0]),
        (slice(9, 12), []),
        (np.array([3, 0, 3]), [3, 0, 3]),
        (np.array([True, False, False, True, False]), [0, 3]),
        ([4, -1], [4, 4]),
        ([], []),
        ((1, 2), [1, 2]),
        (np.array([0, 4], np.uint8), [0, 4]),
        ([True, False, False, False, True], [0, 4]),
        (np.zeros(5, bool), []),
        ((0, 1, 2, 0), [0, 1, 2, 0]),
        (range(2), [0, 1]),
    ],
)
def test_index_with_anything_else_gives_a_smaller_certainty(digits, index, rows):
    labelled = digits.with_truth([0, 1, 1, 2, 0])
    part = labelled[index]
    assert isinstance(part, Certainty)
    assert len(part) == len(rows)
    assert part.row.tolist() == rows
    assert part.truth.tolist() == [[0, 1, 1, 2, 0][row] for row in rows]
    for column in Certainty.columns:
        values = getattr(labelled, column.name)
        if values is not None:
            np.testing.assert_array_equal(getattr(part, column.name), values[rows], column.name)
    assert (part.class_names, part.kind, part.thresholds) == (digits.class_names, "image", digits.thresholds)


def test_coin_flips_come_the_most_undecided_first_ties_in_the_order_of_rows():
    c = make([[0.5, 0.5], [0.99, 0.01], [0.55, 0.45], [0.45, 0.55], [0.5, 0.5], [0.8, 0.2], [0.41, 0.59]])
    assert c.coin_flips().tolist() == [0, 4, 2, 3, 6]
    assert c.most_undecided().tolist() == [0, 4, 2, 3, 6, 5, 1]
    assert c.most_undecided(2).tolist() == [0, 4]
    assert c.most_undecided(0).tolist() == []
    assert c.most_undecided(100).tolist() == [0, 4, 2, 3, 6, 5, 1]
    assert make([[0.99, 0.01]]).coin_flips().tolist() == []


def test_iteration_and_repr(digits):
    assert [row.label for row in digits] == digits.label.tolist()
    assert repr(digits) == "<Certainty of 5 rows, 3 classes: 2 sure, 1 leaning, 2 coin flip>"


@pytest.mark.parametrize("classes", [2, 1000])
def test_no_rows_and_one_row(classes):
    none = make(np.zeros((0, classes)))
    assert len(none) == 0
    assert list(none) == []
    for name in DERIVED:
        assert getattr(none, name).shape == (0,)
    assert none.coin_flips().tolist() == []
    assert none.to_arrow().num_rows == 0
    assert "0 rows" in repr(none)
    with pytest.raises(IndexError, match="there are 0 rows"):
        none[0]
    one = random_one(rows=1, classes=classes)
    assert str(one[0]) == str(one[-1])
    assert one.to_arrow().num_rows == 1


# --- sentences --------------------------------------------------------------------------------


def sentence(probabilities, mc_error=0.001, share=0.5, **arguments):
    row = make([probabilities], mc_error, share, **arguments)[0]
    return f"{row} {row.explain()}".rstrip()


def test_sentence_of_the_design():
    names = [str(number) for number in range(10)]
    p = np.full(10, 0.03 / 8)
    p[8], p[6] = 0.51, 0.46
    text = sentence(p, mc_error=0.005, share=0.9, class_names=names, kind="image")
    assert text == (
        "51 ± 1 % '8', or '6' (46 %): coin flip. "
        "Most of the doubt is within the networks, not between them: more passes will not help."
    )


@pytest.mark.parametrize(
    ("probabilities", "mc_error", "share", "kind", "text"),
    [
        ([0.982, 0.018], 0.002, 0.5, "row", "98.2 ± 0.4 % 'a': sure."),
        ([0.9999, 0.0001], 0.0001, 0.5, "row", "> 99.9 % 'a': sure."),
        (
            [0.5, 0.5],
            0.001,
            0.9,
            "row",
            "50.0 ± 0.2 % 'a', or 'b' (50 %): coin flip. "
            "Most of the doubt is within the networks, not between them: more passes will not help.",
        ),
        (
            [0.3, 0.7],
            0.01,
            0.1,
            "image",
            "70 ± 2 % 'b', or 'a' (30 %): leaning. "
            "The networks disagree: an ensemble tells whether networks from other seeds doubt it too.",
        ),
        (
            [0.96, 0.04],
            0.02,
            0.9,
            "image",
            "96 ± 4 % 'a': probably sure; needs about 180 more passes.",
        ),
        (
            [0.6, 0.4],
            0.05,
            0.9,
            "image",
            "60 ± 10 % 'a', or 'b' (40 %): coin flip; needs about 180 more passes.",
        ),
        (
            [0.6, 0.4],
            np.nan,
            0.9,
            "row",
            "60.0 % 'a', or 'b' (40 %): coin flip; 20 passes do not settle it.",
        ),
    ],
)
def test_sentences(probabilities, mc_error, share, kind, text):
    assert sentence(probabilities, mc_error, share, kind=kind, class_names=["a", "b"]) == text


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (howsure.MCDropout(), "; needs about 110 more passes. Try max_passes=130."),
        (howsure.MCDropout(passes=20), "; needs about 110 more passes. Try passes=130."),
        (
            howsure.Ensemble([object()]),
            "; needs about 110 more members of the ensemble. Try an ensemble of 130 members.",
        ),
        (
            howsure.Ensemble([object()], each=howsure.MCDropout()),
            "; needs about 110 more passes.",
        ),
        (howsure.Augmentation([abs]), "; needs about 110 more answers to changed versions."),
    ],
)
def test_what_is_not_settled_names_the_option_of_its_method(method, said):
    # 0.65 is 0.01/0.0128 = 0.78 standard errors from 0.66: (1.96/0.78)² = 6.3 times 20 passes are 126.
    p, thresholds = [0.66, 0.34], Thresholds(sure=0.65)
    row = make([p], 0.0128, thresholds=thresholds, method=dict(method.settings))
    assert f"{row[0]} {row[0].explain()}".rstrip().endswith(said)
    assert row.passes_to_settle.tolist() == [126]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (howsure.MCDropout(passes=9), "; needs about 9 more passes. Try passes=18."),
        (howsure.MCDropout(budget=5), "; needs about 6 more passes. Try max_passes=10."),
        (howsure.Ensemble([object()]), None),
        (howsure.Ensemble([object()], each=howsure.MCDropout()), None),
    ],
)
def test_nine_passes_that_were_drawn_settle_nothing_and_nine_members_do(method, said):
    passes = np.array([4 if method == howsure.MCDropout(budget=5) else 9])
    row = make([[0.99, 0.01]], 0.001, method=dict(method.settings), passes=passes)
    assert row.settled.tolist() == [said is None]
    assert f"{row[0]} {row[0].explain()}".rstrip().endswith(said or "sure.")
    assert row.verdict.tolist() == ["sure"]


def test_what_is_seen_of_doubt_is_said_of_what_the_passes_are():
    settings = dict(howsure.Ensemble([object()]).settings)
    text = sentence([0.55, 0.45], share=0.8, method=settings, expected_entropy_error=np.array([0.005]))
    assert (
        "Most of the doubt is within the members, not between them: "
        "more members of the ensemble will not help." in text
    )
    one = make([[0.55, 0.45]], share=0.8, **{name: np.array([0.005]) for name in ERRORS})
    # E = .8 H, I = .2 H, H = .688: (E + I) · .005 / H² = .0074, and 1.96 of it are 1.5 points.
    assert one.disagreement_error.tolist() == pytest.approx([0.005 / entropy_of(np.array([0.55, 0.45]))])


def test_sentence_with_an_unlikely_rival():
    p = [0.94, *[0.003] * 20]
    assert ", then '1', '2', '3' and 17 others (about 0.3 % each): leaning." in sentence(p)
    assert ", or '1' (< 1 %): leaning." in sentence([0.944, 0.004, *[0.0026] * 20])


def test_names_with_braces_and_quotes_are_kept():
    text = sentence([0.5, 0.5], share=0.9, class_names=["{kind}", "it's"])
    assert text.startswith("50.0 ± 0.2 % '{kind}', or 'it's' (50 %)")


@pytest.mark.parametrize(
    ("probability", "mc_error", "text"),
    [
        (0.51, 0.005, "51 ± 1 %"),
        (0.514, 0.004, "51.4 ± 0.8 %"),
        (0.514, 1e-6, "51.4 ± 0.1 %"),  # never claimed to be exact
        (0.514, 0.0, "51.4 %"),  # a plain prediction, without such an error
        (0.5, 0.0204, "50 ± 4 %"),
        (0.27, 2.0, "0 to 100 %"),  # two members: no probability is farther off
        (0.5, 0.00484, "50.0 ± 0.9 %"),
        (0.5, 0.00485, "50 ± 1 %"),
        (0.9996, 0.0005, "> 99.9 %"),
        (1.0, 0.0, "> 99.9 %"),
        (0.9994, 0.0005, "99.9 ± 0.1 %"),
        (0.996, 0.005, "over 98 %"),  # not 99.6 ± 1.0, which leads out of 100
        (0.994, 0.005, "99 ± 1 %"),
        (0.6, 0.25, "over 11 %"),
        (0.4, 0.25, "under 89 %"),
        (0.98, 0.01, "98 ± 2 %"),
        (0.975, 0.015, "over 94 %"),
        (0.996, 0.003, "over 99.0 %"),
        (0.004, 0.005, "under 2 %"),
        (0.9997, 0.006, "over 98 %"),
        (1.0, 0.05, "over 90 %"),
        (0.0, 0.006, "under 2 %"),
        (0.0004, 0.0005, "< 0.1 %"),
        (0.0, 0.0, "< 0.1 %"),
        (0.0006, 0.0005, "0.1 ± 0.1 %"),
        (0.3, np.nan, "30.0 %"),
        (1.0, np.nan, "> 99.9 %"),
    ],
)
def test_percent(probability, mc_error, text):
    assert percent(probability, mc_error) == text


# --- tables -----------------------------------------------------------------------------------


# --- files ------------------------------------------------------------------------------------


def rewrite(path, change):
    table = pq.read_table(path)
    settings = json.loads(table.schema.metadata[b"howsure"])
    table, raw = change(table, settings)
    pq.write_table(with_digest(table.replace_schema_metadata({b"howsure": raw})), path)


@pytest.mark.parametrize(("other", "mend"), [(99, "Update howsure"), (2, "Assess the rows again")])
def test_load_of_another_format(tmp_path, digits, other, mend):
    path = tmp_path / "c.parquet"
    digits.save(path)
    rewrite(path, lambda table, settings: (table, json.dumps({**settings, "format": other, "version": "9"})))
    with pytest.raises(FileError, match=rf"c.parquet' .*Expected: format 5\. Received: {other}, .* {mend}\."):
        howsure.load(path)


def test_parts_are_joined_and_only_parts_that_belong_together():
    c = random_one()
    joined = Certainty.joined([c[:3], c[3:4], c[4:]])
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(joined, name), getattr(c, name))
    assert joined.class_names == c.class_names
    without_truth = random_one(truth=None)
    others = dataclasses.replace(c, class_names=tuple("vwxyz"))
    familiar = c.with_familiarity(np.full(len(c), 0.5))
    later, changes = dataclasses.replace(c, version="99"), [
        {"thresholds": Thresholds(0.9, 0.1)},
        {"method": {"name": "ensemble"}},
        {"plan": {"groups": [1]}},
        {"seed": 3},
        {"kind": "image"},
        {"unfamiliar_share": 0.5},
    ]  # fmt: skip
    assert len(Certainty.joined([c, later])) == 2 * len(c)
    different = [dataclasses.replace(c, **change) for change in changes]
    for parts in ([], [c, without_truth], [c, others], [c, familiar], [c, 3], *([c, d] for d in different)):
        with pytest.raises(howsure.InputError, match="cannot be joined"):
            Certainty.joined(parts)


# --- familiarity ------------------------------------------------------------------------------


def test_an_unfamiliar_row_says_so_whatever_its_verdict():
    c = make([[0.99, 0.01], [0.55, 0.45], [0.55, 0.45]], kind="image")
    assert not c.unfamiliar.any()
    measured = c.with_familiarity([0.01, 0.02, 0.5], share=0.02)
    assert measured.unfamiliar.tolist() == [True, True, False]
    assert measured.reason.tolist() == ["unfamiliar", "unfamiliar", c.reason[2]]
    assert measured.verdict.tolist() == c.verdict.tolist()
    assert str(measured[0]).endswith("sure.")
    assert measured[0].explain() == (
        "At most 1.0 % of held-out images are as unfamiliar: let a person look at it."
    )
    single = dataclasses.replace(measured, passes=np.ones(3, dtype=int))
    assert single.reason.tolist() == ["unfamiliar", "unfamiliar", None]


@pytest.mark.parametrize("wrong", [[0.5], [0.5, 0.0, 0.5], [0.5, 1.1, 0.5], [0.5, np.nan, 0.5]])
def test_what_is_no_familiarity_is_refused(wrong):
    c = make([[0.99, 0.01], [0.55, 0.45], [0.55, 0.45]])
    with pytest.raises(howsure.InputError, match="not how familiar these rows are"):
        c.with_familiarity(wrong)
    with pytest.raises(howsure.InputError, match="`share` is out of range"):
        c.with_familiarity([0.5, 0.5, 0.5], share=1)


# --- what has no value, or no order, is refused ---------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"probabilities": [[0.4, 0.5], [0.9, 0.1]]},
        {"probabilities": [[-0.4, 1.4], [0.9, 0.1]]},
        {"probabilities": [[np.nan, 0.6], [0.9, 0.1]]},
        {"probabilities": [[np.inf, 0.6], [0.9, 0.1]]},
        {"probabilities": [0.4, 0.6]},
        {"probabilities": [[0.4, 0.3, 0.3], [0.9, 0.1, 0.0]]},
        {"probabilities": [["a", "b"], ["c", "d"]]},
        {"probabilities": [[1.0], [1.0]], "mc_error": [[0.0], [0.0]], "class_names": ["one"]},
        {"mc_error": [[-0.1, 0.1], [0.1, 0.1]]},
        {"mc_error": 0.1},
        {"expected_entropy": [0.8, 0.1]},
        {"expected_entropy": [-0.1, 0.1]},
        {"entropy_error": [-1.0, np.nan]},
        {"passes": [0, 3]},
        {"passes": [2.5, 3.0]},
        {"row": [-1, 2]},
        {"row": [1, 2, 3]},
        {"truth": [0, 2]},
        {"familiarity": [0.5, 2.0]},
        {"unfamiliar_share": 1.0},
        {"unfamiliar_share": "much"},
        {"thresholds": (0.9, 0.1)},
        {"method": "dropout"},
        {"kind": 3},
        {"class_names": ["cat", "cat"]},
        {"class_names": ["cat", "\x1b[2Jdog"]},
        {"class_names": ["cat", "\udcff"]},
        {"class_names": ["cat", None]},
    ],
)
def test_what_no_assessment_can_give_is_no_result(wrong):
    given = {name: np.array(value) if isinstance(value, list) and name != "class_names" else value
             for name, value in wrong.items()}  # fmt: skip
    with pytest.raises(howsure.InputError):
        dataclasses.replace(make([[0.4, 0.6], [0.9, 0.1]], truth=np.array([1, 0])), **given)


def test_numbers_may_be_rounded_and_are_kept_in_double_precision():
    p = np.random.default_rng(0).dirichlet(np.ones(100), 50)
    for kind in (np.float16, np.float32):
        c = make(p.astype(kind), expected_entropy=np.zeros(50, kind))
        assert c.probabilities.dtype == c.expected_entropy.dtype == np.float64


@pytest.mark.parametrize(
    "index",
    [None, True, 1.0, "a", [1.0], [[0, 1]], [99], [-6], [True], slice("a", None), np.zeros((2, 2), int)],
)
def test_what_names_no_rows_is_an_index_error_and_an_input_error(digits, index):
    for error in (IndexError, howsure.InputError):
        with pytest.raises(error):
            digits[index]


@pytest.mark.parametrize("names", [{"cat", "dog"}, {0: "cat", 1: "dog"}, "ab"])
def test_class_names_without_an_order_are_refused(names):
    with pytest.raises(howsure.InputError, match="The class names are no list in order"):
        make([[0.4, 0.6]], class_names=names)
