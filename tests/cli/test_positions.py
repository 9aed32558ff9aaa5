"""A class at each position on the command line: images in, tables, folders and maps out."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import howsure
from tests.commands import done, flat, lines_of, refused, run
from tests.pixels import DROPOUT, GIVEN, MODEL, NAMES, assessed, folder_of, images, make, truths

N = 4
PASSES = ("--passes", 20)
FILES = ("label", "entropy", "coin-flips")
ROWS = "tests.pixels:one_class_per_row"


@pytest.fixture(scope="module")
def result():
    return assessed(images(N))


@pytest.fixture
def data(tmp_path):
    return folder_of(tmp_path / "images", images(N))


def into(data, out, *more):
    return done("assess", MODEL, data, "--out", out, *GIVEN, *PASSES, *more)


# --- results and maps -----------------------------------------------------------------------------------


def test_results_and_maps_are_those_of_python(data, tmp_path, result):
    said = into(data, tmp_path / "t.parquet", "--maps", tmp_path / "maps", "--keep", "probabilities")
    assert "Maps: " in said
    found = howsure.load(tmp_path / "t.parquet")
    np.testing.assert_array_equal(found.entropy, result.entropy)
    assert found.probabilities.shape == (N, 16, 16, 3)
    told = json.loads((tmp_path / "maps" / "maps.json").read_text())
    assert [each["name"] for each in told["classes"]] == list(NAMES)
    assert told["maps"]["c"] == {"row": 2, "id": "c.png"}
    assert len(list((tmp_path / "maps").iterdir())) == 1 + 3 * N
    label, entropy, flips = (Image.open(tmp_path / "maps" / f"c.{what}.png") for what in FILES)
    np.testing.assert_array_equal(np.asarray(label), result.label[2])
    colours = np.asarray(label.convert("RGB"))
    first = bytes.fromhex(told["classes"][0]["colour"][1:])
    assert {tuple(each) for each in colours[result.label[2] == 0]} == {tuple(first)}
    scale = told["scale"]["entropy"]["255"]
    assert scale == pytest.approx(np.log(3))
    np.testing.assert_allclose(np.asarray(entropy) * scale / 255, result.entropy[2], atol=scale / 500)
    np.testing.assert_array_equal(np.asarray(flips), result.is_coin_flip[2])


def test_a_table_for_other_programs_says_that_it_has_no_maps(data, tmp_path):
    ran = run("assess", MODEL, data, "--out", tmp_path / "t.csv", *GIVEN, *PASSES)
    assert ran.exit_code == 0
    assert "maps are only kept beside a .parquet file" in ran.stderr
    assert not list(tmp_path.glob("*.maps"))


def test_names_of_maps_stay_in_their_folder_and_apart(tmp_path):
    np.savez(tmp_path / "x.npz", x=images(3), id=np.array(["../up", ".._up", "a/b.png"]))
    into(tmp_path / "x.npz", tmp_path / "t.parquet", "--maps", tmp_path / "maps")
    found = {path.name for path in (tmp_path / "maps").glob("*.label.png")}
    assert found == {"_up.label.png", "_up-000001.label.png", "a_b.label.png"}
    assert not (tmp_path / "up.label.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--maps", "{images}"), "The maps would lie in"),
        (("--tile", "big"), "--tile takes whole numbers"),
        (("--overlap", "4"), "--overlap has no effect without --tile"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said, data, tmp_path):
    given = [each.format(images=data, maps=tmp_path / "maps") for each in options]
    assert said in refused("assess", MODEL, data, "--out", tmp_path / "t.parquet", *GIVEN, *given)
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--class-axis", "1"), "--class-axis has no effect on one class per row"),
        (("--keep", "probabilities"), "--keep has no effect on one class per row"),
        (("--tile", "4"), "cannot be assessed in tiles"),
        (("--maps", "{maps}"), "There are no maps for these rows"),
    ],
)
def test_other_kinds_of_answers_are_refused(options, said, out, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    given = [each.format(maps=tmp_path / "maps") for each in options]
    assert said in refused("assess", ROWS, tmp_path / "x.npy", "--out", tmp_path / out, *PASSES, *given)


def test_an_audit_says_how_the_output_is_read(data):
    assert "is read as 3 classes at each position, on axis 3." in done("audit", MODEL)
    read = done("audit", MODEL, "--class-axis", 1, "--data", data, "--divide-by", 255)
    assert "is read as 16 classes at each position, on axis 1." in read
    assert "--class-axis has no effect on one class per row" in refused("audit", ROWS, "--class-axis", 1)


# --- labels ---------------------------------------------------------------------------------------------


def palette(path, labels):
    for letter, array in zip("abcd", labels, strict=True):
        image = Image.fromarray(array)
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
        path.mkdir(exist_ok=True)
        image.save(path / f"{letter}.png")
    return path


@pytest.mark.parametrize("out", ["t.parquet", "folder"])
@pytest.mark.parametrize("form", ["npy", "grey", "palette"])
def test_labels_of_pixels(form, out, data, tmp_path):
    truth = truths(N)
    labels = tmp_path / "y.npy"
    if form == "npy":
        np.save(labels, truth)
    else:
        labels = (folder_of if form == "grey" else palette)(tmp_path / "y", truth)
    into(data, tmp_path / out, "--labels", labels, *(("--part-rows", 3) if out == "folder" else ()))
    found = np.asarray(howsure.load(tmp_path / out).truth)
    np.testing.assert_array_equal(found, np.where(truth == 255, -1, truth.astype(int)))


def test_label_images_are_found_by_name_whatever_the_kind_of_image(tmp_path, data):
    for path in data.iterdir():
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    labels = folder_of(tmp_path / "y", [*truths(N), *truths(1)])  # and one more
    into(data, tmp_path / "t.parquet", "--labels", labels)
    np.testing.assert_array_equal(howsure.load(tmp_path / "t.parquet").truth[3, 5], truths(N)[3, 5])


def test_labels_that_do_not_fit_are_refused(tmp_path, data):
    def said(labels, *more):
        return refused(
            "assess", MODEL, data, "--out", tmp_path / "t.parquet", *GIVEN, *PASSES, "--labels", labels
        )

    labels = folder_of(tmp_path / "y", truths(N))
    (labels / "c.png").unlink()
    assert "holds no label image for 'c.png'" in said(labels)
    Image.fromarray(images(1)[0]).save(labels / "c.png")
    assert "c.png' holds colours, and no class numbers" in said(labels)
    Image.fromarray(truths(1)[0, :8]).save(labels / "c.png")
    assert "c.png' differs in size from 'a.png'" in said(labels)
    (labels / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "c.png' is not a readable label image" in said(labels)
    np.save(tmp_path / "y.npy", truths(N)[:3])
    assert "another number of labels than there are rows" in said(tmp_path / "y.npy")
    np.save(tmp_path / "y.npy", np.full((N, 16, 16), 3))
    assert "Labels are out of range in 4 rows: 0, 1, 2, 3" in said(tmp_path / "y.npy")
    (tmp_path / "none").mkdir()
    assert "holds no label images" in said(tmp_path / "none")


def test_a_mask_of_two_classes_is_not_read_as_positions_that_do_not_count():
    two = {"label": np.zeros((1, 2, 2), np.int16), "truth": np.array([[[0, 255], [0, 0]]], np.uint8)}
    from howsure.answers.positions.truth import truth_map

    with pytest.raises(howsure.InputError, match="0 and 255 alone"):
        truth_map(two["truth"], (1, 2, 2), ("no", "yes"))
    assert truth_map(two["truth"] // 255, (1, 2, 2), ("no", "yes")).tolist() == [[[0, 1], [0, 0]]]
    assert truth_map(two["truth"], (1, 2, 2), ("no", "yes"), ignore=255).min() == -1


# --- judge ----------------------------------------------------------------------------------------------


def test_what_needs_all_probabilities_says_how_to_keep_them(result, tmp_path):
    result.with_truth(truths(N)).save(tmp_path / "t.parquet")
    for name in ("sets", "calibrate"):
        assert "Assess the rows with --keep probabilities" in refused(name, tmp_path / "t.parquet")


def test_kept_probabilities_are_calibrated(tmp_path):
    kept = assessed(images(12), keep="probabilities")
    kept.with_truth(truths(12)).save(tmp_path / "kept")
    done("calibrate", tmp_path / "kept", "--out", tmp_path / "c.json")
    assert "positions" in (tmp_path / "c.json").read_text()


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """40 images with truths that are right at nine of ten pixels, saved as a table with all probabilities."""
    kept = assessed(images(40), keep="probabilities")
    random = np.random.default_rng(1)
    truth = np.where(random.random(kept.label.shape) < 0.1, (kept.label + 1) % 3, kept.label)
    kept = kept.with_truth(truth).with_ids([f"{number}.png" for number in range(40)], "file")
    kept.save(tmp_path_factory.mktemp("judged") / "t.parquet")
    return kept, tmp_path_factory.getbasetemp() / "judged0" / "t.parquet"


def test_sets_of_new_images(judged, tmp_path):
    kept, table = judged
    kept[:5].save(tmp_path / "new.parquet")
    out = tmp_path / "sets.csv"
    said = flat(done("sets", table, "--coverage", 0.9, "--new", tmp_path / "new.parquet", "--out", out))
    sets = howsure.prediction_sets(kept, coverage=0.9)
    assert flat(str(sets)) in said
    sizes = [each.sum(axis=-1).mean() for each in sets(kept[:5])]
    assert f"Sets of 5 images, on average of {np.mean(sizes):.2g} of 3 classes at a pixel." in said
    found = lines_of(out)
    assert [(line["row"], line["file"]) for line in found] == [(str(n), f"{n}.png") for n in range(5)]
    np.testing.assert_allclose([float(line["classes"]) for line in found], sizes)


def test_images_for_a_person(judged, tmp_path):
    """The hint of the error is followed to the letter: the same rows come as in Python."""
    kept, table = judged
    said = refused("abstain", table, "--risk", 0.5)
    offered = re.search(r"Expected: (--tolerance) ([\d.]+) for a Dice of 0\.8", said).groups()
    given = ("--risk", 0.5, "--new", table, "--out", tmp_path / "o.csv")
    rule = howsure.abstain(kept, risk=0.5, tolerance=0.7)
    assert run("abstain", table, *given, *offered).exit_code in (0, 2)
    assert flat(rule.in_words()) in flat(done("abstain", table, *given, "--tolerance", 0.7))
    assert [int(line["row"]) for line in lines_of(tmp_path / "o.csv")] == np.flatnonzero(rule(kept)).tolist()
    without = howsure.abstain(kept, risk=0.5, tolerance=0.9, background=0)
    said = done("abstain", table, "--risk", 0.5, "--tolerance", 0.9, "--background", kept.class_names[0])
    assert flat(without.in_words()) in flat(said)


def test_the_most_doubtful_images_are_handed_over(judged, tmp_path):
    kept, table = judged
    done("handover", table, "--out", tmp_path / "o.csv", "--most", 3)
    found = lines_of(tmp_path / "o.csv")
    order = np.argsort(-kept.doubt)[:3]
    assert [line["file"] for line in found] == [f"{n}.png" for n in order]
    for line, at in zip(found, order, strict=True):
        for name, column in (
            ("undecided", kept.undecided),
            ("doubt", kept.doubt),
            ("share.sky", kept.share[:, 2]),
        ):
            assert float(line[name]) == pytest.approx(column[at], abs=1e-6)
    assert "no image has one" in refused(
        "handover", table, "--out", tmp_path / "n.csv", "--which", "coin-flips"
    )


def test_methods_and_saved_results_are_compared(tmp_path):
    data, labels = folder_of(tmp_path / "images", images(12)), folder_of(tmp_path / "y", truths(12))
    page = tmp_path / "page.html"
    said = done("compare", MODEL, data, "--labels", labels, *GIVEN, "--report", page)
    assert "Take " in said
    assert "Scores of images" in page.read_text()
    ids = [f"{letter}.png" for letter in "abcdefghijkl"]
    for name, method in (("plain", howsure.Softmax()), ("dropout", DROPOUT)):
        kept = howsure.assess(
            make(), images(12) / 255, method=method, class_names=NAMES, keep="probabilities"
        )
        kept.with_ids(ids, "file").save(tmp_path / name)
    said = done("compare", tmp_path / "plain", tmp_path / "dropout", "--labels", labels)
    assert "'dropout'" in said
    done(
        "calibrate",
        tmp_path / "plain",
        "--labels",
        labels,
        "--method",
        "offsets",
        "--out",
        tmp_path / "c.json",
    )
    assert "offsets" in (tmp_path / "c.json").read_text()
