"""Folders with more rows than are looked at at once: a sample for scores and pages, all rows for lists."""

import csv

import numpy as np
import pytest

import howsure
from howsure.external.files import FileColumns, read_sample
from howsure.results.export import sets_in_words
from howsure.scale import load
from tests.commands import run
from tests.scale.conftest import FILES, ROWS, into


@pytest.fixture(scope="module")
def folder(tmp_path_factory, written_rows):
    results = tmp_path_factory.mktemp("large") / "results"
    done = into(results, written_rows)
    assert done.exit_code == 0, done.output
    return results


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(load, "SAMPLE", 200)


def said(done):
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_a_sample_is_rows_of_all_parts_each_as_it_is(folder, few):
    whole = howsure.load(folder)
    sample, total = read_sample(folder, FileColumns())
    assert (len(sample), total) == (200, FILES * ROWS)
    assert len(set(sample.row.tolist())) == 200
    assert np.array_equal(sample.probabilities, whole.probabilities[sample.row])
    assert np.array_equal(sample.ids, whole.ids[sample.row])


def labels_for(folder, path, order):
    whole = howsure.load(folder)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "y"])
        lines.writerows([whole.ids[row], whole.label_name[row]] for row in order)
    return path


def test_scores_of_a_sample_have_its_labels(folder, few, tmp_path):
    labels = labels_for(folder, tmp_path / "y.csv", range(FILES * ROWS))
    told = said(run("evaluate", folder, "--labels", labels))
    assert "200 of 360 rows were drawn at random for this." in told
    assert "accuracy 1.000" in told  # each label is what was answered
    turned = labels_for(folder, tmp_path / "z.csv", [*range(1, FILES * ROWS), 0])
    assert (
        said(run("evaluate", folder, "--labels", turned)).partition("Next:")[0] == told.partition("Next:")[0]
    )
    other = tmp_path / "other.csv"
    other.write_text(labels.read_text().replace("row ", "other "))
    refused = run("evaluate", folder, "--labels", other)
    assert refused.exit_code == 2
    assert "labels of other rows" in refused.output


def test_the_page_says_that_it_is_of_a_sample(folder, few, tmp_path):
    said(run("report", folder, "--report", tmp_path / "r.html"))
    page = " ".join((tmp_path / "r.html").read_text().split())
    assert "These 200 rows are a random sample of 360 rows." in page


@pytest.mark.parametrize("which", ["coin-flips", "all"])
def test_lists_are_of_all_rows(folder, few, tmp_path, which):
    whole = howsure.load(folder)
    told = said(run("handover", folder, "--which", which, "--out", tmp_path / "h.csv"))
    wanted = whole.coin_flips() if which == "coin-flips" else whole.most_undecided()
    with (tmp_path / "h.csv").open() as file:
        assert [int(line["row"]) for line in csv.DictReader(file)] == whole.row[wanted].tolist()
    assert f"{len(wanted)} of 360 rows" in told


def test_all_rows_are_decided(folder, few, tmp_path):
    labels, rules = labels_for(folder, tmp_path / "y.csv", range(FILES * ROWS)), tmp_path / "rules.json"
    told = said(run("rules", folder, "--labels", labels, "--risk", 0.3, "--out", rules))
    assert "200 of 360 rows were drawn" in told
    out, rows = tmp_path / "d.csv", tmp_path / "r.csv"
    told = said(run("decide", folder, "--rules", rules, "--out", out, "--to-check", rows))
    decided = howsure.load(rules)(howsure.load(folder))
    assert f"For a person: {decided.hand_over.sum()} of 360 rows." in told
    with out.open() as file, rows.open() as for_a_person:
        lines, to_check = [*csv.DictReader(file)], [*csv.DictReader(for_a_person)]
    assert [int(line["row"]) for line in lines] == [*range(FILES * ROWS)]
    assert [line["set"] for line in lines] == sets_in_words(decided, decided.in_set)
    assert [int(line["row"]) for line in to_check] == decided.row[decided.hand_over].tolist()


def test_labels_with_ids_reach_their_rows(tmp_path, rows, folder):
    labels = labels_for(folder, tmp_path / "y.csv", range(FILES * ROWS))
    done = into(tmp_path / "labelled", rows, "--labels", labels)
    assert done.exit_code == 0, done.output
    found = howsure.load(tmp_path / "labelled")
    assert np.array_equal(found.truth, found.label)
    turned = labels_for(folder, tmp_path / "z.csv", [*range(1, FILES * ROWS), 0])
    assert into(tmp_path / "turned", rows, "--labels", turned).exit_code == 0
    assert np.array_equal(howsure.load(tmp_path / "turned").truth, found.label)
    other = tmp_path / "other.csv"
    other.write_text(labels.read_text().replace("row 7,", "row seven,"))
    assert into(tmp_path / "refused", rows, "--labels", other).exit_code != 0
