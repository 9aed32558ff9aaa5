"""The promise is kept as often as it says, against risks known in closed form; bad input is said."""

import itertools
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import beta, binom

from howsure.errors import HowsureWarning, InputError
from howsure.evaluation.abstain import abstain
from howsure.evaluation.selective import _last_to_pass, _starts, risk_controlled_threshold
from tests import made


def certainty_of(confidence, names=("a", "b", "c")):
    """Rows whose most probable class is 0, with this probability."""
    others = np.arange(len(names) - 1, 0, -1)
    p = np.hstack([confidence[:, None], (1 - confidence)[:, None] * others / others.sum()])
    return made.certainty_of(p, class_names=names)


def draw(rows, wrong_at, seed, step=0.0):
    """Rows of a doubt spread over [0, 1), in steps if wanted, wrong with probability `wrong_at(doubt)`."""
    random = np.random.default_rng(seed)
    doubt = random.random(rows)
    if step:
        doubt = np.floor(doubt / step) * step
    labels = (random.random(rows) < wrong_at(doubt)).astype(int)
    return certainty_of(1 - doubt / 2), labels


def doubt_of(abstention, step=0.0):
    """Rows of less doubt are accepted."""
    return 2 * (1 - abstention.threshold) if abstention.threshold > 0 else 1.0


def kept(wrong_at, risk, true_risk, rows=1500, draws=400, step=0.0):
    """Share of draws with a promise, and with one that is broken; and the mean doubt accepted."""
    broken, reached = 0, []
    for seed in range(draws):
        try:
            acceptance = abstain(*draw(rows, wrong_at, seed, step), risk=risk, confidence=0.9)
        except InputError:
            continue
        reached.append(doubt_of(acceptance))
        broken += true_risk(reached[-1]) > risk
        assert acceptance.accepted >= np.log(0.1) / np.log(1 - risk)
    return len(reached) / draws, broken / draws, np.mean(reached) if reached else np.nan


AT_MOST = 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)
AT_LEAST = 0.1 - 3 * np.sqrt(0.1 * 0.9 / 400)


# --- the guarantee ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "used_up"), [(300, True), pytest.param(1500, False, marks=pytest.mark.slow)]
)
def test_where_every_promise_is_just_broken_few_are_made(rows, used_up):
    """The worst case: every row is wrong a little more often than promised. Small samples use δ up."""
    promised, broken, _ = kept(lambda doubt: 0.0101 + 0 * doubt, 0.01, lambda doubt: 0.0101, rows)
    assert promised == broken
    assert broken <= AT_MOST
    assert not used_up or broken >= AT_LEAST


def test_the_promise_is_kept_and_most_of_what_could_be_accepted_is():
    # The mean of 0.12 d³ up to d is 0.03 d³: 0.01 at d = 0.693.
    promised, broken, reached = kept(lambda d: 0.12 * d**3, 0.01, lambda d: 0.03 * d**3, rows=4000)
    assert broken <= AT_MOST
    assert promised > 0.98
    assert 0.85 * (1 / 3) ** (1 / 3) < reached < (1 / 3) ** (1 / 3)


def test_the_promise_is_kept_where_the_risk_does_not_rise_steadily():
    """A share of wrong labels among the most certain rows, none in the middle, and many at the end."""

    def wrong_at(doubt):
        return np.where(doubt < 0.1, 0.02, np.where(doubt < 0.6, 0.0, 0.08))

    def true_risk(doubt):
        return (0.02 * min(doubt, 0.1) + 0.08 * max(doubt - 0.6, 0)) / doubt

    promised, broken, reached = kept(wrong_at, 0.01, true_risk, rows=4000)
    assert broken <= AT_MOST
    # The last sequence, from half of the rows: the first hardly ever gets through the wrong labels.
    assert promised > 0.8
    assert reached > 0.5


def test_the_promise_is_kept_where_many_rows_are_equally_certain():
    def true_risk(doubt):
        return 0.03 * doubt**2

    # Steps of 0.1: a group's rows are wrong so often that the mean up to its end follows `true_risk`.
    def wrong_at(start):
        end = start + 0.1
        return (true_risk(end) * end - true_risk(start) * start) / 0.1

    promised, broken, _ = kept(wrong_at, 0.01, true_risk, rows=4000, step=0.1)
    assert broken <= AT_MOST
    assert promised > 0.8


def test_agrees_with_a_loop_over_exact_upper_bounds():
    """Clopper and Pearson's bound is at most `risk` where the test passes; equals stay together."""
    for seed in range(20):
        certainty, labels = draw(200, lambda doubt: 0.05 * doubt**2, seed, step=0.01)
        expected = None
        for level in np.unique(certainty.probability)[::-1]:
            inside = certainty.probability >= level
            number, mistakes = inside.sum(), labels[inside].sum()
            if number < 99:  # ln 0.05 / ln 0.97 = 98.4; 200 rows are too few for a second sequence
                continue
            if beta.ppf(0.95, mistakes + 1, number - mistakes) > 0.03:
                break
            expected = number, mistakes
        if expected is None:
            with pytest.raises(InputError, match="do not allow to promise"):
                abstain(certainty, labels, risk=0.03)
        else:
            acceptance = abstain(certainty, labels, risk=0.03)
            assert (acceptance.accepted, acceptance.mistakes) == expected
            np.testing.assert_array_equal(
                acceptance(certainty), certainty.probability <= acceptance.threshold
            )
            assert np.sum(~acceptance(certainty)) == acceptance.accepted


