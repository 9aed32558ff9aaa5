"""Taggers: a class at each word of a text, and words that are padding."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.tasks.segmentation.outcome import Positions
from tests import dense
from tests.torch.berts import bert
from tests.torch.test_positions import UNet, images

TEXTS, LENGTH, TAGS = 5, 8, 4
LENGTHS = np.array([8, 5, 1, 3, 6])
MASK = np.arange(LENGTH) < LENGTHS[:, None]


class Tagger(nn.Module):
    """An LSTM and a class for each word."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True, bidirectional=True)
        self.drop, self.tag = nn.Dropout(0.4), nn.Linear(16, TAGS)

    def forward(self, x):
        return 3 * self.tag(self.drop(self.lstm(self.words(x))[0]))


class Padded(nn.Module):
    """Sure at words of zeros, undecided at others; or infinite there."""

    def __init__(self, infinite=False):
        super().__init__()
        self.drop, self.tag, self.infinite = nn.Dropout(0.5), nn.Linear(3, TAGS), infinite
        with torch.no_grad():
            self.tag.bias.copy_(torch.tensor([9.0, 0, 0, 0]))

    def forward(self, x):
        logits = self.tag(self.drop(10 * x))
        return logits / (x[..., :1] == 0) if self.infinite else logits


def texts():
    return np.random.default_rng(0).integers(1, 20, (TEXTS, LENGTH))


def padded():
    x = np.random.default_rng(0).normal(size=(TEXTS, LENGTH, 3)).astype(np.float32)
    return np.where(MASK[..., None], 0, x)


def tagged(model, x=None, **settings):
    return howsure.assess(
        model.eval(), texts() if x is None else x, outputs="logits", class_axis=2, **settings
    )


def test_numbers_of_rows_are_those_of_the_positions_that_count():
    members = [Tagger().eval() for _ in range(3)]
    method = howsure.Ensemble(members[1:])
    result = tagged(members[0], method=method, positions=MASK)
    np.testing.assert_array_equal(result.counts, MASK)
    with torch.no_grad():
        p = np.stack([torch.softmax(member(torch.tensor(texts())), -1).numpy() for member in members])
    there = p.argmax(-1)[..., None] == np.arange(TAGS)
    for row in range(TEXTS):
        inside = there[:, row, MASK[row]]
        shares = inside.mean(axis=1)
        np.testing.assert_allclose(result.share[row], shares.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(result.share_spread[row], shares.std(axis=0), atol=1e-12)
        for k in range(TAGS):
            pairs = [
                2 * np.sum(a & b) / (a.sum() + b.sum())
                for a, b in itertools.combinations(inside[..., k], 2)
                if a.any() or b.any()
            ]
            np.testing.assert_allclose(result.overlap[row, k], np.mean(pairs) if pairs else np.nan)
        np.testing.assert_allclose(result.undecided[row], result.is_coin_flip[row, MASK[row]].mean())
        label, unlikely = result.label[row, MASK[row]], 1 - result.probability[row, MASK[row]].astype(float)
        doubt = np.mean([unlikely[label == tag].mean() for tag in np.unique(label)])
        np.testing.assert_allclose(result.doubt[row], doubt, rtol=1e-6)
        flips = result.is_coin_flip[row] & MASK[row]
        assert sum(region.size for region in result.regions(row)) == flips.sum()
    np.testing.assert_allclose(result.probability[MASK], p.mean(axis=0).max(axis=-1)[MASK], atol=1e-6)
    everywhere = tagged(members[0], method=method)
    for name in ("label", "probability", "entropy", "mc_error", "settled"):
        its, expected = getattr(result, name), getattr(everywhere, name)
        np.testing.assert_allclose(its[MASK], expected[MASK], atol=1e-6)
        assert set(np.unique(its[~MASK]).astype(str)) <= {"-1", "nan", "False"}
    assert everywhere.counts is None


def test_passes_end_and_are_counted_by_what_counts():
    model = Padded()
    result, everywhere = tagged(model, padded(), positions=MASK), tagged(model, padded())
    np.testing.assert_array_equal(result.passes, Positions.first_passes)
    assert everywhere.passes.max() == 80
    np.testing.assert_array_equal(result.undecided, 0)
    np.testing.assert_array_equal(result.share[:, 0], 1)
    assert everywhere.share[:, 0].min() < 0.9


def test_what_a_model_says_of_padding_does_not_matter():
    x, method = padded(), howsure.MCDropout(passes=4)
    result = tagged(Padded(infinite=True), x, positions=MASK, method=method)
    np.testing.assert_array_equal(result.share[:, 0], 1)
    np.testing.assert_array_equal(np.isfinite(result.entropy), MASK)
    with pytest.raises(howsure.ModelError, match="NaN or infinity"):
        tagged(Padded(infinite=True), x, method=method)


def test_positions_that_cannot_be_used():
    for wrong, match in (
        (MASK[:, :5], r"of shape \(5, 8\)"),
        (2 * MASK, "True or False"),
        (MASK & (np.arange(TEXTS) != 2)[:, None], "No position counts in row 2"),
    ):
        with pytest.raises(howsure.InputError, match=match):
            tagged(Tagger(), positions=wrong)
    flat = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)).eval()
    with pytest.raises(howsure.InputError, match="these rows have none"):
        howsure.assess(flat, padded()[:, 0], outputs="logits", positions=MASK)


