"""Every step after assessing, on the command line: from saved tables and from files of elsewhere."""

import csv

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import howsure
from howsure import Certainty, MultilabelCertainty
from howsure.compare.findings import lead
from tests.commands import flat, lines_of, run

RANDOM = np.random.default_rng(0)
NAMES = ("cat", "dog", "cow")
P = RANDOM.dirichlet([0.5, 0.5, 0.5], size=500)
TRUTH = np.array([RANDOM.choice(3, p=p) for p in P])
SHARP = np.round(P**2 / np.sum(P**2, axis=1, keepdims=True), 3)
KNOWN, NEW = slice(0, 400), slice(400, 500)


def done(*arguments):
    finished = run(*arguments)
    assert finished.exit_code == 0, finished.stderr
    assert finished.stderr == ""
    return flat(finished.stdout)


def refused(*arguments):
    finished = run(*arguments)
    assert finished.exit_code == 2
    assert "Traceback" not in finished.stderr
    return flat(finished.stderr)


def write(path, rows, columns, extra=None):
    """A csv file of probabilities with three decimals, and further columns before and after."""
    before, after = extra or ({}, {})
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*before, *columns, *after])
        for n, row in enumerate(rows):
            cells = [f"{value:.3f}" for value in row]
            lines.writerow([*(v[n] for v in before.values()), *cells, *(v[n] for v in after.values())])
    return path


@pytest.fixture
def known(tmp_path):
    ids = {"id": [f"a{n}" for n in range(500)]}
    labels = {"y": np.array(NAMES)[TRUTH]}
    write(tmp_path / "known.csv", SHARP[KNOWN], NAMES, (ids, labels))
    write(tmp_path / "new.csv", SHARP[NEW], NAMES, ({"id": ids["id"][400:]}, {}))
    return tmp_path / "known.csv"


@pytest.fixture
def new(known):
    return known.with_name("new.csv")


@pytest.fixture
def result():
    return Certainty.from_probabilities(SHARP, NAMES)


def without_next(output):
    """What a command prints before the line to type next."""
    said, _, line = output.partition("Next:")
    assert line.startswith(" howsure ")
    return said


# --- the commands -----------------------------------------------------------------------------


def test_rules_are_fitted_kept_and_applied(known, new, result, tmp_path):
    path, out, rows = tmp_path / "rules.json", tmp_path / "decided.csv", tmp_path / "rows.csv"
    output = done("rules", known, "--risk", 0.3, "--out", path)
    rules = howsure.fit_rules(result[KNOWN], TRUTH[KNOWN], risk=0.3)
    assert flat(str(rules)) in output
    decided = rules(result[NEW])
    output = done("decide", new, "--rules", path, "--out", out, "--to-check", rows)
    assert f"For a person: {decided.hand_over.sum()} of 100 rows." in output
    assert f"Sets hold {decided.in_set.sum() / 100:.2g} of 3 answers on average." in output
    assert run("decide", new, "--rules", path, "--out", "-").stdout == out.read_text()
    lines = lines_of(out)
    assert [line["set"] for line in lines] == rules.sets.in_words(rules.calibrator(result[NEW]))
    np.testing.assert_allclose([float(line["probability"]) for line in lines], decided.probability)
    chosen = [line for line in lines if line["hand_over"] == "True"]
    assert [(row["id"], row["set"]) for row in lines_of(rows)] == [(row["id"], row["set"]) for row in chosen]
    table = tmp_path / "decided.parquet"
    done("decide", new, "--rules", path, "--out", table)
    assert list(howsure.load(table).ids[:2]) == ["a400", "a401"]
    assert "rows that no rules have decided" in refused("decide", table, "--rules", path, "--out", out)
    output = done("handover", table, "--out", rows)  # these rows, and not the coin flips
    assert f"Next: howsure watch {table} --rules RULES.json --labels LABELS.csv" in output
    assert sorted(row["id"] for row in lines_of(rows)) == sorted(row["id"] for row in chosen)
    assert f"For a person: 3 of {len(decided)} rows" in done("handover", table, "--out", rows, "--most", 3)
    flips = done("handover", table, "--out", rows, "--which", "coin-flips")
    assert f"For a person: {len(decided.coin_flips())} of {len(decided)} rows" in flips


