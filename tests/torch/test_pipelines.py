"""Pipelines of transformers take texts, as their users hold them."""

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import howsure
from tests.torch.berts import bert

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "very", "Anna", "Rome"]
TEXTS = ["a good film", "bad", "a very very good film", "bad film", "a bad film"]


def pipeline(task, names, **config):
    """A tiny network with a tokenizer of ten words; nothing is downloaded."""
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )
    numbered = dict(enumerate(names))
    head = {"text-classification": "SequenceClassification", "token-classification": "TokenClassification"}
    model = bert(head[task], id2label=numbered, label2id={v: k for k, v in numbered.items()}, **config)
    return transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu")


def test_texts_get_the_class_that_the_pipeline_says():
    classify = pipeline("text-classification", ["no", "yes"])
    plain = howsure.assess(classify, TEXTS, method=howsure.Softmax())
    said = classify(TEXTS)
    assert plain.label_name.tolist() == [answer["label"] for answer in said]
    np.testing.assert_allclose(plain.probabilities.max(axis=1), [a["score"] for a in said], atol=1e-6)
    frame = pd.Series(TEXTS, index=list("vwxyz"))
    result = howsure.assess(classify, frame, method=howsure.MCDropout(passes=20))
    assert result.class_names == ("no", "yes")
    assert result[result.ids == "w"][0].id == "w"
    tokens = classify.tokenizer(TEXTS[4:])
    alone = howsure.assess(classify.model, tokens, method=howsure.MCDropout(passes=20))
    np.testing.assert_array_equal(result.probabilities[4:], alone.probabilities)
    (one,) = howsure.assess(classify, TEXTS[:1], method=howsure.MCDropout(passes=20))
    np.testing.assert_array_equal(one.probabilities, result.probabilities[0])


def test_every_token_of_a_text_gets_a_class_and_those_around_it_do_not_count():
    tag = pipeline("token-classification", ["O", "B-PER", "B-LOC"])
    texts = ["Anna", "a good film", "very good Rome", "Anna a Rome"]
    plain = howsure.assess(tag, texts, method=howsure.Softmax())
    assert plain.position_name == "token"
    assert plain.counts.sum(axis=1).tolist() == [1, 3, 3, 3]
    assert not plain.counts[:, 0].any()
    for row, said in enumerate(tag(texts, ignore_labels=[])):
        names = np.array(plain.class_names)[plain.label[row][plain.counts[row]]]
        assert names.tolist() == [token["entity"] for token in said]
        there = plain.probability[row][plain.counts[row]]
        np.testing.assert_allclose(there, [token["score"] for token in said], atol=1e-6)


def test_texts_that_are_too_long_are_cut_and_named():
    classify = pipeline("text-classification", ["no", "yes"], max_position_embeddings=5)
    with pytest.warns(howsure.HowsureWarning, match="longer than the 5 tokens .* cut, in row 2"):
        result = howsure.assess(classify, TEXTS, method=howsure.Softmax())
    cut = howsure.assess(classify, ["a very very"], method=howsure.Softmax())
    np.testing.assert_allclose(result.probabilities[2], cut.probabilities[0], atol=1e-6)


def test_what_a_pipeline_does_not_take_says_what_it_takes():
    classify = pipeline("text-classification", ["no", "yes"])
    for wrong in ("a good film", [1, 2], [], np.ones((2, 3)), {"input_ids": [[1, 2]]}):
        with pytest.raises(howsure.InputError, match=r"A pipeline takes texts.*a list of texts"):
            howsure.assess(classify, wrong)
    fill = pipeline("text-classification", ["no", "yes"])
    fill.task = "fill-mask"
    with pytest.raises(howsure.ModelError, match="does not read pipelines of 'fill-mask'"):
        howsure.assess(fill, TEXTS)


def test_texts_alone_are_told_how_they_become_tokens():
    with pytest.raises(howsure.InputError, match=r"tokenizer\(texts\).*assess\(pipeline, texts\)"):
        howsure.assess(bert(), TEXTS)


# --- relations: see tests/doors -----------------------------------------------------------------------


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_texts_in_another_order_or_form_are_the_same_texts(task):
    texts, order = pipeline(task, ["O", "B-PER", "B-LOC"]), [3, 0, 4, 2, 1]
    asked = {"method": howsure.MCDropout(passes=20)}
    expected = howsure.assess(texts, TEXTS, **asked)
    forms = (tuple(TEXTS), np.array(TEXTS), pd.Series(TEXTS), iter(TEXTS))
    found = [(howsure.assess(texts, form, **asked), slice(None)) for form in forms]
    found.append((howsure.assess(texts, [TEXTS[row] for row in order], **asked), order))
    for result, rows in found:
        for name in ("label", "probability", "entropy"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name)[rows])


def test_the_names_of_columns_and_a_set_are_no_texts():
    classify = pipeline("text-classification", ["no", "yes"])
    with pytest.raises(
        howsure.InputError, match=r"a list of texts.*DataFrame\. Give its column.*frame\['text'\]"
    ):
        howsure.assess(classify, pd.DataFrame({"text": TEXTS}))
    with pytest.raises(howsure.InputError, match="a list of texts"):
        howsure.assess(classify, {*TEXTS})


def test_members_of_an_ensemble_may_be_pipelines():
    one, other = (pipeline("text-classification", ["no", "yes"]) for _ in range(2))
    with torch.no_grad():
        other.model.classifier.weight.mul_(-1)
    result = howsure.assess(one, TEXTS, method=howsure.Ensemble([other]))
    plain = [howsure.assess(each, TEXTS, method=howsure.Softmax()).probabilities for each in (one, other)]
    np.testing.assert_allclose(result.probabilities, np.mean(plain, axis=0), atol=1e-6)


def test_a_comparison_of_texts_says_that_they_differ_in_length():
    classify, labels = pipeline("text-classification", ["no", "yes"]), [0, 1, 0, 1, 0]
    with pytest.raises(howsure.InputError, match=r"^The rows differ in size.*5 rows of 4 sizes"):
        howsure.compare(classify, TEXTS, labels)


def test_labels_of_tokens_are_lists_of_names():
    names = ["O", "B-PER", "B-LOC"]
    result = howsure.assess(pipeline("token-classification", names), TEXTS, method=howsure.Softmax())
    numbers = [np.arange(len(text.split()) + 2) % 3 for text in TEXTS]
    expected = result.with_truth(numbers)
    found = result.with_truth([[names[label] for label in labels] for labels in numbers])
    np.testing.assert_array_equal(found.truth, expected.truth)
    assert (found.truth >= 0).sum() == sum(len(text.split()) for text in TEXTS)