def test_a_region_of_interest_in_tiles():
    inside = np.random.default_rng(0).random((dense.ROWS, 4, 4)) < 0.4
    inside[:, 0, 0] = True
    settings = {"outputs": "logits", "positions": inside}
    method = howsure.Ensemble([nn.Sequential(UNet(), nn.Conv2d(3, 3, 1)).eval() for _ in range(2)])
    whole = howsure.assess(UNet().eval(), images(), method=method, **settings)
    tiles = howsure.assess(UNet().eval(), images(), method=method, tile=2, overlap=0, **settings)
    np.testing.assert_array_equal(tiles.counts, inside)
    for name in ("share", "share_spread", "overlap", "undecided", "doubt"):
        np.testing.assert_allclose(getattr(tiles, name), getattr(whole, name), atol=1e-6)


@pytest.fixture(scope="module")
def tagging_bert():
    module = bert("TokenClassification", num_labels=3, hidden_dropout_prob=0.2)
    with torch.no_grad():
        module.classifier.weight.normal_()
    return module


def test_tokens_of_transformers_that_are_padding_do_not_count(tagging_bert, tmp_path):
    words = np.random.default_rng(0).integers(3, 50, (TEXTS, LENGTH))
    rows = {"input_ids": words, "attention_mask": MASK.astype(np.int64)}
    settings = {"method": howsure.MCDropout(passes=6), "class_axis": -1}
    result = howsure.assess(tagging_bert, rows, **settings)
    np.testing.assert_array_equal(result.counts, MASK)
    assert result.position_name == "token"
    assert "token" in str(result[0])
    others = {**rows, "input_ids": np.where(MASK, words, 7)}
    for name in ("share", "share_spread", "overlap", "undecided", "doubt"):
        again = getattr(howsure.assess(tagging_bert, others, **settings), name)
        np.testing.assert_allclose(again, getattr(result, name), atol=1e-6)
    result.save(tmp_path / "tokens")
    loaded = howsure.load(tmp_path / "tokens")
    np.testing.assert_array_equal(loaded.counts, MASK)
    np.testing.assert_array_equal(loaded.doubt, result.doubt)
    assert loaded.position_name == "token"
    by_positions = howsure.assess(tagging_bert, rows, positions=np.ones_like(MASK), **settings)
    assert by_positions.counts is None
    full = {**rows, "attention_mask": np.ones_like(words)}
    assert howsure.assess(tagging_bert, full, **settings).counts is None


def test_padding_without_an_attention_mask_does_not_count_and_is_said(tagging_bert):
    words = np.random.default_rng(0).integers(3, 50, (TEXTS, LENGTH))
    settings = {"method": howsure.MCDropout(passes=6), "class_axis": -1}
    assert howsure.assess(tagging_bert, {"input_ids": words}, **settings).counts is None
    padded = np.where(MASK, words, tagging_bert.config.pad_token_id)
    with pytest.warns(howsure.HowsureWarning, match="calls token 0 padding"):
        result = howsure.assess(tagging_bert, {"input_ids": padded}, **settings)
    np.testing.assert_array_equal(result.counts, MASK)
    assert result.position_name == "token"


class YesOrNo(nn.Module):
    """One yes or no for each step of a row, with the axis of its one number or without."""

    def __init__(self, *, keep=False, sigmoid=False):
        super().__init__()
        self.embed, self.cell = nn.Embedding(50, 8), nn.LSTM(8, 8, batch_first=True)
        self.drop, self.out = nn.Dropout(0.3), nn.Linear(8, 1)
        self.keep, self.sigmoid = keep, sigmoid

    def forward(self, x):
        steps = self.embed(x) if x.dtype == torch.int64 else x if x.ndim > 2 else x[..., None].repeat(1, 1, 8)
        outputs = self.out(self.drop(self.cell(steps)[0]))
        outputs = outputs if self.keep else outputs.squeeze(-1)
        return torch.sigmoid(outputs) if self.sigmoid else outputs


@pytest.mark.filterwarnings("ignore:The outputs of model")  # its logits, untrained, are from 0 to 1
@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(6, 12, 8)).astype(np.float32),
        np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32),
        np.random.default_rng(0).integers(0, 50, (6, 12)),
    ],
    ids=["vectors", "numbers", "tokens"],
)
def test_a_number_for_each_step_is_no_class_and_the_hint_works(sigmoid, x):
    for more in ({}, {"outputs": "probabilities"}) if sigmoid else ({"outputs": "logits"},):
        with pytest.raises(howsure.ModelError, match="for each step of a row") as refused:
            howsure.assess(YesOrNo(sigmoid=sigmoid).eval(), x, **more)
    assert "return output.unsqueeze(-1) in PyTorch" in refused.value.hint
    assert "say outputs='logits' or outputs='probabilities'" in refused.value.hint
    result = howsure.assess(YesOrNo(sigmoid=sigmoid, keep=True).eval(), x, **more)
    assert result.label.shape == (6, 12)
    for kind in ("label-probabilities" if sigmoid else "label-logits", "values"):
        assert len(howsure.assess(YesOrNo(sigmoid=sigmoid).eval(), x, outputs=kind)) == 6


def test_a_number_for_each_pixel_of_a_flat_map_is_no_class():
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.Dropout(0.3), nn.Conv2d(8, 1, 1), nn.Flatten()
    x = np.random.default_rng(0).normal(size=(4, 3, 6, 8)).astype(np.float32)
    with pytest.raises(howsure.ModelError, match="for each step of a row"):
        howsure.assess(nn.Sequential(*layers).eval(), x, outputs="logits")
    small = nn.Sequential(*layers[:2], nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Flatten()).eval()
    assert howsure.assess(small, x, outputs="logits").probabilities.shape == (4, 8)


def test_columns_that_become_as_many_logits_are_no_steps():
    scaled = nn.Sequential(nn.Dropout(0.2), nn.Softmax(dim=1)).eval()
    x = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
    assert howsure.assess(scaled, x).probabilities.shape == (6, 12)