def test_parts_of_rules_may_be_left_out(known, new, result, tmp_path):
    path, out = tmp_path / "rules.json", tmp_path / "d.csv"
    done("rules", known, "--set", "leave_out=sets,hand-over", "--out", path)
    assert done("decide", new, "--rules", path, "--out", out).startswith("Decided: 100 rows.")
    calibrated = howsure.calibrate(result[KNOWN], TRUTH[KNOWN])(result[NEW])
    np.testing.assert_allclose([float(line["probability"]) for line in lines_of(out)], calibrated.probability)
    to_check = ("--to-check", tmp_path / "rows.csv")
    assert "choose no rows for a person" in refused("decide", new, "--rules", path, "--out", out, *to_check)
    for words, message in (
        ("hand_over", "Expected: one of 'calibration', 'sets', 'hand-over'. Received: 'hand_over'"),
        ("calibration,sets,hand-over", "Rules without any part decide nothing"),
    ):
        assert message in refused("rules", known, "--set", f"leave_out={words}")


def test_groups_are_a_column_of_the_table_or_beside_the_labels(tmp_path, result):
    ids, patients = [f"a{n}" for n in range(500)], [f"p{n // 5}" for n in range(500)]
    others = {"id": ids, "patient": patients}, {"y": np.array(NAMES)[TRUTH]}
    table = write(tmp_path / "known.csv", SHARP, NAMES, others)
    wanted = str(howsure.fit_rules(result, TRUTH, risk=0.8, groups=patients))
    asked = ("--risk", 0.8, "--groups-column")
    assert flat(wanted) in done("rules", table, *asked, "patient")
    assert "No file has a column 'nobody'" in refused("rules", table, *asked, "nobody")
    result.with_ids(ids).save(tmp_path / "saved.parquet")
    turned = [f"{ids[n]},{NAMES[TRUTH[n]]},{patients[n]}" for n in RANDOM.permutation(500)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,y,patient", *turned]))
    labels = ("--labels", tmp_path / "labels.csv")
    scored = howsure.evaluate(result, TRUTH, groups=patients)
    assert f"{scored.nll}" in done("evaluate", table, "--groups-column", "patient")
    assert f"{scored.nll}" != f"{howsure.evaluate(result, TRUTH).nll}"
    assert flat(wanted) in done("rules", tmp_path / "saved.parquet", *labels, *asked, "patient")


def test_a_report_says_what_is_known_and_nothing_of_passes(known, tmp_path):
    output = done("report", known, "--report", tmp_path / "page.html")
    assert "of 400 rows" in output
    assert "known.csv" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_two_tables_are_compared(known, tmp_path):
    ids = {"id": [line["id"] for line in lines_of(known)]}
    other = write(tmp_path / "other.csv", P[KNOWN], NAMES, (ids, {}))
    output = done("compare", known, other, "--report", tmp_path / "page.html")
    results = {
        "known": Certainty.from_probabilities(SHARP[KNOWN], NAMES),
        "other": Certainty.from_probabilities(np.round(P[KNOWN], 3), NAMES),
    }
    assert flat(lead(howsure.Comparison.of_results(results, TRUTH[KNOWN]))) in output
    assert "Take calibrated 'known'" in output
    assert "plain predictions" not in output
    for option in (("--set", "batch_size=8"), ("--set", f"members={known}")):
        assert "howsure compare of two tables takes no setting" in refused("compare", known, other, *option)
    assert "other" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "needs true classes" in refused("compare", other, write(tmp_path / "third.csv", P[KNOWN], NAMES))


# --- what is read -----------------------------------------------------------------------------


def test_a_saved_result_is_read_whole(tmp_path):
    passes = np.stack([RANDOM.dirichlet(9 * p + 0.3) for p in P for _ in range(5)]).reshape(500, 5, 3)
    result = Certainty.from_passes(passes.transpose(1, 0, 2), NAMES)
    result.save(tmp_path / "saved.parquet")
    np.save(tmp_path / "y.npy", TRUTH)
    output = done(
        "report", tmp_path / "saved.parquet", "--labels", tmp_path / "y.npy", "--report", tmp_path / "r.html"
    )
    assert "more passes could still change the verdict" in output
    output = refused("evaluate", tmp_path / "saved.parquet", "--set", "label_column=y")
    assert "is a saved result, which says itself what its columns are" in output


def test_a_table_that_howsure_wrote_as_csv_is_refused(result, tmp_path):
    result.save(tmp_path / "table.csv")
    output = refused("evaluate", tmp_path / "table.csv")
    assert "is a table that howsure wrote as csv" in output
    assert "the .parquet form of this table" in output


def test_labels_may_lie_in_a_file_of_their_own(tmp_path):
    table = write(tmp_path / "p.csv", SHARP, NAMES)
    write(tmp_path / "y.csv", TRUTH[:, None], ["y"])
    np.save(tmp_path / "y.npy", TRUTH)
    one, other = (done("evaluate", table, "--labels", tmp_path / name) for name in ("y.csv", "y.npy"))
    assert without_next(one) == without_next(other)
    assert f"Next: howsure rules {table} --labels {tmp_path / 'y.csv'} --out rules.json" in one
    assert "holds no true answers. Expected: --labels FILE" in refused("evaluate", table)


def test_columns_are_named_dropped_and_chosen(tmp_path):
    extra = {"name": ["x"] * 500, "customer": range(7, 507)}, {"label": np.array(NAMES)[TRUTH]}
    table = write(tmp_path / "p.csv", SHARP, NAMES, extra)
    output = refused("evaluate", table)
    assert "have columns without numbers: 'name', 'label'" in output
    assert "label_column=label" in output
    chosen = done("evaluate", table, "--set", "label_column=label", "--class-names", "cat,dog,cow")
    columns = ("--set", "label_column=label", "--set", "drop=name", "--id-column", "customer")
    assert without_next(done("evaluate", table, *columns)) == without_next(chosen)
    handed_over = done("handover", table, *columns, "--out", tmp_path / "check.csv", "--most", 1)
    same = "--id-column customer --set label_column=label --set drop=name"
    assert f"Next: howsure rules {table} {same} --out rules.json" in handed_over
    assert "customer" in (tmp_path / "check.csv").read_text().splitlines()[0]
    assert "has no column 'none'" in refused("evaluate", table, "--set", "drop=none")
    assert "have no columns 'cows'" in refused("evaluate", table, "--class-names", "cat,dog,cows")


def test_class_names_say_the_order_or_give_names(tmp_path, result):
    table = write(tmp_path / "p.csv", SHARP, NAMES)
    np.save(tmp_path / "y.npy", np.array([2, 1, 0])[TRUTH])
    turned = done("evaluate", table, "--class-names", "cow,dog,cat", "--labels", tmp_path / "y.npy")
    assert flat(str(howsure.evaluate(result, TRUTH).nll)) in turned
    output = done("report", table, "--class-names", "tom,rex,moo", "--report", tmp_path / "r.html")
    assert "'tom'" in output


def test_one_column_is_the_second_of_two_classes(tmp_path):
    table = write(tmp_path / "p.csv", SHARP[:, :1], ["spam"])
    output = done("report", table, "--class-names", "fine,spam", "--report", tmp_path / "r.html")
    assert "of 500 rows" in output
    assert "'spam'" in output
    output = refused("report", table, "--report", tmp_path / "r.html")
    assert "too few columns" in output
    assert "--class-names and `several_labels` say" in output
    assert "of 500 answers" in done(
        "report", table, "--set", "several_labels=true", "--report", tmp_path / "r.html"
    )
    output = refused("report", table, "--class-names", "spam,fine", "--report", tmp_path / "r.html")
    assert "that of the second of two classes" in output


def test_several_labels(tmp_path):
    p, holds = np.round(RANDOM.uniform(size=(200, 2)), 3), RANDOM.uniform(size=(200, 2)) < 0.5
    table = write(tmp_path / "p.csv", p, ["rain", "wind"])
    np.save(tmp_path / "y.npy", holds)
    labels = ("--set", "several_labels=true", "--labels", tmp_path / "y.npy")
    result = MultilabelCertainty.from_probabilities(p, ["rain", "wind"])
    assert flat(str(howsure.evaluate(result, holds))) in done("evaluate", table, *labels)
    done("evaluate", table, *labels, "--out", tmp_path / "scores.csv")
    lines = lines_of(tmp_path / "scores.csv")
    assert {line["label"] for line in lines} == {"", "rain", "wind"}
    assert "do not sum to 1" in refused("evaluate", table, "--labels", tmp_path / "y.npy")


# --- tables as other tools write them ---------------------------------------------------------


def accuracy_of(*arguments):
    """The line of the accuracy, and what was said aloud."""
    finished = run("evaluate", *arguments)
    assert finished.exit_code == 0, finished.stderr
    return next(line for line in finished.stdout.splitlines() if line.startswith("accuracy")), flat(
        finished.stderr
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("cat,dog\n90%,10%\n20%,80%\n", (), "Leave out the per cent signs"),
        ("cat,dog\n90,10\n20,80\n", (), "They look like percentages: divide them by 100"),
        ("cat;dog\n0,9;0,1\n", ("--set", "separator=;"), "--set decimal=,"),
        ("cat;dog\n0.9;0.1\n", (), "--set separator=';'"),
        ("cat,dog\n0.9,0.1\n", ("--set", "separator=ab"), "The separator of a csv file cannot be used"),
        ("cat,dog\n0.9,0.1\n", ("--set", "decimal=;"), "The decimal sign of a csv file cannot be used"),
    ],
)
def test_forms_that_are_not_read(content, options, message, tmp_path):
    (tmp_path / "p.csv").write_text(content)
    assert message in refused("report", tmp_path / "p.csv", *options, "--report", tmp_path / "page.html")