@pytest.mark.parametrize(
    ("p_value", "last"),
    [
        ([0.04, 0.02, 0.02, 0.02, 0.04, 0.02], 3),  # the first sequence stops at once, the second after one
        (
            [0.02, 0.02, 0.02, 0.04, 0.06, 0.07],
            4,
        ),  # the first comes through: the second has the level of both
        ([0.02, 0.04, 0.02, 0.04, 0.02, 0.02], 0),  # only the first passes anything
        ([0.04, 0.02, 0.02, 0.04, 0.02, 0.02], None),
    ],
)
def test_two_sequences_share_the_level(p_value, last):
    assert _last_to_pass(np.array(p_value), np.arange(1, 7), [(1, 0.03), (4, 0.03)]) == last


# --- what comes out ---------------------------------------------------------------------------


def test_in_words():
    certainty, labels = draw(4000, lambda doubt: 0.12 * doubt**3, 0)
    acceptance = abstain(certainty, labels, risk=0.01)
    mistakes = labels[~acceptance(certainty)].sum()
    assert acceptance.mistakes == mistakes
    assert acceptance.accepted == np.sum(~acceptance(certainty))
    share = 1 - acceptance.accepted / 4000
    low, high = (
        beta.ppf(0.025, 4000 * share, acceptance.accepted + 1),
        beta.ppf(0.975, 4000 * share + 1, acceptance.accepted),
    )
    handed_over = acceptance.handed_over
    assert (handed_over.value, handed_over.low, handed_over.high) == pytest.approx((share, low, high))
    assert acceptance.in_words() == str(acceptance)
    assert str(acceptance) == (
        f"Hand {100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f} %) of the rows to a person. At most "
        "1 % of the rest are wrong, with 95 % confidence. "
        f"This accepts {acceptance.accepted:,} of 4,000 labelled rows, with {mistakes} mistakes among them."
    )


def test_nothing_is_handed_over_where_all_is_right():
    certainty, labels = draw(2995, lambda doubt: 0 * doubt, 0)
    acceptance = abstain(certainty, labels)
    assert (acceptance.threshold, acceptance.accepted, acceptance.mistakes) == (0.0, 2995, 0)
    assert not acceptance(certainty).any()
    assert "Hand 0.0 % (0.0 to 0.1 %)" in str(acceptance)


def test_a_smaller_promise_hands_over_less():
    certainty, labels = draw(20_000, lambda doubt: 0.12 * doubt**3, 0)
    shares = [abstain(certainty, labels, risk=risk).handed_over.value for risk in (0.001, 0.005, 0.02)]
    assert shares[0] > shares[1] > shares[2] > 0
    sterner = abstain(certainty, labels, risk=0.005, confidence=0.999)
    assert sterner.handed_over.value > shares[1]


def test_only_the_order_of_the_rows_counts():
    certainty, labels = draw(3000, lambda doubt: 0.12 * doubt**3, 0)
    acceptance = abstain(certainty, labels, risk=0.01)
    bent = certainty_of(0.4 + 0.6 * certainty.probability**5)
    np.testing.assert_array_equal(abstain(bent, labels, risk=0.01)(bent), acceptance(certainty))
    back = abstain(certainty[::-1], labels[::-1], risk=0.01)
    assert back == acceptance
    assert pickle.loads(pickle.dumps(acceptance)) == acceptance
    with pytest.raises(FrozenInstanceError):
        acceptance.threshold = 0.0


def test_equals_go_the_same_way():
    """3 groups of equals; the middle one has too many mistakes to be accepted as a whole."""
    confidence = np.repeat([1.0, 0.9, 0.8], 200)
    labels = np.zeros(600, dtype=int)
    labels[395:400] = 1
    acceptance = abstain(certainty_of(confidence), labels, risk=0.02)
    assert (acceptance.threshold, acceptance.accepted) == (0.9, 200)
    np.testing.assert_array_equal(acceptance(certainty_of(confidence)), confidence < 1)
    assert binom.cdf(5, 400, 0.02) > 0.05


def test_constant_confidence_is_all_or_nothing():
    labels = np.zeros(300, dtype=int)
    acceptance = abstain(certainty_of(np.full(300, 0.7)), labels, risk=0.05)
    assert not acceptance(certainty_of(np.full(5, 0.7))).any()
    labels[:30] = 1
    with pytest.raises(InputError, match=r"at most 7 mistakes among the 300 most certain\. Received: 30"):
        abstain(certainty_of(np.full(300, 0.7)), labels, risk=0.05)


def test_two_classes_and_no_rows():
    certainty, labels = draw(500, lambda doubt: 0.1 * doubt**2, 0)
    two = certainty_of(certainty.probability, names=("a", "b"))
    acceptance = abstain(two, labels, risk=0.05)
    assert 0 < acceptance.accepted <= 500
    assert acceptance(two[:0]).shape == (0,)


