"""Rows of several sizes: one call, one result, in their order, with the numbers of each size by itself."""

import warnings

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import howsure
from tests.commands import done
from tests.torch.berts import bert

LENGTHS = [5, 3, 8, 5, 4, 8, 3, 5, 5, 8]


def texts(padding=None):
    """Rows of tokens as dicts, of their own lengths."""
    random = np.random.default_rng(0)
    return [
        {"input_ids": random.integers(1, 50, length), "attention_mask": np.ones(length, int), "labels": n % 2}
        for n, length in enumerate(LENGTHS)
    ]


def collated(rows):
    """A batch that is padded to its longest row, as `DataCollatorWithPadding` does it."""
    longest = max(len(row["input_ids"]) for row in rows)
    batch = {
        name: torch.tensor(np.stack([np.pad(row[name], (0, longest - len(row[name]))) for row in rows]))
        for name in ("input_ids", "attention_mask")
    }
    return batch | {"labels": torch.tensor([row["labels"] for row in rows])}


def images(count=6):
    random = np.random.default_rng(1)
    sides = [(8, 10), (12, 9), (8, 10), (16, 16), (12, 9), (8, 10)]
    return [random.normal(size=(3, *side)).astype("float32") for side in sides[:count]]


class Images(nn.Module):
    """A convolution that takes any size, and one answer for the image."""

    def __init__(self, norm=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), norm or nn.Identity()
        self.drop, self.last = nn.Dropout(0.4), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3))))


def images_network():
    """As a command names it."""
    return Images().eval()


class Pixels(Images):
    """The same with an answer for each pixel."""

    def forward(self, x):
        x = self.drop(torch.relu(self.norm(self.conv(x))))
        return self.last(x.movedim(1, -1)).movedim(-1, 1)


def equal_to_each_size(result, rows, alone):
    """Every row has the numbers that `alone` gives it among the rows of its shape."""
    for shape in {row.shape for row in rows}:
        same = [number for number, row in enumerate(rows) if row.shape == shape]
        other = alone(np.stack([rows[number] for number in same]))
        for place, number in enumerate(same):
            np.testing.assert_array_equal(result.probabilities[number], other.probabilities[place])
            np.testing.assert_array_equal(result.mc_error[number], other.mc_error[place])


@pytest.mark.parametrize("method", [None, howsure.MCDropout(passes=20), howsure.Softmax()])
def test_images_of_several_sizes_are_one_result_with_the_numbers_of_each_size(method):
    module, rows = Images().eval(), images()
    result = howsure.assess(module, rows, method=method, outputs="logits")
    assert result.row.tolist() == list(range(6))
    if method is None:
        plan = howsure.plan(module, rows, outputs="logits")
        method = howsure.MCDropout(plan=plan)
        result = howsure.assess(module, rows, method=method, outputs="logits")
    equal_to_each_size(result, rows, lambda x: howsure.assess(module, x, method=method, outputs="logits"))


def test_a_loader_that_pads_each_batch_gives_the_numbers_of_its_batches():
    model, rows = bert(num_labels=2), texts()
    loader = DataLoader(rows, batch_size=4, collate_fn=collated)
    with warnings.catch_warnings(action="error"):
        result = howsure.assess(model, loader, method=howsure.MCDropout(passes=20))
    np.testing.assert_array_equal(result.truth, [row["labels"] for row in rows])
    start = 0
    for batch in loader:
        batch.pop("labels")
        alone = howsure.assess(model, batch, method=howsure.MCDropout(passes=20))
        np.testing.assert_array_equal(result.probabilities[start : start + len(alone)], alone.probabilities)
        start += len(alone)
    tokens = {name: [row[name].tolist() for row in rows] for name in ("input_ids", "attention_mask")}
    plain = [howsure.assess(model, x, method=howsure.Softmax()).probabilities for x in (rows, tokens, loader)]
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_allclose(plain[0], plain[2], atol=1e-6)  # the attention mask leaves out what was padded


