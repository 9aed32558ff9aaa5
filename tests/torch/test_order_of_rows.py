"""Where the rows of a batch lie in what is drawn: beside the usual order, or where nobody could say."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.torch.inputs import probes
from howsure.inputs.rows import InputSpec
from tests.torch.modules import numbers
from tests.torch.textbook import assert_as_textbook


class Twins(nn.Module):
    """Both parts of a row go through one network: the second parts of all rows after the first of all."""

    def __init__(self):
        super().__init__()
        self.body, self.last = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.3)), nn.Linear(12, 3)

    def forward(self, x):
        one, other = self.body(torch.cat([x[:, 0], x[:, 1]])).chunk(2)
        return self.last((one - other).abs())


class Packed(nn.Module):
    """Words in packed sequences, with dropout on them all."""

    def __init__(self):
        super().__init__()
        self.words, self.drop = nn.Embedding(20, 4), nn.Dropout(0.3)
        self.body, self.last = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, words):
        lengths = (words != 0).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.words(words), lengths, batch_first=True, enforce_sorted=False
        )
        dropped = packed._replace(data=self.drop(packed.data))
        return self.last(4 * self.body(dropped)[1][0])


def words(random, *lengths):
    tokens = random.integers(1, 20, (len(lengths), 6))
    for row, length in zip(tokens, lengths, strict=True):
        row[length:] = 0
    return tokens


def test_rows_may_come_twice_one_part_after_the_other(random):
    assert_as_textbook(Twins().eval(), numbers(random, 3, 2, 8))


def test_a_row_gets_the_same_numbers_wherever_it_is(random):
    module, x = Twins().eval(), numbers(random, 5, 2, 8)
    one, other = (
        howsure.passes(module, rows, 6, seed=3, outputs="logits") for rows in (x, x[[3, 1, 0, 4, 2]])
    )
    assert other == pytest.approx(one[:, [3, 1, 0, 4, 2]], abs=1e-6)


def test_packed_sequences_of_one_length_are_done(random):
    assert_as_textbook(Packed().eval(), words(random, 4, 4, 4))


@pytest.mark.parametrize("lengths", [(4, 4, 3, 5), (3, 5, 4, 4), (5, 5, 5, 2), (5, 2, 4, 4), (4, 6)])
def test_packed_sequences_of_unequal_length_are_refused_at_once(lengths, random):
    with pytest.raises(howsure.ModelError, match=r"packed sequences.*assess rows of one length at a time"):
        howsure.assess(Packed().eval(), words(random, *lengths), outputs="logits")
    plain = howsure.assess(
        Packed().eval(), words(random, *lengths), method=howsure.Softmax(), outputs="logits"
    )
    assert len(plain) == len(lengths)


@pytest.mark.parametrize("vectors", [False, True])
def test_of_rows_with_padding_one_with_more_or_less_of_it_is_looked_for(vectors, random):
    x, dtype = words(random, 4, 4, 4, 2, 4), "float32" if vectors else "int64"
    x = np.stack([x, 2 * x], axis=2).astype(dtype) if vectors else x
    probed = probes([InputSpec("words", x.shape[1:], dtype)], [x], lambda rows: pytest.fail("there is one"))
    assert np.array_equal(probed[0], x[[0, 3]])