# --- what cannot be promised ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("risk", "confidence", "least"),
    [(0.001, 0.95, "2,995"), (0.01, 0.95, "299"), (0.01, 0.99, "459"), (0.5, 0.75, "2")],
)
def test_the_least_number_of_rows(risk, confidence, least):
    number = int(least.replace(",", ""))
    assert (1 - risk) ** number <= 1.000001 * (1 - confidence) < (1 - risk) ** (number - 1)
    certainty = certainty_of(np.linspace(0.9, 0.99, number))
    labels = np.zeros(number, dtype=int)
    assert abstain(certainty, labels, risk=risk, confidence=confidence).accepted == number
    with pytest.raises(InputError, match=rf"Too few .* at least {least}\. Received: {number - 1:,}\."):
        abstain(certainty[1:], labels[1:], risk=risk, confidence=confidence)


def test_too_many_mistakes_among_the_most_certain():
    certainty, labels = draw(1000, lambda doubt: 0.05 + 0 * doubt, 0)
    with pytest.raises(
        InputError,
        match=r"These 1,000 labelled rows do not allow .* a risk of 1 % with 95 % confidence\. "
        r"Expected: at most 0 mistakes among the 299 most certain\. Received: \d+\. "
        r"Allow a higher risk: of these rows \d+(\.\d)? % are wrong",
    ):
        abstain(certainty, labels, risk=0.01)


def test_the_number_of_rows_that_would_do_does():
    """5 mistakes in 500 do not allow 2 % with 95 % confidence; as many as the error says, alike, do."""
    labels = np.zeros(500, dtype=int)
    labels[[50, 150, 250, 350, 450]] = 1
    ranked = certainty_of(np.linspace(0.99, 0.9, 500))
    with pytest.raises(InputError, match="do in half of all cases, and no number surely would") as refused:
        abstain(ranked, labels, risk=0.02, confidence=0.95)
    enough = int(re.search(r"about ([\d,]+) would do", str(refused.value)).group(1).replace(",", ""))
    assert 500 < enough < 5000
    times = int(np.ceil(enough / 500))
    many = certainty_of(np.linspace(0.99, 0.9, 500 * times))
    assert abstain(many, np.repeat(labels.reshape(-1, 1), times, axis=1).T.ravel(), risk=0.02).accepted > 0


def test_the_numbers_of_rows_that_would_do_are_enough_as_often_as_they_say():
    """Labelled rows are drawn, and after each refusal as many as it says, of the same share of mistakes."""
    random, kept = np.random.default_rng(0), {"half": [], "nine": []}
    for share in np.exp(random.uniform(np.log(0.005), np.log(0.1), 300)):
        try:
            risk_controlled_threshold(random.random(500), random.random(500) < share, 0.05, 0.95)
        except InputError as error:
            said = re.search(r"about ([\d,]+) would .* (?:and about ([\d,]+) in nine|no number)", str(error))
            for name, number in zip(kept, said.groups() if said else (), strict=False):
                if number:
                    kept[name].append(_allows(random, int(number.replace(",", "")), share))
    for allowed, chance in zip(kept.values(), (0.5, 0.9), strict=True):
        assert len(allowed) > 20
        assert np.mean(allowed) > chance - 3 * np.sqrt(chance * (1 - chance) / len(allowed))


def _allows(random, rows, share):
    try:
        risk_controlled_threshold(random.random(rows), random.random(rows) < share, 0.05, 0.95)
    except InputError:
        return False
    return True


def test_mistakes_among_the_first_do_not_end_it_where_few_follow():
    """2 among the 36 most certain of 750, and none more among the 100: 10 % can be promised."""
    labels = np.zeros(750, dtype=int)
    labels[[5, 20]] = 1
    labels[100:] = np.random.default_rng(0).random(650) < 0.3
    acceptance = abstain(certainty_of(np.linspace(0.99, 0.5, 750)), labels, risk=0.1)
    assert acceptance.accepted >= 93
    assert binom.cdf(acceptance.mistakes, acceptance.accepted, 0.1) <= 0.05


@pytest.mark.parametrize(("rows", "risk", "count"), [(29, 0.1, 1), (750, 0.1, 4), (2995, 0.001, 1)])
def test_sequences_start_far_apart_and_share_the_level(rows, risk, count):
    starts = _starts(rows, risk, 0.05)
    assert len(starts) == count
    assert sum(part for _, part in starts) == pytest.approx(0.05)
    numbers = [start for start, _ in starts]
    assert (1 - risk) ** numbers[0] <= starts[0][1] < (1 - risk) ** (numbers[0] - 1)
    assert all(2 * one <= other for one, other in itertools.pairwise(numbers))


def test_labels_in_the_wrong_order_are_said_aloud():
    certainty, labels = draw(1000, lambda doubt: 0 * doubt, 0)
    with (
        pytest.warns(HowsureWarning, match="below chance: are the labels in the order"),
        pytest.raises(InputError, match="do not allow to promise"),
    ):
        abstain(certainty, labels + 1, risk=0.01)