def test_a_separator_needs_a_csv_file(tmp_path, result):
    result.save(tmp_path / "p.parquet")
    assert "`separator` has no effect without csv" in refused(
        "evaluate", tmp_path / "p.parquet", "--set", "separator=;"
    )


def test_sums_that_rounding_does_not_explain_are_divided_out_where_that_is_asked_for(tmp_path):
    (tmp_path / "p.csv").write_text("cat,dog,y\n0.898,0.1,cat\n0.2,0.798,dog\n")
    assert "On the command line: --set normalise=true" in refused("evaluate", tmp_path / "p.csv")
    accuracy, warned = accuracy_of(tmp_path / "p.csv", "--set", "normalise=true")
    assert "1.0" in accuracy
    assert "divided by their sums, which are 0.998 to 0.998" in warned
    saved = tmp_path / "saved.parquet"
    Certainty.from_probabilities(SHARP, NAMES).with_truth(TRUTH).save(saved)
    for name in ("normalise", "several_labels"):
        assert "says itself what its columns are" in refused("evaluate", saved, "--set", f"{name}=true")


# --- a classifier in a file -------------------------------------------------------------------


def test_a_classifier_in_a_file_is_assessed_where_it_may_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = RANDOM.normal(size=(60, 2))
    y = (data[:, 0] > 0).astype(int)
    frame = pd.DataFrame(data, columns=["width", "length"])
    forest = RandomForestClassifier(5, random_state=0).fit(frame, y)
    joblib.dump(forest, "forest.joblib")
    frame[["length", "width"]].assign(kind=y, name=[f"r{n}" for n in range(60)], note="-").to_csv("rows.csv")
    columns = ("--set", "label_column=kind", "--id-column", "name")
    asked = ("assess", "forest.joblib", "rows.csv", "--out")
    assert "runs code when it is opened, so it was not" in refused(*asked, "o.parquet", *columns)
    asked = (*asked, "o.parquet", "--allow-code")
    done(*asked, *columns)
    result = howsure.load("o.parquet")
    np.testing.assert_allclose(result.probabilities, forest.predict_proba(frame), atol=1e-6)
    assert (result.truth.tolist(), result.ids[3]) == (y.tolist(), "r3")
    for option, message in (
        (("--set", "passes=4"), "`passes` has no effect with a classifier"),
        (("--set", "divide_by=2"), "columns that a classifier takes by name"),
        (("--out", "folder/"), "One table is needed"),
        (("--set", "skip_unreadable=true"), "`skip_unreadable` is for images"),
    ):
        assert message in refused(*asked, *columns, *option)
    joblib.dump(data, "array.joblib")
    (tmp_path / "none.joblib").write_bytes(b"none")
    assert "gives no probabilities" in refused("assess", "array.joblib", *asked[2:])
    assert "'none.joblib' cannot be opened" in refused("assess", "none.joblib", *asked[2:])