def test_a_class_at_each_pixel_of_images_of_several_sizes():
    module, rows = Pixels().eval(), images()
    method = howsure.MCDropout(passes=20)
    truth = [np.full(row.shape[1:], number % 3) for number, row in enumerate(rows)]
    batches = [(row[None], labels[None]) for row, labels in zip(rows, truth, strict=True)]
    result = howsure.assess(module, batches, method=method, outputs="logits")
    assert result.positions == (16, 16)
    for number, row in enumerate(rows):
        alone = howsure.assess(module, row[None], method=method, outputs="logits")
        inside = tuple(map(slice, row.shape[1:]))
        np.testing.assert_array_equal(result.label[number][inside], alone.label[0])
        np.testing.assert_array_equal(result.share[number], alone.share[0])
        assert result.counts[number].sum() == alone.label[0].size
        assert (result.truth[number][inside] == number % 3).all()
        assert (result.truth[number][~result.counts[number]] == -1).all()
    given = howsure.assess(module, rows, method=method, outputs="logits")
    own = howsure.evaluate(given, truth).accuracy.value
    assert own == howsure.evaluate(result).accuracy.value
    right = np.concatenate([(result.label[n][result.counts[n]] == n % 3) for n in range(len(rows))])
    assert own == pytest.approx(right.mean())


def test_labels_of_rows_of_several_sizes_have_the_size_of_their_row():
    rows = images()
    result = howsure.assess(
        Pixels().eval(), rows, method=howsure.MCDropout(passes=20), outputs="logits", keep="probabilities"
    )
    truth = [np.random.default_rng(number).integers(0, 3, row.shape[1:]) for number, row in enumerate(rows)]
    some = [1, 4]  # both of one size, smaller than the largest
    right = [result.label[n][: len(truth[n]), : len(truth[n].T)] == truth[n] for n in some]
    own = howsure.evaluate(result[some], [truth[n] for n in some]).accuracy.value
    assert own == pytest.approx(np.mean(right))
    shape = r"array of shape \(8, 10\).*Received: an array of shape"
    for wrong in ([labels.T for labels in truth], [labels[::2, ::2] for labels in truth]):
        with pytest.raises(howsure.InputError, match=rf"labels of row 0 do not fit.*{shape}"):
            howsure.evaluate(result, wrong)
    with pytest.raises(howsure.InputError, match=r"6 maps. Received: 4"):
        result.with_truth(truth[:4])


ASKED = {"method": howsure.MCDropout(passes=20), "outputs": "logits"}

# --- ways in and out -------------------------------------------------------------------------------

FORMS = {
    "a tuple": tuple,
    "tensors": lambda rows: [torch.tensor(row) for row in rows],
    "an array of objects": lambda rows: np.array([*rows, None], dtype=object)[:-1],
    "double precision": lambda rows: [row.astype(float) for row in rows],
    "batches": lambda rows: (row[None] for row in rows),
    "a dict": lambda rows: {"x": rows, "id": [f"r{number}" for number in range(len(rows))]},
    "dicts": lambda rows: [{"x": row, "id": f"r{number}"} for number, row in enumerate(rows)],
}


@pytest.mark.parametrize("module", [Images, Pixels])
@pytest.mark.parametrize("form", FORMS)
def test_rows_of_several_sizes_are_the_same_in_every_form(module, form):
    rows, order = images(), [3, 0, 5, 1, 4, 2]
    expected = howsure.assess(module().eval(), rows, **ASKED)
    result = howsure.assess(module().eval(), FORMS[form](rows), **ASKED)
    turned = howsure.assess(module().eval(), FORMS[form]([rows[row] for row in order]), **ASKED)
    for name in ("label", "mc_error", "entropy", "passes"):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
        np.testing.assert_array_equal(getattr(turned, name), getattr(expected, name)[order])
    if "dict" in form:
        assert result.ids.tolist() == [f"r{number}" for number in range(6)]


def test_bfloat16_is_read_and_the_callers_buffer_may_change():
    rows = [torch.tensor(row).bfloat16() for row in images()]
    expected = howsure.assess(Images().eval(), [row.float() for row in rows], **ASKED)
    result = howsure.assess(Images().eval(), rows, **ASKED)
    for row in rows:
        row.zero_()
    np.testing.assert_array_equal(result.probabilities, expected.probabilities)