# --- what goes wrong --------------------------------------------------------------------------


def test_what_is_wrong_in_a_file_names_file_and_row(tmp_path, known):
    write(tmp_path / "p.csv", 100 * SHARP - 1, NAMES)
    assert "p.csv': the probabilities are not from 0 to 1" in refused("evaluate", tmp_path / "p.csv")
    (tmp_path / "gap.csv").write_text("cat,dog\n0.5,0.5\n,1\n")
    assert "missing, NaN or infinite in row 1" in refused("evaluate", tmp_path / "gap.csv")
    (tmp_path / "rows.txt").write_text("")
    assert "is not a kind of file that results" in refused("evaluate", tmp_path / "rows.txt")
    assert "The table does not exist" in refused("evaluate", tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    assert "error:" in refused("evaluate", tmp_path / "bad.parquet")
    (tmp_path / "empty.csv").write_text("")
    assert "holds no header" in refused("evaluate", tmp_path / "empty.csv")


def test_an_earlier_output_stays_where_something_goes_wrong(known, tmp_path):
    kept = tmp_path / "rules.json"
    kept.write_text("before")
    few = write(tmp_path / "few.csv", SHARP[:5], NAMES, ({}, {"y": TRUTH[:5]}))
    assert "Too few labelled rows" in refused("rules", few, "--out", kept)
    assert kept.read_text() == "before"
    assert "wrong ending" in refused("rules", known, "--out", tmp_path / "rules.txt")
    assert "would overwrite" in refused("handover", known, "--out", known)
    decide = ("decide", known, "--rules", kept, "--out")
    assert "is not a saved set of rules" in refused(*decide, tmp_path / "d.csv")
    assert "would overwrite" in refused(*decide, known)
    assert "would overwrite" in refused(*decide, tmp_path / "d.csv", "--to-check", tmp_path / "d.csv")