@pytest.mark.parametrize("names", [None, ("cat", "dog", "emu")])
def test_labels_come_with_the_rows_as_beside_the_result(names):
    rows = images()
    truth = [np.random.default_rng(number).integers(0, 3, row.shape[1:]) for number, row in enumerate(rows)]
    given = truth if names is None else [np.array(names)[labels].tolist() for labels in truth]
    expected = howsure.assess(Pixels().eval(), rows, class_names=names, **ASKED).with_truth(given).truth
    for x in (
        {"x": rows, "y": given},
        [{"x": row, "labels": labels} for row, labels in zip(rows, given, strict=True)],
    ):
        found = howsure.assess(Pixels().eval(), x, class_names=names, **ASKED)
        np.testing.assert_array_equal(found.truth, expected)
    for number, labels in enumerate(truth):
        np.testing.assert_array_equal(expected[number][tuple(map(slice, labels.shape))], labels)
        assert (expected[number] >= 0).sum() == labels.size


def test_a_folder_of_images_of_several_sizes_is_assessed_in_python_and_by_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random, rows, names = np.random.default_rng(0), [], ("ant", "bee", "cat")
    for number, sides in enumerate([(8, 10), (12, 9), (8, 10), (16, 16)]):
        pixels, folder = (
            random.integers(0, 255, (*sides, 3)).astype(np.uint8),
            tmp_path / "images" / names[number % 3],
        )
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(np.moveaxis(pixels, -1, 0).astype(np.float32) / 255)
    in_folder = [rows[number] for number in (0, 3, 1, 2)]  # by name
    expected = howsure.assess(Images().eval(), in_folder, **ASKED)
    asked = ("--set", "outputs=logits", "--set", "passes=20", "--set", "divide_by=255")
    done(
        "assess",
        "tests.torch.test_sizes:images_network",
        "images",
        "--out",
        "out.parquet",
        *asked,
        "--report",
        "a.html",
    )
    result = howsure.load("out.parquet")
    np.testing.assert_allclose(result.probabilities, expected.probabilities, rtol=1e-6)
    assert result.class_names == names
    assert result.truth.tolist() == [0, 0, 1, 2]
    assert result.ids.tolist() == ["ant/0.png", "ant/3.png", "bee/1.png", "cat/2.png"]
    assert (tmp_path / "a.html").read_text(encoding="utf-8").count("data:image") >= 4


def test_the_names_of_a_datasets_classes_are_those_of_the_result():
    class Dataset(torch.utils.data.Dataset):
        classes = ("ant", "bee", "cat")

        def __len__(self):
            return 6

        def __getitem__(self, number):
            return images()[number], number % 3

    result = howsure.assess(Images().eval(), Dataset(), **ASKED)
    assert result.class_names == Dataset.classes
    assert result.truth.tolist() == [0, 1, 2, 0, 1, 2]


def test_maps_are_drawn_over_an_image_of_its_own_size():
    plot = pytest.importorskip("matplotlib.pyplot")
    rows = [np.abs(row) / 9 for row in images()]
    result = howsure.assess(Pixels().eval(), rows, **ASKED)
    axes = howsure.plot.maps(result, 1, rows[1])
    shapes = [each.images[0].get_array().shape[:2] for each in axes]
    plot.close("all")
    assert shapes == [(12, 9)] * 3


def equal_to_each_row(found, alone, count):
    """The objects of each row are those that `alone` finds in it."""
    assert (np.diff(found.row) >= 0).all()
    for number in range(count):
        own, other = found.row == number, alone(number)
        for name in ("start", "stop", "label"):
            np.testing.assert_array_equal(getattr(found, name)[own], getattr(other, name))
        np.testing.assert_array_equal(
            found.certainty.probabilities[own], other.certainty.probabilities.reshape(-1, 2)
        )
        ids = [str(each).replace("0:", f"{number}:", 1) for each in other.certainty.ids]
        assert found.certainty.ids[own].tolist() == ids


def test_components_of_images_of_several_sizes(tmp_path):
    module, rows = Pixels().eval(), images()
    truth = [np.random.default_rng(number).integers(0, 3, row.shape[1:]) for number, row in enumerate(rows)]
    asked = {"scheme": "components", **ASKED}
    one_by_one = [howsure.objects(module, row[None], **asked) for row in rows]
    batches = [(row[None], labels[None]) for row, labels in zip(rows, truth, strict=True)]
    for x in (rows, batches):
        found = howsure.objects(module, x, **asked)
        equal_to_each_row(found, one_by_one.__getitem__, len(rows))
    right = [alone.right(labels[None]) for alone, labels in zip(one_by_one, truth, strict=True)]
    np.testing.assert_array_equal(found.right(truth), np.concatenate(right))
    scores = [alone.evaluate(labels[None]) for alone, labels in zip(one_by_one, truth, strict=True)]
    assert found.evaluate(truth).true == sum(each.true for each in scores)
    last = len(found) - 1
    np.testing.assert_array_equal(
        found.mask(last)[tuple(map(slice, rows[-1].shape[1:]))], one_by_one[-1].mask(len(one_by_one[-1]) - 1)
    )
    with pytest.raises(howsure.InputError, match=r"A row of this result is an object.*found\.row"):
        found.certainty.report(tmp_path / "page.html", rows=rows)
    found.certainty.report(tmp_path / "page.html", rows=[rows[row] for row in found.row])
    howsure.hand_over(found.certainty, np.ones(len(found), bool), tmp_path / "look.csv")
    assert len((tmp_path / "look.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(found)


class Tags(nn.Module):
    """A tag of each token, by itself."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.drop, self.last = nn.Embedding(30, 16), nn.Dropout(0.3), nn.Linear(16, 5)

    def forward(self, x):
        return 3 * self.last(self.drop(self.words(x)))


def test_spans_of_texts_of_several_lengths():
    tokens = [
        np.random.default_rng(number).integers(0, 30, length) for number, length in enumerate((7, 4, 9, 7))
    ]
    words = [[None, *range(len(text) - 2), None] for text in tokens]
    names = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    asked = {"scheme": "BIO", "class_names": names, "class_axis": 2, **ASKED}
    found = howsure.objects(Tags().eval(), tokens, words=words, **asked)
    equal_to_each_row(
        found,
        lambda number: howsure.objects(Tags().eval(), tokens[number][None], words=[words[number]], **asked),
        len(tokens),
    )
    with pytest.raises(howsure.InputError, match=r"`words` does not fit.*list of 4 lists.*3 rows"):
        howsure.objects(Tags().eval(), tokens, words=words[:3], **asked)


def padded_batches(rows):
    """Two images a batch, padded with zeros to the larger one."""
    for pair in (rows[:2], rows[2:4], rows[4:]):
        sides = np.max([row.shape[1:] for row in pair], axis=0)
        ends = [
            [(0, 0), *((0, side - own) for side, own in zip(sides, row.shape[1:], strict=True))]
            for row in pair
        ]
        yield np.stack([np.pad(row, end) for row, end in zip(pair, ends, strict=True)])


def counted(rows, shapes):
    """The positions of each padded row that count."""
    maps = [np.zeros(shape, bool) for shape in shapes]
    for row, own in zip(rows, maps, strict=True):
        own[tuple(map(slice, row.shape[1:]))] = True
    return maps


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8)])
@pytest.mark.parametrize("way", ["batches", "batches and positions", "one array and positions"])
def test_padding_that_changes_numbers_is_said(norm, way):
    x = [row.transpose(0, 2, 1) for row in images()]
    rows, positions = list(padded_batches(x)), None
    if way == "batches and positions":
        positions = counted(x, [batch.shape[2:] for batch in rows for _ in batch])
    if way == "one array and positions":
        rows = np.stack([np.pad(row, [(0, 0), *((0, 16 - side) for side in row.shape[1:])]) for row in x])
        positions = np.stack(counted(x, [(16, 16)] * len(x)))
    source = rows if isinstance(rows, np.ndarray) else iter(rows)
    said = r"Row \d was padded, and that changes its plain prediction by up to 0\.\d"
    with pytest.warns(howsure.HowsureWarning, match=said):
        howsure.assess(Pixels(norm).eval(), source, outputs="logits", positions=positions)


NORMS = [nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8), nn.BatchNorm2d(8)]


@pytest.mark.parametrize("norm", NORMS)
def test_images_in_a_list_have_the_shares_of_each_by_itself_whatever_is_normalised(norm):
    module, rows = Pixels(norm).eval(), images()
    with warnings.catch_warnings(action="error"):
        together = howsure.assess(module, rows, **ASKED)
        alone = [howsure.assess(module, row[None], **ASKED) for row in rows]
    assert np.ptp(together.share[:, 0]) > 0.02
    for name in ("share", "share_error", "undecided"):
        expected = np.concatenate([getattr(each, name) for each in alone])
        np.testing.assert_array_equal(getattr(together, name), expected)


def test_padding_that_counts_in_shares_is_said_where_no_prediction_changes():
    x = [row.transpose(0, 2, 1) for row in images()]
    rows = list(padded_batches(x))
    positions = counted(x, [batch.shape[2:] for batch in rows for _ in batch])
    module = Pixels().eval()
    with pytest.warns(
        howsure.HowsureWarning, match=r"Row \d seems to be padded, and its padding counts in shares"
    ):
        howsure.assess(module, iter(rows), **ASKED)
    dark = [row.copy() for row in x]
    for row in dark:
        row[:, -3:] = 0
    with warnings.catch_warnings(action="error"):
        given = howsure.assess(module, iter(rows), positions=positions, **ASKED)
        howsure.assess(module, iter([row[None] for row in x + dark]), **ASKED)  # one by one: no padding
    np.testing.assert_allclose(given.share.sum(1), 1)


class Words(nn.Module):
    """A class of a text, from the mean over its words, or over padding too."""

    def __init__(self, reads_padding):
        super().__init__()
        torch.manual_seed(0)
        self.reads_padding, self.words = reads_padding, nn.Embedding(50, 8)
        self.drop, self.last, self.calls = nn.Dropout(0.4), nn.Linear(8, 3), []

    def forward(self, input_ids, attention_mask):
        self.calls.append(tuple(input_ids.shape))
        there = torch.ones_like(attention_mask) if self.reads_padding else attention_mask
        values = self.words(input_ids) * there[..., None]
        return self.last(self.drop(values.sum(1) / there.sum(1, keepdim=True)))


@pytest.mark.parametrize("reads_padding", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_beside_an_attention_mask_is_tried_with_two_predictions_of_one_row(reads_padding, side):
    module, lengths = Words(reads_padding).eval(), np.array([4, 6, 3, 6])
    mask = (np.arange(7) < lengths[:, None]).astype(int)  # padded to more than the longest
    mask = mask[:, ::-1].copy() if side == "left" else mask
    x = {"input_ids": np.random.default_rng(0).integers(1, 50, (4, 7)) * mask, "attention_mask": mask}
    howsure.assess(
        module, {name: array[[1, 1]][:, mask[1] > 0] for name, array in x.items()}, outputs="logits"
    )
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        howsure.assess(module, x, outputs="logits")
    assert len(heard) == reads_padding
    assert all("Row 2 was padded, and that changes" in str(each.message) for each in heard)
    assert module.calls.count((1, 3)) == 1  # the row without its padding


def test_a_region_of_interest_is_no_padding():
    module, x = Pixels(nn.InstanceNorm2d(8)).eval(), np.stack(images()[:1] * 3)
    region = np.ones((3, 8, 10), bool)
    region[1:, :, 6:] = False  # what lies outside are pixels like others
    with warnings.catch_warnings(action="error"):
        howsure.assess(module, x, outputs="logits", positions=region)
    x[1:, :, :, 6:] = 0
    region[0, :, 6:] = False  # no row counts up to the end, as where all images have a dark margin
    with warnings.catch_warnings(action="error"):
        howsure.assess(module, x, outputs="logits", positions=region)


def test_padding_that_changes_nothing_is_not_said():
    class Ends(nn.Module):
        """Reads each row by itself, and the padding not at all."""

        def __init__(self):
            super().__init__()
            self.drop, self.last = nn.Dropout(0.4), nn.Linear(2, 3)

        def forward(self, x):
            there = (x != 0).any(-1, keepdim=True)
            return (self.last(self.drop(x)) * there).sum(1)

    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 2, 6, 2)).astype("float32")
    first[0, 4:] = 0
    with warnings.catch_warnings(action="error"):
        howsure.assess(Ends().eval(), [(first, [0, 1]), (second[:, :5], [1, 0])], outputs="logits")


def test_what_takes_one_size_alone_says_so():
    with pytest.raises(howsure.InputError, match=r"rows differ in size.*6 rows of 3 sizes"):
        howsure.compare(Images().eval(), images(), [0, 1, 2, 0, 1, 2], outputs="logits")
